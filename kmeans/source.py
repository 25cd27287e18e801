"""What training asks of the rows."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from kmeans.packed_rows import PackedRows
from kmeans.points import Rows
from kmeans.types import DoubleArray

# A block of a mini-batch, or several mini-batches in a file.
Stretch = Rows | PackedRows


class GivenUpError(Exception):
    """The job is to stop, and the source does not wait for further rows."""


class RowSource(Protocol):
    """Where the rows of this host come from."""

    @property
    def rereadable(self) -> bool:
        """Whether the rows can be read more than once, and drawn before the first pass."""
        ...

    @property
    def shared(self) -> bool:
        """Whether every host can draw from the rows of all hosts; `blocks` yields this host's share of them."""
        ...

    def blocks(self, skip: int = 0) -> Iterator[Rows]:
        """Yield the rows once, in blocks.

        A mini-batch is a block, or several where it is large; no block has rows of two mini-batches.

        Parameters
        ----------
        skip : int
            The number of rows at the beginning to skip.

        Yields
        ------
        ndarray of float32, shape (n, d), or WeightedPoints
            Valid until the next one. Weights are there if `TrainingSettings.weighted` says so, and more than 0.
        """
        ...

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        """Yield the rows once, as `blocks` does, but many mini-batches at a time if there is a single host.

        They come as a block of several mini-batches, of which only the last of all may have fewer rows, or as they lie
        in a file. Rows in the file that the caller does not take follow in blocks.
        """
        ...

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points from elsewhere in the coordinates of the rows, which are known once the first rows have come.

        Parameters
        ----------
        points : ndarray of float64, shape (n, d)
            In the units of the data.

        Returns
        -------
        ndarray of float64, shape (n, d)
        """
        ...

    def read_ahead(self) -> bool:
        """Prepare some of the blocks to come; return whether there is more to do.

        Called at moments in which nothing can be computed.
        """
        ...

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Rows, int]:
        """Draw rows uniformly, without replacement, whatever their weights.

        Parameters
        ----------
        size : int
            The number of rows; all are taken when there are fewer.
        rng : numpy.random.Generator
            The source of randomness.

        Returns
        -------
        rows : ndarray of float32, shape (n, d), or WeightedPoints
            The rows.
        n_rows : int
            The number of rows that there are.

        Raises
        ------
        GivenUpError
            If the job is to stop, and drawing would take too long.
        """
        ...
