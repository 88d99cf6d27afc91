"""Exchange formats read back: ``python -m tests.benchmarks.exchange [CASES]``.

Prints, by format and reader, the largest difference of a posterior from kneebayes' own over random cases, the size of
the file, and what the format has no room for. toulbar2 (a solver, where it is installed) reads UAI and prints its
log-probabilities to three digits, so it takes the random model of the tests and few cases.
"""

from __future__ import annotations

import importlib
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import kneebayes as kb
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.interop.exchange import export, import_model, read_uai, sidecar_path
from kneebayes.interop.pgmpy import Reference, read_pgmpy
from kneebayes.spec.model_spec import ModelSpec
from tests.oracles import random_model, whole_states

ENDINGS = {"bif": "bif", "xmlbif": "bifxml", "net": "net", "xdsl": "xdsl", "uai": "uai", "json": "json"}
SOLVER_CASES = 10
REST = "questions, ranges, bases, alarm, care"
LOST = {
    "bif": f"labels, {REST}",
    "xmlbif": f"labels, {REST}",
    "net": f"state labels, {REST}",
    "xdsl": f"state labels, {REST}",
    "uai": f"all names, labels, {REST}",
    "json": "nothing",
}
Posterior = Callable[[dict[str, str]], dict[str, float]]


def draw(model: ModelSpec, n: int) -> tuple[list[dict[str, str]], np.ndarray]:
    """Draw cases with cells left empty, and what kneebayes says of them."""
    network, frame = CompiledModel(model), kb.Model(model).simulate(n, seed=7, missing=(0.3, 0.6))
    coder = kb.Model(model).scorer.coder
    rows: list[Any] = [row.dropna().drop("case_id").to_dict() for _, row in frame.iterrows()]
    codes = whole_states(model, np.stack([coder.case(row).evidence.codes[:, 0] for row in rows], axis=1))
    cases = [
        {name: v.states[c] for (name, v), c in zip(model.variables.items(), column, strict=True) if c >= 0}
        for column in codes.T
    ]
    return cases, network.posteriors(Evidence(codes)).values


def by_pyagrum(path: Path, model: ModelSpec) -> Posterior:
    """Ask pyAgrum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        gum: Any = importlib.import_module("pyagrum")
    network = gum.loadBN(str(path))
    numbered = {name: str(i) if path.suffix == ".uai" else name for i, name in enumerate(model.variables)}
    engine = gum.LazyPropagation(network)
    engine.setTargets({numbered[name] for name in model.causes})

    def answer(evidence: dict[str, str]) -> dict[str, float]:
        engine.setEvidence({numbered[n]: model.variables[n].states.index(s) for n, s in evidence.items()})
        engine.makeInference()
        return {name: 1 - float(engine.posterior(numbered[name]).toarray()[0]) for name in model.causes}

    answer.network = network  # type: ignore[attr-defined]  # pyAgrum does not keep it alive
    return answer


def by_pgmpy(path: Path, model: ModelSpec) -> Posterior:
    """Ask pgmpy, by tables that its own reader, or for UAI ours, found in the file."""
    from pgmpy.factors.discrete import TabularCPD

    form = "xmlbif" if path.suffix == ".bifxml" else path.suffix[1:]
    text, names = path.read_text(), {name: name for name in model.variables}
    nodes = read_uai(text, str(path)) if form == "uai" else read_pgmpy(text, form)
    if form == "uai":
        names = {f"v{i}": name for i, name in enumerate(model.variables)}
    reference = Reference(model)
    network = reference.network.copy()
    for node in nodes:
        states = {names[n]: list(model.variables[names[n]].states) for n in (node.name, *node.parents)}
        network.remove_cpds(network.get_cpds(names[node.name]))
        network.add_cpds(
            TabularCPD(
                names[node.name],
                len(node.states),
                node.table.reshape(len(node.states), -1),
                evidence=[names[p] for p in node.parents],
                evidence_card=list(node.table.shape[1:]),
                state_names=states,
            )
        )
    reference.network, reference._markov = network, network.to_markov_model()
    reference._engine = type(reference._engine)(reference._markov)
    return reference.posteriors


def by_import(path: Path, model: ModelSpec) -> Posterior:
    """Import the file without its labels, and ask the kernel."""
    bare = path.with_name(f"bare.{path.suffix[1:]}")
    shutil.copy(path, bare)
    if path.suffix == ".json":
        content = json.loads(bare.read_text())
        bare.write_text(json.dumps({key: value for key, value in content.items() if key != "model"}))
    names = {name: f"v{i}" if path.suffix == ".uai" else name for i, name in enumerate(model.variables)}
    imported = import_model(bare, causes=[names[name] for name in model.causes])
    network, nodes = CompiledModel(imported), imported.variables
    rows = list(nodes)

    def answer(evidence: dict[str, str]) -> dict[str, float]:
        codes = np.full((len(rows), 1), -1, dtype=np.int8)
        codes[-1] = 1
        for name, state in evidence.items():
            states = nodes[names[name]].states
            code = model.variables[name].states.index(state) if path.suffix == ".uai" else states.index(state)
            codes[rows.index(names[name])] = code
        found = network.posteriors(Evidence(codes))
        values = dict(zip(found.columns, found.values[0].tolist(), strict=True))
        return {name: values[names[name]] for name in model.causes}

    return answer


def solver_difference(folder: Path) -> float:
    """Ask toulbar2 for Z with and without a cause, which is a posterior."""
    model = random_model(21, states=3)
    export(model, folder / "random.uai")
    order, reference, worst = list(model.variables), Reference(model), 0.0
    rng = np.random.default_rng(1)

    def log_z(evidence: dict[str, str]) -> float:
        said = " ".join(f"{order.index(n)} {model.variables[n].states.index(s)}" for n, s in evidence.items())
        (folder / "random.evid").write_text(f"{len(evidence)} {said}\n")
        command = ["toulbar2", "random.uai", "random.evid", "-logz"]
        out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
        return float(re.findall(r"<= Log\(Z\) <= (\S+)", out)[-1])

    for _ in range(SOLVER_CASES):
        chosen = rng.choice([*model.risks, *model.findings], 3, replace=False)
        evidence = {str(n): str(rng.choice(model.variables[n].states)) for n in chosen}
        found = math.exp(log_z({**evidence, "c0": "present"}) - log_z(evidence))
        worst = max(worst, abs(found - reference.posteriors(evidence)["c0"]))
    return worst


def main(n: int) -> None:
    """Print the table."""
    model = kb.load_model().file
    cases, truth = draw(model, n)
    columns = range(len(model.causes))
    print(f"{n} random cases of {model.name}; largest difference of a posterior from kneebayes' own")
    print("| format | file kB | reader | largest difference | not in the file |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for form, ending in ENDINGS.items():
            path = folder / f"knee.{ending}"
            export(model, path)
            size = path.stat().st_size / 1000
            assert import_model(path) == model, "with its labels a model comes back whole"
            readers: dict[str, Callable[[Path, ModelSpec], Posterior]] = {"kneebayes, no labels": by_import}
            if form not in ("net", "json"):  # pgmpy's reader of NET takes minutes
                readers["pgmpy" if form != "uai" else "pgmpy on tables"] = by_pgmpy
            if form in ("bif", "xmlbif", "net", "uai", "xdsl"):
                readers["pyAgrum"] = by_pyagrum
            for reader, make in readers.items():
                try:
                    answer = make(path, model)
                except Exception as error:  # it is what is measured here
                    print(f"| {form} | {size:.0f} | {reader} | can't: {str(error)[:60]} | |", flush=True)
                    continue
                off = 0.0
                for evidence, expected in zip(cases, truth, strict=True):
                    found = answer(evidence)
                    off = max(off, *(abs(found[c] - expected[i]) for c, i in zip(model.causes, columns, strict=True)))
                print(f"| {form} | {size:.0f} | {reader} | {off:.1e} | {LOST[form]} |", flush=True)
        print(f"| sidecar | {sidecar_path(folder / 'knee.bif').stat().st_size / 1000:.0f} | | | |")
        if shutil.which("toulbar2"):
            print(f"| uai (random model, {SOLVER_CASES} cases) | | toulbar2 | {solver_difference(folder):.1e} | |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
