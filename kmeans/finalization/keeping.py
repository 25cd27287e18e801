"""A pass over all rows for centers that stay as they are: their score, and what would be left of a stream."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from kmeans.assignment.scoring import Tally
from kmeans.assignment.sums import ClusterSums
from kmeans.finalization.resources import Resources
from kmeans.kernels.moving import move, spread_out
from kmeans.packed_rows import PackedRows
from kmeans.points import parts
from kmeans.source import Stretch
from kmeans.state import State
from kmeans.stream.reservoir import Reservoir
from kmeans.types import DoubleArray


@dataclass
class KeepingPass:
    """Assigns rows to centers, and keeps a sample of them.

    Attributes
    ----------
    centers : ndarray of float64, shape (k, d)
        The centers.
    reservoir : Reservoir
        Takes the sample.
    resources : Resources
        What computes, and the hosts.
    tally : Tally
        The tally of the rows; of those of all hosts after `state`.
    own_rows : int
        The number of rows of this host.
    """

    centers: DoubleArray
    reservoir: Reservoir
    resources: Resources
    tally: Tally = field(init=False)
    own_rows: int = 0

    def __post_init__(self) -> None:
        self.tally = Tally(len(self.centers))
        self._sums = ClusterSums.zeros(*self.centers.shape)
        self._assigner = self.resources.engine.assigner(self.centers)

    def take(self, stretches: Iterable[Stretch], stopping: Callable[[], bool]) -> bool:
        """Assign the rows of this host; return whether all were, or `stopping` has returned true after some."""
        communicator = self.resources.communicator
        # Rows in a file come in blocks if nobody takes them.
        for block in (each for each in stretches if not isinstance(each, PackedRows)):
            rows, weights = parts(block)
            counts = np.ones(len(rows)) if weights is None else weights
            labels, squared_distances = self._assigner.assign_and_sum(rows, counts, self._sums)
            self.tally.add(labels, squared_distances, weights)
            # Hosts take turns.
            places = np.arange(self.own_rows, self.own_rows + len(rows), dtype=np.float64)
            positions = communicator.rank + communicator.size * places
            self.reservoir.add(rows, labels, positions, squared_distances, weights)
            self.own_rows += len(rows)
            if stopping():
                return False
        return not stopping()

    def state(self) -> State:
        """Add up what the hosts have, which call this together; return the means of the clusters as a state.

        It is what a single step of a stream leaves that has started from the centers.
        """
        communicator, sums = self.resources.communicator, self._sums
        for totals in (self.tally.totals, sums.sums, sums.counts, sums.losses):
            communicator.sum(totals)
        means = self.resources.engine.placed(self.centers).copy()
        weights, spreads = np.zeros(len(means)), np.zeros(len(means))
        spread_out(means, weights, spreads, sums.sums, sums.counts, sums.losses, 1.0)
        move(means, weights, sums.sums, sums.counts, 1.0)
        return State(means, weights, self.resources.engine.shift, self.reservoir.sample(communicator), spreads)
