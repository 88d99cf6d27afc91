"""A file being scored: pieces read and written in order, and scored in threads between."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cores import cores
from kneebayes.errors import DefectError, FileFormatError
from kneebayes.rejects import MOST_SHOWN, Reject, SeenIds, rejects_text
from kneebayes.sources import Source
from kneebayes.targets import CsvTarget, Target
from kneebayes.vocabulary import CASE_ID, short

if TYPE_CHECKING:
    from kneebayes.scoring import Scored

__all__ = ["Counts", "Pipeline"]

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
