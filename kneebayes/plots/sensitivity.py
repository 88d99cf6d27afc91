"""Plots of what a posterior owes to single numbers of the model: tornado and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import UnknownNameError, nearest
from kneebayes.plots.style import BLUE, COLOURS, GREY, INK, MARKERS, PALE, STYLES, percent, take_axes, widen, wrapped
from kneebayes.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["number_label", "plot_curves", "plot_tornado"]

Floats = NDArray[np.float64]
LANE = 0.05  # of the height, for the range of one of several numbers
POINTS = 201


def number_label(model: ModelSpec, place: str) -> str:
    """Say in words which number of the model is meant, by its place as in `ModelSpec.probabilities`.

    Examples
    --------
    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> model = read_model(model_path("posterior_knee_pain"))
    >>> number_label(model, "findings.calf_pain.links.dvt.present")
    'Deep vein thrombosis to Calf pain'
    >>> number_label(model, "causes.dvt.leak")
    'Deep vein thrombosis without listed risk'
    """
    section, name, *rest = place.split(".")
    if section == "interactions":
        own = model.interactions[int(name)]
        together = " and ".join(model.variables[parent].label for parent in own.when)
        return f"{together} to {model.variables[own.target].label}"
    node = model.variables[name]

    def state_of(variable: str, state: str) -> str:
        known = model.variables[variable]
        return "" if known.is_yes_no else f" ({known.say(state)})"

    if rest[0] == "leak":
        return f"{node.label} {'without listed risk' if section == 'causes' else 'without listed cause'}"
    if rest[0] == "links":
        return f"{model.variables[rest[1]].label}{state_of(rest[1], rest[2])} to {node.label}"
    share = f"share of {node.label}{state_of(name, rest[-1])}"
    if rest[0] == "given":
        when = model.risks[name].given[int(rest[1])].when
        said = [state_of(parent, state).strip(" ()") for parent, states in when.items() for state in states]
        return f"{share}, {' or '.join(filter(None, said[:3]))}{' ...' if len(said) > 3 else ''}"
    return share


def plot_tornado(
    sensitivities: pd.DataFrame, *, model: ModelSpec, target: str | None = None, n: int = 12, ax: Axes | None = None
) -> Axes:
    """Plot how far the posterior swings while one number moves through its range.

    Parameters
    ----------
    sensitivities : pandas.DataFrame
        As from `Diagnosis.sensitivity`.
    model : ModelSpec
        For the words.
    target : str, optional
        Of the sensitivities; by default the cause of the alarm.
    n : int, default 12
        At most how many numbers.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar per number, the greatest swing on top: hatched towards the low
        end of its range, solid towards the high end, with both ends written.
    """
    target = model.alarm.cause if target is None else target
    table = sensitivities.iloc[:n]
    ax = take_axes(ax, 8.5, 1.5 + 0.42 * max(1, len(table)))
    now = _posterior(sensitivities)
    for y, (_, row) in enumerate(table.iterrows()):
        for end, hatch, colour in (("low", "////", PALE), ("high", None, BLUE)):
            p, number = float(row[f"posterior_{end}"]), float(row[end])
            ax.barh(y, p - now, left=now, height=0.62, color=colour, edgecolor=BLUE, linewidth=0.8, hatch=hatch)
            right = p > now or (p == now and end == "high")
            ax.annotate(
                percent(number),
                (p, y),
                (4 if right else -4, 0),
                textcoords="offset points",
                ha="left" if right else "right",
                va="center",
                fontsize=8,
            )
    ax.axvline(now, color=INK, linewidth=1)
    ax.set_yticks(
        range(len(table)), [wrapped(number_label(model, str(place)), 44) for place in table.index], fontsize=9
    )
    ax.tick_params(axis="y", left=False)
    ax.set_ylim(max(1, len(table)) - 0.4, -0.6)
    low, high = (float(f(table[["posterior_low", "posterior_high"]].to_numpy())) for f in (np.nanmin, np.nanmax))
    margin = 0.02 * max(high - low, 0.001)
    ax.set_xlim(low - margin, high + margin)
    widen(ax)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}%" if 0 <= value <= 1 else "")
    ax.set_xlabel(f"probability of {model.label_of(target)}")
    ax.set_title(f"What {percent(now)} depends on", loc="left", fontsize=11)
    _ends_key(ax)
    return ax


def plot_curves(
    sensitivities: pd.DataFrame,
    numbers: Sequence[str] | None = None,
    *,
    model: ModelSpec,
    target: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the posterior as a function of single numbers of the model.

    Parameters
    ----------
    sensitivities : pandas.DataFrame
        As from `Diagnosis.sensitivity`.
    numbers : sequence of str, optional
        Places of numbers in the model file; by default that with the greatest swing.
    model : ModelSpec
        For the words.
    target : str, optional
        Of the sensitivities; by default the cause of the alarm.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A line each, strong within the plausible range, which is shaded (of
        several numbers, each in its own lane below), and thin beyond it;
        the mark is where the model stands.

    Raises
    ------
    UnknownNameError
        If there is no such number.
    """
    numbers = list(sensitivities.index[:1]) if numbers is None else list(numbers)
    target = model.alarm.cause if target is None else target
    for place in numbers:
        if place not in sensitivities.index:
            raise UnknownNameError(
                f"no number '{place}' in these sensitivities.{nearest(place, list(sensitivities.index))}"
            )
    ax = take_axes(ax, 7, 4.4)
    widest = float(sensitivities.loc[numbers, "high"].max())
    for i, place in enumerate(numbers):
        row = {name: float(sensitivities[name][place]) for name in ("low", "high", "p", "a", "b", "c", "d")}
        low, high = row["low"], row["high"]
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linestyle": STYLES[i % len(STYLES)]}
        within, beyond = np.linspace(low, high, POINTS), np.linspace(0, 1, 5 * POINTS)
        if len(numbers) == 1:
            ax.axvspan(low, high, color=style["color"], alpha=0.10, linewidth=0)
        ax.plot(beyond, _curve(row, beyond), linewidth=0.8, **style)
        ax.plot(within, _curve(row, within), linewidth=2.4, **style)
        ax.plot(
            [row["p"]],
            _curve(row, np.array([row["p"]])),
            marker=MARKERS[i % len(MARKERS)],
            markersize=8,
            markeredgecolor="white",
            label=wrapped(number_label(model, place), 60),
            zorder=4,
            **style,
        )
    # a line beyond the range tells little, and rare things would fill a corner only
    right = min(1.0, 2.5 * widest)
    seen = [np.asarray(line.get_ydata())[np.asarray(line.get_xdata()) <= right] for line in ax.lines]
    top = min(1.0, 1.1 * float(np.nanmax(np.concatenate(seen))) + 1e-6)
    ax.set(xlim=(0, right), ylim=(0, top))
    if len(numbers) > 1:
        _lanes(ax, sensitivities, numbers, top)
    ax.set_ylabel(f"probability of {model.label_of(target)}")
    ax.set_xlabel("number of the model (shaded: plausible range; mark: its value)")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value * 100:.3g}%")
    ax.grid(color=GREY, linewidth=0.4, alpha=0.6)
    ax.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0))
    return ax


def _lanes(ax: Axes, sensitivities: pd.DataFrame, numbers: Sequence[str], top: float) -> None:
    """Shade the ranges of several numbers one below the other: on top of each other they could not be told apart."""
    height = LANE * top
    for i, place in enumerate(numbers):
        low, high, p = (float(sensitivities[name][place]) for name in ("low", "high", "p"))
        colour, y = COLOURS[i % len(COLOURS)], -(i + 0.75) * height
        ax.barh(y, high - low, left=low, height=0.7 * height, color=colour, alpha=0.35)
        ax.plot([p], [y], MARKERS[i % len(MARKERS)], color=colour, markersize=5, markeredgecolor="white")
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
    ax.set_ylim(-(len(numbers) + 0.4) * height, top)


def _curve(row: Mapping[str, float], t: Floats) -> Floats:
    evidence = row["c"] + row["d"] * t
    with np.errstate(invalid="ignore", divide="ignore"):
        curve: Floats = np.where(evidence > 0, (row["a"] + row["b"] * t) / evidence, np.nan)
    return curve


def _posterior(sensitivities: pd.DataFrame) -> float:
    first = {name: float(sensitivities[name].iloc[0]) for name in ("p", "a", "b", "c", "d")}
    return float(_curve(first, np.array([first["p"]]))[0])


def _ends_key(ax: Axes) -> None:
    from matplotlib.patches import Patch

    marks = [
        Patch(facecolor=PALE, edgecolor=BLUE, hatch="////", label="number at its low end"),
        Patch(facecolor=BLUE, edgecolor=BLUE, label="at its high end"),
    ]
    ax.legend(
        handles=marks, loc="lower right", fontsize=8, frameon=False, title="beside the bars: that end", title_fontsize=8
    )
