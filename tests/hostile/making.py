"""How the inputs of the corpus are made: by functions that say their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CASES", "CELLS", "HEADER", "Run", "case", "row", "table"]

COLUMNS = ("case_id", "age", "sex", "calf_pain", "unilateral_leg_swelling")
HEADER = ",".join(COLUMNS) + "\n"
# What the letters of ``like`` in expected.csv stand for: the evidence of a row that is scored.
CELLS = {
    "A": {"age": "67", "sex": "male", "calf_pain": "present", "unilateral_leg_swelling": "present"},
    "B": {"age": "30", "sex": "female"},
    "F": {"sex": "female"},
    "N": {},
    "U": {"sex": "male", "calf_pain": "present", "unilateral_leg_swelling": "present"},
}


@dataclass(frozen=True)
class Run:
    """A command to run on an input.

    Attributes
    ----------
    arguments : sequence of str
        Of ``kneebayes``, in the folder of the input.
    ids : sequence of str or None
        The case_ids that the output must have; None where that is not told.
    stdin : str
        The file that is its standard input.
    """

    arguments: Sequence[str] = ("score", "cases.csv", "-o", "out.csv", "--rejects", "rejects.csv")
    ids: Sequence[str] | None = None
    stdin: str = "/dev/null"


CASES: dict[str, Callable[[Path], Run | None]] = {}


def case(make: Callable[[Path], Run | None]) -> Callable[[Path], Run | None]:
    """Take a function into the corpus, under its name; it makes its files in a folder."""
    assert make.__name__ not in CASES, make.__name__
    CASES[make.__name__] = make
    return make


def row(case_id: str, kind: str = "A") -> str:
    """Write a row of the table that `HEADER` starts."""
    return ",".join([case_id, *(CELLS[kind].get(name, "") for name in COLUMNS[1:])]) + "\n"


def table(folder: Path, content: str | bytes, name: str = "cases.csv") -> None:
    """Write a file."""
    (folder / name).write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
