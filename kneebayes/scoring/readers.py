"""Files of cases as tables: CSV, of which only bad rows are refused, and Parquet, checked before it is trusted.

A file is read in two steps, so that the second can run in several threads: `pieces` reads in order, and `parse` turns
a piece into a table. Workbooks and files of statistics programs are read as a whole, by openpyxl and pyreadstat (the
extra ``formats``), as tables of text; their value labels are used.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import io
import os
import re
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from kneebayes.atomic import STANDARD_STREAM, file_kind, file_stamp, is_special, plain_path, refuse_changed
from kneebayes.cases.coding import CASE_ID, Coder, known_columns, unnamed
from kneebayes.cases.frames import refuse_odd
from kneebayes.cases.mapping import BoundMapping, CaseMapping, MappingLike, Reading, matched
from kneebayes.cases.problems import MAX_SHOWN, Kind, Problem, refused_rows, short, why
from kneebayes.errors import FileFormatError, MissingExtraError, misspelt, nearest

MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook: save it as CSV, or name it .xlsx",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as CSV, or as .xlsx",
    b"PAR1": "a Parquet file: name it .parquet, and give it as a file, not through a pipe",
    b"\x1f\x8b": "compressed with gzip: name it .csv.gz, or unpack it in the pipe",
    b"BZh": "compressed with bzip2: unpack it, or pack it with gzip and name it .csv.gz",
    b"\xfd7zXZ\0": "compressed with xz: unpack it, or pack it with gzip and name it .csv.gz",
    b"7z\xbc\xaf": "a 7-Zip archive: unpack it",
    b"ARROW1": "an Arrow or Feather file: save it as .parquet",
    b"FEA1": "a Feather file: save it as .parquet",
    b"SQLite format 3": "a database: save the table as CSV",
    b"%PDF": "a PDF: save the table as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: name it .csv.zst, or unpack it in the pipe",
    b"\xff\xfe": "UTF-16: save it as UTF-8, or read it with --encoding utf-16",
    b"\xfe\xff": "UTF-16: save it as UTF-8, or read it with --encoding utf-16",
}
WORKBOOKS, STATISTICS = (".xlsx", ".xlsm"), (".dta", ".sav", ".zsav", ".sas7bdat")
SAVED_AS = (".xls", ".xlsb", ".ods", ".numbers", ".xpt", ".por", ".rds", ".rdata")
SNIFFED_BYTES, SNIFFED_LINES = 1 << 17, 50  # no more than a field of the csv module may have
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# What a mapping's read, or an option, may say of how a file is to be read, by its format.
READ_BY = {
    "csv": ("sep", "decimal", "encoding", "header"),
    "parquet": ("decimal",),
    "workbook": ("decimal", "sheet", "header"),
    "statistics": ("decimal", "encoding"),
}
BOM = b"\xef\xbb\xbf"
QUOTE, LINE_FEED, RETURN = b'"\n\r'
FIRST_BYTES = 1 << 18
ALL_ROWS = 1 << 16  # a piece, of a file that is read whole
MIN_PIECE_BYTES = 1 << 16
MAX_PIECE_BYTES = 1 << 23
MAX_ROW_BYTES = 1 << 24  # a longer row is a quote that was never closed, or no table at all
FREE_BYTES, MAX_RATIO = 1 << 25, 200  # cases shrink to a tenth; a bomb to a thousandth, and less
MAX_BATCH_BYTES = 1 << 28  # a Parquet file of a few bytes can hold any number of the same long text
MAX_JOINED = 1 << 19  # rows, which are held in memory
PRIVATE_USE = (*range(0xE000, 0xF900), *range(0xF0000, 0xFFFFE))  # what means nothing to anyone
_NUMBERED = re.compile(r"(.*?) ?\(column (\d+)\)")
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, eq=False)
class Rows:
    """A piece of a file as a table.

    ``positions`` are the places of the table's rows among the ``n_read`` of the piece, from 0; the problems are of the
    rows that could not be read, by such a place.
    """

    table: pa.Table
    positions: NDArray[np.intp]
    n_read: int
    problems: list[Problem] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # of columns, where the file has some

    @cached_property
    def ids(self) -> pa.Array | None:
        """The case_id of each row of the table as text, where there is such a column."""
        if CASE_ID not in self.table.column_names:
            return None
        try:
            texts = as_text(CASE_ID, self.table[CASE_ID], as_id=True).chunks
            return pa.chunked_array(texts, pa.string()).combine_chunks()
        except pa.ArrowException as error:
            raise FileFormatError(f"{CASE_ID}: can't be read as text: {error}") from error

    def case_id(self, row: int) -> str:
        """Give the case_id of a row of the table as it is shown."""
        return "" if self.ids is None else short(self.ids[row].as_py() or "", MAX_SHOWN)

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Say problems of rows of the table by their places in the piece, with their case_ids."""
        return [replace(p, row=int(self.positions[p.row]), case_id=self.case_id(p.row)) for p in problems]


class Reader(ABC):
    """What scoring a file needs to know of where the cases come from; ``case_id`` is the column that names them."""

    names: tuple[str, ...]
    case_id = CASE_ID
    n_rows: int | None = None  # where it is known
    is_one_piece = False  # surely
    _used: tuple[str, ...] | None = None  # names of the columns to read, or all

    @abstractmethod
    def empty(self) -> pa.Table:
        """All columns, no rows."""

    @abstractmethod
    def pieces(self) -> Iterator[Any]:
        """Read in order, a bounded piece at a time."""

    @abstractmethod
    def parse(self, piece: Any) -> Rows:
        """Turn a piece into a table; safe to call from several threads."""

    def rows_in_total(self, n_read: int) -> int | None:
        """Rows of the whole file, estimated after ``n_read`` of them; None where there is no telling."""
        return self.n_rows

    def leave_out(self, columns: Iterable[str]) -> None:
        """Don't read these columns."""
        if left_out := set(columns):
            self._used = tuple(name for name in self.names if name not in left_out) or self.names[:1]

    def close(self) -> None:  # noqa: B027  # not all have one open
        """Let go of the file."""


class MappedReader:
    """A file of cases whose pieces come in our columns; where rows are joined, as one, as those of a case may be far.

    ``ignore`` names all columns that are left out, ``bound`` says what the others mean, and ``diagnoses`` which of them
    are of causes; ``stamp`` tells whether the file has changed since.
    """

    def __init__(
        self, path: str, coder: Coder, given: MappingLike | None, keep: list[str], ignore: list[str], *, chunk_rows: int
    ) -> None:
        self.stamp, given = file_stamp(path), CaseMapping.of({} if given is None else given)
        known = {CASE_ID, *coder.columns} - set(ignore)
        self.reader = reader = open_reader(path, chunk_rows=chunk_rows, keep=set(keep) - known, reading=given.read)
        try:
            if given.columns is None:
                refuse_headless(path, coder, reader.names, [*keep, *ignore])
            self.bound = bound = BoundMapping(coder, given, reader.names, keep=keep, ignore=ignore)
            self.ignore = list(dict.fromkeys([*ignore, *bound.ignored]))
            causes = (name for name, column in bound.columns.items() if column.variable in coder.model.causes)
            self.diagnoses = tuple(causes)
            if not bound.is_identity:
                reader.case_id = bound.case_id or CASE_ID
            read = known.difference(self.ignore) if bound.is_identity else bound.used
            reader.leave_out(set(reader.names).difference(read, keep))
        except BaseException:
            reader.close()
            raise

    def empty(self) -> pa.Table:
        """All columns, no rows, by which names are checked before anything is written."""
        empty = self.reader.empty()
        return empty if self.bound.is_identity else self.bound.apply(empty).table

    def pieces(self) -> Iterable[Any]:
        """Read in order, a bounded piece at a time; all pieces as one where rows are joined."""
        return self.reader.pieces() if self.bound.mapping.join is None else [list(self.reader.pieces())]

    def parse(self, piece: Any) -> Rows:
        """Turn a piece into a table of ours, some of whose rows have problems; safe to call from several threads."""
        joins = self.bound.mapping.join is not None
        rows = whole(self.reader, piece) if joins else self.reader.parse(piece)
        if joins and rows.n_read > MAX_JOINED:
            said = f"{rows.n_read:,} rows are too many to be joined by their {CASE_ID} here (up to {MAX_JOINED:,})"
            raise FileFormatError(f"{said}: join them before, or score the file in parts of whole cases")
        if self.bound.is_identity:
            return rows
        mapped = self.bound.apply(rows.table)
        found = replace(rows, table=mapped.table)
        found.problems.extend(found.placed(mapped.problems))
        return found


def open_reader(path: str, *, chunk_rows: int, keep: Collection[str] = (), reading: Reading | None = None) -> Reader:
    """Open a file of cases, or standard input, and check its header; a piece has about so many rows.

    The columns to keep are left of whatever type a Parquet file has them.
    """
    reading = reading or Reading()
    kind, compression = source_kind(path)
    if unused := [name for name in reading.model_dump(exclude_none=True) if name not in READ_BY[kind]]:
        raise FileFormatError(f"{path}: --{unused[0]} (read: {unused[0]}) is not for such a file: leave it out")
    if kind in ("workbook", "statistics"):
        return _TableReader(path, reading, chunk_rows=chunk_rows)
    if reading.sep is None:
        reading = reading.model_copy(update={"sep": _usual_separator(path)})
    try:
        if kind == "parquet":
            return _ParquetReader(path, chunk_rows=chunk_rows, keep=keep)
        return _CsvReader(path, _open_stream(path), compression, chunk_rows=chunk_rows, reading=reading)
    except OSError as error:
        raise FileFormatError(f"{path}: can't be read: {error}") from error


def source_kind(path: str) -> tuple[str, str | None]:
    """Tell the format of a file of cases (a key of `READ_BY`) and its compression from its name, if it is there."""
    if path != STANDARD_STREAM and os.path.isdir(path):
        raise FileFormatError(f"{path}: is a folder: give one file, such as {os.path.join(path, 'cases.csv')}")
    if path != STANDARD_STREAM and not os.path.exists(path):
        raise FileFormatError(f"{path}: no such file (looked in {os.path.dirname(os.path.abspath(path))})")
    if path.lower().endswith(SAVED_AS):
        raise FileFormatError(f"{path}: such files are not read: save it as .xlsx, or as .csv in UTF-8")
    for kind, endings in (("workbook", WORKBOOKS), ("statistics", STATISTICS)):
        if path.lower().endswith(endings) and not is_special(path):
            return kind, None
    return file_kind(re.sub(r"\.(tsv|txt|tab)\b", ".csv", path, flags=re.IGNORECASE), also=(*WORKBOOKS, *STATISTICS))


def read_cases(path: str, ignore: Iterable[str] = (), reading: Reading | None = None) -> Rows:
    """Read a whole file of cases but for some columns; positions and problems are by places in the file."""
    path = plain_path(path)
    stamp, ignore = file_stamp(path), list(ignore)
    reader = open_reader(path, chunk_rows=ALL_ROWS, reading=reading)
    try:
        reader.leave_out(set(reader.names).difference(unnamed(reader.names, ignore)))
        rows = whole(reader, reader.pieces())
    finally:
        reader.close()
    refuse_changed(path, stamp)
    return replace(rows, labels=reader.labels) if isinstance(reader, _TableReader) else rows


def whole(reader: Reader, read: Iterable[Any]) -> Rows:
    """Parse the pieces of a file into one table."""
    pieces, places = [reader.empty()], [np.zeros(0, dtype=np.intp)]
    problems: list[Problem] = []
    n_read = 0
    for rows in map(reader.parse, read):
        pieces.append(rows.table)
        places.append(rows.positions + n_read)
        problems += [replace(problem, row=problem.row + n_read) for problem in rows.problems]
        n_read += rows.n_read
    table = pa.concat_tables(pieces, promote_options="permissive").unify_dictionaries()
    return Rows(table, np.concatenate(places), n_read, problems)


def _open_stream(path: str) -> BinaryIO:
    if path != STANDARD_STREAM:
        return open(path, "rb")
    standard: BinaryIO | None = getattr(sys.stdin, "buffer", None)
    if standard is None:
        raise FileFormatError("standard input can't be read here: give a file")
    return standard


class _CsvReader(Reader):
    """A CSV file: UTF-8 or an encoding that is named, separated by commas or what is named, with a header.

    Rows are cut out of the file here, and not by pyarrow's stream reader, so that pieces are parsed in parallel and a
    row that is not UTF-8 or has the wrong number of fields costs only itself.
    """

    def __init__(
        self, path: str, stream: BinaryIO, compression: str | None, *, chunk_rows: int, reading: Reading | None = None
    ) -> None:
        self.path = "standard input" if path == STANDARD_STREAM else path
        self._reading = reading = reading or Reading()
        self._separator = reading.separator
        self._file = stream
        self._is_packed = compression is not None
        self._stream: Any = pa.CompressedInputStream(stream, compression) if compression else stream
        self._blocks = self._utf_8()
        self._size = os.path.getsize(path) if os.path.isfile(path) else 0
        self.is_one_piece = 0 < self._size < FIRST_BYTES and not self._is_packed
        self._row_end = b"\n"
        self._n_unpacked = 0
        try:
            first = self._read(FIRST_BYTES)
            if b"\n" not in first and b"\r" in first[:-1]:
                self._row_end = b"\r"  # as old Macs wrote, and Excel still offers
                first = first.replace(b"\r", b"\n")
            while not self._has_header(first) and len(first) < MAX_ROW_BYTES and (more := self._read(len(first))):
                first += more
            self.names, self._first = self._header(first)
        except BaseException:
            self.close()
            raise
        row_bytes = len(first) / max(1, first.count(b"\n"))
        self._piece_bytes = int(min(max(chunk_rows * row_bytes, MIN_PIECE_BYTES), MAX_PIECE_BYTES))

    def _utf_8(self) -> Iterator[bytes]:
        """Read on, a block at a time.

        Not by ``read``: a signal that came while it waits for another thread would only be seen when a pipe gives all
        that was asked for, which may be never.
        """
        blocks = iter(lambda: bytes(self._stream.read1(MIN_PIECE_BYTES)), b"")
        encoding = self._reading.encoding
        if encoding is None or codecs.lookup(encoding).name == "utf-8":
            return blocks
        return (text.encode("utf-8", "replace") for text in codecs.iterdecode(blocks, encoding))

    def _read(self, n_bytes: int) -> bytes:
        """Read about so many bytes, or all that are left."""
        blocks = []
        try:
            while n_bytes > 0 and (block := next(self._blocks, b"")):
                blocks.append(block)
                n_bytes -= len(block)
        except UnicodeError as error:
            said = f"is not {self._reading.encoding} ({error}): name another --encoding"
            raise FileFormatError(f"{self.path}: {said}") from None
        except (OSError, EOFError) as error:
            raise FileFormatError(f"{self.path}: can't be read to its end: {error}. Is it a whole file?") from error
        data = b"".join(blocks)
        if self._is_packed:
            self._n_unpacked += len(data)
            if self._n_unpacked > FREE_BYTES + MAX_RATIO * self._file.tell():
                said = f"unpacks to over {MAX_RATIO} times its size, as a decompression bomb does"
                raise FileFormatError(f"{self.path}: {said}: unpack it, look, and score the unpacked file.")
        return data if self._row_end == b"\n" else data.replace(self._row_end, b"\n")

    def _has_header(self, first: bytes) -> bool:
        """Say whether the rows of the header end here; lines without a word, and those above, are none."""
        wanted = self._reading.header or (1,)
        lines = first[: end_of_last_row(first, self._separator.encode())].splitlines()[wanted[0] - 1 :]
        return sum(1 for line in lines if line.strip()) >= len(wanted)

    def _header(self, first: bytes) -> tuple[tuple[str, ...], bytes]:
        for magic, what in MAGIC.items():
            if first.startswith(magic):
                raise FileFormatError(f"{self.path}: is not a CSV file but {what}.")
        first = first.removeprefix(BOM)
        lines = first.splitlines(keepends=True)
        if b"\0" in first[: len(lines[0]) if lines else 0]:
            said = "its header holds NUL bytes, as UTF-16 does: save it as UTF-8."
            raise FileFormatError(f"{self.path}: is not a CSV file: {said}")
        declared = re.match(rb'"?sep=(.)"?\r?\n', first, re.IGNORECASE)
        if declared and self._reading.header is None:
            mark = declared[1].decode("utf-8", "replace")
            said = f"the first line says sep={mark}, as Excel writes it: confirm by --sep '{mark}' --header 2"
            raise FileFormatError(f"{self.path}: {said}")
        wanted = self._reading.header or (1,)
        above = wanted[0] - 1
        try:
            rows = csv.reader(map(bytes.decode, lines[above:]), strict=True, delimiter=self._separator)
            headers = [[name.strip() for name in next((row for row in rows if row), [])] for _ in wanted]
        except UnicodeDecodeError as error:
            remedy = "save the file as UTF-8, or name what it is, as in --encoding cp1252."
            raise FileFormatError(f"{self.path}: the header is not UTF-8 ({error}): {remedy}") from error
        except csv.Error as error:
            raise FileFormatError(f"{self.path}: the header can't be read: {error}.") from error
        names = joined_names(headers)
        if not any(names):
            raise FileFormatError(f"{self.path}: is empty: the first row must name the columns.")
        _refuse_other_separators(self.path, names)
        used = sum(map(len, lines[: above + rows.line_num]))
        self._n_lines = first.count(b"\n", 0, used)
        return tuple(numbered(names)), first[used:]

    def empty(self) -> pa.Table:
        return pa.schema([(name, pa.string()) for name in self.names]).empty_table()

    def rows_in_total(self, n_read: int) -> int | None:
        """Rows of the whole file, estimated from how far it is read."""
        done = self._file.tell() if self._size else 0
        return round(n_read * self._size / done) if done else None

    def pieces(self) -> Iterator[bytes]:
        rest = self._first
        wanted = self._piece_bytes
        while more := self._read(wanted):
            block = rest + more
            end = end_of_last_row(block, self._separator.encode())
            rest = block[end:]
            wanted = max(self._piece_bytes, len(rest))  # a long row is looked through anew with every piece
            if end:
                self._n_lines += block.count(b"\n", 0, end)
                yield block[:end]
            if len(rest) > MAX_ROW_BYTES:
                raise self._endless(rest)
        if rest:
            rest += b"" if rest.endswith(b"\n") else b"\n"
            end = end_of_last_row(rest, self._separator.encode())
            if end < len(rest):
                self._n_lines += rest.count(b"\n", 0, end)
                raise self._endless(rest)
            yield rest

    def _endless(self, row: bytes) -> FileFormatError:
        which = f"the row that starts on line {self._n_lines + 1:,}"
        if b'"' in row:
            return FileFormatError(f"{self.path}: a quoted field is never closed in {which}: close the quote.")
        return FileFormatError(f"{self.path}: {which} has over {MAX_ROW_BYTES:,} bytes: is it a table of rows?")

    def parse(self, piece: bytes) -> Rows:
        mark = ""
        if not piece.isascii():
            try:
                piece.decode("utf-8")
            except UnicodeDecodeError:
                piece, mark = _mark_undecoded(piece, self.path)
        broken: list[Problem] = []

        def refuse(row: Any) -> str:
            text = row.text.replace(mark, "\N{REPLACEMENT CHARACTER}") if mark else row.text
            broken.append(self._wrong_length(row.number - 1, row.actual_columns, text))
            return "skip"

        table = arrow_csv.read_csv(
            pa.BufferReader(piece),
            read_options=arrow_csv.ReadOptions(
                column_names=self.names, use_threads=False, block_size=max(len(piece) + 1, 1 << 10)
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._separator, newlines_in_values=True, invalid_row_handler=refuse
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(self.names, pa.string()),
                include_columns=self._used,
                strings_can_be_null=False,
            ),
        )
        n_read = table.num_rows + len(broken)
        positions = np.delete(np.arange(n_read), [problem.row for problem in broken])
        found = _marked(table, mark, self.case_id) if mark else []
        if b'"' in piece and self.case_id in table.column_names:
            marked = {problem.row for problem in found}
            found += [problem for problem in _ids_of_lines(table, self.case_id) if problem.row not in marked]
        if found:
            broken += [replace(problem, row=int(positions[problem.row])) for problem in found]
            good = ~refused_rows(found, table.num_rows)
            table, positions = table.filter(pa.array(good)), positions[good]
        return Rows(table, positions, n_read, broken)

    def _wrong_length(self, row: int, n_fields: int, text: str) -> Problem:
        case_id = ""
        if self.names[0] == self.case_id:  # fields may be missing anywhere, but hardly before the first
            with suppress(csv.Error):
                fields = csv.reader(io.StringIO(text, newline=""), delimiter=self._separator)
                case_id = short(next(fields)[0], MAX_SHOWN)
        n_lines = text.count("\n") + 1
        kind = Kind.FIELDS if n_lines == 1 else Kind.FIELDS_AND_LINES
        reason = why(kind, n_fields=n_fields, n_names=len(self.names), n_lines=n_lines)
        return Problem(row, "", text[:MAX_SHOWN], reason, case_id)

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


def _marked(table: pa.Table, mark: str, case_id: str) -> list[Problem]:
    """Find the rows with a marked cell."""
    reason = why(Kind.ENCODING, remedy="save the file as UTF-8, or name what it is, as in --encoding cp1252")

    def text(name: str, row: int) -> str:
        cell = table[name][row].as_py() if name in table.column_names else ""
        return short(cell.replace(mark, "\N{REPLACEMENT CHARACTER}"), MAX_SHOWN)

    found = []
    for name in table.column_names:
        for row in np.flatnonzero(compute.match_substring(table[name], mark).to_numpy()).tolist():
            found.append(Problem(row, name, text(name, row), reason, text(case_id, row)))
    return found


def _ids_of_lines(table: pa.Table, name: str) -> Iterator[Problem]:
    """Find what is likelier a quote left open, with the rows that it swallowed up to the next one, than an id."""
    for row in np.flatnonzero(compute.match_substring_regex(table[name], "[\r\n]").to_numpy()).tolist():
        case_id = short(table[name][row].as_py(), MAX_SHOWN)
        yield Problem(row, name, case_id, why(Kind.ID_OVER_LINES), case_id)


class _ParquetReader(Reader):
    """A Parquet file, of which a piece has at most so many rows.

    Columns to keep stay of their type; of others, what no cell of a CSV could hold becomes text.
    """

    def __init__(self, path: str, *, chunk_rows: int, keep: Collection[str] = ()) -> None:
        self.path = path
        self._chunk_rows = chunk_rows
        self._keep = frozenset(keep)
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
        self.names, self.n_rows = tuple(schema.names), self._file.metadata.num_rows
        try:
            refuse_unnamed(path, numbered(self.names), self.names)
        except FileFormatError:
            self.close()
            raise

    def _not_whole(self, error: Exception) -> FileFormatError:
        return FileFormatError(f"{self.path}: can't be read as a whole Parquet file: {str(error).rstrip('.')}.")

    def empty(self) -> pa.Table:
        return self._plain(self._file.schema_arrow.empty_table())

    def _plain(self, table: pa.Table) -> pa.Table:
        """Make text of columns of rare types, each of which would need a reader of its own; ids pass as they are."""
        kind = table.schema.field(self.case_id).type if self.case_id in table.column_names else pa.null()
        is_bytes = any(getattr(pa.types, f"is_{n}binary")(kind) for n in ("", "large_", "fixed_size_"))
        return plain(table, but=self._keep if is_bytes else {*self._keep, self.case_id})

    def pieces(self) -> Iterator[pa.RecordBatch]:
        try:
            for piece in self._file.iter_batches(batch_size=self._chunk_rows, columns=self._used and list(self._used)):
                if piece.nbytes > MAX_BATCH_BYTES:
                    size = f"{piece.num_rows:,} rows take {piece.nbytes:,} bytes"
                    raise FileFormatError(f"{self.path}: {size}: is it a table of cases?")
                yield piece
        except (pa.ArrowException, OSError) as error:
            raise self._not_whole(error) from error

    def parse(self, piece: pa.RecordBatch) -> Rows:
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
        # What only refused rows used would still stand in the dictionaries.
        columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in piece.columns]
        cells = dict(zip(piece.schema.names, columns, strict=True))
        problems = _undecoded(cells)
        good = np.setdiff1d(np.arange(n_rows), [problem.row for problem in problems])
        try:
            table = self._plain(pa.table(cells).take(pa.array(good)))
            table.validate(full=True)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise self._not_whole(error) from error
        return Rows(table, good, n_rows, problems)

    def close(self) -> None:
        self._file.close()


def _undecoded(cells: Mapping[str, pa.Array]) -> list[Problem]:
    """Find the rows with text that is not UTF-8, or bytes that are none."""
    same = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    same |= {kind: kind for kind in same.values()}
    bytes_of = {
        name: column.view(same.get(column.type, column.type)).to_pylist()
        for name, column in cells.items()
        if column.type in same or pa.types.is_fixed_size_binary(column.type)
    }
    reason = why(Kind.ENCODING, remedy="write the column as text")
    problems = []
    for name, column in bytes_of.items():
        for row, cell in enumerate(column):
            if isinstance(cell, bytes) and (text := cell.decode("utf-8", "replace")).encode() != cell:
                case_id = bytes_of[CASE_ID][row] if CASE_ID in bytes_of else b""
                case = case_id.decode("utf-8", "replace") if isinstance(case_id, bytes) else ""
                problems.append(Problem(row, name, short(text, MAX_SHOWN), reason, short(case, MAX_SHOWN)))
    return problems


class _TableReader(Reader):
    """A workbook, or a file of a statistics program, which is read as a whole."""

    def __init__(self, path: str, reading: Reading, *, chunk_rows: int) -> None:
        self._chunk_rows = chunk_rows
        read = _workbook if path.lower().endswith(WORKBOOKS) else _statistics
        with _errors_named(path):
            table, self.labels = read(path, reading)
        self.names, self.n_rows = tuple(numbered(table.column_names)), table.num_rows
        self.table = table.rename_columns(self.names)
        self.is_one_piece = table.num_rows <= chunk_rows

    def empty(self) -> pa.Table:
        return self.table[:0]

    def pieces(self) -> Iterator[pa.Table]:
        for start in range(0, self.table.num_rows, self._chunk_rows):
            yield self.table.select(self._used or self.names).slice(start, self._chunk_rows)

    def parse(self, piece: pa.Table) -> Rows:
        return Rows(piece, np.arange(piece.num_rows), piece.num_rows)


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    """Say what went wrong: each library has errors of its own, and some quote what they could not read."""
    try:
        yield
    except (FileFormatError, MissingExtraError, MemoryError):
        raise
    except ImportError as error:
        raise MissingExtraError(f"{path}: needs what is not installed: pip install 'kneebayes[formats]'") from error
    except Exception as error:
        said = f"can't be read ({type(error).__name__}): is it a whole file of its kind? A CSV is named .csv."
        raise FileFormatError(f"{path}: {said}") from None


def _workbook(path: str, reading: Reading) -> tuple[pa.Table, dict[str, str]]:
    """Read a workbook as text; its columns have no labels."""
    rows = _rows_of_sheet(path, reading)
    wanted = reading.header or (1,)
    if len(rows) < max(wanted):
        raise FileFormatError(f"{path}: is empty: row {max(wanted)} must name the columns.")
    names = joined_names([[cell or "" for cell in rows[number - 1]] for number in wanted])
    body = [row for row in rows[max(wanted) :] if any(row)]
    filled = [place for place, name in enumerate(names) if name or any(row[place] for row in body)]
    columns = {place: pa.array([row[place] for row in body], pa.string()) for place in filled}
    return pa.table([columns[place] for place in filled], names=[names[place] for place in filled]), {}


def _rows_of_sheet(path: str, reading: Reading) -> list[list[str | None]]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if reading.sheet is not None and reading.sheet not in book.sheetnames:
            hint = nearest(reading.sheet, book.sheetnames)
            raise FileFormatError(f"{path}: no sheet '{reading.sheet}', only {book.sheetnames}.{hint}")
        sheet = book[reading.sheet] if reading.sheet is not None else book.worksheets[0]
        rows = [[_text(cell, reading.decimal) for cell in row] for row in sheet.iter_rows(values_only=True)]
    finally:
        book.close()
    width = max(map(len, rows), default=0)  # a sheet that is read as it goes has rows of any length
    return [row + [None] * (width - len(row)) for row in rows]


def _statistics(path: str, reading: Reading) -> tuple[pa.Table, dict[str, str]]:
    """Read a file of a statistics program as text, and the labels of its columns."""
    import pyreadstat

    ending = path.lower().rpartition(".")[2]
    if ending == "sas7bdat":  # its value labels are in a catalogue beside it, so that codes stay codes
        frame, about = pyreadstat.read_sas7bdat(path, encoding=reading.encoding)
    else:
        read = pyreadstat.read_dta if ending == "dta" else pyreadstat.read_sav
        frame, about = read(path, encoding=reading.encoding, apply_value_formats=True, formats_as_category=False)
    cells = ([_text(value, reading.decimal) for value in frame[name].tolist()] for name in frame.columns)
    columns = [pa.array(column, pa.string()) for column in cells]
    labels = {name: label for name, label in about.column_names_to_labels.items() if label}
    return pa.table(columns, names=[str(name) for name in frame.columns]), labels


def _text(value: Any, decimal: str | None = None) -> str | None:
    """Write a cell as it would stand in a CSV; None where it is empty. Only text has a decimal sign of its own."""
    if value is None or value != value or str(value) == "NaT":
        return None
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, float):
        return str(value).replace(".", decimal or ".")
    return str(value).strip() or None


def joined_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Make one header of two: a cell above spans what is empty to its right, as merged cells do.

    >>> joined_names([["", "Pain", ""], ["Age", "calf", "thigh"]])
    ['Age', 'Pain calf', 'Pain thigh']
    """
    if len(rows) == 1:
        return [str(name).strip() for name in rows[0]]
    upper, last = [], ""
    for name in rows[0]:
        last = name.strip() or last
        upper.append(last)
    upper += [last] * (len(rows[1]) - len(upper))
    return [f"{above} {below.strip()}".strip() for above, below in zip(upper, rows[1], strict=False)]


def sniff(path: str) -> Reading:
    """Look how a file is written: say what is not as kneebayes reads files by default.

    Nobody takes this for granted: it stands in a draft that a person reads.
    """
    if path.lower().endswith(WORKBOOKS):
        return _sniff_workbook(path)
    if path.lower().endswith((*STATISTICS, ".parquet", ".pq", ".gz", ".zst")):
        return Reading()
    with open(path, "rb") as stream:
        data = stream.read(SNIFFED_BYTES)
    encoding = _encoding(data)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data).removeprefix("\ufeff")
    lines = text.splitlines()[:SNIFFED_LINES]
    first = 1
    declared = re.fullmatch(r'"?sep=(.)"?', lines[0].strip(), re.IGNORECASE) if lines else None
    if declared:
        first, separator = 2, declared[1]
    else:
        separator = max(SEPARATORS, key=lambda mark: _regularity(lines, mark))
    rows = csv.reader(lines, delimiter=separator)
    ends = [(len(fields), rows.line_num) for fields in rows]  # a quoted row has several lines
    usual = Counter(n for n, _ in ends if n > 1).most_common(1)
    if usual and not declared:
        place = next(place for place, (n, _) in enumerate(ends) if n == usual[0][0])
        first = ends[place - 1][1] + 1 if place else 1
    header = _names_below(list(csv.reader(lines[first - 1 :], delimiter=separator)), first)
    cells = [cell.strip() for row in csv.reader(lines[max(header) :], delimiter=separator) for cell in row]
    return Reading(
        sep=None if separator == _usual_separator(path) else "tab" if separator == "\t" else separator,
        decimal="," if separator != "," and _has_decimal_comma(cells) else None,
        encoding=None if encoding == "utf-8" else encoding,
        header=None if header == (1,) else header,
    )


def _usual_separator(path: str) -> str:
    return "\t" if re.search(r"\.(tsv|tab)(\.gz|\.zst)?$", path, re.IGNORECASE) else ","


def _names_below(rows: Sequence[Sequence[str]], line: int) -> tuple[int, ...]:
    """Say in which lines the names stand: below a line of groups, which has blanks where a group spans columns."""
    upper, lower = ([cell.strip() for cell in row] for row in (*rows[:2], [], [])[:2])
    is_group = len(upper) == len(lower) and all(lower) and 1 < sum(map(bool, upper)) < 0.7 * len(upper)
    if not is_group or any(re.match(r"[-+.,\d]", cell) for cell in lower):
        return (line,)
    return (line + 1,) if len({*lower}) == len(lower) else (line, line + 1)


def _sniff_workbook(path: str) -> Reading:
    with _errors_named(path):
        rows = _rows_of_sheet(path, Reading())[:SNIFFED_LINES]
    filled = [sum(map(bool, row)) for row in rows]
    number = next((i for i, n in enumerate(filled, 1) if n and n >= 0.6 * max(filled)), 1)
    has_comma = _has_decimal_comma(cell or "" for row in rows[number:] for cell in row)
    return Reading(decimal="," if has_comma else None, header=(number,) if number > 1 else None)


def _encoding(data: bytes) -> str:
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if data[:1000].count(b"\0") > len(data[:1000]) // 4:  # one in a text is no more than that
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _regularity(lines: Sequence[str], separator: str) -> int:
    """Say how many cells stand in rows of the usual number of them."""
    rows = (next(csv.reader(io.StringIO(line), delimiter=separator), []) for line in lines if line.strip())
    counts = Counter(map(len, rows))
    return max((n * (width - 1) for width, n in counts.items()), default=0)


def _has_decimal_comma(cells: Iterable[str]) -> bool:
    signs = {found[1] for cell in cells if (found := re.fullmatch(r"-?\d+([.,])\d+", cell))}
    return signs == {","}


def _is_usual(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_usual(kind.value_type)
    known = ("string", "large_string", "boolean", "integer", "floating", "decimal", "null")
    # A nested column is refused by its name where it is evidence.
    return any(getattr(pa.types, f"is_{name}")(kind) for name in (*known, "nested"))


def plain(table: pa.Table, but: Collection[str] = (), *, as_ids: bool = False) -> pa.Table:
    """Make text of the columns that no cell of a CSV could hold as they are; none is evidence if ``as_ids``."""
    for place, column in enumerate(table.schema):
        if column.name not in but and not _is_usual(column.type):
            table = table.set_column(place, column.name, as_text(column.name, table[column.name], as_id=as_ids))
    return table


def as_text(name: str, column: pa.ChunkedArray, *, as_id: bool = False) -> pa.ChunkedArray:
    """Write a column of a rare type (moments, bytes, UUIDs) as text; a moment of a zone says how far that is off."""
    if not as_id:
        refuse_odd(name, column.type)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    extension = column.type.extension_name if isinstance(column.type, pa.BaseExtensionType) else ""
    if extension in ("arrow.uuid", "pandas.period") or pa.types.is_duration(column.type):
        texts = ("NaT" if value is None else str(value) for value in column.to_pandas())
        return pa.chunked_array([[None if text == "NaT" else text for text in texts]], pa.string())
    if extension:
        written = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
        return written.cast(pa.bool_() if extension == "arrow.bool8" else pa.string())
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        try:
            return column.cast(pa.string())
        except pa.ArrowException:  # the zone is none that this machine knows
            universal = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
            return compute.binary_join_element_wise(universal, "Z", "")
    return column.cast(pa.string())


def refuse_headless(path: str, coder: Coder, names: Collection[str], excused: Collection[str] = ()) -> None:
    """Refuse a file whose first row seems to be a case, without quoting it as the names of columns.

    Columns that the caller named are excused.
    """
    known = known_columns(coder.model)
    left = unnamed(names, excused)
    refuse_unnamed(path, left, known)
    if matched(coder, names) or len(left) < len(names):
        return
    hints = [(place, hint) for place, name in enumerate(names, start=1) if (hint := misspelt(name, known))]
    near = f"{hints[0][1]} (column {hints[0][0]})" if hints else ""
    raise FileFormatError(
        f"{path}: {coder.model.name} knows none of the {len(names)} names in the first row: does it name the columns?"
        f"{_further_down(path)} `kneebayes map` drafts what they mean, `kneebayes template` writes a header.{near}"
    )


def _refuse_other_separators(path: str, names: Sequence[str]) -> None:
    """Refuse a header that is one name with another separator in it."""
    for mark, word in SEPARATORS.items():
        if len(names) == 1 and mark != "," and mark in names[0]:
            option = "tab" if mark == "\t" else f"'{mark}'"
            said = f"the columns are separated by {word}: separate them by commas, or confirm by --sep {option}."
            raise FileFormatError(f"{path}: {said}")


def _further_down(path: str) -> str:
    """Say where the names of the columns seem to stand, where that is not the first row."""
    header = None
    with suppress(FileFormatError, csv.Error, OSError):
        header = sniff(path).header if os.path.isfile(path) else None
    return f" They seem to stand in row {header[0]}: if so, confirm by --header {header[0]}." if header else ""


def numbered(names: Sequence[str]) -> list[str]:
    """Tell names apart that stand in a header more than once, or not at all, by the place of the column.

    >>> numbered(["age", "note", "note", ""])
    ['age', 'note (column 2)', 'note (column 3)', '(column 4)']
    """
    counts = Counter(names)
    return [
        name if name and counts[name] == 1 else f"{name} (column {place})".strip()
        for place, name in enumerate(names, start=1)
    ]


def refuse_unnamed(path: str, names: Collection[str], known: Collection[str]) -> None:
    """Refuse names that were told apart by their places, quoting the model's only: the rest may be the first case."""
    places = [(match[1], match[2]) for name in names if (match := _NUMBERED.fullmatch(name))]
    blank = [place for name, place in places if not name]
    if blank:
        raise FileFormatError(
            f"{path}: the header has no name for column {', '.join(blank[:5])}.{_further_down(path)} "
            "Where two rows name the columns together, say --header 1,2; columns without a name, as the index that "
            "pandas writes without to_csv(index=False), are left out by --ignore '(column *)'."
        )
    twice = [f"{place} ('{name}')" if name in known else place for name, place in places]
    if twice:
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        raise FileFormatError(
            f"{path}: a name stands more than once in the header, at columns {', '.join(twice[:5])}{more}. Does the "
            "first row name the columns? If so, leave them out by --ignore '*(column *)'."
        )


def end_of_last_row(block: bytes, separator: bytes = b",") -> int:
    """Say where the last whole row of a text ends, after its line feed: one between quotes ends none.

    The text starts with a row; where it holds no whole one, 0.
    """
    end = block.rfind(b"\n") + 1
    if not end or b'"' not in block:
        return end
    characters = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(characters == QUOTE)
    before = characters[quotes[::2] - 1]
    before[0] = LINE_FEED if quotes[0] == 0 else before[0]
    if len(separator) == 1 and np.isin(before, (separator[0], LINE_FEED, RETURN, QUOTE)).all():
        # Every other quote opens a field (or is the second of a doubled quote), so parity tells inside from outside.
        if np.searchsorted(quotes, end - 1) % 2 == 0:
            return end
        line_feeds = np.flatnonzero(characters == LINE_FEED)
        outside = line_feeds[np.searchsorted(quotes, line_feeds) % 2 == 0]
        return int(outside[-1]) + 1 if len(outside) else 0
    end = closed = 0
    for quoted in _quoted(separator).finditer(block):
        end = max(end, block.rfind(b"\n", closed, quoted.start()) + 1)
        closed = quoted.end()
    return max(end, block.rfind(b"\n", closed) + 1)


@cache
def _quoted(separator: bytes) -> re.Pattern[bytes]:
    """Find fields between quotes, the last of which may not be closed."""
    return re.compile(rb"(?:(?<=[\n\r" + re.escape(separator) + rb'])|\A)"(?:[^"]|"")*+(?:"|\Z)')
