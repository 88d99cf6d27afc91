"""FHIR: a diagnosis as RiskAssessments, the questions as a Questionnaire, a QuestionnaireResponse as a case.

R5 and R4B, checked by fhir.resources (the extra ``fhir``). Probabilities are
per cent, as invariant ras-2 of RiskAssessment has it. Nothing becomes a
Condition: a posterior is no diagnosis. The resources are plain dictionaries
until fhir.resources has checked them.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from kneebayes.errors import CaseError, MissingExtraError, UnknownColumnError, UnknownNameError, nearest
from kneebayes.model import ModelFile
from kneebayes.resources import QUESTIONNAIRE, bundle, causes_assessment, questionnaire_content
from kneebayes.resources import alarm_assessment as alarm_content
from kneebayes.vocabulary import Vocabulary

if TYPE_CHECKING:
    from kneebayes.diagnosis import Diagnosis

__all__ = ["Version", "checked", "diagnosis_bundle", "questionnaire", "read_response"]

Version = Literal["R5", "R4B"]
REFUSED_STATUS = ("entered-in-error", "stopped")


def diagnosis_bundle(
    dx: Diagnosis,
    *,
    patient: str,
    version: Version = "R5",
    basis: str | Iterable[str] = (),
    when: datetime | None = None,
) -> Any:
    """Write a diagnosis as FHIR.

    Parameters
    ----------
    dx : Diagnosis
        Of one case.
    patient : str
        Whom it is about: ``Patient/123``, or the id alone.
    version : {"R5", "R4B"}
        Of FHIR.
    basis : str or iterable of str
        References to what it rests on, such as ``QuestionnaireResponse/7``.
    when : datetime, optional
        By default now, in UTC.

    Returns
    -------
    fhir.resources Bundle
        A collection of two RiskAssessments: the causes, and the alarm.

    Raises
    ------
    MissingExtraError
        If fhir.resources is not installed.
    UnknownNameError
        If there is no such version.
    CaseError
        If FHIR does not allow what was given, such as the reference.
    """
    references = [basis] if isinstance(basis, str) else list(basis)
    when = datetime.now(UTC).replace(microsecond=0) if when is None else when
    about: dict[str, Any] = {
        "subject": {"reference": patient if "/" in patient or ":" in patient else f"Patient/{patient}"},
        "occurrenceDateTime": when.isoformat() if when.tzinfo else when.astimezone().isoformat(),
    }
    if references:
        about["basis"] = [{"reference": reference} for reference in references]
    known = ", ".join(f"{name}={state}" for name, state in dx.evidence.items())
    notes = [f"Known: {known or 'nothing'}", *dx.warnings]
    parts = [
        causes_assessment(dx.model, {**dx.probabilities, **dx.details}, about, notes=notes),
        alarm_content(
            dx.model,
            dx.alarm.level,
            dx.alarm.probability,
            about,
            reasons=dx.alarm.reasons,
            questions=dx.alarm.questions,
            red_flags=dx.red_flags,
        ),
    ]
    return checked(bundle(parts), version)


def questionnaire(model: ModelFile, version: Version = "R5") -> Any:
    """Write the questions of a model as FHIR.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    version : {"R5", "R4B"}
        Of FHIR.

    Returns
    -------
    fhir.resources Questionnaire
        A group per group of the model; ``linkId`` is the column of a case.

    Raises
    ------
    MissingExtraError
        If fhir.resources is not installed.
    UnknownNameError
        If there is no such version.
    """
    return checked(questionnaire_content(model, "choice" if version == "R4B" else "coding"), version)


def read_response(response: object, model: ModelFile, version: Version = "R5") -> dict[str, object]:
    """Read the answers to the questions of a model.

    Parameters
    ----------
    response : mapping, str, bytes or fhir.resources QuestionnaireResponse
        As JSON, or what JSON became.
    model : ModelFile
        The model whose Questionnaire was answered.
    version : {"R5", "R4B"}
        Of FHIR.

    Returns
    -------
    dict of str to object
        A case for `Model.diagnose`. What was not answered is not in it.

    Raises
    ------
    MissingExtraError
        If fhir.resources is not installed.
    CaseError
        If it is no valid QuestionnaireResponse, was entered in error, answers
        other questions, or an answer is not allowed.
    UnknownColumnError
        If the model has no such question.
    """
    content = _plain(response)
    if content.get("resourceType") != "QuestionnaireResponse":
        raise CaseError(f"a FHIR {content.get('resourceType')}, where a QuestionnaireResponse is needed")
    checked(content, version)
    if content["status"] in REFUSED_STATUS:
        raise CaseError(f"QuestionnaireResponse: its status is {content['status']}, so it is not scored")
    asked = str(content.get("questionnaire", "")).partition("|")[0]
    own = QUESTIONNAIRE.format(model.name)
    if asked and asked != own:
        raise CaseError(f"QuestionnaireResponse: answers {asked}, not {own}")
    vocabulary = Vocabulary(model)
    case: dict[str, object] = {}
    for link, values in _answers(content.get("item", [])):
        if link not in vocabulary.columns:
            near = nearest(link, vocabulary.columns)
            raise UnknownColumnError(f"QuestionnaireResponse: {model.name} has no question with linkId '{link}'.{near}")
        if len(values) > 1 or link in case:
            raise CaseError(f"QuestionnaireResponse: {link} has more than one answer; give one")
        try:
            vocabulary.code(link, values[0])
        except CaseError as error:
            raise CaseError(f"QuestionnaireResponse: {error}") from None
        case[link] = values[0]
    return case


def checked(content: Mapping[str, Any], version: Version) -> Any:
    """Check a resource.

    Parameters
    ----------
    content : mapping
        With its ``resourceType``.
    version : {"R5", "R4B"}
        Of FHIR.

    Returns
    -------
    fhir.resources resource
        ``.model_dump_json()`` writes it.

    Raises
    ------
    MissingExtraError
        If fhir.resources is not installed.
    UnknownNameError
        If there is no such version.
    CaseError
        If FHIR does not allow it.
    """
    if version not in get_args(Version):
        raise UnknownNameError(f"no FHIR version '{version}' here: use one of {list(get_args(Version))}")
    kind = str(content["resourceType"])
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
        content = json.loads(response) if isinstance(response, (str, bytes)) else response
    except (ValueError, RecursionError) as error:
        raise CaseError(f"QuestionnaireResponse: no JSON: {error}") from error
    if not isinstance(content, Mapping):
        raise CaseError(f"QuestionnaireResponse: a JSON object is needed, not {type(content).__name__}")
    return dict(content)


def _answers(items: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, list[object]]]:
    """Find the answered items, wherever they are nested."""
    for item in items:
        answers = item.get("answer") or []
        if answers:
            yield str(item["linkId"]), [_value(item["linkId"], answer) for answer in answers]
        yield from _answers(item.get("item") or [])
        for answer in answers:
            yield from _answers(answer.get("item") or [])


def _value(link: str, answer: Mapping[str, Any]) -> object:
    for kind in ("valueBoolean", "valueInteger", "valueDecimal", "valueString"):
        if kind in answer:
            value: object = answer[kind]
            return value
    if "valueCoding" in answer:
        return answer["valueCoding"].get("code")
    given = next((kind for kind in answer if kind.startswith("value")), "nothing")
    raise CaseError(f"QuestionnaireResponse: {link} is answered by {given}: give a boolean, a coding or a number")
