"""The JSON Schema of model files: as the classes are, right about every model there is, and of use to an editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import EXTENDS, model_schema, schema_text
from tests.spec.test_model_spec import edit, num, small

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "docs" / "model.schema.json"
MODELS = [ROOT / "models" / "posterior_knee_pain.yaml", ROOT / "models" / "posterior_knee_pain_extended.yaml"]
SCHEMA = model_schema()
CHECKER = jsonschema.Draft202012Validator(SCHEMA)


def problems(content: object) -> list[str]:
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in CHECKER.iter_errors(content)]


def extension(**content: Any) -> dict[str, Any]:
    return {EXTENDS: "posterior_knee_pain", "name": "mine", "version": "1", **content}


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_shipped_file_is_todays() -> None:
    said = "docs/model.schema.json is out of date: kneebayes model --schema > docs/model.schema.json"
    assert SHIPPED.read_text(encoding="utf-8") == schema_text(), said


def test_every_key_is_described() -> None:
    """Editors show what stands there; of a key that stands in several places, the same."""
    said: dict[str, set[str]] = {}
    for definition in SCHEMA["$defs"].values():
        for key, value in definition["properties"].items():
            said.setdefault(key, set()).add(value.get("description", ""))
    assert {key: words for key, words in said.items() if len(words) > 1 or not min(words)} == {}


@pytest.mark.parametrize(
    "path", [*MODELS, ROOT / "examples" / "ankle.yaml", ROOT / "kneebayes" / "spec" / "starter.yaml"], ids=str
)
def test_every_model_there_is_passes(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.stem == "starter":
        content["name"] = "starter"
    assert problems(content) == []


def test_the_small_model_of_the_tests_passes_and_is_accepted() -> None:
    assert problems(json.loads(json.dumps(small()))) == []
    ModelSpec.model_validate(small())


WRONG: dict[str, tuple[str, Any]] = {
    "unknown_key": ("symptoms", {}),
    "no_alarm": ("alarm", None),
    "format_2": ("format", 2),
    "name_with_capitals": ("name", "My Model"),
    "risk_with_a_bad_name": ("risks.My risk", {}),
    "p_over_1": ("causes.tear.leak.p", 1.5),
    "p_as_text": ("causes.tear.leak.p", "half"),
    "number_without_why": ("causes.tear.leak", {"p": 0.1, "range": [0, 1], "basis": "judgement"}),
    "basis_of_nothing": ("causes.tear.leak.basis", "everybody knows"),
    "range_of_three": ("causes.tear.leak.range", [0, 0.5, 1]),
    "one_state": ("risks.smoker.states", ["present"]),
    "level_unknown": ("alarm.rules", [{"level": "red", "when": {}, "reason": "x", "basis": "judgement"}]),
    "no_care": ("causes.tear.care", []),
    "condition_of_nothing": ("interactions.0.when", {"age": []}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_classes_refuse_by_shape_it_refuses_too(case: str) -> None:
    path, value = WRONG[case]
    content = small()
    if value is None:
        del content[path]
    else:
        edit(path, value)(content)
    with pytest.raises(ValueError, match=r"validation error"):
        ModelSpec.model_validate(content)
    assert problems(json.loads(json.dumps(content))) != []


@pytest.mark.parametrize(
    "content",
    [
        extension(),
        extension(causes={"dvt": {"leak": num(0.1)}}),
        extension(causes={"dvt": {"links": {"smoker": None, "age": {"sixties": None}}}, "pcl_injury": None}),
        extension(alarm={"key_questions": ["calf_pain"], "rules": []}, red_flags=[], general_care=["Walk."]),
        extension(inputs={"age": {"maximum": 100}}, groups={"mine": "Mine"}, references={"A": "B"}),
    ],
)
def test_an_extension_needs_only_what_it_changes(content: dict[str, Any]) -> None:
    assert problems(content) == []


@pytest.mark.parametrize(
    "content",
    [
        {EXTENDS: "posterior_knee_pain", "name": "mine"},
        extension(extends=3),
        extension(symptoms={}),
        extension(version=None),
        extension(causes={"dvt": {"leak": {"p": 0.1}}}),
        extension(causes={"dvt": {"leek": num(0.1)}}),
        extension(causes={"dvt": {"links": {"smoker": {"present": 0.1}}}}),
        extension(risks=[]),
    ],
)
def test_an_extension_is_checked_like_a_whole_file(content: dict[str, Any]) -> None:
    assert problems(content) != []
