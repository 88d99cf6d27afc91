"""Unsure answers: evidence given as likelihoods of the states.

A case with an unsure answer is the mixture of the same case with each state
known, weighted by the likelihood of the state (Pearl's virtual evidence); so
exact inference on known states gives it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError
from kneebayes.inference.network import CompiledModel, Engine, Posteriors

__all__ = [
    "DECIBANS",
    "MAX_STATES",
    "NOTICEABLE",
    "Spread",
    "Unsure",
    "favoured",
    "unsure_joint",
    "unsure_posteriors",
    "within",
]

Codes = NDArray[np.int8]
MAX_STATES = 4096
DECIBANS = 10 / np.log(10)  # in one natural logarithm of odds
NOTICEABLE = 1.0  # deciban: about the least change of odds that a mind perceives (Good 1979, after Turing)


@dataclass(frozen=True, eq=False)
class Unsure:
    """An answer given as likelihoods.

    Attributes
    ----------
    row : int
        The variable, by its place among the variables of the model.
    cases : ndarray of int
        The cases that gave it.
    likelihood : ndarray, shape (states,)
        P(what was said | state), up to a factor.
    """

    row: int
    cases: NDArray[np.integer]
    likelihood: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spread:
    """Cases written once for each joint state of their unsure answers.

    Attributes
    ----------
    codes : ndarray of int8, shape (variables, m)
        Sure evidence.
    weight : ndarray, shape (m,)
        Likelihood of the joint state.
    case : ndarray of int, shape (m,)
        Whose it is.
    n : int
        Number of cases.
    """

    codes: Codes
    weight: NDArray[np.float64]
    case: NDArray[np.intp]
    n: int

    @classmethod
    def of(cls, codes: Codes, unsure: Sequence[Unsure]) -> Spread:
        """Write cases out.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The sure evidence.
        unsure : sequence of Unsure
            The others.

        Returns
        -------
        Spread
            A case without unsure answers stands in it once.

        Raises
        ------
        CaseError
            If the unsure answers of a case have more than 4096 joint states.
        """
        return cls(*_spread(codes, unsure), codes.shape[1])

    def pooled(self, result: Posteriors) -> Posteriors:
        """Mix the posteriors of the joint states of each case.

        Parameters
        ----------
        result : Posteriors
            Of ``codes``.

        Returns
        -------
        Posteriors
            One row per case.
        """
        top = np.full(self.n, -np.inf)
        np.maximum.at(top, self.case, result.log_evidence)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.weight * np.exp(result.log_evidence - np.where(np.isneginf(top), 0.0, top)[self.case])
            total = np.bincount(self.case, share, self.n)
            shares = np.where(share[:, None] > 0, share[:, None] * result.values, 0.0)
            values = np.stack([np.bincount(self.case, column, self.n) / total for column in shares.T], axis=1)
            return Posteriors(result.columns, values, top + np.log(total))


def unsure_posteriors(
    network: CompiledModel, codes: Codes, unsure: Sequence[Unsure], *, engine: Engine = "auto"
) -> Posteriors:
    """Compute posteriors where some answers are likelihoods.

    Parameters
    ----------
    network : CompiledModel
        The compiled model.
    codes : ndarray of int8, shape (variables, n)
        The sure evidence; unsure answers are coded as unknown.
    unsure : sequence of Unsure
        The others.
    engine : {"auto", "numpy", "numba"}
        As for `CompiledModel.posteriors`.

    Returns
    -------
    Posteriors
        One row per case.

    Raises
    ------
    CaseError
        If the unsure answers of a case have more than 4096 joint states.
    """
    if not unsure:
        return network.posteriors(codes, engine=engine)
    spread = Spread.of(codes, unsure)
    return spread.pooled(network.posteriors(spread.codes, engine=engine))


def unsure_joint(network: CompiledModel, codes: Codes, unsure: Sequence[Unsure]) -> NDArray[np.float64]:
    """Compute P(evidence, joint state of the causes) where some answers are likelihoods.

    Parameters
    ----------
    network : CompiledModel
        The compiled model.
    codes : ndarray of int8, shape (variables, n)
        The sure evidence.
    unsure : sequence of Unsure
        The others.

    Returns
    -------
    ndarray, shape (n, joint states)
        As from `CompiledModel.joint`, up to the factor that the likelihoods have.

    Raises
    ------
    CaseError
        If the unsure risk factors of a case have more than 4096 joint states.
    """
    n_risks, n_causes = len(network.model.risks), len(network.model.causes)
    above = [answer for answer in unsure if answer.row < n_risks]
    if above:
        spread, weight, case = _spread(codes, above)
        joint = np.zeros((codes.shape[1], network.n_joint))
        for start in range(0, len(case), MAX_STATES):
            part = slice(start, start + MAX_STATES)
            np.add.at(joint, case[part], weight[part, None] * network.joint(spread[:, part]))
    else:
        joint = network.joint(codes)
    for answer in unsure:  # a cause or finding depends on nothing but the joint state: no need to spread it
        if n_risks <= answer.row < n_risks + n_causes:
            joint[answer.cases] *= answer.likelihood[network.joint_states[:, answer.row - n_risks]]
        elif answer.row >= n_risks + n_causes:
            absent = network.tables.absent[answer.row - n_risks - n_causes]
            joint[answer.cases] *= answer.likelihood[0] * absent + answer.likelihood[1] * (1.0 - absent)
    return joint


def favoured(codes: Codes, unsure: Iterable[Unsure]) -> Codes:
    """Take each unsure answer for the state that it favours, as rules have to.

    Parameters
    ----------
    codes : ndarray of int8, shape (variables, n)
        The sure evidence.
    unsure : iterable of Unsure
        The others.

    Returns
    -------
    ndarray of int8, shape (variables, n)
        A copy in which an unsure answer has its likeliest state; it stays
        unknown where several are equally likely.
    """
    codes = codes.copy()
    for answer in unsure:
        best = np.flatnonzero(answer.likelihood == answer.likelihood.max())
        if len(best) == 1:
            codes[answer.row, answer.cases] = best[0]
    return codes


def within(unsure: Iterable[Unsure], part: slice) -> list[Unsure]:
    """Keep the unsure answers of some cases.

    Parameters
    ----------
    unsure : iterable of Unsure
        Of all cases.
    part : slice
        Which cases, with a start and a stop.

    Returns
    -------
    list of Unsure
        Those cases numbered from the first of them.
    """
    kept = []
    for answer in unsure:
        own = answer.cases[(answer.cases >= part.start) & (answer.cases < part.stop)]
        if len(own):
            kept.append(Unsure(answer.row, own - part.start, answer.likelihood))
    return kept


def _spread(codes: Codes, unsure: Sequence[Unsure]) -> tuple[Codes, NDArray[np.float64], NDArray[np.intp]]:
    """Write every case once for each joint state of its unsure answers: codes, weights, and whose they are."""
    n = codes.shape[1]
    case, weight = np.arange(n), np.ones(n)
    states: dict[int, NDArray[np.integer]] = {}
    size, answered = np.ones(n), np.zeros(n, dtype=int)
    for row in dict.fromkeys(answer.row for answer in unsure):
        own = [answer for answer in unsure if answer.row == row]
        table, given = np.zeros((n, len(own[0].likelihood))), np.zeros(n, dtype=bool)
        for answer in own:
            table[answer.cases], given[answer.cases] = answer.likelihood, True
        table[~given, 0] = 1.0  # one state, which is not used
        size *= (table > 0).sum(axis=1)
        answered += given
        if size.max(initial=0.0) > MAX_STATES:
            worst = int(size.argmax())
            raise CaseError(
                f"{answered[worst]} unsure answers in one case have {size[worst]:.0f} joint states, over {MAX_STATES}"
            )
        part, state = np.nonzero(table[case])
        states = {other: chosen[part] for other, chosen in states.items()}
        case, weight = case[part], weight[part] * table[case[part], state]
        states[row] = np.where(given[case], state, codes[row, case])
    spread = codes[:, case]
    for row, chosen in states.items():
        spread[row] = chosen
    return spread, weight, case
