"""The result of an evaluation: tables that a person reads, and that other programs can."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kneebayes.atomic import write_whole
from kneebayes.diagnosis.alarm import Thresholds
from kneebayes.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from kneebayes.cases.problems import Problem
    from kneebayes.plots.cohort import EvaluationPlots

__all__ = [
    "Evaluation",
]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How a model did on labelled cases; see `evaluate`.

    A column ``x`` of a table stands with ``x_low`` and ``x_high``, the limits
    of its 95 % interval, where it has one.

    Attributes
    ----------
    model : ModelSpec
        What was evaluated.
    thresholds : Thresholds
        When the alarm warns.
    n_read, n_rejected, n_unlabelled : int
        Rows, those that could not be scored, and those without any label.
    predictions, truth : pandas.DataFrame
        Probability of each cause and of ``none_of_these``, and whether it was
        there (1, 0, NaN where not known), one row per case evaluated.
    levels : pandas.Series
        Alarm level of each case.
    top : pandas.DataFrame
        By k: in how many cases one of the k likeliest is right.
    causes : pandas.DataFrame
        Figures by cause; see `kneebayes.evaluation.metrics.figures`.
    calibration : pandas.DataFrame
        Predicted and observed shares by cause and bin.
    confusion : pandas.DataFrame
        Cases by leading cause (rows) and most likely cause (columns).
    alarm : pandas.DataFrame
        By level: figures of the alarm at that level or above.
    missed : pandas.DataFrame
        Cases of the alarm's cause whose alarm was below caution.
    decision : pandas.DataFrame
        Net benefit by threshold probability.
    comparison : pandas.DataFrame
        The alarm, and what it was compared with, a row each.
    rankings : dict of str to ndarray
        By what each of those ranks the cases for the alarm's cause.
    notes : list of str
        What limits these figures.
    bootstrap, seed : int
        Resamples behind the intervals, and their seed.
    problems : list of Problem
        Why rows were rejected.
    """

    model: ModelSpec
    thresholds: Thresholds
    n_read: int
    n_rejected: int
    n_unlabelled: int
    predictions: pd.DataFrame
    truth: pd.DataFrame
    levels: pd.Series[str]
    top: pd.DataFrame
    causes: pd.DataFrame
    calibration: pd.DataFrame
    confusion: pd.DataFrame
    alarm: pd.DataFrame
    missed: pd.DataFrame
    decision: pd.DataFrame
    comparison: pd.DataFrame
    rankings: Mapping[str, Any]
    notes: list[str]
    bootstrap: int
    seed: int
    problems: list[Problem] = field(default_factory=list)

    @property
    def n_cases(self) -> int:
        """Number of cases evaluated."""
        return len(self.predictions)

    @property
    def alarm_cause(self) -> str:
        """The cause that the alarm is for."""
        return self.model.alarm.cause

    @property
    def plot(self) -> EvaluationPlots:
        """The plots: ``evaluation.plot.calibration()``, ``.roc()`` and ``.decision_curve()``."""
        from kneebayes.plots.cohort import EvaluationPlots

        return EvaluationPlots(self)

    @property
    def title(self) -> str:
        """What was evaluated, in words."""
        return f"{self.model.title} ({self.model.name} {self.model.version})"

    @property
    def counts(self) -> str:
        """Of how many cases, in words."""
        return (
            f"{self.n_cases:,} labelled cases of {self.n_read:,} rows: "
            f"{self.n_rejected:,} rejected, {self.n_unlabelled:,} without a label"
        )

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        from kneebayes.evaluation.report import text

        return text(self)

    def _repr_html_(self) -> str:
        from kneebayes.evaluation.report import body

        return body(self)

    @property
    def table(self) -> pd.DataFrame:
        """Every figure on a row of its own: section, name, metric, value, low, high, text."""
        import pandas as pd

        rows = []
        for section in ("top", "causes", "calibration", "confusion", "alarm", "missed", "decision", "comparison"):
            frame: pd.DataFrame = getattr(self, section)
            for name, row in frame.iterrows():
                said = "/".join(map(str, name)) if isinstance(name, tuple) else str(name)
                for metric, value in row.items():
                    limits = [row.get(f"{metric}_{end}") for end in ("low", "high")]
                    if isinstance(value, str):
                        rows.append((section, said, str(metric), None, None, None, value))
                    elif not str(metric).endswith(("_low", "_high")):
                        rows.append((section, said, str(metric), value, *limits, None))
        return pd.DataFrame(rows, columns=["section", "name", "metric", "value", "low", "high", "text"])

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write every figure as CSV, one a row.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            Where to; by default the text is returned.

        Returns
        -------
        str or None
            The text, if there is no path.
        """
        text: str = self.table.to_csv(index=False)
        if path is None:
            return text
        write_whole(str(path), text)
        return None

    def to_json(self, path: str | Path | None = None) -> str | None:
        """Write every figure as JSON, by section; what is not defined is null.

        Parameters
        ----------
        path : str or pathlib.Path, optional
            Where to; by default the text is returned.

        Returns
        -------
        str or None
            The text, if there is no path.
        """
        content = {
            "model": self.model.name,
            "version": self.model.version,
            "cases": self.n_cases,
            "read": self.n_read,
            "rejected": self.n_rejected,
            "unlabelled": self.n_unlabelled,
            "thresholds": {"caution": self.thresholds.caution, "urgent": self.thresholds.urgent},
            "bootstrap": self.bootstrap,
            "seed": self.seed,
            **{
                section: getattr(self, section).reset_index().to_dict("records")
                for section in ("top", "causes", "calibration", "alarm", "missed", "decision", "comparison")
            },
            "confusion": self.confusion.to_dict("index"),
            "notes": self.notes,
            "problems": [f"{p.place}: {p.plain}" for p in self.problems],
            "disclaimer": self.model.disclaimer,
        }
        text = json.dumps(_plain(content), indent=2, ensure_ascii=False)
        if path is None:
            return text
        write_whole(str(path), text + "\n")
        return None

    def report(self, path: str | Path) -> None:
        """Write one HTML file with tables and plots, which needs no network.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to.
        """
        from kneebayes.evaluation.report import write_report

        write_report(self, path)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
