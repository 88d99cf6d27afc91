"""A frame of cases, labelled or not, as codes to learn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kneebayes.counts import Cases
from kneebayes.errors import CaseError
from kneebayes.evidence import Coder, Problem
from kneebayes.frames import row_name, to_arrow
from kneebayes.labels import LABEL, label_columns, read_labels
from kneebayes.model import ModelFile
from kneebayes.scoring import factor
from kneebayes.vocabulary import NOT_EVIDENCE_PREFIX, check_columns

__all__ = ["Cohort", "read_cohort"]


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
    model: ModelFile, frame: Any, *, labels: bool = True, label: str = LABEL, ignore: Iterable[str] = ()
) -> Cohort:
    """Read a frame of cases.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One case per row, a column per variable, an empty cell where it is not
        known.
    labels : bool
        Whether to read labels, where there are any, as by
        `kneebayes.labels.read_labels`. A cause of several states is known to
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
    unsure = sum(len(answer.cases) for answer in coded.unsure)
    return Cohort(Cases(coded.codes, allowed, np.ones(len(table))), n_labelled, unsure)


def _refuse(frame: Any, problems: list[Problem]) -> None:
    if problems:
        first, rows = problems[0], len({problem.row for problem in problems})
        more = f" ({rows} rows are refused; mend them or leave them out)" if rows > 1 else ""
        raise CaseError(f"{row_name(frame, first.row)}, column '{first.column}': {first.reason}{more}")
