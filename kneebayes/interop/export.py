"""A model in the files of other programs: BIF, XMLBIF, NET, XDSL, UAI and JSON.

Its NET keeps 8 digits and no label, and takes minutes to read; its UAI names
the child last but has its states vary slowest, so that other programs read
another network; JSON it has none.

BIF, XMLBIF and XDSL go through pgmpy's writers, the others through
`kneebayes.interop.export`. What a format has no room for (labels, questions, ranges,
reasons, the alarm) goes to a sidecar, ``FILE.labels.json``, from which
`kneebayes.interop.importing.import_network` restores it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kneebayes.atomic import AtomicFile, commit, write_whole
from kneebayes.errors import FileFormatError, UnknownNameError, nearest
from kneebayes.interop.cpt import Node, model_node
from kneebayes.spec.model_spec import ModelSpec

__all__ = [
    "ENDINGS",
    "Format",
    "export",
    "format_of",
    "json_text",
    "net_text",
    "read_json",
    "read_net",
    "read_uai",
    "sidecar_path",
    "uai_text",
]

JSON_FORMAT = "kneebayes-network"


def net_text(nodes: Sequence[Node], name: str) -> str:
    """Write a network in Hugin's NET format, digits in full, labels included.

    Parameters
    ----------
    nodes : sequence of Node
        The network.
    name : str
        Of the network.

    Returns
    -------
    str
        The content of a file; the child's states vary fastest, then the last
        parent's.
    """
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
    """Write a network in the format of the UAI inference competitions.

    Parameters
    ----------
    nodes : sequence of Node
        The network. Its variables become numbers, in this order.

    Returns
    -------
    str
        The content of a file. Numbers have no exponent, which some readers
        do not know.
    """
    place = {node.name: str(number) for number, node in enumerate(nodes)}
    lines = ["BAYES", str(len(nodes)), " ".join(str(len(node.states)) for node in nodes), str(len(nodes))]
    lines += [
        " ".join([str(len(node.parents) + 1), *(place[p] for p in node.parents), place[node.name]]) for node in nodes
    ]
    for node in nodes:
        numbers = np.moveaxis(node.table, 0, -1).reshape(-1, len(node.states))
        lines += ["", str(node.table.size), *(" ".join(_positional(p) for p in row) for row in numbers)]
    return "\n".join(lines) + "\n"


def json_text(nodes: Sequence[Node], content: dict[str, Any]) -> str:
    """Write a network as JSON that any language reads, with everything else that its model file says.

    Parameters
    ----------
    nodes : sequence of Node
        The network.
    content : dict
        The model file.

    Returns
    -------
    str
        The content of a file. ``table`` is nested: parents from outside in,
        the states of the variable innermost.
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


def read_net(text: str, source: str) -> list[Node]:
    """Read a network in Hugin's NET format.

    Parameters
    ----------
    text : str
        The content of a file.
    source : str
        The file, for errors.

    Returns
    -------
    list of Node
        In the order of the file; decisions and utilities are not read.

    Raises
    ------
    FileFormatError
        If it is not such a network.
    """
    text = re.sub(r"^\s*%.*$", "", text, flags=re.MULTILINE)  # a comment is a line of its own in what programs write
    head = re.search(r"^\s*(decision|utility|continuous|class)\b", text, re.MULTILINE)
    if head:
        raise FileFormatError(f"{source}: holds a {head[1]}: only networks of discrete chance nodes can be read")
    states: dict[str, tuple[str, ...]] = {}
    labels: dict[str, str] = {}
    for name, body in re.findall(r"\bnode\s+(\S+?)\s*\{([^}]*)\}", text):
        listed = re.search(r"\bstates\s*=\s*\(([^;]*)\)\s*;", body)
        if not listed:
            raise FileFormatError(f"{source}: the node {name} has no states")
        states[name] = tuple(re.findall(r'"([^"]*)"', listed[1]))
        label = re.search(r'\blabel\s*=\s*"([^"]*)"', body)
        labels[name] = label[1] if label else ""
    nodes: dict[str, Node] = {}
    for child, parents, body in re.findall(r"\bpotential\s*\(\s*(\S+?)\s*(?:\|([^)]*))?\)\s*\{([^}]*)\}", text):
        data = re.search(r"\bdata\s*=([^;]*);", body)
        scope = [*parents.split(), child]
        if not data or any(name not in states for name in scope):
            raise FileFormatError(f"{source}: the potential of {child} has no data, or variables that are not there")
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
    """Read a network in the format of the UAI inference competitions.

    Parameters
    ----------
    text : str
        The content of a file.
    source : str
        The file, for errors.

    Returns
    -------
    list of Node
        Named ``v0``, ``v1`` ..., with states ``s0``, ``s1`` ..., as the format
        has no names.

    Raises
    ------
    FileFormatError
        If it is not the text of a Bayesian network in this format.
    """
    words = iter(text.split())
    try:
        kind = next(words)
        if kind != "BAYES":
            raise FileFormatError(f"{source}: a UAI file that starts with '{kind}': only BAYES has conditional tables")
        cards = _integers(words, int(next(words)))
        scopes = [_integers(words, int(next(words))) for _ in range(int(next(words)))]
        nodes: dict[int, Node] = {}
        for scope in scopes:
            size = int(next(words))
            *parents, child = scope
            shape = [cards[v] for v in scope]
            numbers = np.array([float(next(words)) for _ in range(size)]).reshape(shape)
            nodes[child] = Node(
                f"v{child}",
                tuple(f"s{state}" for state in range(cards[child])),
                tuple(f"v{parent}" for parent in parents),
                np.moveaxis(numbers, -1, 0),
            )
        return [nodes[v] for v in range(len(cards))]
    except (StopIteration, ValueError, IndexError, KeyError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{source}: not a whole UAI file: {error!r}") from error


def read_json(text: str, source: str) -> tuple[list[Node], dict[str, Any] | None]:
    """Read a network that `json_text` wrote.

    Parameters
    ----------
    text : str
        The content of a file.
    source : str
        The file, for errors.

    Returns
    -------
    list of Node
        The network.
    dict or None
        The model file, where it is there.

    Raises
    ------
    FileFormatError
        If it is not such a file.
    """
    try:
        content = json.loads(text)
        if content["format"] != JSON_FORMAT:
            raise FileFormatError(f"{source}: format '{content['format']}', not '{JSON_FORMAT}'")
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
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{source}: not a network as JSON: {error!r}") from error
    return nodes, content.get("model")


def _integers(words: Iterator[str], n: int) -> list[int]:
    return [int(next(words)) for _ in range(n)]


def _positional(p: float) -> str:
    return np.format_float_positional(p, trim="0")


def _nested(table: NDArray[np.float64], indent: str) -> str:
    """Write a table in nested parentheses, a distribution a line."""
    if table.ndim == 1:
        return f"({' '.join(repr(p) for p in table.tolist())})"
    inner = f"\n{indent}".join(_nested(part, indent + " ") for part in table)
    return f"({inner})"


Format = Literal["bif", "xmlbif", "net", "xdsl", "uai", "json"]
ENDINGS: dict[str, Format] = {
    ".bif": "bif",
    ".xmlbif": "xmlbif",
    ".bifxml": "xmlbif",  # what pyAgrum and GeNIe call it
    ".net": "net",
    ".hugin": "net",
    ".xdsl": "xdsl",
    ".uai": "uai",
    ".json": "json",
}
SIDECAR_FORMAT = "kneebayes-labels"


def export(model: ModelSpec, path: str | os.PathLike[str], format: str | None = None) -> list[Path]:
    """Write the network of a model in an exchange format.

    Parameters
    ----------
    model : ModelSpec
        A checked model file.
    path : str or path-like
        Where to write; an existing file is replaced, whole or not at all.
    format : {"bif", "xmlbif", "net", "xdsl", "uai", "json"}, optional
        By default what the ending of the path says. XDSL is in GeNIe's order:
        the last parent varies fastest.

    Returns
    -------
    list of pathlib.Path
        The file, and but for JSON its sidecar, ``FILE.labels.json``.

    Raises
    ------
    UnknownNameError
        If there is no such format, or the ending tells none.
    FileFormatError
        If a file can't be written.
    """
    path = Path(path)
    chosen = format_of(path) if format is None else format
    if chosen not in get_args(Format):
        known = list(get_args(Format))
        raise UnknownNameError(f"no export format '{chosen}', only {known}.{nearest(str(chosen), known)}")
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
    if chosen == "json":
        write_whole(str(path), text, stream=False)
        return [path]
    labels = sidecar_path(path)
    with AtomicFile(str(labels), stream=False) as first, AtomicFile(str(path), stream=False) as second:
        first.write(_sidecar(model, nodes, content, path.name).encode())
        second.write(text.encode())
        commit(first, second)  # in this order: where the network is, its labels are
    return [path, labels]


def format_of(path: Path) -> Format:
    """Tell the format from the ending of a path.

    Parameters
    ----------
    path : pathlib.Path
        A file.

    Returns
    -------
    str
        A format.

    Raises
    ------
    UnknownNameError
        If the ending is of none.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UnknownNameError(
            f"{path}: the ending tells no exchange format: use one of {', '.join(ENDINGS)}, or name the format."
            f"{nearest(path.suffix, ENDINGS)}"
        )
    return ENDINGS[path.suffix.lower()]


def sidecar_path(path: Path) -> Path:
    """Name the sidecar of a file.

    Parameters
    ----------
    path : pathlib.Path
        A network.

    Returns
    -------
    pathlib.Path
        ``FILE.labels.json`` beside it.
    """
    return path.with_name(f"{path.name}.labels.json")


def _sidecar(model: ModelSpec, nodes: list[Node], content: dict[str, Any], name: str) -> str:
    """Say in words what the variables are, in the order of the file, and repeat the model file."""
    variables = [
        {"name": node.name, "label": node.label, "states": {s: _label(model, node.name, s) for s in node.states}}
        for node in nodes
    ]
    sidecar = {"format": SIDECAR_FORMAT, "network": name, "variables": variables, "model": content}
    return json.dumps(sidecar, ensure_ascii=False, indent=1) + "\n"


def _label(model: ModelSpec, name: str, state: str) -> str:
    return model.variables[name].state_labels.get(state, state.replace("_", " "))
