"""``text/csv``: a row a line; answered by ``closest_cluster,distance_to_cluster`` without a header.

Lines of plain numbers are nearly JSON already, and simdjson reads them at two to three times the rate of pyarrow. All
other lines, and what is wrong with them, are left to `container.formats.csv.text`.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import simdjson
from numpy.typing import DTypeLike, NDArray

from container.formats.csv.text import parse
from container.formats.numbers import held
from container.serving.codecs.codec import Instances, Predictions
from container.serving.codecs.lines import whole_lines
from container.serving.codecs.text import csv_lines

MEDIA_TYPE = "text/csv"

# Stands for the end of a line among the numbers; none of a row may be as large.
_END: Final = b",1e99,"
# simdjson takes up to eight times the memory of a text.
_MOST_BYTES = 1 << 24


def decode(body: Iterable[bytes], feature_dim: int, dtype: DTypeLike = np.float32) -> Iterator[Instances]:
    """Read lines of `feature_dim` numbers."""
    record = 1
    for lines in whole_lines(body):
        rows = _plain_rows(lines, feature_dim, dtype)
        if rows is None:
            rows = parse(lines, feature_dim, first_record=record, dtype=dtype)
        record += len(rows)
        yield Instances(rows)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write a line a row, the last one ended too."""
    for block in blocks:
        yield csv_lines(block.columns)


def _plain_rows(lines: bytes, columns: int, dtype: DTypeLike = np.float32) -> NDArray[Any] | None:
    """Read lines as one JSON array of numbers, if they are, and if each has its `columns` finite ones.

    The grammar of JSON's numbers lies within that of CSV's, and simdjson rounds them to float64 as `parse` does.
    """
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    # Between its brackets, JSON would take a lone CR for a blank, and an array within the array for its numbers.
    if len(lines) > _MOST_BYTES or b"\r" in lines or b"[" in lines:
        return None
    numbers_and_ends = lines.replace(b"\n", _END)
    ends = (len(numbers_and_ends) - len(lines)) // (len(_END) - 1) + 1
    document = b"".join((b"[", numbers_and_ends, _END[:-1], b"]"))
    try:
        # Parsers keep their memory: one that waited for its client's next block would have others need more.
        array: Any = simdjson.Parser().parse(document)
        numbers = np.frombuffer(array.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError):
        # No JSON, not numbers alone, and a whole number of more than 64 bits.
        return None
    if len(numbers) != ends * (columns + 1):
        return None
    rows, finite = held(numbers.reshape(ends, columns + 1)[:, :-1], dtype)
    # Where no end is amid the numbers of a row, there is one behind those of each, for there are as many.
    return rows if finite.all() else None
