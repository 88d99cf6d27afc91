"""Where rows of CSV end: at line feeds, but for those between quotes."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["end_of_last_row"]

QUOTE, COMMA, LINE_FEED, RETURN = b'",\n\r'
_QUOTED = re.compile(rb'(?:(?<=[,\n\r])|\A)"(?:[^"]|"")*+(?:"|\Z)')


def end_of_last_row(block: bytes) -> int:
    r"""Say where the last whole row of a text ends: a line feed between quotes ends none.

    Parameters
    ----------
    block : bytes
        CSV from the start of a row on.

    Returns
    -------
    int
        The place after its line feed, or 0.

    Examples
    --------
    >>> end_of_last_row(b'a,b\nc,"d\ne')
    4
    """
    end = block.rfind(b"\n") + 1
    if not end or b'"' not in block:
        return end
    characters = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(characters == QUOTE)
    before = characters[quotes[::2] - 1]
    before[0] = LINE_FEED if quotes[0] == 0 else before[0]
    if np.isin(before, (COMMA, LINE_FEED, RETURN, QUOTE)).all():
        # Every other quote opens a field (or is the second of a doubled quote), so parity tells inside from outside.
        if np.searchsorted(quotes, end - 1) % 2 == 0:
            return end
        line_feeds = np.flatnonzero(characters == LINE_FEED)
        outside = line_feeds[np.searchsorted(quotes, line_feeds) % 2 == 0]
        return int(outside[-1]) + 1 if len(outside) else 0
    end = closed = 0
    for quoted in _QUOTED.finditer(block):
        end = max(end, block.rfind(b"\n", closed, quoted.start()) + 1)
        closed = quoted.end()
    return max(end, block.rfind(b"\n", closed) + 1)
