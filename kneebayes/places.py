"""Where each number of a model stands in the tables of inference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference import Network
from kneebayes.model import ModelFile
from kneebayes.tables import Component
from kneebayes.variables import Links

__all__ = ["Part", "Places"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """Where the numbers of one component of risk factors stand.

    Attributes
    ----------
    component : Component
        The component in the tables of the model.
    shape : tuple of int
        Number of states of each of its risk factors, with S joint states.
    shares : ndarray of int, shape (risk factors, S)
        Places of the prior of each risk factor among the shares.
    links : ndarray of int, shape (depth, targets, S)
        Places of what may trigger each target among the numbers; that past the
        last is a link of 0.
    """

    component: Component
    shape: tuple[int, ...]
    shares: Ints
    links: Ints


class Places:
    """Places of the P numbers of a model, in the order of `ModelFile.probabilities`.

    A number that is not there has a place past the last: among the links, P is
    a link of 0. Among the shares, what a distribution leaves comes after the
    numbers, and the last is 1.

    Parameters
    ----------
    network : Network
        The compiled model, with C causes and F findings.

    Attributes
    ----------
    distributions : tuple of ndarray of int
        Numbers that belong to one distribution, whose remainders are the
        shares after the numbers.
    parts : tuple of Part
        The components of risk factors, the base first.
    splits : tuple of ndarray of int
        Per cause the shares of its states but the first.
    parents : tuple of dict of int to ndarray of int
        Per cause, for each cause that causes it, links by state.
    leaks : ndarray of int, shape (F,)
        Leaks of the findings.
    finding_links : ndarray of int, shape (F, C, most states)
        Their links by cause and state.
    """

    def __init__(self, network: Network) -> None:
        model = network.model
        self._number = {name: i for i, (name, _) in enumerate(model.probabilities())}
        self._rest: dict[str, int] = {}
        self.n = len(self._number)
        self.distributions = tuple(self._distributions(model))
        causes = list(model.causes)
        components = (network.tables.base, *network.tables.components)
        self.parts = tuple(self._part(model, component, causes, c == 0) for c, component in enumerate(components))
        self.splits = tuple(
            np.array([self._share(f"causes.{name}.split", s, s == cause.states[1]) for s in cause.states[1:]])
            for name, cause in model.causes.items()
        )
        self.parents = tuple(
            {
                causes.index(parent): self._links(f"causes.{name}", cause.links, parent, model.causes[parent].states)
                for parent in cause.links
                if parent in model.causes
            }
            for name, cause in model.causes.items()
        )
        self.leaks = np.array([self._number[f"findings.{name}.leak"] for name in model.findings])
        self.finding_links = np.full((len(model.findings), len(causes), max(network.tables.cards)), self.n)
        for f, (name, finding) in enumerate(model.findings.items()):
            for parent in finding.links:
                states = model.causes[parent].states
                links = self._links(f"findings.{name}", finding.links, parent, states)
                self.finding_links[f, causes.index(parent), : len(states)] = links

    def _distributions(self, model: ModelFile) -> Iterator[Ints]:
        """Yield the numbers of each distribution; its remainder gets the next place among the shares."""
        places: list[tuple[str, list[str]]] = []
        for name, risk in model.risks.items():
            if risk.prior:
                places.append((f"risks.{name}.prior", list(risk.prior)))
            places += [(f"risks.{name}.given.{i}.prior", list(row.prior)) for i, row in enumerate(risk.given)]
        places += [(f"causes.{name}.split", list(cause.split)) for name, cause in model.causes.items() if cause.split]
        for place, states in places:
            self._rest[place] = self.n + len(self._rest)
            yield np.array([self._number[f"{place}.{state}"] for state in states])

    def _share(self, place: str, state: str, is_rest: bool) -> int:
        if not is_rest:
            return self._number[f"{place}.{state}"]
        return self._rest.get(place, -1)  # the last share is 1

    def _links(self, place: str, links: Links, parent: str, states: Sequence[str]) -> Ints:
        """Places of the links from each state of a parent."""
        own = links.get(parent, {})
        return np.array([self._number[f"{place}.links.{parent}.{s}"] if s in own else self.n for s in states])

    def _prior(self, model: ModelFile, name: str) -> Ints:
        """Places of a risk factor's prior, shape (states of parent 1, ..., its own states)."""
        risk = model.risks[name]

        def row_of(place: str) -> list[int]:
            return [self._share(place, state, state == risk.states[0]) for state in risk.states]

        if risk.prior:
            return np.array(row_of(f"risks.{name}.prior"))
        shape = [len(model.risks[parent].states) for parent in risk.parents]
        table = np.empty((*shape, len(risk.states)), dtype=np.int64)
        for index in product(*map(range, shape)):
            state = {parent: model.risks[parent].states[i] for parent, i in zip(risk.parents, index, strict=True)}
            row = next(r for r, row in enumerate(risk.given) if all(state[k] in v for k, v in row.when.items()))
            table[index] = row_of(f"risks.{name}.given.{row}.prior")
        return table

    def _part(self, model: ModelFile, component: Component, causes: list[str], leaks: bool) -> Part:
        names = list(component.variables)
        shape = tuple(len(model.risks[name].states) for name in names)
        states = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape))
        shares = np.array(
            [
                self._prior(model, name)[tuple(states[names.index(n)] for n in (*model.risks[name].parents, name))]
                for name in names
            ]
        )
        layers: list[list[Ints]] = []
        for target in (causes[t] for t in component.targets):
            own = [np.full(states.shape[1], self._number[f"causes.{target}.leak"])] if leaks else []
            for name in names:
                if name in model.causes[target].links:
                    places = self._links(f"causes.{target}", model.causes[target].links, name, model.risks[name].states)
                    own.append(places[states[names.index(name)]])
            for i, interaction in enumerate(model.interactions):
                if interaction.target == target and set(interaction.when) & set(names):
                    holds = np.ones(states.shape[1], dtype=bool)
                    for name, allowed in interaction.when.items():
                        holds &= np.isin(model.risks[name].states, allowed)[states[names.index(name)]]
                    own.append(np.where(holds, self._number[f"interactions.{i}.link"], self.n))
            layers.append(own)
        links = np.full((max(map(len, layers), default=1) or 1, len(layers), states.shape[1]), self.n)
        for t, own in enumerate(layers):
            for depth, places in enumerate(own):
                links[depth, t] = places
        return Part(component, shape, shares, links)
