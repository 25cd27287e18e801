"""A random sample, without replacement, of the rows of a stream (Efraimidis & Spirakis 2006).

Every row gets a random key and the rows with the largest keys stay. For a row of weight w the key is log w - log e with
e exponentially distributed, minus the logarithm of the row's draw: the logarithm of their u^(1/w) in another form,
which never overflows however fast weights grow. Samples of several hosts are merged by their keys. Before that, each
host tells the others of a key that its share of a sample reaches, so that none of them has to keep a whole one.

Beside the sample are the rows that lie farthest from their centers, all of them; see `farthest`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import Communicator
from kmeans.sample import Far, Sample
from kmeans.stream.candidates import Candidates, Limits, candidates_among, key_of
from kmeans.stream.farthest import MAX_EXPONENT, ROUNDING, Farthest
from kmeans.stream.largest_keys import LargestKeys, chosen_of_all
from kmeans.stream.reassignment import Reassignment
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
        Of the draws of rows; see `kmeans.stream.candidates`.
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
        self.rows_seen = 0
        self.bound = -math.inf
        self._share = size // n_hosts + 1
        self._first_number = first_number
        self._growth = math.log(2) / half_life if half_life else 0.0
        self.key = key_of(rng)
        self._held = LargestKeys(size, n_features, most_rows)
        # Rows that came into the sample since the bound was found.
        self._taken = 0
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
        largest_exponential = math.exp(min(self._growth * last_position - self._held.threshold, MAX_EXPONENT))
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
        self._held.add(offered, keys)
        self.rows_seen += n_rows
        self._taken += len(keys)
        if self._taken >= BOUND_SHARE * self._share:
            self._find_bound()

    def raise_threshold(self, bound: float) -> None:
        """Do without all rows but those with larger keys; `bound` is the least of those of all hosts."""
        self._held.threshold = max(self._held.threshold, bound)

    def relabel(self, reassignments: list[Reassignment], host: int) -> None:
        """Follow the stream where a center was given up for a row, maybe one of this host, `host`."""
        for change in reassignments:
            self._farthest.relabel(change, host)
            self._held.relabel(change, host)

    def _find_bound(self) -> None:
        keys = self._held.held()[-1]
        surplus = len(keys) - self._share
        # A host that would need more than a sample, as one that is alone, never has it.
        if surplus >= 0 and self._share <= self.size:
            self._taken = 0
            self.bound = float(np.partition(keys, surplus)[surplus])

    def sample(self, communicator: Communicator) -> Sample:
        """Give the sample of the rows of all hosts, on every host.

        Parameters
        ----------
        communicator
            The hosts. Of a single one the arrays are views, valid until rows are added.
        """
        self._held.sort()
        rows, labels, _, positions, keys = self._held.held()
        threshold, latest, rows_seen = self._held.threshold, self._latest_position, self.rows_seen
        if communicator.size > 1:
            facts = communicator.gather_rows(np.array([[threshold, latest, rows_seen]]))
            threshold, latest = facts[:, :2].max(axis=0).tolist()
            rows_seen = int(facts[:, 2].sum())
            chosen, best_left = chosen_of_all(keys, self.size, communicator)
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
        """Return, by name, the arrays from which `restore` makes the same reservoir; they are views."""
        far = self._farthest.arrays()
        return self._held.arrays() | {f"{_FAR}{name}": array for name, array in far.items()}

    def facts(self) -> dict[str, Any]:
        """Give what else `restore` needs, as JSON knows it."""
        return {
            "rows_seen": self.rows_seen,
            "first_number": self._first_number,
            "latest_position": self._latest_position,
            "threshold": None if self._held.threshold == -math.inf else self._held.threshold,
            "key": int(self.key),
            "farthest": self._farthest.facts(),
        }

    def restore(self, arrays: dict[str, NDArray[Any]], facts: dict[str, Any]) -> None:
        """Become what the reservoir of these arrays and facts was; the arrays are its own from then on."""
        self._held.restore(arrays, facts["threshold"])
        self.rows_seen, self._first_number = facts["rows_seen"], facts["first_number"]
        self._latest_position = facts["latest_position"]
        self.key = np.uint64(facts["key"])
        far = {name.removeprefix(_FAR): array for name, array in arrays.items() if name.startswith(_FAR)}
        self._farthest.restore(far, facts["farthest"])
