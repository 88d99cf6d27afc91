"""Rows of a file that are not scored, and why; case_ids that came before."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = [
    "MOST_SHOWN",
    "REJECT_COLUMNS",
    "Reject",
    "SeenIds",
    "csv_text",
    "rejects_text",
]

REJECT_COLUMNS = ("row", "case_id", "column", "value", "reason")
MOST_SHOWN = 200  # characters of a case_id or a row: a cell may have millions, and a row a reject for each cell
LONGEST_RUN = 1 << 22  # merging longer runs would need their size in memory once more


@dataclass(frozen=True, slots=True)
class Reject:
    """One reason why one row is not scored.

    Attributes
    ----------
    row : int
        The row: in a piece of a file its place there, from 0; in a rejects
        file the number of the data row, from 1.
    case_id, column, value : str
        The case, where the problem is, and what was received there.
    reason : str
        What is allowed; it may name the value.
    plain : str
        The same without the value, where `reason` names it.
    """

    row: int
    case_id: str
    column: str
    value: str
    reason: str
    plain: str = ""

    def __str__(self) -> str:
        """Say it for a screen or a log: the place, and nothing that the row holds."""
        column = f", column '{self.column}'" if self.column else ""
        return f"row {self.row}{column}: {self.plain or self.reason}"

    def numbered(self, first: int) -> Reject:
        """Give the row its number in the file, of which the piece starts with row ``first``."""
        return replace(self, row=self.row + first)

    def redacted(self) -> Reject:
        """Give the place and what is allowed, without the value and the case."""
        return replace(self, case_id="", value="", reason=self.plain or self.reason)


def rejects_text(rejects: Iterable[Reject], *, first: int = 0) -> str:
    """Write rejects as rows of CSV.

    Parameters
    ----------
    rejects : iterable of Reject
        In the order wanted.
    first : int
        The number of row 0.

    Returns
    -------
    str
        Without the header, which is `REJECT_COLUMNS`.

    Examples
    --------
    >>> print(rejects_text([Reject(3, "c3", "age", "old", "give a number")]), end="")
    3,c3,age,old,give a number
    """
    return csv_text((str(first + r.row), r.case_id, r.column, r.value, r.reason) for r in rejects)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    r"""Write rows of CSV, quoted where they need it.

    Parameters
    ----------
    rows : iterable of sequence of str
        Their cells.

    Returns
    -------
    str
        A line for each, unless a cell has more.

    Examples
    --------
    >>> csv_text([["a b", "c,d"], ["e\r", "f"]])
    'a b,"c,d"\n"e\r","f"\n'
    """
    text = io.StringIO(newline="")
    as_needed = csv.writer(text, lineterminator="\n")
    always = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        # Before Python 3.13, what is no part of the line end needs no quotes, but to its readers a return ends a row.
        (always if any("\r" in cell for cell in row) else as_needed).writerow(row)
    return text.getvalue()


class SeenIds:
    """The case_ids of a file so far, in 8 bytes each.

    Kept are 64-bit hashes in sorted runs, of which equal ones are merged, so
    that a batch is looked up with one search per run. Two of n different ids
    have the same hash with probability n ** 2 / 2 ** 65, 3e-8 for a million
    rows and 3e-4 for a hundred million; the later of the two would then be
    taken for a duplicate.

    Examples
    --------
    >>> seen = SeenIds()
    >>> seen.repeated(seen.hashes(pa.array(["a", "b", "a", "", ""]))).tolist()
    [False, False, True, False, False]
    >>> seen.repeated(seen.hashes(pa.array(["c", "b", None]))).tolist()
    [False, True, False]
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    @staticmethod
    def hashes(ids: pa.Array) -> NDArray[np.int64]:
        """Hash ids; the hash of an empty or missing one is 0.

        Parameters
        ----------
        ids : pyarrow.Array of string
            The case_ids of a batch.

        Returns
        -------
        ndarray of int64
            One per id, the same for the life of this process only.
        """
        words = ids.to_numpy(zero_copy_only=False)
        return np.fromiter((hash(word) if word else 0 for word in words), dtype=np.int64, count=len(words))

    def repeated(self, hashes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which ids came before, and remember the others.

        Parameters
        ----------
        hashes : ndarray of int64
            As `hashes` gives them, batch after batch in the order of the file.

        Returns
        -------
        ndarray of bool
            True for an id that an earlier row of this or another batch had.
        """
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = np.zeros(len(hashes), dtype=bool)
        again[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            place = np.searchsorted(run, ordered)
            again |= run[np.minimum(place, len(run) - 1)] == ordered
        again &= ordered != 0
        fresh = ordered[~again & (ordered != 0)]
        if len(fresh):
            self._add(fresh)
        repeated = np.empty(len(hashes), dtype=bool)
        repeated[order] = again
        return repeated

    def _add(self, run: NDArray[np.int64]) -> None:
        while self._runs and len(self._runs[-1]) < 2 * len(run) and len(self._runs[-1]) + len(run) <= LONGEST_RUN:
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")
        self._runs.append(run)
