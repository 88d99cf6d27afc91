"""Files of cases to files of posteriors: streamed, in bounded memory, whole or not at all."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.atomic import (
    STANDARD_STREAM,
    AtomicFile,
    check_paths,
    commit,
    file_kind,
    file_stamp,
    plain_path,
    refuse_changed,
)
from kneebayes.cases.coding import CASE_ID, short
from kneebayes.cases.redaction import Redactor, refuse_headless
from kneebayes.errors import (
    DefectError,
    FileFormatError,
    KneeBayesError,
    OptionError,
    UnknownColumnError,
    UnknownNameError,
    defect,
    nearest,
)
from kneebayes.inference.network import cores
from kneebayes.scoring.csv_source import CsvSource, open_stream
from kneebayes.scoring.rejects import MOST_SHOWN, REJECT_COLUMNS, Reject, SeenIds, rejects_text
from kneebayes.scoring.sources import ParquetSource, Source
from kneebayes.scoring.writers import CsvTarget, FhirTarget, Target, open_target

if TYPE_CHECKING:
    import pyarrow as pa

    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.inference.network import Engine
    from kneebayes.scoring.scorer import Scored
    from kneebayes.spec.model_spec import ModelSpec

__all__ = [
    "Counts",
    "Pipeline",
    "open_source",
    "score_file",
]

FIRST_REASONS = 5


@dataclass(frozen=True)
class Counts:
    """How many rows of a file were scored.

    Attributes
    ----------
    read, scored, rejected : int
        Rows; ``read == scored + rejected``.
    warnings : dict of str to int
        What to tell the user, and of how many rows.
    reasons : tuple of str
        Why the first few rows were rejected, without what they hold.
    """

    read: int = 0
    scored: int = 0
    rejected: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Part:
    """A scored piece on its way to the target."""

    n_read: int
    positions: NDArray[np.intp]  # of the rows that could be read
    ids: pa.Array | None
    hashes: NDArray[np.int64] | None
    accepted: NDArray[np.bool_]
    rejects: list[Reject]
    table: pa.Table
    encoded: Any
    warnings: dict[str, int]


class Pipeline:
    """One file being scored.

    Parameters
    ----------
    source : Source
        Where the cases come from.
    target : Target
        Where the scores go.
    rejects : CsvTarget or None
        Where the rows that are not scored go.
    score : callable
        From a table to what is `Scored`; it is called from several threads.
    columns : list of str
        Which of the scored columns to write.
    plain : callable
        From the column and the reason of a problem to what may be said of it
        elsewhere than among the rejects.
    redact : bool
        Whether to say no more among the rejects either.

    Attributes
    ----------
    counts : Counts
        So far.
    """

    def __init__(
        self,
        *,
        source: Source,
        target: Target,
        rejects: CsvTarget | None,
        score: Callable[[pa.Table], Scored],
        columns: list[str],
        plain: Callable[[str, str], str],
        redact: bool = False,
    ) -> None:
        self.source = source
        self.target = target
        self.rejects = rejects
        self.score = score
        self.columns = columns
        self.plain = plain
        self.redact = redact
        self.counts = Counts()
        self._seen = SeenIds()

    def run(self, show: Callable[[int], object]) -> None:
        """Score every row.

        Parameters
        ----------
        show : callable
            Told of each number of rows once they are written.
        """
        workers = cores()
        pending: deque[Future[_Part]] = deque()  # short, or memory would grow where writing is slow
        with ThreadPoolExecutor(workers, thread_name_prefix="kneebayes") as pool:
            try:
                for piece in self.source.pieces():
                    pending.append(pool.submit(self._part, piece))
                    if len(pending) > workers + 1:
                        show(self._take(pending.popleft().result()))
                while pending:
                    show(self._take(pending.popleft().result()))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        self.target.finish()

    def _part(self, piece: Any) -> _Part:
        rows = self.source.parse(piece)
        scored = self.score(rows.table)
        ids = _texts(rows.table[CASE_ID]) if CASE_ID in rows.table.column_names else None
        positions = rows.positions.tolist()
        # A file in other words has a problem in every cell: what is said of them is made once.
        case_ids = {row: _text(ids, row) for row in {p.row for p in scored.problems}}
        plain = {said: self.plain(*said) for said in {(p.column, p.reason) for p in scored.problems}}
        rejects = [
            Reject(positions[p.row], case_ids[p.row], p.column, p.value, p.reason, plain[p.column, p.reason])
            for p in scored.problems
        ]
        table = scored.table.select(self.columns)
        return _Part(
            n_read=rows.n_read,
            positions=rows.positions,
            ids=ids,
            hashes=None if ids is None else self._seen.hashes(ids),
            accepted=scored.accepted,
            rejects=rows.rejects + rejects,
            table=table,
            encoded=self.target.encode(table),
            warnings=scored.warnings,
        )

    def _take(self, part: _Part) -> int:
        """Write a part, and count it; its rejects get the numbers of their rows in the file."""
        rejects, encoded, n_scored = part.rejects, part.encoded, part.table.num_rows
        if part.hashes is not None and (again := self._seen.repeated(part.hashes)).any():
            ids = {int(row): _text(part.ids, row) for row in np.flatnonzero(again)}
            rejects = rejects + [
                Reject(int(part.positions[row]), case_id, CASE_ID, case_id, "an earlier row has this case_id")
                for row, case_id in ids.items()
            ]
            table = part.table.filter(pa.array(~again[part.accepted]))
            encoded, n_scored = self.target.encode(table), table.num_rows
        before = self.counts
        rejects = sorted(rejects, key=attrgetter("row", "column"))
        n_rejected = len({reject.row for reject in rejects})
        if n_scored + n_rejected != part.n_read:
            counted = f"{part.n_read} rows read, but {n_scored} scored and {n_rejected} rejected"
            raise DefectError(f"{counted}: this is a defect of kneebayes, please report it")
        if n_scored:
            self.target.write(encoded)
        first = before.read + 1
        if self.rejects and rejects:
            written = map(Reject.redacted, rejects) if self.redact else rejects
            self.rejects.write(self.rejects.compress(rejects_text(written, first=first).encode("utf-8", "replace")))
        self.counts = Counts(
            read=before.read + part.n_read,
            scored=before.scored + n_scored,
            rejected=before.rejected + n_rejected,
            warnings=dict(Counter(before.warnings) + Counter(part.warnings)),
            reasons=(*before.reasons, *(str(r.numbered(first)) for r in rejects[:FIRST_REASONS]))[:FIRST_REASONS],
        )
        return part.n_read


def _texts(ids: pa.ChunkedArray) -> pa.Array:
    try:
        return pa.concat_arrays(ids.cast(pa.string()).chunks) if ids.num_chunks else pa.array([], pa.string())
    except pa.ArrowException as error:
        raise FileFormatError(f"{CASE_ID}: can't be read as text: {error}") from error


def _text(ids: pa.Array | None, row: np.integer | int) -> str:
    return "" if ids is None else short(ids[int(row)].as_py() or "", MOST_SHOWN)


ONE_PIECE_BYTES = 1 << 18
FHIR_ENDINGS = (".ndjson", ".jsonl")
CHUNK_ROWS = 1 << 14  # small enough for a core's cache, large enough that Python's share is small


class ScoringModel(Protocol):
    """What is needed of a model: `kneebayes.Model` has it."""

    file: ModelSpec

    def score_table(
        self,
        table: pa.Table,
        *,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        thresholds: Thresholds | None = None,
        engine: Engine = "auto",
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
    ) -> Scored:
        """Score a table; safe to call from several threads."""


def score_file(
    model: ScoringModel,
    source: str | Path,
    target: str | Path,
    *,
    rejects: str | Path | None = None,
    keep: Iterable[str] = (),
    ignore: Iterable[str] = (),
    columns: Iterable[str] | None = None,
    thresholds: Thresholds | None = None,
    intervals: float | None = None,
    draws: int = 200,
    seed: int = 0,
    chunk_rows: int = CHUNK_ROWS,
    progress: bool | None = None,
    quiet: bool = False,
    format: Literal["table", "fhir-ndjson"] = "table",
    redact: bool = False,
) -> Counts:
    """Score a file of cases into another.

    Reading, scoring and writing overlap, and memory does not grow with the
    file, but for 8 bytes per ``case_id`` by which duplicates are found.

    Parameters
    ----------
    model : Model
        A loaded model.
    source : str or pathlib.Path
        CSV (UTF-8, commas, a header) or Parquet, by extension; .csv.gz and
        .csv.zst are compressed CSV; ``-`` is CSV from standard input.
    target : str or pathlib.Path
        Likewise; ``-`` is CSV to standard output. A file appears, and replaces
        one that was there, only once all of it is written.
    rejects : str or pathlib.Path, optional
        CSV of the rows that are not scored: ``row`` (number of the data row,
        from 1; empty lines don't count), ``case_id``, ``column``, ``value``,
        ``reason``; a line for each reason.
    keep, ignore : iterable of str
        Further columns of the source to pass through, or to leave out.
    columns : iterable of str, optional
        Which columns to write, in this order, before those kept; by default all.
    thresholds : Thresholds, optional
        When to warn; by default those of the model file.
    intervals, draws, seed
        As for `kneebayes.Model.score`.
    chunk_rows : int
        About how many rows are scored at a time.
    progress : bool, optional
        Whether to show a progress bar on standard error; by default if that is
        a terminal.
    quiet : bool
        Never show one.
    format : {"table", "fhir-ndjson"}
        The second writes a FHIR Bundle a line, of two RiskAssessments (R5 or
        R4B alike); it takes neither ``columns`` nor ``keep``.
    redact : bool
        Leave ``case_id`` and ``value`` empty among the rejects, and say in
        ``reason`` only what is allowed.

    Returns
    -------
    Counts
        Rows read, scored and rejected.

    Raises
    ------
    FileFormatError
        If a file can't be read or written, or is not a table. Nothing is
        written then, and what was at ``target`` stays.
    UnknownColumnError
        If a column is not accounted for, or ``columns`` names none of the output.
    KeyboardInterrupt
        If stopped; it says how many rows were read. Nothing is written.
    DefectError
        If something unexpected happened; it does not say what a case holds,
        as other errors don't either. Nothing is written.

    Notes
    -----
    The second and later rows with the same ``case_id`` are rejected, whether
    or not the first could be scored.
    """
    source, target = plain_path(source), plain_path(target)
    rejects = None if rejects is None else plain_path(rejects)
    as_fhir = _is_fhir(format, columns, keep)
    check_paths(source, target, rejects, endings=FHIR_ENDINGS if as_fhir else ())
    keep, ignore = _listed("keep", keep), _listed("ignore", ignore)
    if chunk_rows < 1:
        raise FileFormatError(f"chunk_rows must be at least 1, not {chunk_rows}")
    with ExitStack() as stack:
        stamp = file_stamp(source)
        read = {CASE_ID, *model.file.inputs, *model.file.variables} - set(ignore)
        cases = open_source(source, chunk_rows=chunk_rows, keep=set(keep) - read)
        stack.callback(cases.close)
        refuse_headless(source, model.file, cases.names, [*keep, *ignore])
        # No rows at all, but every column: names are checked before anything is written.
        more: dict[str, Any] = {"intervals": intervals, "draws": draws, "seed": seed} if intervals is not None else {}
        empty = model.score_table(cases.empty(), keep=keep, ignore=ignore, thresholds=thresholds, **more).table
        chosen = _choose(empty.column_names, columns, keep)
        cases.leave_out(set(cases.names) - read - set(keep))
        engine: Engine = "auto" if _is_one_piece(source) else "numba"  # the same for every row of a file
        sink = stack.enter_context(AtomicFile(target))
        rejects_sink = None if rejects is None else stack.enter_context(AtomicFile(rejects))
        scores = FhirTarget(sink, model.file) if as_fhir else open_target(sink, empty.select(chosen).schema)
        stack.callback(scores.abandon)
        pipeline = Pipeline(
            source=cases,
            target=scores,
            rejects=CsvTarget(rejects_sink, REJECT_COLUMNS, file_kind(rejects)[1])
            if rejects_sink and rejects
            else None,
            score=lambda table: model.score_table(
                table, keep=keep, ignore=ignore, thresholds=thresholds, engine=engine, **more
            ),
            columns=chosen,
            plain=Redactor(model.file).reason,
            redact=redact,
        )
        unexpected: DefectError | None = None
        try:
            with _progress_bar(cases, progress, quiet) as show:
                pipeline.run(show)
            refuse_changed(source, stamp)
            # The rejects first: where the target is, its rejects are.
            commit(*([rejects_sink, sink] if rejects_sink else [sink]))
        except KeyboardInterrupt:
            rest = "" if target == STANDARD_STREAM else f"; {target} was {'' if sink.in_place else 'not '}written"
            raise KeyboardInterrupt(f"stopped after {pipeline.counts.read:,} rows{rest}") from None
        except (KneeBayesError, DefectError, OSError, MemoryError):
            raise
        except Exception as error:
            unexpected = defect(error, f"scoring the rows from {pipeline.counts.read + 1:,} on")
            if unexpected is None:
                raise
        if unexpected is not None:
            raise unexpected  # here, so that it does not carry the other along
        return pipeline.counts


def open_source(path: str, *, chunk_rows: int, keep: Collection[str] = ()) -> Source:
    """Open a file of cases and check its header.

    Parameters
    ----------
    path : str
        A file, or ``-`` for standard input.
    chunk_rows : int
        About how many rows a piece has.
    keep : collection of str
        Columns of a Parquet file to leave of whatever type they are.

    Returns
    -------
    Source
        Ready to be read once.

    Raises
    ------
    FileFormatError
        If the file is not there, or is not a table with one name per column.
    """
    if path == STANDARD_STREAM:
        return CsvSource(path, open_stream(path), None, chunk_rows=chunk_rows)
    if os.path.isdir(path):
        raise FileFormatError(f"{path}: is a folder: give one file, such as {os.path.join(path, 'cases.csv')}")
    if not os.path.exists(path):
        raise FileFormatError(f"{path}: no such file (looked in {os.path.dirname(os.path.abspath(path))})")
    kind, compression = file_kind(path)
    try:
        if kind == "parquet":
            return ParquetSource(path, chunk_rows=chunk_rows, keep=keep)
        return CsvSource(path, open_stream(path), compression, chunk_rows=chunk_rows)
    except OSError as error:
        raise FileFormatError(f"{path}: can't be read: {error}") from error


def _is_fhir(format: str, columns: Iterable[str] | None, keep: Iterable[str]) -> bool:
    known = ("table", "fhir-ndjson")
    if format not in known:
        raise UnknownNameError(f"no format '{format}' to score into, only {list(known)}.{nearest(format, known)}")
    if format == "fhir-ndjson" and (columns is not None or list(keep)):
        raise OptionError("format fhir-ndjson has no columns: columns and keep go with tables")
    return format == "fhir-ndjson"


def _is_one_piece(source: str) -> bool:
    """Say whether a file is surely so small that it is read in one piece."""
    return (
        source != STANDARD_STREAM and file_kind(source) == ("csv", None) and os.path.getsize(source) < ONE_PIECE_BYTES
    )


def _listed(option: str, names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise UnknownColumnError(f"{option}={names!r}: give a list of names, as in {option}=[{names!r}]")
    return list(dict.fromkeys(names))


def _choose(written: list[str], columns: Iterable[str] | None, keep: list[str]) -> list[str]:
    """Names of the columns to write."""
    if columns is None:
        return written
    chosen = _listed("columns", columns)
    for name in chosen:
        if name not in written:
            raise UnknownColumnError(
                f"columns: '{name}' is not a column of the output, which has {', '.join(written)}."
                f"{nearest(name, written)}"
            )
    return [*chosen, *(name for name in keep if name not in chosen)]


@contextmanager
def _progress_bar(source: Source, progress: bool | None, quiet: bool) -> Iterator[Any]:
    """Show rows, rate and time left; the function given is told of rows as they are written."""
    if quiet or progress is False or (progress is None and not sys.stderr.isatty()):
        yield lambda n_rows: None
        return
    from tqdm.auto import tqdm

    with tqdm(unit=" rows", unit_scale=True, dynamic_ncols=True, file=sys.stderr) as bar:

        def show(n_rows: int) -> None:
            bar.total = source.rows_in_total(int(bar.n) + n_rows)
            bar.update(n_rows)

        yield show
        bar.total = bar.n  # the estimate has done its service
