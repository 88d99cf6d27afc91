"""What came out for one case, as a person reads it: in a terminal and in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.alarm import Alarm, Thresholds
from kneebayes.inference import Network
from kneebayes.likelihood import Unsure
from kneebayes.model import ModelFile
from kneebayes.wells import Points, points, points_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Outcome"]

BAR = 30
NONE = "none_of_these"


@dataclass(frozen=True, eq=False, repr=False)
class Outcome:
    """The fields of a `kneebayes.Diagnosis`, where they are described, and how they read."""

    network: Network
    codes: NDArray[np.int8]
    unsure: tuple[Unsure, ...]
    thresholds: Thresholds
    evidence: dict[str, str]
    probabilities: dict[str, float]
    details: dict[str, float]
    alarm: Alarm
    red_flags: list[str]
    warnings: list[str]
    log_evidence: float

    @property
    def model(self) -> ModelFile:
        """The model file behind the answer."""
        return self.network.model

    @property
    def posterior(self) -> pd.Series[float]:
        """The probabilities as a pandas Series named ``posterior``."""
        import pandas as pd  # here, so that a diagnosis in a terminal need not wait for it

        return pd.Series(self.probabilities, name="posterior", dtype=float)

    @property
    def most_likely(self) -> str:
        """The cause with the highest posterior, or ``none_of_these``."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def wells(self, **judged: bool) -> Points:
        """Count the points of the Wells score.

        Parameters
        ----------
        **judged
            Items that a clinician has judged: ``alternative_as_likely``.

        Returns
        -------
        Points
            Points, their range, and the class where it is certain.
        """
        return points(self.model, self.evidence, judged=judged)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        known = ", ".join(f"{name}={state}" for name, state in self.evidence.items())
        width = max(len(self.label(name)) for name in self.probabilities)
        lines = [
            f"{self.model.title} ({self.model.name} {self.model.version})",
            f"Known: {known or 'nothing'}",
            "",
            f"{self.model.alarm.cause.upper()} alarm: {self.alarm.level.upper()}".replace("_", " "),
            f"  {self.alarm.advice}",
            *(f"  - {reason}" for reason in self.alarm.reasons),
        ]
        lines += [line] if (line := points_line(self.model, self.evidence)) else []
        if self.alarm.questions:
            lines += ["  Not answered:", *(f"    {self.model.variables[q].question}" for q in self.alarm.questions)]
        if self.red_flags:
            lines.append("Red flags: " + ", ".join(self.label(name) for name in self.red_flags))
        lines += ["", "Posterior (causes may coexist)"]
        for name, p in self._ranked():
            lines.append(f"  {self.label(name):<{width}}  {p:6.1%}  {'█' * round(p * BAR)}".rstrip())
            lines += [f"    of which {word}: {q:.1%}" for word, q in self._states_of(name)]
        lines += ["", *(f"Warning: {warning}" for warning in self.warnings), self.model.disclaimer]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(self.label(name))}</td><td style='text-align:right'>{p:.1%}</td>"
            f"<td style='width:12em'><div style='background:#4477aa;height:0.8em;width:{100 * p:.1f}%'></div></td></tr>"
            for name, p in self._ranked()
        )
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.alarm.reasons)
        questions = "".join(f"<li>{html.escape(self.model.variables[q].question)}</li>" for q in self.alarm.questions)
        flags = ", ".join(html.escape(self.label(name)) for name in self.red_flags)
        warnings = "".join(f"<p>{html.escape(warning)}</p>" for warning in self.warnings)
        return (
            f"<div><p><b>Alarm: {html.escape(self.alarm.level.replace('_', ' '))}.</b> "
            f"{html.escape(self.alarm.advice)}</p><ul>{reasons}</ul>"
            + (f"<p>Not answered:</p><ul>{questions}</ul>" if questions else "")
            + (f"<p>Red flags: {flags}</p>" if flags else "")
            + f"<table>{rows}</table>{warnings}<p><small>{html.escape(self.model.disclaimer)}</small></p></div>"
        )

    def label(self, name: str) -> str:
        """Give the words for a variable.

        Parameters
        ----------
        name : str
            A variable, or ``none_of_these``.

        Returns
        -------
        str
            Its label in the model file.
        """
        return "None of these" if name == NONE else self.model.variables[name].label

    def _ranked(self) -> list[tuple[str, float]]:
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    def _states_of(self, cause: str) -> list[tuple[str, float]]:
        states = self.model.causes[cause].states[2:] if cause in self.model.causes else ()
        return [(state, self.details[f"{cause}_{state}"]) for state in states]
