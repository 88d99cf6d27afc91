"""Where scores go: CSV and Parquet files that appear whole or not at all, and standard output."""

from __future__ import annotations

import csv
import io
import os
import re
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from kneebayes.errors import FileFormatError
from kneebayes.paths import STANDARD_STREAM, file_kind, is_special

__all__ = ["CsvTarget", "ParquetTarget", "Sink", "Target", "open_target"]

LEVELS = {"gzip": 6, "zstd": 3}  # the defaults of gzip and zstd themselves
GROUP_ROWS = 1 << 17  # rows of a Parquet row group: 15 columns of doubles are 16 MB


class Target(Protocol):
    """What scoring a file needs to know of where the scores go."""

    sink: Sink

    def encode(self, table: pa.Table) -> Any:
        """Make a table ready to be written; safe to call from several threads."""

    def write(self, encoded: Any) -> None:
        """Write, in order."""

    def finish(self) -> None:
        """Write what is still held back."""

    def abandon(self) -> None:
        """Let go of the sink, finished or not."""


class Sink:
    """A file that appears when it is committed, or a stream that can't be taken back.

    The bytes go to a file beside the target, named after it and this process,
    which takes the target's place at the end. What a killed run left is
    removed by the next run on the same machine to the same target.

    Parameters
    ----------
    path : str
        A file, a device or pipe, or ``-`` for standard output.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._temporary = ""
        if path == STANDARD_STREAM:
            stream = getattr(sys.stdout, "buffer", None)
            if stream is None:
                raise FileFormatError("standard output can't be written here: give a file")
            self.file: BinaryIO = stream
            return
        try:
            if is_special(path):
                self.file = open(path, "wb")  # noqa: SIM115 - discard and commit close it
            else:
                self._open_beside(os.path.realpath(path))
        except OSError as error:
            raise self._refused(error) from error

    def _open_beside(self, final: str) -> None:
        folder, name = os.path.split(final)
        if not os.path.isdir(folder):
            raise FileFormatError(f"{self.path}: there is no folder {folder}: make it first")
        if os.path.exists(final) and not os.access(final, os.W_OK):
            raise FileFormatError(f"{self.path}: is write-protected: choose another name")
        prefix = f".{name}.{socket.gethostname()}-"
        _remove_leftovers(folder, prefix)
        handle, self._temporary = tempfile.mkstemp(prefix=f"{prefix}{os.getpid()}-", suffix=".partial", dir=folder)
        self._final = final
        self.file = os.fdopen(handle, "wb")

    def _refused(self, error: OSError) -> FileFormatError:
        return FileFormatError(f"{self.path}: can't be written: {error.strerror or error}")

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes, in order."""
        try:
            self.file.write(data)
        except BrokenPipeError:
            raise  # whoever reads has had enough, as head(1) does: no fault of the file
        except OSError as error:
            raise self._refused(error) from error

    def sync(self) -> None:
        """Make sure that what was written is on the disk."""
        try:
            self.file.flush()
            if self._temporary:
                os.fsync(self.file.fileno())
        except BrokenPipeError:
            raise
        except OSError as error:
            raise self._refused(error) from error

    def commit(self) -> None:
        """Let the file appear."""
        if self.path == STANDARD_STREAM:
            return
        try:
            self.file.close()
            if self._temporary:
                os.chmod(self._temporary, _permissions(self._final))
                os.replace(self._temporary, self._final)
                self._temporary = ""
        except OSError as error:
            raise self._refused(error) from error

    def discard(self) -> None:
        """Leave nothing behind, unless it was committed."""
        if self.path == STANDARD_STREAM:
            return
        with suppress(OSError):
            self.file.close()
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)

    def __enter__(self) -> Sink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


def _permissions(final: str) -> int:
    """Those of the file that is replaced, or of any new file."""
    if os.path.exists(final):
        return stat.S_IMODE(os.stat(final).st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _remove_leftovers(folder: str, prefix: str) -> None:
    """Remove temporary files of processes that are gone."""
    if os.name != "posix":  # elsewhere os.kill does not ask, it kills
        return
    with suppress(OSError):  # they do no harm, and the folder may let us write but not look
        for name in os.listdir(folder):
            match = re.fullmatch(re.escape(prefix) + r"(\d+)-\w+\.partial", name)
            if match and not _is_alive(int(match[1])):
                os.unlink(os.path.join(folder, name))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def open_target(sink: Sink, schema: pa.Schema) -> Target:
    """Choose how to write by the ending of a sink's path.

    Parameters
    ----------
    sink : Sink
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

    def __init__(self, sink: Sink, names: list[str] | tuple[str, ...], compression: str | None = None) -> None:
        self.sink = sink
        self._compression = compression
        # A row that is one empty cell must not become an empty line, which readers skip.
        self._quoting = ("none", "needed") if len(names) > 1 else ("needed",)
        header = io.StringIO(newline="")
        csv.writer(header, lineterminator="\n").writerow(names)
        self.write(self.compress(header.getvalue().encode("utf-8")))

    def compress(self, data: bytes | pa.Buffer) -> bytes | pa.Buffer:
        """Compress as a member of its own: gzip and zstd files may have many, which lets threads share the work."""
        if self._compression is None:
            return data
        # A codec of its own each time: two threads in one end in a segmentation fault.
        return pa.Codec(self._compression, compression_level=LEVELS[self._compression]).compress(data)

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

    def __init__(self, sink: Sink, schema: pa.Schema) -> None:
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
            raise FileFormatError(f"{self.sink.path}: can't be written: {error}") from error

    def abandon(self) -> None:
        """Close the writer while its file is open: it would try to later, in vain."""
        with suppress(OSError, pa.ArrowException):
            self._writer.close()
