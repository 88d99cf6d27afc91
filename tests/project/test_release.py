"""What is released: dependencies that are declared, with ranges that hold; a source distribution with all there is."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.oldest import oldest

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
OF_USERS = [
    *PROJECT["dependencies"],
    *(text for name in ("distributed", "fhir", "formats", "notebook") for text in EXTRAS[name]),
]
OTHER_NAMES = {"yaml": "pyyaml", "sklearn": "scikit-learn", "fhir": "fhir-resources"}
ONLY_TYPES = ("-stubs", "types-")  # of which mypy wants the newest


def third_party_imports() -> set[str]:
    """Find the packages that kneebayes imports, wherever in its modules."""
    found: set[str] = set()
    for path in (ROOT / "kneebayes").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return {name for name in found - {"kneebayes"} if name not in sys.stdlib_module_names}


def test_what_is_imported_is_declared() -> None:
    declared = {canonicalize_name(Requirement(text).name) for text in OF_USERS}
    imported = {canonicalize_name(OTHER_NAMES.get(name, name)) for name in third_party_imports()}
    assert {"numpy", "scipy", "llvmlite", "dask"} <= imported
    assert imported - declared == set()


@pytest.mark.parametrize("text", [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)])
def test_every_dependency_has_a_range_whose_lower_end_is_tried(text: str) -> None:
    requirement = Requirement(text)
    if requirement.name == "kneebayes" or any(part in requirement.name for part in ONLY_TYPES):
        return
    assert requirement.url is None
    assert any(specifier.operator == ">=" for specifier in requirement.specifier), f"{text}: no lower end"
    assert "==" not in {specifier.operator for specifier in requirement.specifier}
    ((name, version),) = oldest([text]).items()
    assert name == requirement.name
    assert requirement.specifier.contains(version)


def test_constraints_are_made_with_python_alone() -> None:
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "tests" / "oldest.py")], capture_output=True, text=True, check=True
    )
    lines = run.stdout.splitlines()
    assert re.fullmatch(r"numpy==[\d.]+", next(line for line in lines if line.startswith("numpy")))
    assert {line.split("==")[0] for line in lines} >= {Requirement(text).name for text in OF_USERS}


def test_the_pythons_said_to_work_start_with_the_oldest_allowed() -> None:
    pythons = re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["classifiers"]))
    assert [int(minor) for minor in pythons] == list(range(int(pythons[0]), int(pythons[-1]) + 1))
    assert PROJECT["requires-python"] == f">=3.{pythons[0]}"
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py3{pythons[0]}"
    assert PYPROJECT["tool"]["mypy"]["python_version"] == f"3.{pythons[0]}"


def test_the_source_distribution_has_every_folder_and_page() -> None:
    ignored = {line.strip("/\n") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()}
    there = {
        path.name
        for path in ROOT.iterdir()
        if not path.name.startswith(".") and path.name not in ignored and (path.is_dir() or path.suffix == ".md")
    }
    assert there >= {"kneebayes", "tests", "README.md"}
    assert there - set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]) == set()


def dependency_rows() -> dict[str, list[str]]:
    """Read the tables of the page of dependencies: cells by package."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows if len(row) == 6 and row[0] != "package" and not row[0].startswith("--")}


def test_the_page_of_dependencies_has_each_with_its_range_licence_size_and_reason() -> None:
    rows = dependency_rows()
    requirements = [Requirement(text) for text in OF_USERS]
    assert set(rows) == {requirement.name.lower() for requirement in requirements}
    for requirement in requirements:
        versions, licence, own, closure, why = rows[requirement.name.lower()]
        assert Requirement(f"x{versions}").specifier == requirement.specifier
        assert re.search(r"MIT|BSD|Apache|Python|PSF|MPL", licence)
        assert 0 <= float(own) <= float(closure)
        assert len(why) > 5
