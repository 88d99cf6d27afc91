"""The model beside what it is compared with, on the same cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kneebayes.labels import Labels
from kneebayes.metrics import net_benefit
from kneebayes.resampling import interval, resampled_ranking
from kneebayes.rivals import Rival
from kneebayes.tallies import TOPS, Blocks, rates, top_table

__all__ = ["comparison_table"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
BOTH = [False, True]


def comparison_table(
    rivals: Sequence[Rival], labels: Labels, known: Bools, cause: str, threshold: float, blocks: Blocks
) -> pd.DataFrame:
    """Compare rivals on the alarm's cause, and on all causes where they have them.

    Parameters
    ----------
    rivals : sequence of Rival
        The model's own alarm first.
    labels : Labels
        Of the same cases.
    known : ndarray of bool, shape (n,)
        Of which cases the alarm's cause is known.
    cause : str
        The alarm's cause.
    threshold : float
        For the net benefit.
    blocks : callable
        Gives the resamples, over and over the same.

    Returns
    -------
    pandas.DataFrame
        By name; ``auc_difference`` is the rival's AUC less the model's, with
        an interval of paired resamples.
    """
    from sklearn.metrics import log_loss

    truth = labels.present[known, labels.targets.index(cause)] == 1
    ranked = {r.name: r.score[known] for r in rivals if r.score is not None}
    drawn: dict[str, list[Floats]] = {name: [] for name in ranked}
    for counts in blocks():
        for name, score in ranked.items():
            drawn[name].append(resampled_ranking(truth, score, counts[:, known])[0])
    own = rivals[0].name
    rows = []
    for rival in rivals:
        row: dict[str, float | str] = {"rule": rival.rule, "n": len(truth), "cases": int(truth.sum())}
        if rival.flagged is not None:
            row |= rates(truth, rival.flagged[known])
            row["net_benefit"] = net_benefit(truth, rival.flagged[known], threshold)
        if rival.name in ranked and truth.any() and not truth.all():
            auc = _auc(truth, ranked[rival.name])
            row["auc"] = auc
            row["auc_difference"] = float("nan") if rival.name == own else auc - _auc(truth, ranked[own])
            if drawn[own]:
                mine, other = np.concatenate(drawn[own]), np.concatenate(drawn[rival.name])
                row["auc_low"], row["auc_high"] = interval(other)
                row["auc_difference_low"], row["auc_difference_high"] = interval(other - mine)
        losses = {
            target: float(log_loss(labels.present[some, place] == 1, rival.probabilities[target][some], labels=BOTH))
            for place, target in enumerate(labels.targets)
            if target in rival.probabilities and (some := labels.present[:, place] >= 0).any()
        }
        row["log_loss"] = losses.get(cause, float("nan"))
        if len(losses) == len(labels.targets):
            row["mean_log_loss"] = float(np.mean(list(losses.values())))
        if set(rival.probabilities) == set(labels.targets):
            top = top_table(np.column_stack([rival.probabilities[target] for target in labels.targets]), labels)
            for k, (_, counted) in zip(TOPS, top.iterrows(), strict=True):
                row |= {f"top_{k}{end}": counted[f"share{end}"] for end in ("", "_low", "_high")}
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index([rival.name for rival in rivals], name="name"))
    wanted = ("auc", "auc_difference", "net_benefit", "mean_log_loss", "top_1", "top_3", "sensitivity", "specificity")
    return table.reindex(columns=[*table.columns, *(c for c in (*wanted, "ppv", "npv") if c not in table.columns)])


def _auc(truth: Bools, score: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))
