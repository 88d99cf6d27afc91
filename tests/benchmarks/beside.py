"""What users wait for, now beside an earlier commit, in one run.

    python -m tests.benchmarks.beside [EARLIER] [ROWS] [PAIRS]

EARLIER is a commit, or a folder that one was checked out to; by default the last commit, beside what is not committed
yet. Both score the same simulated cases, half
of their cells empty, by the article's model as it was then. Processes alternate; of each the best of three counts, and
of these the median.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[2]
PARTS = "kneebayes", "models"
DEFAULTS = "HEAD", "200000", "3"
CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"}
CHILD = """
import json, os, sys, tempfile, time
from pathlib import Path
folder, path, rows, case = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=folder)  # where nothing compiled is kept yet
import pandas as pd, polars as pl, pyarrow as pa
import kneebayes as kb

def best(act, times=3):
    found = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        found.append(time.perf_counter() - start)
    return min(found)

def file(ending):
    target = folder / f"scores.{ending}"
    target.unlink(missing_ok=True)
    model.score_file(str(folder / f"cases.{ending}"), str(target))

model = kb.load_model(path)
texts = pd.read_csv(folder / "cases.csv", dtype={"case_id": str})
start = time.process_time()
model.score(texts.head(100_000))
found = {"first 100,000 rows, nothing compiled: s of processor time": time.process_time() - start}
named = [name for name in texts.columns if name != "case_id" and not pd.api.types.is_numeric_dtype(texts[name])]
frames = {
    "pandas, strings": texts,
    "pandas, categoricals": texts.astype(dict.fromkeys(named, "category")),
    "pyarrow": pa.Table.from_pandas(texts, preserve_index=False),
    "polars": pl.from_pandas(texts),
}
for name, frame in frames.items():
    found[f"{name}: us a row"] = 1e6 * best(lambda: model.score(frame)) / rows
for ending in ("csv", "parquet"):
    found[f"{ending} to {ending}: us a row"] = 1e6 * best(lambda: file(ending)) / rows
dx = model.diagnose(case)
for name, act in {
    "diagnose": lambda: model.diagnose(case), "explain": dx.explain, "next_questions": dx.next_questions,
    "intervals": dx.intervals,
}.items():
    act()
    found[f"{name}: ms"] = 1e3 * best(act, 15)
print(json.dumps(found))
"""


def main(earlier: str, rows: int, pairs: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder, before, now = Path(name), Path(name) / "before", Path(name) / "now"
        is_folder = Path(earlier).is_dir()
        for source, copy in [(HERE, now), *([(Path(earlier), before)] if is_folder else [])]:
            for part in PARTS:  # a copy has nothing compiled beside it either
                shutil.copytree(source / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        if not is_folder:
            packed = subprocess.run(["git", "archive", earlier, *PARTS], cwd=HERE, check=True, capture_output=True)
            with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
                archive.extractall(before, filter="data")
        model = str(before / "models" / "posterior_knee_pain.yaml")
        for ending in ("csv", "parquet"):
            asked = f"simulate --model {model} -n {rows} --seed 3 --missing 0.5 -o {folder}/cases.{ending} -q"
            run(now, "-m", "kneebayes", *asked.split())
        found: dict[Path, list[dict[str, float]]] = {before: [], now: []}
        for _ in range(pairs):
            for checkout, results in found.items():
                printed = run(checkout, "-c", CHILD, name, model, str(rows), json.dumps(CASE))
                results.append(json.loads(printed.splitlines()[-1]))
    print(f"{rows:,} rows, {pairs} pairs\n{'':<60}{'earlier':>10}{'now':>10}{'ratio':>8}")
    for what in found[now][0]:
        old, new = (statistics.median(result[what] for result in results) for results in found.values())
        print(f"{what:<60}{old:>10.2f}{new:>10.2f}{new / old:>8.2f}")


def run(checkout: Path, *arguments: str) -> str:
    """Run Python in a checkout, and with no home, where code compiled before may be; give what it printed."""
    own = os.environ | {"PYTHONPATH": str(checkout), "HOME": str(checkout)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=own, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    earlier, rows, pairs = (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])
    main(earlier, int(rows), int(pairs))
