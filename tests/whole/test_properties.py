"""What must hold for every model and every case, searched for counterexamples.

python -m pytest tests/whole/test_properties.py --hypothesis-profile=thorough
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kneebayes as kb
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.inference.network import CompiledModel
from kneebayes.model import Model
from kneebayes.spec.model_spec import ModelSpec
from tests.oracles import brute_force
from tests.strategies import Facts, answers, evidence, models, retellings
from tests.stress.alarm_search import Changes, Scores, random_cases, search

ANKLE = Path(__file__).parents[2] / "examples" / "ankle.yaml"
SHIPPED = ("posterior_knee_pain", "extended", str(ANKLE))
NONE = "none_of_these"
EXACT = 1e-12
pytestmark = pytest.mark.slow
named = pytest.mark.parametrize("name", SHIPPED, ids=lambda name: Path(name).stem)


@cache
def shipped(name: str) -> kb.Model:
    return kb.load_model(name)


@cache
def networks() -> tuple[CompiledModel, ...]:
    return tuple(shipped(name).network for name in SHIPPED)


def any_network(*, most: int = 3, plain: bool = False) -> st.SearchStrategy[CompiledModel]:
    """Draw a random model twice out of three, else one that ships."""
    drawn = models(most=most, plain=plain).map(CompiledModel)
    return drawn if plain else st.one_of(drawn, drawn, st.sampled_from(networks()))


def coded(model: ModelSpec, cases: Sequence[Facts]) -> np.ndarray:
    codes = np.full((len(model.variables), len(cases)), UNKNOWN, dtype=np.int8)
    rows = {name: row for row, name in enumerate(model.variables)}
    for place, case in enumerate(cases):
        for name, state in case.items():
            codes[rows[name], place] = model.variables[name].states.index(state)
    return codes


class Answer:
    """The posteriors and P(evidence) of some cases."""

    def __init__(self, network: CompiledModel, *cases: Facts) -> None:
        result = network.posteriors(Evidence(coded(network.model, cases)), engine="numpy")
        self.values = pd.DataFrame(result.values, columns=list(result.columns))
        self.evidence = np.exp(result.log_evidence)

    def __getitem__(self, column: str) -> np.ndarray:
        return self.values[column].to_numpy()


def possible(answer: Answer) -> Answer:
    """Leave out cases that the model holds impossible, and those at the end of what floats can hold."""
    assume((answer.evidence > 1e-200).all())
    return answer


def close(found: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-9, atol=EXACT)


# Probabilities


@given(st.data())
def test_posteriors_are_probabilities_that_fit_each_other(data: st.DataObject) -> None:
    network = data.draw(any_network())
    causes = network.model.causes
    answer = possible(Answer(network, data.draw(evidence(network.model))))
    row = answer.values.iloc[0]
    assert (row >= 0).all()
    assert (row <= 1).all()
    assert 0 < answer.evidence[0] <= 1 + EXACT
    assert row[NONE] <= 1 - row[list(causes)].max() + EXACT
    assert row[NONE] >= 1 - row[list(causes)].sum() - EXACT
    for name, cause in causes.items():
        assert row[[f"{name}_{state}" for state in cause.states[2:]]].sum() <= row[name] + EXACT


@given(st.data())
def test_each_posterior_is_a_ratio_of_chances_of_evidence(data: st.DataObject) -> None:
    network = data.draw(any_network())
    case = data.draw(evidence(network.model))
    answer = possible(Answer(network, case))
    for name, cause in network.model.causes.items():
        if name in case:
            expected = [float(case[name] == state) for state in cause.states]
        else:
            known = Answer(network, *({**case, name: state} for state in cause.states))
            expected = (known.evidence / answer.evidence[0]).tolist()
        close(answer[name][0], sum(expected[1:]))
        close(sum(expected), 1)
        close([answer[f"{name}_{state}"][0] for state in cause.states[2:]], expected[2:])
    all_absent = {name: cause.states[0] for name, cause in network.model.causes.items()}
    contradicted = any(case.get(name, state) != state for name, state in all_absent.items())
    joint = 0.0 if contradicted else Answer(network, {**case, **all_absent}).evidence[0]
    close(answer[NONE][0], joint / answer.evidence[0])


@given(st.data())
def test_the_chance_that_some_cause_is_there_adds_up_one_after_the_other(data: st.DataObject) -> None:
    network = data.draw(any_network())
    case = data.draw(evidence(network.model, causes=False))
    answer = possible(Answer(network, case))
    union, absent_so_far, chance = 0.0, dict(case), 1.0
    for name, cause in network.model.causes.items():
        step = Answer(network, absent_so_far)
        if step.evidence[0] == 0:
            break
        union += chance * step[name][0]
        chance *= 1 - step[name][0]
        absent_so_far[name] = cause.states[0]
    close(1 - answer[NONE][0], union)


@given(st.data())
def test_unknown_is_marginalised_out(data: st.DataObject) -> None:
    network = data.draw(any_network())
    name = data.draw(st.sampled_from(list(network.model.variables)))
    case = data.draw(evidence(network.model))
    case.pop(name, None)
    answer = possible(Answer(network, case))
    known = Answer(network, *({**case, name: state} for state in network.model.variables[name].states))
    weights = known.evidence / answer.evidence[0]
    close(weights.sum(), 1)
    mixed = np.nan_to_num(known.values.to_numpy()) * weights[:, None]  # a state of weight 0 has no posterior
    close(mixed.sum(axis=0), answer.values.to_numpy()[0])


@given(st.data())
def test_what_is_not_known_of_a_finding_might_as_well_not_be_in_the_model(data: st.DataObject) -> None:
    network = data.draw(any_network())
    model = network.model
    dispensable = [
        f for f in model.findings if f not in (model.complaint, *map(model.about, model.alarm.key_questions))
    ]
    assume(dispensable)
    name = data.draw(st.sampled_from(dispensable))
    case = data.draw(evidence(model))
    case.pop(name, None)
    content = model.model_dump()
    del content["findings"][name]
    content["alarm"]["rules"] = content["red_flags"] = []
    for gone in (name, *(column for column, own in content["inputs"].items() if own["variable"] == name)):
        content["alarm"]["signs"].pop(gone, None)
    content["inputs"] = {n: i for n, i in content["inputs"].items() if i["variable"] != name}
    without = Answer(CompiledModel(ModelSpec.model_validate(content)), case)
    answer = possible(Answer(network, case))
    close(without.values, answer.values)
    close(without.evidence, answer.evidence)


# Directions


@given(st.data())
def test_a_finding_never_lowers_what_can_produce_it_when_the_other_causes_are_known(data: st.DataObject) -> None:
    network = data.draw(any_network())
    model = network.model
    produced = [(cause, name) for name, finding in model.findings.items() for cause in finding.links]
    assume(produced)
    cause, name = data.draw(st.sampled_from(produced))
    case = data.draw(evidence(model))
    case = {asked: answer for asked, answer in case.items() if model.about(asked) not in (name, cause)}
    for other, node in model.causes.items():
        if other != cause:
            case.setdefault(other, data.draw(st.sampled_from(node.states)))
    absent, *_, present = model.findings[name].states  # a state between may speak against a cause that goes further
    answer = Answer(network, case, {**case, name: absent}, {**case, name: present})
    assume(answer.evidence[0] > 1e-200)
    before, negative, positive = answer[cause]
    assert answer.evidence[2] == 0 or positive >= before - EXACT
    assert answer.evidence[1] == 0 or negative <= before + EXACT


@given(st.data())
def test_where_all_only_adds_a_finding_alone_never_lowers_a_cause(data: st.DataObject) -> None:
    network = data.draw(any_network(plain=True))
    name = data.draw(st.sampled_from(list(network.model.findings)))
    answer = possible(Answer(network, {}, {name: "absent"}))
    positive = Answer(network, {name: "present"})
    for cause in network.model.causes:
        before, negative = answer[cause]
        assert negative <= before + EXACT
        assert positive.evidence[0] == 0 or positive[cause][0] >= before - EXACT


@given(st.data())
def test_where_all_only_adds_a_risk_factor_alone_never_lowers_a_cause(data: st.DataObject) -> None:
    network = data.draw(any_network(plain=True))
    name = data.draw(st.sampled_from(list(network.model.risks)))
    answer = Answer(network, {name: "absent"}, {}, {name: "present"})
    for cause in network.model.causes:
        assert (np.diff(answer[cause]) >= -EXACT).all()


def alone(model: ModelSpec) -> list[tuple[str, str, list[Facts]]]:
    """List each cause with each finding of two states that it can produce: negative, unknown and positive."""
    return [
        (cause, name, [{name: finding.states[0]}, {}, {name: finding.states[1]}])
        for name, finding in model.findings.items()
        if len(finding.states) == 2
        for cause in finding.links
    ]


@named
def test_in_a_model_that_ships_a_finding_alone_never_lowers_what_can_produce_it(name: str) -> None:
    network = shipped(name).network
    found = alone(network.model)
    assert len(found) > 5
    answer = Answer(network, *(case for _, _, cases in found for case in cases))
    for i, (cause, finding, _) in enumerate(found):
        negative, unknown, positive = answer[cause][3 * i : 3 * i + 3]
        assert negative < unknown < positive, (cause, finding)


@named
def test_with_the_complaint_a_finding_lowers_a_cause_only_where_another_explains_it_better(name: str) -> None:
    network = shipped(name).network
    model = network.model
    complaint = {model.complaint: model.findings[model.complaint].states[1]}
    for cause, finding, cases in alone(model):
        if finding == model.complaint:
            continue
        others = {other: node.states[0] for other, node in model.causes.items() if other != cause}
        _, *by_all = (Answer(network, {**complaint, **case}) for case in cases)
        _, *by_itself = (Answer(network, {**complaint, **others, **case}) for case in cases)
        assert by_itself[1][cause][0] > by_itself[0][cause][0], (cause, finding)
        if by_all[1][cause][0] < by_all[0][cause][0]:
            assert any(by_all[1][other][0] > by_all[0][other][0] for other in others), (cause, finding)


# What is in the model matters


def moves(network: CompiledModel, base: Facts, name: str) -> float:
    """Say by how much knowing one variable changes a posterior at most."""
    states = network.model.variables[name].states
    values = Answer(network, base, *({**base, name: state} for state in states)).values.to_numpy()
    return float(np.nanmax(np.abs(values[1:] - values[0])))


@named
def test_every_risk_factor_and_finding_moves_a_posterior(name: str) -> None:
    network = shipped(name).network
    model = network.model
    complaint = {model.complaint: model.findings[model.complaint].states[1]}
    still = [v for v in (*model.risks, *model.findings) if v != model.complaint and moves(network, complaint, v) < 1e-3]
    assert still == []
    assert moves(network, {}, model.complaint) > 1e-2


def acting_risks(name: str) -> list[str]:
    model = shipped(name).file
    linked = {parent for cause in model.causes.values() for parent in cause.links if parent in model.risks}
    return [risk for risk in model.risks if risk in linked or any(risk in i.when for i in model.interactions)]


@pytest.mark.parametrize(("name", "risk"), [(name, risk) for name in SHIPPED for risk in acting_risks(name)])
def test_without_the_links_of_a_risk_factor_the_complaint_alone_says_something_else(name: str, risk: str) -> None:
    network = shipped(name).network
    content = network.model.model_dump()
    for cause in content["causes"].values():
        cause["links"].pop(risk, None)
    content["interactions"] = [i for i in content["interactions"] if risk not in i["when"]]
    without = CompiledModel(ModelSpec.model_validate(content))
    complaint = {network.model.complaint: network.model.findings[network.model.complaint].states[1]}
    change = Answer(without, complaint).values - Answer(network, complaint).values
    assert change.abs().to_numpy().max() > 1e-5


def test_risk_factors_without_links_of_their_own_act_through_others() -> None:
    idle = {name: set(shipped(name).file.risks) - set(acting_risks(name)) for name in SHIPPED}
    for name, risks in idle.items():
        parents = {parent for risk in shipped(name).file.risks.values() for parent in risk.parents}
        assert risks <= parents


# Order


@given(st.data())
def test_neither_order_of_evidence_nor_neighbours_change_an_answer(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(SHIPPED))
    model = shipped(name)
    cases = data.draw(st.lists(evidence(model.file, most=12), min_size=1, max_size=5))
    alone = [Answer(model.network, case) for case in cases]
    kept = [place for place, answer in enumerate(alone) if answer.evidence[0] > 0]
    assume(kept)
    frame = pd.DataFrame([cases[i] for i in kept], index=kept, dtype=object)
    rows, columns = data.draw(st.permutations(kept)), data.draw(st.permutations(list(frame.columns)))
    scored = model.score(frame)
    pd.testing.assert_frame_equal(model.score(frame.loc[rows, columns]), scored.loc[rows], check_exact=True)
    chosen = data.draw(st.sampled_from(kept))
    pd.testing.assert_frame_equal(model.score(frame.loc[[chosen]]), scored.loc[[chosen]], check_exact=True)
    case = cases[chosen]
    shuffled = {n: case[n] for n in data.draw(st.permutations(list(case)))}
    one, other = model.diagnose(case), model.diagnose(shuffled)
    pd.testing.assert_series_equal(one.posterior, other.posterior, check_exact=True)
    assert one.alarm == other.alarm
    assert one.red_flags == other.red_flags
    for column, p in one.posterior.items():
        assert scored.loc[chosen, str(column)] == p


@given(st.data())
def test_a_model_retold_in_other_words_and_another_order_gives_the_same_numbers(data: st.DataObject) -> None:
    check_retelling(data, CompiledModel(data.draw(models())))


@settings(max_examples=settings().max_examples // 10)
@given(st.data(), st.sampled_from(SHIPPED))
def test_a_model_that_ships_retold_gives_the_same_numbers(data: st.DataObject, name: str) -> None:
    check_retelling(data, shipped(name).network)


def check_retelling(data: st.DataObject, network: CompiledModel) -> None:
    model = network.model
    told, names, states = data.draw(retellings(model))
    cases = data.draw(st.lists(evidence(model, most=15), min_size=1, max_size=4))
    in_new_words = [{names[n]: states[n][s] for n, s in case.items()} for case in cases]
    retold = CompiledModel(told)
    old, new = Answer(network, *cases), Answer(retold, *in_new_words)
    close(new.evidence, old.evidence)
    for name, cause in model.causes.items():
        np.testing.assert_allclose(new[names[name]], old[name], rtol=0, atol=EXACT)
        shares = by_state(network, old, name), by_state(retold, new, names[name])
        for state in cause.states[1:]:
            np.testing.assert_allclose(shares[1][states[name][state]], shares[0][state], rtol=0, atol=EXACT)
    np.testing.assert_allclose(new[NONE], old[NONE], rtol=0, atol=EXACT)
    scored, retold_scored = Model(model).score_table(table(cases)), Model(told).score_table(table(in_new_words))
    np.testing.assert_array_equal(scored.accepted, retold_scored.accepted)
    alarm, new_alarm = f"{model.alarm.cause}_alarm", f"{told.alarm.cause}_alarm"
    assert retold_scored.table[new_alarm].to_pylist() == scored.table[alarm].to_pylist()
    flags = [{names[flag] for flag in row.split(";") if flag} for row in scored.table["red_flags"].to_pylist()]
    assert [{flag for flag in row.split(";") if flag} for row in retold_scored.table["red_flags"].to_pylist()] == flags


def table(cases: Sequence[Facts]) -> pa.Table:
    columns = dict.fromkeys(name for case in cases for name in case)
    arrays = {name: pa.array([case.get(name) for case in cases], pa.string()) for name in columns}
    return pa.table({"case_id": pa.array([str(i) for i in range(len(cases))]), **arrays})


def by_state(network: CompiledModel, answer: Answer, cause: str) -> dict[str, np.ndarray]:
    """Give P(state) of the states of a cause but the first; the second has no column of its own."""
    _, second, *others = network.model.causes[cause].states
    shares = {state: answer[f"{cause}_{state}"] for state in others}
    return {second: answer[cause] - sum(shares.values()), **shares}


# Unsure answers


def told(model: ModelSpec, name: str, likelihood: Sequence[float]) -> dict[str, float]:
    return dict(zip(model.variables[name].states, likelihood, strict=True))


@given(st.data())
def test_unsure_answers_lie_between_the_sure_ones_and_a_certain_one_is_sure(data: st.DataObject) -> None:
    model = shipped(data.draw(st.sampled_from(SHIPPED)))
    name = data.draw(st.sampled_from(list(model.file.variables)))
    case: dict[str, object] = {**data.draw(evidence(model.file, most=6))}
    case.pop(name, None)
    case.setdefault(model.file.complaint, "unknown")
    states = model.file.variables[name].states
    sure = [diagnosed(model, {**case, name: state}) for state in states]
    assume(any(one is not None for one in sure))
    for place, one in enumerate(sure):
        certain = told(model.file, name, [3.0 * (place == i) for i in range(len(states))])
        found = diagnosed(model, {**case, name: certain})
        assert (found is None) == (one is None)
        if one is not None and found is not None:
            close(found, one)
    no_wiser = diagnosed(model, {**case, name: told(model.file, name, [0.25] * len(states))})
    unknown = diagnosed(model, {**case, name: "unknown"})
    assert no_wiser is not None
    close(no_wiser, unknown)
    likelihood = data.draw(st.lists(st.integers(1, 8).map(float), min_size=len(states), max_size=len(states)))
    unsure = diagnosed(model, {**case, name: told(model.file, name, likelihood)})
    bounds = np.array([one for one in sure if one is not None])
    assert unsure is not None
    assert (unsure >= bounds.min(axis=0) - EXACT).all()
    assert (unsure <= bounds.max(axis=0) + EXACT).all()
    close(diagnosed(model, {**case, name: told(model.file, name, [7 * p for p in likelihood])}), unsure)


def diagnosed(model: kb.Model, case: dict[str, object]) -> np.ndarray | None:
    try:
        return model.diagnose(case).posterior.to_numpy()
    except kb.KneeBayesError:
        return None


# One case and many


@settings(max_examples=settings().max_examples // 2)
@given(data=st.data())
def test_a_scored_file_says_what_diagnose_says(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    name = data.draw(st.sampled_from(SHIPPED))
    model = shipped(name)
    cases = data.draw(st.lists(evidence(model.file, most=10), min_size=1, max_size=5))
    columns = list(dict.fromkeys(n for case in cases for n in case)) or [model.file.complaint]
    words = {"absent": ("absent", "no", "0", "FALSE", " No "), "present": ("present", "yes", "1", "TRUE", "Present")}
    lines = [",".join(("case_id", *columns))]
    for i, case in enumerate(cases):
        cells = []
        for n in columns:
            plain, state = model.file.variables[n].states == ("absent", "present"), case.get(n, "")
            cells.append(data.draw(st.sampled_from(words[state])) if plain and state else state)
        lines.append(",".join((f"case_{i}", *cells)))
    folder = tmp_path_factory.mktemp("scored")
    (folder / "in.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    counts = kb.score_file(folder / "in.csv", folder / "out.csv", rejects=folder / "rejects.csv", model=model)
    found = pd.read_csv(folder / "out.csv", index_col="case_id", keep_default_na=False)
    assert counts.read == len(cases)
    for i, case in enumerate(cases):
        try:
            dx = model.diagnose(case)
        except kb.KneeBayesError:
            assert f"case_{i}" not in found.index
            continue
        row = found.loc[f"case_{i}"]
        for column, p in dx.probabilities.items():
            assert math.isclose(float(str(row[column])), p, rel_tol=0, abs_tol=1e-9)
        assert row[model.scorer.alarm_column] == dx.alarm.level
        assert row["red_flags"] == ";".join(dx.red_flags)


# The alarm


STEP = dict(zip(kb.LEVELS, (0, 0, 1, 2, 3), strict=True))  # low and not_assessed are one


@given(st.data())
def test_no_sign_makes_the_alarm_of_any_model_milder(data: st.DataObject) -> None:
    model = Model(data.draw(models(between=True)))
    signs = model.file.alarm_signs
    assume(signs)
    name = data.draw(st.sampled_from(list(signs)))
    own = data.draw(answers(model.file))
    case: dict[str, object] = {**data.draw(evidence(model.file, causes=False)), **own}
    case = {n: v for n, v in case.items() if model.file.about(n) != model.file.about(name) or n in own}
    states = model.file.askable[name].states
    milder = [s for s in states if s not in signs[name]] if name in model.file.answer_inputs else states[:1]
    without = ["unknown", *(milder if name not in model.file.risks or len(states) == 2 else ())]
    levels = {}
    for answer in (*without, *signs[name]):
        with suppress(kb.CaseError):  # it may contradict other answers
            levels[answer] = model.diagnose({**case, name: answer}).alarm.level
    for sign in signs[name]:
        for answer in without:
            if sign in levels and answer in levels:
                assert STEP[levels[sign]] >= STEP[levels[answer]], (name, answer, sign, levels)


@given(st.data())
def test_answers_leave_what_they_have_in_common(data: st.DataObject) -> None:
    model = Model(data.draw(models()))
    spec = model.file
    assume(spec.answer_inputs)
    said = data.draw(answers(spec))
    rest = {n: s for n, s in data.draw(evidence(spec)).items() if n not in {spec.about(name) for name in said}}
    case: dict[str, object] = {**rest, **said}
    left: dict[str, frozenset[str]] = {}
    for name, value in {spec.complaint: "present", **case}.items():
        variable, states = spec.meaning(name, [str(value)])
        left[variable] = left.get(variable, states) & states
    if not all(left.values()):
        with pytest.raises(kb.CaseError, match="contradicts"):
            model.diagnose(case)
        return
    codes = [spec.events[name].index(left[name]) if name in left else UNKNOWN for name in spec.variables]
    expected, chance = brute_force(spec, np.array(codes, dtype=np.int8))
    if chance < 1e-200:
        return
    dx = model.diagnose(case)
    assert dx.posterior[NONE] == pytest.approx(expected.get((NONE, ""), 0.0), abs=1e-9)
    for name, cause in spec.causes.items():
        p = sum(expected.get((name, state), 0.0) for state in cause.states[1:])
        assert dx.posterior[name] == pytest.approx(p, abs=1e-9)
    assert model.diagnose(dx.evidence).probabilities == dx.probabilities  # what is said of it can be said again
    scored = model.score_table(table([{n: str(v) for n, v in case.items()}]), engine="numba").table
    assert scored[spec.alarm.cause].to_pylist()[0] == pytest.approx(dx.probabilities[spec.alarm.cause], abs=1e-12)
    assert scored[model.scorer.alarm_column].to_pylist() == [dx.alarm.level]
    for flag in spec.red_flags:
        raised = [
            n for n, states in flag.any_of.items() if left.get(spec.about(n), set("?")) <= spec.meaning(n, states)[1]
        ]
        assert set(raised) <= set(dx.red_flags)


@named
def test_no_sign_makes_the_alarm_milder_in_a_thousand_cases(name: str) -> None:
    scores = Scores(shipped(name))
    changes: Changes = {}
    n = 50 if name == "extended" else 1000  # with fourteen causes a case takes a hundred times as long
    search(scores, random_cases(scores, n, np.random.default_rng(11)), changes, only_promised=True)
    assert sum(change.compared for change in changes.values()) > 5 * n
    assert {key: change.steps for key, change in changes.items() if change.milder} == {}
