"""Rows that any thread can find by number: in memory, or in a file in records alike in all but their numbers."""

from dataclasses import dataclass, field

import numpy as np

from kmeans.types import DoubleArray, FloatArray

# Takes the place of a file's descriptor.
NO_FILE = -1


@dataclass
class PackedRows:
    """A stretch of such rows.

    Attributes
    ----------
    n_rows : int
        Rows that are not taken yet. What lies in a file is not checked before it is read.
    file : int
        Descriptor of a regular file; `NO_FILE` for rows in memory.
    begin : int
        The byte where the first record begins that is not taken yet.
    stride : int
        Bytes from one record to the next.
    head : bytes
        The bytes of a record before its numbers, at least `kmeans.kernels.packed.WORD`. The numbers are float32, little
        endian, one after the other.
    memory : ndarray of float32, shape (n, d)
        Rows in memory; none for a file.
    taken : int
        Rows that were taken.
    origin : ndarray of float64, shape (d,) or (0,)
        What is subtracted from the numbers in a file; empty where they are the rows.
    scales : ndarray of float64, shape (d,) or (0,)
        What the differences are divided by, before they are rounded to float32.
    unit : bool
        Whether rows in a file are then scaled to length 1.
    """

    n_rows: int
    file: int
    begin: int
    stride: int
    head: bytes
    memory: FloatArray
    taken: int = 0
    origin: DoubleArray = field(default_factory=lambda: np.empty(0))
    scales: DoubleArray = field(default_factory=lambda: np.empty(0))
    unit: bool = False

    @classmethod
    def of_memory(cls, rows: FloatArray) -> "PackedRows":
        """Return rows in memory, which must be finite, as a stretch.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, d)
            The rows.

        Returns
        -------
        PackedRows
            The rows are not copied.
        """
        return cls(len(rows), NO_FILE, 0, 0, b"", rows)

    @classmethod
    def of_file(cls, n_rows: int, file: int, begin: int, stride: int, head: bytes, n_features: int) -> "PackedRows":
        """Return records in a file as a stretch."""
        return cls(n_rows, file, begin, stride, head, np.empty((0, n_features), np.float32))

    @property
    def in_memory(self) -> bool:
        """Whether the rows are in memory."""
        return self.file == NO_FILE

    def take(self, n_rows: int) -> None:
        """Mark the first `n_rows` rows as taken."""
        self.begin += n_rows * self.stride
        self.n_rows -= n_rows
        self.taken += n_rows

    def next_block(self, max_rows: int) -> FloatArray:
        """Take up to `max_rows` rows that are in memory, and return them."""
        block = self.memory[self.taken : self.taken + max_rows]
        self.take(len(block))
        return block
