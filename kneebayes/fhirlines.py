"""Scores as FHIR, a Bundle a line: the target of ``kneebayes score --format fhir-ndjson``."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from kneebayes.model import ModelFile
from kneebayes.resources import alarm_assessment, bundle, causes_assessment
from kneebayes.sink import Sink
from kneebayes.vocabulary import CASE_ID

__all__ = ["FhirTarget"]

SLICE = 512  # rows that are Python objects at a time: a Bundle takes thirty times the memory of its row


class FhirTarget:
    """Newline-delimited JSON: for each case a Bundle of two RiskAssessments, the causes and the alarm.

    They hold for R5 and R4B alike. No time is written, so that the same cases
    give the same bytes; the subject is identified by ``case_id``.

    Parameters
    ----------
    sink : Sink
        Where the bytes go.
    model : ModelFile
        What the scores were made with.
    """

    def __init__(self, sink: Sink, model: ModelFile) -> None:
        self.sink = sink
        self.model = model
        self._level = f"{model.alarm.cause}_alarm"

    def encode(self, table: pa.Table) -> bytes:
        """Write the rows of a table to memory."""
        return b"".join(self._lines(table.slice(start, SLICE)) for start in range(0, table.num_rows, SLICE))

    def _lines(self, rows: pa.Table) -> bytes:
        lines = (json.dumps(self._bundle(row), ensure_ascii=False) for row in rows.to_pylist())
        return "".join(f"{line}\n" for line in lines).encode()

    def _bundle(self, row: dict[str, Any]) -> dict[str, Any]:
        case = row.get(CASE_ID)
        about = {"subject": {"display": "not identified"} if case is None else {"identifier": {"value": str(case)}}}
        flags = [name for name in row["red_flags"].split(";") if name]
        probability = row[self.model.alarm.cause]
        return bundle(
            [
                causes_assessment(self.model, row, about),
                alarm_assessment(self.model, row[self._level], probability, about, red_flags=flags),
            ]
        )

    def write(self, encoded: bytes) -> None:
        """Write, in order."""
        self.sink.write(encoded)

    def finish(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is held."""
