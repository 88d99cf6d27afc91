"""The Dask graph gives what one machine gives, also when a worker dies in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from typer.testing import CliRunner

import kneebayes as kb
from kneebayes import distributed
from kneebayes.distributed import score, score_files
from kneebayes.errors import DefectError, FileFormatError, OptionError
from kneebayes.ui.cli import app

pytestmark = pytest.mark.slow

PARTS, ROWS = 12, 700


@pytest.fixture(scope="module")
def model() -> kb.Model:
    return kb.load_model()


@pytest.fixture(scope="module")
def cases(model: kb.Model) -> pd.DataFrame:
    return model.simulate(PARTS * ROWS, seed=5, missing=(0.3, 0.6))


@pytest.fixture(scope="module")
def folder(cases: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for part in range(PARTS):
        cases.iloc[part * ROWS : (part + 1) * ROWS].to_csv(folder / f"part{part:02}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


def whole(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(path, keep_default_na=False) for path in sorted(folder.glob("*.csv"))])


def expected(model: kb.Model, folder: Path, target: Path) -> pd.DataFrame:
    target.mkdir()
    for path in sorted(folder.glob("*.csv")):
        model.score_file(path, target / path.name)
    return whole(target)


def test_a_dask_frame_scores_as_a_pandas_frame(model: kb.Model, cases: pd.DataFrame) -> None:
    result = score(dd.from_pandas(cases, npartitions=5), model=model).compute(scheduler="threads")
    pd.testing.assert_frame_equal(result, model.score(cases), rtol=1e-12, check_dtype=False)  # Dask has own strings


def test_the_meta_of_a_dask_frame_is_that_of_its_result(model: kb.Model, cases: pd.DataFrame) -> None:
    lazy = score(dd.from_pandas(cases, npartitions=3), model=model)
    pd.testing.assert_series_equal(lazy.dtypes, lazy.compute(scheduler="threads").dtypes)


def test_unknown_columns_are_refused_before_anything_is_computed(cases: pd.DataFrame) -> None:
    with pytest.raises(kb.UnknownColumnError, match="shoe_size"):
        score(dd.from_pandas(cases.assign(shoe_size=42), npartitions=2))


@pytest.mark.slow
def test_files_on_the_cores_of_this_machine(model: kb.Model, folder: Path, tmp_path: Path) -> None:
    counts = score_files(folder, tmp_path / "out", model=model, rejects=tmp_path / "rejects")
    assert (counts.read, counts.scored, counts.rejected) == (PARTS * ROWS, PARTS * ROWS, 0)
    pd.testing.assert_frame_equal(whole(tmp_path / "out"), expected(model, folder, tmp_path / "one"))


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_nothing(
    model: kb.Model, folder: Path, tmp_path: Path, cluster: LocalCluster
) -> None:
    source, target, rejects = (tmp_path / name for name in ("in", "out", "rejects"))
    one, one_rejects = tmp_path / "one", tmp_path / "one_rejects"
    for place in (source, one, one_rejects):
        place.mkdir()
    for path in folder.iterdir():
        frame = pd.read_csv(path, dtype=str)
        frame.loc[::50, "age"] = "999"
        ids = frame["case_id"].tolist()
        frame["case_id"] = [*ids[:7], ids[8], *ids[8:]]
        frame.to_csv(source / path.name, index=False)
        model.score_file(source / path.name, one / path.name, rejects=one_rejects / path.name)
    with Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))

        def kill_once_some_parts_are_there() -> None:
            for _ in range(3000):
                if target.is_dir() and len(list(target.glob("*.csv"))) >= 2:
                    os.kill(victim, signal.SIGKILL)
                    return
                time.sleep(0.01)

        killer = threading.Thread(target=kill_once_some_parts_are_there)
        killer.start()
        scheduler = cluster.scheduler_address
        counts = score_files(str(source / "*.csv"), target, model=model, scheduler=scheduler, rejects=rejects)
        killer.join()
        assert victim not in client.run(os.getpid).values(), "the worker was to be killed while parts were left"
    assert (counts.read, counts.rejected) == (PARTS * ROWS, PARTS * (ROWS // 50 + 1))
    for found, alone in ((target, one), (rejects, one_rejects)):  # nothing else either, such as halves of files
        assert {p.name: p.read_bytes() for p in found.iterdir()} == {p.name: p.read_bytes() for p in alone.iterdir()}


class _Crashing(kb.Model):
    def score(self, frame: Any, **options: Any) -> Any:
        raise LookupError(f"CANARY {frame.iloc[0].tolist()}")


def test_workers_log_no_values(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch, model: kb.Model, cases: pd.DataFrame
) -> None:
    wrong = cases.head(20).assign(case_id="CANARYid", age="CANARYage", calf_pain="CANARYcalf")
    wrong.index = pd.Index([f"CANARYindex{row}" for row in range(20)])
    lazy = score(dd.from_pandas(wrong, npartitions=2, sort=False), model=model)
    with Client(cluster) as client:
        with pytest.raises(kb.CaseError, match="row 0, column 'age': not allowed: give a number of years") as caught:
            lazy.compute()
        logged = "".join(map(str, client.get_worker_logs().values()))
    assert "Compute Failed" in logged
    assert "CANARY" not in f"{logged}{caught.value}"
    monkeypatch.setattr(distributed, "_compiled", lambda text: _Crashing(model.file))
    with pytest.raises(DefectError, match="LookupError while scoring a partition, at") as crashed:
        lazy.compute(scheduler="synchronous")
    assert "CANARY" not in str(crashed.value)
    assert crashed.value.__context__ is None


def test_a_worker_of_another_version_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: kb.Model, cases: pd.DataFrame
) -> None:
    lazy = score(dd.from_pandas(cases.head(20), npartitions=2), model=model)
    own = kb.__version__
    monkeypatch.setattr(kb, "__version__", "0.0.9")  # what a worker finds there
    with pytest.raises(OptionError, match=rf"a Dask worker has kneebayes 0.0.9, and {own} sent it work: install"):
        lazy.compute(scheduler="synchronous")
    monkeypatch.undo()
    with LocalCluster(n_workers=1, processes=True, dashboard_address=None) as other:
        with Client(other) as client:
            client.run(setattr_of_package, "0.0.9")
        with pytest.raises(OptionError, match="install the same version everywhere"):
            score_files(folder, tmp_path / "out", model=model, scheduler=other.scheduler_address)
    assert list((tmp_path / "out").iterdir()) == []


def setattr_of_package(version: str) -> None:
    kb.__version__ = version


@pytest.mark.parametrize("source", ["nowhere", "*.parquet"])
def test_no_files_is_an_error(folder: Path, tmp_path: Path, source: str) -> None:
    with pytest.raises(FileFormatError, match="no such file"):
        score_files(folder / source, tmp_path / "out")


def test_the_input_is_not_written_over(folder: Path) -> None:
    with pytest.raises(FileFormatError, match="another folder"):
        score_files(folder, folder)


def test_the_command_scores_a_folder(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(folder), "--dask", "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert f"{PARTS * ROWS:,} rows read" in result.stderr
    assert len(list((tmp_path / "out").iterdir())) == PARTS


def test_rows_are_not_joined_across_parts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"case_id": ["a", "a"], "fever": ["yes", None]})
    with pytest.raises(OptionError, match="several of 2 parts"):
        score(dd.from_pandas(frame, npartitions=2), mapping={"join": "case_id"})
    for name in ("one.csv", "two.csv"):
        frame.to_csv(tmp_path / name, index=False)
    with pytest.raises(OptionError, match="several of 2 parts"):
        score_files(tmp_path / "*.csv", tmp_path / "out", mapping={"join": "case_id"})
    assert score_files(tmp_path / "one.csv", tmp_path / "out", mapping={"join": "case_id"}).left_out == 1
