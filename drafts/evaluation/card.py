"""A model card: what a model is for, what it rests on, how it does and where it fails, in the headings of the field.

The headings are those of Mitchell et al. 2019 (Model cards for model reporting), with what TRIPOD+AI (Collins et al.
2024) asks a prediction model to report. Every number is computed from the model when the card is made.
"""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined

from kneebayes.diagnosis.wells import read_sheet
from kneebayes.evaluation.expectations import check_claims, check_directions, rank_cases
from kneebayes.evaluation.metrics import wilson
from kneebayes.spec.listing import size
from kneebayes.spec.model_spec import LEVELS

if TYPE_CHECKING:
    from kneebayes.model import Model

__all__ = ["model_card"]

PEOPLE, SEED = 60_000, 20210521
PARTS = 10  # of the calibration: tenths of the simulated people by P(the alarm's cause)
WELLS_CLASSES = {"low": (-99, 0), "moderate": (1, 2), "high": (3, 99)}  # points, both ends included: Wells 1997
SUSPECTED = {"calf_pain": "present", "unilateral_leg_swelling": "present"}  # of whom the Wells score is asked


def model_card(model: Model, *, people: int = PEOPLE, seed: int = SEED) -> str:
    """Write the card of a model.

    Parameters
    ----------
    model : Model
        The model.
    people, seed : int
        How many people to simulate for the calibration and the Wells classes, and the seed.

    Returns
    -------
    str
        Markdown.
    """
    spec = model.file
    drawn = model.simulate(people, seed=seed, missing=0.0, with_causes=True)
    bases = Counter(kind for _, number in spec.probabilities() for kind in _kinds(number.basis))
    facts = {
        "spec": spec,
        "size": size(spec),
        "bases": bases,
        "cause": spec.label_of(spec.alarm.cause),
        "prior": model.diagnose({}).posterior,
        "labels": {name: spec.label_of(name) for name in (*model.causes, "none_of_these")},
        "files": _by_file(model),
        "claims": check_claims(model),
        "directions": check_directions(model),
        "calibration": _calibration(model, drawn),
        "needless": _needless(model, drawn),
        "wells": _wells(model, drawn),
        "people": people,
    }
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    text = files("kneebayes.evaluation").joinpath("templates/card.md").read_text(encoding="utf-8")
    return environment.from_string(text).render(facts)


def _kinds(basis: str) -> set[str]:
    return {part.strip().split(":")[0].split(" ")[0].rstrip("s") for part in basis.split(";")}


def _by_file(model: Model) -> dict[str, dict[str, Any]]:
    """How the labelled cases come out, by file: shares as (k, n, low, high), with Wilson's 95 % interval."""
    ranks, found = rank_cases(model), {}
    for name, rows in ranks.groupby(level="file", sort=False):
        clots = rows["right"] == model.file.alarm.cause
        level = rows["alarm"].map(LEVELS.index)
        caution, urgent = (level >= LEVELS.index(at) for at in ("caution", "urgent"))
        missed = rows[(rows["rank"] > 3) & ~clots]
        found[str(name)] = {
            "right cause first": _share(rows["rank"] == 1),
            "right cause among three": _share(rows["rank"] <= 3),
            "first, clots left out": _share(rows["rank"][~clots] == 1),
            "among three, clots left out": _share(rows["rank"][~clots] <= 3),
            "none of the causes is right: said first": _share(rows["rank"][rows["right"] == "none_of_these"] == 1),
            "clots at caution or above": _share(caution[clots]),
            "clots at urgent or above": _share(urgent[clots]),
            "caution or above without a clot": _share(caution[~clots]),
            "missed": [f"{case} ({row.right}, place {row.rank})" for (_, case), row in missed.iterrows()],
        }
    return found


def _share(holds: pd.Series) -> tuple[int, int, float, float]:
    k, n = int(holds.sum()), len(holds)
    return (k, n, *(wilson(k, n)[1:] if n else (0.0, 1.0)))


def _calibration(model: Model, drawn: pd.DataFrame) -> pd.DataFrame:
    """Predicted against observed, by tenths of P(the alarm's cause): half of the cells left empty."""
    cause = model.file.alarm.cause
    evidence = drawn.drop(columns=[name for name in drawn if str(name).startswith("true_")])
    hidden = np.random.default_rng(SEED).random(evidence.shape) < 0.5
    hidden[:, [name in ("case_id", "label", "also") for name in evidence]] = False
    p = model.score(evidence.mask(hidden))[cause]
    truth = drawn[f"true_{cause}"] == "present"
    parts = pd.qcut(p.rank(method="first"), PARTS, labels=False) + 1
    table = pd.DataFrame({"predicted": p, "observed": truth}).groupby(parts).mean()
    table.index.name = "tenth"
    return table


def _needless(model: Model, drawn: pd.DataFrame) -> float:
    """Share of simulated people without the alarm's cause, all findings known, who are told caution or more."""
    cause = model.file.alarm.cause
    without = drawn[drawn[f"true_{cause}"] != "present"]
    scored = model.score(without[[name for name in without if not str(name).startswith("true_")]])
    return float(scored[f"{cause}_alarm"].isin(LEVELS[LEVELS.index("caution") :]).mean())


def _wells(model: Model, drawn: pd.DataFrame) -> pd.DataFrame | None:
    """P(clot) by Wells class among simulated people with calf pain and one leg swollen; the tenth item left out.

    None for a model without the items.
    """
    if not set(SUSPECTED) <= set(drawn.columns):
        return None
    suspects = drawn[np.all([drawn[name] == value for name, value in SUSPECTED.items()], axis=0)]
    points = np.zeros(len(suspects))
    for item in read_sheet().items.values():
        known = {name: states for name, states in item.any_of.items() if name in suspects}
        if known:
            points += item.points * np.any([suspects[n].isin(states).to_numpy() for n, states in known.items()], axis=0)
    truth = suspects["true_dvt"] == "present"
    rows = {name: (points >= low) & (points <= high) for name, (low, high) in WELLS_CLASSES.items()}
    rows["all"] = np.ones(len(points), dtype=bool)
    return pd.DataFrame(
        {"people": {n: int(w.sum()) for n, w in rows.items()}, "clot": {n: truth[w].mean() for n, w in rows.items()}}
    )
