"""What people read: how a probability is written, and HTML, CSS and JavaScript as files, which `render` fills in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

SMALLEST = 1e-6  # the smallest probability that is written out
NOISE = 1e-12  # what exact inference may leave of 0 in floating point


def read(name: str) -> str:
    """Read a file of this folder, such as ``explorer/page.css``, as it is."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def render(name: str, **words: object) -> str:
    """Fill in a template, such as ``report/page.html``; every word that goes in is escaped."""
    return _environment().get_template(name).render(**words)


def percent(p: float) -> str:
    """Write a probability as a percentage that does not round to none or all.

    >>> [percent(p) for p in (0.0, 1e-9, 0.0004, 0.075, 0.0998, 0.42, 0.9996, 1.0)]
    ['0%', '<0.0001%', '0.04%', '7.5%', '10%', '42%', '99.96%', '100%']
    """
    near = min(p, 1.0 - p)
    if near < NOISE:
        return "0%" if p < 0.5 else "100%"
    if near < SMALLEST:
        return f"<{SMALLEST:.4%}" if p < 0.5 else f">{1 - SMALLEST:.4%}"
    digits = 0 if p >= 0.0995 and near >= 0.01 else 1 if near >= 0.005 else 2 if near >= 0.00005 else 4
    return f"{p:.{digits}%}"


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # here: a diagnosis does not wait for it

    made = Environment(
        loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals["percent"] = percent
    return made
