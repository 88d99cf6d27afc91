"""Exact inference: from coded evidence to posteriors.

Public to the other rooms: `CompiledModel` (`network`), evidence (`evidence`), tables and the vector of numbers
(`tables`), expected counts (`counts`), and how many cores there are for it.
"""

import os


def cores() -> int:
    """Count the cores that this process may use: those it is held to (a container, ``taskset``), else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
