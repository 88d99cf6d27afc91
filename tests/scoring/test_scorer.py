"""A table in, a table of posteriors out: what is accepted, refused, counted and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kneebayes import LEVELS, Thresholds, load_model
from kneebayes.cases.frames import encode_column
from kneebayes.errors import CaseError, FileFormatError, UnknownColumnError
from kneebayes.model import Model
from kneebayes.scoring.scorer import Scored
from kneebayes.spec.model_spec import ModelSpec
from tests.spec.test_model_spec import small

MODEL = load_model()
THRESHOLDS = Thresholds.of(MODEL.file)
OUTPUT = [*MODEL.causes, "none_of_these", "bakers_cyst_ruptured", "most_likely", "dvt_alarm", "red_flags"]


def score(columns: dict[str, Any], **options: Any) -> Scored:
    return MODEL.scorer.score(pa.table(columns), thresholds=THRESHOLDS, **options)


def rows(scored: Scored) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = scored.table.to_pylist()
    return content


def test_columns_of_the_contract_in_order() -> None:
    assert len(MODEL.causes) == 9
    assert score({"age": [67]}).table.column_names == OUTPUT
    with_id = score({"site": ["x"], "age": [67], "case_id": ["a"], "label": ["dvt"]}, keep=["site", "label"])
    assert with_id.table.column_names == ["case_id", *OUTPUT, "site", "label"]


def test_kinds_of_the_output_columns() -> None:
    schema = score({"age": [67, None]}).table.schema
    for name in OUTPUT[:11]:
        assert schema.field(name).type == pa.float64()
    for name in OUTPUT[11:]:
        assert schema.field(name).type == pa.string()


def test_counts_add_up_and_accepted_rows_keep_their_order() -> None:
    scored = score({"case_id": list("abcde"), "age": ["67", "200", "30", "old", None]})
    assert (scored.n_read, scored.table.num_rows) == (5, 3)
    assert scored.accepted.tolist() == [True, False, True, False, True]
    assert scored.table["case_id"].to_pylist() == ["a", "c", "e"]
    assert sorted({problem.row for problem in scored.problems}) == [1, 3]


def test_a_refused_row_changes_no_other() -> None:
    clean = rows(score({"age": ["67", "30"], "calf_pain": ["yes", "no"]}))
    mixed = rows(score({"age": ["67", "999", "30"], "calf_pain": ["yes", "yes", "no"]}))
    assert mixed == clean


def test_all_rows_refused_leave_an_empty_table_of_the_same_columns() -> None:
    scored = score({"age": [200, 300]})
    assert scored.table.num_rows == 0
    assert scored.table.column_names == OUTPUT


@pytest.mark.parametrize("n", [0, 1, 7, 1023, 1024, 5000])
def test_any_number_of_rows(n: int) -> None:
    table = pa.table({"age": pa.array([67] * n, pa.int64()), "calf_pain": pa.array(["yes"] * n, pa.string())})
    scored = MODEL.scorer.score(table, thresholds=THRESHOLDS)
    assert scored.table.num_rows == n
    assert scored.table.column_names == OUTPUT
    if n:
        expected = MODEL.diagnose({"age": 67, "calf_pain": "yes"}).probabilities["dvt"]
        np.testing.assert_allclose(scored.table["dvt"].to_numpy(), expected, rtol=0, atol=1e-12)


def test_a_pregnant_man_is_refused_with_both_values_named() -> None:
    scored = score({
        "sex": ["male", "female"], "pregnancy": ["pregnant"] * 2, "age": [30, 30], "calf_pain": ["yes"] * 2
    })  # fmt: skip
    (problem,) = scored.problems
    assert problem.row == 0
    assert (problem.column, problem.value) == ("sex+pregnancy", "male+pregnant")
    assert "sex=male and pregnancy=pregnant contradict each other" in problem.reason
    assert scored.accepted.tolist() == [False, True]


@pytest.mark.parametrize("sex", ["female", None])
def test_a_pregnancy_at_sixty_is_refused_for_the_age(sex: str | None) -> None:
    (problem,) = score({"sex": [sex], "pregnancy": ["pregnant"], "age": [60], "fever": ["no"]}).problems
    assert problem.column == "age+pregnancy"
    assert "age=sixties" in problem.reason


def test_a_contradiction_names_no_more_than_it_needs() -> None:
    """Any one of the values named taken away, the rest is possible."""
    content = small()
    content["findings"]["swelling"]["leak"]["p"] = 0.0
    model = Model(ModelSpec.model_validate(content))
    case = {"swelling": "yes", "clot": "no", "fever": "yes", "age": 60, "ache": "yes"}
    table = pa.table({name: [value] for name, value in case.items()})
    (problem,) = model.score_table(table).problems
    assert problem.column == "clot+swelling"
    for name in ("clot", "swelling"):
        assert model.score_table(table.drop_columns([name])).problems == []


def test_warnings_count_rows() -> None:
    scored = score({"age": [12, 17, 18, None, 16]})
    assert list(scored.warnings.values()) == [3]
    assert scored.table.num_rows == 5


def test_levels_flags_and_most_likely_are_those_of_the_single_case() -> None:
    cases: list[dict[str, Any]] = [
        {}, {"unilateral_leg_swelling": "yes"}, {"fever": "yes", "cannot_bear_weight": "1", "age": "30"},
        {"breathlessness_chest_pain": "yes", "age": "70"}, {"pain_over_6_weeks": "yes", "fever": "no"},
    ]  # fmt: skip
    names = {name for case in cases for name in case}
    scored = rows(score({name: [case.get(name) for case in cases] for name in names}))
    for case, row in zip(cases, scored, strict=True):
        dx = MODEL.diagnose(case)
        assert row["dvt_alarm"] == dx.alarm.level
        assert row["most_likely"] == dx.most_likely
        assert row["red_flags"] == ";".join(dx.red_flags)
    assert {row["dvt_alarm"] for row in scored} == {"not_assessed", "caution", "emergency"}


def test_thresholds_move_the_alarm_only() -> None:
    table = pa.table({"age": [67, 30]})
    plain = MODEL.scorer.score(table, thresholds=THRESHOLDS).table
    anxious = MODEL.scorer.score(table, thresholds=Thresholds(1e-6, 2e-6)).table
    assert anxious["dvt_alarm"].to_pylist() == ["urgent", "urgent"]
    assert anxious.drop_columns(["dvt_alarm"]).equals(plain.drop_columns(["dvt_alarm"]))
    assert set(plain["dvt_alarm"].to_pylist()) <= set(LEVELS)


def test_known_names_that_are_no_evidence_change_nothing() -> None:
    plain = rows(score({"age": [67]}))
    assert rows(score({"age": [67], "label": ["dvt"], "also": ["x"], "true_dvt": ["present"]})) == plain


def test_a_known_cause_is_evidence_unless_ignored() -> None:
    known, ignored = score({"dvt": ["present"]}), score({"dvt": ["present"]}, ignore=["dvt"])
    assert rows(known)[0]["dvt"] == pytest.approx(1.0)
    assert rows(ignored) == rows(score({"age": [None]}))
    assert rows(ignored)[0]["dvt"] < 0.03


def test_ignored_evidence_is_not_even_checked() -> None:
    assert score({"age": ["a hundred"], "sex": ["male"]}, ignore=["age"]).problems == []


def test_unknown_columns_are_refused_kept_or_ignored() -> None:
    with pytest.raises(UnknownColumnError, match="'calf_pian'"):
        score({"calf_pian": ["yes"]})
    assert "site" not in score({"site": ["x"]}, ignore=["site"]).table.column_names
    kept = score({"site": ["x", "y"], "age": [30, 999]}, keep=("site", "site"))
    assert kept.table["site"].to_pylist() == ["x"]


@pytest.mark.parametrize("name", ["dvt", "none_of_these", "most_likely", "dvt_alarm", "red_flags"])
def test_a_column_to_keep_may_not_take_the_place_of_an_output(name: str) -> None:
    with pytest.raises(UnknownColumnError, match=f"can't keep column '{name}'.*rename"):
        score({name: ["absent"]}, keep=[name])


def test_evidence_may_be_kept_as_it_came() -> None:
    assert score({"age": [67, None]}, keep=["age"]).table["age"].to_pylist() == [67, None]


def test_a_repeated_column_is_refused() -> None:
    table = pa.table([pa.array(["yes"]), pa.array(["no"])], names=["calf_pain", "calf_pain"])
    with pytest.raises(FileFormatError, match="'calf_pain' stands twice"):
        MODEL.scorer.score(table, thresholds=THRESHOLDS)


@pytest.mark.parametrize("cell", [["yes"], {"a": "yes"}], ids=["list", "struct"])
def test_columns_of_lists_and_structures_are_refused(cell: Any) -> None:
    with pytest.raises(FileFormatError, match=r"'calf_pain' holds .* one value a cell"):
        score({"calf_pain": pa.array([cell])})


@pytest.mark.parametrize("scored", [MODEL.score_table, MODEL.score], ids=["table", "frame"])
def test_a_column_that_means_another_thing_than_it_counts_in_is_refused(scored: Any) -> None:
    months = pa.array(pd.Series(pd.period_range("1975-08", periods=1, freq="M")))
    assert months.storage.to_pylist() == [67]
    with pytest.raises((FileFormatError, CaseError), match="age"):
        scored(pa.table({"age": months}))


@pytest.mark.skipif(not hasattr(pa, "decimal32"), reason="the oldest Arrow has no decimals of 32 bits")
@pytest.mark.parametrize("kind", ["decimal32", "decimal64"])
def test_small_decimals_are_numbers(kind: str) -> None:
    ages = pa.array([67, None], pa.decimal128(5, 1)).cast(getattr(pa, kind)(5, 1))
    table = pa.table({"age": ages})
    assert score({"age": ages}).table.equals(score({"age": [67, None]}).table)
    assert MODEL.score(table).equals(MODEL.score(pa.table({"age": [67, None]})))


DICTIONARY = pa.array(["yes", None, "no", "yes"]).dictionary_encode()
COLUMNS: dict[str, Any] = {
    "string": pa.array(["yes", None, "no", "yes"]),
    "large_string": pa.array(["yes", None, "no", "yes"], pa.large_string()),
    "string_view": pa.array(["yes", None, "no", "yes"], pa.string_view()),
    "bool": pa.array([True, None, False, True]),
    "int8": pa.array([1, None, 0, 1], pa.int8()),
    "uint64": pa.array([1, None, 0, 1], pa.uint64()),
    "float": pa.array([1.0, None, 0.0, 1.0]),
    "float_nan": pa.array([1.0, float("nan"), 0.0, 1.0]),
    "dictionary": DICTIONARY,
    "dictionary_uint8": DICTIONARY.cast(pa.dictionary(pa.uint8(), pa.string())),
    "dictionary_uint32": DICTIONARY.cast(pa.dictionary(pa.uint32(), pa.string())),
    "dictionary_with_null": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0]), pa.array(["yes", None, "no"])),
    "dictionary_of_bool": pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0]), pa.array([True, False])),
    "chunks": pa.chunked_array([["yes", None], [], ["no", "yes"]]),
    "chunks_of_dictionaries": pa.chunked_array([
        pa.array(["yes", None]).dictionary_encode(), pa.array(["no", "yes"]).dictionary_encode(),
    ]),
    "sliced": pa.array(["no", "yes", None, "no", "yes", "no"])[1:5],
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_kind_means_the_same(kind: str) -> None:
    expected = rows(score({"calf_pain": COLUMNS["string"]}))
    assert expected[0]["dvt"] > expected[1]["dvt"] > expected[2]["dvt"]
    assert rows(score({"calf_pain": COLUMNS[kind]})) == expected


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_factor_gives_back_its_column(kind: str) -> None:
    column = COLUMNS[kind]
    split = encode_column(column)
    got = [None if i < 0 else split.values[i] for i in split.index]
    assert [None if v != v else v for v in got] == [None if v != v else v for v in column.to_pylist()]


def test_a_record_batch_is_scored_as_a_table() -> None:
    batch = pa.record_batch({"case_id": pa.array(["a", "b"]), "age": pa.array([67, 500])})
    table = pa.Table.from_batches([batch])
    one, other = MODEL.score_table(batch), MODEL.score_table(table)
    assert one.table.equals(other.table)
    assert one.problems == other.problems


@pytest.mark.parametrize("engine", ["auto", "numpy", "numba"])
def test_engines_give_the_same(engine: Any) -> None:
    table = pa.table({"age": [67, 30, None], "calf_pain": ["yes", None, "no"]})
    expected = MODEL.score_table(table, engine="numpy").table
    got = MODEL.score_table(table, engine=engine).table
    for name in OUTPUT[:11]:
        np.testing.assert_allclose(got[name].to_numpy(), expected[name].to_numpy(), rtol=0, atol=1e-12)
    assert got.select(OUTPUT[11:]).equals(expected.select(OUTPUT[11:]))


def test_a_frame_with_children_is_scored_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"for adults.*\(1 of 2 rows\)"):
        scored = MODEL.score(pd.DataFrame({"age": [15, 50]}))
    assert len(scored) == 2
