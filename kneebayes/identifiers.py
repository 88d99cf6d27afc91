"""Names of other programs' networks as names that a model file can have."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kneebayes.cpt import Node, reordered
from kneebayes.model import RESERVED

__all__ = ["Plain", "identifier", "renamed"]

ABSENT_WORDS = ("absent", "no", "false", "negative", "none", "off", "0")
PRESENT_WORDS = ("present", "yes", "true", "positive", "on", "1")
ABSENT_PRESENT = ("absent", "present")


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
