"""Findings of ordered states and columns of answers in a model file: what they may say, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from kneebayes.errors import ModelFileError
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_text, parse_model
from tests.spec.test_model_spec import num, small


def content() -> dict[str, Any]:
    whole = small()
    words = {key: whole["findings"]["fever"][key] for key in ("label", "question", "group")}
    both = {"one": num(0.5), "both": num(0.1)}
    whole["findings"]["legs"] = {
        **words,
        "states": ["none", "one", "both"],
        "leak": {"one": num(0.01), "both": num(0.02)},
        "links": {"clot": {"present": both}},
    }
    asked = {"variable": "legs", "label": "One leg swollen", "question": "Is one leg swollen?"}
    whole["inputs"]["one_leg"] = {**asked, "answers": {"absent": ["none", "both"], "present": "one"}}
    whole["inputs"]["any_leg"] = {**asked, "answers": {"absent": "none", "present": ["one", "both"]}}
    whole["red_flags"] = [{"any_of": {"one_leg": "present"}, "reason": "x", "basis": "judgement"}]
    whole["alarm"]["signs"] = {"any_leg": "present"}
    whole["alarm"]["key_questions"] = ["one_leg"]
    return whole


def test_a_file_is_written_and_read_back_the_same() -> None:
    model = ModelSpec.model_validate(content())
    assert parse_model(model_text(model)) == model
    places = [place for place, _ in model.probabilities() if place.startswith("findings.legs")]
    assert places == [
        "findings.legs.leak.one",
        "findings.legs.leak.both",
        "findings.legs.links.clot.present.one",
        "findings.legs.links.clot.present.both",
    ]


def test_codes_are_the_states_then_what_answers_leave() -> None:
    model = ModelSpec.model_validate(content())
    assert model.events["legs"] == tuple(
        frozenset(event) for event in (["none"], ["one"], ["both"], ["none", "both"], ["one", "both"])
    )
    assert model.events["fever"] == (frozenset(["absent"]), frozenset(["present"]))
    assert model.meaning("one_leg", ["absent"]) == ("legs", frozenset(["none", "both"]))
    assert model.meaning("fever", ["present"]) == ("fever", frozenset(["present"]))


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no_number": (lambda c: c["findings"]["fever"].update(leak=0.1), r"findings.fever.leak: write keys"),
    "no_reason": (lambda c: c["findings"]["fever"]["leak"].pop("why"), r"findings.fever.leak.why: Field required"),
    "no_reason_of_a_state": (
        lambda c: c["findings"]["legs"]["leak"]["one"].pop("why"),
        r"findings.legs.leak.one.why: Field required",
    ),
    "a_state_missing": (
        lambda c: c["findings"]["legs"]["leak"].pop("one"),
        r"findings.legs: leak: needs a probability for \['one', 'both'\]; 'none' takes what is left",
    ),
    "too_much": (
        lambda c: c["findings"]["legs"]["links"]["clot"]["present"].update(one=num(0.95)),
        r"findings.legs: links.clot.present: probabilities add up to 1.05, so nothing is left for 'none'",
    ),
    "one_number_for_three_states": (
        lambda c: c["findings"]["legs"].update(leak=num(0.1)),
        r"findings.legs.leak: a finding with 3 states needs a distribution",
    ),
    "a_distribution_for_two_states": (
        lambda c: c["findings"]["fever"].update(leak={"present": num(0.1)}),
        r"findings.fever.leak: a finding with 2 states needs one number",
    ),
    "answers_about_a_risk_factor": (
        lambda c: c["inputs"]["one_leg"].update(variable="age"),
        r"inputs.one_leg.variable: 'age' is no finding, and only of a finding may answers say a part",
    ),
    "an_answer_that_says_nothing": (
        lambda c: c["inputs"]["one_leg"]["answers"].update(maybe=["none", "one", "both"]),
        r"inputs.one_leg.answers.maybe: leaves every state of legs, so says nothing",
    ),
    "an_unknown_state": (
        lambda c: c["inputs"]["one_leg"]["answers"].update(present="left"),
        r"inputs.one_leg.answers.present: 'left' is not among",
    ),
    "a_sign_of_being_without": (
        lambda c: c["alarm"].update(signs={"one_leg": "absent"}),
        r"alarm.signs.one_leg: 'absent' is being without it, which is no sign",
    ),
    "a_condition_on_a_column_of_numbers": (
        lambda c: c["alarm"].update(key_questions=["duration_days"]),
        r"alarm.key_questions: 'duration_days' is not among",
    ),
    "a_complaint_of_three_states": (
        lambda c: c.update(complaint="legs"),
        r"complaint: 'legs' has the states \['none', 'one', 'both'\], but people have it or not",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_refused_with_its_place(wrong: str) -> None:
    change, said = WRONG[wrong]
    whole = json.loads(json.dumps(content()))
    change(whole)
    with pytest.raises(ModelFileError, match=said):
        parse_model(yaml.safe_dump(whole))


def test_answers_that_leave_too_many_sets_of_states_are_refused() -> None:
    whole = content()
    states = [f"s{i}" for i in range(12)]
    whole["findings"]["legs"] |= {"states": states, "leak": {s: num(0.01) for s in states[1:]}, "links": {}}
    asked = {"variable": "legs", "label": "x", "question": "x?"}
    whole["inputs"] = {
        f"not_{s}": {**asked, "answers": {"yes": [o for o in states if o != s], "no": s}} for s in states
    }
    whole |= {"red_flags": []}
    whole["alarm"] |= {"signs": {}, "key_questions": ["fever"]}
    with pytest.raises(ModelFileError, match="answers can leave over 108 different sets of states of legs"):
        parse_model(yaml.safe_dump(json.loads(json.dumps(whole)), sort_keys=False))
