"""Search for cases whose alarm gets milder when a sign or risk of the alarm's cause is added.

    python -m tests.stress.alarm_search            # a quarter of an hour
    python -m tests.stress.alarm_search --cases 20000 --no-pairs

The cases: half simulated, half with states drawn by chance, from nearly empty
to full, as many as asked for; then all pairs of evidence, alone and on top of
each vignette. In each, every sign and risk is set to each of its states in
turn, and the levels compared: with it against without an answer, and against
its states that weigh less. ``low`` and ``not_assessed`` count as one step. All
goes through ``Model.score_table``, as users' tables do.

Promised is that none of the model's ``alarm_signs`` makes the alarm milder,
neither where the answer is added nor where it takes the place of *absent*; the
exit code says whether that held. What other answers do is printed as
information: known causes, states that are no signs, one age for another.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

import kneebayes as kb
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.learn.simulate import draw_codes
from kneebayes.spec.model_spec import LEVELS, ModelSpec
from kneebayes.ui.explorer import vignettes

Codes = NDArray[np.int8]
ANKLE = Path(__file__).parents[2] / "examples" / "ankle.yaml"
BLOCK = 50_000
IMPOSSIBLE = -1
STEP = np.array([0, 0, 1, 2, 3, IMPOSSIBLE])  # by place in LEVELS; the last for IMPOSSIBLE


def weights(model: ModelSpec) -> dict[str, NDArray[np.float64]]:
    """Say how much each state of a variable speaks for the alarm's cause.

    Returns
    -------
    dict of str to ndarray, shape (states,)
        By variable; what columns that say part of one are named for counts as
        its states.
        The cause itself, what it has links from and to, and what a rule or
        the signs name. A state without a link that is named weighs next to
        nothing, but more than one that is not.
    """
    cause = model.alarm.cause
    weight = {name: np.zeros(len(variable.states)) for name, variable in model.variables.items()}
    for condition in (model.alarm_signs, *(c for rule in model.alarm.rules for c in (rule.when, rule.any_of))):
        for asked, answers in condition.items():
            name, states = model.meaning(asked, answers)
            for state in states:
                weight[name][model.variables[name].states.index(state)] = 1e-12
    for name, links in model.causes[cause].links.items():
        for state, link in links.items():
            weight[name][model.variables[name].states.index(state)] = link.p
    for name, finding in model.findings.items():
        for effect in finding.links.get(cause, {}).values():
            for state, link in finding.by_state(effect).items():
                place = finding.states.index(state)
                weight[name][place] = max(weight[name][place], link.p)
    weight[cause][1:] = 1.0
    return {name: own for name, own in weight.items() if own.any()}


def promised(model: ModelSpec, name: str) -> set[tuple[int, int]]:
    """List the changes of what is known of a variable, as codes, that may not make the alarm milder.

    An answer that is a sign may not, to the variable or to a column that says
    part of it, be it new or in the place of one that is no sign.
    """
    sign: frozenset[str] = frozenset()
    for column, said in model.alarm_signs.items():
        variable, meant = model.meaning(column, said)
        sign |= meant if variable == name else frozenset()
    events, states = model.events[name], model.variables[name].states
    asked = [[frozenset([state]) for state in states]]
    asked += [[frozenset(a) for a in c.answers.values()] for c in model.answer_inputs.values() if c.variable == name]
    found = set()
    for known in (UNKNOWN, *range(len(events))):
        for place, answers in enumerate(asked):
            for answer in (answer for answer in answers if answer <= sign):
                after = model.narrowed(name, known, answer)
                others = [other for other in answers if not other <= sign] if place else [frozenset(states[:1])]
                if name in model.risks and len(states) > 2:
                    others = []
                before = [known, *(model.narrowed(name, known, other) for other in others)]
                found |= {(b, after) for b in before if after is not None and b is not None and b != after}
    return found


def words(model: ModelSpec, name: str, code: int) -> str:
    """Say what a code says of a variable."""
    said = model.said(name, code) if code != UNKNOWN else {name: "unknown"}
    return "+".join(value if column == name else f"{column}={value}" for column, value in said.items())


class Scores:
    """The levels and probabilities that a model gives to codes, through its public path.

    Parameters
    ----------
    model : kneebayes.Model
        Which model.
    """

    def __init__(self, model: kb.Model) -> None:
        self.model = model
        self.rows = {name: row for row, name in enumerate(model.file.variables)}
        self.scored = 0

    def possible(self, codes: Codes) -> NDArray[np.bool_]:
        """Say which cases the model holds possible."""
        found: NDArray[np.bool_] = np.isfinite(
            self.model.network.posteriors(Evidence(codes), engine="numba").log_evidence
        )
        return found

    def __call__(self, codes: Codes) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Give the level of each case, or `IMPOSSIBLE`, and the probability."""
        n = codes.shape[1]
        levels, probability = np.full(n, IMPOSSIBLE, dtype=np.int8), np.full(n, np.nan)
        places = np.flatnonzero(self.possible(codes))
        columns = {}
        for name, row in self.rows.items():
            said = [self.model.file.said(name, code) for code in range(len(self.model.file.events[name]))]
            for column in dict.fromkeys(column for own in said for column in own):
                values = pa.array([own.get(column) for own in said], pa.string())
                indices = pa.array(codes[row, places], mask=codes[row, places] < 0)
                columns[column] = values.take(indices).dictionary_encode()
        result = self.model.score_table(pa.table(columns), engine="numba")
        assert not result.problems, result.problems[:3]
        alarm = self.model.scorer.alarm_column
        words = result.table[alarm].combine_chunks()
        levels[places] = pa.compute.index_in(words, value_set=pa.array(LEVELS)).to_numpy()
        probability[places] = result.table[self.model.file.alarm.cause].to_numpy()
        self.scored += len(places)
        return levels, probability


@dataclass
class Change:
    """What a change of one answer did to the level, over many cases.

    Attributes
    ----------
    code : int
        After the change.
    promised : bool
        Whether it may not be milder.
    compared, milder : int
        In how many cases both were possible, and the level was milder after.
    steps : Counter
        The milder ones by (level before, level after).
    case : ndarray or None
        The case before, of the milder ones the one whose probability fell most.
    before, after : float
        Its probabilities.
    rising : int
        How many of the milder ones had a probability that did not fall.
    """

    code: int
    promised: bool
    compared: int = 0
    milder: int = 0
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    case: Codes | None = None
    before: float = 0.0
    after: float = 0.0
    rising: int = 0


Changes = dict[tuple[str, str, str], Change]


def search(scores: Scores, codes: Codes, changes: Changes, *, only_promised: bool = False) -> None:
    """Compare the levels of some cases under each answer to each sign and risk.

    Parameters
    ----------
    scores : Scores
        Of one model.
    codes : ndarray of int8, shape (variables, n)
        The cases.
    changes : dict
        By (variable, what is known of it before, and after); added to.
    only_promised : bool
        Leave out the changes of which nothing is promised.
    """
    model = scores.model.file
    for name, weight in weights(model).items():
        kept, row = promised(model, name), scores.rows[name]
        heavy = [int(state) for state in np.flatnonzero(weight)]
        others = {(b, a) for a in heavy for b in (UNKNOWN, *np.flatnonzero(weight < weight[a]).tolist())}
        pairs = sorted(kept if only_promised else kept | others)
        trial, answers = codes.copy(), {}
        for answer in sorted({code for pair in pairs for code in pair}):
            trial[row] = answer
            answers[answer] = scores(trial)
        for before, after in pairs:
            (level0, p0), (level1, p1) = answers[before], answers[after]
            key = (name, words(model, name, before), words(model, name, after))
            change = changes.setdefault(key, Change(after, (before, after) in kept))
            both = (level0 != IMPOSSIBLE) & (level1 != IMPOSSIBLE)
            milder = np.flatnonzero(both & (STEP[level1] < STEP[level0]))
            change.compared += int(both.sum())
            change.milder += len(milder)
            if len(milder) == 0:
                continue
            change.rising += int((p1 >= p0)[milder].sum())
            change.steps.update((LEVELS[level0[i]], LEVELS[level1[i]]) for i in milder)
            worst = milder[np.argmin((p1 - p0)[milder])]
            if change.case is None or p1[worst] - p0[worst] < change.after - change.before:
                change.case = codes[:, worst].copy()
                change.case[row] = before
                change.before, change.after = float(p0[worst]), float(p1[worst])


def smallest(scores: Scores, case: Codes, name: str, after: int) -> tuple[Codes, float, float]:
    """Leave out of a counterexample what it does not need.

    Returns
    -------
    ndarray of int8, shape (variables,)
        Before the change.
    float, float
        The probabilities before and after.
    """
    row = scores.rows[name]
    complaint = scores.rows[scores.model.file.complaint]
    while True:
        known = [r for r in np.flatnonzero(case >= 0) if r not in (row, complaint)]
        trial = np.repeat(case[:, None], len(known) + 1, axis=1)
        for i, r in enumerate(known):
            trial[r, i] = UNKNOWN
        level0, p0 = scores(trial)
        trial[row] = after
        level1, p1 = scores(trial)
        still = np.flatnonzero((level1 != IMPOSSIBLE) & (level0 != IMPOSSIBLE) & (STEP[level1] < STEP[level0]))
        if still[0] == len(known):
            return case, float(p0[-1]), float(p1[-1])
        case = case.copy()
        case[known[still[0]]] = UNKNOWN


def random_cases(scores: Scores, n: int, rng: np.random.Generator) -> Codes:
    """Draw possible cases: half simulated, half of states by chance; each with shares of missing cells of its own."""
    model = scores.model.file
    events = list(model.events.values())
    kind = np.repeat([0, 1, 2], [len(model.risks), len(model.causes), len(model.findings)])
    complaint = scores.rows[model.complaint]
    block = min(BLOCK, 4 * n)
    parts: list[Codes] = []
    for simulated, size in ((True, n // 2), (False, n - n // 2)):
        found = 0
        while found < size:
            if simulated:
                drawn = draw_codes(model, block, rng)
                codes = np.stack([drawn[name] for name in model.variables])
            else:
                codes = np.stack([rng.integers(0, len(own), block) for own in events]).astype(np.int8)
            known = rng.random((3, codes.shape[1]))
            known[1] *= np.where(rng.random(codes.shape[1]) < 0.25, 0.5, 0.0)  # few cases come with known causes
            codes = np.where(rng.random(codes.shape) < known[kind], codes, np.int8(UNKNOWN))
            absent = rng.random(codes.shape[1]) < (0.0 if simulated else 0.03)
            codes[complaint] = np.where(absent, 0, 1)
            codes = codes[:, scores.possible(codes)][:, : size - found]
            found += codes.shape[1]
            parts.append(codes)
    return np.concatenate(parts, axis=1)


def pairs(scores: Scores, start: Codes) -> Iterator[Codes]:
    """Yield a case with all pairs of answers set on top of it, a block at a time; impossible ones left out."""
    model = scores.model.file
    complaint = scores.rows[model.complaint]
    single = [
        (row, state)
        for row, variable in enumerate(model.variables.values())
        for state in range(len(variable.states))
        if row != complaint
    ]
    both = [(a, b) for a, b in combinations(single, 2) if a[0] != b[0]]
    for first in range(0, len(both), BLOCK):
        part = both[first : first + BLOCK]
        codes = np.repeat(start[:, None], len(part), axis=1)
        at = np.arange(len(part))
        for place in (0, 1):
            codes[[pair[place][0] for pair in part], at] = [pair[place][1] for pair in part]
        yield codes[:, scores.possible(codes)]


def starts(scores: Scores) -> Codes:
    """Give the cases that pairs are set on: the empty one, then the vignettes."""
    model = scores.model.file
    facts = [{}, *(own for _, own in vignettes(model).values())]
    return np.hstack([scores.model.scorer.coder.case(case).evidence.codes for case in facts])


def report(title: str, scores: Scores, changes: Changes) -> int:
    """Print what was found, by sign and change, and count the promises broken."""
    kept = {key: change for key, change in changes.items() if change.promised}
    broken = sum(change.milder for change in kept.values())
    print(f"\n{title}: {sum(change.compared for change in kept.values()):,} comparisons promised, {broken:,} milder")
    for key in kept:
        if kept[key].milder:
            show(scores, key, kept[key])
    others = {key: change for key, change in changes.items() if key not in kept and change.milder}
    if others:
        compared = sum(change.compared for key, change in changes.items() if key not in kept)
        milder = sum(change.milder for change in others.values())
        print(f"for information, {compared:,} comparisons of which nothing is promised: {milder:,} milder")
    for key, change in others.items():
        show(scores, key, change)
    print(f"({scores.scored:,} cases scored)", flush=True)
    return broken


def show(scores: Scores, key: tuple[str, str, str], change: Change) -> None:
    """Print what one change of an answer did, with the smallest case in which it did."""
    model, (name, before, after) = scores.model.file, key
    kind = "risk" if name in model.risks else "cause" if name in model.causes else "finding"
    steps = ", ".join(f"{a} to {b} {count:,}" for (a, b), count in change.steps.most_common())
    share = change.milder / change.compared
    print(f"{kind} {name}: {before} -> {after}: {change.milder:,} of {change.compared:,} ({share:.2%}): {steps}")
    print(f"    worst fall {change.before:.4f} -> {change.after:.4f}; not falling in {change.rising:,}")
    assert change.case is not None
    case, p0, p1 = smallest(scores, change.case, name, change.code)
    said = " ".join(
        f"{n}={words(model, n, int(case[r]))}"
        for r, n in enumerate(model.variables)
        if case[r] >= 0 and n not in (name, model.complaint)
    )
    print(f"    e.g. {p0:.4f} -> {p1:.4f} on: {said or '(the complaint alone)'}")


def run(model: kb.Model, *, cases: int, seed: int, with_pairs: bool, only_promised: bool) -> int:
    """Search with one model, print, and count the promises broken."""
    scores = Scores(model)
    signs = model.file.alarm_signs
    print(f"\n== {model.file.name}: {len(signs)} variables with signs: {', '.join(signs)}", flush=True)
    rng = np.random.default_rng(seed)
    changes: Changes = {}
    for first in range(0, cases, BLOCK):
        drawn = random_cases(scores, min(BLOCK, cases - first), rng)
        search(scores, drawn, changes, only_promised=only_promised)
    broken = report(f"{cases:,} random cases", scores, changes)
    if with_pairs:
        first_cases = starts(scores)
        for title, chosen in (("the empty case", first_cases[:, :1]), ("each vignette", first_cases[:, 1:])):
            changes, n = {}, 0
            for start in chosen.T:
                for codes in pairs(scores, start):
                    n += codes.shape[1]
                    search(scores, codes, changes, only_promised=True)
            broken += report(f"all pairs of evidence on {title}, {n:,} cases", scores, changes)
    return broken


def main() -> None:
    """Search with the article's model, the extended one and the ankle."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="random cases for each model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-pairs", action="store_true", help="leave out the pairs of evidence")
    parser.add_argument("--promised", action="store_true", help="leave out what is for information only")
    parser.add_argument("--model", action="append", help="a model file, or the name of one that ships; may be repeated")
    options = parser.parse_args()
    broken = 0
    for name in options.model or ["posterior_knee_pain", "extended", str(ANKLE)]:
        what = {"with_pairs": not options.no_pairs, "only_promised": options.promised}
        broken += run(kb.load_model(name), cases=options.cases, seed=options.seed, **what)
    print(f"\n{broken:,} promises broken")
    raise SystemExit(broken > 0)


if __name__ == "__main__":
    main()
