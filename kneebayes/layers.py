"""The network in layers: how strong its arrows are, and which variable stands where."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kneebayes.model import ModelFile

__all__ = ["dependences", "link_strengths", "ordered"]


def link_strengths(model: ModelFile) -> dict[tuple[str, str], float]:
    """Give every arrow to a cause or finding its strength.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    dict of (str, str) to float
        By parent and child: the largest link probability over the parent's
        states, interactions included.
    """
    strengths: dict[tuple[str, str], float] = {}
    links = {name: cause.links for name, cause in model.causes.items()}
    links |= {name: finding.links for name, finding in model.findings.items()}
    for child, own in links.items():
        for parent, states in own.items():
            strengths[parent, child] = max(number.p for number in states.values())
    for interaction in model.interactions:
        for parent in interaction.when:
            arrow = (parent, interaction.target)
            strengths[arrow] = max(strengths.get(arrow, 0.0), interaction.link.p)
    return strengths


def dependences(model: ModelFile) -> list[tuple[str, str]]:
    """List the arrows among risk factors.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    list of (str, str)
        A risk factor, and one whose frequency depends on it.
    """
    return [(parent, name) for name, risk in model.risks.items() for parent in risk.parents]


def ordered(names: Mapping[str, object], causes: list[str], strengths: Mapping[tuple[str, str], float]) -> list[str]:
    """Sort risk factors or findings by the mean place of their causes, which keeps most arrows from crossing.

    Parameters
    ----------
    names : mapping of str to object
        Risk factors or findings.
    causes : list of str
        From top to bottom.
    strengths : mapping of (str, str) to float
        As from `link_strengths`.

    Returns
    -------
    list of str
        Only those with a link to one of the causes.
    """
    centre = {}
    for name in names:
        own = _pulls(name, causes, strengths)
        if own:
            centre[name] = float(np.average([place for place, _ in own], weights=[p + 1e-6 for _, p in own]))
    return sorted(centre, key=centre.__getitem__)


def _pulls(name: str, causes: list[str], strengths: Mapping[tuple[str, str], float]) -> list[tuple[int, float]]:
    return [
        (place, strengths[arrow])
        for place, cause in enumerate(causes)
        for arrow in ((name, cause), (cause, name))
        if arrow in strengths
    ]
