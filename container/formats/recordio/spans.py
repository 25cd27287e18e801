"""Byte strings in one buffer, without an object for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]

# Up to this length, it is quicker to copy strings byte by byte than to make an object of each.
_SHORT_BYTES = 24


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Where byte strings are.

    Attributes
    ----------
    data : bytes
        What holds them, and anything else.
    begins, ends : ndarray of int64, shape (n,)
        From 0 to the length of `data`, no end before its beginning.
    """

    data: bytes
    begins: Offsets
    ends: Offsets

    def __len__(self) -> int:
        return len(self.begins)

    def part(self, which: slice | Offsets) -> "Spans":
        """Return some of them."""
        return Spans(self.data, self.begins[which], self.ends[which])

    def groups(self) -> Iterator[tuple[Offsets, NDArray[np.uint8]]]:
        """Yield the strings of each length: which ones, and their bytes, ndarray of uint8, shape (n, length)."""
        lengths = self.ends - self.begins
        order = np.argsort(lengths, kind="stable")
        distinct, firsts = np.unique(lengths[order], return_index=True)
        for length, which in zip(distinct.tolist(), np.split(order, firsts[1:]), strict=False):
            if length:
                strings = windows(self.data, length)[self.begins[which]]
                yield which, strings.view(np.uint8).reshape(-1, length)
            else:
                yield which, np.empty((len(which), 0), np.uint8)

    def joined(self) -> NDArray[np.uint8]:
        """Return their bytes, one after the other."""
        lengths = self.ends - self.begins
        ends = np.cumsum(lengths)
        total = int(lengths.sum())
        if total > _SHORT_BYTES * len(self):
            return np.frombuffer(b"".join(self.strings()), np.uint8)
        places: Offsets = np.arange(total) + np.repeat(self.begins - ends + lengths, lengths)
        octets: NDArray[np.uint8] = np.frombuffer(self.data, np.uint8)[places]
        return octets

    def strings(self) -> list[bytes]:
        """Return them as objects."""
        data = self.data
        return [data[begin:end] for begin, end in zip(self.begins.tolist(), self.ends.tolist(), strict=True)]


def spans_of(strings: list[bytes]) -> Spans:
    """Concatenate byte strings into one buffer, with the span of each."""
    ends = np.cumsum([0, *map(len, strings)], dtype=np.int64)
    return Spans(b"".join(strings), ends[:-1], ends[1:])


def windows(buffer: bytes | NDArray[np.uint8], length: int) -> NDArray[Any]:
    """Return all strings of `length` bytes in a buffer, by where they begin: a view, writable if the buffer is."""
    return np.ndarray(max(0, len(buffer) - length + 1), f"V{length}", buffer, strides=(1,))
