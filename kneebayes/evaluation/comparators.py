"""What the model is compared with: other models, a published score, the article's rule, and fitted classifiers."""

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
from kneebayes.diagnosis.alarm import Assessor
from kneebayes.diagnosis.wells import ScoreSheet
from kneebayes.evaluation.metrics import MIN_CASES
from kneebayes.inference.evidence import Codes, Floats
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.model_spec import ABSENT_PRESENT, LEVELS, Condition, ModelSpec

if TYPE_CHECKING:
    from kneebayes.model import Model

Bools = NDArray[np.bool_]
Places = NDArray[np.intp]
MAX_SEED = 1 << 32  # of scikit-learn
FOLDS = 5  # with two cases of each kind at least, where there are `MIN_CASES`
TELLING = 0.1  # of an AUC over or under one half


@dataclass(frozen=True, eq=False)
class Comparator:
    """The answers of something to the same n cases.

    For the alarm's cause: whom it flags, (n,), by which ``rule``, and by what ``score`` it ranks them, (n,). By target:
    its ``probabilities``, (n,), NaN where it has none.
    """

    name: str
    rule: str = ""
    note: str = ""  # what limits it
    flagged: Bools | None = None
    score: Floats | None = None
    probabilities: dict[str, Floats] = field(default_factory=dict)


def distinct(comparators: Sequence[Comparator]) -> list[Comparator]:
    """Tell comparators of the same name apart by a number."""
    names = [c.name for c in comparators]
    return [
        replace(c, name=f"{c.name} ({names[:i].count(c.name) + 1})") if c.name in names[:i] else c
        for i, c in enumerate(comparators)
    ]


def model_comparator(model: Model, scored: Scored, used: Places, cause: str, name: str = "") -> Comparator:
    """Take a model's answers from its scores of the rows used; it flags nobody if its alarm is for another cause."""
    name = name or f"{model.file.name} {model.file.version}"
    place = _place(scored, used)
    p = {target: scored.table[target].to_numpy()[place] for target in (*model.causes, NONE)}
    if model.file.alarm.cause != cause:
        return Comparator(name, note=f"its alarm is for {model.file.alarm.cause}", score=p.get(cause), probabilities=p)
    flagged = alarm_levels(model, scored, used) >= LEVELS.index("caution")
    return Comparator(name, "alarm at caution or above", "", flagged, p[cause], p)


def alarm_levels(model: Model, scored: Scored, used: Places) -> NDArray[np.int8]:
    """Take the alarm levels of the rows used from a model's scores, as places in `LEVELS`."""
    cells = encode_column(scored.table[model.scorer.alarm_column])
    lookup = np.array([LEVELS.index(str(value)) for value in cells.values], dtype=np.int8)
    levels: NDArray[np.int8] = lookup[cells.index][_place(scored, used)]
    return levels


def _place(scored: Scored, used: Places) -> Places:
    """Say where the rows used, all of them accepted, stand among those scored."""
    place: Places = (np.cumsum(scored.accepted) - 1)[used]
    return place


def sheet_score(sheet: ScoreSheet, table: pa.Table) -> Comparator:
    """Score cases by a published score, from the columns that are there; the note says which items none could answer.

    What is not known counts nothing, as at the bedside.
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
        return Comparator(sheet.title, note=note)
    cutoff = sheet.cutoffs[sheet.decision]
    return Comparator(sheet.title, f"at least {cutoff.at_least:g} points", note, total >= cutoff.at_least, total)


def any_symptom(assessor: Assessor, codes: Codes) -> Comparator:
    """Flag whoever has any red flag, or any finding among the signs of the alarm; codes are (variables, n)."""
    model = assessor.model
    signs = {name: states for name, states in model.alarm_signs.items() if model.about(name) in model.findings}
    flagged = np.asarray(assessor.red_flags(codes).any(axis=0))
    for name, states in signs.items():
        flagged = np.asarray(flagged | assessor.holds(name, states, codes))
    label = model.causes[model.alarm.cause].label
    return Comparator("Any symptom", f"any red flag, or any of {len(signs)} symptoms of: {label}", "", flagged)


def cross_validated(model: ModelSpec, codes: Codes, labels: Labels, *, threshold: float, seed: int) -> list[Comparator]:
    """Fit naive Bayes and logistic regression to the cases, each case predicted by a fit without it.

    codes are (variables, n), of which known causes are not used. A yes-or-no classifier for each target that has
    enough cases with it and without it; the note says which have not. Who is at the threshold or over it is flagged.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import CategoricalNB
    from sklearn.preprocessing import OneHotEncoder

    causes = set(model.causes)
    evidence = [row for row, name in enumerate(model.variables) if name not in causes and (codes[row] >= 0).any()]
    cards = [len(list(model.events.values())[row]) for row in evidence]
    # naive Bayes takes not known as a value of its own; regression as neither state
    coded = (codes[evidence] + 1).T.astype(np.int64)
    one_hot = OneHotEncoder(categories=[np.arange(1, card + 1) for card in cards], handle_unknown="ignore")
    indicators = one_hot.fit_transform(coded) if cards else coded
    kinds: list[tuple[str, Callable[[], Any], Any]] = [
        ("Naive Bayes", lambda: CategoricalNB(min_categories=np.array(cards) + 1), coded),
        ("Logistic regression", lambda: LogisticRegression(solver="newton-cholesky"), indicators),
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
    fitted = []
    for name, make, x in kinds:
        found = {labels.targets[place]: _out_of_fold(make, x, labels.present[:, place], seed) for place in usable}
        p = found.get(cause)
        flagged = None if p is None else p >= threshold
        rule = "" if p is None else f"cross-validated probability at least {threshold:g}"
        fitted.append(Comparator(name, rule, "; ".join(notes), flagged, p, found))
    return fitted


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
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed % MAX_SEED)
    p[known] = cross_val_predict(make(), x[known], present[known], cv=folds, method="predict_proba")[:, 1]
    return p


def _any_holds(table: pa.Table, condition: Condition) -> tuple[Bools, Bools]:
    """Say in which rows any column is in one of its states, and in which any is known."""
    holds, known = np.zeros((2, table.num_rows), dtype=bool)
    for name, states in condition.items():
        if name in table.column_names:
            cells = encode_column(table[name])
            words = [str(value).strip().lower() for value in cells.values]
            words = [ABSENT_PRESENT[SYNONYMS[word]] if word in SYNONYMS else word for word in words]
            holds |= cells.spread(word in states for word in words) == 1
            known |= cells.index >= 0
    return holds, known
