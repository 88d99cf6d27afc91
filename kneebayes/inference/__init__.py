"""Exact inference: from coded evidence to posteriors.

Public to the other rooms: `CompiledModel` (`network`), evidence (`evidence`), tables and the vector of numbers
(`tables`), expected counts (`counts`), how many cores there are for it, and how to hold products of matrices to one.
"""

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def cores() -> int:
    """Count the cores that this process may use: those it is held to (a container, ``taskset``), else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_thread() -> AbstractContextManager[Any]:
    """Hold products of matrices to one thread: on another number of them they would sum in another order."""
    limit: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limit


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped] # here: only products wait for it

    return ThreadpoolController()  # goes through all libraries that are loaded, NumPy's among them
