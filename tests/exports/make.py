"""The exports of the corpus, by functions that say their names: how a clinic's own file looks, and what comes of it.

Each makes a file in a folder and says how a person edits the mapping that is drafted for it. The same four patients,
invented, stand in most of them; what is known of them in our terms is `KNOWN`. ``python -m tests.exports.make FOLDER``
writes all the files.
"""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyreadstat
from openpyxl import Workbook

__all__ = ["EXPORTS", "KNOWN", "Export"]

Cell = str | int | float | bool | datetime.date | None
Known = Mapping[str, Any]


@dataclass(frozen=True)
class Export:
    """A file as somebody's system writes it, and what is to come of it.

    Attributes
    ----------
    file : str
        Its name.
    edits : mapping
        What a person changes in the draft, section by section: a key's new content, or None to take it out.
    known : mapping
        What is known of each case by its ``case_id``, in our columns: it is scored as if that were the table.
    read : sequence of str
        Options of `kneebayes map` that say how to read it.
    rejected : mapping
        Of rows that can't be used, by ``case_id``: words of the reason.
    refused : str
        Words of the remedy, where the file as a whole is refused.
    """

    file: str
    edits: Mapping[str, Any] = field(default_factory=dict)
    known: Mapping[str, Known] = field(default_factory=dict)
    read: Sequence[str] = ()
    rejected: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""


EXPORTS: dict[str, Callable[[Path], Export]] = {}


def export(make: Callable[[Path], Export]) -> Callable[[Path], Export]:
    """Take a function into the corpus, under its name."""
    assert make.__name__ not in EXPORTS, make.__name__
    EXPORTS[make.__name__] = make
    return make


# The four patients


@dataclass(frozen=True)
class Patient:
    """A person who never was, as a form knows them; None is an answer that was not given."""

    number: str
    male: bool
    born: datetime.date
    visit: datetime.date
    onset: datetime.date | None
    smoker: bool | None
    previous: bool | None
    calf: bool | None
    swollen: bool | None
    fever: bool | None

    @property
    def age(self) -> int:
        """In completed years, at the visit."""
        return (
            self.visit.year - self.born.year - ((self.visit.month, self.visit.day) < (self.born.month, self.born.day))
        )

    @property
    def days(self) -> int | None:
        """Since the pain began."""
        return None if self.onset is None else (self.visit - self.onset).days


def day(text: str) -> datetime.date:
    """Read a day, YYYY-MM-DD."""
    return datetime.date.fromisoformat(text)


PATIENTS = (
    Patient("00017", True, day("1956-11-03"), day("2024-03-02"), day("2024-02-28"), True, False, True, True, False),
    Patient("00018", False, day("1980-05-20"), day("2024-03-14"), day("2024-01-02"), False, None, False, False, False),
    Patient("00102", False, day("1993-08-17"), day("2024-03-28"), day("2024-03-27"), None, True, True, None, True),
    Patient("10203", True, day("1942-12-24"), day("2024-04-02"), None, False, False, None, True, None),
)
ANSWERS = {
    "smoker": "smoker",
    "previous_dvt": "previous",
    "calf_pain": "calf",
    "unilateral_leg_swelling": "swollen",
    "fever": "fever",
}


def known_of(patient: Patient, *without: str) -> dict[str, Any]:
    """Say in our terms what is known of a patient, but for some columns."""
    every = {
        "age": patient.age,
        "sex": "male" if patient.male else "female",
        "duration_days": patient.days,
        **{name: getattr(patient, answer) for name, answer in ANSWERS.items()},
    }
    return {name: value for name, value in every.items() if value is not None and name not in without}


def knowing(*without: str, strip: bool = False) -> dict[str, dict[str, Any]]:
    """Say what is known of all four, by their number, which a spreadsheet may have stripped of its zeros."""
    return {p.number.lstrip("0") if strip else p.number: known_of(p, *without) for p in PATIENTS}


KNOWN = knowing()


# How forms say it


Column = tuple[str, Callable[[Patient], Cell]]


def yes_no(yes: Cell, no: Cell, none: Cell = "") -> dict[bool | None, Cell]:
    """Name the three answers."""
    return {True: yes, False: no, None: none}


def answers_to(names: Mapping[str, str], words: Mapping[bool | None, Cell]) -> list[Column]:
    """Give columns of yes/no questions by their names, each with the answer of a patient that it is for."""

    def column(name: str, answer: str) -> Column:
        return name, lambda patient: words[getattr(patient, answer)]

    return [column(name, answer) for name, answer in names.items()]


def answers(names: Iterable[str], words: Mapping[bool | None, Cell]) -> list[Column]:
    """Give the five yes/no columns names, in the order of `ANSWERS`, and their answers words."""
    return answers_to(dict(zip(names, ANSWERS.values(), strict=True)), words)


def form(
    number: str,
    age: str,
    sex: str,
    days: str,
    five: Sequence[str],
    sexes: Sequence[Cell],
    words: Mapping[bool | None, Cell],
) -> list[Column]:
    """Lay out a form of the eight columns and the number; ``sexes`` are the words for men and women."""
    return [
        (number, lambda p: p.number),
        (age, lambda p: p.age),
        (sex, lambda p: sexes[0] if p.male else sexes[1]),
        (days, lambda p: "" if p.days is None else p.days),
        *answers(five, words),
    ]


FIVE_EN = ("Current smoker", "Previous DVT", "Calf pain", "Swelling of one leg", "Fever")
FIVE_DE = ("Raucher", "Thrombose in der Vorgeschichte", "Wadenschmerz", "Schwellung eines Unterschenkels", "Fieber")
ENGLISH = form("Patient ID", "Age", "Sex", "Days since onset", FIVE_EN, ("M", "F"), yes_no("Y", "N"))
GERMAN = form("Fallnummer", "Alter", "Geschlecht", "Beschwerden seit (Tage)", FIVE_DE, ("m", "w"), yes_no("ja", "nein"))
SEX_EN = {"variable": "sex", "values": {"M": "male", "F": "female"}}
SEX_DE = {"variable": "sex", "values": {"m": "male", "w": "female"}}


def coded(names: Sequence[str], yes: str, no: str, none: str | None = None) -> dict[str, Any]:
    """Write the part of a mapping that five columns of the same two words need."""
    values = {yes: "present", no: "absent", **({none: "unknown"} if none is not None else {})}
    return {name: {"variable": ours, "values": values} for name, ours in zip(names, ANSWERS, strict=True)}


EDITS_EN: dict[str, Any] = {
    "Patient ID": "case_id",
    "Age": "age",
    "Sex": SEX_EN,
    "Days since onset": "duration_days",
    **coded(FIVE_EN, "Y", "N"),
}
EDITS_DE: dict[str, Any] = {
    "Fallnummer": "case_id",
    "Alter": "age",
    "Geschlecht": SEX_DE,
    "Beschwerden seit (Tage)": "duration_days",
    **coded(FIVE_DE, "ja", "nein"),
}


def cells(columns: Sequence[Column], patients: Iterable[Patient] = PATIENTS) -> list[list[Cell]]:
    """Fill in a form: a row of names, then a row for each patient."""
    return [[name for name, _ in columns], *([cell(patient) for _, cell in columns] for patient in patients)]


def text(rows: Iterable[Sequence[Cell]], sep: str = ",", end: str = "\n") -> str:
    """Write rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=sep, lineterminator=end).writerows(rows)
    return stream.getvalue()


def write(folder: Path, name: str, content: str, encoding: str = "utf-8") -> None:
    """Write a file of text."""
    (folder / name).write_bytes(content.encode(encoding))


def workbook(
    folder: Path, name: str, sheets: Mapping[str, Iterable[Sequence[Cell]]], merged: Iterable[str] = ()
) -> None:
    """Write an Excel workbook; the cells merged are of its first sheet."""
    book = Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append([None if cell == "" else cell for cell in row])
    for cells_merged in merged:
        book.worksheets[0].merge_cells(cells_merged)
    book.save(folder / name)


def replaced(columns: Sequence[Column], name: str, *new: Column) -> list[Column]:
    """Put other columns in the place of one."""
    return [one for column in columns for one in (new if column[0] == name else (column,))]


# CSV, and how it is written


@export
def plain_english(folder: Path) -> Export:
    write(folder, "registry.csv", text(cells(ENGLISH)))
    return Export("registry.csv", {"columns": EDITS_EN}, KNOWN)


@export
def semicolons(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(GERMAN), ";"))
    return Export("export.csv", {"columns": EDITS_DE}, KNOWN, ("--sep", ";"))


@export
def semicolons_and_decimal_commas(folder: Path) -> Export:
    weeks = ("Dauer (Wochen)", lambda p: "" if p.days is None else f"{p.days / 7:.4f}".replace(".", ","))
    columns = replaced(GERMAN, "Beschwerden seit (Tage)", weeks)
    write(folder, "export.csv", text(cells(columns), ";"))
    edits = {name: edit for name, edit in EDITS_DE.items() if name != "Beschwerden seit (Tage)"}
    edits["Dauer (Wochen)"] = {"variable": "duration_days", "units": {"": 7}}
    known = {
        p.number: known_of(p) | ({} if p.days is None else {"duration_days": round(p.days / 7, 4) * 7})
        for p in PATIENTS
    }
    return Export("export.csv", {"columns": edits}, known, ("--sep", ";", "--decimal", ","))


@export
def semicolons_not_named(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(GERMAN), ";"))
    return Export("export.csv", refused="--sep ';'")


@export
def sep_line_of_excel(folder: Path) -> Export:
    write(folder, "export.csv", "sep=;\n" + text(cells(GERMAN), ";"))
    return Export("export.csv", {"columns": EDITS_DE}, KNOWN, ("--sep", ";", "--header", "2"))


@export
def sep_line_not_named(folder: Path) -> Export:
    write(folder, "export.csv", "sep=;\n" + text(cells(GERMAN), ";"))
    return Export("export.csv", refused="--sep ';' --header 2")


@export
def tabs(folder: Path) -> Export:
    write(folder, "export.tsv", text(cells(ENGLISH), "\t"))
    return Export("export.tsv", {"columns": EDITS_EN}, KNOWN)


@export
def bars(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(ENGLISH), "|"))
    return Export("export.csv", {"columns": EDITS_EN}, KNOWN, ("--sep", "|"))


@export
def unicode_text_of_excel(folder: Path) -> Export:
    write(folder, "export.txt", text(cells(GERMAN), "\t", "\r\n"), "utf-16")
    return Export("export.txt", {"columns": EDITS_DE}, KNOWN, ("--sep", "tab", "--encoding", "utf-16"))


@export
def utf16_csv(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(ENGLISH)), "utf-16")
    return Export("export.csv", {"columns": EDITS_EN}, KNOWN, ("--encoding", "utf-16"))


@export
def utf16_not_named(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(ENGLISH)), "utf-16")
    return Export("export.csv", refused="--encoding utf-16")


UMLAUTS = tuple(name.replace("Fieber", "Überwärmung oder Fieber") for name in FIVE_DE)


@export
def cp1252_umlauts(folder: Path) -> Export:
    columns = form("Fall-Nr", "Alter", "Geschlecht", "Tage", UMLAUTS, ("männlich", "weiblich"), yes_no("ja", "nein"))
    write(folder, "export.csv", text(cells(columns), ";"), "cp1252")
    edits = {
        "Fall-Nr": "case_id",
        "Alter": "age",
        "Geschlecht": {"variable": "sex", "values": {"männlich": "male", "weiblich": "female"}},
        "Tage": "duration_days",
        **coded(UMLAUTS, "ja", "nein"),
    }
    return Export("export.csv", {"columns": edits}, KNOWN, ("--sep", ";", "--encoding", "cp1252"))


@export
def cp1252_not_named(folder: Path) -> Export:
    columns = form("Fall-Nr", "Alter", "Geschlecht", "Tage", UMLAUTS, ("männlich", "weiblich"), yes_no("ja", "nein"))
    write(folder, "export.csv", text(cells(columns), ";"), "cp1252")
    return Export("export.csv", read=("--sep", ";"), refused="--encoding cp1252")


@export
def byte_order_mark(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(ENGLISH), ",", "\r\n"), "utf-8-sig")
    return Export("export.csv", {"columns": EDITS_EN}, KNOWN)


@export
def comment_lines_above(folder: Path) -> Export:
    write(folder, "export.csv", "# Exported 2024-04-03\n# by the registry\n" + text(cells(ENGLISH)))
    return Export("export.csv", {"columns": EDITS_EN}, KNOWN, ("--header", "3"))


@export
def comment_lines_not_named(folder: Path) -> Export:
    write(folder, "export.csv", "# Exported 2024-04-03\n# by the registry\n" + text(cells(ENGLISH)))
    return Export("export.csv", refused="--header 3")


@export
def two_header_rows(folder: Path) -> Export:
    above = ["", "", "", "", "History", "", "Leg", "", "General"]
    write(folder, "export.csv", text([above, *cells(ENGLISH)]))
    names = [name for name, _ in ENGLISH]
    groups = ["", "", "", "", "History ", "History ", "Leg ", "Leg ", "General "]
    joined = dict(zip(names, (group + name for group, name in zip(groups, names, strict=True)), strict=True))
    edits = {joined[name]: edit for name, edit in EDITS_EN.items()}
    return Export("export.csv", {"columns": edits, "read": {"header": [1, 2]}}, KNOWN, ("--header", "1,2"))


@export
def totals_at_the_bottom(folder: Path) -> Export:
    write(folder, "export.csv", text([*cells(GERMAN), ["Summe", "", "", "", 1, 1, 2, 2, 1]], ";"))
    edits = {"columns": EDITS_DE, "rows": {"Fallnummer": ["Summe"]}}
    return Export("export.csv", edits, KNOWN, ("--sep", ";"))


@export
def totals_not_named(folder: Path) -> Export:
    write(folder, "export.csv", text([*cells(GERMAN), ["Insgesamt", "", "", "", 1, 1, 2, 2, 1]], ";"))
    return Export(
        "export.csv", {"columns": EDITS_DE}, KNOWN, ("--sep", ";"), {"Insgesamt": "add it there, or to missing"}
    )


@export
def units_under_the_header(folder: Path) -> Export:
    first, *rest = cells(ENGLISH)
    write(folder, "export.csv", text([first, ["", "years", "M/F", "days", *["Y/N"] * 5], *rest]))
    return Export("export.csv", {"columns": EDITS_EN, "rows": {"Age": ["years"]}}, KNOWN)


@export
def compressed(folder: Path) -> Export:
    (folder / "export.csv.gz").write_bytes(gzip.compress(text(cells(ENGLISH)).encode()))
    return Export("export.csv.gz", {"columns": EDITS_EN}, KNOWN)


@export
def empty_columns_at_the_right(folder: Path) -> Export:
    write(folder, "export.csv", "".join(line + ",,\n" for line in text(cells(ENGLISH)).splitlines()))
    return Export("export.csv", {"columns": EDITS_EN, "ignore": "others"}, KNOWN)


@export
def a_column_twice(folder: Path) -> Export:
    remark: Column = ("Comment", lambda p: "see letter")
    write(folder, "export.csv", text(cells([*ENGLISH, remark, remark])))
    return Export("export.csv", {"columns": EDITS_EN, "ignore": ["Comment*"]}, KNOWN)


@export
def blank_lines_and_blanks(folder: Path) -> Export:
    spaced = [[f" {cell} " if isinstance(cell, str) and cell else cell for cell in row] for row in cells(ENGLISH)]
    write(
        folder, "export.csv", "\n".join([*text([*spaced[:1]]).splitlines(), "", *text(spaced[1:]).splitlines(), "", ""])
    )
    return Export("export.csv", {"columns": EDITS_EN}, {f" {number} ": known for number, known in KNOWN.items()})


@export
def no_header(folder: Path) -> Export:
    write(folder, "export.csv", text(cells(ENGLISH)[1:]))
    return Export("export.csv", refused="header")


# Values


@export
def codes_one_and_two(folder: Path) -> Export:
    columns = form("id", "age_y", "gender", "dur", ("q1", "q2", "q3", "q4", "q5"), (1, 2), yes_no(1, 2, 9))
    write(folder, "export.csv", text(cells(columns)))
    edits = {
        "id": "case_id",
        "age_y": "age",
        "gender": {"variable": "sex", "values": {"1": "male", "2": "female"}},
        "dur": "duration_days",
        **coded(("q1", "q2", "q3", "q4", "q5"), "1", "2", "9"),
    }
    return Export("export.csv", {"columns": edits}, KNOWN)


@export
def codes_the_other_way_round(folder: Path) -> Export:
    columns = form("id", "age_y", "gender", "dur", ("q1", "q2", "q3", "q4", "q5"), (2, 1), yes_no(2, 1, 9))
    write(folder, "export.csv", text(cells(columns)))
    edits = {
        "id": "case_id",
        "age_y": "age",
        "gender": {"variable": "sex", "values": {"1": "female", "2": "male"}},
        "dur": "duration_days",
        **coded(("q1", "q2", "q3", "q4", "q5"), "2", "1", "9"),
    }
    return Export("export.csv", {"columns": edits}, KNOWN)


@export
def codes_for_missing(folder: Path) -> Export:
    words = {"smoker": "-9", "previous": "99", "calf": ".", "swollen": "?", "fever": "n.a."}

    def column(name: str, answer: str) -> Column:
        return name, lambda patient: yes_no("yes", "no", words[answer])[getattr(patient, answer)]

    columns = [
        *ENGLISH[:3],
        ("Days since onset", lambda p: -9 if p.days is None else p.days),
        *(column(name, answer) for name, answer in zip(FIVE_EN, ANSWERS.values(), strict=True)),
    ]
    write(folder, "export.csv", text(cells(columns)))
    edits = {**EDITS_EN, **coded(FIVE_EN, "yes", "no")}
    return Export("export.csv", {"columns": edits, "missing": ["-9", "99", ".", "?", "n.a."]}, KNOWN)


@export
def several_spellings(folder: Path) -> Export:
    spelt = {"00017": ("Ja", "nein"), "00018": ("JA", "Nein"), "00102": ("j", "n"), "10203": ("ja ", "NEIN")}

    def column(name: str, answer: str) -> Column:
        return name, lambda p: yes_no(*spelt[p.number])[getattr(p, answer)]

    columns = [*GERMAN[:4], *(column(name, answer) for name, answer in zip(FIVE_DE, ANSWERS.values(), strict=True))]
    write(folder, "export.csv", text(cells(columns), ";"))
    values = {"ja": "present", "j": "present", "nein": "absent", "n": "absent"}
    edits = {**EDITS_DE, **{n: {"variable": v, "values": values} for n, v in zip(FIVE_DE, ANSWERS, strict=True)}}
    return Export("export.csv", {"columns": edits}, KNOWN, ("--sep", ";"))


@export
def units_in_cells(folder: Path) -> Export:
    lasting = {3: "3 Tage", 72: "72 Tage", 1: "24 Std", None: ""}
    columns = [
        GERMAN[0],
        ("Alter", lambda p: f"{p.age} J."),
        GERMAN[2],
        ("Beschwerden seit (Tage)", lambda p: lasting[p.days]),
        *GERMAN[4:],
    ]
    write(folder, "export.csv", text(cells(columns), ";"))
    edits = {
        **EDITS_DE,
        "Alter": {"variable": "age", "units": {"": 1, "J.": 1}},
        "Beschwerden seit (Tage)": {"variable": "duration_days", "units": {"Tage": 1, "Std": "0.0416666666666667"}},
    }
    known = {
        p.number: known_of(p) | ({"duration_days": 24 * 0.0416666666666667} if p.days == 1 else {}) for p in PATIENTS
    }
    return Export("export.csv", {"columns": edits}, known, ("--sep", ";"))


@export
def a_unit_that_nobody_named(folder: Path) -> Export:
    columns = [ENGLISH[0], ("Age", lambda p: f"{p.age}Y" if p.age > 40 else f"{12 * p.age} mo"), *ENGLISH[2:]]
    write(folder, "export.csv", text(cells(columns)))
    edits = {**EDITS_EN, "Age": {"variable": "age", "units": {"": 1, "Y": 1}}}
    return Export(
        "export.csv",
        {"columns": edits},
        {n: k for n, k in KNOWN.items() if n != "00102"},
        rejected={"00102": "name its unit"},
    )


@export
def decimal_comma_not_named(folder: Path) -> Export:
    weeks = ("Dauer (Wochen)", lambda p: "" if p.days is None else f"{p.days / 7:.4f}".replace(".", ","))
    write(folder, "export.csv", text(cells(replaced(GERMAN, "Beschwerden seit (Tage)", weeks)), ";"))
    edits = {name: edit for name, edit in EDITS_DE.items() if name != "Beschwerden seit (Tage)"}
    edits["Dauer (Wochen)"] = {"variable": "duration_days", "units": {"": 7}}
    rejected = {p.number: "decimal" for p in PATIENTS if p.days is not None}
    known = {p.number: known_of(p) for p in PATIENTS if p.days is None}
    return Export("export.csv", {"columns": edits, "read": {"decimal": None}}, known, ("--sep", ";"), rejected)


@export
def thousands(folder: Path) -> Export:
    columns = replaced(
        GERMAN, "Beschwerden seit (Tage)", ("Beschwerden seit (Tage)", lambda p: "1.234" if p.fever else 3)
    )
    write(folder, "export.csv", text(cells(columns), ";"))
    known = {p.number: known_of(p) | {"duration_days": 3} for p in PATIENTS if not p.fever}
    return Export("export.csv", {"columns": EDITS_DE}, known, ("--sep", ";", "--decimal", ","), {"00102": "1.234"})


@export
def body_mass_index(folder: Path) -> Export:
    mass = {"00017": "24,9", "00018": "25,0", "00102": "", "10203": "31,7"}
    columns = [*GERMAN, ("BMI", lambda p: mass[p.number])]
    write(folder, "export.csv", text(cells(columns), ";"))
    edits = {**EDITS_DE, "BMI": {"variable": "overweight", "bands": {"absent": 10, "present": 25}}}
    heavy = {"00017": False, "00018": True, "10203": True}
    known = {n: k | ({"overweight": heavy[n]} if n in heavy else {}) for n, k in KNOWN.items()}
    return Export("export.csv", {"columns": edits}, known, ("--sep", ";", "--decimal", ","))


@export
def a_temperature_without_a_comma(folder: Path) -> Export:
    degrees = {"00017": "36,8", "00018": "38.5", "00102": "", "10203": "36"}
    columns = [*GERMAN[:-1], ("Temperatur", lambda p: degrees[p.number])]
    write(folder, "export.csv", text(cells(columns), ";"))
    edits = {n: e for n, e in EDITS_DE.items() if n != "Fieber"}
    edits["Temperatur"] = {"variable": "fever", "bands": {"absent": 34, "present": 38}}
    known = {n: {**k, "fever": False} for n, k in knowing("fever").items() if n in ("00017", "10203")}
    known["00102"] = knowing("fever")["00102"]
    return Export("export.csv", {"columns": edits}, known, ("--sep", ";", "--decimal", ","), {"00018": "decimal comma"})


@export
def a_part_of_a_question(folder: Path) -> Export:
    operated: Column = ("Surgery in the last 4 weeks", lambda p: "Y" if p.swollen else "N")
    write(folder, "export.csv", text(cells([*ENGLISH, operated])))
    values = {"Y": "present", "N": "unknown"}  # without an operation a person may have been in hospital
    edits = {**EDITS_EN, operated[0]: {"variable": "recent_hospital_stay", "values": values}}
    known = {p.number: known_of(p) | ({"recent_hospital_stay": True} if p.swollen else {}) for p in PATIENTS}
    return Export("export.csv", {"columns": edits}, known)


@export
def two_columns_for_one(folder: Path) -> Export:
    breath = {"00017": ("N", "Y"), "00018": ("N", "N"), "00102": ("N", ""), "10203": ("", "")}
    columns = [*ENGLISH, ("Dyspnoea", lambda p: breath[p.number][0]), ("Chest pain", lambda p: breath[p.number][1])]
    write(folder, "export.csv", text(cells(columns)))
    one = {"variable": "breathlessness_chest_pain", "values": {"Y": "present", "N": "absent"}}
    edits = {
        "columns": {**EDITS_EN, "Dyspnoea": one, "Chest pain": one},
        "combine": {"breathlessness_chest_pain": "any"},
    }
    said = {"00017": {"breathlessness_chest_pain": True}, "00018": {"breathlessness_chest_pain": False}}
    return Export("export.csv", edits, {number: known | said.get(number, {}) for number, known in KNOWN.items()})


@export
def two_columns_that_must_agree(folder: Path) -> Export:
    again: Column = ("Sex at triage", lambda p: "M" if p.male or p.fever else "F")
    write(folder, "export.csv", text(cells([*ENGLISH, again])))
    edits = {"columns": {**EDITS_EN, again[0]: SEX_EN}, "combine": {"sex": "agree"}}
    known = {number: known for number, known in KNOWN.items() if number != "00102"}
    return Export("export.csv", edits, known, rejected={"00102": "say different things"})


@export
def a_value_nobody_named(folder: Path) -> Export:
    columns = replaced(ENGLISH, "Sex", ("Sex", lambda p: "M" if p.male else "F" if p.fever else "diverse"))
    write(folder, "export.csv", text(cells(columns)))
    known = {number: known for number, known in KNOWN.items() if number != "00018"}
    return Export("export.csv", {"columns": EDITS_EN}, known, rejected={"00018": "add it there, or to missing"})


# Names and days


@export
def names_and_ids_to_ignore(folder: Path) -> Export:
    columns = [("Surname", lambda p: "Example"), ("MRN", lambda p: "9" + p.number), *ENGLISH, ("Ward", lambda p: "A3")]
    write(folder, "export.csv", text(cells(columns)))
    return Export("export.csv", {"columns": EDITS_EN, "ignore": ["Surname", "MRN", "Ward"]}, KNOWN)


def dated(
    folder: Path, written: str, formats: str | list[str], until: Callable[[Patient], Cell] | None = None
) -> Export:
    """Write days of birth, onset and visit this way, in place of age and duration."""

    def said(value: datetime.date | None) -> str:
        return "" if value is None else value.strftime(written)

    columns: list[Column] = [
        ENGLISH[0],
        ("Date of birth", lambda p: said(p.born)),
        ENGLISH[2],
        ("Onset of symptoms", lambda p: said(p.onset)),
        ("Date of visit", until or (lambda p: said(p.visit))),
        *ENGLISH[4:],
    ]
    write(folder, "export.csv", text(cells(columns), ";"))
    edits = {
        **{name: edit for name, edit in EDITS_EN.items() if name not in ("Age", "Days since onset")},
        "Date of birth": {"variable": "age", "date": formats, "until": "Date of visit"},
        "Onset of symptoms": {"variable": "duration_days", "date": formats, "until": "Date of visit"},
        "Date of visit": {"date": formats},
    }
    return Export("export.csv", {"columns": edits}, KNOWN, ("--sep", ";"))


@export
def days_of_germany(folder: Path) -> Export:
    return dated(folder, "%d.%m.%Y", "DD.MM.YYYY")


@export
def days_of_britain(folder: Path) -> Export:
    return dated(folder, "%d/%m/%Y", "DD/MM/YYYY")


@export
def days_of_america(folder: Path) -> Export:
    return dated(folder, "%m/%d/%Y", "MM/DD/YYYY")


@export
def days_of_iso(folder: Path) -> Export:
    return dated(folder, "%Y-%m-%d", "YYYY-MM-DD")


@export
def days_with_months_in_letters(folder: Path) -> Export:
    return dated(folder, "%d-%b-%Y", "%d-%b-%Y")


@export
def days_without_marks(folder: Path) -> Export:
    return dated(folder, "%Y%m%d", "YYYYMMDD")


@export
def days_in_two_formats(folder: Path) -> Export:
    made = dated(
        folder,
        "%d.%m.%Y",
        ["DD.MM.YYYY", "YYYY-MM-DD"],
        lambda p: p.visit.isoformat() if p.male else p.visit.strftime("%d.%m.%Y"),
    )
    return made


@export
def a_visit_before_the_onset(folder: Path) -> Export:
    made = dated(folder, "%d.%m.%Y", "DD.MM.YYYY", lambda p: "01.01.2024" if p.fever else p.visit.strftime("%d.%m.%Y"))
    known = {number: known for number, known in KNOWN.items() if number != "00102"}
    return Export(made.file, made.edits, known, made.read, {"00102": "is after Date of visit"})


@export
def a_day_of_the_export(folder: Path) -> Export:
    columns = replaced(ENGLISH, "Age", ("Date of birth", lambda p: p.born.strftime("%d.%m.%Y")))
    write(folder, "export.csv", text(cells(columns)))
    born = {"variable": "age", "date": "DD.MM.YYYY", "until": "2024-04-03"}
    edits = {**{n: e for n, e in EDITS_EN.items() if n != "Age"}, "Date of birth": born}
    return Export("export.csv", {"columns": edits}, KNOWN)


@export
def days_with_a_time(folder: Path) -> Export:
    made = dated(folder, "%d.%m.%Y", "DD.MM.YYYY", lambda p: p.visit.strftime("%d.%m.%Y 08:15"))
    columns = made.edits["columns"] | {"Date of visit": {"date": "DD.MM.YYYY hh:mm"}}
    return Export(made.file, {"columns": columns}, KNOWN, made.read)


@export
def years_of_two_digits(folder: Path) -> Export:
    made = dated(folder, "%d.%m.%y", "DD.MM.YY")
    return Export(made.file, made.edits, read=made.read, refused="export years of four digits")


@export
def days_and_months_in_either_order(folder: Path) -> Export:
    made = dated(folder, "%d/%m/%Y", ["DD/MM/YYYY", "MM/DD/YYYY"])
    return Export(made.file, made.edits, read=made.read, refused="fit the same days")


# Several answers in one cell


def symptoms(patient: Patient) -> list[str]:
    """List what a person complains of."""
    said = {
        "calf pain": patient.calf,
        "leg swelling": patient.swollen,
        "fever": patient.fever,
        "headache": patient.male,
    }
    return [name for name, there in said.items() if there]


LISTED = {
    "calf pain": {"calf_pain": "present"},
    "leg swelling": {"unilateral_leg_swelling": "present"},
    "fever": {"fever": "present"},
    "headache": {},
}


@export
def symptoms_in_one_column(folder: Path) -> Export:
    columns = [*ENGLISH[:6], ("Symptoms", lambda p: "; ".join(symptoms(p)))]
    write(folder, "export.csv", text(cells(columns)))
    edits = {n: e for n, e in EDITS_EN.items() if n in [name for name, _ in columns]}
    edits["Symptoms"] = {"separator": ";", "choices": LISTED}
    known = {
        n: {c: v for c, v in k.items() if v is not False or c in ("smoker", "previous_dvt")} for n, k in KNOWN.items()
    }
    return Export("export.csv", {"columns": edits}, known)


@export
def symptoms_of_a_complete_list(folder: Path) -> Export:
    columns = [*ENGLISH[:6], ("Symptoms", lambda p: "; ".join(symptoms(p)))]
    write(folder, "export.csv", text(cells(columns)))
    edits = {n: e for n, e in EDITS_EN.items() if n in [name for name, _ in columns]}
    edits["Symptoms"] = {"separator": ";", "choices": LISTED, "others": "absent"}
    three = ("calf_pain", "unilateral_leg_swelling", "fever")
    known = {}
    for p in PATIENTS:
        filled = {name: bool(known_of(p).get(name)) for name in three} if symptoms(p) else {}
        known[p.number] = known_of(p, *three) | filled
    return Export("export.csv", {"columns": edits}, known)


@export
def a_symptom_nobody_named(folder: Path) -> Export:
    columns = [*ENGLISH[:6], ("Symptoms", lambda p: "; ".join([*symptoms(p), *(["rash"] if p.fever else [])]))]
    write(folder, "export.csv", text(cells(columns)))
    edits = {n: e for n, e in EDITS_EN.items() if n in [name for name, _ in columns]}
    edits["Symptoms"] = {"separator": ";", "choices": LISTED}
    known = {
        n: {c: v for c, v in k.items() if v is not False or c in ("smoker", "previous_dvt")} for n, k in KNOWN.items()
    }
    del known["00102"]
    return Export("export.csv", {"columns": edits}, known, rejected={"00102": "add it there, or to missing"})


# REDCap


RAW = form(
    "record_id", "age", "sex", "duration_days", ("smoke", "hx_dvt", "calf", "swell", "fever"), (1, 2), yes_no(1, 0)
)


@export
def redcap_raw(folder: Path) -> Export:
    own: list[Column] = [("redcap_event_name", lambda p: "baseline_arm_1"), ("baseline_complete", lambda p: 2)]
    write(folder, "study.csv", text(cells([RAW[0], own[0], *RAW[1:], own[1]])))
    edits = {
        "record_id": "case_id",
        "age": "age",
        "sex": {"variable": "sex", "values": {"1": "male", "2": "female"}},
        "duration_days": "duration_days",
        **coded(("smoke", "hx_dvt", "calf", "swell", "fever"), "1", "0"),
    }
    return Export("study.csv", {"columns": edits, "ignore": ["redcap_*", "*_complete"]}, KNOWN)


@export
def redcap_labelled(folder: Path) -> Export:
    asked = ("Do you smoke?", "Ever had a DVT?", "Does the calf hurt?", "Is one leg swollen?", "Do you have a fever?")
    columns = form(
        "Record ID", "Age (years)", "Sex", "Pain for how many days?", asked, ("Male", "Female"), yes_no("Yes", "No")
    )
    own: list[Column] = [("Event Name", lambda p: "Baseline"), ("Complete?", lambda p: "Complete")]
    write(folder, "study.csv", text(cells([columns[0], own[0], *columns[1:5], own[1], *columns[5:], own[1]])))
    edits = {
        "Record ID": "case_id",
        "Age (years)": "age",
        "Sex": "sex",
        "Pain for how many days?": "duration_days",
        **coded(asked, "Yes", "No"),
    }
    return Export("study.csv", {"columns": edits, "ignore": ["Event Name", "Complete?*"]}, KNOWN)


@export
def redcap_checkboxes_raw(folder: Path) -> Export:
    boxes = {"1": "calf", "2": "swollen", "3": "fever"}
    ticked = answers_to({f"symptoms___{code}": answer for code, answer in boxes.items()}, yes_no(1, 0, 0))
    write(folder, "study.csv", text(cells([*RAW[:6], *ticked])))
    names = {"1": "calf_pain", "2": "unilateral_leg_swelling", "3": "fever"}
    edits = {
        "record_id": "case_id",
        "age": "age",
        "sex": {"variable": "sex", "values": {"1": "male", "2": "female"}},
        "duration_days": "duration_days",
        "smoke": "smoker",
        "hx_dvt": "previous_dvt",
        **{f"symptoms___{c}": {"variable": n, "values": {"1": "present", "0": "unknown"}} for c, n in names.items()},
    }
    known = {
        n: {c: v for c, v in k.items() if v is not False or c in ("smoker", "previous_dvt")} for n, k in KNOWN.items()
    }
    return Export("study.csv", {"columns": edits}, known)


@export
def redcap_checkboxes_labelled(folder: Path) -> Export:
    boxes = {"Calf pain": "calf", "One leg swollen": "swollen", "Fever": "fever"}
    words = yes_no("Checked", "Unchecked", "Unchecked")
    ticked = answers_to({f"Symptoms (choice={said})": answer for said, answer in boxes.items()}, words)
    write(folder, "study.csv", text(cells([*ENGLISH[:6], *ticked])))
    names = ("calf_pain", "unilateral_leg_swelling", "fever")
    values = {"Checked": "present", "Unchecked": "absent"}  # this form asks for each of the three
    edits = {
        **{n: e for n, e in EDITS_EN.items() if n in [name for name, _ in ENGLISH[:6]]},
        **{name: {"variable": ours, "values": values} for (name, _), ours in zip(ticked, names, strict=True)},
    }
    known = {p.number: known_of(p) | {n: bool(known_of(p).get(n)) for n in names} for p in PATIENTS}
    return Export("study.csv", {"columns": edits}, known)


# Workbooks


@export
def excel(folder: Path) -> Export:
    workbook(folder, "export.xlsx", {"Export": cells(ENGLISH)})
    return Export("export.xlsx", {"columns": EDITS_EN}, KNOWN)


@export
def excel_with_days_and_numbers(folder: Path) -> Export:
    columns: list[Column] = [
        ("Patient ID", lambda p: int(p.number)),
        ("Date of birth", lambda p: p.born),
        ENGLISH[2],
        ("Onset of symptoms", lambda p: p.onset),
        ("Date of visit", lambda p: datetime.datetime.combine(p.visit, datetime.time(8, 15))),
        *answers(FIVE_EN, yes_no(True, False, None)),
    ]
    workbook(folder, "export.xlsx", {"Export": cells(columns)})
    edits = {
        "Patient ID": "case_id",
        "Date of birth": {"variable": "age", "date": "YYYY-MM-DD", "until": "Date of visit"},
        "Sex": SEX_EN,
        "Onset of symptoms": {"variable": "duration_days", "date": "YYYY-MM-DD", "until": "Date of visit"},
        "Date of visit": {"date": "YYYY-MM-DD hh:mm:ss"},
        **dict(zip(FIVE_EN, ANSWERS, strict=True)),
    }
    return Export("export.xlsx", {"columns": edits}, knowing(strip=True))


@export
def excel_with_decimals_is_not_of_a_language(folder: Path) -> Export:
    weeks: Column = ("Dauer (Wochen)", lambda p: None if p.days is None else p.days / 7)
    workbook(folder, "export.xlsx", {"Export": cells(replaced(GERMAN, "Beschwerden seit (Tage)", weeks))})
    edits = {name: edit for name, edit in EDITS_DE.items() if name != "Beschwerden seit (Tage)"}
    edits["Dauer (Wochen)"] = {"variable": "duration_days", "units": {"": 7}}
    return Export("export.xlsx", {"columns": edits}, KNOWN, ("--decimal", ","))


@export
def excel_second_sheet(folder: Path) -> Export:
    workbook(folder, "export.xlsx", {"Info": [["Registry of 2024"]], "Patienten": cells(GERMAN)})
    return Export("export.xlsx", {"columns": EDITS_DE}, KNOWN, ("--sheet", "Patienten"))


@export
def excel_merged_header(folder: Path) -> Export:
    above = ["", "", "", "", "History", "", "Leg", "", "General"]
    workbook(folder, "export.xlsx", {"Export": [above, *cells(ENGLISH)]}, ("E1:F1", "G1:H1"))
    names = [name for name, _ in ENGLISH]
    groups = ["", "", "", "", "History ", "History ", "Leg ", "Leg ", "General "]
    joined = dict(zip(names, (group + name for group, name in zip(groups, names, strict=True)), strict=True))
    edits = {joined[name]: edit for name, edit in EDITS_EN.items()}
    return Export("export.xlsx", {"columns": edits}, KNOWN, ("--header", "1,2"))


@export
def excel_title_above(folder: Path) -> Export:
    workbook(folder, "export.xlsx", {"Export": [["Knee clinic, spring 2024"], [None], *cells(ENGLISH)]}, ("A1:I1",))
    return Export("export.xlsx", {"columns": EDITS_EN}, KNOWN, ("--header", "3"))


@export
def excel_totals_and_legend(folder: Path) -> Export:
    below: list[list[Cell]] = [
        ["", "", "", "", "", "", "", "", ""],
        ["Total", "", "", "", 1, 1, 2, 2, 1],
        ["Y yes, N no"],
    ]
    workbook(folder, "export.xlsx", {"Export": [*cells(ENGLISH), *below]})
    edits = {"columns": EDITS_EN, "rows": {"Patient ID": ["Total", "Y yes, N no", ""]}}
    return Export("export.xlsx", edits, KNOWN)


@export
def excel_with_errors_in_cells(folder: Path) -> Export:
    columns = replaced(ENGLISH, "Age", ("Age", lambda p: "#VALUE!" if p.fever else p.age))
    workbook(folder, "export.xlsx", {"Export": cells(columns)})
    known = {number: known for number, known in KNOWN.items() if number != "00102"}
    return Export("export.xlsx", {"columns": EDITS_EN}, known, rejected={"00102": "not allowed for age"})


@export
def excel_of_the_nineties(folder: Path) -> Export:
    (folder / "export.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    return Export("export.xls", refused=".xlsx")


@export
def libreoffice(folder: Path) -> Export:
    with zipfile.ZipFile(folder / "export.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    return Export("export.ods", refused=".xlsx")


@export
def csv_called_a_workbook(folder: Path) -> Export:
    write(folder, "export.xlsx", text(cells(ENGLISH)))
    return Export("export.xlsx", refused=".csv")


# Statistics programs


def frame(columns: Sequence[Column]) -> pd.DataFrame:
    """Fill in a form as a table of numbers and texts; an empty cell is a missing value."""
    header, *rows = cells(columns)
    made = pd.DataFrame(rows, columns=[str(name) for name in header])
    return made.replace("", None).infer_objects()


CODED = form("patid", "age", "sex", "days", ("smoke", "pdvt", "calf", "swell", "fever"), (1, 2), yes_no(1, 0))
LABELS: dict[str, dict[float, str]] = {
    "sex": {1: "male", 2: "female"},
    **{name: {0: "no", 1: "yes"} for name in ("smoke", "pdvt", "calf", "swell", "fever")},
}
NAMED: list[str | None] = [
    "Patient",
    "Age in years",
    "Sex",
    "Days of pain",
    "Smokes",
    "Earlier clot",
    "Calf pain",
    "Leg swollen",
    "Fever",
]
EDITS_CODED: dict[str, Any] = {
    "patid": "case_id",
    "age": "age",
    "sex": "sex",
    "days": "duration_days",
    **coded(("smoke", "pdvt", "calf", "swell", "fever"), "yes", "no"),
}


@export
def spss(folder: Path) -> Export:
    table = frame(CODED)
    pyreadstat.write_sav(table, folder / "study.sav", column_labels=NAMED, variable_value_labels=LABELS)
    return Export("study.sav", {"columns": EDITS_CODED}, KNOWN)


@export
def spss_missing_codes(folder: Path) -> Export:
    table = frame(
        form("patid", "age", "sex", "days", ("smoke", "pdvt", "calf", "swell", "fever"), (1, 2), yes_no(1, 0, 9))
    )
    labels = {name: {**words, 9: "not asked"} if name != "sex" else words for name, words in LABELS.items()}
    ranges: dict[str, Any] = {name: [9] for name in ("smoke", "pdvt", "calf", "swell", "fever")}
    pyreadstat.write_sav(table, folder / "study.sav", variable_value_labels=labels, missing_ranges=ranges)
    return Export("study.sav", {"columns": EDITS_CODED}, KNOWN)


@export
def spss_without_labels(folder: Path) -> Export:
    pyreadstat.write_sav(frame(CODED), folder / "study.sav")
    edits = {**EDITS_CODED, "sex": {"variable": "sex", "values": {"1": "male", "2": "female"}}}
    edits |= coded(("smoke", "pdvt", "calf", "swell", "fever"), "1", "0")
    return Export("study.sav", {"columns": edits}, KNOWN)


@export
def stata(folder: Path) -> Export:
    pyreadstat.write_dta(frame(CODED), folder / "study.dta", column_labels=NAMED, variable_value_labels=LABELS)
    return Export("study.dta", {"columns": EDITS_CODED}, KNOWN)


@export
def stata_by_pandas(folder: Path) -> Export:
    table = frame(CODED)
    table["patid"] = table["patid"].astype(str)
    table.to_stata(
        folder / "study.dta", write_index=False, value_labels={n: dict(w) for n, w in LABELS.items()}, version=118
    )
    return Export("study.dta", {"columns": EDITS_CODED}, KNOWN)


@export
def sas(folder: Path) -> Export:
    # which pyreadstat does not write: `frame(CODED)` by readstat_begin_writing_sas7bdat of ReadStat, through ctypes
    shutil.copy(Path(__file__).with_name("study.sas7bdat"), folder)
    edits = {**EDITS_CODED, "sex": {"variable": "sex", "values": {"1": "male", "2": "female"}}}
    edits |= coded(("smoke", "pdvt", "calf", "swell", "fever"), "1", "0")
    return Export("study.sas7bdat", {"columns": edits}, KNOWN)


@export
def sas_transport(folder: Path) -> Export:
    pyreadstat.write_xport(frame(CODED), folder / "study.xpt", file_format_version=5)
    return Export("study.xpt", refused=".csv")


# Diagnoses


@export
def a_diagnosis_under_its_name(folder: Path) -> Export:
    columns = [*ENGLISH, ("Final diagnosis DVT", lambda p: "Y" if p.swollen else "N")]
    write(folder, "export.csv", text(cells(columns)))
    outcome = {"variable": "true_dvt", "values": {"Y": "present", "N": "absent"}}
    return Export("export.csv", {"columns": {**EDITS_EN, "Final diagnosis DVT": outcome}}, KNOWN)


@export
def a_free_text_diagnosis(folder: Path) -> Export:
    said = {"00017": "TVT", "00018": "Baker-Zyste", "00102": "TVT", "10203": "keine"}
    write(folder, "export.csv", text(cells([*GERMAN, ("Diagnose", lambda p: said[p.number])]), ";"))
    label = {"variable": "label", "values": {"TVT": "dvt", "Baker-Zyste": "bakers_cyst", "keine": "none_of_these"}}
    return Export("export.csv", {"columns": {**EDITS_DE, "Diagnose": label}}, KNOWN, ("--sep", ";"))


# Languages


def language(folder: Path, header: Sequence[str], sexes: Sequence[str], yes: str, no: str) -> Export:
    """Write the form in another language."""
    number, age, sex, days, *five = header
    write(folder, "export.csv", text(cells(form(number, age, sex, days, five, sexes, yes_no(yes, no))), ";"))
    edits = {
        number: "case_id",
        age: "age",
        sex: {"variable": "sex", "values": {sexes[0]: "male", sexes[1]: "female"}},
        days: "duration_days",
        **coded(five, yes, no),
    }
    return Export("export.csv", {"columns": edits}, KNOWN, ("--sep", ";"))


@export
def spanish_where_m_is_a_woman(folder: Path) -> Export:
    header = ("NHC", "Edad", "Sexo", "Días de dolor", "Fumador", "TVP previa", "Dolor en la pantorrilla")
    return language(folder, (*header, "Hinchazón de una pierna", "Fiebre"), ("H", "M"), "sí", "no")


@export
def french(folder: Path) -> Export:
    header = ("IPP", "Âge", "Sexe", "Durée (jours)", "Tabagisme actif", "ATCD de TVP", "Douleur du mollet")
    return language(folder, (*header, "Œdème unilatéral de jambe", "Fièvre"), ("H", "F"), "oui", "non")


@export
def dutch(folder: Path) -> Export:
    header = ("Patiëntnummer", "Leeftijd", "Geslacht", "Dagen klachten", "Rookt", "Eerdere trombose", "Kuitpijn")
    return language(folder, (*header, "Dik onderbeen aan één kant", "Koorts"), ("M", "V"), "ja", "nee")


if __name__ == "__main__":
    for name, make in EXPORTS.items():
        place = Path(sys.argv[1]) / name
        place.mkdir(parents=True)
        print(name, make(place).file)
