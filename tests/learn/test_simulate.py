"""Simulated cases against the exact joint distribution, and what a seed promises."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

import kneebayes as kb
from kneebayes.errors import CaseError, ModelFileError, OptionError
from kneebayes.learn.simulate import draw_codes, simulate_batches
from kneebayes.model import Model
from kneebayes.spec.model_spec import ModelSpec
from tests.oracles import brute_force, number, random_model

AGE = {
    "variable": "r0",
    "label": "Age",
    "unit": "years",
    "minimum": 0,
    "maximum": 110,
    "warn_below": 18,
    "bands": [{"state": "low"}, {"state": "middle", "at_least": 40}, {"state": "high", "above": 50}],
}


def with_age(model: ModelSpec, **changes: Any) -> ModelSpec:
    return ModelSpec.model_validate({**model.model_dump(), "inputs": {"age": {**AGE, **changes}}})


def joint_given_complaint(model: ModelSpec) -> dict[tuple[int, ...], float]:
    """P(every variable | complaint present), by brute force."""
    cards = [len(variable.states) for variable in model.variables.values()]
    place = list(model.variables).index(model.complaint)
    weights = {
        world: brute_force(model, np.array(world, dtype=np.int8))[1]
        for world in product(*(range(card) for card in cards))
        if world[place] == 1
    }
    whole = sum(weights.values())
    return {world: weight / whole for world, weight in weights.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_draws_follow_the_exact_joint_distribution(seed: int) -> None:
    model = random_model(seed, risks=3, causes=3, findings=2, states=3)
    expected = joint_given_complaint(model)
    codes = draw_codes(model, 400_000, np.random.default_rng(seed))
    drawn = np.stack([codes[name] for name in model.variables], axis=1)
    worlds, counts = np.unique(drawn, axis=0, return_counts=True)
    observed = dict(zip(map(tuple, worlds.tolist()), counts, strict=True))
    n = len(drawn)
    # cells that are too rare for the chi-squared approximation are pooled
    frequent = {world: p for world, p in expected.items() if n * p >= 5}
    rest = 1 - sum(frequent.values())
    statistic = sum((observed.get(world, 0) - n * p) ** 2 / (n * p) for world, p in frequent.items())
    pooled = n - sum(observed.get(world, 0) for world in frequent)
    statistic += (pooled - n * rest) ** 2 / (n * rest) if n * rest >= 5 else 0
    freedom = len(frequent)
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)
    assert all(expected[world] > 0 for world in observed)


@pytest.mark.slow
def test_posteriors_of_simulated_cases_are_calibrated() -> None:
    model = kb.load_model()
    cases = model.simulate(20_000, seed=11, missing=(0.3, 0.6), with_causes=True)
    posteriors = model.score(cases)
    for cause in model.causes:
        truth = (cases[f"true_{cause}"] != "absent").to_numpy()
        p = posteriors[cause].to_numpy()
        for chosen in (p < 0.02, (p >= 0.02) & (p < 0.2), (p >= 0.2) & (p < 0.7), p >= 0.7):
            error = (truth[chosen] - p[chosen]).sum()
            assert abs(error) < 4.5 * np.sqrt((p[chosen] * (1 - p[chosen])).sum()) + 1, cause


def test_without_the_complaint_people_are_drawn_from_the_prior() -> None:
    model = random_model(1)
    everyone = Model(model).simulate(40_000, seed=2, missing=0, complaint=False)
    expected = brute_force(model, np.array([*[-1] * 7, 1, -1, -1, -1], dtype=np.int8))[1]
    share = (everyone["f0"] == "present").mean()
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 40_000))
    assert set(Model(model).simulate(500, seed=2, missing=0)["f0"]) == {"present"}


def test_columns_are_case_id_risks_and_findings_then_causes_if_asked() -> None:
    model = with_age(random_model(2, states=3))
    inputs = ["age", *[f"r{i}" for i in range(1, 4)], *[f"f{i}" for i in range(4)]]
    assert list(Model(model).simulate(3, seed=1).columns) == ["case_id", *inputs]
    frame = Model(model).simulate(300, seed=1, missing=1.0, with_causes=True)
    assert list(frame.columns) == ["case_id", *inputs, "true_c0", "true_c1", "true_c2"]
    assert frame[inputs].isna().all(axis=None)
    assert set(frame["true_c1"]) == {"absent", "present", "present1"}
    assert list(frame["case_id"][:2]) == ["case_1", "case_2"]


def test_values_are_state_names() -> None:
    model = random_model(2)
    frame = Model(model).simulate(2000, seed=1)
    for name in [*model.risks, *model.findings]:
        assert set(frame[name].dropna()) <= set(model.variables[name].states)


def test_missing_shares_are_for_risks_and_findings() -> None:
    model = with_age(random_model(2))
    frame = Model(model).simulate(20_000, seed=3, missing=(0.2, 0.7))
    empty = frame.isna().mean()
    for column, variable in model.input_columns.items():
        assert empty[column] == pytest.approx(0.2 if variable in model.risks else 0.7, abs=0.015)
    assert not Model(model).simulate(100, seed=3, missing=0).isna().any(axis=None)


def test_missing_only_empties_cells() -> None:
    model = with_age(random_model(2))
    full = Model(model).simulate(500, seed=3, missing=0)
    holed = Model(model).simulate(500, seed=3, missing=0.5)
    seen = holed.notna().to_numpy()
    assert 0.4 < seen[:, 1:].mean() < 0.6
    assert (full.astype(object).to_numpy()[seen] == holed.astype(object).to_numpy()[seen]).all()


def test_missing_cells_depend_on_nothing_else() -> None:
    model = random_model(2)
    full = Model(model).simulate(30_000, seed=3, missing=0)
    holed = Model(model).simulate(30_000, seed=3, missing=0.5)
    for name in model.risks:
        shares = holed[name].isna().groupby(full[name], observed=True).mean()
        assert shares.to_numpy() == pytest.approx(0.5, abs=0.03)


def test_fewer_cases_are_the_first_of_more() -> None:
    model = with_age(random_model(2))
    many = Model(model).simulate(50_000, seed=5)
    few = Model(model).simulate(40_001, seed=5)
    assert few.equals(many[:40_001])  # in a fiftieth of the time that pandas.testing takes


@pytest.mark.slow
def test_the_seed_decides_even_under_another_hash_seed() -> None:
    script = (
        "from tests.oracles import random_model; from kneebayes.model import Model; import sys;"
        "sys.stdout.write(Model(random_model(4)).simulate(200, seed=9, with_causes=True).to_csv())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]
    other = Model(random_model(4)).simulate(200, seed=10, with_causes=True).to_csv().encode()
    assert runs[0].splitlines()[0] == other.splitlines()[0]
    assert runs[0] != other


def test_a_generator_serves_as_seed() -> None:
    model = random_model(4)
    first, again = (Model(model).simulate(50, seed=np.random.default_rng(1)) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.parametrize(("state", "lowest", "highest"), [("low", 18, 39), ("middle", 40, 50), ("high", 51, 51 + 22)])
def test_ages_lie_inside_their_band(state: str, lowest: int, highest: int) -> None:
    model = with_age(random_model(6))
    codes = draw_codes(model, 1 << 15, np.random.default_rng([8, 0, 0]), complaint=False)
    frame = Model(model).simulate(1 << 15, seed=8, missing=0, complaint=False)
    ages = frame["age"][[model.risks["r0"].states[s] == state for s in codes["r0"]]]
    assert ages.dtype == "Int64"
    assert (ages.min(), ages.max()) == (lowest, highest)
    counts = ages.value_counts()
    assert counts.max() < 2 * counts.min(), "uniform within the band"


def test_an_input_that_cannot_express_every_state_is_not_used() -> None:
    model = with_age(random_model(6), bands=[{"state": "low"}, {"state": "high", "at_least": 40}])
    assert next(iter(model.input_columns)) == "r0"


def test_a_band_without_a_whole_number_is_refused() -> None:
    bands = [{"state": "low"}, {"state": "middle", "at_least": 40.2}, {"state": "high", "at_least": 40.4}]
    with pytest.raises(ModelFileError, match=r"inputs\.age: the band of 'middle'"):
        Model(with_age(random_model(6), bands=bands)).simulate(5, seed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1, "seed": 1}, "from 0 up"),
        ({"n": 10**23, "seed": 1}, "up to 1,000,000,000 at once"),
        ({"n": 5, "seed": -1}, "seed -1"),
        ({"n": 5, "seed": 1, "missing": 1.5}, "missing 1.5"),
        ({"n": 5, "seed": 1, "missing": (0.1, float("nan"))}, "missing"),
        ({"n": 5, "seed": 1, "missing": (0.1, 0.2, 0.3)}, "missing"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((CaseError, OptionError), match=message):
        Model(random_model(1)).simulate(**arguments)


def test_no_cases_are_an_empty_table_with_all_columns() -> None:
    frame = Model(random_model(1)).simulate(0, seed=1)
    assert len(frame) == 0
    assert list(frame.columns) == list(Model(random_model(1)).simulate(1, seed=1).columns)


def test_a_complaint_that_cannot_arise_is_refused() -> None:
    content = random_model(1).model_dump()
    content["findings"]["f0"] |= {"leak": number(0), "links": {}}
    with pytest.raises(ModelFileError, match="'f0' did not arise"):
        Model(ModelSpec.model_validate(content)).simulate(5, seed=1)


def test_memory_is_a_block_at_a_time() -> None:
    batches = [batch.num_rows for batch in simulate_batches(random_model(1), 100_000, seed=1)]
    assert sum(batches) == 100_000
    assert max(batches) <= 1 << 15
