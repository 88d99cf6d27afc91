"""Names that kneebayes makes, and names that a model or a network chose: refused, or changed with a word."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

import kneebayes as kb
from kneebayes.errors import KneeBayesError
from kneebayes.interop.exchange import export, import_model, sidecar_path
from kneebayes.spec.model_spec import UNKNOWN_WORDS, ModelSpec, made_columns
from tests.oracles import random_model

MODEL = random_model(21, states=3, levels=3)
TEXT = json.dumps(MODEL.model_dump(mode="json"))
IDENTIFIERS = sorted(word for word in UNKNOWN_WORDS if re.fullmatch("[a-z]+", word))
ROLES = {"risk": "r3", "cause": "c0", "finding": "f2", "answers": "f1_part0"}


def with_name(old: str, new: str) -> ModelSpec:
    """Call something else, wherever the model speaks of it."""
    return ModelSpec.model_validate(json.loads(TEXT.replace(f'"{old}"', f'"{new}"')))


def made(model: ModelSpec) -> list[str]:
    return [name for name, _ in made_columns({n: c.states for n, c in model.causes.items()}, model.alarm.cause)]


def test_the_names_of_results_are_those_that_results_have() -> None:
    scored = kb.Model(MODEL).score(pd.DataFrame({"f2": ["present"]}), intervals=0.9, draws=20)
    assert sorted(scored.columns) == sorted(made(MODEL))
    assert len(set(made(MODEL))) == len(made(MODEL))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "name",
    [
        "case_id", "label", "also", "true_x", "none_of_these", "most_likely", "red_flags", "c1_present1",
        "c1_present1_high", "none_of_these_low", "c2_low", "c2_high",
    ],
)  # fmt: skip
def test_a_name_of_a_column_of_results_is_no_variables(name: str, role: str) -> None:
    with pytest.raises(ValidationError, match=rf"'{name}' (is a column of|would be two columns of).*another name"):
        with_name(ROLES[role], name)


@pytest.mark.parametrize("name", ["c0_alarm", "c0_alarm_robust", "c0_alarm_graver", "c0_low"])
def test_the_alarm_and_its_shares_are_no_findings(name: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' is a column of results"):
        with_name("f2", name)


def test_a_number_of_its_own_may_not_have_such_a_name_either() -> None:
    content = json.loads(TEXT)
    bands = [{"state": "low"}, {"state": "middle", "at_least": 5}]
    content["inputs"]["label"] = {
        "variable": "r3", "label": "x", "unit": "y", "minimum": 0, "maximum": 9, "bands": bands
    }  # fmt: skip
    with pytest.raises(ValidationError, match="'label' is a column of its own"):
        ModelSpec.model_validate(content)


@pytest.mark.parametrize("name", IDENTIFIERS)
@pytest.mark.parametrize("old", [*ROLES.values(), "level1", "present1", "middle"])
def test_a_word_for_missing_is_no_name(name: str, old: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' means a missing value in tables"):
        with_name(old, name)


def test_a_state_that_makes_the_name_of_another_cause_is_refused() -> None:
    with pytest.raises(ValidationError, match="'c1_c' would be two columns of results, the chance of c1_c and the"):
        ModelSpec.model_validate(json.loads(TEXT.replace('"present1"', '"c"').replace('"c2"', '"c1_c"')))
    with pytest.raises(ValidationError, match="'none_of_these' would be two columns"):
        ModelSpec.model_validate(json.loads(TEXT.replace('"present1"', '"of_these"').replace('"c1"', '"none"')))


@pytest.mark.parametrize("name", ["present", "probability", "cumulative"])
def test_a_column_of_joint_states_is_no_cause(name: str) -> None:
    content = json.loads(TEXT)
    text = json.dumps({**content, "causes": {name if n == "c0" else n: c for n, c in content["causes"].items()}})
    content = json.loads(text.replace('"c0":', f'"{name}":').replace('"cause": "c0"', f'"cause": "{name}"'))
    content["interactions"] = []
    with pytest.raises(ValidationError, match=f"'{name}' is a column of the table of joint states"):
        ModelSpec.model_validate(content)


@pytest.mark.parametrize(
    "name", ["row", "column", "value", "reason", "model", "probability", "all", "yes", "none", "f"]
)
@pytest.mark.parametrize("old", ["r3", "f2", "level1", "middle"])
def test_other_names_change_nothing_but_the_name(old: str, name: str, tmp_path: Path) -> None:
    renamed, case = with_name(old, name), {"f2": "present", "f1": "level1", "r0": "middle"}
    theirs = {name if k == old else k: name if v == old else v for k, v in case.items()}
    before, after = kb.Model(MODEL).diagnose(case), kb.Model(renamed).diagnose(theirs)
    assert after.to_dict()["posterior"] == before.to_dict()["posterior"]
    scored = [kb.Model(m).score(pd.DataFrame([c])) for m, c in ((MODEL, case), (renamed, theirs))]
    assert scored[0].to_csv() == scored[1].to_csv().replace(name, old) or scored[0].drop(columns="red_flags").equals(
        scored[1].drop(columns="red_flags")
    )


@pytest.mark.parametrize("column", ["c0", "c0_alarm", "most_likely", "red_flags", "none_of_these", "c1_present1"])
def test_a_column_of_the_users_never_takes_the_place_of_a_result(column: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"f2": ["present"], column: ["present" if column == "c0" else "mine"]})
    with pytest.raises(KneeBayesError, match=f"can't keep column '{column}'"):
        kb.Model(MODEL).score(frame, keep=[column])
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(KneeBayesError, match=f"can't keep column '{column}'"):
        kb.Model(MODEL).score_file(tmp_path / "a.csv", tmp_path / "b.csv", keep=[column])


def foreign(folder: Path, names: dict[str, str]) -> Path:
    """Write the network of the model with names that another program allows."""
    export(MODEL, folder / "a.net")
    sidecar_path(folder / "a.net").unlink()
    text = (folder / "a.net").read_text()
    for old, new in names.items():
        text = re.sub(rf"(?<![\w-]){old}(?![\w-])", new, text)
    (folder / "a.net").write_text(text)
    return folder / "a.net"


@pytest.mark.parametrize(
    ("names", "renamed"),
    [
        ({"f2": "Label"}, {"v_label": "Label"}),
        ({"f2": "true_clot"}, {"v_true_clot": "true_clot"}),
        ({"f2": "c0_alarm"}, {"v_c0_alarm": "c0_alarm"}),
        ({"f2": "C1_Present1"}, {"v_c1_present1": "C1_Present1"}),
        ({"r3": "c2_high"}, {"v_c2_high": "c2_high"}),
        ({"r3": "Unknown"}, {"v_unknown": "Unknown"}),
        ({"f2": "asked_for_advice"}, {"v_asked_for_advice": "asked_for_advice"}),
        ({"f2": "v_label", "r3": "label"}, {"v_label_2": "label", "v_label": "v_label"}),
        ({"f2": "F-1", "f1": "f_1"}, {}),
    ],
)
def test_an_import_gives_another_name_and_says_so(
    names: dict[str, str], renamed: dict[str, str], tmp_path: Path
) -> None:
    model = import_model(foreign(tmp_path, names), causes=list(MODEL.causes))
    said = next((note for note in model.provenance if note.startswith("Renamed nodes: ")), "")
    for new, old in renamed.items():
        assert new in model.variables or f"{new}_2" in model.variables
        assert old == new or f"{old} as " in said
    assert len(model.variables) == len(MODEL.variables) + 1  # the complaint that stands in
    case: dict[str, Any] = {"f3": "level2", "r0": "high"}
    expected = kb.Model(MODEL).diagnose({**case, "f0": "unknown"}).probabilities
    assert kb.Model(model).diagnose(case).probabilities == pytest.approx(expected, abs=1e-9)


def test_an_import_gives_states_another_name_and_says_so(tmp_path: Path) -> None:
    path = foreign(tmp_path, {"level1": "Unknown", "level2": "NA", "middle": "N/A"})
    model = import_model(path, causes=list(MODEL.causes))
    assert model.findings["f1"].states == ("level0", "s_unknown", "s_na")
    assert model.findings["f1"].say("s_unknown") == "Unknown"
    assert "f1: Unknown as s_unknown" in " ".join(model.provenance)
    before = kb.Model(MODEL).diagnose({"f1": "level1", "f0": "unknown"}).probabilities
    assert kb.Model(model).diagnose({"f1": "s_unknown"}).probabilities == pytest.approx(before, abs=1e-9)
