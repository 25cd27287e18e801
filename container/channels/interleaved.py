"""Reading between steps of the computation: on a single core, a thread that reads ahead would only be in its way."""

from collections.abc import Callable, Iterator

from container.channels.prefetch import MOST_BYTES, Fill, Filled
from kmeans.types import FloatArray

# Blocks that may be ready, or be being read, beside the one that is computed with. Hosts wait for each other now and
# then, and whoever waits gets ahead.
MOST_AHEAD = 4


class Interleaved(Iterator[FloatArray]):
    """Blocks in their order, read when they are asked for, or before that in moments in which there is time.

    Parameters
    ----------
    fill : callable
        Gives buffers with the number of rows filled in each, which it takes from the callable it is given; None
        wherever reading may pause amid one.
    new_buffer : callable
        Makes a buffer; all of them together take no more than `MOST_BYTES`, unless two do.
    """

    def __init__(self, fill: Fill, new_buffer: Callable[[], FloatArray]) -> None:
        first = new_buffer()
        ahead = max(1, min(MOST_AHEAD, MOST_BYTES // max(1, first.nbytes) - 1))
        # What was used last is taken first, for it is in the processor's cache.
        self._free = [*(new_buffer() for _ in range(ahead)), first]
        self._ready: list[Filled] = []
        self._given: FloatArray | None = None
        self._amid_buffer = False
        self._ended = False
        self._error: Exception | None = None
        self._reading = fill(self._free.pop)

    def __next__(self) -> FloatArray:
        """Give the next block, float32 (n, d), valid until the one after it is asked for.

        Raises
        ------
        Exception
            What `fill` raises, in its place among the blocks.
        """
        if self._given is not None:
            self._free.append(self._given)
            self._given = None
        while not (self._ready or self._ended):
            self.read_ahead()
        if self._ready:
            self._given, n_rows = self._ready.pop(0)
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
            if filled:
                self._ready.append(filled)
        return self._may_read

    @property
    def _may_read(self) -> bool:
        return not self._ended and (self._amid_buffer or bool(self._free))
