"""What the compiled passes of expectation read: the tables of a model, laid out flat.

Compiled code takes arrays of numbers; the lists of lists that a model is
become runs in long arrays, each with an array of where the runs start.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference.compiled.vectors import LANES
from kneebayes.inference.tables import Component, States, Tables, or_matrix, separate

__all__ = [
    "Course",
    "Lower",
    "Upper",
    "course_of",
    "lower_layer",
    "or_entries",
    "upper_layer",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PADDING = 8  # rows a power of two long would all compete for the same places of the cache


class Upper(NamedTuple):
    """The upper layer: from risk factors to P(risk evidence, joint state).

    Causes keep their states here where they cause other causes, and are only
    absent or present elsewhere; ``offset`` says where a group of cells starts.
    """

    base: Floats  # (patterns, cells), padded to whole vectors
    component_rows: Ints  # rows of codes of all components, the base first, end to end
    component_radix: Ints
    component_start: Ints  # into the two above, one more than components
    plain: Floats  # by component and pattern: P(risk evidence), then not triggered and triggered for each target
    plain_start: Ints  # by component
    is_plain: NDArray[np.bool_]  # by component and pattern: whether the targets are triggered independently
    pattern_start: Ints  # into that, by component
    target: Ints  # by component, end to end
    target_start: Ints
    table: Floats  # coefficients of all components but the base, end to end
    table_start: Ints  # by component
    after: Ints  # cell that each coefficient adds to
    before: Ints  # cell that it multiplies
    entry_start: Ints
    in_nines: NDArray[np.bool_]  # by component: whether its entries come in blocks for two binary targets
    group: Ints  # offsets of the groups of cells that a component works on
    group_start: Ints
    group_run: Ints  # contiguous cells in each group, by component
    order: Ints  # causes, each after its causes
    stride: Ints
    cards: Ints
    split: Floats  # (causes, most states)
    cell: Ints  # offsets of the groups of cells in which a cause is absent and its parents have certain states
    cell_start: Ints  # by combination of parents' states
    cell_run: Ints
    parent: Floats  # (combinations of parents' states of all causes, 2): kept, triggered
    parent_start: Ints


class Lower(NamedTuple):
    """The lower layer: the findings, and the fold to marginals."""

    first_cause: int
    first_finding: int
    most: int  # most states of a cause
    known: Floats  # (states, codes): whether a cause with that code, unknown first, may be in that state
    leak_factor: Floats  # (findings, 3): what an unknown, negative and positive finding multiply everything by
    link: Ints  # by link of a finding: cause * most + state
    link_factor: Floats  # (links, 3): what an unknown, negative and positive finding multiply that state by
    link_start: Ints
    present: Floats  # (vectors + 1, joint states): P(finding present | joint state); the last is all ones
    vector: Ints  # by finding: its row of ``present``, or -1 where at most one cause links to it
    cards: Ints
    run: Ints  # (runs, 3): where in the upper layer, where in the joint, which late states
    run_length: int
    late: Ints  # causes whose states are told apart only here
    late_states: Ints  # (combinations, late causes)
    late_split: Floats  # (late causes, most states)
    extra: Ints  # (further columns, 2): cause, state


def upper_layer(tables: Tables, cards: list[int]) -> Upper:
    """Lay out the upper layer.

    Parameters
    ----------
    tables : Tables
        The tables of the model.
    cards : list of int
        Number of states of each cause that the upper layer tells apart.

    Returns
    -------
    Upper
        Flat arrays.
    """
    strides = _strides(cards)
    rows: list[int] = []
    radix: list[int] = []
    start = [0]
    coefficients, table_start, entries, entry_start = [], [], [], [0]
    groups, group_start, group_run, target_start = [], [0], [], [0]
    targets: list[int] = []
    plain, plain_start, is_plain, pattern_start, in_nines = [np.zeros(0)], [], [np.zeros(0, bool)], [], []
    for component in (tables.base, *tables.components):
        rows += component.rows
        radix += component.radix
        start.append(len(rows))
        if component is tables.base:
            continue
        targets += component.targets
        target_start.append(len(targets))
        independent, apart = separate(component)
        plain_start.append(sum(len(p) for p in plain))
        plain.append(apart.ravel())
        pattern_start.append(sum(len(p) for p in is_plain))
        is_plain.append(independent)
        pairs, matrix = or_matrix(component, cards, tables.split)
        in_nines.append(len(component.targets) > 1 and all(cards[t] == 2 for t in component.targets))
        if in_nines[-1]:
            ranked = sorted(range(len(pairs)), key=lambda e: _nines(pairs[e]), reverse=True)
            pairs, matrix = [pairs[e] for e in ranked], matrix[:, ranked]
        coefficients.append(matrix)
        table_start.append(sum(m.size for m in coefficients[:-1]))
        entries += [
            [sum(s * strides[t] for s, t in zip(side, component.targets, strict=True)) for side in p] for p in pairs
        ]
        entry_start.append(len(entries))
        run = min((strides[t] for t in component.targets), default=1)
        groups += [offset for offset, _ in _groups(cards, component.targets, run)] if component.targets else []
        group_start.append(len(groups))
        group_run.append(run)
    cells, cell_start, cell_run, parent_rows, parent_start = [], [0], [], [], [0]
    for c in range(len(cards)):
        parents = list(tables.parents[c])
        run = min(strides[p] for p in [c, *parents])
        combinations = list(product(*(range(cards[p]) for p in parents)))
        groups_of_c = list(_groups(cards, (c,), run))
        cell_run.append(run)
        for combination in combinations:
            cells += [at for at, states in groups_of_c if tuple(states[p] for p in parents) == combination]
            cell_start.append(len(cells))
            with np.errstate(divide="ignore"):
                log_keep = sum(np.log(tables.parents[c][p][s]) for p, s in zip(parents, combination, strict=True))
            parent_rows.append([np.exp(log_keep), -np.expm1(log_keep)])
        parent_start.append(len(parent_rows))
    base = tables.base.trigger
    for c, card in enumerate(cards):
        if card > 2:
            halves = base.reshape(len(base), int(np.prod(cards[:c])), 2, -1)
            base = np.concatenate([halves[:, :, :1], halves[:, :, 1:] * tables.split[c][:, None]], axis=2)
            base = base.reshape(len(base), -1)
    base = np.pad(base, [(0, 0), (0, -base.shape[1] % LANES + PADDING)])
    split = np.ones((len(cards), max(cards)))
    for c, card in enumerate(cards):
        if card == len(tables.split[c]) + 1:
            split[c, 1:card] = tables.split[c]
    return Upper(
        base=_aligned(base),
        component_rows=_ints(rows),
        component_radix=_ints(radix),
        component_start=_ints(start),
        plain=np.concatenate(plain),
        plain_start=_ints(plain_start),
        is_plain=np.concatenate(is_plain),
        pattern_start=_ints(pattern_start),
        target=_ints(targets),
        target_start=_ints(target_start),
        in_nines=np.array(in_nines, dtype=bool),
        table=np.concatenate([np.zeros(0), *(m.ravel() for m in coefficients)]),
        table_start=_ints(table_start),
        after=_ints(entries).reshape(-1, 2)[:, 0].copy(),
        before=_ints(entries).reshape(-1, 2)[:, 1].copy(),
        entry_start=_ints(entry_start),
        group=_ints(groups),
        group_start=_ints(group_start),
        group_run=_ints(group_run),
        order=_ints(tables.order),
        stride=_ints(strides),
        cards=_ints(cards),
        split=split,
        cell=_ints(cells),
        cell_start=_ints(cell_start),
        cell_run=_ints(cell_run),
        parent=np.array(parent_rows, dtype=float).reshape(-1, 2),
        parent_start=_ints(parent_start),
    )


def lower_layer(tables: Tables, cards: list[int], n_risks: int) -> Lower:
    """Lay out the lower layer.

    Parameters
    ----------
    tables : Tables
        The tables of the model.
    cards : list of int
        Number of states of each cause that the upper layer tells apart.
    n_risks : int
        How many risk factors come before the causes in the codes.

    Returns
    -------
    Lower
        Flat arrays.
    """
    n_findings, n_causes, most = tables.absent_links.shape
    link: list[int] = []
    factors: list[list[float]] = []
    link_start = [0]
    vectors = []
    for f, (leak, keep) in enumerate(zip(tables.absent_leak, tables.absent_links, strict=True)):
        linked = [c for c in range(n_causes) if (keep[c] != 1.0).any()]
        if len(linked) > 1:
            vectors.append(f)
        for c in linked or [0]:
            for state in range(tables.cards[c]):
                if len(linked) > 1 and keep[c, state] == 1.0:
                    continue  # neither answer weighs on this state
                link.append(c * most + state)
                factors.append([1.0, keep[c, state], 1.0 if len(linked) > 1 else 1.0 - leak * keep[c, state]])
        link_start.append(len(link))
    n_joint = int(np.prod(tables.cards))
    late = [c for c in range(n_causes) if cards[c] < tables.cards[c]]
    late_states = list(product(*(range(tables.cards[c]) for c in late)))
    strides, joint_strides = _strides(cards), _strides(list(tables.cards))
    length = min((joint_strides[c] for c in late), default=n_joint)
    runs = []
    for k in range(0, n_joint, length):
        states = [k // stride % card for stride, card in zip(joint_strides, tables.cards, strict=True)]
        place = sum(min(s, card - 1) * stride for s, card, stride in zip(states, cards, strides, strict=True))
        runs.append([place, k, late_states.index(tuple(states[c] for c in late))])
    late_split = np.ones((len(late), most))
    for i, c in enumerate(late):
        late_split[i, 1 : tables.cards[c]] = tables.split[c]
    return Lower(
        first_cause=n_risks,
        first_finding=n_risks + n_causes,
        most=most,
        known=np.array([[1.0, *(float(code == state) for code in range(most))] for state in range(most)]).ravel(),
        leak_factor=np.array([[1.0, leak, 1.0] for leak in tables.absent_leak]).ravel(),
        link=_ints(link),
        link_factor=np.array(factors).ravel(),
        link_start=_ints(link_start),
        present=_aligned(np.vstack([1.0 - tables.absent[vectors], np.ones((1, n_joint))])),
        vector=_ints([vectors.index(f) if f in vectors else -1 for f in range(n_findings)]),
        cards=_ints(tables.cards),
        run=_ints(runs).reshape(-1, 3),
        run_length=length,
        late=_ints(late),
        late_states=_ints(late_states).reshape(len(late_states), len(late)),
        late_split=late_split,
        extra=_ints([[c, s] for c, card in enumerate(tables.cards) for s in range(2, card)]).reshape(-1, 2),
    )


def _nines(pair: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[object, ...]:
    """Order entries by what they do to all targets but the last two, then to those: nine entries each."""
    after, before = pair
    a, b = after[:-2], before[:-2]
    return a, a == b, b, after[-2:], after[-2:] == before[-2:], before[-2:]


def _groups(cards: list[int], fixed: tuple[int, ...], run: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the first cell of every run in which the fixed causes are absent, with the causes' states there."""
    strides = _strides(cards)
    for k in range(0, int(np.prod(cards)), run):
        states = tuple(k // stride % card for stride, card in zip(strides, cards, strict=True))
        if not any(states[c] for c in fixed):
            yield k, states


def _strides(cards: list[int]) -> list[int]:
    return [int(np.prod(cards[c + 1 :])) for c in range(len(cards))]


def _aligned(table: Floats) -> Floats:
    """Copy a table to where a vector of it does not lie across two cache lines."""
    numbers = np.empty(table.size + LANES)
    first = -(numbers.ctypes.data // numbers.itemsize) % LANES
    copy: Floats = numbers[first : first + table.size].reshape(table.shape)
    copy[:] = table
    return copy


def _ints(values: object) -> Ints:
    return np.array(values, dtype=np.int64)


TINY = 1e-300


class Course(NamedTuple):
    """A model on the way to expected counts and back, with C causes, F findings and K cells: the joint states.

    A *part* is a component of risk factors, the base being the first. Those
    with several targets are ORed into the joint one by one, the others with
    the cause that is their single target. What is laid out end to end has an
    array of where its members start, one longer than they are many.
    """

    part_start: Ints  # by part, into the two below
    row: Ints  # of the codes
    radix: Ints
    base: Floats  # (patterns, 2 ** C): P(risk evidence, causes triggered)
    column: Ints  # by cell: which of its columns
    share: Floats  # by cell: P(states of the causes | which are present)
    several: Ints  # parts
    several_start: Ints  # into the table, by one of them
    several_table: Floats  # coefficient of each entry, by pattern
    entry_start: Ints
    after: Ints  # cell that an entry adds to, from the first cell of a group
    before: Ints  # cell that it multiplies
    rank: Ints  # place of ``before`` among those of its part
    target_size: Ints  # joint states of the targets
    group_start: Ints
    group: Ints  # cells in which all targets are absent
    single_of: Ints  # by cause, into the three below
    single: Ints  # parts
    single_start: Ints  # into the table
    single_table: Floats  # P(risk evidence, not triggered) and P(it, triggered), by pattern
    order: Ints  # causes, each after its causes
    cards: Ints
    stride: Ints
    split: Floats  # (C, most states)
    parents_of: Ints  # by cause: its parents' joint states, into the three below
    kept: Floats  # P(no parent triggers the cause)
    lost: Floats
    cell_start: Ints
    cell: Ints  # in which the cause is absent and its parents are in those states
    most_entries: int
    first_cause: int
    first_finding: int
    log_absent_leak: Floats
    absent_links: Floats  # (F, C, most states)
    present: Floats  # (F, K): P(finding present | joint state) over its largest value
    log_peak: Floats  # logarithm of that value


def course_of(tables: Tables, n_risks: int) -> Course:
    """Lay the tables of a model out for the compiled passes.

    Parameters
    ----------
    tables : Tables
        The tables of a model.
    n_risks : int
        How many risk factors come before the causes in the codes.

    Returns
    -------
    Course
        Flat arrays.
    """
    t, parts = tables, (tables.base, *tables.components)
    way = _way(
        t.cards, tuple((p.rows, p.radix, p.targets) for p in parts), tuple(tuple(parents) for parents in t.parents)
    )
    several = [parts[g] for g in way["several"]]
    weights = [or_entries(part.targets, t.cards, t.split)[1] for part in several]
    split = np.zeros((len(t.cards), max(t.cards)))
    for c, shares in enumerate(t.split):
        split[c, 1 : 1 + len(shares)] = shares
    states = np.unravel_index(np.arange(int(np.prod(t.cards))), t.cards)
    present = 1.0 - t.absent
    peak = np.maximum(present.max(axis=1), TINY)
    kept = [_kept(parents) for parents in t.parents]
    with np.errstate(divide="ignore"):
        log_absent_leak = np.log(t.absent_leak)
    return Course(
        **way,
        base=np.ascontiguousarray(t.base.trigger),
        share=np.prod([np.where(own > 0, split[c][own], 1.0) for c, own in enumerate(states)], axis=0),
        several_table=_end_to_end([part.trigger @ w.T for part, w in zip(several, weights, strict=True)]),
        single_table=_end_to_end([parts[g].trigger for g in way["single"]]),
        order=_ints(t.order),
        split=split,
        kept=np.concatenate([np.exp(logs) for logs in kept]),
        lost=np.concatenate([-np.expm1(logs) for logs in kept]),
        first_cause=n_risks,
        first_finding=n_risks + len(t.cards),
        log_absent_leak=log_absent_leak,
        absent_links=np.ascontiguousarray(t.absent_links),
        present=present / peak[:, None],
        log_peak=np.log(peak),
    )


@lru_cache(maxsize=16)
def _way(
    cards: tuple[int, ...],
    parts: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...],
    parents: tuple[tuple[int, ...], ...],
) -> dict[str, Any]:
    """Lay out what does not hang on the numbers, once."""
    n_cells = int(np.prod(cards))
    states = np.stack(np.unravel_index(np.arange(n_cells), cards), axis=1)
    stride = np.array([int(np.prod(cards[c + 1 :])) for c in range(len(cards))])
    rows, radix, targets = zip(*parts, strict=True)
    several = [g for g in range(1, len(parts)) if len(targets[g]) != 1]
    of = [[g for g in range(1, len(parts)) if targets[g] == (c,)] for c in range(len(cards))]
    single = [g for own in of for g in own]
    n_patterns = [int(np.prod(r)) for r in radix]
    halves = tuple(np.full(card - 1, 0.5) for card in cards)
    entries = [_offsets(or_entries(targets[g], cards, halves)[0], stride[_ints(targets[g])]) for g in several]
    after, before = ([own[:, side] for own in entries] for side in (0, 1))
    cells = [
        np.flatnonzero((states[:, c] == 0) & (states[:, list(own)] == of_parents).all(axis=1))
        for c, own in enumerate(parents)
        for of_parents in product(*(range(cards[p]) for p in own))
    ]
    groups = [np.flatnonzero((states[:, list(targets[g])] == 0).all(axis=1)) for g in several]
    return {
        "part_start": _starts(rows),
        "row": _end_to_end(rows, int),
        "radix": _end_to_end(radix, int),
        "column": _ints((states > 0) @ (1 << np.arange(len(cards))[::-1])),
        "several": _ints(several),
        "several_start": _ints(
            np.cumsum([0, *(n_patterns[g] * len(own) for g, own in zip(several, entries, strict=True))])
        ),
        "entry_start": _starts(entries),
        "after": _end_to_end(after, int),
        "before": _end_to_end(before, int),
        "rank": _end_to_end([np.unique(own, return_inverse=True)[1] for own in before], int),
        "target_size": _ints([len(np.unique(own)) for own in before]),
        "group_start": _starts(groups),
        "group": _end_to_end(groups, int),
        "single_of": _starts(of),
        "single": _ints(single),
        "single_start": _ints(np.cumsum([0, *(2 * n_patterns[g] for g in single)])),
        "cards": _ints(cards),
        "stride": _ints(stride),
        "parents_of": _ints(np.cumsum([0, *(int(np.prod([cards[p] for p in own])) for own in parents)])),
        "cell_start": _starts(cells),
        "cell": _end_to_end(cells, int),
        "most_entries": max([1, *map(len, entries)]),
    }


@lru_cache(maxsize=256)
def _or_entries(
    targets: tuple[int, ...], cards: tuple[int, ...], split: tuple[tuple[float, ...], ...]
) -> tuple[list[tuple[States, States]], Floats]:
    trigger = np.eye(2 ** len(targets))
    pairs, weights = or_matrix(Component((), (), (), targets, trigger), cards, tuple(map(np.array, split)))
    return pairs, np.ascontiguousarray(weights.T)


def or_entries(
    targets: tuple[int, ...], cards: tuple[int, ...], split: tuple[Floats, ...]
) -> tuple[list[tuple[States, States]], Floats]:
    """Write what triggers do to the states of their targets.

    Parameters
    ----------
    targets : tuple of int
        The causes.
    cards : tuple of int
        Number of states of each cause.
    split : tuple of ndarray
        Per cause P(state | present).

    Returns
    -------
    list of tuple
        (states of the targets after, states before), as from `kneebayes.inference.tables.or_matrix`.
    ndarray, shape (entries, 2 ** targets)
        The weight of each by which of the targets are triggered.
    """
    drawn_on = tuple(tuple(shares.tolist()) if c in targets else () for c, shares in enumerate(split))
    return _or_entries(targets, cards, drawn_on)


def _kept(parents: dict[int, Floats]) -> Floats:
    """Logarithm of P(no parent triggers a cause), by joint state of the parents."""
    logs = np.zeros(1)
    with np.errstate(divide="ignore"):
        for survival in parents.values():
            logs = (logs[:, None] + np.log(survival)).ravel()
    return logs


def _offsets(pairs: list[tuple[States, States]], strides: Ints) -> Ints:
    """How far from the cell without any target the cells of each entry are, shape (entries, 2)."""
    return _ints(
        [[sum(s * stride for s, stride in zip(side, strides, strict=True)) for side in pair] for pair in pairs]
    )


def _starts(members: Any) -> Ints:
    return _ints(np.cumsum([0, *map(len, members)]))


def _end_to_end(members: Any, kind: Any = float) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *(np.asarray(m, dtype=kind).ravel() for m in members)])
