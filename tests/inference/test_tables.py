"""Tables of the leaky noisy-OR against hand-computed numbers and the definition of the model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from kneebayes.errors import ModelFileError
from kneebayes.inference import tables as module
from kneebayes.inference.compiled.kernels import Kernel
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.inference.tables import MAX_CAUSES, Layout, conditional_table, or_matrices, or_messages, tables
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import model_path, read_model
from tests.oracles import _chance as chance
from tests.oracles import brute_force, random_codes, random_model
from tests.spec.test_model_spec import num, small

SMALL = ModelSpec.model_validate(small())
REAL = read_model(model_path("posterior_knee_pain"))

# variable, states of its parents -> P(its states), each worked out on paper from the numbers in small()
BY_HAND = {
    "prior": ("smoker", {}, [0.8, 0.2]),
    "dependent_prior_young": ("sport", {"age": "young"}, [0.6, 0.3, 0.1]),
    "dependent_prior_old": ("sport", {"age": "old"}, [0.85, 0.1, 0.05]),
    "leak_alone": ("clot", {"smoker": "absent"}, [0.995, 0.005]),
    "leak_and_link": ("clot", {"smoker": "present"}, [0.995 * 0.97, 0.03485]),
    "interaction_off": ("tear", {"sport": "snow", "age": "young"}, [0.784, 0.216]),
    "interaction_on": ("tear", {"sport": "snow", "age": "old"}, [0.588, 0.412]),
    "interaction_half": ("tear", {"sport": "none", "age": "old"}, [0.98, 0.02]),
    "three_states": ("cyst", {"tear": "present", "age": "old"}, [0.4455, 0.4436, 0.1109]),
    "finding_of_states": ("ache", {"tear": "absent", "cyst": "ruptured", "clot": "absent"}, [0.09, 0.91]),
    "finding_of_all": ("ache", {"tear": "present", "cyst": "intact", "clot": "present"}, [0.108, 0.892]),
    "finding_without_parents": ("fever", {}, [0.97, 0.03]),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_table_has_the_numbers_worked_out_by_hand(case: str) -> None:
    name, given, expected = BY_HAND[case]
    parents, table = conditional_table(SMALL, name)
    assert set(parents) == set(given)
    place = tuple(SMALL.variables[parent].states.index(given[parent]) for parent in parents)
    column = np.moveaxis(table, 0, -1)[place]
    np.testing.assert_allclose(column, expected, rtol=1e-13)


@pytest.mark.parametrize("states", [2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_every_cell_is_the_chance_by_definition(seed: int, states: int) -> None:
    model = random_model(seed, risks=5, causes=4, findings=3, states=states)
    for name, node in model.variables.items():
        parents, table = conditional_table(model, name)
        assert table.shape == (len(node.states), *(len(model.variables[p].states) for p in parents))
        for combination in product(*(model.variables[parent].states for parent in parents)):
            world = dict(zip(parents, combination, strict=True))
            place = tuple(model.variables[p].states.index(s) for p, s in world.items())
            expected = [chance(model, name, {**world, name: state}) for state in node.states]
            column = np.moveaxis(table, 0, -1)[place]
            np.testing.assert_allclose(column, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", list(REAL.variables))
def test_columns_of_the_shipped_model_are_distributions(name: str) -> None:
    _, table = conditional_table(REAL, name)
    assert (table >= 0).all()
    np.testing.assert_allclose(table.sum(axis=0), 1.0, rtol=0, atol=1e-12)


def test_the_largest_group_of_dependent_risks_comes_first_and_carries_the_leaks() -> None:
    base, *others = tables(SMALL).components
    assert base.variables == ("age", "sport")
    assert base.targets == (0, 1, 2)
    assert [component.variables for component in others] == [("smoker",)]
    young_idle = base.trigger[0 * 4 + 0]
    assert young_idle.sum() == pytest.approx(0.6 * 0.6, rel=1e-13)
    nothing_triggered = 0.36 * 0.98 * 0.99 * 0.995
    assert young_idle[0] == pytest.approx(nothing_triggered, rel=1e-13)
    old_on_snow = base.trigger[1 * 4 + 2]
    tear_off_with_interaction, cyst_off = 0.98 * 0.8 * 0.75, 0.99 * 0.9
    assert old_on_snow[0] == pytest.approx(0.4 * 0.05 * tear_off_with_interaction * cyst_off * 0.995, rel=1e-13)


def test_a_row_that_does_not_name_a_parent_holds_for_all_its_states() -> None:
    content = small()
    content["risks"]["sport"]["given"] = [
        {"when": {"age": "young"}, "prior": {"ball": num(0.3), "snow": num(0.1)}},
        {"when": {"age": "old", "smoker": "absent"}, "prior": {"ball": num(0.1), "snow": num(0.05)}},
        {"when": {"age": "old", "smoker": "present"}, "prior": {"ball": num(0.02), "snow": num(0.0)}},
    ]
    parents, table = conditional_table(ModelSpec.model_validate(content), "sport")
    assert parents == ("age", "smoker")
    np.testing.assert_allclose(table[:, 0, 0], [0.6, 0.3, 0.1], rtol=1e-13)
    np.testing.assert_allclose(table[:, 0, 1], [0.6, 0.3, 0.1], rtol=1e-13)
    np.testing.assert_allclose(table[:, 1, 0], [0.85, 0.1, 0.05], rtol=1e-13)
    np.testing.assert_allclose(table[:, 1, 1], [0.98, 0.02, 0.0], rtol=1e-13)


def test_a_single_risk_triggers_its_cause_by_its_link() -> None:
    _, smoker = tables(SMALL).components
    assert smoker.targets == (2,)
    np.testing.assert_allclose(smoker.trigger, [[0.8, 0.0], [0.194, 0.006], [0.994, 0.006]], rtol=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_an_unknown_risk_is_the_sum_over_its_states(seed: int) -> None:
    t = tables(random_model(seed, risks=6, causes=4))
    for component in t.components:
        trigger = component.trigger.reshape(*component.radix, -1)
        for axis in range(len(component.radix)):
            known, unknown = np.split(trigger, [-1], axis=axis)
            np.testing.assert_allclose(known.sum(axis=axis, keepdims=True), unknown, rtol=1e-12)
        assert component.trigger[-1].sum() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("n_targets", range(5))
def test_triggers_move_targets_but_lose_no_probability_and_heal_nothing(n_targets: int) -> None:
    trigger = np.random.default_rng(n_targets).random((3, 2**n_targets))
    matrices = or_matrices(trigger)
    np.testing.assert_allclose(matrices.sum(axis=1), trigger.sum(axis=1)[:, None] * np.ones(2**n_targets), rtol=1e-14)
    for after, before, fired in product(range(2**n_targets), repeat=3):
        expected = trigger[:, [t for t in range(2**n_targets) if before | t == after]].sum(axis=1)
        np.testing.assert_allclose(matrices[:, after, before], expected, rtol=1e-14)
        slope = or_matrices(np.eye(2**n_targets))[fired, after, before]
        assert slope == (before | fired == after)


def test_messages_are_the_derivatives_by_the_triggers() -> None:
    rng = np.random.default_rng(1)
    trigger, flow = rng.random((5, 8)), rng.random((5, 8, 8))
    step = rng.random((5, 8)) * 0.1
    change = (flow * (or_matrices(trigger + step) - or_matrices(trigger))).sum(axis=(1, 2))
    np.testing.assert_allclose((or_messages(flow) * step).sum(axis=1), change, rtol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_targets_are_called_apart_where_they_are_triggered_independently(seed: int) -> None:
    """Whatever is known of the rest: the numbers are drawn, so that independence by accident does not happen."""
    t = tables(random_model(seed, risks=7, causes=5))
    seen = set()
    for component in t.components:
        joint = component.trigger.reshape(-1, *[2] * len(component.targets))
        joint = joint / joint.sum(axis=tuple(range(1, joint.ndim)), keepdims=True)
        expected = np.ones_like(joint)
        for i in range(len(component.targets)):
            axes = tuple(a for a in range(1, joint.ndim) if a != i + 1)
            expected = expected * joint.sum(axis=axes, keepdims=True)
        independent = np.isclose(joint, expected, rtol=1e-12, atol=0.0).reshape(len(joint), -1).all(axis=1)
        codes = np.stack(np.unravel_index(np.arange(len(joint)), component.radix), axis=1)
        unknown = codes == np.array(component.radix) - 1
        for pattern, apart in zip(unknown, t.layout.apart(component.part), strict=True):
            assert apart == independent[(unknown == pattern).all(axis=1)].all()
            seen.add(bool(apart))
    assert seen == {True, False}


def test_risks_of_very_many_causes_are_tabulated_with_the_base() -> None:
    content = many_causes(8).model_dump()
    everything = list(content["causes"])
    for place, cause in enumerate(content["causes"].values()):
        cause["links"] = {"age": {"old": num(0.1 + place / 50)}}
        if place:  # seven of them, one more than an OR takes at a time
            cause["links"]["smoker"] = {"present": num(0.3 - place / 50)}
    model = ModelSpec.model_validate(content)
    (base,) = tables(model).components
    assert set(base.variables) == set(model.risks)
    assert base.targets == tuple(range(len(everything)))
    network, codes = CompiledModel(model), random_codes(model, 4, 1, causes=0.2)
    found = network.posteriors(Evidence(codes))
    for case in range(codes.shape[1]):
        expected, _ = brute_force(model, codes[:, case])
        absent = [expected.get((cause, model.causes[cause].states[0]), 0.0) for cause in everything]
        np.testing.assert_allclose(found.values[case, : len(everything)], 1 - np.array(absent), rtol=1e-10, atol=1e-13)


def test_findings_absent_is_the_product_over_the_causes() -> None:
    t = tables(SMALL)
    joint = list(product(range(2), range(3), range(2)))
    for f, name in enumerate(SMALL.findings):
        for k, states in enumerate(joint):
            world = {c: SMALL.causes[c].states[s] for c, s in zip(SMALL.causes, states, strict=True)}
            absent = chance(SMALL, name, {**world, name: "absent"})
            assert t.chance(f, 0)[k] == pytest.approx(absent, rel=1e-13)
            assert t.chance(f, 1)[k] == pytest.approx(1 - absent, rel=1e-13)


def many_causes(n: int, states: int = 2) -> ModelSpec:
    content = small()
    names = ["absent", *(f"present{i}" for i in range(states - 1))]
    split = {s: num(0.2 / states) for s in names[2:]}
    cause = {**content["causes"]["clot"], "links": {}, "states": names, "split": split}
    content["causes"].update({f"c{i}": cause for i in range(n - 3)})
    return ModelSpec.model_validate(content)


def test_more_causes_than_can_be_enumerated_are_refused() -> None:
    with pytest.raises(ModelFileError, match=r"small: 17 causes, but .* at most 16"):
        Layout(many_causes(MAX_CAUSES + 1))


def test_as_many_causes_as_allowed_are_computed() -> None:
    network = CompiledModel(many_causes(MAX_CAUSES))
    codes = np.full((len(network.variables), 1), -1, dtype=np.int8)
    values = network.posteriors(Evidence(codes)).values[0]
    smoker = network.columns.index("clot")
    assert values[smoker] == pytest.approx(1 - 0.995 * (1 - 0.2 * 0.03), rel=1e-12)
    assert values[network.columns.index("c0")] == pytest.approx(0.005, rel=1e-10)


def test_causes_with_too_many_joint_states_are_refused_before_memory_is() -> None:
    for n, states in ((16, 4), (6, 101)):  # the second has few causes and findings, but a column for each state
        with pytest.raises(ModelFileError, match="too large a table: drop causes, or states of causes"):
            tables(many_causes(n, states=states))


def test_all_tables_of_a_model_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(3, findings=30, states=3, levels=4)
    made, flat = tables(model), Kernel(tables(model)).tables.findings.vectors[:-1]
    size = made.at_most.nbytes + made.vectors.nbytes + flat.nbytes
    monkeypatch.setattr(module, "MAX_TABLE_BYTES", 2 * size)
    tables(model)
    monkeypatch.setattr(module, "MAX_TABLE_BYTES", size)
    with pytest.raises(ModelFileError, match=r"30 findings need too large a table: drop .* or findings \("):
        tables(model)


def test_tables_made_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(3, findings=9, states=3, levels=4)
    whole = tables(model)
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 1)
    pieces = tables(model)
    np.testing.assert_array_equal(pieces.at_most, whole.at_most)
    np.testing.assert_array_equal(pieces.vectors, whole.vectors)


# how many risk factors depend on each other, their states, and the causes there are: what their table would be
TOO_LARGE = {
    "many": (12, 5, 3, " x ".join(["6"] * 12) + " x 8 numbers"),
    "more_than_integers_count": (45, 2, 3, " x ".join(["3"] * 45) + " x 8 numbers"),
    "many_causes": (15, 2, 8, " x ".join(["3"] * 15) + " x 256 numbers"),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_too_many_dependent_risks_are_refused_with_their_names(case: str) -> None:
    n, states, n_causes, said = TOO_LARGE[case]
    content = many_causes(n_causes).model_dump()
    names = [f"s{i}" for i in range(n)]
    values = [f"v{i}" for i in range(states)]
    many = {"states": values, "prior": {value: num(0.1) for value in values[1:]}}
    content["risks"] = {"smoker": content["risks"]["smoker"]} | {
        name: {**content["risks"]["smoker"], **many} for name in names
    }
    content["inputs"] = {}
    content["interactions"] = [{"target": "clot", "when": dict.fromkeys(names, "v1"), "link": num(0.1)}]
    for cause in content["causes"].values():
        cause["links"] = {}
    with pytest.raises(ModelFileError, match=r"'s0', .* depend on each other .* too large; make some") as refused:
        tables(ModelSpec.model_validate(content))
    assert f"need a table of {said}: too large" in str(refused.value)
