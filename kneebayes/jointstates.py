"""The most probable joint states of all causes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError
from kneebayes.inference import Network
from kneebayes.likelihood import Unsure, unsure_joint

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["JointState", "most_probable", "most_probable_frame"]


@dataclass(frozen=True)
class JointState:
    """One state of all causes together.

    Attributes
    ----------
    states : dict of str to str
        State of every cause, in model order.
    probability : float
        P(all of it | evidence).
    present : tuple of str
        The causes that are there, in model order; a state other than the
        first one present as in ``bakers_cyst_ruptured``.
    """

    states: dict[str, str]
    probability: float
    present: tuple[str, ...]


def most_probable(
    network: Network, codes: NDArray[np.int8], unsure: Sequence[Unsure] = (), *, n: int = 5
) -> list[JointState]:
    """Find the most probable joint states of the causes of one case, exactly.

    Parameters
    ----------
    network : Network
        The compiled model.
    codes : ndarray of int8, shape (variables, 1)
        What is known for sure.
    unsure : sequence of Unsure
        What is given as likelihoods.
    n : int, default 5
        At most how many, from 1; states with probability 0 are left out.

    Returns
    -------
    list of JointState
        The most probable first; ties in the order of ``network.joint_states``.

    Raises
    ------
    CaseError
        If `n` is under 1.
    """
    if n < 1:
        raise CaseError(f"n {n}: ask for at least one joint state")
    joint = unsure_joint(network, codes, unsure)[0]
    probability = joint / joint.sum()
    order = np.argsort(-probability, kind="stable")[:n]
    found = []
    for k in order[probability[order] > 0].tolist():
        places = list(zip(network.model.causes.items(), network.joint_states[k].tolist(), strict=True))
        present = tuple(name if s == 1 else f"{name}_{cause.states[s]}" for (name, cause), s in places if s > 0)
        states = {name: cause.states[s] for (name, cause), s in places}
        found.append(JointState(states, float(probability[k]), present))
    return found


def most_probable_frame(found: Sequence[JointState]) -> pd.DataFrame:
    """Give joint states as a table.

    Parameters
    ----------
    found : sequence of JointState
        At least one, the most probable first.

    Returns
    -------
    pandas.DataFrame
        One row each: the causes that are present (``none_of_these`` where none
        is; a state other than the first one present as in ``bakers_cyst_ruptured``), their
        joint probability, the sum of it so far, and the state of every cause.
    """
    import pandas as pd

    rows = []
    for joint in found:
        present = ";".join(joint.present) or "none_of_these"
        rows.append({"present": present, "probability": joint.probability} | joint.states)
    frame = pd.DataFrame(rows)
    frame.insert(2, "cumulative", frame["probability"].cumsum())
    return frame
