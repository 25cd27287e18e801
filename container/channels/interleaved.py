"""Reading between steps of the computation: on a single core, a thread that reads ahead would only be in its way."""

from collections.abc import Callable, Iterator

from container.channels.prefetch import MOST_BYTES, Filled, PackingFill
from kmeans.packed_rows import PackedRows
from kmeans.source import Stretch
from kmeans.types import FloatArray

# Blocks that may be ready, or be being read, beside the one that is computed with. Hosts wait for each other now and
# then, and whoever waits gets ahead.
MOST_AHEAD = 4


class Interleaved(Iterator[Stretch]):
    """Blocks in their order, read when they are asked for, or before that in moments in which there is time.

    Parameters
    ----------
    fill : callable
        Gives buffers with the number of rows filled in each, which it takes from the callable it is given; None
        wherever reading may pause amid one. Packed rows are taken by whoever gets them; until then nothing else is
        read.
    new_buffer : callable
        Makes a buffer; all of them together take no more than `MOST_BYTES`, unless two do.
    """

    def __init__(self, fill: PackingFill, new_buffer: Callable[[], FloatArray]) -> None:
        first = new_buffer()
        ahead = max(1, min(MOST_AHEAD, MOST_BYTES // max(1, first.nbytes) - 1))
        # What was used last is taken first, for it is in the processor's cache.
        self._free = [*(new_buffer() for _ in range(ahead)), first]
        self._ready: list[Filled | PackedRows] = []
        self._given: FloatArray | None = None
        self._packed: PackedRows | None = None
        self._amid_buffer = False
        self._ended = False
        self._error: Exception | None = None
        self._reading = fill(self._free.pop)

    def __next__(self) -> Stretch:
        """Return the next block, float32 (n, d), or packed rows, valid until the next one is asked for.

        Raises
        ------
        Exception
            What `fill` raises, in its place among the blocks.
        """
        if self._given is not None:
            self._free.append(self._given)
            self._given = None
        if not self._ready:
            # They have been given.
            self._packed = None
        while not (self._ready or self._ended):
            self.read_ahead()
        if self._ready:
            item = self._ready.pop(0)
            if isinstance(item, PackedRows):
                return item
            self._given, n_rows = item
            return self._given[:n_rows]
        if self._error is not None:
            raise self._error
        raise StopIteration

    def read_ahead(self) -> bool:
        """Read to the next pause, where there is room; tell whether there is more to read, and room for it."""
        if not self._may_read:
            return False
        try:
            filled = next(self._reading)
        except StopIteration:
            self._ended = True
        except Exception as error:
            self._ended, self._error = True, error
        else:
            self._amid_buffer = filled is None
            if isinstance(filled, PackedRows):
                self._packed = filled
            if filled:
                self._ready.append(filled)
        return self._may_read

    @property
    def _may_read(self) -> bool:
        return not self._ended and self._packed is None and (self._amid_buffer or bool(self._free))
