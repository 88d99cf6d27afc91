"""Which numbers matter over many cases: sensitivity functions of each, and their averages."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.alarm import AlarmRules, Thresholds
from kneebayes.cores import cores
from kneebayes.errors import CaseError
from kneebayes.inference import Engine
from kneebayes.likelihood import Spread, Unsure, favoured, unsure_posteriors, within
from kneebayes.parameters import Parameters, parameters_of
from kneebayes.sensitivity import Functions, check_target, functions
from kneebayes.uncertainty import alarm_levels
from kneebayes.variants import Case

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["influence"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
FEW_CASES = 24  # up to which a case at a time for all numbers is quicker than all cases a number at a time
CHUNK_CASES = 1 << 17


@dataclass(frozen=True, eq=False)
class _Cases:
    """Cases of a chunk, and what their alarm is without any probability."""

    codes: Codes
    unsure: list[Unsure]
    floor: NDArray[np.int8]


def influence(
    rules: AlarmRules,
    codes: Codes,
    unsure: Sequence[Unsure],
    thresholds: Thresholds,
    target: str,
    *,
    engine: Engine = "auto",
) -> pd.DataFrame:
    """Average the sensitivity of a target to each number of the model over cases.

    Parameters
    ----------
    rules : AlarmRules
        The alarm of the compiled model.
    codes : ndarray of int8, shape (variables, n)
        What is known for sure; every case is possible.
    unsure : sequence of Unsure
        What is given as likelihoods.
    thresholds : Thresholds
        Of the alarm.
    target : str
        A cause, ``none_of_these``, or a state such as ``bakers_cyst_ruptured``.
    engine : {"auto", "numpy", "numba"}
        ``"numpy"`` takes a case at a time, ``"numba"`` a number at a time; they
        agree but for rounding.

    Returns
    -------
    pandas.DataFrame
        A row per number, by its place in the model file, the greatest mean
        swing first: ``p``, ``low``, ``high``; ``posterior_low`` and
        ``posterior_high``, the mean posterior with the number at the ends of
        its range; ``swing``, the mean distance of the two in a case, and
        ``largest_swing``; ``derivative``, its mean at p; ``leader_changes``
        and ``alarm_changes``, the share of cases in which another cause leads,
        or the alarm is at another level, somewhere in the range; ``why``.

    Raises
    ------
    UnknownNameError
        If there is no such target.
    CaseError
        If there are no cases.
    """
    import pandas as pd

    network = rules.network
    check_target(network, target)
    n = codes.shape[1]
    if not n:
        raise CaseError("no cases to average over: give a frame with rows")
    parameters, column = parameters_of(network), network.columns.index(target)
    probability = unsure_posteriors(network, codes, unsure, engine=engine).values[:, rules.column]
    floor = rules.floor(favoured(codes, unsure), probability, thresholds, sure=codes, unsure=unsure, engine=engine)
    few = engine == "numpy" or (engine == "auto" and n <= FEW_CASES)
    total, largest = np.zeros((len(parameters.p), 6)), np.zeros(len(parameters.p))
    for start in range(0, n, CHUNK_CASES):
        part = slice(start, min(n, start + CHUNK_CASES))
        cases = _Cases(np.ascontiguousarray(codes[:, part]), within(unsure, part), floor[part])
        sums, most = (_by_case if few else _by_number)(parameters, cases, rules, thresholds, column)
        total += sums
        largest = np.maximum(largest, most)
    names = ("posterior_low", "posterior_high", "swing", "derivative", "leader_changes", "alarm_changes")
    table = pd.DataFrame(
        {"p": parameters.p, "low": parameters.low, "high": parameters.high}
        | dict(zip(names, (total / n).T, strict=True)),
        index=pd.Index(parameters.names, name="parameter"),
    )
    table.insert(6, "largest_swing", largest)
    table["why"] = [number.why for _, number in network.model.probabilities()]
    return table.sort_values("swing", ascending=False, kind="stable")


def _by_case(
    parameters: Parameters, cases: _Cases, rules: AlarmRules, thresholds: Thresholds, column: int
) -> tuple[Floats, Floats]:
    """Sum over cases, each asked for all numbers."""
    found = []
    for i in range(cases.codes.shape[1]):
        own = functions(parameters, Case(parameters, cases.codes[:, i], [u for u in cases.unsure if i in u.cases]))
        single = Functions(own.joint[:, :, None], own.evidence[:, :, None])
        found.append(_measures(parameters, slice(None), single, cases.floor[i : i + 1], rules, thresholds, column))
    measures = np.concatenate(found, axis=2)
    return measures.sum(axis=2).T, measures[2].max(axis=1)


def _by_number(
    parameters: Parameters, cases: _Cases, rules: AlarmRules, thresholds: Thresholds, column: int
) -> tuple[Floats, Floats]:
    """Sum over cases, each number asked for all cases to which it may matter."""
    from kneebayes.renumbering import renumbering_of  # here, because numba takes a while to import

    renumbering = renumbering_of(parameters)
    n, first = cases.codes.shape[1], len(parameters.network.variables) - len(parameters.leaks)
    now = unsure_posteriors(parameters.network, cases.codes, cases.unsure, engine="numba")
    spread = Spread.of(cases.codes, cases.unsure) if cases.unsure else Spread(cases.codes, np.ones(n), np.arange(n), n)
    informed = spread.codes[first:] >= 0
    sums, largest = np.zeros((len(parameters.p), 6)), np.zeros(len(parameters.p))
    finding = np.full(len(parameters.p), -1)
    for f in range(len(parameters.leaks)):
        finding[parameters.belongs_to(np.arange(len(parameters.leaks)) == f)] = f

    def work(i: int) -> None:
        known = informed[finding[i]] if finding[i] >= 0 else np.ones(len(spread.case), dtype=bool)
        joint, evidence = np.empty((1, 2, n, now.values.shape[1])), np.ones((1, 2, n))
        joint[:] = now.values
        rows = np.unique(spread.case[known])
        own = Spread(
            np.ascontiguousarray(spread.codes[:, known]),
            spread.weight[known],
            np.searchsorted(rows, spread.case[known]),
            len(rows),
        )
        for end in (0, 1) if len(rows) else ():
            found = own.pooled(renumbering.posteriors(parameters.moved(i, float(end)), own.codes))
            evidence[0, end, rows] = np.exp(found.log_evidence - now.log_evidence[rows])
            joint[0, end, rows] = np.nan_to_num(found.values) * evidence[0, end, rows, None]
        measures = _measures(
            parameters, slice(i, i + 1), Functions(joint, evidence), cases.floor, rules, thresholds, column
        )
        sums[i] = measures.sum(axis=2)[:, 0]
        largest[i] = measures[2].max()

    workers = cores()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(len(parameters.p))))
    return sums, largest


def _measures(
    parameters: Parameters,
    which: slice,
    own: Functions,
    floor: NDArray[np.int8],
    rules: AlarmRules,
    thresholds: Thresholds,
    column: int,
) -> Floats:
    """Measure some numbers in some cases, shape (measures, numbers, cases).

    A lead is linear in the number and the alarm's cause rises or falls all the
    way, so what holds at both ends of a range holds within it.
    """
    ranked = len(parameters.network.model.causes) + 1
    ends = [own.at(values[which], limit=True) for values in (parameters.p, parameters.low, parameters.high)]
    leader, *leaders = (end[..., :ranked].argmax(axis=-1) for end in ends)
    level, *levels = (alarm_levels(end[..., rules.column], floor, thresholds) for end in ends)
    low, high = ends[1][..., column], ends[2][..., column]
    return np.stack(
        [
            low,
            high,
            np.abs(high - low),
            own.derivatives()[..., column],
            (leaders[0] != leader) | (leaders[1] != leader),
            (levels[0] != level) | (levels[1] != level),
        ]
    )
