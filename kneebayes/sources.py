"""Where cases come from: tables read a bounded piece at a time.

A source is read in two steps, so that the second can run in several threads:
`pieces` reads in order, and `parse` turns a piece into a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.errors import FileFormatError
from kneebayes.rejects import Reject

__all__ = ["Rows", "Source", "check_names"]


@dataclass(frozen=True, eq=False)
class Rows:
    """A piece of a source as a table.

    Attributes
    ----------
    table : pyarrow.Table
        The rows that could be read.
    positions : ndarray of int, shape (rows of the table,)
        Place of each in the piece, from 0.
    n_read : int
        Rows in the piece.
    rejects : list of Reject
        The rows that could not be read; ``row`` is the place in the piece, from 0.
    """

    table: pa.Table
    positions: NDArray[np.intp]
    n_read: int
    rejects: list[Reject] = field(default_factory=list)


class Source(Protocol):
    """What scoring a file needs to know of where the cases come from."""

    names: tuple[str, ...]

    def empty(self) -> pa.Table:
        """All columns, no rows."""

    def leave_out(self, columns: Iterable[str]) -> None:
        """Don't read these columns."""

    def pieces(self) -> Iterator[Any]:
        """Read in order, a bounded piece at a time."""

    def parse(self, piece: Any) -> Rows:
        """Turn a piece into a table; safe to call from several threads."""

    def rows_in_total(self, n_read: int) -> int | None:
        """Rows of the whole source, estimated after ``n_read`` of them; None where there is no telling."""

    def close(self) -> None:
        """Let go of the file."""


def check_names(path: str, names: Iterable[str]) -> None:
    """Refuse a header that does not name every column, once.

    Parameters
    ----------
    path : str
        The file, for the message.
    names : iterable of str
        Its columns.

    Raises
    ------
    FileFormatError
        Saying which columns, or that the delimiter is another.
    """
    names = list(names)
    if len(names) == 1:
        for delimiter, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if delimiter in names[0]:
                raise FileFormatError(f"{path}: the columns are separated by {word}: separate them by commas.")
    blank = [str(number) for number, name in enumerate(names, start=1) if not name]
    if blank:
        raise FileFormatError(f"{path}: the header has no name for column {', '.join(blank[:5])} of {len(names)}.")
    # By number, as it may be no header at all but the first case.
    counts = Counter(names)
    twice = [str(number) for number, name in enumerate(names, start=1) if counts[name] > 1]
    if twice:
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        raise FileFormatError(
            f"{path}: a name stands more than once in the header, at columns {', '.join(twice[:5])}{more}. "
            "Does the first row name the columns?"
        )
