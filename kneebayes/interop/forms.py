"""Forms to collect cases with, made from the questions of a model: for REDCap, and for ODK and KoboToolbox.

Fields have the names of a model's columns, and choices those of its states, so that what a form's program exports is
scored as it is, or with the mapping that is written beside the form.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby, product

import yaml

from kneebayes.atomic import AtomicFile, commit
from kneebayes.cases.coding import CASE_ID
from kneebayes.errors import FileFormatError, MissingExtraError
from kneebayes.spec.model_spec import NOT_EVIDENCE_PREFIX, AnswerInput, Band, ModelSpec, NumericInput, Variable

REDCAP_COLUMNS = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip
NAME, FORM, SECTION, KIND, LABEL, CHOICES, _, VALIDATION, LOWEST, HIGHEST, _, LOGIC = REDCAP_COLUMNS[:12]
RECORD = "Case number"
OUTCOMES = "Final diagnosis, once it is known"
# What the programs themselves add to an export, of raw values and of labels: it is nothing of the case.
OWN_COLUMNS = {
    "redcap": (
        ("redcap_*", "*_timestamp", "*_complete"),
        ("Event Name", "Repeat Instrument", "Repeat Instance", "Data Access Group", "Survey *", "Complete?*"),
    ),
    "xlsform": (
        (
            "SubmissionDate", "meta*", "instanceID", "KEY", "SubmitterID", "SubmitterName", "AttachmentsPresent",
            "AttachmentsExpected", "Status", "ReviewState", "DeviceID", "Edits", "FormVersion",  # ODK Central
            "start", "end", "formhub/uuid", "__version__", "_*",  # KoboToolbox
        ),
        ("start", "end", "formhub/uuid", "__version__", "_*"),
    ),
}  # fmt: skip

Test = tuple[str, str, str]  # column, operator, value; '' is an empty answer


@dataclass(frozen=True)
class Question:
    """A field of a form.

    ``choices`` are codes with what a person reads, none for a number; ``when`` is a conjunction of alternatives.
    """

    column: str
    text: str
    section: str
    choices: tuple[tuple[str, str], ...] = ()
    numeric: NumericInput | None = None
    when: tuple[tuple[Test, ...], ...] = ()

    @property
    def is_yes_no(self) -> bool:
        """Whether yes and no answer it."""
        return [code for code, _ in self.choices] == ["absent", "present"]


def questions(model: ModelSpec) -> list[Question]:
    """Give what a form asks: every column of evidence in the order of its group, then the causes as outcomes."""
    asked = []
    for column, name in model.input_columns.items():
        variable, numeric = model.askable.get(column, model.variables[name]), model.numeric_inputs.get(column)
        text = variable.question if numeric is None or column == name else numeric.label
        text += f" ({numeric.unit})" if numeric else ""
        when = tuple(_applies(model, name))
        choices = () if numeric else _choices(variable)
        asked.append(Question(column, text, model.groups[model.variables[name].group], choices, numeric, when))
    order = list(model.groups.values())
    asked.sort(key=lambda question: order.index(question.section))
    for name, cause in model.causes.items():
        text = f"Final diagnosis: {cause.label}"
        asked.append(Question(f"{NOT_EVIDENCE_PREFIX}{name}", text, OUTCOMES, _choices(cause)))
    return asked


def _choices(variable: Variable | AnswerInput) -> tuple[tuple[str, str], ...]:
    if variable.is_yes_no:
        return (("absent", "No"), ("present", "Yes"))
    return tuple((state, variable.say(state)) for state in variable.states)


def _applies(model: ModelSpec, name: str) -> Iterator[tuple[Test, ...]]:
    """Say whom a question is for: all but those whom the model gives no chance of any state but the first."""
    columns = {variable: column for column, variable in model.input_columns.items()}
    for row in model.risks[name].given if name in model.risks else ():
        if any(number.p for number in row.prior.values()):
            continue
        outside = [
            list(_outside(model, columns[parent], states))
            for parent, states in row.when.items()
            if set(states) != set(model.variables[parent].states)
        ]
        yield from (sum(ways, ()) for ways in product(*outside))


def _outside(model: ModelSpec, column: str, states: tuple[str, ...]) -> Iterator[tuple[Test, ...]]:
    """Say, in parts that must all hold, that a column is in none of these states; an empty one is not."""
    numeric = model.numeric_inputs.get(column)
    if numeric is None:
        yield from (((column, "!=", state),) for state in states)
        return
    inside = [band.state in states for band in numeric.bands]
    for is_in, run in groupby(range(len(inside)), lambda place: inside[place]):
        if is_in:
            first, *_, last = [*run] * 2
            below, over = numeric.bands[first], numeric.bands[last + 1 : last + 2]
            yield (
                (column, "=", ""),
                *((column, *_edge(below, "<=", "<")) for _ in range(first > 0)),
                *((column, *_edge(band, ">", ">=")) for band in over),
            )


def _edge(band: Band, above: str, at_least: str) -> tuple[str, str]:
    return (above, f"{band.above:g}") if band.at_least is None else (at_least, f"{band.at_least:g}")


def _logic(question: Question, field: str, unequal: str, codes: dict[str, str]) -> str:
    """Write whom a question is for, in the language of a program that writes fields and unequal so."""

    def write(column: str, operator: str, value: str) -> str:
        shown = value if operator[0] in "<>" else f"'{codes.get(value, value)}'"
        return f"{field.format(column)} {unequal if operator == '!=' else operator} {shown}"

    alternatives = (" or ".join(write(*test) for test in tests) for tests in question.when)
    return " and ".join(f"({text})" if " or " in text else text for text in alternatives)


def redcap_dictionary(model: ModelSpec) -> str:
    """Write the form as a data dictionary of REDCap, CSV: yes and no as 1 and 0, other choices as names of states.

    The first field is the record's number; nothing is required, as an empty field means unknown.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, REDCAP_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerow({NAME: CASE_ID, FORM: model.name, KIND: "text", LABEL: RECORD})
    before = ""
    for question in questions(model):
        row = {NAME: question.column, FORM: model.name, KIND: "radio", LABEL: question.text}
        if question.section != before:
            row[SECTION] = before = question.section
        if question.numeric:
            low, high = (f"{limit:g}" for limit in (question.numeric.minimum, question.numeric.maximum))
            row |= {KIND: "text", VALIDATION: "number", LOWEST: low, HIGHEST: high}
        elif question.is_yes_no:
            row[KIND] = "yesno"
        else:
            row[CHOICES] = " | ".join(f"{code}, {said.replace('|', '/')}" for code, said in question.choices)
        row[LOGIC] = _logic(question, "[{}]", "<>", {"absent": "0", "present": "1"})
        writer.writerow(row)
    return text.getvalue()


def xlsform(model: ModelSpec) -> bytes:
    """Write the form as an XLSForm, .xlsx: a page for each group of questions, answered by names of states."""
    try:
        from openpyxl import Workbook
    except ImportError as error:
        said = "an XLSForm needs openpyxl: install 'kneebayes[formats]', or make the form with --format redcap"
        raise MissingExtraError(said) from error
    book = Workbook()
    survey, choices, settings = book.active, book.create_sheet("choices"), book.create_sheet("settings")
    survey.title = "survey"
    survey.append(("type", "name", "label", "relevant", "constraint", "constraint_message"))
    survey.append(("text", CASE_ID, RECORD))
    choices.append(("list_name", "name", "label"))
    lists = set()
    for page, (section, members) in enumerate(groupby(questions(model), lambda question: question.section), 1):
        survey.append(("begin group", f"page_{page}", section))
        for question in members:
            relevant = _logic(question, "${{{}}}", "!=", {})
            if question.numeric is not None:
                low, high = question.numeric.minimum, question.numeric.maximum
                limits = (f". >= {low:g} and . <= {high:g}", f"{low:g} to {high:g} {question.numeric.unit}")
                survey.append(("decimal", question.column, question.text, relevant, *limits))
                continue
            name = "yes_no" if question.is_yes_no else question.column
            survey.append((f"select_one {name}", question.column, question.text, relevant))
            if name not in lists:
                lists.add(name)
                for code, said in question.choices:
                    choices.append((name, code, said))
        survey.append(("end group",))
    settings.append(("form_title", "form_id", "version"))
    settings.append((model.title, model.name, model.version))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def write_form(model: ModelSpec, kind: str, path: str) -> list[str]:
    """Write a form, ``redcap`` or ``xlsform``, and beside it the mappings of what its program exports; name the files.

    ``form.csv`` gets ``form.redcap-raw.yaml``, for exports of raw values, and ``form.redcap-labelled.yaml``, of labels.
    """
    ending = {"redcap": ".csv", "xlsform": ".xlsx"}[kind]
    stem, given = os.path.splitext(path)
    if given.lower() != ending:
        raise FileFormatError(f"{path}: a form for {kind} goes to a file that ends in {ending}, as in form{ending}")
    content = redcap_dictionary(model).encode() if kind == "redcap" else xlsform(model)
    columns: dict[str, object] = {RECORD: CASE_ID}
    for question in questions(model):
        plain = question.numeric is not None or question.is_yes_no
        values = {said: code for code, said in question.choices}
        columns[question.text] = question.column if plain else {"variable": question.column, "values": values}
    head = {"format": 1, "model": model.name}
    raw, labelled = ({"ignore": list(own)} for own in OWN_COLUMNS[kind])
    texts = {"raw": head | raw, "labelled": head | {"columns": columns} | labelled}
    files = {path: content} | {
        f"{stem}.{kind}-{name}.yaml": yaml.safe_dump(text, sort_keys=False, allow_unicode=True, width=120).encode()
        for name, text in texts.items()
    }
    with ExitStack() as stack:
        written = [stack.enter_context(AtomicFile(name, stream=False)) for name in files]
        for file, text in zip(written, files.values(), strict=True):
            file.write(text)
        commit(*written)
    return list(files)
