"""Tables of the leaky noisy-OR against hand-computed numbers and the definition of the model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from kneebayes.errors import ModelFileError
from kneebayes.inference.evidence import Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.inference.tables import MAX_CAUSES, Component, conditional_table, or_matrix, separate, tables
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
    t = tables(SMALL)
    assert t.base.variables == ("age", "sport")
    assert t.base.targets == (0, 1, 2)
    assert [component.variables for component in t.components] == [("smoker",)]
    young_idle = t.base.trigger[0 * 4 + 0]
    assert young_idle.sum() == pytest.approx(0.6 * 0.6, rel=1e-13)
    nothing_triggered = 0.36 * 0.98 * 0.99 * 0.995
    assert young_idle[0] == pytest.approx(nothing_triggered, rel=1e-13)
    old_on_snow = t.base.trigger[1 * 4 + 2]
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
    (smoker,) = tables(SMALL).components
    assert smoker.targets == (2,)
    np.testing.assert_allclose(smoker.trigger, [[0.8, 0.0], [0.194, 0.006], [0.994, 0.006]], rtol=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_an_unknown_risk_is_the_sum_over_its_states(seed: int) -> None:
    t = tables(random_model(seed, risks=6, causes=4))
    for component in (t.base, *t.components):
        trigger = component.trigger.reshape(*component.radix, -1)
        for axis in range(len(component.radix)):
            known, unknown = np.split(trigger, [-1], axis=axis)
            np.testing.assert_allclose(known.sum(axis=axis, keepdims=True), unknown, rtol=1e-12)
        assert component.trigger[-1].sum() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("states", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_a_component_moves_states_but_loses_no_probability(seed: int, states: int) -> None:
    t = tables(random_model(seed, risks=6, causes=4, states=states))
    assert t.components
    for component in t.components:
        pairs, matrix = or_matrix(component, t.cards, t.split)
        pattern = component.trigger.sum(axis=1)
        for before in product(*(range(t.cards[c]) for c in component.targets)):
            column = matrix[:, [i for i, pair in enumerate(pairs) if pair[1] == before]]
            np.testing.assert_allclose(column.sum(axis=1), pattern, rtol=1e-12, err_msg=f"{before}")


def test_a_component_never_heals_and_never_changes_a_present_state() -> None:
    t = tables(random_model(1, risks=6, causes=4, states=4))
    for component in t.components:
        pairs, _ = or_matrix(component, t.cards, t.split)
        for after, before in pairs:
            assert all(a == b or b == 0 for a, b in zip(after, before, strict=True))
        assert len(set(pairs)) == len(pairs)


def test_matrix_entries_can_be_worked_on_in_place() -> None:
    """A cell must not be overwritten before the cells that read it are done."""
    t = tables(random_model(2, risks=6, causes=4, states=3))
    for component in t.components:
        pairs, _ = or_matrix(component, t.cards, t.split)
        written: set[tuple[int, ...]] = set()
        for after, before in pairs:
            assert before not in written or before == after
            if after not in written:
                assert before == after, "the diagonal comes first"
            written.add(after)


def test_only_triggers_that_act_apart_are_called_separate() -> None:
    apart = np.outer([0.7, 0.3], [0.6, 0.4]) * 0.5
    nearly = apart + 1e-9 * np.array([[1, -1], [-1, 1]])
    impossible = np.zeros((2, 2))
    rows = np.stack([apart, nearly, impossible]).reshape(3, 4)
    separately, chances = separate(Component(("r",), (0,), (3,), (0, 1), rows))
    assert separately.tolist() == [True, False, True]
    np.testing.assert_allclose(chances[0], [0.5, 0.7, 0.3, 0.6, 0.4], rtol=1e-14)
    np.testing.assert_allclose(chances[1], [0.5, 0.7, 0.3, 0.6, 0.4], rtol=1e-12)
    np.testing.assert_array_equal(chances[2], np.zeros(5))


def test_risks_of_very_many_causes_are_tabulated_with_the_base() -> None:
    content = many_causes(8).model_dump()
    everything = list(content["causes"])
    for place, cause in enumerate(content["causes"].values()):
        cause["links"] = {"age": {"old": num(0.1 + place / 50)}}
        if place:  # seven of them, one more than an OR takes at a time
            cause["links"]["smoker"] = {"present": num(0.3 - place / 50)}
    model = ModelSpec.model_validate(content)
    t = tables(model)
    assert set(t.base.variables) == set(model.risks)
    assert (t.components, t.base.targets) == ((), tuple(range(len(everything))))
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
            assert t.absent[f, k] == pytest.approx(absent, rel=1e-13)


def many_causes(n: int, states: int = 2) -> ModelSpec:
    content = small()
    names = ["absent", *(f"present{i}" for i in range(states - 1))]
    split = {s: num(0.2 / states) for s in names[2:]}
    cause = {**content["causes"]["clot"], "links": {}, "states": names, "split": split}
    content["causes"].update({f"c{i}": cause for i in range(n - 3)})
    return ModelSpec.model_validate(content)


def test_more_causes_than_can_be_enumerated_are_refused() -> None:
    with pytest.raises(ModelFileError, match=r"small: 17 causes, but .* at most 16"):
        tables(many_causes(MAX_CAUSES + 1))


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
