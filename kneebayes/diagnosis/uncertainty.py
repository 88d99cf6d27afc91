"""How sure posteriors and alarms are, given the plausible ranges of the model's numbers.

A number p with the plausible range [low, high] becomes a distribution with median p, 5 % below low and 5 % above high:
normal on the logit scale, with one spread below p and another above. Why this one:

- It keeps three numbers, p and both ends, exactly. A Beta distribution has two parameters, so it would move p or an end
  wherever the range is not even.
- Most ranges are even in the odds, not in the probability (0.02 [0.01, 0.039]): there the two spreads are nearly the
  same.
- It stays within 0 and 1 and needs no fitting.

No logit reaches 0 or 1. Where p or an end of its range is one of them, that side is normal on the plain scale, and what
falls beyond 0 or 1 stays there: with the range [0, high] the link is absent altogether in 5 % of draws. A side without
width has no spread: of [p, high], half of the draws are p itself.

Numbers are drawn independently of each other. The states of one distribution (of a risk factor, or of a cause) are then
weighed together, so that they are a distribution again: each weighs so much that it would have the number drawn if it
alone had been drawn, the others scaled in proportion. Leaks and links stay leaks and links, so every draw is a leaky
noisy-OR.

Independent draws say nothing of judgements that were wrong together, such as all links of one finding: where that is
likely, intervals are too narrow.

Every draw of the numbers is a model of its own, and each answers exactly. What is between two quantiles of the answers
is the interval; the share of answers at each alarm level says how robust the alarm is. Draws in which the evidence is
impossible say nothing and are left out.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kneebayes.diagnosis.alarm import Assessment
from kneebayes.errors import OptionError, check_number
from kneebayes.inference import cores, one_thread
from kneebayes.inference.evidence import Evidence, Expanded, Floats
from kneebayes.inference.network import CompiledModel, Engine, Posteriors, VersionedCase
from kneebayes.inference.tables import ParameterVector
from kneebayes.spec.model_spec import LEVELS, ModelSpec
from kneebayes.spec.yaml_io import with_numbers
from kneebayes.templates import percent

if TYPE_CHECKING:
    import pandas as pd

DEVIATIONS = 1.6448536269514722  # of a normal distribution's 95 % quantile from its median
MIN_DRAWS = 20  # of which the 5 % and 95 % quantiles are still inside
MAX_DRAWS = 100_000  # of which the numbers of a model take some gigabytes, and no digit that is shown moves
FEW_CASES = 16  # up to which a case at a time under all draws is quicker than all cases a draw at a time
CHUNK_BYTES = 1 << 29  # of answers of all draws, before they become intervals; each lays the tables out anew
BLOCK = 128  # cases of which the answers of all draws fit a second-level cache
LEVEL_WORDS = {level: level.replace("_", " ") for level in LEVELS}


def draw(parameters: ParameterVector, n: int, *, seed: int) -> Floats:
    """Draw the numbers of a model from their plausible ranges, (n, P), in the order of `ParameterVector.names`.

    The same seed gives the same draws, and fewer draws the first of more.
    """
    check_number("seed", seed, whole=True, least=0)
    z = np.random.default_rng(seed).standard_normal((n, len(parameters.p)))
    return parameters.normalised(from_normal(z, parameters.p, parameters.low, parameters.high))


def plausible(model: ModelSpec, *, seed: int) -> ModelSpec:
    """Draw all numbers of a model anew from their plausible ranges: what else might be true.

    Each number is the first of `draw` for this seed. Its range is that of the model, stretched where it was drawn
    from outside; basis, version (``+plausible``) and provenance say what it is.
    """
    drawn = draw(CompiledModel(model).parameters, 1, seed=seed)[0].tolist()
    numbers = {}
    for (place, number), p in zip(model.probabilities(), drawn, strict=True):
        low, high = number.range
        basis = f"fitted: drawn from {low:.4g} to {high:.4g}, seed {seed}, was {number.p:.4g}; {number.basis}"
        changed = {"p": p, "range": (min(low, p), max(high, p)), "basis": basis}
        numbers[place] = number.model_copy(update=changed if p != number.p else {})
    said = f"all numbers drawn from their plausible ranges, seed {seed}"
    return with_numbers(model, numbers, "plausible", said)


def from_normal(z: Floats, p: Floats, low: Floats, high: Floats) -> Floats:
    """Turn standard normal numbers, (..., P), into draws from plausible ranges: p, low, high, (P,).

    p where z is 0, the ends of the range where z is its 5 % and 95 % quantile, and strictly rising between.
    """
    steps = np.abs(z) / DEVIATIONS
    drawn = np.broadcast_to(p, z.shape).copy()
    for end, side in ((low, z < 0), (high, z > 0)):
        with np.errstate(invalid="ignore"):
            inside = expit(logit(p) + (logit(end) - logit(p)) * steps)
        plain = np.clip(p + (end - p) * steps, 0.0, 1.0)
        moved = np.where(np.isfinite(logit(p)) & np.isfinite(logit(end)), inside, plain)
        drawn = np.where(side & (end != p), moved, drawn)
    return drawn


def interval_ends(drawn: Floats, level: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Find the low and high ends of intervals over the last axis, and the Monte Carlo standard errors of both.

    ``drawn`` gets sorted in place; NaN is no answer. An error is half the distance of the order statistics sqrt(n q
    (1 - q)) ranks on either side of the quantile q of n draws.
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


@dataclass(frozen=True, eq=False, repr=False)
class Uncertainty:
    """What the plausible ranges leave open of one case.

    Attributes
    ----------
    network : CompiledModel
        The compiled model.
    level : float
        Share of the draws within the intervals.
    draws, seed : int
        How many models were drawn, and how.
    posterior : ndarray, shape (columns,)
        By the model's own numbers.
    low, high : ndarray, shape (columns,)
        Ends of the intervals; NaN if the evidence is impossible in all draws.
    low_error, high_error : ndarray, shape (columns,)
        Monte Carlo standard errors of the ends, which shrink with the root of ``draws``.
    alarm : str
        Level of the alarm by the model's own numbers.
    shares : dict of str to float
        Share of draws at each level of the alarm, rules included.
    """

    network: CompiledModel
    level: float
    draws: int
    seed: int
    posterior: Floats
    low: Floats
    high: Floats
    low_error: Floats
    high_error: Floats
    alarm: str
    shares: dict[str, float]

    @property
    def robust(self) -> bool:
        """Whether the alarm is the same in at least ``level`` of the draws."""
        return self.shares[self.alarm] >= self.level

    @property
    def sentence(self) -> str:
        """What the draws say of the alarm."""
        rest = [(name, share) for name, share in reversed(self.shares.items()) if name != self.alarm and share > 0]
        others = [f"{LEVEL_WORDS[name]} in {percent(share)}" for name, share in rest]
        same = f"{LEVEL_WORDS[self.alarm]} in {percent(self.shares[self.alarm])} of {self.draws} plausible models"
        said = "; ".join([same, *others])
        return f"The alarm is robust: {said}." if self.robust else f"The alarm is NOT robust: {said}."

    def frame(self) -> pd.DataFrame:
        """Give the intervals as a table.

        Returns
        -------
        pandas.DataFrame
            A row per column of the posteriors: ``posterior``, ``low``, ``high``, ``low_error``, ``high_error``. The
            ``attrs`` have ``level``, ``draws``, ``seed``, ``alarm``, ``alarm_shares``, ``robust`` and ``sentence``.
        """
        import pandas as pd

        names = ("posterior", "low", "high", "low_error", "high_error")
        table = pd.DataFrame({name: getattr(self, name) for name in names}, index=list(self.network.columns))
        own = {name: getattr(self, name) for name in ("level", "draws", "seed", "alarm", "robust", "sentence")}
        table.attrs.update(own, alarm_shares=self.shares)
        return table

    def __repr__(self) -> str:
        return f"<uncertainty: {self.sentence}>"

    def __str__(self) -> str:
        labels = [self.network.model.label_of(name) for name in self.network.columns]
        width = max(map(len, labels))
        rows = sorted(zip(labels, self.posterior, self.low, self.high, strict=True), key=lambda r: -r[1])
        lines = [
            f"  {label:<{width}}  {percent(p):>6}  {percent(low):>6} to {percent(high):>6}"
            for label, p, low, high in rows
        ]
        error = max(np.nanmax(self.low_error, initial=0.0), np.nanmax(self.high_error, initial=0.0))
        head = f"Posterior and {percent(self.level)} interval over the plausible ranges of the model's numbers"
        return "\n".join([head, *lines, f"Monte Carlo error of an end: at most {percent(error)}.", self.sentence])


def uncertainty(assessed: Assessment, *, level: float = 0.9, draws: int = 1000, seed: int = 0) -> Uncertainty:
    """Carry the plausible ranges through exact inference, for one case; see `batch_uncertainty`."""
    batch = batch_uncertainty(assessed, level=level, draws=draws, seed=seed, engine="numpy")
    ends = batch.low[0], batch.high[0], batch.low_error[0], batch.high_error[0]
    alarm, shares = LEVELS[assessed.levels[0]], dict(zip(LEVELS, batch.shares[0].tolist(), strict=True))
    network, posterior = assessed.assessor.network, assessed.posteriors.values[0]
    return Uncertainty(network, level, draws, seed, posterior, *ends, alarm, shares)


@dataclass(frozen=True, eq=False)
class BatchUncertainty:
    """What the plausible ranges leave open of n cases.

    Ends of the intervals and their Monte Carlo standard errors, (n, columns); ``shares``, (n, levels), of the draws
    at each level of the alarm; and ``levels``, (n,), those by the model's own numbers, as places in `LEVELS`.
    """

    low: Floats
    high: Floats
    low_error: Floats
    high_error: Floats
    shares: Floats
    levels: NDArray[np.int8]

    @property
    def robust(self) -> Floats:
        """Share of draws at the very alarm level of the model's own numbers, (n,)."""
        robust: Floats = np.where(np.arange(len(LEVELS)) == self.levels[:, None], self.shares, 0.0).sum(axis=1)
        return robust

    @property
    def graver(self) -> Floats:
        """Share of draws at a graver one, (n,)."""
        graver: Floats = np.where(np.arange(len(LEVELS)) > self.levels[:, None], self.shares, 0.0).sum(axis=1)
        return graver

    def columns(self) -> list[Floats]:
        """List what there is to write of each case: low and high end of each column, ``robust`` and ``graver``."""
        ends = [np.ascontiguousarray(end) for pair in zip(self.low.T, self.high.T, strict=True) for end in pair]
        return [*ends, self.robust, self.graver]


def batch_uncertainty(
    assessed: Assessment, *, level: float = 0.9, draws: int = 200, seed: int = 0, engine: Engine = "auto"
) -> BatchUncertainty:
    """Carry the plausible ranges through exact inference, for many cases, all under the same draws.

    Cases are taken in chunks, so that memory grows by the result only; those with the same codes are answered once.
    "numpy" takes a case at a time under all draws, "numba" all cases a draw at a time; they agree but for rounding.
    """
    check_number("level", level)
    check_number("draws", draws, whole=True)
    if not 0.0 < level < 1.0:
        raise OptionError(f"intervals at level {level:g}: give a share between 0 and 1, such as 0.9")
    if draws < MIN_DRAWS:
        raise OptionError(f"{draws} draws are too few for an interval: at least {MIN_DRAWS}")
    if draws > MAX_DRAWS:
        raise OptionError(f"{draws:,} draws are more than an interval can use: at most {MAX_DRAWS:,}")
    network, cause, evidence = assessed.assessor.network, assessed.assessor.column, assessed.evidence
    parameters, floor, alike = network.parameters, assessed.floor, np.arange(evidence.n)
    if not evidence.soft:  # many tables ask little, and the same of many
        _, first_of, alike = np.unique(evidence.codes, axis=1, return_index=True, return_inverse=True)
        alike = alike.ravel()  # NumPy 2.0 gives it two dimensions
        evidence, floor = evidence[first_of], floor[first_of]
    n = evidence.n
    values = draw(parameters, draws, seed=seed)
    ends, shares = np.empty((4, n, len(network.columns))), np.empty((n, len(LEVELS)))
    few = engine == "numpy" or (engine == "auto" and n <= FEW_CASES)
    answer = _by_case if few else _by_draw
    step = max(1, CHUNK_BYTES // (8 * draws * len(network.columns)))
    drawn = np.empty((draws, min(n, step), len(network.columns)))  # one for all chunks: new memory costs time
    with ThreadPoolExecutor(cores()) as pool:
        portions = (own for first in range(0, n, step) for own in evidence[first : first + step].portions())
        start = 0
        for portion in portions:
            cases = start + answer(parameters, values, portion, drawn, pool)
            start += portion.n

            def summarise(first: int, cases: NDArray[np.intp] = cases) -> None:
                own = cases[first : first + BLOCK]
                answers = np.ascontiguousarray(np.moveaxis(drawn[:, first : first + len(own)], 0, -1))
                counts = ~np.isnan(answers[:, cause])
                levels = assessed.thresholds.levels(np.where(counts, answers[:, cause], 0.0))
                found = np.maximum(levels, floor[own, None])
                whole = np.maximum(1, counts.sum(axis=1))
                for place in range(len(LEVELS)):
                    shares[own, place] = ((found == place) & counts).sum(axis=1) / whole
                ends[:, own] = interval_ends(answers, level)

            list(pool.map(summarise, range(0, portion.n, BLOCK)))
    low, high, low_error, high_error = (end[alike] for end in ends)
    return BatchUncertainty(low, high, low_error, high_error, shares[alike], assessed.levels)


def under(parameters: ParameterVector, values: Floats, expanded: Expanded) -> Posteriors:
    """Posteriors of many cases under other numbers of the model, (P,), by compiled code."""
    network = parameters.network.with_numbers(values)
    return expanded.pooled(network.posteriors(Evidence(expanded.codes), engine="numba"))


def _by_case(
    parameters: ParameterVector, values: Floats, evidence: Evidence, drawn: Floats, _: ThreadPoolExecutor
) -> NDArray[np.intp]:
    """Answer each case under all draws, into the first of (draws, n, columns), and say which case each is."""
    with one_thread():  # the products are small: threads would wait for each other
        for i in range(evidence.n):
            drawn[:, i] = VersionedCase(parameters.network, evidence[[i]]).posteriors(values)[0]
    return np.arange(evidence.n)


def _by_draw(
    parameters: ParameterVector, values: Floats, evidence: Evidence, drawn: Floats, pool: ThreadPoolExecutor
) -> NDArray[np.intp]:
    """Answer all cases under each draw, likewise, a draw on each core."""
    network, expanded = parameters.network, evidence.expanded()
    batch = network.batch(expanded.codes)
    is_sure, back = len(batch.order) == evidence.n, np.argsort(batch.order)

    def work(d: int) -> None:
        found = network.with_numbers(values[d]).posteriors_of(batch)
        if not is_sure:
            whole = replace(found, values=found.values[back], log_evidence=found.log_evidence[back])
            found = expanded.pooled(whole)
        drawn[d, : evidence.n] = found.values

    list(pool.map(work, range(len(values))))
    return batch.order if is_sure else np.arange(evidence.n)
