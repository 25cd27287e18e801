"""Reading ahead: the next blocks are read and decoded while this one is being computed with."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import overload

from kmeans.packed_rows import PackedRows
from kmeans.source import Stretch
from kmeans.types import FloatArray

# Small buffers change hands several at a time, for waking the other thread takes as long as decoding a few of them: so
# many at most, and no more than make so many bytes.
MOST_TOGETHER, BYTES_TOGETHER = 8, 1 << 20
# One such group is computed with, and one is filled; small ones may be further ahead, for neither waits then where the
# other takes longer for once. What is no larger than the processor's cache is written to faster.
LEAST_GROUPS, MOST_GROUPS = 2, 4
MOST_BYTES = 16 << 20
# Of the thread that reads; 0 is that of all others.
NICENESS = 10

# A buffer, and how many of its rows hold something.
Filled = tuple[FloatArray, int]
# Gives None where it could be left off for a moment, amid a buffer.
Fill = Callable[[Callable[[], FloatArray]], Iterator[Filled | None]]
# Of packed rows some are taken by whoever gets them; nothing else is read until then.
PackingFill = Callable[[Callable[[], FloatArray]], Iterator[Filled | PackedRows | None]]


class _AbandonedError(Exception):
    """Nobody wants further blocks."""


@overload
def prefetched(fill: Fill, new_buffer: Callable[[], FloatArray], *, waits: bool) -> Iterator[FloatArray]: ...


@overload
def prefetched(fill: PackingFill, new_buffer: Callable[[], FloatArray], *, waits: bool) -> Iterator[Stretch]: ...


def prefetched(fill: PackingFill, new_buffer: Callable[[], FloatArray], *, waits: bool) -> Iterator[Stretch]:
    """Give blocks in their order; a thread reads ahead.

    Parameters
    ----------
    fill : callable
        Gives buffers with the number of rows filled in each; it takes a buffer from the callable it is given.
    new_buffer : callable
        Makes a buffer; all of them together take no more than `MOST_BYTES`, unless two do.
    waits : bool
        Whether reading may wait without end for what another process sends. Buffers then change hands one by one, and
        an abandoned thread is not waited for; it ends with the process.

    Yields
    ------
    ndarray of shape (n, d), float32, or PackedRows
        Valid until the next one is asked for.

    Raises
    ------
    Exception
        What `fill` raises, in its place among the blocks.
    """
    free: SimpleQueue[list[FloatArray] | None] = SimpleQueue()
    ready: SimpleQueue[list[Filled] | PackedRows | BaseException | None] = SimpleQueue()
    # Tells of packed rows that they are done with, and whether anybody wants more.
    answers: SimpleQueue[bool] = SimpleQueue()
    first = new_buffer()
    together = 1 if waits else max(1, min(MOST_TOGETHER, BYTES_TOGETHER // max(1, first.nbytes)))
    groups = max(LEAST_GROUPS, min(MOST_GROUPS, MOST_BYTES // max(1, together * first.nbytes)))
    free.put([first, *(new_buffer() for _ in range(together - 1))])
    for _ in range(groups - 1):
        free.put([new_buffer() for _ in range(together)])
    # Of the reading thread alone.
    taken: list[FloatArray] = []
    done: list[Filled] = []

    def hand_over() -> None:
        if done:
            ready.put(done.copy())
            done.clear()

    def take() -> FloatArray:
        if not taken:
            hand_over()
            group = free.get()
            if group is None:
                raise _AbandonedError
            taken.extend(group)
        return taken.pop()

    def run() -> None:
        # Whoever computes has nothing to wait for while there are blocks. On a core for both, reading fills the gaps:
        # hosts that wait for each other at every step then take the same time for it.
        # Where the system does not let a thread have a priority, it reads with that of all.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        ending: BaseException | None = None
        try:
            for filled in fill(take):
                if isinstance(filled, PackedRows):
                    hand_over()
                    ready.put(filled)
                    if not answers.get():
                        break
                elif filled:
                    done.append(filled)
        except BaseException as error:
            ending = error
        hand_over()
        ready.put(ending)

    reader = threading.Thread(target=run, name="reader", daemon=True)
    reader.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, PackedRows):
                yield item
                answers.put(True)
                continue
            for buffer, n_rows in item:
                yield buffer[:n_rows]
            free.put([buffer for buffer, _ in item])
    finally:
        free.put(None)
        answers.put(False)
        # At the end of the program no thread but this one goes on any more.
        if not (waits or sys.is_finalizing()):
            reader.join()
