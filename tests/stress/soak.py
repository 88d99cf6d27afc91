"""Fifty million rows through the streaming scorer: counts that add up, memory that is flat, numbers that are right.

    python -m tests.stress.soak [--rows 50000000] [--ids] [--ending csv|parquet] [--folder FOLDER]

Simulated cases (30 % of risk cells and 60 % of finding cells empty) are taken apart into risks and findings, and put
together anew on each pass, so that no two rows need be alike; they go through a pipe to ``kneebayes score -``. Bad
rows of every kind are planted at known places. Afterwards: the counts that it reports, the rows of the output, the
rejects by number, the memory of the process over time, and a random sample of rows computed by pgmpy. Any of them
wrong gives exit code 1.

Without ``--ids`` the rows have no case_id, and memory has nothing to grow with. With them it may grow by 8 bytes a
row, by which duplicates are found, and duplicates are planted too. Needs about 300 bytes of disk a row for CSV.
"""

from __future__ import annotations

import argparse
import csv
import io
import itertools
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

import kneebayes as kb
from kneebayes.learn.simulate import simulate_batches, write_cases

BLOCK = 20_000
SEED = 20261123
TOLERANCE = 1e-9
BYTES_PER_ID = 8
LEAST_ROWS = 2_000_000  # of fewer, the start of the run is the start of Python
FLAT_MIB = 48  # what an allocator and a runtime may keep beyond what they need
SAMPLE_SECONDS = 1.0
KINDS = ("age", "word", "fields", "bytes", "contradiction", "duplicate")
COUNTS = re.compile(r"([\d,]+) rows read: ([\d,]+) scored, ([\d,]+) rejected")


@dataclass
class Stream:
    """Rows that can be made again from their number.

    Parameters
    ----------
    header : list of bytes
        The columns of the simulated cases, without case_id.
    heads, tails : list of bytes
        The risk cells and the finding cells of each simulated case.
    rows : int
        How many to make.
    ids : bool
        Whether rows have a case_id.
    bad : dict of int to str
        The kind of each bad row.
    """

    header: list[bytes]
    heads: list[bytes]
    tails: list[bytes]
    rows: int
    ids: bool
    bad: dict[int, str]
    made: int = 0
    broken: list[OSError] = field(default_factory=list)

    def parts(self, start: int, stop: int) -> tuple[list[int], list[int]]:
        """Which head and which tail each row has: another pairing, in another order, on every pass."""
        number = np.arange(start, stop)
        turn, place = number // len(self.heads), number % len(self.heads)
        head = (place * 7919 + turn * 104_729) % len(self.heads)  # 7919 is prime: every head once in a pass
        return head.tolist(), ((head + turn * 15_485_863) % len(self.tails)).tolist()

    def row(self, number: int) -> bytes:
        """Make one row, bad where it is to be."""
        (head,), (tail,) = self.parts(number, number + 1)
        cells = [*self.heads[head].split(b","), *self.tails[tail].split(b",")]
        case_id = b"r%d" % number
        kind = self.bad.get(number)
        if kind == "age":
            cells[self.header.index(b"age")] = b"203"
        elif kind == "word":
            cells[self.header.index(b"calf_pain")] = b"perhaps"
        elif kind == "fields":
            cells.append(b"")
        elif kind == "bytes":
            cells[self.header.index(b"fever")] = b"pr\xe9sent"
        elif kind == "contradiction":
            cells[self.header.index(b"sex")], cells[self.header.index(b"pregnancy")] = b"male", b"pregnant"
        elif kind == "duplicate":
            case_id = b"r0"
        return b",".join([case_id, *cells] if self.ids else cells) + b"\n"

    def block(self, start: int, stop: int) -> bytes:
        """Make the rows of a range."""
        heads, tails = self.heads, self.tails
        pairs = zip(*self.parts(start, stop), strict=True)
        if self.ids:
            rows = [b"r%d,%b,%b\n" % (n, heads[h], tails[t]) for n, (h, t) in enumerate(pairs, start)]
        else:
            rows = [b"%b,%b\n" % (heads[h], tails[t]) for h, t in pairs]
        for number in self.bad.keys() & set(range(start, stop)):
            rows[number - start] = self.row(number)
        return b"".join(rows)

    def write(self, pipe: IO[bytes]) -> None:
        """Write all rows; it is what a thread does."""
        try:
            with pipe:
                pipe.write(b",".join([b"case_id", *self.header] if self.ids else self.header) + b"\n")
                for start in range(0, self.rows, BLOCK):
                    self.made = min(start + BLOCK, self.rows)
                    pipe.write(self.block(start, self.made))
        except OSError as error:
            self.broken.append(error)


def stream(folder: Path, rows: int, distinct: int, n_bad: int, ids: bool) -> Stream:
    """Simulate cases and plan the rows."""
    model, path = kb.load_model().file, folder / "cases.csv"
    write_cases(simulate_batches(model, distinct, seed=SEED, missing=(0.3, 0.6)), str(path))
    n_risks = len(model.risks)
    with open(path, "rb") as file:
        header = next(file).strip().split(b",")[1:]
        lines = [line.rstrip(b"\n").split(b",", n_risks + 1) for line in file]
    path.unlink()
    rng = np.random.default_rng(SEED)
    places = rng.choice(np.arange(1, rows), n_bad, replace=False).tolist()
    kinds = KINDS if ids else KINDS[:-1]
    bad = dict(zip(places, itertools.cycle(kinds), strict=False))
    heads, tails = [b",".join(line[1:-1]) for line in lines], [line[-1] for line in lines]
    return Stream(header, heads, tails, rows, ids, bad)


def score(rows: Stream, target: Path, rejects: Path) -> tuple[str, int, list[tuple[float, int, float]]]:
    """Score the stream: what was said, the exit code, and (seconds, rows sent, MiB of memory) every second."""
    command = [sys.executable, "-m", "kneebayes", "score", "-", "-o", str(target), "--rejects", str(rejects)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        feeder = threading.Thread(target=rows.write, args=(process.stdin,))
        start, samples = time.perf_counter(), []
        feeder.start()
        while process.poll() is None:
            samples.append((time.perf_counter() - start, rows.made, resident(process.pid)))
            if len(samples) % 30 == 0:
                print(f"{rows.made:>13,} rows, {samples[-1][0]:>6.0f} s, {samples[-1][2]:>5.0f} MiB", flush=True)
            time.sleep(SAMPLE_SECONDS)
        said = process.stderr.read().decode()
        feeder.join()
    return said, process.returncode, samples


def resident(pid: int) -> float:
    """Read how much memory a process holds, in MiB; 0 once it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else 0.0


def check_memory(samples: list[tuple[float, int, float]], rows: int, ids: bool) -> list[str]:
    """Compare the memory of the middle and the end with that of the start."""
    shares = {"start": (0.05, 0.15), "middle": (0.45, 0.55), "end": (0.9, 1.0)}
    held = {
        name: [mib for _, made, mib in samples if low * rows <= made <= high * rows and mib]
        for name, (low, high) in shares.items()
    }
    if rows < LEAST_ROWS or not all(held.values()):
        print(f"memory: not judged, with fewer than {LEAST_ROWS:,} rows or in so short a time")
        return []
    means = {name: sum(values) / len(values) for name, values in held.items()}
    grown, allowed = means["end"] - means["start"], FLAT_MIB + (BYTES_PER_ID * rows / 2**20 if ids else 0)
    figures = ", ".join(f"{name} {mean:.0f} MiB" for name, mean in means.items())
    peak = max(mib for *_, mib in samples)
    print(f"memory: {figures}, most {peak:.0f} MiB; grown by {grown:.0f}, at most {allowed:.0f} allowed")
    return [] if grown <= allowed else [f"memory grew by {grown:.0f} MiB"]


def check_rejects(rows: Stream, rejects: Path) -> list[str]:
    """Compare the rows that were rejected with those that were planted."""
    with open(rejects, encoding="utf-8", newline="") as file:
        found = {int(row["row"]) - 1 for row in csv.DictReader(file)}
    planted = set(rows.bad)
    print(f"rejects: {len(found):,} rows, {len(planted):,} planted")
    wrong = [f"row {n} ({rows.bad[n]}) was not rejected" for n in sorted(planted - found)[:5]]
    return wrong + [f"row {n} was rejected" for n in sorted(found - planted)[:5]]


def check_output(rows: Stream, target: Path, sample: int) -> list[str]:
    """Count the rows of the output, check the order of their ids, and compute a sample of them by pgmpy."""
    rng = np.random.default_rng(SEED + 1)
    wanted = set(rng.choice(rows.rows, min(2 * sample, rows.rows), replace=False).tolist()) - rows.bad.keys()
    wanted = set(sorted(wanted, key=lambda n: (n * 2654435761) % 2**32)[:sample])
    numbers = (n for n in range(rows.rows) if n not in rows.bad)
    picked, wrong, n_rows = {}, [], 0
    header, lines = written(target)
    for line in lines:
        n_rows += 1
        number = next(numbers, -1)
        if rows.ids and not line.startswith(b"r%d," % number):
            return [f"row {n_rows} of the output is {line[:20]!r}, and r{number} was expected"]
        if number in wanted:
            picked[number] = dict(zip(header, line.decode().rstrip("\n").split(","), strict=True))
    if n_rows != rows.rows - len(rows.bad):
        wrong.append(f"the output has {n_rows:,} rows, and {rows.rows - len(rows.bad):,} were expected")
    return wrong + check_sample(rows, picked, wanted)


def written(target: Path) -> tuple[list[str], Iterator[bytes]]:
    """Read the output a line at a time, be it Parquet."""
    if target.suffix == ".parquet":
        file = parquet.ParquetFile(target)
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")

        def lines() -> Iterator[bytes]:
            for batch in file.iter_batches(BLOCK):
                text = io.BytesIO()
                arrow_csv.write_csv(pa.Table.from_batches([batch]), text, options)
                yield from text.getvalue().splitlines(keepends=True)

        return list(file.schema_arrow.names), lines()
    with open(target, "rb") as opened:
        header = next(opened).decode().strip().split(",")
    return header, itertools.islice(open(target, "rb"), 1, None)


def check_sample(rows: Stream, picked: dict[int, dict[str, str]], wanted: set[int]) -> list[str]:
    """Compute rows by pgmpy, from the very cells that were sent."""
    model, largest, wrong = (
        kb.load_model(),
        0.0,
        [f"row {n} is not in the output" for n in sorted(wanted - set(picked))],
    )
    header = [b"case_id", *rows.header] if rows.ids else rows.header
    for number, found in picked.items():
        cells = zip(header, rows.row(number).strip().split(b","), strict=True)
        facts = {name.decode(): cell.decode() for name, cell in cells if cell and name != b"case_id"}
        dx = model.diagnose(facts, engine="pgmpy")
        apart = max(abs(float(found[name]) - p) for name, p in dx.probabilities.items())
        largest = max(largest, apart)
        if not apart <= TOLERANCE:
            wrong.append(f"row {number}: apart by {apart:.1e} from pgmpy: {facts}")
        if found["dvt_alarm"] != dx.alarm.level:
            wrong.append(f"row {number}: alarm {found['dvt_alarm']}, by pgmpy {dx.alarm.level}: {facts}")
    print(f"sample: {len(picked):,} rows computed by pgmpy, apart by at most {largest:.1e}")
    return wrong


def check_counts(rows: Stream, said: str, code: int) -> list[str]:
    """Compare what was reported with what was sent."""
    found = COUNTS.search(said)
    if found is None:
        return [f"no counts were reported, but: {said[-500:]}"]
    n_read, n_scored, n_rejected = (int(text.replace(",", "")) for text in found.groups())
    print(f"counts: {n_read:,} read = {n_scored:,} scored + {n_rejected:,} rejected; exit code {code}")
    expected = (rows.rows, rows.rows - len(rows.bad), len(rows.bad), 1 if rows.bad else 0)
    return [] if (n_read, n_scored, n_rejected, code) == expected else [f"counts and exit code: {expected} expected"]


def main() -> None:
    """Print what was found; exit with 1 where it is not as it should be."""
    parser = argparse.ArgumentParser(description="Soak kneebayes score.")
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--distinct", type=int, default=1_000_000, help="simulated cases to take apart")
    parser.add_argument("--bad", type=int, default=5_000)
    parser.add_argument("--sample", type=int, default=1_000)
    parser.add_argument("--ids", action="store_true")
    parser.add_argument("--ending", choices=["csv", "parquet"], default="csv")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        target, rejects = folder / f"posteriors.{given.ending}", folder / "rejects.csv"
        rows = stream(folder, given.rows, min(given.distinct, given.rows), given.bad, given.ids)
        said, code, samples = score(rows, target, rejects)
        taken = samples[-1][0]
        print(
            f"{given.rows:,} rows in {taken:,.0f} s, {given.rows / taken:,.0f} a second; "
            f"output {target.stat().st_size / 1e9 if target.exists() else 0:.2f} GB"
        )
        wrong = [f"the stream broke: {error}" for error in rows.broken] + check_counts(rows, said, code)
        wrong += check_memory(samples, given.rows, given.ids)
        if code in (0, 1) and target.exists():
            wrong += check_rejects(rows, rejects) + check_output(rows, target, given.sample)
        left = [path.name for path in folder.iterdir() if path not in (target, rejects)]
        wrong += [f"left behind: {name}" for name in left]
    for text in wrong[:20]:
        print(f"WRONG: {text}")
    print("all as it should be" if not wrong else f"{len(wrong)} things are wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
