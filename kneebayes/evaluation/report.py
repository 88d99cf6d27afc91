"""An evaluation as one HTML file, with its plots inside: it needs no network."""

from __future__ import annotations

import base64
import html
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kneebayes.evaluation.result import Evaluation

__all__ = [
    "body",
    "check_report",
    "mistakes",
    "sections",
    "text",
    "with_interval",
    "write_report",
]

CONFUSION = "Leading cause (rows) and most likely cause (columns), in cases"
WORDS = {
    "cases": "cases",
    "n": "of",
    "true_alarms": "true alarms",
    "false_alarms": "false alarms",
    "auc": "AUC",
    "average_precision": "avg. precision",
    "brier": "Brier",
    "reliability": "reliability",
    "resolution": "resolution",
    "uncertainty": "uncertainty",
    "within_bins": "within bins",
    "log_loss": "log loss",
    "calibration_intercept": "intercept",
    "calibration_slope": "slope",
    "calibration_error": "ECE",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "auc_difference": "AUC less the model's",
    "net_benefit": "net benefit at caution",
    "mean_log_loss": "log loss, mean of causes",
    "model": "model",
    "treat_all": "treat all",
    "treat_none": "treat none",
    "top_1": "top-1",
    "top_3": "top-3",
}
MOST_PAIRS = 10
RATES = ("sensitivity", "specificity", "ppv", "npv")


def sections(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Give the tables to read, with numbers as text, by heading.

    Parameters
    ----------
    evaluation : Evaluation
        The result.

    Returns
    -------
    dict of str to pandas.DataFrame
        In the order to read them.
    """
    causes, alarm, compared = evaluation.causes, evaluation.alarm, evaluation.comparison
    found = {
        "Leading causes": pd.DataFrame(
            {
                "share right": with_interval(evaluation.top, "share"),
                "right": evaluation.top["right"],
                "of": evaluation.top["n"],
            }
        ),
        "Causes": _columns(causes, ("auc", "average_precision", "brier", "log_loss"), counts=("cases", "n")),
        "Calibration (perfect: intercept 0, slope 1, ECE 0)": _columns(
            causes, ("calibration_intercept", "calibration_slope", "calibration_error"), counts=("cases", "n")
        ),
        "Brier score = reliability - resolution + uncertainty + what is lost within bins": _columns(
            causes, ("brier", "reliability", "resolution", "uncertainty", "within_bins"), digits=4
        ),
        f"Alarm for {evaluation.alarm_cause}, at each level or above": _columns(
            alarm, RATES, counts=("true_alarms", "false_alarms")
        ),
    }
    acted = list(dict.fromkeys([evaluation.thresholds.caution, evaluation.thresholds.urgent]))
    benefit = _columns(evaluation.decision.loc[acted], ("model", "treat_all", "treat_none"), digits=3)
    heading = f"Net benefit of acting on P({evaluation.alarm_cause}) from a threshold on"
    found[heading] = benefit.set_axis([f"{threshold:.3g}" for threshold in acted], axis=0)
    if len(compared) > 1:
        found[f"Compared on {evaluation.alarm_cause}"] = _columns(compared, (*RATES, "auc", "auc_difference"))
        found[f"Compared on {evaluation.alarm_cause}, and on all causes"] = _columns(
            compared, ("net_benefit", "log_loss", "mean_log_loss", "top_1", "top_3"), digits=3
        )
    if evaluation.confusion.size:
        found[CONFUSION] = evaluation.confusion
    return found


def text(evaluation: Evaluation) -> str:
    """Write an evaluation for a terminal.

    Parameters
    ----------
    evaluation : Evaluation
        The result.

    Returns
    -------
    str
        Several lines.
    """
    lines = [f"Evaluation of {evaluation.title}", evaluation.counts]
    for heading, table in sections(evaluation).items():
        if heading == CONFUSION:  # too wide for a terminal
            lines += [
                "",
                "Leading cause taken for another (which may be present too)",
                *(mistakes(evaluation) or ["  never"]),
            ]
        else:
            lines += ["", heading, table.to_string()]
    n_missed = len(evaluation.missed) or "none"
    lines += ["", f"Cases of {evaluation.alarm_cause} missed, with the alarm below caution: {n_missed}"]
    if len(evaluation.missed):
        lines.append(evaluation.missed.to_string(float_format=lambda p: f"{p:.1%}"))
    if evaluation.bootstrap:
        lines += ["", f"In brackets: 95 % intervals, Wilson's for shares, else of {evaluation.bootstrap} resamples."]
    return "\n".join([*lines, *(f"Note: {note}" for note in evaluation.notes), evaluation.model.disclaimer])


def mistakes(evaluation: Evaluation) -> list[str]:
    """Say which leading cause was taken for which other, the most frequent first.

    Parameters
    ----------
    evaluation : Evaluation
        The result.

    Returns
    -------
    list of str
        A line each, for the ten most frequent.
    """
    pairs = [
        (int(n), f"  {true} taken for {said}: {int(n)}")
        for true, row in evaluation.confusion.iterrows()
        for said, n in row.items()
        if n and true != said
    ]
    ordered = [text for _, text in sorted(pairs, key=lambda pair: -pair[0])]
    more = [f"  and {len(ordered) - MOST_PAIRS} further pairs"] if len(ordered) > MOST_PAIRS else []
    return ordered[:MOST_PAIRS] + more


def with_interval(frame: pd.DataFrame, name: str, digits: int = 2) -> list[str]:
    """Write a column as text, with its interval in brackets where it has one.

    Parameters
    ----------
    frame : pandas.DataFrame
        With the column, and perhaps its limits.
    name : str
        Of the column.
    digits : int, default 2
        After the point.

    Returns
    -------
    list of str
        A dash where it is not defined.
    """
    texts = []
    for _, row in frame.iterrows():
        value, low, high = (row.get(column, math.nan) for column in (name, f"{name}_low", f"{name}_high"))
        text = "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
        texts.append(f"{text} ({low:.{digits}f} to {high:.{digits}f})" if text != "-" and math.isfinite(low) else text)
    return texts


def _columns(
    frame: pd.DataFrame, names: tuple[str, ...], *, counts: tuple[str, ...] = (), digits: int = 2
) -> pd.DataFrame:
    columns = {WORDS[name]: frame[name].tolist() for name in counts}
    columns |= {WORDS[name]: with_interval(frame, name, digits) for name in names}
    return pd.DataFrame(columns, index=frame.index)


STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin-bottom: 0.25rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 0.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.85rem; }
th, td { padding: 0.25rem 0.75rem 0.25rem 0; text-align: right; border-bottom: 1px solid #e4e4e4;
  white-space: nowrap; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #999; }
tbody th { font-weight: normal; }
.narrow thead th { white-space: normal; vertical-align: bottom; }
img { max-width: 100%; height: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
.warning { border-left: 4px solid #ee6677; padding: 0.25rem 0 0.25rem 1rem; margin: 1rem 0; }
.muted { color: #666; font-size: 0.85rem; }
"""
COLUMNS = 5  # of small calibration plots


def write_report(evaluation: Evaluation, path: str | Path) -> None:
    """Write an evaluation as one HTML file.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    path : str or pathlib.Path
        Where to.

    Raises
    ------
    FileFormatError
        If its name does not end in .html or .htm, or it can't be written. What was there stays.
    """
    check_report(path)
    title = html.escape(f"Evaluation of {evaluation.model.name} {evaluation.model.version}")
    write_whole(
        str(path),
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n"
        f"<p>{html.escape(evaluation.title)}</p>\n{body(evaluation, plots=True)}</body></html>\n",
    )


def check_report(path: str | Path) -> None:
    """Refuse a name that a browser would not open as a report.

    Parameters
    ----------
    path : str or pathlib.Path
        Where the report is to go.

    Raises
    ------
    FileFormatError
        If it does not end in .html or .htm.
    """
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise FileFormatError(f"report {str(path)!r}: a report is HTML; give a name that ends in .html")


def body(evaluation: Evaluation, *, plots: bool = False) -> str:
    """Write an evaluation as HTML to be put into a page.

    Parameters
    ----------
    evaluation : Evaluation
        The result.
    plots : bool
        Whether to add the plots.

    Returns
    -------
    str
        Headings, tables and notes.
    """
    disclaimer = html.escape(evaluation.model.disclaimer)
    parts = [f"<p>{html.escape(evaluation.counts)}.</p>", f'<p class="warning">{disclaimer}</p>']
    cause = evaluation.alarm_cause
    labels = {name: node.label for name, node in evaluation.model.causes.items()}
    labels |= {name: name.replace("_", " ") for name in (NONE, *LEVELS)}
    for heading, table in sections(evaluation).items():
        words = table.rename(index=labels, columns=labels)
        parts.append(_section(heading.replace(cause, labels[cause]), words, "narrow" if heading == CONFUSION else ""))
        if heading.startswith("Alarm for"):
            parts.append(_missed(evaluation))
    rules = {name: rule for name, rule in evaluation.comparison["rule"].items() if rule}
    if len(rules) > 1:
        said = "; ".join(f"{name}: {rule}" for name, rule in rules.items())
        parts.append(f'<p class="muted">When each flags a case: {html.escape(said)}.</p>')
    if plots:
        parts.append(_plots(evaluation))
    intervals = "In brackets: 95 % intervals, Wilson's for shares"
    intervals += f", else from {evaluation.bootstrap} bootstrap resamples (seed {evaluation.seed})."
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in evaluation.notes)
    parts.append(f"<h2>Notes</h2><ul><li>{intervals}</li>{notes}</ul>")
    return "\n".join(parts)


def _section(heading: str, table: pd.DataFrame, style: str = "") -> str:
    return f"<h2>{html.escape(heading)}</h2>\n{_table(table, style)}"


def _table(table: pd.DataFrame, style: str = "") -> str:
    flat = table.rename_axis(index=None).reset_index().rename(columns={"index": ""})
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in flat.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in flat.itertuples(index=False)
    )
    return (
        f'<div class="scroll"><table class="{style}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _missed(evaluation: Evaluation) -> str:
    label = evaluation.model.causes[evaluation.alarm_cause].label
    heading = f"Cases of {label} missed, with the alarm below caution"
    if not len(evaluation.missed):
        return f"<h2>{html.escape(heading)}</h2><p>None.</p>"
    table = evaluation.missed.assign(probability=[f"{p:.1%}" for p in evaluation.missed["probability"]])
    return _section(heading, table.rename_axis(index=None))


def _plots(evaluation: Evaluation) -> str:
    from matplotlib.figure import Figure

    pair = []
    for draw, text in ((plot_roc, "ROC curves"), (plot_decision_curve, "Decision curves")):
        figure = Figure(figsize=(6, 5), layout="constrained")
        draw(evaluation, ax=figure.subplots())
        pair.append(_image(figure, text))
    names = list(evaluation.causes.index)
    n_rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(2.7 * COLUMNS, 2.9 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        plot_calibration(evaluation, cause=name, ax=ax)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    return (
        f'<h2>ROC and decision curves</h2><div class="pair">{"".join(pair)}</div>'
        f"<h2>Calibration</h2>{_image(figure, 'Calibration of each cause')}"
    )


def _image(figure: Figure, text: str) -> str:
    """Draw a figure as SVG in an img of its own, so that the ids of several don't meet."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": text}):  # the same file from the same figures
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(text)}" src="data:image/svg+xml;base64,{data}">'
