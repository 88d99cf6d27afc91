"""Fit the same cases by kneebayes, pyAgrum and pgmpy, as far as each can: time, memory, held-out log loss.

    python -m tests.benchmarks.learning [cases] [seconds]

The cases come from a model whose every leak, link and split was moved by 0.7
in log-odds; 40 % of their cells are empty, and 30 % of them are labelled. Each
library starts from the unmoved model, in a process of its own, which is ended
after the seconds given (600); one that did not finish is given ever fewer
cases. Log loss is the sum over the nine causes, in nats, of 1,000 other cases.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import kneebayes as kb
from kneebayes.modeltext import with_numbers

SEED, MOVED, MISSING, LABELLED, HELD_OUT = 5, 0.7, 0.4, 0.3, 1000
FEWER = (1, 100, 1000)


def moved(model: kb.Model, seed: int = SEED, deviation: float = MOVED) -> kb.Model:
    """Move every leak, link and split by chance, in log-odds."""
    rng = np.random.default_rng(seed)
    numbers = {}
    for place, number in model.file.probabilities():
        if 0 < number.p < 1 and not place.startswith("risks."):
            log_odds = np.log(number.p / (1 - number.p)) + rng.normal(0, deviation)
            numbers[place] = number.model_copy(update={"p": float(1 / (1 + np.exp(-log_odds))), "range": (0.0, 1.0)})
    return kb.Model(with_numbers(model.file, numbers))


def labelled_cases(model: kb.Model, n: int, seed: int, share: float = LABELLED) -> pd.DataFrame:
    """Draw cases of which a share has all its causes named."""
    frame = model.simulate(n, seed=seed, missing=MISSING, with_causes=True)
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
    n, seconds = (int(word) for word in [*sys.argv[1:], *("20000", "600")[len(sys.argv) - 1 :]])
    start, truth = kb.load_model(), moved(kb.load_model())
    test = labelled_cases(truth, HELD_OUT, 2, 1.0)
    print(
        f"held-out log loss: {log_loss(start, score(start, test), test):.4f} as it starts, "
        f"{log_loss(truth, score(truth, test), test):.4f} by the model the cases are from\n"
    )
    print(f"{'library':<38}{'cases':>8}{'seconds':>10}{'peak MB':>9}{'log loss':>10}  remark")
    for engine in ("kneebayes", "pyagrum", "pgmpy", "pgmpy, no empty cells"):
        for fewer in FEWER:
            with tempfile.TemporaryDirectory() as folder:
                result = run(engine, n // fewer, seconds, Path(folder))
            loss = f"{result['loss']:.4f}" if result.get("loss") is not None else "-"
            memory = f"{result['memory']:.0f}" if "memory" in result else "-"
            print(
                f"{engine:<38}{n // fewer:>8}{result['seconds']:>10.1f}{memory:>9}{loss:>10}  {result['remark']}",
                flush=True,
            )
            if result["finished"]:
                break


def run(engine: str, n: int, seconds: int, folder: Path) -> dict[str, Any]:
    """Run one library on n cases, for so many seconds at most."""
    target = folder / "result.json"
    command = [sys.executable, "-m", "tests.benchmarks.learning", "worker", engine, str(n), str(target)]
    started = time.perf_counter()
    try:
        done = subprocess.run(command, timeout=seconds, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return {"seconds": time.perf_counter() - started, "remark": "did not finish", "finished": False}
    if done.returncode:
        remark = (done.stderr.strip().splitlines() or ["ended"])[-1][:150]
        return {"seconds": time.perf_counter() - started, "remark": remark, "finished": True}
    return {**json.loads(target.read_text()), "finished": True}


def worker(engine: str, n: int, target: str) -> None:
    """Fit and score by one library, and write down how it went."""
    start = kb.load_model()
    truth = moved(start)
    train, test = labelled_cases(truth, n, 1), labelled_cases(truth, HELD_OUT, 2, 1.0)
    fit = {"kneebayes": fit_kneebayes, "pyagrum": fit_pyagrum}.get(engine, fit_pgmpy)
    if engine.endswith("no empty cells"):
        train = truth.simulate(n, seed=1, missing=0.0)
    seconds, posteriors, remark = fit(start, train, test)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    loss = None if posteriors is None else log_loss(start, posteriors, test)
    Path(target).write_text(json.dumps({"seconds": seconds, "memory": memory, "loss": loss, "remark": remark}))


def fit_kneebayes(start: kb.Model, train: pd.DataFrame, test: pd.DataFrame) -> tuple[float, Any, str]:
    """Fit by kneebayes."""
    began = time.perf_counter()
    fitted = start.fit(train)
    report = fitted.fit_report
    assert report is not None
    seconds = time.perf_counter() - began
    said = "converged" if report.converged else "not converged"
    return seconds, score(fitted, test), f"{len(report.changes)} numbers, {said}"


def fit_pyagrum(start: kb.Model, train: pd.DataFrame, test: pd.DataFrame) -> tuple[float, Any, str]:
    """Fit by pyAgrum's EM, which knows no noisy-OR: every column of every table is free."""
    import pyagrum as gum

    from kneebayes.exchange import export

    with tempfile.TemporaryDirectory() as folder:
        export(start.file, Path(folder) / "start.bif")
        net = gum.loadBN(str(Path(folder) / "start.bif"))
        states = named(start, train).fillna("?")
        states.to_csv(Path(folder) / "cases.csv", index=False)
        began = time.perf_counter()
        learner = gum.BNLearner(str(Path(folder) / "cases.csv"), net, ["?"])
        learner.useSmoothingPrior(1.0)
        learner.useEM(1e-4, 0.0)
        fitted = learner.learnParameters(net)
        seconds = time.perf_counter() - began
    engine = gum.LazyPropagation(fitted)
    engine.setTargets(set(start.causes))
    rows = []
    for case in named(start, test.drop(columns=[f"true_{cause}" for cause in start.causes])).to_dict("records"):
        engine.setEvidence({name: state for name, state in case.items() if isinstance(state, str)})
        engine.makeInference()
        rows.append([1.0 - engine.posterior(cause)[0] for cause in start.causes])
    size = sum(fitted.cpt(node).domainSize() for node in fitted.nodes())
    return seconds, np.array(rows), f"{size} numbers in tables, {learner.EMnbrIterations()} iterations"


def fit_pgmpy(start: kb.Model, train: pd.DataFrame, test: pd.DataFrame) -> tuple[float, Any, str]:
    """Fit by pgmpy's EM: one step, for rows in which nothing but whole columns is missing."""
    import warnings

    warnings.simplefilter("ignore")
    from pgmpy.parameter_estimator import DiscreteEM

    network = start.to_pgmpy()
    states = named(start, train)
    whole = states.dropna(axis=1, how="all").dropna()
    if whole.empty:
        return 0.0, None, f"drops rows with empty cells: 0 of {len(states)} left"
    card = {cause: len(start.file.causes[cause].states) for cause in start.causes}
    names = {name: list(v.states) for name, v in start.file.variables.items() if name not in card}
    network.latents = set(start.causes)
    began = time.perf_counter()
    DiscreteEM(state_names=names, latent_card=card, max_iter=1, show_progress=False).fit(
        network, whole.drop(columns=list(start.causes), errors="ignore")
    )
    return time.perf_counter() - began, None, "one step, causes never labelled"


def named(model: kb.Model, frame: pd.DataFrame) -> pd.DataFrame:
    """Write every variable of cases as state names, NaN where it is not known."""
    from kneebayes.cohort import read_cohort

    codes = read_cohort(model.file, frame, labels=False).cases.codes
    columns = {}
    for (name, variable), row in zip(model.file.variables.items(), codes, strict=True):
        columns[name] = pd.Series(np.array([*variable.states, None], dtype=object)[row])
        if f"true_{name}" in frame:
            columns[name] = frame[f"true_{name}"].reset_index(drop=True)
    return pd.DataFrame(columns)


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        worker(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        main()
