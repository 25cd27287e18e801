"""Closing passes: Lloyd's method over all rows, for a model that was fitted to a sample of them.

Centers that are the means of sample rows are off by the noise of these means. With m of n rows in the sample, the loss
exceeds that of means of all rows by about ``sum(variance of each cluster) (1 / m - 1 / n)``: k / m of itself where
clusters are alike, more where a few rows make the loss. This is an approximation: the exact totals of the stream lower
it (see `coreset`), and noisy boundaries raise it. It shows whether passes can gain anything. Where rows can be read
again, passes over all of them remove this noise. A pass compares each row with k centers, not with K as the stream
does, and makes the loss and the sizes of the clusters exact.

A pass scores its centers and proposes the means of their rows as the next ones. Only centers that were scored are
final: n passes make n - 1 moves. A center without rows stays where it is; that is rare, since the rows of the sample
are among all rows.
"""

from dataclasses import dataclass

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import Score, Tally
from kmeans.assignment.sums import ClusterSums
from kmeans.communicator import Communicator
from kmeans.events import Events
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.resources import Resources
from kmeans.kernels.sums import move_to_means
from kmeans.observer import Observer
from kmeans.points import parts
from kmeans.source import RowSource
from kmeans.types import DoubleArray, FloatArray, as_points

# Parts of the loss: no pass is made where less can be gained, and no further one after a pass that has gained less.
MIN_EXCESS = 1e-3
MIN_GAIN = 5e-4
MAX_PASSES = 5


@dataclass(frozen=True)
class Closed:
    """Centers, and how all rows fit them.

    Attributes
    ----------
    centers : ndarray of float32, shape (k, d)
        The centers.
    score : Score
        Their score, exact.
    """

    centers: FloatArray
    score: Score


def expected_excess(score: Score, n_sampled: int, n_rows: int) -> float:
    """Return the part of a model's loss that comes from having been fitted to a sample.

    Parameters
    ----------
    score : Score
        The score of the model on the sample.
    n_sampled : int
        The number of rows of the sample.
    n_rows : int
        The number of all rows.

    Returns
    -------
    float
        0 or more; see the module's docstring.
    """
    if not (score.msd > 0.0 and 0 < n_sampled < n_rows):
        return 0.0
    sizes = score.cluster_sizes
    variances = np.divide(score.cluster_ssds, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
    return float(variances.sum() * (1 / n_sampled - 1 / n_rows) / score.msd)


def close(
    source: RowSource, centers: FloatArray, n_rows: int, observer: Observer, resources: Resources
) -> Closed | None:
    """Make closing passes while they pay.

    Parameters
    ----------
    source : RowSource
        The rows of this host; they can be read again.
    centers : ndarray of float32, shape (k, d)
        The model so far, the same on all hosts.
    n_rows : int
        The number of rows of all hosts, as the stream has counted them.
    observer : Observer
        Called for every pass, and when passes end because something is wrong.
    resources : Resources
        The hosts, which call this together, and the deadline, asked before each block.

    Returns
    -------
    Closed or None
        The best centers that were scored, the same on every host; None when there was no whole pass.
    """
    best: Closed | None = None
    for number in range(1, MAX_PASSES + 1):
        if resources.late():
            _cut_short(resources.events)
            break
        observer.closing(number)
        one = _Pass(centers, resources.engine)
        one.read(source, resources.deadline)
        if not one.is_whole(n_rows, resources.communicator, resources.events):
            break
        score = one.tally.score()
        observer.closed(number, score.msd)
        if best is not None and score.msd >= best.score.msd:
            break
        before, best = best, Closed(centers, score)
        if before is not None and score.msd > (1.0 - MIN_GAIN) * before.score.msd:
            break
        centers = one.means()
    return best


class _Pass:
    """One pass over the rows of all hosts.

    Parameters
    ----------
    centers : ndarray of float32, shape (k, d)
        The centers that are scored.
    engine : Engine
        What computes.

    Attributes
    ----------
    tally : Tally
        The tally of the rows read.
    """

    def __init__(self, centers: FloatArray, engine: Engine) -> None:
        self._centers: DoubleArray = centers.astype(np.float64)
        self._engine = engine
        self._assigner = engine.assigner(self._centers)
        self._sums = ClusterSums.zeros(*centers.shape)
        self.tally = Tally(len(centers))
        self._fault = ""
        self._stopped = False

    def read(self, source: RowSource, deadline: Deadline) -> None:
        """Read the rows of this host; an error in reading them is kept, since other hosts wait for this one."""
        blocks = source.blocks()
        while not deadline.passed():
            try:
                block = next(blocks, None)
            except Exception as error:  # Whatever it is, there is a model.
                self._fault = str(error) or type(error).__name__
                return
            if block is None:
                break
            rows, weights = parts(block)
            counts = np.ones(len(rows)) if weights is None else weights
            self.tally.add(*self._assigner.assign_and_sum(rows, counts, self._sums), weights)
        # The source may have ended early for the same reason.
        self._stopped = deadline.passed()

    def is_whole(self, n_rows: int, communicator: Communicator, events: Events) -> bool:
        """Add up the hosts' sums; return whether they are of all `n_rows` rows, the same on every host."""
        flags = np.array([float(self._stopped), float(bool(self._fault))])
        communicator.sum(flags)
        communicator.sum(self.tally.totals)
        communicator.sum(self._sums.sums)
        stopped, faults = flags
        if stopped:
            _cut_short(events)
        elif faults:
            reason = self._fault or "another host could not read its rows"
            events.happened("closing_failed", 1, f"The model could not be made more exact on all rows: {reason}")
        elif self.tally.rows != n_rows:
            message = f"The training rows have changed: expected {n_rows}, got {self.tally.rows}."
            events.happened("rows_changed", 1, message)
        else:
            return True
        return False

    def means(self) -> FloatArray:
        """Return the means of the clusters, float32 (k, d); the pass can't be used afterwards."""
        move_to_means(self._sums.sums, self.tally.sizes, self._centers)
        return as_points(self._engine.placed(self._centers))


def _cut_short(events: Events) -> None:
    events.happened(
        "closing_cut_short", 1, "There was no time for another pass over all rows: the model is the best one so far."
    )
