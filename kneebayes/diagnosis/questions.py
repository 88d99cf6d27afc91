"""What to ask next: how much the answer to every open question would tell.

A question is a finding or risk factor, or a column that says part of one, that has no answer yet and more than one
possible. Everything is exact: the
causes' joint posterior is computed for every answer that may come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.diagnosis.alarm import Assessment, column_of
from kneebayes.errors import check_number
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import CompiledModel, Posteriors, leading

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
MAX_WEIGHED = 1 << 22  # joint states of the answers that are weighed at once: 32 MB an array
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
    """Weigh the open questions of one case, the most gain per cost first, ties in model order.

    A soft answer counts as answered. The target is a column of the posteriors, to learn about whether it is so; by
    default the joint state of all causes. With ``keys_first``, key questions come before all others, those first that
    may change the alarm. Of the first n only is the alarm worked out, which is what takes the longest.
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
        self._trial = evidence[np.zeros(1 + len(owner), dtype=np.intp)]  # as things are, then with each answer
        self._trial.codes[owner, np.arange(1, 1 + len(owner))] = [answer.code for answer in answers]
        unit = float(assessed.posteriors.log_evidence[0])
        total, marginals, moved = _weighed(network, self._trial, np.concatenate([[0], owner]), unit)
        self.chance = total[1:] / total[0]
        self.before, self.after = marginals[0], marginals[1:]
        if column is None:
            self.gain = self.chance * moved[1:]
        else:
            sides, prior = self.after[:, [column]], self.before[column]
            self.gain = self.chance * _divergence(np.hstack([sides, 1.0 - sides]), np.array([prior, 1.0 - prior]))
        self._places = {
            name: np.array([i for i, a in enumerate(answers) if a.asked == name and self.chance[i] > 0], dtype=np.intp)
            for name in dict.fromkeys(answer.asked for answer in answers)
        }

    def questions(self) -> Iterator[Question]:
        """Make what has several possible answers into questions, of which the alarm is not worked out yet."""
        assessor, model, threshold = (
            self.assessed.assessor,
            self.assessed.assessor.model,
            self.assessed.thresholds.caution,
        )
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
        assessed = assessor.assess(self._trial[1 + own], self.assessed.thresholds, posteriors=posteriors)
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
    network: CompiledModel, trial: Evidence, rows: NDArray[np.intp], unit: float
) -> tuple[Floats, Floats, Floats]:
    """Weigh answers, in portions: one joint distribution each would be gigabytes in a large model.

    As things are, then with each answer: P(evidence) in a unit, (1 + n,), the posteriors, (1 + n, columns), and the
    divergence of the joint posterior of the causes from that of now, (1 + n,).
    """
    now = network.joint(trial[np.zeros(1, dtype=np.intp)], log_unit=unit)
    total, moved = np.full(len(rows), now.sum()), np.empty(len(rows))
    marginals = np.empty((len(rows), len(network.columns)))
    length = max(1, MAX_WEIGHED // network.n_joint)
    for start in range(0, len(rows), length):
        part = np.arange(start, min(start + length, len(rows)))
        joint = _answered(network, now[0], trial, rows, part, unit)
        total[part] = joint.sum(axis=1)
        joint /= np.where(total[part] > 0, total[part], 1.0)[:, None]
        # not as a matrix product: on a busy machine its threads wait for each other longer than the sums take
        marginals[part] = np.einsum("nk,ck->nc", joint, network.membership)
        moved[part] = _divergence(joint, now[0] / total[0])
    return total, marginals, moved


def _answered(
    network: CompiledModel, now: Floats, trial: Evidence, rows: NDArray[np.intp], part: NDArray[np.intp], unit: float
) -> Floats:
    """P(evidence, joint state of the causes) of some of the trials; of the first, it is ``now``."""
    first_finding = len(network.model.risks) + len(network.model.causes)
    joint = np.empty((len(part), network.n_joint))
    own = rows[part]  # the variable that each answer is about
    above = (part > 0) & ((own < first_finding) | (trial.codes[own, 0] != UNKNOWN))
    if above.any():
        joint[above] = network.joint(trial[part[above]], log_unit=unit)
    for i in np.flatnonzero(~above).tolist():  # given the causes, a finding depends on nothing else
        code = int(trial.codes[own[i], part[i]])
        joint[i] = now * network.tables.chance(int(own[i]) - first_finding, code) if part[i] else now
    return joint


def _divergence(after: Floats, before: Floats) -> Floats:
    """Kullback-Leibler divergence of each row from one distribution, in bits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = after * np.log2(after / before)
    # what is impossible now stays so with any answer, but for rounding
    divergence: Floats = np.where((after > 0) & (before > 0), terms, 0.0).sum(axis=1)
    return divergence


def _benefit(probability: Floats, threshold: float) -> Floats:
    """Net benefit of the better of alarming and not."""
    over = np.maximum(probability - threshold, 0.0)
    return over / (1.0 - threshold) if threshold < 1 else np.zeros_like(over)
