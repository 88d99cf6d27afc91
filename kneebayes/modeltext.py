"""A model file as text: YAML that reads back to the same objects, numbers with their reasons on one line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from kneebayes.errors import ModelFileError
from kneebayes.model import ModelFile
from kneebayes.variables import Probability

__all__ = ["changed_version", "model_text", "with_numbers", "write_model"]

HEADER = """\
# A model of kneebayes, written by it. Every probability carries its value, plausible range, basis and reason;
# change them here, not in Python. How it came about stands under provenance.
"""
ON_ONE_LINE = ("range", "when", "any_of", "states", "key_questions")
_WIDTH = 1 << 30  # never fold: a number and its reason are one line


def model_text(model: ModelFile) -> str:
    """Write a model as the text of a model file.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    str
        YAML in the order of the model file, which `kneebayes.modelfile.parse_model`
        reads back to an equal model; what a file may leave out is left out.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, parse_model, read_model
    >>> model = read_model(model_path("posterior_knee_pain"))
    >>> parse_model(model_text(model)) == model
    True
    """
    content = model.model_dump(mode="json", exclude_defaults=True)
    return HEADER + yaml.dump(content, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH)


def write_model(model: ModelFile, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, which appears whole or not at all.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    path : str or path-like
        Ends in .yaml or .yml; an existing file is replaced.

    Raises
    ------
    ModelFileError
        If the name ends otherwise, or the file can't be written.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml"):
        raise ModelFileError(f"{path}: a model file ends in .yaml or .yml, or it could not be loaded by its name")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.write_text(model_text(model), encoding="utf-8", newline="\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ModelFileError(f"{path}: can't write the model file: {error}") from error


def with_numbers(model: ModelFile, numbers: Mapping[str, Probability], **fields: object) -> ModelFile:
    """Replace numbers of a model.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    numbers : mapping of str to Probability
        By place, as from `ModelFile.probabilities`.
    **fields
        Other fields of the model file to set, such as ``provenance``.

    Returns
    -------
    ModelFile
        A new one, checked.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> model = read_model(model_path("posterior_knee_pain"))
    >>> leak = model.causes["dvt"].leak.model_copy(update={"p": 0.0, "range": (0.0, 0.0)})
    >>> with_numbers(model, {"causes.dvt.leak": leak}).causes["dvt"].leak.p
    0.0
    """
    content: dict[str, Any] = {**model.model_dump(), **fields}
    for place, number in numbers.items():
        *way, last = place.split(".")
        node: Any = content
        for step in way:
            node = node[int(step)] if isinstance(node, tuple) else node[step]
        node[last] = number.model_dump()
    return ModelFile.model_validate(content)


def changed_version(version: str, how: str) -> str:
    """Say in a version that numbers are not those of the model file any more.

    Parameters
    ----------
    version : str
        Of the model.
    how : str
        One word.

    Returns
    -------
    str
        The version with the word behind a ``+``, once.

    Examples
    --------
    >>> changed_version(changed_version(changed_version("1.0", "fitted"), "prevalence"), "fitted")
    '1.0+fitted.prevalence'
    """
    own, _, local = version.partition("+")
    words = [word for word in local.split(".") if word]
    return f"{own}+{'.'.join(words if how in words else [*words, how])}"


class _Writer(yaml.SafeDumper):
    """Identifiers plain, other words quoted; numbers with their reasons, and lists of identifiers, on one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: yaml.SafeDumper, text: str) -> yaml.Node:
    plain = re.fullmatch(r"[a-z][a-z0-9_]*|P\(present\) = .*", text)  # the emitter quotes the likes of 'yes' by itself
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _mapping(writer: yaml.SafeDumper, content: dict[str, Any]) -> yaml.Node:
    node = writer.represent_mapping("tag:yaml.org,2002:map", content.items(), flow_style=False)
    if {"p", "range", "basis", "why"} <= content.keys() or {"state"} == content.keys() - {"at_least", "above"}:
        node.flow_style = True
    for key, value in node.value:
        if key.value in ON_ONE_LINE:
            value.flow_style = True
            for _, inner in value.value if isinstance(value, yaml.MappingNode) else ():
                inner.flow_style = True
    return node


def _list(writer: yaml.SafeDumper, content: list[Any]) -> yaml.Node:
    return writer.represent_sequence("tag:yaml.org,2002:seq", content, flow_style=False)


_Writer.add_representer(str, _text)
_Writer.add_representer(dict, _mapping)
_Writer.add_representer(list, _list)
