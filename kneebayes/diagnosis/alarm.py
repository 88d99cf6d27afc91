"""The alarm for the cause that must not be missed, and the red flags.

In a Bayesian network a sign can lower the very cause it speaks for, where it
speaks even more for another one that explains the rest (explaining away).
That is right for a probability and wrong for an alarm. So the alarm looks at
every reading of a case in which some of its signs are taken back (*absent*;
*unknown* where a variable has more than two states) and takes the gravest.
This is the mildest alarm that no sign can make milder: what a reading without
the sign asks for, the case with the sign has among its own readings.

A sign that cannot lower the cause, whatever else is known, need not be taken
back. That is proved for each sign from the model's tables:

- a finding f, if ``min P(f | cause, others) >= max P(f | no cause, others)``
  over all states of the other causes: its likelihood ratio is over 1 then;
- a risk factor, if its group triggers no other cause, and triggers this one
  no less often with the sign than without it.

For the others the odds of the cause in a reading are bounded, so that one which
can't reach the next threshold is not computed. Taking signs back multiplies
P(evidence, state of everything else) by a ratio r of that state, and so the odds of
the cause by ``E(r | cause) / E(r | no cause)``. Above, that is at most the largest r.
Below, it is at least ``q + (1 - q) * (the smallest r)``, with r = 1 where none of the
other causes that the signs speak for is there, and q the probability of that,
at least ``1 - sum(P(other)) / P(no cause)``, by the posteriors that are known already.

A level is the highest that the posterior, any rule of the model file, or any
other reading of the case asks for. Rules look at the evidence alone, and
readings take signs back (`kneebayes.diagnosis.alarm`), so no other explanation talks
a sign down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ThresholdError
from kneebayes.inference.evidence import UNKNOWN, Codes, Evidence
from kneebayes.inference.network import CompiledModel, Engine
from kneebayes.inference.tables import Component
from kneebayes.spec.model_spec import LEVELS, AlarmRule, Condition, ModelSpec

__all__ = [
    "Alarm",
    "AlarmRules",
    "Readings",
    "Thresholds",
]


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from which the alarm is at caution and at urgent.

    Attributes
    ----------
    caution, urgent : float
        In (0, 1], caution not above urgent.

    Examples
    --------
    >>> Thresholds.from_harms(miss=49, false_alarm=1)
    Thresholds(caution=0.02, urgent=0.1)
    """

    caution: float
    urgent: float

    def __post_init__(self) -> None:
        if not 0 < self.caution <= self.urgent <= 1:
            raise ThresholdError(
                f"thresholds caution {self.caution:g} and urgent {self.urgent:g}: "
                "both must lie in (0, 1], caution not above urgent"
            )

    @classmethod
    def of(cls, model: ModelSpec, *, caution: float | None = None, urgent: float | None = None) -> Thresholds:
        """Take the thresholds of a model file, except where the caller sets one.

        Parameters
        ----------
        model : ModelSpec
            A checked model file.
        caution, urgent : float, optional
            The caller's own. A caution threshold over the model's urgent one
            takes that up with it.

        Returns
        -------
        Thresholds
            Checked.

        Raises
        ------
        ThresholdError
            If they lie outside (0, 1] or caution lies above urgent.
        """
        own = model.alarm.thresholds
        caution = own["caution"].p if caution is None else caution
        return cls(caution, max(own["urgent"].p, caution) if urgent is None else urgent)

    @classmethod
    def from_harms(cls, *, miss: float, false_alarm: float, urgent: float = 0.10) -> Thresholds:
        """Set the caution threshold where a miss and a false alarm weigh the same.

        Parameters
        ----------
        miss : float
            Harm of missing the cause, in any unit, over 0.
        false_alarm : float
            Harm of a false alarm, in the same unit, over 0.
        urgent : float, default 0.10
            The urgent threshold; raised to the caution threshold if that is higher.

        Returns
        -------
        Thresholds
            Caution at ``false_alarm / (false_alarm + miss)`` (Pauker and
            Kassirer 1975).

        Raises
        ------
        ThresholdError
            If a harm is not over 0.
        """
        if not (miss > 0 and false_alarm > 0 and np.isfinite([miss, false_alarm]).all()):
            raise ThresholdError(f"harms miss {miss:g} and false_alarm {false_alarm:g} must be finite and over 0")
        caution = false_alarm / (false_alarm + miss)
        return cls(caution, max(urgent, caution))

    def levels(self, probability: NDArray[np.float64]) -> NDArray[np.int8]:
        """Say which level a probability alone asks for.

        Parameters
        ----------
        probability : ndarray
            Of the alarm's cause.

        Returns
        -------
        ndarray of int8
            Places in `LEVELS`, of the same shape; low where the probability is NaN.

        Examples
        --------
        >>> [LEVELS[place] for place in Thresholds(0.02, 0.1).levels(np.array([0.01, 0.02, 0.5]))]
        ['low', 'caution', 'urgent']
        """
        level = np.zeros(np.shape(probability), dtype=np.int8)
        level[probability >= self.caution] = LEVELS.index("caution")
        level[probability >= self.urgent] = LEVELS.index("urgent")
        return level


Floats = NDArray[np.float64]
MAX_TAKEN_BACK = 12
PAIRS = 1 << 17
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class _Sign:
    """A sign that may lower the cause.

    ``held`` is 1 for each state that is the sign, then 0 for unknown, -1; ``instead`` is what takes it back;
    ``others`` tells the causes but the alarm's that it speaks for, and ``log_most`` and ``least`` the extremes of r.
    """

    row: int
    held: NDArray[np.int64]
    instead: int
    others: NDArray[np.bool_]
    log_most: float
    least: float


class _Ways(NamedTuple):
    """Ways to take signs back: which, as bits, the causes they speak for, (causes, ways), and the extremes of r."""

    back: NDArray[np.int64]
    others: Floats
    log_most: Floats
    least: Floats


class Readings:
    """The readings of cases under one model.

    Parameters
    ----------
    network : CompiledModel
        The compiled model; its alarm names the cause and the signs.
    """

    def __init__(self, network: CompiledModel) -> None:
        self.network = network
        self.column = network.columns.index(network.model.alarm.cause)
        self._signs = _doubtful(network)
        self._known_ways: dict[int, _Ways] = {}

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Signs that can lower the cause, or can't be proved not to, by variable name."""
        return tuple(self.network.variables[sign.row] for sign in self._signs)

    def gravest(
        self,
        evidence: Evidence,
        probability: Floats,
        worth: Floats,
        *,
        causes: Floats | None = None,
        engine: Engine = "auto",
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Find the reading of each case with the highest probability of the alarm's cause.

        Parameters
        ----------
        evidence : Evidence
            Of n cases; soft answers are kept in every reading.
        probability : ndarray, shape (n,)
            Posterior of the alarm's cause.
        worth : ndarray, shape (n,)
            Probability that a reading must reach to matter; readings that
            can't are not computed. Infinite for a case without interest.
        causes : ndarray, shape (n, causes), optional
            Posteriors of all causes: they spare most readings.
        engine : {"auto", "numpy", "numba"}
            As for `CompiledModel.posteriors`.

        Returns
        -------
        ndarray, shape (n,)
            The highest probability over the case and its readings, as far as
            they matter. A case with more than 12 doubtful signs takes back at
            most 12 of them, those that may matter most.
        ndarray of int64, shape (n,)
            Which of ``doubtful`` the gravest reading takes back, as bits; 0
            for the case as it is.
        """
        best, taken = probability.copy(), np.zeros(len(probability), dtype=np.int64)
        case, back = self._pairs(evidence.codes, probability, worth, causes)
        for start in range(0, len(case), PAIRS):
            part = slice(start, start + PAIRS)
            own, bits = case[part], back[part]
            trial = evidence[own]
            for place, sign in enumerate(self._signs):
                trial.codes[sign.row, (bits >> place & 1).astype(bool)] = sign.instead
            found = self.network.posteriors(trial, engine=engine).values[:, self.column]
            found = np.where(np.isnan(found), 0.0, found)  # a reading that the model holds impossible
            before = best[own]
            np.maximum.at(best, own, found)
            graver = (found > before) & (found == best[own])
            taken[own[graver]] = bits[graver]
        return best, taken

    def names(self, taken: int) -> list[str]:
        """Name the signs that a reading takes back.

        Parameters
        ----------
        taken : int
            Bits, as `gravest` gives them.

        Returns
        -------
        list of str
            Variables.
        """
        return [name for place, name in enumerate(self.doubtful) if taken >> place & 1]

    def _pairs(
        self, codes: Codes, probability: Floats, worth: Floats, causes: Floats | None
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """List the readings that may matter: the case, and the signs taken back as bits."""
        cases: list[NDArray[np.intp]] = []
        backs: list[NDArray[np.int64]] = []
        signs = np.zeros(codes.shape[1], dtype=np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.log(worth / (1.0 - worth)) - np.log(probability / (1.0 - probability))
        open_ = np.isfinite(needed) & (worth > probability)
        for place, sign in enumerate(self._signs):
            signs |= sign.held[codes[sign.row]] << place
        signs[~open_] = 0
        order = np.argsort(signs, kind="stable")
        order = order[signs[order] > 0]
        present, first = np.unique(signs[order], return_index=True)
        for own, bits in zip(np.split(order, first)[1:], present.tolist(), strict=True):
            ways = self._ways(bits)
            if causes is None:
                none = np.zeros((len(own), len(ways.back)))
            else:
                none = np.maximum(0.0, 1.0 - causes[own] @ ways.others / (1.0 - probability[own, None]))
            with np.errstate(divide="ignore"):
                reach = ways.log_most - np.log(none + (1.0 - none) * ways.least)
            which, way = np.nonzero(reach + ROUNDING >= needed[own, None])
            cases.append(own[which])
            backs.append(ways.back[way])
        if not cases:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int64)
        return np.concatenate(cases), np.concatenate(backs)

    def _ways(self, present: int) -> _Ways:
        """List the ways to take back some of the signs that are present, worked out once."""
        if present not in self._known_ways:
            places = [place for place in range(len(self._signs)) if present >> place & 1]
            places = sorted(places, key=lambda place: -self._signs[place].log_most)[:MAX_TAKEN_BACK]
            back, others = np.zeros(1, dtype=np.int64), np.zeros((1, len(self.network.model.causes)), dtype=bool)
            log_most, least = np.zeros(1), np.ones(1)
            for sign, place in ((self._signs[place], place) for place in places):
                back = np.concatenate([back, back | 1 << place])
                others = np.concatenate([others, others | sign.others])
                log_most = np.concatenate([log_most, log_most + sign.log_most])
                least = np.concatenate([least, least * sign.least])
            self._known_ways[present] = _Ways(back[1:], others[1:].T.astype(float), log_most[1:], least[1:])
        return self._known_ways[present]


def _doubtful(network: CompiledModel) -> list[_Sign]:
    """Find the signs that may lower the cause, with the extremes of what taking them back does."""
    model, tables = network.model, network.tables
    place = list(model.causes).index(model.alarm.cause)
    there, alone = network.joint_states[:, place] > 0, np.arange(len(model.causes)) == place
    doubtful = []
    for name, states in model.alarm_signs.items():
        row = network.variables.index(name)
        held = np.array([*(state in states for state in model.variables[name].states), False], dtype=np.int64)
        if name in model.findings:
            f = list(model.findings).index(name)
            present = 1.0 - tables.absent[f]
            if present[there].min() >= present[~there].max():
                continue
            others = (tables.absent_links[f] != 1.0).any(axis=1) & ~alone
            now, before = present[None], tables.absent[[f]]
            most, least = _extremes(now, before, there)[0], _extremes(now, before, ~there)[1]
            doubtful.append(_Sign(row, held, 0, others, most, least))
            continue
        instead = 0 if len(model.variables[name].states) == 2 else UNKNOWN
        component = next(c for c in tables.components if row in c.rows)
        pairs = [_patterns_with(component, row, code, instead) for code in np.flatnonzero(held).tolist()]
        if component.targets == (place,) and all(_raises(now, before) for now, before in pairs):
            continue
        others = np.isin(np.arange(len(model.causes)), component.targets) & ~alone
        both = [_extremes(now, before) for now, before in pairs]
        doubtful.append(_Sign(row, held, instead, others, max(m for m, _ in both), min(x for _, x in both)))
    return doubtful


def _patterns_with(component: Component, row: int, code: int, instead: int) -> tuple[Floats, Floats]:
    """Rows of a component's table with a sign, and the same with the sign taken back."""
    digit = component.rows.index(row)
    shaped = component.trigger.reshape(*component.radix, -1)
    size = component.trigger.shape[1]
    now = shaped.take([code], axis=digit).reshape(-1, size)
    before = shaped.take([instead], axis=digit).reshape(-1, size)  # the last digit is unknown, -1
    possible = (now.sum(axis=1) > 0) & (before.sum(axis=1) > 0)
    return now[possible], before[possible]


def _raises(now: Floats, before: Floats) -> bool:
    share_now, share_before = (part[:, 1] / part.sum(axis=1) for part in (now, before))
    return bool((share_now >= share_before - ROUNDING).all())


def _extremes(now: Floats, before: Floats, which: slice | NDArray[np.bool_] = slice(None)) -> tuple[float, float]:
    """Logarithm of the largest and value of the smallest ratio, against that of the first column: nothing there."""
    if not len(now):
        return 0.0, 1.0  # nobody can have the sign, or be without it
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = before / now
        if not (np.isfinite(ratio[:, 0]) & (ratio[:, 0] > 0)).all():
            return np.inf, 0.0  # no bound: a sign that is certain, or that has no other reason
        ratio = (ratio / ratio[:, :1])[:, which]
        return float(np.log(np.nanmax(ratio))), float(np.nanmin(ratio))


@dataclass(frozen=True)
class Alarm:
    """The alarm of one case.

    Attributes
    ----------
    level : str
        One of ``low``, ``not_assessed``, ``caution``, ``urgent``, ``emergency``.
    probability : float
        Posterior of the alarm's cause.
    reasons : list of str
        Why this level, in words, the gravest first.
    questions : list of str
        Key questions that have no answer yet, by variable name.
    advice : str
        What to do, in words.
    """

    level: str
    probability: float
    reasons: list[str]
    questions: list[str]
    advice: str


class AlarmRules:
    """The alarm section and red flags of a model, compiled.

    Parameters
    ----------
    network : CompiledModel
        The compiled model.
    """

    def __init__(self, network: CompiledModel) -> None:
        self.network = network
        self.model = network.model
        self._rows = {name: row for row, name in enumerate(network.variables)}
        self.column = network.columns.index(self.model.alarm.cause)
        self._rules = self.model.alarm.rules
        self.readings = Readings(network)
        self._lookups: dict[tuple[str, tuple[str, ...]], NDArray[np.bool_]] = {}
        self._constrained = {
            name for name in self.model.alarm.key_questions if name in self.model.risks and network.constrained(name)
        }
        self.flags: dict[str, tuple[str, ...]] = {}
        for flag in self.model.red_flags:
            for name, states in flag.any_of.items():
                self.flags[name] = tuple(dict.fromkeys([*self.flags.get(name, ()), *states]))

    def levels(
        self,
        evidence: Evidence,
        probability: Floats,
        thresholds: Thresholds,
        *,
        causes: Floats | None = None,
        engine: Engine = "auto",
    ) -> Codes:
        """Give the level of every case of a batch, int8, (n,), as places in `LEVELS`.

        ``probability`` is the posterior of the alarm's cause, (n,); ``causes``, those of all causes, (n, causes),
        spare most readings. Rules take a soft answer for the state it favours; a key question it leaves open.
        """
        ruled = np.maximum(thresholds.levels(probability), self._ruled(evidence))
        worth = self._worth(ruled, thresholds)
        read, _ = self.readings.gravest(evidence, probability, worth, causes=causes, engine=engine)
        return np.maximum(ruled, thresholds.levels(read))

    def floor(
        self, evidence: Evidence, probability: Floats, thresholds: Thresholds, *, engine: Engine = "auto"
    ) -> Codes:
        """Give the level that is left whatever the probability: by rules, open questions and graver readings.

        As for `levels`. A reading counts where it asks for more than the case itself does.
        """
        own, ruled = thresholds.levels(probability), self._ruled(evidence)
        whole = self.levels(evidence, probability, thresholds, engine=engine)
        return np.where(whole > np.maximum(own, ruled), whole, ruled)

    @staticmethod
    def _worth(level: Codes, thresholds: Thresholds) -> Floats:
        """Say from which probability a reading would raise a level."""
        worth = np.full(len(level), np.inf)
        worth[level < LEVELS.index("urgent")] = thresholds.urgent
        worth[level < LEVELS.index("caution")] = thresholds.caution
        return worth

    def _ruled(self, evidence: Evidence) -> Codes:
        """Level that the rules and open questions ask for."""
        codes = evidence.hardened()
        level = np.zeros(evidence.n, dtype=np.int8)
        level[self._unanswered(evidence.codes).any(axis=0)] = LEVELS.index("not_assessed")
        for rule in self._rules:
            np.maximum(level, self._fires(rule, codes) * np.int8(LEVELS.index(rule.level)), out=level)
        return level

    def red_flags(self, codes: Codes) -> NDArray[np.bool_]:
        """Say which red flags each case has.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The evidence.

        Returns
        -------
        ndarray of bool, shape (flags, n)
            In the order of ``flags``, which maps a variable to the states that
            raise its flag.
        """
        return np.array([self._holds(name, states, codes) for name, states in self.flags.items()], dtype=bool).reshape(
            len(self.flags), codes.shape[1]
        )

    def assess(
        self,
        evidence: Evidence,
        probability: float,
        thresholds: Thresholds,
        *,
        causes: Floats | None = None,
    ) -> Alarm:
        """Assess one case, with reasons in words; ``causes`` as for `levels`."""
        alarm, codes, own = self.model.alarm, evidence.hardened(), np.array([probability])
        unanswered = self._unanswered(evidence.codes)
        fires = [self._fires(rule, codes) for rule in self._rules]
        ruled = np.maximum(thresholds.levels(own), self._ruled(evidence))
        read, taken = self.readings.gravest(evidence, own, self._worth(ruled, thresholds), causes=causes)
        graver = thresholds.levels(read)
        level = LEVELS[max(ruled[0], graver[0])]
        label = self.model.causes[alarm.cause].label
        fired = [rule for rule, holds in zip(self._rules, fires, strict=True) if holds[0]]
        asked = np.array(alarm.key_questions)[unanswered[:, 0]].tolist()
        reasons = []
        if probability >= thresholds.caution:
            name = LEVELS[thresholds.levels(own)[0]]
            threshold = thresholds.urgent if name == "urgent" else thresholds.caution
            reason = f"P({label}) is {probability:.1%}, at or over the {name} threshold of {100 * threshold:.3g}%"
            reasons.append((LEVELS.index(name), reason))
        reasons += [
            (LEVELS.index(rule.level), f"{rule.reason} ({self._facts({**rule.when, **rule.any_of}, codes)})")
            for rule in fired
        ]
        if graver[0] > ruled[0]:
            signs = ", ".join(f"'{self.model.variables[name].label}'" for name in self.readings.names(int(taken[0])))
            reason = f"P({label}) would be {read[0]:.1%} without {signs}, and a sign never makes the alarm milder"
            reasons.append((int(graver[0]), reason))
        if not fired and probability < thresholds.caution:
            reason = f"P({label}) is {probability:.1%}, under the caution threshold of {100 * thresholds.caution:.3g}%"
            reasons.append((0, reason))
            if asked:
                reasons.append((0, f"{len(asked)} of {len(alarm.key_questions)} key questions have no answer"))
        said = [reason for _, reason in sorted(reasons, key=lambda graded: -graded[0])]
        return Alarm(level, probability, said, asked, alarm.advice[level])  # type: ignore[index]

    def _unanswered(self, codes: Codes) -> NDArray[np.bool_]:
        """Key questions without an answer, shape (questions, n); one whose answer is certain counts as answered."""
        open_ = []
        for name in self.model.alarm.key_questions:
            unknown = codes[self._rows[name]] == UNKNOWN
            if name in self._constrained and unknown.any():
                where = np.flatnonzero(unknown)
                unknown[where] = self.network.possible_states(codes[:, where], name).sum(axis=1) != 1
            open_.append(unknown)
        return np.array(open_, dtype=bool)

    def _fires(self, rule: AlarmRule, codes: Codes) -> NDArray[np.bool_]:
        fires = np.ones(codes.shape[1], dtype=bool)
        for name, states in rule.when.items():
            fires &= self._holds(name, states, codes)
        if rule.any_of and fires.any():
            fires &= np.logical_or.reduce([self._holds(name, states, codes) for name, states in rule.any_of.items()])
        return fires

    def _holds(self, name: str, states: tuple[str, ...], codes: Codes) -> NDArray[np.bool_]:
        if (name, states) not in self._lookups:
            known = self.model.variables[name].states
            # the last place is that of UNKNOWN, -1
            self._lookups[name, states] = np.array([*(state in states for state in known), False])
        holds: NDArray[np.bool_] = self._lookups[name, states][codes[self._rows[name]]]
        return holds

    def _facts(self, condition: Condition, codes: Codes) -> str:
        """Name the facts of one case that meet a condition."""
        facts = []
        for name, states in condition.items():
            if self._holds(name, states, codes)[0]:
                variable = self.model.variables[name]
                state = variable.states[codes[self._rows[name], 0]]
                facts.append(variable.label if variable.is_yes_no else f"{variable.label}: {variable.say(state)}")
        return "; ".join(facts)
