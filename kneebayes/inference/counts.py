"""Expected counts: how often each cause, risk factor and trigger occurred, given what is known of cases.

The forward pass is that of inference: components of risk factors OR their triggers into the causes, causes OR into
causes, findings weigh. P(evidence) is linear in the table row of each component, so one backward pass over the same
steps gives, for every component and pattern t of its triggers, P(evidence, t) / P(t): all that its expected counts
need, however many of its risk factors are missing. The findings need only the posterior of the joint state, summed
over the cases of which a set of states is known, and where that is "at most" a state, of each cause alone.

This is the reference. Many cases take the same way in compiled code, some ten times as fast.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from kneebayes.inference.evidence import Cases
from kneebayes.inference.network import Engine, Steps, Taped, is_compiled
from kneebayes.inference.tables import Counts, Tables, patterns

Floats = NDArray[np.float64]
CHUNK = 256  # cases whose forward states fit a core's cache
MIN_COMPILED = 256


class Expectation:
    """Computes expected counts with one set of tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self.layout, self._steps = tables, tables.layout, Steps(tables)

    def counts(self, cases: Cases, *, engine: Engine = "auto") -> Counts:
        """Compute expected counts of at least one case, summed by weight, always in the same order.

        A case that is impossible, whose ``log_evidence`` is -inf, counts as none. The engines agree but for rounding;
        by itself, numba from `MIN_COMPILED` cases on.
        """
        if not is_compiled(engine, len(cases.weight), MIN_COMPILED):
            return self._counts(cases)
        counts = self._steps.kernel.counts(cases)
        lost = np.flatnonzero(np.isneginf(counts.log_evidence))
        if len(lost):  # impossible, or so improbable that the product of it all is 0: here logarithms add up
            again = self._counts(cases.chosen(lost))
            log_evidence = counts.log_evidence
            log_evidence[lost] = again.log_evidence
            counts.add(again)
            counts.log_evidence = log_evidence
        return counts

    def _counts(self, cases: Cases) -> Counts:
        counts = self._chunk(cases.chosen(slice(CHUNK)))
        for start in range(CHUNK, len(cases.weight), CHUNK):
            counts.add(self._chunk(cases.chosen(slice(start, start + CHUNK))))
        return counts

    def _chunk(self, cases: Cases) -> Counts:
        layout, codes, n = self.layout, cases.codes, len(cases.weight)
        likelihood, scale = self._steps.findings.likelihood(codes, cases.allowed)
        components = self.tables.components
        rows = [patterns(component, codes) for component in components]
        triggers = [component.of_patterns(row) for component, row in zip(components, rows, strict=True)]
        tape = Taped([], [])
        joint = self._steps.upper.forward(triggers, tape)
        evidence = (joint * likelihood).sum(axis=0)
        back = likelihood * np.divide(cases.weight, evidence, out=np.zeros(n), where=evidence > 0)
        with np.errstate(divide="ignore"):
            log_evidence = np.log(evidence) + scale
        posterior = joint * back
        messages, reached = self._steps.upper.backward(triggers, tape, back)
        sums = [_sum_rows(m, row, c.n_patterns) for m, row, c in zip(messages, rows, components, strict=True)]
        rows_said, vectors_said = self._steps.findings.said(codes)
        at_most = np.zeros(self.tables.at_most_links.shape)
        for c, card in enumerate(layout.cards):
            marginal = posterior.reshape(prod(layout.cards[:c]), card, -1, n).sum(axis=(0, 2))
            at_most[:, c, :card] = rows_said @ marginal.T
        return Counts(log_evidence, at_most, vectors_said @ posterior.T, posterior.sum(axis=1), sums, reached)


def _sum_rows(values: Floats, rows: NDArray[np.intp], n: int) -> Floats:
    """Add up the rows of cases that have the same pattern: (cases, columns) to (n patterns, columns)."""
    sums = np.zeros((n, values.shape[1]))
    order = np.argsort(rows, kind="stable")
    distinct, first = np.unique(rows[order], return_index=True)
    if len(distinct):
        sums[distinct] = np.add.reduceat(values[order], first, axis=0)
    return sums
