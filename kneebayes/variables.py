"""Variables of a model file: risk factors, causes and findings with their numbers.

Every probability says where it comes from. Nothing here knows of the other
variables; ``model.py`` checks how they fit together.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

__all__ = [
    "Band",
    "Basis",
    "Cause",
    "Condition",
    "Distribution",
    "Finding",
    "Frozen",
    "Identifier",
    "Links",
    "NumericInput",
    "PriorRow",
    "Probability",
    "RiskFactor",
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
