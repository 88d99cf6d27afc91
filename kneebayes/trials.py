"""The trials behind each number of a model: how often it could have acted, and how often it did.

A link is a coin of its own: wherever its parent is in the state, it is tossed,
and the node is present if any of its coins, the leak's included, falls on its
face (Henrion 1987; Meek and Heckerman 1997). Which did is never observed. If
the node is absent none did; if it is present, a coin of chance q did with
probability q / P(present | parents).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.counts import Counts
from kneebayes.model import ModelFile
from kneebayes.tables import Component, Tables

__all__ = ["Trials", "count_trials"]

Floats = NDArray[np.float64]


class Trials(NamedTuple):
    """Expected trials of one number: in how many it acted, of how many."""

    acted: float
    tried: float


Found = dict[str, Trials]


def count_trials(model: ModelFile, tables: Tables, counts: Counts) -> Found:
    """Count the trials of every number of a model.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    tables : Tables
        Its tables.
    counts : Counts
        Expected counts from these tables.

    Returns
    -------
    dict of str to Trials
        By place, as from `ModelFile.probabilities` and in that order.
    """
    found: Found = {}
    for part, count in zip((tables.base, *tables.components), counts.components, strict=True):
        _risk_factors(model, part, count.sum(axis=-1), found)
        for target in part.targets:
            _triggers(model, part, target, count, found, leak=part is tables.base)
    states = np.stack(np.unravel_index(np.arange(len(counts.joint)), tables.cards), axis=1)
    _causes(model, tables, counts, states, found)
    _findings(model, tables, counts, states, found)
    return {place: Trials(float(found[place].acted), float(found[place].tried)) for place, _ in model.probabilities()}


def _risk_factors(model: ModelFile, part: Component, tried: Floats, found: Found) -> None:
    """Count the states of the risk factors of a component, in each row of their priors."""
    for name in part.variables:
        risk = model.risks[name]
        rows = [(f"risks.{name}.given.{i}.prior", row.when, row.prior) for i, row in enumerate(risk.given)]
        for place, when, prior in rows or [(f"risks.{name}.prior", {}, risk.prior)]:
            total = tried[_where(model, part, when)].sum()
            for state in prior:
                chosen = tried[_where(model, part, {**when, name: (state,)})].sum()
                found[f"{place}.{state}"] = Trials(chosen, total)


def _triggers(model: ModelFile, part: Component, target: int, count: Floats, found: Found, *, leak: bool) -> None:
    """Count the trials of what a component does to one cause, by the states of its risk factors."""
    name = list(model.causes)[target]
    cause = model.causes[name]
    known = part.trigger.reshape(*part.radix, -1)[tuple(slice(radix - 1) for radix in part.radix)]
    after = 2 ** (len(part.targets) - 1 - part.targets.index(target))
    fired, on = (a.reshape(*a.shape[:-1], -1, 2, after)[..., 1, :].sum(axis=(-2, -1)) for a in (count, known))
    tried, whole = count.sum(axis=-1), known.sum(axis=-1)
    over_chance = _ratio(fired * whole, on)

    def trials(chance: float, when: Mapping[str, tuple[str, ...]]) -> Trials:
        here = _where(model, part, when)
        return Trials(chance * over_chance[here].sum(), tried[here].sum())

    if leak:
        found[f"causes.{name}.leak"] = trials(cause.leak.p, {})
    for risk in part.variables:
        for state, link in cause.links.get(risk, {}).items():
            found[f"causes.{name}.links.{risk}.{state}"] = trials(link.p, {risk: (state,)})
    for i, interaction in enumerate(model.interactions):
        if interaction.target == name and set(interaction.when) & set(part.variables):
            found[f"interactions.{i}.link"] = trials(interaction.link.p, interaction.when)


def _causes(model: ModelFile, tables: Tables, counts: Counts, states: NDArray[np.intp], found: Found) -> None:
    """Count the trials of links between causes, and the states of causes that are present."""
    names = list(model.causes)
    for c, (name, cause) in enumerate(model.causes.items()):
        others = states[states[:, c] == 0]
        for p in tables.parents[c]:
            parent = names[p]
            for state, link in cause.links[parent].items():
                s = model.causes[parent].states.index(state)
                acted = link.p * counts.reached[c].ravel()[others[:, p] == s].sum()
                found[f"causes.{name}.links.{parent}.{state}"] = Trials(acted, counts.joint[states[:, p] == s].sum())
        present = counts.joint[states[:, c] > 0].sum()
        for state in cause.split:
            chosen = counts.joint[states[:, c] == cause.states.index(state)].sum()
            found[f"causes.{name}.split.{state}"] = Trials(chosen, present)


def _findings(model: ModelFile, tables: Tables, counts: Counts, states: NDArray[np.intp], found: Found) -> None:
    """Count the trials of the leaks and links of findings, over the cases in which each is known."""
    names = list(model.causes)
    for f, (name, finding) in enumerate(model.findings.items()):
        over_chance = _ratio(counts.present[f], 1.0 - tables.absent[f])
        known = counts.present[f] + counts.absent[f]
        found[f"findings.{name}.leak"] = Trials(finding.leak.p * over_chance.sum(), known.sum())
        for parent, links in finding.links.items():
            for state, link in links.items():
                here = states[:, names.index(parent)] == model.causes[parent].states.index(state)
                trials = Trials(link.p * over_chance[here].sum(), known[here].sum())
                found[f"findings.{name}.links.{parent}.{state}"] = trials


def _where(model: ModelFile, part: Component, when: Mapping[str, tuple[str, ...]]) -> NDArray[np.bool_]:
    """Tell where the risk factors of a component are in the given states."""
    holds = np.ones([len(model.risks[name].states) for name in part.variables], dtype=bool)
    for axis, name in enumerate(part.variables):
        if name in when:
            match = np.isin(model.risks[name].states, when[name])
            holds &= match.reshape([-1 if i == axis else 1 for i in range(holds.ndim)])
    return holds


def _ratio(fired: Floats, chance: Floats) -> Floats:
    return np.divide(fired, chance, out=np.zeros_like(fired), where=fired > 0)
