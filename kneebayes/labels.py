"""What was the matter with labelled cases: one column of causes, or one column for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.errors import UnknownColumnError, nearest
from kneebayes.evidence import Problem
from kneebayes.model import ModelFile
from kneebayes.scoring import factor
from kneebayes.vocabulary import NOT_EVIDENCE_PREFIX, SYNONYMS, UNKNOWN_WORDS, short

__all__ = ["ALSO", "LABEL", "NONE", "Labels", "label_columns", "read_labels"]

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


def label_columns(model: ModelFile, names: Sequence[str], label: str = LABEL) -> list[str]:
    """Find the columns that hold labels.

    Parameters
    ----------
    model : ModelFile
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


def read_labels(model: ModelFile, table: pa.Table | pa.RecordBatch, label: str = LABEL) -> Labels:
    """Read the labels of a table.

    Parameters
    ----------
    model : ModelFile
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
