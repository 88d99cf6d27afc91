"""An evaluation in words: its tables with numbers as text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from kneebayes.evaluation import Evaluation

__all__ = ["mistakes", "sections", "text", "with_interval"]

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
