"""Reading between steps of the computation: on a single core, a thread that reads ahead would only get in its way."""

from collections.abc import Callable, Iterator
from typing import cast

from container.channels.prefetch import MAX_BYTES, Buffer, Filled, PackingFill
from kmeans.packed_rows import PackedRows

# Blocks that may be ready, or be being read, in addition to the one in use. Hosts wait for each other now and then, and
# a host that waits reads ahead.
MAX_AHEAD = 4


class Interleaved(Iterator[Buffer | PackedRows]):
    """Blocks in their order, read when they are asked for, or before that when there is time.

    Parameters
    ----------
    fill : callable
        Yields buffers with the number of rows filled in each, empty ones of which it takes from its argument; None
        wherever reading may pause in the middle of one. The caller takes packed rows; until then nothing else is read.
    new_buffer : callable
        Returns a new buffer; all of them together take no more than `MAX_BYTES`, unless two do.
    """

    def __init__(self, fill: PackingFill[Buffer], new_buffer: Callable[[], Buffer]) -> None:
        first = new_buffer()
        ahead = max(1, min(MAX_AHEAD, MAX_BYTES // max(1, first.nbytes) - 1))
        # The buffer that was used last is taken first, because it is in the processor's cache.
        self._free = [*(new_buffer() for _ in range(ahead)), first]
        self._ready: list[Filled[Buffer] | PackedRows] = []
        self._lent: Buffer | None = None
        self._packed: PackedRows | None = None
        self._in_buffer = False
        self._ended = False
        self._error: Exception | None = None
        self._reading = fill(self._free.pop)

    def __next__(self) -> Buffer | PackedRows:
        """Return the next block, or packed rows; valid until the next call.

        Raises
        ------
        Exception
            Whatever `fill` raises, in its place among the blocks.
        """
        if self._lent is not None:
            self._free.append(self._lent)
            self._lent = None
        if not self._ready:
            # They have been handed out.
            self._packed = None
        while not (self._ready or self._ended):
            self.read_ahead()
        if self._ready:
            item = self._ready.pop(0)
            if isinstance(item, PackedRows):
                return item
            self._lent, n_rows = item
            return cast(Buffer, self._lent[:n_rows])
        if self._error is not None:
            raise self._error
        raise StopIteration

    def read_ahead(self) -> bool:
        """Read to the next pause, if there is room; return whether there is more to read, and room for it."""
        if not self._may_read:
            return False
        try:
            filled = next(self._reading)
        except StopIteration:
            self._ended = True
        except Exception as error:
            self._ended, self._error = True, error
        else:
            self._in_buffer = filled is None
            if isinstance(filled, PackedRows):
                self._packed = filled
            if filled:
                self._ready.append(filled)
        return self._may_read

    @property
    def _may_read(self) -> bool:
        return not self._ended and self._packed is None and (self._in_buffer or bool(self._free))
