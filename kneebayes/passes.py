"""The passes of expectation, there and back, compiled.

The arithmetic of ``expectation.py``: a few cases side by side, a case per lane
of a vector register, through the upper layer and back; each alone through its
findings. Nothing is subtracted or divided but by P(evidence).

All compiled code that counts stands in this file: numba compiles anew what it
has cached only when the file of the function called changes, so touch this one
after a change of ``lanes.py``.
"""

# what numba compiles has no types of its own
# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, var-annotated"

from __future__ import annotations

import numba
import numpy as np

from kneebayes.lanes import LANES, add, gather, interleave, load, multiply, separate, splat, store

__all__ = ["count"]

_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


@_compiled
def count(course, codes, allowed, weight, first_pattern, sums, log_evidence):  # pragma: no cover
    """Add the expected counts of cases, a row of codes each, to ``sums``, and write down their log P(evidence)."""
    n_cells, n_causes = len(course.share), len(course.order)
    n_parts, n_several, width = len(course.part_start) - 1, len(course.several), course.base.shape[1]
    block, pattern = np.empty((codes.shape[1], LANES), np.int64), np.empty((n_parts, LANES), np.int64)
    each = np.arange(LANES)
    states = _aligned((1 + n_several + n_causes) * n_cells)  # the joint before each step, and after the last
    size = max(n_cells, width) + LANES  # whole vectors
    back, cells, rows = _aligned(size), _aligned(size), _aligned(size).reshape(LANES, size)
    scale, evidence, chance = np.empty(LANES), _aligned(2), _aligned(2 * n_parts)
    combined, message = _aligned(2), _aligned(2)
    coefficient, flow = _aligned(course.most_entries), _aligned(course.most_entries)
    reached = _aligned(len(course.kept))
    reached[:] = 0.0
    for first in range(0, len(codes), LANES):
        n_cases = min(LANES, len(codes) - first)
        for lane in range(LANES):  # lanes past the end repeat the last case, and count as none
            case = first + min(lane, n_cases - 1)
            for row in range(len(block)):
                block[row, lane] = codes[case, row]
            scale[lane] = _likelihood(course, codes[case], allowed[case], rows[lane])
        for cell in range(0, n_cells, LANES):
            interleave(rows, each, cell, back, cell)
        _find_patterns(course, block, pattern)
        for cell in range(0, width, LANES):
            interleave(course.base, pattern[0], cell, cells, cell)
        for cell in range(n_cells):
            store(states, cell, multiply(load(cells, course.column[cell]), splat(course.share[cell])))
        at = 0
        for i in range(n_several):
            _or_several(course, i, pattern[course.several[i]], states, at, coefficient)
            at += n_cells
        for i, part in enumerate(course.single):
            store(chance, 2 * part, gather(course.single_table, course.single_start[i], 2, pattern[part]))
            store(chance, 2 * part + 1, gather(course.single_table, course.single_start[i] + 1, 2, pattern[part]))
        for c in course.order:
            _combine(course, c, -1, chance, combined)
            _or_cause(course, c, states, at, combined)
            at += n_cells
        whole = splat(0.0)
        for cell in range(n_cells):
            whole = add(whole, multiply(load(states, at + cell), load(back, cell)))
        store(evidence, 0, whole)
        for lane in range(LANES):
            p = evidence[0, lane]
            if lane < n_cases:
                log_evidence[first + lane] = np.log(p) + scale[lane]
            evidence[1, lane] = weight[first + lane] / p if lane < n_cases and p > 0.0 else 0.0
        counted = load(evidence, 1)
        for cell in range(n_cells):
            derivative = multiply(load(back, cell), counted)
            store(back, cell, derivative)
            store(cells, cell, multiply(derivative, load(states, at + cell)))
        for cell in range(0, n_cells, LANES):
            separate(cells, cell, rows, cell)
        for lane in range(n_cases):
            _count_findings(course, codes[first + lane, course.first_finding :], rows[lane, :n_cells], sums)
        for i in range(n_causes - 1, -1, -1):
            at -= n_cells
            c = course.order[i]
            _combine(course, c, -1, chance, combined)
            _back_cause(course, c, states, at, back, combined, message, reached)
            for j in range(course.single_of[c], course.single_of[c + 1]):
                _combine(course, c, j, chance, combined)
                _count_single(course, j, pattern[course.single[j]], message, combined, n_cases, sums.single)
        for i in range(n_several - 1, -1, -1):
            at -= n_cells
            part = course.several[i]
            _back_several(course, i, pattern[part], states, at, back, coefficient, flow)
            n_entries = course.entry_start[i + 1] - course.entry_start[i]
            for lane in range(n_cases):
                place = course.several_start[i] + n_entries * pattern[part, lane]
                for e in range(n_entries):
                    sums.several[place + e] += flow[e, lane]
        cells[:width] = 0.0
        for cell in range(n_cells):
            column = course.column[cell]
            store(cells, column, add(load(cells, column), multiply(load(back, cell), splat(course.share[cell]))))
        for column in range(0, width, LANES):
            separate(cells, column, rows, column)
        for lane in range(n_cases):
            sums.base[pattern[0, lane] - first_pattern] += rows[lane, :width]
    for p in range(len(reached)):
        sums.reached[p] += reached[p].sum()


@_compiled
def _likelihood(course, codes, allowed, row):  # pragma: no cover
    """Fill ``row`` with P(findings | joint state), 0 where labels forbid it; return the logarithm it is scaled by."""
    n_causes, most = course.absent_links.shape[1:]
    weight = np.zeros((n_causes, most))
    for c in range(n_causes):
        known = codes[course.first_cause + c]
        for state in range(course.cards[c]):
            weight[c, state] = 1.0 if allowed[c, state] and (known < 0 or known == state) else 0.0
    scale = 0.0
    for f in range(len(course.present)):
        if codes[course.first_finding + f] == 0:
            scale += course.log_absent_leak[f]
            weight *= course.absent_links[f]
    row[0], size = 1.0, 1
    for c in range(n_causes - 1, -1, -1):
        peak = weight[c].max()
        if peak > 0.0:
            scale += np.log(peak)
            weight[c] /= peak
        for state in range(course.cards[c] - 1, -1, -1):
            factor, source, target = weight[c, state], row[:size], row[state * size : (state + 1) * size]
            for k in range(size):
                target[k] = source[k] * factor
        size *= course.cards[c]
    for f in range(len(course.present)):
        if codes[course.first_finding + f] == 1:
            scale += course.log_peak[f]
            row[:size] *= course.present[f]
    return scale


@_compiled
def _find_patterns(course, block, pattern):  # pragma: no cover
    """Find the row of each component's table for each lane."""
    pattern[:] = 0
    for part in range(len(pattern)):
        for i in range(course.part_start[part], course.part_start[part + 1]):
            radix, row = course.radix[i], course.row[i]
            for lane in range(LANES):
                digit = block[row, lane]
                pattern[part, lane] = pattern[part, lane] * radix + (radix - 1 if digit < 0 else digit)


@_compiled
def _or_several(course, i, pattern, states, at, coefficient):  # pragma: no cover
    """OR the triggers of a component with several targets into the joint."""
    begin, end = course.entry_start[i], course.entry_start[i + 1]
    n_entries, n_cells = end - begin, len(course.share)
    after, before = course.after[begin:end], course.before[begin:end]
    for e in range(n_entries):
        store(coefficient, e, gather(course.several_table, course.several_start[i] + e, n_entries, pattern))
    for g in range(course.group_start[i], course.group_start[i + 1]):
        old = at + course.group[g]
        lanes = multiply(load(states, old + before[0]), load(coefficient, 0))
        for e in range(1, n_entries):
            moved = multiply(load(states, old + before[e]), load(coefficient, e))
            if after[e] == after[e - 1]:
                lanes = add(lanes, moved)
            else:
                store(states, old + n_cells + after[e - 1], lanes)
                lanes = moved
        store(states, old + n_cells + after[n_entries - 1], lanes)


@_compiled
def _back_several(course, i, pattern, states, at, back, coefficient, flow):  # pragma: no cover
    """Take derivatives back over such a component, and find what flowed by each of its entries."""
    begin, end = course.entry_start[i], course.entry_start[i + 1]
    n_entries, cells = end - begin, _aligned(course.target_size[i])
    after, before, rank = course.after[begin:end], course.before[begin:end], course.rank[begin:end]
    for e in range(n_entries):
        store(coefficient, e, gather(course.several_table, course.several_start[i] + e, n_entries, pattern))
    flow[:n_entries] = 0.0
    for g in range(course.group_start[i], course.group_start[i + 1]):
        group = course.group[g]
        cells[:] = 0.0
        for e in range(n_entries):
            last = load(back, group + after[e])
            store(flow, e, add(load(flow, e), multiply(last, load(states, at + group + before[e]))))
            store(cells, rank[e], add(load(cells, rank[e]), multiply(last, load(coefficient, e))))
        for e in range(n_entries):
            store(back, group + before[e], load(cells, rank[e]))


@_compiled
def _combine(course, c, but, chance, combined):  # pragma: no cover
    """P(no component of the single target c, but one, triggers it) and P(any does), with P(their evidence)."""
    off, on = splat(1.0), splat(0.0)
    for j in range(course.single_of[c], course.single_of[c + 1]):
        if j != but:
            part = course.single[j]
            none, fired = load(chance, 2 * part), load(chance, 2 * part + 1)
            on = add(multiply(on, add(none, fired)), multiply(off, fired))
            off = multiply(off, none)
    store(combined, 0, off)
    store(combined, 1, on)


@_compiled
def _or_cause(course, c, states, at, combined):  # pragma: no cover
    """OR the single-target components and the causes of one cause in."""
    off, on = load(combined, 0), load(combined, 1)
    either, n_cells, stride = add(off, on), len(course.share), course.stride[c]
    for p in range(course.parents_of[c], course.parents_of[c + 1]):
        keep = multiply(off, splat(course.kept[p]))
        gain = add(on, multiply(off, splat(course.lost[p])))
        for i in range(course.cell_start[p], course.cell_start[p + 1]):
            old = at + course.cell[i]
            absent = load(states, old)
            gained = multiply(absent, gain)
            store(states, old + n_cells, multiply(absent, keep))
            for state in range(1, course.cards[c]):
                place = old + state * stride
                share = multiply(gained, splat(course.split[c, state]))
                store(states, place + n_cells, add(multiply(load(states, place), either), share))


@_compiled
def _back_cause(course, c, states, at, back, combined, message, reached):  # pragma: no cover
    """Take derivatives back over one cause; those by off and by on become the message."""
    off, on = load(combined, 0), load(combined, 1)
    either, stride = add(off, on), course.stride[c]
    by_off, by_on = splat(0.0), splat(0.0)
    for p in range(course.parents_of[c], course.parents_of[c + 1]):
        kept, lost = splat(course.kept[p]), splat(course.lost[p])
        keep, gain = multiply(off, kept), add(on, multiply(off, lost))
        found = splat(0.0)
        for i in range(course.cell_start[p], course.cell_start[p + 1]):
            cell = course.cell[i]
            old, after = load(states, at + cell), load(back, cell)
            up, stays = splat(0.0), splat(0.0)
            for state in range(1, course.cards[c]):
                place = cell + state * stride
                last = load(back, place)
                up = add(up, multiply(last, splat(course.split[c, state])))
                stays = add(stays, multiply(last, load(states, at + place)))
                store(back, place, multiply(last, either))
            found = add(found, add(stays, multiply(old, up)))
            by_off = add(by_off, add(stays, multiply(old, add(multiply(after, kept), multiply(up, lost)))))
            store(back, cell, add(multiply(after, keep), multiply(up, gain)))
        by_on = add(by_on, found)
        store(reached, p, add(load(reached, p), multiply(found, either)))
    store(message, 0, by_off)
    store(message, 1, by_on)


@_compiled
def _count_single(course, j, pattern, message, others, n_cases, sums):  # pragma: no cover
    """Add up, by pattern of a component with one target, what came back to its two columns."""
    for lane in range(n_cases):
        place = course.single_start[j] + 2 * pattern[lane]
        off, on = message[0, lane], message[1, lane]
        sums[place] += off * others[0, lane] + on * others[1, lane]
        sums[place + 1] += on * (others[0, lane] + others[1, lane])


@_compiled
def _count_findings(course, codes, posterior, sums):  # pragma: no cover
    """Add up the joint states of a case, by findings that are present, and its causes' states by findings known."""
    n_causes, most = course.absent_links.shape[1:]
    sums.joint[:] += posterior
    for f in range(len(codes)):
        if codes[f] == 1:
            sums.present[f] += posterior
    marginal = np.zeros((n_causes, most))
    folded = posterior
    for c in range(n_causes):  # what is folded is not needed any more
        size = len(folded) // course.cards[c]
        marginal[c, 0] = folded[:size].sum()
        for state in range(1, course.cards[c]):
            part = folded[state * size : (state + 1) * size]
            marginal[c, state] = part.sum()
            folded[:size] += part
        folded = folded[:size]
    for f in range(len(codes)):
        if codes[f] >= 0:
            sums.known[f] += marginal


@_compiled
def _aligned(n):  # pragma: no cover
    """Make an array of n rows of lanes, each within one cache line."""
    numbers = np.empty((n + 1) * LANES)
    first = -(numbers.ctypes.data // 8) % LANES
    return numbers[first : first + n * LANES].reshape(n, LANES)
