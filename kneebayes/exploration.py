"""One case that is being explored: answers in, the diagnosis and what a page shows of it out.

Nothing here knows of a browser or of widgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kneebayes.diagnosis import Diagnosis
from kneebayes.errors import ModelFileError, UnknownColumnError, nearest
from kneebayes.model import ModelFile
from kneebayes.modelfile import DEFAULT_MODEL, model_path
from kneebayes.questions import Question, open_questions
from kneebayes.vocabulary import ABSENT_PRESENT, Vocabulary

__all__ = ["UNKNOWN", "Control", "Exploration", "Section"]

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
    model : ModelFile
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
        model: ModelFile,
        diagnose: Callable[[Mapping[str, object]], Diagnosis],
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self.model = model
        self._vocabulary = Vocabulary(model)
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
        if variable.states == ABSENT_PRESENT:
            choices = (("yes", "present"), ("no", "absent"))
        else:
            choices = tuple((variable.state_labels.get(s, s.replace("_", " ")), s) for s in variable.states)
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
        ranked = open_questions(dx.network, dx.codes, dx.unsure, dx.thresholds)
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
