"""Shift a model to the prevalences of another clinic, by the leaks of its causes or by their links too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf, isfinite, log, log1p
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import PrevalenceError, UnknownNameError, nearest
from kneebayes.model import ModelFile
from kneebayes.modeltext import changed_version, with_numbers
from kneebayes.rates import CHANGED, SET, TOLERANCE, Alone, solve, with_shares
from kneebayes.tables import Component, Tables, tables
from kneebayes.variables import Probability

__all__ = ["TOLERANCE", "with_prevalence"]

Floats = NDArray[np.float64]


def with_prevalence(model: ModelFile, prevalence: Mapping[str, float], *, links: bool = False) -> ModelFile:
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
    model : ModelFile
        A checked model file.
    prevalence : mapping of str to float
        P(cause not absent | the complaint alone) for some causes. That of the
        others changes a little, as they compete with these.
    links : bool
        Whether links and interactions change too.

    Returns
    -------
    ModelFile
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
    >>> from kneebayes.inference import Network
    >>> from kneebayes.modelfile import model_path, read_model
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
    search = _Search(model, targets)
    leaks = search.solve()
    numbers = {
        f"causes.{name}.leak": _shifted(model.causes[name].leak, leak, targets[name])
        for name, leak in zip(targets, leaks.tolist(), strict=True)
    }
    said = ", ".join(f"{name} {value:g}" for name, value in targets.items())
    note = f"prevalence given the complaint alone set to {said}, by the leaks"
    version = changed_version(model.version, CHANGED)
    return with_numbers(model, numbers, provenance=(*model.provenance, note), version=version)


class _Search:
    """The posteriors given the complaint alone, as a function of the leaks of some causes."""

    def __init__(self, model: ModelFile, targets: Mapping[str, float]) -> None:
        self.model, self.targets = model, targets
        self.alone = Alone(model, list(targets))
        self.places = [list(model.causes).index(name) for name in targets]
        none = Probability(p=0.0, range=(0.0, 0.0), basis="judgement", why="-")
        self.dry: Tables = tables(with_numbers(model, {f"causes.{name}.leak": none for name in targets}))

    def posteriors(self, log_odds: Floats) -> tuple[Floats, Floats]:
        """Compute P(cause | complaint) and P(no cause | complaint) of each: the leaks are triggers of their own."""
        extra = tuple(
            Component((), (), (), (c,), np.array([[1.0 - leak, leak]]))
            for c, leak in zip(self.places, _chance(log_odds), strict=True)
        )
        return self.alone.posteriors(replace(self.dry, components=(*self.dry.components, *extra)))

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


def _checked(model: ModelFile, name: str, value: object) -> float:
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
