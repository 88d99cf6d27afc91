"""Evaluating a model on labelled cases, and comparing it with others on the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cases.coding import CASE_ID
from kneebayes.cases.frames import encode_column, encode_columns, row_name, to_arrow
from kneebayes.cases.labels import LABEL, Labels, label_columns, read_labels
from kneebayes.diagnosis.alarm import Thresholds
from kneebayes.diagnosis.wells import read_sheet
from kneebayes.errors import CaseError, OptionError, UnknownNameError
from kneebayes.evaluation.comparators import (
    Rival,
    alarm_levels,
    any_symptom,
    cross_validated,
    distinct,
    model_rival,
    sheet_score,
)
from kneebayes.evaluation.metrics import resamples
from kneebayes.evaluation.result import Evaluation
from kneebayes.evaluation.tables import (
    DECISION_COLUMNS,
    alarm_table,
    bin_table,
    cause_table,
    comparison_table,
    confusion_table,
    decision_table,
    top_table,
)
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    from kneebayes.model import Model

__all__ = [
    "evaluate",
]

FEW_CASES = 10  # with a cause: below that its figures are anecdotes
MOST_RESAMPLES, FEWEST_RESAMPLES, DRAWS = 1000, 100, 1_000_000


def evaluate(
    model: Model,
    frame: Any,
    *,
    label: str = LABEL,
    thresholds: Thresholds | None = None,
    baselines: bool = False,
    against: Sequence[Model] | Mapping[str, Model] = (),
    ignore: Iterable[str] = (),
    bootstrap: int | None = None,
    seed: int = 0,
    errors: Literal["raise", "null"] = "raise",
) -> Evaluation:
    """Measure a model on labelled cases.

    Parameters
    ----------
    model : Model
        What to evaluate.
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        Cases as for `Model.score`, with a column of leading causes (and
        ``also``, further ones joined by ``;``), or a column ``true_<cause>``
        of states for each cause, of which cells may be empty, or both.
    label : str, default "label"
        The column of leading causes: names of causes, or ``none_of_these``.
        A cause that neither it nor ``also`` names is taken as absent, unless
        ``true_<cause>`` says otherwise.
    thresholds : Thresholds, optional
        When the alarm warns; by default those of the model file.
    baselines : bool
        Whether to compare with the Wells score, the rule of any symptom or
        red flag, and naive Bayes and logistic regression fitted by
        cross-validation where the cases are enough.
    against : sequence of Model, or mapping of str to Model
        Further models to compare with, called as the mapping calls them, or
        by the name and version of their files.
    ignore : iterable of str
        Columns to leave out, labels too.
    bootstrap : int, optional
        Resamples behind the intervals, 0 for none; by default 1000, and down
        to 100 where there are more than 1000 cases.
    seed : int
        Of the resamples and of the folds.
    errors : {"raise", "null"}
        Whether a row whose evidence or label can't be read raises, or is left
        out and listed in ``problems``.

    Returns
    -------
    Evaluation
        Tables that print, write themselves as CSV, JSON and HTML, and plot.

    Raises
    ------
    UnknownColumnError
        If a column is not accounted for, or there are no labels.
    CaseError
        If a row can't be read, or no row has a label.
    UnknownNameError
        If ``errors`` is neither.
    OptionError
        If a model is to be called what a line of the decision curves is.

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> cases = model.simulate(200, seed=1, with_causes=True)
    >>> result = evaluate(model, cases, bootstrap=0)
    >>> result.n_cases, bool(result.causes.loc["dvt", "auc"] > 0.5)
    (200, True)
    """
    if errors not in ("raise", "null"):
        raise UnknownNameError(f"no way '{errors}' to treat errors: use 'raise' or 'null'")
    if bootstrap is not None and bootstrap < 0:
        raise CaseError(f"bootstrap {bootstrap}: the number of resamples must not be negative")
    called = _called(against)
    models, ignore = [model, *(other for _, other in called)], list(ignore)
    sheet = read_sheet() if baselines else None
    known = [column for m in models for column in m.scorer.coder.columns] + list(sheet.columns if sheet else ())
    names = to_arrow(frame, []).column_names
    labelled = label_columns(model.file, [name for name in names if name not in ignore], label)
    table = to_arrow(frame, [*known, *labelled, CASE_ID])
    labels = read_labels(model.file, table.select(labelled), label)
    scores = [_score(m, table, [*ignore, *labelled], known, thresholds) for m in models]
    problems = sorted([*labels.problems, *(p for s in scores for p in s.problems)], key=lambda problem: problem.row)
    refused = sorted({problem.row for problem in problems})
    if problems and errors == "raise":
        first = problems[0]
        more = f" ({len(refused)} rows can't be evaluated; errors='null' leaves them out)" if len(refused) > 1 else ""
        raise CaseError(f"{row_name(frame, first.row)}, column '{first.column}': {first.reason}{more}")
    accepted = np.ones(table.num_rows, dtype=bool)
    accepted[refused] = False
    used = np.flatnonzero(accepted & labels.any_known)
    if not len(used):
        raise CaseError(f"none of {table.num_rows} rows has a label and can be scored: there is nothing to evaluate")
    labels = Labels(labels.targets, labels.present[used], labels.leading[used], [])
    cases = table.take(pa.array(used))
    caution = thresholds or Thresholds.of(model.file)
    own, *others = [model_rival(m, s, used, model.file.alarm.cause) for m, s in zip(models, scores, strict=True)]
    others = [replace(rival, name=name or rival.name) for rival, (name, _) in zip(others, called, strict=True)]
    if sheet is not None:
        wanted = [name for name in model.scorer.coder.columns if name in names and name not in (*ignore, *labelled)]
        coded = model.scorer.coder.batch(encode_columns(cases, wanted), len(used))
        codes = coded.evidence.hardened()
        others += [sheet_score(sheet, cases), any_symptom(model.scorer.rules, codes)]
        others += cross_validated(model.file, codes, labels, threshold=caution.caution, seed=seed)
    times = min(MOST_RESAMPLES, max(FEWEST_RESAMPLES, DRAWS // len(used))) if bootstrap is None else bootstrap
    p = np.column_stack([own.probabilities[target] for target in labels.targets])
    return _evaluation(
        model,
        caution,
        labels,
        p,
        alarm_levels(model, scores[0], used),
        distinct([own, *others]),
        pd.Index(_case_names(frame, table, used), name=CASE_ID),
        times,
        seed,
        n_read=table.num_rows,
        n_rejected=len(refused),
        n_unlabelled=int(accepted.sum()) - len(used),
        problems=problems,
        notes=_notes(model, labels, cases, ignore, scores[0], others),
    )


def _evaluation(
    model: Model,
    thresholds: Thresholds,
    labels: Labels,
    p: NDArray[np.float64],
    levels: NDArray[np.int8],
    rivals: list[Rival],
    index: pd.Index[Any],
    times: int,
    seed: int,
    **rest: Any,
) -> Evaluation:
    cause = model.file.alarm.cause
    place = labels.targets.index(cause)
    known = labels.present[:, place] >= 0
    truth = labels.present[known, place] == 1
    blocks = partial(resamples, len(p), times, seed)
    known_blocks = partial(resamples, int(known.sum()), times, seed)
    at_caution = LEVELS.index("caution")
    gone = np.flatnonzero((labels.present[:, place] == 1) & (levels < at_caution))
    leading = [labels.targets[i] if i >= 0 else "" for i in labels.leading]
    names = pd.Series(np.array(LEVELS)[levels], index=index, name="alarm", dtype=str)
    missed = pd.DataFrame({"leading": leading, "probability": p[:, place], "alarm": names.tolist()}, index=index)
    return Evaluation(
        model=model.file,
        thresholds=thresholds,
        predictions=pd.DataFrame(p, index=index, columns=list(labels.targets)),
        truth=pd.DataFrame(labels.present, index=index, columns=list(labels.targets)).astype(float).replace(-1, np.nan),
        levels=names,
        top=top_table(p, labels),
        causes=cause_table(p, labels, blocks),
        calibration=bin_table(p, labels),
        confusion=confusion_table(p, labels),
        alarm=alarm_table(truth, levels[known]),
        missed=missed.iloc[gone],
        decision=decision_table(
            truth,
            p[known, place],
            [rival.only(known) for rival in rivals[1:]],
            (thresholds.caution, thresholds.urgent),
            cause,
            known_blocks,
        ),
        comparison=comparison_table(rivals, labels, known, cause, thresholds.caution, blocks),
        rankings={rival.name: rival.score for rival in rivals if rival.score is not None},
        bootstrap=times,
        seed=seed,
        **rest,
    )


def _called(against: Sequence[Model] | Mapping[str, Model]) -> list[tuple[str, Model]]:
    if not isinstance(against, Mapping):
        return [("", other) for other in against]
    taken = [name for name in against if name in DECISION_COLUMNS]
    if taken:
        raise OptionError(
            f"against: no model can be called '{taken[0]}', as the decision curves have a line of that name"
        )
    return list(against.items())


def _score(
    model: Model, table: pa.Table, ignore: list[str], known: Iterable[str], thresholds: Thresholds | None
) -> Scored:
    """Score with one model; what only another knows is no evidence to it."""
    own = set(model.scorer.coder.columns)
    foreign = [name for name in known if name not in own]
    return model.score_table(table, ignore=[*ignore, *foreign], thresholds=thresholds)


def _case_names(frame: Any, table: pa.Table, used: NDArray[np.intp]) -> list[Any]:
    if CASE_ID in table.column_names:
        return list(table[CASE_ID].take(pa.array(used)).to_pylist())
    index = getattr(frame, "index", None)
    return list(index[used]) if isinstance(index, pd.Index) else used.tolist()


def _notes(
    model: Model, labels: Labels, cases: pa.Table, ignore: list[str], scored: Scored, rivals: list[Rival]
) -> list[str]:
    notes = [f"{warning} ({rows} rows)" for warning, rows in scored.warnings.items()]
    counts = dict(zip(labels.targets, (labels.present == 1).sum(axis=0).tolist(), strict=True))
    few = [f"{target} ({n})" for target, n in counts.items() if n < FEW_CASES]
    if few:
        notes.append(f"under {FEW_CASES} cases, so that figures are anecdotes: {', '.join(few)}")
    partly = int((~labels.all_known).sum())
    if partly:
        notes.append(f"{partly} cases have causes of which nothing is known: they don't count in top-1 and top-3")
    given = [
        name
        for name in model.causes
        if name in cases.column_names and name not in ignore and (encode_column(cases[name]).index >= 0).any()
    ]
    if given:
        notes.append(f"causes were given as evidence, so this is no blind test of: {', '.join(given)}")
    return notes + _shared(rivals)


def _shared(rivals: list[Rival]) -> list[str]:
    """Write the notes of rivals, one that several share only once."""
    texts = dict.fromkeys(rival.note for rival in rivals if rival.note)
    return [f"{', '.join(rival.name for rival in rivals if rival.note == text)}: {text}" for text in texts]
