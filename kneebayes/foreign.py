"""The words and numbers of a network that no model file stands behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from typing import Any

from kneebayes.cpt import Node
from kneebayes.errors import ModelFileError
from kneebayes.identifiers import Plain, identifier
from kneebayes.model import ModelFile
from kneebayes.recovery import DIGITS, recover

__all__ = ["foreign_content", "numbers_of"]

ALWAYS = "asked_for_advice"  # stands in for a complaint: always present, so that it tells nothing
DISCLAIMER = "Imported from another program: a research tool, not a medical device, and nothing in it has been checked."
NO_ALARM = "No alarm came with the imported network: this level says nothing."


def foreign_content(
    plain: Plain, source: str, *, causes: Collection[str] | None, complaint: str | None, tolerance: float
) -> dict[str, Any]:
    """Make the content of a model file from a network alone.

    Parameters
    ----------
    plain : Plain
        The network.
    source : str
        The name of its file.
    causes : collection of str or None
        Old names of the causes; None for the parents of nodes without children.
    complaint : str or None
        Old name of the finding that is assumed present; None for none.
    tolerance : float
        How far a table may be from a leaky noisy-OR.

    Returns
    -------
    dict
        What `ModelFile` validates, notes on what is not there under ``provenance``.

    Raises
    ------
    ModelFileError
        If the nodes are not risk factors, causes and findings, or a table is
        no leaky noisy-OR.
    """
    nodes, how = plain.nodes, f"imported from {source}"
    risks, chosen, findings = _roles(plain, source, causes)
    content: dict[str, Any] = {
        "format": 1,
        "name": identifier(source.rpartition(".")[0] or source, "v_"),
        "version": "imported",
        "title": f"The network of {source}",
        "population": "Not said in the imported network",
        "disclaimer": DISCLAIMER,
        "leak_convention": "P(present) = 1 - (1 - leak) * product(1 - link)",
        "groups": {"all": "All"},
        "risks": {name: _words(plain, name) for name in risks},
        "causes": {name: {**_words(plain, name), **_no_care(how)} for name in chosen},
        "findings": {name: _words(plain, name) for name in findings},
        "interactions": (),
    }
    for node in nodes.values():
        numbers_of(content, node, None, how, tolerance)
    if complaint is None:
        content["findings"][ALWAYS] = {
            "label": "Asked for advice",
            "question": "Did you ask for advice?",
            "group": "all",
            "leak": _number(1.0, None, how),
        }
    content["complaint"] = ALWAYS if complaint is None else plain.names[complaint]
    content["alarm"] = {
        "cause": chosen[0],
        "thresholds": {level: _number(1.0, None, how) for level in ("caution", "urgent")},
        "key_questions": [*risks, *findings],
        "advice": dict.fromkeys(("emergency", "urgent", "caution", "not_assessed", "low"), NO_ALARM),
    }
    content["provenance"] = tuple(_notes(plain, source, risks, chosen, findings, complaint))
    return content


def numbers_of(content: dict[str, Any], node: Node, original: ModelFile | None, how: str, tolerance: float) -> None:
    """Put the numbers behind a table into the content of a model file.

    Parameters
    ----------
    content : dict
        Of a model file; its entry of the node is changed.
    node : Node
        The table.
    original : ModelFile or None
        Where the reasons for numbers that did not change stand.
    how : str
        Where the others come from.
    tolerance : float
        How far the table may be from a leaky noisy-OR.

    Raises
    ------
    ModelFileError
        If it is none.
    """
    name = node.name
    kept = dict(original.probabilities()) if original else {}
    all_states = {n: e["states"] for kind in ("risks", "causes", "findings") for n, e in content[kind].items()}
    if name in content["risks"]:
        entry = content["risks"][name]
        entry.pop("prior", None), entry.pop("given", None)
        if not node.parents:
            entry["prior"] = _distribution(node.table.tolist(), node.states, f"risks.{name}.prior", kept, how)
            return
        rows = []
        for states in product(*(all_states[parent] for parent in node.parents)):
            at = tuple(all_states[parent].index(s) for parent, s in zip(node.parents, states, strict=True))
            column = node.table[(slice(None), *at)].tolist()
            when = {parent: [state] for parent, state in zip(node.parents, states, strict=True)}
            rows.append({"when": when, "prior": _distribution(column, node.states, "", kept, how)})
        entry["given"] = rows
        return
    kind = "causes" if name in content["causes"] else "findings"
    entry = content[kind][name]
    links_before = entry.get("links", {})
    unlinked = {
        p: next((s for s in all_states[p] if s not in links_before.get(p, {})), all_states[p][0]) for p in node.parents
    }
    free = [parent for parent in node.parents if parent in content["risks"]]
    found = recover(node, all_states, free=free, unlinked=unlinked if original else None, tolerance=tolerance)
    place = f"{kind}.{name}"
    entry["leak"] = _number(found.leak, kept.get(f"{place}.leak"), how)
    entry["links"] = {
        parent: {s: _number(p, kept.get(f"{place}.links.{parent}.{s}"), how) for s, p in own.items()}
        for parent, own in found.links.items()
    }
    if kind == "causes":
        entry["split"] = {s: _number(p, kept.get(f"{place}.split.{s}"), how) for s, p in found.split.items()}
        others = tuple(i for i in content["interactions"] if i["target"] != name)
        own_interactions = [{"target": name, "when": w, "link": _number(p, None, how)} for w, p in found.interactions]
        content["interactions"] = (*others, *own_interactions)


def _roles(plain: Plain, source: str, causes: Collection[str] | None) -> tuple[list[str], list[str], list[str]]:
    """Tell risk factors, causes and findings apart."""
    nodes = plain.nodes
    has_children = {parent for node in nodes.values() for parent in node.parents}
    leaves = [name for name in nodes if name not in has_children]
    if causes is None:
        above = {parent for name in leaves for parent in nodes[name].parents}
        chosen = [name for name in nodes if name in above]
    else:
        chosen = [plain.names[name] for name in causes]
    below = [n for n in nodes if n not in chosen and nodes[n].parents and set(nodes[n].parents) <= set(chosen)]
    risks = [name for name in nodes if name not in chosen and name not in below]
    advice = "name the causes with causes=[...] (--causes)"
    if not (risks and chosen and below):
        raise ModelFileError(
            f"{source}: not of the shape risk factors -> causes -> findings: {len(risks)} risk factors "
            f"({', '.join(risks[:5])}), {len(chosen)} causes ({', '.join(chosen[:5])}), {len(below)} findings; {advice}"
        )
    for name in risks:
        odd = [parent for parent in nodes[name].parents if parent not in risks]
        if odd:
            raise ModelFileError(f"{source}: {name} depends on {odd[0]}, which is no risk factor; {advice}")
    for name in below:
        if len(nodes[name].states) != 2:
            many = len(nodes[name].states)
            raise ModelFileError(f"{source}: the finding {name} has {many} states, not two; {advice}")
    return risks, chosen, below


def _notes(
    plain: Plain, source: str, risks: list[str], causes: list[str], findings: list[str], complaint: str | None
) -> list[str]:
    new = {old: name for old, name in plain.names.items() if old != name}
    states = [f"{name}: {old} as {s}" for name, own in plain.state_labels.items() for s, old in own.items()]
    notes = [
        f"Imported from {source}: {len(risks)} risk factors, {len(causes)} causes and {len(findings)} findings, "
        "whose tables are leaky noisy-ORs.",
        "Not in the file, so not kept: questions, groups, numeric inputs, ranges (each is its number alone), bases and "
        "reasons, ICD-10-CM codes, care, red flags.",
        "No alarm: its thresholds are 1, so it never goes over not_assessed before the cause is certain.",
    ]
    if complaint is None:
        notes.append(f"No complaint: '{ALWAYS}' stands in for it, is always present and tells nothing.")
    if new:
        notes.append(f"Renamed nodes: {', '.join(f'{old} as {name}' for old, name in new.items())}.")
    if states:
        notes.append(f"Renamed states: {', '.join(states)}.")
    return notes


def _words(plain: Plain, name: str) -> dict[str, Any]:
    node = plain.nodes[name]
    return {
        "label": node.label,
        "question": f"{node.label}?",
        "group": "all",
        "states": node.states,
        "state_labels": plain.state_labels[name],
    }


def _no_care(how: str) -> dict[str, Any]:
    return {"care": ["Not in the imported network"], "recovery": "Not in the imported network", "care_basis": _by(how)}


def _distribution(
    column: list[float], states: tuple[str, ...], place: str, kept: Mapping[str, Any], how: str
) -> dict[str, Any]:
    rounded = [round(p, DIGITS) for p in column[1:]]
    values = rounded if sum(rounded) <= 1 else column[1:]
    return {s: _number(p, kept.get(f"{place}.{s}"), how) for s, p in zip(states[1:], values, strict=True)}


def _number(p: float, before: Any, how: str) -> dict[str, Any]:
    """Give a number the company it needs; one that did not change keeps its own."""
    p = min(max(p, 0.0), 1.0)
    if before is None:
        return {"p": p, "range": (p, p), "basis": _by(how), "why": how}
    if abs(before.p - p) <= 10 ** (1 - DIGITS):
        number: dict[str, Any] = before.model_dump()
        return number
    low, high = before.range
    why = f"{how}; was {before.p:g}: {before.why}"
    return {"p": p, "range": (min(low, p), max(high, p)), "basis": _by(how), "why": why}


def _by(how: str) -> str:
    return f"fitted: {how.replace(';', ',')}"
