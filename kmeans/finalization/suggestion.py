"""Which k the rows suggest, by the index of Caliński and Harabasz (1974), if any does.

Of the criteria tried it was the one that most often found the number of clusters that data were made of. But it has a
largest value for rows without clusters too, for a cloud of points or for heavy tails. So the clusters that it prefers
must be separated by valleys of density. And it must have preferred them to more clusters, not to those that were tried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

# So near to the largest index, another k is as good.
AS_GOOD = 0.95
# The share of the rows that must be in separated clusters.
MIN_SEPARATED = 0.5


@dataclass(frozen=True)
class Suggestion:
    """A number of clusters that the rows suggest.

    Attributes
    ----------
    k : int
        That of the largest index.
    low, high : int
        The numbers around it that are as good.
    """

    k: int
    low: int
    high: int


def suggest(indices: Mapping[int, float], separated_share: Callable[[int], float]) -> Suggestion | None:
    """Choose a number of clusters.

    Parameters
    ----------
    indices : Mapping of int to float
        That of Caliński and Harabasz, by k.
    separated_share : callable
        Returns the share of the rows that are in separated clusters, for one of these k.

    Returns
    -------
    Suggestion or None
        None where there is no clear number.
    """
    ks = sorted(indices)
    if not ks:
        return None
    best = max(ks, key=lambda k: indices[k])
    # Where each row is a center, the index says nothing.
    if best == ks[-1] or not 0.0 < indices[best] < np.inf or separated_share(best) < MIN_SEPARATED:
        return None
    place = ks.index(best)
    low = high = place
    while low > 0 and indices[ks[low - 1]] >= AS_GOOD * indices[best]:
        low -= 1
    while high + 1 < len(ks) and indices[ks[high + 1]] >= AS_GOOD * indices[best]:
        high += 1
    return Suggestion(best, ks[low], ks[high])
