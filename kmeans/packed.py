"""Rows that lie in a file in records alike in all but their numbers: any thread can find any of them."""

from dataclasses import dataclass, field


@dataclass
class PackedRows:
    """A stretch of such records.

    Attributes
    ----------
    file
        Descriptor of a regular file.
    begin
        The byte where the first of them begins that is not taken yet.
    stride
        Bytes from one to the next.
    head
        The bytes of a record before its numbers, at least `kmeans.packed_kernel.WORD`. The numbers are float32, little
        endian, one after the other.
    n_rows
        How many records the file has room for. What they hold is for those to check who read them.
    taken
        How many were taken.
    """

    file: int
    begin: int
    stride: int
    head: bytes
    n_rows: int
    taken: int = field(default=0)

    def take(self, n_rows: int) -> None:
        """Be told that the first rows were taken."""
        self.begin += n_rows * self.stride
        self.n_rows -= n_rows
        self.taken += n_rows
