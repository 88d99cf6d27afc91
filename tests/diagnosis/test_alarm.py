"""The alarm: each level by probability and by rule, the red flags, and what explaining away may not do."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from kneebayes import LEVELS, Diagnosis, Thresholds, load_model
from kneebayes.diagnosis.alarm import Assessor
from kneebayes.errors import KneeBayesError, ThresholdError
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import CompiledModel, Posteriors
from kneebayes.model import Model
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent
from tests.oracles import assess, random_codes
from tests.spec.test_model_spec import num, small

MODEL = load_model()
Case = dict[str, Any]
SWOLLEN: Case = {"unilateral_leg_swelling": "yes"}
BREATHLESS: Case = {"breathlessness_chest_pain": "yes"}
# the article's signs of a clot (claims 86 to 91) and its risks (93 to 100); an earlier clot is claim 122
SIGNS = [
    "throbbing_pain", "cramping_pain", "calf_pain", "thigh_pain", "pain_standing_up", "unilateral_leg_swelling",
    "skin_warmth", "skin_redness", "skin_darkening", "swollen_hard_veins",
]  # fmt: skip
RISKS: list[Case] = [
    {"age": 61}, {"age": 88}, {"overweight": 1}, {"smoker": 1}, {"recent_hospital_stay": 1}, {"bed_confined": 1},
    {"pregnancy": "pregnant"}, {"pregnancy": "postpartum_6_weeks"}, {"long_travel": 1}, {"previous_dvt": 1},
]  # fmt: skip
MAJOR: list[Case] = [
    {"recent_hospital_stay": 1}, {"bed_confined": 1}, {"pregnancy": "pregnant"}, {"pregnancy": "postpartum_6_weeks"},
    {"previous_dvt": 1},
]  # fmt: skip
QUESTIONS = {
    "unilateral_leg_swelling": "no", "breathlessness_chest_pain": "no", "previous_dvt": "no",
    "recent_hospital_stay": "no", "bed_confined": "no", "pregnancy": "not_pregnant", "long_travel": "no",
}  # fmt: skip
WELL: Case = {**QUESTIONS, "age": 30, "sex": "female", "calf_pain": "no"}


def diagnose(case: Case, **options: Any) -> Diagnosis:
    return MODEL.diagnose(case, **options)


def level(case: Case, **options: Any) -> str:
    return diagnose(case, **options).alarm.level


def at_least(case: Case, least: str) -> bool:
    return LEVELS.index(level(case)) >= LEVELS.index(least)


def named(case: Case) -> str:
    return "+".join(f"{name}={value}" for name, value in case.items())


def test_levels_stand_in_rising_order() -> None:
    assert LEVELS == ("low", "not_assessed", "caution", "urgent", "emergency")


@pytest.mark.parametrize("sign", SIGNS)
def test_breathless_with_a_sign_is_an_emergency(sign: str) -> None:
    alarm = diagnose({**BREATHLESS, sign: "yes"}).alarm
    assert alarm.level == "emergency"
    assert "sign of a clot" in alarm.reasons[0]
    assert MODEL.file.askable[sign].label in alarm.reasons[0]
    assert "ambulance" in alarm.advice


@pytest.mark.parametrize("risk", RISKS, ids=named)
def test_breathless_with_a_risk_is_an_emergency(risk: Case) -> None:
    alarm = diagnose({**BREATHLESS, **risk}).alarm
    assert alarm.level == "emergency"
    assert "risk of a clot" in alarm.reasons[0]


@pytest.mark.parametrize("explained", [{"bakers_cyst": "ruptured"}, {"dvt": "no"}, {"leg_cramps": "yes"}], ids=named)
def test_an_emergency_is_not_explained_away(explained: Case) -> None:
    assert level({**BREATHLESS, "calf_pain": "yes", **explained}) == "emergency"


def test_breathless_alone_is_caution_and_other_risks_do_not_raise_it_to_an_emergency() -> None:
    assert level(BREATHLESS) == "caution"
    assert level({**BREATHLESS, "age": 30, "overweight": "no", "smoker": "no", "long_travel": "no"}) == "caution"


def test_not_breathless_is_no_emergency_however_many_signs() -> None:
    everything = {**dict.fromkeys(SIGNS, "yes"), "previous_dvt": "yes", "bed_confined": "yes", "age": 80}
    assert level(everything) == "urgent"
    assert level({**everything, "breathlessness_chest_pain": "no"}) == "urgent"


@pytest.mark.parametrize("risk", MAJOR, ids=named)
def test_a_swollen_leg_with_a_major_risk_is_urgent_by_rule(risk: Case) -> None:
    dx = diagnose({**SWOLLEN, **risk, "bakers_cyst": "ruptured", "dvt": "no"})
    assert dx.alarm.probability == 0.0
    assert dx.alarm.level == "urgent"
    assert "major risk" in dx.alarm.reasons[0]


def test_a_swollen_leg_alone_is_caution_by_rule() -> None:
    alarm = diagnose({**SWOLLEN, "dvt": "no"}).alarm
    assert alarm.level == "caution"
    assert alarm.reasons[0].startswith("one leg swollen, whatever else explains it (")
    assert len(alarm.reasons) == 1


def test_a_known_clot_is_urgent() -> None:
    alarm = diagnose({"dvt": "yes", **QUESTIONS}).alarm
    assert alarm.level == "urgent"
    assert alarm.probability == pytest.approx(1.0)


EXPLAINED: list[Case] = [
    {"bakers_cyst": "intact"}, {"bakers_cyst": "ruptured"}, {"gastrocnemius_tendonitis": "yes"}, {"leg_cramps": "yes"},
    {"popliteal_swelling": "yes", "water_running_down_calf": "yes", "known_knee_arthritis": "yes"},
    {"tiptoe_difficulty": "yes", "sudden_onset": "yes", "muscle_overstretch": "yes", "calf_pain": "yes"},
    {"dvt": "no"},
]  # fmt: skip
BACKGROUND: list[Case] = [{}, {"age": 20, "sex": "male"}, {"age": 85}, {**QUESTIONS, "unilateral_leg_swelling": "yes"}]


@pytest.mark.parametrize("background", BACKGROUND, ids=named)
@pytest.mark.parametrize("explained", EXPLAINED, ids=named)
def test_nothing_talks_a_swollen_leg_below_caution(explained: Case, background: Case) -> None:
    assert at_least({**background, **explained, **SWOLLEN}, "caution")


def test_a_swollen_leg_is_at_caution_in_any_of_many_random_cases() -> None:
    rng = np.random.default_rng(5)
    variables = list(MODEL.file.variables.values())
    codes = np.stack([np.where(rng.random(3000) < 0.4, rng.integers(0, len(v.states), 3000), -1) for v in variables])
    codes = codes.astype(np.int8)
    swollen = MODEL.file.events["leg_swelling"].index(frozenset(["one", "both_unequal"]))
    codes[MODEL.network.variables.index("leg_swelling")] = swollen
    network, zeros = MODEL.network, np.zeros((3000, len(MODEL.network.columns)))
    posteriors = Posteriors(network.columns, zeros, np.zeros(3000))
    levels = MODEL.assessor.assess(Evidence(codes), Thresholds.of(MODEL.file), posteriors=posteriors).levels
    assert (levels >= LEVELS.index("caution")).all()


def test_levels_by_probability_alone() -> None:
    for caution, urgent, expected in [(1e-5, 1e-4, "urgent"), (1e-5, 0.9, "caution"), (0.8, 0.9, "low")]:
        dx = diagnose(WELL, thresholds=Thresholds(caution, urgent))
        assert 1e-4 < dx.alarm.probability < 0.8
        assert dx.alarm.level == expected


@pytest.mark.parametrize("name", ["caution", "urgent"])
def test_a_probability_on_the_threshold_is_at_its_level(name: str) -> None:
    p = diagnose(WELL).alarm.probability
    limits = {"caution": (p, 1.0), "urgent": (p / 2, p)}[name]
    dx = diagnose(WELL, thresholds=Thresholds(*limits))
    assert dx.alarm.level == name
    assert f"at or over the {name} threshold" in dx.alarm.reasons[0]
    above = np.nextafter(p, 1)
    raised = {"caution": (above, 1.0), "urgent": (p / 2, above)}[name]
    assert level(WELL, thresholds=Thresholds(*raised)) == {"caution": "low", "urgent": "caution"}[name]


def test_a_healthy_answer_sheet_is_low_and_never_called_safe() -> None:
    alarm = diagnose(WELL).alarm
    assert alarm.level == "low"
    assert alarm.questions == []
    assert "not ruled out" in alarm.advice
    assert "safe" not in alarm.advice.lower()
    assert alarm.reasons == [
        f"P(Deep vein thrombosis) is {percent(alarm.probability)}, under the caution threshold of 2%"
    ]


def test_the_complaint_alone_is_not_assessed_and_asks_the_key_questions() -> None:
    alarm = diagnose({}).alarm
    assert alarm.level == "not_assessed"
    assert alarm.questions == list(MODEL.file.alarm.key_questions) == list(QUESTIONS)
    assert alarm.reasons[-1] == "7 of 7 key questions have no answer"


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("empty", [None, "", "unknown"], ids=repr)
def test_one_open_key_question_is_not_assessed_and_named(question: str, empty: Any) -> None:
    alarm = diagnose({**WELL, question: empty}).alarm
    assert alarm.level == "not_assessed"
    assert alarm.questions == [question]


def test_an_open_question_does_not_lower_a_higher_level() -> None:
    alarm = diagnose({**WELL, "long_travel": None, **SWOLLEN}).alarm
    assert alarm.level == "caution"
    assert alarm.questions == ["long_travel"]


NOT_PREGNANT: list[Case] = [{"sex": "male"}, {"sex": "male", "age": None}, {"sex": None, "age": 60},
                            {"sex": "female", "age": 75}]  # fmt: skip
MAY_BE: list[Case] = [{"sex": "female", "age": 30}, {"sex": "female", "age": None}, {"sex": None, "age": 45},
                      {"sex": None, "age": None}, {"sex": "female", "age": 59}]  # fmt: skip


@pytest.mark.parametrize("who", NOT_PREGNANT, ids=named)
def test_men_and_old_people_need_not_be_asked_for_a_pregnancy(who: Case) -> None:
    alarm = diagnose({**WELL, "pregnancy": None, **who}).alarm
    assert "pregnancy" not in alarm.questions
    assert alarm.level in ("low", "caution")


@pytest.mark.parametrize("who", MAY_BE, ids=named)
def test_others_are_asked_for_a_pregnancy(who: Case) -> None:
    assert "pregnancy" in diagnose({**WELL, "pregnancy": None, **who}).alarm.questions


def test_reasons_come_the_gravest_first() -> None:
    case = {**SWOLLEN, **BREATHLESS, "previous_dvt": "yes", "skin_warmth": "yes", "age": 70, "bed_confined": "yes"}
    reasons = diagnose(case).alarm.reasons
    words = ["with a sign of", "with a risk of", "urgent threshold", "major risk", "whatever else explains"]
    places = [next(i for i, reason in enumerate(reasons) if word in reason) for word in words]
    assert places == sorted(places)
    assert "70 or older" in reasons[1]


def test_the_gravest_rule_comes_first_wherever_it_stands_in_the_file() -> None:
    content = small()
    content["alarm"]["rules"] = [
        {"level": level, "when": {"swelling": "present"}, "reason": f"for {level}", "basis": "judgement"}
        for level in ("caution", "emergency", "urgent")
    ]
    content["alarm"]["thresholds"] = {"caution": num(1e-6), "urgent": num(1.0)}
    alarm = Model(ModelSpec.model_validate(content)).diagnose({"swelling": "yes"}).alarm
    assert alarm.level == "emergency"
    words = [reason.split(" (")[0].split(" is ")[0] for reason in alarm.reasons]
    assert words == ["for emergency", "for urgent", "P(A label)", "for caution"]


def test_batch_levels_are_those_of_single_cases() -> None:
    cases: list[Case] = [{}, WELL, SWOLLEN, BREATHLESS, {**SWOLLEN, **BREATHLESS}, {"dvt": 1}, {**SWOLLEN, **MAJOR[0]}]
    coded = np.hstack([MODEL.scorer.coder.case(case).evidence.codes for case in cases])
    assessed = assess(MODEL.assessor, Evidence(coded), Thresholds.of(MODEL.file))
    assert [LEVELS[i] for i in assessed.levels] == [level(case) for case in cases]


# the article's ten reasons to seek help (claims 114 to 123)
RED_FLAGS: dict[str, list[str]] = {
    "over_six_weeks": ["pain_over_6_weeks"],
    "cannot_move_fully": ["cannot_fully_extend", "cannot_fully_bend"],
    "noises": ["clicking_catching"],
    "cannot_bear_weight": ["cannot_bear_weight"],
    "swelling_or_redness": ["knee_swelling", "popliteal_swelling", "unilateral_leg_swelling", "skin_redness"],
    "arthritis": ["known_knee_arthritis"],
    "trouble_walking": ["gait_disturbance"],
    "after_an_injury": ["recent_knee_injury"],
    "earlier_clot_or_heart": ["previous_dvt", "cardiovascular_disease"],
    "fever": ["fever"],
}


@pytest.mark.parametrize("reason", RED_FLAGS)
def test_each_reason_to_seek_help_is_a_red_flag(reason: str) -> None:
    for name in RED_FLAGS[reason]:
        assert diagnose({name: "yes"}).red_flags == [name]
        assert diagnose({name: "no"}).red_flags == []


def test_the_article_has_ten_reasons_and_the_model_as_many() -> None:
    assert len(RED_FLAGS) == len(MODEL.file.red_flags) == 10


def test_red_flags_stand_in_the_order_of_the_file_and_duration_counts() -> None:
    dx = diagnose({"fever": 1, "duration_days": 50, "cannot_bear_weight": 1, "clicking_catching": "no"})
    assert dx.red_flags == ["pain_over_6_weeks", "cannot_bear_weight", "fever"]


def test_red_flags_need_no_probability_and_do_not_set_the_alarm() -> None:
    assert level({**WELL, "fever": "yes", "pain_over_6_weeks": "yes", "clicking_catching": "yes"}) == "low"


@pytest.mark.parametrize(
    ("miss", "false_alarm", "caution"), [(49, 1, 0.02), (1, 1, 0.5), (9, 1, 0.1), (98, 2, 0.02), (1, 3, 0.75)]
)
def test_harms_set_the_threshold_where_they_weigh_the_same(miss: float, false_alarm: float, caution: float) -> None:
    thresholds = Thresholds.from_harms(miss=miss, false_alarm=false_alarm, urgent=0.8)
    assert thresholds.caution == pytest.approx(caution)
    assert thresholds.caution * miss == pytest.approx((1 - thresholds.caution) * false_alarm)
    assert thresholds.urgent == 0.8


def test_the_worse_a_miss_the_earlier_the_warning() -> None:
    assert level(WELL, thresholds=Thresholds.from_harms(miss=10_000, false_alarm=1)) == "caution"
    assert level(WELL, thresholds=Thresholds.from_harms(miss=1, false_alarm=1, urgent=0.5)) == "low"


@pytest.mark.parametrize(
    ("miss", "false_alarm"),
    [(0, 1), (1, 0), (-1, 1), (1, -1), (float("nan"), 1), (1, float("nan")), (float("inf"), 1), (1, float("inf"))],
)
def test_harms_that_make_no_sense_are_refused(miss: float, false_alarm: float) -> None:
    with pytest.raises(ThresholdError, match="must be finite and over 0"):
        Thresholds.from_harms(miss=miss, false_alarm=false_alarm)


@pytest.mark.parametrize(
    ("caution", "urgent"),
    [(0, 0.1), (-0.1, 0.1), (0.2, 0.1), (0.02, 1.1), (float("nan"), 0.1), (0.02, float("nan")), (2, 2)],
)
def test_thresholds_that_make_no_sense_are_refused(caution: float, urgent: float) -> None:
    with pytest.raises(ThresholdError, match="both must lie in"):
        Thresholds(caution, urgent)
    assert issubclass(ThresholdError, KneeBayesError)


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int64, Fraction])
def test_thresholds_are_numbers_of_full_width_whatever_came(kind: Any) -> None:
    one = kind(1)
    assert str(Thresholds(one / 4, one)) == "Thresholds(caution=0.25, urgent=1.0)"
    assert Thresholds.from_harms(miss=one, false_alarm=one, urgent=one) == Thresholds(0.5, 1.0)


def test_thresholds_come_from_the_model_file_unless_given() -> None:
    assert Thresholds.of(MODEL.file) == Thresholds(0.02, 0.10)
    assert Thresholds.of(MODEL.file, caution=0.05) == Thresholds(0.05, 0.10)
    assert Thresholds.of(MODEL.file, urgent=0.3) == Thresholds(0.02, 0.3)
    assert Thresholds.of(MODEL.file, caution=0.5, urgent=0.5) == Thresholds(0.5, 0.5)
    with pytest.raises(ThresholdError):
        Thresholds.of(MODEL.file, caution=0.5, urgent=0.3)


@pytest.mark.parametrize(
    "choose",
    [
        lambda: Thresholds.of(MODEL.file, caution=0.3),
        lambda: Thresholds.of(MODEL.file, urgent=0.01),
        lambda: Thresholds.from_harms(miss=1, false_alarm=1),
        lambda: MODEL.diagnose({}, thresholds=Thresholds.of(MODEL.file, caution=1)),
    ],
)
def test_one_threshold_never_moves_the_other(choose: Callable[[], object]) -> None:
    with pytest.raises(ThresholdError, match="caution not above urgent; give both where only one was given"):
        choose()


def test_an_older_band_is_never_milder() -> None:
    case, thresholds = {"long_travel": 1, "pain_after_sitting": 1, "excessive_exercise": 0}, Thresholds(0.018, 0.1)
    by_age = [diagnose({**case, "age": age}, thresholds=thresholds).alarm for age in (30, 45, 55, 65, 75)]
    assert [alarm.level for alarm in by_age] == ["caution"] * 5
    assert by_age[0].probability > thresholds.caution > by_age[-1].probability
    assert by_age[-1].reasons[0].endswith("with 'Age: under 40', and a sign never makes the alarm milder")
    assert level(case) in ("caution", "not_assessed")  # an age that is not known is no band


@pytest.mark.slow
@pytest.mark.parametrize("model", [MODEL, load_model("extended")], ids=["article", "extended"])
def test_of_a_thousand_cases_none_is_milder_in_an_older_band(model: Model) -> None:
    """Not assessed and low count as one: who is too old to be pregnant has answered a key question."""
    network = model.network
    codes = random_codes(network.model, 1000, 3, risks=0.6, findings=0.5)
    row = network.variables.index("age")
    levels = []
    for band in range(len(network.model.risks["age"].states)):
        codes[row] = band
        assessed = assess(model.assessor, Evidence(codes), Thresholds.of(model.file))
        levels.append(
            np.where(assessed.impossible, -1, np.where(assessed.levels == LEVELS.index("low"), 1, assessed.levels))
        )
    graver = np.maximum.accumulate(levels)
    possible = np.array(levels) >= 0
    assert possible.mean() > 0.5
    np.testing.assert_array_equal(np.array(levels)[possible], graver[possible])


def test_an_urgent_harm_threshold_of_the_caller_is_kept() -> None:
    assert Thresholds.from_harms(miss=49, false_alarm=1, urgent=0.3) == Thresholds(0.02, 0.3)


def test_when_and_any_of_must_both_hold() -> None:
    content = small()
    content["alarm"]["rules"] = [
        {
            "level": "urgent",
            "when": {"swelling": "present", "age": "old"},
            "any_of": {"fever": "present", "sport": ["ball", "snow"]},
            "reason": "r",
            "basis": "judgement",
        }
    ]
    content["alarm"]["thresholds"] = {"caution": num(0.999), "urgent": num(1.0)}
    model = Model(ModelSpec.model_validate(content))
    for swelling, age, fever, sport in product("01", (40, 60), "01", ("none", "ball", "snow", None)):
        case = {"swelling": swelling, "age": age, "fever": fever, "sport": sport, "smoker": "no"}
        expected = swelling == "1" and age == 60 and (fever == "1" or sport in ("ball", "snow"))
        assert (model.diagnose(case).alarm.level == "urgent") == expected, case


def test_a_model_without_rules_or_flags_works() -> None:
    content = small()
    content["alarm"]["rules"] = []
    content["red_flags"] = []
    rules = Assessor(CompiledModel(ModelSpec.model_validate(content)))
    assert rules.red_flags(np.full((9, 4), -1, dtype=np.int8)).shape == (0, 4)


def test_an_unsure_answer_leaves_its_key_question_open() -> None:
    for answer, open_ in [({"absent": 0.9, "present": 0.1}, ["long_travel"]), ("no", [])]:
        dx = diagnose({**WELL, "long_travel": answer})
        assert dx.alarm.questions == open_
        assert dx.alarm.level == ("not_assessed" if open_ else "low")


@pytest.mark.parametrize(("urgent", "name", "shown"), [(0.9, "caution", "0.01%"), (0.0002, "urgent", "0.02%")])
def test_the_threshold_that_was_reached_is_told(urgent: float, name: str, shown: str) -> None:
    alarm = diagnose(WELL, thresholds=Thresholds(0.0001, urgent)).alarm
    p = alarm.probability
    assert 0.0002 < p < 0.9
    assert alarm.reasons == [f"P(Deep vein thrombosis) is {percent(p)}, at or over the {name} threshold of {shown}"]


def test_the_facts_that_fire_a_rule_are_told_by_their_labels() -> None:
    content = small()
    content["risks"]["sport"]["label"] = "Sport"
    content["risks"]["smoker"]["label"] = "Smoker"
    content["risks"]["age"] |= {"label": "Age", "state_labels": {"old": "50 or older"}}
    content["risks"]["sport"]["states"] = ["none", "foot_ball", "snow"]
    for row in content["risks"]["sport"]["given"]:
        row["prior"]["foot_ball"] = row["prior"].pop("ball")
    content["causes"]["tear"]["links"]["sport"]["foot_ball"] = content["causes"]["tear"]["links"]["sport"].pop("ball")
    content["interactions"] = []
    when, any_of = {"age": "old"}, {"smoker": "present", "sport": ["foot_ball", "snow"], "fever": "present"}
    content["alarm"]["rules"] = [
        {"level": "urgent", "when": when, "any_of": any_of, "reason": "at risk", "basis": "judgement"}
    ]
    content["alarm"]["thresholds"] = {"caution": num(0.999), "urgent": num(1.0)}
    model = Model(ModelSpec.model_validate(content))
    dx = model.diagnose({"age": 60, "sport": "foot_ball", "smoker": "yes"})
    assert dx.alarm.reasons == ["at risk (Age: 50 or older; Smoker; Sport: foot ball)"]
    dx = model.diagnose({"age": 60, "sport": "snow", "smoker": "no"})
    assert dx.alarm.reasons == ["at risk (Age: 50 or older; Sport: snow)"]


def test_a_probability_that_is_not_a_number_has_no_level() -> None:
    with pytest.raises(ThresholdError, match="not a number"):
        Thresholds(0.02, 0.1).levels(np.array([0.5, np.nan]))


def test_a_case_whose_posterior_is_not_a_number_is_not_scored_as_low() -> None:
    network = MODEL.network
    values = np.full((1, len(network.columns)), np.nan)
    posteriors = Posteriors(network.columns, values, np.zeros(1))
    with pytest.raises(ThresholdError, match="not a number"):
        MODEL.assessor.assess(Evidence.empty(len(network.variables)), Thresholds(0.02, 0.1), posteriors=posteriors)


def test_a_case_that_can_not_be_is_not_graded_low() -> None:
    male, pregnant = (
        (MODEL.network.variables.index("sex"), "male"),
        (MODEL.network.variables.index("pregnancy"), "pregnant"),
    )
    evidence = Evidence.empty(len(MODEL.network.variables), 2)
    for row, state in (male, pregnant):
        states = MODEL.file.variables[MODEL.network.variables[row]].states
        evidence = evidence.with_state(row, np.array([states.index(state), UNKNOWN], dtype=np.int8))
    assessed = assess(MODEL.assessor, evidence, Thresholds.of(MODEL.file))
    assert assessed.impossible.tolist() == [True, False]
    assert assessed.levels[0] >= LEVELS.index("urgent")
    assert MODEL.assessor.contradiction(evidence[[0]]).values == {"sex": "male", "pregnancy": "pregnant"}


@pytest.mark.parametrize("factor", [1e-300, 9e-161, 1.0, 9e200, 1e300])
def test_only_the_ratio_of_likelihoods_counts_for_the_alarm(factor: float) -> None:
    facts = {**SWOLLEN, "calf_pain": {"absent": 0.2, "present": 0.8}, "skin_redness": {"absent": 0.5, "present": 0.1}}
    scaled = {
        name: {state: factor * p for state, p in value.items()} if isinstance(value, dict) else value
        for name, value in facts.items()
    }
    plain, dx = MODEL.diagnose(facts), MODEL.diagnose(scaled)
    assert dx.probabilities == pytest.approx(plain.probabilities, abs=1e-14)
    assert dx.log_evidence == pytest.approx(plain.log_evidence, abs=1e-12)
    assert (dx.alarm.level, dx.next_questions().index.tolist()) == (
        plain.alarm.level,
        plain.next_questions().index.tolist(),
    )


def test_answers_that_are_as_good_as_certain_do_not_vanish_in_each_other() -> None:
    """One of the two must be wrong, as men are not pregnant; which it is, is even."""
    answers = {"sex": "male:1, female:1e-200", "pregnancy": "pregnant:1, not_pregnant:1e-200, postpartum_6_weeks:0"}
    dx = MODEL.diagnose({**SWOLLEN, **answers})
    man = MODEL.diagnose({**SWOLLEN, "sex": "male"})
    woman = MODEL.diagnose({**SWOLLEN, "sex": "female", "pregnancy": "pregnant"})
    odds = np.exp(man.log_evidence - woman.log_evidence)
    for name, p in dx.probabilities.items():
        mixed = (odds * man.probabilities[name] + woman.probabilities[name]) / (1 + odds)
        assert p == pytest.approx(mixed, abs=1e-12)
    assert dx.next_questions()["gain"].notna().all()
