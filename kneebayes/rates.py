"""How frequent causes are: shifted to another clinic, the ratios of their risks kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kneebayes.counts import Cases
from kneebayes.errors import CaseError, PrevalenceError, UnknownNameError, nearest
from kneebayes.expectation import Expectation
from kneebayes.inference import UNKNOWN, Network
from kneebayes.model import ModelFile
from kneebayes.modeltext import changed_version, with_numbers
from kneebayes.parameters import Parameters
from kneebayes.tables import Tables
from kneebayes.variables import Probability

__all__ = ["CHANGED", "SET", "TOLERANCE", "Alone", "solve", "with_shares"]

Floats = NDArray[np.float64]
TOLERANCE = 1e-9  # of a posterior, by which it may miss its target
FARTHEST = 46.0  # log-odds of a leak of 1 - 1e-20, and the factor of a rate as a logarithm
ALMOST = 1.0 - 1e-15  # a sure link has no rate
CHANGED = "prevalence"  # what the version says
SET = "fitted: prevalence"  # what the basis of a number does


def with_shares(file: ModelFile, shares: dict[str, float]) -> ModelFile:
    """Make causes as frequent as wanted among people with the complaint, and keep the ratios of their risks.

    One factor for each cause multiplies -log(1 - p) of its leak, its links and
    its interactions, which scales the rate of every way to it alike. This is
    what `kneebayes.recalibration.with_prevalence` does with ``links=True``.

    Parameters
    ----------
    file : ModelFile
        A checked model file.
    shares : dict of str to float
        P(cause | the complaint alone), each over 0 and under 1.

    Returns
    -------
    ModelFile
        Each changed number says so in its basis, and the version and the
        provenance do.

    Raises
    ------
    UnknownNameError
        If the model has no such cause.
    CaseError
        If a share is out of range.
    PrevalenceError
        If no factors lead to all of them together.
    """
    unknown = [name for name in shares if name not in file.causes]
    if unknown:
        raise UnknownNameError(f"no cause '{unknown[0]}' in {file.name}.{nearest(unknown[0], file.causes)}")
    off = {name: share for name, share in shares.items() if not 0 < share < 1}
    if off:
        raise CaseError(f"shares {off}: must be over 0 and under 1; a prior_weight over 0 keeps them so")
    search = _Search(file, shares)
    wanted = np.array(list(shares.values()))
    found, reached = solve(search.posteriors, np.zeros(len(shares)), wanted)
    if (np.abs(reached - wanted) > TOLERANCE).any():
        said = ", ".join(f"{name} {there:.6g}" for name, there in zip(shares, reached, strict=True))
        raise PrevalenceError(
            f"{file.name}: no leaks and links give these prevalences together; the nearest are {said}"
        )
    return _scaled(file, dict(zip(shares, found.tolist(), strict=True)), shares)


def solve(
    posteriors: Callable[[Floats], tuple[Floats, Floats]], start: Floats, wanted: Floats
) -> tuple[Floats, Floats]:
    """Find where posteriors are as wanted.

    Parameters
    ----------
    posteriors : callable
        Takes a number for each cause and returns P(cause) and P(not the cause) of each.
    start : ndarray
        Where to begin, in -46 to 46.
    wanted : ndarray
        P(cause).

    Returns
    -------
    tuple of ndarray
        The numbers, and P(cause) there: the nearest in log-odds, if there is no such place.
    """
    from scipy.optimize import least_squares  # here: it takes a while to import

    log_odds, tiny = np.log(wanted) - np.log1p(-wanted), np.finfo(float).tiny

    def misses(x: Floats) -> Floats:
        there, absent = posteriors(x)
        missed: Floats = np.log(np.maximum(there, tiny)) - np.log(np.maximum(absent, tiny)) - log_odds
        return missed

    found = least_squares(misses, start, bounds=(-FARTHEST, FARTHEST), xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    return found, posteriors(found)[0]


class Alone:
    """The joint states of the causes of people of whom nothing but the complaint is known.

    Parameters
    ----------
    file : ModelFile
        A checked model file.
    names : sequence of str
        The causes that are asked about.
    """

    def __init__(self, file: ModelFile, names: Sequence[str]) -> None:
        codes = np.full((len(file.variables), 1), UNKNOWN, dtype=np.int8)
        codes[list(file.variables).index(file.complaint)] = 1
        cards = [len(cause.states) for cause in file.causes.values()]
        states = np.stack(np.unravel_index(np.arange(int(np.prod(cards))), cards), axis=1)
        self.n_risks = len(file.risks)
        self.case = Cases(codes, np.ones((1, len(cards), max(cards)), dtype=bool), np.ones(1))
        self.members = [states[:, list(file.causes).index(name)] > 0 for name in names]

    def posteriors(self, tables: Tables) -> tuple[Floats, Floats]:
        """Compute P(cause | complaint) and P(not the cause | complaint) of each.

        Parameters
        ----------
        tables : Tables
            The tables of the model, with any numbers.

        Returns
        -------
        tuple of ndarray
            In the order of the names; neither is one minus the other, so that both keep their digits.
        """
        joint = Expectation(tables, self.n_risks).counts(self.case).joint
        return (
            np.array([joint[members].sum() for members in self.members]),
            np.array([joint[~members].sum() for members in self.members]),
        )


class _Search:
    """The posteriors given the complaint alone, as a function of one factor of each cause's rates."""

    def __init__(self, file: ModelFile, shares: dict[str, float]) -> None:
        self.alone, self.parameters = Alone(file, list(shares)), Parameters(Network(file))
        own = [_cause(file, place) for place in self.parameters.names]
        self.places = [np.array([i for i, name in enumerate(own) if name == cause], dtype=int) for cause in shares]
        self.rates = [np.log1p(-np.minimum(self.parameters.p[places], ALMOST)) for places in self.places]

    def posteriors(self, factors: Floats) -> tuple[Floats, Floats]:
        values = self.parameters.p.copy()
        for places, rates, factor in zip(self.places, self.rates, factors.tolist(), strict=True):
            values[places] = -np.expm1(math.exp(factor) * rates)
        return self.alone.posteriors(self.parameters.tables(values))


def _cause(file: ModelFile, place: str) -> str | None:
    """Name the cause that a number brings about."""
    section, name, kind, *_ = place.split(".")
    if section == "interactions":
        return file.interactions[int(name)].target if file.interactions[int(name)].target in file.causes else None
    return name if section == "causes" and kind != "split" else None


def _scaled(file: ModelFile, factors: dict[str, float], shares: dict[str, float]) -> ModelFile:
    numbers: dict[str, Probability] = {}
    for place, number in file.probabilities():
        cause = _cause(file, place)
        if cause in factors:
            low, p, high = (
                -math.expm1(math.exp(factors[cause]) * math.log1p(-min(x, ALMOST)))
                for x in (number.range[0], number.p, number.range[1])
            )
            was = f"{number.p:.4g} in {number.range[0]:.4g} to {number.range[1]:.4g}"
            said = f"{SET} {shares[cause]:.6g} of {cause} given the complaint, by leaks and links, was {was}"
            kept = [part.strip() for part in number.basis.split(";") if not part.strip().startswith(SET)]
            update = {"p": p, "range": (low, high), "basis": "; ".join([said, *kept])}
            numbers[place] = number.model_copy(update=update)
    said = ", ".join(f"{cause} {share:.6g}" for cause, share in shares.items())
    note = f"prevalence given the complaint alone set to {said}, by leaks and links"
    return with_numbers(
        file, numbers, provenance=(*file.provenance, note), version=changed_version(file.version, CHANGED)
    )
