"""Networks of other programs as model files: roles, names and numbers recovered, and what could not be kept said."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import ValidationError

from kneebayes.cpt import COLUMN_TOLERANCE, Node, checked_nodes, model_node, reordered
from kneebayes.errors import FileFormatError, KneeBayesError, ModelFileError, UnknownNameError, nearest
from kneebayes.exchange import SIDECAR_FORMAT, Format, format_of, sidecar_path
from kneebayes.foreign import foreign_content, numbers_of
from kneebayes.formats import read_json, read_net, read_uai
from kneebayes.identifiers import renamed
from kneebayes.model import ModelFile

__all__ = ["import_model"]

MAX_BYTES = 256_000_000


def import_model(
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    labels: str | os.PathLike[str] | None = None,
    causes: Collection[str] | None = None,
    complaint: str | None = None,
    tolerance: float = COLUMN_TOLERANCE,
) -> ModelFile:
    """Read a network and make it a model file.

    Parameters
    ----------
    path : str or path-like
        BIF, XMLBIF, NET, XDSL, UAI, or the JSON of `kneebayes.exchange.export`.
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
    ModelFile
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
    from kneebayes.network import read_pgmpy  # here, because pgmpy takes seconds to import

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


def _original(content: dict[str, Any], path: Path) -> ModelFile:
    try:
        return ModelFile.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise ModelFileError(f"{path}: the model file that came with it is inconsistent: {error}") from error


def _with_names(nodes: Sequence[Node], original: ModelFile, path: Path) -> list[Node]:
    """Give the numbered nodes of a UAI file the names of the sidecar, which has them in the same order."""
    if [len(node.states) for node in nodes] != [len(v.states) for v in original.variables.values()]:
        raise FileFormatError(f"{path}: its labels belong to another network: other numbers of nodes or states")
    names = dict(zip([node.name for node in nodes], original.variables, strict=True))
    return [
        Node(name, original.variables[name].states, tuple(names[p] for p in node.parents), node.table)
        for node, name in zip(nodes, original.variables, strict=True)
    ]


def _restored(original: ModelFile, nodes: dict[str, Node], path: Path, tolerance: float) -> ModelFile:
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


def _verify(model: ModelFile, nodes: dict[str, Node], path: Path, tolerance: float) -> None:
    """Compare every table that the numbers give with the one that was read."""
    for name, node in nodes.items():
        made = model_node(model, name)
        extra = [parent for parent in node.parents if parent not in made.parents]
        table = made.table.reshape((*made.table.shape, *([1] * len(extra))))
        order = [[*made.parents, *extra].index(parent) + 1 for parent in node.parents]
        off = float(np.abs(table.transpose(0, *order) - node.table).max())
        if off > 100 * tolerance:
            raise ModelFileError(f"{path}: {name}: the numbers recovered from its table miss it by {off:.3g}")


def _validated(content: dict[str, Any], path: Path) -> ModelFile:
    try:
        return ModelFile.model_validate(content)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise ModelFileError(f"{path}: not of the shape risk factors -> causes -> findings: {reasons}") from error
