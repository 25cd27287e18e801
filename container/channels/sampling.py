"""Rows drawn over all files of a channel."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from container.channels.reader import Reader, WrongGuessError
from kmeans.types import FloatArray

Opener = Callable[[Path], AbstractContextManager[Reader]]


def sample(
    files: Sequence[Path], reading: Opener, feature_dim: int, size: int, rng: np.random.Generator
) -> tuple[FloatArray, int]:
    """Draw rows uniformly without replacement.

    Two passes, of which neither decodes more than what is drawn: one counts records, the other fetches. Memory is that
    of the rows drawn.

    Parameters
    ----------
    files : sequence of Path
        What to draw from.
    reading : callable
        Opens a file for reading.
    feature_dim : int
        The numbers of a row.
    size : int
        The rows wanted; all are given when there are fewer.
    rng : Generator
        The source of chance.

    Returns
    -------
    rows : ndarray of shape (min(size, records), feature_dim), float32
        In the order of the files and of the records in them.
    records : int
        How many there are in all.
    """
    try:
        return _sample(files, reading, feature_dim, size, rng, guess=True)
    except WrongGuessError:
        return _sample(files, reading, feature_dim, size, rng, guess=False)


def _sample(
    files: Sequence[Path], reading: Opener, feature_dim: int, size: int, rng: np.random.Generator, *, guess: bool
) -> tuple[FloatArray, int]:
    ends = [0]
    for path in files:
        with reading(path) as reader:
            ends.append(ends[-1] + reader.count(guess=guess))
    wanted = min(size, ends[-1])
    numbers = np.sort(rng.choice(ends[-1], wanted, replace=False, shuffle=False)) if wanted else np.empty(0, np.int64)
    rows = np.empty((wanted, feature_dim), np.float32)
    for path, begin, end in zip(files, ends, ends[1:], strict=False):
        first, last = np.searchsorted(numbers, (begin, end))
        if first < last:
            with reading(path) as reader:
                reader.pick(numbers[first:last] - begin, rows[first:last], guess=guess)
    return rows, ends[-1]
