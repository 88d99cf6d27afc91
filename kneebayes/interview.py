"""An interview: the questions to a person, one after the other, each chosen by the answers so far.

The key questions of the alarm come first, since nothing may be called low
without them. Then the question with the most information per cost, until no
answer is likely to change the level of the alarm or what is most likely. Nothing
here knows of a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kneebayes.alarm import LEVELS
from kneebayes.diagnosis import Diagnosis
from kneebayes.errors import CaseError, nearest
from kneebayes.questions import Question, open_questions
from kneebayes.variables import Cause, Finding, RiskFactor
from kneebayes.vocabulary import ABSENT_PRESENT, UNKNOWN_WORDS, number_of, short

__all__ = ["STOP_BELOW", "End", "Interview"]

STOP_BELOW = 0.05  # probability of a change; tests/benchmarks/questions.py shows what it costs and saves
DO_NOT_KNOW = frozenset({*UNKNOWN_WORDS, "don't know", "dont know", "do not know", "not sure", "dk"})
YES, NO = frozenset({"y", "yes", "true"}), frozenset({"n", "no", "false"})


class End(StrEnum):
    """Why there is no further question."""

    emergency = "emergency"
    settled = "settled"
    exhausted = "exhausted"


@dataclass(frozen=True)
class _Step:
    variable: str
    value: str | None
    before: Diagnosis


class Interview:
    """One case, as far as it is known, and what to ask next.

    Parameters
    ----------
    diagnose : callable
        Makes a diagnosis of a mapping of facts, as `kneebayes.Model.diagnose`.
    facts : mapping, optional
        What is known beforehand.
    stop_below : float, default 0.05
        Ends where no answer changes the level of the alarm, or what is most
        likely, with at least this probability. With 0 everything is asked.

    Attributes
    ----------
    dx : Diagnosis
        By the answers so far.

    Raises
    ------
    CaseError
        If a fact is not allowed, or `stop_below` is no probability.
    """

    def __init__(
        self,
        diagnose: Callable[[Mapping[str, object]], Diagnosis],
        facts: Mapping[str, object] | None = None,
        *,
        stop_below: float = STOP_BELOW,
    ) -> None:
        if not 0 <= stop_below <= 1:
            raise CaseError(f"stop below {stop_below:g}: must be a probability from 0 to 1")
        self._diagnose = diagnose
        self._given = dict(facts or {})
        self._steps: list[_Step] = []
        self._stop_below = stop_below
        self.dx = diagnose(self._given)
        self._choose()

    @property
    def question(self) -> Question | None:
        """What to ask now; None at the end."""
        return self._question

    @property
    def end(self) -> End | None:
        """Why there is no question; None while there is one."""
        return self._end

    @property
    def facts(self) -> dict[str, object]:
        """What was given and answered, in the words it came in."""
        return {**self._given, **{step.variable: step.value for step in self._steps if step.value is not None}}

    @property
    def n_asked(self) -> int:
        """How many questions have been asked."""
        return len(self._steps)

    def choices(self) -> list[str]:
        """Name the answers to choose from by number; none for yes or no, or an amount.

        Returns
        -------
        list of str
            In words, number 1 first.
        """
        if self._question is None or self._unit() is not None:
            return []
        variable = self.dx.model.variables[self._question.variable]
        return [] if variable.states == ABSENT_PRESENT else [_words(variable, state) for state in variable.states]

    def hint(self) -> str:
        """Say what may be answered.

        Returns
        -------
        str
            Such as ``yes/no`` or ``in years``.
        """
        unit, choices = self._unit(), self.choices()
        return f"in {unit}" if unit else f"1-{len(choices)}" if choices else "yes/no"

    def answer(self, text: str) -> None:
        """Take the answer to the question.

        Parameters
        ----------
        text : str
            Yes or no, a number, a choice by number or words, an unsure answer
            such as ``present:0.8``; "don't know", or nothing, leaves it open.

        Raises
        ------
        CaseError
            If the answer can't be understood, or contradicts the others; the
            question then stands.
        """
        if self._question is None:
            raise CaseError("there is no question to answer")
        word = " ".join(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
        variable = self._question.variable
        value = None if word in DO_NOT_KNOW else self._value(variable, word)
        dx = self.dx if value is None else self._diagnose({**self.facts, variable: value})
        self._steps.append(_Step(variable, value, self.dx))
        self.dx = dx
        self._choose()

    def back(self) -> bool:
        """Take the last answer back.

        Returns
        -------
        bool
            False where there is none.
        """
        if not self._steps:
            return False
        self.dx = self._steps.pop().before
        self._choose()
        return True

    def _choose(self) -> None:
        self._question, self._end = None, None
        if self.dx.alarm.level == LEVELS[-1]:
            self._end = End.emergency  # nothing can raise it, and asking on would keep a person from calling for help
            return
        asked = {step.variable for step in self._steps}
        dx = self.dx
        ranked = open_questions(dx.network, dx.codes, dx.unsure, dx.thresholds)
        open_ = {question.variable: question for question in ranked if question.variable not in asked}
        keys = [open_[name] for name in dx.model.alarm.key_questions if name in open_]
        if keys:
            self._question = self._parents_first(max(keys, key=lambda question: question.alarm_change), open_)
        elif not open_:
            self._end = End.exhausted
        elif all(max(q.alarm_change, q.top_change) < self._stop_below for q in open_.values()):
            self._end = End.settled
        else:
            self._question = self._parents_first(next(iter(open_.values())), open_)

    def _parents_first(self, question: Question, open_: Mapping[str, Question]) -> Question:
        """Ask what a risk factor depends on before it: nobody is asked of a pregnancy before age and sex."""
        risk = self.dx.model.risks.get(question.variable)
        for parent in risk.parents if risk else ():
            if parent in open_:
                return self._parents_first(open_[parent], open_)
        return question

    def _unit(self) -> str | None:
        numeric = self.dx.model.inputs.get(self._question.variable) if self._question else None
        return numeric.unit if numeric else None

    def _value(self, name: str, word: str) -> str:
        """Read an answer: the state it names, or the words themselves where `diagnose` is to read them."""
        variable = self.dx.model.variables[name]
        if variable.states == ABSENT_PRESENT and (word in YES or word in NO):
            return ABSENT_PRESENT[word in YES]
        if ":" in word or (self._unit() is not None and number_of(word) is not None):
            return word
        choices = self.choices()
        if choices and word.isascii() and word.isdigit() and 1 <= int(word) <= len(choices):
            return variable.states[int(word) - 1]
        names = {state: state for state in variable.states}
        names |= {_words(variable, state).lower(): state for state in variable.states}
        if word in names:
            return names[word]
        begun = dict.fromkeys(state for name, state in names.items() if name.startswith(word))
        if len(begun) == 1 and not word.isdigit():
            return next(iter(begun))
        raise CaseError(f"'{short(word)}' is not understood: answer {self.hint()}.{nearest(word, names)}")


def _words(variable: RiskFactor | Cause | Finding, state: str) -> str:
    return variable.state_labels.get(state, state.replace("_", " "))
