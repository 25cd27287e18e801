"""Rows out of Parquet files."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow
import pyarrow.parquet
from pyarrow import types

from container.conversion.rows import Rows, first_refused, rows_in_a_block
from container.conversion.table import Options, refuse_duplicates, shown_names
from container.formats.errors import FormatError, excerpt, not_finite
from kmeans.types import FloatArray

# The types of numbers that are read; those that are not plain take a step more. A boolean is 0 or 1.
_PLAIN: Final = (types.is_floating, types.is_integer)
_NUMBERS: Final = (*_PLAIN, types.is_boolean, types.is_decimal)
# The names that pandas and dask give to an index without a name. Other programs that rewrite such a table keep them.
_INDEX_NAME: Final = re.compile(r"__index_level_[0-9]+__|__null_dask_index__")


class ParquetRows(Rows):
    """A table of columns of numbers; pandas' index, which numbers the rows or names them, is no feature."""

    def __init__(self, path: Path, options: Options) -> None:
        self._gaps = options.gaps
        with _as_parquet():
            self._file = pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
            schema = self._file.schema_arrow
            names = schema.names
        refuse_duplicates(names)
        index = _index_columns(schema.metadata or {}).intersection(names)
        index.update(filter(_INDEX_NAME.fullmatch, names))
        # A column of the index is read only if it is chosen.
        places = [place for place, name in enumerate(names) if options.columns or name not in index]
        read = [places[number] for number in options.chosen(len(places), [names[place] for place in places])]
        self.names = [names[place] for place in read]
        if unread := index.difference(self.names):
            shown = shown_names([*filter(unread.__contains__, names)])
            self.left_out = f"the index of pandas, {shown}: df.reset_index() would make features of it"
        self.n_features = len(read)
        # The names of the features, and their columns in the file, counted from 1.
        self._columns = {names[place]: place + 1 for place in read}
        kinds = {name: schema.field(name).type for name in self.names}
        for name, kind in kinds.items():
            if not any(holds(kind) for holds in _NUMBERS):
                raise FormatError(f"expected columns of numbers, got {excerpt(name)} of the type {str(kind)[:60]}")
        # Columns of one type are converted together, which is faster; a common type of several would round.
        self._alike = len(set(kinds.values())) == 1 and any(holds(next(iter(kinds.values()))) for holds in _PLAIN)

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._file.metadata.num_rows)

    def blocks(self) -> Iterator[FloatArray]:
        """Yield the rows, block by block."""
        record = 1
        with _as_parquet():
            for batch in self._file.iter_batches(rows_in_a_block(self.n_features), columns=list(self._columns)):
                # A name with a dot in it may bring others along.
                yield self._block(batch.select(list(self._columns)), record)
                record += len(batch)

    def _block(self, batch: Any, record: int) -> FloatArray:
        """Return a part as float32, whose first row is `record`; missing numbers are NaN, if they are accepted."""
        gaps = [column.null_count > 0 for column in batch.columns]
        if any(gaps) and not self._gaps:
            name, position = list(self._columns.items())[gaps.index(True)]
            row = batch.column(gaps.index(True)).is_null().index(pyarrow.scalar(value=True)).as_py()
            raise FormatError(
                f"expected a number in column {excerpt(name)}, got none", record=record + row, column=position
            )
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self._alike and not any(gaps):
                block = np.ascontiguousarray(batch.to_tensor().to_numpy(), np.float32)
            else:
                columns = np.empty((self.n_features, len(batch)), np.float32)
                for feature, column in enumerate(batch.columns):
                    columns[feature] = _numbers(column)
                block = np.ascontiguousarray(columns.T)
        if place := first_refused(block, gaps=self._gaps):
            row, feature = place
            name, position = list(self._columns.items())[feature]
            raise not_finite(float(batch.column(feature)[row].as_py()), position, record=record + row, name=name)
        return block


@contextmanager
def _as_parquet() -> Iterator[None]:
    """Turn errors of pyarrow in a broken file into a FormatError; errors of the system stay as they are."""
    try:
        yield
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise FormatError(f"expected Parquet, got something else or a broken file: {str(error)[:200]}") from error


def _numbers(column: Any) -> Any:
    """Return the numbers of a column as they are, and those of decimals rounded to float64, as in CSV; NaN for none."""
    if types.is_decimal(column.type):
        # By way of its digits a decimal is rounded once.
        column = column.cast(pyarrow.string()).cast(pyarrow.float64())
    elif types.is_boolean(column.type):
        column = column.cast(pyarrow.uint8())
    return column.to_numpy(zero_copy_only=False)


def _index_columns(metadata: dict[bytes, bytes]) -> set[str]:
    """Return the names of the columns that pandas wrote its index to.

    pandas, fastparquet and dask describe a table in JSON under the key ``pandas``. The index is a list of columns; one
    that only counts rows is described by an object instead, and is no column.
    (https://pandas.pydata.org/docs/development/developer.html#storing-pandas-dataframe-objects-in-apache-parquet-format)

    Raises
    ------
    FormatError
        If the description is something else, so that the index is not known.
    """
    if b"pandas" not in metadata:
        return set()
    try:
        # Not by `json_object.loads`: what a user attached to the table may be NaN.
        described = json.loads(metadata[b"pandas"])
    except (ValueError, RecursionError):
        described = None
    index = described.get("index_columns", []) if isinstance(described, dict) else None
    if not isinstance(index, list) or not all(isinstance(column, str | dict) for column in index):
        raise FormatError(
            "expected metadata of pandas that list index_columns, got others: write the file again, without an index"
        )
    return {column for column in index if isinstance(column, str)}
