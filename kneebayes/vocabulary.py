"""The words that cases are written in: columns, values, synonyms and bands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError, UnknownColumnError, nearest
from kneebayes.inference import UNKNOWN
from kneebayes.model import ModelFile
from kneebayes.variables import NumericInput

__all__ = ["CASE_ID", "NOT_EVIDENCE_PREFIX", "Vocabulary", "check_columns", "short"]

CASE_ID = "case_id"
NOT_EVIDENCE = (CASE_ID, "label", "also")
NOT_EVIDENCE_PREFIX = "true_"
UNKNOWN_WORDS = frozenset({"", "<na>", "na", "n/a", "nan", "nat", "null", "unknown"})
ABSENT_PRESENT = ("absent", "present")
SYNONYMS = {"no": 0, "false": 0, "0": 0, "0.0": 0, "yes": 1, "true": 1, "1": 1, "1.0": 1}


class Vocabulary:
    """What the columns of one model are called and what may stand in them.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    """

    def __init__(self, model: ModelFile) -> None:
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
        >>> from kneebayes.modelfile import model_path, read_model
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
        >>> from kneebayes.modelfile import model_path, read_model
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

    def text(self, variable: str, likelihood: Iterable[float]) -> str:
        """Write an unsure answer as text that `likelihood` reads.

        Parameters
        ----------
        variable : str
            A variable.
        likelihood : iterable of float
            By state.

        Returns
        -------
        str
            Such as ``absent:0.2, present:0.8``.
        """
        states = self.model.variables[variable].states
        return ", ".join(f"{state}:{number:g}" for state, number in zip(states, likelihood, strict=True))

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
    model: ModelFile, names: Iterable[str], *, keep: Iterable[str] = (), ignore: Iterable[str] = ()
) -> None:
    """Refuse columns that nobody can account for.

    Parameters
    ----------
    model : ModelFile
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
