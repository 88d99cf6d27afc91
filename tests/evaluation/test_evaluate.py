"""Evaluation against scikit-learn, hand-computed numbers, and cases drawn from the model itself."""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import calibration, linear_model, metrics
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.cases.labels import read_labels
from kneebayes.errors import CaseError, UnknownColumnError, UnknownNameError
from kneebayes.evaluation.metrics import (
    calibration_bins,
    figures,
    interval,
    net_benefit,
    recalibration,
    resampled_figures,
    resamples,
    wilson,
)
from kneebayes.ui.cli import app

ROOT = Path(__file__).parents[2]
NOT_EVIDENCE = ["alarm", "tags", "certainty", "source", "narrative"]
MODEL = kb.load_model()
C = len(MODEL.causes)


def some_cases(n: int, seed: int, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.7, 2, n)
    if ties:
        p = np.round(p, 1)
    return rng.random(n) < p, p


def with_clots(n: int) -> Any:
    """Draw cases of which n at least have a clot, and n at least have none."""
    cases = MODEL.simulate(5 * n, seed=6, with_causes=True, prevalence={"dvt": 0.4})
    assert n <= (cases["true_dvt"] == "present").sum() <= 4 * n
    return cases


@pytest.fixture(scope="module")
def vignettes() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "vignettes.csv", dtype=str)


@pytest.fixture(scope="module")
def evaluated(vignettes: pd.DataFrame) -> Any:
    return kb.evaluate(MODEL, vignettes, ignore=NOT_EVIDENCE, bootstrap=50)


# Figures of probabilities


def test_wilson_gives_the_published_example_and_stays_within_0_and_1() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3: 81/263, 15/148, 0/20, 1/29
    for right, n, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)]:
        assert wilson(right, n) == pytest.approx((right / n, low, high), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((1 / 29, 0.0061, 0.1718), abs=5e-5)
    assert all(math.isnan(x) for x in wilson(0, 0))


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_scikit_learn_and_murphys_parts_add_up(seed: int, ties: bool) -> None:
    truth, p = some_cases(300, seed, ties=ties)
    found = figures(truth, p)
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(truth, p))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(truth, p))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, p))
    assert found["brier"] == pytest.approx(((p - truth) ** 2).mean())
    parts = found["reliability"] - found["resolution"] + found["uncertainty"] + found["within_bins"]
    assert parts == pytest.approx(found["brier"])


def test_the_parts_of_the_brier_score_by_hand() -> None:
    # two bins of equal forecasts: nothing is lost within bins
    p = np.array([0.2] * 10 + [0.8] * 10)
    truth = np.array([True] * 1 + [False] * 9 + [True] * 6 + [False] * 4)
    found = figures(truth, p)
    assert found["reliability"] == pytest.approx(0.5 * 0.1**2 + 0.5 * 0.2**2)
    assert found["resolution"] == pytest.approx(0.25**2)
    assert found["uncertainty"] == pytest.approx(0.35 * 0.65)
    assert found["within_bins"] == pytest.approx(0)
    assert found["calibration_error"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)
    # the two observed shares fix the line of the recalibration
    slope = (math.log(0.6 / 0.4) - math.log(0.1 / 0.9)) / (2 * math.log(4))
    assert found["calibration_slope"] == pytest.approx(slope)
    assert found["calibration_intercept"] == pytest.approx(math.log(0.6 / 0.4) - slope * math.log(4))


def test_bins_are_those_of_scikit_learns_quantile_strategy() -> None:
    truth, p = some_cases(1000, 5)
    place = calibration_bins(p)
    observed, predicted = calibration.calibration_curve(truth, p, n_bins=10, strategy="quantile")
    assert [truth[place == b].mean() for b in range(10)] == pytest.approx(observed)
    assert [p[place == b].mean() for b in range(10)] == pytest.approx(predicted)


def test_recalibration_is_an_unpenalised_logistic_regression_on_the_log_odds() -> None:
    truth, p = some_cases(500, 9)
    distorted = p**2 / (p**2 + (1 - p) ** 2)
    x = np.log(distorted / (1 - distorted))[:, None]
    fitted = linear_model.LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(x, truth)
    assert recalibration(truth, distorted) == pytest.approx((fitted.intercept_[0], fitted.coef_[0, 0]), abs=1e-4)


@pytest.mark.parametrize(
    ("truth", "p"),
    [([True, False], [0.9, 0.1]), ([True, True], [0.9, 0.1]), ([True, False], [0.5, 0.5]), ([], [])],
    ids=["separable", "one kind", "all equal", "nothing"],
)
def test_a_recalibration_that_does_not_exist_is_not_a_number(truth: list[bool], p: list[float]) -> None:
    assert all(math.isnan(x) for x in recalibration(np.array(truth, dtype=bool), np.array(p)))


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_figures_of_resamples_are_scikit_learns_with_weights(ties: bool) -> None:
    truth, p = some_cases(200, 3, ties=ties)
    p = np.clip(p, 0.01, 0.99)
    (counts,) = resamples(200, 4, seed=1)
    assert counts.sum(axis=1).tolist() == [200] * 4
    found = resampled_figures(truth, p, counts)
    for row, weights in enumerate(counts):
        repeated = np.repeat(np.arange(200), weights.astype(int))
        assert found["auc"][row] == pytest.approx(metrics.roc_auc_score(truth, p, sample_weight=weights))
        precision = metrics.average_precision_score(truth, p, sample_weight=weights)
        assert found["average_precision"][row] == pytest.approx(precision)
        assert found["brier"][row] == pytest.approx(metrics.brier_score_loss(truth[repeated], p[repeated]))
        assert found["log_loss"][row] == pytest.approx(metrics.log_loss(truth[repeated], p[repeated]))
        line = found["calibration_intercept"][row], found["calibration_slope"][row]
        assert line == pytest.approx(recalibration(truth[repeated], p[repeated]), abs=1e-8)


def test_resampling_once_each_gives_the_figures_of_the_whole() -> None:
    truth, p = some_cases(150, 8)
    whole, found = figures(truth, p), resampled_figures(truth, p, np.ones((1, 150)))
    assert {name: values[0] for name, values in found.items()} == pytest.approx({n: whole[n] for n in found})


def test_intervals_hold_what_they_should_and_are_absent_where_resamples_agree() -> None:
    assert interval(np.arange(1001) / 1000) == pytest.approx((0.025, 0.975))
    assert all(math.isnan(x) for x in interval(np.ones(100)))
    assert all(math.isnan(x) for x in interval(np.array([np.nan, np.nan, 1.0])))


@pytest.mark.slow
def test_bootstrap_intervals_of_the_auc_cover_the_truth_as_often_as_they_say() -> None:
    # scores of two normal distributions one apart: AUC = Phi(1 / sqrt 2)
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = np.arange(120) < 50
        z = rng.normal(size=120) + truth
        drawn = [resampled_figures(truth, 1 / (1 + np.exp(-z)), counts)["auc"] for counts in resamples(120, 200, seed)]
        low, high = interval(np.concatenate(drawn))
        covered += low < 0.76025 < high
    assert 180 <= covered <= 200


def test_net_benefit_by_hand() -> None:
    truth = np.array([True] * 3 + [False] * 7)
    flagged = np.array([True, True, False, True, True, False, False, False, False, False])
    assert net_benefit(truth, flagged, 0.2) == pytest.approx(2 / 10 - 2 / 10 / 4)
    assert net_benefit(truth, np.ones(10, dtype=bool), 0.3) == pytest.approx(0)  # at the prevalence


# Labels


def read(**columns: Any) -> Any:
    return read_labels(MODEL.file, pa.table({name: pa.array(cells) for name, cells in columns.items()}))


def test_a_label_and_also_are_present_and_the_rest_absent() -> None:
    labels = read(label=["dvt", "none_of_these", None, "BAKERS_CYST"], also=[" leg_cramps; pcl_injury", "", None, None])
    present = [[labels.targets[i] for i in np.flatnonzero(row == 1)] for row in labels.present]
    assert present == [["leg_cramps", "pcl_injury", "dvt"], ["none_of_these"], [], ["bakers_cyst"]]
    assert labels.all_known.tolist() == [True, True, False, True]
    assert labels.any_known.tolist() == [True, True, False, True]
    assert labels.leading.tolist() == [8, 9, -1, 1]


def test_single_columns_may_be_empty_and_states_count_as_present() -> None:
    full = {f"true_{cause}": ["absent", "absent"] for cause in MODEL.causes}
    labels = read(**{**full, "true_bakers_cyst": ["ruptured", None], "true_dvt": ["no", "1"]})
    assert labels.leading.tolist() == [1, -1]
    assert labels.present[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert labels.present[1].tolist() == [0, -1, 0, 0, 0, 0, 0, 0, 1, 0]  # a cause is there: not none


def test_without_a_cause_there_and_with_one_not_known_none_of_these_is_not_known() -> None:
    labels = read(true_dvt=["absent", "present"])
    assert labels.present[:, -1].tolist() == [-1, 0]


def test_a_single_column_tells_of_causes_that_the_label_does_not_name() -> None:
    labels = read(label=["dvt", "dvt"], true_leg_cramps=["present", None])
    assert labels.present[:, 0].tolist() == [1, 0]
    assert labels.leading.tolist() == [8, 8]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"label": ["dvtt"]}, ["'dvtt'", "none_of_these", "Did you mean 'dvt'"]),
        ({"label": ["dvt"], "also": ["cramps"]}, ["also 'cramps'", "leg_cramps"]),
        ({"label": ["dvt;leg_cramps"]}, ["give one cause", "also"]),
        ({"label": ["none_of_these"], "also": ["dvt"]}, ["none_of_these"]),
        ({"label": [None], "also": ["dvt"]}, ["give one cause"]),
        ({"label": ["dvt"], "true_dvt": ["absent"]}, ["contradicts the label"]),
        ({"label": ["none_of_these"], "true_dvt": ["yes"]}, ["contradicts the label"]),
        ({"true_bakers_cyst": ["burst"]}, ["'burst'", "absent, intact, ruptured"]),
    ],
    ids=lambda value: "/".join(value) if isinstance(value, dict) else "",
)
def test_a_label_that_cannot_be_read_costs_its_row_with_a_reason(
    columns: dict[str, list[Any]], words: list[str]
) -> None:
    labels = read(**columns)
    assert [problem.row for problem in labels.problems] == [0]
    assert all(word in labels.problems[0].reason for word in words)
    assert not labels.any_known.any()


def test_no_label_column_and_a_label_of_an_unknown_cause_are_refused() -> None:
    with pytest.raises(UnknownColumnError, match="labelled cases need one"):
        kb.evaluate(MODEL, pd.DataFrame({"age": [40]}))
    with pytest.raises(UnknownColumnError, match=r"If dvt came out later, call it true_dvt\."):
        kb.evaluate(MODEL, pd.DataFrame({"age": [40], "dvt": ["present"]}))
    with pytest.raises(UnknownColumnError, match="Did you mean 'true_dvt'"):
        kb.evaluate(MODEL, pd.DataFrame({"true_dtv": ["present"]}))
    with pytest.raises(UnknownColumnError, match="no column 'diagnosis'"):
        kb.evaluate(MODEL, pd.DataFrame({"label": ["dvt"]}), label="diagnosis")


# The evaluation


def test_the_vignettes_as_counted_without_the_package(evaluated: Any, vignettes: pd.DataFrame) -> None:
    scored = MODEL.score(vignettes, ignore=NOT_EVIDENCE)
    names = [*MODEL.causes, "none_of_these"]
    right = {1: 0, 3: 0}
    for (_, case), (_, row) in zip(vignettes.iterrows(), scored.iterrows(), strict=True):
        accepted = {case["label"], *str(case["also"]).split(";")}
        ranked = sorted(names, key=lambda name: -row[name])
        for k in right:
            right[k] += bool(accepted & set(ranked[:k]))
    assert evaluated.top["right"].tolist() == [right[1], right[3]]
    clots = vignettes["label"] == "dvt"
    alarms = scored["dvt_alarm"].isin(["caution", "urgent", "emergency"])
    caution = evaluated.alarm.loc["caution"]
    assert [caution["true_alarms"], caution["false_alarms"]] == [(clots & alarms).sum(), (~clots & alarms).sum()]
    assert caution["sensitivity"] == (clots & alarms).sum() / clots.sum()
    assert (caution["npv_low"], caution["npv_high"]) == wilson((~clots & ~alarms).sum(), (~alarms).sum())[1:]
    assert evaluated.confusion.to_numpy().sum() == len(vignettes)
    assert (evaluated.confusion.sum(axis=1) == vignettes["label"].value_counts().reindex(names).to_numpy()).all()


def test_columns_for_each_cause_and_one_label_column_give_the_same(vignettes: pd.DataFrame, evaluated: Any) -> None:
    single = vignettes.drop(columns=["label", "also"])
    for cause in MODEL.causes:
        there = [cause in (label, *str(also).split(";")) for label, also in vignettes[["label", "also"]].to_numpy()]
        single[f"true_{cause}"] = np.where(there, MODEL.file.causes[cause].states[1], "absent")
    other = kb.evaluate(MODEL, single, ignore=NOT_EVIDENCE, bootstrap=50)
    pd.testing.assert_frame_equal(other.causes, evaluated.causes)
    pd.testing.assert_frame_equal(other.top, evaluated.top)


def test_labels_that_are_missing_leave_their_cause_out_and_no_other() -> None:
    cases = MODEL.simulate(300, seed=4, with_causes=True)
    whole = kb.evaluate(MODEL, cases, bootstrap=0)
    cases.loc[cases.index[:100], "true_dvt"] = None
    cases.loc[cases.index[:10], [f"true_{cause}" for cause in MODEL.causes]] = None
    part = kb.evaluate(MODEL, cases, bootstrap=0)
    assert (part.n_read, part.n_unlabelled, part.n_cases) == (300, 10, 290)
    assert part.causes.loc["dvt", "n"] == 200
    assert part.causes["n"].drop(["dvt", "none_of_these"]).tolist() == [290] * (C - 1)
    assert part.top["n"].tolist() == [200, 200]
    after = whole.truth.iloc[10:]["leg_cramps"].to_numpy() == 1
    assert part.causes.loc["leg_cramps", "auc"] == pytest.approx(
        metrics.roc_auc_score(after, whole.predictions.iloc[10:]["leg_cramps"])
    )


def test_a_missed_clot_is_listed_with_its_case() -> None:
    cases = pd.DataFrame({"case_id": ["a", "b"], "episodic_pain": ["yes", "yes"], "label": ["dvt", "leg_cramps"]})
    result = kb.evaluate(MODEL, cases, bootstrap=0)
    assert result.missed.index.tolist() == ["a"]
    assert result.missed["alarm"].tolist() == ["not_assessed"]
    assert "missed, with the alarm below caution: 1" in str(result)
    known = kb.evaluate(MODEL, cases, bootstrap=0, thresholds=kb.Thresholds(1e-6, 1e-6))
    assert len(known.missed) == 0


def test_rows_that_cannot_be_evaluated_raise_or_are_left_out_and_counted() -> None:
    cases = pd.DataFrame({"age": ["40", "4000", "50"], "label": ["dvt", "dvt", "dvtt"]})
    with pytest.raises(CaseError, match=r"row 1, column 'age'.*2 rows can't be evaluated"):
        kb.evaluate(MODEL, cases)
    result = kb.evaluate(MODEL, cases, errors="null", bootstrap=0)
    assert (result.n_read, result.n_rejected, result.n_cases) == (3, 2, 1)
    assert [problem.row for problem in result.problems] == [1, 2]
    with pytest.raises(CaseError, match="nothing to evaluate"):
        kb.evaluate(MODEL, cases.iloc[1:], errors="null")
    with pytest.raises(UnknownNameError):
        kb.evaluate(MODEL, cases, errors="ignore")  # type: ignore[arg-type]


def test_a_cause_given_as_evidence_is_noted() -> None:
    cases = pd.DataFrame({"dvt": ["yes", None], "label": ["dvt", "leg_cramps"]})
    assert any("no blind test of: dvt" in note for note in kb.evaluate(MODEL, cases, bootstrap=0).notes)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_intervals() -> None:
    cases = with_clots(40)
    first, again, other = (kb.evaluate(MODEL, cases, bootstrap=50, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(again.table, first.table)
    assert first.causes["brier_low"].notna()["dvt"]
    assert not other.causes["brier_low"].equals(first.causes["brier_low"])


@pytest.mark.slow
@pytest.mark.parametrize(("clots", "others"), [(1, 30), (9, 30), (30, 9), (10, 10)])
def test_there_is_no_bootstrap_interval_where_too_few_cases_are_of_one_kind_and_the_text_says_so(
    clots: int, others: int
) -> None:
    cases = with_clots(max(clots, others))
    there = cases["true_dvt"] == "present"
    result = kb.evaluate(MODEL, pd.concat([cases[there][:clots], cases[~there][:others]]), bootstrap=30)
    found = {table: getattr(result, table) for table in ("causes", "comparison", "decision")}
    limits = [found["causes"].loc["dvt", f"{name}_{end}"] for name in ("auc", "brier") for end in ("low", "high")]
    limits += [found["comparison"]["auc_low"].iloc[0], found["decision"]["model_low"].iloc[0]]
    enough = min(clots, others) >= 10
    assert np.isfinite(limits).tolist() == [enough] * len(limits)
    assert result.causes["auc"].notna()["dvt"]
    few = f"dvt ({min(clots, others)})"
    assert any("too few to resample for an interval" in note and few in note for note in result.notes) == (not enough)


def test_what_no_case_tells_of_is_named_once_and_left_out() -> None:
    result = kb.evaluate(MODEL, with_clots(20).filter(regex="^(?!true_(?!dvt)|label|also)"), bootstrap=0)
    text = str(result)
    assert result.causes.loc["leg_cramps", "n"] == 0
    assert text.count("leg_cramps") == 1
    assert "left out: leg_cramps, bakers_cyst" in text
    assert "Leading causes" not in text
    assert text.count("\ndvt ") == 3


def test_an_imported_network_has_no_alarm_to_measure() -> None:
    alarm = MODEL.file.alarm.model_copy(update={"rules": ()})
    model = kb.Model(MODEL.file.model_copy(update={"alarm": alarm}))
    text = str(kb.evaluate(model, with_clots(20), thresholds=kb.Thresholds(1, 1), bootstrap=0))
    assert "larm for" not in text
    assert "missed" not in text.removeprefix(f"Evaluation of {MODEL.file.title}")


@pytest.mark.slow
@pytest.mark.parametrize("thresholds", [(1.0, 1.0), (0.5, 1.0)], ids=["caution", "urgent"])
def test_an_alarm_that_never_warns_by_probability_has_no_net_benefit_there(
    thresholds: tuple[float, float], tmp_path: Path
) -> None:
    result = kb.evaluate(MODEL, with_clots(20), thresholds=kb.Thresholds(*thresholds), baselines=True, bootstrap=0)
    assert np.isnan(result.comparison["net_benefit"].iloc[0]) == (thresholds[0] == 1)
    assert ("Net benefit of acting" in str(result)) == (thresholds[0] < 1)
    result.report(tmp_path / "report.html")
    assert json.loads(str(result.to_json()))["thresholds"] == {"caution": thresholds[0], "urgent": 1.0}


@pytest.mark.slow
def test_a_network_without_an_alarm_of_its_own_is_evaluated(tmp_path: Path) -> None:
    ankle = kb.load_model(ROOT / "examples" / "ankle.yaml")  # the article's model has findings that need their labels
    network_file, labels = ankle.export(tmp_path / "ankle.bif")
    labels.unlink()  # the alarm stood there
    network = kb.import_network(network_file, causes=list(ankle.causes), complaint=ankle.file.complaint)
    assert (network.file.alarm.rules, network.file.alarm.thresholds["caution"].p) == ((), 1.0)
    result = kb.evaluate(network, network.simulate(50, seed=1, with_causes=True), bootstrap=0)
    assert result.n_cases == 50
    assert "Net benefit" not in str(result)
    result.report(tmp_path / "report.html")


def test_a_label_column_of_another_name_and_other_frames(vignettes: pd.DataFrame, evaluated: Any) -> None:
    renamed = vignettes.rename(columns={"label": "diagnosis"})
    result = kb.evaluate(MODEL, pa.Table.from_pandas(renamed), label="diagnosis", ignore=NOT_EVIDENCE, bootstrap=50)
    pd.testing.assert_frame_equal(result.causes, evaluated.causes)


def test_the_decision_curve_is_net_benefit_at_every_threshold(evaluated: Any) -> None:
    truth, p = evaluated.truth["dvt"].to_numpy() == 1, evaluated.predictions["dvt"].to_numpy()
    for threshold, row in evaluated.decision.iterrows():
        assert row["model"] == pytest.approx(net_benefit(truth, p >= threshold, threshold))
        assert row["model_low"] - 1e-12 <= row["model"] <= row["model_high"] + 1e-12 or math.isnan(row["model_low"])
    own = evaluated.thresholds
    assert {own.caution, own.urgent} <= set(evaluated.decision.index)


def test_every_figure_is_in_csv_and_json(evaluated: Any, tmp_path: Path) -> None:
    drawn = kb.evaluate(MODEL, with_clots(20), bootstrap=20)
    drawn.to_csv(tmp_path / "figures.csv")
    table = pd.read_csv(tmp_path / "figures.csv")
    row = table.query("section == 'causes' and name == 'dvt' and metric == 'brier'").iloc[0]
    assert row["value"] == pytest.approx(drawn.causes.loc["dvt", "brier"])
    assert row["low"] == pytest.approx(drawn.causes.loc["dvt", "brier_low"])
    content = json.loads(evaluated.to_json())
    dvt = next(item for item in content["causes"] if item["cause"] == "dvt")
    assert dvt["calibration_slope"] is None  # separable: not NaN, which is no JSON
    assert content["alarm"][1]["sensitivity"] == 1
    assert content["cases"] == 25


def test_figures_of_few_cases_say_that_they_are_anecdotes(evaluated: Any) -> None:
    assert any("anecdotes" in note and "dvt (3)" in note for note in evaluated.notes)
    assert MODEL.file.disclaimer in str(evaluated)


@pytest.mark.slow
def test_the_model_is_calibrated_on_cases_drawn_from_itself() -> None:
    cases = MODEL.simulate(200_000, seed=20, missing=(0.3, 0.6), with_causes=True)
    result = kb.evaluate(MODEL, cases, bootstrap=0)
    for cause, row in result.causes.iterrows():
        p, truth = result.predictions[cause].to_numpy(), result.truth[cause].to_numpy()
        # sums of independent errors with known variances: each within 4.5 standard deviations
        assert abs((truth - p).sum()) < 4.5 * np.sqrt((p * (1 - p)).sum()), cause
        variance = p * (1 - p)
        x = np.log(p / (1 - p))
        information = np.array([[variance.sum(), variance @ x], [variance @ x, variance @ x**2]])
        error = np.sqrt(np.diag(np.linalg.inv(information)))
        assert abs(row["calibration_intercept"]) < 4.5 * error[0], cause
        assert abs(row["calibration_slope"] - 1) < 4.5 * error[1], cause
        place = calibration_bins(p)
        expected, spread = np.bincount(place, p), np.sqrt(np.bincount(place, variance))
        assert (abs(np.bincount(place, truth) - expected) < 4.5 * spread + 1).all(), cause
        # a calibrated forecast: its mean score is the one that it expects of itself
        score_error = ((p - truth) ** 2 - variance).sum()
        assert abs(score_error) < 4.5 * np.sqrt((variance * (1 - 2 * p) ** 2).sum()), cause
    assert result.causes["calibration_error"].max() < 0.003


# The command


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_the_command_prints_text_json_and_csv(evaluated: Any) -> None:
    vignettes = ROOT / "data" / "vignettes.csv"
    options = ("--ignore", ",".join(NOT_EVIDENCE), "--bootstrap", 50)
    text = run(vignettes, *options)
    assert text.exit_code == 0
    assert text.stdout == f"{evaluated}\n"
    assert json.loads(run(vignettes, *options, "--json").stdout) == json.loads(evaluated.to_json())
    assert run(vignettes, *options, "--csv").stdout.startswith("section,name,metric,value,low,high,text\n")
    assert run(vignettes, *options, "--csv", "--json").exit_code == 2


def test_the_command_leaves_bad_rows_out_and_says_so(tmp_path: Path) -> None:
    source = tmp_path / "labelled.csv"
    source.write_text("age,label\n40,dvt\n50,leg_cramps,x\n60,leg_cramps\n7000,dvt\n70,dvtt\n", encoding="utf-8")
    done = run(source, "--bootstrap", 0)
    assert done.exit_code == 1
    assert "left out: data row 2: " in done.stderr
    assert "left out: data row 4, column 'age': not allowed: give a number of years from 0 to 110" in done.stderr
    assert "data row 5, column 'label': not allowed: give one cause of posterior_knee_pain" in done.stderr
    assert "3 rows left out" in done.stderr


def test_a_file_without_labels_is_refused_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "cases.csv"
    source.write_text("age\n40\n", encoding="utf-8")
    done = run(source)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "labelled cases need" in done.stderr


def test_a_report_that_is_no_html_is_refused_before_the_work(tmp_path: Path) -> None:
    done = run(ROOT / "data" / "vignettes.csv", "--report", tmp_path / "report.pdf")
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "ends in .html" in done.stderr


@pytest.mark.slow
def test_the_tables_of_labelled_cases_in_readme_are_of_today() -> None:
    """If they are not: ``python docs/make_vignettes.py``."""
    made = runpy.run_path(str(ROOT / "docs" / "make_vignettes.py"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert made["table"](made["evaluated"]()) in readme
    assert made["by_model"]() in readme


VISITS = pd.DataFrame(
    {
        "case_id": ["a", "b", "a", "b", "Total"],
        "fever": ["yes", "no", None, None, None],
        "true_dvt": [None, None, "present", "absent", None],
    }
)


def test_a_case_of_several_rows_counts_once() -> None:
    with pytest.raises(CaseError, match="an earlier row has this case_id"):
        kb.evaluate(MODEL, VISITS, bootstrap=0)
    mapping = {"join": "case_id", "rows": {"case_id": ["Total"]}}
    result = kb.evaluate(MODEL, VISITS, mapping=mapping, bootstrap=0)
    assert (result.n_cases, result.n_read, result.n_rejected, result.problems) == (2, 2, 0, [])
    want = MODEL.score(pd.DataFrame({"fever": ["yes", "no"]}))["dvt"]
    assert result.predictions["dvt"].tolist() == want.tolist()


def test_nothing_to_evaluate_says_why() -> None:
    with pytest.raises(CaseError, match=r"nothing to evaluate; row 2, column 'case_id' is refused: an earlier row"):
        kb.evaluate(MODEL, VISITS, errors="null", bootstrap=0)
