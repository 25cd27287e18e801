"""Rows out of Parquet files: columns of numbers and of lists of numbers, as the container's training reads them."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray
from pyarrow import types

from sagemaker_kmeans import bfloat16

BrokenFileError = pyarrow.ArrowException

# Rows to look at together for a list.
_FIRST_ROWS: Final = 64
# The names that pandas and dask give to an index without a name.
_INDEX_NAME: Final = re.compile(r"__index_level_[0-9]+__|__null_dask_index__")
# What Arrow calls the name of a type that is none of its own.
_TYPE_NAME: Final = b"ARROW:extension:name"


def blocks(
    path: Path, choose: Callable[[Sequence[str]], Sequence[int]], n_rows: int, names: Sequence[str] = ()
) -> Iterator[NDArray[np.float64]]:
    """Yield the rows of a file.

    Parameters
    ----------
    path : Path
        The file.
    choose : callable
        Returns the positions of the features to read among the names of all. The numbers of a column of lists are
        called ``name[0]``, ``name[1]``, ...
    n_rows : int
        The most rows of a block.
    names : sequence of str
        The names of the features; the index of pandas may be one of them.

    Yields
    ------
    ndarray of float64, shape (n, d)
        The next rows; NaN stands for a number that is missing.

    Raises
    ------
    BrokenFileError
        If it is no Parquet, or a column holds no numbers.
    ValueError
        If lists have other lengths than the first one, or two columns that are chosen have the same name.
    """
    with pyarrow.parquet.ParquetFile(path) as file:
        described = [_Column(file, field) for field in file.schema_arrow]
        held = [(column, name) for column in described for name in column.feature_names]
        if not names or not set(names) <= {name for _, name in held}:
            # The index of pandas is no feature.
            index = _pandas_index(file.schema_arrow.metadata or {})
            held = [
                (column, name)
                for column, name in held
                if not (column.name in index or _INDEX_NAME.fullmatch(column.name))
            ]
        chosen = [held[position] for position in choose([name for _, name in held])]
        columns = list(dict.fromkeys(column for column, _ in chosen))
        for column in columns:
            if file.schema_arrow.names.count(column.name) > 1:
                raise ValueError(f"expected each column's name once, got {column.name!r} twice")
        places = {name: place for place, name in enumerate(name for column in columns for name in column.feature_names)}
        order = [places[name] for _, name in chosen]
        for batch in file.iter_batches(n_rows, columns=[column.name for column in columns]):
            rows = np.concatenate([column.numbers(batch.column(column.name)) for column in columns], axis=1)
            yield rows if order == list(range(len(places))) else rows[:, order]


class _Column:
    """A column of numbers, or of lists of numbers."""

    def __init__(self, file: pyarrow.parquet.ParquetFile, field: Any) -> None:
        kind = _storage(field.type)
        self.name = field.name
        self.length = _length(file, self.name) if _is_list(kind) else None
        inner = kind.value_field if _is_list(kind) else field
        metadata = {**(inner.metadata or {}), **(field.metadata or {})}
        two_bytes = types.is_uint16(inner.type) or (
            types.is_fixed_size_binary(inner.type) and inner.type.byte_width == 2
        )
        self._is_bfloat16 = two_bytes and metadata.get(_TYPE_NAME, b"").split(b".")[-1] == b"bfloat16"
        # Whole numbers may stand for others.
        packed = types.is_integer(inner.type) and not self._is_bfloat16
        self._factor, self._offset = (
            _stated(metadata, name, default) if packed else default
            for name, default in ((b"scale_factor", 1.0), (b"add_offset", 0.0))
        )

    @property
    def feature_names(self) -> list[str]:
        """The names of its features."""
        return [self.name] if self.length is None else [f"{self.name}[{number}]" for number in range(self.length)]

    def numbers(self, column: Any) -> NDArray[np.float64]:
        """Return what its numbers stand for, shape (n, number of features)."""
        if self.length is None:
            return self._values(column)[:, None] * self._factor + self._offset
        lists = getattr(column, "storage", column)
        lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
        there = ~np.isnan(lengths)
        if (lengths[there] != self.length).any():
            odd = lengths[there & (lengths != self.length)][0]
            raise ValueError(f"expected {self.length} numbers in each list of {self.name!r}, got {int(odd)}")
        rows = np.full((len(lists), self.length), np.nan)
        rows[there] = self._values(lists.flatten()).reshape(-1, self.length) * self._factor + self._offset
        return rows

    def _values(self, column: Any) -> NDArray[np.float64]:
        """Return numbers, NaN for those that are missing."""
        if self._is_bfloat16:
            stored = np.frombuffer(column.buffers()[1] or b"", "<u2")[column.offset : column.offset + len(column)]
            numbers = bfloat16.widened(stored).astype(np.float64)
            numbers[column.is_null().to_numpy(zero_copy_only=False)] = np.nan
            return numbers
        if not types.is_float16(column.type):
            column = column.cast("float64")
        values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
        return values


def _storage(kind: Any) -> Any:
    """Return the type in which a type is stored; a tensor of a fixed shape is a list."""
    return kind.storage_type if getattr(kind, "extension_name", "") == "arrow.fixed_shape_tensor" else kind


def _is_list(kind: Any) -> bool:
    return any(holds(kind) for holds in (types.is_list, types.is_large_list, types.is_fixed_size_list))


def _length(file: pyarrow.parquet.ParquetFile, name: str) -> int:
    """Return the length of the first list of a column; 0 if there is none."""
    for batch in file.iter_batches(_FIRST_ROWS, columns=[name]):
        column = batch.column(name)
        lengths = getattr(column, "storage", column).value_lengths().drop_null()
        if len(lengths):
            return int(lengths[0].as_py())
    return 0


def _stated(metadata: dict[bytes, bytes], name: bytes, default: float) -> Any:
    """Return the number or the list of numbers that metadata state under a name."""
    if name not in metadata:
        return default
    with suppress(ValueError, TypeError, RecursionError):
        numbers = np.array(json.loads(metadata[name]), np.float64)
        if numbers.ndim <= 1 and np.isfinite(numbers).all():
            return numbers
    raise ValueError(f"expected {name.decode()} to be a number or a list of numbers, got something else")


def _pandas_index(metadata: dict[bytes, bytes]) -> set[str]:
    try:
        index = json.loads(metadata.get(b"pandas", b"{}")).get("index_columns", [])
        return {column for column in index if isinstance(column, str)}
    except (ValueError, AttributeError, TypeError, RecursionError) as cause:
        raise ValueError("expected metadata of pandas that list index_columns, got others") from cause
