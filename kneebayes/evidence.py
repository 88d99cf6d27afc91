"""What is known of cases: names, values and bands become codes.

A cell that is empty is unknown, never absent. A value that is not allowed
costs its own row, with a reason that says what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError
from kneebayes.inference import UNKNOWN
from kneebayes.likelihood import Unsure
from kneebayes.vocabulary import Vocabulary, check_columns, short

__all__ = ["Coded", "Coder", "Factor", "Problem", "Unsure"]

_REFUSED = -2


@dataclass(frozen=True)
class Problem:
    """Why a row of a table can't be scored.

    Attributes
    ----------
    row : int
        Its position, from 0.
    column, value : str
        Where the problem is, and what was received there.
    reason : str
        What is allowed, and the nearest match where there is one.
    """

    row: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, column '{self.column}': {self.reason}"


@dataclass(frozen=True, eq=False)
class Factor:
    """A column of a table as distinct values and an index into them.

    Attributes
    ----------
    index : ndarray of int, shape (n,)
        Place of each row's value; negative where the cell is empty.
    values : sequence
        The distinct values, of any type.
    """

    index: NDArray[np.integer]
    values: Sequence[object]


@dataclass(frozen=True, eq=False)
class Coded:
    """A table of cases as codes.

    Attributes
    ----------
    codes : ndarray of int8, shape (variables, n)
        As inference wants them; a refused row has only unknowns.
    problems : list of Problem
        At least one for each refused row.
    warnings : dict of str to int
        What to tell the user, and of how many rows.
    unsure : list of Unsure
        Answers given as likelihoods; their codes are unknown.
    """

    codes: NDArray[np.int8]
    problems: list[Problem]
    warnings: dict[str, int] = field(default_factory=dict)
    unsure: list[Unsure] = field(default_factory=list)


class Coder(Vocabulary):
    """Turns cases into codes for one model.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    """

    def case(self, case: Mapping[str, object]) -> Coded:
        """Code one case.

        Parameters
        ----------
        case : mapping of str to object
            Values by column name; what is not named is unknown.

        Returns
        -------
        Coded
            A table of this one case, without problems.

        Raises
        ------
        UnknownColumnError
            If a name is not a column of the model.
        CaseError
            If a value is not allowed, or two contradict each other.
        """
        case = dict(case)  # a row of a frame will do
        check_columns(self.model, case)
        factors = {name: Factor(np.zeros(1, dtype=np.int64), [value]) for name, value in case.items()}
        coded = self.batch(factors, 1)
        if coded.problems:
            raise CaseError(" ".join(problem.reason for problem in coded.problems))
        return coded

    def batch(self, factors: Mapping[str, Factor], n: int) -> Coded:
        """Code a table.

        Parameters
        ----------
        factors : mapping of str to Factor
            Columns by name; those that are not evidence are passed over.
        n : int
            Number of rows.

        Returns
        -------
        Coded
            Codes, and the rows that are refused.
        """
        codes = np.full((len(self.rows), n), UNKNOWN, dtype=np.int8)
        problems: list[Problem] = []
        warnings: dict[str, int] = {}
        unsure: list[Unsure] = []
        complaint = self.rows[self.model.complaint]
        codes[complaint] = 1
        filled: dict[int, str] = {}
        for column in self.columns:
            if column not in factors:
                continue
            factor, numeric = factors[column], self.model.inputs.get(column)
            row = self.rows[numeric.variable if numeric else column]
            new = self._column(column, factor, problems, unsure)
            if numeric and numeric.warn_below is not None:
                low = [i for i, v in enumerate(factor.values) if self.is_below(v, numeric)]
                count = int(np.isin(factor.index, low).sum()) if low else 0
                if count:
                    warnings[numeric.warning] = warnings.get(numeric.warning, 0) + count
            if row in filled:
                self._agree(filled[row], column, codes[row], new, factor, problems)
                new = np.where(new == UNKNOWN, codes[row], new)
            elif row == complaint:
                unknown_said = [i for i, v in enumerate(factor.values) if str(v).strip().lower() == "unknown"]
                assumed = (new == UNKNOWN) & ~np.isin(factor.index, unknown_said)
                for answer in unsure:
                    if answer.row == complaint:
                        assumed[answer.cases] = False
                new = np.where(assumed, np.int8(1), new)
            codes[row] = new
            filled[row] = column
        refused = np.unique([problem.row for problem in problems]).astype(np.intp)
        codes[:, refused] = UNKNOWN
        problems.sort(key=lambda problem: problem.row)
        return Coded(codes, problems, warnings, unsure)

    def _column(self, column: str, factor: Factor, problems: list[Problem], unsure: list[Unsure]) -> NDArray[np.int8]:
        """Code the distinct values of a column, then look each row's up."""
        lookup = np.full(len(factor.values) + 1, UNKNOWN, dtype=np.int8)
        reasons: dict[int, str] = {}
        for i, value in enumerate(factor.values):
            try:
                likelihood = self.likelihood(column, value)
                if likelihood is None:
                    lookup[i] = self.code(column, value)
                else:
                    unsure.append(Unsure(self.rows[column], np.flatnonzero(factor.index == i), likelihood))
            except CaseError as error:
                lookup[i] = _REFUSED
                reasons[i] = str(error)
        codes: NDArray[np.int8] = lookup[factor.index]
        if reasons:
            for row in np.flatnonzero(codes == _REFUSED).tolist():
                i = int(factor.index[row])
                problems.append(Problem(row, column, short(factor.values[i]), reasons[i]))
        return codes

    def _agree(
        self,
        first: str,
        second: str,
        old: NDArray[np.int8],
        new: NDArray[np.int8],
        factor: Factor,
        problems: list[Problem],
    ) -> None:
        """Two columns that set one variable may not contradict each other."""
        states = self.model.variables[self.model.inputs[first].variable].states
        for row in np.flatnonzero((old >= 0) & (new >= 0) & (old != new)).tolist():
            value = short(factor.values[int(factor.index[row])])
            reason = (
                f"{second} '{value}' contradicts {first}, which says {second} is {states[old[row]]}: mend one of them"
            )
            problems.append(Problem(row, second, value, reason))
