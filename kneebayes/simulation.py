"""Cases drawn from the network: people with the complaint, some of their cells left empty.

Cases are drawn a block of attempts at a time. Each block has seeds of its own,
so the first n cases are the same whatever number is asked for, and memory does
not grow with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kneebayes.errors import CaseError, ModelFileError
from kneebayes.labels import ALSO, LABEL, NONE
from kneebayes.model import ModelFile
from kneebayes.recalibration import with_prevalence
from kneebayes.records import Shares, Writer
from kneebayes.sampling import draw_codes
from kneebayes.variables import NumericInput
from kneebayes.vocabulary import CASE_ID, NOT_EVIDENCE_PREFIX

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["input_columns", "simulate", "simulate_batches", "write_cases"]

BLOCK = 1 << 15  # part of what a seed means: another size gives other cases
MAX_EMPTY_BLOCKS = 100  # three million attempts: a complaint rarer than that is a mistake in the model file


def simulate(
    model: ModelFile,
    n: int,
    *,
    seed: int | np.random.Generator,
    missing: Shares = 0.3,
    missing_if: Mapping[str, Shares] | None = None,
    prevalence: Mapping[str, float] | None = None,
    with_causes: bool = False,
    label: bool = False,
    label_noise: float = 0.0,
    complaint: bool = True,
) -> pd.DataFrame:
    """Draw cases from the network, as a table that can be scored.

    Parameters
    ----------
    model : ModelFile
        A checked model file.
    n : int
        Number of cases.
    seed : int or numpy.random.Generator
        The same seed gives the same cases, and fewer of them are the first of
        more. `missing` empties cells and changes nothing else.
    missing : float or tuple of float
        Share of cells left empty, each by chance alone: one share for all, or
        one for risk factors and one for findings.
    missing_if : mapping of str to (float or tuple of float), optional
        The same for the cases in which a cause is present, as of people with a
        suspected clot more is asked; where several of them are, the least.
    prevalence : mapping of str to float, optional
        P(cause | the complaint alone) of some causes, to draw from the model
        that `kneebayes.recalibration.with_prevalence` makes.
    with_causes : bool
        Whether to add the drawn causes as ``true_<cause>``, never empty.
    label : bool
        Whether to add a leading cause as ``label``, one by chance of those
        that are there, or ``none_of_these``; and the others as ``also``,
        joined by ``;``.
    label_noise : float
        Share of labels that name another cause than is there;
        ``true_<cause>`` stays right.
    complaint : bool
        Whether to draw people with the complaint (the population of the
        model), rather than people with and without it.

    Returns
    -------
    pandas.DataFrame, n rows
        ``case_id``; every risk factor and finding in model order, as
        categories (NaN where empty), or as whole numbers for a variable that a
        numeric input sets, under the name of the input (NA where empty).

    Raises
    ------
    CaseError
        If `n`, `seed` or a share is out of range.
    UnknownNameError
        If there is no such cause.
    ModelFileError
        If the complaint can't arise, a band holds no whole number, or a
        prevalence can't be had.

    Examples
    --------
    >>> from kneebayes.modelfile import model_path, read_model
    >>> cases = simulate(read_model(model_path("posterior_knee_pain")), 5, seed=1, missing=0)
    >>> len(cases), int(cases["age"].min()) >= 18
    (5, True)
    """
    import pandas as pd
    import pyarrow as pa

    batches = simulate_batches(
        model,
        n,
        seed=seed,
        missing=missing,
        missing_if=missing_if,
        prevalence=prevalence,
        with_causes=with_causes,
        label=label,
        label_noise=label_noise,
        complaint=complaint,
    )
    table = pa.Table.from_batches(list(batches)).unify_dictionaries()
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.copy()  # Arrow's memory is read-only, and people change cases


def simulate_batches(
    model: ModelFile,
    n: int,
    *,
    seed: int | np.random.Generator,
    missing: Shares = 0.3,
    missing_if: Mapping[str, Shares] | None = None,
    prevalence: Mapping[str, float] | None = None,
    with_causes: bool = False,
    label: bool = False,
    label_noise: float = 0.0,
    complaint: bool = True,
) -> Iterator[pa.RecordBatch]:
    """Draw cases as `simulate` does, a batch at a time, in bounded memory.

    Parameters
    ----------
    model, n, seed, missing, missing_if, prevalence, with_causes, label, label_noise, complaint
        As for `simulate`.

    Yields
    ------
    pyarrow.RecordBatch
        State names are dictionary typed; at least one batch, be it empty.

    Raises
    ------
    CaseError, UnknownNameError, ModelFileError
        As for `simulate`.
    """
    import pyarrow as pa

    if n < 0:
        raise CaseError(f"number of cases {n}: must not be negative")
    if label_noise and not label:
        raise CaseError(f"label_noise {label_noise}: there are no labels to make wrong; ask for them")
    model = with_prevalence(model, prevalence) if prevalence else model
    writer = Writer(model, missing=missing, missing_if=missing_if, label_noise=label_noise)
    entropy = int(seed.integers(1 << 63)) if isinstance(seed, np.random.Generator) else int(seed)
    if entropy < 0:
        raise CaseError(f"seed {seed}: must not be negative")
    choices = {name: _whole_numbers(name, model) for name in input_columns(model) if name in model.inputs}
    start = block = 0
    while start < n or block == 0:
        draw, amount, empty, name_of = (np.random.default_rng([entropy, block, stream]) for stream in range(4))
        codes = draw_codes(model, BLOCK, draw, complaint=complaint)
        drawn = len(next(iter(codes.values())))
        size = min(drawn, n - start)
        arrays = {CASE_ID: pa.array([f"case_{i}" for i in range(start + 1, start + size + 1)], pa.string())}
        for column, variable in input_columns(model).items():
            hidden = (empty.random(drawn) < writer.shares(codes, variable))[:size]
            states, place = codes[variable][:size], amount.random(drawn)[:size] if column in choices else None
            if place is None:
                arrays[column] = _named(states, model.variables[variable].states, hidden)
            else:
                numbers = np.select(
                    [states == s for s in range(len(choices[column]))],
                    [values[(place * len(values)).astype(np.intp)] for values in choices[column]],
                )
                arrays[column] = pa.array(numbers, pa.int64(), mask=hidden)
        if label:
            leading, also = writer.labels(codes, name_of)
            arrays[LABEL] = _named(leading[:size].astype(np.int8), (*model.causes, NONE), None)
            arrays[ALSO] = pa.array(also[:size], pa.string())
        for name in model.causes if with_causes else ():
            arrays[NOT_EVIDENCE_PREFIX + name] = _named(codes[name][:size], model.causes[name].states, None)
        yield pa.RecordBatch.from_pydict(arrays)
        start, block = start + size, block + 1
        if start == 0 and block == MAX_EMPTY_BLOCKS and n:
            raise ModelFileError(f"{model.name}: '{model.complaint}' did not arise in {block * BLOCK} draws")


def write_cases(batches: Iterable[pa.RecordBatch], target: str) -> int:
    """Write cases to a file as they are drawn.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        At least one, as from `simulate_batches`.
    target : str
        CSV or Parquet by extension, also .csv.gz and .csv.zst; ``-`` is CSV to
        standard output. A file appears once all of it is written.

    Returns
    -------
    int
        Number of cases.

    Raises
    ------
    FileFormatError
        If the file can't be written, or its ending tells no format.
    KeyboardInterrupt
        If stopped; it says after how many cases. No file is left.
    """
    import pyarrow as pa

    from kneebayes.paths import STANDARD_STREAM, plain_path
    from kneebayes.sink import Sink, commit
    from kneebayes.targets import open_target

    batches = iter(batches)
    first = next(batches)
    written = 0
    with Sink(plain_path(target)) as sink:
        writer = open_target(sink, first.schema)
        try:
            for batch in chain([first], batches):
                writer.write(writer.encode(pa.Table.from_batches([batch])))
                written += batch.num_rows
        except KeyboardInterrupt:
            whole = "" if target == STANDARD_STREAM else f"; {target} was not written"
            raise KeyboardInterrupt(f"stopped after {written:,} cases{whole}") from None
        writer.finish()
        commit(sink)
    return written


def input_columns(model: ModelFile) -> dict[str, str]:
    """Name the columns that a case is described by, causes aside.

    Parameters
    ----------
    model : ModelFile
        A checked model file.

    Returns
    -------
    dict of str to str
        The variable that each column sets, in model order. A variable whose
        every state a numeric input can express has the column of that input.
    """
    numeric = {
        numeric.variable: name
        for name, numeric in reversed(model.inputs.items())
        if {band.state for band in numeric.bands} == set(model.variables[numeric.variable].states)
    }
    return {numeric.get(name, name): name for name in [*model.risks, *model.findings]}


def _named(states: NDArray[np.int8], names: tuple[str, ...], hidden: NDArray[np.bool_] | None) -> pa.DictionaryArray:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(states, mask=hidden), pa.array(names, pa.string()))


def _whole_numbers(name: str, model: ModelFile) -> list[NDArray[np.int64]]:
    """List the whole numbers of a numeric input that stand for each state of its variable.

    They start where the model file no longer warns. The last band is open, so
    it is drawn no wider than the widest other: nobody would be typically 90.
    """
    numeric: NumericInput = model.inputs[name]
    edges = numeric.edges
    bottom = numeric.minimum
    if numeric.warn_below is not None and bottom < numeric.warn_below < edges[0]:
        bottom = numeric.warn_below
    lows = [math.ceil(bottom)]
    for edge, band in zip(edges, numeric.bands[1:], strict=True):
        lows.append(math.ceil(edge) if band.above is None else math.floor(edge) + 1)
    widest = max(np.diff([bottom, *edges]))
    highs = [low - 1 for low in lows[1:]] + [math.floor(min(numeric.maximum, lows[-1] + widest))]
    by_state: dict[str, list[int]] = {band.state: [] for band in numeric.bands}
    for band, low, high in zip(numeric.bands, lows, highs, strict=True):
        by_state[band.state] += range(low, high + 1)
        if low > high:
            raise ModelFileError(f"inputs.{name}: the band of '{band.state}' holds no whole number to draw")
    return [np.array(by_state[state]) for state in model.variables[numeric.variable].states]
