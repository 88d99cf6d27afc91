"""What users call: a loaded model that diagnoses one case, and scores many."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from kneebayes.cases.coding import Coder
from kneebayes.diagnosis.alarm import AlarmRules, Thresholds
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.errors import CaseError, ImpossibleEvidenceError, UnknownNameError
from kneebayes.inference.network import CompiledModel, Engine
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path, read_model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes
    from pgmpy.models import DiscreteBayesianNetwork

    from kneebayes.interop.fhir import Version
    from kneebayes.interop.pgmpy import Reference
    from kneebayes.learn.fit import FitReport
    from kneebayes.scoring.score_file import ScoreSummary
    from kneebayes.scoring.scorer import Scored, Scorer

__all__ = [
    "BulkModel",
    "Model",
    "Workbench",
    "import_network",
    "load_model",
    "score_file",
]


class Workbench:
    """A model that can be compiled, shifted, fitted, checked, simulated from and written down.

    Parameters
    ----------
    file : ModelSpec
        A checked model file.
    """

    def __init__(self, file: ModelSpec) -> None:
        self.file = file
        self.fit_report: FitReport | None = None
        self.causes = tuple(file.causes)

    def __repr__(self) -> str:
        f = self.file
        return (
            f"<kneebayes model {f.name} {f.version}: {len(f.risks)} risk factors, "
            f"{len(f.causes)} causes, {len(f.findings)} findings>"
        )

    @cached_property
    def network(self) -> CompiledModel:
        """The compiled model."""
        return CompiledModel(self.file)

    @cached_property
    def scorer(self) -> Scorer:
        """The compiled model with its coding of tables and its alarm."""
        from kneebayes.scoring.scorer import Scorer  # here, so that a single case need not wait for pyarrow

        return Scorer(self.network)

    @cached_property
    def _coder(self) -> Coder:
        return Coder(self.file)

    @cached_property
    def _rules(self) -> AlarmRules:
        return AlarmRules(self.network)

    @cached_property
    def _reference(self) -> Reference:
        from kneebayes.interop.pgmpy import Reference  # here, because pgmpy takes seconds to import

        return Reference(self.file)

    @cached_property
    def _thresholds(self) -> Thresholds:
        return Thresholds.of(self.file)

    def simulate(self, n: int, *, seed: int, **options: Any) -> pd.DataFrame:
        """Draw cases from the model; see `kneebayes.learn.simulate.simulate`.

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
        from kneebayes.learn.simulate import simulate

        return simulate(self.file, n, seed=seed, **options)

    def with_prevalence(self, prevalence: Mapping[str, float], *, links: bool = False) -> Self:
        """Shift the model to the prevalences of another clinic; see `kneebayes.learn.prevalence.with_prevalence`.

        Parameters
        ----------
        prevalence : mapping of str to float
            P(cause | the complaint alone), for some causes.
        links : bool
            Whether the links to these causes change with their leaks, so that
            their risk factors tell as much as before: right for people who
            were referred because of the cause.

        Returns
        -------
        Model
            With other leaks, or leaks and links, and otherwise as this one.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> model = load_model().with_prevalence({"dvt": 0.12, "meniscal_tear": 0.3})
        >>> round(model.diagnose({}).probabilities["dvt"], 9)
        0.12
        """
        from kneebayes.learn.prevalence import with_prevalence

        return type(self)(with_prevalence(self.file, prevalence, links=links))

    def plausible(self, *, seed: int) -> Self:
        """Draw all numbers anew from their plausible ranges; see `kneebayes.diagnosis.uncertainty.plausible`.

        Parameters
        ----------
        seed : int
            Of the draw.

        Returns
        -------
        Model
            A world in which the model is wrong as far as its ranges allow, to
            simulate from and to try the model on.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> model = load_model()
        >>> cases = model.plausible(seed=1).simulate(10, seed=1)
        >>> len(model.score(cases))
        10
        """
        from kneebayes.diagnosis.uncertainty import plausible

        return type(self)(plausible(self.file, seed=seed))

    def fit(self, frame: Any, **options: Any) -> Self:
        """Let cases move the leaks, links and splits; see `kneebayes.learn.fit.fit`.

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
            A model like any other; every fitted number says so. Its
            ``fit_report`` says how the fit went, and what moved.
        """
        from kneebayes.learn.fit import fit

        file, report = fit(self.file, frame, **options)
        fitted = type(self)(file)
        fitted.fit_report = report
        return fitted

    def check(self, frame: Any, **options: Any) -> pd.DataFrame:
        """Find what the model misjudges in cases: see `kneebayes.learn.check.check`.

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
        from kneebayes.learn.check import check

        return check(self.network, frame, **options)

    def plot_network(self, *, focus: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw risk factors, causes and findings; see `kneebayes.plots.network.plot_network`.

        Parameters
        ----------
        focus : str, optional
            A cause to draw alone, with what is linked to it.
        ax : matplotlib.axes.Axes, optional
            Where to; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            An arrow is as wide as its link is strong.
        """
        from kneebayes.plots.network import plot_network

        return plot_network(self.file, focus=focus, ax=ax)

    def save(self, path: str | Path) -> None:
        """Write the model to a file that `load_model` reads back.

        Parameters
        ----------
        path : str or pathlib.Path
            Ends in .yaml or .yml.
        """
        from kneebayes.spec.yaml_io import write_model

        write_model(self.file, path)

    def to_pgmpy(self) -> DiscreteBayesianNetwork:
        """Write the model as a pgmpy network.

        Returns
        -------
        pgmpy.models.DiscreteBayesianNetwork
            With every conditional table in full.
        """
        from kneebayes.interop.pgmpy import to_pgmpy

        return to_pgmpy(self.file)

    def export(self, path: str | Path, format: str | None = None) -> list[Path]:
        """Write the network for other programs; see `kneebayes.interop.export.export`.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to write.
        format : {"bif", "xmlbif", "net", "xdsl", "uai", "json"}, optional
            By default what the ending of the path says.

        Returns
        -------
        list of pathlib.Path
            The file, and its sidecar of labels where the format has no room
            for them.
        """
        from kneebayes.interop.export import export

        return export(self.file, path, format)

    def to_fhir_questionnaire(self, version: Version = "R5") -> Any:
        """Write the questions as a FHIR Questionnaire; see `kneebayes.interop.fhir.questionnaire`.

        Parameters
        ----------
        version : {"R5", "R4B"}
            Of FHIR.

        Returns
        -------
        fhir.resources Questionnaire
            ``linkId`` is the column of a case.
        """
        from kneebayes.interop.fhir import questionnaire

        return questionnaire(self.file, version)

    def case_from_fhir(self, response: object, version: Version = "R5") -> dict[str, object]:
        """Read a FHIR QuestionnaireResponse; see `kneebayes.interop.fhir.read_response`.

        Parameters
        ----------
        response : mapping, str, bytes or fhir.resources QuestionnaireResponse
            Answers to the Questionnaire of this model.
        version : {"R5", "R4B"}
            Of FHIR.

        Returns
        -------
        dict of str to object
            A case for `diagnose`.
        """
        from kneebayes.interop.fhir import read_response

        return read_response(response, self.file, version)


Frame = TypeVar("Frame")


class BulkModel(Workbench):
    """What a model does with many cases.

    Parameters
    ----------
    file : ModelSpec
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
            As for `kneebayes.scoring.scorer.Scorer.score`.
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
            Of the plausible ranges (see `kneebayes.diagnosis.uncertainty`), for intervals.
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
        >>> from kneebayes.model import load_model
        >>> model = load_model()
        >>> frame = pd.DataFrame({"age": [67, 25], "calf_pain": ["yes", None]}, index=["a", "b"])
        >>> model.score(frame)["most_likely"].index.tolist()
        ['a', 'b']
        """
        from kneebayes.cases.frames import from_arrow, to_arrow

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
                raise CaseError(f"{first.place}: {first.plain}{more}")
            raise _case_error(scored, frame, more)
        for text, n_rows in scored.warnings.items():
            warnings.warn(f"{text} ({n_rows} of {scored.n_read} rows)", stacklevel=2)
        output: Frame = from_arrow(scored.table, scored.accepted, frame, keep)
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
            plausible range first; see `kneebayes.diagnosis.sensitivity.influence`.

        Raises
        ------
        UnknownColumnError
            If a column is not accounted for.
        CaseError
            If a row can't be scored, or there are none.
        UnknownNameError
            If there is no such target.
        """
        from kneebayes.cases.frames import to_arrow
        from kneebayes.diagnosis.sensitivity import influence

        thresholds, ignore = thresholds or self._thresholds, list(ignore)
        table = to_arrow(frame, self.scorer.coder.columns)
        scored = self.score_table(table, keep=keep, ignore=ignore, thresholds=thresholds)
        if scored.problems:
            raise _case_error(scored, frame, "")
        coded = self.scorer.code(table, ignore=ignore)
        return influence(self._rules, coded.evidence, thresholds, target or self.file.alarm.cause)

    def score_file(self, source: str | Path, target: str | Path, **options: Any) -> ScoreSummary:
        """Score a file of cases into another, in bounded memory.

        Parameters
        ----------
        source, target : str or pathlib.Path
            CSV or Parquet, by extension, also .gz and .zst; ``-`` for standard
            input and output.
        **options
            As for `kneebayes.scoring.score_file.score_file`: ``rejects``, ``keep``,
            ``ignore``, ``columns``, ``thresholds``, ``quiet``.

        Returns
        -------
        ScoreSummary
            Rows read, scored and rejected.
        """
        from kneebayes.scoring.score_file import score_file

        return score_file(self, source, target, **options)


def _case_error(scored: Scored, frame: Any, more: str) -> CaseError:
    from kneebayes.cases.frames import row_name

    first = scored.problems[0]
    return CaseError(f"{row_name(frame, first.row)}, column '{first.column}': {first.reason}{more}")


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


def import_network(path: str | Path, **options: Any) -> Model:
    """Load a network that another program wrote; see `kneebayes.interop.importing.import_model`.

    Parameters
    ----------
    path : str or pathlib.Path
        BIF, XMLBIF, NET, XDSL, UAI or JSON, by extension.
    **options
        ``format``, ``labels``, ``causes``, ``complaint``, ``tolerance``.

    Returns
    -------
    Model
        Ready to diagnose and score; ``file.provenance`` says what could not
        be kept.

    Raises
    ------
    FileFormatError
        If the file can't be read, or its tables are no distributions.
    ModelFileError
        If the network is not risk factors -> causes -> findings with leaky
        noisy-ORs.
    """
    from kneebayes.interop.importing import import_model

    return Model(import_model(path, **options))


def score_file(source: str | Path, target: str | Path, *, model: Model | None = None, **options: Any) -> ScoreSummary:
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
    ScoreSummary
        Rows read, scored and rejected.
    """
    return (model or load_model()).score_file(source, target, **options)


class Model(BulkModel):
    """A model at work.

    Parameters
    ----------
    file : ModelSpec
        A checked model file; see `load_model`.

    Attributes
    ----------
    file : ModelSpec
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
        posteriors = self.network.posteriors(coded.evidence)
        codes = coded.evidence.hardened()
        log_evidence = float(posteriors.log_evidence[0])
        if log_evidence == float("-inf"):
            raise ImpossibleEvidenceError(self.scorer.contradiction(codes, 0).reason)
        evidence = {
            name: variable.states[code]
            for (name, variable), code in zip(self.file.variables.items(), coded.evidence.codes[:, 0], strict=True)
            if code >= 0
        }
        likelihoods = {self.network.variables[answer.row]: answer.given.tolist() for answer in coded.evidence.soft}
        if engine == "exact":
            values = dict(zip(posteriors.columns, posteriors.values[0].tolist(), strict=True))
        elif engine == "pgmpy":
            values = self._reference.posteriors(evidence, likelihoods)
        else:
            raise UnknownNameError(f"no engine '{engine}': use 'exact' or 'pgmpy'")
        ranked = (*self.causes, "none_of_these")
        flags = self._rules.red_flags(codes)[:, 0]
        causes = posteriors.values[:, : len(self.causes)]
        alarm = self._rules.assess(coded.evidence, values[self.file.alarm.cause], thresholds, causes=causes)
        return Diagnosis(
            network=self.network,
            coded=coded.evidence,
            thresholds=thresholds,
            evidence=evidence | {name: self._coder.text(name, values) for name, values in likelihoods.items()},
            probabilities={name: values[name] for name in ranked},
            details={name: values[name] for name in posteriors.columns if name not in ranked},
            alarm=alarm,
            red_flags=[name for name, raised in zip(self._rules.flags, flags, strict=True) if raised],
            warnings=list(coded.warnings),
            log_evidence=log_evidence,
        )
