"""What the model is compared with: a published score, the article's rule, and classifiers fitted to the cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from kneebayes.alarm import AlarmRules
from kneebayes.errors import ModelFileError
from kneebayes.labels import Labels
from kneebayes.model import ModelFile
from kneebayes.modelfile import model_path
from kneebayes.rivals import Rival
from kneebayes.scoring import factor
from kneebayes.variables import Basis, Condition, Frozen, Identifier, Text
from kneebayes.vocabulary import SYNONYMS

__all__ = ["MIN_CASES", "Item", "ScoreSheet", "any_symptom", "cross_validated", "read_sheet", "sheet_score"]

Codes = NDArray[np.int8]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
MIN_CASES = 10  # with a cause, and without it: two of each in each fold
FOLDS = 5
WELLS = "wells"


class Item(Frozen):
    """One item of a score: its points count where any of the states holds."""

    label: Text
    points: float
    any_of: Condition
    fit: Literal["same", "near", "none"]
    why: Text

    @model_validator(mode="after")
    def _columns(self) -> Item:
        if (self.fit == "none") == bool(self.any_of):
            raise ValueError("any_of names columns unless fit is none")
        return self


class Cutoff(Frozen):
    """A class of a score."""

    at_least: float
    label: Text


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
        return tuple(dict.fromkeys(name for item in self.items.values() for name in item.any_of))


def read_sheet(path: str | Path | None = None) -> ScoreSheet:
    """Read and check a score.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        A YAML file; by default the Wells score that ships with kneebayes.

    Returns
    -------
    ScoreSheet
        Items, points and classes.

    Raises
    ------
    ModelFileError
        If the file can't be read or is inconsistent.

    Examples
    --------
    >>> read_sheet().items["previous_dvt"].points
    1.0
    """
    path = Path(path) if path is not None else model_path(WELLS)
    try:
        return ScoreSheet.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise ModelFileError(f"{path}: not a score: {' '.join(str(error).split())}") from error


def sheet_score(sheet: ScoreSheet, table: pa.Table) -> Rival:
    """Score cases by a published score, from the columns that are there.

    Parameters
    ----------
    sheet : ScoreSheet
        The score.
    table : pyarrow.Table
        The cases; what is not known counts nothing, as at the bedside.

    Returns
    -------
    Rival
        Its note says which items no column could answer.
    """
    total = np.zeros(table.num_rows)
    missing, near = [], []
    for item in sheet.items.values():
        holds, answered = np.zeros(table.num_rows, dtype=bool), False
        for name, states in item.any_of.items():
            if name in table.column_names:
                met, known = _holds(table[name], states)
                holds |= met
                answered |= bool(known.any())
        total += item.points * holds
        if not answered:
            missing.append(item.label)
        elif item.fit == "near":
            near.append(item.label)
    n, n_missing = len(sheet.items), len(missing)
    note = f"{n - n_missing} of {n} items could be scored"
    note += f"; no answers for: {'; '.join(missing)}" if missing else ""
    note += f". By the nearest column: {'; '.join(near)}" if near else ""
    if n_missing == n:
        return Rival(sheet.title, note=note)
    cutoff = sheet.cutoffs[sheet.decision]
    return Rival(sheet.title, f"at least {cutoff.at_least:g} points", note, total >= cutoff.at_least, total)


def any_symptom(rules: AlarmRules, codes: Codes) -> Rival:
    """Flag whoever has any red flag, or any symptom of the alarm's cause.

    Parameters
    ----------
    rules : AlarmRules
        The alarm and red flags of a model.
    codes : ndarray of int8, shape (variables, n)
        The evidence.

    Returns
    -------
    Rival
        Without probabilities: it is a rule.
    """
    model = rules.model
    rows = {name: row for row, name in enumerate(model.variables)}
    signs = [n for n, f in model.findings.items() if model.alarm.cause in f.links and n != model.complaint]
    flagged = rules.red_flags(codes).any(axis=0) | (codes[[rows[n] for n in signs]] == 1).any(axis=0)
    label = model.causes[model.alarm.cause].label
    return Rival("Any symptom", f"any red flag, or any of {len(signs)} symptoms of: {label}", "", flagged)


def cross_validated(model: ModelFile, codes: Codes, labels: Labels, *, threshold: float, seed: int) -> list[Rival]:
    """Fit naive Bayes and logistic regression to the cases, each case predicted by a fit without it.

    Parameters
    ----------
    model : ModelFile
        It names the variables.
    codes : ndarray of int8, shape (variables, n)
        The evidence; known causes are not used.
    labels : Labels
        Of the same cases.
    threshold : float
        Of the alarm's cause, from which a case is flagged.
    seed : int
        Of the folds.

    Returns
    -------
    list of Rival
        One yes-or-no classifier for each target that has enough cases with
        it and without it; the note says which have not.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import CategoricalNB

    causes = set(model.causes)
    evidence = [row for row, name in enumerate(model.variables) if name not in causes and (codes[row] >= 0).any()]
    cards = [len(list(model.variables.values())[row].states) for row in evidence]
    # naive Bayes takes not known as a value of its own; regression as neither state
    coded = (codes[evidence] + 1).T.astype(np.int64)
    kinds: list[tuple[str, Callable[[], Any], Any]] = [
        ("Naive Bayes", lambda: CategoricalNB(min_categories=np.array(cards) + 1), coded),
        ("Logistic regression", lambda: LogisticRegression(solver="newton-cholesky"), _indicators(coded, cards)),
    ]
    few: list[str] = []
    usable: list[int] = []
    for place, target in enumerate(labels.targets):
        counts = [int((labels.present[:, place] == state).sum()) for state in (1, 0)]
        if evidence and min(counts) >= MIN_CASES:
            usable.append(place)
        else:
            few.append(f"{target} ({counts[0]} and {counts[1]})")
    note = f"not fitted for want of cases, {MIN_CASES} with and {MIN_CASES} without: {', '.join(few)}" if few else ""
    rivals = []
    for name, make, x in kinds:
        found = {labels.targets[place]: _out_of_fold(make, x, labels.present[:, place], seed) for place in usable}
        p = found.get(model.alarm.cause)
        flagged = None if p is None else p >= threshold
        rule = "" if p is None else f"cross-validated probability at least {threshold:g}"
        rivals.append(Rival(name, rule, note, flagged, p, found))
    return rivals


def _out_of_fold(make: Callable[[], Any], x: Any, present: Codes, seed: int) -> Floats:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    known = np.flatnonzero(present >= 0)
    p = np.full(len(present), np.nan)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    p[known] = cross_val_predict(make(), x[known], present[known], cv=folds, method="predict_proba")[:, 1]
    return p


def _indicators(coded: NDArray[np.int64], cards: list[int]) -> Any:
    """Give one sparse column for each state of each variable."""
    from scipy import sparse

    columns = [coded[:, v] == state for v, card in enumerate(cards) for state in range(1, card + 1)]
    return sparse.csr_matrix(np.column_stack(columns).astype(np.float64)) if columns else np.zeros((len(coded), 0))


def _holds(column: pa.ChunkedArray, states: tuple[str, ...]) -> tuple[Bools, Bools]:
    """Say in which rows a column is in one of the states, and in which it is known."""
    cells = factor(column)
    words = [str(value).strip().lower() for value in cells.values]
    words = [("absent", "present")[SYNONYMS[word]] if word in SYNONYMS else word for word in words]
    met = np.array([*(word in states for word in words), False])
    return met[np.maximum(cells.index, -1)], np.asarray(cells.index >= 0)
