"""The errors kneebayes raises: one root, and a leaf per cause."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "CaseError",
    "FileFormatError",
    "ImpossibleEvidenceError",
    "KneeBayesError",
    "MissingExtraError",
    "ModelFileError",
    "OptionError",
    "PrevalenceError",
    "ThresholdError",
    "UnknownColumnError",
    "UnknownNameError",
    "nearest",
]


class KneeBayesError(ValueError):
    """Root of every error that kneebayes raises on purpose."""


class ModelFileError(KneeBayesError):
    """A model file that can't be read, or that says something inconsistent."""


class UnknownNameError(KneeBayesError):
    """A cause, level, engine or other name that the model does not have."""


class UnknownColumnError(KneeBayesError):
    """A column of a table that is neither a variable of the model nor allowed for."""


class CaseError(KneeBayesError):
    """A case with a value that is not allowed, or with values that contradict each other."""


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


class MissingExtraError(KneeBayesError, ImportError):
    """An optional dependency that is not installed."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest to a mistyped one.

    Parameters
    ----------
    name : str
        What was received.
    known : iterable of str
        What is allowed.

    Returns
    -------
    str
        ``" Did you mean 'x'?"``, with its leading blank, or an empty string
        where nothing is near.

    Examples
    --------
    >>> nearest("calf_pian", ["calf_pain", "thigh_pain"])
    " Did you mean 'calf_pain'?"
    """
    close = difflib.get_close_matches(str(name)[:80].strip().lower(), list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""
