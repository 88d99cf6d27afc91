"""Cases cut into strands that go through the compiled passes on all cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kneebayes.components import patterns
from kneebayes.cores import cores
from kneebayes.counts import Cases, Counts
from kneebayes.course import course_of, or_entries
from kneebayes.lanes import LANES
from kneebayes.passes import count
from kneebayes.tables import Tables

__all__ = ["Strands"]

Floats = NDArray[np.float64]
MOST = 16  # strands, whatever the number of cores, so that sums round alike everywhere
LEAST = 64  # cases in one


class _Sums(NamedTuple):
    """What the passes add up."""

    present: Floats  # (findings, joint states)
    known: Floats  # (findings, causes, most states)
    joint: Floats
    base: Floats  # (patterns of the base that there are, columns)
    single: Floats  # laid out as the tables of the course
    several: Floats
    reached: Floats


class Strands:
    """The compiled passes with one set of tables.

    Parameters
    ----------
    tables : Tables
        The tables of a model.
    n_risks : int
        How many risk factors come before the causes in the codes.
    """

    def __init__(self, tables: Tables, n_risks: int) -> None:
        course = course_of(tables, n_risks)
        whole = np.pad(course.base, [(0, 0), (0, -course.base.shape[1] % LANES)])
        self.tables, self.course = tables, course._replace(base=whole)

    def run(self, cases: Cases) -> Counts:
        """Add up the expected counts of cases.

        Parameters
        ----------
        cases : Cases
            What is known of at least one.

        Returns
        -------
        Counts
            Summed over the cases by weight, always in the same order.
        """
        n = len(cases.weight)
        pattern = patterns(self.tables.base, cases.codes)
        order = np.argsort(pattern, kind="stable")  # cases of one pattern read and write the same row of the base
        pattern = pattern[order]
        codes = np.ascontiguousarray(cases.codes.T[order])
        allowed, weight = cases.allowed[order], np.asarray(cases.weight, dtype=float)[order]
        log_evidence = np.empty(n)
        length = max(-(-n // MOST), LEAST)

        def work(start: int) -> tuple[int, _Sums]:
            part = slice(start, start + length)
            first, last = int(pattern[part][0]), int(pattern[part][-1])
            sums = self._nothing(last + 1 - first)
            count(self.course, codes[part], allowed[part], weight[part], first, sums, log_evidence[part])
            return first, sums

        starts = range(0, n, length)
        total = self._nothing(len(self.tables.base.trigger))
        with ThreadPoolExecutor(min(cores(), len(starts))) as pool:
            for first, sums in pool.map(work, starts):
                for name, mine, theirs in zip(_Sums._fields, total, sums, strict=True):
                    own = mine[first : first + len(theirs)] if name == "base" else mine
                    own += theirs
        restored = np.empty(n)
        restored[order] = log_evidence
        return self._counts(total, restored)

    def _nothing(self, n_patterns: int) -> _Sums:
        c = self.course
        return _Sums(
            present=np.zeros_like(c.present),
            known=np.zeros_like(c.absent_links),
            joint=np.zeros_like(c.share),
            base=np.zeros((n_patterns, c.base.shape[1])),
            single=np.zeros_like(c.single_table),
            several=np.zeros_like(c.several_table),
            reached=np.zeros_like(c.kept),
        )

    def _counts(self, sums: _Sums, log_evidence: Floats) -> Counts:
        c, parts = self.course, (self.tables.base, *self.tables.components)
        components = [sums.base[:, : self.tables.base.trigger.shape[1]], *(np.empty(0) for _ in parts[1:])]
        for i, g in enumerate(c.single):
            components[g] = sums.single[c.single_start[i] : c.single_start[i + 1]].reshape(-1, 2)
        for i, g in enumerate(c.several):
            weights = or_entries(parts[g].targets, self.tables.cards, self.tables.split)[1]
            flows = sums.several[c.several_start[i] : c.several_start[i + 1]]
            components[g] = flows.reshape(-1, len(weights)) @ weights
        reached = np.split(sums.reached, c.parents_of[1:-1])
        return Counts(log_evidence, sums.present, sums.known, sums.joint, components, list(reached))
