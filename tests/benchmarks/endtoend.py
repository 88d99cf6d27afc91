"""A file of cases from end to end: time against the floor, memory by size, start-up.

    python -m tests.benchmarks.endtoend [ROWS]

The floor is pyarrow reading the same file and writing a table of the same
output, nothing else; it is timed inside its process, kneebayes as a whole
process. Runs alternate, and the best of each counts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 3
SIZES = (500_000, 5_000_000)
STARTS = {
    "import numpy": ["-c", "import numpy"],
    "import pandas": ["-c", "import pandas"],
    "import kneebayes": ["-c", "import kneebayes"],
    "kneebayes --help": ["-m", "kneebayes", "--help"],
    "kneebayes diagnose age=67 calf_pain=yes": ["-m", "kneebayes", "diagnose", "age=67", "calf_pain=yes"],
    "kneebayes diagnose --engine pgmpy age=67": ["-m", "kneebayes", "diagnose", "--engine", "pgmpy", "age=67"],
}
FLOOR = """
import sys, time, pyarrow.csv as csv, pyarrow.parquet as parquet
ending, source, scores = sys.argv[1:]
read, write = (csv.read_csv, csv.write_csv) if ending == "csv" else (parquet.read_table, parquet.write_table)
table = read(scores)
start = time.perf_counter()
read(source)
write(table, scores + ".floor")
print(time.perf_counter() - start)
"""
PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "kneebayes", *sys.argv[1:]], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""
LATENCY = """
import statistics, time, kneebayes as kb
model = kb.load_model()
case = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present", "calf_pain": "no"}
times = []
for _ in range(300):
    start = time.perf_counter()
    model.diagnose(case)
    times.append(time.perf_counter() - start)
print(1000 * statistics.median(times))
"""


def main(rows: int) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{rows:,} rows, best of {RUNS}\n{'':<22}{'kneebayes s':>12}{'floor s':>10}{'ratio':>8}")
        for ending in ("csv", "parquet"):
            source, scores = folder / f"cases.{ending}", folder / f"scores.{ending}"
            simulate(rows, source)
            mine, floor = [], []
            for _ in range(RUNS):
                mine.append(seconds("-m", "kneebayes", "score", str(source), "-o", str(scores), "--quiet"))
                floor.append(float(run("-c", FLOOR, ending, str(source), str(scores))))
            print(f"{f'{ending} to {ending}':<22}{min(mine):>12.2f}{min(floor):>10.2f}{min(mine) / min(floor):>8.2f}")
            source.unlink()
        print(f"\n{'rows, CSV to CSV':<22}{'peak MiB':>12}")
        for size in SIZES:
            big = folder / "big.csv"
            simulate(size, big)
            print(
                f"{size:<22,}{float(run('-c', PEAK, 'score', str(big), '-o', str(folder / 'out.csv'), '-q')):>12,.0f}"
            )
    print(f"\n{'start-up':<44}{'s, median of 7':>15}")
    for label, arguments in STARTS.items():
        print(f"{label:<44}{statistics.median(seconds(*arguments) for _ in range(7)):>15.3f}")
    print(f"{'model.diagnose, warm, ms':<44}{float(run('-c', LATENCY)):>15.3f}")


def simulate(rows: int, target: Path) -> None:
    """Draw the cases that the issue of speed is about: 30 % of risk cells and 60 % of finding cells empty."""
    run("-m", "kneebayes", "simulate", "-n", str(rows), "--seed", "7", "--missing", "0.3,0.6", "-o", str(target), "-q")


def run(*arguments: str) -> str:
    """Run Python as a process of its own; give what it printed."""
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stdout


def seconds(*arguments: str) -> float:
    """Time a process, from its start to its end."""
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
