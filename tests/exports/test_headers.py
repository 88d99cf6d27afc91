"""Hospitals' headers: a draft names many columns rightly, and none wrongly."""

from __future__ import annotations

import pytest

from kneebayes.model import load_model
from tests.exports.headers import BLIND, MENDED, UNSEEN, Verdict, headers, verdicts

MODELS: dict[str, list[pytest.MarkDecorator]] = {
    "posterior_knee_pain": [],
    "posterior_knee_pain_extended": [pytest.mark.slow],
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((name, path), id=f"{name}-{path.stem}", marks=marks)
        for name, marks in MODELS.items()
        for path in (BLIND, MENDED, UNSEEN)
    ],
)
def found(request: pytest.FixtureRequest) -> list[Verdict]:
    name, path = request.param
    return verdicts(load_model(name), path)


def test_a_draft_names_no_column_wrongly(found: list[Verdict]) -> None:
    assert [verdict for verdict in found if verdict.kind == "wrong"] == []


def test_a_draft_names_many_columns_rightly(found: list[Verdict]) -> None:
    kinds = [verdict.kind for verdict in found]
    with_variable = sum(bool(verdict.variable) for verdict in found)
    assert kinds.count("right") / with_variable > (0.35 if found[0].hospital.startswith("one_") else 0.45)


def test_there_are_ten_headers_and_columns_of_nothing_among_them() -> None:
    own = dict(headers())
    assert len(own) == 10
    for columns in own.values():
        names = [row["column"] for row in columns]
        assert len(set(names)) == len(names) > 30
        assert any(not row["variable"] for row in columns)
