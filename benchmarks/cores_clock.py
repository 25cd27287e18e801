"""The time in which only one thread can work, and the speed-up by more cores that follows from it."""

import math
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from kmeans.kernels.intrinsics import ticks
from kmeans.kernels.jit import kernel
from kmeans.threads import Threads


class Timing(NamedTuple):
    """Seconds of groups of mini-batches.

    Attributes
    ----------
    seconds : float
        From the start of the first group to the end of the last.
    between : float
        Of these, between two groups.
    other : float
        Of the calling thread, for other work while the others process a group.
    alone : float
        Within groups, for the work that only one thread can do.
    """

    seconds: float
    between: float
    other: float
    alone: float


class TimedThreads(Threads):
    """Threads that measure how long they work.

    Attributes
    ----------
    seconds, between, other : float
        See `Timing`.
    """

    def __init__(self, count: int = 1) -> None:
        super().__init__(count)
        self.seconds = self.between = self.other = 0.0
        self._ended: float | None = None

    def begin(self, function: Callable[[int], object]) -> Callable[[], None]:
        """See `Threads.begin`."""
        asked = perf_counter()
        if self._ended is not None:
            self.seconds += asked - self._ended
            self.between += asked - self._ended
        join = super().begin(function)
        begun = perf_counter()

        def joined() -> None:
            self.other += perf_counter() - begun
            join()
            self._ended = perf_counter()
            self.seconds += self._ended - asked

        return joined


def amdahl_speedup(timing: Timing, n_cores: int) -> float:
    """Return the speed-up by `n_cores` cores over the one that was measured, by Amdahl's law."""
    serial = timing.between + timing.alone
    return timing.seconds / (serial + (timing.seconds - serial) / n_cores)


def speedup_bound(timing: Timing, n_cores: int, n_pieces: int) -> float:
    """Return the speed-up by `n_cores` cores if the shared work is divided into a limited number of pieces.

    Parameters
    ----------
    timing : Timing
        Of one core.
    n_cores : int
        Number of cores.
    n_pieces : int
        Number of equal pieces of the shared work; each is done by one core.

    Returns
    -------
    float
    """
    serial = timing.between + timing.alone
    shared = (timing.seconds - serial) * math.ceil(n_pieces / n_cores) / n_pieces
    # No other thread can do the other work of the calling thread.
    return timing.seconds / max(serial + shared, timing.between + timing.other)


@kernel("int64()")
def now() -> int:
    """Return the time, in ticks of the processor's clock."""
    return int(ticks())
