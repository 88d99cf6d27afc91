"""The trials behind each number of a model: how often it could have acted, and how often it did.

A link is a coin of its own: wherever its parent is in the state, it is tossed,
and the node is present if any of its coins, the leak's included, falls on its
face (Henrion 1987; Meek and Heckerman 1997). Which did is never observed. If
the node is absent none did; if it is present, a coin of chance q did with
probability q / P(present | parents).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.counts import Counts
from kneebayes.parameters import Parameters
from kneebayes.tables import Component, Tables

__all__ = ["Trials", "count_trials"]

Floats = NDArray[np.float64]


class Trials(NamedTuple):
    """Expected trials of every number, in the order of `ModelFile.probabilities`: in how many it acted, of how many."""

    acted: Floats
    tried: Floats


def count_trials(parameters: Parameters, values: Floats, tables: Tables, counts: Counts) -> Trials:
    """Count the trials of every number of a model.

    Parameters
    ----------
    parameters : Parameters
        Where the P numbers of the model stand.
    values : ndarray, shape (P,)
        The numbers.
    tables : Tables
        The tables of the model with these numbers.
    counts : Counts
        Expected counts from these tables.

    Returns
    -------
    Trials
        Each of shape (P,).
    """
    n = len(values)
    over_chance, tried = np.zeros(n + 1), np.zeros(n + 1)  # the last: no link
    chosen = np.zeros(n + len(parameters.distributions) + 1)  # by share
    parts = (tables.base, *tables.components)
    for part, component, count in zip(parameters.parts, parts, counts.components, strict=True):
        states, known = _by_state(count, component), _known(component)
        whole, total = known.sum(axis=1), states.sum(axis=1)
        for places in part.shares:
            _add(chosen, places % len(chosen), total)
        for i in range(len(component.targets)):
            fired, on = (_triggered(a, i) for a in (states, known))
            fired = _ratio(fired * whole, on)
            for places in part.links[:, i]:
                _add(over_chance, places, fired)
                _add(tried, places, total)
    marginal = _marginals(counts.joint[None], tables)[0]
    for c, parents in enumerate(parameters.parents):
        reached = counts.reached[c].reshape([tables.cards[p] for p in parents])
        for axis, (p, places) in enumerate(parents.items()):
            _add(over_chance, places, reached.sum(axis=tuple(a for a in range(len(parents)) if a != axis)))
            _add(tried, places, marginal[p, : tables.cards[p]])
        _add(chosen, parameters.splits[c] % len(chosen), marginal[c, 1 : tables.cards[c]])
    present = _ratio(counts.present, 1.0 - tables.absent)
    _add(over_chance, parameters.leaks, present.sum(axis=1))
    _add(tried, parameters.leaks, counts.known[:, 0].sum(axis=1))
    _add(over_chance, parameters.finding_links, _marginals(present, tables))
    _add(tried, parameters.finding_links, counts.known)
    acted = values * over_chance[:n]
    for i, members in enumerate(parameters.distributions):
        acted[members] = chosen[members]
        tried[members] = chosen[members].sum() + chosen[n + i]
    return Trials(acted, tried[:n])


def _add(total: Floats, places: NDArray[np.int64], values: Floats) -> None:
    total += np.bincount(places.ravel(), values.ravel(), minlength=len(total))


def _by_state(sums: Floats, component: Component) -> Floats:
    """Share what came by evidence pattern among the joint states of the risk factors: a missing one may be any."""
    sums = sums.reshape(*component.radix, -1)
    for axis, radix in enumerate(component.radix):
        sums = sums.take(range(radix - 1), axis=axis) + sums.take([radix - 1], axis=axis)
    states: Floats = sums.reshape(-1, sums.shape[-1]) * _known(component)
    return states


def _known(component: Component) -> Floats:
    """Take the rows of a component's table in which all its risk factors are known."""
    table = component.trigger.reshape(*component.radix, -1)
    return table[tuple(slice(radix - 1) for radix in component.radix)].reshape(-1, table.shape[-1])


def _triggered(table: Floats, i: int) -> Floats:
    """Add up, by state, the columns in which the i-th target is triggered."""
    total: Floats = table.reshape(len(table), 2**i, 2, -1)[:, :, 1].sum(axis=(1, 2))
    return total


def _marginals(joint: Floats, tables: Tables) -> Floats:
    """Add up rows over the joint states by state of each cause, shape (rows, causes, most states)."""
    n, cards = len(joint), tables.cards
    found = np.zeros((n, len(cards), max(cards)))
    for c, card in enumerate(cards):
        found[:, c, :card] = joint.reshape(n, int(np.prod(cards[:c])), card, -1).sum(axis=(1, 3))
    return found


def _ratio(fired: Floats, chance: Floats) -> Floats:
    return np.divide(fired, chance, out=np.zeros_like(fired), where=fired > 0)
