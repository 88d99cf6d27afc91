"""Let cases move the numbers of a model: maximum a posteriori by expectation maximisation.

Every leak, link and split of the model file is the chance of a trial, and its range says how sure it is. Its prior is
the Beta distribution with mean p and a standard deviation of a 3.29th of the range's width, so that about 90 % of it
lie within the range. It counts like k = p (1 - p) / sd^2 - 1 trials (at least 1, and times the prior weight) that
succeeded as often as p says.

The estimate is the mode in log-odds. There the mode of the prior is p itself, so without cases nothing moves, and after
S successes in N trials it is (S + k p) / (N + k). States of one distribution (of a split, of a risk factor, of what one
leak or link does to an ordered finding) are outcomes of the same trials: they share one Dirichlet prior, as sure as the
least sure of them, and each is its S of the common N.

In a noisy-OR every link is a trial of its own: wherever its parent is in the state, it is made, and the node is present
if any of the trials, the leak's included, succeeds (Henrion 1987; Meek and Heckerman 1997). Which did is never
observed. If the node is absent none did; if it is present, one of chance q did with q / P(present | parents). Causes
may be hidden and any cell empty; the expected counts are exact.

People come into the data because of their complaint. If it were learned from like any other finding, its leak would run
to 1, and the frequency of every cause among all people to that among people with the complaint. So each case counts by
P(what is known | its complaint), and the expectation step adds, for each case, the (1 - pi) / pi people who were drawn
and did not come (Dempster, Laird and Rubin 1977, truncated samples): expectation maximisation then climbs that very
posterior. Its steps are lengthened by SQUAREM (Varadhan and Roland 2008), and a lengthened one is taken only where it
leads up.

Cells are taken to be missing at random: whether one is filled may depend on
what is known of the case, not on what the cell would have said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, logit
from tqdm.auto import tqdm

from kneebayes.cases.labels import LABEL, read_cohort
from kneebayes.errors import CaseError, OptionError, check_flags, check_number
from kneebayes.inference.counts import MIN_COMPILED, Expectation
from kneebayes.inference.evidence import Cases
from kneebayes.inference.network import Engine
from kneebayes.inference.tables import Component, Counts, Layout, ParameterIndex, Tables
from kneebayes.learn.prevalence import complaint_only
from kneebayes.scoring.score_file import shows_progress
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import with_numbers

if TYPE_CHECKING:
    import pandas as pd

    from kneebayes.cases.mapping import MappingLike

Floats = NDArray[np.float64]
WIDTH_IN_DEVIATIONS = 3.29  # of the range that holds 90 % of a normal distribution
MAX_PRIOR_WEIGHT = 1e9  # more, and what is left of a number's interval is below rounding
MIN_CASES = 1.0  # what a number counts for, however wide its range
EDGE = 1e-12  # how near a chance that is not sure may come to being sure
MAX_LOG_ODDS = 27.0  # of an extrapolation: as near as EDGE
BATCHES = 64  # of cases, from whose scores information is estimated: intervals are right to some 10 %
MAX_LENGTH = 100.0  # of an extrapolation, in steps of expectation maximisation
SHOWN = 8


class DirichletPriors:
    """The numbers that are learned, in the order of the model file, and the prior of each distribution.

    A number without a range, or of 0 or 1, is sure and stays, and so does a distribution with a number without a range.
    ``places`` are as from `ModelSpec.probabilities`; ``start`` is p of each, and ``cases`` how many cases its prior
    counts for. A number that is alone, such as a leak, and what it leaves are a distribution over two states.
    """

    def __init__(self, model: ModelSpec, prior_weight: float = 1.0, *, risk_factors: bool = False) -> None:
        numbers, distributions = dict(model.probabilities()), ParameterIndex(model).distributions
        owner = np.arange(len(numbers))
        for members in distributions:
            owner[members] = members[0]
        wanted = {
            i: place
            for i, (place, number) in enumerate(numbers.items())
            if 0 < number.p < 1 and (risk_factors or not place.startswith("risks."))
        }
        width = np.array([number.range[1] - number.range[0] for number in numbers.values()])
        sure = {owner[i] for i in wanted if width[i] == 0}
        chosen = [i for i in wanted if owner[i] not in sure]
        self.model = model
        self.places = tuple(wanted[i] for i in chosen)
        self.numbers = {place: numbers[place] for place in self.places}
        self.start = np.array([number.p for number in self.numbers.values()])
        deviation = width[chosen] / WIDTH_IN_DEVIATIONS
        cases = np.maximum(self.start * (1.0 - self.start) / deviation**2 - 1.0, MIN_CASES) * prior_weight
        _, self._of = np.unique(owner[chosen], return_inverse=True)  # the distribution of each number
        self._cases = np.full(len(np.unique(self._of)), np.inf)
        np.minimum.at(self._cases, self._of, cases)
        self.cases = self._cases[self._of]
        self._left = np.maximum(1.0 - self._sum(self.start), 0.0)
        self._open = self._left > EDGE  # else the states with a number are all there are

    def log_prior(self, p: Floats) -> float:
        """Compute the logarithm of the prior density in log-odds, up to a constant: highest at ``start``."""
        of_left = (self._cases * self._left)[self._open] @ np.log1p(-self._sum(p)[self._open])
        return float((self.cases * self.start) @ np.log(p) + of_left)

    def update(self, p: Floats, counts: NoisyOrCounts) -> Floats:
        """Find the mode of the posterior, given counts; numbers of which nothing speaks stay as they were."""
        whole = counts.trials + self.cases
        # all states of a distribution have the same trials and the same prior cases, so these still add up to 1
        mode: Floats = np.divide(counts.successes + self.cases * self.start, whole, out=p.copy(), where=whole > 0)
        np.maximum(mode, EDGE, out=mode)
        left = np.where(self._open, np.maximum(1.0 - self._sum(mode), EDGE), 0.0)
        mode /= (self._sum(mode) + left)[self._of]
        return mode

    def log_odds(self, p: Floats) -> Floats:
        """Compute the log-odds of each number against what its distribution leaves, if it may leave something."""
        left = np.where(self._open, 1.0 - self._sum(p), 1.0)
        return np.log(p) - np.log(left)[self._of]

    def from_log_odds(self, log_odds: Floats) -> Floats:
        """Make numbers of log-odds: none 0 or 1, and every distribution adds up."""
        p: Floats = np.exp(np.clip(log_odds, -MAX_LOG_ODDS, MAX_LOG_ODDS))
        p /= (self._open + self._sum(p))[self._of]
        return p

    def _sum(self, p: Floats) -> Floats:
        total = np.zeros(len(self._cases))
        np.add.at(total, self._of, p)
        return total


class NoisyOrCounts(NamedTuple):
    """Expected successes and trials of every number, in the order of `ModelSpec.probabilities`."""

    successes: Floats
    trials: Floats


def noisy_or_counts(values: Floats, tables: Tables, counts: Counts) -> NoisyOrCounts:
    """Count the trials of every number of a model, (P,), from expected counts with the tables of these numbers."""
    layout, n = tables.layout, len(values)
    over_chance, trials = np.zeros(n + 1), np.zeros(n + 1)  # the last: no link
    chosen = np.zeros(n + len(layout.index.distributions) + 1)  # by share
    for part, component, count in zip(layout.parts, tables.components, counts.components, strict=True):
        states, known = _by_state(count, component), component.known
        whole, total = known.sum(axis=1), states.sum(axis=1)
        for places in part.shares:
            _add(chosen, places % len(chosen), total)
        for i in range(len(component.targets)):
            fired, on = (_triggered(a, i) for a in (states, known))
            fired = _ratio(fired * whole, on)
            for places in part.links[:, i]:
                _add(over_chance, places, fired)
                _add(trials, places, total)
    marginal = _marginals(counts.joint[None], layout)[0]
    for c, parents in enumerate(layout.parents):
        reached = counts.reached[c].reshape([layout.cards[p] for p in parents])
        for axis, (p, places) in enumerate(parents.items()):
            _add(over_chance, places, reached.sum(axis=tuple(a for a in range(len(parents)) if a != axis)))
            _add(trials, places, marginal[p, : layout.cards[p]])
        _add(chosen, layout.splits[c] % len(chosen), marginal[c, 1 : layout.cards[c]])
    (leaks, links), (leak_trials, link_trials) = _finding_trials(values, tables, counts)
    _add(over_chance, layout.leaks, leaks)
    _add(trials, layout.leaks, leak_trials)
    _add(over_chance, layout.finding_links, links)
    _add(trials, layout.finding_links, link_trials)
    successes = values * over_chance[:n]
    for i, members in enumerate(layout.index.distributions):
        if not layout.index.names[members[0]].startswith("findings."):
            successes[members] = chosen[members]
            trials[members] = chosen[members].sum() + chosen[n + i]
    return NoisyOrCounts(successes, trials[:n])


def _finding_trials(
    values: Floats, tables: Tables, counts: Counts
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Count the trials of leaks, (effects,), and links, (effects, C, most states): successes over chance, trials.

    One contributor brings about state s, given that the finding is in a set of states, in so far as the greatest of s
    and of what the others bring about is in the set. Where that is "at most" a state, the others don't matter.
    """
    layout, links = tables.layout, np.append(values, 0.0)[:, None]
    of_finding = np.repeat(np.arange(len(layout.code_start) - 1), np.diff(layout.first_effect))
    greater = (of_finding[:, None] == of_finding) & (np.arange(len(of_finding))[:, None] < np.arange(len(of_finding)))
    over_leaks = greater @ _ratio(counts.at_most[:, 0].sum(axis=1), tables.at_most_leak)
    shape = counts.at_most.shape
    over_links = (greater @ _ratio(counts.at_most, tables.at_most_links).reshape(len(greater), -1)).reshape(shape)
    tried = np.add.reduceat(counts.at_most, layout.first_effect[:-1], axis=0)
    marginals, over_chance = _marginals(counts.vectors, layout), _ratio(counts.vectors, tables.vectors)
    of_others = _marginals(over_chance, layout)
    for f, (name, finding) in enumerate(layout.spec.findings.items()):
        for code, event in enumerate(layout.spec.events[name]):
            vector = layout.vector[layout.code_start[f] + 1 + code]
            if vector < 0:
                continue
            tried[f] += marginals[vector]
            held = np.array([state in event for state in finding.states])
            for s in range(1, len(held)):
                effect, others = layout.first_effect[f] + s - 1, held.copy()
                others[: s + 1] = held[s]  # what the others may bring about
                if others.all():
                    over_leaks[effect] += over_chance[vector].sum()
                    over_links[effect] += of_others[vector]
                elif others.any():
                    whole = over_chance[vector].reshape(*layout.cards, 1)
                    over_leaks[effect] += (whole * _in_set(layout, f, others, links, leak=False)).sum()
                    chance = np.broadcast_to(_in_set(layout, f, others, links), whole.shape)
                    for c, card in enumerate(layout.cards):
                        without = whole * chance.take([0], axis=c)
                        over_links[effect, c, :card] += without.sum(axis=tuple(i for i in range(whole.ndim) if i != c))
    tried_links = tried[of_finding]
    return (over_leaks, over_links), (tried_links[:, 0].sum(axis=1), tried_links)


def _in_set(layout: Layout, finding: int, held: NDArray[np.bool_], links: Floats, *, leak: bool = True) -> Floats:
    """P(finding in some states | joint state), as from `Layout.between`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]))).reshape(-1, 2)
    parts = (layout.between(finding, low - 1, high - 1, links, leak=leak) for low, high in edges.tolist())
    return sum(parts, start=np.zeros(1))


def _add(total: Floats, places: NDArray[np.int64], values: Floats) -> None:
    total += np.bincount(places.ravel(), values.ravel(), minlength=len(total))


def _by_state(sums: Floats, component: Component) -> Floats:
    """Share what came by evidence pattern among the joint states of the risk factors: a missing one may be any."""
    sums = sums.reshape(*component.radix, -1)
    for axis, radix in enumerate(component.radix):
        sums = sums.take(range(radix - 1), axis=axis) + sums.take([radix - 1], axis=axis)
    states: Floats = sums.reshape(-1, sums.shape[-1]) * component.known
    return states


def _triggered(table: Floats, i: int) -> Floats:
    """Add up, by state, the columns in which the i-th target is triggered."""
    total: Floats = table.reshape(len(table), 2**i, 2, -1)[:, :, 1].sum(axis=(1, 2))
    return total


def _marginals(joint: Floats, layout: Layout) -> Floats:
    """Add up rows over the joint states by state of each cause, shape (rows, causes, most states)."""
    n, cards = len(joint), layout.cards
    found = np.zeros((n, len(cards), max(cards)))
    for c, card in enumerate(cards):
        found[:, c, :card] = joint.reshape(n, int(np.prod(cards[:c])), card, -1).sum(axis=(1, 3))
    return found


def _ratio(fired: Floats, chance: Floats) -> Floats:
    return np.divide(fired, chance, out=np.zeros_like(fired), where=fired > 0)


class Change(NamedTuple):
    """A fitted number.

    Attributes
    ----------
    place : str
        In the model file, as in ``causes.dvt.leak``.
    was, now : float
        The number before and after.
    low, high : float
        Its range after: a 90 % interval, the other numbers held.
    prior_cases, data_cases : float
        How many trials seen with certainty the prior, and the data, are worth.
    """

    place: str
    was: float
    now: float
    low: float
    high: float
    prior_cases: float
    data_cases: float


@dataclass(frozen=True)
class FitReport:
    """How a fit went.

    Attributes
    ----------
    n_cases, n_labelled : int
        Cases, and those with a label for at least one cause.
    n_unsure : int
        Answers given as likelihoods, which were left out.
    prior_weight : float
        As given.
    log_posterior : tuple of float
        Natural logarithm, up to a constant, at each point the climb went
        through; it never falls, and the last is that of the result.
    converged : bool
        Whether the last step raised it by less than the tolerance.
    seconds : float
        Wall time.
    changes : tuple of Change
        Every fitted number, in the order of the model file.
    """

    n_cases: int
    n_labelled: int
    n_unsure: int
    prior_weight: float
    log_posterior: tuple[float, ...]
    converged: bool
    seconds: float
    changes: tuple[Change, ...]

    def summary(self) -> str:
        """Say in one line what was done, for the provenance of the model.

        Returns
        -------
        str
            Cases, labels, prior and whether it converged.
        """
        end = "converged" if self.converged else "stopped before it converged"
        return (
            f"fitted from {self.n_cases} cases, {self.n_labelled} of them labelled, prior weight "
            f"{self.prior_weight:g}: {len(self.changes)} numbers, log posterior {self.log_posterior[0]:.2f} to "
            f"{self.log_posterior[-1]:.2f}, {end}"
        )

    def table(self) -> pd.DataFrame:
        """List what moved, farthest first.

        Returns
        -------
        pandas.DataFrame
            A row per fitted number; ``moved`` is the change in log-odds over
            half the width of the new range in log-odds.
        """
        import pandas as pd

        frame = pd.DataFrame(self.changes, columns=list(Change._fields))
        frame["moved"] = [_moved(change) for change in self.changes]
        order = frame["moved"].abs().sort_values(ascending=False, kind="stable").index
        return frame.loc[order].reset_index(drop=True)

    def __str__(self) -> str:
        lines = [self.summary()]
        if self.n_unsure:
            lines.append(f"{self.n_unsure} unsure answers were left out")
        for change in sorted(self.changes, key=lambda change: -abs(_moved(change)))[:SHOWN]:
            after = f"{change.now:.4g} ({change.low:.4g} to {change.high:.4g})"
            lines.append(f"  {change.place}: {change.was:.4g} -> {after}")
        return "\n".join(lines)


def _moved(change: Change) -> float:
    was, now, low, high = logit(np.clip((change.was, change.now, change.low, change.high), 1e-12, 1.0 - 1e-12))
    return float(2.0 * (now - was) / max(high - low, 1e-9))


def fit(
    model: ModelSpec,
    frame: Any,
    *,
    prior_weight: float = 1.0,
    risk_factors: bool = False,
    label: str = LABEL,
    ignore: Iterable[str] = (),
    max_steps: int = 300,
    tolerance: float = 1e-6,
    progress: bool | None = None,
    weights: Floats | None = None,
    mapping: MappingLike | None = None,
) -> tuple[ModelSpec, FitReport]:
    """Fit the leaks, links and splits of a model to cases, the model's own numbers being the prior.

    `Model.fit` says by which options; ``weights`` say how often each case counts. The version of the fitted model ends
    in ``+fitted``. Each fitted number says in its basis from how many cases it is and what it was; its range is the
    90 % interval of a Beta distribution around it, the other numbers held: narrower than if they were not.
    """
    check_flags(risk_factors=risk_factors)
    for name, value in {"prior_weight": prior_weight, "max_steps": max_steps, "tolerance": tolerance}.items():
        check_number(name, value, whole=name == "max_steps")
    prior_weight = float(prior_weight)
    if not 0 <= prior_weight <= MAX_PRIOR_WEIGHT:
        raise OptionError(f"prior_weight {prior_weight:g}: must be from 0 to {MAX_PRIOR_WEIGHT:g}")
    if max_steps < 1 or not tolerance >= 0:
        raise OptionError(f"max_steps {max_steps}, tolerance {tolerance}: at least 1 step, tolerance 0 or more")
    started = time.perf_counter()
    cohort = read_cohort(model, frame, label=label, ignore=ignore, weights=weights, mapping=mapping)
    n = len(cohort.cases.weight)
    if n == 0:
        raise CaseError("there is no case to learn from: the frame has no rows, or the mapping leaves all of them out")
    problem = EmProblem(DirichletPriors(model, prior_weight, risk_factors=risk_factors), cohort.cases)
    impossible = np.flatnonzero(~np.isfinite(problem.log_evidence()))
    if len(impossible):
        raise cohort.impossible(frame, impossible)
    p, path, converged = squarem(problem, max_steps, tolerance * n, progress)
    changes = _changes(problem, p)
    report = FitReport(
        n_cases=n,
        n_labelled=cohort.n_labelled,
        n_unsure=cohort.n_unsure,
        prior_weight=prior_weight,
        log_posterior=tuple(path),
        converged=converged,
        seconds=time.perf_counter() - started,
        changes=changes,
    )
    how = f"fitted: from {n} cases, prior weight {prior_weight:g}"
    numbers = {
        c.place: problem.priors.numbers[c.place].moved(c.now, (c.low, c.high), how, over="fitted:") for c in changes
    }
    return with_numbers(model, numbers, "fitted", report.summary()), report


class EmProblem:
    """The log posterior of the numbers, and where an expectation maximisation step leads from them."""

    def __init__(self, priors: DirichletPriors, cases: Cases) -> None:
        self.priors, self.cases, self.model = priors, cases, priors.model
        self.layout, self.values = Layout(self.model), np.array([number.p for _, number in self.model.probabilities()])
        self.places = np.array([self.layout.index.place[name] for name in priors.places], dtype=np.intp)
        self.engine: Engine = "numba" if len(cases.weight) >= MIN_COMPILED else "numpy"
        said = cases.codes[list(self.model.variables).index(self.model.complaint)]
        self.came = np.array([cases.weight[said == 1].sum(), cases.weight[said == 0].sum()])

    def log_evidence(self) -> Floats:
        """Compute log P(what is known of each case), with the numbers to start from."""
        return self._counter(self.priors.start)(self.cases, self.engine)[0].log_evidence

    def step(self, p: Floats) -> tuple[float, Floats]:
        """Compute the log posterior of some numbers, and the numbers one step up from there."""
        count = self._counter(p)
        counts, numbers = count(self.cases, self.engine)
        log_posterior = float(self.cases.weight @ counts.log_evidence) + self.priors.log_prior(p)
        for state in (0, 1):  # what those did not say who did not come
            if self.came[state] > 0:
                others, theirs = count(complaint_only(self.model, state), "numpy")
                chance = float(np.exp(others.log_evidence[0]))
                log_posterior -= float(self.came[state] * np.log1p(-chance))
                weight = self.came[state] * chance / (1.0 - chance)
                numbers = NoisyOrCounts(*(a + weight * b for a, b in zip(numbers, theirs, strict=True)))
        return log_posterior, self.priors.update(p, numbers)

    def information(self, p: Floats) -> Floats:
        """Estimate the information on the log-odds of each number from how the scores of batches of cases vary."""
        count, n = self._counter(p), len(self.cases.weight)
        edges = np.linspace(0, n, min(n, BATCHES) + 1).astype(int)
        scores, most = [], np.zeros(len(p))
        for start, stop in pairwise(edges.tolist()):
            successes, trials = count(self.cases.chosen(slice(start, stop)), self.engine)[1]
            scores.append((successes - p * trials) / np.sqrt(stop - start))
            most += trials * p * (1.0 - p)
        return np.minimum(n * np.var(scores, axis=0, ddof=1), most) if n > 1 else np.zeros(len(p))

    def _counter(self, p: Floats) -> Callable[[Cases, Engine], tuple[Counts, NoisyOrCounts]]:
        """Fill numbers in, to count cases with, and successes and trials of the numbers that are learned."""
        values = self.values.copy()
        values[self.places] = p
        tables = self.layout.fill(values)
        expectation = Expectation(tables)

        def count(cases: Cases, engine: Engine) -> tuple[Counts, NoisyOrCounts]:
            counts = expectation.counts(cases, engine=engine)
            successes, trials = noisy_or_counts(values, tables, counts)
            return counts, NoisyOrCounts(successes[self.places], trials[self.places])

        return count


def squarem(
    problem: EmProblem, max_steps: int, enough: float, progress: bool | None
) -> tuple[Floats, list[float], bool]:
    """Climb the posterior; the path holds its height at each point taken, the last that of the result.

    Two steps show how far they go and how they bend, from which SQUAREM guesses a longer one. It may go at most
    ``longest`` as far: four times as far as before once one of full length led up, a quarter once one did not.
    """
    longest, taken = 4.0, 0
    with tqdm(total=max_steps, desc="fit", unit="step", disable=not shows_progress(progress)) as bar:

        def step(at: Floats) -> tuple[float, Floats]:
            nonlocal taken
            taken += 1
            height, above = problem.step(at)
            bar.set_postfix_str(f"log posterior {height:.2f}", refresh=False)
            bar.update()
            return height, above

        p = problem.priors.start
        height, above = step(p)
        path = [height]
        while taken < max_steps:
            next_height, beyond = step(above)
            path.append(next_height)
            gain = next_height - height
            if gain <= enough or taken == max_steps:
                return above, path, gain <= enough
            trial, length = _extrapolated(problem.priors, (p, above, beyond), longest)
            if length > 1.0:
                trial_height, after = step(trial)
                if trial_height >= next_height:
                    p, height, above = trial, trial_height, after
                    path.append(height)
                    longest = min(longest * (4.0 if length == longest else 1.0), MAX_LENGTH)
                    continue
                longest = max(longest / 4.0, 1.0)
                if taken == max_steps:
                    return above, path, False
            p = beyond
            height, above = step(p)
            path.append(height)
    return p, path, False


def _extrapolated(priors: DirichletPriors, path: tuple[Floats, Floats, Floats], longest: float) -> tuple[Floats, float]:
    """Lengthen two steps into one, in log-odds; and say how long it is, 1 being two steps."""
    x, y, z = map(priors.log_odds, path)
    change, bend = y - x, z - 2.0 * y + x
    size = float(np.sqrt((bend**2).sum()))
    length = min(max(float(np.sqrt((change**2).sum())) / size, 1.0), longest) if size > 0 else 1.0
    return priors.from_log_odds(x + 2.0 * length * change + length**2 * bend), length


def _changes(problem: EmProblem, p: Floats) -> tuple[Change, ...]:
    data = problem.information(p) / (p * (1.0 - p))
    whole = np.maximum(problem.priors.cases + data, 1e-3)
    low, high = (betaincinv(whole * p, whole * (1.0 - p), tail) for tail in (0.05, 0.95))
    low, high = np.minimum(low, p), np.maximum(high, p)
    columns = (problem.priors.start, p, low, high, problem.priors.cases, data)
    rows = zip(problem.priors.places, *map(np.ndarray.tolist, columns), strict=True)
    return tuple(Change(*row) for row in rows)
