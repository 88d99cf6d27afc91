"""Describe the files in this folder: ``python data/make_datapackage.py``.

Writes datapackage.json (a Frictionless data package, https://datapackage.org)
from the model file, so that the data dictionary says what the model says.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from kneebayes.spec.model_spec import LEVELS, AnswerInput, ModelSpec
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path, read_model

HERE = Path(__file__).parent
EXAMPLE_COMMAND = "kneebayes simulate -n 250 --seed 20210521 --missing 0.3,0.6 --with-causes -o data/example_cases.csv"
Field = dict[str, Any]


def field(name: str, title: str, description: str = "", *, type: str = "string", **constraints: object) -> Field:
    """Describe one column."""
    made: Field = {"name": name, "type": type, "title": title}
    if description:
        made["description"] = description
    if constraints:
        made["constraints"] = constraints
    return made


def schema(fields: list[Field]) -> dict[str, Any]:
    """Wrap columns as a Table Schema: an empty cell is unknown."""
    return {"fields": fields, "missingValues": [""]}


def joined(words: list[str]) -> str:
    """Give the pattern of some of these words, joined by semicolons."""
    one = f"({'|'.join(words)})"
    return f"{one}(;{one})*"


def case_fields(model: ModelSpec) -> list[Field]:
    """Describe every column that a file of cases may have."""
    outcomes = [*model.causes, "none_of_these"]
    fields = [
        field("case_id", "Case", "Passed through to the posteriors; unique within a file.", unique=True),
        field("label", "Main diagnosis", "Never evidence.", enum=outcomes),
        field("also", "Other diagnoses", "Joined by semicolons. Never evidence.", pattern=joined(outcomes)),
    ]
    for name, cause in model.causes.items():
        fields.append(field(f"true_{name}", f"{cause.label}: the truth", "Never evidence.", enum=list(cause.states)))
    for name, column in model.inputs.items():
        sets = "" if name == column.variable else f" Sets {column.variable}."
        if isinstance(column, AnswerInput):
            fields.append(field(name, column.label, f"{column.question}{sets}", enum=list(column.answers)))
        else:
            limits = {"minimum": column.minimum, "maximum": column.maximum}
            fields.append(field(name, column.label, f"In {column.unit}.{sets}", type="number", **limits))
    for name, variable in model.variables.items():
        if name not in model.inputs:
            told = "; ".join(f"{state}: {label}" for state, label in variable.state_labels.items())
            question = f"{variable.question} ({told})" if told else variable.question
            fields.append(field(name, variable.label, question, enum=list(variable.states)))
    return fields


def posterior_fields(model: ModelSpec) -> list[Field]:
    """Describe the columns that scoring writes."""
    unit = {"minimum": 0, "maximum": 1}
    fields = [field("case_id", "Case", "As it came in, if it came in.")]
    for name, cause in model.causes.items():
        states = " or ".join(cause.states[1:])
        fields.append(field(name, cause.label, f"Posterior probability of {states}.", type="number", **unit))
    none = "Posterior probability that no cause is present. Causes coexist, so a row adds to more than 1."
    fields.append(field("none_of_these", "None of these causes", none, type="number", **unit))
    for name, cause in model.causes.items():
        for state in cause.states[2:]:
            title = f"{cause.label}: {state}"
            fields.append(field(f"{name}_{state}", title, "Posterior probability.", type="number", **unit))
    alarm = model.alarm.cause
    flags = list(dict.fromkeys(name for flag in model.red_flags for name in flag.any_of))
    return [
        *fields,
        field("most_likely", "Most likely", "The highest of the above.", enum=[*model.causes, "none_of_these"]),
        field(f"{alarm}_alarm", f"{model.causes[alarm].label}: alarm", "Gravest last.", enum=list(LEVELS)),
        field("red_flags", "Red flags", "Joined by semicolons; empty where there is none.", pattern=joined(flags)),
    ]


def reject_fields() -> list[Field]:
    """Describe the columns of a file of rejects."""
    return [
        field("row", "Row", "Number of the row of data, from 1.", type="integer", minimum=1),
        field("case_id", "Case", "As it came in, if it came in."),
        field("column", "Column", "Where the problem is; joined by + where values contradict each other."),
        field("value", "Value", "What was received there."),
        field("reason", "Reason", "What is allowed, and the nearest match where there is one."),
    ]


def vignette_fields(clinical: ModelSpec) -> list[Field]:
    """Describe the columns that only written cases have: what is expected, and of whom."""
    outcomes = [*clinical.causes, "none_of_these"]
    sure = ["typical", "confirmed", "close_fit", "presumptive"]
    return [
        field("clinical_label", "Diagnosis in the clinical model", "One of its further causes, if so.", enum=outcomes),
        field("alarm", "Expected alarm", "At caution or above.", enum=["must", "acceptable", "should_not"]),
        field("tags", "Tags", "What is special about the case, joined by semicolons."),
        field("certainty", "Certainty", "How sure the label is.", enum=sure),
        field("source", "Source", "Where the case comes from."),
        field("narrative", "Narrative", "The case in words."),
        field("outside_vocabulary", "Without a variable", "Facts that no column holds, joined by semicolons."),
    ]


def claim_fields(model: ModelSpec) -> list[Field]:
    """Describe the columns of the article's claims."""
    evidence = "As variable=state, joined by semicolons."
    pattern = joined(["[a-z0-9_]+=[a-z0-9_]+"])
    shows = "How the posterior of the target changes, or where it lies; or the part of the model file that says it."
    ratio = "For raises and lowers the least odds ratio; for at_least and at_most a probability."
    allowed = ["raises", "lowers", "at_least", "at_most", "care", "red_flag"]
    return [
        field("claim", "Claim", "Its number in the article, from the top.", type="integer", required=True, minimum=1),
        field("cause", "Cause", "The cause it is about, if it is about one.", enum=list(model.causes)),
        field("statement", "Statement", "The claim in other words.", required=True),
        field("target", "Target", "The variable whose posterior it is about.", enum=list(model.variables)),
        field("target_state", "State of the target"),
        field("given", "Given", evidence, pattern=pattern),
        field("compared_with", "Compared with", f"{evidence} Empty: with the complaint alone.", pattern=pattern),
        field("shows", "What the model must show", shows, required=True, enum=allowed),
        field("ratio", "By how much", ratio, type="number", minimum=0),
        field("weakened", "Weakened on purpose", "Whether the model makes less of it.", enum=["no", "yes"]),
        field("note", "Note", "Why, and by which source."),
    ]


def facts_field(name: str, title: str, description: str = "") -> Field:
    """Describe a column of facts in one cell."""
    told = f"As variable=state, joined by semicolons. {description}".strip()
    return field(name, title, told, pattern=joined(["[a-z0-9_]+=[a-z0-9_]+"]))


def pair_fields(clinical: ModelSpec) -> list[Field]:
    """Describe the columns of the tables that set one description against another."""
    targets = [*clinical.causes, *details(clinical), "none_of_these"]
    return [
        field("id", "Row", required=True, unique=True),
        field("model", "Model", "The article's rows hold in the clinical model too.", enum=["article", "extended"]),
        field("cause", "Cause", "Whose posterior is compared, or what the case is.", enum=targets),
        facts_field("more", "Likelier"),
        facts_field("less", "Less likely"),
        facts_field("given", "Given", "The people among whom the ratio was measured."),
        facts_field("sign", "Sign"),
        facts_field("against", "Against", "Empty: all of those given."),
        facts_field("case", "Case"),
        field("low", "Least likelihood ratio", type="number", minimum=0),
        field("high", "Greatest likelihood ratio", type="number", minimum=0),
        field("basis", "Basis", "Claim, source or clinical reason."),
        field("source", "Source", "Where the description comes from."),
    ]


def details(model: ModelSpec) -> list[str]:
    """List the names of posteriors of a cause's further states."""
    return [f"{name}_{state}" for name, cause in model.causes.items() for state in cause.states[2:]]


def resource(name: str, title: str, description: str, known: list[Field]) -> dict[str, Any]:
    """Describe one file, with the columns that it has."""
    with (HERE / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        header = next(csv.reader(lines))
    by_name = {described["name"]: described for described in known}
    return {
        "name": name.replace("_", "-"),
        "type": "table",
        "path": f"{name}.csv",
        "title": title,
        "description": description,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": schema([by_name[column] for column in header]),
    }


def describe(model: ModelSpec, clinical: ModelSpec) -> dict[str, Any]:
    """Describe the whole folder.

    Parameters
    ----------
    model : ModelSpec
        The model that the files belong to.
    clinical : ModelSpec
        The model that extends it, whose columns the published cases have too.

    Returns
    -------
    dict
        The content of datapackage.json. Its property ``dictionary`` holds the
        schemas of what scoring reads and writes.
    """
    cases = case_fields(model)
    every_case = {described["name"]: described for described in [*case_fields(clinical), *cases]}
    return {
        "name": "kneebayes",
        "title": "Cases of pain behind the knee",
        "description": f"Data that go with the model {model.name} {model.version}. {model.disclaimer}",
        "licenses": [{"name": "Apache-2.0", "title": "Apache License 2.0"}],
        "resources": [
            resource(
                "vignettes",
                "Textbook cases",
                "Written by hand, one line each, with the diagnosis and whether a DVT alarm is expected.",
                [*cases, *vignette_fields(clinical)],
            ),
            resource(
                "published_cases",
                "Published cases",
                "From case reports and board questions, coded and retold in a few words, with the facts that no "
                "variable holds. To look at and to score, not to fit.",
                [*every_case.values(), *vignette_fields(clinical)],
            ),
            resource(
                "textbook_pictures",
                "Textbook pictures of the clinical model's further causes",
                "Written from the literature, six of each; a test wants the right cause first.",
                pair_fields(clinical),
            ),
            resource(
                "directions",
                "Pairs with a direction",
                "Two descriptions each: which makes a cause likelier, from the literature; a test runs every row.",
                pair_fields(clinical),
            ),
            resource(
                "suspect_ratios",
                "Likelihood ratios among suspected legs",
                "What a sign may do to the odds of a clot in people with a sore swollen calf; a test runs every row.",
                pair_fields(clinical),
            ),
            resource(
                "example_cases",
                "Simulated cases",
                f"Nobody's data: drawn from the model, with cells left empty, by `{EXAMPLE_COMMAND}`.",
                cases,
            ),
            resource(
                "article_claims",
                "What the article claims",
                "Each claim with what the posteriors must show for it; a test runs every row.",
                claim_fields(model),
            ),
        ],
        "dictionary": {
            "cases": schema(cases),
            "posteriors": schema(posterior_fields(model)),
            "rejects": schema(reject_fields()),
        },
    }


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "datapackage.json"
    content = describe(read_model(model_path(DEFAULT_MODEL)), read_model(model_path("posterior_knee_pain_extended")))
    target.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
