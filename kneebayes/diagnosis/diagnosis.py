"""One case: the result object that a person reads, and asks further."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kneebayes.diagnosis.alarm import Alarm, Assessment, Assessor, Thresholds
from kneebayes.diagnosis.wells import Points, points, points_line
from kneebayes.errors import UnknownNameError, names_of, nearest
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel, Posteriors, leading
from kneebayes.spec.model_spec import ModelSpec, packed, unpacked
from kneebayes.templates import percent, render

if TYPE_CHECKING:
    import pandas as pd

    from kneebayes.diagnosis.explanation import Explanation
    from kneebayes.diagnosis.uncertainty import Uncertainty
    from kneebayes.interop.fhir import Version
    from kneebayes.plots.case import CasePlots

BAR = 30
KEPT = 4  # models of diagnoses that come out of pickles
NONE = "none_of_these"


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """The posterior of each cause for one case, the alarm, and the reasons.

    Its methods say why, what to ask next, how sure, and which numbers matter.

    Attributes
    ----------
    assessment : Assessment
        What it is made from: evidence as codes, posteriors and alarm levels.
    evidence : dict of str to str
        What was known, as state names, the assumed complaint included.
    warnings : list of str
        What limits this result.
    amounts : dict of str to str
        What was given as a number, by variable, with its unit.
    """

    assessment: Assessment
    evidence: dict[str, str]
    warnings: list[str]
    amounts: dict[str, str]

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """P(cause is present | evidence) of every cause in model order, then P(none of them) as ``none_of_these``.

        Causes may coexist, so these do not add up to 1.
        """
        return dict(self._columns()[: len(self.model.causes) + 1])

    @cached_property
    def details(self) -> dict[str, float]:
        """P of the further states of causes that have more than two, such as ``bakers_cyst_ruptured``."""
        return dict(self._columns()[len(self.model.causes) + 1 :])

    @cached_property
    def alarm(self) -> Alarm:
        """Level, probability, reasons, open questions and advice."""
        return self.assessment.alarm()

    @cached_property
    def red_flags(self) -> list[str]:
        """Variables that are a reason to seek help, whatever the cause."""
        return self.assessment.red_flags()

    def _columns(self) -> list[tuple[str, float]]:
        posteriors = self.assessment.posteriors
        return list(zip(posteriors.columns, posteriors.values[0].tolist(), strict=True))

    @property
    def network(self) -> CompiledModel:
        """The compiled model that answered."""
        return self.assessment.assessor.network

    @property
    def model(self) -> ModelSpec:
        """The model file behind the answer."""
        return self.network.model

    @property
    def thresholds(self) -> Thresholds:
        """Of the alarm."""
        return self.assessment.thresholds

    @property
    def log_evidence(self) -> float:
        """Natural logarithm of P(evidence); of an unsure answer, in units of its largest likelihood."""
        return float(self.assessment.posteriors.log_evidence[0])

    @property
    def posterior(self) -> pd.Series[float]:
        """The probabilities as a pandas Series named ``posterior``."""
        import pandas as pd  # here, so that a diagnosis in a terminal need not wait for it

        return pd.Series(self.probabilities, name="posterior", dtype=float)

    @property
    def most_likely(self) -> str:
        """The cause with the highest posterior, or ``none_of_these``; of those that tie, the first in model order."""
        return list(self.probabilities)[leading(np.array(list(self.probabilities.values())))]

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """Causes and ``none_of_these`` with their posteriors, the likeliest first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])

    def __repr__(self) -> str:
        leading = f"{self.most_likely} {percent(self.probabilities[self.most_likely])}"
        return f"<diagnosis by {self.model.name} {self.model.version}: alarm {self.alarm.level}, {leading}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # the text of the model and the case, from which the rest is made anew: a compiled model has megabytes
        a = self.assessment
        case = (packed(self.model), a.evidence, a.posteriors, a.thresholds)
        return _unpickled, (*case, self.evidence, self.warnings, self.amounts)

    def __str__(self) -> str:
        known = ", ".join(f"{name}={state}" for name, state in self.evidence.items())
        counted = points_line(self.model, self.evidence)
        width = max(len(self.label(name)) for name in self.probabilities)
        lines = [
            f"{self.model.title} ({self.model.name} {self.model.version})",
            f"Known: {known or 'nothing'}",
            "",
            f"{self.model.alarm.cause.upper()} alarm: {self.alarm.level.upper()}".replace("_", " "),
            f"  {self.alarm.advice}",
            *(f"  - {reason}" for reason in self.alarm.reasons),
        ]
        lines += [counted] if counted else []
        if self.alarm.questions:
            lines += ["  Not answered:", *(f"    {self.model.askable[q].question}" for q in self.alarm.questions)]
        if self.red_flags:
            lines.append("Red flags: " + ", ".join(self.label(name) for name in self.red_flags))
        lines += ["", "Posterior (causes may coexist)"]
        for name, p in self.ranked:
            lines.append(f"  {self.label(name):<{width}}  {percent(p):>6}  {'█' * round(p * BAR)}".rstrip())
            lines += [f"    of which {word}: {percent(q)}" for word, q in self._states_of(name)]
        lines += ["", *(f"Warning: {warning}" for warning in self.warnings), self.model.disclaimer]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return render("diagnosis.html", dx=self)

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as what JSON has words for; ``kneebayes diagnose --json`` prints the same.

        Returns
        -------
        dict of str to object
            Model, evidence, posteriors, alarm with reasons, red flags, warnings and the disclaimer.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> load_model().diagnose({"unilateral_leg_swelling": True}).to_dict()["alarm"]["level"]
        'caution'
        """
        return {
            "model": self.model.name,
            "version": self.model.version,
            "evidence": self.evidence,
            "posterior": self.probabilities,
            "details": self.details,
            "most_likely": self.most_likely,
            "alarm": asdict(self.alarm),
            "red_flags": self.red_flags,
            "warnings": self.warnings,
            "disclaimer": self.model.disclaimer,
        }

    def to_frame(self) -> pd.DataFrame:
        """Give the posteriors as a table.

        Returns
        -------
        pandas.DataFrame
            A row per cause, ``none_of_these``, and further states such as ``bakers_cyst_ruptured``: ``label``,
            ``prior``, which is that of the complaint alone, and ``posterior``.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> load_model().diagnose({"unilateral_leg_swelling": True}).to_frame().columns.tolist()
        ['label', 'prior', 'posterior']
        """
        import pandas as pd

        values = {**self.probabilities, **self.details}
        before = self.network.priors()
        labels = [self.label(name) if name in self.probabilities else self.model.label_of(name) for name in values]
        columns = {"label": labels, "prior": [before[name] for name in values], "posterior": list(values.values())}
        return pd.DataFrame(columns, index=list(values))

    def text(self) -> str:
        """Write the case as a paragraph of plain text, to paste into a record.

        Returns
        -------
        str
            What was said, the alarm with its reasons, what is likeliest, what was not asked, and what it is not.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> text = load_model().diagnose({"unilateral_leg_swelling": True}).text()
        >>> text.split(". ")[0]
        'Reported: Pain behind the knee: yes; One lower leg swollen: yes'
        """
        likely = ", ".join(f"{self.label(name)} {percent(p)}" for name, p in self.ranked[:3])
        level = self.alarm.level.replace("_", " ").upper()
        said = [
            f"Reported: {'; '.join(self._told()) or 'nothing'}.",
            f"Alarm for {self.label(self.model.alarm.cause).lower()}: {level}: {'; '.join(self.alarm.reasons)}.",
            self.alarm.advice,
            f"Likeliest (causes may coexist): {likely}.",
        ]
        if line := points_line(self.model, self.evidence):
            said.append(f"{line}.")
        if self.red_flags:
            said.append(f"Red flags: {', '.join(self.label(name) for name in self.red_flags)}.")
        if self.alarm.questions:
            said.append(f"Not answered: {', '.join(self.label(name) for name in self.alarm.questions)}.")
        said += [f"{warning.rstrip('.')}." for warning in self.warnings]
        return " ".join([*said, f"By {self.model.name} {self.model.version}. {self.model.disclaimer}"])

    def report(self, path: str | Path, *, when: date | None = None) -> None:
        """Write the case as one page, which needs no network.

        It has what was said, the alarm with its reasons, what to ask, the posteriors with intervals, and the numbers
        that mattered most with their sources.

        Parameters
        ----------
        path : str or pathlib.Path
            Ends in .html, or in .pdf, which Chromium or Chrome prints where it is installed.
        when : datetime.date, optional
            The day it bears, by default today; with the same day, a page of the same case is the same.

        Raises
        ------
        FileFormatError
            If the name ends in something else, or the file can't be written. What was there stays.
        MissingExtraError
            If there is no browser to print a PDF.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from kneebayes.model import load_model
        >>> with TemporaryDirectory() as folder:
        ...     load_model().diagnose({"unilateral_leg_swelling": True}).report(f"{folder}/case.html")
        ...     "CAUTION" in Path(folder, "case.html").read_text(encoding="utf-8")
        True
        """
        from kneebayes.diagnosis.report import write_case_report

        write_case_report(self, path, when)

    def _told(self) -> list[str]:
        """Say in words what is known; of an amount both, as ``Age: 67 years (60 to 69)``."""
        told = []
        for name, said in self.evidence.items():
            label, words = self.label(name), said
            if said in self.model.askable[name].states:
                words = self.model.describe(name, said).removeprefix(f"{label}: ")
            amount = self.amounts.get(self.model.about(name))
            told.append(f"{label}: {amount} ({words})" if amount else f"{label}: {words}")
        return told

    def label(self, name: str) -> str:
        """Give the words for a variable, or a column that says part of one.

        Parameters
        ----------
        name : str
            Its name, or ``none_of_these``.

        Returns
        -------
        str
            Its label in the model file.

        Raises
        ------
        UnknownNameError
            If the model has no such name; with the nearest.
        """
        if name != NONE and str(name) not in self.model.askable:
            raise UnknownNameError(f"no variable '{name}'.{nearest(name, self.model.askable)}")
        return "None of these" if name == NONE else self.model.askable[name].label

    def _states_of(self, cause: str) -> list[tuple[str, float]]:
        states = self.model.causes[cause].states[2:] if cause in self.model.causes else ()
        return [(state, self.details[f"{cause}_{state}"]) for state in states]

    def explanation(self, target: str | None = None, *, orders: int = 500, seed: int = 0) -> Explanation:
        """Say which evidence moved a cause, and which other causes hold it down.

        Parameters
        ----------
        target : str, optional
            A cause, ``none_of_these``, or a state such as ``bakers_cyst_ruptured``; by default the cause of the alarm.
        orders : int, default 500
            Orders of the evidence to draw where more than 14 things are known; up to 14, shares are exact.
        seed : int, default 0
            Of that draw.

        Returns
        -------
        Explanation
            Prints as sentences.

        Raises
        ------
        UnknownNameError
            If there is no such target.
        """
        from kneebayes.diagnosis.explanation import explain

        target = self.model.alarm.cause if target is None else target
        return explain(self.network, self.assessment.evidence, target, orders=orders, seed=seed)

    def explanations(self, targets: Iterable[str] | None = None) -> list[Explanation]:
        """Explain several causes.

        Parameters
        ----------
        targets : iterable of str, optional
            By default the cause of the alarm, and what is most likely.

        Returns
        -------
        list of Explanation
            One for each.
        """
        targets = (self.model.alarm.cause, self.most_likely) if targets is None else targets
        return [self.explanation(target) for target in names_of("targets", targets)]

    def explain(self, target: str | None = None, *, orders: int = 500, seed: int = 0) -> pd.DataFrame:
        """Give the shares of the evidence in the change of a cause as a table.

        Parameters
        ----------
        target, orders, seed
            As for `explanation`.

        Returns
        -------
        pandas.DataFrame
            One row per thing known, the greatest share first. ``decibans`` are its Shapley share of the change of
            the log-odds from prior to posterior and add up to it; ``likelihood_ratio`` is the same as a factor of
            the odds; ``leave_one_out`` is what it adds to all the others, and ``without`` the posterior without it.
            The complaint is what the change starts from, where it is present. The ``attrs`` have prior, posterior,
            conflicts and what explains the target away.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> table = load_model().diagnose({"unilateral_leg_swelling": True, "age": 30}).explain("dvt")
        >>> table.index.tolist(), bool(table["decibans"].iloc[0] > 0)
        (['unilateral_leg_swelling', 'age'], True)
        >>> bool(abs(table["decibans"].sum() - table.attrs["change"]) < 1e-9)
        True
        """
        return self.explanation(target, orders=orders, seed=seed).frame()

    def next_questions(self, target: str | None = None, n: int | None = 5) -> pd.DataFrame:
        """Rank the open questions by what their answers would tell.

        Parameters
        ----------
        target : str, optional
            What to learn about, as for `explanation`; by default all causes together.
        n : int, optional
            At most how many questions; None for all.

        Returns
        -------
        pandas.DataFrame
            One row per question, the most information per cost first; see `kneebayes.diagnosis.questions.Question`
            for the columns.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> load_model().diagnose({"age": 67, "calf_pain": True}).next_questions("dvt", n=1).index.tolist()
        ['unilateral_leg_swelling']
        """
        from kneebayes.diagnosis.questions import open_questions, question_frame

        return question_frame(open_questions(self.assessment, target=target, n=n))

    def uncertainty(self, level: float = 0.9, *, draws: int = 1000, seed: int = 0) -> Uncertainty:
        """Say how sure the posteriors and the alarm are, given the plausible ranges of the model's numbers.

        Parameters
        ----------
        level : float, default 0.9
            Share of the draws within the intervals.
        draws : int, default 1000
            Plausible models to draw; see `kneebayes.diagnosis.uncertainty` for how.
        seed : int, default 0
            Of the draws.

        Returns
        -------
        Uncertainty
            Intervals, the share of draws at each alarm level, and whether the alarm is ``robust``; prints itself.

        Raises
        ------
        OptionError
            If level or draws are out of range.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> dx = load_model().diagnose({"breathlessness_chest_pain": True, "long_travel": True})
        >>> dx.uncertainty(draws=50).sentence
        'The alarm is robust: emergency in 100% of 50 plausible models.'
        """
        from kneebayes.diagnosis.uncertainty import uncertainty

        return uncertainty(self.assessment, level=level, draws=draws, seed=seed)

    def intervals(self, level: float = 0.9, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
        """Give an interval for every posterior as a table.

        Parameters
        ----------
        level, draws, seed
            As for `uncertainty`.

        Returns
        -------
        pandas.DataFrame
            ``posterior``, ``low``, ``high`` and the Monte Carlo errors of the two ends, ``low_error`` and
            ``high_error``, by cause. The ``attrs`` have ``alarm_shares``, ``robust`` and a ``sentence``.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> table = load_model().diagnose({"unilateral_leg_swelling": True}).intervals(0.9, draws=200)
        >>> bool(table.loc["dvt", "low"] < table.loc["dvt", "posterior"] < table.loc["dvt", "high"])
        True
        """
        return self.uncertainty(level, draws=draws, seed=seed).frame()

    def sensitivity(self, target: str | None = None, n: int | None = None) -> pd.DataFrame:
        """Say which numbers of the model the posterior of a target depends on.

        Parameters
        ----------
        target : str, optional
            As for `explanation`.
        n : int, optional
            At most how many numbers; by default all.

        Returns
        -------
        pandas.DataFrame
            A row per number, the greatest swing over its plausible range first. The posterior is (a + b t) / (c + d
            t) of the number t, exactly; see `kneebayes.diagnosis.sensitivity.Sensitivity.frame` for the columns.

        Raises
        ------
        UnknownNameError
            If there is no such target.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
        >>> dx.sensitivity("dvt", n=1).index[0]
        'causes.dvt.links.age.sixties'
        """
        from kneebayes.diagnosis.sensitivity import sensitivity

        target = self.model.alarm.cause if target is None else target
        return sensitivity(self.assessment, target).frame(n=n)

    def most_probable(self, n: int = 5) -> pd.DataFrame:
        """Find the most probable joint states of all causes, exactly.

        Parameters
        ----------
        n : int, default 5
            How many, from 1.

        Returns
        -------
        pandas.DataFrame
            One row each, the most probable first: ``present`` causes, ``probability`` that all of it holds,
            ``cumulative`` probability, and the state of every cause.

        Examples
        --------
        >>> from kneebayes.model import load_model
        >>> load_model().diagnose({"pop_at_injury": True, "knee_locking": True}).most_probable(1)["present"][0]
        'meniscal_tear'
        """
        from kneebayes.diagnosis.explanation import most_probable

        return most_probable(self.network, self.assessment.evidence, n)

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

    def to_fhir(
        self, *, patient: str, version: Version = "R5", basis: str | Iterable[str] = (), when: datetime | None = None
    ) -> Any:
        """Write the case as FHIR, R5 or R4B: a Bundle of two RiskAssessments, the causes and the alarm.

        Parameters
        ----------
        patient, version, basis, when
            As for `kneebayes.interop.fhir.diagnosis_bundle`.

        Returns
        -------
        fhir.resources Bundle
            Checked.
        """
        from kneebayes.interop.fhir import diagnosis_bundle

        return diagnosis_bundle(self, patient=patient, version=version, basis=basis, when=when)

    @property
    def plot(self) -> CasePlots:
        """The plots of this case: ``dx.plot()``, and those of `kneebayes.plots.case.CasePlots`."""
        from kneebayes.plots.case import CasePlots

        return CasePlots(self)


@lru_cache(maxsize=KEPT)
def _assessor(model: bytes) -> Assessor:
    return Assessor(CompiledModel(unpacked(model)))


def _unpickled(
    model: bytes, evidence: Evidence, posteriors: Posteriors, thresholds: Thresholds, *said: Any
) -> Diagnosis:
    """Make a diagnosis of its model and case; those of one model share what is compiled."""
    return Diagnosis(_assessor(model).assess(evidence, thresholds, posteriors=posteriors), *said)
