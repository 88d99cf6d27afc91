"""A published score of points, such as the Wells score, as a result beside the posterior.

The score is a sheet in a file: items, the answers that count, points, classes. What is not known leaves a range of
points, and a class only where the range lies within one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from kneebayes.errors import ModelFileError, UnknownNameError, check_flags, nearest
from kneebayes.spec.model_spec import Basis, Condition, Frozen, Identifier, ModelSpec, Text
from kneebayes.spec.yaml_io import model_path, problems_of, read_content

WELLS = "wells"


class Item(Frozen):
    """One item of a score: its points count where any of the states holds.

    ``instead`` names columns that say nearly the same; they count for a case of which no column of ``any_of`` is known.
    """

    label: Text
    points: float
    any_of: Condition
    instead: Condition = Field(default_factory=dict)
    fit: Literal["same", "near", "none"]
    why: Text

    @model_validator(mode="after")
    def _columns(self) -> Item:
        if (self.fit == "none") == bool(self.any_of):
            raise ValueError("any_of names columns unless fit is none")
        if self.instead and not self.any_of:
            raise ValueError("instead stands for the columns of any_of, so there must be some")
        return self

    def holds(self, evidence: Mapping[str, str]) -> bool | None:
        """Say whether the item holds for a case, by state of each variable; None where that is not known."""
        columns = self.any_of if any(name in evidence for name in self.any_of) else self.instead
        if any(evidence.get(name) in states for name, states in columns.items()):
            return True
        return False if columns and all(name in evidence for name in columns) else None


class Cutoff(Frozen):
    """A class of a score; ``scheme`` names the way to divide the points that it belongs to, as there may be several."""

    at_least: float
    label: Text
    scheme: Identifier = "classes"


class ScoreSheet(Frozen):
    """A published score: items, points and classes."""

    format: Literal[1]
    name: Identifier
    title: Text
    cause: Identifier
    basis: Basis
    reference: Text
    items: dict[Identifier, Item] = Field(min_length=1)
    cutoffs: dict[Identifier, Cutoff] = Field(min_length=1)
    decision: Identifier

    @model_validator(mode="after")
    def _decides(self) -> ScoreSheet:
        if self.decision not in self.cutoffs:
            raise ValueError(f"decision '{self.decision}' is not among {list(self.cutoffs)}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that an item reads."""
        items = self.items.values()
        return tuple(dict.fromkeys(name for item in items for name in (*item.any_of, *item.instead)))


@cache
def read_sheet(path: str | Path | None = None) -> ScoreSheet:
    """Read and check a score from a YAML file; by default the Wells score that ships with kneebayes."""
    path = model_path(WELLS) if path is None else path
    try:
        return ScoreSheet.model_validate(read_content(path, "score"))
    except ValidationError as error:
        raise ModelFileError(f"{path}: not a score: {problems_of(error, of=ScoreSheet, default='score')}") from error


@dataclass(frozen=True, repr=False)
class Points:
    """What a score says of one case.

    Attributes
    ----------
    sheet : ScoreSheet
        The score.
    items : dict of str to (bool or None)
        Whether each item holds; None where that is not known.
    """

    sheet: ScoreSheet
    items: dict[str, bool | None]

    @property
    def known(self) -> float:
        """Points of the items that hold."""
        return sum(self.sheet.items[name].points for name, holds in self.items.items() if holds)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest points that the items not known leave possible."""
        unknown = [self.sheet.items[name].points for name, holds in self.items.items() if holds is None]
        return self.known + sum(min(p, 0) for p in unknown), self.known + sum(max(p, 0) for p in unknown)

    @property
    def unknown(self) -> list[str]:
        """Items whose answer is not known."""
        return [name for name, holds in self.items.items() if holds is None]

    @property
    def classes(self) -> list[str] | None:
        """The classes reached, none for the lowest; None where that depends on what is not known."""
        cutoffs = self.sheet.cutoffs.items()
        low, high = ([name for name, cutoff in cutoffs if total >= cutoff.at_least] for total in self.range)
        return low if low == high else None

    @property
    def said(self) -> str:
        """The points, or from how many to how many, and the class where it is certain."""
        low, high = self.range
        said = f"{self.sheet.title}: {low:g}" + (f" to {high:g}" if high > low else "")
        if self.classes is not None:
            reached = [self.sheet.cutoffs[name] for name in self.classes]
            highest = {cutoff.scheme: cutoff for cutoff in sorted(reached, key=lambda cutoff: cutoff.at_least)}
            labels = [cutoff.label for cutoff in highest.values()]
            said += f" ({'; '.join(labels) or 'under every cutoff'})"
        return said

    def __repr__(self) -> str:
        return f"<{self.said}; {len(self.unknown)} of {len(self.items)} items not known>"

    def __str__(self) -> str:
        asked = [self.sheet.items[name].label for name in self.unknown]
        return self.said + (f"; not known: {'; '.join(asked)}" if asked else "")


def points(model: ModelSpec, evidence: Mapping[str, str], *, judged: Mapping[str, bool] | None = None) -> Points:
    """Count the Wells score of one case: the state of each variable known, and items that a clinician has judged.

    A judgement goes before the evidence. UnknownNameError if the score has no item that was judged, or is about another
    cause than the alarm of the model.
    """
    sheet, judged = read_sheet(), judged or {}
    if sheet.cause != model.alarm.cause:
        raise UnknownNameError(f"{sheet.name} is a score of {sheet.cause}; the alarm of {model.name} is for another")
    for name in judged:
        if name not in sheet.items:
            raise UnknownNameError(
                f"{sheet.name} has no item '{name}', only {list(sheet.items)}.{nearest(name, sheet.items)}"
            )
        check_flags(**{name: judged[name]})
    known = model.implied(evidence)
    return Points(sheet, {name: judged.get(name, item.holds(known)) for name, item in sheet.items.items()})


def points_line(model: ModelSpec, evidence: Mapping[str, str]) -> str:
    """Say the Wells score of one case in a line, for a model that it fits.

    Empty unless every item is known but those that a clinician judges.
    """
    if read_sheet().cause != model.alarm.cause:
        return ""
    counted = points(model, evidence)
    return "" if any(counted.sheet.items[name].any_of for name in counted.unknown) else str(counted)
