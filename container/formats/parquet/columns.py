"""Which columns of a Parquet table are features: numbers, without the index of pandas."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pyarrow import types

from container.formats.columns import Chosen, Selection, choose
from container.formats.errors import FormatError, excerpt

# The types of numbers that are read. A boolean is 0 or 1. A column of a dictionary's numbers has the type of these.
# A column without a single value may have the type null.
_NUMBERS: Final = (types.is_floating, types.is_integer, types.is_boolean, types.is_decimal, types.is_null)
# What ids may be: anything that has a text of its own.
_IDS: Final = (
    *_NUMBERS,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_date,
    types.is_timestamp,
)
# The names that pandas and dask give to an index without a name. Other programs that rewrite such a table keep them.
_INDEX_NAME: Final = re.compile(r"__index_level_[0-9]+__|__null_dask_index__")


def chosen_columns(schema: Any, selection: Selection, n_features: int | None, labels: int | None) -> Chosen:
    """Return the columns of a table that are read.

    Parameters
    ----------
    schema : pyarrow.Schema
        The names and types of the columns, and what pandas says of them.
    selection : Selection
        As for `container.formats.columns.choose`, as are the others.
    n_features : int or None
        The number of features.
    labels : int or None
        The number of columns of labels.

    Returns
    -------
    Chosen
        The columns; features are numbers.

    Raises
    ------
    FormatError
        As `choose`, or if a column has a type that is not read.
    """
    chosen = choose(schema.names, selection, n_features, labels, index_columns(schema))
    check_numbers(schema, chosen.numbers)
    if chosen.ident is not None:
        _check_type(_decoded(schema.field(chosen.ident)), _IDS, "ids that are text, numbers or dates")
    return chosen


def check_numbers(schema: Any, columns: Sequence[int]) -> None:
    """Raise a FormatError if a column is not one of numbers."""
    for place in columns:
        _check_type(schema.field(place), _NUMBERS, "columns of numbers")


def index_columns(schema: Any) -> set[int]:
    """Return the columns that are an index of pandas; raise a FormatError if its description is something else."""
    described = _described_index(schema.metadata or {})
    return {place for place, name in enumerate(schema.names) if name in described or _INDEX_NAME.fullmatch(name)}


def _check_type(field: Any, kinds: tuple[Any, ...], expected: str) -> None:
    if not any(holds(field.type) for holds in kinds):
        raise FormatError(f"expected {expected}, got {excerpt(field.name)} of the type {str(field.type)[:60]}")


def _decoded(field: Any) -> Any:
    """Return a field with the type of its values, if these are in a dictionary."""
    return field.with_type(field.type.value_type) if types.is_dictionary(field.type) else field


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
