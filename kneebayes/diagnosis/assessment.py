"""From evidence to posteriors, alarm levels and red flags: the one way for a single case and for tables of them.

A level is the highest that the posterior, any rule of the model file, or any retraction of the case asks for
(`kneebayes.diagnosis.alarm`). Rules look at the evidence alone, so no other explanation talks a sign down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.diagnosis.alarm import MAX_RETRACTED, Alarm, Retractions, Thresholds
from kneebayes.errors import UnknownNameError, nearest
from kneebayes.inference.evidence import UNKNOWN, Codes, Evidence
from kneebayes.inference.network import CompiledModel, Engine, Posteriors
from kneebayes.spec.model_spec import LEVELS, AlarmRule, Condition

__all__ = [
    "Assessment",
    "Assessor",
    "Contradiction",
    "column_of",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
NOT_ASSESSED, CAUTION, URGENT = (LEVELS.index(level) for level in ("not_assessed", "caution", "urgent"))
SOFT_IMPOSSIBLE = "impossible by the model: no states that the unsure answers allow fit the rest; mend one of them"


@dataclass(frozen=True)
class Contradiction:
    """A smallest set of values that the model holds impossible together, by variable; empty if soft answers do it."""

    values: dict[str, str]

    @property
    def reason(self) -> str:
        """Which they are, and what to do."""
        if not self.values:
            return SOFT_IMPOSSIBLE
        said = " and ".join(f"{name}={value}" for name, value in self.values.items())
        return f"impossible by the model: {said} contradict each other; mend one of them"


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
        asked = np.array(model.alarm.key_questions)[self.unanswered[:, case]].tolist()
        reasons = []
        if probability >= thresholds.caution:
            urgent = probability >= thresholds.urgent
            name, threshold = ("urgent", thresholds.urgent) if urgent else ("caution", thresholds.caution)
            reason = f"P({label}) is {probability:.1%}, at or over the {name} threshold of {100 * threshold:.3g}%"
            reasons.append((LEVELS.index(name), reason))
        reasons += [
            (LEVELS.index(rule.level), f"{rule.reason} ({assessor.facts({**rule.when, **rule.any_of}, codes)})")
            for rule in fired
        ]
        if level > max(self.by_posterior[case], self.by_rules[case]):
            retracted = assessor.retractions.names(int(self.retracted[case]))
            signs = ", ".join(f"'{model.variables[name].label}'" for name in retracted)
            would = f"P({label}) would be {self.highest[case]:.1%} without {signs}"
            if not signs:
                would = f"over {MAX_RETRACTED} signs of {label} have other causes too"
            reasons.append((level, f"{would}, and a sign never makes the alarm milder"))
        if not fired and probability < thresholds.caution:
            reason = f"P({label}) is {probability:.1%}, under the caution threshold of {100 * thresholds.caution:.3g}%"
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
        self._lookups: dict[tuple[str, tuple[str, ...]], Bools] = {}
        self._constrained = {
            name for name in self.model.alarm.key_questions if name in self.model.risks and network.constrained(name)
        }
        self.flags: dict[str, tuple[str, ...]] = {}
        for flag in self.model.red_flags:
            for name, states in flag.any_of.items():
                self.flags[name] = tuple(dict.fromkeys([*self.flags.get(name, ()), *states]))

    def assess(
        self,
        evidence: Evidence,
        thresholds: Thresholds,
        *,
        posteriors: Posteriors | None = None,
        engine: Engine = "auto",
    ) -> Assessment:
        """Assess cases, by posteriors that are known already if they are handed in.

        Rules take a soft answer for the state that it favours; a key question it leaves open.
        """
        posteriors = posteriors or self.network.posteriors(evidence, engine=engine)
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
        return self._table([self._holds(name, states, codes) for name, states in self.flags.items()], codes.shape[1])

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
        names = [self.network.variables[row] for row in np.flatnonzero(case[:, 0] != UNKNOWN)]
        return Contradiction({name: self.model.variables[name].states[case[self._rows[name], 0]] for name in names})

    def facts(self, condition: Condition, codes: Codes) -> str:
        """Name the facts of one case that meet a condition."""
        facts = []
        for name, states in condition.items():
            if self._holds(name, states, codes)[0]:
                variable = self.model.variables[name]
                state = variable.states[codes[self._rows[name], 0]]
                facts.append(variable.label if variable.is_yes_no else f"{variable.label}: {variable.say(state)}")
        return "; ".join(facts)

    @staticmethod
    def _table(rows: list[Bools], n: int) -> Bools:
        return np.array(rows, dtype=bool).reshape(len(rows), n)

    def _unanswered(self, question: str, codes: Codes) -> Bools:
        """Which cases leave a key question open; one whose answer is certain counts as answered."""
        unknown: Bools = codes[self._rows[question]] == UNKNOWN
        if question in self._constrained and unknown.any():
            where = np.flatnonzero(unknown)
            unknown[where] = self.network.possible_states(codes[:, where], question).sum(axis=1) != 1
        return unknown

    def _fires(self, rule: AlarmRule, codes: Codes) -> Bools:
        fires = np.ones(codes.shape[1], dtype=bool)
        for name, states in rule.when.items():
            fires &= self._holds(name, states, codes)
        if rule.any_of and fires.any():
            fires &= np.logical_or.reduce([self._holds(name, states, codes) for name, states in rule.any_of.items()])
        return fires

    def _holds(self, name: str, states: tuple[str, ...], codes: Codes) -> Bools:
        if (name, states) not in self._lookups:
            known = self.model.variables[name].states
            # the last place is that of UNKNOWN, -1
            self._lookups[name, states] = np.array([*(state in states for state in known), False])
        holds: Bools = self._lookups[name, states][codes[self._rows[name]]]
        return holds


def column_of(network: CompiledModel, target: str) -> int:
    """Column of the posteriors, by name; UnknownNameError with the nearest match if there is none."""
    if target not in network.columns:
        raise UnknownNameError(
            f"no target '{target}': give one of {', '.join(network.columns)}.{nearest(target, network.columns)}"
        )
    return network.columns.index(target)
