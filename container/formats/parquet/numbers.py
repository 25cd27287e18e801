"""The numbers of a record batch as rows, and its ids as texts."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

import numpy as np
import pyarrow
from numpy.typing import DTypeLike, NDArray
from pyarrow import types

from container.formats import bfloat16
from container.formats.errors import FormatError, MissingValueError, excerpt, not_finite
from container.formats.numbers import first_refused
from container.formats.parquet.faults import as_parquet
from container.formats.parquet.number_columns import NumberColumn

# Numbers of a piece of rows that is filled column by column, so that it stays in the processor's cache meanwhile.
_PIECE_NUMBERS: Final = 1 << 16


def rows_of(
    batch: Any, dtype: DTypeLike, columns: Sequence[NumberColumn], record: int, *, gaps: bool = False
) -> NDArray[Any]:
    """Return the rows of a batch.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        The columns, in their order.
    dtype : type
        That of the rows, float32 or float64. Numbers are rounded once, decimals to float64 first, as in CSV.
    columns : sequence of NumberColumn
        What the columns are, with the lengths of their lists.
    record : int
        The number of the first row in the file, from 1.
    gaps : bool
        Whether a number or a list may be missing, or a number NaN; NaN then.

    Returns
    -------
    ndarray of dtype, shape (n, d)
        C-contiguous; numbers that are finite in float32, or NaN where there is a gap.

    Raises
    ------
    FormatError
        With record and column, if there is any other number, or none, or a list of another length.
    """
    if not gaps:
        _refuse_nulls(batch, columns, record)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        plain = _are_alike(batch) and all(column.plain for column in columns)
        rows = _alike(batch, dtype) if plain else _side_by_side(batch, dtype, columns, record, gaps)
    if refused := first_refused(rows, gaps=gaps):
        row, feature = refused
        # The number as it is, before it was rounded.
        value = _side_by_side(batch[row : row + 1], np.float64, columns, record, gaps)[0, feature]
        place, name = [(column.place, name) for column in columns for name in column.feature_names][feature]
        raise not_finite(float(value), place, record=record + row, name=name)
    return rows


def _refuse_nulls(batch: Any, columns: Sequence[NumberColumn], record: int) -> None:
    for column, values in zip(columns, batch.columns, strict=True):
        if values.null_count:
            raise _missing(column, column.name, record + _first_null(values))


def _missing(column: NumberColumn, name: str, record: int) -> MissingValueError:
    return MissingValueError(
        f"expected a number in column {excerpt(name)}, got none", record=record, column=column.place
    )


def _first_null(values: Any) -> int:
    return int(values.is_null().index(pyarrow.scalar(value=True)).as_py())


def _are_alike(batch: Any) -> bool:
    """Return whether all columns are plain numbers of one type; a common type of several would round."""
    kind = batch.schema.field(0).type
    return (types.is_floating(kind) or types.is_integer(kind)) and all(
        column.type == kind and not column.null_count for column in batch.columns
    )


def _alike(batch: Any, dtype: DTypeLike) -> NDArray[Any]:
    return np.ascontiguousarray(batch.to_tensor(row_major=False).to_numpy(), dtype)


def _side_by_side(
    batch: Any, dtype: DTypeLike, columns: Sequence[NumberColumn], record: int, gaps: bool
) -> NDArray[Any]:
    parts = [
        _matrix(values, column, record, gaps) if column.lists else _numbers(values, column)[:, None]
        for column, values in zip(columns, batch.columns, strict=True)
    ]
    if len(parts) == 1:
        return np.ascontiguousarray(parts[0], dtype)
    ends = list(accumulate((column.length for column in columns), initial=0))
    rows = np.empty((len(batch), ends[-1]), dtype)
    step = max(1, _PIECE_NUMBERS // ends[-1])
    for begin in range(0, len(rows), step):
        for part, first, end in zip(parts, ends, ends[1:], strict=False):
            rows[begin : begin + step, first:end] = part[begin : begin + step]
    return rows


def _matrix(lists: Any, column: NumberColumn, record: int, gaps: bool) -> NDArray[Any]:
    """Return lists of numbers as the rows of a matrix, those that are missing as NaN."""
    lists = getattr(lists, "storage", lists)
    with as_parquet():
        lists.validate(full=True)
    length = column.length
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    wrong = (lengths != length) & ~np.isnan(lengths)
    if wrong.any():
        row = int(wrong.argmax())
        raise FormatError(
            f"expected {length} numbers in each list of {excerpt(column.name)}, got {int(lengths[row])}",
            record=record + row,
            column=column.place,
        )
    values = lists.flatten()
    if values.null_count and not gaps:
        row, number = divmod(_first_null(values), length)
        raise _missing(column, column.feature_names[number], record + row)
    matrix = _numbers(values, column, (-1, length))
    if not lists.null_count:
        return matrix
    filled = np.full((len(lists), length), np.nan, np.result_type(matrix, np.float32))
    filled[~np.isnan(lengths)] = matrix
    return filled


def _numbers(values: Any, column: NumberColumn, shape: tuple[int, ...] = (-1,)) -> NDArray[Any]:
    """Return what the numbers of a column stand for, with NaN for those that are missing."""
    numbers = (_widened(values) if column.bfloat16 else _stored(values)).reshape(shape)
    return column.scaling.scaled(numbers) if column.scaling else numbers


def _stored(values: Any) -> NDArray[Any]:
    """Return numbers as they are, with NaN for those that are missing."""
    if types.is_null(values.type):
        return np.full(len(values), np.nan)
    if types.is_decimal(values.type):
        # By way of its digits a decimal is rounded once.
        values = values.cast(pyarrow.string()).cast(pyarrow.float64())
    if not values.null_count:
        numbers: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return numbers
    filled = values.fill_null(False if types.is_boolean(values.type) else 0)
    # Whole numbers beyond 2**53 are rounded to float64 first, but only next to a gap.
    missing: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(np.float64)
    missing[values.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return missing


def _widened(values: Any) -> NDArray[np.float32]:
    """Return numbers that are stored as the two bytes of bfloat16, with NaN for those that are missing."""
    stored = np.frombuffer(values.buffers()[1] or b"", np.dtype("<u2"))[values.offset : values.offset + len(values)]
    numbers = bfloat16.widened(stored)
    if values.null_count:
        numbers[values.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return numbers


def texts_of(column: Any) -> Any:
    """Return a column of ids as a pyarrow.Array of texts."""
    with as_parquet():
        return (column.dictionary_decode() if types.is_dictionary(column.type) else column).cast(pyarrow.string())
