"""The network drawn in three layers: risk factors, causes, findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.errors import check_choice, check_kind
from kneebayes.plots.style import (
    ALARM,
    BLUE,
    INK,
    PALE,
    figure_of,
    font_size,
    ink,
    keep_inside,
    literal,
    make_room,
    take_axes,
    write_beside,
)
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

LEFT, MIDDLE, RIGHT = 0.0, 1.0, 2.0
MAX_WIDTH, MIN_WIDTH = 4.5, 0.3  # points, of arrows
BEND = 0.4  # of widths: they grow more slowly than probabilities, as a risk of 1 % is to be seen beside a sign of 80 %
SHOWN = (0.01, 0.1, 0.5, 0.9)  # probabilities of the links in the key
ROW = 0.23  # inches for a label
KEY = 1.4  # rows
BOX = 1.7  # rows for a cause
FONT, MIN_FONT = 0.9, 3.0  # of the style's font, and points
FULL = 0.72  # share of its row that a label may fill
SPREAD = 0.66  # share of the width that labels may fill, so that arrows are left
PAD = 0.35  # of the font's size, around a cause
Place = tuple[float, float]


def link_strengths(model: ModelSpec) -> dict[tuple[str, str], float]:
    """Give every arrow to a cause or finding its strength, by parent and child.

    That is the largest link probability over the parent's states, interactions included; the chance of any state but
    the first, where a finding has more than two.
    """
    strengths: dict[tuple[str, str], float] = {}
    for child, cause in model.causes.items():
        for parent, links in cause.links.items():
            strengths[parent, child] = max(number.p for number in links.values())
    for child, finding in model.findings.items():
        for parent, effects in finding.links.items():
            chances = (finding.by_state(effect).values() for effect in effects.values())
            strengths[parent, child] = max(sum(number.p for number in own) for own in chances)
    for interaction in model.interactions:
        for parent in interaction.when:
            arrow = (parent, interaction.target)
            strengths[arrow] = max(strengths.get(arrow, 0.0), interaction.link.p)
    return strengths


def dependences(model: ModelSpec) -> list[tuple[str, str]]:
    """List the arrows among risk factors: one, and another whose frequency depends on it."""
    return [(parent, name) for name, risk in model.risks.items() for parent in risk.parents]


def ordered(names: Mapping[str, object], causes: list[str], strengths: Mapping[tuple[str, str], float]) -> list[str]:
    """Sort risk factors or findings with a link to the causes by their mean place, so that few arrows cross."""
    centre = {}
    for name in names:
        own = [
            (place, strengths[arrow])
            for place, cause in enumerate(causes)
            for arrow in ((name, cause), (cause, name))
            if arrow in strengths
        ]
        if own:
            centre[name] = float(np.average([place for place, _ in own], weights=[p + 1e-6 for _, p in own]))
    return sorted(centre, key=centre.__getitem__)


def link_width(strength: float) -> float:
    """Say how wide, in points, an arrow is drawn whose link has such a probability.

    >>> [round(link_width(p), 1) for p in (0.0, 0.01, 0.1, 1.0)]
    [0.3, 0.7, 1.8, 4.5]
    """
    return float(max(MIN_WIDTH, MAX_WIDTH * strength**BEND))


@literal
def plot_network(
    model: ModelSpec,
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
    model : ModelSpec
        A checked model file.
    evidence : mapping of str to str, optional
        What is known of a case, by column.
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
        Risk factors on the left, causes in the middle, findings on the right; an arrow is the wider the stronger its
        link (the key tells how wide), blue where what is known acts along it, and dotted if that is an absence; dashed
        arrows lead from cause to cause, and from a risk factor to one whose frequency depends on it. A full mark is
        evidence for, a crossed one that it is absent, an open one an unsure answer, and a small dot is not known.

    Raises
    ------
    UnknownNameError
        If there is no such cause.

    Examples
    --------
    >>> from kneebayes.model import load_model
    >>> ax = plot_network(load_model().file, focus="dvt")  # the same as model.plot_network(focus="dvt")
    >>> "Deep vein thrombosis" in [text.get_text() for text in ax.texts]
    True
    """
    check_kind(model, "askable", "plot_network(model.file)")
    if focus is not None:
        check_choice("cause", focus, list(model.causes))
    columns_of = {model.about(column): column for column in evidence or {}}
    evidence = {model.about(column): value for column, value in (evidence or {}).items()}
    probabilities, cased = probabilities or {}, bool(evidence)
    strengths = link_strengths(model)
    if focus is not None:
        strengths = {arrow: p for arrow, p in strengths.items() if focus in arrow}
    causes = [name for name in model.causes if focus in (None, name) or any(name in arrow for arrow in strengths)]
    outer = [ordered(names, causes, strengths) for names in (model.risks, model.findings)]
    if known_only:
        outer = [[name for name in names if name in evidence] for names in outer]
    longest = max(6.0, len(outer[0]), BOX * len(causes), len(outer[1]))
    ax = take_axes(ax, 10.5, 1.2 + ROW * longest)
    ax.set_axis_off()
    heading: dict[str, Any] = {"va": "center", "fontsize": font_size(FONT), "color": "#777777", "fontweight": "bold"}
    places: dict[str, Place] = {}
    for x, align, word, names in (
        (LEFT, "right", "RISK FACTORS", outer[0]),
        (MIDDLE, "center", "CAUSES", causes),
        (RIGHT, "left", "FINDINGS", outer[1]),
    ):
        ax.text(x, -0.7, word, ha=align, **heading)
        places |= {name: (x, (i + 0.5) / len(names) * longest) for i, name in enumerate(names)}
    labels = {
        name: _node(
            ax, model, name, columns_of.get(name, name), place, evidence.get(name), probabilities.get(name), cased=cased
        )
        for name, place in places.items()
    }
    ax.set(xlim=(-0.85, 2.85), ylim=(longest + KEY, -1.2))
    keep_inside(ax)
    _key(ax, _fit(ax, longest + KEY + 1.2), cased=cased)
    edges = {name: _edges(ax, labels[name]) for name in causes}
    for (parent, child), strength in {**strengths, **dict.fromkeys(dependences(model), 0.0)}.items():
        if parent in places and child in places:
            known = [evidence[name] for name in (parent, child) if name in evidence]
            _arrow(ax, parent, child, places, edges, strength, known, crowded=len(strengths) > 60)
    return ax


def _edges(ax: Axes, label: Text) -> tuple[Place, Place]:
    """Measure where the box of a cause ends on the left and on the right."""
    box, inverse = label.get_window_extent(), ax.transData.inverted()
    pad = PAD * float(label.get_fontsize()) * figure_of(ax).dpi / 72
    y = label.get_position()[1]
    left, right = (float(inverse.transform((x, box.y0))[0]) for x in (box.x0 - pad, box.x1 + pad))
    return (left, y), (right, y)


def _arrow(
    ax: Axes,
    parent: str,
    child: str,
    places: Mapping[str, Place],
    edges: Mapping[str, tuple[Place, Place]],
    strength: float,
    known: list[str],
    *,
    crowded: bool,
) -> None:
    from matplotlib.patches import FancyArrowPatch

    start, end = places[parent], places[child]
    among = start[0] == end[0]
    down = end[1] > start[1]
    if not among:
        start = edges[parent][1] if parent in edges else start
        end = edges[child][0] if child in edges else end
    elif parent in edges:  # the causes' own arrows run down on their left and up on their right
        start, end = (edges[name][0 if down else 1] for name in (parent, child))
    bow = 0.35 if parent in edges else -0.35 if down else 0.35  # those of risk factors keep clear of their labels
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>" if among else "-",
            mutation_scale=9,
            connectionstyle=f"arc3,rad={bow}" if among else "arc3",
            linewidth=max(1.0 if among or known else 0.0, link_width(strength)),
            linestyle="--" if among else ":" if "absent" in known else "-",
            color=BLUE if known else "#777777" if among else "#8c8c8c",
            alpha=0.8 if known else 0.9 if among else 0.4 if crowded else 0.7,
            shrinkA=0 if parent in edges else 5,
            shrinkB=0 if child in edges else 5,
            zorder=3 if among else 2 if known else 1,
        )
    )


def _node(
    ax: Axes,
    model: ModelSpec,
    name: str,
    column: str,
    place: tuple[float, float],
    state: str | None,
    probability: float | None,
    *,
    cased: bool,
) -> Text:
    asked = model.askable.get(column, model.variables[name])
    binary = asked.is_yes_no
    absent, unsure = state == "absent", state is not None and state not in asked.states
    if unsure:
        text = f"{asked.label}: unsure"
    elif state is None or (binary and not absent and name not in model.causes):
        text = asked.label
    else:
        text = model.describe(column, state)
    if name in model.causes:
        own = name == model.alarm.cause
        box: dict[str, Any] = {"boxstyle": f"round,pad={PAD}", "edgecolor": ALARM if own else ink()}
        box |= {"facecolor": PALE if state else ax.get_facecolor(), "linewidth": 2.0 if own or state else 0.8}
        words = text if probability is None or (state and not unsure) else f"{text}  {percent(probability)}"
        bold = "bold" if own or state else "normal"
        colour = INK if state else ink()
        look: dict[str, Any] = {"fontsize": font_size(FONT), "fontweight": bold, "color": colour, "zorder": 5}
        return ax.text(*place, words, ha="center", va="center", bbox=box, **look)
    mark, size = ("x", 5) if absent and binary else ("o", 6) if state else ("o", 2.5)
    shade = ink() if state else "#777777"
    fill, edge = ax.get_facecolor() if unsure else shade, 1.6 if unsure or mark == "x" else 0
    ax.plot(*place, mark, markersize=size, color=shade, markerfacecolor=fill, markeredgewidth=edge, zorder=4)
    colour = "#777777" if cased and state is None else ink()
    bold = "bold" if state and not absent and not unsure else "normal"
    gap, size = -7 if place[0] == LEFT else 7, font_size(FONT) - 0.5
    return write_beside(ax, text, place, gap, fontsize=size, color=colour, fontweight=bold)


def _key(ax: Axes, font: float, *, cased: bool) -> None:
    """Say below the drawing what widths and marks mean."""
    from matplotlib.lines import Line2D

    marks = [Line2D([], [], color="#8c8c8c", linewidth=link_width(p), label=f"link of {p:.0%}") for p in SHOWN]
    if cased:
        for mark, size, edge, word in (("o", 6, 0, "present"), ("x", 5, 1.6, "absent"), ("o", 2.5, 0, "not known")):
            style: dict[str, Any] = {"marker": mark, "markersize": size, "markeredgewidth": edge, "linestyle": ""}
            marks.append(Line2D([], [], color=ink() if word != "not known" else "#777777", label=word, **style))
    ax.legend(
        handles=marks,
        loc="lower center",
        borderaxespad=0.0,
        ncols=len(marks),
        fontsize=0.9 * font,
        frameon=False,
        columnspacing=1.4,
        handlelength=1.6,
    ).set_in_layout(False)


def _fit(ax: Axes, rows: float) -> float:
    """Make labels small enough for their rows, widen the x axis until those on both sides fit, and give their size."""
    figure = figure_of(ax)
    figure.draw_without_rendering()  # how much room there is shows only now
    room = ax.get_window_extent()
    boxes = [(text, text.get_window_extent().width) for text in ax.texts]
    sides = [
        max(width for text, width in boxes if text.get_horizontalalignment() == side)
        for side in ("right", "center", "left")
    ]
    high = FULL * room.height * 72 / figure.dpi / rows
    largest = font_size(FONT)
    font = max(MIN_FONT, min(largest, high, largest * SPREAD * room.width / sum(sides)))
    for text in ax.texts:
        text.set_fontsize(float(text.get_fontsize()) * font / largest)
    make_room(ax, LEFT, RIGHT)
    return font
