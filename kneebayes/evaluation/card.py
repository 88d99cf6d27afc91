"""A model card: what a model is for, what it rests on, how it does and where it fails, in the headings of the field.

The headings are those of Mitchell et al. 2019 (Model cards for model reporting), with what TRIPOD+AI (Collins et al.
2024) asks a prediction model to report. Every figure is computed when the card is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from kneebayes.cases.labels import NONE
from kneebayes.diagnosis.wells import read_sheet
from kneebayes.evaluation.comparators import sheet_score
from kneebayes.evaluation.evaluate import evaluate
from kneebayes.evaluation.expectations import check_claims, check_directions, rank_cases
from kneebayes.evaluation.metrics import rate, wilson
from kneebayes.spec.listing import size
from kneebayes.spec.model_spec import LEVELS
from kneebayes.templates import render

if TYPE_CHECKING:
    from kneebayes.model import Model

PEOPLE, COMPLETE, SEED = 10_000, 3_000, 20210521  # simulated, half of the cells empty and none
SUSPECTED_OF = 5 * (100_000,)  # simulated a part at a time, of whom those with a suspected clot are kept
SUSPECTED = ("calf_pain", "unilateral_leg_swelling")  # present: of whom the Wells score is asked
FAR = 3  # a right cause that comes after so many was missed


def model_card(model: Model) -> str:
    """Write the card of a model, as Markdown."""
    spec, cause = model.file, model.file.alarm.cause
    ranks = rank_cases(model)
    incomplete, complete = (
        evaluate(model, model.simulate(people, seed=SEED, missing=missing, with_causes=True), bootstrap=0)
        for people, missing in ((PEOPLE, 0.5), (COMPLETE, 0.0))
    )
    return render(
        "card.md",
        spec=spec,
        size=size(spec),
        cause=spec.label_of(cause),
        prior=model.diagnose({}).posterior.rename(spec.label_of),
        shares={name: case_shares(rows, cause) for name, rows in ranks.groupby(level="file", sort=False)},
        missed=ranks[(ranks["place"] > FAR) & (ranks["right"] != cause)],
        claims=check_claims(model)["holds"],
        directions=check_directions(model)["holds"],
        calibration=incomplete.calibration.loc[cause],
        needless=1 - float(complete.alarm["specificity"]["caution"]),
        wells=wells_classes(model),
        people=PEOPLE,
        complete=COMPLETE,
    )


def case_shares(ranks: pd.DataFrame, cause: str) -> dict[str, tuple[int, int, float, float]]:
    """How labelled cases come out, of `rank_cases`: shares as k, n and Wilson's 95 % interval."""
    clots, none = ranks["right"] == cause, ranks["right"] == NONE
    level = ranks["alarm"].map(LEVELS.index)
    first, among = ranks["place"] == 1, ranks["place"] <= FAR
    caution, urgent = (level >= LEVELS.index(at) for at in ("caution", "urgent"))
    asked = {
        "right cause first": first,
        "right cause among three": among,
        "first, clots left out": first[~clots],
        "among three, clots left out": among[~clots],
        "none of the causes is right, and first": first[none],
        "clots at caution or above": caution[clots],
        "clots at urgent or above": urgent[clots],
        "caution or above without a clot": caution[~clots],
    }
    counts = {what: (int(holds.sum()), len(holds)) for what, holds in asked.items()}
    return {what: (k, n, *wilson(k, n)[1:]) for what, (k, n) in counts.items()}


def wells_classes(model: Model) -> pd.DataFrame | None:
    """P(clot) by class of the Wells score among simulated people with a suspected clot; the tenth item left out.

    None for a model that has not every item.
    """
    sheet = read_sheet()
    columns = {name for item in sheet.items.values() for name in item.any_of}
    if not columns.union(SUSPECTED) <= set(model.file.columns):
        return None
    parts = (model.simulate(n, seed=SEED + part, missing=0.0, with_causes=True) for part, n in enumerate(SUSPECTED_OF))
    kept = pd.concat([drawn[np.all([drawn[name] == "present" for name in SUSPECTED], axis=0)] for drawn in parts])
    clot = (kept[f"true_{sheet.cause}"] == "present").to_numpy()
    points = sheet_score(sheet, pa.Table.from_pandas(kept, preserve_index=False)).score
    starts = sorted(cut.at_least for cut in sheet.cutoffs.values() if cut.scheme == "three_classes")
    place = np.digitize(np.zeros(len(kept)) if points is None else points, starts)
    rows = {name: place == i for i, name in enumerate(("low", "moderate", "high"))} | {"all": place >= 0}
    return pd.DataFrame(
        {
            name: {"people": who.sum(), **rate("clot", int(clot[who].sum()), int(who.sum()))}
            for name, who in rows.items()
        }
    ).T
