"""Pairs of descriptions, and which of them makes a cause likelier: one row of data/directions.csv, one test."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

import kneebayes as kb

Row = dict[str, str]

DATA = Path(__file__).parents[2] / "data"
NAMES = {"article": "posterior_knee_pain", "extended": "posterior_knee_pain_extended"}


def read_rows() -> list[Row]:
    with (DATA / "directions.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def parse(facts: str) -> dict[str, str]:
    return dict(fact.split("=") for fact in facts.split(";"))


ROWS = read_rows()
CHECKS = [(which, row) for row in ROWS for which in NAMES if row["model"] in ("article", which)]


@pytest.fixture(scope="module")
def models() -> dict[str, kb.Model]:
    return {which: kb.load_model(name) for which, name in NAMES.items()}


def probability(model: kb.Model, cause: str, facts: str) -> float:
    dx = model.diagnose(parse(facts))
    return {**dx.probabilities, **dx.details}[cause]


@pytest.mark.parametrize(("which", "row"), CHECKS, ids=[f"{row['id']}-{which}-{row['cause']}" for which, row in CHECKS])
def test_the_likelier_description_is_the_likelier(models: dict[str, kb.Model], which: str, row: Row) -> None:
    """What holds in the article's model holds in the one that extends it."""
    more, less = (probability(models[which], row["cause"], row[side]) for side in ("more", "less"))
    assert more > less


def test_the_pairs_are_many_different_and_sourced() -> None:
    assert sum(row["model"] == "article" for row in ROWS) >= 60
    assert max(Counter((row["cause"], row["more"], row["less"]) for row in ROWS).values()) == 1
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row["model"] in NAMES
        assert row["basis"].startswith(("claim", "literature: ", "judgement: ")), row
        assert parse(row["more"]) != parse(row["less"])


def test_every_cause_has_pairs(models: dict[str, kb.Model]) -> None:
    told = Counter(row["cause"].removesuffix("_ruptured") for row in ROWS)
    assert all(told[cause] >= 2 for cause in models["extended"].causes)
