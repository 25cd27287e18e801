"""A random sample, without replacement, of the rows of a stream (Efraimidis & Spirakis 2006).

Every row gets a random key and the rows with the largest keys stay. For a row of weight w the key is log w - log e with
e exponentially distributed: the logarithm of their u^(1/w) in another form, which never overflows however fast weights
grow. Samples of several hosts are merged by their keys.
"""

import math

import numpy as np

from kmeans.types import DoubleArray, FloatArray

# Rows that are moved at once.
PIECE = 1024


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

    Attributes
    ----------
    rows_seen
        How many rows were offered; the sample holds all of them while `rows_seen <= size`.
    """

    def __init__(self, size: int, n_features: int, half_life: int, rng: np.random.Generator) -> None:
        self.size = size
        self.rows_seen = 0
        self._growth = math.log(2) / half_life if half_life else 0.0
        self._rng = rng
        self._rows: FloatArray = np.empty((0, n_features), np.float32)
        self._keys: DoubleArray = np.empty(0)
        self._used = 0
        self._threshold = -math.inf

    def add(self, batch: FloatArray) -> None:
        """Offer the rows of a batch, float32 (n, d); kept rows are copied."""
        positions = self.rows_seen + np.arange(len(batch))
        keys = positions * self._growth - np.log(self._rng.standard_exponential(len(batch)))
        self.rows_seen += len(batch)
        chosen = np.flatnonzero(keys > self._threshold)
        while len(chosen):
            room = self._room(len(chosen))
            now, chosen = chosen[:room], chosen[room:]
            end = self._used + len(now)
            self._rows[self._used : end] = batch[now]
            self._keys[self._used : end] = keys[now]
            self._used = end

    def _room(self, wanted: int) -> int:
        """Make room for at least one row: grow up to half more than `size`, then drop all but the `size` best."""
        capacity = self.size + max(1, self.size // 2)
        if self._used == len(self._keys):
            if self._used < capacity:
                grown = min(capacity, max(1024, 2 * self._used, self._used + wanted))
                self._rows.resize((grown, self._rows.shape[1]), refcheck=False)
                self._keys.resize(grown, refcheck=False)
            else:
                self._compact()
        return len(self._keys) - self._used

    def _compact(self) -> None:
        if self._used <= self.size:
            return
        keys = self._keys[: self._used]
        kept = np.argpartition(keys, self._used - self.size)[self._used - self.size :]
        # Rows that stay keep their order and only move to the front, piece by piece: no second copy of the sample.
        kept.sort()
        self._threshold = float(keys[kept].min())
        for start in range(0, self.size, PIECE):
            piece = kept[start : start + PIECE]
            self._rows[start : start + len(piece)] = self._rows[piece]
        self._keys[: self.size] = keys[kept]
        self._used = self.size

    def sample(self) -> tuple[FloatArray, DoubleArray]:
        """Give the rows, float32 (m, d), in the order of the stream, and their keys, float64 (m,)."""
        self._compact()
        return self._rows[: self._used], self._keys[: self._used]
