"""Whole conditional tables of a model, and the numbers of a leaky noisy-OR or noisy-MAX behind such a table."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import FileFormatError, ModelFileError
from kneebayes.inference.tables import conditional_table
from kneebayes.spec.model_spec import ModelSpec

Floats = NDArray[np.float64]
COLUMN_TOLERANCE = 1e-9  # pgmpy's own check_model() lets columns pass that miss 1 by 0.01
MAX_TABLE_NUMBERS = 1 << 24  # 128 MiB in one table; the article's model has at most a few thousand numbers
DIGITS = 12  # decimals that a number found keeps, where they are all but all of it: 0.30000000000000004 was 0.3
ROUNDING = 4e-15
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
    scope = {name, *model.parents(name)}
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
        if not node.states:
            raise FileFormatError(f"{source}: the node {node.name} has no states")
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
        found[node.name] = replace(node, table=node.table / sums)
    return found


def reordered(nodes: Mapping[str, Node], states: Mapping[str, tuple[str, ...]]) -> dict[str, Node]:
    """Bring the states of every node to the order wanted."""
    place = {name: [node.states.index(state) for state in states[name]] for name, node in nodes.items()}
    tables = {name: node.table[np.ix_(*(place[own] for own in (name, *node.parents)))] for name, node in nodes.items()}
    return {name: replace(node, states=states[name], table=tables[name]) for name, node in nodes.items()}


def plain(p: float, *, of: float = 1.0) -> float:
    """Write a number, found as a share ``of`` another, as the short one that rounding errors hide.

    >>> plain(0.1 + 0.2), plain(1.25e-13)
    (0.3, 1.25e-13)
    """
    short = round(p, DIGITS)
    return short if abs(short - p) * of <= ROUNDING else p


@dataclass(frozen=True)
class NoisyMax:
    """The numbers behind the table of a finding, each a list over its states but the first.

    leak: P(state | no cause). links: by parent and state, P(state) by that alone; those without effect left out.
    """

    leak: list[float]
    links: dict[str, dict[str, list[float]]]


def noisy_max_from_table(node: Node, states: Mapping[str, Sequence[str]], *, tolerance: float) -> NoisyMax:
    """Find the leak and links behind the table of a finding, whose states stand from least to most.

    P(at most in a state) must be a product of what the leak and each parent do, the first state of a parent nothing.
    They are read from the rows with one cause or none, and tried on all: a table that is no leaky noisy-MAX within
    ``tolerance`` is refused.
    """
    at_most = np.cumsum(node.table, axis=0)[:-1]  # (states - 1, states of parent 1, ...)
    over = np.cumsum(node.table[::-1], axis=0)[::-1][1:]  # added up from the other end: small chances keep their digits
    none: tuple[Any, ...] = (slice(None), *(0 for _ in node.parents))  # of tables with a state of the finding first
    base = at_most[none]
    made, links = base.reshape(-1, *(1 for _ in node.parents)), {}
    for axis, parent in enumerate(node.parents):
        line = (*none[: axis + 1], slice(None), *none[axis + 2 :])
        tails = _tails(node, f"{parent}={{}}", states[parent], base, at_most[line], over[line], tolerance)
        made = made * np.moveaxis((1.0 - tails).reshape(*tails.shape, *(1 for _ in node.parents[1:])), 1, axis + 1)
        more = np.diff(tails, axis=0, append=0.0)  # (states - 1, states of the parent), none over 0
        columns = [[plain(abs(p), of=float(base[0])) for p in column] for column in more.T.tolist()]
        own = dict(zip(states[parent], columns, strict=True))
        links[parent] = {s: numbers for s, numbers in own.items() if any(numbers)}
    off = np.abs(made - at_most)
    if off.max() > tolerance:
        d, *where = map(int, np.unravel_index(int(off.argmax()), off.shape))
        given = ", ".join(f"{p}={states[p][i]}" for p, i in zip(node.parents, where, strict=True))
        said = node.states[0] if d == 0 else f"at most {node.states[d]}"
        values = f"{at_most[(d, *where)]:.6g}, not {made[(d, *where)]:.6g}, the product of what each does alone"
        raise _no_max(node, f"P({said} | {given}) is {values}: off {off.max():.3g}")
    return NoisyMax([plain(p) for p in node.table[1:][none].tolist()], links)


def _tails(
    node: Node, name: str, states: Sequence[str], base: Floats, at_most: Floats, over: Floats, tolerance: float
) -> Floats:
    """P(over a state of a finding) by each state of one parent alone, (states - 1, states of the parent)."""
    base, nothing = base[:, None], over[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        tails = np.where(nothing < 0.5, (over - nothing) / base, 1.0 - at_most / base)
        slack = tolerance / base
    # Where the leak leaves nothing of the least states, a link may bring them about or not: it is said not to.
    possible = int((base <= 0).sum())
    if possible == len(base):
        return np.zeros_like(tails)
    tails[:possible], slack[:possible] = tails[possible], slack[possible]
    if (tails < -slack).any():
        d, i = map(int, np.unravel_index(int((tails + slack).argmin()), tails.shape))
        what = "less likely" if len(base) == 1 else f"less likely to be over {node.states[d]}"
        raise _no_max(node, f"{name.format(states[i])} makes it {what}, by {-tails[d, i]:.3g}")
    rises = tails[1:] - tails[:-1] - slack[:-1]
    if rises.size and rises.max() > 0:
        d, i = map(int, np.unravel_index(int(rises.argmax()), rises.shape))
        raise _no_max(node, f"{name.format(states[i])} would bring {node.states[d + 1]} about with a chance under 0")
    monotone: Floats = np.maximum.accumulate(np.clip(tails, 0.0, 1.0)[::-1], axis=0)[::-1]
    return monotone


def _no_max(node: Node, reason: str) -> ModelFileError:
    if len(node.states) == 2:
        return _refused(node, reason)
    return ModelFileError(
        f"{node.name}: its table is no leaky noisy-MAX, in which P(at most in a state) is a product of what the leak "
        f"and each cause do, the states from least to most ({', '.join(node.states)}): {reason}. If they stand in "
        f"another order, put them right in the network, or name the least with absent={{'{node.name}': ...}} (--absent "
        f"{node.name}=STATE); for a file of few digits raise tolerance (--tolerance); else join its states to two"
    )


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
    """Find the leak, links and split behind the table of a cause, whose first state is absence.

    ``free`` parents, the risk factors, may interact, and each of their states may have a link; of the others, causes
    too, the first state never has one. ``unlinked`` is the state of a free parent to which the leak refers, by
    default the one in which the node is least likely. A table that is no leaky noisy-OR within ``tolerance`` is
    refused: the message says where, and how far off it is.
    """
    absent, present = node.table[0], node.table[1:].sum(axis=0)
    split = _split(node, tolerance)
    reference = _reference(absent, node, states, free, unlinked or {})
    base = float(absent[reference])
    if base <= tolerance:
        if absent.max() > tolerance:
            raise _refused(node, f"it is certain with no cause present, and not with one (off by {absent.max():.3g})")
        return NoisyOr(1.0, {}, split, [])
    leak = float(present[reference])
    effects = [  # of what is rare, the small chance of presence has the digits
        (_line(present, reference, a) - leak) / base if leak < 0.5 else 1.0 - _line(absent, reference, a) / base
        for a in range(absent.ndim)
    ]
    for parent, effect in zip(node.parents, effects, strict=True):
        if effect.min() < -tolerance / base:
            state = states[parent][int(effect.argmin())]
            raise _refused(node, f"{parent}={state} makes it less likely, by a factor of {1.0 - effect.min():.6g}")
    effects = [np.maximum(effect, 0.0) for effect in effects]
    factors = [1.0 - effect for effect in effects]
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
                effects[a] = np.zeros_like(effects[a])
        interactions = _conditions(node, rest, [node.parents[a] for a in tied], states, tolerance)
    links = {
        parent: {s: plain(p, of=base) for s, p in zip(states[parent], effect.tolist(), strict=True)}
        for parent, effect in zip(node.parents, effects, strict=True)
    }
    links = {parent: {s: p for s, p in own.items() if p > 0} for parent, own in links.items()}
    return NoisyOr(plain(leak), {p: own for p, own in links.items() if own}, split, interactions)


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
    return {state: plain(share) for state, share in zip(node.states[2:], shares[1:].tolist(), strict=True)}


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
    return np.asarray(absent[index])


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
    what = "its table is no leaky noisy-OR, P(present) = 1 - (1 - leak) * product(1 - link)"
    return ModelFileError(f"{node.name}: {what}: {reason}")
