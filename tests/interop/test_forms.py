"""Forms for REDCap, ODK and KoboToolbox: the rules of their columns, whom a question is for, and one convertor."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook
from pyxform.xls2xform import convert

from kneebayes.errors import FileFormatError
from kneebayes.interop.forms import RECORD, REDCAP_COLUMNS, Question, questions, redcap_dictionary, write_form, xlsform
from kneebayes.model import load_model
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model

MODELS = ("posterior_knee_pain", "posterior_knee_pain_extended")


@pytest.fixture(scope="module", params=MODELS)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return read_model(model_path(request.param))


def dictionary(spec: ModelSpec) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(redcap_dictionary(spec))))


def test_the_data_dictionary_keeps_to_the_rules_of_its_columns(spec: ModelSpec) -> None:
    header, *rows = csv.reader(io.StringIO(redcap_dictionary(spec)))
    assert tuple(header) == REDCAP_COLUMNS
    assert len(header) == 18
    names = [row[0] for row in rows]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) and "__" not in name and len(name) <= 100 for name in names)
    for number, row in enumerate(dictionary(spec)):
        kind, choices, validation = (row[REDCAP_COLUMNS[place]] for place in (3, 5, 7))
        assert row["Form Name"] == spec.name
        assert row["Field Label"].strip()
        assert "<" not in row["Field Label"]  # it would be taken for HTML
        assert (kind in ("radio",)) == bool(choices)
        assert kind in ("text", "yesno", "radio")
        assert validation == ("number" if kind == "text" and number else "")
        assert all(re.fullmatch(r"[A-Za-z0-9_]+, [^|]+", choice) for choice in choices.split(" | ") if choices)
        for field, value in re.findall(r"\[(\w+)\] (?:=|<>|<|>|<=|>=) ('\w*'|[\d.]+)", row[REDCAP_COLUMNS[11]]):
            assert field in names
            assert value.strip("'") or "''" in value
    assert (rows[0][0], rows[0][3]) == ("case_id", "text")


def test_a_form_asks_for_every_column_of_evidence_and_for_every_outcome(spec: ModelSpec) -> None:
    asked = [question.column for question in questions(spec)]
    assert sorted(asked) == sorted([*spec.input_columns, *(f"true_{cause}" for cause in spec.causes)])
    labels = [row["Field Label"] for row in dictionary(spec)]
    assert len(set(labels)) == len(labels)  # an export of labels has them for its header


def test_a_question_is_shown_to_those_of_whom_it_can_be_true(spec: ModelSpec) -> None:
    logic = {row[REDCAP_COLUMNS[0]]: row[REDCAP_COLUMNS[11]] for row in dictionary(spec)}
    assert [name for name, text in logic.items() if text] == ["pregnancy"]
    python = re.sub(r"\[(\w+)\]", r"\1", logic["pregnancy"]).replace("<>", "!=").replace(" = ", " == ")
    for age in ("", 18, 45, 59, 59.9, 60, 75):
        for sex in ("", "female", "male"):
            # a number of no age is less than none: REDCap's, as here, is told apart before
            shown = eval(python, {"age": age if age else EmptyNumber(), "sex": sex})
            assert shown is (sex != "male" and not (sex == "female" and age != "" and float(age) >= 60)), (age, sex)


class EmptyNumber:
    """A number that was not given, which compares as nothing does."""

    def __eq__(self, other: object) -> bool:
        return other == ""

    def __lt__(self, other: float) -> bool:
        raise AssertionError("the empty answer is asked for first")

    __hash__ = None  # type: ignore[assignment]


def test_pyxform_takes_the_form_without_a_warning(spec: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "form.xlsx"
    path.write_bytes(xlsform(spec))
    made = convert(xlsform=str(path))
    assert made.warnings == []
    for question in questions(spec):
        assert re.search(rf'nodeset="/data/page_\d/{question.column}"', made.xform), question.column
    survey = load_workbook(path)["survey"].iter_rows(min_row=2, values_only=True)
    relevant = {row[1]: row[3] for row in survey if len(row) > 3 and row[3]}
    assert relevant == {"pregnancy": "(${age} = '' or ${age} < 60 or ${sex} != 'female') and ${sex} != 'male'"}


@pytest.mark.parametrize(("kind", "name"), [("redcap", "form.xlsx"), ("xlsform", "form.csv"), ("redcap", "-")])
def test_a_form_goes_to_a_file_of_its_own_ending(spec: ModelSpec, kind: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="as in form"):
        write_form(spec, kind, name if name == "-" else str(tmp_path / name))
    assert not list(tmp_path.iterdir())


OWN = {"redcap": ("redcap_event_name", "Event Name"), "xlsform": ("KEY", "_uuid")}  # raw, labelled


@pytest.mark.slow
@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("labelled", [False, True], ids=["raw", "labelled"])
@pytest.mark.parametrize("name", MODELS)
def test_what_a_form_exports_scores_by_the_mapping_beside_it(
    name: str, kind: str, labelled: bool, tmp_path: Path
) -> None:
    model = load_model(name)
    path = tmp_path / ("form.csv" if kind == "redcap" else "form.xlsx")
    _, raw, by_label = write_form(model.file, kind, str(path))
    cases = model.simulate(20, seed=2, missing=0.4, with_causes=True)

    def cells(question: Question) -> list[str]:
        """Write answers as the program does, from its own rules."""
        words = dict(question.choices) if labelled else {}
        if kind == "redcap" and question.is_yes_no and not labelled:
            words = {"absent": "0", "present": "1"}
        return [
            "" if pd.isna(value) else words.get(value, str(value)) for value in cases[question.column].astype(object)
        ]

    header = {q.column: (q.text if labelled else q.column) for q in questions(model.file)}
    export = pd.DataFrame({header[q.column]: cells(q) for q in questions(model.file)})
    export.insert(0, RECORD if labelled else "case_id", cases["case_id"])
    export.insert(1, OWN[kind][labelled], "x")
    scores = model.score(export, mapping=by_label if labelled else raw)
    pd.testing.assert_frame_equal(scores, model.score(cases), check_dtype=False)
