"""The pgmpy network, what it refuses, and its BIF export read back by pgmpy and by pyAgrum."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pgmpy.inference import VariableElimination
from pgmpy.readwrite import BIFReader

from kneebayes.errors import FileFormatError, ImpossibleEvidenceError, ModelFileError, UnknownNameError
from kneebayes.inference.tables import conditional_table
from kneebayes.interop import cpt
from kneebayes.interop.exchange import export
from kneebayes.interop.pgmpy import Reference, to_pgmpy
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.oracles import brute_force, number, random_codes, random_model

with warnings.catch_warnings():
    # 2026-11: the SWIG wrapper of pyAgrum 3.3 warns at import, and crashes where that is an error
    warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
    gum: Any = importlib.import_module("pyagrum")  # Any: it is half typed

SINGLE = 1e-6
MODELS = ["random", "posterior_knee_pain"]


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> ModelSpec:
    return random_model(21, states=3) if request.param == "random" else read_model(model_path(request.param))


@pytest.fixture(scope="module")
def reference(model: ModelSpec) -> Reference:
    return Reference(model)


@pytest.fixture(scope="module")
def bif(model: ModelSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bif") / f"{model.name}.bif"
    export(model, path)
    return path


def cases(model: ModelSpec, n: int) -> list[dict[str, str]]:
    """Draw cases that the model holds possible."""
    found: list[dict[str, str]] = []
    codes = random_codes(model, 4 * n, 2, risks=0.3, causes=0.1, findings=0.3)
    for column in codes.T:
        evidence = {
            n: v.states[c] for (n, v), c in zip(model.variables.items(), column, strict=True) if 0 <= c < len(v.states)
        }
        if not {"sex", "pregnancy"} <= set(evidence):
            found.append(evidence)
    return found[:n]


def test_network_passes_pgmpys_check_and_ours(reference: Reference) -> None:
    assert reference.network.check_model()
    for cpd in reference.network.cpds:
        np.testing.assert_allclose(cpd.get_values().sum(axis=0), 1.0, rtol=0, atol=1e-9)


def test_nodes_states_and_edges_stand_in_model_order(model: ModelSpec, reference: Reference) -> None:
    network = reference.network
    assert network.name == model.name
    assert list(network.nodes()) == [cpd.variable for cpd in network.cpds] == list(model.variables)
    assert network.states == {name: list(variable.states) for name, variable in model.variables.items()}
    for cpd in network.cpds:
        parents, table = conditional_table(model, cpd.variable)
        assert (cpd.variable, *parents) == tuple(cpd.variables)
        np.testing.assert_array_equal(cpd.values, table)


def test_a_column_that_pgmpy_lets_pass_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(model: ModelSpec, name: str) -> tuple[tuple[str, ...], np.ndarray]:
        parents, table = conditional_table(model, name)
        return parents, table * (1 - 2e-9 if name == "f1" else 1.0)

    monkeypatch.setattr(cpt, "conditional_table", off)
    with pytest.raises(ModelFileError, match=r"random_1: f1: .*off 1 by 2e-09"):
        to_pgmpy(random_model(1))


def test_a_table_that_would_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpt, "MAX_TABLE_NUMBERS", 8)
    with pytest.raises(ModelFileError, match=r"parents, so its whole table needs \d+ numbers, over the limit of 8"):
        to_pgmpy(random_model(1))


def test_posteriors_equal_brute_force() -> None:
    model = random_model(8, states=4)
    reference = Reference(model)
    for column in random_codes(model, 10, 1, causes=0.3).T:
        evidence = {
            n: v.states[c] for (n, v), c in zip(model.variables.items(), column, strict=True) if 0 <= c < len(v.states)
        }
        truth, _ = brute_force(model, column)
        posterior = reference.posteriors(evidence)
        for name, cause in model.causes.items():
            assert posterior[name] == pytest.approx(1 - truth.get((name, "absent"), 0.0), abs=1e-12)
            for state in cause.states[2:]:
                assert posterior[f"{name}_{state}"] == pytest.approx(truth.get((name, state), 0.0), abs=1e-12)
        assert posterior["none_of_these"] == pytest.approx(truth.get(("none_of_these", ""), 0.0), abs=1e-12)


@pytest.mark.parametrize("rest", [{}, {"r0": "low", "f0": "present"}, "all"], ids=["causes", "some", "everything"])
def test_known_causes_are_certain(rest: dict[str, str] | str) -> None:
    model = random_model(3, states=3)
    first = {name: variable.states[0] for name, variable in model.variables.items()}
    causes = {"c0": "absent", "c1": "present1", "c2": "present"}
    evidence = {**(first if rest == "all" else rest), **causes}  # type: ignore[dict-item]
    expected = {"c0": 0.0, "c1": 1.0, "c2": 1.0, "none_of_these": 0.0, "c1_present1": 1.0}
    assert Reference(model).posteriors(evidence) == pytest.approx(expected, abs=1e-15)


def impossible_model() -> ModelSpec:
    """Make f1 and, where r0 is high, r1=middle impossible without a cause."""
    content = random_model(5).model_dump(mode="json")
    for row in content["risks"]["r1"]["given"]:
        if row["when"]["r0"] == ["high"]:
            row["prior"]["middle"] = number(0.0)
    content["findings"]["f1"]["leak"] = number(0.0)
    return ModelSpec.model_validate(content)


@pytest.mark.parametrize(
    "evidence",
    [
        {"r0": "high", "r1": "middle"},
        {"r0": "high", "r1": "middle", "c0": "absent", "c1": "absent", "c2": "absent"},
        {"f1": "present", "c0": "absent", "c1": "absent", "c2": "absent"},
    ],
    ids=["risks", "risks_and_causes", "finding"],
)
def test_impossible_evidence_is_an_error(evidence: dict[str, str]) -> None:
    with pytest.raises(
        ImpossibleEvidenceError, match="impossible.*: " + ", ".join(f"{k}={v}" for k, v in evidence.items())
    ):
        Reference(impossible_model()).posteriors(evidence)


def test_pgmpy_alone_would_answer_impossible_evidence() -> None:
    # why Reference asks the Markov network: if this fails, pgmpy has mended it

    engine = VariableElimination(to_pgmpy(impossible_model()))
    answer = engine.query(["c0"], evidence={"r0": "high", "r1": "middle"}, show_progress=False)
    assert not np.isnan(answer.values).any()


@pytest.mark.slow
def test_bif_read_by_pgmpy_has_the_same_numbers(bif: Path, reference: Reference) -> None:

    back = BIFReader(str(bif)).get_model()
    assert back.check_model()
    assert set(back.nodes()) == set(reference.network.nodes())
    for cpd in reference.network.cpds:
        other = back.get_cpds(cpd.variable)
        assert other.variables == cpd.variables
        assert other.state_names == cpd.state_names
        np.testing.assert_array_equal(other.values, cpd.values)


@pytest.mark.slow
def test_bif_read_by_pgmpy_reproduces_the_posteriors(bif: Path, model: ModelSpec, reference: Reference) -> None:

    engine = VariableElimination(BIFReader(str(bif)).get_model())
    for evidence in cases(model, 10):
        expected = reference.posteriors(evidence)
        hidden = [name for name in model.causes if name not in evidence]
        joint = engine.query(hidden, evidence=evidence, show_progress=False)
        for name in hidden:
            margin = joint.marginalize([other for other in hidden if other != name], inplace=False)
            assert 1 - margin.get_value(**{name: "absent"}) == pytest.approx(expected[name], abs=1e-9)


def test_bif_read_by_pyagrum_reproduces_the_posteriors(bif: Path, model: ModelSpec, reference: Reference) -> None:
    # pyAgrum 3.3 reads the numbers of a BIF file in single precision; test_oracles has it exact, without a file
    network = gum.loadBN(str(bif))  # kept by name: pyAgrum does not keep it alive, and crashes without it
    engine = gum.LazyPropagation(network)
    engine.setTargets(set(model.causes))
    for evidence in cases(model, 10):
        expected = reference.posteriors(evidence)
        engine.setEvidence(evidence)
        engine.makeInference()
        for name, cause in model.causes.items():
            margin = engine.posterior(name)
            assert 1 - margin[{name: "absent"}] == pytest.approx(expected[name], abs=SINGLE)
            for state in cause.states[2:]:
                assert margin[{name: state}] == pytest.approx(expected[f"{name}_{state}"], abs=SINGLE)


@pytest.mark.slow
def test_bif_bytes_do_not_depend_on_the_hash_seed(bif: Path, model: ModelSpec, tmp_path: Path) -> None:
    source = tmp_path / "model.json"
    source.write_text(model.model_dump_json(exclude_defaults=True), encoding="utf-8")
    script = (
        "import sys; from pathlib import Path; from kneebayes.spec.model_spec import ModelSpec; "
        "from kneebayes.interop.exchange import export; text = Path(sys.argv[1]).read_text('utf-8'); "
        "export(ModelSpec.model_validate_json(text), sys.argv[2])"
    )
    targets = [tmp_path / f"{seed}.bif" for seed in ("1", "2")]
    runs = [
        # -W error: nothing of pgmpy's own warnings may reach a user
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, str(source), str(target)],
            env={**os.environ, "PYTHONHASHSEED": target.stem},
        )
        for target in targets
    ]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert targets[0].read_bytes() == targets[1].read_bytes() == bif.read_bytes()


def test_export_replaces_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.bif"
    path.write_text("old")

    def fail(old: str, new: str) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(FileFormatError, match=r"net\.bif.*: can't be written: disk full"):
            export(random_model(1), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    export(random_model(1), path)
    assert path.read_text().startswith("network random_1")
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "net.bif.labels.json"]


def test_export_says_what_it_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="there is no folder"):
        export(random_model(1), tmp_path / "missing" / "net.bif")
    with pytest.raises(UnknownNameError, match=r"no exchange format 'bfi': use one of bif, .*\. Did you mean 'bif'"):
        export(random_model(1), tmp_path / "net.bif", format="bfi")


def test_importing_the_module_does_not_import_pgmpy() -> None:
    script = "import sys, kneebayes.interop.pgmpy; sys.exit('pgmpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
