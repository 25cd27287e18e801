"""The first centers: distinct rows at random, or greedy k-means++ (Arthur & Vassilvitskii 2007)."""

import math
from collections.abc import Callable

import numpy as np

from kmeans.assignment.pieces import pieces_of
from kmeans.communicator import nothing
from kmeans.kernels.jit import kernel
from kmeans.points import WeightedPoints
from kmeans.threads import Threads
from kmeans.types import DoubleArray, FloatArray, as_points


def distinct(points: DoubleArray) -> DoubleArray:
    """Return the distinct rows of `points`, float64 (n, d), in the order of their first appearance."""
    # -0.0 and 0.0 are equal numbers of different bytes; adding 0.0 makes them one.
    unsigned = np.ascontiguousarray(points + 0.0)
    as_bytes = unsigned.view(np.dtype((np.void, unsigned.dtype.itemsize * unsigned.shape[1]))).ravel()
    _, first = np.unique(as_bytes, return_index=True)
    return points[np.sort(first)]


def random_rows(points: DoubleArray, n_centers: int, rng: np.random.Generator) -> DoubleArray:
    """Draw distinct rows uniformly.

    Parameters
    ----------
    points : ndarray of float64, shape (n, d)
        Distinct rows.
    n_centers : int
        How many to draw; all of them when there are fewer.
    rng : numpy.random.Generator
        The source of chance.

    Returns
    -------
    ndarray of float64, shape (min(n, n_centers), d)
    """
    chosen = rng.choice(len(points), min(n_centers, len(points)), replace=False)
    return points[chosen]


@kernel("void(float32[:, ::1], float64[::1], float64[::1], float64[:, ::1], float64[:, :], float64[::1])")
def lowered_distances(
    points: FloatArray,  # IN (n, d)
    weights: DoubleArray,  # IN (n,)
    squared_distances: DoubleArray,  # IN (n,)
    candidates: DoubleArray,  # IN (m, d)
    lowered: DoubleArray,  # OUT (m, n)
    losses: DoubleArray,  # OUT (m,): their weighted sums
) -> None:
    """Compute the distances and the loss that there would be with each candidate as one more center."""
    losses[:] = 0.0
    for i in range(points.shape[0]):
        for c in range(candidates.shape[0]):
            distance = 0.0
            for f in range(points.shape[1]):
                difference = np.float64(points[i, f]) - candidates[c, f]
                distance += difference * difference
            lowered[c, i] = min(squared_distances[i], distance)
            losses[c] += weights[i] * lowered[c, i]


def work_of_kmeans_plus_plus(n_points: int, n_centers: int, n_features: int) -> float:
    """Return the number of squares that `kmeans_plus_plus` adds up."""
    return float(n_points) * n_centers * n_features * _n_candidates(n_centers)


def _n_candidates(n_centers: int) -> int:
    return 2 + int(math.log(n_centers))


def kmeans_plus_plus(
    points: WeightedPoints,
    n_centers: int,
    rng: np.random.Generator,
    threads: Threads,
    initial: DoubleArray | None = None,
    stopping: Callable[[], bool] = nothing,
) -> DoubleArray:
    """Choose centers among weighted points, far ones with greater probability.

    Each step draws 2 + int(ln k) candidates with probability weight * D^2 and keeps the one that lowers the loss most
    (Arthur & Vassilvitskii 2007, section 5).

    Parameters
    ----------
    points : WeightedPoints
        The points.
    n_centers : int
        How many centers are wanted, `initial` among them.
    rng : numpy.random.Generator
        The source of chance.
    threads : Threads
        The threads to use.
    initial : ndarray of float64, shape (m, d), optional
        Centers that are there already.
    stopping : callable
        Called before each step; returns whether to draw the centers that are still missing all at once.

    Returns
    -------
    ndarray of float64, shape (n_centers, d)
        Fewer when no further point lies apart from all centers.
    """
    values, weights = points.values, points.weights
    centers = [] if initial is None else list(initial)
    closest: DoubleArray = np.full(len(points), np.inf)
    n_candidates = _n_candidates(n_centers)
    lowered: DoubleArray = np.empty((n_candidates, len(points)))
    # Points stay in the cache for all candidates.
    pieces = pieces_of(*points.shape)

    def lower(candidates: DoubleArray) -> DoubleArray:
        """Fill the first rows of `lowered`; return the losses of the candidates."""
        losses: DoubleArray = np.empty((len(pieces), len(candidates)))

        def lower_piece(number: int) -> None:
            piece = pieces[number]
            lowered_distances(
                values[piece], weights[piece], closest[piece], candidates, lowered[:, piece], losses[number]
            )

        threads.map(lower_piece, range(len(pieces)))
        total: DoubleArray = losses.sum(axis=0)
        return total

    for center in centers:
        if stopping():
            break
        lower(center[None])
        closest[:] = lowered[0]
    while len(centers) < n_centers:
        # Infinite before the first distances are known.
        potential = weights * closest if closest[0] < np.inf else weights
        cumulated = np.cumsum(potential)
        if not cumulated[-1] > 0.0:
            break
        if stopping():
            centers += list(_drawn_at_once(values, potential, np.array(centers), n_centers - len(centers), rng))
            break
        # Rounding must not lead past the last point of positive potential.
        last = len(points) - 1 - int((potential[::-1] > 0.0).argmax())
        drawn = np.searchsorted(cumulated, rng.random(n_candidates if centers else 1) * cumulated[-1], side="right")
        candidates = values[np.minimum(drawn, last)].astype(np.float64)
        best = int(lower(candidates).argmin())
        centers.append(candidates[best])
        closest[:] = lowered[best]
    return np.array(centers).reshape(-1, points.shape[1])


def _drawn_at_once(
    points: FloatArray, potential: DoubleArray, centers: DoubleArray, n_wanted: int, rng: np.random.Generator
) -> DoubleArray:
    """Draw further centers in one step, with probability proportional to their potential.

    So does k-means|| (Bahmani et al. 2012, "Scalable k-means++"), of which this is a single round.

    Returns
    -------
    ndarray of float64, shape (n_wanted, d)
        Distinct points apart from `centers`; all of them when there are fewer.
    """
    # Drawn without replacement: the smallest of exponential variables with these rates (Efraimidis & Spirakis 2006).
    with np.errstate(divide="ignore"):
        order = np.argsort(rng.standard_exponential(len(points)) / potential)
    # Sorting rows, as `distinct` does, takes seconds where there are many of them.
    met = {center.tobytes() for center in as_points(centers) + np.float32(0.0)}
    chosen: list[int] = []
    for place in order[: int((potential > 0.0).sum())].tolist():
        content = (points[place] + np.float32(0.0)).tobytes()
        if content not in met:
            met.add(content)
            chosen.append(place)
            if len(chosen) == n_wanted:
                break
    return points[chosen].astype(np.float64)
