"""The Wells score and the rule by hand, classifiers against their own folds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import kneebayes as kb
from kneebayes.diagnosis.wells import points
from kneebayes.errors import OptionError
from kneebayes.evaluation.metrics import MIN_CASES, net_benefit

pytestmark = pytest.mark.slow

MODEL = kb.load_model()
WELLS, ANY = "Wells score", "Any symptom"
FITTED = ("Naive Bayes", "Logistic regression")


def compared(columns: Any, label: list[str], **options: Any) -> Any:
    return kb.evaluate(MODEL, pd.DataFrame({**columns, "label": label}), baselines=True, bootstrap=0, **options)


# The Wells score


def test_points_are_counted_once_an_item_and_unknown_counts_nothing() -> None:
    cases = {
        "bed_confined": ["yes", "1", "absent", None],
        "recent_hospital_stay": ["present", None, "absent", None],
        "unilateral_leg_swelling": ["present", "absent", "absent", None],
        "active_cancer": [True, None, False, None],
        "calf_circumference_3cm": ["YES", "no", None, None],
    }
    result = compared(cases, ["dvt", "leg_cramps", "leg_cramps", "leg_cramps"])
    assert result.rankings[WELLS].tolist() == [4, 1, 0, 0]
    row = result.comparison.loc[WELLS]
    assert (row["true_alarms"], row["false_alarms"], row["auc"]) == (1, 0, 1)
    note = next(note for note in result.notes if note.startswith(WELLS))
    assert "4 of 10 items" in note
    assert "Tenderness along the deep veins" in note
    assert "Another diagnosis at least as likely" in note


def test_a_score_of_which_no_item_can_be_answered_is_not_available() -> None:
    result = compared({"calf_pain": ["yes", "no"]}, ["dvt", "leg_cramps"])
    assert np.isnan(result.comparison.loc[WELLS, "sensitivity"])
    assert WELLS not in result.rankings
    assert any(note.startswith(f"{WELLS}: 0 of 10 items") for note in result.notes)


def test_extension_columns_are_refused_where_nothing_reads_them() -> None:
    cases = pd.DataFrame({"active_cancer": ["yes"], "label": ["dvt"]})
    with pytest.raises(kb.UnknownColumnError, match="active_cancer"):
        kb.evaluate(MODEL, cases)


def test_the_score_agrees_with_the_score_of_single_cases() -> None:
    extended = kb.load_model("extended")
    cases = extended.simulate(60, seed=4, missing=0.5, label=True)
    scores = kb.evaluate(extended, cases, baselines=True, bootstrap=0).rankings[WELLS]
    for (_, case), score in zip(cases.drop(columns=["label", "also"]).iterrows(), scores, strict=True):
        evidence = {name: value for name, value in case.items() if name in extended.file.askable and pd.notna(value)}
        assert points(extended.file, evidence).known == score


# The rule


def test_any_red_flag_or_sign_of_a_clot_flags_a_case_and_the_complaint_does_not() -> None:
    cases = {
        "fever": ["yes", None, None, "no", None],  # a red flag
        "skin_warmth": [None, "yes", None, "no", None],  # a sign of the alarm
        "posterior_knee_pain": ["yes", "yes", "yes", "yes", "yes"],
        "inner_knee_pain": [None, None, "yes", "yes", None],
        "sudden_onset": [None, None, None, None, "yes"],  # a clot may cause it, but nobody's list names it
    }
    row = compared(cases, ["dvt", "leg_cramps", "leg_cramps", "leg_cramps", "leg_cramps"]).comparison.loc[ANY]
    assert (row["true_alarms"], row["false_alarms"], row["quiet"]) == (1, 1, 3)


# Fitted classifiers


@pytest.fixture(scope="module")
def simulated() -> Any:
    cases = MODEL.simulate(800, seed=3, missing=0.2, with_causes=True)
    return kb.evaluate(MODEL, cases, baselines=True, bootstrap=0)


def test_classifiers_are_fitted_where_cases_are_enough_and_say_where_not(simulated: Any) -> None:
    few = [name for name in simulated.causes.index if simulated.causes.loc[name, "cases"] < MIN_CASES]
    assert "pcl_injury" in few
    notes = [note for note in simulated.notes if note.startswith(", ".join(FITTED))]
    assert len(notes) == 1
    assert all(name in notes[0] for name in few)
    assert "leg_cramps" not in notes[0]
    assert np.isnan(simulated.comparison.loc["Naive Bayes", "top_1"])  # a cause is missing from the ranking


def test_a_cause_that_empty_cells_give_away_is_named_and_one_that_they_do_not_is_not() -> None:
    options: dict[str, Any] = {"seed": 3, "prevalence": {"dvt": 0.2}, "with_causes": True, "missing": (0.3, 0.5)}
    notes = []
    for missing_if in (None, {"dvt": 0.1}):
        cases = MODEL.simulate(400, missing_if=missing_if, **options)
        result = kb.evaluate(MODEL, cases, baselines=True, bootstrap=0)
        notes.append([note for note in result.notes if "which cells are empty" in note])
    assert notes[0] == []
    assert len(notes[1]) == 1
    columns = [name for name in cases if not str(name).startswith("true_") and name not in ("case_id", "age")]
    empty = cases[columns].isna().sum(axis=1)
    auc = metrics.roc_auc_score(cases["true_dvt"] == "present", -empty)
    assert notes[1][0].startswith("Naive Bayes, Logistic regression: ")
    assert "see which cells are empty, and cases with dvt have fewer" in notes[1][0]
    assert abs(float(notes[1][0].split("AUC of their number ")[1][:4]) - auc) < 0.02  # age and the complaint aside


def test_each_case_is_predicted_by_a_fit_without_it() -> None:
    # labels by chance: a classifier that had seen the case would look better than chance
    cases = MODEL.simulate(400, seed=8, missing=0)
    cases["true_dvt"] = np.where(np.random.default_rng(1).random(400) < 0.5, "present", "absent")
    comparison: Any = kb.evaluate(MODEL, cases, baselines=True, bootstrap=0).comparison
    for name in FITTED:
        assert abs(comparison.loc[name, "auc"] - 0.5) < 4 * np.sqrt(1 / 12 / 100)


def test_the_comparison_is_on_the_same_cases_and_equals_scikit_learn(simulated: Any) -> None:
    truth = simulated.truth["dvt"].to_numpy() == 1
    for name, score in simulated.rankings.items():
        assert simulated.comparison.loc[name, "auc"] == pytest.approx(metrics.roc_auc_score(truth, score))
    own = simulated.comparison.iloc[0]
    for name in FITTED:
        row = simulated.comparison.loc[name]
        assert row["auc_difference"] == pytest.approx(row["auc"] - own["auc"])
        flagged = simulated.rankings[name] >= simulated.thresholds.caution
        assert row["net_benefit"] == pytest.approx(net_benefit(truth, flagged, simulated.thresholds.caution))
        assert row["log_loss"] == pytest.approx(metrics.log_loss(truth, simulated.rankings[name]))
    assert own["sensitivity"] == simulated.alarm.loc["caution", "sensitivity"]


@pytest.mark.parametrize("name", ["model", "treat_all"])
def test_a_second_model_is_not_called_as_another_line_of_the_decision_curves(name: str) -> None:
    cases = MODEL.simulate(20, seed=5, with_causes=True)
    with pytest.raises(OptionError, match=f"'{name}'"):
        kb.evaluate(MODEL, cases, against={name: MODEL})


def test_a_second_model_stands_beside_the_first() -> None:
    cases = MODEL.simulate(300, seed=5, with_causes=True)
    content = MODEL.file.model_dump()
    content["causes"]["dvt"]["leak"] |= {"p": 0.5, "range": (0.1, 0.9)}
    other = kb.Model(type(MODEL.file).model_validate({**content, "version": "2"}))
    result = kb.evaluate(MODEL, cases, against=[other, MODEL], bootstrap=20)
    first, second, third = result.comparison.index
    assert (second, third) == (f"{MODEL.file.name} 2", f"{first} (2)")
    assert result.comparison.loc[second, "log_loss"] > result.comparison.loc[first, "log_loss"]
    assert result.comparison.loc[third, "auc_difference"] == 0
    named = kb.evaluate(MODEL, cases, against={"ours": other, WELLS: MODEL}, bootstrap=0, baselines=True)
    assert named.comparison.index[:4].tolist() == [first, "ours", WELLS, f"{WELLS} (2)"]
    assert named.comparison.loc["ours", "log_loss"] == result.comparison.loc[second, "log_loss"]
    assert "ours" in named.decision
    alone = kb.evaluate(other, cases, bootstrap=0)
    assert result.comparison.loc[second, "top_1"] == alone.top.loc["top-1", "share"]
    assert result.comparison.loc[second, "log_loss"] == pytest.approx(alone.causes.loc["dvt", "log_loss"])
