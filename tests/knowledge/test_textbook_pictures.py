"""Textbook pictures of the further causes: the right one first, and no milder an alarm than by the article's model.

T01 to T15 were written from the literature before the clinical model had a number, T16 to T30 before it was asked.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

import kneebayes as kb

DATA = Path(__file__).parents[2] / "data"
FURTHER = (
    "cellulitis",
    "superficial_vein_thrombosis",
    "lumbar_radiculopathy",
    "popliteal_artery_disease",
    "other_knee_injury",
)
LEVELS = ("not_assessed", "low", "caution", "urgent", "emergency")
ENOUGH = 24  # of 30 with the right cause first


def read_pictures() -> dict[str, tuple[str, dict[str, str]]]:
    """Read the pictures: cause and case, by id."""
    with (DATA / "textbook_pictures.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert all(row["source"] for row in rows)
    return {row["id"]: (row["cause"], dict(fact.split("=", 1) for fact in row["case"].split(";"))) for row in rows}


PICTURES = read_pictures()


@pytest.fixture(scope="module")
def clinical() -> kb.Model:
    return kb.load_model("extended")


@pytest.fixture(scope="module")
def article() -> kb.Model:
    return kb.load_model()


def known(case: dict[str, str], model: kb.Model) -> dict[str, str]:
    """Keep what a model has a column for."""
    return {name: value for name, value in case.items() if name in model.file.variables or name in model.file.inputs}


def first(model: kb.Model, case: dict[str, str]) -> str:
    """Name what is likeliest."""
    return str(model.diagnose(case).posterior.idxmax())


def test_there_are_six_pictures_of_each_further_cause() -> None:
    assert Counter(cause for cause, _ in PICTURES.values()) == dict.fromkeys(FURTHER, 6)
    assert len({tuple(sorted(case.items())) for _, case in PICTURES.values()}) == len(PICTURES)


def test_the_clinical_model_has_a_column_for_every_fact(clinical: kb.Model) -> None:
    assert [i for i, (_, case) in PICTURES.items() if known(case, clinical) != case] == []


def test_the_right_cause_is_first_in_most(clinical: kb.Model) -> None:
    wrong = {i: (cause, found) for i, (cause, case) in PICTURES.items() if (found := first(clinical, case)) != cause}
    assert len(PICTURES) - len(wrong) >= ENOUGH, wrong


@pytest.mark.parametrize("picture", PICTURES)
def test_a_named_mimic_never_makes_the_alarm_milder_than_the_article_does(
    picture: str, clinical: kb.Model, article: kb.Model
) -> None:
    """The article's model is asked what it has columns for; open questions are the same level as low."""
    _, case = PICTURES[picture]
    new, old = clinical.diagnose(case).alarm.level, article.diagnose(known(case, article)).alarm.level
    assert max(1, LEVELS.index(new)) >= max(1, LEVELS.index(old)), (new, old)


@pytest.mark.parametrize("picture", [i for i, (cause, _) in PICTURES.items() if cause == "cellulitis"])
def test_cellulitis_never_talks_a_swollen_leg_out_of_the_alarm(picture: str, clinical: kb.Model) -> None:
    _, case = PICTURES[picture]
    assert case.get("unilateral_leg_swelling") == "present" or case["leg_swelling"] == "both_unequal"
    sure = {**case, "cellulitis": "present"}
    assert clinical.diagnose(sure).alarm.level in ("caution", "urgent", "emergency")


@pytest.mark.parametrize("picture", [i for i, (cause, _) in PICTURES.items() if cause == "superficial_vein_thrombosis"])
def test_a_surface_clot_is_within_the_alarm_and_raises_a_deep_one(picture: str, clinical: kb.Model) -> None:
    _, case = PICTURES[picture]
    with_cord, without = clinical.diagnose(case), clinical.diagnose({**case, "tender_superficial_cord": "absent"})
    assert with_cord.alarm.level in ("caution", "urgent", "emergency")
    assert with_cord.posterior["dvt"] > without.posterior["dvt"]


def test_a_quarter_of_surface_clots_have_a_deep_one(clinical: kb.Model) -> None:
    """STEPH: 24.6 % (18 to 32)."""
    assert 0.18 <= clinical.diagnose({"superficial_vein_thrombosis": "present"}).posterior["dvt"] <= 0.32
