"""CSV as a source of cases: rows cut out of the file, and only bad rows refused."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import BufferedReader
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow import csv as arrow_csv

from kneebayes.atomic import STANDARD_STREAM, is_special
from kneebayes.cases.coding import CASE_ID, short
from kneebayes.errors import FileFormatError
from kneebayes.scoring.rejects import MOST_SHOWN, Reject
from kneebayes.scoring.sources import Rows, check_names

__all__ = [
    "CsvSource",
    "end_of_last_row",
    "open_stream",
]

QUOTE, COMMA, LINE_FEED, RETURN = b'",\n\r'
_QUOTED = re.compile(rb'(?:(?<=[,\n\r])|\A)"(?:[^"]|"")*+(?:"|\Z)')


def end_of_last_row(block: bytes) -> int:
    r"""Say where the last whole row of a text ends: a line feed between quotes ends none.

    Parameters
    ----------
    block : bytes
        CSV from the start of a row on.

    Returns
    -------
    int
        The place after its line feed, or 0.

    Examples
    --------
    >>> end_of_last_row(b'a,b\nc,"d\ne')
    4
    """
    end = block.rfind(b"\n") + 1
    if not end or b'"' not in block:
        return end
    characters = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(characters == QUOTE)
    before = characters[quotes[::2] - 1]
    before[0] = LINE_FEED if quotes[0] == 0 else before[0]
    if np.isin(before, (COMMA, LINE_FEED, RETURN, QUOTE)).all():
        # Every other quote opens a field (or is the second of a doubled quote), so parity tells inside from outside.
        if np.searchsorted(quotes, end - 1) % 2 == 0:
            return end
        line_feeds = np.flatnonzero(characters == LINE_FEED)
        outside = line_feeds[np.searchsorted(quotes, line_feeds) % 2 == 0]
        return int(outside[-1]) + 1 if len(outside) else 0
    end = closed = 0
    for quoted in _QUOTED.finditer(block):
        end = max(end, block.rfind(b"\n", closed, quoted.start()) + 1)
        closed = quoted.end()
    return max(end, block.rfind(b"\n", closed) + 1)


def open_stream(path: str) -> BinaryIO:
    """Open a file, a pipe or standard input to read bytes from.

    Parameters
    ----------
    path : str
        A file, or ``-`` for standard input.

    Returns
    -------
    binary file
        Of a pipe only ``read`` and ``close`` may be used.

    Raises
    ------
    FileFormatError
        If there is no standard input.
    OSError
        If the file can't be opened.
    """
    if path != STANDARD_STREAM:
        stream = open(path, "rb")  # noqa: SIM115 - the source closes it
        return cast("BinaryIO", _Pipe(stream)) if is_special(path) else stream
    standard = getattr(sys.stdin, "buffer", None)
    if standard is None:
        raise FileFormatError("standard input can't be read here: give a file")
    return cast("BinaryIO", _Pipe(standard))


class _Pipe:
    """A pipe, read so that a signal is seen between any two reads.

    A buffered stream reads on until it has all that was asked for. A signal
    that comes while it waits for another thread, and not for the pipe, would
    only be seen when there is more to read, which may be never.
    """

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream

    def read(self, n_bytes: int) -> bytes:
        """Read so many bytes, or all that are left."""
        parts = []
        while n_bytes and (part := self._stream.read1(n_bytes)):
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the pipe."""
        self._stream.close()


MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: save it as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as CSV",
    b"PAR1": "a Parquet file: name it .parquet, and give it as a file, not through a pipe",
    b"\x1f\x8b": "compressed with gzip: name it .csv.gz, or unpack it in the pipe",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: name it .csv.zst, or unpack it in the pipe",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}
BOM = b"\xef\xbb\xbf"
FIRST_BYTES = 1 << 18
LEAST_PIECE_BYTES = 1 << 16
MOST_PIECE_BYTES = 1 << 23
LEAST_COMPILED_BYTES = 1 << 18  # for less, loading the compiled code takes longer than it saves
MOST_ROW_BYTES = 1 << 24  # a longer row is a quote that was never closed, or no table at all
FREE_BYTES, MOST_RATIO = 1 << 25, 200  # cases shrink to a tenth; a bomb to a thousandth, and less
PRIVATE_USE = (*range(0xE000, 0xF900), *range(0xF0000, 0xFFFFE))  # what means nothing to anyone
_UNDECODED = re.compile("[\udc80-\udcff]")


class CsvSource:
    """A CSV file: UTF-8, comma-separated, with a header.

    Rows are cut out of the file here, and not by pyarrow's stream reader, so
    that pieces are parsed in parallel and a row that is not UTF-8 or has the
    wrong number of fields costs only itself.

    Parameters
    ----------
    path : str
        The file's name, for messages.
    stream : binary file
        To read from; it is closed with the source.
    compression : {None, "gzip", "zstd"}
        How the stream is compressed.
    chunk_rows : int
        About how many rows a piece has.
    """

    def __init__(self, path: str, stream: BinaryIO, compression: str | None, *, chunk_rows: int) -> None:
        self.path = "standard input" if path == STANDARD_STREAM else path
        self._file = stream
        self._stream = pa.CompressedInputStream(stream, compression) if compression else stream
        self._size = os.path.getsize(path) if os.path.isfile(path) else 0
        self._row_end = b"\n"
        self._n_unpacked = 0
        try:
            first = self._read(FIRST_BYTES)
            if b"\n" not in first and b"\r" in first[:-1]:
                self._row_end = b"\r"  # as old Macs wrote, and Excel still offers
                first = first.replace(b"\r", b"\n")
            while not end_of_last_row(first) and len(first) < MOST_ROW_BYTES and (more := self._read(len(first))):
                first += more
            self.names, self._first = self._header(first)
        except BaseException:
            self.close()
            raise
        row_bytes = len(first) / max(1, first.count(b"\n"))
        self._piece_bytes = int(min(max(chunk_rows * row_bytes, LEAST_PIECE_BYTES), MOST_PIECE_BYTES))
        self._used = self.names
        self._plain = {CASE_ID}

    def _read(self, n_bytes: int) -> bytes:
        try:
            data = bytes(self._stream.read(n_bytes) or b"")
        except (OSError, EOFError) as error:
            raise FileFormatError(f"{self.path}: can't be read to its end: {error}. Is it a whole file?") from error
        if self._stream is not self._file:
            self._n_unpacked += len(data)
            if self._n_unpacked > FREE_BYTES + MOST_RATIO * self._file.tell():
                raise FileFormatError(
                    f"{self.path}: unpacks to over {MOST_RATIO} times its size, as a decompression bomb does: "
                    "unpack it and look; if it is what you want, score the unpacked file."
                )
        return data if self._row_end == b"\n" else data.replace(self._row_end, b"\n")

    def _header(self, first: bytes) -> tuple[tuple[str, ...], bytes]:
        for magic, what in MAGIC.items():
            if first.startswith(magic):
                raise FileFormatError(f"{self.path}: is not a CSV file but {what}.")
        first = first.removeprefix(BOM)
        lines = first.splitlines(keepends=True)
        if b"\0" in first[: len(lines[0]) if lines else 0]:
            raise FileFormatError(
                f"{self.path}: is not a CSV file: its header holds NUL bytes, as UTF-16 does: save it as UTF-8."
            )
        names: list[str] = []
        used = 0

        def decoded() -> Iterator[str]:
            nonlocal used
            for line in lines:
                used += len(line)
                yield line.decode("utf-8")

        try:
            rows = csv.reader(decoded(), strict=True)
            names = [name.strip() for name in next((row for row in rows if row), [])]
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{self.path}: the header is not UTF-8 ({error}): save the file as UTF-8.") from error
        except csv.Error as error:
            raise FileFormatError(f"{self.path}: the header can't be read: {error}.") from error
        if not any(names):
            raise FileFormatError(f"{self.path}: is empty: the first row must name the columns.")
        check_names(self.path, names)
        self._n_lines = first.count(b"\n", 0, used)
        return tuple(names), first[used:]

    def empty(self) -> pa.Table:
        """All columns, no rows."""
        return pa.schema([(name, self._type(name)) for name in self.names]).empty_table()

    @staticmethod
    def _type(name: str) -> pa.DataType:
        # Codes are looked up once per distinct value, so cells had best arrive as dictionaries.
        return pa.string() if name == CASE_ID else pa.dictionary(pa.int32(), pa.string())

    def leave_out(self, columns: Iterable[str]) -> None:
        """Don't read these columns."""
        left_out = set(columns)
        self._used = tuple(name for name in self.names if name not in left_out) or self.names[:1]

    def rows_in_total(self, n_read: int) -> int | None:
        """Rows of the whole file, estimated from how far it is read."""
        done = self._file.tell() if self._size else 0
        return round(n_read * self._size / done) if done else None

    def pieces(self) -> Iterator[bytes]:
        """Read in order, whole rows at a time."""
        rest = self._first
        wanted = self._piece_bytes
        while more := self._read(wanted):
            block = rest + more
            end = end_of_last_row(block)
            rest = block[end:]
            wanted = max(self._piece_bytes, len(rest))  # a long row is looked through anew with every piece
            if end:
                self._n_lines += block.count(b"\n", 0, end)
                yield block[:end]
            if len(rest) > MOST_ROW_BYTES:
                raise self._endless(rest)
        if rest:
            rest += b"" if rest.endswith(b"\n") else b"\n"
            end = end_of_last_row(rest)
            if end < len(rest):
                self._n_lines += rest.count(b"\n", 0, end)
                raise self._unclosed()
            yield rest

    def _endless(self, row: bytes) -> FileFormatError:
        if b'"' in row:
            return self._unclosed()
        return FileFormatError(
            f"{self.path}: the row that starts on line {self._n_lines + 1:,} has over {MOST_ROW_BYTES:,} bytes: "
            "is it a table, with a line a row?"
        )

    def _unclosed(self) -> FileFormatError:
        return FileFormatError(
            f"{self.path}: a quoted field is never closed in the row that starts on line {self._n_lines + 1:,}: "
            "close the quote."
        )

    def parse(self, piece: bytes) -> Rows:
        """Turn a piece into a table of strings."""
        mark = ""
        if not piece.isascii():
            try:
                piece.decode("utf-8")
            except UnicodeDecodeError:
                piece, mark = _mark_undecoded(piece, self.path)
        if not mark and len(piece) >= LEAST_COMPILED_BYTES and b'"' not in piece:
            from kneebayes.scoring.cells import split_cells  # here, because numba takes a while to import

            split = split_cells(piece, self.names, self._used, self._plain)
            if split is not None:
                return Rows(split, np.arange(split.num_rows), split.num_rows)
        broken: list[Reject] = []

        def refuse(row: Any) -> str:
            text = row.text.replace(mark, "\N{REPLACEMENT CHARACTER}") if mark else row.text
            broken.append(self._wrong_length(row.number - 1, row.actual_columns, text))
            return "skip"

        table = arrow_csv.read_csv(
            pa.BufferReader(piece),
            read_options=arrow_csv.ReadOptions(
                column_names=self.names, use_threads=False, block_size=max(len(piece) + 1, 1 << 10)
            ),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types={name: self._type(name) for name in self.names},
                include_columns=self._used,
                strings_can_be_null=False,
            ),
        )
        n_read = table.num_rows + len(broken)
        positions = np.delete(np.arange(n_read), [reject.row for reject in broken])
        if mark:
            table, positions = _refuse_marked(table, positions, mark, broken)
        if b'"' in piece and CASE_ID in table.column_names:
            table, positions = _refuse_ids_of_lines(table, positions, broken)
        return Rows(table, positions, n_read, broken)

    def _wrong_length(self, row: int, n_fields: int, text: str) -> Reject:
        case_id = ""
        if self.names[0] == CASE_ID:  # fields may be missing anywhere, but hardly before the first
            with suppress(csv.Error):
                case_id = short(next(csv.reader(io.StringIO(text, newline="")))[0], MOST_SHOWN)
        reason = f"the row has {n_fields} fields and the header {len(self.names)}"
        if "\n" in text:
            reason += f"; it runs over {text.count(chr(10)) + 1} lines: is a quote left open?"
        return Reject(row, case_id, "", text[:MOST_SHOWN], reason)

    def close(self) -> None:
        """Let go of the file; standard input is not ours to close."""
        if self.path != "standard input":
            self._file.close()


def _mark_undecoded(piece: bytes, path: str) -> tuple[bytes, str]:
    """Put a character that the text does not hold where bytes are not UTF-8."""
    text = piece.decode("utf-8", "surrogateescape")
    held = set(text)
    mark = next((c for c in map(chr, PRIVATE_USE) if c not in held), None)
    if mark is None:
        raise FileFormatError(f"{path}: is neither UTF-8 nor text: it holds every character there is.")
    return _UNDECODED.sub(mark, text).encode("utf-8"), mark


def _refuse_marked(
    table: pa.Table, positions: NDArray[np.intp], mark: str, broken: list[Reject]
) -> tuple[pa.Table, NDArray[np.intp]]:
    """Take the rows with a marked cell out of the table and add them to the broken ones."""
    decoded = np.ones(table.num_rows, dtype=bool)
    ids = table[CASE_ID] if CASE_ID in table.column_names else None
    for name in table.column_names:
        words = table[name].cast(pa.string())
        marked = compute.match_substring(words, mark).to_numpy()
        decoded &= ~marked
        for row in np.flatnonzero(marked):
            value, case_id = (
                short(cells[int(row)].as_py().replace(mark, "\N{REPLACEMENT CHARACTER}"), MOST_SHOWN)
                if cells is not None
                else ""
                for cells in (words, ids)
            )
            broken.append(Reject(int(positions[row]), case_id, name, value, "not UTF-8: save the file as UTF-8"))
    return table.filter(pa.array(decoded)), positions[decoded]


def _refuse_ids_of_lines(
    table: pa.Table, positions: NDArray[np.intp], broken: list[Reject]
) -> tuple[pa.Table, NDArray[np.intp]]:
    """Refuse what is likelier a quote left open, with the rows that it swallowed up to the next one, than an id."""
    odd = compute.match_substring_regex(table[CASE_ID], "[\r\n]").to_numpy()
    for row in np.flatnonzero(odd):
        case_id = short(table[CASE_ID][int(row)].as_py(), MOST_SHOWN)
        reason = "the case_id runs over lines: is a quote left open?"
        broken.append(Reject(int(positions[row]), case_id, CASE_ID, case_id, reason))
    return (table.filter(pa.array(~odd)), positions[~odd]) if odd.any() else (table, positions)
