"""One case as a page to keep, or to print."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from kneebayes.atomic import AtomicFile, commit, plain_path, write_whole
from kneebayes.diagnosis.questions import open_questions
from kneebayes.diagnosis.wells import points_line
from kneebayes.errors import FileFormatError, MissingExtraError
from kneebayes.plots.case import number_label
from kneebayes.templates import render

if TYPE_CHECKING:
    from kneebayes.diagnosis.diagnosis import Diagnosis

QUESTIONS, NUMBERS = 6, 5  # as many as a page has room for
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
PRINTED_IN = 60.0  # seconds


def case_page(dx: Diagnosis, when: date) -> str:
    """Write a case as HTML that needs no network."""
    model, sure, before = dx.model, dx.uncertainty(), dx.network.priors()
    ends = dict(zip(dx.network.columns, zip(sure.low.tolist(), sure.high.tolist(), strict=True), strict=True))
    known = dict(model.probabilities())
    numbers = [
        (number_label(model, str(place)), known[str(place)], float(row["posterior_low"]), float(row["posterior_high"]))
        for place, row in dx.sensitivity(n=NUMBERS).iterrows()
    ]
    cited = " ".join(number.basis for _, number, _, _ in numbers)
    return render(
        "case/page.html",
        dx=dx,
        when=when,
        told=dx._told(),
        questions=open_questions(dx.assessment, n=QUESTIONS, keys_first=True),
        rows=[(name, dx.label(name), p, *ends[name], before[name]) for name, p in dx.ranked],
        sure=sure,
        wells=points_line(model, dx.evidence),
        numbers=numbers,
        references={name: words for name, words in model.references.items() if name in cited},
    )


def write_case_report(dx: Diagnosis, path: str | Path, when: date | None = None) -> None:
    """Write a case as a page, HTML or PDF by the ending of the name."""
    ending, browser = Path(plain_path(path)).suffix.lower(), next(filter(None, map(shutil.which, BROWSERS)), None)
    if ending not in (".html", ".htm", ".pdf"):
        raise FileFormatError(f"report {str(path)!r}: give a name that ends in .html or .pdf")
    if ending == ".pdf" and browser is None:
        raise MissingExtraError(
            f"report {str(path)!r}: a PDF is printed by Chromium or Chrome, and none is on the path: write an .html "
            "file, and print it from any browser"
        )
    page = case_page(dx, when or date.today())
    if ending != ".pdf":
        write_whole(str(path), page)
        return
    with tempfile.TemporaryDirectory() as folder:
        source, printed = Path(folder, "case.html"), Path(folder, "case.pdf")
        source.write_text(page, encoding="utf-8")
        flags = ["--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder}/profile"]
        flags += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses root otherwise
        command = [str(browser), *flags, f"--print-to-pdf={printed}", source.as_uri()]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=PRINTED_IN)
            content = printed.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise FileFormatError(f"report {str(path)!r}: {command[0]} could not print it: write an .html") from error
    with AtomicFile(str(path), stream=False) as file:
        file.write(content)
        commit(file)
