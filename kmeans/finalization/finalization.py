"""From what the stream has left to a model of k centers, for any k up to K."""

import numpy as np

from kmeans.events import Events
from kmeans.finalization.refinement import refine
from kmeans.finalization.resources import Resources
from kmeans.finalization.shrinking import shrink
from kmeans.kmeans_plus_plus import distinct, kmeans_plus_plus
from kmeans.observer import Observer
from kmeans.points import WeightedPoints
from kmeans.settings import FinalizationSettings
from kmeans.state import State
from kmeans.types import DoubleArray


class TooFewDistinctRowsError(ValueError):
    """The rows seen hold fewer than k distinct ones.

    Parameters
    ----------
    k : int
        The number of clusters wanted.
    n_rows : int
        The number of rows looked at.
    n_distinct : int
        The number of different rows among them.
    """

    def __init__(self, k: int, n_rows: int, n_distinct: int) -> None:
        super().__init__(
            f"k = {k} clusters need at least as many distinct rows; the {n_rows} training rows looked at "
            f"hold {n_distinct}."
        )


def finalize(
    state: State,
    k: int,
    settings: FinalizationSettings,
    seeds: np.random.SeedSequence,
    observer: Observer,
    resources: Resources,
) -> DoubleArray:
    """Make a model.

    Parameters
    ----------
    state : State
        What the stream has left, the same on all hosts.
    k : int
        The number of centers of the model.
    settings : FinalizationSettings
        How it is made.
    seeds : numpy.random.SeedSequence
        The source of randomness.
    observer : Observer
        Called for every stage.
    resources : Resources
        The hosts, which divide the trials, and the deadline, after which the model is the best one found so far.

    Returns
    -------
    ndarray of float64, shape (k, d)
        The same on every host unless the deadline has passed; then that of the leader counts.

    Raises
    ------
    TooFewDistinctRowsError
        If the state has fewer than k different centers and the sample does not add them.
    """
    for_trials, for_refining, for_filling = seeds.spawn(3)
    refining = settings.refine
    live = state.live()
    dead = len(state.centers) - len(live.centers)
    if dead:
        resources.events.happened(
            "centers_without_weight",
            dead,
            f"{dead} of {len(state.centers)} centers have no weight: they take no part in the model.",
        )
    starts = [live.centers]
    if len(distinct(live.centers)) < k:
        starts = [_filled(live, k, np.random.default_rng(for_filling), resources)]
    elif len(live.centers) > k:
        observer.shrinking(len(live.centers), k)
        trials = shrink(live, k, settings.lloyd, for_trials, observer.attempted, resources)
        observer.shrunk(trials[0].msd)
        _count_relocations(resources.events, trials[0].relocated)
        starts = [trial.centers for trial in trials]
    elif len(state.centers) == k:
        observer.shrinking_unneeded()
    found = starts[0]
    if refining and not resources.late():
        refined = refine(live, starts, settings.lloyd, for_refining, resources)
        observer.refined(len(state.sample.rows), None if refined is None else refined.msd)
        if refined is not None:
            _count_relocations(resources.events, refined.relocated)
            found = refined.centers
    return resources.engine.placed(found)


def _count_relocations(events: Events, relocated: int) -> None:
    if relocated:
        events.happened("relocated_clusters", relocated, f"Moved {relocated} empty clusters to the farthest points.")


def _filled(state: State, k: int, rng: np.random.Generator, resources: Resources) -> DoubleArray:
    """Add centers from the sample where there are fewer than k different ones."""
    rows, there = state.sample.rows, distinct(state.centers)
    points, stopping = WeightedPoints.alike(rows), resources.deadline.passed
    filled = kmeans_plus_plus(points, k, rng, resources.engine.threads, there, stopping)
    if len(filled) < k:
        raise TooFewDistinctRowsError(k, len(rows), len(distinct(rows.astype(np.float64))))
    added = len(filled) - len(there)
    resources.events.happened(
        "centers_added_from_sample", added, f"Added {added} centers from the sample to reach k = {k}."
    )
    return filled
