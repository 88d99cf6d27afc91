"""Other readings of a case: the same answers with some signs of the alarm's cause taken back.

In a Bayesian network a sign can lower the very cause it speaks for, where it
speaks even more for another one that explains the rest (explaining away).
That is right for a probability and wrong for an alarm. So the alarm looks at
every reading of a case in which some of its signs are taken back (*absent*;
*unknown* where a variable has more than two states) and takes the gravest.
This is the mildest alarm that no sign can make milder: what a reading without
the sign asks for, the case with the sign has among its own readings.

A sign that cannot lower the cause, whatever else is known, need not be taken
back. That is proved for each sign from the model's tables:

- a finding f, if ``min P(f | cause, others) >= max P(f | no cause, others)``
  over all states of the other causes: its likelihood ratio is over 1 then;
- a risk factor, if its group triggers no other cause, and triggers this one
  no less often with the sign than without it.

For the others the tables bound the odds of the cause in a reading, so that a
reading which can't reach the next threshold is not computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference import UNKNOWN, Engine, Network
from kneebayes.likelihood import Unsure, unsure_posteriors
from kneebayes.tables import Component
from kneebayes.variables import RiskFactor

__all__ = ["Readings"]

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
MAX_TAKEN_BACK = 12
PAIRS = 1 << 17
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class _Sign:
    """A sign that may lower the cause: where it stands, what takes it back, and by how much odds may rise then.

    ``held`` is 1 for each state that is the sign, then 0 for unknown, -1.
    """

    row: int
    held: NDArray[np.int64]
    instead: int
    log_bound: float


class Readings:
    """The readings of cases under one model.

    Parameters
    ----------
    network : Network
        The compiled model; its alarm names the cause and the signs.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.column = network.columns.index(network.model.alarm.cause)
        self._signs = _doubtful(network)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Signs that can lower the cause, or can't be proved not to, by variable name."""
        return tuple(self.network.variables[sign.row] for sign in self._signs)

    def gravest(
        self,
        codes: Codes,
        probability: Floats,
        worth: Floats,
        *,
        unsure: Sequence[Unsure] = (),
        engine: Engine = "auto",
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Find the reading of each case with the highest probability of the alarm's cause.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The sure evidence.
        probability : ndarray, shape (n,)
            Posterior of the alarm's cause.
        worth : ndarray, shape (n,)
            Probability that a reading must reach to matter; readings that
            can't are not computed. Infinite for a case without interest.
        unsure : sequence of Unsure
            Unsure answers, kept in every reading.
        engine : {"auto", "numpy", "numba"}
            As for `Network.posteriors`.

        Returns
        -------
        ndarray, shape (n,)
            The highest probability over the case and its readings, as far as
            they matter. A case with more than 12 doubtful signs takes back at
            most 12 of them, those that may matter most.
        ndarray of int64, shape (n,)
            Which of ``doubtful`` the gravest reading takes back, as bits; 0
            for the case as it is.
        """
        best, taken = probability.copy(), np.zeros(len(probability), dtype=np.int64)
        case, back = self._pairs(codes, probability, worth)
        for start in range(0, len(case), PAIRS):
            part = slice(start, start + PAIRS)
            own, bits = case[part], back[part]
            trial = codes[:, own]
            for place, sign in enumerate(self._signs):
                trial[sign.row, (bits >> place & 1).astype(bool)] = sign.instead
            moved = [_moved(answer, own) for answer in unsure]
            found = unsure_posteriors(self.network, trial, moved, engine=engine).values[:, self.column]
            found = np.where(np.isnan(found), 0.0, found)  # a reading that the model holds impossible
            before = best[own]
            np.maximum.at(best, own, found)
            graver = (found > before) & (found == best[own])
            taken[own[graver]] = bits[graver]
        return best, taken

    def names(self, taken: int) -> list[str]:
        """Name the signs that a reading takes back.

        Parameters
        ----------
        taken : int
            Bits, as `gravest` gives them.

        Returns
        -------
        list of str
            Variables.
        """
        return [name for place, name in enumerate(self.doubtful) if taken >> place & 1]

    def _pairs(self, codes: Codes, probability: Floats, worth: Floats) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """List the readings that may matter: the case, and the signs taken back as bits."""
        cases: list[NDArray[np.intp]] = []
        backs: list[NDArray[np.int64]] = []
        signs = np.zeros(codes.shape[1], dtype=np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.log(worth / (1.0 - worth)) - np.log(probability / (1.0 - probability))
        open_ = np.isfinite(needed) & (worth > probability)
        for place, sign in enumerate(self._signs):
            signs |= sign.held[codes[sign.row]] << place
        signs[~open_] = 0
        for present in np.unique(signs[signs > 0]).tolist():
            places = [place for place in range(len(self._signs)) if present >> place & 1]
            places = sorted(places, key=lambda place: -self._signs[place].log_bound)[:MAX_TAKEN_BACK]
            subsets, reach = np.zeros(1, dtype=np.int64), np.zeros(1)
            for place in places:
                subsets = np.concatenate([subsets, subsets | 1 << place])
                reach = np.concatenate([reach, reach + self._signs[place].log_bound])
            own = np.flatnonzero(signs == present)
            which, back = np.nonzero(reach[None, 1:] + ROUNDING >= needed[own, None])
            cases.append(own[which])
            backs.append(subsets[1 + back])
        if not cases:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int64)
        return np.concatenate(cases), np.concatenate(backs)


def _moved(answer: Unsure, own: NDArray[np.intp]) -> Unsure:
    return Unsure(answer.row, np.flatnonzero(np.isin(own, answer.cases)), answer.likelihood)


def _doubtful(network: Network) -> list[_Sign]:
    """Find the signs that may lower the cause, with a bound on how far taking them back may raise its odds."""
    model, tables = network.model, network.tables
    place = list(model.causes).index(model.alarm.cause)
    there = network.joint_states[:, place] > 0
    doubtful = []
    for name, states in model.alarm_signs.items():
        row = network.variables.index(name)
        held = np.array([*(state in states for state in model.variables[name].states), False], dtype=np.int64)
        if name in model.findings:
            absent = tables.absent[list(model.findings).index(name)]
            present = 1.0 - absent
            if present[there].min() >= present[~there].max():
                continue
            with np.errstate(divide="ignore"):
                bound = (absent / present)[there].max() * (present / absent)[~there].max()
            doubtful.append(_Sign(row, held, 0, float(np.log(bound))))
            continue
        risk = model.variables[name]
        assert isinstance(risk, RiskFactor)  # the model file allows no cause among the signs
        instead = 0 if len(risk.states) == 2 else UNKNOWN
        component = next(c for c in (tables.base, *tables.components) if row in c.rows)
        pairs = [_patterns_with(component, row, code, instead) for code in np.flatnonzero(held).tolist()]
        if component.targets == (place,) and all(_raises(now, before) for now, before in pairs):
            continue
        log_bound = max(_log_bound(now, before) for now, before in pairs)
        doubtful.append(_Sign(row, held, instead, log_bound))
    return doubtful


def _patterns_with(component: Component, row: int, code: int, instead: int) -> tuple[Floats, Floats]:
    """Rows of a component's table with a sign, and the same with the sign taken back."""
    digit = component.rows.index(row)
    shaped = component.trigger.reshape(*component.radix, -1)
    size = component.trigger.shape[1]
    now = shaped.take([code], axis=digit).reshape(-1, size)
    before = shaped.take([instead], axis=digit).reshape(-1, size)  # the last digit is unknown, -1
    possible = (now.sum(axis=1) > 0) & (before.sum(axis=1) > 0)
    return now[possible], before[possible]


def _raises(now: Floats, before: Floats) -> bool:
    share_now, share_before = (part[:, 1] / part.sum(axis=1) for part in (now, before))
    return bool((share_now >= share_before - ROUNDING).all())


def _log_bound(now: Floats, before: Floats) -> float:
    """Bound the logarithm of how much odds may rise: by the spread of the ratios of what is triggered."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(before) - np.log(now)
    return float((np.nanmax(ratio, axis=1) - np.nanmin(ratio, axis=1)).max(initial=0.0))  # none if it is impossible
