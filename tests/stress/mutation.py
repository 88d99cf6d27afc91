"""Mutation testing of the modules that every number goes through.

    pip install "mutmut>=3.8,<3.9"
    nice python -m tests.stress.mutation                      # all of them: an hour or two
    nice python -m tests.stress.mutation noisyor tables
    nice python -m tests.stress.mutation --again              # the survivors of the last run only

The mutants are mutmut's: a number one up, an operator swapped, an argument
left out, a text changed. Beyond mutmut's own run they also touch decorated
functions and the constants of a module, and tests that keep a compiled model
between them see the mutant: each is imported in place of its module by a
process forked for it, which runs the tests of `TESTS` until one fails. No file
of the checkout changes. Survivors go to ``--out``, with the line they change.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

CHECKOUT = Path(__file__).parents[2]
# by module, the tests that are run on its mutants, those that find most in least time first
TESTS = {
    "noisyor": ["noisyor", "properties", "network", "oracles"],
    "tables": ["inference", "noisyor", "kernel", "oracles"],
    "inference": ["inference", "kernel", "api", "oracles"],
    "evidence": ["evidence", "scoring", "likelihood"],
    "vocabulary": ["evidence", "likelihood", "scoring"],
    "likelihood": ["likelihood", "scoring"],
    "alarm": ["alarm", "scoring", "clinical"],
}
PRELOAD = ["numpy", "pandas", "pyarrow.compute", "pydantic", "yaml", "numba", "pytest", "hypothesis", "pgmpy.models"]
UNTOUCHED = {"__all__"}


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    Attributes
    ----------
    module, name : str
        Which, and ``module:line:column:n``.
    diff : str
        The lines taken out and put in.
    source : str
        The whole module with the change.
    """

    module: str
    name: str
    diff: str
    source: str


class Places(cst.CSTVisitor):  # type: ignore[misc]  # libcst is not there where mypy runs
    """Collect what the operators make of every node, but for annotations, texts of documentation and type aliases."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, int, int]] = []
        self.depth = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Look at one node, and say whether to look inside."""
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
            return False
        if isinstance(node, cst.Expr) and isinstance(node.value, cst.BaseString):
            return False  # a docstring
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in ("len", "isinstance"):
            return False
        if isinstance(node, cst.If) and isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING":
            return False
        if isinstance(node, cst.FunctionDef):
            self.depth += 1
        elif self.depth == 0 and isinstance(node, cst.Assign):
            target = node.targets[0].target
            if (isinstance(target, cst.Name) and target.value in UNTOUCHED) or isinstance(node.value, cst.Subscript):
                return False
        place = self.get_metadata(PositionProvider, node).start
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(node, changed, place.line, place.column) for changed in operator(node)]
        return True

    def on_leave(self, node: cst.CSTNode) -> None:
        """Count the functions around a node."""
        if isinstance(node, cst.FunctionDef):
            self.depth -= 1


def mutants(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module, in the order of its lines."""
    source = (CHECKOUT / "kneebayes" / f"{module}.py").read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    places = Places()
    wrapper.visit(places)
    for n, (node, changed, line, column) in enumerate(places.found):
        code = wrapper.module.deep_replace(node, changed).code
        with contextlib.suppress(SyntaxError):
            if compile(code, module, "exec", dont_inherit=True) is not None and code != source:
                lines = difflib.unified_diff(source.splitlines(), code.splitlines(), n=0, lineterm="")
                diff = "\n".join(x for x in lines if not x.startswith(("---", "+++", "@@")))
                yield Mutant(module, f"{module}:{line}:{column}:{n}", diff, code)


class Instead(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Import a module from a source of ours."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = f"kneebayes.{mutant.module}"
        self.path = str(CHECKOUT / "kneebayes" / f"{mutant.module}.py")
        self.source = mutant.source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Claim the module."""
        if fullname != self.name:
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=self.path)
        spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        """Give the changed source."""
        return self.source

    def get_code(self, fullname: str) -> CodeType:
        """Compile it."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


def run(mutant: Mutant | None, tests: list[str], seconds: float) -> tuple[str, float]:
    """Run tests on a mutant in a process of its own: killed, survived or timeout, and the seconds it took."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # what it starts ends with it
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        if mutant is not None:
            sys.meta_path.insert(0, Instead(mutant))
        try:
            import pytest

            code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
        except BaseException:
            code = 1
        os._exit(code)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "survived" if status == 0 else "killed", time.monotonic() - start
        if time.monotonic() - start > seconds:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout", time.monotonic() - start
        time.sleep(0.01)


def main() -> None:
    """Test the modules asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[[], *TESTS], help="by default all")
    parser.add_argument("--again", action="store_true", help="only what survived the last run")
    parser.add_argument("--count", action="store_true", help="only count the mutants")
    parser.add_argument("--out", type=Path, default=Path("mutation.json"), help="where results are kept")
    options = parser.parse_args()
    os.chdir(CHECKOUT)
    sys.path.insert(0, str(CHECKOUT))
    results = json.loads(options.out.read_text()) if options.out.exists() else {}
    for name in PRELOAD:
        importlib.import_module(name)
    for module in options.modules or TESTS:
        everything = list(mutants(module))
        if options.count:
            print(f"{module}: {len(everything)} mutants")
            continue
        tests = [f"tests/test_{name}.py" for name in TESTS[module]]
        last = {} if not options.again else {r["name"] + r["diff"]: r for r in results.get(module, [])}
        state, usual = run(None, tests, 900)
        if state != "survived":
            raise SystemExit(f"the tests of {module} fail without a mutant: {' '.join(tests)}")
        print(f"{module}: {len(everything)} mutants; all its tests take {usual:.0f} s", flush=True)
        found = []
        for mutant in everything:
            before = last.get(mutant.name + mutant.diff)
            if before and before["state"] != "survived":
                found.append(before)
                continue
            state, seconds = run(mutant, tests, 3 * usual + 10)
            found.append({**asdict(mutant), "source": "", "state": state, "seconds": round(seconds, 2)})
            if state == "survived":
                print(f"-- {mutant.name} survived\n{mutant.diff}", flush=True)
            results[module] = found
            options.out.write_text(json.dumps(results, indent=0))
        results[module] = found
        options.out.write_text(json.dumps(results, indent=0))
    print(f"\n{'module':<14}{'mutants':>9}{'killed':>9}{'timeout':>9}{'survived':>10}{'killed':>9}")
    for module, found in results.items():
        states = Counter(result["state"] for result in found)
        share = 1 - states["survived"] / len(found)
        counts = f"{len(found):>9}{states['killed']:>9}{states['timeout']:>9}{states['survived']:>10}"
        print(f"{module:<14}{counts}{share:>9.1%}")


if __name__ == "__main__":
    main()
