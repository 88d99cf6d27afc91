"""Mutation testing of the modules that every number goes through.

    pip install "mutmut>=3.8,<3.9"
    nice python -m tests.stress.mutation                      # all of them: an hour or two
    nice python -m tests.stress.mutation noisyor tables --every 5
    nice python -m tests.stress.mutation --again              # the survivors of the last run only

The mutants are mutmut's: a number one up, an operator swapped, an argument
left out, a text changed. Beyond mutmut's own run they also touch decorated
functions and the constants of a module. The tests of `TESTS` are collected
once; then each mutant has a process forked for it, in which the code of its
module's functions is swapped and the tests run until one fails. What survives
that is tried once more in a process that imports the mutant in place of its
module, for what tests compute as they are imported. No file of the checkout
changes. Results go to ``--out``, with the line that each mutant changes.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import importlib.abc
import importlib.machinery
import json
import mmap
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators

CHECKOUT = Path(__file__).parents[2]
# by module, the tests that are run on its mutants, those that find most in least time first
TESTS = {
    "inference.tables": ["inference/test_tables", "inference/test_network", "inference/test_kernels"],
    "inference.network": ["inference/test_network", "inference/test_findings", "inference/test_evidence"],
    "inference.evidence": ["inference/test_evidence"],
    "cases.coding": ["cases/test_coding", "inference/test_evidence"],
    "diagnosis.alarm": ["diagnosis/test_alarm"],
    "diagnosis.retractions": ["diagnosis/test_retractions"],
}
PRELOAD = ["numpy", "pandas", "pyarrow.compute", "pydantic", "yaml", "numba", "pytest", "hypothesis", "pgmpy.models"]
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
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

    METADATA_DEPENDENCIES = (PositionProvider, WhitespaceInclusivePositionProvider)

    def __init__(self) -> None:
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, int, int, cst.metadata.CodeRange]] = []
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
        span = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(node, changed, place.line, place.column, span) for changed in operator(node)]
        return True

    def on_leave(self, node: cst.CSTNode) -> None:
        """Count the functions around a node."""
        if isinstance(node, cst.FunctionDef):
            self.depth -= 1


def mutants(module: str) -> Iterator[Mutant]:
    """Yield the mutants of a module, in the order of its lines."""
    source = (CHECKOUT / "kneebayes" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    places = Places()
    wrapper.visit(places)
    starts = list(accumulate(map(len, source.splitlines(keepends=True)), initial=0))
    for n, (node, changed, line, column, span) in enumerate(places.found):
        first, last = (starts[at.line - 1] + at.column for at in (span.start, span.end))
        if source[first:last] == wrapper.module.code_for_node(node):
            code = source[:first] + wrapper.module.code_for_node(changed) + source[last:]
        else:
            code = wrapper.module.deep_replace(node, changed).code
        with contextlib.suppress(SyntaxError):
            if compile(code, module, "exec", dont_inherit=True) is not None and unlike(code, source):
                lines = difflib.unified_diff(source.splitlines(), code.splitlines(), n=0, lineterm="")
                diff = "\n".join(x for x in lines if not x.startswith(("---", "+++", "@@")))
                yield Mutant(module, f"{module}:{line}:{column}:{n}", diff, code)


class Swapping:
    """A pytest plugin: once all tests are collected, run them on each mutant in a process of its own.

    Parameters
    ----------
    module : str
        Whose mutants.
    chosen : list of Mutant
        The mutants; None stands for the module as it is.
    told : callable
        Called with each mutant, its state and the seconds it took.
    """

    def __init__(self, module: str, chosen: Sequence[Mutant], told: Callable[[Mutant, str, float], None]) -> None:
        self.module, self.chosen, self.told = module, chosen, told

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all tests on the module as it is, then on the mutants."""
        original = importlib.import_module(f"kneebayes.{self.module}")

        order = list(range(len(session.items)))
        killer = mmap.mmap(-1, 8)  # shared with the processes to come

        def tests(mutant: Mutant | None) -> int:
            if mutant is not None:
                swap(original, mutant.source)
            items = [session.items[place] for place in order]
            for place, item, after in zip(order, items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
                if session.testsfailed:
                    killer[:] = (place + 1).to_bytes(8)
                    return 1
            return 0

        state, usual = in_a_process(lambda: tests(None), 900)
        if state != "survived":
            raise SystemExit(f"{self.module}: a test fails without a mutant")
        print(f"{self.module}: {len(self.chosen)} mutants, {len(session.items)} tests in {usual:.0f} s", flush=True)
        for mutant in self.chosen:
            killer[:] = bytes(8)
            self.told(mutant, *in_a_process(partial(tests, mutant), 3 * usual + 10))
            place = int.from_bytes(killer[:]) - 1
            if place >= 0:  # neighbours among mutants mostly die of the same test: it comes first from now on
                order.remove(place)
                order.insert(0, place)
        return True


def swap(module: ModuleType, source: str) -> None:
    """Give the functions of a module the code that they have in another source, and the module its constants."""
    namespace: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(source, str(module.__file__), "exec", dont_inherit=True), namespace)
    for name, value in namespace.items():
        old = getattr(module, name, None)
        if getattr(value, "__module__", None) == module.__name__:
            pairs = [(old, value)]
            if isinstance(value, type):
                pairs = [(vars(old).get(key), new) for key, new in vars(value).items()]
            for before, after in pairs:
                before, after = function_of(before), function_of(after)
                if before is not None and after is not None:
                    before.__code__ = after.__code__
                    before.__defaults__, before.__kwdefaults__ = after.__defaults__, after.__kwdefaults__
        elif isinstance(value, str | int | float | tuple | dict | frozenset) and not name.startswith("__"):
            setattr(module, name, value)


def function_of(attribute: object) -> FunctionType | None:
    """Find the function behind a method or a property."""
    for name in ("fget", "func", "__func__"):
        attribute = getattr(attribute, name, attribute)
    return attribute if isinstance(attribute, FunctionType) else None


def unlike(code: str, source: str) -> bool:
    """Say whether two sources differ in more than the check that zip gets what is of one length."""
    bare, before = (re.sub(r",\s*(strict=\w+)?\)", ")", text) for text in (code, source))
    return bare != before


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


def in_a_process(work: Callable[[], int], seconds: float) -> tuple[str, float]:
    """Do some work in a process of its own: killed, survived or timeout, and the seconds it took."""
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)  # what it starts ends with it
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = 1
        with contextlib.suppress(BaseException):
            code = work()
        os._exit(code)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return "survived" if status == 0 else "killed", time.monotonic() - start
        if time.monotonic() - start > seconds:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout", time.monotonic() - start
        time.sleep(0.005)


def imported(mutant: Mutant, tests: list[str]) -> int:
    """Run tests that import a mutant in place of its module."""
    sys.meta_path.insert(0, Instead(mutant))
    for name in [name for name in sys.modules if name.split(".")[0] in ("kneebayes", "tests")]:
        del sys.modules[name]
    return int(pytest.main([*OPTIONS, "-x", *tests]))


def read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the results kept in a file, by module."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def examine(module: str, chosen: list[Mutant], out: Path, *, again: bool) -> None:
    """Run the tests of a module on its mutants, and keep what comes out as it comes.

    Parameters
    ----------
    module : str
        Which.
    chosen : list of Mutant
        Its mutants.
    out : Path
        Where results are kept.
    again : bool
        Whether to take over what was killed by then.
    """
    results, tests = read(out), [f"tests/{name}.py" for name in TESTS[module]]
    dead = {r["name"] + r["diff"]: r for r in results.get(module, []) if again and r["state"] != "survived"}
    found = results[module] = [dead[key] for key in (m.name + m.diff for m in chosen) if key in dead]

    def told(mutant: Mutant, state: str, seconds: float) -> None:
        if state == "survived":
            state, more = in_a_process(partial(imported, mutant, tests), 900)
            seconds += more
        if state == "survived":
            print(f"-- {mutant.name} survived\n{mutant.diff}", flush=True)
        found.append({**asdict(mutant), "source": "", "state": state, "seconds": round(seconds, 2)})
        out.write_text(json.dumps(results, indent=0), encoding="utf-8")

    left = [mutant for mutant in chosen if mutant.name + mutant.diff not in dead]
    pytest.main([*OPTIONS, "-s", *tests], plugins=[Swapping(module, left, told)])


def main() -> None:
    """Test the modules asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", choices=[[], *TESTS], help="by default all")
    parser.add_argument("--again", action="store_true", help="only what survived the last run")
    parser.add_argument("--every", type=int, default=1, help="a sample: every n-th mutant")
    parser.add_argument("--count", action="store_true", help="only count the mutants")
    parser.add_argument("--out", type=Path, default=Path("mutation.json"), help="where results are kept")
    options = parser.parse_args()
    os.chdir(CHECKOUT)
    sys.path.insert(0, str(CHECKOUT))
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in PRELOAD:
        importlib.import_module(name)
    for module in options.modules or TESTS:
        chosen = list(mutants(module))[:: options.every]
        if options.count:
            print(f"{module}: {len(chosen)} mutants")
            continue
        child = os.fork()  # a process for each module: what its tests import is gone with it
        if child == 0:
            examine(module, chosen, options.out, again=options.again)
            sys.stdout.flush()
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise SystemExit(f"{module}: stopped")
    results = read(options.out)
    print(f"\n{'module':<14}{'mutants':>9}{'killed':>9}{'timeout':>9}{'survived':>10}{'killed':>9}")
    for module, found in results.items():
        states = Counter(result["state"] for result in found)
        share = 1 - states["survived"] / len(found)
        counts = f"{len(found):>9}{states['killed']:>9}{states['timeout']:>9}{states['survived']:>10}"
        print(f"{module:<14}{counts}{share:>9.1%}")


if __name__ == "__main__":
    main()
