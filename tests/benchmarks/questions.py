"""How much sooner asking the most informative question first gets to the right cause.

Cases are drawn from the model with every answer, which stays hidden until the
question is asked. Prints, for several orders of asking, the share of cases whose
likeliest cause is truly there (or truly none is) after k questions, and how many
questions the interview asks before it stops. Run by hand, from the checkout:

    python -m tests.benchmarks.questions --cases 500
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import kneebayes as kb
from kneebayes.cases.coding import Coder
from kneebayes.diagnosis.diagnosis import Diagnosis
from kneebayes.diagnosis.questions import open_questions
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.ui.session import End, Interview
from tests.oracles import assess

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
SHOWN = (0, 2, 4, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60)


def hidden_cases(model: kb.Model, n: int, seed: int) -> tuple[Codes, NDArray[np.bool_], pd.DataFrame]:
    """Draw cases: the codes of all answers (n, variables), which targets are true (n, causes and none), the frame."""
    frame = model.simulate(n, seed=seed, missing=0, with_causes=True)
    coder, network = Coder(model.file), model.network
    codes = np.full((n, len(network.variables)), UNKNOWN, dtype=np.int8)
    for column, variable in model.file.input_columns.items():
        codes[:, network.variables.index(variable)] = [coder.code(column, value) for value in frame[column]]
    present = np.stack([(frame[f"true_{cause}"] != "absent").to_numpy() for cause in model.causes], axis=1)
    return codes, np.column_stack([present, ~present.any(axis=1)]), frame


def gains(network: CompiledModel, known: Codes) -> Floats:
    """Information about all causes, in bits, of every open question of every case: (n, variables), 0 if answered."""
    n_risks, first = len(network.model.risks), len(network.model.risks) + len(network.model.causes)
    joint = network.joint(Evidence(known.T))
    joint /= joint.sum(axis=1, keepdims=True)
    result = np.zeros(known.shape)
    for f, finding in enumerate(network.model.findings.values()):  # a finding depends on causes alone
        chance = np.stack([network.tables.chance(f, state) for state in range(len(finding.states))])
        result[:, first + f] = joint @ plogp(chance).sum(axis=0) - plogp(joint @ chance.T).sum(axis=1)
    before = -plogp(joint).sum(axis=1)
    for row in range(n_risks):
        open_ = np.flatnonzero(known[:, row] == UNKNOWN)
        if not len(open_):
            continue
        trial, after, total = known[open_].T.copy(), np.zeros(len(open_)), np.zeros(len(open_))
        for state in range(len(network.model.risks[network.variables[row]].states)):
            trial[row] = state
            answered = network.joint(Evidence(trial))
            chance = answered.sum(axis=1)
            total += chance
            after += np.where(chance > 0, chance * np.log2(np.where(chance > 0, chance, 1)), 0) - plogp(answered).sum(
                axis=1
            )
        result[open_, row] = before[open_] - after / total
    return np.where(known == UNKNOWN, result, 0.0)


def plogp(p: Floats) -> Floats:
    """Multiply by the logarithm to base 2; 0 for 0."""
    return p * np.log2(np.where(p > 0, p, 1.0))


def run(
    network: CompiledModel, answers: Codes, truth: NDArray[np.bool_], order: str, seed: int = 0
) -> NDArray[np.bool_]:
    """Ask all questions in an order; say after each how many are right: (questions + 1, n)."""
    n, n_causes = len(answers), len(network.model.causes)
    complaint = network.variables.index(network.model.complaint)
    asked = [r for r in range(answers.shape[1]) if network.variables[r] not in network.model.causes and r != complaint]
    known = np.full_like(answers, UNKNOWN)
    known[:, complaint] = answers[:, complaint]
    rng = np.random.default_rng(seed)
    shuffled = np.array([rng.permutation(asked) for _ in range(n)])
    right, everybody = [], np.arange(n)
    for step in range(len(asked) + 1):
        values = network.posteriors(Evidence(known.T), engine="numpy").values[:, : n_causes + 1]
        right.append(truth[everybody, values.argmax(axis=1)])
        if step == len(asked):
            break
        if order == "model file":
            row = np.full(n, asked[step])
        elif order == "random":
            row = shuffled[:, step]
        else:
            gain = gains(network, known)
            gain[:, [r for r in range(gain.shape[1]) if r not in asked]] = -1
            row = np.where(known == UNKNOWN, gain, -2).argmax(axis=1)
        known[everybody, row] = answers[everybody, row]
    return np.array(right)


def settled(right: NDArray[np.bool_]) -> Floats:
    """Questions after which the likeliest cause is right and stays so; infinite where it is wrong in the end."""
    wrong = ~right
    last_wrong = len(right) - 1 - wrong[::-1].argmax(axis=0)
    return np.where(wrong[-1], np.inf, np.where(wrong.any(axis=0), last_wrong + 1.0, 0.0))


def interviews(model: kb.Model, frame: pd.DataFrame, truth: NDArray[np.bool_], stop_below: float) -> str:
    """Hold the interview with each case; say how long it took and how good it was."""
    columns = {variable: column for column, variable in model.file.input_columns.items()}
    lengths, right, levels, final = [], [], [], []
    for (_, row), true in zip(frame.iterrows(), truth, strict=True):

        def diagnose(facts: Mapping[str, object]) -> Diagnosis:
            return model.diagnose(facts)

        interview = Interview(diagnose, stop_below=stop_below)
        while (question := interview.question) is not None:
            column = columns[question.variable]
            variable = model.file.variables[question.variable]
            if column == question.variable:
                said = str(row[column])
            else:  # given as an amount under another name
                code = Coder(model.file).code(column, row[column])
                said = variable.states[code]
            interview.answer(said)
        lengths.append(interview.n_asked)
        ranked = list(interview.dx.probabilities)
        right.append(true[ranked.index(interview.dx.most_likely)])
        levels.append(interview.dx.alarm.level in ("caution", "urgent", "emergency") or interview.end == End.emergency)
        final.append(
            model.diagnose({c: row[c] for c in model.file.input_columns}).alarm.level
            in ("caution", "urgent", "emergency")
        )
    alarmed, fully = np.array(levels), np.array(final)
    return (
        f"stop below {stop_below:<5g} questions: median {np.median(lengths):.0f}, 90 % within "
        f"{np.quantile(lengths, 0.9):.0f}; top right {np.mean(right):.1%}; alarm as with all answers "
        f"{np.mean(alarmed == fully):.1%} (missed {np.sum(fully & ~alarmed)} of {fully.sum()})"
    )


def main() -> None:
    """Print the curves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--interviews", type=int, default=0, help="hold the interview with this many of them")
    options = parser.parse_args()
    model = kb.load_model()
    answers, truth, frame = hidden_cases(model, options.cases, options.seed)
    check_against_one_case(model, answers)
    curves = {}
    for order in ("information gain", "random", "model file"):
        start = time.perf_counter()
        curves[order] = run(model.network, answers, truth, order)
        print(f"# {order}: {time.perf_counter() - start:.0f} s", flush=True)
    shown = [k for k in SHOWN if k < len(curves["random"])] + [len(curves["random"]) - 1]
    print(f"\nshare of {options.cases} cases whose likeliest cause is right, after k questions")
    print(f"{'k':>18} " + " ".join(f"{k:>5}" for k in shown))
    for order, right in curves.items():
        print(f"{order:>18} " + " ".join(f"{right[k].mean():5.1%}" for k in shown))
    end = curves["random"][-1].mean()
    print("\nquestions until the share first reaches a part of what all answers give, and until it is right for good")
    for order, right in curves.items():
        share = right.mean(axis=1)
        first = [int(np.argmax(share >= part * end)) for part in (0.8, 0.9, 0.95)]
        until = settled(right)
        print(
            f"{order:>18} 80 %: {first[0]}, 90 %: {first[1]}, 95 %: {first[2]}; right for good: "
            f"median {np.median(until[np.isfinite(until)]):.0f}, mean {until[np.isfinite(until)].mean():.1f} "
            f"({np.isfinite(until).mean():.1%} of cases)"
        )
    if options.interviews:
        print(f"\nthe interview with {options.interviews} cases")
        for stop_below in (0.01, 0.02, 0.05, 0.1, 0.2):
            some = slice(options.interviews)
            print(interviews(model, frame.iloc[some], truth[some], stop_below), flush=True)


def check_against_one_case(model: kb.Model, answers: Codes) -> None:
    """Make sure that the curves are of the order that dx.next_questions gives."""
    network, known = model.network, answers[:5].copy()
    known[:, 3:] = UNKNOWN
    known[:, network.variables.index(model.file.complaint)] = 1
    batch = gains(network, known)
    for case, row in zip(known, batch, strict=True):
        dx = model.diagnose({})
        for question in open_questions(assess(model.assessor, Evidence(case[:, None]), dx.thresholds)):
            if question.variable in network.variables:  # not a column that asks for a part of one
                assert abs(question.gain - row[network.variables.index(question.variable)]) < 1e-9, question


if __name__ == "__main__":
    main()
