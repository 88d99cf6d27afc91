"""From evidence to posteriors, the alarm and red flags: the one way for a single case and for tables of them.

The level of the alarm, for the cause that must not be missed, is the highest that the posterior, any rule of the model
file, or any retraction of the case asks for. Rules look at the evidence alone, so no other explanation talks a sign
down; retractions are needed as a sign may do that itself.

In a Bayesian network a sign can lower the very cause it speaks for, where it speaks even more for another one that
explains the rest (explaining away). That is right for a probability and wrong for an alarm. So the alarm looks at
every retraction of a case, which is the case with some of its signs taken back (*absent*; *unknown* where a variable
has more than two states), and takes the highest posterior. This is the mildest alarm that no sign can make milder:
what a case without the sign asks for, the case with the sign has among its own retractions.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from kneebayes.cases.problems import Kind, Why, why
from kneebayes.diagnosis.retractions import Retractions
from kneebayes.errors import ThresholdError, UnknownNameError, check_kind, check_number, nearest
from kneebayes.inference.evidence import UNKNOWN, Codes, Evidence
from kneebayes.inference.network import CompiledModel, Engine, Posteriors
from kneebayes.spec.model_spec import LEVELS, AlarmRule, Condition, ModelSpec
from kneebayes.templates import percent

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOT_ASSESSED, CAUTION, URGENT = (LEVELS.index(level) for level in ("not_assessed", "caution", "urgent"))


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
        for name, value in {"caution": self.caution, "urgent": self.urgent}.items():
            check_number(name, value)
            object.__setattr__(self, name, float(value))  # of 32 bits it would be compared in as many
        if not 0 < self.caution <= self.urgent <= 1:
            raise ThresholdError(
                f"thresholds caution {self.caution:g} and urgent {self.urgent:g}: both must lie in (0, 1], caution not "
                "above urgent; give both where only one was given"
            )

    @classmethod
    def of(cls, model: ModelSpec, *, caution: float | None = None, urgent: float | None = None) -> Thresholds:
        """Take the thresholds of a model file, except where the caller sets one.

        Parameters
        ----------
        model : ModelSpec
            A checked model file.
        caution, urgent : float, optional
            The caller's own; where one passes the other of the model, the caller gives both.

        Returns
        -------
        Thresholds
            Checked.

        Raises
        ------
        ThresholdError
            If they lie outside (0, 1] or caution lies above urgent.
        """
        check_kind(model, "alarm", "kb.Thresholds.of(model.file)")
        own = model.alarm.thresholds
        caution = own["caution"].p if caution is None else caution
        return cls(caution, own["urgent"].p if urgent is None else urgent)

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
            The urgent threshold, not under what the harms make of caution.

        Returns
        -------
        Thresholds
            Caution at ``false_alarm / (false_alarm + miss)`` (Pauker and Kassirer 1975).

        Raises
        ------
        ThresholdError
            If a harm is not over 0, or caution lies above urgent.
        """
        for name, value in {"miss": miss, "false_alarm": false_alarm}.items():
            check_number(name, value)
        miss, false_alarm = float(miss), float(false_alarm)
        if not (miss > 0 and false_alarm > 0 and np.isfinite([miss, false_alarm]).all()):
            raise ThresholdError(f"harms miss {miss:g} and false_alarm {false_alarm:g} must be finite and over 0")
        return cls(false_alarm / (false_alarm + miss), urgent)

    def levels(self, probability: NDArray[np.float64]) -> NDArray[np.int8]:
        """Say which level a probability alone asks for.

        Parameters
        ----------
        probability : ndarray
            Of the alarm's cause.

        Returns
        -------
        ndarray of int8
            Places in `LEVELS`, of the same shape.

        Raises
        ------
        ThresholdError
            If a probability is not a number: it must not pass for a low one.

        Examples
        --------
        >>> [LEVELS[place] for place in Thresholds(0.02, 0.1).levels(np.array([0.01, 0.02, 0.5]))]
        ['low', 'caution', 'urgent']
        """
        probability = np.asarray(probability)
        if probability.dtype.kind not in "fiu":
            raise ThresholdError(f"{probability.dtype} is no kind of probabilities: thresholds.levels([0.03, 0.2])")
        if np.isnan(probability).any():
            raise ThresholdError("a probability that is not a number has no alarm level")
        level = np.zeros(np.shape(probability), dtype=np.int8)
        level[probability >= self.caution] = LEVELS.index("caution")
        level[probability >= self.urgent] = LEVELS.index("urgent")
        return level


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


@dataclass(frozen=True)
class Contradiction:
    """A smallest set of values that the model holds impossible together, by variable; empty if soft answers do it."""

    values: dict[str, str]

    @property
    def why(self) -> Why:
        """Which they are, and what to do."""
        if not self.values:
            return why(Kind.IMPOSSIBLE_SOFT)
        said = " and ".join(f"{name}={value}" for name, value in self.values.items())
        kind = Kind.IMPOSSIBLE if len(self.values) == 1 else Kind.IMPOSSIBLE_TOGETHER
        return why(kind, said=said, names=" and ".join(self.values))


@dataclass(frozen=True, eq=False)
class Assessment:
    """What is to be said of n cases: posteriors, alarm levels (places in `LEVELS`) and red flags.

    ``by_posterior`` and ``by_rules``, int8, (n,), are the levels that the posterior, and that rules and open
    questions ask for. ``highest``, (n,), is the highest posterior of the alarm's cause over the case and its
    retractions as far as they matter, and ``retracted``, int64, (n,), the signs retracted for it, as bits.
    ``fires`` is bool, (rules, n), ``unanswered`` (key questions, n), and ``flags`` (red flags, n).

    A case that the model holds impossible is graded as if the cause were certain: nobody is to take it for a low one.
    """

    assessor: Assessor
    evidence: Evidence
    thresholds: Thresholds
    posteriors: Posteriors
    by_posterior: Codes
    by_rules: Codes
    highest: Floats
    retracted: NDArray[np.int64]
    fires: Bools
    unanswered: Bools
    flags: Bools

    @property
    def impossible(self) -> Bools:
        """Which cases the model holds impossible, (n,)."""
        return np.isneginf(self.posteriors.log_evidence)

    @property
    def levels(self) -> Codes:
        """Level of the alarm, (n,)."""
        return np.maximum(np.maximum(self.by_posterior, self.by_rules), self.thresholds.levels(self.highest))

    @property
    def floor(self) -> Codes:
        """The level that is left whatever the posterior, (n,): by rules, open questions and retractions.

        A retraction counts where it asks for more than the case itself does.
        """
        levels = self.levels
        return np.where(levels > np.maximum(self.by_posterior, self.by_rules), levels, self.by_rules)

    def red_flags(self, case: int = 0) -> list[str]:
        """Variables that raise a red flag in a case."""
        return [name for name, raised in zip(self.assessor.flags, self.flags[:, case], strict=True) if raised]

    def alarm(self, case: int = 0) -> Alarm:
        """Say the alarm of a case with reasons in words."""
        assessor, thresholds = self.assessor, self.thresholds
        model, codes = assessor.model, self.evidence[[case]].hardened()
        probability = float(self.posteriors.values[case, assessor.column])
        level = int(self.levels[case])
        label = model.causes[model.alarm.cause].label
        fired = [rule for rule, fires in zip(model.alarm.rules, self.fires[:, case], strict=True) if fires]
        asked = list(compress(model.alarm.key_questions, self.unanswered[:, case]))
        reasons = []
        if probability >= thresholds.caution:
            urgent = probability >= thresholds.urgent
            name, threshold = ("urgent", thresholds.urgent) if urgent else ("caution", thresholds.caution)
            reason = f"P({label}) is {percent(probability)}, at or over the {name} threshold of {100 * threshold:.3g}%"
            reasons.append((LEVELS.index(name), reason))
        reasons += [
            (LEVELS.index(rule.level), f"{rule.reason} ({assessor.facts({**rule.when, **rule.any_of}, codes)})")
            for rule in fired
        ]
        if level > max(self.by_posterior[case], self.by_rules[case]):
            signs = assessor.retractions.said(int(self.retracted[case]))
            would = f"P({label}) would be {percent(float(self.highest[case]))} {signs}"
            if not signs:
                would = f"too many signs of {label} have other causes too for all choices of them to be looked at"
            reasons.append((level, f"{would}, and a sign never makes the alarm milder"))
        if not fired and probability < thresholds.caution:
            shown = f"{100 * thresholds.caution:.3g}%"
            reason = f"P({label}) is {percent(probability)}, under the caution threshold of {shown}"
            reasons.append((0, reason))
            if asked:
                reasons.append((0, f"{len(asked)} of {len(model.alarm.key_questions)} key questions have no answer"))
        said = [reason for _, reason in sorted(reasons, key=lambda graded: -graded[0])]
        return Alarm(LEVELS[level], probability, said, asked, model.alarm.advice[LEVELS[level]])  # type: ignore[index]


class Assessor:
    """A compiled model with its alarm and red flags: evidence in, assessments out.

    ``flags`` maps a variable to the states that raise its red flag.
    """

    def __init__(self, network: CompiledModel) -> None:
        self.network = network
        self.model = network.model
        self.column = network.columns.index(self.model.alarm.cause)
        self.retractions = Retractions(network)
        self._rows = {name: row for row, name in enumerate(network.variables)}
        self._lookups: dict[tuple[str, tuple[str, ...]], tuple[int, Bools]] = {}
        # row of a key question, and by code, the last place being UNKNOWN, -1, whether it leaves the question open
        self._open = {
            question: (
                self._row(question),
                np.array([*(self.model.answer(question, event) is None for event in events), True]),
            )
            for question in self.model.alarm.key_questions
            for events in [self.model.events[self.model.about(question)]]
        }
        self._constrained = {
            name for name in self.model.alarm.key_questions if name in self.model.risks and network.constrained(name)
        }
        self.flags: dict[str, tuple[str, ...]] = {}
        for flag in self.model.red_flags:
            for name, states in flag.any_of.items():
                self.flags[name] = tuple(dict.fromkeys([*self.flags.get(name, ()), *states]))

    def assess(
        self, evidence: Evidence, thresholds: Thresholds, *, posteriors: Posteriors, engine: Engine = "auto"
    ) -> Assessment:
        """Assess cases by their posteriors.

        Rules take a soft answer for the state that it favours; a key question it leaves open.
        """
        if not isinstance(thresholds, Thresholds):
            raise ThresholdError(
                f"thresholds are a pair, not {thresholds!r}: thresholds=kb.Thresholds(caution=0.02, urgent=0.1)"
            )
        codes = evidence.hardened()
        fires = self._table([self._fires(rule, codes) for rule in self.model.alarm.rules], evidence.n)
        unanswered = self._table(
            [self._unanswered(q, evidence.codes) for q in self.model.alarm.key_questions], evidence.n
        )
        by_rules = np.where(unanswered.any(axis=0), np.int8(NOT_ASSESSED), np.int8(0))
        for rule, fired in zip(self.model.alarm.rules, fires, strict=True):
            np.maximum(by_rules, fired * np.int8(LEVELS.index(rule.level)), out=by_rules)
        probability = np.where(np.isneginf(posteriors.log_evidence), 1.0, posteriors.values[:, self.column])
        by_posterior = thresholds.levels(probability)
        level, worth = np.maximum(by_posterior, by_rules), np.full(evidence.n, np.inf)
        worth[level < URGENT] = thresholds.urgent  # from which probability a retraction would raise the level
        worth[level < CAUTION] = thresholds.caution
        causes = posteriors.values[:, : len(self.model.causes)]
        highest, retracted = self.retractions.max_posterior(evidence, probability, worth, causes=causes, engine=engine)
        grades = by_posterior, by_rules, highest, retracted
        return Assessment(self, evidence, thresholds, posteriors, *grades, fires, unanswered, self.red_flags(codes))

    def red_flags(self, codes: Codes) -> Bools:
        """Which red flags each case has, (flags, n), in the order of ``flags``; soft answers are hardened."""
        return self._table([self.holds(name, states, codes) for name, states in self.flags.items()], codes.shape[1])

    def contradiction(self, evidence: Evidence) -> Contradiction:
        """Find which values of one case the model holds impossible together: without any one the rest is possible."""

        def impossible(codes: Codes) -> bool:
            return bool(np.isneginf(self.network.posteriors(Evidence(codes)).log_evidence[0]))

        case = evidence.hardened().copy()
        if not impossible(case):
            return Contradiction({})
        for row in np.flatnonzero(case[:, 0] != UNKNOWN):
            trial = case.copy()
            trial[row] = UNKNOWN
            if impossible(trial):
                case = trial
        values: dict[str, str] = {}
        for name, code in zip(self.network.variables, case[:, 0].tolist(), strict=True):
            values |= self.model.said(name, code) if code != UNKNOWN else {}
        return Contradiction(values)

    def facts(self, condition: Condition, codes: Codes) -> str:
        """Name the facts of one case that meet a condition."""
        facts: dict[str, None] = {}
        for asked, states in condition.items():
            if self.holds(asked, states, codes)[0]:
                name, code = self.model.about(asked), int(codes[self._row(asked), 0])
                answer = self.model.answer(asked, self.model.events[name][code])
                for told, value in ({asked: answer} if answer else self.model.said(name, code)).items():
                    known = self.model.askable[told]
                    facts[known.label if known.is_yes_no else f"{known.label}: {known.say(value)}"] = None
        return "; ".join(facts)

    @staticmethod
    def _table(rows: list[Bools], n: int) -> Bools:
        return np.array(rows, dtype=bool).reshape(len(rows), n)

    def _unanswered(self, question: str, codes: Codes) -> Bools:
        """Which cases leave a key question open; one whose answer is certain counts as answered."""
        row, lookup = self._open[question]
        unknown: Bools = lookup[codes[row]]
        if question in self._constrained and unknown.any():
            where = np.flatnonzero(unknown)
            unknown[where] = self.network.possible_states(codes[:, where], question).sum(axis=1) != 1
        return unknown

    def _fires(self, rule: AlarmRule, codes: Codes) -> Bools:
        fires = np.ones(codes.shape[1], dtype=bool)
        for name, states in rule.when.items():
            fires &= self.holds(name, states, codes)
        if rule.any_of and fires.any():
            fires &= np.logical_or.reduce([self.holds(name, states, codes) for name, states in rule.any_of.items()])
        return fires

    def holds(self, name: str, states: tuple[str, ...], codes: Codes) -> Bools:
        """Say which cases are known to be in some states of a variable, or to have some answers to a column, (n,)."""
        found = self._lookups.get((name, states))
        if found is None:
            variable, meant = self.model.meaning(name, states)
            # the last place is that of UNKNOWN, -1
            lookup = np.array([*(event <= meant for event in self.model.events[variable]), False])
            found = self._lookups[name, states] = self._row(name), lookup
        row, lookup = found
        holds: Bools = lookup[codes[row]]
        return holds

    def _row(self, name: str) -> int:
        """Find the row of the codes that speaks of a variable, or of a column that says part of one."""
        return self._rows[self.model.about(name)]


def column_of(network: CompiledModel, target: str) -> int:
    """Column of the posteriors, by name; UnknownNameError with the nearest match if there is none."""
    if not isinstance(target, str) or target not in network.columns:
        raise UnknownNameError(
            f"no target '{target}': give one of {', '.join(network.columns)}.{nearest(target, network.columns)}"
        )
    return network.columns.index(target)
