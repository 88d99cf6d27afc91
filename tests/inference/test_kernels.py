"""The compiled batch path against the NumPy path, on models of many shapes, and its promises about batches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kneebayes.errors import ModelFileError
from kneebayes.inference import tables
from kneebayes.inference.compiled import kernels
from kneebayes.inference.compiled import layout as compiled_layout
from kneebayes.inference.counts import Expectation
from kneebayes.inference.evidence import Cases, Evidence
from kneebayes.inference.network import MIN_COMPILED, CompiledModel
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.inference.test_network import expected_row
from tests.inference.test_tables import many_causes
from tests.oracles import number, random_codes
from tests.spec.test_model_spec import small

Codes = NDArray[np.int8]
LANES, ROWS_PER_TASK = 8, 4096  # of the kernel as first written; the tests hold for any

# states of the causes, number of independent risks, number of findings, share of possible links that are there
SHAPES: dict[str, tuple[list[int], int, int, float]] = {
    "one_cause": ([2], 3, 3, 0.8),
    "one_cause_of_three_states": ([3], 2, 4, 0.8),
    "two_causes": ([2, 2], 4, 4, 0.8),
    "no_links": ([2, 3, 2], 3, 4, 0.0),
    "all_links": ([2, 3, 2, 2], 3, 5, 1.0),
    "three_states_first": ([3, 2, 2, 2], 4, 6, 0.5),
    "three_states_last": ([2, 2, 2, 3], 4, 6, 0.5),
    "four_states_inside": ([2, 4, 2, 2], 4, 6, 0.5),
    "all_of_three_states": ([3, 3, 3, 3], 4, 6, 0.5),
    "mixed_states": ([4, 2, 3, 2, 3], 5, 8, 0.4),
    "one_risk": ([2, 3, 2], 0, 4, 0.6),
    "many_risks": ([2, 3, 2, 2], 12, 4, 0.4),
    "one_finding": ([2, 3, 2], 3, 1, 0.7),
    "many_findings": ([2, 3, 2, 2], 3, 40, 0.4),
    "ten_causes": ([2, 2, 3, 2, 2, 2, 2, 2, 2, 2], 5, 10, 0.25),
}


@cache
def varied(shape: str, seed: int) -> CompiledModel:
    """Draw a model whose causes have links both ways round the order of the file, risks that interact, and so on."""
    cards, n_risks, n_findings, density = SHAPES[shape]
    rng = np.random.default_rng([seed, len(cards), n_risks, n_findings])
    content = small()
    words = {"label": "x", "question": "x?", "group": "all"}
    risks: dict[str, Any] = {"root": {**words, "states": ["low", "mid", "high"]}}
    risks["root"]["prior"] = {"mid": number(0.3), "high": number(0.2)}
    if seed % 2:  # a risk that depends on another
        rows = [{"when": {"root": s}, "prior": {"present": number(rng.uniform(0, 1))}} for s in risks["root"]["states"]]
        risks["child"] = {**words, "given": rows}
    for r in range(n_risks):
        risks[f"r{r}"] = {**words, "prior": {"present": number(rng.uniform(0.05, 0.9))}}
    names = [f"c{c}" for c in range(len(cards))]
    states = {n: ["absent", *(f"s{i}" for i in range(1, card))] for n, card in zip(names, cards, strict=True)}

    def links(parents: dict[str, list[str]], most: float) -> dict[str, Any]:
        chosen = [n for n in parents if rng.random() < density]
        return {n: {s: number(rng.uniform(0, most)) for s in parents[n]} for n in chosen}

    risk_states = {n: risk.get("states", ["absent", "present"])[1:] for n, risk in risks.items()}
    order = [names[i] for i in rng.permutation(len(names))]
    causes = {}
    for place, name in enumerate(order):
        earlier = {n: states[n][1:] for n in order[:place]}
        causes[name] = {
            **content["causes"]["clot"],
            "states": states[name],
            "leak": number(rng.uniform(0.001, 0.3)),
            "links": {**links(risk_states, 0.5), **links(earlier, 0.7)},
            "split": {s: number(rng.uniform(0.05, 0.3)) for s in states[name][2:]},
        }
    all_causes = {n: states[n][1:] for n in names}
    findings = {f"f{f}": {**words, "leak": number(rng.uniform(0, 0.4)), "links": links(all_causes, 0.9)}
                for f in range(n_findings)}  # fmt: skip
    findings["without_parents"] = {**words, "leak": number(0.2)}
    only = {names[-1]: {s: number(0.7) for s in states[names[-1]][1:]}}
    findings["with_one"] = {**words, "leak": number(0.1), "links": only}
    content |= {"risks": risks, "causes": {n: causes[n] for n in names}, "findings": findings, "inputs": {}}
    content |= {"interactions": [], "complaint": "with_one", "red_flags": []}
    if n_risks >= 4:  # two risks that are else independent, and two interactions of one target
        content["interactions"] = [
            {"target": names[0], "when": {"r0": "present", "r3": "present"}, "link": number(0.4)},
            {"target": names[-1], "when": {"r0": "present", "root": ["mid", "high"]}, "link": number(0.3)},
        ]
    content["alarm"] |= {"cause": names[0], "key_questions": ["root"], "rules": []}
    return CompiledModel(ModelSpec.model_validate(content))


@cache
def real() -> CompiledModel:
    return CompiledModel(read_model(model_path("posterior_knee_pain")))


def agree(network: CompiledModel, codes: Codes) -> None:
    plain = network.posteriors(Evidence(codes), engine="numpy")
    compiled = network.posteriors(Evidence(codes), engine="numba")
    assert compiled.columns == plain.columns
    np.testing.assert_allclose(compiled.values, plain.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(compiled.log_evidence, plain.log_evidence, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_numpy(shape: str, seed: int) -> None:
    network = varied(shape, seed)
    codes = np.hstack([
        random_codes(network.model, 20, seed, risks=0.7, findings=0.4),
        random_codes(network.model, 20, seed + 1, risks=0.5, findings=0.7, causes=0.3),
        random_codes(network.model, 10, seed + 2, risks=1.0, findings=1.0),
        np.full((len(network.variables), 1), -1, dtype=np.int8),
    ])  # fmt: skip
    agree(network, codes)


@pytest.fixture
def like_a_large_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the base made for the cases that need them, outer and inner states, cells that grow."""
    monkeypatch.setattr(tables, "MAX_KEPT_BYTES", 64)
    monkeypatch.setattr(kernels, "ROWS_PER_TASK", 3)
    monkeypatch.setattr(compiled_layout, "MAX_INNER", 4)


@pytest.mark.usefixtures("like_a_large_model")
@pytest.mark.parametrize("max_inner", [4, 12, 768])  # of 768 all are inner ones, and cells do not grow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", SHAPES)
def test_the_ways_of_a_large_model_agree_with_those_of_a_small_one(
    monkeypatch: pytest.MonkeyPatch, shape: str, seed: int, max_inner: int
) -> None:
    monkeypatch.setattr(compiled_layout, "MAX_INNER", max_inner)
    model = varied(shape, seed).model
    with monkeypatch.context() as limits:
        limits.setattr(tables, "MAX_MERGED_PATTERNS", 1)  # no groups of risk factors are joined
        small_one = CompiledModel(model)
    large = CompiledModel(model)
    codes = np.hstack([
        random_codes(large.model, 40, seed, risks=0.6, findings=0.7, causes=0.1),
        np.full((len(large.variables), 1), -1, dtype=np.int8),
    ])  # fmt: skip
    expected = small_one.posteriors(Evidence(codes), engine="numpy")
    for engine in ("numpy", "numba"):
        found = large.posteriors(Evidence(codes), engine=engine)
        np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.log_evidence, expected.log_evidence, rtol=1e-12, atol=1e-12)
    shuffled = np.random.default_rng(0).permutation(codes.shape[1])
    again = large.posteriors(Evidence(codes[:, shuffled]), engine="numba").values
    assert again.tobytes() == found.values[shuffled].tobytes()
    batch = large.batch(codes)
    assert large.posteriors_of(batch).values.tobytes() == found.values[batch.order].tobytes()


@pytest.mark.slow
@pytest.mark.usefixtures("like_a_large_model")
def test_the_ways_of_a_large_model_count_alike() -> None:
    small_one = varied("mixed_states", 1)
    codes = random_codes(small_one.model, 60, 3, risks=0.5, findings=0.6)
    cases = Cases(
        codes, np.ones((60, len(small_one.layout.cards), max(small_one.layout.cards)), dtype=bool), np.ones(60)
    )
    expected = Expectation(small_one.tables).counts(cases, engine="numpy")
    large = Expectation(CompiledModel(small_one.model).tables)
    for engine in ("numpy", "numba"):
        counts = large.counts(cases, engine=engine)
        np.testing.assert_allclose(counts.joint, expected.joint, rtol=1e-10, atol=1e-12)
        for found, wanted in zip(counts.components, expected.components, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", ["one_cause", "all_of_three_states", "mixed_states", "one_risk", "one_finding"])
def test_agrees_with_brute_force(shape: str) -> None:
    network = varied(shape, 1)
    codes = random_codes(network.model, 6, 5, risks=0.6, causes=0.2)
    values = network.posteriors(Evidence(codes), engine="numba").values
    for case in range(codes.shape[1]):
        expected = expected_row(network.model, codes[:, case], network.columns)
        np.testing.assert_allclose(values[case], expected, rtol=1e-9, atol=1e-12)


def test_agrees_with_numpy_on_the_shipped_model() -> None:
    model = real().model
    questionnaires = random_codes(model, 300, 0, risks=0.7, findings=0.4)
    diagnosed = random_codes(model, 100, 1, risks=0.9, findings=0.9, causes=0.1)
    agree(real(), np.hstack([questionnaires, diagnosed]))


@pytest.mark.parametrize("n", [0, 1, LANES - 1, LANES, LANES + 1, 2 * LANES + 3])
def test_any_number_of_cases(n: int) -> None:
    network = varied("mixed_states", 1)
    codes = random_codes(network.model, n, 3)
    assert network.posteriors(Evidence(codes), engine="numba").values.shape == (n, len(network.columns))
    agree(network, codes)


def test_a_case_does_not_depend_on_its_batch_by_a_single_bit() -> None:
    network = real()
    codes = random_codes(network.model, 3 * LANES + 1, 4, risks=0.7, findings=0.4, causes=0.05)
    together = network.posteriors(Evidence(codes), engine="numba").values
    alone = [network.posteriors(Evidence(codes[:, [i]]), engine="numba").values for i in range(codes.shape[1])]
    assert np.vstack(alone).tobytes() == together.tobytes()
    shuffled = np.random.default_rng(0).permutation(codes.shape[1])
    again = network.posteriors(Evidence(codes[:, shuffled]), engine="numba").values
    assert again.tobytes() == together[shuffled].tobytes()


def test_a_case_does_not_depend_on_the_thread_that_scores_it() -> None:
    network = varied("mixed_states", 0)
    few = random_codes(network.model, 500, 6)
    many = np.tile(few, (1, 2 * ROWS_PER_TASK // 500 + 2))
    values = network.posteriors(Evidence(many), engine="numba").values
    once = network.posteriors(Evidence(few), engine="numba").values
    assert values.tobytes() == np.tile(once, (many.shape[1] // 500, 1)).tobytes()


def test_two_threads_at_once_get_what_one_gets() -> None:
    network = real()
    batches = [random_codes(network.model, 3000, seed, risks=0.7, findings=0.4) for seed in range(4)]
    expected = [network.posteriors(Evidence(codes), engine="numba").values.tobytes() for codes in batches]
    with ThreadPoolExecutor(2) as pool:
        got = list(
            pool.map(lambda codes: network.posteriors(Evidence(codes), engine="numba").values.tobytes(), batches)
        )
    assert got == expected


def test_codes_in_any_memory_order() -> None:
    network = varied("three_states_first", 1)
    codes = random_codes(network.model, 30, 8)
    expected = network.posteriors(Evidence(codes), engine="numba").values
    for other in (np.asfortranarray(codes), np.repeat(codes, 2, axis=1)[:, ::2]):
        assert network.posteriors(Evidence(other), engine="numba").values.tobytes() == expected.tobytes()


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_impossible_evidence_is_a_row_of_nan_and_harms_no_neighbour(engine: Any) -> None:
    network = real()
    codes = random_codes(network.model, 2 * LANES, 9, risks=0.0)
    sex, pregnancy = network.variables.index("sex"), network.variables.index("pregnancy")
    codes[sex, 5], codes[pregnancy, 5] = 1, 1  # a pregnant man
    result = network.posteriors(Evidence(codes), engine=engine)
    assert np.isnan(result.values[5]).all()
    assert np.isneginf(result.log_evidence[5])
    others = np.delete(np.arange(2 * LANES), 5)
    assert np.isfinite(result.values[others]).all()
    alone = network.posteriors(Evidence(codes[:, others]), engine=engine).values
    np.testing.assert_allclose(result.values[others], alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_a_finding_that_nothing_can_cause_is_impossible(engine: Any) -> None:
    content = small()
    content["findings"]["fever"]["leak"]["p"] = 0.0
    network = CompiledModel(ModelSpec.model_validate(content))
    codes = np.full((len(network.variables), 2), -1, dtype=np.int8)
    codes[-1] = [1, 0]
    result = network.posteriors(Evidence(codes), engine=engine)
    assert np.isneginf(result.log_evidence[0])
    assert np.isnan(result.values[0]).all()
    assert result.log_evidence[1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_posteriors_are_probabilities_that_fit_together(engine: Any) -> None:
    network = real()
    codes = random_codes(network.model, 400, 10, risks=0.6, findings=0.6, causes=0.2)
    values = network.posteriors(Evidence(codes), engine=engine).values
    values = values[np.isfinite(values[:, 0])]
    assert len(values) > 100
    assert (values >= 0).all()
    assert (values <= 1).all()
    at = network.columns.index
    assert (values[:, at("bakers_cyst_ruptured")] <= values[:, at("bakers_cyst")] + 1e-15).all()
    largest = values[:, : at("none_of_these")].max(axis=1)
    assert (values[:, at("none_of_these")] <= 1 - largest + 1e-12).all()


def test_engines_agree_across_the_size_at_which_they_change() -> None:
    network = real()
    codes = random_codes(network.model, MIN_COMPILED, 11, risks=0.7, findings=0.4)
    large = network.posteriors(Evidence(codes)).values
    small_batch = network.posteriors(Evidence(codes[:, : MIN_COMPILED - 1])).values
    assert large.tobytes() == network.posteriors(Evidence(codes), engine="numba").values.tobytes()
    np.testing.assert_allclose(large[:-1], small_batch, rtol=0, atol=1e-12)


def test_seventeen_causes_are_refused() -> None:
    with pytest.raises(ModelFileError, match="17 causes"):
        CompiledModel(many_causes(17))


def test_twelve_causes_agree_with_numpy() -> None:
    network = CompiledModel(many_causes(12))
    agree(network, random_codes(network.model, 9, 12, causes=0.2))
