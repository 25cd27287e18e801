"""A random sample, without replacement, of the rows of a stream (Efraimidis & Spirakis 2006).

Every row gets a random key and the rows with the largest keys stay. For a row of weight w the key is log w - log e with
e exponentially distributed: the logarithm of their u^(1/w) in another form, which never overflows however fast weights
grow. Samples of several hosts are merged by their keys.
"""

import math
from dataclasses import dataclass

import numpy as np

from kmeans.reassignment import Reassignment
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Rows that are moved at once.
PIECE = 1024


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
    """

    rows: FloatArray
    labels: LabelArray
    weights: DoubleArray
    complete: bool

    def thinned(self, size: int, rng: np.random.Generator) -> "Sample":
        """Draw `size` of the rows, uniformly; there must be more."""
        chosen = np.sort(rng.choice(len(self.rows), size, replace=False))
        return Sample(self.rows[chosen], self.labels[chosen], self.weights[chosen], complete=False)


class Reservoir:
    """A sample of at most `size` rows.

    Parameters
    ----------
    size
        How many rows are kept.
    n_features
        Features of a row.
    half_life
        A row that came this many rows earlier is half as likely to be kept; 0 for a uniform sample.
    rng
        The source of the keys.
    first_position
        Place of the first row in the stream of this host.

    Attributes
    ----------
    rows_seen
        How many rows were offered; the sample holds all of them while `rows_seen <= size`.
    """

    def __init__(
        self, size: int, n_features: int, half_life: int, rng: np.random.Generator, first_position: int = 0
    ) -> None:
        self.size = size
        self.rows_seen = 0
        self._first_position = first_position
        self._growth = math.log(2) / half_life if half_life else 0.0
        self._rng = rng
        self._rows: FloatArray = np.empty((0, n_features), np.float32)
        self._labels: LabelArray = np.empty(0, np.int64)
        self._positions: LabelArray = np.empty(0, np.int64)
        self._keys: DoubleArray = np.empty(0)
        self._used = 0
        # The largest key of a row that is not in the sample.
        self._threshold = -math.inf

    def add(self, block: FloatArray, labels: LabelArray) -> None:
        """Offer rows, float32 (n, d), with their labels, int64 (n,); kept rows are copied."""
        positions = self.rows_seen + np.arange(len(block))
        keys = positions * self._growth - np.log(self._rng.standard_exponential(len(block)))
        self.rows_seen += len(block)
        chosen = np.flatnonzero(keys > self._threshold)
        if len(chosen) < len(block):
            self._threshold = max(self._threshold, float(keys[keys <= self._threshold].max()))
        while len(chosen):
            room = self._room(len(chosen))
            now, chosen = chosen[:room], chosen[room:]
            end = self._used + len(now)
            self._rows[self._used : end] = block[now]
            self._labels[self._used : end] = labels[now]
            self._positions[self._used : end] = positions[now]
            self._keys[self._used : end] = keys[now]
            self._used = end

    def relabel(self, reassignments: list[Reassignment], host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        labels, positions = self._labels[: self._used], self._positions[: self._used]
        for change in reassignments:
            labels[labels == change.center] = change.merged_into
            if change.host == host:
                labels[self._first_position + positions == change.position] = change.center

    def _room(self, wanted: int) -> int:
        """Make room for at least one row: grow up to half more than `size`, then drop all but the `size` best."""
        capacity = self.size + max(1, self.size // 2)
        if self._used == len(self._keys):
            if self._used < capacity:
                grown = min(capacity, max(1024, 2 * self._used, self._used + wanted))
                self._rows.resize((grown, self._rows.shape[1]), refcheck=False)
                for column in (self._labels, self._positions, self._keys):
                    column.resize(grown, refcheck=False)
            else:
                self._compact()
        return len(self._keys) - self._used

    def _compact(self) -> None:
        if self._used <= self.size:
            return
        order = np.argpartition(self._keys[: self._used], self._used - self.size)
        dropped, kept = order[: self._used - self.size], order[self._used - self.size :]
        self._threshold = max(self._threshold, float(self._keys[dropped].max()))
        # Rows that stay keep their order and only move to the front, piece by piece: no second copy of the sample.
        kept.sort()
        for start in range(0, self.size, PIECE):
            piece = kept[start : start + PIECE]
            self._rows[start : start + len(piece)] = self._rows[piece]
        for column in (self._labels, self._positions, self._keys):
            column[: self.size] = column[kept]
        self._used = self.size

    def sample(self) -> Sample:
        """Give the sample; its arrays are views, valid until rows are added."""
        self._compact()
        ages = self.rows_seen - 1 - self._positions[: self._used]
        log_weights = -self._growth * ages
        # A row is kept when its key beats the threshold: with probability 1 - exp(-weight / e^threshold).
        threshold = self._threshold - self._growth * (self.rows_seen - 1)
        probabilities = -np.expm1(-np.exp(np.minimum(log_weights - threshold, 700.0)))
        return Sample(
            rows=self._rows[: self._used],
            labels=self._labels[: self._used],
            weights=np.exp(log_weights) / probabilities,
            complete=self.rows_seen <= self.size,
        )
