"""The result that a person reads: in a terminal, in a notebook, and as numbers."""

from __future__ import annotations

import json
import pickle
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kneebayes as kb
from kneebayes import Diagnosis, load_model
from kneebayes.model import Model
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent
from tests.spec.test_model_spec import edit, num, small

MODEL = load_model()
CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present", "fever": "no"}
DX = MODEL.diagnose(CASE)


class Text(HTMLParser):
    """Collects the text of a page and checks that its tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def test_posterior_is_a_series_of_the_causes_then_none_of_these() -> None:
    posterior = DX.posterior
    assert isinstance(posterior, pd.Series)
    assert posterior.name == "posterior"
    assert posterior.dtype == np.float64
    assert list(posterior.index) == [*MODEL.causes, "none_of_these"]
    assert posterior.to_dict() == DX.probabilities
    assert posterior.between(0, 1).all()


def test_most_likely_is_the_highest_posterior() -> None:
    assert DX.most_likely == DX.posterior.idxmax()
    assert MODEL.diagnose({"dvt": "yes"}).most_likely == "dvt"
    nothing = dict.fromkeys(MODEL.causes, "absent")
    assert MODEL.diagnose(nothing).most_likely == "none_of_these"


def test_details_are_the_further_states() -> None:
    assert list(DX.details) == ["bakers_cyst_ruptured"]
    assert 0 < DX.details["bakers_cyst_ruptured"] < DX.probabilities["bakers_cyst"]
    assert MODEL.diagnose({"bakers_cyst": "ruptured"}).details["bakers_cyst_ruptured"] == pytest.approx(1)
    assert MODEL.diagnose({"bakers_cyst": "intact"}).details["bakers_cyst_ruptured"] == 0


def test_evidence_is_what_was_known_in_state_names_and_model_order() -> None:
    assert DX.evidence == {
        "age": "sixties", "sex": "male", "long_travel": "present", "posterior_knee_pain": "present",
        "unilateral_leg_swelling": "present", "fever": "absent",
    }  # fmt: skip
    order = list(MODEL.file.variables)
    assert list(DX.evidence) == sorted(DX.evidence, key=lambda column: order.index(MODEL.file.about(column)))


def test_log_evidence_is_the_chance_of_the_evidence() -> None:
    yes, no = (MODEL.diagnose({"posterior_knee_pain": said}).log_evidence for said in ("yes", "no"))
    assert np.exp(yes) + np.exp(no) == pytest.approx(1.0, abs=1e-12)
    assert MODEL.diagnose({"posterior_knee_pain": "unknown"}).log_evidence == pytest.approx(0.0, abs=1e-12)


def test_text_holds_alarm_reasons_questions_flags_and_every_cause() -> None:
    text = str(DX)
    assert f"DVT alarm: {DX.alarm.level.upper()}" in text
    assert DX.alarm.advice in text
    for reason in DX.alarm.reasons:
        assert reason in text
    for question in DX.alarm.questions:
        assert MODEL.file.askable[question].question in text
    assert "Red flags: " in text
    for name, p in DX.probabilities.items():
        assert any(line.strip().startswith(DX.label(name)) and percent(p) in line for line in text.splitlines())
    assert f"of which ruptured: {percent(DX.details['bakers_cyst_ruptured'])}" in text
    assert "unilateral_leg_swelling=present" in text


def test_text_ranks_the_causes() -> None:
    lines = str(DX).split("Posterior (causes may coexist)\n")[1].splitlines()
    shares = [float(line.split("%")[0].split()[-1]) for line in lines if "%" in line and "of which" not in line]
    assert len(shares) == len(DX.probabilities)
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("shown", [str, Diagnosis._repr_html_], ids=["text", "html"])
def test_the_disclaimer_stands_once(shown: Any) -> None:
    assert shown(DX).count(MODEL.file.disclaimer) == 1
    assert "not a medical device" in MODEL.file.disclaimer


def test_not_assessed_is_written_in_words() -> None:
    dx = MODEL.diagnose({})
    assert "DVT alarm: NOT ASSESSED" in str(dx)
    assert "<b>Alarm: not assessed.</b>" in dx._repr_html_()


def test_sections_without_content_are_left_out() -> None:
    answered = dict.fromkeys(MODEL.file.alarm.key_questions, "no") | {"pregnancy": "not_pregnant"}
    dx = MODEL.diagnose(answered)
    for page in (str(dx), dx._repr_html_()):
        assert "Not answered" not in page
        assert "Red flags" not in page
        assert "Warning" not in page


def test_html_holds_alarm_reasons_questions_flags_and_every_cause() -> None:
    page = Text(DX._repr_html_())
    for words in [DX.alarm.advice, *DX.alarm.reasons, *map(DX.label, DX.probabilities), *map(DX.label, DX.red_flags)]:
        assert words in page.text
    for question in DX.alarm.questions:
        assert MODEL.file.variables[question].question in page.text
    assert page.tags.count("tr") == len(DX.probabilities)


def test_a_warning_is_shown_both_ways() -> None:
    dx = MODEL.diagnose({"age": 12})
    assert len(dx.warnings) == 1
    assert f"Warning: {dx.warnings[0]}" in str(dx)
    assert dx.warnings[0] in Text(dx._repr_html_()).text


EVIL = "<script>alert('x')</script> & \"quotes\""
PLACES = [
    "disclaimer", "causes.clot.label", "alarm.advice.urgent", "alarm.rules.0.reason", "findings.swelling.label",
    "risks.smoker.question", "findings.fever.label", "inputs.age.warning",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_words_of_a_model_file_cannot_become_html(place: str) -> None:
    content = small()
    content["inputs"]["age"] |= {"warn_below": 18, "warning": "young"}
    edit(place, EVIL)(content)
    dx = Model(ModelSpec.model_validate(content)).diagnose({"swelling": "yes", "fever": "yes", "age": 12})
    raw = dx._repr_html_()
    assert "<script" not in raw
    page = Text(raw)
    assert EVIL in page.text
    assert "script" not in page.tags


def test_a_cause_is_not_shown_with_the_states_of_one_whose_name_begins_alike() -> None:
    content = small()
    cause = {**content["causes"]["cyst"], "links": {}}
    content["causes"]["tear_cyst"] = cause
    lines = str(Model(ModelSpec.model_validate(content)).diagnose({})).splitlines()
    assert [line.strip().split(":")[0] for line in lines if "of which" in line] == ["of which ruptured"] * 2


def test_a_model_with_another_alarm_has_no_dvt_in_its_text() -> None:
    text = str(Model(ModelSpec.model_validate(small())).diagnose({"swelling": "yes"}))
    assert "CLOT alarm: URGENT" in text
    assert "DVT" not in text


def test_a_cause_of_four_states_shows_the_third_and_fourth() -> None:
    content = small()
    content["causes"]["cyst"]["states"] = ["absent", "intact", "ruptured", "infected"]
    content["causes"]["cyst"]["split"]["infected"] = num(0.1)
    dx = Model(ModelSpec.model_validate(content)).diagnose({"cyst": "infected"})
    assert dx.details == pytest.approx({"cyst_ruptured": 0.0, "cyst_infected": 1.0})
    assert "of which ruptured: 0%" in str(dx)
    assert "of which infected: 100%" in str(dx)


# How it travels


@pytest.mark.slow
@pytest.mark.parametrize("facts", [{}, {"age": 67, "calf_pain": "present:0.8", "unilateral_leg_swelling": True}])
def test_a_diagnosis_pickles_small_and_comes_back_the_same(facts: dict[str, object]) -> None:
    dx = kb.load_model("extended").diagnose(facts, thresholds=kb.Thresholds(0.03, 0.2))
    content = pickle.dumps(dx)
    assert len(content) < 100_000
    again = pickle.loads(content)
    assert (str(again), again.thresholds) == (str(dx), dx.thresholds)
    assert str(again.explanation()) == str(dx.explanation())


def test_diagnoses_out_of_pickles_share_what_is_compiled() -> None:
    model = kb.load_model()
    first, second = (pickle.loads(pickle.dumps(model.diagnose({"age": age}))) for age in (30, 60))
    assert first.network is second.network


def test_a_diagnosis_is_json_and_a_table() -> None:
    dx = kb.load_model().diagnose({"unilateral_leg_swelling": True})
    content = json.loads(json.dumps(dx.to_dict()))
    assert content["posterior"] == dx.probabilities
    assert content["alarm"]["reasons"] == dx.alarm.reasons
    table = dx.to_frame()
    assert table["posterior"].to_dict() == {**dx.probabilities, **dx.details}
    assert table.loc["dvt", "prior"] == kb.load_model().diagnose({}).probabilities["dvt"]


def test_the_paragraph_for_a_record_says_what_must_not_be_lost() -> None:
    dx = kb.load_model().diagnose({"age": 12, "unilateral_leg_swelling": True, "calf_pain": "present:0.8"})
    text = dx.text()
    assert "\n" not in text
    said = ["One lower leg swollen: yes", dx.alarm.level.upper(), *dx.alarm.reasons, dx.alarm.advice, *dx.warnings]
    said += ["Calf pain: absent:0.2, present:0.8", dx.model.disclaimer, "Not answered: Breathless"]
    assert [words for words in said if words not in text] == []
