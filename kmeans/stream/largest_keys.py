"""Rows with the largest keys of those that were offered."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import Communicator
from kmeans.kernels.rearranging import move_rows, rearrange
from kmeans.memory import NotEnoughMemoryError, sample_bytes
from kmeans.stream.candidates import Candidates
from kmeans.stream.reassignment import Reassignment
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Places for so many more rows than are kept, as a part of these: when all are taken, the least keys are dropped. Fewer
# where there is no memory for them, but so many in any case.
SPARE, LEAST_SPARE = 1 / 4, 1 / 64
_NAMES = ("rows", "labels", "numbers", "positions", "keys")
# Places at the beginning.
_FIRST_PLACES = 1024


class LargestKeys:
    """Holds rows by their keys, float64 numbers. Of equal keys either all are held or none.

    Parameters
    ----------
    size
        How many rows are kept, at most.
    n_features
        Features of a row.
    most_rows
        For how many rows there is memory.

    Attributes
    ----------
    threshold
        Rows with keys no larger are not held: the largest key of any that was dropped.
    """

    def __init__(self, size: int, n_features: int, most_rows: float = math.inf) -> None:
        self.size = size
        self.threshold = -math.inf
        self._most_rows = most_rows
        self._spare = 1 + int(max(LEAST_SPARE * size, min(SPARE * size, most_rows - size)))
        self._rows: FloatArray = np.empty((0, n_features), np.float32)
        self._labels: LabelArray = np.empty(0, np.int64)
        self._numbers: LabelArray = np.empty(0, np.int64)
        self._positions: DoubleArray = np.empty(0)
        self._keys: DoubleArray = np.empty(0)
        self._used = 0

    def add(self, offered: Candidates, keys: DoubleArray) -> None:
        """Offer rows with their keys, float64 (n,); those that are held are copied."""
        # No more at a time than there is room for once all else is dropped.
        for begin in range(0, len(keys), self._spare):
            chosen = begin + np.flatnonzero(keys[begin : begin + self._spare] > self.threshold)
            if self._used + len(chosen) > self.size + self._spare:
                self.drop()
                chosen = chosen[keys[chosen] > self.threshold]
            self._make_room(self._used + len(chosen))
            place = slice(self._used, self._used + len(chosen))
            values = offered.labels, offered.numbers, offered.positions, keys
            # Not checked once more; with the check it would be copied twice.
            np.take(offered.source, offered.places[chosen], axis=0, out=self._rows[place], mode="clip")
            for column, new in zip(self._columns()[1:], values, strict=True):
                column[place] = new[chosen]
            self._used = place.stop

    def drop(self) -> None:
        """Drop all but the largest keys."""
        surplus = self._used - self.size
        keys = self._keys[: self._used]
        if surplus > 0:
            self.threshold = max(self.threshold, float(np.partition(keys, surplus - 1)[surplus - 1]))
        gone = np.flatnonzero(keys <= self.threshold)
        kept = self._used - len(gone)
        # The last ones take the places of those that are gone.
        movers = kept + np.flatnonzero(keys[kept:] > self.threshold)
        places = gone[gone < kept]
        move_rows(self._rows, movers, places)
        for column in self._columns()[1:]:
            column[places] = column[movers]
        self._used = kept

    def sort(self) -> None:
        """Drop what is too much, and bring the rows into the order of their numbers; they need no second place."""
        self.drop()
        used = self._used
        order = np.argsort(self._numbers[:used])
        for column in self._columns()[1:]:
            column[:used] = column[order]
        rearrange(self._rows, order)

    def held(self) -> tuple[FloatArray, LabelArray, LabelArray, DoubleArray, DoubleArray]:
        """Return rows, labels, numbers, positions and keys; views, valid until rows are added."""
        used = self._used
        return (
            self._rows[:used],
            self._labels[:used],
            self._numbers[:used],
            self._positions[:used],
            self._keys[:used],
        )

    def relabel(self, change: Reassignment, host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        change.relabel(self._labels[: self._used], self._numbers[: self._used], host)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return, by name, the arrays from which `restore` makes the same; they are views."""
        self.drop()
        return dict(zip(_NAMES, self.held(), strict=True))

    def restore(self, arrays: dict[str, NDArray[Any]], threshold: float | None) -> None:
        """Become what that of these arrays was; they are its own from then on."""
        self._rows, self._labels, self._numbers, self._positions, self._keys = (arrays[name] for name in _NAMES)
        self._used = len(self._rows)
        self.threshold = -math.inf if threshold is None else threshold

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self._rows, self._labels, self._numbers, self._positions, self._keys

    def _make_room(self, wanted: int) -> None:
        if len(self._keys) >= wanted:
            return
        n_features = self._rows.shape[1]
        if min(wanted, self.size) > self._most_rows:
            needed, available = sample_bytes(wanted, n_features), sample_bytes(self._most_rows, n_features)
            raise NotEnoughMemoryError(f"{wanted} rows of a sample with {n_features} features", needed, available)
        most = min(self.size + self._spare, self._most_rows)
        grown = int(max(wanted, min(most, max(_FIRST_PLACES, 2 * len(self._keys)))))
        self._rows.resize((grown, n_features), refcheck=False)
        for column in self._columns()[1:]:
            column.resize(grown, refcheck=False)


def chosen_of_all(keys: DoubleArray, size: int, communicator: Communicator) -> tuple[NDArray[np.bool_], float]:
    """Find which keys are among the `size` largest of all hosts.

    Parameters
    ----------
    keys
        float64 (n,): those of this host.
    size
        How many are looked for; all are taken when there are fewer.
    communicator
        The hosts.

    Returns
    -------
    chosen : ndarray of bool, shape (n,)
        Which of this host's.
    best_left : float
        The largest key, of any host, that is not among them; minus infinity when all are.
    """
    everyones = communicator.gather_rows(keys)
    surplus = len(everyones) - size
    if surplus <= 0:
        return np.ones(len(keys), bool), -math.inf
    best_left = float(np.partition(everyones, surplus - 1)[surplus - 1])
    return keys > best_left, best_left
