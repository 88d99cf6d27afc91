"""Posteriors straight from the text of a model file, by enumerating the joint states of the causes.

Shares nothing with kneebayes' inference: only the merging of a file with the one it extends is reused.
Slow and plain on purpose; everything is added and multiplied, nothing is cancelled but in a finding's states.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from kneebayes.spec.yaml_io import EXTENDS, merged

Array = NDArray[np.float64]
Said = tuple[tuple[str, tuple[float, ...]], ...]  # variable and weight by state, hashable

ABSENT_PRESENT = ("absent", "present")
WORDS = {"no": "absent", "false": "absent", "yes": "present", "true": "present"}


def read_text(path: Path) -> dict[str, Any]:
    """Read a model file as plain objects, merged with what it extends."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    if EXTENDS not in content:
        return content
    return merged(read_text(path.with_name(f"{content.pop(EXTENDS)}.yaml")), content)


class Oracle:
    """A model file, with exact posteriors by enumeration.

    Attributes: `file` is the text as mappings, `states` the states of every variable, `joint` the shape of the
    joint states of the causes, one axis per cause in the order of the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = read_text(Path(path))
        self.risks, self.causes, self.findings = (self.file[kind] for kind in ("risks", "causes", "findings"))
        nodes = {**self.risks, **self.causes, **self.findings}
        self.states = {name: tuple(node.get("states", ABSENT_PRESENT)) for name, node in nodes.items()}
        self.axis = {name: axis for axis, name in enumerate(self.causes)}
        self.joint = tuple(len(self.states[name]) for name in self.causes)
        self._prior = lru_cache(maxsize=4096)(self._joint_of_causes)

    # Evidence

    def weights(self, evidence: Mapping[str, object]) -> dict[str, Array]:
        """Turn the columns of a case into a weight for each state of each variable that they speak of.

        A value is a state, a number for a numeric input, an answer of an input with answers, or a mapping of
        states to likelihoods. Columns about the same variable are multiplied.
        """
        complaint = self.file["complaint"]
        said: dict[str, Array] = {}
        for column, value in evidence.items():
            if value is None or value == "":
                continue
            about = self.file.get("inputs", {}).get(column, {"variable": column})
            variable = about["variable"]
            known = self._states_left(column, about, value)
            one = np.array([float(known.get(state, 0.0)) for state in self.states[variable]])
            said[variable] = said.get(variable, np.ones_like(one)) * one
        if complaint not in said:
            said[complaint] = np.array([0.0, 1.0])
        return said

    def _states_left(self, column: str, about: Mapping[str, Any], value: object) -> dict[str, float]:
        if isinstance(value, Mapping):
            return {str(state): float(weight) for state, weight in value.items()}
        word = ABSENT_PRESENT[value] if isinstance(value, bool) else WORDS.get(str(value), str(value))
        if "answers" in about:
            return dict.fromkeys(about["answers"][word], 1.0)
        if word in self.states[about["variable"]]:
            return {word: 1.0}
        if "bands" not in about:
            raise ValueError(f"{column}: {value!r} is no state of {about['variable']}")
        number, state = float(word), about["bands"][0]["state"]
        for band in about["bands"][1:]:
            if number >= band.get("at_least", np.inf) or number > band.get("above", np.inf):
                state = band["state"]
        return {state: 1.0}

    # Risk factors, and causes given them

    def _joint_of_causes(self, said: Said) -> Array:
        """P(joint state of the causes and what was said of the risk factors), before what was said of causes."""
        interactions = [set(entry["when"]) for entry in self.file.get("interactions", [])]
        parents = {
            name: {key for row in node.get("given", []) for key in row["when"]} for name, node in self.risks.items()
        }
        groups: list[set[str]] = [{name} for name in self.risks]
        for linked in [*interactions, *({name, *above} for name, above in parents.items())]:
            touched = [group for group in groups if group & linked]
            groups = [group for group in groups if not group & linked] + [set().union(*touched)]
        worlds = set().union(*parents.values(), *interactions)  # the risk factors that anything else looks at
        mass = np.zeros(self.joint)
        mass[(0,) * len(self.joint)] = 1.0
        for cause, node in self.causes.items():
            self._trigger(mass, cause, node["leak"]["p"])
        for group in groups:
            mass = self._mixed_over(group, worlds, dict(said), mass)
        for cause in self._parents_first():
            self._caused_by_causes(mass, cause)
            self._split(mass, cause)
        return mass

    def _mixed_over(
        self, group: set[str], worlds: set[str], said: Mapping[str, tuple[float, ...]], mass: Array
    ) -> Array:
        """Let one independent group of risk factors act: each world of those that others look at, then the rest."""
        above = [name for name in self.risks if name in group & worlds]
        below = [name for name in self.risks if name in group - worlds]
        total = np.zeros_like(mass)
        for combination in product(*(self.states[name] for name in above)):
            world = dict(zip(above, combination, strict=True))
            chance = float(np.prod([self._risk(name, world, said)[world[name]] for name in above]))
            if not chance:
                continue
            part = mass * chance
            self._act(part, world)
            for entry in self.file.get("interactions", []):
                if set(entry["when"]) <= group and _holds(entry["when"], world):
                    self._trigger(part, entry["target"], entry["link"]["p"])
            for name in below:
                before, part = part, np.zeros_like(mass)
                for state, p in self._risk(name, world, said).items():
                    acted = before * p
                    self._act(acted, {name: state})
                    part += acted
            total += part
        return total

    def _risk(self, name: str, world: Mapping[str, str], said: Mapping[str, tuple[float, ...]]) -> dict[str, float]:
        """P(state | world), times the weight of what was said, by state."""
        node, states = self.risks[name], self.states[name]
        row = next((row for row in node.get("given", []) if _holds(row["when"], world)), node)
        prior = {state: number["p"] for state, number in row["prior"].items()}
        first = 1.0 - sum(prior.values())
        weights = said.get(name, (1.0,) * len(states))
        return {state: prior.get(state, first) * weight for state, weight in zip(states, weights, strict=True)}

    def _act(self, mass: Array, world: Mapping[str, str]) -> None:
        for cause, node in self.causes.items():
            for name, state in world.items():
                if state in node.get("links", {}).get(name, {}):
                    self._trigger(mass, cause, node["links"][name][state]["p"])

    def _trigger(self, mass: Array, cause: str, p: float) -> None:
        """Let something bring about a cause with probability p: what is absent becomes present (its first state)."""
        by_state = np.moveaxis(mass, self.axis[cause], 0)
        by_state[1] += p * by_state[0]
        by_state[0] *= 1.0 - p

    def _caused_by_causes(self, mass: Array, cause: str) -> None:
        for parent, links in self.causes[cause].get("links", {}).items():
            for state, number in links.items() if parent in self.axis else ():
                here = np.moveaxis(mass, (self.axis[cause], self.axis[parent]), (0, 1))
                code = self.states[parent].index(state)
                here[1, code] += number["p"] * here[0, code]
                here[0, code] *= 1.0 - number["p"]

    def _split(self, mass: Array, cause: str) -> None:
        """Share the presence of a cause among its states."""
        shares = {state: number["p"] for state, number in self.causes[cause].get("split", {}).items()}
        by_state = np.moveaxis(mass, self.axis[cause], 0)
        present = by_state[1].copy()
        for code, state in enumerate(self.states[cause][1:], start=1):
            by_state[code] = present * shares.get(state, 1.0 - sum(shares.values()))

    def _parents_first(self) -> list[str]:
        order: list[str] = []
        while len(order) < len(self.causes):
            for name, node in self.causes.items():
                above = set(node.get("links", {})) & set(self.causes)
                if name not in order and above <= set(order):
                    order.append(name)
        return order

    # Findings

    def chances(self, finding: str) -> Array:
        """P(each state of a finding | joint state of the causes): leaky noisy-MAX.

        The states are on the first axis; axes of causes without a link have length 1.
        """
        node, states = self.findings[finding], self.states[finding]
        at_most = _cumulated(node["leak"], states).reshape([-1, *[1] * len(self.joint)])
        for cause, links in node.get("links", {}).items():
            factor = np.ones((len(states), len(self.states[cause])))
            for state, number in links.items():
                factor[:, self.states[cause].index(state)] = _cumulated(number, states)
            shape = [len(states), *(n if axis == self.axis[cause] else 1 for axis, n in enumerate(self.joint))]
            at_most = at_most * factor.reshape(shape)
        return np.diff(at_most, axis=0, prepend=0.0)

    # Posteriors

    def joint_posterior(self, evidence: Mapping[str, object]) -> tuple[Array, float]:
        """P(joint state of the causes | evidence), and P(evidence)."""
        said = self.weights(evidence)
        mass = self._prior(tuple((name, tuple(said[name].tolist())) for name in self.risks if name in said)).copy()
        for name, weight in said.items():
            if name in self.axis:
                mass *= weight.reshape([-1 if axis == self.axis[name] else 1 for axis in range(mass.ndim)])
            elif name in self.findings:
                mass *= np.tensordot(weight, self.chances(name), axes=1)
        whole = float(mass.sum())
        return (mass / whole if whole else mass), whole

    def posterior(self, evidence: Mapping[str, object]) -> dict[str, float]:
        """P(each cause present), of ``cause_state`` where it has several, and of ``none_of_these``."""
        joint, _ = self.joint_posterior(evidence)
        found: dict[str, float] = {}
        details: dict[str, float] = {}
        for name, axis in self.axis.items():
            by_state = np.moveaxis(joint, axis, 0).reshape(joint.shape[axis], -1).sum(axis=1)
            found[name] = float(by_state[1:].sum())
            details |= {f"{name}_{s}": float(p) for s, p in zip(self.states[name][2:], by_state[2:], strict=True)}
        return {**found, "none_of_these": float(joint[(0,) * joint.ndim]), **details}


def _holds(condition: Mapping[str, Any], world: Mapping[str, str]) -> bool:
    """Say whether a world has one of the states named (a single one may stand without a list) of each variable."""
    return all(world[key] in ([said] if isinstance(said, str) else said) for key, said in condition.items())


def _cumulated(number: Mapping[str, Any], states: tuple[str, ...]) -> Array:
    """P(at most each state) of a leak or link, which says the chance of every state but the first."""
    above = [number["p"]] if "p" in number else [number[state]["p"] if state in number else 0.0 for state in states[1:]]
    return np.cumsum([1.0 - sum(above), *above])
