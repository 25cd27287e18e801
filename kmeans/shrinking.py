"""From the K weighted centers of the stream to k: the built-in's recipe, and a search that starts from its trials."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kmeans.communicator import Communicator
from kmeans.lloyd import Clustering, lloyd
from kmeans.local_search import SearchLimits, swap_centers
from kmeans.seeding import kmeans_plus_plus, random_rows
from kmeans.spreading import clusterings
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import as_points

# Trials run side by side, each in a thread of its own.
ONE_THREAD = Threads(1)
# K points take so little time that several trials can be searched, with more patience than on the rows.
SEARCHED_TRIALS = 4
SEARCH = SearchLimits(patience=100, work=2e9)


@dataclass(frozen=True)
class LloydSettings:
    """How Lloyd's iteration runs at the end.

    Attributes
    ----------
    init_method
        "kmeans++" or "random".
    n_trials
        How often Lloyd runs from new starts; the best loss is kept.
    max_iterations, tolerance
        See `kmeans.lloyd.lloyd`.
    """

    init_method: str
    n_trials: int
    max_iterations: int
    tolerance: float


def shrink(
    state: State,
    k: int,
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    attempted: Callable[[int, float], None],
    communicator: Communicator,
) -> list[Clustering]:
    """Cluster K weighted centers into k.

    Parameters
    ----------
    state
        K >= k centers with positive weights.
    k
        How many centers are wanted.
    settings
        Trials, start and end of Lloyd's iteration.
    seeds
        Each trial has a generator of its own from it.
    threads
        The threads to use.
    attempted
        Told the number and the weighted mean squared distance of each trial.
    communicator
        The hosts, among which the trials are divided.

    Returns
    -------
    list of Clustering
        The trials, that of the least loss first; `labels` say which of the k each of the K centers went to.
    """
    centers, weights = state.centers, state.weights
    points, shift = as_points(centers), state.shift

    def attempt(seed: np.random.SeedSequence) -> Clustering:
        rng = np.random.default_rng(seed)
        if settings.init_method == "random":
            start = random_rows(centers, k, rng)
        else:
            start = kmeans_plus_plus(centers, weights, k, rng)
        return lloyd(points, shift, weights, start, settings.max_iterations, settings.tolerance, ONE_THREAD)

    trials = clusterings(
        seeds.spawn(settings.n_trials),
        lambda own: threads.map(attempt, own),
        lambda found: lloyd(points, shift, weights, found, 0, 0.0, threads),
        (k, centers.shape[1]),
        communicator,
    )
    for trial, found in enumerate(trials):
        attempted(trial, found.msd)
    return sorted(trials, key=lambda trial: trial.msd)


def search(
    state: State,
    trials: list[Clustering],
    settings: LloydSettings,
    seeds: np.random.SeedSequence,
    threads: Threads,
    communicator: Communicator,
) -> list[Clustering]:
    """Take the best trials out of their local optima, which the recipe leaves as they are.

    Parameters
    ----------
    state
        The K weighted centers of the trials.
    trials
        Of `shrink`.
    settings
        The end of Lloyd's iteration.
    seeds
        Each trial has a generator of its own from it.
    threads
        The threads to use.
    communicator
        The hosts, among which the trials are divided.

    Returns
    -------
    list of Clustering
        Those that differ in their loss, that of the least loss first.
    """
    points, shift = as_points(state.centers), state.shift

    def improve(trial_and_seed: tuple[Clustering, np.random.SeedSequence]) -> Clustering:
        trial, seed = trial_and_seed
        found = swap_centers(points, shift, state.weights, trial, SEARCH, np.random.default_rng(seed), ONE_THREAD)
        if found is trial:
            return trial
        iterations, tolerance = settings.max_iterations, settings.tolerance
        return lloyd(points, shift, state.weights, found.centers, iterations, tolerance, ONE_THREAD)

    different = _different(trials)
    chosen = different[:SEARCHED_TRIALS]
    improved = clusterings(
        list(zip(chosen, seeds.spawn(len(chosen)), strict=True)),
        lambda own: threads.map(improve, own),
        lambda found: lloyd(points, shift, state.weights, found, 0, 0.0, threads),
        chosen[0].centers.shape,
        communicator,
    )
    return _different(sorted(improved + different[SEARCHED_TRIALS:], key=lambda trial: trial.msd))


def _different(trials: list[Clustering]) -> list[Clustering]:
    """Keep one trial of each loss: trials often end alike."""
    return list({f"{trial.msd:.9g}": trial for trial in reversed(trials)}.values())[::-1]
