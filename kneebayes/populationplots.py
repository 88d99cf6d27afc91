"""Plots of many cases: their posteriors at a glance, and their alarms by group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.alarm import LEVELS
from kneebayes.canvas import INK, LEVEL_COLOURS, keep_inside, take_axes, wrapped
from kneebayes.errors import UnknownColumnError
from kneebayes.labels import NONE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kneebayes.model import ModelFile

__all__ = ["plot_alarm_levels", "plot_cases"]

NAMED = 45  # cases up to which each row has its name
STRIPE = 0.6  # width of the alarm, in columns
SHADE = "Greys"


def plot_cases(scores: pd.DataFrame, *, model: ModelFile, ax: Axes | None = None) -> Axes:
    """Plot the posteriors of many cases as a heat map, with their alarms.

    Parameters
    ----------
    scores : pandas.DataFrame
        As from `Model.score`, one case per row.
    model : ModelFile
        For the causes and their labels.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A row per case, the gravest alarm on top and within it the likeliest
        first; a column per cause, darker where it is likelier; on the left a
        stripe of alarm levels.

    Raises
    ------
    UnknownColumnError
        If a column of the scores is not there.
    """
    causes = [*model.causes, NONE]
    _need(scores, [*causes, alarm := f"{model.alarm.cause}_alarm"])
    level = scores[alarm].map(LEVELS.index).to_numpy(dtype=int)
    order = np.lexsort((-scores[model.alarm.cause].to_numpy(dtype=float), -level))
    values = scores[causes].to_numpy(dtype=float)[order]
    n = len(values)
    ax = take_axes(ax, 8, 1.9 + (0.2 * n if n <= NAMED else 6))
    # cells, not an image: they stay sharp as vectors, and rasters of many rows small
    mesh = ax.pcolormesh(
        np.arange(len(causes) + 1), np.arange(n + 1), values, cmap=SHADE, vmin=0, vmax=1, rasterized=n > NAMED
    )
    shades = np.array([_rgb(LEVEL_COLOURS[LEVELS[place]]) for place in level[order]]).reshape(n, 1, 3)
    ax.imshow(shades, extent=(-STRIPE - 0.25, -0.25, n, 0), aspect="auto", interpolation="nearest")
    labels = [*(node.label for node in model.causes.values()), "None of these"]
    ax.set_xticks(
        [-0.25 - STRIPE / 2, *(np.arange(len(causes)) + 0.5)],
        ["Alarm", *(wrapped(text, 22) for text in labels)],
        rotation=40,
        ha="right",
        fontsize=8,
    )
    ax.set(xlim=(-STRIPE - 0.25, len(causes)), ylim=(n, 0))
    if n <= NAMED:
        names = scores.get("case_id", scores.index)
        ax.set_yticks(np.arange(n) + 0.5, [str(name) for name in np.asarray(names)[order]], fontsize=8)
    else:
        ax.set_ylabel(f"{n:,} cases, by alarm and probability of {model.causes[model.alarm.cause].label}")
        ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    figure = ax.figure
    bar = figure.colorbar(mesh, ax=ax, fraction=0.03, pad=0.02, aspect=30)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    bar.outline.set_visible(False)
    _level_key(ax, list(LEVELS))
    return ax


def plot_alarm_levels(scores: pd.DataFrame, groups: Iterable[Any], *, model: ModelFile, ax: Axes | None = None) -> Axes:
    """Plot how often each level of the alarm occurs, by group.

    Parameters
    ----------
    scores : pandas.DataFrame
        As from `Model.score`, one case per row.
    groups : iterable
        What group each case is in, such as a column of the cases; where it is
        not known, ``unknown``.
    model : ModelFile
        For the alarm.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar per group, in the order of the groups' names or categories,
        divided by level, the gravest on the left.

    Raises
    ------
    UnknownColumnError
        If the scores have no alarm.
    """
    import pandas as pd

    _need(scores, [alarm := f"{model.alarm.cause}_alarm"])
    known = (groups if isinstance(groups, pd.Series) else pd.Series(list(groups))).reset_index(drop=True)
    ordered = (
        known.cat.categories.tolist()
        if isinstance(known.dtype, pd.CategoricalDtype)
        else sorted(known.dropna().unique(), key=str)
    )
    named = known.astype(object).where(known.notna(), "unknown")
    names = [*ordered, *(["unknown"] if known.isna().any() else [])]
    counts = pd.crosstab(named.to_numpy(), scores[alarm].to_numpy()).reindex(
        index=names, columns=list(reversed(LEVELS)), fill_value=0
    )
    shares = counts.div(counts.sum(axis=1).replace(0, 1), axis=0)
    ax = take_axes(ax, 8, 1.6 + 0.45 * len(names))
    left = np.zeros(len(names))
    for level in reversed(LEVELS):
        width = shares[level].to_numpy(dtype=float)
        ax.barh(
            np.arange(len(names)),
            width,
            left=left,
            color=LEVEL_COLOURS[level],
            height=0.7,
            edgecolor=INK,
            linewidth=0.5,
        )
        dark = level in ("urgent", "emergency")
        for y, (start, share) in enumerate(zip(left, width, strict=True)):
            if share >= 0.05:
                ax.text(
                    start + share / 2,
                    y,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="white" if dark else INK,
                )
        left += width
    keep_inside(ax)
    totals = counts.sum(axis=1)
    ax.set_yticks(
        range(len(names)), [f"{wrapped(str(name).replace('_', ' '))} (n={totals.loc[name]:,})" for name in names]
    )
    ax.set(xlim=(0, 1), ylim=(len(names) - 0.45, -0.55), xlabel="share of cases")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.tick_params(axis="y", left=False)
    _level_key(ax, list(reversed(LEVELS)))
    return ax


def _level_key(ax: Axes, levels: list[str]) -> None:
    from matplotlib.patches import Patch

    marks = [
        Patch(facecolor=LEVEL_COLOURS[name], edgecolor=INK, linewidth=0.5, label=name.replace("_", " "))
        for name in levels
    ]
    ax.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(levels),
        fontsize=8,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.0,
        borderaxespad=0.3,
    )


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _need(scores: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in scores]
    if missing:
        raise UnknownColumnError(f"no column '{missing[0]}' in these scores: give the result of Model.score")
