"""The numbers behind tables: leaky noisy-MAX and noisy-OR, found again and tried by posteriors, or refused."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kneebayes.errors import ModelFileError
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.interop.cpt import Node, model_node, noisy_max_from_table, plain
from kneebayes.interop.exchange import ALWAYS, export, foreign_content, import_model, renamed, sidecar_path
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.oracles import random_model
from tests.strategies import models


def from_tables(model: ModelSpec, complaint: str | None = None) -> ModelSpec:
    """Make a model of nothing but the tables of another, and which of its nodes are causes."""
    network = renamed({name: model_node(model, name) for name in model.variables})
    content = foreign_content(network, "x.net", causes=list(model.causes), complaint=complaint, tolerance=1e-9)
    return ModelSpec.model_validate(content)


def posteriors(model: ModelSpec, cases: list[dict[str, str]]) -> Any:
    codes = np.full((len(model.variables), len(cases)), -1, dtype=np.int8)
    rows = {name: row for row, name in enumerate(model.variables)}
    for i, case in enumerate(cases):
        for name, state in case.items():
            codes[rows[name], i] = model.variables[name].states.index(state)
        if ALWAYS in rows:
            codes[rows[ALWAYS], i] = 1
    found = CompiledModel(model).posteriors(Evidence(codes))
    return found.columns, found.values, found.log_evidence


def assert_same_posteriors(model: ModelSpec, back: ModelSpec, cases: list[dict[str, str]]) -> None:
    columns, values, log_evidence = posteriors(model, cases)
    others, found, found_log = posteriors(back, cases)
    assert set(columns) == set(others)
    # what is as good as impossible has no posterior to speak of
    possible = log_evidence > np.log(1e-4)
    order = [others.index(name) for name in columns]
    np.testing.assert_allclose(found[possible][:, order], values[possible], rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.exp(found_log), np.exp(log_evidence), rtol=0, atol=1e-9)


def random_cases(model: ModelSpec, n: int, seed: int, most: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    asked = [*model.risks, *model.findings]
    ordered = [name for name, finding in model.findings.items() if len(finding.states) > 2]
    cases = []
    for _ in range(n):
        names = {*rng.choice(asked, rng.integers(1, most), replace=False).tolist()}
        names |= {*rng.choice(ordered, 1).tolist()} if ordered else set()
        cases.append({name: str(rng.choice(model.variables[name].states)) for name in sorted(names)})
    return cases


@pytest.mark.parametrize("name", ["posterior_knee_pain", pytest.param("extended", marks=pytest.mark.slow)])
def test_a_shipped_model_comes_back_from_its_tables_alone(name: str) -> None:
    model = read_model(model_path(name))
    back = from_tables(model, model.complaint)
    assert {n: f.states for n, f in back.findings.items()} == {n: f.states for n, f in model.findings.items()}
    cases = [{model.complaint: "present", **case} for case in random_cases(model, 60, 5, most=6)]
    assert_same_posteriors(model, back, cases)


def test_the_network_of_the_article_is_read_back_without_its_labels(tmp_path: Path) -> None:
    model = read_model(model_path("posterior_knee_pain"))
    export(model, tmp_path / "knee.net")
    sidecar_path(tmp_path / "knee.net").unlink()
    back = import_model(tmp_path / "knee.net", causes=list(model.causes), complaint=model.complaint)
    assert back.findings["leg_swelling"].states == ("none", "both", "one", "both_unequal")
    for name, finding in model.findings.items():
        for place, effect in [("leak", finding.leak), *finding.links.items()]:
            found = back.findings[name].leak if place == "leak" else back.findings[name].links.get(place)
            assert numbers(found) == pytest.approx(numbers(effect), abs=1e-12)


def numbers(effect: Any) -> dict[str, float]:
    """Write the numbers under a leak or link by their place, those of 0 left out."""
    if effect is None:
        return {}
    if not isinstance(effect, dict):
        return {"": effect.p} if effect.p else {}
    return {f"{key}.{place}": p for key, own in effect.items() for place, p in numbers(own).items()}


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_model_comes_back_from_its_tables(data: st.DataObject) -> None:
    model = data.draw(models(most=3))
    assume(any(finding.links for finding in model.findings.values()))
    back = from_tables(model)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    assert_same_posteriors(model, back, random_cases(model, 6, int(rng.integers(99)), most=3))


@pytest.mark.parametrize("seed", range(8))
def test_a_random_model_comes_back_from_its_tables(seed: int) -> None:
    model = random_model(seed, states=3, levels=4, sure=seed % 2 == 1)
    assert_same_posteriors(model, from_tables(model, "f0"), random_cases(model, 30, seed, most=5))


def swelling(leak: list[float], links: dict[str, dict[str, list[float]]]) -> tuple[Node, dict[str, tuple[str, ...]]]:
    """Build the table of a finding by trying what each contributor brings about, all ways, and taking the greatest."""
    levels = ("none", "one", "both")
    states = {parent: ("absent", *own) for parent, own in links.items()}
    table = np.zeros((3, *(len(own) for own in states.values())))
    for where in product(*(range(len(own)) for own in states.values())):
        each = [leak] + [links[p][states[p][i]] if i else [1.0, 0.0, 0.0] for p, i in zip(states, where, strict=True)]
        for brought in product(range(3), repeat=len(each)):
            table[(max(brought), *where)] += np.prod([one[d] for one, d in zip(each, brought, strict=True)])
    return Node("swelling", levels, tuple(states), table), states


CLOT = {"clot": {"present": [0.2, 0.5, 0.3]}, "cyst": {"intact": [0.9, 0.1, 0.0], "ruptured": [0.5, 0.3, 0.2]}}


def test_leak_and_links_are_found_in_a_table_made_by_hand() -> None:
    found = noisy_max_from_table(*swelling([0.8, 0.15, 0.05], CLOT), tolerance=1e-9)
    assert found.leak == [0.15, 0.05]
    assert found.links == {"clot": {"present": [0.5, 0.3]}, "cyst": {"intact": [0.1, 0.0], "ruptured": [0.3, 0.2]}}


def test_small_chances_keep_their_digits() -> None:
    node, states = swelling([1 - 3e-13, 2e-13, 1e-13], {"clot": {"present": [1 - 5e-12, 3e-12, 2e-12]}})
    found = noisy_max_from_table(node, states, tolerance=1e-9)
    assert found.leak == pytest.approx([2e-13, 1e-13], rel=1e-9)
    assert found.links["clot"]["present"] == pytest.approx([3e-12, 2e-12], rel=1e-9)
    assert plain(0.1 + 0.2) == 0.3


def test_where_the_leak_leaves_nothing_of_the_least_states_a_link_is_said_to_do_nothing() -> None:
    found = noisy_max_from_table(*swelling([0.0, 0.7, 0.3], CLOT), tolerance=1e-9)
    assert found.links["clot"]["present"] == [0.0, 0.3]
    assert "intact" not in found.links["cyst"]
    certain = noisy_max_from_table(*swelling([0.0, 0.0, 1.0], CLOT), tolerance=1e-9)
    assert (certain.leak, certain.links) == ([0.0, 1.0], {"clot": {}, "cyst": {}})


def test_a_row_that_is_no_product_is_named_with_what_to_do() -> None:
    node, states = swelling([0.8, 0.15, 0.05], CLOT)
    node.table[:, 1, 2] = [0.5, 0.3, 0.2]  # less than either brings about
    wanted = r"swelling: .*no leaky noisy-MAX.*P\(none \| clot=present, cyst=ruptured\) is 0\.5, not 0\.08,.*--absent"
    with pytest.raises(ModelFileError, match=wanted):
        noisy_max_from_table(node, states, tolerance=1e-9)


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [2, 1, 0]])
def test_states_in_another_order_are_refused_with_what_to_do(order: list[int]) -> None:
    node, states = swelling([0.8, 0.15, 0.05], CLOT)
    turned = Node(node.name, tuple(node.states[i] for i in order), node.parents, node.table[order])
    with pytest.raises(ModelFileError, match=r"least to most.*If they stand in another order.*--absent swelling=STATE"):
        noisy_max_from_table(turned, states, tolerance=1e-9)


def test_few_digits_are_taken_by_a_tolerance() -> None:
    node, states = swelling([0.8, 0.15, 0.05], CLOT)
    coarse = np.round(node.table, 2)
    coarse[0] += 1 - coarse.sum(axis=0)
    rounded = Node(node.name, node.states, node.parents, coarse)
    with pytest.raises(ModelFileError, match="tolerance"):
        noisy_max_from_table(rounded, states, tolerance=1e-9)
    found = noisy_max_from_table(rounded, states, tolerance=1e-2)
    assert found.links["clot"]["present"] == pytest.approx([0.5, 0.3], abs=0.02)


def test_a_changed_table_of_several_states_is_taken_with_its_labels(tmp_path: Path) -> None:
    model = random_model(21, states=3, levels=3)
    name, finding = next((n, f) for n, f in model.findings.items() if len(f.states) > 2 and f.links)
    path = tmp_path / "net.json"
    export(model, path)
    content = json.loads(path.read_text())
    node = next(node for node in content["network"] if node["name"] == name)
    at_most = np.cumsum(node["table"], axis=-1) * [0.9, 0.95, 1.0]  # another contributor from outside: a higher leak
    node["table"] = np.diff(at_most, axis=-1, prepend=0.0).tolist()
    path.write_text(json.dumps(content))
    back = import_model(path)
    before, after = numbers(finding.leak), numbers(back.findings[name].leak)
    assert 1 - sum(after.values()) == pytest.approx(0.9 * (1 - sum(before.values())), abs=1e-12)
    assert numbers(back.findings[name].links) == pytest.approx(numbers(finding.links), abs=1e-12)
    assert back.inputs == model.inputs
