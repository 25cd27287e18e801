"""A random sample, without replacement, of the rows of a stream (Efraimidis & Spirakis 2006).

Every row gets a random key and the rows with the largest keys stay. For a row of weight w the key is log w - log e with
e exponentially distributed: the logarithm of their u^(1/w) in another form, which never overflows however fast weights
grow. Samples of several hosts are merged by their keys. Before that, each host tells the others of a key that its share
of a sample reaches, so that none of them has to keep a whole one.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import Communicator
from kmeans.jit import kernel
from kmeans.reassignment import Reassignment
from kmeans.sample import Sample
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Numbers of rows that are moved at once: they stay in the cache on their way.
PIECE_VALUES = 1 << 16
# Dropping rows is worth its while when it leaves no more of the places taken.
MOST_FILLED = 0.75
# What a sum and a logarithm are off by, and more.
ROUNDING = 1e-9
# Its exponential is still a number.
MAX_EXPONENT = 700.0


@kernel("void(float32[:, ::1], int64[::1])")
def _rearrange(
    rows: FloatArray,  # INOUT (m, d), m >= n
    order: LabelArray,  # INOUT (n,): which row is to be in each place; undefined afterwards
) -> None:
    """Move the first rows to their places, along the cycles of the permutation."""
    held = np.empty(rows.shape[1], np.float32)
    for start in range(len(order)):
        if order[start] == start:
            continue
        held[:] = rows[start]
        place = start
        while order[place] != start:
            source = order[place]
            rows[place] = rows[source]
            order[place] = place
            place = source
        rows[place] = held
        order[place] = place


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
    first_number
        Number of the first row among those of this host.
    n_hosts
        How many hosts sample rows, this one included.

    Attributes
    ----------
    bound
        A key that more than `size / n_hosts` rows of this host reach; minus infinity while they are fewer. The least of
        all hosts is surpassed by `size` rows, and is in no sample.
    rows_seen
        How many rows were offered; the sample holds all of them while `rows_seen <= size`.
    """

    def __init__(
        self,
        size: int,
        n_features: int,
        half_life: int,
        rng: np.random.Generator,
        first_number: int = 0,
        n_hosts: int = 1,
    ) -> None:
        self.size = size
        self.rows_seen = 0
        self.bound = -math.inf
        self._share = size // n_hosts + 1
        self._first_number = first_number
        self._growth = math.log(2) / half_life if half_life else 0.0
        self._rng = rng
        self._rows: FloatArray = np.empty((0, n_features), np.float32)
        self._labels: LabelArray = np.empty(0, np.int64)
        # Counted from the first row of this host, and among the rows of all hosts.
        self._numbers: LabelArray = np.empty(0, np.int64)
        self._positions: DoubleArray = np.empty(0)
        self._keys: DoubleArray = np.empty(0)
        self._used = 0
        # The largest key of a row that is not in the sample, as far as is known.
        self._threshold = -math.inf
        self._latest_position = 0.0

    def add(self, block: FloatArray, labels: LabelArray, positions: DoubleArray) -> None:
        """Offer rows; kept ones are copied.

        Parameters
        ----------
        block
            float32 (n, d).
        labels
            int64 (n,).
        positions
            float64 (n,): their places among the rows of all hosts, whole numbers.
        """
        draws = self._rng.standard_exponential(len(block))
        self._latest_position = float(positions[-1])
        # The key of a larger draw can't beat the threshold, wherever in the block; only the others' are worked out.
        largest_draw = math.exp(min(self._growth * self._latest_position - self._threshold, MAX_EXPONENT))
        chosen = np.flatnonzero(draws <= largest_draw * (1 + ROUNDING))
        keys = positions[chosen] * self._growth - np.log(draws[chosen])
        better = keys > self._threshold
        chosen, keys = chosen[better], keys[better]
        numbers, labels, positions = self.rows_seen + chosen, labels[chosen], positions[chosen]
        self.rows_seen += len(block)
        taken = 0
        while taken < len(chosen):
            some = slice(taken, taken + self._room(len(chosen) - taken))
            end = self._used + len(chosen[some])
            # "clip" has nothing to clip; it lets rows be copied without a copy between.
            np.take(block, chosen[some], axis=0, out=self._rows[self._used : end], mode="clip")
            for column, values in zip(self._columns(), (labels, numbers, positions, keys), strict=True):
                column[self._used : end] = values[some]
            self._used, taken = end, taken + len(chosen[some])
        if self.bound == -math.inf:
            self._find_bound()

    def raise_threshold(self, bound: float) -> None:
        """Do without all rows but those with larger keys; `bound` is the least of those of all hosts."""
        self._threshold = max(self._threshold, bound)

    def relabel(self, reassignments: list[Reassignment], host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        labels, numbers = self._labels[: self._used], self._numbers[: self._used]
        for change in reassignments:
            labels[labels == change.center] = change.merged_into
            if change.host == host:
                labels[self._first_number + numbers == change.position] = change.center

    def _columns(self) -> tuple[LabelArray, LabelArray, DoubleArray, DoubleArray]:
        """Give what is known of each row."""
        return self._labels, self._numbers, self._positions, self._keys

    def _room(self, wanted: int) -> int:
        """Make room for at least one row, by all means that are left.

        Rows go that other hosts have made superfluous. Where these are few, there is more memory for up to half more
        than `size` rows, then all but the `size` best go.
        """
        capacity = self.size + max(1, self.size // 2)
        if self._used == len(self._keys):
            self._find_bound()
            self._drop()
            if self._used >= MOST_FILLED * len(self._keys):
                if len(self._keys) < capacity:
                    self._grow(min(capacity, max(1024, 2 * self._used, self._used + wanted)))
                else:
                    self._compact()
        return len(self._keys) - self._used

    def _grow(self, n_rows: int) -> None:
        self._rows.resize((n_rows, self._rows.shape[1]), refcheck=False)
        for column in self._columns():
            column.resize(n_rows, refcheck=False)

    def _drop(self) -> None:
        self._keep(self._keys[: self._used] > self._threshold)

    def _compact(self) -> None:
        self._drop()
        if self._used <= self.size:
            return
        surplus = self._used - self.size
        dropped = np.argpartition(self._keys[: self._used], surplus)[:surplus]
        self._threshold = max(self._threshold, float(self._keys[dropped].max()))
        stays = np.ones(self._used, np.bool_)
        stays[dropped] = False
        self._keep(stays)

    def _find_bound(self) -> None:
        if self._share <= min(self._used, self.size):
            keys = self._keys[: self._used]
            self.bound = float(np.partition(keys, self._used - self._share)[self._used - self._share])

    def _keep(self, stays: NDArray[np.bool_]) -> None:
        """Drop all other rows; only some of the last ones move, to the places of those that go."""
        kept = int(stays.sum())
        holes, moving = np.flatnonzero(~stays[:kept]), kept + np.flatnonzero(stays[kept:])
        step = max(1, PIECE_VALUES // self._rows.shape[1])
        for start in range(0, len(holes), step):
            piece = slice(start, start + step)
            self._rows[holes[piece]] = self._rows[moving[piece]]
        for column in self._columns():
            column[holes] = column[moving]
        self._used = kept

    def _sort(self) -> None:
        """Bring the rows into the order of the stream; they need no second place on their way."""
        order = np.argsort(self._numbers[: self._used])
        for column in self._columns():
            column[: self._used] = column[order]
        _rearrange(self._rows, order)

    def sample(self, communicator: Communicator) -> Sample:
        """Give the sample of the rows of all hosts, on every host.

        Parameters
        ----------
        communicator
            The hosts. Of a single one the arrays are views, valid until rows are added.
        """
        self._compact()
        self._sort()
        used, rows_seen = self._used, self.rows_seen
        rows, labels = self._rows[:used], self._labels[:used]
        positions, keys = self._positions[:used], self._keys[:used]
        threshold, latest = self._threshold, self._latest_position
        if communicator.size > 1:
            facts = communicator.gather_rows(np.array([[threshold, latest, rows_seen]]))
            threshold, latest = facts[:, :2].max(axis=0).tolist()
            rows_seen = int(facts[:, 2].sum())
            chosen, best_left = largest(keys, self.size, communicator)
            threshold = max(threshold, best_left)
            rows, labels = communicator.gather_rows(rows[chosen]), communicator.gather_rows(labels[chosen])
            positions = communicator.gather_rows(positions[chosen])
        log_weights = self._growth * (positions - latest)
        # A row is kept when its key beats the threshold: with probability 1 - exp(-weight / e^threshold).
        probabilities = -np.expm1(-np.exp(np.minimum(log_weights - (threshold - self._growth * latest), MAX_EXPONENT)))
        return Sample(
            rows=rows,
            labels=labels,
            weights=np.exp(log_weights) / probabilities,
            complete=rows_seen <= self.size,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give, by name, the arrays from which `restore` makes the same reservoir; they are views."""
        self._compact()
        names = ("labels", "numbers", "positions", "keys")
        columns = zip(names, self._columns(), strict=True)
        return {"rows": self._rows[: self._used]} | {name: column[: self._used] for name, column in columns}

    def facts(self) -> dict[str, Any]:
        """Give what else `restore` needs, as JSON knows it."""
        return {
            "rows_seen": self.rows_seen,
            "first_number": self._first_number,
            "latest_position": self._latest_position,
            "threshold": None if self._threshold == -math.inf else self._threshold,
            "generator": self._rng.bit_generator.state,
        }

    def restore(self, arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
        """Become what the reservoir of these arrays and facts was; the arrays are its own from then on."""
        self._rows = arrays["rows"]
        self._labels, self._numbers = arrays["labels"], arrays["numbers"]
        self._positions, self._keys = arrays["positions"], arrays["keys"]
        self._used = len(self._rows)
        self.rows_seen, self._first_number = facts["rows_seen"], facts["first_number"]
        self._latest_position = facts["latest_position"]
        self._threshold = -math.inf if facts["threshold"] is None else facts["threshold"]
        self._rng.bit_generator.state = facts["generator"]


def largest(keys: DoubleArray, size: int, communicator: Communicator) -> tuple[NDArray[np.bool_], float]:
    """Find which keys are among the `size` largest of all hosts.

    Parameters
    ----------
    keys
        float64 (n,): those of this host.
    size
        How many are looked for; all are taken when there are fewer.
    communicator
        The hosts.

    Returns
    -------
    chosen : ndarray of bool, shape (n,)
        Which of this host's.
    best_left : float
        The largest key, of any host, that is not among them; minus infinity when all are.
    """
    everyones = communicator.gather_rows(keys)
    surplus = len(everyones) - size
    if surplus <= 0:
        return np.ones(len(keys), bool), -math.inf
    best_left = float(np.partition(everyones, surplus - 1)[surplus - 1])
    return keys > best_left, best_left
