"""Cases per second of every exact engine at hand, on one model and the same cases, in one run.

    python -m tests.benchmarks.engines

Each engine gets as many cases as fill a few seconds. All answers are compared
with those of the kernel, so that a fast wrong engine would show.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import kneebayes as kb
from kneebayes.inference.evidence import Evidence
from kneebayes.interop.pgmpy import Reference, to_pgmpy
from tests.oracles import whole_states

SECONDS = 6.0
N_KERNEL = 400_000
Answers = Any  # n rows of posteriors, as a list of lists or an array


def main() -> None:
    """Print the table."""
    model = kb.load_model()
    frame = model.simulate(N_KERNEL, seed=11, missing=(0.3, 0.6))
    from kneebayes.cases.frames import code_table, to_arrow

    table = to_arrow(frame, model.scorer.coder.columns)
    codes = code_table(model.scorer.coder, table).evidence.codes
    names, states = list(model.file.variables), [v.states for v in model.file.variables.values()]
    codes = whole_states(model.file, codes)

    def evidence(case: int) -> dict[str, str]:
        return {n: s[c] for n, s, c in zip(names, states, codes[:, case], strict=True) if c >= 0}

    kernel = np.array(model.network.posteriors(Evidence(codes), engine="numba").values)
    rows = [_kernel(model, codes)]
    rows.append(
        _batch(
            "kneebayes, NumPy path", lambda n: model.network.posteriors(Evidence(codes[:, :n]), engine="numpy").values
        )
    )
    rows.append(_batch("plain NumPy enumeration", lambda n: _enumerate(model, codes[:, :n])))
    for name, one in _engines(model):
        rows.append(_batch(name, lambda n, one=one: [one(evidence(i)) for i in range(n)], start=4))  # type: ignore[misc]
    fastest = rows[0][1]
    print(f"{'engine':<44}{'cases/s':>12}{'kneebayes is':>15}{'largest difference':>21}")
    for name, rate, answers in rows:
        found = np.array(answers)
        causes = found.shape[1]
        worst = np.nanmax(np.abs(found - kernel[: len(found), :causes]))
        print(f"{name:<44}{rate:>12,.0f}{fastest / rate:>13,.0f} x{worst:>21.1e}")


def _kernel(model: kb.Model, codes: NDArray[np.int8]) -> tuple[str, float, Answers]:
    best = min(_timed(lambda: model.network.posteriors(Evidence(codes), engine="numba"))[0] for _ in range(5))
    values = model.network.posteriors(Evidence(codes[:, :1000]), engine="numba").values
    return "kneebayes, compiled kernel", codes.shape[1] / best, values.tolist()


def _batch(name: str, answer: Callable[[int], Answers], start: int = 64) -> tuple[str, float, Answers]:
    """Double the number of cases until they take a while, then measure."""
    n, seconds = start, 0.0
    answer(1)
    while True:
        seconds, answers = _timed(lambda: answer(n))  # noqa: B023
        if seconds > SECONDS / 3 or n > 50_000:
            return name, n / seconds, answers
        n *= 2


def _timed(run: Callable[[], Answers]) -> tuple[float, Answers]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def _enumerate(model: kb.Model, codes: NDArray[np.int8]) -> Answers:
    """All joint states of the causes for every case, by two matrix products: the rival that an expert would write.

    What may be known of the findings is one-hot, and its log-likelihoods by joint state are one matrix. The prior over
    the causes given the risk factors is taken from the tables.
    """
    network, file = model.network, model.file
    n_before = len(file.risks) + len(file.causes)
    upper = codes.copy()
    upper[n_before:] = -1
    chances, known = [], []
    for f, name in enumerate(file.findings):
        for code in range(len(file.events[name])):
            chances.append(network.tables.chance(f, code))
            known.append(codes[n_before + f] == code)
    likelihood = np.log(np.clip(chances, 1e-300, 1.0))
    joint = network.joint(Evidence(upper)) * np.exp(np.array(known, dtype=float).T @ likelihood)
    present = (network.joint_states > 0).astype(float)
    return (joint @ present) / joint.sum(axis=1, keepdims=True)


def _engines(model: kb.Model) -> list[tuple[str, Callable[[dict[str, str]], list[float]]]]:
    import pyagrum as gum

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pgmpy.inference import VariableElimination

        bayes = to_pgmpy(model.file)
    causes, reference, elimination = list(model.causes), Reference(model.file), VariableElimination(bayes)
    lazy_bn = _pyagrum(model)
    lazy = gum.LazyPropagation(lazy_bn)
    lazy.setTargets(set(causes))

    def joint_query(evidence: dict[str, str]) -> list[float]:
        posterior = reference.posteriors(evidence)
        return [posterior[cause] for cause in causes]

    def query_per_cause(evidence: dict[str, str]) -> list[float]:
        return [
            1.0 - float(elimination.query([cause], evidence=evidence, show_progress=False).values[0])
            for cause in causes
        ]

    def propagate(evidence: dict[str, str]) -> list[float]:
        lazy.setEvidence(evidence)
        lazy.makeInference()
        return [1.0 - float(lazy.posterior(cause)[0]) for cause in causes]

    return [
        ("pgmpy VariableElimination, one joint query", joint_query),
        ("pgmpy VariableElimination, a query per cause", query_per_cause),
        ("pyAgrum LazyPropagation", propagate),
    ]


def _pyagrum(model: kb.Model) -> object:
    """Build the network from the conditional tables: pyAgrum's readers keep single precision only."""
    import pyagrum as gum

    from kneebayes.inference.tables import conditional_table

    network = gum.BayesNet()
    variables = model.file.variables
    for name, variable in variables.items():
        network.add(gum.LabelizedVariable(name, name, list(variable.states)))
    for name in variables:
        for parent in conditional_table(model.file, name)[0]:
            network.addArc(parent, name)
    for name in variables:
        parents, table = conditional_table(model.file, name)
        cpt = network.cpt(name)
        order = list(cpt.names)  # pyAgrum's first variable varies fastest
        axes = [(name, *parents).index(n) for n in reversed(order)]
        cpt.fillWith(np.transpose(table, axes).ravel().tolist())
    return network


if __name__ == "__main__":
    main()
