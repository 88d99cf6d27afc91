"""Bring up to date what is made from the model and the code: ``python docs/refresh.py``.

The example cases, the data dictionary, the picture, what README's Python prints and its tables of labelled cases, the
model cards, the output of the notebooks. The tests say when this is due.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PYTHON_BLOCK = re.compile(r"(?<=^```python\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)


def with_todays_output(text: str) -> str:
    """Run the Python blocks of a Markdown text, and put in what they print today."""
    names: dict[str, Any] = {}
    return PYTHON_BLOCK.sub(lambda block: _rerun(block[0], names), text)


def _rerun(block: str, names: dict[str, Any]) -> str:
    parts = []
    for part in doctest.DocTestParser().parse(block):
        if isinstance(part, str):
            parts.append(part)
            continue
        first, *more = part.source.splitlines()
        parts += [f">>> {first}\n", *(f"... {line}\n" for line in more)]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(part.source, "README.md", "single"), names)
        parts.append(printed.getvalue())
    return "".join(parts)


def main() -> None:
    """Do all of it."""
    made = runpy.run_path(str(ROOT / "data" / "make_datapackage.py"))
    command = ["-c", "from kneebayes.ui.cli import main; main()", *shlex.split(made["EXAMPLE_COMMAND"])[1:]]
    scripts = ("data/make_datapackage.py", "docs/make_pictures.py", "docs/make_vignettes.py")
    for arguments in (command, *([script] for script in scripts)):
        subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT)
    if shutil.which("chromium") and importlib.util.find_spec("playwright"):
        subprocess.run([sys.executable, "-m", "docs.make_explorer_picture"], check=True, cwd=ROOT)
    else:
        print("no picture of the explorer: that needs Chromium and the extra 'test'")
    for name, page in (("posterior_knee_pain", "model_card"), ("posterior_knee_pain_extended", "model_card_extended")):
        card = ["-m", "kneebayes", "model", "--card", "--model", name]
        with (ROOT / "docs" / f"{page}.md").open("w", encoding="utf-8") as file:
            subprocess.run([sys.executable, *card], check=True, cwd=ROOT, stdout=file)
    readme = ROOT / "README.md"
    readme.write_text(with_todays_output(readme.read_text(encoding="utf-8")), encoding="utf-8")
    subprocess.run([sys.executable, "docs/make_notebooks.py"], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
