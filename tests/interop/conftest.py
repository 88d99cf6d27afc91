"""pgmpy builds its grammar of BIF anew for each file, in two seconds: here once, as it is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from pgmpy.readwrite import BIFReader


@pytest.fixture(scope="session", autouse=True)
def _one_grammar() -> Iterator[None]:
    def once(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
        grammar = cache(lambda: method(None))  # it asks nothing of its reader, and parsing changes nothing in it
        return lambda reader: grammar()

    with pytest.MonkeyPatch.context() as patch:
        for name in ("get_variable_grammar", "get_probability_grammar"):
            patch.setattr(BIFReader, name, once(getattr(BIFReader, name)))
        yield
