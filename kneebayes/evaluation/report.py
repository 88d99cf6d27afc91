"""An evaluation to read: as text, as HTML for a notebook, and as one HTML file with its plots inside."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kneebayes.atomic import write_whole
from kneebayes.cases.labels import NONE
from kneebayes.errors import FileFormatError
from kneebayes.plots.cohort import plot_calibration, plot_decision_curve, plot_roc
from kneebayes.spec.model_spec import LEVELS
from kneebayes.templates import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kneebayes.evaluation.evaluate import Evaluation

__all__ = ["body", "check_report", "text", "write_report"]

CONFUSION = "Leading cause (rows) and most likely cause (columns), in cases"
WORDS = {  # of columns that are not called in the report as in the tables
    "n": "of",
    "auc": "AUC",
    "auc_difference": "AUC less the model's",
    "average_precision": "avg. precision",
    "brier": "Brier",
    "calibration_error": "ECE",
    "calibration_intercept": "intercept",
    "calibration_slope": "slope",
    "mean_log_loss": "log loss, mean of causes",
    "net_benefit": "net benefit at caution",
    "npv": "NPV",
    "ppv": "PPV",
    "top_1": "top-1",
    "top_3": "top-3",
}
MAX_PAIRS = 10
RATES = ("sensitivity", "specificity", "ppv", "npv")
COLUMNS = 5  # of small calibration plots


def _sections(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Give the tables to read, with numbers as text, by heading, in the order to read them."""
    causes, alarm, compared = evaluation.causes, evaluation.alarm, evaluation.comparison
    top, cause = evaluation.top, evaluation.alarm_cause
    found = {
        "Leading causes": pd.DataFrame(
            {"share right": _with_interval(top, "share"), "right": top["right"], "of": top["n"]}
        ),
        "Causes": _columns(causes, ("auc", "average_precision", "brier", "log_loss"), counts=("cases", "n")),
        "Calibration (perfect: intercept 0, slope 1, ECE 0)": _columns(
            causes, ("calibration_intercept", "calibration_slope", "calibration_error"), counts=("cases", "n")
        ),
        "Brier score = reliability - resolution + uncertainty + what is lost within bins": _columns(
            causes, ("brier", "reliability", "resolution", "uncertainty", "within_bins"), digits=4
        ),
        f"Alarm for {cause}, at each level or above": _columns(alarm, RATES, counts=("true_alarms", "false_alarms")),
    }
    thresholds = dict.fromkeys([evaluation.thresholds.caution, evaluation.thresholds.urgent])
    acted = [threshold for threshold in thresholds if threshold in evaluation.decision.index]  # at 1 nobody acts
    if acted:
        benefit = _columns(evaluation.decision.loc[acted], ("model", "treat_all", "treat_none"), digits=3)
        heading = f"Net benefit of acting on P({cause}) from a threshold on"
        found[heading] = benefit.set_axis([f"{threshold:.3g}" for threshold in acted], axis=0)
    if len(compared) > 1:
        found[f"Compared on {cause}"] = _columns(compared, (*RATES, "auc", "auc_difference"))
        found[f"Compared on {cause}, and on all causes"] = _columns(
            compared, ("net_benefit", "log_loss", "mean_log_loss", "top_1", "top_3"), digits=3
        )
    if evaluation.confusion.size:
        found[CONFUSION] = evaluation.confusion
    return found


def text(evaluation: Evaluation) -> str:
    """Write an evaluation for a terminal."""
    lines = [f"Evaluation of {evaluation.title}", evaluation.counts]
    for heading, table in _sections(evaluation).items():
        if heading == CONFUSION:  # too wide for a terminal
            lines += ["", "Leading cause taken for another (which may be present too)", *_mistakes(evaluation)]
        else:
            lines += ["", heading, table.to_string()]
    n_missed = len(evaluation.missed) or "none"
    lines += ["", f"Cases of {evaluation.alarm_cause} missed, with the alarm below caution: {n_missed}"]
    if len(evaluation.missed):
        lines.append(evaluation.missed.to_string(float_format=lambda p: f"{p:.1%}"))
    if evaluation.bootstrap:
        lines += ["", f"In brackets: 95 % intervals, Wilson's for shares, else of {evaluation.bootstrap} resamples."]
    return "\n".join([*lines, *(f"Note: {note}" for note in evaluation.notes), evaluation.model.disclaimer])


def _mistakes(evaluation: Evaluation) -> list[str]:
    """Say in a line each which leading cause was taken for which other, the most frequent first."""
    pairs = [
        (int(n), f"  {true} taken for {said}: {int(n)}")
        for true, row in evaluation.confusion.iterrows()
        for said, n in row.items()
        if n and true != said
    ]
    lines = [line for _, line in sorted(pairs, key=lambda pair: -pair[0])]
    more = [f"  and {len(lines) - MAX_PAIRS} further pairs"] if len(lines) > MAX_PAIRS else []
    return [*lines[:MAX_PAIRS], *more] or ["  never"]


def _with_interval(frame: pd.DataFrame, name: str, digits: int = 2) -> list[str]:
    """Write a column with its interval in brackets, where it has one; a dash where it is not defined."""
    texts = []
    for _, row in frame.iterrows():
        value, low, high = (row.get(column, math.nan) for column in (name, f"{name}_low", f"{name}_high"))
        text = "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
        texts.append(f"{text} ({low:.{digits}f} to {high:.{digits}f})" if text != "-" and math.isfinite(low) else text)
    return texts


def _columns(
    frame: pd.DataFrame, names: tuple[str, ...], *, counts: tuple[str, ...] = (), digits: int = 2
) -> pd.DataFrame:
    columns = {name: frame[name].tolist() for name in counts}
    columns |= {name: _with_interval(frame, name, digits) for name in names}
    return pd.DataFrame(columns, index=frame.index).rename(columns=lambda name: WORDS.get(name, name.replace("_", " ")))


def check_report(path: str | Path) -> None:
    """Refuse a name that a browser would not open as a report."""
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise FileFormatError(f"report {str(path)!r}: a report is HTML; give a name that ends in .html")


def write_report(evaluation: Evaluation, path: str | Path) -> None:
    """Write an evaluation as one HTML file; see `Evaluation.report`."""
    check_report(path)
    from matplotlib.figure import Figure

    pair = []
    for draw, alt in ((plot_roc, "ROC curves"), (plot_decision_curve, "Decision curves")):
        figure = Figure(figsize=(6, 5), layout="constrained")
        draw(evaluation, ax=figure.subplots())
        pair.append((_svg(figure, alt), alt))
    names = list(evaluation.causes.index)
    n_rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(2.7 * COLUMNS, 2.9 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        plot_calibration(evaluation, cause=name, ax=ax)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    calibration = _svg(figure, alt := "Calibration of each cause"), alt
    plots = {"pair": pair, "calibration": calibration}
    write_whole(str(path), render("report/page.html", **_content(evaluation), plots=plots))


def body(evaluation: Evaluation) -> str:
    """Write an evaluation as HTML to be put into a page: headings, tables and notes, without plots."""
    return render("report/body.html", **_content(evaluation), plots=None)


def _content(evaluation: Evaluation) -> dict[str, object]:
    """Give what the templates show."""
    cause = evaluation.alarm_cause
    labels = {name: node.label for name, node in evaluation.model.causes.items()}
    labels |= {name: name.replace("_", " ") for name in (NONE, *LEVELS)}
    sections: list[tuple[str, pd.DataFrame | None, str]] = []
    for heading, table in _sections(evaluation).items():
        words = table.rename(index=labels, columns=labels).rename_axis(index=None)
        sections.append((heading.replace(cause, labels[cause]), words, "narrow" if heading == CONFUSION else ""))
        if heading.startswith("Alarm for"):
            missed = evaluation.missed.assign(probability=[f"{p:.1%}" for p in evaluation.missed["probability"]])
            shown = missed.rename_axis(index=None) if len(missed) else None
            sections.append((f"Cases of {labels[cause]} missed, with the alarm below caution", shown, ""))
    rules = {str(name): rule for name, rule in evaluation.comparison["rule"].items() if rule}
    return {"evaluation": evaluation, "sections": sections, "rules": rules if len(rules) > 1 else {}}


def _svg(figure: Figure, alt: str) -> str:
    """Draw a figure as SVG in base64: in an img of its own, the ids of several don't meet."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": alt}):  # the same file from the same figures
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return base64.b64encode(stream.getvalue()).decode("ascii")
