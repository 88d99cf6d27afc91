"""Shift a model to the prevalences of another clinic, by the leaks of its causes or by their links too.

All causes are shifted at once, by root finding, since causes explain each
other away and cause each other. There are two ways to get there:

- By the leaks alone: a risk factor brings the cause about as often as before, and only what comes of none of them
  changes. That is right where more people of the clinic have the cause for reasons the model doesn't name; a risk
  factor then tells less.
- By leaks and links: one factor multiplies the rate -log(1 - p) of every way to the cause, so the ratios of the risks
  stay. That is right where people were chosen for the cause, as by a referral; a risk factor then tells as much as
  before. It is also the only way to make a cause rarer than its links alone make it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from math import inf, isfinite
from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from kneebayes.errors import PrevalenceError, check_choice, check_flags
from kneebayes.inference.counts import Expectation
from kneebayes.inference.evidence import UNKNOWN, Cases
from kneebayes.inference.tables import Layout
from kneebayes.spec.model_spec import ModelSpec, Probability
from kneebayes.spec.yaml_io import with_numbers

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
    """
    check_flags(links=links)
    try:
        wanted = dict(prevalence)
    except (TypeError, ValueError):
        said = "give a mapping from causes to numbers, as {'dvt': 0.12}"
        raise PrevalenceError(f"prevalences: {type(prevalence).__name__}; {said}") from None
    targets = {name: _checked(model, name, value) for name, value in wanted.items()}
    if not targets:
        return model
    way = _Way(model, targets, links=links)
    found = _matched(way)
    way.refuse_missed(found)
    said = ", ".join(f"{name} {value:g}" for name, value in targets.items())
    note = f"prevalence given the complaint alone set to {said}, by {'leaks and links' if links else 'the leaks'}"
    return with_numbers(model, way.numbers(found), CHANGED, note)


def _matched(way: _Way) -> Floats:
    """Find the numbers, in -46 to 46, at which P(cause) of each cause is as wanted; else the nearest in log-odds."""
    from scipy.optimize import least_squares  # here: it takes a while to import

    log_odds, tiny = logit(list(way.targets.values())), np.finfo(float).tiny

    def misses(x: Floats) -> Floats:
        there, absent = np.log(np.maximum(way.posteriors(x), tiny))
        return np.asarray(there - absent - log_odds)

    found = least_squares(misses, way.start, bounds=(-MAX_LOG, MAX_LOG), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return np.asarray(found.x)


class _Way:
    """What a number for each cause makes of the model, and that of the posteriors of people with the complaint alone.

    The number is the log-odds of the cause's leak; with ``links`` the logarithm of one factor on all its rates.
    """

    def __init__(self, model: ModelSpec, targets: Mapping[str, float], *, links: bool) -> None:
        self.model, self.targets, self.links = model, targets, links
        self.layout, self.before = Layout(model), dict(model.probabilities())
        self.values = np.array([number.p for number in self.before.values()])
        own = [_cause(model, place) if links or place.endswith(".leak") else None for place in self.before]
        self.places = [np.array([i for i, name in enumerate(own) if name == cause], dtype=int) for cause in targets]
        leaks = [model.causes[name].leak.p for name in targets]
        self.start = np.zeros(len(targets)) if links else np.clip(logit(leaks), -12.0, 12.0)
        self.case = complaint_only(model)
        causes = [list(model.causes).index(name) for name in targets]
        self.members = self.layout.states.T[causes] > 0  # (targets, joint states)

    def posteriors(self, x: Floats) -> Floats:
        """P(cause) and P(not the cause), (2, targets); neither is one minus the other, so both keep their digits."""
        values = self.values.copy()
        for places, one in zip(self.places, x.tolist(), strict=True):
            values[places] = self._changed(values[places], one)
        joint = Expectation(self.layout.fill(values)).counts(self.case).joint
        return np.array([[joint[members].sum() for members in some] for some in (self.members, ~self.members)])

    def _changed(self, p: Floats, x: float) -> Floats:
        if self.links:
            return np.minimum(-np.expm1(math.exp(x) * np.log1p(-np.minimum(p, ALMOST))), ALMOST)
        return np.full_like(p, min(float(expit(x)), ALMOST))

    def numbers(self, x: Floats) -> dict[str, Probability]:
        """Give the new numbers, by place, with their ranges and what they were."""
        new: dict[str, Probability] = {}
        names = list(self.before)
        by = " of {} given the complaint, by leaks and links" if self.links else " given the complaint"
        for (cause, target), places, one in zip(self.targets.items(), self.places, x.tolist(), strict=True):
            for name in (names[i] for i in places):
                before = self.before[name]
                ends, p = np.array(before.range), float(self._changed(np.array(before.p), one))
                if self.links:
                    ends = self._changed(ends, one)
                elif 0.0 < before.p < 1.0:  # in log-odds as far as the number; an end of 0 or 1 stays
                    ends = expit(logit(ends) + logit(p) - logit(before.p))
                low, high = ends.tolist()
                how = f"{SET} {target:g}{by.format(cause)}"
                new[name] = before.moved(p, (min(low, p), max(high, p)), how, over=SET)
        return new

    def refuse_missed(self, x: Floats) -> None:
        """Refuse prevalences that are not reached."""
        reached = self.posteriors(x)[0].tolist()
        got = [(name, value, there) for (name, value), there in zip(self.targets.items(), reached, strict=True)]
        if all(abs(there - value) <= TOLERANCE for _, value, there in got):
            return
        rare = zip(got, expit(x).tolist(), strict=True)
        low = [one for one, leak in rare if not self.links and one[2] > one[1] and leak < 1e-6]
        if not low:
            by = "leaks and links" if self.links else "leaks"
            said = ", ".join(f"{name} {there:.6g}" for name, _, there in got)
            raise PrevalenceError(f"{self.model.name}: no {by} give these prevalences together; the nearest are {said}")
        with_it = "of those with the complaint"
        alone = "without any leak, its links alone make it"
        said = "; ".join(f"{n} can't be as rare as {value:g}: {alone} {there:.6g} {with_it}" for n, value, there in low)
        others = ", the other prevalences as asked for" if len(self.targets) > 1 else ""
        remedy = "Ask for more, or let its links change too: with_prevalence(..., links=True)."
        raise PrevalenceError(f"{self.model.name}: {said}{others}. {remedy}")


def complaint_only(model: ModelSpec, state: int = 1) -> Cases:
    """Make the case of somebody of whom nothing is known but whether the complaint is there."""
    codes = np.full((len(model.variables), 1), UNKNOWN, dtype=np.int8)
    codes[list(model.variables).index(model.complaint)] = state
    most = max(len(cause.states) for cause in model.causes.values())
    return Cases(codes, np.ones((1, len(model.causes), most), dtype=bool), np.ones(1))


def _cause(model: ModelSpec, place: str) -> str | None:
    """Name the cause that a number brings about."""
    section, name, kind, *_ = place.split(".")
    if section == "interactions":
        return model.interactions[int(name)].target
    return name if section == "causes" and kind != "split" else None


def _checked(model: ModelSpec, name: str, value: object) -> float:
    check_choice("cause", name, list(model.causes))
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool | np.bool_) else inf
    if not (isfinite(number) and 0.0 < number < 1.0):
        hint = f" Did you mean {number / 100:g}?" if 1.0 <= number < 100.0 else ""
        raise PrevalenceError(f"prevalence of {name}: {value!r} must be a number between 0 and 1, both excluded.{hint}")
    return number
