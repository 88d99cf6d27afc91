"""The cells of plain CSV text, compiled: each column as distinct values and an index.

Three times as fast as a general reader, for text without quotes of which every
row has all its fields; other text is left to one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numba
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = [
    "split_cells",
]

LOG_SLOTS = 12
MOST_VALUES = 1 << (LOG_SLOTS - 1)  # a half-full table is still quick
MOST_CODED = 1024  # columns: their tables take 64 KB each
COMMA, LINE_FEED, RETURN = b",\n\r"
PACKED = 7  # so many bytes are their own hash, and 8 bits are left for their number
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2 ** 64 over the golden ratio spreads neighbours
_LONG = np.uint64(0xFF << 56)
_IRREGULAR = -1
_LEFT_OUT, _CODED, _TEXT = 0, 1, 2


def split_cells(piece: bytes, names: Sequence[str], used: Collection[str], plain: set[str]) -> pa.Table | None:
    r"""Split text into columns.

    Parameters
    ----------
    piece : bytes
        Whole rows of UTF-8, without a quote; the last ends in a line feed.
    names : sequence of str
        The columns.
    used : collection of str
        Those wanted.
    plain : set of str
        Those wanted as strings. Columns that turn out to have too many
        distinct values to code are added; threads may share it.

    Returns
    -------
    pyarrow.Table or None
        Strings for plain columns, dictionaries for the others. None where a
        row has the wrong number of fields or an odd line end.

    Examples
    --------
    >>> names = ["case_id", "calf_pain", "note"]
    >>> split_cells(b"c1,yes,x\nc2,,y\n", names, names[:2], {"case_id"}).to_pylist()
    [{'case_id': 'c1', 'calf_pain': 'yes'}, {'case_id': 'c2', 'calf_pain': ''}]
    >>> split_cells(b"c1,yes\n", names, names, set()) is None
    True
    """
    kinds = np.array([(_TEXT if n in plain else _CODED) if n in used else _LEFT_OUT for n in names], dtype=np.int8)
    data = np.frombuffer(piece, dtype=np.uint8)
    coded, texts = np.flatnonzero(kinds == _CODED), np.flatnonzero(kinds == _TEXT)
    if len(coded) > MOST_CODED:
        return None
    most_rows = min(piece.count(b"\n"), len(piece) // len(names))  # of a row, each field has a byte at its end
    index = np.empty((len(coded), most_rows), dtype=np.int32)
    start, stop = np.empty((2, len(texts), most_rows), dtype=np.int32)
    keys = np.empty((len(coded), 1 << LOG_SLOTS), dtype=np.uint64)
    codes = np.full(keys.shape, -1, dtype=np.int32)
    values = np.empty((len(coded), MOST_VALUES, 2), dtype=np.int32)
    n_values = np.zeros(len(coded), dtype=np.int32)
    n_rows, crowded = _split(data, kinds, index, start, stop, keys, codes, values, n_values)
    if crowded >= 0:
        plain.add(names[coded[crowded]])
        return split_cells(piece, names, used, plain)
    if n_rows == _IRREGULAR:
        return None
    columns = {}
    for i, column in enumerate(coded.tolist()):
        words = [piece[a:b].decode("utf-8") for a, b in values[i, : n_values[i]].tolist()]
        columns[column] = pa.DictionaryArray.from_arrays(pa.array(index[i, :n_rows]), pa.array(words, pa.string()))
    for i, column in enumerate(texts.tolist()):
        columns[column] = _text(data, start[i, :n_rows], stop[i, :n_rows])
    return pa.table({names[column]: columns[column] for column in sorted(columns)})


def _text(data: NDArray[np.uint8], start: NDArray[np.int32], stop: NDArray[np.int32]) -> pa.Array:
    offsets = np.zeros(len(start) + 1, dtype=np.int32)
    np.cumsum(stop - start, out=offsets[1:])
    joined = np.empty(offsets[-1], dtype=np.uint8)
    _join(data, start, offsets, joined)
    return pa.StringArray.from_buffers(len(start), pa.py_buffer(offsets), pa.py_buffer(joined))


@numba.njit(cache=True, nogil=True)
def _join(data, start, offsets, joined):  # type: ignore[no-untyped-def] # numba infers
    for row in range(len(start)):
        shift = start[row] - offsets[row]
        for at in range(offsets[row], offsets[row + 1]):
            joined[at] = data[at + shift]


@numba.njit(cache=True, nogil=True)
def _split(data, kinds, index, start, stop, keys, codes, values, n_values):  # type: ignore[no-untyped-def]
    """Rows and -1; or ``_IRREGULAR`` and -1; or anything and which of the coded columns has too many values."""
    n_fields = len(kinds)
    at, row = 0, 0
    while at < len(data):
        if data[at] == LINE_FEED:  # an empty line is no row
            at += 1
            continue
        if data[at] == RETURN and data[at + 1] == LINE_FEED:
            at += 2
            continue
        text = coded = 0  # of the columns of each kind, which comes next
        for field in range(n_fields):
            begin = at
            key = np.uint64(0)
            c = data[at]
            while c != COMMA and c != LINE_FEED and c != RETURN and at - begin < PACKED:
                key = key << np.uint64(8) | np.uint64(c)
                at += 1
                c = data[at]
            is_long = False
            while c != COMMA and c != LINE_FEED and c != RETURN:
                is_long = True
                key = (key ^ np.uint64(c)) * _MIX
                key ^= key >> np.uint64(32)
                at += 1
                c = data[at]
            end = at
            if field < n_fields - 1:
                if c != COMMA:
                    return _IRREGULAR, -1
                at += 1
            else:
                if c == RETURN:
                    at += 1
                    if data[at] != LINE_FEED:  # there is one: the text ends in a line feed
                        return _IRREGULAR, -1
                elif c == COMMA:
                    return _IRREGULAR, -1
                at += 1
            if kinds[field] == _TEXT:
                start[text, row] = begin
                stop[text, row] = end
                text += 1
            elif kinds[field] == _CODED:
                key |= _LONG if is_long else np.uint64(end - begin) << np.uint64(56)
                slot = np.int64(key * _MIX >> np.uint64(64 - LOG_SLOTS))
                while True:
                    code = codes[coded, slot]
                    if code < 0:
                        code = n_values[coded]
                        if code == MOST_VALUES:
                            return 0, coded
                        n_values[coded] += 1
                        codes[coded, slot] = code
                        keys[coded, slot] = key
                        values[coded, code, 0] = begin
                        values[coded, code, 1] = end
                        break
                    if keys[coded, slot] == key and (not is_long or _same(data, begin, end, values[coded, code])):
                        break
                    slot = (slot + 1) & ((1 << LOG_SLOTS) - 1)
                index[coded, row] = code
                coded += 1
        row += 1
    return row, -1


@numba.njit(cache=True, nogil=True)
def _same(data, begin, end, value):  # type: ignore[no-untyped-def]
    if end - begin != value[1] - value[0]:
        return False
    for i in range(end - begin):  # noqa: SIM110 - numba compiles no generators
        if data[begin + i] != data[value[0] + i]:
            return False
    return True
