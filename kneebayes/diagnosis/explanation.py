"""Why a cause is likely or not, and what is most likely of all together.

The evidence is taken apart into the things known of the case, and each gets its share in the change of the log-odds
from prior to posterior, in decibans: ten are a factor of ten in the odds. The complaint, which everybody of the
population has, is where the change starts from and no part of it; where a case says that it is absent or unsure, it
is a part, and the start is a person without any evidence. Everything is conditioning on evidence; nothing is said of
what would have happened.

The log-odds of a set of these may be infinite, as where one makes a cause certain; but infinite on one side only, and
never lost again as others join.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.cases.coding import by_answer
from kneebayes.diagnosis.alarm import column_of
from kneebayes.errors import check_kind, check_number
from kneebayes.inference import one_thread
from kneebayes.inference.evidence import DECIBANS, NOTICEABLE, UNKNOWN, Codes, Evidence, Floats, SoftEvidence
from kneebayes.inference.network import MIN_COMPILED, RARE, CompiledModel, is_compiled, leading
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent

if TYPE_CHECKING:
    import pandas as pd

Sets = NDArray[np.bool_]
MAX_EXACT = 14  # things known
BATCH = 256  # subsets whose joint distributions are there at a time
MIN_RESTS = 3  # findings from which on joint distributions of some subsets cost less than compiled posteriors of all
NEARLY_CERTAIN = 0.99  # from here on 1 - P has lost digits, and P(absent) is computed by itself


@dataclass(frozen=True, eq=False)
class Shares:
    """What each of n players adds, (n,): the mean over all orders in which they may come, with its standard error.

    One that makes the value infinite, alone or with others, has an infinite share; the rest share the change without.
    """

    shapley: Floats
    standard_error: Floats


def subsets(n: int) -> Sets:
    """List every subset of n, (2 ** n, n); the last varies fastest, as in an array of shape ``(2,) * n``."""
    return np.stack(np.unravel_index(np.arange(1 << n), (2,) * n), axis=1).astype(bool) if n else np.zeros((1, 0), bool)


def exact_shares(values: Floats) -> Shares:
    """Compute Shapley's values from the value of every subset, (2 ** n,) in the order of `subsets`."""
    n = int(values.size).bit_length() - 1
    if n == 0:
        return Shares(np.zeros(0), np.zeros(0))
    sizes = subsets(n).sum(axis=1).reshape((2,) * n)
    # an order puts a given set of size s before a given one, and the rest after it, with this probability
    weight = np.array([1.0 / (n * comb(n - 1, s)) for s in range(n)])
    cube = values.reshape((2,) * n)
    gains = [_less(np.take(cube, [1], axis=i), np.take(cube, [0], axis=i)) for i in range(n)]
    decisive = np.array([np.isinf(gain).any() for gain in gains])
    if decisive.any():
        rest = cube[tuple(0 if settles else slice(None) for settles in decisive)]
        return _with_decisive(decisive, exact_shares(rest.ravel()), values[-1])
    shapley = [(weight[np.take(sizes, [0], axis=i)] * gain).sum() for i, gain in enumerate(gains)]
    return Shares(np.array(shapley), np.zeros(n))


def sampled_shares(value: Callable[[Sets], Floats], n: int, *, orders: int, rng: np.random.Generator) -> Shares:
    """Estimate Shapley's values from random orders of n, at least 4, each drawn with its reverse for a smaller error.

    ``value`` gives the values of a batch of sets, (sets, n) to (sets,). Whatever the orders, the shares add up.
    """
    pairs = max(2, orders // 2)
    drawn = rng.permuted(np.tile(np.arange(n), (pairs, 1)), axis=1)
    both = np.concatenate([drawn, drawn[:, ::-1]])
    place = np.argsort(both, axis=1)
    sets = place[:, None, :] < np.arange(n + 1)[None, :, None]
    distinct, where = np.unique(sets.reshape(-1, n), axis=0, return_inverse=True)
    values = value(distinct)[where.reshape(-1)].reshape(2 * pairs, n + 1)
    gains = np.take_along_axis(_less(values[:, 1:], values[:, :-1]), place, axis=1)
    decisive: Sets = np.asarray(np.isinf(gains).any(axis=0))
    if decisive.any():
        kept = np.flatnonzero(~decisive)

        def without_decisive(rest: Sets) -> Floats:
            whole = np.zeros((len(rest), n), dtype=bool)
            whole[:, kept] = rest
            return value(whole)

        rest = exact_shares(np.zeros(1))  # of none
        if len(kept):
            rest = sampled_shares(without_decisive, len(kept), orders=orders, rng=rng)
        return _with_decisive(decisive, rest, values[0, -1])
    means = (gains[:pairs] + gains[pairs:]) / 2
    return Shares(gains.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(pairs))


def _less(after: Floats | float, before: Floats | float) -> Floats:
    """Subtract, where infinity less itself is nothing gained."""
    gained = np.zeros(np.broadcast(after, before).shape)
    np.subtract(after, before, out=gained, where=np.not_equal(after, before))
    return gained


def _with_decisive(decisive: Sets, rest: Shares, limit: float) -> Shares:
    shapley, error = np.full(len(decisive), limit), np.zeros(len(decisive))
    shapley[~decisive], error[~decisive] = rest.shapley, rest.standard_error
    return Shares(shapley, error)


@dataclass(frozen=True)
class Contribution:
    """One thing known of the case, and what it did to the odds of the target.

    Attributes
    ----------
    variable, said : str
        What is known, by name and in words.
    decibans : float
        Its share of the change, by Shapley's values.
    standard_error : float
        Of `decibans`; 0 where they are exact.
    leave_one_out : float
        The change of the log-odds when it is added to all others, in decibans.
    without : float
        P(target) without it.
    """

    variable: str
    said: str
    decibans: float
    standard_error: float
    leave_one_out: float
    without: float

    @property
    def noticeable(self) -> bool:
        """Whether it changes the odds by a deciban or more."""
        return abs(self.decibans) >= NOTICEABLE


@dataclass(frozen=True)
class Rival:
    """Another cause, and what the target would be without it.

    Attributes
    ----------
    cause : str
        Its name.
    decibans : float
        By how much the log-odds of the target rise where the cause is absent.
    probability : float
        P(target) then.
    """

    cause: str
    decibans: float
    probability: float


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why a target is as likely as it is.

    Attributes
    ----------
    target : str
        A cause, ``none_of_these``, or a state such as ``bakers_cyst_ruptured``.
    prior, posterior : float
        P(target) before and after the evidence.
    change : float
        Of the log-odds, in decibans; infinite where the evidence settles it.
    contributions : tuple of Contribution
        The greatest share first.
    rivals : tuple of Rival
        The other causes, that which holds the target down most first.
    conflict : float
        How much less probable all of it is together than if the parts had nothing to do with each other, in
        decibans (Jensen's measure of conflict). Over 0 they fit together badly, whatever the target.
    lost : bool
        Whether something else is likelier than the target.
    model : ModelSpec
        For the words.
    """

    target: str
    prior: float
    posterior: float
    change: float
    contributions: tuple[Contribution, ...]
    rivals: tuple[Rival, ...]
    conflict: float
    lost: bool
    model: ModelSpec

    @property
    def exact(self) -> bool:
        """Whether the shares are exact rather than sampled."""
        return not any(part.standard_error for part in self.contributions)

    @cached_property
    def conflicts(self) -> tuple[tuple[str, str], ...]:
        """Pairs of variables of which the first raises the odds and the second lowers them, the strongest first."""
        ups = [part for part in self.contributions if part.decibans >= NOTICEABLE]
        downs = [part for part in self.contributions if part.decibans <= -NOTICEABLE]
        pairs = sorted(product(ups, downs), key=lambda pair: -min(pair[0].decibans, -pair[1].decibans))
        return tuple((up.variable, down.variable) for up, down in pairs)

    @property
    def explained_away(self) -> tuple[Rival, ...]:
        """The causes that hold a target down that has lost; none for one that leads."""
        return tuple(rival for rival in self.rivals if rival.decibans >= NOTICEABLE) if self.lost else ()

    def sentence(self, part: Contribution) -> str:
        """Say in plain words what one of the contributions did.

        Parameters
        ----------
        part : Contribution
            One of them.

        Returns
        -------
        str
            A sentence.
        """
        check_kind(part, "decibans", "explanation.sentence(explanation.contributions[0])")
        name, ratio = self.model.label_of(self.target), _ratio(abs(part.decibans))
        times = f"{ratio:.1f}-fold" if ratio < 100 else f"{ratio:,.0f}-fold"
        up = part.decibans > 0
        if np.isinf(part.decibans):
            return f"{part.said}: {f'makes {name} certain' if up else f'rules {name} out'}."
        change = f"{part.said}: {'raises' if up else 'lowers'} the odds of {name} {times}"
        if np.isinf(self.change):
            return f"{change}, were they not settled."
        if not part.noticeable:
            return f"{part.said}: hardly changes {name}; without it, {self._instead(part)}."
        if part.decibans * part.leave_one_out < 0:
            return f"{change} as a rule, but not beside the rest; without it, {self._instead(part)}."
        return f"{change}; without it, {self._instead(part)}."

    def content(self) -> dict[str, Any]:
        """Give all of it as plain objects, as JSON wants them; infinite decibans are None.

        Returns
        -------
        dict of str to object
            In the words of the attributes.
        """
        return _finite(self._whole()) | {
            "pieces": [_finite(asdict(part)) | {"sentence": self.sentence(part)} for part in self.contributions],
            "explained_away": [_finite(asdict(rival)) for rival in self.explained_away],
        }

    def _whole(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "prior": self.prior,
            "posterior": self.posterior,
            "change": self.change,
            "exact": self.exact,
            "tension": self.conflict,
            "conflicts": [list(pair) for pair in self.conflicts],
        }

    def frame(self) -> pd.DataFrame:
        """Give the contributions as a table.

        Returns
        -------
        pandas.DataFrame
            One row per contribution, by variable; ``attrs`` has the rest.
        """
        import pandas as pd

        pulls: dict[str, list[str]] = {part.variable: [] for part in self.contributions}
        for up, down in self.conflicts:
            pulls[up].append(down)
            pulls[down].append(up)
        parts = self.contributions
        columns: dict[str, list[Any]] = {
            "said": [part.said for part in parts],
            "decibans": [part.decibans for part in parts],
            "likelihood_ratio": [_ratio(part.decibans) for part in parts],
            "standard_error": [part.standard_error for part in parts],
            "leave_one_out": [part.leave_one_out for part in parts],
            "leave_one_out_ratio": [_ratio(part.leave_one_out) for part in parts],
            "without": [part.without for part in parts],
            "pulls_against": [";".join(pulls[part.variable]) for part in parts],
            "sentence": [self.sentence(part) for part in parts],
        }
        texts = ("said", "pulls_against", "sentence")
        index = pd.Index([part.variable for part in parts], name="variable", dtype=object)
        frame = pd.DataFrame(
            {
                name: pd.Series(own, index=index, dtype=str) if name in texts else np.array(own, dtype=float)
                for name, own in columns.items()
            },
            index=index,
        )
        frame.attrs |= self._whole() | {"explained_away": {r.cause: r.decibans for r in self.explained_away}}
        return frame

    def _instead(self, part: Contribution) -> str:
        then, now = percent(part.without), percent(self.posterior)
        return f"{then} too" if then == now else f"{then} instead of {now}"

    def __repr__(self) -> str:
        return f"<explanation of {self.target}: {percent(self.prior)} to {percent(self.posterior)}>"

    def __str__(self) -> str:
        label = self.model.label_of(self.target)
        ends = f"from {percent(self.prior)} to {percent(self.posterior)}"
        lines = [f"Why {label}: {ends} ({self.change:+z.1f} decibans)"]
        leading = [part for part in self.contributions if part.noticeable]
        lines += [f"  {part.decibans:+z6.1f}  {self.sentence(part)}" for part in leading]
        if len(leading) < len(self.contributions):
            rest = sum(part.decibans for part in self.contributions if not part.noticeable)
            lines.append(f"  {rest:+z6.1f}  {len(self.contributions) - len(leading)} more, each under 1 deciban.")
        if self.conflicts:
            known = {part.variable: part.said for part in self.contributions}
            up, down = self.conflicts[0]
            more = f" (and {len(self.conflicts) - 1} more such pairs)" if len(self.conflicts) > 1 else ""
            lines.append(f"  Pull against each other: {known[up]} / {known[down]}{more}.")
        for rival in self.explained_away[:2]:
            other = self.model.label_of(rival.cause)
            lines.append(f"  Held down by {other}: were that ruled out, it would be at {percent(rival.probability)}.")
        if not self.exact:
            worst = max(part.standard_error for part in self.contributions)
            lines.append(f"  Shares are sampled: standard error up to {worst:.2g} decibans.")
        return "\n".join(lines)


def _ratio(decibans: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(decibans / DECIBANS))


def _finite(part: dict[str, Any]) -> dict[str, Any]:
    return {name: None if isinstance(value, float) and np.isinf(value) else value for name, value in part.items()}


def explain(
    network: CompiledModel,
    evidence: Evidence,
    target: str,
    *,
    orders: int = 500,
    seed: int = 0,
    max_exact: int = MAX_EXACT,
) -> Explanation:
    """Explain the posterior of a target, a column of the posteriors, by the evidence of one case.

    Shares of up to ``max_exact`` things are exact, from 2 ** n subsets; for more, ``orders`` are drawn.
    """
    case = _Case(network, evidence, target)
    n = len(case.rows)
    if n <= max_exact:
        values, chances = case.cube()
        shares = exact_shares(values)
        ones = [1 << (n - 1 - i) for i in range(n)]
        none, every, leave = values[0], values[-1], values[[(1 << n) - 1 - bit for bit in ones]]
        alone, together, nothing = chances[ones], chances[-1], chances[0]
    else:
        few = np.concatenate([np.zeros((1, n)), np.ones((1, n)), 1 - np.eye(n), np.eye(n)]).astype(bool)
        values, chances = case.values(few)
        check_number("seed", seed, whole=True, least=0)
        shares = sampled_shares(lambda s: case.values(s)[0], n, orders=orders, rng=np.random.default_rng(seed))
        none, every, leave = values[0], values[1], values[2 : 2 + n]
        alone, together, nothing = chances[2 + n :], chances[1], chances[0]
    conflict = float((alone - nothing).sum() - (together - nothing))
    return _assemble(case, shares, float(none), float(every), leave, conflict * DECIBANS)


class _Case:
    """The evidence of one case taken apart, and the log-odds of a target given any set of its parts."""

    def __init__(self, network: CompiledModel, evidence: Evidence, target: str) -> None:
        self.network, self.evidence, self.target = network, evidence, target
        self.column = column_of(network, target)
        self.likelihood = {answer.row: answer.likelihood for answer in evidence.soft}
        self.base = Evidence.empty(len(network.variables)).codes
        complaint = network.variables.index(network.model.complaint)
        known = {row: int(code) for row, code in enumerate(evidence.codes[:, 0]) if code != UNKNOWN}
        if known.get(complaint) == 1:
            self.base[complaint] = known.pop(complaint)
        self.known = known
        self.rows = sorted([*known, *self.likelihood])

    def cube(self) -> tuple[Floats, Floats]:
        """Log-odds, and logarithm of P(evidence), of every subset in the order of `subsets`."""
        n, among = len(self.rows), self.network.membership[self.column] > 0
        # P(all) is the sum over joint states of P(first parts, state) P(rest | state): of both halves one row a subset,
        # and every pair by a product of matrices. Risk factors say nothing given the state: they are among the first
        first = max(n // 2, sum(row < len(self.network.model.risks) for row in self.rows))
        if n - first < MIN_RESTS and is_compiled("auto", 1 << n, MIN_COMPILED):
            return self.values(subsets(n))
        ahead, rest = np.zeros((1 << first, n), dtype=bool), np.zeros((1 << (n - first), n), dtype=bool)
        ahead[:, :first], rest[:, first:] = subsets(first), subsets(n - first)
        likelihood = self.network.likelihood(self._with(rest, Evidence.empty(len(self.base)).codes))
        weighed = likelihood[:, among].T, likelihood[:, ~among].T
        chances: list[list[Floats]] = [[], []]
        with one_thread():  # on another number of threads it would sum in another order
            for start in range(0, len(ahead), BATCH):
                joint = self.network.joint(self._with(ahead[start : start + BATCH], self.base))
                for states, own, found in zip((among, ~among), weighed, chances, strict=True):
                    found.append(joint[:, states] @ own)
        present, absent = (np.concatenate(found).ravel() for found in chances)
        if (present + absent).min() < RARE:
            return self.values(subsets(n))
        with np.errstate(divide="ignore"):
            return _odds(np.log(present), np.log(absent))

    def values(self, sets: Sets) -> tuple[Floats, Floats]:
        """Log-odds, and logarithm of P(evidence), of some subsets, (sets, parts)."""
        return _odds(*self._parts(self._with(sets, self.base)))

    def _with(self, sets: Sets, base: Codes) -> Evidence:
        """Know some subsets of the parts, (sets, parts), beside what is known in all."""
        codes = np.repeat(base, len(sets), axis=1)
        soft = []
        for row, own in zip(self.rows, sets.T, strict=True):
            if row in self.likelihood:
                soft.append(SoftEvidence(row, np.flatnonzero(own), self.likelihood[row]))
            else:
                codes[row, own] = self.known[row]
        return Evidence(codes, tuple(soft))

    def rivals(self) -> list[tuple[str, float]]:
        """Log-odds of the target where each other cause is absent, if that is possible."""
        causes = list(self.network.model.causes)
        own = [name for name in causes if self.target == name or self.target.startswith(f"{name}_")]
        rows = {name: self.network.variables.index(name) for name in causes if name not in own}
        free = {name: row for name, row in rows.items() if row not in self.known}
        if not free:
            return []
        codes = np.repeat(self.evidence.codes, len(free), axis=1)
        codes[list(free.values()), np.arange(len(free))] = 0
        clamped = np.array(list(free.values()), dtype=np.intp)
        soft = [SoftEvidence(row, np.flatnonzero(clamped != row), chance) for row, chance in self.likelihood.items()]
        odds, evidence = _odds(*self._parts(Evidence(codes, tuple(soft))))
        possible = np.isfinite(evidence) & [self.likelihood.get(row, (1.0,))[0] > 0 for row in free.values()]
        return [(name, float(value)) for name, value, may in zip(free, odds, possible, strict=True) if may]

    def leads(self) -> bool:
        """Whether nothing is likelier than the target; a state of a cause leads where its cause does."""
        ranked = self.network.posteriors(self.evidence).values[0, : len(self.network.model.causes) + 1]
        first = self.network.columns[int(leading(ranked))]
        return self.target == first or self.target.startswith(f"{first}_")

    def _parts(self, evidence: Evidence) -> tuple[Floats, Floats]:
        """Logarithms of P(evidence, target) and P(evidence, not target) of a batch."""
        result = self.network.posteriors(evidence)
        share = np.nan_to_num(result.values[:, self.column])
        with np.errstate(divide="ignore"):
            present, absent = np.log(share) + result.log_evidence, np.log(1.0 - share) + result.log_evidence
        if self.target in self.network.model.causes and (share > NEARLY_CERTAIN).any():
            row = self.network.variables.index(self.target)
            without = self.network.posteriors(evidence.with_state(row, 0)).log_evidence
            for answer in evidence.soft:
                if answer.row == row:
                    with np.errstate(divide="ignore"):
                        without[answer.cases] += np.log(answer.likelihood[0])
            without[evidence.codes[row] > 0] = -np.inf
            absent = np.where(share > NEARLY_CERTAIN, without, absent)
        return present, absent


def _odds(present: Floats, absent: Floats) -> tuple[Floats, Floats]:
    with np.errstate(invalid="ignore"):
        return present - absent, np.logaddexp(present, absent)


def _probability(log_odds: float) -> float:
    return float(np.exp(-np.logaddexp(0.0, -log_odds)))


def _assemble(case: _Case, shares: Shares, none: float, every: float, leave: Floats, conflict: float) -> Explanation:
    network, model = case.network, case.network.model
    added = _less(every, leave) * DECIBANS
    contributions = []
    for i, row in enumerate(case.rows):
        name = network.variables[row]
        if row in case.known:
            said = model.said(name, case.known[row])
            words = "; ".join(model.describe(column, value) for column, value in said.items())
            name = next(iter(said)) if len(said) == 1 else name
        else:
            name, likelihood = by_answer(model, name, case.likelihood[row])
            asked, chances = model.askable[name], likelihood / likelihood.sum()
            pairs = zip(asked.states, chances, strict=True)
            unsure = ", ".join(f"{state.replace('_', ' ')} {p:.2g}" for state, p in pairs)
            words = f"{asked.label}: unsure ({unsure})"
        share, error = float(shares.shapley[i]) * DECIBANS, float(shares.standard_error[i]) * DECIBANS
        contributions.append(Contribution(name, words, share, error, float(added[i]), _probability(float(leave[i]))))
    rivals = [Rival(name, float(_less(odds, every)) * DECIBANS, _probability(odds)) for name, odds in case.rivals()]
    return Explanation(
        target=case.target,
        prior=_probability(none),
        posterior=_probability(every),
        change=float(_less(every, none)) * DECIBANS,
        contributions=tuple(sorted(contributions, key=lambda part: -abs(part.decibans))),
        rivals=tuple(sorted(rivals, key=lambda rival: -rival.decibans)),
        conflict=conflict,
        lost=not case.leads(),
        model=model,
    )


def most_probable(network: CompiledModel, evidence: Evidence, n: int = 5) -> pd.DataFrame:
    """Find the n most probable joint states of the causes of one case, exactly; see `Diagnosis.most_probable`.

    Those with probability 0 are left out, and ties are in the order of ``network.joint_states``.
    """
    import pandas as pd

    check_number("n", n, whole=True, least=1)
    joint = network.joint(evidence, log_unit=network.posteriors(evidence).log_evidence[0])[0]
    probability = joint / joint.sum()
    order = np.argsort(-probability, kind="stable")[:n]
    rows = []
    for k in order[probability[order] > 0].tolist():
        places = list(zip(network.model.causes.items(), network.joint_states[k].tolist(), strict=True))
        present = [name if s == 1 else f"{name}_{cause.states[s]}" for (name, cause), s in places if s > 0]
        states = {name: cause.states[s] for (name, cause), s in places}
        rows.append({"present": ";".join(present) or "none_of_these", "probability": float(probability[k])} | states)
    frame = pd.DataFrame(rows)
    frame.insert(2, "cumulative", frame["probability"].cumsum())
    return frame
