"""Take the picture of the explorer, in a browser: ``python -m docs.make_explorer_picture``.

Needs the extra ``test`` and Chromium.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser.servers import CHROMIUM, FLAGS, served

HERE = Path(__file__).parent
CLICKS = ("unilateral_leg_swelling", "calf_pain", "long_travel")


def take(target: Path) -> None:
    """Open the explorer, answer a few questions, and save what it shows."""
    playwright: Any = importlib.import_module("playwright.sync_api")  # has no types where it is not installed
    notebook = HERE.parent / "notebooks" / "explorer.ipynb"
    with tempfile.TemporaryDirectory() as folder, playwright.sync_playwright() as started:
        command = ("-m", "voila", str(notebook), "--port=PORT", "--no-browser", "--Voila.ip=127.0.0.1")
        with served(Path(folder), *command) as address:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1100, "height": 900}, device_scale_factor=1.5)
            page.goto(address)
            page.locator(".kb-range").first.wait_for(timeout=60_000)
            page.locator(".kb-age input").fill("67")
            page.locator(".kb-age input").press("Enter")
            for name in CLICKS:
                row = page.locator(f".kb-{name}")
                if not row.is_visible():
                    page.locator(f".kb-group:has(+ .kb-body .kb-{name})").click()
                row.get_by_role("button", name="yes", exact=True).click()
            page.locator(".kb-evidence").evaluate("pane => { pane.scrollTop = 0 }")
            page.wait_for_timeout(3000)  # until bars and intervals have come to rest
            page.locator(".kb-explorer").screenshot(path=target)
            browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "explorer.png")
