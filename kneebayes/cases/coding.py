"""What is known of cases: names, values and bands become codes.

A cell that is empty is unknown, never absent. A value that is not allowed
costs its own row, with a reason that says what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from typing import NoReturn, TypeVar
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from kneebayes.cases.problems import Kind, Problem, Refusal, Why, cell_text, refused_rows, short, why
from kneebayes.errors import CaseError, UnknownColumnError, misspelt, nearest
from kneebayes.inference.evidence import UNKNOWN, Evidence, SoftEvidence
from kneebayes.spec.model_spec import ABSENT_PRESENT, NOT_EVIDENCE_PREFIX, UNKNOWN_WORDS, ModelSpec, NumericInput

Names = Iterable[object]
Problems = list[Problem]  # that whoever reads cells adds to
Read = TypeVar("Read")
CASE_ID = "case_id"
NOT_EVIDENCE = (CASE_ID, "label", "also")
SYNONYMS = {"no": 0, "n": 0, "false": 0, "0": 0, "0.0": 0, "yes": 1, "y": 1, "true": 1, "1": 1, "1.0": 1}
INITIALS = {"f": "female", "m": "male"}  # where both are states
MAX_CODE = 3  # letters: what is so short is a code, and may be one for missing: it is no misspelt answer
MARKS = frozenset("*?[")  # of a pattern
MAX_NAMED = 40  # columns in one message
ZERO_OR_ONE = re.compile(r"-?0(\.0+)?|1(\.0+)?")  # as columns of floats and decimals write them
DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
CLOCK = re.compile(r"\d:\d\d:\d\d")  # its colons are no likelihoods'


@dataclass(frozen=True, eq=False)
class EncodedColumn:
    """A column of a table: its distinct values, of any type, and an index into them, (n,), negative where empty."""

    index: NDArray[np.integer]
    values: Sequence[object]

    def spread(self, numbers: Iterable[int | None]) -> NDArray[np.int64]:
        """Give each row the number of its distinct value, (n,): -1 where the value has none, or the cell is empty."""
        lookup = np.array([*(-1 if number is None else number for number in numbers), -1], dtype=np.int64)
        return np.asarray(lookup[np.maximum(self.index, -1)])

    def replaced(self, texts: Iterable[str | None]) -> EncodedColumn:
        """Put a text in the place of each distinct value, or nothing; the same text of several is one value."""
        texts = list(texts)
        places = {text: place for place, text in enumerate(dict.fromkeys(filter(None, texts)))}
        return EncodedColumn(self.spread(places.get(text or "") for text in texts), list(places))


@dataclass(frozen=True, eq=False)
class Coded:
    """A table of cases as evidence, with at least one problem for each row that is refused: nothing is known of it.

    ``refused``, bool, (n,), says which rows those are. The warnings say what to tell the user, and of how many rows.
    """

    evidence: Evidence
    problems: Problems
    refused: NDArray[np.bool_]
    warnings: dict[str, int]


class Coder:
    """What the columns of one model are called, what may stand in them, and which codes it means."""

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self.rows = {name: row for row, name in enumerate(model.variables)}
        self.columns = model.columns
        self._words = {name: _words(asked.states, asked.is_yes_no) for name, asked in model.askable.items()}
        self._codes = {name: list(range(len(variable.states))) for name, variable in model.variables.items()}
        for name, column in model.answer_inputs.items():
            self._codes[name] = [model.events[column.variable].index(frozenset(a)) for a in column.answers.values()]

    def code(self, column: str, value: object) -> int:
        """Code one value (a state, a synonym, a bool, a number, nothing) of a variable or a numeric input."""
        word = "" if value is None else _word(value)
        if word in UNKNOWN_WORDS:
            return UNKNOWN
        numeric, words = self.model.numeric_inputs.get(column), self._words.get(column, {})
        if numeric and not isinstance(value, (bool, np.bool_)) and (number := number_of(word)) is not None:
            return self._band(column, numeric, number, value)
        if not numeric and ZERO_OR_ONE.fullmatch(word):
            word = "1" if word[0] == "1" else "0"
        if word in words:
            return self._codes[column][words[word]]
        hint = misspelt(word, words) if len(word) > MAX_CODE else ""
        if numeric and DECIMAL_COMMA.fullmatch(word):
            hint = " Is it a decimal comma? (--decimal ,)"
        raise Refusal(Kind.VALUE, value=short(value), column=column, allowed=self.allowed(column), hint=hint)

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a person calls each column."""
        nodes = {**self.model.variables, **self.model.inputs}
        return {name: nodes[name].label for name in self.columns}

    def is_yes_no(self, column: str) -> bool:
        """Say whether absent and present may stand in a column."""
        return column in self.model.askable and self.model.askable[column].is_yes_no

    def allowed(self, column: str) -> str:
        """Say what may stand in a column."""
        numeric = self.model.numeric_inputs.get(column)
        if numeric:
            return f"a number of {numeric.unit} from {numeric.minimum:g} to {numeric.maximum:g}"
        asked = self.model.askable[column]
        if asked.is_yes_no:
            return f"one of {', '.join(asked.states)} (or yes/no, true/false, 1/0)"
        words = {state: asked.say(state) for state in asked.states}
        told = (state if said == state.replace("_", " ") else f"{state} ({said})" for state, said in words.items())
        return f"one of {', '.join(told)}"

    def likelihood(self, column: str, value: object) -> NDArray[np.float64] | None:
        """Read an unsure answer: P(what was said | state), (states,), up to a factor; None for an ordinary value.

        It is a mapping of states to likelihoods, or text such as ``present:0.8, absent:0.1``. States that are not
        named share what is left to 1. Of a column that says part of a variable it names answers, and a state has the
        likelihood of the answers that leave it possible.
        """
        said_of: list[tuple[object, object]]
        if isinstance(value, Mapping):
            said_of = list(value.items())
        elif isinstance(value, str) and ":" in value and not CLOCK.search(value):
            parts = [part.partition(":") for part in value.strip(" {}").replace(";", ",").split(",")]
            said_of = [(state.strip(" '\""), number.strip()) for state, _, number in parts]
        else:
            return None
        facts = {"column": column, "allowed": self.allowed(column)}
        if column not in self._words:
            raise Refusal(Kind.SOFT_NUMBER, unit=self.model.numeric_inputs[column].unit, **facts)
        words, states = self._words[column], self.model.askable[column].states
        facts["states"] = ", ".join(states)
        if not said_of:
            raise Refusal(Kind.NO_LIKELIHOOD, **facts)
        numbers: dict[int, float] = {}
        for state, said in said_of:
            word = str(state).strip().lower()
            number = number_of(cell_text(said))
            if word not in words:
                raise Refusal(Kind.SOFT_STATE, value=short(state), hint=misspelt(word, words), **facts)
            if number is None or number < 0 or words[word] in numbers:
                raise Refusal(Kind.LIKELIHOOD, value=short(said), state=word, **facts)
            numbers[words[word]] = number
        left = 1.0 - sum(numbers.values())
        if len(numbers) < len(states) and left < 0:
            raise Refusal(Kind.LIKELIHOODS_OVER_1, **facts)
        if not any(numbers.values()) and len(numbers) == len(states):
            raise Refusal(Kind.LIKELIHOODS_0, **facts)
        share = left / max(1, len(states) - len(numbers))
        given = np.array([numbers.get(code, share) for code in range(len(states))])
        return given @ _leaves(self.model, column) if column in self.model.answer_inputs else given

    def words(self, evidence: Evidence) -> dict[str, str]:
        """Say what is known of one case, as values that `code` and `likelihood` read."""
        words: dict[str, str] = {}
        for name, code in zip(self.model.variables, evidence.codes[:, 0].tolist(), strict=True):
            words |= self.model.said(name, code) if code != UNKNOWN else {}
        names = list(self.model.variables)
        for answer in evidence.soft:
            column, given = by_answer(self.model, names[answer.row], answer.given)
            pairs = zip(self.model.askable[column].states, given.tolist(), strict=True)
            words[column] = ", ".join(f"{state}:{number:g}" for state, number in pairs)
        return words

    def amounts(self, case: Mapping[str, object]) -> dict[str, str]:
        """Say what a case gives as a number, by variable, with its unit, such as ``67 years``."""
        given = {c: number_of(str(case[c]).strip()) for c in self.model.numeric_inputs if c in case}
        inputs = {c: self.model.numeric_inputs[c] for c, number in given.items() if number is not None}
        return {numeric.variable: f"{given[c]:g} {numeric.unit}" for c, numeric in inputs.items()}

    def _band(self, column: str, numeric: NumericInput, number: float, value: object) -> int:
        if not numeric.minimum <= number <= numeric.maximum:
            limits = f"{numeric.minimum:g} to {numeric.maximum:g} {numeric.unit}"
            raise Refusal(Kind.OUTSIDE, column=column, value=short(value), limits=limits, allowed=self.allowed(column))
        *_, state = (band.state for band in numeric.bands if band.is_reached(number))
        return self._words[numeric.variable][state]

    def case(self, case: Mapping[str, object]) -> Coded:
        """Code one case, values by column name, as a table of one row without problems; those are raised."""
        case = dict(case)  # a row of a frame will do
        check_columns(self.model, case, remedy=f"The columns of {self.model.name} are listed by 'kneebayes model'.")
        first = np.zeros(1, dtype=np.int64)
        columns = {name: EncodedColumn(first, [value]) for name, value in case.items()}
        coded = self.batch(columns, 1)
        if coded.problems:
            raise CaseError("; ".join(problem.reason for problem in coded.problems))
        return coded

    def is_empty(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Say of which cases nothing is known but the complaint, (n,)."""
        known = evidence.codes != UNKNOWN
        known[self.rows[self.model.complaint]] = False
        empty = ~known.any(axis=0)
        for answer in evidence.soft:
            empty[answer.cases] = False
        return np.asarray(empty)

    def batch(self, columns: Mapping[str, EncodedColumn], n: int) -> Coded:
        """Code a table of n rows by its columns; those that are not evidence are passed over."""
        rows = {name: self.rows[self.model.about(name)] for name in self.columns if name in columns}
        codes = Evidence.empty(len(self.rows), n).codes
        problems: Problems = []
        warnings: dict[str, int] = {}
        soft: list[SoftEvidence] = []
        complaint = self.rows[self.model.complaint]
        assumed = np.ones(n, dtype=bool)  # that the complaint is there
        filled: dict[int, dict[str, NDArray[np.int8]]] = {}
        for name, row in rows.items():
            column, numeric = columns[name], self.model.numeric_inputs.get(name)
            new, unsure = self._column(name, row, column, problems)
            soft += unsure
            if numeric and (limit := numeric.warn_below) is not None:
                numbers = [number_of(_word(value)) for value in column.values]
                low = [i for i, n in enumerate(numbers) if n is not None and numeric.minimum <= n < limit]
                if low and (count := int(np.isin(column.index, low).sum())):
                    warnings[numeric.warning] = warnings.get(numeric.warning, 0) + count
            if row == complaint:
                # It is what people come with: only who says so does not know whether it is there.
                unknown_said = [i for i, said in enumerate(column.values) if _word(said) == "unknown"]
                assumed &= ~np.isin(column.index, unknown_said)
                for answer in unsure:
                    assumed[answer.cases] = False
            before = filled.setdefault(row, {})
            codes[row] = self._agree(before, name, codes[row], new, column, problems) if before else new
            before[name] = new
        codes[complaint, assumed & (codes[complaint] == UNKNOWN)] = 1
        for row, spoken in filled.items():
            own = [answer for answer in soft if answer.row == row]
            if own and len(spoken) > 1:
                together = self._pool(row, list(spoken), own, codes[row], problems)
                soft = [answer for answer in soft if answer.row != row] + together
        refused = np.zeros(n, dtype=bool)
        if problems:
            refused = refused_rows(problems, n)
            codes[:, refused] = UNKNOWN
            problems.sort(key=lambda problem: problem.row)
        return Coded(Evidence(codes, tuple(soft)), problems, refused, warnings)

    def _column(
        self, name: str, row: int, column: EncodedColumn, problems: Problems
    ) -> tuple[NDArray[np.int8], list[SoftEvidence]]:
        """Code a column about the variable of a row, int8, (n,), but for its unsure answers, which stand beside."""
        soft = []

        def read(value: object) -> int | NDArray[np.float64]:
            likelihood = self.likelihood(name, value)
            return self.code(name, value) if likelihood is None else likelihood

        lookup = [UNKNOWN] * (len(column.values) + 1)  # the last place is that of an empty cell, -1
        for i, found in enumerate(read_distinct(name, column, read, problems)):
            if isinstance(found, np.ndarray):
                soft.append(self._soft(row, np.flatnonzero(column.index == i), found))
            elif found is not None:
                lookup[i] = found
        return np.array(lookup, dtype=np.int8)[column.index], soft

    def _soft(self, row: int, cases: NDArray[np.integer], likelihood: NDArray[np.float64]) -> SoftEvidence:
        """Make an unsure answer that favours the set of states that tie, where columns can say that."""
        name = list(self.rows)[row]
        states, events = self.model.variables[name].states, self.model.events[name]
        best = frozenset(s for s, one in zip(states, likelihood, strict=True) if one == likelihood.max())
        return SoftEvidence(row, cases, likelihood, events.index(best) if best in events else UNKNOWN)

    def _agree(
        self,
        before: Mapping[str, NDArray[np.int8]],
        name: str,
        old: NDArray[np.int8],
        new: NDArray[np.int8],
        column: EncodedColumn,
        problems: Problems,
    ) -> NDArray[np.int8]:
        """Codes of what a column leaves of what those before it leave of a variable: it may not be nothing."""
        variable = self.model.about(name)
        events = self.model.events[variable]
        # the last place is that of UNKNOWN, -1
        both = np.full((len(events) + 1,) * 2, UNKNOWN, dtype=np.int8)
        both[:-1, -1] = both[-1, :-1] = np.arange(len(events))
        for i, (j, event) in product(range(len(events)), enumerate(events)):
            left = self.model.narrowed(variable, i, event)
            both[i, j] = UNKNOWN if left is None else left
        found: NDArray[np.int8] = both[old, new]
        for row in np.flatnonzero((old != UNKNOWN) & (new != UNKNOWN) & (found == UNKNOWN)).tolist():
            value = short(column.values[int(column.index[row])])
            against = [n for n, own in before.items() if both[own[row], new[row]] == UNKNOWN and own[row] != UNKNOWN]
            against = against or [n for n, own in before.items() if own[row] != UNKNOWN]
            said = " or ".join(s for s in self.model.variables[variable].states if s in events[old[row]])
            facts = {"column": name, "value": value, "other": " and ".join(against), "variable": variable}
            problems.append(Problem(row, name, value, why(Kind.CONTRADICTION, **facts, state=said)))
        return found

    def _pool(
        self, row: int, names: list[str], soft: list[SoftEvidence], codes: NDArray[np.int8], problems: Problems
    ) -> list[SoftEvidence]:
        """Multiply the unsure answers to columns about one variable by each other, and by what the others leave.

        A case of which one state is left is known for sure.
        """
        variable = list(self.rows)[row]
        states, events = self.model.variables[variable].states, self.model.events[variable]
        leaves = np.array([*([float(s in event) for s in states] for event in events), np.ones(len(states))])
        cases = np.unique(np.concatenate([answer.cases for answer in soft]))
        chance = leaves[codes[cases]]
        for answer in soft:
            chance[np.searchsorted(cases, answer.cases)] *= answer.likelihood
        possible = (chance > 0).sum(axis=1)
        for case in cases[possible == 0].tolist():
            problems.append(Problem(case, "+".join(names), "", why(Kind.SOFT_CONTRADICTION, names=" and ".join(names))))
        codes[cases] = np.where(possible == 1, chance.argmax(axis=1), UNKNOWN)
        distinct, which = np.unique(chance, axis=0, return_inverse=True)
        own = [(np.flatnonzero((which.ravel() == i) & (possible > 1)), one) for i, one in enumerate(distinct)]
        return [self._soft(row, cases[places], one) for places, one in own if len(places)]


def by_answer(model: ModelSpec, variable: str, given: NDArray[np.float64]) -> tuple[str, NDArray[np.float64]]:
    """Find a column that says likelihoods of a variable's states, (states,), and those of its answers.

    It is the variable itself if no answers tell these states apart.
    """
    for name, column in model.answer_inputs.items():
        if column.variable == variable:
            leaves = _leaves(model, name)
            of_answers = (leaves * given).max(axis=1)
            if (of_answers @ leaves == given).all():
                return name, of_answers
    return variable, given


def _leaves(model: ModelSpec, column: str) -> NDArray[np.float64]:
    """Tell by 1 and 0 which states, (answers, states), each answer to a column leaves possible."""
    own = model.answer_inputs[column]
    states = model.variables[own.variable].states
    return np.array([[float(state in left) for state in states] for left in own.answers.values()])


def check_columns(model: ModelSpec, names: Names, *, keep: Names = (), ignore: Names = (), remedy: str = "") -> None:
    """Refuse columns that are neither evidence nor kept or ignored by name, and a column to keep that is not there."""
    came, kept = dict.fromkeys(map(str, names)), dict.fromkeys(map(str, keep))
    known = {*known_columns(model), *kept}
    left = (name for name in unnamed(came, map(str, ignore)) if name not in known)
    if unknown := [name for name in left if not name.startswith(NOT_EVIDENCE_PREFIX)]:
        refuse_unknown(model, unknown, remedy)
    if absent := [name for name in kept if name not in came]:
        raise UnknownColumnError(f"no column '{short(absent[0])}' to keep.{nearest(absent[0], came)}")


def known_columns(model: ModelSpec) -> list[str]:
    """Name the columns that a table may have, but for ``true_<cause>``."""
    return [*model.columns, *NOT_EVIDENCE]


def unnamed(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """List the columns that are not among those named, some of them by a pattern such as ``redcap_*``."""
    exactly = frozenset(patterns)  # a table may have 20,000 columns
    wild = [pattern for pattern in exactly if not MARKS.isdisjoint(pattern)]
    return [name for name in names if name not in exactly and not any(fnmatchcase(name, p) for p in wild)]


def refuse_unknown(model: ModelSpec, unknown: Sequence[str], remedy: str = "") -> NoReturn:
    """Refuse columns of which nothing is said: all of them, by name."""
    known = known_columns(model)
    hints = [misspelt(name, known) for name in unknown[:MAX_NAMED]]
    said = "; ".join(f"'{short(name)}'{'.' + hint if hint else ''}" for name, hint in zip(unknown, hints, strict=False))
    more = f" (and {len(unknown) - MAX_NAMED} more)" if len(unknown) > MAX_NAMED else ""
    stop = "" if f"{said}{more}".endswith("?") else "."
    remedy = remedy or (
        f"The columns of {model.name} are listed by 'kneebayes model'; keep or ignore others by name or pattern "
        "(keep=, ignore=; in a shell --keep, --ignore, or --ignore-others for all); `kneebayes map`, or "
        "model.draft_mapping, drafts a mapping of your own names."
    )
    raise UnknownColumnError(f"unknown column{'s' if len(unknown) > 1 else ''} {said}{more}{stop} {remedy}")


def warn_of_idle(names: Iterable[str], patterns: Iterable[str]) -> None:
    """Warn of what is to be left out and is not there: a mistyped name leaves in what was meant."""
    names = frozenset(names)
    idle = [p for p in patterns if p not in names and (MARKS.isdisjoint(p) or len(unnamed(names, [p])) == len(names))]
    if idle:
        warn(f"ignore: there is no column {listed(idle)}", stacklevel=3)


def listed(names: Iterable[str]) -> str:
    """Name columns in a message: all of them, up to a limit."""
    names = list(names)
    more = f" (and {len(names) - MAX_NAMED} more)" if len(names) > MAX_NAMED else ""
    return ", ".join(f"'{short(name)}'" for name in names[:MAX_NAMED]) + more


def number_of(word: str) -> float | None:
    """Read a finite number; None where the text is not one."""
    if "_" in word or not word.isascii():  # float() reads 6_7 as 67
        return None
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def read_distinct(
    name: str, column: EncodedColumn, read: Callable[[object], Read], problems: Problems
) -> list[Read | None]:
    """Read each distinct value of a column; one that is refused is None, and a problem of each of its rows."""
    found: list[Read | None] = []
    refused: dict[int, Why] = {}
    for i, value in enumerate(column.values):
        try:
            found.append(read(value))
        except Refusal as refusal:
            refused[i] = refusal.why
            found.append(None)
    problems += row_problems(name, column, refused)
    return found


def row_problems(name: str, column: EncodedColumn, refused: Mapping[int, Why]) -> list[Problem]:
    """List a problem for each row of a refused value, which is given by its place among the distinct ones."""
    if not refused:
        return []
    rows = np.flatnonzero(np.isin(column.index, list(refused))).tolist()
    places = column.index[rows].tolist()
    return [Problem(row, name, short(column.values[i]), refused[i]) for row, i in zip(rows, places, strict=True)]


def _words(states: tuple[str, ...], is_yes_no: bool) -> dict[str, int]:
    words = {state: place for place, state in enumerate(states)}
    if is_yes_no:
        return {**{word: words[ABSENT_PRESENT[i]] for word, i in SYNONYMS.items()}, **words}
    return {letter: words[state] for letter, state in INITIALS.items() if {*INITIALS.values()} == {*states}} | words


def _word(value: object) -> str:
    """Write a value as words are compared."""
    return (value if type(value) is str else cell_text(value)).strip().lower()  # what is text already is its own
