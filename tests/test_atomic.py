"""Files that appear whole or not at all, whatever stands at their names."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kneebayes.atomic import AtomicFile, commit, plain_path, write_whole
from kneebayes.errors import FileFormatError, ModelFileError
from kneebayes.interop.exchange import export
from kneebayes.scoring.readers import open_reader, read_cases
from kneebayes.spec.yaml_io import DEFAULT_MODEL, model_path, read_model, write_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and permissions of POSIX")
MODEL = read_model(model_path(DEFAULT_MODEL))


def test_a_link_planted_at_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    names = iter(["planted", "free"])
    monkeypatch.setattr(secrets, "token_hex", lambda n: next(names))
    planted = tmp_path / f".p.csv.{socket.gethostname()}-{os.getpid()}-planted.partial"
    planted.symlink_to(victim)
    with pytest.raises(FileFormatError, match=r"p\.csv: can't be written: File exists"):
        AtomicFile(str(tmp_path / "p.csv"))
    assert victim.read_text() == "theirs"
    assert planted.is_symlink()
    write_whole(str(tmp_path / "p.csv"), "ours")
    assert (tmp_path / "p.csv").read_text() == "ours"
    assert victim.read_text() == "theirs"


def test_the_temporary_name_can_not_be_guessed(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with AtomicFile(str(tmp_path / "p.csv")):
            names |= set(os.listdir(tmp_path))
    assert len(names) == 3
    assert all(len(name.rpartition("-")[2]) == len(".partial") + 16 for name in names)


def test_permissions_go_to_the_file_and_not_to_its_name(tmp_path: Path) -> None:
    bystander = tmp_path / "bystander"
    bystander.write_text("")
    bystander.chmod(0o600)
    target = tmp_path / "p.csv"
    target.write_text("old")
    target.chmod(0o644)
    with AtomicFile(str(target)) as file:
        (name,) = (path for path in tmp_path.iterdir() if path.name.endswith(".partial"))
        name.unlink()
        name.symlink_to(bystander)
        file.sync()
    assert stat.S_IMODE(bystander.stat().st_mode) == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "knee.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    before = path.lstat().st_ino
    said = {
        "folder": "is a folder: give a file",
        "pipe": "is a pipe or a device",
        "loop": "is a link that leads back to itself",
    }[kind]
    with pytest.raises(ModelFileError, match=f"knee.yaml: {said}"):
        write_model(MODEL, path)
    with pytest.raises(FileFormatError, match=f"knee.yaml: {said}"):
        export(MODEL, path, "json")
    assert path.lstat().st_ino == before
    assert os.listdir(tmp_path) == ["knee.yaml"]


def test_a_pipe_that_comes_to_stand_there_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    with AtomicFile(str(path)) as file:
        os.mkfifo(path)
        with pytest.raises(FileFormatError, match="has become a pipe or a device meanwhile"):
            commit(file)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["p.csv"]


def test_a_pipe_is_written_through_where_a_stream_will_do(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(str(pipe), "rows")
    reader.join()
    assert read == ["rows"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_is_written_through(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with os.fdopen(os.dup(1), "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        write_whole("-", "one\n")
    assert capfdbinary.readouterr().out == b"one\n"


def test_a_network_and_its_labels_appear_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []
    real = os.replace

    def noted(old: str, new: str) -> None:
        assert len([name for name in os.listdir(tmp_path) if name.endswith(".partial")]) == 2 - len(placed)
        placed.append(os.path.basename(new))
        real(old, new)

    monkeypatch.setattr(os, "replace", noted)
    export(MODEL, tmp_path / "knee.net")
    assert placed == ["knee.net.labels.json", "knee.net"]


def test_a_folder_that_comes_to_stand_there_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    with AtomicFile(str(path)) as file:
        path.mkdir()
        with pytest.raises(FileFormatError, match=r"p\.csv: is a folder"):
            commit(file)
    assert path.is_dir()
    assert os.listdir(tmp_path) == ["p.csv"]


def test_what_became_a_folder_meanwhile_leaves_no_other_file_new(tmp_path: Path) -> None:
    first, second = tmp_path / "rejects.csv", tmp_path / "scores.csv"
    first.write_text("old")
    with AtomicFile(str(first)) as rejects, AtomicFile(str(second)) as scores:
        rejects.write(b"new")
        second.mkdir()
        with pytest.raises(FileFormatError, match="is a folder"):
            commit(rejects, scores)
    assert first.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rejects.csv", "scores.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/stderr"), reason="a system without such names")
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/dev/stderr", "/dev/fd/2"])
def test_a_stream_that_is_a_file_keeps_what_is_there(tmp_path: Path, name: str) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    code = f"from kneebayes.atomic import write_whole; write_whole({name!r}, 'written\\n')"
    with log.open("ab") as stream:
        number = log.stat().st_ino
        subprocess.run([sys.executable, "-c", code], stdout=stream, stderr=stream, check=True)
    assert log.read_text() == "before\nwritten\n"
    assert log.stat().st_ino == number


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_not_written(name: str) -> None:
    with pytest.raises(FileFormatError, match="'-' is standard output"):
        write_whole(name, "text")


def test_the_dash_is_no_name_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFormatError, match="give the name of a file"):
        write_whole("-", "text", stream=False)
    assert not list(tmp_path.iterdir())


def test_a_network_goes_to_standard_output_without_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    export(read_model(model_path(DEFAULT_MODEL)), "-", "uai")
    assert capfdbinary.readouterr().out.startswith(b"BAYES")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["https://example.org/cases.csv", "s3://bucket/cases.parquet", "https:/collapsed.csv"])
def test_an_address_of_the_web_is_no_path(path: str) -> None:
    for opened in (
        lambda: open_reader(plain_path(path), chunk_rows=1),
        lambda: AtomicFile(path),
        lambda: read_cases(path),
    ):
        with pytest.raises(FileFormatError, match="is a web address, and nothing is fetched"):
            opened()
    with pytest.raises(ModelFileError, match="is a web address"):
        read_model(f"{path}.yaml")


def test_the_home_folder_of_a_model_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    model = read_model(model_path(DEFAULT_MODEL))
    write_model(model, "~/own.yaml")
    assert (tmp_path / "own.yaml").exists()
    assert read_model("~/own.yaml") == model
