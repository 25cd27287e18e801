"""``text/csv``: one row per line, answered by ``closest_cluster,distance_to_cluster`` without a header.

Lines of plain numbers are nearly JSON already, and simdjson reads them at two to three times the rate of pyarrow. All
other lines, and the errors in them, are left to `container.formats.csv.parser`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import simdjson
from numpy.typing import DTypeLike, NDArray

from container.formats.csv.parser import Cells, parse_cells
from container.formats.numbers import held
from container.serving.codecs.codec import Instances, Predictions
from container.serving.codecs.lines import whole_lines
from container.serving.codecs.text import csv_lines

MEDIA_TYPE = "text/csv"

# Stands for the end of a line among the numbers; no number of a row may be as large.
_END: Final = b",1e99,"
# simdjson takes up to eight times the memory of a text.
_MAX_BYTES = 1 << 24


def decode(
    body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False
) -> Iterator[Instances]:
    """Yield the rows of lines of `feature_dim` numbers."""
    record, cells = 1, Cells.behind(0, feature_dim, gaps=gaps)
    for lines in whole_lines(body):
        rows = _plain_rows(lines, feature_dim, dtype)
        if rows is None:
            rows = parse_cells(lines, cells, first_record=record, dtype=dtype)
        record += len(rows)
        yield Instances(rows)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Yield a line for each row; the last one has an end too."""
    for block in blocks:
        yield csv_lines(block.columns)


def _plain_rows(lines: bytes, columns: int, dtype: DTypeLike = np.float32) -> NDArray[Any] | None:
    """Return the rows of lines that, as one JSON array of numbers, have `columns` finite numbers each; else None.

    The grammar of JSON's numbers lies within that of CSV's, and simdjson rounds them to float64 as `parse_cells` does.
    """
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    # Between its brackets, JSON would take a lone CR for a blank; an array in the array would count as its numbers.
    if len(lines) > _MAX_BYTES or b"\r" in lines or b"[" in lines:
        return None
    numbers_and_ends = lines.replace(b"\n", _END)
    ends = (len(numbers_and_ends) - len(lines)) // (len(_END) - 1) + 1
    document = b"".join((b"[", numbers_and_ends, _END[:-1], b"]"))
    try:
        # A new parser, since parsers keep their memory while they wait for a client's next block.
        array: Any = simdjson.Parser().parse(document)
        numbers = np.frombuffer(array.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError):
        # No JSON, not only numbers, or a whole number of more than 64 bits.
        return None
    if len(numbers) != ends * (columns + 1):
        return None
    rows, finite = held(numbers.reshape(ends, columns + 1)[:, :-1], dtype)
    # If no end is among the numbers of a row, there is one behind those of each, since there are as many.
    return rows if finite.all() else None
