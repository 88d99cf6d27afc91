"""What an evaluation measures: the figures of one probability, their bootstrap intervals, and the tables of them.

A resample is a count for each case, so the cases need sorting only once; for
one resample that counts each case once its figures are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from kneebayes.cases.labels import Labels
from kneebayes.inference.evidence import Floats
from kneebayes.inference.network import leading
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    from kneebayes.evaluation.comparators import Comparator

Bools = NDArray[np.bool_]
BINS, BIN_CASES = 10, 10
LEVEL = 0.95
TOPS = (1, 3)
DECISION_COLUMNS = ("model", "model_low", "model_high", "treat_all", "treat_none")  # beside which comparators stand
GRID = np.round(np.concatenate([np.arange(0.005, 0.1, 0.005), np.arange(0.1, 0.505, 0.01)]), 3)
# With a cause, and as many without it, for a bootstrap interval: those of an AUC that should hold the truth in 95 %
# do so in 86 to 90 % with 10 positives, in 75 to 85 % with 5, and in a quarter with one (250 simulated studies each).
MIN_CASES = 10
RESAMPLED = (
    *("auc", "average_precision", "brier", "log_loss"),
    *("calibration_intercept", "calibration_slope", "calibration_error"),
)
SMALLEST = float(np.finfo(np.float64).eps)  # where log loss cuts probabilities off, as scikit-learn does
SAME = 1e-9
CELLS = 1 << 21  # of one block of resamples: 16 MB
NEWTON_STEPS = 30
CONVERGED = 1e-6  # of a step that is then taken: the error after it is of the order of its square
STEEPEST = 50.0  # a slope beyond it means that the cases are separable, and have no finite one


def wilson(right: int, n: int) -> tuple[float, float, float]:
    """Give a share with its Wilson score interval (Wilson 1927); NaN where n is 0."""
    from scipy.stats import binomtest

    if n == 0:
        return float("nan"), float("nan"), float("nan")
    limits = binomtest(int(right), int(n)).proportion_ci(LEVEL, method="wilson")
    return right / n, float(limits.low), float(limits.high)


def rate(name: str, count: int, n: int) -> dict[str, float]:
    """Give a share and its Wilson interval, as ``name``, ``name_low`` and ``name_high``."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), wilson(count, n), strict=True))


def rates(truth: Bools, flagged: Bools) -> dict[str, float]:
    """Count who is flagged rightly and wrongly, both (n,); sensitivity, specificity and predictive values."""
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


def net_benefit(truth: Bools, flagged: Bools, threshold: float) -> float:
    """Compute the net benefit per case of acting on those flagged (Vickers and Elkin 2006).

    True positives, less false positives times the odds of the threshold, at which acting and waiting weigh the same;
    NaN for no cases, and for a threshold of 1, where one false alarm outweighs anything.
    """
    if len(truth) == 0 or threshold >= 1:
        return float("nan")
    right, wrong = (truth & flagged).sum(), (~truth & flagged).sum()
    return float((right - wrong * threshold / (1 - threshold)) / len(truth))


# Figures of one probability


def calibration_bins(p: Floats) -> NDArray[np.intp]:
    """Say in which bin each probability is, (n,), from 0, without gaps; bins have nearly equal counts.

    Bins are those of scikit-learn's ``calibration_curve(strategy="quantile")``, which gives their means but not
    which case is in which. At most 10, and fewer where they would have under 10 cases each, or probabilities are equal.
    """
    bins = min(BINS, max(2, len(p) // BIN_CASES))
    edges = np.quantile(p, np.arange(1, bins) / bins) if len(p) else np.zeros(0)
    return np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)[1].astype(np.intp)


def figures(truth: Bools, p: Floats) -> dict[str, float]:
    """Compute every figure of one probability; truth and p are (n,). NaN where the cases don't define it.

    `Evaluation` says what each is, under ``causes``.
    """
    from sklearn import metrics

    n, nan = len(truth), float("nan")
    both = bool(truth.any() and not truth.all())
    place = calibration_bins(p)
    counts = np.bincount(place)
    predicted, observed = np.bincount(place, p) / counts, np.bincount(place, truth) / counts
    base = truth.mean() if n else nan
    brier = float(metrics.brier_score_loss(truth, p, pos_label=True)) if n else nan
    reliability = float(counts @ (predicted - observed) ** 2 / n) if n else nan
    resolution = float(counts @ (observed - base) ** 2 / n) if n else nan
    uncertainty = float(base * (1 - base))
    intercept, slope = recalibration(truth, p)
    return {
        "auc": float(metrics.roc_auc_score(truth, p)) if both else nan,
        "average_precision": float(metrics.average_precision_score(truth, p)) if truth.any() else nan,
        "brier": brier,
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": uncertainty,
        "within_bins": brier - (reliability - resolution + uncertainty),
        "log_loss": float(metrics.log_loss(truth, p, labels=[False, True])) if n else nan,
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "calibration_error": float(counts @ abs(predicted - observed) / n) if n else nan,
    }


def recalibration(truth: Bools, p: Floats) -> tuple[float, float]:
    """Fit truth = expit(intercept + slope * logit(p)) by maximum likelihood (Cox 1958); NaN if none is finite."""
    intercept, slope = _logistic_lines(truth.astype(np.float64), _log_odds(p), np.ones((1, len(p))))
    return float(intercept[0]), float(slope[0])


def _log_odds(p: Floats) -> Floats:
    """Give log odds, finite also of 0 and 1."""
    odds: Floats = logit(np.clip(p, SMALLEST, 1 - SMALLEST))
    return odds


def _logistic_lines(
    truth: Floats, x: Floats, counts: Floats, *, start: tuple[float, float] = (0.0, 1.0)
) -> tuple[Floats, Floats]:
    """Fit truth = expit(intercept + slope * x) for many weightings of the cases at once, by Newton's method.

    truth and x are (n,), counts (weightings, n); intercepts and slopes (weightings,), NaN where nothing finite fits.
    scikit-learn fits one weighting a call, which takes minutes for the resamples of every cause.
    """
    line = np.tile(np.array(start), (len(counts), 1))
    if len(x) == 0 or np.ptp(x) == 0:
        line[:] = np.nan
        return line[:, 0], line[:, 1]
    moments = np.stack([np.ones_like(x), x, x * x], axis=1)
    target = counts @ (truth[:, None] * moments[:, :2])
    open_ = np.arange(len(counts))
    with np.errstate(all="ignore"):
        for _ in range(NEWTON_STEPS):
            mean = expit(line[open_, :1] + line[open_, 1:] * x)
            expected = counts[open_] * mean
            g0, g1 = (target[open_] - expected @ moments[:, :2]).T
            expected *= 1 - mean
            h0, h1, h2 = (expected @ moments).T
            step = np.stack([h2 * g0 - h1 * g1, h0 * g1 - h1 * g0], axis=1) / (h0 * h2 - h1 * h1)[:, None]
            most = abs(step).max(axis=1)
            line[open_] += step * np.minimum(1.0, 2.0 / most)[:, None]  # a full step from far away may overshoot
            open_ = open_[~(most < CONVERGED) & np.isfinite(most)]
            if not len(open_):
                break
    line[open_] = np.nan
    line[abs(line[:, 1]) > STEEPEST] = np.nan
    return line[:, 0], line[:, 1]


# Resamples


def enough(truth: Bools) -> bool:
    """Say whether cases with and without are enough for a bootstrap."""
    return min(int(truth.sum()), int((~truth).sum())) >= MIN_CASES


def resamples(n: int, times: int, seed: int) -> Iterator[Floats]:
    """Draw bootstrap resamples of n cases, in blocks (resamples, n): how often each case is in each."""
    rng = np.random.default_rng(seed)
    block = max(1, CELLS // max(n, 1))
    for start in range(0, times if n else 0, block):
        size = min(block, times - start)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def resampled_figures(truth: Bools, p: Floats, counts: Floats) -> dict[str, Floats]:
    """Compute `figures` of resamples, but for the parts of the Brier score; the bins are those of the whole.

    truth and p are (n,), counts (resamples, n), each figure (resamples,); NaN where a resample lacks cases of one kind.
    """
    auc, average_precision = _resampled_ranking(truth, p, counts)
    y, cut, n = truth.astype(np.float64), np.clip(p, SMALLEST, 1 - SMALLEST), counts.sum(axis=1)
    place = calibration_bins(p)
    in_bin = np.eye(place.max(initial=0) + 1)[place]
    start = recalibration(truth, p)
    start = start if np.isfinite(start).all() else (0.0, 1.0)
    intercept, slope = _logistic_lines(y, _log_odds(p), counts, start=start)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "auc": auc,
            "average_precision": average_precision,
            "brier": counts @ (p - y) ** 2 / n,
            "log_loss": -(counts @ (y * np.log(cut) + (1 - y) * np.log1p(-cut))) / n,
            "calibration_intercept": intercept,
            "calibration_slope": slope,
            "calibration_error": abs(counts @ (in_bin * (p - y)[:, None])).sum(axis=1) / n,
        }


def _resampled_ranking(truth: Bools, score: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Compute AUC and average precision of resamples (resamples,) from one sorting; counts are (resamples, n)."""
    if len(score) == 0:
        return np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    order = np.argsort(score, kind="stable")
    score, counts = score[order], counts[:, order]
    new = np.flatnonzero(np.concatenate([[True], np.diff(score) > 0]))  # where equal scores begin
    positive = np.add.reduceat(counts * truth[order], new, axis=1)
    total = np.add.reduceat(counts, new, axis=1)
    negative = total - positive
    n_positive, n_negative = positive.sum(axis=1), negative.sum(axis=1)
    below = negative.cumsum(axis=1) - negative / 2  # those of an equal score are half below
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = positive[:, ::-1].cumsum(axis=1)[:, ::-1] / total[:, ::-1].cumsum(axis=1)[:, ::-1]
        auc = (positive * below).sum(axis=1) / (n_positive * n_negative)
        return auc, (positive * np.where(positive > 0, precision, 0)).sum(axis=1) / n_positive


def interval(values: Floats) -> tuple[float, float]:
    """Give the percentile interval of resampled figures, (resamples,), of which NaN are not defined.

    NaN if that is half of them, or all are the same: that cases are told apart perfectly here says not how sure it is.
    """
    defined = values[np.isfinite(values)]
    if len(defined) == 0 or len(defined) < len(values) / 2 or np.ptp(defined) < SAME:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


# Tables: p is (n, targets), labels and comparators are of the same cases; times and seed are of the resamples


def top_table(p: Floats, labels: Labels) -> pd.DataFrame:
    """Count by k the cases in which one of the likeliest k is right, of those whose every cause is known."""
    judged = labels.all_known & np.isfinite(p).all(axis=1)
    ranks = np.argsort(-p[judged], axis=1, kind="stable")
    right = np.take_along_axis(labels.present[judged] == 1, ranks, axis=1)
    rows = []
    for k in TOPS:
        count = int(right[:, :k].any(axis=1).sum())
        rows.append({"right": count, "n": len(right), **rate("share", count, len(right))})
    return pd.DataFrame(rows, index=pd.Index([f"top-{k}" for k in TOPS], name="answer"))


def cause_table(p: Floats, labels: Labels, times: int, seed: int) -> pd.DataFrame:
    """Compute the figures of each target, with bootstrap intervals where its cases are `enough` for them."""
    known = labels.present.T >= 0
    truth = [labels.present[some, place] == 1 for place, some in enumerate(known)]
    drawn: list[dict[str, list[Floats]]] = [{name: [np.zeros(0)] for name in RESAMPLED} for _ in truth]
    for counts in resamples(len(p), times, seed):
        for place, some in enumerate(known):
            if enough(truth[place]):
                part = counts if some.all() else counts[:, some]
                for name, values in resampled_figures(truth[place], p[some, place], part).items():
                    drawn[place][name].append(values)
    rows = []
    for place, some in enumerate(known):
        row: dict[str, float] = {"cases": int(truth[place].sum()), "n": len(truth[place])}
        for name, value in figures(truth[place], p[some, place]).items():
            row[name] = value
            if times and name in RESAMPLED:
                row[f"{name}_low"], row[f"{name}_high"] = interval(np.concatenate(drawn[place][name]))
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(labels.targets, name="cause"))


def bin_table(p: Floats, labels: Labels) -> pd.DataFrame:
    """Compare by target and bin the mean prediction with the share observed."""
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
    """Count leading causes (rows) against most likely ones; cases without a leading cause are left out."""
    from sklearn.metrics import confusion_matrix

    led = labels.leading >= 0
    names = pd.Index(labels.targets, name="leading")
    if not led.any():
        return pd.DataFrame(index=names[:0])
    counts = confusion_matrix(labels.leading[led], leading(p[led]), labels=range(len(labels.targets)))
    return pd.DataFrame(counts, index=names, columns=list(labels.targets))


def alarm_table(truth: Bools, levels: NDArray[np.integer]) -> pd.DataFrame:
    """Count by level, (n,) places in `LEVELS`, how an alarm at it or above finds the alarm's cause."""
    rows = [rates(truth, levels >= level) for level in range(1, len(LEVELS))]
    return pd.DataFrame(rows, index=pd.Index(LEVELS[1:], name="level"))


def decision_table(
    truth: Bools,
    p: Floats,
    comparators: Sequence[Comparator],
    known: Bools,
    thresholds: Iterable[float],
    cause: str,
    times: int,
    seed: int,
) -> pd.DataFrame:
    """Compute the net benefit of acting on the alarm's cause, of probability p (n,), from each threshold on.

    Thresholds are those given besides 0.5 % to 50 %, but for 1, where none is defined. Comparators answered all cases,
    of which ``known`` says for which the truth is; one without probabilities flags the same at every threshold.
    """
    grid = np.unique([t for t in [*GRID, *thresholds] if t < 1])
    table = pd.DataFrame(index=pd.Index(grid, name="threshold"))
    table["model"] = [net_benefit(truth, p >= t, t) for t in grid]
    if times:
        table["model_low"] = table["model_high"] = np.nan
        if enough(truth):
            gain = np.where(truth[:, None], 1.0, -grid / (1 - grid)) * (p[:, None] >= grid)
            blocks = resamples(len(truth), times, seed)
            drawn = np.concatenate([counts @ gain / counts.sum(axis=1, keepdims=True) for counts in blocks])
            table[["model_low", "model_high"]] = [interval(column) for column in drawn.T]
    table["treat_all"] = [net_benefit(truth, np.ones_like(truth), t) for t in grid]
    table["treat_none"] = 0.0
    for other in comparators:
        q = other.probabilities.get(cause)
        if q is not None:
            table[other.name] = [net_benefit(truth, q[known] >= t, t) for t in grid]
        elif other.flagged is not None:
            table[other.name] = [net_benefit(truth, other.flagged[known], t) for t in grid]
    return table


def comparison_table(
    comparators: Sequence[Comparator], labels: Labels, known: Bools, cause: str, threshold: float, times: int, seed: int
) -> pd.DataFrame:
    """Compare on the alarm's cause, where it is known, (n,), and on all causes that a comparator has; the model first.

    ``auc_difference`` is an AUC less the model's, with an interval of paired resamples.
    """
    from sklearn.metrics import log_loss, roc_auc_score

    truth = labels.present[known, labels.targets.index(cause)] == 1
    ranked = {c.name: c.score[known] for c in comparators if c.score is not None}
    drawn: dict[str, list[Floats]] = {name: [np.zeros(0)] for name in ranked}
    for counts in resamples(len(known), times if enough(truth) else 0, seed):
        for name, score in ranked.items():
            drawn[name].append(_resampled_ranking(truth, score, counts[:, known])[0])
    own = comparators[0].name
    aucs = {}
    if truth.any() and not truth.all():
        aucs = {name: float(roc_auc_score(truth, score)) for name, score in ranked.items()}
    rows = []
    for other in comparators:
        row: dict[str, float | str] = {"rule": other.rule, "n": len(truth), "cases": int(truth.sum())}
        if other.flagged is not None:
            row |= rates(truth, other.flagged[known])
            row["net_benefit"] = net_benefit(truth, other.flagged[known], threshold)
        if other.name in aucs:
            row["auc"] = aucs[other.name]
            row["auc_difference"] = float("nan") if other.name == own else aucs[other.name] - aucs[own]
            if times:
                mine, theirs = np.concatenate(drawn[own]), np.concatenate(drawn[other.name])
                row["auc_low"], row["auc_high"] = interval(theirs)
                row["auc_difference_low"], row["auc_difference_high"] = interval(theirs - mine)
        losses = {
            target: float(
                log_loss(labels.present[some, i] == 1, other.probabilities[target][some], labels=[False, True])
            )
            for i, target in enumerate(labels.targets)
            if target in other.probabilities and (some := labels.present[:, i] >= 0).any()
        }
        row["log_loss"] = losses.get(cause, float("nan"))
        if len(losses) == len(labels.targets):
            row["mean_log_loss"] = float(np.mean(list(losses.values())))
        if set(other.probabilities) == set(labels.targets):
            top = top_table(np.column_stack([other.probabilities[target] for target in labels.targets]), labels)
            for k, (_, counted) in zip(TOPS, top.iterrows(), strict=True):
                row |= {f"top_{k}{end}": counted[f"share{end}"] for end in ("", "_low", "_high")}
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index([other.name for other in comparators], name="name"))
    wanted = ("auc", "auc_difference", "net_benefit", "mean_log_loss", "top_1", "top_3", "sensitivity", "specificity")
    return table.reindex(columns=[*table.columns, *(c for c in (*wanted, "ppv", "npv") if c not in table.columns)])
