"""The numbers of a model as one vector: where each stands, how far it may plausibly move, what moves with it.

Uncertainty and sensitivity ask the same model with other numbers, thousands of times. `ParameterIndex` says which
number stands where, once; `kneebayes.inference.tables.Layout` makes tables of any vector of numbers with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.spec.model_spec import Links, ModelSpec, Probability

if TYPE_CHECKING:
    from kneebayes.inference.network import CompiledModel

__all__ = ["ParameterIndex", "ParameterVector"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TINY = 1e-12  # share of a state beside a surer one, so that weights stay finite


class ParameterIndex:
    """Places of the P numbers of a model, in the order of `ModelSpec.probabilities`.

    A number that is not there has a place past the last. Among the links, P is a link of 0. Among the *shares*, what
    a distribution leaves for the state without a number comes after the numbers, and the last is 1.
    ``distributions`` has the numbers that belong together, in the order in which their remainders follow the numbers.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.names = tuple(name for name, _ in spec.probabilities())
        self.place = {name: i for i, name in enumerate(self.names)}
        self.n = len(self.names)
        self._rest: dict[str, int] = {}
        self.distributions = tuple(self._distributions())

    def _distributions(self) -> Iterator[Ints]:
        places: list[tuple[str, list[str]]] = []
        for name, risk in self.spec.risks.items():
            if risk.prior:
                places.append((f"risks.{name}.prior", list(risk.prior)))
            places += [(f"risks.{name}.given.{i}.prior", list(row.prior)) for i, row in enumerate(risk.given)]
        places += [
            (f"causes.{name}.split", list(cause.split)) for name, cause in self.spec.causes.items() if cause.split
        ]
        for name, finding in self.spec.findings.items():
            effects = [("leak", finding.leak)]
            effects += [(f"links.{c}.{s}", link) for c, by in finding.links.items() for s, link in by.items()]
            places += [(f"findings.{name}.{place}", list(e)) for place, e in effects if not isinstance(e, Probability)]
        for place, states in places:
            self._rest[place] = self.n + len(self._rest)
            yield np.array([self.place[f"{place}.{state}"] for state in states])

    def shares(self, place: str, states: Sequence[str]) -> list[int]:
        """Places of a distribution among the shares; its first state has no number and takes what is left."""
        rest = self._rest.get(place, -1)  # a distribution over one state has no numbers: the last share is 1
        return [rest, *(self.place[f"{place}.{state}"] for state in states[1:])]

    def effects(self, name: str, effect: str) -> list[int]:
        """Places of a leak or a link of a finding, such as ``links.dvt.present``, for each state but the first."""
        states, place = self.spec.findings[name].states[1:], f"findings.{name}.{effect}"
        return [self.place[place]] if len(states) == 1 else [self.place[f"{place}.{state}"] for state in states]

    def links(self, place: str, links: Links, parent: str, states: Sequence[str]) -> Ints:
        """Places of the links from each state of a parent, shape (states,)."""
        own = links.get(parent, {})
        return np.array([self.place[f"{place}.links.{parent}.{s}"] if s in own else self.n for s in states])

    def prior(self, name: str) -> Ints:
        """Places of a risk factor's prior among the shares, shape (states of parent 1, ..., its own states)."""
        risk, risks = self.spec.risks[name], self.spec.risks
        if risk.prior:
            return np.array(self.shares(f"risks.{name}.prior", risk.states))
        shape = [len(risks[parent].states) for parent in risk.parents]
        table = np.empty((*shape, len(risk.states)), dtype=np.int64)
        for index in product(*map(range, shape)):
            state = {parent: risks[parent].states[i] for parent, i in zip(risk.parents, index, strict=True)}
            row = next(r for r, row in enumerate(risk.given) if all(state[k] in v for k, v in row.when.items()))
            table[index] = self.shares(f"risks.{name}.given.{row}.prior", risk.states)
        return table


class ParameterVector:
    """The P numbers of a model, in the order of `ModelSpec.probabilities`.

    ``names`` are places in the model file, such as ``causes.dvt.links.smoker.present``; ``p``, ``low`` and ``high``,
    (P,), each number and the ends of its plausible range; ``distributions`` the numbers that add up to at most 1;
    ``siblings`` the members of its distribution for each number that has others there.
    """

    def __init__(self, network: CompiledModel) -> None:
        index = network.layout.index
        numbers = [number for _, number in index.spec.probabilities()]
        self.network, self.names, self.distributions = network, index.names, index.distributions
        self.p = np.array([number.p for number in numbers])
        self.low, self.high = np.array([number.range for number in numbers]).T
        self.siblings = {int(i): members for members in self.distributions for i in members if len(members) > 1}
        findings = list(index.spec.findings)
        parts = [name.split(".", 2) for name in self.names]
        # which finding each number is a leak or link of, (P,); -1 for the others
        self.finding = np.array([findings.index(name) if kind == "findings" else -1 for kind, name, _ in parts])

    def moved(self, index: int, value: float) -> Floats:
        """Set one number; other states of the same distribution share what is left in proportion.

        The state that has no number shares like the others; it takes all that is left where the others have nothing
        to scale.
        """
        values = self.p.copy()
        if index in self.siblings and self.p[index] < 1.0:
            values[self.siblings[index]] *= (1.0 - value) / (1.0 - self.p[index])
        values[index] = value
        return values

    def normalised(self, values: Floats) -> Floats:
        """Make vectors of numbers drawn one by one, (..., P), distributions again.

        Each state of a distribution weighs so much that it would have the number drawn if it alone had been drawn.
        """
        values = values.copy()
        for members in self.distributions:
            if len(members) == 1:
                continue
            p, drawn = self.p[members], values[..., members]
            weight = drawn / np.maximum(1.0 - drawn, TINY) * np.maximum(1.0 - p, TINY)
            rest = max(1.0 - p.sum(), TINY)
            changed = (drawn != p).any(axis=-1, keepdims=True)
            values[..., members] = np.where(changed, weight / (weight.sum(axis=-1, keepdims=True) + rest), drawn)
        return values

    def belongs_to(self, findings: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which numbers, (P,), are leaks and links of some findings, (findings,)."""
        own: NDArray[np.bool_] = np.append(findings, False)[self.finding]
        return own
