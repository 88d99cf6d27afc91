"""An evaluation of a model on labelled cases: how it is made, what it holds, and its report."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from kneebayes.atomic import plain_path, write_whole
from kneebayes.cases.coding import CASE_ID
from kneebayes.cases.frames import case_error, code_table, encode_column
from kneebayes.cases.labels import ALSO, LABEL, NONE, Labels, label_columns, read_labels
from kneebayes.cases.mapping import BoundMapping, Mapped, MappingLike, read_frame, repeated_ids, told_of
from kneebayes.cases.problems import refused_rows, rows_of_no_case
from kneebayes.diagnosis.alarm import Thresholds
from kneebayes.diagnosis.wells import ScoreSheet, read_sheet
from kneebayes.errors import (
    CaseError,
    FileFormatError,
    OptionError,
    check_choice,
    check_flags,
    check_kind,
    check_number,
    names_of,
)
from kneebayes.evaluation import metrics
from kneebayes.evaluation.comparators import (
    Comparator,
    alarm_levels,
    any_symptom,
    cross_validated,
    distinct,
    model_comparator,
    sheet_score,
)
from kneebayes.plots.cohort import plot_calibration, plot_decision_curve, plot_roc
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.model_spec import LEVELS, NOT_EVIDENCE_PREFIX, ModelSpec
from kneebayes.templates import percent, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kneebayes.cases.problems import Problem
    from kneebayes.model import Model
    from kneebayes.plots.cohort import EvaluationPlots

MAX_RESAMPLES, MIN_RESAMPLES, DRAWS = 1000, 100, 1_000_000
SECTIONS = ("top", "causes", "calibration", "confusion", "alarm", "missed", "decision", "comparison")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How a model did on labelled cases; see `evaluate`.

    A column ``x`` of a table stands with ``x_low`` and ``x_high``, the limits of its 95 % interval, where it has one.

    Attributes
    ----------
    model : ModelSpec
        What was evaluated.
    thresholds : Thresholds
        When the alarm warns.
    n_read, n_rejected, n_unlabelled : int
        Rows that are cases, those that could not be scored, and those without any label.
    predictions, truth : pandas.DataFrame
        Probability of each cause and of ``none_of_these``, and whether it was
        there (1, 0, NaN where not known), one row per case evaluated.
    levels : pandas.Series
        Alarm level of each case.
    top : pandas.DataFrame
        By k: in how many cases one of the k likeliest is right.
    causes : pandas.DataFrame
        By cause: ``auc`` and ``average_precision``; ``brier`` = ``reliability`` - ``resolution`` + ``uncertainty``
        (Murphy 1973) + ``within_bins``, which is what the bins lose; ``log_loss``; ``calibration_intercept`` and
        ``calibration_slope`` of the logistic recalibration (0 and 1 are perfect); ``calibration_error``, the expected
        calibration error. NaN where the cases don't define a figure; no interval where fewer than 10 cases have the
        cause, or fewer than 10 have it not.
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
    given : tuple of str
        Causes that were given as evidence: of them this is no test.
    notes : list of str
        What limits these figures; where causes were given, that first.
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
    given: tuple[str, ...]
    notes: list[str]
    bootstrap: int
    seed: int
    problems: list[Problem]

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

    @property
    def _warns(self) -> bool:
        """Whether the model has an alarm: an imported network has none, neither by probability nor by a rule."""
        return self.thresholds.caution < 1 or bool(self.model.alarm.rules)

    def __repr__(self) -> str:
        return f"<evaluation of {self.model.name} {self.model.version}: {self.counts}>"

    def __str__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return render("report/body.html", **_content(self), plots=None)

    @property
    def table(self) -> pd.DataFrame:
        """Every figure on a row of its own: section, name, metric, value, low, high, text."""
        rows = []
        for section in SECTIONS:
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
        return _written(self.table.to_csv(index=False), path)

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
            "thresholds": asdict(self.thresholds),
            "bootstrap": self.bootstrap,
            "seed": self.seed,
            **{name: getattr(self, name).reset_index().to_dict("records") for name in SECTIONS if name != "confusion"},
            "confusion": self.confusion.to_dict("index"),
            "notes": self.notes,
            "problems": [f"{p.place}: {p.plain}" for p in self.problems],
            "disclaimer": self.model.disclaimer,
        }
        text = json.dumps(_plain(content), indent=2, ensure_ascii=False)
        return _written(text, path, end="\n")

    def report(self, path: str | Path) -> None:
        """Write one HTML file with tables and plots, which needs no network.

        Parameters
        ----------
        path : str or pathlib.Path
            Where to.

        Raises
        ------
        FileFormatError
            If its name does not end in .html or .htm, or it can't be written. What was there stays.
        """
        check_report(path)
        write_whole(str(path), render("report/page.html", **_content(self), plots=_plots(self)))


def _written(text: str, path: str | Path | None, *, end: str = "") -> str | None:
    if path is None:
        return text
    write_whole(str(path), text + end)
    return None


def _plain(value: Any) -> Any:
    """Make plain Python of NumPy's numbers, and None of those that JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    model: Model,
    frame: Any,
    *,
    label: str = LABEL,
    thresholds: Thresholds | None = None,
    baselines: bool = False,
    against: Sequence[Model] | Mapping[str, Model] = (),
    ignore: Iterable[str] = (),
    bootstrap: int | None = None,
    seed: int = 0,
    errors: Literal["raise", "null"] = "raise",
    mapping: MappingLike | None = None,
    outcome_columns: Iterable[str] = (),
) -> Evaluation:
    """Measure a model on labelled cases.

    Parameters
    ----------
    model : Model
        What to evaluate.
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        Cases as for `Model.score`, with a column of leading causes (and ``also``, further ones joined by ``;``), or a
        column ``true_<cause>`` of states for each cause, of which cells may be empty, or both.
    label : str, default "label"
        The column of leading causes: names of causes, or ``none_of_these``. A cause that neither it nor ``also`` names
        is taken as absent, unless ``true_<cause>`` says otherwise.
    thresholds : Thresholds, optional
        When the alarm warns; by default those of the model file.
    baselines : bool
        Whether to compare with the Wells score, the rule of any symptom or red flag, and naive Bayes and logistic
        regression fitted by cross-validation where the cases are enough.
    against : sequence of Model, or mapping of str to Model
        Further models to compare with, called as the mapping calls them, or by the name and version of their files.
    ignore : iterable of str
        Columns to leave out, labels too.
    bootstrap : int, optional
        Resamples behind the intervals, 0 for none; by default 1000, and down
        to 100 where there are more than 1000 cases.
    seed : int
        Of the resamples and of the folds.
    errors : {"raise", "null"}
        Whether a row whose evidence or label can't be read raises, or is left out and listed in ``problems``.
    mapping : CaseMapping, mapping, str or pathlib.Path, optional
        What the columns and values mean, as for `Model.score`.
    outcome_columns : iterable of str
        Causes whose columns, of their very names, hold what came out, as ``true_<cause>`` does, and are no evidence.

    Returns
    -------
    Evaluation
        Tables that print, write themselves as CSV, JSON and HTML, and plot.

    Raises
    ------
    UnknownColumnError
        If a column is not accounted for, or there are no labels.
    CaseError
        If a row can't be read, or no row has a label.
    UnknownNameError
        If ``errors`` is neither.
    OptionError
        If the model is none, ``ignore`` is a text, or a model is to be called what a line of the decision curves is.

    Examples
    --------
    >>> import kneebayes as kb
    >>> model = kb.load_model()
    >>> cases = model.simulate(200, seed=1, with_causes=True)
    >>> result = evaluate(model, cases, bootstrap=0)
    >>> result.n_cases, bool(result.causes.loc["dvt", "auc"] > 0.5)
    (200, True)
    """
    check_kind(model, "score_table", "kb.evaluate(model, cases)")
    check_number("seed", seed, whole=True, least=0)
    check_choice("way to treat errors", errors, ("raise", "null"))
    check_flags(baselines=baselines)
    check_kind(label, "casefold", "kb.evaluate(model, cases, label='diagnosis')")
    if bootstrap is not None:
        check_number("bootstrap", bootstrap, whole=True, least=0)
    called, ignore = [("", model), *_called(against)], names_of("ignore", ignore)
    models, sheet = [other for _, other in called], read_sheet() if baselines else None
    known = [column for m in models for column in m.scorer.coder.columns] + list(sheet.columns if sheet else ())
    outcomes = names_of("outcome_columns", outcome_columns)
    wanted = [*known, label, ALSO, *(f"{NOT_EVIDENCE_PREFIX}{cause}" for cause in model.file.causes), CASE_ID]
    read, bound = read_frame(
        model.scorer.coder, frame, mapping, wanted, ignore=ignore, further=[*known, label], outcomes=outcomes
    )
    cases = _Labelled(models, read, bound, label=label, ignore=ignore, known=known, thresholds=thresholds)
    if cases.problems and errors == "raise":
        raise case_error(frame, cases.problems, "can't be evaluated; errors='null' leaves them out")
    if not len(cases.used):
        refused = f"; {cases.problems[0].place} is refused: {cases.problems[0].plain}" if cases.problems else ""
        raise CaseError(f"none of {len(read.table)} rows has a label and can be scored: nothing to evaluate{refused}")
    thresholds = Thresholds.of(model.file) if thresholds is None else thresholds
    compared = _compared(called, cases, sheet, thresholds.caution, seed)
    times = min(MAX_RESAMPLES, max(MIN_RESAMPLES, DRAWS // len(cases.used))) if bootstrap is None else bootstrap
    return Evaluation(
        model=model.file,
        thresholds=thresholds,
        n_read=cases.n_read,
        n_rejected=cases.n_rejected,
        n_unlabelled=cases.n_read - cases.n_rejected - len(cases.used),
        rankings={other.name: other.score for other in compared if other.score is not None},
        given=cases.given,
        notes=_notes(cases.labels, cases.given, cases.scores[0], compared[1:], told_of(bound.others)),
        bootstrap=times,
        seed=seed,
        problems=cases.problems,
        **_tables(model, cases, compared, cases.names(frame), thresholds, times, seed),
    )


def _compared(
    called: Sequence[tuple[str, Model]], cases: _Labelled, sheet: ScoreSheet | None, caution: float, seed: int
) -> list[Comparator]:
    """Take the answers of the models, called by these names where they have some, and of the baselines."""
    model, scores = called[0][1], cases.scores
    compared = [model_comparator(m, s, cases.used, cases.cause, n) for (n, m), s in zip(called, scores, strict=True)]
    if sheet is not None:
        codes = code_table(model.scorer.coder, cases.table, ignore=cases.no_evidence).evidence.hardened()
        compared += [sheet_score(sheet, cases.table), any_symptom(model.assessor, codes)]
        compared += cross_validated(model.file, codes, cases.labels, threshold=caution, seed=seed)
    return distinct(compared)


class _Labelled:
    """The cases of a frame that have a label and that all models can score, and what is wrong with the others.

    ``table`` and ``labels`` are of these cases, ``used`` their places in the frame, ``scores`` of its rows by model;
    ``given`` are the causes among the evidence, ``no_evidence`` the columns that the first model is not told, and
    ``cause`` is that of its alarm.
    """

    def __init__(
        self,
        models: Sequence[Model],
        read: Mapped,
        bound: BoundMapping,
        *,
        label: str,
        ignore: list[str],
        known: list[str],
        thresholds: Thresholds | None,
    ) -> None:
        file, table = models[0].file, read.table
        self.cause = file.alarm.cause
        labelled = label_columns(file, table.column_names, label)
        labels = read_labels(file, table.select(labelled), label)
        self.no_evidence = [*ignore, *labelled]
        self.scores = []
        for model in models:  # what only another knows is no evidence to it
            foreign = set(known).difference(model.scorer.coder.columns)
            self.scores.append(model.score_table(table, ignore=[*self.no_evidence, *foreign], thresholds=thresholds))
        no_cases = rows_of_no_case(read.problems)
        found = [*repeated_ids(read), *labels.problems, *(p for scored in self.scores for p in scored.problems)]
        found = [problem for problem in (*read.problems, *map(bound.named, found)) if problem.row not in no_cases]
        self.problems = sorted(found, key=lambda problem: problem.row)
        rejected = refused_rows(self.problems, table.num_rows)
        self.n_read, self.n_rejected = table.num_rows - len(no_cases), int(rejected.sum())
        rejected[list(no_cases)] = True
        self.used = np.flatnonzero(~rejected & labels.any_known)
        self.table = table.take(pa.array(self.used))
        known_causes = [name for name in file.causes if name in table.column_names and name not in ignore]
        self.given = tuple(name for name in known_causes if (encode_column(self.table[name]).index >= 0).any())
        self.labels = Labels(labels.targets, labels.present[self.used], labels.leading[self.used], [])

    def names(self, frame: Any) -> pd.Index[Any]:
        """Name the cases as their case_ids do, else as the index of the frame does, else by their places."""
        index = getattr(frame, "index", None)
        own = list(index[self.used]) if isinstance(index, pd.Index) else self.used.tolist()
        with_ids = CASE_ID in self.table.column_names
        return pd.Index(self.table[CASE_ID].to_pylist() if with_ids else own, name=CASE_ID)


def _tables(
    model: Model,
    cases: _Labelled,
    compared: list[Comparator],
    index: pd.Index[Any],
    thresholds: Thresholds,
    times: int,
    seed: int,
) -> dict[str, Any]:
    """Make the tables of an evaluation, by attribute; the model comes first among those compared."""
    labels, cause, levels = cases.labels, cases.cause, alarm_levels(model, cases.scores[0], cases.used)
    targets, place = list(labels.targets), labels.targets.index(cause)
    p = np.column_stack([compared[0].probabilities[target] for target in targets])
    known = labels.present[:, place] >= 0
    truth = labels.present[known, place] == 1
    names = pd.Series(np.array(LEVELS)[levels], index=index, name="alarm", dtype=str)
    leading = [targets[i] if i >= 0 else "" for i in labels.leading]
    missed = pd.DataFrame({"leading": leading, "probability": p[:, place], "alarm": names.tolist()}, index=index)
    acted = thresholds.caution, thresholds.urgent
    return {
        "predictions": pd.DataFrame(p, index=index, columns=targets),
        "truth": pd.DataFrame(labels.present, index=index, columns=targets).astype(float).replace(-1, np.nan),
        "levels": names,
        "top": metrics.top_table(p, labels),
        "causes": metrics.cause_table(p, labels, times, seed),
        "calibration": metrics.bin_table(p, labels),
        "confusion": metrics.confusion_table(p, labels),
        "alarm": metrics.alarm_table(truth, levels[known]),
        "missed": missed[(labels.present[:, place] == 1) & (levels < LEVELS.index("caution"))],
        "decision": metrics.decision_table(truth, p[known, place], compared[1:], known, acted, cause, times, seed),
        "comparison": metrics.comparison_table(compared, labels, known, cause, thresholds.caution, times, seed),
    }


def _called(against: Sequence[Model] | Mapping[str, Model]) -> list[tuple[str, Model]]:
    """Name the models to compare with; empty where their files do."""
    if isinstance(against, str) or not isinstance(against, Iterable):
        against = [against]  # refused as no list of models, below
    for other in against.values() if isinstance(against, Mapping) else against:
        check_kind(other, "score_table", "kb.evaluate(model, cases, against=[kb.load_model('extended')])")
    if not isinstance(against, Mapping):
        return [("", other) for other in against]
    taken = [name for name in against if name in metrics.DECISION_COLUMNS]
    if taken:
        raise OptionError(f"against: no model can be called '{taken[0]}': decision curves have a line of that name")
    return list(against.items())


def _notes(
    labels: Labels, given: tuple[str, ...], scored: Scored, others: list[Comparator], told: Iterable[str]
) -> list[str]:
    notes = []
    if given:
        notes.append(
            f"causes were given as evidence, so this is no blind test of: {', '.join(given)}. If their columns hold "
            "what came out, name them as outcome columns (--outcome-columns)"
        )
    notes += told
    notes += [f"{warning} ({rows} rows)" for warning, rows in scored.warnings.items()]
    told_of = (labels.present >= 0).sum(axis=0).tolist()
    untold = [target for target, n in zip(labels.targets, told_of, strict=True) if not n]
    if untold:
        notes.append(f"no case says of these whether they were there, so that they are left out: {', '.join(untold)}")
    least = metrics.MIN_CASES
    for words, state in (("", 1), (" without the cause", 0)):
        counts = zip(labels.targets, (labels.present == state).sum(axis=0).tolist(), strict=True)
        few = [f"{target} ({n})" for target, n in counts if n < least and target not in untold]
        if few:
            notes.append(
                f"under {least} cases{words}, so that figures are anecdotes, and too few to resample for an interval: "
                f"{', '.join(few)}"
            )
    partly = int((~labels.all_known).sum())
    if partly:
        notes.append(f"{partly} cases have causes of which nothing is known: they don't count in top-1 and top-3")
    # a note that several share stands once
    texts = dict.fromkeys(other.note for other in others if other.note)
    return notes + [f"{', '.join(other.name for other in others if other.note == text)}: {text}" for text in texts]


CONFUSION = "Leading cause (rows) and most likely cause (columns), in cases"
WORDS = {  # of columns that are not called in the report as in the tables
    "n": "of",
    "auc": "AUC",
    "auc_difference": "AUC less the model's",
    "average_precision": "avg. precision",
    "brier": "Brier",
    "calibration_error": "ECE",
    "calibration_intercept": "intercept",
    "calibration_slope": "slope",
    "mean_log_loss": "log loss, mean of causes",
    "net_benefit": "net benefit at caution",
    "npv": "NPV",
    "ppv": "PPV",
    "top_1": "top-1",
    "top_3": "top-3",
}
MAX_PAIRS = 10
RATES = ("sensitivity", "specificity", "ppv", "npv")
COLUMNS = 5  # of small calibration plots


def _sections(evaluation: Evaluation, cause: str) -> dict[str, pd.DataFrame]:
    """Give the tables to read, with numbers as text, by heading, in the order to read them; ``cause`` is the alarm's.

    The last, of cases that were missed, may have no rows.
    """
    causes, compared = evaluation.causes[evaluation.causes["n"] > 0], evaluation.comparison
    top = evaluation.top[evaluation.top["n"] > 0]
    found = {
        "Leading causes": pd.DataFrame(
            {"share right": _with_interval(top, "share"), "right": top["right"], "of": top["n"]}
        ),
        "Causes": _columns(causes, ("auc", "average_precision", "brier", "log_loss"), counts=("cases", "n")),
        "Calibration (perfect: intercept 0, slope 1, ECE 0)": _columns(
            causes, ("calibration_intercept", "calibration_slope", "calibration_error"), counts=("cases", "n")
        ),
        "Brier score = reliability - resolution + uncertainty + what is lost within bins": _columns(
            causes, ("brier", "reliability", "resolution", "uncertainty", "within_bins"), digits=4
        ),
    }
    if evaluation._warns:
        alarm = _columns(evaluation.alarm, RATES, counts=("true_alarms", "false_alarms"))
        found[f"Alarm for {cause}, at each level or above"] = alarm
    thresholds = dict.fromkeys([evaluation.thresholds.caution, evaluation.thresholds.urgent])
    acted = [threshold for threshold in thresholds if threshold in evaluation.decision.index]  # at 1 nobody acts
    if acted:
        benefit = _columns(evaluation.decision.loc[acted], ("model", "treat_all", "treat_none"), digits=3)
        heading = f"Net benefit of acting on P({cause}) from a threshold on"
        found[heading] = benefit.set_axis([f"{threshold:.3g}" for threshold in acted], axis=0)
    if len(compared) > 1:
        found[f"Compared on {cause}"] = _columns(compared, (*RATES, "auc", "auc_difference"))
        found[f"Compared on {cause}, and on all causes"] = _columns(
            compared, ("net_benefit", "log_loss", "mean_log_loss", "top_1", "top_3"), digits=3
        )
    if evaluation.confusion.size:
        found[CONFUSION] = evaluation.confusion
    found = {heading: table for heading, table in found.items() if len(table)}
    if evaluation._warns:
        n_missed = len(evaluation.missed) or "none"
        missed = evaluation.missed.assign(probability=evaluation.missed["probability"].map(percent))
        found[f"Cases of {cause} missed, with the alarm below caution: {n_missed}"] = missed
    return found


def _text(evaluation: Evaluation) -> str:
    """Write an evaluation for a terminal."""
    lines = [f"Evaluation of {evaluation.title}", evaluation.counts]
    first = len(evaluation.given[:1])
    lines += [f"Note: {note}" for note in evaluation.notes[:first]]
    for heading, table in _sections(evaluation, evaluation.alarm_cause).items():
        if heading == CONFUSION:  # too wide for a terminal
            lines += ["", "Leading cause taken for another (which may be present too)", *_mistakes(evaluation)]
        else:
            lines += ["", heading, *([table.to_string()] if len(table) else [])]
    if evaluation.bootstrap:
        lines += ["", f"In brackets: 95 % intervals, Wilson's for shares, else of {evaluation.bootstrap} resamples."]
    return "\n".join([*lines, *(f"Note: {note}" for note in evaluation.notes[first:]), evaluation.model.disclaimer])


def _mistakes(evaluation: Evaluation) -> list[str]:
    """Say in a line each which leading cause was taken for which other, the most frequent first."""
    pairs = [
        (int(n), f"  {true} taken for {said}: {int(n)}")
        for true, row in evaluation.confusion.iterrows()
        for said, n in row.items()
        if n and true != said
    ]
    lines = [line for _, line in sorted(pairs, key=lambda pair: -pair[0])]
    more = [f"  and {len(lines) - MAX_PAIRS} further pairs"] if len(lines) > MAX_PAIRS else []
    return [*lines[:MAX_PAIRS], *more] or ["  never"]


def _with_interval(frame: pd.DataFrame, name: str, digits: int = 2) -> list[str]:
    """Write a column with its interval in brackets, where it has one; a dash where it is not defined."""
    texts = []
    for _, row in frame.iterrows():
        value, low, high = (row.get(column, math.nan) for column in (name, f"{name}_low", f"{name}_high"))
        text = "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
        texts.append(f"{text} ({low:.{digits}f} to {high:.{digits}f})" if text != "-" and math.isfinite(low) else text)
    return texts


def _columns(
    frame: pd.DataFrame, names: tuple[str, ...], *, counts: tuple[str, ...] = (), digits: int = 2
) -> pd.DataFrame:
    columns = {name: frame[name].tolist() for name in counts}
    columns |= {name: _with_interval(frame, name, digits) for name in names}
    return pd.DataFrame(columns, index=frame.index).rename(columns=lambda name: WORDS.get(name, name.replace("_", " ")))


def check_report(path: str | Path) -> None:
    """Refuse a name that a browser would not open as a report."""
    if Path(plain_path(path)).suffix.lower() not in (".html", ".htm"):
        raise FileFormatError(f"report {str(path)!r}: a report is HTML; give a name that ends in .html")


def _plots(evaluation: Evaluation) -> dict[str, object]:
    """Draw what a report shows."""
    from matplotlib.figure import Figure

    pair = []
    for draw, alt in ((plot_roc, "ROC curves"), (plot_decision_curve, "Decision curves")):
        figure = Figure(figsize=(6, 5), layout="constrained")
        draw(evaluation, ax=figure.subplots())
        pair.append((_svg(figure, alt), alt))
    names = list(evaluation.causes.index[evaluation.causes["n"] > 0])
    n_rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(2.7 * COLUMNS, 2.9 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, COLUMNS, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        plot_calibration(evaluation, cause=name, ax=ax)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    return {"pair": pair, "calibration": (_svg(figure, alt := "Calibration of each cause"), alt)}


def _content(evaluation: Evaluation) -> dict[str, object]:
    """Give what the templates show."""
    labels = {name: node.label for name, node in evaluation.model.causes.items()}
    labels |= {name: name.replace("_", " ") for name in (NONE, *LEVELS)}
    sections = []
    for heading, table in _sections(evaluation, labels[evaluation.alarm_cause]).items():
        words = table.rename(index={} if table.index.name == CASE_ID else labels, columns=labels)
        sections.append((heading, words, "narrow" if heading == CONFUSION else ""))
    rules = {str(name): rule for name, rule in evaluation.comparison["rule"].items() if rule}
    return {"evaluation": evaluation, "sections": sections, "rules": rules if len(rules) > 1 else {}}


def _svg(figure: Figure, alt: str) -> str:
    """Draw a figure as SVG in base64: in an img of its own, the ids of several don't meet."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": alt}):  # the same file from the same figures
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return base64.b64encode(stream.getvalue()).decode("ascii")
