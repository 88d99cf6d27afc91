"""Conditional probability tables: a network as plain nodes, whatever it came from or goes to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import FileFormatError, ModelFileError
from kneebayes.model import ModelFile
from kneebayes.noisyor import conditional_table

__all__ = ["COLUMN_TOLERANCE", "Node", "checked_nodes", "model_node", "reordered"]

COLUMN_TOLERANCE = 1e-9  # pgmpy's own check_model() lets columns pass that miss 1 by 0.01
MAX_TABLE_NUMBERS = 1 << 24  # 128 MiB in one table; the article's model has at most a few thousand numbers


@dataclass(frozen=True, eq=False)
class Node:
    """One variable of a network with its conditional table.

    Attributes
    ----------
    name : str
        The variable.
    states : tuple of str
        Its states.
    parents : tuple of str
        The variables it depends on.
    table : ndarray, shape (states, states of parent 1, ...)
        P(state | states of the parents).
    label : str
        Words for it, where a format has room for them.
    """

    name: str
    states: tuple[str, ...]
    parents: tuple[str, ...]
    table: NDArray[np.float64]
    label: str = ""


def model_node(model: ModelFile, name: str) -> Node:
    """Write the whole conditional table of one variable of a model.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    name : str
        A variable.

    Returns
    -------
    Node
        With its table in full.

    Raises
    ------
    ModelFileError
        If the table is too large, or a column of it does not sum to 1 within
        1e-9.
    """
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
    """Check that nodes make up a network.

    Parameters
    ----------
    nodes : iterable of Node
        As read from a file.
    source : str
        The file, for errors.
    tolerance : float, default 1e-9
        How far a column may miss 1.

    Returns
    -------
    dict of str to Node
        By name, in order; every column divided by its sum.

    Raises
    ------
    FileFormatError
        If there is no node, one stands twice or has parents that are not there, or a table is
        of another shape, holds what is no probability, or has a column that
        does not sum to 1.
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
    """Bring the states of every node to another order.

    Parameters
    ----------
    nodes : mapping of str to Node
        A network.
    states : mapping of str to tuple of str
        The states of each node, in the order wanted.

    Returns
    -------
    dict of str to Node
        In the order of `nodes`.
    """
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


def _parents(model: ModelFile, name: str) -> set[str]:
    if name in model.risks:
        return set(model.risks[name].parents)
    node = model.causes[name] if name in model.causes else model.findings[name]
    return {*node.links, *(parent for i in model.interactions if i.target == name for parent in i.when)}
