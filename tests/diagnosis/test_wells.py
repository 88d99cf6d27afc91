"""The Wells score beside the posterior: published points, a range for what is not known, near the published classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import kneebayes as kb
from kneebayes.diagnosis.wells import points, read_sheet
from kneebayes.errors import ModelFileError, UnknownNameError
from kneebayes.spec.yaml_io import model_path

ITEMS = {
    "active_cancer": 1,
    "leg_immobilised": 1,
    "bed_or_surgery": 1,
    "deep_vein_tenderness": 1,
    "whole_leg_swollen": 1,
    "calf_3cm_larger": 1,
    "pitting_oedema": 1,
    "collateral_veins": 1,
    "previous_dvt": 1,
    "alternative_as_likely": -2,
}
SIGNS = {
    "active_cancer": "active_cancer",
    "leg_immobilised": "leg_immobilised",
    "deep_vein_tenderness": "deep_vein_tenderness",
    "entire_leg_swollen": "whole_leg_swollen",
    "calf_circumference_3cm": "calf_3cm_larger",
    "pitting_oedema_one_leg": "pitting_oedema",
    "swollen_hard_veins": "collateral_veins",
    "previous_dvt": "previous_dvt",
}
ALL = ["moderate", "likely", "high"]
ALL_ABSENT = dict.fromkeys([*SIGNS, "bed_confined", "recent_hospital_stay"], False)


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model("extended")


def test_the_items_are_those_of_the_guideline() -> None:
    """NICE NG158, two-level DVT Wells score."""
    assert {name: item.points for name, item in read_sheet().items.items()} == ITEMS


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNS)
def test_each_sign_is_one_point_of_its_item(model: kb.Model, name: str) -> None:
    counted = model.diagnose({**ALL_ABSENT, name: True}).wells(alternative_as_likely=False)
    assert counted.range == (1, 1)
    assert [item for item, holds in counted.items.items() if holds] == [SIGNS[name]]


def test_bed_and_surgery_are_one_item(model: kb.Model) -> None:
    for facts in (
        {"bed_confined": True},
        {"recent_hospital_stay": True},
        {"bed_confined": True, "recent_hospital_stay": True},
    ):
        assert model.diagnose({**ALL_ABSENT, **facts}).wells(alternative_as_likely=False).known == 1


@pytest.mark.parametrize(
    ("facts", "judged", "span", "classes"),
    [
        ({}, {}, (-2, 9), None),
        ({}, {"alternative_as_likely": False}, (0, 9), None),
        ({"active_cancer": True, "previous_dvt": True}, {"alternative_as_likely": False}, (2, 9), None),
        (ALL_ABSENT, {}, (-2, 0), []),
        (ALL_ABSENT, {"alternative_as_likely": True}, (-2, -2), []),
        ({**ALL_ABSENT, "active_cancer": True}, {"alternative_as_likely": False}, (1, 1), ["moderate"]),
        ({**ALL_ABSENT, "active_cancer": True}, {}, (-1, 1), None),
        ({**ALL_ABSENT, **dict.fromkeys(list(SIGNS)[:3], True)}, {"alternative_as_likely": False}, (3, 3), ALL),
        ({**ALL_ABSENT, **dict.fromkeys(list(SIGNS)[:5], True)}, {}, (3, 5), ALL),
        (dict.fromkeys(ALL_ABSENT, True), {"alternative_as_likely": False}, (9, 9), ALL),
    ],
)  # fmt: skip
def test_what_is_not_known_leaves_a_range_and_a_class_where_the_range_lies_in_one(
    model: kb.Model,
    facts: dict[str, Any],
    judged: dict[str, bool],
    span: tuple[float, float],
    classes: list[str] | None,
) -> None:
    counted = model.diagnose(facts).wells(**judged)
    assert counted.range == span
    assert counted.classes == classes


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "Wells score: 0 (under every cutoff)"),
        (1, "Wells score: 1 (moderate risk of three classes)"),
        (2, "Wells score: 2 (moderate risk of three classes; likely of two classes)"),
        (3, "Wells score: 3 (high risk of three classes; likely of two classes)"),
    ],
)
def test_of_each_way_to_divide_the_points_one_class_is_named(model: kb.Model, n: int, said: str) -> None:
    facts = {**ALL_ABSENT, **dict.fromkeys(list(SIGNS)[:n], True)}
    assert str(model.diagnose(facts).wells(alternative_as_likely=False)) == said


def test_a_swollen_lower_leg_stands_for_oedema_only_where_nobody_pressed(model: kb.Model) -> None:
    swollen = model.diagnose({"unilateral_leg_swelling": True})
    assert swollen.wells().items["pitting_oedema"] is True
    assert swollen.wells().items["whole_leg_swollen"] is None
    assert swollen.wells().items["calf_3cm_larger"] is None
    pressed = model.diagnose({"unilateral_leg_swelling": True, "pitting_oedema_one_leg": False})
    assert pressed.wells().items["pitting_oedema"] is False
    article = kb.load_model().diagnose({"unilateral_leg_swelling": True, "previous_dvt": True}).wells()
    assert (article.known, article.items["active_cancer"]) == (2, None)


def test_it_stands_beside_the_posterior_once_its_items_are_known(model: kb.Model) -> None:
    known = {**ALL_ABSENT, "active_cancer": True, "calf_circumference_3cm": True}
    said = str(model.diagnose(known))
    assert "Wells score: 0 to 2; not known: Another diagnosis at least as likely" in said
    del known["active_cancer"]
    assert "Wells" not in str(model.diagnose(known))
    assert "Wells" not in str(kb.load_model().diagnose({"unilateral_leg_swelling": True}))


def test_a_score_of_another_cause_or_with_an_unknown_item_is_refused(model: kb.Model) -> None:
    with pytest.raises(
        UnknownNameError, match=r"wells has no item 'alternative'.*Did you mean 'alternative_as_likely'"
    ):
        model.diagnose({}).wells(alternative=True)
    ankle = kb.load_model(Path(__file__).parents[2] / "examples" / "ankle.yaml")
    with pytest.raises(UnknownNameError, match="wells is a score of dvt"):
        points(ankle.file, {})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"any_of": {}, "fit": "same"}, "any_of names columns"),
        ({"any_of": {}, "fit": "none", "instead": {"smoker": ["present"]}}, "there must be some"),
    ],
)
def test_a_sheet_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    content = yaml.safe_load(model_path("wells").read_text(encoding="utf-8"))
    content["items"]["active_cancer"] |= change
    path = tmp_path / "sheet.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ModelFileError, match=said):
        read_sheet(path)
