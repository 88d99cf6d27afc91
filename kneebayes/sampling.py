"""Draws of every variable of the network, each after its parents.

The draws in which the complaint did not arise are dropped, which leaves exact
draws of P(risk factors, causes, findings | complaint).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kneebayes.model import ModelFile
from kneebayes.noisyor import conditional_table
from kneebayes.variables import Cause, Finding

__all__ = ["draw_codes"]

Codes = dict[str, NDArray[np.int8]]


def draw_codes(model: ModelFile, attempts: int, rng: np.random.Generator, *, complaint: bool = True) -> Codes:
    """Draw the state of every variable, after its parents.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    attempts : int
        Number of draws.
    rng : numpy.random.Generator
        The source of chance.
    complaint : bool
        Whether to keep only the draws in which the complaint is present.

    Returns
    -------
    dict of str to ndarray of int8
        State numbers by variable, one for each draw that was kept.
    """
    codes: Codes = {}
    for name in model.risk_order:
        parents, table = conditional_table(model, name)
        chances = np.moveaxis(table, 0, -1)[tuple(codes[parent] for parent in parents)]
        codes[name] = _draw(chances, attempts, rng)
    for name in model.cause_order:
        cause = model.causes[name]
        codes[name] = present = 1 - _draw_absent(model, name, cause, codes, attempts, rng)
        if cause.split:
            shares = [number.p for number in (cause.split[state] for state in cause.states[2:])]
            kind = _draw(np.array([1 - sum(shares), *shares]), attempts, rng)
            codes[name] = present * (1 + kind)
    first = model.complaint
    codes[first] = 1 - _draw_absent(model, first, model.findings[first], codes, attempts, rng)
    if complaint:
        kept = np.flatnonzero(codes[first])
        attempts = len(kept)
        codes = {name: states[kept] for name, states in codes.items()}
    for name, finding in model.findings.items():
        if name != first:
            codes[name] = 1 - _draw_absent(model, name, finding, codes, attempts, rng)
    return codes


def _draw(chances: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw states from P(state), one distribution for all draws or one for each: shape ([n,] states)."""
    limits = np.cumsum(chances[..., :-1], axis=-1)
    return np.asarray((rng.random(n)[:, None] >= limits).sum(axis=-1), dtype=np.int8)


def _draw_absent(
    model: ModelFile, name: str, node: Cause | Finding, codes: Codes, n: int, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Draw 1 where a noisy-OR node is absent; factor by factor, as a table of its parents could be huge."""
    absent = np.full(n, 1.0 - node.leak.p)
    for parent, links in node.links.items():
        survival = [1.0 - links[s].p if s in links else 1.0 for s in model.variables[parent].states]
        absent *= np.array(survival)[codes[parent]]
    for interaction in model.interactions:
        if interaction.target == name:
            holds = np.ones(n, dtype=bool)
            for parent, states in interaction.when.items():
                holds &= np.isin(model.variables[parent].states, states)[codes[parent]]
            absent[holds] *= 1.0 - interaction.link.p
    return (rng.random(n) < absent).astype(np.int8)
