"""The clinical model: what it adds has a source, never reassures, and takes no rule or column from the other."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import pytest

import kneebayes as kb
from kneebayes.spec.yaml_io import DEFAULT_MODEL

DATA = Path(__file__).parents[2] / "data"
RISKS = ["active_cancer", "leg_immobilised", "oestrogen_use", "varicose_veins", "inflammatory_arthritis"]
SWELLING = ["calf_circumference_3cm", "entire_leg_swollen", "pitting_oedema_one_leg"]
SIGNS = ["deep_vein_tenderness", *SWELLING, "bilateral_leg_swelling", "ankle_bruising"]
FURTHER = [
    *("cellulitis", "superficial_vein_thrombosis", "popliteal_artery_disease", "lumbar_radiculopathy"),
    "other_knee_injury",
]
MAJOR = {
    "active_cancer": "present",
    "leg_immobilised": "present",
    "recent_hospital_stay": "present",
    "bed_confined": "present",
    "pregnancy": "pregnant",
    "previous_dvt": "present",
}


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model("extended")


@pytest.fixture(scope="module")
def article() -> kb.Model:
    return kb.load_model()


def odds(model: kb.Model, **case: object) -> float:
    p = model.diagnose(case).probabilities["dvt"]
    return p / (1 - p)


def level(model: kb.Model, **case: object) -> str:
    return model.diagnose(case).alarm.level


# What it is


def test_it_is_found_by_its_short_and_its_long_name_and_is_not_the_default(model: kb.Model, article: kb.Model) -> None:
    assert model.file == kb.load_model(f"{DEFAULT_MODEL}_extended").file
    assert (model.file.name, article.file.name) == (f"{DEFAULT_MODEL}_extended", DEFAULT_MODEL)
    assert set(RISKS + SIGNS) & set(article.file.variables) == set()


def test_it_keeps_every_column_and_rule_of_the_article_and_of_its_first_version(
    model: kb.Model, article: kb.Model
) -> None:
    assert set(model.file.columns) >= {*article.file.columns, *RISKS, *SIGNS, "d_dimer"}
    assert set(model.causes) - set(article.causes) == set(FURTHER)
    assert model.file.alarm.rules[: len(article.file.alarm.rules)] == article.file.alarm.rules
    assert model.file.alarm.thresholds == article.file.alarm.thresholds
    assert model.file.red_flags[: len(article.file.red_flags)] == article.file.red_flags
    assert {*article.file.alarm.signs} <= {*model.file.alarm.signs}


def test_what_it_changes_of_the_article_has_a_reason_of_its_own(model: kb.Model, article: kb.Model) -> None:
    numbers = dict(model.file.probabilities())
    changed = [(old, numbers[place]) for place, old in article.file.probabilities() if numbers[place] != old]
    assert 5 <= len(changed) <= 25
    assert [new.why for old, new in changed if new.why == old.why] == []


@pytest.mark.slow
def test_without_a_word_on_what_is_new_the_nine_are_about_as_frequent(model: kb.Model, article: kb.Model) -> None:
    cases: list[dict[str, object]] = [{}, {"age": 30}, {"age": 75}, {"inner_knee_pain": True}]
    for case in cases:
        old, new = article.diagnose(case).probabilities, model.diagnose(case).probabilities
        for name in article.causes:
            assert new[name] == pytest.approx(old[name], rel=0.35), (case, name)
        assert new["none_of_these"] < old["none_of_these"]


def test_every_new_number_on_a_clot_cites_a_study_or_says_that_it_is_judged(model: kb.Model, article: kb.Model) -> None:
    old = dict(article.file.probabilities())
    new = {place: n for place, n in model.file.probabilities() if old.get(place) != n}
    assert [place for place, n in new.items() if not n.range[0] < n.p < n.range[1]] == []
    reasons = [n.why for _, n in model.file.probabilities()]
    assert len(set(reasons)) == len(reasons)
    signs = [*SWELLING, "deep_vein_tenderness", "d_dimer", "homans_sign", "calf_tenderness"]
    for name in signs:
        assert "literature" in new[f"findings.{name}.links.dvt.present"].basis
    for risk in ("active_cancer", "leg_immobilised", "oestrogen_use", "varicose_veins", "recent_leg_injury"):
        assert "literature" in new[f"causes.dvt.links.{risk}.present"].basis


@pytest.mark.parametrize("fact", ["diabetes", "hypertension"])
def test_what_does_not_bear_on_a_clot_has_no_link_to_one(model: kb.Model, fact: str) -> None:
    """Hazard ratios of 1.01 and 0.98 in 244 865 people followed."""
    assert fact not in model.file.causes["dvt"].links
    assert odds(model, **{fact: "present"}) / odds(model) == pytest.approx(1, abs=0.05)


def test_every_source_it_cites_is_in_its_references_and_the_other_way_round(model: kb.Model) -> None:
    file = model.file
    bases = [n.basis for _, n in file.probabilities()] + [n.basis for n in file.alarm.thresholds.values()]
    bases += [rule.basis for rule in file.alarm.rules] + [cause.care_basis for cause in file.causes.values()]
    cited = {part.strip().removeprefix("literature: ") for basis in bases for part in basis.split(";") if "lit" in part}
    assert cited == set(file.references)
    marks = ("read", "recalled")
    assert [name for name, text in file.references.items() if not any(mark in text for mark in marks)] == []


# What moves a clot


def test_the_complaint_alone_stays_under_caution_at_any_age(model: kb.Model) -> None:
    assert all(model.diagnose({"age": age}).probabilities["dvt"] < 0.02 for age in (30, 45, 55, 65, 75))


def test_a_d_dimer_rules_out_more_than_it_rules_in(model: kb.Model) -> None:
    negative, positive = (odds(model, d_dimer=state) / odds(model) for state in ("negative", "positive"))
    assert 0.04 < negative < 0.2
    assert 1.4 < positive < 2.2
    dx = model.diagnose({"d_dimer": "negative", "unilateral_leg_swelling": False, "previous_dvt": False})
    assert dx.probabilities["dvt"] < 0.002


@pytest.mark.parametrize("name", [*RISKS, *SIGNS[:5], "recent_leg_injury", "tender_superficial_cord"])
def test_each_new_risk_or_sign_raises_a_clot_and_its_absence_never_does(model: kb.Model, name: str) -> None:
    assert odds(model, **{name: "present"}) > odds(model)
    assert odds(model, **{name: "absent"}) < 1.001 * odds(model)


@pytest.mark.parametrize("name", [*RISKS[:4], *SIGNS[:4]])  # joints and bruises speak for a cyst: see below
@pytest.mark.parametrize(
    "context",
    [
        {"unilateral_leg_swelling": "present"},
        {"unilateral_leg_swelling": "present", "water_running_down_calf": "present", "age": 66},
        {"calf_pain": "present", "excessive_exercise": "present", "age": 30},
        {"known_knee_arthritis": "present", "age": 75},
    ],
    ids=["swollen", "burst", "strain", "arthritis"],
)
def test_no_context_turns_a_new_risk_or_sign_into_reassurance(
    model: kb.Model, name: str, context: dict[str, object]
) -> None:
    assert odds(model, **context, **{name: "present"}) > 0.9 * odds(model, **context)


def test_a_bruise_at_the_ankle_speaks_for_a_burst_cyst_and_leaves_the_alarm(model: kb.Model) -> None:
    case = {"unilateral_leg_swelling": True, "calf_pain": True, "sudden_onset": True, "age": 66}
    plain, bruised = model.diagnose(case), model.diagnose({**case, "ankle_bruising": True})
    assert bruised.details["bakers_cyst_ruptured"] > 3 * plain.details["bakers_cyst_ruptured"]
    assert bruised.alarm.level in ("caution", "urgent")
    assert bruised.probabilities["dvt"] > model.diagnose({}).probabilities["dvt"]


def test_inflamed_joints_fill_the_cyst(model: kb.Model) -> None:
    plain, inflamed = (model.diagnose({"inflammatory_arthritis": x}).probabilities for x in (False, True))
    assert inflamed["bakers_cyst"] > 1.7 * plain["bakers_cyst"]


# The alarm


@pytest.mark.parametrize("risk", ["active_cancer", "leg_immobilised"])
def test_cancer_and_plaster_are_major_risks(model: kb.Model, risk: str) -> None:
    case = {"unilateral_leg_swelling": True, risk: True, "d_dimer": "negative", "age": 25, "calf_pain": False}
    dx = model.diagnose(case)
    assert dx.alarm.level == "urgent"
    assert dx.probabilities["dvt"] < model.file.alarm.thresholds["urgent"].p  # so it is the rule that speaks
    assert risk in model.file.alarm.key_questions
    assert risk in model.diagnose({}).alarm.questions


@pytest.mark.parametrize("sign", SWELLING)
def test_every_sign_of_one_swollen_leg_alarms_by_rule(model: kb.Model, sign: str) -> None:
    calm = {"d_dimer": "negative", "unilateral_leg_swelling": False, "age": 25}
    assert level(model, **calm, **{sign: True}) == "caution"
    for risk, state in MAJOR.items():
        assert level(model, **calm, sex="female", **{sign: True, risk: state}) == "urgent"
    assert level(model, unilateral_leg_swelling=True, d_dimer="positive") == "urgent"
    assert level(model, **{sign: True}, d_dimer="positive") == "urgent"


def test_a_negative_d_dimer_never_talks_a_swollen_leg_out_of_the_alarm(model: kb.Model) -> None:
    assert level(model, unilateral_leg_swelling=True, d_dimer="negative", age=22) == "caution"
    assert level(model, unilateral_leg_swelling=True, d_dimer="negative", previous_dvt=True) == "urgent"


@pytest.mark.parametrize("name", [*RISKS[:4], *SIGNS[:5]])
def test_breathlessness_with_any_new_risk_or_sign_is_an_emergency(model: kb.Model, name: str) -> None:
    assert level(model, breathlessness_chest_pain=True, **{name: True}) == "emergency"


def test_vignettes_are_read_about_as_well_as_by_the_article(model: kb.Model, article: kb.Model) -> None:
    """Clots by the alarm, as an infection or a surface clot is likelier in some of them; the others by their place."""
    with (DATA / "vignettes.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 25
    firsts, needless = [], []
    for which in (article, model):
        known = set(which.file.columns)
        right, alarmed = 0, 0
        for row in rows:
            dx = which.diagnose({k: v for k, v in row.items() if k in known and v})
            alarm = dx.alarm.level in ("caution", "urgent", "emergency")
            assert alarm or row["alarm"] != "must"
            right += row["label"] != "dvt" and dx.most_likely in {row["label"], *row["also"].split(";")}
            alarmed += row["alarm"] == "should_not" and alarm
        firsts.append(right)
        needless.append(alarmed)
    assert firsts[1] >= firsts[0]
    assert needless[1] <= needless[0]


def test_more_facts_on_a_clot_raise_it_step_by_step(model: kb.Model) -> None:
    facts = ["unilateral_leg_swelling", "calf_circumference_3cm", "active_cancer", "deep_vein_tenderness"]
    steps = [odds(model, **dict.fromkeys(facts[:n], True)) for n in range(len(facts) + 1)]
    assert all(b > 1.2 * a for a, b in pairwise(steps))


@pytest.mark.slow
def test_pgmpy_gives_the_same_posteriors(model: kb.Model) -> None:
    cases: list[dict[str, object]] = [
        {"age": 67, "sex": "female", "oestrogen_use": True, "calf_circumference_3cm": True, "d_dimer": "negative"},
        {"active_cancer": True, "unilateral_leg_swelling": True, "ankle_bruising": True, "age": 50},
    ]
    for case in cases:
        ours, theirs = model.diagnose(case), model.diagnose(case, engine="pgmpy")
        assert max(abs(ours.probabilities[name] - p) for name, p in theirs.probabilities.items()) < 1e-12
