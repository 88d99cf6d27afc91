"""What a model is held to, as data: the article's claims, pairs with a direction, labelled cases; and where two differ.

Each is a file of ``data/``, which ships with the package, and a row is a test. A row that names what a model does not
know does not apply to it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kneebayes.cases.coding import Vocabulary

if TYPE_CHECKING:
    from kneebayes.model import Model

__all__ = ["Difference", "case_rows", "check_claims", "check_directions", "compare", "rank_cases", "shipped_rows"]

CASES = ("vignettes", "published_cases")
MIN_MOVE = 0.05  # of a posterior: less is not worth a line
CARED_FOR = ("red_flag", "care")  # claims about what to do, which no posterior shows


def shipped_rows(name: str) -> list[dict[str, str]]:
    """Read a file of ``data/``: in the installed package, or in the checkout of an editable install."""
    here = Path(__file__).parents[1]
    folder = here / "data" if (here / "data").is_dir() else here.parent / "data"
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def facts_of(text: str) -> dict[str, str]:
    """Read ``name=value;name=value``."""
    return dict(pair.split("=") for pair in text.split(";")) if text else {}


def check_claims(model: Model) -> pd.DataFrame:
    """Ask the article's claims that a posterior can show: the value of each, what is asked of it, and if it holds."""
    rows = []
    for row in shipped_rows("article_claims"):
        given, other = facts_of(row["given"]), facts_of(row["compared_with"])
        if row["shows"] in CARED_FOR or not _knows(model, {**given, **other}, row["target"]):
            continue
        state = "" if row["target_state"] == "present" else f"_{row['target_state']}"
        value, asked = _posterior(model, given, row["target"] + state), float(row["ratio"])
        if row["shows"] in ("raises", "lowers"):
            ratio = _odds(value) / _odds(_posterior(model, other, row["target"] + state))
            value = ratio if row["shows"] == "raises" else 1 / ratio
        holds = value <= asked if row["shows"] == "at_most" else value >= asked
        place = f"claim {row['claim']}: {row['statement']}"
        rows.append((place, row["shows"], value, asked, holds))
    return pd.DataFrame(rows, columns=["expectation", "shows", "value", "asked", "holds"]).set_index("expectation")


def check_directions(model: Model) -> pd.DataFrame:
    """Ask the pairs: the posterior of the cause in both descriptions of each, and if the right one is higher."""
    rows = []
    for row in shipped_rows("directions"):
        more, less = facts_of(row["more"]), facts_of(row["less"])
        if _knows(model, {**more, **less}, row["cause"]):
            p, q = (_posterior(model, facts, row["cause"]) for facts in (more, less))
            place = f"{row['id']} {row['cause']}: {row['more']} > {row['less']}"
            rows.append((place, p, q, p > q))
    return pd.DataFrame(rows, columns=["expectation", "more", "less", "holds"]).set_index("expectation")


def case_rows(model: Model, name: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Go through labelled cases: each row as it stands, and the facts of it that the model has a variable for."""
    columns = Vocabulary(model.file).columns
    for row in shipped_rows(name):
        yield row, {column: row[column] for column in columns if row.get(column)}


def rank_cases(model: Model) -> pd.DataFrame:
    """Diagnose the labelled cases: a row each with the posterior and rank of the right cause, and the alarm.

    Whatever stands in ``clinical_label``, ``label`` or ``also`` is right; where that is none of the model's causes,
    ``none_of_these`` is.
    """
    rows = []
    for name in CASES:
        for row, facts in case_rows(model, name):
            dx = model.diagnose(facts)
            order = list(dx.posterior.sort_values(ascending=False, kind="stable").index)
            labels = (row.get("clinical_label"), row["label"], *row["also"].split(";"))
            named = [label for label in labels if label in model.causes]
            right = min(named or ["none_of_these"], key=order.index)
            rank = order.index(right) + 1
            rows.append((name, row["case_id"], right, dx.posterior[right], rank, dx.alarm.level, len(facts)))
    columns = ["file", "case", "right", "posterior", "rank", "alarm", "facts"]
    return pd.DataFrame(rows, columns=columns).set_index(["file", "case"])


@dataclass(frozen=True, eq=False)
class Difference:
    """In what two models differ: numbers by place, and what they move.

    Attributes
    ----------
    numbers : pandas.DataFrame
        Places whose number differs, with ``old`` and ``new``; NaN where one model has none.
    priors : pandas.DataFrame
        P(cause | the complaint alone), ``old`` and ``new``.
    claims, directions : pandas.DataFrame
        Those that hold in one only: columns ``old`` and ``new``, whether each holds.
    cases : pandas.DataFrame
        Labelled cases whose rank or alarm differs, or whose posterior of the right cause moves by 0.05 or more.
    """

    numbers: pd.DataFrame
    priors: pd.DataFrame
    claims: pd.DataFrame
    directions: pd.DataFrame
    cases: pd.DataFrame

    def __str__(self) -> str:
        parts = []
        for title, table in (
            ("Numbers that differ", self.numbers),
            ("P(cause | the complaint alone)", self.priors),
            ("Claims of the article that hold in one only", self.claims),
            ("Pairs with a direction that hold in one only", self.directions),
            ("Labelled cases that move", self.cases),
        ):
            said = "none" if table.empty else table.to_string(float_format=lambda p: f"{p:.4g}")
            parts.append(f"{title} ({len(table)})\n\n{said}")
        return "\n\n\n".join(parts)


def compare(old: Model, new: Model) -> Difference:
    """Find in what two models differ, and what that moves.

    Parameters
    ----------
    old, new : Model
        Two versions of a model.

    Returns
    -------
    Difference
        Tables, and as text all of them.
    """
    numbers = _beside({m: pd.Series({place: n.p for place, n in m.file.probabilities()}) for m in (old, new)})
    priors = _beside({m: m.diagnose({}).posterior for m in (old, new)})
    claims, directions = (_beside({m: ask(m)["holds"] for m in (old, new)}) for ask in (check_claims, check_directions))
    before, after = (rank_cases(m) for m in (old, new))
    cases = before.join(after, lsuffix="_old", rsuffix="_new")
    moved = (
        (cases["rank_old"] != cases["rank_new"])
        | (cases["alarm_old"] != cases["alarm_new"])
        | ((cases["posterior_old"] - cases["posterior_new"]).abs() >= MIN_MOVE)
    )
    shown = ["right_new", "posterior_old", "posterior_new", "rank_old", "rank_new", "alarm_old", "alarm_new"]
    return Difference(_unlike(numbers), priors, _unlike(claims), _unlike(directions), cases.loc[moved, shown])


def _beside(columns: dict[Model, pd.Series]) -> pd.DataFrame:
    old, new = columns.values()
    return pd.concat([old.rename("old"), new.rename("new")], axis=1)


def _unlike(table: pd.DataFrame) -> pd.DataFrame:
    return table[~((table["old"] == table["new"]) | (table["old"].isna() & table["new"].isna()))]


def _posterior(model: Model, facts: dict[str, str], target: str) -> float:
    dx = model.diagnose(facts)
    return float({**dx.posterior, **dx.details}[target])


def _odds(p: float) -> float:
    return p / (1 - p)


def _knows(model: Model, facts: dict[str, str], cause: str) -> bool:
    return cause in (*model.causes, "none_of_these") and set(facts) <= set(Vocabulary(model.file).columns)
