"""The explorer in Chromium, served by Voila and by JupyterLab: what a person clicks and sees.

Screenshots and times go to the folder in KNEEBAYES_SCREENSHOTS, where that is set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import kneebayes as kb
from kneebayes.vignettes import vignettes
from tests.browser.servers import CHROMIUM, FLAGS, ROOT, served

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra 'test'")
pytest.importorskip("voila", reason="needs voila, of the extra 'notebook'")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

MODEL = kb.load_model()
CASES = {case.case_id: case.facts for case in vignettes(MODEL.file)}
CLOT = "D22"
BURST = {"known_knee_arthritis": "present", "water_running_down_calf": "present", "popliteal_swelling": "present"}
BURST |= {"sudden_onset": "present", "calf_pain": "present", "sharp_pain": "present"}
DESKTOP, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 860}
PATIENCE = 20_000  # milliseconds
CLOSE = 1e-6

# the time from a click to the new bars on the screen, taken in the page itself
CLICK = """(button) => new Promise((done, failed) => {
  const root = document.querySelector('.kb-results');
  const old = root.querySelector('.kb-bar[data-cause]').dataset.p;
  const start = performance.now();
  const seen = new MutationObserver(() => {
    const bar = root.querySelector('.kb-bar[data-cause]');
    if (bar && bar.dataset.p !== old) {
      seen.disconnect();
      requestAnimationFrame(() => done(performance.now() - start));
    }
  });
  seen.observe(root, {subtree: true, childList: true, characterData: true});
  setTimeout(() => failed(new Error('no bar has moved within 10 seconds')), 10000);
  button.click();
})"""


@dataclass
class Visit:
    """A page, and what was wrong on it."""

    page: Any
    shots: Path | None
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    def shoot(self, name: str) -> None:
        if self.shots is not None:
            self.shots.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=self.shots / f"{name}.png")

    def click(self, variable: str, word: str) -> float:
        """Click an answer and return the milliseconds until the bars have moved."""
        row = self.page.locator(f".kb-{variable}")
        if not row.is_visible():
            group = MODEL.file.groups[MODEL.file.variables[variable].group]
            self.page.locator(".kb-group", has_text=group).click()
            row.wait_for(state="visible")
        button = row.get_by_role("button", name=word, exact=True)
        return float(button.evaluate(CLICK))

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

    def settles(self) -> None:
        """Wait for intervals and explanations."""
        self.page.locator(".kb-range").first.wait_for(timeout=PATIENCE)

    def load(self, start: str) -> None:
        options = self.page.locator(".kb-tools option").all_inner_texts()
        self.page.locator(".kb-tools select").select_option(label=next(o for o in options if o.startswith(start)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("voila")
    notebook = shutil.copy(ROOT / "notebooks" / "explorer.ipynb", folder)
    with served(folder, "-m", "voila", str(notebook), "--port=PORT", "--no-browser", "--Voila.ip=127.0.0.1") as address:
        yield address


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(ROOT / "notebooks" / "explorer.ipynb", folder)
    options = [
        "--port=PORT",
        "--no-browser",
        "--ip=127.0.0.1",
        "--allow-root",
        "--IdentityProvider.token=for-this-test",
    ]
    options += [f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None"]
    with served(folder, "-m", "jupyterlab", *options) as address:
        yield f"{address}/lab/tree/explorer.ipynb?reset&token=for-this-test"


def opened(browser: Any, **size: int) -> Visit:
    context = browser.new_context(viewport=size, permissions=["clipboard-read", "clipboard-write"])
    shots = os.environ.get("KNEEBAYES_SCREENSHOTS")
    visit = Visit(context.new_page(), Path(shots) if shots else None)
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


@pytest.fixture(scope="module")
def desktop(browser: Any, voila: str) -> Iterator[Visit]:
    """One page for the tests in Voila, which each leave it without answers."""
    visit = opened(browser, **DESKTOP)
    start = time.perf_counter()
    visit.page.goto(voila)
    visit.page.locator(".kb-alarm").wait_for(timeout=2 * PATIENCE)
    visit.times["cold start, seconds"] = round(time.perf_counter() - start, 2)
    yield visit
    if visit.shots is not None:
        (visit.shots / "times.json").write_text(json.dumps(visit.times, indent=1) + "\n", encoding="utf-8")
    visit.page.context.close()


@pytest.fixture
def emptied(desktop: Visit) -> Iterator[Visit]:
    yield desktop
    desktop.page.get_by_role("button", name="Reset").click()
    desktop.shows({})
    assert desktop.errors == []


def test_an_empty_case_shows_what_the_api_gives(emptied: Visit) -> None:
    emptied.shows({})
    emptied.settles()
    emptied.shoot("empty")


def test_each_click_moves_bars_and_alarm_to_what_the_api_gives(emptied: Visit, record_property: Any) -> None:
    facts: dict[str, str] = {}
    took = []
    clicks = {"calf_pain": "yes", "unilateral_leg_swelling": "yes", "long_travel": "yes", "knee_locking": "no"}
    for variable, word in clicks.items():
        facts[variable] = "present" if word == "yes" else "absent"
        took.append(emptied.click(variable, word))
        emptied.shows(facts)
    for variable in list(facts):
        del facts[variable]
        took.append(emptied.click(variable, "?"))
        emptied.shows(facts)
    middle = sorted(took)[len(took) // 2]
    record_property("milliseconds from click to bars, median", middle)
    emptied.times |= {"click to bars, ms, median": round(middle, 1), "click to bars, ms, slowest": round(max(took), 1)}


def test_a_clot_is_urgent_and_says_why(emptied: Visit) -> None:
    emptied.load(CLOT)
    emptied.shows(CASES[CLOT])
    emptied.settles()
    dx = MODEL.diagnose(CASES[CLOT])
    assert dx.alarm.level == "urgent"
    assert dx.alarm.reasons[0] in emptied.page.locator(".kb-results").inner_text()
    emptied.shoot("clot")


def test_a_ruptured_cyst_answered_by_hand(emptied: Visit) -> None:
    for name in BURST:
        emptied.click(name, "yes")
    emptied.shows(BURST)
    emptied.settles()
    emptied.shoot("ruptured_cyst")


def test_a_question_is_answered_where_it_is_asked(emptied: Visit) -> None:
    first = emptied.page.locator(".kb-asked").first
    asked = first.inner_text()
    variable = next(name for name, known in MODEL.file.variables.items() if known.question in asked)
    first.get_by_role("button", name="no", exact=True).click()
    emptied.shows({variable: "absent"})
    playwright.expect(first).not_to_contain_text(MODEL.file.variables[variable].question)


def test_what_cannot_be_is_said_and_not_shown(emptied: Visit) -> None:
    age = emptied.page.locator(".kb-age input")
    age.fill("sixty")
    age.press("Enter")
    emptied.page.get_by_role("alert").wait_for()
    assert age.input_value() == ""
    age.fill("67")
    age.press("Enter")
    emptied.shows({"age": 67})
    playwright.expect(emptied.page.get_by_role("alert")).to_have_count(0)


def test_the_keyboard_is_enough(emptied: Visit) -> None:
    smoker = emptied.page.locator(".kb-smoker").get_by_role("button", name="yes", exact=True)
    emptied.page.locator(".kb-overweight").get_by_role("button", name="?", exact=True).focus()
    emptied.page.keyboard.press("Tab")
    playwright.expect(smoker).to_be_focused()
    emptied.page.keyboard.press("Enter")
    emptied.shows({"smoker": "present"})


def test_the_case_is_copied_as_code(emptied: Visit) -> None:
    emptied.click("smoker", "yes")
    emptied.shows({"smoker": "present"})
    code = "model.diagnose({'smoker': 'present'})"
    playwright.expect(emptied.page.locator(".kb-results pre")).to_contain_text(code)
    button = emptied.page.locator(".kb-copy")
    button.click()
    playwright.expect(button).to_have_text("Copied")
    assert code in emptied.page.evaluate("navigator.clipboard.readText()")


def test_a_phone_shows_all_of_it_and_the_alarm_stays_in_sight(emptied: Visit) -> None:
    page = emptied.page
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
        page.locator(".kb-bar").first.scroll_into_view_if_needed()
        emptied.shoot("clot_narrow_bars")
        page.locator(".kb-copy").scroll_into_view_if_needed()
        playwright.expect(page.locator(".kb-alarm")).to_be_in_viewport(ratio=0.9)
        for name, load in (("empty", {}), ("ruptured_cyst", BURST)):
            page.get_by_role("button", name="Reset").click()
            emptied.shows({})
            for variable in load:
                emptied.click(variable, "yes")
            emptied.shows(load)
            emptied.settles()
            page.locator(".kb-bar").first.scroll_into_view_if_needed()
            emptied.shoot(f"{name}_narrow")
    finally:
        page.set_viewport_size(DESKTOP)


def test_the_page_itself_asks_nothing_of_the_network(desktop: Visit) -> None:
    # Voila's own template asks for a font of symbols, which the explorer does not use
    assert [url for url in desktop.outside if "fontawesome" not in url.lower()] == []


def test_it_works_in_jupyterlab(browser: Any, lab: str) -> None:
    visit = opened(browser, **DESKTOP)
    page = visit.page
    page.goto(lab)
    cell = page.locator(".jp-CodeCell").first
    cell.locator(".cm-content").click(timeout=2 * PATIENCE)
    page.locator(".jp-StatusBar-TextItem", has_text="Idle").wait_for()  # before that, a key press is lost
    page.keyboard.press("Shift+Enter")
    page.locator(".kb-alarm").wait_for(timeout=2 * PATIENCE)
    visit.shows({})
    visit.click("unilateral_leg_swelling", "yes")
    visit.shows({"unilateral_leg_swelling": "present"})
    visit.settles()
    visit.shoot("jupyterlab")
    page.set_viewport_size({"width": 1280, "height": 560})  # too low for all of the explorer
    panel = page.locator(".jp-WindowedPanel-outer").first
    past = page.locator(".kb-explorer").bounding_box()["y"] - panel.bounding_box()["y"] + 150
    panel.evaluate("(panel, past) => { panel.scrollTop += past }", past)
    page.wait_for_timeout(300)
    visit.shoot("jupyterlab_scrolled")
    assert page.locator(".kb-explorer").bounding_box()["y"] < panel.bounding_box()["y"]
    playwright.expect(page.locator(".kb-alarm")).to_be_in_viewport(ratio=0.9)
    assert page.locator(".kb-alarm").bounding_box()["y"] >= panel.bounding_box()["y"] - 1
    assert visit.errors == []
    page.context.close()
