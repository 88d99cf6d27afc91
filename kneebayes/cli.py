"""The ``kneebayes`` commands. Results go to standard output, everything else to standard error.

Exit codes: see `kneebayes.commands`.
What a command needs is imported when it runs, so that ``--help`` is quick and
a diagnosis waits for no table library.
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from kneebayes import __version__, catalogue, commands, dialogue, options, studies, transfer
from kneebayes.commands import load, say
from kneebayes.errors import OptionError

if TYPE_CHECKING:
    from kneebayes.api import Model
    from kneebayes.diagnosis import Diagnosis
    from kneebayes.explanation import Explanation
    from kneebayes.files import Counts

__all__ = ["app", "main"]

THIS_MACHINE = "local"


class _Score(TyperCommand):
    """The score command: --dask may stand alone, or before the address of a scheduler."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, argument in enumerate(args):
            if argument == "--dask" and not any(mark in "".join(args[place + 1 : place + 2]) for mark in ("://", ":8")):
                return super().parse_args(ctx, [*args[: place + 1], THIS_MACHINE, *args[place + 1 :]])
        return super().parse_args(ctx, args)


class Engine(StrEnum):
    """What computes a diagnosis."""

    exact = "exact"
    pgmpy = "pgmpy"


class ScoreFormat(StrEnum):
    """What scores are written as."""

    table = "table"
    fhir_ndjson = "fhir-ndjson"


app = typer.Typer(
    name="kneebayes",
    cls=commands.Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain text reads the same on a terminal and in a pipe, and loads faster
    pretty_exceptions_enable=False,
    help="Pain behind the knee: exact posteriors of nine causes, and an alarm for deep vein thrombosis. "
    "A research tool, not a medical device.",
    epilog="Exit codes: 0 done, 1 some rows rejected, 2 nothing done, 70 a defect, 129 and over stopped.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kneebayes {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(cls=_Score)
def score(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="CSV or Parquet of cases; - is standard input.")],
    target: commands.Output = "-",
    rejects: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where rows that can't be scored go, with the reason.")
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave values and case_ids out of the rejects file.")
    ] = False,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Pass this column through (repeat, or a,b).")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Leave this column out (repeat, or a,b).")
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Write only these output columns (repeat, or a,b).")
    ] = None,
    caution: commands.Caution = None,
    urgent: commands.Urgent = None,
    harm_miss: commands.HarmMiss = None,
    harm_false_alarm: commands.HarmFalseAlarm = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Score a folder of files as a Dask graph, into a folder, on this machine or a scheduler's workers.",
        ),
    ] = None,
    intervals: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="Add intervals over the plausible ranges of the model, as in 90."),
    ] = None,
    format: Annotated[
        ScoreFormat, typer.Option(help="fhir-ndjson writes a FHIR Bundle of RiskAssessments a line.")
    ] = ScoreFormat.table,
    draws: Annotated[int, typer.Option(metavar="N", help="For intervals: plausible models to draw.")] = 200,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="For intervals: seed of the draws.")] = 0,
    model: commands.ModelOption = None,
    quiet: commands.Quiet = False,
) -> None:
    """Score a file: posteriors and alarm, a row per case.

    Start from the file that `kneebayes template` writes. An empty cell means unknown, never absent.
    """
    loaded = load(model)
    choices: dict[str, Any] = {
        "rejects": rejects,
        "redact": redact,
        "keep": options.names(keep),
        "ignore": options.names(ignore),
        "columns": options.names(columns) or None,
        "thresholds": options.thresholds(
            loaded.file, caution=caution, urgent=urgent, harm_miss=harm_miss, harm_false_alarm=harm_false_alarm
        ),
    }
    if intervals is not None:
        choices |= {"intervals": options.level(intervals), "draws": draws, "seed": seed}
    if format is not ScoreFormat.table:
        if dask is not None or intervals is not None:
            raise OptionError("--format fhir-ndjson goes with neither --dask nor --intervals")
        choices["format"] = format.value
    if dask is None:
        counts = loaded.score_file(source, target, quiet=quiet, **choices)
    else:
        from kneebayes.distributed import score_files

        counts = score_files(source, target, model=loaded, scheduler=None if dask == THIS_MACHINE else dask, **choices)
    if not quiet:
        _summarise(counts, rejects, loaded)
    if counts.rejected:
        raise typer.Exit(commands.SOME_REJECTED)


@app.command()
def diagnose(
    facts: commands.Facts = None,
    engine: Annotated[
        Engine, typer.Option(help="pgmpy asks its VariableElimination instead, to check by (takes seconds).")
    ] = Engine.exact,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which facts moved the alarm's cause and the likeliest one.")
    ] = False,
    target: Annotated[
        str | None, typer.Option(metavar="CAUSE", help="Explain this cause, or none_of_these, instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    caution: commands.Caution = None,
    urgent: commands.Urgent = None,
    harm_miss: commands.HarmMiss = None,
    harm_false_alarm: commands.HarmFalseAlarm = None,
    model: commands.ModelOption = None,
) -> None:
    """Diagnose one case from what is known of it.

    For example: kneebayes diagnose age=67 sex=male long_travel=yes unilateral_leg_swelling=yes

    `kneebayes model` lists the names and values.
    """
    loaded = load(model)
    dx = loaded.diagnose(
        options.case(facts or []),
        engine=engine.value,
        thresholds=options.thresholds(
            loaded.file, caution=caution, urgent=urgent, harm_miss=harm_miss, harm_false_alarm=harm_false_alarm
        ),
    )
    explained = dx.explanations([target] if target else None) if explain or target else []
    if as_json:
        typer.echo(json.dumps(_content(dx, explained), indent=2, ensure_ascii=False))
    else:
        typer.echo("\n\n".join([str(dx), *map(str, explained)]))


app.command()(catalogue.model)


@app.command()
def template(target: commands.Output = "-", model: commands.ModelOption = None) -> None:
    """Write a CSV to fill in, with an example row."""
    from kneebayes import listing
    from kneebayes.simulation import write_cases

    write_cases([listing.template(load(model).file)], target)
    if target != "-":
        say(f"wrote {target}; replace the example row; `kneebayes model` lists the values, an empty cell is unknown")


app.command()(studies.simulate)
app.command()(dialogue.ask)
app.command()(studies.evaluate)
app.command()(transfer.export)
app.command("import")(transfer.import_)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # bars are not worth a crash on a terminal without them
    # as an exception, so that half-written files are removed on the way out; nohup means that no one hangs up
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(commands.TERMINATED))
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda number, frame: sys.exit(commands.HUNG_UP))
    app()


def _content(dx: Diagnosis, explained: list[Explanation]) -> dict[str, Any]:
    content = {
        "model": dx.model.name,
        "version": dx.model.version,
        "evidence": dx.evidence,
        "posterior": dx.probabilities,
        "details": dx.details,
        "most_likely": dx.most_likely,
        "alarm": asdict(dx.alarm),
        "red_flags": dx.red_flags,
        "warnings": dx.warnings,
        "disclaimer": dx.model.disclaimer,
    }
    return content | ({"explanations": [explanation.content() for explanation in explained]} if explained else {})


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _summarise(counts: Counts, rejects: str | None, model: Model) -> None:
    say(f"{_rows(counts.read)} read: {counts.scored:,} scored, {counts.rejected:,} rejected")
    for reason in counts.reasons:
        say(f"  {reason}")
    if counts.rejected:
        say(f"  all reasons are in {rejects}" if rejects else "  name a file with --rejects to get all reasons")
    for warning, rows in counts.warnings.items():
        say(f"warning: {warning} ({_rows(rows)})")
    say(model.file.disclaimer)
