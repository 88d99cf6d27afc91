"""Reading and writing model files: YAML in, checked objects out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from kneebayes.errors import ModelFileError, nearest
from kneebayes.extension import EXTENDS, resolve
from kneebayes.model import ModelFile
from kneebayes.paths import is_special

__all__ = ["DEFAULT_MODEL", "model_path", "parse_model", "read_model"]

DEFAULT_MODEL = "posterior_knee_pain"
MAX_BYTES = 8_000_000  # a hundred times the article's model: larger is a mistake or an attack
MAX_NODES = 250_000  # of YAML, which take some 700 bytes each; the article's model has 7,000
MAX_DEPTH = 100  # of YAML; the article's model has 8
SURELY_SHALLOW = 10_000  # libyaml recurses, and crashes the process from some 20,000 levels on
_MODEL = re.compile(r"^(causes|extends):", re.MULTILINE)  # what tells a model from a score sheet that ships with it
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def model_path(name: str) -> Path:
    """Find a model file that ships with kneebayes.

    Parameters
    ----------
    name : str
        Its name without the ending, such as ``posterior_knee_pain``; of a
        model whose name goes on from that of the default one, what follows
        is enough: ``extended``.

    Returns
    -------
    pathlib.Path
        In the installed package, or in the checkout for an editable install.

    Raises
    ------
    ModelFileError
        If no model of that name ships.
    """
    here = Path(__file__).parent
    folder = here / "models" if (here / "models").is_dir() else here.parent / "models"
    files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    for full in (name, f"{DEFAULT_MODEL}_{name}"):
        if full in files:
            return files[full]
    known = [stem for stem, file in files.items() if _MODEL.search(file.read_text(encoding="utf-8"))]
    raise ModelFileError(f"no model '{name}' ships with kneebayes, which has {known}.{nearest(name, known)}")


def read_model(path: str | Path) -> ModelFile:
    """Read and check a model file.

    Parameters
    ----------
    path : str or pathlib.Path
        A YAML file.

    Returns
    -------
    ModelFile
        The frozen, validated content.

    Raises
    ------
    ModelFileError
        If the file can't be read, is not safe YAML, or is inconsistent; the
        message names the file, the place in it, and what is wrong there.
    """
    path = Path(path)
    return _checked(_content(_text(path), str(path)), str(path), is_file=True)


def parse_model(text: str, *, source: str = "model") -> ModelFile:
    """Check the text of a model file.

    Parameters
    ----------
    text : str
        YAML.
    source : str
        What to call it in an error.

    Returns
    -------
    ModelFile
        The frozen, validated content.

    Raises
    ------
    ModelFileError
        As for `read_model`.
    """
    return _checked(_content(text, source), source, is_file=False)


def _text(path: Path) -> str:
    if is_special(str(path)):  # which may have no end, or no beginning
        raise ModelFileError(f"{path}: is a pipe or a device: give a model file")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ModelFileError(f"{path}: over the limit of {MAX_BYTES} bytes for a model file")
        return content.decode("utf-8")
    except ModelFileError:
        raise
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: can't read the model file: {error}") from error


def _content(text: str, source: str) -> Any:
    """Read YAML, as safe as it gets, into plain objects."""
    try:
        _refuse_depth_and_size(text, source)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            _refuse_aliases_and_repeats(node, source)
            return loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ModelFileError(f"{source}: not a safe YAML file: {error}") from error
    except (RecursionError, TypeError) as error:
        raise ModelFileError(f"{source}: not a model file: {error}") from error
    except ModelFileError:
        raise
    except ValueError as error:  # a date or an integer that Python can't hold
        raise ModelFileError(f"{source}: not a model file: {error}") from error


def _checked(content: Any, source: str, *, is_file: bool) -> ModelFile:
    """Check the content of a model file, merged with what it extends."""
    own = str(Path(source).resolve()) if is_file else source

    def find(name: str, file: str) -> tuple[str, Mapping[str, Any]]:
        if name.endswith((".yaml", ".yml")):
            if file == own and not is_file:
                raise ModelFileError(f"{source}: extends: '{name}' is a path, and a text has no place to start it from")
            path = Path(file).parent / name
        else:
            try:
                path = model_path(name)
            except ModelFileError as error:
                raise ModelFileError(f"{file}: extends: {error}") from None
        path = path.resolve()
        return str(path), _content(_text(path), str(path))

    said = source
    try:
        if isinstance(content, dict) and EXTENDS in content:
            content = resolve(content, own, find)
            said = f"{source}, merged with what it extends"
        return ModelFile.model_validate(content)
    except ValidationError as error:
        raise ModelFileError(f"{said}: {_summary(error)}") from error
    except (RecursionError, TypeError) as error:
        raise ModelFileError(f"{said}: not a model file: {error}") from error


def _refuse_depth_and_size(text: str, source: str) -> None:
    """Refuse nesting deep enough to overflow the stack of the C loader, and more nodes than memory is for."""
    widest = max(map(len, text.splitlines()), default=0)
    shallow = text.count("[") + text.count("{") + 2 * widest < SURELY_SHALLOW  # no block nests deeper than its columns
    if shallow and len(text) < MAX_NODES:
        return
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        where = f"line {event.start_mark.line + 1}: " if event.start_mark else ""
        if depth > MAX_DEPTH:
            raise ModelFileError(f"{source}: {where}nested over {MAX_DEPTH} deep, so not a model file")
        if nodes > MAX_NODES:
            raise ModelFileError(f"{source}: {where}over {MAX_NODES:,} values, so not a model file")


def _refuse_aliases_and_repeats(root: yaml.Node | None, source: str) -> None:
    """Refuse aliases, which can blow a small file up, and repeated keys, of which YAML keeps the last."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if node is None:
            continue
        if id(node) in seen:
            raise ModelFileError(f"{source}: line {node.start_mark.line + 1}: aliases are not allowed in a model file")
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if key.value in keys if isinstance(key, yaml.ScalarNode) else False:
                    line = key.start_mark.line + 1
                    raise ModelFileError(f"{source}: line {line}: the key '{key.value}' stands twice in one mapping")
                if isinstance(key, yaml.ScalarNode):
                    keys.add(key.value)
                stack += [key, value]


def _summary(error: ValidationError, most: int = 5) -> str:
    problems = error.errors(include_url=False)
    lines = [
        f"{'.'.join(str(part) for part in problem['loc']) or 'model'}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in problems[:most]
    ]
    more = f" (and {len(problems) - most} more)" if len(problems) > most else ""
    return "; ".join(lines) + more
