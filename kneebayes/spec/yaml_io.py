"""Model files in YAML: read, extended, written, a first one to start from, and their JSON Schema.

A file with ``extends: PARENT`` says only what it adds or changes. Mappings merge by key, as in a JSON merge patch (RFC
7386): a new key adds, a known one changes, ``null`` takes away. A number (a mapping with ``p``) is replaced as a whole,
since value, range, basis and reason belong together. The lists of `ADDED` grow; any other list is replaced. The result
is an ordinary model file, and is checked as one.

A model file may come from anybody. It is read with a safe loader, and what is
too deep, too large or uses aliases is refused before anything is built of it.
"""

from __future__ import annotations

import atexit
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from copy import deepcopy
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from kneebayes.atomic import plain_path, read_limited, write_whole
from kneebayes.errors import FileFormatError, ModelFileError, nearest
from kneebayes.spec.model_spec import CHOICES, ModelSpec, PlacedError, Probability

Content = Mapping[str, Any]
Found = tuple[str, Content]
Place = tuple[str | int, ...]

DEFAULT_MODEL = "posterior_knee_pain"
STARTER = "starter.yaml"
ENDINGS = (".yaml", ".yml")
MAX_BYTES = 8_000_000  # a hundred times the article's model: larger is a mistake or an attack
MAX_NODES = 250_000  # of YAML, which take some 700 bytes each; the article's model has 7,000
MAX_DEPTH = 100  # of YAML; the article's model has 8
MAX_COMPOSED = 10_000  # levels that libyaml's recursion stands: it crashes the process from some 20,000 on
KEYS = ("extra_forbidden", "invalid_key")  # problems of a key, not of what it leads to
MAX_QUOTED, MAX_SAID = 40, 5  # characters of a value, and problems, in a message
TOO_DEEP = f"nested over {MAX_DEPTH} deep, so not a model file"
ALIASES = "aliases are not allowed: write out what *name stands for"
_MODEL = re.compile(r"^(causes|extends):", re.MULTILINE)  # what tells a model from a score sheet that ships with it
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """Takes 1e-3 and 1.5e3 for numbers, which are texts to YAML 1.1 for want of a point or a sign."""


_POWER_OF_TEN = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _POWER_OF_TEN, list("-+.0123456789"))


def model_path(name: str) -> Path:
    """Find a model file that ships, in the installed package or in the checkout of an editable install.

    Of a model whose name goes on from that of the default one, what follows is enough: ``extended``.
    """
    files = _model_files()
    for full in (name, f"{DEFAULT_MODEL}_{name}"):
        if full in files:
            return _on_disk(files[full].name)
    known = shipped_models()
    said = name.encode("utf-8", "backslashreplace").decode()[:MAX_QUOTED]
    hint = nearest(name, [*known, *(model.removeprefix(f"{DEFAULT_MODEL}_") for model in known)])
    raise ModelFileError(f"no model '{said}' ships with kneebayes, which has {known}.{hint}")


def shipped_models() -> list[str]:
    """Name the models that ship."""
    return [stem for stem, file in _model_files().items() if _MODEL.search(file.read_text(encoding="utf-8"))]


def _model_files() -> dict[str, Traversable]:
    listed = shipped("models", checkout="models").iterdir()
    files = {file.name.removesuffix(".yaml"): file for file in listed if file.name.endswith(".yaml")}
    return dict(sorted(files.items()))


def shipped(name: str, *, checkout: str) -> Traversable:
    """Find what ships: in the package, which may be in a zip, or in the checkout of an editable install."""
    package = resources.files("kneebayes")
    inside = package.joinpath(name)
    if inside.is_file() or inside.is_dir():
        return inside
    beside: Traversable = getattr(package, "parent", package).joinpath(checkout)
    if beside.is_file() or beside.is_dir():
        return beside
    raise ModelFileError(f"the installed package holds no {name}: install kneebayes from its wheel")


@cache
def _on_disk(name: str) -> Path:
    """Give a model that ships a path, for as long as the process runs; it has one already unless it is in a zip."""
    extracted = ExitStack()
    atexit.register(extracted.close)
    return extracted.enter_context(resources.as_file(shipped("models", checkout="models").joinpath(name)))


def read_model(path: str | Path) -> ModelSpec:
    """Read and check a model file; an error names the file, the place in it, and what is wrong there."""
    path = _plain(path)
    return _checked(_read_text(path), str(path), is_file=True)


def parse_model(text: str, *, source: str = "model") -> ModelSpec:
    """Check the text of a model file, called ``source`` in an error."""
    return _checked(text, source, is_file=False)


def read_content(path: str | Path, what: str) -> Any:
    """Read YAML into plain objects, as safely as a model file."""
    path = _plain(path)
    return _content(_read_text(path, what), str(path))


def read_words(path: str | Path, what: str) -> tuple[Any, str]:
    """Read YAML of which every scalar is the text that is written there; and its text, by which errors name lines.

    So that ``no``, ``007`` and ``1.0`` are what they are in somebody's table, without quotes.
    """
    path = _plain(path)
    text = _read_text(path, what)
    root = _root(text, str(path))

    def content(node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {key.value: content(value) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return list(map(content, node.value))
        return "" if node.tag == "tag:yaml.org,2002:null" else node.value

    return (None if root is None else content(root)), text


def parse_json(text: str | bytes) -> Any:
    """Read JSON; ValueError also where a name stands twice in one object, of which Python would keep the last."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated = next((name for name, n in Counter(name for name, _ in pairs).items() if n > 1), None)
        if repeated is not None:
            raise ValueError(f"the name '{repeated[:MAX_QUOTED]}' stands twice in one object")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def _plain(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(plain_path(path))
    except FileFormatError as error:
        raise ModelFileError(str(error)) from error


def _read_text(path: Path, what: str = "model file") -> str:
    try:
        return read_limited(path, MAX_BYTES, what).decode("utf-8")
    except FileFormatError as error:
        raise ModelFileError(str(error)) from error
    except ValueError as error:
        raise ModelFileError(f"{path}: can't read the {what}: {error}") from error


def _root(text: str, source: str) -> yaml.Node | None:
    """Read YAML, as safe as it gets."""
    try:
        _refuse_depth_and_size(text, source)
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        _refuse_what_came_before(text, source, error)
        raise _unsafe(source, error) from error
    _refuse_depth_aliases_and_repeats(root, source)
    return root


def _unsafe(source: str, error: yaml.YAMLError) -> ModelFileError:
    remedy = "Indent with blanks, and put a text that holds a colon, # or bracket in quotes"
    return ModelFileError(f"{source}: not a safe YAML file: {' '.join(str(error).split())}. {remedy}")


def _content(text: str, source: str) -> Any:
    """Read YAML into plain objects."""
    try:
        root = _root(text, source)
        return None if root is None else _Loader("").construct_document(root)
    except ModelFileError:
        raise
    except yaml.YAMLError as error:
        raise _unsafe(source, error) from error
    except Exception as error:  # a tag that its text does not fit fails as Python does: KeyError for !!bool x
        raise ModelFileError(f"{source}: not a model file: {error}") from error


def _checked(text: str, source: str, *, is_file: bool) -> ModelSpec:
    """Check the text of a model file, merged with what it extends."""
    own = str(Path(source).resolve()) if is_file else source
    content = _content(text, source)
    texts = {own: text}

    def find(name: str, file: str) -> tuple[str, Mapping[str, Any]]:
        if name.endswith(ENDINGS):
            if file == own and not is_file:
                raise ModelFileError(f"{source}: extends: '{name}' is a path, and a text has no place to start it from")
            path = Path(file).parent / _plain(name)
        else:
            try:
                path = model_path(name)
            except ModelFileError as error:
                raise ModelFileError(f"{file}: extends: {error}") from None
        path = path.resolve()
        texts[str(path)] = _read_text(path)
        return str(path), _content(texts[str(path)], str(path))

    said = source
    try:
        if isinstance(content, dict) and EXTENDS in content:
            content = _resolved(content, own, find)
            said = f"{source}, merged with what it extends"
        return ModelSpec.model_validate(content)
    except ValidationError as error:
        raise ModelFileError(f"{said}: {problems_of(error, texts)}") from error
    except (RecursionError, TypeError) as error:
        raise ModelFileError(f"{said}: not a model file: {error}") from error


def _refuse_depth_and_size(text: str, source: str) -> None:
    """Refuse nesting deep enough to overflow the stack of the C loader, and more nodes than memory is for."""
    widest = max(map(len, text.splitlines()), default=0)
    shallow = text.count("[") + text.count("{") + 2 * widest < MAX_COMPOSED  # no block nests deeper than its columns
    if not (shallow and len(text) < MAX_NODES):
        _refuse_by_events(text, source)


def _refuse_what_came_before(text: str, source: str, error: yaml.YAMLError) -> None:
    """Find the fault that is ours to name, where PyYAML found another, or has a limit of its own for the same.

    It looks ahead, and may fail before it has told of anything; so the text is read again up to where it failed.
    """
    mark = getattr(error, "problem_mark", None)
    for readable in (text, text[: mark.index] if mark else ""):
        with suppress(yaml.YAMLError):
            _refuse_by_events(readable, source)


def _refuse_by_events(text: str, source: str) -> None:
    """Refuse depth, size and aliases as they are met, before anything is built of them."""
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        if depth > MAX_DEPTH:
            raise _not_a_model(source, event, TOO_DEEP)
        if nodes > MAX_NODES:
            raise _not_a_model(source, event, f"over {MAX_NODES:,} values, so not a model file")
        if isinstance(event, yaml.AliasEvent):
            raise _not_a_model(source, event, ALIASES)


def _refuse_depth_aliases_and_repeats(root: yaml.Node | None, source: str) -> None:
    """Refuse depth; aliases, which can blow a small file up; and repeated keys, of which YAML keeps the last."""
    stack: list[tuple[yaml.Node, int]] = [] if root is None else [(root, 1)]
    seen = set()
    while stack:
        node, depth = stack.pop()
        if id(node) in seen:
            raise _not_a_model(source, node, ALIASES)
        seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and depth > MAX_DEPTH:
            raise _not_a_model(source, node, TOO_DEEP)
        if isinstance(node, yaml.SequenceNode):
            stack.extend((value, depth + 1) for value in node.value)
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        raise _not_a_model(source, key, f"the key '{key.value}' stands twice in one mapping")
                    keys.add(key.value)
                stack += [(key, depth + 1), (value, depth + 1)]


def _not_a_model(source: str, at: yaml.Node | yaml.Event, reason: str) -> ModelFileError:
    where = f"line {at.start_mark.line + 1}: " if at.start_mark else ""
    return ModelFileError(f"{source}: {where}{reason}")


def problems_of(
    error: ValidationError, texts: Mapping[str, str] = {}, *, of: type[BaseModel] = ModelSpec, default: str = "model"
) -> str:
    """Say of each problem its place, what is wrong, and in which line of one of the texts, by their names.

    ``of`` is what was to be read, and ``default`` stands for the place of all of it.
    """
    first: dict[Place, Any] = {}  # of each place: a link without its state is one problem, not one of each of its keys
    for problem in error.errors(include_url=False):
        place = _place(problem)
        if not any(known[: len(place)] == place for known in first):  # else it only follows
            first[place] = problem
    said = [
        f"{place_text(place) or default}: {_said(problem, place, of)}"
        f"{where(texts, place, of_key=problem['type'] in KEYS)}"
        for place, problem in islice(first.items(), MAX_SAID)
    ]
    return "; ".join(said) + (f" (and {len(first) - MAX_SAID} more)" if len(first) > MAX_SAID else "")


def place_text(place: Place) -> str:
    """Write a place as it is said."""
    return ".".join(str(step) or "''" for step in place if step != "[key]")


def _place(problem: Mapping[str, Any]) -> Place:
    """Give the keys that lead to what is wrong; where a key is, the mapping that holds it."""
    found = problem.get("ctx", {}).get("error")
    steps = [step for step in problem["loc"] if step not in CHOICES]
    if isinstance(found, PlacedError):
        return (*steps, *found.place.split("."))
    if _is_stateless_link(problem):
        return tuple(steps[:-1])
    return tuple(steps[:-2] if steps[-1:] == ["[key]"] and not isinstance(problem["input"], str) else steps)


def _is_stateless_link(problem: Mapping[str, Any]) -> bool:
    """Say whether what should stand under the state of a link stands under its cause."""
    steps = [step for step in problem["loc"] if step not in CHOICES]
    return problem["type"] == "model_type" and "links" in steps and steps[-1] in Probability.model_fields


def _said(problem: Mapping[str, Any], place: Place, of: type[BaseModel]) -> str:
    """Say what is wrong, and what to write in its stead where that can be told."""
    context, value = problem.get("ctx", {}), problem["input"]
    kind, said = str(problem["type"]), str(problem["msg"]).removeprefix("Value error, ")
    got = f", not '{str(value)[:MAX_QUOTED]}'" if isinstance(value, str | int | float) else ""
    if isinstance(found := context.get("error"), PlacedError):
        return found.reason
    if kind == "string_type" and isinstance(value, bool):
        return f"{said}: YAML takes yes, no, on and off for true and false, so put them in quotes"
    if kind == "invalid_key" or (problem["loc"][-1:] == ("[key]",) and not isinstance(value, str)):
        return f"{said}: is a comma in a number a decimal one? Write 0.05 with a point"
    if kind == "string_type":
        return "write a word or a sentence" + (f': put it in quotes, "{value}"' if got else "")
    if kind == "extra_forbidden":
        return f"is not permitted here.{nearest(str(place[-1]), _fields(of, problem['loc'][:-1]))}"
    if kind in ("missing", "string_pattern_mismatch"):
        said = said if kind == "missing" else f"must match {context['pattern']}{got}"
        field = _fields(of, problem["loc"][:-1]).get(str(place[-1])) if place else None
        return f"{said}: {field.description}" if field is not None and field.description else said
    if kind == "literal_error":
        return f"write {context['expected']}{got}"
    if kind.startswith("float"):
        return f"write a number, as 7 or 0.25{got}{_as_number(value) if isinstance(value, str) else ''}"
    if kind.startswith("int"):
        return f"write a whole number, as 1{got}"
    if kind in ("tuple_type", "too_long") and place[-1:] == ("range",):
        return f"write the lowest and the highest value as [0.25, 0.45], with points{got}"
    if kind == "tuple_type":
        return f"write a list, as [one, other]{got}"
    if _is_stateless_link(problem):
        return "a link stands under the state that it is of, as in {present: {p: 0.3, ...}}"
    if kind.startswith(("dict", "model")):
        return f"write keys, and what stands under each, as {{key: value}}{got}"
    if kind.startswith("too_"):
        least, most = context.get("min_length"), context.get("max_length")
        return f"give at least {least} items" if kind == "too_short" else f"give at most {most} items"
    return said


def _as_number(text: str) -> str:
    """Say how to write what was meant for a number."""
    word = text.strip()
    number = word.removesuffix("%").strip().replace(",", ".", 1)
    try:
        value = float(number) / (100 if word.endswith("%") else 1)
    except ValueError:
        return ""
    return f": write {value:g}, without quotes" if isfinite(value) else ""


def _fields(kind: Any, loc: Place) -> dict[str, FieldInfo]:
    """Give the fields that may stand at a place of some class, by its types."""
    for step in loc:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(step)].annotation
        elif step in CHOICES:
            kind = next(own for own in get_args(kind) if any(getattr(t, "tag", None) == step for t in get_args(own)))
        else:
            kind = get_args(kind)[-1 if get_origin(kind) is dict else 0]
        while get_origin(kind) is Annotated or type(None) in get_args(kind):
            kind = get_args(kind)[0]
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


def where(texts: Mapping[str, str], place: Place, *, of_key: bool = False) -> str:
    """Name the line and column of a place, or of what holds it, in the first of the texts that has most of it."""
    roots = {name: _composed(text) for name, text in texts.items()}
    found = [(*_mark(root, place, of_key), name) for name, root in roots.items() if root is not None]
    if not found or not place:
        return ""
    _, mark, name = max(found, key=lambda one: one[0])
    of_file = f" of {name}" if len(roots) > 1 else ""
    return f" (line {mark.line + 1}, column {mark.column + 1}{of_file})"


@lru_cache(maxsize=4)
def _composed(text: str) -> yaml.Node | None:
    """Compose what is asked of again for each problem in it."""
    return yaml.compose(text, Loader=_Loader)


def _mark(node: yaml.Node, place: Place, of_key: bool) -> tuple[int, Any]:
    """Follow the keys of a place as far as they go: how far, and where that is, at a scalar or at the key of others."""
    mark = node.start_mark
    for depth, step in enumerate(place):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        items = node.value if isinstance(node, yaml.SequenceNode) and str(step).isdigit() else []
        key = next((key for key, _ in pairs if key.value == str(step)), None)
        if key is not None:
            mark, node = key.start_mark, next(value for own, value in pairs if own is key)
        elif items and int(str(step)) < len(items):
            node = items[int(str(step))]
            mark = node.start_mark
        else:
            return depth, mark
    return len(place), node.start_mark if isinstance(node, yaml.ScalarNode) and not of_key else mark


EXTENDS = "extends"
OWN = ("name", "version")

# Lists that a child adds to, with what makes two entries one: the later replaces the earlier in its place.
ADDED: dict[str, tuple[str, ...]] = {
    "interactions": ("target", "when"),
    "alarm.rules": ("reason",),
    "alarm.key_questions": (),
    "red_flags": ("reason",),
    "general_care": (),
}


def _resolved(content: Content, source: str, find: Callable[[str, str], Found]) -> Content:
    """Merge a model file called ``source`` with what it extends, and that with what it extends in turn.

    ``find`` gives the name and content of a parent, from the word after ``extends`` and the file that says it.
    """
    chain: list[Found] = [(source, content)]
    while EXTENDS in (last := chain[-1])[1]:
        name, own = last
        parent = own[EXTENDS]
        if not isinstance(parent, str) or not parent.strip() or not parent.isprintable():
            raise ModelFileError(f"{name}: extends: names one model, not {parent!r}")
        for key in OWN:
            if own.get(key) is None:
                raise ModelFileError(f"{name}: {key}: missing; a file that extends another has its own")
        found, above = find(parent.strip(), name)
        names = [file for file, _ in chain]
        if found in names:
            raise ModelFileError(f"{source}: extends: a cycle, {' -> '.join([*names[names.index(found) :], found])}")
        if not isinstance(above, Mapping):
            raise ModelFileError(f"{name}: extends: {found} is no model file")
        if above.get("name") == own["name"]:
            raise ModelFileError(f"{name}: name: '{own['name']}' is that of {found}, which it extends: give it its own")
        chain.append((found, above))
    whole = chain.pop()[1]
    for name, layer in reversed(chain):
        whole = merged(whole, {key: value for key, value in layer.items() if key != EXTENDS}, source=name)
    return whole


def merged(parent: Content, child: Content, *, source: str = "model", place: str = "") -> dict[str, Any]:
    """Merge two mappings of a model file: the parent's keys in their order, then those that the child adds."""
    whole = dict(parent)
    for key, value in child.items():
        where, old = f"{place}.{key}" if place else str(key), whole.get(key)
        if value is None:
            if key not in whole:
                hint = nearest(str(key), map(str, parent))
                raise ModelFileError(f"{source}: {where}: taken away by null, but what it extends has none.{hint}")
            del whole[key]
        elif isinstance(old, dict) and isinstance(value, dict) and not isinstance(value.get("p"), int | float):
            whole[key] = merged(old, value, source=source, place=where)
        elif where in ADDED and isinstance(old, list) and isinstance(value, list):
            whole[key] = _added(old, value, ADDED[where])
        else:
            whole[key] = value
    return whole


def _added(old: list[Any], new: list[Any], identity: tuple[str, ...]) -> list[Any]:
    whole = list(old)
    for entry in new:
        place = next((i for i, known in enumerate(old) if _same(known, entry, identity)), len(whole))
        whole[place : place + 1] = [entry]
    return whole


def _same(one: object, other: object, identity: tuple[str, ...]) -> bool:
    if isinstance(one, dict) and isinstance(other, dict) and identity:
        return all(key in one and key in other and _listed(one[key]) == _listed(other[key]) for key in identity)
    return one == other


def _listed(value: object) -> object:
    """Write a condition with lists: a single state may stand without."""
    if isinstance(value, dict):
        return {name: [states] if isinstance(states, str) else states for name, states in value.items()}
    return value


HEADER = """\
# A model of kneebayes, written by it. Every probability carries its value, plausible range, basis and reason;
# change them here, not in Python. How it came about stands under provenance.
"""
ON_ONE_LINE = ("range", "when", "any_of", "states", "key_questions")
UNFOLDED = 1 << 30  # a width: a number and its reason are one line


def model_text(model: ModelSpec) -> str:
    """Write a model as YAML, which `parse_model` reads back to an equal model; what may be left out is left out."""
    content = model.model_dump(mode="json", exclude_defaults=True)
    return HEADER + yaml.dump(content, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=UNFOLDED)


def write_model(model: ModelSpec, path: str | os.PathLike[str]) -> None:
    """Write a model to a .yaml or .yml file, which appears whole or not at all and replaces one that is there."""
    _write(model_target(path), model_text(model))


def model_target(path: str | os.PathLike[str]) -> Path:
    """Read where a model file is to go."""
    path = _plain(path)
    if path.suffix not in ENDINGS:
        raise ModelFileError(f"{path}: a model file ends in .yaml or .yml, or it could not be loaded by its name")
    return path


def with_numbers(model: ModelSpec, numbers: Mapping[str, Probability], how: str = "", note: str = "") -> ModelSpec:
    """Replace numbers of a model by their place, as from `ModelSpec.probabilities`; the version and provenance say how.

    >>> fitted = with_numbers(read_model(model_path("extended")), {}, "fitted", "from 100 cases")
    >>> with_numbers(fitted, {}, "fitted", "anew").version.partition("+")[2]
    'fitted'
    """
    content: dict[str, Any] = model.model_dump()
    if how:
        own, _, local = model.version.partition("+")
        content["version"] = f"{own}+{'.'.join(dict.fromkeys([*filter(None, local.split('.')), how]))}"
        content["provenance"] = (*model.provenance, note)
    for place, number in numbers.items():
        *way, last = place.split(".")
        node: Any = content
        for step in way:
            node = node[int(step)] if isinstance(node, tuple) else node[step]
        node[last] = number.model_dump()
    return ModelSpec.model_validate(content)


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


_Writer.add_representer(str, _text)
_Writer.add_representer(dict, _mapping)


def starter_text(name: str) -> str:
    """Write a small model file with comments, complete and consistent."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ModelFileError(f"model name '{name[:60]}': write small letters, digits and _, a letter first: sore_elbow")
    return re.sub(r"\bNAME\b(?! \()", name, resources.files(__package__).joinpath(STARTER).read_text(encoding="utf-8"))


def start_model(path: str | os.PathLike[str]) -> Path:
    """Write a first model file, and say where: ``sore_elbow``, or ``models/sore_elbow.yaml``, is named sore_elbow."""
    path = _plain(path)
    if path.suffix not in ENDINGS:
        path = path.with_name(f"{path.name}.yaml")
    text = starter_text(path.stem)
    if os.path.lexists(path):
        raise ModelFileError(f"{path}: is there already; take another name, or remove it first")
    _write(path, text)
    return path


def _write(path: Path, text: str) -> None:
    try:
        write_whole(str(path), text, stream=False)
    except FileFormatError as error:
        raise ModelFileError(str(error)) from error


Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
WHOLE, CHANGED = "ModelSpec", "Change"
# what is merged by key, where a file extends another
MERGED = ("RiskFactor", "Cause", "Finding", "NumericInput", "AnswerInput", "Alarm", WHOLE)
EXTENDS_HINT = "A model that ships with kneebayes, or the path of a model file, which this one adds to or changes."


def model_schema() -> Schema:
    """Make the JSON Schema of model files: of whole ones, and of those that extend another.

    It checks shape, names and ranges. Whether a variable that is named exists, only ``kneebayes model --check`` says.
    """
    whole = ModelSpec.model_json_schema(mode="validation")
    definitions = {**whole.pop("$defs"), WHOLE: whole}
    for definition in definitions.values():
        _closed(definition)
        for value in definition["properties"].values():
            value.pop("title", None)
            if "allOf" in value:  # so pydantic before 2.9 describes what stands elsewhere
                value.update(*value.pop("allOf"))
    for name in MERGED:
        definitions[f"{name}{CHANGED}"] = _changed(definitions[name])
    change = definitions[f"{WHOLE}{CHANGED}"]
    change["properties"] = {EXTENDS: {"type": "string", "minLength": 1, "description": EXTENDS_HINT}} | {
        **change["properties"],
        **{key: deepcopy(whole["properties"][key]) for key in OWN},
    }
    change["required"] = [EXTENDS, *OWN]
    change["description"] = "What a model adds to, or changes in, the one it extends; null takes away."
    return {
        "$schema": DIALECT,
        "title": "A model file of kneebayes",
        "type": "object",
        "if": {"required": [EXTENDS]},
        "then": {"$ref": f"#/$defs/{WHOLE}{CHANGED}"},
        "else": {"$ref": f"#/$defs/{WHOLE}"},
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Write the JSON Schema as text, the same from run to run."""
    return json.dumps(model_schema(), indent=2, ensure_ascii=False) + "\n"


def _closed(node: Any) -> None:
    """Refuse keys of mappings that do not match the pattern of names, all the way down."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _closed(value)
    elif isinstance(node, list):
        for value in node:
            _closed(value)


def _changed(definition: Schema) -> Schema:
    """Make the schema of a change: nothing is required, and null takes away."""
    changed = {key: value for key, value in deepcopy(definition).items() if key not in ("required", "properties")}
    changed["title"] = f"{definition['title']}{CHANGED}"
    changed["properties"] = {key: _removable(value, key) for key, value in definition["properties"].items()}
    return changed


def _removable(node: Schema, key: str) -> Schema:
    said = {"description": node["description"]} if "description" in node else {}
    bare = {k: v for k, v in node.items() if k not in ("description", "default")}
    reference = bare.get("$ref", "").removeprefix("#/$defs/")
    if "oneOf" in bare:  # a part of one may be a part of another too
        return {"anyOf": [*(_removable(value, key)["anyOf"][0] for value in bare["oneOf"]), {"type": "null"}], **said}
    if reference in MERGED:
        bare = {"$ref": f"#/$defs/{reference}{CHANGED}"}
    elif bare.get("type") == "object":
        bare.pop("minProperties", None)
        for kind in ("patternProperties", "additionalProperties"):
            inner = bare.get(kind)
            if kind == "patternProperties" and inner:
                bare[kind] = {pattern: _removable(value, key) for pattern, value in inner.items()}
            elif isinstance(inner, dict):
                bare[kind] = _removable(inner, key)
    elif bare.get("type") == "array" and any(place.split(".")[-1] == key for place in ADDED):
        bare.pop("minItems", None)
    return {"anyOf": [bare, {"type": "null"}], **said}
