"""Answers to the same cases, of a model or of something else, in one form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.alarm import LEVELS
from kneebayes.labels import NONE
from kneebayes.scoring import Scored, factor

if TYPE_CHECKING:
    from kneebayes.api import Model

__all__ = ["Rival", "alarm_levels", "distinct", "model_rival"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Rival:
    """The answers of something to the same n cases.

    Attributes
    ----------
    name : str
        What it is.
    rule : str
        When it flags a case for the alarm's cause.
    note : str
        What limits it.
    flagged : ndarray of bool, shape (n,), optional
        Whom it flags.
    score : ndarray, shape (n,), optional
        By what it ranks cases for the alarm's cause.
    probabilities : dict of str to ndarray, shape (n,)
        By target; NaN where it has none.
    """

    name: str
    rule: str = ""
    note: str = ""
    flagged: Bools | None = None
    score: Floats | None = None
    probabilities: dict[str, Floats] = field(default_factory=dict)

    def only(self, cases: Bools) -> Rival:
        """Keep the answers to some cases.

        Parameters
        ----------
        cases : ndarray of bool, shape (n,)
            Which.

        Returns
        -------
        Rival
            With as many answers.
        """
        return replace(
            self,
            flagged=None if self.flagged is None else self.flagged[cases],
            score=None if self.score is None else self.score[cases],
            probabilities={target: p[cases] for target, p in self.probabilities.items()},
        )


def distinct(rivals: Sequence[Rival]) -> list[Rival]:
    """Tell rivals of the same name apart by a number.

    Parameters
    ----------
    rivals : sequence of Rival
        Of any names.

    Returns
    -------
    list of Rival
        In the same order, each with a name of its own.
    """
    names = [rival.name for rival in rivals]
    return [
        replace(rival, name=f"{rival.name} ({names[:i].count(rival.name) + 1})") if rival.name in names[:i] else rival
        for i, rival in enumerate(rivals)
    ]


def model_rival(model: Model, scored: Scored, used: Places, cause: str) -> Rival:
    """Take the answers of a model.

    Parameters
    ----------
    model : Model
        Any model.
    scored : Scored
        Its output.
    used : ndarray of int, shape (n,)
        The rows to take, all of them accepted.
    cause : str
        The alarm's cause of the model that is evaluated.

    Returns
    -------
    Rival
        It flags nobody where its own alarm is for another cause.
    """
    name = f"{model.file.name} {model.file.version}"
    place = _place(scored, used)
    p = {target: scored.table[target].to_numpy()[place] for target in (*model.causes, NONE)}
    if model.file.alarm.cause != cause:
        return Rival(name, note=f"its alarm is for {model.file.alarm.cause}", score=p.get(cause), probabilities=p)
    flagged = alarm_levels(model, scored, used) >= LEVELS.index("caution")
    return Rival(name, "alarm at caution or above", "", flagged, p[cause], p)


def alarm_levels(model: Model, scored: Scored, used: Places) -> NDArray[np.int8]:
    """Take the alarm levels of a model.

    Parameters
    ----------
    model, scored, used
        As for `model_rival`.

    Returns
    -------
    ndarray of int8, shape (n,)
        Places in `LEVELS`.
    """
    cells = factor(scored.table[model.scorer.alarm_column])
    lookup = np.array([LEVELS.index(str(value)) for value in cells.values], dtype=np.int8)
    levels: NDArray[np.int8] = lookup[cells.index][_place(scored, used)]
    return levels


def _place(scored: Scored, used: Places) -> Places:
    place: Places = (np.cumsum(scored.accepted) - 1)[used]
    return place
