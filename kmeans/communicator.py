"""How the hosts of a job exchange arrays; every host makes the same calls in the same order."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kmeans.types import DoubleArray


class AbortedError(Exception):
    """Another host has failed, and this one would wait for it without end."""


def nothing() -> bool:
    """Do nothing, and return that there is nothing more to do."""
    return False


class Communicator(Protocol):
    """The hosts that train one model together.

    Every method but `abort` raises `AbortedError` when another host has failed.
    """

    @property
    def rank(self) -> int:
        """The place of this host, from 0; the leader has 0."""
        ...

    @property
    def size(self) -> int:
        """The number of hosts."""
        ...

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        """Replace `values`, on every host, by their sums over the hosts: the same bytes on all of them.

        `meanwhile` is called once, and again while values are on their way and it returns that there is more to do. It
        must not use `values`, and must return soon, since values only move between its calls.
        """
        ...

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return, on every host, the rows of all hosts in the order of the ranks; each may have any number of them."""
        ...

    def broadcast(self, values: NDArray[np.generic]) -> None:
        """Replace `values`, on every host, by those of the leader, which have the same shape."""
        ...

    def abort(self) -> None:
        """Release hosts that wait for this one; they raise `AbortedError`."""
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
        """Return `rows`."""
        return rows

    def broadcast(self, values: NDArray[np.generic]) -> None:
        """Leave `values` as they are."""

    def abort(self) -> None:
        """Do nothing: nobody waits."""
