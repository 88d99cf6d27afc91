"""The benchmarks run, on little, so that a table of the docs can be made again; what they measure is not asked."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import kneebayes as kb
from tests.benchmarks import endtoend, engines, exchange, learning, scaling, wells_classes

FOLDER = Path(__file__).parents[1] / "benchmarks"
SMALL: dict[str, tuple[Callable[[], None], dict[str, object]]] = {
    "endtoend": (lambda: endtoend.main(2_000), {"SIZES": (2_000,), "RUNS": 1, "STARTS": {}}),
    "engines": (engines.main, {"N_KERNEL": 1_000, "SECONDS": 0.01}),
    "exchange": (lambda: exchange.main(1), {}),
    "scaling": (scaling.main, {"CASES": 16}),
    "wells_classes": (wells_classes.main, {"N": 2_000}),
}
BY_WORDS = {
    "beside": [str(FOLDER.parents[1]), "500", "1"],
    "mapping": ["2000"],
    "questions": ["--cases", "5"],
    "shares": ["--most", "2"],
    "uncertainty": ["200", "20"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run, less = SMALL[name]
    for constant, value in less.items():
        monkeypatch.setattr(f"tests.benchmarks.{name}.{constant}", value)
    run()
    said = capsys.readouterr().out
    assert said
    exact = [line for line in said.splitlines() if "kneebayes, " in line or "pgmpy" in line]
    differences = [float(found) for line in exact for found in re.findall(r"\d\.\de[+-]\d\d", line)]
    assert bool(differences) == (name in ("engines", "exchange"))
    assert all(difference < 1e-9 for difference in differences)  # pyAgrum reads some formats in single precision


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_WORDS)
def test_it_runs_from_the_command_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *BY_WORDS[name]])
    # by path, as runpy warns of a module that doctests have imported
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore:[\s\S]*likelihood divergence:UserWarning")  # how pyAgrum's EM may end
@pytest.mark.parametrize("network", ["posterior_knee_pain", learning.SMALL])
def test_cases_to_learn_from_are_drawn_of_a_moved_model(network: str) -> None:
    start = kb.load_model(network)
    truth = learning.moved(start)
    train, test = learning.labelled_cases(truth, 40, 1), learning.labelled_cases(truth, 20, 2, 1.0)
    fits = [learning.fit_kneebayes] if network != learning.SMALL else [learning.fit_kneebayes, learning.fit_pyagrum]
    for fit in fits:
        posteriors = fit(start, train, test).posteriors
        assert posteriors is not None
        assert np.isfinite(learning.log_loss(start, posteriors, test))
