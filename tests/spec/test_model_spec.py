"""What a model file may say: every number complete, every name known, no cycles, nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from kneebayes.spec.model_spec import CHOICES, ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model

Content = dict[str, Any]
LEVELS = ("emergency", "urgent", "caution", "not_assessed", "low")


def num(p: float, low: float = 0.0, high: float = 1.0) -> Content:
    return {"p": p, "range": [low, high], "basis": "judgement", "why": "made up"}


def small() -> Content:
    """Give the content of a small valid model file with one of everything."""
    words = {"label": "A label", "question": "A question?", "group": "all"}
    cause = {**words, "care": ["rest"], "recovery": "soon", "care_basis": "claim 1"}
    return {
        "format": 1,
        "name": "small",
        "version": "1.0",
        "title": "A small model",
        "population": "nobody",
        "disclaimer": "not for people",
        "leak_convention": "P(present) = 1 - (1 - leak) * product(1 - link)",
        "complaint": "ache",
        "groups": {"all": "All"},
        "inputs": {
            "age": {
                "variable": "age",
                "label": "Age",
                "unit": "years",
                "minimum": 0,
                "maximum": 110,
                "bands": [{"state": "young"}, {"state": "old", "at_least": 50}],
            }
        },
        "risks": {
            "age": {**words, "states": ["young", "old"], "prior": {"old": num(0.4)}},
            "sport": {
                **words,
                "states": ["none", "ball", "snow"],
                "given": [
                    {"when": {"age": "young"}, "prior": {"ball": num(0.3), "snow": num(0.1)}},
                    {"when": {"age": "old"}, "prior": {"ball": num(0.1), "snow": num(0.05)}},
                ],
            },
            "smoker": {**words, "prior": {"present": num(0.2)}},
        },
        "interactions": [{"target": "tear", "when": {"age": "old", "sport": ["ball", "snow"]}, "link": num(0.25)}],
        "causes": {
            "tear": {**cause, "leak": num(0.02), "links": {"sport": {"ball": num(0.1), "snow": num(0.2)}}},
            "cyst": {
                **cause,
                "states": ["absent", "intact", "ruptured"],
                "leak": num(0.01),
                "links": {"tear": {"present": num(0.5)}, "age": {"old": num(0.1)}},
                "split": {"ruptured": num(0.2)},
            },
            "clot": {**cause, "leak": num(0.005), "links": {"smoker": {"present": num(0.03)}}},
        },
        "findings": {
            "ache": {
                **words,
                "leak": num(0.1),
                "links": {
                    "tear": {"present": num(0.6)},
                    "cyst": {"intact": num(0.5), "ruptured": num(0.9)},
                    "clot": {"present": num(0.4)},
                },
            },
            "swelling": {**words, "leak": num(0.05), "links": {"clot": {"present": num(0.7)}}},
            "fever": {**words, "leak": num(0.03)},
        },
        "alarm": {
            "cause": "clot",
            "thresholds": {"caution": num(0.02), "urgent": num(0.1)},
            "key_questions": ["swelling", "smoker"],
            "advice": {level: f"advice for {level}" for level in LEVELS},
            "rules": [{"level": "caution", "when": {"swelling": "present"}, "reason": "swollen", "basis": "judgement"}],
        },
        "red_flags": [{"any_of": {"fever": "present"}, "reason": "fever", "basis": "claim 2"}],
        "claims": 14,
        "references": {"Smith 2020": "A study."},
    }


def edit(path: str, value: Any) -> Callable[[Content], None]:
    """Set one place of the content, given as keys joined by dots; DELETE removes it."""

    def apply(content: Content) -> None:
        *keys, last = path.split(".")
        node: Any = content
        for key in keys:
            node = node[int(key)] if isinstance(node, list) else node[key]
        if value is DELETE:
            del node[last]
        else:
            node[int(last) if isinstance(node, list) else last] = value

    return apply


DELETE = object()

# what to change -> where the message must point, and what it must say
REFUSED: dict[str, tuple[str, Any, str, str]] = {
    "no_range": ("risks.smoker.prior.present.range", DELETE, "risks.smoker.prior.present.range", "required"),
    "no_basis": ("causes.tear.leak.basis", DELETE, "causes.tear.leak.basis", "required"),
    "no_why": ("findings.ache.links.tear.present.why", DELETE, "findings.ache.links.tear.present.why", "required"),
    "empty_why": ("findings.ache.leak.why", "", "findings.ache.leak.why", "at least 1 character"),
    "no_p": ("interactions.0.link.p", DELETE, "interactions.0.link.p", "required"),
    "p_over_1": ("causes.clot.leak.p", 1.5, "causes.clot.leak.p", "less than or equal to 1"),
    "p_under_0": ("causes.clot.leak.p", -0.1, "causes.clot.leak.p", "greater than or equal to 0"),
    "p_nan": ("causes.clot.leak.p", float("nan"), "causes.clot.leak.p", "number"),
    "p_words": ("causes.clot.leak.p", "rare", "causes.clot.leak.p", "number"),
    "p_outside_range": ("causes.clot.leak", num(0.3, 0.4, 0.5), "causes.clot.leak", "0.3 lies outside its range"),
    "p_over_range": ("causes.clot.leak", num(0.3, 0.1, 0.2), "causes.clot.leak", "0.3 lies outside its range"),
    "range_backwards": ("causes.clot.leak", num(0.3, 0.5, 0.1), "causes.clot.leak", "outside its range"),
    "range_of_one": ("causes.clot.leak.range", [0.1], "causes.clot.leak.range", "required"),
    "unknown_basis": ("causes.clot.leak.basis", "I think so", "causes.clot.leak.basis", "match"),
    "basis_of_no_source": (
        "causes.clot.leak.basis",
        "claim 3; literature: Smoth 2020",
        "causes.clot.leak.basis",
        "cites 'Smoth 2020', which is not among references. Did you mean 'Smith 2020'?",
    ),
    "care_of_no_source": ("causes.clot.care_basis", "literature: X", "causes.clot.care_basis", "cites 'X'"),
    "rule_of_no_source": ("alarm.rules.0.basis", "literature: X", "alarm.rules.0.basis", "cites 'X'"),
    "flag_of_no_source": ("red_flags.0.basis", "literature: X", "red_flags.0.basis", "cites 'X'"),
    "threshold_of_no_source": (
        "alarm.thresholds.urgent.basis",
        "literature: X",
        "alarm.thresholds.urgent.basis",
        "cites 'X'",
    ),
    "basis_without_number": ("causes.clot.leak.basis", "claim", "causes.clot.leak.basis", "match"),
    "basis_half_known": ("causes.clot.leak.basis", "claim 3; hearsay", "causes.clot.leak.basis", "match"),
    "capital_name": ("causes.Clot", small()["causes"]["clot"], "causes.Clot", "[a-z][a-z0-9_]*"),
    "name_with_dash": ("findings.sore-leg", small()["findings"]["fever"], "findings.sore-leg", "[a-z][a-z0-9_]*"),
    "name_from_digit": ("findings.2nd", small()["findings"]["fever"], "findings.2nd", "[a-z][a-z0-9_]*"),
    "name_newline": ("findings.ache\n", small()["findings"]["fever"], "", "holds the control character '\\n'"),
    "capital_state": ("risks.smoker.states", ["No", "present"], "risks.smoker.states.0", "[a-z][a-z0-9_]*"),
    "unquoted_yes": ("risks.smoker.states", [False, True], "risks.smoker.states.0", "valid string"),
    "unknown_key": ("causes.clot.leek", num(0.1), "causes.clot.leek", "not permitted"),
    "unknown_key_at_top": ("colour", "blue", "colour", "not permitted"),
    "one_state": ("risks.smoker.states", ["absent"], "risks.smoker.states", "at least 2"),
    "repeated_state": ("risks.sport.states", ["none", "ball", "ball"], "risks.sport", "repeat"),
    "label_of_no_state": ("risks.smoker.state_labels", {"sometimes": "x"}, "risks.smoker", "'sometimes'"),
    "three_state_finding": (
        "findings.fever.states",
        ["absent", "mild", "high"],
        "findings.fever",
        "a finding with 3 states needs a distribution",
    ),
    "prior_of_no_state": ("risks.smoker.prior", {"sometimes": num(0.1)}, "risks.smoker", "['present']"),
    "prior_incomplete": (
        "risks.sport.given.0.prior",
        {"ball": num(0.1)},
        "risks.sport",
        "['ball', 'snow']; 'none' takes",
    ),
    "remainder_over_1": (
        "risks.sport.given.0.prior",
        {"ball": num(0.7), "snow": num(0.4)},
        "risks.sport",
        "add up to 1.1, so nothing is left for 'none'",
    ),
    "split_over_1": ("causes.cyst.split.ruptured.p", 1.01, "causes.cyst.split.ruptured.p", "less than or equal to 1"),
    "split_missing": ("causes.cyst.split", DELETE, "causes.cyst", "['ruptured']; 'intact' takes what is left"),
    "prior_and_given": ("risks.sport.prior", {"ball": num(0.1), "snow": num(0.1)}, "risks.sport", "one of prior"),
    "no_prior": ("risks.smoker.prior", DELETE, "risks.smoker", "one of prior and given"),
    "rows_missing": ("risks.sport.given", small()["risks"]["sport"]["given"][:1], "risks.sport.given", "0 rows match"),
    "rows_overlap": (
        "risks.sport.given.1.when",
        {"age": ["young", "old"]},
        "risks.sport.given",
        "2 rows match {'age': 'young'}",
    ),
    "row_of_unknown_state": ("risks.sport.given.1.when", {"age": "ancient"}, "risks.sport.given.1.when.age", "ancient"),
    "row_of_unknown_risk": ("risks.sport.given.1.when", {"height": "tall"}, "risks.sport", "'height' is not among"),
    "row_on_a_cause": ("risks.sport.given.1.when", {"tear": "present"}, "risks.sport", "'tear' is not among"),
    "cycle_of_risks": (
        "risks.age",
        {
            **{k: v for k, v in small()["risks"]["age"].items() if k != "prior"},
            "given": [{"when": {"sport": ["none", "ball", "snow"]}, "prior": {"old": num(0.5)}}],
        },
        "risks",
        "a cycle, ",
    ),
    "risk_of_itself": ("risks.sport.given.0.when", {"sport": "none"}, "risks", "a cycle, sport -> sport"),
    "cycle_of_causes": ("causes.tear.links.cyst", {"intact": num(0.1)}, "causes", "a cycle, "),
    "cause_of_itself": ("causes.clot.links.clot", {"present": num(0.1)}, "causes", "a cycle, clot -> clot"),
    "link_to_nothing": ("causes.clot.links.height", {"present": num(0.1)}, "causes.clot.links", "'height'"),
    "link_of_unknown_state": ("causes.clot.links.smoker", {"heavy": num(0.1)}, "causes.clot.links.smoker", "'heavy'"),
    "link_of_absent_cause": ("findings.fever.links", {"clot": {"absent": num(0.1)}}, "findings.fever.links", "absent"),
    "finding_of_a_risk": ("findings.fever.links", {"smoker": {"present": num(0.1)}}, "findings.fever", "'smoker'"),
    "finding_of_a_finding": ("findings.fever.links", {"ache": {"present": num(0.1)}}, "findings.fever", "'ache'"),
    "interaction_on_a_finding": ("interactions.0.target", "ache", "interactions.0.target", "'ache' is not among"),
    "interaction_of_a_cause": ("interactions.0.when", {"cyst": "intact"}, "interactions.0.when", "'cyst'"),
    "interaction_never": ("interactions.0.when", {"age": []}, "interactions.0.when.age", "at least 1"),
    "name_twice": ("findings.tear", small()["findings"]["fever"], "model", "stands in two of"),
    "group_unknown": ("findings.fever.group", "other", "fever", "group 'other' is not among ['all']"),
    "complaint_unknown": ("complaint", "itch", "complaint", "'itch' is not among"),
    "complaint_a_cause": ("complaint", "clot", "complaint", "'clot' is not among"),
    "no_causes": ("causes", {}, "causes", "at least 1"),
    "no_care": ("causes.clot.care", [], "causes.clot.care", "at least 1"),
    "alarm_cause_unknown": ("alarm.cause", "stroke", "alarm.cause", "'stroke'"),
    "no_urgent_threshold": ("alarm.thresholds", {"caution": num(0.02)}, "alarm", "caution and urgent"),
    "thresholds_crossed": ("alarm.thresholds.caution", num(0.2), "alarm", "caution not above urgent"),
    "advice_missing": ("alarm.advice.low", DELETE, "alarm", "advice for"),
    "key_question_unknown": ("alarm.key_questions", ["height"], "alarm.key_questions", "'height'"),
    "rule_of_low": ("alarm.rules.0.level", "low", "alarm.rules.0.level", "'caution'"),
    "rule_unknown": ("alarm.rules.0.when", {"height": "tall"}, "alarm.rules.0.when", "'height'"),
    "rule_state_unknown": ("alarm.rules.0.any_of", {"smoker": "heavy"}, "alarm.rules.0.any_of.smoker", "'heavy'"),
    "flag_unknown": ("red_flags.0.any_of", {"height": "tall"}, "red_flags.0.any_of", "'height'"),
    "input_of_nothing": ("inputs.age.variable", "height", "inputs.age.variable", "'height'"),
    "input_name_taken": ("inputs.smoker", small()["inputs"]["age"], "inputs.smoker", "belongs to another"),
    "band_of_no_state": ("inputs.age.bands.0.state", "teen", "inputs.age.bands", "'teen'"),
    "first_band_bounded": ("inputs.age.bands.0.at_least", 3, "inputs.age", "first band"),
    "band_unbounded": ("inputs.age.bands.1", {"state": "old"}, "inputs.age", "at_least and above"),
    "band_beyond_maximum": ("inputs.age.bands.1.at_least", 200, "inputs.age", "bands must rise"),
    "escape": ("causes.clot.label", "Clot\x1b[31m", "", "causes.clot.label: holds the control character '\\x1b'"),
    "line_end": ("version", "1.0\nimport os", "", "version: holds the control character '\\n'"),
    "line_end_in_a_state": ("risks.age.state_labels", {"old": "a\nb"}, "", "risks.age.state_labels.old: holds"),
    "line_end_in_a_list": ("general_care", ["rest", "a\rb"], "", "general_care.1: holds the control character"),
    "turned": ("disclaimer", "harmless \u202e", "", "disclaimer: holds the control character '\\u202e'"),
    "escape_in_a_key": ("references", {"a\x07": "b"}, "", "holds the control character '\\x07'"),
    "other_format": ("format", 2, "format", "1"),
    "other_convention": ("leak_convention", "noisy max", "leak_convention", "product(1 - link)"),
}


def refusal(change: Callable[[Content], None]) -> str:
    content = small()
    change(content)
    with pytest.raises(ValidationError) as caught:
        ModelSpec.model_validate(content)
    problems = caught.value.errors(include_url=False)
    places = [".".join(str(step) for step in e["loc"] if step not in CHOICES) for e in problems]
    return "\n".join(f"{place}: {e['msg']}" for place, e in zip(places, problems, strict=True))


def test_the_small_model_is_accepted() -> None:
    model = ModelSpec.model_validate(small())
    assert (list(model.risks), list(model.causes), list(model.findings)) == (
        ["age", "sport", "smoker"],
        ["tear", "cyst", "clot"],
        ["ache", "swelling", "fever"],
    )


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_place_and_the_reason(case: str) -> None:
    path, value, place, reason = REFUSED[case]
    said = refusal(edit(path, value))
    assert reason in said
    assert place == "model" or place in said


def test_half_a_character_is_refused() -> None:  # which YAML can't carry
    assert "title: holds the control character '\\ud800'" in refusal(edit("title", "\ud800"))


def test_what_a_reviewer_reads_may_have_lines() -> None:
    content = small()
    edit("risks.age.note", "one\ntwo\n")(content)
    edit("causes.clot.leak.why", "one\ntwo\n")(content)
    assert ModelSpec.model_validate(content).risks["age"].note == "one\ntwo\n"


def test_everything_is_frozen() -> None:
    model = ModelSpec.model_validate(small())
    for part, field in [
        (model, "name"),
        (model.causes["clot"], "leak"),
        (model.causes["clot"].leak, "p"),
        (model.risks["sport"].given[0], "prior"),
        (model.alarm, "cause"),
        (model.numeric_inputs["age"].bands[1], "at_least"),
    ]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, None)


def test_variables_stand_as_in_the_file_risks_then_causes_then_findings() -> None:
    assert list(ModelSpec.model_validate(small()).variables) == [
        "age", "sport", "smoker", "tear", "cyst", "clot", "ache", "swelling", "fever",
    ]  # fmt: skip


def test_orders_put_parents_first_whatever_the_order_of_the_file() -> None:
    content = small()
    content["causes"] = dict(reversed(content["causes"].items()))
    content["risks"] = dict(reversed(content["risks"].items()))
    model = ModelSpec.model_validate(content)
    assert model.cause_order.index("tear") < model.cause_order.index("cyst")
    assert model.risk_order.index("age") < model.risk_order.index("sport")
    assert sorted(model.cause_order) == sorted(model.causes)
    assert sorted(model.risk_order) == sorted(model.risks)
    assert list(model.causes) == ["clot", "cyst", "tear"]


def test_probabilities_yield_every_number_once_under_the_path_it_has_in_the_file() -> None:
    content = small()
    model = ModelSpec.model_validate(content)
    numbers = dict(model.probabilities())

    def walk(node: Any, path: str) -> list[str]:
        if isinstance(node, dict):
            if "p" in node:
                return [path]
            return [place for key, value in node.items() for place in walk(value, f"{path}.{key}")]
        if isinstance(node, list):
            return [place for i, value in enumerate(node) for place in walk(value, f"{path}.{i}")]
        return []

    network = {key: content[key] for key in ("risks", "interactions", "causes", "findings")}
    assert sorted(numbers) == sorted(path.removeprefix(".") for path in walk(network, ""))
    assert numbers["causes.cyst.links.tear.present"].p == 0.5
    assert numbers["risks.sport.given.1.prior.snow"].p == 0.05
    assert len(list(model.probabilities())) == len(numbers)


def test_band_edges_are_the_lower_edges_after_the_first() -> None:
    model = read_model(model_path("posterior_knee_pain"))
    assert model.numeric_inputs["age"].edges == [40, 50, 60, 70]
    assert model.numeric_inputs["duration_days"].edges == [7, 42, 183]


def test_a_basis_may_name_claims_literature_and_judgement() -> None:
    content = small()
    content["causes"]["clot"]["leak"]["basis"] = "claims 3, 14; literature: Smith 2020; judgement; fitted: by hand"
    assert ModelSpec.model_validate(content).causes["clot"].leak.basis.startswith("claims 3, 14")
