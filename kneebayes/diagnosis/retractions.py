"""Retractions of cases: which signs may lower the alarm's cause, and which retractions need to be computed.

A sign that cannot lower the cause, whatever else is known, need not be retracted. That is proved for each sign from
the model's tables; the others are the doubtful ones:

- a finding f, if ``min P(f | cause, others) >= max P(f | no cause, others)`` over all states of the other causes: its
  likelihood ratio is over 1 then;
- a risk factor, if its group triggers no other cause, and triggers this one no less often with the sign than without.

n doubtful signs have 2 ** n retractions, and more where one can be taken back in several ways. A case that has more
than can be searched in about a second is urgent without: no probability asks for more, and a further sign makes them
no fewer, so there too no sign makes the alarm milder. A model may have `MAX_DOUBTFUL` of them.

The odds of the cause in a retraction are bounded, so that one which can't reach the next threshold is not computed.
Retracting signs multiplies P(evidence, state of everything else) by a ratio r of that state, and so the odds of the
cause by ``E(r | cause) / E(r | no cause)``; r is 1 where nothing is there. Above, that is at most the largest r.
Below, log r is at least the sum over the causes that are there of what it is where one is there alone, but for a slack
that is found out for each sign: 0 for most, as links make log r superadditive. So by Jensen's inequality
``E(r | no cause)`` is at least ``q * exp(sum(P(c | no cause) / q * log r(c)))``, over the causes c of which r is over
``exp(-STEEP)``. Each of the others, where it is there, is taken to bring r to 0 with a chance of ``1 - r(c)``; that
none does, q, has a probability of at least ``1 - sum(P(c | no cause) * (1 - r(c)))`` over them. ``P(c | no cause)`` is
at most ``P(c) / P(no cause)``, by the posteriors that are known already.

What risk factors do is bounded for each pattern of their component's evidence, if it has no more than `MAX_PATTERNS`,
when a case first has it. For them r is that of what the component triggers, which is there less often than the cause
is: if it triggers c with a chance of at most t, and others do with one of at least u, ``P(triggered | c is there)`` is
at most ``t / (t + (1 - t) * u)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ModelFileError
from kneebayes.inference import cores
from kneebayes.inference.evidence import UNKNOWN, Codes, Evidence
from kneebayes.inference.network import CompiledModel, Engine
from kneebayes.inference.tables import Component, patterns
from kneebayes.spec.model_spec import ModelSpec

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
MAX_DOUBTFUL = 63  # signs of a model: a set of them is the bits of an int64
MAX_RETRACTIONS = 1 << 12  # of a case
MAX_STATES = 1 << 26  # joint states of the causes, over all retractions of a case
MAX_KEPT = 512  # moves
FEW = 1 << 13  # joint states: what takes no more is computed rather than bounded once more
PAIRS = 1 << 17  # of a case and a retraction, which are answered at a time
ROUNDING = 1e-12
STEEP = 4.0  # any number is right; this one spares most
LOG_TINY, HUGE = -700.0, 1e9
MAX_BY_PATTERN = 2  # signs that are retracted together
MAX_PATTERNS = 1 << 10  # of a component
MAX_ENTRIES = 1 << 19  # of its table, at a time


@dataclass(frozen=True, eq=False)
class _Sign:
    """A sign that may lower the cause.

    ``held`` is 1 for each state that is the sign, then 0 for unknown, -1; ``instead`` is what retracts it.
    ``log_most`` bounds log r from above; what ``log_least``, (causes,), adds up to from below, but for the slack, which
    is in ``log_most``.
    """

    row: int
    held: NDArray[np.int64]
    instead: int
    log_most: float
    log_least: Floats


@dataclass(frozen=True, eq=False)
class _Move:
    """Signs of one finding or component, as bits, that are retracted together, and the bounds of log r by pattern.

    The last row of the bounds holds whatever the pattern; findings, and components of many patterns, have no other. The
    others are found when a case first has them.
    """

    bits: int
    component: int  # negative for a finding
    known: Bools  # (patterns + 1,): of which patterns the bounds are found
    log_most: Floats  # (patterns + 1,)
    steep: Floats  # (causes, patterns + 1): of the lower bound, 1 - r of a cause for which that is steep
    gentle: Floats  # log r of the others

    def note(self, rows: NDArray[np.intp], log_most: Floats, log_least: Floats) -> None:
        """Write down the bounds of some patterns, (rows,) and (rows, causes)."""
        steep = log_least.T < -STEEP
        self.log_most[rows] = np.minimum(log_most, HUGE)
        self.steep[:, rows] = np.where(steep, -np.expm1(log_least.T), 0.0)
        self.gentle[:, rows] = np.where(steep, 0.0, log_least.T)
        self.known[rows] = True

    def bound(self, cases: NDArray[np.intp], row: NDArray[np.intp] | None, weight: Floats, bounds: Floats) -> None:
        """Write down the bounds of log r for some cases, by their patterns and by how often each cause is there.

        ``bounds``, (3, n), add up over moves: the upper one, and the two that `_log_least` makes the lower one of.
        """
        rows = np.zeros(len(cases), dtype=np.intp) if row is None else row[cases]
        bounds[0, cases] = self.log_most[rows]
        for own, by_row in zip(bounds[1:], (self.steep, self.gentle), strict=True):
            some = np.flatnonzero(by_row.any(axis=1))
            if len(some):
                own[cases] = (weight[some[:, None], cases] * by_row[some].take(rows, axis=1)).sum(axis=0)


class Retractions:
    """The retractions of cases under one model, whose alarm names the cause and the signs."""

    def __init__(self, network: CompiledModel) -> None:
        self.network = network
        self.column = network.columns.index(network.model.alarm.cause)
        self._signs = _doubtful(network)
        self._move = lru_cache(MAX_KEPT)(self._bounded)
        # P(a component triggers each target), (targets, patterns + 1), least and most, and which of them are found
        self._chances = {
            k: (np.zeros((len(c.targets), n)), np.ones((len(c.targets), n)), np.arange(n) == n - 1)
            for k, c in enumerate(network.tables.components)
            if (n := c.n_patterns + 1) <= MAX_PATTERNS
        }
        self._bounders = cache(partial(_triggered, network))
        # of each sign, its component of risk factors; a finding is a source of its own
        component = {row: k for k, part in enumerate(network.tables.components) for row in part.rows}
        self._source = [component.get(sign.row, -1 - sign.row) for sign in self._signs]
        self._by_row, self._by_source = dict[int, int](), dict[int, int]()  # the signs of each, as bits
        for place, (sign, source) in enumerate(zip(self._signs, self._source, strict=True)):
            self._by_row[sign.row] = self._by_row.get(sign.row, 0) | 1 << place
            self._by_source[source] = self._by_source.get(source, 0) | 1 << place
        self.most = max(1, min(MAX_RETRACTIONS, MAX_STATES // network.n_joint))
        self._wide = sum(1 << place for place, sign in enumerate(self._signs) if sign.log_most > 0.0)
        if len(self._signs) > MAX_DOUBTFUL:
            raise ModelFileError(
                f"{network.model.name}: {len(self._signs)} signs may lower {network.model.alarm.cause}, as other "
                f"causes explain them too, over {MAX_DOUBTFUL}: list those that matter under alarm.signs"
            )

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Signs that can lower the cause, or can't be proved not to, by variable name."""
        return tuple(self.network.variables[sign.row] for sign in self._signs)

    def max_posterior(
        self,
        evidence: Evidence,
        probability: Floats,
        worth: Floats,
        *,
        causes: Floats | None = None,
        engine: Engine = "auto",
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Find the highest posterior of the alarm's cause over each case and its retractions.

        ``probability`` is the posterior of each case, (n,). Only retractions that may reach ``worth``, (n,), are
        computed; it is infinite for a case without interest. The posteriors of all causes, (n, causes), spare most.
        Soft answers stay in every retraction.

        Returns the highest posterior, (n,), which is 1 without a search for a case with more than ``most``
        retractions, and which of ``doubtful`` its retraction takes back, as bits; 0 for the case as it is.
        """
        highest, retracted = probability.copy(), np.zeros(len(probability), dtype=np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            target = np.log(worth / (1.0 - worth))
            needed = target - np.log(probability / (1.0 - probability))
        present, may_rise = np.zeros_like(retracted), np.flatnonzero(np.isfinite(needed) & (worth > probability))
        present[may_rise] = self._present(evidence.codes[:, may_rise])
        if not present.any():
            return highest, retracted
        too_many = self._count_sets(present) > self.most
        highest[too_many] = 1.0
        case, bits = self._pairs(evidence, np.where(too_many, 0, present), needed, causes)

        def look(own: NDArray[np.intp], taken: NDArray[np.int64]) -> tuple[Evidence, Floats]:
            """Compute the posteriors of some retractions, and note those that are higher."""
            trial = evidence[own]
            for place, sign in enumerate(self._signs):
                trial.codes[sign.row, (taken >> place & 1).astype(bool)] = sign.instead
            values = self.network.posteriors(trial, engine=engine).values
            found = values[:, self.column]
            found = np.where(np.isnan(found), 0.0, found)  # the model holds some retractions impossible
            before = highest[own]
            np.maximum.at(highest, own, found)
            higher = (found > before) & (found == highest[own])
            retracted[own[higher]] = taken[higher]
            return trial, values

        for start in range(0, len(case), PAIRS):
            own, taken = case[start : start + PAIRS], bits[start : start + PAIRS]
            if causes is not None and len(own) * self.network.n_joint > FEW:
                # signs with wide bounds are retracted first, for better ones of the others
                sets, which = np.unique(taken & self._wide, return_inverse=True)
                first, place = np.unique(own * len(sets) + which, return_inverse=True)
                own, wide, others = first // len(sets), sets[first % len(sets)], np.zeros(len(first), dtype=np.int64)
                np.bitwise_or.at(others, place, taken & ~self._wide)
                known, new = causes[own], wide > 0
                trial = evidence[own]
                found, values = look(own[new], wide[new])
                trial.codes[:, new], known[new] = found.codes, values[:, : causes.shape[1]]
                p = known[:, self.column]
                with np.errstate(divide="ignore", invalid="ignore"):
                    left = target[own] - np.log(p / (1.0 - p))
                which, bits_left = self._pairs(trial, others, left, known)
                own, taken = own[which], wide[which] | bits_left
            look(own, taken)
        return highest, retracted

    def said(self, retracted: int) -> str:
        """Say the signs of which `max_posterior` gives the bits: without these, and with those in a lower band."""
        model, without, lower = self.network.model, dict[str, str](), []
        for place, (name, sign) in enumerate(zip(self.doubtful, self._signs, strict=True)):
            if retracted >> place & 1:
                variable = model.variables[name]
                if sign.instead != UNKNOWN and name in model.risks and len(variable.states) > 2:
                    lower.append(f"with '{variable.label}: {variable.say(variable.states[sign.instead])}'")
                else:
                    without[name] = f"'{variable.label}'"
        return " and ".join([*(["without " + ", ".join(without.values())] if without else []), *lower])

    def _present(self, codes: Codes) -> NDArray[np.int64]:
        """Doubtful signs of each case as bits, (n,)."""
        signs = np.zeros(codes.shape[1], dtype=np.int64)
        for place, sign in enumerate(self._signs):
            signs |= sign.held[codes[sign.row]] << place
        return signs

    def _of(self, bits: int) -> list[_Sign]:
        """List the signs that some bits are."""
        return [sign for place, sign in enumerate(self._signs) if bits >> place & 1]

    def _pairs(
        self, evidence: Evidence, present: NDArray[np.int64], needed: Floats, causes: Floats | None
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """List the retractions that may add ``needed`` to the log-odds: the case, and the signs retracted as bits."""
        has_signs = np.flatnonzero(present)
        n_sets = np.cumsum(self._count_sets(present[has_signs]))
        parts = np.split(has_signs, np.flatnonzero(np.diff(n_sets // PAIRS)) + 1)

        def pairs(own: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
            case, bits, reach = self._reach(evidence[own], present[own], None if causes is None else causes[own])
            may = (bits > 0) & ~(reach + ROUNDING < needed[own[case]])  # a bound that is NaN spares nothing
            return own[case[may]], bits[may]

        if len(parts) == 1:
            return pairs(parts[0])
        with ThreadPoolExecutor(cores()) as pool:
            case, bits = zip(*pool.map(pairs, parts), strict=True)
        return np.concatenate(case), np.concatenate(bits)

    def _count_sets(self, present: NDArray[np.int64]) -> Floats:
        """Count the retractions of cases, (n,), each as it is among them."""
        of_rows = np.array(list(self._by_row.values()), dtype=np.int64)[:, None]
        return np.asarray(np.prod(1.0 + np.bitwise_count(present & of_rows), axis=0))

    def _reach(
        self, evidence: Evidence, present: NDArray[np.int64], causes: Floats | None
    ) -> tuple[NDArray[np.intp], NDArray[np.int64], Floats]:
        """List all retractions, as cases and bits, with what each may add to the log-odds at most."""
        case, bits, sums = np.arange(evidence.n), np.zeros(evidence.n, dtype=np.int64), list(np.zeros((3, evidence.n)))
        known = np.full((evidence.n, len(self.network.model.causes)), np.nan) if causes is None else causes
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.ascontiguousarray(known.T) / (1.0 - known[:, self.column])  # of each without the cause, at most
        risks, sets = cache(lambda: self._risks(evidence, odds)), np.unique(present).tolist()
        for mask in self._by_source.values():  # of each source one move at most
            moves, grown = self._moves_of(sorted({signs & mask for signs in sets} - {0})), [(case, bits, *sums)]
            for move in moves:
                has = present & move.bits == move.bits
                cases, bounds = np.flatnonzero(has), np.zeros((3, evidence.n))
                row, weight = risks()(move.component) if len(move.known) > 1 else (None, odds)
                if row is not None:
                    self._find(move, row[cases])
                move.bound(cases, row, weight, bounds)
                takes = np.flatnonzero(has[case])
                own = case[takes]
                grown.append(
                    (own, bits[takes] | move.bits, *(a[takes] + b[own] for a, b in zip(sums, bounds, strict=True)))
                )
            if moves:
                case, bits, *sums = map(np.concatenate, zip(*grown, strict=True))
        reach = np.full(len(case), np.inf) if causes is None else sums[0] - _log_least(sums[1], sums[2])
        return case, bits, reach

    def _risks(self, evidence: Evidence, odds: Floats) -> Callable[[int], tuple[NDArray[np.intp], Floats]]:
        """Find for a source of risks the rows of its bounds, (n,), and P(it triggers each cause), at most."""
        components, kept = self.network.tables.components, np.ones(odds.shape)
        rows: dict[int, NDArray[np.intp]] = {}
        chances: dict[int, tuple[Floats, Floats]] = {}
        for k, (least, most, known) in self._chances.items():
            rows[k] = patterns(components[k], evidence.codes)
            for answer in evidence.soft:
                if answer.row in components[k].rows:
                    rows[k][answer.cases] = len(known) - 1
            for new in _unknown(components[k], known, rows[k]):
                least[:, new], most[:, new] = _chances(components[k].of_patterns(new))
                known[new] = True
            chances[k] = least.take(rows[k], axis=1), most.take(rows[k], axis=1)
            kept[list(components[k].targets)] *= 1.0 - chances[k][0]  # P(no risk factor triggers it), at most

        @cache
        def of_source(k: int) -> tuple[NDArray[np.intp], Floats]:
            (low, high), targets, weight = chances[k], list(components[k].targets), odds.copy()
            with np.errstate(divide="ignore", invalid="ignore"):  # by Bayes' theorem, of a cause that is there
                others = np.maximum(0.0, 1.0 - kept[targets] / (1.0 - low))
                share = 1.0 / (1.0 + others * (1.0 / high - 1.0))
            weight[targets] *= np.where(np.isnan(share), 1.0, share)
            return rows[k], weight

        return of_source

    def _moves_of(self, signs: list[int]) -> list[_Move]:
        """List the ways to retract any of some sets of signs of one source, each row in one way at most."""
        sets: dict[int, None] = {}
        for whole in signs:
            parts = [0]
            for bits in filter(None, (whole & mask for mask in self._by_row.values())):
                own = [1 << place for place in range(bits.bit_length()) if bits >> place & 1]
                parts += [others | one for one in own for others in parts]
            sets |= dict.fromkeys(parts[1:])
        return [self._move(bits) for bits in sets]

    def _bounded(self, bits: int) -> _Move:
        """Bound what retracting some signs of one source does, whatever the pattern; one or two have room for each."""
        signs, source, n = self._of(bits), self._source[bits.bit_length() - 1], 1
        if source in self._chances and len(signs) <= MAX_BY_PATTERN:
            n += self.network.tables.components[source].n_patterns
        parts = np.zeros((2, len(self.network.model.causes), n))
        move = _Move(bits, source, np.zeros(n, dtype=bool), np.zeros(n), *parts)
        log_least = np.sum([sign.log_least for sign in signs], axis=0)[None]
        move.note(np.array([n - 1]), np.array([sum(sign.log_most for sign in signs)]), log_least)
        return move

    def _find(self, move: _Move, rows: NDArray[np.intp]) -> None:
        """Bound what a move does by the patterns of some cases, those that no case asked for before."""
        component = self.network.tables.components[move.component]
        for new in _unknown(component, move.known, rows):
            code = np.stack(np.unravel_index(new, component.radix))
            for sign in self._of(move.bits):
                at = component.rows.index(sign.row)
                code[at] = sign.instead % component.radix[at]
            before = np.ravel_multi_index(tuple(code), component.radix)
            ratios = _log_ratio(component.of_patterns(new), component.of_patterns(before))
            move.note(new, *self._bounders(move.component).of_each(*ratios))


def _unknown(component: Component, known: Bools, rows: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield the patterns among some rows that are not known yet, so many at a time that their table is no large one."""
    if known[rows].all():
        return
    asked = np.zeros_like(known)
    asked[rows] = True
    step, new = max(1, MAX_ENTRIES >> len(component.targets)), np.flatnonzero(asked & ~known)
    yield from (new[start : start + step] for start in range(0, len(new), step))


def _chances(trigger: Floats) -> tuple[Floats, Floats]:
    """P(a component triggers each of T targets), (T, n), least and most whatever else it triggers, by (n, 2 ** T)."""
    n, size = trigger.shape
    found = []
    for i in range(size.bit_length() - 1):
        absent, present = np.moveaxis(trigger.reshape(n, 1 << i, 2, -1), 2, 0)
        with np.errstate(invalid="ignore"):
            chance = (present / (absent + present)).reshape(n, -1)
        never = np.isnan(chance)
        found.append((np.where(never, 1.0, chance).min(axis=1), np.where(never, 0.0, chance).max(axis=1)))
    least, most = np.array(found).reshape(-1, 2, n).transpose(1, 0, 2)
    return least, most


def _log_least(steep: Floats, gentle: Floats) -> Floats:
    """Bound log E(r | no cause) from below, by what moves say of it times the posteriors, added up over causes."""
    none = np.maximum(0.0, 1.0 - steep)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(none) + gentle / none)


def _doubtful(network: CompiledModel) -> list[_Sign]:
    """Find the signs that may lower the cause, with the extremes of what taking them back does."""
    model, tables = network.model, network.tables
    place = list(model.causes).index(model.alarm.cause)
    present = network.joint_states > 0
    there = present[:, place]
    doubtful = []
    signs: dict[str, frozenset[str]] = {}
    for asked, answers in model.alarm_signs.items():
        name, states = model.meaning(asked, answers)
        signs[name] = signs.get(name, frozenset()) | states
    for name, sign in signs.items():
        row, events = network.variables.index(name), model.events[name]
        if name in model.findings:
            f = list(model.findings).index(name)
            for left, held_by in _taken_back(model, name, sign).items():
                instead = events.index(left) if left in events else UNKNOWN
                before = tables.chance(f, instead)[None] if left in events else np.ones((1, network.n_joint))
                nows = {now: tables.chance(f, now)[None] for now in map(events.index, held_by)}
                with np.errstate(divide="ignore", invalid="ignore"):
                    ratios = {code: (now / before)[0] for code, now in nows.items()}
                lowering = [code for code, r in ratios.items() if not r[there].min() >= r[~there].max()]
                if not lowering:
                    continue
                held = np.isin([*range(len(events)), UNKNOWN], lowering).astype(np.int64)
                both = [(nows[now], before) for now in lowering]
                doubtful.append(_Sign(row, held, instead, *_Bounder(present, there, place).of_all(both)))
            continue
        k, component = next((k, c) for k, c in enumerate(tables.components) if row in c.rows)
        bounder = _triggered(network, k)
        rows = cache(partial(component.with_code, name))
        for instead, held in _risk_taken_back(model, name, sign):
            pairs = [_possible(rows(code), rows(instead)) for code in np.flatnonzero(held).tolist()]
            if component.targets == (place,) and all(_raises(now, before) for now, before in pairs):
                continue
            doubtful.append(_Sign(row, held, instead, *bounder.of_all(pairs)))
    return doubtful


def _risk_taken_back(model: ModelSpec, name: str, sign: frozenset[str]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Find what may be known of a risk factor if a sign is taken back, and of which codes: every lower band too.

    The highest band is not taken for unknown: that lies between it and all the lower ones.
    """
    states = model.risks[name].states
    codes = np.arange(len(states) + 1)  # the last is unknown
    bands = next((column.bands for column in model.numeric_inputs.values() if column.variable == name), ())
    order = [states.index(band.state) for band in bands] if len(states) > 2 else []
    unknown = np.array([*(state in sign for state in states), False], dtype=np.int64)
    unknown[order[-1:]] = 0
    yield 0 if len(states) == 2 else UNKNOWN, unknown
    for place, code in enumerate(order[:-1]):
        yield code, np.isin(codes, order[place + 1 :]).astype(np.int64)


def _taken_back(model: ModelSpec, name: str, sign: frozenset[str]) -> dict[frozenset[str], list[frozenset[str]]]:
    """Find what may be known of a finding if an answer that is a sign is taken back, and from which sets of states.

    That is what the other answers to the finding leave of it, without one in its place, and with one that is no sign.
    A set that is the union of others needs no look: its posterior lies between theirs.
    """
    states = model.findings[name].states
    first, events = frozenset(states[:1]), [*model.events[name], frozenset(states)]
    answers = [(frozenset([state]), [first]) for state in states if state in sign]
    for column in model.answer_inputs.values():
        if column.variable == name:
            sets = [frozenset(left) for left in column.answers.values()]
            answers += [(own, [other for other in sets if not other <= sign]) for own in sets if own <= sign]
    back = {event: {first} for event in events if event <= sign}
    for before, (answer, others) in product(events, answers):
        if (now := before & answer) and now != before:
            back[now] |= {before, *(both for other in others if (both := before & other))}
    while any(not back[event] <= own for own in back.values() for event in own & back.keys()):
        for own in back.values():
            own.update(*(back[event] for event in own & back.keys()))
    found: dict[frozenset[str], list[frozenset[str]]] = {}
    for event in events[:-1]:
        own = back.get(event, set()) - {event}
        for whole in sorted(own, key=lambda one: -len(one)):
            rest = own - {whole} | {event}
            if any(whole - part in rest for part in rest if part < whole):
                own.discard(whole)
        for instead in events:
            if instead in own:
                found.setdefault(instead, []).append(event)
    return found


def _possible(now: Floats, before: Floats) -> tuple[Floats, Floats]:
    """Rows of a component's table with a sign, and with the sign retracted, of what may be with both."""
    possible = (now.sum(axis=1) > 0) & (before.sum(axis=1) > 0)
    return now[possible], before[possible]


def _raises(now: Floats, before: Floats) -> bool:
    share_now, share_before = (part[:, 1] / part.sum(axis=1) for part in (now, before))
    return bool((share_now >= share_before - ROUNDING).all())


class _Bounder:
    """Bounds log r, from above, and from below by cause; what the latter lacks is added to the former."""

    def __init__(self, present: Bools, with_cause: Bools, place: int) -> None:
        """Take the causes that are there, (columns, causes), by column of what r is the ratio of: in the first, none.

        ``with_cause``, (columns,), says which may be where the alarm's cause, which has this place, is there.
        """
        without, count = ~present[:, place], present.sum(axis=1)
        self.present, self.with_cause, self.without = present.T.astype(float), with_cause, without
        self.alone = [np.flatnonzero(own & without & (count == 1)) for own in present.T]

    def of_all(self, pairs: list[tuple[Floats, Floats]]) -> tuple[float, Floats]:
        """Bound it for all of some rows, with a sign and with it retracted."""
        ratios = [_log_ratio(now, before) for now, before in pairs if len(now)]
        if not ratios:  # nobody can have the sign, or be without it
            return 0.0, np.zeros(len(self.present))
        low, high = (np.concatenate(own) for own in zip(*ratios, strict=True))
        log_most, log_least = self.of_each(low.min(axis=0)[None], high.max(axis=0)[None])
        return float(log_most[0]), log_least[0]

    def of_each(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Bound it for each of some rows, (rows,) and (rows, causes)."""
        log_least = np.stack([low[:, own].min(axis=1, initial=0.0) for own in self.alone], axis=1)
        slack = (log_least @ self.present - low)[:, self.without].max(axis=1, initial=0.0)
        return high[:, self.with_cause].max(axis=1) + slack, log_least


def _log_ratio(now: Floats, before: Floats) -> tuple[Floats, Floats]:
    """Bound the logarithm of before over now, to that of the first column, from below and above, (rows, columns)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = before / now
        log_ratio = np.log(ratio / ratio[:, :1])
    never, bounded = np.isnan(log_ratio), np.isfinite(ratio[:, :1]) & (ratio[:, :1] > 0)
    low = np.where(never, np.inf, np.maximum(log_ratio, LOG_TINY))
    # no bound: a sign that is certain, or that has no other reason
    return np.where(bounded, low, 0.0), np.where(bounded, np.where(never, -np.inf, log_ratio), np.inf)


def _triggered(network: CompiledModel, k: int) -> _Bounder:
    """Bound what risk factors do by what their component triggers; the alarm's cause may be there without."""
    targets, causes = network.tables.components[k].targets, list(network.model.causes)
    triggered = np.zeros((1 << len(targets), len(causes)), dtype=bool)
    triggered[:, targets] = np.arange(len(triggered))[:, None] >> np.arange(len(targets))[::-1] & 1
    return _Bounder(triggered, np.ones(len(triggered), dtype=bool), causes.index(network.model.alarm.cause))
