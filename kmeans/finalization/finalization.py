"""From what the stream has left to a model of k centers, for any k up to K."""

import numpy as np

from kmeans.communicator import Communicator
from kmeans.events import Events
from kmeans.finalization.deadline import NEVER, Deadline
from kmeans.finalization.refinement import refine
from kmeans.finalization.shrinking import shrink
from kmeans.kmeans_plus_plus import distinct, kmeans_plus_plus
from kmeans.observer import Observer
from kmeans.settings import FinalizationSettings
from kmeans.state import State
from kmeans.threads import Threads
from kmeans.types import DoubleArray


class TooFewDistinctRowsError(ValueError):
    """The rows seen hold fewer than k distinct ones.

    Parameters
    ----------
    k
        Clusters wanted.
    n_rows, n_distinct
        The rows looked at, and the different ones among them.
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
    threads: Threads,
    observer: Observer,
    events: Events,
    communicator: Communicator,
    deadline: Deadline = NEVER,
) -> DoubleArray:
    """Make a model.

    Parameters
    ----------
    state
        What the stream has left.
    k
        Centers of the model.
    settings
        How it is made.
    seeds
        The source of chance.
    threads
        The threads to use.
    observer
        Called at every stage.
    events
        Counts the policies that are applied.
    communicator
        The hosts, which divide the trials; all have the same state. They get the same model, unless the deadline has
        passed: then the leader's counts.
    deadline
        Once it has passed, the model is the best one found so far.

    Returns
    -------
    DoubleArray
        float64 (k, d).

    Raises
    ------
    TooFewDistinctRowsError
        When the state has fewer than k different centers and the sample does not add them.
    """
    for_trials, for_refining, for_filling = seeds.spawn(3)
    refining = settings.refine and len(state.sample.rows) > 0
    live = state.live()
    dead = len(state.centers) - len(live.centers)
    if dead:
        events.happened(
            "centers_without_weight",
            dead,
            f"{dead} of {len(state.centers)} centers have no weight: they take no part in the model.",
        )
    starts = [live.centers]
    if len(distinct(live.centers)) < k:
        starts = [_filled(live, k, np.random.default_rng(for_filling), threads, events, deadline)]
    elif len(live.centers) > k:
        observer.shrinking(len(live.centers), k)
        trials = shrink(live, k, settings.lloyd, for_trials, threads, observer.attempted, communicator, deadline)
        observer.shrunk(trials[0].msd)
        _count_relocations(events, trials[0].relocated)
        starts = [trial.centers for trial in trials]
    elif len(state.centers) == k:
        observer.shrinking_unneeded()
    if not refining or deadline.agreed(communicator):
        return starts[0]
    refined = refine(live, starts, settings.lloyd, for_refining, threads, communicator, deadline)
    observer.refined(len(state.sample.rows), None if refined is None else refined.msd)
    if refined is None:
        return starts[0]
    _count_relocations(events, refined.relocated)
    return refined.centers


def _count_relocations(events: Events, relocated: int) -> None:
    if relocated:
        events.happened("relocated_clusters", relocated, f"Moved {relocated} empty clusters to the farthest points.")


def _filled(
    state: State, k: int, rng: np.random.Generator, threads: Threads, events: Events, deadline: Deadline
) -> DoubleArray:
    """Add centers from the sample where there are fewer than k different ones."""
    rows, there = state.sample.rows, distinct(state.centers)
    filled = kmeans_plus_plus(rows, np.ones(len(rows)), k, rng, threads, there, deadline.passed)
    if len(filled) < k:
        raise TooFewDistinctRowsError(k, len(rows), len(distinct(rows.astype(np.float64))))
    added = len(filled) - len(there)
    events.happened("centers_added_from_sample", added, f"Added {added} centers from the sample to reach k = {k}.")
    return filled
