"""Files that appear whole or not at all, whatever stands at their names."""

from __future__ import annotations

import os
import secrets
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from kneebayes.atomic import AtomicFile, commit, write_whole
from kneebayes.errors import FileFormatError, ModelFileError
from kneebayes.interop.exchange import export
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
        with pytest.raises(FileFormatError, match=r"p\.csv: can't be written: Is a directory"):
            commit(file)
    assert path.is_dir()
    assert os.listdir(tmp_path) == ["p.csv"]
