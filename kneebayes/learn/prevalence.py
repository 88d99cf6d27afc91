"""Shift a model to the prevalences of another clinic, by the leaks of its causes or by their links too."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite, log, log1p
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError, PrevalenceError, UnknownNameError, nearest
from kneebayes.inference.counts import Cases, Expectation
from kneebayes.inference.evidence import UNKNOWN
from kneebayes.inference.network import CompiledModel
from kneebayes.inference.tables import Layout, Tables
from kneebayes.spec.model_spec import ModelSpec, Probability
from kneebayes.spec.yaml_io import changed_version, with_numbers

__all__ = [
    "CHANGED",
    "SET",
    "TOLERANCE",
    "Alone",
    "solve",
    "with_prevalence",
    "with_shares",
]

Floats = NDArray[np.float64]
TOLERANCE = 1e-9  # of a posterior, by which it may miss its target
FARTHEST = 46.0  # log-odds of a leak of 1 - 1e-20, and the factor of a rate as a logarithm
ALMOST = 1.0 - 1e-15  # a sure link has no rate
CHANGED = "prevalence"  # what the version says
SET = "fitted: prevalence"  # what the basis of a number does


def with_shares(file: ModelSpec, shares: dict[str, float]) -> ModelSpec:
    """Make causes as frequent as wanted among people with the complaint, and keep the ratios of their risks.

    One factor for each cause multiplies -log(1 - p) of its leak, its links and
    its interactions, which scales the rate of every way to it alike. This is
    what `kneebayes.learn.prevalence.with_prevalence` does with ``links=True``.

    Parameters
    ----------
    file : ModelSpec
        A checked model file.
    shares : dict of str to float
        P(cause | the complaint alone), each over 0 and under 1.

    Returns
    -------
    ModelSpec
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
    search = _LeakSearch(file, shares)
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
    file : ModelSpec
        A checked model file.
    names : sequence of str
        The causes that are asked about.
    """

    def __init__(self, file: ModelSpec, names: Sequence[str]) -> None:
        codes = np.full((len(file.variables), 1), UNKNOWN, dtype=np.int8)
        codes[list(file.variables).index(file.complaint)] = 1
        cards = [len(cause.states) for cause in file.causes.values()]
        states = np.stack(np.unravel_index(np.arange(int(np.prod(cards))), cards), axis=1)
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
        joint = Expectation(tables).counts(self.case).joint
        return (
            np.array([joint[members].sum() for members in self.members]),
            np.array([joint[~members].sum() for members in self.members]),
        )


class _LeakSearch:
    """The posteriors given the complaint alone, as a function of one factor of each cause's rates."""

    def __init__(self, file: ModelSpec, shares: dict[str, float]) -> None:
        self.alone, self.parameters = Alone(file, list(shares)), CompiledModel(file).parameters
        own = [_cause(file, place) for place in self.parameters.names]
        self.places = [np.array([i for i, name in enumerate(own) if name == cause], dtype=int) for cause in shares]
        self.rates = [np.log1p(-np.minimum(self.parameters.p[places], ALMOST)) for places in self.places]

    def posteriors(self, factors: Floats) -> tuple[Floats, Floats]:
        values = self.parameters.p.copy()
        for places, rates, factor in zip(self.places, self.rates, factors.tolist(), strict=True):
            values[places] = -np.expm1(math.exp(factor) * rates)
        return self.alone.posteriors(self.parameters.network.layout.fill(values))


def _cause(file: ModelSpec, place: str) -> str | None:
    """Name the cause that a number brings about."""
    section, name, kind, *_ = place.split(".")
    if section == "interactions":
        return file.interactions[int(name)].target if file.interactions[int(name)].target in file.causes else None
    return name if section == "causes" and kind != "split" else None


def _scaled(file: ModelSpec, factors: dict[str, float], shares: dict[str, float]) -> ModelSpec:
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


def with_prevalence(model: ModelSpec, prevalence: Mapping[str, float], *, links: bool = False) -> ModelSpec:
    """Make causes as frequent among people with the complaint as they are said to be.

    All at once, by root finding, since causes explain each other away and
    cause each other. There are two ways to get there:

    - By the leaks alone: a risk factor brings the cause about as often as
      before, and only what comes of none of them changes. That is right where
      more people of the clinic have the cause for reasons the model doesn't
      name; a risk factor then tells less.
    - By leaks and links (``links=True``): every way to the cause is as many
      times as frequent, so the ratios of the risks stay. That is right where
      people were chosen for the cause, as by a referral; a risk factor then
      tells as much as before. It is also the only way to make a cause rarer
      than its links alone make it.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    prevalence : mapping of str to float
        P(cause not absent | the complaint alone) for some causes. That of the
        others changes a little, as they compete with these.
    links : bool
        Whether links and interactions change too.

    Returns
    -------
    ModelSpec
        Its version ends in ``+prevalence``. Each new number says so in its
        basis; its range is moved as far as it is, in log-odds where leaks
        alone change and as a rate where links do. The provenance says so too.

    Raises
    ------
    UnknownNameError
        If the model has no such cause.
    PrevalenceError
        If a prevalence is not between 0 and 1, or can't be had together with
        the others: without ``links`` if it lies under what the links give
        without any leak.

    Examples
    --------
    >>> from kneebayes.inference.network import CompiledModel
    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> model = with_prevalence(read_model(model_path("posterior_knee_pain")), {"dvt": 0.12})
    >>> model.provenance
    ('prevalence given the complaint alone set to dvt 0.12, by the leaks',)
    """
    try:
        wanted = dict(prevalence)
    except (TypeError, ValueError):
        kind = type(prevalence).__name__
        raise PrevalenceError(
            f"prevalences: {kind}; give a mapping from causes to numbers, as {{'dvt': 0.12}}"
        ) from None
    targets = {name: _checked(model, name, value) for name, value in wanted.items()}
    if not targets:
        return model
    if links:
        return with_shares(model, targets)
    search = _PrevalenceSearch(model, targets)
    leaks = search.solve()
    numbers = {
        f"causes.{name}.leak": _shifted(model.causes[name].leak, leak, targets[name])
        for name, leak in zip(targets, leaks.tolist(), strict=True)
    }
    said = ", ".join(f"{name} {value:g}" for name, value in targets.items())
    note = f"prevalence given the complaint alone set to {said}, by the leaks"
    version = changed_version(model.version, CHANGED)
    return with_numbers(model, numbers, provenance=(*model.provenance, note), version=version)


class _PrevalenceSearch:
    """The posteriors given the complaint alone, as a function of the leaks of some causes."""

    def __init__(self, model: ModelSpec, targets: Mapping[str, float]) -> None:
        self.model, self.targets = model, targets
        self.alone = Alone(model, list(targets))
        self.layout = Layout(model)
        self.values = np.array([number.p for _, number in model.probabilities()])
        self.places = [self.layout.index.place[f"causes.{name}.leak"] for name in targets]

    def posteriors(self, log_odds: Floats) -> tuple[Floats, Floats]:
        """Compute P(cause | complaint) and P(not the cause | complaint) of each."""
        values = self.values.copy()
        values[self.places] = _chance(log_odds)
        return self.alone.posteriors(self.layout.fill(values))

    def solve(self) -> Floats:
        start = np.clip([_log_odds(self.model.causes[name].leak.p) for name in self.targets], -12.0, 12.0)
        wanted = np.array(list(self.targets.values()))
        found, reached = solve(self.posteriors, start, wanted)
        if (np.abs(reached - wanted) > TOLERANCE).any():
            self._refuse(found, reached)
        return _chance(found)

    def _refuse(self, log_odds: Floats, reached: Floats) -> None:
        got = zip(self.targets.items(), log_odds.tolist(), reached.tolist(), strict=True)
        low = [(name, value, there) for (name, value), x, there in got if there > value and _chance(x) < 1e-6]
        if low:
            said = "; ".join(
                f"{name} can't be as rare as {value:g}: without any leak, its links alone make it {there:.6g} of those "
                "with the complaint"
                for name, value, there in low
            )
            others = ", the other prevalences as asked for" if len(self.targets) > 1 else ""
            raise PrevalenceError(
                f"{self.model.name}: {said}{others}. Ask for more, or let its "
                "links change too: with_prevalence(..., links=True)."
            )
        said = ", ".join(f"{name} {there:.6g}" for name, there in zip(self.targets, reached, strict=True))
        raise PrevalenceError(f"{self.model.name}: no leaks give these prevalences together; the nearest are {said}")


def _checked(model: ModelSpec, name: str, value: object) -> float:
    if name not in model.causes:
        raise UnknownNameError(
            f"no cause '{name}': give one of {', '.join(model.causes)}.{nearest(name, model.causes)}"
        )
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool | np.bool_) else inf
    if not (isfinite(number) and 0.0 < number < 1.0):
        hint = f" Did you mean {number / 100:g}?" if 1.0 <= number < 100.0 else ""
        raise PrevalenceError(f"prevalence of {name}: {value!r} must be a number between 0 and 1, both excluded.{hint}")
    return number


def _shifted(before: Probability, leak: float, target: float) -> Probability:
    """Write a new leak: its range moved as far as it was, in log-odds."""
    low, high = before.range
    if 0.0 < before.p < 1.0:
        shift = _log_odds(leak) - _log_odds(before.p)
        low, high = (end if end in (0.0, 1.0) else float(_chance(_log_odds(end) + shift)) for end in before.range)
    was = f"{before.p:.4g} in {before.range[0]:.4g} to {before.range[1]:.4g}"
    said = f"{SET} {target:g} given the complaint, was {was}"
    kept = [part.strip() for part in before.basis.split(";") if not part.strip().startswith(SET)]
    return Probability(p=leak, range=(min(low, leak), max(high, leak)), basis="; ".join([said, *kept]), why=before.why)


def _log_odds(p: float) -> float:
    return -inf if p <= 0 else inf if p >= 1 else log(p) - log1p(-p)


def _chance(log_odds: Floats | float) -> Floats:
    chance: Floats = 1.0 / (1.0 + np.exp(-np.asarray(log_odds)))
    return chance
