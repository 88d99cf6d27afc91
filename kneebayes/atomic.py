"""Files that appear whole or not at all, and what a path says."""

from __future__ import annotations

import errno
import os
import re
import secrets
import signal
import socket
import stat
import sys
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kneebayes.errors import FileFormatError

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

STANDARD_STREAM = "-"
# Redirected, these are files whose names must not be taken away from whoever opened them.
INPUT_PATHS = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
STANDARD_PATHS = (*INPUT_PATHS, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
DEVICE_FOLDERS = ("/dev", "/dev/fd", "/proc/self/fd")
WEB_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # of two letters or more: c:/ is a drive
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
PARQUET_ENDINGS = (".parquet", ".pq")
MAX_NAME_BYTES = 120  # with host and process, a name must stay within the 255 of most file systems
MAX_MODE = 0o666
# Neither follows a link: one planted at a name like ours would have us write, or look, where somebody else wants.
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
OWN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def file_kind(path: str, *, also: Sequence[str] = ()) -> tuple[str, str | None]:
    """Tell a table's format (csv, parquet) and its compression (gzip, zstd, None) from its name.

    ``also`` are endings that would do as well, to be named in the error.

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
    known = ", ".join((".csv", ".csv.gz", ".csv.zst", ".parquet", *also))
    raise FileFormatError(f"{path}: the ending tells the format: use one of {known}; '-' is standard input or output")


def is_special(path: str) -> bool:
    """Say whether a path is a pipe or a device, which has no ending and can't be replaced."""
    # A device may be redirected to a file, which is somebody else's to name.
    is_file = os.path.isfile(path) and os.path.dirname(path) not in DEVICE_FOLDERS
    return os.path.exists(path) and not is_file and not os.path.isdir(path)


def plain_path(path: str | os.PathLike[str], *, is_written: bool = False) -> str:
    """Turn a path into text: ~ expanded, the names of standard input and output as ``-``; none of the web.

    >>> plain_path("/dev/stdout")
    '-'
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise FileFormatError(f"a value of type {type(path).__name__} names no file: give a text or a pathlib.Path")
    text = os.fsdecode(path)
    if not text:
        raise FileFormatError("an empty text names no file: is a variable of a script not set?")
    if WEB_ADDRESS.match(text):
        raise FileFormatError(f"{text}: is a web address, and nothing is fetched: download it, and give the file")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        said = text.encode("ascii", "backslashreplace").decode()
        raise FileFormatError(f"{said}: the name holds half a character, which no file's does") from None
    if "\0" in text:
        raise FileFormatError(f"{text.replace(chr(0), '?')}: the name holds a NUL byte, which no file's does")
    if is_written and text in INPUT_PATHS:
        raise FileFormatError(f"{text}: is standard input, which is read: '-' is standard output")
    return STANDARD_STREAM if text in (STANDARD_STREAM, *STANDARD_PATHS) else os.path.expanduser(text)


def read_limited(path: Path, most: int, what: str) -> bytes:
    """Read a file of so many bytes at most, which is a ``what``."""
    if is_special(str(path)):  # which may have no end, or no beginning
        raise FileFormatError(f"{path}: is a pipe or a device, and no {what}: give a file")
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise FileFormatError(f"{path}: can't read the {what}: {error.strerror or error}") from error
    if len(content) > most:
        raise FileFormatError(f"{path}: over the limit of {most} bytes for a {what}")
    return content


def file_stamp(path: str) -> tuple[int, ...] | None:
    """Device, number, size and time, which tell later whether a file was written to; None for what is no file."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns) if os.path.isfile(path) else None


def refuse_changed(path: str, stamp: tuple[int, ...] | None) -> None:
    """Refuse what was read of a file that was written to since its stamp was taken: it may be half a table.

    A file that was removed, or whose name another file has taken, was still read whole.
    """
    now = file_stamp(path)
    if stamp and now and stamp[:2] == now[:2] and stamp != now:
        raise FileFormatError(f"{path}: was changed while it was read: wait until it is whole, and run again")


def check_place(path: str, example: str) -> None:
    """Refuse a path where no file can be."""
    if os.path.islink(path) and os.path.islink(os.path.realpath(path)):
        raise FileFormatError(f"{path}: is a link that leads back to itself: remove it, or give another name")
    if os.path.isdir(path):
        raise FileFormatError(f"{path}: is a folder: give a file, such as {os.path.join(path, example)}")


class AtomicFile:
    """A file that appears when it is committed, or a stream that can't be taken back.

    The bytes go to a file beside the target, named after it and this process, which takes the target's place at the
    end. This process holds a lock on that file: what a killed run left is not locked any more, and is removed by the
    next run on the same machine to the same target.

    The path is that of a file, a pipe or device, or ``-`` for standard output; without ``stream``, that of a file only.
    ``mode`` is the most that anybody may do with it, less what the umask takes.
    """

    def __init__(self, path: str, *, stream: bool = True, mode: int = MAX_MODE) -> None:
        self.path = path = plain_path(path, is_written=True)
        self._mode = mode
        self.in_place = False  # whether it has appeared
        self._is_standard = stream and path == STANDARD_STREAM
        self._final = self._temporary = ""
        if self._is_standard:
            standard = getattr(sys.stdout, "buffer", None)
            if standard is None:
                raise FileFormatError("standard output can't be written here: give a file")
            self.file: BinaryIO = standard
            return
        if path == STANDARD_STREAM:
            raise FileFormatError("-: standard output is not for what is written here: give the name of a file")
        check_place(path, "model.yaml" if path.endswith(".yaml") else "posteriors.csv")
        with self.explained():
            if not is_special(path):
                self._open_beside(os.path.realpath(path))
            elif stream:
                self.file = os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb")
            else:
                raise FileFormatError(f"{path}: is a pipe or a device: give the name of a file")

    def _open_beside(self, final: str) -> None:
        folder, name = os.path.split(final)
        if not os.path.isdir(folder):
            raise FileFormatError(f"{self.path}: there is no folder {folder}: make it first")
        if os.path.exists(final) and not os.access(final, os.W_OK):
            raise FileFormatError(f"{self.path}: is write-protected: choose another name")
        encoded = os.fsencode(name)
        stem = name if len(encoded) <= MAX_NAME_BYTES else f"{zlib.crc32(encoded):08x}"
        prefix = f".{stem}.{socket.gethostname()}-"
        _remove_leftovers(folder, prefix)
        self._final = final
        while not self._temporary:
            path = os.path.join(folder, f"{prefix}{os.getpid()}-{secrets.token_hex(8)}.partial")
            handle = os.open(path, NEW, self._mode)
            # What a new file may be is for the umask to say, which can't be asked for without setting it; nobody
            # else shall read what is not whole.
            self._mode = stat.S_IMODE(os.fstat(handle).st_mode)
            _set_mode(handle, path, 0o600)
            if _lock(handle) is False or not os.fstat(handle).st_nlink:  # another run looked before it was locked
                os.close(handle)
                with suppress(FileNotFoundError):
                    os.unlink(path)
                continue
            self._temporary = path
            self.file = os.fdopen(handle, "wb")

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say of what goes wrong which file can't be written."""
        try:
            yield
        except BrokenPipeError:
            raise  # whoever reads has had enough, as head(1) does: no fault of the file
        except OSError as error:
            name = "standard output" if self.path == STANDARD_STREAM else self.path
            raise FileFormatError(f"{name}: can't be written: {error.strerror or error}") from error

    def write(self, data: bytes | memoryview) -> None:
        """Write bytes, in order."""
        with self.explained():
            self.file.write(data)

    def sync(self) -> None:
        """Make sure that what was written is on the disk, and may be read by whom it may."""
        with self.explained():
            self.file.flush()
            if self._temporary:
                os.fsync(self.file.fileno())
                # As the file that is replaced, or any new one.
                mode = os.stat(self._final).st_mode & 0o777 if os.path.exists(self._final) else self._mode
                _set_mode(self.file.fileno(), self._temporary, mode)
                check_place(self._final, "posteriors.csv")  # what it has become meanwhile
                if is_special(self._final):
                    raise FileFormatError(f"{self.path}: has become a pipe or a device meanwhile: give another name")

    def take_place(self) -> None:
        """Let the file appear; `commit` is how."""
        if self._is_standard:
            return
        with self.explained():
            if not self._temporary or fcntl is None:  # else its lock holds until it is in its place
                self.file.close()
            if self._temporary:
                os.replace(self._temporary, self._final)
                self._temporary = ""
                self.in_place = True
                _sync_folder(os.path.dirname(self._final))
                self.file.close()

    def discard(self) -> None:
        """Leave nothing behind, unless it was committed."""
        if self._is_standard:
            return
        with suppress(OSError):
            self.file.close()
        if self._temporary:
            with suppress(OSError):
                os.unlink(self._temporary)

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()


def commit(*files: AtomicFile) -> None:
    """Let files appear, one after the other, once all of them are on the disk.

    A process killed in between leaves the first ones new and the others as they were.
    """
    for file in files:
        file.sync()
    with _undisturbed():
        for file in files:
            file.take_place()


def write_whole(path: str, text: str, *, stream: bool = True) -> None:
    """Write a small file in UTF-8, which appears whole or not at all."""
    with AtomicFile(path, stream=stream) as file:
        file.write(text.encode("utf-8"))
        commit(file)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep signals that would end the process waiting: between two files is no good place to stop."""
    if threading.current_thread() is not threading.main_thread():  # signals are none of its business
        yield
        return
    waiting: dict[int, bool] = {}
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    deferred = [number for number in numbers if signal.getsignal(number) not in (None, signal.SIG_IGN)]
    known = {n: signal.signal(n, lambda number, frame: waiting.setdefault(number, True)) for n in deferred}
    try:
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
        for number in waiting:
            signal.raise_signal(number)


def _set_mode(handle: int, path: str, mode: int) -> None:
    """Set permissions by the descriptor, as the name may be another file's by now; by name where there is no way."""
    if hasattr(os, "fchmod"):
        os.fchmod(handle, mode)
    else:
        os.chmod(path, mode)


def _sync_folder(folder: str) -> None:
    """Have the names on the disk in the order in which they were changed."""
    with suppress(OSError):  # not every file system can, nor may every folder be read
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool | None:
    """Take the lock of a file, without waiting; None where files have none."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _remove_leftovers(folder: str, prefix: str) -> None:
    """Remove temporary files of processes that are gone."""
    if fcntl is None:  # os.kill does not ask there, it kills
        return
    with suppress(OSError):  # they do no harm, and the folder may let us write but not look
        for name in os.listdir(folder):
            match = re.fullmatch(re.escape(prefix) + r"(\d+)-\w+\.partial", name)
            if match:
                with suppress(OSError):
                    _remove_if_left(os.path.join(folder, name), int(match[1]))


def _remove_if_left(path: str, process: int) -> None:
    handle = os.open(path, OWN)
    try:
        locked = _lock(handle)  # numbers of processes come again, and mean nothing in another container
        if locked or (locked is None and not _is_alive(process)):
            os.unlink(path)
    finally:
        os.close(handle)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
