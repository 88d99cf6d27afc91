"""Posterior predictive check: what the model misjudges in cases that were not made by it.

Each finding is predicted from everything else known of its case, and each pair of findings from everything but the two.
Under the model, what was seen is then a draw from that prediction, whatever else is known and whichever cells are empty
(so long as a cell is not empty because of what it would have said). So over cases i, with p_i the prediction and y_i
what was seen,

    finding:  sum(y_i - p_i)                      has variance sum(p_i (1 - p_i))
    pair:     sum((y_i - p_i)(w_i - q_i) - c_i)   has variance sum(v_i)

where c_i is the covariance of the two findings in their joint prediction and v_i the variance of that product, both
from its four probabilities. Each sum over the root of its variance, z, is then a draw from a standard normal
distribution, for many cases; no simulation is needed. A pair's z asks for dependence alone: it does not move, to first
order, where only the frequencies are misjudged. That is where the noisy-OR's assumption fails, that findings are
independent given the causes.

The complaint is why people came, and is not checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.cases.labels import read_cohort
from kneebayes.errors import check_flags, check_number
from kneebayes.inference import one_thread
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import CompiledModel

if TYPE_CHECKING:
    import pandas as pd

    from kneebayes.cases.mapping import MappingLike

Floats = NDArray[np.float64]
CHUNK = 32  # cases, whose findings by joint states fit a core's cache
FLOOR = 1e-12  # of P(finding | causes): what is observed must be divided out again


def check(
    network: CompiledModel,
    frame: Any,
    *,
    pairs: bool = True,
    labels: bool = True,
    least: int = 20,
    ignore: Iterable[str] = (),
    mapping: MappingLike | None = None,
) -> pd.DataFrame:
    """Compare the findings, and pairs of findings, of cases with what the model expects: see `Model.check`.

    A finding with more than two states has a row for each, as ``duration=over_6_months``, and no pairs.
    """
    import pandas as pd

    check_number("least", least, whole=True, least=1)
    check_flags(pairs=pairs, labels=labels)
    model = network.model
    cohort = read_cohort(model, frame, labels=labels, ignore=ignore, mapping=mapping)
    cases = cohort.cases
    names = [name for name in model.findings if name != model.complaint and len(model.events[name]) == 2]
    singly = _Findings(network)
    tested = np.array([list(model.variables).index(name) for name in names], dtype=np.intp)
    places = [list(model.findings).index(name) for name in names]
    chances = np.array([[network.tables.chance(f, state) for f in places] for state in (0, 1)])
    chances = np.maximum(chances.reshape(2, len(names), network.n_joint), FLOOR)
    undone = np.concatenate([1.0 / chances, np.ones((1, *chances.shape[1:]))])  # the last for a finding not known, -1
    double = np.zeros((5, len(names), len(names)))
    with one_thread():  # the products are small: threads would wait for each other
        for start in range(0, len(cases.weight), CHUNK):
            part = slice(start, start + CHUNK)
            codes = cases.codes[:, part].copy()
            seen = codes[tested].T
            codes[tested] = UNKNOWN
            joint = network.joint(Evidence(codes))
            for c in range(len(model.causes)):
                joint *= cases.allowed[part, c][:, network.joint_states[:, c]]
            joint *= np.exp((seen == 0) @ np.log(chances[0]) + (seen == 1) @ np.log(chances[1]))
            whole = joint.sum(axis=1)
            if not (whole > 0).all():
                raise cohort.impossible(frame, start + np.flatnonzero(~(whole > 0)))
            joint /= whole[:, None]
            singly.add(joint, cases.codes[:, part])
            if pairs:
                without = undone[seen, np.arange(len(names))]
                scaled = without * joint[:, None]
                double += _pairs(scaled.sum(axis=2), scaled @ without.transpose(0, 2, 1), seen)
    rows = singly.rows()
    if pairs:
        rows += [(names[i], names[j], *double[:, i, j]) for i, j in combinations(range(len(names)), 2)]
    table = pd.DataFrame(rows, columns=["finding", "other", "cases", "observed", "expected", "excess", "variance"])
    table = table[table["cases"] >= least]
    table["z"] = table["excess"] / np.sqrt(table["variance"])
    table[["observed", "expected"]] = table[["observed", "expected"]].div(table["cases"], axis=0)
    table = table.astype({"cases": int})[["finding", "other", "cases", "observed", "expected", "z"]]
    return table.sort_values("z", key=np.abs, ascending=False, kind="stable").reset_index(drop=True)


class _Findings:
    """Sums of single findings; each state of one that has more than two is a finding of its own.

    A case of which only part is known is passed over: an answer that leaves one state might have left several.
    """

    def __init__(self, network: CompiledModel) -> None:
        model = network.model
        self.chances = {}  # by row of the codes, (states, joint states)
        for f, (name, finding) in enumerate(model.findings.items()):
            if name != model.complaint:
                chances = [network.tables.chance(f, state) for state in range(len(finding.states))]
                self.chances[len(model.risks) + len(model.causes) + f] = np.array(chances)
        self.names = list(model.variables)
        self.states = [variable.states for variable in model.variables.values()]
        self.sums = {row: np.zeros((5, len(chance))) for row, chance in self.chances.items()}

    def add(self, joint: Floats, codes: NDArray[np.int8]) -> None:
        """Add cases, by P(joint state of the causes | all that is known), (n, joint states), and what is known."""
        for row, chance in self.chances.items():
            known = (codes[row] >= 0) & (codes[row] < len(chance))
            without = joint[known] / np.maximum(chance[codes[row, known]], FLOOR)
            p = np.clip(without @ chance.T / without.sum(axis=1, keepdims=True), 0.0, 1.0)
            seen = codes[row, known, None] == np.arange(len(chance))
            terms = np.stack([np.ones_like(p), seen, p, seen - p, p * (1.0 - p)])
            self.sums[row] += terms.sum(axis=1)

    def rows(self) -> list[tuple[Any, ...]]:
        """List the findings with their sums: known, present, expected, their difference, its variance."""
        found: list[tuple[Any, ...]] = []
        for row, sums in self.sums.items():
            name, states = self.names[row], self.states[row]
            if len(states) == 2:
                found.append((name, None, *sums[:, 1]))
            else:
                found += [(f"{name}={state}", None, *own) for state, own in zip(states, sums.T, strict=True)]
        return found


def _pairs(once: Floats, twice: Floats, seen: NDArray[np.int8]) -> Floats:
    """Sum over cases, by pair: known, both present, expected, dependence over what is expected, its variance.

    ``twice`` is 1 / P(what was seen of both | everything else known). The four probabilities of a pair are first those
    that each is what was seen, or is not.
    """
    both = 1.0 / twice
    row, column = once[:, None, :] * both, once[:, :, None] * both  # P(the one is as seen), P(the other is)
    only, other = np.maximum(row - both, 0.0), np.maximum(column - both, 0.0)
    neither = np.maximum(1.0 - row - column + both, 0.0)
    covariance = both - row * column
    squares = both * ((1 - row) * (1 - column)) ** 2 + only * ((1 - row) * column) ** 2
    squares += other * (row * (1 - column)) ** 2 + neither * (row * column) ** 2
    yes = seen == 1
    left, right = yes[:, :, None], yes[:, None, :]
    sign = np.where(left == right, 1.0, -1.0)
    together = np.where(left, np.where(right, both, only), np.where(right, other, neither))
    excess = sign * ((1 - row) * (1 - column) - covariance)
    known = (seen >= 0)[:, :, None] & (seen >= 0)[:, None, :]
    terms = (np.ones_like(both), left & right, together, excess, squares - covariance**2)
    return np.stack([(term * known).sum(axis=0) for term in terms])
