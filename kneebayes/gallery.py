"""The plots of one case, as ``dx.plot()`` and ``dx.plot.<what>()``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from kneebayes.diagnosis import Diagnosis

__all__ = ["CasePlots"]


@dataclass(frozen=True)
class CasePlots:
    """Plots of one case. Each draws into Axes and returns them.

    Parameters
    ----------
    dx : Diagnosis
        The case.
    """

    dx: Diagnosis

    def __call__(
        self, *, intervals: float | None = None, draws: int = 1000, seed: int = 0, ax: Axes | None = None
    ) -> Axes:
        """Plot the posterior of every cause, with its prior as a tick.

        Parameters
        ----------
        intervals : float, optional
            Share of the draws within the intervals, such as 0.9; by default there are none.
        draws, seed : int
            As for `Diagnosis.intervals`.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            See `kneebayes.caseplots.plot_posterior`.
        """
        from kneebayes.caseplots import plot_posterior

        table = None if intervals is None else self.dx.intervals(intervals, draws=draws, seed=seed)
        return plot_posterior(self.dx, intervals=table, ax=ax)

    def explanation(self, target: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Plot what moved a target, from before to now.

        Parameters
        ----------
        target : str, optional
            As for `Diagnosis.explanation`.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            See `kneebayes.caseplots.plot_explanation`.
        """
        from kneebayes.caseplots import plot_explanation

        return plot_explanation(self.dx.explanation(target), ax=ax)

    def questions(self, target: str | None = None, n: int | None = 5, *, ax: Axes | None = None) -> Axes:
        """Plot what the next questions would tell.

        Parameters
        ----------
        target, n
            As for `Diagnosis.next_questions`.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            See `kneebayes.caseplots.plot_questions`.
        """
        from kneebayes.caseplots import plot_questions

        return plot_questions(self.dx.next_questions(target, n), ax=ax)

    def network(self, *, focus: str | None = None, known_only: bool = False, ax: Axes | None = None) -> Axes:
        """Draw the network with the evidence in it.

        Parameters
        ----------
        focus : str, optional
            A cause to draw alone, with what is linked to it.
        known_only : bool, default False
            Whether to leave out what is not known.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            See `kneebayes.networkplot.plot_network`.
        """
        from kneebayes.networkplot import plot_network

        known, likely = self.dx.evidence, self.dx.probabilities
        return plot_network(
            self.dx.model, evidence=known, probabilities=likely, focus=focus, known_only=known_only, ax=ax
        )

    def tornado(self, target: str | None = None, n: int = 12, *, ax: Axes | None = None) -> Axes:
        """Plot which numbers of the model the posterior of a target hangs on.

        Parameters
        ----------
        target : str, optional
            As for `Diagnosis.sensitivity`.
        n : int, default 12
            At most how many numbers.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            See `kneebayes.rangeplots.plot_tornado`.
        """
        from kneebayes.rangeplots import plot_tornado

        return plot_tornado(self.dx.sensitivity(target), model=self.dx.model, target=target, n=n, ax=ax)

    def curves(
        self, numbers: Sequence[str] | None = None, *, target: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Plot the posterior of a target as a function of numbers of the model.

        Parameters
        ----------
        numbers : sequence of str, optional
            Places in the model file, as `Diagnosis.sensitivity` names them; by
            default that with the greatest swing.
        target : str, optional
            As for `Diagnosis.sensitivity`.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            See `kneebayes.rangeplots.plot_curves`.
        """
        from kneebayes.rangeplots import plot_curves

        return plot_curves(self.dx.sensitivity(target), numbers, model=self.dx.model, target=target, ax=ax)
