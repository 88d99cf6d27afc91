"""Retractions: the alarm without its doubtful signs, against every one by hand, and that no sign makes it milder."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from kneebayes import LEVELS, Model, Thresholds, load_model
from kneebayes.cases.frames import code_table, to_arrow
from kneebayes.diagnosis.alarm import Assessor
from kneebayes.diagnosis.retractions import Retractions, _chances, _raises
from kneebayes.errors import ModelFileError
from kneebayes.inference.evidence import UNKNOWN, Evidence, SoftEvidence
from kneebayes.inference.network import CompiledModel
from kneebayes.spec.model_spec import ModelSpec
from kneebayes.templates import percent
from tests.oracles import assess, brute_force, one, random_codes, random_model
from tests.stress.alarm_search import promised

Codes = NDArray[np.int8]
MODEL = load_model()
# attacks of pain in the calf: once they also cramp, leg cramps explain all of it, and P(DVT) falls
ATTACKS = {
    "cardiovascular_disease": 1, "episodic_pain": 1, "calf_pain": 1, "tightness_behind_knee": 0,
    "pain_climbing_stairs": 0, "pregnancy": "not_pregnant",
}  # fmt: skip


def signs_of(model: ModelSpec) -> list[tuple[int, tuple[int, ...]]]:
    rows = {name: row for row, name in enumerate(model.variables)}
    return [
        (rows[name], tuple(model.variables[name].states.index(state) for state in states))
        for name, states in model.alarm_signs.items()
    ]


def taken_back(model: ModelSpec, name: str, code: int) -> set[int]:
    """Codes of what may be known of a variable after answers that are signs are taken back, one after the other."""
    changes, found = promised(model, name), {code}
    while more := {before for before, after in changes if after in found} - found:
        found |= more
    return found


def every_reading(network: CompiledModel, case: Codes) -> float:
    """P(cause), the highest over every way to take signs back, by hand."""
    options = []
    for row, name in enumerate(network.variables):
        codes = taken_back(network.model, name, int(case[row, 0]))
        two = len(network.model.variables[name].states) == 2
        options.append([(row, code) for code in codes if not (two and len(codes) > 1 and code == UNKNOWN)])
    highest = 0.0
    for choice in product(*options):
        trial = case.copy()
        for row, code in choice:
            trial[row] = code
        found, evidence = brute_force(network.model, trial[:, 0])
        if evidence > 0:
            cause = network.model.alarm.cause
            absent = network.model.causes[cause].states[0]
            highest = max(highest, sum(p for (name, state), p in found.items() if name == cause and state != absent))
    return highest


@pytest.mark.parametrize(
    ("seed", "levels"),
    [
        *((0, 2), (5, 2), (7, 3)),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((1, 2), (9, 2), (11, 2), (13, 2), (26, 2), (3, 4))),
    ],
)
@pytest.mark.parametrize("bounded", [False, True])
def test_the_highest_posterior_is_the_highest_of_all(seed: int, levels: int, bounded: bool) -> None:
    states, findings = 3 if seed == 5 else 2, 6 if levels == 2 else 4
    network = CompiledModel(random_model(seed, risks=4, causes=3, findings=findings, states=states, levels=levels))
    codes = random_codes(network.model, 3000, seed)
    retractions = Retractions(network)
    causes = network.posteriors(Evidence(codes)).values[:, : len(network.model.causes)]
    possible = ~np.isnan(causes[:, 0])
    codes, causes = codes[:, possible], causes[possible]
    own = causes[:, retractions.column]
    best, taken = retractions.max_posterior(
        Evidence(codes), own, np.nextafter(own, 1.0), causes=causes if bounded else None
    )
    counts = np.array([bits.bit_count() for bits in taken.tolist()])
    assert counts.max() > 1 or seed < 9
    some = np.argsort(-counts, kind="stable")[[*range(8), *range(-8, 0)]]  # by hand takes its time
    codes, own, best, taken = codes[:, some], own[some], best[some], taken[some]
    by_hand = [every_reading(network, codes[:, [i]]) for i in range(codes.shape[1])]
    np.testing.assert_allclose(best, by_hand, rtol=0, atol=1e-9)
    assert ((taken > 0) == (best > own)).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_sign_left_in_every_reading_is_one_that_cannot_lower_the_cause(seed: int) -> None:
    network = CompiledModel(random_model(seed, risks=4, causes=3, findings=6))
    retractions = Retractions(network)
    codes = random_codes(network.model, 3000, seed)
    kept = [
        (row, states) for row, states in signs_of(network.model) if network.variables[row] not in retractions.doubtful
    ]
    for row, states in kept:
        for state in states:
            without, present = codes.copy(), codes.copy()
            without[row], present[row] = UNKNOWN, state
            before, after = (network.posteriors(Evidence(c)).values[:, retractions.column] for c in (without, present))
            assert not (after < before - 1e-12).any()


def test_only_signs_that_another_cause_explains_are_taken_back() -> None:
    doubtful = set(MODEL.assessor.retractions.doubtful)
    assert {"age", "pregnancy", "overweight", "cramping_pain", "calf_pain", "leg_swelling"} <= doubtful
    assert not doubtful & {"previous_dvt", "breathlessness_chest_pain", "throbbing_pain", "long_travel"}


def test_a_lower_band_is_one_of_smaller_numbers_in_whatever_order_the_states_stand() -> None:
    content = MODEL.file.model_dump()
    first, *others = content["risks"]["age"]["states"]
    content["risks"]["age"]["states"] = [first, *others[::-1]]
    turned, cases = (
        Model(ModelSpec.model_validate(content)),
        to_arrow(MODEL.simulate(200, seed=3, missing=0.7), ["age"]),
    )
    found = []
    for model in (MODEL, turned):
        evidence = code_table(model.scorer.coder, cases).evidence
        own = model.network.posteriors(evidence).values[:, model.assessor.column]
        found.append(model.assessor.retractions.max_posterior(evidence, own, np.nextafter(own, 1.0))[0])
    assert (found[0] > own).any()
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-12)


def test_the_highest_band_taken_for_unknown_is_no_higher_than_all_the_bands() -> None:
    frame = MODEL.simulate(2000, seed=3, missing=0.6).assign(age=80)
    evidence = code_table(MODEL.scorer.coder, pa.Table.from_pandas(frame, preserve_index=False)).evidence
    unknown = evidence.with_state(MODEL.network.variables.index("age"), UNKNOWN)
    own, other = (MODEL.network.posteriors(e).values[:, MODEL.assessor.column] for e in (evidence, unknown))
    highest, _ = MODEL.assessor.retractions.max_posterior(evidence, own, np.nextafter(own, 1.0))
    assert (other > own).any()
    assert (highest >= other - 1e-12)[~np.isnan(own)].all()  # at 80 nobody is pregnant


def graded(levels: NDArray[np.int8]) -> NDArray[np.int8]:
    """Levels with ``low`` and ``not_assessed`` as one step."""
    return np.maximum(levels, LEVELS.index("not_assessed"))


def milder(network: CompiledModel, codes: Codes) -> int:
    """Count cases in which a sign, added to no answer or put for an absence, makes the alarm milder."""
    assessor, thresholds, count = Assessor(network), Thresholds.of(network.model), 0

    def levels(trial: Codes) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        assessed = assess(assessor, Evidence(trial), thresholds)
        return graded(assessed.levels), ~assessed.impossible

    for row, name in enumerate(network.variables):
        for before, after in sorted(promised(network.model, name)):
            without, present = codes.copy(), codes.copy()
            without[row], present[row] = before, after
            (low, possible), (high, still) = levels(without), levels(present)
            count += int((possible & still & (high < low)).sum())
    return count


@pytest.mark.parametrize("seed", range(6))
def test_no_sign_makes_the_alarm_milder_in_random_models(seed: int) -> None:
    levels = 2 if seed < 4 else seed - 1
    network = CompiledModel(random_model(seed, risks=4, causes=3, findings=6, states=2 + seed % 2, levels=levels))
    assert milder(network, random_codes(network.model, 2000, seed)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n"), [("posterior_knee_pain", 520), ("posterior_knee_pain_extended", 20)])
def test_no_sign_makes_the_alarm_milder_in_the_models_that_ship(name: str, n: int) -> None:
    network = load_model(name).network
    codes = np.hstack([random_codes(network.model, n, 7, risks=k, findings=k) for k in (0.15, 0.6)])
    assert milder(network, codes) == 0


def test_the_search_would_find_a_sign_that_talks_itself_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Retractions, "max_posterior", lambda self, evidence, p, worth, **_: (p, np.zeros(len(p), dtype=np.int64))
    )
    network = load_model("examples/ankle.yaml").network
    assert milder(network, random_codes(network.model, 4000, 7)) > 0


def test_a_reading_raises_the_level_and_says_why() -> None:
    before, after = (MODEL.diagnose({**ATTACKS, "cramping_pain": answer}) for answer in (0, 1))
    assert after.probabilities["dvt"] < before.probabilities["dvt"]
    assert after.probabilities["dvt"] < 0.02
    assert (before.alarm.level, after.alarm.level) == ("caution", "caution")
    assert after.alarm.probability == after.probabilities["dvt"]
    assert f"would be {percent(before.probabilities['dvt'])} without 'Cramping pain'" in after.alarm.reasons[0]
    scored = MODEL.score_table(pa.table({k: [str(v)] for k, v in {**ATTACKS, "cramping_pain": 1}.items()}))
    assert scored.table["dvt_alarm"].to_pylist() == ["caution"]


def test_what_follows_the_alarm_knows_of_the_reading() -> None:
    dx = MODEL.diagnose({**ATTACKS, "cramping_pain": 1})
    shares = dx.uncertainty(draws=100).shares
    assert shares["low"] == shares["not_assessed"] == 0.0
    assert not dx.sensitivity()["alarm_changes"].all()


def test_an_unsure_answer_stays_in_every_reading() -> None:
    network, retractions = MODEL.network, Retractions(MODEL.network)
    row = network.variables.index("skin_redness")
    coded = code_table(
        MODEL.scorer.coder, pa.table({k: [str(v)] * 2 for k, v in {**ATTACKS, "cramping_pain": 1}.items()})
    )
    soft = (SoftEvidence(row, np.array([1]), np.array([0.2, 0.8])),)
    evidence = Evidence(coded.evidence.with_state(row, UNKNOWN).codes, soft)
    own = network.posteriors(evidence).values[:, retractions.column]
    best, _ = retractions.max_posterior(evidence, own, np.nextafter(own, 1.0))
    trial = evidence.with_state(network.variables.index("cramping_pain"), 0)
    assert best == pytest.approx(network.posteriors(trial).values[:, retractions.column], abs=1e-12)
    assert best[1] > best[0]


def test_retractions_that_cannot_matter_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = MODEL.network
    frame = MODEL.simulate(3000, seed=1, missing=0.6)
    codes = code_table(MODEL.scorer.coder, pa.Table.from_pandas(frame, preserve_index=False)).evidence.codes
    retractions = Retractions(network)
    causes = network.posteriors(Evidence(codes)).values[:, : len(network.model.causes)]
    own = causes[:, retractions.column]
    sought = own * 1.1
    whole, _ = retractions.max_posterior(Evidence(codes), own, np.nextafter(own, 1.0))
    some, _ = retractions.max_posterior(Evidence(codes), own, sought)
    reached = whole >= sought
    assert reached.any()
    np.testing.assert_allclose(some[reached], whole[reached], rtol=1e-12)  # not always of the same engine
    fewest, _ = retractions.max_posterior(Evidence(codes), own, sought, causes=causes)
    np.testing.assert_allclose(fewest[reached], whole[reached], rtol=1e-12)
    present, needed = retractions._present(codes), np.log(sought / (1 - sought)) - np.log(own / (1 - own))
    counts = [len(retractions._pairs(Evidence(codes), present, needed, p)[0]) for p in (None, causes)]
    assert counts[1] < 0.9 * counts[0]
    monkeypatch.setattr(CompiledModel, "posteriors", None)
    best, taken = retractions.max_posterior(Evidence(codes), own, np.full(len(own), np.inf))
    np.testing.assert_array_equal(best, own)
    assert not taken.any()


@pytest.mark.parametrize(
    ("signs", "message"),
    [
        ({"calf_pian": "present"}, "calf_pain"),
        ({"calf_pain": "absent"}, "is no sign"),
        ({"bakers_cyst": "intact"}, "bakers_cyst"),
        ({"age": "old"}, "old"),
    ],
)
def test_signs_that_are_none_are_refused(signs: dict[str, str], message: str) -> None:
    content = MODEL.file.model_dump(mode="json", exclude_unset=True)
    content["alarm"]["signs"] = signs
    with pytest.raises(ValidationError, match=message):
        ModelSpec.model_validate(content)


def test_without_a_list_all_that_is_linked_to_the_cause_is_a_sign() -> None:
    signs = random_model(1).alarm_signs
    assert "f0" not in signs  # the complaint
    model = random_model(1)
    linked = {*model.causes["c0"].links, *(f for f, finding in model.findings.items() if "c0" in finding.links)}
    assert set(signs) == (linked & {*model.risks, *model.findings}) - {"f0"}
    content = model.model_dump()
    risk = next(name for name in content["causes"]["c0"]["links"] if name in model.risks)
    first = model.risks[risk].states[0]
    number = {"p": 0.2, "range": (0.0, 1.0), "basis": "judgement", "why": "being without it is no sign"}
    content["causes"]["c0"]["links"][risk] = {first: number}
    assert risk not in ModelSpec.model_validate(content).alarm_signs


@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_a_sign_that_nobody_has_or_everybody_takes_nothing_back(chance: float) -> None:
    content = random_model(1).model_dump()
    number = {"p": chance, "range": (0.0, 1.0), "basis": "judgement", "why": "x"}
    content["risks"]["r3"]["prior"] = {"middle": number}
    for cause in ("c0", "c1"):
        content["causes"][cause]["links"]["r3"] = {"middle": {**number, "p": 0.3}}
    network = CompiledModel(ModelSpec.model_validate(content))
    assert "r3" in network.model.alarm_signs
    codes = np.full((len(network.variables), 2), UNKNOWN, dtype=np.int8)
    codes[network.variables.index("r3"), 1] = chance
    p = network.posteriors(Evidence(codes)).values[:, network.columns.index("c0")]
    found, taken = Retractions(network).max_posterior(Evidence(codes), p, np.ones(2))
    np.testing.assert_array_equal(found, p)
    np.testing.assert_array_equal(taken, [0, 0])


def test_no_cases_have_no_retractions() -> None:
    codes = np.full((len(MODEL.network.variables), 0), UNKNOWN, dtype=np.int8)
    best, taken = Retractions(MODEL.network).max_posterior(
        Evidence(codes), np.zeros(0), np.zeros(0), causes=np.zeros((0, 9))
    )
    assert len(best) == len(taken) == 0


def mixed_up() -> tuple[CompiledModel, Codes, NDArray[np.float64]]:
    """Cases of a random model, and P(cause) in each."""
    network = CompiledModel(random_model(11, risks=4, causes=3, findings=6))
    codes = random_codes(network.model, 3000, 11)
    own = network.posteriors(Evidence(codes)).values[:, network.columns.index("c0")]
    return network, codes[:, ~np.isnan(own)], own[~np.isnan(own)]


def test_retractions_in_small_portions_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network, codes, own = mixed_up()
    whole = Retractions(network).max_posterior(Evidence(codes), own, np.nextafter(own, 1.0), engine="numpy")
    monkeypatch.setattr("kneebayes.diagnosis.retractions.PAIRS", 7)
    for at_once, in_portions in zip(
        whole,
        Retractions(network).max_posterior(Evidence(codes), own, np.nextafter(own, 1.0), engine="numpy"),
        strict=True,
    ):
        np.testing.assert_array_equal(at_once, in_portions)


@pytest.mark.parametrize("limit", ["MAX_RETRACTIONS", "MAX_STATES"])
def test_a_case_with_too_many_signs_to_search_is_urgent(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, codes, own = mixed_up()
    worth, thresholds = np.nextafter(own, 1.0), Thresholds.of(network.model)
    whole, _ = Retractions(network).max_posterior(Evidence(codes), own, worth)
    monkeypatch.setattr(
        f"kneebayes.diagnosis.retractions.{limit}", 2 * (network.n_joint if limit == "MAX_STATES" else 1)
    )
    some, fewer = Retractions(network).max_posterior(Evidence(codes), own, worth)
    retractions = Retractions(network)
    counts = np.bitwise_count(retractions._present(codes))
    assert {0, 1, 2} <= set(counts.tolist())
    np.testing.assert_array_equal(some[counts < 2], whole[counts < 2])
    assert (some[counts > 1] == 1.0).all()
    assert not fewer[counts > 1].any()
    assessed = assess(Assessor(network), Evidence(codes), thresholds)
    assert (assessed.levels[counts > 1] >= LEVELS.index("urgent")).all()
    case = int(np.flatnonzero((counts > 1) & (assessed.by_posterior == 0) & (assessed.by_rules < 2))[0])
    assert (
        "too many signs of x have other causes too for all choices of them to be looked at, and a sign never makes the "
        "alarm milder" in assessed.alarm(case).reasons[0]
    )


def test_no_sign_makes_the_alarm_milder_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kneebayes.diagnosis.retractions.MAX_RETRACTIONS", 4)
    for seed in (9, 11):
        network = CompiledModel(random_model(seed, risks=4, causes=3, findings=6))
        assert milder(network, random_codes(network.model, 1500, seed)) == 0


def test_a_model_with_more_doubtful_signs_than_bits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kneebayes.diagnosis.retractions.MAX_DOUBTFUL", 6)
    with pytest.raises(
        ModelFileError, match=r"19 signs may lower dvt.*over 6: list those that matter under alarm.signs"
    ):
        Retractions(MODEL.network)


@pytest.mark.parametrize(("log_most", "log_least"), [(np.inf, 700.0), (np.nan, 0.0), (1.0, np.nan)])
def test_a_bound_that_is_not_a_number_spares_nothing(
    log_most: float, log_least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kneebayes.diagnosis.retractions.FEW", 0)
    network, codes, own = mixed_up()
    causes = network.posteriors(Evidence(codes)).values[:, : len(network.model.causes)]
    worth = np.nextafter(own, 1.0)
    whole, _ = Retractions(network).max_posterior(Evidence(codes), own, worth, engine="numpy")
    unbounded = Retractions(network)
    unbounded._signs = [
        replace(sign, log_most=log_most, log_least=sign.log_least - log_least) for sign in unbounded._signs
    ]
    found, _ = unbounded.max_posterior(Evidence(codes), own, worth, causes=causes, engine="numpy")
    np.testing.assert_array_equal(found, whole)


def test_a_case_without_a_chance_of_the_cause_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kneebayes.diagnosis.retractions.MAX_RETRACTIONS", 1)
    network, codes, _ = mixed_up()
    known = Evidence(codes).with_state(network.variables.index("c0"), 0)
    zero = np.zeros(known.n)
    highest, _ = Retractions(network).max_posterior(known, zero, zero + 0.02)
    np.testing.assert_array_equal(highest, zero)


def test_a_reason_names_all_signs_that_are_taken_back() -> None:
    network, codes, own = mixed_up()
    best, taken = Retractions(network).max_posterior(Evidence(codes), own, np.nextafter(own, 1.0))
    case = next(i for i, bits in enumerate(taken.tolist()) if bits.bit_count() == 2)
    thresholds = Thresholds(caution=float(own[case] + best[case]) / 2, urgent=1.0)
    alarm = assess(Assessor(network), Evidence(codes[:, [case]]), thresholds).alarm()
    assert alarm.level == "caution"
    assert f"P(x) would be {percent(best[case])} without 'x', 'x', and a sign" in alarm.reasons[0]


def test_an_impossible_reading_does_not_count() -> None:
    content = random_model(1).model_dump()
    number = {"p": 1.0, "range": (0.0, 1.0), "basis": "judgement", "why": "x"}
    content["findings"]["f1"]["links"] = {"c0": {"present": {**number, "p": 0.3}}, "c1": {"present": number}}
    network = CompiledModel(ModelSpec.model_validate(content))
    codes = np.full((len(network.variables), 1), UNKNOWN, dtype=np.int8)
    codes[[network.variables.index(name) for name in ("c1", "f1")]] = 1  # c1 is known, and always brings f1 about
    own = network.posteriors(Evidence(codes)).values[:, network.columns.index("c0")]
    retractions = Retractions(network)
    assert "f1" in retractions.doubtful
    best, taken = retractions.max_posterior(Evidence(codes), own, np.nextafter(own, 1.0))
    np.testing.assert_array_equal(best, own)
    assert not taken.any()


@pytest.mark.parametrize("seed", [0, 9, 11, 13, 26])
def test_no_reading_that_matters_is_spared(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = CompiledModel(random_model(seed, risks=4, causes=3, findings=6))
    codes = random_codes(network.model, 2000, seed)
    causes = network.posteriors(Evidence(codes)).values[:, :3]
    codes, causes = codes[:, ~np.isnan(causes[:, 0])], causes[~np.isnan(causes[:, 0])]
    own, retractions = causes[:, network.columns.index("c0")], Retractions(network)
    whole, _ = retractions.max_posterior(Evidence(codes), own, np.nextafter(own, 1.0), engine="numpy")
    for factor, few in ((1.0001, 0), (1.1, 0), (1.5, 0), (1.5, 1 << 30), (3.0, 0)):
        monkeypatch.setattr("kneebayes.diagnosis.retractions.FEW", few)
        worth = np.minimum(own * factor, 1 - 1e-9)
        some, _ = retractions.max_posterior(Evidence(codes), own, worth, causes=causes, engine="numpy")
        matters = (whole >= worth) & (worth > own)
        np.testing.assert_array_equal(some[matters], whole[matters], err_msg=str(factor))


@pytest.mark.parametrize(("name", "value"), [("MAX_KEPT", 2), ("MAX_PATTERNS", 1), ("MAX_BY_PATTERN", 1)])
def test_what_is_not_bounded_by_pattern_is_bounded_over_all(
    name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, codes, own = mixed_up()
    causes = network.posteriors(Evidence(codes)).values[:, : len(network.model.causes)]
    worth = np.minimum(own * 1.1, 1 - 1e-9)
    whole, _ = Retractions(network).max_posterior(Evidence(codes), own, np.nextafter(own, 1.0), engine="numpy")
    monkeypatch.setattr(f"kneebayes.diagnosis.retractions.{name}", value)
    monkeypatch.setattr("kneebayes.diagnosis.retractions.FEW", 0)
    retractions = Retractions(network)
    some, _ = retractions.max_posterior(Evidence(codes), own, worth, causes=causes, engine="numpy")
    matters = (whole >= worth) & (worth > own)
    assert matters.any()
    np.testing.assert_array_equal(some[matters], whole[matters])
    assert retractions._move.cache_info().currsize <= 2 or name != "MAX_KEPT"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [9, 11, 13])
def test_no_reading_that_matters_is_spared_beside_unsure_answers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kneebayes.diagnosis.retractions.FEW", 0)
    network = CompiledModel(random_model(seed, risks=4, causes=3, findings=6))
    codes, rng = random_codes(network.model, 1500, seed), np.random.default_rng(seed)
    soft = []
    for row, name in enumerate(network.model.risks):
        cases = np.flatnonzero(rng.random(codes.shape[1]) < 0.4)
        codes[row, cases] = UNKNOWN
        soft.append(SoftEvidence(row, cases, rng.uniform(0.05, 1.0, len(network.model.risks[name].states))))
    evidence = Evidence(codes, tuple(soft))
    causes = network.posteriors(evidence, engine="numpy").values[:, :3]
    possible = np.flatnonzero(~np.isnan(causes[:, 0]))
    evidence, causes = evidence[possible], causes[possible]
    own, retractions = causes[:, network.columns.index("c0")], Retractions(network)
    whole, _ = retractions.max_posterior(evidence, own, np.nextafter(own, 1.0), engine="numpy")
    for factor in (1.0001, 1.1, 1.5):
        worth = np.minimum(own * factor, 1 - 1e-9)
        some, _ = retractions.max_posterior(evidence, own, worth, causes=causes, engine="numpy")
        matters = (whole >= worth) & (worth > own)
        assert matters.any()
        np.testing.assert_array_equal(some[matters], whole[matters], err_msg=str(factor))


@pytest.mark.parametrize("seed", range(6))
def test_what_a_component_triggers_lies_within_its_bounds(seed: int) -> None:
    network = CompiledModel(random_model(seed, risks=4, causes=3, findings=6))
    for component in network.tables.components:
        least, most = _chances(component.trigger)
        n_targets = len(component.targets)
        for pattern, row in enumerate(component.trigger):
            for i in range(n_targets):
                bit = 1 << n_targets - 1 - i
                for rest in (rest for rest in range(len(row)) if not rest & bit):
                    whole = row[rest] + row[rest | bit]
                    if whole > 0:
                        chance = row[rest | bit] / whole
                        assert least[i, pattern] - 1e-12 <= chance <= most[i, pattern] + 1e-12


def test_the_bounds_of_a_finding_are_those_of_its_links() -> None:
    finding = MODEL.file.findings["calf_pain"]
    retractions = Retractions(MODEL.network)
    sign = retractions._signs[retractions.doubtful.index("calf_pain")]
    nothing = 1 - one(finding.leak).p

    def log_odds(cause: str) -> float:  # of no pain, with one cause, over those with none
        alone = nothing * (1 - max(one(number).p for number in finding.links[cause].values()))
        return float(np.log(alone / (1 - alone)) - np.log(nothing / (1 - nothing)))

    by_cause = [0.0 if c == "dvt" or c not in finding.links else log_odds(c) for c in MODEL.file.causes]
    assert sign.log_most == pytest.approx(log_odds("dvt"), abs=1e-12)
    np.testing.assert_allclose(sign.log_least, by_cause, rtol=0, atol=1e-12)


def test_a_risk_raises_where_its_share_of_triggers_does_in_every_pattern() -> None:
    before = np.array([[0.7, 0.3], [0.6, 0.4]])
    assert _raises(np.array([[0.06, 0.04], [0.5, 0.5]]), before)  # rarer itself, but triggers more often
    assert _raises(before, before)
    assert not _raises(np.array([[0.6, 0.4], [0.61, 0.39]]), before)
