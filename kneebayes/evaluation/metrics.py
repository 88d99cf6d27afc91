"""The figures of many bootstrap resamples at once.

A resample is a count for each case, so the cases need sorting only once; for
one resample that counts each case once they are the figures of `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "calibration_bins",
    "figures",
    "interval",
    "logistic_lines",
    "logit",
    "net_benefit",
    "recalibration",
    "resampled_figures",
    "resampled_ranking",
    "resamples",
    "wilson",
]

Floats = NDArray[np.float64]
BINS, BIN_CASES = 10, 10
LEVEL = 0.95
SMALLEST = float(np.finfo(np.float64).eps)  # where log loss cuts probabilities off, as scikit-learn does
NEWTON_STEPS = 30
CONVERGED = 1e-6  # of a step that is then taken: the error after it is of the order of its square
STEEPEST = 50.0  # a slope beyond it means that the cases are separable, and have no finite one


def wilson(right: float, n: float, *, level: float = LEVEL) -> tuple[float, float, float]:
    """Give a share with its Wilson score interval.

    Parameters
    ----------
    right, n : float
        Count, and of how many.
    level : float, default 0.95
        Confidence.

    Returns
    -------
    tuple of float
        Share, lower and upper limit (Wilson 1927); NaN where ``n`` is 0.

    Examples
    --------
    >>> [round(x, 3) for x in wilson(29, 29)]
    [1.0, 0.883, 1.0]
    """
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    share = right / n
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # rounding may put a limit that is the share itself on its other side
    return share, min(share, max(0.0, float(middle - half))), max(share, min(1.0, float(middle + half)))


def calibration_bins(p: Floats, bins: int | None = None) -> NDArray[np.intp]:
    """Put probabilities into bins of nearly equal counts.

    Parameters
    ----------
    p : ndarray, shape (n,)
        Probabilities.
    bins : int, optional
        At most so many, as equal probabilities share a bin; by default 10, or
        fewer of 10 cases each, but two.

    Returns
    -------
    ndarray of int, shape (n,)
        The bin of each, from 0, without gaps.
    """
    bins = min(BINS, max(2, len(p) // BIN_CASES)) if bins is None else bins
    edges = np.unique(np.quantile(p, np.arange(1, bins) / bins)) if len(p) else np.zeros(0)
    place = np.searchsorted(edges, p, side="left")
    return np.unique(place, return_inverse=True)[1].astype(np.intp)


def figures(truth: NDArray[np.bool_], p: Floats) -> dict[str, float]:
    """Compute every figure of one probability.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Whether it was so.
    p : ndarray, shape (n,)
        The probability that was given to it.

    Returns
    -------
    dict of str to float
        ``auc`` and ``average_precision``; ``brier`` = ``reliability`` -
        ``resolution`` + ``uncertainty`` (Murphy 1973) + ``within_bins``, which
        is what the bins lose; ``log_loss``; ``calibration_intercept`` and
        ``calibration_slope`` of the logistic recalibration (0 and 1 are
        perfect); ``calibration_error``, the expected calibration error over
        the bins. NaN where the cases don't define it.
    """
    from sklearn import metrics

    n = len(truth)
    nan = float("nan")
    if n == 0:
        return dict.fromkeys(_FIGURES, nan)
    both = bool(truth.any() and not truth.all())
    place = calibration_bins(p)
    counts = np.bincount(place)
    predicted, observed = np.bincount(place, p) / counts, np.bincount(place, truth) / counts
    base = truth.mean()
    brier = float(metrics.brier_score_loss(truth, p, pos_label=True))
    reliability = float(counts @ (predicted - observed) ** 2 / n)
    resolution = float(counts @ (observed - base) ** 2 / n)
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
        "log_loss": float(metrics.log_loss(truth, p, labels=[False, True])),
        "calibration_intercept": intercept,
        "calibration_slope": slope,
        "calibration_error": float(counts @ abs(predicted - observed) / n),
    }


_FIGURES = (
    "auc",
    "average_precision",
    "brier",
    "reliability",
    "resolution",
    "uncertainty",
    "within_bins",
    "log_loss",
    "calibration_intercept",
    "calibration_slope",
    "calibration_error",
)


def recalibration(truth: NDArray[np.bool_], p: Floats) -> tuple[float, float]:
    """Fit truth = logistic(intercept + slope * logit(p)) by maximum likelihood (Cox 1958).

    Parameters
    ----------
    truth, p : ndarray, shape (n,)
        As for `figures`.

    Returns
    -------
    tuple of float
        Intercept and slope; NaN where no finite ones fit best.
    """
    intercept, slope = logistic_lines(truth.astype(np.float64), logit(p), np.ones((1, len(p))))
    return float(intercept[0]), float(slope[0])


def net_benefit(truth: NDArray[np.bool_], flagged: NDArray[np.bool_], threshold: float) -> float:
    """Compute the net benefit of acting on those flagged (Vickers and Elkin 2006).

    Parameters
    ----------
    truth, flagged : ndarray of bool, shape (n,)
        Who has it, and on whom one acts.
    threshold : float
        The probability at which acting and waiting weigh the same.

    Returns
    -------
    float
        True positives, less false positives times the odds of the threshold,
        for each case.

    Examples
    --------
    >>> net_benefit(np.array([True, False]), np.array([True, True]), 0.2)
    0.375
    """
    if len(truth) == 0:
        return float("nan")
    right, wrong = (truth & flagged).sum(), (~truth & flagged).sum()
    return float((right - wrong * threshold / (1 - threshold)) / len(truth))


def logit(p: Floats) -> Floats:
    """Give log odds, finite also of 0 and 1.

    Parameters
    ----------
    p : ndarray
        Probabilities.

    Returns
    -------
    ndarray
        Of the same shape.
    """
    cut = np.clip(p, SMALLEST, 1 - SMALLEST)
    odds: Floats = np.log(cut) - np.log1p(-cut)
    return odds


def logistic_lines(
    truth: Floats, x: Floats, counts: Floats, *, start: tuple[float, float] = (0.0, 1.0)
) -> tuple[Floats, Floats]:
    """Fit truth = logistic(intercept + slope * x) for many weightings of the cases, by Newton's method.

    Parameters
    ----------
    truth : ndarray, shape (n,)
        0 or 1.
    x : ndarray, shape (n,)
        Log odds.
    counts : ndarray, shape (weightings, n)
        How often each case counts.
    start : tuple of float
        Where the search begins: intercept and slope.

    Returns
    -------
    tuple of ndarray, shape (weightings,)
        Intercepts and slopes; NaN where no finite ones fit best.
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
            mean = 0.5 + 0.5 * np.tanh(0.5 * (line[open_, :1] + line[open_, 1:] * x))
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


SAME = 1e-9
CELLS = 1 << 21  # of one block of resamples: 16 MB


def resamples(n: int, times: int, seed: int) -> Iterator[Floats]:
    """Draw bootstrap resamples of n cases, as counts.

    Parameters
    ----------
    n : int
        Cases.
    times : int
        Resamples.
    seed : int
        Of the draw.

    Yields
    ------
    ndarray, shape (block, n)
        How often each case is in each resample.
    """
    rng = np.random.default_rng(seed)
    block = max(1, CELLS // max(n, 1))
    for start in range(0, times if n else 0, block):
        size = min(block, times - start)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def resampled_figures(truth: NDArray[np.bool_], p: Floats, counts: Floats) -> dict[str, Floats]:
    """Compute the figures of resamples that `figures` gives for the whole.

    Parameters
    ----------
    truth, p : ndarray, shape (n,)
        As for `figures`.
    counts : ndarray, shape (resamples, n)
        How often each case is in each resample.

    Returns
    -------
    dict of str to ndarray, shape (resamples,)
        But for the parts of the Brier score; NaN where a resample lacks cases
        of one kind. The bins are those of the whole.
    """
    auc, average_precision = resampled_ranking(truth, p, counts)
    y, cut, n = truth.astype(np.float64), np.clip(p, SMALLEST, 1 - SMALLEST), counts.sum(axis=1)
    place = calibration_bins(p)
    in_bin = np.eye(place.max(initial=0) + 1)[place]
    start = recalibration(truth, p)
    intercept, slope = logistic_lines(y, logit(p), counts, start=start if np.isfinite(start).all() else (0.0, 1.0))
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


def resampled_ranking(truth: NDArray[np.bool_], score: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Compute the AUC and the average precision of resamples.

    Parameters
    ----------
    truth : ndarray of bool, shape (n,)
        Whether it was so.
    score : ndarray, shape (n,)
        Higher where it is held likelier.
    counts : ndarray, shape (resamples, n)
        How often each case is in each resample.

    Returns
    -------
    tuple of ndarray, shape (resamples,)
        NaN where a resample lacks cases of one kind.
    """
    if len(score) == 0:
        return np.full(len(counts), np.nan), np.full(len(counts), np.nan)
    order = np.argsort(score, kind="stable")
    score, counts = score[order], counts[:, order]
    new = np.flatnonzero(np.concatenate([[True], np.diff(score) > 0]))  # where equal scores begin
    positive = np.add.reduceat(counts * truth[order], new, axis=1)
    total = np.add.reduceat(counts, new, axis=1)
    negative = total - positive
    n_positive, n_negative = positive.sum(axis=1), negative.sum(axis=1)
    below = negative.cumsum(axis=1) - negative / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = positive[:, ::-1].cumsum(axis=1)[:, ::-1] / total[:, ::-1].cumsum(axis=1)[:, ::-1]
        auc = (positive * below).sum(axis=1) / (n_positive * n_negative)
        return auc, (positive * np.where(positive > 0, precision, 0)).sum(axis=1) / n_positive


def interval(values: Floats, *, level: float = LEVEL) -> tuple[float, float]:
    """Give the percentile interval of resampled figures.

    Parameters
    ----------
    values : ndarray, shape (resamples,)
        NaN where a resample did not define the figure.
    level : float, default 0.95
        Confidence.

    Returns
    -------
    tuple of float
        NaN where under half of the resamples define the figure, or all give
        the same: that cases are told apart perfectly here says nothing of how
        sure it is.
    """
    defined = values[np.isfinite(values)]
    if len(defined) == 0 or len(defined) < len(values) / 2 or np.ptp(defined) < SAME:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
