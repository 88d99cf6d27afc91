"""Parquet that is broken, odd or meant to do harm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tests.hostile.making import CELLS, Run
from tests.hostile.texts import made

ARGUMENTS = ("score", "cases.parquet", *Run.arguments[2:])


def write(folder: Path, columns: dict[str, Any] | pa.Table, **options: Any) -> Path:
    """Write a file."""
    path = folder / "cases.parquet"
    parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return path


def of(name: str, columns: dict[str, Any] | pa.Table, ids: Sequence[str] | None = None, *more: str) -> None:
    """Take a file of these columns into the corpus."""

    def make(folder: Path) -> Run:
        write(folder, columns)
        return Run((*ARGUMENTS, *more), ids)

    made(name, make)


def like_a(n: int, **columns: Any) -> dict[str, Any]:
    """Give n rows of case A, some columns of which are others."""
    return {"case_id": [str(i) for i in range(n)], **{k: [v] * n for k, v in CELLS["A"].items()}, **columns}


def changed(name: str, old: bytes, new: bytes, **columns: Any) -> None:
    """Take a file into the corpus in which some bytes are others."""

    def make(folder: Path) -> Run:
        path = write(folder, like_a(8, **columns), compression="none", write_statistics=False)
        content = path.read_bytes()
        assert content.count(old) == 1, content.count(old)
        path.write_bytes(content.replace(old, new))
        return Run(ARGUMENTS)

    made(name, make)


def cut(name: str, start: int | None, stop: int | None) -> None:
    """Take a part of a sound file into the corpus."""

    def make(folder: Path) -> Run:
        path = write(folder, like_a(1000))
        path.write_bytes(path.read_bytes()[start:stop])
        return Run(ARGUMENTS)

    made(name, make)


def not_utf8(cells: Sequence[bytes]) -> pa.Array:
    """Pass bytes off as text."""
    return pa.array(cells, pa.binary()).view(pa.string())


cut("parquet_sound", None, None)
cut("parquet_truncated", None, -20)
cut("parquet_of_half_a_file", None, 2000)
cut("parquet_without_its_start", 4, None)
cut("parquet_empty", None, 0)


def bytes_of(name: str, content: bytes) -> None:
    """Take a file of these bytes into the corpus."""

    def make(folder: Path) -> Run:
        (folder / "cases.parquet").write_bytes(content)
        return Run(ARGUMENTS)

    made(name, make)


bytes_of("parquet_by_name_only", b"case_id,age\na,67\n")
bytes_of("parquet_footer_of_4_gb", b"PAR1" + bytes(40) + b"\xff\xff\xff\xff" + b"PAR1")
# Three words in two bits each, of which the fourth pattern is no word: 0, 1, 2, 0, 1, 2, 0, 1.
changed(
    "parquet_dictionary_index_out_of_range",
    b"\x02\x03\x24\x49",
    b"\x02\x03\xff\xff",
    calf_pain=["present", "yes", "1", "present", "yes", "1", "present", "yes"],
)
changed("parquet_text_not_utf8_in_the_file", b"presint", b"pres\xffnt", calf_pain=["presint"] + ["present"] * 7)
of("parquet_text_not_utf8", like_a(3, calf_pain=not_utf8([b"\xff", b"present", b"yes"])), "12")
of("parquet_id_not_utf8", like_a(3, case_id=not_utf8([b"\xff", b"b", b"c"])), "bc")
of("parquet_bytes_for_text", like_a(2, calf_pain=pa.array([b"present", b"\xff"])), "0")
of("parquet_views_for_text", like_a(2, calf_pain=pa.array(["present", "yes"], pa.string_view())), "01")
of(
    "parquet_ages_of_many_widths",
    like_a(2, age=pa.array([67, None], pa.uint8()), sex=pa.array(["male"] * 2, pa.large_string())),
    "01",
)
of("parquet_age_as_decimal", like_a(1, age=pa.array(["67.000"]).cast(pa.decimal256(60, 3))), "0")
of("parquet_age_as_half_float", like_a(1, age=pa.array(np.array([67], np.float16))), "0")
of("parquet_age_nan_or_infinite", like_a(4, age=[67.0, float("nan"), float("inf"), -67.0]))
of("parquet_age_beyond_64_bits", like_a(2, age=pa.array([67, 2**64 - 1], pa.uint64())), "0")
of("parquet_truth_values", like_a(2, calf_pain=[True, True]), "01")
of("parquet_dates_for_ages", like_a(1, age=pa.array([2**60], pa.date64())))
of("parquet_moments_of_no_known_zone", like_a(1, age=pa.array([1], pa.timestamp("us", tz="Nowhere/City"))))
of("parquet_durations_for_ages", like_a(1, age=pa.array([67], pa.duration("ns"))))
of("parquet_lists_in_cells", like_a(1, calf_pain=[["present"]]))
of("parquet_structures_in_cells", like_a(1, calf_pain=[{"left": "present"}]))
of("parquet_lists_as_ids", like_a(1, case_id=[[1]]))
of(
    "parquet_uuids_as_ids",
    like_a(1, case_id=pa.array([bytes(15) + b"\1"], pa.uuid())),
    ["00000000-0000-0000-0000-000000000001"],
)
of("parquet_uuids_for_ages_kept", like_a(1, age=pa.array([bytes(16)], pa.uuid())), None, "--keep", "age")
of("parquet_numbers_as_ids", like_a(2, case_id=[7, 8]), "78")
of("parquet_number_repeated_as_id", like_a(3, case_id=[7, 8, 7]), "78")
of("parquet_nothing_as_type", like_a(2, case_id=pa.nulls(2), age=pa.nulls(2)))
of("parquet_name_twice", pa.Table.from_arrays([pa.array([67])] * 2, names=["age", "age"]))
of("parquet_unknown_column", like_a(1, colour=["red"]))
of("parquet_no_columns", pa.table({}))
of("parquet_no_rows", pa.table(like_a(1)).slice(0, 0))
of("parquet_kept_structures_into_csv", like_a(1, note=[{"a": 1}]), None, "--keep", "note")


def parquet_row_group_of_60000(folder: Path) -> Run:
    """One group of rows that says little, and often."""
    write(folder, {"age": pa.array([67] * 60_000, pa.int8())}, row_group_size=60_000)
    return Run((*ARGUMENTS, "--columns", "dvt_alarm"))


def parquet_giant_cells(folder: Path) -> Run:
    """Let every row of a small file hold 20 kB."""
    n = 16_384
    giant = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 20_000]))
    write(folder, {"case_id": giant, "age": pa.array([67] * n, pa.int8())}, store_schema=False)
    return Run(ARGUMENTS)


made("parquet_row_group_of_60000", parquet_row_group_of_60000)
made("parquet_giant_cells", parquet_giant_cells)
