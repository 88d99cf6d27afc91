"""The compiled kernel with other numbers: its plan is made once, its numbers anew.

Where a number stands in the flat arrays of ``plan.py`` does not hang on the
number. So the plan is made of numbers without accidents (no zeros, no
equals), and filled with those asked for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference.compiled.kernels import alike, count, score
from kneebayes.inference.compiled.layout import course_of, lower_layer, or_entries, upper_layer
from kneebayes.inference.compiled.vectors import LANES
from kneebayes.inference.counts import Cases, Counts
from kneebayes.inference.network import Posteriors, cores, patterns
from kneebayes.inference.parameters import Parameters
from kneebayes.inference.tables import Component, Tables

__all__ = [
    "Kernel",
    "Renumbering",
    "Strands",
    "renumbering_of",
]

Floats = NDArray[np.float64]
ROWS_PER_TASK = 4096


class Kernel:
    """The compiled batch path for one model.

    Parameters
    ----------
    tables : Tables
        The tables of the model.
    n_risks : int
        How many risk factors come before the causes in the codes.
    """

    def __init__(self, tables: Tables, n_risks: int) -> None:
        apart = {p for links in tables.parents for p, survival in links.items() if len(set(survival[1:])) > 1}
        cards = [card if c in apart else 2 for c, card in enumerate(tables.cards)]
        self.upper = upper_layer(tables, cards)
        self.lower = lower_layer(tables, cards, n_risks)
        self.n_columns = len(tables.cards) + 1 + len(self.lower.extra)

    def run(self, codes: NDArray[np.int8]) -> tuple[Floats, Floats]:
        """Compute the posteriors of a batch.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The evidence.

        Returns
        -------
        ndarray, shape (n, columns)
            The posteriors; a row of NaN where the evidence is impossible.
        ndarray, shape (n,)
            P(evidence).
        """
        n = codes.shape[1]
        codes = np.ascontiguousarray(codes)
        values, evidence = np.empty((n, self.n_columns)), np.empty(n)
        starts = range(0, n, ROWS_PER_TASK)

        def work(start: int) -> None:
            stop = min(start + ROWS_PER_TASK, n)
            together, pattern = alike(self.upper, codes, start, stop)
            key = together * len(self.upper.base) + pattern
            if key.max() <= np.iinfo(np.int16).max:
                key = key.astype(np.int16)  # NumPy sorts these by radix, five times as fast
            place = np.argsort(key, kind="stable")
            score(self.upper, self.lower, codes, start + place, together[place], values, evidence)

        workers = min(len(starts), cores())
        if workers <= 1:
            for start in starts:
                work(start)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, starts))
        return values, evidence


MOST = 16  # strands, whatever the number of cores, so that sums round alike everywhere
LEAST = 64  # cases in one


class _Sums(NamedTuple):
    """What the passes add up."""

    present: Floats  # (findings, joint states)
    known: Floats  # (findings, causes, most states)
    joint: Floats
    base: Floats  # (patterns of the base that there are, columns)
    single: Floats  # laid out as the tables of the course
    several: Floats
    reached: Floats


class Strands:
    """The compiled passes with one set of tables.

    Parameters
    ----------
    tables : Tables
        The tables of a model.
    n_risks : int
        How many risk factors come before the causes in the codes.
    """

    def __init__(self, tables: Tables, n_risks: int) -> None:
        course = course_of(tables, n_risks)
        whole = np.pad(course.base, [(0, 0), (0, -course.base.shape[1] % LANES)])
        self.tables, self.course = tables, course._replace(base=whole)

    def run(self, cases: Cases) -> Counts:
        """Add up the expected counts of cases.

        Parameters
        ----------
        cases : Cases
            What is known of at least one.

        Returns
        -------
        Counts
            Summed over the cases by weight, always in the same order.
        """
        n = len(cases.weight)
        pattern = patterns(self.tables.base, cases.codes)
        order = np.argsort(pattern, kind="stable")  # cases of one pattern read and write the same row of the base
        pattern = pattern[order]
        codes = np.ascontiguousarray(cases.codes.T[order])
        allowed, weight = cases.allowed[order], np.asarray(cases.weight, dtype=float)[order]
        log_evidence = np.empty(n)
        length = max(-(-n // MOST), LEAST)

        def work(start: int) -> tuple[int, _Sums]:
            part = slice(start, start + length)
            first, last = int(pattern[part][0]), int(pattern[part][-1])
            sums = self._nothing(last + 1 - first)
            count(self.course, codes[part], allowed[part], weight[part], first, sums, log_evidence[part])
            return first, sums

        starts = range(0, n, length)
        total = self._nothing(len(self.tables.base.trigger))
        with ThreadPoolExecutor(min(cores(), len(starts))) as pool:
            for first, sums in pool.map(work, starts):
                for name, mine, theirs in zip(_Sums._fields, total, sums, strict=True):
                    own = mine[first : first + len(theirs)] if name == "base" else mine
                    own += theirs
        restored = np.empty(n)
        restored[order] = log_evidence
        return self._counts(total, restored)

    def _nothing(self, n_patterns: int) -> _Sums:
        c = self.course
        return _Sums(
            present=np.zeros_like(c.present),
            known=np.zeros_like(c.absent_links),
            joint=np.zeros_like(c.share),
            base=np.zeros((n_patterns, c.base.shape[1])),
            single=np.zeros_like(c.single_table),
            several=np.zeros_like(c.several_table),
            reached=np.zeros_like(c.kept),
        )

    def _counts(self, sums: _Sums, log_evidence: Floats) -> Counts:
        c, parts = self.course, (self.tables.base, *self.tables.components)
        components = [sums.base[:, : self.tables.base.trigger.shape[1]], *(np.empty(0) for _ in parts[1:])]
        for i, g in enumerate(c.single):
            components[g] = sums.single[c.single_start[i] : c.single_start[i + 1]].reshape(-1, 2)
        for i, g in enumerate(c.several):
            weights = or_entries(parts[g].targets, self.tables.cards, self.tables.split)[1]
            flows = sums.several[c.several_start[i] : c.several_start[i + 1]]
            components[g] = flows.reshape(-1, len(weights)) @ weights
        reached = np.split(sums.reached, c.parents_of[1:-1])
        return Counts(log_evidence, sums.present, sums.known, sums.joint, components, list(reached))


Codes = NDArray[np.int8]
_Moves = tuple[Floats, list[tuple[int, NDArray[np.int64]]]]
SEED_WITHOUT_ACCIDENTS = 0


class Renumbering:
    """The kernel of a model, for any numbers.

    Parameters
    ----------
    parameters : Parameters
        The numbers of the model.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        values = np.random.default_rng(SEED_WITHOUT_ACCIDENTS).uniform(0.2, 0.8, len(parameters.p))
        for members in parameters.distributions:
            values[members] /= len(members)
        tables = parameters.tables(values)
        self._plan = Kernel(tables, len(parameters.network.model.risks))
        upper, lower = self._plan.upper, self._plan.lower
        self._cards = upper.cards.tolist()
        self._finding = np.repeat(np.arange(len(lower.vector)), np.diff(lower.link_start))
        self._moves = []
        for i, component in enumerate(tables.components):
            entries = slice(upper.entry_start[i], upper.entry_start[i + 1])
            self._moves.append(self._moves_of(component, upper.after[entries], upper.before[entries]))

    def posteriors(self, values: Floats, codes: Codes) -> Posteriors:
        """Compute the posteriors of a batch under other numbers.

        Parameters
        ----------
        values : ndarray, shape (P,)
            As for `Parameters.tables`.
        codes : ndarray of int8, shape (variables, n)
            As for `CompiledModel.posteriors`.

        Returns
        -------
        Posteriors
            One row per case.
        """
        found, evidence = self.kernel(values).run(codes)
        np.minimum(found, 1.0, out=found)
        with np.errstate(divide="ignore"):
            return Posteriors(self.parameters.network.columns, found, np.log(evidence))

    def kernel(self, values: Floats) -> Kernel:
        """Fill the plan with numbers.

        Parameters
        ----------
        values : ndarray, shape (P,)
            As for `Parameters.tables`.

        Returns
        -------
        Kernel
            Which answers as one that was made from a model file of these numbers.
        """
        tables = self.parameters.tables(values)
        kernel, upper, lower = copy(self._plan), self._plan.upper, self._plan.lower
        links = np.append(values, 0.0)
        split = np.ones_like(upper.split)
        late_split = np.ones_like(lower.late_split)
        for c, (card, shares) in enumerate(zip(self._cards, tables.split, strict=True)):
            if card == len(shares) + 1:
                split[c, 1:card] = shares
        for i, c in enumerate(lower.late):
            late_split[i, 1 : 1 + len(tables.split[c])] = tables.split[c]
        coefficients = [
            _coefficients(component, moves, tables.split)
            for component, moves in zip(tables.components, self._moves, strict=True)
        ]
        kernel.upper = upper._replace(
            base=self._base(tables),
            plain=np.concatenate([np.zeros(0), *(_separate(component) for component in tables.components)]),
            table=np.concatenate([np.zeros(0), *coefficients]),
            split=split,
            parent=np.concatenate([self._kept_and_triggered(c, links) for c in range(len(self._cards))]),
        )
        keep = tables.absent_links.reshape(len(tables.absent_leak), -1)[self._finding, lower.link]
        alone = lower.vector[self._finding] < 0
        several = np.flatnonzero(lower.vector >= 0)
        kernel.lower = lower._replace(
            leak_factor=_factors(tables.absent_leak, np.ones_like(tables.absent_leak)),
            link_factor=_factors(keep, np.where(alone, 1.0 - tables.absent_leak[self._finding] * keep, 1.0)),
            present=np.vstack([1.0 - tables.absent[several], np.ones((1, tables.absent.shape[1]))]),
            late_split=late_split,
        )
        return kernel

    def _base(self, tables: Tables) -> Floats:
        """Spread the base's triggers over the states that the upper layer tells apart, padded as in the plan."""
        base = tables.base.trigger
        n = len(base)
        for c, card in enumerate(self._cards):
            if card > 2:
                halves = base.reshape(n, int(np.prod(self._cards[:c])), 2, -1)
                present = halves[:, :, 1:] * tables.split[c][:, None]
                base = np.concatenate([halves[:, :, :1], present], axis=2).reshape(n, -1)
        width = self._plan.upper.base.shape[1]
        if base.shape[1] < width:
            base = np.pad(base, [(0, 0), (0, width - base.shape[1])])
        return np.ascontiguousarray(base)

    def _moves_of(self, component: Component, after: NDArray[np.int64], before: NDArray[np.int64]) -> _Moves:
        """Tell which triggers bring about each entry of the plan, and which splits they draw on."""
        strides = self._plan.upper.stride
        bits = _bits(len(component.targets))
        brought = np.ones((bits.shape[1], len(after)))
        draws = []
        for i, t in enumerate(component.targets):
            new, old = (cells // strides[t] % self._cards[t] for cells in (after, before))
            brought *= np.where(old > 0, new == old, (new > 0) == (bits[i][:, None] > 0))
            if self._cards[t] > 2:
                draws.append((t, np.where((old == 0) & (new > 0), new - 1, -1)))
        return brought, draws

    def _kept_and_triggered(self, c: int, links: Floats) -> Floats:
        """1 - link and its complement of a cause by joint state of the causes that cause it, shape (states, 2)."""
        kept, triggered = np.ones(1), np.zeros(1)
        for parent, places in self.parameters.parents[c].items():
            link = links[places][: self._cards[parent]]
            triggered = (triggered[:, None] + kept[:, None] * link).ravel()
            kept = (kept[:, None] * (1.0 - link)).ravel()
        return np.stack([kept, triggered], axis=1)


def _coefficients(component: Component, moves: _Moves, split: tuple[Floats, ...]) -> Floats:
    """Coefficient of each entry of the plan, by evidence pattern."""
    brought, draws = moves
    table = component.trigger @ brought
    for t, state in draws:
        table *= np.append(split[t], 1.0)[state]
    return table.ravel()


def _separate(component: Component) -> Floats:
    """P(evidence pattern), then for each target P(not triggered) and P(triggered) given the pattern."""
    whole = component.trigger.sum(axis=1)
    bits = _bits(len(component.targets)).T
    triggered = component.trigger @ np.stack([1.0 - bits, bits], axis=2).reshape(len(bits), -1)
    shares = np.divide(triggered, whole[:, None], out=np.zeros_like(triggered), where=whole[:, None] > 0)
    return np.concatenate([whole[:, None], shares], axis=1).ravel()


def _bits(n: int) -> NDArray[np.int64]:
    """Which of n targets each of the columns of a component's table has triggered, shape (n, 2 ** n)."""
    return np.arange(1 << n) >> np.arange(n)[::-1, None] & 1


def _factors(negative: Floats, positive: Floats) -> Floats:
    """Put end to end what an unknown, a negative and a positive finding multiply by."""
    return np.stack([np.ones_like(negative), negative, positive], axis=1).ravel()


@lru_cache(maxsize=4)
def renumbering_of(parameters: Parameters) -> Renumbering:
    """Make the plan of a model once.

    Parameters
    ----------
    parameters : Parameters
        The numbers of the model.

    Returns
    -------
    kernel : Renumbering
        The same object for the same numbers.
    """
    return Renumbering(parameters)
