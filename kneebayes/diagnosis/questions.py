"""What to ask next: how much the answer to every open question would tell.

A question is a finding or risk factor, or a column that says part of one, that has no answer yet and more than one
possible. Everything is exact: the causes' joint posterior is computed for every answer that may come. With that to a
finding it follows from the one of now, as a finding depends on the causes alone; with that to a risk factor it takes
the whole way, for every answer but the first, to which the law of total probability leaves the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.diagnosis.alarm import Assessment, column_of
from kneebayes.errors import check_number
from kneebayes.inference.evidence import UNKNOWN, Evidence, Floats
from kneebayes.inference.network import CompiledModel, Posteriors, leading

if TYPE_CHECKING:
    import pandas as pd

MAX_WEIGHED = 1 << 18  # joint states of the answers that are weighed at once: 2 MB an array stay in a core's cache
MIN_LEFT = 0.01  # of P(evidence) that other answers must leave to tell of the first without losing digits
DIGITS = 12  # of a net benefit: what is further down is rounding, and no benefit


@dataclass(frozen=True)
class Question:
    """An open question, and what its answer is worth.

    Attributes
    ----------
    variable, question : str
        What would be known (a variable, or a column that says part of one), and how to ask a person for it.
    key : bool
        Whether the alarm needs it answered.
    gain : float
        Expected information gain, in bits: the mutual information of the answer and the target, given what is
        known.
    cost : float
        Of asking, by the model file; 1 where it sets none.
    gain_per_cost : float
        The quotient, by which questions are ranked.
    alarm_change : float
        Probability that the answer changes the level of the alarm.
    top_change : float
        Probability that the answer changes what is most likely.
    net_benefit : float
        Expected gain in net benefit, as in decision curve analysis: true alarms per case, false ones deducted at
        the odds of the caution threshold, that is by the harms. It takes the best action by probability alone; the
        rules of the alarm come on top.
    answers : dict of str to float
        P(answer | what is known) of every state.
    """

    variable: str
    question: str
    key: bool
    gain: float
    cost: float
    gain_per_cost: float
    alarm_change: float
    top_change: float
    net_benefit: float
    answers: dict[str, float]


class _Answer(NamedTuple):
    """An answer to what is asked, and the code of the variable that it leaves."""

    asked: str
    answer: str
    code: int


def open_questions(
    assessed: Assessment, *, target: str | None = None, n: int | None = None, keys_first: bool = False
) -> list[Question]:
    """Weigh the open questions of one case, the most gain per cost first, ties in model order; a soft answer is one.

    The target is a column of the posteriors, by default the joint state of all causes. With ``keys_first``, key
    questions come before all others, those first that may change the alarm, which is worked out for the first n only.
    """
    if n is not None:
        check_number("n", n, whole=True, least=0)
    column = None if target is None else column_of(assessed.assessor.network, target)
    weighing = _Weighing(assessed, column)
    questions = sorted(weighing.questions(), key=lambda question: -question.gain_per_cost)
    if not keys_first:
        return weighing.with_alarms(questions[:n])
    first = weighing.with_alarms([question for question in questions if question.key])
    first.sort(key=lambda question: -question.alarm_change)
    rest = [question for question in questions if not question.key]
    return first[:n] + weighing.with_alarms(rest if n is None else rest[: max(0, n - len(first))])


class _Weighing:
    """The answers that may come in one case, and what each would tell."""

    def __init__(self, assessed: Assessment, column: int | None) -> None:
        self.assessed, self.answers = assessed, _answers(assessed)
        network, evidence, answers = assessed.assessor.network, assessed.evidence, self.answers
        owner = np.array([network.variables.index(network.model.about(a.asked)) for a in answers], dtype=np.intp)
        self._trial = evidence[np.zeros(len(owner), dtype=np.intp)]  # with each answer
        self._trial.codes[owner, np.arange(len(owner))] = [answer.code for answer in answers]
        self.before = assessed.posteriors.values[0]
        unit = float(assessed.posteriors.log_evidence[0])
        self.after, self.chance, moved = _weighed(network, evidence, self._trial, owner, unit)
        if column is None:
            self.gain = self.chance * moved
        else:
            sides, prior = self.after[:, [column]], self.before[column]
            self.gain = self.chance * _divergence(np.hstack([sides, 1.0 - sides]), np.array([prior, 1.0 - prior]))
        self._places = {
            name: np.array([i for i, a in enumerate(answers) if a.asked == name and self.chance[i] > 0], dtype=np.intp)
            for name in dict.fromkeys(answer.asked for answer in answers)
        }

    def questions(self) -> Iterator[Question]:
        """Make what has several possible answers into questions, of which the alarm is not worked out yet."""
        assessor, threshold = self.assessed.assessor, self.assessed.thresholds.caution
        model = assessor.model
        ranked = len(model.causes) + 1
        top = (leading(self.after[:, :ranked]) != leading(self.before[:ranked])) * self.chance
        benefit = _benefit(self.after[:, assessor.column], threshold) * self.chance
        baseline = float(_benefit(self.before[assessor.column], threshold))
        keys = {name for asked in model.alarm.key_questions for name in (asked, model.about(asked))}
        for name, own in self._places.items():
            if len(own) < 2:
                continue
            asked, cost = model.askable[name], model.variables[model.about(name)].cost
            bits = max(0.0, float(self.gain[own].sum()))
            chances = {self.answers[place].answer: float(self.chance[place]) for place in own}
            yield Question(
                variable=name,
                question=asked.question,
                key=name in keys,
                gain=bits,
                cost=cost,
                gain_per_cost=bits / cost,
                alarm_change=0.0,
                top_change=float(top[own].sum()),
                net_benefit=max(0.0, round(float(benefit[own].sum()) - baseline, DIGITS)),
                answers={answer: chances.get(answer, 0.0) for answer in asked.states},
            )

    def with_alarms(self, some: list[Question]) -> list[Question]:
        """Work out what the answers may change of the alarm."""
        if not some:
            return []
        assessor = self.assessed.assessor
        own = np.concatenate([self._places[question.variable] for question in some])
        posteriors = Posteriors(assessor.network.columns, self.after[own], np.log(self.chance[own]))
        assessed = assessor.assess(self._trial[own], self.assessed.thresholds, posteriors=posteriors)
        changed = np.zeros(len(self.chance))
        changed[own] = (assessed.levels != self.assessed.levels[0]) * self.chance[own]
        return [replace(q, alarm_change=float(changed[self._places[q.variable]].sum())) for q in some]


def question_frame(questions: Sequence[Question]) -> pd.DataFrame:
    """Give questions as a table, one row each by variable."""
    import pandas as pd

    columns = [field.name for field in fields(Question) if field.name not in ("variable", "answers")]
    index = pd.Index([question.variable for question in questions], name="variable", dtype=object)
    return pd.DataFrame({c: [getattr(q, c) for q in questions] for c in columns}, index=index, columns=columns)


def _answers(assessed: Assessment) -> list[_Answer]:
    """List the answers that may come to what a person can be asked: those that fit what is known already."""
    model, evidence, network = assessed.assessor.model, assessed.evidence, assessed.assessor.network
    unsure = {network.variables[answer.row] for answer in evidence.soft}
    known = dict(zip(network.variables, evidence.codes[:, 0].tolist(), strict=True))
    answers = []
    for name, variable in model.asked.items():
        left = known[variable]
        if variable in unsure or (left >= 0 and model.answer(name, model.events[variable][left]) is not None):
            continue
        for answer in model.askable[name].states:
            code = model.narrowed(variable, left, model.meaning(name, [answer])[1])
            answers += [_Answer(name, answer, code)] if code is not None else []
    return answers


def _weighed(
    network: CompiledModel, evidence: Evidence, trial: Evidence, owner: NDArray[np.intp], unit: float
) -> tuple[Floats, Floats, Floats]:
    """Weigh answers, in portions: one joint distribution each would be gigabytes in a large model.

    ``owner``, (n,), is the variable that each is about. Returns the posteriors with each answer, (n, columns),
    P(answer), (n,), and the divergence of the joint posterior of the causes from that of now, (n,).
    """
    now = network.joint(evidence, log_unit=unit)[0]
    before = now / now.sum()
    values, total, moved = np.empty((len(owner), len(network.columns))), np.empty(len(owner)), np.empty(len(owner))
    first = np.flatnonzero(np.diff(owner, prepend=-1))  # of the answers about each variable, all in one portion
    portion = first // max(1, MAX_WEIGHED // network.n_joint)
    for part in np.split(np.arange(len(owner)), first[1:][np.diff(portion) > 0]):
        joint = _answered(network, now, evidence, trial[part], owner[part], unit)
        for place, own in zip(part.tolist(), joint, strict=True):
            values[place], total[place] = network.folded(own)
        whole = np.where(total[part] > 0, total[part], 1.0)[:, None]
        values[part] /= whole
        joint /= whole
        moved[part] = _divergence(joint, before)
    return values, total / now.sum(), moved


def _answered(
    network: CompiledModel, now: Floats, evidence: Evidence, trial: Evidence, owner: NDArray[np.intp], unit: float
) -> Floats:
    """P(evidence, joint state of the causes), (n, K), with all answers about some variables; ``now``, (K,), without."""
    first_finding = len(network.model.risks) + len(network.model.causes)
    joint = np.empty((len(owner), network.n_joint))
    for i in np.flatnonzero(owner >= first_finding).tolist():  # given the causes, a finding depends on nothing else
        row = int(owner[i])
        finding, code, known = row - first_finding, int(trial.codes[row, i]), int(evidence.codes[row, 0])
        np.multiply(now, network.tables.chance(finding, code), out=joint[i])
        if known != UNKNOWN:  # of which the answer is a part
            before = network.tables.chance(finding, known)
            np.divide(joint[i], before, out=joint[i], where=before > 0)
    of_risks = np.flatnonzero(owner < first_finding)
    is_first = np.diff(owner[of_risks], prepend=-1) > 0
    others = of_risks[~is_first]
    if len(others):
        joint[others] = network.joint(trial[others], log_unit=unit)
    for i in of_risks[is_first].tolist():
        left = now - joint[others[owner[others] == owner[i]]].sum(axis=0)
        joint[i] = np.maximum(left, 0.0)
        if left.sum() < MIN_LEFT * now.sum():
            joint[i] = network.joint(trial[[i]], log_unit=unit)[0]
    return joint


def _divergence(after: Floats, before: Floats) -> Floats:
    """Kullback-Leibler divergence of each row from one distribution, in bits."""
    # what is impossible now stays so with any answer, but for rounding
    ratio = np.divide(after, before, out=np.ones_like(after), where=(after > 0) & (before > 0))
    divergence: Floats = np.einsum("nk,nk->n", after, np.log2(ratio, out=ratio))
    return divergence


def _benefit(probability: Floats, threshold: float) -> Floats:
    """Net benefit of the better of alarming and not."""
    over = np.maximum(probability - threshold, 0.0)
    return over / (1.0 - threshold) if threshold < 1 else np.zeros_like(over)
