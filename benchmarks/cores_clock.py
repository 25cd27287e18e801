"""The time in which only one thread can work, by the clock, and what it makes of machines with more cores."""

import math
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from kmeans.kernels.intrinsics import ticks
from kmeans.kernels.jit import kernel
from kmeans.threads import Threads


class Taken(NamedTuple):
    """Seconds that groups of mini-batches have taken.

    Attributes
    ----------
    seconds
        From the beginning of the first one to the end of the last.
    apart
        Of these, between two groups.
    beside
        Of the calling thread, for other things while all others work at a group.
    alone
        In a group, for the part of it that one thread does and no other can share.
    """

    seconds: float
    apart: float
    beside: float
    alone: float


class Clocked(Threads):
    """Threads that tell how long they were at work together, and how long their caller was not.

    Attributes
    ----------
    seconds, apart, beside
        See `Taken`.
    """

    def __init__(self, count: int = 1) -> None:
        super().__init__(count)
        self.seconds = self.apart = self.beside = 0.0
        self._ended: float | None = None

    def begin(self, function: Callable[[int], object]) -> Callable[[], None]:
        """See `Threads.begin`."""
        asked = perf_counter()
        if self._ended is not None:
            self.seconds += asked - self._ended
            self.apart += asked - self._ended
        join = super().begin(function)
        begun = perf_counter()

        def joined() -> None:
            self.beside += perf_counter() - begun
            join()
            self._ended = perf_counter()
            self.seconds += self._ended - asked

        return joined


def by_amdahl(taken: Taken, n_cores: int) -> float:
    """Return how many times as fast so many cores are as the one that was clocked, by Amdahl's law."""
    serial = taken.apart + taken.alone
    return taken.seconds / (serial + (taken.seconds - serial) / n_cores)


def at_most(taken: Taken, n_cores: int, n_pieces: int) -> float:
    """Return what is left of that where work is not shared out as finely as one likes.

    Parameters
    ----------
    taken
        By one core.
    n_cores
        How many.
    n_pieces
        So many equal pieces make up all that can be shared; each is done by one core.
    """
    serial = taken.apart + taken.alone
    shared = (taken.seconds - serial) * math.ceil(n_pieces / n_cores) / n_pieces
    # What the calling thread does beside the others is done by no other.
    return taken.seconds / max(serial + shared, taken.apart + taken.beside)


@kernel("int64()")
def now() -> int:
    """Return the time, in ticks of the processor's clock."""
    return int(ticks())
