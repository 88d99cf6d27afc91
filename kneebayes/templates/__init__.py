"""HTML, CSS and JavaScript as files; `render` fills them in, and escapes every word that goes in."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def read(name: str) -> str:
    """Read a file of this folder, such as ``explorer/page.css``, as it is."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def render(name: str, **words: object) -> str:
    """Fill in a template, such as ``report/page.html``."""
    return _environment().get_template(name).render(**words)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # here: a diagnosis does not wait for it

    return Environment(
        loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
