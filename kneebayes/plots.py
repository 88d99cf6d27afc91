"""All plots: each takes a result, draws into Axes and returns them. Those of an evaluation are made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.canvas import BLUE, COLOURS, GREY, MARKERS, STYLES, take_axes
from kneebayes.caseplots import plot_explanation, plot_posterior, plot_questions
from kneebayes.errors import UnknownNameError, nearest
from kneebayes.networkplot import plot_network
from kneebayes.populationplots import plot_alarm_levels, plot_cases
from kneebayes.rangeplots import plot_curves, plot_tornado

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kneebayes.evaluation import Evaluation

__all__ = [
    "EvaluationPlots",
    "plot_alarm_levels",
    "plot_calibration",
    "plot_cases",
    "plot_curves",
    "plot_decision_curve",
    "plot_explanation",
    "plot_network",
    "plot_posterior",
    "plot_questions",
    "plot_roc",
    "plot_tornado",
]

WIDTH, HEIGHT = 6.4, 4.8


@dataclass(frozen=True)
class EvaluationPlots:
    """Plots of an evaluation, as ``evaluation.plot.<what>()``.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    """

    evaluation: Evaluation

    def calibration(self, cause: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot the share observed against the probability predicted; see `plot_calibration`."""
        return plot_calibration(self.evaluation, cause=cause, ax=ax)

    def roc(self, *, ax: Axes | None = None) -> Axes:
        """Plot sensitivity against false alarms; see `plot_roc`."""
        return plot_roc(self.evaluation, ax=ax)

    def decision_curve(self, *, ax: Axes | None = None) -> Axes:
        """Plot the net benefit by threshold; see `plot_decision_curve`."""
        return plot_decision_curve(self.evaluation, ax=ax)


def plot_calibration(evaluation: Evaluation, *, cause: str | None = None, ax: Axes | None = None) -> Axes:
    """Plot the share observed against the probability predicted.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    cause : str, optional
        A cause, or ``none_of_these``; by default the alarm's.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A point for each bin of nearly equal counts, with its 95 % Wilson
        interval; on the diagonal, predictions are perfect.

    Raises
    ------
    UnknownNameError
        If there is no such cause.
    """
    cause = evaluation.alarm_cause if cause is None else cause
    names = list(evaluation.causes.index)
    if cause not in names:
        raise UnknownNameError(f"no cause '{cause}': use one of {', '.join(names)}.{nearest(cause, names)}")
    ax = take_axes(ax, WIDTH, HEIGHT)
    bins = evaluation.calibration.loc[cause] if evaluation.causes.loc[cause, "n"] else evaluation.calibration.iloc[:0]
    x, y = bins["predicted"].to_numpy(), bins["observed"].to_numpy()
    low, high = bins["observed_low"].to_numpy(), bins["observed_high"].to_numpy()
    # rare causes fill a corner only: show that corner, and as much of the intervals as fits
    top = min(1.0, max(0.02, 1.25 * max([*x, *y, 0.0])))
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=1)
    ax.errorbar(x, y, yerr=[y - low, high - y], fmt="o", color=BLUE, markersize=4, linewidth=1, label="95 % interval")
    ax.set(xlim=(-0.02 * top, top), ylim=(-0.02 * top, top), aspect="equal")
    ax.set(xlabel="predicted probability", ylabel="share observed")
    ax.set_title(_label(evaluation, cause), fontsize=10)
    ax.locator_params(nbins=4)
    _percent(ax, top)
    return ax


def plot_roc(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Plot sensitivity against false alarms for the alarm's cause.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A curve for whatever ranks cases, and a point for whatever flags them.
    """
    from sklearn.metrics import roc_curve

    ax = take_axes(ax, WIDTH, HEIGHT)
    truth = evaluation.truth[evaluation.alarm_cause].to_numpy()
    known = np.isfinite(truth)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=1)
    styles = _styles(len(evaluation.comparison))
    for (name, row), (colour, line, mark) in zip(evaluation.comparison.iterrows(), styles, strict=True):
        auc, flags = float(row["auc"]), bool(np.isfinite(row["sensitivity"]) and np.isfinite(row["specificity"]))
        if np.isfinite(auc):
            wrong, right, _ = roc_curve(truth[known], np.asarray(evaluation.rankings[str(name)])[known])
            ax.plot(wrong, right, color=colour, linestyle=line, linewidth=1.5)
        if flags:
            place = [1 - row["specificity"]], [row["sensitivity"]]
            ax.plot(*place, mark, color=colour, markersize=8, markeredgecolor="white", zorder=4, clip_on=False)
        shown: dict[str, Any] = {"linestyle": line if np.isfinite(auc) else "", "marker": mark if flags else ""}
        label = f"{name}: AUC {auc:.2f}" if np.isfinite(auc) else str(name)
        if any(shown.values()):
            ax.plot([], [], color=colour, label=label, **shown)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="false alarms (1 - specificity)", ylabel="sensitivity")
    ax.set_title(f"{_label(evaluation, evaluation.alarm_cause)}: points are where each flags a case", fontsize=10)
    _percent(ax, 1)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8, loc="lower right", frameon=False)
    return ax


def plot_decision_curve(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Plot the net benefit of acting on the probability of the alarm's cause.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A line for the model with its 95 % interval, for acting on all and on
        none, and for what it was compared with; the two thresholds upright.
    """
    ax = take_axes(ax, WIDTH, HEIGHT)
    table = evaluation.decision
    x = table.index.to_numpy()
    rivals = [name for name in table.columns if name not in ("model_low", "model_high", "treat_all", "treat_none")]
    for name, (colour, line, _) in zip(rivals, _styles(len(rivals)), strict=True):
        label = name if name != "model" else evaluation.model.name
        ax.plot(x, table[name], color=colour, linestyle=line, linewidth=1.5, label=label)
    if "model_low" in table:
        ax.fill_between(x, table["model_low"], table["model_high"], color=BLUE, alpha=0.15, linewidth=0)
    ax.plot(x, table["treat_all"], color="black", linewidth=1, linestyle="--", label="act on all")
    ax.plot(x, table["treat_none"], color="black", linewidth=1, linestyle=":", label="act on none")
    reached = table[[name for name in ("model", "model_high", "treat_all") if name in table]].max().max()
    top = 1.05 * max(float(reached), 0.001) if np.isfinite(reached) else 1.0  # nobody may be known to have it or not
    for word, threshold in (("caution", evaluation.thresholds.caution), ("urgent", evaluation.thresholds.urgent)):
        ax.axvline(threshold, color=GREY, linewidth=1, zorder=0)
        ax.annotate(word, (threshold, top), xytext=(3, -8), textcoords="offset points", fontsize=8, color="#666666")
    ax.set(xlim=(0, x[-1]), ylim=(-0.35 * top, top), xlabel="threshold probability", ylabel="net benefit per case")
    ax.set_title(f"{_label(evaluation, evaluation.alarm_cause)}: is it worth acting on the number?", fontsize=10)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.legend(fontsize=8, loc="upper right", frameon=False)
    return ax


def _styles(n: int) -> list[tuple[str, Any, str]]:
    """Give each line its colour, dashes and mark, so that a print in grey tells them apart."""
    return [(COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)], MARKERS[i % len(MARKERS)]) for i in range(n)]


def _label(evaluation: Evaluation, name: str) -> str:
    return evaluation.model.causes[name].label if name in evaluation.model.causes else "None of these"


def _percent(ax: Axes, top: float) -> None:
    digits = 0 if top > 0.1 else 1

    def written(value: float, _: Any) -> str:
        return f"{value:.{digits}%}"

    ax.xaxis.set_major_formatter(written)
    ax.yaxis.set_major_formatter(written)
