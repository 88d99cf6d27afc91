"""A model that scores many cases at once: tables, frames and files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kneebayes.alarm import Thresholds
from kneebayes.errors import CaseError, UnknownNameError
from kneebayes.inference import Engine
from kneebayes.workbench import Workbench

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kneebayes.files import Counts
    from kneebayes.scoring import Scored

Frame = TypeVar("Frame")

__all__ = ["BulkModel"]


class BulkModel(Workbench):
    """What a model does with many cases.

    Parameters
    ----------
    file : ModelFile
        A checked model file.
    """

    def score_table(
        self,
        table: pa.Table | pa.RecordBatch,
        *,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        thresholds: Thresholds | None = None,
        engine: Engine = "auto",
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
    ) -> Scored:
        """Score an Arrow table, and say of each row that can't be scored why.

        Parameters
        ----------
        table : pyarrow.Table or pyarrow.RecordBatch
            As for `score`.
        keep, ignore : iterable of str
            Further columns to pass through, or to leave out.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.
        engine : {"auto", "numpy", "numba"}
            As for `kneebayes.scoring.Scorer.score`.
        intervals, draws, seed
            As for `score`.

        Returns
        -------
        Scored
            The output of the rows accepted, the problems of the others.

        Raises
        ------
        UnknownColumnError
            If a column is not accounted for.
        """
        thresholds = thresholds or self._thresholds
        return self.scorer.score(
            table,
            thresholds=thresholds,
            keep=keep,
            ignore=ignore,
            engine=engine,
            intervals=intervals,
            draws=draws,
            seed=seed,
        )

    def score(
        self,
        frame: Frame,
        *,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        thresholds: Thresholds | None = None,
        errors: Literal["raise", "null"] = "raise",
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
        redact: bool = False,
    ) -> Frame:
        """Score a frame of cases, one a row.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            One column per variable, all optional; an empty cell is unknown.
            ``case_id`` is passed through, and may repeat, unlike in a file;
            ``label``, ``also`` and ``true_*`` are left out. A warning tells of
            ages for which the model's numbers are not made.
        keep, ignore : iterable of str
            Further columns to pass through, or to leave out.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.
        errors : {"raise", "null"}
            Whether a row that can't be scored raises, or comes back empty.
        intervals : float, optional
            Add how far the posteriors go within the plausible ranges of the
            model's numbers, for this share of the draws, such as 0.9:
            ``<column>_low`` and ``<column>_high``, and the shares of draws in
            which the alarm is at the level reported (``<alarm>_robust``) and
            at a graver one (``<alarm>_graver``). Each draw takes as long as
            scoring once.
        draws, seed : int
            Of the plausible ranges (see `kneebayes.draws`), for intervals.
        redact : bool
            Let an error name the row by its position, and the column, but not
            the value nor the index, for where errors end in logs.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            The same kind, and for pandas the same index: the causes,
            ``none_of_these``, further states, ``most_likely``, the alarm,
            ``red_flags``, then the columns kept.

        Raises
        ------
        UnknownColumnError
            If a column is not accounted for.
        CaseError
            If a row can't be scored; the message names row, column and value.
        UnknownNameError
            If ``errors`` is neither.
        OptionError
            If the options of intervals are out of range.

        Examples
        --------
        >>> import pandas as pd
        >>> from kneebayes.api import load_model
        >>> model = load_model()
        >>> frame = pd.DataFrame({"age": [67, 25], "calf_pain": ["yes", None]}, index=["a", "b"])
        >>> model.score(frame)["most_likely"].index.tolist()
        ['a', 'b']
        """
        from kneebayes.frames import from_arrow, to_arrow
        from kneebayes.redaction import Redactor

        if errors not in ("raise", "null"):
            raise UnknownNameError(f"no way '{errors}' to treat errors: use 'raise' or 'null'")
        keep = list(keep)
        table = to_arrow(frame, self.scorer.coder.columns)
        scored = self.score_table(
            table, keep=keep, ignore=ignore, thresholds=thresholds, intervals=intervals, draws=draws, seed=seed
        )
        if scored.problems and errors == "raise":
            more = f" ({scored.n_rejected} rows can't be scored; errors='null' leaves them empty)"
            more = more if scored.n_rejected > 1 else ""
            if redact:
                first = scored.problems[0]
                reason = Redactor(self.file).reason(first.column, first.reason)
                raise CaseError(f"row {first.row}, column '{first.column}': {reason}{more}")
            raise _case_error(scored, frame, more)
        for text, n_rows in scored.warnings.items():
            warnings.warn(f"{text} ({n_rows} of {scored.n_read} rows)", stacklevel=2)
        output: Frame = from_arrow(scored, frame, keep)
        return output

    def sensitivity(
        self,
        frame: Any,
        target: str | None = None,
        *,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        thresholds: Thresholds | None = None,
    ) -> pd.DataFrame:
        """Say which numbers of the model matter most for a frame of cases.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            As for `score`. Each number of the model (some 360) takes as long
            as scoring twice.
        target : str, optional
            A cause, ``none_of_these``, or a state such as
            ``bakers_cyst_ruptured``; by default the cause of the alarm.
        keep, ignore : iterable of str
            Further columns, which are passed over.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.

        Returns
        -------
        pandas.DataFrame
            A row per number, the greatest mean swing of the posterior over the
            plausible range first; see `kneebayes.influence.influence`.

        Raises
        ------
        UnknownColumnError
            If a column is not accounted for.
        CaseError
            If a row can't be scored, or there are none.
        UnknownNameError
            If there is no such target.
        """
        from kneebayes.frames import to_arrow
        from kneebayes.influence import influence

        thresholds, ignore = thresholds or self._thresholds, list(ignore)
        table = to_arrow(frame, self.scorer.coder.columns)
        scored = self.score_table(table, keep=keep, ignore=ignore, thresholds=thresholds)
        if scored.problems:
            raise _case_error(scored, frame, "")
        coded = self.scorer.code(table, ignore=ignore)
        return influence(self._rules, coded.codes, coded.unsure, thresholds, target or self.file.alarm.cause)

    def score_file(self, source: str | Path, target: str | Path, **options: Any) -> Counts:
        """Score a file of cases into another, in bounded memory.

        Parameters
        ----------
        source, target : str or pathlib.Path
            CSV or Parquet, by extension, also .gz and .zst; ``-`` for standard
            input and output.
        **options
            As for `kneebayes.files.score_file`: ``rejects``, ``keep``,
            ``ignore``, ``columns``, ``thresholds``, ``quiet``.

        Returns
        -------
        Counts
            Rows read, scored and rejected.
        """
        from kneebayes.files import score_file

        return score_file(self, source, target, **options)


def _case_error(scored: Scored, frame: Any, more: str) -> CaseError:
    from kneebayes.frames import row_name

    first = scored.problems[0]
    return CaseError(f"{row_name(frame, first.row)}, column '{first.column}': {first.reason}{more}")
