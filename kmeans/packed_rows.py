"""Rows of which any thread can find any: in memory, or in a file in records alike in all but their numbers."""

from dataclasses import dataclass

import numpy as np

from kmeans.types import FloatArray

# In place of a file's descriptor.
NO_FILE = -1


@dataclass
class PackedRows:
    """A stretch of such rows.

    Attributes
    ----------
    n_rows
        How many there are that are not taken yet. What a file holds is for those to check who read it.
    file
        Descriptor of a regular file; `NO_FILE` of rows in memory.
    begin
        The byte where the first record begins that is not taken yet.
    stride
        Bytes from one to the next.
    head
        The bytes of a record before its numbers, at least `kmeans.packed_kernel.WORD`. The numbers are float32, little
        endian, one after the other.
    memory
        float32 (n, d): rows in memory; of a file none.
    taken
        How many were taken.
    """

    n_rows: int
    file: int
    begin: int
    stride: int
    head: bytes
    memory: FloatArray
    taken: int = 0

    @classmethod
    def of_memory(cls, rows: FloatArray) -> "PackedRows":
        """Return rows, float32 (n, d), as a stretch; they must be finite."""
        return cls(len(rows), NO_FILE, 0, 0, b"", rows)

    @classmethod
    def of_file(cls, n_rows: int, file: int, begin: int, stride: int, head: bytes, n_features: int) -> "PackedRows":
        """Return records in a file as a stretch."""
        return cls(n_rows, file, begin, stride, head, np.empty((0, n_features), np.float32))

    @property
    def in_memory(self) -> bool:
        """Whether they are."""
        return self.file == NO_FILE

    def take(self, n_rows: int) -> None:
        """Be told that the first rows were taken."""
        self.begin += n_rows * self.stride
        self.n_rows -= n_rows
        self.taken += n_rows

    def next_block(self, most: int) -> FloatArray:
        """Take up to so many rows that are in memory, and return them."""
        block = self.memory[self.taken : self.taken + most]
        self.take(len(block))
        return block
