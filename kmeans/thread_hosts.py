"""Hosts that are threads of one process: several hosts without a network, for tests and experiments."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kmeans.communicator import AbortedError, Communicator, nothing
from kmeans.types import DoubleArray

Result = TypeVar("Result")


class _Board:
    """Where each host puts the arrays that the others read."""

    def __init__(self, size: int) -> None:
        self.slots: list[np.ndarray] = [np.empty(0)] * size
        self.barrier = threading.Barrier(size)


class ThreadHost:
    """One of the hosts of `run_hosts`; see `Communicator`."""

    def __init__(self, rank: int, size: int, board: _Board) -> None:
        self.rank = rank
        self.size = size
        self._board = board

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        """See `Communicator.sum`; summed in the order of the ranks."""
        meanwhile()
        values[...] = np.add.reduce(self._exchange(values))

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """See `Communicator.gather_rows`."""
        return np.concatenate(self._exchange(rows))

    def broadcast(self, values: NDArray[np.generic]) -> None:
        """See `Communicator.broadcast`."""
        values[...] = self._exchange(values)[0]

    def abort(self) -> None:
        """See `Communicator.abort`."""
        self._board.barrier.abort()

    def _exchange(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the arrays of all hosts, once all have put theirs."""
        self._board.slots[self.rank] = values.copy()
        self._wait()
        arrays = list(self._board.slots)
        # No host puts its next array before all have read these.
        self._wait()
        return arrays

    def _wait(self) -> None:
        try:
            self._board.barrier.wait()
        except threading.BrokenBarrierError:
            raise AbortedError("another host has failed") from None


def run_hosts(size: int, work: Callable[[Communicator], Result]) -> list[Result]:
    """Run `work` on every host, each in a thread of its own.

    Parameters
    ----------
    size : int
        The number of hosts.
    work : callable
        Called with the communicator of each host.

    Returns
    -------
    list
        What `work` returned, by rank.

    Raises
    ------
    Exception
        What `work` raised on the host of lowest rank that failed by itself. Where `work` waits for it, on other hosts,
        `AbortedError` is raised.
    """
    board = _Board(size)

    def run(rank: int) -> Result:
        host = ThreadHost(rank, size, board)
        try:
            return work(host)
        except BaseException:
            host.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        futures = [pool.submit(run, rank) for rank in range(size)]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, AbortedError)):
        raise error
    return [future.result() for future in futures]
