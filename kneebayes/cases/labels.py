"""A frame of cases, labelled or not, as codes to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cases.coding import CASE_ID, SYNONYMS, Coder, Problems, read_distinct
from kneebayes.cases.frames import case_error, code_table, encode_column
from kneebayes.cases.mapping import MappingLike, read_frame, repeated_ids
from kneebayes.cases.problems import Kind, Problem, Refusal, refused_rows, rows_of_no_case, short, why
from kneebayes.errors import CaseError, UnknownColumnError, check_kind, misspelt, names_of, nearest
from kneebayes.inference.evidence import Cases
from kneebayes.spec.model_spec import NOT_EVIDENCE_PREFIX, UNKNOWN_WORDS, ModelSpec

LABEL, ALSO, NONE = "label", "also", "none_of_these"
MEND = "are refused; mend them or leave them out"
States = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of the causes of n cases.

    ``targets`` are the causes in model order, then ``none_of_these``; ``present``, int8, (n, targets), is 1 present,
    0 absent, -1 not known; ``leading``, int, (n,), is the place of the leading cause among the targets, -1 where none
    is named and several, or not all, are known. Rows with problems are not known.
    """

    targets: tuple[str, ...]
    present: States
    leading: NDArray[np.intp]
    problems: Problems

    @property
    def any_known(self) -> NDArray[np.bool_]:
        """Which cases have a label."""
        return np.asarray((self.present >= 0).any(axis=1))

    @property
    def all_known(self) -> NDArray[np.bool_]:
        """Of which cases every cause is known to be there or not."""
        return np.asarray((self.present >= 0).all(axis=1))


def label_columns(model: ModelSpec, names: Sequence[str], label: str = LABEL) -> list[str]:
    """Find the columns that hold labels, in the order of the table; at least one must."""
    single = {f"{NOT_EVIDENCE_PREFIX}{cause}": cause for cause in model.causes}
    for name in names:
        if name.startswith(NOT_EVIDENCE_PREFIX) and name not in single:
            causes = f"its causes are {', '.join(model.causes)}.{nearest(name, single)}"
            raise UnknownColumnError(f"column '{short(name)}': {model.name} has no such cause; {causes}")
    if (label != LABEL and label not in names) or not any(name == label or name in single for name in names):
        known = [name for name in names if name in model.causes]
        hint = f" If {' and '.join(known)} came out later, call it {NOT_EVIDENCE_PREFIX}{known[0]}." if known else ""
        absent = f"no column '{short(label)}' of causes, and none named {NOT_EVIDENCE_PREFIX}<cause>"
        raise UnknownColumnError(f"{absent}: labelled cases need one of them.{hint or nearest(label, names)}")
    return [name for name in names if name in (label, ALSO) or name in single]


def read_labels(model: ModelSpec, table: pa.Table | pa.RecordBatch, label: str = LABEL) -> Labels:
    """Read the labels of a table.

    It has a column of leading causes (or ``none_of_these``), where ``also`` may name further ones joined by ``;``, and
    then every other cause is taken as absent; or a column ``true_<cause>`` of states for each cause, of which cells
    may be empty; or both, and then ``true_<cause>`` says of the causes not named whether they are absent.
    """
    columns = label_columns(model, table.column_names, label)
    targets = (*model.causes, NONE)
    n, last = table.num_rows, len(targets) - 1
    present = np.full((n, len(targets)), -1, dtype=np.int8)
    leading = np.full(n, -1, dtype=np.intp)
    problems: Problems = []
    if label in columns:
        first = _read(model, table, label, targets, problems)
        also = _read(model, table, ALSO, targets[:-1], problems) if ALSO in columns else [[]] * n
        for row, (cause, others) in enumerate(zip(first, also, strict=True)):
            if len(cause) > 1 or (others and (not cause or cause == [last])):
                value = short(table[label][row].as_py())
                reason = why(Kind.LABELS, column=label, value=value, also=ALSO, model=model.name)
                problems.append(Problem(row, label, value, reason))
            elif cause:
                leading[row] = cause[0]
                present[row] = 0
                present[row, [*cause, *others]] = 1
    for place, (name, node) in enumerate(model.causes.items()):
        name = f"{NOT_EVIDENCE_PREFIX}{name}"
        if name in columns:
            _add(table, name, node.states, present[:, place], leading == last, problems)
    causes = present[:, :last]
    none = np.where((causes == 1).any(axis=1), 0, np.where((causes == 0).all(axis=1), 1, -1))
    present[:, last] = none
    alone = (leading < 0) & (present >= 0).all(axis=1) & ((present == 1).sum(axis=1) == 1)
    leading[alone] = present[alone].argmax(axis=1)
    refused = refused_rows(problems, n)
    present[refused], leading[refused] = -1, -1
    return Labels(targets, present, leading, sorted(problems, key=lambda problem: problem.row))


def _read(model: ModelSpec, table: pa.Table, column: str, names: Sequence[str], problems: Problems) -> list[list[int]]:
    """Read a column of names joined by ; as places among the names."""
    cells = encode_column(table[column])

    def read(value: object) -> list[int]:
        words = [word.strip().lower() for word in str(value).split(";")]
        words = [word for word in words if word not in UNKNOWN_WORDS]
        unknown = next((word for word in words if word not in names), None)
        if unknown is not None:
            facts = {"allowed": ", ".join(names), "hint": misspelt(unknown, names), "model": model.name}
            raise Refusal(Kind.LABEL, column=column, value=short(unknown), **facts)
        return [names.index(word) for word in words]

    places = [*read_distinct(column, cells, read, problems), None]  # the last is that of an empty cell, -1
    return [places[max(i, -1)] or [] for i in cells.index.tolist()]


def _add(
    table: pa.Table, column: str, states: Sequence[str], present: States, none: NDArray[np.bool_], problems: Problems
) -> None:
    """Read a column of states into what is known of one cause, in place: it goes before what was only not named."""
    cells = encode_column(table[column])
    words = {"present": 1, **SYNONYMS, **{state: int(code > 0) for code, state in enumerate(states)}}
    allowed = ", ".join(states)

    def read(value: object) -> int:
        word = str(value).strip().lower()
        if word in words or word in UNKNOWN_WORDS:
            return words.get(word, -1)
        raise Refusal(Kind.TRUTH, column=column, value=short(word), allowed=allowed, hint=misspelt(word, words))

    new = cells.spread(read_distinct(column, cells, read, problems))
    for row in np.flatnonzero(((present == 1) & (new == 0)) | (none & (new == 1))).tolist():
        value = short(cells.values[int(cells.index[row])])
        reason = why(Kind.TRUTH_AND_LABEL, column=column, value=value, allowed=allowed)
        problems.append(Problem(row, column, value, reason))
    present[new >= 0] = new[new >= 0]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Cases to learn from, or to check a model by: what is known of each, labels included, each counted once.

    ``n_labelled`` have a label for at least one cause; ``n_unsure`` answers given as likelihoods are left out. ``rows``
    are the cases' places in the frame, of which a mapping may leave some out.
    """

    cases: Cases
    n_labelled: int
    n_unsure: int
    rows: NDArray[np.intp]

    def impossible(self, frame: Any, cases: NDArray[np.intp]) -> CaseError:
        """Say which cases the model gives no chance."""
        reason = why(Kind.IMPOSSIBLE_LABELLED)
        return case_error(frame, [Problem(row, "", "", reason) for row in self.rows[cases].tolist()], MEND)


def read_cohort(
    model: ModelSpec,
    frame: Any,
    *,
    labels: bool = True,
    label: str = LABEL,
    ignore: Iterable[str] = (),
    weights: NDArray[np.float64] | None = None,
    mapping: MappingLike | None = None,
) -> Cohort:
    """Read a frame of cases, with their labels where there are any and they are wanted.

    A cause of several states is known to be present by its label, and in which state by ``true_<cause>``. A value or
    label that is not allowed is an error that names row and column. Each case counts once, or by its weight.
    """
    ignore = names_of("ignore", ignore)
    check_kind(label, "casefold", "model.fit(cases, label='diagnosis')")
    coder = Coder(model)
    single = [f"{NOT_EVIDENCE_PREFIX}{cause}" for cause in model.causes]
    wanted = [*coder.columns, *single, label, ALSO, CASE_ID]
    read, bound = read_frame(coder, frame, mapping, wanted, ignore=ignore, further=[label])
    table = read.table
    kept = np.ones(len(table), dtype=bool)
    kept[list(rows_of_no_case(read.problems))] = False
    _refuse(frame, [*read.problems, *map(bound.named, repeated_ids(read))], kept)
    coded = code_table(coder, table)
    _refuse(frame, [bound.named(problem) for problem in coded.problems], kept)
    names = table.column_names
    most = max(len(cause.states) for cause in model.causes.values())
    allowed = np.ones((len(table), len(model.causes), most), dtype=bool)
    n_labelled = 0
    if labels and (label != LABEL or any(name == label or name.startswith(NOT_EVIDENCE_PREFIX) for name in names)):
        label_columns(model, names, label)
        known = read_labels(model, table, label)
        _refuse(frame, [bound.named(problem) for problem in known.problems], kept)
        n_labelled = int((known.any_known & kept).sum())
        present = known.present[:, : len(model.causes)]
        allowed[:, :, 0] &= present != 1
        allowed[:, :, 1:] &= (present != 0)[:, :, None]
        for c, (cause, column) in enumerate(zip(model.causes.values(), single, strict=True)):
            if len(cause.states) > 2 and column in names:
                cells, places = encode_column(table[column]), {state: i for i, state in enumerate(cause.states)}
                states = cells.spread(places.get(str(value).strip().lower()) for value in cells.values)
                told = states >= 0
                allowed[told, c] &= np.arange(most) == states[told, None]
    unsure = sum(int(kept[answer.cases].sum()) for answer in coded.evidence.soft)
    weights = np.ones(len(table)) if weights is None else weights
    cases = Cases(coded.evidence.codes[:, kept], allowed[kept], weights[kept])
    return Cohort(cases, n_labelled, unsure, np.flatnonzero(kept))


def _refuse(frame: Any, problems: Problems, kept: NDArray[np.bool_]) -> None:
    if problems := [problem for problem in problems if kept[problem.row]]:
        raise case_error(frame, problems, MEND)
