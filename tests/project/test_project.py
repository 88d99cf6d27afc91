"""The project as a whole: names, imports, docstrings, README, versions."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

import kneebayes

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "kneebayes"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not path.stem.startswith("__")
}
README = (ROOT / "README.md").read_text(encoding="utf-8")
HERE_FIRST = {**os.environ, "PYTHONPATH": str(ROOT)}
SCORE_COMMAND = (
    "python3 -m venv .venv && .venv/bin/pip install -q . && "
    ".venv/bin/kneebayes score data/example_cases.csv -o posteriors.csv --rejects rejects.csv"
)
TEST_COMMAND = 'python3 -m venv .venv && .venv/bin/pip install -q -e ".[test]" && .venv/bin/python -m pytest -q'


# Names and versions


@pytest.mark.parametrize("name", kneebayes.__all__)
def test_every_exported_name_resolves(name: str) -> None:
    assert getattr(kneebayes, name) is not None


def test_completion_shows_what_is_exported_and_no_rooms() -> None:
    assert dir(kneebayes) == sorted(kneebayes.__all__)
    assert {"explore", "evaluate", "plots"} <= set(dir(kneebayes))


def test_no_name_is_exported_twice() -> None:
    assert len(set(kneebayes.__all__)) == len(kneebayes.__all__)


def test_the_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    latest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert latest is not None
    assert {kneebayes.__version__, str(citation["version"]), latest[1]} == {project["version"]}


def test_the_citation_has_what_citation_files_need() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(citation[key] for key in ("message", "title", "authors"))
    assert all(set(author) == {"name"} for author in citation["authors"])


# What an import costs


def loaded_modules(*code: str) -> set[str]:
    """Find the top-level packages that a fresh Python loads to run some code."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", *code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        env=HERE_FIRST,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    names = re.findall(r"^import time:.*\|\s*([\w.]+)$", run.stderr, re.MULTILINE)
    assert "kneebayes" in names
    return {name.split(".")[0] for name in names}


def test_importing_kneebayes_loads_nothing_heavy() -> None:
    heavy = {"pgmpy", "matplotlib", "scipy", "sklearn", "networkx", "torch", "dask", "anywidget", "numba"}
    assert loaded_modules("from kneebayes import Model") & heavy == set()


def test_help_loads_neither_numpy_nor_anything_heavy() -> None:
    run_help = "import sys; sys.argv[0] = 'kneebayes'; from kneebayes.ui.cli import main; main()"
    heavy = {"numpy", "pydantic", "pandas", "pgmpy", "matplotlib", "scipy", "sklearn", "pyarrow", "numba"}
    assert loaded_modules(run_help, "--help") & heavy == set()


# Docstrings


# What users get back from what they call: described like what they call.
RETURNED = {
    "diagnosis.alarm": ["Alarm"],
    "diagnosis.explanation": ["Contribution", "Explanation", "Rival"],
    "diagnosis.uncertainty": ["Uncertainty"],
    "evaluation.evaluate": ["Evaluation"],
    "learn.fit": ["FitReport"],
    "scoring.score_file": ["ScoreSummary"],
}


def reached() -> Iterator[tuple[str, Any]]:
    """Find what users reach: what is exported, what it returns, plots, the classifier, and scoring with Dask."""
    yield from ((name, getattr(kneebayes, name)) for name in kneebayes.__all__ if name not in ("LEVELS", "plots"))
    for module, names in {
        **RETURNED,
        "plots": [name for name in kneebayes.plots.__all__ if name.startswith("plot_")],
        "sklearn": ["KneeBayesClassifier"],
        "distributed": ["score"],
    }.items():
        yield from ((name, getattr(importlib.import_module(f"kneebayes.{module}"), name)) for name in names)


def documented() -> Iterator[tuple[str, Any]]:
    """Find every function and class that users reach, and its methods."""
    for name, thing in reached():
        yield name, thing
        for inner_name, inner in vars(thing).items() if inspect.isclass(thing) else ():
            function = getattr(inner, "__func__", inner)
            ours = getattr(function, "__module__", "").startswith("kneebayes")  # pydantic adds some of its own
            if inspect.isfunction(function) and ours and not inner_name.startswith("_"):
                yield f"{name}.{inner_name}", function


def behind() -> Iterator[tuple[str, Any]]:
    """Find every public class, function and method of the rooms."""
    for module in MODULES:
        loaded = importlib.import_module(f"kneebayes.{module}")
        for name, thing in vars(loaded).items():
            is_own = not name.startswith("_") and getattr(thing, "__module__", None) == loaded.__name__
            if is_own and (inspect.isclass(thing) or inspect.isfunction(thing)):
                yield f"{module}.{name}", thing
                for inner_name, inner in vars(thing).items() if inspect.isclass(thing) else ():
                    function = getattr(inner, "__func__", inner)
                    if inspect.isfunction(function) and not inner_name.startswith("_"):
                        yield f"{module}.{name}.{inner_name}", function


def sections(docstring: str) -> dict[str, str]:
    """Split a numpydoc docstring by its headings."""
    parts = re.split(r"^([A-Z][A-Za-z ]+)\n-{3,}\n", inspect.cleandoc(docstring), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def raises(function: Callable[..., Any]) -> bool:
    """Tell whether a function has a raise statement of its own."""
    own = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(own, ast.FunctionDef)
    nested = {id(n) for d in ast.walk(own) if d is not own and isinstance(d, ast.FunctionDef) for n in ast.walk(d)}
    return any(isinstance(node, ast.Raise) and id(node) not in nested for node in ast.walk(own))


def missing_sections(thing: Any) -> list[str]:
    """Say what a docstring lacks."""
    if not thing.__doc__:
        return ["a docstring"]
    if inspect.isclass(thing):
        return []
    has = sections(thing.__doc__)
    lacks = []
    signature = inspect.signature(thing)
    parameters = [name for name in signature.parameters if name not in ("self", "cls")]
    named = re.findall(r"^(\S.*?)(?: :.*)?$", has.get("Parameters", ""), re.MULTILINE)
    said = {name.strip("* ") for line in named for name in line.split(",")}
    lacks += [f"Parameters: {name}" for name in parameters if name not in said]
    if signature.return_annotation not in (None, "None") and not {"Returns", "Yields"} & set(has):
        lacks.append("Returns or Yields")
    if raises(thing) and "Raises" not in has:
        lacks.append("Raises")
    return lacks


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*pair, id=pair[0]) for pair in documented()])
def test_what_users_reach_has_a_docstring_with_the_sections_it_needs(name: str, thing: Any) -> None:
    assert missing_sections(thing) == []


def test_what_users_do_not_reach_has_a_docstring_of_a_line_at_least() -> None:
    assert [name for name, thing in behind() if not thing.__doc__] == []


def test_the_docstring_test_notices_what_is_missing() -> None:
    def undocumented(first: int) -> int:
        """Do it."""
        if first:
            raise ValueError
        return first

    assert missing_sections(undocumented) == ["Parameters: first", "Returns or Yields", "Raises"]


@pytest.mark.parametrize("name", kneebayes.__all__)
def test_exported_classes_describe_what_they_are_made_of(name: str) -> None:
    thing = getattr(kneebayes, name)
    if inspect.isclass(thing) and not issubclass(thing, Exception):
        assert {"Parameters", "Attributes"} & set(sections(thing.__doc__ or ""))


# README


@pytest.mark.parametrize("command", [SCORE_COMMAND, TEST_COMMAND], ids=["score", "test"])
def test_readme_has_each_command_on_a_line_of_its_own(command: str) -> None:
    assert README.splitlines().count(command) == 1


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    searched = re.findall(r"\$\(readme '([^']+)'\)", script)
    found = [next(line for line in README.splitlines() if text in line) for text in searched]
    assert found == [SCORE_COMMAND, TEST_COMMAND]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def python_blocks(text: str) -> list[str]:
    """Find the ```python blocks of a Markdown text."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_what_readme_shows_in_python_is_what_python_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = python_blocks(README)
    assert blocks
    examples = doctest.DocTestParser().get_doctest("".join(blocks), {}, "README.md", "README.md", 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(examples, out=said.append)
    assert runner.failures == 0, "".join(said)
    assert runner.tries >= 3


def test_readme_explains_every_alarm_level_with_the_models_thresholds() -> None:
    table = README.split("| `dvt_alarm` |")[1]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", table, re.MULTILINE))
    assert set(rows) == set(kneebayes.LEVELS)
    for level, threshold in kneebayes.load_model().file.alarm.thresholds.items():
        assert f"P(DVT) at {threshold.p * 100:g} % or over" in rows[level]


def test_every_file_that_readme_links_to_is_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert [target for target in targets if "://" not in target and not (ROOT / target).is_file()] == []


@pytest.mark.slow
def test_the_picture_is_of_todays_model(tmp_path: Path) -> None:
    made = tmp_path / "posterior.png"
    subprocess.run([sys.executable, ROOT / "docs" / "make_pictures.py", made], check=True, env=HERE_FIRST, timeout=120)
    with Image.open(made) as new, Image.open(ROOT / "docs" / "posterior.png") as old:
        assert new.size == old.size
        assert new.info["Description"] == old.info["Description"]


def test_readme_fits_two_screens() -> None:
    assert len(README.splitlines()) <= 160


def with_examples() -> Iterator[tuple[str, Any]]:
    """Find what is called: the functions that `import kneebayes` offers, and the plots."""
    for name, thing in reached():
        if inspect.isfunction(thing):
            yield name, thing


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*pair, id=pair[0]) for pair in with_examples()])
def test_what_users_call_has_an_example(name: str, thing: Any) -> None:
    assert ">>>" in sections(thing.__doc__).get("Examples", "")
