"""What is known of cases, and what is expected of the rest, summed over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cases", "Counts"]

Floats = NDArray[np.float64]


class Cases(NamedTuple):
    """What is known of n cases.

    Attributes
    ----------
    codes : ndarray of int8, shape (variables, n)
        The evidence; -1 where it is not known.
    allowed : ndarray of bool, shape (n, causes, most states)
        The states that labels leave possible.
    weight : ndarray, shape (n,)
        How often to count each case.
    """

    codes: NDArray[np.int8]
    allowed: NDArray[np.bool_]
    weight: Floats


@dataclass(eq=False)
class Counts:
    """Expected counts over cases, and their likelihood.

    With C causes, K joint states of them and F findings:

    Attributes
    ----------
    log_evidence : ndarray, shape (n,)
        Natural logarithm of P(what is known of the case).
    present : ndarray, shape (F, K)
        Cases with the finding known to be present, by joint state.
    known : ndarray, shape (F, C, most states)
        Cases with the finding known to be present or absent, by state of each cause.
    joint : ndarray, shape (K,)
        Cases by joint state.
    components : list of ndarray, shape (evidence patterns, trigger patterns)
        As the ``trigger`` of each component, the base first: cases over that
        chance, by evidence pattern and by what the risk factors and leaks in
        it triggered.
    reached : list of ndarray, shape (joint states of the causes that cause this one)
        Per cause, the cases in which it is present, or would be if only one
        more trigger fired, over the chance of that.
    """

    log_evidence: Floats
    present: Floats
    known: Floats
    joint: Floats
    components: list[Floats]
    reached: list[Floats]

    def add(self, other: Counts) -> None:
        """Add the counts of other cases, in place.

        Parameters
        ----------
        other : Counts
            From the same tables.
        """
        self.log_evidence = np.concatenate([self.log_evidence, other.log_evidence])
        self.present += other.present
        self.known += other.known
        self.joint += other.joint
        for mine, theirs in zip(self.components + self.reached, other.components + other.reached, strict=True):
            mine += theirs

    def scaled(self, factor: float) -> Counts:
        """Count every case so many times.

        Parameters
        ----------
        factor : float
            How often.

        Returns
        -------
        Counts
            New ones, of the same cases.
        """
        return Counts(
            self.log_evidence,
            self.present * factor,
            self.known * factor,
            self.joint * factor,
            [count * factor for count in self.components],
            [count * factor for count in self.reached],
        )
