"""The state of the stream and one step of it: Sculley's mini-batch k-means (2010) with weights that decay.

A batch moves every center towards the mean of its new points by the share that they have in its weight::

    c <- c + p (mean - c),    p = w_new / (w_old + w_new)

Decay is by point: one that came h points ago weighs 1/2 of one that comes now, wherever the borders of batches fall.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.assignment import Centers, add_rows, nearest
from kmeans.communicator import Communicator
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray

# New weight below this is lost to underflow on the way to a mean; it would have had no part in any sum.
LEAST_WEIGHT = 1e-280


@dataclass
class Step:
    """What one mini-batch showed, over all hosts.

    Attributes
    ----------
    rows
        Rows of the batch.
    inertia
        Sum of their squared distances to the centers as they were before the step.
    """

    rows: int
    inertia: float


class Stream:
    """K weighted centers that follow a stream of mini-batches.

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

    Attributes
    ----------
    centers
        float64 (K, d), relative to `shift`.
    weights
        float64 (K,): the decayed number of points of each center.
    rows_seen
        Rows over all hosts and epochs.
    """

    def __init__(
        self, centers: DoubleArray, shift: FloatArray, half_life: int, communicator: Communicator, threads: Threads
    ) -> None:
        self.centers = centers.astype(np.float64)
        self.shift = shift
        self.weights: DoubleArray = np.zeros(len(centers))
        self.half_life = half_life
        self.rows_seen = 0
        self._communicator = communicator
        self._threads = threads

    def step(self, batch: FloatArray) -> Step:
        """Assign the rows of a batch, float32 (n, d), and move the centers."""
        n_centers, n_features = self.centers.shape
        labels, squared_distances = nearest(batch, Centers(self.centers, self.shift), self._threads)
        # One buffer, one reduction: sums, counts, rows and inertia.
        totals: DoubleArray = np.zeros(n_centers * (n_features + 1) + 2)
        sums = totals[: n_centers * n_features].reshape(n_centers, n_features)
        counts = totals[n_centers * n_features : -2]
        add_rows(batch, self.shift, labels, self._row_weights(len(batch)), self._threads, sums, counts)
        totals[-2:] = len(batch), squared_distances.sum()
        self._communicator.sum(totals)
        rows = int(totals[-2])
        if self.half_life:
            self.weights *= np.exp2(-rows / self.half_life)
        touched = counts > LEAST_WEIGHT
        self.weights[touched] += counts[touched]
        share = (counts[touched] / self.weights[touched])[:, None]
        self.centers[touched] += share * (sums[touched] / counts[touched][:, None] - self.centers[touched])
        self.rows_seen += rows
        return Step(rows, float(totals[-1]))

    def _row_weights(self, n_rows: int) -> DoubleArray:
        if not self.half_life:
            return np.ones(n_rows)
        return np.exp2(np.arange(1 - n_rows, 1) / self.half_life)
