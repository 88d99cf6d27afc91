"""What the compiled passes of expectation read: the tables of a model, laid out flat."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.tables import Component, States, Tables, or_matrix

__all__ = ["Course", "course_of", "or_entries"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
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
        (states of the targets after, states before), as from `kneebayes.tables.or_matrix`.
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


def _ints(values: object) -> Ints:
    return np.array(values, dtype=np.int64)
