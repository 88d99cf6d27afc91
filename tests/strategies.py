"""Models, evidence, and the same model in other words, for hypothesis: simple ones first, so that failures shrink."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import strategies as st

from kneebayes.spec.model_spec import ModelSpec
from tests.oracles import WORDS, number

Facts = dict[str, str]
Content = dict[str, Any]

# coarse numbers: a failing model can be read, and the ends are where arithmetic goes wrong
CHANCES = st.integers(0, 20).map(lambda k: k / 20)
RISING = st.integers(1, 19).map(lambda k: k / 20)


@st.composite
def models(draw: st.DrawFn, *, most: int = 3, plain: bool = False, between: bool = False) -> ModelSpec:
    """Draw a small model.

    Parameters
    ----------
    most : int
        How many risk factors, causes and findings at most, of each.
    plain : bool
        Two states each, risk factors that do not depend on each other, and no
        number at 0 or 1 but for links: the models in which more of anything
        makes everything else likelier.
    between : bool
        No number at 0 or 1 at all.
    """
    chance = RISING if plain or between else CHANCES
    link = RISING if between else CHANCES
    n_risks, n_causes, n_findings = (draw(st.integers(1, most)) for _ in range(3))
    risks: Content = {}
    for r in range(n_risks):
        states = ["absent", "present", "more"][: 2 if plain else draw(st.integers(2, 3))]
        parents = [] if plain else [p for p in risks if draw(st.booleans())]
        if parents:
            rows = [
                {"when": dict(zip(parents, combination, strict=True)), "prior": draw(distribution(states[1:], chance))}
                for combination in product(*(risks[p]["states"] for p in parents))
            ]
            risks[f"r{r}"] = {**WORDS, "states": states, "given": rows}
        else:
            risks[f"r{r}"] = {**WORDS, "states": states, "prior": draw(distribution(states[1:], chance))}
    causes: Content = {}
    for c in draw(st.permutations(range(n_causes))):
        states = ["absent", "present", "more"][: 2 if plain else draw(st.integers(2, 3))]
        causes[f"c{c}"] = {
            **WORDS,
            "states": states,
            "leak": number(draw(chance)),
            "links": draw(links({**risks, **causes}, link.map(number))),
            "split": draw(distribution(states[2:], chance)),
            "care": ["rest"],
            "recovery": "soon",
            "care_basis": "judgement",
        }
    findings: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for f in range(n_findings):
        states = ["absent", "present", "more", "most"][: 2 if plain or f == 0 else draw(st.integers(2, 4))]
        effect = distribution(states[1:], chance) if len(states) > 2 else chance.map(number)
        own = distribution(states[1:], link) if len(states) > 2 else link.map(number)
        findings[f"f{f}"] = {**WORDS, "states": states, "leak": draw(effect), "links": draw(links(causes, own))}
        for column in range(draw(st.integers(0, 2)) if len(states) > 2 else 0):
            part = draw(st.lists(st.sampled_from(states), min_size=1, max_size=len(states) - 1, unique=True))
            answers = {"absent": [s for s in states if s not in part], "present": part}
            inputs[f"f{f}_part{column}"] = {"variable": f"f{f}", "label": "x", "question": "x?", "answers": answers}
    interactions = []
    if draw(st.booleans()):
        acting = [r for r in risks if draw(st.booleans())] or ["r0"]
        when = {r: risks[r]["states"][1:] for r in acting}
        interactions = [{"target": "c0", "when": when, "link": number(draw(link))}]
    signs = draw(st.booleans())  # else all that is linked to the cause
    levels = ("emergency", "urgent", "caution", "not_assessed", "low")
    names = [*risks, *causes, *findings, *inputs]
    signs_of = [*risks, *findings, *(n for n, c in inputs.items() if "absent" not in c["answers"]["present"])]
    rules = [
        {
            "level": draw(st.sampled_from(levels[:3])),
            "when": {draw(st.sampled_from(names)): "present"},
            "any_of": {name: "present" for name in names if draw(st.integers(0, 3)) == 3},
            "reason": "x",
            "basis": "judgement",
        }
        for _ in range(draw(st.integers(0, 2)))
    ]
    return ModelSpec.model_validate(
        {
            "format": 1,
            "name": "drawn",
            "version": "0",
            "title": "x",
            "population": "x",
            "disclaimer": "x",
            "leak_convention": "P(present) = 1 - (1 - leak) * product(1 - link)",
            "complaint": "f0",
            "groups": {"all": "All"},
            "inputs": inputs,
            "risks": risks,
            "interactions": interactions,
            "causes": {f"c{c}": causes[f"c{c}"] for c in range(n_causes)},
            "findings": findings,
            "alarm": {
                "cause": "c0",
                "thresholds": {"caution": number(0.2137), "urgent": number(0.5071)},  # no posterior lies on them
                "key_questions": [names[-1], "r0"],
                "advice": {level: level for level in levels},
                "signs": {name: "present" for name in signs_of if signs and draw(st.booleans())},
                "rules": rules,
            },
            "red_flags": [{"any_of": {names[-1]: "present"}, "reason": "x", "basis": "judgement"}],
        }
    )


@st.composite
def distribution(draw: st.DrawFn, states: list[str], chance: st.SearchStrategy[float]) -> Content:
    """Draw probabilities of some states that leave something for one more, or nothing."""
    return {state: number(draw(chance) / len(states)) for state in states}


@st.composite
def links(draw: st.DrawFn, nodes: Content, link: st.SearchStrategy[Content]) -> Content:
    """Draw links from some of the nodes, from some of their states but the first."""
    found = {}
    for name, node in nodes.items():
        own = {state: draw(link) for state in node["states"][1:] if draw(st.booleans())}
        if own:
            found[name] = own
    return found


def evidence(model: ModelSpec, *, causes: bool = True, most: int | None = None) -> st.SearchStrategy[Facts]:
    """Draw what is known of a case: state names by variable, in any order, unknown ones left out.

    Parameters
    ----------
    model : ModelSpec
        Which model.
    causes : bool
        Whether causes may be known.
    most : int, optional
        How many variables at most.
    """
    names = [name for name in model.variables if causes or name not in model.causes]

    @st.composite
    def drawn(draw: st.DrawFn) -> Facts:
        size = draw(st.integers(0, len(names) if most is None else most))  # lists by themselves stay short
        known = draw(st.permutations(names))[:size]
        return {name: draw(st.sampled_from(model.variables[name].states)) for name in known}

    return drawn()


@st.composite
def answers(draw: st.DrawFn, model: ModelSpec) -> Facts:
    """Draw answers to some columns that say part of a variable, or the state itself: they may contradict each other."""
    names = [*model.answer_inputs, *(column.variable for column in model.answer_inputs.values())]
    known = [name for name in dict.fromkeys(names) if draw(st.booleans())]
    return {name: draw(st.sampled_from(model.askable[name].states)) for name in known}


@st.composite
def retellings(draw: st.DrawFn, model: ModelSpec) -> tuple[ModelSpec, dict[str, str], dict[str, dict[str, str]]]:
    """Draw the same model in other words and another order.

    Every variable and state gets a new name, every section a new order, and so
    do the states of risk factors and the states of causes but the first.

    Returns
    -------
    ModelSpec
        The model retold.
    dict of str to str
        The new name of each variable.
    dict of str to dict of str to str
        By old name of the variable, the new name of each state.
    """
    # letters in front, so that an order by name would be another one too
    numbers = draw(st.permutations(range(len(model.variables))))
    names = {name: f"{'zyxwv'[n % 5]}{n}" for name, n in zip(model.variables, numbers, strict=True)}
    states = {
        name: {state: f"{'qpo'[n % 3]}{len(v.states) - n}" for n, state in enumerate(v.states)}
        for name, v in model.askable.items()
    }
    names |= {name: f"input_{name}" for name in model.inputs if name not in names}
    content = model.model_dump()
    told = {
        **content,
        "inputs": {
            names[name] if "answers" in column else f"input_{name}": _input(name, column, names, states)
            for name, column in content["inputs"].items()
        },
        "risks": shuffled(
            draw,
            {
                names[n]: _risk(draw, n, node, names, states, content["alarm"]["signs"])
                for n, node in content["risks"].items()
            },
        ),
        "interactions": draw(st.permutations([_interaction(i, names, states) for i in content["interactions"]])),
        "causes": shuffled(
            draw, {names[n]: _cause(draw, n, node, names, states) for n, node in content["causes"].items()}
        ),
        "findings": shuffled(
            draw,
            {
                names[n]: _words(n, node, states) | _links(draw, node, names, states) | _effects(n, node, names, states)
                for n, node in content["findings"].items()
            },
        ),
        "complaint": names[content["complaint"]],
        "alarm": {
            **content["alarm"],
            "cause": names[content["alarm"]["cause"]],
            "key_questions": draw(st.permutations([names[n] for n in content["alarm"]["key_questions"]])),
            "signs": shuffled(draw, _when(content["alarm"]["signs"], names, states)),
            "rules": draw(
                st.permutations(
                    [
                        {**r, "when": _when(r["when"], names, states), "any_of": _when(r["any_of"], names, states)}
                        for r in content["alarm"]["rules"]
                    ]
                )
            ),
        },
        "red_flags": draw(
            st.permutations([{**f, "any_of": _when(f["any_of"], names, states)} for f in content["red_flags"]])
        ),
    }
    return ModelSpec.model_validate(told), names, states


def shuffled(draw: st.DrawFn, section: Content) -> Content:
    """Draw another order of a mapping."""
    return {name: section[name] for name in draw(st.permutations(list(section)))}


def _input(name: str, column: Content, names: dict[str, str], states: dict[str, dict[str, str]]) -> Content:
    variable = column["variable"]
    own = states[variable]
    if "answers" not in column:
        bands = [{**band, "state": own[band["state"]]} for band in column["bands"]]
        return {**column, "variable": names[variable], "bands": bands}
    answers = {states[name][answer]: [own[s] for s in left] for answer, left in column["answers"].items()}
    return {**column, "variable": names[variable], "answers": answers}


def _effects(name: str, node: Content, names: dict[str, str], states: dict[str, dict[str, str]]) -> Content:
    """Retell leak and links of a finding with more than two states."""
    own = states[name]
    if len(own) == 2:
        return {}

    def told(effect: Content) -> Content:
        return {own[s]: chance for s, chance in effect.items()}

    links = {names[c]: {states[c][s]: told(e) for s, e in by.items()} for c, by in node["links"].items()}
    return {"leak": told(node["leak"]), "links": links}


def _words(name: str, node: Content, states: dict[str, dict[str, str]]) -> Content:
    own = states[name]
    return {
        **node,
        "states": [own[s] for s in node["states"]],
        "state_labels": {own[s]: label for s, label in node["state_labels"].items()},
    }


def _links(draw: st.DrawFn, node: Content, names: dict[str, str], states: dict[str, dict[str, str]]) -> Content:
    told = {
        names[parent]: {states[parent][s]: link for s, link in own.items()} for parent, own in node["links"].items()
    }
    return {"links": shuffled(draw, told)}


def _risk(
    draw: st.DrawFn, name: str, node: Content, names: dict[str, str], states: dict[str, dict[str, str]], signs: Content
) -> Content:
    old, own = node["states"], states[name]
    first = old[:1] if name in signs else []  # the state of being without the sign
    order = [*first, *draw(st.permutations(old[len(first) :]))]
    told = {**_words(name, node, states), "states": [own[s] for s in order]}
    if node["prior"]:
        return {**told, "prior": _redistributed(node["prior"], old, order, own)}
    rows = [
        {"when": _when(row["when"], names, states), "prior": _redistributed(row["prior"], old, order, own)}
        for row in node["given"]
    ]
    return {**told, "given": draw(st.permutations(rows))}


def _cause(
    draw: st.DrawFn, name: str, node: Content, names: dict[str, str], states: dict[str, dict[str, str]]
) -> Content:
    first, *old = node["states"]
    order, own = draw(st.permutations(old)), states[name]
    told = {**_words(name, node, states), **_links(draw, node, names, states)}
    split = _redistributed(node["split"], old, order, own) if node["split"] else {}
    return {**told, "states": [own[s] for s in (first, *order)], "split": split}


def _redistributed(given: Content, old: list[str], order: list[str], own: dict[str, str]) -> Content:
    """Write a distribution so that another state takes what is left."""
    first = max(0.0, 1.0 - sum(given[s]["p"] for s in old[1:]))
    whole = {old[0]: number(first), **given}
    return {own[s]: whole[s] for s in order[1:]}


def _interaction(interaction: Content, names: dict[str, str], states: dict[str, dict[str, str]]) -> Content:
    when = _when(interaction["when"], names, states)
    return {**interaction, "target": names[interaction["target"]], "when": when}


def _when(condition: Content, names: dict[str, str], states: dict[str, dict[str, str]]) -> Content:
    return {names[n]: [states[n][s] for s in chosen] for n, chosen in reversed(condition.items())}
