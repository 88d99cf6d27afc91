"""A model in the files of other programs: BIF, XMLBIF, NET, XDSL, UAI and JSON.

BIF, XMLBIF and XDSL go through pgmpy's writers, the others through
`kneebayes.formats`. What a format has no room for (labels, questions, ranges,
reasons, the alarm) goes to a sidecar, ``FILE.labels.json``, from which
`kneebayes.imported.import_network` restores it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal, get_args

from kneebayes.cpt import Node, model_node
from kneebayes.errors import FileFormatError, UnknownNameError, nearest
from kneebayes.formats import json_text, net_text, uai_text
from kneebayes.model import ModelFile

__all__ = ["ENDINGS", "Format", "export", "format_of", "sidecar_path"]

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


def export(model: ModelFile, path: str | os.PathLike[str], format: str | None = None) -> list[Path]:
    """Write the network of a model in an exchange format.

    Parameters
    ----------
    model : ModelFile
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
        from kneebayes.network import pgmpy_text  # here, because pgmpy takes seconds to import

        text = pgmpy_text(model, chosen)
    if chosen == "json":
        _write_whole(path, text)
        return [path]
    # The sidecar first: where the network is, its labels are.
    _write_whole(sidecar_path(path), _sidecar(model, nodes, content, path.name))
    _write_whole(path, text)
    return [path, sidecar_path(path)]


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


def _sidecar(model: ModelFile, nodes: list[Node], content: dict[str, Any], name: str) -> str:
    """Say in words what the variables are, in the order of the file, and repeat the model file."""
    variables = [
        {"name": node.name, "label": node.label, "states": {s: _label(model, node.name, s) for s in node.states}}
        for node in nodes
    ]
    sidecar = {"format": SIDECAR_FORMAT, "network": name, "variables": variables, "model": content}
    return json.dumps(sidecar, ensure_ascii=False, indent=1) + "\n"


def _label(model: ModelFile, name: str, state: str) -> str:
    return model.variables[name].state_labels.get(state, state.replace("_", " "))


def _write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and move it there, so that no half of it is ever seen."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FileFormatError(f"{path}: can't write the network: {error}") from error
