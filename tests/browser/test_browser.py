"""The explorer in Chromium, from the shell, in JupyterLab and in Notebook 7: what a person clicks and sees.

Screenshots and times go to the folder in KNEEBAYES_SCREENSHOTS, where that is set.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import kneebayes as kb
from kneebayes.ui.explorer import vignettes
from tests.browser.servers import CHROMIUM, FLAGS, ROOT, served, shell

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra 'test'")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")]

MODEL = kb.load_model()
CASES = {case_id: facts for case_id, (_, facts) in vignettes(MODEL.file).items()}
CLOT = "D22"
BURST = {"known_knee_arthritis": "present", "water_running_down_calf": "present", "popliteal_swelling": "present"}
BURST |= {"sudden_onset": "present", "calf_pain": "present", "sharp_pain": "present"}
DESKTOP, NARROW = {"width": 1366, "height": 900}, {"width": 400, "height": 860}
LAPTOP = {"width": 1366, "height": 660}  # what a browser leaves of 768 lines
PATIENCE = 20_000  # milliseconds
CLOSE = 1e-6
PLACES = ("shell", "jupyterlab", "notebook")  # what serves the page; Jupyter's as they are imported
TOKEN = "for-this-test"
FRESH = 0.8  # seconds within which nobody can mean what a row has just begun to ask
KEY = MODEL.file.alarm.key_questions

RESET = ".kb-reset"
IDLE = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
RUNS = """() => document.querySelector('.kb-alarm')
  || document.querySelector('.jp-CodeCell .jp-InputPrompt').textContent.includes('*')"""
OPENED = "wanted => document.querySelectorAll('.kb-explorer details').forEach(group => { group.open = wanted; })"
# the time from a click to the new bars on the screen, taken in the page itself
CLICK = """(button) => new Promise((done, failed) => {
  const root = document.querySelector('.kb-bars');
  const told = () => [...root.children].map(bar => bar.dataset.p).join();
  const old = told();
  const start = performance.now();
  const seen = new MutationObserver(() => {
    if (told() !== old) {
      seen.disconnect();
      requestAnimationFrame(() => done(performance.now() - start));
    }
  });
  seen.observe(root, {subtree: true, childList: true});
  setTimeout(() => failed(new Error('no bar has moved within 10 seconds')), 10000);
  button.click();
})"""


@dataclass
class Visit:
    """A page, and what was wrong on it."""

    page: Any
    place: str
    shots: Path | None
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    def shoot(self, name: str) -> None:
        if self.shots is not None:
            self.shots.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=self.shots / f"{self.place}_{name}.png")

    def row(self, variable: str) -> Any:
        """Find the row of a variable that is always in the same place, and open its group if need be."""
        row = self.page.locator(f".kb-asking > .kb-{variable}, .kb-group > .kb-{variable}")
        if not row.is_visible():
            self.page.locator(f".kb-group:has(.kb-{variable}) > summary").click()
            row.wait_for(state="visible")
        return row

    def click(self, variable: str, state: str) -> float:
        """Click an answer, or what takes it back, and return the milliseconds until the bars have moved."""
        place = f"button[data-state={state}]" if state else ".kb-undo"
        return float(self.row(variable).locator(place).evaluate(CLICK))

    def posterior(self) -> dict[str, float]:
        bars = self.page.locator(".kb-bar[data-cause]")
        return dict(bars.evaluate_all("bars => bars.map(bar => [bar.dataset.cause, Number(bar.dataset.p)])"))

    def level(self) -> str:
        return str(self.page.locator(".kb-alarm").get_attribute("data-level"))

    def shows(self, facts: Mapping[str, object]) -> None:
        """Wait until the page shows what the API gives, and fail with the difference if it never does."""
        dx = MODEL.diagnose(facts)
        until = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < until:
            if self.level() == dx.alarm.level and self.posterior() == pytest.approx(dx.probabilities, abs=CLOSE):
                return
            self.page.wait_for_timeout(20)
        assert self.posterior() == pytest.approx(dx.probabilities, abs=CLOSE)
        assert self.level() == dx.alarm.level

    def known(self) -> list[str]:
        return [str(words) for words in self.page.locator(".kb-known li:not(.kb-gone) span").all_inner_texts()]

    def settles(self) -> None:
        """Wait for intervals and explanations."""
        self.page.locator(".kb-range").first.wait_for()
        playwright.expect(self.page.locator(".kb-certainty.kb-old")).to_have_count(0)

    def load(self, case_id: str) -> None:
        self.page.get_by_label("Load an example").select_option(value=case_id)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def serving(place: str, folder: Path) -> Iterator[str]:
    """Serve the explorer, and give the address of its page."""
    if place == "shell":
        with shell(folder) as address:
            yield address
        return
    shutil.copy(ROOT / "notebooks" / "explorer.ipynb", folder)
    if place == "jupyterlab":  # in the dark, so that the other colours of a theme are seen too
        settings = folder / "jupyter_config_dir" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "themes.jupyterlab-settings").write_text('{"theme": "JupyterLab Dark"}', encoding="utf-8")
    command = ["-m", place, "--port=PORT", "--no-browser", "--ip=127.0.0.1", "--allow-root"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.extension_manager=readonly", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    path = {"jupyterlab": "lab/tree/explorer.ipynb?reset&", "notebook": "notebooks/explorer.ipynb?"}[place]
    with served(folder, *command) as address:
        yield f"{address}/{path}token={TOKEN}"


def opened(browser: Any, place: str, **size: int) -> Visit:
    context = browser.new_context(viewport=size, permissions=["clipboard-read", "clipboard-write"])
    shots = os.environ.get("KNEEBAYES_SCREENSHOTS")
    visit = Visit(context.new_page(), place, Path(shots) if shots else None)
    visit.page.set_default_timeout(PATIENCE)

    def refused(route: Any) -> None:
        visit.outside.append(route.request.url)
        route.fulfill(status=200, body="")

    def heard(message: Any) -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    visit.page.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), refused)  # a test needs nobody's network
    visit.page.on("console", heard)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    return visit


@pytest.fixture(scope="module", params=PLACES)
def desktop(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    """One page in each place, for tests that each leave it without answers."""
    place = request.param
    if place != "shell" and importlib.util.find_spec(place) is None:
        pytest.skip(f"needs {place}, of the extra 'notebook'")
    visit = opened(browser, place, **DESKTOP)
    with serving(place, tmp_path_factory.mktemp(place)) as address:
        start = time.perf_counter()
        visit.page.goto(address)
        if place != "shell":
            start = run_cell(visit)
        visit.page.locator(".kb-alarm").wait_for(timeout=2 * PATIENCE)
        visit.times["cold start, seconds"] = round(time.perf_counter() - start, 2)
        yield visit
        if visit.shots is not None:
            (visit.shots / f"{place}_times.json").write_text(json.dumps(visit.times, indent=1) + "\n", encoding="utf-8")
        visit.page.context.close()


def run_cell(visit: Visit) -> float:
    """Run the cell of the notebook in JupyterLab or Notebook 7, and say when."""
    page = visit.page
    page.locator(".jp-CodeCell .cm-content").first.click(timeout=2 * PATIENCE)
    page.locator(IDLE).first.wait_for()
    visit.errors.clear()  # what went wrong before it runs is not the explorer's
    for _ in range(5):  # a key press is lost where the kernel says idle and is not connected yet
        page.locator(".jp-CodeCell .cm-content").first.click()
        start = time.perf_counter()
        page.keyboard.press("Shift+Enter")
        try:
            page.wait_for_function(RUNS, timeout=PATIENCE / 5)
        except playwright.TimeoutError:
            continue
        return start
    raise AssertionError("the cell does not run")


@pytest.fixture
def emptied(desktop: Visit) -> Iterator[Visit]:
    yield desktop
    desktop.page.locator(RESET).click()
    desktop.shows({})
    assert desktop.errors == []


def test_an_empty_case_shows_what_the_api_gives(emptied: Visit) -> None:
    emptied.shows({})
    emptied.settles()
    emptied.shoot("empty")


def test_each_click_moves_bars_and_alarm_to_what_the_api_gives(emptied: Visit, record_property: Any) -> None:
    facts: dict[str, str] = {}
    for pace, pause in (("human pace", 800), ("hurry", 60)):
        took = []
        for variable, state in {
            "unilateral_leg_swelling": "present",
            "long_travel": "present",
            "bed_confined": "absent",
            "previous_dvt": "present",
        }.items():
            facts[variable] = state
            took.append(emptied.click(variable, state))
            emptied.page.wait_for_timeout(pause)
            emptied.shows(facts)
        for variable in list(facts):
            del facts[variable]
            emptied.page.wait_for_timeout(400)  # the same row again
            took.append(emptied.click(variable, ""))
            emptied.page.wait_for_timeout(pause)
            emptied.shows(facts)
        took.sort()
        emptied.times |= {f"click to bars, ms, {pace}, median": took[len(took) // 2], f"{pace}, slowest": took[-1]}
        record_property(f"milliseconds from click to bars, {pace}, median", took[len(took) // 2])


def test_bars_stand_by_size_and_say_what_has_changed(emptied: Visit) -> None:
    emptied.click("unilateral_leg_swelling", "present")
    emptied.shows({"unilateral_leg_swelling": "present"})
    shown = list(emptied.posterior().values())
    assert shown == sorted(shown, reverse=True)
    playwright.expect(emptied.page.locator(".kb-own .kb-change")).to_contain_text("up from")


def test_a_clot_is_urgent_and_says_why_beside_it(emptied: Visit) -> None:
    emptied.load(CLOT)
    emptied.shows(CASES[CLOT])
    emptied.settles()
    dx = MODEL.diagnose(CASES[CLOT])
    assert dx.alarm.level == "urgent"
    assert all(reason in emptied.page.locator(".kb-alarm").inner_text() for reason in dx.alarm.reasons)
    assert len(emptied.known()) == len(CASES[CLOT])
    emptied.shoot("clot")


def test_a_ruptured_cyst_answered_by_hand(emptied: Visit) -> None:
    for name in BURST:
        emptied.click(name, "present")
    emptied.shows(BURST)
    emptied.settles()
    emptied.shoot("ruptured_cyst")


def test_what_is_recorded_stays_in_sight_and_can_be_taken_back(emptied: Visit) -> None:
    page = emptied.page
    slot = page.locator(".kb-slot:has(button[data-state=absent])").first
    page.wait_for_timeout(1000 * FRESH)
    name = slot.locator(".kb-row").get_attribute("data-name")
    no = slot.locator("button[data-state=absent]")
    no.click()
    emptied.shows({name: "absent"})
    playwright.expect(no).to_have_attribute("aria-pressed", "true")  # in its row, while the pointer is there
    assert emptied.known() == [f"{MODEL.file.variables[name].label}: no"]
    page.mouse.move(5, 5)
    playwright.expect(slot.locator(f".kb-{name}")).to_have_count(0)
    back = page.locator(".kb-known .kb-undo")
    back.dblclick()
    emptied.shows({})
    playwright.expect(page.locator(".kb-known .kb-gone")).to_have_count(1)  # does not make room under the pointer
    page.mouse.move(5, 5)
    playwright.expect(page.locator(".kb-known li")).to_have_count(0)


def test_what_was_forgotten_can_be_brought_back(emptied: Visit) -> None:
    emptied.click("long_travel", "present")
    emptied.shows({"long_travel": "present"})
    emptied.page.locator(RESET).click()
    emptied.shows({})
    emptied.page.wait_for_timeout(1000 * FRESH)
    emptied.page.get_by_role("button", name="Bring them back").click()
    emptied.shows({"long_travel": "present"})


def test_another_model_takes_the_answers_over(emptied: Visit) -> None:
    emptied.click("long_travel", "present")
    emptied.shows({"long_travel": "present"})
    chooser = emptied.page.get_by_label("Model", exact=True)
    chooser.select_option(value="posterior_knee_pain_extended")
    # fourteen causes take their time
    playwright.expect(emptied.page.locator(".kb-asking > .kb-active_cancer")).to_have_count(1, timeout=5 * PATIENCE)
    assert emptied.page.locator(".kb-tools > b").evaluate("title => title.scrollWidth <= title.clientWidth")
    emptied.row("active_cancer").locator("button[data-state=absent]").click()
    playwright.expect(emptied.page.locator(".kb-known li")).to_have_count(2, timeout=5 * PATIENCE)
    emptied.shoot("extended")
    chooser.select_option(value="")
    playwright.expect(emptied.page.locator(".kb-message")).to_contain_text("active_cancer", timeout=5 * PATIENCE)
    emptied.shows({"long_travel": "present"})


def test_what_cannot_be_is_said_and_not_shown(emptied: Visit) -> None:
    age = emptied.page.locator(".kb-age input")
    age.fill("sixty")
    age.press("Enter")
    playwright.expect(emptied.page.locator(".kb-message")).to_contain_text("sixty", timeout=PATIENCE)
    playwright.expect(age).to_have_value("")
    age.fill("67")
    age.press("Enter")
    emptied.shows({"age": 67})
    playwright.expect(emptied.page.locator(".kb-message")).to_be_empty()


def test_what_the_rest_rules_out_is_not_offered(emptied: Visit) -> None:
    choices = emptied.row("pregnancy").locator("option")
    pregnant = choices.and_(emptied.page.locator("[value=pregnant]"))
    playwright.expect(pregnant).to_be_enabled()
    emptied.click("sex", "male")
    playwright.expect(pregnant).to_be_disabled()
    playwright.expect(pregnant).to_have_text("pregnant: not possible with Sex: male")
    emptied.click("sex", "")
    playwright.expect(pregnant).to_be_enabled()
    emptied.row("pregnancy").locator("select").select_option(value="pregnant")
    male = emptied.row("sex").locator("button[data-state=male]")
    playwright.expect(male).to_be_disabled()
    playwright.expect(male).to_have_attribute("title", re.compile("not possible with Pregnant"))


def test_the_keyboard_is_enough_and_jupyter_takes_no_key(emptied: Visit) -> None:
    page, press = emptied.page, emptied.page.keyboard.press
    cells = page.locator(".jp-Cell").count()
    page.locator(".kb-sex button[data-state]").last.focus()
    press("Tab")
    press("Enter")  # the first key question: yes
    facts = {KEY[0]: "present"}
    emptied.shows(facts)
    press("x")  # in a notebook, this would cut the cell
    press("Tab")
    press("Space")
    emptied.shows({KEY[0]: "absent"})
    press("Tab")
    press("Enter")  # undo
    emptied.shows({})
    press("Enter")  # there is nothing to take back any more
    press("Tab")
    press("Enter")
    emptied.shows({KEY[0]: "present"})
    assert page.locator(".jp-Cell").count() == cells


@pytest.mark.parametrize("case", ["", CLOT, "emergency"])
def test_axe_finds_nothing_serious(emptied: Visit, case: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    if case == "emergency":
        for name in ("unilateral_leg_swelling", "breathlessness_chest_pain"):
            emptied.click(name, "present")
        playwright.expect(emptied.page.locator(".kb-emergency")).to_have_count(1)
    elif case:
        emptied.load(case)
    emptied.settles()
    emptied.page.evaluate(OPENED, True)
    found = axe.Axe().run(emptied.page, context=".kb-explorer").response["violations"]
    emptied.page.evaluate(OPENED, False)
    serious = [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []


def test_the_case_is_copied_as_code(emptied: Visit) -> None:
    emptied.click("long_travel", "present")
    emptied.shows({"long_travel": "present"})
    code = "model.diagnose({'long_travel': 'present'})"
    emptied.page.get_by_text("As code").click()
    playwright.expect(emptied.page.locator(".kb-as-code pre")).to_contain_text(code)
    button = emptied.page.locator(".kb-as-code .kb-copy")
    button.click()
    playwright.expect(button).to_have_text("Copied")
    assert code in emptied.page.evaluate("navigator.clipboard.readText()")
    emptied.page.get_by_text("As code").click()


def test_the_case_is_copied_as_a_paragraph_for_a_record(emptied: Visit) -> None:
    emptied.click("long_travel", "present")
    emptied.shows({"long_travel": "present"})
    emptied.page.get_by_text("For the record").click()
    emptied.page.locator(".kb-as-record .kb-copy").click()
    playwright.expect(emptied.page.locator(".kb-as-record .kb-copy")).to_have_text("Copied")
    copied = emptied.page.evaluate("navigator.clipboard.readText()")
    assert copied == MODEL.diagnose({"long_travel": "present"}).text()
    emptied.page.get_by_text("For the record").click()


def test_questions_that_are_being_worked_out_are_said_to_be(browser: Any, tmp_path: Path) -> None:
    with shell(tmp_path) as address:
        page, held = opened(browser, "shell", **DESKTOP).page, list[Any]()
        page.route("**/say", lambda route: held.append(route))
        page.goto(address)
        heading = page.get_by_role("heading", name="Ask next")
        playwright.expect(heading).to_have_text("Ask next: being worked out ...")
        page.unroute("**/say")
        for route in held:
            route.continue_()
        playwright.expect(page.locator(".kb-slot .kb-row")).to_have_count(4)
        playwright.expect(heading).to_have_text("Ask next")
        page.context.close()


def test_in_a_hurry_answers_do_not_wait_for_what_is_to_be_asked_between_them(browser: Any, tmp_path: Path) -> None:
    with shell(tmp_path) as address:
        visit, asked = opened(browser, "shell", **DESKTOP), list[str]()
        visit.page.goto(address)
        visit.settles()
        visit.page.on("request", lambda sent: asked.append(sent.post_data or ""))
        for name in KEY[:2] * 6:
            visit.page.locator(f".kb-asking > .kb-{name} button:not(.kb-undo):not([aria-pressed=true])").last.click()
            visit.page.wait_for_timeout(50)
        visit.settles()
        assert sum('"answer"' in words for words in asked) == 12
        assert 1 <= sum('"ask"' in words for words in asked) <= 3
        visit.page.context.close()


def test_a_program_that_has_ended_is_told_while_the_page_loads_and_after(browser: Any, tmp_path: Path) -> None:
    with shell(tmp_path) as address:
        page = opened(browser, "shell", **DESKTOP).page
        ended = page.locator("#lost")
        page.route("**/state", lambda route: route.abort())
        page.goto(address)
        playwright.expect(ended).to_be_visible()
        playwright.expect(page.locator("#starting")).to_have_count(0)
        page.unroute("**/state")
        page.goto(address)
        page.locator(".kb-range").first.wait_for()
        playwright.expect(ended).to_be_hidden()
        page.route("**/say", lambda route: route.abort())
        page.locator(f".kb-{KEY[0]} button").first.click()
        playwright.expect(ended).to_be_visible()
        page.context.close()


def test_a_laptop_shows_what_decides_without_scrolling(emptied: Visit) -> None:
    if emptied.place != "shell":
        pytest.skip("a notebook gives the page what room it has")
    page = emptied.page
    page.set_viewport_size(LAPTOP)
    try:
        emptied.load(CLOT)
        emptied.shows(CASES[CLOT])
        for part in (".kb-alarm", ".kb-bar:last-child", ".kb-slot:nth-child(13)", f".kb-asking > .kb-{KEY[-1]}"):
            playwright.expect(page.locator(part)).to_be_in_viewport(ratio=0.9)
    finally:
        page.set_viewport_size(DESKTOP)


def test_a_phone_shows_all_of_it_and_the_alarm_stays_in_sight(emptied: Visit) -> None:
    page = emptied.page
    if emptied.place == "jupyterlab":
        pytest.skip("JupyterLab's own panels leave no room on a phone: that is what the page from the shell is for")
    page.set_viewport_size(NARROW)
    try:
        emptied.load(CLOT)
        emptied.shows(CASES[CLOT])
        emptied.settles()
        emptied.shoot("clot_narrow_top")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        for button in page.locator(".kb-row button:visible").all()[:12]:
            box = button.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= NARROW["width"]
        row, bars = page.locator(".kb-asking > .kb-sex"), page.locator(".kb-bars")
        assert bars.bounding_box()["y"] + bars.bounding_box()["height"] <= row.bounding_box()["y"]
        page.locator(".kb-bar").first.scroll_into_view_if_needed()
        emptied.shoot("clot_narrow_bars")
        place = row.bounding_box()
        for state in ("present", "absent"):  # whatever bars and alarm come to say, the rows below them stay
            emptied.click("breathlessness_chest_pain", state)
            emptied.shows({**CASES[CLOT], "breathlessness_chest_pain": state})
            assert row.bounding_box() == place
        page.locator(".kb-known li").last.scroll_into_view_if_needed()
        if emptied.place == "shell":
            playwright.expect(page.locator(".kb-alarm")).to_be_in_viewport(ratio=0.9)
    finally:
        page.set_viewport_size(DESKTOP)


def test_a_print_has_the_colours_of_bars_and_answers_on_white(emptied: Visit) -> None:
    if emptied.place != "shell":
        pytest.skip("Jupyter prints in its own way")
    emptied.page.emulate_media(media="print", color_scheme="dark")
    looks = "node => [getComputedStyle(node).printColorAdjust, getComputedStyle(node).backgroundColor]"
    assert emptied.page.locator(".kb-explorer").evaluate(looks) == ["exact", "rgb(255, 255, 255)"]
    emptied.page.emulate_media(media="screen", color_scheme="light")


def test_no_request_leaves_the_machine(desktop: Visit) -> None:
    assert desktop.outside == []


# Misclicks


# A question that leaves and comes back is another row, which takes no click at first: each row gets a number.
SEEN = """() => ({slots: [...document.querySelectorAll('.kb-slot .kb-row')]
    .map(row => row.nth ??= window.nth = (window.nth ?? 0) + 1),
  known: [...document.querySelectorAll('.kb-known li')].map(row => row.dataset.name),
  buttons: [...document.querySelectorAll(
      '.kb-asking > .kb-row button, .kb-slot .kb-row button, .kb-known li:not(.kb-gone) button')]
    .filter(button => !button.disabled).map(button => {
      const box = button.getBoundingClientRect();
      return {x: box.x + box.width / 2, y: box.y + box.height / 2,
        place: button.closest('.kb-slot, .kb-known')?.className ?? '',
        nth: button.closest('.kb-row')?.nth,
        name: button.closest('[data-name]').dataset.name, state: button.dataset.state ?? ''};
    }).filter(({x, y}) => document.elementFromPoint(x, y)?.matches('button'))})"""
FOCUSED = """() => {
  const button = document.activeElement.closest('.kb-asking > .kb-row button, .kb-slot .kb-row button');
  return button && {name: button.closest('[data-name]').dataset.name, state: button.dataset.state ?? ''};
}"""


def test_what_is_recorded_is_what_the_first_click_of_each_said(browser: Any, tmp_path: Path) -> None:
    draw = random.Random(20261126)
    with shell(tmp_path) as address:
        visit = opened(browser, "shell", **LAPTOP)
        page, last = visit.page, ""
        expected: dict[str, str] = {}
        since: dict[object, float] = {}
        listed: list[str] = []
        page.goto(address)
        page.locator(".kb-range").first.wait_for()

        def take(target: Mapping[str, Any]) -> None:
            expected.pop(target["name"], None)
            if target["state"]:
                expected[target["name"]] = target["state"]

        def meant() -> Any:
            """Choose a button as a person does, who sees what has been in its place for a moment."""
            nonlocal listed
            while True:
                seen, now = page.evaluate(SEEN), time.monotonic()
                moved = seen["known"][: len(listed)] != listed
                listed = seen["known"]
                there: dict[object, float] = {**{nth: since.get(nth, now) for nth in seen["slots"]}, "": 0.0}
                there["kb-known"] = now if moved else since.get("kb-known", 0.0)
                since.clear()
                since.update(there)
                places = {"": "", "kb-known": "kb-known"}
                fit = [
                    button
                    for button in seen["buttons"]
                    if now - since[places.get(button["place"], button["nth"])] > FRESH and button["name"] != last
                ]
                asked = [button for button in fit if button["place"]]
                if fit:
                    return draw.choice(asked if asked and draw.random() < 0.7 else fit)
                page.wait_for_timeout(50)

        for _ in range(200):
            kind = draw.choice(["double", "double", "double", "hurry", "keys"])
            if kind == "keys":
                for _ in range(draw.randint(1, 3)):
                    page.keyboard.press("Tab")
                page.wait_for_timeout(1000 * FRESH)
                target = page.evaluate(FOCUSED)
                if target is None:
                    continue
                for _ in range(2):
                    page.keyboard.press("Enter")
                    page.wait_for_timeout(draw.choice([10, 60, 150]))
                take(target)
                last = target["name"]
                continue
            target = meant()
            page.mouse.move(target["x"], target["y"])
            if target not in page.evaluate(SEEN)["buttons"]:  # it has moved away while the hand moved there
                continue
            page.mouse.down()
            page.mouse.up()
            take(target)
            last = target["name"]
            if kind == "double":
                page.wait_for_timeout(draw.choice([0, 30, 120, 300, 600, 1000, 1600]))
                page.mouse.down()
                page.mouse.up()
        facts: dict[str, str] = {}
        until = time.monotonic() + PATIENCE / 1000
        while facts != expected and time.monotonic() < until:  # a busy machine is some clicks behind
            page.wait_for_timeout(500)
            facts = page.evaluate("async () => (await (await fetch('state')).json()).view.facts")
        page.wait_for_timeout(1500)
        shown = {word.split(": ")[0]: word.split(": ")[1] for word in visit.known()}
        assert facts == expected
        spec = MODEL.file
        assert shown == dict(spec.describe(name, state).split(": ") for name, state in expected.items())
        assert visit.errors == []
        page.context.close()
