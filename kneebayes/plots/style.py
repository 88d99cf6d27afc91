"""What all plots share: axes, colours and how probabilities are written along them.

Colours are Tol's, which people with any colour vision can tell apart. None carries a meaning alone: direction,
hatching, shape or words say it too, so that a print in grey is complete.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from scipy.special import logit

from kneebayes.errors import OptionError, UnknownColumnError, check_kind
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

Options = ParamSpec("Options")
Drawn = TypeVar("Drawn")

BLUE, RED, GREY, PALE, INK, ALARM = "#4477aa", "#ee6677", "#bbbbbb", "#dde6ef", "#222222", "#cc3311"
COLOURS = (BLUE, RED, "#228833", "#ccbb44", "#66ccee", "#aa3377")
STYLES = ("-", (0, (5, 1.5)), "-.", ":", (0, (1, 4)), (0, (6, 1, 1, 1, 1, 1)))  # of lines
MARKERS = ("o", "s", "^", "D", "v", "P")
# each darker than the one before, so that they keep their order in grey
LEVEL_COLOURS = dict(zip(LEVELS, ("#f4f4ee", "#d5d5d0", "#f2b84b", "#cc3311", "#5a0f0f"), strict=True))
PROBABILITIES = (
    *(1e-6, 1e-5, 1e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3),
    *(0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 0.99999),
)
MAX_TICKS = 7
SIZES: Final = ("font.size", "axes.titlesize", "xtick.labelsize", "ytick.labelsize")  # of letters to come
POINTS = 10  # of letters, for which plots have the sizes they ask for
ENOUGH = 0.7  # of the size that a plot has by itself, in which its letters still have room
BELOW = 3.4  # sizes of its letters from the x axis to under its label
NEAR = 0.01  # of the width of axes: what is kept free beside texts
MAX_STRETCH = 5  # of an axis for texts, which leaves a fifth for the bars
MAX_STEPS = 50  # towards it: half of the way each, where texts take half of the axes


def literal(plot: Callable[Options, Drawn]) -> Callable[Options, Drawn]:
    """Let a plot write labels as they are: a dollar in one is no formula; the sizes it makes smaller stay its own."""

    @wraps(plot)
    def drawn(*args: Options.args, **options: Options.kwargs) -> Drawn:
        import matplotlib as mpl

        with mpl.rc_context({"text.parse_math": False}):
            return plot(*args, **options)

    return drawn


def check_table(table: object, columns: Iterable[str], call: str, *, least: int = 1) -> None:
    """Refuse what is no table, or one without some columns or with too few rows, with the right call."""
    check_kind(table, "iloc", call)
    missing = [name for name in columns if name not in getattr(table, "columns", ())]
    if missing:
        raise UnknownColumnError(f"no column '{missing[0]}' in this table: {call}")
    if len(table) < least:  # type: ignore[arg-type]  # what has iloc has a length
        raise OptionError(f"not for a table without rows: {call}")


def take_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Give the caller's axes, or those of a new figure, with only the spines that carry a scale.

    The figure has so many inches where letters have `POINTS`, and grows with the letters of the style in use. In axes
    of the caller that have much less room, letters are smaller than those of the style.
    """
    from matplotlib import rcParams
    from matplotlib.text import Text

    scale = font_size(1 / POINTS)
    if ax is None:
        from matplotlib import pyplot as plt

        ax = plt.subplots(figsize=(width * scale, height * scale), layout="constrained")[1]
    check_kind(ax, "findobj", "ax=plt.subplots()[1]")
    if ax.get_figure() is None:
        raise OptionError("these axes were removed from their figure: ax=plt.subplots()[1]")
    smaller = _room(ax, width * scale, height * scale)
    for name in SIZES:  # until the end of the plot, see `literal`; words are shares of the first
        if not isinstance(rcParams[name], str):
            rcParams[name] *= smaller
    for text in ax.findobj(Text):  # those that the caller's axes came with
        text.set_parse_math(False)
        text.set_fontsize(smaller * float(text.get_fontsize()))
    for axis in (ax.xaxis, ax.yaxis):
        for label in axis.get_ticklabels()[:1]:  # others are still to come
            axis.set_tick_params(labelsize=label.get_fontsize())
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _room(ax: Axes, width: float, height: float) -> float:
    """Say how much of so many inches there is for axes in a grid, with what is around them; 1 where it suffices."""
    place, figure = ax.get_subplotspec(), ax.get_figure()
    if place is None or figure is None:  # placed by hand: what is around them is not known
        return 1.0
    cell, whole, inches = place.get_position(figure), figure.subplotpars, figure.dpi_scale_trans.inverted()  # type: ignore[arg-type]
    page = figure.bbox.transformed(inches)
    wide = page.width * cell.width / (whole.right - whole.left)
    high = page.height * cell.height / (whole.top - whole.bottom)
    return min(1.0, wide / (ENOUGH * width), high / (ENOUGH * height))


def figure_of(ax: Axes) -> Figure:
    """Give the figure that axes are in, whatever subfigures are between."""
    return cast("Figure", ax.get_figure(root=True))


def line_looks(n: int) -> list[tuple[str, Any, str]]:
    """Give each of n lines its colour, dashes and mark, so that a print in grey tells them apart."""
    return [(COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)], MARKERS[i % len(MARKERS)]) for i in range(n)]


def ink() -> Any:
    """Give the colour of lines and words that the style in use has."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def font_size(share: float) -> float:
    """Give a size of letters, in points, as a share of that of the style in use."""
    from matplotlib import rcParams

    return share * float(rcParams["font.size"])


def legend_below(ax: Axes, *, handles: Sequence[Artist] | None = None, title: str | None = None) -> None:
    """Put a legend of what is labelled, or of some handles, under the x axis, where it covers nothing."""
    from matplotlib.transforms import ScaledTranslation

    words = [ax.xaxis.label, *ax.get_xticklabels()[:1]]
    points = BELOW * sum(float(word.get_fontsize()) for word in words) / len(words)
    under = ScaledTranslation(0, -points / 72, figure_of(ax).dpi_scale_trans)
    ax.legend(
        handles=ax.get_legend_handles_labels()[0] if handles is None else handles,
        loc="upper right",  # to the left of the axes there is room, under the words beside the bars
        bbox_to_anchor=(1, 0),
        bbox_transform=ax.transAxes + under,
        title=title,
        title_fontsize="small",
        fontsize="small",
        frameon=False,
        ncols=2,
        borderaxespad=0.0,
    )


def name_rows(ax: Axes, names: Sequence[str], **text: Any) -> None:
    """Name the rows of a plot, without ticks; the grid of a style would strike out the words beside its bars."""
    ax.set_yticks(range(len(names)), names, **text)
    ax.tick_params(axis="y", left=False)
    ax.grid(False, axis="y")


def write_beside(ax: Axes, said: str, at: tuple[float, float], gap: float, **text: Any) -> Text:
    """Write beside a point, so many points to its right, or to its left if under 0."""
    align = "right" if gap < 0 else "left"
    text = {"fontsize": "small", "va": "center", "ha": align, **text}
    return ax.annotate(said, at, (gap, 0), textcoords="offset points", **text)


def wrapped(text: str, width: int = 30) -> str:
    """Break a label into lines of so many letters."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False))


def odds_axis(ax: Axes, low: float, high: float) -> None:
    """Mark the x axis, which is in log-odds from low to high, with the probabilities people know."""
    inside = [p for p in PROBABILITIES if low <= logit(p) <= high]
    shown = inside[:: max(1, -(-len(inside) // min(MAX_TICKS, max(1, ax.xaxis.get_tick_space()))))]
    ax.set_xlim(low, high)
    ax.set_xticks(logit(shown), [f"{p * 100:g}%" for p in shown])


def share_axis(ax: Axes) -> None:
    """Write the ticks of the x axis, in shares of 1 with its limits set, as percentages up to 100."""
    top = min(1.0, ax.get_xlim()[1])
    ticks = [tick for tick in ax.get_xticks() if 0 <= tick <= top]
    ax.set_xticks(ticks, [f"{tick * 100:.3g}%" for tick in ticks])


def keep_inside(ax: Axes) -> None:
    """Let no layout of the figure make room for texts in the axes: it would narrow these before they are stretched."""
    for text in ax.texts:
        text.set_in_layout(False)


def make_room(ax: Axes, low: float, high: float) -> None:
    """Stretch an x axis on both sides, from limits that hold what is drawn, until the texts in it fit."""
    ax.set_xlim(low, high)
    keep_inside(ax)
    figure_of(ax).draw_without_rendering()  # the width of axes and texts is known only then
    width = ax.get_window_extent().width
    texts = [text for text in ax.texts if text.get_text()]
    places = [getattr(text, "xy", text.get_position()) for text in texts]
    reach = [
        (place[0], [(end - ax.transData.transform(place)[0]) / width for end in text.get_window_extent().intervalx])
        for text, place in zip(texts, places, strict=True)
    ]
    left, right = low, high
    for _ in range(MAX_STEPS):  # texts keep their size, so that the wider the axis, the more of it they take
        span = right - left
        left = min([low, *(x + (before - NEAR) * span for x, (before, _) in reach)])
        right = max([high, *(x + (after + NEAR) * span for x, (_, after) in reach)])
        if right - left > MAX_STRETCH * (high - low):
            break
    else:
        for text in texts:  # that fit now: plots drawn later may narrow these axes, and must leave the texts their room
            text.set_in_layout(True)
    ax.set_xlim(left, right)
