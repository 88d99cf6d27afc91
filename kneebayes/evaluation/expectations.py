"""What a model is held to, as data (claims of the article, pairs with a direction, labelled cases); where two differ.

Each is a file of ``data/`` that ships with the package. A row that names what a model does not know does not apply.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from kneebayes.cases.coding import CASE_ID, Coder
from kneebayes.cases.labels import NONE
from kneebayes.errors import KneeBayesError
from kneebayes.spec.listing import numbers
from kneebayes.spec.yaml_io import shipped
from kneebayes.templates import render

if TYPE_CHECKING:
    from kneebayes.model import Model

Facts = dict[str, str]
T = TypeVar("T")
CASES = ("vignettes", "published_cases")
MIN_MOVE = 0.05  # of a posterior: less is not worth a line
MOVED = 1.5  # times the odds, or the inverse: a number that moved by more than half its odds
CARE = ("red_flag", "care")  # claims about what to do, which no posterior shows


def shipped_rows(name: str) -> list[Facts]:
    """Read a file of ``data/``, which ships with the package."""
    path = f"data/{name}.csv"
    return list(csv.DictReader(io.StringIO(shipped(path, checkout=path).read_text(encoding="utf-8"))))


def facts_known(coder: Coder, row: Mapping[str, T]) -> dict[str, T] | None:
    """Take the facts of a case that a model has columns for; None if it can't read what one of them says."""
    facts = {column: row[column] for column in coder.columns if row.get(column) not in (None, "")}
    try:
        coder.case(facts)
    except KneeBayesError:
        return None
    return facts


def check_claims(model: Model) -> pd.DataFrame:
    """Ask the claims that a posterior can show: by claim, the value, what is ``asked`` of it, and whether it holds."""
    rows = [row for row in shipped_rows("article_claims") if row["shows"] not in CARE]
    targets = [row["target"] + ("" if row["target_state"] == "present" else f"_{row['target_state']}") for row in rows]
    sides = [f"{row['given']} against {row['compared_with']}" if row["compared_with"] else row["given"] for row in rows]
    asked_of = zip(rows, sides, strict=True)
    places = [f"claim {row['claim']}: {row['statement']} ({row['target']}: {side})" for row, side in asked_of]
    p, q = _both_sides(model, rows, "given", "compared_with", targets)
    ratio = p / (1 - p) / (q / (1 - q))
    shows = np.array([row["shows"] for row in rows])
    value = np.select([shows == "raises", shows == "lowers"], [ratio, 1 / ratio], p)
    asked = np.array([float(row["ratio"]) for row in rows])
    holds = np.where(shows == "at_most", value <= asked, value >= asked)
    return _applying(pd.DataFrame({"value": value, "asked": asked, "holds": holds}, index=places))


def check_directions(model: Model) -> pd.DataFrame:
    """Ask the pairs: by pair, the posterior where the cause should be likelier, in the other description, and if so."""
    rows = shipped_rows("directions")
    p, q = _both_sides(model, rows, "more", "less", [row["cause"] for row in rows])
    places = [f"{row['id']} {row['cause']}: {row['more']} over {row['less']}" for row in rows]
    return _applying(pd.DataFrame({"value": p, "asked": q, "holds": p > q}, index=places))


def rank_cases(model: Model) -> pd.DataFrame:
    """Score the labelled cases: a row each with the posterior and place of the right cause, and the alarm.

    Whatever stands in ``label``, ``clinical_label`` or ``also`` is right; where that is none of the model's causes,
    ``none_of_these`` is. There are none for a model that does not know the complaint they are about.
    """
    coder, targets = Coder(model.file), [*model.causes, NONE]
    about = [(name, row) for name in CASES for row in shipped_rows(name) if model.file.complaint in row]
    known = [(name, row, facts) for name, row in about if (facts := facts_known(coder, row)) is not None]
    scores = _scores(model, [facts for *_, facts in known])
    p = scores[targets].to_numpy()
    labels = [{row["label"], row.get("clinical_label", ""), *row["also"].split(";")} for _, row, _ in known]
    right = np.array([[target in said for target in targets] for said in labels], dtype=bool).reshape(p.shape)
    right[~right.any(axis=1), -1] = True
    best = np.where(right, p, -1.0).argmax(axis=1)
    posterior = p[np.arange(len(p)), best]
    return pd.DataFrame(
        {
            "right": np.array(targets)[best],
            "posterior": posterior,
            "place": 1 + (p > posterior[:, None]).sum(axis=1),
            "alarm": scores[f"{model.file.alarm.cause}_alarm"].to_numpy(),
        },
        index=pd.MultiIndex.from_arrays(
            [[name for name, *_ in known], [row["case_id"] for _, row, _ in known]], names=["file", "case"]
        ),
    )


def compare(old: Model, new: Model) -> str:
    """Write as Markdown in what two models differ, and which posteriors, claims, pairs and labelled cases it moves."""
    before, after = (dict(numbers(m.file)) for m in (old, new))
    both = [(place, before[place].p, number) for place, number in after.items() if place in before]
    changed = [(place, p, n, _odds_ratio(p, n.p)) for place, p, n in both if p != n.p]
    cases = rank_cases(old).add_suffix("_old").join(rank_cases(new).add_suffix("_new"), how="inner")
    move = (cases["posterior_old"] - cases["posterior_new"]).abs() >= MIN_MOVE
    move |= (cases["place_old"] != cases["place_new"]) | (cases["alarm_old"] != cases["alarm_new"])
    return render(
        "diff.md",
        old=old.file,
        new=new.file,
        moved=[row for row in changed if not 1 / MOVED <= row[3] <= MOVED],
        nudged=[row for row in changed if 1 / MOVED <= row[3] <= MOVED],
        added=[(place, number) for place, number in after.items() if place not in before],
        gone=[(place, number) for place, number in before.items() if place not in after],
        priors=_beside(*(m.diagnose({}).posterior.rename(m.file.label_of) for m in (old, new))),
        claims=_unlike(*(check_claims(m)["holds"] for m in (old, new))),
        directions=_unlike(*(check_directions(m)["holds"] for m in (old, new))),
        cases=cases[move],
    )


def _both_sides(
    model: Model, rows: Sequence[Facts], one: str, other: str, targets: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """P(the target of each row) by the facts of its two cells; NaN where the model does not know them."""
    coder = Coder(model.file)
    told = [[dict(fact.split("=") for fact in row[side].split(";") if fact) for row in rows] for side in (one, other)]
    known = [all(facts_known(coder, facts) == facts for facts in pair) for pair in zip(*told, strict=True)]
    sides = []
    for facts in told:
        scores = _scores(model, [each if ok else {} for each, ok in zip(facts, known, strict=True)])
        asked = [target if target in scores and ok else None for target, ok in zip(targets, known, strict=True)]
        sides.append(np.array([np.nan if name is None else scores[name].iat[i] for i, name in enumerate(asked)]))
    return sides[0], sides[1]


def _scores(model: Model, facts: list[Facts]) -> pd.DataFrame:
    columns = {name: [each.get(name) for each in facts] for name in dict.fromkeys(n for each in facts for n in each)}
    table = model.score_table(pa.table({CASE_ID: pa.array(range(len(facts))), **columns})).table
    scores: pd.DataFrame = table.to_pandas()
    return scores


def _applying(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["value"].notna()]


def _odds_ratio(old: float, new: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(new) * (1 - old) / (np.float64(old) * (1 - new)))


def _beside(old: pd.Series, new: pd.Series) -> pd.DataFrame:
    return pd.concat([old.rename("old"), new.rename("new")], axis=1)


def _unlike(old: pd.Series, new: pd.Series) -> pd.DataFrame:
    """Keep what holds in one only, of what applies to both."""
    table = _beside(old, new).dropna()
    return table[table["old"] != table["new"]]
