"""Kill ``kneebayes score`` with signal 9 at random moments: ``python -m tests.stress.kill_nine``.

After each kill the output and the rejects are what was there before or what a
run that ends gives, never a part, and never a new output beside old rejects. A
run to the end leaves nothing but them. Half of the kills fall into the last
part of a run, where the files take their places.
"""

from __future__ import annotations

import argparse
import hashlib
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import kneebayes as kb

ROOT = Path(__file__).parents[2]
BAD_EVERY = 97  # rows
OLD = b"what was there before\n"


@dataclass
class Tally:
    """What a series of kills left."""

    kind: str
    seconds: float
    states: Counter[str] = field(default_factory=Counter)
    leftovers: int = 0

    def __str__(self) -> str:
        states = ", ".join(f"{name} {count}" for name, count in sorted(self.states.items()))
        return f"{self.kind}: a run takes {self.seconds:.1f} s; {states}; {self.leftovers} temporary files were left"


def kill_runs(folder: Path, kind: str, *, kills: int, rows: int, seed: int = 0) -> Tally:
    """Kill runs, and look at what each leaves.

    Parameters
    ----------
    folder : pathlib.Path
        An empty folder.
    kind : str
        Ending of the output, and of the input if it is ``parquet``.
    kills : int
        How many.
    rows : int
        Of the input.
    seed : int
        Of the moments.

    Returns
    -------
    Tally
        What was there after each: ``output/rejects``.

    Raises
    ------
    AssertionError
        If something was lost, or half written.
    """
    rng = np.random.default_rng(seed)
    source = folder / ("cases.parquet" if kind == "parquet" else "cases.csv")
    _write(rows, source)
    place = folder / "out"
    place.mkdir()
    begin = time.monotonic()
    new = _whole(source, place, kind)
    old = [hashlib.sha256(OLD).hexdigest()] * 2
    tally = Tally(kind, time.monotonic() - begin)
    for number in range(kills):
        for name in (f"posteriors.{kind}", "rejects.csv"):
            (place / name).write_bytes(OLD)
        first = 0.0 if number % 2 else 0.8
        with _start(source, place, kind) as process:
            time.sleep(float(rng.uniform(first, 1.1)) * tally.seconds)
            process.kill()
        found = _digests(place, kind)
        state = "/".join(
            "old" if f == o else "new" if f == n else "BROKEN" for f, o, n in zip(found, old, new, strict=True)
        )
        assert state in ("old/old", "old/new", "new/new"), f"kill {number}: output/rejects are {state}"
        assert process.returncode in (-signal.SIGKILL, 1), process.returncode
        assert process.returncode == -signal.SIGKILL or state == "new/new", "the exit code told that it was done"
        left = [path for path in place.iterdir() if path.name.startswith(".")]
        assert len(left) <= 2, "what earlier runs left was not removed"
        tally.states[f"{state} {'killed' if process.returncode < 0 else 'done'}"] += 1
        tally.leftovers += len(left)
    assert _whole(source, place, kind) == new
    assert sorted(path.name for path in place.iterdir()) == [f"posteriors.{kind}", "rejects.csv"]
    return tally


def _write(rows: int, path: Path) -> None:
    cases = kb.load_model().simulate(rows, seed=rows, missing=(0.3, 0.6)).astype({"age": "Int64"})
    cases.loc[::BAD_EVERY, "age"] = 999
    if path.suffix == ".parquet":
        cases.to_parquet(path)
    else:
        cases.to_csv(path, index=False)


def _start(source: Path, place: Path, kind: str) -> subprocess.Popen[bytes]:
    paths = [str(source), "-o", str(place / f"posteriors.{kind}"), "--rejects", str(place / "rejects.csv")]
    return subprocess.Popen([sys.executable, "-m", "kneebayes", "score", *paths, "--quiet"], cwd=ROOT)


def _whole(source: Path, place: Path, kind: str) -> list[str]:
    with _start(source, place, kind) as process:
        assert process.wait() == 1  # some rows are rejected
    read = pd.read_csv if kind.startswith("csv") else pd.read_parquet
    assert len(read(place / f"posteriors.{kind}")) > 0
    return _digests(place, kind)


def _digests(place: Path, kind: str) -> list[str]:
    return [hashlib.sha256((place / name).read_bytes()).hexdigest() for name in (f"posteriors.{kind}", "rejects.csv")]


def main() -> None:
    """Kill runs to each kind of output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="for each kind of output")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("kinds", nargs="*", default=["csv", "parquet", "csv.gz"])
    chosen = parser.parse_args()
    for kind in chosen.kinds:
        with tempfile.TemporaryDirectory() as folder:
            print(kill_runs(Path(folder), kind, kills=chosen.kills, rows=chosen.rows, seed=chosen.seed), flush=True)


if __name__ == "__main__":
    main()
