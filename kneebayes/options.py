"""What the words of a command line mean: cases, columns, shares and thresholds."""

from __future__ import annotations

from collections.abc import Iterable

from kneebayes.alarm import Thresholds
from kneebayes.errors import CaseError, OptionError, ThresholdError
from kneebayes.model import ModelFile

__all__ = ["case", "level", "names", "numbers", "shares", "thresholds"]


def names(values: Iterable[str] | None) -> list[str]:
    """Read an option that is repeated, or lists names with commas, or both.

    Parameters
    ----------
    values : iterable of str or None
        What was given.

    Returns
    -------
    list of str
        The names, in order.

    Examples
    --------
    >>> names(["a, b", "c"])
    ['a', 'b', 'c']
    """
    return [name.strip() for value in values or [] for name in value.split(",") if name.strip()]


def case(facts: Iterable[str]) -> dict[str, str]:
    """Read a case.

    Parameters
    ----------
    facts : iterable of str
        Each as ``name=value``.

    Returns
    -------
    dict of str to str
        Values by name, not checked against a model.

    Raises
    ------
    CaseError
        If a fact has no ``=``, or a name stands twice.
    """
    known: dict[str, str] = {}
    for fact in facts:
        name, equals, value = (part.strip() for part in fact.partition("="))
        if not equals or not name:
            raise CaseError(f"'{fact}' is not NAME=VALUE: write for example calf_pain=yes, without blanks around the =")
        if name in known:
            raise CaseError(f"'{name}' is given twice: {known[name]} and {value}")
        known[name] = value
    return known


def numbers(option: str, values: Iterable[str] | None) -> dict[str, float]:
    """Read an option that gives names numbers, repeated or with commas.

    Parameters
    ----------
    option : str
        Its name, for the message.
    values : iterable of str or None
        Such as ``dvt=0.12``.

    Returns
    -------
    dict of str to float
        Numbers by name, not checked against a model.

    Raises
    ------
    CaseError
        If one is not NAME=NUMBER, or a name is given twice.

    Examples
    --------
    >>> numbers("--prevalence", ["dvt=0.12,leg_cramps=0.2"])
    {'dvt': 0.12, 'leg_cramps': 0.2}
    """
    found: dict[str, float] = {}
    for text in names(values):
        name, _, value = (part.strip() for part in text.partition("="))
        try:
            number = float(value)
        except ValueError:
            raise CaseError(f"{option} {text}: write NAME=NUMBER, for example dvt=0.12") from None
        if name in found:
            raise CaseError(f"{option}: '{name}' is given twice: {found[name]:g} and {number:g}")
        found[name] = number
    return found


def level(percent: float) -> float:
    """Read the level of intervals.

    Parameters
    ----------
    percent : float
        Share of the draws within the intervals.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    OptionError
        If it is not.
    """
    if not 1.0 <= percent < 100.0:
        raise OptionError(f"--intervals {percent:g}: give a percentage from 1 to under 100, such as 90")
    return percent / 100


def shares(text: str) -> float | tuple[float, float]:
    """Read the share of cells to leave empty.

    Parameters
    ----------
    text : str
        One number, or two with a comma between: risk factors, then findings.

    Returns
    -------
    float or tuple of float
        As `simulate` takes it, which checks the range.

    Raises
    ------
    CaseError
        If it is not one or two numbers.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    raise CaseError(
        f"--missing {text}: one share from 0 to 1, or one for risk factors and one for findings, as in 0.3,0.6"
    )


def thresholds(
    model: ModelFile,
    *,
    caution: float | None = None,
    urgent: float | None = None,
    harm_miss: float | None = None,
    harm_false_alarm: float | None = None,
) -> Thresholds:
    """Choose when to warn: as numbers, as harms, and else as the model file says.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    caution, urgent : float, optional
        Probabilities.
    harm_miss, harm_false_alarm : float, optional
        Harms in the same unit, which set the caution threshold.

    Returns
    -------
    Thresholds
        Checked.

    Raises
    ------
    ThresholdError
        If a number is out of range, one harm lacks the other, or both harms
        and `caution` are given.
    """
    if harm_miss is None and harm_false_alarm is None:
        return Thresholds.of(model, caution=caution, urgent=urgent)
    if harm_miss is None or harm_false_alarm is None:
        raise ThresholdError("--harm-miss and --harm-false-alarm go together: the threshold is set by their ratio")
    if caution is not None:
        raise ThresholdError("--caution and the two harms both set the caution threshold: give one or the other")
    chosen = Thresholds.of(model).urgent if urgent is None else urgent
    return Thresholds.from_harms(miss=harm_miss, false_alarm=harm_false_alarm, urgent=chosen)
