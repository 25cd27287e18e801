"""Closing passes: Lloyd's method over all rows, for a model that was fitted to a sample of them.

Centers that are the means of sample rows are off by the noise of these means. With m of n rows in the sample, the loss
exceeds that of means of all rows by about ``sum(variance of each cluster) (1 / m - 1 / n)``: k / m of itself where
clusters are alike, more where a few rows make the loss. What the stream knows exactly takes a part of that out (see
`coreset`), borders that are as noisy add another: it says whether anything is at stake. Where rows can be read
again, passes over all of them end it. A pass compares each row with k centers, not with K as the stream does, and makes
the loss and the sizes of the clusters exact.

A pass scores the centers that it was given and proposes the means of their rows as the next ones. Only what was scored
is final: n passes make n - 1 moves. A center without rows keeps its place. There is hardly one, since the rows of the
sample are among all rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.assignment.assigner import Centers, nearest
from kmeans.assignment.scoring import Score, Tally
from kmeans.assignment.sums import add_rows, move_to_means
from kmeans.communicator import Communicator, any_host, nothing
from kmeans.events import Events
from kmeans.observer import Observer
from kmeans.source import RowSource
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, as_points

# Parts of the loss: no pass is made where less is to be gained, and no further one once a pass has gained less.
MIN_EXCESS = 1e-3
MIN_GAIN = 5e-4
MAX_PASSES = 5


@dataclass(frozen=True)
class Closed:
    """Centers, and how all rows fit them.

    Attributes
    ----------
    centers
        float32 (k, d).
    score
        Exact.
    """

    centers: FloatArray
    score: Score


def expected_excess(score: Score, n_sampled: int, n_rows: int) -> float:
    """Return which part of its loss a model may lose by having been fitted to a sample.

    Parameters
    ----------
    score
        Of the model, on the sample.
    n_sampled
        Rows of the sample.
    n_rows
        All rows.

    Returns
    -------
    float
        0 or more; see the module's text.
    """
    if not (score.msd > 0.0 and 0 < n_sampled < n_rows):
        return 0.0
    sizes = score.cluster_sizes
    variances = np.divide(score.cluster_ssds, sizes, out=np.zeros_like(sizes), where=sizes > 0.0)
    return float(variances.sum() * (1 / n_sampled - 1 / n_rows) / score.msd)


def close(
    source: RowSource,
    centers: FloatArray,
    shift: FloatArray,
    n_rows: int,
    communicator: Communicator,
    threads: Threads,
    observer: Observer,
    events: Events,
    stopping: Callable[[], bool] = nothing,
) -> Closed | None:
    """Make closing passes while they pay.

    Parameters
    ----------
    source
        The rows of this host; they can be read again.
    centers
        float32 (k, d): the model so far, the same on all hosts.
    shift
        float32 (d,): usual values of the rows; see `kmeans.shift.usual_values`.
    n_rows
        Rows of all hosts, as the stream has counted them.
    communicator, threads
        The hosts of the job, which call this together, and the threads of this one.
    observer
        Called before and after every pass.
    events
        Counts why passes have ended where something is amiss.
    stopping
        Whether to make do with the best centers so far, asked before each block; once true, it stays so.

    Returns
    -------
    Closed or None
        The best centers that were scored, the same on every host; None when there was no whole pass.
    """
    best: Closed | None = None
    for number in range(1, MAX_PASSES + 1):
        if any_host(stopping(), communicator):
            _cut_short(events)
            break
        observer.closing(number)
        one = _Pass(centers, shift)
        one.read(source, threads, stopping)
        if not one.holds(n_rows, communicator, events):
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
    centers
        float32 (k, d).
    shift
        float32 (d,).

    Attributes
    ----------
    tally
        Of the rows read.
    """

    def __init__(self, centers: FloatArray, shift: FloatArray) -> None:
        self._centers: DoubleArray = centers.astype(np.float64)
        self._prepared = Centers(self._centers, shift)
        self._sums: DoubleArray = np.zeros_like(self._centers)
        self.tally = Tally(len(centers))
        self._fault = ""
        self._stopped = False

    def read(self, source: RowSource, threads: Threads, stopping: Callable[[], bool]) -> None:
        """Take in this host's rows; what goes wrong in reading them is kept, for other hosts wait for this one."""
        blocks = source.blocks()
        counts: DoubleArray = np.zeros(len(self._centers))
        while not stopping():
            try:
                block = next(blocks, None)
            except Exception as error:  # Whatever it is, there is a model.
                self._fault = str(error) or type(error).__name__
                return
            if block is None:
                break
            labels, squared_distances = nearest(block, self._prepared, threads)
            add_rows(block, labels, np.ones(len(block)), self._sums, counts)
            self.tally.add(labels, squared_distances)
        # A source that is to stop may have given up on its rows.
        self._stopped = stopping()

    def holds(self, n_rows: int, communicator: Communicator, events: Events) -> bool:
        """Add up what the hosts have; return whether that are all `n_rows` rows, on every host the same."""
        votes = np.array([float(self._stopped), float(bool(self._fault))])
        communicator.sum(votes)
        communicator.sum(self.tally.totals)
        communicator.sum(self._sums)
        stopped, faults = votes
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
        """Return the means of the clusters, float32 (k, d); the pass is over then."""
        move_to_means(self._sums, self.tally.sizes, self._centers)
        return as_points(self._centers)


def _cut_short(events: Events) -> None:
    events.happened(
        "closing_cut_short", 1, "There was no time for another pass over all rows: the model is the best one so far."
    )
