"""Prevalences shifted by the leaks: exact, several at once, and refused where no leaks give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest

import kneebayes as kb
from kneebayes.errors import PrevalenceError, UnknownNameError
from kneebayes.inference.network import Engine
from kneebayes.learn.prevalence import TOLERANCE, with_prevalence
from kneebayes.spec.yaml_io import with_numbers
from tests.oracles import brute_force, random_model

TARGETS: dict[str, dict[str, float]] = {
    "one": {"dvt": 0.12},
    "a_common_one_made_almost_sure": {"knee_osteoarthritis": 0.999},
    "several_that_cause_each_other": {"knee_osteoarthritis": 0.45, "bakers_cyst": 0.3, "dvt": 0.2, "leg_cramps": 0.25},
    "all": {
        "leg_cramps": 0.2,
        "bakers_cyst": 0.3,
        "hamstring_tendonitis": 0.12,
        "gastrocnemius_tendonitis": 0.2,
        "knee_osteoarthritis": 0.4,
        "pes_anserine_bursitis": 0.11,
        "pcl_injury": 0.05,
        "meniscal_tear": 0.25,
        "dvt": 0.1,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("links", [False, True], ids=["leaks", "leaks_and_links"])
@pytest.mark.parametrize("case", TARGETS)
def test_the_posteriors_given_the_complaint_are_the_prevalences(case: str, links: bool) -> None:
    model = kb.load_model().with_prevalence(TARGETS[case], links=links)
    posterior = model.diagnose({}).posterior
    for cause, wanted in TARGETS[case].items():
        assert abs(posterior[cause] - wanted) <= TOLERANCE


@pytest.mark.parametrize("seed", range(4))
def test_brute_force_agrees_on_random_models(seed: int) -> None:
    model = random_model(seed, causes=3, states=3)
    codes = np.full(len(model.variables), -1, dtype=np.int8)
    codes[list(model.variables).index(model.complaint)] = 1
    now, _ = brute_force(model, codes)
    wanted = {cause: 1 - 0.8 * now[cause, "absent"] for cause in ("c2", "c0")}
    shifted, _ = brute_force(with_prevalence(model, wanted), codes)
    for cause, value in wanted.items():
        assert 1 - shifted[cause, "absent"] == pytest.approx(value, abs=1e-9)


def test_todays_prevalence_changes_nothing() -> None:
    model = kb.load_model()
    today = model.diagnose({}).posterior
    same = model.with_prevalence({cause: float(today[cause]) for cause in ("dvt", "meniscal_tear")})
    for (place, now), (_, before) in zip(same.file.probabilities(), model.file.probabilities(), strict=True):
        assert now.p == pytest.approx(before.p, rel=1e-7), place


def test_only_the_leaks_of_the_named_causes_change_and_they_say_so() -> None:
    model = kb.load_model()
    shifted = model.with_prevalence({"dvt": 0.12, "meniscal_tear": 0.3})
    changed = {
        place: (before, now)
        for (place, before), (_, now) in zip(model.file.probabilities(), shifted.file.probabilities(), strict=True)
        if before != now
    }
    assert list(changed) == ["causes.meniscal_tear.leak", "causes.dvt.leak"]
    before, now = changed["causes.dvt.leak"]
    assert now.basis == (
        f"fitted: prevalence 0.12 given the complaint, was {before.p:.4g} in {before.range[0]:.4g} to "
        f"{before.range[1]:.4g}; {before.basis}"
    )
    assert now.range[0] < now.p < now.range[1]
    odds = [p / (1 - p) for p in (*before.range, *now.range)]
    assert odds[1] / odds[0] == pytest.approx(odds[3] / odds[2])
    note = "prevalence given the complaint alone set to dvt 0.12, meniscal_tear 0.3, by the leaks"
    assert shifted.file.provenance == (note,)
    assert shifted.file.version == f"{model.file.version}+prevalence"
    again = shifted.with_prevalence({"dvt": 0.2}).file
    assert again.causes["dvt"].leak.basis.count("fitted:") == 1
    assert len(again.provenance) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("p", "links"), [(0.9999, True), (1 - 1e-15, True), (1 - 1e-16, False)])
def test_no_number_becomes_certain_however_common_the_cause(p: float, links: bool, tmp_path: Path) -> None:
    """A certain link would make of a case that has the risk factor without the cause an impossible one."""
    model = kb.load_model().with_prevalence({"pcl_injury": p}, links=links)
    assert all(number.p < 1 for _, number in model.file.probabilities())
    model.save(tmp_path / "common.yaml")
    model = kb.load_model(tmp_path / "common.yaml")
    case = {"pcl_injury": "absent", "dashboard_injury": "present", "sport": "soccer", "sex": "male"}
    dx = model.diagnose(case)
    assert dx.probabilities["pcl_injury"] == 0.0
    for engine in get_args(Engine):
        scored = model.score_table(pa.Table.from_pylist([case]), engine=engine).table.to_pylist()[0]
        assert scored["dvt"] == pytest.approx(dx.probabilities["dvt"], abs=1e-9)
    assert not dx.intervals(draws=20).isna().any(axis=None)


@pytest.mark.slow
def test_with_links_a_risk_factor_tells_as_much_as_before_and_with_leaks_less() -> None:
    """And only leaks and links together make a cause rarer than its links alone."""
    model = kb.load_model()
    odds = {}
    for name, other in {
        "before": model,
        "leaks": model.with_prevalence({"dvt": 0.2}),
        "links": model.with_prevalence({"dvt": 0.2}, links=True),
    }.items():
        with_risk, without = (other.diagnose({"previous_dvt": said}).posterior["dvt"] for said in ("yes", "no"))
        odds[name] = with_risk / (1 - with_risk) / (without / (1 - without))
    assert odds["leaks"] < 1.2 < 0.9 * odds["before"] < odds["links"] < 1.1 * odds["before"]
    rare = model.with_prevalence({"dvt": 1e-4}, links=True)
    assert rare.diagnose({}).posterior["dvt"] == pytest.approx(1e-4, rel=1e-6)
    leak, before = rare.file.causes["dvt"].leak, model.file.causes["dvt"].leak
    assert leak.basis.startswith("fitted: prevalence 0.0001 of dvt given the complaint, by leaks and links, was ")
    assert leak.basis.endswith(before.basis)
    assert rare.file.provenance[-1].endswith("by leaks and links")
    assert rare.file.version == f"{model.file.version}+prevalence"


def test_a_cause_without_a_leak_gets_one() -> None:
    model = random_model(1)
    none = model.causes["c0"].leak.model_copy(update={"p": 0.0, "range": (0.0, 0.0)})
    dry = with_numbers(model, {"causes.c0.leak": none})
    leak = with_prevalence(dry, {"c0": 0.9}).causes["c0"].leak
    assert 0 < leak.p <= leak.range[1]


def test_nothing_asked_for_is_nothing_done() -> None:
    model = kb.load_model()
    assert model.with_prevalence({}).file == model.file


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "rarer_than_the_links": (
        {"dvt": 1e-4},
        PrevalenceError,
        r"dvt can't be as rare as 0.0001: without any leak.* 0\.0",
    ),
    "one_of_two": ({"dvt": 0.3, "bakers_cyst": 0.02}, PrevalenceError, "bakers_cyst can't be as rare as 0.02"),
    "zero": ({"dvt": 0}, PrevalenceError, "between 0 and 1"),
    "one": ({"dvt": 1}, PrevalenceError, "between 0 and 1"),
    "per_cent": ({"dvt": 12}, PrevalenceError, "Did you mean 0.12"),
    "nan": ({"dvt": float("nan")}, PrevalenceError, "between 0 and 1"),
    "text": ({"dvt": "12 %"}, PrevalenceError, "'12 %'"),
    "bool": ({"dvt": True}, PrevalenceError, "True"),
    "no_mapping": (0.1, PrevalenceError, "a mapping from causes to numbers"),  # type: ignore[dict-item]
    "no_cause": ({"dtv": 0.1}, UnknownNameError, "Did you mean 'dvt'"),
    "none_of_these": ({"none_of_these": 0.1}, UnknownNameError, "none_of_these"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_impossible_is_refused(case: str) -> None:
    prevalence, error, said = REFUSED[case]
    with pytest.raises(error, match=said):
        kb.load_model().with_prevalence(prevalence)
