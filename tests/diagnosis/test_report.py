"""A case as a page: complete, alone, and one sheet where it is printed."""

from __future__ import annotations

import html
import re
import shutil
from datetime import date
from pathlib import Path

import pytest

import kneebayes as kb
from kneebayes.diagnosis import report
from kneebayes.diagnosis.report import case_page
from kneebayes.errors import FileFormatError, MissingExtraError

CASE = {"age": 67, "unilateral_leg_swelling": True, "long_travel": True, "calf_pain": "present:0.8"}
DX = kb.load_model().diagnose(CASE)
DAY = date(2026, 3, 1)


def test_the_page_has_what_was_said_how_sure_it_is_and_where_numbers_are_from() -> None:
    page = html.unescape(case_page(DX, DAY))
    said = [*DX.alarm.reasons, DX.alarm.advice, DX.model.disclaimer, DX.uncertainty().sentence]
    said += [DX.label(name) for name in DX.probabilities]
    said += [DX.model.variables[name].question for name in DX.alarm.questions]
    said += [
        "Calf pain: absent:0.2, present:0.8",
        "One lower leg swollen: yes",
        "Age: 67 years (60 to 69)",
        "2026-03-01",
    ]
    for place in DX.sensitivity(n=report.NUMBERS).index:
        number = dict(DX.model.probabilities())[place]
        said += [number.basis, number.why]
    assert [words for words in said if words not in page] == []
    for source in re.findall(r"literature: ([^;:]+)", page):
        assert DX.model.references[source] in page


def test_the_page_loads_nothing_and_escapes_words() -> None:
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import", case_page(DX, DAY))
    words = {"title": "<script>alert(1)</script>"}
    other = kb.Model(DX.model.model_copy(update=words)).diagnose(CASE)
    assert "<script" not in case_page(other, DAY)


def test_it_bears_today_or_the_day_that_is_given(tmp_path: Path) -> None:
    pages = []
    for when in (None, DAY, DAY):
        DX.report(tmp_path / "case.html", when=when)
        pages.append((tmp_path / "case.html").read_text(encoding="utf-8"))
    assert re.search(r"\d{4}-\d\d-\d\d", pages[0])
    assert pages[1] == pages[2] == case_page(DX, DAY)


@pytest.mark.parametrize(
    ("age", "said"), [(67, "67 years (60 to 69)"), ("67.5", "67.5 years (60 to 69)"), ("sixties", "60 to 69")]
)
def test_an_amount_is_told_as_it_was_given_and_a_band_as_a_band(age: object, said: str) -> None:
    text = kb.load_model().diagnose({"age": age}).text()
    assert re.search(r"Age: (.*?)[;.](?!\d)", text)[1].endswith(said)  # type: ignore[index]


@pytest.mark.slow
def test_a_case_of_nothing_is_a_page_too(tmp_path: Path) -> None:
    path = tmp_path / "case.html"
    kb.load_model("extended").diagnose({}).report(path)
    assert "NOT ASSESSED" in path.read_text(encoding="utf-8")


def test_a_name_that_is_no_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"ends in \.html or \.pdf"):
        DX.report(tmp_path / "case.docx")


def test_without_a_browser_a_pdf_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "BROWSERS", ("no-such-browser",))
    with pytest.raises(MissingExtraError, match=r"write an \.html"):
        DX.report(tmp_path / "case.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, report.BROWSERS)), reason="needs Chromium")
@pytest.mark.parametrize("name", [None, "extended"])
def test_printed_it_is_one_sheet(name: str | None, tmp_path: Path) -> None:
    path = tmp_path / "case.pdf"
    model = kb.load_model(name)
    row = model.simulate(1, seed=1, missing=0.2).drop(columns="case_id").iloc[0].dropna()
    model.diagnose({str(name): value for name, value in row.items()}).report(path)
    assert re.findall(rb"/Type\s*/Pages.*?/Count (\d+)", path.read_bytes(), re.DOTALL) == [b"1"]
