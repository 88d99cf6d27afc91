"""The compiled code kept on disk: trouble with it costs time, never the run, and nobody else's is run."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest

import kneebayes as kb
from kneebayes.inference.compiled import cache
from kneebayes.inference.network import MIN_COMPILED


def _make() -> numba.core.dispatcher.Dispatcher:
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    dispatcher: numba.core.dispatcher.Dispatcher = cache.compiled()(double)
    return dispatcher


def _is_loaded(dispatcher: numba.core.dispatcher.Dispatcher) -> bool:
    """Run it, and say whether its code came from the cache."""
    assert dispatcher(21) == 42
    return sum(dispatcher.stats.cache_hits.values()) == 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "_folders", lambda: [tmp_path / "kept"])
    return tmp_path / "kept"


def _kept(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_code_is_loaded_when_it_is_there(folder: Path) -> None:
    assert not _is_loaded(_make())
    assert _is_loaded(_make())


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _link(path: Path) -> None:
    other = path.parent.parent / "elsewhere"
    path.rename(other)
    path.symlink_to(other)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000)),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "one bit": _flip,
    "a link": _link,
    "a pipe": _pipe,
    "others may write to it": lambda path: path.chmod(0o666),
}


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_what_is_damaged_or_not_ours_is_compiled_anew_and_mended(folder: Path, damage: str) -> None:
    _is_loaded(_make())
    DAMAGE[damage](_kept(folder))
    assert not _is_loaded(_make())
    assert _is_loaded(_make())
    assert _kept(folder).is_file()
    assert _kept(folder).stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("which", range(len(cache.VERSIONS)))
def test_code_of_another_version_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch, which: int) -> None:
    _is_loaded(_make())
    versions = list(cache.VERSIONS)
    versions[which] = "0.0"
    monkeypatch.setattr(cache, "VERSIONS", tuple(versions))
    assert not _is_loaded(_make())
    assert _is_loaded(_make())
    monkeypatch.undo()
    monkeypatch.setattr(cache, "_folders", lambda: [folder])
    assert _is_loaded(_make())  # each version finds its own


def test_code_of_another_source_is_not_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _is_loaded(_make())
    monkeypatch.setattr(cache, "_source", lambda: b"another")
    assert not _is_loaded(_make())
    assert len(list(folder.iterdir())) == 1  # it takes the place of the old one


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_may_write_to_is_neither_read_nor_written(folder: Path, mode: int) -> None:
    _is_loaded(_make())
    before = _kept(folder).stat().st_mtime_ns
    folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match=r"can't be kept \(.*kept: others may write there\), so every run"):
        assert not _is_loaded(_make())
    assert _kept(folder).stat().st_mtime_ns == before


def test_a_folder_of_another_user_is_neither_read_nor_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _is_loaded(_make())
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if folder.stat().st_uid == 0:
        assert _is_loaded(_make())  # root could change the program as well
        os.chown(folder, 54321, -1)
    with pytest.warns(RuntimeWarning, match="others may write there"):
        assert not _is_loaded(_make())


@pytest.mark.parametrize("places", [[], [Path(os.devnull) / "kept"], [Path("/proc/kept"), Path("/dev/full")]])
def test_without_a_place_it_is_said_once(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_folders", lambda: places)
    cache._say_once.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            assert not _is_loaded(_make())
    (said,) = (str(warning.message) for warning in caught)
    assert "so every run compiles it anew: let NUMBA_CACHE_DIR name a folder" in said


def test_the_next_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_folders", lambda: [Path(os.devnull) / "kept", tmp_path])
    assert not _is_loaded(_make())
    assert _is_loaded(_make())


def test_where_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "~/of/nobody")  # what is left of it without a home
    assert list(cache._folders()) == [tmp_path / "kneebayes", cache.HERE / "__pycache__"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert list(cache._folders())[-1] == tmp_path / "kneebayes"


WITHOUT_JIT = f"""
import kneebayes as kb
model = kb.load_model()
cases = model.simulate({MIN_COMPILED}, seed=1)
scores = model.score(cases)
fitted = model.fit(cases.head(256), max_steps=5, tolerance=1e9)
print(scores["dvt"].sum().hex(), fitted.file.version)
"""


@pytest.mark.slow
def test_without_jit_numpy_does_all() -> None:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = subprocess.run([sys.executable, "-c", WITHOUT_JIT], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stderr) == (0, "")
    model = kb.load_model()
    scores = model.score(model.simulate(MIN_COMPILED, seed=1))
    assert float.fromhex(run.stdout.split()[0]) == pytest.approx(scores["dvt"].sum(), rel=1e-12)
