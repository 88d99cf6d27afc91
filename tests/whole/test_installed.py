"""It runs wherever it is installed: from a zip, as a service without streams, stopped at once, with -OO."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kneebayes as kb

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-m", "kneebayes"]


def run(command: list[str], redirect: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, which closes streams."""
    shell = ["sh", "-c", f'exec "$@" {redirect}', "sh", *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | more.pop("env", {})
    return subprocess.run(shell, capture_output=True, text=True, timeout=120, env=environment, **more)


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    path = tmp_path / "cases.csv"
    path.write_text("case_id,age\na,67\nb,40\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("redirect", ["2>&-", "<&-", ">&-", "<&- >&- 2>&-"])
def test_a_file_is_scored_whatever_streams_are_closed(cases: Path, redirect: str) -> None:
    expected = run([*COMMAND, "score", str(cases)]).stdout
    target = cases.with_name("out.csv")
    done = run([*COMMAND, "score", str(cases), "-o", str(target)], redirect)
    assert done.returncode == 0
    assert target.read_text(encoding="utf-8") == expected


SAID = {
    "diagnose age=67": "kneebayes: standard output is closed: name a file with -o, or open it\n",
    "--version": "kneebayes: standard output is closed: name a file with -o, or open it\n",
    "template --help": "kneebayes: standard output is closed: name a file with -o, or open it\n",
    "simulate -n 2": "kneebayes: standard output: can't be written: Bad file descriptor\n",
}


@pytest.mark.parametrize("words", list(SAID))
def test_what_goes_to_a_closed_standard_output_is_said_in_a_line(words: str) -> None:
    done = run([*COMMAND, *words.split()], ">&-")
    assert (done.returncode, done.stderr) == (2, SAID[words])


@pytest.mark.parametrize("words", ["ask age=67 --save saved.csv", "fit cases.csv -o saved.yaml", "evaluate cases.csv"])
def test_work_of_which_the_result_would_be_lost_is_not_begun(cases: Path, words: str) -> None:
    cases.write_text("case_id,age,label\na,67,dvt\n", encoding="utf-8")
    done = run([*COMMAND, *words.split()], ">&-", cwd=str(cases.parent), input="quit\n")
    assert (done.returncode, done.stderr) == (2, SAID["diagnose age=67"])
    assert [path.name for path in cases.parent.iterdir()] == ["cases.csv"]


@pytest.mark.parametrize("words", ["ask", "score -", "evaluate -"])
def test_a_closed_standard_input_is_said_in_a_line(words: str) -> None:
    done = run([*COMMAND, *words.split()], "<&-")
    assert done.returncode == 2
    assert done.stderr.startswith("kneebayes: standard input")
    assert done.stderr.count("\n") == 1


class _Plain:
    """A stream that can write, and nothing else."""

    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        pass


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, _Plain(), _closed()], ids=["None", "without isatty", "closed"])
@pytest.mark.parametrize("progress", [None, True])
def test_the_library_needs_no_standard_error(
    cases: Path, monkeypatch: pytest.MonkeyPatch, stream: Any, progress: bool | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    model = kb.load_model()
    target = cases.with_name("out.csv")
    assert model.score_file(cases, target, progress=progress).scored == 2
    frame = pd.DataFrame({"age": [67, 40], "label": ["dvt", "meniscal_tear"]})
    model.fit(frame, max_steps=4, tolerance=1e9, progress=progress)


def test_it_is_stopped_in_a_line_while_it_is_being_imported(tmp_path: Path) -> None:
    slow = tmp_path / "numpy.py"  # the first of what takes long
    slow.write_text("import time; print('importing', flush=True); time.sleep(60)", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    process = subprocess.Popen(
        [*COMMAND, "diagnose", "age=67"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "kneebayes: stopped\n")


def test_it_is_stopped_in_a_line_while_its_commands_are_set_up() -> None:
    script = """
import typer.main
def stopped(app):
    raise KeyboardInterrupt
typer.main.get_command = stopped
from kneebayes.__main__ import main
main()
"""
    done = run([sys.executable, "-c", script, "diagnose", "age=67"])
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "kneebayes: stopped\n")


@pytest.mark.parametrize("words", ["--help", "score --help", "ask --help"])
def test_help_says_the_same_without_docstrings(words: str) -> None:
    whole = run([*COMMAND, *words.split()])
    stripped = run([sys.executable, "-OO", *COMMAND[1:], *words.split()])
    assert whole.stdout == stripped.stdout
    assert len(whole.stdout) > 300


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zip the package as a wheel has it."""
    path = tmp_path_factory.mktemp("zipped") / "kneebayes.zip"
    with zipfile.ZipFile(path, "w") as whole:
        for file in (ROOT / "kneebayes").rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                whole.write(file, file.relative_to(ROOT))
        for file in (ROOT / "models").glob("*.yaml"):
            whole.write(file, f"kneebayes/models/{file.name}")
        for file in (ROOT / "data").glob("*.csv"):
            whole.write(file, f"kneebayes/data/{file.name}")
    return path


SHIPPED = """
import kneebayes as kb
from kneebayes.spec.yaml_io import starter_text
from kneebayes.ui.explorer import vignettes
for name in (None, "extended"):
    model = kb.load_model(name)
    print(repr(model), len(vignettes(model.file)))
print(kb.load_model("extended").diagnose({"age": 67}).probabilities["dvt"].hex(), len(starter_text("ankle")))
"""


# Of what is in a zip, and nowhere else, the environment has no metadata.
NOT_INSTALLED = """
import importlib.metadata as metadata
known = metadata.version
def version(name):
    if name == "kneebayes":
        raise metadata.PackageNotFoundError(name)
    return known(name)
metadata.version = version
from kneebayes.__main__ import main
main()
"""


def test_it_runs_from_a_zip(archive: Path, cases: Path) -> None:
    inside: dict[str, Any] = {"env": {"PYTHONPATH": str(archive)}, "cwd": str(cases.parent)}
    where = "import kneebayes; print(kneebayes.__file__)"
    assert run([sys.executable, "-c", where], **inside).stdout.startswith(str(archive))
    for command in (
        [sys.executable, "-c", SHIPPED],
        [*COMMAND, "score", str(cases)],
        [sys.executable, "-c", NOT_INSTALLED, "score", str(cases), "--format", "fhir-ndjson"],
    ):
        assert run(command, **inside).stdout == run(command).stdout != ""


@pytest.mark.slow
def test_nothing_can_be_kept_and_nothing_is_lost(archive: Path, tmp_path: Path) -> None:
    """No home, no cache folder: the kernel is compiled, which takes half a minute, and that is said once."""
    kb.load_model().simulate(1100, seed=1).to_csv(tmp_path / "cases.csv", index=False)
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": "/dev/null", "PYTHONPATH": str(archive)}
    found = run([*COMMAND, "score", "cases.csv"], cwd=str(tmp_path), env=nowhere)
    expected = run([*COMMAND, "score", "cases.csv"], cwd=str(tmp_path))
    assert found.returncode == 0
    assert found.stdout == expected.stdout
    assert found.stderr.count("compiled code can't be kept") == 1
