"""What the stream leaves of the rows: a model of any k up to K can be made of it."""

from dataclasses import dataclass, replace

import numpy as np

from kmeans.sample import Sample
from kmeans.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class State:
    """The centers of a stream and a sample of its rows.

    Attributes
    ----------
    centers : ndarray of float64, shape (K, d)
        The centers.
    weights : ndarray of float64, shape (K,)
        The decayed number of rows of each.
    shift : ndarray of float32, shape (d,)
        Usual values of the rows; see `kmeans.assignment.shift.usual_values`.
    sample : Sample
        Some of the rows, or all.
    spreads : ndarray of float64, shape (K,), or None
        Sums of the squared distances of the rows to their centers, weighted as the weights; None where they are not
        known, or belong to other rows than the sample does.
    """

    centers: DoubleArray
    weights: DoubleArray
    shift: FloatArray
    sample: Sample
    spreads: DoubleArray | None = None

    @property
    def work(self) -> float:
        """The products of a row, a center and a feature that the stream has computed, not counting decayed rows."""
        n_rows, sample = float(self.weights.sum()), self.sample
        if sample.own is not None and len(sample.rows):
            n_rows *= float((sample.weights / sample.own).sum() / sample.weights.sum())
        return n_rows * self.centers.size

    def live(self) -> "State":
        """Return the same without the centers that have no weight."""
        live = self.weights > 0.0
        if live.all():
            return self
        # A row may belong to a center that has lost all weight since: it moves to the live one before it, or the first.
        new_labels = np.maximum(np.cumsum(live) - 1, 0)
        far = self.sample.far
        sample = replace(
            self.sample,
            labels=new_labels[self.sample.labels],
            far=far and replace(far, labels=new_labels[far.labels]),
        )
        spreads = None if self.spreads is None else self.spreads[live]
        return State(self.centers[live], self.weights[live], self.shift, sample, spreads)
