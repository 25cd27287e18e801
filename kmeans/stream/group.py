"""A group of mini-batches: what is to be taken, a group that is being taken, and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from kmeans.kernels.group import RETURN, places_of
from kmeans.kernels.group_parts import GroupShape, Location, Results, Workspace
from kmeans.packed_rows import PackedRows
from kmeans.stream.candidates import Candidates
from kmeans.stream.reassignment import Reassignment
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray


@dataclass(frozen=True)
class Batches:
    """Mini-batches to take together.

    Attributes
    ----------
    packed : PackedRows
        Their rows, and maybe more. Those that are taken are marked as taken in it.
    count : int
        The number of mini-batches, at most.
    row_weights : ndarray of float64, shape (rows of a mini-batch,)
        Weights of the rows of each.
    decay : float
        Factor of weights, for a mini-batch.
    first_number : int
        The place of the first row among those of this host.
    first_position : int
        The place of the first row among those of all hosts.
    """

    packed: PackedRows
    count: int
    row_weights: DoubleArray
    decay: float
    first_number: int
    first_position: int

    @property
    def batch_rows(self) -> int:
        """Rows of a mini-batch."""
        return len(self.row_weights)

    @property
    def location(self) -> Location:
        """Where the rows are."""
        return location_of(self.packed, self.first_number)


def location_of(packed: PackedRows, number: int) -> Location:
    """Return where packed rows are; `number` is that of the first one among the rows of this host."""
    return Location(
        packed.file,
        packed.begin,
        packed.stride,
        len(packed.head),
        number,
        packed.origin,
        packed.scales,
        packed.unit,
    )


class Group:
    """What came of a group of mini-batches; it is evaluated when asked for, until the group after the next begins.

    Parameters
    ----------
    batches : Batches
        What was to be taken.
    shape : GroupShape
        As of `take_group`.
    results : Results
        As of `take_group`.
    n_batches : int
        The number of mini-batches that were taken.
    left : bool
        Whether the next mini-batch cannot be taken in a group, because of an outlier or an odd record.
    """

    def __init__(self, batches: Batches, shape: GroupShape, results: Results, n_batches: int, *, left: bool) -> None:
        self.n_batches = n_batches
        self.left = left
        self.batch_rows = batches.batch_rows
        self.first_position = batches.first_position
        self._offset = float(batches.first_position - batches.first_number)
        self._shape, self._results = shape, results

    def inertias(self) -> list[float]:
        """Return the inertia of each mini-batch, as of `Step`."""
        inertias: list[float] = self._results.inertias[: self.n_batches].tolist()
        return inertias

    def reassignments(self) -> list[list[Reassignment]]:
        """Return the reassignments of each mini-batch."""
        counts = self._results.n_changes[: self.n_batches].tolist()
        return [
            [Reassignment(center, into, 0, row) for center, into, row in changes[:count].tolist()] if count else []
            for count, changes in zip(counts, self._results.changes, strict=False)
        ]

    def candidates(self) -> tuple[Candidates, list[int]]:
        """Return the candidates of all mini-batches.

        Returns
        -------
        candidates : Candidates
            In the order of the stream.
        ends : list of int
            For each mini-batch, the number of candidates that belong to it or to an earlier one.
        """
        results = self._results
        ends = np.cumsum(results.n_chosen[: self.n_batches].sum(axis=1)).tolist()
        places: LabelArray = np.empty(ends[-1] if ends else 0, np.int64)
        places_of(self._shape, results, self.n_batches, places)
        numbers = results.numbers[places]
        candidates = Candidates(
            source=results.rows,
            places=places,
            labels=results.labels[places],
            numbers=numbers,
            positions=(numbers + self._offset).astype(np.float64, copy=False),
            draws=results.draws[places],
            squared_distances=results.squared_distances[places],
        )
        return candidates, ends


class RunningGroup:
    """A group that other threads work on; at the end of the context this thread joins them, and waits.

    Parameters
    ----------
    threads : Threads
        The threads.
    take : callable
        Called in each of them with its number.
    end : callable
        Returns the result of the group, once all threads have returned.
    work : Workspace
        The memory that they work in.

    Attributes
    ----------
    group : Group
        The result, once the context was left.
    """

    group: Group

    def __init__(
        self, threads: Threads, take: Callable[[int], None], end: Callable[[], Group], work: Workspace
    ) -> None:
        self._threads, self._take, self._end, self._work = threads, take, end, work

    def __enter__(self) -> Self:
        """Start the other threads."""
        self._join = self._threads.begin(self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Work with the others, or, after an error, make them stop."""
        if kind is not None:
            self._work.counters[RETURN] = 1
        self._join()
        if kind is None:
            self.group = self._end()
