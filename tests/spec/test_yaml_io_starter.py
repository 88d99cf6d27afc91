"""A first model file: complete, commented, checked, and never written over another."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.errors import ModelFileError
from kneebayes.spec.yaml_io import read_model, schema_text, start_model, starter_text
from kneebayes.ui.cli import app


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["model", *arguments])
    return result.exit_code, result.output


@pytest.mark.slow
def test_a_new_model_passes_its_own_check_and_diagnoses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run("--new", "sore_elbow")
    assert code == 0
    assert "kneebayes model --check sore_elbow.yaml" in said
    code, said = run("--check", "sore_elbow.yaml")
    assert (code, said.split(":")[0]) == (0, "ok")
    dx = kb.load_model("sore_elbow.yaml").diagnose({"fever": True, "age": 7})
    assert dx.model.name == "sore_elbow"
    assert dx.alarm.level == "caution"
    assert dx.most_likely == "streptococcus"


def test_every_section_is_explained_and_no_placeholder_is_left() -> None:
    text = starter_text("sore_elbow")
    assert len(text.splitlines()) < 130
    sections = [line for line in text.splitlines() if line[:1].isalpha() and line.split("#")[0].rstrip().endswith(":")]
    assert {line.split(":")[0] for line in sections if "#" in line} >= {"risks", "causes", "findings", "alarm"}
    assert "kneebayes model --check sore_elbow.yaml" in text
    assert [line for line in text.splitlines() if "NAME" in line and "literature: NAME" not in line] == []


def test_a_path_says_where(tmp_path: Path) -> None:
    path = start_model(tmp_path / "elbow.yaml")
    assert path == tmp_path / "elbow.yaml"
    assert read_model(path).name == "elbow"
    assert start_model(tmp_path / "knee2").name == "knee2.yaml"


def test_no_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "elbow.yaml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"elbow.yaml: is there already"):
        start_model(tmp_path / "elbow")
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["My Elbow", "2elbows", "sore-elbow", "", "elbow.txt"])
def test_a_name_that_breaks_the_exchange_formats_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match="small letters"):
        starter_text(name)
    if name:
        with pytest.raises(ModelFileError):
            start_model(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"there is no folder .*nowhere: make it first"):
        start_model(tmp_path / "nowhere" / "elbow")


def test_the_command_prints_the_schema() -> None:
    assert run("--schema") == (0, schema_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--new", "a", "--schema"),
        ("--new", "a", "--sources"),
        ("--schema", "--model", "extended"),
        ("--check", "a", "--new", "b"),
    ],
)
def test_one_thing_at_a_time(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(*arguments)
    assert code == 2
    assert "no other option" in said
    assert list(tmp_path.iterdir()) == []


def test_the_extended_model_is_known_by_its_short_name() -> None:
    code, said = run("--model", "extended")
    assert code == 0
    assert "d_dimer: negative | positive" in said
