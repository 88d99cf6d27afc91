"""Explanations: shares that equal brute force through pgmpy, and words that say what the numbers say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes.diagnosis import explanation as explanation_of
from kneebayes.diagnosis.explanation import Explanation, exact_shares, explain, sampled_shares, subsets
from kneebayes.errors import UnknownNameError
from kneebayes.inference.evidence import DECIBANS, Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.interop.pgmpy import Reference
from kneebayes.templates import percent
from kneebayes.ui.cli import app
from tests.oracles import random_model

MODEL = kb.load_model()
NETWORK = MODEL.network
COMPLAINT = {MODEL.file.complaint: "present"}
VIGNETTES = pd.read_csv(Path(__file__).parents[2] / "data" / "vignettes.csv")
EVIDENCE = [c for c in VIGNETTES if c in MODEL.file.variables or c in MODEL.file.inputs]
PLACES = [
    pytest.param(place, id=name, marks=[pytest.mark.slow] if said > 12 else [])  # twice the time for each answer more
    for place, (name, said) in enumerate(zip(VIGNETTES["case_id"], VIGNETTES[EVIDENCE].count(axis=1), strict=True))
]
KEPT = 4  # pieces of each vignette, where every subset is asked of pgmpy


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(MODEL.file)


def vignette(place: int) -> dict[str, Any]:
    row = VIGNETTES.loc[place, EVIDENCE]
    return {str(name): value for name, value in row.items() if pd.notna(value)}


def explained(case: dict[str, Any], target: str, **options: Any) -> Explanation:
    dx = MODEL.diagnose(case)
    return explain(NETWORK, dx.assessment.evidence, target, **options)


def log_odds(p: float) -> float:
    return math.log(p) - math.log1p(-p)


def brute_force(value: Any, pieces: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Shapley's mean over every order, one after the other, and leave-one-out, in decibans."""
    orders = list(permutations(pieces))
    shapley = {
        piece: sum(value(frozenset(o[: o.index(piece) + 1])) - value(frozenset(o[: o.index(piece)])) for o in orders)
        / len(orders)
        * DECIBANS
        for piece in pieces
    }
    every = frozenset(pieces)
    return shapley, {piece: (value(every) - value(every - {piece})) * DECIBANS for piece in pieces}


class TestAgainstPgmpy:
    """Shares by pgmpy, one query per subset, and every order one after the other."""

    @pytest.mark.slow
    @pytest.mark.parametrize("place", range(0, 20), ids=lambda i: str(VIGNETTES["case_id"][i]))
    def test_shares_and_leave_one_out_of_vignettes(self, place: int, reference: Reference) -> None:
        case = MODEL.diagnose(vignette(place)).evidence
        case = dict([item for item in case.items() if item[0] not in COMPLAINT][-KEPT:])
        label = str(VIGNETTES["label"][place])

        @cache
        def posteriors(names: frozenset[str]) -> dict[str, float]:
            sure, left = dict(COMPLAINT), {}
            for name in names:
                variable, states = MODEL.file.meaning(name, [case[name]])
                if name == variable:
                    sure[name] = case[name]
                else:
                    left[variable] = [float(state in states) for state in MODEL.file.variables[variable].states]
            return reference.posteriors(sure, left)

        for target in dict.fromkeys(("dvt", label)):
            shapley, leave_one_out = brute_force(lambda names, t=target: log_odds(posteriors(names)[t]), list(case))
            table = MODEL.diagnose(case).explain(target)
            assert table["decibans"].to_dict() == pytest.approx(shapley, abs=1e-9)
            assert table["leave_one_out"].to_dict() == pytest.approx(leave_one_out, abs=1e-9)
            assert table.attrs["prior"] == pytest.approx(posteriors(frozenset())[target], abs=1e-12)
            without = {name: posteriors(frozenset(case) - {name})[target] for name in case}
            assert table["without"].to_dict() == pytest.approx(without, abs=1e-12)

    def test_unsure_pieces_count_by_their_likelihoods(self, reference: Reference) -> None:
        case = {"calf_pain": "present:0.8", "sport": "running:0.5, soccer:0.2", "sex": "male"}
        dx = MODEL.diagnose(case)
        chances = {NETWORK.variables[answer.row]: answer.likelihood.tolist() for answer in dx.assessment.evidence.soft}

        def value(names: frozenset[str]) -> float:
            sure = COMPLAINT | ({"sex": "male"} if "sex" in names else {})
            p = reference.posteriors(sure, {name: chances[name] for name in chances if name in names})
            return log_odds(p["gastrocnemius_tendonitis"])

        shapley, leave_one_out = brute_force(value, list(case))
        for options in ({}, {"max_exact": 2, "orders": 100}):
            table = explained(case, "gastrocnemius_tendonitis", **options).frame()
            close = {"abs": 1e-9} if not options else {"abs": 5 * table["standard_error"].max() + 1e-9}
            assert table["decibans"].to_dict() == pytest.approx(shapley, **close)
            assert table["leave_one_out"].to_dict() == pytest.approx(leave_one_out, abs=1e-9)

    def test_a_complaint_that_is_denied_is_a_piece_and_the_start_knows_nothing(self, reference: Reference) -> None:
        table = MODEL.diagnose({MODEL.file.complaint: "no", "calf_pain": "yes"}).explain("leg_cramps")
        assert table.attrs["prior"] == pytest.approx(reference.posteriors({})["leg_cramps"], abs=1e-12)
        assert set(table.index) == {MODEL.file.complaint, "calf_pain"}


class TestShares:
    """Games whose shares are known."""

    def test_glove_game(self) -> None:
        # two left gloves and a right one: a pair is worth 1 (Shapley's own example): 1/6, 1/6, 2/3
        sets = subsets(3)
        values = ((sets[:, 0] | sets[:, 1]) & sets[:, 2]).astype(float)
        assert exact_shares(values).shapley == pytest.approx([1 / 6, 1 / 6, 2 / 3])

    def test_sampled_shares_approach_exact_ones_by_their_standard_error(self) -> None:
        values = np.random.default_rng(3).normal(size=1 << 8)
        exact = exact_shares(values).shapley

        def value(sets: Any) -> Any:
            return values[sets @ (1 << np.arange(7, -1, -1))]

        sampled = sampled_shares(value, 8, orders=4000, rng=np.random.default_rng(1))
        assert (sampled.standard_error > 0).all()
        off = (sampled.shapley - exact) / sampled.standard_error
        assert np.abs(off).max() < 4
        assert np.sqrt((off**2).mean()) > 0.2  # an error far too large would also pass the line above
        assert sampled.shapley.sum() == pytest.approx(values[-1] - values[0], abs=1e-9)

    def test_a_piece_that_decides_alone_has_an_infinite_share_and_the_rest_theirs_without_it(self) -> None:
        values = np.array([0.0, 1.0, 2.0, 5.0, *[np.inf] * 4])
        assert exact_shares(values).shapley.tolist() == [np.inf, 3.0, 2.0]
        sampled = sampled_shares(
            lambda sets: values[sets @ np.array([4, 2, 1])], 3, orders=200, rng=np.random.default_rng(1)
        )
        assert sampled.shapley == pytest.approx([np.inf, 3.0, 2.0], abs=0.5)

    def test_pieces_that_decide_together(self) -> None:
        assert exact_shares(np.array([1.0, 2.0, 3.0, -np.inf])).shapley.tolist() == [-np.inf, -np.inf]

    def test_no_pieces(self) -> None:
        assert exact_shares(np.array([2.0])).shapley.shape == (0,)


class TestSums:
    """Shares add up to the change."""

    @pytest.mark.parametrize("place", PLACES)
    def test_shares_add_up_to_the_change_from_prior_to_posterior(self, place: int) -> None:
        dx = MODEL.diagnose(vignette(place))
        for explanation in dx.explanations():
            assert explanation.exact
            assert explanation.posterior == pytest.approx(dx.probabilities[explanation.target], abs=1e-12)
            total = sum(piece.decibans for piece in explanation.contributions)
            change = (log_odds(explanation.posterior) - log_odds(explanation.prior)) * DECIBANS
            assert total == pytest.approx(explanation.change, abs=1e-9)
            assert total == pytest.approx(change, abs=1e-9)

    @pytest.mark.parametrize("constant", [{"RARE": 2.0}, {"MIN_RESTS": 99, "MIN_COMPILED": 1}])
    def test_the_ways_to_work_out_subsets_agree(
        self, constant: dict[str, float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = vignette(0) | {"calf_pain": "present:0.7", "dvt": "present:0.2"}
        monkeypatch.setattr(explanation_of, "BATCH", 5)  # the last batch is not full
        one = explained(case, "dvt").content()
        for name, value in constant.items():
            monkeypatch.setattr(explanation_of, name, value)
        other = explained(case, "dvt").content()
        for name in ("prior", "posterior", "change", "tension"):
            assert one[name] == pytest.approx(other[name], abs=1e-9)
        assert len(one["pieces"]) == len(other["pieces"]) == len(case) - 1  # the complaint is where it starts
        for piece, again in zip(one["pieces"], other["pieces"], strict=True):
            assert piece == pytest.approx(again, abs=1e-9)

    def test_more_than_14_pieces_are_sampled_by_seed_and_still_add_up(self) -> None:
        row = MODEL.simulate(1, seed=4, missing=0.4).iloc[0]
        dx = MODEL.diagnose({c: row[c] for c in MODEL.file.input_columns if pd.notna(row[c])})
        first, again, other = (dx.explanation("dvt", orders=60, seed=seed) for seed in (1, 1, 2))
        assert not first.exact
        assert len(first.contributions) > 14
        assert sum(piece.decibans for piece in first.contributions) == pytest.approx(first.change, abs=1e-9)
        assert first.contributions == again.contributions
        assert first.contributions != other.contributions
        assert "standard error" in str(first)
        assert first.posterior == pytest.approx(dx.probabilities["dvt"], abs=1e-12)

    def test_sampled_and_exact_agree(self) -> None:
        exact = explained(vignette(5), "hamstring_tendonitis")
        sampled = {p.variable: p for p in explained(vignette(5), "hamstring_tendonitis", max_exact=3).contributions}
        for piece in exact.contributions:
            other = sampled[piece.variable]
            assert other.decibans == pytest.approx(piece.decibans, abs=5 * other.standard_error + 1e-9)
            assert other.leave_one_out == pytest.approx(piece.leave_one_out, abs=1e-9)

    def test_log_odds_keep_their_digits_where_a_cause_is_all_but_certain(self) -> None:
        case = {"water_running_down_calf": 1, "popliteal_swelling": 1, "tightness_behind_knee": 1, "calf_pain": 1}
        sure = MODEL.diagnose(case)
        explanation = explained({**case, "bakers_cyst": {"absent": 1e-9, "intact": 1, "ruptured": 1}}, "bakers_cyst")
        assert explanation.posterior > 1 - 1e-9
        row = NETWORK.variables.index("bakers_cyst")
        clamped = np.repeat(sure.assessment.evidence.codes, 3, axis=1)
        clamped[row] = [0, 1, 2]
        absent, *present = np.exp(NETWORK.posteriors(Evidence(clamped)).log_evidence)
        odds = math.log(sum(present) / absent * 1e9) - log_odds(explanation.prior)
        assert explanation.change == pytest.approx(odds * DECIBANS, abs=1e-9)


class TestCertain:
    """Infinite log-odds."""

    def test_a_known_cause_settles_it(self) -> None:
        explanation = explained({"dvt": "present", "calf_pain": "yes", "age": 70}, "dvt")
        first, *rest = explanation.contributions
        assert (first.variable, first.decibans, first.leave_one_out) == ("dvt", math.inf, math.inf)
        assert explanation.change == math.inf
        before = explained({"calf_pain": "yes", "age": 70}, "dvt")
        assert [p.decibans for p in rest] == pytest.approx([p.decibans for p in before.contributions], abs=1e-9)
        assert all(piece.leave_one_out == 0 for piece in rest)
        assert "makes Deep vein thrombosis certain" in str(explanation)

    def test_a_cause_known_absent_is_ruled_out(self) -> None:
        explanation = explained({"dvt": "absent", "calf_pain": "yes"}, "dvt")
        assert explanation.posterior == 0
        assert "rules Deep vein thrombosis out" in str(explanation)

    def test_none_of_these_with_a_known_cause(self) -> None:
        explanation = explained({"dvt": "present", "calf_pain": "yes"}, "none_of_these")
        assert explanation.change == -math.inf
        json.dumps(explanation.content(), allow_nan=False)

    @pytest.mark.parametrize("target", NETWORK.columns)
    def test_every_column_can_be_a_target(self, target: str) -> None:
        dx = MODEL.diagnose({"calf_pain": "yes", "age": 70})
        explanation = dx.explanation(target)
        assert explanation.posterior == pytest.approx({**dx.probabilities, **dx.details}[target], abs=1e-12)
        assert sum(piece.decibans for piece in explanation.contributions) == pytest.approx(explanation.change, abs=1e-9)

    def test_an_unknown_target_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(UnknownNameError, match=r"no target 'dtv'.*'dvt'"):
            MODEL.diagnose({}).explain("dtv")


BURST = {"water_running_down_calf": "yes", "unilateral_leg_swelling": "yes", "calf_pain": "yes"}


class TestRivals:
    """What explains a cause away."""

    def test_what_explains_a_cause_away_is_the_case_with_the_other_cause_absent(self) -> None:
        explanation = explained(BURST, "dvt")
        for rival in explanation.rivals:
            clamped = MODEL.diagnose({**BURST, rival.cause: "absent"}).probabilities["dvt"]
            assert rival.probability == pytest.approx(clamped, abs=1e-12)
            change = (log_odds(clamped) - log_odds(explanation.posterior)) * DECIBANS
            assert rival.decibans == pytest.approx(change, abs=1e-9)
        assert {rival.cause for rival in explanation.rivals} == set(MODEL.causes) - {"dvt"}
        assert explanation.explained_away[0].cause == "bakers_cyst"
        assert "Held down by Baker's cyst" in str(explanation)

    def test_a_cause_that_leads_is_not_explained_away(self) -> None:
        explanation = explained(BURST, "bakers_cyst")
        assert not explanation.lost
        assert explanation.explained_away == ()

    def test_known_causes_are_no_rivals_and_unsure_ones_are(self) -> None:
        explanation = explained({**BURST, "pcl_injury": "absent", "meniscal_tear": "present:0.9"}, "dvt")
        rivals = {rival.cause: rival for rival in explanation.rivals}
        assert "pcl_injury" not in rivals
        clamped = MODEL.diagnose({**BURST, "pcl_injury": "absent", "meniscal_tear": "absent"})
        assert rivals["meniscal_tear"].probability == pytest.approx(clamped.probabilities["dvt"], abs=1e-12)

    def test_where_no_other_cause_is_open_there_are_no_rivals(self) -> None:
        known = dict.fromkeys(set(MODEL.causes) - {"dvt"}, "absent")
        assert explained({**BURST, **known}, "dvt").rivals == ()
        alone = CompiledModel(random_model(3, causes=1))
        evidence = Evidence.empty(len(alone.variables)).with_state(alone.variables.index("f1"), 1)
        explanation = explain(alone, evidence, "c0")
        assert explanation.rivals == ()
        assert [part.variable for part in explanation.contributions] == ["f1"]


class TestWords:
    """What a person reads."""

    DX = MODEL.diagnose({**BURST, "fever": "no"})

    def test_conflicts_are_pairs_of_which_one_raises_and_one_lowers(self) -> None:
        explanation = self.DX.explanation("dvt")
        share = {piece.variable: piece.decibans for piece in explanation.contributions}
        assert explanation.conflicts
        assert all(share[up] >= 1 and share[down] <= -1 for up, down in explanation.conflicts)
        strength = [min(share[up], -share[down]) for up, down in explanation.conflicts]
        assert strength == sorted(strength, reverse=True)
        assert explanation.conflicts[0] == ("unilateral_leg_swelling", "water_running_down_calf")
        table = explanation.frame()
        assert "unilateral_leg_swelling" in table["pulls_against"]["water_running_down_calf"]

    def test_tension_is_how_much_less_probable_the_pieces_are_together(self) -> None:
        def evidence(*names: str) -> float:
            return MODEL.diagnose({name: "yes" for name in names}).log_evidence

        a, b = "calf_pain", "inner_knee_pain"
        apart = evidence(a) + evidence(b) - 2 * evidence()
        together = evidence(a, b) - evidence()
        tension = explained({a: "yes", b: "yes"}, "dvt").conflict
        assert tension == pytest.approx((apart - together) * DECIBANS, abs=1e-9)
        assert tension > 0  # a calf and an inner knee that both hurt are no common pair

    def test_each_sentence_says_what_is_known_and_which_way_it_moves(self) -> None:
        explanation = self.DX.explanation("dvt")
        for piece in explanation.contributions:
            sentence = explanation.sentence(piece)
            assert sentence.startswith(piece.said)
            if abs(piece.decibans) >= 1:
                assert ("raises" in sentence) == (piece.decibans > 0)
                assert ("lowers" in sentence) == (piece.decibans < 0)
            else:
                assert "hardly changes" in sentence
            without, now = percent(piece.without), percent(explanation.posterior)
            assert sentence.endswith(
                f"without it, {without} too." if without == now else f"{without} instead of {now}."
            )

    def test_percentages_are_those_that_the_diagnosis_says(self) -> None:
        explanation = self.DX.explanation("dvt")
        assert f"{self.DX.label('dvt')} {percent(explanation.posterior)}" in " ".join(str(self.DX).split())
        assert f" to {percent(explanation.posterior)} (" in str(explanation)
        assert explanation.sentence(replace(explanation.contributions[0], decibans=0.1, without=0.048)).endswith(
            "hardly changes Deep vein thrombosis; without it, 4.8% too."
        )

    def test_ratio_is_the_factor_of_the_odds(self) -> None:
        table = self.DX.explain("dvt")
        ratio = table["likelihood_ratio"].prod()
        before, after = table.attrs["prior"], table.attrs["posterior"]
        assert ratio == pytest.approx((after / (1 - after)) / (before / (1 - before)))

    def test_nothing_known_gives_an_empty_table_of_the_same_kind(self) -> None:
        empty, full = MODEL.diagnose({}).explain(), self.DX.explain()
        assert len(empty) == 0
        assert empty.dtypes.to_dict() == full.dtypes.to_dict()
        assert empty.index.name == full.index.name == "variable"

    def test_the_target_is_by_default_that_of_the_alarm(self) -> None:
        assert self.DX.explain().attrs["target"] == "dvt"
        assert [e.target for e in self.DX.explanations()] == ["dvt", "bakers_cyst"]


class TestCommand:
    """The command line."""

    FACTS = ("age=67", "unilateral_leg_swelling=yes", "calf_pain=present:0.7")

    def run(self, *arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["diagnose", *self.FACTS, *arguments])
        assert result.exit_code == code, result.output
        return result.output

    def test_explain(self) -> None:
        text = self.run("--explain")
        assert "Why Deep vein thrombosis" in text
        assert "One lower leg swollen: yes: raises the odds" in text
        assert "Why" not in self.run()

    def test_target(self) -> None:
        text = self.run("--target", "leg_cramps")
        assert "Why Leg cramps" in text
        assert "Why Deep" not in text
        assert "no target 'x'" in self.run("--target", "x", code=2)

    def test_json(self) -> None:
        found = json.loads(self.run("--explain", "--json"))["explanations"][0]
        assert found["target"] == "dvt"
        assert sum(piece["decibans"] for piece in found["pieces"]) == pytest.approx(found["change"], abs=1e-9)
        assert "explanations" not in json.loads(self.run("--json"))


def test_every_pair_of_pieces_of_a_case_is_in_words_of_the_model_file() -> None:
    words = {asked.label for asked in MODEL.file.askable.values()}
    for one, two in combinations(TestWords.DX.explanation().contributions, 2):
        assert one.said.split(":")[0] in words
        assert one.said != two.said
