"""What is left of the rows when the stream has ended: a model of any k up to K can be made of it."""

from dataclasses import dataclass, replace

import numpy as np

from kmeans.sample import Sample
from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class State:
    """The centers of a stream and a sample of its rows.

    Attributes
    ----------
    centers
        float64 (K, d).
    weights
        float64 (K,): how many rows went to each; decayed.
    shift
        float32 (d,): usual values of the rows; see `kmeans.shift.usual_values`.
    sample
        Some of the rows, or all.
    spreads
        float64 (K,): the sum of the squared distances of the rows of each center to it, weighted as the weights; None
        where that is not known, or not that of the rows that the sample is of.
    """

    centers: DoubleArray
    weights: DoubleArray
    shift: FloatArray
    sample: Sample
    spreads: DoubleArray | None = None

    def live(self) -> "State":
        """Give the same without the centers that have no weight."""
        live = self.weights > 0.0
        if live.all():
            return self
        # A row may have gone to a center that has lost all weight since: to the live one before it, or the first.
        new_labels = np.maximum(np.cumsum(live) - 1, 0)
        far = self.sample.far
        sample = replace(
            self.sample,
            labels=new_labels[self.sample.labels],
            far=far and replace(far, labels=new_labels[far.labels]),
        )
        spreads = None if self.spreads is None else self.spreads[live]
        return State(self.centers[live], self.weights[live], self.shift, sample, spreads)
