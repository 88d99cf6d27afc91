"""Which numbers matter over many cases: sensitivity functions of each, and their averages.

P(evidence) and P(evidence, target) are linear in any one number t of the model, because no joint state of all variables
uses a number twice. So with the others held, the posterior is (a + b t) / (c + d t), and asking the model at t = 0 and
t = 1 gives all of it (van der Gaag, Renooij and Coupe 2007). It rises or falls all the way, so over a range the ends
are the extremes.

Where t is the probability of one of several states, the others scale in proportion to share what is left, the state
without a number of its own among them; it takes all that is left where the others are 0. A number that stands for
several combinations of parents moves in all of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.diagnosis.alarm import Assessment, Thresholds, column_of
from kneebayes.diagnosis.uncertainty import under
from kneebayes.errors import CaseError, check_number
from kneebayes.inference import cores
from kneebayes.inference.network import Engine, VersionedCase
from kneebayes.inference.tables import ParameterVector
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
FEW_CASES = 24  # up to which a case at a time for all numbers is quicker than all cases a number at a time
CHUNK_CASES = 1 << 17
MEASURES = ("posterior_low", "posterior_high", "swing", "derivative", "leader_changes", "alarm_changes")


@dataclass(frozen=True, eq=False)
class Functions:
    """The posteriors of one case, or of several, as functions of each of some numbers.

    ``joint``, (numbers, 2, ..., columns), is P(evidence, column) with the number at 0 and at 1, and ``evidence``,
    (numbers, 2, ...), P(evidence) likewise, both in units of P(evidence) by the model's own numbers.
    """

    joint: Floats
    evidence: Floats

    def at(self, t: Floats, *, limit: bool = False) -> Floats:
        """Compute the posteriors with each number at a value of its own in [0, 1], (numbers,): (numbers, ..., columns).

        NaN where the evidence is impossible; with ``limit``, where it is impossible at 0 or 1, what the posteriors
        tend to there (they are the same all the way).
        """
        share = t.reshape(-1, *[1] * (self.evidence.ndim - 2))
        evidence = (1.0 - share) * self.evidence[:, 0] + share * self.evidence[:, 1]
        joint = (1.0 - share[..., None]) * self.joint[:, 0] + share[..., None] * self.joint[:, 1]
        if limit:
            impossible = evidence == 0.0
            evidence = np.where(impossible, self.evidence.sum(axis=1), evidence)
            joint = np.where(impossible[..., None], self.joint.sum(axis=1), joint)
        posterior: Floats = joint / np.where(evidence > 0.0, evidence, np.nan)[..., None]
        return posterior

    def derivatives(self) -> Floats:
        """Compute d posterior / d number at the model's own numbers: (b c - a d) / (c + d p) ** 2, with divisor 1."""
        joint, evidence = self.joint, self.evidence[..., None]
        slope: Floats = joint[:, 1] * evidence[:, 0] - joint[:, 0] * evidence[:, 1]
        return slope


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What the posteriors of one case owe to each number of the model.

    ``functions`` are those of all numbers; ``floor`` is the alarm's level whatever the posterior, a place in `LEVELS`.
    """

    parameters: ParameterVector
    target: str
    functions: Functions
    thresholds: Thresholds
    floor: int

    def frame(self, *, n: int | None = None) -> pd.DataFrame:
        """Give the sensitivities as a table, the greatest swing first: the bars of a tornado.

        A row per number, by its place in the model file: ``p``, ``low``, ``high``; ``posterior_low`` and
        ``posterior_high``, the target with the number at the ends of its range, and their distance ``swing``;
        ``derivative`` at p; ``a``, ``b``, ``c``, ``d``, in units of P(evidence); ``leader_below``, the value under
        which another cause leads, and ``leads_below``, which; the same for above; ``alarm_below`` and
        ``level_below``, ``alarm_above`` and ``level_above`` for the alarm level; ``leader_changes`` and
        ``alarm_changes``, whether that is within the range; and ``why`` the number is what it is.
        """
        if n is not None:
            check_number("n", n, whole=True, least=0)
        import pandas as pd

        p, column = self.parameters, self.parameters.network.columns.index(self.target)
        low, high = (self.functions.at(end, limit=True)[:, column] for end in (p.low, p.high))
        (a, at_one), (c, evidence_at_one) = self.functions.joint[:, :, column].T, self.functions.evidence.T
        table = pd.DataFrame(
            {
                "p": p.p,
                "low": p.low,
                "high": p.high,
                "posterior_low": low,
                "posterior_high": high,
                "swing": np.abs(high - low),
                "derivative": self.functions.derivatives()[:, column],
                "a": a,
                "b": at_one - a,
                "c": c,
                "d": evidence_at_one - c,
                **self._changes("leader", "leads", self._rivals()),
                **self._changes("alarm", "level", self._levels()),
                "why": [number.why for _, number in p.network.model.probabilities()],
            },
            index=pd.Index(p.names, name="parameter"),
        )
        return table.sort_values("swing", ascending=False, kind="stable").iloc[:n]

    def _rivals(self) -> list[tuple[str, Floats, bool]]:
        """Lead of the leading cause over each other one with each number at 0 and 1; it is positive now."""
        ranked = len(self.parameters.network.model.causes) + 1
        names, joint = self.parameters.network.columns[:ranked], self.functions.joint[..., :ranked]
        now = self.functions.at(self.parameters.p)[:, :ranked]
        leader = int(np.argmax(now.mean(axis=0)))
        return [(name, joint[:, :, leader] - joint[:, :, i], True) for i, name in enumerate(names) if i != leader]

    def _levels(self) -> list[tuple[str, Floats, bool]]:
        """Height of the alarm's cause over each threshold that matters, and the level on the other side."""
        column = self.parameters.network.columns.index(self.parameters.network.model.alarm.cause)
        now = float(np.mean(self.functions.at(self.parameters.p)[:, column]))
        found = []
        for name, threshold in (("caution", self.thresholds.caution), ("urgent", self.thresholds.urgent)):
            if LEVELS.index(name) > self.floor:
                over = now >= threshold
                below = max(self.floor, LEVELS.index("caution") if name == "urgent" else 0)
                height = self.functions.joint[:, :, column] - threshold * self.functions.evidence
                found.append((LEVELS[below] if over else name, height, over))
        return found

    def _changes(self, what: str, said: str, heights: list[tuple[str, Floats, bool]]) -> dict[str, object]:
        """Find the nearest values on both sides of p at which a linear function changes its sign."""
        p = self.parameters
        below, above = np.full(len(p.p), np.nan), np.full(len(p.p), np.nan)
        names_below, names_above = np.full(len(p.p), "", dtype=object), np.full(len(p.p), "", dtype=object)
        for name, height, positive in heights:
            zero, one = (height if positive else -height).T
            with np.errstate(divide="ignore", invalid="ignore"):
                root = np.clip(zero / (zero - one), 0.0, 1.0)
            lower = (zero < 0) & (one > zero) & ~(root < below)
            below[lower], names_below[lower] = root[lower], name
            upper = (one < 0) & (zero > one) & ~(root > above)
            above[upper], names_above[upper] = root[upper], name
        return {
            f"{what}_below": below,
            f"{said}_below": names_below,
            f"{what}_above": above,
            f"{said}_above": names_above,
            f"{what}_changes": (below > p.low) | (above < p.high),
        }


def sensitivity(assessed: Assessment, target: str) -> Sensitivity:
    """Find what a target, a column of the posteriors, owes to each number of the model, for one case."""
    network = assessed.assessor.network
    column_of(network, target)
    parameters = network.parameters
    own = functions(parameters, VersionedCase(parameters.network, assessed.evidence))
    return Sensitivity(parameters, target, own, assessed.thresholds, int(assessed.floor[0]))


def functions(parameters: ParameterVector, case: VersionedCase) -> Functions:
    """Find the posteriors of one case as functions of every number.

    Those of findings of which nothing is known don't matter and are not asked for.
    """
    matters = np.flatnonzero(~parameters.belongs_to(~case.informed))
    values = [parameters.p, *(parameters.moved(int(i), t) for i in matters for t in (0.0, 1.0))]
    posterior, evidence = case.posteriors(np.array(values))
    joint = np.nan_to_num(posterior) * evidence[:, None] / evidence[0]
    whole = evidence / evidence[0]
    all_joint = np.repeat(joint[:1, None], 2, axis=1).repeat(len(parameters.p), axis=0)
    all_evidence = np.ones((len(parameters.p), 2))
    all_joint[matters] = joint[1:].reshape(len(matters), 2, -1)
    all_evidence[matters] = whole[1:].reshape(len(matters), 2)
    return Functions(all_joint, all_evidence)


def batch_sensitivity(assessed: Assessment, target: str, *, engine: Engine = "auto") -> pd.DataFrame:
    """Average the sensitivity of a target, a column of the posteriors, to each number of the model over cases.

    `Model.sensitivity` says what is in the table. Every case must be possible; CaseError without cases. "numpy" takes
    a case at a time, "numba" a number at a time; they agree but for rounding.
    """
    import pandas as pd

    network, n = assessed.assessor.network, assessed.evidence.n
    column, floor = column_of(network, target), assessed.floor
    if not n:
        raise CaseError("no cases to average over: give a frame with rows")
    parameters = network.parameters
    few = engine == "numpy" or (engine == "auto" and n <= FEW_CASES)
    total, largest = np.zeros((len(parameters.p), len(MEASURES))), np.zeros(len(parameters.p))
    for start in range(0, n, CHUNK_CASES):
        part = slice(start, min(n, start + CHUNK_CASES))
        sums, most = (_by_case if few else _by_number)(parameters, assessed, part, floor[part], column)
        total += sums
        largest = np.maximum(largest, most)
    table = pd.DataFrame(
        {"p": parameters.p, "low": parameters.low, "high": parameters.high}
        | dict(zip(MEASURES, (total / n).T, strict=True)),
        index=pd.Index(parameters.names, name="parameter"),
    )
    table.insert(6, "largest_swing", largest)
    table["why"] = [number.why for _, number in network.model.probabilities()]
    return table.sort_values("swing", ascending=False, kind="stable")


def _by_case(
    parameters: ParameterVector, assessed: Assessment, part: slice, floor: NDArray[np.int8], column: int
) -> tuple[Floats, Floats]:
    """Sum over cases, each asked for all numbers."""
    found = []
    for i in range(part.start, part.stop):
        own = functions(parameters, VersionedCase(parameters.network, assessed.evidence[[i]]))
        single = Functions(own.joint[:, :, None], own.evidence[:, :, None])
        found.append(_measures(parameters, slice(None), single, assessed, floor[[i - part.start]], column))
    measures = np.concatenate(found, axis=2)
    return measures.sum(axis=2).T, measures[2].max(axis=1)


def _by_number(
    parameters: ParameterVector, assessed: Assessment, part: slice, floor: NDArray[np.int8], column: int
) -> tuple[Floats, Floats]:
    """Sum over cases, each number asked for all cases to which it may matter."""
    evidence = assessed.evidence[part]
    network = parameters.network
    n, first = evidence.n, len(network.model.risks) + len(network.model.causes)
    now = network.posteriors(evidence, engine="numba")
    expanded = evidence.expanded()
    informed = expanded.codes[first:] >= 0
    sums, largest = np.zeros((len(parameters.p), len(MEASURES))), np.zeros(len(parameters.p))
    finding = parameters.finding

    def work(i: int) -> None:
        known = informed[finding[i]] if finding[i] >= 0 else np.ones(len(expanded.case), dtype=bool)
        joint, evidence = np.empty((1, 2, n, now.values.shape[1])), np.ones((1, 2, n))
        joint[:] = now.values
        rows, own = expanded.restricted(known)
        for end in (0, 1) if len(rows) else ():
            found = under(parameters, parameters.moved(i, float(end)), own)
            evidence[0, end, rows] = np.exp(found.log_evidence - now.log_evidence[rows])
            joint[0, end, rows] = np.nan_to_num(found.values) * evidence[0, end, rows, None]
        measures = _measures(parameters, slice(i, i + 1), Functions(joint, evidence), assessed, floor, column)
        sums[i] = measures.sum(axis=2)[:, 0]
        largest[i] = measures[2].max()

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(work, range(len(parameters.p))))
    return sums, largest


def _measures(
    parameters: ParameterVector,
    which: slice,
    own: Functions,
    assessed: Assessment,
    floor: NDArray[np.int8],
    column: int,
) -> Floats:
    """Measure some numbers in some cases, shape (measures, numbers, cases).

    A lead is linear in the number and the alarm's cause rises or falls all the way, so what holds at both ends of a
    range holds within it.
    """
    ranked, cause = len(parameters.network.model.causes) + 1, assessed.assessor.column
    ends = [own.at(values[which], limit=True) for values in (parameters.p, parameters.low, parameters.high)]
    leader, *leaders = (end[..., :ranked].argmax(axis=-1) for end in ends)
    level, *levels = (np.maximum(assessed.thresholds.levels(end[..., cause]), floor) for end in ends)
    low, high = ends[1][..., column], ends[2][..., column]
    return np.stack(
        [
            low,
            high,
            np.abs(high - low),
            own.derivatives()[..., column],
            (leaders[0] != leader) | (leaders[1] != leader),
            (levels[0] != level) | (levels[1] != level),
        ]
    )
