"""Parquet as a source of cases: columns of any type, checked before they are trusted.

A source is read in two steps, so that the second can run in several threads:
`pieces` reads in order, and `parse` turns a piece into a table.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet

from kneebayes.cases.coding import CASE_ID, short
from kneebayes.errors import FileFormatError
from kneebayes.scoring.rejects import MOST_SHOWN, Reject

__all__ = [
    "ParquetSource",
    "Rows",
    "Source",
    "check_names",
]


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


MOST_PIECE_BYTES = 1 << 28  # a Parquet file of a few bytes can hold any number of the same long text


class ParquetSource:
    """A Parquet file.

    Parameters
    ----------
    path : str
        The file.
    chunk_rows : int
        At most how many rows a piece has.
    keep : collection of str
        Columns to leave of their type; of others, what no cell of a CSV could
        hold becomes text.
    """

    def __init__(self, path: str, *, chunk_rows: int, keep: Collection[str] = ()) -> None:
        self.path = path
        self._chunk_rows = chunk_rows
        self._keep = frozenset(keep)
        self._used: list[str] | None = None
        if not os.path.getsize(path):
            raise FileFormatError(f"{path}: is empty.")
        try:
            schema = parquet.read_schema(path)
            # Codes are looked up once per distinct value, so words had best arrive as dictionaries.
            words = [f.name for f in schema if f.type in (pa.string(), pa.large_string()) and f.name != CASE_ID]
            # Buffered, not pre-buffered: a row group may be as large as the file.
            self._file = parquet.ParquetFile(path, read_dictionary=words, buffer_size=1 << 18, pre_buffer=False)
        except (pa.ArrowException, OSError, ValueError) as error:  # a name that is not UTF-8 is a ValueError
            raise self._not_whole(error) from error
        self.names: tuple[str, ...] = tuple(schema.names)
        try:
            check_names(path, self.names)
        except FileFormatError:
            self.close()
            raise

    def _not_whole(self, error: Exception) -> FileFormatError:
        return FileFormatError(f"{self.path}: can't be read as a whole Parquet file: {str(error).rstrip('.')}.")

    def empty(self) -> pa.Table:
        """All columns, no rows."""
        return self._plain(self._file.schema_arrow.empty_table())

    def _plain(self, table: pa.Table) -> pa.Table:
        """Make text of columns of rare types, each of which would need a reader of its own."""
        for place, column in enumerate(table.schema):
            if column.name not in self._keep and not _is_usual(column.type):
                table = table.set_column(place, column.name, _as_text(column.name, table[column.name]))
        return table

    def leave_out(self, columns: Iterable[str]) -> None:
        """Don't read these columns."""
        left_out = set(columns)
        if left_out:
            self._used = [name for name in self.names if name not in left_out] or list(self.names[:1])

    def rows_in_total(self, n_read: int) -> int | None:
        """Rows of the whole file."""
        return int(self._file.metadata.num_rows)

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Read in order, a batch at a time."""
        try:
            for piece in self._file.iter_batches(batch_size=self._chunk_rows, columns=self._used):
                if piece.nbytes > MOST_PIECE_BYTES:
                    raise FileFormatError(
                        f"{self.path}: {piece.num_rows:,} rows take {piece.nbytes:,} bytes: is it a table of cases?"
                    )
                yield piece
        except (pa.ArrowException, OSError) as error:
            raise self._not_whole(error) from error

    def parse(self, piece: pa.RecordBatch) -> Rows:
        """Turn a batch into a table."""
        n_rows = piece.num_rows
        try:
            # Readers trust a file to be what its footer says: that its text is UTF-8, and its indices are in bounds.
            piece.validate(full=True)
            return Rows(self._plain(pa.Table.from_batches([piece])), np.arange(n_rows), n_rows)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            problem = error
        for column in piece.columns:
            used = column.indices if pa.types.is_dictionary(column.type) else column[:0]
            if len(used) > used.null_count and compute.max(used).as_py() >= len(column.dictionary):
                raise self._not_whole(problem) from problem
        rejects = self._refused(piece)
        good = np.setdiff1d(np.arange(n_rows), [reject.row for reject in rejects])
        piece = piece.take(pa.array(good))
        # What only refused rows used would still stand in the dictionaries.
        columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in piece.columns]
        try:
            table = self._plain(pa.table(dict(zip(piece.schema.names, columns, strict=True))))
            table.validate(full=True)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise self._not_whole(error) from error
        return Rows(table, good, n_rows, rejects)

    @staticmethod
    def _refused(piece: pa.RecordBatch) -> list[Reject]:
        """Find the rows with text that is not UTF-8."""
        rejects = []
        cells = dict(zip(piece.schema.names, map(_as_bytes, piece.columns), strict=True))
        ids = cells.get(CASE_ID) or []
        for name, column in cells.items():
            for row, cell in enumerate(column):
                if isinstance(cell, bytes) and (text := cell.decode("utf-8", "replace")).encode() != cell:
                    case_id = ids[row] if ids else b""
                    case = case_id.decode("utf-8", "replace") if isinstance(case_id, bytes) else ""
                    reason = "not UTF-8: write the column as text"
                    rejects.append(Reject(row, short(case, MOST_SHOWN), name, short(text, MOST_SHOWN), reason))
        return rejects

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _is_usual(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_usual(kind.value_type)
    known = ("string", "large_string", "boolean", "integer", "floating", "decimal", "null")
    # A nested column is refused by its name where it is evidence.
    return any(getattr(pa.types, f"is_{name}")(kind) for name in (*known, "nested"))


def _as_text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write a column of a rare type (moments, bytes, UUIDs) as text."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return pa.chunked_array([[None if v is None else str(v) for v in column.to_pylist()]], pa.string())
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        return column.cast(pa.bool_()) if kind.extension_name == "arrow.bool8" else column.cast(pa.string())
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_duration(column.type):
        raise FileFormatError(f"the column '{name}' holds {column.type}: give a number, or text")
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit))  # the zone may be none that this machine knows
    return column.cast(pa.string())


def _as_bytes(column: pa.Array) -> list[bytes | None]:
    """Give the bytes of the cells of a column of text; of another column, nothing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        values = _as_bytes(column.dictionary)
        return [None if i is None or i >= len(values) else values[i] for i in column.indices.to_pylist()]
    same = {
        pa.string(): pa.binary(),
        pa.large_string(): pa.large_binary(),
        pa.string_view(): pa.binary_view(),
    }
    if kind in same or kind in same.values() or pa.types.is_fixed_size_binary(kind):
        return list(column.view(same.get(kind, kind)).to_pylist())
    return []
