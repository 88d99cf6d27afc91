"""Whole conditional tables of a model, and the leaky noisy-OR numbers behind such a table."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import FileFormatError, ModelFileError
from kneebayes.inference.tables import conditional_table
from kneebayes.spec.model_spec import ModelSpec

__all__ = ["COLUMN_TOLERANCE", "Node", "NoisyOr", "checked_nodes", "model_node", "noisy_or_from_table", "reordered"]

Floats = NDArray[np.float64]
COLUMN_TOLERANCE = 1e-9  # pgmpy's own check_model() lets columns pass that miss 1 by 0.01
MAX_TABLE_NUMBERS = 1 << 24  # 128 MiB in one table; the article's model has at most a few thousand numbers
DIGITS = 12  # decimals that a number found keeps: 0.30000000000000004 was 0.3
MAX_CONDITIONS = 1024
TIE = 1e-9  # chances of absence this near are the same
MAX_TIED = 64  # reference states that are tried where several would do


@dataclass(frozen=True, eq=False)
class Node:
    """One variable of a network with its conditional table.

    table: P(state | states of the parents), shape (states, states of parent 1, ...). label: words for it, where a
    format has room for them.
    """

    name: str
    states: tuple[str, ...]
    parents: tuple[str, ...]
    table: Floats
    label: str = ""


def model_node(model: ModelSpec, name: str) -> Node:
    """Write the whole conditional table of one variable of a model; refuse one that is too large, or off 1 by 1e-9."""
    scope = {name, *_parents(model, name)}
    size = math.prod(len(model.variables[node].states) for node in scope)
    if size > MAX_TABLE_NUMBERS:
        raise ModelFileError(
            f"{model.name}: {name} has {len(scope) - 1} parents, so its whole table needs {size} numbers, over the "
            f"limit of {MAX_TABLE_NUMBERS} for a pgmpy network; kneebayes' own inference does without that table"
        )
    parents, table = conditional_table(model, name)
    off = float(np.abs(table.sum(axis=0) - 1.0).max())
    if not off <= COLUMN_TOLERANCE or table.min() < 0:
        raise ModelFileError(f"{model.name}: {name}: a column of its table is no distribution: off 1 by {off:.3g}")
    variable = model.variables[name]
    return Node(name, variable.states, parents, table, variable.label)


def checked_nodes(nodes: Iterable[Node], source: str, *, tolerance: float = COLUMN_TOLERANCE) -> dict[str, Node]:
    """Check that nodes read from a file make up a network: each once, with its parents, and columns that sum to 1.

    A column may miss 1 by ``tolerance``, and is divided by its sum.
    """
    found: dict[str, Node] = {}
    for node in nodes:
        if node.name in found:
            raise FileFormatError(f"{source}: the node '{node.name}' stands twice")
        found[node.name] = node
    if not found:
        raise FileFormatError(f"{source}: no nodes in it: not a network, or not in this format")
    for node in found.values():
        missing = [parent for parent in node.parents if parent not in found]
        if missing:
            raise FileFormatError(f"{source}: {node.name}: its parent '{missing[0]}' is not in the file")
        shape = tuple(len(found[name].states) for name in (node.name, *node.parents))
        if node.table.shape != shape:
            raise FileFormatError(f"{source}: {node.name}: a table of shape {node.table.shape}, not {shape}")
        if not (np.isfinite(node.table).all() and node.table.min() >= 0):
            raise FileFormatError(f"{source}: {node.name}: its table holds what is no probability")
        sums = node.table.sum(axis=0)
        off = float(np.abs(sums - 1.0).max())
        if not off <= tolerance:
            raise FileFormatError(
                f"{source}: {node.name}: a column of its table sums to {sums.flat[np.abs(sums - 1.0).argmax()]:.10g}, "
                f"off 1 by {off:.3g} and more than {tolerance:g}; tolerance={off * 1.01:.1g} would take it, normalised"
            )
        found[node.name] = Node(node.name, node.states, node.parents, node.table / sums, node.label)
    return found


def reordered(nodes: Mapping[str, Node], states: Mapping[str, tuple[str, ...]]) -> dict[str, Node]:
    """Bring the states of every node to the order wanted."""
    place = {name: [node.states.index(state) for state in states[name]] for name, node in nodes.items()}
    return {
        name: Node(
            name,
            states[name],
            node.parents,
            node.table[np.ix_(place[name], *(place[parent] for parent in node.parents))],
            node.label,
        )
        for name, node in nodes.items()
    }


def _parents(model: ModelSpec, name: str) -> set[str]:
    if name in model.risks:
        return set(model.risks[name].parents)
    node = model.causes[name] if name in model.causes else model.findings[name]
    return {*node.links, *(parent for i in model.interactions if i.target == name for parent in i.when)}


@dataclass(frozen=True)
class NoisyOr:
    """The numbers behind a table.

    leak: P(present) where every parent is in its reference state. links: by parent and state, those without effect
    left out. split: P(state | present) of the third state on. interactions: conditions (states by parent), each with
    the link that acts where they hold.
    """

    leak: float
    links: dict[str, dict[str, float]]
    split: dict[str, float]
    interactions: list[tuple[dict[str, list[str]], float]]


def noisy_or_from_table(
    node: Node,
    states: Mapping[str, Sequence[str]],
    *,
    free: Collection[str] = (),
    unlinked: Mapping[str, str] | None = None,
    tolerance: float,
) -> NoisyOr:
    """Find the leak, links and split behind the table of a cause or finding, whose first state is absence.

    ``free`` parents, the risk factors, may interact, and each of their states may have a link; of the others, the
    causes, the first state never has one. ``unlinked`` is the state of a free parent to which the leak refers, by
    default the one in which the node is least likely. A table that is no leaky noisy-OR within ``tolerance`` is
    refused: the message says where, and how far off it is.
    """
    absent = node.table[0]
    split = _split(node, tolerance)
    reference = _reference(absent, node, states, free, unlinked or {})
    base = float(absent[reference])
    if base <= tolerance:
        if absent.max() > tolerance:
            raise _refused(node, f"it is certain with no cause present, and not with one (off by {absent.max():.3g})")
        return NoisyOr(1.0, {}, split, [])
    factors = [_line(absent, reference, axis) / base for axis in range(absent.ndim)]
    for parent, factor in zip(node.parents, factors, strict=True):
        if factor.max() > 1 + tolerance / base:
            state = states[parent][int(factor.argmax())]
            raise _refused(node, f"{parent}={state} makes it less likely, by a factor of {factor.max():.6g}")
    factors = [np.minimum(factor, 1.0) for factor in factors]
    tied = [a for a in range(absent.ndim) if _deviation(absent, reference, factors, a) > tolerance]
    interactions: list[tuple[dict[str, list[str]], float]] = []
    if tied:
        fixed = [node.parents[a] for a in tied if node.parents[a] not in free]
        if fixed:
            off = max(_deviation(absent, reference, factors, a) for a in tied)
            raise _refused(node, f"{' and '.join(fixed)} do not act independently of its other parents: off {off:.3g}")
        part = absent[tuple(slice(None) if a in tied else r for a, r in enumerate(reference))] / base
        rest, alone = _beyond(part, [factors[a] for a in tied], tolerance)
        if alone:
            for a in tied:
                factors[a] = np.ones_like(factors[a])
        interactions = _conditions(node, rest, [node.parents[a] for a in tied], states, tolerance)
    links = {
        parent: {s: round(1.0 - f, DIGITS) for s, f in zip(states[parent], factor.tolist(), strict=True)}
        for parent, factor in zip(node.parents, factors, strict=True)
    }
    links = {parent: {s: p for s, p in own.items() if p > 0} for parent, own in links.items()}
    return NoisyOr(round(1.0 - base, DIGITS), {p: own for p, own in links.items() if own}, split, interactions)


def _split(node: Node, tolerance: float) -> dict[str, float]:
    """P(state | present), which may not depend on the parents."""
    present = 1.0 - node.table[0]
    place = np.unravel_index(int(present.argmax()), present.shape)
    if present[place] <= 0:
        shares = np.full(len(node.states) - 1, 1.0 / (len(node.states) - 1))
    else:
        shares = node.table.reshape(len(node.states), -1)[1:, present.argmax()] / present[place]
    off = float(np.abs(np.multiply.outer(shares, present) - node.table[1:]).max())
    if off > tolerance:
        raise _refused(node, f"how often it is {' or '.join(node.states[1:])} depends on its parents: off {off:.3g}")
    return {state: round(share, DIGITS) for state, share in zip(node.states[2:], shares[1:].tolist(), strict=True)}


def _reference(
    absent: Floats, node: Node, states: Mapping[str, Sequence[str]], free: Collection[str], unlinked: Mapping[str, str]
) -> tuple[int, ...]:
    """Choose the states to which the leak refers."""
    if set(unlinked) >= {parent for parent in node.parents if parent in free}:
        wanted = [states[p].index(unlinked[p]) if p in free else 0 for p in node.parents]
        chosen = tuple(wanted)
        if all(_line(absent, chosen, axis).max() <= absent[chosen] for axis in range(absent.ndim)):
            return chosen
    index: tuple[Any, ...] = tuple(slice(None) if parent in free else 0 for parent in node.parents)
    view = absent[index]
    places: list[list[int]] = np.argwhere(view >= view.max() - TIE).tolist()
    # Where several will do, the one in which fewest cells call for an interaction.
    best = iter(min((tuple(place) for place in places[:MAX_TIED]), key=partial(_cells_off, view)))
    return tuple(int(next(best)) if parent in free else 0 for parent in node.parents)


def _cells_off(view: Floats, place: tuple[int, ...]) -> int:
    """Count cells that single parents do not account for; those they do too much for weigh most."""
    alone: Any = view[place]
    for axis in range(view.ndim):
        alone = np.multiply.outer(alone, _line(view, place, axis) / view[place]) if view[place] else view
    return int((np.abs(alone - view) > TIE).sum() + view.size * (view > alone + TIE).sum())


def _line(absent: Floats, at: tuple[int, ...], axis: int) -> Floats:
    """Take the values along one parent, the others staying where they are."""
    index: tuple[Any, ...] = (*at[:axis], slice(None), *at[axis + 1 :])
    line: Floats = absent[index]
    return line


def _deviation(absent: Floats, reference: tuple[int, ...], factors: list[Floats], axis: int) -> float:
    """Say how far one parent is from acting by a factor of its own, whatever the others do."""
    at_reference = absent.take([reference[axis]], axis=axis)
    shape = [-1 if a == axis else 1 for a in range(absent.ndim)]
    return float(np.abs(at_reference * factors[axis].reshape(shape) - absent).max())


def _beyond(part: Floats, factors: list[Floats], tolerance: float) -> tuple[Floats, bool]:
    """Divide by what the parents do alone; where they would do too much, leave all to the interactions."""
    alone: Any = 1.0
    for factor in factors:
        alone = np.multiply.outer(alone, factor)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(alone > 0, part / alone, 1.0)
    if rest.max() > 1 + tolerance or (part[alone == 0] > tolerance).any():
        return part, True
    return rest, False


def _conditions(
    node: Node, rest: Floats, parents: list[str], states: Mapping[str, Sequence[str]], tolerance: float
) -> list[tuple[dict[str, list[str]], float]]:
    """Turn cells into as few conditions as boxes of equal cells allow."""
    found: list[tuple[dict[str, list[str]], float]] = []
    links = np.round(1.0 - rest, DIGITS)
    links[links <= tolerance] = 0.0
    values: list[float] = []
    for value in sorted(set(links[links > 0].tolist())):
        if not values or value - values[-1] > 10 * tolerance:
            values.append(value)
    for value in values:
        cells = np.argwhere((links >= value) & (links <= value + 10 * tolerance))
        axes = [sorted(set(column)) for column in cells.T.tolist()]
        is_box = np.prod([len(axis) for axis in axes]) == len(cells)
        for box in [axes] if is_box else [[[i] for i in cell] for cell in cells.tolist()]:
            when = {
                parent: [states[parent][i] for i in axis]
                for parent, axis in zip(parents, box, strict=True)
                if len(axis) < len(states[parent])
            }
            found.append((when, float(np.mean([links[cell] for cell in product(*box)]).round(DIGITS))))
    if len(found) > MAX_CONDITIONS:
        raise _refused(node, f"{' and '.join(parents)} act together in {len(found)} ways, over {MAX_CONDITIONS}")
    return found


def _refused(node: Node, reason: str) -> ModelFileError:
    return ModelFileError(
        f"{node.name}: its table is no leaky noisy-OR, P(present) = 1 - (1 - leak) * product(1 - link): {reason}"
    )
