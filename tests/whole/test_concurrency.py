"""Many threads and processes with one model: every bit as one of them alone."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from typing import Any

import pandas as pd
import pytest

import kneebayes as kb

N_THREADS, N_PROCESSES = 8, 4
N_ROWS = 10_000  # enough for compiled code, and for several of its tasks
N_FEW = 100  # so few that NumPy does them
DIAGNOSED = 5
pytestmark = pytest.mark.slow
Answers = dict[str, bytes]


@cache
def cases() -> pd.DataFrame:
    return kb.load_model().simulate(N_ROWS, seed=5, missing=0.4)


def bits(frame: pd.DataFrame) -> bytes:
    """Write all of a frame: floats with every bit, and texts."""
    floats = frame.select_dtypes("float64")
    return floats.to_numpy().tobytes() + frame.drop(columns=floats.columns).to_csv().encode()


def answered(model: kb.Model) -> Answers:
    """Ask a model what there is to ask, in numbers of many sizes."""
    frame = cases()
    rows = [frame.drop(columns="case_id").iloc[i].dropna() for i in range(DIAGNOSED)]
    diagnoses = [model.diagnose({str(name): value for name, value in row.items()}) for row in rows]
    return {
        "many": bits(model.score(frame)),
        "few": bits(model.score(frame.head(N_FEW))),
        "intervals of many": bits(model.score(frame.head(N_FEW // 4), intervals=0.9, draws=20, seed=3)),
        "diagnoses": b"".join(bits(dx.posterior.to_frame()) + repr(dx.alarm).encode() for dx in diagnoses),
        "intervals": b"".join(bits(dx.intervals(0.8, draws=20, seed=4)) for dx in diagnoses),
    }


def answered_there(model: kb.Model, by_one_core: bool) -> Answers:
    """Answer in another process, to which the model was sent."""
    if by_one_core and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])
    return answered(model)


@pytest.fixture(scope="module")
def alone() -> Answers:
    return answered(kb.load_model())


def at_once(work: Callable[[], Any]) -> list[Any]:
    """Start the same work in all threads at the same moment."""
    ready = threading.Barrier(N_THREADS)

    def wait_and_work() -> Any:
        ready.wait(60)
        return work()

    with ThreadPoolExecutor(N_THREADS) as pool:
        return [future.result() for future in [pool.submit(wait_and_work) for _ in range(N_THREADS)]]


def test_threads_with_one_model_answer_as_one_thread(alone: Answers) -> None:
    model = kb.load_model()  # fresh: the threads meet where its parts are made
    assert [name for found in at_once(lambda: answered(model)) for name in alone if found[name] != alone[name]] == []


def test_threads_that_score_parts_of_a_frame_give_the_rows_of_the_whole(alone: Answers) -> None:
    model, size = kb.load_model(), N_ROWS // N_THREADS + 1
    parts = [cases().iloc[start : start + size] for start in range(0, N_ROWS, size)]
    with ThreadPoolExecutor(N_THREADS) as pool:
        assert bits(pd.concat(pool.map(model.score, parts))) == alone["many"]


def test_processes_with_one_model_answer_as_one_process_on_any_number_of_cores(alone: Answers) -> None:
    model = kb.load_model()
    with ProcessPoolExecutor(N_PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(answered_there, [model] * N_PROCESSES, [False, True] * (N_PROCESSES // 2)))
    assert [name for answer in found for name in alone if answer[name] != alone[name]] == []


def test_a_model_that_was_used_can_be_sent_to_a_process(alone: Answers) -> None:
    model = kb.load_model()
    assert bits(model.score(cases())) == alone["many"]
    assert bits(pickle.loads(pickle.dumps(model)).score(cases())) == alone["many"]


def test_the_comparison_notices_one_bit(alone: Answers) -> None:
    scores = kb.load_model().score(cases())
    scores.loc[scores.index[-1], "dvt"] *= 1 + 2**-52
    assert bits(scores) != alone["many"]
