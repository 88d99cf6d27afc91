"""Random models, random evidence, and posteriors by brute force over the whole joint."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kneebayes.spec.model_spec import ModelSpec

WORDS = {"label": "x", "question": "x?", "group": "all"}


def number(p: float) -> dict[str, Any]:
    """Give a probability the company it needs in a model file."""
    return {"p": float(p), "range": [0.0, 1.0], "basis": "judgement", "why": "random"}


def random_model(
    seed: int, *, risks: int = 4, causes: int = 3, findings: int = 4, states: int = 2, edges: bool = True
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
    finding_nodes = {
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
    """Draw codes, each cell known with the share given for its kind."""
    rng = np.random.default_rng(seed)
    shares = [*[risks] * len(model.risks), *[causes] * len(model.causes), *[findings] * len(model.findings)]
    rows = []
    for variable, share in zip(model.variables.values(), shares, strict=True):
        states = rng.integers(0, len(variable.states), n)
        rows.append(np.where(rng.random(n) < share, states, -1))
    return np.stack(rows).astype(np.int8)


def brute_force(model: ModelSpec, codes: NDArray[np.int8]) -> tuple[dict[tuple[str, str], float], float]:
    """Sum over every joint state of one case, straight from the definition of the model.

    Returns
    -------
    dict
        Posterior by (cause, state), with ``("none_of_these", "")`` for all absent.
    float
        P(evidence).
    """
    nodes = model.variables
    evidence = {n: nodes[n].states[c] for n, c in zip(nodes, codes, strict=True) if c >= 0}
    hidden = [*model.risks, *model.causes]
    choices = [[evidence[n]] if n in evidence else list(nodes[n].states) for n in hidden]
    totals: dict[tuple[str, str], float] = {}
    whole = 0.0
    for combination in product(*choices):
        world = dict(zip(hidden, combination, strict=True))
        p = 1.0
        for name in hidden:
            p *= _chance(model, name, world)
        for name in model.findings:
            if name in evidence:
                p *= _chance(model, name, {**world, name: evidence[name]})
        whole += p
        for cause in model.causes:
            totals[cause, world[cause]] = totals.get((cause, world[cause]), 0.0) + p
        if all(world[cause] == model.causes[cause].states[0] for cause in model.causes):
            totals["none_of_these", ""] = totals.get(("none_of_these", ""), 0.0) + p
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
    node = model.causes[name] if name in model.causes else model.findings[name]
    absent = 1.0 - node.leak.p
    for parent, links in node.links.items():
        if world[parent] in links:
            absent *= 1.0 - links[world[parent]].p
    for interaction in model.interactions:
        if interaction.target == name and all(world[key] in value for key, value in interaction.when.items()):
            absent *= 1.0 - interaction.link.p
    if state == node.states[0]:
        return absent
    if name in model.findings:
        return 1.0 - absent
    split = model.causes[name].split
    share = split[state].p if state in split else 1.0 - sum(number.p for number in split.values())
    return (1.0 - absent) * share
