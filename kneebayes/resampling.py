"""The figures of many bootstrap resamples at once.

A resample is a count for each case, so the cases need sorting only once; for
one resample that counts each case once they are the figures of `metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from kneebayes.metrics import LEVEL, SMALLEST, calibration_bins, logistic_lines, logit, recalibration

__all__ = ["interval", "resampled_figures", "resampled_ranking", "resamples"]

Floats = NDArray[np.float64]
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
