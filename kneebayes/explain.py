"""Why a cause is likely or not: what each piece of evidence did to its odds.

A piece is one thing known of the case. The complaint, which everybody of the
population has, is where the change starts from and no piece of it; where a case
says that it is absent or unsure, it is a piece, and the start is a person
without any evidence. Everything is conditioning on evidence; nothing is said of
what would have happened.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import UnknownNameError, nearest
from kneebayes.explanation import DECIBANS, Explanation, Piece, Rival, said
from kneebayes.inference import UNKNOWN, Network
from kneebayes.likelihood import Unsure, unsure_posteriors
from kneebayes.shapley import Shares, exact_shares, less, sampled_shares

__all__ = ["MAX_EXACT", "explain"]

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
MAX_EXACT = 14  # pieces
MAX_ROWS = 1 << 16  # of one batch: unsure pieces need more rows than sure ones
ORDERS = 500
NEARLY_CERTAIN = 0.99  # from here on 1 - P has lost digits, and P(absent) is computed by itself


def explain(
    network: Network,
    codes: Codes,
    unsure: Sequence[Unsure],
    target: str,
    *,
    orders: int = ORDERS,
    seed: int = 0,
    max_exact: int = MAX_EXACT,
) -> Explanation:
    """Explain the posterior of a target by the evidence of one case.

    Parameters
    ----------
    network : Network
        The compiled model.
    codes : ndarray of int8, shape (variables, 1)
        What is known for sure.
    unsure : sequence of Unsure
        What is given as likelihoods.
    target : str
        A cause, ``none_of_these``, or a state such as ``bakers_cyst_ruptured``.
    orders : int, default 500
        Orders of the pieces to draw where there are too many for exact shares.
    seed : int, default 0
        Of that draw.
    max_exact : int, default 14
        Pieces up to which shares are exact: n sure pieces take 2 ** n posteriors.

    Returns
    -------
    Explanation
        Pieces, rivals and words.

    Raises
    ------
    UnknownNameError
        If there is no such target.
    """
    if target not in network.columns:
        raise UnknownNameError(
            f"no target '{target}': give one of {', '.join(network.columns)}.{nearest(target, network.columns)}"
        )
    case = _Case(network, codes, unsure, target)
    n = len(case.rows)
    if n <= max_exact and case.n_rows <= MAX_ROWS:
        values, evidence = case.cube()
        shares = exact_shares(values)
        ones = [1 << (n - 1 - i) for i in range(n)]
        none, every, leave = values[0], values[-1], values[[(1 << n) - 1 - bit for bit in ones]]
        alone, together, nothing = evidence[ones], evidence[-1], evidence[0]
    else:
        few = np.concatenate([np.zeros((1, n)), np.ones((1, n)), 1 - np.eye(n), np.eye(n)]).astype(bool)
        values, evidence = case.values(few)
        shares = sampled_shares(lambda s: case.values(s)[0], n, orders=orders, rng=np.random.default_rng(seed))
        none, every, leave = values[0], values[1], values[2 : 2 + n]
        alone, together, nothing = evidence[2 + n :], evidence[1], evidence[0]
    tension = float((alone - nothing).sum() - (together - nothing))
    return _assemble(case, shares, float(none), float(every), leave, tension * DECIBANS)


class _Case:
    """The evidence of one case in pieces, and the log-odds of a target given any set of them."""

    def __init__(self, network: Network, codes: Codes, unsure: Sequence[Unsure], target: str) -> None:
        self.network, self.target = network, target
        self.column = network.columns.index(target)
        self.likelihood = {answer.row: answer.likelihood for answer in unsure}
        self.base = np.full((len(network.variables), 1), UNKNOWN, dtype=np.int8)
        complaint = network.variables.index(network.model.complaint)
        known = {row: int(code) for row, code in enumerate(codes[:, 0]) if code != UNKNOWN}
        if known.get(complaint) == 1:
            self.base[complaint] = known.pop(complaint)
        self.known = known
        self.rows = sorted([*known, *self.likelihood])
        self.states = [
            [known[row]] if row in known else np.flatnonzero(self.likelihood[row]).tolist() for row in self.rows
        ]
        self.n_rows = int(np.prod([1.0 + len(states) for states in self.states]))

    def cube(self) -> tuple[Floats, Floats]:
        """Log-odds, and logarithm of P(evidence), of every subset in the order of `subsets`."""
        shape = [1 + len(states) for states in self.states]
        places = np.unravel_index(np.arange(self.n_rows), shape) if shape else ()
        codes = np.repeat(self.base, self.n_rows, axis=1)
        for row, states, place in zip(self.rows, self.states, places, strict=True):
            codes[row] = np.array([UNKNOWN, *states], dtype=np.int8)[place]
        weighed = []
        for part in self._parts(codes, ()):
            cube = part.reshape(shape)
            for axis, row in enumerate(self.rows):
                if row in self.likelihood:  # pool its states by their likelihoods
                    pool = np.zeros((2, shape[axis]))
                    pool[0, 0], pool[1, 1:] = 1.0, self.likelihood[row][self.states[axis]]
                    cube = np.moveaxis(np.tensordot(pool, cube, axes=(1, axis)), 0, axis)
            weighed.append(cube.ravel())
        return _odds(*weighed)

    def values(self, sets: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Log-odds, and logarithm of P(evidence), of some subsets, shape (sets, pieces)."""
        codes = np.repeat(self.base, len(sets), axis=1)
        unsure = []
        for row, own in zip(self.rows, sets.T, strict=True):
            if row in self.likelihood:
                unsure.append(Unsure(row, np.flatnonzero(own), self.likelihood[row]))
            else:
                codes[row, own] = self.known[row]
        return _odds(*self._parts(codes, unsure))

    def rivals(self) -> list[tuple[str, float]]:
        """Log-odds of the target where each other cause is absent, if that is possible."""
        causes = list(self.network.model.causes)
        own = [name for name in causes if self.target == name or self.target.startswith(f"{name}_")]
        rows = {name: self.network.variables.index(name) for name in causes if name not in own}
        free = {name: row for name, row in rows.items() if row not in self.known}
        codes = np.repeat(self.base, len(free), axis=1)
        for row, code in self.known.items():
            codes[row] = code
        codes[list(free.values()), np.arange(len(free))] = 0
        clamped = np.array(list(free.values()), dtype=np.intp)
        unsure = [Unsure(row, np.flatnonzero(clamped != row), chance) for row, chance in self.likelihood.items()]
        odds, evidence = _odds(*self._parts(codes, unsure))
        possible = np.isfinite(evidence) & [self.likelihood.get(row, (1.0,))[0] > 0 for row in free.values()]
        return [(name, float(value)) for name, value, may in zip(free, odds, possible, strict=True) if may]

    def leads(self) -> bool:
        """Whether nothing is likelier than the target; a state of a cause leads where its cause does."""
        codes = self.base.copy()
        for row, code in self.known.items():
            codes[row] = code
        unsure = [Unsure(row, np.array([0]), chance) for row, chance in self.likelihood.items()]
        ranked = unsure_posteriors(self.network, codes, unsure).values[0, : len(self.network.model.causes) + 1]
        first = self.network.columns[int(ranked.argmax())]
        return self.target == first or self.target.startswith(f"{first}_")

    def _parts(self, codes: Codes, unsure: Sequence[Unsure]) -> tuple[Floats, Floats]:
        """P(evidence, target) and P(evidence, not target) of a batch."""
        result = unsure_posteriors(self.network, codes, unsure)
        evidence = np.exp(result.log_evidence)
        share = np.where(evidence > 0, result.values[:, self.column], 0.0)
        present, absent = share * evidence, (1.0 - share) * evidence
        if self.target in self.network.model.causes and (share > NEARLY_CERTAIN).any():
            row = self.network.variables.index(self.target)
            clamped = codes.copy()
            clamped[row] = 0
            others = [answer for answer in unsure if answer.row != row]
            without = np.exp(unsure_posteriors(self.network, clamped, others).log_evidence)
            for answer in unsure:
                if answer.row == row:
                    without[answer.cases] *= answer.likelihood[0]
            without[codes[row] > 0] = 0.0
            absent = np.where(share > NEARLY_CERTAIN, without, absent)
        return present, absent


def _odds(present: Floats, absent: Floats) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(present) - np.log(absent), np.log(present + absent)


def _probability(log_odds: float) -> float:
    return float(np.exp(-np.logaddexp(0.0, -log_odds)))


def _assemble(case: _Case, shares: Shares, none: float, every: float, leave: Floats, tension: float) -> Explanation:
    network, model = case.network, case.network.model
    added = less(np.full(len(leave), every), leave) * DECIBANS
    pieces = []
    for i, row in enumerate(case.rows):
        name = network.variables[row]
        states = model.variables[name].states
        if row in case.known:
            words = said(model, name, states[case.known[row]])
        else:
            chances = case.likelihood[row] / case.likelihood[row].sum()
            unsure = ", ".join(f"{state.replace('_', ' ')} {p:.2g}" for state, p in zip(states, chances, strict=True))
            words = f"{model.variables[name].label}: unsure ({unsure})"
        share, error = float(shares.shapley[i]) * DECIBANS, float(shares.standard_error[i]) * DECIBANS
        pieces.append(Piece(name, words, share, error, float(added[i]), _probability(float(leave[i]))))
    rivals = [
        Rival(name, float(less(np.array([odds]), np.array([every]))[0]) * DECIBANS, _probability(odds))
        for name, odds in case.rivals()
    ]
    return Explanation(
        target=case.target,
        prior=_probability(none),
        posterior=_probability(every),
        change=float(less(np.array([every]), np.array([none]))[0]) * DECIBANS,
        pieces=tuple(sorted(pieces, key=lambda piece: -abs(piece.decibans))),
        rivals=tuple(sorted(rivals, key=lambda rival: -rival.decibans)),
        tension=tension,
        lost=not case.leads(),
        model=model,
    )
