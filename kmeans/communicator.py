"""What the algorithm asks of the hosts of a job; every host makes the same calls in the same order."""

from typing import Protocol

import numpy as np

from kmeans.types import DoubleArray


class Communicator(Protocol):
    """The hosts that train one model together."""

    @property
    def rank(self) -> int:
        """Place of this host, from 0; the leader has 0."""
        ...

    @property
    def size(self) -> int:
        """How many hosts there are."""
        ...

    def sum(self, values: DoubleArray) -> None:
        """Replace `values`, on every host, by their sums over the hosts."""
        ...

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Give every host the rows of all hosts, in the order of the ranks."""
        ...


class SingleHost:
    """A job of one host: nothing to exchange."""

    rank = 0
    size = 1

    def sum(self, values: DoubleArray) -> None:
        """Leave `values` as they are."""

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Give `rows` back."""
        return rows
