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

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import check_choice
from kneebayes.inference import compiled
from kneebayes.inference.evidence import UNKNOWN, Batch, Codes, Evidence
from kneebayes.inference.tables import (
    Component,
    Layout,
    ParameterVector,
    Part,
    Tables,
    or_matrices,
    or_messages,
    outer_halves,
    patterns,
)
from kneebayes.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    from kneebayes.inference.compiled.kernels import Kernel

Floats = NDArray[np.float64]
Engine = Literal["auto", "numpy", "numba"]
MIN_COMPILED = 1024
MIN_COMPILED_STATES = 1 << 22  # joint states of all rows of a table
CHUNK_BYTES, CACHE_BYTES = 1 << 21, 1 << 18
TINY = 1e-300
MIN_LOG = -1e300  # of a probability that is not 0: takes the place of -inf, of which differences are no numbers
ROUNDING = 1e-12  # within which two probabilities tie: engines differ by less
RARE = 1e-150  # of P(evidence): from here down logarithms add up, as products may lose digits or come to 0


class OrComponent:
    """ORs what a component of risk factors triggers into its targets.

    It works on cells, (2 ** C, n): which of C causes are present, the first as the highest bit. In what state a
    cause is present does not depend on what triggered it, so states are told apart only after this.
    """

    def __init__(self, targets: list[int], n_causes: int) -> None:
        axes = (*targets, *(c for c in range(n_causes) if c not in targets))
        self.size, self.shape = 1 << len(targets), (2,) * n_causes
        self.forth = (n_causes, *axes)  # the cases in front, then the targets
        self.back = tuple(int(i) for i in np.argsort(self.forth))

    def forward(self, cells: Floats, matrices: Floats) -> Floats:
        """Multiply by the matrix of each case, (n, after, before), as from `or_matrices`."""
        # BLAS would sum in another order on another number of threads, and einsum for cells laid out otherwise
        after = np.einsum("nab,nbk->nak", matrices, np.ascontiguousarray(self._front(cells)))
        return self._restored(after)

    def backward(self, cells: Floats, back: Floats, matrices: Floats) -> tuple[Floats, Floats]:
        """Take derivatives back: those by the matrices, (n, after, before), and those by the cells before."""
        last = self._front(back)
        return last @ self._front(cells).transpose(0, 2, 1), self._restored(matrices.transpose(0, 2, 1) @ last)

    def _front(self, cells: Floats) -> Floats:
        n = cells.shape[-1]
        return cells.reshape(*self.shape, n).transpose(self.forth).reshape(n, self.size, -1)

    def _restored(self, front: Floats) -> Floats:
        n = len(front)
        return front.reshape(n, *self.shape).transpose(self.back).reshape(-1, n)


class OrCause:
    """ORs the causes that cause a cause into it.

    It works on cells, or where states of those causes matter on the joint states of the causes, (K, n). Numbers are
    the same for all n, or have n versions.
    """

    def __init__(self, layout: Layout, c: int, kept: Floats, gained: Floats, split: Floats) -> None:
        """Take P(no cause triggers it) and P(one does), (states of those causes[, n]), and its split, (states[, n])."""
        cards = layout.cards_before(c)
        self.shape = prod(cards[:c]), cards[c], prod(cards[c + 1 :])
        self.split = split if cards[c] > 2 else np.ones(1)
        others = np.arange(prod(cards)).reshape(self.shape)[:, 0].ravel()
        self.parents = np.zeros(self.shape[0] * self.shape[2], dtype=np.intp)  # the joint state of those that cause it
        for parent in layout.parents[c]:
            self.parents = self.parents * cards[parent] + others // prod(cards[parent + 1 :]) % cards[parent]
        around = self.shape[0], self.shape[2], -1
        self.kept, self.gained = kept[self.parents].reshape(around), gained[self.parents].reshape(around)

    def forward(self, joint: Floats) -> Floats:
        """Bring about the cause."""
        old = joint.reshape(*self.shape, -1)
        new = np.empty_like(old)
        np.multiply(old[:, 0], self.kept, out=new[:, 0])
        gained, new[:, 1:] = self.gained * old[:, 0], old[:, 1:]
        for state, share in enumerate(self.split, start=1):
            new[:, state] += gained * share if len(self.split) > 1 else gained
        return new.reshape(joint.shape)

    def backward(self, joint: Floats, back: Floats) -> tuple[Floats, Floats]:
        """Take derivatives of log P(evidence) back over the step.

        Returns those by the joint before, (K, n); and by state of the causes that cause it, (states,), the cases in
        which the cause is present or would be if only one more trigger fired, over the chance of that.
        """
        old, after = joint.reshape(*self.shape, -1), back.reshape(*self.shape, -1)
        up = np.zeros_like(old[:, 0])
        for state, share in enumerate(self.split, start=1):
            up += after[:, state] * share
        reached = (old[:, 0] * up + (old[:, 1:] * after[:, 1:]).sum(axis=1)).sum(axis=2)
        new = after.copy()
        new[:, 0] = after[:, 0] * self.kept + up * self.gained
        return new.reshape(joint.shape), np.bincount(self.parents, reached.ravel()).astype(float)


class Findings:
    """Weighs the joint states of the causes by what is known of the findings and of the causes."""

    def __init__(self, tables: Tables) -> None:
        self.tables, layout = tables, tables.layout
        self._first = layout.code_start[:-1] + 1
        # by code, with what says nothing last
        self._leak = np.append(tables.at_most_leak, 1.0)
        self._links = np.concatenate([tables.at_most_links, np.ones((1, *tables.at_most_links.shape[1:]))])

    def weights(self, codes: Codes) -> Iterator[tuple[list[int], Floats]]:
        """Yield cases that say the same of findings and causes, and the likelihood of that, (K,).

        That a finding is at most in some state is a factor per cause, so that all such findings together are one
        table; any other set of states is a vector over the joint states.
        """
        layout, n_causes = self.tables.layout, len(self.tables.split)
        below, groups = codes[layout.n_risks :], _alike(codes[layout.n_risks :])
        step = max(1, CHUNK_BYTES // (8 * layout.n_joint))
        for own in (groups[start : start + step] for start in range(0, len(groups), step)):
            known = below[:, [cases[0] for cases in own]].T
            causes, said = known[:, :n_causes], known[:, n_causes:]
            rows, vectors = layout.row[self._first + said], layout.vector[self._first + said]
            factors = self._links[rows].prod(axis=1)
            factors[:, 0] *= self._leak[rows].prod(axis=1)[:, None]
            if (causes != UNKNOWN).any():
                factors *= (causes == UNKNOWN)[:, :, None] | (causes[:, :, None] == np.arange(factors.shape[2]))
            halves = []  # as the states of one cause alone are too few for a quick product
            for some in (range(n_causes // 2), range(n_causes // 2, n_causes)):
                half = np.ones((len(own), 1))
                for c in some:
                    half = (half[:, :, None] * factors[:, c, None, : layout.cards[c]]).reshape(len(own), -1)
                halves.append(half)
            weights = (halves[0][:, :, None] * halves[1][:, None, :]).reshape(len(own), -1)
            for cases, weight, chosen in zip(own, weights, vectors, strict=True):
                for vector in chosen[chosen >= 0].tolist():
                    weight *= self.tables.vectors[vector]
                yield cases, weight

    def log_weights(self, evidence: Evidence) -> Floats:
        """Logarithm of the likelihood of what is known of findings and causes, soft answers too, (n, K)."""
        layout = self.tables.layout
        first = layout.n_risks + len(layout.cards)
        logs = np.zeros((evidence.n, layout.n_joint))
        with np.errstate(divide="ignore"):
            for c, known in enumerate(evidence.codes[layout.n_risks : first]):
                logs[(known != UNKNOWN)[:, None] & (known[:, None] != layout.states[:, c])] = -np.inf
            for f, said in enumerate(evidence.codes[first:]):
                for code in np.unique(said[said != UNKNOWN]).tolist():
                    logs[said == code] += np.log(self.tables.chance(f, code))
            for answer in evidence.soft:
                if answer.row >= layout.n_risks:
                    logs[answer.cases] += np.log(self.mixed(answer.row - layout.n_risks, answer.likelihood))
        return logs

    def mixed(self, place: int, likelihood: Floats) -> Floats:
        """Likelihood of a soft answer to a cause or finding, in its place after the risk factors, (K,)."""
        n_causes = len(self.tables.layout.cards)
        if place < n_causes:
            return likelihood[self.tables.layout.states[:, place]]
        chances = (p * self.tables.chance(place - n_causes, state) for state, p in enumerate(likelihood.tolist()))
        return sum(chances, start=np.zeros(1))

    @cached_property
    def _logs(self) -> tuple[Floats, Floats]:
        """Logarithms of P(finding at most in a state), (K, R), and P(finding in another set), (K, V)."""
        return np.log(np.maximum(self.tables.at_most, TINY)).T, np.log(np.maximum(self.tables.vectors, TINY)).T

    def said(self, codes: Codes) -> tuple[Floats, Floats]:
        """Tell by 1 and 0 which rows, (R, n), and which vectors, (V, n), the codes of the findings are."""
        layout = self.tables.layout
        said = self._first[:, None] + codes[layout.n_risks + len(layout.cards) :]
        found = []
        for place, n in ((layout.row[said], len(layout.leaks)), (layout.vector[said], layout.n_vectors)):
            each = np.zeros((n, codes.shape[1]))
            finding, case = np.nonzero(place >= 0)
            each[place[finding, case], case] = 1.0
            found.append(each)
        return found[0], found[1]

    def likelihood(self, codes: Codes, allowed: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """P(findings | joint state) over its largest value, (K, n), and the logarithm of that value, (n,).

        0 where labels, (n, C, most states), or known causes forbid the state. Logarithms add up, so that the
        likelihood of ever so many improbable findings is not 0.
        """
        layout = self.tables.layout
        n_causes = len(layout.cards)
        (rows, vectors), (log_at_most, log_vectors) = self.said(codes), self._logs
        logs: Floats = log_at_most @ rows + log_vectors @ vectors
        never_at_most, never = self.tables.at_most == 0.0, self.tables.vectors == 0.0
        if never_at_most.any() or never.any():  # -inf times 0 would be no number
            logs[(never_at_most.T.astype(float) @ rows + never.T.astype(float) @ vectors) > 0] = -np.inf
        for c, known in enumerate(codes[layout.n_risks :][:n_causes]):
            fits = allowed[:, c] & ((known == UNKNOWN)[:, None] | (known[:, None] == np.arange(allowed.shape[2])))
            if not fits[:, : layout.cards[c]].all():
                logs[~fits.T[layout.states[:, c]]] = -np.inf
        scale = logs.max(axis=0)
        scale[np.isneginf(scale)] = 0.0
        return np.exp(logs - scale), scale


def _alike(said: NDArray[np.integer]) -> list[list[int]]:
    """Group the cases of which the same is said, (rows, n): a list of cases for each."""
    groups: dict[bytes, list[int]] = {}
    for case, own in enumerate(np.ascontiguousarray(said.T)):
        groups.setdefault(own.tobytes(), []).append(case)
    return list(groups.values())


class Taped(NamedTuple):
    """What the way back over the upper layer needs of the way there."""

    components: list[tuple[Floats, Floats]]  # cells before each step, and its matrices
    causes: list[Floats]  # the joint before each step


class UpperLayer:
    """The way from the risk factors to the joint states of the causes, and back, with the numbers of some tables.

    ``share``, (K[, n]), ``kept``, ``gained`` and ``split`` are as in `Tables`, and may have a last axis of versions.
    """

    def __init__(
        self, layout: Layout, share: Floats, kept: Sequence[Floats], gained: Sequence[Floats], split: Sequence[Floats]
    ) -> None:
        self.layout = layout
        self.share = share.reshape(layout.n_joint, -1)
        # a component is ORed into the smallest that has its targets too: fewer cells than the base's, which has all
        self.into: dict[int, tuple[int, OrComponent]] = {}
        order = sorted(range(1, len(layout.parts)), key=lambda g: len(layout.parts[g].targets))
        for place, g in enumerate(order, start=1):
            own = layout.parts[g].targets
            h = next(h for h in (*order[place:], 0) if set(own) <= set(layout.parts[h].targets))
            others = layout.parts[h].targets
            self.into[g] = h, OrComponent([others.index(c) for c in own], len(others))
        self.early, self.late = (
            {c: OrCause(layout, c, kept[c], gained[c], split[c]) for c in own if layout.parents[c]}
            for own in (layout.early, layout.late)
        )

    def forward(self, triggers: Sequence[Floats], tape: Taped | None = None) -> Floats:
        """P(evidence on risk factors, joint state), (K, n), of a row of each component's table, (n, 2 ** T)."""
        rows = [np.ascontiguousarray(trigger.T) for trigger in triggers]
        for g, (h, component) in self.into.items():
            before, matrices = rows[h], or_matrices(rows[g].T)
            rows[h] = component.forward(before, matrices)
            if tape:
                tape.components.append((before, matrices))
        cells = rows[0]
        for causes in (self.early, self.late):
            if causes is self.late and len(cells) < self.layout.n_joint:
                cells = cells[self.layout.column] * self.share
            for cause in causes.values():
                if tape:
                    tape.causes.append(cells)
                cells = cause.forward(cells)
        return cells

    def backward(self, triggers: Sequence[Floats], tape: Taped, back: Floats) -> tuple[list[Floats], list[Floats]]:
        """Take derivatives of log P(evidence) by the joint, (K, n), back to those by the rows of the tables.

        Returns those, (n, 2 ** T) for each component, and what each `OrCause` returns of the states of the causes
        that cause it; a single 0 for a cause that none does.
        """
        reached = [np.zeros(1) for _ in self.layout.cards]
        steps = reversed(tape.causes)
        for causes in (self.late, self.early):
            if causes is self.early and len(back) > triggers[0].shape[1]:
                order = np.argsort(self.layout.column, kind="stable")
                starts = np.searchsorted(self.layout.column[order], np.arange(triggers[0].shape[1]))
                back = np.add.reduceat((back * self.share)[order], starts, axis=0)
            for (c, cause), cells in zip(reversed(causes.items()), steps, strict=False):
                back, reached[c] = cause.backward(cells, back)
        messages = {0: back.T}
        for (g, (h, component)), (cells, matrices) in zip(
            reversed(self.into.items()), reversed(tape.components), strict=True
        ):
            flow, before = component.backward(cells, messages[h].T, matrices)
            messages[g], messages[h] = or_messages(flow), before.T
        return [messages[g] for g in range(len(triggers))], reached


class Steps:
    """The steps of inference with the numbers of some tables, each made when it is first taken."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @cached_property
    def upper(self) -> UpperLayer:
        """From risk factors to causes."""
        t = self.tables
        return UpperLayer(t.layout, t.share, t.kept, t.gained, t.split)

    def above(self, patterns: NDArray[np.intp]) -> list[Floats]:
        """P(risk evidence, joint state), (K,) each, of rows of the components' tables, (components, n)."""
        step = CACHE_BYTES // (8 * self.tables.layout.n_joint)
        if step <= 1:
            return [self._kept(own) for own in map(tuple, patterns.T.tolist())]
        parts = (patterns[:, start : start + step] for start in range(0, patterns.shape[1], step))
        return [own for part in parts for own in self._above(part)]

    def _above(self, patterns: NDArray[np.intp]) -> Floats:
        rows = zip(self.tables.components, patterns, strict=True)
        return np.ascontiguousarray(self.upper.forward([c.of_patterns(row) for c, row in rows]).T)

    @cached_property
    def _kept(self) -> Callable[[tuple[int, ...]], Floats]:
        """The same of one case of a large model; a person's are asked for again with every finding."""
        few = max(1, CHUNK_BYTES // (8 * self.tables.layout.n_joint))
        return lru_cache(maxsize=few)(lambda pattern: self._above(np.array(pattern)[:, None])[0])

    @cached_property
    def findings(self) -> Findings:
        """From causes to findings."""
        return Findings(self.tables)

    @cached_property
    def kernel(self) -> Kernel:
        """Both, in compiled code."""
        from kneebayes.inference.compiled.kernels import Kernel  # here, because numba takes a while to import

        return Kernel(self.tables)


def is_compiled(engine: Engine, n: int, least: int) -> bool:
    """Say whether compiled code takes n cases, as it does by itself from some number on."""
    if engine == "auto":
        return n >= least and not compiled.is_off()
    check_choice("engine", engine, get_args(Engine))
    return engine == "numba" and not compiled.is_off()


def leading(values: Floats) -> NDArray[np.intp]:
    """Place of the largest along the last axis, and the first of those that tie with it but for rounding.

    >>> leading(np.array([[0.1, 0.9999999999999998, 1.0], [np.nan] * 3])).tolist()
    [1, 0]
    """
    first: NDArray[np.intp] = (values >= values.max(axis=-1, keepdims=True) - ROUNDING).argmax(axis=-1)
    return first


@dataclass(frozen=True, eq=False)
class Posteriors:
    """Posteriors of n cases, (n, columns), and natural logarithms of P(evidence), (n,); NaN and -inf if impossible.

    The columns are the causes in model order, P(cause not absent), ``none_of_these``, then ``<cause>_<state>`` for
    the third state on of each cause that has more than two.
    """

    columns: tuple[str, ...]
    values: Floats
    log_evidence: Floats


class CompiledModel:
    """A compiled model: codes of the evidence in, exact posteriors out.

    >>> from kneebayes.spec.yaml_io import model_path, read_model
    >>> network = CompiledModel(read_model(model_path("posterior_knee_pain")))
    >>> network.posteriors(Evidence.empty(len(network.variables))).values.shape == (1, len(network.columns))
    True
    """

    def __init__(self, model: ModelSpec) -> None:
        self.model = model
        self.variables = tuple(model.variables)
        self.layout = Layout(model)
        self.n_joint, self.joint_states = self.layout.n_joint, self.layout.states
        self._step = max(1, CHUNK_BYTES // (8 * self.n_joint))  # cases whose joint distributions fit a cache
        states = self.joint_states
        extra = [(c, s) for c, card in enumerate(self.layout.cards) for s in range(2, card)]
        names = list(model.causes)
        self.columns = (*names, "none_of_these", *(f"{names[c]}_{model.causes[names[c]].states[s]}" for c, s in extra))
        members = [*(states[:, c] > 0 for c in range(len(names))), (states == 0).all(axis=1)]
        members += [states[:, c] == s for c, s in extra]
        # which joint states the columns of the posteriors add up, shape (columns, joint states)
        self.membership = np.stack(members).astype(np.float64)
        n_outer = prod(self.layout.cards[: len(names) // 2])
        folded = self.membership.reshape(len(members), n_outer, -1)
        self._folds = folded[:, :, 0].T.copy(), folded[:, 0].T.copy()  # by the first causes, and by the last
        self._radix = np.array([len(risk.states) for risk in model.risks.values()])[:, None]
        self._digits = np.zeros((len(self.layout.parts), len(model.risks)), dtype=np.intp)
        for digits, part in zip(self._digits, self.layout.parts, strict=True):
            digits[list(part.rows)] = np.cumprod([1, *part.radix[:0:-1]])[::-1]
        self.parameters = ParameterVector(self)
        self.tables = self.layout.fill(self.parameters.p)
        self._steps = Steps(self.tables)

    def priors(self) -> dict[str, float]:
        """Compute the posteriors of the complaint alone, by column."""
        alone = Evidence.empty(len(self.variables)).with_state(self.variables.index(self.model.complaint), 1)
        return dict(zip(self.columns, self.posteriors(alone).values[0].tolist(), strict=True))

    def with_numbers(self, values: Floats) -> CompiledModel:
        """Make the same model with other numbers, (P,), as from `ParameterVector`; what is laid out is shared."""
        other = copy(self)
        other.__dict__.pop("_possible", None)
        other.tables = self.layout.fill(values)
        other._steps = Steps(other.tables)
        return other

    def posteriors(self, evidence: Evidence, *, engine: Engine = "auto") -> Posteriors:
        """Compute the exact posteriors of a batch, one row per case, whatever the other cases of the batch.

        The complaint is a finding like any other here. The engines agree but for rounding; "auto" takes numba from
        1024 cases on: below that its import would cost more than it saves.
        """
        if not evidence.soft:
            return self._sure_posteriors(evidence.codes, engine)
        if engine == "auto":  # the same for all portions
            engine = "numba" if evidence.n_expanded().sum() >= MIN_COMPILED else "numpy"
        found = []
        for portion in evidence.portions():
            expanded = portion.expanded()
            found.append(expanded.pooled(self._sure_posteriors(expanded.codes, engine)))
        values, log_evidence = ([getattr(own, name) for own in found] for name in ("values", "log_evidence"))
        return Posteriors(self.columns, np.concatenate(values), np.concatenate(log_evidence))

    def engine_for(self, n: int) -> Engine:
        """Choose for a table of n rows, so that its retractions take the same."""
        return "numba" if n >= MIN_COMPILED or n * self.n_joint >= MIN_COMPILED_STATES else "numpy"

    def batch(self, codes: Codes) -> Batch:
        """Put cases into the order in which `posteriors_of` is quickest, once for this model with any numbers."""
        if is_compiled("numba", codes.shape[1], MIN_COMPILED):
            return self._steps.kernel.batch(codes)
        return Batch(codes, np.arange(codes.shape[1]), [])

    def posteriors_of(self, batch: Batch) -> Posteriors:
        """Compute the posteriors of a batch in its order, by compiled code on one core."""
        if batch.parts:
            return self._finished(batch.codes, *self._steps.kernel.posteriors_of(batch))
        return self._sure_posteriors(batch.codes, "numpy")

    def _sure_posteriors(self, codes: Codes, engine: Engine) -> Posteriors:
        if is_compiled(engine, codes.shape[1], MIN_COMPILED):
            return self._finished(codes, *self._steps.kernel.posteriors(codes))
        return self._finished(codes, *self._posteriors(codes))

    def _finished(self, codes: Codes, values: Floats, evidence: Floats) -> Posteriors:
        """Take logarithms of P(evidence), (n,), and go over rare cases again."""
        np.minimum(values, 1.0, out=values)  # a quotient of two sums of the same terms may round to over 1
        with np.errstate(divide="ignore"):
            log_evidence = np.log(evidence)
        rare = np.flatnonzero(evidence < RARE)
        rare = rare[self._may_be(codes[:, rare])] if len(rare) else rare  # few models ever ask what may be
        for own in (rare[start : start + self._step] for start in range(0, len(rare), self._step)):
            logs = self._log_joint(Evidence(codes[:, own]))
            top = logs.max(axis=1)
            joint = np.exp(logs - np.maximum(top, MIN_LOG)[:, None])
            whole = joint.sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                values[own] = np.minimum([self.folded(row)[0] for row in joint] / whole[:, None], 1.0)
                log_evidence[own] = np.log(whole) + top
        return Posteriors(self.columns, values, log_evidence)

    def _posteriors(self, codes: Codes) -> tuple[Floats, Floats]:
        n = codes.shape[1]
        values, evidence = np.empty((n, len(self.columns))), np.empty(n)
        for case, joint in self._joints(codes):
            values[case], evidence[case] = self.folded(joint)
        with np.errstate(invalid="ignore"):
            return values / evidence[:, None], evidence

    def folded(self, joint: Floats) -> tuple[Floats, float]:
        """Add one joint distribution, (K,), up by the columns of posteriors, (columns,), and in all.

        One at a time: of several, BLAS would sum in another order for another number of them.
        """
        table = joint.reshape(len(self._folds[0]), -1)
        outer, inner = table.sum(axis=1), table.sum(axis=0)
        sums: Floats = outer @ self._folds[0] + inner @ self._folds[1]
        sums[len(self.layout.cards)] = joint[0]
        return sums, float(outer.sum())

    def joint(self, evidence: Evidence, *, log_unit: float = 0.0) -> Floats:
        """Compute P(evidence, joint state of the causes), (n, joint states), as in ``joint_states``.

        The last cause varies fastest. A row sums to P(evidence), in units of the likelihoods' largest; where
        ``log_unit``, the logarithm of such a probability, says that they are rare, in that unit. Raises CaseError if
        the soft risk factors of a case have too many joint states.
        """
        if log_unit < np.log(RARE):
            return np.exp(self._log_joint(evidence) - log_unit)
        n_risks = len(self.model.risks)
        above = tuple(answer for answer in evidence.soft if answer.row < n_risks)
        if above:
            expanded = Evidence(evidence.codes, above).expanded()
            joint = np.zeros((evidence.n, self.n_joint))
            for start in range(0, len(expanded.case), self._step):
                part = slice(start, start + self._step)
                weight = np.exp(expanded.log_weight[part, None])
                np.add.at(joint, expanded.case[part], weight * self._joint(expanded.codes[:, part]))
        else:
            joint = self._joint(evidence.codes)
        return self._with_soft(joint, evidence)

    def likelihood(self, evidence: Evidence) -> Floats:
        """Compute P(what is known of causes and findings | joint state of the causes), (n, joint states)."""
        weights = np.empty((evidence.n, self.n_joint))
        for cases, weight in self._steps.findings.weights(evidence.codes):
            weights[cases] = weight
        return self._with_soft(weights, evidence)

    def _with_soft(self, weights: Floats, evidence: Evidence) -> Floats:
        """Weigh by soft answers to causes and findings: given the joint state, they need not be expanded."""
        for answer in evidence.soft:
            if answer.row >= len(self._radix):
                weights[answer.cases] *= self._steps.findings.mixed(answer.row - len(self._radix), answer.likelihood)
        return weights

    def _log_joint(self, evidence: Evidence) -> Floats:
        """Logarithm of the same, however improbable."""
        above, below = (
            [a for a in evidence.soft if (a.row < len(self._radix)) == of_risk] for of_risk in (True, False)
        )
        expanded = Evidence(evidence.codes, tuple(above)).expanded()
        logs = np.full((evidence.n, self.n_joint), -np.inf)
        with np.errstate(divide="ignore"):
            for start in range(0, len(expanded.case), self._step):
                part = slice(start, start + self._step)
                rows = zip(self.tables.components, self.rows(expanded.codes[:, part]), strict=True)
                triggers = [component.of_patterns(row) for component, row in rows]
                top = [np.maximum(trigger.max(axis=1), TINY) for trigger in triggers]
                upper = self._steps.upper.forward([t / m[:, None] for t, m in zip(triggers, top, strict=True)])
                weight = expanded.log_weight[part] + np.log(top).sum(axis=0)
                np.logaddexp.at(logs, expanded.case[part], np.log(upper.T) + weight[:, None])
        return logs + self._steps.findings.log_weights(Evidence(evidence.codes, tuple(below)))

    def _joint(self, codes: Codes) -> Floats:
        joint = np.empty((codes.shape[1], self.n_joint))
        for case, own in self._joints(codes):
            joint[case] = own
        return joint

    def _joints(self, codes: Codes) -> Iterator[tuple[int, Floats]]:
        """Yield each case, in some order, and P(evidence, joint state of the causes), (K,).

        Retractions and questions ask of one person again and again, so what cases have in common is worked out once.
        """
        patterns = self.rows(codes)
        groups = _alike(patterns)
        for some in (groups[start : start + self._step] for start in range(0, len(groups), self._step)):
            upper = self._steps.above(patterns[:, [cases[0] for cases in some]])
            own = [(case, above) for cases, above in zip(some, upper, strict=True) for case in cases]
            for places, weight in self._steps.findings.weights(codes[:, [case for case, _ in own]]):
                for case, above in (own[place] for place in places):
                    yield case, above * weight

    def rows(self, codes: Codes) -> NDArray[np.intp]:
        """Rows of the components' tables, shape (components, n), the base's first; the last digit means unknown."""
        known = codes[: len(self._radix)]
        return self._digits @ np.where(known == UNKNOWN, self._radix, known)

    def constrained(self, risk: str) -> bool:
        """Say whether other risk factors can rule out states of one, as the sex may of pregnancy."""
        row = self.variables.index(risk)
        return not next(possible for component, possible in self._possible if row in component.rows).all()

    def excludable(self) -> frozenset[str]:
        """Name the variables of which others can rule out states: risk factors, or all where a cause is certain."""
        if self._certain:
            return frozenset(self.variables)
        return frozenset(risk for risk in self.model.risks if self.constrained(risk))

    def possible(self, codes: Codes) -> NDArray[np.bool_]:
        """Say which cases have a probability over zero, (n,)."""
        if self._certain:
            return np.isfinite(self.posteriors(Evidence(codes)).log_evidence)
        return self._may_be(codes)

    def _may_be(self, codes: Codes) -> NDArray[np.bool_]:
        """Say of which cases the risk factors can go together, (n,)."""
        found = np.ones(codes.shape[1], dtype=bool)
        for component, own in self._possible:
            found &= own[patterns(component, codes)]
        return found

    @cached_property
    def _certain(self) -> bool:
        """Whether a cause or finding may follow with certainty, or never, from what it depends on."""
        certain = (self.parameters.p <= 0.0) | (self.parameters.p >= 1.0)
        return any(certain[i] and not name.startswith("risks.") for i, name in enumerate(self.parameters.names))

    def possible_states(self, codes: Codes, variable: str) -> NDArray[np.bool_]:
        """Say which states of a risk factor the others leave a probability over zero, (n, its states)."""
        row = self.variables.index(variable)
        n_states = len(self.model.risks[variable].states)
        if not self.constrained(variable):
            return np.ones((codes.shape[1], n_states), dtype=bool)
        component, possible = next((c, p) for c, p in self._possible if row in c.rows)
        trial = codes.copy()
        trial[row] = 0
        step = prod(component.radix[component.rows.index(row) + 1 :])
        found: NDArray[np.bool_] = possible[patterns(component, trial)[:, None] + step * np.arange(n_states)]
        return found

    @cached_property
    def _possible(self) -> list[tuple[Component, NDArray[np.bool_]]]:
        """Which evidence patterns of each component have a probability over zero."""
        return [(c, c.chance > 0) for c in self.tables.components]


class VersionedCase:
    """The evidence of one case, to be asked under many versions of the numbers of a model.

    The same steps as for many cases, with versions of the model side by side in their place. What the evidence
    excludes is never tabulated. ``informed``, (findings,), says whether something is known of each finding.
    """

    def __init__(self, network: CompiledModel, evidence: Evidence) -> None:
        self.network, self.layout = network, network.layout
        layout, model = self.layout, network.model
        given = {answer.row: answer.likelihood for answer in evidence.soft}
        likelihoods = [
            given[row] if row in given else _known(model.events[name], variable.states, code)
            for row, ((name, variable), code) in enumerate(
                zip(model.variables.items(), evidence.codes[:, 0].tolist(), strict=True)
            )
        ]
        self._causes = likelihoods[layout.n_risks :][: len(layout.cards)]
        self._findings = likelihoods[layout.n_risks + len(layout.cards) :]
        self.informed = np.array([(likelihood != likelihood[0]).any() for likelihood in self._findings])
        rare = network.posteriors(evidence).log_evidence[0]
        self._log_unit = rare if -np.inf < rare < np.log(RARE) else 0.0
        self._possible: list[tuple[Part, NDArray[np.intp], Floats]] = []
        for part in layout.parts:
            weight = np.ones(1)
            for row in part.rows:
                weight = (weight[:, None] * likelihoods[row]).ravel()
            states = np.flatnonzero(weight)
            self._possible.append((part, states, weight[states]))

    def posteriors(self, values: Floats) -> tuple[Floats, Floats]:
        """Compute posteriors, (versions, columns), and P(evidence) of each version of the numbers, (versions, P).

        A row of NaN where the evidence is impossible; P(evidence) is up to the factor that likelihoods have, and of a
        rare case to one more.
        """
        n_possible = max(len(states) for _, states, _ in self._possible)
        size = 8 * max(2 * self.layout.n_joint, n_possible << (len(self._causes) + 1) // 2)
        step = max(1, CHUNK_BYTES // size)
        parts = [self._joint(values[start : start + step]) for start in range(0, len(values), step)]
        sums = np.concatenate([part @ self.network.membership.T for part, _ in parts])
        whole = np.concatenate([part.sum(axis=1) for part, _ in parts])
        with np.errstate(invalid="ignore", over="ignore"):  # a version may make of what is rare no rare thing
            evidence = whole * np.exp(np.concatenate([log_unit for _, log_unit in parts]) - self._log_unit)
            return np.minimum(sums / whole[:, None], 1.0), evidence

    def _joint(self, values: Floats) -> tuple[Floats, Floats]:
        """P(evidence, joint state of the causes), (versions, joint states), in units of which this is the logarithm."""
        layout, n = self.layout, len(values)
        shares = layout.shares(values)
        links = np.concatenate([values, np.zeros((n, 1))], axis=1)
        kept, gained = zip(*(layout.from_causes(c, links) for c in range(len(layout.cards))), strict=True)
        upper = UpperLayer(
            layout,
            layout.share(shares).T,
            [chance.T for chance in kept],
            [chance.T for chance in gained],
            [shares[:, split].T for split in layout.splits],
        )
        joint = upper.forward([self._triggered(*possible, links, shares) for possible in self._possible])
        cells, likelihoods = joint.reshape(*layout.cards, n), self._likelihoods(links.T)
        log_unit = np.zeros(n)
        if self._log_unit:
            with np.errstate(divide="ignore"):
                logs = sum(map(np.log, likelihoods), start=np.log(cells)).reshape(-1, n)
            log_unit = np.maximum(logs.max(axis=0), MIN_LOG)
            cells = np.exp(logs - log_unit)
        else:
            for likelihood in likelihoods:
                cells *= likelihood
        return np.ascontiguousarray(cells.reshape(-1, n).T), log_unit

    def _triggered(self, part: Part, states: NDArray[np.intp], weight: Floats, links: Floats, shares: Floats) -> Floats:
        """P(evidence on this component, exactly these targets triggered), shape (versions, 2 ** targets)."""
        prior = shares[:, part.shares[:, states]].prod(axis=1) * weight
        left, right = outer_halves(prior, *self.layout.triggers(part, links, states))
        triggered: Floats = np.matmul(left.transpose(0, 2, 1), right).reshape(len(links), -1)
        return triggered

    def _likelihoods(self, links: Floats) -> Iterator[Floats]:
        """Likelihood of each cause and finding by joint state; a finding spans only the causes it links to."""
        layout = self.layout
        for c, likelihood in enumerate(self._causes):
            yield layout.along(likelihood, c)
        for f, likelihood in enumerate(self._findings):
            if not self.informed[f]:
                yield likelihood[:1]
                continue
            # states that are as likely as the next go together, and impossible ones need not be asked about
            ends = np.flatnonzero(np.append(np.diff(likelihood), 1.0)).tolist()
            yield sum(
                (
                    likelihood[high] * layout.between(f, low, high, links)
                    for low, high in zip([-1, *ends], ends, strict=False)
                    if likelihood[high] > 0.0
                ),
                start=np.zeros(1),
            )


def _known(events: Sequence[frozenset[str]], states: Sequence[str], code: int) -> Floats:
    """Likelihood of each state of a variable, 1 or 0, by what a code says of it."""
    return np.array([1.0 if code == UNKNOWN or state in events[code] else 0.0 for state in states])
