"""The explorer without a browser: the case being explored, what the page says and is told, and what carries it."""

from __future__ import annotations

import asyncio
import http.client
import json
import runpy
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kneebayes as kb
from kneebayes.errors import CaseError, MissingExtraError, OptionError, UnknownColumnError
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.ui import explorer as explorer_module
from kneebayes.ui.explorer import HOST, Explorer, ExplorerServer, vignettes
from kneebayes.ui.session import KEPT, Exploration, control_of
from kneebayes.ui.widget import explore
from tests.oracles import random_model

ROOT = Path(__file__).parents[2]
MODEL = kb.load_model()
ANKLE = kb.load_model(ROOT / "examples" / "ankle.yaml")
CLOT = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": True}


def exploration(**facts: object) -> Exploration:
    return Exploration(MODEL.file, MODEL.diagnose, facts)


# The case being explored


def test_every_variable_has_one_control_in_its_group() -> None:
    names = [name for _, members in exploration().sections() for name in members]
    assert sorted(names) == sorted([*MODEL.file.causes, *MODEL.file.asked])
    assert [label for label, _ in exploration().sections()] == list(MODEL.file.groups.values())


def test_controls_say_yes_before_no_and_numbers_their_unit() -> None:
    controls = {name: control_of(MODEL.file, name) for name in ("calf_pain", "sport", "age")}
    assert controls["calf_pain"].choices == (("yes", "present"), ("no", "absent"))
    assert [state for _, state in controls["sport"].choices] == list(MODEL.file.variables["sport"].states)
    assert [control.unit for control in controls.values()] == ["", "", "years"]


def test_age_sex_and_the_key_questions_come_first() -> None:
    assert exploration().first() == ["age", "sex", *MODEL.file.alarm.key_questions]


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


def test_answers_that_the_rest_rules_out_are_told_with_what_does_it() -> None:
    case = exploration(sex="male", calf_pain=True)
    assert set(case.ruled_out()) == {"pregnancy"}
    assert set(case.ruled_out()["pregnancy"]) == {"pregnant", "postpartum_6_weeks"}
    assert case.ruled_out()["pregnancy"]["pregnant"] == "pregnant: not possible with Sex: male"
    case.answer("sex", "female")
    assert case.ruled_out() == {}


def certain() -> kb.Model:
    """Make a model in which a cause always brings a sign about."""
    content = random_model(1).model_dump()
    always = {"p": 1.0, "range": (0.0, 1.0), "basis": "judgement", "why": "x"}
    content["findings"]["f1"]["links"] = {"c1": {"present": always}}
    return kb.Model(ModelSpec.model_validate(content))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "facts", "some"),
    [
        (MODEL, {"age": 30, "pregnancy": "pregnant", "leg_swelling": "one", "fever": "present:0.8"}, ("sex", "male")),
        (ANKLE, {}, None),
        (certain(), {"c1": "present"}, ("f1", "absent")),
        (certain(), {"f1": "absent"}, ("c1", "present")),
    ],
    ids=["knee", "ankle", "a cause", "a sign"],
)
def test_what_is_ruled_out_is_what_is_refused(
    model: kb.Model, facts: dict[str, object], some: tuple[str, str] | None
) -> None:
    begun, refused = model.diagnose(facts), []

    def diagnose(case: Mapping[str, object]) -> kb.Diagnosis:
        return begun if case == facts else model.diagnose(case)

    for name in Exploration(model.file, model.diagnose).asked:
        control = control_of(model.file, name)
        for _, state in () if control.unit else control.choices:
            case = Exploration(model.file, diagnose, facts)
            try:
                case.answer(name, state)
            except CaseError:
                refused.append((name, state))
    case = Exploration(model.file, model.diagnose, facts)
    told = [(name, state) for name, states in case.ruled_out().items() for state in states]
    assert sorted(told) == sorted(refused)
    assert some is None or some in told


def test_a_number_that_stands_for_another_variable_becomes_its_state() -> None:
    case = exploration(duration_days=90, calf_pain=None)
    assert case.facts == {"duration": "six_weeks_to_6_months"}
    assert case.dx.probabilities == MODEL.diagnose({"duration_days": 90}).probabilities


def test_a_state_that_columns_ask_in_parts_becomes_their_answers() -> None:
    case = exploration(leg_swelling="both")
    assert case.facts == {"unilateral_leg_swelling": "absent", "bilateral_leg_swelling": "present"}
    assert [case.state(name) for name in case.facts] == ["absent", "present"]
    assert case.dx.probabilities == MODEL.diagnose({"leg_swelling": "both"}).probabilities


def test_an_answer_takes_the_place_of_facts_that_no_control_shows() -> None:
    case = exploration(pain_over_6_weeks="yes")
    assert case.facts == {"pain_over_6_weeks": "yes"}
    case.answer("duration", "under_1_week")
    assert case.facts == {"duration": "under_1_week"}


def test_controls_show_states_however_the_facts_were_written() -> None:
    case = exploration(calf_pain="Yes", age=67, fever=False, sharp_pain="present:0.8")
    shown = [case.state(name) for name in ("calf_pain", "age", "fever", "sharp_pain", "thigh_pain")]
    assert shown == ["present", "67", "absent", None, None]


def test_answers_that_come_back_bring_their_diagnosis_with_them() -> None:
    case = exploration(calf_pain=True)
    before = case.dx
    case.answer("fever", "present")
    case.answer("fever", "")
    assert case.dx is before
    for age in range(20, 20 + KEPT):
        case.answer("age", str(age))
    case.answer("age", "")
    assert case.dx is not before
    assert case.dx.probabilities == before.probabilities


def test_what_is_answered_anew_keeps_its_place() -> None:
    case = exploration(calf_pain=True, fever=True)
    case.answer("calf_pain", "absent")
    assert case.facts == {"calf_pain": "absent", "fever": True}
    assert [case.said(name) for name in case.facts] == ["no", "yes"]


def test_the_same_answer_again_changes_nothing() -> None:
    case = exploration()
    case.answer("calf_pain", "present")
    before = case.before
    case.answer("calf_pain", "present")
    assert case.before is before


@pytest.mark.parametrize("thresholds", [None, kb.Thresholds(0.03, 0.2)], ids=["own", "changed"])
def test_the_code_gives_the_same_diagnosis(
    thresholds: kb.Thresholds | None, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Explorer(MODEL, case=CLOT, thresholds=thresholds)
    exec(shown.exploration.code(), {})
    assert capsys.readouterr().out.strip() == str(shown.dx).strip()


def test_the_code_of_another_model_says_which() -> None:
    assert "kb.load_model('ankle.yaml')" in Exploration(ANKLE.file, ANKLE.diagnose).code()


# Examples


def test_every_vignette_can_be_loaded() -> None:
    cases = vignettes(MODEL.file)
    assert len(cases) == 25
    for _, facts in cases.values():
        assert exploration(**facts).facts


def test_another_model_has_no_examples() -> None:
    assert vignettes(ANKLE.file) == {}


# What the page says and is told


def view_of(explorer: Explorer, **message: Any) -> dict[str, Any]:
    return explorer.hear(message)["view"]


def test_an_answer_moves_everything_on_the_page() -> None:
    explorer = Explorer(MODEL)
    before = explorer.view()
    after = view_of(explorer, do="answer", name="unilateral_leg_swelling", value="present", seq=7)
    dx = MODEL.diagnose({"unilateral_leg_swelling": True})
    assert {bar["name"]: bar["p"] for bar in after["bars"]} == dx.probabilities
    assert {bar["name"]: bar["before"] for bar in after["bars"]} == MODEL.diagnose({}).probabilities
    assert (after["alarm"]["level"], after["alarm"]["reasons"]) == (dx.alarm.level, dx.alarm.reasons)
    assert after["known"] == [("unilateral_leg_swelling", "One lower leg swollen", "yes")]
    assert (before["seq"], after["seq"]) == (0, 7)


def test_bars_stand_by_size_and_say_what_has_changed() -> None:
    bars = Explorer(MODEL, case={"unilateral_leg_swelling": True}).view()["bars"]
    assert [bar["p"] for bar in bars] == sorted((bar["p"] for bar in bars), reverse=True)
    assert next(bar["change"] for bar in bars if bar["own"]).startswith("up from ")
    assert all(bar["change"] == "" for bar in Explorer(MODEL).view()["bars"])


def test_bars_say_how_likely_a_burst_cyst_is() -> None:
    explorer = Explorer(MODEL, case={"water_running_down_calf": True})
    cyst = next(bar for bar in explorer.view()["bars"] if bar["name"] == "bakers_cyst")
    assert cyst["states"][0].startswith("burst cyst ")


@pytest.mark.parametrize(
    "message",
    [
        {"do": "answer", "name": "age", "value": "sixty"},
        {"do": "answer", "name": "calf_pian", "value": "present"},
        {"do": "answer", "name": "pregnancy", "value": "pregnant"},
        {"do": "model", "name": "nothing"},
    ],
    ids=["value", "name", "contradiction", "model"],
)
def test_what_cannot_be_is_said_and_changes_nothing(message: dict[str, Any]) -> None:
    explorer = Explorer(MODEL, case={"sex": "male"})
    before = explorer.view()
    after = explorer.hear({**message, "seq": 1})["view"]
    assert after.pop("problem")
    assert after.pop("seq") == 1
    assert after == {name: content for name, content in before.items() if name not in ("problem", "seq")}
    assert view_of(explorer, do="answer", name="age", value="60")["problem"] == ""


def test_examples_take_the_place_of_the_case() -> None:
    explorer = Explorer(MODEL, case={"fever": True})
    case_id, (_, facts) = next(iter(vignettes(MODEL.file).items()))
    loaded = view_of(explorer, do="example", name=case_id)["facts"]
    assert MODEL.diagnose(loaded).probabilities == MODEL.diagnose(facts).probabilities
    assert "fever" not in loaded or "fever" in facts
    assert view_of(explorer, do="load", facts={})["facts"] == {}


@pytest.mark.slow
def test_what_another_model_does_not_know_is_set_aside_and_said() -> None:
    explorer = Explorer(MODEL, case={"calf_pain": True})
    extended = explorer.hear({"do": "model", "name": "extended"})
    assert "active_cancer" in extended["form"]["controls"]
    explorer.hear({"do": "answer", "name": "active_cancer", "value": "absent"})
    back = explorer.hear({"do": "model", "name": ""})
    assert "active_cancer" in back["view"]["problem"]
    assert back["view"]["facts"] == {"calf_pain": True}
    assert explorer.hear({"do": "model", "name": "extended"})["view"]["facts"] == {
        "active_cancer": "absent",
        "calf_pain": True,
    }


def test_it_says_how_sure_it_is_as_the_api_does() -> None:
    explorer = Explorer(MODEL, case=CLOT)
    sure, why = explorer.hear({"do": "sure"})["sure"], explorer.hear({"do": "why"})["why"]
    table = MODEL.diagnose(CLOT).intervals()
    assert sure["ranges"]["dvt"][:2] == pytest.approx((table.loc["dvt", "low"], table.loc["dvt", "high"]))
    assert sure["sentence"] == table.attrs["sentence"]
    assert [lines[0] for lines in why["lines"]] == [str(e).splitlines()[0] for e in explorer.dx.explanations()]


def test_it_says_what_to_ask_key_questions_first_and_of_which_case() -> None:
    explorer = Explorer(MODEL)
    keys = [key for _, key in explorer.hear({"do": "ask"})["ask"]["questions"]]
    assert keys == sorted(keys, reverse=True)
    assert (keys[0], keys[-1]) == (True, False)
    view_of(explorer, do="answer", name=MODEL.file.alarm.key_questions[0], value="absent", seq=3)
    ask = explorer.hear({"do": "ask"})["ask"]
    assert ask["seq"] == 3
    assert (MODEL.file.alarm.key_questions[0], True) not in ask["questions"]


def test_what_was_worked_out_of_a_case_comes_back_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = Explorer(MODEL)
    before = explorer.later("ask")
    view_of(explorer, do="answer", name="calf_pain", value="present", seq=1)
    view_of(explorer, do="answer", name="calf_pain", value="", seq=2)
    monkeypatch.delattr(explorer_module, "open_questions")
    assert explorer.later("ask") == {**before, "seq": 2, "nth": 1}


def test_no_two_answers_to_the_page_are_equal() -> None:
    explorer = Explorer(MODEL)
    assert explorer.later("ask") != explorer.later("ask")


def test_points_stand_beside_the_posterior_where_an_item_is_known() -> None:
    assert Explorer(MODEL).view()["wells"] == ""
    assert "1 of 10 items known" in Explorer(MODEL, case={"previous_dvt": True}).view()["wells"]
    assert Explorer(ANKLE).view()["wells"] == ""


def test_all_of_it_is_json_whatever_the_facts_are_made_of() -> None:
    explorer = Explorer(MODEL, case={"age": np.int64(67), "calf_pain": np.bool_(True), "fever": {"present": 0.8}})
    content = {"form": explorer.form(), "view": explorer.view()}
    content |= {kind: explorer.later(kind) for kind in ("ask", "sure", "why")}
    assert json.loads(json.dumps(content, allow_nan=False))["view"]["facts"]["age"] == 67
    assert "-0.0" not in json.dumps(content)


def test_any_model_can_be_explored() -> None:
    name = next(iter(ANKLE.file.findings))
    view = view_of(Explorer(ANKLE), do="answer", name=name, value=ANKLE.file.findings[name].states[1])
    assert {bar["name"]: bar["p"] for bar in view["bars"]} == ANKLE.diagnose({name: True}).probabilities


# In a notebook


def test_it_shows_itself_and_hears_clicks() -> None:
    async def click() -> None:
        shown = explore(case={"fever": True})
        bundle: Any = shown._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in str(bundle)
        shown._handle_custom_msg({"do": "answer", "name": "calf_pain", "value": "present", "seq": 1}, [])
        assert shown.facts == {"fever": True, "calf_pain": "present"}
        assert shown.view["answers"]["calf_pain"] == "present"
        shown._handle_custom_msg({"do": "sure"}, [])
        await shown._asked
        assert shown.sure["seq"] == 1

    asyncio.run(click())


def test_a_name_in_place_of_a_model_gets_the_right_call() -> None:
    with pytest.raises(OptionError, match=r"explore\(kb\.load_model\('extended'\)\)"):
        explore("extended")  # type: ignore[arg-type]


def test_a_case_that_is_no_mapping_gets_the_right_call() -> None:
    with pytest.raises(CaseError, match=r"a case is a mapping, not a str: model\.diagnose"):
        explore(case="age=67")  # type: ignore[arg-type]


def test_without_anywidget_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "kneebayes.ui.widget", raising=False)
    monkeypatch.delitem(vars(kb), "explore", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'kneebayes\[notebook\]'"):
        kb.explore()


# From a shell


@pytest.fixture
def server() -> Iterator[ExplorerServer]:
    with ExplorerServer(Explorer(MODEL, case={"fever": True})) as own:
        threading.Thread(target=own.serve_forever, daemon=True).start()
        yield own
        own.shutdown()


def asked(
    server: ExplorerServer, path: str, *, body: str | None = None, host: str | None = None
) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=20)
    headers = {"Host": host or f"{HOST}:{server.server_port}"}
    connection.request("POST" if body is not None else "GET", path, body, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def test_the_page_and_what_it_loads_come_from_the_server_alone(server: ExplorerServer) -> None:
    for name in ("", "page.css", "page.js", "start.js", "state"):
        status, text, headers = asked(server, f"/{server.key}/{name}")
        assert (status, "://" in text.replace("http://127.0.0.1", "")) == (200, False), name
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_a_click_is_heard(server: ExplorerServer) -> None:
    message = {"do": "answer", "name": "calf_pain", "value": "present", "seq": 1}
    status, text, _ = asked(server, f"/{server.key}/say", body=json.dumps(message))
    assert (status, json.loads(text)["view"]["facts"]) == (200, {"fever": True, "calf_pain": "present"})


def test_answers_over_one_connection_do_not_wait_for_each_other_to_be_confirmed(server: ExplorerServer) -> None:
    connection, took = http.client.HTTPConnection(HOST, server.server_port, timeout=20), []
    for value in ["present", "absent"] * 15:  # the same two cases, which are diagnosed once
        start = time.perf_counter()
        body = json.dumps({"do": "answer", "name": "calf_pain", "value": value})
        connection.request("POST", f"/{server.key}/say", body)
        assert connection.getresponse().read()
        took.append(time.perf_counter() - start)
    connection.close()
    assert sorted(took)[len(took) // 2] < 0.03  # two writes for one answer take 40 ms more, on Linux


def test_who_does_not_know_the_address_or_comes_by_another_name_gets_nothing(server: ExplorerServer) -> None:
    own = f"/{server.key}/state"
    assert asked(server, own, host=f"evil.example:{server.server_port}")[0] == 404
    for path in ("/", "/state", "/guess/state", own + "/", f"/{server.key}/../page.py", "nothing"):
        assert asked(server, path)[0] == 404, path
    assert asked(server, "/guess/say", body="{}")[0] == 404
    assert asked(server, f"/{server.key}/say", body="")[0] == 404


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
