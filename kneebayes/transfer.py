"""The commands for the files of other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from kneebayes import options
from kneebayes.commands import ModelOption, Quiet, load, say

__all__: list[str] = []  # the commands are reached through cli; their docstrings are their help


class Format(StrEnum):
    """Exchange formats."""

    bif = "bif"
    xmlbif = "xmlbif"
    net = "net"
    xdsl = "xdsl"
    uai = "uai"
    json = "json"


def export(
    target: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write.")],
    format: Annotated[Format | None, typer.Option(help="By default what the ending of FILE says.")] = None,
    model: ModelOption = None,
    quiet: Quiet = False,
) -> None:
    """Write the network for other programs, with its labels beside it.

    For example: kneebayes export --format xdsl -o knee.xdsl

    bif, xmlbif and net for most programs (pyAgrum calls xmlbif .bifxml), xdsl for GeNIe, uai for solvers.
    """
    paths = load(model).export(target, None if format is None else format.value)
    if not quiet:
        say(f"wrote {' and '.join(map(str, paths))}")


def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="BIF, XMLBIF, NET, XDSL, UAI or JSON, by ending.")],
    target: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The model file to write, .yaml.")],
    labels: Annotated[
        str | None, typer.Option(metavar="FILE", help="What `export` wrote beside it; by default SOURCE.labels.json.")
    ] = None,
    causes: Annotated[
        list[str] | None, typer.Option(metavar="NODE", help="Which nodes are the causes (repeat, or a,b).")
    ] = None,
    complaint: Annotated[
        str | None, typer.Option(metavar="NODE", help="The finding that is present unless a case says otherwise.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(metavar="P", help="How far columns may miss 1 in a file of few digits.")
    ] = None,
) -> None:
    """Make a model file of a network, and say what could not be kept.

    The network must be risk factors -> causes -> findings, with tables that are leaky noisy-ORs.
    """
    from kneebayes.cpt import COLUMN_TOLERANCE
    from kneebayes.imported import import_model
    from kneebayes.modeltext import write_model

    file = import_model(
        source,
        labels=labels,
        causes=options.names(causes) or None,
        complaint=complaint,
        tolerance=COLUMN_TOLERANCE if tolerance is None else tolerance,
    )
    write_model(file, target)
    say("\n".join([*file.provenance, f"wrote {target}"]))
