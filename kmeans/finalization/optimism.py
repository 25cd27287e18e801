"""By how much a loss is too low for having been measured on the rows that the centers were fitted to.

Centers that are means of a sample are nearer to its rows than to others, and so are borders that were drawn between
these. That is seen by fitting to each half of the sample and scoring on the other (cross-validation; Stone 1974). Half
as many rows let the noise of the fit, and with it the difference, be twice as large.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kmeans.communicator import nothing
from kmeans.finalization.coreset import coreset
from kmeans.finalization.lloyd import clustering_of, lloyd
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import DoubleArray

# So many of Lloyd's iterations fit the model to a half.
ITERATIONS = 5


def optimism(state: State, centers: DoubleArray, threads: Threads, stopping: Callable[[], bool] = nothing) -> float:
    """Return by which part of itself the loss of a model is too low on the sample that it was fitted to.

    Parameters
    ----------
    state
        What the stream has left.
    centers
        float64 (k, d): the model.
    threads
        The threads to use.
    stopping
        Whether to make do with fewer iterations.

    Returns
    -------
    float
        0 or more; 0 where there is no telling.
    """
    live = state.live()
    n_rows = len(live.sample.rows)
    if n_rows < 2:
        return 0.0
    # Its rows are in the order of the stream.
    halves = [coreset(replace(live, sample=live.sample.part(np.arange(begin, n_rows, 2)))) for begin in (0, 1)]

    own = [lloyd(half.points, half.shift, half.weights, centers, ITERATIONS, 0.0, threads, stopping) for half in halves]
    crossed = [
        clustering_of(half.points, half.shift, half.weights, other.centers, threads)
        for half, other in zip(halves, reversed(own), strict=True)
    ]
    loss = sum(one.msd for one in own)
    return max(0.0, 0.5 * (sum(one.msd for one in crossed) / loss - 1.0)) if loss > 0.0 else 0.0
