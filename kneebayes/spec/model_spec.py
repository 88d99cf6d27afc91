"""A model file as frozen, validated objects: variables, numbers, alarm, and how they fit together.

A model file (YAML) holds everything that is knowledge: variables, states, questions, probabilities with their ranges
and reasons, alarm rules, care. The classes refuse what is inconsistent, the small ones by themselves and `ModelSpec`
how they fit together; nothing here computes a posterior. The descriptions of the fields are what an editor shows, by
way of the JSON Schema.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator

from kneebayes.errors import nearest

ABSENT_PRESENT = ("absent", "present")  # the states of a variable that is asked with yes or no
LEVELS = ("low", "not_assessed", "caution", "urgent", "emergency")  # of the alarm, the mildest first
RESERVED = ("case_id", "label", "also", "none_of_these", "most_likely", "red_flags")
OF_JOINT_STATES = ("present", "probability", "cumulative")  # columns beside those of the causes, in a table of them
NOT_EVIDENCE_PREFIX = "true_"  # of columns that say what a cause was found to be
UNKNOWN_WORDS = frozenset({"", "<na>", "na", "n/a", "nan", "nat", "null", "unknown"})  # in a cell, in lower case
MAX_STATES = 120  # cases are held as bytes with a sign
MAX_COMPARISONS = 2_000_000  # of rows of a prior with states of its parents; the article's model has a dozen
MAX_FLAGS = 63  # they are joined by the bits of a number
_NAME = r"^[a-z][a-z0-9_]*$"  # other names break the exchange formats
# Line ends, escapes, what turns the direction of writing, halves of a character: a label goes to a terminal, a comment.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FREE = ("why", "note")  # what a reviewer reads in the file, line ends and all
_BASIS = r"(claims? \d+(, \d+)*|literature: \S[^;]*|judgement|fitted: \S[^;]*)"
_NAME_SCHEMA: dict[str, Any] = {"type": "string", "pattern": _NAME}
_STATES_SCHEMA = {"anyOf": [_NAME_SCHEMA, {"type": "array", "items": _NAME_SCHEMA, "minItems": 1}]}


def _texts(content: object, place: str = "") -> Iterator[tuple[str, str]]:
    """List the texts of nested mappings and lists, keys too, each with its place."""
    if isinstance(content, str):
        yield place, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            own = ascii(key)[1:-1] if isinstance(key, str) else str(key)
            yield place or "model", str(key)
            yield from _texts(value, f"{place}.{own}" if place else own)
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _texts(value, f"{place}.{number}")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Identifier = Annotated[str, Field(pattern=_NAME)]
Text = Annotated[str, Field(min_length=1)]
Label = Annotated[Text, Field(description="What a person reads.")]
Reason = Annotated[Text, Field(description="Shown to the person.")]
Basis = Annotated[
    str,
    Field(
        pattern=rf"^\s*{_BASIS}\s*(;\s*{_BASIS}\s*)*$",
        description="'claim 88', 'literature: NAME' (a name under references), 'judgement'; several joined by ';'.",
    ),
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Condition = dict[
    Identifier,
    Annotated[tuple[Identifier, ...], BeforeValidator(_listed), Field(min_length=1), WithJsonSchema(_STATES_SCHEMA)],
]
AllOf = Annotated[Condition, Field(description="States by variable; all must hold.")]
AnyOf = Annotated[Condition, Field(description="States by variable; one that holds is enough.")]


class PlacedError(ValueError):
    """Something inconsistent, with its place in the file, as ``causes.dvt.links``."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place, self.reason = place, reason


class Frozen(BaseModel):
    """What all parts of a model file share: no change once read, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Probability(Frozen):
    """A number somebody chose: its value, plausible range, basis and reason."""

    p: Unit = Field(description="The value the model uses.")
    range: tuple[Unit, Unit] = Field(description="The lowest and highest value that is still plausible.")
    basis: Basis
    why: Text = Field(description="The reason for this value, in a few words.")

    @model_validator(mode="after")
    def _inside_range(self) -> Probability:
        low, high = self.range
        if not low <= self.p <= high:
            raise ValueError(f"p {self.p} lies outside its range [{low}, {high}]")
        return self

    def moved(self, p: float, ends: tuple[float, float], how: str, *, over: str) -> Probability:
        """Change a number, saying in the basis how, and what it was, in place of the parts that start with ``over``."""
        kept = [part.strip() for part in self.basis.split(";") if not part.strip().startswith(over)]
        was = f"{how}, was {self.p:.4g} in {self.range[0]:.4g} to {self.range[1]:.4g}"
        return self.model_copy(update={"p": p, "range": ends, "basis": "; ".join([was, *kept])})


Distribution = dict[Identifier, Probability]
Prior = Annotated[Distribution, Field(description="P(state) for every state but the first, which takes what is left.")]
_LEAK = Field(
    description="The chance of being present with none of the parents there; of a finding with more than two states, "
    "the chance of each but the first."
)
_LINKS: Any = Field(
    default_factory=dict,
    description="For each parent and each of its states, the chance that it alone brings this about; of a finding with "
    "more than two states, the chance of each but the first.",
)

# names of the choices that pydantic puts into the places of its complaints: not of the file, so not shown
CHOICES = ("<number>", "<distribution>", "<numeric>", "<answers>")


def _kind_of_effect(value: object) -> str:
    own = list(value.values()) if isinstance(value, Mapping) else []
    return CHOICES[1] if own and all(isinstance(v, Mapping | Probability) for v in own) else CHOICES[0]


# what one contributor does to a finding: a number where there are two states, else a distribution
Effect = Annotated[
    Annotated[Probability, Tag(CHOICES[0])] | Annotated[Distribution, Tag(CHOICES[1])], Discriminator(_kind_of_effect)
]
Links = dict[Identifier, Distribution]


class Band(Frozen):
    """One band of a numeric input: values from ``at_least`` on, or ``above`` it."""

    state: Identifier = Field(description="Of the variable, for values in this band.")
    at_least: Finite | None = Field(None, description="The band starts at this value, in the unit of the input.")
    above: Finite | None = Field(default=None, description="The band holds values over this, in the unit of the input.")

    def is_reached(self, number: float) -> bool:
        """Say whether a number is in this band or over it."""
        return number > self.above if self.above is not None else self.at_least is None or number >= self.at_least


class NumericInput(Frozen):
    """A column of numbers that sets a variable through bands, lowest band first."""

    variable: Identifier = Field(description="What the numbers or answers are about.")
    label: Label
    unit: Text = Field(description="Of the numbers.")
    minimum: Finite = Field(description="Values under this are refused.")
    maximum: Finite = Field(description="Values over this are refused.")
    bands: tuple[Band, ...] = Field(min_length=2, description="Lowest first; the first starts at the minimum.")
    warn_below: Finite | None = Field(default=None, description="Values under this are taken, with a warning.")
    warning: str = Field(default="", description="What it says.")

    @model_validator(mode="after")
    def _ordered(self) -> NumericInput:
        first, *rest = self.bands
        if first.at_least is not None or first.above is not None:
            raise ValueError("the first band starts at the minimum: give it neither at_least nor above")
        if any((band.at_least is None) == (band.above is None) for band in rest):
            raise ValueError("every band after the first needs one of at_least and above")
        if self.edges != sorted(self.edges) or not self.minimum < self.edges[0] <= self.edges[-1] < self.maximum:
            raise ValueError("bands must rise, between the minimum and the maximum")
        return self

    @property
    def edges(self) -> list[float]:
        """Lower edge of every band after the first, in ``unit``."""
        return [b.at_least if b.at_least is not None else b.above or 0.0 for b in self.bands[1:]]


class AnswerInput(Frozen):
    """A column that says part of a finding: which of its states each answer leaves possible."""

    variable: Identifier = Field(description="What the numbers or answers are about.")
    label: Label
    question: Text = Field(description="What to ask a person.")
    answers: Condition = Field(min_length=2, description="For each answer, the states that it leaves possible.")

    @property
    def states(self) -> tuple[str, ...]:
        """The answers, as if they were the states of a variable."""
        return tuple(self.answers)

    @property
    def is_yes_no(self) -> bool:
        """Whether the answers are absent and present, so that yes and no say them."""
        return set(self.answers) == set(ABSENT_PRESENT)

    def say(self, answer: str) -> str:
        """Give the words for one of the answers."""
        return answer.replace("_", " ")


def _kind_of_input(value: object) -> str:
    answers = isinstance(value, AnswerInput) or (isinstance(value, Mapping) and "answers" in value)
    return CHOICES[2 + answers]


Input = Annotated[
    Annotated[NumericInput, Tag(CHOICES[2])] | Annotated[AnswerInput, Tag(CHOICES[3])], Discriminator(_kind_of_input)
]


class Variable(Frozen):
    """What risk factors, causes and findings have in common."""

    label: Label
    question: Text = Field(description="What to ask a person.")
    group: Identifier = Field(description="One of groups; questions are shown by group.")
    states: tuple[Identifier, ...] = Field(
        default=ABSENT_PRESENT,
        min_length=2,
        description="Absent and present if left out; the first is the one without the thing.",
    )
    state_labels: dict[Identifier, Text] = Field(default_factory=dict, description="What a person reads for a state.")
    cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        default=1.0, description="Of asking, against 1 for a plain question: an examination or a test costs more."
    )
    icd10cm: dict[str, Text] = Field(default_factory=dict, description="Codes of ICD-10-CM with their descriptions.")
    note: str = Field(default="", description="What a reviewer should know.")

    @property
    def is_yes_no(self) -> bool:
        """Whether the states are absent and present, so that yes and no say them."""
        return self.states == ABSENT_PRESENT

    def say(self, state: str) -> str:
        """Give the words for one of the states."""
        return self.state_labels.get(state, state.replace("_", " "))

    @model_validator(mode="after")
    def _distinct_states(self) -> Any:
        if len(self.states) > MAX_STATES:
            raise ValueError(f"{len(self.states)} states, but at most {MAX_STATES} can be told apart")
        if len(set(self.states)) < len(self.states):
            raise ValueError(f"states {list(self.states)} repeat a name")
        for state in self.state_labels:
            if state not in self.states:
                raise ValueError(f"state_labels names '{state}', which is not among {list(self.states)}")
        return self


class PriorRow(Frozen):
    """The prior of a risk factor where its parents are in the given states."""

    when: AllOf
    prior: Prior


class RiskFactor(Variable):
    """A variable that may cause a cause.

    ``prior`` gives every state but the first, which takes what is left. A factor that depends on others has ``given``
    in place of ``prior``: rows of which exactly one must match each combination of its parents' states.
    """

    prior: Prior = Field(default_factory=dict)
    given: tuple[PriorRow, ...] = Field(
        default=(), description="Priors where this risk factor depends on others: exactly one row must match."
    )

    @model_validator(mode="after")
    def _complete(self) -> RiskFactor:
        if bool(self.prior) == bool(self.given):
            raise ValueError("needs one of prior and given")
        for distribution in [self.prior] if self.prior else [row.prior for row in self.given]:
            _check_remainder(distribution, self.states[0], self.states[1:])
        return self

    @property
    def parents(self) -> tuple[str, ...]:
        """Names of the risk factors that this one depends on."""
        return tuple(dict.fromkeys(name for row in self.given for name in row.when))


class Cause(Variable):
    """One of the causes: a leaky noisy-OR of risk factors and other causes.

    A cause with more than two states is absent or present by the noisy-OR; ``split`` gives P(state | present) of the
    third state on, and the second state takes what is left.
    """

    leak: Probability = _LEAK
    links: Links = _LINKS
    split: Distribution = Field(
        default_factory=dict, description="P(state | present) for the third state on; the second takes what is left."
    )
    care: tuple[Text, ...] = Field(min_length=1, description="What to do about this cause.")
    recovery: Text = Field(description="How long it takes.")
    care_basis: Basis = Field(description="Where care and recovery are from, as a basis.")

    @model_validator(mode="after")
    def _complete(self) -> Cause:
        _check_remainder(self.split, self.states[1], self.states[2:])
        return self


class Finding(Variable):
    """A symptom, sign or earlier diagnosis: a leaky noisy-MAX of the causes.

    The states stand from least to most. The leak, and every cause that is present, each bring about a state; the
    finding takes the greatest. With two states that is the leaky noisy-OR, and leak and links are numbers; with more
    they are distributions over the states but the first, which takes what is left.
    """

    leak: Effect = _LEAK
    links: dict[Identifier, dict[Identifier, Effect]] = _LINKS

    @model_validator(mode="after")
    def _ordered(self) -> Finding:
        own = {"leak": self.leak, **{f"links.{c}.{s}": link for c, by in self.links.items() for s, link in by.items()}}
        for place, effect in own.items():
            if isinstance(effect, Probability) == (len(self.states) > 2):
                what = "a distribution over its states but the first" if len(self.states) > 2 else "one number"
                raise PlacedError(place, f"a finding with {len(self.states)} states needs {what}")
            if not isinstance(effect, Probability):
                _check_remainder(effect, self.states[0], self.states[1:], place=f"{place}: ")
        return self

    def by_state(self, effect: Probability | Distribution) -> Distribution:
        """Write a leak or a link of the finding as a distribution over its states but the first."""
        return {self.states[1]: effect} if isinstance(effect, Probability) else effect


def _check_remainder(distribution: Distribution, remainder: str, states: tuple[str, ...], place: str = "") -> None:
    if tuple(distribution) != states and set(distribution) != set(states):
        raise ValueError(f"{place}needs a probability for {list(states)}; '{remainder}' takes what is left")
    total = sum(number.p for number in distribution.values())
    if total > 1 + 1e-12:
        raise ValueError(f"{place}probabilities add up to {total:.6g}, so nothing is left for '{remainder}'")


RuleLevel = Literal["emergency", "urgent", "caution"]


class Interaction(Frozen):
    """A link to a cause that acts only where all its conditions hold."""

    target: Identifier = Field(description="The cause.")
    when: AllOf
    link: Probability = Field(description="The chance that the conditions together bring the cause about.")


class AlarmRule(Frozen):
    """An alarm level that evidence alone forces, whatever the probability."""

    level: RuleLevel = Field(description="The level that this rule forces at least.")
    when: AllOf
    any_of: AnyOf = Field(default_factory=dict)
    reason: Reason
    basis: Basis


class Alarm(Frozen):
    """When and how to warn of the cause that must not be missed."""

    cause: Identifier = Field(description="The cause that must not be missed.")
    thresholds: dict[Literal["caution", "urgent"], Probability] = Field(description="Probabilities from which to warn.")
    key_questions: tuple[Identifier, ...] = Field(min_length=1, description="To be known before the alarm may say low.")
    advice: dict[Literal["emergency", "urgent", "caution", "not_assessed", "low"], Text] = Field(
        description="What to do, for each level of the alarm."
    )
    signs: Condition = Field(
        default_factory=dict,
        description="Answers, as states by variable, that never make the alarm milder; left out: all linked to its "
        "cause.",
    )
    rules: tuple[AlarmRule, ...] = Field(default=(), description="Alarm levels that evidence alone forces.")

    @model_validator(mode="after")
    def _complete(self) -> Alarm:
        if len(self.thresholds) != 2 or self.thresholds["caution"].p > self.thresholds["urgent"].p:
            raise ValueError("needs the thresholds caution and urgent, caution not above urgent")
        if len(self.advice) != 5:
            raise ValueError("needs advice for emergency, urgent, caution, not_assessed and low")
        return self


class RedFlag(Frozen):
    """A reason to seek help, whatever the cause: any of these states."""

    any_of: AnyOf
    reason: Reason
    basis: Basis


class ModelSpec(Frozen):
    """A whole model file, checked."""

    format: Literal[1] = Field(description="The version of this format: 1.")
    name: Identifier = Field(description="Of the model.")
    version: Text = Field(description="Of the model, in quotes.")
    title: Text = Field(description="What a person reads.")
    population: Text = Field(description="Whom the numbers speak of.")
    disclaimer: Text = Field(description="One line that stands under every result.")
    leak_convention: Literal["P(present) = 1 - (1 - leak) * product(1 - link)"] = Field(
        description="How leak and links combine."
    )
    complaint: Identifier = Field(description="What brings people in; present unless a case says otherwise.")
    groups: dict[Identifier, Text] = Field(description="The headings under which questions are shown, by name.")
    inputs: dict[Identifier, Input] = Field(
        default_factory=dict,
        description="Columns that are not variables, by name: numbers that set one through bands, and answers that say "
        "part of one.",
    )
    risks: dict[Identifier, RiskFactor] = Field(min_length=1, description="What may bring a cause about, by name.")
    interactions: tuple[Interaction, ...] = Field((), description="Links that act only where several conditions hold.")
    causes: dict[Identifier, Cause] = Field(min_length=1, description="What is inferred, by name.")
    findings: dict[Identifier, Finding] = Field(
        min_length=1, description="Symptoms, signs, tests and earlier diagnoses, by name."
    )
    alarm: Alarm = Field(description="The cause that must not be missed, when to warn of it, and how.")
    red_flags: tuple[RedFlag, ...] = Field(default=(), description="Reasons to seek help, whatever the cause.")
    general_care: tuple[Text, ...] = Field(default=(), description="Advice that fits all causes.")
    references: dict[str, Text] = Field(default_factory=dict, description="Sources by the name that a basis cites.")
    claims: int | None = Field(None, ge=0, description="How many claims the source numbers; a basis cites no other.")
    provenance: tuple[Text, ...] = Field(default=(), description="How the model came about, a line for each step.")

    def __reduce__(self) -> tuple[Any, ...]:
        return unpacked, (packed(self),)  # not as objects, of which there are thousands

    def __repr__(self) -> str:
        sizes = f"{len(self.risks)} risk factors, {len(self.causes)} causes, {len(self.findings)} findings"
        return f"<model file {self.name} {self.version}: {sizes}>"

    def __str__(self) -> str:
        return repr(self)

    @model_validator(mode="before")
    @classmethod
    def _no_control(cls, content: Any) -> Any:
        # A look at all texts at once is quick: a control character is escaped there.
        for place, text in _texts(content) if isinstance(content, dict) and "\\" in repr(content) else ():
            found = _CONTROL.search(text.replace("\n", " ") if place.rpartition(".")[2] in _FREE else text)
            if found:
                reason = f"holds the control character {found[0]!a}: write text without it, on one line"
                raise PlacedError(place, reason)
        return content

    @cached_property
    def variables(self) -> dict[str, RiskFactor | Cause | Finding]:
        """Every variable by name: risk factors, then causes, then findings."""
        return {**self.risks, **self.causes, **self.findings}

    @cached_property
    def alarm_signs(self) -> Condition:
        """Answers that must never make the alarm milder: those its section names, else all linked to its cause."""
        if self.alarm.signs:
            return self.alarm.signs
        cause = self.alarm.cause
        links = ((name, states) for name, states in self.causes[cause].links.items() if name in self.risks)
        some = {name: tuple(s for s in states if s != self.risks[name].states[0]) for name, states in links}
        risks = {name: states for name, states in some.items() if states}
        linked = [name for name, finding in self.findings.items() if cause in finding.links and name != self.complaint]
        return {**risks, **{name: self.findings[name].states[1:] for name in linked}}

    @cached_property
    def answer_inputs(self) -> dict[str, AnswerInput]:
        """The columns that say part of a variable, by name."""
        return {name: column for name, column in self.inputs.items() if isinstance(column, AnswerInput)}

    @cached_property
    def numeric_inputs(self) -> dict[str, NumericInput]:
        """The columns of numbers, by name."""
        return {name: column for name, column in self.inputs.items() if isinstance(column, NumericInput)}

    @cached_property
    def askable(self) -> dict[str, Variable | AnswerInput]:
        """What conditions may name: every variable, and the columns that say part of one."""
        return {**self.variables, **self.answer_inputs}

    def meaning(self, name: str, states: Iterable[str]) -> tuple[str, frozenset[str]]:
        """Say what a condition on a variable, or on a column that says part of one, asks: to be in these states."""
        if name in self.variables:
            return name, frozenset(states)
        answers = self.answer_inputs[name].answers
        return self.answer_inputs[name].variable, frozenset(state for answer in states for state in answers[answer])

    @cached_property
    def _left(self) -> dict[str, dict[frozenset[str], dict[str, str]]]:
        """The sets of states that answers leave of each variable, each with the answers that do, by column."""
        whole: dict[str, dict[frozenset[str], dict[str, str]]] = {name: {} for name in self.variables}
        for name, column in self.answer_inputs.items():
            left = whole[column.variable]
            before = [(frozenset(self.variables[column.variable].states), {}), *left.items()]
            for answer, states in column.answers.items():
                for other, how in before:
                    both = other & frozenset(states)
                    if both and (both not in left or len(left[both]) > len(how) + 1):
                        left[both] = {**how, name: answer}
                limit = MAX_STATES - len(self.variables[column.variable].states)
                if len(left) > limit:
                    said = f"answers can leave over {limit} different sets of states of {column.variable}"
                    raise PlacedError("inputs", f"{said}, more than can be told apart")
        return whole

    @cached_property
    def events(self) -> dict[str, tuple[frozenset[str], ...]]:
        """What may be known of each variable, by code: its states in order, then what answers can leave of them.

        Answers to several columns leave what they have in common, so the sets are closed under intersection.
        """
        events = {}
        for name, variable in self.variables.items():
            single = [frozenset([state]) for state in variable.states]
            place = variable.states.index
            further = sorted(set(self._left[name]) - set(single), key=lambda event: sorted(map(place, event)))
            events[name] = (*single, *further)
        return events

    def said(self, variable: str, code: int) -> dict[str, str]:
        """Write what a code says of a variable as values by column: its state, or the answers that leave its states."""
        event = self.events[variable][code]
        return {variable: next(iter(event))} if len(event) == 1 else self._left[variable][event]

    def narrowed(self, variable: str, code: int, states: frozenset[str]) -> int | None:
        """Find the code of what some states leave of what one says of a variable, or of nothing (-1); None if empty."""
        left = states & self.events[variable][code] if code >= 0 else states
        return self.events[variable].index(left) if left else None

    def answer(self, name: str, left: frozenset[str]) -> str | None:
        """Find the state of a variable, or the answer to a column, that what is left of its states implies, if any."""
        states = {s: (s,) for s in self.variables[name].states} if name in self.variables else None
        answers = states or self.answer_inputs[name].answers
        return next((answer for answer, meant in answers.items() if left <= set(meant)), None)

    def implied(self, evidence: Mapping[str, str]) -> dict[str, str]:
        """Add to values by column what they imply of other columns about the same variables."""
        left: dict[str, frozenset[str]] = {}
        for name, value in evidence.items():
            if name in self.askable and value in self.askable[name].states:
                variable, meant = self.meaning(name, [value])
                left[variable] = left.get(variable, meant) & meant
        found = {name: self.answer(name, left[v]) for name in self.askable if (v := self.about(name)) in left}
        return {**{name: answer for name, answer in found.items() if answer is not None}, **evidence}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Every column that is evidence: the inputs, then the variables that are none."""
        return tuple(dict.fromkeys([*self.inputs, *self.variables]))

    def about(self, column: str) -> str:
        """Name the variable that a column speaks of."""
        return self.inputs[column].variable if column in self.inputs else column

    @cached_property
    def input_columns(self) -> dict[str, str]:
        """The columns that a case is described by, causes aside, each with the variable that it sets, in model order.

        A variable whose every state a numeric input can express has the column of that input; one whose states the
        answers to columns tell apart has these columns.
        """
        numeric = {
            numeric.variable: name
            for name, numeric in reversed(self.numeric_inputs.items())
            if {band.state for band in numeric.bands} == set(self.variables[numeric.variable].states)
        }
        found: dict[str, str] = {}
        for name in [*self.risks, *self.findings]:
            parts = [part for part, column in self.answer_inputs.items() if column.variable == name]
            told_apart = all(frozenset([state]) in self._left[name] for state in self.variables[name].states)
            columns = [numeric[name]] if name in numeric else parts if told_apart else [name]
            found |= dict.fromkeys(columns, name)
        return found

    @cached_property
    def asked(self) -> dict[str, str]:
        """What a person is asked, causes aside: variables, or columns that tell its states apart, each with it."""
        return {c if c in self.answer_inputs else name: name for c, name in self.input_columns.items()}

    def label_of(self, target: str) -> str:
        """Give the words for what has a posterior: a cause, ``none_of_these``, or ``<cause>_<state>``."""
        for name, cause in self.causes.items():
            for state in cause.states[2:]:
                if target == f"{name}_{state}":
                    return f"{cause.label}, {cause.say(state)}"
        return self.causes[target].label if target in self.causes else "none of these"

    def describe(self, variable: str, state: str) -> str:
        """Say in words that a variable is in a state, or the answer to a column, such as ``Calf pain: yes``."""
        known = self.askable[variable]
        if known.is_yes_no:
            return f"{known.label}: {'yes' if state == 'present' else 'no'}"
        return f"{known.label}: {known.say(state)}"

    def parents(self, name: str) -> tuple[str, ...]:
        """Name the variables that one depends on, interactions included."""
        if name in self.risks:
            return self.risks[name].parents
        links = self.causes[name].links if name in self.causes else self.findings[name].links
        acting = (parent for i in self.interactions if i.target == name for parent in i.when)
        return tuple(dict.fromkeys([*links, *acting]))

    @cached_property
    def risk_order(self) -> tuple[str, ...]:
        """Risk factors, each after the ones it depends on."""
        return _ordered("risks", {name: risk.parents for name, risk in self.risks.items()})

    @cached_property
    def cause_order(self) -> tuple[str, ...]:
        """Causes, each after the causes that cause it."""
        parents = {n: [p for p in cause.links if p in self.causes] for n, cause in self.causes.items()}
        return _ordered("causes", parents)

    def probabilities(self) -> Iterator[tuple[str, Probability]]:
        """Every number of the network with its place in the file, as ``causes.dvt.links.smoker.present``."""
        for name, risk in self.risks.items():
            for state, number in risk.prior.items():
                yield f"risks.{name}.prior.{state}", number
            for i, row in enumerate(risk.given):
                for state, number in row.prior.items():
                    yield f"risks.{name}.given.{i}.prior.{state}", number
        for i, interaction in enumerate(self.interactions):
            yield f"interactions.{i}.link", interaction.link
        for section, nodes in (("causes", self.causes), ("findings", self.findings)):
            for name, node in nodes.items():
                yield from _numbers(f"{section}.{name}.leak", node.leak)
                for parent, states in node.links.items():
                    for state, effect in states.items():
                        yield from _numbers(f"{section}.{name}.links.{parent}.{state}", effect)
                if isinstance(node, Cause):
                    yield from _numbers(f"{section}.{name}.split", node.split)

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        self._check_names()
        if len(self.variables) < len(self.risks) + len(self.causes) + len(self.findings):
            raise ValueError("a name stands in two of risks, causes and findings")
        for name, variable in self.variables.items():
            if variable.group not in self.groups:
                known = f"{list(self.groups)}.{nearest(variable.group, self.groups)}"
                raise PlacedError(f"{self._place_of(name)}.group", f"group '{variable.group}' is not among {known}")
        for name in self.risk_order:
            self._check_rows(name)
        _ = self.cause_order
        for name, cause in self.causes.items():
            self._check_links(f"causes.{name}", cause.links, {**self.risks, **self.causes})
        for name, finding in self.findings.items():
            self._check_links(f"findings.{name}", finding.links, self.causes)
        for i, interaction in enumerate(self.interactions):
            _known(f"interactions.{i}.target", interaction.target, self.causes)
            self._check_condition(f"interactions.{i}.when", interaction.when, self.risks)
        for name, column in self.answer_inputs.items():
            self._check_answers(name, column)
        _ = self.events
        for name, numeric in self.numeric_inputs.items():
            variable = self.variables[_known(f"inputs.{name}.variable", numeric.variable, self.variables)]
            for band in numeric.bands:
                _known(f"inputs.{name}.bands", band.state, variable.states)
            if name in self.variables and name != numeric.variable:
                raise PlacedError(f"inputs.{name}", "the name belongs to another variable")
        self._check_alarm()
        self._check_references()
        return self

    def _check_names(self) -> None:
        """Refuse a name that kneebayes gives to something else, or takes for a missing value."""
        another = "give the variable another name"
        for name in {**self.variables, **self.inputs}:
            place = self._place_of(name)
            if name in RESERVED or name.startswith(NOT_EVIDENCE_PREFIX):
                raise PlacedError(place, f"'{name}' is a column of its own in tables: {another}")
            if name in UNKNOWN_WORDS:
                raise PlacedError(place, f"'{name}' means a missing value in tables: {another}")
        for name, asked in self.askable.items():
            for state in asked.states:
                if state in UNKNOWN_WORDS:
                    reason = f"'{state}' means a missing value in tables: give the state another name"
                    raise PlacedError(self._place_of(name), reason)
        made: dict[str, str] = {}
        for column, what in made_columns({n: cause.states for n, cause in self.causes.items()}, self.alarm.cause):
            if column in made:
                both = f"{made[column]} and {what}"
                raise ValueError(f"'{column}' would be two columns of results, {both}: give one of them another name")
            if column in self.inputs or (column in self.variables and column not in self.causes):
                raise PlacedError(self._place_of(column), f"'{column}' is a column of results, {what}: {another}")
            made[column] = what
        for name in self.causes:
            if name in OF_JOINT_STATES:
                reason = f"'{name}' is a column of the table of joint states: give the cause another name"
                raise PlacedError(f"causes.{name}", reason)

    def _place_of(self, name: str) -> str:
        """Give the place of a variable, or of a column, in the file."""
        sections: dict[str, Collection[str]] = {"risks": self.risks, "causes": self.causes, "findings": self.findings}
        return f"{next((section for section, own in sections.items() if name in own), 'inputs')}.{name}"

    def _check_alarm(self) -> None:
        states = self.findings[_known("complaint", self.complaint, self.findings)].states
        if len(states) != 2:
            reason = f"'{self.complaint}' has the states {list(states)}, but people have it or not"
            raise PlacedError("complaint", reason)
        _known("alarm.cause", self.alarm.cause, self.causes)
        for name in self.alarm.key_questions:
            _known("alarm.key_questions", name, self.askable)
        self._check_condition("alarm.signs", self.alarm.signs, {**self.risks, **self.findings, **self.answer_inputs})
        for name, states in self.alarm.signs.items():
            variable, meant = self.meaning(name, states)
            if self.variables[variable].states[0] in meant:
                raise PlacedError(f"alarm.signs.{name}", f"'{states[0]}' is being without it, which is no sign")
        for i, rule in enumerate(self.alarm.rules):
            self._check_condition(f"alarm.rules.{i}.when", rule.when, self.askable)
            self._check_condition(f"alarm.rules.{i}.any_of", rule.any_of, self.askable)
        for i, flag in enumerate(self.red_flags):
            self._check_condition(f"red_flags.{i}.any_of", flag.any_of, self.askable)
        flags = {name for flag in self.red_flags for name in flag.any_of}
        if len(flags) > MAX_FLAGS:
            raise PlacedError("red_flags", f"{len(flags)} variables, but at most {MAX_FLAGS} can be told")

    def _check_references(self) -> None:
        bases = [(f"{place}.basis", number.basis) for place, number in self.probabilities()]
        bases += [(f"causes.{name}.care_basis", cause.care_basis) for name, cause in self.causes.items()]
        bases += [(f"alarm.thresholds.{name}.basis", number.basis) for name, number in self.alarm.thresholds.items()]
        bases += [(f"alarm.rules.{i}.basis", rule.basis) for i, rule in enumerate(self.alarm.rules)]
        bases += [(f"red_flags.{i}.basis", flag.basis) for i, flag in enumerate(self.red_flags)]
        for place, basis in bases:
            for part in basis.split(";"):
                kind, _, source = part.strip().partition(": ")
                cited = [int(number) for number in re.findall(r"\d+", part)] if kind.startswith("claim") else []
                if self.claims is not None and (unknown := [n for n in cited if not 1 <= n <= self.claims]):
                    has = f"claims 1 to {self.claims}" if self.claims else "no claims"
                    raise PlacedError(place, f"cites claim {unknown[0]}, but the model file speaks of {has}")
                if kind == "literature" and source not in self.references:
                    hint = nearest(source, self.references)
                    raise PlacedError(place, f"cites '{source}', which is not among references.{hint}")

    def _check_answers(self, name: str, column: AnswerInput) -> None:
        place = f"inputs.{name}"
        variable = self.variables[_known(f"{place}.variable", column.variable, self.variables)]
        if column.variable not in self.findings:
            reason = f"'{column.variable}' is no finding, and only of a finding may answers say a part"
            raise PlacedError(f"{place}.variable", f"{reason}: give it a state for each answer")
        if name in self.variables:
            raise PlacedError(place, "the name belongs to a variable")
        for answer, states in column.answers.items():
            for state in states:
                _known(f"{place}.answers.{answer}", state, variable.states)
            if set(states) == set(variable.states):
                reason = f"leaves every state of {column.variable}, so says nothing"
                raise PlacedError(f"{place}.answers.{answer}", reason)

    def _check_links(self, place: str, links: Mapping[str, Mapping[str, object]], parents: Mapping[str, Any]) -> None:
        for parent, states in links.items():
            node = parents[_known(f"{place}.links", parent, parents)]
            allowed = node.states[1:] if parent in self.causes else node.states
            for state in states:
                _known(f"{place}.links.{parent}", state, allowed)

    def _check_condition(self, place: str, condition: Condition, nodes: Mapping[str, Any]) -> None:
        for name, states in condition.items():
            for state in states:
                _known(f"{place}.{name}", state, nodes[_known(place, name, nodes)].states)

    def _check_rows(self, name: str) -> None:
        risk = self.risks[name]
        for i, row in enumerate(risk.given):
            self._check_condition(f"risks.{name}.given.{i}.when", row.when, self.risks)
        combinations = prod(len(self.risks[parent].states) for parent in risk.parents)
        if combinations * len(risk.given) > MAX_COMPARISONS:
            said = f"{len(risk.given)} rows for {combinations:,} combinations of states of {len(risk.parents)} parents"
            raise PlacedError(f"risks.{name}.given", f"{said} are too many to check: drop parents, or states")
        for combination in product(*(self.risks[parent].states for parent in risk.parents)):
            states = dict(zip(risk.parents, combination, strict=True))
            rows = sum(all(states[key] in value for key, value in row.when.items()) for row in risk.given)
            if risk.given and rows != 1:
                raise PlacedError(f"risks.{name}.given", f"{rows} rows match {states}, not one")


def made_columns(causes: Mapping[str, Iterable[str]], alarm: str) -> list[tuple[str, str]]:
    """List the columns that results have of causes with these states, in order, each with what it holds."""
    chances = [
        *((name, f"the chance of {name}") for name in causes),
        ("none_of_these", "the chance of none of the causes"),
        *(
            (f"{name}_{state}", f"the chance that {name} is {state}")
            for name, states in causes.items()
            for state in list(states)[2:]
        ),
    ]
    level = f"{alarm}_alarm"
    return [
        *chances,
        ("most_likely", "the likeliest cause"),
        (level, "the level of the alarm"),
        ("red_flags", "the red flags"),
        *((f"{name}_{end}", f"the {end} end of {what}") for name, what in chances for end in ("low", "high")),
        (f"{level}_robust", "the share of draws at the level of the alarm"),
        (f"{level}_graver", "the share of draws at a graver level"),
    ]


def packed(model: ModelSpec) -> bytes:
    """Write a model as few bytes, of which `unpacked` makes the same one."""
    return zlib.compress(model.model_dump_json(exclude_defaults=True).encode())


def unpacked(content: bytes) -> ModelSpec:
    """Read what `packed` wrote."""
    return ModelSpec.model_validate_json(zlib.decompress(content))


def _numbers(place: str, effect: Probability | Distribution) -> Iterator[tuple[str, Probability]]:
    if isinstance(effect, Probability):
        yield place, effect
    else:
        for state, number in effect.items():
            yield f"{place}.{state}", number


def _known(place: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise PlacedError(place, f"'{name}' is not among {list(names)}.{nearest(name, names)}")
    return name


def _ordered(place: str, parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    for name, names in parents.items():
        for parent in names:
            _known(f"{place}.{name}", parent, parents)
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        raise PlacedError(place, f"a cycle, {' -> '.join(error.args[1])}") from None
    return tuple(order)
