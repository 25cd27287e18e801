"""The lengths of lists in a Parquet file whose types don't say them."""

from collections.abc import Sequence
from typing import Final

from container.formats.errors import FormatError, excerpt
from container.formats.parquet.file import ParquetFile
from container.formats.parquet.number_columns import NumberColumn

# Rows to look at together for a list; nearly always the first one has one.
_ROWS: Final = 64
# The longest lists that are read.
MAX_LENGTH: Final = 1 << 20


def with_lengths(file: ParquetFile, columns: Sequence[NumberColumn], n_features: int | None) -> list[NumberColumn]:
    """Return columns with the lengths of their lists.

    The only unknown length follows from the number of features; otherwise the first list of a column has it. If a file
    has no list at all, it remains unknown.

    Parameters
    ----------
    file : ParquetFile
        The file.
    columns : sequence of NumberColumn
        Its columns that are read.
    n_features : int or None
        The number of features of these columns; None for any.

    Returns
    -------
    list of NumberColumn

    Raises
    ------
    FormatError
        If a length does not match the metadata of its column, or the file is broken.
    """
    unknown = [column for column in columns if not column.length]
    left = (n_features or 0) - sum(column.length for column in columns)
    if len(unknown) == 1 and left > 0:
        lengths = {unknown[0].place: left}
    else:
        lengths = {column.place: _first_length(file, column) for column in unknown}
    known = [column.of_length(lengths.get(column.place, column.length)) for column in columns]
    for column in known:
        if column.length > MAX_LENGTH:
            raise FormatError(
                f"expected lists of up to {MAX_LENGTH} numbers in {excerpt(column.name)}, got {column.length}"
            )
    return known


def _first_length(file: ParquetFile, column: NumberColumn) -> int:
    """Return the length of the first list of a column; 0 if there is no list."""
    for group in range(len(file.group_rows)):
        for batch in file.batches({column.place: MAX_LENGTH}, group, _ROWS):
            lengths = batch.column(0).value_lengths().drop_null()
            if len(lengths):
                if length := int(lengths[0].as_py()):
                    return length
                raise FormatError(f"expected lists of numbers in {excerpt(column.name)}, got an empty one")
    return 0
