"""The numbers of a record batch as rows, and its ids as texts."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow
from numpy.typing import DTypeLike, NDArray
from pyarrow import types

from container.formats.errors import MissingValueError, excerpt, not_finite
from container.formats.numbers import held
from container.formats.parquet.faults import as_parquet

# Numbers of a piece of rows that is filled column by column, so that it stays in the processor's cache meanwhile.
_PIECE_NUMBERS: Final = 1 << 16


def rows_of(batch: Any, dtype: DTypeLike, columns: Sequence[int], record: int, *, gaps: bool = False) -> NDArray[Any]:
    """Return the rows of a batch.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        Columns of numbers.
    dtype : type
        That of the rows, float32 or float64. Numbers are rounded once, decimals to float64 first, as in CSV.
    columns : sequence of int
        The columns of the file that they are, from 0.
    record : int
        The number of the first row in the file, from 1.
    gaps : bool
        Whether a number may be missing, or NaN; NaN then.

    Returns
    -------
    ndarray of dtype, shape (n, d)
        C-contiguous; numbers that are finite in float32, or NaN where there is a gap.

    Raises
    ------
    FormatError
        With record and column, if there is any other number, or none.
    """
    if not gaps:
        _refuse_nulls(batch, columns, record)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rows = _alike(batch, dtype) if _are_alike(batch) else _one_by_one(batch, dtype)
    finite = held(rows, np.float32)[1]
    if gaps and not finite.all():
        finite |= np.isnan(rows)
    if not finite.all():
        row, feature = map(int, np.argwhere(~finite)[0])
        name = batch.schema.names[feature]
        raise not_finite(float(batch.column(feature)[row].as_py()), columns[feature], record=record + row, name=name)
    return rows


def _refuse_nulls(batch: Any, columns: Sequence[int], record: int) -> None:
    for name, position, column in zip(batch.schema.names, columns, batch.columns, strict=True):
        if column.null_count:
            row = column.is_null().index(pyarrow.scalar(value=True)).as_py()
            raise MissingValueError(
                f"expected a number in column {excerpt(name)}, got none", record=record + row, column=position
            )


def _are_alike(batch: Any) -> bool:
    """Return whether all columns are plain numbers of one type; a common type of several would round."""
    kind = batch.schema.field(0).type
    return (types.is_floating(kind) or types.is_integer(kind)) and all(
        column.type == kind and not column.null_count for column in batch.columns
    )


def _alike(batch: Any, dtype: DTypeLike) -> NDArray[Any]:
    return np.ascontiguousarray(batch.to_tensor(row_major=False).to_numpy(), dtype)


def _one_by_one(batch: Any, dtype: DTypeLike) -> NDArray[Any]:
    rows = np.empty((len(batch), batch.num_columns), dtype)
    columns = [_numbers(column) for column in batch.columns]
    step = max(1, _PIECE_NUMBERS // len(columns))
    for begin in range(0, len(rows), step):
        for feature, column in enumerate(columns):
            rows[begin : begin + step, feature] = column[begin : begin + step]
    return rows


def _numbers(column: Any) -> NDArray[Any]:
    """Return the numbers of a column as they are, with NaN for those that are missing."""
    if types.is_null(column.type):
        return np.full(len(column), np.nan)
    if types.is_decimal(column.type):
        # By way of its digits a decimal is rounded once.
        column = column.cast(pyarrow.string()).cast(pyarrow.float64())
    if not column.null_count:
        numbers: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return numbers
    filled = column.fill_null(False if types.is_boolean(column.type) else 0)
    # Whole numbers beyond 2**53 are rounded to float64 first, but only next to a gap.
    missing: NDArray[Any] = filled.to_numpy(zero_copy_only=False).astype(np.float64)
    missing[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return missing


def texts_of(column: Any) -> Any:
    """Return a column of ids as a pyarrow.Array of texts."""
    with as_parquet():
        return (column.dictionary_decode() if types.is_dictionary(column.type) else column).cast(pyarrow.string())
