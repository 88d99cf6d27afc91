"""Bring the list of modules in CONTRIBUTING up to date: ``python docs/make_modules.py``.

A module stands after those it imports. Within that, the order and the words of
the list stay as they are; a new module comes as soon as it can, with the first
line of its docstring.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = re.compile(r"(?:^ {6}[a-z]+ +\S.*\n)+", re.MULTILINE)


def main() -> None:
    """Write the list."""
    path = ROOT / "CONTRIBUTING.md"
    text = path.read_text(encoding="utf-8")
    known = dict(re.findall(r"^ {6}([a-z]+) +(\S.*)$", text, re.MULTILINE))
    trees = {p.stem: ast.parse(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "kneebayes").glob("[a-z]*.py"))}
    lines = [f"      {name:<17} {known.get(name) or said(trees[name])}\n" for name in ordered(trees, list(known))]
    path.write_text(LIST.sub(lambda _: "".join(lines), text, count=1), encoding="utf-8")


def ordered(trees: dict[str, ast.Module], known: list[str]) -> list[str]:
    """Order modules after what they import, and else as they were.

    Parameters
    ----------
    trees : dict of str to ast.Module
        The modules.
    known : list of str
        The order there was.

    Returns
    -------
    list of str
        Every module once.
    """
    needs = {name: imported(tree) & trees.keys() for name, tree in trees.items()}
    order: list[str] = []
    while len(order) < len(trees):
        ready = [name for name in trees if name not in order and needs[name] <= set(order)]
        order.append(min(ready, key=lambda name: known.index(name) if name in known else -1))
    return order


def imported(tree: ast.Module) -> set[str]:
    """Find the modules of kneebayes that one imports at run time, wherever in it.

    Parameters
    ----------
    tree : ast.Module
        The module.

    Returns
    -------
    set of str
        Their names.
    """
    annotations_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in annotations_only:
            module = node.module or ""
            if module == "kneebayes":
                found |= {alias.name for alias in node.names}
            elif module.startswith("kneebayes."):
                found.add(module.split(".")[1])
    return found


def said(tree: ast.Module) -> str:
    """Take what a module says of itself, without a capital and a full stop.

    Parameters
    ----------
    tree : ast.Module
        The module.

    Returns
    -------
    str
        One line.
    """
    first = (ast.get_docstring(tree) or "").split("\n")[0].rstrip(".")
    return first if first[1:2].isupper() else first[:1].lower() + first[1:]


if __name__ == "__main__":
    main()
