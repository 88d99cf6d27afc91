"""The links of a model as the tables that exact inference reads.

A node with parents in states s is absent with probability
``(1 - leak) * product(1 - link[s])``.

A node with parents in states s is absent with probability
``(1 - leak) * product(1 - link[s])``. Exact inference needs no table larger
than the joint states of the causes, because

- risk factors that do not depend on each other act one after the other: each
  group of dependent ones (a *component*) either triggers a cause or does not,
  and a cause is present if anything triggered it (so missing risk factors
  stay exact: Diez and Galan 2003, the multiplicative factorisation);
- the findings are independent given the causes (Heckerman 1990, Quickscore).

All tables are sums of products of probabilities: nothing is subtracted, so
rare joint states keep full relative precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ModelFileError
from kneebayes.spec.model_spec import Distribution, Links, ModelSpec

__all__ = [
    "MAX_CAUSES",
    "Component",
    "Tables",
    "along",
    "conditional_table",
    "off_and_on",
    "or_matrix",
    "prior_table",
    "separate",
    "survival",
    "tables",
    "with_remainder",
]

Floats = NDArray[np.float64]


def conditional_table(model: ModelSpec, name: str) -> tuple[tuple[str, ...], Floats]:
    """Write the whole conditional table of one variable.

    Parameters
    ----------
    model : ModelSpec
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


def off_and_on(model: ModelSpec, cause: str, part: tuple[str, ...], leaks: bool) -> tuple[Floats, Floats]:
    """Compute P(some risk factors do not trigger a cause), and its complement.

    Parameters
    ----------
    model : ModelSpec
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


def prior_table(model: ModelSpec, name: str) -> Floats:
    """Write the prior of a risk factor.

    Parameters
    ----------
    model : ModelSpec
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


States = tuple[int, ...]
MAX_CAUSES = 16
MAX_TABLE_BYTES = 1 << 30
MAX_MERGED_PATTERNS = 1024
MAX_TARGETS = 6


@dataclass(frozen=True, eq=False)
class Component:
    """Risk factors that depend on each other, tabulated together.

    Attributes
    ----------
    variables : tuple of str
        Names of the risk factors.
    rows : tuple of int
        Their places among the variables of the model.
    radix : tuple of int
        Number of states of each plus one: the last code stands for unknown.
    targets : tuple of int
        Numbers of the causes that the component can trigger.
    trigger : ndarray, shape (product(radix), 2 ** len(targets))
        P(these risk factors as coded, exactly these targets triggered); bit
        ``len(targets) - 1 - i`` of the column stands for ``targets[i]``.
    """

    variables: tuple[str, ...]
    rows: tuple[int, ...]
    radix: tuple[int, ...]
    targets: tuple[int, ...]
    trigger: Floats


@dataclass(frozen=True, eq=False)
class Tables:
    """Everything that inference reads, as arrays.

    With C causes, K joint states of the causes (the last cause varies
    fastest) and F findings:

    Attributes
    ----------
    cards : tuple of int
        Number of states of each cause.
    split : tuple of ndarray
        Per cause P(state | present) of the states but the first.
    order : tuple of int
        The causes, each after the causes that cause it.
    parents : tuple of dict of int to ndarray
        Per cause, for each cause that causes it, 1 - link by state.
    base : Component
        The component with most targets, its targets all causes, leaks included.
    components : tuple of Component
        The other components.
    absent_leak : ndarray, shape (F,)
        1 - leak of each finding.
    absent_links : ndarray, shape (F, C, max(cards))
        1 - link of each finding by cause and state.
    absent : ndarray, shape (F, K)
        P(finding absent | joint state of the causes).
    """

    cards: tuple[int, ...]
    split: tuple[Floats, ...]
    order: tuple[int, ...]
    parents: tuple[dict[int, Floats], ...]
    base: Component
    components: tuple[Component, ...]
    absent_leak: Floats
    absent_links: Floats
    absent: Floats


def tables(model: ModelSpec) -> Tables:
    """Tabulate a model for inference.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.

    Returns
    -------
    Tables
        The arrays that inference reads.

    Raises
    ------
    ModelFileError
        If the model has more than 16 causes, or a table would not fit.
    """
    causes = list(model.causes)
    if len(causes) > MAX_CAUSES:
        raise ModelFileError(f"{model.name}: {len(causes)} causes, but exact enumeration takes at most {MAX_CAUSES}")
    cards = tuple(len(cause.states) for cause in model.causes.values())
    if np.prod(cards, dtype=float) * max(len(model.findings), sum(cards)) * 8 > MAX_TABLE_BYTES:
        raise ModelFileError(
            f"{model.name}: the causes have {np.prod(cards, dtype=float):.3g} joint states, which with {sum(cards)} "
            f"states and {len(model.findings)} findings need too large a table: drop causes, or states of causes"
        )
    absent_links = np.ones((len(model.findings), len(causes), max(cards)))
    for f, finding in enumerate(model.findings.values()):
        for parent in finding.links:
            c = causes.index(parent)
            absent_links[f, c, : cards[c]] = survival(finding.links, parent, model.causes[parent].states)
    absent_leak = np.array([1.0 - finding.leak.p for finding in model.findings.values()])
    axes = [absent_links[:, c, :card] for c, card in enumerate(cards)]
    absent = reduce(lambda table, axis: (table[:, :, None] * axis[:, None, :]).reshape(len(table), -1), axes)
    base, *rest = _components(model, causes)
    return Tables(
        cards=cards,
        split=tuple(with_remainder(c.split, c.states[1:]) for c in model.causes.values()),
        order=tuple(causes.index(name) for name in model.cause_order),
        parents=tuple(
            {
                causes.index(parent): survival(cause.links, parent, model.causes[parent].states)
                for parent in cause.links
                if parent in model.causes
            }
            for cause in model.causes.values()
        ),
        base=base,
        components=tuple(rest),
        absent_leak=absent_leak,
        absent_links=absent_links,
        absent=absent * absent_leak[:, None],
    )


def or_matrix(
    component: Component, cards: Sequence[int], split: Sequence[Floats]
) -> tuple[list[tuple[States, States]], Floats]:
    """Write what a component does to the states of its targets as a triangular matrix.

    Parameters
    ----------
    component : Component
        A component other than the base.
    cards : sequence of int
        Number of states of each cause; 2 where its states but the first are
        not told apart.
    split : sequence of ndarray
        Per cause P(state | present).

    Returns
    -------
    list of tuple
        (states of the targets after, states before) of each entry that is not
        zero; later states first, so that cells can be worked on in place, and
        among those after which the states are the same, the diagonal first.
    ndarray, shape (patterns, entries)
        The coefficients.
    """
    targets = component.targets
    columns: dict[tuple[States, States], Floats] = {}
    for before in product(*(range(cards[t]) for t in targets)):
        for column, triggered in enumerate(product((0, 1), repeat=len(targets))):
            choices = [
                range(1, cards[t]) if on and not state else [state]
                for t, on, state in zip(targets, triggered, before, strict=True)
            ]
            for after in product(*choices):
                weight = 1.0
                for t, a, b in zip(targets, after, before, strict=True):
                    if a != b and cards[t] > 2:
                        weight *= split[t][a - 1]
                columns[after, before] = columns.get((after, before), 0.0) + weight * component.trigger[:, column]
    pairs = sorted(columns, key=lambda pair: (pair[0], pair[0] == pair[1], pair[1]), reverse=True)
    return pairs, np.stack([columns[pair] for pair in pairs], axis=1)


def separate(component: Component) -> tuple[NDArray[np.bool_], Floats]:
    """Tell for which patterns a component triggers its targets independently, and with what chances.

    Parameters
    ----------
    component : Component
        A component other than the base.

    Returns
    -------
    ndarray of bool, shape (patterns,)
        True wherever all its risk factors are known, and more.
    ndarray, shape (patterns, 1 + 2 * targets)
        P(the pattern), then for each target P(not triggered) and P(triggered).
    """
    n = len(component.targets)
    joint = component.trigger.reshape(-1, *[2] * n)
    whole = component.trigger.sum(axis=1)
    share = np.divide(
        joint, whole.reshape(-1, *[1] * n), out=np.zeros_like(joint), where=whole.reshape(-1, *[1] * n) > 0
    )
    columns, product_of_all = [whole], np.ones_like(joint)
    for i in range(n):
        alone = share.sum(axis=tuple(a for a in range(1, n + 1) if a != i + 1))
        columns += [alone[:, 0], alone[:, 1]]
        product_of_all = product_of_all * alone.reshape(-1, *[2 if a == i else 1 for a in range(n)])
    same = np.isclose(share, product_of_all, rtol=1e-13, atol=0.0).reshape(len(whole), -1).all(axis=1)
    return same | (whole == 0), np.stack(columns, axis=1)


def _components(model: ModelSpec, causes: list[str]) -> list[Component]:
    """Group dependent risk factors; the group with most targets comes first and carries the leaks."""
    groups = {name: {name} for name in model.risks}
    linked = [{name, *risk.parents} for name, risk in model.risks.items()]
    for members in [*linked, *(set(interaction.when) for interaction in model.interactions)]:
        merged = set().union(*(groups[name] for name in members))
        groups.update(dict.fromkeys(merged, merged))
    distinct = {frozenset(group): None for group in groups.values()}
    parts: dict[tuple[int, ...], list[tuple[str, ...]]] = {}
    for part in (tuple(name for name in model.risks if name in group) for group in distinct):
        same = parts.setdefault(_targets(model, part, causes), [])
        if same and _patterns(model, same[-1] + part) <= MAX_MERGED_PATTERNS:
            same[-1] += part  # one look-up in place of two
        else:
            same.append(part)
    first = max(parts, key=len)
    for many in [targets for targets in parts if targets != first and len(targets) > MAX_TARGETS]:
        # an OR into so many causes at once costs 3 ** targets: a row of the base's own table is cheaper
        parts[first] = [sum([*parts[first], *parts.pop(many)], ())]
    ordered = [(parts[first].pop(0), tuple(range(len(causes))), True)]
    ordered += [(part, targets, False) for targets, same in parts.items() for part in same]
    return [_component(model, causes, *arguments) for arguments in ordered]


def _patterns(model: ModelSpec, part: tuple[str, ...]) -> int:
    """Count the evidence patterns of some risk factors, unknown included."""
    return prod(len(model.risks[name].states) + 1 for name in part)


def _targets(model: ModelSpec, part: tuple[str, ...], causes: list[str]) -> tuple[int, ...]:
    direct = {name for name, cause in model.causes.items() if any(parent in cause.links for parent in part)}
    direct |= {i.target for i in model.interactions if set(i.when) & set(part)}
    return tuple(c for c, name in enumerate(causes) if name in direct)


def _component(
    model: ModelSpec, causes: list[str], part: tuple[str, ...], targets: tuple[int, ...], leaks: bool
) -> Component:
    states = [model.risks[name].states for name in part]
    shape = tuple(len(s) for s in states)
    radix = tuple(n + 1 for n in shape)
    if np.prod(radix, dtype=float) * 2.0 ** len(targets) * 8 > MAX_TABLE_BYTES:
        raise ModelFileError(
            f"{model.name}: the risk factors {list(part)} depend on each other and need a table of "
            f"{' x '.join(map(str, radix))} x {2 ** len(targets)} numbers: too large; make some of them independent"
        )
    joint = np.ones(shape)
    for name in part:
        parents = [*model.risks[name].parents, name]
        places = [part.index(parent) for parent in parents]
        source = prior_table(model, name).transpose(np.argsort(places))
        joint = joint * source.reshape([n if p in parents else 1 for p, n in zip(part, shape, strict=True)])
    trigger = joint[..., None]
    for target in targets:
        off, on = off_and_on(model, causes[target], part, leaks)
        trigger = (trigger[..., None] * np.stack([off, on], axis=-1)[..., None, :]).reshape(*shape, -1)
    for axis in range(len(part)):
        trigger = np.concatenate([trigger, trigger.sum(axis=axis, keepdims=True)], axis=axis)
    names = list(model.variables)
    rows = tuple(names.index(name) for name in part)
    return Component(part, rows, radix, targets, np.ascontiguousarray(trigger.reshape(-1, 2 ** len(targets))))
