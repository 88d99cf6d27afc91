"""What the fuzzers share: which functions show coverage, and how a run is started."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["fuzz"]


def fuzz(promises: Callable[[bytes], None], seeds: dict[str, bytes], modules: Iterable[str], limits: list[str]) -> None:
    """Fuzz into the folder, for the seconds, that the command line names.

    Parameters
    ----------
    promises : callable
        Takes an input, and raises where it breaks a promise.
    seeds : dict of str to bytes
        Inputs to start from, by the names of their files.
    modules : iterable of str
        Those of kneebayes that show which inputs reach something new.
    limits : list of str
        Options of libFuzzer.
    """
    atheris = importlib.import_module("atheris")  # here, as few have it
    folder, seconds, *more = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, seed in seeds.items():
        (Path(folder) / name).write_bytes(seed)
    for name in modules:
        # One by one, as the import hook of atheris takes whole packages, and numba can't compile what it changed.
        module = importlib.import_module(f"kneebayes.{name}")
        classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
        for owner in [module, *classes]:
            for _, function in inspect.getmembers(owner, inspect.isfunction):
                if function.__module__ == module.__name__ and not inspect.isgeneratorfunction(function):
                    atheris.instrument_func(function)
    atheris.Setup(
        [sys.argv[0], folder, f"-artifact_prefix={folder}/", f"-max_total_time={seconds}", *limits, *more], promises
    )
    atheris.Fuzz()
