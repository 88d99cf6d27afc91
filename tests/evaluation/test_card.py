"""The model card, and in what two models differ."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kneebayes as kb
from kneebayes.evaluation import card
from kneebayes.evaluation.expectations import check_claims, check_directions, compare, rank_cases
from kneebayes.spec.yaml_io import model_path

ANKLE = Path(__file__).parents[2] / "examples" / "ankle.yaml"
LEAK = re.compile(r"(  dvt:\n(?:    .*\n)*?    leak: \{p: )([\d.]+)(, range: \[[\d.]+, )[\d.]+")


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


@pytest.fixture(scope="module")
def riskier(tmp_path_factory: pytest.TempPathFactory) -> kb.Model:
    """Copy the model, with a leak of a clot ten times as large."""
    path = tmp_path_factory.mktemp("edited") / "edited.yaml"
    text = model_path("posterior_knee_pain").read_text(encoding="utf-8")
    changed, n = LEAK.subn(lambda found: f"{found[1]}{10 * float(found[2]):g}{found[3]}0.5", text)
    assert n == 1
    path.write_text(changed, encoding="utf-8")
    return kb.load_model(path)


def sections(text: str) -> dict[str, list[str]]:
    """Split by heading: the lines with something on them."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    return {
        title: [line for line in body.splitlines() if line] for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def test_a_model_does_not_differ_from_itself(model: kb.Model) -> None:
    told = sections(compare(model, model))
    moves = {title: lines for title, lines in told.items() if not title.startswith("P(")}
    assert all(title.endswith(": 0") for title in moves)
    assert not any(moves.values())


def test_one_number_moves_what_depends_on_it(model: kb.Model, riskier: kb.Model) -> None:
    told = sections(compare(model, riskier))
    moved = next(lines for title, lines in told.items() if title.startswith("Numbers moved by more"))
    assert [line.split(" | ")[0] for line in moved[2:]] == ["| causes.dvt.leak"]
    assert float(moved[2].split(" | ")[3]) == pytest.approx(10, rel=0.02)
    clot = next(line.split(" | ") for line in told["P(cause | the complaint alone)"] if "thrombosis" in line)
    assert float(clot[1]) == pytest.approx(model.diagnose({}).posterior["dvt"], abs=1e-4)
    assert float(clot[2].rstrip(" |")) == pytest.approx(riskier.diagnose({}).posterior["dvt"], abs=1e-4)
    cases = next(lines for title, lines in told.items() if title.startswith("Labelled cases"))
    assert any(line.startswith("| D22 ") for line in cases)


def test_models_of_other_things_are_told_apart_too(model: kb.Model) -> None:
    told = compare(model, kb.load_model(ANKLE))
    assert "causes.dvt.leak" in told
    assert sections(told)["Labelled cases that move: 0"] == []


def test_claims_pairs_and_places_are_those_of_one_case_at_a_time(model: kb.Model) -> None:
    claims, pairs, ranks = check_claims(model), check_directions(model), rank_cases(model)
    throbbing = claims.loc[next(place for place in claims.index if "dvt: throbbing_pain=present" in place)]
    p, q = (model.diagnose(facts).posterior["dvt"] for facts in ({"throbbing_pain": "present"}, {}))
    assert throbbing["value"] == pytest.approx(p / (1 - p) / (q / (1 - q)), rel=1e-9)
    name, *more = re.split(r" over |: ", pairs.index[0])
    facts = [dict(fact.split("=") for fact in side.split(";")) for side in more]
    expected = [model.diagnose(side).posterior[name.split()[1]] for side in facts]
    assert pairs.iloc[0][["value", "asked"]].tolist() == pytest.approx(expected, rel=1e-9)
    assert len(claims) > 150
    assert len(pairs) > 60
    assert len(ranks) == 77
    assert ranks["posterior"].between(0, 1).all()


def test_shares_count_and_have_wilson_intervals() -> None:
    ranks = pd.DataFrame(
        {
            "right": ["dvt", "dvt", "leg_cramps", "none_of_these"],
            "posterior": 0.5,
            "place": [4, 1, 1, 3],
            "alarm": ["caution", "urgent", "low", "caution"],
        }
    )
    shares = {what: (k, n) for what, (k, n, *_) in card.case_shares(ranks, "dvt").items()}
    assert shares == {
        "right cause first": (2, 4),
        "right cause among three": (3, 4),
        "first, clots left out": (1, 2),
        "among three, clots left out": (2, 2),
        "none of the causes is right, and first": (0, 1),
        "clots at caution or above": (2, 2),
        "clots at urgent or above": (1, 2),
        "caution or above without a clot": (1, 2),
    }
    *_, low, high = card.case_shares(ranks, "dvt")["clots at caution or above"]
    assert (low, high) == pytest.approx((0.342, 1), abs=1e-3)


def test_a_card_has_the_headings_and_figures_of_its_model(monkeypatch: pytest.MonkeyPatch, model: kb.Model) -> None:
    monkeypatch.setattr(card, "PEOPLE", 1500)
    monkeypatch.setattr(card, "COMPLETE", 500)
    text = card.model_card(model)
    told = sections(text)
    assert list(told) == [
        "Model details",
        "Intended use",
        "Population, predictors and outcome",
        "What the numbers rest on",
        "How it does",
        "Where it fails",
        "Ethical considerations",
        "Caveats",
    ]
    assert f"| Deep vein thrombosis | {model.diagnose({}).posterior['dvt']:.3f} |" in text
    assert "nan" not in text
    assert "&" not in text
    means = [float(line.split()[1]) for line in told["How it does"] if line.startswith("| 0.")]
    assert means == sorted(means)
    assert len(means) == 10


def test_a_card_can_be_made_of_any_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "PEOPLE", 1500)
    monkeypatch.setattr(card, "COMPLETE", 500)
    text = card.model_card(kb.load_model(ANKLE))
    assert "Wells" not in text
    assert "none_of_these" in text


@pytest.mark.slow  # of 500,000 people those with a sore swollen calf
def test_wells_classes_hold_as_many_clots_as_published() -> None:
    """Low 4 to 8, moderate 13 to 23, high 44 to 61 % (Wells 2006); 13 to 30 % of the suspected by setting."""
    classes = card.wells_classes(kb.load_model("extended"))
    assert classes is not None
    share = classes["clot"]
    assert 0.04 <= share["low"] <= 0.08
    assert 0.13 <= share["moderate"] <= 0.23
    assert 0.44 <= share["high"] <= 0.61
    assert 0.13 <= share["all"] <= 0.25
    assert np.average(share[:3], weights=classes["people"][:3]) == pytest.approx(share["all"])
