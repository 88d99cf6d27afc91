"""The network drawn in three layers: risk factors, causes, findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.canvas import ALARM, BLUE, GREY, INK, percent, take_axes
from kneebayes.errors import UnknownNameError, nearest
from kneebayes.explanation import said
from kneebayes.model import ModelFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["link_strengths", "plot_network"]

LEFT, MIDDLE, RIGHT = 0.0, 1.0, 2.0
WIDEST = 5.0  # points, of a link that is certain
ROW = 0.23  # inches for a label
BOX = 1.7  # rows for a cause
INSIDE = 0.05  # where arrows meet a cause, from its middle
ABSENT_PRESENT = ("absent", "present")


def link_strengths(model: ModelFile) -> dict[tuple[str, str], float]:
    """Give every arrow to a cause or finding its strength.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    dict of (str, str) to float
        By parent and child: the largest link probability over the parent's
        states, interactions included.
    """
    strengths: dict[tuple[str, str], float] = {}
    links = {name: cause.links for name, cause in model.causes.items()}
    links |= {name: finding.links for name, finding in model.findings.items()}
    for child, own in links.items():
        for parent, states in own.items():
            strengths[parent, child] = max(number.p for number in states.values())
    for interaction in model.interactions:
        for parent in interaction.when:
            arrow = (parent, interaction.target)
            strengths[arrow] = max(strengths.get(arrow, 0.0), interaction.link.p)
    return strengths


def plot_network(
    model: ModelFile,
    *,
    evidence: Mapping[str, str] | None = None,
    probabilities: Mapping[str, float] | None = None,
    focus: str | None = None,
    known_only: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the network.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    evidence : mapping of str to str, optional
        What is known of a case, by name.
    probabilities : mapping of str to float, optional
        Of the causes, to be written beside them.
    focus : str, optional
        A cause, to which the drawing is limited, with what is linked to it.
    known_only : bool, default False
        Whether to leave out risk factors and findings that are not known.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure, as high as its labels need.

    Returns
    -------
    matplotlib.axes.Axes
        Risk factors on the left, causes in the middle, findings on the right;
        an arrow is as wide as its link is strong, and dark where what is known
        acts along it. A full mark is evidence for, a crossed one evidence that
        it is absent, a small dot is not known.

    Raises
    ------
    UnknownNameError
        If there is no such cause.
    """
    if focus is not None and focus not in model.causes:
        raise UnknownNameError(
            f"no cause '{focus}': use one of {', '.join(model.causes)}.{nearest(focus, model.causes)}"
        )
    evidence = {} if evidence is None else evidence
    strengths = link_strengths(model)
    if focus is not None:
        strengths = {arrow: p for arrow, p in strengths.items() if focus in arrow}
    causes = [name for name in model.causes if focus in (None, name) or _linked(strengths, name)]
    outer = [_ordered(names, causes, strengths) for names in (model.risks, model.findings)]
    if known_only:
        outer = [[name for name in names if name in evidence] for names in outer]
    columns = [outer[0], causes, outer[1]]
    longest = max(6.0, len(outer[0]), BOX * len(causes), len(outer[1]))
    ax = take_axes(ax, 10.5, 0.9 + ROW * longest)
    ax.set_axis_off()
    places = {}
    for x, names in zip((LEFT, MIDDLE, RIGHT), columns, strict=True):
        for i, name in enumerate(names):
            places[name] = (x, (i + 0.5) / len(names) * longest)
    for (parent, child), strength in strengths.items():
        if parent in places and child in places:
            known = evidence.get(parent) or evidence.get(child)
            _arrow(ax, places[parent], places[child], strength, bool(known), len(strengths))
    for name, place in places.items():
        _node(ax, model, name, place, evidence.get(name), (probabilities or {}).get(name), cased=bool(evidence))
    for x, word in ((LEFT, "risk factors"), (MIDDLE, "causes"), (RIGHT, "findings")):
        align = {LEFT: "right", MIDDLE: "center", RIGHT: "left"}[x]
        ax.text(x, -0.7, word.upper(), ha=align, va="center", fontsize=9, color="#666666", fontweight="bold")
    ax.set(xlim=(-0.85, 2.85), ylim=(longest + 0.3, -1.2))
    _fit(ax)
    return ax


def _linked(strengths: Mapping[tuple[str, str], float], name: str) -> bool:
    return any(name in arrow for arrow in strengths)


def _ordered(names: Mapping[str, object], causes: list[str], strengths: Mapping[tuple[str, str], float]) -> list[str]:
    """Sort a layer by the mean place of its causes, which keeps most arrows from crossing."""
    centre = {}
    for name in names:
        own = _pulls(name, causes, strengths)
        if own:
            centre[name] = float(np.average([place for place, _ in own], weights=[p + 1e-6 for _, p in own]))
    return sorted(centre, key=centre.__getitem__)


def _pulls(name: str, causes: list[str], strengths: Mapping[tuple[str, str], float]) -> list[tuple[int, float]]:
    return [
        (place, strengths[arrow])
        for place, cause in enumerate(causes)
        for arrow in ((name, cause), (cause, name))
        if arrow in strengths
    ]


def _arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], strength: float, known: bool, n: int
) -> None:
    from matplotlib.patches import FancyArrowPatch

    among_causes = start[0] == end[0]
    if not among_causes:  # meet a cause near its side, not behind its neighbours
        start, end = (
            (x + INSIDE * (other - x) * (x == MIDDLE), y) for (x, y), other in ((start, end[0]), (end, start[0]))
        )
    faint = 0.45 if n > 60 else 0.7
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>" if among_causes else "-",
            mutation_scale=8,
            connectionstyle="arc3,rad=0.45" if among_causes else "arc3",
            linewidth=max(1.0 if among_causes else 0.4, WIDEST * strength),
            linestyle="--" if among_causes else "-",
            color=BLUE if known else "#777777" if among_causes else GREY,
            alpha=0.75 if known else 0.9 if among_causes else faint,
            shrinkA=5,
            shrinkB=5,
            zorder=2 if known else 1,
        )
    )


def _node(
    ax: Axes,
    model: ModelFile,
    name: str,
    place: tuple[float, float],
    state: str | None,
    probability: float | None,
    *,
    cased: bool,
) -> None:
    variable = model.variables[name]
    absent = state == "absent" and variable.states == ABSENT_PRESENT
    text = variable.label if state is None or variable.states == ABSENT_PRESENT else said(model, name, state)
    if name in model.causes:
        own = name == model.alarm.cause
        words = variable.label if probability is None else f"{variable.label}  {percent(probability)}"
        box: dict[str, Any] = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": ALARM if own else INK}
        box |= {"linewidth": 2.0 if own or state else 0.8}
        ax.text(
            *place,
            words,
            ha="center",
            va="center",
            fontsize=9,
            bbox=box,
            zorder=5,
            fontweight="bold" if own else "normal",
        )
        return
    mark, size = ("x", 5) if absent else ("o", 6) if state else ("o", 2.5)
    ax.plot(
        *place, mark, markersize=size, color=INK if state else "#888888", markeredgewidth=1.6 if absent else 0, zorder=4
    )
    side, align = (-7, "right") if place[0] == LEFT else (7, "left")
    shade = "#888888" if cased and state is None else INK
    ax.annotate(
        f"{text}: no" if absent else text,
        place,
        (side, 0),
        textcoords="offset points",
        ha=align,
        va="center",
        fontsize=8.5,
        color=shade,
        fontweight="bold" if state and not absent else "normal",
    )


def _fit(ax: Axes) -> None:
    """Widen the x axis until the labels on both sides fit."""
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    for _ in range(4):
        figure.draw_without_rendering()
        inverse = ax.transData.inverted()
        boxes = [text.get_window_extent() for text in ax.texts]
        low = min(inverse.transform((box.x0, 0))[0] for box in boxes)
        high = max(inverse.transform((box.x1, 0))[0] for box in boxes)
        ax.set_xlim(low - 0.02, high + 0.02)
