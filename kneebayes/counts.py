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

    With K joint states of the causes and F findings:

    Attributes
    ----------
    log_evidence : ndarray, shape (n,)
        Natural logarithm of P(what is known of the case).
    present, absent : ndarray, shape (F, K)
        Cases with the finding known to be so, by joint state.
    joint : ndarray, shape (K,)
        Cases by joint state.
    components : list of ndarray, shape (states of risk factor 1, ..., trigger patterns)
        Cases by states of the component's risk factors and by what they
        triggered, the base first; leaks count among its triggers.
    reached : list of ndarray, shape (states of the causes but this one)
        Per cause, the cases in which it is present, or would be if only one
        more trigger fired, over the chance of that: by joint state of the others.
    """

    log_evidence: Floats
    present: Floats
    absent: Floats
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
        self.absent += other.absent
        self.joint += other.joint
        for mine, theirs in zip(self.components + self.reached, other.components + other.reached, strict=True):
            mine += theirs
