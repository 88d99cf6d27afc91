"""Frames of pandas, polars and pyarrow: the same kind out, the same answers, whatever the types of the columns."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from kneebayes import CaseError, load_model
from kneebayes.cases.frames import row_name, to_arrow
from kneebayes.errors import FileFormatError, UnknownColumnError

MODEL = load_model()
NUMBERS = [*MODEL.causes, "none_of_these", "bakers_cyst_ruptured"]
WORDS = ["most_likely", "dvt_alarm", "red_flags"]
CASES: dict[str, list[Any]] = {
    "case_id": ["a", "b", "c", "d"],
    "age": [67.0, None, 39.5, 70.0],
    "sex": ["male", "female", None, "Male"],
    "calf_pain": ["yes", "no", None, "present"],
    "posterior_knee_pain": [None, "absent", "unknown", "yes"],
    "fever": [None, None, None, "no"],
}
KINDS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "pandas_object": lambda cases: pd.DataFrame(cases, dtype=object),
    "pandas_nullable": lambda cases: pd.DataFrame(cases).convert_dtypes(),
    "pandas_arrow": lambda cases: pd.DataFrame(cases).convert_dtypes(dtype_backend="pyarrow"),
    "pandas_categorical": lambda cases: pd.DataFrame(cases).astype("category"),
    "polars": pl.DataFrame,
    "polars_categorical": lambda cases: pl.DataFrame(cases).with_columns(pl.col(pl.String).cast(pl.Categorical)),
    "pyarrow": pa.table,
    "pyarrow_dictionary": lambda cases: pa.table({n: pa.array(v).dictionary_encode() for n, v in cases.items()}),
}


@pytest.mark.parametrize("frame", [pl.DataFrame({"calf_pain": [["yes"]]}), pa.table({"calf_pain": [{"a": 1}]})])
@pytest.mark.parametrize("way", ["score", "fit", "check", "sensitivity"])
def test_a_column_of_lists_is_refused_by_its_name(way: str, frame: Any) -> None:
    with pytest.raises(FileFormatError, match=r"the column 'calf_pain' holds .*: give one value a cell"):
        getattr(MODEL, way)(frame)


def test_labels_of_columns_that_are_no_text_are_named_and_drafted() -> None:
    frame = pd.DataFrame([["yes", 1]], columns=pd.MultiIndex.from_tuples([("calf_pain", ""), ("x", "y")]))
    with pytest.raises(UnknownColumnError, match=re.escape("('calf_pain', '')")):
        MODEL.score(frame)
    assert "calf_pain" in MODEL.draft_mapping(frame)
    assert "x" in MODEL.draft_mapping(pd.DataFrame([["yes", 1]], columns=["x", None]))


def test_runs_are_read_as_the_values_they_stand_for() -> None:
    runs = pa.table({"calf_pain": pa.RunEndEncodedArray.from_arrays([2, 3], ["yes", "no"])})
    assert values(MODEL.score(runs)) == values(MODEL.score(pa.table({"calf_pain": ["yes", "yes", "no"]})))


def values(frame: Any, names: list[str] | None = None) -> list[dict[str, Any]]:
    """Give the rows of any kind of frame as plain Python, empty cells as None."""
    if isinstance(frame, pd.DataFrame):
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    elif isinstance(frame, pl.DataFrame):
        frame = frame.to_arrow()
    rows: list[dict[str, Any]] = frame.select(names or frame.column_names).to_pylist()
    return [{k: None if isinstance(v, float) and v != v else v for k, v in row.items()} for row in rows]


EXPECTED = values(MODEL.score(pa.table(CASES)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_kind_comes_out_with_the_same_answers(kind: str) -> None:
    frame = KINDS[kind](CASES)
    scored = MODEL.score(frame)
    assert type(scored) is type(frame)
    assert values(scored) == EXPECTED
    assert list(EXPECTED[0]) == ["case_id", *NUMBERS, *WORDS]


@pytest.mark.parametrize("kind", KINDS)
def test_the_frame_that_came_in_is_left_as_it_was(kind: str) -> None:
    frame = KINDS[kind](CASES)
    before = values(frame)
    MODEL.score(frame)
    assert values(frame) == before


INDEXES: dict[str, Any] = {
    "names": pd.Index(["w", "x", "y", "z"], name="patient"),
    "numbers": pd.Index([7, 3, 3, -1]),
    "dates": pd.date_range("2026-01-01", periods=4),
    "pairs": pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1), ("b", 2)], names=["site", "n"]),
}


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("errors", ["raise", "null"])
def test_pandas_keeps_its_index(index: str, errors: Any) -> None:
    frame = pd.DataFrame(CASES).set_index(INDEXES[index])
    scored = MODEL.score(frame, errors=errors)
    pd.testing.assert_index_equal(scored.index, INDEXES[index])
    assert values(scored) == EXPECTED


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_case_id_and_kept_columns_come_back_as_they_were(kind: str) -> None:
    extra = {**CASES, "site": ["n", None, "s", "n"], "year": [1, 2, 3, 4]}
    scored = MODEL.score(KINDS[kind](extra), keep=["year", "site", "age", "case_id", "site"])
    got = values(scored)
    assert list(got[0]) == ["case_id", *NUMBERS, *WORDS, "year", "site", "age"]
    for name in ("year", "site", "age", "case_id"):
        assert [row[name] for row in got] == extra[name]


def test_kept_columns_keep_their_types() -> None:
    frame = pd.DataFrame({
        "age": [67, 500, 30],
        "when": pd.Series([pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02"), pd.NaT]),
        "group": pd.Categorical(["x", "y", "x"]),
        "thing": [object(), None, {"a": 1}],
    })  # fmt: skip
    scored = MODEL.score(frame, keep=["when", "group", "thing"], errors="null")
    pd.testing.assert_frame_equal(scored[["when", "group", "thing"]], frame[["when", "group", "thing"]])


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_refused_rows_come_back_empty_with_errors_null(kind: str) -> None:
    cases = {**CASES, "age": [67.0, 200.0, 39.5, 70.0], "sex": ["male", "female", "man", "Male"]}
    got = values(MODEL.score(KINDS[kind](cases), errors="null"))
    assert [row["case_id"] for row in got] == ["a", "b", "c", "d"]
    for place in (1, 2):
        assert all(got[place][name] is None for name in [*NUMBERS, *WORDS])
    assert (got[0], got[3]) == (EXPECTED[0], EXPECTED[3])


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("n", [0, 3])
def test_all_rows_refused_or_no_rows_keep_the_columns(kind: str, n: int) -> None:
    scored = MODEL.score(KINDS[kind]({"case_id": ["x"] * n, "age": [200.0] * n}), errors="null")
    names = scored.column_names if isinstance(scored, pa.Table) else list(scored.columns)
    assert names == ["case_id", *NUMBERS, *WORDS]
    assert len(scored) == n


def test_an_empty_frame_keeps_its_kinds_of_columns() -> None:
    full, empty = MODEL.score(pd.DataFrame({"age": [67]})), MODEL.score(pd.DataFrame({"age": []}))
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_a_frame_without_columns_has_rows_of_which_only_the_complaint_is_known() -> None:
    scored = MODEL.score(pd.DataFrame(index=["a", "b"]))
    assert list(scored.index) == ["a", "b"]
    expected = MODEL.diagnose({}).posterior
    for label in scored.index:
        np.testing.assert_allclose(scored.loc[label, expected.index].to_numpy(float), expected, rtol=0, atol=1e-12)


TRUTHS: dict[str, Any] = {
    "words": pd.Series(["Yes", "no", None, " PRESENT "]),
    "bool_object": pd.Series([True, False, None, True], dtype=object),
    "mixed": pd.Series([True, "no", float("nan"), 1], dtype=object),
    "mixed_numbers": pd.Series([1, 0.0, pd.NA, "1.0"], dtype=object),
    "mixed_empties": pd.Series(["yes", "no", pd.NaT, "yes"], dtype=object),
    "float": pd.Series([1.0, 0.0, np.nan, 1.0]),
    "boolean": pd.Series([True, False, pd.NA, True], dtype="boolean"),
    "Int64": pd.Series([1, 0, pd.NA, 1], dtype="Int64"),
    "string": pd.Series(["yes", "no", pd.NA, "yes"], dtype="string"),
    "string_pyarrow": pd.Series(["yes", "no", None, "yes"], dtype="string[pyarrow]"),
    "arrow_bool": pd.Series([True, False, None, True], dtype="bool[pyarrow]"),
    "category_words": pd.Series(["yes", "no", None, "yes"], dtype="category"),
    "category_bools": pd.Series(pd.Categorical([True, False, None, True])),
    "category_unused": pd.Series(pd.Categorical(["yes", "no", None, "yes"], categories=["what", "no", "yes"])),
    "empty_words": pd.Series(["yes", "no", "", "yes"]),
    "unknown_words": pd.Series(["yes", "no", "unknown", "yes"]),
    "numpy_bools": pd.Series([np.True_, np.False_, np.nan, np.True_], dtype=object),
    "minus_zero": pd.Series([1.0, -0.0, np.nan, 1.0]),
    "decimal": pd.Series([Decimal("1.00"), Decimal("0.00"), None, Decimal(1)], dtype=object),
    "polars_decimal": pl.Series(["1", "0", None, "1"]).cast(pl.Decimal(5, 2)),
    "polars_bool": pl.Series([True, False, None, True]),
    "polars_words": pl.Series(["yes", "no", None, "yes"]),
    "polars_float": pl.Series([1.0, 0.0, float("nan"), 1.0]),
    "polars_categorical": pl.Series(["yes", "no", None, "yes"], dtype=pl.Categorical),
    "polars_enum": pl.Series(["yes", "no", None, "yes"], dtype=pl.Enum(["yes", "no", "maybe"])),
    "polars_object": pl.Series([True, "no", None, 1], dtype=pl.Object),
}  # fmt: skip


@pytest.mark.parametrize("kind", TRUTHS)
def test_yes_no_and_nothing_in_every_type_of_column(kind: str) -> None:
    column = TRUTHS[kind]
    frame = (
        pl.DataFrame({"calf_pain": column}) if isinstance(column, pl.Series) else pd.DataFrame({"calf_pain": column})
    )
    got = [row["dvt"] for row in values(MODEL.score(frame), ["dvt"])]
    expected = [MODEL.diagnose({"calf_pain": said}).probabilities["dvt"] for said in ("yes", "no", None, "yes")]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


AGES: dict[str, Any] = {
    "int": pd.Series([67, 30, 30]),
    "float_nan": pd.Series([67.0, np.nan, 30.0]),
    "words": pd.Series(["67", None, "under_40"]),
    "mixed": pd.Series([67, None, "30"], dtype=object),
    "decimal": pd.Series([Decimal("67.0"), None, Decimal(30)], dtype=object),
    "category_of_ints": pd.Series(pd.Categorical([67, None, 30])),
    "Int64": pd.Series([67, None, 30], dtype="Int64"),
    "polars_int": pl.Series([67, None, 30]),
    "polars_decimal": pl.Series(["67", None, "30"]).cast(pl.Decimal(5, 2)),
}


def test_columns_named_by_numbers_can_be_kept_and_ignored() -> None:
    frame = pd.DataFrame({"age": [67, 25], 7: ["x", "y"], 8: [1, 2]})
    names: Any = [7], [8]  # pandas takes any label, and its users write them as they are
    scored = MODEL.score(frame, keep=names[0], ignore=names[1])
    assert scored[7].tolist() == ["x", "y"]
    assert 8 not in scored.columns


@pytest.mark.parametrize("kind", AGES)
def test_ages_in_every_type_of_column(kind: str) -> None:
    column = AGES[kind]
    frame = pl.DataFrame({"age": column}) if isinstance(column, pl.Series) else pd.DataFrame({"age": column})
    got = [row["dvt"] for row in values(MODEL.score(frame), ["dvt"])]
    middle = 30 if kind == "int" else None
    expected = [MODEL.diagnose({"age": age}).probabilities["dvt"] for age in (67, middle, 30)]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.Series([1, True], dtype=object), id="after_an_equal_number"),
        pytest.param(pd.Series([True, 1], dtype=object)[::-1], id="before_in_memory"),
        pytest.param(pd.Series([67, True], dtype=object), id="alone"),
        pytest.param(pl.Series([True, True]), id="polars"),
    ],
)
def test_a_bool_is_no_age_whatever_equals_it(column: Any) -> None:
    """Pandas holds True and 1 for one value: which came first must not decide."""
    frame = pl.DataFrame({"age": column}) if isinstance(column, pl.Series) else pd.DataFrame({"age": column})
    with pytest.raises(CaseError, match="'True' is not allowed for age"):
        MODEL.score(frame)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_order_of_columns_and_rows_changes_no_answer(kind: str) -> None:
    cases = MODEL.simulate(60, seed=4).drop(columns="case_id", errors="ignore")
    rng = np.random.default_rng(1)
    columns, rows = rng.permutation(cases.columns), rng.permutation(len(cases))
    back = np.argsort(rows)

    def scored(frame: pd.DataFrame) -> list[dict[str, Any]]:
        content = {name: [None if pd.isna(v) else v for v in frame[name]] for name in frame.columns}
        return values(MODEL.score(KINDS[kind](content)))

    plain, shuffled = scored(cases), scored(cases.iloc[rows][columns])
    for expected, got in zip(plain, [shuffled[i] for i in back], strict=True):
        assert {n: got[n] for n in WORDS} == {n: expected[n] for n in WORDS}
        np.testing.assert_allclose([got[n] for n in NUMBERS], [expected[n] for n in NUMBERS], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame([[1, 2]], columns=["age", "age"]), id="pandas"),
        pytest.param(pa.table([pa.array([1]), pa.array([2])], names=["age", "age"]), id="pyarrow"),
    ],
)
def test_a_column_twice_is_refused(frame: Any) -> None:
    with pytest.raises(FileFormatError, match=r"'age'.*|.*'age'"):
        MODEL.score(frame)


@pytest.mark.parametrize("thing", [{"age": [67]}, [{"age": 67}], pl.LazyFrame({"age": [67]}), "cases.csv", None,
                                   pd.Series([67], name="age")], ids=lambda t: type(t).__name__)  # fmt: skip
def test_other_things_are_refused(thing: Any) -> None:
    with pytest.raises(
        FileFormatError, match=f"this {type(thing).__name__} is no table: give a pandas, polars or pyarrow"
    ):
        MODEL.score(thing)


@pytest.mark.parametrize("cell", [["yes"], {1, 2}, b"yes", object], ids=repr)
def test_odd_things_in_cells_are_refused_with_their_row(cell: Any) -> None:
    frame = pd.DataFrame({"calf_pain": pd.Series(["yes", cell], dtype=object)})
    with pytest.raises(CaseError, match=r"row 1, column 'calf_pain': .* is not allowed for calf_pain"):
        MODEL.score(frame)


def test_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(CaseError, match="'calf_pain' has a value that is not valid text"):
        MODEL.score(pd.DataFrame({"calf_pain": pd.Series(["\ud800"], dtype=object)}))


def test_columns_that_do_not_matter_are_not_converted() -> None:
    table = to_arrow(pd.DataFrame({"age": [67], "site": [object()]}), ["age"])
    assert table.column_names == ["age", "site"]
    assert table["site"].to_pylist() == [None]
    assert table["age"].to_pylist() == ["67"]


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        pytest.param(pd.DataFrame({"age": [1, 2]}), "row 1", id="default_index"),
        pytest.param(pd.DataFrame({"age": [1, 2]}, index=["x", "p 7"]), "row 'p 7'", id="label"),
        pytest.param(pd.DataFrame({"age": [1, 2]}, index=[5, 9]), "row 9", id="number"),
        pytest.param(pd.DataFrame({"age": [1, 2]}, index=[("a", 1), ("b", 2)]), "row ('b', 2)", id="pair"),
        pytest.param(pl.DataFrame({"age": [1, 2]}), "row 1", id="polars"),
        pytest.param(pa.table({"age": [1, 2]}), "row 1", id="pyarrow"),
    ],
)
def test_a_row_has_the_name_its_user_knows(frame: Any, name: str) -> None:
    assert row_name(frame, 1) == name


class Answer(Enum):
    """A plain choice."""

    yes = "present"


class Said(str, Enum):  # noqa: UP042 - its text is not its value, unlike a StrEnum's
    """A choice that is a text too."""

    yes = "present"


@pytest.mark.parametrize(
    ("values", "same"),
    [
        pytest.param(np.array([67, 30], dtype=">i4"), ["67", "30"], id="big-endian integers"),
        pytest.param(np.array([67.0, np.nan], dtype=">f8"), ["67", ""], id="big-endian floats"),
        pytest.param(pd.array([67, None], dtype="Int64"), ["67", ""], id="nullable"),
        pytest.param(pd.arrays.SparseArray([67.0, np.nan]), ["67", ""], id="sparse"),
        pytest.param(pa.array([Decimal("67.00"), None]).to_pandas(types_mapper=pd.ArrowDtype), ["67", ""], id="arrow"),
    ],
)
def test_an_age_is_the_same_in_any_kind_of_column(values: Any, same: list[str]) -> None:
    found = MODEL.score(pd.DataFrame({"age": values}))
    pd.testing.assert_frame_equal(found, MODEL.score(pd.DataFrame({"age": same})))


WIDE = [getattr(pl, name) for name in ("Int128", "UInt128") if hasattr(pl, name)]  # the older polars has not both


@pytest.mark.parametrize("dtype", [*WIDE, pl.Decimal(38, 20), pl.Object])
def test_a_truth_is_the_same_in_any_kind_of_polars_column(dtype: Any) -> None:
    said = [Decimal(1), Decimal(0)] if dtype == pl.Decimal else [1, 0]
    found = MODEL.score(pl.DataFrame({"calf_pain": pl.Series(said, dtype=dtype)}))
    assert found.equals(MODEL.score(pl.DataFrame({"calf_pain": ["yes", "no"]})))


@pytest.mark.parametrize("way", ["score", "score_table", "score_file"])
@pytest.mark.parametrize(
    "column",
    [pa.array(pd.PeriodIndex(["1975-08"], freq="M")), pa.array([67], pa.duration("s"))],
    ids=["period", "duration"],
)
def test_what_is_counted_from_elsewhere_is_no_age(way: str, column: Any, tmp_path: Path) -> None:
    table = pa.table({"age": column})
    pa.parquet.write_table(table, tmp_path / "cases.parquet")
    given = (tmp_path / "cases.parquet", tmp_path / "out.csv") if way == "score_file" else (table,)
    with pytest.raises(FileFormatError, match=r"the column 'age' holds .*: give a number, or text"):
        getattr(MODEL, way)(*given)


@pytest.mark.skipif(not hasattr(pa, "json_"), reason="an older pyarrow has no JSON type")
def test_what_an_extension_type_stands_for_is_read() -> None:
    said = pa.array(['{"present": 0.8}'], pa.json_())
    found = MODEL.score(pa.table({"calf_pain": said}))
    assert found.equals(MODEL.score(pa.table({"calf_pain": ["present:0.8"]})))


@pytest.mark.parametrize("answer", [Answer.yes, Said.yes, np.array("present"), np.array(True), Decimal("1.00"), 1.0])
def test_an_answer_is_the_same_alone_and_in_a_frame(answer: object) -> None:
    level = MODEL.diagnose({"calf_pain": "present"}).posterior["dvt"]
    assert MODEL.diagnose({"calf_pain": answer}).posterior["dvt"] == level
    column = np.empty(1, dtype=object)
    column[0] = answer
    assert MODEL.score(pd.DataFrame({"calf_pain": column}))["dvt"][0] == pytest.approx(level, abs=1e-12)


@pytest.mark.parametrize("zero", [Decimal("0E-20"), Decimal("-0"), Decimal("0.00"), -0.0, np.float32(-0.0)])
def test_zero_is_no_however_it_is_written(zero: object) -> None:
    assert MODEL.diagnose({"calf_pain": zero}).posterior.equals(MODEL.diagnose({"calf_pain": "no"}).posterior)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(pd.Period("2024", "Y"), "'Period 2024'", id="a year"),
        pytest.param(np.datetime64("2024"), "'(datetime64|Timestamp) 2024(-01-01 00:00:00)?'", id="a year of numpy"),
        pytest.param(pd.Timestamp("2024-01-02 03:04:05"), "'Timestamp 2024-01-02 03:04:05'", id="a moment"),
        pytest.param(pd.Timedelta(days=3), "'Timedelta 3 days 00:00:00'", id="a time"),
        pytest.param(pd.Interval(1, 3), r"'\(1, 3\]'", id="an interval"),
        pytest.param(10**5000, "'int of thousands of digits'", id="5,001 digits"),
    ],
)
def test_what_is_no_number_is_none_alone_and_in_a_frame(value: object, said: str) -> None:
    with pytest.raises(CaseError, match=f"{said} is not allowed for duration_days"):
        MODEL.diagnose({"duration_days": value})
    with pytest.raises(CaseError, match=f"{said} is not allowed for duration_days"):
        MODEL.score(pd.DataFrame({"duration_days": pd.Series([value], dtype=object)}))


def test_a_value_that_is_no_text_is_named_so_that_it_can_be_printed() -> None:
    with pytest.raises(CaseError) as caught:
        MODEL.diagnose({"calf_pain": "\ud800"})
    assert r"'\ud800' is not allowed" in str(caught.value)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("option", ["keep", "ignore"])
def test_no_names_are_none_and_a_number_is_no_list_of_names(option: str) -> None:
    frame = pd.DataFrame({"age": [67]})
    nothing: dict[str, Any] = {option: None}
    number: dict[str, Any] = {option: 0}
    assert MODEL.score(frame, **nothing).equals(MODEL.score(frame))
    with pytest.raises(UnknownColumnError, match=rf"{option}=0: give a list of names, as in {option}=\[0\]"):
        MODEL.score(frame, **number)
    letters: dict[str, Any] = {option: b"age"}
    with pytest.raises(UnknownColumnError, match=rf"{option}=b'age': give a list of names"):
        MODEL.score(frame, **letters)


def test_a_fraction_is_the_number_that_it_is() -> None:
    frame = pd.DataFrame({"age": [Fraction(135, 2), Fraction(20 * 10**400 + 1, 10**400)]})
    expected = MODEL.score(pd.DataFrame({"age": [67.5, 20.0]}))
    pd.testing.assert_frame_equal(MODEL.score(frame), expected)


@pytest.mark.parametrize("name", [0, "0"])
def test_columns_named_by_numbers_are_kept(name: Any) -> None:
    found = MODEL.score(pd.DataFrame([["a", 67]], columns=[0, "age"]), keep=[name])
    assert found[0].tolist() == ["a"]


def test_what_a_table_of_many_columns_costs_is_no_square_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"x{i}" for i in range(300)]
    frame = pd.DataFrame(np.zeros((1, 300)), columns=names)
    asked: list[str] = []

    def matches(name: str, pattern: str) -> bool:
        asked.append(name)
        return fnmatchcase(name, pattern)

    monkeypatch.setattr("kneebayes.cases.coding.fnmatchcase", matches)
    MODEL.score(frame, ignore=names)
    assert not asked  # names without a mark are looked up
    MODEL.score(frame, ignore=["x*"])
    assert len(asked) <= 4 * len(names)
