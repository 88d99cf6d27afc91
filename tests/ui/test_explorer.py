"""The explorer without a browser: the case being explored, the page and the widgets."""

from __future__ import annotations

import asyncio
import json
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import kneebayes as kb
from kneebayes.errors import CaseError, UnknownColumnError
from kneebayes.plots.case import priors
from kneebayes.plots.style import percent
from kneebayes.ui import explorer as page
from kneebayes.ui.explorer import CHOOSE, Explorer, explore, vignettes
from kneebayes.ui.session import Exploration, control_of

ROOT = Path(__file__).parents[2]
MODEL = kb.load_model()
ANKLE = kb.load_model(ROOT / "examples" / "ankle.yaml")
CLOT = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": True}


def exploration(**facts: object) -> Exploration:
    return Exploration(MODEL.file, MODEL.diagnose, facts)


# The case being explored


def test_every_variable_has_one_control_in_its_group() -> None:
    names = [control.name for section in exploration().sections() for control in section.controls]
    assert sorted(names) == sorted(MODEL.file.variables)
    assert [section.label for section in exploration().sections()] == list(MODEL.file.groups.values())


def test_controls_are_three_way_but_where_there_is_more_to_say() -> None:
    controls = {name: control_of(MODEL.file, name) for name in ("calf_pain", "sex", "age", "sport")}
    assert controls["calf_pain"].choices == (("yes", "present"), ("no", "absent"))
    assert [control.three_way for control in controls.values()] == [True, True, False, False]
    assert controls["age"].unit == "years"


def test_an_answer_moves_the_diagnosis_to_what_the_api_gives_and_back() -> None:
    case = exploration()
    before = case.dx.probabilities
    case.answer("unilateral_leg_swelling", "present")
    assert case.dx.probabilities == MODEL.diagnose({"unilateral_leg_swelling": "present"}).probabilities
    case.answer("unilateral_leg_swelling", "")
    assert case.dx.probabilities == before
    assert case.facts == {}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("age", "old", CaseError), ("pregnancy", "pregnant", CaseError), ("calf_pian", "present", UnknownColumnError)],
)
def test_an_answer_that_cannot_be_leaves_everything_as_it_was(name: str, value: str, error: type[Exception]) -> None:
    case = exploration(sex="male", age=50)
    before = case.dx
    with pytest.raises(error):
        case.answer(name, value)
    assert case.dx is before
    assert case.facts == {"sex": "male", "age": 50}


def test_a_number_that_stands_for_another_variable_becomes_its_state() -> None:
    case = exploration(duration_days=90, calf_pain=None)
    assert case.facts == {"pain_over_6_weeks": "present"}
    assert case.dx.probabilities == MODEL.diagnose({"duration_days": 90}).probabilities


def test_controls_show_states_however_the_facts_were_written() -> None:
    case = exploration(calf_pain="Yes", age=67, fever=False, sharp_pain="present:0.8")
    shown = [case.state(name) for name in ("calf_pain", "age", "fever", "sharp_pain", "thigh_pain")]
    assert shown == ["present", "67", "absent", None, None]


def test_what_may_change_the_alarm_is_asked_first() -> None:
    questions = exploration().questions(5)
    assert len(questions) == 5
    assert [question.key for question in questions[:3]] == [True] * 3
    assert not questions[-1].key


@pytest.mark.parametrize("thresholds", [None, kb.Thresholds(0.03, 0.2)], ids=["own", "changed"])
def test_the_code_gives_the_same_diagnosis(
    thresholds: kb.Thresholds | None, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = explore(case=CLOT, thresholds=thresholds)
    exec(shown.exploration.code(), {})
    assert capsys.readouterr().out.strip() == str(shown.dx).strip()


def test_the_code_of_another_model_says_which() -> None:
    assert "kb.load_model('ankle.yaml')" in Exploration(ANKLE.file, ANKLE.diagnose).code()


# Examples


def test_every_vignette_can_be_loaded() -> None:
    cases = vignettes(MODEL.file)
    assert len(cases) == 25
    for case in cases:
        assert exploration(**case.facts).facts


def test_another_model_has_no_examples() -> None:
    assert vignettes(ANKLE.file) == []


# The page


class Words(HTMLParser):
    """Collects the tags of a page and the numbers of its bars."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.data: dict[str, float] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        own = dict(attrs)
        if own.get("data-cause"):
            self.data[str(own["data-cause"])] = float(str(own["data-p"]))


def test_bars_show_every_cause_the_one_of_the_alarm_first() -> None:
    dx = MODEL.diagnose(CLOT)
    shown = Words(page.bars(dx, priors(dx.network), {}, dx.uncertainty(draws=30))).data
    assert shown == pytest.approx(dx.probabilities, abs=1e-8)
    assert next(iter(shown)) == "dvt"


def test_bars_say_how_likely_a_burst_cyst_is() -> None:
    dx = MODEL.diagnose({"water_running_down_calf": True})
    assert f"(burst cyst {percent(dx.details['bakers_cyst_ruptured'])})" in page.bars(dx, priors(dx.network), {})


def test_words_of_a_model_are_no_html() -> None:
    assert "script" not in Words(page.problem("<script>alert(1)</script>")).tags
    assert "script" not in Words(page.code_box("<script>", "<script>")).tags


def test_the_banner_says_level_number_and_what_to_do() -> None:
    dx = MODEL.diagnose(CLOT)
    said = page.banner(dx)
    assert 'data-level="caution"' in said
    assert dx.alarm.advice.split(":")[0] in said


# The widgets


def test_a_click_moves_banner_bars_and_code() -> None:
    shown = explore()
    before = (shown._banner.value, shown._bars.value, shown._code.value)
    shown.controls["unilateral_leg_swelling"].value = "present"
    after = (shown._banner.value, shown._bars.value, shown._code.value)
    assert all(new != old for new, old in zip(after, before, strict=True))
    assert shown.dx.alarm.level == "caution"
    assert Words(shown._bars.value).data == pytest.approx(shown.dx.probabilities, abs=1e-8)


def test_a_refused_answer_is_taken_back_with_a_reason() -> None:
    shown = explore(case={"sex": "male"})
    shown.controls["pregnancy"].value = "pregnant"
    assert "pregnan" in shown._message.value
    assert shown.controls["pregnancy"].value == ""
    shown.controls["age"].value = "sixty"
    assert "sixty" in shown._message.value
    shown.controls["age"].value = "60"
    assert shown._message.value == ""
    assert shown.dx.evidence["age"] == "sixties"


def test_a_question_is_answered_by_clicking_it() -> None:
    shown = explore()
    first = shown._asked[0]
    name = first._name
    first._buttons[1].click()
    assert shown.facts == {name: "absent"}
    assert shown.controls[name].value == "absent"
    assert name not in [asked._name for asked in shown._asked]


def test_a_question_with_more_answers_offers_them() -> None:
    shown = explore(ANKLE)
    asked = shown._asked[0]
    question = next(q for q in exploration().questions(60) if q.variable == "sport")
    asked.show(MODEL.file, question)
    assert len(asked._choice.options) == 1 + len(MODEL.file.variables["sport"].states)
    assert asked._buttons[0].layout.display == "none"


def test_examples_load_and_reset_forgets_them() -> None:
    shown = explore()
    tools = shown.box.children[2].children[0].children[0]
    chooser, reset = tools.children
    chooser.value = chooser.options[1]
    assert shown.dx.probabilities == MODEL.diagnose(vignettes(MODEL.file)[0].facts).probabilities
    reset.click()
    assert (shown.facts, chooser.value) == ({}, CHOOSE)
    assert {control.value for control in shown.controls.values()} == {""}


def test_the_alarm_stands_outside_what_scrolls() -> None:
    shown = explore()
    assert shown._banner in shown.box.children
    assert "kb-pane" not in shown._banner._dom_classes


def test_groups_open_close_and_count_their_answers() -> None:
    shown = explore(case={"calf_pain": True})
    label, _, header, body = next(group for group in shown._groups if "hurts" in group[0])
    assert header.description.endswith(f"{label} (1)")
    assert body.layout.display == "none"
    header.value = True
    assert body.layout.display == "flex"


def test_details_come_later_where_a_loop_runs_and_only_of_the_latest_case() -> None:
    async def click() -> None:
        shown = explore()
        first = shown._details.value
        assert "kb-range" in shown._bars.value  # there from the start: a page being built would miss what comes later
        shown.controls["calf_pain"].value = "present"
        shown.controls["calf_pain"].value = "absent"
        assert shown._details.value == first
        assert "kb-old" in shown._details._dom_classes
        assert "kb-range" not in shown._bars.value
        while shown._details.value == first:
            await asyncio.sleep(0.02)
        assert "Calf pain: no" in shown._details.value
        assert "Calf pain: yes" not in shown._details.value
        assert "kb-old" not in shown._details._dom_classes
        assert "kb-range" in shown._bars.value

    asyncio.run(click())


def test_any_model_can_be_explored() -> None:
    shown = Explorer(ANKLE)
    name = next(iter(ANKLE.file.findings))
    shown.controls[name].value = ANKLE.file.findings[name].states[1]
    assert shown.dx.probabilities == ANKLE.diagnose({name: True}).probabilities


def test_it_shows_itself() -> None:
    bundle = explore()._repr_mimebundle_(include=None, exclude=None)
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data


def test_without_ipywidgets_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['ipywidgets'] = None\nimport kneebayes as kb\nkb.explore()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert "pip install 'kneebayes[notebook]'" in run.stderr


def test_the_picture_of_the_explorer_is_of_todays_model() -> None:
    case = runpy.run_path(str(ROOT / "docs" / "make_pictures.py"))["CASE"]
    dx = MODEL.diagnose(case)
    with Image.open(ROOT / "docs" / "explorer.png") as picture:
        shown = json.loads(picture.info["Description"])
    assert shown.pop("alarm") == dx.alarm.level, "run python -m docs.make_explorer_picture"
    assert shown == pytest.approx(dx.probabilities, abs=0.0006), "run python -m docs.make_explorer_picture"


def test_the_notebook_is_the_explorer_and_nothing_else() -> None:
    cells = json.loads((ROOT / "notebooks" / "explorer.ipynb").read_text(encoding="utf-8"))["cells"]
    assert "image/png" in cells[-1]["outputs"][0]["data"]  # for whoever reads it without running it
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert code == ["import kneebayes as kb\n\nkb.explore()"]
