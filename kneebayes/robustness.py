"""How sure the posteriors and alarms of many cases are; `kneebayes.uncertainty` does the same for one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.alarm import AlarmRules, Thresholds
from kneebayes.cores import cores
from kneebayes.draws import draw, interval_ends
from kneebayes.inference import Engine
from kneebayes.likelihood import Spread, Unsure, favoured, within
from kneebayes.parameters import Parameters, parameters_of
from kneebayes.uncertainty import alarm_levels, check_draws
from kneebayes.variants import Case

__all__ = ["BatchUncertainty", "batch_uncertainty"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
FEW_CASES = 16  # up to which a case at a time under all draws is quicker than all cases a draw at a time
CHUNK_BYTES = 1 << 27  # of answers of all draws, before they become intervals


@dataclass(frozen=True, eq=False)
class BatchUncertainty:
    """What the plausible ranges leave open of n cases.

    Attributes
    ----------
    low, high : ndarray, shape (n, columns)
        Ends of the intervals.
    low_error, high_error : ndarray, shape (n, columns)
        Monte Carlo standard errors of the ends.
    robust : ndarray, shape (n,)
        Share of draws at the very alarm level of the model's own numbers.
    graver : ndarray, shape (n,)
        Share of draws at a graver one.
    """

    low: Floats
    high: Floats
    low_error: Floats
    high_error: Floats
    robust: Floats
    graver: Floats

    def columns(self) -> list[Floats]:
        """List what there is to write of each case.

        Returns
        -------
        list of ndarray, shape (n,)
            Low and high end of each column of the posteriors in turn, then ``robust`` and ``graver``.
        """
        ends = [np.ascontiguousarray(end) for pair in zip(self.low.T, self.high.T, strict=True) for end in pair]
        return [*ends, self.robust, self.graver]


def batch_uncertainty(
    rules: AlarmRules,
    codes: Codes,
    unsure: Sequence[Unsure],
    thresholds: Thresholds,
    probability: Floats,
    *,
    level: float = 0.9,
    draws: int = 200,
    seed: int = 0,
    engine: Engine = "auto",
) -> BatchUncertainty:
    """Carry the plausible ranges through exact inference, for many cases.

    Memory does not grow with the number of cases but for the result: cases are
    taken in chunks, each under all draws.

    Parameters
    ----------
    rules : AlarmRules
        The alarm of the compiled model.
    codes : ndarray of int8, shape (variables, n)
        What is known for sure.
    unsure : sequence of Unsure
        What is given as likelihoods.
    thresholds : Thresholds
        Of the alarm.
    probability : ndarray, shape (n,)
        Posterior of the alarm's cause by the model's own numbers.
    level, draws, seed
        As for `kneebayes.uncertainty.uncertainty`. All cases are asked under the same draws.
    engine : {"auto", "numpy", "numba"}
        ``"numpy"`` takes a case at a time under all draws, ``"numba"`` all
        cases a draw at a time; they agree but for rounding.

    Returns
    -------
    BatchUncertainty
        One row per case, whatever the other cases of the batch.

    Raises
    ------
    OptionError
        If level or draws are out of range.
    """
    check_draws(level, draws)
    n, network = codes.shape[1], rules.network
    parameters = parameters_of(network)
    values = draw(parameters, draws, seed=seed)
    floor = rules.floor(favoured(codes, unsure), probability, thresholds, sure=codes, unsure=unsure, engine=engine)
    reported = alarm_levels(probability, floor, thresholds)
    ends = np.empty((4, n, len(network.columns)))
    robust, graver = np.empty(n), np.empty(n)
    few = engine == "numpy" or (engine == "auto" and n <= FEW_CASES)
    step = max(1, CHUNK_BYTES // (8 * draws * len(network.columns)))
    for start in range(0, n, step):
        part = slice(start, min(n, start + step))
        own = within(unsure, part)
        answer = _by_case if few else _by_draw
        drawn = answer(parameters, values, np.ascontiguousarray(codes[:, part]), own)
        found = alarm_levels(drawn[:, rules.column], floor[part, None], thresholds)
        counts = ~np.isnan(drawn[:, rules.column])
        whole = np.maximum(1, counts.sum(axis=1))
        robust[part] = ((found == reported[part, None]) & counts).sum(axis=1) / whole
        graver[part] = ((found > reported[part, None]) & counts).sum(axis=1) / whole
        ends[:, part] = interval_ends(drawn, level)
    low, high, low_error, high_error = ends
    return BatchUncertainty(low, high, low_error, high_error, robust, graver)


def _by_case(parameters: Parameters, values: Floats, codes: Codes, unsure: Sequence[Unsure]) -> Floats:
    """Answer each case under all draws, shape (n, columns, draws)."""
    answers = [
        Case(parameters, codes[:, i], [u for u in unsure if i in u.cases]).posteriors(values)[0].T
        for i in range(codes.shape[1])
    ]
    return np.stack(answers)


def _by_draw(parameters: Parameters, values: Floats, codes: Codes, unsure: Sequence[Unsure]) -> Floats:
    """Answer all cases under each draw, on all cores, shape (n, columns, draws)."""
    from kneebayes.renumbering import renumbering_of  # here, because numba takes a while to import

    renumbering = renumbering_of(parameters)
    spread = Spread.of(codes, unsure) if unsure else None
    drawn = np.empty((codes.shape[1], len(parameters.network.columns), len(values)))

    def work(d: int) -> None:
        if spread is None:
            drawn[:, :, d] = renumbering.posteriors(values[d], codes).values
        else:
            drawn[:, :, d] = spread.pooled(renumbering.posteriors(values[d], spread.codes)).values

    workers = cores()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(len(values))))
    return drawn
