"""The ``kneebayes`` commands. Results go to standard output, everything else to standard error.

Exit codes: see `kneebayes.ui.options`. What a command says of itself is no docstring, as ``python -OO`` takes those
away. What a command needs is imported when it runs, so that ``--help`` is quick and a diagnosis waits for no table
library.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import warnings
import webbrowser
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer import Argument, Option
from typer.core import TyperCommand

from kneebayes import __version__
from kneebayes.errors import CaseError, OptionError
from kneebayes.ui import STOP_BELOW, options
from kneebayes.ui.options import Facts, Ignore, MapFile, ModelOption, Output, Quiet, load, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kneebayes.cases.problems import Problem
    from kneebayes.model import Model
    from kneebayes.scoring.readers import Rows
    from kneebayes.scoring.score_file import ScoreSummary

MAX_SHOWN = 5
MAX_COLUMNS = 40
MAX_CHECKED = 20
THIS_MACHINE = "local"


app = typer.Typer(
    name="kneebayes",
    cls=options.Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain text reads the same on a terminal and in a pipe, and loads faster
    pretty_exceptions_enable=False,
    help="Pain behind the knee: exact posteriors of nine causes, and an alarm for deep vein thrombosis. "
    "A research tool, not a medical device.",
    epilog="Exit codes: 0 done, 1 some rows rejected, 2 nothing done, 70 a defect, 129 and over stopped.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kneebayes {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    options.fill_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # bars are not worth a crash on a terminal without them
    warnings.showwarning = lambda message, *of, **more: say(f"warning: {message}")  # without the line of code
    # as an exception, so that half-written files are removed on the way out; nohup means that no one hangs up
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(options.TERMINATED))
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda number, frame: sys.exit(options.HUNG_UP))
    app()


class _Score(TyperCommand):
    """The score command: --dask may stand alone, or before the address of a scheduler."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place, argument in enumerate(args):
            if argument == "--dask" and not any(mark in "".join(args[place + 1 : place + 2]) for mark in ("://", ":8")):
                return super().parse_args(ctx, [*args[: place + 1], THIS_MACHINE, *args[place + 1 :]])
        return super().parse_args(ctx, args)


Source = Annotated[
    str, Argument(metavar="SOURCE", help="CSV, Parquet, .xlsx, .dta, .sav or .sas7bdat of cases; - is CSV from stdin.")
]


@app.command(
    cls=_Score,
    help="Score a file: posteriors and alarm, a row per case.\n\n"
    "Start from the file that `kneebayes template` writes. An empty cell means unknown, never absent.",
)
@options.filled(mapping=options.mapping, thresholds=options.thresholds, intervals=options.intervals)
def score(
    source: Source,
    target: Output = "-",
    rejects: Annotated[str | None, Option(metavar="FILE", help="Where rejected rows go, with the reason.")] = None,
    redact: Annotated[bool, Option("--redact", help="Leave values and case_ids out of the rejects file.")] = False,
    keep: Annotated[list[str] | None, Option(metavar="COLUMN", help="Pass this column on (repeat, or a,b).")] = None,
    ignore: Ignore = None,
    mapping: Any = None,
    columns: Annotated[list[str] | None, Option(metavar="COLUMN", help="Write only these columns (or a,b).")] = None,
    thresholds: Any = None,
    dask: Annotated[
        str | None, Option(metavar="[ADDRESS]", help="Score a folder into a folder by Dask, here or at a scheduler.")
    ] = None,
    intervals: Any = None,
    format: Annotated[
        Literal["table", "fhir-ndjson"], Option(help="fhir-ndjson writes a FHIR Bundle of RiskAssessments a line.")
    ] = "table",
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Run ``kneebayes score``."""
    loaded = load(model)
    choices: dict[str, Any] = {
        "rejects": rejects,
        "redact": redact,
        "keep": options.names(keep),
        "ignore": options.names(ignore),
        "columns": options.names(columns) or None,
        "mapping": mapping,
        "thresholds": thresholds(loaded.file),
        **intervals,
    }
    if format != "table" and (dask is not None or intervals):
        raise OptionError("--format fhir-ndjson goes with neither --dask nor --intervals")
    if dask is None:
        counts = loaded.score_file(source, target, quiet=quiet, format=format, **choices)
    else:
        from kneebayes.distributed import score_files

        counts = score_files(source, target, model=loaded, scheduler=None if dask == THIS_MACHINE else dask, **choices)
    if not quiet:
        _summarise(counts, rejects, loaded, "left out or joined" if mapping.join else "left out")
        if counts.refused and mapping.columns is None:
            say(f"Other words and codes are told by a mapping: kneebayes map {source}")
    if counts.rejected:
        raise typer.Exit(options.SOME_REJECTED)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _summarise(counts: ScoreSummary, rejects: str | None, model: Model, done: str) -> None:
    from kneebayes.cases.mapping import told_of

    left_out = f", {counts.left_out:,} {done} as the mapping says" if counts.left_out else ""
    say(f"{_rows(counts.read)} read: {counts.scored:,} scored, {counts.rejected:,} rejected{left_out}")
    for reason in (*counts.reasons, *_refused(counts)):
        say(f"  {reason}")
    if counts.rejected:
        say(f"  all reasons are in {rejects}" if rejects else "  name a file with --rejects to get all reasons")
    if counts.diagnoses:
        say(f"note: taken as known diagnoses: {', '.join(counts.diagnoses)}; --ignore them if they are what came out")
    for note in told_of(counts.others):
        say(f"note: {note}")
    for warning, rows in counts.warnings.items():
        say(f"warning: {warning} ({_rows(rows)})")
    say(model.file.disclaimer)


def _refused(counts: ScoreSummary) -> list[str]:
    """Say, a column a line, in how many rows which values were not allowed."""
    by_column: dict[str, list[str]] = {}
    for (column, value), n in counts.refused.items():
        by_column.setdefault(column, []).append(f"{repr(value) if value else 'values not shown'} {_rows(n)}")
    return [f"{column}: {', '.join(said)}" for column, said in list(by_column.items())[:MAX_COLUMNS]]


@app.command(
    help="Diagnose one case from what is known of it.\n\n"
    "For example: kneebayes diagnose age=67 sex=male long_travel=yes unilateral_leg_swelling=yes\n\n"
    "`kneebayes model` lists the names and values."
)
@options.filled(thresholds=options.thresholds)
def diagnose(
    facts: Facts = None,
    engine: Annotated[
        Literal["exact", "pgmpy"],
        Option(help="pgmpy asks its VariableElimination instead, to check by (takes seconds)."),
    ] = "exact",
    explain: Annotated[bool, Option("--explain", help="Say what moved the alarm's cause and the likeliest.")] = False,
    target: Annotated[str | None, Option(metavar="CAUSE", help="Explain this cause or none_of_these instead.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    report: Annotated[str | None, Option(metavar="FILE", help="Write one page: .html, or .pdf by Chromium.")] = None,
    thresholds: Any = None,
    map_file: MapFile = None,
    model: ModelOption = None,
) -> None:
    """Run ``kneebayes diagnose``."""
    loaded = load(model)
    dx = loaded.diagnose(options.case(facts), engine=engine, mapping=map_file, thresholds=thresholds(loaded.file))
    explained = dx.explanations([target] if target else None) if explain or target else []
    if as_json:
        more = {"explanations": [explanation.content() for explanation in explained]} if explained else {}
        typer.echo(json.dumps(dx.to_dict() | more, indent=2, ensure_ascii=False))
    else:
        typer.echo("\n\n".join([str(dx), *map(str, explained)]))
    if report is not None:
        dx.report(report)
        say(f"wrote {report}")


@app.command(
    help="List variables, values, questions and sources.\n\n"
    "Without an option: causes, risk factors and findings with their states and questions."
)
def model(
    sources: Annotated[bool, Option("--sources", help="Every number with range, basis and reason.")] = False,
    as_csv: Annotated[bool, Option("--csv", help="With --sources: as CSV.")] = False,
    check: Annotated[str | None, Option(metavar="FILE", help="Say what is wrong in a model file.")] = None,
    new: Annotated[str | None, Option(metavar="NAME", help="Write NAME.yaml, to start your own from.")] = None,
    schema: Annotated[bool, Option("--schema", help="Print the JSON Schema of model files.")] = False,
    card: Annotated[bool, Option("--card", help="Print the model card: use, basis, figures, limits.")] = False,
    diff: Annotated[
        tuple[str, str] | None,
        Option(metavar="OLD NEW", help="In what two models differ, by name or file, and what that moves."),
    ] = None,
    name: ModelOption = None,
) -> None:
    """Run ``kneebayes model``."""
    from kneebayes.spec import listing

    chosen = {"--check": check is not None, "--new": new is not None, "--schema": schema, "--diff": diff is not None}
    for option, given in chosen.items():
        if given and (sources or as_csv or card or name is not None or sum(chosen.values()) > 1):
            takes = {"--check": "takes a file and", "--new": "takes a name and", "--diff": "takes two models and"}
            raise CaseError(f"{option} {takes.get(option, 'takes')} no other option")
    if card and (sources or as_csv):
        raise CaseError("--card takes no other option but --model")
    if as_csv and not sources:
        raise CaseError("--csv goes with --sources")
    if check is not None:
        from kneebayes.inference.tables import tables
        from kneebayes.spec.yaml_io import read_model

        file = read_model(check)
        tables(file)  # refuses what is consistent, but too large to enumerate
        typer.echo(f"ok: {file.name} {file.version}: {listing.size(file)}")
        if (note := listing.miscounted(file)) is not None:
            say(f"{check}: {note}")
    elif new is not None:
        from kneebayes.spec.yaml_io import start_model

        path = start_model(new)
        say(f"wrote {path}: change it, then `kneebayes model --check {shlex.quote(str(path))}`")
    elif schema:
        from kneebayes.spec.yaml_io import schema_text

        typer.echo(schema_text(), nl=False)
    elif diff is not None:
        from kneebayes.evaluation.expectations import compare

        typer.echo(compare(*map(load, diff)))
    elif card:
        from kneebayes.evaluation.card import model_card

        typer.echo(model_card(load(name)), nl=False)
    elif sources:
        file = load(name).file
        typer.echo(listing.sources_csv(file) if as_csv else listing.sources_text(file), nl=not as_csv)
    else:
        typer.echo(listing.describe(load(name).file))


@app.command(
    help="Write a CSV to fill in, with an example row, or a form to collect cases with.\n\n"
    "For example: kneebayes template --format redcap -o knee.csv"
)
def template(
    target: Output = "-",
    format: Annotated[
        Literal["csv", "redcap", "xlsform"],
        Option(
            help="csv is a table with an example row; redcap a data dictionary (.csv); xlsform a form for ODK and "
            "KoboToolbox (.xlsx). Beside a form go the mappings of its exports."
        ),
    ] = "csv",
    model: ModelOption = None,
) -> None:
    """Run ``kneebayes template``."""
    spec = load(model).file
    if format == "csv":
        from kneebayes.learn import simulate

        simulate.write_cases([simulate.template(spec)], target)
        if target != "-":
            said = "replace the example row; `kneebayes model` lists the values, an empty cell is unknown"
            say(f"wrote {target}; {said}")
        return
    from kneebayes.interop.forms import write_form

    form, *mappings = write_form(spec, format, target)
    say(f"wrote {form}; score what its program exports with --map {' or '.join(mappings)}")


@app.command(
    "map",
    help="Draft what the columns and values of your own file mean, to read, mend and give to `score --map`.\n\n"
    "For example: kneebayes map hospital.csv, then an editor, then kneebayes score hospital.csv --map mapping.yaml",
)
@options.filled(read=options.reading)
def map_(
    source: Annotated[str | None, Argument(metavar="SOURCE", help="The file to map, as for `score`.")] = None,
    target: Annotated[str, Option("--output", "-o", metavar="FILE", help="Where the draft goes.")] = "mapping.yaml",
    replace: Annotated[bool, Option("--replace", help="Write over a mapping that is there.")] = False,
    examples: Annotated[bool, Option("--examples", help="Add examples and counts: they are patients' data.")] = False,
    check: Annotated[str | None, Option(metavar="MAPPING", help="Only say what cells become by this mapping.")] = None,
    schema: Annotated[bool, Option("--schema", help="Print the JSON Schema of mapping files.")] = False,
    read: Any = None,
    model: ModelOption = None,
) -> None:
    """Run ``kneebayes map``."""
    from kneebayes.cases.mapping import BoundMapping, CaseMapping

    if schema:
        typer.echo(CaseMapping.schema_text(), nl=False)
        return
    if source is None:
        raise OptionError("name the file to map, as in: kneebayes map hospital.csv")
    if check is None and os.path.exists(target) and not replace:
        raise OptionError(f"{target}: is there already: name another with -o, or --replace it")
    from kneebayes.atomic import STANDARD_STREAM, is_special, plain_path, write_whole
    from kneebayes.scoring.readers import SEPARATORS, read_cases, sniff, source_kind

    source = plain_path(source)
    source_kind(source)
    coder = load(model).scorer.coder
    chosen = CaseMapping.of({} if check is None else check).with_options(read=read)
    if check is not None:
        table = read_cases(source, (), chosen.read).table
        typer.echo(BoundMapping(coder, chosen, table.column_names).dry_run(table))
        return
    from kneebayes.cases.drafting import Drafter

    if source == STANDARD_STREAM or is_special(source):
        raise OptionError(f"{source}: a file to be mapped is looked at before it is read: give a file")
    found = sniff(source)
    reading = chosen.read.model_copy(
        update={k: v for k, v in found.model_dump().items() if getattr(chosen.read, k) is None}
    )
    rows = read_cases(source, (), reading)
    draft = Drafter(coder).draft(rows.table, rows.labels, reading, examples=examples)
    write_whole(target, draft.text)
    said = [
        f"encoding {found.encoding}" if found.encoding else "",
        f"columns separated by {SEPARATORS.get(found.separator, found.separator)}" if found.sep else "",
        f"names in line {' and '.join(map(str, found.header))}" if found.header else "",
        "decimal commas" if found.decimal else "",
    ]
    if any(said):
        say(f"found: {', '.join(filter(None, said))}; it stands under read: in {target}, confirm it there")
    say(f"wrote {target}: {draft.summary}. Read and mend it, then")
    source, target = shlex.quote(source), shlex.quote(target)  # a line to be copied into a shell
    of = "" if model is None else f" --model {shlex.quote(model)}"
    say(f"  kneebayes map {source} --check {target}{of}")
    say(f"  kneebayes score {source} --map {target}{of}")


@app.command(
    help="Draw cases from the model, with cells left empty.\n\n"
    "The cases are people with pain behind the knee. Format by ending: .csv, .csv.gz, .csv.zst or .parquet."
)
def simulate(
    n: Annotated[int, Option("-n", min=0, metavar="N", help="Number of cases.")],
    seed: Annotated[int | None, Option(min=0, metavar="S", help="Same seed, same cases; by default a new one.")] = None,
    target: Output = "-",
    missing: Annotated[
        str, Option(metavar="SHARE", help="Share of cells left empty, or two: RISKS,FINDINGS as in 0.3,0.6.")
    ] = "0.3",
    missing_if: Annotated[
        list[str] | None, Option(metavar="CAUSE=SHARE", help="The same where that cause is (repeat, or a=x,b=y).")
    ] = None,
    prevalence: Annotated[
        list[str] | None, Option(metavar="CAUSE=P", help="Draw where a cause is so frequent (repeat, or a=x,b=y).")
    ] = None,
    with_causes: Annotated[bool, Option("--with-causes", help="Add the drawn causes, as true_<cause>.")] = False,
    label: Annotated[bool, Option("--label", help="Add a leading cause as label, and the others as also.")] = False,
    label_noise: Annotated[float, Option(metavar="SHARE", help="With --label: how many labels are wrong.")] = 0.0,
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Run ``kneebayes simulate``."""
    from kneebayes.learn.simulate import simulate_batches, write_cases

    seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    batches = simulate_batches(
        load(model).file,
        n,
        seed=seed,
        missing=options.shares(missing),
        missing_if=options.numbers("--missing-if", missing_if),
        prevalence=options.numbers("--prevalence", prevalence),
        with_causes=with_causes,
        label=label,
        label_noise=label_noise,
    )
    write_cases(batches, target)
    if not quiet:
        say(f"{n:,} cases, seed {seed}")


@app.command(
    help="Ask a person: the most useful question next.\n\n"
    "The questions that matter for a clot come first. What is known already may be given as NAME=VALUE."
)
@options.filled(thresholds=options.thresholds)
def ask(
    facts: Facts = None,
    save: Annotated[str | None, Option(metavar="FILE", help="Add the case to this CSV, made if need be.")] = None,
    case_id: Annotated[str | None, Option(metavar="ID", help="Name of the case; by default time and chance.")] = None,
    stop_below: Annotated[
        float, Option(metavar="P", help="Stop where no answer changes alarm or likeliest cause with this probability.")
    ] = STOP_BELOW,
    thresholds: Any = None,
    model: ModelOption = None,
) -> None:
    """Run ``kneebayes ask``."""
    if sys.stdin is None:
        raise CaseError("standard input is closed, so nobody can answer: `kneebayes diagnose` takes what is known")
    options.need_output()
    from kneebayes.ui import ask

    loaded = load(model)
    chosen = thresholds(loaded.file)
    ask.ask(loaded, options.case(facts), save=save, case_id=case_id, stop_below=stop_below, thresholds=chosen)


@app.command(
    help="Explore a case by clicking, on a page in the browser.\n\n"
    "It is served to this machine alone, loads nothing from elsewhere, and keeps nothing. Ctrl+C ends it."
)
@options.filled(thresholds=options.thresholds)
def explore(
    facts: Facts = None,
    port: Annotated[int, Option(min=0, max=65535, help="Of the page; by default one that is free.")] = 0,
    browser: Annotated[bool, Option(help="Whether to open the page.")] = True,
    thresholds: Any = None,
    model: ModelOption = None,
) -> None:
    """Run ``kneebayes explore``."""
    from kneebayes.ui.explorer import Explorer, ExplorerServer

    loaded = load(model)
    explorer = Explorer(loaded, case=options.case(facts), thresholds=thresholds(loaded.file))
    try:
        server = ExplorerServer(explorer, port)
    except OSError as error:
        raise OptionError(f"--port {port}: {error.strerror}: give another, or none") from None
    with server:
        say(f"The explorer is at {server.address}  (Ctrl+C ends it)")
        if browser:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")


@app.command(
    help="Measure the model on labelled cases: accuracy, calibration, alarm, net benefit.\n\n"
    "Labels: a column 'label' of causes or none_of_these ('also' names further ones, joined by ;),\n"
    "or a column true_<cause> of states for each, of which cells may be empty, or both."
)
@options.filled(mapping=options.mapping, thresholds=options.thresholds)
def evaluate(
    source: Source,
    label: Annotated[str, Option(metavar="COLUMN", help="The column of leading causes.")] = "label",
    baselines: Annotated[
        bool, Option("--baselines", help="Compare with the Wells score, the rule of any symptom, and classifiers.")
    ] = False,
    model2: Annotated[list[str] | None, Option(metavar="NAME|FILE", help="Compare with this model (or more).")] = None,
    report: Annotated[str | None, Option(metavar="FILE", help="Write tables and plots as one HTML file.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, Option("--csv", help="Print CSV, a figure a row.")] = False,
    ignore: Ignore = None,
    outcome_columns: Annotated[
        list[str] | None,
        Option(metavar="CAUSE", help="Causes whose columns hold what came out, and are no evidence (or a,b)."),
    ] = None,
    mapping: Any = None,
    bootstrap: Annotated[int | None, Option(min=0, metavar="N", help="Resamples for intervals; 0 for none.")] = None,
    seed: Annotated[int, Option(min=0, metavar="S", help="Of resamples and cross-validation.")] = 0,
    thresholds: Any = None,
    model: ModelOption = None,
) -> None:
    """Run ``kneebayes evaluate``."""
    from kneebayes.evaluation.evaluate import check_report
    from kneebayes.evaluation.evaluate import evaluate as assess

    if as_json and as_csv:
        raise CaseError("--json and --csv are two ways to print the same: give one")
    options.need_output()
    if report is not None:
        check_report(report)  # now, not after the work
    loaded, left_out = load(model), options.names(ignore)
    cases = _cases(source, loaded, left_out, mapping, label)
    result = assess(
        loaded,
        cases.table,
        label=label,
        thresholds=thresholds(loaded.file),
        baselines=baselines,
        against=[load(name) for name in model2 or []],
        ignore=left_out,
        bootstrap=bootstrap,
        seed=seed,
        errors="null",
        mapping=mapping,
        outcome_columns=options.names(outcome_columns),
    )
    for note in result.notes if as_csv else result.notes[:1] if as_json and result.given else ():
        say(f"note: {note}")
    typer.echo(result.to_json() if as_json else (result.to_csv() or "").rstrip("\n") if as_csv else str(result))
    if report is not None:
        result.report(report)
        say(f"wrote {report}")
    if refused := cases.problems + cases.placed(result.problems):
        _say_refused(refused, "left out")
        say(f"{_rows(len({problem.row for problem in refused}))} left out in all")
        raise typer.Exit(options.SOME_REJECTED)


def _cases(source: str, model: Model, ignore: list[str], mapping: Any, *further: str) -> Rows:
    """Read a whole file of cases; ``further`` are columns that are known besides the model's."""
    from kneebayes.scoring.readers import read_cases, refuse_headless

    cases = read_cases(source, ignore, mapping.read)
    if mapping.columns is None:
        refuse_headless(source, model.scorer.coder, cases.table.column_names, [*ignore, *further])
    return cases


def _learn(learn: Callable[..., Any], source: str, model: Model, ignore: list[str], mapping: Any, *further: str) -> Any:
    """Learn from a whole file of cases, in which no row may be refused; the rest is as for `_cases`."""
    cases = _cases(source, model, ignore, mapping, *further)
    try:
        if not cases.problems:
            return learn(cases.table, ignore=ignore, mapping=mapping)
        problems: Sequence[Problem] = cases.problems
    except CaseError as error:
        if not error.problems:
            raise
        problems = error.problems
    rows = len({problem.row for problem in problems})
    _say_refused(problems, "refused")
    raise CaseError(
        f"{source}: {_rows(rows)} of {cases.n_read:,} can't be used, and nothing was done, as the rest may not stand "
        "for all: mend what is named, or take those rows out of the file"
    )


def _say_refused(problems: Sequence[Problem], what: str) -> None:
    for p in sorted(problems, key=attrgetter("row", "column", "plain"))[:MAX_SHOWN]:
        say(f"{what}: data row {p.row + 1}{f', column {p.column!r}' if p.column else ''}: {p.plain}")


@app.command(
    help="Let cases move the numbers of the model, and write it to a file.\n\n"
    "For example: kneebayes fit cases.csv -o learned.yaml, then kneebayes score new.csv --model learned.yaml\n\n"
    "Cells and labels may be missing; labels are as for evaluate. A row that can't be read ends it: mend it first."
)
@options.filled(mapping=options.mapping)
def fit(
    source: Source,
    target: Annotated[str, Option("--output", "-o", metavar="FILE", help="Where the model goes: a .yaml file.")],
    label: Annotated[str, Option(metavar="COLUMN", help="The column of leading causes.")] = "label",
    prior_weight: Annotated[
        float, Option(metavar="W", help="How much more the model counts than its ranges say; 0 for nothing.")
    ] = 1.0,
    risk_factors: Annotated[bool, Option("--risk-factors", help="Fit how frequent risk factors are too.")] = False,
    ignore: Ignore = None,
    mapping: Any = None,
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Run ``kneebayes fit``."""
    from kneebayes.spec.yaml_io import model_target

    model_target(target)  # refuses now, not after the work
    options.need_output()
    loaded, shown = load(model), False if quiet else None
    learn = partial(loaded.fit, prior_weight=prior_weight, risk_factors=risk_factors, label=label, progress=shown)
    fitted = _learn(learn, source, loaded, options.names(ignore), mapping, label)
    fitted.save(target)
    typer.echo(str(fitted.fit_report))
    if not quiet:
        say(f"wrote {target}")
        say(loaded.file.disclaimer)


@app.command(
    help="Show what the model misjudges in cases that it was not fitted to.\n\n"
    "A row for a finding, or for a pair of them, the most misjudged first: the share of cases with it, the share that "
    "the model expects from all else known of them, and z, their difference in standard deviations: few are beyond 3 "
    "where the model is right."
)
@options.filled(mapping=options.mapping)
def check(
    source: Source,
    pairs: Annotated[bool, Option(help="Check pairs of findings too.")] = True,
    labels: Annotated[bool, Option(help="Take labels, where there are any, as known.")] = True,
    least: Annotated[int, Option(metavar="N", help="Leave out what is known in fewer cases.")] = 20,
    as_csv: Annotated[bool, Option("--csv", help="Print all rows, as CSV.")] = False,
    ignore: Ignore = None,
    mapping: Any = None,
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Run ``kneebayes check``."""
    loaded = load(model)
    learn = partial(loaded.check, pairs=pairs, labels=labels, least=least)
    table = _learn(learn, source, loaded, options.names(ignore), mapping)
    if as_csv:
        typer.echo(table.to_csv(index=False), nl=False)
    elif table.empty:
        typer.echo(f"nothing to check: no finding is known in {least:,} cases or more (--least)")
    else:
        shown = table.head(MAX_CHECKED).astype({"other": object}).fillna({"other": ""})
        typer.echo(shown.to_string(index=False, float_format="{:.3f}".format))
        if len(table) > len(shown):
            typer.echo(f"and {_rows(len(table) - len(shown))} more: --csv prints all")
    if not quiet:
        say(loaded.file.disclaimer)


@app.command(
    help="Write the network for other programs, with its labels beside it.\n\n"
    "For example: kneebayes export --format xdsl -o knee.xdsl\n\n"
    "bif, xmlbif and net for most programs (pyAgrum calls xmlbif .bifxml), xdsl for GeNIe, uai for solvers."
)
def export(
    target: Annotated[
        str, Option("--output", "-o", metavar="FILE", help="A file; - is stdout, without labels, and needs --format.")
    ],
    format: Annotated[
        Literal["bif", "xmlbif", "net", "xdsl", "uai", "json"] | None,
        Option(help="By default what the ending of FILE says."),
    ] = None,
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Run ``kneebayes export``."""
    paths = load(model).export(target, format)
    if not quiet:
        said = " and ".join(map(str, paths))
        say(
            f"wrote {said}"
            if said != "-" or format == "json"
            else "wrote the network to standard output; its labels go beside a file only"
        )


@app.command(
    "import",
    help="Make a model file of a network, and say what could not be kept.\n\n"
    "The network must be risk factors -> causes -> findings, with tables of leaky noisy-ORs (findings: noisy-MAXs).",
)
def import_(
    source: Annotated[str, Argument(metavar="SOURCE", help="BIF, XMLBIF, NET, XDSL, UAI or JSON, by ending.")],
    target: Annotated[str, Option("--output", "-o", metavar="FILE", help="The model file to write, .yaml.")],
    labels: Annotated[
        str | None, Option(metavar="FILE", help="What `export` wrote beside it; by default SOURCE.labels.json.")
    ] = None,
    causes: Annotated[list[str] | None, Option(metavar="NODE", help="Which nodes are causes (repeat, or a,b).")] = None,
    complaint: Annotated[str | None, Option(metavar="NODE", help="The finding that is assumed to be present.")] = None,
    absent: Annotated[
        list[str] | None,
        Option(metavar="NODE=STATE", help="Which state is absence; STATE alone: of all nodes that have it."),
    ] = None,
    tolerance: Annotated[float, Option(metavar="P", help="How far columns may miss 1 in a file of few digits.")] = 1e-9,
) -> None:
    """Run ``kneebayes import``."""
    from kneebayes.model import import_network

    form = "a state: write NODE=STATE, or STATE for all nodes that have it"
    made = import_network(
        source,
        labels=labels,
        causes=options.names(causes) or None,
        complaint=complaint,
        absent=options.pairs("--absent: ", [said if "=" in said else f"*={said}" for said in absent or []], form),
        tolerance=tolerance,
    )
    made.save(target)
    say("\n".join([*made.file.provenance, f"wrote {target}"]))
