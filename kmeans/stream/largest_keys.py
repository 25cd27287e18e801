"""Keeps the rows with the largest keys of all rows that were offered."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import Communicator
from kmeans.kernels.rearranging import move_rows, rearrange
from kmeans.memory import NotEnoughMemoryError, sample_bytes
from kmeans.stream.candidates import Candidates
from kmeans.stream.reassignment import Reassignment
from kmeans.stream.snapshot import LargestKeysSnapshot
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Spare places, as a part of the rows that are kept: when all are taken, the least keys are dropped. There are fewer
# where memory is short, down to a minimum.
SPARE, MIN_SPARE = 1 / 4, 1 / 64
# Places at the beginning.
_FIRST_PLACES = 1024


class HeldRows(NamedTuple):
    """Rows that are held, with what belongs to them.

    Attributes
    ----------
    rows : ndarray of float32, shape (n, d)
        The rows.
    labels, numbers : ndarray of int64, shape (n,)
        See `Candidates`.
    positions, keys : ndarray of float64, shape (n,)
        See `Candidates`, and the keys.
    weights : ndarray of float64, shape (n,), or None
        See `Candidates`.
    """

    rows: FloatArray
    labels: LabelArray
    numbers: LabelArray
    positions: DoubleArray
    keys: DoubleArray
    weights: DoubleArray | None


class LargestKeys:
    """Holds rows by their keys, float64 numbers. Of equal keys either all are held or none.

    Parameters
    ----------
    size : int
        Rows that are kept, at most.
    n_features : int
        Features of a row.
    max_rows : float
        Rows for which there is memory.
    weighted : bool
        Whether rows have weights.

    Attributes
    ----------
    threshold : float
        The largest key of any row that was dropped: rows without a larger key are not held.
    """

    def __init__(self, size: int, n_features: int, max_rows: float = math.inf, *, weighted: bool = False) -> None:
        self.size = size
        self.threshold = -math.inf
        self._max_rows = max_rows
        self._spare = 1 + int(max(MIN_SPARE * size, min(SPARE * size, max_rows - size)))
        self._rows: FloatArray = np.empty((0, n_features), np.float32)
        self._labels: LabelArray = np.empty(0, np.int64)
        self._numbers: LabelArray = np.empty(0, np.int64)
        self._positions: DoubleArray = np.empty(0)
        self._keys: DoubleArray = np.empty(0)
        self._weights: DoubleArray | None = np.empty(0) if weighted else None
        self._used = 0

    def add(self, offered: Candidates, keys: DoubleArray) -> None:
        """Offer rows; those that are held are copied.

        Parameters
        ----------
        offered : Candidates
            The rows.
        keys : ndarray of float64, shape (n,)
            Their keys.
        """
        # No more at a time than there is room for once everything else is dropped.
        for begin in range(0, len(keys), self._spare):
            chosen = begin + np.flatnonzero(keys[begin : begin + self._spare] > self.threshold)
            if self._used + len(chosen) > self.size + self._spare:
                self.drop()
                chosen = chosen[keys[chosen] > self.threshold]
            self._make_room(self._used + len(chosen))
            place = slice(self._used, self._used + len(chosen))
            values = [offered.labels, offered.numbers, offered.positions, keys]
            if offered.weights is not None:
                values.append(offered.weights)
            # The indices are right; to check them again, NumPy would copy the rows twice.
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
        # The last rows take the places of those that are gone.
        movers = kept + np.flatnonzero(keys[kept:] > self.threshold)
        places = gone[gone < kept]
        move_rows(self._rows, movers, places)
        for column in self._columns()[1:]:
            column[places] = column[movers]
        self._used = kept

    def sort(self) -> None:
        """Drop all but the largest keys, and sort the rows by their numbers, in place."""
        self.drop()
        used = self._used
        order = np.argsort(self._numbers[:used])
        for column in self._columns()[1:]:
            column[:used] = column[order]
        rearrange(self._rows, order)

    def held(self) -> HeldRows:
        """Return the rows that are held, as views that are valid until rows are added."""
        used = self._used
        return HeldRows(
            self._rows[:used],
            self._labels[:used],
            self._numbers[:used],
            self._positions[:used],
            self._keys[:used],
            None if self._weights is None else self._weights[:used],
        )

    def relabel(self, change: Reassignment, host: int) -> None:
        """Change labels after a reassignment, maybe to a row of this host, whose rank is `host`."""
        change.relabel(self._labels[: self._used], self._numbers[: self._used], host)

    def snapshot(self) -> LargestKeysSnapshot:
        """Return what `restore` needs; the arrays are views."""
        self.drop()
        rows, labels, numbers, positions, keys, weights = self.held()
        threshold = None if self.threshold == -math.inf else self.threshold
        return LargestKeysSnapshot(rows, labels, numbers, positions, keys, threshold, weights)

    def restore(self, snapshot: LargestKeysSnapshot) -> None:
        """Resume from a snapshot, and take over its arrays."""
        self._rows, self._labels, self._numbers = snapshot.rows, snapshot.labels, snapshot.numbers
        self._positions, self._keys, self._weights = snapshot.positions, snapshot.keys, snapshot.weights
        self._used = len(self._rows)
        self.threshold = -math.inf if snapshot.threshold is None else snapshot.threshold

    def _columns(self) -> tuple[NDArray[Any], ...]:
        columns = self._rows, self._labels, self._numbers, self._positions, self._keys
        return columns if self._weights is None else (*columns, self._weights)

    def _make_room(self, wanted: int) -> None:
        if len(self._keys) >= wanted:
            return
        n_features = self._rows.shape[1]
        if min(wanted, self.size) > self._max_rows:
            needed, available = sample_bytes(wanted, n_features), sample_bytes(self._max_rows, n_features)
            raise NotEnoughMemoryError(f"{wanted} rows of a sample with {n_features} features", needed, available)
        limit = min(self.size + self._spare, self._max_rows)
        grown = int(max(wanted, min(limit, max(_FIRST_PLACES, 2 * len(self._keys)))))
        self._rows.resize((grown, n_features), refcheck=False)
        for column in self._columns()[1:]:
            column.resize(grown, refcheck=False)


def chosen_of_all(keys: DoubleArray, size: int, communicator: Communicator) -> tuple[NDArray[np.bool_], float]:
    """Find which keys are among the `size` largest of all hosts.

    Parameters
    ----------
    keys : ndarray of float64, shape (n,)
        The keys of this host.
    size : int
        The number of keys to choose; all are chosen when there are fewer.
    communicator : Communicator
        The hosts.

    Returns
    -------
    chosen : ndarray of bool, shape (n,)
        Which of this host's keys are.
    best_left : float
        The largest key, of any host, that is not among them; minus infinity when all are.
    """
    everyones = communicator.gather_rows(keys)
    surplus = len(everyones) - size
    if surplus <= 0:
        return np.ones(len(keys), bool), -math.inf
    best_left = float(np.partition(everyones, surplus - 1)[surplus - 1])
    return keys > best_left, best_left
