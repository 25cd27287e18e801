"""By how much a loss is too low because it was measured on the rows that the centers were fitted to.

Centers that are means of a sample are nearer to its rows than to others, and the borders between them fit its rows
better than others. That shows when a model is fitted to each half of the sample and scored on the other
(cross-validation; Stone 1974). With half as many rows the noise of the fit, and so the difference, is twice as large.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from kmeans.assignment.engine import Engine
from kmeans.communicator import nothing
from kmeans.finalization.coreset import coreset
from kmeans.finalization.lloyd import StopRule, evaluate, lloyd
from kmeans.state import State
from kmeans.types import DoubleArray

# Lloyd's iterations that fit the model to a half.
ITERATIONS = 5


def optimism(state: State, centers: DoubleArray, engine: Engine, stopping: Callable[[], bool] = nothing) -> float:
    """Return the part of itself by which a model's loss is too low on the sample that the model was fitted to.

    Parameters
    ----------
    state : State
        What the stream has left.
    centers : ndarray of float64, shape (k, d)
        The model.
    engine : Engine
        What computes.
    stopping : callable
        Returns whether to make do with fewer iterations.

    Returns
    -------
    float
        0 or more; 0 where it can't be measured.
    """
    live = state.live()
    n_rows = len(live.sample.rows)
    if n_rows < 2:
        return 0.0
    # Every other row, since rows are in the order of the stream.
    halves = [coreset(replace(live, sample=live.sample.part(np.arange(begin, n_rows, 2)))) for begin in (0, 1)]
    stop = StopRule(ITERATIONS, stopping=stopping)
    own = [lloyd(half, centers, stop, engine) for half in halves]
    crossed = [evaluate(half, other.centers, engine) for half, other in zip(halves, reversed(own), strict=True)]
    loss = sum(one.msd for one in own)
    return max(0.0, 0.5 * (sum(one.msd for one in crossed) / loss - 1.0)) if loss > 0.0 else 0.0
