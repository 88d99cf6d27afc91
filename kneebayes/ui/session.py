"""A case that is being asked for: answers in, the diagnosis and what to ask next out.

`Interview` asks one question after the other. The key questions of the alarm come first, since nothing may be called
low without them; then the question with the most information per cost, until no answer is likely to change the level of
the alarm or what is most likely. `Exploration` takes answers in any order, and takes them back. Nothing here knows of a
terminal, a browser or widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from kneebayes.cases.coding import Coder, number_of
from kneebayes.cases.problems import short
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.diagnosis.questions import Question, open_questions
from kneebayes.errors import CaseError, ModelFileError, UnknownColumnError, nearest
from kneebayes.inference.evidence import UNKNOWN as NOTHING
from kneebayes.spec.model_spec import ABSENT_PRESENT, LEVELS, UNKNOWN_WORDS, ModelSpec
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path
from kneebayes.ui import STOP_BELOW

DO_NOT_KNOW = frozenset({*UNKNOWN_WORDS, "don't know", "dont know", "do not know", "not sure", "dk"})
YES, NO = frozenset({"y", "yes", "true"}), frozenset({"n", "no", "false"})
UNKNOWN = ""  # what a control holds that is not answered
KEPT = 64  # diagnoses of a case, for when answers are taken back
Diagnose = Callable[[Mapping[str, object]], Diagnosis]  # such as `kneebayes.Model.diagnose`


@dataclass(frozen=True)
class Control:
    """What it takes to ask for a variable: the words and state of each answer, yes before no.

    ``unit`` is that of the number which is typed where one is wanted; empty where an answer is chosen.
    """

    name: str
    label: str
    question: str
    choices: tuple[tuple[str, str], ...]
    unit: str


def control_of(model: ModelSpec, name: str) -> Control:
    """Describe the control of a variable, or of a column that says part of one."""
    asked, numeric = model.askable[name], model.numeric_inputs.get(name)
    choices: tuple[tuple[str, str], ...] = (("yes", "present"), ("no", "absent"))
    if not asked.is_yes_no:
        choices = tuple((asked.say(state), state) for state in asked.states)
    label = f"{asked.label} (taken as yes)" if name == model.complaint else asked.label
    return Control(name, label, asked.question, choices, numeric.unit if numeric else "")


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

    ``dx`` is the diagnosis by the answers so far; ``question`` is what to ask now, and at the end None, when ``end``
    says why. It ends where no answer changes the level of the alarm, or what is most likely, with at least the
    probability ``stop_below``: with 0 everything is asked.
    """

    def __init__(
        self, diagnose: Diagnose, facts: Mapping[str, object] | None = None, *, stop_below: float = STOP_BELOW
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
    def facts(self) -> dict[str, object]:
        """What was given and answered, in the words it came in."""
        return {**self._given, **{step.variable: step.value for step in self._steps if step.value is not None}}

    @property
    def n_asked(self) -> int:
        """How many questions have been asked."""
        return len(self._steps)

    @property
    def _control(self) -> Control | None:
        if self.question is None:
            return None
        control, chance = control_of(self.dx.model, self.question.variable), self.question.answers
        return replace(control, choices=tuple(choice for choice in control.choices if chance[choice[1]] > 0))

    def choices(self) -> list[str]:
        """Name the answers to choose from by number, 1 first; none for yes or no, or an amount."""
        control = self._control
        if control is None or control.unit or self.dx.model.askable[control.name].is_yes_no:
            return []
        return [words for words, _ in control.choices]

    def hint(self) -> str:
        """Say what may be answered, such as ``yes/no`` or ``in years``."""
        control, choices = self._control, self.choices()
        return f"in {control.unit}" if control and control.unit else f"1-{len(choices)}" if choices else "yes/no"

    def answer(self, text: str) -> None:
        """Take the answer: yes or no, a number, a choice by number or words, or unsure, such as ``present:0.8``.

        "Don't know", or nothing, leaves the question open. It stands where a CaseError says that the answer is not
        understood, or contradicts the others.
        """
        control = self._control
        if control is None:
            raise CaseError("there is no question to answer")
        word = " ".join(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())
        value = None if word in DO_NOT_KNOW else self._value(control, word)
        dx = self.dx if value is None else self._diagnose({**self.facts, control.name: value})
        self._steps.append(_Step(control.name, value, self.dx))
        self.dx = dx
        self._choose()

    def back(self) -> bool:
        """Take the last answer back; False where there is none."""
        if not self._steps:
            return False
        self.dx = self._steps.pop().before
        self._choose()
        return True

    def _choose(self) -> None:
        self.question: Question | None = None
        self.end: End | None = None
        if self.dx.alarm.level == LEVELS[-1]:
            self.end = End.emergency  # nothing can raise it, and asking on would keep a person from calling for help
            return
        asked = {step.variable for step in self._steps}
        every = open_questions(self.dx.assessment, keys_first=True)
        open_ = {question.variable: question for question in every if question.variable not in asked}
        first = next(iter(open_.values()), None)
        if first is None:
            self.end = End.exhausted
        elif first.key or any(max(q.alarm_change, q.top_change) >= self._stop_below for q in open_.values()):
            self.question = self._parents_first(first, open_)
        else:
            self.end = End.settled

    def _parents_first(self, question: Question, open_: Mapping[str, Question]) -> Question:
        """Ask what a risk factor depends on before it: nobody is asked of a pregnancy before age and sex."""
        risk = self.dx.model.risks.get(question.variable)
        for parent in risk.parents if risk else ():
            if parent in open_:
                return self._parents_first(open_[parent], open_)
        return question

    def _value(self, control: Control, word: str) -> str:
        """Read an answer: the state it names, or the words themselves where `diagnose` is to read them."""
        choices = self.choices()
        if not choices and not control.unit and (word in YES or word in NO):
            return ABSENT_PRESENT[word in YES]
        if ":" in word or (control.unit and number_of(word) is not None):
            return word
        if choices and word.isascii() and word.isdigit() and 1 <= int(word) <= len(choices):
            return control.choices[int(word) - 1][1]
        states = self.dx.model.askable[control.name].states
        names = {state: state for state in states} | {words.lower(): state for words, state in control.choices}
        if word in names:
            return names[word]
        begun = dict.fromkeys(state for name, state in names.items() if name.startswith(word))
        if len(begun) == 1 and not word.isdigit():
            return next(iter(begun))
        raise CaseError(f"'{short(word)}' is not understood: answer {self.hint()}.{nearest(word, names)}")


class Exploration:
    """A case whose answers come and go.

    ``facts`` is what is known, by variable, in the order it was answered, and ``dx`` the diagnosis by these facts, both
    as `diagnose` takes and gives them; ``before`` is the diagnosis that the last change started from. A fact that is
    not allowed, or contradicts the others, raises a CaseError and changes nothing.
    """

    def __init__(self, model: ModelSpec, diagnose: Diagnose, facts: Mapping[str, object] | None = None) -> None:
        self.model = model
        self.coder = Coder(model)
        self._diagnose = diagnose
        self._seen: dict[str, Diagnosis] = {}
        self.facts: dict[str, object] = {}
        self.before = self.dx = self._diagnosis({})
        self._excludable = self.dx.network.excludable()
        self._ruled_out: tuple[dict[str, object], dict[str, dict[str, str]]] = {}, {}
        if facts:
            self.load(facts)

    def first(self) -> list[str]:
        """Name what to ask first: what a person is that other risk factors depend on, then the key questions."""
        risks = self.model.risks
        parents = [p for risk in risks.values() for p in risk.parents if not risks[p].is_yes_no]
        return list(dict.fromkeys([*parents, *self.model.alarm.key_questions]))

    @property
    def asked(self) -> tuple[str, ...]:
        """What there is a control for."""
        return (*self.model.causes, *self.model.asked)

    def sections(self) -> list[tuple[str, list[str]]]:
        """Group what is asked as the model file does, by label; only groups that have variables."""
        members: dict[str, list[str]] = {group: [] for group in self.model.groups}
        for name in self.asked:
            members[self.model.variables[self.model.about(name)].group].append(name)
        return [(label, members[group]) for group, label in self.model.groups.items() if members[group]]

    def answer(self, name: str, value: object) -> None:
        """Take the answer to what is asked, or take it back where the value is None or empty.

        It takes the place of facts about the same variable that are not asked for.
        """
        if name not in self.asked:
            raise UnknownColumnError(f"no question '{name}'.{nearest(name, self.asked)}")
        facts = self._answered(self.facts, name, value)
        if value in (None, UNKNOWN):
            del facts[name]
        self._become(facts)

    def _answered(self, facts: Mapping[str, object], name: str, value: object) -> dict[str, object]:
        about = self.model.about(name)
        kept = {k: v for k, v in facts.items() if k in self.asked or self.model.about(k) != about}
        return {**kept, name: value}

    def ruled_out(self) -> dict[str, dict[str, str]]:
        """Say which answers cannot be given, as what else is known rules them out, and by what: by name and state.

        Most clicks change nothing of it, as few variables can be ruled out, and only they can do it.
        """
        known = {name: value for name, value in self.facts.items() if self.model.about(name) in self._excludable}
        if self._ruled_out[0] != known:
            names = [name for name in self.asked if self.model.about(name) in self._excludable] if known else []
            found = {name: self._impossible(known, name) for name in names}
            self._ruled_out = known, {name: reasons for name, reasons in found.items() if reasons}
        return self._ruled_out[1]

    def _impossible(self, known: Mapping[str, object], name: str) -> dict[str, str]:
        """Say which answers to one question some facts rule out, by state, and which of them do it alone."""
        model, network, reasons = self.model, self.dx.network, {}
        codes = self.coder.case(self._answered(known, name, "unknown")).evidence.codes
        row = network.variables.index(model.about(name))
        left = int(codes[row, 0])
        rest = [other for other in np.flatnonzero(codes[:, 0] != NOTHING).tolist() if other != row]
        control = control_of(model, name)
        for words, state in () if control.unit else control.choices:
            code = model.narrowed(model.about(name), left, model.meaning(name, [state])[1])
            if code is None:  # by another column that says part of the same
                by = [row]
            else:
                trials = np.repeat(codes, 1 + len(rest), axis=1)
                for place, other in enumerate(rest, start=1):
                    trials[:, place] = NOTHING
                    trials[other, place] = codes[other, 0]
                trials[row] = code
                whole, *alone = network.possible(trials).tolist()
                if whole:
                    continue
                by = [other for other, possible in zip(rest, alone, strict=True) if not possible]
            told = [model.said(network.variables[other], int(codes[other, 0])) for other in by or rest]
            others = "; ".join(model.describe(*item) for values in told for item in values.items())
            reasons[state] = f"{words}: not possible with {others}"
        return reasons

    def load(self, facts: Mapping[str, object]) -> None:
        """Put other facts in place of all.

        What stands for a variable of another name, or for what other columns ask, becomes the answers to what is
        asked, if these can say it.
        """
        known: dict[str, object] = {}
        self._diagnose(facts)  # first, as it says best what is wrong with them
        for name, value in facts.items():
            if value in (None, UNKNOWN):
                continue
            value = value.item() if isinstance(value, np.generic) else value
            variable, answers = self.model.about(name), {name: value}
            asked = [n for n, about in self.model.asked.items() if about == variable]
            if asked and name not in asked and self.coder.likelihood(name, value) is None:
                code = self.coder.code(name, value)
                event = self.model.events[variable][code] if code >= 0 else frozenset[str]()
                if len(event) == 1:
                    answers = {n: answer for n in asked if (answer := self.model.answer(n, event)) is not None}
            known |= answers
        self._become(known)

    def _become(self, facts: dict[str, object]) -> None:
        if facts != self.facts:
            dx = self._diagnosis(facts)
            self.before, self.dx, self.facts = self.dx, dx, facts

    def _diagnosis(self, facts: dict[str, object]) -> Diagnosis:
        """Diagnose, or give the same diagnosis again where facts come back, with all that was worked out of it."""
        key = repr(facts)
        dx = self._seen.pop(key, None) or self._diagnose(facts)
        self._seen[key] = dx
        if len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]
        return dx

    def state(self, name: str) -> str | None:
        """Say which answer a control shows: a state, the number typed, or None if not known or unsure."""
        if name not in self.facts:
            return None
        if name in self.model.numeric_inputs:
            return str(self.facts[name])
        told = self.model.implied(self.dx.evidence).get(name)
        return told if told in self.model.askable[name].states else None

    def said(self, name: str) -> str:
        """Say in words what was answered."""
        control, state = control_of(self.model, name), self.state(name)
        if control.unit and state is not None and number_of(state) is not None:
            return f"{state} {control.unit}"
        return next((words for words, own in control.choices if own == state), str(self.facts[name]))

    def code(self) -> str:
        """Write the case as lines of Python that give the same diagnosis."""
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
