"""A random sample, without replacement, of the rows of a stream (Efraimidis & Spirakis 2006).

Every row gets a random key and the rows with the largest keys stay. For a row of weight w the key is log w - log e with
e exponentially distributed, minus the logarithm of the row's draw: the logarithm of their u^(1/w) in another form, which never overflows however fast weights
grow. Samples of several hosts are merged by their keys. Before that, each host tells the others of a key that its share
of a sample reaches, so that none of them has to keep a whole one.

Beside the sample are the rows that lie farthest from their centers, all of them; see `farthest`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.candidates import Candidates, Limits, candidates_among, key_of
from kmeans.communicator import Communicator
from kmeans.farthest import MAX_EXPONENT, ROUNDING, Farthest
from kmeans.memory import NotEnoughMemoryError, sample_bytes
from kmeans.reassignment import Reassignment
from kmeans.reservoir_kernel import rearrange, take_rows
from kmeans.sample import Far, Sample
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Rows that come in before a bound is looked for again, as a part of a host's share: a search goes through all of that.
BOUND_SHARE = 0.25
# The weights of a sample count up to a common factor. The heaviest is e^100 at most, and e^-100 at least, so that no
# sum of weighted squares is lost; the chance of a row that was drawn is far above e^-100.
MAX_LOG_WEIGHT = 100.0
MIN_PROBABILITY = math.exp(-100.0)
# Begins the names of the arrays of the farthest rows.
_FAR = "far_"


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
        The source of chance.
    first_number
        Number of the first row among those of this host.
    n_hosts
        How many hosts sample rows, this one included.
    most_rows
        For how many rows there is memory; `NotEnoughMemoryError` is raised when more are to be kept.

    Attributes
    ----------
    key
        Of the draws of rows; see `kmeans.candidates`.
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
        most_rows: float = math.inf,
    ) -> None:
        self.size = size
        self._most_rows = most_rows
        self.rows_seen = 0
        self.bound = -math.inf
        self._share = size // n_hosts + 1
        self._first_number = first_number
        self._growth = math.log(2) / half_life if half_life else 0.0
        self.key = key_of(rng)
        self._rows: FloatArray = np.empty((0, n_features), np.float32)
        self._labels: LabelArray = np.empty(0, np.int64)
        # Among the rows of this host, and among those of all hosts.
        self._numbers: LabelArray = np.empty(0, np.int64)
        self._positions: DoubleArray = np.empty(0)
        # The keys, as a heap that begins with the least one, and the places of the rows that they belong to.
        self._heap: DoubleArray = np.empty(0)
        self._places: LabelArray = np.empty(0, np.int64)
        self._used = 0
        # Rows that came into the sample since the bound was found.
        self._taken = 0
        # The largest key of a row that is not in the sample, as far as is known.
        self._threshold = -math.inf
        self._latest_position = 0.0
        self._farthest = Farthest(n_features, self._growth)

    def add(
        self,
        block: FloatArray,
        labels: LabelArray,
        positions: DoubleArray,
        squared_distances: DoubleArray | None = None,
    ) -> None:
        """Offer rows; kept ones are copied.

        Parameters
        ----------
        block
            float32 (n, d).
        labels
            int64 (n,).
        positions
            float64 (n,): their places among the rows of all hosts, whole numbers.
        squared_distances
            float64 (n,): to their centers as they are; without them there are no farthest rows.
        """
        last_position = float(positions[-1])
        limits = self.limits(last_position)
        if squared_distances is None:
            squared_distances, limits = np.zeros(len(block)), limits._replace(squared_distance=math.inf)
        first_number = self._first_number + self.rows_seen
        offered = candidates_among(block, labels, positions, squared_distances, first_number, self.key, limits)
        self.take(offered, len(block), last_position)

    def limits(self, last_position: float) -> Limits:
        """Return what rows up to a position must reach to be worth offering."""
        # Keys grow with positions: no earlier row with a lesser draw can beat the threshold.
        largest_exponential = math.exp(min(self._growth * last_position - self._threshold, MAX_EXPONENT))
        return Limits(math.exp(-largest_exponential * (1 + ROUNDING)), self._farthest.least_distance(last_position))

    def take(self, offered: Candidates, n_rows: int, last_position: float) -> None:
        """Offer what may stay of the next rows; kept rows are copied.

        Parameters
        ----------
        offered
            At least those that reach `limits`.
        n_rows
            Of how many rows.
        last_position
            The place of the last of these among the rows of all hosts.
        """
        self._farthest.add(offered)
        self._latest_position = last_position
        # Minus the logarithm of a uniform draw is exponentially distributed.
        keys = offered.positions * self._growth - np.log(-np.log(offered.draws))
        self._make_room(min(self.size, self._used + len(keys)))
        self._used, self._threshold = take_rows(
            offered.rows,
            keys,
            offered.labels,
            offered.positions,
            offered.numbers,
            self._rows,
            self._labels,
            self._positions,
            self._numbers,
            self._heap,
            self._places,
            self._used,
            self.size,
            self._threshold,
        )
        self.rows_seen += n_rows
        self._taken += len(keys)
        if self._taken >= BOUND_SHARE * self._share:
            self._find_bound()

    def raise_threshold(self, bound: float) -> None:
        """Do without all rows but those with larger keys; `bound` is the least of those of all hosts."""
        self._threshold = max(self._threshold, bound)

    def relabel(self, reassignments: list[Reassignment], host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        for change in reassignments:
            self._farthest.relabel(change, host)
            change.relabel(self._labels[: self._used], self._numbers[: self._used], host)

    def _find_bound(self) -> None:
        surplus = self._used - self._share
        # A host that would need more than a sample, as one that is alone, never has it.
        if surplus >= 0 and self._share <= self.size:
            self._taken = 0
            self.bound = float(np.partition(self._heap[: self._used], surplus)[surplus])

    def _make_room(self, wanted: int) -> None:
        if len(self._heap) < wanted:
            n_features = self._rows.shape[1]
            if wanted > self._most_rows:
                needed, available = sample_bytes(wanted, n_features), sample_bytes(self._most_rows, n_features)
                raise NotEnoughMemoryError(f"{wanted} rows of a sample with {n_features} features", needed, available)
            grown = int(min(self.size, self._most_rows, max(1024, 2 * len(self._heap), wanted)))
            self._rows.resize((grown, n_features), refcheck=False)
            for column in (self._labels, self._numbers, self._positions, self._heap, self._places):
                column.resize(grown, refcheck=False)

    def _sort(self) -> None:
        """Bring the rows into the order of the stream; they need no second place on their way."""
        used = self._used
        order = np.argsort(self._numbers[:used])
        for column in (self._labels, self._numbers, self._positions):
            column[:used] = column[order]
        place_now = np.empty_like(order)
        place_now[order] = np.arange(used)
        self._places[:used] = place_now[self._places[:used]]
        rearrange(self._rows, order)

    def sample(self, communicator: Communicator) -> Sample:
        """Give the sample of the rows of all hosts, on every host.

        Parameters
        ----------
        communicator
            The hosts. Of a single one the arrays are views, valid until rows are added.
        """
        self._sort()
        used, rows_seen = self._used, self.rows_seen
        rows, labels = self._rows[:used], self._labels[:used]
        positions = self._positions[:used]
        threshold, latest = self._threshold, self._latest_position
        if communicator.size > 1:
            facts = communicator.gather_rows(np.array([[threshold, latest, rows_seen]]))
            threshold, latest = facts[:, :2].max(axis=0).tolist()
            rows_seen = int(facts[:, 2].sum())
            chosen, best_left = largest(self._keys(), self.size, communicator)
            threshold = max(threshold, best_left)
            rows, labels = communicator.gather_rows(rows[chosen]), communicator.gather_rows(labels[chosen])
            positions = communicator.gather_rows(positions[chosen])
        far_rows, far_labels, far_positions = self._farthest.gathered(communicator)
        log_weights = self._growth * (positions - latest)
        # A row is kept when its key beats the threshold: with probability 1 - exp(-weight / e^threshold).
        probabilities = -np.expm1(-np.exp(np.minimum(log_weights - (threshold - self._growth * latest), MAX_EXPONENT)))
        heaviest = log_weights.max(initial=-math.inf)
        if abs(heaviest) > MAX_LOG_WEIGHT:
            log_weights -= heaviest
        return Sample(
            rows=rows,
            labels=labels,
            weights=np.exp(log_weights) / np.maximum(probabilities, MIN_PROBABILITY),
            complete=rows_seen <= self.size,
            far=Far(
                far_rows,
                far_labels,
                np.exp(np.minimum(self._growth * (far_positions - latest), 0.0)),
                np.isin(positions, far_positions),
            ),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give, by name, the arrays from which `restore` makes the same reservoir; most are views."""
        names = ("rows", "labels", "numbers", "positions")
        sample = {name: getattr(self, f"_{name}")[: self._used] for name in names} | {"keys": self._keys()}
        return sample | {f"{_FAR}{name}": array for name, array in self._farthest.arrays().items()}

    def _keys(self) -> DoubleArray:
        """Give the keys of the rows, in their order."""
        keys = np.empty(self._used)
        keys[self._places[: self._used]] = self._heap[: self._used]
        return keys

    def facts(self) -> dict[str, Any]:
        """Give what else `restore` needs, as JSON knows it."""
        return {
            "rows_seen": self.rows_seen,
            "first_number": self._first_number,
            "latest_position": self._latest_position,
            "threshold": None if self._threshold == -math.inf else self._threshold,
            "key": int(self.key),
            "farthest": self._farthest.facts(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
        """Become what the reservoir of these arrays and facts was; the arrays are its own from then on."""
        self._rows, self._labels = arrays["rows"], arrays["labels"]
        self._numbers, self._positions = arrays["numbers"], arrays["positions"]
        # Keys in order are a heap too.
        self._places = np.argsort(arrays["keys"])
        self._heap = arrays["keys"][self._places]
        self._used = len(self._rows)
        self.rows_seen, self._first_number = facts["rows_seen"], facts["first_number"]
        self._latest_position = facts["latest_position"]
        self._threshold = -math.inf if facts["threshold"] is None else facts["threshold"]
        self.key = np.uint64(facts["key"])
        far = {name.removeprefix(_FAR): array for name, array in arrays.items() if name.startswith(_FAR)}
        self._farthest.restore(far, facts["farthest"])


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
