"""Hold the shares of every piece of every vignette against pgmpy: one joint query for each subset.

Takes some ten minutes. Prints for each vignette the largest differences of
Shapley shares and of leave-one-out, in decibans, and what both took. Run by
hand, from the checkout:

    python -m tests.benchmarks.shares
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import combinations
from pathlib import Path

import pandas as pd

import kneebayes as kb
from kneebayes.interop.pgmpy import Reference

DECIBANS = 10 / math.log(10)
DATA = Path(__file__).parents[2] / "data" / "vignettes.csv"


def main() -> None:
    """Print the differences."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=11, help="keep at most so many pieces of a vignette")
    most = parser.parse_args().most
    model = kb.load_model()
    reference = Reference(model.file)
    complaint = {model.file.complaint: "present"}
    model.diagnose({}).explain()
    print(f"{'vignette':>8} {'pieces':>6} {'queries':>7} {'Shapley':>9} {'left out':>9} {'pgmpy s':>8} {'here s':>7}")
    for _, row in pd.read_csv(DATA).iterrows():
        given = {str(c): row[c] for c in row.index if c in {*model.file.variables, *model.file.inputs}}
        evidence = model.diagnose({c: value for c, value in given.items() if pd.notna(value)}).evidence
        sure = model.file.variables.keys() - complaint.keys()  # without columns that say part of a variable
        case = dict([item for item in evidence.items() if item[0] in sure][:most])
        n, names = len(case), list(case)
        start = time.thread_time()
        asked = {
            frozenset(some): reference.posteriors({**complaint, **{name: case[name] for name in some}})
            for size in range(n + 1)
            for some in combinations(names, size)
        }
        theirs = time.thread_time() - start
        shapley_off = left_out_off = here = 0.0
        for target in dict.fromkeys(("dvt", str(row["label"]))):
            value = {some: math.log(p[target] / (1 - p[target])) * DECIBANS for some, p in asked.items()}
            start = time.thread_time()
            explanation = model.diagnose(case).explanation(target)
            here += time.thread_time() - start
            for piece in explanation.contributions:
                own = frozenset([piece.variable])
                share = sum(
                    (value[some | own] - value[some]) / (n * math.comb(n - 1, len(some)))
                    for some in value
                    if not own & some
                )
                shapley_off = max(shapley_off, abs(piece.decibans - share))
                every = frozenset(names)
                left_out_off = max(left_out_off, abs(piece.leave_one_out - (value[every] - value[every - own])))
        print(
            f"{row['case_id']:>8} {n:>6} {len(asked):>7} {shapley_off:9.1e} {left_out_off:9.1e} "
            f"{theirs:8.1f} {here:7.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
