"""What may be wrong with a row of a table: each kind in words with what the row holds, and in words without.

Problems are found in many places (a cell, two cells together, a label, the bytes of a line) and said in many: among
the rejects, in an error, on a screen, in a log. Whoever finds one names its kind and gives the facts. The words stand
here only, so that what may be said of a person where others read along is to be seen in one column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from numbers import Number, Rational
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError

MAX_SHOWN = 200  # characters of a case_id or a row: a cell may have millions, and a row a problem for each cell
_CELL = "not allowed: give {allowed}, or nothing if unknown"
_LABEL = "not allowed: give one cause of {model} or none_of_these; further ones go to 'also'"
_STATE = "not allowed: give one of {allowed}, as fits the label, or nothing if unknown"
_IMPOSSIBLE = "impossible by the model: {said} contradict each other; mend one of them"


class Kind(Enum):
    """What is wrong, with its two wordings; the second names columns and what the model allows, never a value.

    Without a second one, the first quotes nothing of the row.
    """

    VALUE = "'{value}' is not allowed for {column}: give {allowed}, or nothing if unknown.{hint}", _CELL
    OUTSIDE = "{column} '{value}' is outside {limits}", _CELL
    SOFT_NUMBER = "{column} is a number of {unit}: it can't be given by likelihoods", _CELL
    SOFT_STATE = "'{value}' is not a state of {column}: give {states}.{hint}", _CELL
    LIKELIHOOD = "'{value}' is no likelihood for {column} {state}: give one number from 0 up each", _CELL
    NO_LIKELIHOOD = "nothing is said of {column}: give a likelihood to one of {states}, or leave it out", _CELL
    LIKELIHOODS_OVER_1 = "the likelihoods for {column} add up to more than 1: name all of {states}", _CELL
    LIKELIHOODS_0 = "the likelihoods for {column} are all 0: one of its states must be possible", _CELL
    CONTRADICTION = (
        "{column} '{value}' contradicts {other}, which says {variable} is {state}: mend one of them",
        "contradicts {other}: mend one of them",
    )
    SOFT_CONTRADICTION = ("no state fits what {names} say together: mend one of them",)
    IMPOSSIBLE = _IMPOSSIBLE, "impossible by the model: the value of {names}; mend it"
    IMPOSSIBLE_TOGETHER = (
        _IMPOSSIBLE,
        "impossible by the model: the values of {names} contradict each other; mend one of them",
    )
    IMPOSSIBLE_SOFT = (
        "impossible by the model: no states that the unsure answers allow fit the rest; mend one of them",
    )
    IMPOSSIBLE_LABELLED = ("the model holds what is known of this case, label included, impossible together",)
    LABELS = "{column} '{value}': give one cause, or none_of_these without '{also}'; more go there", _LABEL
    LABEL = "{column} '{value}' is no cause of the model: give one of {allowed}.{hint}", _LABEL
    TRUTH = "{column} '{value}' is not one of {allowed} (or yes/no).{hint}", _STATE
    TRUTH_AND_LABEL = "{column} '{value}' contradicts the label: mend one of them", _STATE
    FIELDS = ("the row has {n_fields} fields and the header {n_names}",)
    FIELDS_AND_LINES = (
        "the row has {n_fields} fields and the header {n_names}; it runs over {n_lines} lines: is a quote left open?",
    )
    ENCODING = ("not UTF-8: {remedy}",)
    MAPPED_VALUE = (
        "'{value}' is not among the values that the mapping gives for {column}: add it there, or to missing",
        "not among the values that the mapping gives: add it there, or to missing",
    )
    MAPPED_NUMBER = (
        "{column} '{value}' is no number{allowed}: mend it, or name its unit in the mapping",
        "no number{allowed}: mend it, or name its unit in the mapping",
    )
    DATE = "{column} '{value}' is no day written {allowed}", "no day written {allowed}"
    FUTURE = "{column} '{value}' lies in the future", "lies in the future"
    DATES = "{column} '{value}' is after {other}: mend one of them", "after {other}: mend one of them"
    COMBINED = ("{names} say different things of {other}: mend one of them",)
    LEFT_OUT = ("no case: left out by the rows that the mapping names",)
    JOINED = ("no case of its own: joined to an earlier row of the same case_id, as the mapping says",)
    ROWS_DIFFER = ("the rows of this case_id say different things: mend one, or leave some out by rows in the mapping",)
    ID_OVER_LINES = ("the case_id runs over lines: is a quote left open?",)
    ID_AGAIN = ("an earlier row has this case_id: give each case its own, or join rows by join: case_id in a mapping",)


@dataclass(frozen=True, slots=True)
class Why:
    """A reason, for any number of rows: its kind, all that there is to say, and what may be said anywhere."""

    kind: Kind
    text: str
    plain: str


def why(kind: Kind, **facts: object) -> Why:
    """Word a reason.

    >>> why(Kind.OUTSIDE, column="age", value="200", limits="0 to 110 years", allowed="a number of years").plain
    'not allowed: give a number of years, or nothing if unknown'
    """
    texts = [form.format(**facts) for form in kind.value]
    return Why(kind, texts[0], texts[-1])


class Refusal(CaseError):
    """A single value that is not allowed, before it is known in which row it stands."""

    def __init__(self, kind: Kind, **facts: object) -> None:
        self.why = why(kind, **facts)
        super().__init__(self.why.text)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a row of a table can't be scored: the row from 0, where in it (names joined by +), and what stood there."""

    row: int
    column: str
    value: str
    why: Why
    case_id: str = ""

    @property
    def reason(self) -> str:
        """All that there is to say: what is allowed, and the nearest match where there is one."""
        return self.why.text

    @property
    def plain(self) -> str:
        """What may be said where others read along: what is allowed, and nothing that the row holds."""
        return self.why.plain

    @property
    def place(self) -> str:
        """The row and the column."""
        return f"row {self.row}, column '{self.column}'" if self.column else f"row {self.row}"

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


def most_frequent(problems: Sequence[Problem]) -> list[tuple[Problem, int]]:
    """Give the first problem of each reason and its number of rows: the most frequent of each column and kind first."""
    counts = Counter((problem.column, problem.why.kind, problem.value) for problem in problems)
    first = {(problem.column, problem.why.kind, problem.value): problem for problem in reversed(problems)}
    ranks: Counter[tuple[str, Kind]] = Counter()
    ranked = []
    for (column, kind, value), n in counts.most_common():
        ranked.append((ranks[column, kind], first[column, kind, value], n))
        ranks[column, kind] += 1
    return [(problem, n) for _, problem, n in sorted(ranked, key=itemgetter(0))]


NO_CASES = (Kind.LEFT_OUT, Kind.JOINED)


def rows_of_no_case(problems: Iterable[Problem]) -> set[int]:
    """Give the rows that the mapping says are no cases, or belong to that of another row."""
    return {problem.row for problem in problems if problem.why.kind in NO_CASES}


def refused_rows(problems: Iterable[Problem], n: int) -> NDArray[np.bool_]:
    """Mark which of n rows have a problem."""
    refused = np.zeros(n, dtype=bool)
    refused[[problem.row for problem in problems]] = True
    return refused


def cell_text(value: object) -> str:
    """Write a value as it would stand in a CSV; what is neither text nor a number must not read as one.

    >>> import pandas as pd
    >>> cell_text(67), cell_text(pd.Period("2024", "Y"))
    ('67', 'Period 2024')
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Decimal) and value.is_zero():
        return "0"  # of many places it is 0E-20
    is_fraction = isinstance(value, Rational) and value.denominator != 1
    try:
        text = str(float(value) if is_fraction else value)  # type: ignore[arg-type]
    except (ValueError, OverflowError):  # of a whole number of over 4,300 digits
        return f"{type(value).__name__} of thousands of digits"
    looks_like_number = text.lstrip("+-. ")[:1].isdigit()
    return f"{type(value).__name__} {text}" if looks_like_number and not isinstance(value, (str, Number)) else text


def short(value: object, most: int = 60) -> str:
    """Cut the text of a value to a length that fits a message, with an ellipsis where it was cut."""
    text = cell_text(value).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"
