"""The oldest versions that pyproject allows, as constraints for pip: ``python tests/oldest.py > oldest.txt``.

Of every direct dependency, extras included, the lower end of its range; what those need themselves is as
new as pip finds it. It runs before anything is installed, so it needs Python alone.
"""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def oldest(requirements: list[str]) -> dict[str, str]:
    """Find the lower end of each range.

    Parameters
    ----------
    requirements : list of str
        As in pyproject: ``name>=1.2``, ``name[extra]>=1.2,<2``; one without a lower end is passed over.

    Returns
    -------
    dict of str to str
        Versions by name.

    Examples
    --------
    >>> oldest(["numpy>=2.0", "dask[dataframe]>=2024.8,<2030", "pandas-stubs"])
    {'numpy': '2.0', 'dask': '2024.8'}
    """
    found = (re.match(r"([\w.-]+)(?:\[[^]]*\])?[^;]*?>=\s*([\w.]+)", text) for text in requirements)
    return {match[1]: match[2] for match in found if match}


def all_requirements(pyproject: Path) -> list[str]:
    """List the direct dependencies, of all extras too.

    Parameters
    ----------
    pyproject : pathlib.Path
        The file.

    Returns
    -------
    list of str
        As they are written there.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    return list(chain(project["dependencies"], *project["optional-dependencies"].values()))


def main() -> None:
    """Print a line for each dependency."""
    for name, version in oldest(all_requirements(PYPROJECT)).items():
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()
