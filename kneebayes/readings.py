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

For the others the odds of the cause in a reading are bounded, so that one which
can't reach the next threshold is not computed. Taking signs back multiplies
P(evidence, state of everything else) by a ratio r of that state, and so the odds of
the cause by ``E(r | cause) / E(r | no cause)``. Above, that is at most the largest r.
Below, it is at least ``q + (1 - q) * (the smallest r)``, with r = 1 where none of the
other causes that the signs speak for is there, and q the probability of that,
at least ``1 - sum(P(other)) / P(no cause)``, by the posteriors that are known already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference import UNKNOWN, Engine, Network
from kneebayes.likelihood import Unsure, unsure_posteriors
from kneebayes.tables import Component

__all__ = ["Readings"]

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
MAX_TAKEN_BACK = 12
PAIRS = 1 << 17
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class _Sign:
    """A sign that may lower the cause.

    ``held`` is 1 for each state that is the sign, then 0 for unknown, -1; ``instead`` is what takes it back;
    ``others`` tells the causes but the alarm's that it speaks for, and ``log_most`` and ``least`` the extremes of r.
    """

    row: int
    held: NDArray[np.int64]
    instead: int
    others: NDArray[np.bool_]
    log_most: float
    least: float


class _Ways(NamedTuple):
    """Ways to take signs back: which, as bits, the causes they speak for, (causes, ways), and the extremes of r."""

    back: NDArray[np.int64]
    others: Floats
    log_most: Floats
    least: Floats


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
        self._known_ways: dict[int, _Ways] = {}

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
        causes: Floats | None = None,
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
        causes : ndarray, shape (n, causes), optional
            Posteriors of all causes: they spare most readings.
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
        case, back = self._pairs(codes, probability, worth, causes)
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

    def _pairs(
        self, codes: Codes, probability: Floats, worth: Floats, causes: Floats | None
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
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
        order = np.argsort(signs, kind="stable")
        order = order[signs[order] > 0]
        present, first = np.unique(signs[order], return_index=True)
        for own, bits in zip(np.split(order, first)[1:], present.tolist(), strict=True):
            ways = self._ways(bits)
            if causes is None:
                none = np.zeros((len(own), len(ways.back)))
            else:
                none = np.maximum(0.0, 1.0 - causes[own] @ ways.others / (1.0 - probability[own, None]))
            with np.errstate(divide="ignore"):
                reach = ways.log_most - np.log(none + (1.0 - none) * ways.least)
            which, way = np.nonzero(reach + ROUNDING >= needed[own, None])
            cases.append(own[which])
            backs.append(ways.back[way])
        if not cases:
            return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.int64)
        return np.concatenate(cases), np.concatenate(backs)

    def _ways(self, present: int) -> _Ways:
        """List the ways to take back some of the signs that are present, worked out once."""
        if present not in self._known_ways:
            places = [place for place in range(len(self._signs)) if present >> place & 1]
            places = sorted(places, key=lambda place: -self._signs[place].log_most)[:MAX_TAKEN_BACK]
            back, others = np.zeros(1, dtype=np.int64), np.zeros((1, len(self.network.model.causes)), dtype=bool)
            log_most, least = np.zeros(1), np.ones(1)
            for sign, place in ((self._signs[place], place) for place in places):
                back = np.concatenate([back, back | 1 << place])
                others = np.concatenate([others, others | sign.others])
                log_most = np.concatenate([log_most, log_most + sign.log_most])
                least = np.concatenate([least, least * sign.least])
            self._known_ways[present] = _Ways(back[1:], others[1:].T.astype(float), log_most[1:], least[1:])
        return self._known_ways[present]


def _moved(answer: Unsure, own: NDArray[np.intp]) -> Unsure:
    return Unsure(answer.row, np.flatnonzero(np.isin(own, answer.cases)), answer.likelihood)


def _doubtful(network: Network) -> list[_Sign]:
    """Find the signs that may lower the cause, with the extremes of what taking them back does."""
    model, tables = network.model, network.tables
    place = list(model.causes).index(model.alarm.cause)
    there, alone = network.joint_states[:, place] > 0, np.arange(len(model.causes)) == place
    doubtful = []
    for name, states in model.alarm_signs.items():
        row = network.variables.index(name)
        held = np.array([*(state in states for state in model.variables[name].states), False], dtype=np.int64)
        if name in model.findings:
            f = list(model.findings).index(name)
            present = 1.0 - tables.absent[f]
            if present[there].min() >= present[~there].max():
                continue
            others = (tables.absent_links[f] != 1.0).any(axis=1) & ~alone
            now, before = present[None], tables.absent[[f]]
            most, least = _extremes(now, before, there)[0], _extremes(now, before, ~there)[1]
            doubtful.append(_Sign(row, held, 0, others, most, least))
            continue
        instead = 0 if len(model.variables[name].states) == 2 else UNKNOWN
        component = next(c for c in (tables.base, *tables.components) if row in c.rows)
        pairs = [_patterns_with(component, row, code, instead) for code in np.flatnonzero(held).tolist()]
        if component.targets == (place,) and all(_raises(now, before) for now, before in pairs):
            continue
        others = np.isin(np.arange(len(model.causes)), component.targets) & ~alone
        both = [_extremes(now, before) for now, before in pairs]
        doubtful.append(_Sign(row, held, instead, others, max(m for m, _ in both), min(x for _, x in both)))
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


def _extremes(now: Floats, before: Floats, which: slice | NDArray[np.bool_] = slice(None)) -> tuple[float, float]:
    """Logarithm of the largest and value of the smallest ratio, against that of the first column: nothing there."""
    if not len(now):
        return 0.0, 1.0  # nobody can have the sign, or be without it
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = before / now
        if not (np.isfinite(ratio[:, 0]) & (ratio[:, 0] > 0)).all():
            return np.inf, 0.0  # no bound: a sign that is certain, or that has no other reason
        ratio = (ratio / ratio[:, :1])[:, which]
        return float(np.log(np.nanmax(ratio))), float(np.nanmin(ratio))
