"""The data files: described, valid, and what their descriptions say they are."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from frictionless import Package, Resource, Schema
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.ui.cli import app

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
HERE_FIRST = {**os.environ, "PYTHONPATH": str(ROOT)}
FILES = ["vignettes", "example_cases", "article_claims"]
EXPECTATIONS = ["alarm", "tags", "certainty", "source", "narrative"]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "datapackage.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_description_is_what_its_script_writes(tmp_path: Path) -> None:
    made = tmp_path / "datapackage.json"
    subprocess.run(
        [sys.executable, DATA / "make_datapackage.py", made], check=True, cwd=ROOT, env=HERE_FIRST, timeout=120
    )
    assert made.read_bytes() == (DATA / "datapackage.json").read_bytes()


def test_frictionless_finds_every_file_valid() -> None:
    report = Package(str(DATA / "datapackage.json")).validate()
    assert report.valid, report.flatten(["type", "title", "rowNumber", "fieldName", "note"])


def test_frictionless_finds_a_wrong_cell(tmp_path: Path, description: dict[str, Any]) -> None:
    wrong = (DATA / "vignettes.csv").read_text(encoding="utf-8").replace(",female,", ",femal,", 1)
    (tmp_path / "vignettes.csv").write_text(wrong, encoding="utf-8")
    described = next(resource for resource in description["resources"] if resource["name"] == "vignettes")
    (tmp_path / "datapackage.json").write_text(json.dumps({**description, "resources": [described]}), encoding="utf-8")
    report = Package(str(tmp_path / "datapackage.json")).validate()
    assert [error[0] for error in report.flatten(["fieldName"])] == ["sex"]


def test_every_data_file_is_described(description: dict[str, Any]) -> None:
    assert {resource["path"] for resource in description["resources"]} == {path.name for path in DATA.glob("*.csv")}


def test_the_dictionary_has_every_column_that_scoring_takes(description: dict[str, Any], model: kb.Model) -> None:
    taken = {field["name"]: field for field in description["dictionary"]["cases"]["fields"]}
    assert set(taken) >= {*model.file.variables, *model.file.inputs, "case_id", "label", "also"}
    assert all(field["title"] and field["description"] for field in taken.values())


def test_what_scoring_writes_is_as_the_dictionary_says(
    tmp_path: Path, description: dict[str, Any], model: kb.Model
) -> None:
    cases = (DATA / "example_cases.csv").read_text(encoding="utf-8")
    (tmp_path / "cases.csv").write_text(cases.replace(",female,", ",femal,", 3), encoding="utf-8")
    posteriors, rejects = tmp_path / "posteriors.csv", tmp_path / "rejects.csv"
    counts = model.score_file(tmp_path / "cases.csv", posteriors, rejects=rejects, quiet=True)
    assert counts.rejected == 3
    for made, number in ((posteriors, counts.scored), (rejects, counts.rejected)):
        described = Schema.from_descriptor(description["dictionary"][made.stem])
        report = Resource(path=made.name, basepath=str(tmp_path), schema=described).validate()
        assert report.valid, report.flatten(["rowNumber", "fieldName", "note"])
        assert report.task.stats["rows"] == number


def test_the_vignettes_can_be_scored_without_their_expectations(model: kb.Model) -> None:
    empty_is_unknown = [{name: value or None for name, value in row.items()} for row in rows("vignettes")]
    scored = model.score_table(pa.Table.from_pylist(empty_is_unknown), ignore=EXPECTATIONS)
    assert (scored.n_read, scored.table.num_rows, scored.problems) == (25, 25, [])


def test_labels_of_vignettes_are_outcomes_of_the_model(model: kb.Model) -> None:
    for row in rows("vignettes"):
        named = [row["label"], *filter(None, row["also"].split(";"))]
        assert set(named) <= {*model.causes, "none_of_these"}
        assert row["true_dvt"] == ("present" if "dvt" in named else "absent")


def test_example_cases_are_many_varied_and_incomplete() -> None:
    cases = rows("example_cases")
    assert len(cases) >= 200
    assert len({tuple(case.values()) for case in cases}) == len(cases)
    causes = [name for name in cases[0] if name.startswith("true_")]
    assert all({case[name] for case in cases} > {"absent"} for name in causes)
    cells = [value for case in cases for name, value in case.items() if name not in (*causes, "case_id")]
    assert 0.3 < cells.count("") / len(cells) < 0.6


def test_example_cases_are_what_the_command_that_is_said_to_make_them_makes(
    tmp_path: Path, description: dict[str, Any]
) -> None:
    described = next(resource for resource in description["resources"] if resource["name"] == "example-cases")
    said = re.search(r"`kneebayes (.*)`", described["description"])
    assert said is not None
    assert f"kneebayes {said[1]}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    made = tmp_path / "example_cases.csv"
    words = [str(made) if word == "data/example_cases.csv" else word for word in shlex.split(said[1])]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert made.read_bytes() == (DATA / "example_cases.csv").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_files_are_plain_utf8_with_unix_line_ends(name: str) -> None:
    content = (DATA / f"{name}.csv").read_bytes()
    content.decode("utf-8")
    assert b"\r" not in content
    assert content.endswith(b"\n")
