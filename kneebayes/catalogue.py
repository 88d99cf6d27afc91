"""The command for models: what is in one, whether one is sound, a first one of one's own."""

from __future__ import annotations

from typing import Annotated

import typer

from kneebayes import commands
from kneebayes.commands import load, say
from kneebayes.errors import CaseError

__all__: list[str] = []  # the command is reached through cli; its docstring is its help


def model(
    sources: Annotated[bool, typer.Option("--sources", help="Every number with range, basis and reason.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="With --sources: as CSV.")] = False,
    check: Annotated[str | None, typer.Option(metavar="FILE", help="Say what is wrong in a model file.")] = None,
    new: Annotated[str | None, typer.Option(metavar="NAME", help="Write NAME.yaml, to start your own from.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of model files.")] = False,
    name: commands.ModelOption = None,
) -> None:
    """List variables, values, questions and sources.

    Without an option: causes, risk factors and findings with their states and questions.
    """
    from kneebayes import listing

    chosen = {"--check": check is not None, "--new": new is not None, "--schema": schema}
    for option, given in chosen.items():
        if given and (sources or as_csv or name is not None or sum(chosen.values()) > 1):
            takes = "takes a file and" if option == "--check" else "takes a name and" if option == "--new" else "takes"
            raise CaseError(f"{option} {takes} no other option")
    if as_csv and not sources:
        raise CaseError("--csv goes with --sources")
    if check is not None:
        from kneebayes.modelfile import read_model
        from kneebayes.tables import tables

        file = read_model(check)
        tables(file)  # refuses what is consistent, but too large to enumerate
        typer.echo(f"ok: {file.name} {file.version}: {listing.size(file)}")
    elif new is not None:
        from kneebayes.starter import start_model

        path = start_model(new)
        say(f"wrote {path}: change it, then `kneebayes model --check {path}`")
    elif schema:
        from kneebayes.schema import schema_text

        typer.echo(schema_text(), nl=False)
    elif sources:
        file = load(name).file
        typer.echo(listing.sources_csv(file) if as_csv else listing.sources_text(file), nl=not as_csv)
    else:
        typer.echo(listing.describe(load(name).file))
