"""The contract: load, diagnose, score; the same answers one by one and in bulk."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import kneebayes as kb
from kneebayes.errors import (
    CaseError,
    ImpossibleEvidenceError,
    KneeBayesError,
    ModelFileError,
    UnknownColumnError,
    UnknownNameError,
)
from kneebayes.inference.network import Engine
from kneebayes.spec.yaml_io import model_path

MODEL = kb.load_model()
RANKED = [*MODEL.causes, "none_of_these"]
CAUSES = (
    "leg_cramps", "bakers_cyst", "hamstring_tendonitis", "gastrocnemius_tendonitis", "knee_osteoarthritis",
    "pes_anserine_bursitis", "pcl_injury", "meniscal_tear", "dvt",
)  # fmt: skip
EXAMPLES = pd.read_csv(Path(__file__).parents[1] / "data" / "example_cases.csv", index_col=False)


def test_the_example_of_the_design() -> None:
    dx = MODEL.diagnose({"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"})
    assert list(dx.posterior.index) == RANKED
    assert dx.alarm.level in kb.LEVELS
    assert dx.alarm.probability == dx.posterior["dvt"]
    assert dx.alarm.reasons
    assert dx.red_flags == ["unilateral_leg_swelling"]


def test_the_nine_causes_in_model_order() -> None:
    assert sorted(MODEL.causes) == sorted(CAUSES)
    assert MODEL.causes == list(MODEL.file.causes)
    assert list(MODEL.score(MODEL.simulate(2, seed=1))[MODEL.causes]) == MODEL.causes


def test_every_public_name_is_there() -> None:
    for name in kb.__all__:
        assert getattr(kb, name) is not None
    assert len(set(kb.__all__)) == len(kb.__all__)


@pytest.mark.parametrize("given", [None, "posterior_knee_pain", model_path("posterior_knee_pain"),
                                   str(model_path("posterior_knee_pain"))], ids=lambda g: type(g).__name__)  # fmt: skip
def test_a_model_loads_by_name_or_path(given: Any) -> None:
    assert kb.load_model(given).file == MODEL.file


@pytest.mark.parametrize(
    ("given", "said"),
    [("posterior_knee", "Did you mean 'posterior_knee_pain'"), ("no.yaml", "no.yaml: can't read"), ("", "no model ''")],
)
def test_a_model_that_is_not_there_is_named(given: str, said: str) -> None:
    with pytest.raises(ModelFileError, match=said):
        kb.load_model(given)


def test_a_model_says_what_it_is() -> None:
    assert repr(MODEL).startswith("<kneebayes model posterior_knee_pain 2.")
    assert "9 causes" in repr(MODEL)


def test_diagnose_equals_score_row_by_row() -> None:
    scored = MODEL.score(EXAMPLES)
    assert len(scored) == len(EXAMPLES) >= 200
    for place, (_, row) in enumerate(EXAMPLES[::3].iterrows()):
        dx = MODEL.diagnose({n: v for n, v in row.items() if n in MODEL.scorer.coder.columns})
        got = scored.iloc[3 * place]
        np.testing.assert_allclose(got[RANKED].to_numpy(float), dx.posterior, rtol=0, atol=1e-12)
        assert got["bakers_cyst_ruptured"] == pytest.approx(dx.details["bakers_cyst_ruptured"], abs=1e-12)
        assert got["most_likely"] == dx.most_likely
        assert got["dvt_alarm"] == dx.alarm.level
        assert got["red_flags"] == ";".join(dx.red_flags)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_of_causes_that_tie_the_first_leads_in_every_engine(engine: Engine) -> None:
    """A cause that is known may come out at 1 - 2e-16 in one of them."""
    pairs = list(combinations(MODEL.causes, 2))
    cases = [dict.fromkeys(pair, "present") for pair in pairs]
    known = [{**case, "bakers_cyst": "intact"} if "bakers_cyst" in case else case for case in cases]
    frame = pa.table({name: pa.array([case.get(name) for case in known]) for name in MODEL.causes})
    scored = MODEL.score_table(frame, engine=engine).table["most_likely"].to_pylist()
    assert scored == [MODEL.diagnose(case).most_likely for case in known] == [first for first, _ in pairs]


def test_a_large_frame_scores_as_its_rows_do() -> None:
    large = pd.concat([EXAMPLES] * 10, ignore_index=True)
    once = MODEL.score(EXAMPLES)
    many = MODEL.score(large)
    for name in RANKED:
        expected = np.tile(once[name].to_numpy(), 10)
        np.testing.assert_allclose(many[name].to_numpy(), expected, rtol=0, atol=1e-12)
    for name in ("most_likely", "dvt_alarm", "red_flags"):
        assert many[name].tolist() == once[name].tolist() * 10


PGMPY_CASES: dict[str, dict[str, Any]] = {
    "complaint_alone": {},
    "design": {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"},
    "known_cause": {"bakers_cyst": "intact", "calf_pain": "yes"},
    "without_complaint": {"posterior_knee_pain": "no", "age": 30, "fever": "no"},
}


@pytest.mark.parametrize("case", PGMPY_CASES)
def test_pgmpy_gives_the_same_diagnosis(case: str) -> None:
    exact, other = (MODEL.diagnose(PGMPY_CASES[case], engine=e) for e in ("exact", "pgmpy"))
    np.testing.assert_allclose(other.posterior, exact.posterior, rtol=0, atol=1e-9)
    assert list(other.posterior.index) == RANKED
    assert other.details == pytest.approx(exact.details, abs=1e-9)
    assert (other.alarm.level, other.evidence, other.red_flags) == (exact.alarm.level, exact.evidence, exact.red_flags)


@pytest.mark.parametrize("engine", [np.array(["exact", "pgmpy"]), pd.Series([1, 2]), ["exact"], None, 1, {"exact"}])
def test_an_engine_that_is_no_word_is_refused(engine: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"no engine of type .*: use one of exact, pgmpy"):
        MODEL.diagnose({}, engine=engine)


NO_TRUTH = [np.array([1, 2]), pd.Series(["a"]), pd.NA]  # which are neither true nor false


@pytest.mark.parametrize("value", NO_TRUTH, ids=["array", "series", "NA"])
def test_an_argument_that_is_neither_true_nor_false_is_refused(value: Any, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("age\n67\n")
    files = tmp_path / "c.csv", tmp_path / "o.csv"
    calls: list[Callable[[], object]] = [
        lambda: MODEL.score_file(*files, mapping=value),
        lambda: MODEL.score_file(*files, progress=value),
        lambda: MODEL.simulate(2, seed=1, missing_if=value),
        lambda: MODEL.simulate(2, seed=1, prevalence=value),
        lambda: MODEL.simulate(2, seed=1, label_noise=value),
        lambda: MODEL.to_fhir_questionnaire(value),
        lambda: MODEL.score(pd.DataFrame({"age": [67]}), round=value),
    ]
    for call in calls:
        with pytest.raises(KneeBayesError):
            call()


@pytest.mark.parametrize("digits", [301, 2**70, -301, -(2**70)])
def test_more_digits_than_a_number_has_are_refused(digits: int) -> None:
    with pytest.raises(KneeBayesError, match="round"):
        MODEL.score(pd.DataFrame({"age": [67]}), round=digits)


@pytest.mark.parametrize("name", ["extnded", "Extended", "posterior_knee_pain_extneded"])
def test_a_model_that_is_nearly_one_that_ships_is_told(name: str) -> None:
    with pytest.raises(ModelFileError, match=r"Did you mean '(posterior_knee_pain_)?extended'\?"):
        kb.load_model(name)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no engine 'junction': use one of exact, pgmpy"):
        MODEL.diagnose({}, engine="junction")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "error", "said"),
    [
        pytest.param({"calf_pian": 1}, UnknownColumnError, "Did you mean 'calf_pain'", id="name"),
        pytest.param({"calf_pain": "sore"}, CaseError, "'sore' is not allowed for calf_pain", id="value"),
        pytest.param({"age": 130}, CaseError, "age '130' is outside 0 to 110 years", id="age"),
        pytest.param({"age": True}, CaseError, "'True' is not allowed for age", id="bool_age"),
        pytest.param({"duration_days": 3, "pain_over_6_weeks": 1}, CaseError, "contradicts duration_days", id="days"),
        pytest.param({"sex": "male", "pregnancy": "pregnant", "fever": 1}, ImpossibleEvidenceError,
                     "sex=male and pregnancy=pregnant contradict each other", id="pregnant_man"),
    ],
)  # fmt: skip
def test_a_case_that_is_wrong_is_refused(case: dict[str, Any], error: type[KneeBayesError], said: str) -> None:
    with pytest.raises(error, match=said):
        MODEL.diagnose(case)
    assert issubclass(error, ValueError)


def test_a_case_is_not_changed_and_may_name_what_is_no_evidence() -> None:
    case = {"age": 67, "label": "dvt", "true_dvt": "present", "case_id": "x"}
    before = dict(case)
    assert MODEL.diagnose(case).probabilities == MODEL.diagnose({"age": 67}).probabilities
    assert case == before


def test_the_caller_sets_the_thresholds() -> None:
    eager = kb.Thresholds.from_harms(miss=9999, false_alarm=1, urgent=0.0002)
    assert MODEL.diagnose({}, thresholds=eager).alarm.level == "urgent"
    assert MODEL.score(pd.DataFrame({"age": [30]}), thresholds=eager)["dvt_alarm"].tolist() == ["urgent"]


@pytest.mark.parametrize(
    ("columns", "index", "words"),
    [
        pytest.param({"calf_pain": ["yes", "soer"]}, ["p1", "p2"],
                     ["row 'p2'", "column 'calf_pain'", "'soer'", "absent, present"], id="value"),
        pytest.param({"sport": ["none", "socer"]}, [10, 20],
                     ["row 20", "column 'sport'", "'socer'", "Did you mean 'soccer'"], id="near"),
        pytest.param({"age": [67, 200]}, [0, 1], ["row 1", "column 'age'", "'200'", "0 to 110 years"], id="age"),
        pytest.param({"sex": ["male"] * 2, "pregnancy": [None, "pregnant"]}, ["a", "b"],
                     ["row 'b'", "sex", "pregnancy", "male", "pregnant", "impossible"], id="pregnant_man"),
        pytest.param({"duration_days": [None, 3], "pain_over_6_weeks": [1, 1]}, [0, 1],
                     ["row 1", "column 'pain_over_6_weeks'", "contradicts duration_days"], id="contradiction"),
    ],
)  # fmt: skip
def test_errors_raise_names_row_column_value_and_what_is_allowed(
    columns: dict[str, Any], index: list[Any], words: list[str]
) -> None:
    with pytest.raises(CaseError) as caught:
        MODEL.score(pd.DataFrame(columns, index=index))
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(CaseError, match=r"row 1, column"):
        MODEL.score(pl.DataFrame(columns, strict=False))


def test_errors_raise_names_the_first_row_and_counts_the_others() -> None:
    with pytest.raises(CaseError, match=r"row 1, .*\(3 rows can't be scored; errors='null' leaves them empty\)"):
        MODEL.score(pd.DataFrame({"age": [30, 200, 201, 40, 202]}))


def test_errors_raise_says_each_reason_once_the_most_frequent_of_each_column_first() -> None:
    frame = pd.DataFrame({"sex": ["m1", *["m2"] * 3, "m1", "male"], "fever": [None] * 4 + ["hot", "warm"], "age": 200})
    first = ["row 0.*'200'.*6 rows", "row 1.*'m2'.*3 rows", "row 4.*'hot'", "row 0.*'m1'.*2 rows", "row 5.*'warm'"]
    with pytest.raises(CaseError, match=".*; ".join(first)) as caught:
        MODEL.score(frame)
    assert str(caught.value).count("; row ") == 4


@pytest.mark.parametrize("errors", ["ignore", "", None, "Raise"])
def test_another_way_with_errors_is_refused(errors: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"no way to treat errors .*: use one of raise, null"):
        MODEL.score(pd.DataFrame({"age": [30]}), errors=errors)


def test_unknown_columns_are_refused_whatever_is_done_with_errors() -> None:
    for errors in ("raise", "null"):
        with pytest.raises(UnknownColumnError, match="'shoe_size'"):
            MODEL.score(pd.DataFrame({"shoe_size": [43]}), errors=errors)


def test_score_table_says_of_each_row_why() -> None:
    import pyarrow as pa

    scored = MODEL.score_table(pa.table({"age": [30, 200], "sex": ["man", "male"]}))
    assert [(problem.row, problem.column) for problem in scored.problems] == [(0, "sex"), (1, "age")]
    assert scored.table.num_rows == 0


def test_simulated_cases_can_be_scored_with_the_truth_beside_them() -> None:
    cases = MODEL.simulate(200, seed=1, with_causes=True)
    truth = [f"true_{cause}" for cause in MODEL.causes]
    scored = MODEL.score(cases, keep=truth)
    assert scored[truth].equals(cases[truth])
    without = MODEL.score(cases.drop(columns=truth))
    pd.testing.assert_frame_equal(scored.drop(columns=truth), without)


HASHED = """
import json, sys
import kneebayes as kb
model = kb.load_model()
cases = model.simulate(40, seed=3)
scored = model.score(cases)
dx = model.diagnose({"age": 67, "unilateral_leg_swelling": "yes", "fever": 1})
print(json.dumps([list(scored.columns), scored.map(str).to_numpy().tolist(), str(dx), dx._repr_html_()]))
"""


@pytest.mark.slow
def test_the_hash_seed_changes_nothing() -> None:
    outputs = []
    for seed in ("0", "4321"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        root = Path(__file__).parents[1]
        done = subprocess.run(
            [sys.executable, "-c", HASHED], env=environment, cwd=root, capture_output=True, text=True, check=True
        )
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1]
    assert len(json.loads(outputs[0])[1]) == 40


@pytest.mark.slow
def test_diagnosing_loads_neither_pgmpy_nor_numba_nor_pandas() -> None:
    code = "import sys, kneebayes as kb; dx = kb.load_model().diagnose({'age': 67}); str(dx); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "kneebayes.model" in loaded
    assert not loaded & {"pgmpy", "numba", "pandas", "pyarrow", "scipy", "matplotlib"}


# What travels, and what a wrong call is told


FRAME = pd.DataFrame({"age": [67, 25], "unilateral_leg_swelling": ["yes", None]})
ANY: Any = MODEL  # for calls that a type checker refuses, as people without one make them
API: Any = kb
EVALUATE: Any = kb.evaluate
THRESHOLDS: Any = kb.Thresholds


def test_a_model_pickles_as_its_numbers_and_scores_the_same() -> None:
    MODEL.score(FRAME)
    content = pickle.dumps(MODEL)
    assert len(content) < 100_000
    again = pickle.loads(content)
    assert again.file == MODEL.file
    pd.testing.assert_frame_equal(again.score(FRAME), MODEL.score(FRAME))


@pytest.mark.slow
def test_a_fitted_model_keeps_its_report() -> None:
    fitted = MODEL.fit(MODEL.simulate(30, seed=1), max_steps=2, progress=False)
    assert str(pickle.loads(pickle.dumps(fitted)).fit_report) == str(fitted.fit_report)


def test_variables_are_a_table_of_all_that_may_be_known() -> None:
    table = MODEL.variables
    assert table.index.tolist() == list(MODEL.file.askable)
    assert table.loc["age", "unit"] == "years"
    assert (table.loc["dvt", "kind"], table.loc["dvt", "values"]) == ("cause", "absent, present")


def test_scores_are_rounded_where_that_is_asked() -> None:
    exact, rounded = MODEL.score(FRAME), MODEL.score(FRAME, round=3)
    assert rounded["dvt"].tolist() == [round(p, 3) for p in exact["dvt"].tolist()]
    assert rounded["most_likely"].tolist() == exact["most_likely"].tolist()


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: ANY.score(FRAME, thresholds=0.3), "kb.Thresholds(caution=0.02, urgent=0.1)"),
        (lambda: ANY.diagnose({}, thresholds=0.3), "kb.Thresholds(caution=0.02, urgent=0.1)"),
        (lambda: EVALUATE(FRAME, MODEL), "kb.evaluate(model, cases)"),
        (lambda: ANY.diagnose("age=67"), "model.diagnose({'age': 67, 'sex': 'male'})"),
        (lambda: ANY.diagnose(FRAME), "model.diagnose({'age': 67, 'sex': 'male'})"),
        (lambda: ANY.score(FRAME, keep="site"), "keep=['site']"),
        (lambda: ANY.score(FRAME, ignore="site"), "ignore=['site']"),
        (lambda: ANY.fit(FRAME, ignore="site"), "ignore=['site']"),
        (lambda: ANY.diagnose({}).plot.curves("causes.dvt.leak"), "numbers=['causes.dvt.leak']"),
        (lambda: ANY.score(FRAME, round="2"), "round '2': give a whole number"),
        (lambda: ANY.score(FRAME, intervals="0.9"), "level '0.9': give a number"),
        (lambda: ANY.diagnose({}).intervals(0.9, draws="5"), "draws '5': give a whole number"),
        (lambda: ANY.diagnose({}).next_questions(n=-1), "n -1: give a whole number from 0 up"),
        (lambda: ANY.diagnose({}).next_questions(n="3"), "n '3': give a whole number from 0 up"),
        (lambda: ANY.simulate("5", seed=1), "number of cases '5': give a whole number from 0 up"),
        (lambda: ANY.simulate(5, seed=True), "seed True: give a whole number from 0 up"),
        (lambda: THRESHOLDS("0.02", 0.1), "caution '0.02': give a number"),
        (lambda: THRESHOLDS.from_harms(miss="49", false_alarm=1), "miss '49': give a number"),
        (lambda: ANY.diagnose({}).report(5), "type int names no file"),
        (lambda: ANY.save(None), "type NoneType names no file"),
        (lambda: API.score_file(ANY, "out.csv"), "type Model names no file"),
        (lambda: API.score_file("in.csv", "out.csv", model="extended"), "model=kb.load_model('extended')"),
        (lambda: API.evaluate(ANY, pd.DataFrame(), against="extended"), "against=[kb.load_model('extended')]"),
        (lambda: API.evaluate(ANY, pd.DataFrame(), bootstrap="9"), "bootstrap '9': give a whole number from 0 up"),
        (lambda: API.evaluate(ANY, pd.DataFrame(), seed="x"), "seed 'x': give a whole number from 0 up"),
        (lambda: ANY.check(pd.DataFrame(), least="x"), "least 'x': give a whole number from 1 up"),
        (lambda: ANY.score_table(5), "model.score(frame)"),
        (lambda: ANY.plot_network(ax=5), "ax=plt.subplots()"),
        (lambda: API.plots.plot_network(ANY), "plot_network(model.file)"),
        (lambda: API.plots.plot_roc(5), "plot_roc(kb.evaluate(model, cases))"),
        (lambda: API.plots.plot_cases(ANY.score(pd.DataFrame({"age": [50]})), model=ANY), "model=model.file"),
        (lambda: API.plots.plot_tornado(5, model=ANY.file), "plot_tornado(dx.sensitivity()"),
        (lambda: THRESHOLDS.of(ANY), "Thresholds.of(model.file)"),
        (lambda: ANY.diagnose({}).label("calf_pian"), "no variable 'calf_pian'. Did you mean 'calf_pain'"),
        (lambda: ANY.diagnose({}).explanations("dvt"), "targets='dvt': give a list of names"),
        (lambda: ANY.diagnose({}).most_probable("x"), "n 'x': give a whole number from 1 up"),
        (lambda: ANY.diagnose({}).sensitivity(n="x"), "n 'x': give a whole number from 0 up"),
        (lambda: ANY.diagnose({}).to_fhir(patient=5), "patient='Patient/123'"),
        (lambda: ANY.fit(FRAME, label=[1]), "label='diagnosis'"),
        (lambda: API.evaluate(ANY, FRAME, label=[1]), "label='diagnosis'"),
        (lambda: ANY.sensitivity(FRAME, keep=5), "keep=[5]"),
        (lambda: THRESHOLDS(0.02, 0.1).levels("x"), "thresholds.levels([0.03, 0.2])"),
        (lambda: ANY.diagnose({"age": 50}).explanation().sentence(5), "explanation.contributions[0]"),
        (lambda: ANY.diagnose({}).wells(alternative_as_likely="no"), "alternative_as_likely: give True or False"),
        (lambda: ANY.simulate(5, seed=1, missing_if=5), "missing_if={'dvt': 0.1}"),
        (lambda: ANY.simulate(5, seed=1, missing=None), "one share from 0 to 1"),
        (lambda: ANY.simulate(5, seed=1, label=True, label_noise="x"), "label_noise 'x': give a number"),
        (lambda: API.Model("extended"), "kb.load_model('extended')"),
        (lambda: API.CaseMapping.of({}).with_options(read=5), "with_options(read="),
        (lambda: API.CaseMapping.of({}).with_options(missing="-9"), "missing=['-9']"),
        (lambda: ANY.score(FRAME, intervals=5), "intervals at level 5: give a share"),
        (lambda: API.plots.plot_tornado(FRAME, model=ANY.file), "no column 'p' in this table: plot_tornado("),
        (lambda: API.plots.plot_curves(ANY.diagnose({}).sensitivity(), model=ANY.file, numbers=[]), "without rows"),
        (lambda: API.plots.plot_questions(FRAME), "plot_questions(dx.next_questions())"),
        (lambda: API.plots.plot_posterior(ANY.diagnose({}), intervals=5), "intervals=dx.intervals()"),
        (lambda: API.plots.plot_cases(ANY.score(FRAME).iloc[:0], model=ANY.file), "without rows: plot_cases("),
        (lambda: API.plots.plot_alarm_levels(ANY.score(FRAME), [], model=ANY.file), "0 groups of 2 cases"),
    ],
)
def test_an_argument_of_a_wrong_kind_gets_the_right_call(call: Callable[[], object], right: str) -> None:
    with pytest.raises(kb.KneeBayesError, match=re.escape(right)):
        call()


def test_an_index_names_columns_to_keep() -> None:
    frame = FRAME.assign(site="A")
    assert ANY.score(frame, keep=frame.columns[-1:])["site"].tolist() == ["A"] * len(frame)


def test_a_row_of_a_frame_is_a_case() -> None:
    assert ANY.diagnose(FRAME.iloc[0]).probabilities == ANY.diagnose(FRAME.iloc[0].to_dict()).probabilities


def test_what_prints_itself_in_a_list_is_a_line() -> None:
    dx = MODEL.diagnose({"age": 67})
    frame = MODEL.simulate(50, seed=1, with_causes=True)
    things = [MODEL, MODEL.file, dx, dx.wells(), dx.explanation(), dx.uncertainty(draws=30)]
    for thing in [*things, kb.evaluate(MODEL, frame, bootstrap=0)]:
        assert len(repr(thing)) < 200, type(thing)
        assert "\n" not in repr(thing)


@pytest.mark.parametrize("thresholds", [0, "", {}, False, np.array([]), pd.NA])
def test_thresholds_that_count_as_nothing_are_not_replaced_by_the_models(thresholds: Any) -> None:
    model, frame = kb.load_model(), pd.DataFrame({"age": [67], "label": ["dvt"]})
    for call in (
        lambda: model.diagnose({"age": 67}, thresholds=thresholds),
        lambda: model.score(frame[["age"]], thresholds=thresholds),
        lambda: kb.evaluate(model, frame, thresholds=thresholds),
    ):
        with pytest.raises(KneeBayesError, match="thresholds are a pair"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda model, frame: model.score(frame, redact="no"),
        lambda model, frame: model.simulate(2, seed=1, complaint="no"),
        lambda model, frame: model.with_prevalence({"dvt": 0.1}, links="no"),
        lambda model, frame: model.fit(frame, risk_factors="no"),
        lambda model, frame: model.draft_mapping(frame, examples="no"),
    ],
)
def test_a_no_in_words_never_counts_as_yes(call: Any) -> None:
    with pytest.raises(KneeBayesError, match="give True or False, not a value of type str"):
        call(kb.load_model(), pd.DataFrame({"age": [67], "label": ["dvt"]}))


@pytest.mark.parametrize("number", [10**400, 10**5000], ids=["10**400", "10**5000"])
def test_a_number_of_hundreds_of_digits_is_an_option_out_of_range(number: int) -> None:
    model, frame = kb.load_model(), pd.DataFrame({"age": [67]})
    for options in ({"intervals": number}, {"intervals": 0.9, "seed": number}, {"intervals": 0.9, "draws": number}):
        with pytest.raises(KneeBayesError, match="over 100 digits"):
            model.score(frame, **options)


def test_a_name_that_no_file_can_have_is_refused_in_words_that_can_be_printed(tmp_path: Path) -> None:
    model = kb.load_model()
    for call in (lambda n: kb.score_file(n, "x.csv"), kb.load_model, lambda n: model.save(f"{tmp_path}/{n}.yaml")):
        with pytest.raises(KneeBayesError) as error:
            call("\ud800")
        assert str(error.value).encode("utf-8")
