"""The JSON Schema of model files, made from the typed classes, so that an editor completes and checks them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import ADDED, EXTENDS, OWN

__all__ = [
    "model_schema",
    "schema_text",
]

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WHOLE, CHANGED = "ModelSpec", "Change"
MERGED = ("RiskFactor", "Cause", "Finding", "NumericInput", "Alarm", WHOLE)  # by key, where a file extends another

# What an editor shows of a key. The classes say what a thing is; this says what to write.
HINTS = {
    "above": "The band holds values over this, in the unit of the input.",
    "advice": "What to do, for each level of the alarm.",
    "alarm": "The cause that must not be missed, when to warn of it, and how.",
    "any_of": "States by variable; one that holds is enough.",
    "at_least": "The band starts at this value, in the unit of the input.",
    "bands": "Lowest first; the first starts at the minimum.",
    "basis": "'claim 88', 'literature: NAME' (a name under references), 'judgement'; several joined by ';'.",
    "care": "What to do about this cause.",
    "care_basis": "Where care and recovery are from, as a basis.",
    "cause": "The cause that must not be missed.",
    "causes": "What is inferred, by name.",
    "complaint": "The finding that brings people in; taken as present unless a case says otherwise.",
    "cost": "Of asking, against 1 for a plain question: an examination or a test costs more.",
    "disclaimer": "One line that stands under every result.",
    "findings": "Symptoms, signs, tests and earlier diagnoses, by name.",
    "format": "The version of this format: 1.",
    "general_care": "Advice that fits all causes.",
    "given": "Priors where this risk factor depends on others: exactly one row must match.",
    "group": "One of groups; questions are shown by group.",
    "groups": "The headings under which questions are shown, by name.",
    "icd10cm": "Codes of ICD-10-CM with their descriptions.",
    "inputs": "Columns of numbers that set a variable through bands, by name.",
    "interactions": "Links that act only where several conditions hold.",
    "key_questions": "Variables that must be known before the alarm may say low.",
    "label": "What a person reads.",
    "leak": "The chance of being present with none of the parents there.",
    "leak_convention": "How leak and links combine.",
    "level": "The level that this rule forces at least.",
    "link": "The chance that the conditions together bring the cause about.",
    "links": "For each parent and each of its states, the chance that it alone brings this about.",
    "maximum": "Values over this are refused.",
    "minimum": "Values under this are refused.",
    "name": "Of the model.",
    "note": "What a reviewer should know.",
    "p": "The value the model uses.",
    "population": "Whom the numbers speak of.",
    "prior": "P(state) for every state but the first, which takes what is left.",
    "provenance": "How the model came about, a line for each step.",
    "question": "What to ask a person.",
    "range": "The lowest and highest value that is still plausible.",
    "reason": "Shown to the person.",
    "recovery": "How long it takes.",
    "red_flags": "Reasons to seek help, whatever the cause.",
    "references": "Sources by the name that a basis cites.",
    "risks": "What may bring a cause about, by name.",
    "rules": "Alarm levels that evidence alone forces.",
    "signs": "Answers, as states by variable, that never make the alarm milder; left out: all linked to its cause.",
    "split": "P(state | present) for the third state on; the second takes what is left.",
    "state": "Of the variable, for values in this band.",
    "state_labels": "What a person reads for a state.",
    "states": "Absent and present if left out; the first is the one without the thing.",
    "target": "The cause.",
    "thresholds": "Probabilities from which to warn.",
    "title": "What a person reads.",
    "unit": "Of the numbers.",
    "variable": "What the numbers set.",
    "version": "Of the model, in quotes.",
    "warn_below": "Values under this are taken, with a warning.",
    "warning": "What it says.",
    "when": "States by variable; all must hold.",
    "why": "The reason for this value, in a few words.",
    EXTENDS: "A model that ships with kneebayes, or the path of a model file, which this one adds to or changes.",
}


def model_schema() -> Schema:
    """Make the JSON Schema of model files: of whole ones, and of those that extend another.

    Returns
    -------
    dict
        In the dialect 2020-12. It checks shape, names and ranges; whether the
        variables that are named exist, only ``kneebayes model --check`` says.

    Examples
    --------
    >>> schema = model_schema()
    >>> schema["if"]
    {'required': ['extends']}
    """
    whole = ModelSpec.model_json_schema(mode="validation")
    definitions = {**whole.pop("$defs"), WHOLE: whole}
    for definition in definitions.values():
        _closed(definition)
        for key, value in definition["properties"].items():
            value.pop("title", None)
            if key in HINTS:  # a test says which has none
                value["description"] = HINTS[key]
    for name in MERGED:
        definitions[f"{name}{CHANGED}"] = _changed(definitions[name])
    change = definitions[f"{WHOLE}{CHANGED}"]
    change["properties"] = {EXTENDS: {"type": "string", "minLength": 1, "description": HINTS[EXTENDS]}} | {
        **change["properties"],
        **{key: deepcopy(whole["properties"][key]) for key in OWN},
    }
    change["required"] = [EXTENDS, *OWN]
    change["description"] = "What a model adds to, or changes in, the one it extends; null takes away."
    return {
        "$schema": DIALECT,
        "title": "A model file of kneebayes",
        "type": "object",
        "if": {"required": [EXTENDS]},
        "then": {"$ref": f"#/$defs/{WHOLE}{CHANGED}"},
        "else": {"$ref": f"#/$defs/{WHOLE}"},
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Write the JSON Schema of model files as text.

    Returns
    -------
    str
        JSON, the same from run to run.
    """
    return json.dumps(model_schema(), indent=2, ensure_ascii=False) + "\n"


def _closed(node: Any) -> None:
    """Refuse keys of mappings that do not match the pattern of names, all the way down."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _closed(value)
    elif isinstance(node, list):
        for value in node:
            _closed(value)


def _changed(definition: Schema) -> Schema:
    """Make the schema of a change: nothing is required, and null takes away."""
    changed = {key: value for key, value in deepcopy(definition).items() if key not in ("required", "properties")}
    changed["title"] = f"{definition['title']}{CHANGED}"
    changed["properties"] = {key: _removable(value, key) for key, value in definition["properties"].items()}
    return changed


def _removable(node: Schema, key: str) -> Schema:
    said = {"description": node["description"]} if "description" in node else {}
    bare = {k: v for k, v in node.items() if k not in ("description", "default")}
    reference = bare.get("$ref", "").removeprefix("#/$defs/")
    if reference in MERGED:
        bare = {"$ref": f"#/$defs/{reference}{CHANGED}"}
    elif bare.get("type") == "object":
        bare.pop("minProperties", None)
        for kind in ("patternProperties", "additionalProperties"):
            inner = bare.get(kind)
            if kind == "patternProperties" and inner:
                bare[kind] = {pattern: _removable(value, key) for pattern, value in inner.items()}
            elif isinstance(inner, dict):
                bare[kind] = _removable(inner, key)
    elif bare.get("type") == "array" and any(place.split(".")[-1] == key for place in ADDED):
        bare.pop("minItems", None)
    return {"anyOf": [bare, {"type": "null"}], **said}
