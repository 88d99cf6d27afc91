"""What users call: a loaded model that diagnoses, scores, simulates and exports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kneebayes.alarm import AlarmRules, Thresholds
from kneebayes.diagnosis import Diagnosis
from kneebayes.errors import CaseError, ImpossibleEvidenceError, UnknownNameError
from kneebayes.evidence import Coder
from kneebayes.inference import Engine, Network
from kneebayes.likelihood import favoured, unsure_posteriors
from kneebayes.model import ModelFile
from kneebayes.modelfile import DEFAULT_MODEL, model_path, read_model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pgmpy.models import DiscreteBayesianNetwork

    from kneebayes.files import Counts
    from kneebayes.fitreport import FitReport
    from kneebayes.network import Reference
    from kneebayes.scoring import Scored, Scorer

Frame = TypeVar("Frame")

__all__ = ["Model", "load_model", "score_file"]


def load_model(model: str | Path | None = None) -> Model:
    """Load a model.

    Parameters
    ----------
    model : str or pathlib.Path, optional
        A path to a model file (anything that ends in .yaml or .yml), or the
        name of one that ships with kneebayes, such as ``extended``; by default
        the article's model.

    Returns
    -------
    Model
        Ready to diagnose and score.

    Raises
    ------
    ModelFileError
        If there is no such model, or the file is inconsistent.

    Examples
    --------
    >>> load_model().causes[-1]
    'dvt'
    """
    if model is None:
        return Model(read_model(model_path(DEFAULT_MODEL)))
    is_path = isinstance(model, Path) or str(model).endswith((".yaml", ".yml"))
    return Model(read_model(model if is_path else model_path(str(model))))


def score_file(source: str | Path, target: str | Path, *, model: Model | None = None, **options: Any) -> Counts:
    """Score a file of cases with the default model; see `Model.score_file`.

    Parameters
    ----------
    source, target : str or pathlib.Path
        CSV or Parquet, by extension.
    model : Model, optional
        By default the article's model.
    **options
        As for `Model.score_file`.

    Returns
    -------
    Counts
        Rows read, scored and rejected.
    """
    return (model or load_model()).score_file(source, target, **options)


class Model:
    """A model at work.

    Parameters
    ----------
    file : ModelFile
        A checked model file; see `load_model`.

    Attributes
    ----------
    file : ModelFile
        Everything the model knows, with sources.
    causes : tuple of str
        The names of the causes, in model order.

    Examples
    --------
    >>> model = load_model()
    >>> dx = model.diagnose({"age": 67, "sex": "male", "unilateral_leg_swelling": "present"})
    >>> dx.alarm.level
    'caution'
    """

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self.causes = tuple(file.causes)

    def __repr__(self) -> str:
        f = self.file
        return (
            f"<kneebayes model {f.name} {f.version}: {len(f.risks)} risk factors, "
            f"{len(f.causes)} causes, {len(f.findings)} findings>"
        )

    @cached_property
    def network(self) -> Network:
        """The compiled model."""
        return Network(self.file)

    @cached_property
    def scorer(self) -> Scorer:
        """The compiled model with its coding of tables and its alarm."""
        from kneebayes.scoring import Scorer  # here, so that a single case need not wait for pyarrow

        return Scorer(self.network)

    @cached_property
    def _coder(self) -> Coder:
        return Coder(self.file)

    @cached_property
    def _rules(self) -> AlarmRules:
        return AlarmRules(self.network)

    @cached_property
    def _reference(self) -> Reference:
        from kneebayes.network import Reference  # here, because pgmpy takes seconds to import

        return Reference(self.file)

    @cached_property
    def _thresholds(self) -> Thresholds:
        return Thresholds.of(self.file)

    def diagnose(
        self,
        case: Mapping[str, object],
        *,
        thresholds: Thresholds | None = None,
        engine: Literal["exact", "pgmpy"] = "exact",
    ) -> Diagnosis:
        """Compute the posterior of each cause, and the alarm, for one case.

        Parameters
        ----------
        case : mapping of str to object
            What is known: state names, or for absent|present variables also
            yes/no, true/false, 1/0; ``age`` in years, ``duration_days`` in
            days. What is not named, or is None, is unknown; only the
            complaint is taken as present. An unsure answer is a mapping of
            states to likelihoods, or text such as ``"present:0.8"``.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.
        engine : {"exact", "pgmpy"}
            ``"pgmpy"`` asks pgmpy's VariableElimination instead (seconds), to
            check kneebayes by.

        Returns
        -------
        Diagnosis
            Posterior, alarm and red flags.

        Raises
        ------
        UnknownColumnError
            If a name is not a variable or input of the model.
        CaseError
            If a value is not allowed, or values contradict each other.
        ImpossibleEvidenceError
            If the model gives the evidence probability zero.
        UnknownNameError
            If there is no such engine.

        Examples
        --------
        >>> dx = load_model().diagnose({"breathlessness_chest_pain": True, "long_travel": "yes"})
        >>> dx.alarm.level
        'emergency'
        """
        thresholds = thresholds or self._thresholds
        coded = self._coder.case(case)
        posteriors = unsure_posteriors(self.network, coded.codes, coded.unsure)
        codes = favoured(coded.codes, coded.unsure)
        log_evidence = float(posteriors.log_evidence[0])
        if log_evidence == float("-inf"):
            raise ImpossibleEvidenceError(self.scorer.contradiction(codes, 0).reason)
        evidence = {
            name: variable.states[code]
            for (name, variable), code in zip(self.file.variables.items(), coded.codes[:, 0], strict=True)
            if code >= 0
        }
        likelihoods = {self.network.variables[answer.row]: answer.likelihood.tolist() for answer in coded.unsure}
        if engine == "exact":
            values = dict(zip(posteriors.columns, posteriors.values[0].tolist(), strict=True))
        elif engine == "pgmpy":
            values = self._reference.posteriors(evidence, likelihoods)
        else:
            raise UnknownNameError(f"no engine '{engine}': use 'exact' or 'pgmpy'")
        ranked = (*self.causes, "none_of_these")
        flags = self._rules.red_flags(codes)[:, 0]
        return Diagnosis(
            network=self.network,
            codes=coded.codes,
            unsure=tuple(coded.unsure),
            thresholds=thresholds,
            evidence=evidence | {name: self._coder.text(name, values) for name, values in likelihoods.items()},
            probabilities={name: values[name] for name in ranked},
            details={name: values[name] for name in posteriors.columns if name not in ranked},
            alarm=self._rules.assess(codes, values[self.file.alarm.cause], thresholds, sure=coded.codes),
            red_flags=[name for name, raised in zip(self._rules.flags, flags, strict=True) if raised],
            warnings=list(coded.warnings),
            log_evidence=log_evidence,
        )

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
    ) -> Frame:
        """Score a frame of cases, one a row.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            One column per variable, all optional; an empty cell is unknown.
            ``case_id`` is passed through; ``label``, ``also`` and ``true_*``
            are left out.
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
        >>> model = load_model()
        >>> frame = pd.DataFrame({"age": [67, 25], "calf_pain": ["yes", None]}, index=["a", "b"])
        >>> model.score(frame)["most_likely"].index.tolist()
        ['a', 'b']
        """
        from kneebayes.frames import from_arrow, to_arrow

        if errors not in ("raise", "null"):
            raise UnknownNameError(f"no way '{errors}' to treat errors: use 'raise' or 'null'")
        keep = list(keep)
        table = to_arrow(frame, self.scorer.coder.columns)
        scored = self.score_table(
            table, keep=keep, ignore=ignore, thresholds=thresholds, intervals=intervals, draws=draws, seed=seed
        )
        if scored.problems and errors == "raise":
            more = f" ({scored.n_rejected} rows can't be scored; errors='null' leaves them empty)"
            raise _case_error(scored, frame, more if scored.n_rejected > 1 else "")
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

    def simulate(self, n: int, *, seed: int, **options: Any) -> pd.DataFrame:
        """Draw cases from the model; see `kneebayes.simulation.simulate`.

        Parameters
        ----------
        n : int
            Number of cases.
        seed : int
            Seed of the draw.
        **options
            ``missing`` (share of cells left empty), ``with_causes``.

        Returns
        -------
        pandas.DataFrame
            One case per row, in the form that `score` takes.
        """
        from kneebayes.simulation import simulate

        return simulate(self.file, n, seed=seed, **options)

    def with_prevalence(self, prevalence: Mapping[str, float]) -> Model:
        """Shift the model to the prevalences of another clinic; see `kneebayes.recalibration.with_prevalence`.

        Parameters
        ----------
        prevalence : mapping of str to float
            P(cause | the complaint alone), for some causes.

        Returns
        -------
        Model
            With other leaks, and otherwise as this one.

        Examples
        --------
        >>> model = load_model().with_prevalence({"dvt": 0.12, "meniscal_tear": 0.3})
        >>> round(model.diagnose({}).posterior["dvt"], 9)
        0.12
        """
        from kneebayes.recalibration import with_prevalence

        return Model(with_prevalence(self.file, prevalence))

    def fit(self, frame: Any, **options: Any) -> tuple[Model, FitReport]:
        """Let cases move the leaks, links and splits; see `kneebayes.learning.fit`.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Cases as for `score`, any of them labelled by ``label`` and
            ``also`` or ``true_<cause>``.
        **options
            ``prior_weight`` (1 as sure as the ranges say, 0 not at all),
            ``risk_factors``, ``label``, ``ignore``, ``max_steps``,
            ``tolerance``, ``progress``.

        Returns
        -------
        Model
            A model like any other; every fitted number says so.
        FitReport
            How the fit went, and what moved.
        """
        from kneebayes.learning import fit

        file, report = fit(self.file, frame, **options)
        return Model(file), report

    def check(self, frame: Any, **options: Any) -> pd.DataFrame:
        """Find what the model misjudges in cases: see `kneebayes.checking.check`.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Cases as for `score`.
        **options
            ``pairs``, ``labels``, ``least``, ``ignore``.

        Returns
        -------
        pandas.DataFrame
            Findings and pairs of findings, observed and expected, with a
            z-score each, the most misjudged first.
        """
        from kneebayes.checking import check

        return check(self.network, frame, **options)

    def save(self, path: str | Path) -> None:
        """Write the model to a file that `load_model` reads back.

        Parameters
        ----------
        path : str or pathlib.Path
            Ends in .yaml or .yml.
        """
        from kneebayes.modeltext import write_model

        write_model(self.file, path)

    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """Write the model as a pgmpy network.

        Returns
        -------
        pgmpy.models.DiscreteBayesianNetwork
            With every conditional table in full.
        """
        from kneebayes.network import to_pgmpy

        return to_pgmpy(self.file)


def _case_error(scored: Scored, frame: Any, more: str) -> CaseError:
    from kneebayes.frames import row_name

    first = scored.problems[0]
    return CaseError(f"{row_name(frame, first.row)}, column '{first.column}': {first.reason}{more}")
