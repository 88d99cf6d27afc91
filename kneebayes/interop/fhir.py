"""FHIR: a diagnosis as RiskAssessments, the questions as a Questionnaire, a QuestionnaireResponse as a case.

R5 and R4B, checked by fhir.resources (the extra ``fhir``). Probabilities are per cent, as invariant ras-2 of
RiskAssessment has it. Nothing becomes a Condition: a posterior is no diagnosis. The resources are plain dictionaries
until fhir.resources has checked them.
"""

from __future__ import annotations

import importlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import kneebayes
from kneebayes.cases.coding import Coder
from kneebayes.errors import CaseError, MissingExtraError, UnknownColumnError, check_choice, check_kind, nearest
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import parse_json
from kneebayes.templates import percent

if TYPE_CHECKING:
    from kneebayes.diagnosis.diagnosis import Diagnosis

Version = Literal["R5", "R4B"]
SCORED_STATUS = ("in-progress", "completed", "amended")  # of the five that there are

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
# Levels of our own: FHIR's 'high' means more likely than not, which an urgent alarm at one in ten is not.
LEVEL_SYSTEM = "urn:kneebayes:alarm-level"
MODEL_SYSTEM = "urn:kneebayes:model"
VARIABLE_SYSTEM = "urn:kneebayes:variable"
STATE_SYSTEM = "urn:kneebayes:state:{}"
QUESTIONNAIRE = "urn:kneebayes:questionnaire:{}"
EXTENSION = "http://hl7.org/fhir/StructureDefinition/{}"
ABSENT_REASON = EXTENSION.format("data-absent-reason")
NO_ANSWER = tuple(f"http://terminology.hl7.org/CodeSystem/{name}" for name in ("data-absent-reason", "v3-NullFlavor"))
UCUM = "http://unitsofmeasure.org"
UNITS = {"years": ("a",), "days": ("d",)}  # as UCUM has them
MAX_DEPTH = 100  # of nested items; a questionnaire of kneebayes has 2
PER_CENT_DIGITS = 10
FORBIDDEN = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")  # in any text of FHIR


def case_bundle(
    model: ModelSpec,
    posterior: Mapping[str, float],
    level: str,
    about: Mapping[str, Any],
    *,
    notes: Iterable[str] = (),
    reasons: Iterable[str] = (),
    questions: Iterable[str] = (),
    red_flags: Iterable[str] = (),
) -> dict[str, Any]:
    """Write a case as a collection of two RiskAssessments, the causes and the alarm; ``about`` is what they share.

    The notes stand with the causes; the reasons, the questions not answered and the red flags with the alarm, whose
    ``qualitativeRisk`` is its level in a code system of kneebayes' own, and whose ``mitigation`` is the advice.
    """
    predictions = []
    for name, cause in model.causes.items():
        parts = [f"{state}: {percent(posterior[f'{name}_{state}'])}" for state in cause.states[2:]]
        predictions.append(_prediction(model, name, posterior, f"Of which {'; '.join(parts)}" if parts else ""))
    none = f"None of these causes: {percent(posterior['none_of_these'])}. "
    none += "Causes may coexist: this need not add up to 100%."
    name, words = model.alarm.cause, level.replace("_", " ")
    risk = {"coding": [{"system": LEVEL_SYSTEM, "code": level, "display": words}], "text": words}
    alarm = _prediction(model, name, posterior, ". ".join(reasons), qualitativeRisk=risk)
    asked = " ".join(model.askable[question].question for question in questions)
    flags = "; ".join(model.askable[flag].label for flag in red_flags)
    said = [f"{title}: {text}" for title, text in (("Not answered", asked), ("Red flags", flags)) if text]
    advice, title = model.alarm.advice[level], f"Alarm: {model.causes[name].label}"  # type: ignore[index]
    entries = []
    for resource in (
        _assessment(model, model.title, about, predictions, [*notes, none]),
        _assessment(model, title, about, [alarm], said, mitigation=advice),
    ):
        own = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(resource, sort_keys=True))  # of the content
        entries.append({"fullUrl": f"urn:uuid:{own}", "resource": resource})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _prediction(
    model: ModelSpec, name: str, posterior: Mapping[str, float], rationale: str, **further: Any
) -> dict[str, Any]:
    per_cent = round(min(max(100.0 * posterior[name], 0.0), 100.0), PER_CENT_DIGITS)
    said = {"rationale": rationale} if rationale else {}
    return {"outcome": _outcome(model, name), "probabilityDecimal": per_cent, **further, **said}


def _assessment(
    model: ModelSpec,
    title: str,
    about: Mapping[str, Any],
    predictions: list[dict[str, Any]],
    notes: Iterable[str],
    **further: str,
) -> dict[str, Any]:
    return {
        "resourceType": "RiskAssessment",
        "status": "preliminary",
        "code": {"text": title},
        "method": _method(model),
        **about,
        "prediction": predictions,
        **further,
        "note": [{"text": text} for text in (*notes, model.disclaimer)],
    }


def _item(model: ModelSpec, column: str, name: str, choice: str) -> dict[str, Any]:
    told = column if column in model.answer_inputs else name
    asked, numeric = model.askable[told], model.numeric_inputs.get(column)
    item: dict[str, Any] = {
        "linkId": column,
        "code": [{"system": VARIABLE_SYSTEM, "code": told, "display": asked.label}],
        "text": f"{numeric.label} ({numeric.unit})" if numeric and column != name else asked.question,
    }
    if numeric:
        limits = {"minValue": numeric.minimum, "maxValue": numeric.maximum}
        extension = [{"url": EXTENSION.format(name), "valueDecimal": value} for name, value in limits.items()]
        return {**item, "type": "decimal", "extension": extension}
    if asked.is_yes_no:
        return {**item, "type": "boolean"}
    options = [
        {"valueCoding": {"system": STATE_SYSTEM.format(told), "code": state, "display": asked.say(state)}}
        for state in asked.states
    ]
    return {**item, "type": choice, "answerOption": options}


def _outcome(model: ModelSpec, name: str) -> dict[str, Any]:
    """Name a cause; of its codes the first, as the others say more than is known (which side, which kind).

    Two causes may share that code, so the cause has one of its own too.
    """
    cause = model.causes[name]
    codes = [{"system": ICD10CM, "code": code, "display": text} for code, text in cause.icd10cm.items()][:1]
    own = {"system": VARIABLE_SYSTEM, "code": name, "display": cause.label}
    return {"coding": [*codes, own], "text": cause.label}


def _method(model: ModelSpec) -> dict[str, Any]:
    coding = {"system": MODEL_SYSTEM, "version": model.version, "code": model.name, "display": model.title}
    return {"coding": [coding], "text": f"kneebayes {kneebayes.__version__}, model {model.name} {model.version}"}


def diagnosis_bundle(
    dx: Diagnosis,
    *,
    patient: str,
    version: Version = "R5",
    basis: str | Iterable[str] = (),
    when: datetime | None = None,
) -> Any:
    """Write a diagnosis as FHIR: a collection of two RiskAssessments, the causes and the alarm.

    ``patient`` is whom it is about, ``Patient/123`` or the id alone; ``basis`` are references to what it rests on, such
    as ``QuestionnaireResponse/7``; ``when`` is by default now, in UTC.
    """
    references = [basis] if isinstance(basis, str) and basis else list(basis or ())
    check_kind(patient, "casefold", "dx.to_fhir(patient='Patient/123')")
    if not patient.strip() or patient.endswith("/"):
        raise CaseError(f"patient: '{patient}' names nobody: give an id, or a reference such as Patient/123")
    when = datetime.now(UTC).replace(microsecond=0) if when is None else when
    check_kind(when, "astimezone", "dx.to_fhir(patient='Patient/123', when=datetime.now(UTC))")
    about: dict[str, Any] = {
        "subject": {"reference": patient if "/" in patient or ":" in patient else f"Patient/{patient}"},
        "occurrenceDateTime": when.isoformat() if when.tzinfo else when.astimezone().isoformat(),
    }
    if references:
        about["basis"] = [{"reference": reference} for reference in references]
    known = ", ".join(f"{name}={state}" for name, state in dx.evidence.items())
    notes = [f"Known: {known or 'nothing'}", *dx.warnings]
    content = case_bundle(
        dx.model,
        {**dx.probabilities, **dx.details},
        dx.alarm.level,
        about,
        notes=notes,
        reasons=dx.alarm.reasons,
        questions=dx.alarm.questions,
        red_flags=dx.red_flags,
    )
    return checked(content, version)


def questionnaire(model: ModelSpec, version: Version = "R5") -> Any:
    """Write the questions of a model as FHIR: all answers optional, the causes not asked.

    There is a group per group of the model; ``linkId`` is the column of a case.
    """
    check_choice("FHIR version", version, get_args(Version))
    choice = "choice" if version == "R4B" else "coding"  # an item that is answered by a code
    groups: dict[str, list[dict[str, Any]]] = {}
    for column, name in model.input_columns.items():
        groups.setdefault(model.variables[name].group, []).append(_item(model, column, name, choice))
    content = {
        "resourceType": "Questionnaire",
        "url": QUESTIONNAIRE.format(model.name),
        "version": model.version,
        "name": "".join(word.capitalize() for word in model.name.split("_")),
        "title": model.title,
        "status": "draft",
        "experimental": True,
        "subjectType": ["Patient"],
        "description": model.disclaimer,
        "item": [
            {"linkId": f"group-{group}", "type": "group", "text": text, "item": groups[group]}
            for group, text in model.groups.items()
            if group in groups
        ],
    }
    return checked(content, version)


def read_response(response: object, model: ModelSpec, version: Version = "R5") -> dict[str, object]:
    """Read the answers to the questions of a model as a case: what was not answered is not in it.

    The response is JSON, or what JSON became, and must be valid.
    """
    content = _plain(response)
    if content.get("resourceType") != "QuestionnaireResponse":
        raise CaseError(f"a FHIR {content.get('resourceType')}, where a QuestionnaireResponse is needed")
    _refuse_forbidden(content, "QuestionnaireResponse")
    content = _without_absent(content)
    checked(content, version)
    if (status := content.get("status", "not said")) not in SCORED_STATUS:
        raise CaseError(f"QuestionnaireResponse: its status is {status}, so it is not scored")
    asked = str(content.get("questionnaire", "")).partition("|")[0]
    own = QUESTIONNAIRE.format(model.name)
    if asked and asked != own:
        raise CaseError(f"QuestionnaireResponse: answers {asked}, not {own}")
    vocabulary = Coder(model)
    case: dict[str, object] = {}
    for link, values in _answers(content.get("item", [])):
        if link not in vocabulary.columns:
            near = nearest(link, vocabulary.columns)
            raise UnknownColumnError(f"QuestionnaireResponse: {model.name} has no question with linkId '{link}'.{near}")
        if len(values) > 1 or link in case:
            raise CaseError(f"QuestionnaireResponse: {link} has more than one answer; give one")
        value = _value(model, link, values[0])
        if value is None:  # it says itself that there is no answer
            continue
        try:
            vocabulary.code(link, value)
        except CaseError as error:
            raise CaseError(f"QuestionnaireResponse: {error}") from None
        case[link] = value
    return case


def checked(content: Mapping[str, Any], version: Version) -> Any:
    """Check a resource by fhir.resources, whose object it becomes."""
    check_choice("FHIR version", version, get_args(Version))
    kind = str(content["resourceType"])
    _refuse_forbidden(content, kind)
    package = "fhir.resources" if version == "R5" else f"fhir.resources.{version}"
    try:
        module = importlib.import_module(f"{package}.{kind.lower()}")
    except ImportError as error:
        raise MissingExtraError(f"FHIR needs fhir.resources: pip install 'kneebayes[fhir]' ({error})") from error
    try:
        return getattr(module, kind).model_validate(dict(content))
    except ValueError as error:  # pydantic's ValidationError is one
        raise CaseError(f"FHIR {version} {kind}: {error}") from error


def _plain(response: object) -> dict[str, Any]:
    """Bring JSON, or what it became, to a dictionary."""
    try:
        if hasattr(response, "model_dump_json"):
            response = response.model_dump_json()
        content = parse_json(response) if isinstance(response, (str, bytes)) else response
    except (ValueError, RecursionError) as error:
        raise CaseError(f"QuestionnaireResponse: no JSON: {error}") from error
    if not isinstance(content, Mapping):
        raise CaseError(f"QuestionnaireResponse: a JSON object is needed, not {type(content).__name__}")
    return dict(content)


def _is_absent(answer: Mapping[str, Any]) -> bool:
    """Say whether an answer tells why there is none."""
    parts = [answer, *(part for name, part in answer.items() if name.startswith("_value"))]
    told = (own for part in parts if isinstance(part, Mapping) for own in part.get("extension", ()))
    return any(isinstance(own, Mapping) and own.get("url") == ABSENT_REASON for own in told)


def _without_absent(content: Any) -> Any:
    """Leave out the answers that only tell why there is none, which FHIR allows and the library does not."""
    if isinstance(content, list):
        return [_without_absent(part) for part in content]
    if not isinstance(content, Mapping):
        return content
    made = {name: _without_absent(part) for name, part in content.items()}
    if isinstance(answers := made.get("answer"), list):
        made["answer"] = [
            a
            for a in answers
            if not (isinstance(a, Mapping) and _is_absent(a)) or any(n.startswith(("value", "item")) for n in a)
        ]
    return {name: part for name, part in made.items() if name != "answer" or part != []}


def _answers(items: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Find the answered items, wherever they are nested."""
    for item in items:
        if "linkId" not in item:
            raise CaseError("QuestionnaireResponse: an item has no linkId, so nobody knows what it answers")
        answers = item.get("answer", [])
        if answers and _is_absent(item):
            raise _answered_and_absent(item["linkId"])
        if answers:
            yield str(item["linkId"]), answers
        yield from _answers(item.get("item", []))
        for answer in answers:
            yield from _answers(answer.get("item", []))


def _answered_and_absent(link: object) -> CaseError:
    return CaseError(f"QuestionnaireResponse: {link} has an answer, and a reason why there is none; give one")


def _value(model: ModelSpec, link: str, answer: Mapping[str, Any]) -> object:
    """Read what an answer gives, in the forms that may mean a case's values; None where it says that it is none."""
    if _is_absent(answer):
        raise _answered_and_absent(link)
    for kind in ("valueBoolean", "valueInteger", "valueDecimal", "valueString"):
        if kind in answer:
            return answer[kind]
    if "valueCoding" in answer:
        return _coded(model, link, answer["valueCoding"])
    if "valueQuantity" in answer:
        return _measured(model, link, answer["valueQuantity"])
    given = next((kind for kind in answer if kind.startswith("value")), "nothing")
    raise CaseError(f"QuestionnaireResponse: {link} is answered by {given}: give a boolean, a coding or a number")


def _coded(model: ModelSpec, link: str, coding: Mapping[str, Any]) -> object:
    """Read a coding of ours, or of the two systems that say why there is none."""
    told = link if link in model.answer_inputs else model.input_columns.get(link, link)
    system, own = coding.get("system"), STATE_SYSTEM.format(told)
    if system in NO_ANSWER:
        return None
    if system not in (None, own) or "code" not in coding:
        what = f"of {system}" if system not in (None, own) else "without a code"
        raise CaseError(f"QuestionnaireResponse: {link} is answered by a coding {what}: give a code of {own}")
    return coding["code"]


def _measured(model: ModelSpec, link: str, quantity: Mapping[str, Any]) -> object:
    """Read a quantity in the unit of the column."""
    numeric = model.numeric_inputs.get(link)
    is_ucum = quantity.get("system", UCUM) == UCUM
    units = (numeric.unit, *UNITS.get(numeric.unit, ())) if numeric and is_ucum else ()
    given = quantity.get("code", quantity.get("unit"))
    if numeric is None or given not in units or "comparator" in quantity or "value" not in quantity:
        needed = f"a number of {numeric.unit}" if numeric else "a boolean or a coding"
        raise CaseError(f"QuestionnaireResponse: {link} is answered by a quantity that can't be read: give {needed}")
    return quantity["value"]


def _refuse_forbidden(content: object, place: str, depth: int = 0) -> None:
    """Refuse what FHIR forbids and the library lets pass: what is empty, null but in a list, control characters.

    And what changes the meaning of what stands beside it, which FHIR forbids to pass over.
    """
    if depth > MAX_DEPTH:
        raise CaseError(f"FHIR {place[:40]}...: nested over {MAX_DEPTH} deep")
    if isinstance(content, str) and not content.strip():
        raise CaseError(f"FHIR {place}: is empty: leave it out, or say what it is")
    if isinstance(content, str) and (found := FORBIDDEN.search(content)):
        raise CaseError(f"FHIR {place}: holds the control character {found[0]!a}: write text without it")
    if isinstance(content, Mapping | list | tuple):
        if not content:
            raise CaseError(f"FHIR {place}: is empty: leave it out, or say what it is")
        for name, value in content.items() if isinstance(content, Mapping) else enumerate(content):
            if value is None and isinstance(content, Mapping):
                raise CaseError(f"FHIR {place}.{name}: is null: leave it out")
            if name in ("modifierExtension", "implicitRules"):
                said = "changes what an answer means, in a way that is not known here: give the answers without it"
                raise CaseError(f"FHIR {place}.{name}: {said}")
            _refuse_forbidden(value, f"{place}.{name}", depth + 1)
