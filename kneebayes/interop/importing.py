"""Networks of other programs as model files: roles, names and numbers recovered, and what could not be kept said."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from kneebayes.errors import FileFormatError, KneeBayesError, ModelFileError, UnknownNameError, nearest
from kneebayes.interop.cpt import COLUMN_TOLERANCE, DIGITS, Node, checked_nodes, model_node, recover, reordered
from kneebayes.interop.export import SIDECAR_FORMAT, Format, format_of, read_json, read_net, read_uai, sidecar_path
from kneebayes.spec.model_spec import ABSENT_PRESENT, RESERVED, ModelSpec

__all__ = [
    "Plain",
    "foreign_content",
    "identifier",
    "import_model",
    "numbers_of",
    "renamed",
]

ABSENT_WORDS = ("absent", "no", "false", "negative", "none", "off", "0")
PRESENT_WORDS = ("present", "yes", "true", "positive", "on", "1")


@dataclass(frozen=True, eq=False)
class Plain:
    """A network in names that a model file can have.

    Attributes
    ----------
    nodes : dict of str to Node
        By new name; of a node with a state of absence, that comes first.
    names : dict of str to str
        New names by old.
    state_labels : dict of str to dict of str to str
        What the states were called, by new names.
    """

    nodes: dict[str, Node]
    names: dict[str, str]
    state_labels: dict[str, dict[str, str]]


def renamed(nodes: Mapping[str, Node]) -> Plain:
    """Give a network names that a model file can have.

    Parameters
    ----------
    nodes : mapping of str to Node
        A checked network.

    Returns
    -------
    Plain
        Identifiers in lower case; absence first where a state is named so, and
        pairs such as no and yes as absent and present.
    """
    names = _identifiers(nodes, "v_", reserved=True)
    states: dict[str, dict[str, str]] = {}
    state_labels: dict[str, dict[str, str]] = {}
    order: dict[str, tuple[str, ...]] = {}
    for name, node in nodes.items():
        words = [state.strip().lower() for state in node.states]
        first = next((words.index(word) for word in ABSENT_WORDS if word in words), 0)
        if len(words) == 2 and words[first] in ABSENT_WORDS and words[1 - first] in PRESENT_WORDS:
            new = {node.states[first]: ABSENT_PRESENT[0], node.states[1 - first]: ABSENT_PRESENT[1]}
        else:
            new = _identifiers(node.states, "s_")
        states[name] = new
        order[name] = (node.states[first], *(state for i, state in enumerate(node.states) if i != first))
        state_labels[names[name]] = {new[old]: old for old in order[name] if old and new[old] != old}
    ordered = reordered(nodes, order)
    plain = {
        names[name]: Node(
            names[name],
            tuple(states[name][state] for state in node.states),
            tuple(names[parent] for parent in node.parents),
            node.table,
            node.label or name.replace("_", " "),
        )
        for name, node in ordered.items()
    }
    return Plain(plain, names, state_labels)


def identifier(name: str, prefix: str) -> str:
    """Make an identifier of a name.

    Parameters
    ----------
    name : str
        Any text.
    prefix : str
        What to start with where it does not start with a letter.

    Returns
    -------
    str
        Lower case letters, digits and underscores.

    Examples
    --------
    >>> identifier("Calf swelling (>3 cm)", "v_"), identifier("<5", "s_")
    ('calf_swelling_3_cm', 's_5')
    """
    word = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    return word if re.match(r"[a-z]", word) else prefix + (word or "x")


def _identifiers(names: Collection[str], prefix: str, *, reserved: bool = False) -> dict[str, str]:
    """Make distinct identifiers of names."""
    taken: dict[str, str] = {}
    for name in names:
        base = identifier(name, prefix)
        if reserved and (base in RESERVED or base.startswith("true_")):
            base = prefix + base
        new, count = base, 1
        while new in taken.values():
            count += 1
            new = f"{base}_{count}"
        taken[name] = new
    return taken


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
        What `ModelSpec` validates, notes on what is not there under ``provenance``.

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


def numbers_of(content: dict[str, Any], node: Node, original: ModelSpec | None, how: str, tolerance: float) -> None:
    """Put the numbers behind a table into the content of a model file.

    Parameters
    ----------
    content : dict
        Of a model file; its entry of the node is changed.
    node : Node
        The table.
    original : ModelSpec or None
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


MAX_BYTES = 256_000_000


def import_model(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    causes: Collection[str] | None = None,
    complaint: str | None = None,
    tolerance: float = COLUMN_TOLERANCE,
) -> ModelSpec:
    """Read a network and make it a model file.

    Parameters
    ----------
    path : str or path-like
        BIF, XMLBIF, NET, XDSL, UAI, or the JSON of `kneebayes.interop.export.export`.
    format : str, optional
        By default what the ending of the path says.
    labels : str or path-like, optional
        The sidecar; by default ``FILE.labels.json``, if it is there. With it,
        what the network left unchanged is as it was, and what it changed keeps
        its words.
    causes : collection of str, optional
        Which nodes are the causes, where no sidecar says so; by default the
        parents of the nodes that have no children.
    complaint : str, optional
        The finding that is taken as present unless a case says otherwise, where
        no sidecar says so; by default nothing is.
    tolerance : float, default 1e-9
        How far a column may miss 1, and a table be from a leaky noisy-OR:
        raise it for files of few digits.

    Returns
    -------
    ModelSpec
        With what could not be kept under ``provenance``.

    Raises
    ------
    FileFormatError
        If the file can't be read, or its tables are no distributions.
    ModelFileError
        If the network is not risk factors -> causes -> findings, or a table
        is no leaky noisy-OR.
    UnknownNameError
        If there is no such format, cause or complaint.
    """
    path = Path(path)
    chosen = format_of(path) if format is None else format
    text = _text(path)
    nodes, known = _nodes(text, chosen, path)
    if labels is not None or (known is None and sidecar_path(path).exists()):
        known = _sidecar(Path(labels) if labels is not None else sidecar_path(path))
    if known is not None:
        original = _original(known, path)
        if chosen == "uai":
            nodes = _with_names(nodes, original, path)
        return _restored(original, checked_nodes(nodes, str(path), tolerance=tolerance), path, tolerance)
    found = checked_nodes(nodes, str(path), tolerance=tolerance)
    for name in [*(causes or ()), *([complaint] if complaint is not None else [])]:
        if name not in found:
            raise UnknownNameError(f"{path}: has no node '{name}'.{nearest(name, found)}")
    plain = renamed(found)
    content = foreign_content(plain, path.name, causes=causes, complaint=complaint, tolerance=tolerance)
    model = _validated(content, path)
    _verify(model, plain.nodes, path, tolerance)
    return model


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FileFormatError(f"{path}: over the limit of {MAX_BYTES} bytes for a network")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path}: can't read the network: {error}") from error


def _nodes(text: str, format: str, path: Path) -> tuple[list[Node], dict[str, Any] | None]:
    if format == "json":
        return read_json(text, str(path))
    if format == "uai":
        return read_uai(text, str(path)), None
    if format == "net":
        return read_net(text, str(path)), None
    known = get_args(Format)
    if format not in known:
        raise UnknownNameError(f"no format '{format}', only {list(known)}.{nearest(format, known)}")
    odd = re.search(r"<(noisymax|noisyadder|deterministic|equation|decision|utility)\b", text)
    if format == "xdsl" and odd:  # pgmpy drops these without a word
        raise FileFormatError(f"{path}: holds a <{odd[1]}> node: change it to a table (cpt) in GeNIe first")
    from kneebayes.interop.pgmpy import read_pgmpy  # here, because pgmpy takes seconds to import

    try:
        return read_pgmpy(text, format), None
    except KneeBayesError:
        raise
    except Exception as error:  # its readers have no errors of their own, and raise whatever the parser does
        said = f"{type(error).__name__}: {error}"
        raise FileFormatError(f"{path}: pgmpy can't read this as {format}: {said[:300]}") from error


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path))
        if content["format"] != SIDECAR_FORMAT or not isinstance(content["model"], dict):
            raise ValueError(f"format {content['format']!r}, not {SIDECAR_FORMAT!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path}: not the labels of an exported network: {error}") from error
    model: dict[str, Any] = content["model"]
    return model


def _original(content: dict[str, Any], path: Path) -> ModelSpec:
    try:
        return ModelSpec.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise ModelFileError(f"{path}: the model file that came with it is inconsistent: {error}") from error


def _with_names(nodes: Sequence[Node], original: ModelSpec, path: Path) -> list[Node]:
    """Give the numbered nodes of a UAI file the names of the sidecar, which has them in the same order."""
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
            raise FileFormatError(
                f"{path}: its labels belong to another network: '{name}' is not in both with the same states; "
                f"move {sidecar_path(path).name} away to read the network without labels"
            )
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
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise ModelFileError(f"{path}: not of the shape risk factors -> causes -> findings: {reasons}") from error
