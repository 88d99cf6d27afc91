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

import os
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import UnknownNameError
from kneebayes.inference.evidence import MAX_STATES, UNKNOWN, Codes, Evidence
from kneebayes.inference.tables import Component, Tables, or_matrix, tables
from kneebayes.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    from kneebayes.inference.compiled.threads import Kernel

__all__ = [
    "CompiledModel",
    "Effect",
    "Engine",
    "Posteriors",
    "Several",
    "cores",
    "digit_weights",
    "patterns",
]


def cores() -> int:
    """Count the cores that this process may use.

    Returns
    -------
    int
        Those it is held to, where the system holds processes to some (a container, ``taskset``); else all.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


Engine = Literal["auto", "numpy", "numba"]
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


class CompiledModel:
    """A compiled model: codes of the evidence in, exact posteriors out.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.

    Examples
    --------
    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> network = CompiledModel(read_model(model_path("posterior_knee_pain")))
    >>> network.posteriors(Evidence.empty(len(network.variables))).values.shape == (1, len(network.columns))
    True
    """

    def __init__(self, model: ModelSpec) -> None:
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

    def posteriors(self, evidence: Evidence, *, engine: Engine = "auto") -> Posteriors:
        """Compute the exact posteriors of a batch, one row per case, whatever the other cases of the batch.

        The complaint is a finding like any other here. The engines agree but for rounding; "auto" takes numba from
        1024 cases on: below that its import would cost more than it saves.
        """
        if not evidence.soft:
            return self._sure_posteriors(evidence.codes, engine)
        expanded = evidence.expanded()
        return expanded.pooled(self._sure_posteriors(expanded.codes, engine))

    def _sure_posteriors(self, codes: Codes, engine: Engine) -> Posteriors:
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
        from kneebayes.inference.compiled.threads import Kernel  # here, because numba takes a while to import

        return Kernel(self.tables, len(self.model.risks))

    def _posteriors(self, codes: Codes) -> tuple[Floats, Floats]:
        n = codes.shape[1]
        values, evidence = np.empty((n, len(self.columns))), np.empty(n)
        step = max(1, CHUNK_BYTES // (8 * self.n_joint))
        for start in range(0, n, step):
            part = slice(start, start + step)
            joint = self._joint(codes[:, part])
            evidence[part] = joint.sum(axis=1)
            for case, own in enumerate(joint, start):  # one at a time: a matrix product may sum each in another order
                values[case] = self.membership @ own
        with np.errstate(invalid="ignore"):
            return values / evidence[:, None], evidence

    def joint(self, evidence: Evidence) -> Floats:
        """Compute P(evidence, joint state of the causes), (n, joint states), as in ``joint_states``.

        The last cause varies fastest. A row sums to P(evidence), in units of the likelihoods' largest. Raises
        CaseError if the soft risk factors of a case have too many joint states.
        """
        n_risks, n_causes = len(self.model.risks), len(self.model.causes)
        above = tuple(answer for answer in evidence.soft if answer.row < n_risks)
        if above:
            expanded = Evidence(evidence.codes, above).expanded()
            joint = np.zeros((evidence.n, self.n_joint))
            for start in range(0, len(expanded.case), MAX_STATES):
                part = slice(start, start + MAX_STATES)
                weight = np.exp(expanded.log_weight[part, None])
                np.add.at(joint, expanded.case[part], weight * self._joint(expanded.codes[:, part]))
        else:
            joint = self._joint(evidence.codes)
        for answer in evidence.soft:  # a cause or finding depends on nothing but the joint state: no need to expand it
            if n_risks <= answer.row < n_risks + n_causes:
                joint[answer.cases] *= answer.likelihood[self.joint_states[:, answer.row - n_risks]]
            elif answer.row >= n_risks + n_causes:
                absent = self.tables.absent[answer.row - n_risks - n_causes]
                joint[answer.cases] *= answer.likelihood[0] * absent + answer.likelihood[1] * (1.0 - absent)
        return joint

    def _joint(self, codes: Codes) -> Floats:
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
