"""Every claim of the article against the exact posteriors: one row of data/article_claims.csv, one test."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

import kneebayes as kb
from kneebayes.spec.model_spec import ModelSpec

Row = dict[str, str]
Evidence = dict[str, str]

DATA = Path(__file__).parents[2] / "data"
SHOWS = ("raises", "lowers", "at_least", "at_most", "red_flag", "care")
ONLY_SAY_WHAT_IT_IS = {29, 40, 51, 60, 70}  # anatomy and definitions: nothing that a posterior could show
ASSERTING = {*range(1, 102), 103, 104, *range(114, 124)} - ONLY_SAY_WHAT_IT_IS

# Distinct (cause, variable, state) that the article associates; the closing note states these.
ASSOCIATIONS = {
    "leg_cramps": 17,
    "bakers_cyst": 16,
    "hamstring_tendonitis": 17,
    "gastrocnemius_tendonitis": 15,
    "knee_osteoarthritis": 15,
    "pes_anserine_bursitis": 16,
    "pcl_injury": 15,
    "meniscal_tear": 24,
    "dvt": 23,
}


def read_rows() -> list[Row]:
    with (DATA / "article_claims.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def parse(evidence: str) -> Evidence:
    return dict(pair.split("=") for pair in evidence.split(";")) if evidence else {}


def differing(row: Row) -> list[tuple[str, str]]:
    """List the states that a row sets against those it is compared with."""
    other = parse(row["compared_with"])
    return [(name, state) for name, state in parse(row["given"]).items() if other.get(name) != state]


def readable(row: Row) -> str:
    about = "-".join(f"{name}={state}".removesuffix("=present") for name, state in differing(row)[:2])
    return "-".join(part for part in ("claim", row["claim"], row["cause"] or row["shows"], about) if part)


ROWS = read_rows()
COMPARISONS = [row for row in ROWS if row["shows"] in ("raises", "lowers")]
LINKED = [row for row in COMPARISONS if not row["note"].startswith(("No link", "through "))]


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


def probability(model: kb.Model, row: Row, evidence: Evidence) -> float:
    dx = model.diagnose(evidence)
    if row["target_state"] == "present":
        return float(dx.posterior[row["target"]])
    return dx.details[f"{row['target']}_{row['target_state']}"]


def odds_ratio(p: float, reference: float) -> float:
    return p / (1 - p) / (reference / (1 - reference))


@pytest.mark.parametrize("row", ROWS, ids=readable)
def test_the_model_shows_what_the_article_claims(model: kb.Model, row: Row) -> None:
    given = parse(row["given"])
    if row["shows"] == "red_flag":
        assert set(given) <= set(model.diagnose(given).red_flags)
    elif row["shows"] == "care":
        cause = model.file.causes[row["cause"]]
        assert row["claim"] in cited(cause.care_basis)
    elif row["shows"] == "at_least":
        assert probability(model, row, given) >= float(row["ratio"])
    elif row["shows"] == "at_most":
        assert probability(model, row, given) <= float(row["ratio"])
    else:
        ratio = odds_ratio(probability(model, row, given), probability(model, row, parse(row["compared_with"])))
        assert (ratio if row["shows"] == "raises" else 1 / ratio) >= float(row["ratio"]) > 1


def cited(basis: str) -> set[str]:
    """Collect the claim numbers that a basis names."""
    parts = [
        part.strip().removeprefix("claims ").removeprefix("claim ") for part in basis.split(";") if "claim" in part
    ]
    return {number.strip() for part in parts for number in part.split(",")}


def has_link(file: ModelSpec, cause: str, column: str, state: str, split: str = "present") -> bool:
    """Say whether the file links the variable of a column with a cause, directly."""
    variable = file.inputs[column].variable if column in file.inputs else column
    if variable in file.findings:
        links = file.findings[variable].links.get(cause, {})
        return bool(links) if split == "present" else split in links
    if state in file.causes[cause].links.get(variable, {}):
        return True
    return any(i.target == cause and state in i.when.get(variable, ()) for i in file.interactions)


@pytest.mark.parametrize("row", LINKED, ids=readable)
def test_the_model_file_has_the_link(model: kb.Model, row: Row) -> None:
    name, state = differing(row)[0]
    assert has_link(model.file, row["cause"], name, state, row["target_state"])


@pytest.mark.parametrize("row", [r for r in COMPARISONS if r["note"].startswith("through ")], ids=readable)
def test_what_has_no_link_of_its_own_goes_through_another_cause(model: kb.Model, row: Row) -> None:
    between = row["note"].removeprefix("through ")
    name, state = differing(row)[0]
    assert has_link(model.file, between, name, state)
    assert has_link(model.file, row["cause"], between, "present")


def test_every_claim_that_asserts_something_has_a_row() -> None:
    assert {int(row["claim"]) for row in ROWS} >= ASSERTING


def test_the_associations_are_counted_per_cause() -> None:
    distinct = {(row["cause"], row["target_state"], *differing(row)[0]) for row in COMPARISONS}
    assert dict(Counter(cause for cause, *_ in distinct)) == ASSOCIATIONS


def test_rows_are_well_formed_and_weakened_ones_say_why() -> None:
    for row in ROWS:
        assert row["shows"] in SHOWS, row
        assert row["statement"], row
        assert row["weakened"] in ("yes", "no"), row
        assert row["weakened"] == "no" or row["note"], row
    seen = Counter((r["claim"], r["cause"], r["given"], r["compared_with"], r["shows"]) for r in ROWS)
    assert max(seen.values()) == 1


@pytest.mark.parametrize("claim", ["3", "12", "32", "37", "52", "87"])
def test_disagreements_with_the_literature_are_named(claim: str) -> None:
    assert any(row["weakened"] == "yes" for row in ROWS if row["claim"] == claim)
