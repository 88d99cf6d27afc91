"""The links of a model as the tables that exact inference reads.

A node with parents in states s is absent with probability ``(1 - leak) * product(1 - link[s])``. Exact inference
needs no table larger than the joint states of the causes, because

- risk factors that do not depend on each other act one after the other: each group of dependent ones (a *component*)
  either triggers a cause or does not, and a cause is present if anything triggered it (so missing risk factors stay
  exact: Diez and Galan 2003, the multiplicative factorisation);
- the findings are independent given the causes (Heckerman 1990, Quickscore).

All tables are sums of products of probabilities: nothing is subtracted, so rare joint states keep full relative
precision.

`Layout` finds out once what goes where. It looks at what the model file links, never at the numbers it gives, so one
layout holds for all numbers; `Layout.fill` makes tables of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ModelFileError
from kneebayes.inference.parameters import ParameterIndex
from kneebayes.spec.model_spec import Distribution, Links, ModelSpec

if TYPE_CHECKING:
    from kneebayes.inference.compiled.layout import FlatLayout

__all__ = [
    "MAX_CAUSES",
    "Component",
    "Layout",
    "Part",
    "Tables",
    "conditional_table",
    "or_matrices",
    "or_messages",
    "outer_halves",
    "tables",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MAX_CAUSES = 16
MAX_TABLE_BYTES = 1 << 30
MAX_MERGED_PATTERNS = 1024
MAX_TARGETS = 6


def conditional_table(model: ModelSpec, name: str) -> tuple[tuple[str, ...], Floats]:
    """Write the whole conditional table of one variable.

    Returns the names of its parents, and P(state | states of the parents), shape
    (states of the variable, states of parent 1, ...).
    """
    nodes = model.variables
    if name in model.risks:
        parents = model.risks[name].parents
        return parents, np.moveaxis(_prior_table(model, name), -1, 0)
    node = model.causes[name] if name in model.causes else model.findings[name]
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
    split = _with_remainder(model.causes[name].split, node.states[1:]) if name in model.causes else np.ones(1)
    return parents, np.stack([absent, *((1.0 - absent) * share for share in split)])


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

    @property
    def radix(self) -> tuple[int, ...]:
        """Number of states of each risk factor plus one: the last code stands for unknown."""
        return tuple(n + 1 for n in self.shape)


@dataclass(frozen=True, eq=False)
class Component:
    """A component of risk factors with its numbers.

    ``trigger``, (patterns of evidence, 2 ** T), is P(the risk factors as coded, exactly these targets triggered); bit
    ``T - 1 - i`` of the column stands for ``targets[i]``. A pattern is the codes of the risk factors in base
    ``radix``, in which the last digit means unknown.
    """

    part: Part
    trigger: Floats

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


@dataclass(frozen=True, eq=False)
class Tables:
    """The numbers that inference reads.

    With C causes, K joint states of the causes (the last cause varies fastest) and F findings:
    """

    layout: Layout
    components: tuple[Component, ...]  # the first is the base: its targets are all causes, and their leaks are in it
    split: tuple[Floats, ...]  # per cause P(state | present) of the states but the first
    share: Floats  # (K,): P(states of the causes | which of them are present)
    kept: tuple[Floats, ...]  # per cause, by joint state of the causes that cause it: P(none of them triggers it)
    gained: tuple[Floats, ...]  # P(one does), added up and not subtracted from 1
    absent_leak: Floats  # (F,): 1 - leak of each finding
    absent_links: Floats  # (F, C, most states): 1 - link of each finding by cause and state
    absent: Floats  # (F, K): P(finding absent | joint state)


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
        self.leaks = np.array([self.index.place[f"findings.{name}.leak"] for name in spec.findings])
        self.finding_links = np.full((len(spec.findings), len(self.causes), max(self.cards)), self.index.n)
        for f, (name, finding) in enumerate(spec.findings.items()):
            for parent in finding.links:
                own = links(f"findings.{name}", finding.links, parent, spec.causes[parent].states)
                self.finding_links[f, self.causes.index(parent), : len(own)] = own

    @cached_property
    def flat(self) -> FlatLayout:
        """The same for compiled code."""
        from kneebayes.inference.compiled.layout import FlatLayout  # here, because numba takes a while to import

        return FlatLayout(self)

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
        absent_links, absent_leak = 1.0 - links[self.finding_links], 1.0 - values[self.leaks]
        absent = absent_leak[:, None]
        for c, card in enumerate(self.cards):
            absent = (absent[:, :, None] * absent_links[:, c, None, :card]).reshape(len(absent), -1)
        kept, gained = zip(*(self.from_causes(c, links) for c in range(len(self.cards))), strict=True)
        return Tables(
            layout=self,
            components=tuple(Component(part, self._trigger(part, links, shares)) for part in self.parts),
            split=tuple(shares[split] for split in self.splits),
            share=self.share(shares),
            kept=kept,
            gained=gained,
            absent_leak=absent_leak,
            absent_links=absent_links,
            absent=absent,
        )

    def _trigger(self, part: Part, links: Floats, shares: Floats) -> Floats:
        off, on = self.triggers(part, links, slice(None))
        left, right = outer_halves(shares[part.shares].prod(axis=0), off, on)
        full = (left[:, :, None] * right[:, None, :]).reshape(*part.shape, -1)
        table = np.empty((*part.radix, full.shape[-1]))
        table[tuple(slice(n) for n in part.shape)] = full
        for axis, n in enumerate(part.shape):  # the last code of each risk factor stands for unknown
            before, after = [slice(None)] * axis, [slice(m) for m in part.shape[axis + 1 :]]
            known: tuple[Any, ...] = (*before, slice(n), *after)
            unknown: tuple[Any, ...] = (*before, n, *after)
            np.sum(table[known], axis=axis, out=table[unknown])
        return table.reshape(-1, full.shape[-1])

    def _check_size(self) -> None:
        name, n_findings = self.spec.name, len(self.spec.findings)
        if len(self.cards) > MAX_CAUSES:
            raise ModelFileError(f"{name}: {len(self.cards)} causes, but exact enumeration takes at most {MAX_CAUSES}")
        n_joint = np.prod(self.cards, dtype=float)
        if n_joint * max(n_findings, sum(self.cards)) * 8 > MAX_TABLE_BYTES:
            raise ModelFileError(
                f"{name}: the causes have {n_joint:.3g} joint states, which with {sum(self.cards)} states and "
                f"{n_findings} findings need too large a table: drop causes, or states of causes"
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
            patterns = prod(len(model.risks[name].states) + 1 for name in (same[-1] if same else ()) + part)
            if same and patterns <= MAX_MERGED_PATTERNS:
                same[-1] += part  # one look-up in place of two
            else:
                same.append(part)
        first = max(parts, key=len)
        for many in [targets for targets in parts if targets != first and len(targets) > MAX_TARGETS]:
            # an OR into so many causes at once costs 3 ** targets: a row of the base's own table is cheaper
            parts[first] = [sum([*parts[first], *parts.pop(many)], ())]
        yield self._part(parts[first].pop(0), tuple(range(len(self.causes))), leaks=True)
        for targets, same in parts.items():
            for part in same:
                yield self._part(part, targets, leaks=False)

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
    chance = np.stack([off, on], axis=-1)
    n = off.shape[-2]
    halves = []
    for first, targets in ((weight, range(n // 2)), (np.ones_like(weight), range(n // 2, n))):
        half = first[..., None]
        for t in targets:
            half = (half[..., :, None] * chance[..., t, :, None, :]).reshape(*half.shape[:-1], -1)
        halves.append(half)
    return halves[0], halves[1]


@lru_cache(maxsize=MAX_CAUSES)
def _moves(n_targets: int) -> Floats:
    """1 where triggers bring targets from some present to others, (after, before, triggered), each a set in bits."""
    sets = np.arange(1 << n_targets)
    moves = np.zeros((len(sets),) * 3)
    moves[sets[:, None] | sets[None, :], sets[:, None], sets[None, :]] = 1.0
    return moves


def or_matrices(trigger: Floats) -> Floats:
    """Write what triggers, (n, 2 ** T), do to which of T targets are present as matrices, (n, after, before)."""
    size = trigger.shape[1]
    matrices: Floats = trigger @ _moves(size.bit_length() - 1).reshape(-1, size).T
    return matrices.reshape(-1, size, size)


def or_messages(flow: Floats) -> Floats:
    """Take derivatives by such matrices, (n, after, before), back to those by the triggers, (n, 2 ** T)."""
    size = flow.shape[-1]
    messages: Floats = flow.reshape(len(flow), -1) @ _moves(size.bit_length() - 1).reshape(-1, size)
    return messages
