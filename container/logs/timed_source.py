"""A source of rows that measures how long it takes."""

import time
from collections.abc import Iterator
from typing import TypeVar

import numpy as np

from container.channels.channel import Channel
from kmeans.points import Rows
from kmeans.source import Stretch
from kmeans.types import DoubleArray

Item = TypeVar("Item")


class TimedSource:
    """Passes on the rows of another source; see `kmeans.source.RowSource` for its methods.

    Parameters
    ----------
    source : Source
        Where the rows come from.

    Attributes
    ----------
    seconds : float
        Spent waiting for rows.
    """

    def __init__(self, source: Channel) -> None:
        self.source = source
        self.rereadable = source.rereadable
        self.shared = source.shared
        self.seconds = 0.0

    def blocks(self, skip: int = 0) -> Iterator[Rows]:
        """Yield the rows once, in blocks."""
        return self._timed(self.source.blocks(skip))

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        """Yield the rows once, in stretches."""
        return self._timed(self.source.stretches(skip))

    def _timed(self, items: Iterator[Item]) -> Iterator[Item]:
        while True:
            began = time.perf_counter()
            item = next(items, None)
            self.seconds += time.perf_counter() - began
            if item is None:
                return
            yield item

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points from elsewhere in the coordinates of the rows."""
        return self.source.relative(points)

    def read_ahead(self) -> bool:
        """Prepare some of the blocks to come; return whether there is more to do."""
        began = time.perf_counter()
        more = self.source.read_ahead()
        self.seconds += time.perf_counter() - began
        return more

    def sample(self, size: int, rng: np.random.Generator) -> tuple[Rows, int]:
        """Draw rows."""
        began = time.perf_counter()
        drawn = self.source.sample(size, rng)
        self.seconds += time.perf_counter() - began
        return drawn
