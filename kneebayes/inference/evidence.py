"""What is known of cases: states that are known for sure, and answers given as likelihoods of the states.

A case with a soft answer is the mixture of the same case with each state known, weighted by the likelihood of the
state (Pearl's virtual evidence); so exact inference on known states gives it exactly. Only the ratios of an answer's
likelihoods matter: P(evidence) is in units of the largest of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError

if TYPE_CHECKING:
    from kneebayes.inference.network import Posteriors

Codes = NDArray[np.int8]
Floats = NDArray[np.float64]
UNKNOWN = -1
MAX_STATES = 4096  # joint states of the soft answers of one case
MAX_EXPANDED = 1 << 16  # of some cases together, which take some 500 bytes each
DECIBANS = 10 / np.log(10)  # weight of evidence: in one natural logarithm of odds
NOTICEABLE = 1.0  # deciban: about the least change of odds that a mind perceives (Good 1979, after Turing)


@dataclass(frozen=True, eq=False)
class SoftEvidence:
    """An answer given as likelihoods: of which variable (its row), by which cases, and P(what was said | state).

    ``given`` may have any factor; ``likelihood``, (states,), is the same with a maximum of 1, so that no factor makes
    a product of several over- or underflow. ``tied`` is the code of the states that tie for the likeliest, if they have
    one.
    """

    row: int
    cases: NDArray[np.integer]
    given: Floats
    tied: int = UNKNOWN
    likelihood: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "likelihood", self.given / self.given.max())

    @property
    def favoured(self) -> int:
        """The code of the likeliest state, or of those that tie for it; unknown where they have none."""
        best = np.flatnonzero(self.likelihood == 1.0)
        return int(best[0]) if len(best) == 1 else self.tied


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of n cases.

    ``codes`` is int8, (variables, n): the state of each variable in model order, `UNKNOWN` where it is not known for
    sure. ``soft`` has the answers given as likelihoods, a variable at most once for a case.
    """

    codes: Codes
    soft: tuple[SoftEvidence, ...] = ()

    @classmethod
    def empty(cls, n_variables: int, n: int = 1) -> Evidence:
        """Nothing known."""
        return cls(np.full((n_variables, n), UNKNOWN, dtype=np.int8))

    @property
    def n(self) -> int:
        """Number of cases."""
        return int(self.codes.shape[1])

    def __getitem__(self, which: slice | NDArray[np.intp] | list[int]) -> Evidence:
        """Take some cases, in any order and number, as an array is indexed."""
        soft = []
        for answer in self.soft:
            has = np.zeros(self.n, dtype=bool)
            has[answer.cases] = True
            if len(cases := np.flatnonzero(has[which])):
                soft.append(replace(answer, cases=cases))
        codes = self.codes[:, which] if isinstance(which, slice) else self.codes.take(which, axis=1)
        return Evidence(np.ascontiguousarray(codes), tuple(soft))

    def with_state(self, row: int, state: int | Codes) -> Evidence:
        """Know one variable for sure, or not at all: one state for all cases, or int8, (n,)."""
        codes = self.codes.copy()
        codes[row] = state
        return Evidence(codes, tuple(answer for answer in self.soft if answer.row != row))

    def hardened(self) -> Codes:
        """Codes that take each soft answer for what it favours, as rules have to; unknown where it favours nothing."""
        if not self.soft:
            return self.codes
        codes = self.codes.copy()
        for answer in self.soft:
            codes[answer.row, answer.cases] = answer.favoured
        return codes

    def n_expanded(self) -> Floats:
        """Count the joint states of the soft answers of each case, (n,)."""
        size = np.ones(self.n)
        for answer in self.soft:
            size[answer.cases] *= np.count_nonzero(answer.likelihood)
        return size

    def portions(self) -> Iterator[Evidence]:
        """Cut into pieces of whole cases, in order, that can be expanded within bounded memory."""
        sizes = np.minimum(self.n_expanded(), MAX_STATES)
        if sizes.sum() < MAX_EXPANDED or not self.soft:
            yield self
            return
        for own in np.split(np.arange(self.n), np.flatnonzero(np.diff(np.cumsum(sizes) // MAX_EXPANDED)) + 1):
            yield self[own]

    def expanded(self) -> Expanded:
        """Write every case once for each joint state of its soft answers; one without any stands in it once.

        Raises CaseError if the soft answers of a case have more than `MAX_STATES` joint states.
        """
        n = self.n
        if not self.soft:
            return Expanded(self.codes, np.zeros(n), np.arange(n), n)
        case, log_weight = np.arange(n), np.zeros(n)
        states: dict[int, NDArray[np.integer]] = {}
        size, answered = np.ones(n), np.zeros(n, dtype=int)
        for row in dict.fromkeys(answer.row for answer in self.soft):
            own = [answer for answer in self.soft if answer.row == row]
            table, given = np.zeros((n, len(own[0].likelihood))), np.zeros(n, dtype=bool)
            for answer in own:
                table[answer.cases], given[answer.cases] = answer.likelihood, True
            table[~given, 0] = 1.0  # one state, which is not used
            size *= (table > 0).sum(axis=1)
            answered += given
            if size.max(initial=0.0) > MAX_STATES:
                worst = int(size.argmax())
                raise CaseError(
                    f"{answered[worst]} unsure answers in one case have {size[worst]:.0f} joint states, "
                    f"over {MAX_STATES}"
                )
            part, state = np.nonzero(table[case])
            states = {other: chosen[part] for other, chosen in states.items()}
            case, log_weight = case[part], log_weight[part] + np.log(table[case[part], state])
            states[row] = np.where(given[case], state, self.codes[row, case])
        codes = self.codes[:, case]
        for row, chosen in states.items():
            codes[row] = chosen
        return Expanded(codes, log_weight, case, n)


@dataclass(frozen=True, eq=False)
class Expanded:
    """Cases written once for each joint state of their soft answers.

    Sure ``codes``, (variables, m); logarithms of the likelihoods of the joint states, (m,); whose each is, (m,), and
    the number of cases n.
    """

    codes: Codes
    log_weight: Floats
    case: NDArray[np.intp]
    n: int

    def restricted(self, which: NDArray[np.bool_]) -> tuple[NDArray[np.intp], Expanded]:
        """Keep some of the joint states, (m,): the cases that have any of them, and what is left, by those cases."""
        cases = np.unique(self.case[which])
        codes = np.ascontiguousarray(self.codes[:, which])
        return cases, Expanded(codes, self.log_weight[which], np.searchsorted(cases, self.case[which]), len(cases))

    def pooled(self, result: Posteriors) -> Posteriors:
        """Mix the posteriors of the joint states of each case: of ``codes`` to one row per case."""
        if len(self.case) == self.n:
            return result  # a joint state each, of which the largest likelihood is 1
        weighed = self.log_weight + result.log_evidence
        top = np.full(self.n, -np.inf)
        np.maximum.at(top, self.case, weighed)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.exp(weighed - np.where(np.isneginf(top), 0.0, top)[self.case])
            total = np.bincount(self.case, share, self.n)
            shares = np.where(share[:, None] > 0, share[:, None] * result.values, 0.0)
            values = np.stack([np.bincount(self.case, column, self.n) / total for column in shares.T], axis=1)
            return replace(result, values=values, log_evidence=top + np.log(total))


class Cases(NamedTuple):
    """What is known of n cases."""

    codes: NDArray[np.int8]  # (variables, n): the evidence; -1 where it is not known
    allowed: NDArray[np.bool_]  # (n, causes, most states): the states that labels leave possible
    weight: Floats  # (n,): how often to count each case

    def chosen(self, which: slice | NDArray[np.intp]) -> Cases:
        """Take some of the cases."""
        return Cases(self.codes[:, which], self.allowed[which], self.weight[which])


class OpenStates(NamedTuple):
    """Joint states of risk factors that patterns of evidence leave open."""

    pattern: NDArray[np.intp]  # those that there are
    start: NDArray[np.intp]  # by pattern, into
    states: NDArray[np.intp]


class BatchPart(NamedTuple):
    """What compiled code takes at a time: n cases."""

    codes: Codes  # (variables, n)
    together: NDArray[np.int64]  # (n,): which go the same way
    open_states: OpenStates  # of the first component


class Batch(NamedTuple):
    """Cases in the order in which compiled code takes them, found once for any numbers of a model."""

    codes: Codes  # (variables, n)
    order: NDArray[np.intp]  # (n,): which of the given cases each is
    parts: list[BatchPart]  # none where code is not compiled
