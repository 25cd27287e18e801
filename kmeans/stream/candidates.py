"""Rows of a mini-batch that may stay: in the sample, or among the farthest rows.

Whether a row may is decided by two numbers of its own, before anything else is done with it: a draw, and its distance.
The draw of a row is a function of its number, so that any thread can make it, in any order.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kmeans.kernels.jit import kernel
from kmeans.types import DoubleArray, FloatArray, LabelArray

# SplitMix64 (Steele, Lea & Flood 2014): the step between two states, and how a state becomes a number.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
# Rows that are looked at together.
_AT_ONCE = 16
# Bits of a number that stay: halfway between two of them, no draw is 0 or 1.
_DROPPED, _SCALE = np.uint64(12), 2.0**-52


class Limits(NamedTuple):
    """What a row must reach to be a candidate.

    Attributes
    ----------
    draw
        A row with a larger draw is one.
    squared_distance
        So is one that is farther from its center.
    """

    draw: float
    squared_distance: float


@dataclass(frozen=True)
class Candidates:
    """Rows that may stay, in the order of the stream.

    Attributes
    ----------
    source, places
        float32 (m, d), and int64 (n,): the rows, and which of them these are. They are not copied before it is known
        that they stay.
    labels
        int64 (n,): their centers.
    numbers
        int64 (n,): their places among the rows of this host.
    positions
        float64 (n,): their places among the rows of all hosts, whole numbers.
    draws
        float64 (n,) in (0, 1).
    squared_distances
        float64 (n,): to their centers as they were.
    """

    source: FloatArray
    places: LabelArray
    labels: LabelArray
    numbers: LabelArray
    positions: DoubleArray
    draws: DoubleArray
    squared_distances: DoubleArray

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)

    def part(self, some: slice) -> "Candidates":
        """Return some of them."""
        return Candidates(
            self.source,
            self.places[some],
            self.labels[some],
            self.numbers[some],
            self.positions[some],
            self.draws[some],
            self.squared_distances[some],
        )


@kernel("float64(uint64, int64)")
def draw(key: np.uint64, number: int) -> float:
    """Return the draw of a row, uniform in (0, 1)."""
    bits = key + np.uint64(number) * _STEP
    bits = (bits ^ (bits >> _SHIFTS[0])) * _FACTORS[0]
    bits = (bits ^ (bits >> _SHIFTS[1])) * _FACTORS[1]
    bits ^= bits >> _SHIFTS[2]
    return (np.float64(bits >> _DROPPED) + 0.5) * _SCALE


@kernel("int64(uint64, int64, float64[::1], float64, float64, int64[::1], float64[::1])")
def choose(
    key: np.uint64,  # IN
    first_number: int,  # IN: of the rows
    squared_distances: DoubleArray,  # IN (n,)
    least_draw: float,  # IN: see `Limits`
    least_distance: float,  # IN
    chosen: LabelArray,  # OUT (n,): which of the rows
    draws: DoubleArray,  # OUT (n,): of those
) -> int:
    """Find the candidates among some rows, and return how many there are."""
    count = 0
    # There are few: most of the time several rows are passed at once.
    for begin in range(0, len(squared_distances), _AT_ONCE):
        some = squared_distances[begin : begin + _AT_ONCE]
        hits = 0
        for i in range(len(some)):
            hits += (draw(key, first_number + begin + i) > least_draw) | (some[i] > least_distance)
        if hits:
            for i in range(len(some)):
                drawn = draw(key, first_number + begin + i)
                chosen[count], draws[count] = begin + i, drawn
                count += drawn > least_draw or some[i] > least_distance
    return count


def key_of(rng: np.random.Generator) -> np.uint64:
    """Return a key for `draw`."""
    return np.uint64(rng.integers(0, 2**64, dtype=np.uint64))


def candidates_among(
    block: FloatArray,
    labels: LabelArray,
    positions: DoubleArray,
    squared_distances: DoubleArray,
    first_number: int,
    key: np.uint64,
    limits: Limits,
) -> Candidates:
    """Return the candidates among the rows of a block; see `Candidates`."""
    chosen: NDArray[np.int64] = np.empty(len(block), np.int64)
    draws: DoubleArray = np.empty(len(block))
    with np.errstate(over="ignore"):
        count = choose(key, first_number, squared_distances, *limits, chosen, draws)
    chosen = chosen[:count]
    return Candidates(
        source=block,
        places=chosen,
        labels=labels[chosen],
        numbers=first_number + chosen,
        positions=positions[chosen],
        draws=draws[:count],
        squared_distances=squared_distances[chosen],
    )
