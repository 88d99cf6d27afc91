"""One answer whatever the versions: kneebayes under several Pythons, with the newest and the oldest it allows.

    python -m tests.stress.versions [PYTHON ...] [--rows N] [--folder FOLDER]

For each Python an environment with the newest dependencies, and one with the oldest that pyproject allows where
there are wheels of them. Each scores the example cases as a file, and the same simulated rows in every way there
is; all are compared with the first. Takes a minute or two for each environment, most of it pip's. What differs by
more than 1e-12, or in a word, is an error; the table says where bits differ.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent.parent
TOLERANCE = 1e-12
PACKAGES = ("numpy", "numba", "pandas", "pyarrow", "pydantic", "scikit-learn", "typer")
Answers = tuple[dict[str, NDArray[np.float64]], dict[str, Any]]
ANSWERS = """
import json, sys, warnings
from importlib.metadata import version
import numpy as np, pandas as pd, pyarrow as pa
import kneebayes as kb
cases, example, floats_to, words_to, packages = sys.argv[1:6]
model, floats, words = kb.load_model(), {}, {}

def keep(name, frame):
    numbers = frame.select_dtypes("float64")
    floats[name] = numbers.to_numpy()
    words[name] = {c: [str(x) for x in frame[c]] for c in frame if c not in numbers}

frame = pd.read_csv(cases)
keep("compiled", model.score(frame))
table = pa.Table.from_pandas(frame)
keep("numpy", model.score_table(table, engine="numpy").table.to_pandas())
keep("intervals of many", model.score(frame.head(1200), intervals=0.9, draws=20, seed=1))
some = [row.dropna().to_dict() for _, row in frame.drop(columns="case_id").head(25).iterrows()]
diagnoses = [model.diagnose(case) for case in some]
floats["diagnoses"] = np.array([dx.posterior.to_numpy() for dx in diagnoses])
words["alarms"] = [[dx.alarm.level, *dx.alarm.reasons] for dx in diagnoses]
words["said"] = [[str(line) for line in str(dx).splitlines()] for dx in diagnoses]
floats["intervals"] = np.concatenate([dx.intervals(draws=100, seed=2).to_numpy(dtype=float) for dx in diagnoses[:5]])
floats["explained"] = np.concatenate([dx.explain()["decibans"].sort_index().to_numpy() for dx in diagnoses[:5]])
floats["pgmpy"] = np.array([model.diagnose(case, engine="pgmpy").posterior.to_numpy() for case in some[:5]])
shifted = model.with_prevalence({"dvt": 0.12})
floats["recalibrated"] = shifted.score(frame.head(50)).select_dtypes("float64").to_numpy()
words["simulated"] = model.simulate(300, seed=11, missing=0.5, with_causes=True).to_csv(index=False).split()
np.savez(floats_to, **floats)
installed = {name: version(name) for name in packages.split(",")}
json.dump({"words": words, "versions": installed, "python": sys.version.split()[0]}, open(words_to, "w"))
"""


def environment(python: str, folder: Path, constraints: Path | None) -> Path | None:
    """Install kneebayes from this checkout, not as a link to it; nothing where there are no wheels."""
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--only-binary=:all:", str(ROOT)]
    run = subprocess.run(pip + (["-c", str(constraints)] if constraints else []), capture_output=True, text=True)
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        print(f"{folder.name}: can't be installed: {'; '.join(errors) or run.stderr[-500:]}", flush=True)
        return None
    return folder / "bin" / "python"


def answers(python: Path, cases: Path) -> tuple[Answers, dict[str, str]]:
    """Ask an environment everything, with the package that is installed there."""
    folder = python.parent.parent
    example, floats, words = folder / "posteriors.csv", folder / "floats.npz", folder / "words.json"
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    source = str(ROOT / "data" / "example_cases.csv")
    score = ["-m", "kneebayes", "score", source, "-o", str(example), "-q"]
    asked = ["-c", ANSWERS, str(cases), source, str(floats), str(words), ",".join(PACKAGES)]
    for arguments in (score, asked):
        subprocess.run([str(python), *arguments], check=True, cwd=folder, env=plain)
    said = json.loads(words.read_text(encoding="utf-8"))
    with np.load(floats) as saved:
        numbers = {name: saved[name] for name in saved.files}
    with open(example, encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        try:
            numbers[f"file: {name}"] = np.array(cells, dtype=float)
        except ValueError:
            said["words"][f"file: {name}"] = list(cells)
    return (numbers, said["words"]), {"python": said["python"], **said["versions"]}


def compared(first: Answers, other: Answers) -> tuple[int, int, float, list[str]]:
    """Count floats, those of which any bit differs, the largest difference, and name what differs in words."""
    n_floats = n_other = 0
    largest, wrong = 0.0, [name for name in first[1] if first[1][name] != other[1].get(name)]
    for name, expected in first[0].items():
        found = other[0][name]
        if expected.shape != found.shape:
            wrong.append(f"{name}: {expected.shape} and {found.shape}")
            continue
        bits = expected.view(np.int64) != found.view(np.int64)
        n_floats, n_other = n_floats + expected.size, n_other + int(bits.sum())
        if bits.any():
            apart = float(np.max(np.abs(expected - found)))
            largest = max(largest, apart)
            wrong += [f"{name}: apart by {apart:.1e}"] if not apart <= TOLERANCE else []
    return n_floats, n_other, largest, wrong


def main() -> None:
    """Print a line for each environment; exit with 1 where one differs."""
    parser = argparse.ArgumentParser(description="Compare kneebayes between versions of what it stands on.")
    parser.add_argument("pythons", nargs="*", default=[sys.executable])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    cases, constraints = folder / "cases.csv", folder / "oldest.txt"
    oldest = subprocess.run([sys.executable, "-m", "tests.oldest"], cwd=ROOT, check=True, capture_output=True)
    constraints.write_bytes(oldest.stdout)
    first: Answers | None = None
    failed = False
    for python in given.pythons:
        for kind in ("newest", "oldest"):
            name = f"{Path(python).name}-{len(list(folder.iterdir()))}-{kind}"
            made = environment(python, folder / name, constraints if kind == "oldest" else None)
            if made is None:
                continue
            if first is None:
                simulate = ["-m", "kneebayes", "simulate", "-n", str(given.rows), "--seed", "7", "--missing", "0.3,0.6"]
                subprocess.run([str(made), *simulate, "-o", str(cases), "-q"], check=True, cwd=folder)
            found, versions = answers(made, cases)
            first = first or found
            n_floats, n_other, largest, wrong = compared(first, found)
            said = ", ".join(f"{package} {version}" for package, version in versions.items())
            print(
                f"{kind}: {said}\n    {n_floats:,} floats, {n_other:,} with other bits, apart by {largest:.1e}", end=""
            )
            print("; words equal" if not wrong else f"; DIFFERENT: {'; '.join(wrong)}", flush=True)
            failed = failed or bool(wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
