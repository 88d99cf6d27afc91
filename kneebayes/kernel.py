"""The batch kernel: codes to posteriors, compiled, on all cores.

The arithmetic of ``inference.py`` in another order. Several cases go through
the upper layer side by side, a case per lane of a vector register, because
there every step does the same to each; then each case alone takes the vectors
of its own positive findings. Tables and results are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from kneebayes.noisyor import Tables, or_matrix

__all__ = ["Kernel"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LANES = 8  # doubles in a 512-bit register; measured best of 4, 8 and 16
ROWS_PER_TASK = 4096


class Upper(NamedTuple):
    """The upper layer: from risk factors to P(risk evidence, joint state).

    Causes keep their states here where they cause other causes, and are only
    absent or present elsewhere; ``offset`` says where a group of cells starts.
    """

    base: Floats  # (patterns, cells)
    component_rows: Ints  # rows of codes of all components, the base first, end to end
    component_radix: Ints
    component_start: Ints  # into the two above, one more than components
    component_targets: Ints  # number of targets; the cause itself where it is one
    table: Floats  # coefficients of all components but the base, end to end
    table_start: Ints  # by component
    entries: Ints  # (entries, 2): target cell and source cell of each coefficient
    entry_start: Ints
    group: Ints  # offsets of the groups of cells that a component works on
    group_start: Ints
    group_run: Ints  # contiguous cells in each group, by component
    order: Ints  # causes, each after its causes
    stride: Ints
    cards: Ints
    split: Floats  # (causes, most states)
    cell: Ints  # (groups of all causes, 2): offset of a group, and which states its parents have there
    cell_start: Ints
    cell_run: Ints
    parent: Floats  # (combinations of parents' states of all causes, 2): kept, triggered
    parent_start: Ints


class Lower(NamedTuple):
    """The lower layer: the findings, and the fold to marginals."""

    first_cause: int
    first_finding: int
    leak: Floats  # 1 - leak by finding
    link: Ints  # (links, 2): cause and state, by finding
    link_keep: Floats  # 1 - link
    link_start: Ints
    alone: Ints  # by finding: its only cause, or -1 where it needs a vector
    keep: Floats  # (findings, causes, most states): 1 - link
    present: Floats  # (vectors + 1, joint states): P(finding present | joint state); the last is all ones
    vector: Ints  # by finding: its row of ``present``
    cards: Ints
    run: Ints  # (runs, 3): where in the upper layer, where in the joint, which late states
    run_length: int
    late: Ints  # causes whose states are told apart only here
    late_states: Ints  # (combinations, late causes)
    late_split: Floats  # (late causes, most states)
    extra: Ints  # (further columns, 2): cause, state


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
        parents = {parent for links in tables.parents for parent in links}
        cards = [card if c in parents else 2 for c, card in enumerate(tables.cards)]
        self.upper = _upper(tables, cards)
        self.lower = _lower(tables, cards, n_risks)
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
            _score(self.upper, self.lower, codes, start, min(start + ROWS_PER_TASK, n), values, evidence)

        workers = min(
            len(starts), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        if workers <= 1:
            for start in starts:
                work(start)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(work, starts))
        return values, evidence


def _upper(tables: Tables, cards: list[int]) -> Upper:
    strides = _strides(cards)
    rows: list[int] = []
    radix: list[int] = []
    start = [0]
    coefficients, table_start, entries, entry_start = [], [], [], [0]
    groups, group_start, group_run, targets = [], [0], [], []
    for component in (tables.base, *tables.components):
        rows += component.rows
        radix += component.radix
        start.append(len(rows))
        if component is tables.base:
            continue
        targets.append(component.targets[0] if len(component.targets) == 1 else -1)
        pairs, matrix = or_matrix(component, cards, tables.split)
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
        for offset, states in _groups(cards, (c,), run):
            cells.append([offset, combinations.index(tuple(states[p] for p in parents))])
        cell_start.append(len(cells))
        cell_run.append(run)
        for combination in combinations:
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
    split = np.ones((len(cards), max(cards)))
    for c, card in enumerate(cards):
        if card == len(tables.split[c]) + 1:
            split[c, 1:card] = tables.split[c]
    return Upper(
        base=np.ascontiguousarray(base),
        component_rows=_ints(rows),
        component_radix=_ints(radix),
        component_start=_ints(start),
        component_targets=_ints(targets),
        table=np.concatenate([np.zeros(0), *(m.ravel() for m in coefficients)]),
        table_start=_ints(table_start),
        entries=_ints(entries).reshape(-1, 2),
        entry_start=_ints(entry_start),
        group=_ints(groups),
        group_start=_ints(group_start),
        group_run=_ints(group_run),
        order=_ints(tables.order),
        stride=_ints(strides),
        cards=_ints(cards),
        split=split,
        cell=_ints(cells).reshape(-1, 2),
        cell_start=_ints(cell_start),
        cell_run=_ints(cell_run),
        parent=np.array(parent_rows, dtype=float).reshape(-1, 2),
        parent_start=_ints(parent_start),
    )


def _lower(tables: Tables, cards: list[int], n_risks: int) -> Lower:
    n_findings, n_causes, most = tables.absent_links.shape
    links, keeps, link_start, alone = [], [], [0], []
    for finding in tables.absent_links:
        linked = [c for c in range(n_causes) if (finding[c] != 1.0).any()]
        for c in linked:
            for state in range(1, tables.cards[c]):
                links.append([c, state])
                keeps.append(finding[c, state])
        link_start.append(len(links))
        alone.append(linked[0] if len(linked) == 1 else 0 if not linked else -1)
    vectors = [f for f in range(n_findings) if alone[f] < 0]
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
        leak=tables.absent_leak,
        link=_ints(links).reshape(-1, 2),
        link_keep=np.array(keeps, dtype=float),
        link_start=_ints(link_start),
        alone=_ints(alone),
        keep=np.ascontiguousarray(tables.absent_links),
        present=np.vstack([1.0 - tables.absent[vectors], np.ones((1, n_joint))]),
        vector=_ints([vectors.index(f) if f in vectors else len(vectors) for f in range(n_findings)]),
        cards=_ints(tables.cards),
        run=_ints(runs).reshape(-1, 3),
        run_length=length,
        late=_ints(late),
        late_states=_ints(late_states).reshape(len(late_states), len(late)),
        late_split=late_split,
        extra=_ints([[c, s] for c, card in enumerate(tables.cards) for s in range(2, card)]).reshape(-1, 2),
    )


def _groups(cards: list[int], fixed: tuple[int, ...], run: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the first cell of every run in which the fixed causes are absent, with the causes' states there."""
    strides = _strides(cards)
    for k in range(0, int(np.prod(cards)), run):
        states = tuple(k // stride % card for stride, card in zip(strides, cards, strict=True))
        if not any(states[c] for c in fixed):
            yield k, states


def _strides(cards: list[int]) -> list[int]:
    return [int(np.prod(cards[c + 1 :])) for c in range(len(cards))]


def _ints(values: object) -> Ints:
    return np.array(values, dtype=np.int64)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _score(upper, lower, codes, start, stop, values, evidence):  # type: ignore[no-untyped-def]  # pragma: no cover
    n_causes = len(upper.order)
    cells = np.empty((upper.base.shape[1], LANES))
    off, on = np.empty((n_causes, LANES)), np.empty((n_causes, LANES))
    weight = np.empty((n_causes, lower.keep.shape[2], LANES))
    scale = np.empty(LANES)
    coefficient = np.empty((max(1, len(upper.entries)), LANES))
    pattern = np.empty(LANES, np.int64)
    late = np.empty(len(lower.late_states))
    joint = np.empty(lower.present.shape[1])
    positives = np.empty(len(lower.leak) + 1, np.int64)
    for first in range(start, stop, LANES):
        _patterns(upper, 0, codes, first, stop, pattern)
        for lane in range(LANES):
            row = upper.base[pattern[lane]]
            for cell in range(len(row)):
                cells[cell, lane] = row[cell]
        off[:] = 1.0
        on[:] = 0.0
        scale[:] = 1.0
        for component in range(len(upper.component_targets)):
            _patterns(upper, component + 1, codes, first, stop, pattern)
            _or_component(upper, component, pattern, cells, off, on, scale, coefficient)
        _weigh(lower, codes, first, stop, weight, scale)
        for c in upper.order:
            _or_cause(upper, lower, c, cells, off, on, weight)
        for lane in range(min(LANES, stop - first)):
            case = first + lane
            n_positive = 0
            for f in range(len(lower.leak)):
                if codes[lower.first_finding + f, case] == 1 and lower.alone[f] < 0:
                    positives[n_positive] = lower.vector[f]
                    n_positive += 1
            positives[n_positive] = len(lower.present) - 1
            for i in range(len(late)):
                late[i] = scale[lane]
                for j, c in enumerate(lower.late):
                    state = lower.late_states[i, j]
                    if state > 0:
                        late[i] *= lower.late_split[j, state] * weight[c, state, lane]
            vector = lower.present[positives[0]]
            for r in range(len(lower.run)):
                source, target, states = lower.run[r]
                factor = late[states]
                for i in range(lower.run_length):
                    joint[target + i] = cells[source + i, lane] * factor * vector[target + i]
            for p in range(1, n_positive):
                vector = lower.present[positives[p]]
                for k in range(len(joint)):
                    joint[k] *= vector[k]
            evidence[case] = _fold(lower.cards, lower.extra, joint, values[case])


@numba.njit(cache=True, nogil=True)
def _patterns(upper, component, codes, first, stop, pattern):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Find the row of a component's table for each lane; lanes past the end repeat the last case."""
    pattern[:] = 0
    for i in range(upper.component_start[component], upper.component_start[component + 1]):
        row, radix = upper.component_rows[i], upper.component_radix[i]
        for lane in range(LANES):
            code = codes[row, min(first + lane, stop - 1)]
            pattern[lane] = pattern[lane] * radix + (radix - 1 if code < 0 else code)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _or_component(upper, component, pattern, cells, off, on, scale, coefficient):  # type: ignore[no-untyped-def]  # pragma: no cover
    """OR the triggers of one component into the cells, or for a single target into ``off`` and ``on``."""
    begin, end = upper.entry_start[component], upper.entry_start[component + 1]
    for lane in range(LANES):
        place = upper.table_start[component] + pattern[lane] * (end - begin)
        for e in range(end - begin):
            coefficient[e, lane] = upper.table[place + e]
    target = upper.component_targets[component]
    if end - begin == 1:  # no targets: only the probability of the evidence
        for lane in range(LANES):
            scale[lane] *= coefficient[0, lane]
    elif target >= 0 and upper.cards[target] == 2:  # entries: (present, present), (present, absent), (absent, absent)
        for lane in range(LANES):
            whole = coefficient[0, lane]
            on[target, lane] = on[target, lane] * whole + off[target, lane] * coefficient[1, lane]
            off[target, lane] *= coefficient[2, lane]
    else:
        run = upper.group_run[component]
        for g in range(upper.group_start[component], upper.group_start[component + 1]):
            for e in range(end - begin):
                after = upper.group[g] + upper.entries[begin + e, 0]
                before = upper.group[g] + upper.entries[begin + e, 1]
                if after == before:
                    for r in range(run):
                        for lane in range(LANES):
                            cells[after + r, lane] *= coefficient[e, lane]
                else:
                    for r in range(run):
                        for lane in range(LANES):
                            cells[after + r, lane] += coefficient[e, lane] * cells[before + r, lane]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _weigh(lower, codes, first, stop, weight, scale):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Weigh each cause's states by known causes and by the findings that need no vector."""
    weight[:] = 1.0
    for lane in range(LANES):
        case = min(first + lane, stop - 1)
        for c in range(weight.shape[0]):
            code = codes[lower.first_cause + c, case]
            if code >= 0:
                for state in range(lower.cards[c]):
                    if state != code:
                        weight[c, state, lane] = 0.0
        for f in range(len(lower.leak)):
            code = codes[lower.first_finding + f, case]
            if code == 0:
                scale[lane] *= lower.leak[f]
                for i in range(lower.link_start[f], lower.link_start[f + 1]):
                    weight[lower.link[i, 0], lower.link[i, 1], lane] *= lower.link_keep[i]
            elif code == 1 and lower.alone[f] >= 0:
                c = lower.alone[f]
                for state in range(lower.cards[c]):
                    weight[c, state, lane] *= 1.0 - lower.leak[f] * lower.keep[f, c, state]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _or_cause(upper, lower, c, cells, off, on, weight):  # type: ignore[no-untyped-def]  # pragma: no cover
    """OR the single-target components and the causes of one cause in, and weigh its states."""
    keep, gain = np.empty(LANES), np.empty(LANES)
    own, new = np.empty(LANES), np.empty(LANES)
    run, stride = upper.cell_run[c], upper.stride[c]
    late = upper.cards[c] < lower.cards[c]
    last = -1
    for state in range(1, upper.cards[c]):
        for lane in range(LANES):
            own[lane] = (off[c, lane] + on[c, lane]) * (1.0 if late else weight[c, state, lane])
            new[lane] = upper.split[c, state] * (1.0 if late else weight[c, state, lane])
        for g in range(upper.cell_start[c], upper.cell_start[c + 1]):
            offset = upper.cell[g, 0]
            if upper.cell[g, 1] != last or g == upper.cell_start[c]:
                last = upper.cell[g, 1]
                triggered = upper.parent[upper.parent_start[c] + last, 1]
                for lane in range(LANES):
                    gain[lane] = (on[c, lane] + off[c, lane] * triggered) * new[lane]
            for r in range(run):
                for lane in range(LANES):
                    present = own[lane] * cells[offset + state * stride + r, lane]
                    cells[offset + state * stride + r, lane] = present + gain[lane] * cells[offset + r, lane]
    last = -1
    for g in range(upper.cell_start[c], upper.cell_start[c + 1]):
        offset = upper.cell[g, 0]
        if upper.cell[g, 1] != last:
            last = upper.cell[g, 1]
            kept = upper.parent[upper.parent_start[c] + last, 0]
            for lane in range(LANES):
                keep[lane] = off[c, lane] * kept * weight[c, 0, lane]
        for r in range(run):
            for lane in range(LANES):
                cells[offset + r, lane] *= keep[lane]


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})
def _fold(cards, extra, joint, values):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fold a joint to its marginals, in place; return its sum."""
    n_causes = len(cards)
    none = joint[0]
    size = len(joint)
    for c in range(n_causes):
        part = size // cards[c]
        total = 0.0
        for k in range(part, size):
            total += joint[k]
        values[c] = total
        for e in range(len(extra)):
            if extra[e, 0] == c:
                total = 0.0
                for k in range(part * extra[e, 1], part * (extra[e, 1] + 1)):
                    total += joint[k]
                values[n_causes + 1 + e] = total
        for state in range(1, cards[c]):
            for k in range(part):
                joint[k] += joint[state * part + k]
        size = part
    values[n_causes] = none
    whole = joint[0]
    for column in range(len(values)):
        values[column] /= whole
    return whole
