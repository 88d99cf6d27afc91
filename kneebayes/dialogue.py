"""The interview in a terminal. The talk goes to standard error, the result to standard output."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from kneebayes import commands, options
from kneebayes.errors import CaseError
from kneebayes.interview import STOP_BELOW, End, Interview

if TYPE_CHECKING:
    from kneebayes.diagnosis import Diagnosis

__all__ = ["converse", "standing"]  # the command is reached through cli; its docstring is its help

TOP = 3
CALM = ("low", "not_assessed")
BACK, QUIT, HELP = frozenset({"b", "back"}), frozenset({"q", "quit", "exit"}), frozenset({"h", "help", "?"})
WELCOME = "Answer as asked; Enter is don't know, back takes the last answer back, quit ends with the result so far."
ENDS = {
    End.emergency: "No more questions: this comes first.",
    End.settled: "Nothing left to ask is likely to change the picture.",
    End.exhausted: "There is nothing left to ask.",
}


def ask(
    facts: commands.Facts = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="Add the case to this CSV, made if need be.")] = None,
    case_id: Annotated[
        str | None, typer.Option(metavar="ID", help="What to call the case in that file; by default the time.")
    ] = None,
    stop_below: Annotated[
        float,
        typer.Option(metavar="P", help="Stop where no answer changes alarm or likeliest cause with this probability."),
    ] = STOP_BELOW,
    caution: commands.Caution = None,
    urgent: commands.Urgent = None,
    harm_miss: commands.HarmMiss = None,
    harm_false_alarm: commands.HarmFalseAlarm = None,
    model: commands.ModelOption = None,
) -> None:
    """Ask a person: the most useful question next.

    The questions that matter for a clot come first. What is known already may be given as NAME=VALUE.
    """
    from kneebayes.casefile import CaseFile

    loaded = commands.load(model)
    file = CaseFile(save, loaded.file) if save is not None else None
    if case_id is not None and file is None:
        raise CaseError("--case-id goes with --save")
    thresholds = options.thresholds(
        loaded.file, caution=caution, urgent=urgent, harm_miss=harm_miss, harm_false_alarm=harm_false_alarm
    )

    def diagnose(known: Mapping[str, object]) -> Diagnosis:
        return loaded.diagnose(known, thresholds=thresholds)

    interview = Interview(diagnose, options.case(facts or []), stop_below=stop_below)
    commands.say(f"{loaded.file.title}\n{loaded.file.disclaimer}\n\n{WELCOME}")
    if interview.facts:
        commands.say(standing(interview.dx))
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a byte that is no text is an answer not understood, not a crash
    try:
        converse(interview, listen=_listen, tell=commands.say, prompt=_prompt)
    except KeyboardInterrupt:
        commands.say("")
        raise KeyboardInterrupt("stopped; nothing was saved" if file else "stopped") from None
    commands.say("")
    typer.echo("\n\n".join(map(str, [interview.dx, *interview.dx.explanations()])))
    if file and interview.facts:
        name = datetime.now().isoformat(timespec="seconds") if case_id is None else case_id
        file.append(interview.facts, name)
        commands.say(f"\nsaved as {name} in {file.path}")
    elif file:
        commands.say("\nnothing was answered, so nothing was saved")


def converse(
    interview: Interview, *, listen: Callable[[], str], tell: Callable[[str], None], prompt: Callable[[str], None]
) -> None:
    """Ask until there is nothing to ask, or the person has had enough.

    Parameters
    ----------
    interview : Interview
        Has the answers afterwards.
    listen : callable
        Gives a line, or raises EOFError where there are no more.
    tell, prompt : callable
        Write a line, and the start of one.
    """
    told: set[str] = set()
    while (question := interview.question) is not None:
        number = f"{interview.n_asked + 1}."
        tell(f"\n{number} {question.question}")
        for place, choice in enumerate(interview.choices(), start=1):
            tell(f"   {place:2d}  {choice}")
        prompt(f"   [{interview.hint()}, Enter, back, quit] > ")
        try:
            said = listen().strip()
        except EOFError:
            tell("")
            return
        word = said.lower()
        if word in QUIT:
            return
        if word in HELP:
            tell(f"   {WELCOME} Unsure? Give a chance, such as present:0.8.")
        elif word in BACK:
            tell("   Taken back." if interview.back() else "   This is the first question.")
        else:
            try:
                interview.answer(said)
            except CaseError as error:
                tell(f"   {error}")
                continue
            tell(standing(interview.dx))
            alarmed = interview.dx.alarm.level not in CALM
            for line in [*([interview.dx.alarm.advice] if alarmed else []), *interview.dx.warnings]:
                if line not in told:
                    told.add(line)
                    tell(f"   {line}")
    if interview.end is not None:
        tell(f"\n{ENDS[interview.end]}")


def standing(dx: Diagnosis) -> str:
    """Say in a line how things stand.

    Parameters
    ----------
    dx : Diagnosis
        By the answers so far.

    Returns
    -------
    str
        The alarm and what is likeliest.
    """
    ranked = sorted(dx.probabilities.items(), key=lambda item: -item[1])[:TOP]
    top = ", ".join(f"{dx.label(name)} {p:.0%}" for name, p in ranked)
    level = dx.alarm.level.replace("_", " ").upper()
    return f"   Alarm: {level} ({dx.label(dx.model.alarm.cause)} {dx.alarm.probability:.1%}). Likeliest: {top}."


def _listen() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _prompt(text: str) -> None:
    typer.echo(text, nl=False, err=True)
