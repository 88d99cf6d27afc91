"""What a user's type checker sees: the wheel says that it is typed, and its public names have types."""

from __future__ import annotations

import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import pandas as pd

import kneebayes as kb

model: kb.Model = kb.load_model()
dx: kb.Diagnosis = model.diagnose({"age": 67, "unilateral_leg_swelling": True})
level: str = dx.alarm.level
first: float = dx.posterior.iloc[0]
scores: pd.DataFrame = model.score(pd.DataFrame({"age": [67, 25]}))
summary = kb.score_file("cases.csv", "posteriors.csv", rejects="rejects.csv")
rejected: int = summary.rejected
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with the wheel in it, and all else that this one has."""
    folder = tmp_path_factory.mktemp("typed")
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, timeout=300)
    environment = folder / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    here = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (packages / "others.pth").write_text("\n".join(here), encoding="utf-8")
    return environment / "bin" / "python"


def mypy(python: Path, program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Check a program as a user would, strictly, away from the checkout."""
    (folder / "program.py").write_text(program, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--python-executable",
        str(python),
        "program.py",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_users_program_has_types(python: Path, tmp_path: Path) -> None:
    run = mypy(python, PROGRAM, tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_a_wrong_type_in_it_is_seen(python: Path, tmp_path: Path) -> None:
    wrong = PROGRAM.replace("level: str", "level: int").replace('diagnose({"age"', 'diagnose(engine=5, case={"age"')
    run = mypy(python, wrong, tmp_path)
    assert run.returncode == 1
    assert run.stdout.count("error:") == 2, run.stdout
