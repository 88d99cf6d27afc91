"""Leaky noisy-OR arithmetic.

A node with parents in states s is absent with probability
``(1 - leak) * product(1 - link[s])``.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.model import ModelFile
from kneebayes.variables import Distribution, Links

__all__ = ["along", "conditional_table", "off_and_on", "prior_table", "survival", "with_remainder"]

Floats = NDArray[np.float64]


def conditional_table(model: ModelFile, name: str) -> tuple[tuple[str, ...], Floats]:
    """Write the whole conditional table of one variable.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    name : str
        A variable.

    Returns
    -------
    tuple of str
        The names of its parents.
    ndarray, shape (states of the variable, states of parent 1, ...)
        P(state | states of the parents).
    """
    nodes = model.variables
    if name in model.risks:
        parents = model.risks[name].parents
        return parents, np.moveaxis(prior_table(model, name), -1, 0)
    node = model.causes[name] if name in model.causes else model.findings[name]
    interactions = [i for i in model.interactions if i.target == name]
    parents = tuple(dict.fromkeys([*node.links, *(p for i in interactions for p in i.when)]))
    shape = tuple(len(nodes[parent].states) for parent in parents)
    absent = np.full(shape, 1.0 - node.leak.p)
    for axis, parent in enumerate(parents):
        absent *= along(survival(node.links, parent, nodes[parent].states), axis, len(shape))
    for interaction in interactions:
        where = np.ones(shape, dtype=bool)
        for parent, states in interaction.when.items():
            holds = np.isin(nodes[parent].states, states)
            where &= along(holds, parents.index(parent), len(shape))
        absent = np.where(where, absent * (1.0 - interaction.link.p), absent)
    split = with_remainder(model.causes[name].split, node.states[1:]) if name in model.causes else np.ones(1)
    return parents, np.stack([absent, *((1.0 - absent) * share for share in split)])


def off_and_on(model: ModelFile, cause: str, part: tuple[str, ...], leaks: bool) -> tuple[Floats, Floats]:
    """Compute P(some risk factors do not trigger a cause), and its complement.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    cause : str
        Which cause.
    part : tuple of str
        Risk factors, every interaction with one of them included.
    leaks : bool
        Whether the cause's leak counts as one of the triggers.

    Returns
    -------
    ndarray, one axis per risk factor
        P(not triggered | joint state of the risk factors).
    ndarray, likewise
        P(triggered), to full precision also where it is small.
    """
    node = model.causes[cause]
    shape = tuple(len(model.risks[name].states) for name in part)
    with np.errstate(divide="ignore"):
        log_off = np.full(shape, np.log1p(-node.leak.p) if leaks else 0.0)
        for axis, name in enumerate(part):
            if name in node.links:
                log_keep = np.log(survival(node.links, name, model.risks[name].states))
                log_off = log_off + along(log_keep, axis, len(part))
        for interaction in model.interactions:
            if interaction.target == cause and set(interaction.when) & set(part):
                holds = np.ones(shape, dtype=bool)
                for name, states in interaction.when.items():
                    match = np.isin(model.risks[name].states, states)
                    holds &= along(match, part.index(name), len(part))
                log_off = np.where(holds, log_off + np.log1p(-interaction.link.p), log_off)
    return np.exp(log_off), -np.expm1(log_off)


def prior_table(model: ModelFile, name: str) -> Floats:
    """Write the prior of a risk factor.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    name : str
        A risk factor.

    Returns
    -------
    ndarray, shape (states of parent 1, ..., its own states)
        P(state | states of the parents).
    """
    risk = model.risks[name]
    if risk.prior:
        return with_remainder(risk.prior, risk.states)
    parent_states = [model.risks[parent].states for parent in risk.parents]
    table = np.empty((*(len(states) for states in parent_states), len(risk.states)))
    for row in risk.given:
        values = with_remainder(row.prior, risk.states)
        chosen = [
            [i for i, state in enumerate(states) if state in row.when.get(parent, states)]
            for parent, states in zip(risk.parents, parent_states, strict=True)
        ]
        for index in product(*chosen):
            table[index] = values
    return table


def with_remainder(distribution: Distribution, states: tuple[str, ...]) -> Floats:
    """Complete a distribution: its first state takes what is left.

    Parameters
    ----------
    distribution : dict of str to Probability
        All states but the first.
    states : tuple of str
        All states.

    Returns
    -------
    ndarray, shape (states,)
        Adds up to 1.
    """
    given = [distribution[state].p for state in states[1:]]
    return np.array([max(0.0, 1.0 - sum(given)), *given])


def survival(links: Links, parent: str, states: tuple[str, ...]) -> Floats:
    """Take 1 - link by state of one parent.

    Parameters
    ----------
    links : dict
        Links of a node, by parent and state.
    parent : str
        Which parent.
    states : tuple of str
        Its states.

    Returns
    -------
    ndarray, shape (states,)
        1 for a state without a link.
    """
    own = links.get(parent, {})
    return np.array([1.0 - own[state].p if state in own else 1.0 for state in states])


def along(values: NDArray[Any], axis: int, ndim: int) -> NDArray[Any]:
    """Shape a vector for broadcasting along one axis.

    Parameters
    ----------
    values : ndarray, shape (n,)
        A vector.
    axis, ndim : int
        Which axis, of how many.

    Returns
    -------
    ndarray
        With n along the axis and 1 elsewhere.
    """
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])
