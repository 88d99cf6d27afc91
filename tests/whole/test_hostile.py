"""Hostile and broken inputs: of each the outcome that `tests/hostile/expected.csv` says, and nothing else."""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile import models, parquets, places, texts
from tests.hostile.making import CASES, CELLS, Run, table

ROOT = Path(__file__).parents[2]
with (ROOT / "tests" / "hostile" / "expected.csv").open(encoding="utf-8", newline="") as stream:
    EXPECTED = {row["name"]: row for row in csv.DictReader(stream)}
MOST_SECONDS = 20  # of the processor
MOST_CHARACTERS = 4_000_000  # of rejects
MOST_MEGABYTES = 700  # beyond what the imports take
KINDS = {"text", "parquet", "model", "place", "network"}
SHOWN = 400
pytestmark = pytest.mark.slow

Outcome = dict[str, Any]


@pytest.fixture(scope="module")
def kneebayes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path, Run], Outcome]]:
    """Run a command in a folder."""
    if not hasattr(os, "fork"):
        pytest.skip("needs processes that fork")
    home = tmp_path_factory.mktemp("zygote")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.hostile.zygote", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:

        def run(folder: Path, what: Run) -> Outcome:
            files = {name: str(home / name) for name in ("stdout", "stderr")}
            for path in files.values():
                Path(path).write_bytes(b"")
            asked = {"folder": str(folder), "arguments": list(what.arguments), "stdin": what.stdin, **files}
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            answer: Outcome = json.loads(process.stdout.readline())
            return answer | {name: Path(path).read_text(encoding="utf-8") for name, path in files.items()}

        yield run
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture(scope="module")
def alone(
    kneebayes: Callable[[Path, Run], Outcome], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[list[str]]]:
    """Score each of the cases that rows are made of alone: the lines of the output without their case_ids.

    From a small file, and from a stream that may be large: those are computed
    by different engines, which may differ in the last digit.
    """
    lines = {}
    for name, cells in CELLS.items():
        folder = tmp_path_factory.mktemp("alone")
        table(folder, ",".join(["case_id", *cells]) + "\n" + ",".join(["x", *cells.values()]) + "\n")
        assert kneebayes(folder, Run())["code"] == 0
        assert kneebayes(folder, Run(("score", "-", "-o", "stream.csv"), stdin="cases.csv"))["code"] == 0
        lines[name] = [rows(folder / file)[1][1:] for file in ("out.csv", "stream.csv")]
        numbers = np.array([line[:10] for line in lines[name]], dtype=float)
        np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-12)
    return lines


def rows(path: Path) -> list[list[str]]:
    """Read a CSV file."""
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, strict=True))


def contents(folder: Path) -> dict[str, object]:
    """Say what is in a folder: names, where links lead, and which files with which content since when."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        small = stat.S_ISREG(state.st_mode) and state.st_size < 1 << 20
        held = os.readlink(path) if path.is_symlink() else path.read_bytes() if small else None
        found[path.relative_to(folder).as_posix()] = (state.st_ino, state.st_size, state.st_mtime_ns, held)
    return found


def test_the_table_names_every_input_and_says_why() -> None:
    assert {texts, parquets, models, places}
    assert sorted(EXPECTED) == sorted(CASES)
    assert len(EXPECTED) >= 60
    assert {row["kind"] for row in EXPECTED.values()} == KINDS
    assert all(row["reason"] and row["outcome"] for row in EXPECTED.values())
    no_numbers = {name for name, row in EXPECTED.items() if row["scored"] > "0" and not row["like"]}
    assert {name for name in no_numbers if not name.startswith("model_")} == {"parquet_row_group_of_60000"}


@pytest.mark.parametrize("name", CASES)
def test_nothing_happens_but_what_the_table_says(
    name: str, tmp_path: Path, kneebayes: Callable[[Path, Run], Outcome], alone: dict[str, list[list[str]]]
) -> None:
    expected = EXPECTED[name]
    run = CASES[name](tmp_path) or Run()
    before = contents(tmp_path)
    found = kneebayes(tmp_path, run)
    after = contents(tmp_path)
    said = found["stderr"]
    assert "Traceback" not in said
    assert (found["code"], found["error"]) == (int(expected["exit"]), outcome_error(expected["outcome"])), said[-SHOWN:]
    assert len(said) < 2_000
    assert found["seconds"] < MOST_SECONDS
    assert found["megabytes"] < MOST_MEGABYTES
    target, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
    reasons = rejects.read_text(encoding="utf-8") if rejects.exists() else ""
    assert expected["message"] in said + reasons, said[-SHOWN:]
    assert len(reasons) < MOST_CHARACTERS
    if found["code"] == 2:
        assert after == before  # nothing is written, and nothing is lost
        return
    assert {name: after.get(name) for name in before} == before
    assert not [name for name in after if name.startswith(".")]
    if expected["scored"]:
        scored = rows(target)[1:]
        assert len(scored) == int(expected["scored"])
        refused = {line[0] for line in rows(rejects)[1:]} if rejects.exists() else set()
        assert len(refused) == int(expected["rejected"])
        if run.ids is not None:
            assert [line[0] for line in scored] == list(run.ids)
        like = expected["like"]
        for line, letter in zip(scored if like else [], like * len(scored) if len(like) == 1 else like, strict=True):
            assert line[1:] in alone[letter]


def outcome_error(outcome: str) -> str:
    """Name the class of the error, where the outcome is one."""
    return "" if outcome in ("scored", "rejected", "done") else outcome
