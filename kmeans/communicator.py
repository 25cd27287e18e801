"""What the algorithm asks of the hosts of a job; every host makes the same calls in the same order."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kmeans.types import DoubleArray


class AbortedError(Exception):
    """Another host has failed: what this one waits for will not come."""


def nothing() -> bool:
    """Do nothing, and say that there is nothing more to do."""
    return False


class Communicator(Protocol):
    """The hosts that train one model together.

    Every method but `abort` raises `AbortedError` when another host has failed.
    """

    @property
    def rank(self) -> int:
        """Place of this host, from 0; the leader has 0."""
        ...

    @property
    def size(self) -> int:
        """How many hosts there are."""
        ...

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        """Replace `values`, on every host, by their sums over the hosts: the same bytes on all of them.

        `meanwhile` is called once, and again while they are on their way and it says that there is more to do; it does
        not look at `values`. It takes but a moment each time, for values move between its calls.
        """
        ...

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Give every host the rows of all hosts, in the order of the ranks; hosts may have any number of them."""
        ...

    def broadcast(self, values: NDArray[np.generic]) -> None:
        """Replace `values`, on every host, by those of the leader, which have the same shape."""
        ...

    def abort(self) -> None:
        """Let no host wait for this one any longer."""
        ...


def any_host(flag: bool, communicator: Communicator) -> bool:
    """Return whether `flag` is set on any of the hosts, which call this together."""
    votes = np.array([float(flag)])
    communicator.sum(votes)
    return bool(votes[0])


class SingleHost:
    """A job of one host: nothing to exchange."""

    rank = 0
    size = 1

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        """Leave `values` as they are."""
        del values
        meanwhile()

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Give `rows` back."""
        return rows

    def broadcast(self, values: NDArray[np.generic]) -> None:
        """Leave `values` as they are."""

    def abort(self) -> None:
        """Do nothing: nobody waits."""
