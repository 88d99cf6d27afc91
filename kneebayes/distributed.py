"""The same scoring as a Dask graph: past one machine.

A partition is scored by the code that scores a table or a file on one machine. The model travels once to each worker,
as the text of its file, and is compiled there once.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import kneebayes
from kneebayes.atomic import file_kind, plain_path
from kneebayes.cases.mapping import CaseMapping, MappingLike
from kneebayes.diagnosis.alarm import Thresholds
from kneebayes.errors import FileFormatError, MissingExtraError, OptionError, guarded, names_of
from kneebayes.inference import cores
from kneebayes.model import Model, load_model
from kneebayes.scoring.score_file import ScoreSummary
from kneebayes.spec.model_spec import ModelSpec

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd


def score(
    ddf: dd.DataFrame,
    *,
    model: Model | None = None,
    keep: Iterable[str] = (),
    ignore: Iterable[str] = (),
    thresholds: Thresholds | None = None,
    errors: Literal["raise", "null"] = "raise",
    mapping: MappingLike | None = None,
) -> dd.DataFrame:
    """Score a Dask frame of cases, partition by partition.

    Parameters
    ----------
    ddf : dask.dataframe.DataFrame
        As for `Model.score`.
    model : Model, optional
        By default the article's model.
    keep, ignore, thresholds, mapping
        As for `Model.score`.
    errors : {"raise", "null"}
        Whether a row that can't be scored raises when computed, or comes back empty. The error names the row of its
        partition and the column, but not the value: workers log errors.

    Returns
    -------
    dask.dataframe.DataFrame
        Lazy, with the same partitions and index.

    Raises
    ------
    UnknownColumnError
        If a column is not accounted for.
    OptionError
        If the mapping joins rows, and there are several partitions.
    MissingExtraError
        If Dask is not installed.

    Examples
    --------
    >>> import dask.dataframe as dd, pandas as pd
    >>> cases = dd.from_pandas(pd.DataFrame({"age": [67, 25, 40]}), npartitions=2)
    >>> score(cases).compute()["most_likely"].tolist()
    ['knee_osteoarthritis', 'none_of_these', 'none_of_these']
    """
    dask = _dask()
    model = model or load_model()
    options: dict[str, Any] = {
        "keep": tuple(names_of("keep", keep)),
        "ignore": tuple(names_of("ignore", ignore)),
        "thresholds": thresholds,
        "errors": errors,
        "redact": True,  # workers log what goes wrong
        "mapping": _given(mapping, ddf.npartitions),
    }
    meta = model.score(ddf._meta, **options)
    text = dask.delayed(model.file.model_dump_json(), pure=True)
    result: dd.DataFrame = ddf.map_partitions(_score_partition, text, options, kneebayes.__version__, meta=meta)
    return result


def score_files(
    source: str | Path,
    target: str | Path,
    *,
    model: Model | None = None,
    scheduler: str | None = None,
    rejects: str | Path | None = None,
    keep: Iterable[str] = (),
    ignore: Iterable[str] = (),
    columns: Iterable[str] | None = None,
    thresholds: Thresholds | None = None,
    intervals: float | None = None,
    draws: int = 200,
    seed: int = 0,
    redact: bool = False,
    mapping: MappingLike | None = None,
) -> ScoreSummary:
    """Score many files of cases, each a partition, into a folder.

    Parameters
    ----------
    source : str or pathlib.Path
        A folder of CSV or Parquet files, a pattern such as ``cases/*.csv``, or
        one file. Workers read it under the same name.
    target : str or pathlib.Path
        A folder: each file's scores appear in it whole, under the file's own
        name, so that a part scored twice (a worker was lost) is the same part.
    model : Model, optional
        By default the article's model.
    scheduler : str, optional
        Address of a Dask scheduler; by default the cores of this machine.
    rejects : str or pathlib.Path, optional
        A folder for the rejects of each file.
    keep, ignore, columns, thresholds, intervals, draws, seed, redact, mapping
        As for `kneebayes.score_file`.

    Returns
    -------
    ScoreSummary
        Summed over the files.

    Raises
    ------
    FileFormatError
        If there are no such files, or one of them can't be read or written.
    OptionError
        If the mapping joins rows, and there are several files.
    MissingExtraError
        If Dask is not installed.

    Notes
    -----
    A ``case_id`` that stands twice is found within one file only.
    """
    dask = _dask()
    sources, folder = _partitions(plain_path(source)), Path(plain_path(target))
    rejects_folder = None if rejects is None else Path(plain_path(rejects))
    for place in filter(None, (folder, rejects_folder)):
        if any(place.resolve() == Path(path).resolve().parent for path in sources):
            raise FileFormatError(f"{place}: is where the input is: name another folder for what is written")
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileFormatError(f"{place}: can't be made a folder to write to: {error}") from error
    options = {
        "keep": tuple(names_of("keep", keep)),
        "ignore": tuple(names_of("ignore", ignore)),
        "columns": None if columns is None else tuple(columns),
        "thresholds": thresholds,
        "intervals": intervals,
        "draws": draws,
        "seed": seed,
        "redact": redact,
        "mapping": _given(mapping, len(sources)),
    }
    text = dask.delayed((model or load_model()).file.model_dump_json(), pure=True)
    work = dask.delayed(_score_part, pure=False)
    tasks = []
    for path in sources:
        name = os.path.basename(path)
        reject = None if rejects_folder is None else str(rejects_folder / f"{name.split('.')[0]}.csv")
        tasks.append(work(text, path, str(folder / name), reject, options, kneebayes.__version__))
    return sum(_compute(dask, tasks, scheduler), ScoreSummary())


def _given(mapping: MappingLike | None, n_parts: int) -> CaseMapping | None:
    """Read a mapping; one that joins rows is refused where those of a case may stand in several parts."""
    given = None if mapping is None else CaseMapping.of(mapping)
    if given is not None and given.join is not None and n_parts > 1:
        raise OptionError(f"join: rows of one case may stand in several of {n_parts} parts: join them before")
    return given


def _dask() -> Any:
    try:
        import dask
        import dask.dataframe
    except ImportError as error:
        raise MissingExtraError("Dask is not installed: pip install 'kneebayes[distributed]'") from error
    return dask


def _compute(dask: Any, tasks: list[Any], scheduler: str | None) -> list[ScoreSummary]:
    if scheduler is None:
        results: tuple[ScoreSummary, ...] = dask.compute(*tasks, scheduler="threads", num_workers=cores())
        return list(results)
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("distributed is not installed: pip install 'kneebayes[distributed]'") from error
    try:
        client = Client(scheduler, timeout="20s", set_as_default=False)
    except OSError as error:
        raise FileFormatError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        return list(client.gather(client.compute(tasks)))


@lru_cache(maxsize=4)
def _compiled(text: str) -> Model:
    """Compile a model once per worker."""
    return Model(ModelSpec.model_validate_json(text))


def _refuse_other(version: str) -> None:
    """Refuse to work for another version, whose numbers may be others."""
    if version != kneebayes.__version__:
        said = f"a Dask worker has kneebayes {kneebayes.__version__}, and {version} sent it work"
        raise OptionError(f"{said}: install the same version everywhere")


def _score_partition(frame: pd.DataFrame, text: str, options: dict[str, Any], version: str) -> pd.DataFrame:
    _refuse_other(version)
    scored: pd.DataFrame = guarded(lambda: _compiled(text).score(frame, **options), lambda: "scoring a partition")
    return scored


def _score_part(
    text: str, source: str, target: str, rejects: str | None, options: dict[str, Any], version: str
) -> ScoreSummary:
    _refuse_other(version)
    return _compiled(text).score_file(source, target, rejects=rejects, quiet=True, **options)


def _partitions(source: str) -> list[str]:
    """Name the files, in order."""
    if os.path.isdir(source):
        found = sorted(os.path.join(source, name) for name in os.listdir(source) if not name.startswith((".", "_")))
    else:
        found = sorted(glob.glob(source))
    if not found:
        raise FileFormatError(f"{source}: no such file or folder, and no file matches it")
    for path in found:
        file_kind(path)
    names = [os.path.basename(path).split(".")[0] for path in found]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise FileFormatError(f"{source}: several files are called {repeated}: their parts would overwrite each other")
    return found
