"""The links of a model as the tables that exact inference reads.

A cause with parents in states s is absent with probability ``(1 - leak) * product(1 - link[s])``. A finding is at most
in state d, of states from least to most, with probability ``leak[<= d] * product(link[s][<= d])``: it is the greatest
of what its leak and its causes each bring about (leaky noisy-MAX), which with two states is the same (leaky
noisy-OR). Exact inference needs no table larger than the joint states of the causes, because

- risk factors that do not depend on each other act one after the other: each group of dependent ones (a *component*)
  either triggers a cause or does not, and a cause is present if anything triggered it (so missing risk factors stay
  exact: Diez and Galan 2003, the multiplicative factorisation);
- the findings are independent given the causes (Heckerman 1990, Quickscore).

All tables are sums of products of probabilities: nothing is subtracted, so rare joint states keep full relative
precision.

`Layout` finds out once what goes where. It looks at what the model file links, never at the numbers it gives, so one
layout holds for all numbers; `Layout.fill` makes tables of them. `ParameterVector` has the numbers of a model as one
vector, which uncertainty and sensitivity move, thousands of times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ModelFileError
from kneebayes.inference.evidence import Codes
from kneebayes.spec.model_spec import Distribution, Links, ModelSpec, Probability

if TYPE_CHECKING:
    from kneebayes.inference.network import CompiledModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TINY = 1e-12  # share of a state beside a surer one, so that weights stay finite
MAX_CAUSES = 16
MAX_TABLE_BYTES = 1 << 30
MAX_KEPT_BYTES = 1 << 24  # of rows by pattern of evidence, for each component
MAX_MERGED_PATTERNS = 1024
MAX_TARGETS = 6
MAX_JOINED_TARGETS = 4
FEW_TRIGGERS = 64  # numbers for which the work is less than that of a call for each


def conditional_table(model: ModelSpec, name: str) -> tuple[tuple[str, ...], Floats]:
    """Write the whole conditional table of one variable.

    Returns the names of its parents, and P(state | states of the parents), shape
    (states of the variable, states of parent 1, ...).
    """
    nodes = model.variables
    if name in model.risks:
        parents = model.risks[name].parents
        return parents, np.moveaxis(_prior_table(model, name), -1, 0)
    if name in model.findings:
        return _finding_table(model, name)
    node = model.causes[name]
    interactions = [i for i in model.interactions if i.target == name]
    parents = tuple(dict.fromkeys([*node.links, *(p for i in interactions for p in i.when)]))
    shape = tuple(len(nodes[parent].states) for parent in parents)
    absent = np.full(shape, 1.0 - node.leak.p)
    for axis, parent in enumerate(parents):
        absent *= _along(_survival(node.links, parent, nodes[parent].states), axis, len(shape))
    for interaction in interactions:
        where = np.ones(shape, dtype=bool)
        for parent, states in interaction.when.items():
            holds = np.isin(nodes[parent].states, states)
            where &= _along(holds, parents.index(parent), len(shape))
        absent = np.where(where, absent * (1.0 - interaction.link.p), absent)
    split = _with_remainder(node.split, node.states[1:])
    return parents, np.stack([absent, *((1.0 - absent) * share for share in split)])


def _finding_table(model: ModelSpec, name: str) -> tuple[tuple[str, ...], Floats]:
    """P(state | states of the causes) of the greatest of what leak and links bring about, likewise."""
    finding = model.findings[name]
    shape = tuple(len(model.causes[parent].states) for parent in finding.links)
    table = np.broadcast_to(
        _with_remainder(finding.by_state(finding.leak), finding.states).reshape(-1, *(1 for _ in shape)),
        (len(finding.states), *shape),
    )
    for axis, (parent, own) in enumerate(finding.links.items()):
        nothing = np.eye(len(finding.states))[0]
        each = [
            _with_remainder(finding.by_state(own[state]), finding.states) if state in own else nothing
            for state in model.causes[parent].states
        ]
        chance = np.stack([_along(one, axis, len(shape)) for one in np.transpose(each)])
        more = np.concatenate([np.cumsum(chance[:0:-1], axis=0)[::-1], np.zeros_like(chance[:1])])
        less_before = np.concatenate([np.zeros_like(table[:1]), np.cumsum(table[:-1], axis=0)])
        table = table * np.maximum(0.0, 1.0 - more) + less_before * chance
    return tuple(finding.links), np.array(table)


def _prior_table(model: ModelSpec, name: str) -> Floats:
    """P(state | states of the parents) of a risk factor, shape (states of parent 1, ..., its own states)."""
    risk = model.risks[name]
    if risk.prior:
        return _with_remainder(risk.prior, risk.states)
    parent_states = [model.risks[parent].states for parent in risk.parents]
    table = np.empty((*(len(states) for states in parent_states), len(risk.states)))
    for row in risk.given:
        values = _with_remainder(row.prior, risk.states)
        chosen = [
            [i for i, state in enumerate(states) if state in row.when.get(parent, states)]
            for parent, states in zip(risk.parents, parent_states, strict=True)
        ]
        for index in product(*chosen):
            table[index] = values
    return table


def _with_remainder(distribution: Distribution, states: tuple[str, ...]) -> Floats:
    """Complete a distribution, shape (states,): its first state takes what is left."""
    given = [distribution[state].p for state in states[1:]]
    return np.array([max(0.0, 1.0 - sum(given)), *given])


def _survival(links: Links, parent: str, states: tuple[str, ...]) -> Floats:
    """1 - link by state of one parent, shape (states,)."""
    own = links.get(parent, {})
    return np.array([1.0 - own[state].p if state in own else 1.0 for state in states])


def _along(values: NDArray[Any], axis: int, ndim: int) -> NDArray[Any]:
    """Shape a vector for broadcasting along one axis of several."""
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


@dataclass(frozen=True, eq=False)
class Part:
    """Risk factors that depend on each other, as the model file has them: the structure of a component.

    With S joint states of the risk factors and T targets:
    """

    variables: tuple[str, ...]
    rows: tuple[int, ...]  # their places among the variables of the model
    shape: tuple[int, ...]  # number of states of each
    targets: tuple[int, ...]  # numbers of the causes that they can trigger
    shares: Ints  # (risk factors, S): places of the prior of each among the shares
    links: Ints  # (depth, T, S): places of what may trigger each target; past the last, a link of 0

    @cached_property
    def radix(self) -> tuple[int, ...]:
        """Number of states of each risk factor plus one: the last code stands for unknown."""
        return tuple(n + 1 for n in self.shape)

    def states(self, pattern: int) -> NDArray[np.intp]:
        """Joint states of the risk factors that a pattern of evidence leaves open."""
        known = np.unravel_index(pattern, self.radix) if self.radix else ()
        places = np.arange(prod(self.shape)).reshape(self.shape)
        return places[
            tuple(
                slice(None) if code == n else slice(code, code + 1) for code, n in zip(known, self.shape, strict=True)
            )
        ].ravel()


@dataclass(frozen=True, eq=False)
class Component:
    """A component of risk factors with its numbers.

    ``left`` and ``right``, (S, 2 ** half) each, are the halves of P(joint state of the risk factors, exactly these
    targets triggered): their outer product, (S, 2 ** T). Bit ``T - 1 - i`` of a column stands for ``targets[i]``. A
    *pattern* of evidence is the codes of the risk factors in base ``radix``, in which the last digit means unknown.
    """

    part: Part
    left: Floats
    right: Floats
    _kept: dict[int, Floats] = field(default_factory=dict, init=False)

    @cached_property
    def n_patterns(self) -> int:
        """Number of patterns of evidence."""
        return prod(self.part.radix)

    @cached_property
    def is_large(self) -> bool:
        """Whether a table of all patterns is too large to have around."""
        return self.n_patterns << len(self.part.targets) + 3 > MAX_KEPT_BYTES

    @cached_property
    def trigger(self) -> Floats:
        """P(pattern, exactly these targets triggered), (patterns, 2 ** T): the whole table."""
        return self._by_pattern(self.known)

    @property
    def known(self) -> Floats:
        """The same where all risk factors are known, (S, 2 ** T)."""
        return (self.left[:, :, None] * self.right[:, None, :]).reshape(len(self.left), -1)

    @cached_property
    def chance(self) -> Floats:
        """P(pattern), (patterns,)."""
        return self._by_pattern((self.left.sum(axis=1) * self.right.sum(axis=1))[:, None])[:, 0]

    def of_patterns(self, patterns: NDArray[np.intp]) -> Floats:
        """Rows of the whole table, (n, 2 ** T); of a large one only these are made, and a few kept."""
        if not self.is_large:
            return self.trigger[patterns]
        distinct, place = np.unique(patterns, return_inverse=True)
        return np.stack([self._row(pattern) for pattern in distinct.tolist()])[place]

    def _row(self, pattern: int) -> Floats:
        row = self._kept.get(pattern)
        if row is None:
            states = self.part.states(pattern)
            # one loop over the states: BLAS would sum in another order on another number of threads
            row = np.einsum("sa,sb->ab", self.left[states], self.right[states]).ravel()
            if len(self._kept) < MAX_KEPT_BYTES // row.nbytes:
                self._kept[pattern] = row
        return row

    def with_code(self, name: str, code: int) -> Floats:
        """Rows in which a risk factor has a code, -1 where it is unknown, by pattern of the others."""
        axis, shape = self.part.variables.index(name), self.part.shape
        others = tuple(n for i, n in enumerate(shape) if i != axis)
        states = np.moveaxis(np.arange(prod(shape)).reshape(shape), axis, 0).reshape(shape[axis], -1)
        chosen = states if code < 0 else states[[code]]
        known = sum(np.einsum("sa,sb->sab", self.left[own], self.right[own]) for own in chosen)
        return self._by_pattern(known.reshape(prod(others), -1), others)

    def _by_pattern(self, known: Floats, shape: tuple[int, ...] | None = None) -> Floats:
        """From rows by joint state of risk factors to rows by pattern: where one is unknown, its states add up."""
        shape = self.part.shape if shape is None else shape
        table = np.empty((*(n + 1 for n in shape), known.shape[-1]))
        table[tuple(slice(n) for n in shape)] = known.reshape(*shape, -1)
        for axis, n in enumerate(shape):  # the last code of each risk factor stands for unknown
            before, after = [slice(None)] * axis, [slice(m) for m in shape[axis + 1 :]]
            of_known: tuple[Any, ...] = (*before, slice(n), *after)
            of_unknown: tuple[Any, ...] = (*before, n, *after)
            np.sum(table[of_known], axis=axis, out=table[of_unknown])
        return table.reshape(-1, known.shape[-1])

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of its risk factors."""
        return self.part.variables

    @property
    def rows(self) -> tuple[int, ...]:
        """Their places among the variables of the model."""
        return self.part.rows

    @property
    def radix(self) -> tuple[int, ...]:
        """Number of states of each plus one: the last code stands for unknown."""
        return self.part.radix

    @property
    def targets(self) -> tuple[int, ...]:
        """Numbers of the causes that they can trigger."""
        return self.part.targets


class Intervals(NamedTuple):
    """States between two of a finding, of which a vector adds up one or more: I of them, end to end."""

    inside: Floats  # (I,): P(the finding is in there by its leak)
    under: Floats  # (I,): P(it is under that by its leak)
    low: Floats  # (I, C, most states): P(under it) by each cause in each state
    high: Floats  # P(at most in it), likewise
    between: Floats  # P(in it)

    def gathered(self, cards: Sequence[int], causes: range, inside: Floats, under: Floats) -> tuple[Floats, Floats]:
        """Let some causes act too: P(in the interval) and P(under it), (I, states), by their joint state."""
        # the intervals last: a loop over a few states costs more than what it does
        inside, under = np.ascontiguousarray(inside.T), np.ascontiguousarray(under.T)
        by_cause = [np.ascontiguousarray(np.moveaxis(own, 0, -1)) for own in (self.low, self.high, self.between)]
        for c in causes:
            low, high, between = (chance[c, : cards[c]] for chance in by_cause)
            shape = len(inside) * cards[c], inside.shape[1]
            inside = (inside[:, None] * high + under[:, None] * between).reshape(shape)
            under = (under[:, None] * low).reshape(shape)
        return inside.T, under.T


@dataclass(frozen=True, eq=False)
class Tables:
    """The numbers that inference reads.

    With C causes and K joint states of the causes (the last cause varies fastest):
    """

    layout: Layout
    components: tuple[Component, ...]  # the first is the base: its targets are all causes, and their leaks are in it
    split: tuple[Floats, ...]  # per cause P(state | present) of the states but the first
    share: Floats  # (K,): P(states of the causes | which of them are present)
    kept: tuple[Floats, ...]  # per cause, by joint state of the causes that cause it: P(none of them triggers it)
    gained: tuple[Floats, ...]  # P(one does), added up and not subtracted from 1
    at_most_leak: Floats  # (R,): P(a finding is at most in some state by its leak alone), by `Layout.row`
    at_most_links: Floats  # (R, C, most states): likewise by each cause in each state
    at_most: Floats  # (R, K): their product, P(finding at most in that state | joint state)
    intervals: Intervals  # what the vectors are made of
    vectors: Floats  # (V, K): P(finding in a set of states | joint state) for other sets

    def chance(self, finding: int, code: int) -> Floats:
        """P(what a code says of a finding | joint state), (K,)."""
        place = self.layout.code_start[finding] + 1 + code
        row, vector = self.layout.row[place], self.layout.vector[place]
        chance: Floats = self.at_most[row] if row >= 0 else self.vectors[vector]
        return chance


class Layout:
    """What of a model goes where in the tables, whatever its numbers are.

    ``values`` are vectors of the P numbers of the model throughout, in the order of `ModelSpec.probabilities`: in
    [0, 1], those of a distribution adding up to at most 1. Raises `ModelFileError` if the model has more than
    `MAX_CAUSES` causes, or a table would not fit.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.causes = list(spec.causes)
        self.cards = tuple(len(cause.states) for cause in spec.causes.values())
        self._check_size()
        self.n_risks, self.n_joint = len(spec.risks), prod(self.cards)
        self.states = np.stack(np.unravel_index(np.arange(self.n_joint), self.cards), axis=1)  # (K, C)
        # by joint state, which causes are present, as a number whose highest bit is the first cause
        self.column = (self.states > 0) @ (1 << np.arange(len(self.causes))[::-1])
        self.order = tuple(self.causes.index(name) for name in spec.cause_order)  # each after the causes that cause it
        self.index = ParameterIndex(spec)
        self.parts = tuple(self._parts())
        self._check_size(self.parts)
        links = self.index.links
        # per cause: shares of its states but the first; for each cause that causes it, places of links by state
        self.splits = tuple(
            np.array(self.index.shares(f"causes.{name}.split", cause.states[1:])) for name, cause in spec.causes.items()
        )
        self.parents = tuple(
            {
                self.causes.index(parent): links(f"causes.{name}", cause.links, parent, spec.causes[parent].states)
                for parent in cause.links
                if parent in spec.causes
            }
            for name, cause in spec.causes.items()
        )
        # causes that no cause brings about by its state: absent or present is all that has to be known before them
        early: list[int] = []
        for c in self.order:
            if all(p in early and self.cards[p] == 2 for p in self.parents[c]):
                early.append(c)
        self.early, self.late = tuple(early), tuple(c for c in self.order if c not in early)
        self._lay_out_findings()

    def _lay_out_findings(self) -> None:
        """Find the numbers of the findings, and what each code says of one.

        Every state of a finding but the first has an *effect*: a number of its leak, and one of each link. The effects
        of all findings stand one after the other, and with each that of the state before: a row of the tables of P(at
        most in this state).
        """
        findings, most = self.spec.findings, max(self.cards)
        states = [len(finding.states) for finding in findings.values()]
        self.first_effect = np.cumsum([0, *(n - 1 for n in states)])  # (F + 1,)
        n_effects = int(self.first_effect[-1])
        self.leaks = np.array([place for name in findings for place in self.index.effects(name, "leak")])  # (effects,)
        self.finding_links = np.full((n_effects, len(self.causes), most), self.index.n)  # (effects, C, most states)
        for first, (name, finding) in zip(self.first_effect, findings.items(), strict=False):
            for cause, own in finding.links.items():
                for state in own:
                    c, place = self.causes.index(cause), self.spec.causes[cause].states.index(state)
                    effects = self.index.effects(name, f"links.{cause}.{state}")
                    self.finding_links[first : first + len(effects), c, place] = effects
        owner = np.repeat(np.arange(len(states)), [n - 1 for n in states])
        # what is over the state of a row: the effects of greater states of its finding
        self._more = (owner[:, None] == owner) & (np.arange(n_effects)[:, None] <= np.arange(n_effects))
        self.code_start = np.cumsum([0, *(1 + len(self.spec.events[name]) for name in findings)])  # unknown comes first
        self.row = np.full(self.code_start[-1], -1)  # by code: the row, where it says "at most in this state"
        self.vector = np.full(self.code_start[-1], -1)  # by code: the vector, where it says another set of states
        intervals: list[tuple[int, int, int, int]] = []  # vector, finding, over which state, up to which
        self.n_vectors = 0
        for f, (name, finding) in enumerate(findings.items()):
            for code, event in enumerate(self.spec.events[name]):
                own_states = [i for i, state in enumerate(finding.states) if state in event]
                if own_states == list(range(len(own_states))):
                    self.row[self.code_start[f] + 1 + code] = self.first_effect[f] + len(own_states) - 1
                    continue
                self.vector[self.code_start[f] + 1 + code] = self.n_vectors
                starts = [i for i in own_states if i - 1 not in own_states]
                ends = [i for i in own_states if i + 1 not in own_states]
                intervals += [(self.n_vectors, f, i - 1, j) for i, j in zip(starts, ends, strict=True)]
                self.n_vectors += 1
        vector, of, low, high = np.array(intervals, dtype=np.int64).reshape(-1, 4).T
        self.vector_start = np.flatnonzero(np.diff(vector, prepend=-1))
        # rows of P(at most high) and P(at most low); after the last come a row of 1, for the greatest state, and of 0
        first = self.first_effect[of]
        self.high = np.where(first + high < self.first_effect[of + 1], first + high, n_effects)
        self.low = np.where(low >= 0, first + low, n_effects + 1)
        effect = np.arange(n_effects)
        self._between = (effect >= (first + np.maximum(low, 0))[:, None]) & (effect < (first + high)[:, None])

    def cards_before(self, c: int) -> tuple[int, ...]:
        """Count the states of each cause that are told apart when one is brought about."""
        return (2,) * len(self.cards) if c in self.early else self.cards

    def shares(self, values: Floats) -> Floats:
        """Append to vectors of numbers, (..., P), what each distribution leaves, and 1."""
        rest = [np.maximum(0.0, 1.0 - values[..., members].sum(axis=-1)) for members in self.index.distributions]
        return np.concatenate([values, *(r[..., None] for r in rest), np.ones((*values.shape[:-1], 1))], axis=-1)

    def triggers(self, part: Part, links: Floats, states: NDArray[np.intp] | slice) -> tuple[Floats, Floats]:
        """P(a target is not triggered), and P(it is), in some joint states of risk factors, (..., T, states).

        ``links`` are numbers, and a link of 0 past the last. Both are sums of products, so that rare triggers keep
        their digits.
        """
        shape = (*links.shape[:-1], *part.links[0][:, states].shape)
        off, on = np.ones(shape), np.zeros(shape)
        for layer in part.links:
            link = links[..., layer[:, states]]
            on = on + off * link
            off = off * (1.0 - link)
        return off, on

    def from_causes(self, c: int, links: Floats) -> tuple[Floats, Floats]:
        """P(no cause triggers a cause), and P(one does), by joint state of those that may, (..., states)."""
        kept, gained = np.ones((*links.shape[:-1], 1)), np.zeros((*links.shape[:-1], 1))
        for places in self.parents[c].values():
            link, shape = links[..., None, places], (*links.shape[:-1], -1)
            gained = (gained[..., None] + kept[..., None] * link).reshape(shape)
            kept = (kept[..., None] * (1.0 - link)).reshape(shape)
        return kept, gained

    def share(self, shares: Floats) -> Floats:
        """P(states of the causes | which of them are present), (..., K)."""
        whole = np.ones((*shares.shape[:-1], self.n_joint))
        for c, split in enumerate(self.splits):
            if len(split) > 1:
                whole *= np.concatenate([np.ones((*shares.shape[:-1], 1)), shares[..., split]], axis=-1)[
                    ..., self.states[:, c]
                ]
        return whole

    def fill(self, values: Floats) -> Tables:
        """Make tables of numbers, (P,)."""
        shares, links = self.shares(values), np.append(values, 0.0)
        kept, gained = zip(*(self.from_causes(c, links) for c in range(len(self.cards))), strict=True)
        leaks, effects = values[self.leaks], links[self.finding_links].reshape(len(self.leaks), -1)
        at_most_leak = np.maximum(0.0, 1.0 - self._more @ leaks)
        at_most_links = np.maximum(0.0, 1.0 - self._more @ effects).reshape(self.finding_links.shape)
        intervals = self._intervals(leaks, effects, at_most_leak, at_most_links)
        at_most, vectors = np.empty((len(leaks), self.n_joint)), np.empty((self.n_vectors, self.n_joint))
        step = max(1, MAX_KEPT_BYTES // (8 * self.n_joint))  # rows at a time: what they are made of takes as much again
        for start in range(0, len(leaks), step):
            part = slice(start, start + step)
            own, links_of = at_most_leak[None, part], np.ascontiguousarray(np.moveaxis(at_most_links[part], 0, -1))
            for c, card in enumerate(self.cards):
                own = (own[:, None] * links_of[c, :card]).reshape(-1, own.shape[1])
            at_most[part] = own.T
        ends = np.append(self.vector_start, len(self.low))
        for start in range(0, self.n_vectors, step):
            of = ends[start : start + step + 1]
            some = Intervals(*(numbers[of[0] : of[-1]] for numbers in intervals))
            inside, _ = some.gathered(self.cards, range(len(self.cards)), some.inside[:, None], some.under[:, None])
            vectors[start : start + step] = np.add.reduceat(inside, of[:-1] - of[0], axis=0)
        return Tables(
            layout=self,
            components=tuple(
                Component(
                    part, *outer_halves(shares[part.shares].prod(axis=0), *self.triggers(part, links, slice(None)))
                )
                for part in self.parts
            ),
            split=tuple(shares[split] for split in self.splits),
            share=self.share(shares),
            kept=kept,
            gained=gained,
            at_most_leak=at_most_leak,
            at_most_links=at_most_links,
            at_most=at_most,
            intervals=intervals,
            vectors=vectors,
        )

    def between(self, finding: int, low: int, high: int, links: Floats, *, leak: bool = True) -> Floats:
        """P(finding over one state, at most another | joint state) of versions of numbers, (P + 1, versions).

        By its leak and links, or its links alone; over the causes that it links to: an axis for each cause, of length 1
        for the others, and the last for versions. ``low`` may be -1. P is gathered cause by cause: with one more,
        either the finding is there already and this one brings about no more than high, or all before are at most low
        and this one is what brings it there.
        """
        own = slice(self.first_effect[finding], self.first_effect[finding + 1])

        def parts(effects: Floats) -> tuple[Floats, Floats, Floats]:
            more = np.concatenate([np.zeros_like(effects[:1]), effects, np.zeros_like(effects[:1])])  # by state
            at_most_low = np.maximum(0.0, 1.0 - more[low + 1 :].sum(axis=0)) if low >= 0 else more[0]
            at_most_high = np.maximum(0.0, 1.0 - more[high + 1 :].sum(axis=0))
            return at_most_low, at_most_high, more[low + 1 : high + 1].sum(axis=0)

        of_leak = links[self.leaks[own], None] if leak else np.zeros((own.stop - own.start, 1, 1))
        kept, at_most_high, between = (self.along(chance, 0) for chance in parts(of_leak))
        inside = between if low >= 0 else at_most_high
        for c, card in enumerate(self.cards):
            places = self.finding_links[own, c, :card]
            if (places < self.index.n).any():
                at_most_low, at_most_high, between = (self.along(chance, c) for chance in parts(links[places]))
                inside = inside * at_most_high + kept * between
                kept = kept * at_most_low
        return inside

    def along(self, values: Floats, c: int) -> Floats:
        """Shape values of one cause's states, (states[, versions]), for broadcasting over the joint states."""
        return values.reshape([len(values) if i == c else 1 for i in range(len(self.cards))] + [-1])

    def _intervals(self, leaks: Floats, effects: Floats, at_most_leak: Floats, at_most_links: Floats) -> Intervals:
        """P(in some states) by leak and by each cause, added up and not subtracted."""
        shape = (1, *at_most_links.shape[1:])
        rows = np.concatenate([at_most_links, np.ones(shape), np.zeros(shape)])
        leak_rows = np.concatenate([at_most_leak, [1.0, 0.0]])
        return Intervals(
            inside=np.where(self.low > len(leaks), leak_rows[self.high], self._between @ leaks),
            under=leak_rows[self.low],
            low=rows[self.low],
            high=rows[self.high],
            between=(self._between @ effects).reshape(-1, *shape[1:]),
        )

    def _check_size(self, parts: Sequence[Part] = ()) -> None:
        """Refuse a model of which all tables together would not fit; compiled code has the vectors once more."""
        name, findings = self.spec.name, self.spec.findings
        if len(self.cards) > MAX_CAUSES:
            raise ModelFileError(f"{name}: {len(self.cards)} causes, but exact enumeration takes at most {MAX_CAUSES}")
        n_rows = sum(len(finding.states) - 1 for finding in findings.values())
        n_vectors = sum(
            set(findings[f].states[: len(event)]) != event for f in findings for event in self.spec.events[f]
        )
        n_joint = np.prod(self.cards, dtype=float)
        size = 8 * n_joint * (n_rows + 2 * n_vectors + len(self.cards) + sum(self.cards))
        for part in parts:
            whole = 8.0 * prod(part.radix) * 2 ** len(part.targets)
            size += min(whole, MAX_KEPT_BYTES + 16.0 * prod(part.shape) * 2 ** -(-len(part.targets) // 2))
        if size > MAX_TABLE_BYTES:
            raise ModelFileError(
                f"{name}: the causes have {n_joint:.3g} joint states, which with {sum(self.cards)} states and "
                f"{len(findings)} findings need too large a table: drop causes, or states of causes, or findings "
                f"({size / 1e9:.3g} GB, over {MAX_TABLE_BYTES / 1e9:.3g})"
            )

    def _parts(self) -> Iterator[Part]:
        """Group dependent risk factors; the group with most targets comes first and carries the leaks."""
        model = self.spec
        groups = {name: {name} for name in model.risks}
        linked = [{name, *risk.parents} for name, risk in model.risks.items()]
        for members in [*linked, *(set(interaction.when) for interaction in model.interactions)]:
            merged = set().union(*(groups[name] for name in members))
            groups.update(dict.fromkeys(merged, merged))
        distinct = {frozenset(group): None for group in groups.values()}
        parts: dict[tuple[int, ...], list[tuple[str, ...]]] = {}
        for part in (tuple(name for name in model.risks if name in group) for group in distinct):
            same = parts.setdefault(self._targets(part), [])
            if same and self._n_patterns(same[-1] + part) <= MAX_MERGED_PATTERNS:
                same[-1] += part  # one look-up in place of two
            else:
                same.append(part)
        first = max(parts, key=len)
        for many in [targets for targets in parts if targets != first and len(targets) > MAX_TARGETS]:
            # an OR into so many causes at once costs 3 ** targets: a row of the base's own table is cheaper
            parts[first] = [sum([*parts[first], *parts.pop(many)], ())]
        self._join(parts, first)
        yield self._part(parts[first].pop(0), tuple(range(len(self.causes))), leaks=True)
        for targets, same in parts.items():
            for part in same:
                yield self._part(part, targets, leaks=False)

    def _join(self, parts: dict[tuple[int, ...], list[tuple[str, ...]]], first: tuple[int, ...]) -> None:
        """Join groups that share causes, but the first: one pass over the cells in place of two."""

        def fits() -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
            for one, other in combinations([own for own in parts if own != first and len(own) > 1], 2):
                size = len({*one, *other})
                shared = size < len(one) + len(other) and size <= max(len(one), len(other), MAX_JOINED_TARGETS)
                if shared and self._n_patterns(sum([*parts[one], *parts[other]], ())) <= MAX_MERGED_PATTERNS:
                    yield size, one, other

        while pair := min(fits(), default=None):
            _, one, other = pair
            names = sum([*parts.pop(one), *parts.pop(other)], ())
            parts.setdefault(tuple(sorted({*one, *other})), []).append(names)

    def _n_patterns(self, part: tuple[str, ...]) -> int:
        return prod(len(self.spec.risks[name].states) + 1 for name in part)

    def _targets(self, part: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(c for c, name in enumerate(self.causes) if self._acting(part, name))

    def _acting(self, part: tuple[str, ...], target: str) -> set[str]:
        """Which of some risk factors a cause depends on."""
        whens = (i.when for i in self.spec.interactions if i.target == target)
        return set(part) & {*self.spec.causes[target].links, *(name for when in whens for name in when)}

    def _part(self, names: tuple[str, ...], targets: tuple[int, ...], *, leaks: bool) -> Part:
        model, index = self.spec, self.index
        shape = tuple(len(model.risks[name].states) for name in names)
        if np.prod([n + 1 for n in shape], dtype=float) * 2.0 ** len(targets) * 8 > MAX_TABLE_BYTES:
            raise ModelFileError(
                f"{model.name}: the risk factors {list(names)} depend on each other and need a table of "
                f"{' x '.join(str(n + 1) for n in shape)} x {2 ** len(targets)} numbers: too large; "
                "make some of them independent"
            )
        states = dict(zip(names, np.unravel_index(np.arange(prod(shape)), shape), strict=True))
        shares = [index.prior(name)[tuple(states[n] for n in (*model.risks[name].parents, name))] for name in names]
        layers: list[list[Ints]] = []
        for target in (self.causes[t] for t in targets):
            own = [np.full(prod(shape), index.place[f"causes.{target}.leak"])] if leaks else []
            links = model.causes[target].links
            for name in names:
                if name in links:
                    own.append(index.links(f"causes.{target}", links, name, model.risks[name].states)[states[name]])
            for i, interaction in enumerate(model.interactions):
                if interaction.target == target and set(interaction.when) & set(names):
                    holds = np.ones(prod(shape), dtype=bool)
                    for name, allowed in interaction.when.items():
                        holds &= np.isin(model.risks[name].states, allowed)[states[name]]
                    own.append(np.where(holds, index.place[f"interactions.{i}.link"], index.n))
            layers.append(own)
        places = np.full((max(map(len, layers), default=1) or 1, len(layers), prod(shape)), index.n)
        for t, own in enumerate(layers):
            for depth, layer in enumerate(own):
                places[depth, t] = layer
        rows = tuple(list(model.variables).index(name) for name in names)
        return Part(names, rows, shape, targets, np.array(shares).reshape(-1, prod(shape)), places)

    def apart(self, part: Part) -> NDArray[np.bool_]:
        """Tell by pattern of evidence, (patterns,), whether no unknown risk factor makes targets dependent.

        Risk factors that are unknown go together where one depends on the other, or a third on both. If no group that
        goes together bears on two targets, P(triggers | evidence) is a product over the targets.
        """
        names, shape = part.variables, part.shape
        acting = [self._acting(names, self.causes[t]) for t in part.targets]
        families = [{name, *self.spec.risks[name].parents} for name in names]
        apart_if_unknown = np.empty((2,) * len(names), dtype=bool)
        for unknown in (set(u) for n in range(len(names) + 1) for u in combinations(names, n)):
            groups: list[set[str]] = []
            for own in [family & unknown for family in families]:
                touching = [group for group in groups if group & own]
                groups = [group for group in groups if not group & own] + [own.union(*touching)]
            index = tuple(int(name in unknown) for name in names)
            apart_if_unknown[index] = all(sum(bool(group & own) for own in acting) <= 1 for group in groups)
        patterns = np.unravel_index(np.arange(prod(n + 1 for n in shape)), [n + 1 for n in shape])
        apart: NDArray[np.bool_] = apart_if_unknown[
            tuple((code == n).astype(int) for code, n in zip(patterns, shape, strict=True))
        ]
        return apart


def tables(model: ModelSpec) -> Tables:
    """Tabulate a model for inference with its own numbers."""
    return Layout(model).fill(np.array([number.p for _, number in model.probabilities()]))


def outer_halves(weight: Floats, off: Floats, on: Floats) -> tuple[Floats, Floats]:
    """Multiply the chances of T targets out, in two halves whose outer product is the whole.

    ``weight``, (..., S), is P(joint state of risk factors), and goes into the first half; ``off`` and ``on``,
    (..., T, S), are P(a target is not triggered there) and P(it is). The halves, (..., S, 2 ** half) each, have the
    first target as the highest bit of the first.
    """
    chance = np.stack([off, on], axis=-2)
    n = off.shape[-2]
    halves = []
    for first, targets in ((weight, range(n // 2)), (np.ones_like(weight), range(n // 2, n))):
        half = first[..., None, :]
        for t in targets:
            half = half[..., :, None, :] * chance[..., t, None, :, :]
            half = half.reshape(*weight.shape[:-1], -1, weight.shape[-1])
        halves.append(np.ascontiguousarray(np.swapaxes(half, -1, -2)))
    return halves[0], halves[1]


@lru_cache(maxsize=MAX_CAUSES)
def _moves(n_targets: int) -> Floats:
    """1 where triggers bring targets from some present to others, (triggered, after, before), each a set in bits."""
    sets = np.arange(1 << n_targets)
    moves = np.zeros((len(sets),) * 3)
    moves[sets[:, None], sets[:, None] | sets[None, :], sets[None, :]] = 1.0
    return moves


@lru_cache(maxsize=MAX_CAUSES)
def _places(n_targets: int) -> Ints:
    """Places of those in (after, before) end to end, (triggered, before)."""
    sets = np.arange(1 << n_targets)
    places: Ints = (sets | sets[:, None]) << n_targets | sets
    return places


def or_matrices(trigger: Floats) -> Floats:
    """Write what triggers, (n, 2 ** T), do to which of T targets are present as matrices, (n, after, before)."""
    size = trigger.shape[1]
    # BLAS would sum a single case in another order than several; these two sum in the same
    if trigger.size <= FEW_TRIGGERS:
        return np.asarray(np.einsum("nt,tab->nab", trigger, _moves(size.bit_length() - 1), order="C"))
    matrices = np.zeros((size * size, len(trigger)))
    for places, chance in zip(_places(size.bit_length() - 1), trigger.T, strict=True):
        matrices[places] += chance
    return np.ascontiguousarray(matrices.T).reshape(-1, size, size)


def or_messages(flow: Floats) -> Floats:
    """Take derivatives by such matrices, (n, after, before), back to those by the triggers, (n, 2 ** T)."""
    size = flow.shape[-1]
    messages: Floats = flow.reshape(len(flow), -1) @ _moves(size.bit_length() - 1).reshape(size, -1).T
    return messages


def patterns(component: Component | Part, codes: Codes) -> NDArray[np.intp]:
    """Rows, (n,), of a component's table for codes, (variables, n); the last digit of a risk factor means unknown."""
    pattern = np.zeros(codes.shape[1], dtype=np.intp)
    for row, radix in zip(component.rows, component.radix, strict=True):
        pattern = pattern * radix + codes[row] % radix  # -1 becomes radix - 1
    return pattern


@dataclass(eq=False)
class Counts:
    """Expected counts over n cases, with C causes and K joint states of them."""

    log_evidence: Floats  # (n,): natural logarithm of P(what is known of the case)
    at_most: Floats  # (R, C, most states): cases in which a finding is at most in a state, by state of each cause
    vectors: Floats  # (V, K): cases in which a finding is in another set of states, by joint state
    joint: Floats  # (K,): cases by joint state
    # as the trigger of each component: cases over that chance, by pattern of evidence and by what the risk factors
    # and leaks in it triggered
    components: list[Floats]
    # per cause, by joint state of the causes that cause it: cases in which it is present, or would be if only one
    # more trigger fired, over the chance of that; a single 0 for a cause that none does
    reached: list[Floats]

    def add(self, other: Counts) -> None:
        """Add the counts of other cases, from the same tables, in place."""
        self.log_evidence = np.concatenate([self.log_evidence, other.log_evidence])
        self.at_most += other.at_most
        self.vectors += other.vectors
        self.joint += other.joint
        for mine, theirs in zip(self.components + self.reached, other.components + other.reached, strict=True):
            mine += theirs


class ParameterIndex:
    """Places of the P numbers of a model, in the order of `ModelSpec.probabilities`.

    A number that is not there has a place past the last. Among the links, P is a link of 0. Among the *shares*, what
    a distribution leaves for the state without a number comes after the numbers, and the last is 1.
    ``distributions`` has the numbers that belong together, in the order in which their remainders follow the numbers.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.names = tuple(name for name, _ in spec.probabilities())
        self.place = {name: i for i, name in enumerate(self.names)}
        self.n = len(self.names)
        self._rest: dict[str, int] = {}
        self.distributions = tuple(self._distributions())

    def _distributions(self) -> Iterator[Ints]:
        places: list[tuple[str, list[str]]] = []
        for name, risk in self.spec.risks.items():
            if risk.prior:
                places.append((f"risks.{name}.prior", list(risk.prior)))
            places += [(f"risks.{name}.given.{i}.prior", list(row.prior)) for i, row in enumerate(risk.given)]
        places += [
            (f"causes.{name}.split", list(cause.split)) for name, cause in self.spec.causes.items() if cause.split
        ]
        for name, finding in self.spec.findings.items():
            effects = [("leak", finding.leak)]
            effects += [(f"links.{c}.{s}", link) for c, by in finding.links.items() for s, link in by.items()]
            places += [(f"findings.{name}.{place}", list(e)) for place, e in effects if not isinstance(e, Probability)]
        for place, states in places:
            self._rest[place] = self.n + len(self._rest)
            yield np.array([self.place[f"{place}.{state}"] for state in states])

    def shares(self, place: str, states: Sequence[str]) -> list[int]:
        """Places of a distribution among the shares; its first state has no number and takes what is left."""
        rest = self._rest.get(place, -1)  # a distribution over one state has no numbers: the last share is 1
        return [rest, *(self.place[f"{place}.{state}"] for state in states[1:])]

    def effects(self, name: str, effect: str) -> list[int]:
        """Places of a leak or a link of a finding, such as ``links.dvt.present``, for each state but the first."""
        states, place = self.spec.findings[name].states[1:], f"findings.{name}.{effect}"
        return [self.place[place]] if len(states) == 1 else [self.place[f"{place}.{state}"] for state in states]

    def links(self, place: str, links: Links, parent: str, states: Sequence[str]) -> Ints:
        """Places of the links from each state of a parent, shape (states,)."""
        own = links.get(parent, {})
        return np.array([self.place[f"{place}.links.{parent}.{s}"] if s in own else self.n for s in states])

    def prior(self, name: str) -> Ints:
        """Places of a risk factor's prior among the shares, shape (states of parent 1, ..., its own states)."""
        risk, risks = self.spec.risks[name], self.spec.risks
        if risk.prior:
            return np.array(self.shares(f"risks.{name}.prior", risk.states))
        shape = [len(risks[parent].states) for parent in risk.parents]
        table = np.empty((*shape, len(risk.states)), dtype=np.int64)
        for index in product(*map(range, shape)):
            state = {parent: risks[parent].states[i] for parent, i in zip(risk.parents, index, strict=True)}
            row = next(r for r, row in enumerate(risk.given) if all(state[k] in v for k, v in row.when.items()))
            table[index] = self.shares(f"risks.{name}.given.{row}.prior", risk.states)
        return table


class ParameterVector:
    """The P numbers of a model, in the order of `ModelSpec.probabilities`.

    ``names`` are places in the model file, such as ``causes.dvt.links.smoker.present``; ``p``, ``low`` and ``high``,
    (P,), each number and the ends of its plausible range; ``distributions`` the numbers that add up to at most 1;
    ``siblings`` the members of its distribution for each number that has others there.
    """

    def __init__(self, network: CompiledModel) -> None:
        index = network.layout.index
        numbers = [number for _, number in index.spec.probabilities()]
        self.network, self.names, self.distributions = network, index.names, index.distributions
        self.p = np.array([number.p for number in numbers])
        self.low, self.high = np.array([number.range for number in numbers]).T
        self.siblings = {int(i): members for members in self.distributions for i in members if len(members) > 1}
        findings = list(index.spec.findings)
        parts = [name.split(".", 2) for name in self.names]
        # which finding each number is a leak or link of, (P,); -1 for the others
        self.finding = np.array([findings.index(name) if kind == "findings" else -1 for kind, name, _ in parts])

    def moved(self, index: int, value: float) -> Floats:
        """Set one number; other states of the same distribution share what is left in proportion.

        The state that has no number shares like the others; it takes all that is left where the others have nothing
        to scale.
        """
        values = self.p.copy()
        if index in self.siblings and self.p[index] < 1.0:
            values[self.siblings[index]] *= (1.0 - value) / (1.0 - self.p[index])
        values[index] = value
        return values

    def normalised(self, values: Floats) -> Floats:
        """Make vectors of numbers drawn one by one, (..., P), distributions again.

        Each state of a distribution weighs so much that it would have the number drawn if it alone had been drawn.
        """
        values = values.copy()
        for members in self.distributions:
            if len(members) == 1:
                continue
            p, drawn = self.p[members], values[..., members]
            weight = drawn / np.maximum(1.0 - drawn, TINY) * np.maximum(1.0 - p, TINY)
            rest = max(1.0 - p.sum(), TINY)
            changed = (drawn != p).any(axis=-1, keepdims=True)
            values[..., members] = np.where(changed, weight / (weight.sum(axis=-1, keepdims=True) + rest), drawn)
        return values

    def belongs_to(self, findings: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which numbers, (P,), are leaks and links of some findings, (findings,)."""
        own: NDArray[np.bool_] = np.append(findings, False)[self.finding]
        return own
