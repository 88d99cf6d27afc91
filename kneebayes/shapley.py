"""Shares of a change among the pieces that brought it about: leave-one-out, and Shapley's.

The value of a set of pieces may be infinite, as where one makes a cause
certain; but infinite on one side only, and never lost again as pieces join.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shares", "exact_shares", "less", "sampled_shares", "subsets"]

Floats = NDArray[np.float64]
Sets = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shares:
    """What each of n pieces did.

    Attributes
    ----------
    shapley : ndarray, shape (n,)
        Mean of what the piece adds, over all orders in which the pieces may
        come. They add up to the value of all less that of none. A piece that
        makes the value infinite, alone or with others, has an infinite share;
        the rest then have their shares of the change without such pieces.
    standard_error : ndarray, shape (n,)
        Of ``shapley``: 0 where it is exact.
    """

    shapley: Floats
    standard_error: Floats


def subsets(n: int) -> Sets:
    """List every subset of n pieces.

    Parameters
    ----------
    n : int
        Number of pieces.

    Returns
    -------
    ndarray of bool, shape (2 ** n, n)
        The last piece varies fastest, as in an array of shape ``(2,) * n``.

    Examples
    --------
    >>> subsets(2).tolist()
    [[False, False], [False, True], [True, False], [True, True]]
    """
    return np.stack(np.unravel_index(np.arange(1 << n), (2,) * n), axis=1).astype(bool) if n else np.zeros((1, 0), bool)


def exact_shares(values: Floats) -> Shares:
    """Compute Shapley values from the value of every subset.

    Parameters
    ----------
    values : ndarray, shape (2 ** n,)
        In the order of `subsets`.

    Returns
    -------
    Shares
        Exact, by Shapley's formula.

    Examples
    --------
    >>> exact_shares(np.array([0.0, 1.0, 2.0, 5.0])).shapley.tolist()
    [3.0, 2.0]
    """
    n = int(values.size).bit_length() - 1
    if n == 0:
        return Shares(np.zeros(0), np.zeros(0))
    sizes = subsets(n).sum(axis=1).reshape((2,) * n)
    # an order puts a given set of size s before a given piece, and the rest after it, with this probability
    weight = np.array([1.0 / (n * comb(n - 1, s)) for s in range(n)])
    cube = values.reshape((2,) * n)
    gains = [less(np.take(cube, [1], axis=i), np.take(cube, [0], axis=i)) for i in range(n)]
    decisive = np.array([np.isinf(gain).any() for gain in gains])
    if decisive.any():
        rest = cube[tuple(0 if settles else slice(None) for settles in decisive)]
        return _with_decisive(decisive, exact_shares(rest.ravel()), values[-1])
    shapley = [(weight[np.take(sizes, [0], axis=i)] * gain).sum() for i, gain in enumerate(gains)]
    return Shares(np.array(shapley), np.zeros(n))


def sampled_shares(value: Callable[[Sets], Floats], n: int, *, orders: int, rng: np.random.Generator) -> Shares:
    """Estimate Shapley values from random orders of the pieces.

    Parameters
    ----------
    value : callable
        Gives the values of a batch of sets, shape (sets, n) to (sets,).
    n : int
        Number of pieces.
    orders : int
        Number of orders, at least 4; each is drawn with its reverse, which
        makes the error smaller.
    rng : numpy.random.Generator
        Draws the orders.

    Returns
    -------
    Shares
        With standard errors. Whatever the orders, the shares add up.

    Examples
    --------
    >>> shares = sampled_shares(lambda sets: sets @ [1.0, 2.0], 2, orders=4, rng=np.random.default_rng(1))
    >>> shares.shapley.tolist(), shares.standard_error.tolist()
    ([1.0, 2.0], [0.0, 0.0])
    """
    pairs = max(2, orders // 2)
    drawn = rng.permuted(np.tile(np.arange(n), (pairs, 1)), axis=1)
    both = np.concatenate([drawn, drawn[:, ::-1]])
    place = np.argsort(both, axis=1)
    sets = place[:, None, :] < np.arange(n + 1)[None, :, None]
    distinct, where = np.unique(sets.reshape(-1, n), axis=0, return_inverse=True)
    values = value(distinct)[where.reshape(-1)].reshape(2 * pairs, n + 1)
    gains = np.take_along_axis(less(values[:, 1:], values[:, :-1]), place, axis=1)
    decisive: Sets = np.asarray(np.isinf(gains).any(axis=0))
    if decisive.any():
        kept = np.flatnonzero(~decisive)

        def without_decisive(rest: Sets) -> Floats:
            whole = np.zeros((len(rest), n), dtype=bool)
            whole[:, kept] = rest
            return value(whole)

        rest = (
            sampled_shares(without_decisive, len(kept), orders=orders, rng=rng)
            if len(kept)
            else exact_shares(np.zeros(1))
        )
        return _with_decisive(decisive, rest, values[0, -1])
    means = (gains[:pairs] + gains[pairs:]) / 2
    return Shares(gains.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(pairs))


def less(after: Floats, before: Floats) -> Floats:
    """Subtract, where infinity less itself is nothing gained.

    Parameters
    ----------
    after, before : ndarray
        Of one shape.

    Returns
    -------
    ndarray
        The difference; 0 where both are equal, infinite or not.
    """
    gained = np.zeros_like(after)
    np.subtract(after, before, out=gained, where=after != before)
    return gained


def _with_decisive(decisive: Sets, rest: Shares, limit: float) -> Shares:
    shapley, error = np.full(len(decisive), limit), np.zeros(len(decisive))
    shapley[~decisive], error[~decisive] = rest.shapley, rest.standard_error
    return Shares(shapley, error)
