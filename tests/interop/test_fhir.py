"""FHIR: what comes out is valid and in per cent, what comes in becomes a case."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.errors import CaseError, FileFormatError, MissingExtraError, OptionError, UnknownColumnError
from kneebayes.errors import UnknownNameError as NameNotKnown
from kneebayes.ui.cli import app

ROOT = Path(__file__).parents[2]
VERSIONS = ["R5", "R4B"]
CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": True, "fever": False}


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


def valid(content: dict[str, Any], version: str) -> dict[str, Any]:
    """Read a resource with fhir.resources and write it again."""
    kind = content["resourceType"]
    module = importlib.import_module(f"fhir.resources.{'' if version == 'R5' else version + '.'}{kind.lower()}")
    again: dict[str, Any] = json.loads(getattr(module, kind).model_validate(content).model_dump_json())
    return again


def answers(questionnaire: dict[str, Any], case: dict[str, object]) -> dict[str, Any]:
    """Answer a Questionnaire as a form would: by the type of each item."""
    groups = []
    for group in questionnaire["item"]:
        items = []
        for item in group["item"]:
            if item["linkId"] not in case:
                continue
            value = case[item["linkId"]]
            if item["type"] == "boolean":
                answer: dict[str, object] = {"valueBoolean": value}
            elif item["type"] == "decimal":
                answer = {"valueDecimal": value}
            else:
                answer = next(o for o in item["answerOption"] if o["valueCoding"]["code"] == value)
            items.append({"linkId": item["linkId"], "answer": [answer]})
        if items:
            groups.append({"linkId": group["linkId"], "item": items})
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": f"{questionnaire['url']}|{questionnaire['version']}",
        "item": groups,
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_from_questions_to_answers_to_a_case_to_risk_assessments(version: Any, model: kb.Model) -> None:
    questionnaire = valid(json.loads(model.to_fhir_questionnaire(version).model_dump_json()), version)
    response = valid(answers(questionnaire, CASE), version)
    case = model.case_from_fhir(response, version)
    assert case == CASE
    dx = model.diagnose(case)
    out = dx.to_fhir(patient="7", version=version, basis="QuestionnaireResponse/1")
    content = valid(json.loads(out.model_dump_json()), version)
    causes, alarm = (entry["resource"] for entry in content["entry"])
    assert causes["resourceType"] == alarm["resourceType"] == "RiskAssessment"
    assert causes["subject"] == alarm["subject"] == {"reference": "Patient/7"}
    assert causes["basis"] == [{"reference": "QuestionnaireResponse/1"}]
    predictions = {p["outcome"]["text"]: p["probabilityDecimal"] for p in causes["prediction"]}
    assert predictions == pytest.approx(
        {dx.label(name): 100 * dx.probabilities[name] for name in model.causes}, abs=1e-9
    )
    assert f"{model.file.name} {model.file.version}" in causes["method"]["text"]
    assert causes["method"]["coding"][0]["version"] == model.file.version
    for resource in (causes, alarm):
        assert resource["note"][-1]["text"] == model.file.disclaimer
        assert resource["status"] == "preliminary"
    [prediction] = alarm["prediction"]
    assert prediction["qualitativeRisk"]["coding"][0]["code"] == dx.alarm.level
    assert prediction["qualitativeRisk"]["coding"][0]["system"].startswith("urn:kneebayes:")
    assert alarm["mitigation"] == dx.alarm.advice


def test_the_codes_are_those_of_the_model_file_and_nothing_is_a_condition(model: kb.Model) -> None:
    text = model.diagnose(CASE).to_fhir(patient="Patient/7").model_dump_json()
    content = json.loads(text)
    assert '"Condition"' not in text
    for name, prediction in zip(model.causes, content["entry"][0]["resource"]["prediction"], strict=True):
        coding, own = prediction["outcome"]["coding"]
        assert own == {"system": "urn:kneebayes:variable", "code": name, "display": model.file.causes[name].label}
        assert coding["system"] == "http://hl7.org/fhir/sid/icd-10-cm"
        assert model.file.causes[name].icd10cm[coding["code"]] == coding["display"]
        assert 0 <= prediction["probabilityDecimal"] <= 100


def test_every_question_is_asked_once_and_no_cause_is(model: kb.Model) -> None:
    content = json.loads(model.to_fhir_questionnaire().model_dump_json())
    asked = [item["linkId"] for group in content["item"] for item in group["item"]]
    assert len(asked) == len(set(asked)) == len(model.file.input_columns)
    assert not set(asked) & set(model.causes)
    assert [i["type"] for g in content["item"] for i in g["item"] if i["linkId"] == "age"] == ["decimal"]


def respond(**changes: object) -> dict[str, Any]:
    base = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "urn:x"}
    return {**base, "questionnaire": "urn:kneebayes:questionnaire:posterior_knee_pain", **changes}


def item(link: str, *given: dict[str, object]) -> dict[str, object]:
    return {"linkId": link, "answer": list(given)}


def coded(link: str, system: str | None = None, code: str | None = None, display: str | None = None) -> dict[str, Any]:
    coding = {"system": system, "code": code, "display": display}
    return item(link, {"valueCoding": {name: value for name, value in coding.items() if value is not None}})


def quantity(link: str, **parts: object) -> dict[str, Any]:
    return item(link, {"valueQuantity": parts})


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"linkId": "group-pain"}
    for _ in range(depth):
        inner = {"linkId": "group-pain", "item": [inner]}
    return inner


REASON = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}


@pytest.mark.parametrize(
    ("answered", "case"),
    [
        (coded("sex", "urn:kneebayes:state:sex", "male"), {"sex": "male"}),
        (coded("sex", None, "male"), {"sex": "male"}),
        (coded("sex", "http://terminology.hl7.org/CodeSystem/data-absent-reason", "asked-unknown"), {}),
        (coded("sex", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK"), {}),
        (item("fever", {"_valueBoolean": {"extension": [REASON]}}), {}),
        (item("fever", {"extension": [REASON]}), {}),
        (quantity("age", value=67, unit="years", system="http://unitsofmeasure.org", code="a"), {"age": 67}),
        (quantity("age", value=67, unit="years"), {"age": 67}),
        (quantity("duration_days", value=3.5, code="d"), {"duration_days": 3.5}),
        (item("age", {"valueInteger": 67}), {"age": 67}),
        (item("calf_pain", {"valueString": "yes"}), {"calf_pain": "yes"}),
    ],
)
def test_an_answer_in_another_form_is_read(answered: dict[str, Any], case: dict[str, object], model: kb.Model) -> None:
    assert model.case_from_fhir(respond(item=[answered]), "R4B") == case


@pytest.mark.parametrize("version", ["R5", "R4B"])
@pytest.mark.parametrize("answer", [{"_valueBoolean": {"extension": [REASON]}}, {"extension": [REASON]}])
def test_a_reason_for_no_answer_is_unknown_and_beside_an_answer_refused(
    answer: dict[str, Any], version: Any, model: kb.Model
) -> None:
    response = respond(item=[item("fever", answer)], questionnaire="urn:kneebayes:questionnaire:posterior_knee_pain")
    assert model.case_from_fhir(response, version) == {}
    both = respond(item=[item("fever", answer | {"valueBoolean": True})], questionnaire=response["questionnaire"])
    beside = respond(item=[item("fever", {"valueBoolean": True}) | {"extension": [REASON]}])
    for response in (both, beside):
        with pytest.raises(CaseError, match="fever has an answer, and a reason why there is none"):
            model.case_from_fhir(response, version)


def test_what_modifies_an_answer_is_never_passed_over(model: kb.Model) -> None:
    modifier: dict[str, Any] = {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    answered = item("fever", {"valueBoolean": True})
    for response in (
        respond(item=[answered | modifier]),
        respond(item=[item("fever", {"valueBoolean": True, **modifier})]),
        respond(item=[answered], **modifier),
        respond(item=[answered], implicitRules="http://example.org/rules"),
    ):
        with pytest.raises(CaseError, match="changes what an answer means"):
            model.case_from_fhir(response, "R4B")


def test_every_entry_of_a_bundle_has_a_name_of_its_content(model: kb.Model) -> None:
    """Rules bdl-7 and bdl-8 of Bundle: names are unique, and no versions; the same content has the same bytes."""
    dx = model.diagnose(CASE)
    when = datetime(2026, 11, 1, tzinfo=UTC)
    one, again = (json.loads(dx.to_fhir(patient="7", when=when).model_dump_json()) for _ in range(2))
    names = [entry["fullUrl"] for entry in one["entry"]]
    assert one == again
    assert len(set(names)) == len(names) == 2
    assert all(str(uuid.UUID(name.removeprefix("urn:uuid:"))) in name for name in names)
    other = json.loads(dx.to_fhir(patient="8", when=when).model_dump_json())
    assert not set(names) & {entry["fullUrl"] for entry in other["entry"]}


@pytest.mark.parametrize("parts", [{"patient": ""}, {"patient": "Patient/"}, {"patient": "7", "basis": [""]}])
def test_empty_references_are_refused(parts: dict[str, Any], model: kb.Model) -> None:
    with pytest.raises(CaseError, match=r"names nobody|reference: is empty"):
        model.diagnose(CASE).to_fhir(**parts)


@pytest.mark.parametrize("parts", [{"patient": b"7"}, {"patient": None}, {"patient": "7", "when": date(2026, 11, 1)}])
def test_what_is_no_reference_and_no_moment_gets_the_right_call(parts: dict[str, Any], model: kb.Model) -> None:
    with pytest.raises(OptionError, match=r"not for a value of type \w+: dx\.to_fhir\(patient='Patient/123'"):
        model.diagnose(CASE).to_fhir(**parts)


def test_no_basis_is_none(model: kb.Model) -> None:
    written = model.diagnose(CASE).to_fhir(patient="7", basis=None).model_dump_json()  # type: ignore[arg-type]
    assert "basis" not in json.loads(written)["entry"][0]["resource"]


def test_a_control_character_is_written_nowhere(model: kb.Model) -> None:
    with pytest.raises(CaseError, match=r"reference: holds the control character '\\x1b'"):
        model.diagnose(CASE).to_fhir(patient="Patient/\x1b[31m")


@pytest.mark.parametrize(
    ("response", "error", "message"),
    [
        (respond(status="entered-in-error"), CaseError, "status is entered-in-error"),
        (respond(questionnaire="urn:other"), CaseError, "answers urn:other, not urn:kneebayes"),
        (respond(resourceType="Patient"), CaseError, "a FHIR Patient, where"),
        (respond(item=[item("calf_pian", {"valueBoolean": True})]), UnknownColumnError, "Did you mean 'calf_pain'"),
        (respond(item=[item("age", {"valueDecimal": 300})]), CaseError, "'300' is outside 0 to 110 years"),
        (respond(item=[item("fever", {"valueBoolean": True}, {"valueBoolean": False})]), CaseError, "more than one"),
        (respond(item=[item("fever", {"valueTime": "10:00:00"})]), CaseError, "fever is answered by valueTime"),
        (respond(status=None), CaseError, "FHIR QuestionnaireResponse.status: is null: leave it out"),
        (respond(status="done"), CaseError, "its status is done, so it is not scored"),
        (
            {
                "_status" if n == "status" else n: {"extension": [REASON]} if n == "status" else v
                for n, v in respond().items()
            },
            CaseError,
            "its status is not said, so it is not scored",
        ),
        (respond(answers=[1]), CaseError, "FHIR R5 QuestionnaireResponse"),
        (respond(item=None), CaseError, "item: is null"),
        (respond(item=[]), CaseError, "item: is empty"),
        (respond(item=[item("calf_pain", {"valueString": ""})]), CaseError, "valueString: is empty"),
        (respond(item=[item("calf_pain", {"valueString": "y\x00es"})]), CaseError, r"valueString: holds .* '\\x00'"),
        (respond(item=[{"_linkId": {"id": "a"}}]), CaseError, "linkId"),
        (respond(item=[nested(2000)]), CaseError, "nested over 100 deep"),
        (respond(item=[coded("sex", display="Male")]), CaseError, "sex is answered by a coding without a code"),
        (respond(item=[coded("sex", "urn:other", "male")]), CaseError, "a coding of urn:other: give a code of urn:kne"),
        (
            respond(item=[coded("sex", "urn:kneebayes:state:sport", "male")]),
            CaseError,
            "coding of urn:kneebayes:state:",
        ),
        (respond(item=[quantity("age", unit="months", value=800)]), CaseError, "can't be read: give a number of years"),
        (respond(item=[quantity("age", unit="years", value=67, comparator=">")]), CaseError, "give a number of years"),
        (respond(item=[quantity("calf_pain", unit="years", value=1)]), CaseError, "give a boolean or a coding"),
        (
            respond(item=[quantity("age", value=67, system="urn:other", code="a")]),
            CaseError,
            "age is answered by a quantity that can't be read",
        ),
        (respond(item=[item("age", {"valueDate": "1950-01-01"})]), CaseError, "age is answered by valueDate"),
        ("{", CaseError, "no JSON"),
        (
            json.dumps(respond(item=[item("fever", {"valueBoolean": True})]))[:-1] + ', "item": []}',
            CaseError,
            "no JSON: the name 'item' stands twice in one object",
        ),
        ("[]", CaseError, "a JSON object is needed, not list"),
    ],
)
def test_answers_that_can_not_be_a_case(
    response: object, error: type[Exception], message: str, model: kb.Model
) -> None:
    with pytest.raises(error, match=message):
        model.case_from_fhir(response)


def test_an_unanswered_item_is_unknown_and_json_text_will_do(model: kb.Model) -> None:
    response = respond(item=[{"linkId": "fever"}, item("calf_pain", {"valueBoolean": False})])
    assert model.case_from_fhir(json.dumps(response)) == {"calf_pain": False}


def test_unknown_versions_are_refused(model: kb.Model) -> None:
    with pytest.raises(NameNotKnown, match=r"no FHIR version 'R3': use one of R5, R4B"):
        model.to_fhir_questionnaire("R3")  # type: ignore[arg-type]


def test_without_fhir_resources_the_extra_is_named(model: kb.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fhir.resources.bundle", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'kneebayes\[fhir\]'"):
        model.diagnose({}).to_fhir(patient="7")


def test_importing_kneebayes_does_not_import_fhir() -> None:
    script = "import sys, kneebayes, kneebayes.interop.fhir; sys.exit('fhir' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_cases_becomes_a_bundle_a_line(version: str, model: kb.Model, tmp_path: Path) -> None:
    source, target, rejects = tmp_path / "cases.csv", tmp_path / "out.ndjson", tmp_path / "rejects.csv"
    source.write_text("case_id,age,unilateral_leg_swelling\na,67,yes\nb,400,no\nc,30,no\n")
    run = CliRunner().invoke(
        app, ["score", str(source), "-o", str(target), "--rejects", str(rejects), "--format", "fhir-ndjson"]
    )
    assert run.exit_code == 1, run.output
    bundles = [valid(json.loads(line), version) for line in target.read_text("utf-8").splitlines()]
    assert len(bundles) == 2
    for (case_id, case), content in zip({"a": {"age": 67}, "c": {"age": 30}}.items(), bundles, strict=True):
        dx = model.diagnose({**case, "unilateral_leg_swelling": case_id == "a"})
        causes, alarm = (entry["resource"] for entry in content["entry"])
        assert causes["subject"] == {"identifier": {"value": case_id}}
        given = [prediction["probabilityDecimal"] for prediction in causes["prediction"]]
        assert given == pytest.approx([100 * dx.probabilities[name] for name in model.causes], abs=1e-9)
        assert alarm["prediction"][0]["qualitativeRisk"]["text"].replace(" ", "_") == dx.alarm.level


def test_bundles_have_no_columns_and_no_table_endings(model: kb.Model, tmp_path: Path) -> None:
    source = tmp_path / "cases.csv"
    source.write_text("age\n67\n")
    with pytest.raises(OptionError, match="fhir-ndjson has no columns"):
        model.score_file(source, tmp_path / "x.ndjson", format="fhir-ndjson", columns=["dvt"])
    with pytest.raises(NameNotKnown, match=r"no format to score into 'fhir'"):
        model.score_file(source, tmp_path / "x.ndjson", format="fhir")  # type: ignore[arg-type]
    with pytest.raises(FileFormatError, match="the ending tells the format"):
        model.score_file(source, tmp_path / "x.ndjson")


@pytest.mark.parametrize("option", [("--intervals", "90"), ("--dask",)])
def test_bundles_have_neither_intervals_nor_dask(option: tuple[str, ...], tmp_path: Path) -> None:
    source, target = tmp_path / "cases.csv", tmp_path / "out.ndjson"
    source.write_text("age\n67\n")
    run = CliRunner().invoke(app, ["score", str(source), "-o", str(target), "--format", "fhir-ndjson", *option])
    assert run.exit_code == 2, run.output
    assert "goes with neither --dask nor --intervals" in run.output
    assert not target.exists()
