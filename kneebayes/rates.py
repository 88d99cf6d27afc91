"""How frequent causes are: shifted to another clinic, the ratios of their risks kept."""

from __future__ import annotations

import math

import numpy as np

from kneebayes.errors import CaseError, UnknownNameError, nearest
from kneebayes.inference import UNKNOWN, Network
from kneebayes.model import ModelFile
from kneebayes.modeltext import with_numbers
from kneebayes.variables import Probability

__all__ = ["with_shares"]

CLOSE = 1e-9  # to the share wanted, as a difference of log-odds
MAX_STEPS = 200


def with_shares(file: ModelFile, shares: dict[str, float]) -> ModelFile:
    """Make causes as frequent as wanted among people with the complaint, and keep the ratios of their risks.

    One factor for each cause multiplies -log(1 - p) of its leak, its links and
    its interactions, which scales the rate of every way to it alike.

    Parameters
    ----------
    file : ModelFile
        A checked model file.
    shares : dict of str to float
        P(cause | the complaint alone), each over 0 and under 1.

    Returns
    -------
    ModelFile
        Each changed number says so in its basis.

    Raises
    ------
    CaseError
        If a share is out of range, or no factors lead to all of them together.
    """
    unknown = [name for name in shares if name not in file.causes]
    if unknown:
        raise UnknownNameError(f"no cause '{unknown[0]}' in {file.name}.{nearest(unknown[0], file.causes)}")
    off = {name: share for name, share in shares.items() if not 0 < share < 1}
    if off:
        raise CaseError(f"shares {off}: must be over 0 and under 1; a prior_weight over 0 keeps them so")
    factors = dict.fromkeys(shares, 0.0)
    for _ in range(MAX_STEPS):
        scaled = _scaled(file, factors, shares)
        network = Network(scaled)
        codes = np.full((len(network.variables), 1), UNKNOWN, dtype=np.int8)
        codes[network.variables.index(file.complaint)] = 1
        posteriors = network.posteriors(codes)
        now = dict(zip(posteriors.columns, posteriors.values[0].tolist(), strict=True))
        gaps = {name: _logit(share) - _logit(now[name]) for name, share in shares.items()}
        if max(map(abs, gaps.values())) < CLOSE:
            return scaled
        factors = {name: factor + gaps[name] for name, factor in factors.items()}
    raise CaseError(f"no factors make the shares {shares} hold together")


def _scaled(file: ModelFile, factors: dict[str, float], shares: dict[str, float]) -> ModelFile:
    numbers: dict[str, Probability] = {}
    for place, number in file.probabilities():
        section, name, kind, *_ = place.split(".")
        cause = file.interactions[int(name)].target if section == "interactions" else name
        if section in ("causes", "interactions") and kind != "split" and cause in factors:
            low, p, high = (
                -math.expm1(math.exp(factors[cause]) * math.log1p(-min(x, 1 - 1e-15)))
                for x in (number.range[0], number.p, number.range[1])
            )
            basis = (
                f"fitted: {cause} scaled to a share of {shares[cause]:.3g} with the complaint alone, was {number.p:.6g}"
            )
            numbers[place] = number.model_copy(update={"p": p, "range": (low, high), "basis": basis})
    said = ", ".join(f"{cause} {share:.3g}" for cause, share in shares.items())
    return with_numbers(file, numbers, provenance=(*file.provenance, f"shares with the complaint alone set to {said}"))


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)
