"""Trials that the hosts of a job divide among themselves; all get every result."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from kmeans.finalization.lloyd import Clustering
from kmeans.finalization.resources import Resources
from kmeans.types import DoubleArray, LabelArray

Item = TypeVar("Item")
_NO_LABELS: LabelArray = np.empty(0, np.int64)
_NO_DISTANCES: DoubleArray = np.empty(0)


def clusterings(
    items: Sequence[Item],
    run: Callable[[Item], Clustering],
    judge: Callable[[DoubleArray], Clustering],
    shape: tuple[int, int],
    resources: Resources,
) -> list[Clustering]:
    """Make a clustering of every item, each on one of the hosts.

    Parameters
    ----------
    items : sequence
        The same on every host; not empty.
    run : callable
        Makes the clustering of an item, in a thread of its own; returns soon once the deadline has passed.
    judge : callable
        Returns the clustering that centers, float64 (k, d), from another host make of the points.
    shape : tuple of int
        The shape of the centers of each clustering, (k, d).
    resources : Resources
        The hosts and the threads among which items are divided. Once the deadline has passed, a host that has one
        clustering starts no other.

    Returns
    -------
    list of Clustering
        In the order of the items, the same on every host. When the deadline has passed there is at least one; those of
        several hosts then have no labels and no distances.
    """
    communicator = resources.communicator

    def run_in_time(place: int) -> Clustering | None:
        if place != communicator.rank and resources.deadline.passed():
            return None
        return run(items[place])

    places = range(communicator.rank, len(items), communicator.size)
    results = resources.engine.threads.map(run_in_time, places)
    own = {place: result for place, result in zip(places, results, strict=True) if result is not None}
    if communicator.size == 1:
        return list(own.values())
    # In a row the place of the item, its centers, loss and relocations.
    table = np.empty((len(own), shape[0] * shape[1] + 3))
    for row, (place, result) in zip(table, own.items(), strict=True):
        row[0] = place
        row[1:-2] = result.centers.ravel()
        row[-2:] = result.msd, result.relocated
    table = communicator.gather_rows(table)
    late = resources.late()
    of_all: list[Clustering] = []
    for row in table[np.argsort(table[:, 0])]:
        result = Clustering(row[1:-2].reshape(shape), _NO_LABELS, _NO_DISTANCES, row[-2].item(), int(row[-1]))
        if not late:
            judged = judge(result.centers)
            result.labels, result.squared_distances = judged.labels, judged.squared_distances
        of_all.append(result)
    return of_all
