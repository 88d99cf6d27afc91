"""The commands for studies: simulated and labelled cases."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kneebayes import options
from kneebayes.commands import (
    SOME_REJECTED,
    Caution,
    HarmFalseAlarm,
    HarmMiss,
    ModelOption,
    Output,
    Quiet,
    Urgent,
    load,
    say,
)
from kneebayes.errors import CaseError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from kneebayes.rejects import Reject

__all__ = ["read_cases"]  # the commands are reached through cli; their docstrings are their help

CHUNK_ROWS = 1 << 16
MOST_SHOWN = 5
Columns = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Leave this column out (repeat, or a,b).")]


def simulate(
    n: Annotated[int, typer.Option("-n", min=0, metavar="N", help="Number of cases.")],
    seed: Annotated[
        int | None, typer.Option(min=0, metavar="S", help="The same seed gives the same cases; by default a new one.")
    ] = None,
    target: Output = "-",
    missing: Annotated[
        str, typer.Option(metavar="SHARE", help="Share of cells left empty, or two: RISKS,FINDINGS as in 0.3,0.6.")
    ] = "0.3",
    missing_if: Annotated[
        list[str] | None, typer.Option(metavar="CAUSE=SHARE", help="The same where that cause is (repeat, or a=x,b=y).")
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(metavar="CAUSE=P", help="Draw where a cause is so frequent (repeat, or a=x,b=y)."),
    ] = None,
    with_causes: Annotated[bool, typer.Option("--with-causes", help="Add the drawn causes, as true_<cause>.")] = False,
    label: Annotated[
        bool, typer.Option("--label", help="Add a leading cause as label, and the others as also.")
    ] = False,
    label_noise: Annotated[float, typer.Option(metavar="SHARE", help="With --label: how many labels are wrong.")] = 0.0,
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Draw cases from the model, with cells left empty.

    The cases are people with pain behind the knee. Format by ending: .csv, .csv.gz, .csv.zst or .parquet.
    """
    from kneebayes.simulation import simulate_batches, write_cases

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


def evaluate(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="CSV or Parquet of labelled cases; - is stdin.")],
    label: Annotated[str, typer.Option(metavar="COLUMN", help="The column of leading causes.")] = "label",
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="Compare with the Wells score, the rule of any symptom, and classifiers."),
    ] = False,
    model2: Annotated[
        list[str] | None, typer.Option(metavar="NAME|FILE", help="Compare with this model (repeat for more).")
    ] = None,
    report: Annotated[str | None, typer.Option(metavar="FILE", help="Write tables and plots as one HTML file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a figure a row.")] = False,
    ignore: Columns = None,
    bootstrap: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Resamples behind the intervals; 0 for none.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Of resamples and cross-validation.")] = 0,
    caution: Caution = None,
    urgent: Urgent = None,
    harm_miss: HarmMiss = None,
    harm_false_alarm: HarmFalseAlarm = None,
    model: ModelOption = None,
) -> None:
    """Measure the model on labelled cases: accuracy, calibration, alarm, net benefit.

    Labels: a column 'label' of causes or none_of_these ('also' names further ones, joined by ;),
    or a column true_<cause> of states for each, of which cells may be empty, or both.
    """
    from kneebayes.assessment import evaluate as assess
    from kneebayes.redaction import Redactor, refuse_headless
    from kneebayes.report import check_report

    if as_json and as_csv:
        raise CaseError("--json and --csv are two ways to print the same: give one")
    if report is not None:
        check_report(report)  # now, not after the work
    loaded = load(model)
    left_out = options.names(ignore)
    cases, positions, unreadable = read_cases(source, left_out)
    refuse_headless(source, loaded.file, cases.column_names, [*left_out, label])
    result = assess(
        loaded,
        cases,
        label=label,
        thresholds=options.thresholds(
            loaded.file, caution=caution, urgent=urgent, harm_miss=harm_miss, harm_false_alarm=harm_false_alarm
        ),
        baselines=baselines,
        against=[load(name) for name in model2 or []],
        ignore=left_out,
        bootstrap=bootstrap,
        seed=seed,
        errors="null",
    )
    typer.echo(result.to_json() if as_json else (result.to_csv() or "").rstrip("\n") if as_csv else str(result))
    if report is not None:
        result.report(report)
        say(f"wrote {report}")
    plain = Redactor(loaded.file).reason
    refused = [(reject.row, reject.column, reject.reason) for reject in unreadable]
    refused += [(int(positions[p.row]), p.column, plain(p.column, p.reason)) for p in result.problems]
    for row, column, reason in sorted(refused)[:MOST_SHOWN]:
        say(f"left out: data row {row + 1}{f', column {column!r}' if column else ''}: {reason}")
    if refused:
        say(f"{len({row for row, _, _ in refused}):,} rows left out in all")
        raise typer.Exit(SOME_REJECTED)


def read_cases(path: str, ignore: list[str]) -> tuple[pa.Table, NDArray[np.intp], list[Reject]]:
    """Read a whole file of cases.

    Parameters
    ----------
    path : str
        CSV or Parquet, or ``-``.
    ignore : list of str
        Columns to leave out.

    Returns
    -------
    pyarrow.Table
        The rows that could be read.
    ndarray of int
        The place of each in the file, from 0.
    list of Reject
        The others; ``row`` is the place in the file, from 0.

    Raises
    ------
    FileFormatError
        If the file is not a table.
    """
    from dataclasses import replace

    import numpy as np
    import pyarrow as pa

    from kneebayes.files import open_source
    from kneebayes.paths import file_stamp, refuse_changed

    stamp = file_stamp(path)
    source = open_source(path, chunk_rows=CHUNK_ROWS)
    try:
        source.leave_out(ignore)
        tables: list[Any] = [source.empty()]
        places: list[NDArray[np.intp]] = [np.zeros(0, dtype=np.intp)]
        rejects: list[Reject] = []
        n_read = 0
        for piece in source.pieces():
            rows = source.parse(piece)
            tables.append(rows.table)
            places.append(rows.positions + n_read)
            rejects += [replace(reject, row=reject.row + n_read) for reject in rows.rejects]
            n_read += rows.n_read
    finally:
        source.close()
    refuse_changed(path, stamp)
    table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    return table, np.concatenate(places), rejects
