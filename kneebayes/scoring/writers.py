"""Scores as FHIR, a Bundle a line: the target of ``kneebayes score --format fhir-ndjson``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from kneebayes.atomic import AtomicFile, file_kind
from kneebayes.cases.coding import CASE_ID
from kneebayes.errors import FileFormatError
from kneebayes.interop.fhir import alarm_assessment, bundle, causes_assessment
from kneebayes.scoring.rejects import csv_text
from kneebayes.spec.model_spec import ModelSpec

__all__ = [
    "CsvTarget",
    "FhirTarget",
    "ParquetTarget",
    "Target",
    "open_target",
]

COMPRESSION_LEVELS = {"gzip": 6, "zstd": 3}  # the defaults of gzip and zstd themselves
GROUP_ROWS = 1 << 17  # rows of a Parquet row group: 15 columns of doubles are 16 MB


class Target(Protocol):
    """What scoring a file needs to know of where the scores go."""

    sink: AtomicFile

    def encode(self, table: pa.Table) -> Any:
        """Make a table ready to be written; safe to call from several threads."""

    def write(self, encoded: Any) -> None:
        """Write, in order."""

    def finish(self) -> None:
        """Write what is still held back."""

    def abandon(self) -> None:
        """Let go of the sink, finished or not."""


def open_target(sink: AtomicFile, schema: pa.Schema) -> Target:
    """Choose how to write by the ending of a sink's path.

    Parameters
    ----------
    sink : AtomicFile
        Where the bytes go.
    schema : pyarrow.Schema
        The columns to write.

    Returns
    -------
    Target
        A CSV's header is written already.
    """
    kind, compression = file_kind(sink.path)
    return ParquetTarget(sink, schema) if kind == "parquet" else CsvTarget(sink, schema.names, compression)


class CsvTarget:
    """A CSV file: UTF-8, quoted only where needed, numbers in the fewest digits that give them back exactly."""

    def __init__(self, sink: AtomicFile, names: list[str] | tuple[str, ...], compression: str | None = None) -> None:
        self.sink = sink
        self._compression = compression
        # A row that is one empty cell must not become an empty line, which readers skip.
        self._quoting = ("none", "needed") if len(names) > 1 else ("needed",)
        self.write(self.compress(csv_text([names]).encode("utf-8")))

    def compress(self, data: bytes | pa.Buffer) -> bytes | pa.Buffer:
        """Compress as a member of its own: gzip and zstd files may have many, which lets threads share the work."""
        if self._compression is None:
            return data
        # A codec of its own each time: two threads in one end in a segmentation fault.
        return pa.Codec(self._compression, compression_level=COMPRESSION_LEVELS[self._compression]).compress(data)

    def encode(self, table: pa.Table) -> pa.Buffer:
        """Write a table to memory."""
        problem: Exception | None = None
        for quoting in self._quoting:
            buffer = pa.BufferOutputStream()
            try:
                arrow_csv.write_csv(
                    table,
                    buffer,
                    arrow_csv.WriteOptions(
                        include_header=False, batch_size=max(1, table.num_rows), quoting_style=quoting
                    ),
                )
            except pa.ArrowInvalid as error:  # "none" refuses values that need quotes, and is twice as readable
                problem = error
            except pa.ArrowException as error:
                problem = error
                break
            else:
                return self.compress(buffer.getvalue())
        raise FileFormatError(f"{self.sink.path}: a column can't be written as CSV: {problem}. Write Parquet instead.")

    def write(self, encoded: Any) -> None:
        """Write, in order."""
        self.sink.write(encoded)

    def finish(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is held."""


class ParquetTarget:
    """A Parquet file."""

    def __init__(self, sink: AtomicFile, schema: pa.Schema) -> None:
        self.sink = sink
        # Dictionaries differ from batch to batch; Parquet makes its own.
        plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema]
        self._schema = pa.schema(plain)
        self._held: list[pa.Table] = []
        self._writer = parquet.ParquetWriter(sink.file, self._schema)

    def encode(self, table: pa.Table) -> pa.Table:
        """Bring a table to the file's types."""
        return table.cast(self._schema)

    def write(self, encoded: pa.Table) -> None:
        """Write once there are enough rows for a row group."""
        self._held.append(encoded)
        if sum(table.num_rows for table in self._held) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._held)
        self._held = []
        with self._explained():
            self._writer.write_table(table, row_group_size=table.num_rows)

    def finish(self) -> None:
        """Write the last row group and the footer."""
        if self._held:
            self._flush()
        with self._explained():
            self._writer.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileFormatError(f"{self.sink.path}: can't be written: {error.strerror or error}") from error

    def abandon(self) -> None:
        """Close the writer while its file is open: it would try to later, in vain."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()


SLICE = 512  # rows that are Python objects at a time: a Bundle takes thirty times the memory of its row


class FhirTarget:
    """Newline-delimited JSON: for each case a Bundle of two RiskAssessments, the causes and the alarm.

    They hold for R5 and R4B alike. No time is written, so that the same cases
    give the same bytes; the subject is identified by ``case_id``.

    Parameters
    ----------
    sink : AtomicFile
        Where the bytes go.
    model : ModelSpec
        What the scores were made with.
    """

    def __init__(self, sink: AtomicFile, model: ModelSpec) -> None:
        self.sink = sink
        self.model = model
        self._level = f"{model.alarm.cause}_alarm"

    def encode(self, table: pa.Table) -> bytes:
        """Write the rows of a table to memory."""
        return b"".join(self._lines(table.slice(start, SLICE)) for start in range(0, table.num_rows, SLICE))

    def _lines(self, rows: pa.Table) -> bytes:
        lines = (json.dumps(self._bundle(row), ensure_ascii=False) for row in rows.to_pylist())
        return "".join(f"{line}\n" for line in lines).encode()

    def _bundle(self, row: dict[str, Any]) -> dict[str, Any]:
        case = row.get(CASE_ID)
        about = {"subject": {"display": "not identified"} if case is None else {"identifier": {"value": str(case)}}}
        flags = [name for name in row["red_flags"].split(";") if name]
        probability = row[self.model.alarm.cause]
        return bundle(
            [
                causes_assessment(self.model, row, about),
                alarm_assessment(self.model, row[self._level], probability, about, red_flags=flags),
            ]
        )

    def write(self, encoded: bytes) -> None:
        """Write, in order."""
        self.sink.write(encoded)

    def finish(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is held."""
