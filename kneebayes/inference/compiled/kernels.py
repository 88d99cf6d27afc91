"""The passes of expectation, there and back, compiled.

The arithmetic of ``inference.py`` in another order. A few cases go through
the upper layer side by side, a case per lane of a vector register, because
there every step does the same to each; then each case alone takes the vectors
of its own positive findings. Tables and results are the same.

All compiled code stands in this file: numba compiles anew what it has cached
only when the file of the function called changes, so touch this one after a
change of ``lanes.py``.

The arithmetic of ``expectation.py``: a few cases side by side, a case per lane
of a vector register, through the upper layer and back; each alone through its
findings. Nothing is subtracted or divided but by P(evidence).

All compiled code that counts stands in this file: numba compiles anew what it
has cached only when the file of the function called changes, so touch this one
after a change of ``lanes.py``.
"""

from __future__ import annotations

import numba
import numpy as np

from kneebayes.inference.compiled.vectors import LANES, add, gather, interleave, load, multiply, separate, splat, store

__all__ = [
    "alike",
    "count",
    "score",
]

# what numba compiles has no types of its own
# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, var-annotated"


_compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "reassoc"})


@_compiled
def alike(upper, codes, start, stop):  # pragma: no cover
    """Tell cases apart by what they share with others.

    Returns which components trigger their targets together, as cases side by side
    must all do or none, and the base's pattern, of which the row is still in
    the cache for the next case of that pattern.
    """
    together = np.zeros(stop - start, np.int64)
    pattern = np.zeros(stop - start, np.int64)
    for component in range(len(upper.group_run), -1, -1):
        pattern[:] = 0
        for i in range(upper.component_start[component], upper.component_start[component + 1]):
            radix, column = upper.component_radix[i], codes[upper.component_rows[i], start:stop]
            for case in range(stop - start):
                pattern[case] = pattern[case] * radix + (radix - 1 if column[case] < 0 else column[case])
        if component > 0 and upper.target_start[component] - upper.target_start[component - 1] > 1:
            for case in range(stop - start):
                plain = upper.is_plain[upper.pattern_start[component - 1] + pattern[case]]
                together[case] = 2 * together[case] + (not plain)
    return together, pattern


@_compiled
def _patterns(upper, component, block, pattern):  # pragma: no cover
    """Find the row of a component's table for each lane."""
    pattern[:] = 0
    for i in range(upper.component_start[component], upper.component_start[component + 1]):
        row, radix = block[upper.component_rows[i]], upper.component_radix[i]
        for lane in range(LANES):
            pattern[lane] = pattern[lane] * radix + (radix - 1 if row[lane] < 0 else row[lane])


@_compiled
def _or_component(upper, component, pattern, cells, off, on, scale, coefficient):  # pragma: no cover
    """OR the triggers of one component into ``off`` and ``on`` where they are independent, else into the cells."""
    plain = True
    for lane in range(LANES):
        plain = plain and upper.is_plain[upper.pattern_start[component] + pattern[lane]]
    first, last = upper.target_start[component], upper.target_start[component + 1]
    if plain:
        start, width = upper.plain_start[component], 1 + 2 * (last - first)
        store(scale, 0, multiply(load(scale, 0), gather(upper.plain, start, width, pattern)))
        for i in range(last - first):
            target = upper.target[first + i]
            was_off = load(off, target)
            triggered = multiply(was_off, gather(upper.plain, start + 2 + 2 * i, width, pattern))
            store(on, target, add(load(on, target), triggered))
            store(off, target, multiply(was_off, gather(upper.plain, start + 1 + 2 * i, width, pattern)))
        return
    begin, n_entries = upper.entry_start[component], upper.entry_start[component + 1] - upper.entry_start[component]
    for e in range(n_entries):
        store(coefficient, e, gather(upper.table, upper.table_start[component] + e, n_entries, pattern))
    after, before = upper.after[begin : begin + n_entries], upper.before[begin : begin + n_entries]
    groups = upper.group[upper.group_start[component] : upper.group_start[component + 1]]
    if upper.in_nines[component]:
        for e in range(0, n_entries, 9):
            _or_two(cells, groups, upper.group_run[component], after, before, e, coefficient)
    else:
        _or_many(cells, groups, upper.group_run[component], after, before, coefficient)


@_compiled
def _or_two(cells, groups, run, after, before, e, coefficient):  # pragma: no cover
    """Work on two binary targets, in given states of the others: the nine coefficients stay in registers."""
    both_both, both_one, both_other = load(coefficient, e), load(coefficient, e + 1), load(coefficient, e + 2)
    both_none, one_one, one_none = load(coefficient, e + 3), load(coefficient, e + 4), load(coefficient, e + 5)
    other_other, other_none, none_none = load(coefficient, e + 6), load(coefficient, e + 7), load(coefficient, e + 8)
    source, shift = before[e + 8], after[e + 8] - before[e + 8]
    one, other = before[e + 1] - source, before[e + 2] - source
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


@_compiled
def _or_many(cells, groups, run, after, before, coefficient):  # pragma: no cover
    """Work on any targets, an entry at a time."""
    for g in range(len(groups)):
        for cell in range(groups[g], groups[g] + run):
            lanes = multiply(load(cells, cell + before[0]), load(coefficient, 0))
            for e in range(1, len(after)):
                moved = multiply(load(cells, cell + before[e]), load(coefficient, e))
                if after[e] == after[e - 1]:
                    lanes = add(lanes, moved)
                else:
                    store(cells, cell + after[e - 1], lanes)
                    lanes = moved
            store(cells, cell + after[len(after) - 1], lanes)


@_compiled
def _weigh(lower, block, weight, scale):  # pragma: no cover
    """Weigh each cause's states by known causes and by the findings that need no vector."""
    for c in range(len(lower.cards)):
        for state in range(lower.cards[c]):
            known = gather(lower.known, state * (lower.most + 1) + 1, 1, block[lower.first_cause + c])
            store(weight, c * lower.most + state, known)
    scaled = load(scale, 0)
    for f in range(len(lower.vector)):
        code = block[lower.first_finding + f]
        scaled = multiply(scaled, gather(lower.leak_factor, 3 * f + 1, 1, code))
        for i in range(lower.link_start[f], lower.link_start[f + 1]):
            factor = gather(lower.link_factor, 3 * i + 1, 1, code)
            store(weight, lower.link[i], multiply(load(weight, lower.link[i]), factor))
    store(scale, 0, scaled)


@_compiled
def _or_cause(upper, lower, c, cells, off, on, weight, start, stop):  # pragma: no cover
    """OR the single-target components and the causes of one cause in, and weigh its states."""
    run, stride, none = upper.cell_run[c], upper.stride[c], load(weight, c * lower.most)
    for p in range(upper.parent_start[c], upper.parent_start[c + 1]):
        kept, triggered = splat(upper.parent[p, 0]), splat(upper.parent[p, 1])
        for state in range(upper.cards[c] - 1, 0, -1):
            gain = multiply(add(load(on, c), multiply(load(off, c), triggered)), splat(upper.split[c, state]))
            own, keep = add(load(off, c), load(on, c)), splat(1.0)
            if state == 1:  # the last to draw on the absent cells
                keep = multiply(multiply(load(off, c), kept), none)
            if upper.cards[c] == lower.cards[c]:  # else the states are weighed where they are told apart
                weighed = load(weight, c * lower.most + state)
                own, gain = multiply(own, weighed), multiply(gain, weighed)
            groups = upper.cell[upper.cell_start[p] : upper.cell_start[p + 1]]
            for g in range(np.searchsorted(groups, start), np.searchsorted(groups, stop)):
                for cell in range(groups[g], groups[g] + run):
                    absent, present = load(cells, cell), load(cells, cell + state * stride)
                    store(cells, cell + state * stride, add(multiply(present, own), multiply(absent, gain)))
                    store(cells, cell, multiply(absent, keep))


@_compiled
def _aligned(n):  # pragma: no cover
    """Make an array of n rows of lanes, each within one cache line."""
    numbers = np.empty((n + 1) * LANES)
    first = -(numbers.ctypes.data // 8) % LANES
    return numbers[first : first + n * LANES].reshape(n, LANES)


@_compiled
def score(upper, lower, codes, order, together, values, evidence):  # pragma: no cover
    """Compute ``values`` and ``evidence`` of the cases in ``order``, those that go the same way together."""
    n_causes, size = len(upper.order), upper.base.shape[1]
    block = np.empty((len(codes), LANES), np.int64)
    cells, rows = _aligned(size), _aligned(size).reshape(LANES, size)
    off, on = _aligned(n_causes), _aligned(n_causes)
    weight = _aligned(n_causes * lower.most)
    scale = _aligned(1)
    coefficient = _aligned(max(1, len(upper.after)))
    pattern = np.empty(LANES, np.int64)
    late = np.empty(len(lower.late_states))
    joint = _aligned(lower.present.shape[1] // LANES + 1).ravel()[: lower.present.shape[1]]
    positives = np.empty(len(lower.vector) + 2, np.int64)
    first = 0
    while first < len(order):
        n_cases = 1  # cases that go the same way: what one gets does not hang on the others
        while n_cases < LANES and first + n_cases < len(order) and together[first + n_cases] == together[first]:
            n_cases += 1
        for code in range(len(codes)):
            for lane in range(LANES):  # lanes past the end repeat the last case
                block[code, lane] = codes[code, order[first + min(lane, n_cases - 1)]]
        _patterns(upper, 0, block, pattern)
        for cell in range(0, size, LANES):
            interleave(upper.base, pattern, cell, cells, cell)
        off[:] = 1.0
        on[:] = 0.0
        scale[:] = 1.0
        for component in range(len(upper.group_run)):
            _patterns(upper, component + 1, block, pattern)
            _or_component(upper, component, pattern, cells, off, on, scale, coefficient)
        _weigh(lower, block, weight, scale)
        n_blocks = upper.cards[0] if upper.order[0] == 0 else 1  # the cells of one of its states stay in the cache
        block_size = upper.cards[0] * upper.stride[0] // n_blocks
        if n_blocks > 1:
            _or_cause(upper, lower, 0, cells, off, on, weight, 0, n_blocks * block_size)
        for start in range(0, n_blocks * block_size, block_size):
            for c in upper.order:
                if c > 0 or n_blocks == 1:
                    _or_cause(upper, lower, c, cells, off, on, weight, start, start + block_size)
        for cell in range(0, size, LANES):
            separate(cells, cell, rows, cell)
        for lane in range(n_cases):
            n_positive = 0
            for f in range(len(lower.vector)):
                if block[lower.first_finding + f, lane] == 1 and lower.vector[f] >= 0:
                    positives[n_positive] = lower.vector[f]
                    n_positive += 1
            positives[n_positive : n_positive + 2] = len(lower.present) - 1
            for i in range(len(late)):
                late[i] = scale[0, lane]
                for j, c in enumerate(lower.late):
                    state = lower.late_states[i, j]
                    if state > 0:
                        late[i] *= lower.late_split[j, state] * weight[c * lower.most + state, lane]
            for r in range(len(lower.run)):
                source, target, states = lower.run[r]
                part = joint[target : target + lower.run_length]
                row = rows[lane, source : source + lower.run_length]
                vector = lower.present[positives[0], target : target + lower.run_length]
                other = lower.present[positives[1], target : target + lower.run_length]
                factor = late[states]
                for i in range(len(part)):
                    part[i] = row[i] * factor * (vector[i] * other[i])
            for p in range(2, n_positive, 2):  # two at a time; the last of an odd number with ones
                vector, other = lower.present[positives[p]], lower.present[positives[p + 1]]
                for k in range(len(joint)):
                    joint[k] *= vector[k] * other[k]
            case = order[first + lane]
            evidence[case] = _fold(lower.cards, lower.extra, joint, values[case])
        first += n_cases


@_compiled
def _fold(cards, extra, joint, values):  # pragma: no cover
    """Fold a joint to its marginals, in place; return its sum."""
    n_causes = len(cards)
    none = joint[0]
    for c in range(n_causes):
        part = len(joint) // cards[c]
        values[c] = joint[part:].sum()
        for e in range(len(extra)):
            if extra[e, 0] == c:
                values[n_causes + 1 + e] = joint[part * extra[e, 1] : part * (extra[e, 1] + 1)].sum()
        folded = joint[:part]
        for state in range(1, cards[c]):
            other = joint[state * part : (state + 1) * part]
            for k in range(part):
                folded[k] += other[k]
        joint = folded
    values[n_causes] = none
    for column in range(len(values)):
        values[column] /= joint[0]
    return joint[0]


# what numba compiles has no types of its own
# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, var-annotated"


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
            _or_cause_forward(course, c, states, at, combined)
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
def _or_cause_forward(course, c, states, at, combined):  # pragma: no cover
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
