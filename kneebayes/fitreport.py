"""What a fit did: how far it climbed, and which numbers it moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Change", "FitReport"]

SHOWN = 8


class Change(NamedTuple):
    """A fitted number.

    Attributes
    ----------
    place : str
        In the model file, as in ``causes.dvt.leak``.
    was, now : float
        The number before and after.
    low, high : float
        Its range after: a 90 % interval, the other numbers held.
    prior_cases, data_cases : float
        How many trials seen with certainty the prior, and the data, are worth.
    """

    place: str
    was: float
    now: float
    low: float
    high: float
    prior_cases: float
    data_cases: float


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Attributes
    ----------
    n_cases, n_labelled : int
        Cases, and those with a label for at least one cause.
    n_unsure : int
        Answers given as likelihoods, which were left out.
    prior_weight : float
        As given.
    log_posterior : tuple of float
        Natural logarithm, up to a constant, at each point the climb went
        through; it never falls, and the last is that of the result.
    converged : bool
        Whether the last step raised it by less than the tolerance.
    seconds : float
        Wall time.
    changes : tuple of Change
        Every fitted number, in the order of the model file.
    """

    n_cases: int
    n_labelled: int
    n_unsure: int
    prior_weight: float
    log_posterior: tuple[float, ...]
    converged: bool
    seconds: float
    changes: tuple[Change, ...]

    def summary(self) -> str:
        """Say in one line what was done, for the provenance of the model.

        Returns
        -------
        str
            Cases, labels, prior and whether it converged.
        """
        if not self.n_cases:
            return "fitted from no cases: nothing moved"
        end = "converged" if self.converged else "stopped before it converged"
        return (
            f"fitted from {self.n_cases} cases, {self.n_labelled} of them labelled, prior weight "
            f"{self.prior_weight:g}: {len(self.changes)} numbers, log posterior {self.log_posterior[0]:.2f} to "
            f"{self.log_posterior[-1]:.2f}, {end}"
        )

    def table(self) -> pd.DataFrame:
        """List what moved, farthest first.

        Returns
        -------
        pandas.DataFrame
            A row per fitted number; ``moved`` is the change in log-odds over
            half the width of the new range in log-odds.
        """
        import pandas as pd

        frame = pd.DataFrame(self.changes, columns=list(Change._fields))
        frame["moved"] = [_moved(change) for change in self.changes]
        order = frame["moved"].abs().sort_values(ascending=False, kind="stable").index
        return frame.loc[order].reset_index(drop=True)

    def __str__(self) -> str:
        lines = [self.summary()]
        if self.n_unsure:
            lines.append(f"{self.n_unsure} unsure answers were left out")
        for change in sorted(self.changes, key=lambda change: -abs(_moved(change)))[:SHOWN]:
            lines.append(
                f"  {change.place}: {change.was:.4g} -> {change.now:.4g} ({change.low:.4g} to {change.high:.4g})"
            )
        return "\n".join(lines)


def _moved(change: Change) -> float:
    from math import log

    def log_odds(p: float) -> float:
        p = min(max(p, 1e-12), 1.0 - 1e-12)
        return log(p / (1.0 - p))

    width = max(log_odds(change.high) - log_odds(change.low), 1e-9)
    return 2.0 * (log_odds(change.now) - log_odds(change.was)) / width
