"""A table of cases to a table of posteriors: the unit of all batch work."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cases.coding import CASE_ID, Coded, Coder, check_columns
from kneebayes.cases.frames import code_table
from kneebayes.cases.problems import Problem
from kneebayes.diagnosis.alarm import Assessment, Assessor, Thresholds
from kneebayes.errors import UnknownColumnError
from kneebayes.inference.network import Engine, leading
from kneebayes.spec.model_spec import LEVELS, made_columns


@dataclass(frozen=True, eq=False)
class Scored:
    """A scored batch.

    ``table`` has one row per accepted row, in order: ``case_id`` where it came in, the causes, ``none_of_these``,
    further states, ``most_likely``, the alarm, ``red_flags`` (joined by ;), then the columns kept. ``accepted``,
    bool, (n,), says which rows of the batch those are; there is at least one problem for each other row.
    ``warnings`` are what to tell the user, and of how many rows. ``empty``, bool, (n,), says of which rows of the batch
    nothing is known.
    """

    table: pa.Table
    accepted: NDArray[np.bool_]
    problems: list[Problem]
    warnings: dict[str, int]
    empty: NDArray[np.bool_]

    @property
    def n_read(self) -> int:
        """Number of rows that came."""
        return len(self.accepted)


class Scorer:
    """Scores tables with one compiled model.

    ``columns`` are those of the output, but for ``case_id`` and those kept; ``interval_columns`` what intervals add:
    the low and high end of each posterior, and the shares of draws at the very level of the alarm that is reported,
    and at a graver one.
    """

    def __init__(self, assessor: Assessor, coder: Coder) -> None:
        self.assessor = assessor
        self.model = assessor.model
        self.coder = coder
        self.alarm_column = f"{self.model.alarm.cause}_alarm"
        states = {name: cause.states for name, cause in self.model.causes.items()}
        made = tuple(name for name, _ in made_columns(states, self.model.alarm.cause))
        n_plain = made.index("red_flags") + 1
        self.columns, self.interval_columns = made[:n_plain], made[n_plain:]
        self._flag_texts: dict[int, str] = {}

    def score(
        self,
        table: pa.Table | pa.RecordBatch,
        *,
        thresholds: Thresholds,
        keep: Collection[str] = (),
        ignore: Collection[str] = (),
        engine: Engine = "auto",
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
    ) -> Scored:
        """Score a table with a column per variable, all optional; an empty cell is unknown.

        Columns to keep are passed through; evidence that is ignored by name is not used. A caller that scores in
        batches names an engine, so that a row's last digit does not depend on the batch's size. ``intervals`` is
        the share of ``draws`` within intervals: see `interval_columns`.
        """
        check_columns(self.model, table.column_names, keep=keep, ignore=ignore)
        added = () if intervals is None else self.interval_columns
        clash = next((name for name in keep if name in (*self.columns, *added)), None)
        if clash is not None:
            raise UnknownColumnError(f"can't keep column '{clash}': the output has its own of that name; rename yours")
        coded = code_table(self.coder, table, ignore=ignore)
        empty = self.coder.is_empty(coded.evidence)
        assessed, problems = self.assess(coded, thresholds, engine=engine)
        output = self._output(assessed)
        if intervals is not None:
            from kneebayes.diagnosis.uncertainty import batch_uncertainty  # here: few ask for it

            found = batch_uncertainty(assessed, level=intervals, draws=draws, seed=seed, engine=engine)
            output |= dict(zip(self.interval_columns, map(pa.array, found.columns()), strict=True))
        if CASE_ID in table.column_names and CASE_ID not in ignore:
            output = {CASE_ID: table[CASE_ID], **output}
        result = pa.table({**output, **{name: table[name] for name in keep}})
        accepted = ~(coded.refused | assessed.impossible)
        result = result if accepted.all() else result.filter(pa.array(accepted))
        return Scored(result, accepted, problems, coded.warnings, empty)

    def assess(
        self, coded: Coded, thresholds: Thresholds, *, engine: Engine = "auto"
    ) -> tuple[Assessment, list[Problem]]:
        """Assess the rows of a table, those with problems too; all problems are in the order of the rows."""
        network, evidence = self.assessor.network, coded.evidence
        engine = network.engine_for(evidence.n) if engine == "auto" else engine
        posteriors = network.posteriors(evidence, engine=engine)
        assessed = self.assessor.assess(evidence, thresholds, posteriors=posteriors, engine=engine)
        problems = list(coded.problems)
        for row in np.flatnonzero(assessed.impossible & ~coded.refused).tolist():
            found = self.assessor.contradiction(evidence[[row]])
            problems.append(Problem(row, "+".join(found.values), "+".join(found.values.values()), found.why))
        return assessed, sorted(problems, key=lambda problem: problem.row)

    def _output(self, assessed: Assessment) -> dict[str, pa.Array]:
        posteriors = assessed.posteriors
        values, ranked = posteriors.values, len(self.model.causes) + 1
        names = pa.array(posteriors.columns[:ranked])
        return {
            **{name: pa.array(np.ascontiguousarray(values[:, i])) for i, name in enumerate(posteriors.columns)},
            "most_likely": names.take(pa.array(leading(values[:, :ranked]))),
            self.alarm_column: pa.array(LEVELS).take(pa.array(assessed.levels)),
            "red_flags": self._joined_flags(assessed),
        }

    def _joined_flags(self, assessed: Assessment) -> pa.Array:
        """Join the names of each row's red flags by ; making each distinct text once."""
        mask = np.zeros(assessed.evidence.n, dtype=np.int64)
        for bit, raised in enumerate(assessed.flags):
            mask |= raised.astype(np.int64) << bit
        distinct = pa.array(mask).dictionary_encode()
        masks = distinct.dictionary.to_pylist()
        for value in masks:
            if value not in self._flag_texts:
                self._flag_texts[value] = ";".join(n for bit, n in enumerate(self.assessor.flags) if value >> bit & 1)
        return pa.array([self._flag_texts[value] for value in masks], pa.string()).take(distinct.indices)
