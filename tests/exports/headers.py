"""How many columns of ten hospitals' headers a draft names rightly: ``python -m tests.exports.headers [MODEL [FILE]]``.

``headers.csv`` was written by somebody who had seen the vocabulary and its labels, but no synonym: the header of each
hospital, the variable of each column (empty where it has none) and what stands in its cells. A column of unrelated
content is there to be left alone. What the models learnt to ask later was added by its name. A column that the draft
marks as unsure counts as neither right nor wrong. ``headers_mended.csv`` are twenty-one more, by people who then mended
the synonyms by them: they measure nothing, and keep what was mended. ``headers_unseen.csv`` are twenty by two others,
``one`` and ``two``, who saw only the questions; either of ``a|b`` is right, and ``-a`` is the contrary of a.
docs/clinic.md says what was named of them before anything was mended by them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from kneebayes.cases.coding import CASE_ID
from kneebayes.cases.drafting import Drafter
from kneebayes.cases.mapping import Reading
from kneebayes.model import Model, load_model
from kneebayes.spec.model_spec import NOT_EVIDENCE_PREFIX

__all__ = ["BLIND", "MENDED", "UNSEEN", "Verdict", "headers", "verdicts"]

BLIND, MENDED, UNSEEN = (
    Path(__file__).parent / f"{name}.csv" for name in ("headers", "headers_mended", "headers_unseen")
)
VISIT = "visit_date"  # a day that ages and durations are counted up to
ROWS = 12


@dataclass(frozen=True)
class Verdict:
    """What a draft makes of a column: ``proposed`` is what it says, '' where nothing or where it is unsure."""

    hospital: str
    column: str
    variable: str
    proposed: str
    unsure: bool

    @property
    def kind(self) -> str:
        """Say how it is counted: right, wrong, unsure, missed or left (rightly, as it has no variable)."""
        if self.proposed:
            return "right" if self.proposed in self.variable.split("|") else "wrong"
        if self.unsure:
            return "unsure"
        return "missed" if self.variable else "left"


def headers(path: Path = BLIND) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Give the columns of each hospital."""
    with path.open(encoding="utf-8", newline="") as stream:
        for hospital, rows in groupby(csv.DictReader(stream), lambda row: row["hospital"]):
            yield hospital, list(rows)


def verdicts(model: Model, path: Path = BLIND) -> list[Verdict]:
    """Draft a mapping of each hospital's header, and compare it with what the columns hold.

    A variable that the model does not have is none to it.
    """
    inputs = (*model.file.askable, *model.file.numeric_inputs)
    ours = {*inputs, CASE_ID, VISIT, *(NOT_EVIDENCE_PREFIX + cause for cause in model.causes)}
    drafter = Drafter(model.scorer.coder)
    made = []
    for hospital, columns in headers(path):
        cells = {row["column"]: list(islice(cycle(row["values"].split("|")), ROWS)) for row in columns}
        for row in columns:
            if row["variable"] == CASE_ID:  # of which no two are the same
                cells[row["column"]] = [f"{value}{i}" for i, value in enumerate(cells[row["column"]])]
        decimal = "," if any("," in value for values in cells.values() for value in values) else "."
        table = pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()})
        draft = drafter.draft(table, {}, Reading(decimal=decimal))
        content = yaml.load(draft.text, Loader=yaml.BaseLoader)
        mapped, unsure = content.get("columns") or {}, content.get("unsure") or {}
        for row in columns:
            variable = "|".join(name for name in row["variable"].split("|") if name.removeprefix("-") in ours)
            name = row["column"]
            made.append(Verdict(hospital, name, variable, _proposed(mapped.get(name)), name in unsure))
    return made


def _proposed(column: Any) -> str:
    if column is None or isinstance(column, str):
        return column or ""
    return str(column.get("variable", VISIT if "date" in column else "choices"))


def main() -> None:
    """Print the counts by hospital and the wrong proposals."""
    found = verdicts(load_model(sys.argv[1] if len(sys.argv) > 1 else None), *map(Path, sys.argv[2:]))
    kinds = ("right", "wrong", "unsure", "missed", "left")
    print(f"{'hospital':24}" + "".join(f"{kind:>8}" for kind in kinds))
    for hospital in (*dict.fromkeys(verdict.hospital for verdict in found), "all"):
        own = [verdict.kind for verdict in found if hospital in (verdict.hospital, "all")]
        print(f"{hospital:24}" + "".join(f"{own.count(kind):8}" for kind in kinds))
    variables = {verdict.variable for verdict in found} - {"", VISIT, CASE_ID}
    right = {verdict.variable for verdict in found if verdict.kind == "right"}
    print(f"{len(variables & right)} of {len(variables)} variables found in at least one hospital")
    for kind in ("wrong", "missed", "unsure"):
        print(f"\n{kind}:")
        for verdict in found:
            if verdict.kind == kind:
                print(
                    f"  {verdict.hospital}: {verdict.column!r}: {verdict.proposed or '-'}, is {verdict.variable or '-'}"
                )


if __name__ == "__main__":
    main()
