"""Let cases move the numbers of a model: maximum a posteriori by expectation maximisation.

What is learned, and from which prior, stands in ``coins.py``. Causes may be
hidden and any cell empty; the expected counts are exact.

People come into the data because of their complaint. If it were learned from
like any other finding, its leak would run to 1, and the frequency of every
cause among all people to that among people with the complaint. So each case
counts by P(what is known | its complaint), and the expectation step adds, for
each case, the (1 - pi) / pi people who were drawn and did not come (Dempster,
Laird and Rubin 1977, truncated samples): expectation maximisation then climbs
that very posterior. Its steps are lengthened by SQUAREM (Varadhan and Roland
2008), and a lengthened one is taken only where it leads up.

Cells are taken to be missing at random: whether one is filled may depend on
what is known of the case, not on what the cell would have said.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from kneebayes.cohort import Cohort, read_cohort
from kneebayes.coins import Coins
from kneebayes.counts import Cases, Counts
from kneebayes.errors import CaseError, OptionError
from kneebayes.expectation import MIN_COMPILED, Engine, Expectation
from kneebayes.fitreport import Change, FitReport
from kneebayes.frames import row_name
from kneebayes.inference import UNKNOWN, Network
from kneebayes.labels import LABEL
from kneebayes.model import ModelFile
from kneebayes.modeltext import changed_version, with_numbers
from kneebayes.parameters import Parameters
from kneebayes.trials import Trials, count_trials
from kneebayes.variables import Probability

__all__ = ["fit"]

Floats = NDArray[np.float64]
BATCHES = 64  # of cases, from whose scores information is estimated: intervals are right to some 10 %
LONGEST_STEP = 100.0  # of an extrapolation, in steps of expectation maximisation


def fit(
    model: ModelFile,
    frame: Any,
    *,
    prior_weight: float = 1.0,
    risk_factors: bool = False,
    label: str = LABEL,
    ignore: Iterable[str] = (),
    max_steps: int = 300,
    tolerance: float = 1e-6,
    progress: bool | None = None,
) -> tuple[ModelFile, FitReport]:
    """Fit the leaks, links and splits of a model to cases, the model's own numbers being the prior.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    frame : pandas.DataFrame, polars.DataFrame or pyarrow.Table
        One case per row; any cells and labels may be missing. Labels as for
        `kneebayes.labels.read_labels`: a ``label`` (and ``also``) says that
        every other cause is absent, ``true_<cause>`` speaks of one cause.
    prior_weight : float
        How much more the model file counts than its ranges say; 0 for maximum
        likelihood.
    risk_factors : bool
        Whether to fit the priors of risk factors too.
    label : str
        The column of leading causes.
    ignore : iterable of str
        Columns to leave out.
    max_steps : int
        At most so many expectation steps.
    tolerance : float
        Stop once a step raises the log posterior by less than this per case.
    progress : bool, optional
        Whether to show a progress bar; by default if stderr is a terminal.

    Returns
    -------
    ModelFile
        Its version ends in ``+fitted``. Each fitted number says in its basis
        from how many cases it is and what it was. Its range is the 90 % interval of a Beta distribution around
        it, the other numbers held where they are: narrower than if they were
        not.
    FitReport
        The log posterior after each step, whether it converged, what moved.

    Raises
    ------
    OptionError
        If an option is out of range.
    UnknownColumnError
        If a column is not accounted for.
    CaseError
        If a row can't be read, or the model holds it impossible.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> from kneebayes.simulation import simulate
    >>> model = read_model(model_path("posterior_knee_pain"))
    >>> fitted, report = fit(model, simulate(model, 50, seed=1), max_steps=3)
    >>> report.n_cases, fitted.causes["dvt"].leak.basis[:22]
    (50, 'fitted: from 50 cases,')
    """
    for name, value in {"prior_weight": prior_weight, "max_steps": max_steps, "tolerance": tolerance}.items():
        if not isinstance(value, Real):
            raise OptionError(f"{name} {value!r}: must be a number")
    if not (prior_weight >= 0 and np.isfinite(prior_weight)):
        raise OptionError(f"prior_weight {prior_weight}: must be 0 or more, and finite")
    if max_steps < 1 or not tolerance >= 0:
        raise OptionError(f"max_steps {max_steps}, tolerance {tolerance}: at least 1 step, tolerance 0 or more")
    started = time.perf_counter()
    cohort = read_cohort(model, frame, label=label, ignore=ignore)
    n = len(cohort.cases.weight)
    if n == 0:
        return model, FitReport(0, 0, 0, prior_weight, (), True, 0.0, ())
    slope = _Slope(Coins(model, prior_weight, risk_factors=risk_factors), cohort.cases)
    impossible = np.flatnonzero(~np.isfinite(slope.log_evidence()))
    if len(impossible):
        where = row_name(frame, int(impossible[0]))
        raise CaseError(
            f"{where}: the model holds the evidence and labels of this case impossible together "
            f"({len(impossible)} such rows): mend or leave them out"
        )
    p, path, converged = _climb(slope, max_steps, tolerance * n, progress)
    changes = _changes(slope, p)
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
    numbers = {
        change.place: _number(change, slope.coins.numbers[change.place], cohort, prior_weight) for change in changes
    }
    provenance = (*model.provenance, report.summary())
    return with_numbers(model, numbers, provenance=provenance, version=changed_version(model.version, "fitted")), report


class _Slope:
    """The log posterior of the numbers, and where an expectation maximisation step leads from them."""

    def __init__(self, coins: Coins, cases: Cases) -> None:
        self.coins, self.cases, self.model = coins, cases, coins.model
        self.parameters = Parameters(Network(self.model))
        place = {name: i for i, name in enumerate(self.parameters.names)}
        self.places = np.array([place[name] for name in coins.places], dtype=np.intp)
        self.engine: Engine = "numba" if len(cases.weight) >= MIN_COMPILED else "numpy"
        self.complaint = list(self.model.variables).index(self.model.complaint)
        said = cases.codes[self.complaint]
        self.came = np.array([cases.weight[said == 1].sum(), cases.weight[said == 0].sum()])

    def log_evidence(self) -> Floats:
        """Compute log P(what is known of each case), with the numbers to start from."""
        return self._at(self.coins.start).counts(self.cases)[0].log_evidence

    def step(self, p: Floats) -> tuple[float, Floats]:
        """Compute the log posterior of some numbers, and the numbers one step up from there."""
        at = self._at(p)
        counts, trials = at.counts(self.cases)
        log_posterior = float(self.cases.weight @ counts.log_evidence) + self.coins.log_prior(p)
        for state in (0, 1):  # what those did not say who did not come
            if self.came[state] > 0:
                others, their_trials = at.counts(self._nothing_but(state), "numpy")
                chance = float(np.exp(others.log_evidence[0]))
                log_posterior -= float(self.came[state] * np.log1p(-chance))
                weight = self.came[state] * chance / (1.0 - chance)
                trials = Trials(*(a + weight * b for a, b in zip(trials, their_trials, strict=True)))
        return log_posterior, self.coins.update(p, *trials)

    def information(self, p: Floats) -> Floats:
        """Estimate the information on the log-odds of each number from how the scores of batches of cases vary."""
        at, n = self._at(p), len(self.cases.weight)
        edges = np.linspace(0, n, min(n, BATCHES) + 1).astype(int)
        scores, most = [], np.zeros(len(p))
        for start, stop in pairwise(edges.tolist()):
            part = slice(start, stop)
            codes, allowed, weight = self.cases
            acted, tried = at.counts(Cases(codes[:, part], allowed[part], weight[part]))[1]
            scores.append((acted - p * tried) / np.sqrt(stop - start))
            most += tried * p * (1.0 - p)
        return np.minimum(n * np.var(scores, axis=0, ddof=1), most) if n > 1 else np.zeros(len(p))

    def _at(self, p: Floats) -> _Point:
        values = self.parameters.p.copy()
        values[self.places] = p
        return _Point(self.parameters, values, self.places, self.engine)

    def _nothing_but(self, complaint: int) -> Cases:
        codes = np.full((len(self.cases.codes), 1), UNKNOWN, dtype=np.int8)
        codes[self.complaint] = complaint
        return Cases(codes, np.ones((1, *self.cases.allowed.shape[1:]), dtype=bool), np.ones(1))


class _Point:
    """The model with some numbers in it, ready to count."""

    def __init__(self, parameters: Parameters, values: Floats, places: NDArray[np.intp], engine: Engine) -> None:
        self.parameters, self.values, self.places, self.engine = parameters, values, places, engine
        self.tables = parameters.tables(values)
        self.expectation = Expectation(self.tables, len(parameters.network.model.risks))

    def counts(self, cases: Cases, engine: Engine | None = None) -> tuple[Counts, Trials]:
        """Count cases, and the trials of the numbers that are learned."""
        counts = self.expectation.counts(cases, engine=engine or self.engine)
        acted, tried = count_trials(self.parameters, self.values, self.tables, counts)
        return counts, Trials(acted[self.places], tried[self.places])


def _climb(slope: _Slope, max_steps: int, enough: float, progress: bool | None) -> tuple[Floats, list[float], bool]:
    """Climb the posterior; the path holds its height at each point taken, the last that of the result."""
    longest, taken = 4.0, 0
    with tqdm(total=max_steps, desc="fit", unit="step", disable=None if progress is None else not progress) as bar:

        def step(at: Floats) -> tuple[float, Floats]:
            nonlocal taken
            taken += 1
            height, above = slope.step(at)
            bar.set_postfix_str(f"log posterior {height:.2f}", refresh=False)
            bar.update()
            return height, above

        p = slope.coins.start
        height, above = step(p)
        path = [height]
        while taken < max_steps:
            next_height, beyond = step(above)
            path.append(next_height)
            gain = next_height - height
            if gain <= enough or taken == max_steps:
                return above, path, gain <= enough
            trial, length = _extrapolated(p, above, beyond, longest)
            if length > 1.0 and slope.coins.allowed(trial):
                trial_height, after = step(trial)
                if trial_height >= next_height:
                    p, height, above = trial, trial_height, after
                    path.append(height)
                    longest = min(longest * (4.0 if length == longest else 1.0), LONGEST_STEP)
                    continue
                longest = max(longest / 4.0, 1.0)
                if taken == max_steps:
                    return above, path, False
            p = beyond
            height, above = step(p)
            path.append(height)
    return p, path, False


def _extrapolated(p: Floats, first: Floats, second: Floats, longest: float) -> tuple[Floats, float]:
    """Lengthen two steps into one, in log-odds; and say how long it is, 1 being two steps."""
    x, y, z = (np.log(q) - np.log1p(-q) for q in (p, first, second))
    change, bend = y - x, z - 2.0 * y + x
    size = float(np.sqrt((bend**2).sum()))
    length = min(max(float(np.sqrt((change**2).sum())) / size, 1.0), longest) if size > 0 else 1.0
    log_odds = x + 2.0 * length * change + length**2 * bend
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -27.0, 27.0))), length


def _changes(slope: _Slope, p: Floats) -> tuple[Change, ...]:
    from scipy.special import betaincinv  # here: it takes a while to import

    data = slope.information(p) / (p * (1.0 - p))
    whole = np.maximum(slope.coins.cases + data, 1e-3)
    low, high = (betaincinv(whole * p, whole * (1.0 - p), tail) for tail in (0.05, 0.95))
    low, high = np.minimum(low, p), np.maximum(high, p)
    columns = (slope.coins.start, p, low, high, slope.coins.cases, data)
    return tuple(
        Change(place, *(float(value) for value in row))
        for place, *row in zip(slope.coins.places, *columns, strict=True)
    )


def _number(change: Change, before: Probability, cohort: Cohort, prior_weight: float) -> Probability:
    """Write a fitted number with what it was, and the reasons it had."""
    own = [part.strip() for part in before.basis.split(";")]
    kept = [part for part in own if not part.startswith("fitted:")]
    low, high = before.range
    said = (
        f"fitted: from {len(cohort.cases.weight)} cases, prior weight {prior_weight:g}, "
        f"was {before.p:.4g} in {low:.4g} to {high:.4g}"
    )
    return Probability(p=change.now, range=(change.low, change.high), basis="; ".join([said, *kept]), why=before.why)
