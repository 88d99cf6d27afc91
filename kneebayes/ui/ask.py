"""The interview in a terminal. The talk goes to standard error, the result to standard output."""

from __future__ import annotations

import csv
import io
import os
import re
import secrets
import sys
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kneebayes.cases.coding import CASE_ID
from kneebayes.errors import CaseError, FileFormatError
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent
from kneebayes.ui.options import say
from kneebayes.ui.session import End, Interview

if TYPE_CHECKING:
    from kneebayes.diagnosis.alarm import Thresholds
    from kneebayes.diagnosis.diagnosis import Diagnosis
    from kneebayes.model import Model

TOP = 3
CALM = ("low", "not_assessed")
BACK, QUIT, HELP = frozenset({"b", "back"}), frozenset({"q", "quit", "exit"}), frozenset({"h", "help", "?"})
WELCOME = "Answer as asked; Enter is don't know, back takes the last answer back, quit ends with the result so far."
ENDS = {
    End.emergency: "No more questions: this comes first.",
    End.settled: "Nothing left to ask is likely to change the picture.",
    End.exhausted: "There is nothing left to ask.",
}


class CaseFile:
    """A CSV file to add cases to, with the variables of a model as columns; it need not be there yet.

    A file to which no case can be added is refused at once: better known before an interview than after.
    """

    def __init__(self, path: str | Path, model: ModelSpec) -> None:
        self.path = Path(path).expanduser()
        self.model = model
        if self.path.suffix.lower() != ".csv":
            raise FileFormatError(f"{self.path}: cases are added to plain CSV: give a name that ends in .csv")
        if not self.path.parent.is_dir():
            raise FileFormatError(f"{self.path}: there is no folder {self.path.parent}")
        self.columns()

    def columns(self) -> list[str]:
        """Read the columns of the file, or name those that it will have, in order."""
        every = [CASE_ID, *self.model.columns]
        if self.path.exists() and not self.path.is_file():
            raise FileFormatError(f"{self.path}: is no ordinary file: give a name that ends in .csv")
        try:
            if not self.path.exists() or self.path.stat().st_size == 0:
                return every
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                header = next(csv.reader(stream), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise FileFormatError(f"{self.path}: can't read its header: {error}") from error
        lacking = [name for name in self.model.asked if name not in header]
        if lacking:
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            raise FileFormatError(
                f"{self.path}: has no column {', '.join(lacking[:3])}{more}: give a new file, or one that "
                "`kneebayes template` wrote"
            )
        if len(set(header)) < len(header):
            raise FileFormatError(f"{self.path}: a column stands twice in its header")
        return header

    def append(self, case: Mapping[str, object], case_id: str) -> None:
        """Add a case, its values by column, in one write, so that a file never holds half of it."""
        header = self.columns()
        homeless = [name for name in case if name not in header]
        if homeless:
            raise FileFormatError(f"{self.path}: has no column {', '.join(homeless)}")
        row = [case_id if name == CASE_ID else case.get(name, "") for name in header]
        try:
            with self.path.open("a+b", buffering=0) as stream:
                stream.seek(0)
                start = stream.readline()
                end = "\r\n" if start.endswith(b"\r\n") else "\n"
                text = io.StringIO()
                writer = csv.writer(text, lineterminator=end)
                if not start:
                    writer.writerow(header)
                else:
                    stream.seek(-1, io.SEEK_END)
                    text.write("" if stream.read(1) == b"\n" else end)
                writer.writerow(row)
                size = stream.seek(0, io.SEEK_END)
                rest = text.getvalue().encode("utf-8")
                try:
                    while rest:
                        rest = rest[stream.write(rest) :]
                    os.fsync(stream.fileno())
                except OSError:
                    os.truncate(self.path, size)  # a full disk has taken the first half
                    raise
        except OSError as error:
            raise FileFormatError(f"{self.path}: can't add a case: {error}") from error


def ask(
    model: Model,
    facts: Mapping[str, object],
    *,
    save: str | None,
    case_id: str | None,
    stop_below: float,
    thresholds: Thresholds | None,
) -> None:
    """Ask a person about a case of which something may be known, print the diagnosis, and save the case."""
    file = CaseFile(save, model.file) if save is not None else None
    if case_id is not None and file is None:
        raise CaseError("--case-id goes with --save")
    if case_id is not None and re.search("[\ud800-\udfff]", case_id):  # how Python keeps a byte that is no text
        raise CaseError("--case-id has bytes that are no UTF-8 text, so no file can hold it: give another")
    interview = Interview(partial(model.diagnose, thresholds=thresholds), facts, stop_below=stop_below)
    spec = model.file
    say(f"{spec.title} ({spec.name} {spec.version})\n{spec.disclaimer}\n\n{WELCOME}")
    if interview.facts:
        say(standing(interview.dx))
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a byte that is no text is an answer not understood, not a crash
    try:
        converse(interview)
    except KeyboardInterrupt:
        say("")
        raise KeyboardInterrupt("stopped; nothing was saved" if file else "stopped") from None
    say("")
    typer.echo("\n\n".join(map(str, [interview.dx, *interview.dx.explanations()])))
    if file and interview.facts:
        name = _new_id() if case_id is None else case_id
        file.append(interview.facts, name)
        say(f"\nsaved as {name} in {file.path}")
    elif file:
        say("\nnothing was answered, so nothing was saved")


def _new_id() -> str:
    """Name a case by its time, with its zone, and by chance, as two may be saved at once."""
    return f"{datetime.now().astimezone().isoformat(timespec='seconds')}-{secrets.token_hex(4)}"


def converse(interview: Interview) -> None:
    """Ask until there is nothing to ask, or the person has had enough."""
    told: set[str] = set()
    while (question := interview.question) is not None:
        say(f"\n{interview.n_asked + 1}. {question.question}")
        for place, choice in enumerate(interview.choices(), start=1):
            say(f"   {place:2d}  {choice}")
        typer.echo(f"   [{interview.hint()}, Enter, back, quit] > ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            say("")
            return
        said = line.strip()
        word = said.lower()
        if word in QUIT:
            return
        if word in HELP:
            say(f"   {WELCOME} Unsure? Give a chance, such as present:0.8.")
        elif word in BACK:
            say("   Taken back." if interview.back() else "   This is the first question.")
        else:
            try:
                interview.answer(said)
            except CaseError as error:
                say(f"   {error}")
                continue
            say(standing(interview.dx))
            alarmed = interview.dx.alarm.level not in CALM
            for line in [*([interview.dx.alarm.advice] if alarmed else []), *interview.dx.warnings]:
                if line not in told:
                    told.add(line)
                    say(f"   {line}")
    if interview.end is not None:
        say(f"\n{ENDS[interview.end]}")


def standing(dx: Diagnosis) -> str:
    """Say in a line how things stand: the alarm and what is likeliest."""
    top = ", ".join(f"{dx.label(name)} {percent(p)}" for name, p in dx.ranked[:TOP])
    level = dx.alarm.level.replace("_", " ").upper()
    probability = percent(dx.alarm.probability)
    return f"   Alarm: {level} ({dx.label(dx.model.alarm.cause)} {probability}). Likeliest: {top}."
