"""What the commands share: options, errors as one line, exit codes.

Exit codes: 0 done; 1 some rows rejected; 2 nothing done; 70 nothing done, by a
defect of kneebayes; 130, 143 and 129 stopped by a signal; 141 the reader went.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from kneebayes.errors import DefectError, KneeBayesError, defect

if TYPE_CHECKING:
    from kneebayes.api import Model

__all__ = [
    "HUNG_UP",
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

SOME_REJECTED, NOTHING_DONE, DEFECT, HUNG_UP, INTERRUPTED, PIPE_CLOSED, TERMINATED = 1, 2, 70, 129, 130, 141, 143

# Control characters, but for tab and line feed; zero-width and bidirectional ones, and the byte order mark.
_UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

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
            _end_output()
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _end_output()  # the reader has gone, as in `kneebayes model | head`
            raise typer.Exit(PIPE_CLOSED) from None
        except (KneeBayesError, OSError, MemoryError) as error:
            said = f"not enough memory {error}".rstrip() if isinstance(error, MemoryError) else str(error)
            say(f"kneebayes: {said}")
            _end_output()
            raise typer.Exit(NOTHING_DONE) from None
        except Exception as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # typer's own
                raise
            told = error if isinstance(error, DefectError) else defect(error, f"running {ctx.invoked_subcommand}")
            if told is None:
                raise
            say(f"kneebayes: {told}")
            _end_output()
            raise typer.Exit(DEFECT) from None


def _end_output() -> None:
    """Write what is left to standard output, or let it go, lest the interpreter tries again at its end, and fails."""
    try:
        sys.stdout.flush()
    except OSError:
        _let_go(sys.stdout)


def _let_go(stream: TextIO) -> None:
    with suppress(OSError, ValueError):  # a stream of a notebook or a test has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
    """Write a line to standard error, if anybody listens.

    Parameters
    ----------
    text : str
        Without the end of line. Names and words come from files of others:
        what would steer the terminal, or can't be seen, is escaped.
    """
    try:
        typer.echo(_UNSEEN.sub(lambda found: repr(found[0])[1:-1], text), err=True)
    except OSError:  # a closed pipe or a full disk changes nothing about what was done
        _let_go(sys.stderr)
