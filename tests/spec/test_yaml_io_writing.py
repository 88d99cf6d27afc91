"""Models written as text and read back, and numbers replaced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kneebayes as kb
from kneebayes.errors import ModelFileError
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, model_text, parse_model, read_model, with_numbers, write_model
from tests.oracles import random_model

SHIPPED = sorted(model_path("posterior_knee_pain").parent.glob("posterior_*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_models_read_back_equal_and_in_order(path: Path) -> None:
    model = read_model(path)
    again = parse_model(model_text(model))
    assert again == model
    assert list(again.variables) == list(model.variables)
    assert [place for place, _ in again.probabilities()] == [place for place, _ in model.probabilities()]


@pytest.mark.parametrize("seed", range(3))
def test_random_models_read_back_equal(seed: int) -> None:
    model = random_model(seed, states=3)
    assert parse_model(model_text(model)) == model


def test_a_number_and_its_reasons_stand_on_one_line() -> None:
    model = kb.load_model().file
    lines = model_text(model).splitlines()
    numbers = [line for line in lines if re.search(r"\{p: [^{}]*range: \[[^\]]*\], basis: .*, why: \".*\"", line)]
    assert len(numbers) == sum(1 for _ in model.probabilities()) + len(model.alarm.thresholds)


AWKWARD = {
    "yes": "yes",
    "null": "null",
    "number": "1.0",
    "date": "2024-01-01",
    "quotes": "a \"b\" 'c' \\ d",
    "colon": "a: b # c",
    "unicode": "Müller \ufeff \u200d 膝",
    "blank": " ",
}


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_words_survive(case: str) -> None:
    model = random_model(0)
    changed = ModelSpec.model_validate(
        {**model.model_dump(), "title": AWKWARD[case], "references": {AWKWARD[case]: "x"}}
    )
    assert parse_model(model_text(changed)) == changed


def test_a_note_keeps_its_lines() -> None:
    content = random_model(0).model_dump()
    content["findings"]["f1"]["note"] = "a\nb\n\nc "
    changed = ModelSpec.model_validate(content)
    assert parse_model(model_text(changed)) == changed


@pytest.mark.parametrize("p", [0.0, 1.0, 1e-300, 1e-5, 0.1 + 0.2, 1 / 3])
def test_numbers_keep_every_digit(p: float) -> None:
    model = random_model(0)
    leak = model.causes["c0"].leak.model_copy(update={"p": p})
    changed = with_numbers(model, {"causes.c0.leak": leak})
    assert parse_model(model_text(changed)).causes["c0"].leak.p == p


def test_identifiers_that_yaml_takes_for_something_else_survive() -> None:
    content = random_model(0).model_dump()
    content["groups"]["no"] = "No"
    content["findings"]["f1"]["group"] = "no"
    content["risks"]["on"] = content["risks"].pop("r3")
    for cause in content["causes"].values():
        if "r3" in cause["links"]:
            cause["links"]["on"] = cause["links"].pop("r3")
    model = ModelSpec.model_validate(content)
    assert parse_model(model_text(model)) == model


def test_every_place_of_a_number_can_be_replaced() -> None:
    model = random_model(1, states=3)
    numbers = {place: n.model_copy(update={"why": f"new {place}"}) for place, n in model.probabilities()}
    changed = with_numbers(model, numbers, "changed", "by a test")
    assert dict(changed.probabilities()) == numbers
    assert changed.provenance == (*model.provenance, "by a test")
    assert changed.version == f"{model.version}+changed"
    assert all(n.why == "random" for _, n in model.probabilities())


@pytest.mark.slow
def test_a_saved_model_loads_and_nothing_else_is_left(tmp_path: Path) -> None:
    model = kb.load_model()
    model.save(tmp_path / "mine.yaml")
    model.save(str(tmp_path / "mine.yaml"))
    assert kb.load_model(tmp_path / "mine.yaml").file == model.file
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("name", ["mine.json", "mine", "missing/mine.yaml"])
def test_a_path_that_cannot_be_a_model_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelFileError, match=re.escape(name)):
        write_model(random_model(0), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
