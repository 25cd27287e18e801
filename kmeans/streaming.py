"""The state of the stream and one step of it: Sculley's mini-batch k-means (2010) with weights that decay.

A batch moves every center towards the mean of its new points by the share that they have in its weight::

    c <- c + p (mean - c),    p = w_new / (w_old + w_new)

Decay is by point: one that came h points ago weighs 1/2 of one that comes now, wherever the borders of batches fall.
"""

from dataclasses import dataclass, field

import numpy as np

from kmeans.assignment import Centers, add_rows, nearest
from kmeans.communicator import Communicator
from kmeans.reassignment import FarRows, Reassignment, farthest, reassign
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, LabelArray

# New weight below this is lost to underflow on the way to a mean; it would have had no part in any sum.
LEAST_WEIGHT = 1e-280


@dataclass
class Step:
    """What one mini-batch showed, over all hosts.

    Attributes
    ----------
    rows
        Rows of the mini-batch.
    inertia
        Sum of their squared distances to the centers as they were before the step.
    reassignments
        Centers that were given up for far rows.
    """

    rows: int
    inertia: float
    reassignments: list[Reassignment] = field(default_factory=list)


class Stream:
    """K weighted centers that follow a stream of mini-batches.

    Rows of a mini-batch are added in one or more blocks; then one step moves the centers.

    Parameters
    ----------
    centers
        float64 (K, d), relative to `shift`; they start with weight 0.
    shift
        float32 (d,), a point amid the data.
    half_life
        After how many further points a point weighs 1/2; 0 for no decay.
    communicator, threads
        The hosts of the job and the threads of this one.
    reassigns
        Whether far rows may become centers; see `kmeans.reassignment`.

    Attributes
    ----------
    centers
        float64 (K, d), relative to `shift`.
    weights
        float64 (K,): the decayed number of points of each center.
    pending
        Rows of this host added since the latest step.
    rows_added
        Rows of this host, over all epochs.
    rows_seen
        Rows over all hosts and epochs.
    """

    def __init__(
        self,
        centers: DoubleArray,
        shift: FloatArray,
        half_life: int,
        communicator: Communicator,
        threads: Threads,
        *,
        reassigns: bool = False,
    ) -> None:
        self.centers = centers.astype(np.float64)
        self.shift = shift
        self.weights: DoubleArray = np.zeros(len(centers))
        self.half_life = half_life
        self.pending = 0
        self.rows_seen = 0
        self._communicator = communicator
        self._threads = threads
        self._prepared = Centers(self.centers, shift)
        self._far_rows = FarRows(communicator.rank, centers.shape[1]) if reassigns else None
        self.rows_added = 0
        # One buffer, one reduction over the hosts: sums, counts, rows and inertia.
        n_centers, n_features = centers.shape
        self._totals: DoubleArray = np.zeros(n_centers * (n_features + 1) + 2)
        self._sums = self._totals[: n_centers * n_features].reshape(n_centers, n_features)
        self._counts = self._totals[n_centers * n_features : -2]

    def add(self, block: FloatArray) -> LabelArray:
        """Assign rows of a mini-batch, float32 (n, d), to the centers as they are; give the labels, int64 (n,)."""
        labels, squared_distances = nearest(block, self._prepared, self._threads)
        weights = self._row_weights(len(block))
        if self.half_life:
            decay = float(np.exp2(-len(block) / self.half_life))
            self._totals[:-2] *= decay
            if self._far_rows:
                self._far_rows.decay(decay)
        add_rows(block, self.shift, labels, weights, self._threads, self._sums, self._counts)
        if self._far_rows:
            self._far_rows.offer(block, self.shift, labels, squared_distances, weights, self.rows_added)
        self.rows_added += len(block)
        self._totals[-2:] += len(block), squared_distances.sum()
        self.pending += len(block)
        return labels

    def step(self) -> Step:
        """Move the centers by the rows that all hosts have added since the latest step."""
        self._communicator.sum(self._totals)
        rows, inertia = int(self._totals[-2]), float(self._totals[-1])
        if self.half_life:
            self.weights *= np.exp2(-rows / self.half_life)
        touched = self._counts > LEAST_WEIGHT
        counts = self._counts[touched]
        self.weights[touched] += counts
        share = (counts / self.weights[touched])[:, None]
        self.centers[touched] += share * (self._sums[touched] / counts[:, None] - self.centers[touched])
        reassignments: list[Reassignment] = []
        if self._far_rows:
            table = farthest(self._communicator.gather_rows(self._far_rows.table))
            reassignments = reassign(table, self.centers, self.weights)
            self._far_rows.clear()
        self._prepared = Centers(self.centers, self.shift)
        self._totals[:] = 0.0
        self.pending = 0
        self.rows_seen += rows
        return Step(rows, inertia, reassignments)

    def _row_weights(self, n_rows: int) -> DoubleArray:
        if not self.half_life:
            return np.ones(n_rows)
        return np.exp2(np.arange(1 - n_rows, 1) / self.half_life)
