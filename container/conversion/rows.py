"""What every source of rows offers, and what they share: the size of a block, the check of its numbers, threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from container.channels.reader import Reader
from container.formats.errors import FormatError, not_finite
from container.formats.numbers import first_refused
from container.resources import cpu_count
from kmeans.types import FloatArray

Item = TypeVar("Item")
Result = TypeVar("Result")

BLOCK_BYTES: Final = 4 << 20
# The longest row that the formats here can hold.
MAX_FEATURES: Final = 1 << 27
# The longest beginning of a file in which a first row is looked for.
MAX_ROW_BYTES: Final = 1 << 30


class Rows(Protocol):
    """Rows of one file or folder.

    Attributes
    ----------
    n_features : int
        The numbers of a row.
    names : sequence of str
        The names of the features; empty where they have none.
    left_out : str
        What is not read of the source, in words; empty if all of it is.
    """

    n_features: int
    names: Sequence[str] = ()
    left_out: str = ""

    def count(self) -> int:
        """Return the number of rows, known from a header or from a pass over the data."""

    def blocks(self) -> Iterator[FloatArray]:
        """Yield all rows in order: ndarray of float32, shape (n, n_features), C-contiguous.

        All numbers are finite; if the source was opened with `Options.gaps`, NaN stands for missing ones.
        """

    def remark(self) -> str:
        """Return what was changed in the last pass, in words; empty if nothing was."""
        return ""


def rows_in_a_block(n_features: int) -> int:
    """Return the number of rows that a block holds."""
    return max(1, BLOCK_BYTES // (4 * n_features))


def width(columns: int, labels: int) -> int:
    """Return the number of features in a number of columns; raise FormatError if there are none, or too many."""
    if columns <= labels:
        besides = f" in addition to {labels} of labels" if labels else ""
        raise FormatError(f"expected a column of numbers{besides}, got {columns} columns")
    if columns > MAX_FEATURES:
        raise FormatError(f"expected at most {MAX_FEATURES} columns, got {columns}")
    return columns - labels


def float32(parts: Iterator[Any], columns: Sequence[int], *, gaps: bool) -> Iterator[FloatArray]:
    """Yield some columns of each part as float32.

    Parameters
    ----------
    parts : iterator of ndarray, shape (n, columns)
        Numbers of any type.
    columns : sequence of int
        The columns to take, from 0; a range of leading columns to drop is fastest.
    gaps : bool
        Whether NaN is accepted; infinity is not.

    Yields
    ------
    ndarray of float32, shape (n, len(columns))
    """
    index: slice | Sequence[int] = slice(columns.start, None) if isinstance(columns, range) else columns
    record = 1
    for part in parts:
        rows = part[:, index]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            block = np.ascontiguousarray(rows, np.float32)
        if place := first_refused(block, gaps=gaps):
            row, column = place
            raise not_finite(float(rows[row, column]), columns[column], record=record + row)
        yield block
        record += len(block)


def all_rows(reader: Reader) -> Iterator[FloatArray]:
    """Yield the rows of a reader, block by block."""
    size = rows_in_a_block(reader.width)
    while True:
        block = np.empty((size, reader.width), np.float32)
        read = reader.read(block)
        if read:
            yield block[:read]
        if read < size:
            return


def ahead(blocks: Iterator[FloatArray]) -> Iterator[FloatArray]:
    """Yield the same blocks, while a thread reads the one that follows."""
    with ThreadPoolExecutor(1, "reader") as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield what `work` returns for each item, in their order, while threads work on those that follow."""
    workers = cpu_count()
    coming: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, "worker") as pool:
        for item in items:
            coming.append(pool.submit(work, item))
            if len(coming) > workers:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
