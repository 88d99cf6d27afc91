"""Expected counts: how often each cause, risk factor and trigger occurred, given what is known of cases.

The forward pass is that of ``inference.py``: components of risk factors OR
their triggers into the causes, causes OR into causes, findings weigh. P(evidence)
is linear in the table row of each component, so one backward pass over the
same steps gives, for every component and pattern t of its triggers,
P(evidence, t) / P(t): all that its expected counts need, however many of its
risk factors are missing. The findings need only the posterior of the joint
state, summed over the cases in which they are present, and the posteriors of
the causes, over those in which they are known.

This is the reference. Many cases take the same way in compiled code
(``passes.py``), some ten times as fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import UnknownNameError
from kneebayes.inference.compiled.layout import or_entries
from kneebayes.inference.network import Effect, patterns
from kneebayes.inference.tables import Tables

if TYPE_CHECKING:
    from kneebayes.inference.compiled.threads import Strands

__all__ = [
    "MIN_COMPILED",
    "Cases",
    "Counts",
    "Engine",
    "Expectation",
]

Floats = NDArray[np.float64]


class Cases(NamedTuple):
    """What is known of n cases.

    Attributes
    ----------
    codes : ndarray of int8, shape (variables, n)
        The evidence; -1 where it is not known.
    allowed : ndarray of bool, shape (n, causes, most states)
        The states that labels leave possible.
    weight : ndarray, shape (n,)
        How often to count each case.
    """

    codes: NDArray[np.int8]
    allowed: NDArray[np.bool_]
    weight: Floats


@dataclass(eq=False)
class Counts:
    """Expected counts over cases, and their likelihood.

    With C causes, K joint states of them and F findings:

    Attributes
    ----------
    log_evidence : ndarray, shape (n,)
        Natural logarithm of P(what is known of the case).
    present : ndarray, shape (F, K)
        Cases with the finding known to be present, by joint state.
    known : ndarray, shape (F, C, most states)
        Cases with the finding known to be present or absent, by state of each cause.
    joint : ndarray, shape (K,)
        Cases by joint state.
    components : list of ndarray, shape (evidence patterns, trigger patterns)
        As the ``trigger`` of each component, the base first: cases over that
        chance, by evidence pattern and by what the risk factors and leaks in
        it triggered.
    reached : list of ndarray, shape (joint states of the causes that cause this one)
        Per cause, the cases in which it is present, or would be if only one
        more trigger fired, over the chance of that.
    """

    log_evidence: Floats
    present: Floats
    known: Floats
    joint: Floats
    components: list[Floats]
    reached: list[Floats]

    def add(self, other: Counts) -> None:
        """Add the counts of other cases, in place.

        Parameters
        ----------
        other : Counts
            From the same tables.
        """
        self.log_evidence = np.concatenate([self.log_evidence, other.log_evidence])
        self.present += other.present
        self.known += other.known
        self.joint += other.joint
        for mine, theirs in zip(self.components + self.reached, other.components + other.reached, strict=True):
            mine += theirs

    def scaled(self, factor: float) -> Counts:
        """Count every case so many times.

        Parameters
        ----------
        factor : float
            How often.

        Returns
        -------
        Counts
            New ones, of the same cases.
        """
        return Counts(
            self.log_evidence,
            self.present * factor,
            self.known * factor,
            self.joint * factor,
            [count * factor for count in self.components],
            [count * factor for count in self.reached],
        )


Engine = Literal["auto", "numpy", "numba"]
CHUNK = 256  # cases whose forward states fit a core's cache
MIN_COMPILED = 256
TINY = 1e-300


class Expectation:
    """Computes expected counts with one set of tables.

    Parameters
    ----------
    tables : Tables
        The tables of a model.
    n_risks : int
        How many risk factors come before the causes in the codes.
    """

    def __init__(self, tables: Tables, n_risks: int) -> None:
        self.tables, self.n_risks = tables, n_risks
        self.parts = (tables.base, *tables.components)
        cards = tables.cards
        self.states = np.stack(np.unravel_index(np.arange(int(np.prod(cards))), cards), axis=1)
        self.single = [[g for g, p in enumerate(self.parts) if g and p.targets == (c,)] for c in range(len(cards))]
        self.several = [g for g, p in enumerate(self.parts) if g and len(p.targets) != 1]
        self.ors = {g: or_entries(self.parts[g].targets, cards, tables.split) for g in self.several}
        self.effects = [Effect.of(c, tables) for c in range(len(cards))]

    def counts(self, cases: Cases, *, engine: Engine = "auto") -> Counts:
        """Compute expected counts.

        Parameters
        ----------
        cases : Cases
            What is known of at least one. A case that is impossible, whose ``log_evidence``
            is -inf, counts as none.
        engine : {"auto", "numpy", "numba"}
            Which code computes them; they agree but for rounding. By itself,
            numba from 256 cases on.

        Returns
        -------
        Counts
            Summed over the cases by weight, always in the same order.

        Raises
        ------
        UnknownNameError
            If there is no such engine.
        """
        if engine not in get_args(Engine):
            raise UnknownNameError(f"no engine '{engine}': use one of {', '.join(get_args(Engine))}")
        n = len(cases.weight)
        if engine == "numba" or (engine == "auto" and n >= MIN_COMPILED):
            counts = self._strands.run(cases)
            lost = np.flatnonzero(np.isneginf(counts.log_evidence))
            if len(lost):  # impossible, or so improbable that the product of it all is 0: here logarithms add up
                again = self._counts(_chosen(cases, lost))
                log_evidence = counts.log_evidence
                log_evidence[lost] = again.log_evidence
                counts.add(again)
                counts.log_evidence = log_evidence
            return counts
        return self._counts(cases)

    def _counts(self, cases: Cases) -> Counts:
        counts = self._chunk(_chosen(cases, slice(CHUNK)))
        for start in range(CHUNK, len(cases.weight), CHUNK):
            counts.add(self._chunk(_chosen(cases, slice(start, start + CHUNK))))
        return counts

    @cached_property
    def _strands(self) -> Strands:
        from kneebayes.inference.compiled.threads import Strands  # here, because numba takes a while to import

        return Strands(self.tables, self.n_risks)

    @cached_property
    def _logs(self) -> tuple[Floats, Floats]:
        """Logarithm of P(finding absent) and P(finding present), by joint state."""
        absent = self.tables.absent
        return np.log(np.maximum(absent, TINY)).T, np.log(np.maximum(1.0 - absent, TINY)).T

    def _chunk(self, cases: Cases) -> Counts:
        """Count a few cases; what follows keeps cases along the last axis, so that every step runs along them."""
        t, codes, n = self.tables, cases.codes, len(cases.weight)
        n_causes = len(t.cards)
        findings = codes[self.n_risks + n_causes :]
        negative, positive = (findings == 0).astype(float), (findings == 1).astype(float)
        likelihood, scale = self._likelihood(negative, positive, codes[self.n_risks :][:n_causes], cases.allowed)
        rows = [patterns(part, codes) for part in self.parts]
        triggers = [np.ascontiguousarray(p.trigger[row].T) for p, row in zip(self.parts, rows, strict=True)]
        joint = _expand(triggers[0], t.cards, t.split)
        before: dict[object, Floats] = {}
        for g in self.several:
            before[g] = joint
            joint = self._or_component(joint, g, triggers[g])
        chances = [[triggers[g] for g in self.single[c]] for c in range(n_causes)]
        for c in t.order:
            before["cause", c] = joint
            joint = self._or_cause(joint, c, _combined(chances[c], n))
        evidence = (joint * likelihood).sum(axis=0)
        back = likelihood * np.divide(cases.weight, evidence, out=np.zeros(n), where=evidence > 0)
        with np.errstate(divide="ignore"):
            log_evidence = np.log(evidence) + scale
        posterior = joint * back
        messages: list[Floats] = [np.empty(0)] * len(self.parts)
        reached: list[Floats] = [np.empty(0)] * n_causes
        for c in reversed(t.order):
            back, reached[c], off, on = self._back_cause(before["cause", c], back, c, _combined(chances[c], n))
            for place, g in enumerate(self.single[c]):
                others = _combined(chances[c][:place] + chances[c][place + 1 :], n)
                messages[g] = np.stack([off * others[0] + on * others[1], on * (others[0] + others[1])])
        for g in reversed(self.several):
            messages[g], back = self._back_component(before[g], back, g, triggers[g])
        messages[0] = _fold(back, t.cards, t.split)
        sums = [_sum_rows(m, row, len(p.trigger)) for m, row, p in zip(messages, rows, self.parts, strict=True)]
        known = np.zeros(t.absent_links.shape)
        for c, card in enumerate(t.cards):
            marginal = posterior.reshape(*self._shape(c), n).sum(axis=(0, 2))
            known[:, c, :card] = (positive + negative) @ marginal.T
        reached = [self._by_parents(c, sums) for c, sums in enumerate(reached)]
        return Counts(log_evidence, positive @ posterior.T, known, posterior.sum(axis=1), sums, reached)

    def _likelihood(
        self, negative: Floats, positive: Floats, known: NDArray[np.int8], allowed: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """P(findings | joint state) over its largest value, which comes back as a logarithm; 0 where labels forbid."""
        log_absent, log_present = self._logs
        logs = log_absent @ negative + log_present @ positive
        for c, codes in enumerate(known):
            fits = allowed[:, c] & ((codes < 0)[:, None] | (codes[:, None] == np.arange(allowed.shape[2])))
            if not fits[:, : self.tables.cards[c]].all():
                logs[~fits.T[self.states[:, c]]] = -np.inf
        scale = logs.max(axis=0)
        scale[np.isneginf(scale)] = 0.0
        return np.exp(logs - scale), scale

    def _shape(self, c: int) -> tuple[int, int, int]:
        cards = self.tables.cards
        return int(np.prod(cards[:c])), cards[c], int(np.prod(cards[c + 1 :]))

    def _by_parents(self, c: int, reached: Floats) -> Floats:
        """Add up what came by joint state of the other causes than one by that of its parents."""
        parents, (before, card, after) = list(self.tables.parents[c]), self._shape(c)
        others = self.states.reshape(before, card, after, -1)[:, 0].reshape(before * after, -1)[:, parents]
        shape = [self.tables.cards[p] for p in parents]
        place = np.ravel_multi_index(tuple(others.T), shape) if parents else np.zeros(before * after, dtype=np.intp)
        total: Floats = np.bincount(place, reached.ravel(), minlength=int(np.prod(shape))).astype(float)
        return total

    def _by_target(self, joint: Floats, g: int) -> Floats:
        """View a joint by the states of a component's targets first."""
        targets = self.parts[g].targets
        return np.moveaxis(joint.reshape(*self.tables.cards, -1), targets, range(len(targets)))

    def _or_component(self, joint: Floats, g: int, trigger: Floats) -> Floats:
        entries, weights = self.ors[g]
        new = np.zeros_like(joint)
        source, target = self._by_target(joint, g), self._by_target(new, g)
        for (after, before), chance in zip(entries, weights @ trigger, strict=True):
            target[after] += source[before] * chance
        return new

    def _back_component(self, joint: Floats, back: Floats, g: int, trigger: Floats) -> tuple[Floats, Floats]:
        entries, weights = self.ors[g]
        new = np.zeros_like(back)
        first, last, target = self._by_target(joint, g), self._by_target(back, g), self._by_target(new, g)
        flows = np.empty((len(entries), back.shape[1]))
        for i, ((after, before), chance) in enumerate(zip(entries, weights @ trigger, strict=True)):
            (last[after] * first[before]).reshape(-1, back.shape[1]).sum(axis=0, out=flows[i])
            target[before] += last[after] * chance
        return weights.T @ flows, new

    def _or_cause(self, joint: Floats, c: int, chance: tuple[Floats, Floats]) -> Floats:
        off, on = chance
        kept, lost = self.effects[c].kept[..., None], self.effects[c].gained[..., None]
        old = joint.reshape(*self._shape(c), -1)
        new = np.empty_like(old)
        gained = old[:, 0] * (on + off * lost)
        new[:, 0] = old[:, 0] * (off * kept)
        for state, share in enumerate(self.tables.split[c], start=1):
            new[:, state] = old[:, state] * (off + on) + gained * share
        return new.reshape(joint.shape)

    def _back_cause(
        self, joint: Floats, back: Floats, c: int, chance: tuple[Floats, Floats]
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Take the derivatives of log P(evidence) back over one cause: by the joint before, by off and by on."""
        off, on = chance
        kept, lost = self.effects[c].kept[..., None], self.effects[c].gained[..., None]
        share = self.tables.split[c]
        old, after = joint.reshape(*self._shape(c), -1), back.reshape(*self._shape(c), -1)
        up = sum(after[:, s] * p for s, p in enumerate(share, start=1))
        stays = sum(old[:, s] * after[:, s] for s in range(1, len(share) + 1))
        reached = old[:, 0] * up + stays
        by_on = reached.sum(axis=(0, 1))
        by_off = (old[:, 0] * (after[:, 0] * kept + lost * up) + stays).sum(axis=(0, 1))
        new = np.empty_like(after)
        new[:, 1:] = after[:, 1:] * (off + on)
        new[:, 0] = after[:, 0] * (off * kept) + up * (on + off * lost)
        return new.reshape(joint.shape), reached @ (off + on), by_off, by_on


def _chosen(cases: Cases, which: slice | NDArray[np.intp]) -> Cases:
    return Cases(cases.codes[:, which], cases.allowed[which], cases.weight[which])


def _combined(chances: list[Floats], n: int) -> tuple[Floats, Floats]:
    """P(none of some components triggers a cause) and P(any does), each with P(their risk evidence)."""
    off, on = np.ones(n), np.zeros(n)
    for none, fired in chances:
        on = on * (none + fired) + off * fired
        off = off * none
    return off, on


def _expand(trigger: Floats, cards: tuple[int, ...], split: tuple[Floats, ...]) -> Floats:
    """Spread P(triggered) of the causes over their states: 2 ** C rows to K."""
    n = trigger.shape[1]
    for c, card in enumerate(cards):
        if card > 2:
            halves = trigger.reshape(int(np.prod(cards[:c])), 2, 2 ** (len(cards) - c - 1), n)
            parts = [halves[:, :1], halves[:, 1:] * split[c][:, None, None]]
            trigger = np.concatenate(parts, axis=1).reshape(-1, n)
    return trigger


def _fold(back: Floats, cards: tuple[int, ...], split: tuple[Floats, ...]) -> Floats:
    """Take derivatives back over `_expand`: K rows to 2 ** C."""
    n = back.shape[1]
    for c in reversed(range(len(cards))):
        if cards[c] > 2:
            states = back.reshape(int(np.prod(cards[:c])), cards[c], 2 ** (len(cards) - c - 1), n)
            present = (states[:, 1:] * split[c][:, None, None]).sum(axis=1, keepdims=True)
            back = np.concatenate([states[:, :1], present], axis=1).reshape(-1, n)
    return back


def _sum_rows(values: Floats, rows: NDArray[np.intp], n: int) -> Floats:
    """Add up the values of cases that have the same pattern: columns of cases to rows of patterns."""
    sums = np.zeros((n, len(values)))
    order = np.argsort(rows, kind="stable")
    distinct, first = np.unique(rows[order], return_index=True)
    if len(distinct):
        sums[distinct] = np.add.reduceat(values.T[order], first, axis=0)
    return sums
