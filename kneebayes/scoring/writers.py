"""Where scores and rejects go: CSV, Parquet, and FHIR as a Bundle a line."""

from __future__ import annotations

import csv
import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from kneebayes.atomic import STANDARD_STREAM, AtomicFile, check_place, file_kind
from kneebayes.cases.coding import CASE_ID
from kneebayes.cases.problems import Problem
from kneebayes.errors import FileFormatError
from kneebayes.interop.fhir import case_bundle
from kneebayes.scoring.readers import plain
from kneebayes.spec.model_spec import ModelSpec

COMPRESSION_LEVELS = {"gzip": 6, "zstd": 3}  # the defaults of gzip and zstd themselves
FHIR_ENDINGS = (".ndjson", ".jsonl")
GROUP_ROWS = 1 << 17  # rows of a Parquet row group: 15 columns of doubles are 16 MB
SLICE_ROWS = 512  # that are Python objects at a time: a Bundle takes thirty times the memory of its row
REJECT_COLUMNS = ("row", "case_id", "column", "value", "reason")


def check_paths(source: str, target: str, rejects: str | None, *, as_fhir: bool) -> None:
    """Refuse to write over what is read, or twice to one place, and endings that tell no format."""
    named = {"the input": source, "the output": target} | ({"the rejects": rejects} if rejects is not None else {})
    for first, second in combinations(named, 2):
        if _same_file(named[first], named[second]):
            raise FileFormatError(f"{named[second]}: is both {first} and {second}: give them different names")
    if target == rejects == STANDARD_STREAM:
        raise FileFormatError("output and rejects can't both go to standard output: name a file for one of them")
    for path in list(named.values())[1:]:
        check_place(path, "posteriors.csv")
        if not (as_fhir and path == target and path.endswith(FHIR_ENDINGS)):
            file_kind(path)
    if rejects is not None and file_kind(rejects)[0] != "csv":
        raise FileFormatError(f"{rejects}: rejects are written as CSV: give a name that ends in .csv")


def _same_file(first: str, second: str) -> bool:
    if STANDARD_STREAM in (first, second) or os.devnull in (first, second):
        return False
    if os.path.exists(first) and os.path.exists(second):
        return os.path.samefile(first, second)
    return os.path.realpath(first) == os.path.realpath(second)


class Writer(ABC):
    """What scoring a file needs to know of where the scores go; this one holds nothing back."""

    def __init__(self, file: AtomicFile) -> None:
        self.file = file

    @abstractmethod
    def encode(self, table: pa.Table) -> Any:
        """Make a table ready to be written; safe to call from several threads."""

    def write(self, encoded: Any) -> None:
        """Write what was made ready, in order."""
        self.file.write(encoded)

    def finish(self) -> None:  # noqa: B027  # not all hold something back
        """Write what is still held back."""

    def abandon(self) -> None:  # noqa: B027
        """Let go of the file, finished or not."""


def open_writer(file: AtomicFile, schema: pa.Schema) -> Writer:
    """Choose how to write by the ending of the path; a CSV's header is written already."""
    return _ParquetWriter(file, schema) if file_kind(file.path)[0] == "parquet" else CsvWriter(file, schema.names)


class CsvWriter(Writer):
    """A CSV file: UTF-8, quoted only where needed, numbers in the fewest digits that give them back exactly."""

    def __init__(self, file: AtomicFile, names: Sequence[str]) -> None:
        super().__init__(file)
        self._compression = file_kind(file.path)[1]
        # A row that is one empty cell must not become an empty line, which readers skip.
        self._quoting = ("none", "needed") if len(names) > 1 else ("needed",)
        self.write(self.encode_rows([names]))

    def encode(self, table: pa.Table) -> pa.Buffer | bytes:
        """Write a table to memory."""
        table = plain(table, as_ids=True)
        problem: Exception | None = None
        for quoting in self._quoting:
            buffer = pa.BufferOutputStream()
            n = max(1, table.num_rows)
            options = arrow_csv.WriteOptions(include_header=False, batch_size=n, quoting_style=quoting)
            try:
                arrow_csv.write_csv(table, buffer, options)
            except pa.ArrowInvalid as error:  # "none" refuses values that need quotes, and is twice as readable
                problem = error
            except pa.ArrowException as error:
                problem = error
                break
            else:
                return self._compressed(buffer.getvalue())
        raise FileFormatError(f"{self.file.path}: a column can't be written as CSV: {problem}. Write Parquet instead.")

    def encode_rows(self, rows: Iterable[Sequence[str]]) -> pa.Buffer | bytes:
        """Write rows of text to memory."""
        return self._compressed(_csv_text(rows).encode("utf-8", "replace"))

    def _compressed(self, data: bytes | pa.Buffer) -> bytes | pa.Buffer:
        """Compress as a member of its own: gzip and zstd files may have many, which lets threads share the work."""
        if self._compression is None:
            return data
        # A codec of its own each time: two threads in one end in a segmentation fault.
        return pa.Codec(self._compression, compression_level=COMPRESSION_LEVELS[self._compression]).compress(data)


def reject_rows(problems: Iterable[Problem], *, first: int, redact: bool) -> list[tuple[str, ...]]:
    """Say why rows are not scored, a line for each reason, in a piece of which row 0 is row ``first`` of the file."""
    if redact:
        return [(str(first + p.row), "", p.column, "", p.plain) for p in problems]
    return [(str(first + p.row), p.case_id, p.column, p.value, p.reason) for p in problems]


def _csv_text(rows: Iterable[Sequence[str]]) -> str:
    r"""Write rows of CSV, quoted where they need it.

    >>> _csv_text([["a b", "c,d"], ["e\r", "f"]])
    'a b,"c,d"\n"e\r","f"\n'
    """
    text = io.StringIO(newline="")
    as_needed = csv.writer(text, lineterminator="\n")
    always = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        # Before Python 3.13, what is no part of the line end needs no quotes, but to its readers a return ends a row.
        (always if any("\r" in cell for cell in row) else as_needed).writerow(row)
    return text.getvalue()


class _ParquetWriter(Writer):
    """A Parquet file."""

    def __init__(self, file: AtomicFile, schema: pa.Schema) -> None:
        super().__init__(file)
        # Dictionaries differ from batch to batch; Parquet makes its own.
        plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
        self._schema = pa.schema(plain)
        self._held: list[pa.Table] = []
        words = [field.name for field in plain if not pa.types.is_floating(field.type)]  # of numbers few are alike
        self._writer = parquet.ParquetWriter(file.file, self._schema, use_dictionary=words)

    def encode(self, table: pa.Table) -> pa.Table:
        return table.cast(self._schema)

    def write(self, encoded: pa.Table) -> None:
        """Write once there are enough rows for a row group."""
        self._held.append(encoded)
        if sum(table.num_rows for table in self._held) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._held)
        self._held = []
        with self.file.explained():
            self._writer.write_table(table, row_group_size=table.num_rows)

    def finish(self) -> None:
        if self._held:
            self._flush()
        with self.file.explained():
            self._writer.close()

    def abandon(self) -> None:
        """Close the writer while its file is open: it would try to later, in vain."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


class FhirWriter(Writer):
    """Newline-delimited JSON: for each case a Bundle of two RiskAssessments, the causes and the alarm.

    They hold for R5 and R4B alike. No time is written, so that the same cases
    give the same bytes; the subject is identified by ``case_id``.
    """

    def __init__(self, file: AtomicFile, model: ModelSpec) -> None:
        super().__init__(file)
        self.model = model
        self._level = f"{model.alarm.cause}_alarm"

    def encode(self, table: pa.Table) -> bytes:
        """Write the rows of a table to memory."""
        starts = range(0, table.num_rows, SLICE_ROWS)
        return b"".join(self._lines(table.slice(start, SLICE_ROWS)) for start in starts)

    def _lines(self, rows: pa.Table) -> bytes:
        lines = (json.dumps(self._bundle(row), ensure_ascii=False) for row in plain(rows, as_ids=True).to_pylist())
        return "".join(f"{line}\n" for line in lines).encode()

    def _bundle(self, row: dict[str, Any]) -> dict[str, Any]:
        case = row.get(CASE_ID)
        about = {"subject": {"display": "not identified"} if case is None else {"identifier": {"value": str(case)}}}
        flags = [name for name in row["red_flags"].split(";") if name]
        return case_bundle(self.model, row, row[self._level], about, red_flags=flags)
