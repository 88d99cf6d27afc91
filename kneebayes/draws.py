"""Plausible ranges as distributions on the numbers of a model, and draws from them.

A number p with the plausible range [low, high] becomes a distribution with
median p, 5 % below low and 5 % above high: normal on the logit scale, with one
spread below p and another above. Why this one:

- It keeps three numbers, p and both ends, exactly. A Beta distribution has two
  parameters, so it would move p or an end wherever the range is not even.
- Most ranges are even in the odds, not in the probability (0.02 [0.01, 0.039]):
  there the two spreads are nearly the same.
- It stays within 0 and 1 and needs no fitting.

No logit reaches 0 or 1. Where p or an end of its range is one of them, that
side is normal on the plain scale, and what falls beyond 0 or 1 stays there:
with the range [0, high] the link is absent altogether in 5 % of draws. A side
without width has no spread: of [p, high], half of the draws are p itself.

Numbers are drawn independently of each other. The states of one distribution
(of a risk factor, or of a cause) are then weighed together, so that they are a
distribution again: each weighs so much that it would have the number drawn if
it alone had been drawn, the others scaled in proportion. Leaks and links stay
leaks and links, so every draw is a leaky noisy-OR.

Independent draws say nothing of judgements that were wrong together, such as
all links of one finding: where that is likely, intervals are too narrow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference import Network
from kneebayes.model import ModelFile
from kneebayes.modeltext import changed_version, with_numbers
from kneebayes.parameters import Parameters

__all__ = ["MASS_IN_RANGE", "draw", "from_normal", "interval_ends", "plausible"]

Floats = NDArray[np.float64]
MASS_IN_RANGE = 0.9
DEVIATIONS = 1.6448536269514722  # of a normal distribution's 95 % quantile from its median


def draw(parameters: Parameters, n: int, *, seed: int) -> Floats:
    """Draw the numbers of a model from their plausible ranges.

    Parameters
    ----------
    parameters : Parameters
        The numbers of the model.
    n : int
        How many draws.
    seed : int
        The same seed gives the same draws, and fewer draws the first of more.

    Returns
    -------
    ndarray, shape (n, P)
        In the order of `Parameters.names`.
    """
    z = np.random.default_rng(seed).standard_normal((n, len(parameters.p)))
    return parameters.normalised(from_normal(z, parameters.p, parameters.low, parameters.high))


def plausible(model: ModelFile, *, seed: int) -> ModelFile:
    """Draw all numbers of a model anew from their plausible ranges: what else might be true.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    seed : int
        Of the draw.

    Returns
    -------
    ModelFile
        Each number as the first of `draw` for this seed. Its range is that of
        the model, stretched where it was drawn from outside; basis, version
        (``+plausible``) and provenance say what it is.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> plausible(read_model(model_path("posterior_knee_pain")), seed=4).provenance
    ('all numbers drawn from their plausible ranges, seed 4',)
    """
    drawn = draw(Parameters(Network(model)), 1, seed=seed)[0].tolist()
    numbers = {}
    for (place, number), p in zip(model.probabilities(), drawn, strict=True):
        low, high = number.range
        basis = f"fitted: drawn from {low:.4g} to {high:.4g}, seed {seed}, was {number.p:.4g}; {number.basis}"
        changed = {"p": p, "range": (min(low, p), max(high, p)), "basis": basis}
        numbers[place] = number.model_copy(update=changed if p != number.p else {})
    said = f"all numbers drawn from their plausible ranges, seed {seed}"
    version = changed_version(model.version, "plausible")
    return with_numbers(model, numbers, provenance=(*model.provenance, said), version=version)


def from_normal(z: Floats, p: Floats, low: Floats, high: Floats) -> Floats:
    """Turn standard normal numbers into draws from plausible ranges.

    Parameters
    ----------
    z : ndarray, shape (..., P)
        Standard normal numbers.
    p, low, high : ndarray, shape (P,)
        The numbers, and the ends of their ranges.

    Returns
    -------
    ndarray, shape (..., P)
        p where z is 0, the ends of the range where z is its 5 % and 95 %
        quantile, and strictly rising between.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.array([[-DEVIATIONS], [0.0], [DEVIATIONS]])
    >>> from_normal(z, np.array([0.3]), np.array([0.1]), np.array([0.8])).ravel().round(6).tolist()
    [0.1, 0.3, 0.8]
    """
    steps = np.abs(z) / DEVIATIONS
    drawn = np.broadcast_to(p, z.shape).copy()
    for end, side in ((low, z < 0), (high, z > 0)):
        with np.errstate(divide="ignore", invalid="ignore"):
            logit, logit_end = _logit(p), _logit(end)
            inside = 1.0 / (1.0 + np.exp(-(logit + (logit_end - logit) * steps)))
        plain = np.clip(p + (end - p) * steps, 0.0, 1.0)
        moved = np.where(np.isfinite(logit) & np.isfinite(logit_end), inside, plain)
        drawn = np.where(side & (end != p), moved, drawn)
    return drawn


def interval_ends(drawn: Floats, level: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Find the ends of intervals over the last axis, and their Monte Carlo errors.

    Parameters
    ----------
    drawn : ndarray, shape (..., draws)
        Answers, which get sorted in place; NaN is no answer.
    level : float
        Share of the answers within the interval.

    Returns
    -------
    tuple of ndarray, shape (...)
        Low and high ends, and the standard errors of both: half the distance of
        the order statistics sqrt(n q (1 - q)) ranks on either side of the
        quantile q of n draws.
    """
    drawn.sort(axis=-1)  # NaN last
    n = drawn.shape[-1] - np.isnan(drawn).sum(axis=-1)
    q = (1.0 - level) / 2
    spread = np.sqrt(n * q * (1.0 - q))
    ends, errors = [], []
    for rank in (q * (n - 1), (1.0 - q) * (n - 1)):
        ends.append(_at(drawn, rank, n))
        errors.append((_at(drawn, rank + spread, n) - _at(drawn, rank - spread, n)) / 2)
    return ends[0], ends[1], errors[0], errors[1]


def _at(drawn: Floats, rank: Floats, n: NDArray[np.integer]) -> Floats:
    """Interpolate between order statistics."""
    rank = np.clip(rank, 0.0, np.maximum(n - 1, 0))
    below = np.floor(rank).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(n - 1, 0))
    first, second = (np.take_along_axis(drawn, i[..., None], axis=-1)[..., 0] for i in (below, above))
    value: Floats = first + (second - first) * (rank - below)
    return value


def _logit(p: Floats) -> Floats:
    odds: Floats = np.log(p) - np.log1p(-p)
    return odds
