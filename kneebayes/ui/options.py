"""What the words of a command line mean: cases, columns, shares and thresholds.

Exit codes: 0 done; 1 some rows rejected; 2 nothing done; 70 nothing done, by a
defect of kneebayes; 130, 143 and 129 stopped by a signal; 141 the reader went.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer import Argument, Option
from typer.core import TyperGroup

from kneebayes.errors import CaseError, DefectError, KneeBayesError, OptionError, ThresholdError, defect, nearest

if TYPE_CHECKING:
    from kneebayes.model import Model

SOME_REJECTED, NOTHING_DONE, DEFECT, HUNG_UP, INTERRUPTED, PIPE_CLOSED, TERMINATED = 1, 2, 70, 129, 130, 141, 143

# Control characters, but for tab and line feed; zero-width and bidirectional ones, and the byte order mark.
_UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def _complete(ctx: Any, incomplete: str) -> list[str]:
    """Offer the names of a model, then the values of the one that was begun."""
    spec = load(ctx.params.get("model")).file
    name, equals, _ = incomplete.partition("=")
    if not equals:
        return [f"{known}=" for known in spec.askable if known.startswith(name)]
    states = spec.askable[name].states if name in spec.askable else ()
    return [said for state in states if (said := f"{name}={state}").startswith(incomplete)]


def _complete_model(incomplete: str) -> list[str]:
    """Offer the models that ship, then model files and folders."""
    from glob import escape, glob

    from kneebayes.spec.yaml_io import shipped_models

    files = [f"{path}/" if os.path.isdir(path) else path for path in sorted(glob(f"{escape(incomplete)}*"))]
    names = [name for name in shipped_models() if name.startswith(incomplete)]
    return names + [path for path in files if path.endswith(("/", ".yaml", ".yml"))]


Facts = Annotated[
    list[str] | None,
    Argument(metavar="NAME=VALUE", help="What is known, as in age=67 calf_pain=yes.", autocompletion=_complete),
]
ModelOption = Annotated[
    str | None,
    Option("--model", metavar="NAME|FILE", help="A model that ships, or a model file.", autocompletion=_complete_model),
]
Ignore = Annotated[
    list[str] | None, Option(metavar="COLUMN", help="Leave this column out (or a,b); patterns: 'lab_*'.")
]
IgnoreOthers = Annotated[bool, Option("--ignore-others", help="Leave out all columns that are not known.")]
MapFile = Annotated[str | None, Option("--map", metavar="FILE", help="What your columns and values mean; see `map`.")]
Sep = Annotated[str | None, Option(metavar="SIGN", help="What separates the columns of a CSV: ; or tab.")]
Decimal = Annotated[str | None, Option(metavar="SIGN", help="The decimal sign of numbers, . or ,")]
Encoding = Annotated[str | None, Option(metavar="NAME", help="Of a CSV: cp1252, utf-16, latin-1; else UTF-8.")]
Sheet = Annotated[str | None, Option(metavar="NAME", help="Of a workbook; by default the first.")]
Header = Annotated[str | None, Option(metavar="LINE", help="The line or row of the names, from 1; 1,2 joins two.")]
Missing = Annotated[list[str] | None, Option("--na", metavar="WORD", help="What is no value, as -9 (repeat, or a,b).")]
Output = Annotated[str, Option("--output", "-o", metavar="FILE", help="Where to write; - is standard output.")]


def _hush(quiet: bool) -> bool:
    if quiet:
        warnings.simplefilter("ignore")
    return quiet


Quiet = Annotated[bool, Option("--quiet", "-q", callback=_hush, help="Only errors on standard error.")]
Caution = Annotated[float | None, Option(metavar="P", help="Alarm at caution from this probability on.")]
Urgent = Annotated[float | None, Option(metavar="P", help="Alarm at urgent from this probability on.")]
HarmMiss = Annotated[float | None, Option(metavar="H", help="Harm of a miss: sets --caution, with the next.")]
HarmFalseAlarm = Annotated[float | None, Option(metavar="H", help="Harm of a false alarm, in the same unit.")]


class Commands(TyperGroup):
    """Commands whose errors become one line and an exit code, never a traceback."""

    def make_context(self, *words: Any, **more: Any) -> Any:
        """Read the command line, which already prints what ``--help`` and ``--version`` ask for."""
        with _ending_in_a_line(lambda: "reading the command line"):
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _ending_in_a_line(lambda: f"running {ctx.invoked_subcommand}"):
            return super().invoke(ctx)


@contextmanager
def _ending_in_a_line(doing: Callable[[], str]) -> Iterator[None]:
    try:
        yield
        return
    except KeyboardInterrupt as stop:
        said, code = str(stop) or "stopped", INTERRUPTED
    except BrokenPipeError:
        said, code = "", PIPE_CLOSED  # the reader has gone, as in `kneebayes model | head`
    except (KneeBayesError, OSError, MemoryError) as error:
        said, code = str(error), NOTHING_DONE
        if isinstance(error, MemoryError):
            said = f"not enough memory {error}".rstrip()
        elif isinstance(error, OSError) and error.errno == errno.EBADF:
            said = "standard output is closed: name a file with -o, or open it"
    except Exception as error:
        if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # typer's own
            _reword(error)
            raise
        told = error if isinstance(error, DefectError) else defect(error, doing())
        if told is None:
            raise
        said, code = str(told), DEFECT if isinstance(told, DefectError) else NOTHING_DONE
    if said:
        say("kneebayes: " + said.replace("\n", "\\n"))  # a name with a line end in it would forge another line
    _end_output()
    raise typer.Exit(code)


def _reword(error: Any) -> None:
    """Say which value of an option is wrong, and the nearest right one: typer hands on what pydantic says, or less."""
    if hasattr(error.__cause__, "errors"):  # pydantic's, which is not waited for
        problem = error.__cause__.errors()[0]
        said, value = problem["msg"].removeprefix("Value error, "), problem["input"]
        choices = re.findall(r"'([^']+)'", said.partition(" is not one of ")[2])
        error.message = f"{said}{nearest(value, choices)}" if choices else f"{value!r}: {said}"


def fill_closed_streams() -> None:
    """Put something in the place of closed standard streams, or the next file would be taken for one of them.

    What goes to standard error is lost, what goes to standard output is refused, and standard input stays None.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free number
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115 - as long as we run
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def need_output() -> None:
    """Refuse a standard output that is closed, before work of which the result would be lost there."""
    os.write(1, b"")


def _end_output() -> None:
    """Write what is left to standard output, or let it go: the interpreter would try again at its end, and fail."""
    try:
        sys.stdout.flush()
    except OSError:
        _let_go(sys.stdout)


def _let_go(stream: TextIO) -> None:
    with suppress(OSError, ValueError):  # a stream of a notebook or a test has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Write a line to standard error, if anybody listens.

    Names and words come from files of others: what would steer the terminal, or can't be seen, is escaped.
    """
    try:
        typer.echo(_UNSEEN.sub(lambda found: repr(found[0])[1:-1], text), err=True)
    except (OSError, ValueError):  # a closed pipe or a full disk changes nothing about what was done
        _let_go(sys.stderr)


def load(model: str | None) -> Model:
    """Load the model that an option names; None is the default."""
    from kneebayes.model import load_model

    return load_model(model)


def names(values: Iterable[str] | None) -> list[str]:
    """Read an option that is repeated, or lists names with commas, or both.

    >>> names(["a, b", "c"])
    ['a', 'b', 'c']
    """
    return [name.strip() for value in values or [] for name in value.split(",") if name.strip()]


def case(facts: Iterable[str] | None) -> dict[str, str]:
    """Read a case, each fact as NAME=VALUE, not checked against a model."""
    form = "NAME=VALUE: write for example calf_pain=yes, without blanks around the ="
    return pairs("", facts or [], form, empty=True)


def pairs(option: str, values: Iterable[str], form: str, *, empty: bool = False) -> dict[str, str]:
    """Read pairs of a form such as NAME=VALUE, each name once; ``option`` begins what is said of a wrong one."""
    known: dict[str, str] = {}
    for text in values:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name or not (equals if empty else value):
            raise CaseError(f"{option}'{text}' is not {form}")
        if name in known:
            raise CaseError(f"{option}'{name}' is given twice: {known[name]} and {value}")
        known[name] = value
    return known


def numbers(option: str, values: Iterable[str] | None) -> dict[str, float]:
    """Read an option that gives names numbers, repeated or with commas, not checked against a model.

    >>> numbers("--prevalence", ["dvt=0.12,leg_cramps=0.2"])
    {'dvt': 0.12, 'leg_cramps': 0.2}
    """
    form = "NAME=NUMBER: write for example dvt=0.12"
    found = pairs(f"{option}: ", names(values), form)
    try:
        return {name: float(value) for name, value in found.items()}
    except ValueError:
        raise CaseError(f"{option}: '{', '.join(values or [])}' is not {form}") from None


def intervals(
    intervals: Annotated[
        float | None, Option(metavar="PERCENT", help="Add intervals over the plausible ranges of the model, as in 90.")
    ] = None,
    draws: Annotated[int, Option(metavar="N", help="For intervals: plausible models to draw.")] = 200,
    seed: Annotated[int, Option(min=0, metavar="S", help="For intervals: seed of the draws.")] = 0,
) -> dict[str, Any]:
    """Say which intervals to add, if any, as `Model.score` takes it."""
    if intervals is None:
        return {}
    if not 1.0 <= intervals < 100.0:
        raise OptionError(f"--intervals {intervals:g}: give a percentage from 1 to under 100, such as 90")
    return {"intervals": intervals / 100, "draws": draws, "seed": seed}


def shares(text: str) -> float | tuple[float, float]:
    """Read the share of cells to leave empty: one number, or risk factors' and findings' with a comma between."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) == 1:
        return found[0]
    if len(found) == 2:
        return found[0], found[1]
    raise CaseError(f"--missing {text}: one share, or one for risk factors and one for findings, as in 0.3,0.6")


def reading(
    sep: Sep = None, decimal: Decimal = None, encoding: Encoding = None, sheet: Sheet = None, header: Header = None
) -> dict[str, Any]:
    """Say how a file is to be read, as far as options do."""
    lines = None if header is None else header.split(",")
    given = {"sep": sep, "decimal": decimal, "encoding": encoding, "sheet": sheet, "header": lines}
    return {name: value for name, value in given.items() if value is not None}


def filled(**makers: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command, or what makes an argument of one, in the place of these arguments the options that make them."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = signature(command, eval_str=True)
        parts = {name: signature(maker, eval_str=True).parameters for name, maker in makers.items()}

        @wraps(command)
        def run(**given: Any) -> Any:
            for name, part in parts.items():
                given[name] = makers[name](**{option: given.pop(option) for option in part})
            return command(**given)

        shown = [one for name, p in own.parameters.items() for one in (parts[name].values() if name in parts else [p])]
        run.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]  # which is what typer reads
        run.__annotations__ = {option.name: option.annotation for option in shown}
        return run

    return decorate


@filled(read=reading)
def mapping(
    read: dict[str, Any], ignore_others: IgnoreOthers = False, map_file: MapFile = None, missing: Missing = None
) -> Any:
    """Make a `CaseMapping` of what a mapping file says, and before it of what the options say."""
    from kneebayes.cases.mapping import CaseMapping

    made = CaseMapping() if map_file is None else CaseMapping.of(map_file)
    if not (read or missing or ignore_others):
        return made
    return made.with_options(read=read, missing=names(missing), ignore_others=ignore_others)


def thresholds(
    caution: Caution = None, urgent: Urgent = None, harm_miss: HarmMiss = None, harm_false_alarm: HarmFalseAlarm = None
) -> Callable[[Any], Any]:
    """Choose `Thresholds` for a `ModelSpec`, as numbers or harms; None where nothing is chosen: its file says all."""

    def chosen(model: Any) -> Any:
        from kneebayes.diagnosis.alarm import Thresholds

        if harm_miss is None and harm_false_alarm is None:
            nothing = caution is None and urgent is None
            return None if nothing else Thresholds.of(model, caution=caution, urgent=urgent)
        if harm_miss is None or harm_false_alarm is None:
            raise ThresholdError("--harm-miss and --harm-false-alarm go together: the threshold is set by their ratio")
        if caution is not None:
            raise ThresholdError("--caution and the two harms both set the caution threshold: give one or the other")
        own = Thresholds.of(model).urgent if urgent is None else urgent
        return Thresholds.from_harms(miss=harm_miss, false_alarm=harm_false_alarm, urgent=own)

    return chosen
