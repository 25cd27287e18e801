"""Rows of a mini-batch that may be kept: in the sample, or among the farthest rows.

Whether a row may be kept depends on two numbers of its own, known before anything else is done with it: a draw, and its
distance. The draw of a row is a function of its number, so that any thread can make it, in any order.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmeans.kernels.draws import choose
from kmeans.types import DoubleArray, FloatArray, LabelArray


class Limits(NamedTuple):
    """What a row must exceed, one or the other, to be a candidate.

    Attributes
    ----------
    key : uint64
        The key of the draws; see `kmeans.kernels.draws.draw`.
    draw : float
        A row with a larger draw is a candidate.
    squared_distance : float
        So is a row that is farther from its center.
    """

    key: np.uint64
    draw: float
    squared_distance: float


class AssignedRows(NamedTuple):
    """What is known of the rows of a block, in their order, once they are assigned.

    Attributes
    ----------
    labels : ndarray of int64, shape (n,)
        The nearest center of each.
    positions : ndarray of float64, shape (n,)
        Their places among the rows of all hosts: whole numbers, but sums where rows have weights.
    squared_distances : ndarray of float64, shape (n,)
        To their centers as they were.
    weights : ndarray of float64, shape (n,), or None
        Their own weights, without decay; None where each counts once.
    """

    labels: LabelArray
    positions: DoubleArray
    squared_distances: DoubleArray
    weights: DoubleArray | None = None


@dataclass(frozen=True)
class Candidates:
    """Rows that may be kept, in the order of the stream.

    Attributes
    ----------
    source : ndarray of float32, shape (m, d)
        An array that has the rows. They are not copied before it is known that they are kept.
    places : ndarray of int64, shape (n,)
        Where they are in it.
    labels : ndarray of int64, shape (n,)
        Their centers.
    numbers : ndarray of int64, shape (n,)
        Their places among the rows of this host.
    positions : ndarray of float64, shape (n,)
        Their places among the rows of all hosts; see `AssignedRows`.
    draws : ndarray of float64, shape (n,)
        Their draws, in (0, 1).
    squared_distances : ndarray of float64, shape (n,)
        To their centers as they were.
    weights : ndarray of float64, shape (n,), or None
        See `AssignedRows`.
    """

    source: FloatArray
    places: LabelArray
    labels: LabelArray
    numbers: LabelArray
    positions: DoubleArray
    draws: DoubleArray
    squared_distances: DoubleArray
    weights: DoubleArray | None = None

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.places)

    def part(self, some: slice) -> "Candidates":
        """Return a part of them."""
        return Candidates(
            self.source,
            self.places[some],
            self.labels[some],
            self.numbers[some],
            self.positions[some],
            self.draws[some],
            self.squared_distances[some],
            None if self.weights is None else self.weights[some],
        )


def key_of(rng: np.random.Generator) -> np.uint64:
    """Return a random key for the draws of rows."""
    return np.uint64(rng.integers(0, 2**64, dtype=np.uint64))


def candidates_among(block: FloatArray, assigned: AssignedRows, first_number: int, limits: Limits) -> Candidates:
    """Return the candidates among the rows of a block.

    Parameters
    ----------
    block : ndarray of float32, shape (n, d)
        The rows.
    assigned : AssignedRows
        What is known of them.
    first_number : int
        The place of the first one among the rows of this host.
    limits : Limits
        What makes a row a candidate.

    Returns
    -------
    Candidates
        In the order of the block, which must stay unchanged while they are used.
    """
    key, least_draw, least_distance = limits
    squared_distances = assigned.squared_distances
    chosen: NDArray[np.int64] = np.empty(len(block), np.int64)
    draws: DoubleArray = np.empty(len(block))
    with np.errstate(over="ignore"):
        count = choose(key, first_number, squared_distances, least_draw, least_distance, chosen, draws)
    chosen = chosen[:count]
    return Candidates(
        source=block,
        places=chosen,
        labels=assigned.labels[chosen],
        numbers=first_number + chosen,
        positions=assigned.positions[chosen],
        draws=draws[:count],
        squared_distances=squared_distances[chosen],
        weights=None if assigned.weights is None else assigned.weights[chosen],
    )
