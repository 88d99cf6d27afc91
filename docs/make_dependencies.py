"""Write the tables of the page of dependencies: ``python docs/make_dependencies.py``.

Ranges come from pyproject, licences and sizes from what is installed here, which must be kneebayes with the extras
for users; start-up times are measured. What else is installed is not counted:

    python3 -m venv fresh && fresh/bin/pip install ".[distributed,fhir,formats,notebook]"
    fresh/bin/python docs/make_dependencies.py
"""

from __future__ import annotations

import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "dependencies.md"
TABLES = re.compile(r"(?<=<!-- made by docs/make_dependencies.py -->\n).*?(?=<!-- end -->)", re.DOTALL)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MEGABYTE = 1e6
RUNS = 7
USERS_EXTRAS = ("distributed", "fhir", "formats", "notebook")
WHY = {
    "jinja2": "fills in the pages: the report, the explorer, a diagnosis in a notebook",
    "llvmlite": "the kernel's vector instructions; numba compiles through it",
    "matplotlib": "plots, and those of the report",
    "narwhals": "polars frames in and out; polars itself is not needed",
    "numba": "compiles the batch kernel",
    "numpy": "all arithmetic",
    "pandas": "what comes in and out: series and frames",
    "pgmpy": "the reference network, its readers and writers; loaded only when asked for",
    "pyarrow": "CSV and Parquet, and the tables between them",
    "pydantic": "checks model files",
    "pyyaml": "reads model files, with its safe loader",
    "scikit-learn": "baselines and metrics of the evaluation; kneebayes as a classifier",
    "scipy": "Beta quantiles of fits, least squares of recalibration, sparse matrices of baselines, Wilson intervals",
    "threadpoolctl": "one thread for matrix products whose sums must not depend on how many there are",
    "tqdm": "progress bars",
    "typer": "the command line",
    "dask": "scoring past one machine",
    "distributed": "Dask's scheduler for several machines",
    "fhir.resources": "checks the FHIR resources that are written",
    "openpyxl": "reads cases in Excel workbooks; writes XLSForms",
    "pyreadstat": "reads cases of SPSS, Stata and SAS, with their value labels",
    "anywidget": "the explorer in JupyterLab and Notebook",
    "jupyterlab": "where the notebooks run",
    "notebook": "likewise, for those who prefer it",
    "traitlets": "what the page of the explorer and Python tell each other",
}
STARTS = {
    "`python -c pass`": ["-c", "pass"],
    "`import numpy`": ["-c", "import numpy"],
    "`import pandas`": ["-c", "import pandas"],
    "`import kneebayes`": ["-c", "import kneebayes"],
    "`kneebayes --help`": ["-m", "kneebayes", "--help"],
    "`kneebayes diagnose age=67`": ["-m", "kneebayes", "diagnose", "age=67"],
}


def requirements() -> dict[str, dict[str, str]]:
    """Read pyproject: the range of each dependency, for ``""`` and for each extra that users install."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = {"": project["dependencies"], **{name: project["optional-dependencies"][name] for name in USERS_EXTRAS}}
    return {extra: dict(sorted(map(_split, texts))) for extra, texts in listed.items()}


def _split(requirement: str) -> tuple[str, str]:
    found = NAME.match(requirement)
    assert found is not None, requirement
    return found[0].lower(), re.sub(r"\[.*?\]", "", requirement[found.end() :]).replace(",", ", ")


def licence(package: Distribution) -> str:
    """Say the licence of an installed package as its metadata has it, shortest form first."""
    said = package.metadata
    classifiers = [text.split(" :: ")[-1] for text in said.get_all("Classifier", []) if text.startswith("License ::")]
    first_line = (said["License"] or "").strip().split("\n")[0]
    expression = said["License-Expression"] or "; ".join(classifiers) or first_line
    return expression or "not said"


def megabytes(packages: Iterable[Distribution]) -> float:
    """Add up the files of installed packages."""
    files = [file.locate() for package in packages for file in package.files or []]
    return sum(Path(str(path)).stat().st_size for path in files if Path(str(path)).is_file()) / MEGABYTE


def closure(names: Iterable[str]) -> dict[str, Distribution]:
    """Find installed packages with all that they need, themselves included."""
    from pip._vendor.packaging.requirements import Requirement  # pip is there; packaging may not be

    found: dict[str, Distribution] = {}
    open_names = [(name, "") for name in names]
    done = set()
    while open_names:
        name, extra = open_names.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if (key, extra) in done:
            continue
        done.add((key, extra))
        found[key] = distribution(name)
        for needed in map(Requirement, found[key].requires or []):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                open_names += [(needed.name, one) for one in ("", *needed.extras)]
    return found


def table(ranges: dict[str, str]) -> str:
    """Write a table of dependencies."""
    rows = [
        "| package | versions | licence | MB | MB with all it needs | why |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    for name, versions in ranges.items():
        own, needs = distribution(name), closure([name])
        figures = f"{megabytes([own]):.1f} | {megabytes(needs.values()):.1f}"
        rows.append(f"| {name} | {versions} | {licence(own)} | {figures} | {WHY[name]} |")
    return "\n".join(rows)


def seconds(arguments: list[str]) -> float:
    """Measure the processor time of a fresh Python, the median of several; it hardly depends on what else runs."""
    times = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, cwd=tempfile.gettempdir())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times)


def tables() -> str:
    """Write all that is measured here."""
    ranges = requirements()
    core = closure(ranges[""])
    what = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    parts = [
        f"Newest versions on {time.strftime('%Y-%m-%d')}, {what}.",
        table(ranges[""]),
        f"Together with what they need: {len(core)} packages, {megabytes(core.values()):,.0f} MB. "
        f"kneebayes itself: {megabytes([distribution('kneebayes')]):.1f} MB.",
    ]
    for extra in USERS_EXTRAS:
        more = closure(ranges[extra]).keys() - core.keys()
        size = megabytes(distribution(name) for name in more)
        parts += [f"`kneebayes[{extra}]` adds {len(more)} packages, {size:,.0f} MB:", table(ranges[extra])]
    starts = [f"| {label} | {seconds(arguments):.2f} |" for label, arguments in STARTS.items()]
    parts.append("\n".join([f"| start-up, median of {RUNS} | s of processor time |", "| --- | ---: |", *starts]))
    licences = Counter(licence(package) for package in core.values())
    rows = [f"| {name} | {count} |" for name, count in licences.most_common()]
    parts.append("\n".join(["| licences of all that comes with kneebayes | packages |", "| --- | ---: |", *rows]))
    return "\n\n".join(parts)


def main() -> None:
    """Put today's tables into the page."""
    made = f"\n{tables()}\n\n"
    PAGE.write_text(TABLES.sub(lambda _: made, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
