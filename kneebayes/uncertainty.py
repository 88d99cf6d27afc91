"""How sure a posterior is: the plausible ranges of the model's numbers carried through exact inference.

Every draw of the numbers (`kneebayes.draws`) is a model of its own, and each
answers exactly. What is between two quantiles of the answers is the interval;
the share of answers at each alarm level says how robust the alarm is. Draws in
which the evidence is impossible say nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.alarm import LEVELS, AlarmRules, Thresholds
from kneebayes.draws import draw, interval_ends
from kneebayes.errors import OptionError
from kneebayes.inference import Network
from kneebayes.likelihood import Unsure, favoured, unsure_posteriors
from kneebayes.parameters import parameters_of
from kneebayes.variants import Case

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Uncertainty", "alarm_levels", "check_draws", "uncertainty"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
LEAST_DRAWS = 20  # of which the 5 % and 95 % quantiles are still inside
LEVEL_WORDS = {level: level.replace("_", " ") for level in LEVELS}


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What the plausible ranges leave open of one case.

    Attributes
    ----------
    network : Network
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

    network: Network
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
        others = [f"{LEVEL_WORDS[name]} in {share:.0%}" for name, share in self._others() if share > 0]
        same = f"{LEVEL_WORDS[self.alarm]} in {self.shares[self.alarm]:.0%} of {self.draws} plausible models"
        said = "; ".join([same, *others])
        return f"The alarm is robust: {said}." if self.robust else f"The alarm is NOT robust: {said}."

    def frame(self) -> pd.DataFrame:
        """Give the intervals as a table.

        Returns
        -------
        pandas.DataFrame
            A row per column of the posteriors: ``posterior``, ``low``, ``high``,
            ``low_error``, ``high_error``. The ``attrs`` have ``level``,
            ``draws``, ``seed``, ``alarm``, ``alarm_shares``, ``robust`` and
            ``sentence``.
        """
        import pandas as pd

        names = ("posterior", "low", "high", "low_error", "high_error")
        table = pd.DataFrame({name: getattr(self, name) for name in names}, index=list(self.network.columns))
        own = {name: getattr(self, name) for name in ("level", "draws", "seed", "alarm", "robust", "sentence")}
        table.attrs.update(own, alarm_shares=self.shares)
        return table

    def __str__(self) -> str:
        labels = [self.network.model.label_of(name) for name in self.network.columns]
        width = max(map(len, labels))
        rows = sorted(zip(labels, self.posterior, self.low, self.high, strict=True), key=lambda r: -r[1])
        lines = [f"  {label:<{width}}  {p:6.1%}  {low:6.1%} to {high:6.1%}" for label, p, low, high in rows]
        error = max(np.nanmax(self.low_error, initial=0.0), np.nanmax(self.high_error, initial=0.0))
        head = f"Posterior and {self.level:.0%} interval over the plausible ranges of the model's numbers"
        return "\n".join([head, *lines, f"Monte Carlo error of an end: at most {error:.2%}.", self.sentence])

    def _others(self) -> list[tuple[str, float]]:
        return [(name, share) for name, share in reversed(self.shares.items()) if name != self.alarm]


def uncertainty(
    network: Network,
    codes: Codes,
    unsure: Sequence[Unsure],
    thresholds: Thresholds,
    *,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> Uncertainty:
    """Carry the plausible ranges through exact inference, for one case.

    Parameters
    ----------
    network : Network
        The compiled model.
    codes : ndarray of int8, shape (variables, 1)
        What is known for sure.
    unsure : sequence of Unsure
        What is given as likelihoods.
    thresholds : Thresholds
        Of the alarm.
    level : float, default 0.9
        Share of the draws within the intervals, between 0 and 1.
    draws : int, default 1000
        Models to draw, at least 20.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    Uncertainty
        Intervals, and shares of the alarm levels.

    Raises
    ------
    OptionError
        If level or draws are out of range.
    """
    check_draws(level, draws)
    parameters = parameters_of(network)
    drawn = Case(parameters, codes[:, 0], unsure).posteriors(draw(parameters, draws, seed=seed))[0].T
    posterior = unsure_posteriors(network, codes, unsure).values[0]
    rules = AlarmRules(network)
    said = favoured(codes, unsure)
    floor = rules.floor(said, posterior[[rules.column]], thresholds, sure=codes, unsure=unsure)
    own = drawn[rules.column][~np.isnan(drawn[rules.column])]
    found = np.bincount(alarm_levels(own, floor[0], thresholds), minlength=len(LEVELS)) / max(1, len(own))
    reported = alarm_levels(posterior[rules.column], floor[0], thresholds)
    return Uncertainty(
        network,
        level,
        draws,
        seed,
        posterior,
        *interval_ends(drawn.copy(), level),
        LEVELS[reported],
        dict(zip(LEVELS, found.tolist(), strict=True)),
    )


def check_draws(level: float, draws: int) -> None:
    """Refuse options out of range.

    Parameters
    ----------
    level : float
        Share of the draws within the intervals.
    draws : int
        How many draws.

    Raises
    ------
    OptionError
        If level is not between 0 and 1, or there are fewer than 20 draws.
    """
    if not 0.0 < level < 1.0:
        raise OptionError(f"intervals at level {level:g}: give a share between 0 and 1, such as 0.9")
    if draws < LEAST_DRAWS:
        raise OptionError(f"{draws} draws are too few for an interval: at least {LEAST_DRAWS}")


def alarm_levels(probability: Floats, floor: NDArray[np.int8] | np.int8, thresholds: Thresholds) -> NDArray[np.int8]:
    """Give alarm levels where those that are left whatever the probability are known.

    Parameters
    ----------
    probability : ndarray
        Of the alarm's cause.
    floor : ndarray of int8
        As `kneebayes.alarm.AlarmRules.floor` gives it; its shape fits that of ``probability``.
    thresholds : Thresholds
        Of the alarm.

    Returns
    -------
    ndarray of int8
        Places in `LEVELS`.
    """
    return np.maximum(thresholds.levels(probability), floor)
