"""The model of an ankle, to learn the file format from: short, scored from a CSV, equal to a network built by hand."""

from __future__ import annotations

import shlex
import shutil
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.spec.yaml_io import ADDED, parse_model
from kneebayes.ui.cli import app

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination
    from pgmpy.models import DiscreteBayesianNetwork

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
YES_NO = ("absent", "present")
STATES = {"age": ("younger", "older"), "achilles_tear": ("absent", "partial", "complete")}


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model(EXAMPLES / "ankle.yaml")


def test_it_has_four_causes_in_under_sixty_lines(model: kb.Model) -> None:
    assert len((EXAMPLES / "ankle.yaml").read_text(encoding="utf-8").splitlines()) < 60
    assert model.causes == ["sprain", "fracture", "achilles_tear", "gout"]


def test_it_scores_a_csv(model: kb.Model, tmp_path: Path) -> None:
    counts = kb.score_file(EXAMPLES / "ankle_cases.csv", tmp_path / "out.csv", model=model, quiet=True)
    assert (counts.read, counts.scored, counts.rejected) == (5, 5, 0)
    out = pd.read_csv(tmp_path / "out.csv", index_col="case_id")
    assert out["most_likely"].to_dict() == {
        "stairs": "sprain",
        "kerb": "sprain",
        "tennis": "achilles_tear",
        "night": "gout",
        "unknown": "sprain",
    }
    assert out.loc["kerb", "fracture_alarm"] == "urgent"
    assert out.loc["tennis", "fracture_alarm"] == "low"


# The same network, by hand: every number written out again, tables by another way than kneebayes makes them


def states(name: str) -> tuple[str, ...]:
    return STATES.get(name, YES_NO)


def root(name: str, *p: float) -> TabularCPD:
    return TabularCPD(name, 2, [[p[0]], [p[1]]], state_names={name: list(states(name))})


def noisy_or(
    name: str, leak: float, links: Mapping[str, Sequence[float]], share: Sequence[float] = (1.0,)
) -> TabularCPD:
    """Links by state of the parent; share is P(state | present) from the second state on."""
    columns = []
    for combination in product(*links.values()):
        absent = (1 - leak) * np.prod([1 - link for link in combination])
        columns.append([absent, *((1 - absent) * part for part in share)])
    names = {node: list(states(node)) for node in (name, *links)}
    sizes = [len(states(parent)) for parent in links]
    return TabularCPD(name, 1 + len(share), np.array(columns).T, list(links), sizes, state_names=names)


@pytest.fixture(scope="module")
def by_hand() -> VariableElimination:
    tables = [
        root("age", 0.65, 0.35),
        root("twist", 0.6, 0.4),
        root("sprint", 0.9, 0.1),
        noisy_or("sprain", 0.02, {"twist": (0, 0.5)}),
        noisy_or("fracture", 0.005, {"twist": (0, 0.08), "age": (0, 0.01)}),
        noisy_or("achilles_tear", 0.002, {"sprint": (0, 0.1)}, (0.4, 0.6)),
        noisy_or("gout", 0.02, {"age": (0, 0.05)}),
        noisy_or(
            "ankle_pain",
            0.05,
            {"sprain": (0, 0.9), "fracture": (0, 0.97), "achilles_tear": (0, 0.7, 0.8), "gout": (0, 0.6)},
        ),
        noisy_or("swelling", 0.1, {"sprain": (0, 0.6), "fracture": (0, 0.8), "gout": (0, 0.7)}),
        noisy_or(
            "cannot_bear_weight", 0.05, {"sprain": (0, 0.15), "fracture": (0, 0.75), "achilles_tear": (0, 0, 0.3)}
        ),
        noisy_or("weak_heel_raise", 0.1, {"achilles_tear": (0, 0.5, 0.95)}),
        noisy_or("red_and_hot", 0.04, {"gout": (0, 0.8)}),
    ]
    network = DiscreteBayesianNetwork([(parent, t.variable) for t in tables for parent in t.variables[1:]])
    network.add_cpds(*tables)
    assert network.check_model()
    return VariableElimination(network)


@pytest.mark.parametrize("seed", range(40))
def test_its_posteriors_are_those_of_a_network_built_by_hand(
    model: kb.Model, by_hand: VariableElimination, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    names = [*model.file.risks, *model.file.findings]
    case: dict[str, Any] = {"ankle_pain": "present"}
    case |= {name: str(rng.choice(states(name))) for name in names if name != "ankle_pain" and rng.random() < 0.6}
    dx = model.diagnose(case)
    for cause in model.causes:
        expected = by_hand.query([cause], evidence=case, show_progress=False)
        p = {state: float(expected.get_value(**{cause: state})) for state in states(cause)}
        assert dx.probabilities[cause] == pytest.approx(1 - p["absent"], abs=1e-12)
        if cause == "achilles_tear":
            assert dx.details["achilles_tear_complete"] == pytest.approx(p["complete"], abs=1e-12)
    joint = by_hand.query(list(model.causes), evidence=case, show_progress=False)
    none = joint.get_value(**dict.fromkeys(model.causes, "absent"))
    assert dx.probabilities["none_of_these"] == pytest.approx(float(none), abs=1e-12)


# The page on models of one's own


def on_the_page(first: str) -> str:
    """Give the block that starts so."""
    page = (ROOT / "docs" / "your_own_model.md").read_text(encoding="utf-8")
    start = page.index(first)
    return textwrap.dedent(page[start : page.index("\n\n", start)])


def test_what_the_page_tells_to_type_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "your_own_model.md").read_text(encoding="utf-8")
    commands = [line.strip() for line in page.splitlines() if line.startswith("    kneebayes ")]
    assert len(commands) == 11
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    Path("my_clinic.yaml").write_text("\n".join(map(on_the_page, ("    extends:", "    findings:"))), encoding="utf-8")
    for command in commands:
        if command.startswith("kneebayes explore"):  # serves until it is stopped
            continue
        words = shlex.split(command.split(" > ")[0])[1:]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (command, result.output)
    assert {path.name for path in tmp_path.glob("*.*")} == {
        "my_clinic.yaml",
        "sore_elbow.yaml",
        "cases.csv",
        "posteriors.csv",
        "ankle.csv",
    }


def test_the_extension_on_the_page_is_a_model() -> None:
    page = (ROOT / "docs" / "your_own_model.md").read_text(encoding="utf-8")
    model = parse_model(on_the_page("    extends:"))
    assert model.name == "my_clinic"
    assert model.causes["dvt"].leak.p == 0.002
    assert "smoker" not in model.causes["dvt"].links
    for place in ADDED:
        assert f"`{place}`" in page
