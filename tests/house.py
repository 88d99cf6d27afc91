"""How the package is laid out, measured: its size, its rooms, which way imports go, and what one case passes through.

    python -m tests.house [CHECKOUT]

CHECKOUT is a folder with ``kneebayes`` and ``pyproject.toml`` in it, by default this one; another commit's gives the
figures from before. A room is a folder; beside folders, a module at the top is a room of its own.

A walk is what a reader has to follow: the files whose functions a command enters, each where it is entered first. The
command runs twice in this process, and the second run is recorded, so that what happens at import does not count.
"""

from __future__ import annotations

import ast
import io
import sys
import tempfile
import threading
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    import grimp

PACKAGE = "kneebayes"
MAX_FUNCTION_LINES, MAX_COLUMNS = 60, 100
CACHE = "__pycache__"  # what Python and numba leave behind
LAYOUT_TOKENS = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
DIAGNOSE = ["diagnose", "age=67", "sex=male", "long_travel=yes", "unilateral_leg_swelling=yes"]
HEADER, ROW = "case_id,age,calf_pain,unilateral_leg_swelling\n", "case_{},67,present,yes\n"
LONG_FILE_ROWS = 14_000  # over 256 KiB, from where on compiled code reads and computes


class Size(NamedTuple):
    """Lines of a module, and its functions: name, lines, lines without the docstring."""

    total: int
    code: int
    docstring: int
    comments: int
    long_lines: int
    functions: list[tuple[str, int, int]]


def size(path: Path) -> Size:
    """Count the lines of a module; a comment behind code is code."""
    text = path.read_text(encoding="utf-8")
    strings = {node: own for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED) and (own := docs(node))}
    docstring = {line for lines in strings.values() for line in lines}
    code, comments = set[int](), set[int]()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in LAYOUT_TOKENS:
            code.update(range(token.start[0], token.end[0] + 1))
    functions = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, FUNCTION):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            functions.append((f"{path.stem}.{node.name}", lines, lines - len(docs(node))))
    written = text.splitlines()
    long_lines = sum(len(line) > MAX_COLUMNS for line in written)
    return Size(len(written), len(code - docstring), len(docstring), len(comments - code), long_lines, functions)


def docs(node: ast.AST) -> range:
    """Lines of the docstring of a module, class or function."""
    first = node.body[0] if isinstance(node, DOCUMENTED) and node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return range(first.lineno, (first.end_lineno or first.lineno) + 1)
    return range(0)


def room(path: Path, package: Path) -> str:
    """Name the room of a file: its folder, or itself at the top of a package that has folders."""
    parts = path.relative_to(package).parts
    if len(parts) > 1:
        return parts[0]
    return path.stem if any(package.glob("*/*.py")) else "(flat)"


def layers(checkout: Path) -> list[list[set[str]]]:
    """Read the rooms' order from the contract of import-linter: top first, and in each layer the independent sets."""
    settings = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings.get("tool", {}).get("importlinter", {}).get("contracts", [])
    found = next((contract for contract in contracts if contract.get("type") == "layers"), None)
    if found is None:
        return []
    prefix = "" if found["layers"][0].strip("( ").startswith(PACKAGE) else f"{found.get('containers', [PACKAGE])[0]}."
    names: list[list[str]] = [layer.split("|") for layer in found["layers"]]
    return [[{prefix + n.strip(" ()") for n in part.split(":")} for part in parts] for parts in names]


def imports_against(graph: grimp.ImportGraph, order: list[list[set[str]]]) -> Iterator[tuple[str, str]]:
    """Find imports from a layer into one above it, or into an independent one beside it."""
    places = {name: (i, j) for i, parts in enumerate(order) for j, names in enumerate(parts) for name in names}

    def place(module: str) -> tuple[int, int] | None:
        return next((p for name, p in places.items() if f"{module}.".startswith(f"{name}.")), None)

    for importer, imported in imports(graph):
        a, b = place(importer), place(imported)
        if a and b and (b[0] < a[0] or (b[0] == a[0] and b[1] != a[1])):
            yield importer, imported


def imports(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    """List who imports whom, within functions too; not for annotations alone."""
    return sorted((a, b) for a in graph.modules for b in graph.find_modules_directly_imported_by(a))


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Find sets of modules each of which reaches every other by imports."""
    names = sorted(graph.modules)
    matrix = np.zeros((len(names), len(names)), dtype=np.int8)
    for a, b in imports(graph):
        matrix[names.index(a), names.index(b)] = 1
    n, labels = connected_components(csr_array(matrix), directed=True, connection="strong")
    sets = [[name for name, label in zip(names, labels, strict=True) if label == k] for k in range(n)]
    return [members for members in sets if len(members) > 1]


READYING = ("load_model", "__init__", "__post_init__", "fill")


def walk(checkout: Path, arguments: list[str]) -> list[Path]:
    """Run a command and list the files of the package that the case enters, one after the other.

    What makes a model ready, before there is a case, is left out: reading its file, and what `READYING` names.
    """
    main = import_module(f"{PACKAGE}.__main__").main
    package, entered = str(checkout / PACKAGE), list[str]()
    readying = Counter[int]()  # how deep in it each thread is

    def record(frame: FrameType, event: str, argument: Any) -> None:
        code, thread = frame.f_code, threading.get_ident()
        if event not in ("call", "return") or not code.co_filename.startswith(package) or code.co_name == "<module>":
            return
        if code.co_name in READYING:
            readying[thread] += 1 if event == "call" else -1
        elif event == "call" and not readying[thread]:
            entered.append(code.co_filename)

    sys.argv = [PACKAGE, *arguments]
    for recorder in (None, record):
        threading.setprofile(recorder)
        sys.setprofile(recorder)
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                main()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{' '.join(arguments)} ended with exit code {end.code}") from end
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return [Path(name) for name, _ in groupby(entered)]


def told(what: str, steps: list[Path], package: Path) -> str:
    """Say what a walk passes: files and rooms in the order of their first entry, then all entries."""
    files = list(dict.fromkeys(steps))
    rooms = [name for name, _ in groupby(room(file, package) for file in files)]
    all_rooms = [name for name, _ in groupby(room(file, package) for file in steps)]
    names = [str(file.relative_to(package).with_suffix("")) for file in files]
    return (
        f"{what}: {len(files)} files, rooms entered twice: {len(rooms) - len(set(rooms))} "
        f"({len(set(rooms))} rooms: {' > '.join(rooms)})\n  {' > '.join(names)}\n"
        f"  with every return to a file: {len(steps)} steps, {len(all_rooms) - len(set(all_rooms))} returns to a room"
    )


def main(checkout: Path) -> None:
    """Print the figures."""
    import grimp  # here, as it comes with import-linter, and pytest reads this module without it

    package = checkout / PACKAGE
    files = sorted(package.rglob("*.py"))
    sizes = [size(file) for file in files]
    others = [f for f in package.rglob("*") if f.is_file() and f.suffix != ".py" and f.parent.name != CACHE]
    other_lines = sum(file.read_text(encoding="utf-8").count("\n") for file in others)
    total, code, docstring, comments, long_lines = (sum(column) for column in list(zip(*sizes, strict=True))[:5])
    print(f"files: {len(files)} of Python, {len(others)} others ({other_lines:,} lines)")
    print(f"lines: {total:,} (code {code:,}, docstrings {docstring:,}, own-line comments {comments:,})")
    rooms = Counter(room(file, package) for file in files if file.name not in ("__init__.py", "__main__.py"))
    folders = {name for name in rooms if (package / name).is_dir()}
    modules = ", ".join(f"{name} {n}" for name, n in rooms.items())
    top = f", modules at the top: {len(rooms) - len(folders)}" if folders else ""
    print(f"rooms: {len(folders) or 1}{top}; modules in each: {modules}")
    sys.path.insert(0, str(checkout))
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    order = layers(checkout)
    against = list(imports_against(graph, order))
    print(f"imports against the contract: {len(against) if order else 'no contract'} of {len(imports(graph))}")
    print(*(f"  {a} -> {b}" for a, b in against), sep="\n", end="\n" if against else "")
    found = circles(graph)
    print(f"circles: {len(found)}", *(f"  {' '.join(members)}" for members in found), sep="\n")
    functions = sorted((f for own in sizes for f in own.functions), key=lambda f: -f[2])
    bare = [f"{name} {lines}" for name, _, lines in functions if lines > MAX_FUNCTION_LINES]
    whole = sum(lines > MAX_FUNCTION_LINES for _, lines, _ in functions)
    print(f"functions over {MAX_FUNCTION_LINES} lines: {whole}, docstrings aside {len(bare)}: {', '.join(bare)}")
    print(f"lines over {MAX_COLUMNS} characters: {long_lines:,}")
    print(told("kneebayes diagnose", walk(checkout, DIAGNOSE), package))
    with tempfile.TemporaryDirectory() as folder:
        for what, rows in (("a CSV of one row", 1), (f"a CSV of {LONG_FILE_ROWS:,} rows", LONG_FILE_ROWS)):
            source = Path(folder) / f"{rows}.csv"
            source.write_text(HEADER + "".join(map(ROW.format, range(rows))), encoding="utf-8")
            command = ["score", str(source), "-o", f"{folder}/posteriors.csv", "--quiet"]
            print(told(f"kneebayes score, {what}", walk(checkout, command), package))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve())
