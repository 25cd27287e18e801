"""Reading ahead: the next blocks are read and decoded while the computation uses this one."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar, cast, overload

from kmeans.packed_rows import PackedRows
from kmeans.points import Rows

# Small buffers change hands in groups, since waking the other thread takes as long as decoding a few of them. A group
# has at most this many buffers, and this many bytes unless it is a single one.
MAX_TOGETHER, BYTES_TOGETHER = 8, 1 << 20
# The rows of one group are processed while another is filled. There are more groups of small buffers, so that neither
# side stalls on a single slow block. Buffers that fit into the processor's cache are written to faster.
MIN_GROUPS, MAX_GROUPS = 2, 4
MAX_BYTES = 16 << 20
# The priority of the thread that reads; that of all others is 0.
NICENESS = 10

# The kind of the buffers.
Buffer = TypeVar("Buffer", bound=Rows)
# A buffer, and the number of rows in it.
Filled = tuple[Buffer, int]
# Yields None wherever reading could pause in the middle of a buffer.
Fill = Callable[[Callable[[], Buffer]], Iterator[Filled[Buffer] | None]]
# Also yields packed rows. Whoever gets them takes some; nothing else is read until then.
PackingFill = Callable[[Callable[[], Buffer]], Iterator[Filled[Buffer] | PackedRows | None]]


class _AbandonedError(Exception):
    """The consumer wants no further blocks."""


@overload
def prefetched(fill: Fill[Buffer], new_buffer: Callable[[], Buffer], *, waits: bool) -> Iterator[Buffer]: ...


@overload
def prefetched(
    fill: PackingFill[Buffer], new_buffer: Callable[[], Buffer], *, waits: bool
) -> Iterator[Buffer | PackedRows]: ...


def prefetched(
    fill: PackingFill[Buffer], new_buffer: Callable[[], Buffer], *, waits: bool
) -> Iterator[Buffer | PackedRows]:
    """Yield blocks in their order, while a thread reads ahead.

    Parameters
    ----------
    fill : callable
        Yields buffers with the number of rows filled in each; it takes empty ones from its argument.
    new_buffer : callable
        Returns a new buffer; all of them together take no more than `MAX_BYTES`, unless two do.
    waits : bool
        Whether reading may wait forever for what another process sends. Buffers then change hands one by one, and an
        abandoned thread is not waited for; it ends with the process.

    Yields
    ------
    ndarray of float32, shape (n, d), WeightedPoints or PackedRows
        Valid until the next one is asked for.

    Raises
    ------
    Exception
        Whatever `fill` raises, in its place among the blocks.
    """
    free: SimpleQueue[list[Buffer] | None] = SimpleQueue()
    ready: SimpleQueue[list[Filled[Buffer]] | PackedRows | BaseException | None] = SimpleQueue()
    # Whether more is wanted, said when packed rows are done with.
    answers: SimpleQueue[bool] = SimpleQueue()
    first = new_buffer()
    together = 1 if waits else max(1, min(MAX_TOGETHER, BYTES_TOGETHER // max(1, first.nbytes)))
    groups = max(MIN_GROUPS, min(MAX_GROUPS, MAX_BYTES // max(1, together * first.nbytes)))
    free.put([first, *(new_buffer() for _ in range(together - 1))])
    for _ in range(groups - 1):
        free.put([new_buffer() for _ in range(together)])
    # Used by the reading thread alone.
    taken: list[Buffer] = []
    done: list[Filled[Buffer]] = []

    def hand_over() -> None:
        if done:
            ready.put(done.copy())
            done.clear()

    def take() -> Buffer:
        if not taken:
            hand_over()
            group = free.get()
            if group is None:
                raise _AbandonedError
            taken.extend(group)
        return taken.pop()

    def run() -> None:
        # While there are blocks, the computation need not wait for this thread, which therefore has a low priority. If
        # both share a core, reading fills the gaps: hosts that wait for each other at every step then take the same
        # time for it. If the system does not let a thread have a priority of its own, it has that of all others.
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
                yield cast(Buffer, buffer[:n_rows])
            free.put([buffer for buffer, _ in item])
    finally:
        free.put(None)
        answers.put(False)
        # At the end of the program no thread but this one runs any more.
        if not (waits or sys.is_finalizing()):
            reader.join()
