"""The model beside what it is compared with, on the same cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kneebayes.cases.labels import Labels
from kneebayes.evaluation.comparators import Rival
from kneebayes.evaluation.metrics import (
    calibration_bins,
    figures,
    interval,
    net_benefit,
    resampled_figures,
    resampled_ranking,
    wilson,
)
from kneebayes.spec.model_spec import LEVELS

__all__ = [
    "DECISION_COLUMNS",
    "alarm_table",
    "bin_table",
    "cause_table",
    "comparison_table",
    "confusion_table",
    "decision_table",
    "rate",
    "rates",
    "top_table",
]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Blocks = Callable[[], Iterator[Floats]]
TOPS = (1, 3)
DECISION_COLUMNS = ("model", "model_low", "model_high", "treat_all", "treat_none")  # beside which rivals stand
GRID = np.round(np.concatenate([np.arange(0.005, 0.1, 0.005), np.arange(0.1, 0.505, 0.01)]), 3)


def top_table(p: Floats, labels: Labels) -> pd.DataFrame:
    """Count the cases in which one of the likeliest k is right, of those whose every cause is known.

    Parameters
    ----------
    p : ndarray, shape (n, targets)
        Probabilities.
    labels : Labels
        Of the same cases.

    Returns
    -------
    pandas.DataFrame
        By k: right, n, share with its Wilson interval.
    """
    judged = labels.all_known & np.isfinite(p).all(axis=1)
    ranks = np.argsort(-p[judged], axis=1, kind="stable")
    right = np.take_along_axis(labels.present[judged] == 1, ranks, axis=1)
    rows = []
    for k in TOPS:
        count = int(right[:, :k].any(axis=1).sum())
        rows.append({"right": count, "n": len(right), **rate("share", count, len(right))})
    return pd.DataFrame(rows, index=pd.Index([f"top-{k}" for k in TOPS], name="answer"))


def cause_table(p: Floats, labels: Labels, blocks: Blocks) -> pd.DataFrame:
    """Compute the figures of each cause.

    Parameters
    ----------
    p : ndarray, shape (n, targets)
        Probabilities.
    labels : Labels
        Of the same cases.
    blocks : callable
        Gives the resamples, over and over the same.

    Returns
    -------
    pandas.DataFrame
        By target: cases, n, the figures with their bootstrap intervals.
    """
    drawn: list[dict[str, list[Floats]]] = [{} for _ in labels.targets]
    known = [labels.present[:, place] >= 0 for place in range(len(labels.targets))]
    truth = [labels.present[known[place], place] == 1 for place in range(len(labels.targets))]
    for counts in blocks():
        for place in range(len(labels.targets)):
            if truth[place].any() and not truth[place].all():
                some = known[place]
                part = counts if some.all() else counts[:, some]
                for name, values in resampled_figures(truth[place], p[some, place], part).items():
                    drawn[place].setdefault(name, []).append(values)
    rows = []
    for place in range(len(labels.targets)):
        row: dict[str, float] = {"cases": int(truth[place].sum()), "n": len(truth[place])}
        for name, value in figures(truth[place], p[known[place], place]).items():
            row[name] = value
            if name in drawn[place]:
                row[f"{name}_low"], row[f"{name}_high"] = interval(np.concatenate(drawn[place][name]))
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(labels.targets, name="cause"))


def bin_table(p: Floats, labels: Labels) -> pd.DataFrame:
    """Compare what was predicted with what was seen, in bins of nearly equal counts.

    Parameters
    ----------
    p : ndarray, shape (n, targets)
        Probabilities.
    labels : Labels
        Of the same cases.

    Returns
    -------
    pandas.DataFrame
        By cause and bin: n, mean prediction, share observed with its Wilson interval.
    """
    rows, names = [], []
    for place, target in enumerate(labels.targets):
        known = labels.present[:, place] >= 0
        q, truth = p[known, place], labels.present[known, place] == 1
        bins = calibration_bins(q)
        for b in range(int(bins.max(initial=-1)) + 1):
            here = bins == b
            n = int(here.sum())
            rows.append({"n": n, "predicted": q[here].mean(), **rate("observed", int(truth[here].sum()), n)})
            names.append((target, b + 1))
    return pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(names, names=["cause", "bin"]))


def confusion_table(p: Floats, labels: Labels) -> pd.DataFrame:
    """Count leading causes against most likely ones.

    Parameters
    ----------
    p : ndarray, shape (n, targets)
        Probabilities.
    labels : Labels
        Of the same cases; those without a leading cause are left out.

    Returns
    -------
    pandas.DataFrame
        Leading cause in rows, most likely cause in columns.
    """
    from sklearn.metrics import confusion_matrix

    led = labels.leading >= 0
    names = pd.Index(labels.targets, name="leading")
    if not led.any():
        return pd.DataFrame(index=names[:0])
    counts = confusion_matrix(labels.leading[led], p[led].argmax(axis=1), labels=range(len(labels.targets)))
    return pd.DataFrame(counts, index=names, columns=list(labels.targets))


def alarm_table(truth: Bools, levels: NDArray[np.integer]) -> pd.DataFrame:
    """Compute sensitivity, specificity and predictive values of the alarm.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Who has the alarm's cause.
    levels : ndarray of int, shape (n,)
        Places in `LEVELS`.

    Returns
    -------
    pandas.DataFrame
        By level, that level and those above it taken as an alarm.
    """
    rows = [rates(truth, levels >= level) for level in range(1, len(LEVELS))]
    return pd.DataFrame(rows, index=pd.Index(LEVELS[1:], name="level"))


def decision_table(
    truth: Bools, p: Floats, rivals: Sequence[Rival], thresholds: Iterable[float], cause: str, blocks: Blocks
) -> pd.DataFrame:
    """Compute the net benefit of acting from each threshold probability on.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Who has the alarm's cause.
    p : ndarray, shape (n,)
        Its probability.
    rivals : sequence of Rival
        Of the same cases; those without probabilities flag the same cases at
        every threshold.
    thresholds : iterable of float
        To compute besides those from 0.5 % to 50 %.
    cause : str
        The alarm's cause.
    blocks : callable
        Gives the resamples, over and over the same.

    Returns
    -------
    pandas.DataFrame
        By threshold: the model with its bootstrap interval, treat all, treat
        none, then the rivals.
    """
    grid = np.unique([t for t in [*GRID, *thresholds] if t < 1])
    gain = np.where(truth[:, None], 1.0, -grid / (1 - grid)) * (p[:, None] >= grid)
    drawn = [counts @ gain / counts.sum(axis=1, keepdims=True) for counts in blocks()]
    limits = np.array([interval(column) for column in np.concatenate(drawn).T]) if drawn else None
    table = pd.DataFrame(index=pd.Index(grid, name="threshold"))
    table["model"] = [net_benefit(truth, p >= t, t) for t in grid]
    if limits is not None:
        table["model_low"], table["model_high"] = limits[:, 0], limits[:, 1]
    table["treat_all"] = [net_benefit(truth, np.ones_like(truth), t) for t in grid]
    table["treat_none"] = 0.0
    for rival in rivals:
        q = rival.probabilities.get(cause)
        if q is not None:
            table[rival.name] = [net_benefit(truth, q >= t, t) for t in grid]
        elif rival.flagged is not None:
            table[rival.name] = [net_benefit(truth, rival.flagged, t) for t in grid]
    return table


def rate(name: str, count: int, n: int) -> dict[str, float]:
    """Give a share and its Wilson interval, under names that go together.

    Parameters
    ----------
    name : str
        Of the share.
    count, n : int
        How many of how many.

    Returns
    -------
    dict of str to float
        ``name``, ``name_low``, ``name_high``.
    """
    return dict(zip((name, f"{name}_low", f"{name}_high"), wilson(count, n), strict=True))


def rates(truth: Bools, flagged: Bools) -> dict[str, float]:
    """Count who is flagged rightly and wrongly.

    Parameters
    ----------
    truth, flagged : ndarray of bool, shape (n,)
        Who has the cause, and who is flagged for it.

    Returns
    -------
    dict of str to float
        The four counts; sensitivity, specificity and predictive values with
        their Wilson intervals.
    """
    right, wrong = int((truth & flagged).sum()), int((~truth & flagged).sum())
    missed, quiet = int((truth & ~flagged).sum()), int((~truth & ~flagged).sum())
    return {
        "true_alarms": right,
        "false_alarms": wrong,
        "missed": missed,
        "quiet": quiet,
        **rate("sensitivity", right, right + missed),
        **rate("specificity", quiet, quiet + wrong),
        **rate("ppv", right, right + wrong),
        **rate("npv", quiet, quiet + missed),
    }


BOTH = [False, True]


def comparison_table(
    rivals: Sequence[Rival], labels: Labels, known: Bools, cause: str, threshold: float, blocks: Blocks
) -> pd.DataFrame:
    """Compare rivals on the alarm's cause, and on all causes where they have them.

    Parameters
    ----------
    rivals : sequence of Rival
        The model's own alarm first.
    labels : Labels
        Of the same cases.
    known : ndarray of bool, shape (n,)
        Of which cases the alarm's cause is known.
    cause : str
        The alarm's cause.
    threshold : float
        For the net benefit.
    blocks : callable
        Gives the resamples, over and over the same.

    Returns
    -------
    pandas.DataFrame
        By name; ``auc_difference`` is the rival's AUC less the model's, with
        an interval of paired resamples.
    """
    from sklearn.metrics import log_loss

    truth = labels.present[known, labels.targets.index(cause)] == 1
    ranked = {r.name: r.score[known] for r in rivals if r.score is not None}
    drawn: dict[str, list[Floats]] = {name: [] for name in ranked}
    for counts in blocks():
        for name, score in ranked.items():
            drawn[name].append(resampled_ranking(truth, score, counts[:, known])[0])
    own = rivals[0].name
    rows = []
    for rival in rivals:
        row: dict[str, float | str] = {"rule": rival.rule, "n": len(truth), "cases": int(truth.sum())}
        if rival.flagged is not None:
            row |= rates(truth, rival.flagged[known])
            row["net_benefit"] = net_benefit(truth, rival.flagged[known], threshold)
        if rival.name in ranked and truth.any() and not truth.all():
            auc = _auc(truth, ranked[rival.name])
            row["auc"] = auc
            row["auc_difference"] = float("nan") if rival.name == own else auc - _auc(truth, ranked[own])
            if drawn[own]:
                mine, other = np.concatenate(drawn[own]), np.concatenate(drawn[rival.name])
                row["auc_low"], row["auc_high"] = interval(other)
                row["auc_difference_low"], row["auc_difference_high"] = interval(other - mine)
        losses = {
            target: float(log_loss(labels.present[some, place] == 1, rival.probabilities[target][some], labels=BOTH))
            for place, target in enumerate(labels.targets)
            if target in rival.probabilities and (some := labels.present[:, place] >= 0).any()
        }
        row["log_loss"] = losses.get(cause, float("nan"))
        if len(losses) == len(labels.targets):
            row["mean_log_loss"] = float(np.mean(list(losses.values())))
        if set(rival.probabilities) == set(labels.targets):
            top = top_table(np.column_stack([rival.probabilities[target] for target in labels.targets]), labels)
            for k, (_, counted) in zip(TOPS, top.iterrows(), strict=True):
                row |= {f"top_{k}{end}": counted[f"share{end}"] for end in ("", "_low", "_high")}
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index([rival.name for rival in rivals], name="name"))
    wanted = ("auc", "auc_difference", "net_benefit", "mean_log_loss", "top_1", "top_3", "sensitivity", "specificity")
    return table.reindex(columns=[*table.columns, *(c for c in (*wanted, "ppv", "npv") if c not in table.columns)])


def _auc(truth: Bools, score: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))
