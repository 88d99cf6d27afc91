"""What goes wrong around a run: kills, full disks, closed pipes, broken reads, signals. Old files stay whole."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import kneebayes as kb
from kneebayes.atomic import AtomicFile, commit, write_whole
from kneebayes.errors import FileFormatError
from kneebayes.scoring import readers
from kneebayes.ui.ask import CaseFile
from tests.stress.kill_nine import kill_runs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals, pipes and limits of POSIX")]

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "kneebayes"]
HEADER = "case_id,age,calf_pain\n"


def cases(n: int) -> str:
    return HEADER + "".join(f"c{i},{20 + i % 60},{'yes' if i % 3 else ''}\n" for i in range(n))


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Make a folder with an output and rejects of an earlier run."""
    (tmp_path / "out").mkdir()
    for name in ("p.csv", "p.csv.gz", "p.parquet", "r.csv"):
        (tmp_path / "out" / name).write_text("old\n")
    return tmp_path / "out"


def intact(place: Path) -> bool:
    return {path.name: path.read_text() for path in place.iterdir()} == dict.fromkeys(
        ("p.csv", "p.csv.gz", "p.parquet", "r.csv"), "old\n"
    )


class TestKilled:
    """Signal 9, which nothing can be done about."""

    def test_runs_killed_at_random_moments_lose_nothing(self, tmp_path: Path) -> None:
        assert sum(kill_runs(tmp_path, "csv", kills=3, rows=600).states.values()) == 3  # it checks what each leaves

    def test_a_kill_between_any_two_steps_of_the_end(self, tmp_path: Path) -> None:
        script = """
import os, pathlib, signal, sys
from kneebayes.atomic import AtomicFile, commit
folder = pathlib.Path(sys.argv[1])
def attempt(last):
    steps = 0
    def counted(real):
        def step(*arguments):
            nonlocal steps
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)
        return step
    with AtomicFile(str(folder / "r.csv")) as rejects, AtomicFile(str(folder / "p.csv")) as output:
        rejects.write(b"new"), output.write(b"new")
        for name in ("fsync", "fchmod", "replace", "close"):
            setattr(os, name, counted(getattr(os, name)))
        commit(rejects, output)
for last in range(1, 100):
    for name in ("r.csv", "p.csv"):
        (folder / name).write_text("old")
    child = os.fork()
    if not child:
        attempt(last)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    state = [(folder / name).read_text() for name in ("r.csv", "p.csv")]
    hidden = sum(name.startswith(".p.csv") for name in os.listdir(folder))
    print(*state, hidden, "killed" if killed else "done")
    if not killed:
        break
"""
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
        )
        states = done.stdout.splitlines()
        assert states[-1] == "new new 0 done"
        assert len(states) >= 9
        assert set(states[:-1]) == {"old old 1 killed", "new old 1 killed", "new new 0 killed"}  # rejects, output
        assert sorted(os.listdir(tmp_path)) == ["p.csv", "r.csv"]

    def test_rejects_take_their_place_before_the_output(
        self, model: kb.Model, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (place.parent / "cases.csv").write_text(cases(3))
        real, placed = os.replace, []

        def noted(old: str, new: str) -> None:
            placed.append(os.path.basename(new))
            real(old, new)

        monkeypatch.setattr(os, "replace", noted)
        model.score_file(place.parent / "cases.csv", place / "p.csv", rejects=place / "r.csv")
        assert placed == ["r.csv", "p.csv"]

    def test_what_a_killed_run_left_stays_while_another_lives(self, tmp_path: Path) -> None:
        with AtomicFile(str(tmp_path / "p.csv")) as slow:
            with AtomicFile(str(tmp_path / "p.csv")) as quick:
                quick.write(b"quick")
                commit(quick)
            slow.write(b"slow")
            commit(slow)
        assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]
        assert (tmp_path / "p.csv").read_text() == "slow"


FULL = """
import json, os, pathlib, resource, sys
from typer.testing import CliRunner
from kneebayes.ui.cli import app
folder, source, bad, kinds, limit = pathlib.Path(sys.argv[1]), *sys.argv[2:4], sys.argv[4].split(), int(sys.argv[5])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
for name in ["r.csv", *(f"p.{kind}" for kind in kinds)]:
    (folder / name).write_text("old")
def run(*arguments):
    result = CliRunner().invoke(app, ["score", *map(str, arguments)])
    whole = all(path.read_text() == "old" for path in folder.iterdir())
    print(json.dumps([arguments[2].name, result.exit_code, result.output, whole, len(os.listdir(folder))]))
for kind in kinds:
    options = ["--format", "fhir-ndjson"] if kind == "ndjson" else []
    run(source, "-o", folder / f"p.{kind}", *options)
run(bad, "-o", folder / "p.csv", "--rejects", folder / "r.csv")
"""
KINDS = ("csv", "csv.gz", "csv.zst", "parquet", "ndjson")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write cases to score, and others all of which are rejected."""
    folder = tmp_path_factory.mktemp("sources")
    ids = random.Random(5).sample(range(10**15), 5000)  # which no compression makes small
    (folder / "cases.csv").write_text(HEADER + "".join(f"{number},67,\n" for number in ids))
    (folder / "bad.csv").write_text(HEADER + "".join(f"c{i},999,\n" for i in range(500)))
    return folder / "cases.csv", folder / "bad.csv"


class TestFullDisk:
    """No room for what is to be written."""

    def check(self, output: str, reason: str, kinds: tuple[str, ...] = KINDS) -> None:
        found = [json.loads(line) for line in output.splitlines()]
        assert [name for name, *_ in found] == [f"p.{kind}" for kind in (*kinds, "csv")]
        for name, code, said, whole, n_files in found:
            blamed = "r.csv" if "r.csv" in said else name
            assert said.startswith("kneebayes: "), said
            assert said.rstrip().endswith(f"{blamed}: can't be written: {reason}"), said
            assert (code, whole, n_files, len(said.splitlines())) == (2, True, len(kinds) + 1, 1)
        assert "r.csv" in found[-1][2]

    def test_a_limit_on_the_size_of_files(self, sources: tuple[Path, Path], tmp_path: Path) -> None:
        arguments = [str(tmp_path), *map(str, sources), "csv parquet", "6000"]
        done = subprocess.run([sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        self.check(done.stdout, "File too large", ("csv", "parquet"))

    def test_a_small_file_system(self, sources: tuple[Path, Path], tmp_path: Path) -> None:
        mount = f"mount -t tmpfs -o size=48k none {tmp_path}"
        if (
            not shutil.which("unshare")
            or subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode
        ):
            pytest.skip("no file system may be mounted here")
        arguments = [sys.executable, "-c", FULL, str(tmp_path), *map(str, sources), " ".join(KINDS), "0"]
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr
        self.check(done.stdout, "No space left on device")

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
    @pytest.mark.parametrize("arguments", [["score", "-"], ["diagnose", "age=67"]], ids=["score", "diagnose"])
    def test_standard_output(self, arguments: list[str]) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [*COMMAND, *arguments], input=cases(3).encode(), stdout=full, stderr=subprocess.PIPE, cwd=ROOT
            )
        assert done.returncode == 2
        assert done.stderr.startswith(b"kneebayes: ")
        assert done.stderr.rstrip().endswith(b"No space left on device")
        assert done.stderr.count(b"\n") == 1

    def test_half_a_case_is_taken_back(self, model: kb.Model, tmp_path: Path) -> None:
        file = CaseFile(tmp_path / "cases.csv", model.file)
        file.append({"age": 67}, "first")
        before = file.path.read_bytes()
        script = (
            "import resource, sys; import kneebayes as kb; from kneebayes.ui.ask import CaseFile\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 5},) * 2)\n"
            f"CaseFile({str(file.path)!r}, kb.load_model().file).append({{'age': 68}}, 'the second')"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
        assert "FileFormatError" in done.stderr
        assert file.path.read_bytes() == before

    def test_a_folder_that_goes_away(self, model: kb.Model, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        with AtomicFile(str(tmp_path / "out" / "p.csv")) as sink:
            sink.write(b"new")
            shutil.rmtree(tmp_path / "out")
            with pytest.raises(FileFormatError, match=r"p.csv: can't be written: No such file"):
                commit(sink)

    def test_small_files_are_whole_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_whole(str(tmp_path / "report.html"), "old")

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(FileFormatError, match="No space left"):
            write_whole(str(tmp_path / "report.html"), "new")
        assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


class TestClosedPipe:
    """Whoever reads has had enough."""

    @pytest.mark.parametrize("errors_too", [False, True], ids=["output", "output_and_messages"])
    def test_is_quiet(self, tmp_path: Path, errors_too: bool) -> None:
        source = tmp_path / "cases.csv"
        source.write_text(cases(6000))
        with subprocess.Popen(
            [*COMMAND, "score", str(source), "--rejects", str(tmp_path / "r.csv")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if errors_too else subprocess.PIPE,
            cwd=ROOT,
        ) as running:
            assert running.stdout is not None
            assert running.stdout.readline().startswith(b"case_id,")
            running.stdout.close()
            said = b"" if running.stderr is None else running.stderr.read()
        assert (running.returncode, said) == (141, b"")
        assert os.listdir(tmp_path) == ["cases.csv"]  # rejects of an output that nobody has are none

    def test_nobody_need_listen_to_messages(self, tmp_path: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*COMMAND, "score", "-", "-o", str(tmp_path / "p.csv")], input=cases(3).encode(), stderr=writer, cwd=ROOT
        )
        os.close(writer)
        assert done.returncode == 0
        assert (tmp_path / "p.csv").read_text().count("\n") == 4


class Failing(io.BytesIO):
    """A file whose disk breaks after so many bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data)
        self.after = after

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self.after:
            raise OSError(errno.EIO, "Input/output error")
        return super().read(size)

    read1 = read


class TestReading:
    """Cases that can't be read to their end."""

    @pytest.mark.parametrize("after", [0, 400_000])
    @pytest.mark.parametrize("compression", [None, "gzip"])
    def test_a_disk_that_breaks(
        self, model: kb.Model, place: Path, monkeypatch: pytest.MonkeyPatch, after: int, compression: str | None
    ) -> None:
        name = f"cases.csv{'.gz' if compression else ''}"
        data = gzip.compress(cases(40_000).encode(), 0) if compression else cases(40_000).encode()
        (place.parent / name).write_bytes(b"")

        def breaking(path: str, *, chunk_rows: int, **_: Any) -> readers._CsvReader:
            return readers._CsvReader(path, Failing(data, after), compression, chunk_rows=chunk_rows)

        monkeypatch.setattr(readers, "open_reader", breaking)
        with pytest.raises(FileFormatError, match=f"{name}: can't be read to its end: .*Input/output error"):
            model.score_file(place.parent / name, place / "p.csv", rejects=place / "r.csv", chunk_rows=1000)
        assert intact(place)

    @pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs Linux's /proc")
    def test_a_file_that_gives_nothing_but_errors(self, model: kb.Model, place: Path) -> None:
        (place.parent / "cases.csv").symlink_to("/proc/self/mem")
        with pytest.raises(FileFormatError, match=r"cases.csv: can't be read to its end: .*Input/output error"):
            model.score_file(place.parent / "cases.csv", place / "p.csv")
        assert intact(place)

    @pytest.mark.parametrize("change", ["flipped", "zeros"])
    def test_gzip_that_breaks_in_the_middle(self, model: kb.Model, place: Path, change: str) -> None:
        data = bytearray(gzip.compress(cases(60_000).encode()))
        middle = len(data) // 2
        data[middle : middle + 200] = bytes(200) if change == "zeros" else bytes(b ^ 0xFF for b in data[middle:][:200])
        source = place.parent / "cases.csv.gz"
        source.write_bytes(data)
        with pytest.raises(FileFormatError, match=r"cases.csv.gz: can't be read to its end"):
            model.score_file(source, place / "p.csv", rejects=place / "r.csv")
        assert intact(place)

    def test_no_permission(self, model: kb.Model, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        source = place.parent / "cases.csv"
        source.write_text(cases(3))
        monkeypatch.setattr("builtins.open", refuse)  # root may read anything, so modes show nothing
        with pytest.raises(FileFormatError, match=r"cases.csv: can't be read: .*Permission denied"):
            model.score_file(source, place / "p.csv")
        monkeypatch.undo()
        assert intact(place)

    @contextmanager
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch, kind: Any, change: Any) -> Iterator[None]:
        real = kind.pieces

        def pieces(source: Any) -> Iterator[Any]:
            for number, piece in enumerate(real(source)):
                yield piece
                if not number:
                    change()

        with monkeypatch.context() as patch:
            patch.setattr(kind, "pieces", pieces)
            yield

    @pytest.mark.parametrize("keep", [0.5, 0.9, 1.1], ids=["cut", "cut_later", "grown"])
    def test_a_file_that_changes_while_it_is_read(
        self, model: kb.Model, place: Path, monkeypatch: pytest.MonkeyPatch, keep: float
    ) -> None:
        source = place.parent / "cases.csv"
        source.write_text(cases(50_000))
        size = int(source.stat().st_size * keep)
        with (
            self.meanwhile(monkeypatch, readers._CsvReader, lambda: os.truncate(source, size)),
            pytest.raises(
                FileFormatError, match=r"cases.csv: was changed while it was read|never closed|over .* bytes"
            ),
        ):
            model.score_file(source, place / "p.csv", rejects=place / "r.csv", chunk_rows=1000)
        assert intact(place)

    def test_parquet_that_changes_while_it_is_read(
        self, model: kb.Model, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = place.parent / "cases.parquet"
        parquet.write_table(pa.table({"age": [30, 40] * 5000}), source, row_group_size=1000)
        with (
            self.meanwhile(monkeypatch, readers._ParquetReader, lambda: os.truncate(source, 2000)),
            pytest.raises(FileFormatError, match=r"cases.parquet: (was changed|can't be read as a whole)"),
        ):
            model.score_file(source, place / "p.parquet", chunk_rows=1000)
        assert intact(place)

    @pytest.mark.parametrize("how", ["removed", "replaced"])
    def test_a_file_whose_name_goes_is_still_read_whole(
        self, model: kb.Model, place: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        source = place.parent / "cases.csv"
        source.write_text(cases(40_000))
        (place.parent / "next.csv").write_text(cases(3))
        change = source.unlink if how == "removed" else lambda: os.replace(place.parent / "next.csv", source)
        with self.meanwhile(monkeypatch, readers._CsvReader, change):
            assert model.score_file(source, place / "p.csv", chunk_rows=1000).scored == 40_000


class TestSignals:
    """Being told to stop."""

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_leave_what_was_there_and_an_exit_code(self, place: Path, number: int, code: int) -> None:
        paths = ["-o", str(place / "p.csv"), "--rejects", str(place / "r.csv")]
        with subprocess.Popen(
            [*COMMAND, "score", "-", *paths],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # nohup would have it ignored
        ) as running:
            assert running.stdin is not None
            assert running.stderr is not None
            running.stdin.write(cases(30_000).encode())  # more than is read to see the header
            running.stdin.flush()
            deadline = time.monotonic() + 60
            while len(os.listdir(place)) < 6:
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            running.send_signal(number)
            try:
                running.wait(60)
            finally:
                running.kill()
            said = running.stderr.read().decode()
            running.stdin.close()
        assert running.returncode == code, said
        assert intact(place)
        assert "Traceback" not in said
        assert number != signal.SIGINT or "p.csv was not written" in said

    def test_wait_until_both_files_are_in_their_places(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.replace

        def interrupted(old: str, new: str) -> None:
            real(old, new)
            signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(os, "replace", interrupted)
        handler = signal.getsignal(signal.SIGINT)
        with AtomicFile(str(place / "r.csv")) as rejects, AtomicFile(str(place / "p.csv")) as output:
            rejects.write(b"new")
            output.write(b"new")
            with pytest.raises(KeyboardInterrupt):
                commit(rejects, output)
            assert output.in_place
        assert (place / "r.csv").read_text() == (place / "p.csv").read_text() == "new"
        assert signal.getsignal(signal.SIGINT) is handler
        assert not [path for path in place.iterdir() if path.name.startswith(".")]
