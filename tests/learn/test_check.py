"""The posterior predictive check: brute force, calibration under the model, and faults that it must find."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import kneebayes as kb
from kneebayes.cases.labels import read_cohort
from kneebayes.errors import CaseError, OptionError
from kneebayes.inference.network import CompiledModel
from kneebayes.learn.check import check
from kneebayes.model import Model
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.spec.yaml_io import with_numbers
from tests.oracles import brute_force, one, random_model


def evidence_of(model: ModelSpec, codes: NDArray[Any]) -> float:
    return float(brute_force(model, codes)[1])


@pytest.mark.parametrize("seed", range(3))
def test_every_row_equals_brute_force(seed: int) -> None:
    model = random_model(seed, risks=3, causes=2, findings=4, states=3)
    frame = Model(model).simulate(15, seed=seed, missing=0.3)
    table = check(CompiledModel(model), frame, least=1).set_index(["finding", "other"])
    cases = read_cohort(model, frame).cases.codes.T
    place = {name: i for i, name in enumerate(model.variables)}

    def chance_of(codes: NDArray[Any], states: dict[str, int]) -> float:
        with_states, without = codes.copy(), codes.copy()
        for name, state in states.items():
            with_states[place[name]], without[place[name]] = state, -1
        return evidence_of(model, with_states) / evidence_of(model, without)

    for name in ("f1", "f2", "f3"):
        known = [codes for codes in cases if codes[place[name]] >= 0]
        p = np.array([chance_of(codes, {name: 1}) for codes in known])
        y = np.array([codes[place[name]] for codes in known])
        row: Any = table[table.index.get_level_values("other").isna()].loc[name].iloc[0]
        assert row["cases"] == len(known)
        assert row["observed"] == pytest.approx(y.mean())
        assert row["expected"] == pytest.approx(p.mean(), rel=1e-9)
        assert row["z"] == pytest.approx((y - p).sum() / np.sqrt((p * (1 - p)).sum()), rel=1e-8)
    for a, b in combinations(("f1", "f2", "f3"), 2):
        excess = variance = both = 0.0
        known = [codes for codes in cases if codes[place[a]] >= 0 and codes[place[b]] >= 0]
        for codes in known:
            cell = np.array([[chance_of(codes, {a: i, b: j}) for j in (0, 1)] for i in (0, 1)])
            p, q = cell[1].sum(), cell[:, 1].sum()
            product = np.outer([-p, 1 - p], [-q, 1 - q])
            mean = (cell * product).sum()
            excess += product[codes[place[a]], codes[place[b]]] - mean
            variance += (cell * product**2).sum() - mean**2
            both += cell[1, 1]
        pair: Any = table.loc[(a, b)]
        assert pair["expected"] == pytest.approx(both / len(known), rel=1e-9)
        assert pair["z"] == pytest.approx(excess / np.sqrt(variance), rel=1e-7)


def test_under_the_model_z_is_standard_normal() -> None:
    model = random_model(6, risks=4, causes=4, findings=16)
    z = pd.concat([check(CompiledModel(model), Model(model).simulate(1500, seed=s, missing=0.4)) for s in range(6)])
    single, double = z[z["other"].isna()]["z"], z[z["other"].notna()]["z"]
    assert (len(single), len(double)) == (6 * 15, 6 * 15 * 14 / 2)
    for values in (single, double):
        error = 1 / np.sqrt(len(values))
        assert abs(values.mean()) < 4 * error
        assert abs(values.std() - 1) < 4 * error / np.sqrt(2)
        assert np.mean(np.abs(values) < 1.96) == pytest.approx(0.95, abs=4 * error * 0.22)


def test_under_the_default_model_nothing_stands_out() -> None:
    model = kb.load_model()
    table = model.check(model.simulate(300, seed=1, missing=0.4), pairs=False)
    states = [len(finding.states) for finding in model.file.findings.values()]
    assert len(table) == sum(1 if n == 2 else n for n in states) - 1
    assert table["z"].abs().max() < 4


def test_cells_empty_because_of_other_evidence_do_not_mislead() -> None:
    model = random_model(2, risks=3, causes=3, findings=5)
    frame = Model(model).simulate(4000, seed=3, missing=0.0)
    frame.loc[frame["f1"] == "present", ["f2", "f3"]] = None
    assert check(CompiledModel(model), frame)["z"].abs().max() < 4


def test_a_wrong_frequency_is_found() -> None:
    model = random_model(4, risks=2, causes=2, findings=6)
    leak = model.findings["f3"].leak
    wrong = with_numbers(model, {"findings.f3.leak": one(leak).model_copy(update={"p": one(leak).p + 0.15})})
    table = check(CompiledModel(model), Model(wrong).simulate(2000, seed=1, missing=0.3))
    first: Any = table.iloc[0]
    assert first["finding"] == "f3"
    assert pd.isna(first["other"])
    assert first["z"] > 6
    assert first["observed"] > first["expected"]
    assert table[table["other"].notna()]["z"].abs().max() < 5


def test_findings_that_repeat_each_other_are_found_as_a_pair() -> None:
    model = random_model(3, risks=2, causes=3, findings=6)
    frame = Model(model).simulate(1000, seed=4, missing=0.2)
    copied = np.random.default_rng(1).random(1000) < 0.4
    frame.loc[copied, "f4"] = frame.loc[copied, "f3"]
    table = check(CompiledModel(model), frame)
    first: Any = table[table["other"].notna()].iloc[0]
    assert {first["finding"], first["other"]} == {"f3", "f4"}
    assert first["z"] > 6


def test_labels_count_as_known_unless_told_otherwise() -> None:
    model = kb.load_model()
    frame = model.simulate(60, seed=2, missing=0.3, with_causes=True)
    known = model.check(frame, pairs=False)
    not_known = model.check(frame, pairs=False, labels=False)
    plain = model.check(frame.drop(columns=[f"true_{cause}" for cause in model.causes]), pairs=False)
    pd.testing.assert_frame_equal(not_known, plain)
    assert not known.equals(plain)


def test_rows_and_columns_are_as_said() -> None:
    model = kb.load_model()
    frame = model.simulate(60, seed=2, missing=0.5)
    table = model.check(frame, least=30)
    assert list(table.columns) == ["finding", "other", "cases", "observed", "expected", "z"]
    assert model.file.complaint not in {*table["finding"], *table["other"]}
    assert table["cases"].min() >= 30
    assert table["z"].abs().is_monotonic_decreasing
    assert len(model.check(frame.iloc[:0])) == 0


def test_what_cannot_be_checked_is_refused() -> None:
    model = kb.load_model()
    with pytest.raises(OptionError, match="least 0"):
        model.check(pd.DataFrame({"age": [50]}), least=0)
    with pytest.raises(CaseError, match=r"row 1.*impossible"):
        model.check(pd.DataFrame({"sex": ["male"] * 2, "pregnancy": [None, "pregnant"]}))


def test_a_case_of_several_rows_is_learnt_from_once() -> None:
    frame = pd.DataFrame({"case_id": ["a", "a"], "fever": ["yes", None], "true_dvt": [None, "present"]})
    with pytest.raises(CaseError, match="row 1, column 'case_id': an earlier row has this case_id"):
        read_cohort(kb.load_model().file, frame)
    cohort = read_cohort(kb.load_model().file, frame, mapping={"join": "case_id"})
    assert (cohort.rows.tolist(), cohort.n_labelled) == ([0], 1)
