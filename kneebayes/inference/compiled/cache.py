"""Compiled code kept on disk, in numba's stead: trouble with it costs time, never the run.

numba's own cache tells its own version only, and writes which file holds a function before it writes that file: a run
that ends in between, or another numba or NumPy in the same checkout, leaves code that stops every later run. Here a
file is one function, and is read only if it was written by the same versions from the same source, is whole, and is
nobody else's: what is read is run.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import stat
import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import Compiler, CompileResult
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from kneebayes.atomic import AtomicFile, commit

# numba's caches have no types of their own
# mypy: disable-error-code="misc, no-untyped-call, attr-defined, no-any-return"

VERSIONS = (sys.version, numba.__version__, np.__version__, llvmlite.__version__)
HERE = Path(__file__).parent
OTHERS_READ = 0o644
LEVEL = 1  # of LLVM's optimisation
DIGEST = hashlib.sha256().digest_size


def compiled(*, fastmath: Collection[str] = (), forceinline: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function as `numba.njit` does, and keep the code here.

    It makes no arrays, so that none is counted. Wrappers are compiled only for who calls them: nothing written in C
    does, nor Python what is inlined.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": set(fastmath), "_nrt": False}
    options |= {"forceinline": forceinline, "no_cfunc_wrapper": True, "no_cpython_wrapper": forceinline}
    options["pipeline_class"] = _LightCompiler

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options)(function)
        dispatcher._cache = KernelCache(function.__qualname__)
        return dispatcher

    return decorate


class _LightCompiler(Compiler):
    """numba's compiler, with LLVM at its first level: what is written in vectors gains nothing by the others."""

    def compile_extra(self, func: Any) -> CompileResult:
        """Compile a function; numba has one level for all, which is set back."""
        level = numba.config.OPT
        numba.config.OPT = type(level)(min(level, LEVEL))
        try:
            return super().compile_extra(func)
        finally:
            numba.config.OPT = level


class KernelCache(NullCache):
    """The compiled code of one function, a file for each signature and kind of processor."""

    def __init__(self, name: str) -> None:
        self.name = name

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Load what was compiled, or None."""
        target_context.refresh()
        for folder in _folders():
            with suppress(Exception):  # whatever it is, compiling mends it
                name, key = self._key(sig, target_context.codegen())
                content = _read(folder / name)
                checksum, code = content[:DIGEST], content[DIGEST:]
                if checksum == _digest(key, code):
                    return CompileResult._rebuild(target_context, *pickle.loads(code))
        _say_why_it_waits()
        return None

    def save_overload(self, sig: Any, cres: CompileResult) -> None:
        """Keep what was compiled in the first folder that takes it, or say once why none does."""
        reasons = []
        for folder in _folders():
            try:
                self._keep(folder, sig, cres)
                return
            except Exception as error:
                cause = error.__cause__ or error
                reasons.append(f"{folder}: {getattr(cause, 'strerror', None) or type(cause).__name__}")
        _say_once(
            f"compiled code can't be kept ({'; '.join(reasons) or 'no folder for it'}), so every run compiles it anew: "
            "let NUMBA_CACHE_DIR name a folder that only you may write to"
        )

    def _keep(self, folder: Path, sig: Any, cres: CompileResult) -> None:
        name, key = self._key(sig, cres.codegen)
        code = dumps(cres._reduce())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder.stat()):
            raise PermissionError(errno.EPERM, "others may write there")
        (folder / name).unlink(missing_ok=True)  # its permissions would stay
        with AtomicFile(str(folder / name), stream=False, mode=OTHERS_READ) as file:
            file.write(_digest(key, code) + code)
            commit(file)

    def _key(self, sig: Any, codegen: Any) -> tuple[str, bytes]:
        """Name the file, the same for all versions of the source, and a digest of all that must be the same."""
        what = repr((self.name, str(sig), codegen.magic_tuple(), VERSIONS, str(HERE))).encode()
        name = f"{self.name}-{hashlib.sha256(what).hexdigest()[:16]}.{sys.implementation.cache_tag}.kernel"
        return name, _digest(what, _source())


def _digest(key: bytes, content: bytes) -> bytes:
    return hashlib.sha256(key + content).digest()


@cache
def _say_why_it_waits() -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print("kneebayes: compiling once, which may take half a minute ...", file=sys.stderr)


@cache  # numba resets what Python's own "once" remembers
def _say_once(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=2)


@cache
def _source() -> bytes:
    """Read what is compiled, of all modules of the room, as one inlines code of another."""
    modules = (file for file in resources.files(__package__).iterdir() if file.name.endswith(".py"))
    return b"".join(file.read_bytes() for file in sorted(modules, key=lambda file: file.name))


def _folders() -> Iterator[Path]:
    """Where compiled code may be: where numba is told to keep it, beside the source, in the user's own cache."""
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR).absolute() / "kneebayes"
    if HERE.is_dir():  # not in a zip
        yield HERE / "__pycache__"
    own = Path(AppDirs("kneebayes", appauthor=False).user_cache_dir)
    if own.is_absolute():  # ~ stays as it is for a user without a home
        yield own


def _is_ours(state: os.stat_result) -> bool:
    """Say whether only this user, or root, may write there."""
    if not hasattr(os, "geteuid"):
        return True
    return state.st_uid in (0, os.geteuid()) and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes:
    """Read a file that nobody else may have written; empty where somebody may."""
    if not _is_ours(path.parent.stat()):
        return b""
    # a pipe is not waited for, nor a link followed
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(handle, "rb") as file:
        state = os.fstat(handle)
        return file.read() if stat.S_ISREG(state.st_mode) and _is_ours(state) else b""
