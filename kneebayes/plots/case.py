"""Plots of one case: posteriors, explanation, questions, and what they depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logit

from kneebayes.errors import UnknownNameError, check_kind, check_number, names_of, nearest
from kneebayes.inference.evidence import DECIBANS
from kneebayes.plots.network import plot_network
from kneebayes.plots.style import (
    ALARM,
    BLUE,
    GREY,
    PALE,
    check_table,
    ink,
    legend_below,
    line_looks,
    literal,
    make_room,
    name_rows,
    odds_axis,
    share_axis,
    take_axes,
    wrapped,
    write_beside,
)
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.diagnosis.explanation import Explanation

TIMES = "\N{MULTIPLICATION SIGN}"
MARGIN = 0.5  # of log-odds, beside what is drawn
SETTLED = 30 / DECIBANS  # of log-odds: how far a bar reaches that stands for certainty
LANE = 0.05  # of the height, for the range of one of several numbers
POINTS = 201


@literal
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

    Examples
    --------
    >>> from kneebayes.model import load_model
    >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
    >>> plot_posterior(dx, intervals=dx.intervals(draws=50)).get_xlabel()  # the same as dx.plot(intervals=0.9)
    'probability (causes may coexist)'
    """
    check_kind(dx, "probabilities", "plot_posterior(model.diagnose({'age': 67}))")
    if intervals is not None:
        check_table(intervals, ("low", "high"), call := "plot_posterior(dx, intervals=dx.intervals())")
        check_table(intervals.T, dx.probabilities, call)
    ax = take_axes(ax, 7.5, 4.2)
    names = sorted(dx.probabilities, key=dx.probabilities.__getitem__)
    complaint = dx.label(dx.model.complaint).lower()
    before, cause, furthest = dx.network.priors(), dx.model.alarm.cause, 0.0
    for y, name in enumerate(names):
        p, own = dx.probabilities[name], name == cause
        ax.barh(y, p, height=0.66, color=ALARM if own else BLUE, hatch="///" if own else None, edgecolor="white", lw=0)
        ax.plot([before[name]] * 2, [y - 0.42, y + 0.42], color=ink(), linewidth=2.2, solid_capstyle="butt", zorder=4)
        reach, said = max(p, before[name]), percent(p)
        if intervals is not None:
            low, high = (float(intervals[end][name]) for end in ("low", "high"))
            ax.plot([low, high], [y, y], color=ax.get_facecolor(), linewidth=4, zorder=2, solid_capstyle="butt")
            ax.plot([low, high], [y, y], color=ink(), linewidth=1.2, zorder=3, marker="|", markersize=7)
            reach, said = max(reach, high), f"{said}  ({percent(low)} to {percent(high)})"
        furthest = max(furthest, reach)
        write_beside(ax, said, (reach, y), 6)
    name_rows(ax, [dx.label(name) for name in names])
    ax.get_yticklabels()[names.index(cause)].set_fontweight("bold")
    ax.set(ylim=(-0.6, len(names) - 0.4), xlabel="probability (causes may coexist)")
    make_room(ax, 0, furthest)
    share_axis(ax)
    ax.plot([], [], "|", color=ink(), markersize=10, markeredgewidth=2.2, label=f"before: {complaint} alone")
    if intervals is not None:
        words = f"{percent(intervals.attrs['level'])} interval" if "level" in intervals.attrs else "interval"
        ax.plot([], [], color=ink(), linewidth=1.2, marker="|", markersize=7, label=words)
    legend_below(ax)
    ax.set_title(f"Alarm: {dx.alarm.level.replace('_', ' ')}", loc="left", fontweight="bold")
    return ax


@literal
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
        A waterfall from top to bottom, on the scale of log-odds marked with probabilities. Solid bars raise, hatched
        bars lower, and each says the factor of its share; what is settled for certain reaches to the edge.

    Examples
    --------
    >>> from kneebayes.model import load_model
    >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
    >>> plot_explanation(dx.explanation("dvt")).get_xlabel()  # the same as dx.plot.explanation("dvt")
    'probability of Deep vein thrombosis (scale of log-odds)'
    """
    check_kind(explanation, "contributions", "plot_explanation(dx.explanation())")
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
        ax.plot(place, row, "D", color=ink(), markersize=7, zorder=3)
        write_beside(ax, percent(p), (place, row), 9, fontsize="medium", fontweight="bold")
    ax.plot([at, at], [last - 0.6, last], color=GREY, linewidth=1, zorder=1)
    name_rows(ax, ["Before", *(wrapped(said, 38) for said, _ in steps), "Now"])
    ax.set_ylim(last + 0.6, -0.6)
    make_room(ax, min(reached) - MARGIN, max(reached) + MARGIN)
    odds_axis(ax, *ax.get_xlim())
    name = explanation.model.label_of(explanation.target)
    ax.set_xlabel(f"probability of {name} (scale of log-odds)", loc="right")  # to the left there is room
    before, now = percent(explanation.prior), percent(explanation.posterior)
    ax.set_title(wrapped(f"Why {name}: from {before} to {now}", 45), loc="left")
    return ax


@literal
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

    Examples
    --------
    >>> from kneebayes.model import load_model
    >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
    >>> plot_questions(dx.next_questions("dvt", n=3)).get_title(loc="left")  # the same as dx.plot.questions("dvt", 3)
    'What to ask next'
    """
    shown = ("question", "key", "gain", "alarm_change")
    check_table(questions, shown, "plot_questions(dx.next_questions())", least=0)
    ax = take_axes(ax, 8, 1.2 + 0.55 * max(1, len(questions)))
    for y, (_, row) in enumerate(questions.iterrows()):
        style = {"color": BLUE, "hatch": "///", "edgecolor": "white", "lw": 0} if row["key"] else {"color": BLUE}
        ax.barh(y, row["gain"], height=0.6, **style)
        changes = f"changes the alarm in {percent(row['alarm_change'])}" if row["alarm_change"] > 0 else "alarm stays"
        said = f"{row['gain']:.2f} bits; {changes}"
        write_beside(ax, said, (row["gain"], y), 5)
    asked = [f"{row['question']}{' (key)' if row['key'] else ''}" for _, row in questions.iterrows()]
    name_rows(ax, [wrapped(text, 42) for text in asked], fontsize="small")
    ax.set(ylim=(max(1, len(questions)) - 0.4, -0.6), xlabel="expected information about the causes (bits)")
    ax.set_title("What to ask next", loc="left")
    make_room(ax, 0, float(questions["gain"].max() if len(questions) else 0) or 1.0)
    return ax


def _step(ax: Axes, row: int, at: float, change: float, decibans: float) -> None:
    up = change >= 0
    ax.barh(row, change, left=at, height=0.62, zorder=2, **_look(up))
    ax.plot([at, at], [row - 1, row + 0.31], color=GREY, linewidth=1, zorder=1)
    ratio = np.exp(abs(change))
    said = ("certain" if up else "ruled out") if np.isinf(decibans) else f"{TIMES if up else '÷'} {ratio:.3g}"
    write_beside(ax, said, (at + change, row), 5 if up else -5)


def _look(up: bool) -> dict[str, Any]:
    """How bars that go up look, and those that go down, in grey too."""
    return {"facecolor": BLUE if up else PALE, "edgecolor": BLUE, "linewidth": 0.8, "hatch": None if up else "////"}


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


def number_label(model: ModelSpec, place: str) -> str:
    """Say in words which number of the model is meant, by its place as in `ModelSpec.probabilities`.

    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> model = read_model(model_path("posterior_knee_pain"))
    >>> number_label(model, "findings.calf_pain.links.dvt.present")
    'Deep vein thrombosis to Calf pain'
    >>> number_label(model, "causes.dvt.leak")
    'Deep vein thrombosis without listed risk'
    """
    section, name, *rest = place.split(".")
    if section == "interactions":
        acting = model.interactions[int(name)]
        together = " and ".join(model.variables[parent].label for parent in acting.when)
        return f"{together} to {model.variables[acting.target].label}"
    node = model.variables[name]

    def state_of(variable: str, state: str) -> str:
        known = model.variables[variable]
        return "" if known.is_yes_no else f" ({known.say(state)})"

    own = state_of(name, rest[-1]) if len(rest) == {"leak": 2, "links": 4}.get(rest[0]) else ""
    if rest[0] == "leak":
        return f"{node.label}{own} {'without listed risk' if section == 'causes' else 'without listed cause'}"
    if rest[0] == "links":
        return f"{model.variables[rest[1]].label}{state_of(rest[1], rest[2])} to {node.label}{own}"
    share = f"share of {node.label}{state_of(name, rest[-1])}"
    if rest[0] == "given":
        when = model.risks[name].given[int(rest[1])].when
        said = [state_of(parent, state).strip(" ()") for parent, states in when.items() for state in states]
        return f"{share}, {' or '.join(filter(None, said[:3]))}{' ...' if len(said) > 3 else ''}"
    return share


@literal
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

    Examples
    --------
    >>> from kneebayes.model import load_model
    >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
    >>> ax = plot_tornado(dx.sensitivity("dvt"), model=dx.model, n=5)  # the same as dx.plot.tornado("dvt", 5)
    >>> len(ax.get_yticklabels())
    5
    """
    check_kind(model, "askable", call := "plot_tornado(dx.sensitivity(), model=model.file)")
    check_table(sensitivities, ["p", "low", "high", "posterior_low", "posterior_high"], call)
    if n is not None:
        check_number("n", n, whole=True, least=1)
    from matplotlib.patches import Patch

    target = model.alarm.cause if target is None else target
    table = sensitivities.iloc[:n]
    ax = take_axes(ax, 8.5, 1.5 + 0.42 * max(1, len(table)))
    first = sensitivities[["p", "a", "b", "c", "d"]].iloc[0]
    now = float(_curve(first, first["p"]))
    for y, (_, row) in enumerate(table.iterrows()):
        for end in ("low", "high"):
            p, is_high = float(row[f"posterior_{end}"]), end == "high"
            ax.barh(y, p - now, left=now, height=0.62, **_look(is_high))
            write_beside(ax, percent(float(row[end])), (p, y), 4 if p > now or (p == now and is_high) else -4)
    ax.axvline(now, color=ink(), linewidth=1)
    name_rows(ax, [wrapped(number_label(model, str(place)), 44) for place in table.index], fontsize="small")
    ax.set_ylim(max(1, len(table)) - 0.4, -0.6)
    low, high = (float(f(table[["posterior_low", "posterior_high"]].to_numpy())) for f in (np.nanmin, np.nanmax))
    margin = 0.02 * max(high - low, 0.001)
    make_room(ax, low - margin, high + margin)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value * 100:.3g}%" if 0 <= value <= 1 else "")
    ax.set_xlabel(f"probability of {model.label_of(target)}")
    ax.set_title(f"What {percent(now)} depends on", loc="left")
    marks = [Patch(label="number at its low end", **_look(False)), Patch(label="at its high end", **_look(True))]
    legend_below(ax, handles=marks, title="beside the bars: that end")
    return ax


@literal
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
    sensitivities, model, target, ax
        As for `plot_tornado`.
    numbers : sequence of str, optional
        Places of numbers in the model file; by default that with the greatest swing.

    Returns
    -------
    matplotlib.axes.Axes
        A line each, strong within the plausible range, which is shaded (of several numbers, each in its own lane
        below), and thin beyond it; the mark is where the model stands.

    Raises
    ------
    UnknownNameError
        If there is no such number.

    Examples
    --------
    >>> from kneebayes.model import load_model
    >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
    >>> plot_curves(dx.sensitivity("dvt"), model=dx.model).get_ylabel()  # the same as dx.plot.curves(target="dvt")
    'probability of Deep vein thrombosis'
    """
    check_kind(model, "askable", call := "plot_curves(dx.sensitivity(), model=model.file)")
    check_table(sensitivities, columns := ["p", "low", "high", "a", "b", "c", "d"], call)
    numbers = list(sensitivities.index[:1]) if numbers is None else names_of("numbers", numbers)
    target = model.alarm.cause if target is None else target
    for place in numbers:
        if place not in sensitivities.index:
            raise UnknownNameError(f"no number '{place}' in these sensitivities.{nearest(place, sensitivities.index)}")
    table = sensitivities.loc[numbers, columns]
    check_table(table, (), call)
    ax = take_axes(ax, 7, 4.4)
    for place, (colour, line, mark) in zip(numbers, line_looks(len(numbers)), strict=True):
        row = table.T[place]
        low, high = row["low"], row["high"]
        style: dict[str, Any] = {"color": colour, "linestyle": line}
        within, beyond = np.linspace(low, high, POINTS), np.linspace(0, 1, 5 * POINTS)
        if len(numbers) == 1:
            ax.axvspan(low, high, color=colour, alpha=0.10, linewidth=0)
        ax.plot(beyond, _curve(row, beyond), linewidth=0.8, **style)
        ax.plot(within, _curve(row, within), linewidth=2.4, **style)
        ax.plot(
            row["p"],
            _curve(row, row["p"]),
            marker=mark,
            markersize=8,
            markeredgecolor=ax.get_facecolor(),
            label=wrapped(number_label(model, place), 60),
            zorder=4,
            **style,
        )
    # a line beyond the range tells little, and rare things would fill a corner only
    right = min(1.0, 2.5 * float(table["high"].max()))
    seen = [np.asarray(line.get_ydata())[np.asarray(line.get_xdata()) <= right] for line in ax.lines]
    top = min(1.0, 1.1 * float(np.nanmax(np.concatenate(seen))) + 1e-6)
    ax.set(xlim=(0, right), ylim=(0, top))
    if len(numbers) > 1:
        _lanes(ax, table, top)
    ax.set_ylabel(f"probability of {model.label_of(target)}")
    ax.set_xlabel("number of the model (shaded: plausible range; mark: its value)")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value * 100:.3g}%")
    ax.grid(color=GREY, linewidth=0.4, alpha=0.6)
    ax.legend(fontsize="small", frameon=False, loc="lower left", bbox_to_anchor=(0, 1.0))
    return ax


def _lanes(ax: Axes, table: pd.DataFrame, top: float) -> None:
    """Shade the ranges of several numbers one below the other: on top of each other they could not be told apart."""
    height = LANE * top
    for i, (colour, _, mark) in enumerate(line_looks(len(table))):
        (low, high, p), y = table[["low", "high", "p"]].iloc[i], -(i + 0.75) * height
        ax.barh(y, high - low, left=low, height=0.7 * height, color=colour, alpha=0.35)
        ax.plot([p], [y], mark, color=colour, markersize=5, markeredgecolor=ax.get_facecolor())
    ax.axhline(0, color=ink(), linewidth=0.8)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= top])
    ax.set_ylim(-(len(table) + 0.4) * height, top)


def _curve(row: pd.Series[float], t: Any) -> Any:
    """Posterior by a number of the model at t; NaN where the evidence is impossible."""
    evidence = row["c"] + row["d"] * t
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(evidence > 0, (row["a"] + row["b"] * t) / evidence, np.nan)
