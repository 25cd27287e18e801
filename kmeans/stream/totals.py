"""What the hosts add up at each step, in one buffer: one reduction for all of it."""

from collections.abc import Callable

import numpy as np

from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import Communicator
from kmeans.kernels.far_rows import EXTRA
from kmeans.stream.step import StepFlags
from kmeans.types import BoolArray, DoubleArray


class Totals:
    """One buffer with named views: of this host before `reduce`, of all hosts afterwards.

    Parameters
    ----------
    n_centers : int
        K.
    n_features : int
        d.
    communicator : Communicator
        The hosts.
    far_rows : int
        Far rows that each host has the facts of; see `kmeans.stream.reassignment.FarRows`.

    Attributes
    ----------
    sums : ClusterSums
        By center.
    far_facts : ndarray of float64, shape (hosts * far_rows, EXTRA)
        The facts of the far rows of all hosts.
    """

    def __init__(self, n_centers: int, n_features: int, communicator: Communicator, far_rows: int) -> None:
        self._communicator = communicator
        self._far_rows = far_rows
        n_hosts = communicator.size
        sizes = (n_centers * n_features, n_centers, n_centers, 3, 2, n_hosts, n_hosts, n_hosts * far_rows * EXTRA)
        self._buffer: DoubleArray = np.zeros(sum(sizes))
        parts = np.split(self._buffer, np.cumsum(sizes)[:-1])
        points, counts, losses, self._seen, self._wishes, self._ended, self._bounds, far = parts
        self.sums = ClusterSums(points.reshape(n_centers, n_features), counts, losses)
        self.far_facts: DoubleArray = far.reshape(-1, EXTRA)
        self._by_center, self._others = np.split(self._buffer, [n_centers * (n_features + 2)])

    @property
    def rows(self) -> int:
        """The number of rows that were counted."""
        return int(self._seen[0])

    @property
    def inertia(self) -> float:
        """The sum of their squared distances, times their weights."""
        return float(self._seen[1])

    @property
    def weight(self) -> float:
        """The sum of their weights; their number where they have none."""
        return float(self._seen[2])

    @property
    def active(self) -> BoolArray:
        """Which hosts still have rows in this epoch, bool (hosts,); known after `reduce`."""
        active: BoolArray = self._ended == 0.0
        return active

    @property
    def flags(self) -> StepFlags:
        """What all hosts agree on; known after `reduce`."""
        stopping, saving = self._wishes
        return StepFlags(not self.active.any(), bool(stopping), bool(saving), float(self._bounds.min()))

    def decay(self, factor: float) -> None:
        """Lower the weights of the rows that are in the sums."""
        self._by_center *= factor

    def count(self, n_rows: int, inertia: float, weight: float) -> None:
        """Count rows of this host."""
        self._seen += n_rows, inertia, weight

    def reduce(self, flags: StepFlags, far_facts: DoubleArray | None, meanwhile: Callable[[], bool]) -> None:
        """Add up what all hosts have.

        Parameters
        ----------
        flags : StepFlags
            What this host says.
        far_facts : ndarray of float64, shape (far_rows, EXTRA), or None
            The facts of the far rows of this host.
        meanwhile : callable
            Called while the hosts exchange their sums; see `Communicator.sum`.
        """
        rank = self._communicator.rank
        self._wishes[:] = flags.stopping, flags.saving
        self._ended[rank] = flags.ended
        self._bounds[rank] = flags.bound
        if far_facts is not None:
            self.far_facts[rank * self._far_rows :][: self._far_rows] = far_facts
        self._communicator.sum(self._buffer, meanwhile)

    def clear(self) -> None:
        """Start a new step; the sums are cleared by whoever has used them."""
        self._others[:] = 0.0
