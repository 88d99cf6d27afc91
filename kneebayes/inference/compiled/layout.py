"""What compiled code reads: the tables of a model, laid out flat.

Compiled code takes arrays of numbers; the lists of lists that a model is become runs in long arrays, each with an
array of where the runs start, which is one longer than they are many.

The first steps work on *cells*: which of the C causes are present, 2 ** C of them. Only a cause that is brought about
by the state of another needs the K joint states, and so do those that it causes in turn: these are *late*. In both the
last cause varies fastest.

The cells of a large model *grow*: what is known of the base's risk factors leaves most causes independent of each
other, so that the cells first stand for the others alone. Causes are added one by one, when a component or another
cause acts on them too, and most steps take place on few cells. The last steps, those after all that have to do with an
outer cause, are taken for one joint state of these after the other, as it is read: what they write stays in the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise, product
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference.compiled.vectors import LANES
from kneebayes.inference.tables import Layout, Part, Tables, or_matrices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MAX_INNER = 768  # states that a first-level cache holds with the vectors that they are multiplied by
PADDING = 8  # rows a power of two long would all compete for the same places of the cache
MAX_KINDS = 64
TINY = 1e-300
STAYS, ABSENT = -1, -2


class FlatParts(NamedTuple):
    """Parts of the risk factors: the base, then the components."""

    part_start: Ints  # by part, into the two below
    row: Ints  # of the codes
    radix: Ints


class FlatComponents(NamedTuple):
    """What components of risk factors trigger; component i is part i + 1."""

    target: Ints  # by component, end to end; what acts on nothing is given a target, to which it does nothing
    target_start: Ints
    apart: NDArray[np.bool_]  # by component and pattern: whether the targets are triggered independently
    pattern_start: Ints  # into that, by component
    plain: Floats  # by component and pattern: P(risk evidence), then not triggered and triggered for each target
    plain_start: Ints
    table: Floats  # by component and pattern: coefficient of each entry
    table_start: Ints
    entry_start: Ints  # by component, into the three below: an entry brings some targets present to others
    after: Ints  # cell that it adds to, from the cell in which all targets are absent
    before: Ints  # cell that it multiplies
    by_before: Ints  # the entries in an order in which what is read comes before what is written, backwards
    group: Ints  # by component: first cells of the runs in which all targets are absent
    group_start: Ints
    group_run: Ints  # cells in each run, by component
    several: Ints  # components with several targets
    single: Ints  # those with one, by cause
    single_start: Ints


class FlatCauses(NamedTuple):
    """How causes are brought about, by risk factors and by each other, and their states told apart."""

    order: Ints  # causes, each after its causes, the late ones last
    n_early: int
    cards: Ints
    apart_cards: Ints  # states that are told apart when a cause is brought about: 2 unless it is late
    stride: Ints  # between those of a cause, in cells or joint states
    split: Floats  # (C, most states): what of it goes to each, where they are
    state_share: Floats  # (C, most states): P(state | present)
    parent_start: Ints  # by cause, into the joint states of those that cause it, as are the next three
    kept: Floats  # P(none of those triggers the cause)
    gained: Floats  # P(one does)
    state_start: Ints  # into the cells, or joint states, in which the cause is absent and those are as they are
    state: Ints  # first ones of runs of these
    state_run: Ints  # how many in each run, by cause
    column: Ints  # (K,): the cell that a joint state is in
    share: Floats  # (K,): P(joint state | cell)
    spread: Ints  # early causes of more than two states
    spread_of: Ints  # (K,): which of their joint states, as below
    spread_states: Ints  # (their joint states, early causes of more than two states)
    most: int  # most states of a cause


class FlatGrowth(NamedTuple):
    """The steps by which cells grow.

    A *kind* is a set of causes that the base makes dependent; a pattern of the base is of the kind of those that its
    unknown risk factors act on.
    """

    kind: Ints  # by pattern of the base
    n_cells: Ints  # by kind, at the start
    most: int  # before the last steps, of all kinds
    step_start: Ints  # by kind, into ``step``
    last_step: Ints  # by kind, likewise: from where on they are taken for each outer state
    n_inner: Ints  # by kind, before those: cells for each outer state
    step: Ints  # which of the steps:
    part: Ints  # a component, or as many as there are + a cause
    adds: NDArray[np.bool_]  # whether it adds the cause
    finishes: NDArray[np.bool_]  # whether nothing acts on the cause afterwards: its states are told apart
    moves: NDArray[np.bool_]  # whether there are more cells afterwards
    stride: Ints  # between the states of the cause
    run: Ints  # cells in each run
    block_start: Ints  # by step, into the next: runs by joint state of the causes (last: inner ones) of the cause
    run_start: Ints
    source: Ints  # first cells of the runs in which the cause, or all targets of the component, are absent
    target: Ints  # where they go
    chance_start: Ints  # by step, into
    chance: (
        Ints  # by outer state if it is of the last steps, and by block: which of the cause's ``kept`` and ``gained``
    )
    entry_start: Ints  # by step, into the next three
    entry: Ints  # which of the component's entries; those from states that no case is in yet are left out
    after: Ints
    before: Ints
    last_start: Ints  # by step, into the next two: causes that are finished with the component, by its coefficients
    last: Ints
    partner_start: Ints  # into, for each entry:
    partner: Ints  # the entry to where the cause is absent; or `STAYS` if it was present before, `ABSENT` afterwards


class FlatFindings(NamedTuple):
    """What the codes of causes and findings multiply by.

    The joint states are so many *inner* ones, of the causes from ``first_inner`` on, for each *outer* one.
    """

    first_cause: int  # row of the codes
    first_finding: int
    known: Floats  # (states, codes): whether a cause with that code, unknown first, may be in that state
    code_start: Ints  # by finding, into what there is for each of its codes, unknown first:
    leak_factor: Floats  # what the code multiplies everything by
    log_leak: Floats  # its logarithm
    vector: Ints  # row of ``vectors`` to multiply by; the last, which is all ones, where factors do
    row_said: Ints  # what to count under: row of "at most in a state", or -1
    vector_said: Ints  # row of other sets of states, or -1
    link_start: Ints  # by finding, into the next two
    link: Ints  # cause * most + state
    link_code: Ints  # into what each code multiplies that state by:
    link_factor: Floats
    vectors: Floats  # (V + 1, K or more): P(finding in a set of states | joint state)
    peak: Floats  # the largest value of each row
    first_inner: int
    n_inner: int
    by_level: Ints  # findings, those first that the last causes act on alone
    level: Ints  # by vector: the first inner cause that acts on it, over all if none does
    constant: Floats  # (V, outer states): a vector is this, and terms:
    term_start: Ints  # by vector, into the next two
    coefficient: Floats  # (terms, outer states), of
    term: Floats  # (terms, inner states or more)
    extra: Ints  # (further columns of the posteriors, 2): cause, state


class FlatTables(NamedTuple):
    """A model for compiled code, with C causes, K joint states of them and F findings.

    A *part* is a component of risk factors; the first is the base. The others come without it: *component* i is part
    i + 1. A compiled function takes of these what it reads: each array that it takes costs time to compile.
    """

    parts: FlatParts
    components: FlatComponents
    causes: FlatCauses
    findings: FlatFindings
    base: Floats  # (rows, 2 ** C): P(risk evidence, causes triggered), padded to whole vectors and more
    base_row: Ints  # by pattern of the base


class FlatLayout:
    """Where everything stands in `FlatTables`, found out once for a model, whatever its numbers."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.parts = layout.parts[1:]
        cards, self._first = layout.cards, 0
        while prod(cards[self._first :]) > MAX_INNER and self._first < len(cards) - 1:
            self._first += 1
        # by interval, whether its greatest state, and its least, leaves any state of the finding out
        self._varied = np.stack([layout.high < len(layout.leaks), layout.low <= len(layout.leaks)], axis=1)
        self._structure = {**self._components(), **self._causes(), **self._findings()}
        self.growth = _Growth(layout, self.entries, self._first) if self._first else None

    def fill(self, tables: Tables) -> FlatTables:
        """Lay out the numbers, without the rows of the base."""
        whole, *components = tables.components
        card = max(self.layout.cards)
        split = np.ones((len(tables.split), card))
        for c, own in enumerate(tables.split):
            if self._structure["apart_cards"][c] > 2:
                split[c, 1 : 1 + len(own)] = own
        state_share = np.ones_like(split)
        for c, own in enumerate(tables.split):
            state_share[c, 1 : 1 + len(own)] = own
        vectors = np.concatenate([tables.vectors, np.ones((1, self.layout.n_joint))])
        leak_factor = np.append(tables.at_most_leak, 1.0)[self._leak_row]
        links = tables.at_most_links.reshape(len(tables.at_most_links), -1)
        link_factor = np.empty(len(self._link_place))
        place = self._link_place
        for own in (links, tables.at_most, vectors):  # end to end, but copied together they would be as large again
            here = (place >= 0) & (place < own.size)
            link_factor[here] = own.ravel()[place[here]]
            place = place - own.size
        constant, coefficient, term = self._terms(tables)
        with np.errstate(divide="ignore"):
            log_leak = np.log(leak_factor)
        numbers = dict(
            plain=_end_to_end([triggered_apart(_padded(c.trigger)) for c in components]),
            table=_end_to_end([self.coefficients(i, c.trigger) for i, c in enumerate(components)]),
            share=tables.share,
            split=split,
            state_share=state_share,
            kept=np.concatenate(tables.kept),
            gained=np.concatenate(tables.gained),
            leak_factor=leak_factor,
            log_leak=log_leak,
            link_factor=link_factor,
            vectors=_in_lanes(vectors),
            peak=np.maximum(vectors.max(axis=1), TINY),
            constant=constant,
            coefficient=coefficient,
            term=term,
        )
        given = self._structure | numbers
        return FlatTables(
            FlatParts(**{name: given[name] for name in FlatParts._fields}),
            FlatComponents(**{name: given[name] for name in FlatComponents._fields}),
            FlatCauses(**{name: given[name] for name in FlatCauses._fields}),
            FlatFindings(**{name: given[name] for name in FlatFindings._fields}),
            base=self.base(np.zeros((0, 1 << len(tables.split)))),
            base_row=np.arange(whole.n_patterns),
        )

    def base(self, rows: Floats) -> Floats:
        """Lay out rows of the base."""
        return _in_lanes(rows, PADDING)

    def coefficients(self, i: int, trigger: Floats) -> Floats:
        """Coefficients of the entries of a component, (patterns, entries), from its triggers."""
        after, before = self.entries[i].T
        return np.ascontiguousarray(or_matrices(_padded(trigger))[:, after, before])

    def _terms(self, tables: Tables) -> tuple[Floats, Floats, Floats]:
        """Write each vector as a constant and terms, a coefficient by outer state of an inner vector each.

        P(in an interval) over all causes is P(in it by the outer ones) * P(at most in it by the inner ones) + P(under
        it by the outer ones) * P(in it by the inner ones).
        """
        cards, first, intervals, start = self.layout.cards, self._first, tables.intervals, self.layout.vector_start
        if first == 0:  # the vectors themselves are what is multiplied
            return np.zeros((len(tables.vectors), 1)), np.zeros((0, 1)), np.zeros((0, self.layout.n_joint))
        inside, under = intervals.inside[:, None], intervals.under[:, None]
        all_of, none_of = np.ones_like(inside), np.zeros_like(inside)
        outer = np.stack(intervals.gathered(cards, range(first), inside, under), axis=1)
        inner = np.stack(
            [
                intervals.gathered(cards, range(first, len(cards)), *pair)[0]
                for pair in ((all_of, none_of), (none_of, all_of))
            ],
            axis=1,
        )
        constant = np.where(self._varied[:, :1], 0.0, outer[:, 0])
        constant = np.add.reduceat(constant, start, axis=0) if len(start) else constant
        return constant, outer[self._varied], _in_lanes(inner[self._varied])

    def _components(self) -> dict[str, Any]:
        n = len(self.layout.cards)
        targets = [part.targets or (0,) for part in self.parts]
        self.entries = [np.array(_entries(len(own))) for own in targets]  # sets of targets in bits, (entries, 2)
        bits = [1 << np.array([n - 1 - t for t in own]) for own in targets]
        cells = [
            (entries[..., None] >> np.arange(len(own))[::-1] & 1) @ bit
            for entries, own, bit in zip(self.entries, targets, bits, strict=True)
        ]
        runs = [int(bit.min()) for bit in bits]
        firsts = [np.arange(0, 1 << n, run) for run in runs]
        groups = [first[(first & bit.sum()) == 0] for first, bit in zip(firsts, bits, strict=True)]
        n_patterns = [prod(part.radix) for part in self.parts]
        single = [[i for i, own in enumerate(targets) if own == (c,)] for c in range(n)]
        return {
            "part_start": _starts([part.rows for part in self.layout.parts]),
            "row": _end_to_end([part.rows for part in self.layout.parts], int),
            "radix": _end_to_end([part.radix for part in self.layout.parts], int),
            "target": _end_to_end(targets, int),
            "target_start": _starts(targets),
            "apart": _end_to_end([_apart(self.layout, part) for part in self.parts], bool),
            "pattern_start": _sums(n_patterns),
            "plain_start": _sums([p * (1 + 2 * len(own)) for p, own in zip(n_patterns, targets, strict=True)]),
            "table_start": _sums([p * len(own) for p, own in zip(n_patterns, self.entries, strict=True)]),
            "entry_start": _starts(self.entries),
            "after": _end_to_end([own[:, 0] for own in cells], int),
            "before": _end_to_end([own[:, 1] for own in cells], int),
            "by_before": _end_to_end([np.argsort(own[:, 1], kind="stable") for own in self.entries], int),
            "group": _end_to_end(groups, int),
            "group_start": _starts(groups),
            "group_run": _ints(runs),
            "several": _ints([i for i, own in enumerate(targets) if len(own) > 1]),
            "single": _end_to_end(single, int),
            "single_start": _starts(single),
        }

    def _causes(self) -> dict[str, Any]:
        cards, parents, early = self.layout.cards, self.layout.parents, self.layout.early
        strides, runs, found = [], [], []
        for c, own in enumerate(parents):
            sizes = self.layout.cards_before(c)
            stride = [prod(sizes[i + 1 :]) for i in range(len(cards))]
            strides.append(stride[c])
            runs.append(min(stride[p] for p in (c, *own)))
            first = np.arange(0, prod(sizes), runs[-1])
            states = np.stack(np.unravel_index(first, sizes), axis=1)
            for those in product(*(range(cards[p]) for p in own)):
                found.append(first[(states[:, c] == 0) & (states[:, list(own)] == those).all(axis=1)])
        spread = [c for c in early if cards[c] > 2]
        spread_cards = [cards[c] for c in spread]
        spread_of = np.zeros(self.layout.n_joint, dtype=np.int64)
        for c in spread:
            spread_of = spread_of * cards[c] + self.layout.states[:, c]
        return {
            "order": _ints([*early, *self.layout.late]),
            "n_early": len(early),
            "cards": _ints(cards),
            "apart_cards": _ints([self.layout.cards_before(c)[c] for c in range(len(cards))]),
            "stride": _ints(strides),
            "parent_start": _sums([prod(cards[p] for p in own) for own in parents]),
            "state_start": _starts(found),
            "state": _end_to_end(found, int),
            "state_run": _ints(runs),
            "column": _ints(self.layout.column),
            "spread": _ints(spread),
            "spread_of": spread_of,
            "spread_states": _ints(list(product(*map(range, spread_cards)))).reshape(prod(spread_cards), len(spread)),
        }

    def _findings(self) -> dict[str, Any]:
        """Lay out what each code of a finding multiplies by.

        "At most in a state" is a factor of every cause's states, and of everything; another set of states is a vector
        over the joint states. A finding to which one cause links, or none, needs no vector: P(code | joint state) is a
        factor of that cause's states. Factors are picked from the tables laid end to end.
        """
        layout = self.layout
        most, n_causes, n_rows = max(layout.cards), len(layout.cards), len(layout.leaks)
        stride = [prod(layout.cards[c + 1 :]) for c in range(n_causes)]
        chances = n_rows * n_causes * most  # where P(code | joint state) starts in the tables laid end to end
        nothing = chances + (n_rows + layout.n_vectors) * layout.n_joint
        vector = np.where(layout.vector < 0, layout.n_vectors, layout.vector)
        leak_row = layout.row.copy()
        link: list[int] = []
        link_start: list[int] = [0]
        link_code: list[int] = []
        place: list[int] = []
        acting = np.add.reduceat(layout.finding_links < layout.index.n, layout.first_effect[:-1], axis=0) > 0
        for f, (start, stop) in enumerate(pairwise(layout.code_start.tolist())):
            linked = np.flatnonzero(acting[f].any(axis=1)).tolist()
            alone = len(linked) <= 1
            if alone:
                leak_row[start:stop], vector[start:stop] = -1, layout.n_vectors
            for c in linked or [0]:
                for state in range(layout.cards[c]):
                    if not (alone or acting[f, c, state]):
                        continue  # no code weighs on this state
                    link.append(c * most + state)
                    link_code.append(len(place))
                    for code in range(start, stop):
                        row, other = layout.row[code], layout.vector[code]
                        if max(row, other) < 0 or (other >= 0 and not alone):
                            place.append(nothing)
                        elif alone:
                            chance = row if row >= 0 else n_rows + other
                            place.append(chances + chance * layout.n_joint + state * stride[c])
                        else:
                            place.append((row * n_causes + c) * most + state)
            link_start.append(len(link))
        first = self._first
        level = np.array([next((c for c in np.flatnonzero(own.any(axis=1)) if c >= first), n_causes) for own in acting])
        owner = np.searchsorted(layout.code_start, np.flatnonzero(layout.vector >= 0), side="right") - 1
        n_varied = np.append(0, np.cumsum(self._varied.sum(axis=1)))  # terms before each interval
        self._leak_row, self._link_place = leak_row, _ints(place)
        codes = range(most)
        return {
            "first_cause": layout.n_risks,
            "first_finding": layout.n_risks + n_causes,
            "most": most,
            "known": np.array([[1.0, *(float(code == state) for code in codes)] for state in codes]).ravel(),
            "code_start": _ints(layout.code_start[:-1]),
            "vector": _ints(vector),
            "row_said": _ints(layout.row),
            "vector_said": _ints(layout.vector),
            "link_start": _ints(link_start),
            "link": _ints(link),
            "link_code": _ints(link_code),
            "first_inner": first,
            "n_inner": prod(layout.cards[first:]),
            "by_level": _ints(np.argsort(-level, kind="stable")),
            "level": _ints(level[owner]),
            "term_start": _ints(n_varied[np.append(layout.vector_start, len(self._varied))]),
            "extra": _ints([[c, s] for c, card in enumerate(layout.cards) for s in range(2, card)]).reshape(-1, 2),
        }


class _Growth:
    """The steps for each kind of pattern of the base."""

    def __init__(self, layout: Layout, entries: Sequence[Ints], first_inner: int) -> None:
        self._layout, self._entries, self._first, n = layout, entries, first_inner, len(layout.cards)
        self._targets = {i: part.targets for i, part in enumerate(layout.parts[1:]) if len(part.targets) > 1}
        self._steps: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        masks = _coupled(layout.parts[0])
        found, kind = np.unique(masks, return_inverse=True)
        if len(found) > MAX_KINDS:
            found, kind = _ints([(1 << n) - 1]), np.zeros_like(kind)
        self.coupled = [tuple(c for c in range(n) if mask >> c & 1) for mask in found.tolist()]
        plans, n_before, most, n_inner = zip(*map(self._plan, self.coupled), strict=True)
        part, adds, finishes, moves, stride, run, blocks, chance, entry, last = zip(*self._steps.values(), strict=True)
        runs = [own for block in blocks for own in block]
        self.flat = FlatGrowth(
            kind=kind,
            n_cells=_ints([1 << len(coupled) for coupled in self.coupled]),
            most=max(most),
            step_start=_starts(plans),
            last_step=_starts(plans)[:-1] + _ints(n_before),
            n_inner=_ints(n_inner),
            step=_end_to_end(plans, int),
            part=_ints(part),
            adds=np.array(adds, dtype=bool),
            finishes=np.array(finishes, dtype=bool),
            moves=np.array(moves, dtype=bool),
            stride=_ints(stride),
            run=_ints(run),
            block_start=_starts(blocks),
            run_start=_starts([target for _, target in runs]),
            source=_end_to_end([source for source, _ in runs], int),
            target=_end_to_end([target for _, target in runs], int),
            chance_start=_starts(chance),
            chance=_end_to_end(chance, int),
            entry_start=_starts(entry),
            entry=_end_to_end([own[:, 0] for own in entry], int),
            after=_end_to_end([own[:, 1] for own in entry], int),
            before=_end_to_end([own[:, 2] for own in entry], int),
            last_start=_starts(last),
            last=_ints([c for own in last for c, _ in own]),
            partner_start=_starts(partners := [partner for own in last for _, partner in own]),
            partner=_end_to_end(partners, int),
        )

    def _plan(self, coupled: Sequence[int]) -> tuple[list[int], int, int, int]:
        """Find the steps from some causes to the joint states of all, each as soon as it can be.

        Returns them, how many there are before the last ones, and the cells before these, all and of an outer state.
        """
        cards, order, parents, first = self._layout.cards, self._layout.order, self._layout.parents, self._first
        size, unfinished, waiting = dict.fromkeys(coupled, 2), set(order), dict(self._targets)
        plan: list[tuple[bool, dict[int, int], Callable[..., tuple[Any, ...]], tuple[Any, ...]]] = []

        def is_ready(c: int) -> bool:
            known = parents[c].keys() <= size.keys() - unfinished
            return c in unfinished and known and not any(c in own for own in waiting.values())

        def take(causes: Iterable[int], make: Callable[..., tuple[Any, ...]], *given: Any) -> None:
            plan.append((min(causes) < first, dict(size), make, given))

        def change(c: int) -> None:
            finishes = is_ready(c)
            after = size | {c: cards[c] if finishes else 2}
            take([c], self._of_cause, c, after, finishes)
            size.update(after)
            unfinished.difference_update({c} if finishes else ())

        def can_wait(causes: Sequence[int]) -> bool:  # for the end: cells will not be more
            return len(size) == len(cards) and min(causes) >= first

        added: list[int] = []
        while waiting or unfinished:
            while ready := [
                *((own, i) for i, own in waiting.items() if size.keys() >= set(own)),
                *(((c,), None) for c in order if c in size and is_ready(c)),
            ]:
                own, i = min(ready, key=lambda step: can_wait(step[0]))
                if i is None:
                    change(own[0])
                    continue
                del waiting[i]
                last = [c for c in own if is_ready(c) and cards[c] == 2 and not parents[c]]
                take(own, self._of_component, i, [t for t in own if t in added], last)
                unfinished.difference_update(last)
                added = []
            if waiting:  # the component that adds fewest causes, but the largest while there are none
                missing = [sorted(set(own) - size.keys()) for own in waiting.values()]
                added = min(missing, key=lambda own: len(own) if size else -len(own))
                for c in added:
                    change(c)
            elif unfinished:
                change(min(filter(is_ready, order), key=lambda c: c >= first))
        n_before = 1 + max((n for n, (is_outer, *_) in enumerate(plan) if is_outer), default=-1)
        cells = [before for _, before, *_ in plan] + [size]
        most = max(prod(own.values()) for own in cells[: n_before + 1])
        steps = [self._shared(make, before, *given) for _, before, make, given in plan[:n_before]]
        steps += [
            self._shared(make, self._inner(before), *map(self._inner, given))
            for _, before, make, given in plan[n_before:]
        ]
        return steps, n_before, most, prod(self._inner(cells[n_before]).values())

    def _inner(self, given: Any) -> Any:
        """Leave out the outer causes of a number of states by cause; anything else stays."""
        return {c: n for c, n in given.items() if c >= self._first} if isinstance(given, dict) else given

    def _shared(self, make: Callable[..., tuple[Any, ...]], *given: Any) -> int:
        """Make a step, or find that of another kind which is the same."""
        key = make.__name__, *(repr(sorted(g.items()) if isinstance(g, dict) else g) for g in given)
        if key not in self._steps:
            self._steps[key] = make(*given)
        return list(self._steps).index(key)

    def _of_component(self, size: dict[int, int], i: int, added: Sequence[int], last: Sequence[int]) -> tuple[Any, ...]:
        """OR a component in; nothing has acted on the causes just added, so they stand first, and only as absent."""
        targets, n = self._targets[i], len(self._targets[i])
        ordered = [*added, *(t for t in targets if t not in added)]
        first = _first_cells(run := min(_stride(t, size) for t in targets), targets, size)
        before_added = ((1 << len(added)) - 1) << (n - len(added)) & ~3  # but two at a time are worked on
        sets = [pair for pair in _entries(n) if not pair[1] & before_added]
        present = np.array(sets)[..., None] >> np.arange(n)[::-1] & 1  # (entries, after and before, targets)
        own = present @ _ints([1 << n - 1 - targets.index(t) for t in ordered])
        place = {(after, before): e for e, (after, before) in enumerate(self._entries[i].tolist())}
        entry = [place[pair] for pair in map(tuple, own.tolist())]
        cells = np.column_stack([entry, present @ _ints([_stride(t, size) for t in ordered])])
        partners = []
        for c in last:
            bit = 1 << n - 1 - ordered.index(c)
            partners.append([
                ABSENT if not after & bit else STAYS if before & bit else sets.index((after ^ bit, before))
                for after, before in sets
            ])  # fmt: skip
        finished = list(zip(last, partners, strict=True))
        return i, False, False, False, 0, run, [(first, first)], [], cells, finished

    def _of_cause(self, before: dict[int, int], c: int, after: dict[int, int], finishes: bool) -> tuple[Any, ...]:
        cards, caused_by = self._layout.cards, list(self._layout.parents[c]) if finishes else []
        parents = [p for p in caused_by if p in after]  # the others are outer ones
        stride = _stride(c, after)
        run = min([stride, *(_stride(p, after) for p in parents)])
        first = _first_cells(run, [c], after)
        source = first // (stride * after[c]) * (stride * before.get(c, 1)) + first % stride
        blocks, chance = [], []
        every = [list(product(*(range(cards[p]) for p in own))) for own in (range(self._first), parents)]
        for outer in every[0] if min(after) >= self._first else every[0][:1]:
            for states in every[1]:
                known = dict(enumerate(outer)) | dict(zip(parents, states, strict=True))
                chance.append(
                    sum(known[p] * prod(cards[q] for q in caused_by[i + 1 :]) for i, p in enumerate(caused_by))
                )
        for states in every[1]:
            holds = np.ones(len(first), dtype=bool)
            for p, state in zip(parents, states, strict=True):
                holds &= first // _stride(p, after) % after[p] == state
            blocks.append((source[holds], first[holds]))
        part, moves = len(self._layout.parts) - 1 + c, after != before
        return part, c not in before, finishes, moves, stride, run, blocks, chance, np.zeros((0, 3), dtype=int), []


def _stride(c: int, size: dict[int, int]) -> int:
    return prod(n for other, n in size.items() if other > c)


def _first_cells(run: int, causes: Sequence[int], size: dict[int, int]) -> Ints:
    """First cells of the runs in which some causes are absent."""
    first = np.arange(0, prod(size.values()), run)
    for c in causes:
        first = first[first // _stride(c, size) % size[c] == 0]
    return first


def _coupled(base: Part) -> Ints:
    """By pattern of the base, the causes that the unknown risk factors act on, as a set in bits."""
    links = base.links.reshape(*base.links.shape[:2], *base.shape)
    codes = np.unravel_index(np.arange(prod(base.radix)), base.radix) if base.radix else ()
    masks = np.zeros(prod(base.radix), dtype=np.int64)
    for axis, code in enumerate(codes):
        acts = (links != links.take([0], axis=2 + axis)).any(axis=(0, *range(2, links.ndim)))
        masks |= np.where(code == base.shape[axis], acts @ (1 << np.arange(len(acts))), 0)
    return masks


def _entries(n_targets: int) -> list[tuple[int, int]]:
    """Pairs of sets of targets, in bits: those present after, those before.

    Later sets come first, so that cells can be worked on in place: those in which all targets but the last two are
    alike come together, nine of them, and among those that add to one cell, the one that multiplies it comes first.
    """

    def rank(pair: tuple[int, int]) -> tuple[int | bool, ...]:
        (a, last), (b, own) = divmod(pair[0], 4), divmod(pair[1], 4)
        return a, a == b, b, last, last == own, own

    sets = range(1 << n_targets)
    return sorted(((after, before) for after in sets for before in sets if after | before == after), key=rank)[::-1]


def _apart(layout: Layout, part: Part) -> NDArray[np.bool_]:
    return layout.apart(part) if len(part.targets) > 1 else np.ones(prod(part.radix), dtype=bool)


def _padded(trigger: Floats) -> Floats:
    return trigger if trigger.shape[1] > 1 else np.pad(trigger, [(0, 0), (0, 1)])


def triggered_apart(trigger: Floats) -> Floats:
    """P(evidence pattern), then for each target P(not triggered) and P(triggered) given the pattern."""
    whole, n_targets = trigger.sum(axis=1), trigger.shape[1].bit_length() - 1
    bits = np.arange(trigger.shape[1])[:, None] >> np.arange(n_targets)[::-1] & 1
    alone = trigger @ np.stack([1.0 - bits, bits], axis=2).reshape(len(bits), -1)
    shares = np.divide(alone, whole[:, None], out=np.zeros_like(alone), where=whole[:, None] > 0)
    return np.concatenate([whole[:, None], shares], axis=1)


def aligned(shape: tuple[int, int]) -> Floats:
    """Make a table of which a vector does not lie across two cache lines."""
    numbers = np.zeros(prod(shape) + LANES)
    first = -(numbers.ctypes.data // numbers.itemsize) % LANES
    return numbers[first : first + prod(shape)].reshape(shape)


def _in_lanes(rows: Floats, padding: int = 0) -> Floats:
    """Lay out rows as whole vectors, and further columns of zeros."""
    table = aligned((len(rows), -(-rows.shape[1] // LANES) * LANES + padding))
    table[:, : rows.shape[1]] = rows
    return table


def _ints(values: object) -> Ints:
    return np.array(values, dtype=np.int64)


def _sums(lengths: Any) -> Ints:
    return _ints(np.cumsum([0, *lengths]))


def _starts(members: Any) -> Ints:
    return _sums(map(len, members))


def _end_to_end(members: Any, kind: Any = float) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *(np.asarray(m, dtype=kind).ravel() for m in members)])


@lru_cache(maxsize=16)
def flat_layout(layout: Layout) -> FlatLayout:
    """Lay out flat what is laid out, once for all numbers."""
    return FlatLayout(layout)
