"""A table of cases to a table of posteriors: the unit of all batch work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.cases.coding import CASE_ID, Coded, Coder, check_columns
from kneebayes.cases.frames import encode_columns
from kneebayes.cases.problems import Kind, Problem, why
from kneebayes.diagnosis.alarm import AlarmRules, Thresholds
from kneebayes.errors import FileFormatError, UnknownColumnError
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel, Engine, Posteriors
from kneebayes.spec.model_spec import LEVELS

__all__ = [
    "Scored",
    "Scorer",
]


@dataclass(frozen=True, eq=False)
class Scored:
    """A scored batch.

    Attributes
    ----------
    table : pyarrow.Table
        One row per accepted row, in order: ``case_id`` where it came in, the
        causes, ``none_of_these``, further states, ``most_likely``, the alarm,
        ``red_flags`` (joined by ;), then the columns kept.
    accepted : ndarray of bool, shape (n,)
        Which rows of the batch those are.
    problems : list of Problem
        At least one for each other row.
    warnings : dict of str to int
        What to tell the user, and of how many rows.
    """

    table: pa.Table
    accepted: NDArray[np.bool_]
    problems: list[Problem]
    warnings: dict[str, int]

    @property
    def n_read(self) -> int:
        """Number of rows that came."""
        return len(self.accepted)

    @property
    def n_scored(self) -> int:
        """Number of rows in ``table``."""
        return int(self.accepted.sum())

    @property
    def n_rejected(self) -> int:
        """Number of rows refused."""
        return self.n_read - self.n_scored


class Scorer:
    """Scores tables with one compiled model.

    Parameters
    ----------
    network : CompiledModel
        The compiled model.
    """

    def __init__(self, network: CompiledModel) -> None:
        self.network = network
        self.model = network.model
        self.coder = Coder(self.model)
        self.rules = AlarmRules(network)
        self._flag_texts: dict[int, str] = {}

    @property
    def alarm_column(self) -> str:
        """Name of the output column of alarm levels."""
        return f"{self.model.alarm.cause}_alarm"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the output columns, but for ``case_id`` and those kept."""
        return (*self.network.columns, "most_likely", self.alarm_column, "red_flags")

    @property
    def interval_columns(self) -> tuple[str, ...]:
        """Names of what intervals add.

        ``<column>_low`` and ``<column>_high`` for each column of the
        posteriors; ``<alarm>_robust``, the share of draws at the very level
        of the alarm that is reported; ``<alarm>_graver``, the share at a
        graver one. What is left is the share at a milder one.
        """
        ends = [f"{name}_{end}" for name in self.network.columns for end in ("low", "high")]
        return (*ends, f"{self.alarm_column}_robust", f"{self.alarm_column}_graver")

    def score(
        self,
        table: pa.Table | pa.RecordBatch,
        *,
        thresholds: Thresholds,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        engine: Engine = "auto",
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
    ) -> Scored:
        """Score a table.

        Parameters
        ----------
        table : pyarrow.Table or pyarrow.RecordBatch
            A column per variable, all optional; an empty cell is unknown.
        thresholds : Thresholds
            When to warn.
        keep, ignore : iterable of str
            Further columns to pass through, or to leave out. Evidence that is
            ignored by name is not used.
        engine : {"auto", "numpy", "numba"}
            As for `CompiledModel.posteriors`; a caller that scores in batches names
            one, so that a row's last digit does not depend on the batch's size.
        intervals : float, optional
            Add intervals with this share of the draws: see `interval_columns`.
        draws, seed : int
            Of the plausible ranges, for intervals.

        Returns
        -------
        Scored
            Posteriors of the rows accepted, reasons for the others.

        Raises
        ------
        UnknownColumnError
            If a column is not accounted for, or one to keep would take the
            place of an output column.
        FileFormatError
            If a column stands twice, or holds lists or structures.
        OptionError
            If the options of intervals are out of range.
        """
        keep, ignore = list(dict.fromkeys(map(str, keep))), list(map(str, ignore))
        check_columns(self.model, table.column_names, keep=keep, ignore=ignore)
        added = () if intervals is None else self.interval_columns
        clash = next((name for name in keep if name in (*self.columns, *added)), None)
        if clash is not None:
            raise UnknownColumnError(f"can't keep column '{clash}': the output has its own of that name; rename yours")
        coded = self.code(table, ignore=ignore)
        posteriors = self.network.posteriors(coded.evidence, engine=engine)
        codes = coded.evidence.hardened()
        accepted = np.ones(table.num_rows, dtype=bool)
        accepted[[problem.row for problem in coded.problems]] = False
        impossible = [
            self.contradiction(codes, row)
            for row in np.flatnonzero(accepted & np.isneginf(posteriors.log_evidence)).tolist()
        ]
        accepted[[problem.row for problem in impossible]] = False
        problems = sorted([*coded.problems, *impossible], key=lambda problem: problem.row)
        causes = posteriors.values[:, : len(self.model.causes)]
        probability = posteriors.values[:, self.rules.column]
        levels = self.rules.levels(coded.evidence, probability, thresholds, causes=causes, engine=engine)
        output = self._output(codes, posteriors, levels)
        if intervals is not None:
            from kneebayes.diagnosis.uncertainty import batch_uncertainty  # here: few ask for it

            case = self.rules, coded.evidence, thresholds, probability
            found = batch_uncertainty(*case, level=intervals, draws=draws, seed=seed, engine=engine)
            output |= dict(zip(self.interval_columns, map(pa.array, found.columns()), strict=True))
        if CASE_ID in table.column_names:
            output = {CASE_ID: table[CASE_ID], **output}
        result = pa.table({**output, **{name: table[name] for name in keep}})
        return Scored(
            result if accepted.all() else result.filter(pa.array(accepted)), accepted, problems, coded.warnings
        )

    def code(self, table: pa.Table | pa.RecordBatch, *, ignore: Iterable[str] = ()) -> Coded:
        """Code the evidence of a table.

        Parameters
        ----------
        table : pyarrow.Table or pyarrow.RecordBatch
            As for `score`; columns that are no evidence are passed over.
        ignore : iterable of str
            Columns to leave out.

        Returns
        -------
        Coded
            Codes, and the rows refused.

        Raises
        ------
        FileFormatError
            If a column stands twice, or holds lists or structures.
        """
        ignore = list(ignore)
        taken = [name for name in self.coder.columns if name in table.column_names and name not in ignore]
        for name in taken:
            _refuse_odd_column(table, name)
        return self.coder.batch(encode_columns(table, taken), table.num_rows)

    def contradiction(self, codes: NDArray[np.int8], row: int) -> Problem:
        """Say which values of a case the model holds impossible together.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The evidence, of which the row has probability zero.
        row : int
            The case.

        Returns
        -------
        Problem
            Naming a smallest set of values: without any one of them the rest
            is possible.
        """
        case = codes[:, [row]].copy()
        if not np.isneginf(self.network.posteriors(Evidence(case)).log_evidence[0]):
            return Problem(int(row), "", "", why(Kind.IMPOSSIBLE_SOFT))
        for place in np.flatnonzero(case[:, 0] >= 0):
            trial = case.copy()
            trial[place] = -1
            if np.isneginf(self.network.posteriors(Evidence(trial)).log_evidence[0]):
                case = trial
        names = [self.network.variables[place] for place in np.flatnonzero(case[:, 0] >= 0)]
        values = [self.model.variables[n].states[case[self.coder.rows[n], 0]] for n in names]
        said = " and ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        kind = Kind.IMPOSSIBLE if len(names) == 1 else Kind.IMPOSSIBLE_TOGETHER
        return Problem(int(row), "+".join(names), "+".join(values), why(kind, said=said, names=" and ".join(names)))

    def _output(self, codes: NDArray[np.int8], posteriors: Posteriors, levels: NDArray[np.int8]) -> dict[str, pa.Array]:
        values = posteriors.values
        ranked = len(self.model.causes) + 1
        best = np.where(np.isnan(values[:, 0]), 0, np.argmax(values[:, :ranked], axis=1))
        names = pa.array(posteriors.columns[:ranked])
        return {
            **{name: pa.array(np.ascontiguousarray(values[:, i])) for i, name in enumerate(posteriors.columns)},
            "most_likely": names.take(pa.array(best)),
            self.alarm_column: pa.array(LEVELS).take(pa.array(levels)),
            "red_flags": self._joined_flags(codes),
        }

    def _joined_flags(self, codes: NDArray[np.int8]) -> pa.Array:
        """Join the names of each row's red flags by ; making each distinct text once."""
        flags = self.rules.red_flags(codes)
        mask = np.zeros(codes.shape[1], dtype=np.int64)
        for bit, raised in enumerate(flags):
            mask |= raised.astype(np.int64) << bit
        distinct = pa.array(mask).dictionary_encode()
        masks = distinct.dictionary.to_pylist()
        for value in masks:
            if value not in self._flag_texts:
                self._flag_texts[value] = ";".join(n for bit, n in enumerate(self.rules.flags) if value >> bit & 1)
        return pa.array([self._flag_texts[value] for value in masks], pa.string()).take(distinct.indices)


def _refuse_odd_column(table: pa.Table | pa.RecordBatch, name: str) -> None:
    if table.column_names.count(name) > 1:
        raise FileFormatError(f"the column '{name}' stands twice in the table: keep one of them")
    kind = table.schema.field(name).type
    if pa.types.is_nested(kind):
        raise FileFormatError(f"the column '{name}' holds {kind}: give one value a cell")
