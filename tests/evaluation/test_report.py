"""The HTML report: one file, nothing from the network; and the plots in it."""

from __future__ import annotations

import base64
import html
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kneebayes as kb
from kneebayes.errors import FileFormatError, UnknownNameError
from kneebayes.plots.cohort import plot_calibration, plot_decision_curve, plot_roc

mpl.use("Agg")
MODEL = kb.load_model()
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def evaluated() -> Any:
    cases = MODEL.simulate(250, seed=2, with_causes=True, prevalence={"dvt": 0.1})
    cases["case_id"] = "<b>" + cases["case_id"].astype(str)
    return kb.evaluate(MODEL, cases, baselines=True, bootstrap=10)


@pytest.fixture(scope="module")
def page(evaluated: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    evaluated.report(path)
    return path


class Tags(HTMLParser):
    """Collects tags, and checks that they close."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_whole_html_that_asks_nothing_of_the_network(page: Path) -> None:
    tags = Tags()
    text = page.read_text(encoding="utf-8")
    tags.feed(text)
    assert tags.open == []
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.seen}
    sources = [attrs["src"] for tag, attrs in tags.seen if tag == "img"]
    assert len(sources) == 3
    for source in sources:
        assert source is not None
        drawn = base64.b64decode(source.removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "url(http" not in text
    assert re.findall(r"(?:href|src)=\"(?!data:)", text) == []


def test_the_report_says_what_the_result_says(page: Path, evaluated: Any) -> None:
    text = page.read_text(encoding="utf-8")
    assert MODEL.file.disclaimer in text
    assert all(cause.label in html.unescape(text) for cause in MODEL.file.causes.values())
    assert f"{evaluated.causes.loc['dvt', 'auc']:.2f} ({evaluated.causes.loc['dvt', 'auc_low']:.2f} to" in text
    assert "<b>case_" not in text  # what a file says is text, not HTML
    assert evaluated.missed.empty or "&lt;b&gt;case_" in text


@pytest.mark.slow
def test_the_same_result_gives_the_same_report(page: Path, evaluated: Any, tmp_path: Path) -> None:
    evaluated.report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_a_notebook_shows_the_tables_without_plots(evaluated: Any) -> None:
    shown = evaluated._repr_html_()
    assert "<table" in shown
    assert "<img" not in shown


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_report_opens_in_chromium_without_network(page: Path, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1200,4600", f"--screenshot={shot}"]
    subprocess.run([*command, page.as_uri()], check=True, capture_output=True, timeout=120)
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("L"))
    # something is drawn in every quarter of the page, the plots at its end too
    assert all((quarter < 200).mean() > 0.002 for quarter in np.array_split(pixels, 4))


# Plots


def test_points_of_the_calibration_plot_are_the_bins(evaluated: Any) -> None:
    ax: Any = plot_calibration(evaluated, cause="knee_osteoarthritis")
    bins = evaluated.calibration.loc["knee_osteoarthritis"]
    line = ax.containers[0].lines[0]
    assert np.allclose(line.get_xdata(), bins["predicted"])
    assert np.allclose(line.get_ydata(), bins["observed"])
    mpl.pyplot.close(ax.figure)
    with pytest.raises(UnknownNameError, match="Did you mean 'dvt'"):
        plot_calibration(evaluated, cause="dvtt")


def test_the_roc_plot_has_a_curve_for_what_ranks_and_a_point_for_what_flags(evaluated: Any) -> None:
    ax = plot_roc(evaluated, ax=mpl.figure.Figure().subplots())
    labels = ax.get_legend_handles_labels()[1]
    assert any(label.startswith("Wells score: AUC") for label in labels)
    assert "Any symptom" in labels


def test_the_decision_plot_reaches_what_the_table_says(evaluated: Any) -> None:
    ax = plot_decision_curve(evaluated, ax=mpl.figure.Figure().subplots())
    lines = {line.get_label(): line for line in ax.lines}
    assert np.allclose(lines["act on all"].get_ydata(), evaluated.decision["treat_all"])
    assert np.allclose(lines[MODEL.file.name].get_ydata(), evaluated.decision["model"])


def test_two_cases_of_one_kind_still_make_a_report(tmp_path: Path) -> None:
    cases = pd.DataFrame({"age": [40, 50], "label": ["leg_cramps", "leg_cramps"]})
    kb.evaluate(MODEL, cases, baselines=True).report(tmp_path / "few.html")
    assert "anecdotes" in (tmp_path / "few.html").read_text(encoding="utf-8")


def test_a_report_under_another_kind_of_name_is_refused(evaluated: Any, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"x\.pdf'.*ends in \.html"):
        evaluated.report(tmp_path / "x.pdf")
    assert list(tmp_path.iterdir()) == []
