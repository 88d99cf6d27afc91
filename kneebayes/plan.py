"""What the batch kernel reads: the tables of a model, laid out flat.

Compiled code takes arrays of numbers; the lists of lists that a model is
become runs in long arrays, each with an array of where the runs start.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.lanes import LANES
from kneebayes.tables import Tables, or_matrix, separate

__all__ = ["Lower", "Upper", "lower_layer", "upper_layer"]

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
