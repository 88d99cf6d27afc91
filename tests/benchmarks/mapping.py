"""What a mapping costs: the same cases as a file of ours and as a hospital's, scored in one run.

    python -m tests.benchmarks.mapping [ROWS]

The hospital's file has other names and words (1 and 2, decimal commas, semicolons) and is read by a mapping. Each is
timed as a process of its own, less one of no rows, which is start-up; runs alternate, and the best of each counts.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml

import kneebayes as kb
from tests.benchmarks.endtoend import PEAK, RUNS, run, seconds, simulate


def hospital(ours: Path, folder: Path) -> tuple[Path, Path]:
    """Write a file of ours as a hospital would, and the mapping that reads it."""
    model = kb.load_model()
    columns: dict[str, dict[str, object]] = {}
    frame = pd.read_csv(ours, dtype=str)
    for name in frame.columns:
        states = model.file.askable[name].states if name in model.file.askable else ()
        if name in model.file.numeric_inputs:
            frame[name] = frame[name].str.replace(".", ",")
            columns[f"X {name}"] = {"variable": name}
        elif states:
            codes = {state: str(code) for code, state in enumerate(states, start=1)}
            frame[name] = frame[name].replace(codes)
            columns[f"X {name}"] = {"variable": name, "values": {code: state for state, code in codes.items()}}
        else:
            columns[f"X {name}"] = {"variable": name}
    source, mapping = folder / f"theirs_{len(frame)}.csv", folder / "mapping.yaml"
    frame.add_prefix("X ").to_csv(source, index=False, sep=";")
    mapping.write_text(yaml.safe_dump({"read": {"sep": ";", "decimal": ","}, "columns": columns}), encoding="utf-8")
    return source, mapping


def main(rows: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ways = {}
        for size in (0, rows):
            ours = folder / f"ours_{size}.csv"
            simulate(size, ours)
            theirs, mapping = hospital(ours, folder)
            out = str(folder / "out.csv")
            ways[size] = {
                "plain": ["score", str(ours), "-o", out, "-q"],
                "mapped": ["score", str(theirs), "--map", str(mapping), "-o", out, "-q"],
            }
        times = {
            size: {way: min(seconds("-m", "kneebayes", *words) for _ in range(RUNS)) for way, words in both.items()}
            for size, both in ways.items()
        }
        row = {way: (times[rows][way] - times[0][way]) / rows for way in ways[rows]}
        print(f"{rows:,} rows, best of {RUNS}\n{'':<10}{'rows/s':>12}{'us/row':>10}{'ratio':>8}{'peak MiB':>12}")
        for way, words in ways[rows].items():
            peak = float(run("-c", PEAK, *words))
            print(
                f"{way:<10}{1 / row[way]:>12,.0f}{1e6 * row[way]:>10.1f}{row[way] / row['plain']:>8.2f}{peak:>12,.0f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500_000)
