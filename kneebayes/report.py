"""An evaluation as one HTML file, with its plots inside: it needs no network."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kneebayes.alarm import LEVELS
from kneebayes.errors import FileFormatError
from kneebayes.labels import NONE
from kneebayes.plots import plot_calibration, plot_decision_curve, plot_roc
from kneebayes.sink import write_whole
from kneebayes.summary import CONFUSION, sections

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kneebayes.evaluation import Evaluation

__all__ = ["body", "check_report", "write_report"]

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
