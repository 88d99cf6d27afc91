"""What the model is compared with: a published score, the article's rule, and classifiers fitted to the cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cases.coding import SYNONYMS
from kneebayes.cases.frames import encode_column
from kneebayes.cases.labels import NONE, Labels
from kneebayes.diagnosis.alarm import AlarmRules
from kneebayes.diagnosis.wells import ScoreSheet
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.model_spec import ABSENT_PRESENT, LEVELS, Condition, ModelSpec

if TYPE_CHECKING:
    from kneebayes.model import Model

__all__ = [
    "MIN_CASES",
    "Rival",
    "alarm_levels",
    "any_symptom",
    "cross_validated",
    "distinct",
    "model_rival",
    "sheet_score",
]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Rival:
    """The answers of something to the same n cases.

    Attributes
    ----------
    name : str
        What it is.
    rule : str
        When it flags a case for the alarm's cause.
    note : str
        What limits it.
    flagged : ndarray of bool, shape (n,), optional
        Whom it flags.
    score : ndarray, shape (n,), optional
        By what it ranks cases for the alarm's cause.
    probabilities : dict of str to ndarray, shape (n,)
        By target; NaN where it has none.
    """

    name: str
    rule: str = ""
    note: str = ""
    flagged: Bools | None = None
    score: Floats | None = None
    probabilities: dict[str, Floats] = field(default_factory=dict)

    def only(self, cases: Bools) -> Rival:
        """Keep the answers to some cases.

        Parameters
        ----------
        cases : ndarray of bool, shape (n,)
            Which.

        Returns
        -------
        Rival
            With as many answers.
        """
        return replace(
            self,
            flagged=None if self.flagged is None else self.flagged[cases],
            score=None if self.score is None else self.score[cases],
            probabilities={target: p[cases] for target, p in self.probabilities.items()},
        )


def distinct(rivals: Sequence[Rival]) -> list[Rival]:
    """Tell rivals of the same name apart by a number.

    Parameters
    ----------
    rivals : sequence of Rival
        Of any names.

    Returns
    -------
    list of Rival
        In the same order, each with a name of its own.
    """
    names = [rival.name for rival in rivals]
    return [
        replace(rival, name=f"{rival.name} ({names[:i].count(rival.name) + 1})") if rival.name in names[:i] else rival
        for i, rival in enumerate(rivals)
    ]


def model_rival(model: Model, scored: Scored, used: Places, cause: str) -> Rival:
    """Take the answers of a model.

    Parameters
    ----------
    model : Model
        Any model.
    scored : Scored
        Its output.
    used : ndarray of int, shape (n,)
        The rows to take, all of them accepted.
    cause : str
        The alarm's cause of the model that is evaluated.

    Returns
    -------
    Rival
        It flags nobody where its own alarm is for another cause.
    """
    name = f"{model.file.name} {model.file.version}"
    place = _place(scored, used)
    p = {target: scored.table[target].to_numpy()[place] for target in (*model.causes, NONE)}
    if model.file.alarm.cause != cause:
        return Rival(name, note=f"its alarm is for {model.file.alarm.cause}", score=p.get(cause), probabilities=p)
    flagged = alarm_levels(model, scored, used) >= LEVELS.index("caution")
    return Rival(name, "alarm at caution or above", "", flagged, p[cause], p)


def alarm_levels(model: Model, scored: Scored, used: Places) -> NDArray[np.int8]:
    """Take the alarm levels of a model.

    Parameters
    ----------
    model, scored, used
        As for `model_rival`.

    Returns
    -------
    ndarray of int8, shape (n,)
        Places in `LEVELS`.
    """
    cells = encode_column(scored.table[model.scorer.alarm_column])
    lookup = np.array([LEVELS.index(str(value)) for value in cells.values], dtype=np.int8)
    levels: NDArray[np.int8] = lookup[cells.index][_place(scored, used)]
    return levels


def _place(scored: Scored, used: Places) -> Places:
    place: Places = (np.cumsum(scored.accepted) - 1)[used]
    return place


Codes = NDArray[np.int8]
MIN_CASES = 10  # with a cause, and without it: two of each in each fold
TELLING = 0.1  # of an AUC over or under one half
FOLDS = 5


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
        holds, known = _any_holds(table, item.any_of)
        in_place, nearly = _any_holds(table, item.instead)
        total += item.points * np.where(known, holds, in_place)
        if not (known | nearly).any():
            missing.append(item.label)
        elif item.fit == "near" or (nearly & ~known).any():
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
    """Flag whoever has any red flag, or any finding among the signs of the alarm.

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
    signs = [name for name in model.alarm_signs if name in model.findings]
    flagged = rules.red_flags(codes).any(axis=0) | (codes[[rows[n] for n in signs]] == 1).any(axis=0)
    label = model.causes[model.alarm.cause].label
    return Rival("Any symptom", f"any red flag, or any of {len(signs)} symptoms of: {label}", "", flagged)


def cross_validated(model: ModelSpec, codes: Codes, labels: Labels, *, threshold: float, seed: int) -> list[Rival]:
    """Fit naive Bayes and logistic regression to the cases, each case predicted by a fit without it.

    Parameters
    ----------
    model : ModelSpec
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
    notes = [f"not fitted for want of cases, {MIN_CASES} with and {MIN_CASES} without: {', '.join(few)}"] if few else []
    cause = model.alarm.cause
    if cause in labels.targets and labels.targets.index(cause) in usable:
        notes += _told_by_gaps(cause, coded == 0, labels.present[:, labels.targets.index(cause)])
    note = "; ".join(notes)
    rivals = []
    for name, make, x in kinds:
        found = {labels.targets[place]: _out_of_fold(make, x, labels.present[:, place], seed) for place in usable}
        p = found.get(model.alarm.cause)
        flagged = None if p is None else p >= threshold
        rule = "" if p is None else f"cross-validated probability at least {threshold:g}"
        rivals.append(Rival(name, rule, note, flagged, p, found))
    return rivals


def _told_by_gaps(cause: str, empty: NDArray[np.bool_], present: Codes) -> list[str]:
    """Say so where it tells of a cause how many cells are empty, as classifiers learn that, and the model does not."""
    from sklearn.metrics import roc_auc_score

    known = present >= 0
    auc = float(roc_auc_score(present[known], -empty[known].sum(axis=1)))
    if abs(auc - 0.5) < TELLING:
        return []
    fewer = "fewer" if auc > 0.5 else "more"
    return [
        f"see which cells are empty, and cases with {cause} have {fewer} empty ones (AUC of their number "
        f"{max(auc, 1 - auc):.2f}); to the model an empty cell says nothing"
    ]


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


def _any_holds(table: pa.Table, condition: Condition) -> tuple[Bools, Bools]:
    """Say in which rows any column is in one of its states, and in which any is known."""
    holds, known = np.zeros((2, table.num_rows), dtype=bool)
    for name, states in condition.items():
        if name in table.column_names:
            met, answered = _holds(table[name], states)
            holds, known = holds | met, known | answered
    return holds, known


def _holds(column: pa.ChunkedArray, states: tuple[str, ...]) -> tuple[Bools, Bools]:
    """Say in which rows a column is in one of the states, and in which it is known."""
    cells = encode_column(column)
    words = [str(value).strip().lower() for value in cells.values]
    words = [ABSENT_PRESENT[SYNONYMS[word]] if word in SYNONYMS else word for word in words]
    met = np.array([*(word in states for word in words), False])
    return met[np.maximum(cells.index, -1)], np.asarray(cells.index >= 0)
