"""Fit the same cases by kneebayes, pyAgrum and pgmpy: time, memory and held-out log loss, as a Markdown table.

    python -m tests.benchmarks.learning [seconds]

The cases come from a model whose every leak, link and split was moved by 0.7
in log-odds. Each library starts from the unmoved numbers, in a process of its
own that is ended after the seconds given (100) and then gets no more cases.
There are two networks, the model that ships and a small one that all three
can fit, and two kinds of data, the same for all: 40 % of the cells empty and
the causes of 30 % of the cases known; or all cells filled and no cause known,
for pgmpy, which drops each row with an empty cell. Log loss is the sum over
the causes, in nats, of 1,000 other cases with 40 % of their cells empty.

kneebayes learns the numbers of noisy-ORs, from their ranges as priors, given
that all these people have the complaint. pyAgrum and pgmpy know no noisy-OR:
each column of each table is free, and the complaint a finding that all have.
pyAgrum's EM gets a smoothing prior of one case, and stops when the likelihood
changes by less than 1e-4 of itself; pgmpy's has no prior, and stops when no
probability changes by more than 1e-3, or after 20 steps.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import kneebayes as kb
from kneebayes.cases.labels import read_cohort
from kneebayes.spec.yaml_io import with_numbers
from tests.oracles import whole_states

SEED, MOVED, MISSING, LABELLED, HELD_OUT = 5, 0.7, 0.4, 0.3, 1000
SIZES = (100, 1000, 20_000)
SMALL = str(Path(__file__).parents[2] / "examples" / "ankle.yaml")
NETWORKS = {"posterior_knee_pain": "posterior_knee_pain", "ankle": SMALL}
DATA = ("40 % empty, 30 % labelled", "causes hidden, rest known")
ENGINES = ("kneebayes", "pyagrum", "pgmpy")
MOST = 0.99  # of a distribution, so that the first state keeps a chance
STEPS = 20  # of pgmpy, at most


class Fitted(NamedTuple):
    """What came of a fit."""

    seconds: float
    processor: float
    posteriors: np.ndarray[Any, Any] | None
    remark: str


def moved(model: kb.Model, seed: int = SEED, deviation: float = MOVED) -> kb.Model:
    """Move every leak, link and split by chance, in log-odds; states of one distribution then share at most 1."""
    rng = np.random.default_rng(seed)
    numbers, totals = {}, defaultdict[str, float](float)
    for place, number in model.file.probabilities():
        if 0 < number.p < 1 and not place.startswith("risks."):
            log_odds = np.log(number.p / (1 - number.p)) + rng.normal(0, deviation)
            numbers[place] = number.model_copy(update={"p": float(1 / (1 + np.exp(-log_odds))), "range": (0.0, 1.0)})
    together = {place: place.rpartition(".")[0] for place in numbers if _is_of_distribution(model, place)}
    for place, effect in together.items():
        totals[effect] += numbers[place].p
    for place, effect in together.items():
        share = numbers[place].p / max(1.0, totals[effect] / MOST)
        numbers[place] = numbers[place].model_copy(update={"p": share})
    return kb.Model(with_numbers(model.file, numbers))


def _is_of_distribution(model: kb.Model, place: str) -> bool:
    kind, name, *_ = place.split(".")
    return kind == "findings" and len(model.file.findings[name].states) > 2


def labelled_cases(
    model: kb.Model, n: int, seed: int, share: float = LABELLED, missing: float = MISSING
) -> pd.DataFrame:
    """Draw cases of which a share has all its causes named."""
    frame = model.simulate(n, seed=seed, missing=missing, with_causes=True)
    columns = [f"true_{cause}" for cause in model.causes]
    frame[columns] = frame[columns].astype(object)
    frame.loc[np.random.default_rng(seed).random(n) >= share, columns] = None
    return frame


def log_loss(model: kb.Model, posteriors: np.ndarray[Any, Any], frame: pd.DataFrame) -> float:
    """Sum the log losses of the causes, in nats per case."""
    true = np.stack([frame[f"true_{cause}"] != "absent" for cause in model.causes], axis=1)
    p = np.clip(posteriors, 1e-12, 1 - 1e-12)
    return float(-np.where(true, np.log(p), np.log1p(-p)).sum(axis=1).mean())


def score(model: kb.Model, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Compute the posteriors of the causes."""
    return np.asarray(model.score(frame)[list(model.causes)])


def main() -> None:
    """Run every library in a process of its own, and print the table."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    began, load = time.perf_counter(), os.getloadavg()[0]
    print("| network | data | cases | library | seconds | processor s | peak MB | log loss | remark |")
    print("| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | --- |")
    for network, path in NETWORKS.items():
        start = kb.load_model(path)
        truth = moved(start)
        test = labelled_cases(truth, HELD_OUT, 2, 1.0)
        before, best = (log_loss(model, score(model, test), test) for model in (start, truth))
        print(f"| {network} | | | none: as it starts | | | | {before:.4f} | |")
        print(f"| {network} | | | none: what the cases are from | | | | {best:.4f} | |", flush=True)
        for data in DATA:
            for engine in ENGINES:
                for n in SIZES:
                    with tempfile.TemporaryDirectory() as folder:
                        result = run(engine, network, data, n, seconds, Path(folder))
                    figures = " | ".join(
                        form.format(result[key]) if result.get(key) is not None else "-" for key, form in FORMS.items()
                    )
                    print(f"| {network} | {data} | {n:,} | {engine} | {figures} | {result['remark']} |", flush=True)
                    if not result["finished"]:
                        break
    print(
        f"\n{time.perf_counter() - began:.0f} s in all; load average {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    )


FORMS = {"seconds": "{:.1f}", "processor": "{:.1f}", "memory": "{:.0f}", "loss": "{:.4f}"}


def run(engine: str, network: str, data: str, n: int, seconds: int, folder: Path) -> dict[str, Any]:
    """Run one library on n cases, for so many seconds at most."""
    target = folder / "result.json"
    command = [sys.executable, "-m", "tests.benchmarks.learning", "worker", engine, network, data, str(n), str(target)]
    try:
        done = subprocess.run(command, timeout=seconds, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return {"remark": f"not done after {seconds} s", "finished": False}
    if done.returncode:
        return {"remark": (done.stderr.strip().splitlines() or ["ended"])[-1][:150], "finished": False}
    return {**json.loads(target.read_text()), "finished": True}


def worker(engine: str, network: str, data: str, n: int, target: str) -> None:
    """Fit and score by one library, and write down how it went."""
    start = kb.load_model(NETWORKS[network])
    truth = moved(start)
    train = labelled_cases(truth, n, 1) if data == DATA[0] else labelled_cases(truth, n, 1, 0.0, 0.0)
    test = labelled_cases(truth, HELD_OUT, 2, 1.0)
    fitted = {"kneebayes": fit_kneebayes, "pyagrum": fit_pyagrum, "pgmpy": fit_pgmpy}[engine](start, train, test)
    loss = None if fitted.posteriors is None else log_loss(start, fitted.posteriors, test)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {
        "seconds": fitted.seconds,
        "processor": fitted.processor,
        "memory": memory,
        "loss": loss,
        "remark": fitted.remark,
    }
    Path(target).write_text(json.dumps(found))


def fit_kneebayes(start: kb.Model, train: pd.DataFrame, test: pd.DataFrame) -> Fitted:
    """Fit by kneebayes."""
    began, processor = time.perf_counter(), time.process_time()
    fitted = start.fit(train)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    report = fitted.fit_report
    assert report is not None
    said = f"{len(report.changes)} numbers, {'' if report.converged else 'not '}converged"
    return Fitted(seconds, processor, score(fitted, test), said)


def fit_pyagrum(start: kb.Model, train: pd.DataFrame, test: pd.DataFrame) -> Fitted:
    """Fit by pyAgrum's EM: an empty cell is summed out by exact inference."""
    import pyagrum as gum

    from kneebayes.interop.exchange import export

    with tempfile.TemporaryDirectory() as folder:
        export(start.file, Path(folder) / "start.bif")
        net = gum.loadBN(str(Path(folder) / "start.bif"))
        named(start, train).fillna("?").to_csv(Path(folder) / "cases.csv", index=False)
        began, processor = time.perf_counter(), time.process_time()
        learner = gum.BNLearner(str(Path(folder) / "cases.csv"), net, ["?"])
        learner.useSmoothingPrior(1.0)
        learner.useEM(1e-4, 0.0)
        fitted = learner.learnParameters(net)
        seconds, processor = time.perf_counter() - began, time.process_time() - processor
    engine = gum.LazyPropagation(fitted)
    engine.setTargets(set(start.causes))
    rows = []
    for case in evidence(start, test):
        engine.setEvidence(case)
        engine.makeInference()
        rows.append([1.0 - engine.posterior(cause)[0] for cause in start.causes])
    size = sum(fitted.cpt(node).domainSize() for node in fitted.nodes())
    return Fitted(
        seconds,
        processor,
        np.array(rows),
        f"{size} numbers in tables, {learner.EMnbrIterations()} steps, {learner.EMStateMessage()}",
    )


def fit_pgmpy(start: kb.Model, train: pd.DataFrame, test: pd.DataFrame) -> Fitted:
    """Fit by pgmpy's EM: whole columns may be hidden; a row with any other empty cell is dropped."""
    import warnings

    warnings.simplefilter("ignore")
    from pgmpy.inference import VariableElimination
    from pgmpy.parameter_estimator import DiscreteEM

    network = start.to_pgmpy()
    states = named(start, train)
    whole = states.dropna(axis=1, how="all")
    kept = len(whole.dropna())
    if not kept:
        return Fitted(0.0, 0.0, None, f"drops rows with empty cells: none of {len(states)} left")
    hidden = [name for name in start.causes if name not in whole]
    network.latents = set(hidden)
    words = {  # its EM knows the states of what is hidden by number only
        name: list(range(len(variable.states))) if name in hidden else list(variable.states)
        for name, variable in start.file.variables.items()
    }
    for cpd in network.cpds:
        cpd.store_state_names(None, None, {name: words[name] for name in cpd.variables})
    estimator = DiscreteEM(
        state_names=words,
        latent_card={name: len(words[name]) for name in hidden},
        init_cpds={cpd.variable: cpd for cpd in network.cpds},
        max_iter=STEPS,
        atol=1e-3,
        show_progress=False,
    )
    began, processor = time.perf_counter(), time.process_time()
    estimator.fit(network, whole)
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    network.cpds = list(estimator.parameters_)
    engine = VariableElimination(network)
    rows, lost = [], 0
    for case in evidence(start, test):
        joint = engine.query(list(start.causes), evidence=case, show_progress=False)
        own = [
            1.0 - float(joint.marginalize([c for c in start.causes if c != cause], inplace=False).values[0])
            for cause in start.causes
        ]
        lost += not np.isfinite(own).all()
        rows.append(np.nan_to_num(own, nan=0.5))
    impossible = f"; {lost} test cases impossible, taken as 0.5" if lost else ""
    said = f"{STEPS} steps at most, {kept} rows without an empty cell{impossible}"
    return Fitted(seconds, processor, np.array(rows), said)


def named(model: kb.Model, frame: pd.DataFrame) -> pd.DataFrame:
    """Write every variable of cases as state names, NaN where it is not known."""
    codes = whole_states(model.file, read_cohort(model.file, frame, labels=False).cases.codes)
    columns = {}
    for (name, variable), row in zip(model.file.variables.items(), codes, strict=True):
        columns[name] = pd.Series(np.array([*variable.states, None], dtype=object)[row])
        if f"true_{name}" in frame:
            columns[name] = frame[f"true_{name}"].reset_index(drop=True)
    return pd.DataFrame(columns)


def evidence(model: kb.Model, frame: pd.DataFrame) -> list[dict[str, str]]:
    """Write what is known of cases but their causes."""
    known = named(model, frame.drop(columns=[f"true_{cause}" for cause in model.causes])).to_dict("records")
    return [{str(name): state for name, state in case.items() if isinstance(state, str)} for case in known]


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6])
    else:
        main()
