"""From which probabilities the alarm's levels start."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import ThresholdError
from kneebayes.model import ModelFile

__all__ = ["LEVELS", "Thresholds"]

LEVELS = ("low", "not_assessed", "caution", "urgent", "emergency")


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from which the alarm is at caution and at urgent.

    Attributes
    ----------
    caution, urgent : float
        In (0, 1], caution not above urgent.

    Examples
    --------
    >>> Thresholds.from_harms(miss=49, false_alarm=1)
    Thresholds(caution=0.02, urgent=0.1)
    """

    caution: float
    urgent: float

    def __post_init__(self) -> None:
        if not 0 < self.caution <= self.urgent <= 1:
            raise ThresholdError(
                f"thresholds caution {self.caution:g} and urgent {self.urgent:g}: "
                "both must lie in (0, 1], caution not above urgent"
            )

    @classmethod
    def of(cls, model: ModelFile, *, caution: float | None = None, urgent: float | None = None) -> Thresholds:
        """Take the thresholds of a model file, except where the caller sets one.

        Parameters
        ----------
        model : ModelFile
            A checked model file.
        caution, urgent : float, optional
            The caller's own. A caution threshold over the model's urgent one
            takes that up with it.

        Returns
        -------
        Thresholds
            Checked.

        Raises
        ------
        ThresholdError
            If they lie outside (0, 1] or caution lies above urgent.
        """
        own = model.alarm.thresholds
        caution = own["caution"].p if caution is None else caution
        return cls(caution, max(own["urgent"].p, caution) if urgent is None else urgent)

    @classmethod
    def from_harms(cls, *, miss: float, false_alarm: float, urgent: float = 0.10) -> Thresholds:
        """Set the caution threshold where a miss and a false alarm weigh the same.

        Parameters
        ----------
        miss : float
            Harm of missing the cause, in any unit, over 0.
        false_alarm : float
            Harm of a false alarm, in the same unit, over 0.
        urgent : float, default 0.10
            The urgent threshold; raised to the caution threshold if that is higher.

        Returns
        -------
        Thresholds
            Caution at ``false_alarm / (false_alarm + miss)`` (Pauker and
            Kassirer 1975).

        Raises
        ------
        ThresholdError
            If a harm is not over 0.
        """
        if not (miss > 0 and false_alarm > 0 and np.isfinite([miss, false_alarm]).all()):
            raise ThresholdError(f"harms miss {miss:g} and false_alarm {false_alarm:g} must be finite and over 0")
        caution = false_alarm / (false_alarm + miss)
        return cls(caution, max(urgent, caution))

    def levels(self, probability: NDArray[np.float64]) -> NDArray[np.int8]:
        """Say which level a probability alone asks for.

        Parameters
        ----------
        probability : ndarray
            Of the alarm's cause.

        Returns
        -------
        ndarray of int8
            Places in `LEVELS`, of the same shape; low where the probability is NaN.

        Examples
        --------
        >>> [LEVELS[place] for place in Thresholds(0.02, 0.1).levels(np.array([0.01, 0.02, 0.5]))]
        ['low', 'caution', 'urgent']
        """
        level = np.zeros(np.shape(probability), dtype=np.int8)
        level[probability >= self.caution] = LEVELS.index("caution")
        level[probability >= self.urgent] = LEVELS.index("urgent")
        return level
