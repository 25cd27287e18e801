"""Work spread over the hosts of a job: each takes its share of the trials, and all get every result."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from kmeans.communicator import Communicator
from kmeans.lloyd import Clustering
from kmeans.types import DoubleArray

Item = TypeVar("Item")


def clusterings(
    items: Sequence[Item],
    run: Callable[[list[Item]], list[Clustering]],
    judge: Callable[[DoubleArray], Clustering],
    shape: tuple[int, int],
    communicator: Communicator,
) -> list[Clustering]:
    """Make a clustering of every item, each on one of the hosts.

    Parameters
    ----------
    items
        The same on every host; not empty.
    run
        Makes the clusterings of some items.
    judge
        Gives the labels and the loss of points for centers, float64 (k, d), which came from another host.
    shape
        That of the centers of each, (k, d).
    communicator
        The hosts.

    Returns
    -------
    list of Clustering
        In the order of the items, the same on every host.
    """
    own = run(list(items[communicator.rank :: communicator.size]))
    if communicator.size == 1:
        return own
    # Places of the items, by the rank that made them; then in a row their centers, loss and relocations.
    places = np.concatenate([np.arange(len(items))[rank :: communicator.size] for rank in range(communicator.size)])
    table = np.empty((len(own), shape[0] * shape[1] + 2))
    for row, found in zip(table, own, strict=True):
        row[:-2] = found.centers.ravel()
        row[-2:] = found.msd, found.relocated
    results: list[Clustering | None] = [None] * len(items)
    for place, row in zip(places.tolist(), communicator.gather_rows(table), strict=True):
        found = judge(row[:-2].reshape(shape))
        results[place] = Clustering(found.centers, found.labels, found.squared_distances, row[-2].item(), int(row[-1]))
    return [found for found in results if found is not None]
