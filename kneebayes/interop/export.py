"""A model in the files of other programs: BIF, XMLBIF, NET, XDSL, UAI and JSON.

BIF, XMLBIF and XDSL go through pgmpy's writers; NET, UAI and JSON are written
here. (pgmpy's NET keeps 8 digits and no label, and takes minutes to read; its
UAI names the child last but has its states vary slowest, so that other
programs read another network.) What a format has no room for (labels,
questions, ranges, reasons, the alarm) goes to a sidecar, ``FILE.labels.json``,
from which `kneebayes.interop.importing.import_model` restores it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from kneebayes.atomic import AtomicFile, commit, write_whole
from kneebayes.errors import UnknownNameError, nearest
from kneebayes.interop.cpt import Node, model_node
from kneebayes.spec.model_spec import ModelSpec

__all__ = [
    "ENDINGS",
    "JSON_FORMAT",
    "SIDECAR_FORMAT",
    "Format",
    "export",
    "format_of",
    "json_text",
    "net_text",
    "sidecar_path",
    "uai_text",
]

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
    lines += [
        " ".join([str(len(node.parents) + 1), *(place[p] for p in node.parents), place[node.name]]) for node in nodes
    ]
    for node in nodes:
        numbers = np.moveaxis(node.table, 0, -1).reshape(-1, len(node.states))
        lines += ["", str(node.table.size), *(" ".join(_positional(p) for p in row) for row in numbers)]
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


def _positional(p: float) -> str:
    return np.format_float_positional(p, trim="0")


def _nested(table: NDArray[np.float64], indent: str) -> str:
    """Write a table in nested parentheses, a distribution a line."""
    if table.ndim == 1:
        return f"({' '.join(repr(p) for p in table.tolist())})"
    inner = f"\n{indent}".join(_nested(part, indent + " ") for part in table)
    return f"({inner})"


def export(model: ModelSpec, path: str | os.PathLike[str], format: str | None = None) -> list[Path]:
    """Write the network of a model in one of the formats, by default the one that the ending of the path says.

    The files, the network and (but for JSON) its sidecar, appear whole or not at all and replace what is there.
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
    """Tell the format from the ending of a path."""
    if path.suffix.lower() not in ENDINGS:
        raise UnknownNameError(
            f"{path}: the ending tells no exchange format: use one of {', '.join(ENDINGS)}, or name the format."
            f"{nearest(path.suffix, ENDINGS)}"
        )
    return ENDINGS[path.suffix.lower()]


def sidecar_path(path: Path) -> Path:
    """Name the sidecar of a network: ``FILE.labels.json`` beside it."""
    return path.with_name(f"{path.name}.labels.json")


def _sidecar(model: ModelSpec, nodes: list[Node], content: dict[str, Any], name: str) -> str:
    """Say in words what the variables are, in the order of the file, and repeat the model file."""
    variables = [
        {"name": node.name, "label": node.label, "states": {s: model.variables[node.name].say(s) for s in node.states}}
        for node in nodes
    ]
    sidecar = {"format": SIDECAR_FORMAT, "network": name, "variables": variables, "model": content}
    return json.dumps(sidecar, ensure_ascii=False, indent=1) + "\n"
