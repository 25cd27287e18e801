"""The loss over k: one stream shows where more clusters stop to pay (the elbow)."""

import numpy as np

from kmeans.assignment import Centers
from kmeans.communicator import Communicator, SingleHost
from kmeans.coreset import coreset
from kmeans.lloyd import lloyd
from kmeans.scoring import score
from kmeans.shrinking import LloydSettings, shrink
from kmeans.state import State
from kmeans.threads import Threads

# A curve is looked at, not deployed: fewer trials and iterations than a model has, on fewer rows.
TRIALS = 3
ITERATIONS = 5
ROWS = 5_000
MAX_POINTS = 30
# Fewer points where a trial for the largest k takes more than a part of so many multiplications.
MAX_WORK = 1e9
ALONE = SingleHost()


def curve_ks(k: int, n_centers: int, n_features: int) -> list[int]:
    """Give the numbers of clusters to look at: from 2 to 2 k, or to K if that is less, and k itself.

    All of them while they are few, else `MAX_POINTS` or so in equal ratios, or fewer where they take long.
    """
    last = min(2 * k, n_centers)
    n_points = max(5, min(MAX_POINTS, int(MAX_WORK / (last * n_centers * n_features))))
    if last - 1 <= n_points:
        return list(range(2, last + 1))
    ks = np.unique(np.geomspace(2, last, n_points).round().astype(int)).tolist()
    return sorted({*ks, k})


def msd_by_k(
    state: State, ks: list[int], seeds: np.random.SeedSequence, threads: Threads, communicator: Communicator
) -> dict[int, float]:
    """Estimate the mean squared distance of the rows to the centers of a model, for several k.

    Parameters
    ----------
    state
        What the stream has left.
    ks
        Numbers of clusters, at most as many as the state has centers with weight; larger ones are left out.
    seeds
        The source of chance.
    threads
        The threads to use.
    communicator
        The hosts, which divide the numbers of clusters.

    Returns
    -------
    dict of int to float
        By k; measured on `ROWS` rows of the sample.
    """
    for_rows, *for_trials = seeds.spawn(1 + len(ks))
    live = state.live().reduced(ROWS, np.random.default_rng(for_rows))
    points = coreset(live)
    settings = LloydSettings("kmeans++", TRIALS, ITERATIONS, 0.0)
    # Larger k take longer, so each host gets one of every few.
    chosen = [(k, seed) for k, seed in zip(ks, for_trials, strict=True) if k <= len(live.centers)]
    losses: list[tuple[int, float]] = []
    for k, seed in chosen[communicator.rank :: communicator.size]:
        trials = shrink(live, k, settings, seed, threads, lambda _, __: None, ALONE)
        found = lloyd(points.points, points.shift, points.weights, trials[0].centers, ITERATIONS, 0.0, threads)
        losses.append((k, score([live.sample.rows], Centers(found.centers, live.shift), ALONE, threads).msd))
    table = communicator.gather_rows(np.array(losses, np.float64).reshape(-1, 2))
    return {int(k): msd for k, msd in sorted(table.tolist())}
