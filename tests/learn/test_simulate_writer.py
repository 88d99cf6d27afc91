"""What is written down of simulated cases: labels and their noise, empty cells, prevalence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.errors import CaseError, KneeBayesError, UnknownNameError
from kneebayes.ui.cli import app


def test_a_label_is_a_cause_that_is_there_and_also_names_the_rest() -> None:
    cases = kb.load_model().simulate(3000, seed=7, with_causes=True, label=True)
    causes = kb.load_model().causes
    firsts = []
    for _, case in cases.iterrows():
        there = [cause for cause in causes if case[f"true_{cause}"] != "absent"]
        named = [case["label"], *filter(None, case["also"].split(";"))]
        assert sorted(named) == sorted(there or ["none_of_these"])
        if len(there) == 2:
            firsts.append(there[0] == case["label"])
    assert abs(np.mean(firsts) - 0.5) < 4 * np.sqrt(0.25 / len(firsts))


@pytest.mark.slow
def test_labels_change_nothing_else_and_fewer_are_the_first_of_more() -> None:
    model = kb.load_model()
    plain = model.simulate(2000, seed=3)
    labelled = model.simulate(2000, seed=3, label=True, label_noise=0.3)
    pd.testing.assert_frame_equal(labelled.drop(columns=["label", "also"]), plain)
    pd.testing.assert_frame_equal(model.simulate(200, seed=3, label=True, label_noise=0.3), labelled.iloc[:200])


def test_label_noise_makes_that_share_wrong_and_every_wrong_name_as_likely() -> None:
    model = kb.load_model()
    right = model.simulate(20_000, seed=5, label=True)["label"].astype(str)
    noisy = model.simulate(20_000, seed=5, label=True, label_noise=0.2, with_causes=True)
    wrong = (noisy["label"].astype(str) != right).to_numpy()
    assert abs(wrong.mean() - 0.2) < 4 * np.sqrt(0.16 / 20_000)
    swapped = noisy["label"].astype(str)[wrong & (right == "none_of_these").to_numpy()].value_counts()
    assert sorted(swapped.index) == sorted(model.causes)
    expected = swapped.sum() / len(swapped)
    assert ((swapped - expected) ** 2 / expected).sum() < 30  # chi-squared with 8 degrees of freedom: p < 0.001
    assert not any(label in also.split(";") for label, also in zip(noisy["label"], noisy["also"], strict=True))
    assert (noisy.loc[noisy["label"] == "none_of_these", "also"] == "").all()


def test_missingness_may_depend_on_the_cause() -> None:
    model = kb.load_model()
    options: dict[str, Any] = {"seed": 6, "with_causes": True, "missing": (0.3, 0.6)}
    cases = model.simulate(30_000, missing_if={"dvt": (0.05, 0.1), "leg_cramps": 0.9}, **options)
    clot, cramp = ((cases[f"true_{cause}"] == "present").to_numpy() for cause in ("dvt", "leg_cramps"))
    for who, share in [(clot, 0.1), (cramp & ~clot, 0.9), (~clot & ~cramp, 0.6)]:
        empty = cases.loc[who, "calf_pain"].isna().mean()
        assert abs(empty - share) < 4.5 * np.sqrt(share * (1 - share) / who.sum())
    assert abs(cases.loc[clot, "smoker"].isna().mean() - 0.05) < 4.5 * np.sqrt(0.05 * 0.95 / clot.sum())
    # what is not empty is what would have been drawn anyway
    plain = model.simulate(30_000, **options)
    both = (cases["calf_pain"].notna() & plain["calf_pain"].notna()).to_numpy()
    assert (cases["calf_pain"].astype(str)[both] == plain["calf_pain"].astype(str)[both]).all()


def test_prevalence_is_that_of_the_cases_drawn() -> None:
    cases = kb.load_model().simulate(40_000, seed=8, prevalence={"dvt": 0.12, "leg_cramps": 0.3}, with_causes=True)
    for cause, share in [("dvt", 0.12), ("leg_cramps", 0.3)]:
        drawn = (cases[f"true_{cause}"] == "present").mean()
        assert abs(drawn - share) < 4.5 * np.sqrt(share * (1 - share) / 40_000)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"missing_if": {"dtv": 0.1}}, UnknownNameError, "Did you mean 'dvt'"),
        ({"missing_if": {"dvt": 1.1}}, CaseError, "missing_if dvt 1.1"),
        ({"label": True, "label_noise": -0.1}, CaseError, "label_noise -0.1"),
        ({"label_noise": 0.1}, CaseError, "no labels"),
        ({"prevalence": {"dtv": 0.1}}, KneeBayesError, "dtv"),
        ({"prevalence": {"dvt": 1.5}}, KneeBayesError, "1.5"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_options_out_of_range_are_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        kb.load_model().simulate(10, seed=1, **options)


def test_cases_can_be_changed() -> None:
    cases = kb.load_model().simulate(10, seed=1)
    cases.loc[0, "calf_pain"] = None
    assert cases["calf_pain"].isna()[0]


def test_the_command_takes_the_same_options(tmp_path: Path) -> None:
    target = tmp_path / "cases.csv"
    arguments = ["simulate", "-n", "300", "--seed", "4", "-o", str(target), "--label", "--label-noise", "0.1"]
    arguments += ["--prevalence", "dvt=0.2", "--missing-if", "dvt=0.1,leg_cramps=0"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    written = pd.read_csv(target, dtype=str, keep_default_na=False)
    options: dict[str, Any] = {"label": True, "label_noise": 0.1, "prevalence": {"dvt": 0.2}}
    drawn = kb.load_model().simulate(300, seed=4, missing_if={"dvt": 0.1, "leg_cramps": 0}, **options)
    assert written["label"].tolist() == drawn["label"].tolist()
    assert written["also"].tolist() == drawn["also"].tolist()
    assert (written["calf_pain"] == "").tolist() == drawn["calf_pain"].isna().tolist()
    assert CliRunner().invoke(app, [*arguments, "--missing-if", "dvt"]).exit_code == 2
