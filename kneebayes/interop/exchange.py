"""The network in other programs' formats, written and read: BIF, XMLBIF, NET, XDSL, UAI, JSON.

BIF, XMLBIF and XDSL go through pgmpy's writers; NET, UAI and JSON are written here. (pgmpy's NET keeps 8 digits and no
label, and takes minutes to read; its UAI names the child last but has its states vary slowest, so that other programs
read another network.) What a format has no room for (labels, questions, ranges, reasons, the alarm) goes to a sidecar,
``FILE.labels.json``, from which `kneebayes.interop.exchange.import_model` restores it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from kneebayes.atomic import STANDARD_STREAM, AtomicFile, commit, plain_path, read_limited, write_whole
from kneebayes.errors import (
    FileFormatError,
    KneeBayesError,
    ModelFileError,
    OptionError,
    UnknownNameError,
    check_choice,
    nearest,
)
from kneebayes.interop.cpt import (
    COLUMN_TOLERANCE,
    DIGITS,
    Node,
    checked_nodes,
    model_node,
    noisy_max_from_table,
    noisy_or_from_table,
    plain,
    reordered,
)
from kneebayes.spec.model_spec import (
    ABSENT_PRESENT,
    NOT_EVIDENCE_PREFIX,
    RESERVED,
    UNKNOWN_WORDS,
    ModelSpec,
    Probability,
    made_columns,
)
from kneebayes.spec.yaml_io import parse_json, problems_of

Format = Literal["bif", "xmlbif", "net", "xdsl", "uai", "json"]
ENDINGS: dict[str, Format] = {
    ".bif": "bif",
    ".xmlbif": "xmlbif",
    ".bifxml": "xmlbif",  # what pyAgrum and GeNIe call it
    ".xml": "xmlbif",  # what Weka calls it
    ".net": "net",
    ".hugin": "net",
    ".xdsl": "xdsl",
    ".uai": "uai",
    ".json": "json",
}
NETICAS = (".dne", ".dnet", ".neta")
SIDECAR_FORMAT = "kneebayes-labels"
JSON_FORMAT = "kneebayes-network"


def net_text(nodes: Sequence[Node], name: str) -> str:
    """Write a network in Hugin's NET format, digits in full, labels included; the child's states vary fastest."""
    parts = [f'net\n{{\n    name = "{name}";\n}}\n']
    for node in nodes:
        states = " ".join(f'"{state}"' for state in node.states)
        label = node.label.replace('"', "'").replace(";", ",").replace("//", "/")
        parts.append(f'node {node.name}\n{{\n    label = "{label}";\n    states = ({states});\n}}\n')
    for node in nodes:
        scope = f"{node.name} | {' '.join(node.parents)}" if node.parents else node.name
        data = _nested(np.moveaxis(node.table, 0, -1), "        ")
        parts.append(f"potential ({scope})\n{{\n    data = {data};\n}}\n")
    return "\n".join(parts)


def uai_text(nodes: Sequence[Node]) -> str:
    """Write a network in the format of the UAI competitions, without exponents, which some readers do not know."""
    place = {node.name: str(number) for number, node in enumerate(nodes)}
    lines = ["BAYES", str(len(nodes)), " ".join(str(len(node.states)) for node in nodes), str(len(nodes))]
    scopes = ([*node.parents, node.name] for node in nodes)
    lines += [" ".join([str(len(scope)), *map(place.__getitem__, scope)]) for scope in scopes]
    positional = partial(np.format_float_positional, trim="0")
    for node in nodes:
        numbers = np.moveaxis(node.table, 0, -1).reshape(-1, len(node.states))
        lines += ["", str(node.table.size), *(" ".join(map(positional, row)) for row in numbers)]
    return "\n".join(lines) + "\n"


def json_text(nodes: Sequence[Node], content: dict[str, Any]) -> str:
    """Write a network as JSON that any language reads, with everything else that its model file says.

    A ``table`` is nested: parents from outside in, the states of the variable innermost.
    """
    network = [
        {
            "name": node.name,
            "label": node.label,
            "states": list(node.states),
            "parents": list(node.parents),
            "table": np.moveaxis(node.table, 0, -1).tolist(),
        }
        for node in nodes
    ]
    head = f'{{\n"format": "{JSON_FORMAT}",\n"network": [\n'
    body = ",\n".join(json.dumps(node, ensure_ascii=False) for node in network)
    return f'{head}{body}\n],\n"model": {json.dumps(content, ensure_ascii=False)}\n}}\n'


def _nested(table: NDArray[np.float64], indent: str) -> str:
    """Write a table in nested parentheses, a distribution a line."""
    if table.ndim == 1:
        return f"({' '.join(repr(p) for p in table.tolist())})"
    inner = f"\n{indent}".join(_nested(part, indent + " ") for part in table)
    return f"({inner})"


def export(model: ModelSpec, path: str | os.PathLike[str], format: str | None = None) -> list[Path]:
    """Write the network of a model in one of the formats, by default the one that the ending of the path says.

    The files, the network and (but for JSON) its sidecar, appear whole or not at all and replace what is there. ``-``
    is standard output, which takes the network alone.
    """
    path = Path(plain_path(path))
    chosen = format_of(path, format)
    content = model.model_dump(mode="json", exclude_defaults=True)
    nodes = [model_node(model, name) for name in model.variables]
    if chosen == "json":
        text = json_text(nodes, content)
    elif chosen == "net":
        text = net_text(nodes, model.name)
    elif chosen == "uai":
        text = uai_text(nodes)
    else:
        from kneebayes.interop.pgmpy import pgmpy_text  # here, because pgmpy takes seconds to import

        text = pgmpy_text(model, chosen)
    to_output = str(path) == STANDARD_STREAM
    if chosen == "json" or to_output:
        write_whole(str(path), text, stream=to_output)
        return [path]
    labels = sidecar_path(path)
    with AtomicFile(str(labels), stream=False) as first, AtomicFile(str(path), stream=False) as second:
        first.write(_sidecar(model, nodes, content, path.name).encode())
        second.write(text.encode())
        commit(first, second)  # in this order: where the network is, its labels are
    return [path, labels]


def format_of(path: Path, named: str | None = None) -> str:
    """Take the format that is named, or tell it from the ending of a path."""
    if named is not None:
        check_choice("exchange format", named, get_args(Format))
        return named
    if path.suffix.lower() in NETICAS:
        said = "no format of Netica is read or written here: save it there as .dne, and that in GeNIe as .xdsl"
        raise FileFormatError(f"{path}: {said}")
    if path.suffix.lower() not in ENDINGS:
        said = f"use one of {', '.join(ENDINGS)}, or name the format.{nearest(path.suffix, ENDINGS)}"
        raise UnknownNameError(f"{path}: the ending tells no exchange format: {said}")
    return ENDINGS[path.suffix.lower()]


def sidecar_path(path: Path) -> Path:
    """Name the sidecar of a network: ``FILE.labels.json`` beside it."""
    return path.with_name(f"{path.name}.labels.json")


def _sidecar(model: ModelSpec, nodes: list[Node], content: dict[str, Any], name: str) -> str:
    """Say in words what the variables are, in the order of the file, and repeat the model file."""
    states = {n.name: {s: model.variables[n.name].say(s) for s in n.states} for n in nodes}
    variables = [{"name": n.name, "label": n.label, "states": states[n.name]} for n in nodes]
    sidecar = {"format": SIDECAR_FORMAT, "network": name, "variables": variables, "model": content}
    return json.dumps(sidecar, ensure_ascii=False, indent=1) + "\n"


MAX_BYTES = 256_000_000
MAX_QUOTED, MAX_SAID = 80, 300  # characters of a file, and of what a library says
ALWAYS = "asked_for_advice"  # stands in for a complaint: always present, so that it tells nothing
DISCLAIMER = "Imported from another program: a research tool, not a medical device, and nothing in it has been checked."
NO_ALARM = "No alarm came with the imported network: this level says nothing."
# What stands between braces, quoted braces aside; possessive (++, *+), so that no text takes more than a pass or two.
_BRACES = r'\{((?:[^{}"]++|"[^"]*+")*+)\}'
NET_NODE = re.compile(rf"\bnode\s+([^\s(){{}}]+)\s*{_BRACES}")
NET_POTENTIAL = re.compile(rf"\bpotential\s*\(\s*([^\s|(){{}}]+)\s*(?:\|([^|(){{}}]*))?\)\s*{_BRACES}")
BIF_COMMENT = re.compile(r'("[^"]*+")|/\*.*?\*/|//[^\n]*', re.DOTALL)  # but for what is quoted
BIF_KEYWORD = re.compile(r"\b(?:variable|probability)\b")
BIF_HEADER = re.compile(r"\s*+(?:network\b.*|variable\s++[^\s(){}]++\s*+|probability\s*+\([^()]*+\)\s*+)", re.DOTALL)
NET_COMMENT = re.compile(r'("[^"]*+")|%[^\n]*')  # Hugin says after each column which one it is
NET_STATES = re.compile(r'\bstates\s*=\s*\(((?:[^()"]++|"[^"]*+")*+)\)\s*;')
UAI_OF_PYAGRUM = re.compile(r"BAYES\n(\d+)\n[\d ]+\n\1\n(?=\d[\d ]*   # )")  # which says the names after the scopes
XML_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
MAX_HEAD = 100_000  # characters in which a program says its name
MADE_BY_PYAGRUM = re.compile(r"<!--[^>]*\bpyAgrum\b")
EVERY_OTHER = "*"  # in place of a node: the word for absence of all that have it and are not named
ABSENT_WORDS = ("absent", "no", "false", "negative", "none", "off", "0")
Numbered = Callable[[float, str], dict[str, Any]]  # a number, and its place in the file, as an entry there
YES_NO = ({"absent", "no", "n", "false", "0"}, {"present", "yes", "y", "true", "1"})  # words that cases say it with


@dataclass(frozen=True, eq=False)
class Renamed:
    """A network in names that a model file can have.

    nodes: by new name; of a node with a state of absence, that comes first. names: new names by old. state_labels: what
    the states were called, by new names. guessed: nodes of which no state was said to be, or is called, absence.
    """

    nodes: dict[str, Node]
    names: dict[str, str]
    state_labels: dict[str, dict[str, str]]
    guessed: tuple[str, ...]


def renamed(
    nodes: Mapping[str, Node], *, absent: Mapping[str, str] | None = None, avoid: Collection[str] = ()
) -> Renamed:
    """Give a network identifiers in lower case, which a model file can have, and none of those to avoid.

    Absence comes first: the state that ``absent`` gives by node, else the one that is named so, else the first. States
    that had it last are turned round, as from most to least. Pairs such as no and yes become absent and present.
    """
    outcomes = (name for name in map(_word, nodes) if name.startswith(NOT_EVIDENCE_PREFIX))
    names = _identifiers(nodes, "v_", {*avoid, *RESERVED, *UNKNOWN_WORDS, *outcomes})
    told = _told_absent(nodes, absent or {})
    states: dict[str, dict[str, str]] = {}
    state_labels: dict[str, dict[str, str]] = {}
    order: dict[str, tuple[str, ...]] = {}
    guessed = []
    for name, node in nodes.items():
        words = [state.strip().lower() for state in node.states]
        called = next((words.index(word) for word in ABSENT_WORDS if word in words), None)
        first = told.get(name, called)
        if first is None:
            guessed.append(names[name])
            first = 0
        others = [state for i, state in enumerate(node.states) if i != first]
        order[name] = (node.states[first], *(others if first < len(others) else others[::-1]))
        if len(words) == 2 and words[first] in YES_NO[0] and words[1 - first] in YES_NO[1]:
            new = dict(zip(order[name], ABSENT_PRESENT, strict=True))
        else:
            new = _identifiers(node.states, "s_", UNKNOWN_WORDS)
        states[name] = new
        state_labels[names[name]] = {new[old]: old for old in order[name] if old and new[old] != old}
    ordered = reordered(nodes, order)
    network = {
        names[name]: Node(
            names[name],
            tuple(states[name][state] for state in node.states),
            tuple(names[parent] for parent in node.parents),
            node.table,
            node.label or name.replace("_", " "),
        )
        for name, node in ordered.items()
    }
    return Renamed(network, names, state_labels, tuple(guessed))


def _told_absent(nodes: Mapping[str, Node], absent: Mapping[str, str]) -> dict[str, int]:
    """Find the place of the state that is said to be absence, by node."""
    told: dict[str, int] = {}
    for name, state in absent.items():
        if name == EVERY_OTHER:
            having = [n for n, node in nodes.items() if n not in absent and state in node.states]
            if not having:
                every = dict.fromkeys(s for node in nodes.values() for s in node.states)
                raise UnknownNameError(f"absent: no node has the state '{state}'.{nearest(state, every)}")
            told |= {n: nodes[n].states.index(state) for n in having}
            continue
        if name not in nodes:
            raise UnknownNameError(f"absent: the network has no node '{name}'.{nearest(name, nodes)}")
        if state not in nodes[name].states:
            known = list(nodes[name].states)
            raise UnknownNameError(f"absent: {name} has no state '{state}', only {known}.{nearest(state, known)}")
        told[name] = nodes[name].states.index(state)
    return told


def identifier(name: str, prefix: str) -> str:
    """Make an identifier of any text; the prefix stands where it does not start with a letter.

    >>> identifier("Calf swelling (>3 cm)", "v_"), identifier("<5", "s_")
    ('calf_swelling_3_cm', 's_5')
    """
    word = _word(name)
    return word if re.match(r"[a-z]", word) else prefix + (word or "x")


def _word(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def _identifiers(names: Collection[str], prefix: str, avoid: Collection[str]) -> dict[str, str]:
    """Make distinct identifiers of names, none of them to avoid."""
    taken: dict[str, str] = {}
    for name in names:
        base = identifier(name, prefix)
        while base in avoid:
            base = prefix + base
        new, count = base, 1
        while new in taken.values():
            count += 1
            new = f"{base}_{count}"
        taken[name] = new
    return taken


def foreign_content(
    network: Renamed, source: str, *, causes: Collection[str] | None, complaint: str | None, tolerance: float
) -> dict[str, Any]:
    """Make the content of a model file from a network alone, notes on what is not there under ``provenance``.

    Causes and complaint go by their old names; without them the causes are the parents of nodes without children, and
    no finding is assumed present.
    """
    nodes, how = network.nodes, f"imported from {source}"
    risks, chosen, findings = _roles(network, source, causes)
    nothing = "Not in the imported network"
    no_care = {"care": [nothing], "recovery": nothing, "care_basis": _by(how)}
    content: dict[str, Any] = {
        "format": 1,
        "name": identifier(source.rpartition(".")[0] or source, "v_"),
        "version": "imported",
        "title": f"The network of {source}",
        "population": "Not said in the imported network",
        "disclaimer": DISCLAIMER,
        "leak_convention": "P(present) = 1 - (1 - leak) * product(1 - link)",
        "groups": {"all": "All"},
        "risks": {name: _words(network, name) for name in risks},
        "causes": {name: {**_words(network, name), **no_care} for name in chosen},
        "findings": {name: _words(network, name) for name in findings},
        "interactions": (),
    }
    for node in nodes.values():
        numbers_of(content, node, None, how, tolerance)
    if complaint is None:
        words = {"label": "Asked for advice", "question": "Did you ask for advice?", "group": "all"}
        content["findings"][ALWAYS] = words | {"leak": _number(1.0, None, how)}
    content["complaint"] = ALWAYS if complaint is None else network.names[complaint]
    content["alarm"] = {
        "cause": chosen[0],
        "thresholds": {level: _number(1.0, None, how) for level in ("caution", "urgent")},
        "key_questions": [*risks, *findings],
        "advice": dict.fromkeys(("emergency", "urgent", "caution", "not_assessed", "low"), NO_ALARM),
    }
    content["provenance"] = tuple(_notes(network, source, risks, chosen, findings, complaint))
    return content


def numbers_of(content: dict[str, Any], node: Node, original: ModelSpec | None, how: str, tolerance: float) -> None:
    """Put the numbers behind a table into a node's entry of a model file, with ``how`` they came there.

    Those that did not change keep the range and the reasons of the original.
    """
    name = node.name
    kept = dict(original.probabilities()) if original else {}

    def number(p: float, place: str) -> dict[str, Any]:
        return _number(p, kept.get(place), how)

    all_states = {n: e["states"] for kind in ("risks", "causes", "findings") for n, e in content[kind].items()}
    if name in content["risks"]:
        entry = content["risks"][name]
        entry.pop("prior", None), entry.pop("given", None)
        if not node.parents:
            entry["prior"] = _distribution(node.table.tolist(), node.states, f"risks.{name}.prior", number)
            return
        rows = []
        for states in product(*(all_states[parent] for parent in node.parents)):
            at = tuple(all_states[parent].index(s) for parent, s in zip(node.parents, states, strict=True))
            column = node.table[(slice(None), *at)].tolist()
            when = {parent: [state] for parent, state in zip(node.parents, states, strict=True)}
            rows.append({"when": when, "prior": _distribution(column, node.states, "", number)})
        entry["given"] = rows
        return
    if name in content["findings"]:
        _finding_numbers(content["findings"][name], node, all_states, number, tolerance)
        return
    entry = content["causes"][name]
    before = entry.get("links", {})
    unlinked = {
        p: next((s for s in all_states[p] if s not in before.get(p, {})), all_states[p][0]) for p in node.parents
    }
    free = [parent for parent in node.parents if parent in content["risks"]]
    reference = unlinked if original else None
    found = noisy_or_from_table(node, all_states, free=free, unlinked=reference, tolerance=tolerance)
    place = f"causes.{name}"
    entry["leak"] = number(found.leak, f"{place}.leak")
    entry["links"] = {
        parent: {s: number(p, f"{place}.links.{parent}.{s}") for s, p in own.items()}
        for parent, own in found.links.items()
    }
    entry["split"] = {s: number(p, f"{place}.split.{s}") for s, p in found.split.items()}
    others = tuple(i for i in content["interactions"] if i["target"] != name)
    own_interactions = [{"target": name, "when": w, "link": _number(p, None, how)} for w, p in found.interactions]
    content["interactions"] = (*others, *own_interactions)


def _finding_numbers(
    entry: dict[str, Any], node: Node, states: Mapping[str, Sequence[str]], number: Numbered, tolerance: float
) -> None:
    """Put the leak and links behind a finding's table into its entry: numbers, or distributions of several states."""
    found = noisy_max_from_table(node, states, tolerance=tolerance)

    def effect(chances: list[float], place: str) -> dict[str, Any]:
        place = f"findings.{node.name}.{place}"
        if len(chances) == 1:
            return number(chances[0], place)
        return {state: number(p, f"{place}.{state}") for state, p in zip(node.states[1:], chances, strict=True)}

    entry["leak"] = effect(found.leak, "leak")
    entry["links"] = {
        parent: {state: effect(chances, f"links.{parent}.{state}") for state, chances in own.items()}
        for parent, own in found.links.items()
        if own
    }


def _roles(network: Renamed, source: str, causes: Collection[str] | None) -> tuple[list[str], list[str], list[str]]:
    """Tell risk factors, causes and findings apart."""
    nodes = network.nodes
    has_children = {parent for node in nodes.values() for parent in node.parents}
    leaves = [name for name in nodes if name not in has_children]
    if causes is None:
        above = {parent for name in leaves for parent in nodes[name].parents}
        chosen = [name for name in nodes if name in above]
    else:
        chosen = [network.names[name] for name in causes]
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
    return risks, chosen, below


def _notes(
    network: Renamed, source: str, risks: list[str], causes: list[str], findings: list[str], complaint: str | None
) -> list[str]:
    new = {old: name for old, name in network.names.items() if old != name}
    states = [f"{name}: {old} as {s}" for name, own in network.state_labels.items() for s, old in own.items()]
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
    taken = [f"{name} {network.nodes[name].states[0]}" for name in network.guessed if name not in risks]
    if taken:
        notes.append(f"No state is called absent, so the first was taken for it: {', '.join(taken)}.")
    return notes


def _words(network: Renamed, name: str) -> dict[str, Any]:
    node = network.nodes[name]
    return {
        "label": node.label,
        "question": f"{node.label}?",
        "group": "all",
        "states": node.states,
        "state_labels": network.state_labels[name],
    }


def _distribution(column: list[float], states: tuple[str, ...], place: str, number: Numbered) -> dict[str, Any]:
    rounded = [plain(p) for p in column[1:]]
    values = rounded if sum(rounded) <= 1 else column[1:]
    return {s: number(p, f"{place}.{s}") for s, p in zip(states[1:], values, strict=True)}


def _number(p: float, before: Probability | None, how: str) -> dict[str, Any]:
    """Write a number with its range, basis and reason; one that did not change keeps its own."""
    p = min(max(p, 0.0), 1.0)
    if before is None:
        return {"p": p, "range": (p, p), "basis": _by(how), "why": how}
    if abs(before.p - p) <= 10 ** (1 - DIGITS):
        return before.model_dump()
    low, high = before.range
    why = f"{how}; was {before.p:g}: {before.why}"
    return {"p": p, "range": (min(low, p), max(high, p)), "basis": _by(how), "why": why}


def _by(how: str) -> str:
    return f"fitted: {how.replace(';', ',')}"


def import_model(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    causes: Collection[str] | None = None,
    complaint: str | None = None,
    absent: Mapping[str, str] | None = None,
    tolerance: float = COLUMN_TOLERANCE,
) -> ModelSpec:
    """Read a network and make it a model file, as `kneebayes.import_network` says, which this is the work of."""
    path = Path(plain_path(path))
    chosen = format_of(path, format)
    text = _text(path)
    nodes, known = _nodes(text, chosen, path)
    if labels is not None or (known is None and sidecar_path(path).exists()):
        known = _read_sidecar(Path(plain_path(labels)) if labels is not None else sidecar_path(path))
    if known is not None:
        given = {"causes": causes, "complaint": complaint, "absent": absent}
        if told := [name for name, value in given.items() if value]:
            raise OptionError(f"{path}: {told[0]}: the labels that came with it say that: leave it out, or move them")
        try:
            original = ModelSpec.model_validate_json(json.dumps(known))
        except ValidationError as error:
            raise ModelFileError(f"{path}: the model file that came with it: {problems_of(error)}") from error
        if chosen == "uai":
            nodes = _with_names(nodes, original, path)
        return _restored(original, checked_nodes(nodes, str(path), tolerance=tolerance), path, tolerance)
    found = checked_nodes(nodes, str(path), tolerance=tolerance)
    for name in [*(causes or ()), *([complaint] if complaint is not None else [])]:
        if name not in found:
            raise UnknownNameError(f"{path}: has no node '{name}'.{nearest(name, found)}")
    network = _renamed_apart(found, path.name, causes, absent or {})
    content = foreign_content(network, path.name, causes=causes, complaint=complaint, tolerance=tolerance)
    if _is_pyagrums(text, chosen):
        content["provenance"] += ("Read as pyAgrum writes this format: the first parent of a table varies fastest.",)
    model = _validated(content, path)
    _verify(model, network.nodes, path, tolerance)
    return model


def _renamed_apart(
    nodes: Mapping[str, Node], source: str, causes: Collection[str] | None, absent: Mapping[str, str]
) -> Renamed:
    """Rename a network so that no name is one that results have for something else."""
    avoid: set[str] = {ALWAYS}
    while True:
        network = renamed(nodes, absent=absent, avoid=avoid)
        _, chosen, _ = _roles(network, source, causes)
        made = {column for column, _ in made_columns({n: network.nodes[n].states for n in chosen}, chosen[0])}
        taken = (made - set(chosen)) & set(network.nodes)
        if not taken:
            return network
        avoid |= taken


def _text(path: Path, *, what: str = "network") -> str:
    content = read_limited(path, MAX_BYTES, what)
    if not content.strip():
        raise FileFormatError(f"{path}: is empty")
    try:
        declared = XML_ENCODING.match(content[:200])
        if declared and declared[1].lower() != b"utf-8":  # GeNIe and older programs write others
            text = content.decode(declared[1].decode())
            return text.replace(declared[0].decode(), declared[0].decode().replace(declared[1].decode(), "UTF-8"), 1)
        return content.decode("utf-8-sig")
    except UnicodeError as error:
        raise FileFormatError(f"{path}: can't read the {what}: {error}; save it as UTF-8") from error
    except LookupError as error:
        raise FileFormatError(f"{path}: can't read the {what}: {error}") from error


def _nodes(text: str, format: str, path: Path) -> tuple[list[Node], dict[str, Any] | None]:
    if format == "json":
        return read_json(text, str(path))
    if format == "uai":
        return read_uai(text, str(path)), None
    if format == "net":
        return read_net(text, str(path)), None
    odd = re.search(r"<(noisymax|noisyadder|deterministic|equation|decision|utility)\b", text)
    if format == "xdsl" and odd:  # pgmpy drops these without a word
        raise FileFormatError(f"{path}: holds a <{odd[1]}> node: change it to a table (cpt) in GeNIe first")
    if format == "bif":
        text = _whole_bif(text, path)
    from kneebayes.interop.pgmpy import read_pgmpy  # here, because pgmpy takes seconds to import

    try:
        nodes = read_pgmpy(text, format)
        return [_first_parent_fastest(node) for node in nodes] if _is_pyagrums(text, format) else nodes, None
    except KneeBayesError:
        raise
    except Exception as error:  # its readers have no errors of their own, and raise whatever the parser does
        said = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"{path}: pgmpy can't read this as {format}: {said[:MAX_SAID]}") from error


def _whole_bif(text: str, path: Path) -> str:
    """Refuse BIF blocks, headers and comments without an end: pgmpy looks for each in all the rest."""
    depth = end = 0
    if whole := text.rfind("/*") <= text.rfind("*/"):
        text = BIF_COMMENT.sub(lambda match: match[1] or "", text)
    for brace in re.finditer("[{}]", text):
        header = text[end : brace.start()] if not depth else ""
        whole &= not BIF_KEYWORD.search(header) or BIF_HEADER.fullmatch(header) is not None
        depth += 1 if brace[0] == "{" else -1
        whole &= depth >= 0
        end = brace.end()
    if depth or not whole or BIF_KEYWORD.search(text, end):
        raise FileFormatError(f"{path}: not a whole BIF file: a block, a header or a comment has no end")
    return f"{text[:end]}\n"  # to pgmpy, a block ends with its line


def read_net(text: str, source: str) -> list[Node]:
    """Read a network in Hugin's NET format."""
    text = NET_COMMENT.sub(lambda match: match[1] or "", text)
    head = re.search(r"^[ \t]*(?:discrete[ \t]+)?(decision|utility|continuous|function|class)\b", text, re.MULTILINE)
    if head:
        raise FileFormatError(f"{source}: holds a {head[1]}: only networks of discrete chance nodes can be read")
    states: dict[str, tuple[str, ...]] = {}
    labels: dict[str, str] = {}
    for name, body in NET_NODE.findall(text):
        listed = NET_STATES.search(body)
        if not listed:
            raise FileFormatError(f"{source}: the node {name} has no states")
        if name in states:
            raise FileFormatError(f"{source}: the node {name} stands twice")
        states[name] = tuple(quoted or bare for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', listed[1]))
        label = re.search(r'\blabel\s*=\s*"([^"]*)"', body)
        labels[name] = label[1] if label else ""
    nodes: dict[str, Node] = {}
    for child, parents, body in NET_POTENTIAL.findall(text):
        data = re.search(r"\bdata\s*=([^;=]*);", body)
        scope = [*parents.split(), child]
        if not data or any(name not in states for name in scope):
            raise FileFormatError(f"{source}: the potential of {child} has no data, or variables that are not there")
        if child in nodes:
            raise FileFormatError(f"{source}: the potential of {child} stands twice")
        try:
            numbers = np.array([float(word) for word in re.sub(r"[()]", " ", data[1]).split()])
            table = numbers.reshape([len(states[name]) for name in scope])
        except ValueError as error:
            raise FileFormatError(f"{source}: the potential of {child}: {error}") from error
        nodes[child] = Node(child, states[child], tuple(scope[:-1]), np.moveaxis(table, -1, 0), labels[child])
    if not nodes or set(nodes) != set(states):
        raise FileFormatError(f"{source}: not a whole NET file: {len(states)} nodes, {len(nodes)} potentials")
    return [nodes[name] for name in states]


def read_uai(text: str, source: str) -> list[Node]:
    """Read a network of the UAI competitions, which has no names: ``v0``, ``v1`` ..., with states ``s0``, ``s1`` ...

    pyAgrum says the names in comments, and has the first parent vary fastest in place of the last. pgmpy has all of a
    table run the other way round, the child slowest: it is told by columns that sum to 1 only so.
    """
    by_pyagrum = _is_pyagrums(text, "uai")
    words = iter(re.sub(r"#.*", "", text).split())
    try:
        if (kind := next(words)) != "BAYES":
            said = kind[:MAX_QUOTED]
            raise FileFormatError(f"{source}: a UAI file that starts with '{said}': only BAYES has conditional tables")
        cards = _integers(words, int(next(words)))
        if min(cards, default=1) < 1:
            raise FileFormatError(f"{source}: a UAI file in which a variable has {min(cards)} states")
        scopes = [_integers(words, int(next(words))) for _ in range(int(next(words)))]
        children = [scope[-1] for scope in scopes]
        if sorted(children) != list(range(len(cards))) or min(map(min, scopes), default=0) < 0:
            raise FileFormatError(f"{source}: a UAI file without one table for each variable, the last of its scope")
        numbers = [[float(next(words)) for _ in range(int(next(words)))] for _ in scopes]
        shapes = [[cards[v] for v in scope] for scope in scopes]
        tables = [np.array(own).reshape(shape) for own, shape in zip(numbers, shapes, strict=True)]
        if next(words, None) is not None:
            raise FileFormatError(f"{source}: a UAI file with more after its last table")
    except StopIteration as error:
        raise FileFormatError(f"{source}: not a whole UAI file: it ends before its last table does") from error
    except (ValueError, IndexError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{source}: not a UAI file: {error}") from error
    names = [f"v{v}" for v in range(len(cards))]
    if by_pyagrum:
        lines = text.split("\n", 4 + len(scopes))[4 : 4 + len(scopes)]
        named = [line.partition("#")[2].strip() for line in lines]
        if all(named) and not all(name.isdigit() for name in named):
            names = [named[children.index(v)] for v in range(len(cards))]
    elif not _sums_to_1(tables):
        turned = [own.reshape(own.shape[::-1]).transpose() for own in tables]
        tables = turned if _sums_to_1(turned) else tables
    nodes: dict[int, Node] = {}
    for scope, table in zip(scopes, tables, strict=True):
        *parents, child = scope
        states = tuple(f"s{state}" for state in range(cards[child]))
        node = Node(names[child], states, tuple(names[parent] for parent in parents), np.moveaxis(table, -1, 0))
        nodes[child] = _first_parent_fastest(node) if by_pyagrum else node
    return [nodes[v] for v in range(len(cards))]


def _is_pyagrums(text: str, format: str) -> bool:
    """Say whether pyAgrum wrote a file in which its tables run another way than in the format."""
    pattern = {"xdsl": MADE_BY_PYAGRUM, "uai": UAI_OF_PYAGRUM}.get(format)
    return pattern is not None and pattern.search(text[:MAX_HEAD]) is not None


def _sums_to_1(tables: Sequence[NDArray[np.float64]]) -> bool:
    return all(bool((np.abs(table.sum(axis=-1) - 1.0) <= COLUMN_TOLERANCE).all()) for table in tables)


def _first_parent_fastest(node: Node) -> Node:
    """Take the numbers of a table, which were read as the last parent varying fastest, the other way round."""
    states, *parents = node.table.shape
    table = np.moveaxis(node.table, 0, -1).reshape(*parents[::-1], states)
    return replace(node, table=table.transpose())


def read_json(text: str, source: str) -> tuple[list[Node], dict[str, Any] | None]:
    """Read a network that `json_text` wrote, and the model file that came with it."""
    try:
        content = parse_json(text)
        if content["format"] != JSON_FORMAT:
            raise ValueError(f"format '{content['format']}', not '{JSON_FORMAT}'")
        nodes = [
            Node(
                str(node["name"]),
                tuple(map(str, node["states"])),
                tuple(map(str, node["parents"])),
                np.moveaxis(np.asarray(node["table"], dtype=float), -1, 0),
                str(node.get("label", "")),
            )
            for node in content["network"]
        ]
    except (KeyError, TypeError, ValueError, IndexError, RecursionError, OverflowError) as error:
        said = f"no '{error.args[0]}' in it" if isinstance(error, KeyError) else str(error)
        raise FileFormatError(f"{source}: not a network as JSON: {said[:MAX_SAID]}") from error
    return nodes, content.get("model")


def _integers(words: Iterator[str], n: int) -> list[int]:
    return [int(next(words)) for _ in range(n)]


def _read_sidecar(path: Path) -> dict[str, Any]:
    text = _text(path, what="labels")
    try:
        content = parse_json(text)
        if content["format"] != SIDECAR_FORMAT or not isinstance(content["model"], dict):
            raise ValueError(f"format {content['format']!r}, not {SIDECAR_FORMAT!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"{path}: not the labels of an exported network: {error}") from error
    return dict(content["model"])


def _with_names(nodes: Sequence[Node], original: ModelSpec, path: Path) -> list[Node]:
    """Give the numbered nodes of a UAI file the names of the sidecar, which has them in the same order."""
    if {node.name for node in nodes} == set(original.variables):  # pyAgrum says the names, in an order of its own
        by_name = {node.name: node for node in nodes}
        nodes = [by_name[name] for name in original.variables]
    if [len(node.states) for node in nodes] != [len(v.states) for v in original.variables.values()]:
        raise FileFormatError(f"{path}: its labels belong to another network: other numbers of nodes or states")
    names = dict(zip([node.name for node in nodes], original.variables, strict=True))
    return [
        Node(name, original.variables[name].states, tuple(names[p] for p in node.parents), node.table)
        for node, name in zip(nodes, original.variables, strict=True)
    ]


def _restored(original: ModelSpec, nodes: dict[str, Node], path: Path, tolerance: float) -> ModelSpec:
    """Take what the network changed into the model that was exported; what it did not change stays as it was."""
    for name in dict.fromkeys([*original.variables, *nodes]):
        variables = original.variables
        if name not in nodes or name not in variables or set(variables[name].states) != set(nodes[name].states):
            said = f"its labels belong to another network: '{name}' is not in both with the same states"
            raise FileFormatError(f"{path}: {said}; move {sidecar_path(path).name} away to read it without labels")
    content = original.model_dump()
    changed = []
    states = {name: variable.states for name, variable in original.variables.items()}
    nodes = reordered(nodes, states)
    for name, node in nodes.items():
        before = model_node(original, name)
        if set(node.parents) == set(before.parents):
            order = [node.parents.index(parent) + 1 for parent in before.parents]
            if float(np.abs(node.table.transpose(0, *order) - before.table).max()) <= tolerance:
                continue
        changed.append(name)
        numbers_of(content, node, original, f"imported from {path.name}", tolerance)
    if changed:
        note = f"Imported from {path.name}, in which the numbers of {', '.join(changed)} had changed."
        content["provenance"] = (*original.provenance, note)
    model = _validated(content, path) if changed else original
    _verify(model, nodes, path, tolerance)
    return model


def _verify(model: ModelSpec, nodes: dict[str, Node], path: Path, tolerance: float) -> None:
    """Compare every table that the numbers give with the one that was read."""
    for name, node in nodes.items():
        made = model_node(model, name)
        extra = [parent for parent in node.parents if parent not in made.parents]
        table = made.table.reshape((*made.table.shape, *([1] * len(extra))))
        order = [[*made.parents, *extra].index(parent) + 1 for parent in node.parents]
        off = float(np.abs(table.transpose(0, *order) - node.table).max())
        if off > 100 * tolerance:
            raise ModelFileError(f"{path}: {name}: the numbers recovered from its table miss it by {off:.3g}")


def _validated(content: dict[str, Any], path: Path) -> ModelSpec:
    try:
        return ModelSpec.model_validate(content)
    except ValidationError as error:
        reasons = problems_of(error)
        raise ModelFileError(f"{path}: not of the shape risk factors -> causes -> findings: {reasons}") from error
