"""Work spread over the hosts of a job: each takes its share of the trials, and all get every result."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from kmeans.communicator import Communicator
from kmeans.finalization.deadline import Deadline
from kmeans.finalization.lloyd import Clustering
from kmeans.threads import Threads
from kmeans.types import DoubleArray, LabelArray

Item = TypeVar("Item")
_NO_LABELS: LabelArray = np.empty(0, np.int64)
_NO_DISTANCES: DoubleArray = np.empty(0)


def clusterings(
    items: Sequence[Item],
    make: Callable[[Item], Clustering],
    judge: Callable[[DoubleArray], Clustering],
    shape: tuple[int, int],
    threads: Threads,
    communicator: Communicator,
    deadline: Deadline,
) -> list[Clustering]:
    """Make a clustering of every item, each on one of the hosts.

    Parameters
    ----------
    items
        The same on every host; not empty.
    make
        Makes the clustering of an item; it is to return soon once the deadline has passed.
    judge
        Gives the labels and the loss of points for centers, float64 (k, d), which came from another host.
    shape
        That of the centers of each, (k, d).
    threads
        Over which a host spreads its items.
    communicator
        The hosts.
    deadline
        Once it has passed, a host that has one clustering begins no other.

    Returns
    -------
    list of Clustering
        In the order of the items, the same on every host. When the deadline has passed there is at least one; those of
        several hosts then have no labels and no distances.
    """

    def make_in_time(place: int) -> Clustering | None:
        if place != communicator.rank and deadline.passed():
            return None
        return make(items[place])

    places = range(communicator.rank, len(items), communicator.size)
    own = {place: found for place, found in zip(places, threads.map(make_in_time, places), strict=True) if found}
    if communicator.size == 1:
        return list(own.values())
    # In a row the place of the item, its centers, loss and relocations.
    table = np.empty((len(own), shape[0] * shape[1] + 3))
    for row, (place, found) in zip(table, own.items(), strict=True):
        row[0] = place
        row[1:-2] = found.centers.ravel()
        row[-2:] = found.msd, found.relocated
    table = communicator.gather_rows(table)
    late = deadline.agreed(communicator)
    results: list[Clustering] = []
    for row in table[np.argsort(table[:, 0])]:
        found = Clustering(row[1:-2].reshape(shape), _NO_LABELS, _NO_DISTANCES, row[-2].item(), int(row[-1]))
        if not late:
            judged = judge(found.centers)
            found.labels, found.squared_distances = judged.labels, judged.squared_distances
        results.append(found)
    return results
