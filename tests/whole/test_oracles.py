"""Posteriors against two independent libraries: pgmpy's VariableElimination and pyAgrum's LazyPropagation.

pgmpy gets the tables of ``noisyor.conditional_table``; pyAgrum gets numbers
computed one by one from the definition of the model; neither shares code with
``inference``, which never writes a conditional table.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kneebayes.errors import ImpossibleEvidenceError
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.interop.pgmpy import Reference, to_pgmpy
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.oracles import _chance as chance
from tests.oracles import random_codes, random_model

with warnings.catch_warnings():
    # 2026-11: the SWIG wrapper of pyAgrum 3.3 warns at import, and crashes where that is an error
    warnings.filterwarnings("ignore", "builtin type .* has no __module__", DeprecationWarning)
    gum: Any = importlib.import_module("pyagrum")  # Any: it is half typed

AGREE = 1e-9
pytestmark = pytest.mark.slow
REAL = "posterior_knee_pain"
RANDOM = {
    "binary": {},
    "three_states": {"states": 3},
    "four_states": {"states": 4, "causes": 4},
    "no_cause_edges": {"edges": False},
    "many_risks": {"risks": 6, "findings": 8},
    "one_risk": {"risks": 1},
}
# shares of known risks, causes and findings, and how many cases of each; impossible ones come out later
MIXES = [
    (0.7, 0.0, 0.4, 450),  # as people fill in a questionnaire
    (0.7, 0.15, 0.4, 200),  # with known diagnoses
    (0.2, 0.0, 0.1, 150),  # little known
    (0.0, 0.3, 0.5, 80),
    (0.9, 0.9, 0.9, 100),
    (1.0, 0.0, 1.0, 100),  # nothing missing but the causes
]

Codes = NDArray[np.int8]
Row = dict[str, float]


class Agrum:
    """LazyPropagation on a network whose numbers come one by one from the definition of the model."""

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        nodes = model.variables
        network = gum.BayesNet(model.name)
        for name, node in nodes.items():
            network.add(gum.LabelizedVariable(name, name, list(node.states)))
        for name in nodes:
            parents = parents_of(model, name)
            for parent in parents:
                network.addArc(parent, name)
            for states in product(*(nodes[parent].states for parent in parents)):
                world = dict(zip(parents, states, strict=True))
                column = [chance(model, name, {**world, name: state}) for state in nodes[name].states]
                network.cpt(name)[world or slice(None)] = column
        self.network = network  # pyAgrum does not keep it alive, and crashes without it
        self.engine = gum.LazyPropagation(network)

    def posteriors(self, evidence: dict[str, str]) -> Row | None:
        """Posteriors by column name, none_of_these by the chain rule; None where P(evidence) is zero."""
        causes = self.model.causes
        self.engine.setTargets(set(causes))
        whole = self._probability(evidence)
        if not whole > 0:
            return None
        row: Row = {}
        extra: Row = {}
        for name, cause in causes.items():
            margin = self.engine.posterior(name).tolist()
            row[name] = sum(margin[1:])
            extra.update({f"{name}_{s}": p for s, p in zip(cause.states[2:], margin[2:], strict=True)})
        healthy = {name: cause.states[0] for name, cause in causes.items()}
        if all(evidence.get(name, state) == state for name, state in healthy.items()):
            row["none_of_these"] = self._probability({**evidence, **healthy}) / whole
        else:
            row["none_of_these"] = 0.0
        return {**row, **extra}

    def _probability(self, evidence: dict[str, str]) -> float:
        self.engine.setEvidence(evidence)
        try:
            self.engine.makeInference()
            return float(self.engine.evidenceProbability())
        except gum.IncompatibleEvidence:
            return 0.0


def parents_of(model: ModelSpec, name: str) -> list[str]:
    if name in model.risks:
        return list(model.risks[name].parents)
    node: Any = model.variables[name]
    extra = [parent for i in model.interactions if i.target == name for parent in i.when]
    return list(dict.fromkeys([*node.links, *extra]))


def known(model: ModelSpec, codes: Codes) -> dict[str, str]:
    nodes = model.variables
    return {
        name: nodes[name].states[code]
        for name, code in zip(nodes, codes, strict=True)
        if 0 <= code < len(nodes[name].states)
    }


def pgmpy_row(reference: Reference, evidence: dict[str, str]) -> Row | None:
    try:
        return reference.posteriors(evidence)
    except ImpossibleEvidenceError:
        return None


def compare(model: ModelSpec, codes: Codes) -> tuple[int, dict[str, float]]:
    """Compare every posterior of every case; give the number of possible cases and the largest differences."""
    network, reference, agrum = CompiledModel(model), Reference(model), Agrum(model)
    result = network.posteriors(Evidence(codes))
    worst = {"pgmpy": 0.0, "pyagrum": 0.0}
    possible = 0
    for case in range(codes.shape[1]):
        evidence = known(model, codes[:, case])
        rows = {"pgmpy": pgmpy_row(reference, evidence), "pyagrum": agrum.posteriors(evidence)}
        impossible = bool(np.isneginf(result.log_evidence[case]))
        assert {name: row is None for name, row in rows.items()} == dict.fromkeys(rows, impossible), evidence
        possible += not impossible
        for name, row in rows.items():
            if row is not None:
                assert tuple(row) == result.columns
                off = float(np.abs(result.values[case] - list(row.values())).max())
                assert off <= AGREE, (name, evidence, dict(zip(result.columns, result.values[case], strict=True)), row)
                worst[name] = max(worst[name], off)
    return possible, worst


def pgmpy_engine(model: ModelSpec) -> Any:
    from pgmpy.inference import VariableElimination  # here: a process that only hashes must not wait for it

    return VariableElimination(to_pgmpy(model))


@lru_cache(maxsize=1)
def real_model() -> ModelSpec:
    return read_model(model_path(REAL))


def real_cases() -> Codes:
    """Draw cases of every mix; most with the complaint, as scoring takes for granted."""
    model = real_model()
    parts = [
        random_codes(model, n, seed, risks=risks, causes=causes, findings=findings)
        for seed, (risks, causes, findings, n) in enumerate(MIXES)
    ]
    codes = np.concatenate(parts, axis=1)
    for row, variable in enumerate(model.variables.values()):
        codes[row, codes[row] >= len(variable.states)] = -1  # other programs have no words for one state or another
    complaint = list(model.variables).index(model.complaint)
    codes[complaint, np.arange(codes.shape[1]) % 10 > 0] = 1
    return codes


@pytest.mark.parametrize("shape", RANDOM)
@pytest.mark.parametrize("seed", [11, 12])
def test_random_models_agree(shape: str, seed: int) -> None:
    model = random_model(seed, **RANDOM[shape])  # type: ignore[arg-type]
    codes = np.concatenate([random_codes(model, 15, seed, causes=share) for share in (0.0, 0.3)], axis=1)
    possible, _ = compare(model, codes)
    assert possible == codes.shape[1]


def test_impossible_evidence_is_impossible_to_all() -> None:
    content = random_model(5).model_dump(mode="json")
    for row in content["risks"]["r1"]["given"]:
        if row["when"]["r0"] == ["high"]:
            row["prior"]["middle"]["p"] = 0.0
    content["findings"]["f1"]["leak"]["p"] = 0.0
    model = ModelSpec.model_validate(content)
    codes = np.full((len(model.variables), 3), -1, dtype=np.int8)
    names = list(model.variables)
    codes[[names.index("r0"), names.index("r1")], 0] = [2, 1]
    codes[[names.index(name) for name in (*model.causes, "f1")], 1] = [0] * len(model.causes) + [1]
    possible, _ = compare(model, codes)
    assert possible == 1


def test_real_model_agrees(record_property: Callable[[str, object], None]) -> None:
    assert "bakers_cyst_ruptured" in CompiledModel(real_model()).columns
    possible, worst = compare(real_model(), real_cases())
    record_property("possible cases", possible)
    record_property("largest differences", str(worst))
    print(f"{possible} cases, largest differences {worst}")
    assert possible >= 500


def test_real_model_agrees_with_pgmpy_as_anyone_would_ask_it() -> None:
    model, codes = real_model(), real_cases()[:, ::8]
    engine = pgmpy_engine(model)
    result = CompiledModel(model).posteriors(Evidence(codes))
    cause = model.alarm.cause
    asked = np.isfinite(result.log_evidence) & (codes[list(model.variables).index(cause)] < 0)
    assert asked.sum() > 50
    for case in np.flatnonzero(asked):
        evidence = known(model, codes[:, case])
        answer = engine.query([cause], evidence=evidence, show_progress=False)
        expected = result.values[case, result.columns.index(cause)]
        assert abs(answer.get_value(**{cause: "present"}) - expected) <= AGREE, evidence


def test_row_order_does_not_matter() -> None:
    network, codes = CompiledModel(real_model()), real_cases()
    order = np.random.default_rng(4).permutation(codes.shape[1])
    np.testing.assert_allclose(
        network.posteriors(Evidence(codes[:, order])).values,
        network.posteriors(Evidence(codes)).values[order],
        rtol=1e-12,
        atol=1e-15,
    )


def test_order_of_evidence_does_not_matter_to_pgmpy() -> None:
    model = random_model(6, states=3)
    reference = Reference(model)
    evidence = known(model, random_codes(model, 1, 3)[:, 0])
    turned = dict(reversed(evidence.items()))
    assert reference.posteriors(turned) == pytest.approx(reference.posteriors(evidence), abs=1e-14)


def test_hash_seed_does_not_matter() -> None:
    script = (
        "import hashlib; from kneebayes.inference.evidence import Evidence; "
        "from kneebayes.inference.network import CompiledModel; from tests.whole import test_oracles as t; "
        "print(hashlib.sha256(CompiledModel(t.real_model()).posteriors(Evidence(t.real_cases()))"
        ".values.tobytes()).hexdigest())"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate(timeout=60)[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert first == second
