"""What `load_model` returns: a model that diagnoses one case, scores many, and is fitted, checked and written down.

`Model.diagnose` is the page to start with: a case is encoded, the causes are inferred, the alarm is raised.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

import numpy as np

from kneebayes.atomic import plain_path
from kneebayes.cases.coding import Coder, check_columns
from kneebayes.diagnosis.alarm import Assessor, Thresholds
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.errors import (
    CaseError,
    ImpossibleEvidenceError,
    OptionError,
    check_choice,
    check_flags,
    check_kind,
    check_number,
    names_of,
)
from kneebayes.inference.network import CompiledModel, Engine
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path, read_model

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.axes import Axes
    from pgmpy.models import DiscreteBayesianNetwork

    from kneebayes.cases.mapping import MappingLike
    from kneebayes.interop.fhir import Version
    from kneebayes.interop.pgmpy import Reference
    from kneebayes.learn.fit import FitReport
    from kneebayes.learn.simulate import Shares
    from kneebayes.scoring.score_file import ScoreSummary
    from kneebayes.scoring.scorer import Scored, Scorer

Frame = TypeVar("Frame")
MAX_DIGITS = 300  # to round to: no double has more


class ScoreOptions(TypedDict, total=False):
    """What `Model.score` takes besides, whatever it returns; `Model.score` says what each is."""

    keep: Iterable[str]
    ignore: Iterable[str]
    thresholds: Thresholds | None
    errors: Literal["raise", "null"]
    intervals: float | None
    draws: int
    seed: int
    round: int | None
    redact: bool
    mapping: MappingLike | None


class Model:
    """A model at work.

    Parameters
    ----------
    file : ModelSpec
        A checked model file; see `load_model`.

    Attributes
    ----------
    file : ModelSpec
        Everything the model knows, with sources.
    causes : list of str
        The names of the causes, in model order: ``scores[model.causes]`` are their columns.
    fit_report : FitReport or None
        How the fit went, for a model that `fit` made.

    Examples
    --------
    >>> model = load_model()
    >>> dx = model.diagnose({"age": 67, "sex": "male", "unilateral_leg_swelling": "present"})
    >>> dx.alarm.level
    'urgent'
    """

    def __init__(self, file: ModelSpec) -> None:
        check_kind(file, "causes", "kb.load_model('extended'), or of a path")
        self.file = file
        self.fit_report: FitReport | None = None
        self.causes = list(file.causes)
        self._thresholds = Thresholds.of(file)

    def __repr__(self) -> str:
        f = self.file
        return (
            f"<kneebayes model {f.name} {f.version}: {len(f.risks)} risk factors, "
            f"{len(f.causes)} causes, {len(f.findings)} findings>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file,), {"fit_report": self.fit_report}  # what is compiled is compiled anew

    def _chosen(self, thresholds: Thresholds | None) -> Thresholds:
        return self._thresholds if thresholds is None else thresholds

    @property
    def variables(self) -> pd.DataFrame:
        """What may be known of a case, as a table: a row per column, by name, with its kind, words and values."""
        import pandas as pd

        file = self.file
        kinds = {**dict.fromkeys(file.risks, "risk factor"), **dict.fromkeys(file.causes, "cause")}
        rows = {
            name: {
                "kind": kinds.get(name, "finding" if name in file.findings else "answer"),
                "label": variable.label,
                "values": ", ".join(variable.states),
                "unit": file.numeric_inputs[name].unit if name in file.numeric_inputs else "",
                "question": variable.question,  # last: where columns are left out for width, first and last stay
            }
            for name, variable in file.askable.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    def diagnose(
        self,
        case: Mapping[str, object],
        *,
        thresholds: Thresholds | None = None,
        engine: Literal["exact", "pgmpy"] = "exact",
        mapping: MappingLike | None = None,
    ) -> Diagnosis:
        """Compute the posterior of each cause, and the alarm, for one case.

        Parameters
        ----------
        case : mapping of str to object
            What is known: state names, or for absent|present variables also yes/no, true/false, 1/0; ``age`` in
            years, ``duration_days`` in days. What is not named, or is None, is unknown; only the complaint is taken
            as present. An unsure answer is a mapping of states to likelihoods, or text such as ``"present:0.8"``.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.
        engine : {"exact", "pgmpy"}
            ``"pgmpy"`` asks pgmpy's VariableElimination instead (seconds), to check kneebayes by.
        mapping : CaseMapping, mapping, str or pathlib.Path, optional
            What the names and values of the case mean, where they are not those of the model; see `CaseMapping`.

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
        if not hasattr(case, "keys") or getattr(case, "ndim", 1) != 1:  # a row of a frame will do
            kind = type(case).__name__
            raise CaseError(f"a case is a mapping, not a {kind}: model.diagnose({{'age': 67, 'sex': 'male'}})")
        told: list[str] = []
        if mapping is not None:
            from kneebayes.cases.mapping import BoundMapping, CaseMapping, told_of  # a case without waits for none

            bound = BoundMapping(self._coder, CaseMapping.of(mapping), map(str, case), partial=True)
            case, told = bound.case(case), told_of(bound.others)
        coded = self._coder.case(case)
        words, amounts = self._coder.words(coded.evidence), self._coder.amounts(case)
        posteriors = self.network.posteriors(coded.evidence)
        if np.isneginf(posteriors.log_evidence[0]):
            raise ImpossibleEvidenceError(self.assessor.contradiction(coded.evidence).why.text)
        if not isinstance(engine, str) or engine != "exact":  # an array has no truth value
            check_choice("engine", engine, ("exact", "pgmpy"))
            posteriors = self._reference.answer(coded.evidence, posteriors)
        assessed = self.assessor.assess(coded.evidence, self._chosen(thresholds), posteriors=posteriors, engine="numpy")
        return Diagnosis(assessed, words, [*told, *coded.warnings], amounts)

    @cached_property
    def network(self) -> CompiledModel:
        """The compiled model."""
        return CompiledModel(self.file)

    @cached_property
    def assessor(self) -> Assessor:
        """The compiled model with its alarm and red flags."""
        return Assessor(self.network)

    @cached_property
    def scorer(self) -> Scorer:
        """The same for tables, with their coding."""
        from kneebayes.scoring.scorer import Scorer  # here, so that a single case need not wait for pyarrow

        return Scorer(self.assessor, self._coder)

    @cached_property
    def _coder(self) -> Coder:
        return Coder(self.file)

    @cached_property
    def _reference(self) -> Reference:
        from kneebayes.interop.pgmpy import Reference  # here, because pgmpy takes seconds to import

        return Reference(self.file)

    @overload
    def score(self, frame: Frame, *, rejects: Literal[False] = False, **options: Unpack[ScoreOptions]) -> Frame: ...

    @overload
    def score(
        self, frame: Frame, *, rejects: Literal[True], **options: Unpack[ScoreOptions]
    ) -> tuple[Frame, Frame]: ...

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
        round: int | None = None,
        redact: bool = False,
        mapping: MappingLike | None = None,
        rejects: bool = False,
    ) -> Frame | tuple[Frame, Frame]:
        """Score a frame of cases, one a row.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            One column per variable, all optional; an empty cell is unknown. ``case_id`` is passed through, and may
            repeat, unlike in a file; ``label``, ``also`` and ``true_*`` are left out. A warning tells of ages for
            which the model's numbers are not made.
        keep, ignore : iterable of str
            Further columns to pass through, or to leave out.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.
        errors : {"raise", "null"}
            Whether a row that can't be scored raises, or comes back empty.
        intervals : float, optional
            Add how far the posteriors go within the plausible ranges of the model's numbers, for this share of the
            draws, such as 0.9: ``<column>_low`` and ``<column>_high``, and the shares of draws in which the alarm
            is at the level reported (``<alarm>_robust``) and at a graver one (``<alarm>_graver``). Each draw takes
            as long as scoring once.
        draws, seed : int
            Of the plausible ranges, for intervals.
        round : int, optional
            Digits after the point to round all numbers to; by default they are as computed.
        redact : bool
            Let an error name the row by its position, and the column, but not the value nor the index, for where
            errors end in logs.
        mapping : CaseMapping, mapping, str or pathlib.Path, optional
            What the columns and values of the frame mean, where they are not those of the model: a mapping, or a
            dictionary or file of one; see `CaseMapping`. Without, names may still differ in case, blanks, hyphens and
            underscores, or be the labels.
        rejects : bool
            With ``errors="null"``: give the reasons of the empty rows too.

        Returns
        -------
        pandas.DataFrame, polars.DataFrame or pyarrow.Table
            The same kind, and for pandas the same index: the causes, ``none_of_these``, further states,
            ``most_likely``, the alarm, ``red_flags``, then the columns kept. With ``rejects``, a pair of it and of a
            frame of the same kind with a line for each reason: ``row`` (its position, from 0), ``column``, ``value``
            and ``reason``, in pandas under the index of the row.

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
        >>> frame = pd.DataFrame({"age": [67, 25], "calf_pain": ["yes", None]}, index=["a", "b"])
        >>> load_model().score(frame)["most_likely"].index.tolist()
        ['a', 'b']
        """
        import pyarrow as pa

        from kneebayes.cases.frames import case_error, from_arrow, rejects_frame, rounded
        from kneebayes.cases.mapping import read_frame
        from kneebayes.cases.problems import NO_CASES

        check_flags(redact=redact, rejects=rejects)
        check_choice("way to treat errors", errors, ("raise", "null"))
        if rejects and errors == "raise":
            raise OptionError("rejects are given with errors='null': with 'raise' there are none")
        if round is not None:
            check_number("round", round, whole=True, least=-MAX_DIGITS)
            if round > MAX_DIGITS:
                raise OptionError(f"round {round}: give a number of digits up to {MAX_DIGITS}")
        keep, ignore = names_of("keep", keep), names_of("ignore", ignore)
        read, bound = read_frame(self._coder, frame, mapping, self._coder.columns, keep=keep, ignore=ignore)
        scored = self.score_table(
            read.table, keep=keep, ignore=ignore, thresholds=thresholds, intervals=intervals, draws=draws, seed=seed
        )
        problems = sorted([*read.problems, *map(bound.named, scored.problems)], key=attrgetter("row"))
        bad = [problem for problem in problems if problem.why.kind not in NO_CASES]
        if bad and errors == "raise":
            raise case_error(frame, bad, "can't be scored; errors='null' leaves them empty", redact=redact)
        for text, n_rows in scored.warnings.items():
            warnings.warn(f"{text} ({n_rows} of {scored.n_read} rows)", stacklevel=2)
        accepted = scored.accepted & ~read.refused
        table = scored.table.filter(pa.array(accepted[scored.accepted]))
        table = table if round is None else rounded(table, round)
        output: Frame = from_arrow(table, accepted, frame, keep, bound.case_id)
        return (output, rejects_frame(frame, problems)) if rejects else output

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
        keep, ignore, thresholds, intervals, draws, seed
            As for `score`.
        engine : {"auto", "numpy", "numba"}
            Which code computes them; they agree but for rounding. Name one to get the same last digits whatever the
            number of rows.

        Returns
        -------
        Scored
            The output of the rows accepted, the problems of the others.
        """
        check_kind(table, "column_names", "model.score(frame), or model.score_table(pyarrow.Table.from_pandas(frame))")
        return self.scorer.score(
            table,
            thresholds=self._chosen(thresholds),
            keep=names_of("keep", keep),
            ignore=names_of("ignore", ignore),
            engine=engine,
            intervals=intervals,
            draws=draws,
            seed=seed,
        )

    def score_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        rejects: str | Path | None = None,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        columns: Iterable[str] | None = None,
        thresholds: Thresholds | None = None,
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
        chunk_rows: int = 1 << 14,
        progress: bool | None = None,
        quiet: bool = False,
        format: Literal["table", "fhir-ndjson"] = "table",
        redact: bool = False,
        mapping: MappingLike | None = None,
    ) -> ScoreSummary:
        """Score a file of cases into another, in bounded memory; see `kneebayes.score_file`.

        Parameters
        ----------
        source, target : str or pathlib.Path
            CSV or Parquet, by extension, also .gz and .zst; ``-`` for standard input and output.
        rejects, keep, ignore, columns, thresholds, intervals, draws, seed
            As for `kneebayes.score_file`.
        chunk_rows, progress, quiet, format, redact, mapping
            Likewise.

        Returns
        -------
        ScoreSummary
            Rows read, scored and rejected.

        Raises
        ------
        OptionError
            If the format takes no columns, and some are named.
        """
        from kneebayes.scoring.score_file import score_file

        check_choice("format to score into", format, ("table", "fhir-ndjson"))
        check_number("chunk_rows", chunk_rows, whole=True, least=1)
        check_flags(quiet=quiet, redact=redact)
        keep, ignore = names_of("keep", keep), names_of("ignore", ignore)
        if format == "fhir-ndjson" and (columns is not None or keep):
            raise OptionError("format fhir-ndjson has no columns: columns and keep go with tables")
        return score_file(
            partial(self.score_table, keep=keep, thresholds=thresholds, intervals=intervals, draws=draws, seed=seed),
            self._coder,
            plain_path(source),
            plain_path(target, is_written=True),
            rejects=None if rejects is None else plain_path(rejects, is_written=True),
            keep=keep,
            ignore=ignore,
            columns=None if columns is None else names_of("columns", columns),
            chunk_rows=chunk_rows,
            progress=progress,
            quiet=quiet,
            as_fhir=format == "fhir-ndjson",
            redact=redact,
            mapping=mapping,
        )

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
            As for `score`. Each number of the model (some 360) takes as long as scoring twice.
        target : str, optional
            A cause, ``none_of_these``, or a state such as ``bakers_cyst_ruptured``; by default the cause of the alarm.
        keep, ignore : iterable of str
            Further columns, which are passed over.
        thresholds : Thresholds, optional
            When to warn; by default those of the model file.

        Returns
        -------
        pandas.DataFrame
            A row per number, by its place in the model file, the greatest mean swing first: ``p``, ``low``,
            ``high``; ``posterior_low`` and ``posterior_high``, the mean posterior with the number at the ends of
            its range; ``swing``, the mean distance of the two in a case, and ``largest_swing``; ``derivative``, its
            mean at p; ``leader_changes`` and ``alarm_changes``, the share of cases in which another cause leads, or
            the alarm is at another level, somewhere in the range; ``why``.

        Raises
        ------
        UnknownColumnError
            If a column is not accounted for.
        CaseError
            If a row can't be scored, or there are none.
        UnknownNameError
            If there is no such target.
        """
        from kneebayes.cases.frames import case_error, code_table, to_arrow
        from kneebayes.diagnosis.sensitivity import batch_sensitivity

        keep, ignore = names_of("keep", keep), names_of("ignore", ignore)
        table = to_arrow(frame, self._coder.columns)
        check_columns(self.file, table.column_names, keep=keep, ignore=ignore)
        coded = code_table(self._coder, table, ignore=ignore)
        assessed, problems = self.scorer.assess(coded, self._chosen(thresholds))
        if problems:
            raise case_error(frame, problems, "can't be scored")
        return batch_sensitivity(assessed, target or self.file.alarm.cause)

    def draft_mapping(self, frame: Any, *, examples: bool = False) -> str:
        """Draft what the columns and values of somebody's own table mean, to read, mend and give as ``mapping``.

        Parameters
        ----------
        frame : pandas, polars or pyarrow table
            As it comes from a clinic.
        examples : bool
            Add counts and examples of values: they are patients' data.

        Returns
        -------
        str
            YAML. What can't be told is ``unsure``, and no table is scored while that is left.

        Examples
        --------
        >>> import pandas as pd
        >>> from kneebayes import load_model
        >>> print(load_model().draft_mapping(pd.DataFrame({"Wadenschmerz": ["ja", "nein"]})).partition("columns:")[2])
        <BLANKLINE>
          Wadenschmerz:  # 2 filled
            variable: calf_pain
            values:
              ja: present
              nein: absent
        ignore: []
        """
        from kneebayes.cases.drafting import Drafter
        from kneebayes.cases.frames import to_arrow

        check_flags(examples=examples)
        names = to_arrow(frame, []).column_names
        return Drafter(self._coder).draft(to_arrow(frame, names), examples=examples).text

    def simulate(
        self,
        n: int,
        *,
        seed: int | np.random.Generator,
        missing: Shares = 0.3,
        missing_if: Mapping[str, Shares] | None = None,
        prevalence: Mapping[str, float] | None = None,
        with_causes: bool = False,
        label: bool = False,
        label_noise: float = 0.0,
        complaint: bool = True,
    ) -> pd.DataFrame:
        """Draw cases from the model.

        Parameters
        ----------
        n : int
            Number of cases.
        seed : int or numpy.random.Generator
            The same seed gives the same cases, and fewer of them are the first of more. ``missing`` empties cells
            and changes nothing else.
        missing : float or tuple of float
            Share of cells left empty, each by chance alone: one share for all, or one for risk factors and one for
            findings.
        missing_if : mapping of str to (float or tuple of float), optional
            The same for the cases in which a cause is present, as of people with a suspected clot more is asked;
            where several of them are, the least.
        prevalence : mapping of str to float, optional
            P(cause | the complaint alone) of some causes, as for `with_prevalence`.
        with_causes : bool
            Whether to add the drawn causes as ``true_<cause>``, never empty.
        label : bool
            Whether to add a leading cause as ``label``, one by chance of those that are there, or
            ``none_of_these``; and the others as ``also``, joined by ``;``.
        label_noise : float
            Share of labels that name another cause than is there; ``true_<cause>`` stays right.
        complaint : bool
            Whether to draw people with the complaint (the population of the model), rather than people with and
            without it.

        Returns
        -------
        pandas.DataFrame
            One case per row, in the form that `score` takes.

        Raises
        ------
        CaseError
            If ``n`` or a share is out of range.
        OptionError
            If ``seed`` is no whole number from 0 up.
        UnknownNameError
            If there is no such cause.
        ModelFileError
            If the complaint can't arise, or a prevalence can't be had.
        """
        from kneebayes.learn.simulate import frame_of, simulate_batches

        batches = simulate_batches(
            self.file,
            n,
            seed=seed,
            missing=missing,
            missing_if=missing_if,
            prevalence=prevalence,
            with_causes=with_causes,
            label=label,
            label_noise=label_noise,
            complaint=complaint,
        )
        return frame_of(batches)

    def with_prevalence(self, prevalence: Mapping[str, float], *, links: bool = False) -> Self:
        """Shift the model to the prevalences of another clinic; see `kneebayes.learn.prevalence`.

        Parameters
        ----------
        prevalence : mapping of str to float
            P(cause | the complaint alone), for some causes.
        links : bool
            Whether the links to these causes change with their leaks, so that their risk factors tell as much as
            before: right for people who were referred because of the cause.

        Returns
        -------
        Model
            With other leaks, or leaks and links, and otherwise as this one.

        Examples
        --------
        >>> model = load_model().with_prevalence({"dvt": 0.12, "meniscal_tear": 0.3})
        >>> round(model.diagnose({}).probabilities["dvt"], 9)
        0.12
        """
        from kneebayes.learn.prevalence import with_prevalence

        return type(self)(with_prevalence(self.file, prevalence, links=links))

    def plausible(self, *, seed: int) -> Self:
        """Draw all numbers anew from their plausible ranges; see `kneebayes.diagnosis.uncertainty`.

        Parameters
        ----------
        seed : int
            Of the draw.

        Returns
        -------
        Model
            A world in which the model is wrong as far as its ranges allow, to simulate from and to try the model on.

        Examples
        --------
        >>> cases = load_model().plausible(seed=1).simulate(10, seed=1)
        >>> len(load_model().score(cases))
        10
        """
        from kneebayes.diagnosis.uncertainty import plausible

        return type(self)(plausible(self.file, seed=seed))

    def fit(
        self,
        frame: Any,
        *,
        prior_weight: float = 1.0,
        risk_factors: bool = False,
        label: str = "label",
        ignore: Iterable[str] = (),
        max_steps: int = 300,
        tolerance: float = 1e-6,
        progress: bool | None = None,
        mapping: MappingLike | None = None,
    ) -> Self:
        """Let cases move the leaks, links and splits, the model's own numbers being the prior.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            Cases as for `score`; any cells and labels may be missing. A ``label`` (and ``also``) says that every
            other cause is absent, ``true_<cause>`` speaks of one cause.
        prior_weight : float
            How much more the model file counts than its ranges say; 0 for maximum likelihood.
        risk_factors : bool
            Whether to fit the priors of risk factors too.
        label : str
            The column of leading causes.
        ignore, mapping
            As for `score`.
        max_steps : int
            At most so many expectation steps.
        tolerance : float
            Stop once a step raises the log posterior by less than this per case.
        progress : bool, optional
            Whether to show a progress bar; by default if stderr is a terminal.

        Returns
        -------
        Model
            A model like any other; every fitted number says so. Its ``fit_report`` says how the fit went, and what
            moved.

        Raises
        ------
        OptionError
            If an option is out of range.
        UnknownColumnError
            If a column is not accounted for.
        CaseError
            If a row can't be read, or the model holds it impossible.
        """
        from kneebayes.learn.fit import fit

        file, report = fit(
            self.file,
            frame,
            prior_weight=prior_weight,
            risk_factors=risk_factors,
            label=label,
            ignore=ignore,
            max_steps=max_steps,
            tolerance=tolerance,
            progress=progress,
            mapping=mapping,
        )
        fitted = type(self)(file)
        fitted.fit_report = report
        return fitted

    def check(
        self,
        frame: Any,
        *,
        pairs: bool = True,
        labels: bool = True,
        least: int = 20,
        ignore: Iterable[str] = (),
        mapping: MappingLike | None = None,
    ) -> pd.DataFrame:
        r"""Compare the findings, and pairs of findings, of cases with what the model expects of them.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
            One case per row, not the ones that the model was fitted to: those it would judge too well.
        pairs : bool
            Whether to check pairs too.
        labels : bool
            Whether labels, where there are any, count as known.
        least : int
            Findings and pairs known in fewer cases are left out.
        ignore, mapping
            As for `score`.

        Returns
        -------
        pandas.DataFrame
            A row per finding, and per pair (``finding``, ``other``), the most misjudged first: ``cases`` in which
            it is known; ``observed`` and ``expected``, the share of them in which it (or both) is present, the
            latter given everything else known; ``z``, positive where there is more of it, or more dependence, than
            expected. Among m rows of a true model the largest \|z\| is about sqrt(2 log m).

        Raises
        ------
        OptionError
            If ``least`` is under 1.
        UnknownColumnError
            If a column is not accounted for.
        CaseError
            If a row can't be read, or the model holds it impossible.
        """
        from kneebayes.learn.check import check

        return check(self.network, frame, pairs=pairs, labels=labels, least=least, ignore=ignore, mapping=mapping)

    def plot_network(self, *, focus: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw risk factors, causes and findings.

        Parameters
        ----------
        focus, ax
            As for `kneebayes.plots.plot_network`.

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
        """Write the network for other programs.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to write.
        format : {"bif", "xmlbif", "net", "xdsl", "uai", "json"}, optional
            By default what the ending of the path says.

        Returns
        -------
        list of pathlib.Path
            The file, and its sidecar of labels where the format has no room for them.
        """
        from kneebayes.interop.exchange import export

        return export(self.file, path, format)

    def to_fhir_questionnaire(self, version: Version = "R5") -> Any:
        """Write the questions as a FHIR Questionnaire.

        Parameters
        ----------
        version : {"R5", "R4B"}
            Of FHIR.

        Returns
        -------
        fhir.resources Questionnaire
            A group per group of the model; ``linkId`` is the column of a case.
        """
        from kneebayes.interop.fhir import questionnaire

        return questionnaire(self.file, version)

    def case_from_fhir(self, response: object, version: Version = "R5") -> dict[str, object]:
        """Read a FHIR QuestionnaireResponse.

        Parameters
        ----------
        response : mapping, str, bytes or fhir.resources QuestionnaireResponse
            Answers to the Questionnaire of this model.
        version : {"R5", "R4B"}
            Of FHIR.

        Returns
        -------
        dict of str to object
            A case for `diagnose`. What was not answered is not in it.
        """
        from kneebayes.interop.fhir import read_response

        return read_response(response, self.file, version)


def load_model(model: str | Path | None = None) -> Model:
    """Load a model.

    Parameters
    ----------
    model : str or pathlib.Path, optional
        A path to a model file (anything that ends in .yaml or .yml), or the name of one that ships with kneebayes,
        such as ``extended``; by default the article's model.

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


def import_network(
    path: str | Path,
    format: str | None = None,
    *,
    labels: str | Path | None = None,
    causes: Collection[str] | None = None,
    complaint: str | None = None,
    absent: Mapping[str, str] | None = None,
    tolerance: float = 1e-9,
) -> Model:
    """Load a network that another program wrote.

    Parameters
    ----------
    path : str or pathlib.Path
        BIF, XMLBIF, NET, XDSL, UAI or JSON, by extension.
    format : str, optional
        By default what the ending of the path says.
    labels : str or pathlib.Path, optional
        The sidecar that `Model.export` wrote; by default ``FILE.labels.json``, if it is there. With it, what the
        network left unchanged is as it was, and what it changed keeps its words.
    causes : collection of str, optional
        Which nodes are the causes, where no sidecar says so; by default the parents of the nodes that have no children.
    complaint : str, optional
        The finding that is taken as present unless a case says otherwise, where no sidecar says so; by default
        nothing is.
    absent : mapping of str to str, optional
        By node, which of its states is absence, where no sidecar says so; ``{"*": "nein"}`` speaks of all other nodes
        that have such a state. By default the one called absent, no, false, negative, none, off or 0, else the first.
        The other states of a finding stand from least to most, or from most to least if absence stands last.
    tolerance : float, default 1e-9
        How far a column may miss 1, and a table be from a leaky noisy-OR or noisy-MAX: raise it for files of few
        digits.

    Returns
    -------
    Model
        Ready to diagnose and score; ``file.provenance`` says what could not be kept.

    Raises
    ------
    FileFormatError
        If the file can't be read, or its tables are no distributions.
    ModelFileError
        If the network is not risk factors -> causes -> findings with leaky noisy-ORs, or noisy-MAXs for findings.
    UnknownNameError
        If there is no such format, cause, complaint or state.
    OptionError
        If ``causes``, ``complaint`` or ``absent`` is given beside labels, which say that.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = load_model().export(f"{folder}/knee.net")
    ...     import_network(f"{folder}/knee.net").causes == load_model().causes
    True
    """
    from kneebayes.interop.exchange import import_model

    return Model(
        import_model(
            path, format, labels=labels, causes=causes, complaint=complaint, absent=absent, tolerance=tolerance
        )
    )


def score_file(
    source: str | Path,
    target: str | Path,
    *,
    model: Model | None = None,
    rejects: str | Path | None = None,
    keep: Iterable[str] = (),
    ignore: Iterable[str] = (),
    columns: Iterable[str] | None = None,
    thresholds: Thresholds | None = None,
    intervals: float | None = None,
    draws: int = 200,
    seed: int = 0,
    chunk_rows: int = 1 << 14,
    progress: bool | None = None,
    quiet: bool = False,
    format: Literal["table", "fhir-ndjson"] = "table",
    redact: bool = False,
    mapping: MappingLike | None = None,
) -> ScoreSummary:
    r"""Score a file of cases into another.

    Reading, scoring and writing overlap, and memory does not grow with the file, but for 8 bytes per ``case_id`` by
    which duplicates are found: the second and later rows with the same one are rejected, whether or not the first
    could be scored.

    Parameters
    ----------
    source : str or pathlib.Path
        CSV (UTF-8, commas, a header) or Parquet, by extension; .csv.gz and .csv.zst are compressed CSV; ``-`` is CSV
        from standard input. With the extra ``formats`` also .xlsx, .dta, .sav and .sas7bdat, which are read as a whole.
    target : str or pathlib.Path
        Likewise; ``-`` is CSV to standard output. A file appears, and replaces one that was there, only once all of
        it is written.
    model : Model, optional
        By default the article's model.
    rejects : str or pathlib.Path, optional
        CSV of the rows that are not scored: ``row`` (number of the data row, from 1; empty lines don't count),
        ``case_id``, ``column``, ``value``, ``reason``; a line for each reason.
    keep, ignore : iterable of str
        Further columns of the source to pass through, or to leave out.
    columns : iterable of str, optional
        Which columns to write, in this order, before those kept; by default all.
    thresholds : Thresholds, optional
        When to warn; by default those of the model file.
    intervals, draws, seed
        As for `Model.score`.
    chunk_rows : int
        About how many rows are scored at a time.
    progress : bool, optional
        Whether to show a progress bar on standard error; by default if that is a terminal.
    quiet : bool
        Never show one.
    format : {"table", "fhir-ndjson"}
        The second writes a FHIR Bundle a line, of two RiskAssessments (R5 or R4B alike); it takes neither
        ``columns`` nor ``keep``.
    redact : bool
        Leave ``case_id`` and ``value`` empty among the rejects, and say in ``reason`` only what is allowed.
    mapping : CaseMapping, mapping, str or pathlib.Path, optional
        How the file is to be read, and what its columns and values mean, where they are not those of the model: a
        mapping, or a dictionary or file of one; see `CaseMapping`.

    Returns
    -------
    ScoreSummary
        Rows read, scored and rejected.

    Raises
    ------
    FileFormatError
        If a file can't be read or written, or is not a table. Nothing is written then, and what was at ``target``
        stays.
    UnknownColumnError
        If a column is not accounted for, or ``columns`` names none of the output.
    KeyboardInterrupt
        If stopped; it says how many rows were read. Nothing is written.
    DefectError
        If something unexpected happened; it does not say what a case holds, as other errors don't either. Nothing
        is written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     cases = Path(folder, "cases.csv")
    ...     _ = cases.write_text("age,calf_pain\n67,yes\nold,no\n")
    ...     counts = score_file(cases, cases.with_name("posteriors.csv"))
    ...     counts.scored, counts.rejected
    (1, 1)
    """
    if model is not None:
        check_kind(model, "score_file", "kb.score_file(source, target, model=kb.load_model('extended'))")
    return (model or load_model()).score_file(
        source,
        target,
        rejects=rejects,
        keep=keep,
        ignore=ignore,
        columns=columns,
        thresholds=thresholds,
        intervals=intervals,
        draws=draws,
        seed=seed,
        chunk_rows=chunk_rows,
        progress=progress,
        quiet=quiet,
        format=format,
        redact=redact,
        mapping=mapping,
    )
