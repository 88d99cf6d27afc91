"""What to ask next, and the most probable joint states, against pgmpy and against asking."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pgmpy.inference import VariableElimination
from scipy.special import rel_entr

import kneebayes as kb
from kneebayes.diagnosis import questions
from kneebayes.diagnosis.explanation import most_probable
from kneebayes.diagnosis.questions import Question, open_questions
from kneebayes.errors import ModelFileError, OptionError, UnknownNameError
from kneebayes.inference.evidence import Evidence, SoftEvidence
from kneebayes.inference.network import CompiledModel
from kneebayes.interop.pgmpy import to_pgmpy
from kneebayes.spec.yaml_io import model_text, parse_model, with_numbers
from tests.oracles import assess, random_codes, random_model

MODEL = kb.load_model()
NETWORK = MODEL.network
CASE = {"age": 67, "sex": "male", "calf_pain": "yes", "fever": "no", "long_travel": "yes", "pop_at_injury": "no"}


def weighed(dx: kb.Diagnosis, target: str | None = None) -> dict[str, Question]:
    found = open_questions(dx.assessment, target=target)
    return {question.variable: question for question in found}


def entropy(p: Any) -> float:
    p = np.asarray(p, dtype=float).ravel()
    return float(-(p[p > 0] * np.log2(p[p > 0])).sum())


@pytest.fixture(scope="module")
def engine() -> VariableElimination:
    return VariableElimination(to_pgmpy(MODEL.file))


class TestAgainstPgmpy:
    """Information gain by pgmpy's queries, one for each answer."""

    @pytest.mark.parametrize(
        ("target", "every"),
        [
            *((None, 4), ("dvt", 9), ("bakers_cyst", 9), ("none_of_these", 9)),
            pytest.param(None, 1, marks=pytest.mark.slow),
        ],
    )
    def test_gain_is_mutual_information(self, target: str | None, every: int, engine: VariableElimination) -> None:
        dx = MODEL.diagnose(CASE)
        causes = list(MODEL.causes)

        def query(names: list[str], evidence: dict[str, str]) -> Any:
            return engine.query(names, evidence=evidence, joint=True, show_progress=False)

        def uncertainty(joint: Any) -> float:
            if target is None:
                return entropy(joint)
            if target == "none_of_these":
                p = float(joint[(0,) * joint.ndim])
            else:
                p = 1 - float(np.moveaxis(joint, causes.index(target), 0)[0].sum())
            return entropy([p, 1 - p])

        now = uncertainty(query(causes, dx.evidence).values)
        found = weighed(dx, target)
        for name in list(found)[::every]:
            after = 0.0
            for answer, said in found[name].answers.items():
                variable, states = MODEL.file.meaning(name, [answer])
                chances = query([variable], dx.evidence)
                shares = {state: float(chances.get_value(**{variable: state})) for state in states}
                p = sum(shares.values())
                assert said == pytest.approx(p, abs=1e-12)
                parts = [
                    share / p * query(causes, {**dx.evidence, variable: s}).values
                    for s, share in shares.items()
                    if share
                ]
                after += p * uncertainty(sum(parts)) if p > 0 else 0.0
            assert list(found[name].answers) == list(MODEL.file.askable[name].states)
            assert found[name].gain == pytest.approx(now - after, abs=1e-9)


@pytest.mark.parametrize("target", [None, "dvt"])
def test_questions_do_not_depend_on_how_many_answers_are_weighed_at_once(
    target: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    dx = MODEL.diagnose(CASE)
    at_once = weighed(dx, target)
    for most in (1, 5 * NETWORK.n_joint):
        monkeypatch.setattr(questions, "MAX_WEIGHED", most)
        assert weighed(dx, target) == at_once


@pytest.mark.slow
@pytest.mark.parametrize("soft", [False, True], ids=["sure", "soft"])
@pytest.mark.parametrize(("levels", "sure"), [(2, False), (4, False), (3, True)])
@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_weighed_as_by_the_whole_way_with_it(seed: int, levels: int, sure: bool, soft: bool) -> None:
    file = random_model(seed, risks=5, states=3, findings=5, levels=levels, sure=sure)
    likely = {f"risks.r{r}.prior.middle": 0.9995 for r in (3, 4)}  # so that the first state is rare
    numbers = dict(file.probabilities())
    file = with_numbers(file, {place: numbers[place].model_copy(update={"p": p}) for place, p in likely.items()})
    model, thresholds = kb.Model(file), kb.Thresholds(0.3, 0.6)
    network = model.network
    codes = random_codes(file, 12, seed, risks=0.3, causes=0.1, findings=0.4)
    answers: tuple[SoftEvidence, ...] = ()
    if soft:
        rows = [3, len(file.risks) + 1, len(network.variables) - 2]  # a risk factor, a cause, a finding
        codes[rows] = -1
        sizes = [len(file.variables[network.variables[row]].states) for row in rows]
        answers = tuple(
            SoftEvidence(r, np.array([0]), np.linspace(0.2, 1, n)) for r, n in zip(rows, sizes, strict=True)
        )
    possible = np.isfinite(network.posteriors(Evidence(codes)).log_evidence)
    assert possible.sum() > 3
    for case in codes.T[possible]:
        evidence = Evidence(case[:, None].copy(), answers)
        now = network.joint(evidence)[0]
        before = now / now.sum()
        for question in open_questions(assess(model.assessor, evidence, thresholds)):
            variable, gain, top = file.about(question.variable), 0.0, 0.0
            row = network.variables.index(variable)
            for answer, chance in question.answers.items():
                code = file.narrowed(variable, int(case[row]), file.meaning(question.variable, [answer])[1])
                after = np.zeros_like(now)
                if code is not None:
                    trial = case[:, None].copy()
                    trial[row] = code
                    after = network.joint(Evidence(trial, answers))[0]
                assert chance == pytest.approx(after.sum() / now.sum(), abs=1e-9)
                if after.sum() == 0:
                    continue
                after /= after.sum()
                gain += chance * float(rel_entr(after, before).sum()) / np.log(2)
                first, then = ((network.membership[: len(file.causes) + 1] @ p).round(9) for p in (before, after))
                top += chance * (int(first.argmax()) != int(then.argmax()))
            assert question.gain == pytest.approx(gain, abs=1e-9)
            assert question.top_change == pytest.approx(top, abs=1e-9)


class TestByAsking:
    """What an answer changes, by giving it."""

    @pytest.mark.parametrize(
        "case",
        [{}, CASE, {**CASE, "dvt": "present:0.3", "throbbing_pain": "present:0.7", "overweight": "present:0.6"}],
        ids=["nothing", "some", "unsure"],
    )
    def test_alarm_top_and_net_benefit(self, case: dict[str, Any]) -> None:
        thresholds = kb.Thresholds(0.03, 0.12)
        dx = MODEL.diagnose(case, thresholds=thresholds)
        weight = thresholds.caution / (1 - thresholds.caution)

        def benefit(p: float) -> float:
            return max(0.0, p - (1 - p) * weight)

        for name, question in list(weighed(dx).items())[::3]:
            alarm = top = net = whole = 0.0
            for state, p in question.answers.items():
                if p == 0:
                    continue
                after = MODEL.diagnose({**case, name: state}, thresholds=thresholds)
                assert p == pytest.approx(np.exp(after.log_evidence - dx.log_evidence), abs=1e-12)
                whole += p
                alarm += p * (after.alarm.level != dx.alarm.level)
                top += p * (after.most_likely != dx.most_likely)
                net += p * benefit(after.alarm.probability)
            assert whole == pytest.approx(1, abs=1e-12)
            assert question.alarm_change == pytest.approx(alarm, abs=1e-12)
            assert question.top_change == pytest.approx(top, abs=1e-12)
            assert question.net_benefit == pytest.approx(net - benefit(dx.alarm.probability), abs=1e-12)

    def test_the_likeliest_to_change_the_alarm_is_a_swollen_leg(self) -> None:
        found = weighed(MODEL.diagnose({"calf_pain": "yes"}), "dvt")
        assert next(iter(found)) == "unilateral_leg_swelling"
        assert max(found.values(), key=lambda q: q.net_benefit).variable == "unilateral_leg_swelling"

    def test_with_harms_that_never_alarm_no_answer_has_a_benefit(self) -> None:
        dx = MODEL.diagnose(CASE, thresholds=kb.Thresholds(1, 1))
        assert {question.net_benefit for question in weighed(dx).values()} == {0.0}

    def test_unsure_evidence_is_the_mixture_of_its_states(self) -> None:
        model = random_model(5, states=3)
        network = CompiledModel(model)
        codes = random_codes(model, 6, 2)
        rows = [0, len(model.risks) + 1, len(network.variables) - 1]  # a risk factor, the cause of 3 states, a finding
        codes[rows] = -1
        unsure = [
            SoftEvidence(
                row, np.array([0, 2, 3]), np.linspace(0.2, 1, len(model.variables[network.variables[row]].states))
            )
            for row in rows
        ]
        expected = network.joint(Evidence(codes))
        expected[[0, 2, 3]] = 0
        for a, p in enumerate(unsure[0].likelihood):
            for b, q in enumerate(unsure[1].likelihood):
                for c, r in enumerate(unsure[2].likelihood):
                    part = codes[:, [0, 2, 3]].copy()
                    part[rows] = np.array([[a], [b], [c]])
                    expected[[0, 2, 3]] += p * q * r * network.joint(Evidence(part))
        assert network.joint(Evidence(codes, tuple(unsure))) == pytest.approx(expected, abs=1e-15)


class TestWhichQuestions:
    """Which variables are open, and in which order."""

    def test_every_unanswered_risk_factor_and_finding_is_open(self) -> None:
        dx = MODEL.diagnose({"calf_pain": "present:0.5", "age": 30})
        names = {*MODEL.file.asked} - {"calf_pain", "age", MODEL.file.complaint}
        assert set(weighed(dx)) == names

    def test_an_answer_that_is_certain_is_not_asked(self) -> None:
        assert "pregnancy" not in weighed(MODEL.diagnose({"sex": "male"}))
        assert "pregnancy" in weighed(MODEL.diagnose({"sex": "female"}))

    def test_the_complaint_is_asked_where_it_is_said_to_be_unknown(self) -> None:
        assert MODEL.file.complaint in weighed(MODEL.diagnose({MODEL.file.complaint: "unknown"}))

    def test_gains_are_never_negative_and_fall(self) -> None:
        gains = [question.gain_per_cost for question in weighed(MODEL.diagnose(CASE)).values()]
        assert min(gains) >= 0
        assert gains == sorted(gains, reverse=True)

    def test_key_questions_are_marked(self) -> None:
        found = weighed(MODEL.diagnose({}))
        assert {name for name, question in found.items() if question.key} == set(MODEL.file.alarm.key_questions)

    @pytest.mark.parametrize("n", [0, 1, 4, 12, None])
    def test_the_first_are_as_among_all(self, n: int | None) -> None:
        assessed = MODEL.diagnose({"age": 67, "unilateral_leg_swelling": "no"}).assessment
        every = open_questions(assessed)
        assert open_questions(assessed, n=n) == every[:n]
        keys = sorted((q for q in every if q.key), key=lambda question: -question.alarm_change)
        assert open_questions(assessed, n=n, keys_first=True) == [*keys, *(q for q in every if not q.key)][:n]

    def test_an_unknown_target_is_refused(self) -> None:
        with pytest.raises(UnknownNameError, match="no target 'dtv'"):
            MODEL.diagnose({}).next_questions("dtv")

    @pytest.mark.parametrize("seed", range(6))
    def test_of_a_target_that_is_known_there_is_nothing_to_learn(self, seed: int) -> None:
        """Also where the sides of its posterior miss 0 and 1 by rounding."""
        model = kb.Model(random_model(seed, risks=5, causes=5, findings=8))
        for state in model.file.causes["c0"].states:
            table = model.diagnose({"c0": state}).next_questions("c0", n=None)
            assert len(table)
            assert table["gain"].max() < 1e-12

    def test_nothing_open_gives_an_empty_table(self) -> None:
        row = MODEL.simulate(1, seed=1, missing=0).iloc[0].drop("case_id")
        table = MODEL.diagnose({str(name): value for name, value in row.items()}).next_questions()
        assert len(table) == 0
        assert "gain" in table

    def test_table(self) -> None:
        table = MODEL.diagnose(CASE).next_questions(n=3)
        assert len(table) == 3
        assert isinstance(table, pd.DataFrame)
        assert table["question"].tolist() == [MODEL.file.variables[name].question for name in table.index]
        assert len(MODEL.diagnose(CASE).next_questions(n=None)) == len(weighed(MODEL.diagnose(CASE)))


@cache
def written() -> str:
    return model_text(MODEL.file)


class TestCost:
    """Costs stand in the model file."""

    def costly(self, cost: str) -> kb.Model:
        text = written().replace("sudden_onset:\n", f"sudden_onset:\n    cost: {cost}\n", 1)
        return kb.Model(parse_model(text))

    def test_a_dear_question_ranks_by_gain_per_cost(self) -> None:
        cheap, dear = (m.diagnose({}).next_questions(n=None) for m in (MODEL, self.costly("40")))
        assert cheap.index[1] == "sudden_onset"
        assert dear.loc["sudden_onset", "cost"] == 40
        assert dear["gain"]["sudden_onset"] == cheap["gain"]["sudden_onset"]
        assert dear["gain_per_cost"]["sudden_onset"] == pytest.approx(dear["gain"]["sudden_onset"] / 40)
        assert dear.index.tolist().index("sudden_onset") > 20

    @pytest.mark.parametrize("cost", ["0", "-1", ".inf", ".nan"])
    def test_a_cost_must_be_over_0(self, cost: str) -> None:
        with pytest.raises(ModelFileError, match="sudden_onset"):
            self.costly(cost)

    def test_costs_survive_writing_the_model(self) -> None:
        model = self.costly("2.5").file
        assert parse_model(model_text(model)).findings["sudden_onset"].cost == 2.5


class TestMostProbable:
    """The most probable joint states."""

    def test_against_pgmpys_joint(self, engine: VariableElimination) -> None:
        dx = MODEL.diagnose(CASE)
        found = dx.most_probable(8)
        factor = engine.query(list(MODEL.causes), evidence=dx.evidence, joint=True, show_progress=False)
        assert found["probability"].tolist() == pytest.approx(np.sort(factor.values.ravel())[::-1][:8], abs=1e-12)
        for _, row in found.iterrows():
            states = {name: row[name] for name in MODEL.causes}
            assert row["probability"] == pytest.approx(factor.get_value(**states), abs=1e-12)
            said = {"present": "{}", "intact": "{}", "ruptured": "{}_ruptured"}
            present = [said[state].format(name) for name, state in states.items() if state != "absent"]
            assert row["present"] == (";".join(present) or "none_of_these")
        assert found["cumulative"].tolist() == pytest.approx(np.cumsum(found["probability"]))

    def test_all_of_them_add_up_to_the_posteriors(self) -> None:
        dx = MODEL.diagnose({**CASE, "fever": "present:0.4", "sport": "running:0.5"})
        found = dx.most_probable(10_000)
        assert len(found) == NETWORK.n_joint
        assert found["probability"].sum() == pytest.approx(1, abs=1e-12)
        for cause in MODEL.causes:
            share = found.loc[found[cause] != "absent", "probability"].sum()
            assert share == pytest.approx(dx.probabilities[cause], abs=1e-12)

    def test_states_that_are_impossible_are_left_out(self) -> None:
        dx = MODEL.diagnose({"dvt": "present", "bakers_cyst": "ruptured"})
        found = dx.most_probable(10_000)
        assert len(found) == NETWORK.n_joint / 6
        assert set(found["dvt"]) == {"present"}
        assert set(found["bakers_cyst"]) == {"ruptured"}
        assert found["present"].str.contains("bakers_cyst_ruptured").all()

    def test_at_least_one_is_asked_for(self) -> None:
        dx = MODEL.diagnose({})
        with pytest.raises(OptionError, match="from 1 up"):
            most_probable(dx.network, dx.assessment.evidence, n=0)
