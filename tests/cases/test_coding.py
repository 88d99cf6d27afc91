"""What cells may say, what they mean, and which rows are refused and why."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kneebayes as kb
from kneebayes.cases.coding import Coded, Coder, EncodedColumn, check_columns
from kneebayes.cases.problems import Kind, Problem, short
from kneebayes.errors import CaseError, UnknownColumnError
from kneebayes.inference.evidence import Evidence, SoftEvidence
from kneebayes.spec.yaml_io import model_path, read_model

MODEL = read_model(model_path("posterior_knee_pain"))
CODER = Coder(MODEL)
COMPLAINT = "posterior_knee_pain"
UNKNOWN = -1


def batch(**columns: list[Any]) -> Coded:
    n = len(next(iter(columns.values())))
    return CODER.batch({name: EncodedColumn(np.arange(n), values) for name, values in columns.items()}, n)


def codes_of(coded: Coded, name: str) -> list[int]:
    return [int(code) for code in coded.evidence.codes[CODER.rows[name]]]


PRESENT = ["present", "Present", "PRESENT", " present ", "yes", "Yes", "YES", "\tyes\n", "true", "True", "TRUE", "1",
           "1.0", True, 1, 1.0, "1.00", Decimal("1.00"), np.True_, np.int64(1), np.float32(1)]  # fmt: skip
ABSENT = ["absent", "Absent", " ABSENT", "no", "No", "NO ", "false", "False", "FALSE", "0", "0.0", False, 0, 0.0,
          "-0.0", -0.0, Decimal("0.00"),
          np.False_, np.int64(0), np.float64(0)]  # fmt: skip
EMPTY = [None, "", "   ", "unknown", "Unknown", " UNKNOWN ", "na", "NA", "n/a", "nan", "NaN", "null", "<NA>",
         float("nan"), np.nan, pd.NA, pd.NaT]  # fmt: skip
REFUSED = [
    "maybe",
    "j",
    "nn",
    "2",
    2,
    -1,
    0.5,
    "present!",
    "yes no",
    "0,0",
    "01",
    "1e0",
    "1.",
    "-1.0",
    b"yes",
    ["yes"],
    "none",
    "not",
    "10",
    "\u0660",
]


@pytest.mark.parametrize("value", PRESENT, ids=repr)
def test_words_for_present(value: object) -> None:
    assert CODER.code("calf_pain", value) == 1


@pytest.mark.parametrize("value", ABSENT, ids=repr)
def test_words_for_absent(value: object) -> None:
    assert CODER.code("calf_pain", value) == 0


@pytest.mark.parametrize("column", ["calf_pain", "sport", "age", "duration_days", "bakers_cyst"])
@pytest.mark.parametrize("value", EMPTY, ids=repr)
def test_words_for_nothing_known(value: object, column: str) -> None:
    assert CODER.code(column, value) == UNKNOWN


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_other_values_are_refused_with_what_is_allowed(value: object) -> None:
    with pytest.raises(CaseError) as caught:
        CODER.code("calf_pain", value)
    said = str(caught.value)
    assert f"'{value}' is not allowed for calf_pain" in said
    assert "absent, present (or yes/no, true/false, 1/0), or nothing if unknown" in said


@pytest.mark.parametrize("name", [n for n, v in MODEL.variables.items() if n not in MODEL.numeric_inputs])
def test_every_state_of_every_variable_is_its_own_word(name: str) -> None:
    states = MODEL.variables[name].states
    assert [CODER.code(name, f" {state.upper()}") for state in states] == list(range(len(states)))


@pytest.mark.parametrize("name", ["sex", "sport", "pregnancy", "bakers_cyst"])
@pytest.mark.parametrize("value", ["yes", True, 1, "0"])
def test_yes_and_no_are_only_for_absent_or_present(name: str, value: object) -> None:
    with pytest.raises(CaseError) as caught:
        CODER.code(name, value)
    allowed = str(caught.value).partition("give one of ")[2]
    assert all(f"{state} (" in allowed or f"{state}," in allowed for state in MODEL.variables[name].states)
    assert "yes/no" not in str(caught.value)


def test_no_sport_is_a_state_not_an_empty_cell() -> None:
    assert CODER.code("sport", "none") == MODEL.variables["sport"].states.index("none")
    assert CODER.code("sport", None) == UNKNOWN


@pytest.mark.parametrize(
    ("column", "value", "hint"),
    [
        ("sport", "soccor", "'soccer'"),
        ("sex", "femal", "'female'"),
        ("calf_pain", "presnt", "'present'"),
        ("pregnancy", "Pregnent", "'pregnant'"),
        ("age", "sixtie", "'sixties'"),
    ],
)
def test_a_mistyped_value_gets_its_nearest_match(column: str, value: str, hint: str) -> None:
    with pytest.raises(CaseError, match=f"Did you mean {hint}"):
        CODER.code(column, value)


def test_a_value_like_nothing_gets_no_suggestion_and_a_long_one_is_cut() -> None:
    with pytest.raises(CaseError) as caught:
        CODER.code("calf_pain", "q" * 10_000)
    assert "Did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("column", ["age", "calf_pain"])
@pytest.mark.parametrize("value", ["2020-01-31 12:30:00", pd.Timestamp("2020-01-31"), "12:30:00"])
def test_a_moment_is_no_unsure_answer_though_it_has_colons(column: str, value: object) -> None:
    (problem,) = batch(**{column: [str(value)]}).problems
    assert problem.why.kind is Kind.VALUE
    assert problem.reason.startswith(f"'{value}' is not allowed for {column}: give ")


LIKELIHOODS: dict[str, tuple[str, object, list[float]]] = {
    "one": ("calf_pain", "present:0.75", [0.25, 0.75]),
    "both": ("calf_pain", "present:0.75, absent:0.5", [0.5, 0.75]),
    "a ratio": ("calf_pain", {"present": 4, "absent": 1}, [1, 4]),
    "numbers of other kinds": ("calf_pain", {"present": Fraction(3, 4), "absent": Decimal("0.5")}, [0.5, 0.75]),
    "a state as values say it": ("calf_pain", {True: 0.75}, [0.25, 0.75]),
    "synonyms, any case": ("calf_pain", "Yes: 0.75", [0.25, 0.75]),
    "semicolons": ("calf_pain", "present:0.75; absent:0.5", [0.5, 0.75]),
    "as a mapping is written": ("calf_pain", "{'present': 0.75, \"absent\": 0.5}", [0.5, 0.75]),
    "nothing left": ("calf_pain", "present:1", [0, 1]),
    "certain that not": ("calf_pain", {"present": 0}, [1, 0]),
    "the others share": ("bakers_cyst", "intact:0.5", [0.25, 0.5, 0.25]),
    "many share": ("age", {"sixties": 0.5, "fifties": 0.25}, [0.25 / 3, 0.25 / 3, 0.25, 0.5, 0.25 / 3]),
}


@pytest.mark.parametrize(("column", "value", "expected"), LIKELIHOODS.values(), ids=LIKELIHOODS)
def test_likelihoods_are_read_and_what_is_not_named_shares_the_rest(
    column: str, value: object, expected: list[float]
) -> None:
    found = CODER.likelihood(column, value)
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)
    row = list(MODEL.variables).index(column)
    soft = (SoftEvidence(row, np.array([0]), found),)
    written = CODER.words(Evidence(Evidence.empty(len(MODEL.variables)).codes, soft))[column]
    assert written.startswith(f"{MODEL.variables[column].states[0]}:{expected[0]:g}, ")
    again = CODER.likelihood(column, written)
    assert again is not None
    np.testing.assert_allclose(again, found, rtol=1e-5)


@pytest.mark.parametrize("value", ["present", "", None, 1, 0.5, True])
def test_an_ordinary_value_is_no_likelihood(value: object) -> None:
    assert CODER.likelihood("calf_pain", value) is None


NO_LIKELIHOODS: dict[str, tuple[str, object, str]] = {
    "mistyped": (
        "calf_pain", "presnt:0.8",
        "'presnt' is not a state of calf_pain: give absent, present. Did you mean 'present'?",
    ),
    "unlike anything": ("calf_pain", {"q": 1}, "'q' is not a state of calf_pain: give absent, present."),
    "negative": (
        "calf_pain", "present:-0.1", "'-0.1' is no likelihood for calf_pain present: give one number from 0 up each"
    ),
    "no number": (
        "calf_pain", "present:much", "'much' is no likelihood for calf_pain present: give one number from 0 up each"
    ),
    "twice": (
        "calf_pain", "yes:0.5, present:0.5",
        "'0.5' is no likelihood for calf_pain present: give one number from 0 up each",
    ),
    "over 1": (
        "bakers_cyst", {"intact": 0.75, "ruptured": 0.5},
        "the likelihoods for bakers_cyst add up to more than 1: name all of absent, intact, ruptured",
    ),
    "all 0": (
        "calf_pain", {"absent": 0, "present": 0},
        "the likelihoods for calf_pain are all 0: one of its states must be possible",
    ),
    "of a number": ("duration_days", "42:0.5", "duration_days is a number of days: it can't be given by likelihoods"),
}  # fmt: skip


@pytest.mark.parametrize(("column", "value", "reason"), NO_LIKELIHOODS.values(), ids=NO_LIKELIHOODS)
def test_what_is_no_likelihood_is_refused(column: str, value: object, reason: str) -> None:
    with pytest.raises(CaseError) as caught:
        CODER.likelihood(column, value)
    assert str(caught.value) == reason


@pytest.mark.parametrize(("length", "shown"), [(59, "q" * 59), (60, "q" * 60), (61, "q" * 59 + "…")])
def test_texts_are_cut_to_sixty_characters(length: int, shown: str) -> None:
    assert short("q" * length) == shown


AGES = [
    (0, "under_40"), (17, "under_40"), (18, "under_40"), (39, "under_40"), (39.999, "under_40"), (40, "forties"),
    ("40", "forties"), (49.9, "forties"), (50, "fifties"), (50.0, "fifties"), ("59.99", "fifties"), (60, "sixties"),
    (69, "sixties"), (70, "seventy_plus"), (" 110 ", "seventy_plus"), (np.int8(67), "sixties"),
    (Decimal("67.5"), "sixties"), ("sixties", "sixties"), ("Seventy_Plus", "seventy_plus"), ("6.7e1", "sixties"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "band"), AGES, ids=lambda v: repr(v))
def test_years_fall_into_bands(value: object, band: str) -> None:
    assert CODER.code("age", value) == MODEL.variables["age"].states.index(band)


@pytest.mark.parametrize(
    ("value", "state"),
    [(0, 0), (7, 0), (7.5, 1), (42, 1), ("42.0", 1), (42.5, 2), (43, 2), ("43", 2), (183, 2), (184, 3), (36500, 3)],
)
def test_weeks_and_months_are_over_after_7_42_and_183_days(value: object, state: int) -> None:
    assert CODER.code("duration_days", value) == state


@pytest.mark.parametrize(
    ("column", "value"),
    [("age", -1), ("age", 110.5), ("age", "111"), ("age", 1e9), ("duration_days", -1), ("duration_days", 36501)],
)
def test_numbers_out_of_range_say_the_range(column: str, value: object) -> None:
    numeric = MODEL.numeric_inputs[column]
    with pytest.raises(CaseError, match=f"is outside 0 to {numeric.maximum:g} {numeric.unit}"):
        CODER.code(column, value)


@pytest.mark.parametrize("column", ["age", "duration_days"])
@pytest.mark.parametrize("value", [True, False, np.True_, "true", "yes", "present", "inf", "1e999",
                                   "6_7", "\uff16\uff17", "0x10",
                                   "67 years", "60-69"], ids=repr)  # fmt: skip
def test_what_is_no_number_is_refused_for_a_number(column: str, value: object) -> None:
    with pytest.raises(CaseError, match=f"is not allowed for {column}: give a number of (years|days) from 0 to"):
        CODER.code(column, value)


def test_the_complaint_is_present_unless_the_case_says_otherwise() -> None:
    said = [None, "", "nan", "absent", "present", "unknown", "UNKNOWN "]
    assert codes_of(batch(posterior_knee_pain=said), COMPLAINT) == [1, 1, 1, 0, 1, UNKNOWN, UNKNOWN]
    assert codes_of(batch(calf_pain=["yes", None]), COMPLAINT) == [1, 1]


def test_an_empty_cell_is_unknown_never_absent() -> None:
    coded = batch(calf_pain=[None, "absent"])
    assert codes_of(coded, "calf_pain") == [UNKNOWN, 0]
    others = [row for name, row in CODER.rows.items() if name not in ("calf_pain", COMPLAINT)]
    assert (coded.evidence.codes[others] == UNKNOWN).all()


def test_an_index_below_zero_is_an_empty_cell() -> None:
    coded = CODER.batch({"calf_pain": EncodedColumn(np.array([0, -1, 1]), ["yes", "no"])}, 3)
    assert codes_of(coded, "calf_pain") == [1, UNKNOWN, 0]


def code_of(variable: str, *states: str) -> int:
    return MODEL.events[variable].index(frozenset(states))


def test_duration_in_days_says_more_than_the_long_pain_and_may_repeat_it() -> None:
    coded = batch(duration_days=[10, 43, None, 43, None], pain_over_6_weeks=[None, None, "yes", "yes", None])
    long = code_of("duration", "six_weeks_to_6_months", "over_6_months")
    assert codes_of(coded, "duration") == [1, 2, long, 2, UNKNOWN]
    assert coded.problems == []


LEGS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"unilateral_leg_swelling": "yes"}, ("one", "both_unequal")),
    ({"unilateral_leg_swelling": "0"}, ("none", "both")),
    ({"unilateral_leg_swelling": True, "bilateral_leg_swelling": "absent"}, ("one",)),
    ({"unilateral_leg_swelling": "no", "bilateral_leg_swelling": 0.0}, ("none",)),
    ({"unilateral_leg_swelling": "yes", "bilateral_leg_swelling": "Yes"}, ("both_unequal",)),
    ({"unilateral_leg_swelling": None, "bilateral_leg_swelling": "present"}, ("both", "both_unequal")),
    ({"leg_swelling": "one", "unilateral_leg_swelling": "yes"}, ("one",)),
    ({"unilateral_leg_swelling": "absent:1", "leg_swelling": "both"}, ("both",)),
]


@pytest.mark.parametrize(("said", "left"), LEGS, ids=str)
def test_answers_to_columns_about_one_variable_leave_what_they_have_in_common(
    said: dict[str, Any], left: tuple[str, ...]
) -> None:
    coded = CODER.case(said)
    assert codes_of(coded, "leg_swelling") == [code_of("leg_swelling", *left)]
    assert coded.evidence.soft == ()
    again = CODER.case(CODER.words(coded.evidence))
    np.testing.assert_array_equal(again.evidence.codes, coded.evidence.codes)


def test_an_unsure_answer_to_a_column_is_a_likelihood_of_its_sets_and_is_said_again_so() -> None:
    coded = CODER.case({"unilateral_leg_swelling": "present:0.7, absent:0.3"})
    (answer,) = coded.evidence.soft
    assert answer.given.tolist() == [0.3, 0.3, 0.7, 0.7]  # none, both, one, both_unequal
    assert answer.favoured == code_of("leg_swelling", "one", "both_unequal")
    assert CODER.words(coded.evidence)["unilateral_leg_swelling"] == "absent:0.3, present:0.7"
    both = CODER.case({"unilateral_leg_swelling": "yes:0.7", "bilateral_leg_swelling": "no"})
    (answer,) = both.evidence.soft
    np.testing.assert_allclose(answer.likelihood, [3 / 7, 0, 1, 0])
    two = CODER.case({"unilateral_leg_swelling": "yes:0.7", "bilateral_leg_swelling": "yes:0.2"})
    (answer,) = two.evidence.soft
    np.testing.assert_allclose(answer.given / answer.given.sum(), [0.24, 0.06, 0.56, 0.14])


NOTHING_LEFT: list[tuple[dict[str, str], str, str]] = [
    (
        {"unilateral_leg_swelling": "yes", "leg_swelling": "none"}, "leg_swelling",
        "leg_swelling 'none' contradicts unilateral_leg_swelling, which says leg_swelling is one or both_unequal: "
        "mend one of them",
    ),
    (
        {"unilateral_leg_swelling": "yes", "bilateral_leg_swelling": "no", "leg_swelling": "both_unequal"},
        "leg_swelling",
        "leg_swelling 'both_unequal' contradicts bilateral_leg_swelling, which says leg_swelling is one: mend one of "
        "them",
    ),
    (
        {"unilateral_leg_swelling": "yes:1", "leg_swelling": "none"}, "unilateral_leg_swelling+leg_swelling",
        "no state fits what unilateral_leg_swelling and leg_swelling say together: mend one of them",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "place", "reason"), NOTHING_LEFT, ids=str)
def test_answers_that_leave_nothing_cost_their_own_row(said: dict[str, str], place: str, reason: str) -> None:
    coded = batch(**{name: [None, value] for name, value in said.items()})
    (problem,) = coded.problems
    assert (problem.row, problem.column, problem.reason) == (1, place, reason)
    assert "leg_swelling is" not in problem.plain
    assert (coded.evidence.codes[:, 1] == UNKNOWN).all()


@pytest.mark.parametrize(("days", "said"), [(42, "yes"), (43, "no"), (0, True), (100, 0)])
def test_duration_may_not_contradict_the_long_pain(days: int, said: object) -> None:
    coded = batch(pain_over_6_weeks=[said, None], duration_days=[days, days])
    (problem,) = coded.problems
    assert (problem.row, problem.column, problem.value) == (0, "pain_over_6_weeks", str(said))
    assert "contradicts duration_days" in problem.reason
    assert codes_of(coded, "duration")[1] == CODER.code("duration_days", days)


def test_a_refused_row_is_named_and_left_unknown_and_the_others_are_coded() -> None:
    coded = batch(age=[67, 200, 50], calf_pain=["yes", "yes", "perhaps"], sex=["male", "male", "man"])
    assert [(p.row, p.column, p.value) for p in coded.problems] == [
        (1, "age", "200"), (2, "sex", "man"), (2, "calf_pain", "perhaps"),
    ]  # fmt: skip
    assert (coded.evidence.codes[:, 1:] == UNKNOWN).all()
    assert (codes_of(coded, "age")[0], codes_of(coded, "calf_pain")[0]) == (3, 1)
    assert str(coded.problems[0]) == "row 1, column 'age': age '200' is outside 0 to 110 years"


def test_problems_come_by_row_not_by_column() -> None:
    coded = batch(age=[30, 500], sex=["man", "male"])
    assert [(problem.row, problem.column) for problem in coded.problems] == [(0, "sex"), (1, "age")]


def test_one_bad_value_in_many_rows_is_a_problem_of_each() -> None:
    coded = CODER.batch({"sex": EncodedColumn(np.array([0, 1, 0, 1]), ["male", "x"])}, 4)
    assert [problem.row for problem in coded.problems] == [1, 3]
    assert isinstance(coded.problems[0], Problem)


def test_columns_that_are_not_evidence_are_passed_over() -> None:
    coded = batch(label=["dvt"], also=["dvt"], true_dvt=["present"], case_id=["yes"])
    assert (np.delete(coded.evidence.codes, CODER.rows[COMPLAINT], axis=0) == UNKNOWN).all()
    assert coded.problems == []


def test_people_under_18_are_scored_with_a_warning_that_counts_them() -> None:
    coded = batch(age=[17, 17.9, "12", 18, None, "under_40", 0])
    (text,) = coded.warnings
    assert "adults" in text
    assert coded.warnings[text] == 4
    assert coded.problems == []
    assert codes_of(coded, "age") == [0, 0, 0, 0, UNKNOWN, 0, 0]


@pytest.mark.parametrize("ages", [[18, 67], [None], ["sixties"]], ids=str)
def test_adults_bring_no_warning(ages: list[Any]) -> None:
    assert batch(age=ages).warnings == {}


def test_one_case_gives_codes_and_warnings() -> None:
    coded = CODER.case({"age": 16, "calf_pain": True})
    codes, warnings = coded.evidence.codes, list(coded.warnings)
    assert codes.shape == (len(MODEL.variables), 1)
    assert (codes >= 0).sum() == 3
    assert warnings == [MODEL.numeric_inputs["age"].warning]


def test_one_case_says_all_that_is_wrong_with_it() -> None:
    with pytest.raises(CaseError) as caught:
        CODER.case({"age": 200, "sex": "man"})
    assert "age '200'" in str(caught.value)
    assert "'man'" in str(caught.value)


def test_one_case_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownColumnError, match=r"'calf_pian'\. Did you mean 'calf_pain'"):
        CODER.case({"calf_pian": "yes"})


ACCEPTED = ["age", "duration_days", "calf_pain", "dvt", "bakers_cyst", "case_id", "label", "also", "true_dvt", "true_"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_known_columns_are_accepted(name: str) -> None:
    check_columns(MODEL, [name])


@pytest.mark.parametrize("name", ["calf_pian", "Age", "calf_pain ", "", "alarm", "labels", "dvt_alarm", "true"])
def test_other_columns_are_refused_unless_kept_or_ignored(name: str) -> None:
    with pytest.raises(UnknownColumnError, match=f"unknown column '{name}'"):
        check_columns(MODEL, ["age", name])
    check_columns(MODEL, ["age", name], keep=[name])
    check_columns(MODEL, ["age", name], ignore=[name])


def test_the_nearest_column_is_suggested_and_what_to_do_is_said() -> None:
    with pytest.raises(UnknownColumnError) as caught:
        check_columns(MODEL, ["unilateral_leg_sweling"])
    said = str(caught.value)
    listed = "The columns of posterior_knee_pain are listed by 'kneebayes model'"
    assert said == (
        "unknown column 'unilateral_leg_sweling'. Did you mean 'unilateral_leg_swelling'? "
        f"{listed}; keep or ignore others by name or pattern (keep=, ignore=; in a shell --keep, --ignore, or "
        "--ignore-others for all); `kneebayes map`, or model.draft_mapping, drafts a mapping of your own names."
    )
    with pytest.raises(UnknownColumnError, match=rf"^unknown columns 'qqq'; 'zzz'\. {listed}"):
        check_columns(MODEL, ["qqq", "zzz"])


def test_states_that_go_by_other_words_are_listed_with_them() -> None:
    with pytest.raises(CaseError, match=r"one of absent \(no cyst\), .*, ruptured \(burst cyst\), or nothing"):
        CODER.case({"bakers_cyst": "burst"})


def test_who_types_a_case_is_offered_no_option_of_a_table() -> None:
    with pytest.raises(UnknownColumnError, match=r"'agee'. Did you mean 'age'\? The columns of \w+ are .* model'\.$"):
        CODER.case({"agee": 3})


def test_many_unknown_columns_are_counted() -> None:
    with pytest.raises(UnknownColumnError, match=r"'x39' \(and 15 more\)"):
        check_columns(MODEL, [f"x{i}" for i in range(55)])
    with pytest.raises(UnknownColumnError) as caught:
        check_columns(MODEL, [f"x{i}" for i in range(40)])
    assert "more)" not in str(caught.value)


@pytest.mark.parametrize("name", ["chest_pain", "outer_knee_pain", "one_leg_swelling", "leg_swollen", "leg", "no"])
def test_no_hint_leads_to_another_meaning(name: str) -> None:
    with pytest.raises(UnknownColumnError, match=f"unknown column '{name}'. The columns"):
        check_columns(MODEL, [name])


@pytest.mark.parametrize("value", ["nk", "nil", "non", "xx", "99", "-9", "unk"])
@pytest.mark.parametrize("column", ["calf_pain", "sport", "sex"])
def test_no_hint_leads_from_a_code_to_an_answer(column: str, value: str) -> None:
    with pytest.raises(CaseError, match=r"nothing if unknown\.$"):
        CODER.code(column, value)


def test_columns_are_ignored_by_pattern() -> None:
    check_columns(MODEL, ["age", "redcap_event", "redcap_x"], ignore=["redcap_*"])
    with pytest.raises(UnknownColumnError, match="'redcap'"):
        check_columns(MODEL, ["redcap"], ignore=["redcap_*"])


def test_a_column_to_keep_must_be_there_but_one_to_ignore_need_not() -> None:
    check_columns(MODEL, ["age"], ignore=["site"])
    with pytest.raises(UnknownColumnError, match=r"no column 'sitee' to keep\. Did you mean 'site'"):
        check_columns(MODEL, ["site", "age"], keep=["sitee"], ignore=["site"])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "nothing is said of calf_pain: give a likelihood to one of absent, present, or leave it out"),
        ("present:0.5, present:0.6", "'0.6' is no likelihood for calf_pain present: give one number from 0 up each"),
        ("yes:0.5; present:0.5", "give one number from 0 up each"),
    ],
)
def test_an_unsure_answer_that_says_nothing_or_one_thing_twice_is_refused(value: object, said: str) -> None:
    with pytest.raises(CaseError) as error:
        kb.load_model().diagnose({"calf_pain": value})
    assert said in str(error.value)
