"""How the kernel's cost grows: with causes, with findings, with the share of missing cells.

    python -m tests.benchmarks.scaling

Microseconds of processor time per case, on models drawn at random with 20 risk
factors. One thread, so that it can be compared across machines.
"""

from __future__ import annotations

import time
from collections.abc import Collection

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import kneebayes as kb
from kneebayes.cases.frames import code_table
from kneebayes.inference.compiled.kernels import Kernel
from kneebayes.inference.network import CompiledModel
from kneebayes.spec.model_spec import ModelSpec
from tests.oracles import random_codes, random_model

RISKS, FINDINGS, CAUSES = 20, 40, 9
CASES = 4096  # one task of the kernel, so one thread


def main() -> None:
    """Print the table."""
    print(f"{'':<34}{'µs a case':>12}{'joint states':>15}")
    for causes in (6, 8, 9, 10, 12, 14):
        show(f"{causes} causes", sparse_model(causes, FINDINGS))
    for findings in (20, 40, 80, 160):
        show(f"{findings} findings", sparse_model(CAUSES, findings))
    real = kb.load_model().file
    for missing in (0.0, 0.3, 0.6, 0.9, 1.0):
        show(f"the article's model, {missing:.0%} empty", real, missing)
    clinical = kb.load_model("extended")
    for missing in (0.5, 0.8):
        people(f"the clinical model, {missing:.0%} empty", clinical, missing)
        people("  of whom age, sex and sport are known", clinical, missing, ("age", "sex", "sport"))


def sparse_model(causes: int, findings: int) -> ModelSpec:
    """Draw a model in which a risk factor acts on one or two causes, and a finding comes from up to three."""
    content = random_model(1, risks=RISKS, causes=causes, findings=findings).model_dump()
    rng = np.random.default_rng(1)
    for name in list(content["risks"])[3:]:
        chosen = set(rng.choice(list(content["causes"]), rng.integers(1, 3), replace=False))
        for cause, node in content["causes"].items():
            if cause not in chosen:
                node["links"].pop(name, None)
    for node in content["findings"].values():
        for parent in list(node["links"])[3:]:
            node["links"].pop(parent)
    return ModelSpec.model_validate(content)


def show(label: str, model: ModelSpec, missing: float = 0.5) -> None:
    """Print one line."""
    network = CompiledModel(model)
    kernel = Kernel(network.tables)
    codes = random_codes(model, CASES, 2, risks=1 - missing, findings=1 - missing)
    codes[list(model.variables).index(model.complaint)] = 1
    print(f"{label:<34}{1e6 * cost(kernel, codes) / CASES:>12.2f}{network.n_joint:>15,}")


def people(label: str, model: kb.Model, missing: float, known: Collection[str] = ()) -> None:
    """Print one line for simulated people, of whom some things are always known."""
    frame = model.simulate(CASES, seed=2, missing=0.0)
    codes = code_table(model.scorer.coder, pa.Table.from_pandas(frame)).evidence.codes
    is_known = np.isin(list(model.file.variables), [*known, model.file.complaint])[:, None]
    codes = np.where(is_known | (np.random.default_rng(2).random(codes.shape) >= missing), codes, np.int8(-1))
    kernel, n_joint = Kernel(CompiledModel(model.file).tables), CompiledModel(model.file).n_joint
    print(f"{label:<42}{1e6 * cost(kernel, codes) / codes.shape[1]:>8.2f}{n_joint:>15,}")


def cost(kernel: Kernel, codes: NDArray[np.int8]) -> float:
    """Processor time of the quickest of several runs."""
    kernel.posteriors(codes)
    times = []
    for _ in range(7):
        start = time.process_time()
        kernel.posteriors(codes)
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
