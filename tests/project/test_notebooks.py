"""The notebooks as they are committed, and the command that runs them; that they run is for nbmake (.ci/run)."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WITH_OUTPUT = [path for path in NOTEBOOKS if path.name != "explorer.ipynb"]
made = pytest.importorskip("nbclient", reason="needs nbclient, of the extra 'notebook'") and runpy.run_path(
    str(ROOT / "docs" / "make_notebooks.py")
)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def code(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", WITH_OUTPUT, ids=lambda path: path.stem)
def test_was_run_from_top_to_bottom_and_nothing_failed_or_warned(path: Path) -> None:
    cells = code(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds <= {"stream", "display_data", "execute_result"}
    assert kinds & {"display_data", "execute_result"}
    assert {output.get("name", "stdout") for cell in cells for output in cell["outputs"]} == {"stdout"}


@pytest.mark.parametrize("path", WITH_OUTPUT, ids=lambda path: path.stem)
def test_nothing_stands_in_it_that_another_run_would_change(path: Path) -> None:
    notebook = read(path)
    assert notebook["metadata"] == made["METADATA"]
    assert [cell["metadata"] for cell in notebook["cells"] if set(cell["metadata"]) - set(made["KEPT"])] == []
    shown = json.dumps([output for cell in code(path) for output in cell["outputs"]])
    assert re.findall(r"\bat 0x[0-9a-f]+|/tmp/|/home/|/root/", shown) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_starts_with_its_title_and_links_to_what_is_there(path: Path) -> None:
    cells = read(path)["cells"]
    assert "".join(cells[0]["source"]).startswith("# ")
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)
    assert [link for link in links if not (path.parent / link).exists()] == []


def notebook(folder: Path, *sources: str) -> Path:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for i, source in enumerate(sources)
    ]
    path = folder / "small.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), encoding="utf-8")
    return path


@pytest.mark.slow
def test_two_runs_give_the_same_bytes_with_output(tmp_path: Path) -> None:
    path = notebook(tmp_path, "import os\nprint('first')\nprint(os.listdir())", "6 * 7")
    texts = []
    for _ in range(2):
        made["main"]([str(path)])
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    first, second = code(path)
    assert "".join(first["outputs"][0]["text"]) == "first\n['small.ipynb']\n"
    assert second["outputs"][0]["data"]["text/plain"] == ["42"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import warnings\nwarnings.warn('old')", "standard error"),
        pytest.param("from pathlib import Path\nPath.home() / 'cases.csv'", "path of", marks=pytest.mark.slow),
    ],
    ids=["warning", "path"],
)
def test_what_no_reader_should_see_is_refused_and_nothing_saved(source: str, reason: str, tmp_path: Path) -> None:
    path = notebook(tmp_path, source)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"small.ipynb, cell 1: .*{reason}"):
        made["main"]([str(path)])
    assert path.read_bytes() == before
