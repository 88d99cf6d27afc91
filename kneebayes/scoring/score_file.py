"""Files of cases to files of posteriors: streamed, in bounded memory, whole or not at all."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.atomic import STANDARD_STREAM, AtomicFile, commit, refuse_changed
from kneebayes.cases.mapping import BoundMapping, MappingLike
from kneebayes.cases.problems import Kind, Problem, rows_of_no_case, why
from kneebayes.errors import DefectError, UnknownColumnError, check_flags, guarded, nearest
from kneebayes.inference import cores
from kneebayes.scoring.readers import MappedReader, Reader, Rows
from kneebayes.scoring.writers import (
    REJECT_COLUMNS,
    CsvWriter,
    FhirWriter,
    Writer,
    check_paths,
    open_writer,
    reject_rows,
)

if TYPE_CHECKING:
    from kneebayes.cases.coding import Coder
    from kneebayes.inference.network import Engine
    from kneebayes.scoring.scorer import Scored

MAX_REASONS = 5
NOTHING_KNOWN = (
    "scored as people of whom nothing is known but the complaint; "
    "lines that are no cases, such as totals, are left out by rows in a mapping"
)
MAX_CODE, MAX_WORD, MIN_ROWS, MAX_COUNTED = 2, 20, 5, 10_000
MAX_RUN = 1 << 22  # merging longer runs would need their size in memory once more


@dataclass(frozen=True)
class ScoreSummary:
    """How many rows of a file were scored; those of several files add up.

    Attributes
    ----------
    read, scored, rejected, left_out : int
        Rows; ``read == scored + rejected + left_out``. Those left out are no cases, as the mapping says.
    warnings : dict of str to int
        What to tell the user, and of how many rows.
    reasons : tuple of str
        The most frequent reasons why rows were rejected, each with the first row that has it, without what it holds.
    refused : dict of (str, str) to int
        In how many rows a value was not allowed, by column and value; the value is empty where it might tell of
        somebody: numbers, texts, and words that stand in few rows.
    diagnoses : tuple of str
        Columns of causes, which were taken as known diagnoses.
    others : tuple of str
        Columns that were left out without being named.
    """

    read: int = 0
    scored: int = 0
    rejected: int = 0
    warnings: dict[str, int] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    left_out: int = 0
    refused: dict[tuple[str, str], int] = field(default_factory=dict)
    diagnoses: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def __add__(self, other: ScoreSummary) -> ScoreSummary:
        return ScoreSummary(
            read=self.read + other.read,
            scored=self.scored + other.scored,
            rejected=self.rejected + other.rejected,
            warnings=dict(Counter(self.warnings) + Counter(other.warnings)),
            reasons=(*self.reasons, *other.reasons)[:MAX_REASONS],
            left_out=self.left_out + other.left_out,
            refused=dict(Counter(self.refused) + Counter(other.refused)),
            diagnoses=tuple(dict.fromkeys([*self.diagnoses, *other.diagnoses])),
            others=tuple(dict.fromkeys([*self.others, *other.others])),
        )


def score_file(
    score_table: Callable[..., Scored],
    coder: Coder,
    source: str,
    target: str,
    *,
    rejects: str | None,
    keep: list[str],
    ignore: list[str],
    columns: list[str] | None,
    chunk_rows: int,
    progress: bool | None,
    quiet: bool,
    as_fhir: bool,
    redact: bool,
    mapping: MappingLike | None,
) -> ScoreSummary:
    """Score a file of cases into another, a piece at a time: `kneebayes.score_file` says what each option does.

    ``score_table`` takes a table, ``ignore`` and ``engine``, and raises what no table can be scored by.
    """
    check_paths(source, target, rejects, as_fhir=as_fhir)
    with ExitStack() as stack:
        cases = MappedReader(source, coder, mapping, keep, ignore, chunk_rows=chunk_rows)
        stack.callback(cases.reader.close)
        score = partial(score_table, ignore=cases.ignore)
        empty = score(cases.empty()).table
        chosen = _choose(empty.column_names, columns, keep)
        engine: Engine = "auto" if cases.reader.is_one_piece else "numba"  # the same for every row of a file
        # The rejects first: where the target is, its rejects are.
        files = [stack.enter_context(AtomicFile(path)) for path in (rejects, target) if path is not None]
        file = files[-1]
        writer = FhirWriter(file, coder.model) if as_fhir else open_writer(file, empty.select(chosen).schema)
        stack.callback(writer.abandon)
        pipeline = _Pipeline(
            cases=cases,
            score=partial(score, engine=engine),
            columns=chosen,
            writer=writer,
            rejects=CsvWriter(files[0], REJECT_COLUMNS) if len(files) > 1 else None,
            refused=RefusedValues(cases.bound, redact=redact),
            redact=redact,
        )

        def run() -> None:
            with _progress_bar(cases.reader, progress, quiet) as show:
                pipeline.run(show)
            refuse_changed(source, cases.stamp)
            commit(*files)

        try:
            guarded(run, lambda: f"scoring the rows from {pipeline.summary.read + 1:,} on")
        except KeyboardInterrupt:
            rest = "" if target == STANDARD_STREAM else f"; {target} was {'' if file.in_place else 'not '}written"
            raise KeyboardInterrupt(f"stopped after {pipeline.summary.read:,} rows{rest}") from None
        return pipeline.summary + ScoreSummary(diagnoses=cases.diagnoses, others=cases.bound.others)


@dataclass(frozen=True, eq=False)
class _Part:
    """A scored piece on its way to the writer."""

    rows: Rows
    hashes: NDArray[np.int64] | None
    accepted: NDArray[np.bool_]
    nothing_known: NDArray[np.bool_]
    problems: list[Problem]  # by their places in the piece
    table: pa.Table
    encoded: Any
    warnings: dict[str, int]


@dataclass(eq=False)
class _Pipeline:
    """One file being scored: pieces are read here, parsed, scored and encoded in threads, and written here in order."""

    cases: MappedReader
    score: Callable[[pa.Table], Scored]
    columns: list[str]
    writer: Writer
    rejects: CsvWriter | None
    refused: RefusedValues
    redact: bool
    summary: ScoreSummary = field(default_factory=ScoreSummary)
    seen: SeenIds = field(default_factory=lambda: SeenIds())

    def run(self, show: Callable[[int], object]) -> None:
        """Score every row; the function is told of each number of rows once they are written."""
        workers = cores()
        pending: deque[Future[_Part]] = deque()  # short, or memory would grow where writing is slow
        with ThreadPoolExecutor(workers, thread_name_prefix="kneebayes") as pool:
            try:
                for piece in self.cases.pieces():
                    pending.append(pool.submit(self._part, piece))
                    if len(pending) > workers + 1:
                        show(self._take(pending.popleft().result()))
                while pending:
                    show(self._take(pending.popleft().result()))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        self.writer.finish()
        self.summary += ScoreSummary(reasons=self.refused.reasons(), refused=self.refused.counts())

    def _part(self, piece: Any) -> _Part:
        """Parse a piece, score its rows, and make the scores ready to be written."""
        rows = self.cases.parse(piece)
        scored = self.score(rows.table)
        accepted = scored.accepted & ~np.isin(rows.positions, [problem.row for problem in rows.problems])
        table = scored.table.select(self.columns)
        if len(table) > accepted.sum():
            table = table.filter(pa.array(accepted[scored.accepted]))
        return _Part(
            rows=rows,
            hashes=None if rows.ids is None else SeenIds.hashes(rows.ids),
            accepted=accepted,
            nothing_known=scored.empty & accepted,
            problems=rows.problems + rows.placed(map(self.cases.bound.named, scored.problems)),
            table=table,
            encoded=self.writer.encode(table),
            warnings=scored.warnings,
        )

    def _take(self, part: _Part) -> int:
        """Write a part and count it, now that it is known which of its case_ids came before."""
        problems, encoded, n_scored = part.problems, part.encoded, part.table.num_rows
        nothing_known = part.nothing_known
        if part.hashes is not None and (again := self.seen.repeated(part.hashes)).any():
            column, reason = self.cases.reader.case_id, why(Kind.ID_AGAIN)
            rows = np.flatnonzero(again).tolist()
            problems = problems + part.rows.placed(Problem(row, column, part.rows.case_id(row), reason) for row in rows)
            table = part.table.filter(pa.array(~again[part.accepted]))
            encoded, n_scored = self.writer.encode(table), table.num_rows
            nothing_known = nothing_known & ~again
        no_cases = rows_of_no_case(problems) if problems else set[int]()
        problems = sorted((p for p in problems if p.row not in no_cases), key=attrgetter("row", "column"))
        n_rejected = len({problem.row for problem in problems})
        n_read = part.rows.n_read
        if n_scored + n_rejected + len(no_cases) != n_read:
            counted = f"{n_read} rows read, but {n_scored} scored, {n_rejected} rejected, {len(no_cases)} left out"
            raise DefectError(f"{counted}: this is a defect of kneebayes, please report it")
        if n_scored:
            self.writer.write(encoded)
        first = self.summary.read + 1  # the number of the row at place 0
        self.refused.add(problems, first=first)
        if self.rejects and problems:
            rows_of_text = reject_rows(problems, first=first, redact=self.redact)
            self.rejects.write(self.rejects.encode_rows(rows_of_text))
        n_unknown = int(nothing_known.sum())
        warnings = part.warnings | ({NOTHING_KNOWN: n_unknown} if n_unknown else {})
        self.summary += ScoreSummary(n_read, n_scored, n_rejected, warnings, left_out=len(no_cases))
        return n_read


class RefusedValues:
    """Why rows were refused, and how often which value was not allowed in which column.

    Where others read along, a value is named only if it is one of a few words of a column of states: of at most
    `MAX_CODE` characters, or at most `MAX_WORD` and in `MIN_ROWS` rows or more.
    """

    def __init__(self, mapping: BoundMapping, *, redact: bool) -> None:
        coder = mapping.coder
        self._named = {
            name
            for name, column in ({} if redact else mapping.columns).items()
            if column.variable in coder.columns and column.variable not in coder.model.numeric_inputs
        }
        self._counts: Counter[tuple[str, str]] = Counter()
        self._reasons: Counter[tuple[str, Kind]] = Counter()
        self._first: dict[tuple[str, Kind], Problem] = {}

    def add(self, problems: Iterable[Problem], *, first: int) -> None:
        """Count the reasons and values of rows that are refused; ``first`` is the number of the row at place 0."""
        for problem in problems:
            reason = problem.column, problem.why.kind
            self._reasons[reason] += 1
            if reason not in self._first:
                self._first[reason] = replace(problem, row=problem.row + first)
            if problem.why.kind in (Kind.VALUE, Kind.MAPPED_VALUE, Kind.OUTSIDE, Kind.MAPPED_NUMBER, Kind.DATE):
                key = problem.column, problem.value.strip()
                known = key in self._counts or len(self._counts) < MAX_COUNTED
                shown = problem.column in self._named and len(key[1]) <= MAX_WORD and known
                self._counts[key if shown else (problem.column, "")] += 1

    def reasons(self) -> tuple[str, ...]:
        """Give the most frequent reasons, each with the first row that has it."""
        said = ((self._first[reason], n) for reason, n in self._reasons.most_common(MAX_REASONS))
        return tuple(f"{p.place}: {p.plain}" + (f" ({n:,} rows)" if n > 1 else "") for p, n in said)

    def counts(self) -> dict[tuple[str, str], int]:
        """Give the numbers of rows, the most frequent first, those of values that are not named together."""
        merged: Counter[tuple[str, str]] = Counter()
        for (column, value), n in self._counts.items():
            merged[column, value if len(value) <= MAX_CODE or n >= MIN_ROWS else ""] += n
        return dict(merged.most_common())


class SeenIds:
    """The case_ids of a file so far, in 8 bytes each.

    Kept are 64-bit hashes in sorted runs, of which equal ones are merged, so that a batch is looked up with one search
    per run. Two of n different ids have the same hash with probability n ** 2 / 2 ** 65, 3e-8 for a million rows and
    3e-4 for a hundred million; the later of the two would then be taken for a duplicate.
    """

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    @staticmethod
    def hashes(ids: pa.Array) -> NDArray[np.int64]:
        """Hash a batch of strings: int64, (n,), 0 for none, the same for the life of this process only."""
        words = ids.to_numpy(zero_copy_only=False)
        return np.fromiter((hash(word) if word else 0 for word in words), dtype=np.int64, count=len(words))

    def repeated(self, hashes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which ids, (n,), an earlier row of this or another batch had, and remember the others."""
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
        while self._runs and len(self._runs[-1]) < 2 * len(run) and len(self._runs[-1]) + len(run) <= MAX_RUN:
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")
        self._runs.append(run)


def _choose(written: list[str], columns: list[str] | None, keep: list[str]) -> list[str]:
    """Names of the columns to write."""
    if columns is None:
        return written
    if unknown := [name for name in columns if name not in written]:
        said = f"'{unknown[0]}' is not a column of the output, which has {', '.join(written)}"
        raise UnknownColumnError(f"columns: {said}.{nearest(unknown[0], written)}")
    return [*columns, *(name for name in keep if name not in columns)]


def shows_progress(wanted: bool | None) -> bool:
    """Say whether to show a bar: by default on a terminal; never where standard error is closed, or is no stream."""
    if wanted is not None:
        check_flags(progress=wanted)
    try:
        return sys.stderr.isatty() if wanted is None else wanted and sys.stderr.writable()
    except (AttributeError, ValueError):
        return False


@contextmanager
def _progress_bar(reader: Reader, progress: bool | None, quiet: bool) -> Iterator[Any]:
    """Show rows, rate and time left; the function given is told of rows as they are written."""
    if quiet or not shows_progress(progress):
        yield lambda n_rows: None
        return
    from tqdm.auto import tqdm

    with tqdm(unit=" rows", unit_scale=True, dynamic_ncols=True, file=sys.stderr) as bar:

        def show(n_rows: int) -> None:
            bar.total = reader.rows_in_total(int(bar.n) + n_rows)
            bar.update(n_rows)

        yield show
        bar.total = bar.n  # the estimate has done its service
