"""Times of intervals, sensitivity and unsure answers, for one case and for many, and their Monte Carlo error.

    python -m tests.benchmarks.uncertainty [cases] [draws]

Wall time and the processor time of all threads: on a shared machine the second
is the one to compare. Last, every number of the model is put into model files
made anew, at five values each, and compared with the sensitivity functions.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import kneebayes as kb
from kneebayes.cases.frames import code_table, to_arrow
from kneebayes.diagnosis.sensitivity import functions
from kneebayes.diagnosis.uncertainty import batch_uncertainty
from kneebayes.inference.network import CompiledModel, VersionedCase
from kneebayes.spec.yaml_io import with_numbers

CASE = {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present", "calf_pain": True}
UNSURE = {**CASE, "calf_pain": "present:0.8", "warm_skin_leg": "present:0.6"}
FIVE = (0.0, 0.1, 0.37, 0.8, 1.0)


def main() -> None:
    """Print the tables."""
    n, draws = (int(word) for word in (*sys.argv[1:], *("100000", "200")[len(sys.argv) - 1 :]))
    model = kb.load_model()
    known = {name: value for name, value in UNSURE.items() if name in model.file.variables or name == "age"}
    frame = model.simulate(n, seed=11, missing=(0.3, 0.6))
    model.score(frame[:2000], intervals=0.9, draws=20)  # compiles, and makes the plan
    dx, doubtful = model.diagnose(CASE), model.diagnose(known)
    print(f"{'one case':<52}{'wall ms':>12}{'CPU ms':>12}")
    for name, run in (
        ("diagnose", lambda: model.diagnose(CASE)),
        ("diagnose, unsure answers", lambda: model.diagnose(known)),
        ("intervals, 200 draws", lambda: dx.intervals(draws=200)),
        ("intervals, 1000 draws", lambda: dx.intervals()),
        ("intervals, 1000 draws, unsure answers", lambda: doubtful.intervals()),
        ("intervals, 1000 draws, nothing known", lambda: model.diagnose({}).intervals()),
        (f"sensitivity to all {len(model.network.parameters.p)} numbers", lambda: dx.sensitivity("dvt")),
    ):
        wall, cpu, _ = min((timed(run) for _ in range(3)), key=lambda found: found[1])
        print(f"{name:<52}{1e3 * wall:>12.1f}{1e3 * cpu:>12.1f}")

    print(f"\n{f'{n:,} cases':<52}{'wall s':>12}{'CPU s':>12}")
    table = to_arrow(frame, model.scorer.coder.columns)
    evidence = code_table(model.scorer.coder, table).evidence
    wall, plain, posteriors = timed(lambda: model.network.posteriors(evidence, engine="numba"))
    assessed = model.assessor.assess(evidence, dx.thresholds, posteriors=posteriors, engine="numba")
    print(f"{'posteriors':<52}{wall:>12.2f}{plain:>12.2f}")
    wall, cpu, found = timed(lambda: batch_uncertainty(assessed, draws=draws, engine="numba"))
    print(
        f"{f'intervals, {draws} draws':<52}{wall:>12.2f}{cpu:>12.2f}   {cpu / (draws * plain):.2f} x draws x posteriors"
    )
    unsure = frame.astype(object).assign(calf_pain="present:0.8")
    wall, cpu, _ = timed(lambda: model.score(unsure))
    print(f"{'score, one unsure answer in each':<52}{wall:>12.2f}{cpu:>12.2f}")
    few = frame[: max(1, n // 10)]
    wall, cpu, influence = timed(lambda: model.sensitivity(few))
    print(f"{f'sensitivity averaged over {len(few):,}':<52}{wall:>12.2f}{cpu:>12.2f}")
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")

    print("\nMonte Carlo standard error of the ends, in percentage points, over the cases")
    print(f"{'':<26}{'low: mean':>12}{'largest':>10}{'high: mean':>12}{'largest':>10}{'width: mean':>13}")
    for c, name in enumerate(model.network.columns):
        low, high = 100 * found.low_error[:, c], 100 * found.high_error[:, c]
        width = 100 * (found.high[:, c] - found.low[:, c]).mean()
        print(f"{name:<26}{low.mean():>12.2f}{low.max():>10.2f}{high.mean():>12.2f}{high.max():>10.2f}{width:>13.1f}")
    print(f"alarm robust (same level in 90 % of draws): {(found.robust >= 0.9).mean():.1%} of cases")
    print(f"alarm graver in 10 % of draws or more: {(found.graver >= 0.1).mean():.1%} of cases")

    print("\nnumbers that matter most for P(dvt), averaged")
    with pd.option_context("display.width", 160):
        print(influence[["p", "posterior_low", "posterior_high", "swing", "alarm_changes"]].head(8).to_string())
    print(f"\nlargest difference from model files made anew: {exhaustive(model, doubtful):.1e}")


def timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """Time a call: wall, processor, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def exhaustive(model: kb.Model, dx: Any) -> float:
    """Compare the sensitivity functions of every number with models made anew at five values."""
    parameters = model.network.parameters
    own = functions(parameters, VersionedCase(parameters.network, dx.assessment.evidence))
    numbers, worst = dict(model.file.probabilities()), 0.0
    for i in range(len(parameters.p)):
        for t in FIVE:
            moved = zip(numbers.items(), parameters.moved(i, t).tolist(), strict=True)
            changes = {k: v.model_copy(update={"p": p, "range": (0.0, 1.0)}) for (k, v), p in moved if p != v.p}
            expected = CompiledModel(with_numbers(model.file, changes)).posteriors(dx.assessment.evidence).values[0]
            found = own.at(np.full(len(parameters.p), t))[i]
            if np.isnan(expected).any() or np.isnan(found).any():
                assert np.isnan(expected).all()
                assert np.isnan(found).all()
            else:
                worst = max(worst, float(np.abs(found - expected).max()))
    return worst


if __name__ == "__main__":
    main()
