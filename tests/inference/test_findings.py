"""Findings of ordered states and answers that say part of one: against brute force, pgmpy and exact fractions."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kneebayes.inference.counts import Expectation
from kneebayes.inference.evidence import Cases, Evidence, SoftEvidence
from kneebayes.inference.network import CompiledModel, Engine, VersionedCase
from kneebayes.inference.tables import conditional_table
from kneebayes.interop.pgmpy import to_pgmpy
from kneebayes.learn.fit import noisy_or_counts
from kneebayes.spec.model_spec import ModelSpec
from tests.inference.test_network import expected_row
from tests.oracles import _chance as chance
from tests.oracles import brought_about, brute_force, number, random_codes, random_model

SHAPES: dict[str, dict[str, Any]] = {
    "three_levels": {"levels": 3},
    "five_levels": {"levels": 5, "findings": 3},
    "states_of_causes": {"levels": 4, "states": 3, "findings": 5},
    "sure": {"levels": 3, "sure": True, "findings": 6},
    "sure_four": {"levels": 4, "sure": True, "states": 3},
    "one_cause": {"levels": 4, "causes": 1, "findings": 5},
}


@cache
def compiled(shape: str, seed: int) -> CompiledModel:
    return CompiledModel(random_model(seed, **SHAPES[shape]))


@pytest.mark.parametrize("engine", ["numpy", "numba"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize("shape", SHAPES)
def test_posteriors_equal_brute_force(shape: str, seed: int, engine: Engine) -> None:
    network = compiled(shape, seed)
    codes = random_codes(network.model, 10, seed, risks=0.6, causes=0.1, findings=0.7)
    found = network.posteriors(Evidence(codes), engine=engine)
    for case in range(codes.shape[1]):
        _, whole = brute_force(network.model, codes[:, case])
        if whole == 0.0:
            assert np.isneginf(found.log_evidence[case])
            continue
        assert np.exp(found.log_evidence[case]) == pytest.approx(whole, rel=1e-11)
        expected = expected_row(network.model, codes[:, case], network.columns)
        np.testing.assert_allclose(found.values[case], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_case_under_many_numbers_is_each_model_with_these_numbers(shape: str) -> None:
    network = compiled(shape, 1)
    rng = np.random.default_rng(3)
    values = network.parameters.normalised(rng.uniform(0.05, 0.6, (4, len(network.parameters.p))))
    codes = random_codes(network.model, 6, 4, risks=0.5, findings=0.8)
    for case in codes.T:
        found, evidence = VersionedCase(network, Evidence(case[:, None])).posteriors(values)
        for own, posterior, p in zip(values, found, evidence, strict=True):
            expected = network.with_numbers(own).posteriors(Evidence(case[:, None]), engine="numba")
            np.testing.assert_allclose(posterior, expected.values[0], rtol=0, atol=1e-12)
            assert np.log(p) == pytest.approx(expected.log_evidence[0], rel=1e-11)


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_an_answer_is_the_mixture_of_the_states_it_leaves(engine: Engine) -> None:
    network = compiled("five_levels", 2)
    row = network.variables.index("f1")
    events, states = network.model.events["f1"], network.model.findings["f1"].states
    codes = np.full((len(network.variables), 1), -1, dtype=np.int8)
    for code, event in enumerate(events):
        codes[row] = code
        found = network.posteriors(Evidence(codes), engine=engine)
        codes[row] = -1
        soft = SoftEvidence(row, np.array([0]), np.array([float(state in event) for state in states]))
        mixed = network.posteriors(Evidence(codes, (soft,)), engine=engine)
        np.testing.assert_allclose(found.values, mixed.values, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.log_evidence, mixed.log_evidence, rtol=1e-12)
        joint = network.joint(Evidence(codes, (soft,)))
        assert joint.sum() == pytest.approx(np.exp(found.log_evidence[0]), rel=1e-12)


def test_answers_to_two_columns_leave_what_they_have_in_common() -> None:
    for seed in range(8):
        model = random_model(seed, levels=5)
        for name in ("f1", "f3"):
            events = model.events[name]
            answers = [set(a) for c in model.answer_inputs.values() if c.variable == name for a in c.answers.values()]
            assert [set(event) for event in events[:5]] == [{state} for state in model.findings[name].states]
            for one, other in product(answers, repeat=2):
                assert not one & other or one & other in events
            assert len(set(events)) == len(events)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_cell_of_a_table_is_the_chance_by_definition(shape: str) -> None:
    model = compiled(shape, 0).model
    for name, finding in model.findings.items():
        parents, table = conditional_table(model, name)
        for combination in product(*(model.causes[parent].states for parent in parents)):
            world = {c: cause.states[0] for c, cause in model.causes.items()} | dict(
                zip(parents, combination, strict=True)
            )
            place = tuple(model.causes[p].states.index(world[p]) for p in parents)
            expected = [chance(model, name, {**world, name: state}) for state in finding.states]
            np.testing.assert_allclose(np.moveaxis(table, 0, -1)[place], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("shape", ["three_levels", "states_of_causes"])
def test_pgmpy_says_the_same(shape: str) -> None:
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.inference import VariableElimination

    network = compiled(shape, 1)
    model, codes = network.model, random_codes(network.model, 4, 9, risks=0.6, findings=0.8)
    bayes = to_pgmpy(model)
    for case in codes.T:
        posterior = network.posteriors(Evidence(case[:, None])).values[0]
        known, virtual = {}, []
        for (name, events), code in zip(model.events.items(), case.tolist(), strict=True):
            states = list(model.variables[name].states)
            if 0 <= code < len(states):
                known[name] = states[code]
            elif code >= 0:
                held = [[float(state in events[code])] for state in states]
                total = sum(value[0] for value in held)
                given = [[value[0] / total] for value in held]
                virtual.append(TabularCPD(name, len(states), given, state_names={name: states}))
        for c, cause in enumerate(model.causes):
            engine = VariableElimination(bayes.copy())
            found = engine.query([cause], evidence=known, virtual_evidence=virtual or None, show_progress=False)
            absent = found.get_value(**{cause: model.causes[cause].states[0]})
            assert posterior[c] == pytest.approx(1.0 - absent, abs=1e-9)


TINY = [1e-3, 1e-9, 1e-15, 1e-40]


@pytest.mark.parametrize("p", TINY)
def test_rare_states_keep_their_digits(p: float) -> None:
    """Against the same sums in fractions: nothing is a difference of numbers near 1."""
    content = random_model(3, levels=4, causes=3, findings=2).model_dump()
    finding = content["findings"]["f1"]
    states = finding["states"]
    effects = {"leak": finding["leak"], **{f"{c}.{s}": e for c, by in finding["links"].items() for s, e in by.items()}}
    for i, effect in enumerate(effects.values()):
        for j, state in enumerate(states[1:]):
            effect[state] = number(p * (1 + i + 3 * j))
    network = CompiledModel(ModelSpec.model_validate(content))
    model, tables = network.model, network.tables
    for k, place in enumerate(network.joint_states.tolist()):
        world = {c: cause.states[s] for (c, cause), s in zip(model.causes.items(), place, strict=True)}
        own = [model.findings["f1"].leak]
        own += [by[world[c]] for c, by in model.findings["f1"].links.items() if world[c] in by]
        at_most = []
        for d in range(len(states)):
            whole = Fraction(1)
            for effect in own:
                assert isinstance(effect, dict)
                whole *= 1 - sum((Fraction(effect[state].p) for state in states[d + 1 :]), Fraction(0))
            at_most.append(whole)
        for code, event in enumerate(model.events["f1"]):
            expected = Fraction(0)
            for d, state in enumerate(states):
                expected += (at_most[d] - (at_most[d - 1] if d else 0)) if state in event else 0
            assert tables.chance(1, code)[k] == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("engine", ["numpy", pytest.param("numba", marks=pytest.mark.slow)])  # compiles long
@pytest.mark.parametrize("shape", SHAPES)
def test_expected_trials_equal_brute_force(shape: str, engine: Engine) -> None:
    network = compiled(shape, 0)
    model = network.model
    codes = random_codes(model, 40, 5, risks=0.5, causes=0.1, findings=0.6)
    codes = codes[:, np.isfinite(network.posteriors(Evidence(codes)).log_evidence)][:, :5]
    weight = np.arange(1.0, codes.shape[1] + 1)
    allowed = np.ones((codes.shape[1], len(model.causes), max(network.layout.cards)), dtype=bool)
    counts = Expectation(network.tables).counts(Cases(codes, allowed, weight), engine=engine)
    found = noisy_or_counts(network.parameters.p, network.tables, counts)
    expected = {place: np.zeros(2) for place in network.parameters.names if place.startswith("findings.")}
    for case, often in zip(codes.T, weight, strict=True):
        count_world_by_world(model, case, float(often), expected)
    for place, *trials in zip(network.parameters.names, *found, strict=True):
        if place in expected:
            np.testing.assert_allclose(trials, expected[place], rtol=1e-9, atol=1e-12, err_msg=place)


def count_world_by_world(
    model: ModelSpec, codes: NDArray[np.int8], often: float, expected: dict[str, NDArray[np.float64]]
) -> None:
    """Add what each leak and link of a finding brought about, over all that may have been behind one case."""
    known = {n: model.events[n][c] for n, c in zip(model.variables, codes, strict=True) if c >= 0}
    hidden = [*model.risks, *model.causes]
    choices = [[s for s in model.variables[n].states if n not in known or s in known[n]] for n in hidden]
    total, sums = 0.0, {place: np.zeros(2) for place in expected}
    for states in product(*choices):
        world = dict(zip(hidden, states, strict=True))
        p = float(np.prod([chance(model, name, world) for name in hidden]))
        behind = {}
        for name in (n for n in model.findings if n in known and p > 0.0):
            held = [state in known[name] for state in model.findings[name].states]
            behind[name] = [(q, b) for q, b in brought_about(model, name, world) if held[max(b.values())]]
            p *= sum(q for q, _ in behind[name])
        total += p
        for name, ways in behind.items() if p > 0.0 else ():
            whole, finding = sum(q for q, _ in ways), model.findings[name]
            for q, brought in ways:
                for effect, state in brought.items():
                    for s, own in enumerate(finding.states[1:], start=1):
                        place = f"findings.{name}.{effect}" + (f".{own}" if len(finding.states) > 2 else "")
                        sums[place] += p * q / whole * np.array([float(state == s), 1.0])
    for place, own_sums in sums.items():
        expected[place] += often * own_sums / total


def test_two_levels_are_the_noisy_or() -> None:
    """A finding of three states that never comes to the third is the finding of two states."""
    content = random_model(5, findings=3).model_dump()
    plain = CompiledModel(ModelSpec.model_validate(content))
    finding = content["findings"]["f1"]

    def widened(one: dict[str, Any]) -> dict[str, Any]:
        return {"middle": one, "most": number(0.0)}

    finding["states"] = ["absent", "middle", "most"]
    finding["leak"] = widened(finding["leak"])
    finding["links"] = {c: {s: widened(link) for s, link in by.items()} for c, by in finding["links"].items()}
    wide = CompiledModel(ModelSpec.model_validate(content))
    codes = random_codes(plain.model, 30, 2)
    for engine in ("numpy", "numba"):
        one, other = (network.posteriors(Evidence(codes), engine=engine) for network in (plain, wide))
        np.testing.assert_allclose(one.values, other.values, rtol=0, atol=1e-14)
        np.testing.assert_allclose(one.log_evidence, other.log_evidence, rtol=1e-13)
