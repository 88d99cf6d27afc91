"""The compiled passes: posteriors of a batch, and expected counts there and back.

The arithmetic of ``network.py`` in another order. A few cases go through the upper layer side by side, a case per
lane of a vector register, because there every step does the same to each; then each case alone takes the vectors of
its own positive findings. On the way back the same holds the other way round. Nothing is subtracted or divided but by
P(evidence). Tables and results are the same.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise, starmap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference import cores
from kneebayes.inference.compiled.cache import compiled
from kneebayes.inference.compiled.layout import (
    ABSENT,
    STAYS,
    FlatGrowth,
    FlatTables,
    aligned,
    flat_layout,
    triggered_apart,
)
from kneebayes.inference.compiled.vectors import (
    LANES,
    add,
    gather,
    interleave,
    load,
    multiply,
    read,
    separate,
    splat,
    store,
    write,
)
from kneebayes.inference.evidence import Batch, BatchPart, Cases, OpenStates
from kneebayes.inference.tables import MAX_KEPT_BYTES, Component, Counts, Tables, or_messages, patterns

# what numba compiles has no types of its own
# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, var-annotated"

Floats = NDArray[np.float64]
CASES_PER_TASK = 4096
ROWS_PER_TASK = 128  # of a large base
MAX_TASKS = 16  # of a count, whatever the number of cores, so that sums round alike everywhere
MIN_CASES = 64  # in one of those
NONE = np.int64(0)  # a bare 0 has a type of its own, and what is called with both is compiled twice


class Kernel:
    """The compiled passes with the numbers of some tables."""

    def __init__(self, tables: Tables) -> None:
        self.layout = flat_layout(tables.layout)
        self.tables = self.layout.fill(tables)  # without the rows of the base
        self._base = tables.components[0]
        self._rows: dict[int, Floats] = {}  # as many as are to be kept
        self._n_bytes = 0
        growth = self.layout.growth
        self._growth, self._coupled = (growth.flat, growth.coupled) if growth else (None, [])
        self._makes_rows = self._base.is_large or self._growth is not None
        self.n_causes = len(self.tables.causes.cards)
        self.n_columns = self.n_causes + 1 + len(self.tables.findings.extra)

    def posteriors(self, codes: NDArray[np.int8]) -> tuple[Floats, Floats]:
        """Compute the posteriors, (n, columns), and P(evidence), (n,), of a batch of codes, (variables, n).

        A row of NaN where the evidence is impossible.
        """
        n, component = codes.shape[1], self._base
        codes = np.ascontiguousarray(codes)
        values, evidence = np.empty((n, self.n_columns)), np.empty(n)
        cuts, order = np.array([0, n]), np.zeros(0, dtype=np.intp)
        if self._makes_rows:  # cases of one pattern stand together, so that its row is made once
            order, cuts = self._by_pattern(codes, ROWS_PER_TASK)
            codes = np.ascontiguousarray(codes[:, order])  # else it is of another type, compiled anew
        whole = None if self._makes_rows else self._whole

        def score(part: tuple[int, int]) -> None:
            start, stop = part
            flat = whole or self._with_rows(_open_states(component, codes[:, start:stop]))
            together = self._together(codes[:, start:stop])
            # of one pattern of the base its row is still in the cache for the next case
            key = together * len(flat.base_row) + patterns(component, codes[:, start:stop])
            if key.max() <= np.iinfo(np.int16).max:
                key = key.astype(np.int16)  # NumPy sorts these by radix, five times as fast
            place = np.argsort(key, kind="stable")
            self._score(flat, codes, start + place, together[place], values, evidence)

        parts = [
            (start, min(start + CASES_PER_TASK, stop))
            for first, stop in pairwise(cuts.tolist())
            for start in range(first, stop, CASES_PER_TASK)
        ]
        workers = min(len(parts), cores())
        if workers <= 1:
            for part in parts:
                score(part)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(score, parts))
        if self._makes_rows:
            values[order], evidence[order] = values.copy(), evidence.copy()
        return values, evidence

    def _together(self, codes: NDArray[np.int8]) -> NDArray[np.int64]:
        """Tell cases apart, (n,), by what has to be alike side by side.

        That is how their cells grow; where they do not, which components make their targets dependent.
        """
        if self._growth:
            return self._growth.kind[patterns(self._base, codes)]
        components, together = self.tables.components, np.zeros(codes.shape[1], dtype=np.int64)
        starts = pairwise(components.pattern_start.tolist())
        for part, (start, stop) in zip(self.layout.parts, starts, strict=True):
            if len(part.targets) > 1:
                together = 2 * together + ~components.apart[start:stop][patterns(part, codes)]
        return together

    def batch(self, codes: NDArray[np.int8]) -> Batch:
        """Put codes, (variables, n), into the order in which `posteriors_of` is quickest, whatever the numbers."""
        component, parts = self._base, []
        order, cuts = self._by_pattern(codes, ROWS_PER_TASK if self._makes_rows else component.n_patterns)
        for start, stop in pairwise(cuts.tolist()):
            own = order[start:stop]
            together = self._together(codes[:, own])
            place = np.argsort(together, kind="stable")
            own[:] = own[place]  # within that by pattern: its row is still in the cache for the next case
            ours = np.ascontiguousarray(codes[:, own])
            parts.append(BatchPart(ours, together[place], _open_states(component, ours)))
        return Batch(np.ascontiguousarray(codes[:, order]), order, parts)

    def _by_pattern(self, codes: NDArray[np.int8], n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Put cases into the order of their patterns of the base, and cut where so many of those end."""
        pattern = patterns(self._base, codes)
        order = np.lexsort([pattern, self._growth.kind[pattern]] if self._growth else [pattern])
        nth = np.cumsum(np.diff(pattern[order], prepend=pattern[order[:1]]) > 0)
        return order, np.flatnonzero(np.diff(nth // n_rows, prepend=-1, append=len(order)))

    def posteriors_of(self, batch: Batch) -> tuple[Floats, Floats]:
        """Compute the same as `posteriors` for a batch, in its order, on one core."""
        values, evidence = np.empty((len(batch.order), self.n_columns)), np.empty(len(batch.order))
        start = 0
        for part in batch.parts:
            flat, n = self._with_rows(part.open_states), part.codes.shape[1]
            own = slice(start, start + n)
            self._score(flat, part.codes, np.arange(n), part.together, values[own], evidence[own])
            start += n
        return values, evidence

    def _score(
        self,
        flat: FlatTables,
        codes: NDArray[np.int8],
        order: NDArray[np.intp],
        together: NDArray[np.int64],
        values: Floats,
        evidence: Floats,
    ) -> None:
        work = _score_arrays(flat, self._growth)
        _score(flat, self._growth, codes, order, together, values, evidence, work)

    def _with_rows(self, needed: OpenStates) -> FlatTables:
        """Add the rows of the base that some cases need."""
        component = self._base
        place = np.zeros(component.n_patterns, dtype=np.int64)
        if self._growth is None:
            base = self.layout.base(np.zeros((len(needed.pattern), 1 << self.n_causes)))
            _add_states(component.left, component.right, needed.start, needed.states, base)
            place[needed.pattern] = np.arange(len(needed.pattern))
        else:  # end to end, each from a whole vector on
            states = map(needed.states.__getitem__, starmap(slice, pairwise(needed.start.tolist())))
            coupled = map(self._coupled.__getitem__, self._growth.kind[needed.pattern].tolist())
            rows = list(map(self._row, needed.pattern.tolist(), states, coupled))
            place[needed.pattern] = np.cumsum([0, *map(len, rows[:-1])])
            base = aligned((sum(map(len, rows)), LANES))
            np.concatenate(rows, out=base)
        return self.tables._replace(base=base, base_row=place)

    def _row(self, pattern: int, states: NDArray[np.intp], coupled: tuple[int, ...]) -> Floats:
        """P(pattern, exactly these of the coupled causes triggered), and each other's chances not to be and to be."""
        if pattern in self._rows:
            return self._rows[pattern]
        n, halves, first = self.n_causes, [], 0
        left, right = self._base.left[states], self._base.right[states]
        for half in (left, right):
            last = first + half.shape[1].bit_length() - 1
            others = tuple(1 + c - first for c in range(first, last) if c not in coupled)
            half = half.reshape(-1, *(2,) * (last - first)).sum(axis=others)
            halves.append(np.ascontiguousarray(half.reshape(len(states), -1)))
            first = last
        likely = [int(np.argmax(left.sum(axis=1)))]  # the chances of others are the same in all states
        chances = np.concatenate([triggered_apart(half[likely])[0, 1:] for half in (left, right)]).reshape(n, 2)
        chances[list(coupled)] = 1.0, 0.0
        n_cells = max(1 << len(coupled), LANES)
        row = np.zeros(n_cells + -(-2 * n // LANES) * LANES)
        row[n_cells : n_cells + 2 * n] = chances.ravel()
        _add_states(*halves, np.array([0, len(states)]), np.arange(len(states)), row[None])
        if self._n_bytes + row.nbytes <= MAX_KEPT_BYTES:
            self._rows[pattern], self._n_bytes = row.reshape(-1, LANES), self._n_bytes + row.nbytes
        return row.reshape(-1, LANES)

    @cached_property
    def _whole(self) -> FlatTables:
        """The tables with every row of the base, which counts are added up by."""
        return self.tables._replace(base=self.layout.base(self._base.trigger))

    def counts(self, cases: Cases) -> Counts:
        """Add up the expected counts of at least one case, by weight, always in the same order."""
        n, flat = len(cases.weight), self._whole
        pattern = patterns(self.layout.layout.parts[0], cases.codes)
        order = np.argsort(pattern, kind="stable")  # cases of one pattern read and write the same row of the base
        pattern = pattern[order]
        codes = np.ascontiguousarray(cases.codes.T[order])
        allowed, weight = cases.allowed[order], np.asarray(cases.weight, dtype=float)[order]
        log_evidence = np.empty(n)
        length = max(-(-n // MAX_TASKS), MIN_CASES)

        def work(start: int) -> tuple[int, _Sums]:
            part = slice(start, start + length)
            first, last = int(pattern[part][0]), int(pattern[part][-1])
            sums = self._nothing(last + 1 - first)
            _count(flat, codes[part], allowed[part], weight[part], first, sums, log_evidence[part], _count_arrays(flat))
            return first, sums

        starts = range(0, n, length)
        total = self._nothing(len(flat.base))
        with ThreadPoolExecutor(min(cores(), len(starts))) as pool:
            for first, sums in pool.map(work, starts):
                for name, mine, theirs in zip(_Sums._fields, total, sums, strict=True):
                    own = mine[first : first + len(theirs)] if name == "base" else mine
                    own += theirs
        restored = np.empty(n)
        restored[order] = log_evidence
        return self._counts(total, restored)

    def _nothing(self, n_patterns: int) -> _Sums:
        flat, layout = self.tables, self.layout.layout
        return _Sums(
            at_most=np.zeros((len(layout.leaks), flat.causes.most * len(layout.cards))),
            vectors=np.zeros((layout.n_vectors, layout.n_joint)),
            joint=np.zeros_like(flat.causes.share),
            base=np.zeros((n_patterns, flat.base.shape[1])),
            table=np.zeros_like(flat.components.table),
            reached=np.zeros_like(flat.causes.kept),
        )

    def _counts(self, sums: _Sums, log_evidence: Floats) -> Counts:
        flat, layout = self._whole, self.layout.layout
        components = [sums.base[:, : 1 << len(layout.cards)]]
        for i, part in enumerate(layout.parts[1:]):
            entries, size = self.layout.entries[i], 1 << len(part.targets)
            flows = sums.table[flat.components.table_start[i] : flat.components.table_start[i + 1]].reshape(
                -1, len(entries)
            )
            flow = np.zeros((len(flows), max(size, 2), max(size, 2)))
            flow[:, entries[:, 0], entries[:, 1]] = flows
            components.append(or_messages(flow)[:, :size])
        reached = [
            sums.reached[flat.causes.parent_start[c] : flat.causes.parent_start[c + 1]] if parents else np.zeros(1)
            for c, parents in enumerate(layout.parents)
        ]
        at_most = sums.at_most.reshape(len(sums.at_most), len(layout.cards), -1)
        return Counts(log_evidence, at_most, sums.vectors, sums.joint, components, reached)


def _open_states(component: Component, codes: NDArray[np.int8]) -> OpenStates:
    """Find the patterns that some cases, (variables, n), have of a component."""
    found = np.unique(patterns(component, codes))
    states = [component.part.states(pattern) for pattern in found.tolist()]
    return OpenStates(found, np.cumsum([0, *map(len, states)]), np.concatenate(states))


def _score_arrays(flat: FlatTables, growth: FlatGrowth | None) -> tuple[NDArray[Any], ...]:
    """Make what `_score` works in: code that makes no arrays is smaller, and compiled sooner."""
    parts, components, causes, findings = flat.parts, flat.components, flat.causes, flat.findings
    n_causes, n_inner = len(causes.order), findings.n_inner
    # read by whole vectors, so past the last
    n_cells = max(growth.most if growth else 1 << n_causes, n_inner, LANES) + LANES
    return (
        np.empty((findings.first_finding + len(findings.code_start), LANES), dtype=np.int64),  # block
        np.empty((len(parts.part_start) - 1, LANES), dtype=np.int64),  # pattern
        np.empty(LANES, dtype=np.int64),  # base_row
        _lanes(n_cells),  # cells
        _lanes(n_cells if growth else 0),  # grown
        _lanes(-(-n_inner // LANES) * LANES + LANES),  # joint
        _lanes(n_causes),  # off
        _lanes(n_causes),  # on
        _lanes(1),  # scale
        _lanes(n_causes * causes.most),  # weight
        _lanes(len(causes.spread_states)),  # spread
        _lanes(len(components.after)),  # coefficient
        _lanes(len(components.after) if growth else 0),  # picked
        np.empty(len(components.group_run), dtype=bool),  # open_parts
        _lanes(n_inner + 2 * LANES).reshape(LANES, -1),  # rows
        _lanes(n_inner + 2 * LANES).reshape(LANES, -1),  # inner
        _lanes(n_inner // LANES + 3).ravel(),  # own
        np.empty(LANES, dtype=np.int64),  # n_chosen
        np.empty((LANES, len(findings.code_start) + 2), dtype=np.int64),  # chosen
        np.empty((LANES, findings.constant.shape[1])),  # outer
        np.empty(LANES),  # nones
    )


def _count_arrays(flat: FlatTables) -> tuple[NDArray[Any], ...]:
    """Make what `_count` works in, likewise."""
    parts, components, causes, findings = flat.parts, flat.components, flat.causes, flat.findings
    n_causes, n_joint, width = len(causes.order), len(causes.share), flat.base.shape[1]
    size = max(n_joint + LANES, width)  # whole vectors
    # the cells before each step and after the last, then the joint likewise; more, as what is read comes in vectors
    taped = (1 + len(components.several) + causes.n_early << n_causes) + (1 + n_causes - causes.n_early) * n_joint
    unweighed, reached = _lanes(n_causes * causes.most), _lanes(len(causes.kept))
    unweighed[:], reached[:] = 1.0, 0.0
    return (
        np.empty((findings.first_finding + len(findings.code_start), LANES), dtype=np.int64),  # block
        np.empty((len(parts.part_start) - 1, LANES), dtype=np.int64),  # pattern
        np.arange(LANES),  # each
        _lanes(n_causes),  # off
        _lanes(n_causes),  # on
        unweighed,
        _lanes(len(causes.spread_states)),  # spread
        _lanes(len(components.after)),  # coefficient
        _lanes(len(components.after)),  # flow
        reached,
        np.empty(LANES),  # scale
        _lanes(2),  # evidence
        _lanes(2),  # message
        _lanes(taped + width),
        _lanes(size),  # back
        _lanes(size),  # cells
        _lanes(size).reshape(LANES, size),  # rows
        np.empty(n_causes * causes.most),  # weighed
        np.zeros(n_causes * causes.most),  # marginal
    )


def _lanes(n: int) -> Floats:
    return aligned((n, LANES))


class _Sums(NamedTuple):
    """What a count adds up."""

    at_most: Floats  # (rows, causes * most states)
    vectors: Floats  # (vectors, K)
    joint: Floats  # (K,)
    base: Floats  # (patterns of the base that there are, columns)
    table: Floats  # laid out as that of the flat tables
    reached: Floats  # as ``kept``


_compiled = compiled(fastmath=("contract", "reassoc"))
# where a call would copy the tables, some sixty arrays
_inlined = compiled(fastmath=("contract", "reassoc"), forceinline=True)


# What both passes share: steps of arrays, for each of which numba would compile more of NumPy than it takes


@_inlined
def _sum(numbers):  # pragma: no cover
    whole = 0.0
    for i in range(len(numbers)):
        whole += numbers[i]
    return whole


@_inlined
def _add_to(numbers, others):  # pragma: no cover
    for i in range(len(numbers)):
        numbers[i] += others[i]


@_inlined
def _copy(target, rows):  # pragma: no cover
    for row in range(len(rows)):
        store(target, row, load(rows, row))


# The upper layer, forward


@_compiled
def _add_states(left, right, state_start, states, rows):  # pragma: no cover
    """Add to each row the outer products of the rows of two halves in some states."""
    size = right.shape[1]
    for row in range(len(rows)):
        for a in range(left.shape[1]):
            part = rows[row, a * size : (a + 1) * size]
            for i in range(state_start[row], state_start[row + 1]):
                factor, other = left[states[i], a], right[states[i]]
                for b in range(size):
                    part[b] += factor * other[b]


@_inlined
def _find_patterns(parts, block, pattern):  # pragma: no cover
    """Find the row of each part's table for each lane."""
    for part in range(len(pattern)):
        for lane in range(LANES):
            pattern[part, lane] = 0
        for i in range(parts.part_start[part], parts.part_start[part + 1]):
            radix, row = parts.radix[i], parts.row[i]
            for lane in range(LANES):
                digit = block[row, lane]
                pattern[part, lane] = pattern[part, lane] * radix + (radix - 1 if digit < 0 else digit)


@_inlined
def _gather_entries(components, i, pattern, coefficient):  # pragma: no cover
    """Find the coefficients of a component for each lane; what all components have stands end to end."""
    begin, n_entries = components.entry_start[i], components.entry_start[i + 1] - components.entry_start[i]
    for e in range(n_entries):
        store(coefficient, begin + e, gather(components.table, components.table_start[i] + e, n_entries, pattern))


@_inlined
def _or_component(components, i, cells, coefficient):  # pragma: no cover
    """OR the triggers of a component with several targets into cells, in place."""
    begin, end = components.entry_start[i], components.entry_start[i + 1]
    groups = components.group[components.group_start[i] : components.group_start[i + 1]]
    after, before, own = components.after[begin:end], components.before[begin:end], coefficient[begin:end]
    for e in range(0, end - begin, 9):
        _or_two(cells, NONE, groups, components.group_run[i], after, before, e, own)


@_compiled
def _or_two(cells, origin, groups, run, after, before, e, coefficient):  # pragma: no cover
    """Work on two targets, where of the others are present the same: the nine coefficients stay in registers."""
    both_both, both_one, both_other = load(coefficient, e), load(coefficient, e + 1), load(coefficient, e + 2)
    both_none, one_one, one_none = load(coefficient, e + 3), load(coefficient, e + 4), load(coefficient, e + 5)
    other_other, other_none, none_none = load(coefficient, e + 6), load(coefficient, e + 7), load(coefficient, e + 8)
    source, shift = origin + before[e + 8], after[e + 8] - before[e + 8]
    one, other = before[e + 1] - before[e + 8], before[e + 2] - before[e + 8]
    for g in range(len(groups)):
        for cell in range(groups[g] + source, groups[g] + source + run):
            none, second = load(cells, cell), load(cells, cell + other)
            first, both = load(cells, cell + one), load(cells, cell + one + other)
            both = add(add(multiply(both, both_both), multiply(first, both_one)), multiply(second, both_other))
            both = add(both, multiply(none, both_none))
            first = add(multiply(first, one_one), multiply(none, one_none))
            second = add(multiply(second, other_other), multiply(none, other_none))
            none = multiply(none, none_none)
            if shift != 0:
                none, first = add(none, load(cells, cell + shift)), add(first, load(cells, cell + shift + one))
                second = add(second, load(cells, cell + shift + other))
                both = add(both, load(cells, cell + shift + one + other))
            store(cells, cell + shift, none)
            store(cells, cell + shift + other, second)
            store(cells, cell + shift + one, first)
            store(cells, cell + shift + one + other, both)


@_inlined
def _spread(causes, cells, joint, weight, spread):  # pragma: no cover
    """Tell the states of the causes apart, from what is present of them, and weigh those that were not yet."""
    for i in range(len(spread)):
        lanes = splat(1.0)
        for j in range(len(causes.spread)):
            state = causes.spread_states[i, j]
            if state > 0:
                lanes = multiply(lanes, load(weight, causes.spread[j] * causes.most + state))
        store(spread, i, lanes)
    for k in range(len(causes.share)):
        factor = multiply(splat(causes.share[k]), load(spread, causes.spread_of[k]))
        store(joint, k, multiply(load(cells, causes.column[k]), factor))


@_inlined
def _or_cause(causes, c, joint, off, on, weight):  # pragma: no cover
    """OR the single-target components and the causes of one cause in, and weigh its states told apart, in place."""
    run, stride, none = causes.state_run[c], causes.stride[c], load(weight, c * causes.most)
    is_spread = causes.apart_cards[c] < causes.cards[c]
    for p in range(causes.parent_start[c], causes.parent_start[c + 1]):
        kept, gained = splat(causes.kept[p]), splat(causes.gained[p])
        for state in range(causes.apart_cards[c] - 1, 0, -1):
            weighed = splat(1.0) if is_spread else load(weight, c * causes.most + state)
            gain = multiply(add(load(on, c), multiply(load(off, c), gained)), splat(causes.split[c, state]))
            own, gain, keep = multiply(add(load(off, c), load(on, c)), weighed), multiply(gain, weighed), splat(1.0)
            if state == 1:  # the last to draw on the states in which it is absent
                keep = multiply(multiply(load(off, c), kept), none)
            for g in range(causes.state_start[p], causes.state_start[p + 1]):
                for k in range(causes.state[g], causes.state[g] + run):
                    absent, present = load(joint, k), load(joint, k + state * stride)
                    store(joint, k + state * stride, add(multiply(present, own), multiply(absent, gain)))
                    store(joint, k, multiply(absent, keep))


@_inlined
def _grow_component(causes, growth, step, cells, origin, coefficient, picked, off, on, weight):  # pragma: no cover
    """OR a component into cells of some of the causes, from ``origin`` on; finish what nothing acts on after it."""
    begin, end, block = growth.entry_start[step], growth.entry_start[step + 1], growth.block_start[step]
    for e in range(end - begin):
        store(picked, e, load(coefficient, growth.entry[begin + e]))
    for i in range(growth.last_start[step], growth.last_start[step + 1]):
        c, partner = growth.last[i], growth.partner[growth.partner_start[i] : growth.partner_start[i + 1]]
        keep, own, gain = _finished(causes, c, causes.parent_start[c], 1, off, on, weight)
        for e in range(len(partner)):
            if partner[e] >= STAYS:
                present = multiply(load(picked, e), own)
                if partner[e] != STAYS:
                    present = add(present, multiply(load(picked, partner[e]), gain))
                store(picked, e, present)
        for e in range(len(partner)):
            if partner[e] == ABSENT:
                store(picked, e, multiply(load(picked, e), keep))
    groups = growth.source[growth.run_start[block] : growth.run_start[block + 1]]
    after, before = growth.after[begin:end], growth.before[begin:end]
    for e in range(0, end - begin, 9):
        _or_two(cells, origin, groups, growth.run[step], after, before, e, picked)


@_inlined
def _finished(causes, c, p, state, off, on, weight):  # pragma: no cover
    """Find what a cause's absence is multiplied by, then what a state is by that state, and by absence before."""
    share = multiply(load(weight, c * causes.most + state), splat(causes.state_share[c, state]))
    keep = multiply(multiply(load(off, c), splat(causes.kept[p])), load(weight, c * causes.most))
    gain = multiply(add(load(on, c), multiply(load(off, c), splat(causes.gained[p]))), share)
    return keep, multiply(add(load(off, c), load(on, c)), share), gain


@_inlined
def _grow_cause(causes, growth, step, c, outer, cells, origin, grown, there, off, on, weight):  # pragma: no cover
    """Add a cause, or finish one, or both: OR into it what acts on it alone, and weigh its states, told apart.

    The cells begin at ``origin``, and go to ``there``; the last steps are taken for an outer state.
    """
    own, keep, gain = splat(1.0), splat(1.0), splat(0.0)
    stride, run, adds, finishes = growth.stride[step], growth.run[step], growth.adds[step], growth.finishes[step]
    n_blocks = growth.block_start[step + 1] - growth.block_start[step]
    for i in range(n_blocks):
        block = growth.block_start[step] + i
        first, last = growth.run_start[block], growth.run_start[block + 1]
        for state in range((causes.cards[c] if finishes else 2) - 1, 0, -1):
            if finishes:
                p = causes.parent_start[c] + growth.chance[growth.chance_start[step] + outer * n_blocks + i]
                keep, own, gain = _finished(causes, c, p, state, off, on, weight)
            if adds:
                for g in range(first, last):
                    source, target = origin + growth.source[g], there + growth.target[g]
                    for k in range(run):
                        absent = load(cells, source + k)
                        store(grown, target + state * stride + k, multiply(absent, gain))
                        store(grown, target + k, multiply(absent, keep))
            else:
                for g in range(first, last):
                    source, target = origin + growth.source[g], there + growth.target[g]
                    for k in range(run):
                        absent, present = load(cells, source + k), load(cells, source + stride + k)
                        present = add(multiply(present, own), multiply(absent, gain))
                        store(grown, target + state * stride + k, present)
                        if state == 1:
                            store(grown, target + k, multiply(absent, keep))


@_inlined
def _grow(flat, growth, start, stop, outer, cells, origin, grown, spare, given):  # pragma: no cover
    """Take some steps, from cells that begin at ``origin``; return what comes of them, what is free, and the origin."""
    causes, components, n_parts = flat.causes, flat.components, len(flat.components.group_run)
    coefficient, picked, off, on, weight = given
    for step in growth.step[start:stop]:
        part = growth.part[step]
        if part < n_parts:
            own = coefficient[components.entry_start[part] : components.entry_start[part + 1]]
            _grow_component(causes, growth, step, cells, origin, own, picked, off, on, weight)
        elif growth.moves[step]:
            _grow_cause(causes, growth, step, part - n_parts, outer, cells, origin, grown, NONE, off, on, weight)
            cells, grown, origin = grown, spare, NONE
            spare = cells
        else:
            _grow_cause(causes, growth, step, part - n_parts, outer, cells, origin, cells, origin, off, on, weight)
    return cells, grown, origin


# Posteriors


@_inlined
def _or_apart(components, i, pattern, off, on, scale):  # pragma: no cover
    """OR the triggers of a component into ``off`` and ``on``: its targets are independent in all lanes."""
    first, last = components.target_start[i], components.target_start[i + 1]
    start, width = components.plain_start[i], 1 + 2 * (last - first)
    store(scale, 0, multiply(load(scale, 0), gather(components.plain, start, width, pattern)))
    for t in range(last - first):
        target = components.target[first + t]
        was_off = load(off, target)
        triggered = multiply(was_off, gather(components.plain, start + 2 + 2 * t, width, pattern))
        store(on, target, add(load(on, target), triggered))
        store(off, target, multiply(was_off, gather(components.plain, start + 1 + 2 * t, width, pattern)))


@_inlined
def _weigh(cards, most, findings, block, weight, scale):  # pragma: no cover
    """Weigh each cause's states by known causes and by the findings that need no vector."""
    for c in range(len(cards)):
        for state in range(cards[c]):
            known = gather(findings.known, state * (most + 1) + 1, 1, block[findings.first_cause + c])
            store(weight, c * most + state, known)
    scaled = load(scale, 0)
    for f in range(len(findings.code_start)):
        code = block[findings.first_finding + f]
        scaled = multiply(scaled, gather(findings.leak_factor, findings.code_start[f] + 1, 1, code))
        for i in range(findings.link_start[f], findings.link_start[f + 1]):
            factor = gather(findings.link_factor, findings.link_code[i] + 1, 1, code)
            store(weight, findings.link[i], multiply(load(weight, findings.link[i]), factor))
    store(scale, 0, scaled)


@_compiled
def _score(flat, growth, codes, order, together, values, evidence, work):  # pragma: no cover
    """Compute ``values`` and ``evidence`` of the cases in ``order``, those that go the same way together.

    ``growth`` is None where cells do not grow and all states are inner ones: what it is for is not compiled then.
    """
    parts, components, causes, findings = flat.parts, flat.components, flat.causes, flat.findings
    n_causes, n_joint = len(causes.order), len(causes.share)
    n_cells, n_outer, n_inner = 1 << n_causes, findings.constant.shape[1], findings.n_inner
    n_parts, last = len(components.group_run), len(findings.vectors) - 1
    block, pattern, base_row, cells, grown, joint, off, on, scale, weight, spread, coefficient = work[:12]
    picked, open_parts, rows, inner, own, n_chosen, chosen, outer, nones = work[12:]
    given, width = (coefficient, picked, off, on, weight), findings.vectors.shape[1]
    first = 0
    while first < len(order):
        n_cases = 1  # cases that go the same way: what one gets does not depend on the others
        while n_cases < LANES and first + n_cases < len(order) and together[first + n_cases] == together[first]:
            n_cases += 1
        for code in range(len(codes)):
            for lane in range(LANES):  # lanes past the end repeat the last case
                block[code, lane] = codes[code, order[first + min(lane, n_cases - 1)]]
        _find_patterns(parts, block, pattern)
        for lane in range(LANES):
            base_row[lane] = flat.base_row[pattern[0, lane]]
        kind, n_start = NONE, n_cells
        if growth is not None:
            kind = growth.kind[pattern[0, 0]]  # of all lanes
            n_start = growth.n_cells[kind]
        for cell in range(0, n_start, LANES):
            interleave(flat.base, base_row, cell, cells, cell)
        for c in range(n_causes):
            store(off, c, splat(1.0))
            store(on, c, splat(0.0))
            if growth is not None:
                start = max(n_start, LANES) + 2 * c
                store(off, c, gather(flat.base, start, LANES, base_row))
                store(on, c, gather(flat.base, start + 1, LANES, base_row))
        store(scale, 0, splat(1.0))
        for i in range(n_parts):
            apart = True
            if growth is not None:  # what is few steps anyway is not told apart
                apart = components.target_start[i] + 1 == components.target_start[i + 1]
            for lane in range(LANES):
                apart = apart and components.apart[components.pattern_start[i] + pattern[i + 1, lane]]
            open_parts[i] = not apart
            if apart:
                _or_apart(components, i, pattern[i + 1], off, on, scale)
            else:
                _gather_entries(components, i, pattern[i + 1], coefficient)
        _weigh(causes.cards, causes.most, findings, block, weight, scale)
        if growth is None:
            for i in components.several:
                if open_parts[i]:
                    _or_component(components, i, cells, coefficient)
            for place in range(causes.n_early):
                _or_cause(causes, causes.order[place], cells, off, on, weight)
        else:
            start, stop = growth.step_start[kind], growth.last_step[kind]
            cells, grown, _ = _grow(flat, growth, start, stop, NONE, cells, NONE, grown, cells, given)
        for lane in range(n_cases):
            n_chosen[lane] = 0
            for f in findings.by_level:
                vector = findings.vector[findings.code_start[f] + 1 + block[findings.first_finding + f, lane]]
                if vector < len(findings.level):
                    chosen[lane, n_chosen[lane]] = vector
                    n_chosen[lane] += 1
            chosen[lane, n_chosen[lane] : n_chosen[lane] + 2] = last
        for place in range(n_outer):
            lanes, origin = cells, NONE
            if growth is not None:
                start, stop, origin = growth.last_step[kind], growth.step_start[kind + 1], place * growth.n_inner[kind]
                lanes, _, origin = _grow(flat, growth, start, stop, place, cells, origin, joint, grown, given)
            elif n_joint > n_cells:
                lanes = joint
                _spread(causes, cells, joint, weight, spread)
                for late in range(causes.n_early, n_causes):
                    _or_cause(causes, causes.order[late], joint, off, on, weight)
            for state in range(0, n_inner, LANES):
                separate(lanes, origin + state, rows, state)
            for lane in range(n_cases):
                upper, sums, factor = rows[lane], inner[lane], scale[0, lane]
                write(upper, n_inner, splat(0.0))  # what whole vectors go through further than states
                write(upper, n_inner + LANES, splat(0.0))
                if growth is None:
                    vector, second = chosen[lane, 0] * width, chosen[lane, 1] * width
                    factors = splat(factor)
                    for k in range(0, n_inner, LANES):
                        both = multiply(read(findings.vectors, vector + k), read(findings.vectors, second + k))
                        write(sums, k, multiply(multiply(read(upper, k), factors), both))
                    for n in range(2, n_chosen[lane], 2):  # two at a time; the last of an odd number with ones
                        vector, second = chosen[lane, n] * width, chosen[lane, n + 1] * width
                        for k in range(0, n_inner, LANES):
                            both = multiply(read(findings.vectors, vector + k), read(findings.vectors, second + k))
                            write(sums, k, multiply(read(sums, k), both))
                    nones[lane] = sums[0]
                else:
                    _multiply_vectors(causes.cards, findings, chosen[lane, : n_chosen[lane]], place, factor, own)
                    if place == 0:
                        nones[lane] = upper[0] * own[0]
                        for k in range(0, n_inner, LANES):
                            write(sums, k, splat(0.0))
                    whole, other = splat(0.0), splat(0.0)  # each addition waits for the one before
                    for k in range(0, n_inner, 2 * LANES):
                        chance = multiply(read(upper, k), read(own, k))
                        second = multiply(read(upper, k + LANES), read(own, k + LANES))
                        write(sums, k, add(read(sums, k), chance))
                        write(sums, k + LANES, add(read(sums, k + LANES), second))
                        whole, other = add(whole, chance), add(other, second)
                    write(own, NONE, add(whole, other))
                    outer[lane, place] = _sum(own[:LANES])
                if place == n_outer - 1:
                    row = values[order[first + lane]]
                    whole = _fold(causes.cards, findings.extra, findings.first_inner, n_causes, sums[:n_inner], row)
                    if growth is not None:
                        whole = _fold(causes.cards, findings.extra, NONE, findings.first_inner, outer[lane], row)
                    row[n_causes] = nones[lane]
                    for column in range(len(row)):
                        row[column] /= whole
                    evidence[order[first + lane]] = whole
        first += n_cases


@_inlined
def _multiply_vectors(cards, findings, chosen, place, factor, own):  # pragma: no cover
    """Fill ``own`` with a factor times some vectors, those of the highest level first, over the inner states.

    A vector does not tell states apart of the causes before its level, so it is multiplied in when those do not yet
    stand apart: the numbers are doubled, cause by cause, from the last on.
    """
    n, size, top, level, width = 0, 1, len(cards), findings.level, findings.term.shape[1]
    constants, terms = findings.constant, findings.coefficient
    while top > findings.first_inner and (size < LANES or len(chosen) == 0 or level[chosen[0]] < top):
        top -= 1
        size *= cards[top]
    for k in range(0, size, LANES):
        write(own, k, splat(factor))
    for c in range(top, findings.first_inner - 1, -1):
        if c < top:
            for state in range(1, cards[c]):
                for k in range(0, size, LANES):
                    write(own, state * size + k, read(own, k))
            size *= cards[c]
        while n < len(chosen) and level[chosen[n]] >= c:
            constant, first = splat(constants[chosen[n], place]), findings.term_start[chosen[n]]
            n_terms = findings.term_start[chosen[n] + 1] - first
            n += 1
            if n_terms == 1 and n < len(chosen) and level[chosen[n]] >= c:
                second, end = findings.term_start[chosen[n]], findings.term_start[chosen[n] + 1]
                if end == second + 1:  # two at a time
                    other, term = splat(constants[chosen[n], place]), splat(terms[first, place])
                    other_term = splat(terms[second, place])
                    for k in range(0, size, LANES):
                        one = add(multiply(read(findings.term, first * width + k), term), constant)
                        two = add(multiply(read(findings.term, second * width + k), other_term), other)
                        write(own, k, multiply(read(own, k), multiply(one, two)))
                    n += 1
                    continue
            for k in range(0, size, LANES):
                chance = constant
                for t in range(first, first + n_terms):
                    chance = add(chance, multiply(read(findings.term, t * width + k), splat(terms[t, place])))
                write(own, k, multiply(read(own, k), chance))


@_inlined
def _fold(cards, extra, first, last, joint, values):  # pragma: no cover
    """Fold a joint over some causes to sums by each, in place; return the sum of it all."""
    for c in range(first, last):
        part = len(joint) // cards[c]
        values[c] = _sum(joint[part:])
        for e in range(len(extra)):
            if extra[e, 0] == c:
                column = len(cards) + 1 + e
                values[column] = _sum(joint[part * extra[e, 1] : part * (extra[e, 1] + 1)])
        for state in range(1, cards[c]):
            _add_to(joint[:part], joint[state * part : (state + 1) * part])
        joint = joint[:part]
    return joint[0]


# Expected counts


@_compiled
def _count(flat, codes, allowed, weight, first_pattern, sums, log_evidence, work):  # pragma: no cover
    """Add the expected counts of cases, a row of codes each, to ``sums``, and write down their log P(evidence)."""
    parts, components, causes, findings = flat.parts, flat.components, flat.causes, flat.findings
    n_joint, n_causes = len(causes.share), len(causes.order)
    n_several, width, n_cells, n_early = len(components.several), flat.base.shape[1], 1 << n_causes, causes.n_early
    block, pattern, each, off, on, unweighed, spread, coefficient, flow, reached, scale, evidence, message = work[:13]
    taped, back, cells, rows, weighed, marginal = work[13:]
    for first in range(0, len(codes), LANES):
        n_cases = min(LANES, len(codes) - first)
        for lane in range(LANES):  # lanes past the end repeat the last case, and count as none
            case = first + min(lane, n_cases - 1)
            for row in range(len(block)):
                block[row, lane] = codes[case, row]
            scale[lane] = _likelihood(causes, findings, codes[case], allowed[case], rows[lane], weighed)
        for state in range(0, n_joint, LANES):
            interleave(rows, each, state, back, state)
        _find_patterns(parts, block, pattern)
        for cell in range(0, width, LANES):
            interleave(flat.base, pattern[0], cell, taped, cell)
        at = 0
        for i in components.several:
            _copy(taped[at + n_cells : at + 2 * n_cells], taped[at : at + n_cells])
            at += n_cells
            _gather_entries(components, i, pattern[i + 1], coefficient)
            _or_component(components, i, taped[at : at + n_cells], coefficient)
        for place in range(n_causes):
            c, step = causes.order[place], n_cells if place < n_early else n_joint
            if place == n_early:
                joint = taped[at + n_cells : at + n_cells + n_joint]
                _spread(causes, taped[at : at + n_cells], joint, unweighed, spread)
                at += n_cells
            _copy(taped[at + step : at + 2 * step], taped[at : at + step])
            at += step
            _either(components, c, -1, pattern, off, on)
            _or_cause(causes, c, taped[at : at + step], off, on, unweighed)
        if n_early == n_causes:
            _spread(causes, taped[at : at + n_cells], taped[at + n_cells :], unweighed, spread)
            at += n_cells
        whole = splat(0.0)
        for state in range(n_joint):
            whole = add(whole, multiply(load(taped, at + state), load(back, state)))
        store(evidence, 0, whole)
        for lane in range(LANES):
            p = evidence[0, lane]
            if lane < n_cases:
                log_evidence[first + lane] = np.log(p) + scale[lane]
            evidence[1, lane] = weight[first + lane] / p if lane < n_cases and p > 0.0 else 0.0
        counted = load(evidence, 1)
        for state in range(n_joint):
            derivative = multiply(load(back, state), counted)
            store(back, state, derivative)
            store(cells, state, multiply(derivative, load(taped, at + state)))
        for state in range(0, n_joint, LANES):
            separate(cells, state, rows, state)
        for lane in range(n_cases):
            _count_findings(causes, findings, codes[first + lane], rows[lane, :n_joint], marginal, sums)
        for place in range(n_causes - 1, -1, -1):
            if place == n_early - 1:
                at -= n_cells
                _back_spread(causes, width, back, cells)
            c, step = causes.order[place], n_cells if place < n_early else n_joint
            at -= step
            _either(components, c, -1, pattern, off, on)
            _back_cause(causes, c, taped[at : at + step], back, off, on, message, reached)
            for j in range(components.single_start[c], components.single_start[c + 1]):
                _either(components, c, j, pattern, off, on)
                _count_single(components, components.single[j], pattern, message, off[c], on[c], n_cases, sums.table)
        if n_early == 0:
            at -= n_cells
            _back_spread(causes, width, back, cells)
        for place in range(n_several - 1, -1, -1):
            at -= n_cells
            i = components.several[place]
            _back_component(components, i, taped[at : at + n_cells], back, coefficient, flow)
            n_entries = components.entry_start[i + 1] - components.entry_start[i]
            for lane in range(n_cases):
                start = components.table_start[i] + n_entries * pattern[i + 1, lane]
                for e in range(n_entries):
                    sums.table[start + e] += flow[e, lane]
        for cell in range(0, width, LANES):
            separate(back, cell, rows, cell)
        for lane in range(n_cases):
            _add_to(sums.base[pattern[0, lane] - first_pattern], rows[lane])
    for p in range(len(reached)):
        sums.reached[p] += _sum(reached[p])


@_compiled
def _likelihood(causes, findings, codes, allowed, row, weight):  # pragma: no cover
    """Fill ``row`` with P(findings | joint state), 0 where labels forbid it; return the logarithm it is scaled by."""
    n_causes, most = len(causes.cards), causes.most
    for c in range(n_causes):
        known = codes[findings.first_cause + c]
        for state in range(causes.cards[c]):
            weight[c * most + state] = 1.0 if allowed[c, state] and (known < 0 or known == state) else 0.0
    scale = 0.0
    for f in range(len(findings.code_start)):
        code = codes[findings.first_finding + f]
        if code >= 0:
            scale += findings.log_leak[findings.code_start[f] + 1 + code]
            for i in range(findings.link_start[f], findings.link_start[f + 1]):
                weight[findings.link[i]] *= findings.link_factor[findings.link_code[i] + 1 + code]
    row[0], size = 1.0, 1
    for c in range(n_causes - 1, -1, -1):
        own = weight[c * most : c * most + causes.cards[c]]
        peak = 0.0
        for state in range(len(own)):
            peak = max(peak, own[state])
        if peak > 0.0:
            scale += np.log(peak)
            for state in range(len(own)):
                own[state] /= peak
        for state in range(causes.cards[c] - 1, -1, -1):
            factor, source, target = own[state], row[:size], row[state * size : (state + 1) * size]
            for k in range(size):
                target[k] = source[k] * factor
        size *= causes.cards[c]
    for f in range(len(findings.code_start)):
        vector = findings.vector[findings.code_start[f] + 1 + codes[findings.first_finding + f]]
        if vector < len(findings.vectors) - 1:
            scale += np.log(findings.peak[vector])
            factor = 1.0 / findings.peak[vector]
            for k in range(size):
                row[k] *= findings.vectors[vector, k] * factor
    return scale


@_compiled
def _either(components, c, but, pattern, off, on):  # pragma: no cover
    """P(no component of the single target c, but one, triggers it) and P(any does), with P(their evidence)."""
    none_of_all, any_of_all = splat(1.0), splat(0.0)
    for j in range(components.single_start[c], components.single_start[c + 1]):
        if j != but:
            i = components.single[j]
            none = gather(components.table, components.table_start[i] + 2, 3, pattern[i + 1])
            fired = gather(components.table, components.table_start[i] + 1, 3, pattern[i + 1])
            any_of_all = add(multiply(any_of_all, add(none, fired)), multiply(none_of_all, fired))
            none_of_all = multiply(none_of_all, none)
    store(off, c, none_of_all)
    store(on, c, any_of_all)


@_compiled
def _back_component(components, i, before, back, coefficient, flow):  # pragma: no cover
    """Take derivatives back over a component with several targets, in place; find what flowed by each entry."""
    begin, n_entries = components.entry_start[i], components.entry_start[i + 1] - components.entry_start[i]
    for e in range(n_entries):
        store(flow, e, splat(0.0))
    for g in range(components.group_start[i], components.group_start[i + 1]):
        for cell in range(components.group[g], components.group[g] + components.group_run[i]):
            derivative, was = splat(0.0), components.before[begin + components.by_before[begin]]
            for place in range(n_entries):
                e = components.by_before[begin + place]
                if components.before[begin + e] != was:
                    store(back, cell + was, derivative)
                    derivative, was = splat(0.0), components.before[begin + e]
                last = load(back, cell + components.after[begin + e])
                store(flow, e, add(load(flow, e), multiply(last, load(before, cell + was))))
                derivative = add(derivative, multiply(last, load(coefficient, begin + e)))
            store(back, cell + was, derivative)


@_compiled
def _back_spread(causes, width, back, cells):  # pragma: no cover
    """Take derivatives back from the joint states of the causes to what is present of them, in place."""
    for cell in range(width):
        store(cells, cell, splat(0.0))
    for k in range(len(causes.share)):
        cell = causes.column[k]
        store(cells, cell, add(load(cells, cell), multiply(load(back, k), splat(causes.share[k]))))
    _copy(back, cells[:width])


@_compiled
def _back_cause(causes, c, before, back, off, on, message, reached):  # pragma: no cover
    """Take derivatives back over one cause; those by off and by on become the message."""
    none, fired = load(off, c), load(on, c)
    either, stride = add(none, fired), causes.stride[c]
    by_off, by_on = splat(0.0), splat(0.0)
    for p in range(causes.parent_start[c], causes.parent_start[c + 1]):
        kept, gained = splat(causes.kept[p]), splat(causes.gained[p])
        keep, gain = multiply(none, kept), add(fired, multiply(none, gained))
        found = splat(0.0)
        for g in range(causes.state_start[p], causes.state_start[p + 1]):
            for k in range(causes.state[g], causes.state[g] + causes.state_run[c]):
                old, after = load(before, k), load(back, k)
                up, stays = splat(0.0), splat(0.0)
                for state in range(1, causes.apart_cards[c]):
                    place = k + state * stride
                    last = load(back, place)
                    up = add(up, multiply(last, splat(causes.split[c, state])))
                    stays = add(stays, multiply(last, load(before, place)))
                    store(back, place, multiply(last, either))
                found = add(found, add(stays, multiply(old, up)))
                by_off = add(by_off, add(stays, multiply(old, add(multiply(after, kept), multiply(up, gained)))))
                store(back, k, add(multiply(after, keep), multiply(up, gain)))
        by_on = add(by_on, found)
        store(reached, p, add(load(reached, p), multiply(found, either)))
    store(message, 0, by_off)
    store(message, 1, by_on)


@_compiled
def _count_single(components, i, pattern, message, none, fired, n_cases, table):  # pragma: no cover
    """Add up, by pattern of a component with one target, what came back to its triggers; the others' are given."""
    for lane in range(n_cases):
        start = components.table_start[i] + 3 * pattern[i + 1, lane]
        by_off, by_on = message[0, lane], message[1, lane]
        table[start + 2] += by_off * none[lane] + by_on * fired[lane]
        table[start + 1] += by_on * (none[lane] + fired[lane])


@_compiled
def _count_findings(causes, findings, codes, posterior, marginal, sums):  # pragma: no cover
    """Add up the joint states of a case, and its causes' states, by what is known of each finding."""
    most, folded = causes.most, posterior
    _add_to(sums.joint, posterior)
    for f in range(len(findings.code_start)):
        vector = findings.vector_said[findings.code_start[f] + 1 + codes[findings.first_finding + f]]
        if vector >= 0:
            _add_to(sums.vectors[vector], posterior)
    for c in range(len(causes.cards)):  # what is folded is not needed any more
        size = len(folded) // causes.cards[c]
        marginal[c * most] = _sum(folded[:size])
        for state in range(1, causes.cards[c]):
            part = folded[state * size : (state + 1) * size]
            marginal[c * most + state] = _sum(part)
            _add_to(folded[:size], part)
        folded = folded[:size]
    for f in range(len(findings.code_start)):
        row = findings.row_said[findings.code_start[f] + 1 + codes[findings.first_finding + f]]
        if row >= 0:
            _add_to(sums.at_most[row], marginal)
