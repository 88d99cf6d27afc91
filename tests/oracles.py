"""Random models, random evidence, and posteriors by brute force over the whole joint."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes import Thresholds
from kneebayes.diagnosis.alarm import Assessment, Assessor
from kneebayes.inference.evidence import UNKNOWN, Evidence
from kneebayes.spec.model_spec import Distribution, ModelSpec, Probability

WORDS = {"label": "x", "question": "x?", "group": "all"}


def one(effect: Probability | Distribution) -> Probability:
    """Take a leak or link of a finding with two states for the number that it is."""
    assert isinstance(effect, Probability)
    return effect


def number(p: float) -> dict[str, Any]:
    """Give a probability the company it needs in a model file."""
    return {"p": float(p), "range": [0.0, 1.0], "basis": "judgement", "why": "random"}


def random_model(
    seed: int,
    *,
    risks: int = 4,
    causes: int = 3,
    findings: int = 4,
    states: int = 2,
    edges: bool = True,
    levels: int = 2,
    sure: bool = False,
) -> ModelSpec:
    """Draw a model with dependent risks, an interaction, a cause of more states and cause-to-cause links.

    Parameters
    ----------
    seed : int
        Seed of the draw.
    risks, causes, findings : int
        How many of each.
    states : int
        Number of states of cause 1.
    edges : bool
        Whether causes may cause causes.
    levels : int
        Number of states of every second finding; with more than two, columns say part of each.
    sure : bool
        Whether some leaks and links of these have a chance of 0 or 1.
    """
    rng = np.random.default_rng(seed)
    risk_nodes: dict[str, Any] = {}
    for r in range(risks):
        names = ["low", "middle", "high"][: 3 if r == 0 else 2]
        if r in (1, 2):  # depends on the one or two before it
            parents = [f"r{i}" for i in range(r)]
            rows = [
                {
                    "when": dict(zip(parents, combination, strict=True)),
                    "prior": {s: number(rng.uniform(0, 0.4)) for s in names[1:]},
                }
                for combination in product(*(risk_nodes[p]["states"] for p in parents))
            ]
            risk_nodes[f"r{r}"] = {**WORDS, "states": names, "given": rows}
        else:
            prior = {s: number(rng.uniform(0.05, 0.45)) for s in names[1:]}
            risk_nodes[f"r{r}"] = {**WORDS, "states": names, "prior": prior}
    cause_nodes: dict[str, Any] = {}
    order = [int(i) for i in rng.permutation(causes)]
    for place, c in enumerate(order):
        names = ["absent", *(f"present{i}" if i else "present" for i in range(states - 1 if c == 1 else 1))]
        links: dict[str, Any] = {
            f"r{r}": {s: number(rng.uniform(0, 0.6)) for s in risk_nodes[f"r{r}"]["states"][1:]}
            for r in range(risks)
            if rng.random() < 0.6
        }
        for parent in order[:place] if edges else []:
            if rng.random() < 0.5:
                links[f"c{parent}"] = {s: number(rng.uniform(0, 0.6)) for s in cause_nodes[f"c{parent}"]["states"][1:]}
        split = {s: number(rng.uniform(0.1, 0.3)) for s in names[2:]}
        cause_nodes[f"c{c}"] = {
            **WORDS,
            "states": names,
            "leak": number(rng.uniform(0.001, 0.2)),
            "links": links,
            "split": split,
            "care": ["rest"],
            "recovery": "soon",
            "care_basis": "judgement",
        }
    finding_nodes: dict[str, Any] = {
        f"f{f}": {
            **WORDS,
            "leak": number(rng.uniform(0.01, 0.3)),
            "links": {
                f"c{c}": {s: number(rng.uniform(0, 0.9)) for s in cause_nodes[f"c{c}"]["states"][1:]}
                for c in range(causes)
                if rng.random() < 0.6
            },
        }
        for f in range(findings)
    }
    inputs: dict[str, Any] = {}
    own = np.random.default_rng([seed, levels])  # so that the rest is the same with any number of levels
    for name in list(finding_nodes)[1::2] if levels > 2 else []:
        names = [f"level{i}" for i in range(levels)]

        def effect(names: list[str] = names) -> dict[str, Any]:
            chances = own.dirichlet(np.full(len(names), 0.7))
            if sure and own.random() < 0.4:
                chances = np.eye(len(names))[own.integers(len(names))]
            return {s: number(p) for s, p in zip(names[1:], chances[1:], strict=True)}

        links = {c: {s: effect() for s in by_state} for c, by_state in finding_nodes[name]["links"].items()}
        finding_nodes[name] |= {"states": names, "leak": effect(), "links": links}
        for column in range(2):
            part = own.permutation(levels)[: own.integers(1, levels)].tolist()
            answers = {"yes": [names[i] for i in part], "no": [names[i] for i in range(levels) if i not in part]}
            inputs[f"{name}_part{column}"] = {"variable": name, "label": "x", "question": "x?", "answers": answers}
    interactions = [{"target": "c0", "when": {"r0": ["middle", "high"], "r1": "middle"}, "link": number(0.3)}]
    return ModelSpec.model_validate(
        {
            "format": 1,
            "name": f"random_{seed}",
            "version": "0",
            "title": "x",
            "population": "x",
            "disclaimer": "x",
            "leak_convention": "P(present) = 1 - (1 - leak) * product(1 - link)",
            "complaint": "f0",
            "groups": {"all": "All"},
            "inputs": inputs,
            "risks": risk_nodes,
            "interactions": interactions if risks > 1 else [],
            "causes": {f"c{c}": cause_nodes[f"c{c}"] for c in range(causes)},
            "findings": finding_nodes,
            "alarm": {
                "cause": "c0",
                "thresholds": {"caution": number(0.02), "urgent": number(0.1)},
                "key_questions": ["f1"],
                "advice": {level: level for level in ("emergency", "urgent", "caution", "not_assessed", "low")},
            },
        }
    )


def random_codes(
    model: ModelSpec, n: int, seed: int, *, risks: float = 0.5, causes: float = 0.0, findings: float = 0.5
) -> NDArray[np.int8]:
    """Draw codes, each cell known with the share given for its kind; of a finding, any set of states with a code."""
    rng = np.random.default_rng(seed)
    shares = [*[risks] * len(model.risks), *[causes] * len(model.causes), *[findings] * len(model.findings)]
    rows = []
    for events, share in zip(model.events.values(), shares, strict=True):
        states = rng.integers(0, len(events), n)
        rows.append(np.where(rng.random(n) < share, states, -1))
    return np.stack(rows).astype(np.int8)


def whole_states(model: ModelSpec, codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Forget what says only part of a variable, as few other programs take one state or another, (variables, n)."""
    counts = np.array([len(variable.states) for variable in model.variables.values()])
    return np.where(codes < counts[:, None], codes, UNKNOWN).astype(np.int8)


def brute_force(
    model: ModelSpec, codes: NDArray[np.int8], kind: type[Any] = float
) -> tuple[dict[tuple[str, str], float], Any]:
    """Sum over every joint state of one case, straight from the definition of the model, in numbers of some kind.

    Returns
    -------
    dict
        Posterior by (cause, state), with ``("none_of_these", "")`` for all absent.
    float
        P(evidence).
    """
    nodes = model.variables
    evidence = {n: model.events[n][c] for n, c in zip(nodes, codes, strict=True) if c >= 0}
    hidden = [*model.risks, *model.causes]
    choices = [[s for s in nodes[n].states if n not in evidence or s in evidence[n]] for n in hidden]
    totals: dict[tuple[str, str], Any] = {}
    whole = kind(0)
    for combination in product(*choices):
        world = dict(zip(hidden, combination, strict=True))
        p = kind(1)
        for name in hidden:
            p *= kind(_chance(model, name, world))
        for name in model.findings:
            if name in evidence:
                p *= kind(sum(_chance(model, name, {**world, name: state}) for state in evidence[name]))
        whole += p
        for cause in model.causes:
            totals[cause, world[cause]] = totals.get((cause, world[cause]), kind(0)) + p
        if all(world[cause] == model.causes[cause].states[0] for cause in model.causes):
            totals["none_of_these", ""] = totals.get(("none_of_these", ""), kind(0)) + p
    return {key: p / whole for key, p in totals.items()} if whole else {}, whole


def _chance(model: ModelSpec, name: str, world: dict[str, str]) -> float:
    """P(the state of one variable | the states of its parents)."""
    state = world[name]
    if name in model.risks:
        risk = model.risks[name]
        prior = risk.prior or next(
            row.prior for row in risk.given if all(world[key] in value for key, value in row.when.items())
        )
        return prior[state].p if state in prior else 1.0 - sum(number.p for number in prior.values())
    if name in model.findings:
        place = model.findings[name].states.index(state)
        given = _given(model, name, world).values()  # the state is the worst that any of them brings about
        at_most = [float(np.prod([sum(own[: worst + 1]) for own in given])) for worst in range(-1, place + 1)[-2:]]
        return at_most[1] - at_most[0]
    node = model.causes[name]
    absent = 1.0 - node.leak.p
    for parent, links in node.links.items():
        if world[parent] in links:
            absent *= 1.0 - links[world[parent]].p
    for interaction in model.interactions:
        if interaction.target == name and all(world[key] in value for key, value in interaction.when.items()):
            absent *= 1.0 - interaction.link.p
    if state == node.states[0]:
        return absent
    split = model.causes[name].split
    share = split[state].p if state in split else 1.0 - sum(number.p for number in split.values())
    return (1.0 - absent) * share


def brought_about(model: ModelSpec, name: str, world: dict[str, str]) -> Iterator[tuple[float, dict[str, int]]]:
    """Yield what leak and present causes may each bring about of a finding, by place of the state, with its chance.

    By name: ``leak``, or ``links.CAUSE.STATE`` for a cause in the state that it has in the world.
    """
    given = _given(model, name, world)
    for brought in product(range(len(model.findings[name].states)), repeat=len(given)):
        p = float(np.prod([own[state] for own, state in zip(given.values(), brought, strict=True)]))
        yield p, dict(zip(given, brought, strict=True))


def _given(model: ModelSpec, name: str, world: dict[str, str]) -> dict[str, list[float]]:
    """P(each state of a finding) that the leak, and each present cause alone, gives it."""
    finding = model.findings[name]
    effects = {"leak": finding.leak}
    effects |= {f"links.{c}.{world[c]}": own[world[c]] for c, own in finding.links.items() if world[c] in own}
    worse = {
        effect: [number.p for number in (finding.by_state(own)[state] for state in finding.states[1:])]
        for effect, own in effects.items()
    }
    return {effect: [1.0 - sum(own), *own] for effect, own in worse.items()}


def assess(assessor: Assessor, evidence: Evidence, thresholds: Thresholds) -> Assessment:
    """Assess cases by their posteriors under the assessor's own model."""
    return assessor.assess(evidence, thresholds, posteriors=assessor.network.posteriors(evidence))
