"""Runs the real command line, again and again, each time in a process of its own.

Starting Python and importing takes longer than most cases of the corpus. So
this program imports once, and for each line of standard input forks a child
that runs the command; it answers with a line of JSON: exit code, the class of
the error that led to it, standard error, seconds of its processor and the
memory that the child took beyond what it was born with.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

MOST_SECONDS = 60  # of the clock, on a machine that others use too
MOST_BYTES = 4 << 30


def main() -> None:
    """Answer until standard input ends."""
    import kneebayes
    from kneebayes import model as api
    from kneebayes.ui import cli

    importlib.import_module("kneebayes.scoring.readers")
    ready = Path(sys.argv[1])
    (ready / "warm.csv").write_text("case_id,age\na,67\n")  # so that compiled code is loaded before, not in each child
    shipped = kneebayes.load_model()
    for engine in ("numpy", "numba"):
        import pyarrow as pa

        shipped.score_table(pa.table({"age": ["67"]}), engine=engine)
    kneebayes.score_file(ready / "warm.csv", ready / "out.csv")
    load = api.load_model
    api.load_model = lambda model=None: shipped if model is None else load(model)  # each child would load the same
    gc.collect()
    gc.freeze()  # what was there before is shared with the children, as long as nobody touches it
    for line in sys.stdin:
        print(json.dumps(born(cli.main, json.loads(line))), flush=True)


def born(command: Any, run: dict[str, Any]) -> dict[str, Any]:
    """Run a command in a child."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        try:
            lives(command, run, tell)
        finally:
            os._exit(99)
    os.close(tell)
    deadline, state, usage = time.monotonic() + MOST_SECONDS, 0, None
    while usage is None:
        pid, state, used = os.wait4(child, os.WNOHANG)
        if pid:
            usage = used
        elif time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            deadline = float("inf")
        else:
            time.sleep(0.002)
    with os.fdopen(told, encoding="utf-8") as stream:
        before, error = [*stream.read().splitlines(), "", ""][:2]
    code = os.waitstatus_to_exitcode(state)
    grown = usage.ru_maxrss / 1024 - float(before or 0)
    return {"code": code, "error": error, "seconds": usage.ru_utime + usage.ru_stime, "megabytes": grown}


def lives(command: Any, run: dict[str, Any], tell: int) -> None:
    """Be the child."""
    os.chdir(run["folder"])
    for path, flags, stream in (
        (run["stdin"], os.O_RDONLY, 0),
        (run["stdout"], os.O_WRONLY | os.O_CREAT, 1),
        (run["stderr"], os.O_WRONLY | os.O_CREAT, 2),
    ):
        os.dup2(os.open(path, flags, 0o600), stream)
    sys.stdin, sys.stdout, sys.stderr = (open(n, mode, encoding="utf-8") for n, mode in enumerate(("r", "w", "w")))  # noqa: SIM115
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES,) * 2)
    os.write(tell, f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}\n".encode())
    sys.argv = ["kneebayes", *run["arguments"]]
    code: Any = 0
    streams = sys.stdout, sys.stderr
    try:
        command()
    except SystemExit as stop:
        code = stop.code or 0
        cause: BaseException | None = stop
        while cause is not None and not type(cause).__module__.startswith("kneebayes"):
            cause = cause.__context__
        os.write(tell, f"{type(cause).__name__ if cause else ''}\n".encode())
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 98
    for written in streams:
        written.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
