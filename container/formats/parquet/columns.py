"""Which columns of a Parquet table are features: numbers and lists of them, without the index of pandas."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyarrow import types

from container.formats.columns import Selection, check_count, choose, refuse_duplicates
from container.formats.errors import FormatError, excerpt
from container.formats.parquet.file import ParquetFile
from container.formats.parquet.list_lengths import with_lengths
from container.formats.parquet.number_columns import NUMBERS, NumberColumn, holds_lists, is_one_of, number_column

# What ids may be: anything that has a text of its own.
_IDS: Final = (
    *NUMBERS,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_date,
    types.is_timestamp,
)
# The names that pandas and dask give to an index without a name. Other programs that rewrite such a table keep them.
_INDEX_NAME: Final = re.compile(r"__index_level_[0-9]+__|__null_dask_index__")


@dataclass(frozen=True)
class ParquetColumns:
    """The columns of a Parquet file that are read.

    Attributes
    ----------
    features : tuple of NumberColumn
        Those of the features.
    ident : int or None
        That of the ids, by its place in the table.
    weight : NumberColumn or None
        That of the weights.
    left_out : str
        See `container.formats.columns.Chosen`.
    feature_names : tuple of str
        The names of the features; empty if the file has no row, and lists whose lengths are therefore not known.
    """

    features: tuple[NumberColumn, ...]
    ident: int | None
    weight: NumberColumn | None
    left_out: str
    feature_names: tuple[str, ...]

    @property
    def numbers(self) -> tuple[NumberColumn, ...]:
        """The columns that are read as numbers: the features, and the weight behind them."""
        return self.features if self.weight is None else (*self.features, self.weight)


def chosen_columns(
    file: ParquetFile, selection: Selection, n_features: int | None, labels: int | None
) -> ParquetColumns:
    """Return the columns of a file that are read.

    Parameters
    ----------
    file : ParquetFile
        The file.
    selection : Selection
        As for `container.formats.columns.choose`, as are the others.
    n_features : int or None
        The number of features.
    labels : int or None
        The number of columns of labels.

    Returns
    -------
    ParquetColumns
        The columns; features and weights are numbers.

    Raises
    ------
    FormatError
        As `choose`, or if a column has a type that is not read.
    """
    schema = file.schema
    # How many features there are in lists shows only when the columns are known.
    with_lists = any(holds_lists(field.type) for field in schema)
    chosen = choose(schema.names, selection, None if with_lists else n_features, labels, index_columns(schema))
    features = number_columns(file, chosen.features, n_features)
    if n_features is not None and all(column.length for column in features):
        check_count(sum(column.length for column in features), n_features, chosen.names)
    if chosen.ident is not None:
        _check_ids(schema.field(chosen.ident))
    weight = None if chosen.weight is None else _weight_column(schema, chosen.weight)
    return ParquetColumns(features, chosen.ident, weight, chosen.left_out, feature_names(features))


def number_columns(file: ParquetFile, places: Iterable[int], n_features: int | None = None) -> tuple[NumberColumn, ...]:
    """Return columns of numbers or of lists, of known lengths if there is a list; see `with_lengths`."""
    return tuple(with_lengths(file, [number_column(file.schema, place) for place in places], n_features))


def feature_names(columns: Sequence[NumberColumn]) -> tuple[str, ...]:
    """Return the names of the features in columns; none if the length of a list is not known.

    Raises
    ------
    FormatError
        If a name is there twice.
    """
    if not all(column.length for column in columns):
        return ()
    names = tuple(name for column in columns for name in column.feature_names)
    refuse_duplicates(names)
    return names


def index_columns(schema: Any) -> set[int]:
    """Return the columns that are an index of pandas; raise a FormatError if its description is something else."""
    described = _described_index(schema.metadata or {})
    return {place for place, name in enumerate(schema.names) if name in described or _INDEX_NAME.fullmatch(name)}


def _weight_column(schema: Any, place: int) -> NumberColumn:
    column = number_column(schema, place)
    if column.lists:
        kind = str(schema.field(place).type)[:60]
        raise FormatError(f"expected weights that are numbers, got {excerpt(column.name)} of the type {kind}")
    return column


def _check_ids(field: Any) -> None:
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    if not is_one_of(_IDS, kind):
        raise FormatError(
            f"expected ids that are text, numbers or dates, got {excerpt(field.name)} of the type {str(kind)[:60]}"
        )


def _described_index(metadata: dict[bytes, bytes]) -> set[str]:
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
