"""The errors kneebayes raises: one root, and a leaf per cause."""

from __future__ import annotations

import difflib
import os
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from math import inf
from numbers import Integral, Rational, Real
from typing import Any, TypeVar

T = TypeVar("T")
MAX_FRAMES = 8
MAX_NUMBER = 10**100  # of an argument that is no float, and may be too large to become one
NO_THREAD = ("can't start new thread", "Failed to launch worker thread: Resource temporarily unavailable")
MIN_LETTERS = 3  # of a word, for one of them to be taken for a slip


class KneeBayesError(ValueError):
    """Root of every error that kneebayes raises on purpose."""


class ModelFileError(KneeBayesError):
    """A model file that can't be read, or that says something inconsistent."""


class MappingError(KneeBayesError):
    """A mapping of a file's columns that can't be read, or does not fit the model or the file."""


class UnknownNameError(KneeBayesError):
    """A cause, level, engine or other name that the model does not have."""


class UnknownColumnError(KneeBayesError):
    """A column of a table that is neither a variable of the model nor allowed for."""


class CaseError(KneeBayesError):
    """A case with a value that is not allowed, or with values that contradict each other.

    Of a table, ``problems`` has each reason with its row, from 0, and its column.
    """

    problems: Sequence[Any] = ()


class ImpossibleEvidenceError(CaseError):
    """Evidence to which the model gives probability zero."""


class ThresholdError(KneeBayesError):
    """Alarm thresholds or harms that make no sense."""


class PrevalenceError(KneeBayesError):
    """Prevalences that a model can't have."""


class OptionError(KneeBayesError):
    """An option of a computation that is out of its range."""


class FileFormatError(KneeBayesError):
    """A file that is not the table it should be, or can't be read or written."""


class DefectError(RuntimeError):
    """What kneebayes did not expect: not for users to mend, so no `KneeBayesError`."""


class MissingExtraError(KneeBayesError, ImportError):
    """An optional dependency that is not installed."""


def check_number(name: str, value: object, *, whole: bool = False, least: float = -inf) -> None:
    """Refuse an argument that is not a number, or not a whole one, or too small."""
    is_number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if is_number and isinstance(value, Rational) and abs(value) > MAX_NUMBER:  # type: ignore[operator]
        raise OptionError(f"{name}: a number of over 100 digits")
    if not is_number or value < least:  # type: ignore[operator]  # what NaN would mean, the caller knows
        kind = "whole number" if whole else "number"
        raise OptionError(f"{name} {value!r}: give a {kind}" + (f" from {least:g} up" if least > -inf else ""))


def check_flags(**flags: object) -> None:
    """Refuse an argument that is neither true nor false: "no" would count as yes."""
    for name, value in flags.items():
        if type(value).__name__ not in ("bool", "bool_"):  # NumPy's too
            raise OptionError(f"{name}: give True or False, not a value of type {type(value).__name__}")


def check_choice(what: str, value: object, known: Sequence[str]) -> None:
    """Refuse an argument that is none of a few words."""
    if not isinstance(value, str) or value not in known:
        said = f"'{value[:80]}'" if isinstance(value, str) else f"of type {type(value).__name__}"
        hint = nearest(value, known) if isinstance(value, str) else ""
        raise UnknownNameError(f"no {what} {said}: use one of {', '.join(known)}.{hint}")


def check_kind(value: object, mark: str, call: str) -> None:
    """Refuse an argument without the attribute that marks its kind, with the right call.

    >>> check_kind("ev", "decision", "plot_roc(kb.evaluate(model, cases))")
    Traceback (most recent call last):
    kneebayes.errors.OptionError: not for a value of type str: plot_roc(kb.evaluate(model, cases))
    """
    if not hasattr(value, mark):
        raise OptionError(f"not for a value of type {type(value).__name__}: {call}")


def names_of(option: str, names: Iterable[object] | None) -> list[str]:
    """List the names that an option gives, each once; a text would be taken letter by letter."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable | None):
        raise UnknownColumnError(f"{option}={names!r}: give a list of names, as in {option}=[{names!r}]")
    return list(dict.fromkeys(map(str, () if names is None else names)))  # an index or array has no truth value


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest to a mistyped one, with a leading blank; nothing where none is near."""
    close = difflib.get_close_matches(str(name)[:80].strip().lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def misspelt(name: str, known: Iterable[str]) -> str:
    """Say which known name was meant, where one letter of it went wrong and nothing else can be meant; as `nearest`.

    A name of another meaning is no near miss, however many letters it shares: a hint is no place to lead somebody from
    chest_pain to calf_pain, or from a code for missing to an answer.

    >>> misspelt("calf_pian", ["calf_pain", "thigh_pain"]), misspelt("CalfPain", ["calf_pain"])
    (" Did you mean 'calf_pain'?", " Did you mean 'calf_pain'?")
    >>> misspelt("chest_pain", ["calf_pain"]), misspelt("bilateral_swelling", ["unilateral_swelling"])
    ('', '')
    """
    words = re.split(r"[\s_\-]+", str(name)[:80].strip().lower())
    close = []
    for other in known:
        pairs = list(zip(words, other.split("_"), strict=False))
        wrong = [(a, b) for a, b in pairs if a != b]
        is_slip = len(words) == other.count("_") + 1 and len(wrong) == 1 and _one_slip(*wrong[0])
        if is_slip or "".join(words) == other.replace("_", ""):
            close.append(other)
    return f" Did you mean '{close[0]}'?" if len(close) == 1 else ""


def _one_slip(word: str, meant: str) -> bool:
    """Say whether a word is another but for a letter wrong, missing, too many or exchanged with the next."""
    if len(meant) < MIN_LETTERS or abs(len(word) - len(meant)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), min(len(word), len(meant)))
    a, b = word[start:], meant[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def defect(error: BaseException, doing: str) -> DefectError | OSError | None:
    """Tell where something unexpected happened, without its message: that may quote what a case holds.

    What comes back names the kind of error and the lines of code it came through, to be raised where the error is not
    being handled any more. It is None where the environment asks for the error itself, by ``KNEEBAYES_TRACEBACK=1``.
    """
    if os.environ.get("KNEEBAYES_TRACEBACK", "0") not in ("", "0"):
        return None
    if str(error).endswith(NO_THREAD):  # Python's, and pyarrow's, of no class of their own
        return OSError("no further thread can be started here: allow more (ulimit -u, or the container's limit)")
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    way = " > ".join(f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames)
    return DefectError(
        f"{type(error).__name__} while {doing}, at {way}: a defect of kneebayes, please report this line. What the "
        "error says is left out, as it may quote a case; KNEEBAYES_TRACEBACK=1 shows it."
    )


def guarded(work: Callable[[], T], doing: Callable[[], str]) -> T:
    """Do some work, of which nobody hears what is unexpected but as a `defect`."""
    unexpected: DefectError | OSError | None = None
    try:
        return work()
    except (KneeBayesError, DefectError, OSError, MemoryError):
        raise
    except Exception as error:
        unexpected = defect(error, doing())
        if unexpected is None:
            raise
    raise unexpected  # here, so that it does not carry the other along
