"""Take the picture of the explorer, in a browser: ``python -m docs.make_explorer_picture``.

Needs the extra ``test`` and Chromium. It shows README's case, and goes into the notebook too, as what its cell
gave: whoever reads that without running it sees a picture, and running it puts the explorer in its place.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.browser.servers import CHROMIUM, FLAGS, shell

HERE = Path(__file__).parent
WIDTH, HEIGHT, SHARPNESS = 1280, 680, 1.5
CASE = runpy.run_path(str(HERE / "make_pictures.py"))["CASE"]
INSTEAD = "A picture of the explorer: run the cell to click in it"


def take(target: Path) -> None:
    """Open the explorer, answer what is known of the case, and save what it shows."""
    playwright: Any = importlib.import_module("playwright.sync_api")  # has no types where it is not installed
    facts = [f"{name}={value}" for name, value in CASE.items()]
    with (
        tempfile.TemporaryDirectory() as folder,
        playwright.sync_playwright() as started,
        shell(Path(folder), *facts) as address,
    ):
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SHARPNESS)
        page.goto(address)
        page.locator(".kb-range").first.wait_for(timeout=60_000)
        page.wait_for_timeout(3000)  # until all has come to rest
        shot = page.locator(".kb-explorer").screenshot()
        bars = page.locator(".kb-bar[data-cause]")
        shown = dict(bars.evaluate_all("bars => bars.map(bar => [bar.dataset.cause, Number(bar.dataset.p)])"))
        level = page.locator(".kb-alarm").get_attribute("data-level")
        browser.close()
    about = PngInfo()
    # the numbers go along, so that a test can tell whether the picture is of today's model
    about.add_text("Description", json.dumps({name: round(p, 3) for name, p in shown.items()} | {"alarm": level}))
    with Image.open(io.BytesIO(shot)) as taken:
        picture = taken.convert("RGB")
    smaller(picture).save(target, pnginfo=about, optimize=True)
    size = (round(picture.width / SHARPNESS), round(picture.height / SHARPNESS))
    show(HERE.parent / "notebooks" / "explorer.ipynb", smaller(picture.resize(size, Image.Resampling.LANCZOS)))


def smaller(picture: Image.Image) -> Image.Image:
    """Give a picture a palette, for a smaller file; this way of choosing it keeps colours that are rare."""
    return picture.quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def show(path: Path, picture: Image.Image) -> None:
    """Put a picture into a notebook, as what its last cell gave."""
    file = io.BytesIO()
    picture.save(file, format="png", optimize=True)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cell = notebook["cells"][-1]
    data = {"image/png": base64.b64encode(file.getvalue()).decode("ascii"), "text/plain": [INSTEAD]}
    cell["execution_count"] = 1
    cell["outputs"] = [{"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}}]
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "explorer.png")
