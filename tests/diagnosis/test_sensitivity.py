"""Which numbers matter: the functions against models made anew, where the picture changes, and averages over cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import kneebayes as kb
from kneebayes.diagnosis import sensitivity as influence_module
from kneebayes.diagnosis.alarm import Assessor, Thresholds
from kneebayes.diagnosis.sensitivity import batch_sensitivity, functions, sensitivity
from kneebayes.errors import CaseError, UnknownColumnError, UnknownNameError
from kneebayes.inference.evidence import Evidence, SoftEvidence
from kneebayes.inference.network import CompiledModel, VersionedCase
from kneebayes.spec.model_spec import LEVELS, ModelSpec
from kneebayes.spec.yaml_io import with_numbers
from tests.oracles import assess, brute_force, random_codes, random_model

Floats = NDArray[np.float64]
MODEL = kb.load_model()
THRESHOLDS = Thresholds.of(MODEL.file)
FIVE = (0.0, 0.1, 0.37, 0.8, 1.0)
CASES: dict[str, dict[str, object]] = {
    "nothing known": {},
    "a swollen leg": {"age": 67, "sex": "male", "long_travel": True, "unilateral_leg_swelling": "present"},
    "a young woman": {"age": 30, "sex": "female", "knee_locking": True, "calf_pain": False},
    "age and sport unknown": {"sex": "male", "pop_at_injury": True, "twisting_injury": True},
    "unsure": {"calf_pain": "present:0.8", "age": {"sixties": 0.7, "fifties": 0.3}, "bakers_cyst": "ruptured:0.6"},
}
RANDOM = {f"random {seed}": random_model(seed, states=3, risks=4 + seed % 2) for seed in range(3)}


def with_number(model: ModelSpec, values: Floats) -> ModelSpec:
    numbers = [
        (place, number.model_copy(update={"p": float(p), "range": (0.0, 1.0)}))
        for (place, number), p in zip(model.probabilities(), values, strict=True)
    ]
    return with_numbers(model, dict(numbers))


def possible(network: CompiledModel, n: int, seed: int, **shares: float) -> NDArray[np.int8]:
    codes = random_codes(network.model, 8 * n, seed, **{"risks": 0.3, "findings": 0.4} | shares)
    return codes[:, ~np.isneginf(network.posteriors(Evidence(codes)).log_evidence)][:, :n]


def same(found: Floats, expected: Floats, chance: float) -> None:
    """Compare posteriors, which are nothing where the evidence is impossible."""
    if chance > 0:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    else:
        assert np.isnan(found).all()


class TestFunctions:
    """The posterior is (a + b t) / (c + d t) of every number t of the model."""

    @pytest.mark.slow
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_every_number_of_the_real_model_at_five_values(self, case: dict[str, object]) -> None:
        dx = MODEL.diagnose(case)
        parameters = dx.network.parameters
        asked = VersionedCase(parameters.network, dx.assessment.evidence)
        own = functions(parameters, asked)
        assert len(own.joint) == len(list(MODEL.file.probabilities())) > 350
        for t in FIVE:
            values = np.array([parameters.moved(i, t) for i in range(len(parameters.p))])
            expected, chances = asked.posteriors(values)
            for found, posterior, chance in zip(own.at(np.full(len(parameters.p), t)), expected, chances, strict=True):
                same(found, posterior, chance)

    @pytest.mark.slow
    @pytest.mark.parametrize("case", list(CASES.values())[1:], ids=list(CASES)[1:])
    def test_real_model_made_anew_with_another_number(self, case: dict[str, object]) -> None:
        dx = MODEL.diagnose(case)
        parameters = dx.network.parameters
        own = functions(parameters, VersionedCase(parameters.network, dx.assessment.evidence))
        special = [i for i, name in enumerate(parameters.names) if "interactions" in name or ".split." in name]
        some = [*special, *range(3, len(parameters.p), 29)]
        for place, i in enumerate(some):
            t = FIVE[place % 5]
            network = CompiledModel(with_number(MODEL.file, parameters.moved(i, t)))
            expected = network.posteriors(dx.assessment.evidence)
            found = own.at(np.full(len(parameters.p), t))[i]
            same(found, expected.values[0], np.exp(expected.log_evidence[0]))

    @pytest.mark.parametrize("name", ["random 0", *(pytest.param(n, marks=pytest.mark.slow) for n in list(RANDOM)[1:])])
    def test_every_number_of_random_models_made_anew_at_five_values(self, name: str) -> None:
        model = RANDOM[name]
        network = CompiledModel(model)
        parameters = network.parameters
        codes = possible(network, 2, 5)
        of_cases = [
            functions(parameters, VersionedCase(parameters.network, Evidence(case[:, None]))) for case in codes.T
        ]
        for i in range(len(parameters.p)):
            for t in FIVE:
                expected = CompiledModel(with_number(model, parameters.moved(i, t))).posteriors(Evidence(codes))
                for c, own in enumerate(of_cases):
                    found = own.at(np.full(len(parameters.p), t))[i]
                    same(found, expected.values[c], np.exp(expected.log_evidence[c]))

    def test_where_the_evidence_gets_impossible_the_limit_is_what_is_near(self) -> None:
        file = RANDOM["random 0"]
        leak = "findings.f1.leak"
        changes = {
            p: n.model_copy(update={"p": 0.0}) for p, n in file.probabilities() if p.startswith("findings.f1.links")
        }
        network = CompiledModel(with_numbers(file, changes))
        case = Evidence.empty(len(network.variables)).with_state(network.variables.index("f1"), 1)
        parameters = network.parameters
        own, i = functions(parameters, VersionedCase(parameters.network, case)), parameters.names.index(leak)
        zero = np.zeros(len(parameters.p))
        assert np.isnan(own.at(zero)[i]).all()
        np.testing.assert_allclose(own.at(zero, limit=True)[i], own.at(zero + 1e-9)[i], rtol=0, atol=1e-12)

    def test_by_brute_force(self) -> None:
        model = RANDOM["random 0"]
        network = CompiledModel(model)
        parameters = network.parameters
        case = possible(network, 1, 9)[:, 0]
        own = functions(parameters, VersionedCase(parameters.network, Evidence(case[:, None])))
        whole = brute_force(model, case)[1]
        for i in range(0, len(parameters.p), 3):
            expected, chance = brute_force(with_number(model, parameters.moved(i, 0.3)), case)
            assert 0.7 * own.evidence[i, 0] + 0.3 * own.evidence[i, 1] == pytest.approx(chance / whole, rel=1e-12)
            found = own.at(np.full(len(parameters.p), 0.3))[i]
            assert found[0] == pytest.approx(1.0 - expected.get(("c0", "absent"), 0.0), abs=1e-12)

    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_at_its_own_value_each_number_gives_the_posterior(self, case: dict[str, object]) -> None:
        dx = MODEL.diagnose(case)
        own = sensitivity(dx.assessment, "dvt")
        found = own.functions.at(own.parameters.p)
        expected = np.array([*dx.probabilities.values(), *dx.details.values()])
        np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), rtol=0, atol=1e-12)

    def test_states_scale_in_proportion_and_the_rest_with_them(self) -> None:
        parameters = MODEL.network.parameters
        i = parameters.names.index("risks.age.prior.sixties")
        moved, members = parameters.moved(i, 0.4), parameters.siblings[i]
        scale = (1 - 0.4) / (1 - parameters.p[i])
        for j in members:
            assert moved[j] == pytest.approx(0.4 if j == i else parameters.p[j] * scale)
        assert 1 - moved[members].sum() == pytest.approx((1 - parameters.p[members].sum()) * scale)
        others = np.setdiff1d(np.arange(len(parameters.p)), members)
        np.testing.assert_array_equal(moved[others], parameters.p[others])


class TestTable:
    """What `dx.sensitivity` gives."""

    @pytest.fixture(scope="class")
    @staticmethod
    def table() -> pd.DataFrame:
        return MODEL.diagnose(CASES["a swollen leg"]).sensitivity("dvt")

    def test_coefficients_swing_and_derivative_fit_each_other(self, table: pd.DataFrame) -> None:
        posterior = MODEL.diagnose(CASES["a swollen leg"]).probabilities["dvt"]

        def at(t: Any) -> Any:
            return (table["a"] + table["b"] * t) / (table["c"] + table["d"] * t)

        np.testing.assert_allclose(at(table["p"]), posterior, rtol=0, atol=1e-12)
        np.testing.assert_allclose(table["c"] + table["d"] * table["p"], 1.0, rtol=1e-12)
        np.testing.assert_allclose(at(table["low"]), table["posterior_low"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(at(table["high"]), table["posterior_high"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(table["swing"], (table["posterior_high"] - table["posterior_low"]).abs(), atol=1e-15)
        inner = table[(table["p"] > 1e-3) & (table["p"] < 0.999)]
        step = 1e-6
        slope = (at(table["p"] + step) - at(table["p"] - step)) / (2 * step)
        np.testing.assert_allclose(inner["derivative"], slope[inner.index], rtol=1e-5, atol=1e-8)

    def test_the_greatest_swing_comes_first_and_n_cuts(self, table: pd.DataFrame) -> None:
        assert table["swing"].is_monotonic_decreasing
        assert table.index.is_unique
        first = MODEL.diagnose(CASES["a swollen leg"]).sensitivity(n=4)  # the alarm's cause
        pd.testing.assert_frame_equal(first, table.iloc[:4])

    def test_numbers_that_cannot_matter_have_no_swing(self, table: pd.DataFrame) -> None:
        assert table["swing"]["findings.knee_locking.leak"] < 1e-15  # nothing is known of locking
        assert table["swing"]["risks.age.prior.forties"] == pytest.approx(0.0, abs=1e-12)  # the age is known

    @pytest.mark.slow
    @pytest.mark.parametrize("case", [CASES["a swollen leg"], CASES["a young woman"], {"age": 45}], ids=str)
    def test_leader_changes_where_it_says(self, case: dict[str, object]) -> None:
        dx = MODEL.diagnose(case)
        parameters, table = dx.network.parameters, dx.sensitivity()
        asked, ranked = VersionedCase(parameters.network, dx.assessment.evidence), len(MODEL.causes) + 1

        def leader(name: str, t: float) -> str:
            values = parameters.moved(parameters.names.index(name), float(np.clip(t, 0, 1)))
            return dx.network.columns[int(asked.posteriors(values[None])[0][0, :ranked].argmax())]

        changes = table[table["leader_below"].notna() | table["leader_above"].notna()].iloc[:25]
        assert len(changes) > 5
        for name, row in changes.iterrows():
            for side, sign in (("below", -1), ("above", 1)):
                t = row[f"leader_{side}"]
                if not np.isnan(t):
                    assert leader(str(name), t - sign * 1e-9) == dx.most_likely
                    if 1e-9 < t < 1 - 1e-9:
                        assert leader(str(name), t + sign * 1e-9) == row[f"leads_{side}"]
            ends = {leader(str(name), row["low"]), leader(str(name), row["high"])}
            assert row["leader_changes"] == (ends != {dx.most_likely})

    @pytest.mark.parametrize("thresholds", [(0.02, 0.1), pytest.param((0.05, 0.4), marks=pytest.mark.slow)], ids=str)
    @pytest.mark.parametrize("case", CASES.values(), ids=CASES)
    def test_alarm_changes_where_it_says(self, case: dict[str, object], thresholds: tuple[float, float]) -> None:
        dx = MODEL.diagnose(case, thresholds=Thresholds(*thresholds))
        parameters, table, column = dx.network.parameters, dx.sensitivity(), dx.assessment.assessor.column
        asked = VersionedCase(parameters.network, dx.assessment.evidence)

        def level(name: str, t: float) -> str:
            values = parameters.moved(parameters.names.index(name), float(np.clip(t, 0, 1)))
            p = asked.posteriors(values[None])[0][:, column]
            return LEVELS[max(dx.thresholds.levels(p)[0], dx.assessment.floor[0])]  # retractions stay as they are

        for name, row in table.iloc[:12].iterrows():
            for side, sign in (("below", -1), ("above", 1)):
                t = row[f"alarm_{side}"]
                if np.isnan(t):
                    assert level(str(name), 0.5 + sign * 0.5) == dx.alarm.level
                else:
                    assert level(str(name), t - sign * 1e-7 * t) == dx.alarm.level
                    assert level(str(name), t + sign * 1e-7 * t) == row[f"level_{side}"]
            ends = {level(str(name), row["low"]), level(str(name), row["high"])}
            assert row["alarm_changes"] == (ends != {dx.alarm.level})

    def test_unknown_targets_are_refused_with_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match=r"no target 'bakers_cist'.*bakers_cyst"):
            MODEL.diagnose({}).sensitivity("bakers_cist")
        with pytest.raises(UnknownNameError, match=r"no target '\['dvt'\]'"):
            MODEL.diagnose({}).sensitivity(np.array(["dvt"]))  # type: ignore[arg-type]

    @pytest.mark.parametrize("target", ["none_of_these", "bakers_cyst_ruptured", "leg_cramps"])
    def test_every_column_of_the_posteriors_can_be_asked_for(self, target: str) -> None:
        dx = MODEL.diagnose({"age": 50})
        table = dx.sensitivity(target)
        own = {**dx.probabilities, **dx.details}[target]
        assert ((table["posterior_low"] - own) * (table["posterior_high"] - own)).max() < 1e-12


class TestManyCases:
    """What `model.sensitivity` gives for a frame."""

    MEASURES = (
        "posterior_low",
        "posterior_high",
        "swing",
        "largest_swing",
        "derivative",
        "leader_changes",
        "alarm_changes",
    )

    @pytest.mark.parametrize("engine", ["numpy", "numba"])
    def test_it_is_the_mean_over_the_cases(self, engine: Any) -> None:
        network = CompiledModel(RANDOM["random 1"])
        assessor, codes = Assessor(network), possible(network, 7, 3)
        row = len(network.variables) - 1
        codes[row, :3] = -1
        codes[0, 5] = -1
        soft = (
            SoftEvidence(row, np.array([0, 2]), np.array([0.3, 0.9])),
            SoftEvidence(0, np.array([5]), np.array([0.3, 0.9, 0.0])),
        )
        evidence = Evidence(codes, soft)
        assessed = assess(assessor, evidence, THRESHOLDS)
        found = batch_sensitivity(assessed, "c0", engine=engine)
        each = []
        for i in range(7):
            each.append(sensitivity(assess(assessor, evidence[[i]], THRESHOLDS), "c0").frame().loc[found.index])
        for name in ("posterior_low", "posterior_high", "swing", "derivative", "leader_changes", "alarm_changes"):
            mean = np.mean([table[name].astype(float) for table in each], axis=0)
            np.testing.assert_allclose(found[name], mean, rtol=0, atol=1e-11, err_msg=name)
        np.testing.assert_allclose(found["largest_swing"], np.max([t["swing"] for t in each], axis=0), atol=1e-12)

    @pytest.mark.slow
    def test_engines_agree_on_the_real_model(self) -> None:
        codes = possible(MODEL.network, 4, 8)
        assessed = assess(MODEL.assessor, Evidence(codes), THRESHOLDS)
        one, other = (batch_sensitivity(assessed, "dvt", engine=e) for e in ("numpy", "numba"))
        for name in self.MEASURES:
            np.testing.assert_allclose(one[name], other.loc[one.index, name], rtol=0, atol=1e-11, err_msg=name)

    def test_chunks_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        network = CompiledModel(RANDOM["random 2"])
        assessed = assess(Assessor(network), Evidence(possible(network, 9, 3)), THRESHOLDS)
        whole = batch_sensitivity(assessed, "c0")
        monkeypatch.setattr(influence_module, "CHUNK_CASES", 4)
        parts = batch_sensitivity(assessed, "c0").loc[whole.index]
        for name in self.MEASURES:
            np.testing.assert_allclose(whole[name], parts[name], rtol=0, atol=1e-13, err_msg=name)

    def test_a_frame_of_one_case_is_that_case(self) -> None:
        case = {"age": 67, "sex": "male", "unilateral_leg_swelling": "yes"}
        found = MODEL.sensitivity(pd.DataFrame([{**case, "label": "dvt", "note": "x"}]), ignore=["note"])
        alone = MODEL.diagnose(case).sensitivity("dvt").loc[found.index]
        for name in ("p", "low", "high", "posterior_low", "posterior_high", "swing", "derivative"):
            np.testing.assert_allclose(found[name], alone[name], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(found["alarm_changes"], alone["alarm_changes"])

    def test_frames_that_cannot_be_scored_are_refused(self) -> None:
        with pytest.raises(CaseError, match=r"row 1, column 'calf_pain'"):
            MODEL.sensitivity(pd.DataFrame({"calf_pain": ["yes", "perhaps"]}))
        with pytest.raises(UnknownColumnError, match="note"):
            MODEL.sensitivity(pd.DataFrame({"note": ["x"]}))
        with pytest.raises(CaseError, match="no cases"):
            MODEL.sensitivity(pd.DataFrame({"calf_pain": []}))
        with pytest.raises(UnknownNameError, match="no target"):
            MODEL.sensitivity(pd.DataFrame({"calf_pain": ["yes"]}), "gout")
