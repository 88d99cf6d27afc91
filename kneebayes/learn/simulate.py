"""Cases drawn from the network: people with the complaint, some of their cells left empty.

The draws in which the complaint did not arise are dropped, which leaves exact
draws of P(risk factors, causes, findings | complaint).

Cases are drawn a block of attempts at a time. Each block has seeds of its own, so the first n cases are the same
whatever number is asked for, and memory does not grow with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kneebayes.atomic import STANDARD_STREAM, AtomicFile, commit, plain_path
from kneebayes.cases.coding import CASE_ID
from kneebayes.cases.labels import ALSO, LABEL, NONE
from kneebayes.errors import CaseError, ModelFileError, OptionError, check_choice, check_flags, check_kind, check_number
from kneebayes.inference.tables import conditional_table
from kneebayes.spec.model_spec import NOT_EVIDENCE_PREFIX, Cause, Distribution, ModelSpec, NumericInput, Probability

if TYPE_CHECKING:
    import pandas as pd

Codes = dict[str, NDArray[np.int8]]
Shares = float | tuple[float, float]
BLOCK = 1 << 15  # part of what a seed means: another size gives other cases
MAX_CASES = 10**9  # hundreds of gigabytes, and days
MAX_EMPTY_BLOCKS = 100  # three million attempts: a complaint rarer than that is a mistake in the model file


def draw_codes(model: ModelSpec, attempts: int, rng: np.random.Generator, *, complaint: bool = True) -> Codes:
    """Draw the state of every variable, after its parents, in so many attempts.

    With ``complaint``, only the draws in which the complaint is present are kept. int8 state numbers by variable, one
    for each draw that was kept.
    """
    codes: Codes = {}
    for name in model.risk_order:
        parents, table = conditional_table(model, name)
        chances = np.moveaxis(table, 0, -1)[tuple(codes[parent] for parent in parents)]
        codes[name] = _draw(chances, attempts, rng)
    for name in model.cause_order:
        cause = model.causes[name]
        codes[name] = present = 1 - _draw_absent(model, name, cause, codes, attempts, rng)
        if cause.split:
            shares = [number.p for number in (cause.split[state] for state in cause.states[2:])]
            kind = _draw(np.array([1 - sum(shares), *shares]), attempts, rng)
            codes[name] = present * (1 + kind)
    first = model.complaint
    codes[first] = _draw_finding(model, first, codes, attempts, rng)
    if complaint:
        kept = np.flatnonzero(codes[first])
        attempts = len(kept)
        codes = {name: states[kept] for name, states in codes.items()}
    for name in model.findings:
        if name != first:
            codes[name] = _draw_finding(model, name, codes, attempts, rng)
    return codes


def _draw(chances: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw states from P(state), one distribution for all draws or one for each: shape ([n,] states)."""
    limits = np.cumsum(chances[..., :-1], axis=-1)
    return np.asarray((rng.random(n)[:, None] >= limits).sum(axis=-1), dtype=np.int8)


def _draw_finding(model: ModelSpec, name: str, codes: Codes, n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw the state of a noisy-MAX finding; factor by factor, as a table of its causes could be huge."""
    finding = model.findings[name]

    def at_most(effect: Probability | Distribution) -> list[float]:
        p = [number.p for number in (finding.by_state(effect)[state] for state in finding.states[1:])]
        return [max(0.0, 1.0 - sum(p[d:])) for d in range(len(p))]

    limits = np.tile(np.array(at_most(finding.leak))[:, None], n)
    for cause, links in finding.links.items():
        own = [at_most(links[s]) if s in links else [1.0] * len(limits) for s in model.causes[cause].states]
        limits *= np.array(own).T[:, codes[cause]]
    return np.asarray((rng.random(n) >= limits).sum(axis=0), dtype=np.int8)


def _draw_absent(
    model: ModelSpec, name: str, node: Cause, codes: Codes, n: int, rng: np.random.Generator
) -> NDArray[np.int8]:
    """Draw 1 where a noisy-OR node is absent; factor by factor, as a table of its parents could be huge."""
    absent = np.full(n, 1.0 - node.leak.p)
    for parent, links in node.links.items():
        survival = [1.0 - links[s].p if s in links else 1.0 for s in model.variables[parent].states]
        absent *= np.array(survival)[codes[parent]]
    for interaction in model.interactions:
        if interaction.target == name:
            holds = np.ones(n, dtype=bool)
            for parent, states in interaction.when.items():
                holds &= np.isin(model.variables[parent].states, states)[codes[parent]]
            absent[holds] *= 1.0 - interaction.link.p
    return (rng.random(n) < absent).astype(np.int8)


class Recorder:
    """Decides what is written down of cases.

    ``missing`` is the share of cells left empty: one for all, or one for risk factors and one for findings.
    ``missing_if`` says the same for the cases in which a cause is present; where several of them are, each share is the
    least of theirs. ``label_noise`` is the share of labels that name another cause than is there.
    """

    def __init__(
        self, model: ModelSpec, *, missing: Shares, missing_if: Mapping[str, Shares] | None, label_noise: float
    ) -> None:
        self.model = model
        self._missing = _pair("missing", missing)
        missing_if = {} if missing_if is None else missing_if
        check_kind(missing_if, "keys", "simulate(100, seed=1, missing_if={'dvt': 0.1})")
        for cause in missing_if:
            check_choice("cause", cause, list(model.causes))
        self._missing_if = {cause: _pair(f"missing_if {cause}", share) for cause, share in missing_if.items()}
        check_number("label_noise", label_noise)
        if not 0 <= label_noise <= 1:
            raise CaseError(f"label_noise {label_noise}: a share from 0 to 1")
        self._noise = label_noise
        numeric = [name for name in model.input_columns if name in model.numeric_inputs]
        self.numbers = {name: _whole_numbers(name, model) for name in numeric}
        self._answers: dict[str, NDArray[np.int8]] = {}  # by code of the variable, the place of the answer, -1 for none
        for name, column in model.answer_inputs.items():
            answers = (model.answer(name, event) for event in model.events[column.variable])
            places = [-1 if answer is None else column.states.index(answer) for answer in answers]
            self._answers[name] = np.array(places, dtype=np.int8)

    def cells(
        self, column: str, states: NDArray[np.int8], hidden: NDArray[np.bool_], place: NDArray[np.float64] | None
    ) -> pa.Array:
        """Write a column of what is drawn of its variable, empty where hidden, (n,).

        Of ``numbers``, ``place`` in [0, 1) says which of those that stand for the state.
        """
        if place is not None:
            numbers = np.select(
                [states == s for s in range(len(self.numbers[column]))],
                [values[(place * len(values)).astype(np.intp)] for values in self.numbers[column]],
            )
            return pa.array(numbers, pa.int64(), mask=hidden)
        if column in self._answers:
            answers = self._answers[column][states]
            return _named(answers, self.model.answer_inputs[column].states, hidden | (answers < 0))
        return _named(states, self.model.variables[column].states, hidden)

    def shares(self, codes: Codes, variable: str) -> NDArray[np.float64]:
        """Say how likely each case's cell of a variable is to be left empty, shape (n,)."""
        kind = int(variable in self.model.findings)
        n = len(codes[variable])
        if not self._missing_if:
            return np.full(n, self._missing[kind])
        least = np.full(n, np.inf)
        for cause, pair in self._missing_if.items():
            least = np.where(codes[cause] > 0, np.minimum(least, pair[kind]), least)
        return np.where(np.isinf(least), self._missing[kind], least)

    def labels(self, codes: Codes, rng: np.random.Generator) -> tuple[NDArray[np.intp], list[str]]:
        """Name a leading cause, one by chance of those that are there, and the others.

        First the place of the leading cause among the causes, shape (n,), or their number for ``none_of_these``; a
        wrong one is any other name, each as likely. Then the other causes, joined by ;.
        """
        names = list(self.model.causes)
        present = np.stack([codes[name] > 0 for name in names], axis=1)
        n = len(present)
        leading = np.where(present, rng.random(present.shape), -1.0).argmax(axis=1)
        leading[~present.any(axis=1)] = len(names)
        wrong = rng.random(n) < self._noise
        others = (leading + 1 + (rng.random(n) * len(names)).astype(np.intp)) % (len(names) + 1)
        rest = np.concatenate([present, np.zeros((n, 1), dtype=bool)], axis=1)
        rest[np.arange(n), leading] = False
        leading = np.where(wrong, others, leading)
        rest[np.arange(n), leading] = False
        rest[leading == len(names)] = False
        mask = rest[:, :-1] @ (1 << np.arange(len(names)))
        distinct, place = np.unique(mask, return_inverse=True)
        texts = [";".join(name for bit, name in enumerate(names) if value >> bit & 1) for value in distinct.tolist()]
        return leading, [texts[i] for i in place.tolist()]


def _pair(option: str, shares: Shares) -> tuple[float, float]:
    pair = tuple(shares) if isinstance(shares, Iterable) else (shares, shares)
    if len(pair) != 2 or not all(isinstance(share, Real) and 0 <= share <= 1 for share in pair):
        raise CaseError(f"{option} {shares}: one share from 0 to 1, or one for risk factors and one for findings")
    return pair[0], pair[1]


def frame_of(batches: Iterable[pa.RecordBatch]) -> pd.DataFrame:
    """Make a frame of cases that were drawn, which can be scored; NA where a number is empty."""
    import pandas as pd

    table = pa.Table.from_batches(list(batches)).unify_dictionaries()
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.copy()  # Arrow's memory is read-only, and people change cases


def simulate_batches(
    model: ModelSpec,
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
    """Draw cases as `Model.simulate` says, a batch at a time (at least one, be it empty), in bounded memory.

    Columns are ``case_id``, and every risk factor and finding in model order: categories, empty where not known, or
    whole numbers for a variable that a numeric input sets, under the name of the input.
    """
    check_number("number of cases", n, whole=True, least=0)
    if n > MAX_CASES:
        raise OptionError(f"number of cases {n:,}: up to {MAX_CASES:,} at once; draw more by further seeds")
    check_flags(with_causes=with_causes, label=label, complaint=complaint)
    check_number("label_noise", label_noise)
    if label_noise and not label:
        raise CaseError(f"label_noise {label_noise}: there are no labels to make wrong; ask for them")
    if prevalence is not None and (not hasattr(prevalence, "keys") or len(prevalence)):
        from kneebayes.learn.prevalence import with_prevalence  # here: a template does not wait for scipy

        model = with_prevalence(model, prevalence)
    recorder = Recorder(model, missing=missing, missing_if=missing_if, label_noise=label_noise)
    entropy = int(seed.integers(1 << 63)) if isinstance(seed, np.random.Generator) else seed
    check_number("seed", entropy, whole=True, least=0)
    start = block = 0
    while start < n or block == 0:
        draw, amount, empty, name_of = (np.random.default_rng([entropy, block, stream]) for stream in range(4))
        codes = draw_codes(model, BLOCK, draw, complaint=complaint)
        drawn = len(next(iter(codes.values())))
        size = min(drawn, n - start)
        arrays = {CASE_ID: pa.array([f"case_{i}" for i in range(start + 1, start + size + 1)], pa.string())}
        for column, variable in model.input_columns.items():
            hidden = (empty.random(drawn) < recorder.shares(codes, variable))[:size]
            place = amount.random(drawn)[:size] if column in recorder.numbers else None
            arrays[column] = recorder.cells(column, codes[variable][:size], hidden, place)
        if label:
            leading, also = recorder.labels(codes, name_of)
            arrays[LABEL] = _named(leading[:size].astype(np.int8), (*model.causes, NONE), None)
            arrays[ALSO] = pa.array(also[:size], pa.string())
        for name in model.causes if with_causes else ():
            arrays[NOT_EVIDENCE_PREFIX + name] = _named(codes[name][:size], model.causes[name].states, None)
        yield pa.RecordBatch.from_pydict(arrays)
        start, block = start + size, block + 1
        if start == 0 and block == MAX_EMPTY_BLOCKS and n:
            raise ModelFileError(f"{model.name}: '{model.complaint}' did not arise in {block * BLOCK} draws")


def write_cases(batches: Iterable[pa.RecordBatch], target: str) -> int:
    """Write cases to a file as they are drawn, and count them. The file appears once all of it is written.

    CSV or Parquet by extension, also .csv.gz and .csv.zst; ``-`` is CSV to standard output.
    """
    from kneebayes.scoring.writers import open_writer

    batches = iter(batches)
    first = next(batches)
    written = 0
    with AtomicFile(plain_path(target, is_written=True)) as file:
        writer = open_writer(file, first.schema)
        try:
            for batch in chain([first], batches):
                writer.write(writer.encode(pa.Table.from_batches([batch])))
                written += batch.num_rows
        except KeyboardInterrupt:
            whole = "" if target == STANDARD_STREAM else f"; {target} was not written"
            raise KeyboardInterrupt(f"stopped after {written:,} cases{whole}") from None
        writer.finish()
        commit(file)
    return written


def _named(states: NDArray[np.int8], names: tuple[str, ...], hidden: NDArray[np.bool_] | None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(states, mask=hidden), pa.array(names, pa.string()))


def _whole_numbers(name: str, model: ModelSpec) -> list[NDArray[np.int64]]:
    """List the whole numbers of a numeric input that stand for each state of its variable.

    They start where the model file no longer warns. The last band is open, so
    it is drawn no wider than the widest other: nobody would be typically 90.
    """
    numeric: NumericInput = model.numeric_inputs[name]
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


def template(model: ModelSpec) -> pa.RecordBatch:
    """Make a table of cases to fill in, a column for all that is evidence, with one row as an example.

    The row is a case drawn from the model; its causes stay empty, as they are what is asked.
    """
    drawn = next(simulate_batches(model, 1, seed=0, missing=0))
    empty = [name for name in model.columns if name not in drawn.schema.names]
    columns = dict(zip(drawn.schema.names, drawn.columns, strict=True))
    return pa.RecordBatch.from_pydict({**columns, **{name: pa.nulls(1, pa.string()) for name in empty}})
