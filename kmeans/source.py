"""What training asks of the rows."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from kmeans.packed_rows import PackedRows
from kmeans.types import DoubleArray, FloatArray

# A block of a mini-batch, or several mini-batches in a file.
Stretch = FloatArray | PackedRows


class GivenUpError(Exception):
    """The job is to stop, and the rows are not waited for."""


class Source(Protocol):
    """Where the rows of this host come from."""

    @property
    def rereadable(self) -> bool:
        """Whether rows can be drawn before the first pass."""
        ...

    @property
    def shared(self) -> bool:
        """Whether every host can draw from the rows of all hosts, of which `blocks` gives its share."""
        ...

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        """Give one pass over the rows, float32 (n, d) each, valid until the next; the first `skip` are left out.

        A mini-batch is a block, or several where it is large; none holds rows of two mini-batches.
        """
        ...

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        """Give one pass over the rows as `blocks` does, but to a single host many mini-batches at a time.

        They come as a block of several of them, of which the last one of all may have fewer rows, or as they lie in a
        file; what is not taken of these comes in blocks.
        """
        ...

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points from elsewhere, float64 (n, d), in the coordinates of the rows, once the first have come."""
        ...

    def read_ahead(self) -> bool:
        """Use a moment in which nothing can be computed for the blocks to come; tell whether there is more to do."""
        ...

    def sample(self, size: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """Draw `size` rows uniformly without replacement, or all when there are fewer; tell how many there are.

        Raises `GivenUpError` when the job is to stop, and that would take too long.
        """
        ...
