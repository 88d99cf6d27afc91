"""A model file as frozen, validated objects: variables, numbers, alarm, and how they fit together.

Every probability says where it comes from. Nothing here knows of the other
variables; ``model.py`` checks how they fit together.

A model file (YAML) holds everything that is knowledge: variables, states,
questions, probabilities with their ranges and reasons, alarm rules, care.
This module refuses what is inconsistent; nothing here computes a posterior.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from math import prod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

__all__ = [
    "LEVELS",
    "Alarm",
    "AlarmRule",
    "Band",
    "Basis",
    "Cause",
    "Condition",
    "Distribution",
    "Finding",
    "Frozen",
    "Identifier",
    "Interaction",
    "Links",
    "ModelSpec",
    "NumericInput",
    "PriorRow",
    "Probability",
    "RedFlag",
    "RiskFactor",
    "RuleLevel",
    "Text",
]

MOST_STATES = 120  # cases are held as bytes with a sign
_NAME = r"[a-z][a-z0-9_]*"
_BASIS = re.compile(r"(claims? \d+(, \d+)*|literature: \S.*|judgement|fitted: \S.*)")
# what the JSON Schema says of values that Python functions check
_NAME_SCHEMA: dict[str, Any] = {"type": "string", "pattern": f"^{_NAME}$"}
_BASIS_PART = _BASIS.pattern.replace(".*", "[^;]*")
_BASIS_SCHEMA = {"type": "string", "pattern": rf"^\s*{_BASIS_PART}\s*(;\s*{_BASIS_PART}\s*)*$"}
_STATES_SCHEMA = {"anyOf": [_NAME_SCHEMA, {"type": "array", "items": _NAME_SCHEMA, "minItems": 1}]}


def _identifier(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"'{name}' must match [a-z][a-z0-9_]* (other names break the exchange formats)")
    return name


def _basis(text: str) -> str:
    for part in text.split(";"):
        if not _BASIS.fullmatch(part.strip()):
            raise ValueError(
                f"basis '{part.strip()}' must be 'claim N', 'claims N, M', 'literature: SOURCE', "
                "'judgement' or 'fitted: HOW', several joined by ';'"
            )
    return text


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Identifier = Annotated[str, AfterValidator(_identifier), WithJsonSchema(_NAME_SCHEMA)]
Text = Annotated[str, Field(min_length=1)]
Basis = Annotated[str, AfterValidator(_basis), WithJsonSchema(_BASIS_SCHEMA)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Condition = dict[
    Identifier,
    Annotated[tuple[Identifier, ...], BeforeValidator(_listed), Field(min_length=1), WithJsonSchema(_STATES_SCHEMA)],
]


class Frozen(BaseModel):
    """What all parts of a model file share: no change once read, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Probability(Frozen):
    """A number somebody chose: its value, plausible range, basis and reason."""

    p: Unit
    range: tuple[Unit, Unit]
    basis: Basis
    why: Text

    @model_validator(mode="after")
    def _inside_range(self) -> Probability:
        low, high = self.range
        if not low <= self.p <= high:
            raise ValueError(f"p {self.p} lies outside its range [{low}, {high}]")
        return self


Distribution = dict[Identifier, Probability]
Links = dict[Identifier, Distribution]


class Band(Frozen):
    """One band of a numeric input: values from ``at_least`` on, or ``above`` it."""

    state: Identifier
    at_least: Finite | None = None
    above: Finite | None = None


class NumericInput(Frozen):
    """A column of numbers that sets a variable through bands, lowest band first."""

    variable: Identifier
    label: Text
    unit: Text
    minimum: Finite
    maximum: Finite
    bands: tuple[Band, ...] = Field(min_length=2)
    warn_below: Finite | None = None
    warning: str = ""

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


class _Variable(Frozen):
    label: Text
    question: Text
    group: Identifier
    states: tuple[Identifier, ...] = Field(default=("absent", "present"), min_length=2)
    state_labels: dict[Identifier, Text] = Field(default_factory=dict)
    cost: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0  # of asking it, against that of a plain question
    icd10cm: dict[str, Text] = Field(default_factory=dict)
    note: str = ""

    @model_validator(mode="after")
    def _distinct_states(self) -> Any:
        if len(self.states) > MOST_STATES:
            raise ValueError(f"{len(self.states)} states, but at most {MOST_STATES} can be told apart")
        if len(set(self.states)) < len(self.states):
            raise ValueError(f"states {list(self.states)} repeat a name")
        for state in self.state_labels:
            if state not in self.states:
                raise ValueError(f"state_labels names '{state}', which is not among {list(self.states)}")
        return self


class PriorRow(Frozen):
    """The prior of a risk factor where its parents are in the given states."""

    when: Condition
    prior: Distribution


class RiskFactor(_Variable):
    """A variable that may cause a cause.

    ``prior`` gives every state but the first, which takes what is left.
    A factor that depends on others has ``given`` in place of ``prior``: rows
    of which exactly one must match each combination of its parents' states.
    """

    prior: Distribution = Field(default_factory=dict)
    given: tuple[PriorRow, ...] = ()

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


class Cause(_Variable):
    """One of the causes: a leaky noisy-OR of risk factors and other causes.

    A cause with more than two states is absent or present by the noisy-OR;
    ``split`` gives P(state | present) of the third state on, and the second
    state takes what is left.
    """

    leak: Probability
    links: Links = Field(default_factory=dict)
    split: Distribution = Field(default_factory=dict)
    care: tuple[Text, ...] = Field(min_length=1)
    recovery: Text
    care_basis: Basis

    @model_validator(mode="after")
    def _complete(self) -> Cause:
        _check_remainder(self.split, self.states[1], self.states[2:])
        return self


class Finding(_Variable):
    """A symptom, sign or earlier diagnosis: a leaky noisy-OR of the causes."""

    leak: Probability
    links: Links = Field(default_factory=dict)

    @model_validator(mode="after")
    def _binary(self) -> Finding:
        if len(self.states) != 2:
            raise ValueError(f"a finding has two states, not {list(self.states)}")
        return self


def _check_remainder(distribution: Distribution, remainder: str, states: tuple[str, ...]) -> None:
    if tuple(distribution) != states and set(distribution) != set(states):
        raise ValueError(f"needs a probability for {list(states)}; '{remainder}' takes what is left")
    total = sum(number.p for number in distribution.values())
    if total > 1 + 1e-12:
        raise ValueError(f"probabilities add up to {total:.6g}, so nothing is left for '{remainder}'")


RESERVED = ("case_id", "label", "also", "none_of_these", "most_likely", "red_flags")
MOST_COMPARISONS = 2_000_000  # of rows of a prior with states of its parents; the article's model has a dozen
MOST_FLAGS = 63  # they are joined by the bits of a number
LEVELS = ("low", "not_assessed", "caution", "urgent", "emergency")  # of the alarm, the mildest first
RuleLevel = Literal["emergency", "urgent", "caution"]


class Interaction(Frozen):
    """A link to a cause that acts only where all its conditions hold."""

    target: Identifier
    when: Condition
    link: Probability


class AlarmRule(Frozen):
    """An alarm level that evidence alone forces, whatever the probability."""

    level: RuleLevel
    when: Condition
    any_of: Condition = Field(default_factory=dict)
    reason: Text
    basis: Basis


class Alarm(Frozen):
    """When and how to warn of the cause that must not be missed."""

    cause: Identifier
    thresholds: dict[Literal["caution", "urgent"], Probability]
    key_questions: tuple[Identifier, ...] = Field(min_length=1)
    advice: dict[Literal["emergency", "urgent", "caution", "not_assessed", "low"], Text]
    signs: Condition = Field(default_factory=dict)
    rules: tuple[AlarmRule, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Alarm:
        if len(self.thresholds) != 2 or self.thresholds["caution"].p > self.thresholds["urgent"].p:
            raise ValueError("needs the thresholds caution and urgent, caution not above urgent")
        if len(self.advice) != 5:
            raise ValueError("needs advice for emergency, urgent, caution, not_assessed and low")
        return self


class RedFlag(Frozen):
    """A reason to seek help, whatever the cause: any of these states."""

    any_of: Condition
    reason: Text
    basis: Basis


class ModelSpec(Frozen):
    """A whole model file, checked."""

    format: Literal[1]
    name: Identifier
    version: Text
    title: Text
    population: Text
    disclaimer: Text
    leak_convention: Literal["P(present) = 1 - (1 - leak) * product(1 - link)"]
    complaint: Identifier
    groups: dict[Identifier, Text]
    inputs: dict[Identifier, NumericInput] = Field(default_factory=dict)
    risks: dict[Identifier, RiskFactor] = Field(min_length=1)
    interactions: tuple[Interaction, ...] = ()
    causes: dict[Identifier, Cause] = Field(min_length=1)
    findings: dict[Identifier, Finding] = Field(min_length=1)
    alarm: Alarm
    red_flags: tuple[RedFlag, ...] = ()
    general_care: tuple[Text, ...] = ()
    references: dict[str, Text] = Field(default_factory=dict)
    provenance: tuple[Text, ...] = ()

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
        return {**risks, **{name: (self.findings[name].states[1],) for name in linked}}

    def label_of(self, target: str) -> str:
        """Give the words for what has a posterior.

        Parameters
        ----------
        target : str
            A cause, ``none_of_these``, or ``<cause>_<state>``.

        Returns
        -------
        str
            Made of the labels of the file.
        """
        for name, cause in self.causes.items():
            for state in cause.states[2:]:
                if target == f"{name}_{state}":
                    return f"{cause.label}, {cause.state_labels.get(state, state.replace('_', ' '))}"
        return self.causes[target].label if target in self.causes else "none of these"

    def describe(self, variable: str, state: str) -> str:
        """Say in words that a variable is in a state, such as ``Calf pain: yes``.

        Parameters
        ----------
        variable, state : str
            By name.

        Returns
        -------
        str
            Made of the labels of the file.
        """
        known = self.variables[variable]
        if known.states == ("absent", "present"):
            return f"{known.label}: {'yes' if state == 'present' else 'no'}"
        return f"{known.label}: {known.state_labels.get(state, state.replace('_', ' '))}"

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
        """Every number of the network with its place in the file.

        Yields
        ------
        tuple of str and Probability
            The place, as in ``causes.dvt.links.smoker.present``, and the number.
        """
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
                yield f"{section}.{name}.leak", node.leak
                for parent, states in node.links.items():
                    for state, number in states.items():
                        yield f"{section}.{name}.links.{parent}.{state}", number
                if isinstance(node, Cause):
                    for state, number in node.split.items():
                        yield f"{section}.{name}.split.{state}", number

    @model_validator(mode="after")
    def _consistent(self) -> ModelSpec:
        taken = [name for name in self.variables if name in RESERVED or name.startswith("true_")]
        if taken:
            raise ValueError(f"'{taken[0]}' is a column of its own in tables: give the variable another name")
        if len(self.variables) < len(self.risks) + len(self.causes) + len(self.findings):
            raise ValueError("a name stands in two of risks, causes and findings")
        for name, variable in self.variables.items():
            if variable.group not in self.groups:
                raise ValueError(f"{name}: group '{variable.group}' is not among {list(self.groups)}")
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
        for name, numeric in self.inputs.items():
            variable = self.variables[_known(f"inputs.{name}.variable", numeric.variable, self.variables)]
            for band in numeric.bands:
                _known(f"inputs.{name}.bands", band.state, variable.states)
            if name in self.variables and name != numeric.variable:
                raise ValueError(f"inputs.{name}: the name belongs to another variable")
        self._check_alarm()
        return self

    def _check_alarm(self) -> None:
        _known("complaint", self.complaint, self.findings)
        _known("alarm.cause", self.alarm.cause, self.causes)
        for name in self.alarm.key_questions:
            _known("alarm.key_questions", name, self.variables)
        self._check_condition("alarm.signs", self.alarm.signs, {**self.risks, **self.findings})
        for name, states in self.alarm.signs.items():
            if self.variables[name].states[0] in states:
                raise ValueError(f"alarm.signs.{name}: '{states[0]}' is being without it, which is no sign")
        for i, rule in enumerate(self.alarm.rules):
            self._check_condition(f"alarm.rules.{i}.when", rule.when, self.variables)
            self._check_condition(f"alarm.rules.{i}.any_of", rule.any_of, self.variables)
        for i, flag in enumerate(self.red_flags):
            self._check_condition(f"red_flags.{i}.any_of", flag.any_of, self.variables)
        flags = {name for flag in self.red_flags for name in flag.any_of}
        if len(flags) > MOST_FLAGS:
            raise ValueError(f"red_flags: {len(flags)} variables, but at most {MOST_FLAGS} can be told")

    def _check_links(self, place: str, links: Links, parents: Mapping[str, Any]) -> None:
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
        if combinations * len(risk.given) > MOST_COMPARISONS:
            raise ValueError(
                f"risks.{name}.given: {len(risk.given)} rows for {combinations:,} combinations of states of "
                f"{len(risk.parents)} parents are too many to check: drop parents, or states"
            )
        for combination in product(*(self.risks[parent].states for parent in risk.parents)):
            states = dict(zip(risk.parents, combination, strict=True))
            rows = sum(all(states[key] in value for key, value in row.when.items()) for row in risk.given)
            if risk.given and rows != 1:
                raise ValueError(f"risks.{name}.given: {rows} rows match {states}, not one")


def _known(place: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise ValueError(f"{place}: '{name}' is not among {list(names)}")
    return name


def _ordered(place: str, parents: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    for name, names in parents.items():
        for parent in names:
            _known(f"{place}.{name}", parent, parents)
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        raise ValueError(f"{place}: a cycle, {' -> '.join(error.args[1])}") from None
    return tuple(order)
