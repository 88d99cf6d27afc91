"""The numbers of a model as coins to learn, each with a prior from its range.

Every leak, link and split of the model file is a coin whose range says how
sure it is. Its prior is the Beta distribution with mean p and a standard
deviation of a 3.29th of the range's width, so that about 90 % of it lie within
the range. It counts like k = p (1 - p) / sd^2 - 1 cases (at least 1, and times
the prior weight) in which the coin fell as p says.

The estimate is the mode in log-odds. There the mode of the prior is p itself,
so without cases nothing moves, and after falling S of N times it is
(S + k p) / (N + k). The states of a split, or of a risk factor, share one
Dirichlet prior that is as sure as the least sure of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kneebayes.model import ModelFile

__all__ = ["Coins"]

Floats = NDArray[np.float64]
WIDTH_IN_DEVIATIONS = 3.29  # of the range that holds 90 % of a normal distribution
LEAST_CASES = 1.0  # what a number counts for, however wide its range
EDGE = 1e-12  # how near a coin that is not sure may come to being sure
SHARED = ("split", "prior")


class Coins:
    """The numbers that are learned, in the order of the model file.

    A number without a range, or of 0 or 1, is sure and stays.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    prior_weight : float
        How much more the model file counts than its ranges say.
    risk_factors : bool
        Whether the priors of risk factors are among them.

    Attributes
    ----------
    places : tuple of str
        As from `ModelFile.probabilities`.
    start, cases : ndarray
        p of each, and how many cases its prior counts for.
    """

    def __init__(self, model: ModelFile, prior_weight: float = 1.0, *, risk_factors: bool = False) -> None:
        wanted = {
            place: number
            for place, number in model.probabilities()
            if 0 < number.p < 1 and (risk_factors or not place.startswith("risks."))
        }
        sure = {_shared(place) for place, number in wanted.items() if number.range[0] == number.range[1]}
        self.model = model
        self.numbers = {place: n for place, n in wanted.items() if _shared(place) not in sure}
        self.places = tuple(self.numbers)
        self.start = np.array([number.p for number in self.numbers.values()])
        width = np.array([number.range[1] - number.range[0] for number in self.numbers.values()])
        deviation = width / WIDTH_IN_DEVIATIONS
        self.cases = np.maximum(self.start * (1.0 - self.start) / deviation**2 - 1.0, LEAST_CASES) * prior_weight
        places: dict[str, list[int]] = {}
        for i, place in enumerate(self.places):
            places.setdefault(_shared(place), []).append(i)
        self._shared = [np.array(members) for name, members in places.items() if name.endswith(SHARED)]
        for members in self._shared:
            self.cases[members] = self.cases[members].min()
        self._alone = np.ones(len(self.places), dtype=bool)
        for members in self._shared:
            self._alone[members] = False

    def log_prior(self, p: Floats) -> float:
        """Compute the logarithm of the prior density in log-odds, up to a constant.

        Parameters
        ----------
        p : ndarray
            The numbers, in the order of ``places``.

        Returns
        -------
        float
            Highest where p is ``start``.
        """
        weight = self.cases * self.start
        total = float(weight @ np.log(p))
        total += float(((self.cases - weight) * np.log1p(-p))[self._alone].sum())
        for members in self._shared:
            left, left_before = 1.0 - p[members].sum(), 1.0 - self.start[members].sum()
            if left_before > 0:
                total += float(self.cases[members[0]] * left_before * np.log(left))
        return total

    def update(self, p: Floats, acted: Floats, tried: Floats) -> Floats:
        """Find the mode of the posterior, given trials.

        Parameters
        ----------
        p : ndarray
            The numbers as they were: they stay where nothing speaks for another.
        acted, tried : ndarray
            Trials of each.

        Returns
        -------
        ndarray
            The numbers.
        """
        whole = tried + self.cases
        mode: Floats = np.divide(acted + self.cases * self.start, whole, out=p.copy(), where=whole > 0)
        np.clip(mode, EDGE, 1.0 - EDGE, out=mode)
        return mode

    def allowed(self, p: Floats) -> bool:
        """Tell whether numbers make a model: whether the states of each distribution leave some for the last.

        Parameters
        ----------
        p : ndarray
            The numbers.

        Returns
        -------
        bool
            False also where one is 0 or 1.
        """
        inside = bool(((p > 0) & (p < 1)).all())
        return inside and all(p[members].sum() <= 1.0 for members in self._shared)


def _shared(place: str) -> str:
    """Name the distribution that a number belongs to; a coin of its own is its own."""
    before, _, _ = place.rpartition(".")
    return before if before.endswith(SHARED) else place
