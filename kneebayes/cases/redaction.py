"""What may be said of rows that are not scored, without what they hold: places, and what is allowed there."""

from __future__ import annotations

from collections.abc import Collection

from kneebayes.cases.coding import NOT_EVIDENCE, NOT_EVIDENCE_PREFIX, Vocabulary
from kneebayes.errors import FileFormatError, nearest
from kneebayes.spec.model_spec import ModelSpec

__all__ = [
    "Redactor",
    "refuse_headless",
]

IMPOSSIBLE = "impossible by the model"


class Redactor:
    """Says why a row is not scored from the model's words alone, so that nothing of the row can get in.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.

    Examples
    --------
    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> redactor = Redactor(read_model(model_path("posterior_knee_pain")))
    >>> redactor.reason("age", "age '200' is outside 0 to 120 years")
    'not allowed: give a number of years from 0 to 110, or nothing if unknown'
    """

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self._vocabulary = Vocabulary(model)

    def reason(self, column: str, reason: str) -> str:
        """Say a reason anew.

        Parameters
        ----------
        column : str
            Where the problem is; several names are joined by ``+``, and
            nothing stands for the whole row.
        reason : str
            The reason that names the value; it only tells which kind it is of.

        Returns
        -------
        str
            What is allowed in the column, or which columns don't go together.
        """
        if not column:
            return reason  # of no cell, so it quotes none
        if reason.startswith(IMPOSSIBLE):
            names = column.split("+")
            if len(names) == 1:
                return f"{IMPOSSIBLE}: the value of {column}; mend it"
            return f"{IMPOSSIBLE}: the values of {' and '.join(names)} contradict each other; mend one of them"
        cause = self.model.causes.get(column.removeprefix(NOT_EVIDENCE_PREFIX))
        if column.startswith(NOT_EVIDENCE_PREFIX) and cause:
            return f"not allowed: give one of {', '.join(cause.states)}, as fits the label, or nothing if unknown"
        if column not in self._vocabulary.columns:
            return f"not allowed: give one cause of {self.model.name} or none_of_these; further ones go to 'also'"
        same = [name for name in self._rivals(column) if f"contradicts {name}" in reason]
        if same:
            return f"contradicts {' and '.join(same)}: mend one of them"
        return f"not allowed: give {self._vocabulary.allowed(column)}, or nothing if unknown"

    def _rivals(self, column: str) -> list[str]:
        """Name the numeric inputs that say the same as a column."""
        numeric = self.model.numeric_inputs.get(column)
        variable = numeric.variable if numeric else column
        return [
            name for name, other in self.model.numeric_inputs.items() if other.variable == variable and name != column
        ]


def refuse_headless(path: str, model: ModelSpec, names: Collection[str], excused: Collection[str] = ()) -> None:
    """Refuse a file whose first row seems to be a case, without quoting it as the names of columns.

    Parameters
    ----------
    path : str
        The file, for the message.
    model : ModelSpec
        A checked model file.
    names : collection of str
        The first row.
    excused : collection of str
        Columns that the caller named.

    Raises
    ------
    FileFormatError
        If none of the names is known.
    """
    known = [*model.inputs, *model.variables, *NOT_EVIDENCE]
    if any(name in known or name in excused or name.startswith(NOT_EVIDENCE_PREFIX) for name in names):
        return
    hints = [(place, hint) for place, name in enumerate(names, start=1) if (hint := nearest(name, known))]
    near = f"{hints[0][1]} (column {hints[0][0]})" if hints else ""
    raise FileFormatError(
        f"{path}: {model.name} knows none of the {len(names)} names in the first row: does it name the columns? "
        f"`kneebayes template` writes a header.{near}"
    )
