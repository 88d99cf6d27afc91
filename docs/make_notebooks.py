"""Run the notebooks and save them with what they print and draw: ``python docs/make_notebooks.py [NOTEBOOK ...]``.

Without names all of them but the explorer, which is a page and no text. Two runs give the same bytes: no times, no
versions and no paths of this machine are kept, and a notebook that prints one of its own, warns or fails is refused.
"""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat as untyped
from nbclient import NotebookClient

nbformat: Any = untyped
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NOT_RUN = ("explorer.ipynb",)
SECONDS = 120  # more than any cell may take
# The notebook is run under settings of its own, not under those of whoever runs this.
SETTINGS = """c = get_config()
c.InlineBackend.print_figure_kwargs = {"bbox_inches": "tight", "metadata": {"Software": None}}
"""
KEPT = ("jupyter", "tags")  # of a cell's metadata: the first folds cells that only assert what the text says
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def run(path: Path, settings: str) -> Any:
    """Run a notebook from top to bottom, in its folder.

    Parameters
    ----------
    path : pathlib.Path
        The notebook.
    settings : str
        A folder with the settings of IPython.

    Returns
    -------
    nbformat.NotebookNode
        With its output, and nothing in it that the next run would change.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    ValueError
        If a cell warns, or prints a path of this machine.
    """
    notebook: Any = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        coalesce_streams=True,
        record_timing=False,
    )
    kept = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client.execute(env={**kept, "IPYTHONDIR": settings})
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells, 1):
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in KEPT if key in cell.metadata})
        for output in cell.get("outputs", ()):
            _check(output, f"{path.name}, cell {number}")
    return notebook


def _check(output: Any, place: str) -> None:
    """Refuse what a reader should not see."""
    if output.output_type == "stream" and output.name == "stderr":
        raise ValueError(f"{place}: writes to standard error: {output.text.strip()}")
    texts = [output.get("text", ""), *(text for kind, text in output.get("data", {}).items() if "image" not in kind)]
    for private in (str(NOTEBOOKS.parent), tempfile.gettempdir() + os.sep, str(Path.home()) + os.sep):
        if any(private in str(text) for text in texts):
            raise ValueError(f"{place}: prints a path of {getpass.getuser()}'s machine, under {private}")


def main(names: list[str]) -> None:
    """Run the notebooks named, or all."""
    paths = [Path(name).resolve() for name in names]
    paths = paths or [path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if path.name not in NOT_RUN]
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile_default"
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text(SETTINGS, encoding="utf-8")
        for path in paths:
            nbformat.write(run(path, folder), path)
            print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
