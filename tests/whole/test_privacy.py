"""What a case holds stays in the files it was asked for in: not on a screen, in a log, a name, a crash, a network."""

from __future__ import annotations

import builtins
import csv
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.errors import DefectError
from kneebayes.scoring import scorer as scoring
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path
from kneebayes.ui.cli import app

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CANARY = re.compile("canary|kanari", re.IGNORECASE)
NOTE = "site"


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


@pytest.fixture(scope="module")
def planted(model: kb.Model) -> pd.DataFrame:
    """Plant a value that no one else would write into each column in turn, and into every case_id and kept cell."""
    columns = model.scorer.coder.columns
    rows: list[dict[str, str]] = [{"age": "30"}]
    rows += [{column: f"CANARY{column}"} for column in columns]
    rows += [{column: f"present:CANARY{column}"} for column in columns]
    rows += [{column: "67.0625"} for column in columns]  # a number no model file has, as any date or dose would be
    rows += [{"age": "999"}, {"age": "-3"}, {"age": "20", "age_band": "over_80"}]
    rows += [{"sex": "male", "pregnancy": "pregnant"}, {"duration_days": "7", "pain_over_6_weeks": "yes"}]
    frame = pd.DataFrame(rows, columns=list(columns), dtype=str)
    frame.insert(0, "case_id", [f"CANARYid{row}" for row in range(len(frame))])
    frame[NOTE] = [f"KANARI note {row}" for row in range(len(frame))]
    frame["label"], frame["true_dvt"], frame["also"] = "CANARYlabel", "CANARYtruth", "CANARYalso"
    return pd.concat([frame, frame.head(3)], ignore_index=True)  # with ids that come again


@pytest.fixture
def source(planted: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "in" / "cases.csv"
    path.parent.mkdir()
    text = planted.to_csv(index=False).splitlines()
    text += ["CANARYshort,1", "CANARYlong" + ",CANARY" * 200, '"CANARY ""quoted""",x', "CANARYbytes\udcff,CANARY\udcff"]
    text += ['"CANARYid\nlines"' + "," * (len(planted.columns) - 1)]
    full = ["CANARYid\udcff", *["CANARY\udcff"] * (len(planted.columns) - 1)]
    path.write_bytes("\n".join([*text, ",".join(full)]).encode("utf-8", "surrogateescape"))
    return path


def clean(text: str) -> str:
    """Give a text back that holds no value, and show where it does."""
    found = [text[max(0, match.start() - 60) : match.end() + 20] for match in CANARY.finditer(text)]
    assert found == []
    assert "67.0625" not in text
    assert "999" not in text
    return text


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


class Watch:
    """Every name that a run gives a file, and every record of a log."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: set[str] = set()
        for module, name in ((os, "open"), (os, "replace"), (os, "mkdir"), (builtins, "open")):
            monkeypatch.setattr(module, name, self.noting(getattr(module, name)))

    def noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            self.names |= {os.fspath(a) for a in arguments if isinstance(a, str | Path)}
            return function(*arguments, **options)

        return noted


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    with caplog.at_level(logging.DEBUG), monkeypatch.context() as patch:
        seen = Watch(patch)
        yield seen
    clean("\n".join([*seen.names, caplog.text]))
    assert any(name.endswith(".partial") for name in seen.names)


class TestScreen:
    """The command and the function for files."""

    @pytest.mark.slow
    def test_no_value_of_any_column_is_said(self, source: Path, tmp_path: Path, watch: Watch) -> None:
        options = ["--keep", NOTE, "--rejects", str(tmp_path / "r.csv"), "-o", str(tmp_path / "p.csv")]
        done = CliRunner().invoke(app, ["score", str(source), *options])
        assert done.exit_code == 1
        assert "row 2, column 'age': not allowed: give a number of years" in clean(done.output)
        assert any(row[NOTE].startswith("KANARI") for row in read(tmp_path / "p.csv"))
        assert any(row["value"].startswith("CANARY") for row in read(tmp_path / "r.csv"))

    def test_nor_by_what_the_function_gives_or_warns(
        self, model: kb.Model, source: Path, tmp_path: Path, watch: Watch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            counts = model.score_file(source, tmp_path / "p.csv", keep=[NOTE], progress=True)
        captured = capfd.readouterr()
        assert "rows/s" in captured.err
        clean(f"{counts!r}{captured.out}{captured.err}{[str(w.message) for w in warned]}")

    def test_every_reason_has_a_form_without_the_value(self, model: kb.Model, planted: pd.DataFrame) -> None:
        table = pa.Table.from_pandas(planted.drop(columns=[NOTE]), preserve_index=False)
        problems = model.score_table(table).problems
        columns = {problem.column for problem in problems}
        assert set(model.scorer.coder.columns) < columns
        for problem in problems:
            said = clean(problem.plain)
            assert said.startswith(("not allowed: give ", "impossible by the model", "contradicts duration_days"))
        assert any("contradict" in problem.plain for problem in problems)

    def test_a_first_row_that_is_a_case_is_not_taken_for_names(self, source: Path, tmp_path: Path) -> None:
        lines = source.read_bytes().splitlines()
        source.write_bytes(b"\n".join(lines[2:20]))
        for command in (["score", str(source), "-o", str(tmp_path / "p.csv")], ["evaluate", str(source)]):
            done = CliRunner().invoke(app, command)
            assert done.exit_code == 2
            clean(done.output)
        source.write_bytes(b"CANARY1,67.0625,yes\nCANARY2,30,no\n")
        done = CliRunner().invoke(app, ["score", str(source)])
        assert "knows none of the 3 names in the first row: does it name the columns?" in clean(done.output)

    @pytest.mark.parametrize(
        "content",
        [
            b'case_id,age\nCANARY1,30\nCANARY2,"67.0625\nCANARY3,40\n',
            b'case_id,age\nCANARY1,30\n"CANARY2,' + b"67.0625," * 4_000_000,
        ],
        ids=["open_quote", "endless_row"],
    )
    def test_nor_of_a_file_that_can_not_be_cut_into_rows(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "cases.csv").write_bytes(content)
        done = CliRunner().invoke(app, ["score", str(tmp_path / "cases.csv"), "-o", str(tmp_path / "p.csv")])
        assert done.exit_code == 2
        assert "line 3" in clean(done.output)

    def test_nor_of_parquet(self, planted: pd.DataFrame, tmp_path: Path, watch: Watch) -> None:
        table = pa.Table.from_pandas(planted, preserve_index=False)
        parquet.write_table(table, tmp_path / "cases.parquet")
        target = tmp_path / "p.parquet"
        done = CliRunner().invoke(app, ["score", str(tmp_path / "cases.parquet"), "-o", str(target), "--keep", NOTE])
        assert done.exit_code == 1
        clean(done.output)

    @pytest.mark.slow
    def test_nor_by_an_evaluation(self, planted: pd.DataFrame, tmp_path: Path) -> None:
        good = pd.DataFrame({"age": ["30", "60"] * 20, "label": ["dvt", "leg_cramps"] * 20})
        frame = pd.concat([planted.drop(columns=[NOTE]), good])
        frame.to_csv(tmp_path / "cases.csv", index=False)
        for options in ([], ["--json"], ["--csv"]):
            done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "cases.csv"), "--bootstrap", "0", *options])
            assert done.exit_code == 1, done.output
            clean(re.sub(r"\d{5,}", "", done.output))

    def test_a_frame_says_no_value_if_it_is_to_be_redacted(self, model: kb.Model, planted: pd.DataFrame) -> None:
        frame = planted.drop(columns=[NOTE]).set_index("case_id")
        with pytest.raises(kb.CaseError, match="row 1, column 'age': not allowed: give") as caught:
            model.score(frame, redact=True)
        clean(str(caught.value))
        with pytest.raises(kb.CaseError, match="'CANARYage' is not allowed"):  # else the caller has it in hand
            model.score(frame)


class TestRedact:
    """Rejects without the values."""

    @pytest.mark.parametrize("name", ["r.csv", "r.csv.gz"])
    def test_rejects_say_where_and_what_is_allowed(
        self, model: kb.Model, source: Path, tmp_path: Path, name: str
    ) -> None:
        plain = model.score_file(source, tmp_path / "p.csv", rejects=tmp_path / "plain.csv", keep=[NOTE])
        options = ["--redact", "--keep", NOTE, "--rejects", str(tmp_path / name), "-o", str(tmp_path / "p2.csv")]
        done = CliRunner().invoke(app, ["score", str(source), *options])
        assert done.exit_code == 1
        frame = pd.read_csv(tmp_path / name, dtype=str, keep_default_na=False)
        clean(frame.to_csv())
        full = read(tmp_path / "plain.csv")
        assert list(frame["row"]) == [row["row"] for row in full]
        assert list(frame["column"]) == [row["column"] for row in full]
        assert set(frame["case_id"]) == set(frame["value"]) == {""}
        assert frame["reason"].str.len().min() > 10
        assert len(set(frame["row"])) == plain.rejected
        assert frame.loc[frame["row"] == "2", "reason"].item() == (
            "not allowed: give a number of years from 0 to 110, or nothing if unknown"
        )
        assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "p2.csv").read_bytes()

    def test_a_folder_by_dask(self, source: Path, tmp_path: Path) -> None:
        options = ["--dask", "--redact", "--keep", NOTE, "--rejects", str(tmp_path / "r"), "-o", str(tmp_path / "p")]
        done = CliRunner().invoke(app, ["score", str(source.parent), *options])
        assert done.exit_code == 1, done.output
        clean(done.output + (tmp_path / "r" / "cases.csv").read_text())
        assert len(read(tmp_path / "r" / "cases.csv")) > 100


class TestCrash:
    """A defect in the middle of a batch."""

    @pytest.fixture
    def crashing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = scoring.Scorer.score

        def score(self: scoring.Scorer, table: pa.Table, **options: Any) -> Scored:
            if table.num_rows:
                row = table.slice(0, 1).to_pylist()[0]
                try:
                    raise KeyError(f"CANARY {row}")
                except KeyError as error:
                    raise LookupError(f"CANARY {row}") from error
            return real(self, table, **options)

        monkeypatch.setattr(scoring.Scorer, "score", score)

    @pytest.mark.usefixtures("crashing")
    def test_the_command_says_where_but_not_what(self, source: Path, tmp_path: Path, watch: Watch) -> None:
        target = tmp_path / "p.csv"
        target.write_text("old")
        done = CliRunner().invoke(app, ["score", str(source), "-o", str(target), "--keep", NOTE])
        assert done.exit_code == 70  # 1 would say that some rows are rejected
        assert "LookupError while scoring the rows from 1 on, at " in clean(done.output)
        assert "score_file.py:" in done.output
        assert len(done.output.splitlines()) == 1
        assert target.read_text() == "old"
        assert sorted(os.listdir(tmp_path)) == ["in", "p.csv"]

    @pytest.mark.usefixtures("crashing")
    def test_nor_does_what_the_function_raises(
        self, model: kb.Model, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(DefectError) as caught:
            model.score_file(source, tmp_path / "p.csv", keep=[NOTE])
        clean("".join(traceback.format_exception(caught.value)))
        assert caught.value.__context__ is None
        monkeypatch.setenv("KNEEBAYES_TRACEBACK", "1")
        with pytest.raises(LookupError, match="CANARY"):
            model.score_file(source, tmp_path / "p.csv", keep=[NOTE])

    def test_no_more_do_other_commands(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "cases.csv").write_text("age,label\n67.0625,dvt\n")

        def crash(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError("CANARY")

        monkeypatch.setattr(scoring.Scorer, "score", crash)
        done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "cases.csv")])
        assert done.exit_code == 70
        assert clean(done.output).startswith("kneebayes: ZeroDivisionError while running evaluate, at ")


JOB = """
import os, pathlib, sys, tempfile
import kneebayes as kb
from kneebayes.ui.cli import app
from kneebayes.spec.yaml_io import model_path
from typer.testing import CliRunner

def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (arguments, result.output, result.exception)

folder = pathlib.Path(sys.argv[1])
run("simulate", "-n", 200, "--seed", 1, "--label", "-o", folder / "cases.csv")
run("score", folder / "cases.csv", "-o", folder / "p.csv", "--rejects", folder / "r.csv")
run("score", folder / "cases.csv", "-o", folder / "p.parquet")
run("score", folder / "cases.csv", "-o", folder / "p.ndjson", "--format", "fhir-ndjson")
run("diagnose", "age=67", "calf_pain=yes", "--explain")
run("evaluate", folder / "cases.csv", "--bootstrap", 0, "--report", folder / "report.html")
run("model", "--check", model_path("posterior_knee_pain"))
run("export", "-o", folder / "knee.bif")
print(sorted(path.name for path in folder.iterdir()))
"""


class TestNetwork:
    """Nothing is fetched and nothing is sent."""

    @pytest.mark.slow
    def test_the_main_job_without_a_network(self, tmp_path: Path) -> None:
        alone = ["unshare", "-rn"]
        if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
            pytest.skip("no network namespace may be made here")
        routes = subprocess.run([*alone, "cat", "/proc/net/route"], capture_output=True, text=True, check=True).stdout
        assert len(routes.splitlines()) <= 1  # there is no way out
        command = [*alone, sys.executable, "-c", JOB, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        assert "'p.csv', 'p.ndjson', 'p.parquet', 'r.csv', 'report.html'" in done.stdout
        html = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert re.findall(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?(?!data:|#)[^"')\s]*//""", html) == []

    def test_no_socket_is_asked_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: Any, **options: Any) -> None:
            raise AssertionError("a socket was asked for")

        for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname", "getfqdn", "socketpair"):
            monkeypatch.setattr(socket, name, refuse)
        monkeypatch.setattr(socket.socket, "__init__", refuse)
        with pytest.raises(AssertionError, match="a socket"):
            socket.socket()
        (tmp_path / "cases.csv").write_text("age,calf_pain,label\n67,yes,dvt\n30,no,leg_cramps\n")
        for command in (
            ["score", str(tmp_path / "cases.csv"), "-o", str(tmp_path / "p.csv"), "--rejects", str(tmp_path / "r.csv")],
            ["diagnose", "age=67", "calf_pain=yes", "--explain"],
            ["evaluate", str(tmp_path / "cases.csv"), "--bootstrap", "0", "--report", str(tmp_path / "report.html")],
            ["model", "--check", str(model_path(DEFAULT_MODEL))],
        ):
            done = CliRunner().invoke(app, command)
            assert done.exit_code == 0, done.output

    def test_the_sources_name_no_address_to_load_from(self) -> None:
        found = {
            address
            for path in sorted((ROOT / "kneebayes").glob("*.py"))
            for address in re.findall(r"(?:https?|wss?|ftp)://([^/\s\"'`)}>]*)", path.read_text(encoding="utf-8"))
        }
        assert found <= {"hl7.org", "json-schema.org"}  # the names of vocabularies, from which nothing is loaded
