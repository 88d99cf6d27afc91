"""A frame of cases, labelled or not, as codes to learn from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cases.coding import NOT_EVIDENCE_PREFIX, SYNONYMS, UNKNOWN_WORDS, Coder, Problem, check_columns, short
from kneebayes.cases.frames import factor, row_name, to_arrow
from kneebayes.errors import CaseError, UnknownColumnError, nearest
from kneebayes.inference.counts import Cases
from kneebayes.spec.model_spec import ModelSpec

__all__ = [
    "ALSO",
    "LABEL",
    "NONE",
    "Cohort",
    "Labels",
    "label_columns",
    "read_cohort",
    "read_labels",
]

LABEL, ALSO, NONE = "label", "also", "none_of_these"
States = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of the causes of n cases.

    Attributes
    ----------
    targets : tuple of str
        The causes in model order, then ``none_of_these``.
    present : ndarray of int8, shape (n, targets)
        1 present, 0 absent, -1 not known.
    leading : ndarray of int, shape (n,)
        Place of the leading cause among the targets; -1 where none is named
        and several, or not all, are known.
    problems : list of Problem
        Labels that can't be read; their rows are not known.
    """

    targets: tuple[str, ...]
    present: States
    leading: NDArray[np.intp]
    problems: list[Problem]

    @property
    def any_known(self) -> NDArray[np.bool_]:
        """Which cases have a label."""
        return np.asarray((self.present >= 0).any(axis=1))

    @property
    def all_known(self) -> NDArray[np.bool_]:
        """Of which cases every cause is known to be there or not."""
        return np.asarray((self.present >= 0).all(axis=1))


def label_columns(model: ModelSpec, names: Sequence[str], label: str = LABEL) -> list[str]:
    """Find the columns that hold labels.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    names : sequence of str
        The columns of the table.
    label : str, default "label"
        The column of leading causes.

    Returns
    -------
    list of str
        In the order of the table.

    Raises
    ------
    UnknownColumnError
        If there is none, or one is for a cause that the model does not have.
    """
    single = {f"{NOT_EVIDENCE_PREFIX}{cause}": cause for cause in model.causes}
    for name in names:
        if name.startswith(NOT_EVIDENCE_PREFIX) and name not in single:
            raise UnknownColumnError(
                f"column '{short(name)}': {model.name} has no such cause; its causes are "
                f"{', '.join(model.causes)}.{nearest(name, single)}"
            )
    if (label != LABEL and label not in names) or not any(name == label or name in single for name in names):
        raise UnknownColumnError(
            f"no column '{short(label)}' of causes, and none named {NOT_EVIDENCE_PREFIX}<cause>: "
            f"labelled cases need one of them.{nearest(label, names)}"
        )
    return [name for name in names if name in (label, ALSO) or name in single]


def read_labels(model: ModelSpec, table: pa.Table | pa.RecordBatch, label: str = LABEL) -> Labels:
    """Read the labels of a table.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    table : pyarrow.Table or pyarrow.RecordBatch
        With a column of leading causes (or ``none_of_these``), where ``also``
        may name further ones joined by ``;``, and then every other cause is
        taken as absent; or with a column ``true_<cause>`` of states for each
        cause, of which cells may be empty; or both, and then ``true_<cause>``
        says of the causes not named whether they are absent.
    label : str, default "label"
        The column of leading causes.

    Returns
    -------
    Labels
        A row for each row of the table.

    Raises
    ------
    UnknownColumnError
        As for `label_columns`.
    """
    columns = label_columns(model, table.column_names, label)
    targets = (*model.causes, NONE)
    n, last = table.num_rows, len(targets) - 1
    present = np.full((n, len(targets)), -1, dtype=np.int8)
    leading = np.full(n, -1, dtype=np.intp)
    problems: list[Problem] = []
    if label in columns:
        first = _read(table, label, targets, problems)
        also = _read(table, ALSO, targets[:-1], problems) if ALSO in columns else [[]] * n
        for row, (cause, others) in enumerate(zip(first, also, strict=True)):
            if len(cause) > 1 or (others and (not cause or cause == [last])):
                text = table[label][row].as_py()
                reason = f"{label} '{short(text)}': give one cause, or none_of_these without '{ALSO}'; more go there"
                problems.append(Problem(row, label, short(text), reason))
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
    refused = np.unique([problem.row for problem in problems]).astype(np.intp)
    present[refused], leading[refused] = -1, -1
    return Labels(targets, present, leading, sorted(problems, key=lambda problem: problem.row))


def _read(table: pa.Table, column: str, names: Sequence[str], problems: list[Problem]) -> list[list[int]]:
    """Read a column of names joined by ; as places among the names."""
    cells = factor(table[column])
    read: dict[int, list[int]] = {-1: []}
    wrong: dict[int, str] = {}
    for i, value in enumerate(cells.values):
        words = [word.strip().lower() for word in str(value).split(";")]
        words = [word for word in words if word not in UNKNOWN_WORDS]
        unknown = next((word for word in words if word not in names), None)
        read[i] = [] if unknown is not None else [names.index(word) for word in words]
        if unknown is not None:
            hint = nearest(unknown, names)
            wrong[i] = f"{column} '{short(unknown)}' is no cause of the model: give one of {', '.join(names)}.{hint}"
    index = cells.index.tolist()
    if wrong:
        problems += [
            Problem(row, column, short(cells.values[i]), wrong[i]) for row, i in enumerate(index) if i in wrong
        ]
    return [read[max(i, -1)] for i in index]


def _add(
    table: pa.Table,
    column: str,
    states: Sequence[str],
    present: States,
    none: NDArray[np.bool_],
    problems: list[Problem],
) -> None:
    """Read a column of states into what is known of one cause, in place: it goes before what was only not named."""
    cells = factor(table[column])
    words = {"present": 1, **SYNONYMS, **{state: int(code > 0) for code, state in enumerate(states)}}
    lookup = np.full(len(cells.values) + 1, -1, dtype=np.int8)  # the last place is that of an empty cell, -1
    wrong: dict[int, str] = {}
    for i, value in enumerate(cells.values):
        word = str(value).strip().lower()
        if word in words:
            lookup[i] = words[word]
        elif word not in UNKNOWN_WORDS:
            allowed = ", ".join(states)
            wrong[i] = f"{column} '{short(word)}' is not one of {allowed} (or yes/no).{nearest(word, words)}"
    new = lookup[np.maximum(cells.index, -1)]
    for row in np.flatnonzero(((present == 1) & (new == 0)) | (none & (new == 1))).tolist():
        value = short(cells.values[int(cells.index[row])])
        problems.append(Problem(row, column, value, f"{column} '{value}' contradicts the label: mend one of them"))
    index = cells.index.tolist() if wrong else []
    problems += [Problem(row, column, short(cells.values[i]), wrong[i]) for row, i in enumerate(index) if i in wrong]
    present[new >= 0] = new[new >= 0]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Cases to learn from, or to check a model by.

    Attributes
    ----------
    cases : Cases
        What is known of each, labels included, each counted once.
    n_labelled : int
        How many have a label for at least one cause.
    n_unsure : int
        Answers given as likelihoods, which are left out.
    """

    cases: Cases
    n_labelled: int
    n_unsure: int


def read_cohort(
    model: ModelSpec, frame: Any, *, labels: bool = True, label: str = LABEL, ignore: Iterable[str] = ()
) -> Cohort:
    """Read a frame of cases.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One case per row, a column per variable, an empty cell where it is not
        known.
    labels : bool
        Whether to read labels, where there are any, as by
        `kneebayes.cases.labels.read_labels`. A cause of several states is known to
        be present by its label, and in which state by ``true_<cause>``.
    label : str
        The column of leading causes.
    ignore : iterable of str
        Columns to leave out.

    Returns
    -------
    Cohort
        A case for each row.

    Raises
    ------
    UnknownColumnError
        If a column is not accounted for.
    CaseError
        If a value or label is not allowed; the message names row and column.
    """
    ignore = list(ignore)
    coder = Coder(model)
    single = [f"{NOT_EVIDENCE_PREFIX}{cause}" for cause in model.causes]
    table = to_arrow(frame, [*coder.columns, *single, label, "also"])
    check_columns(model, table.column_names, ignore=[*ignore, label])
    table = table.drop_columns([name for name in table.column_names if name in ignore])
    coded = coder.batch({name: factor(table[name]) for name in coder.columns if name in table.column_names}, len(table))
    _refuse(frame, coded.problems)
    names = table.column_names
    most = max(len(cause.states) for cause in model.causes.values())
    allowed = np.ones((len(table), len(model.causes), most), dtype=bool)
    n_labelled = 0
    if labels and (label != LABEL or any(name in (label, *single) for name in names)):
        label_columns(model, names, label)
        read = read_labels(model, table, label)
        _refuse(frame, read.problems)
        n_labelled = int(read.any_known.sum())
        present = read.present[:, : len(model.causes)]
        allowed[:, :, 0] &= present != 1
        allowed[:, :, 1:] &= (present != 0)[:, :, None]
        for c, (cause, column) in enumerate(zip(model.causes.values(), single, strict=True)):
            if len(cause.states) > 2 and column in names:
                cells = factor(table[column])
                for i, value in enumerate(cells.values):
                    word = str(value).strip().lower()
                    if word in cause.states:
                        rows = cells.index == i
                        allowed[rows, c] &= np.arange(most) == cause.states.index(word)
    unsure = sum(len(answer.cases) for answer in coded.evidence.soft)
    return Cohort(Cases(coded.evidence.codes, allowed, np.ones(len(table))), n_labelled, unsure)


def _refuse(frame: Any, problems: list[Problem]) -> None:
    if problems:
        first, rows = problems[0], len({problem.row for problem in problems})
        more = f" ({rows} rows are refused; mend them or leave them out)" if rows > 1 else ""
        raise CaseError(f"{row_name(frame, first.row)}, column '{first.column}': {first.reason}{more}")
