"""What `kneebayes model` and `kneebayes template` print, from the article's model and from random ones."""

from __future__ import annotations

import csv
import io

import pytest

from kneebayes.cases.coding import CASE_ID, Coder
from kneebayes.learn.simulate import template
from kneebayes.spec.listing import WIDTH, describe, numbers, size, sources_csv, sources_text
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path, read_model
from tests.oracles import number, random_model


@pytest.fixture(scope="module", params=["article", "random"])
def model(request: pytest.FixtureRequest) -> ModelSpec:
    return read_model(model_path(DEFAULT_MODEL)) if request.param == "article" else random_model(5, states=3)


def test_every_variable_stands_in_the_description_with_states_and_question(model: ModelSpec) -> None:
    text = " ".join(describe(model).split())
    for name, variable in model.variables.items():
        assert f" {name}: " in text
        assert f"{variable.label}. {variable.question}" in text
        assert " | ".join(variable.states) in text
    assert model.disclaimer in text


def test_numeric_inputs_stand_with_their_limits(model: ModelSpec) -> None:
    text = describe(model)
    for name, numeric in model.numeric_inputs.items():
        assert f"{name}: {numeric.minimum:g} to {numeric.maximum:g} {numeric.unit}" in text


def test_the_description_fits_a_terminal(model: ModelSpec) -> None:
    lines = describe(model).replace(model.disclaimer, "").splitlines()
    assert max(map(len, lines[1:])) <= WIDTH


def test_every_number_stands_in_the_sources_once(model: ModelSpec) -> None:
    rows = list(csv.DictReader(io.StringIO(sources_csv(model))))
    assert len(rows) == len(list(model.probabilities())) + 2, "and the two thresholds"
    for row, (place, expected) in zip(rows, numbers(model), strict=True):
        assert row["place"] == place
        assert (float(row["p"]), float(row["low"]), float(row["high"])) == (expected.p, *expected.range)
        assert (row["basis"], row["why"]) == (expected.basis, expected.why)
    assert len({row["place"] for row in rows}) == len(rows)


def test_the_sources_are_a_line_each_as_text(model: ModelSpec) -> None:
    header, *lines, blank, last = sources_text(model).splitlines()
    assert header.split() == ["place", "p", "range", "basis", "why"]
    assert len(lines) == len(list(numbers(model)))
    assert (blank, last) == ("", size(model))
    for line, (place, expected) in zip(lines, numbers(model), strict=True):
        assert line.split()[:2] == [place, f"{expected.p:g}"]
        assert line.endswith(expected.why)


def test_the_size_counts_edges_and_what_numbers_rest_on() -> None:
    content = random_model(5, risks=1, causes=1, findings=2).model_dump()
    link = {"present": {**number(0.2), "basis": "claims 1, 2; literature: someone; judgement"}}
    content |= {"references": {"someone": "A study."}, "claims": 3}
    content["causes"]["c0"] |= {"links": {"r0": {"high": {**number(0.1), "basis": "claim 3"}}}}
    content["findings"]["f0"] |= {"links": {"c0": link}}
    content["findings"]["f1"] |= {"links": {}}
    # numbers: two states of r0, leaks of c0, f0 and f1, two links, two thresholds
    assert size(ModelSpec.model_validate(content)) == (
        "1 risk factors, 1 causes, 2 findings, 2 edges, 9 numbers (2 claim, 1 literature, 7 judgement alone)"
    )


def test_the_template_has_every_column_and_a_row_without_problems(model: ModelSpec) -> None:
    table = template(model)
    (row,) = table.to_pylist()
    header = list(row)
    coder = Coder(model)
    assert header[0] == CASE_ID
    assert sorted(header[1:]) == sorted(coder.columns)
    filled = {name: value for name, value in row.items() if name != CASE_ID}
    coded = coder.case(filled)
    codes, warnings = coded.evidence.codes, list(coded.warnings)
    assert not warnings
    named = dict(zip(model.variables, codes[:, 0].tolist(), strict=True))
    assert all(named[name] >= 0 for name in [*model.risks, *model.findings])
    assert all(named[name] == -1 for name in model.causes)
