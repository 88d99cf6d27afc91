"""One case that is being explored: answers in, the diagnosis and what a page shows of it out.

The key questions of the alarm come first, since nothing may be called low
without them. Then the question with the most information per cost, until no
answer is likely to change the level of the alarm or what is most likely. Nothing
here knows of a terminal.

Nothing here knows of a browser or of widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from kneebayes.cases.coding import UNKNOWN_WORDS, Coder, number_of
from kneebayes.cases.problems import short
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.diagnosis.questions import Question, open_questions
from kneebayes.errors import CaseError, ModelFileError, UnknownColumnError, nearest
from kneebayes.spec.model_spec import ABSENT_PRESENT, LEVELS, ModelSpec
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path

__all__ = [
    "STOP_BELOW",
    "UNKNOWN",
    "Control",
    "End",
    "Exploration",
    "Interview",
    "Section",
]

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
        return [] if variable.is_yes_no else [variable.say(state) for state in variable.states]

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
        ranked = open_questions(dx.network, dx.coded, dx.thresholds)
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
        if variable.is_yes_no and (word in YES or word in NO):
            return ABSENT_PRESENT[word in YES]
        if ":" in word or (self._unit() is not None and number_of(word) is not None):
            return word
        choices = self.choices()
        if choices and word.isascii() and word.isdigit() and 1 <= int(word) <= len(choices):
            return variable.states[int(word) - 1]
        names = {state: state for state in variable.states}
        names |= {variable.say(state).lower(): state for state in variable.states}
        if word in names:
            return names[word]
        begun = dict.fromkeys(state for name, state in names.items() if name.startswith(word))
        if len(begun) == 1 and not word.isdigit():
            return next(iter(begun))
        raise CaseError(f"'{short(word)}' is not understood: answer {self.hint()}.{nearest(word, names)}")


UNKNOWN = ""  # what a control holds that is not answered


@dataclass(frozen=True)
class Control:
    """What a control of one variable needs.

    Attributes
    ----------
    name, label, question : str
        Of the variable.
    choices : tuple of (str, str)
        Words and state of each answer; yes before no.
    unit : str
        What is typed where a number is wanted; empty where an answer is chosen.
    """

    name: str
    label: str
    question: str
    choices: tuple[tuple[str, str], ...]
    unit: str

    @property
    def three_way(self) -> bool:
        """Whether it is a matter of yes, no or unknown."""
        return len(self.choices) == 2 and not self.unit


@dataclass(frozen=True)
class Section:
    """Controls that belong together.

    Attributes
    ----------
    name, label : str
        Of the group in the model file.
    controls : tuple of Control
        In model order.
    """

    name: str
    label: str
    controls: tuple[Control, ...]


class Exploration:
    """A case whose answers come and go.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    diagnose : callable
        Makes a diagnosis of a mapping of facts, as `kneebayes.Model.diagnose`.
    facts : mapping, optional
        What is known beforehand.

    Attributes
    ----------
    facts : dict of str to object
        What is known, by variable.
    dx : Diagnosis
        By these facts.

    Raises
    ------
    CaseError
        If a fact is not allowed, or they contradict each other.
    """

    def __init__(
        self,
        model: ModelSpec,
        diagnose: Callable[[Mapping[str, object]], Diagnosis],
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.model = model
        self._vocabulary = Coder(model)
        self._diagnose = diagnose
        self.facts: dict[str, object] = {}
        self.load(facts or {})

    def sections(self) -> list[Section]:
        """Group the variables as the model file does.

        Returns
        -------
        list of Section
            Only groups that have variables.
        """
        found = []
        for group, label in self.model.groups.items():
            names = [name for name, variable in self.model.variables.items() if variable.group == group]
            if names:
                found.append(Section(group, label, tuple(self.control(name) for name in names)))
        return found

    def control(self, name: str) -> Control:
        """Describe the control of a variable.

        Parameters
        ----------
        name : str
            A variable.

        Returns
        -------
        Control
            With its answers.
        """
        variable, numeric = self.model.variables[name], self.model.inputs.get(name)
        choices: tuple[tuple[str, str], ...]
        if variable.is_yes_no:
            choices = (("yes", "present"), ("no", "absent"))
        else:
            choices = tuple((variable.say(s), s) for s in variable.states)
        label = f"{variable.label} (taken as yes)" if name == self.model.complaint else variable.label
        return Control(name, label, variable.question, choices, numeric.unit if numeric else "")

    def answer(self, name: str, value: object) -> None:
        """Take an answer, or take it back.

        Parameters
        ----------
        name : str
            A variable.
        value : object
            As `Model.diagnose` takes it; None or empty for unknown.

        Raises
        ------
        CaseError
            If it is not allowed, or contradicts the others; nothing changes then.
        UnknownColumnError
            If there is no such variable.
        """
        if name not in self.model.variables:
            raise UnknownColumnError(f"no variable '{name}'.{nearest(name, self.model.variables)}")
        facts = {key: known for key, known in self.facts.items() if key != name}
        if value not in (None, UNKNOWN):
            facts[name] = value
        self.dx, self.facts = self._diagnose(facts), facts

    def load(self, facts: Mapping[str, object]) -> None:
        """Put other facts in place of all.

        Parameters
        ----------
        facts : mapping of str to object
            As `Model.diagnose` takes them. A number that stands for a variable
            of another name becomes the state of that variable.

        Raises
        ------
        CaseError
            If one is not allowed, or they contradict each other; nothing
            changes then.
        """
        known: dict[str, object] = {}
        dx = self._diagnose(facts)  # first, as it says best what is wrong with them
        for name, value in facts.items():
            numeric = self.model.inputs.get(name)
            if value in (None, UNKNOWN):
                continue
            if numeric is not None and name not in self.model.variables:
                code = self._vocabulary.code(name, value)
                known[numeric.variable] = self.model.variables[numeric.variable].states[code]
            else:
                known[name] = value
        self.dx, self.facts = dx, known

    def state(self, name: str) -> str | None:
        """Say which answer a control shows.

        Parameters
        ----------
        name : str
            A variable.

        Returns
        -------
        str or None
            A state, the number typed, or None if not known or unsure.
        """
        if name not in self.facts:
            return None
        if name in self.model.inputs:
            return str(self.facts[name])
        told = self.dx.evidence.get(name)
        return told if told in self.model.variables[name].states else None

    def questions(self, n: int = 5) -> list[Question]:
        """Choose what to ask next: key questions of the alarm first, then the most informative.

        Parameters
        ----------
        n : int, default 5
            At most how many.

        Returns
        -------
        list of Question
            The first comes first.
        """
        dx = self.dx
        ranked = open_questions(dx.network, dx.coded, dx.thresholds)
        keys = sorted((q for q in ranked if q.key), key=lambda question: -question.alarm_change)
        return [*keys[: max(1, n - 2)], *(q for q in ranked if not q.key)][:n]

    def code(self) -> str:
        """Write the case as Python.

        Returns
        -------
        str
            Lines that give the same diagnosis.
        """
        facts = ", ".join(f"{name!r}: {value!r}" for name, value in self.facts.items())
        caution, urgent = self.dx.thresholds.caution, self.dx.thresholds.urgent
        own = self.model.alarm.thresholds
        changed = (caution, urgent) != (own["caution"].p, own["urgent"].p)
        more = f", thresholds=kb.Thresholds({caution!r}, {urgent!r})" if changed else ""
        return (
            "import kneebayes as kb\n\n"
            f"model = kb.load_model({self._source()})  # {self.model.name} {self.model.version}\n"
            f"dx = model.diagnose({{{facts}}}{more})\nprint(dx)"
        )

    def _source(self) -> str:
        """Write what `load_model` takes to load this model."""
        if self.model.name == DEFAULT_MODEL:
            return ""
        try:
            model_path(self.model.name)
        except ModelFileError:
            return repr(f"{self.model.name}.yaml")  # a file of the user's own; only its name is known here
        return repr(self.model.name)
