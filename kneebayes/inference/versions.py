"""One case under many versions of a model's numbers: exact posteriors by version.

The same scheme as ``inference.py``, with versions of the model side by side in
place of cases. What the evidence excludes is never tabulated.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.parameters import Parameters, Part, outer_halves

__all__ = [
    "Case",
]

Floats = NDArray[np.float64]
CHUNK_BYTES = 1 << 23


class Case:
    """The evidence of one case, to be asked under any numbers.

    Parameters
    ----------
    parameters : Parameters
        The numbers of the model.
    evidence : Evidence
        Of the one case.

    Attributes
    ----------
    informed : ndarray of bool, shape (findings,)
        Whether something is known of each finding.
    """

    def __init__(self, parameters: Parameters, evidence: Evidence) -> None:
        self.parameters = parameters
        self.network = parameters.network
        model = self.network.model
        given = {answer.row: answer.likelihood for answer in evidence.soft}
        self.likelihoods = [
            given[row] if row in given else np.where((code == UNKNOWN) | (np.arange(len(v.states)) == code), 1.0, 0.0)
            for row, (v, code) in enumerate(zip(model.variables.values(), evidence.codes[:, 0].tolist(), strict=True))
        ]
        self.n_risks, self.n_causes = len(model.risks), len(model.causes)
        findings = self.likelihoods[self.n_risks + self.n_causes :]
        self.informed = np.array([likelihood[0] != likelihood[1] for likelihood in findings])
        self.n_possible = 1
        self._places: list[tuple[Part, NDArray[np.intp], Floats]] = []
        for part in parameters.parts:
            weight = np.ones(1)
            for row in part.component.rows:
                weight = (weight[:, None] * self.likelihoods[row]).ravel()
            places = np.flatnonzero(weight)
            self.n_possible = max(self.n_possible, len(places))
            self._places.append((part, places, weight[places]))

    def posteriors(self, values: Floats) -> tuple[Floats, Floats]:
        """Compute the posteriors under each version of the numbers.

        Parameters
        ----------
        values : ndarray, shape (versions, P)
            As for `Parameters.tables`.

        Returns
        -------
        ndarray, shape (versions, columns)
            The posteriors; a row of NaN where the evidence is impossible.
        ndarray, shape (versions,)
            P(evidence), up to the factor that likelihoods have.
        """
        size = 8 * max(2 * self.network.n_joint, self.n_possible << (self.n_causes + 1) // 2)
        step = max(1, CHUNK_BYTES // size)
        parts = [self.joint(values[start : start + step]) for start in range(0, len(values), step)]
        sums = np.concatenate([part @ self.network.membership.T for part in parts])
        evidence = np.concatenate([part.sum(axis=1) for part in parts])
        with np.errstate(invalid="ignore"):
            return np.minimum(sums / evidence[:, None], 1.0), evidence

    def joint(self, values: Floats) -> Floats:
        """Compute P(evidence, joint state of the causes) under each version of the numbers.

        Parameters
        ----------
        values : ndarray, shape (versions, P)
            As for `Parameters.tables`.

        Returns
        -------
        ndarray, shape (versions, joint states)
            As from `CompiledModel.joint`.
        """
        n, cards = len(values), self.network.tables.cards
        shares = self.parameters.shares(values)
        off, on = np.ones((n, self.n_causes)), np.zeros((n, self.n_causes))
        cells = np.empty(0)
        for part, places, weight in self._places:
            triggered, targets = self._triggered(part, places, weight, values, shares), part.component.targets
            if part is self.parameters.parts[0]:
                cells = triggered.reshape(n, *[2] * self.n_causes)
            elif len(targets) == 1:
                c = targets[0]
                on[:, c] = on[:, c] * triggered.sum(axis=1) + off[:, c] * triggered[:, 1]
                off[:, c] *= triggered[:, 0]
            else:
                cells = _or_targets(cells, targets, triggered)
        splits = [shares[:, split] for split in self.parameters.splits]
        for c, card in enumerate(cards):
            if card > 2:
                absent, present = np.split(cells, 2, axis=c + 1)
                cells = np.concatenate([absent, present * _along(splits[c], c, cells.ndim)], axis=c + 1)
        cells = np.ascontiguousarray(cells)
        links = np.concatenate([values, np.zeros((n, 1))], axis=1)
        for c in self.network.tables.order:
            self._or_cause(cells, c, off[:, c], on[:, c], splits[c], links)
            cells *= _along(self.likelihoods[self.n_risks + c][None], c, cells.ndim)
        self._weigh_findings(cells, links)
        return cells.reshape(n, -1)

    def _triggered(
        self, part: Part, places: NDArray[np.intp], weight: Floats, values: Floats, shares: Floats
    ) -> Floats:
        """P(evidence on this component, exactly these targets triggered), shape (versions, 2 ** targets)."""
        prior = shares[:, part.shares[:, places]].prod(axis=1) * weight
        off, on = self.parameters.triggers(part, values, places)
        left, right = outer_halves(prior, off, on)
        triggered: Floats = np.matmul(left.transpose(0, 2, 1), right).reshape(len(values), -1)
        return triggered

    def _or_cause(self, cells: Floats, c: int, off: Floats, on: Floats, split: Floats, links: Floats) -> None:
        """OR the single-target components and the causes of one cause in, in place."""
        ndim, axis = cells.ndim, c + 1
        keep, gain = _along(off[:, None], c, ndim), _along(on[:, None], c, ndim)
        for parent, places in self.parameters.parents[c].items():
            link = _along(links[:, places], parent, ndim)
            gain = gain + keep * link
            keep = keep * (1.0 - link)
        absent = cells[(slice(None),) * axis + (slice(0, 1),)]
        whole = _along((off + on)[:, None], c, ndim)
        for state, share in enumerate(split.T, start=1):
            present = cells[(slice(None),) * axis + (slice(state, state + 1),)]
            present *= whole
            present += absent * (gain * _along(share[:, None], c, ndim))
        absent *= keep

    def _weigh_findings(self, cells: Floats, links: Floats) -> None:
        """Multiply by the likelihood of the findings, in place; a finding spans only the causes that it links to."""
        p, n_numbers = self.parameters, links.shape[1] - 1
        for f, likelihood in enumerate(self.likelihoods[self.n_risks + self.n_causes :]):
            if likelihood[0] == likelihood[1]:
                cells *= likelihood[0]
                continue
            absent = _along(1.0 - links[:, p.leaks[f], None], 0, cells.ndim)
            for c, card in enumerate(self.network.tables.cards):
                places = p.finding_links[f, c, :card]
                if (places < n_numbers).any():
                    absent = absent * _along(1.0 - links[:, places], c, cells.ndim)
            cells *= likelihood[0] * absent + likelihood[1] * (1.0 - absent)


def _or_targets(cells: Floats, targets: Sequence[int], triggered: Floats) -> Floats:
    """OR the triggers of a component with several targets, or none, into cells of absent and present causes."""
    size = 1 << len(targets)
    state = np.arange(size)
    moves = np.zeros((size, size, size))  # after, before, triggered
    moves[state[:, None] | state, state[:, None], state] = 1.0
    matrix = (triggered @ moves.reshape(-1, size).T).reshape(-1, size, size)
    places, axes = range(1, len(targets) + 1), [t + 1 for t in targets]
    view = np.moveaxis(cells, axes, places)
    result = np.matmul(matrix, view.reshape(len(cells), size, -1)).reshape(view.shape)
    return np.moveaxis(result, places, axes)


def _along(values: Floats, c: int, ndim: int) -> Floats:
    """Shape (versions, states) for broadcasting over cells, along cause ``c``."""
    return values.reshape(len(values), *[-1 if i == c else 1 for i in range(ndim - 1)])
