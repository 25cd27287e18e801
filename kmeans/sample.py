"""Rows drawn from a stream, and what they stand for."""

from dataclasses import dataclass, replace

from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray


@dataclass
class Far:
    """The rows of a stream that were farthest from their centers: all of them, whether in the sample or not.

    Attributes
    ----------
    rows
        float32 (n, d).
    labels
        int64 (n,): the center of the stream that each went to.
    weights
        float64 (n,): of each in the stream.
    sampled
        bool (m,): which rows of the sample are among them.
    """

    rows: FloatArray
    labels: LabelArray
    weights: DoubleArray
    sampled: BoolArray


@dataclass
class Sample:
    """Rows drawn from a stream, in its order.

    Attributes
    ----------
    rows
        float32 (m, d).
    labels
        int64 (m,): the center of the stream that each went to.
    weights
        float64 (m,): how much of the stream each stands for, up to a common factor. That is its own weight over the
        probability that it was drawn (Horvitz & Thompson 1952).
    complete
        Whether these are all rows of the stream.
    far
        The farthest rows of the stream, where they are known.
    """

    rows: FloatArray
    labels: LabelArray
    weights: DoubleArray
    complete: bool
    far: Far | None = None

    def part(self, places: LabelArray) -> "Sample":
        """Return the rows at some places, int64 (n,), with what belongs to them, and all of the farthest rows."""
        far = self.far and replace(self.far, sampled=self.far.sampled[places])
        return Sample(self.rows[places], self.labels[places], self.weights[places], complete=False, far=far)
