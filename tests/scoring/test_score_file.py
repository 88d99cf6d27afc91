"""Files of cases: what is read, what is refused, and what is left behind."""

from __future__ import annotations

import csv
import gzip
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import parquet

import kneebayes as kb
from kneebayes import atomic, load_model
from kneebayes.atomic import AtomicFile, commit
from kneebayes.cases.problems import Kind, Problem, why
from kneebayes.errors import DefectError, FileFormatError, OptionError, UnknownColumnError
from kneebayes.scoring.readers import end_of_last_row, open_reader, read_cases
from kneebayes.scoring.score_file import MAX_RUN, ScoreSummary, SeenIds
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path, read_model

KNOWN = ("case_id", "age", "sex", "calf_pain")
HEADER = "case_id,age,sex,calf_pain\n"


class FakeModel(kb.Model):
    """Half the age is the score; an age that is no number costs its row. Enough to test files without a model."""

    def __init__(self) -> None:
        super().__init__(read_model(model_path(DEFAULT_MODEL)))

    def score_table(
        self,
        table: Any,
        *,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        thresholds: Any = None,
        engine: Any = "auto",
        intervals: float | None = None,
        draws: int = 200,
        seed: int = 0,
    ) -> Scored:
        unknown = [n for n in table.column_names if n not in (*KNOWN, *keep, *ignore)]
        if unknown:
            raise UnknownColumnError(f"unknown column {unknown}")
        n = table.num_rows
        ages = table["age"].cast(pa.string()).to_pylist() if "age" in table.column_names else [None] * n
        good = np.array([not a or a.replace(".", "").isdigit() for a in ages], dtype=bool)
        reason = why(Kind.SOFT_NUMBER, column="age", unit="years", allowed="a number of years from 0 to 110")
        problems = [Problem(int(i), "age", str(ages[i]), reason) for i in np.flatnonzero(~good)]
        score = [float(a) / 3 if a and g else None for a, g in zip(ages, good, strict=True)]
        columns = {"case_id": table["case_id"]} if "case_id" in table.column_names else {}
        columns |= {
            "dvt": pa.array(score, pa.float64()),
            "dvt_alarm": pa.array(["low"] * n, pa.string()).dictionary_encode(),
            "red_flags": pa.array([""] * n, pa.string()),
        }
        result = pa.table(columns | {name: table[name] for name in keep})
        minors = sum(1 for a, g in zip(ages, good, strict=True) if a and g and float(a) < 18)
        return Scored(result.filter(pa.array(good)), good, problems, {"under 18": minors} if minors else {}, ~good)


MODEL = FakeModel()


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cases(n: int) -> str:
    return HEADER + "".join(f"c{i},{i % 90},male,{'absent' if i % 2 else ''}\n" for i in range(n))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., tuple[ScoreSummary, list[dict[str, str]], list[dict[str, str]]]]:
    """Score text; return the counts, the output and the rejects as dictionaries."""

    def run(content: str | bytes, **options: Any) -> tuple[ScoreSummary, list[dict[str, str]], list[dict[str, str]]]:
        source = write(tmp_path / "cases.csv", content)
        target, rejects = tmp_path / "out.csv", tmp_path / "rejects.csv"
        counts = MODEL.score_file(source, target, rejects=rejects, **options)
        assert counts.read == counts.scored + counts.rejected
        assert len(rows(target)) == counts.scored
        assert len({r["row"] for r in rows(rejects)}) == counts.rejected
        assert sorted(os.listdir(tmp_path)) == ["cases.csv", "out.csv", "rejects.csv"]
        return counts, rows(target), rows(rejects)

    return run


class TestReading:
    """Whatever form the CSV has, the same cases come out."""

    @pytest.mark.slow
    def test_rows_come_out_in_order_whatever_the_piece(self, score: Any) -> None:
        for chunk_rows in (1, 1000, 10**9):
            counts, out, _ = score(cases(50_000), chunk_rows=chunk_rows)  # enough for compiled code
            assert (counts.read, counts.scored, counts.rejected) == (50_000, 50_000, 0)
            assert [(r["case_id"], float(r["dvt"])) for r in out] == [(f"c{i}", i % 90 / 3) for i in range(50_000)]

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda t: t.encode("utf-8-sig"), id="byte_order_mark"),
            pytest.param(lambda t: t.replace("\n", "\r\n"), id="crlf"),
            pytest.param(lambda t: t.replace("\n", "\r"), id="cr_alone"),
            pytest.param(lambda t: t.rstrip("\n"), id="no_last_line_end"),
            pytest.param(lambda t: t.replace("\n", "\n\n"), id="empty_lines"),
            pytest.param(lambda t: "\n\n" + t, id="empty_lines_first"),
            pytest.param(lambda t: t.replace(",", '","').replace("\n", '"\n"')[:-1].join(['"', ""]), id="all_quoted"),
            pytest.param(lambda t: t.replace("case_id,age", " case_id , age"), id="blanks_in_header"),
        ],
    )
    def test_forms_of_csv(self, score: Any, change: Callable[[str], str | bytes]) -> None:
        plain = score(cases(3000), chunk_rows=200)
        assert score(change(cases(3000)), chunk_rows=200) == plain

    def test_quoted_fields_hold_commas_quotes_and_line_ends(self, score: Any) -> None:
        note = 'swollen, "hot",\r\nsince May\n'
        text = "case_id,age,note\n" + "".join(
            f'c{i},{i % 80},"{note.replace(chr(34), 2 * chr(34))}"\n' for i in range(5000)
        )
        counts, out, _ = score(text, keep=["note"], chunk_rows=10)
        assert counts.scored == 5000
        assert {r["note"] for r in out} == {note}

    def test_a_stray_quote_inside_a_field_is_text(self, score: Any) -> None:
        text = "case_id,age,note\n" + "".join(f'c{i},{i % 80},5" scar,\n'.replace(",\n", "\n") for i in range(9000))
        counts, out, _ = score(text, keep=["note"], chunk_rows=10)
        assert counts.scored == 9000
        assert {r["note"] for r in out} == {'5" scar'}

    def test_empty_cells_stay_empty(self, score: Any) -> None:
        _, out, _ = score("case_id,age,note\nc1,,\n,30,NA\n", keep=["note"])
        assert [(r["case_id"], r["dvt"], r["note"]) for r in out] == [("c1", "", ""), ("", "10", "NA")]

    def test_header_alone(self, score: Any) -> None:
        counts, out, _ = score(HEADER)
        assert counts == ScoreSummary()
        assert out == []

    @pytest.mark.slow
    def test_long_header_and_long_row(self, score: Any) -> None:
        extra = [f"extra_{i}_{'x' * 300}" for i in range(1500)]
        text = ",".join(["case_id", *extra]) + "\n" + ",".join(["c1", *extra]) + "\n"
        counts, _, _ = score(text, ignore=extra)
        assert counts.scored == 1

    def test_text_is_never_guessed_to_be_a_number(self, score: Any) -> None:
        _, out, _ = score("case_id,note\n007,1e5\n008,2020-01-01\n", keep=["note"])
        assert [(r["case_id"], r["note"]) for r in out] == [("007", "1e5"), ("008", "2020-01-01")]

    def test_numbers_are_written_in_full(self, score: Any) -> None:
        _, out, _ = score("case_id,age\nc1,1\nc2,0.0000001\n")
        assert [float(r["dvt"]) for r in out] == [1 / 3, 0.0000001 / 3]


class TestRejects:
    """A bad row costs itself and nothing else."""

    def test_each_reason_has_its_row_and_all_others_are_scored(self, score: Any) -> None:
        lines = cases(5000).splitlines(keepends=True)
        lines[10] = "c9,old,male,\n"
        lines[2000] = "c1999,3,male\n"
        lines[2001] = "c2000,3,male,absent,absent\n"
        lines[4000] = "\n" + lines[4000]
        lines[4500] = "c7,44,male,\n"
        lines[5000] = "c4999,,,old,,\n"
        counts, out, rejects = score("".join(lines), chunk_rows=100)
        assert counts.rejected == 5
        assert [(r["row"], r["case_id"], r["column"]) for r in rejects] == [
            ("10", "c9", "age"),
            ("2000", "c1999", ""),
            ("2001", "c2000", ""),
            ("4500", "c7", "case_id"),
            ("5000", "c4999", ""),
        ]
        assert rejects[0]["value"] == "old"
        assert rejects[1]["value"] == "c1999,3,male"
        assert rejects[1]["reason"] == "the row has 3 fields and the header 4"
        gone = {9, 1999, 2000, 4499, 4999}
        assert [r["case_id"] for r in out] == [f"c{i}" for i in range(5000) if i not in gone]
        assert counts.reasons[:2] == (  # the most frequent one goes first
            "row 2000: the row has 3 fields and the header 4 (3 rows)",
            "row 10, column 'age': not allowed: give a number of years from 0 to 110, or nothing if unknown",
        )

    def test_a_row_that_is_not_utf8_costs_itself(self, score: Any) -> None:
        text = "case_id,age,note\n" + "".join(f"c{i},{i},Müller \ue000 \N{REPLACEMENT CHARACTER}\n" for i in range(50))
        lines = text.encode().splitlines(keepends=True)
        lines[7] = "c6,6,Müller\n".encode("latin-1")
        lines[8] = b"\xff,6,x\n"
        lines[9] = b"c8,\xe9\n"
        counts, out, rejects = score(b"".join(lines), keep=["note"])
        assert [(r["row"], r["column"], r["value"]) for r in rejects] == [
            ("7", "note", "M�ller"),
            ("8", "case_id", "�"),
            ("9", "", "c8,�"),
        ]
        assert "UTF-8" in rejects[0]["reason"]
        assert counts.scored == 47
        assert {r["note"] for r in out} == {"Müller \ue000 \N{REPLACEMENT CHARACTER}"}

    def test_a_row_that_swallows_others_says_so(self, score: Any) -> None:
        counts, _, rejects = score('case_id,age\nc1,"3\nc2,4\nc3,"5,\nc4,6\n')
        assert counts.scored == 1
        assert rejects[0]["case_id"] == "c1"
        assert rejects[0]["reason"] == (
            "the row has 3 fields and the header 2; it runs over 3 lines: is a quote left open?"
        )

    def test_a_field_too_long_for_anyone(self, score: Any) -> None:
        _, _, rejects = score(f"case_id,age\n{'x' * 200_000},3,4\n")
        assert rejects[0]["reason"] == "the row has 3 fields and the header 2"

    def test_bytes_in_a_column_left_out_do_no_harm(self, score: Any) -> None:
        counts, _, _ = score(b"case_id,age,note\nc1,4,M\xfcller\n", ignore=["note"])
        assert counts.scored == 1

    def test_later_rows_with_the_same_case_id(self, score: Any) -> None:
        text = cases(6000) + "c5,50,male,\n,1,,\n,2,,\nc5,51,male,\nc5999,old,,\n"
        counts, out, rejects = score(text, chunk_rows=500)
        assert [(r["row"], r["column"]) for r in rejects] == [
            ("6001", "case_id"), ("6004", "case_id"), ("6005", "age"), ("6005", "case_id")
        ]  # fmt: skip
        assert counts.rejected == 3
        assert [r["dvt"] for r in out if r["case_id"] == "c5"] == [str(5 / 3)]

    def test_reasons_are_counted_where_no_file_takes_them(self, tmp_path: Path) -> None:
        source = write(tmp_path / "cases.csv", HEADER + "".join(f"c{i},old,,\n" for i in range(20)) + "c20,17,,\n")
        counts = MODEL.score_file(source, tmp_path / "out.csv")
        assert (counts.read, counts.scored, counts.rejected) == (21, 1, 20)
        assert counts.reasons == (
            "row 1, column 'age': not allowed: give a number of years from 0 to 110, or nothing if unknown (20 rows)",
        )
        assert counts.warnings == {"under 18": 1}

    def test_values_that_need_quotes_are_quoted(self, score: Any) -> None:
        _, _, rejects = score('case_id,age\n"a,""b""\nc",old\n')
        assert rejects[0]["case_id"] == 'a,"b"\nc'

    def test_no_rejects_leave_a_header(self, score: Any, tmp_path: Path) -> None:
        score(cases(1))
        assert (tmp_path / "rejects.csv").read_text() == "row,case_id,column,value,reason\n"

    def test_a_model_that_loses_a_row_is_caught(self, tmp_path: Path) -> None:
        class Leaky(FakeModel):
            def score_table(self, table: Any, **options: Any) -> Scored:
                scored = super().score_table(table, **options)
                return Scored(scored.table.slice(1), scored.accepted, [], {}, scored.empty)

        with pytest.raises(RuntimeError, match="defect"):
            Leaky().score_file(write(tmp_path / "cases.csv", cases(5)), tmp_path / "out.csv")
        assert os.listdir(tmp_path) == ["cases.csv"]


class TestColumns:
    """Which columns are written."""

    def test_kept_columns_pass_through_unchanged(self, score: Any) -> None:
        _, out, _ = score("note,case_id,age,site\n x ,c1,3,A\n", keep=["note", "site"])
        assert list(out[0]) == ["case_id", "dvt", "dvt_alarm", "red_flags", "note", "site"]
        assert (out[0]["note"], out[0]["site"]) == (" x ", "A")

    def test_columns_chosen_in_their_order(self, score: Any) -> None:
        _, out, _ = score("case_id,age,note\nc1,3,n\n", columns=["dvt_alarm", "case_id"], keep=["note"])
        assert list(out[0].items()) == [("dvt_alarm", "low"), ("case_id", "c1"), ("note", "n")]

    def test_one_column_of_empty_cells_keeps_its_rows(self, score: Any) -> None:
        _, out, _ = score(cases(3), columns=["red_flags"])
        assert out == [{"red_flags": ""}] * 3

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"columns": ["dvt_alrm"]}, "Did you mean 'dvt_alarm'"),
            ({"keep": "note"}, r"give a list of names, as in keep=\['note'\]"),
            ({}, "unknown column"),
        ],
    )
    def test_unknown_columns_leave_nothing(self, tmp_path: Path, options: dict[str, Any], message: str) -> None:
        source = write(tmp_path / "cases.csv", "case_id,age" + ("" if options else ",color") + "\nc1,3,\n")
        with pytest.raises(UnknownColumnError, match=message):
            MODEL.score_file(source, tmp_path / "out.csv", **options)
        assert os.listdir(tmp_path) == ["cases.csv"]


def zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data))


class TestFormats:
    """CSV, Parquet, compression, streams."""

    @pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst", "CSV", "parquet"])
    def test_output(self, tmp_path: Path, ending: str) -> None:
        source = write(tmp_path / "cases.csv", cases(30_000))
        target = tmp_path / f"out.{ending}"
        MODEL.score_file(source, target, chunk_rows=500)
        if ending == "parquet":
            frame = parquet.read_table(target).to_pandas()
        else:
            with pa.input_stream(str(target)) as stream:  # by the ending
                frame = pd.read_csv(io.BytesIO(stream.read()), keep_default_na=False, dtype={"dvt": str})
        assert frame["case_id"].tolist() == [f"c{i}" for i in range(30_000)]
        assert [float(value) for value in frame["dvt"]] == [i % 90 / 3 if i else 0 for i in range(30_000)]
        assert set(frame["dvt_alarm"]) == {"low"}

    @pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("zst", zstd)])
    def test_compressed_input(self, tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
        text = cases(30_000).encode()
        source = write(tmp_path / f"cases.csv.{ending}", pack(text[:1000]) + pack(text[1000:]))
        assert MODEL.score_file(source, tmp_path / "out.csv").scored == 30_000

    def test_parquet_of_other_types(self, tmp_path: Path) -> None:
        table = pa.table(
            {
                "case_id": pa.array(range(1000)),
                "age": pa.array([None, *range(1, 1000)], pa.int16()),
                "sex": pa.array(["male", None] * 500, pa.large_string()),
                "calf_pain": pa.array([True, None] * 500),
                "note": pa.array([{"site": i} for i in range(1000)]),
            }
        )
        source, target = tmp_path / "cases.parquet", tmp_path / "out.parquet"
        parquet.write_table(table, source, row_group_size=300)
        counts = MODEL.score_file(source, target, keep=["note"], chunk_rows=64)
        assert counts.scored == 1000
        result = parquet.read_table(target)
        assert result["note"].to_pylist() == table["note"].to_pylist()
        assert result["case_id"].equals(table["case_id"])
        assert result["dvt"].to_pylist()[:4] == [None, 1 / 3, 2 / 3, 1.0]
        with pytest.raises(FileFormatError, match="can't be written as CSV"):
            MODEL.score_file(source, tmp_path / "out.csv", keep=["note"])
        assert MODEL.score_file(source, tmp_path / "out.csv", ignore=["note"]).scored == 1000
        assert sorted(os.listdir(tmp_path)) == ["cases.parquet", "out.csv", "out.parquet"]

    def test_parquet_without_rows(self, tmp_path: Path) -> None:
        parquet.write_table(pa.table({"case_id": pa.array([], pa.string())}), tmp_path / "cases.parquet")
        assert MODEL.score_file(tmp_path / "cases.parquet", tmp_path / "out.parquet") == ScoreSummary()
        assert parquet.read_table(tmp_path / "out.parquet").column_names[:2] == ["case_id", "dvt"]

    def test_parquet_of_many_numbers_is_a_table_of_cases(self, tmp_path: Path) -> None:
        columns = {name: pa.array(np.zeros(1 << 16, dtype=np.int64)) for name in list(load_model().file.findings)[:20]}
        parquet.write_table(pa.table(columns), tmp_path / "cases.parquet")
        assert read_cases(str(tmp_path / "cases.parquet")).table.num_rows == 1 << 16

    def test_duplicates_in_parquet(self, tmp_path: Path) -> None:
        parquet.write_table(pa.table({"case_id": [7, 8, 7], "age": [1, 2, 3]}), tmp_path / "cases.parquet")
        counts = MODEL.score_file(tmp_path / "cases.parquet", tmp_path / "out.parquet", chunk_rows=2)
        assert counts.reasons == (
            "row 3, column 'case_id': an earlier row has this case_id: "
            "give each case its own, or join rows by join: case_id in a mapping",
        )
        assert parquet.read_table(tmp_path / "out.parquet")["case_id"].to_pylist() == [7, 8]

    def test_standard_streams(self, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(cases(3).encode())))
        monkeypatch.setattr(sys, "stdout", os.fdopen(os.dup(1), "w"))
        assert MODEL.score_file("-", "-", columns=["case_id", "dvt_alarm"]).scored == 3
        sys.stdout.close()
        assert capfdbinary.readouterr().out == b"case_id,dvt_alarm\nc0,low\nc1,low\nc2,low\n"
        assert not sys.stdin.closed

    def test_named_pipes(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = threading.Thread(target=lambda: pipe.write_text(cases(100_000)))
        writer.start()
        assert MODEL.score_file(pipe, os.devnull).scored == 100_000
        writer.join()


BAD_SOURCES = {
    "empty": (b"", "is empty"),
    "blank_lines": (b"\n\n\n", "is empty"),
    "byte_order_mark_alone": (b"\xef\xbb\xbf", "is empty"),
    "blank_name": (b"case_id,,age\n", "no name for column 2"),
    "same_name_twice": (b"age,age\n", "more than once in the header, at columns 1 .'age'., 2 .'age'."),
    "semicolons": (b"case_id;age\nc1;3\n", "separated by semicolons: separate them by commas"),
    "tabs": (b"case_id\tage\nc1\t3\n", "separated by tabs"),
    "header_not_utf8": ("größe,age\n".encode("latin-1"), "header is not UTF-8"),
    "utf16": ("case_id,age\n".encode("utf-16"), "UTF-16: save it as UTF-8"),
    "excel": (b"PK\x03\x04rest", "Excel"),
    "gzip_by_another_name": (gzip.compress(b"case_id\n"), "name it .csv.gz"),
    "parquet_by_another_name": (b"PAR1....", "name it .parquet"),
    "nul": (b"a\0b,c\n", "NUL"),
    "quote_open_in_header": (b'case_id,"age\nc1,3\n', "header can't be read"),
    "quote_open_in_row": (b'case_id,age\nc1,3\nc2,"4\nc3,5\n', "never closed in the row that starts on line 3"),
}


class TestRefusals:
    """What is no table, and what may not be written, is refused with a remedy."""

    @pytest.mark.parametrize("name", BAD_SOURCES)
    def test_not_a_table(self, tmp_path: Path, name: str) -> None:
        content, message = BAD_SOURCES[name]
        source = write(tmp_path / "cases.csv", content)
        with pytest.raises(FileFormatError, match=f"cases.csv: .*{message}"):
            MODEL.score_file(source, tmp_path / "out.csv", rejects=tmp_path / "rejects.csv")
        assert os.listdir(tmp_path) == ["cases.csv"]

    def test_a_quote_open_for_ever_is_found_early(self, tmp_path: Path) -> None:
        source = write(tmp_path / "cases.csv", cases(10) + 'c10,"' + "3,male,\nc11," * 3_000_000)
        with pytest.raises(FileFormatError, match="never closed"):
            MODEL.score_file(source, tmp_path / "out.csv")

    @pytest.mark.slow
    @pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("zst", zstd)])
    def test_truncated_compression(self, tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
        source = write(tmp_path / f"cases.csv.{ending}", pack(cases(200_000).encode())[:-20])
        with pytest.raises(FileFormatError, match="whole file"):
            MODEL.score_file(source, tmp_path / "out.csv")
        write(source, b"case_id,age\n")
        with pytest.raises(FileFormatError, match="can't be read"):
            MODEL.score_file(source, tmp_path / "out.csv")
        assert os.listdir(tmp_path) == [source.name]

    @pytest.mark.parametrize("damage", [b"", b"case_id,age\n", "truncated", "middle"])
    def test_damaged_parquet(self, tmp_path: Path, damage: bytes | str) -> None:
        source = tmp_path / "cases.parquet"
        parquet.write_table(pa.table({"age": [str(i) for i in range(100_000)]}), source, compression="snappy")
        whole = source.read_bytes()
        middle = len(whole) // 2
        parts = {"truncated": whole[:-100], "middle": whole[:4000] + bytes(middle) + whole[4000 + middle :]}
        source.write_bytes(parts[damage] if isinstance(damage, str) else damage)
        with pytest.raises(FileFormatError, match=r"cases.parquet: (is empty|can't be read as a whole Parquet file)"):
            MODEL.score_file(source, tmp_path / "out.parquet")
        assert os.listdir(tmp_path) == ["cases.parquet"]

    def test_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = write(tmp_path / "cases.csv", cases(3))
        folder = tmp_path / "folder.csv"
        folder.mkdir()
        (tmp_path / "link.csv").symlink_to(source)
        out = tmp_path / "out.csv"
        monkeypatch.chdir(tmp_path)
        for arguments, rejects, message in (
            ((tmp_path / "none.csv", out), None, "no such file"),
            ((folder, out), None, "is a folder"),
            ((source, folder), None, "is a folder"),
            ((source, source), None, "both the input and the output"),
            ((source, "cases.csv"), None, "both the input and the output"),
            ((source, tmp_path / "link.csv"), None, "both the input and the output"),
            ((source, out), source, "both the input and the rejects"),
            ((source, out), "out.csv", "both the output and the rejects"),
            ((source, "-"), "-", "can't both go to standard output"),
            ((source, out), "rejects.parquet", "rejects are written as CSV"),
            ((source, tmp_path / "none" / "out.csv"), None, "no folder"),
            ((source, tmp_path / "out.xlsx"), None, "ending tells the format"),
            ((tmp_path / "folder.csv" / "x.txt", out), None, "no such file"),
            ((__file__, out), None, r"ending .* \.parquet, \.xlsx, .*\.dta, \.sav, .*, \.sas7bdat"),
            (("cases\0.csv", out), None, "NUL"),
            ((source, out), "rejects\0.csv", "NUL"),
        ):
            with pytest.raises(FileFormatError, match=message):
                MODEL.score_file(*arguments, rejects=rejects)
            assert sorted(os.listdir(tmp_path)) == ["cases.csv", "folder.csv", "link.csv"]
        assert source.read_text() == cases(3)

    @pytest.mark.parametrize(
        ("name", "read"),
        [
            *[("cases.csv", {"sheet": "A"}), ("cases.csv.gz", {"sheet": "A"}), ("cases.sav", {"sheet": "A"})],
            *[("cases.xlsx", read) for read in ({"sep": ";"}, {"encoding": "cp1252"})],
            *[("cases.sav", read) for read in ({"sep": ";"}, {"header": [2]})],
            *[("cases.parquet", read) for read in ({"sep": ";"}, {"encoding": "cp1252"}, {"header": [2]})],
        ],
    )
    def test_what_a_file_of_that_kind_does_not_have_is_not_passed_over(
        self, name: str, read: dict[str, Any], tmp_path: Path
    ) -> None:
        write(tmp_path / name, cases(3))
        (option,) = read
        with pytest.raises(FileFormatError, match=rf"{name}: --{option} .* is not for such a file: leave it out"):
            MODEL.score_file(tmp_path / name, tmp_path / "out.csv", mapping={"read": read})

    def test_chunk_rows(self, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match="chunk_rows 0: give a whole number from 1 up"):
            MODEL.score_file(tmp_path / "cases.csv", tmp_path / "out.csv", chunk_rows=0)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
    def test_a_full_disk(self, tmp_path: Path) -> None:
        with pytest.raises(FileFormatError, match="No space left"):
            MODEL.score_file(write(tmp_path / "cases.csv", cases(3)), "/dev/full")

    def test_a_folder_that_can_not_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)  # root may write anywhere, so modes show nothing
        with pytest.raises(FileFormatError, match=r"out.csv: can't be written: Permission denied"):
            MODEL.score_file(write(tmp_path / "cases.csv", cases(3)), tmp_path / "out.csv")


class TestWholeOrNotAtAll:
    """The output appears at the end, or never."""

    def test_where_no_thread_can_be_started_it_is_no_defect(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def start(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)
        with pytest.raises(OSError, match="no further thread can be started here: allow more"):
            FakeModel().score_file(write(tmp_path / "cases.csv", cases(3)), tmp_path / "out.csv")
        assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]

    @pytest.mark.parametrize("ending", ["csv", "parquet"])
    @pytest.mark.parametrize("failure", [ValueError("broken"), KeyboardInterrupt()], ids=["error", "interrupt"])
    def test_a_failure_leaves_what_was_there(self, tmp_path: Path, failure: BaseException, ending: str) -> None:
        class Failing(FakeModel):
            def score_table(self, table: Any, **options: Any) -> Scored:
                if table.num_rows and "c29999" in table["case_id"].to_pylist():
                    raise failure
                return super().score_table(table, **options)

        source = write(tmp_path / "cases.csv", cases(30_000))
        target, rejects = write(tmp_path / f"out.{ending}", "old\n"), write(tmp_path / "rejects.csv", "old\n")
        kind = DefectError if isinstance(failure, ValueError) else type(failure)
        with pytest.raises(kind) as caught:
            Failing().score_file(source, target, rejects=rejects, chunk_rows=1000)
        assert (target.read_text(), rejects.read_text()) == ("old\n", "old\n")
        assert len(os.listdir(tmp_path)) == 3
        if isinstance(failure, KeyboardInterrupt):
            read = int(str(caught.value).split()[2].replace(",", ""))
            assert 0 < read < 30_000
            assert str(target) in str(caught.value)

    def test_nothing_is_to_be_seen_before_the_end(self, tmp_path: Path) -> None:
        seen: list[list[str]] = []

        class Watching(FakeModel):
            def score_table(self, table: Any, **options: Any) -> Scored:
                seen.append([name for name in os.listdir(tmp_path) if not name.startswith(".")])
                return super().score_table(table, **options)

        Watching().score_file(write(tmp_path / "cases.csv", cases(30_000)), tmp_path / "out.csv", chunk_rows=1000)
        assert len(seen) > 3
        assert all(names == ["cases.csv"] for names in seen)
        assert sorted(os.listdir(tmp_path)) == ["cases.csv", "out.csv"]

    def test_links_and_permissions_stay(self, tmp_path: Path) -> None:
        source = write(tmp_path / "cases.csv", cases(3))
        target = write(tmp_path / "real.csv", "old")
        target.chmod(0o640)
        (tmp_path / "out.csv").symlink_to(target)
        MODEL.score_file(source, tmp_path / "out.csv")
        assert (tmp_path / "out.csv").is_symlink()
        assert len(rows(target)) == 3
        assert target.stat().st_mode & 0o777 == 0o640
        MODEL.score_file(source, tmp_path / "new.csv")
        assert (tmp_path / "new.csv").stat().st_mode == source.stat().st_mode

    def test_leftovers_of_a_dead_run_are_removed_and_others_stay(self, tmp_path: Path) -> None:
        source = write(tmp_path / "cases.csv", cases(3))
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        host = socket.gethostname()
        gone = [
            write(tmp_path / f".out.csv.{host}-{dead.pid}-x.partial", ""),
            write(tmp_path / f".out.csv.{host}-{os.getpid()}-x.partial", ""),  # the number of the dead one came again
        ]
        stay = [
            write(tmp_path / f".out.csv.elsewhere-{dead.pid}-x.partial", ""),
            write(tmp_path / f".other.csv.{host}-{dead.pid}-x.partial", ""),
        ]
        with AtomicFile(str(tmp_path / "out.csv")) as running:
            MODEL.score_file(source, tmp_path / "out.csv")
            assert not any(path.exists() for path in gone)
            assert all(path.exists() for path in stay)
            running.write(b"of the slower of two\n")
            commit(running)
        assert (tmp_path / "out.csv").read_text() == "of the slower of two\n"
        assert len(os.listdir(tmp_path)) == 4

    def test_leftovers_are_known_by_their_process_where_files_have_no_locks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(atomic, "_lock", lambda handle: None)
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        host = socket.gethostname()
        gone = write(tmp_path / f".out.csv.{host}-{dead.pid}-x.partial", "")
        stays = write(tmp_path / f".out.csv.{host}-{os.getppid()}-x.partial", "")
        MODEL.score_file(write(tmp_path / "cases.csv", cases(3)), tmp_path / "out.csv")
        assert (gone.exists(), stays.exists()) == (False, True)

    def test_a_name_as_long_as_names_may_be(self, tmp_path: Path) -> None:
        target = tmp_path / ("x" * 251 + ".csv")
        MODEL.score_file(write(tmp_path / "cases.csv", cases(3)), target)
        assert len(rows(target)) == 3

    def test_permissions_are_those_of_new_files_whatever_runs_beside(self, tmp_path: Path) -> None:
        umask = os.umask(0o027)
        try:
            sinks = [AtomicFile(str(tmp_path / f"out{i}.csv")) for i in range(200)]
            with ThreadPoolExecutor(8) as pool:  # asking for the umask by setting it once left it at 0
                list(pool.map(commit, sinks))
            now = os.umask(0o027)
        finally:
            os.umask(umask)
        assert now == 0o027
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}

    def test_what_is_not_whole_is_for_nobody_else(self, tmp_path: Path) -> None:
        with AtomicFile(str(tmp_path / "out.csv")):
            assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]


SLOW_RUN = """
import sys, time
from tests.scoring.test_score_file import FakeModel

class Slow(FakeModel):
    def score_table(self, table, **options):
        time.sleep(0.02 if table.num_rows else 0)
        return super().score_table(table, **options)

try:
    Slow().score_file(sys.argv[1], sys.argv[2], rejects=sys.argv[3], chunk_rows=1)
except KeyboardInterrupt as stopped:
    print(stopped)
    sys.exit(130)
"""


@pytest.mark.slow
class TestProcesses:
    """Runs that are interrupted or killed."""

    def start(self, tmp_path: Path) -> subprocess.Popen[str]:
        source = write(tmp_path / "cases.csv", cases(2_000_000))
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW_RUN, source, tmp_path / "out.csv", tmp_path / "rejects.csv"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in tmp_path.glob(".out.csv.*.partial")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return process

    def test_interrupt(self, tmp_path: Path) -> None:
        process = self.start(tmp_path)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert out.startswith("stopped after ")
        assert out.endswith("out.csv was not written\n")
        assert err == ""
        assert os.listdir(tmp_path) == ["cases.csv"]

    def test_kill(self, tmp_path: Path) -> None:
        process = self.start(tmp_path)
        process.kill()
        process.communicate(timeout=60)
        assert len(list(tmp_path.glob(".*.partial"))) == 2
        assert not list(tmp_path.glob("[!.]*.csv"))[1:]
        MODEL.score_file(write(tmp_path / "few.csv", cases(3)), tmp_path / "out.csv", rejects=tmp_path / "rejects.csv")
        assert sorted(os.listdir(tmp_path)) == ["cases.csv", "few.csv", "out.csv", "rejects.csv"]


class TestProgress:
    """The bar, and the estimate it shows."""

    def test_bar(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        source, target = write(tmp_path / "cases.csv", cases(2000)), tmp_path / "out.csv"
        MODEL.score_file(source, target)
        assert capsys.readouterr().err == ""
        MODEL.score_file(source, target, progress=True)
        err = capsys.readouterr().err
        assert "2.00k/2.00k" in err
        assert "rows/s" in err
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        MODEL.score_file(source, target, quiet=True)
        assert capsys.readouterr().err == ""
        MODEL.score_file(source, target)
        assert "rows/s" in capsys.readouterr().err

    def test_rows_in_total_are_estimated(self, tmp_path: Path) -> None:
        source = open_reader(str(write(tmp_path / "cases.csv", cases(100_000))), chunk_rows=1000)
        n_read = 0
        estimates = []
        for piece in source.pieces():
            n_read += source.parse(piece).n_read
            estimates.append(source.rows_in_total(n_read))
        source.close()
        assert n_read == estimates[-1] == 100_000
        middle = estimates[len(estimates) // 2]
        assert middle is not None
        assert 80_000 < middle < 120_000


def naive_end_of_last_row(block: bytes) -> int:
    """Walk the bytes as RFC 4180 has it; a quote within an unquoted field is text."""
    quoted = field_start = False
    end, i, field_start = 0, 0, True
    while i < len(block):
        c = block[i : i + 1]
        if quoted:
            if c == b'"' and block[i + 1 : i + 2] == b'"':
                i += 1
            elif c == b'"':
                quoted = False
        elif c == b'"' and field_start:
            quoted = True
        elif c == b"\n":
            end = i + 1
        field_start = not quoted and c in (b",", b"\n", b"\r")
        i += 1
    return end


@pytest.mark.slow
@pytest.mark.parametrize("alphabet", [b'a,"\n', b'",\n', b'aa,,\r\n"'], ids=["stray_quotes", "dense", "returns"])
def test_rows_are_cut_where_a_walk_over_the_bytes_cuts_them(alphabet: bytes) -> None:
    rng = np.random.default_rng(5)
    for length in list(range(1, 15)) * 400:
        block = bytes(rng.choice(list(alphabet), length).tolist())
        assert end_of_last_row(block) == naive_end_of_last_row(block), block


@pytest.mark.parametrize(
    "header", [b'\n"ca\nse","b"\nd,e\n', b'a,"b\n""c"\n', b"\n\na,b"], ids=["broken", "doubled", "bare"]
)
def test_a_header_is_whole_wherever_the_first_bytes_end(
    header: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes(header)
    names = []
    for length in range(1, len(header) + 2):
        monkeypatch.setattr("kneebayes.scoring.readers.FIRST_BYTES", length)
        reader = open_reader(str(path), chunk_rows=10)
        names.append(tuple(reader.names))
        reader.close()
    assert len(set(names)) == 1


def test_seen_ids_over_many_batches() -> None:
    rng = np.random.default_rng(1)
    seen, known = SeenIds(), set()
    for _ in range(200):
        batch = [f"c{i}" if i else None for i in rng.integers(0, 30_000, 300)]
        expected = []
        for case_id in batch:
            expected.append(case_id in known)
            known |= {case_id} - {None}
        assert seen.repeated(seen.hashes(pa.array(batch, pa.string()))).tolist() == expected
    assert sum(map(len, seen._runs)) == len(known)
    assert len(seen._runs) < 15


def test_longest_runs_are_not_merged() -> None:
    seen = SeenIds()
    for start in range(0, 3 * MAX_RUN, MAX_RUN // 4):
        seen.repeated(np.arange(start + 1, start + MAX_RUN // 4 + 1))
    assert max(map(len, seen._runs)) <= MAX_RUN
    assert seen.repeated(np.array([1, MAX_RUN + 5, 4 * MAX_RUN])).tolist() == [True, True, False]


def test_output_equals_scoring_in_one_go(tmp_path: Path) -> None:
    source = write(tmp_path / "cases.csv", cases(12_345))
    MODEL.score_file(source, tmp_path / "out.csv", chunk_rows=777)
    whole = MODEL.score_table(arrow_csv.read_csv(source)).table
    ours = arrow_csv.read_csv(tmp_path / "out.csv")
    assert ours["case_id"].equals(whole["case_id"])
    np.testing.assert_array_equal(ours["dvt"].to_numpy(), whole["dvt"].to_numpy())


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (
            pa.array([datetime(2024, 7, 1, 0, 30, tzinfo=UTC)], pa.timestamp("us", tz="Europe/Berlin")),
            "2024-07-01 02:30:00.000000+0200",
        ),
        (pa.array([datetime(2024, 7, 1, 2, 30)], pa.timestamp("ms")), "2024-07-01 02:30:00.000"),
        (pa.array([7], pa.int8()), "7"),
        (pa.array([Decimal("1.00")]), "1.00"),
        (pa.array([date(2024, 1, 2)]), "2024-01-02"),
        (pa.array(["007"], pa.large_string()), "007"),
        (pa.array([3_600], pa.duration("s")), "0 days 01:00:00"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_ids_of_any_type_pass_unaltered(tmp_path: Path, ids: pa.Array, text: str, ending: str) -> None:
    source, target = tmp_path / "cases.parquet", tmp_path / f"out{ending}"
    parquet.write_table(pa.table({"case_id": ids, "age": [67]}), source)
    kb.score_file(source, target)
    if ending == ".csv":
        assert target.read_text(encoding="utf-8").splitlines()[1].split(",")[0] == text
    else:
        found = parquet.read_table(target)["case_id"]
        assert (found.type, found.to_pylist()) == (ids.type, ids.to_pylist())


@pytest.mark.parametrize("name", ["age", "calf_pain"])
@pytest.mark.parametrize("values", [pd.PeriodIndex(["1970-02"], freq="M"), pd.to_timedelta([67], unit="s")])
def test_a_month_or_a_span_is_an_id_and_no_evidence(tmp_path: Path, values: Any, name: str) -> None:
    pd.DataFrame({name: values}).to_parquet(tmp_path / "cases.parquet")
    with pytest.raises(kb.KneeBayesError, match=f"the column '{name}' holds .*: give a number, or text"):
        kb.score_file(tmp_path / "cases.parquet", tmp_path / "out.csv")
    pd.DataFrame({"case_id": values, "age": [67]}).to_parquet(tmp_path / "cases.parquet")
    kb.score_file(tmp_path / "cases.parquet", tmp_path / "out.csv")
    kb.score_file(tmp_path / "cases.parquet", tmp_path / "out.parquet")
    assert pd.read_csv(tmp_path / "out.csv", dtype=str)["case_id"].tolist() == [str(values[0])]
    assert pd.read_parquet(tmp_path / "out.parquet")["case_id"].tolist() == list(values)


def test_values_that_are_not_allowed_are_counted_by_column_and_value(tmp_path: Path) -> None:
    sexes = ["H"] * 6 + ["w"] * 2 + ["Miller"] * 4 + ["diverse"] * 5 + ["male"] * 3
    lines = [f"{i},{sex},{'999' if i % 2 else 50}" for i, sex in enumerate(sexes)]
    (tmp_path / "a.csv").write_text("case_id,sex,age\n" + "\n".join(lines), encoding="utf-8")
    counts = load_model().score_file(tmp_path / "a.csv", tmp_path / "o.csv")
    expected = {("sex", "H"): 6, ("sex", "diverse"): 5, ("sex", ""): 4, ("sex", "w"): 2, ("age", ""): 10}
    assert counts.refused == expected  # a word in a few rows may be a name, and a number is somebody's
    redacted = load_model().score_file(tmp_path / "a.csv", tmp_path / "o.csv", redact=True)
    assert redacted.refused == {("sex", ""): 17, ("age", ""): 10}
    assert (counts + counts).refused["sex", "H"] == 12


def test_columns_of_causes_are_said_to_be_known_diagnoses(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("case_id,age,dvt,label\n1,50,no,dvt\n", encoding="utf-8")
    assert load_model().score_file(tmp_path / "a.csv", tmp_path / "o.csv").diagnoses == ("dvt",)
    assert load_model().score_file(tmp_path / "a.csv", tmp_path / "o.csv", ignore=["dvt"]).diagnoses == ()


def test_a_case_id_can_be_ignored(tmp_path: Path) -> None:
    frame = pd.DataFrame({"case_id": ["a", "a"], "age": [50, 60]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    for ignore in ("case_id", "case*"):
        assert load_model().score_file(tmp_path / "a.csv", tmp_path / "o.csv", ignore=[ignore]).scored == 2
        assert "case_id" not in pd.read_csv(tmp_path / "o.csv")
        assert "case_id" not in load_model().score(frame, ignore=[ignore])


VISITS = """case_id,visit,fever,age,true_dvt
a,1,,70,
b,1,,50,
a,2,yes,,
b,2,no,,
c,1,yes,40,
c,2,no,,
a,3,,,present
b,3,,,absent
"""


def test_rows_of_one_case_are_joined_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "visits.csv").write_text(VISITS)
    mapping = {"join": "case_id", "ignore": ["visit"]}
    summary = load_model().score_file(
        tmp_path / "visits.csv", tmp_path / "out.csv", rejects=tmp_path / "rejects.csv", mapping=mapping, chunk_rows=2
    )
    assert (summary.read, summary.scored, summary.rejected, summary.left_out) == (8, 2, 1, 5)
    got = pd.read_csv(tmp_path / "out.csv", index_col="case_id")
    want = load_model().score(pd.DataFrame({"fever": ["yes", "no"], "age": [70, 50]}, index=["a", "b"]))
    pd.testing.assert_series_equal(got["dvt"], want["dvt"], check_names=False)
    rejects = pd.read_csv(tmp_path / "rejects.csv")
    assert rejects[["row", "column", "case_id"]].to_numpy().tolist() == [[5, "fever", "c"]]


def test_too_many_rows_to_be_joined_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kneebayes.scoring.readers.MAX_JOINED", 7)
    (tmp_path / "visits.csv").write_text(VISITS)
    with pytest.raises(FileFormatError, match="8 rows are too many to be joined"):
        kb.score_file(tmp_path / "visits.csv", tmp_path / "out.csv", mapping={"join": "case_id", "ignore": ["visit"]})
    assert not (tmp_path / "out.csv").exists()
