"""The alarm for the cause that must not be missed, and the red flags.

A level is the highest that the posterior, any rule of the model file, or any
other reading of the case asks for. Rules look at the evidence alone, and
readings take signs back (`kneebayes.readings`), so no other explanation talks
a sign down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference import UNKNOWN, Engine, Network
from kneebayes.likelihood import Unsure
from kneebayes.model import AlarmRule
from kneebayes.readings import Readings
from kneebayes.thresholds import LEVELS, Thresholds
from kneebayes.variables import Condition

__all__ = ["LEVELS", "Alarm", "AlarmRules", "Thresholds"]

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]


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
        codes: Codes,
        probability: Floats,
        thresholds: Thresholds,
        *,
        sure: Codes | None = None,
        causes: Floats | None = None,
        unsure: Sequence[Unsure] = (),
        engine: Engine = "auto",
    ) -> Codes:
        """Give the level of every case of a batch.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The evidence, an unsure answer as the state it favours.
        probability : ndarray, shape (n,)
            Posterior of the alarm's cause.
        thresholds : Thresholds
            When to warn.
        sure : ndarray of int8, shape (variables, n), optional
            The evidence without unsure answers, which leave a question open.
        causes : ndarray, shape (n, causes), optional
            Posteriors of all causes, for speed.
        unsure : sequence of Unsure
            The unsure answers.
        engine : {"auto", "numpy", "numba"}
            As for `Network.posteriors`.

        Returns
        -------
        ndarray of int8, shape (n,)
            Places in `LEVELS`.
        """
        sure = codes if sure is None else sure
        own = thresholds.levels(probability)
        ruled = np.maximum(own, self._ruled(self._unanswered(sure), [self._fires(rule, codes) for rule in self._rules]))
        worth = self._worth(ruled, thresholds)
        read, _ = self.readings.gravest(sure, probability, worth, causes=causes, unsure=unsure, engine=engine)
        return np.maximum(ruled, thresholds.levels(read))

    def floor(
        self,
        codes: Codes,
        probability: Floats,
        thresholds: Thresholds,
        *,
        sure: Codes,
        unsure: Sequence[Unsure] = (),
        engine: Engine = "auto",
    ) -> Codes:
        """Give the level that is left whatever the probability: by rules, open questions and graver readings.

        Parameters
        ----------
        codes, probability, thresholds, sure, unsure, engine
            As for `levels`.

        Returns
        -------
        ndarray of int8, shape (n,)
            Places in `LEVELS`. A reading counts where it asks for more than
            the case itself does.
        """
        own = thresholds.levels(probability)
        ruled = self._ruled(self._unanswered(sure), [self._fires(rule, codes) for rule in self._rules])
        whole = self.levels(codes, probability, thresholds, sure=sure, unsure=unsure, engine=engine)
        return np.where(whole > np.maximum(own, ruled), whole, ruled)

    @staticmethod
    def _worth(level: Codes, thresholds: Thresholds) -> Floats:
        """Say from which probability a reading would raise a level."""
        worth = np.full(len(level), np.inf)
        worth[level < LEVELS.index("urgent")] = thresholds.urgent
        worth[level < LEVELS.index("caution")] = thresholds.caution
        return worth

    def _ruled(self, unanswered: NDArray[np.bool_], fires: list[NDArray[np.bool_]]) -> Codes:
        level = np.zeros(unanswered.shape[1], dtype=np.int8)
        level[unanswered.any(axis=0)] = LEVELS.index("not_assessed")
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

    def assess(
        self,
        codes: Codes,
        probability: float,
        thresholds: Thresholds,
        *,
        sure: Codes | None = None,
        causes: Floats | None = None,
        unsure: Sequence[Unsure] = (),
    ) -> Alarm:
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
        causes : ndarray, shape (1, causes), optional
            Posteriors of all causes, for speed.
        unsure : sequence of Unsure
            The unsure answers.

        Returns
        -------
        Alarm
            Level, reasons, and the questions that are still open.
        """
        alarm, sure = self.model.alarm, codes if sure is None else sure
        unanswered = self._unanswered(sure)
        fires = [self._fires(rule, codes) for rule in self._rules]
        own = np.array([probability])
        ruled = np.maximum(thresholds.levels(own), self._ruled(unanswered, fires))
        read, taken = self.readings.gravest(sure, own, self._worth(ruled, thresholds), causes=causes, unsure=unsure)
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
                said = variable.state_labels.get(state, state.replace("_", " "))
                facts.append(
                    variable.label if variable.states == ("absent", "present") else f"{variable.label}: {said}"
                )
        return "; ".join(facts)
