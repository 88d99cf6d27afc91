"""How soon the explorer's page shows an answer: bars and alarm, then what to ask next, then how sure it is.

A case is answered by clicking in Chromium, at a human pace and in a hurry, and each answer is taken back; each round
has another age, so that no case is one of before. Prints the median and the 95th percentile of the milliseconds from
the click, taken in the page itself. Run by hand, from the checkout, on a quiet machine:

    python -m tests.benchmarks.explorer [--model posterior_knee_pain_extended]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.servers import CHROMIUM, FLAGS, shell

AGES = ("45", "55", "65", "75")
PACES = {"human pace": 1500, "hurry": 60}  # milliseconds between clicks
ANSWERS = {
    "unilateral_leg_swelling": "present",
    "long_travel": "present",
    "bed_confined": "absent",
    "previous_dvt": "absent",
    "recent_hospital_stay": "present",
}
PARTS = {"view": "bars and alarm", "ask": "ask next", "sure": "how sure"}
PATIENCE = 120_000  # milliseconds
# notes when messages come; the bars are on the screen a frame after theirs
WATCH = """() => {
  const send = window.fetch;
  window.clicked = [];
  window.shown = {view: [], ask: [], sure: []};
  window.fetch = async (...sent) => {
    const answer = await send(...sent);
    const read = answer.json.bind(answer);
    answer.json = async () => {
      const told = await read();
      requestAnimationFrame(() => {
        for (const kind in told) window.shown[kind]?.push([told[kind].seq, performance.now()]);
      });
      return told;
    };
    return answer;
  };
}"""
CLICK = """([name, state]) => {
  const row = document.querySelector(`.kb-asking > .kb-${name}`);
  const field = row.querySelector('input');
  window.clicked.push(performance.now());
  if (field) {
    field.value = state;
    field.dispatchEvent(new Event('change'));
  } else row.querySelector(state ? `button[data-state=${state}]` : '.kb-undo').click();
}"""


def times(page: Any, address: str, pause: int) -> dict[str, list[float]]:
    """Milliseconds from each click until its case was shown; without those that a later answer overtook."""
    page.goto(address)
    page.locator(".kb-range").first.wait_for(timeout=PATIENCE)
    page.evaluate(WATCH)
    told = [*ANSWERS.items(), *((name, "") for name in ANSWERS)]
    clicks = [click for age in AGES for click in (("age", age), *told)]
    for click in clicks:
        page.evaluate(CLICK, click)
        page.wait_for_timeout(pause)
    last = "n => ['view', 'sure'].every(kind => window.shown[kind].some(([seq]) => seq === n))"
    page.wait_for_function(last, arg=len(clicks), timeout=PATIENCE)
    clicked, shown = page.evaluate("[window.clicked, window.shown]")
    return {kind: [at - clicked[seq - 1] for seq, at in came] for kind, came in shown.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="posterior_knee_pain_extended")
    options = parser.parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for pace, pause in PACES.items():
            with shell(Path(folder), "--model", options.model) as address:
                found = times(browser.new_page(), address, pause)
            for kind, label in PARTS.items():
                own = found[kind]
                high = statistics.quantiles(own, n=20)[-1] if len(own) > 1 else own[0]
                print(
                    f"{options.model}, {pace:10} {label:14} median {statistics.median(own):5.0f} ms, "
                    f"95 % within {high:5.0f} ms (n = {len(own)})",
                    flush=True,
                )
        browser.close()


if __name__ == "__main__":
    main()
