"""Somebody's own columns and values, in ours: what a mapping says, and that nothing else is taken."""

from __future__ import annotations

import json
import pickle
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pyarrow as pa
import pytest
import yaml

import kneebayes as kb
from kneebayes.cases.coding import Coder
from kneebayes.cases.mapping import BoundMapping, CaseMapping, Mapped, matched
from kneebayes.cases.problems import Kind
from kneebayes.errors import CaseError, KneeBayesError, MappingError, UnknownColumnError

MODEL = kb.load_model()
CODER = Coder(MODEL.file)


def apply(mapping: dict[str, Any], **columns: list[Any]) -> Mapped:
    return BoundMapping(CODER, CaseMapping.of(mapping), columns).apply(pa.table(columns))


def cells(mapped: Mapped, name: str) -> list[Any]:
    return list(mapped.table[name].to_pylist())


def kinds(mapped: Mapped) -> list[tuple[int, str, Kind]]:
    return [(problem.row, problem.column, problem.why.kind) for problem in mapped.problems]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_are_taken_whatever_their_case_and_no_others() -> None:
    column = {"variable": "sex", "values": {"M": "male", "W": "female", "k.A.": "unknown"}}
    mapped = apply({"columns": {"G": column}}, G=["m", " W ", "K.A.", "", None, "x", "male"])
    assert cells(mapped, "sex") == ["male", "female", None, None, None, None, None]
    assert kinds(mapped) == [(5, "G", Kind.MAPPED_VALUE), (6, "G", Kind.MAPPED_VALUE)]
    assert "male" not in mapped.problems[1].plain


@pytest.mark.parametrize("cell", [1, 1.0, "1", "1.0", " 1 "])
def test_a_code_is_the_same_however_its_column_is_typed(cell: Any) -> None:
    mapped = apply({"columns": {"a": {"variable": "fever", "values": {1: "present", 2: "absent"}}}}, a=[cell])
    assert cells(mapped, "fever") == ["present"]


def test_words_for_nothing_are_nothing_in_every_column_or_in_one() -> None:
    mapping = {"missing": ["-9", "."], "columns": {"a": {"variable": "fever", "missing": [9]}, "b": "age"}}
    mapped = apply(mapping, a=["yes", "-9", "9", "."], b=["-9", "67", ".", "9"])
    assert cells(mapped, "fever") == ["yes", None, None, None]
    assert cells(mapped, "age") == [None, "67", None, "9"]


def test_numbers_have_decimal_commas_and_units() -> None:
    columns = {"a": "age", "d": {"variable": "duration_days", "units": {"": 1, "W": 7, "Monate": 30}}}
    mapped = apply(
        {"read": {"decimal": ","}, "columns": columns},
        a=["67,5", "sixties", "67.5", "200"],
        d=["1,5 w", "2Monate", "3 Jahre", "4"],
    )
    assert cells(mapped, "age") == ["67.5", "sixties", None, None]
    assert cells(mapped, "duration_days") == ["10.5", "60", None, "4"]
    expected = [(2, "a", Kind.MAPPED_NUMBER), (2, "d", Kind.MAPPED_NUMBER), (3, "a", Kind.OUTSIDE)]
    assert sorted(kinds(mapped), key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    ("born", "seen"),
    [
        ("1950-02-28", "2020-02-27"),
        ("2000-02-29", "2023-02-28"),
        ("1950-12-31", "2020-01-01"),
        ("1999-05-05", "1999-05-05"),
    ],
)
def test_age_is_counted_in_completed_years(born: str, seen: str) -> None:
    columns = {"b": {"variable": "age", "date": "YYYY-MM-DD", "until": "v"}, "v": {"date": "YYYY-MM-DD"}}
    first, last = date.fromisoformat(born), date.fromisoformat(seen)
    years = last.year - first.year - ((last.month, last.day) < (first.month, first.day))
    assert cells(apply({"columns": columns}, b=[born], v=[seen]), "age") == [str(years)]


def test_days_are_read_in_the_formats_given_and_impossible_ones_cost_their_row() -> None:
    columns = {
        "on": {"variable": "duration_days", "date": ["DD.MM.YYYY", "YYYY-MM-DD"], "until": "v"},
        "v": {"date": "DD.MM.YYYY"},
    }
    soon = (date.today() + timedelta(days=10)).strftime("%d.%m.%Y")
    starts = ["30.01.2020", "2020-01-30", "31.02.2020", "", "03.02.2020", soon, "01.01.1800"]
    mapped = apply({"columns": columns}, on=starts, v=["02.02.2020"] * 7)
    assert cells(mapped, "duration_days") == ["3", "3", None, None, None, None, None]
    assert kinds(mapped) == [
        (2, "on", Kind.DATE),
        (4, "on", Kind.DATES),
        (5, "on", Kind.FUTURE),
        (6, "on", Kind.OUTSIDE),
    ]
    fixed = {"b": {"variable": "age", "date": "%d/%m/%Y", "until": "2020-06-30"}}
    assert cells(apply({"columns": fixed}, b=["30/06/1990", "01/07/1990"]), "age") == ["30", "29"]


def test_one_column_stands_for_several() -> None:
    choices = {
        "Wade": {"calf_pain": "present"},
        "Fieber": {"fever": "present"},
        "Laufen": {"sport": "running"},
        "nix": {},
    }
    column = {"separator": ";", "choices": choices}
    came = ["wade; FIEBER", "nix", "", "Laufen;?", "Wade;Knie"]
    mapped = apply({"missing": ["?"], "columns": {"s": column}}, s=came)
    assert cells(mapped, "calf_pain") == ["present", None, None, None, None]
    assert cells(mapped, "sport") == [None, None, None, "running", None]
    assert kinds(mapped) == [(4, "s", Kind.MAPPED_VALUE)]
    mapped = apply({"missing": ["?"], "columns": {"s": {**column, "others": "absent"}}}, s=came)
    assert cells(mapped, "calf_pain") == ["present", "absent", None, "absent", None]
    assert cells(mapped, "sport") == [None, None, None, "running", None]  # nothing is absent of several states


def test_several_columns_for_one_are_any_of_them_and_absent_only_if_all_are() -> None:
    mapping = {"columns": {"a": "previous_dvt", "b": "previous_dvt"}, "combine": {"previous_dvt": "any"}}
    answers = [(a, b) for a in ("yes", "no", "") for b in ("1", "0", "unknown")]
    mapped = apply(mapping, a=[a for a, _ in answers], b=[b for _, b in answers])
    expected = ["present"] * 3 + ["present", "absent", None] + ["present", None, None]
    assert cells(mapped, "previous_dvt") == expected
    bad = apply(mapping, a=["yes", "perhaps"], b=["maybe", "yes"])
    assert kinds(bad) == [(0, "b", Kind.VALUE), (1, "a", Kind.VALUE)]


def test_several_columns_that_must_agree_cost_the_row_where_they_do_not() -> None:
    ticks = {
        f"s{i}": {"variable": "sport", "values": {1: state, 0: ""}} for i, state in enumerate(("running", "tennis"))
    }
    mapped = apply({"columns": ticks, "combine": {"sport": "agree"}}, s0=["1", "0", "0", "1"], s1=["0", "1", "0", "1"])
    assert cells(mapped, "sport") == ["running", "tennis", None, None]
    assert kinds(mapped) == [(3, "s0+s1", Kind.COMBINED)]


def test_rows_that_are_no_cases_are_left_out_and_counted() -> None:
    frame = pd.DataFrame({"Nr": ["1", "2", "Summe"], "age": ["67", "", "67"]})
    mapping = {"rows": {"Nr": ["summe"]}, "columns": {"Nr": "case_id", "age": "age"}}
    scores, rejects = MODEL.score(frame, mapping=mapping, errors="null", rejects=True)
    assert rejects["row"].tolist() == [2]
    assert "left out" in rejects["reason"][2]
    assert scores["dvt"].isna().tolist() == [False, False, True]
    assert len(MODEL.score(frame, mapping=mapping)) == 3  # what was wanted is no error


def test_a_mapped_frame_scores_as_the_frame_it_means() -> None:
    own = pd.DataFrame({"age": [67, 33], "sex": ["male", None], "calf_pain": ["yes", "no"]}, index=["a", "b"])
    theirs = pd.DataFrame(
        {"Alter": ["67", "33"], "G": ["M", "9"], "Wade": ["1", "2"], "x": ["p", "q"]}, index=["a", "b"]
    )
    mapping = {
        "columns": {
            "Alter": "age",
            "G": {"variable": "sex", "values": {"M": "male", "9": "unknown"}},
            "Wade": {"variable": "calf_pain", "values": {"1": "present", "2": "absent"}},
        },
        "ignore": "others",
    }
    expected = MODEL.score(own)
    pd.testing.assert_frame_equal(MODEL.score(theirs, mapping=mapping), expected)
    kept = MODEL.score(theirs, mapping=mapping, keep=["x", "G"])
    pd.testing.assert_frame_equal(kept, expected.assign(x=["p", "q"], G=["M", "9"]))
    dx = MODEL.diagnose({"Alter": 67, "G": "M", "Wade": 1}, mapping=mapping)
    assert dx.probabilities["dvt"] == pytest.approx(expected.loc["a", "dvt"], abs=1e-12)


@pytest.mark.slow
def test_fit_check_and_evaluate_take_a_mapping() -> None:
    cases = MODEL.simulate(80, seed=1, label=True)
    theirs = cases.rename(columns={"age": "Alter", "label": "Diagnose"}).assign(Station="A")
    columns = {name: name for name in cases.columns if name not in ("age", "label")}
    mapping = {"columns": columns | {"Alter": "age", "Diagnose": "label"}, "ignore": ["Stat*"]}
    fitted, own = MODEL.fit(theirs, mapping=mapping, max_steps=2), MODEL.fit(cases, max_steps=2)
    assert fitted.file == own.file
    pd.testing.assert_frame_equal(MODEL.check(theirs, pairs=False, mapping=mapping), MODEL.check(cases, pairs=False))
    found = kb.evaluate(MODEL, theirs, mapping=mapping, bootstrap=0)
    pd.testing.assert_frame_equal(found.causes, kb.evaluate(MODEL, cases, bootstrap=0).causes)


def test_outcomes_under_the_names_of_causes_are_no_evidence_where_they_are_named() -> None:
    cases = MODEL.simulate(60, seed=2, with_causes=True)
    named = cases.rename(columns={"true_dvt": "dvt"})
    pd.testing.assert_frame_equal(
        kb.evaluate(MODEL, named, outcome_columns=["dvt"], bootstrap=0).predictions,
        kb.evaluate(MODEL, cases, bootstrap=0).predictions,
    )
    said = str(kb.evaluate(MODEL, named, bootstrap=0)).splitlines()
    assert "no blind test of: dvt" in said[2]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown_variable": ({"columns": {"a": "calf_pian"}}, r"columns\.a: .* no 'calf_pian'.*Did you mean 'calf_pain'"),
    "unknown_state": ({"columns": {"a": {"variable": "sex", "values": {"M": "man"}}}}, "'man' is not allowed for sex"),
    "undecided": ({"columns": {"a": {"variable": "sex", "values": {"1": "unsure"}}}}, "decide what '1' means"),
    "unsure": ({"columns": {}, "unsure": {"a": ["fever"]}}, "still to be decided: 'a'"),
    "absent_column": ({"columns": {"b": "fever", "c": "age"}}, "no column 'b', 'c'"),
    "not_named": ({"columns": {}}, "unknown column 'a'. Name them in the mapping"),
    "twice": ({"columns": {"a": "fever", "c": "fever"}}, "no column 'c'"),
    "units_of_states": ({"columns": {"a": {"variable": "sex", "units": {"": 1}}}}, "sex is no number"),
    "until_nothing": ({"columns": {"a": {"variable": "age", "date": "DD.MM.YYYY", "until": "v"}}}, "'v' is no column"),
    "any_of_states": ({"columns": {"a": "sex"}, "combine": {"sex": "any"}}, "any is for absent and present"),
    "no_date": ({"columns": {"a": {"variable": "age", "date": "DD.MM", "until": "v"}}}, "write year, month and day"),
    "two_ways": ({"columns": {"a": {"variable": "age", "values": {}, "units": {}}}}, "two ways to read a column"),
    "repeated_value": (
        {"columns": {"a": {"variable": "sex", "values": {"M": "male", "m": "female"}}}},
        "'M' stands twice",
    ),
    "changed_id": ({"columns": {"a": {"variable": "case_id", "missing": ["x"]}}}, "write only case_id"),
    "unknown_key": ({"colums": {}}, "colums: is not permitted here"),
    "encoding": ({"read": {"encoding": "klingon"}}, "none that Python knows"),
}


@pytest.mark.parametrize(("mapping", "said"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused_with_its_place(mapping: dict[str, Any], said: str) -> None:
    with pytest.raises(KneeBayesError, match=said):
        apply(mapping, a=["1"])


def test_two_columns_for_one_need_to_be_combined() -> None:
    with pytest.raises(MappingError, match=r"'a' and 'b' both set fever: say how under combine"):
        apply({"columns": {"a": "fever", "b": "fever"}}, a=["1"], b=["1"])
    with pytest.raises(UnknownColumnError, match="'fever' and 'Fever' both set fever"):
        MODEL.score(pd.DataFrame({"fever": [1], "Fever": [1]}))


def test_words_stand_as_they_are_written_and_errors_name_their_line(tmp_path: Path) -> None:
    text = "columns:\n  a:\n    variable: fever\n    values: {no: absent, 1: present, 007: unknown, Y: present}\n"
    mapping = CaseMapping.of(written(tmp_path, text))
    assert mapping.columns is not None
    assert mapping.columns["a"].values == {"no": "absent", "1": "present", "007": "unknown", "Y": "present"}
    for broken, said in (
        ("columns:\n  a: fever\nvaluse: 1\n", r"valuse: is not permitted here. \(line 3, column 1\)"),
        (
            "columns:\n  a:\n    variable: sex\n    values:\n      1: mail\n",
            r"columns\.a\.values\.1: 'mail' .* \(line 5, column 10\)",
        ),
        ("columns:\n  a: fever\n  a: age\n", "line 3: the key 'a' stands twice"),
        ("columns: [\n", "not a safe YAML file"),
    ):
        with pytest.raises(MappingError, match=f"mapping.yaml: {said}"):
            BoundMapping(CODER, CaseMapping.of(written(tmp_path, broken)), ["a"])


SCHEMA = jsonschema.Draft202012Validator(json.loads(CaseMapping.schema_text()))
DAYS = {"date": "DD.MM.YYYY"}
CHOICES = {"separator": ";", "choices": {"a": {"fever": "present"}}}
TAKEN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "lists": {"read": {"header": [1, 2]}, "missing": [-9, "."], "ignore": ["x*"], "rows": {"a": ["", 1]}},
    "one_without_its_list": {"read": {"header": 2}, "missing": -9, "ignore": "others", "rows": {"a": ""}},
    "a_name_for_a_column": {"columns": {"a": "fever", "b": {"variable": "age", "missing": "?"}}},
    "values": {"columns": {"b": {"variable": "sex", "values": {"1": "male", "2": None, "3": True}}}},
    "days": {"columns": {"a": {"variable": "age", "until": "v", "date": ["DD.MM.YYYY", "DDMMYYYY"]}, "v": DAYS}},
    "choices": {"columns": {"a": CHOICES}, "combine": {"fever": "any"}},
    "units": {"columns": {"a": {"variable": "duration_days", "units": {"": 1, "w": 7.0, "m": "30.5"}}}},
    "a_line_in_quotes": {"read": {"header": "2"}},
    "lines_in_quotes": {"read": {"header": ["1", 2]}},
    "tab": {"read": {"sep": "tab", "decimal": ","}},
}
SHAPELESS: dict[str, dict[str, Any]] = {
    "key": {"colums": {}},
    "key_of_a_column": {"columns": {"a": {"variabel": "fever"}}},
    "no_column": {"columns": {"a": None}},
    "list_for_a_name": {"columns": {"a": ["fever"]}},
    "list_of_columns": {"columns": ["a"]},
    "list_in_a_list": {"missing": [["-9"]]},
    "list_for_a_value": {"columns": {"a": {"variable": "sex", "values": {"M": ["male"]}}}},
    "nothing_missing": {"missing": None},
    "header": {"read": {"header": 0}},
    "no_header": {"read": {"header": []}},
    "three_headers": {"read": {"header": [1, 2, 3]}},
    "header_of_no_line": {"read": {"header": "1,2"}},
    "separator": {"read": {"sep": ";;"}},
    "decimal": {"read": {"decimal": ";"}},
    "no_date": {"columns": {"v": {"date": ""}}},
    "no_dates": {"columns": {"v": {"date": []}}},
    "unit": {"columns": {"a": {"variable": "age", "units": {"y": "one"}}}},
    "combine": {"combine": {"fever": "some"}},
    "others": {"columns": {"a": {**CHOICES, "others": "present"}}},
    "version": {"format": 2},
    "number_to_ignore": {"ignore": [1]},
}


@pytest.mark.parametrize("mapping", TAKEN.values(), ids=TAKEN)
def test_the_schema_takes_what_is_taken(mapping: dict[str, Any]) -> None:
    CaseMapping.of(mapping)
    assert [error.message for error in SCHEMA.iter_errors(mapping)] == []


@pytest.mark.parametrize("mapping", SHAPELESS.values(), ids=SHAPELESS)
def test_the_schema_refuses_what_is_refused_by_its_shape(mapping: dict[str, Any]) -> None:
    with pytest.raises(MappingError):
        CaseMapping.of(mapping)
    assert list(SCHEMA.iter_errors(mapping))


def test_the_schema_takes_what_the_page_says_to_write() -> None:
    page = Path(kb.__file__).parent.parent / "docs" / "clinic.md"
    rows = [line.split("|")[2] for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    parts = [yaml.safe_load(span) for row in rows for span in re.findall("`([^`]+)`", row) if ": " in span]
    assert len(parts) > 15
    for part in parts:
        content = json.loads(json.dumps(part if set(part) <= set(CaseMapping.model_fields) else {"columns": part}))
        CaseMapping.of(content)
        assert [error.message for error in SCHEMA.iter_errors(content)] == [], content


@pytest.mark.parametrize("name", ["Calf pain", "CALF_PAIN", "calf-pain", "calfpain", " Calf  Pain "])
def test_a_header_is_matched_whatever_its_case_and_blanks(name: str) -> None:
    assert [column.variable for column in matched(CODER, [name]).values()] == ["calf_pain"]
    assert MODEL.score(pd.DataFrame({name: ["Y"]}))["dvt"][0] == MODEL.score(pd.DataFrame({"calf_pain": [1]}))["dvt"][0]


def test_a_header_is_matched_by_label() -> None:
    assert matched(CODER, ["Lump behind the knee"])["Lump behind the knee"].variable == "popliteal_swelling"
    assert matched(CODER, ["chest_pain", "leg swollen", "knee"]) == {}


def test_without_columns_the_rest_of_a_mapping_holds() -> None:
    frame = pd.DataFrame({"Age": ["67", "-9"], "site": ["a", "b"]})
    scores = MODEL.score(frame, mapping={"ignore": "others", "missing": ["-9"]})
    pd.testing.assert_frame_equal(scores, MODEL.score(pd.DataFrame({"age": [67, None]})))
    with pytest.raises(UnknownColumnError, match="'site'"):
        MODEL.score(frame, mapping={"missing": ["-9"]})
    with pytest.raises(CaseError, match="'-9'"):
        MODEL.score(frame, ignore=["si*"])


def test_a_mapped_file_scores_as_the_file_it_means_and_rejects_speak_of_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        "Nr;Größe;Alter;Wade\n01;x;67,5;ja\n02;y;999;nein\n03;z;50;vielleicht\n03;z;50;ja\n".encode("cp1252")
    )
    mapping = {
        "read": {"sep": ";", "decimal": ",", "encoding": "cp1252"},
        "columns": {
            "Nr": "case_id",
            "Alter": "age",
            "Wade": {"variable": "calf_pain", "values": {"ja": "present", "nein": "absent"}},
        },
        "ignore": ["Größe"],
    }
    counts = MODEL.score_file(
        tmp_path / "a.csv", tmp_path / "o.csv", rejects=tmp_path / "r.csv", mapping=mapping, keep=["Alter"]
    )
    assert (counts.read, counts.scored, counts.rejected) == (4, 1, 3)
    scored = pd.read_csv(tmp_path / "o.csv", dtype={"case_id": str, "Alter": str})
    assert scored[["case_id", "Alter"]].to_numpy().tolist() == [["01", "67,5"]]
    assert scored["dvt"][0] == pytest.approx(
        MODEL.diagnose({"age": 67.5, "calf_pain": True}).probabilities["dvt"], abs=1e-12
    )
    rejects = pd.read_csv(tmp_path / "r.csv", dtype=str)
    assert rejects[["row", "case_id", "column", "value"]].to_numpy().tolist() == [
        ["2", "02", "Alter", "999"],
        ["3", "03", "Wade", "vielleicht"],
        ["4", "03", "Nr", "03"],
    ]


VISITS = {
    "join": "case_id",
    "rows": {"visit": ["2"]},
    "missing": ["."],
    "columns": {
        "id": "case_id",
        "fieber": {"variable": "fever", "values": {"ja": "present", "nein": "absent", "k.A.": "unknown"}},
        "alter": "age",
    },
}


def test_rows_of_one_id_are_one_case_of_what_any_of_them_says() -> None:
    ids = ["b", "a", "", "b", "a", "", None]
    fever = ["", "nein", "ja", "JA", "Nein", "nein", "ja"]
    mapped = apply(VISITS, id=ids, visit=[""] * 7, fieber=fever, alter=["61", "", "7", "", "50", "", "."])
    assert [mapped.table.to_pylist()[row] for row in (0, 1)] == [
        {"case_id": "b", "fever": "present", "age": "61"},
        {"case_id": "a", "fever": "absent", "age": "50"},
    ]
    assert kinds(mapped) == [(3, "id", Kind.JOINED), (4, "id", Kind.JOINED)]
    assert cells(mapped, "fever")[2:] == ["present", None, None, "absent", "present"]  # of no id: cases of their own


def test_rows_of_one_id_that_differ_are_refused_where_they_do() -> None:
    mapped = apply(VISITS, id=["a", "a", "a"], visit=[""] * 3, fieber=["ja", "k.A.", "nein"], alter=[".", "40", "40"])
    assert (0, "fieber", Kind.ROWS_DIFFER) in kinds(mapped)
    assert mapped.table.to_pylist()[0] == {"case_id": "a", "fever": None, "age": "40"}


def test_rows_that_are_left_out_are_not_joined() -> None:
    mapped = apply(VISITS, id=["a", "a"], visit=["2", "1"], fieber=["ja", "nein"], alter=["", ""])
    assert kinds(mapped) == [(0, "visit", Kind.LEFT_OUT)]
    assert cells(mapped, "fever")[1] == "absent"


def test_days_of_one_row_count_up_to_those_of_another() -> None:
    birth = {"variable": "age", "date": "YYYY-MM-DD", "until": "seen"}
    mapping = {"join": "case_id", "columns": {"id": "case_id", "born": birth, "seen": {"date": "YYYY-MM-DD"}}}
    mapped = apply(mapping, id=["a", "a"], born=["1980-05-01", ""], seen=["", "2020-06-01"])
    assert cells(mapped, "age")[0] == "40"


def test_rows_can_be_joined_only_by_an_id() -> None:
    with pytest.raises(MappingError, match="join: rows are joined by their case_id"):
        apply({"join": "case_id", "columns": {"a": "age"}}, a=[1])


def test_a_dry_run_counts_cases_and_says_which_ids_come_again() -> None:
    table = pa.table({"id": ["a", "a"], "visit": ["", ""], "fieber": ["ja", ""], "alter": ["", "3"]})
    said = BoundMapping(CODER, CaseMapping.of(VISITS), table.column_names).dry_run(table)
    assert "fieber -> fever: 1 present\n" in said
    assert said.endswith("2 rows, of which 0 can't be read, 1 left out or joined")
    apart = {**VISITS, "join": None}
    said = BoundMapping(CODER, CaseMapping.of(apart), table.column_names).dry_run(table)
    assert "1 rows would be rejected: an earlier row has this case_id" in said


def test_a_variable_of_another_model_is_refused_with_the_model_of_the_draft() -> None:
    mapping = {"model": "posterior_knee_pain_extended", "columns": {"DM": "diabetes"}}
    with pytest.raises(MappingError, match="and the mapping was drafted for posterior_knee_pain_extended"):
        apply(mapping, DM=["yes"])


def test_a_dry_run_counts_what_the_model_would_refuse_and_says_what_to_do() -> None:
    table = pa.table({"Bett": ["ja", "k.A.", ""], "Fieber": ["ja", "nein", "nein"]})
    fever = {"variable": "fever", "values": {"ja": "present", "nein": "unknown"}}
    mapping = CaseMapping.of({"columns": {"Bett": "bed_confined", "Fieber": fever}})
    said = BoundMapping(CODER, mapping, table.column_names).dry_run(table)
    assert "Bett -> bed_confined: 1 empty, 2 refused\n" in said
    assert "Fieber -> fever: 2 unknown, 1 present\n" in said
    assert "3 rows, of which 2 can't be read\n  Bett: not allowed" in said
    assert said.endswith(remedy := ", or nothing if unknown; or say under values in the mapping what theirs mean")
    with pytest.raises(CaseError) as refused:
        MODEL.score(pd.DataFrame({"Alter": ["abc"]}), mapping={"columns": {"Alter": "age"}})
    assert str(refused.value).endswith(remedy)


def test_a_value_that_means_unknown_is_an_empty_cell_of_the_complaint_too() -> None:
    frame = pd.DataFrame({"Kniekehle": ["99"], "age": ["60"]})
    by_value = {"variable": "posterior_knee_pain", "values": {"1": "present", "99": "unknown"}}
    by_missing = {"variable": "posterior_knee_pain", "values": {"1": "present"}, "missing": ["99"]}
    for column in (by_value, by_missing):
        scored = MODEL.score(frame, mapping={"columns": {"Kniekehle": column, "age": "age"}})
        assert scored["dvt"][0] == pytest.approx(MODEL.diagnose({"age": 60}).posterior["dvt"], abs=1e-9)


def test_one_case_alone_has_nothing_to_join() -> None:
    assert (
        MODEL.diagnose({"fieber": "ja"}, mapping={**VISITS, "rows": {}}).alarm.level
        == MODEL.diagnose({"fever": "yes"}).alarm.level
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"join": "x"}, "join: write 'case_id', not 'x'"),
        ({"colums": {}}, "colums: is not permitted here. Did you mean 'columns'?"),
        ({"columns": {"a": {"variabel": "age"}}}, "columns.a.variabel: is not permitted here. Did you mean"),
        ({"read": {"sheat": "x"}}, "read.sheat: is not permitted here. Did you mean 'sheet'?"),
        ({"columns": {"a": {"variable": "age", "units": {"": "unsure"}}}}, "columns.a.units.'': still to be decided"),
        ({"columns": {"a": {"variable": "age", "units": {"": "x"}}}}, "write a number, as 7 or 0.25, not 'x'"),
        ({"columns": {"a": {"variable": "smoker", "values": "ja"}}}, "write keys, and what stands under each"),
        ({"columns": {"a": {"variable": "smoker", "bands": {"present": 1, "absent": 1}}}}, "begin at one number"),
        ({"missing": {"a": 1}}, "missing: write a list, as [one, other]"),
        ({"read": {"header": "x"}}, "read.header.0: write a whole number, as 1, not 'x'"),
        ({"read": {"header": [1, 2, 3]}}, "read.header: give at most 2"),
        ({"columns": ["a"]}, "columns: write keys"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_said_with_what_to_write(content: dict[str, Any], said: str) -> None:
    for make in (CaseMapping.of, lambda content: CaseMapping(**content)):
        with pytest.raises(MappingError) as error:
            make(content)
        assert said in str(error.value)
        assert "Input should" not in str(error.value)
        assert ";" not in str(error.value)  # one mistake is one problem


@pytest.mark.parametrize("name", ["true_dvtt", "true_age"])
def test_an_outcome_of_no_cause_is_refused_in_a_mapping(name: str) -> None:
    with pytest.raises(MappingError, match=name):
        MODEL.score(pd.DataFrame({"a": ["yes"]}), mapping={"columns": {"a": name}})


def test_a_rule_for_what_no_column_sets_is_refused() -> None:
    with pytest.raises(MappingError, match="no column sets 'feverr'"):
        MODEL.score(pd.DataFrame({"a": ["yes"]}), mapping={"columns": {"a": "fever"}, "combine": {"feverr": "any"}})


def test_a_mapping_made_of_keys_is_that_of_a_dictionary_and_survives_a_pickle() -> None:
    content = {"columns": {"a": "fever", "b": {"variable": "age", "units": {"": 1}}}, "ignore": "others"}
    made = CaseMapping(**content)
    assert made == CaseMapping.of(content) == pickle.loads(pickle.dumps(made))


@pytest.mark.parametrize("mapping", ["", 0, False, []])
def test_a_mapping_that_counts_as_nothing_is_not_passed_over(mapping: Any) -> None:
    with pytest.raises(KneeBayesError):
        MODEL.score(pd.DataFrame({"age": [67]}), mapping=mapping)
