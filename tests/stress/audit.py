"""Known vulnerabilities of what is installed, and of the oldest versions allowed, from a file.

    python -m tests.stress.audit insecure.json

Where there is a network, pip-audit does better. The file is JSON with the vulnerable ranges of each package, as in
Safety DB: ``{"tqdm": ["<4.11.2", ">=4.4.0,<4.66.3"], ...}``. It is as good as it is new: the date is yours to look at.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from tests.oldest import PYPROJECT, all_requirements, oldest


def vulnerable(name: str, version: str, database: dict[str, list[str]]) -> list[str]:
    """Find the vulnerable ranges that a version is in.

    Parameters
    ----------
    name, version : str
        Of a package.
    database : dict of str to list of str
        Vulnerable ranges by normalised name.

    Returns
    -------
    list of str
        The ranges; one that can't be read counts as hit.

    Examples
    --------
    >>> vulnerable("tqdm", "4.66", {"tqdm": ["<4.11.2", ">=4.4.0,<4.66.3"]})
    ['>=4.4.0,<4.66.3']
    """
    hits = []
    for text in database.get(canonicalize_name(name), []):
        try:
            if SpecifierSet(text).contains(version, prereleases=True):
                hits.append(text)
        except InvalidSpecifier:
            hits.append(text)
    return hits


def main(path: Path) -> None:
    """Print what is vulnerable; exit with 1 where something is."""
    read = json.loads(path.read_text(encoding="utf-8"))
    database: dict[str, list[str]] = {
        str(canonicalize_name(name)): ranges for name, ranges in read.items() if isinstance(ranges, list)
    }
    if not vulnerable("requests", "2.19.0", database):
        sys.exit(f"{path}: does not know that requests 2.19.0 is vulnerable, so it says nothing of others")
    installed = {canonicalize_name(d.metadata["Name"]): d.version for d in distributions()}
    lowest = oldest(all_requirements(PYPROJECT))
    extras = [Requirement(text).name for text in all_requirements(PYPROJECT)]
    found = False
    for what, versions in (("installed", installed), ("oldest allowed", lowest)):
        for name, version in sorted(versions.items()):
            for hit in vulnerable(name, version, database):
                print(f"{what}: {name} {version} is in {hit}")
                found = True
        print(f"{what}: {len(versions)} packages, {len(database.keys() & set(map(canonicalize_name, versions)))} known")
    print(f"not installed here: {', '.join(n for n in extras if canonicalize_name(n) not in installed) or 'none'}")
    sys.exit(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
