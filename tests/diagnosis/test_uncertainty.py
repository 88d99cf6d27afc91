"""How sure: ranges as distributions, other numbers in the tables, intervals, robust alarms; for one case and many."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.diagnosis import uncertainty as robustness
from kneebayes.diagnosis.alarm import Assessment, Assessor, Thresholds
from kneebayes.diagnosis.uncertainty import (
    DEVIATIONS,
    Uncertainty,
    batch_uncertainty,
    draw,
    from_normal,
    interval_ends,
    uncertainty,
)
from kneebayes.errors import OptionError
from kneebayes.inference.compiled.layout import flat_layout
from kneebayes.inference.evidence import Evidence, SoftEvidence
from kneebayes.inference.network import CompiledModel, Engine, VersionedCase
from kneebayes.inference.tables import tables
from kneebayes.spec.model_spec import LEVELS, ModelSpec
from kneebayes.spec.yaml_io import with_numbers
from kneebayes.ui.cli import app
from tests.oracles import assess, brute_force, random_codes, random_model

Floats = NDArray[np.float64]
MODEL = kb.load_model()
EXTENDED = kb.load_model("posterior_knee_pain_extended")
SHAPES: dict[str, dict[str, Any]] = {
    "three states": {"states": 3},
    "no causes of causes": {"edges": False},
    "one risk factor": {"risks": 1},
    "one cause": {"causes": 1},
    "many causes": {"causes": 5, "states": 4, "risks": 6},
    "many findings": {"findings": 9, "states": 3},
}
FILES = {name: random_model(60 + i, **shape) for i, (name, shape) in enumerate(SHAPES.items())}
FILES["the article's model"] = MODEL.file
THRESHOLDS = Thresholds.of(MODEL.file)


def renumbered(model: ModelSpec, values: Floats) -> ModelSpec:
    """Write numbers into a model file, the slow and plain way."""
    numbers = [
        (place, number.model_copy(update={"p": float(p), "range": (0.0, 1.0)}))
        for (place, number), p in zip(model.probabilities(), values, strict=True)
    ]
    return with_numbers(model, dict(numbers))


def narrowed(model: ModelSpec) -> ModelSpec:
    """Shrink every range to a point."""
    return with_numbers(
        model,
        {place: number.model_copy(update={"range": (number.p, number.p)}) for place, number in model.probabilities()},
    )


def possible(network: CompiledModel, n: int, seed: int) -> NDArray[np.int8]:
    codes = random_codes(network.model, 4 * n, seed, risks=0.4, causes=0.05, findings=0.4)
    return codes[:, ~np.isneginf(network.posteriors(Evidence(codes)).log_evidence)][:, :n]


class TestNumbersAsOneVector:
    """Tables, kernel and posteriors of other numbers, without a model file in between."""

    @pytest.mark.parametrize("model", FILES.values(), ids=FILES)
    def test_tables_are_those_of_a_model_file_with_these_numbers(self, model: ModelSpec) -> None:
        parameters = CompiledModel(model).parameters
        for values in (parameters.p, draw(parameters, 1, seed=3)[0]):
            found, expected = parameters.network.layout.fill(values), tables(renumbered(model, values))
            for one, other in zip(found.components, expected.components, strict=True):
                assert one.variables == other.variables
                assert one.targets == other.targets
                np.testing.assert_allclose(one.trigger, other.trigger, rtol=1e-10, atol=1e-300)
            for name in ("share", "at_most_leak", "at_most_links", "at_most", "vectors"):
                np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
            for name in ("split", "kept", "gained"):
                for mine, theirs in zip(getattr(found, name), getattr(expected, name), strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=1e-12)

    @pytest.mark.parametrize("model", FILES.values(), ids=FILES)
    def test_a_model_with_other_numbers_is_the_model_file_of_these_numbers(self, model: ModelSpec) -> None:
        network = CompiledModel(model)
        codes = random_codes(model, 40, 3, risks=0.5, causes=0.05, findings=0.5)
        own = network.posteriors(Evidence(codes), engine="numba").values.tobytes()
        for values in draw(network.parameters, 2, seed=4):
            expected = CompiledModel(renumbered(model, values)).posteriors(Evidence(codes), engine="numpy")
            for engine in get_args(Engine):
                found = network.with_numbers(values).posteriors(Evidence(codes), engine=engine)
                np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-12)
                np.testing.assert_allclose(found.log_evidence, expected.log_evidence, rtol=1e-12, atol=1e-12)
        assert network.posteriors(Evidence(codes), engine="numba").values.tobytes() == own

    def test_a_layout_is_the_same_whatever_the_numbers(self) -> None:
        """Also where numbers are equal, or 0 or 1: structure is what the file links."""
        model = FILES["three states"]
        flat = flat_layout(CompiledModel(model).layout)
        for value in (0.0, 0.25, 1.0):
            parameters = CompiledModel(model).parameters
            values = np.full(len(parameters.p), value)
            for members in parameters.distributions:
                values[members] /= len(members)
            other = flat_layout(CompiledModel(renumbered(model, values)).layout)
            mine, theirs = (f.fill(f.layout.fill(values)) for f in (flat, other))
            np.testing.assert_array_equal(mine.base_row, theirs.base_row)
            for group in ("parts", "components", "causes", "findings"):
                one, another = getattr(mine, group), getattr(theirs, group)
                for name in one._fields:
                    np.testing.assert_array_equal(getattr(one, name), getattr(another, name), err_msg=name)

    @pytest.mark.parametrize("end", [0.0, 1.0])
    def test_kernel_at_the_ends_of_the_numbers(self, end: float) -> None:
        model = FILES["three states"]
        parameters = CompiledModel(model).parameters
        codes = random_codes(model, 50, 2, risks=0.4, causes=0.1, findings=0.5)
        for i in range(len(parameters.p)):
            values = parameters.moved(i, end)
            found = parameters.network.with_numbers(values).posteriors(Evidence(codes), engine="numba")
            expected = CompiledModel(renumbered(model, values)).posteriors(Evidence(codes), engine="numpy")
            np.testing.assert_allclose(
                np.exp(found.log_evidence), np.exp(expected.log_evidence), rtol=1e-10, atol=1e-15
            )
            np.testing.assert_allclose(found.values, expected.values, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("model", FILES.values(), ids=FILES)
    def test_one_case_under_many_numbers_is_each_model_asked_anew(self, model: ModelSpec) -> None:
        network = CompiledModel(model)
        parameters = network.parameters
        versions = draw(parameters, 4, seed=5)
        models = [CompiledModel(renumbered(model, values)) for values in versions]
        for case in possible(network, 5, 7).T:
            values, evidence = VersionedCase(parameters.network, Evidence(case[:, None])).posteriors(versions)
            for other, posterior, chance in zip(models, values, evidence, strict=True):
                expected = other.posteriors(Evidence(case[:, None]))
                np.testing.assert_allclose(posterior, expected.values[0], rtol=0, atol=1e-12)
                assert chance == pytest.approx(np.exp(expected.log_evidence[0]), rel=1e-9)

    def test_a_draw_is_a_noisy_or_by_brute_force(self) -> None:
        model = FILES["three states"]
        network = CompiledModel(model)
        values = draw(network.parameters, 3, seed=1)
        codes = possible(network, 4, 3)
        for case in codes.T:
            found, chances = VersionedCase(network, Evidence(case[:, None])).posteriors(values)
            for own, posterior, chance in zip(values, found, chances, strict=True):
                expected, total = brute_force(renumbered(model, own), case)
                assert chance == pytest.approx(total, rel=1e-12)
                if total == 0.0:  # a draw may be sure of what the case contradicts
                    assert np.isnan(posterior).all()
                    continue
                assert posterior[network.columns.index("none_of_these")] == pytest.approx(
                    expected.get(("none_of_these", ""), 0.0), abs=1e-12
                )


class TestRangesAsDistributions:
    """A number is the median of its draws, and nine of ten lie in its range."""

    @pytest.mark.parametrize(
        ("p", "low", "high"),
        [
            (0.3, 0.1, 0.5),
            (0.02, 0.01, 0.2),
            (0.3, 0.0, 0.8),
            (0.9, 0.5, 1.0),
            (0.0, 0.0, 0.2),
            (1.0, 0.7, 1.0),
            (0.2, 0.2, 0.4),
            (0.4, 0.1, 0.4),
            (0.5, 0.0, 1.0),
            (0.3, 0.3, 0.3),
        ],
    )
    def test_p_is_the_median_and_nine_of_ten_lie_in_the_range(self, p: float, low: float, high: float) -> None:
        z = np.array([-9.0, -DEVIATIONS, 0.0, DEVIATIONS, 9.0])[:, None]
        drawn = from_normal(z, *(np.array([v]) for v in (p, low, high)))[:, 0]
        np.testing.assert_allclose(drawn[1:4], [low, p, high], rtol=1e-12, atol=1e-15)
        assert 0.0 <= drawn[0] <= low
        assert high <= drawn[4] <= 1.0
        assert (np.diff(drawn) >= 0).all()

    def test_numbers_without_a_range_stay_to_the_last_digit(self) -> None:
        parameters = CompiledModel(narrowed(FILES["many causes"])).parameters
        np.testing.assert_array_equal(draw(parameters, 20, seed=0), np.repeat(parameters.p[None], 20, axis=0))

    def test_draws_keep_the_ranges_of_the_model(self) -> None:
        parameters = MODEL.network.parameters
        drawn = draw(parameters, 4000, seed=2)
        wide = parameters.high > parameters.low
        alone = wide & ~np.isin(np.arange(len(wide)), list(parameters.siblings))
        inside = ((drawn >= parameters.low) & (drawn <= parameters.high)).mean(axis=0)
        below = (drawn < parameters.p).mean(axis=0)
        assert np.abs(inside[alone] - 0.9).max() < 0.025  # 5 standard errors
        assert np.abs(below[alone] - 0.5).max() < 0.045
        assert inside[wide].min() > 0.65  # states of one distribution move each other: what one gains others lose
        assert np.abs(np.median(drawn[:, wide], axis=0) / parameters.p[wide] - 1.0).max() < 0.08

    def test_states_drawn_together_are_a_distribution(self) -> None:
        for network in (MODEL.network, CompiledModel(FILES["many causes"])):
            parameters = network.parameters
            drawn = draw(parameters, 500, seed=3)
            assert drawn.min() >= 0.0
            assert drawn.max() <= 1.0
            for members in parameters.distributions:
                assert drawn[:, members].sum(axis=1).max() <= 1.0 + 1e-12

    @pytest.mark.parametrize("value", [0.0, 0.05, 0.6, 1.0])
    def test_a_state_drawn_alone_has_the_number_drawn(self, value: float) -> None:
        parameters = MODEL.network.parameters
        for i in list(parameters.siblings)[:12]:
            values = parameters.p.copy()
            values[i] = value
            np.testing.assert_allclose(parameters.normalised(values), parameters.moved(i, value), rtol=1e-9, atol=1e-12)

    def test_a_seed_gives_its_draws_and_more_draws_begin_with_fewer(self) -> None:
        parameters = MODEL.network.parameters
        np.testing.assert_array_equal(draw(parameters, 5, seed=9), draw(parameters, 12, seed=9)[:5])
        assert (draw(parameters, 5, seed=9) != draw(parameters, 5, seed=8)).any()


class TestPlausibleModel:
    """A model with the numbers of a draw, which may be simulated from."""

    @pytest.mark.parametrize("seed", [0, 7])
    def test_its_numbers_are_those_of_the_draw_and_lie_in_its_ranges(self, seed: int) -> None:
        other = dict(MODEL.plausible(seed=seed).file.probabilities())
        drawn = draw(MODEL.network.parameters, 1, seed=seed)[0]
        assert [number.p for number in other.values()] == drawn.tolist()
        for place, number in MODEL.file.probabilities():
            low, high = other[place].range
            assert low <= min(number.range[0], other[place].p)
            assert high >= max(number.range[1], other[place].p)
            assert other[place].why == number.why

    @pytest.mark.slow
    def test_its_posteriors_are_within_what_intervals_say(self) -> None:
        case = {"age": 67, "unilateral_leg_swelling": True, "calf_pain": True, "long_travel": False}
        found = MODEL.diagnose(case).intervals(0.9, draws=400).loc["dvt"]
        asked = np.array([MODEL.plausible(seed=seed).diagnose(case).probabilities["dvt"] for seed in range(40)])
        inside = (asked >= found["low"]) & (asked <= found["high"])
        assert 0.7 < inside.mean() < 1.0  # 0.9 expected; 4 standard errors

    def test_it_is_written_and_read_like_any_model(self, tmp_path: Path) -> None:
        other = MODEL.plausible(seed=3)
        other.save(tmp_path / "other.yaml")
        assert kb.load_model(tmp_path / "other.yaml").file == other.file
        assert other.file.version == f"{MODEL.file.version}+plausible"
        assert other.file.provenance == ("all numbers drawn from their plausible ranges, seed 3",)

    def test_numbers_without_a_range_stay(self) -> None:
        file = narrowed(FILES["many causes"])
        assert dict(kb.Model(file).plausible(seed=1).file.probabilities()) == dict(file.probabilities())


class TestOneCase:
    """Intervals and alarm of a diagnosis."""

    def ask(self, model: kb.Model, case: dict[str, object], **options: Any) -> Uncertainty:
        return model.diagnose(case).uncertainty(**options)

    def test_interval_is_the_quantiles_of_the_models_asked_one_by_one(self) -> None:
        network = CompiledModel(FILES["three states"])
        codes = possible(network, 1, 5)
        found = uncertainty(assess(Assessor(network), Evidence(codes), THRESHOLDS), level=0.8, draws=40, seed=6)
        values = draw(network.parameters, 40, seed=6)
        each = np.array(
            [CompiledModel(renumbered(network.model, v)).posteriors(Evidence(codes)).values[0] for v in values]
        )
        np.testing.assert_allclose(found.low, np.quantile(each, 0.1, axis=0), rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.high, np.quantile(each, 0.9, axis=0), rtol=0, atol=1e-12)
        dvt = each[:, 0]
        assert found.shares["urgent"] == pytest.approx((dvt >= 0.1).mean())
        assert found.shares["caution"] == pytest.approx(((dvt >= 0.02) & (dvt < 0.1)).mean())

    @pytest.mark.parametrize(
        "model", [pytest.param(MODEL, id="article"), pytest.param(EXTENDED, id="extended", marks=pytest.mark.slow)]
    )
    def test_without_ranges_the_interval_is_the_posterior(self, model: kb.Model) -> None:
        sure = kb.Model(narrowed(model.file))
        case = {"age": 67, "sex": "male", "unilateral_leg_swelling": True, "calf_pain": "present:0.8"}
        found = self.ask(sure, case, draws=30)
        np.testing.assert_allclose(found.low, found.posterior, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.high, found.posterior, rtol=0, atol=1e-12)
        assert found.low_error.max() < 1e-12
        assert found.high_error.max() < 1e-12
        assert found.robust
        assert found.shares[found.alarm] == 1.0
        frame = pd.DataFrame([case, {"age": 30}]).astype(object)
        scored = sure.score(frame, intervals=0.9, draws=30)
        for name in sure.network.columns:
            np.testing.assert_allclose(scored[f"{name}_low"], scored[name], rtol=0, atol=1e-12)
            np.testing.assert_allclose(scored[f"{name}_high"], scored[name], rtol=0, atol=1e-12)
        assert (scored["dvt_alarm_robust"] == 1).all()
        assert (scored["dvt_alarm_graver"] == 0).all()

    def test_the_posterior_lies_within_and_wider_levels_hold_narrower(self) -> None:
        case: dict[str, object] = {"age": 67, "long_travel": True, "unilateral_leg_swelling": True}
        wide, narrow = (self.ask(MODEL, case, level=level, draws=300) for level in (0.95, 0.5))
        assert ((wide.low < wide.posterior) & (wide.posterior < wide.high)).all()
        assert ((wide.low < narrow.low) & (narrow.high < wide.high)).all()

    def test_an_alarm_by_rule_is_robust_whatever_the_numbers(self) -> None:
        found = self.ask(MODEL, {"breathlessness_chest_pain": True, "long_travel": True}, draws=60)
        assert found.alarm == "emergency"
        assert found.shares == dict.fromkeys(LEVELS, 0.0) | {"emergency": 1.0}
        assert found.robust

    def test_an_alarm_on_the_edge_is_not_robust_and_says_so(self) -> None:
        case: dict[str, object] = {"age": 67, "sex": "male", "unilateral_leg_swelling": "present"}
        p = MODEL.diagnose(case).alarm.probability
        dx = MODEL.diagnose(case, thresholds=Thresholds(0.02, p))
        found = dx.uncertainty(draws=200)
        assert found.alarm == dx.alarm.level == "urgent"
        assert 0.25 < found.shares["urgent"] < 0.75
        assert sum(found.shares.values()) == pytest.approx(1.0)
        assert found.shares["low"] == found.shares["not_assessed"] == 0.0  # one leg swollen: caution by rule
        assert not found.robust
        assert found.sentence.startswith("The alarm is NOT robust: urgent in ")
        assert "caution in" in str(found)

    def test_frame_has_all_there_is_to_plot(self) -> None:
        table = MODEL.diagnose({"age": 67, "calf_pain": "present:0.8"}).intervals(0.9, draws=50, seed=4)
        assert table.index.tolist() == list(MODEL.network.columns)
        assert table.columns.tolist() == ["posterior", "low", "high", "low_error", "high_error"]
        assert table.attrs["level"] == 0.9
        assert table.attrs["draws"] == 50
        assert table.attrs["alarm_shares"].keys() == set(LEVELS)
        again = MODEL.diagnose({"age": 67, "calf_pain": "present:0.8"}).intervals(0.9, draws=50, seed=4)
        pd.testing.assert_frame_equal(table, again)

    def test_draws_in_which_the_evidence_is_impossible_say_nothing(self) -> None:
        file = FILES["no causes of causes"]
        changes = {
            p: n.model_copy(update={"p": 0.3, "range": (0.0, 0.9)}) for p, n in file.probabilities() if "f1" in p
        }
        network = CompiledModel(with_numbers(file, changes))
        codes = np.full((len(network.variables), 1), -1, dtype=np.int8)
        codes[network.variables.index("f1")] = 1
        parameters = network.parameters
        none = np.flatnonzero(parameters.belongs_to(np.array([n == "f1" for n in file.findings])))
        values = draw(parameters, 30, seed=0)
        values[:10, none] = 0.0
        drawn = VersionedCase(parameters.network, Evidence(codes)).posteriors(values)[0]
        assert np.isnan(drawn[:10]).all()
        low, high, *_ = interval_ends(drawn.T.copy(), 0.8)
        np.testing.assert_allclose(low, np.quantile(drawn[10:], 0.1, axis=0), atol=1e-15)
        np.testing.assert_allclose(high, np.quantile(drawn[10:], 0.9, axis=0), atol=1e-15)

    @pytest.mark.parametrize("level", [0.0, 1.0, 90.0, float("nan")])
    def test_levels_out_of_range_are_refused(self, level: float) -> None:
        with pytest.raises(OptionError, match="between 0 and 1"):
            MODEL.diagnose({}).intervals(level)

    def test_more_draws_than_memory_holds_are_refused(self) -> None:
        with pytest.raises(OptionError, match="1,000,000,000 draws are more than an interval can use: at most 100,000"):
            MODEL.diagnose({}).intervals(0.9, draws=10**9)

    def test_too_few_draws_are_refused(self) -> None:
        with pytest.raises(OptionError, match="19 draws are too few"):
            MODEL.diagnose({}).intervals(draws=19)


def test_monte_carlo_error_is_the_spread_over_seeds() -> None:
    rng = np.random.default_rng(1)
    drawn = np.exp(rng.normal(size=(3000, 1, 200)))
    low, high, low_error, high_error = interval_ends(drawn, 0.9)
    for ends, errors in ((low, low_error), (high, high_error)):
        assert np.mean(errors) == pytest.approx(np.std(ends), rel=0.15)


class TestManyCases:
    """Intervals and alarms of tables and files."""

    @pytest.fixture(scope="class")
    @staticmethod
    def cases() -> Assessment:
        codes = possible(MODEL.network, 15, 11)
        row = MODEL.network.variables.index("calf_pain")
        codes[row, :4] = -1
        soft = (
            SoftEvidence(row, np.array([0, 2]), np.array([0.2, 0.8])),
            SoftEvidence(0, np.array([3]), np.linspace(0, 1, 5)),
        )
        codes[0, 3] = -1
        evidence = Evidence(codes, soft)
        return assess(MODEL.assessor, evidence, THRESHOLDS)

    def test_engines_agree_and_a_case_is_as_if_alone(self, cases: Assessment) -> None:
        found = batch_uncertainty(cases, draws=25, seed=3, engine="numba")
        slow = batch_uncertainty(cases, draws=25, seed=3, engine="numpy")
        for name in ("low", "high", "low_error", "high_error", "robust", "graver"):
            np.testing.assert_allclose(getattr(found, name), getattr(slow, name), rtol=0, atol=1e-12, err_msg=name)
        for i in (0, 3, 7):
            alone = uncertainty(assess(MODEL.assessor, cases.evidence[[i]], THRESHOLDS), draws=25, seed=3)
            np.testing.assert_allclose(found.low[i], alone.low, rtol=0, atol=1e-12)
            np.testing.assert_allclose(found.high_error[i], alone.high_error, rtol=0, atol=1e-12)
            assert found.robust[i] == pytest.approx(alone.shares[alone.alarm])
            graver = sum(alone.shares[name] for name in LEVELS[LEVELS.index(alone.alarm) + 1 :])
            assert found.graver[i] == pytest.approx(graver)

    def test_chunks_do_not_show(self, cases: Assessment, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = batch_uncertainty(cases, draws=20, engine="numba")
        monkeypatch.setattr(robustness, "CHUNK_BYTES", 7 * 20 * 11 * 8)
        parts = batch_uncertainty(cases, draws=20, engine="numba")
        for name in ("low", "high", "robust", "graver"):
            np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))

    def test_cases_that_are_alike_get_what_one_alone_gets(self, cases: Assessment) -> None:
        which = [9, 5, 12, 5, 9, 9]
        found = batch_uncertainty(
            assess(MODEL.assessor, Evidence(cases.evidence.codes[:, which]), THRESHOLDS), draws=20, engine="numba"
        )
        for row, case in enumerate(which):
            alone = assess(MODEL.assessor, Evidence(cases.evidence.codes[:, [case]]), THRESHOLDS)
            expected = batch_uncertainty(alone, draws=20, engine="numba")
            for name in ("low", "high", "low_error", "high_error", "shares", "levels"):
                np.testing.assert_array_equal(getattr(found, name)[row], getattr(expected, name)[0], err_msg=name)

    def test_frame_gets_columns_and_keeps_index_and_posteriors(self) -> None:
        frame = MODEL.simulate(30, seed=5).set_index(pd.Index([f"p{i}" for i in range(30)]))
        plain, scored = MODEL.score(frame), MODEL.score(frame, intervals=0.9, draws=20)
        pd.testing.assert_frame_equal(scored[plain.columns.tolist()], plain)
        added = [f"{name}_{end}" for name in MODEL.network.columns for end in ("low", "high")]
        assert scored.columns.tolist() == [*plain.columns, *added, "dvt_alarm_robust", "dvt_alarm_graver"]
        for name in MODEL.network.columns:
            assert (scored[f"{name}_low"] <= scored[f"{name}_high"]).all()
        assert (scored["dvt_alarm_robust"] + scored["dvt_alarm_graver"] <= 1 + 1e-12).all()
        known = frame.drop(columns="case_id", errors="ignore").iloc[3].dropna()
        one = MODEL.diagnose({str(name): value for name, value in known.items()})
        alone = one.intervals(draws=20)
        assert scored.iloc[3]["dvt_low"] == pytest.approx(alone.loc["dvt", "low"], abs=1e-12)
        assert scored.iloc[3]["dvt_alarm_robust"] == pytest.approx(alone.attrs["alarm_shares"][one.alarm.level])

    def test_rows_that_cannot_be_scored_stay_empty(self) -> None:
        frame = pd.DataFrame({"calf_pain": ["yes", "perhaps", None], "sex": ["male", "male", "male"]})
        frame["pregnancy"] = ["not_pregnant", None, "pregnant"]
        scored = MODEL.score(frame, errors="null", intervals=0.9, draws=20)
        assert scored["dvt_low"].isna().tolist() == [False, True, True]
        assert scored["dvt_alarm_robust"].isna().tolist() == [False, True, True]

    def test_file_gets_the_same_columns(self, tmp_path: Path) -> None:
        frame = MODEL.simulate(40, seed=6)
        frame.to_csv(tmp_path / "cases.csv", index=False)
        MODEL.score_file(tmp_path / "cases.csv", tmp_path / "scores.csv", intervals=0.8, draws=20, seed=2)
        written, scored = pd.read_csv(tmp_path / "scores.csv"), MODEL.score(frame, intervals=0.8, draws=20, seed=2)
        assert written.columns.tolist() == scored.columns.tolist()
        for name in ("dvt_low", "none_of_these_high", "dvt_alarm_robust", "dvt_alarm_graver"):
            np.testing.assert_allclose(written[name], scored[name], rtol=0, atol=1e-12)

    def test_command_takes_a_percentage(self, tmp_path: Path) -> None:
        (tmp_path / "cases.csv").write_text("case_id,age,unilateral_leg_swelling\na,67,yes\n")
        words = ["score", str(tmp_path / "cases.csv"), "-q", "--intervals", "80", "--draws", "40", "--seed", "3"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0
        (row,) = pd.read_csv(StringIO(result.stdout)).to_dict("records")
        dx = MODEL.diagnose({"age": 67, "unilateral_leg_swelling": True})
        assert row["dvt_high"] == pytest.approx(dx.intervals(0.8, draws=40, seed=3).loc["dvt", "high"], abs=1e-12)
        refused = CliRunner().invoke(app, [*words[:-5], "0", "-o", str(tmp_path / "out.csv")])
        assert refused.exit_code == 2
        assert "--intervals 0: give a percentage from 1 to under 100, such as 90" in refused.stderr

    def test_options_out_of_range_are_refused_before_anything_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "cases.csv").write_text("age\n67\n")
        with pytest.raises(OptionError, match="between 0 and 1"):
            MODEL.score_file(tmp_path / "cases.csv", tmp_path / "scores.csv", intervals=90)
        assert not (tmp_path / "scores.csv").exists()
