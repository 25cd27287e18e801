"""Rows drawn over all files of a channel, and the first ones of a pipe."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import numpy as np

from container.channels.reader import Reader, WrongGuessError
from container.channels.stream import Stream
from container.formats.errors import FormatError, IncompleteError
from kmeans.types import DoubleArray

Opener = Callable[[Path], AbstractContextManager[Reader]]

# This many of the first rows of a pipe are enough, unless more are wanted. Up to MAX are taken if they have come.
ENOUGH_ROWS: Final = 100
_MAX_ROWS: Final = 1000
_MAX_BYTES: Final = 64 << 20


def sample(
    files: Sequence[Path],
    reading: Opener,
    feature_dim: int,
    size: int,
    rng: np.random.Generator,
) -> tuple[DoubleArray, int]:
    """Return rows drawn uniformly without replacement.

    There are two passes: one counts records, the other decodes those that were drawn. Memory is that of the rows drawn.

    Parameters
    ----------
    files : sequence of Path
        The files to draw from.
    reading : callable
        Opens a file for reading.
    feature_dim : int
        The numbers of a row.
    size : int
        The rows wanted; all are drawn when there are fewer.
    rng : numpy.random.Generator
        The source of randomness.

    Returns
    -------
    rows : ndarray of float64, shape (min(size, records), feature_dim)
        In the order of the files and of the records in them.
    records : int
        The number of records in all files.
    """
    try:
        return _sample(files, reading, feature_dim, size, rng, guess=True)
    except WrongGuessError:
        return _sample(files, reading, feature_dim, size, rng, guess=False)


def _sample(
    files: Sequence[Path],
    reading: Opener,
    feature_dim: int,
    size: int,
    rng: np.random.Generator,
    *,
    guess: bool,
) -> tuple[DoubleArray, int]:
    ends = [0]
    for path in files:
        with reading(path) as reader:
            ends.append(ends[-1] + reader.count(guess=guess))
    wanted = min(size, ends[-1])
    numbers = np.sort(rng.choice(ends[-1], wanted, replace=False, shuffle=False)) if wanted else np.empty(0, np.int64)
    rows = np.empty((wanted, feature_dim))
    for path, begin, end in zip(files, ends, ends[1:], strict=False):
        first, last = np.searchsorted(numbers, (begin, end))
        if first < last:
            with reading(path) as reader:
                reader.pick(numbers[first:last] - begin, rows[first:last], guess=guess)
    return rows, ends[-1]


def first_rows(stream: Stream, reading: Callable[[bytes], Reader], n_rows: int = ENOUGH_ROWS) -> DoubleArray:
    """Return some of the first rows of a stream, which stay to be read.

    A row that is wrong ends them; the error is raised when the row is read.

    Parameters
    ----------
    stream : Stream
        At its beginning.
    reading : callable
        Makes a reader of the beginning of the stream.
    n_rows : int
        The number of rows to wait for, unless they take too much memory. Up to `_MAX_ROWS` are returned if they have
        come.

    Returns
    -------
    ndarray of float64, shape (n, d)
        There may be none.
    """
    size = 1
    while True:
        beginning = stream.peek(size)
        ended = len(beginning) < size
        # Cut, so that rows that take too much memory are the same ones however many have come.
        reader = reading(beginning[:_MAX_BYTES])
        most = min(max(_MAX_ROWS, n_rows), _MAX_BYTES // (8 * reader.width))
        rows = np.empty((max(1, most), reader.width))
        try:
            reader.read(rows)
        except IncompleteError:
            pass
        except FormatError:
            ended = True
        if ended or reader.records >= min(n_rows, len(rows)) or len(beginning) >= _MAX_BYTES:
            return rows[: reader.records]
        # All are decoded again each time, so this must be rare.
        size = 2 * len(beginning)
