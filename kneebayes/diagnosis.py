"""One case: the result object that a person reads, and asks further."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kneebayes.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

    from kneebayes.explanation import Explanation
    from kneebayes.fhir import Version
    from kneebayes.gallery import CasePlots
    from kneebayes.uncertainty import Uncertainty

__all__ = ["Diagnosis"]


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Outcome):
    """The posterior of each cause for one case, the alarm, and the reasons.

    Its methods say why, what to ask next, how sure, and which numbers matter.

    Attributes
    ----------
    network : Network
        The compiled model that answered.
    codes : ndarray of int8, shape (variables, 1)
        What was known for sure.
    unsure : tuple of Unsure
        What was given as likelihoods.
    thresholds : Thresholds
        Of the alarm.
    evidence : dict of str to str
        What was known, as state names, the assumed complaint included.
    probabilities : dict of str to float
        P(cause is present | evidence) of every cause in model order, then
        P(none of them) as ``none_of_these``. Causes may coexist, so these do
        not add up to 1.
    details : dict of str to float
        P of the further states of causes that have more than two, such as
        ``bakers_cyst_ruptured``.
    alarm : Alarm
        Level, probability, reasons, open questions and advice.
    red_flags : list of str
        Variables that are a reason to seek help, whatever the cause.
    warnings : list of str
        What limits this result.
    log_evidence : float
        Natural logarithm of P(evidence).
    """

    def explanation(self, target: str | None = None, *, orders: int = 500, seed: int = 0) -> Explanation:
        """Say which evidence moved a cause, and which other causes hold it down.

        Parameters
        ----------
        target : str, optional
            A cause, ``none_of_these``, or a state such as
            ``bakers_cyst_ruptured``; by default the cause of the alarm.
        orders : int, default 500
            Orders of the evidence to draw where more than 14 things are known;
            up to 14, shares are exact.
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
        from kneebayes.explain import explain

        target = self.model.alarm.cause if target is None else target
        return explain(self.network, self.codes, self.unsure, target, orders=orders, seed=seed)

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
        return [self.explanation(target) for target in dict.fromkeys(targets)]

    def explain(self, target: str | None = None, *, orders: int = 500, seed: int = 0) -> pd.DataFrame:
        """Give the shares of the evidence in the change of a cause as a table.

        Parameters
        ----------
        target, orders, seed
            As for `explanation`.

        Returns
        -------
        pandas.DataFrame
            One row per piece of evidence, the greatest share first. ``decibans``
            are its Shapley share of the change of the log-odds from prior to
            posterior and add up to it; ``likelihood_ratio`` is the same as a
            factor of the odds; ``leave_one_out`` is what it adds to all the
            others, and ``without`` the posterior without it. The complaint is
            what the change starts from, no piece, where it is present. The
            ``attrs`` have prior, posterior, conflicts and what explains the
            target away.

        Examples
        --------
        >>> from kneebayes.api import load_model
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
            What to learn about, as for `explanation`; by default all causes
            together.
        n : int, optional
            At most how many questions; None for all.

        Returns
        -------
        pandas.DataFrame
            One row per question, the most information per cost first; see
            `kneebayes.questions.Question` for the columns.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> load_model().diagnose({"age": 67, "calf_pain": True}).next_questions("dvt", n=1).index.tolist()
        ['unilateral_leg_swelling']
        """
        from kneebayes.questions import open_questions, question_frame

        questions = open_questions(self.network, self.codes, self.unsure, self.thresholds, target=target)
        return question_frame(questions, n)

    def uncertainty(self, level: float = 0.9, *, draws: int = 1000, seed: int = 0) -> Uncertainty:
        """Say how sure the posteriors and the alarm are, given the plausible ranges of the model's numbers.

        Parameters
        ----------
        level : float, default 0.9
            Share of the draws within the intervals.
        draws : int, default 1000
            Plausible models to draw; see `kneebayes.draws` for how.
        seed : int, default 0
            Of the draws.

        Returns
        -------
        Uncertainty
            Intervals, the share of draws at each alarm level, and whether the
            alarm is ``robust``; prints itself.

        Raises
        ------
        OptionError
            If level or draws are out of range.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> dx = load_model().diagnose({"breathlessness_chest_pain": True, "long_travel": True})
        >>> dx.uncertainty(draws=50).sentence
        'The alarm is robust: emergency in 100% of 50 plausible models.'
        """
        from kneebayes.uncertainty import uncertainty

        return uncertainty(self.network, self.codes, self.unsure, self.thresholds, level=level, draws=draws, seed=seed)

    def intervals(self, level: float = 0.9, *, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
        """Give an interval for every posterior as a table.

        Parameters
        ----------
        level, draws, seed
            As for `uncertainty`.

        Returns
        -------
        pandas.DataFrame
            ``posterior``, ``low``, ``high`` and the Monte Carlo errors of the
            two ends, ``low_error`` and ``high_error``, by cause. The ``attrs``
            have ``alarm_shares``, ``robust`` and a ``sentence``.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> table = load_model().diagnose({"unilateral_leg_swelling": True}).intervals(0.9, draws=200)
        >>> bool(table.loc["dvt", "low"] < table.loc["dvt", "posterior"] < table.loc["dvt", "high"])
        True
        """
        return self.uncertainty(level, draws=draws, seed=seed).frame()

    def sensitivity(self, target: str | None = None, n: int | None = None) -> pd.DataFrame:
        """Say which numbers of the model the posterior of a target hangs on.

        Parameters
        ----------
        target : str, optional
            As for `explanation`.
        n : int, optional
            At most how many numbers; by default all.

        Returns
        -------
        pandas.DataFrame
            A row per number, the greatest swing over its plausible range
            first. The posterior is (a + b t) / (c + d t) of the number t,
            exactly; see `kneebayes.sensitivity.Sensitivity.frame` for the columns.

        Raises
        ------
        UnknownNameError
            If there is no such target.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> dx = load_model().diagnose({"unilateral_leg_swelling": True, "age": 67})
        >>> dx.sensitivity("dvt", n=1).index[0]
        'findings.unilateral_leg_swelling.leak'
        """
        from kneebayes.sensitivity import sensitivity

        target = self.model.alarm.cause if target is None else target
        return sensitivity(self.network, self.codes, self.unsure, self.thresholds, target).frame(n=n)

    def most_probable(self, n: int = 5) -> pd.DataFrame:
        """Find the most probable joint states of all causes, exactly.

        Parameters
        ----------
        n : int, default 5
            How many, from 1.

        Returns
        -------
        pandas.DataFrame
            One row each, the most probable first: ``present`` causes,
            ``probability`` that all of it holds, ``cumulative`` probability,
            and the state of every cause.

        Examples
        --------
        >>> from kneebayes.api import load_model
        >>> load_model().diagnose({"pop_at_injury": True, "knee_locking": True}).most_probable(1)["present"][0]
        'meniscal_tear'
        """
        from kneebayes.jointstates import most_probable, most_probable_frame

        return most_probable_frame(most_probable(self.network, self.codes, self.unsure, n=n))

    def to_fhir(self, *, patient: str, version: Version = "R5", **options: Any) -> Any:
        """Write the case as FHIR, R5 or R4B: a Bundle of two RiskAssessments, the causes and the alarm.

        Parameters
        ----------
        patient, version, **options
            As for `kneebayes.fhir.diagnosis_bundle`.

        Returns
        -------
        fhir.resources Bundle
            Checked.
        """
        from kneebayes.fhir import diagnosis_bundle

        return diagnosis_bundle(self, patient=patient, version=version, **options)

    @property
    def plot(self) -> CasePlots:
        """The plots of this case: ``dx.plot()``, and those of `kneebayes.gallery.CasePlots`."""
        from kneebayes.gallery import CasePlots

        return CasePlots(self)
