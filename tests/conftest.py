"""What all tests share: how hypothesis searches, and what a session does once that costs seconds each time.

Hypothesis tries the same cases every time in the suite, far more of them by hand:

python -m pytest tests/whole/test_properties.py --hypothesis-profile=thorough
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from kneebayes.spec import yaml_io
from kneebayes.spec.model_spec import ModelSpec

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]  # a model file takes a while to check

settings.register_profile("suite", derandomize=True, deadline=None, max_examples=40, suppress_health_check=SLOW)
settings.register_profile(
    "thorough", derandomize=False, deadline=None, max_examples=1500, print_blob=True, suppress_health_check=SLOW
)
settings.load_profile("suite")

MODELS = Path(__file__).parents[1] / "models"
ALL_SLOW = re.compile(r"^pytestmark = \[?pytest\.mark\.slow\b", re.MULTILINE)
read = yaml_io._checked
read_once = cache(read)


def _read_shipped_once(text: str, source: str, *, is_file: bool) -> ModelSpec:
    """Read a model that ships once: nothing changes a `ModelSpec`, and hundreds of tests begin with one."""
    return (read_once if Path(source).parent == MODELS else read)(text, source, is_file=is_file)


yaml_io._checked = _read_shipped_once


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Pass over modules that hold no test of this session, which take seconds to import."""
    if collection_path.suffix != ".py":
        return None
    text = collection_path.read_text(encoding="utf-8")
    no_test = not collection_path.name.startswith("test_") and ">>> " not in text
    return no_test or (config.option.markexpr == "not slow" and bool(ALL_SLOW.search(text))) or None


def pytest_collection_finish() -> None:
    """Look less often for what is left over: a session ends before it fills the memory, and looking takes a while."""
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let one worker wait for what another compiles, and read that: a minute of work for each otherwise."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.dispatcher import Dispatcher

    from kneebayes.inference.compiled.cache import KernelCache

    locks, compile_now = tmp_path_factory.getbasetemp().parent, Dispatcher.compile

    def compile_once(dispatcher: Any, signature: Any) -> Any:
        if not isinstance(dispatcher._cache, KernelCache):
            return compile_now(dispatcher, signature)
        with global_compiler_lock, (locks / f"{dispatcher._cache.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a kernel waits for those it calls only, so never in a circle
            return compile_now(dispatcher, signature)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dispatcher, "compile", compile_once)
        yield
