"""A sliding window on a stream: the bytes that have come and are not consumed yet."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.formats.errors import FormatError


class Window:
    """The bytes of a stream from the first one that is not yet consumed.

    Parameters
    ----------
    stream : RawIOBase or BytesIO
        Read to its end, in large pieces.
    size : int
        Bytes to hold. A record that does not fit makes the window grow, but only once it is full of bytes that really
        came: what a header claims allocates nothing.
    max_size : int
        The size up to which it may grow.
    asked : int or None
        Bytes to ask the stream for at once, unless a record is larger; None for as many as there is room for.

    Attributes
    ----------
    buffer : ndarray of uint8, shape (n,)
        Holds the bytes; another array after a call of `fill` or `turn`.
    begin, end : int
        The bytes are ``buffer[begin:end]``; their consumer moves `begin`.
    bytes_read : int
        The bytes that came, consumed or not.
    asked : int
        As given.
    short : bool
        Whether the last read returned less than it asked for: the stream has ended, or has no more yet.
    """

    def __init__(
        self,
        stream: io.RawIOBase | io.BytesIO,
        size: int = 1 << 20,
        max_size: int = 1 << 30,
        asked: int | None = None,
    ) -> None:
        self.buffer: NDArray[np.uint8] = np.empty(size, np.uint8)
        self.begin = 0
        self.end = 0
        self.bytes_read = 0
        self.short = False
        self._stream = stream
        self._size: Final = size
        self._max_size: Final = max_size
        self.asked: Final = asked or max_size
        self._other: NDArray[np.uint8] | None = None

    @property
    def content(self) -> memoryview:
        """The bytes, valid until the next call of `fill`."""
        return self.buffer.data[self.begin : self.end]

    def fill(self) -> bool:
        """Read what the stream has, as far as there is room; return whether anything came.

        A file fills the window. Of a pipe, only what it holds is read: rows that came do not wait for those that
        follow. A pipe is waited for only if a record is larger than the window.

        Raises
        ------
        FormatError
            If the window is full and may not grow.
        """
        kept = self.end - self.begin
        target = self.buffer
        if kept == len(target):
            if kept >= self._max_size:
                raise FormatError(f"expected a record of fewer than {self._max_size} bytes, got a longer one")
            target = np.empty(min(2 * kept, self._max_size), np.uint8)
        if self.begin or target is not self.buffer:
            target[:kept] = self.buffer[self.begin : self.end]
        asked = target.data[kept : kept + self.asked]
        end = kept + (self._stream.readinto(asked) or 0)
        self.short = end - kept < len(asked)
        # Whoever looks for the end of a record begins at its beginning each time; for a long one that must be rare.
        while kept >= self._size and end < len(target) and (count := self._stream.readinto(target.data[end:])):
            end += count
        self.buffer, self.begin, self.end = target, 0, end
        self.bytes_read += end - kept
        return end > kept

    def move_on(self, position: int) -> None:
        """Resume at a later place of a file; the bytes between count as read."""
        self.bytes_read += position - self._stream.tell()
        self._stream.seek(position)
        self.begin = self.end = 0

    @property
    def position(self) -> int:
        """The place in the file of the first byte that is not consumed."""
        return self._stream.tell() - (self.end - self.begin)

    def turn(self) -> None:
        """Move the bytes to the beginning of another buffer; the old one stays as it is until the next turn."""
        kept, full = self.end - self.begin, self.buffer
        other = self._other
        if other is None or len(other) != len(full):
            other = np.empty_like(full)
        other[:kept] = full[self.begin : self.end]
        self.buffer, self._other, self.begin, self.end = other, full, 0, kept

    @property
    def room(self) -> int:
        """Bytes that can be read behind those that are there."""
        return len(self.buffer) - self.end

    def extend(self) -> None:
        """Read on, behind the bytes that are there. None of them is moved: other threads may be reading them."""
        asked = self.buffer.data[self.end : self.end + self.asked]
        self.short = True
        count = self._stream.readinto(asked) or 0
        self.short = count < len(asked)
        self.end += count
        self.bytes_read += count
