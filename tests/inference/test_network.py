"""Exact inference against brute force on random models with missing cells."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import kneebayes as kb
from kneebayes.diagnosis.questions import open_questions
from kneebayes.errors import UnknownNameError
from kneebayes.inference import network as inference
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import CompiledModel, Engine, VersionedCase
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.oracles import brute_force, number, random_codes, random_model

SHAPES = {
    "binary": {},
    "three_states": {"states": 3},
    "four_states": {"states": 4, "causes": 4},
    "no_cause_edges": {"edges": False},
    "many_risks": {"risks": 6, "causes": 3},
    "one_risk": {"risks": 1},
}


def expected_row(model: ModelSpec, codes: np.ndarray, columns: tuple[str, ...], kind: type[Any] = float) -> list[float]:
    posterior, _ = brute_force(model, codes, kind)
    row = []
    for column in columns:
        if column in model.causes:
            row.append(sum(posterior.get((column, s), kind(0)) for s in model.causes[column].states[1:]))
        elif column == "none_of_these":
            row.append(posterior.get(("none_of_these", ""), kind(0)))
        else:
            cause = next(c for c in model.causes if column.startswith(f"{c}_"))
            row.append(posterior.get((cause, column.removeprefix(f"{cause}_")), kind(0)))
    return list(map(float, row))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
def test_posteriors_equal_brute_force(shape: str, seed: int) -> None:
    model = random_model(seed, **SHAPES[shape])  # type: ignore[arg-type]
    network = CompiledModel(model)
    codes = random_codes(model, 12, seed + 100, causes=0.2)
    result = network.posteriors(Evidence(codes))
    for case in range(codes.shape[1]):
        expected = expected_row(model, codes[:, case], result.columns)
        np.testing.assert_allclose(result.values[case], expected, rtol=1e-10, atol=1e-13)
        _, whole = brute_force(model, codes[:, case])
        assert result.log_evidence[case] == pytest.approx(np.log(whole), abs=1e-10)


def improbable(n_findings: int = 100) -> tuple[ModelSpec, np.ndarray]:
    """Make a model of rare findings, and cases of so many that their probability is under that of any float."""
    model = random_model(5, findings=n_findings, states=3)
    content = model.model_dump()
    for finding in content["findings"].values():
        finding["leak"] = number(finding["leak"]["p"] * 1e-4)
        for link in (link for own in finding["links"].values() for link in own.values()):
            link |= number(link["p"] * 1e-4)
    model = ModelSpec.model_validate(content)
    codes = random_codes(model, 6, 2, causes=0.2, findings=0.95)
    codes[-n_findings:] = np.where(codes[-n_findings:] == 0, 1, codes[-n_findings:])
    return model, codes


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_what_is_too_improbable_for_a_float_is_as_exact(engine: Engine) -> None:
    model, codes = improbable()
    network = CompiledModel(model)
    result = network.posteriors(Evidence(codes), engine=engine)
    assert (result.log_evidence < np.log(5e-324)).all()
    for case in range(codes.shape[1]):
        expected = expected_row(model, codes[:, case], result.columns, Decimal)
        np.testing.assert_allclose(result.values[case], expected, rtol=1e-9, atol=1e-12)
        _, whole = brute_force(model, codes[:, case], Decimal)
        assert result.log_evidence[case] == pytest.approx(float(whole.ln()), abs=1e-9)


def test_what_is_too_improbable_for_a_float_is_explained_asked_about_and_graded() -> None:
    file, codes = improbable()
    model = kb.Model(file)
    codes[len(file.risks) : len(file.risks) + len(file.causes)] = UNKNOWN
    names = list(file.variables)
    case = {name: file.variables[name].states[code] for name, code in zip(names, codes[:, 0], strict=True) if code >= 0}
    last = next(name for name in reversed(names) if name in case)
    case[last] = "present:1e-200,absent:1"
    dx = model.diagnose(case)
    assert np.isfinite(dx.log_evidence)
    explained = dx.explanation(orders=4)
    assert explained.posterior == pytest.approx(dx.probabilities[explained.target], abs=1e-9)
    found = dx.most_probable(1000)
    assert found["probability"].sum() == pytest.approx(1.0)
    for name, p in dx.probabilities.items():
        if name in file.causes:
            assert found.loc[found[name] != "absent", "probability"].sum() == pytest.approx(p, abs=1e-9)
    for question in open_questions(dx.assessment):
        assert sum(question.answers.values()) == pytest.approx(1.0)
        answer, chance = next(iter(question.answers.items()))
        after = model.diagnose({**case, question.variable: answer})
        assert chance == pytest.approx(np.exp(after.log_evidence - dx.log_evidence))
    own, evidence = VersionedCase(model.network, dx.assessment.evidence).posteriors(model.network.parameters.p[None])
    assert own[0] == pytest.approx(dx.assessment.posteriors.values[0], abs=1e-9)
    assert evidence[0] == pytest.approx(1.0)
    draws = dx.intervals(draws=50)
    assert draws[["low", "high"]].notna().all(axis=None)


def test_a_case_does_not_depend_on_its_batch() -> None:
    model = random_model(7, states=3)
    network = CompiledModel(model)
    codes = random_codes(model, 50, 8)
    together = network.posteriors(Evidence(codes)).values
    alone = np.vstack([network.posteriors(Evidence(codes[:, [i]])).values for i in range(50)])
    np.testing.assert_allclose(together, alone, rtol=1e-13)


def test_all_known_causes_give_certainty() -> None:
    model = random_model(3, states=3)
    network = CompiledModel(model)
    codes = np.full((len(network.variables), 1), UNKNOWN, dtype=np.int8)
    codes[len(model.risks) : len(model.risks) + len(model.causes)] = 0
    values = network.posteriors(Evidence(codes)).values[0]
    assert values[network.columns.index("none_of_these")] == pytest.approx(1.0)


@pytest.mark.parametrize("size", [1, 40_000])
def test_a_batch_is_worked_on_in_chunks(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    model = random_model(7, states=3)
    network = CompiledModel(model)
    codes = random_codes(model, 50, 8)
    whole = network.posteriors(Evidence(codes), engine="numpy")
    monkeypatch.setattr(inference, "CHUNK_BYTES", size)
    chunked = network.posteriors(Evidence(codes), engine="numpy")
    np.testing.assert_array_equal(chunked.values, whole.values)
    np.testing.assert_array_equal(chunked.log_evidence, whole.log_evidence)


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    network = CompiledModel(random_model(1))
    with pytest.raises(UnknownNameError) as caught:
        network.posteriors(Evidence(random_codes(network.model, 1, 1)), engine="cuda")  # type: ignore[arg-type]
    assert str(caught.value) == "no engine 'cuda': use one of auto, numpy, numba."


REAL = read_model(model_path("posterior_knee_pain"))


@pytest.mark.parametrize("risk", list(REAL.risks))
def test_a_state_is_possible_where_the_risk_factors_have_a_chance_over_zero_with_it(risk: str) -> None:
    network = CompiledModel(REAL)
    codes = random_codes(REAL, 200, 3, risks=0.4, findings=0.0)
    codes = codes[:, np.isfinite(network.posteriors(Evidence(codes)).log_evidence)]
    before = codes.copy()
    possible = network.possible_states(codes, risk)
    np.testing.assert_array_equal(codes, before)
    for state in range(len(REAL.risks[risk].states)):
        codes[network.variables.index(risk)] = state
        expected = np.isfinite(network.posteriors(Evidence(codes)).log_evidence)
        np.testing.assert_array_equal(possible[:, state], expected)
    assert possible.all() == (risk not in ("age", "sex", "pregnancy"))
    assert network.constrained(risk) or possible.all()


def test_what_depends_on_nothing_is_not_constrained() -> None:
    network = CompiledModel(REAL)
    assert network.constrained("pregnancy")
    assert not network.constrained("smoker")
    assert not network.constrained("recent_knee_injury")  # its rows have no chance of zero
