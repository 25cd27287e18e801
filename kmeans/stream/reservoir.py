"""A random sample, without replacement, of the rows of a stream (Efraimidis & Spirakis 2006).

Every row gets a random key, and the rows with the largest keys are kept. For a row of weight w the key is
log w - log e with e = -log(draw), which is exponentially distributed: the logarithm of their u^(1/w) in another form,
which never overflows however fast weights grow. Samples of several hosts are merged by their keys. While rows come,
each host sends the others a key that its share of the sample reaches, so that none of them has to keep a whole sample.

In addition to the sample, the rows are kept that are farthest from their centers; see `kmeans.stream.farthest`.
"""

import math

import numpy as np

from kmeans.communicator import Communicator
from kmeans.sample import Far, Sample
from kmeans.stream.candidates import AssignedRows, Candidates, Limits, candidates_among, key_of
from kmeans.stream.farthest import MAX_EXPONENT, ROUNDING, Farthest
from kmeans.stream.largest_keys import LargestKeys, chosen_of_all
from kmeans.stream.reassignment import Reassignment
from kmeans.stream.row_weights import together
from kmeans.stream.snapshot import ReservoirSnapshot
from kmeans.types import DoubleArray, FloatArray, LabelArray

# Rows that come in before a bound is searched again, as a part of a host's share: a search reads the whole share.
BOUND_SHARE = 0.25
# The weights of a sample matter only up to a common factor. The heaviest is between e^-100 and e^100, so that no sum of
# weighted squares overflows or vanishes; the probability of a row that was drawn is far above e^-100.
MAX_LOG_WEIGHT = 100.0
MIN_PROBABILITY = math.exp(-100.0)


class Reservoir:
    """A sample of at most `size` rows.

    Parameters
    ----------
    size : int
        Rows that are kept.
    n_features : int
        Features of a row.
    half_life : int
        A row that came this many rows earlier is half as likely to be kept; 0 for a uniform sample.
    rng : numpy.random.Generator
        The source of randomness.
    n_hosts : int
        The number of hosts that sample rows, this one included.
    max_rows : float
        Rows for which there is memory; `NotEnoughMemoryError` is raised when more are to be kept.
    weighted : bool
        Whether rows have weights: then one is kept with a probability in proportion to its own.

    Attributes
    ----------
    bound : float
        A key that more than `size / n_hosts` rows of this host reach; minus infinity while they are fewer. The least of
        all hosts is exceeded by `size` rows, and is in no sample.
    first_number : int
        Number of the first row among those of this host, over all epochs.
    rows_seen : int
        Rows that were offered; the sample holds all of them while `rows_seen <= size`.
    weight_seen : float
        The number of rows that these count as.
    """

    def __init__(
        self,
        size: int,
        n_features: int,
        half_life: int,
        rng: np.random.Generator,
        n_hosts: int = 1,
        max_rows: float = math.inf,
        *,
        weighted: bool = False,
    ) -> None:
        self.size = size
        self.first_number = 0
        self.rows_seen = 0
        self.weight_seen = 0.0
        self.bound = -math.inf
        self._share = size // n_hosts + 1
        self._growth = math.log(2) / half_life if half_life else 0.0
        self._rate = self._growth * n_hosts
        self._key = key_of(rng)
        self._held = LargestKeys(size, n_features, max_rows, weighted=weighted)
        # Rows that came into the sample since the bound was found.
        self._taken = 0
        self._latest_position = 0.0
        self._farthest = Farthest(n_features, self._growth, self._rate, weighted=weighted)

    def add(
        self,
        block: FloatArray,
        labels: LabelArray,
        positions: DoubleArray,
        squared_distances: DoubleArray | None = None,
        weights: DoubleArray | None = None,
    ) -> None:
        """Offer rows; those that are kept are copied.

        Parameters
        ----------
        block : ndarray of float32, shape (n, d)
            The rows.
        labels : ndarray of int64, shape (n,)
            Their centers.
        positions : ndarray of float64, shape (n,)
            Their places among the rows of all hosts, whole numbers.
        squared_distances : ndarray of float64, shape (n,), or None
            To their centers as they are; without them there are no farthest rows.
        weights : ndarray of float64, shape (n,), or None
            See `AssignedRows`.
        """
        last_position = float(positions[-1])
        limits = self.limits(last_position, 1.0 if weights is None else float(weights.max()))
        if squared_distances is None:
            squared_distances, limits = np.zeros(len(block)), limits._replace(squared_distance=math.inf)
        assigned = AssignedRows(labels, positions, squared_distances, weights)
        offered = candidates_among(block, assigned, self.first_number + self.rows_seen, limits)
        self.take(offered, len(block), last_position, None if weights is None else float(weights.sum()))

    def limits(self, last_position: float, heaviest: float = 1.0) -> Limits:
        """Return what rows up to a position and a weight must exceed to be worth offering."""
        # Keys grow with positions and weights: no earlier or lighter row with a lesser draw can exceed the threshold.
        exponent = self._growth * last_position - self._held.threshold + math.log(heaviest)
        least_draw = math.exp(-math.exp(min(exponent, MAX_EXPONENT)) * (1 + ROUNDING))
        return Limits(self._key, least_draw, self._farthest.least_distance(last_position, heaviest))

    def take(self, offered: Candidates, n_rows: int, last_position: float, total: float | None = None) -> None:
        """Offer the candidates among the next rows; those that are kept are copied.

        Parameters
        ----------
        offered : Candidates
            At least the rows that exceed `limits`.
        n_rows : int
            The number of rows that they were chosen from.
        last_position : float
            The place of the last of these among the rows of all hosts.
        total : float or None
            The sum of the weights of these; None for their number.
        """
        self._farthest.add(offered)
        self._latest_position = last_position
        # Minus the logarithm of a uniform draw is exponentially distributed.
        keys = offered.positions * self._growth - np.log(-np.log(offered.draws))
        if offered.weights is not None:
            keys += np.log(together(offered.weights, self._rate))
        self._held.add(offered, keys)
        self.rows_seen += n_rows
        self.weight_seen += n_rows if total is None else total
        self._taken += len(keys)
        if self._taken >= BOUND_SHARE * self._share:
            self._find_bound()

    def raise_threshold(self, bound: float) -> None:
        """Keep only rows with larger keys from now on; `bound` is the least of those of all hosts."""
        self._held.threshold = max(self._held.threshold, bound)

    def relabel(self, reassignments: list[Reassignment], host: int) -> None:
        """Change labels after reassignments, maybe to rows of this host, whose rank is `host`."""
        for change in reassignments:
            self._farthest.relabel(change, host)
            self._held.relabel(change, host)

    def _find_bound(self) -> None:
        keys = self._held.held().keys
        surplus = len(keys) - self._share
        # A host whose share is more than a sample never has a bound; nor does a single one.
        if surplus >= 0 and self._share <= self.size:
            self._taken = 0
            self.bound = float(np.partition(keys, surplus)[surplus])

    def sample(self, communicator: Communicator) -> Sample:
        """Return the sample of the rows of all hosts, on every host.

        Parameters
        ----------
        communicator : Communicator
            The hosts. With a single one the arrays are views, valid until rows are added.

        Returns
        -------
        Sample
            With the farthest rows.
        """
        self._held.sort()
        rows, labels, _, positions, keys, weights = self._held.held()
        threshold, latest, rows_seen = self._held.threshold, self._latest_position, self.rows_seen
        if communicator.size > 1:
            facts = communicator.gather_rows(np.array([[threshold, latest, rows_seen]]))
            threshold, latest = facts[:, :2].max(axis=0).tolist()
            rows_seen = int(facts[:, 2].sum())
            chosen, best_left = chosen_of_all(keys, self.size, communicator)
            threshold = max(threshold, best_left)
            rows, labels = communicator.gather_rows(rows[chosen]), communicator.gather_rows(labels[chosen])
            positions = communicator.gather_rows(positions[chosen])
            weights = None if weights is None else communicator.gather_rows(weights[chosen])
        far_rows, far_labels, far_positions, far_weights = self._farthest.gathered(communicator)
        decays = self._growth * (positions - latest)
        at_once = None if weights is None else together(weights, self._rate)
        log_weights = decays if at_once is None else decays + np.log(at_once)
        # A row is kept when its key exceeds the threshold: with probability 1 - exp(-weight / e^threshold).
        probabilities = -np.expm1(-np.exp(np.minimum(log_weights - (threshold - self._growth * latest), MAX_EXPONENT)))
        heaviest = log_weights.max(initial=-math.inf)
        if abs(heaviest) > MAX_LOG_WEIGHT:
            decays = decays - heaviest
        far_at_once = None if far_weights is None else together(far_weights, self._rate)
        return Sample(
            rows=rows,
            labels=labels,
            weights=_times(np.exp(decays), at_once) / np.maximum(probabilities, MIN_PROBABILITY),
            complete=rows_seen <= self.size,
            far=Far(
                far_rows,
                far_labels,
                _times(np.exp(np.minimum(self._growth * (far_positions - latest), 0.0)), far_at_once),
                np.isin(positions, far_positions),
            ),
            own=weights,
        )

    def snapshot(self) -> ReservoirSnapshot:
        """Return what `restore` needs; the arrays are views."""
        return ReservoirSnapshot(
            rows_seen=self.rows_seen,
            first_number=self.first_number,
            latest_position=self._latest_position,
            held=self._held.snapshot(),
            key=int(self._key),
            farthest=self._farthest.snapshot(),
            weight_seen=None if self.weight_seen == self.rows_seen else self.weight_seen,
        )

    def restore(self, snapshot: ReservoirSnapshot) -> None:
        """Resume from a snapshot, and take over its arrays."""
        self._held.restore(snapshot.held)
        self.rows_seen, self.first_number = snapshot.rows_seen, snapshot.first_number
        self._latest_position = snapshot.latest_position
        self._key = np.uint64(snapshot.key)
        self._farthest.restore(snapshot.farthest)
        self.weight_seen = float(snapshot.rows_seen) if snapshot.weight_seen is None else snapshot.weight_seen


def _times(factors: DoubleArray, weights: DoubleArray | None) -> DoubleArray:
    return factors if weights is None else weights * factors
