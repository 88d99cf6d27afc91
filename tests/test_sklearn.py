"""The scikit-learn classifier: the posteriors of the model, by scikit-learn's own checks and in its tools."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

import kneebayes as kb
from kneebayes.errors import CaseError, PrevalenceError, UnknownColumnError, UnknownNameError
from kneebayes.learn.prevalence import with_prevalence
from kneebayes.sklearn import KneeBayesClassifier
from tests.oracles import random_model

N = 400


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


@pytest.fixture(scope="module")
def drawn(model: kb.Model) -> pd.DataFrame:
    return model.simulate(N, seed=3, missing=(0.3, 0.5), with_causes=True)


@pytest.fixture(scope="module")
def X(drawn: pd.DataFrame) -> pd.DataFrame:
    return drawn.drop(columns=[str(name) for name in drawn if str(name).startswith("true_") or name == "case_id"])


@pytest.fixture(scope="module")
def y(drawn: pd.DataFrame, model: kb.Model) -> pd.DataFrame:
    return pd.DataFrame({name: (drawn[f"true_{name}"] != "absent").astype(int) for name in model.causes})


# scikit-learn's own checks


class OnNumbers(KneeBayesClassifier):
    """The classifier fed with what the checks draw: columns of numbers, of which those over 0 mean present."""

    def _cases(self, X: Any, *, reset: bool) -> Any:
        cells = validate_data(self, X, reset=reset, ensure_all_finite="allow-nan")
        findings = list(self.model.file.findings)[1:]  # type: ignore[union-attr]
        present = np.where(np.isnan(cells), np.nan, (cells > 0).astype(float))
        return pd.DataFrame(present, columns=findings[: present.shape[1]])


def stand_in(causes: int, **options: Any) -> KneeBayesClassifier:
    return OnNumbers(kb.Model(random_model(5, causes=causes, findings=40, risks=3)), **options)


WORDS_REFUSED = "two words as classes are refused unless they say which means present: sorted, 'clot' < 'healthy'"
NO_NAMES = "cells are states of named variables; the check draws a matrix of numbers whose columns have no names"
ONE_COLUMN = "y has one column, or one dimension, for the five causes of this model"
THREE_CLASSES = "a cause is there or not; the check draws three classes, or more columns than the model has causes"
NEED_NAMES = [
    "check_fit_score_takes_y",
    "check_estimators_overwrite_params",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_readonly_memmap_input",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_estimators_dtypes",
    "check_dtype_object",
    "check_pipeline_consistency",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_supervised_y_2d",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_fit2d_1feature",
    "check_dict_unchanged",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_n_features_in",
    "check_fit2d_predict1d",
]
NEED_FIVE = [
    "check_fit_score_takes_y",
    "check_estimators_overwrite_params",
    "check_dont_overwrite_parameters",
    "check_estimators_fit_returns_self",
    "check_readonly_memmap_input",
    "check_n_features_in_after_fitting",
    "check_positive_only_tag_during_fit",
    "check_estimators_dtypes",
    "check_dtype_object",
    "check_pipeline_consistency",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_fit2d_1feature",
    "check_dict_unchanged",
    "check_fit_idempotent",
    "check_fit_check_is_fitted",
    "check_n_features_in",
    "check_fit2d_predict1d",
    "check_estimators_empty_data_messages",
    "check_estimator_sparse_tag",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_classifiers_one_label",
    "check_classifier_multioutput",
    "check_fit2d_1sample",
]
MULTI_CLASS = [
    "check_estimators_dtypes",
    "check_classifier_data_not_an_array",
    "check_classifiers_one_label",
    "check_classifiers_classes",
    "check_classifier_multioutput",
    "check_classifiers_train",
    "check_classifiers_multilabel_representation_invariance",
    "check_classifiers_multilabel_output_format_predict",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_multilabel_output_format_decision_function",
]
WEIGHTED_CLASSES = [
    "check_classifiers_one_label_sample_weights",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
]
WEIGHTED = [
    *WEIGHTED_CLASSES,
    "check_all_zero_sample_weights_error",
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weights_list",
]
CHECKED: dict[str, tuple[Callable[[], KneeBayesClassifier], dict[str, str]]] = {
    "one_cause": (lambda: stand_in(5, target="c0"), {"check_classifiers_classes": WORDS_REFUSED}),
    "all_causes_of_five": (lambda: stand_in(5), dict.fromkeys([*NEED_FIVE, *WEIGHTED], ONE_COLUMN)),
    "all_causes_of_one": (lambda: stand_in(1), dict.fromkeys([*MULTI_CLASS, *WEIGHTED_CLASSES], THREE_CLASSES)),
    "as_it_ships": (
        lambda: KneeBayesClassifier(kb.load_model(), target="dvt"),
        dict.fromkeys([*NEED_NAMES, *WEIGHTED], NO_NAMES),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("which", CHECKED)
def test_it_passes_the_estimator_checks_but_those_that_cannot_apply(which: str) -> None:
    make, expected = CHECKED[which]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks warn on purpose
        results = check_estimator(make(), expected_failed_checks=expected, on_skip=None, on_fail=None)
    status = {(result["check_name"], result["status"]) for result in results}
    assert {name for name, s in status if s == "failed"} == set()
    assert {name for name, s in status if s == "xfail"} == set(expected)
    assert sum(result["status"] == "passed" for result in results) >= 20


# It gives the model's posteriors


@pytest.mark.slow
@pytest.mark.parametrize("target", [None, "dvt", "bakers_cyst"])
def test_without_learning_it_gives_the_models_posteriors(
    model: kb.Model, X: pd.DataFrame, y: pd.DataFrame, target: str | None
) -> None:
    classifier = KneeBayesClassifier(target=target, learn=None).fit(X, y if target is None else y[target])
    names = list(model.causes) if target is None else [target]
    expected = model.score(X)[names].to_numpy()
    p = classifier.predict_proba(X)
    assert X.isna().to_numpy().mean() > 0.4
    if target is None:
        np.testing.assert_array_equal(p, expected)
        np.testing.assert_array_equal(classifier.predict(X), expected >= 0.5)
    else:
        np.testing.assert_array_equal(p[:, 1], expected[:, 0])
        np.testing.assert_allclose(p.sum(axis=1), 1)
        np.testing.assert_array_equal(classifier.predict(X), expected[:, 0] >= 0.5)


@pytest.mark.slow
def test_frames_of_any_kind_and_arrays_with_columns_give_the_same(X: pd.DataFrame, y: pd.DataFrame) -> None:
    few = pd.DataFrame({"age": [67.0, np.nan, 30], "calf_pain": [1.0, 0, np.nan], "smoker": [np.nan, 1, 0]})
    clot = [1, 0, 0]
    expected = KneeBayesClassifier(target="dvt").fit(few, clot).predict_proba(few)
    array = few.to_numpy()
    from_array = KneeBayesClassifier(target="dvt", columns=list(few)).fit(array, clot)
    np.testing.assert_array_equal(from_array.predict_proba(array), expected)
    words = few.astype(object).where(few.notna(), None).to_numpy()
    np.testing.assert_array_equal(from_array.predict_proba(words), expected)
    polars = pl.from_pandas(few)
    np.testing.assert_array_equal(KneeBayesClassifier(target="dvt").fit(polars, clot).predict_proba(polars), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0, 1, 0], [0, 1]), ([False, True, False], [False, True]), (["no", "yes", "no"], ["no", "yes"]),
     (["absent", "present", "absent"], ["absent", "present"]), ([-1, 1, -1], [-1, 1])],
    ids=["numbers", "bools", "yes_no", "states", "signs"],
)  # fmt: skip
def test_labels_may_be_numbers_bools_or_words_and_come_back_as_they_are(labels: Any, classes: Any) -> None:
    few = pd.DataFrame({"known_knee_arthritis": [None, "yes", None], "age": [20, 80, 25]})
    oa = KneeBayesClassifier(target="knee_osteoarthritis", learn=None).fit(few, labels)
    assert oa.classes_.tolist() == classes
    assert oa.predict(few).tolist() == labels


@pytest.mark.slow
def test_labels_by_name_may_stand_in_any_order_and_be_some_of_the_causes(X: pd.DataFrame, y: pd.DataFrame) -> None:
    some = y[["dvt", "leg_cramps"]]
    classifier = KneeBayesClassifier(learn=None).fit(X, some)
    assert classifier.targets_ == ("dvt", "leg_cramps")
    both = KneeBayesClassifier(learn=None).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(classifier.predict_proba(X), both[:, [8, 0]])
    prefixed = KneeBayesClassifier(learn=None).fit(X, some.add_prefix("true_"))
    assert prefixed.targets_ == classifier.targets_


# It learns


@pytest.mark.slow
def test_it_is_shifted_to_the_share_of_the_cases_and_the_prior_weight(X: pd.DataFrame, y: pd.DataFrame) -> None:
    p0 = kb.load_model().diagnose({}).probabilities["dvt"]
    clots = np.r_[np.ones(40), np.zeros(N - 40)]
    for weight in (0.0, 10.0, 1000.0):
        model = KneeBayesClassifier(target="dvt", prior_weight=weight).fit(X, clots).model_
        expected = (40 + weight * p0) / (N + weight)
        assert model.diagnose({}).probabilities["dvt"] == pytest.approx(expected, rel=1e-8)
        assert "set to dvt" in model.file.provenance[-1]


@pytest.mark.slow
def test_shares_of_all_causes_are_met_together(model: kb.Model) -> None:
    shares = {name: 0.02 * (i + 1) for i, name in enumerate(model.causes)}
    shifted = kb.Model(with_prevalence(model.file, shares, links=True))
    p = shifted.diagnose({}).probabilities
    assert all(abs(p[name] - share) < 1e-9 for name, share in shares.items())
    assert "was 0.00088" in shifted.file.causes["dvt"].leak.basis


def test_shifting_keeps_the_ratios_of_the_risks(model: kb.Model) -> None:
    """What raising the leak alone would not: a clot in five, and a risk factor would hardly count."""
    shifted = with_prevalence(model.file, {"dvt": 0.15}, links=True)
    old, new = model.file.causes["dvt"], shifted.causes["dvt"]
    rate = np.log1p(-new.leak.p) / np.log1p(-old.leak.p)
    assert rate > 5
    for parent, states in old.links.items():
        for state, link in states.items():
            assert np.log1p(-new.links[parent][state].p) == pytest.approx(rate * np.log1p(-link.p))
    assert shifted.findings == model.file.findings
    assert {**shifted.causes, "dvt": old} == model.file.causes


@pytest.mark.parametrize("shares", [{"dvt": 0.0}, {"dvt": 1.0}, {"dvt": -0.1}])
def test_impossible_shares_are_refused(model: kb.Model, shares: dict[str, float]) -> None:
    with pytest.raises(PrevalenceError, match="between 0 and 1"):
        with_prevalence(model.file, shares, links=True)
    with pytest.raises(UnknownNameError, match=r"no cause 'dvd'.*Did you mean 'dvt'"):
        with_prevalence(model.file, {"dvd": 0.1}, links=True)


def test_labels_that_all_say_the_same_need_a_prior() -> None:
    X, y = pd.DataFrame({"age": [67, 25]}), pd.DataFrame({"dvt": [0, 0], "leg_cramps": [1, 1]})
    with pytest.raises(CaseError, match=r"shares \{'dvt': 0\.0, 'leg_cramps': 1\.0\}: must be over 0 and under 1"):
        KneeBayesClassifier(prior_weight=0).fit(X, y)


@pytest.mark.slow
def test_shifting_to_another_clinic_mends_the_calibration(model: kb.Model) -> None:
    clinic = kb.Model(with_prevalence(model.file, {"dvt": 0.25}, links=True))
    drawn = clinic.simulate(3000, seed=11, missing=0.4, with_causes=True)
    clots = (drawn["true_dvt"] == "present").astype(int)
    X = drawn.drop(columns=[str(name) for name in drawn if str(name).startswith("true_") or name == "case_id"])
    first, second = slice(0, 1500), slice(1500, None)
    losses = {
        learn: brier_score_loss(
            clots[second],
            KneeBayesClassifier(target="dvt", learn=learn).fit(X[first], clots[first]).predict_proba(X[second])[:, 1],
        )
        for learn in (None, "prevalence")
    }
    assert losses["prevalence"] < 0.9 * losses[None]


@pytest.mark.slow
def test_all_numbers_may_be_learned(X: pd.DataFrame, y: pd.DataFrame) -> None:
    for target in (None, "dvt"):
        labels = y if target is None else y[target]
        fitted = KneeBayesClassifier(target=target, learn="numbers").fit(X[:25], labels[:25])
        changed = [n for _, n in fitted.model_.file.probabilities() if n.basis.startswith("fitted")]
        assert len(changed) > 10
        assert np.isfinite(fitted.predict_proba(X[25:50])).all()


# It works in scikit-learn's tools


@pytest.mark.slow
def test_pipeline_and_cross_validation(X: pd.DataFrame, y: pd.DataFrame) -> None:
    named = X.rename(columns=str.upper)
    pipeline = make_pipeline(
        FunctionTransformer(lambda f: f.rename(columns=str.lower)), KneeBayesClassifier(target="knee_osteoarthritis")
    )
    scores = cross_val_score(pipeline, named, y["knee_osteoarthritis"], cv=4, scoring="roc_auc")
    assert scores.shape == (4,)
    assert scores.min() > 0.75
    assert cross_val_score(pipeline, named, y["knee_osteoarthritis"], cv=4).mean() > 0.7


@pytest.mark.slow
def test_cross_validation_of_all_causes(X: pd.DataFrame, y: pd.DataFrame) -> None:
    p = cross_val_predict(KneeBayesClassifier(), X, y, cv=3, method="predict_proba")
    assert p.shape == y.shape
    assert roc_auc_score(y, p, average="micro") > 0.8
    for names in (["knee_osteoarthritis", "leg_cramps"], ["knee_osteoarthritis", "leg_cramps", "meniscal_tear"]):
        scores = cross_val_score(KneeBayesClassifier(learn=None), X, y[names], cv=3, scoring="roc_auc")
        assert scores.min() > 0.7
    classifier = KneeBayesClassifier(learn=None).fit(X, y)
    assert classifier.score(X, y) == np.mean((classifier.predict(X) == y.to_numpy()).all(axis=1))


@pytest.mark.slow
def test_calibration_of_one_cause(X: pd.DataFrame, y: pd.DataFrame) -> None:
    oa = y["knee_osteoarthritis"]
    calibrated = CalibratedClassifierCV(KneeBayesClassifier(target="knee_osteoarthritis"), method="sigmoid", cv=3)
    p = calibrated.fit(X[:300], oa[:300]).predict_proba(X[300:])
    assert roc_auc_score(oa[300:], p[:, 1]) > 0.75
    assert not np.allclose(p, calibrated.calibrated_classifiers_[0].estimator.predict_proba(X[300:]))


@pytest.mark.slow
def test_a_lower_threshold_catches_more(X: pd.DataFrame, y: pd.DataFrame) -> None:
    strict = KneeBayesClassifier(target="dvt", learn=None)
    careful = FixedThresholdClassifier(strict, threshold=0.02, pos_label=1, response_method="predict_proba")
    assert careful.fit(X, y["dvt"]).predict(X).sum() > strict.fit(X, y["dvt"]).predict(X).sum()


@pytest.mark.slow
def test_ways_to_learn_can_be_searched(X: pd.DataFrame, y: pd.DataFrame) -> None:
    grid = {"learn": [None, "prevalence"]}
    search = GridSearchCV(KneeBayesClassifier(target="knee_osteoarthritis"), grid, cv=2, scoring="neg_log_loss")
    search.fit(X[:100], y["knee_osteoarthritis"][:100])
    assert set(search.best_params_) == set(grid)


def test_a_model_as_parameter_is_cloned_and_left_as_it_was(model: kb.Model, X: pd.DataFrame, y: pd.DataFrame) -> None:
    mine = kb.Model(model.file)
    classifier = KneeBayesClassifier(mine, target="dvt")
    copied = clone(classifier)
    copied.fit(X, y["dvt"])
    assert "network" not in vars(mine)
    assert copied.model.file == mine.file
    assert classifier.get_params()["model"] is mine


# What it refuses


@pytest.mark.parametrize(
    ("options", "X", "y", "error", "said"),
    [
        ({"target": "dvd"}, {"age": [1, 2]}, [0, 1], UnknownNameError, "target 'dvd'.*Did you mean 'dvt'"),
        ({"learn": "numbres"}, {"age": [1, 2]}, [0, 1], UnknownNameError, "Did you mean 'numbers'"),
        ({"prior_weight": -1}, {"age": [1, 2]}, [0, 1], CaseError, "prior_weight -1"),
        ({"target": "dvt"}, {"agee": [1, 2]}, [0, 1], UnknownColumnError, "Did you mean 'age'"),
        ({"target": "dvt"}, {"age": [1, 2]}, [0, 0], ValueError, "one class"),
        ({"target": "dvt"}, {"age": [1, 2]}, None, ValueError, "requires y"),
        ({"target": "dvt"}, {"age": [1, 2]}, [0, 1, 0], ValueError, "inconsistent numbers of samples"),
        ({"target": "dvt"}, {"age": [1, 2]}, ["clot", "healthy"], ValueError, "none tells which means dvt"),
        ({"target": "dvt"}, {"age": [1, 2]}, ["yes", "no", "perhaps"], ValueError, "Only binary classification"),
        ({}, {"age": [1, 2]}, [0, 1], ValueError, "one column for each of leg_cramps"),
        ({}, {"age": [1, 2]}, pd.DataFrame({"dvd": [0, 1]}), UnknownNameError, "no cause 'dvd'.*'dvt'"),
        ({"target": "dvt"}, np.zeros((2, 2)), [0, 1], CaseError, "no column names"),
        ({"target": "dvt", "columns": ["age"]}, np.zeros((2, 2)), [0, 1], CaseError, "2 columns and columns= names 1"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options: Any, X: Any, y: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        KneeBayesClassifier(**options).fit(pd.DataFrame(X) if isinstance(X, dict) else X, y)


def test_cells_and_columns_are_checked_when_predicting() -> None:
    classifier = KneeBayesClassifier(target="dvt", learn=None)
    with pytest.raises(NotFittedError):
        classifier.predict(pd.DataFrame({"age": [50]}))
    classifier.fit(pd.DataFrame({"age": [50]}))
    with pytest.raises(CaseError, match=r"row 1.*'age'.*outside 0 to 110"):
        classifier.predict_proba(pd.DataFrame({"age": [50, 500]}))
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict_proba(pd.DataFrame({"smoker": ["yes"]}))


def test_rows_that_cannot_be_scored_are_nan_where_that_is_asked() -> None:
    X = pd.DataFrame({"age": ["67", "old"], "unilateral_leg_swelling": ["yes", None]})
    clot = KneeBayesClassifier(target="dvt", learn=None, errors="null").fit(X)
    assert np.isnan(clot.predict_proba(X)).tolist() == [[False, False], [True, True]]
    with pytest.raises(CaseError, match="row 1 can't be scored"):
        clot.predict(X)


@pytest.mark.slow
@pytest.mark.parametrize("learn", ["prevalence", "numbers"])
def test_a_case_of_weight_two_counts_as_two(learn: Any) -> None:
    X = pd.DataFrame({"unilateral_leg_swelling": ["yes", "no", "yes", None], "age": [67, 30, 50, 40]})
    y = np.array([1, 0, 0, 1])
    twice = np.array([0, 1, 2, 2, 3])
    weighted = KneeBayesClassifier(target="dvt", learn=learn).fit(X, y, sample_weight=[1, 1, 2, 1])
    repeated = KneeBayesClassifier(target="dvt", learn=learn).fit(X.iloc[twice], y[twice])
    assert weighted.predict_proba(X) == pytest.approx(repeated.predict_proba(X), abs=1e-9)
