"""The site: builds without a warning, needs nothing from elsewhere, and says what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import kneebayes as kb
from kneebayes.spec import listing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOREIGN = r"((?:https?:)?//[^\"') >]+)"
LOADED = re.compile(
    rf"<(?!a\b)[a-z]+\b[^>]*?\s(?:src|srcset|href|data|poster)=[\"']?{FOREIGN}"  # whatever is no link to click on
    rf"|@import\s*(?:url\()?[\"']?{FOREIGN}|\burl\([\"']?{FOREIGN}"
    r"|class=[\"']?(mermaid)|data-md-component=[\"']?(source)\b"  # for which the theme's script loads from elsewhere
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def test_every_page_of_the_navigation_is_there(site: Path) -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = [page.replace(".md", ".html") for entry in nav for page in entry.values()]
    pages += [f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")]
    assert [page for page in pages if not (site / page).is_file()] == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = {
        url
        for ending in ("html", "css", "svg")
        for page in site.rglob(f"*.{ending}")
        for match in LOADED.findall(page.read_text(encoding="utf-8"))
        for url in match
        if url
    }
    assert loaded == set()


@pytest.mark.parametrize("name", kb.__all__)
def test_the_reference_has_every_public_name(name: str, site: Path) -> None:
    text = (site / "reference.html").read_text(encoding="utf-8")
    assert re.search(rf'id="kneebayes(\.\w+)*\.{name}"', text) or f"<code>{name}</code>" in text


def test_the_reference_leaves_out_what_is_there_for_other_modules(site: Path) -> None:
    shown = set(re.findall(r'id="kneebayes((?:\.\w+)+)"', (site / "reference.html").read_text(encoding="utf-8")))
    assert {".plots.case.plot_tornado", ".plots.case.CasePlots.network", ".errors.OptionError"} <= shown
    assert not {".diagnosis.retractions.Retractions", ".plots.network.ordered", ".errors.nearest"} & shown


def test_numbers_and_rules_are_those_of_the_model_file(site: Path) -> None:
    file = kb.load_model().file
    text = (site / "numbers.html").read_text(encoding="utf-8")
    assert [place for place, _ in listing.numbers(file) if f"<code>{place}</code>" not in text] == []
    assert (site / "alarm.html").read_text(encoding="utf-8").count("<td>urgent</td>") == sum(
        rule.level == "urgent" for rule in file.alarm.rules
    )


def test_code_of_a_page_was_run(site: Path) -> None:
    text = (site / "exchange.html").read_text(encoding="utf-8")
    assert "Imported from small.bif" in text
    assert "I82.409" in text
    assert "python run" not in text


def test_sentences_that_a_notebook_computes_are_text_of_its_page(site: Path) -> None:
    text = (site / "notebooks" / "06_study.html").read_text(encoding="utf-8")
    assert re.search(r"<p>Of [\d,]+ people, [\d,]+ have a clot", text)
    assert "display.Markdown" not in text
