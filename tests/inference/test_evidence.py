"""Unsure answers: pgmpy's virtual evidence, pyAgrum's soft evidence and the mixture by hand say the same."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pgmpy.factors.discrete import TabularCPD
from pgmpy.inference import VariableElimination

import kneebayes as kb
from kneebayes.errors import CaseError
from kneebayes.inference import evidence as likelihood_module
from kneebayes.inference.evidence import UNKNOWN, Evidence, SoftEvidence
from kneebayes.inference.network import CompiledModel
from kneebayes.inference.tables import conditional_table
from kneebayes.interop.pgmpy import to_pgmpy
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.oracles import brute_force, random_codes, random_model

with warnings.catch_warnings():
    # 2026-11: the SWIG wrapper of pyAgrum 3.3 warns at import, and crashes where that is an error
    warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
    gum: Any = importlib.import_module("pyagrum")  # Any: it is half typed

EXACT = 1e-9
Answers = Mapping[str, Sequence[float]]


CASE = {"age": 67, "calf_pain": "present:0.8", "previous_dvt": "present:0.7", "dvt": "absent:0.9, present:0.3"}


@cache
def model_named(name: str) -> ModelSpec:
    """Give a model that ships, or a random one by its seed."""
    if name.startswith("random"):
        return random_model(int(name[6:]), states=3)
    return read_model(model_path(name))


@cache
def network_of(name: str) -> CompiledModel:
    return CompiledModel(model_named(name))


@cache
def pgmpy_of(name: str) -> Any:
    return to_pgmpy(model_named(name))


@cache
def pyagrum_of(name: str) -> Any:
    """Build pyAgrum's network from the conditional tables: its readers keep single precision only."""
    model, bayes = model_named(name), gum.BayesNet()
    for variable_name, variable in model.variables.items():
        bayes.add(gum.LabelizedVariable(variable_name, variable_name, list(variable.states)))
    for variable_name in model.variables:
        for parent in conditional_table(model, variable_name)[0]:
            bayes.addArc(parent, variable_name)
    for variable_name in model.variables:
        parents, table = conditional_table(model, variable_name)
        cpt = bayes.cpt(variable_name)
        axes = [(variable_name, *parents).index(n) for n in reversed(list(cpt.names))]  # its first varies fastest
        cpt.fillWith(np.transpose(table, axes).ravel().tolist())
    return bayes


def by_pgmpy(name: str, evidence: Mapping[str, str], unsure: Answers) -> dict[str, list[float]]:
    """Ask pgmpy; it takes likelihoods that sum to 1, and keeps what it was given: a fresh engine each time."""
    model = model_named(name)
    virtual = [
        TabularCPD(n, len(given), [[v / sum(given)] for v in given], state_names={n: list(model.variables[n].states)})
        for n, given in unsure.items()
    ]
    asked = [n for n in model.causes if n not in evidence]
    engine = VariableElimination(pgmpy_of(name).copy())
    return {
        n: engine.query([n], evidence=dict(evidence), virtual_evidence=virtual, show_progress=False).values.tolist()
        for n in asked
    }


def by_pyagrum(name: str, evidence: Mapping[str, str], unsure: Answers) -> dict[str, list[float]]:
    engine = gum.LazyPropagation(pyagrum_of(name))
    engine.setEvidence({**evidence, **{n: list(given) for n, given in unsure.items()}})
    engine.makeInference()
    return {n: engine.posterior(n).tolist() for n in model_named(name).causes if n not in evidence}


def ours(name: str, evidence: Mapping[str, str], unsure: Answers) -> dict[str, list[float]]:
    """Ask kneebayes, engine by engine and through the joint; all three must agree."""
    network = network_of(name)
    model, rows = network.model, list(network.variables)
    codes = np.full((len(rows), 1), -1, dtype=np.int8)
    for n, state in evidence.items():
        codes[rows.index(n)] = model.variables[n].states.index(state)
    answers = [SoftEvidence(rows.index(n), np.array([0]), np.array(given)) for n, given in unsure.items()]
    joint = network.joint(Evidence(codes, tuple(answers)))[0]
    for engine in ("numpy", "numba"):
        found = network.posteriors(Evidence(codes, tuple(answers)), engine=engine)
        np.testing.assert_allclose(found.values[0], network.membership @ joint / joint.sum(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(np.exp(found.log_evidence[0]), joint.sum(), rtol=1e-11)
    states = network.joint_states
    return {
        n: [joint[states[:, c] == s].sum() / joint.sum() for s in range(len(cause.states))]
        for c, (n, cause) in enumerate(model.causes.items())
        if n not in evidence
    }


def agree(name: str, evidence: Mapping[str, str], unsure: Answers) -> None:
    found = ours(name, evidence, unsure)
    for oracle in (by_pgmpy, by_pyagrum):
        expected = oracle(name, evidence, unsure)
        assert expected.keys() == found.keys()
        for n, values in expected.items():
            np.testing.assert_allclose(found[n], values, rtol=0, atol=EXACT, err_msg=f"{oracle.__name__}: {n}")


REAL: dict[str, tuple[dict[str, str], dict[str, list[float]]]] = {
    "a finding": ({"age": "sixties"}, {"calf_pain": [0.2, 0.8]}),
    "two findings and a ratio of 5": (
        {"long_travel": "present"},
        {"leg_swelling": [1.0, 1.0, 5.0, 5.0], "calf_pain": [0.7, 0.3]},
    ),
    "a risk factor of its own": ({"leg_swelling": "one"}, {"previous_dvt": [0.3, 0.7]}),
    "a risk factor on which others depend": ({"calf_pain": "present"}, {"age": [0.0, 0.1, 0.2, 0.5, 0.2]}),
    "a risk factor that depends on others": ({"sex": "female"}, {"pregnancy": [0.2, 0.5, 0.3], "sport": [0.1] * 10}),
    "a cause": ({"calf_pain": "present"}, {"dvt": [0.9, 0.3]}),
    "a cause of three states": ({"knee_locking": "present"}, {"bakers_cyst": [0.2, 0.5, 0.9]}),
    "every kind at once": (
        {"sex": "male", "posterior_knee_pain": "present"},
        {"overweight": [0.4, 0.6], "bakers_cyst": [0.5, 0.2, 0.1], "knee_locking": [0.1, 0.9]},
    ),
    "the complaint itself": ({}, {"posterior_knee_pain": [0.4, 0.6]}),
    "a state that is out of the question": ({}, {"calf_pain": [0.0, 1.0], "age": [1.0, 0.0, 1.0, 0.0, 0.0]}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("evidence", "unsure"), REAL.values(), ids=REAL)
def test_real_model(evidence: dict[str, str], unsure: dict[str, list[float]]) -> None:
    agree("posterior_knee_pain", {"posterior_knee_pain": "present", **evidence} if evidence else evidence, unsure)


@pytest.mark.parametrize("seed", range(5))
def test_random_models(seed: int) -> None:
    name = f"random{seed}"
    model, rng = model_named(name), np.random.default_rng(seed)
    for column in random_codes(model, 3, seed, risks=0.3, findings=0.4).T:
        evidence = {
            n: v.states[c] for (n, v), c in zip(model.variables.items(), column, strict=True) if 0 <= c < len(v.states)
        }
        free = [n for n in model.variables if n not in evidence]
        chosen = rng.choice(free, min(4, len(free)), replace=False).tolist()
        agree(name, evidence, {n: rng.uniform(0, 1, len(model.variables[n].states)).tolist() for n in chosen})


def test_a_case_is_the_mixture_over_its_states() -> None:
    model, network = model_named("random1"), network_of("random1")
    codes = np.full((len(network.variables), 1), -1, dtype=np.int8)
    rows, given = [0, 5, 8], [np.array([0.2, 0.5, 0.1]), np.array([0.3, 0.4]), np.array([0.9, 0.2])]
    unsure = [
        SoftEvidence(r, np.array([0]), g[: len(list(model.variables.values())[r].states)])
        for r, g in zip(rows, given, strict=True)
    ]
    total, mixed = 0.0, 0.0
    for states in product(*(range(len(u.likelihood)) for u in unsure)):
        trial = codes[:, 0].copy()
        trial[rows] = states
        posterior, chance = brute_force(model, trial)
        weight = chance * np.prod([u.likelihood[s] for u, s in zip(unsure, states, strict=True)])
        total += weight
        mixed += weight * sum(posterior.get(("c0", s), 0.0) for s in model.causes["c0"].states[1:])
    found = network.posteriors(Evidence(codes, tuple(unsure)))
    assert found.values[0, 0] == pytest.approx(mixed / total, abs=1e-12)
    assert np.exp(found.log_evidence[0]) == pytest.approx(total, rel=1e-12)


class TestFromText:
    """The same through words: `diagnose`, `score` and a CSV."""

    @pytest.fixture(scope="class")
    @staticmethod
    def expected() -> dict[str, list[float]]:
        evidence = {"posterior_knee_pain": "present", "age": "sixties"}
        unsure = {"calf_pain": [0.2, 0.8], "previous_dvt": [0.3, 0.7], "dvt": [0.9, 0.3]}
        for_pgmpy, for_pyagrum = (by("posterior_knee_pain", evidence, unsure) for by in (by_pgmpy, by_pyagrum))
        np.testing.assert_allclose(
            [for_pgmpy[n][0] for n in for_pgmpy], [for_pyagrum[n][0] for n in for_pgmpy], atol=EXACT
        )
        return for_pgmpy

    def test_diagnose_takes_text_and_mappings(self, expected: dict[str, list[float]]) -> None:
        model = kb.load_model()
        mapping = {
            "age": 67,
            "calf_pain": {"absent": 1, "present": 4},  # only the ratio matters
            "previous_dvt": {"absent": 0.3, "present": 0.7},
            "dvt": {"absent": 0.9, "present": 0.3},
        }
        for case in (CASE, mapping):
            found = model.diagnose(case).probabilities
            for n, values in expected.items():
                assert found[n] == pytest.approx(1 - values[0], abs=EXACT)

    def test_score_takes_them_from_a_frame_and_from_csv(self, expected: dict[str, list[float]], tmp_path: Path) -> None:
        frame = pd.DataFrame([{"age": 30}, CASE, {"calf_pain": "yes"}]).astype(object)
        path, out = tmp_path / "cases.csv", tmp_path / "scores.csv"
        frame.to_csv(path, index=False)
        kb.score_file(path, out)
        for scored in (kb.load_model().score(frame), pd.read_csv(out)):
            assert len(scored) == 3
            for n, values in expected.items():
                assert scored[n][1] == pytest.approx(1 - values[0], abs=EXACT)


def test_certain_likelihoods_are_plain_evidence() -> None:
    network, rows = network_of("posterior_knee_pain"), list(network_of("posterior_knee_pain").variables)
    codes = random_codes(network.model, 6, 1, risks=0.3, findings=0.3)
    row = rows.index("calf_pain")
    codes[row] = 1
    plain = network.posteriors(Evidence(codes))
    codes[row] = -1
    found = network.posteriors(Evidence(codes, (SoftEvidence(row, np.arange(6), np.array([0.0, 2.0])),)))
    np.testing.assert_allclose(found.values, plain.values, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.log_evidence, plain.log_evidence, rtol=1e-12)


def test_even_likelihoods_say_nothing() -> None:
    network = network_of("random2")
    codes = random_codes(network.model, 8, 1, risks=0.0, findings=0.0)
    unsure = [
        SoftEvidence(row, np.arange(8), np.full(len(v.states), 0.4))
        for row, v in enumerate(network.model.variables.values())
    ]
    np.testing.assert_allclose(
        network.posteriors(Evidence(codes, tuple(unsure[:4]))).values,
        network.posteriors(Evidence(codes)).values,
        rtol=0,
        atol=1e-14,
    )


def test_only_the_cases_that_gave_an_answer_are_unsure() -> None:
    network = network_of("random3")
    codes = random_codes(network.model, 5, 4, risks=0.3, findings=0.0)
    row = len(network.variables) - 1
    unsure = [SoftEvidence(row, np.array([1, 3]), np.array([0.1, 0.9]))]
    found, plain = network.posteriors(Evidence(codes, tuple(unsure))).values, network.posteriors(Evidence(codes)).values
    for case in range(5):
        soft = (SoftEvidence(row, np.array([0]), np.array([0.1, 0.9])),) if case in (1, 3) else ()
        alone = network.posteriors(Evidence(codes[:, [case]], soft)).values[0]
        np.testing.assert_allclose(found[case], alone, rtol=0, atol=1e-14)
        assert np.allclose(found[case], plain[case], rtol=0, atol=1e-9) == (case not in (1, 3))


def test_states_that_are_impossible_count_for_nothing() -> None:
    network = network_of("posterior_knee_pain")
    rows = {name: row for row, name in enumerate(network.variables)}
    codes = np.full((len(rows), 4), -1, dtype=np.int8)
    codes[rows["sex"]] = network.model.risks["sex"].states.index("male")
    expected = network.posteriors(Evidence(codes[:, :1]))
    mixed, never = np.array([0.2, 0.5, 0.3]), np.array([0.0, 0.5, 0.3])
    found = network.posteriors(
        Evidence(
            codes,
            (
                SoftEvidence(rows["pregnancy"], np.array([0, 2]), mixed),
                SoftEvidence(rows["pregnancy"], np.array([1, 3]), never),
            ),
        )
    )
    np.testing.assert_allclose(found.values[[0, 2]], expected.values[[0, 0]], rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.log_evidence[[0, 2]], expected.log_evidence[0] + np.log(0.2 / 0.5), rtol=1e-12)
    assert np.isnan(found.values[[1, 3]]).all()
    assert np.isneginf(found.log_evidence[[1, 3]]).all()


def test_no_cases_have_no_posteriors() -> None:
    network = network_of("random1")
    codes = np.full((len(network.variables), 0), -1, dtype=np.int8)
    found = network.posteriors(Evidence(codes, (SoftEvidence(0, np.zeros(0, dtype=int), np.array([0.2, 0.5, 0.3])),)))
    assert found.values.shape == (0, len(network.columns))


def test_a_slice_keeps_and_numbers_the_answers_of_its_cases() -> None:
    soft = (
        SoftEvidence(2, np.array([0, 4, 7, 8]), np.array([0.2, 0.8])),
        SoftEvidence(3, np.array([1]), np.array([0.5, 0.4])),
    )
    codes = np.arange(36, dtype=np.int8).reshape(4, 9)
    some = Evidence(codes, soft)[4:8]
    (kept,) = some.soft
    assert some.codes.tolist() == codes[:, 4:8].tolist()
    assert kept.row == 2
    assert kept.cases.tolist() == [0, 3]
    assert kept.likelihood.tolist() == [0.25, 1.0]


def test_cases_may_be_taken_in_any_order_and_more_than_once() -> None:
    evidence = Evidence(np.zeros((2, 3), dtype=np.int8), (SoftEvidence(1, np.array([0, 2]), np.array([0.2, 0.8])),))
    (kept,) = evidence[[2, 1, 2, 0]].soft
    assert kept.cases.tolist() == [0, 2, 3]
    assert evidence[[1]].soft == ()


def test_a_variable_known_for_sure_is_no_longer_soft() -> None:
    evidence = Evidence(np.full((2, 3), -1, dtype=np.int8), (SoftEvidence(1, np.array([0]), np.array([0.2, 0.8])),))
    known = evidence.with_state(1, 1)
    assert (known.codes.tolist(), known.soft) == ([[-1] * 3, [1] * 3], ())
    assert (evidence.codes == -1).all()
    assert evidence.with_state(0, np.array([0, 1, -1], dtype=np.int8)).codes[0].tolist() == [0, 1, -1]


def test_hardened_takes_the_likeliest_state_and_none_where_even() -> None:
    codes = np.full((3, 2), -1, dtype=np.int8)
    unsure = [
        SoftEvidence(0, np.array([0]), np.array([0.2, 0.8])),
        SoftEvidence(1, np.array([0, 1]), np.array([0.5, 0.5, 0.1])),
    ]
    assert Evidence(codes, tuple(unsure)).hardened().tolist() == [[1, -1], [-1, -1], [-1, -1]]


def test_too_many_joint_states_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood_module, "MAX_STATES", 7)
    codes = np.full((10, 1), -1, dtype=np.int8)
    unsure = [SoftEvidence(row, np.array([0]), np.array([0.2, 0.8])) for row in range(3)]
    with pytest.raises(CaseError, match="3 unsure answers in one case have 8 joint states, over 7"):
        Evidence(codes, tuple(unsure)).expanded()


def test_portions_answer_as_the_whole_does(monkeypatch: pytest.MonkeyPatch) -> None:
    network = CompiledModel(read_model(model_path("posterior_knee_pain")))
    rows = [network.variables.index(name) for name in ("calf_pain", "skin_warmth", "fever", "smoker")]
    codes = np.full((len(network.variables), 40), UNKNOWN, dtype=np.int8)
    soft = tuple(
        SoftEvidence(row, np.arange(place, 40, place + 1), np.array([0.4, 0.6])) for place, row in enumerate(rows)
    )
    evidence = Evidence(codes, soft)
    whole = network.posteriors(evidence)
    monkeypatch.setattr("kneebayes.inference.evidence.MAX_EXPANDED", 24)
    portions = list(evidence.portions())
    assert len(portions) > 5
    assert sum(portion.n for portion in portions) == 40
    assert max(len(portion.expanded().case) for portion in portions) < 24 + 16
    for name in ("values", "log_evidence"):
        np.testing.assert_array_equal(getattr(network.posteriors(evidence), name), getattr(whole, name))


def test_no_cases_are_no_portion_too_many() -> None:
    network = CompiledModel(random_model(3))
    soft = (SoftEvidence(3, np.zeros(0, dtype=int), np.array([0.4, 0.6])),)
    evidence = Evidence(np.zeros((len(network.variables), 0), dtype=np.int8), soft)
    assert network.posteriors(evidence).values.shape == (0, len(network.columns))
