"""What FHIR resources say: the content of RiskAssessments and of the Questionnaire, as JSON has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from kneebayes.model import ModelFile
from kneebayes.variables import NumericInput
from kneebayes.vocabulary import ABSENT_PRESENT

__all__ = ["QUESTIONNAIRE", "alarm_assessment", "bundle", "causes_assessment", "questionnaire_content"]

ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
# Levels of our own: FHIR's 'high' means more likely than not, which an urgent alarm at one in ten is not.
LEVEL_SYSTEM = "urn:kneebayes:alarm-level"
MODEL_SYSTEM = "urn:kneebayes:model"
VARIABLE_SYSTEM = "urn:kneebayes:variable"
STATE_SYSTEM = "urn:kneebayes:state:{}"
QUESTIONNAIRE = "urn:kneebayes:questionnaire:{}"
EXTENSION = "http://hl7.org/fhir/StructureDefinition/{}"
PER_CENT_DIGITS = 10


def causes_assessment(
    model: ModelFile, posterior: Mapping[str, float], about: Mapping[str, Any], *, notes: Iterable[str] = ()
) -> dict[str, Any]:
    """Write the posteriors of the causes as a RiskAssessment.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    posterior : mapping of str to float
        P of every cause, of ``none_of_these`` and of further states, from 0 to 1.
    about : mapping
        ``subject``, and what else both assessments of a case share.
    notes : iterable of str
        Before the disclaimer.

    Returns
    -------
    dict
        One prediction per cause, in per cent. Causes may coexist.
    """
    predictions = []
    for name, cause in model.causes.items():
        prediction: dict[str, Any] = {
            "outcome": _outcome(model, name),
            "probabilityDecimal": _per_cent(posterior[name]),
        }
        parts = [f"{state}: {posterior[f'{name}_{state}']:.1%}" for state in cause.states[2:]]
        if parts:
            prediction["rationale"] = f"Of which {'; '.join(parts)}"
        predictions.append(prediction)
    none = f"None of these causes: {posterior['none_of_these']:.1%}. Causes may coexist: this need not add up to 100 %."
    return {
        "resourceType": "RiskAssessment",
        "status": "preliminary",
        "code": {"text": model.title},
        "method": _method(model),
        **about,
        "prediction": predictions,
        "note": [{"text": text} for text in (*notes, none, model.disclaimer)],
    }


def alarm_assessment(
    model: ModelFile,
    level: str,
    probability: float,
    about: Mapping[str, Any],
    *,
    reasons: Iterable[str] = (),
    questions: Iterable[str] = (),
    red_flags: Iterable[str] = (),
) -> dict[str, Any]:
    """Write the alarm as a RiskAssessment of its own.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    level : str
        Of the alarm.
    probability : float
        Of its cause, from 0 to 1.
    about : mapping
        As for `causes_assessment`.
    reasons : iterable of str
        In words.
    questions, red_flags : iterable of str
        Variables.

    Returns
    -------
    dict
        One prediction, whose ``qualitativeRisk`` is the level in a code system
        of kneebayes' own; ``mitigation`` is the advice.
    """
    name = model.alarm.cause
    prediction: dict[str, Any] = {
        "outcome": _outcome(model, name),
        "probabilityDecimal": _per_cent(probability),
        "qualitativeRisk": {
            "coding": [{"system": LEVEL_SYSTEM, "code": level, "display": level.replace("_", " ")}],
            "text": level.replace("_", " "),
        },
    }
    said = ". ".join(reasons)
    if said:
        prediction["rationale"] = said
    asked = " ".join(model.variables[question].question for question in questions)
    flags = "; ".join(model.variables[flag].label for flag in red_flags)
    notes = [f"{title}: {text}" for title, text in (("Not answered", asked), ("Red flags", flags)) if text]
    return {
        "resourceType": "RiskAssessment",
        "status": "preliminary",
        "code": {"text": f"Alarm: {model.causes[name].label}"},
        "method": _method(model),
        **about,
        "prediction": [prediction],
        "mitigation": model.alarm.advice[level],  # type: ignore[index]
        "note": [{"text": text} for text in (*notes, model.disclaimer)],
    }


def bundle(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Put resources together.

    Parameters
    ----------
    resources : iterable of mapping
        Contents of resources.

    Returns
    -------
    dict
        A Bundle of type collection.
    """
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": dict(resource)} for resource in resources],
    }


def questionnaire_content(model: ModelFile, choice: str) -> dict[str, Any]:
    """Write the questions of a model.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    choice : str
        What this version of FHIR calls an item that is answered by a code.

    Returns
    -------
    dict
        A Questionnaire; all answers optional, the causes not asked.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for column, name in _asked(model).items():
        groups.setdefault(model.variables[name].group, []).append(_item(model, column, name, choice))
    return {
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
            {"linkId": f"group-{group}", "type": "group", "text": model.groups[group], "item": groups[group]}
            for group in model.groups
            if group in groups
        ],
    }


def _asked(model: ModelFile) -> dict[str, str]:
    """Name the questions, with the variable that each sets; a number is asked where bands can say every state."""
    numeric = {
        numeric.variable: name
        for name, numeric in reversed(model.inputs.items())
        if {band.state for band in numeric.bands} == set(model.variables[numeric.variable].states)
    }
    return {numeric.get(name, name): name for name in [*model.risks, *model.findings]}


def _item(model: ModelFile, column: str, name: str, choice: str) -> dict[str, Any]:
    variable, numeric = model.variables[name], model.inputs.get(column)
    item: dict[str, Any] = {
        "linkId": column,
        "code": [{"system": VARIABLE_SYSTEM, "code": name, "display": variable.label}],
        "text": f"{numeric.label} ({numeric.unit})" if numeric and column != name else variable.question,
    }
    if numeric:
        return {**item, "type": "decimal", "extension": _limits(numeric)}
    if variable.states == ABSENT_PRESENT:
        return {**item, "type": "boolean"}
    options = [
        {
            "valueCoding": {
                "system": STATE_SYSTEM.format(name),
                "code": state,
                "display": variable.state_labels.get(state, state.replace("_", " ")),
            }
        }
        for state in variable.states
    ]
    return {**item, "type": choice, "answerOption": options}


def _limits(numeric: NumericInput) -> list[dict[str, Any]]:
    limits = {"minValue": numeric.minimum, "maxValue": numeric.maximum}
    return [{"url": EXTENSION.format(name), "valueDecimal": value} for name, value in limits.items()]


def _outcome(model: ModelFile, name: str) -> dict[str, Any]:
    """Name a cause; of its codes the first, as the others say more than is known (which side, which kind)."""
    cause = model.causes[name]
    codes = [{"system": ICD10CM, "code": code, "display": text} for code, text in cause.icd10cm.items()]
    return {"coding": codes[:1], "text": cause.label} if codes else {"text": cause.label}


def _method(model: ModelFile) -> dict[str, Any]:
    coding = {"system": MODEL_SYSTEM, "version": model.version, "code": model.name, "display": model.title}
    return {"coding": [coding], "text": f"kneebayes {_own_version()}, model {model.name} {model.version}"}


@lru_cache(maxsize=1)
def _own_version() -> str:
    from kneebayes import __version__

    return __version__


def _per_cent(p: float) -> float:
    return round(min(max(100.0 * p, 0.0), 100.0), PER_CENT_DIGITS)
