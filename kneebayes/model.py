"""The model file as frozen, validated objects.

A model file (YAML) holds everything that is knowledge: variables, states,
questions, probabilities with their ranges and reasons, alarm rules, care.
This module refuses what is inconsistent; nothing here computes a posterior.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import product
from math import prod
from typing import Any, Literal

from pydantic import Field, model_validator

from kneebayes.variables import (
    Basis,
    Cause,
    Condition,
    Finding,
    Frozen,
    Identifier,
    Links,
    NumericInput,
    Probability,
    RiskFactor,
    Text,
)

__all__ = ["Alarm", "AlarmRule", "Interaction", "ModelFile", "RedFlag", "RuleLevel"]

RESERVED = ("case_id", "label", "also", "none_of_these", "most_likely", "red_flags")
MOST_COMPARISONS = 2_000_000  # of rows of a prior with states of its parents; the article's model has a dozen
MOST_FLAGS = 63  # they are joined by the bits of a number
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


class ModelFile(Frozen):
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
    def _consistent(self) -> ModelFile:
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
