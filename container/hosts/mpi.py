"""The communicator of several hosts: they are one MPI job; see `kmeans.communicator.Communicator`."""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import mpi4py
import numpy as np
from numpy.typing import NDArray

from container.hosts.limits import SLOW_BYTES_PER_SECOND, STUCK_SECONDS
from container.hosts.mpiexec import SHORT_BYTES
from kmeans.communicator import AbortedError, nothing
from kmeans.types import DoubleArray

# Only the main thread calls MPI, and it ends MPI itself.
mpi4py.rc.thread_level = "serialized"
mpi4py.rc.finalize = False

from mpi4py import MPI  # noqa: E402  importing it initializes MPI, as `rc` says

# MPI moves data only while it is polled. For SPIN_SECONDS a host polls without yielding the core: otherwise the thread
# that reads ahead would have the core when the answer arrives. After that it polls with growing pauses.
SPIN_SECONDS = 5e-3
MIN_PAUSE_SECONDS = 2e-5
MAX_PAUSE_SECONDS = 1e-3

_SHARED_MEMORY = re.compile(r"/dev/shm/mpich_shm_\w+$", re.MULTILINE)  # noqa: S108  MPICH's choice


class MPICommunicator:
    """The hosts of an MPI job.

    Attributes
    ----------
    rank, size : int
        See `Communicator`.
    seconds : float
        Time spent in communication, waiting included.
    seconds_in_steps : float
        The part of `seconds` that sums took: those of steps and of scores.
    bytes_sent : int
        Number of bytes that this host has sent to the others.
    """

    def __init__(self) -> None:
        _forget_shared_memory()
        self._all = MPI.COMM_WORLD
        self.rank = self._all.rank
        self.size = self._all.size
        self.seconds = 0.0
        self.seconds_in_steps = 0.0
        self.bytes_sent = 0
        self._exchanges = 0
        # The number of the exchange that this host waits in, and when it will be overdue.
        self._waiting: tuple[int, float] | None = None
        # Kept from one sum to the next, since most have the same length.
        self._gathered: DoubleArray = np.empty((self.size, 0))

    def sum(self, values: DoubleArray, meanwhile: Callable[[], bool] = nothing) -> None:
        """See `Communicator.sum`."""
        if (self.size - 1) * values.nbytes > SHORT_BYTES:
            seconds = self._finish(values.nbytes, self._all.Iallreduce, MPI.IN_PLACE, values, meanwhile=meanwhile)
        else:
            if self._gathered.shape[1:] != values.shape:
                self._gathered = np.empty((self.size, *values.shape))
            seconds = self._finish(values.nbytes, self._all.Iallgather, values, self._gathered, meanwhile=meanwhile)
            np.add.reduce(self._gathered, axis=0, out=values)
        self.seconds_in_steps += seconds

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """See `Communicator.gather_rows`."""
        rows = np.ascontiguousarray(rows)
        lengths = np.zeros(self.size, np.int64)
        lengths[self.rank] = len(rows)
        self._finish(lengths.nbytes, self._all.Iallreduce, MPI.IN_PLACE, lengths)
        gathered = np.empty((int(lengths.sum()), *rows.shape[1:]), rows.dtype)
        row_bytes = gathered.dtype.itemsize * int(np.prod(rows.shape[1:], dtype=np.int64))
        received = [gathered.reshape(-1).view(np.uint8), lengths * row_bytes]
        sent = rows.reshape(-1).view(np.uint8)
        self._finish(rows.nbytes, self._all.Iallgatherv, sent, received, n_received=gathered.nbytes)
        return gathered

    def broadcast(self, values: NDArray[np.generic]) -> None:
        """See `Communicator.broadcast`."""
        contiguous = np.ascontiguousarray(values)
        self._finish(values.nbytes, self._all.Ibcast, contiguous.reshape(-1).view(np.uint8))
        values[...] = contiguous

    def abort(self) -> None:
        """End this process at once: its launcher informs the other hosts."""
        os._exit(1)

    def finalize(self) -> None:
        """Leave MPI, together with all hosts."""
        MPI.Finalize()

    def stuck(self) -> int | None:
        """Return the number of the exchange that this host waits in for too long, or None; any thread may ask."""
        waiting = self._waiting
        return waiting[0] if waiting and time.perf_counter() > waiting[1] else None

    def _finish(
        self,
        n_bytes: int,
        start: Any,
        *arguments: Any,
        meanwhile: Callable[[], bool] = nothing,
        n_received: int = 0,
    ) -> float:
        """Start an exchange, call `meanwhile`, and wait for the end.

        Parameters
        ----------
        n_bytes : int
            Number of bytes that this host sends.
        start : callable
            Starts the exchange, with `arguments`; returns a request.
        *arguments : object
            For `start`.
        meanwhile : callable
            See `Communicator.sum`.
        n_received : int
            Number of bytes that come from other hosts, if it is not about `n_bytes`.

        Returns
        -------
        float
            The seconds that the exchange took.
        """
        self._exchanges += 1
        began = time.perf_counter()
        pause = MIN_PAUSE_SECONDS
        try:
            request = start(*arguments)
            more = True
            while True:
                if more:
                    called = time.perf_counter()
                    more = meanwhile()
                    began += time.perf_counter() - called
                elif time.perf_counter() - began > SPIN_SECONDS:
                    if self._waiting is None:
                        allowed = STUCK_SECONDS + 2 * max(n_bytes, n_received) / SLOW_BYTES_PER_SECOND
                        self._waiting = self._exchanges, time.perf_counter() + allowed
                    time.sleep(pause)
                    pause = min(MAX_PAUSE_SECONDS, 1.5 * pause)
                if request.Test():
                    break
        except MPI.Exception as error:
            raise AbortedError(f"MPI: {error}") from error
        self._waiting = None
        seconds = time.perf_counter() - began
        self.seconds += seconds
        self.bytes_sent += n_bytes
        return seconds


def _forget_shared_memory() -> None:
    """Remove the names of MPICH's shared memory, which would outlive a process that is killed.

    The processes of this host have mapped it by now, and no other host can.
    """
    for path in set(_SHARED_MEMORY.findall(Path("/proc/self/maps").read_text())):
        with suppress(OSError):
            Path(path).unlink()
