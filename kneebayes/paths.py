"""Paths of tables: what their endings tell, and which may be written."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

from kneebayes.errors import FileFormatError

__all__ = ["STANDARD_STREAM", "check_paths", "file_kind", "file_stamp", "is_special", "plain_path", "refuse_changed"]

STANDARD_STREAM = "-"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
PARQUET_ENDINGS = (".parquet", ".pq")


def file_kind(path: str) -> tuple[str, str | None]:
    """Tell a table's format from its name.

    Parameters
    ----------
    path : str
        A path, or ``-`` for a standard stream.

    Returns
    -------
    str
        ``csv`` or ``parquet``.
    str or None
        ``gzip`` or ``zstd`` where a CSV is compressed.

    Raises
    ------
    FileFormatError
        If the ending is none that kneebayes reads and writes.

    Examples
    --------
    >>> file_kind("cases.csv.gz"), file_kind("cases.parquet"), file_kind("-")
    (('csv', 'gzip'), ('parquet', None), ('csv', None))
    """
    if path == STANDARD_STREAM or is_special(path):
        return "csv", None
    name = Path(path).name.lower()
    if name.endswith(PARQUET_ENDINGS):
        return "parquet", None
    stem, ending = os.path.splitext(name)
    compression = COMPRESSIONS.get(ending)
    if (stem if compression else name).endswith(".csv"):
        return "csv", compression
    raise FileFormatError(
        f"{path}: the ending tells the format, and must be .csv, .csv.gz, .csv.zst or .parquet; "
        "'-' is standard input or output"
    )


def is_special(path: str) -> bool:
    """Say whether a path is a pipe or a device, which has no ending and can't be replaced.

    Parameters
    ----------
    path : str
        Any path.

    Returns
    -------
    bool
        False where nothing is there.
    """
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def plain_path(path: str | Path) -> str:
    """Turn a path into text, ~ expanded.

    Parameters
    ----------
    path : str or pathlib.Path
        A path, or ``-``.

    Returns
    -------
    str
        The same place.

    Raises
    ------
    FileFormatError
        If no file can have the name.
    """
    text = os.fsdecode(path)
    if "\0" in text:
        raise FileFormatError(f"{text.replace(chr(0), '?')}: the name holds a NUL byte, which no file's does")
    return text if text == STANDARD_STREAM else os.path.expanduser(text)


def file_stamp(path: str) -> tuple[int, ...] | None:
    """Say what tells later whether a file was written to.

    Parameters
    ----------
    path : str
        Any path.

    Returns
    -------
    tuple of int or None
        Device, number, size and time; None for what is no file.
    """
    try:
        state = os.stat(path)
    except OSError:
        return None
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns) if os.path.isfile(path) else None


def refuse_changed(path: str, stamp: tuple[int, ...] | None) -> None:
    """Refuse what was read of a file that was written to meanwhile: it may be half a table.

    Parameters
    ----------
    path : str
        The file. One that was removed, or whose name another file has taken,
        was still read whole.
    stamp : tuple of int or None
        Its `file_stamp` before it was opened.

    Raises
    ------
    FileFormatError
        If it grew, shrank or was written to.
    """
    now = file_stamp(path)
    if stamp and now and stamp[:2] == now[:2] and stamp != now:
        raise FileFormatError(f"{path}: was changed while it was read: wait until it is whole, and run again")


def check_paths(source: str, target: str, rejects: str | None, *, endings: tuple[str, ...] = ()) -> None:
    """Refuse to write over what is read, or twice to one place, and endings that tell no format.

    Parameters
    ----------
    source, target, rejects : str
        Paths, or ``-``.
    endings : tuple of str
        What the target may end in besides those of tables.

    Raises
    ------
    FileFormatError
        If nothing good can come of them.
    """
    named = {"the input": source, "the output": target} | ({"the rejects": rejects} if rejects is not None else {})
    for first, second in combinations(named, 2):
        if _same_file(named[first], named[second]):
            raise FileFormatError(f"{named[second]}: is both {first} and {second}: give them different names")
    if target == rejects == STANDARD_STREAM:
        raise FileFormatError(
            "the output and the rejects can't both go to standard output: name a file for one of them"
        )
    for path in list(named.values())[1:]:
        if os.path.islink(path) and os.path.islink(os.path.realpath(path)):
            raise FileFormatError(f"{path}: is a link that leads back to itself: remove it, or give another name")
        if os.path.isdir(path):
            raise FileFormatError(f"{path}: is a folder: give a file, such as {os.path.join(path, 'posteriors.csv')}")
        if not (path == target and path.endswith(endings)):
            file_kind(path)
    if rejects is not None and file_kind(rejects)[0] != "csv":
        raise FileFormatError(f"{rejects}: rejects are written as CSV: give a name that ends in .csv")


def _same_file(first: str, second: str) -> bool:
    if STANDARD_STREAM in (first, second) or os.devnull in (first, second):
        return False
    if os.path.exists(first) and os.path.exists(second):
        return os.path.samefile(first, second)
    return os.path.realpath(first) == os.path.realpath(second)
