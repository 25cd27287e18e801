"""Reading ahead: the next blocks are read and decoded while this one is being computed with."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue

from kmeans.types import FloatArray

# One buffer that is computed with, and one that is filled; small ones may be further ahead, for neither waits then
# where the other takes longer for once.
LEAST_BUFFERS, MOST_BUFFERS = 2, 4
MOST_BYTES = 64 << 20
# Of the thread that reads; 0 is that of all others.
NICENESS = 10

# A buffer, and how many of its rows hold something.
Filled = tuple[FloatArray, int]
Fill = Callable[[Callable[[], FloatArray]], Iterator[Filled]]


# How often someone who waits for a block asks whether to go on waiting.
PATIENCE_SECONDS = 1.0


class _AbandonedError(Exception):
    """Nobody wants further blocks."""


def prefetched(
    fill: Fill, new_buffer: Callable[[], FloatArray], *, waits: bool, stopping: Callable[[], bool] = lambda: False
) -> Iterator[FloatArray]:
    """Give blocks in their order; a thread reads ahead.

    Parameters
    ----------
    fill : callable
        Gives buffers with the number of rows filled in each; it takes a buffer from the callable it is given.
    new_buffer : callable
        Makes a buffer; there are up to `MOST_BUFFERS` while they take no more than `MOST_BYTES`, two at least.
    waits : bool
        Whether reading may wait without end for what another process sends. An abandoned thread is not waited for
        then; it ends with the process.
    stopping : callable
        Asked while no block comes whether to wait no longer; there are no more blocks then.

    Yields
    ------
    ndarray of shape (n, d), float32
        Valid until the next one is asked for.

    Raises
    ------
    Exception
        What `fill` raises, in its place among the blocks.
    """
    free: SimpleQueue[FloatArray | None] = SimpleQueue()
    ready: SimpleQueue[Filled | BaseException | None] = SimpleQueue()
    first = new_buffer()
    free.put(first)
    for _ in range(min(MOST_BUFFERS, max(LEAST_BUFFERS, MOST_BYTES // max(1, first.nbytes))) - 1):
        free.put(new_buffer())

    def take() -> FloatArray:
        buffer = free.get()
        if buffer is None:
            raise _AbandonedError
        return buffer

    def run() -> None:
        # Whoever computes has nothing to wait for while there are blocks. On a core for both, reading fills the gaps:
        # hosts that wait for each other at every step then take the same time for it.
        # Where the system does not let a thread have a priority, it reads with that of all.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        try:
            for filled in fill(take):
                ready.put(filled)
            ready.put(None)
        except BaseException as error:
            ready.put(error)

    reader = threading.Thread(target=run, name="reader", daemon=True)
    reader.start()
    try:
        while (item := _next(ready, stopping)) is not None:
            if isinstance(item, BaseException):
                raise item
            buffer, n_rows = item
            yield buffer[:n_rows]
            free.put(buffer)
    finally:
        free.put(None)
        if not waits:
            reader.join()


def _next(
    ready: "SimpleQueue[Filled | BaseException | None]", stopping: Callable[[], bool]
) -> "Filled | BaseException | None":
    """Wait for the next block; give None when it is not waited for any longer."""
    while True:
        try:
            return ready.get(timeout=PATIENCE_SECONDS)
        except Empty:
            if stopping():
                return None
