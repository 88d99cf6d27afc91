"""A mapping: what the columns of somebody's own table are called here, and what their values mean.

It is data (`CaseMapping`, a YAML file that a person edits), is bound to a model and to the header of a table
(`BoundMapping`, where all that does not fit is named), and turns tables of that header into tables of ours, a piece
at a time: values are looked up once per distinct one. Nothing is guessed: what the mapping does not say is refused.
"""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from kneebayes.cases.coding import (
    CASE_ID,
    SYNONYMS,
    Coder,
    EncodedColumn,
    Problems,
    known_columns,
    listed,
    number_of,
    read_distinct,
    refuse_unknown,
    row_problems,
    unnamed,
    warn_of_idle,
)
from kneebayes.cases.frames import code_table, encode_column, to_arrow
from kneebayes.cases.problems import Kind, Problem, Refusal, Why, cell_text, refused_rows, rows_of_no_case, short, why
from kneebayes.errors import (
    CaseError,
    MappingError,
    ModelFileError,
    UnknownColumnError,
    UnknownNameError,
    check_kind,
    misspelt,
    names_of,
    nearest,
)
from kneebayes.spec.model_spec import ABSENT_PRESENT, NOT_EVIDENCE_PREFIX, UNKNOWN_WORDS, Frozen
from kneebayes.spec.yaml_io import DIALECT, Place, place_text, problems_of, read_words, where

UNDECIDED = "unsure"  # what a draft writes for a value that it can't tell
UNKNOWN_SAID = "unknown"
OTHERS = "others"
VALUES_REMEDY = "; or say under values in the mapping what theirs mean"
REMEDY = "Name them in the mapping, under columns or ignore (`ignore: others` for all that is not named)."
_NUMBER = re.compile(r"([-+]?\d+(?:[.,]\d+)?|[-+]?[.,]\d+)\s*(\D.*)?")
_INTEGRAL = re.compile(r"(-?\d+)\.0+")
_TOKENS = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
Days = NDArray[np.datetime64]
_TOKEN = re.compile("|".join(_TOKENS))


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def word(value: object) -> str:
    """Write a cell as mappings compare it: without blanks around, whatever its case, 1.0 as 1.

    >>> word(" Ja "), word(2.0), word("2.0"), word(None)
    ('ja', '2', '2', '')
    """
    text = _text(value).strip().casefold()
    whole = _INTEGRAL.fullmatch(text)
    return whole[1] if whole else text


def normal(name: object) -> str:
    """Write a name as headers are compared: whatever its case, blanks, hyphens and underscores.

    >>> normal("Case-ID"), normal("calf pain") == normal("Calf_Pain")
    ('caseid', True)
    """
    return re.sub(r"[\s_\-]+", "", str(name)).casefold()


def strptime_format(format: str) -> str:
    """Write a format of days as Python does.

    >>> strptime_format("DD.MM.YYYY hh:mm")
    '%d.%m.%Y %H:%M'
    """
    return format if "%" in format else _TOKEN.sub(lambda found: _TOKENS[found[0]], format)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str | int | float) else value


def _scalar(value: object) -> object:
    return value if isinstance(value, list | tuple | dict | set) else _text(value)


def _decided(value: object) -> object:
    if value == UNDECIDED:
        raise ValueError("still to be decided: write a number")
    return value


@dataclass(frozen=True, eq=False)
class _OrAlso:
    """Lets the JSON Schema of a field take what validation takes: one thing without its list, a number in quotes."""

    schema: Mapping[str, Any]

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [dict(self.schema), handler(core)]}


_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_TEXT = _OrAlso({"type": "string"})
_STRING: dict[str, Any] = {"type": "string", "minLength": 1}
Word = Annotated[str, BeforeValidator(_scalar), WithJsonSchema(_SCALAR)]
Words = Annotated[tuple[Word, ...], BeforeValidator(_listed), _OrAlso({"type": ["string", "number", "boolean"]})]
Format = Annotated[str, Field(min_length=1)]
Formats = Annotated[tuple[Format, ...], Field(min_length=1), BeforeValidator(_listed), _OrAlso(_STRING)]
_DIGITS = r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"
_QUOTED: dict[str, Any] = {"type": "string", "pattern": f"^({_DIGITS}|{UNDECIDED})$"}  # undecided only in a draft
Number = Annotated[float, Field(allow_inf_nan=False), BeforeValidator(_decided), _OrAlso(_QUOTED)]
_LINE: dict[str, Any] = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]*$"}]}
Line = Annotated[int, Field(ge=1), WithJsonSchema(_LINE)]
Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=2), BeforeValidator(_listed), _OrAlso(_LINE)]


class Reading(Frozen):
    """How a file is to be read."""

    sep: str | None = Field(None, pattern=r"^(.|tab|\\t)$", description="What separates columns: one character or tab.")
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal sign of numbers.")
    encoding: str | None = Field(default=None, description="As Python names it: utf-8, cp1252, utf-16, latin-1.")
    sheet: str | None = Field(default=None, description="Of a workbook, by name; by default the first.")
    header: Lines | None = Field(
        default=None, description="The line of the names, from 1, or two of them; what stands above is passed over."
    )

    @model_validator(mode="after")
    def _known(self) -> Reading:
        if self.encoding is not None:
            try:
                "".encode(self.encoding)
            except LookupError:
                raise ValueError(f"encoding '{self.encoding}' is none that Python knows, as cp1252 or utf-16") from None
        return self

    @property
    def separator(self) -> str:
        """What separates columns."""
        return "\t" if self.sep in ("tab", "\\t") else self.sep or ","


class Column(Frozen):
    """What one column of the file says."""

    variable: str | None = Field(default=None, description="Ours: a variable, an input, case_id, label, true_<cause>.")
    values: dict[Word, Word] | None = Field(
        default=None, description="Our value by theirs; unknown, or nothing, is an empty cell. Others are refused."
    )
    missing: Words = Field(default=(), description="Words for nothing in this column.")
    units: dict[Word, Number] | None = Field(
        default=None, description="What one of a unit is in ours, by the word after the number; '' is a bare number."
    )
    bands: dict[Word, Number] | None = Field(
        default=None, description="Our state by the least number that is in it: {absent: 0, present: 25}."
    )
    date: Formats | None = Field(default=None, description="How days are written: DD.MM.YYYY. Several are tried.")
    until: str | None = Field(default=None, description="A column of days, or one day as YYYY-MM-DD, to count up to.")
    separator: Format | None = Field(None, description="What separates several choices in one cell.")
    choices: dict[Word, dict[str, Word]] | None = Field(
        default=None, description="For each choice, what it says: our values by our variables; {} says nothing."
    )
    others: Literal["unknown", "absent"] = Field("unknown", description="What a choice not named in a filled cell is.")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"variable": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_way(self) -> Column:
        given = [way for way in ("values", "units", "bands", "date", "choices") if getattr(self, way) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two ways to read a column: give one")
        if self.variable is None and self.choices is None and self.date is None:
            raise ValueError("needs a variable (but for choices, which name theirs, and days that others count up to)")
        if self.choices is not None and self.variable is not None:
            raise ValueError("choices name their variables: leave out variable")
        if (self.separator is None) != (self.choices is None) or (self.others != "unknown" and self.choices is None):
            raise ValueError("separator and others go with choices, and choices need a separator")
        if (self.until is not None) != (self.date is not None and self.variable is not None):
            raise ValueError("a day says something of a variable by the time until another: give date and until")
        for format in self.date or ():
            parts = (re.search(marks, strptime_format(format)) for marks in ("%[Yy]", "%[mbB]", "%d"))
            if not all(parts):
                raise ValueError(f"date '{format}': write year, month and day, as in DD.MM.YYYY or YYYY-MM-DD")
        bounds = [*(self.bands or {}).values()]
        if len({*bounds}) < len(bounds):
            raise ValueError("bands: two states begin at one number")
        for name, keys in (("values", self.values or ()), ("choices", self.choices or ())):
            repeated = [key for key in keys if sum(word(key) == word(other) for other in keys) > 1]
            if repeated:
                raise ValueError(f"{name}: '{repeated[0]}' stands twice, as case does not matter")
        return self


class CaseMapping(Frozen):
    """What the columns of somebody's own table are called here, and what their values mean.

    Made by `CaseMapping.of` of a file, or of a dictionary of the same shape. Without ``columns``,
    columns are matched by name and label; case, blanks, hyphens and underscores do not matter.

    Attributes
    ----------
    columns : dict of str to Column, or None
        What the columns of the table mean, by their names there.
    ignore : tuple of str, or None
        Columns to leave out.
    read, missing, rows, join, combine, unsure
        As the file has them; `schema_text` describes each.

    Examples
    --------
    >>> mapping = CaseMapping.of({"columns": {"Sexo": {"variable": "sex", "values": {"H": "male", "M": "female"}}}})
    >>> mapping.columns["Sexo"].variable
    'sex'
    """

    format: Annotated[int, Field(ge=1, le=1)] = Field(default=1, description="The version of this format: 1.")
    model: str | None = Field(default=None, description="The model that it was drafted for.")
    read: Reading = Field(default=Reading(), description="How the file is to be read.")
    missing: Words = Field(default=(), description="Words for nothing, in every column.")
    rows: dict[str, Words] = Field(
        default_factory=dict, description="Rows that are no cases, by the values of a column; '' is an empty cell."
    )
    join: Literal["case_id"] | None = Field(
        default=None,
        description="The rows of one case_id are one case, of what any of them says; where two differ, it is refused.",
    )
    columns: dict[str, Annotated[Column, _TEXT]] | None = Field(None, description="By their names in the file.")
    combine: dict[str, Literal["any", "agree"]] = Field(
        default_factory=dict, description="Of a variable that several columns set: any of them, or all must agree."
    )
    ignore: Annotated[tuple[str, ...], BeforeValidator(_listed), _TEXT] | None = Field(
        default=None, description="Columns to leave out, by name or pattern; the one word others for all not named."
    )
    unsure: dict[str, Words] = Field(
        default_factory=dict, description="What a draft could not decide, with candidates: none may be left."
    )
    _source: str = PrivateAttr(default="mapping")
    _text: str = PrivateAttr(default="")

    def __init__(self, **content: Any) -> None:
        self._fill(content)

    @classmethod
    def of(cls, mapping: MappingLike) -> CaseMapping:
        """Take a mapping, read a file, or check a dictionary.

        Parameters
        ----------
        mapping : CaseMapping, mapping, str or pathlib.Path
            A path is that of a mapping file.

        Returns
        -------
        CaseMapping
            Checked in itself; whether it fits a model and a table shows when it is used.

        Raises
        ------
        MappingError
            If it is no mapping; the message names the place, and in a file the line.
        """
        if isinstance(mapping, CaseMapping):
            return mapping
        content, source, text = mapping, "mapping", ""
        if isinstance(mapping, str | Path):
            try:
                content, text = read_words(mapping, "mapping")
            except ModelFileError as error:
                raise MappingError(str(error)) from error
            if content is None:
                raise MappingError(f"{mapping}: is empty: `kneebayes map` drafts one")
            source = str(mapping)
        made = cls.__new__(cls)
        made._fill(content, source, text)
        return made

    def _fill(self, content: object, source: str = "mapping", text: str = "") -> None:
        try:
            self.__pydantic_validator__.validate_python(content, self_instance=self)
        except ValidationError as error:
            problems = problems_of(error, {source: text}, of=CaseMapping, default="mapping")
            raise MappingError(f"{source}: {problems}") from error
        self._source, self._text = source, text

    def with_options(
        self, *, read: Mapping[str, Any] = {}, missing: Iterable[str] = (), ignore_others: bool = False
    ) -> CaseMapping:
        """Let options of a command go before what the file says.

        Parameters
        ----------
        read : mapping of str to object
            How the file is to be read, by the keys of ``read``.
        missing : iterable of str
            Further words for nothing.
        ignore_others : bool
            Whether to leave out all columns that are not named.

        Returns
        -------
        CaseMapping
            With these.

        Raises
        ------
        MappingError
            If an option is not allowed.
        """
        missing = names_of("missing", missing)
        check_kind(read, "keys", "mapping.with_options(read={'sep': ';'}, missing=['-9'])")
        try:
            reading = Reading.model_validate({**self.read.model_dump(), **read})
        except ValidationError as error:
            raise MappingError(problems_of(error, of=Reading)) from error
        changed = {"read": reading, "missing": (*self.missing, *missing)}
        return self.model_copy(update=changed | ({"ignore": (OTHERS,)} if ignore_others else {}))

    @classmethod
    def schema_text(cls) -> str:
        """Write the JSON Schema of mapping files.

        Returns
        -------
        str
            JSON.
        """
        schema = cls.model_json_schema(mode="validation")
        return json.dumps({"$schema": DIALECT, **schema, "title": "A mapping of kneebayes"}, indent=2) + "\n"

    def _error(self, place: Place, said: str) -> MappingError:
        """Say what is wrong at a place of the mapping."""
        return MappingError(f"{self._source}: {place_text(place)}: {said}{where({self._source: self._text}, place)}")


MappingLike = CaseMapping | Mapping[str, Any] | str | Path


@dataclass(frozen=True, eq=False)
class Mapped:
    """A table in our columns, as long as the one that came, and what is wrong with its rows in terms of that one.

    ``said`` has what each column of the file says of each variable, before columns are combined. A cell with a problem
    is empty.
    """

    table: pa.Table
    problems: Problems
    said: dict[tuple[str, str], EncodedColumn] = field(default_factory=dict)

    @property
    def refused(self) -> NDArray[np.bool_]:
        """Which rows have a problem."""
        return refused_rows(self.problems, self.table.num_rows)


class BoundMapping:
    """A mapping that fits a model and a header.

    ``names`` are those of the table; ``used`` those that it reads; ``ignored`` those that it leaves out, and ``others``
    those among them that nobody named.
    """

    def __init__(
        self,
        coder: Coder,
        mapping: CaseMapping,
        names: Iterable[str],
        *,
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        further: Iterable[str] = (),
        outcomes: Iterable[str] = (),
        partial: bool = False,
    ) -> None:
        self.coder, self.mapping, self.names = coder, mapping, tuple(names)
        self.keep = tuple(dict.fromkeys(map(str, keep)))
        left_out = tuple(map(str, ignore))
        warn_of_idle(self.names, left_out)
        self._known = (*known_columns(coder.model), *further)
        columns = mapping.columns
        if columns is None:
            columns = matched(coder, unnamed(self.names, left_out), self.keep, further)
        taken = [name for name in unnamed(columns, left_out) if name in self.names or not partial]
        columns = {name: columns[name] for name in taken}
        for outcome in outcomes:
            if outcome not in coder.model.causes:
                raise UnknownNameError(f"no cause '{short(outcome)}'.{misspelt(outcome, coder.model.causes)}")
            theirs = [name for name, column in columns.items() if column.variable == outcome]
            if not theirs:
                raise UnknownColumnError(f"no column of {outcome} that could be its outcome")
            target = {"variable": f"{NOT_EVIDENCE_PREFIX}{outcome}"}
            columns |= {name: columns[name].model_copy(update=target) for name in theirs}
        self.columns = columns
        self._check_names(partial, left_out)
        self._check_columns()
        self._targets: dict[str, list[str]] = defaultdict(list)
        for name, column in columns.items():
            for variable in self._variables(column):
                self._targets[variable].append(name)
        self._check_combined()
        self._missing = frozenset(map(word, mapping.missing)) | {""}
        used = {*columns, *mapping.rows, *(c.until for c in columns.values() if c.until)}
        self.used = tuple(name for name in self.names if name in used)
        self.case_id = next(iter(self._targets.get(CASE_ID, ())), None)
        if mapping.join is not None and self.case_id is None and not partial:
            raise mapping._error(("join",), f"rows are joined by their {CASE_ID}: say which column that is")
        is_plain = not (mapping.missing or mapping.rows or mapping.join or mapping.read.decimal == ",")
        self.is_identity = is_plain and all(c == Column(variable=name) for name, c in columns.items())

    def _variables(self, column: Column) -> list[str]:
        if column.choices is not None:
            return list(dict.fromkeys(name for answers in column.choices.values() for name in answers))
        return [] if column.variable is None else [column.variable]

    # What does not fit the header

    def _check_names(self, partial: bool, left_out: Sequence[str]) -> None:
        mapping, names = self.mapping, self.names
        if mapping.unsure:
            first = next(iter(mapping.unsure))
            said = f"still to be decided: {listed(mapping.unsure)}. Move each to columns, or to ignore"
            raise mapping._error(("unsure", first), said)
        places = {name: ("columns", name) for name in self.columns} | {name: ("rows", name) for name in mapping.rows}
        if not partial:
            absent = {name: place for name, place in places.items() if name not in names}
            if absent:
                name, place = next(iter(absent.items()))
                raise mapping._error(place, f"the file has no column {listed(absent)}.{misspelt(name, names)}")
        ignored = mapping.ignore or ()
        others = ignored == (OTHERS,)
        taken = {*places, *self.keep, *(column.until for column in self.columns.values() if column.until)}
        rest = [name for name in names if name not in taken]
        unknown = unnamed(rest, left_out if others else (*ignored, *left_out))
        if mapping.columns is None:
            unknown = [name for name in unknown if not name.startswith(NOT_EVIDENCE_PREFIX)]
        self.others = tuple(unknown) if others else ()
        if unknown and not others:
            refuse_unknown(self.coder.model, unknown, "" if mapping.columns is None else REMEDY)
        present = set(names)
        missing = next((name for name in self.keep if name not in present), None)
        if missing is not None:
            raise UnknownColumnError(f"no column '{short(missing)}' to keep.{nearest(missing, names)}")
        self.ignored = tuple(rest)

    # What does not fit the model

    def _check_columns(self) -> None:
        outcomes = [f"{NOT_EVIDENCE_PREFIX}{cause}" for cause in self.coder.model.causes]
        known = (*self._known, *outcomes)
        is_written = self.mapping.columns is not None  # of a header that was matched, true_* is for labels to refuse
        for name, column in self.columns.items():
            place: Place = ("columns", name)
            for variable in self._variables(column):
                if is_written and variable not in known:
                    said = f"{self.coder.model.name} has no '{short(variable)}'"
                    if self.mapping.model not in (None, self.coder.model.name):
                        said = f"{said}, and the mapping was drafted for {self.mapping.model}"
                    said = f"{said}: `kneebayes model` lists its names.{misspelt(variable, known)}"
                    raise self.mapping._error(place, said)
            if column.variable == CASE_ID and column != Column(variable=CASE_ID):
                raise self.mapping._error(place, f"{CASE_ID} is taken as it stands: write only {CASE_ID}")
            for theirs, ours in (column.values or {}).items():
                self._check_value((*place, "values", theirs), column.variable or "", theirs, ours)
            for state in column.bands or ():
                self._check_value((*place, "bands", state), column.variable or "", state, state)
            self._check_formats((*place, "date"), column)
            for choice, answers in (column.choices or {}).items():
                for variable, ours in answers.items():
                    self._check_value((*place, "choices", choice, variable), variable, choice, ours)
            numeric = self.coder.model.numeric_inputs.get(column.variable or "")
            if numeric is None and (column.units is not None or column.until is not None):
                raise self.mapping._error(place, f"{column.variable} is no number: units and days are for numbers")
            if column.until is not None:
                if numeric is not None and numeric.unit not in ("years", "days"):
                    raise self.mapping._error(place, f"{column.variable} is in {numeric.unit}: days give years or days")
                until = self.columns.get(column.until)
                if until is None and _day(column.until) is None:
                    said = f"'{column.until}' is no column of the mapping, nor a day as 2026-03-01"
                    raise self.mapping._error((*place, "until"), said)
                if until is not None and until.date is None:
                    raise self.mapping._error(("columns", column.until), "give the date format in which its days are")

    def _check_formats(self, place: Place, column: Column) -> None:
        """Refuse formats by which a day could be taken for another, and nobody would see it."""
        formats = column.date or ()
        numeric = self.coder.model.numeric_inputs.get(column.variable or "")
        if numeric is not None and numeric.unit == "years" and any("%y" in strptime_format(text) for text in formats):
            raise self.mapping._error(place, "a year of two digits (YY) says no century: export years of four digits")
        for text in formats:
            other = strptime_format(text).replace("%d", "%_").replace("%m", "%d").replace("%_", "%m")
            if other != strptime_format(text) and other in map(strptime_format, formats):
                raise self.mapping._error(place, "formats that differ in the order of day and month fit the same days")

    def _check_value(self, place: Place, variable: str, theirs: str, ours: str) -> None:
        if ours == UNDECIDED:
            raise self.mapping._error(place, f"decide what '{short(theirs)}' means, or write unknown")
        if variable not in self.coder.columns:
            return
        try:
            self.coder.code(variable, ours)
        except Refusal as refusal:
            raise self.mapping._error(place, str(refusal)) from None

    def _check_combined(self) -> None:
        for variable, rule in self.mapping.combine.items():
            if variable not in self._targets:
                said = f"no column sets '{short(variable)}'.{nearest(variable, self._targets)}"
                raise self.mapping._error(("combine", variable), said)
            if rule == "any" and not (self.coder.is_yes_no(variable) or variable.startswith(NOT_EVIDENCE_PREFIX)):
                raise self.mapping._error(("combine", variable), "any is for absent and present: write agree")
        for variable, names in self._targets.items():
            if len(names) > 1 and variable not in self.mapping.combine:
                several = f"{' and '.join(map(repr, names[:5]))} both set {variable}"
                if self.mapping.columns is None:
                    raise UnknownColumnError(f"{several}: ignore one of them, or say in a mapping how they combine")
                several = f"{several}: say how under combine ({variable}: any, or agree)"
                raise self.mapping._error(("columns", names[1]), several)

    # Tables

    def named(self, problem: Problem) -> Problem:
        """Say a problem of our table by the columns of the file, and what the mapping can do about it."""
        reason = problem.why
        if reason.kind is Kind.VALUE and self.mapping.columns is not None:
            text = f"{reason.text.removesuffix('.')}{VALUES_REMEDY}"
            reason = Why(reason.kind, text, f"{reason.plain}{VALUES_REMEDY}")
        theirs = dict.fromkeys(c for part in problem.column.split("+") for c in self._targets.get(part, [part]))
        return replace(problem, column="+".join(theirs), why=reason)

    def apply(self, table: pa.Table | pa.RecordBatch) -> Mapped:
        """Turn a table of the file's columns into one of ours, with the columns to keep as they came."""
        used = (name for name in self.used if name != self.case_id or name in self.mapping.rows)
        cells = {name: encode_column(table[name]) for name in used}
        problems: Problems = []
        no_cases = self._left_out(cells)
        if self.mapping.join is not None and self.case_id is not None:
            cells = self._joined(cells, encode_column(table[self.case_id]), no_cases, problems)
        said: dict[tuple[str, str], EncodedColumn] = {}
        days = {name: self._days(name, cells[name], problems) for name, c in self.columns.items() if c.date}
        for name, column in self.columns.items():
            if column.variable == CASE_ID:
                continue
            if column.choices is not None:
                said |= {(name, v): c for v, c in self._choices(name, column, cells[name], problems).items()}
            elif column.until is not None:
                said[name, column.variable or ""] = self._time(name, column, cells[name], days, problems)
            elif column.variable is not None:
                said[name, column.variable] = self._values(name, column, cells[name], problems)
        made: dict[str, Any] = {}
        for variable, names in self._targets.items():
            if variable == CASE_ID:
                made[CASE_ID] = table[names[0]]
                continue
            columns = [said[name, variable] for name in names]
            is_one = len(columns) == 1
            nothing = UNKNOWN_SAID if is_one and self.columns[names[0]].values is not None else None
            made[variable] = _array(columns[0] if is_one else self._combined(variable, columns, problems), nothing)
        for name in self.keep:
            if name in made and self._targets[name] != [name]:
                raise UnknownColumnError(f"can't keep column '{name}': the mapping makes one of its own; rename yours")
            made.setdefault(name, table[name])
        left_out = rows_of_no_case(no_cases)
        problems = [*no_cases, *(problem for problem in problems if problem.row not in left_out)]
        problems.sort(key=lambda problem: problem.row)
        length = pa.nulls(table.num_rows)  # so that a table without columns keeps its rows
        whole = pa.table([*made.values(), length], names=[*made, ""]).select(range(len(made)))
        return Mapped(whole, problems, said)

    def case(self, case: Mapping[str, object]) -> dict[str, object]:
        """Say one case in our columns."""
        table = pa.table({name: [None if value is None else cell_text(value)] for name, value in case.items()})
        mapped = self.apply(table)
        if mapped.problems:
            raise CaseError(" ".join(problem.reason for problem in mapped.problems))
        return dict(mapped.table.to_pylist()[0])

    def dry_run(self, table: pa.Table) -> str:
        """Say what the cells of each column become, in numbers of them, and what is left out."""
        mapped = self.apply(table)
        no_cases = rows_of_no_case(mapped.problems)
        coded = code_table(self.coder, mapped.table)
        problems = [*mapped.problems, *map(self.named, coded.problems)]
        wrong = {problem.row for problem in problems} - no_cases
        is_case = ~np.isin(np.arange(table.num_rows), list(no_cases))
        lines = []
        for (name, variable), column in mapped.said.items():
            refused = {p.row for p in problems if p.column == name and p.row not in no_cases}
            is_read = is_case & ~np.isin(np.arange(table.num_rows), list(refused))
            became: Counter[str] = Counter()
            for place, n in Counter(column.index[is_read].tolist()).items():
                became["empty" if place < 0 else self._meaning(variable, column.values[place])] += n
            counts = sorted(became.items(), key=lambda said: (said[0] == "empty", -said[1]))
            said = [f"{n:,} {what}" for what, n in (*counts, ("refused", len(refused))) if n]
            lines.append(f"{name} -> {variable}: {', '.join(said) or 'nothing'}")
        if self.case_id is not None:
            lines.insert(0, f"{self.case_id} -> {CASE_ID}")
        if self.ignored:
            lines.append(f"left out: {', '.join(self.ignored)}")
        done = "left out" if self.mapping.join is None else "left out or joined"
        left_out = f", {len(no_cases):,} {done}" if no_cases else ""
        again = repeated_ids(mapped)
        lines.append(f"{table.num_rows:,} rows, of which {len(wrong):,} can't be read{left_out}")
        lines += dict.fromkeys(f"  {p.column}: {p.plain}" for p in problems if p.row in wrong)
        if again:
            lines.append(f"{len(again):,} rows would be rejected: {again[0].reason}")
        return "\n".join(lines)

    def _meaning(self, variable: str, value: object) -> str:
        """Say what a value of ours is taken for: a state, or a band of numbers."""
        numeric = self.coder.model.numeric_inputs.get(variable)
        try:
            code = self.coder.code(variable, value) if variable in self.coder.columns else -1
        except Refusal:
            return "likelihoods"
        if numeric is None or code < 0:
            return self._state(variable, value)
        return self.coder.model.variables[numeric.variable].states[code]

    def _is_missing(self, column: Column) -> Callable[[object], bool]:
        words = self._missing | frozenset(map(word, column.missing))
        return lambda value: word(value) in words

    def _values(self, name: str, column: Column, cells: EncodedColumn, problems: Problems) -> EncodedColumn:
        """Read each distinct value; what can't be read is a problem of its rows, and empty."""
        variable, is_missing = column.variable or "", self._is_missing(column)
        ours = None if column.values is None else {word(theirs): value for theirs, value in column.values.items()}
        has_form = column.units is not None or self.mapping.read.decimal == ","
        is_number = has_form and variable in self.coder.model.numeric_inputs
        is_combined = variable in self.coder.columns and len(self._targets[variable]) > 1

        def read(value: object) -> str:
            if is_missing(value):
                return ""
            if ours is not None:
                if (found := ours.get(word(value))) is None:
                    raise Refusal(Kind.MAPPED_VALUE, column=name, value=short(value))
                return found
            number = self._measured(name, column, value) if is_number or column.bands is not None else None
            if column.bands is not None and number is not None:
                return _band(name, column.bands, number, value)
            text = cell_text(value) if number is None else f"{number:.12g}"
            if is_combined or number is not None:  # what can't be read must not be lost among what others say
                self.coder.code(variable, text)
            return text

        return cells.replaced(read_distinct(name, cells, read, problems))

    def _measured(self, name: str, column: Column, value: object) -> float | None:
        """Read a number in our unit; None of what is none, if the column has no units: it may be the name of a band."""
        text, decimal = cell_text(value).strip(), self.mapping.read.decimal or "."
        found, other = _NUMBER.fullmatch(text), "," if decimal == "." else "."
        units = {word(unit): factor for unit, factor in (column.units or {"": 1.0}).items()}
        has_other = found is not None and other in found[1]
        if found is not None and not has_other:
            number, factor = number_of(found[1].replace(",", ".")), units.get(word(found[2] or ""))
            if number is not None and factor is not None:
                return number * factor
        if column.units is None and column.bands is None and not has_other:
            return None
        known = ", ".join(repr(u) for u in column.units or () if u)
        sign = "comma" if decimal == "," else "point"
        said = f" with a decimal {sign} (and no mark for thousands)" + (f" and one of {known}" if known else "")
        raise Refusal(Kind.MAPPED_NUMBER, column=name, value=short(text), allowed=said)

    def _days(self, name: str, cells: EncodedColumn, problems: Problems) -> Days:
        """Read the days of a column, (n,), NaT where there is none."""
        import pandas as pd  # here: few files have dates

        column = self.columns[name]
        is_missing = self._is_missing(column)
        texts = pd.Series([None if is_missing(v) else str(v).strip() for v in cells.values], dtype=object)
        days = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[ns]")
        for format in column.date or ():
            left = days.isna() & texts.notna()
            days[left] = pd.to_datetime(texts[left], format=strptime_format(format), errors="coerce")
        facts = {"column": name, "allowed": " or ".join(column.date or ())}
        unread = np.flatnonzero(days.isna() & texts.notna()).tolist()
        refused = {i: why(Kind.DATE, value=short(texts[i]), **facts) for i in unread}
        tomorrow = pd.Timestamp(datetime.date.today() + datetime.timedelta(days=2))
        for i in np.flatnonzero((days >= tomorrow).to_numpy()).tolist():
            refused[i] = why(Kind.FUTURE, value=short(texts[i]), **facts)
            days[i] = pd.NaT
        problems += row_problems(name, cells, refused)
        found = np.append(days.to_numpy().astype("datetime64[D]"), np.datetime64("NaT", "D"))
        return np.asarray(found[cells.index])

    def _time(
        self, name: str, column: Column, cells: EncodedColumn, days: Mapping[str, Days], problems: Problems
    ) -> EncodedColumn:
        """Count completed years, or days, up to another day; empty where one of the two is not known."""
        variable, until = column.variable or "", column.until or ""
        start = days[name]
        end = days[until] if until in days else np.full(start.shape, _day(until), dtype="datetime64[D]")
        known = ~np.isnat(start) & ~np.isnat(end)
        length = np.zeros(len(start), dtype=np.int64)
        if self.coder.model.numeric_inputs[variable].unit == "years":
            length[known] = _years(start[known], end[known])
        else:
            length[known] = (end[known] - start[known]).astype(np.int64)
        early = known & (start > end)
        distinct, index = np.unique(length, return_inverse=True)
        refused: dict[int, Why] = {}
        for i, number in enumerate(distinct.tolist()):
            if number >= 0:
                try:
                    self.coder.code(variable, number)
                except Refusal as refusal:
                    refused[i] = refusal.why
        wrong = known & ~early & np.isin(index, list(refused))
        for row in np.flatnonzero(early | wrong).tolist():
            value = short(cells.values[int(cells.index[row])])
            reason = refused[int(index[row])] if wrong[row] else why(Kind.DATES, column=name, value=value, other=until)
            problems.append(Problem(row, name, value, reason))
        return EncodedColumn(np.where(known & ~early & ~wrong, index, -1), list(map(str, distinct.tolist())))

    def _choices(self, name: str, column: Column, cells: EncodedColumn, problems: Problems) -> dict[str, EncodedColumn]:
        variables = self._variables(column)
        choices = {word(choice): answers for choice, answers in (column.choices or {}).items()}
        absent = {v: "absent" for v in variables if column.others == "absent" and self.coder.is_yes_no(v)}
        is_missing = self._is_missing(column)

        def read(value: object) -> dict[str, str]:
            found: dict[str, str] = {}
            chosen = [part for part in cell_text(value).split(column.separator or ";") if not is_missing(part)]
            for part in chosen:
                if word(part) not in choices:
                    raise Refusal(Kind.MAPPED_VALUE, column=name, value=short(part.strip()))
                for variable, ours in choices[word(part)].items():
                    if found.setdefault(variable, ours) != ours:
                        raise Refusal(Kind.COMBINED, names=f"choices of {name}", other=variable)
            return {**absent, **found} if chosen and not is_missing(value) else {}

        answers = [found or {} for found in read_distinct(name, cells, read, problems)]
        return {variable: cells.replaced(answer.get(variable) for answer in answers) for variable in variables}

    def _combined(self, variable: str, columns: list[EncodedColumn], problems: Problems) -> EncodedColumn:
        """Make one column of several that set the same variable."""
        texts = list(dict.fromkeys(self._state(variable, value) for column in columns for value in column.values))
        indices = []
        for column in columns:
            states = [self._state(variable, value) for value in column.values]
            indices.append(column.spread(None if state == UNKNOWN_SAID else texts.index(state) for state in states))
        stacked = np.stack(indices)
        if self.mapping.combine[variable] == "any":
            present = texts.index("present") if "present" in texts else len(texts)
            yes = (stacked == present).any(axis=0)
            no = (stacked >= 0).all(axis=0) & ~yes
            return EncodedColumn(np.where(yes, 0, np.where(no, 1, -1)), ["present", "absent"])
        highest = stacked.max(axis=0)
        differ = ((stacked >= 0) & (stacked != highest)).any(axis=0)
        names = self._targets[variable]
        for row in np.flatnonzero(differ).tolist():
            value = "+".join(texts[place] for place in stacked[:, row].tolist() if place >= 0)
            reason = why(Kind.COMBINED, names=" and ".join(names), other=variable)
            problems.append(Problem(row, "+".join(names), short(value), reason))
        return EncodedColumn(np.where(differ, -1, highest), texts)

    def _state(self, variable: str, value: object) -> str:
        """Write a value by one word, where several mean the same."""
        text = word(value)
        if text in UNKNOWN_WORDS:
            return UNKNOWN_SAID
        yes_no = self.coder.is_yes_no(variable) or variable.startswith(NOT_EVIDENCE_PREFIX)
        return ABSENT_PRESENT[SYNONYMS[text]] if yes_no and text in SYNONYMS else text

    def _joined(
        self, cells: Mapping[str, EncodedColumn], ids: EncodedColumn, no_cases: Problems, problems: Problems
    ) -> dict[str, EncodedColumn]:
        """Join rows of one id into its first, by cell: what is said there and not elsewhere contradicted."""
        group = ids.spread(i if cell_text(value) else None for i, value in enumerate(ids.values))
        group[list(rows_of_no_case(no_cases))] = -1
        rows = np.flatnonzero(group >= 0)
        first = np.full(len(ids.values), -1)
        first[group[rows[::-1]]] = rows[::-1]  # of several rows of an id, the one written last, and so the first
        homes = np.full(len(group), -1)
        homes[rows] = first[group[rows]]
        others = rows[homes[rows] != rows].tolist()
        no_cases += [Problem(row, self.case_id or "", "", why(Kind.JOINED)) for row in others]
        joined = dict(cells)
        for name, column in ((name, self.columns[name]) for name in cells if name in self.columns):
            numbers: dict[str, int] = {}
            values = {word(theirs): word(ours) for theirs, ours in (column.values or {}).items()}
            is_missing, texts = self._is_missing(column), [word(value) for value in cells[name].values]
            nothing = {text for text in texts if is_missing(text) or values.get(text, text) in UNKNOWN_WORDS}
            own = (None if text in nothing else numbers.setdefault(text, len(numbers)) for text in texts)
            said = cells[name].spread(own)
            filled = rows[said[rows] >= 0]
            index, last = cells[name].index.astype(np.int64), np.full(len(group), -1)
            index[rows] = -1
            index[homes[filled]], last[homes[filled]] = cells[name].index[filled], said[filled]
            differ = np.unique(homes[filled[said[filled] != last[homes[filled]]]])
            index[differ] = -1
            problems += [Problem(row, name, "", why(Kind.ROWS_DIFFER)) for row in differ.tolist()]
            joined[name] = EncodedColumn(index, cells[name].values)
        return joined

    def _left_out(self, cells: Mapping[str, EncodedColumn]) -> list[Problem]:
        reason = why(Kind.LEFT_OUT)
        problems = []
        for name, values in self.mapping.rows.items():
            wanted, column = set(map(word, values)), cells[name]
            places = [i for i, value in enumerate(column.values) if word(value) in wanted]
            rows = np.isin(column.index, places) | ((column.index < 0) & ("" in wanted))
            problems += [Problem(row, name, "", reason) for row in np.flatnonzero(rows).tolist()]
        return problems


def repeated_ids(mapped: Mapped) -> list[Problem]:
    """Find the cases whose case_id an earlier one has."""
    if CASE_ID not in mapped.table.column_names:
        return []
    ids = encode_column(mapped.table[CASE_ID])
    texts = ids.spread(i if cell_text(value) else None for i, value in enumerate(ids.values))
    rows = np.setdiff1d(np.flatnonzero(texts >= 0), list(rows_of_no_case(mapped.problems)))
    firsts = rows[np.unique(texts[rows], return_index=True)[1]]
    again = np.setdiff1d(rows, firsts).tolist()
    return [Problem(row, CASE_ID, short(ids.values[int(ids.index[row])]), why(Kind.ID_AGAIN)) for row in again]


def read_frame(
    coder: Coder,
    frame: Any,
    mapping: MappingLike | None,
    wanted: Iterable[str],
    *,
    keep: Iterable[str] = (),
    ignore: Iterable[str] = (),
    further: Iterable[str] = (),
    outcomes: Iterable[str] = (),
) -> tuple[Mapped, BoundMapping]:
    """Read a frame in our columns, of which only those wanted have their values; ``further`` are known elsewhere."""
    names, ignore = to_arrow(frame, []).column_names, list(ignore)
    given = CaseMapping.of({} if mapping is None else mapping)
    bound = BoundMapping(coder, given, names, keep=keep, ignore=ignore, further=further, outcomes=outcomes)
    if bound.is_identity:
        table = to_arrow(frame, wanted)
        left_out = {*bound.ignored, *set(ignore).difference(bound.keep)}
        return Mapped(table.select([name for name in names if name not in left_out]), []), bound
    return bound.apply(to_arrow(frame, bound.used)), bound


def matched(
    coder: Coder, names: Iterable[str], keep: Iterable[str] = (), further: Iterable[str] = ()
) -> dict[str, Column]:
    """Match a header by name and label, whatever case, blanks, hyphens and underscores."""
    known = (*known_columns(coder.model), *further)
    ours = {normal(label): name for name, label in coder.labels.items()} | {normal(name): name for name in known}
    keep, found = set(keep), {}
    for name in names:
        exact = name in known or name.startswith(NOT_EVIDENCE_PREFIX)
        target = name if exact else ours.get(normal(name))
        if target is not None and not (name in keep and not exact):
            found[name] = Column(variable=target)
    return found


def _array(column: EncodedColumn, nothing: str | None = None) -> pa.Array:
    """Make an array of texts; one that means nothing is an empty cell."""
    texts = column.replaced(None if text == nothing else text for text in map(cell_text, column.values))
    index = texts.index.astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(index, mask=index < 0), pa.array(texts.values, pa.string()))


def _band(name: str, bands: Mapping[str, float], number: float, value: object) -> str:
    """Give the state of the highest band that a number reaches."""
    reached = [state for state, least in sorted(bands.items(), key=itemgetter(1)) if number >= least]
    if not reached:
        limits = f"the bands, from {min(bands.values()):g} on"
        raise Refusal(Kind.OUTSIDE, column=name, value=short(value), limits=limits)
    return reached[-1]


def _day(text: str) -> np.datetime64 | None:
    try:
        return np.datetime64(datetime.date.fromisoformat(text), "D")
    except ValueError:
        return None


def _years(start: Days, end: Days) -> NDArray[np.int64]:
    """Count completed years, by completed months: one is when its day of the month has come."""
    first, last = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    months = (last - first).astype(np.int64) - (end - last < start - first)
    return np.asarray(months // 12)


def told_of(others: Sequence[str]) -> list[str]:
    """Say which columns were left out although nobody named them, if there are any."""
    return [f"columns left out, as nothing is said of them: {listed(others)}"] if others else []
