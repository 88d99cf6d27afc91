"""Plots of many cases: their scores, and how a model did on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.cases.labels import NONE
from kneebayes.errors import OptionError, check_choice, check_kind
from kneebayes.plots.style import (
    BLUE,
    GREY,
    INK,
    LEVEL_COLOURS,
    check_table,
    ink,
    keep_inside,
    legend_below,
    line_looks,
    literal,
    take_axes,
    wrapped,
)
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kneebayes.evaluation.evaluate import Evaluation
    from kneebayes.spec.model_spec import ModelSpec

MAX_NAMED = 45  # cases up to which each row has its name
STRIPE = 0.6  # width of the alarm, in columns
SHADE = "Greys"
DARK = ("urgent", "emergency")  # levels whose colour takes white letters
WIDTH, HEIGHT = 6.4, 4.8  # inches, of the plots of an evaluation


@literal
def plot_cases(scores: pd.DataFrame, *, model: ModelSpec, ax: Axes | None = None) -> Axes:
    """Plot the posteriors of many cases as a heat map, with their alarms.

    Parameters
    ----------
    scores : pandas.DataFrame
        As from `Model.score`, one case per row.
    model : ModelSpec
        For the causes and their labels.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A row per case, the gravest alarm on top and within it the likeliest first; a column per cause, darker where it
        is likelier; on the left a stripe of alarm levels.

    Raises
    ------
    UnknownColumnError
        If a column of the scores is not there.

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> ax = plot_cases(model.score(model.simulate(12, seed=1)), model=model.file)
    >>> len(ax.get_yticklabels())
    12
    """
    check_kind(model, "askable", call := "plot_cases(model.score(cases), model=model.file)")
    from matplotlib.colors import to_rgb

    causes = [*model.causes, NONE]
    check_table(scores, [*causes, alarm := f"{model.alarm.cause}_alarm"], call)
    level = scores[alarm].map(LEVELS.index).to_numpy(dtype=int)
    order = np.lexsort((-scores[model.alarm.cause].to_numpy(dtype=float), -level))
    values = scores[causes].to_numpy(dtype=float)[order]
    n = len(values)
    ax = take_axes(ax, 8, 1.9 + (0.2 * n if n <= MAX_NAMED else 6))
    # cells, not an image: they stay sharp as vectors, and rasters of many rows small
    mesh = ax.pcolormesh(
        np.arange(len(causes) + 1), np.arange(n + 1), values, cmap=SHADE, vmin=0, vmax=1, rasterized=n > MAX_NAMED
    )
    shades = np.array([to_rgb(LEVEL_COLOURS[LEVELS[place]]) for place in level[order]]).reshape(n, 1, 3)
    ax.imshow(shades, extent=(-STRIPE - 0.25, -0.25, n, 0), aspect="auto", interpolation="nearest")
    labels = [*(node.label for node in model.causes.values()), "None of these"]
    ax.set_xticks(
        [-0.25 - STRIPE / 2, *(np.arange(len(causes)) + 0.5)],
        ["Alarm", *(wrapped(text, 22) for text in labels)],
        rotation=40,
        ha="right",
        fontsize="small",
    )
    ax.set(xlim=(-STRIPE - 0.25, len(causes)), ylim=(n, 0))
    if n <= MAX_NAMED:
        names = scores.get("case_id", scores.index)
        ax.set_yticks(np.arange(n) + 0.5, [str(name) for name in np.asarray(names)[order]], fontsize="small")
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


@literal
def plot_alarm_levels(scores: pd.DataFrame, groups: Iterable[Any], *, model: ModelSpec, ax: Axes | None = None) -> Axes:
    """Plot how often each level of the alarm occurs, by group.

    Parameters
    ----------
    scores : pandas.DataFrame
        As from `Model.score`, one case per row.
    groups : iterable
        What group each case is in, such as a column of the cases; where it is not known, ``unknown``.
    model : ModelSpec
        For the alarm.
    ax : matplotlib.axes.Axes, optional
        Where to; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        A bar per group, in the order of the groups' names or categories, divided by level, the gravest on the left.

    Raises
    ------
    UnknownColumnError
        If the scores have no alarm.

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> cases = model.simulate(60, seed=1, missing=0)
    >>> plot_alarm_levels(model.score(cases), cases["sex"], model=model.file).get_xlabel()
    'share of cases'
    """
    check_kind(model, "askable", call := "plot_alarm_levels(model.score(cases), groups, model=model.file)")
    check_table(scores, [alarm := f"{model.alarm.cause}_alarm"], call)
    check_kind(groups, "__iter__", call)
    import pandas as pd

    groups = groups if isinstance(groups, pd.Series) else list(groups)
    if len(groups) != len(scores) or any(isinstance(group, np.ndarray) for group in groups):
        raise OptionError(f"{len(groups)} groups of {len(scores)} cases: {call}, a word or number for each")
    known = pd.Series(groups).reset_index(drop=True)
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
        look: dict[str, Any] = {"color": LEVEL_COLOURS[level], "edgecolor": ink(), "linewidth": 0.5}
        bars = ax.barh(range(len(names)), width, left=left, height=0.7, **look)
        said, colour = [f"{share:.0%}" if share >= 0.05 else "" for share in width], "white" if level in DARK else INK
        ax.bar_label(bars, said, label_type="center", fontsize="small", color=colour)
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
        Patch(facecolor=LEVEL_COLOURS[name], edgecolor=ink(), linewidth=0.5, label=name.replace("_", " "))
        for name in levels
    ]
    ax.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(levels),
        fontsize="small",
        frameon=False,
        handlelength=1.2,
        columnspacing=1.0,
        borderaxespad=0.3,
    )


@literal
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

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> result = kb.evaluate(model, model.simulate(200, seed=1, with_causes=True), bootstrap=0)
    >>> plot_calibration(result).get_ylabel()  # the same as result.plot()
    'share observed'
    """
    check_kind(evaluation, "decision", "plot_calibration(kb.evaluate(model, cases))")
    cause = evaluation.alarm_cause if cause is None else cause
    check_choice("cause", cause, list(evaluation.causes.index))
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
    ax.set_title(_label(evaluation, cause), loc="left")
    ax.locator_params(nbins=4)
    _percent(ax, top)
    return ax


@literal
def plot_roc(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Plot sensitivity against false alarms for the alarm's cause.

    Parameters
    ----------
    evaluation, ax
        As for `plot_calibration`.

    Returns
    -------
    matplotlib.axes.Axes
        A curve for whatever ranks cases, and a point for whatever flags them.

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> result = kb.evaluate(model, model.simulate(200, seed=1, with_causes=True), bootstrap=0)
    >>> plot_roc(result).get_ylabel()  # the same as result.plot.roc()
    'sensitivity'
    """
    check_kind(evaluation, "decision", "plot_roc(kb.evaluate(model, cases))")
    from sklearn.metrics import roc_curve

    ax = take_axes(ax, WIDTH, HEIGHT)
    truth = evaluation.truth[evaluation.alarm_cause].to_numpy()
    known = np.isfinite(truth)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=1)
    styles = line_looks(len(evaluation.comparison))
    for (name, row), (colour, line, mark) in zip(evaluation.comparison.iterrows(), styles, strict=True):
        auc, flags = float(row["auc"]), bool(np.isfinite(row["sensitivity"]) and np.isfinite(row["specificity"]))
        if np.isfinite(auc):
            wrong, right, _ = roc_curve(truth[known], np.asarray(evaluation.rankings[str(name)])[known])
            ax.plot(wrong, right, color=colour, linestyle=line, linewidth=1.5)
        if flags:
            at = [1 - row["specificity"]], [row["sensitivity"]]
            ax.plot(*at, mark, color=colour, markersize=8, markeredgecolor=ax.get_facecolor(), zorder=4, clip_on=False)
        shown: dict[str, Any] = {"linestyle": line if np.isfinite(auc) else "", "marker": mark if flags else ""}
        label = f"{name}: AUC {auc:.2f}" if np.isfinite(auc) else str(name)
        if any(shown.values()):
            ax.plot([], [], color=colour, label=label, **shown)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set(xlabel="false alarms (1 - specificity)", ylabel="sensitivity")
    ax.set_title(f"{_label(evaluation, evaluation.alarm_cause)}:\npoints are where each flags a case", loc="left")
    _percent(ax, 1)
    if ax.get_legend_handles_labels()[0]:
        legend_below(ax)
    return ax


@literal
def plot_decision_curve(evaluation: Evaluation, *, ax: Axes | None = None) -> Axes:
    """Plot the net benefit of acting on the probability of the alarm's cause.

    Parameters
    ----------
    evaluation, ax
        As for `plot_calibration`.

    Returns
    -------
    matplotlib.axes.Axes
        A line for the model with its 95 % interval, for acting on all and on
        none, and for what it was compared with; the two thresholds upright.

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> result = kb.evaluate(model, model.simulate(200, seed=1, with_causes=True), bootstrap=0)
    >>> plot_decision_curve(result).get_ylabel()  # the same as result.plot.decision_curve()
    'net benefit per case'
    """
    check_kind(evaluation, "decision", "plot_decision_curve(kb.evaluate(model, cases))")
    ax = take_axes(ax, WIDTH, HEIGHT)
    table = evaluation.decision
    x = table.index.to_numpy()
    compared = [name for name in table.columns if name not in ("model_low", "model_high", "treat_all", "treat_none")]
    for name, (colour, line, _) in zip(compared, line_looks(len(compared)), strict=True):
        label = name if name != "model" else evaluation.model.name
        ax.plot(x, table[name], color=colour, linestyle=line, linewidth=1.5, label=label)
    if "model_low" in table:
        ax.fill_between(x, table["model_low"], table["model_high"], color=BLUE, alpha=0.15, linewidth=0)
    ax.plot(x, table["treat_all"], color=ink(), linewidth=1, linestyle="--", label="act on all")
    ax.plot(x, table["treat_none"], color=ink(), linewidth=1, linestyle=":", label="act on none")
    reached = table[[name for name in ("model", "model_high", "treat_all") if name in table]].max().max()
    top = 1.05 * max(float(reached), 0.001) if np.isfinite(reached) else 1.0  # nobody may be known to have it or not
    for word, at in (("caution", evaluation.thresholds.caution), ("urgent", evaluation.thresholds.urgent)):
        if at > x[-1]:
            continue
        ax.axvline(at, color=GREY, linewidth=1, zorder=0)
        ax.annotate(word, (at, top), xytext=(3, -8), textcoords="offset points", fontsize="small", color="#777777")
    ax.set(xlim=(0, x[-1]), ylim=(-0.35 * top, top), xlabel="threshold probability", ylabel="net benefit per case")
    ax.set_title(f"{_label(evaluation, evaluation.alarm_cause)}:\nis it worth acting on the number?", loc="left")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    legend_below(ax)
    return ax


def _label(evaluation: Evaluation, name: str) -> str:
    return evaluation.model.causes[name].label if name in evaluation.model.causes else "None of these"


def _percent(ax: Axes, top: float) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}" if top > 0.1 else f"{value:.1%}")


@dataclass(frozen=True)
class EvaluationPlots:
    """Plots of an evaluation, as ``evaluation.plot()`` and ``evaluation.plot.<what>()``."""

    evaluation: Evaluation

    def __call__(self, *, ax: Axes | None = None) -> Axes:
        """Plot what decides whether to believe the alarm's probability: its calibration; see `plot_calibration`."""
        return plot_calibration(self.evaluation, ax=ax)

    def calibration(self, cause: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot the share observed against the probability predicted; see `plot_calibration`."""
        return plot_calibration(self.evaluation, cause=cause, ax=ax)

    def roc(self, *, ax: Axes | None = None) -> Axes:
        """Plot sensitivity against false alarms; see `plot_roc`."""
        return plot_roc(self.evaluation, ax=ax)

    def decision_curve(self, *, ax: Axes | None = None) -> Axes:
        """Plot the net benefit by threshold; see `plot_decision_curve`."""
        return plot_decision_curve(self.evaluation, ax=ax)
