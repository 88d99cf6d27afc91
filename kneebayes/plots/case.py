"""Plots of one case: its posterior, what moved it and what to ask; and all of them as ``dx.plot.<what>()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logit

from kneebayes.inference.evidence import DECIBANS, Evidence
from kneebayes.plots.network import plot_network
from kneebayes.plots.sensitivity import plot_curves, plot_tornado
from kneebayes.plots.style import (
    ALARM,
    BLUE,
    GREY,
    INK,
    PALE,
    make_room,
    odds_axis,
    percent,
    share_axis,
    take_axes,
    widen,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.diagnosis.explanation import Explanation
    from kneebayes.inference.network import CompiledModel

__all__ = ["CasePlots", "plot_explanation", "plot_posterior", "plot_questions", "priors"]

TIMES = "\N{MULTIPLICATION SIGN}"
MARGIN = 0.5  # of log-odds, beside what is drawn
SETTLED = 30 / DECIBANS  # of log-odds: how far a bar reaches that stands for certainty


def priors(network: CompiledModel) -> dict[str, float]:
    """Compute the posteriors of the complaint alone, by column."""
    complaint = network.variables.index(network.model.complaint)
    alone = Evidence.empty(len(network.variables)).with_state(complaint, 1)
    return dict(zip(network.columns, network.posteriors(alone).values[0].tolist(), strict=True))


def plot_posterior(dx: Diagnosis, *, intervals: pd.DataFrame | None = None, ax: Axes | None = None) -> Axes:
    """Plot the posterior of every cause, the likeliest on top.

    Parameters
    ----------
    dx : Diagnosis
        The case.
    intervals : pandas.DataFrame, optional
        With columns ``low`` and ``high`` by cause, as from `Diagnosis.intervals`.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar each, hatched for the cause of the alarm, with its interval; the
        upright tick is the prior, which is that of the complaint alone.
    """
    ax = take_axes(ax, 7.5, 4.2)
    names = sorted(dx.probabilities, key=dx.probabilities.__getitem__)
    complaint = dx.label(dx.model.complaint).lower()
    before, cause, furthest = priors(dx.network), dx.model.alarm.cause, 0.0
    for y, name in enumerate(names):
        p, own = dx.probabilities[name], name == cause
        ax.barh(y, p, height=0.66, color=ALARM if own else BLUE, hatch="///" if own else None, edgecolor="white", lw=0)
        ax.plot([before[name]] * 2, [y - 0.42, y + 0.42], color=INK, linewidth=2.2, solid_capstyle="butt", zorder=4)
        reach, said = max(p, before[name]), percent(p)
        if intervals is not None:
            low, high = (float(intervals[end][name]) for end in ("low", "high"))
            ax.plot([low, high], [y, y], color="white", linewidth=4, zorder=2, solid_capstyle="butt")
            ax.plot([low, high], [y, y], color=INK, linewidth=1.2, zorder=3, marker="|", markersize=7)
            reach, said = max(reach, high), f"{said}  ({percent(low)} to {percent(high)})"
        furthest = max(furthest, reach)
        ax.annotate(said, (reach, y), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_yticks(range(len(names)), [dx.label(name) for name in names])
    ax.get_yticklabels()[names.index(cause)].set_fontweight("bold")
    ax.tick_params(axis="y", left=False)
    ax.set(ylim=(-0.6, len(names) - 0.4), xlabel="probability (causes may coexist)")
    make_room(ax, furthest)
    share_axis(ax)
    ax.plot(
        [],
        [],
        color=INK,
        marker="|",
        markersize=10,
        markeredgewidth=2.2,
        linestyle="",
        label=f"before: {complaint} alone",
    )
    if intervals is not None:
        words = f"{intervals.attrs['level']:.0%} interval" if "level" in intervals.attrs else "interval"
        ax.plot([], [], color=INK, linewidth=1.2, marker="|", markersize=7, label=words)
    ax.legend(loc="lower right", fontsize=8, frameon=False)
    ax.set_title(f"Alarm: {dx.alarm.level.replace('_', ' ')}", loc="left", fontsize=11, fontweight="bold")
    return ax


def plot_explanation(explanation: Explanation, *, ax: Axes | None = None) -> Axes:
    """Plot how the evidence takes the odds of a target from before to now.

    Parameters
    ----------
    explanation : Explanation
        As from `Diagnosis.explanation`.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A waterfall from top to bottom, on the scale of log-odds marked with
        probabilities. Solid bars raise, hatched bars lower, and each says the
        factor of its share; what is settled for certain reaches to the edge.
    """
    leading = [piece for piece in explanation.contributions if piece.noticeable]
    rest = [piece.decibans for piece in explanation.contributions if not piece.noticeable]
    steps = [(piece.said, piece.decibans) for piece in leading]
    if rest:
        steps.append((f"{len(rest)} more, each under 1 deciban", float(sum(rest))))
    steps.sort(key=lambda step: bool(np.isinf(step[1])))  # what settles it comes last, as nothing moves it then
    ax = take_axes(ax, 7.5, 1.5 + 0.36 * (len(steps) + 2))
    start = float(logit(explanation.prior))
    at, reached = start, [start]
    for row, (_, decibans) in enumerate(steps, start=1):
        change = float(np.clip(decibans / DECIBANS, -SETTLED, SETTLED))
        _step(ax, row, at, change, decibans)
        at += change
        reached.append(at)
    last = len(steps) + 1
    for row, place, p in ((0, start, explanation.prior), (last, at, explanation.posterior)):
        ax.plot(place, row, "D", color=INK, markersize=7, zorder=3)
        ax.annotate(percent(p), (place, row), (9, 0), textcoords="offset points", va="center", fontweight="bold")
    ax.plot([at, at], [last - 0.6, last], color=GREY, linewidth=1, zorder=1)
    ax.set_yticks(range(last + 1), ["Before", *(wrapped(said, 38) for said, _ in steps), "Now"])
    ax.set_ylim(last + 0.6, -0.6)
    ax.tick_params(axis="y", left=False)
    ax.set_xlim(min(reached) - MARGIN, max(reached) + MARGIN)
    widen(ax)
    odds_axis(ax, *ax.get_xlim())
    name = explanation.model.label_of(explanation.target)
    ax.set(xlabel=f"probability of {name} (scale of log-odds)")
    ax.set_title(f"Why {name}: from {percent(explanation.prior)} to {percent(explanation.posterior)}", fontsize=11)
    return ax


def plot_questions(questions: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Plot what the next questions would tell.

    Parameters
    ----------
    questions : pandas.DataFrame
        As from `Diagnosis.next_questions`.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar of expected information each, the first question on top. A key
        question of the alarm is marked, and hatched.
    """
    ax = take_axes(ax, 8, 1.2 + 0.55 * max(1, len(questions)))
    for y, (_, row) in enumerate(questions.iterrows()):
        style = {"color": BLUE, "hatch": "///", "edgecolor": "white", "lw": 0} if row["key"] else {"color": BLUE}
        ax.barh(y, row["gain"], height=0.6, **style)
        changes = f"changes the alarm in {percent(row['alarm_change'])}" if row["alarm_change"] > 0 else "alarm stays"
        said = f"{row['gain']:.2f} bits; {changes}"
        ax.annotate(said, (row["gain"], y), (5, 0), textcoords="offset points", va="center", fontsize=8.5)
    asked = [f"{row['question']}{' (key)' if row['key'] else ''}" for _, row in questions.iterrows()]
    ax.set_yticks(range(len(questions)), [wrapped(text, 42) for text in asked], fontsize=9)
    ax.tick_params(axis="y", left=False)
    ax.set(ylim=(max(1, len(questions)) - 0.4, -0.6), xlabel="expected information about the causes (bits)")
    ax.set_title("What to ask next", loc="left", fontsize=11)
    make_room(ax, float(questions["gain"].max()) if len(questions) else 1.0)
    return ax


def _step(ax: Axes, row: int, at: float, change: float, decibans: float) -> None:
    up = change >= 0
    ax.barh(
        row,
        change,
        left=at,
        height=0.62,
        color=BLUE if up else PALE,
        edgecolor=BLUE,
        linewidth=0.8,
        hatch=None if up else "////",
        zorder=2,
    )
    ax.plot([at, at], [row - 1, row + 0.31], color=GREY, linewidth=1, zorder=1)
    ratio = np.exp(abs(change))
    said = ("certain" if up else "ruled out") if np.isinf(decibans) else f"{TIMES if up else '÷'} {ratio:.3g}"
    side = (5, 0) if up else (-5, 0)
    end, align = (at + change, "left" if up else "right")
    ax.annotate(said, (end, row), side, textcoords="offset points", va="center", ha=align, fontsize=8.5)


@dataclass(frozen=True)
class CasePlots:
    """Plots of one case, as ``dx.plot()`` and ``dx.plot.<what>()``. Each draws into Axes and returns them.

    Targets, numbers, draws and seeds are those of the methods of `Diagnosis` that give what is plotted.
    """

    dx: Diagnosis

    def __call__(
        self, *, intervals: float | None = None, draws: int = 1000, seed: int = 0, ax: Axes | None = None
    ) -> Axes:
        """Plot the posterior of every cause, perhaps with intervals of such a level; see `plot_posterior`."""
        table = None if intervals is None else self.dx.intervals(intervals, draws=draws, seed=seed)
        return plot_posterior(self.dx, intervals=table, ax=ax)

    def explanation(self, target: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot what moved a target, from before to now; see `plot_explanation`."""
        return plot_explanation(self.dx.explanation(target), ax=ax)

    def questions(self, target: str | None = None, n: int | None = 5, *, ax: Axes | None = None) -> Axes:
        """Plot what the next questions would tell; see `plot_questions`."""
        return plot_questions(self.dx.next_questions(target, n), ax=ax)

    def network(self, *, focus: str | None = None, known_only: bool = False, ax: Axes | None = None) -> Axes:
        """Draw the network with the evidence in it; see `kneebayes.plots.plot_network`."""
        known, likely = self.dx.evidence, self.dx.probabilities
        return plot_network(
            self.dx.model, evidence=known, probabilities=likely, focus=focus, known_only=known_only, ax=ax
        )

    def tornado(self, target: str | None = None, n: int = 12, *, ax: Axes | None = None) -> Axes:
        """Plot which numbers of the model the posterior depends on; see `kneebayes.plots.plot_tornado`."""
        return plot_tornado(self.dx.sensitivity(target), model=self.dx.model, target=target, n=n, ax=ax)

    def curves(
        self, numbers: Sequence[str] | None = None, *, target: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Plot the posterior as a function of numbers of the model; see `kneebayes.plots.plot_curves`."""
        return plot_curves(self.dx.sensitivity(target), numbers, model=self.dx.model, target=target, ax=ax)
