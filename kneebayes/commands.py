"""What the commands share: options, errors as one line, exit codes.

Exit codes: 0 done; 1 some rows rejected; 2 nothing done; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from kneebayes.errors import KneeBayesError

if TYPE_CHECKING:
    from kneebayes.api import Model

__all__ = [
    "SOME_REJECTED",
    "TERMINATED",
    "Caution",
    "Commands",
    "Facts",
    "HarmFalseAlarm",
    "HarmMiss",
    "ModelOption",
    "Output",
    "Quiet",
    "Urgent",
    "load",
    "say",
]

SOME_REJECTED, NOTHING_DONE, INTERRUPTED, PIPE_CLOSED, TERMINATED = 1, 2, 130, 141, 143

Facts = Annotated[
    list[str] | None, typer.Argument(metavar="NAME=VALUE", help="What is known, as in age=67 calf_pain=yes.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME|FILE", help="A model that ships with kneebayes, or a model file.")
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on standard error.")]
Caution = Annotated[float | None, typer.Option(metavar="P", help="Alarm at caution from this probability on.")]
Urgent = Annotated[float | None, typer.Option(metavar="P", help="Alarm at urgent from this probability on.")]
HarmMiss = Annotated[float | None, typer.Option(metavar="H", help="Harm of a miss: sets --caution, with the next.")]
HarmFalseAlarm = Annotated[float | None, typer.Option(metavar="H", help="Harm of a false alarm, in the same unit.")]


class Commands(TyperGroup):
    """Commands whose errors become one line and an exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            say(f"kneebayes: {str(stop) or 'stopped'}")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # the reader has gone, as in `kneebayes model | head`: keep the interpreter from flushing into it again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(PIPE_CLOSED) from None
        except (KneeBayesError, OSError) as error:
            say(f"kneebayes: {error}")
            raise typer.Exit(NOTHING_DONE) from None


def load(model: str | None) -> Model:
    """Load the model that an option names.

    Parameters
    ----------
    model : str or None
        A name or path; None for the default.

    Returns
    -------
    Model
        Ready for use.
    """
    from kneebayes.api import load_model

    return load_model(model)


def say(text: str) -> None:
    """Write a line to standard error.

    Parameters
    ----------
    text : str
        Without the end of line.
    """
    typer.echo(text, err=True)
