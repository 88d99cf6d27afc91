"""What the site takes from elsewhere, as a hook of MkDocs: README, the model file, the notebooks, the modules."""

from __future__ import annotations

import contextlib
import html
import importlib
import inspect
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import kneebayes as kb
from kneebayes.spec import listing

ROOT = Path(__file__).parent.parent
MARK = re.compile(r"^<!-- (\w+): (.+?) -->$", re.MULTILINE)
RUN = re.compile(r"^```python run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Modules with names that a user calls or is given; the rest are rooms behind them.
MODULES = (
    "model",
    "diagnosis.diagnosis",
    "diagnosis.alarm",
    "diagnosis.explanation",
    "diagnosis.uncertainty",
    "diagnosis.wells",
    "cases.mapping",
    "scoring.score_file",
    "evaluation.evaluate",
    "plots.case",
    "plots.network",
    "plots.cohort",
    "ui.widget",
    "learn.fit",
    "sklearn",
    "distributed",
    "errors",
)
SECTION = re.compile(r"^----", re.MULTILINE)  # of a docstring, as only what users reach has them


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the notebooks in the navigation."""
    pages = [{title(path): f"notebooks/{path.stem}.md"} for path in notebooks()]
    if pages and config.nav is not None:
        config.nav.insert(len(config.nav) - 2, {"Notebooks": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are written here."""
    pages = {f"notebooks/{path.stem}.md": notebook(path) for path in notebooks()}
    pages |= {"numbers.md": numbers(), "reference.md": reference()}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in the place of ``<!-- kind: what -->`` what it names, and run what is to be run."""
    kinds: dict[str, Callable[[str], str]] = {"readme": readme, "model": from_model}
    names: dict[str, Any] = {}
    markdown = RUN.sub(lambda match: f"```python\n{match[1]}```\n\n```text\n{run(match[1], names)}```", markdown)
    return MARK.sub(lambda match: kinds[match[1]](match[2]) if match[1] in kinds else match[0], markdown)


def run(code: str, names: dict[str, Any]) -> str:
    """Run the code of a page in the checkout and say what it printed; an error ends the build."""
    import pandas as pd

    said = io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(said), pd.option_context("display.width", 110):
        exec(compile(code, "docs", "exec"), names)
    return said.getvalue()


def readme(heading: str) -> str:
    """Take a section of README; what it links to in the checkout becomes plain text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0].strip()
    return re.sub(r"!?\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", section)


def from_model(what: str) -> str:
    """Write a part of the default model."""
    parts: dict[str, Callable[[], str]] = {"variables": variables, "rules": rules, "size": size}
    return parts[what]()


def size() -> str:
    """Say how large the model is."""
    return listing.size(kb.load_model().file)


def variables() -> str:
    """Write the variables with their states and questions, a table for each kind."""
    file = kb.load_model().file
    parts = []
    for kind, names in (("Causes", file.causes), ("Risk factors", file.risks), ("Findings", file.findings)):
        rows = [
            f"| `{n}` | {cell(' | '.join(file.variables[n].states))} | {file.variables[n].question} |" for n in names
        ]
        parts.append("\n".join([f"### {kind}", "", "| name | states | question |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts)


def rules() -> str:
    """Write the rules of the alarm, and the red flags."""
    file = kb.load_model().file
    rows = [f"| {rule.level} | {cell(rule.reason)} | {cell(rule.basis)} |" for rule in file.alarm.rules]
    flags = [f"| {cell(flag.reason)} | {', '.join(f'`{name}`' for name in flag.any_of)} |" for flag in file.red_flags]
    head = ("| level | reason | basis |", "| --- | --- | --- |")
    return "\n".join([*head, *rows, "", "### Red flags", "", "| reason | variables |", "| --- | --- |", *flags])


def numbers() -> str:
    """Write every number with its range, basis and reason."""
    file = kb.load_model().file
    rows = [
        f"| `{place}` | {n.p:g} | {n.range[0]:g} to {n.range[1]:g} | {cell(n.basis)} | {cell(n.why)} |"
        for place, n in listing.numbers(file)
    ]
    head = f"---\nhide: [toc]\n---\n\n# Every number\n\n{file.title}, version {file.version}: {listing.size(file)}.\n"
    return "\n".join([head, "| place | p | range | basis | why |", "| --- | --- | --- | --- | --- |", *rows])


def reference() -> str:
    """Write the API reference: of the modules, the names that a user reaches, and no others."""
    offered = []
    for name in kb.__all__:
        thing = getattr(kb, name)
        if name == "plots":
            links = ", ".join(link(own, getattr(thing, own)) for own in thing.__all__)
            offered.append(f"`plots`, with {links}")
        else:
            offered.append(link(name, thing) if callable(thing) else f"`{name}`, which is `{thing}`")
    parts = ["# API reference\n\n`import kneebayes as kb` offers:\n\n" + "\n".join(f"- {words}" for words in offered)]
    for module in MODULES:
        loaded = importlib.import_module(f"kneebayes.{module}")
        own = {n: thing for n, thing in vars(loaded).items() if getattr(thing, "__module__", "") == loaded.__name__}
        names = [n for n, thing in own.items() if not n.startswith("_") and reached(n, thing)]
        summary = (loaded.__doc__ or "").strip().splitlines()[0]
        parts.append(f"## kneebayes.{module}\n\n{summary}")
        parts += [f"::: kneebayes.{module}.{name}" for name in names]
    return "\n\n".join(parts)


def reached(name: str, thing: Any) -> bool:
    """Say whether users reach it: it is described in sections, or an error, or draws what is reached."""
    error = isinstance(thing, type) and issubclass(thing, kb.KneeBayesError)
    return error or name.endswith("Plots") or SECTION.search(inspect.getdoc(thing) or "") is not None


def link(name: str, thing: Any) -> str:
    """Write a name with where it is described."""
    return f"[`{name}`][{thing.__module__}.{name}]"


def notebooks() -> list[Path]:
    """Find the notebooks."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def title(path: Path) -> str:
    """Take the first heading of a notebook."""
    found = re.search(r"^# (.+)$", "\n".join(sources(path)), re.MULTILINE)
    return found[1] if found else path.stem


def sources(path: Path) -> list[str]:
    """Read the text of the cells."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell_["source"]) for cell_ in cells]


def notebook(path: Path) -> str:
    """Write a notebook as a page: text, code, and the outputs that are saved in it."""
    parts = []
    for cell_ in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell_["source"])
        if cell_["cell_type"] == "markdown":
            for other in notebooks():  # which is a page beside this one
                text = text.replace(f"]({other.name})", f"]({other.stem}.md)")
            parts.append(re.sub(r"\[([^\]]+)\]\((?!https?:|#|\w+\.md\))[^)]+\)", r"\1", text))
        elif cell_["cell_type"] == "code" and text.strip():
            if not cell_["metadata"].get("jupyter", {}).get("source_hidden"):
                parts.append(f"```python\n{text}\n```")
            parts += [shown for output in cell_.get("outputs", []) if (shown := output_text(output))]
    return "\n\n".join([*parts, f"*To run it: `jupyter lab notebooks/{path.name}`*"]) + "\n"


def output_text(output: dict[str, Any]) -> str:
    """Write one output of a cell."""
    data = output.get("data", {"text/plain": output.get("text", [])})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f'<img alt="output" src="data:image/png;base64,{picture}">'
    if "text/markdown" in data:  # sentences with numbers in them
        return "".join(data["text/markdown"])
    table = "".join(data.get("text/html", []))
    if "<table" in table:  # without its own style, it takes that of the site
        return re.sub(r'<style.*?</style>|(?<=<table) border="1" class="dataframe"', "", table, flags=re.DOTALL)
    text = "".join(data.get("text/plain", []))
    if not text.strip() or "Widget" in text:
        return ""
    return f'<div class="language-text"><pre><code>{html.escape(text)}</code></pre></div>'


def cell(text: str) -> str:
    """Keep a text from ending its cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")
