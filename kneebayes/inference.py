"""Exact posteriors of the causes, in batches, with any cells missing.

The scheme, for one case with C causes and K joint states of them:

1. The base component's row for its evidence pattern is P(risk evidence, causes
   triggered by it or by their leaks), over all joint states.
2. Every other component of risk factors, and every cause that causes another,
   ORs its own triggers in.
3. A negative finding multiplies by a factor per cause, a positive one by a
   vector over the joint states; a known cause clears its other states.
4. The joint folds to marginals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kneebayes.components import Effect, Several, digit_weights, patterns
from kneebayes.errors import UnknownNameError
from kneebayes.model import ModelFile
from kneebayes.tables import Component, tables

if TYPE_CHECKING:
    from kneebayes.batches import Kernel

__all__ = ["UNKNOWN", "Engine", "Network", "Posteriors"]

Floats = NDArray[np.float64]
Codes = NDArray[np.int8]
Engine = Literal["auto", "numpy", "numba"]
UNKNOWN = -1
MIN_COMPILED = 1024
CHUNK_BYTES = 1 << 23


@dataclass(frozen=True, eq=False)
class Posteriors:
    """Posteriors of a batch of n cases.

    Attributes
    ----------
    columns : tuple of str
        The causes in model order, ``none_of_these``, then ``<cause>_<state>``
        for the third state on of each cause that has more than two.
    values : ndarray, shape (n, columns)
        P(cause not absent), P(all causes absent), P(cause in that state); a
        row of NaN where the evidence is impossible.
    log_evidence : ndarray, shape (n,)
        Natural logarithm of P(evidence); -inf where it is impossible.
    """

    columns: tuple[str, ...]
    values: Floats
    log_evidence: Floats


class Network:
    """A compiled model: codes of the evidence in, exact posteriors out.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Examples
    --------
    >>> import numpy as np
    >>> from kneebayes.modelfile import model_path, read_model
    >>> network = Network(read_model(model_path("posterior_knee_pain")))
    >>> nothing_known = np.full((len(network.variables), 1), UNKNOWN, dtype=np.int8)
    >>> network.posteriors(nothing_known).values.shape == (1, len(network.columns))
    True
    """

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self.variables = tuple(model.variables)
        self.tables = tables(model)
        cards = self.tables.cards
        self.n_joint = int(np.prod(cards))
        states = np.stack(np.unravel_index(np.arange(self.n_joint), cards), axis=1)
        extra = [(c, s) for c, card in enumerate(cards) for s in range(2, card)]
        names = list(model.causes)
        self.columns = (
            *names,
            "none_of_these",
            *(f"{names[c]}_{model.causes[names[c]].states[s]}" for c, s in extra),
        )
        members = [*(states[:, c] > 0 for c in range(len(cards))), (states == 0).all(axis=1)]
        members += [states[:, c] == s for c, s in extra]
        self.joint_states = states
        components = (self.tables.base, *self.tables.components)
        self._radix = np.array([len(risk.states) for risk in model.risks.values()])[:, None]
        self._digits = np.stack([digit_weights(component, len(model.risks)) for component in components])
        self._several = {c: Several.of(c, cards, self.tables.split) for c in components[1:] if len(c.targets) != 1}
        single = {c.targets[0] for c in components[1:] if len(c.targets) == 1}
        touched = [c for c in self.tables.order if c in single or self.tables.parents[c]]
        self._effects = {c: Effect.of(c, self.tables) for c in touched}
        self._present = 1.0 - self.tables.absent
        # which joint states the columns of the posteriors add up, shape (columns, joint states)
        self.membership = np.stack(members).astype(np.float64)

    def posteriors(self, codes: Codes, *, engine: Engine = "auto") -> Posteriors:
        """Compute the exact posteriors of a batch.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            The state of each variable, in model order; `UNKNOWN` where it is
            not known. The complaint is a finding like any other here.
        engine : {"auto", "numpy", "numba"}
            Which code computes them; they agree but for rounding. By itself,
            numba from 1024 cases on: below that its import would cost more
            than it saves.

        Returns
        -------
        Posteriors
            One row per case, whatever the other cases of the batch.

        Raises
        ------
        UnknownNameError
            If there is no such engine.
        """
        if engine not in get_args(Engine):
            raise UnknownNameError(f"no engine '{engine}': use one of {', '.join(get_args(Engine))}")
        if engine == "numba" or (engine == "auto" and codes.shape[1] >= MIN_COMPILED):
            values, evidence = self._kernel.run(codes)
        else:
            values, evidence = self._posteriors(codes)
        np.minimum(values, 1.0, out=values)  # a quotient of two sums of the same terms may round to over 1
        with np.errstate(divide="ignore"):
            return Posteriors(self.columns, values, np.log(evidence))

    @cached_property
    def _kernel(self) -> Kernel:
        from kneebayes.batches import Kernel  # here, because numba takes a while to import

        return Kernel(self.tables, len(self.model.risks))

    def _posteriors(self, codes: Codes) -> tuple[Floats, Floats]:
        n = codes.shape[1]
        values, evidence = np.empty((n, len(self.columns))), np.empty(n)
        step = max(1, CHUNK_BYTES // (8 * self.n_joint))
        for start in range(0, n, step):
            part = slice(start, start + step)
            joint = self.joint(codes[:, part])
            evidence[part] = joint.sum(axis=1)
            for case, own in enumerate(joint, start):  # one at a time: a matrix product may sum each in another order
                values[case] = self.membership @ own
        with np.errstate(invalid="ignore"):
            return values / evidence[:, None], evidence

    def joint(self, codes: Codes) -> Floats:
        """Compute P(evidence, joint state of the causes).

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            As for `posteriors`.

        Returns
        -------
        ndarray, shape (n, joint states)
            The joint states as in ``joint_states``, the last cause varying
            fastest. A row sums to P(evidence).
        """
        n, cards = codes.shape[1], self.tables.cards
        base, *others = self._patterns(codes)
        joint = self._expand(self.tables.base.trigger[base])
        off = np.ones((n, len(cards)))
        on = np.zeros((n, len(cards)))
        for component, pattern in zip(self.tables.components, others, strict=True):
            if component in self._several:
                joint = self._several[component].applied(joint, pattern)
            else:
                c, trigger = component.targets[0], component.trigger[pattern]
                on[:, c] = on[:, c] * trigger.sum(axis=1) + off[:, c] * trigger[:, 1]
                off[:, c] *= trigger[:, 0]
        for c, effect in self._effects.items():
            effect.act(joint, off[:, c], on[:, c])
        self._weigh_findings(joint, codes)
        return joint

    def _patterns(self, codes: Codes) -> NDArray[np.intp]:
        """Rows of the components' tables, shape (components, n), the base's first; the last digit means unknown."""
        known = codes[: len(self._radix)]
        return self._digits @ np.where(known == UNKNOWN, self._radix, known)

    def _expand(self, trigger: Floats) -> Floats:
        """Spread P(triggered) of the causes over their states: (n, 2 ** C) to (n, K)."""
        n = len(trigger)
        for c, (card, split) in enumerate(zip(self.tables.cards, self.tables.split, strict=True)):
            if card > 2:
                before = int(np.prod(self.tables.cards[:c]))
                halves = trigger.reshape(n, before, 2, -1)
                trigger = np.concatenate([halves[:, :, :1], halves[:, :, 1:] * split[:, None]], axis=2).reshape(n, -1)
        return trigger

    def _weigh_findings(self, joint: Floats, codes: Codes) -> None:
        """Multiply the joint, (n, K), by the likelihood of the findings and of known causes, in place."""
        t = self.tables
        n, cards, n_risks = len(joint), t.cards, len(self.model.risks)
        causes = codes[n_risks : n_risks + len(cards)].T
        findings = codes[n_risks + len(cards) :].T
        negative = findings == 0
        scalars = np.where(negative[:, :, None, None], t.absent_links, 1.0).prod(axis=1)
        scalars[:, 0] *= np.where(negative, t.absent_leak, 1.0).prod(axis=1)[:, None]
        if (causes != UNKNOWN).any():
            scalars *= (causes == UNKNOWN)[:, :, None] | (causes[:, :, None] == np.arange(scalars.shape[2]))
        weight = np.ones((n, 1))
        for c, card in enumerate(cards):
            weight = (weight[:, :, None] * scalars[:, c, None, :card]).reshape(n, -1)
        joint *= weight
        for f in np.flatnonzero((findings == 1).any(axis=0)):
            rows = findings[:, f] == 1
            if rows.all():
                joint *= self._present[f]
            else:
                joint[rows] *= self._present[f]

    def constrained(self, risk: str) -> bool:
        """Say whether other risk factors can rule out states of one.

        Parameters
        ----------
        risk : str
            A risk factor.

        Returns
        -------
        bool
            As for pregnancy, which the sex may rule out.
        """
        row = self.variables.index(risk)
        return not next(possible for component, possible in self._possible if row in component.rows).all()

    def possible_states(self, codes: Codes, variable: str) -> NDArray[np.bool_]:
        """Say which states of a risk factor the other risk factors leave possible.

        Parameters
        ----------
        codes : ndarray of int8, shape (variables, n)
            As for `posteriors`.
        variable : str
            A risk factor.

        Returns
        -------
        ndarray of bool, shape (n, states of the variable)
            False where the model gives the state probability zero, as for a
            pregnancy where the sex is male.
        """
        row = self.variables.index(variable)
        n_states = len(self.model.risks[variable].states)
        if not self.constrained(variable):
            return np.ones((codes.shape[1], n_states), dtype=bool)
        component, possible = next((c, p) for c, p in self._possible if row in c.rows)
        trial = codes.copy()
        states = []
        for state in range(n_states):
            trial[row] = state
            states.append(possible[patterns(component, trial)])
        return np.stack(states, axis=1)

    @cached_property
    def _possible(self) -> list[tuple[Component, NDArray[np.bool_]]]:
        """Which evidence patterns of each component have a probability over zero."""
        return [(c, c.trigger.sum(axis=1) > 0) for c in (self.tables.base, *self.tables.components)]
