"""The numbers of a model as one vector, and the tables of inference from it.

Uncertainty and sensitivity ask the same model with other numbers, thousands of
times. Which number stands where in the tables is found out once, so that a
vector of numbers becomes tables without a model file in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference.network import CompiledModel
from kneebayes.inference.tables import Component, Tables
from kneebayes.spec.model_spec import Links, ModelSpec

__all__ = [
    "Parameters",
    "Part",
    "Places",
    "outer_halves",
    "parameters_of",
]

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
    """Places of the P numbers of a model, in the order of `ModelSpec.probabilities`.

    A number that is not there has a place past the last: among the links, P is
    a link of 0. Among the shares, what a distribution leaves comes after the
    numbers, and the last is 1.

    Parameters
    ----------
    network : CompiledModel
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

    def __init__(self, network: CompiledModel) -> None:
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

    def _distributions(self, model: ModelSpec) -> Iterator[Ints]:
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

    def _prior(self, model: ModelSpec, name: str) -> Ints:
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

    def _part(self, model: ModelSpec, component: Component, causes: list[str], leaks: bool) -> Part:
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


Floats = NDArray[np.float64]
TINY = 1e-12  # share of a state beside a surer one, so that weights stay finite


class Parameters:
    """The numbers of a model, in the order of `ModelSpec.probabilities`.

    Parameters
    ----------
    network : CompiledModel
        The compiled model.

    Attributes
    ----------
    names : tuple of str
        Places in the model file, such as ``causes.dvt.links.smoker.present``.
    p, low, high : ndarray, shape (P,)
        Each number, and the ends of its plausible range.
    distributions : tuple of ndarray of int
        Numbers that belong to one distribution: states of a risk factor, or of
        a cause that is present. The state without a number takes what is left.
    siblings : dict of int to ndarray of int
        The members of its distribution for each number that has others there.
    parts, splits, parents, leaks, finding_links
        As in `Places`.
    """

    def __init__(self, network: CompiledModel) -> None:
        self.network = network
        model = network.model
        numbers = dict(model.probabilities())
        self.names = tuple(numbers)
        self.p = np.array([number.p for number in numbers.values()])
        self.low, self.high = np.array([number.range for number in numbers.values()]).T
        places = Places(network)
        self.distributions, self.parts = places.distributions, places.parts
        self.splits, self.parents = places.splits, places.parents
        self.leaks, self.finding_links = places.leaks, places.finding_links
        self.siblings = {int(i): members for members in self.distributions for i in members if len(members) > 1}

    def shares(self, values: Floats) -> Floats:
        """Append to vectors of numbers what each distribution leaves, and 1.

        Parameters
        ----------
        values : ndarray, shape (..., P)
            Numbers.

        Returns
        -------
        ndarray, shape (..., P + distributions + 1)
            Of which `Part.shares` and ``splits`` are places.
        """
        rest = [np.maximum(0.0, 1.0 - values[..., members].sum(axis=-1)) for members in self.distributions]
        return np.stack([*np.moveaxis(values, -1, 0), *rest, np.ones(values.shape[:-1])], axis=-1)

    def triggers(self, part: Part, values: Floats, places: NDArray[np.intp] | slice) -> tuple[Floats, Floats]:
        """Compute P(a target is not triggered by a component), and P(it is).

        Parameters
        ----------
        part : Part
            The component.
        values : ndarray, shape (..., P)
            Numbers.
        places : ndarray of int or slice
            Which of its S joint states.

        Returns
        -------
        tuple of ndarray, shape (..., targets, chosen states)
            The second is a sum of products, so that rare triggers keep their digits.
        """
        links = np.concatenate([values, np.zeros((*values.shape[:-1], 1))], axis=-1)
        shape = (*values.shape[:-1], *part.links[0][:, places].shape)
        off, on = np.ones(shape), np.zeros(shape)
        for layer in part.links:
            link = links[..., layer[:, places]]
            on = on + off * link
            off = off * (1.0 - link)
        return off, on

    def tables(self, values: Floats) -> Tables:
        """Tabulate the model with other numbers.

        Parameters
        ----------
        values : ndarray, shape (P,)
            Numbers in [0, 1], those of a distribution adding up to at most 1.

        Returns
        -------
        Tables
            As `kneebayes.inference.tables.tables` makes them of a model file.
        """
        own = self.network.tables
        shares = self.shares(values)
        links = np.append(values, 0.0)
        absent_links = 1.0 - links[self.finding_links]
        absent_leak = 1.0 - values[self.leaks]
        absent = absent_leak[:, None]
        for c, card in enumerate(own.cards):
            absent = (absent[:, :, None] * absent_links[:, c, None, :card]).reshape(len(absent), -1)
        base, *rest = (self._component(part, values, shares) for part in self.parts)
        return Tables(
            cards=own.cards,
            split=tuple(shares[split] for split in self.splits),
            order=own.order,
            parents=tuple({c: 1.0 - links[places] for c, places in parents.items()} for parents in self.parents),
            base=base,
            components=tuple(rest),
            absent_leak=absent_leak,
            absent_links=absent_links,
            absent=absent,
        )

    def moved(self, index: int, value: float) -> Floats:
        """Set one number; other states of the same distribution share what is left in proportion.

        Parameters
        ----------
        index : int
            Which number.
        value : float
            In [0, 1].

        Returns
        -------
        ndarray, shape (P,)
            All numbers. The state that has none shares like the others; it
            takes all that is left where the others have nothing to scale.
        """
        values = self.p.copy()
        if index in self.siblings and self.p[index] < 1.0:
            values[self.siblings[index]] *= (1.0 - value) / (1.0 - self.p[index])
        values[index] = value
        return values

    def normalised(self, values: Floats) -> Floats:
        """Make vectors of numbers drawn one by one distributions again.

        Parameters
        ----------
        values : ndarray, shape (..., P)
            Numbers in [0, 1].

        Returns
        -------
        ndarray, shape (..., P)
            A copy in which each state of a distribution weighs so much that it
            would have the number drawn if it alone had been drawn.
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
        """Tell which numbers are leaks and links of some findings.

        Parameters
        ----------
        findings : ndarray of bool, shape (findings,)
            Which findings.

        Returns
        -------
        ndarray of bool, shape (P,)
            Which numbers.
        """
        own = np.zeros(len(self.p) + 1, dtype=bool)  # past the last: no link
        own[self.leaks[findings]] = True
        own[self.finding_links[findings].ravel()] = True
        return own[:-1]

    def _component(self, part: Part, values: Floats, shares: Floats) -> Component:
        off, on = self.triggers(part, values, slice(None))
        left, right = outer_halves(shares[part.shares].prod(axis=0), off, on)
        full = (left[:, :, None] * right[:, None, :]).reshape(*part.shape, -1)
        table = np.empty((*part.component.radix, full.shape[-1]))
        table[tuple(slice(n) for n in part.shape)] = full
        for axis, n in enumerate(part.shape):  # the last code of each risk factor stands for unknown
            before, after = [slice(None)] * axis, [slice(m) for m in part.shape[axis + 1 :]]
            known: tuple[Any, ...] = (*before, slice(n), *after)
            unknown: tuple[Any, ...] = (*before, n, *after)
            np.sum(table[known], axis=axis, out=table[unknown])
        return replace(part.component, trigger=table.reshape(-1, full.shape[-1]))


def outer_halves(weight: Floats, off: Floats, on: Floats) -> tuple[Floats, Floats]:
    """Multiply the chances of several targets out, in two halves whose outer product is the whole.

    Parameters
    ----------
    weight : ndarray, shape (..., S)
        P(joint state of risk factors).
    off, on : ndarray, shape (..., targets, S)
        P(a target is not triggered there), P(it is).

    Returns
    -------
    tuple of ndarray, shapes (..., S, 2 ** half), (..., S, 2 ** other half)
        The first target is the highest bit of the first; weights are in the first.
    """
    chance = np.stack([off, on], axis=-1)
    n = off.shape[-2]
    halves = []
    for first, targets in ((weight, range(n // 2)), (np.ones_like(weight), range(n // 2, n))):
        half = first[..., None]
        for t in targets:
            half = (half[..., :, None] * chance[..., t, :, None, :]).reshape(*half.shape[:-1], -1)
        halves.append(half)
    return halves[0], halves[1]


@lru_cache(maxsize=4)
def parameters_of(network: CompiledModel) -> Parameters:
    """Find the numbers of a network out once.

    Parameters
    ----------
    network : CompiledModel
        The compiled model.

    Returns
    -------
    numbers : Parameters
        The same object for the same network.
    """
    return Parameters(network)
