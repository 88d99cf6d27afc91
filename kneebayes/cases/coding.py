"""What is known of cases: names, values and bands become codes.

A cell that is empty is unknown, never absent. A value that is not allowed
costs its own row, with a reason that says what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError, UnknownColumnError, nearest
from kneebayes.inference.evidence import UNKNOWN, Evidence, SoftEvidence
from kneebayes.spec.model_spec import ABSENT_PRESENT, ModelSpec, NumericInput

__all__ = [
    "CASE_ID",
    "NOT_EVIDENCE_PREFIX",
    "Coded",
    "Coder",
    "Factor",
    "Problem",
    "Vocabulary",
    "check_columns",
    "short",
]

CASE_ID = "case_id"
NOT_EVIDENCE = (CASE_ID, "label", "also")
NOT_EVIDENCE_PREFIX = "true_"
UNKNOWN_WORDS = frozenset({"", "<na>", "na", "n/a", "nan", "nat", "null", "unknown"})
SYNONYMS = {"no": 0, "false": 0, "0": 0, "0.0": 0, "yes": 1, "true": 1, "1": 1, "1.0": 1}


class Vocabulary:
    """What the columns of one model are called and what may stand in them.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    """

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self.rows = {name: row for row, name in enumerate(model.variables)}
        self._codes = {name: _words(variable.states) for name, variable in model.variables.items()}

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is evidence: the numeric inputs and the variables."""
        return tuple(dict.fromkeys([*self.model.inputs, *self.model.variables]))

    def code(self, column: str, value: object) -> int:
        """Code one value.

        Parameters
        ----------
        column : str
            A variable, or a numeric input such as ``age``.
        value : object
            A state name, a synonym, a bool, a number, or nothing.

        Returns
        -------
        int
            The number of the state, or `UNKNOWN`.

        Raises
        ------
        CaseError
            If the value is not allowed; the message says what is.

        Examples
        --------
        >>> from kneebayes.spec.yaml_io import model_path, read_model
        >>> vocabulary = Vocabulary(read_model(model_path("posterior_knee_pain")))
        >>> [vocabulary.code("calf_pain", v) for v in ("Yes", False, 1.0, "absent", None)]
        [1, 0, 1, 0, -1]
        >>> vocabulary.code("age", 67) == vocabulary.code("age", "sixties")
        True
        """
        word = "" if value is None else str(value).strip().lower()
        if word in UNKNOWN_WORDS:
            return UNKNOWN
        numeric = self.model.inputs.get(column)
        if numeric and not isinstance(value, (bool, np.bool_)):
            number = number_of(word)
            if number is not None:
                return self._band(column, numeric, number, value)
        elif not numeric and word in self._codes[column]:
            return self._codes[column][word]
        if numeric and numeric.variable == column and word in self._codes[column]:
            return self._codes[column][word]
        hint = nearest(word, self._codes.get(column, ()))
        said = f"'{short(value)}' is not allowed for {column}"
        raise CaseError(f"{said}: give {self.allowed(column)}, or nothing if unknown.{hint}")

    def allowed(self, column: str) -> str:
        """Say what may stand in a column."""
        numeric = self.model.inputs.get(column)
        if numeric:
            return f"a number of {numeric.unit} from {numeric.minimum:g} to {numeric.maximum:g}"
        states = self.model.variables[column].states
        return "one of " + ", ".join(states) + (" (or yes/no, true/false, 1/0)" if states == ABSENT_PRESENT else "")

    def likelihood(self, column: str, value: object) -> NDArray[np.float64] | None:
        """Read an unsure answer.

        Parameters
        ----------
        column : str
            A variable.
        value : object
            A mapping of states to likelihoods, or text such as ``present:0.8``
            or ``present:0.8, absent:0.1``. States that are not named share
            what is left to 1.

        Returns
        -------
        ndarray, shape (states,) or None
            P(what was said | state), up to a factor; None if the value is an
            ordinary one.

        Raises
        ------
        CaseError
            If a state is not one of the variable's, or the numbers are no
            likelihoods.

        Examples
        --------
        >>> from kneebayes.spec.yaml_io import model_path, read_model
        >>> vocabulary = Vocabulary(read_model(model_path("posterior_knee_pain")))
        >>> vocabulary.likelihood("calf_pain", "present:0.75").tolist()
        [0.25, 0.75]
        """
        if not isinstance(value, Mapping):
            if not isinstance(value, str) or ":" not in value:
                return None
            pairs = [part.partition(":") for part in value.strip(" {}").replace(";", ",").split(",")]
            value = {state.strip(" '\""): number.strip() for state, _, number in pairs}
        if column not in self.model.variables:
            unit = self.model.inputs[column].unit
            raise CaseError(f"{column} is a number of {unit}: it can't be given by likelihoods")
        states = self.model.variables[column].states
        numbers: dict[int, float] = {}
        for state, said in value.items():
            word = str(state).strip().lower()
            number = number_of(str(said))
            if word not in self._codes[column]:
                hint = nearest(word, self._codes[column])
                raise CaseError(f"'{short(state)}' is not a state of {column}: give {', '.join(states)}.{hint}")
            if number is None or number < 0 or self._codes[column][word] in numbers:
                raise CaseError(f"'{short(said)}' is no likelihood for {column} {word}: give one number from 0 up each")
            numbers[self._codes[column][word]] = number
        left = 1.0 - sum(numbers.values())
        if len(numbers) < len(states) and left < 0:
            raise CaseError(f"the likelihoods for {column} add up to more than 1: name all of {', '.join(states)}")
        if not any(numbers.values()) and len(numbers) == len(states):
            raise CaseError(f"the likelihoods for {column} are all 0: one of its states must be possible")
        share = left / max(1, len(states) - len(numbers))
        return np.array([numbers.get(code, share) for code in range(len(states))])

    def words(self, evidence: Evidence) -> dict[str, str]:
        """Say what is known of one case, as values that `code` and `likelihood` read."""
        variables = self.model.variables.items()
        codes = zip(variables, evidence.codes[:, 0].tolist(), strict=True)
        words = {name: variable.states[code] for (name, variable), code in codes if code != UNKNOWN}
        names = list(self.model.variables)
        for answer in evidence.soft:
            name = names[answer.row]
            pairs = zip(self.model.variables[name].states, answer.given, strict=True)
            words[name] = ", ".join(f"{state}:{number:g}" for state, number in pairs)
        return words

    def _band(self, column: str, numeric: NumericInput, number: float, value: object) -> int:
        if not numeric.minimum <= number <= numeric.maximum:
            raise CaseError(
                f"{column} '{short(value)}' is outside {numeric.minimum:g} to {numeric.maximum:g} {numeric.unit}"
            )
        state = numeric.bands[0].state
        for band in numeric.bands[1:]:
            if (band.at_least is not None and number >= band.at_least) or (
                band.above is not None and number > band.above
            ):
                state = band.state
        return self._codes[numeric.variable][state]

    def is_below(self, value: object, numeric: NumericInput) -> bool:
        """Say whether a number calls for the warning of its column.

        Parameters
        ----------
        value : object
            A cell.
        numeric : NumericInput
            The column.

        Returns
        -------
        bool
            True from the minimum up to ``warn_below``.
        """
        number = number_of(str(value).strip())
        return number is not None and numeric.warn_below is not None and numeric.minimum <= number < numeric.warn_below


def check_columns(
    model: ModelSpec, names: Iterable[str], *, keep: Iterable[str] = (), ignore: Iterable[str] = ()
) -> None:
    """Refuse columns that nobody can account for.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    names : iterable of str
        The columns that came.
    keep, ignore : iterable of str
        Columns that the caller passes through, or leaves out, by name.

    Raises
    ------
    UnknownColumnError
        If a column is neither evidence nor accounted for, or a column to keep
        is not there.
    """
    names = [str(name) for name in names]
    known = [*model.inputs, *model.variables, *NOT_EVIDENCE]
    excused = {*keep, *ignore}
    unknown = [n for n in names if n not in known and n not in excused and not n.startswith(NOT_EVIDENCE_PREFIX)]
    if unknown:
        hints = [nearest(name, known) for name in unknown[:5]]
        said = "; ".join(
            f"'{short(name)}'{'.' + hint if hint else ''}" for name, hint in zip(unknown, hints, strict=False)
        )
        more = f" (and {len(unknown) - 5} more)" if len(unknown) > 5 else ""
        stop = "" if f"{said}{more}".endswith("?") else "."
        raise UnknownColumnError(
            f"unknown column {said}{more}{stop} The columns of {model.name} are listed by 'kneebayes model'; "
            "keep or ignore others by name (--keep, --ignore)."
        )
    absent = [name for name in keep if name not in names]
    if absent:
        raise UnknownColumnError(f"no column '{short(absent[0])}' to keep.{nearest(absent[0], names)}")


def _words(states: tuple[str, ...]) -> dict[str, int]:
    words = {state: code for code, state in enumerate(states)}
    return {**SYNONYMS, **words} if states == ABSENT_PRESENT else words


def number_of(word: str) -> float | None:
    """Read a finite number.

    Parameters
    ----------
    word : str
        Text.

    Returns
    -------
    float or None
        None where it is not one.
    """
    if "_" in word or not word.isascii():  # float() reads 6_7 as 67
        return None
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def short(value: object, most: int = 60) -> str:
    """Cut a value to a length that fits a message.

    Parameters
    ----------
    value : object
        What was received.
    most : int, default 60
        Characters.

    Returns
    -------
    str
        Its text, with an ellipsis where it was cut.
    """
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


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
    evidence : Evidence
        As inference wants it; of a refused row nothing is known.
    problems : list of Problem
        At least one for each refused row.
    warnings : dict of str to int
        What to tell the user, and of how many rows.
    """

    evidence: Evidence
    problems: list[Problem]
    warnings: dict[str, int] = field(default_factory=dict)


class Coder(Vocabulary):
    """Turns cases into codes for one model.

    Parameters
    ----------
    model : ModelSpec
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
        codes = Evidence.empty(len(self.rows), n).codes
        problems: list[Problem] = []
        warnings: dict[str, int] = {}
        soft: list[SoftEvidence] = []
        complaint = self.rows[self.model.complaint]
        codes[complaint] = 1
        filled: dict[int, str] = {}
        for column in self.columns:
            if column not in factors:
                continue
            factor, numeric = factors[column], self.model.inputs.get(column)
            row = self.rows[numeric.variable if numeric else column]
            new = self._column(column, factor, problems, soft)
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
                for answer in soft:
                    if answer.row == complaint:
                        assumed[answer.cases] = False
                new = np.where(assumed, np.int8(1), new)
            codes[row] = new
            filled[row] = column
        refused = np.unique([problem.row for problem in problems]).astype(np.intp)
        codes[:, refused] = UNKNOWN
        problems.sort(key=lambda problem: problem.row)
        return Coded(Evidence(codes, tuple(soft)), problems, warnings)

    def _column(
        self, column: str, factor: Factor, problems: list[Problem], soft: list[SoftEvidence]
    ) -> NDArray[np.int8]:
        """Code the distinct values of a column, then look each row's up."""
        lookup = np.full(len(factor.values) + 1, UNKNOWN, dtype=np.int8)
        reasons: dict[int, str] = {}
        for i, value in enumerate(factor.values):
            try:
                likelihood = self.likelihood(column, value)
                if likelihood is None:
                    lookup[i] = self.code(column, value)
                else:
                    soft.append(SoftEvidence(self.rows[column], np.flatnonzero(factor.index == i), likelihood))
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
