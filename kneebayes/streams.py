"""Bytes to read from: files, and pipes that a signal can stop."""

from __future__ import annotations

import sys
from io import BufferedReader
from typing import BinaryIO, cast

from kneebayes.errors import FileFormatError
from kneebayes.paths import STANDARD_STREAM, is_special

__all__ = ["open_stream"]


def open_stream(path: str) -> BinaryIO:
    """Open a file, a pipe or standard input to read bytes from.

    Parameters
    ----------
    path : str
        A file, or ``-`` for standard input.

    Returns
    -------
    binary file
        Of a pipe only ``read`` and ``close`` may be used.

    Raises
    ------
    FileFormatError
        If there is no standard input.
    OSError
        If the file can't be opened.
    """
    if path != STANDARD_STREAM:
        stream = open(path, "rb")  # noqa: SIM115 - the source closes it
        return cast("BinaryIO", _Pipe(stream)) if is_special(path) else stream
    standard = getattr(sys.stdin, "buffer", None)
    if standard is None:
        raise FileFormatError("standard input can't be read here: give a file")
    return cast("BinaryIO", _Pipe(standard))


class _Pipe:
    """A pipe, read so that a signal is seen between any two reads.

    A buffered stream reads on until it has all that was asked for. A signal
    that comes while it waits for another thread, and not for the pipe, would
    only be seen when there is more to read, which may be never.
    """

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream

    def read(self, n_bytes: int) -> bytes:
        """Read so many bytes, or all that are left."""
        parts = []
        while n_bytes and (part := self._stream.read1(n_bytes)):
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Let go of the pipe."""
        self._stream.close()
