"""What components of risk factors, and causes that cause others, do to the joint distribution of the causes."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from kneebayes.tables import Component, Tables, or_matrix

__all__ = ["Effect", "Several", "digit_weights", "patterns"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Several:
    """A component that triggers several causes, as matrices.

    Attributes
    ----------
    matrix : ndarray, shape (patterns, states of the targets after, before)
        What the component does, by evidence pattern.
    cards : tuple of int
        Number of states of each cause.
    forth, back : tuple of int
        Orders of the axes (cases, causes...) that bring the targets to the
        front, and back.
    shape : tuple of int
        Of the joint states with the targets in front.
    """

    matrix: Floats
    cards: tuple[int, ...]
    forth: tuple[int, ...]
    back: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, component: Component, cards: tuple[int, ...], split: tuple[Floats, ...]) -> Several:
        """Lay out a component.

        Parameters
        ----------
        component : Component
            Other than the base.
        cards : tuple of int
            Number of states of each cause.
        split : tuple of ndarray
            Per cause P(state | present).

        Returns
        -------
        Several
            Its matrices.
        """
        rest = [c for c in range(len(cards)) if c not in component.targets]
        forth = (0, *(c + 1 for c in (*component.targets, *rest)))
        back = tuple(int(i) for i in np.argsort(forth))
        return cls(_dense(component, cards, split), cards, forth, back, tuple(cards[i - 1] for i in forth[1:]))

    def applied(self, joint: Floats, pattern: NDArray[np.intp]) -> Floats:
        """OR the triggers of the component into the joint.

        Parameters
        ----------
        joint : ndarray, shape (n, joint states)
            P(evidence so far, joint state of the causes).
        pattern : ndarray of int, shape (n,)
            The component's evidence pattern in each case.

        Returns
        -------
        ndarray, shape (n, joint states)
            With the component's evidence and effects.
        """
        n, matrix = len(joint), self.matrix[pattern]
        front = joint.reshape(n, *self.cards).transpose(self.forth).reshape(n, matrix.shape[1], -1)
        return (matrix @ front).reshape(n, *self.shape).transpose(self.back).reshape(n, -1)


@dataclass(frozen=True, eq=False)
class Effect:
    """What brings about one cause after all the causes that cause it are settled.

    Attributes
    ----------
    shape : tuple of int
        Joint states of the causes before it, its states, joint states of those after it.
    share : ndarray
        P(state | present) of its states but the first.
    kept, gained : ndarray, shape (before, after)
        P(no cause brings it about | the other causes), and P(one does), added
        up and not subtracted from 1.
    """

    shape: tuple[int, int, int]
    share: Floats
    kept: Floats
    gained: Floats

    @classmethod
    def of(cls, c: int, tables: Tables) -> Effect:
        """Lay out a cause.

        Parameters
        ----------
        c : int
            Its number.
        tables : Tables
            Of the model.

        Returns
        -------
        Effect
            With the survivals of its parents multiplied out.
        """
        cards = tables.cards
        others = [1 if i == c else card for i, card in enumerate(cards)]
        kept, gained = np.ones(others), np.zeros(others)
        for parent, survival in tables.parents[c].items():
            along = survival.reshape([-1 if i == parent else 1 for i in range(len(cards))])
            gained = gained + kept * (1.0 - along)
            kept = kept * along
        shape = prod(cards[:c]), cards[c], prod(cards[c + 1 :])
        return cls(shape, tables.split[c], kept.reshape(shape[0], shape[2]), gained.reshape(shape[0], shape[2]))

    def act(self, joint: Floats, off: Floats, on: Floats) -> None:
        """OR the causes and the components that trigger this cause alone into the joint, in place.

        Parameters
        ----------
        joint : ndarray, shape (n, joint states)
            P(evidence so far, joint state of the causes).
        off, on : ndarray, shape (n,)
            P(evidence of those components, none triggers), and P(..., one does).
        """
        states = joint.reshape(len(joint), *self.shape)
        off, on = off[:, None, None], on[:, None, None]
        absent = states[:, :, 0]
        gain = absent * (on + off * self.gained)
        absent *= off * self.kept
        for state, share in enumerate(self.share, start=1):
            present = states[:, :, state]
            present *= off + on
            present += gain * share if len(self.share) > 1 else gain


def patterns(component: Component, codes: NDArray[np.int8]) -> NDArray[np.intp]:
    """Find the row of a component's table for each case; the last digit of a risk factor means unknown.

    For all components at once, a product with their `digit_weights` is quicker for few cases.

    Parameters
    ----------
    component : Component
        The component.
    codes : ndarray of int8, shape (variables, n)
        The evidence.

    Returns
    -------
    ndarray of int, shape (n,)
        The rows.
    """
    pattern = np.zeros(codes.shape[1], dtype=np.intp)
    for row, radix in zip(component.rows, component.radix, strict=True):
        pattern = pattern * radix + codes[row] % radix  # -1 becomes radix - 1
    return pattern


def digit_weights(component: Component, n_risks: int) -> NDArray[np.intp]:
    """Say what each risk factor's digit counts in the number of a component's pattern.

    Parameters
    ----------
    component : Component
        Its rows are places of risk factors.
    n_risks : int
        Number of risk factors.

    Returns
    -------
    ndarray of int, shape (n_risks,)
        0 for a risk factor that is not in the component.
    """
    weights = np.zeros(n_risks, dtype=np.intp)
    weights[list(component.rows)] = np.cumprod([1, *component.radix[:0:-1]])[::-1]
    return weights


def _dense(component: Component, cards: tuple[int, ...], split: tuple[Floats, ...]) -> Floats:
    """Matrix of a component, shape (patterns, joint states of its targets after, before)."""
    shape = tuple(cards[t] for t in component.targets)
    size = int(np.prod(shape))
    pairs, coefficients = or_matrix(component, cards, split)
    dense = np.zeros((len(coefficients), size, size))
    for i, (after, before) in enumerate(pairs):
        row, column = (int(np.ravel_multi_index(s, shape)) if s else 0 for s in (after, before))
        dense[:, row, column] = coefficients[:, i]
    return dense
