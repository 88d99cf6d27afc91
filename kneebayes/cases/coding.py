"""What is known of cases: names, values and bands become codes.

A cell that is empty is unknown, never absent. A value that is not allowed
costs its own row, with a reason that says what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kneebayes.cases.problems import Kind, Problem, Refusal, Why, short, why
from kneebayes.errors import CaseError, UnknownColumnError, nearest
from kneebayes.inference.evidence import UNKNOWN, Evidence, SoftEvidence
from kneebayes.spec.model_spec import ABSENT_PRESENT, ModelSpec, NumericInput

__all__ = [
    "CASE_ID",
    "NOT_EVIDENCE",
    "NOT_EVIDENCE_PREFIX",
    "Coded",
    "Coder",
    "EncodedColumn",
    "check_columns",
    "number_of",
    "refused_rows",
]

CASE_ID = "case_id"
NOT_EVIDENCE = (CASE_ID, "label", "also")
NOT_EVIDENCE_PREFIX = "true_"
UNKNOWN_WORDS = frozenset({"", "<na>", "na", "n/a", "nan", "nat", "null", "unknown"})
SYNONYMS = {"no": 0, "false": 0, "0": 0, "0.0": 0, "yes": 1, "true": 1, "1": 1, "1.0": 1}
ZERO_OR_ONE = re.compile(r"-?0(\.0+)?|1(\.0+)?")  # as columns of floats and decimals write them
CLOCK = re.compile(r"\d:\d\d:\d\d")  # its colons are no likelihoods'


@dataclass(frozen=True, eq=False)
class EncodedColumn:
    """A column of a table: its distinct values, of any type, and an index into them, (n,), negative where empty."""

    index: NDArray[np.integer]
    values: Sequence[object]


@dataclass(frozen=True, eq=False)
class Coded:
    """A table of cases as evidence, with at least one problem for each row that is refused: nothing is known of it.

    The warnings say what to tell the user, and of how many rows.
    """

    evidence: Evidence
    problems: list[Problem]
    warnings: dict[str, int] = field(default_factory=dict)


class Coder:
    """What the columns of one model are called, what may stand in them, and which codes it means."""

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self.rows = {name: row for row, name in enumerate(model.variables)}
        self.columns = tuple(dict.fromkeys([*model.numeric_inputs, *model.variables]))  # all that is evidence
        self._codes = {name: _words(variable.states) for name, variable in model.variables.items()}

    def code(self, column: str, value: object) -> int:
        """Code one value (a state, a synonym, a bool, a number, nothing) of a variable or a numeric input.

        >>> from kneebayes.spec.yaml_io import model_path, read_model
        >>> coder = Coder(read_model(model_path("posterior_knee_pain")))
        >>> [coder.code("calf_pain", v) for v in ("Yes", False, 1.0, "absent", None)]
        [1, 0, 1, 0, -1]
        >>> coder.code("age", 67) == coder.code("age", "sixties")
        True
        """
        word = "" if value is None else str(value).strip().lower()
        if word in UNKNOWN_WORDS:
            return UNKNOWN
        numeric = self.model.numeric_inputs.get(column)
        words = {} if numeric and numeric.variable != column else self._codes[column]
        if numeric and not isinstance(value, (bool, np.bool_)) and (number := number_of(word)) is not None:
            return self._band(column, numeric, number, value)
        if word in words:
            return words[word]
        if not numeric and ZERO_OR_ONE.fullmatch(word) and self.model.variables[column].states == ABSENT_PRESENT:
            return int(word[0] == "1")
        raise Refusal(
            Kind.VALUE,
            value=short(value),
            column=column,
            allowed=self.allowed(column),
            hint=nearest(word, self._codes.get(column, ())),
        )

    def allowed(self, column: str) -> str:
        """Say what may stand in a column."""
        numeric = self.model.numeric_inputs.get(column)
        if numeric:
            return f"a number of {numeric.unit} from {numeric.minimum:g} to {numeric.maximum:g}"
        states = self.model.variables[column].states
        return "one of " + ", ".join(states) + (" (or yes/no, true/false, 1/0)" if states == ABSENT_PRESENT else "")

    def likelihood(self, column: str, value: object) -> NDArray[np.float64] | None:
        """Read an unsure answer: P(what was said | state), (states,), up to a factor; None for an ordinary value.

        It is a mapping of states to likelihoods, or text such as ``present:0.8, absent:0.1``. States that are not
        named share what is left to 1.

        >>> from kneebayes.spec.yaml_io import model_path, read_model
        >>> coder = Coder(read_model(model_path("posterior_knee_pain")))
        >>> coder.likelihood("calf_pain", "present:0.75").tolist()
        [0.25, 0.75]
        """
        if not isinstance(value, Mapping):
            if not isinstance(value, str) or ":" not in value or CLOCK.search(value):
                return None
            pairs = [part.partition(":") for part in value.strip(" {}").replace(";", ",").split(",")]
            value = {state.strip(" '\""): number.strip() for state, _, number in pairs}
        facts = {"column": column, "allowed": self.allowed(column)}
        if column not in self.model.variables:
            raise Refusal(Kind.SOFT_NUMBER, unit=self.model.numeric_inputs[column].unit, **facts)
        words, states = self._codes[column], self.model.variables[column].states
        facts["states"] = ", ".join(states)
        numbers: dict[int, float] = {}
        for state, said in value.items():
            word = str(state).strip().lower()
            number = number_of(str(said))
            if word not in words:
                raise Refusal(Kind.SOFT_STATE, value=short(state), hint=nearest(word, words), **facts)
            if number is None or number < 0 or words[word] in numbers:
                raise Refusal(Kind.LIKELIHOOD, value=short(said), state=word, **facts)
            numbers[words[word]] = number
        left = 1.0 - sum(numbers.values())
        if len(numbers) < len(states) and left < 0:
            raise Refusal(Kind.LIKELIHOODS_OVER_1, **facts)
        if not any(numbers.values()) and len(numbers) == len(states):
            raise Refusal(Kind.LIKELIHOODS_0, **facts)
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
            limits = f"{numeric.minimum:g} to {numeric.maximum:g} {numeric.unit}"
            raise Refusal(Kind.OUTSIDE, column=column, value=short(value), limits=limits, allowed=self.allowed(column))
        state = numeric.bands[0].state
        for band in numeric.bands[1:]:
            if (band.at_least is not None and number >= band.at_least) or (
                band.above is not None and number > band.above
            ):
                state = band.state
        return self._codes[numeric.variable][state]

    def case(self, case: Mapping[str, object]) -> Coded:
        """Code one case, values by column name, as a table of one row without problems; those are raised."""
        case = dict(case)  # a row of a frame will do
        check_columns(self.model, case)
        columns = {name: EncodedColumn(np.zeros(1, dtype=np.int64), [value]) for name, value in case.items()}
        coded = self.batch(columns, 1)
        if coded.problems:
            raise CaseError(" ".join(problem.reason for problem in coded.problems))
        return coded

    def batch(self, columns: Mapping[str, EncodedColumn], n: int) -> Coded:
        """Code a table of n rows by its columns; those that are not evidence are passed over."""
        codes = Evidence.empty(len(self.rows), n).codes
        problems: list[Problem] = []
        warnings: dict[str, int] = {}
        soft: list[SoftEvidence] = []
        complaint = self.rows[self.model.complaint]
        codes[complaint] = 1
        filled: dict[int, str] = {}
        for name in self.columns:
            if name not in columns:
                continue
            column, numeric = columns[name], self.model.numeric_inputs.get(name)
            row = self.rows[numeric.variable if numeric else name]
            new = self._column(name, column, problems, soft)
            if numeric and numeric.warn_below is not None:
                low = [i for i, value in enumerate(column.values) if _is_below(value, numeric)]
                count = int(np.isin(column.index, low).sum()) if low else 0
                if count:
                    warnings[numeric.warning] = warnings.get(numeric.warning, 0) + count
            if row in filled:
                self._agree(filled[row], name, codes[row], new, column, problems)
                new = np.where(new == UNKNOWN, codes[row], new)
            elif row == complaint:
                # It is what people come with: only who says so does not know whether it is there.
                unknown_said = [i for i, v in enumerate(column.values) if str(v).strip().lower() == "unknown"]
                assumed = (new == UNKNOWN) & ~np.isin(column.index, unknown_said)
                for answer in soft:
                    if answer.row == complaint:
                        assumed[answer.cases] = False
                new = np.where(assumed, np.int8(1), new)
            codes[row] = new
            filled[row] = name
        refused = np.unique([problem.row for problem in problems]).astype(np.intp)
        codes[:, refused] = UNKNOWN
        problems.sort(key=lambda problem: problem.row)
        return Coded(Evidence(codes, tuple(soft)), problems, warnings)

    def _column(
        self, name: str, column: EncodedColumn, problems: list[Problem], soft: list[SoftEvidence]
    ) -> NDArray[np.int8]:
        """Code the distinct values of a column, then look each row's up: int8, (n,)."""
        lookup = np.full(len(column.values) + 1, UNKNOWN, dtype=np.int8)  # the last place is that of an empty cell, -1
        refused: dict[int, Why] = {}
        for i, value in enumerate(column.values):
            try:
                likelihood = self.likelihood(name, value)
                if likelihood is None:
                    lookup[i] = self.code(name, value)
                else:
                    soft.append(SoftEvidence(self.rows[name], np.flatnonzero(column.index == i), likelihood))
            except Refusal as refusal:
                refused[i] = refusal.why
        codes: NDArray[np.int8] = lookup[column.index]
        problems += refused_rows(name, column, refused)
        return codes

    def _agree(
        self,
        first: str,
        second: str,
        old: NDArray[np.int8],
        new: NDArray[np.int8],
        column: EncodedColumn,
        problems: list[Problem],
    ) -> None:
        """Two columns that set one variable may not contradict each other."""
        states = self.model.variables[self.model.numeric_inputs[first].variable].states
        for row in np.flatnonzero((old >= 0) & (new >= 0) & (old != new)).tolist():
            value = short(column.values[int(column.index[row])])
            reason = why(Kind.CONTRADICTION, column=second, value=value, other=first, state=states[old[row]])
            problems.append(Problem(row, second, value, reason))


def check_columns(
    model: ModelSpec, names: Iterable[object], *, keep: Iterable[object] = (), ignore: Iterable[object] = ()
) -> None:
    """Refuse columns that are neither evidence nor kept or ignored by name, and a column to keep that is not there."""
    came, kept = [str(name) for name in names], [str(name) for name in keep]
    known = [*model.numeric_inputs, *model.variables, *NOT_EVIDENCE]
    excused = {*kept, *map(str, ignore)}
    unknown = [n for n in came if n not in known and n not in excused and not n.startswith(NOT_EVIDENCE_PREFIX)]
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
    absent = [name for name in kept if name not in came]
    if absent:
        raise UnknownColumnError(f"no column '{short(absent[0])}' to keep.{nearest(absent[0], came)}")


def number_of(word: str) -> float | None:
    """Read a finite number; None where the text is not one."""
    if "_" in word or not word.isascii():  # float() reads 6_7 as 67
        return None
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def refused_rows(name: str, column: EncodedColumn, refused: Mapping[int, Why]) -> list[Problem]:
    """List a problem for each row of a refused value, which is given by its place among the distinct ones."""
    rows = np.flatnonzero(np.isin(column.index, list(refused))).tolist() if refused else []
    places = column.index[rows].tolist()
    return [Problem(row, name, short(column.values[i]), refused[i]) for row, i in zip(rows, places, strict=True)]


def _words(states: tuple[str, ...]) -> dict[str, int]:
    words = {state: code for code, state in enumerate(states)}
    return {**SYNONYMS, **words} if states == ABSENT_PRESENT else words


def _is_below(value: object, numeric: NumericInput) -> bool:
    """Say whether a cell calls for the warning of its column: from the minimum up to ``warn_below``."""
    number = number_of(str(value).strip())
    return number is not None and numeric.warn_below is not None and numeric.minimum <= number < numeric.warn_below
