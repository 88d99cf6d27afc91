"""What a contributor runs by name: ``nox`` for the quick checks, ``nox -s tests`` and so on; CI calls the same.

Each session makes an environment of its own; ``nox --no-venv`` takes the one that is active, installing nothing.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "imports", "types"]
nox.options.reuse_existing_virtualenvs = True
ROOT = Path(__file__).parent
GROUPS = nox.project.dependency_groups
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *what: str) -> None:
    """Install into the session's own environment, if it has one."""
    if not isinstance(session.virtualenv, nox.virtualenv.PassthroughEnv):
        session.install("-q", *what)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and format of the code."""
    install(session, *GROUPS(PYPROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Which way the rooms import."""
    install(session, *GROUPS(PYPROJECT, "lint"))
    session.run("lint-imports", env={"PYTHONPATH": str(ROOT)})


@nox.session
def types(session: nox.Session) -> None:
    """Mypy, strict."""
    install(session, "-e", ".[test]", *GROUPS(PYPROJECT, "types"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """What README's command runs; arguments go to pytest."""
    install(session, "-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", *session.posargs)


@nox.session
def numbers(session: nox.Session) -> None:
    """Ask what the numbers say: the quarter of a minute after a change of one."""
    install(session, "-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", "-n", "0", *NUMBERS, *session.posargs)


NUMBERS = ("tests/knowledge",)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take long and seldom fail: browsers, faults, hostile files, other programs."""
    install(session, "-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", "-m", "slow", *session.posargs)


@nox.session
def notebooks(session: nox.Session) -> None:
    """Run the notebooks, cell by cell."""
    install(session, "-e", ".[test]")
    session.run(
        "python", "-m", "pytest", "-q", "-n", "0", "-p", "nbmake", "--nbmake", "--nbmake-timeout=120", "notebooks"
    )


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site, from docs, README, the model file, the notebooks and docstrings."""
    install(session, "-e", ".[docs,fhir,notebook]")
    session.run("mkdocs", "build", "--strict", "--quiet", *session.posargs, env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def oldest(session: nox.Session) -> None:
    """Test the core with the oldest versions that pyproject allows; they warn of what newer ones have deprecated."""
    constraints = Path(session.create_tmp()) / "oldest.txt"
    constraints.write_text(subprocess.check_output([sys.executable, "tests/oldest.py"], text=True), encoding="utf-8")
    session.install("-q", "-c", str(constraints), "-e", ".[distributed,fhir]", *GROUPS(PYPROJECT, "oldest"))
    rooms = [f"tests/{room}" for room in ("inference", "cases", "scoring", "interop")]
    some = ("diagnosis/test_alarm", "diagnosis/test_diagnosis", "diagnosis/test_uncertainty", "learn/test_simulate")
    rooms += [f"tests/{name}.py" for name in (*some, "ui/test_cli", "test_model")]
    rooms.append("--ignore=tests/interop/test_forms.py")  # pyxform wants one version of openpyxl, and not the oldest
    quiet = ("-W", "default::DeprecationWarning", "-W", "default::FutureWarning")
    cache = {"NUMBA_CACHE_DIR": session.create_tmp()}  # and not beside that of the newest versions
    session.run("python", "-m", "pytest", "-q", *quiet, *rooms, env=cache)


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and source distribution, the same bytes twice, installed and run elsewhere."""
    session.install("-q", *GROUPS(PYPROJECT, "build"))
    work = Path(session.create_tmp())
    shutil.rmtree(work, ignore_errors=True)
    first, second, again = (work / name for name in ("dist", "dist2", "again"))
    session.run("python", "-m", "build", "--outdir", str(first), ".", silent=True)
    # once more from the source distribution, at another time, by another hand
    again.mkdir(parents=True)
    (archive,) = first.glob("*.tar.gz")
    command = f"umask 077 && tar -xzf {archive} -C {again} --strip-components=1 --touch"
    session.run("sh", "-c", command, external=True)
    session.run("python", "-m", "build", "--outdir", str(second), str(again), silent=True)
    for made in first.iterdir():
        if made.read_bytes() != (second / made.name).read_bytes():
            session.error(f"{made.name} is not the same when built again")
    (wheel,) = first.glob("*.whl")
    elsewhere = work / "elsewhere"
    session.run("python", "-m", "venv", str(elsewhere))
    session.run(str(elsewhere / "bin" / "pip"), "install", "-q", str(wheel.resolve()), external=True)
    with session.chdir(elsewhere):
        cases = ROOT / "data" / "example_cases.csv"
        command = ("score", str(cases), "-o", "posteriors.csv", "--rejects", "rejects.csv")
        session.run("bin/kneebayes", *command, external=True)
        facts = ("age=67", "sex=male", "long_travel=yes", "unilateral_leg_swelling=yes")
        session.run("bin/kneebayes", "diagnose", *facts, external=True)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Speed, beside peers; ratios of one run: those that the arguments name, or all."""
    install(session, "-e", ".[test]")
    for name in session.posargs or sorted(path.stem for path in ROOT.glob("tests/benchmarks/[a-z]*.py")):
        session.run("python", "-m", f"tests.benchmarks.{name}")
