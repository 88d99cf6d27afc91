"""Workbooks and files of statistics programs as tables of text, and what a text file looks like.

Such files are read as a whole, by pandas and pyreadstat (the extra ``formats``); their value labels are used.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from kneebayes.cases.mapping import Reading
from kneebayes.errors import FileFormatError, MissingExtraError, nearest

WORKBOOKS, STATISTICS = (".xlsx", ".xlsm"), (".dta", ".sav", ".zsav", ".sas7bdat")
ENDINGS = (*WORKBOOKS, *STATISTICS)
SNIFFED_BYTES, SNIFFED_LINES = 1 << 17, 50  # no more than a field of the csv module may have
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def read_table(path: str, reading: Reading) -> tuple[pa.Table, dict[str, str]]:
    """Read a workbook or a file of a statistics program as text, and the labels of its columns."""
    with _errors_named(path):
        return _workbook(path, reading) if path.lower().endswith(WORKBOOKS) else _statistics(path, reading)


@contextmanager
def _errors_named(path: str) -> Iterator[None]:
    """Say what went wrong: each library has errors of its own, and some quote what they could not read."""
    try:
        yield
    except (FileFormatError, MissingExtraError, MemoryError):
        raise
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: what reads such files is not installed: pip install 'kneebayes[formats]'"
        ) from error
    except Exception as error:
        raise FileFormatError(
            f"{path}: can't be read ({type(error).__name__}): is it a whole file of its kind? A CSV is named .csv."
        ) from None


def _workbook(path: str, reading: Reading) -> tuple[pa.Table, dict[str, str]]:
    rows = _rows_of_sheet(path, reading)
    wanted = reading.header or (1,)
    if len(rows) < max(wanted):
        raise FileFormatError(f"{path}: is empty: row {max(wanted)} must name the columns.")
    names = joined_names([[cell or "" for cell in rows[number - 1]] for number in wanted])
    body = [row for row in rows[max(wanted) :] if any(row)]
    filled = [place for place, name in enumerate(names) if name or any(row[place] for row in body)]
    columns = {place: pa.array([row[place] for row in body], pa.string()) for place in filled}
    return pa.table([columns[place] for place in filled], names=[names[place] for place in filled]), {}


def _rows_of_sheet(path: str, reading: Reading) -> list[list[str | None]]:
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        if reading.sheet is not None and reading.sheet not in book.sheetnames:
            raise FileFormatError(
                f"{path}: no sheet '{reading.sheet}', only {book.sheetnames}.{nearest(reading.sheet, book.sheetnames)}"
            )
        sheet = book[reading.sheet] if reading.sheet is not None else book.worksheets[0]
        rows = [[_text(cell, reading.decimal) for cell in row] for row in sheet.iter_rows(values_only=True)]
    finally:
        book.close()
    width = max(map(len, rows), default=0)  # a sheet that is read as it goes has rows of any length
    return [row + [None] * (width - len(row)) for row in rows]


def _statistics(path: str, reading: Reading) -> tuple[pa.Table, dict[str, str]]:
    import pyreadstat

    ending = path.lower().rpartition(".")[2]
    if ending == "sas7bdat":  # its value labels are in a catalogue beside it, so that codes stay codes
        frame, about = pyreadstat.read_sas7bdat(path, encoding=reading.encoding)
    else:
        read = pyreadstat.read_dta if ending == "dta" else pyreadstat.read_sav
        frame, about = read(path, encoding=reading.encoding, apply_value_formats=True, formats_as_category=False)
    columns = [
        pa.array([_text(value, reading.decimal) for value in frame[name].tolist()], pa.string())
        for name in frame.columns
    ]
    labels = {name: label for name, label in about.column_names_to_labels.items() if label}
    return pa.table(columns, names=[str(name) for name in frame.columns]), labels


def _text(value: Any, decimal: str | None = None) -> str | None:
    """Write a cell as it would stand in a CSV; None where it is empty. Only text has a decimal sign of its own."""
    if value is None or value != value or str(value) == "NaT":
        return None
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, float):
        return str(value).replace(".", decimal or ".")
    return str(value).strip() or None


def joined_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """Make one header of two: a cell above spans what is empty to its right, as merged cells do.

    >>> joined_names([["", "Pain", ""], ["Age", "calf", "thigh"]])
    ['Age', 'Pain calf', 'Pain thigh']
    """
    if len(rows) == 1:
        return [str(name).strip() for name in rows[0]]
    upper, last = [], ""
    for name in rows[0]:
        last = name.strip() or last
        upper.append(last)
    upper += [last] * (len(rows[1]) - len(upper))
    return [f"{above} {below.strip()}".strip() for above, below in zip(upper, rows[1], strict=False)]


def sniff(path: str) -> tuple[Reading, list[str]]:
    """Look how a file is written, and say what was found that is not as kneebayes reads files by default.

    Nobody takes this for granted: it stands in a draft that a person reads.
    """
    if path.lower().endswith(WORKBOOKS):
        return _sniff_workbook(path)
    if path.lower().endswith((*STATISTICS, ".parquet", ".pq", ".gz", ".zst")):
        return Reading(), []
    with open(path, "rb") as stream:
        data = stream.read(SNIFFED_BYTES)
    found: dict[str, Any] = {}
    said = []
    encoding = _encoding(data)
    if encoding != "utf-8":
        found["encoding"] = encoding
        said.append(f"encoding {encoding}")
    text = codecs.getincrementaldecoder(encoding)("replace").decode(data).removeprefix("\ufeff")
    lines = text.splitlines()[:SNIFFED_LINES]
    first = 1
    declared = re.fullmatch(r'"?sep=(.)"?', lines[0].strip(), re.IGNORECASE) if lines else None
    if declared:
        first, separator = 2, declared[1]
    else:
        separator = max(SEPARATORS, key=lambda mark: _regularity(lines, mark))
    rows = csv.reader(lines, delimiter=separator)
    ends = [(len(fields), rows.line_num) for fields in rows]  # a quoted row has several lines
    usual = Counter(n for n, _ in ends if n > 1).most_common(1)
    if usual and not declared:
        place = next(place for place, (n, _) in enumerate(ends) if n == usual[0][0])
        first = ends[place - 1][1] + 1 if place else 1
    header = _names_below(list(csv.reader(lines[first - 1 :], delimiter=separator)), first)
    first = header[0]
    if separator != ("\t" if path.lower().endswith((".tsv", ".tab")) else ","):
        found["sep"] = "tab" if separator == "\t" else separator
        said.append(f"columns separated by {SEPARATORS.get(separator, separator)}")
    if header != (1,):
        found["header"] = header
        said.append(f"names in line {' and '.join(map(str, header))}")
    cells = [cell.strip() for row in csv.reader(lines[max(header) :], delimiter=separator) for cell in row]
    if separator != "," and _has_decimal_comma(cells):
        found["decimal"] = ","
        said.append("decimal commas")
    return Reading(**found), said


def _names_below(rows: Sequence[Sequence[str]], line: int) -> tuple[int, ...]:
    """Say in which lines the names stand: below a line of groups, which has blanks where a group spans columns."""
    upper, lower = ([cell.strip() for cell in row] for row in (*rows[:2], [], [])[:2])
    is_group = len(upper) == len(lower) and all(lower) and 1 < sum(map(bool, upper)) < 0.7 * len(upper)
    if not is_group or any(re.match(r"[-+.,\d]", cell) for cell in lower):
        return (line,)
    return (line + 1,) if len({*lower}) == len(lower) else (line, line + 1)


def _sniff_workbook(path: str) -> tuple[Reading, list[str]]:
    with _errors_named(path):
        first = _rows_of_sheet(path, Reading())[:SNIFFED_LINES]
    filled = [sum(bool(cell) for cell in row) for row in first]
    number = next((i for i, n in enumerate(filled) if n >= 0.6 * max(filled)), 0) + 1 if any(filled) else 1
    cells = [cell or "" for row in first[number:] for cell in row]
    found: dict[str, Any] = {"header": (number,)} if number > 1 else {}
    said = [f"names in row {number}"] if number > 1 else []
    if _has_decimal_comma(cells):
        found["decimal"] = ","
        said.append("decimal commas")
    return Reading(**found), said


def _encoding(data: bytes) -> str:
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if data[:1000].count(b"\0") > len(data[:1000]) // 4:  # one in a text is no more than that
        return "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _regularity(lines: Sequence[str], separator: str) -> int:
    """Say how many cells stand in rows of the usual number of them."""
    rows = (next(csv.reader(io.StringIO(line), delimiter=separator), []) for line in lines if line.strip())
    counts = Counter(map(len, rows))
    return max((n * (width - 1) for width, n in counts.items()), default=0)


def _has_decimal_comma(cells: Iterable[str]) -> bool:
    cells = list(cells)
    return any(re.fullmatch(r"-?\d+,\d+", cell) for cell in cells) and not any(
        re.fullmatch(r"-?\d+\.\d+", cell) for cell in cells
    )
