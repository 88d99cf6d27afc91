"""Model files that extend another: what is merged, how, and what is refused.

A file with ``extends: PARENT`` says only what it adds or changes. Mappings
merge by key, as in a JSON merge patch (RFC 7386): a new key adds, a known one
changes, ``null`` takes away. A number (a mapping with ``p``) is replaced as a
whole, since value, range, basis and reason belong together. The lists of
`ADDED` grow; any other list is replaced. The result is an ordinary model file,
and is checked as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kneebayes.errors import ModelFileError, nearest

__all__ = ["ADDED", "EXTENDS", "merged", "resolve"]

EXTENDS = "extends"
OWN = ("name", "version")
Content = Mapping[str, Any]
Found = tuple[str, Content]

# Lists that a child adds to, with what makes two entries one: the later replaces the earlier in its place.
ADDED: dict[str, tuple[str, ...]] = {
    "interactions": ("target", "when"),
    "alarm.rules": ("reason",),
    "alarm.key_questions": (),
    "red_flags": ("reason",),
    "general_care": (),
}


def resolve(content: Content, source: str, find: Callable[[str, str], Found]) -> Content:
    """Merge a model file with what it extends, and that with what it extends in turn.

    Parameters
    ----------
    content : mapping
        What the file says.
    source : str
        What the file is called: its path, if it has one.
    find : callable
        Gives the name and content of a parent, from the word after
        ``extends`` and the name of the file that says it.

    Returns
    -------
    mapping
        One whole model file, without ``extends``.

    Raises
    ------
    ModelFileError
        If a parent is not named by a word, extends what it is extended by, or
        has no content; if the file has no name and version of its own; if
        something is taken away that is not there.
    """
    chain: list[Found] = [(source, content)]
    while EXTENDS in (last := chain[-1])[1]:
        name, own = last
        parent = own[EXTENDS]
        if not isinstance(parent, str) or not parent.strip():
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
    """Merge two mappings of a model file.

    Parameters
    ----------
    parent, child : mapping
        What is extended, and what extends it.
    source, place : str
        File and place of the child, for errors.

    Returns
    -------
    dict
        The parent's keys in their order, then those the child adds.

    Raises
    ------
    ModelFileError
        If the child takes away what the parent does not have.

    Examples
    --------
    >>> merged({"causes": {"a": 1, "b": 2}, "care": ["rest"]}, {"causes": {"b": None, "c": 3}, "care": ["walk"]})
    {'causes': {'a': 1, 'c': 3}, 'care': ['walk']}
    >>> merged({"general_care": ["rest"]}, {"general_care": ["walk"]})
    {'general_care': ['rest', 'walk']}
    """
    whole = dict(parent)
    for key, value in child.items():
        where = f"{place}.{key}" if place else str(key)
        if value is None:
            if key not in whole:
                hint = nearest(str(key), map(str, parent))
                raise ModelFileError(f"{source}: {where}: taken away by null, but what it extends has none.{hint}")
            del whole[key]
        elif _merge(whole.get(key), value):
            whole[key] = merged(whole[key], value, source=source, place=where)
        elif where in ADDED and isinstance(whole.get(key), list) and isinstance(value, list):
            whole[key] = _added(whole[key], value, ADDED[where])
        else:
            whole[key] = value
    return whole


def _merge(old: object, new: object) -> bool:
    """Say whether two values merge by key: mappings do, unless the new one is a number with its source."""
    return isinstance(old, dict) and isinstance(new, dict) and not isinstance(new.get("p"), int | float)


def _added(old: list[Any], new: list[Any], identity: tuple[str, ...]) -> list[Any]:
    whole = list(old)
    for entry in new:
        places = [i for i, known in enumerate(old) if _same(known, entry, identity)]
        if places:
            whole[places[0]] = entry
        else:
            whole.append(entry)
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
