"""Frames of pandas, polars and pyarrow at the border: Arrow in between, whose columns become codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kneebayes.cases.coding import CASE_ID, Coded, Coder, EncodedColumn
from kneebayes.cases.problems import Problem, cell_text, most_frequent
from kneebayes.errors import CaseError, FileFormatError
from kneebayes.inference import cores

MAX_NAMED = 5  # reasons in one error
MIN_SHARED = 1 << 15  # rows of a table whose columns are encoded on all cores
TELLING_EXTENSIONS = ("arrow.bool8", "arrow.uuid")  # whose cells are read for what they say
UNSIGNED = (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())  # polars indexes its categories so: no room for -1


def to_arrow(frame: Any, evidence: Iterable[str]) -> pa.Table:
    """Turn a frame into an Arrow table of the same columns: evidence dictionary-encoded, the others empty."""
    narwhal = _narwhal(frame)
    names = [str(name) for name in narwhal.columns]
    repeated = next((name for name, n in Counter(names).items() if n > 1), None)
    if repeated is not None:
        raise FileFormatError(f"the column '{repeated}' stands twice in the frame: keep one of them")
    wanted = set(evidence)
    length = pa.nulls(len(narwhal))
    columns = [_encoded(narwhal[:, i]) if name in wanted else length for i, name in enumerate(names)]
    # the last, so that a frame without columns keeps its rows, of which nothing is known
    return pa.table([*columns, length], names=[*names, ""]).select(range(len(names)))


def from_arrow(
    table: pa.Table, accepted: NDArray[np.bool_], frame: Any, keep: Iterable[object] = (), case_id: str | None = CASE_ID
) -> Any:
    """Turn the scores of the rows accepted, bool (n,), into the kind of frame that came in, of n rows.

    A row that was refused is empty. The index, ``case_id`` (whatever its name there) and the columns to keep are those
    of the frame.
    """
    narwhal = _narwhal(frame)
    place = {str(name): i for i, name in enumerate(narwhal.columns)}
    kept = [name for name in dict.fromkeys(map(str, keep)) if name not in (CASE_ID, case_id)]
    if not accepted.all():
        table = table.take(pa.array(np.cumsum(accepted) - 1, mask=~accepted))
    theirs = {CASE_ID, *kept}
    table = table.select([name for name in table.column_names if name not in theirs])
    output = nw.from_native(_as_came(table, narwhal), eager_only=True)
    if case_id is not None:
        output = output.select(narwhal[:, place[case_id]].alias(CASE_ID), nw.all())
    if kept:  # together, as a column at a time is slow; the index is the same
        output = nw.concat([output, narwhal[:, [place[name] for name in kept]]], how="horizontal")
    return output.to_native()


def row_name(frame: Any, row: int) -> str:
    """Name a row as its user knows it: by its position, from 0, and in pandas by its label in the index."""
    narwhal = _narwhal(frame)
    index = nw.maybe_get_index(narwhal)
    if index is None:
        return f"row {row}"
    label = index[row]
    return f"row {label!r}" if isinstance(label, str) else f"row {label}"


def case_error(frame: Any, problems: Sequence[Problem], remedy: str, *, redact: bool = False) -> CaseError:
    """Say by the most frequent reasons why rows of a frame can't be used, each of the first row that has it."""
    said = []
    for p, n in most_frequent(problems)[:MAX_NAMED]:
        place = row_name(frame, p.row) + (f", column '{p.column}'" if p.column else "")
        reason = f"{p.place}: {p.plain}" if redact else f"{place}: {p.reason}"
        said.append(reason + (f" ({n} rows)" if n > 1 else ""))
    n_rows = len({problem.row for problem in problems})
    error = CaseError("; ".join(said) + (f" ({n_rows} rows {remedy})" if n_rows > 1 else ""))
    error.problems = () if redact else tuple(problems)
    return error


def rejects_frame(frame: Any, problems: Sequence[Problem]) -> Any:
    """Make a frame of the reasons, one a line, of the kind that came in; in pandas its index is that of the rows."""
    narwhal = _narwhal(frame)
    rows = pa.array([problem.row for problem in problems], pa.int64())
    texts = {name: [getattr(problem, name) for problem in problems] for name in ("column", "value", "reason")}
    table = pa.table({"row": rows, **{name: pa.array(text, pa.string()) for name, text in texts.items()}})
    return _as_came(table, narwhal, rows.to_numpy())


def _as_came(table: pa.Table, narwhal: nw.DataFrame[Any], rows: Any = slice(None)) -> Any:
    """Turn a table into a frame of the kind that came in, in pandas under the index of these rows."""
    output = nw.from_arrow(table, backend=narwhal.implementation).to_native()
    index = nw.maybe_get_index(narwhal)
    if index is not None:
        output.index = index[rows]
    return output


def encode_column(column: pa.Array | pa.ChunkedArray) -> EncodedColumn:
    """Split a column of any type into distinct values and an index."""
    if not isinstance(column, pa.ChunkedArray):
        column = pa.chunked_array([column])
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if pa.types.is_decimal(column.type) and column.type.bit_width < 128:  # Arrow encodes none so small
        column = column.cast(pa.decimal128(column.type.precision, column.type.scale))
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    encoded = column.unify_dictionaries().chunks
    if not encoded:
        return EncodedColumn(np.zeros(0, dtype=np.int64), [])
    signed = [c.indices.cast(pa.int64()) if c.indices.type in UNSIGNED else c.indices for c in encoded]
    filled = [indices.fill_null(-1) if indices.null_count else indices for indices in signed]
    index = np.concatenate([indices.to_numpy(zero_copy_only=False) for indices in filled])
    return EncodedColumn(index, encoded[0].dictionary.to_pylist())


def refuse_odd(name: str, kind: pa.DataType) -> None:
    """Refuse a column whose cells hold several values, or are stored as what they don't say.

    A month of 1975 is stored as 67, which is no age.
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_nested(kind):
        raise FileFormatError(f"the column '{name}' holds {kind}: give one value a cell")
    extended = isinstance(kind, pa.BaseExtensionType) and kind.extension_name not in TELLING_EXTENSIONS
    if pa.types.is_duration(kind) or (extended and not pa.types.is_string(kind.storage_type)):
        raise FileFormatError(f"the column '{name}' holds {kind}: give a number, or text")


def code_table(coder: Coder, table: pa.Table | pa.RecordBatch, *, ignore: Iterable[str] = ()) -> Coded:
    """Code the evidence of a table, its columns on all cores if it is large; those that are none are passed over."""
    present = set(table.column_names).difference(ignore)
    taken = [name for name in coder.columns if name in present]
    for name in taken:
        if table.column_names.count(name) > 1:
            raise FileFormatError(f"the column '{name}' stands twice in the table: keep one of them")
        refuse_odd(name, table.schema.field(name).type)
    if table.num_rows < MIN_SHARED:
        encoded = [encode_column(table[name]) for name in taken]
    else:
        with ThreadPoolExecutor(cores()) as pool:
            encoded = list(pool.map(encode_column, map(table.column, taken)))
    return coder.batch(dict(zip(taken, encoded, strict=True)), table.num_rows)


def rounded(table: pa.Table, digits: int) -> pa.Table:
    """Round the columns of numbers with a fraction."""
    for i, field in enumerate(table.schema):
        if pa.types.is_floating(field.type):
            table = table.set_column(i, field.name, pc.round(table.column(i), digits))
    return table


def _narwhal(frame: Any) -> nw.DataFrame[Any]:
    try:
        return nw.from_native(frame, eager_only=True)
    except TypeError as error:
        remedy = "give a pandas, polars or pyarrow table, as pd.read_csv reads one; kneebayes.score_file takes files"
        raise FileFormatError(f"this {type(frame).__name__} is no table: {remedy}") from error
    except nw.exceptions.DuplicateError as error:
        said = " ".join(str(error).split())
        raise FileFormatError(f"a column stands twice in the frame, keep one of them: {said}") from error


def _encoded(series: nw.Series[Any]) -> pa.Array:
    """Dictionary-encode a column; its distinct values become text, whatever mixture they were."""
    if not series.implementation.is_pandas_like():
        try:
            column = _texts(series, series.to_list()) if series.dtype == nw.Object else series.to_arrow()
        except pa.ArrowException:  # integers of 128 bits, which Arrow has none of
            column = _texts(series, series.to_list())
        if pa.types.is_run_end_encoded(column.type):
            column = pc.run_end_decode(column)
        refuse_odd(str(series.name), column.type)
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    import pandas as pd  # already loaded: the frame is pandas

    native = series.to_native()
    kind = pd.api.types.infer_dtype(native, skipna=True) if native.dtype == object else ""
    if isinstance(native.dtype, pd.StringDtype) or kind == "string":
        try:
            column = pa.array(native, from_pandas=True)
        except UnicodeEncodeError as error:
            raise CaseError(f"column '{series.name}' has a value that is not valid text: {error}") from error
        return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if kind.startswith(("mixed", "decimal", "integer")):
        # pandas holds 1 and True for one value, and lists, a signalling NaN or, once, long integers for none
        native = native.map(cell_text, na_action="ignore")
    elif isinstance(native.dtype, np.dtype) and not native.dtype.isnative:
        native = native.astype(native.dtype.newbyteorder("="))
    if isinstance(native.dtype, pd.CategoricalDtype):
        codes, values = native.cat.codes.to_numpy(), list(native.cat.categories)
    else:
        codes, distinct = pd.factorize(native)
        values = list(distinct)
    codes = codes.astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), _texts(series, values))


def _texts(series: nw.Series[Any], values: Iterable[object]) -> pa.Array:
    try:
        return pa.array([None if value is None else cell_text(value) for value in values], pa.string())
    except UnicodeEncodeError as error:
        raise CaseError(f"column '{series.name}' has a value that is not valid text: {error}") from error
