"""Shift a model to the prevalences of another clinic, by the leaks of its causes or by their links too.

All causes are shifted at once, by root finding, since causes explain each
other away and cause each other. There are two ways to get there:

- By the leaks alone: a risk factor brings the cause about as often as before,
  and only what comes of none of them changes. That is right where more people
  of the clinic have the cause for reasons the model doesn't name; a risk
  factor then tells less.
- By leaks and links: one factor multiplies the rate -log(1 - p) of every way
  to the cause, so the ratios of the risks stay. That is right where people
  were chosen for the cause, as by a referral; a risk factor then tells as much
  as before. It is also the only way to make a cause rarer than its links alone
  make it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite
from numbers import Real
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kneebayes.errors import PrevalenceError, UnknownNameError, check_flags, nearest
from kneebayes.inference.counts import Expectation
from kneebayes.inference.evidence import UNKNOWN, Cases
from kneebayes.inference.network import CompiledModel
from kneebayes.inference.tables import Layout, Tables
from kneebayes.spec.model_spec import ModelSpec, Probability
from kneebayes.spec.yaml_io import changed_version, with_numbers

Floats = NDArray[np.float64]
TOLERANCE = 1e-9  # of a posterior, by which it may miss its target
MAX_LOG = 46.0  # log-odds of a leak of 1 - 1e-20, and the factor of a rate as a logarithm
ALMOST = 1.0 - 1e-15  # a sure link has no rate, and makes an absent cause impossible: none becomes sure
CHANGED = "prevalence"  # what the version says
SET = "fitted: prevalence"  # what the basis of a number does


def with_prevalence(model: ModelSpec, prevalence: Mapping[str, float], *, links: bool = False) -> ModelSpec:
    """Make causes as frequent among people with the complaint, P(cause | the complaint alone), as they are said to be.

    By the leaks, or with ``links`` by leaks, links and interactions. The other causes change a little, as they compete
    with these. Each new number says so in its basis, and its range is moved as far as it is, in log-odds where leaks
    alone change and as a rate where links do. A prevalence that can't be had together with the others is refused.

    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> model = with_prevalence(read_model(model_path("posterior_knee_pain")), {"dvt": 0.12})
    >>> model.provenance
    ('prevalence given the complaint alone set to dvt 0.12, by the leaks',)
    """
    check_flags(links=links)
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
    way = _ByRates(model, targets) if links else _ByLeaks(model, targets)
    found, reached = match_prevalence(way.posteriors, way.start, np.array(list(targets.values())))
    if (np.abs(reached - list(targets.values())) > TOLERANCE).any():
        way.refuse(found, reached)
    said = ", ".join(f"{name} {value:g}" for name, value in targets.items())
    note = f"prevalence given the complaint alone set to {said}, by {'leaks and links' if links else 'the leaks'}"
    version = changed_version(model.version, CHANGED)
    return with_numbers(model, way.numbers(found), provenance=(*model.provenance, note), version=version)


def match_prevalence(
    posteriors: Callable[[Floats], tuple[Floats, Floats]], start: Floats, wanted: Floats
) -> tuple[Floats, Floats]:
    """Find the numbers, in -46 to 46, at which P(cause) of each cause is as wanted; give them and P(cause) there.

    ``posteriors`` takes a number for each cause and returns P(cause) and P(not the cause). Where there is no such
    place, the one nearest in log-odds is found.
    """
    from scipy.optimize import least_squares  # here: it takes a while to import

    log_odds, tiny = logit(wanted), np.finfo(float).tiny

    def misses(x: Floats) -> Floats:
        there, absent = posteriors(x)
        missed: Floats = np.log(np.maximum(there, tiny)) - np.log(np.maximum(absent, tiny)) - log_odds
        return missed

    found = least_squares(misses, start, bounds=(-MAX_LOG, MAX_LOG), xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    return found, posteriors(found)[0]


class ComplaintOnly:
    """The posteriors of some causes in people of whom nothing but the complaint is known, with any tables."""

    def __init__(self, model: ModelSpec, names: Sequence[str]) -> None:
        codes = np.full((len(model.variables), 1), UNKNOWN, dtype=np.int8)
        codes[list(model.variables).index(model.complaint)] = 1
        cards = [len(cause.states) for cause in model.causes.values()]
        states = np.stack(np.unravel_index(np.arange(int(np.prod(cards))), cards), axis=1)
        self.case = Cases(codes, np.ones((1, len(cards), max(cards)), dtype=bool), np.ones(1))
        self.members = [states[:, list(model.causes).index(name)] > 0 for name in names]

    def posteriors(self, tables: Tables) -> tuple[Floats, Floats]:
        """Compute P(cause) and P(not the cause) of each; neither is one minus the other, so both keep their digits."""
        joint = Expectation(tables).counts(self.case).joint
        return (
            np.array([joint[members].sum() for members in self.members]),
            np.array([joint[~members].sum() for members in self.members]),
        )


class _ByRates:
    """The posteriors as a function of the logarithm of one factor on each cause's rates."""

    def __init__(self, model: ModelSpec, targets: Mapping[str, float]) -> None:
        self.model, self.targets, self.start = model, targets, np.zeros(len(targets))
        self.people, self.parameters = ComplaintOnly(model, list(targets)), CompiledModel(model).parameters
        own = [_cause(model, place) for place in self.parameters.names]
        self.places = [np.array([i for i, name in enumerate(own) if name == cause], dtype=int) for cause in targets]
        self.rates = [np.log1p(-np.minimum(self.parameters.p[places], ALMOST)) for places in self.places]

    def posteriors(self, factors: Floats) -> tuple[Floats, Floats]:
        values = self.parameters.p.copy()
        for places, rates, factor in zip(self.places, self.rates, factors.tolist(), strict=True):
            values[places] = np.minimum(-np.expm1(math.exp(factor) * rates), ALMOST)
        return self.people.posteriors(self.parameters.network.layout.fill(values))

    def numbers(self, factors: Floats) -> dict[str, Probability]:
        by_cause = dict(zip(self.targets, factors.tolist(), strict=True))
        new: dict[str, Probability] = {}
        for place, before in self.model.probabilities():
            cause = _cause(self.model, place)
            if cause in by_cause:
                low, p, high = (
                    min(-math.expm1(math.exp(by_cause[cause]) * math.log1p(-min(x, ALMOST))), ALMOST)
                    for x in (before.range[0], before.p, before.range[1])
                )
                said = f"{self.targets[cause]:g} of {cause} given the complaint, by leaks and links"
                new[place] = _changed(before, p, (low, high), said)
        return new

    def refuse(self, factors: Floats, reached: Floats) -> NoReturn:
        raise _not_together(self.model, self.targets, reached, "leaks and links")


class _ByLeaks:
    """The posteriors as a function of the log-odds of the causes' leaks."""

    def __init__(self, model: ModelSpec, targets: Mapping[str, float]) -> None:
        self.model, self.targets = model, targets
        self.start = np.clip([logit(model.causes[name].leak.p) for name in targets], -12.0, 12.0)
        self.people = ComplaintOnly(model, list(targets))
        self.layout = Layout(model)
        self.values = np.array([number.p for _, number in model.probabilities()])
        self.places = [self.layout.index.place[f"causes.{name}.leak"] for name in targets]

    def posteriors(self, log_odds: Floats) -> tuple[Floats, Floats]:
        values = self.values.copy()
        values[self.places] = np.minimum(expit(log_odds), ALMOST)
        return self.people.posteriors(self.layout.fill(values))

    def numbers(self, log_odds: Floats) -> dict[str, Probability]:
        new: dict[str, Probability] = {}
        for (name, target), leak in zip(
            self.targets.items(), np.minimum(expit(log_odds), ALMOST).tolist(), strict=True
        ):
            before = self.model.causes[name].leak
            low, high = before.range
            if 0.0 < before.p < 1.0:
                shift = logit(leak) - logit(before.p)
                ends = (e if e in (0.0, 1.0) else float(expit(logit(e) + shift)) for e in before.range)
                low, high = ends
            said = f"{target:g} given the complaint"
            new[f"causes.{name}.leak"] = _changed(before, leak, (min(low, leak), max(high, leak)), said)
        return new

    def refuse(self, log_odds: Floats, reached: Floats) -> NoReturn:
        got = zip(self.targets.items(), log_odds.tolist(), reached.tolist(), strict=True)
        low = [(name, value, there) for (name, value), x, there in got if there > value and expit(x) < 1e-6]
        if not low:
            raise _not_together(self.model, self.targets, reached, "leaks")
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


def _not_together(model: ModelSpec, targets: Mapping[str, float], reached: Floats, by: str) -> PrevalenceError:
    said = ", ".join(f"{name} {there:.6g}" for name, there in zip(targets, reached, strict=True))
    return PrevalenceError(f"{model.name}: no {by} give these prevalences together; the nearest are {said}")


def _changed(before: Probability, p: float, ends: tuple[float, float], said: str) -> Probability:
    """Write a new number with what it was, and the reasons it had."""
    kept = [part.strip() for part in before.basis.split(";") if not part.strip().startswith(SET)]
    was = f"{SET} {said}, was {before.p:.4g} in {before.range[0]:.4g} to {before.range[1]:.4g}"
    return before.model_copy(update={"p": p, "range": ends, "basis": "; ".join([was, *kept])})


def _cause(model: ModelSpec, place: str) -> str | None:
    """Name the cause that a number brings about."""
    section, name, kind, *_ = place.split(".")
    if section == "interactions":
        return model.interactions[int(name)].target if model.interactions[int(name)].target in model.causes else None
    return name if section == "causes" and kind != "split" else None


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
