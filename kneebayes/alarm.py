"""The alarm for the cause that must not be missed, and the red flags.

A level is the highest that the posterior or any rule of the model file asks
for. Rules look at the evidence alone, so no other explanation talks them down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ThresholdError
from kneebayes.inference import UNKNOWN, Network
from kneebayes.model import AlarmRule, ModelFile
from kneebayes.variables import Condition

__all__ = ["LEVELS", "Alarm", "AlarmRules", "Thresholds"]

LEVELS = ("low", "not_assessed", "caution", "urgent", "emergency")
Codes = NDArray[np.int8]


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
    def of(cls, model: ModelFile, *, caution: float | None = None, urgent: float | None = None) -> Thresholds:
        """Take the thresholds of a model file, except where the caller sets one.

        Parameters
        ----------
        model : ModelFile
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
    network : Network
        The compiled model.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.model = network.model
        self._rows = {name: row for row, name in enumerate(network.variables)}
        self.column = network.columns.index(self.model.alarm.cause)
        self._rules = self.model.alarm.rules
        self._lookups: dict[tuple[str, tuple[str, ...]], NDArray[np.bool_]] = {}
        self.flags: dict[str, tuple[str, ...]] = {}
        for flag in self.model.red_flags:
            for name, states in flag.any_of.items():
                self.flags[name] = tuple(dict.fromkeys([*self.flags.get(name, ()), *states]))

    def levels(
        self, codes: Codes, probability: NDArray[np.float64], thresholds: Thresholds, *, sure: Codes | None = None
    ) -> Codes:
        """Give the level of every case of a batch.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The evidence.
        probability : ndarray, shape (n,)
            Posterior of the alarm's cause.
        thresholds : Thresholds
            When to warn.
        sure : ndarray of int8, shape (variables, n), optional
            The evidence without unsure answers, which leave a question open.

        Returns
        -------
        ndarray of int8, shape (n,)
            Places in `LEVELS`.
        """
        unanswered = self._unanswered(codes if sure is None else sure)
        return self._levels(probability, thresholds, unanswered, [self._fires(rule, codes) for rule in self._rules])

    def _levels(
        self,
        probability: NDArray[np.float64],
        thresholds: Thresholds,
        unanswered: NDArray[np.bool_],
        fires: list[NDArray[np.bool_]],
    ) -> Codes:
        level = np.zeros(len(probability), dtype=np.int8)
        level[unanswered.any(axis=0)] = LEVELS.index("not_assessed")
        level[probability >= thresholds.caution] = LEVELS.index("caution")
        level[probability >= thresholds.urgent] = LEVELS.index("urgent")
        for rule, fired in zip(self._rules, fires, strict=True):
            np.maximum(level, fired * np.int8(LEVELS.index(rule.level)), out=level)
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

    def assess(self, codes: Codes, probability: float, thresholds: Thresholds, *, sure: Codes | None = None) -> Alarm:
        """Assess one case, with reasons in words.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, 1)
            The evidence.
        probability : float
            Posterior of the alarm's cause.
        thresholds : Thresholds
            When to warn.
        sure : ndarray of int8, shape (variables, 1), optional
            The evidence without unsure answers, which leave a question open.

        Returns
        -------
        Alarm
            Level, reasons, and the questions that are still open.
        """
        alarm = self.model.alarm
        unanswered = self._unanswered(codes if sure is None else sure)
        fires = [self._fires(rule, codes) for rule in self._rules]
        level = LEVELS[self._levels(np.array([probability]), thresholds, unanswered, fires)[0]]
        label = self.model.causes[alarm.cause].label
        fired = [rule for rule, own in zip(self._rules, fires, strict=True) if own[0]]
        fired.sort(key=lambda rule: -LEVELS.index(rule.level))
        reasons = [f"{rule.reason} ({self._facts({**rule.when, **rule.any_of}, codes)})" for rule in fired]
        asked = np.array(alarm.key_questions)[unanswered[:, 0]].tolist()
        if probability >= thresholds.caution:
            name, threshold = (
                ("urgent", thresholds.urgent) if probability >= thresholds.urgent else ("caution", thresholds.caution)
            )
            reason = f"P({label}) is {probability:.1%}, at or over the {name} threshold of {threshold:.2g}"
            reasons.insert(sum(LEVELS.index(rule.level) > LEVELS.index(name) for rule in fired), reason)
        elif not fired:
            reasons.append(f"P({label}) is {probability:.1%}, under the caution threshold of {thresholds.caution:.2g}")
            if asked:
                reasons.append(f"{len(asked)} of {len(alarm.key_questions)} key questions have no answer")
        return Alarm(level, probability, reasons, asked, alarm.advice[level])  # type: ignore[index]

    def _unanswered(self, codes: Codes) -> NDArray[np.bool_]:
        """Key questions without an answer, shape (questions, n); one whose answer is certain counts as answered."""
        open_ = []
        for name in self.model.alarm.key_questions:
            unknown = codes[self._rows[name]] == UNKNOWN
            if name in self.model.risks and unknown.any():
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
                said = variable.state_labels.get(state, state.replace("_", " "))
                facts.append(
                    variable.label if variable.states == ("absent", "present") else f"{variable.label}: {said}"
                )
        return "; ".join(facts)
