"""What rows of a mini-batch weigh, by their own weights and by their age.

Time passes with each row of all hosts: a row of weight 3 takes the time of three rows, and weighs at its end what these
would weigh together. The rows of hosts count as taken in turns; where they have weights, as if those of all hosts had
the same.
"""

import math
from typing import NamedTuple

import numpy as np

from kmeans.types import DoubleArray


class Turns(NamedTuple):
    """How the rows of hosts follow each other.

    Attributes
    ----------
    hosts : int
        The number of hosts that take turns.
    turn : int
        The place of this one among them.
    """

    hosts: int
    turn: int


class RowsInTime(NamedTuple):
    """Rows of a block in time.

    Attributes
    ----------
    positions : ndarray of float64, shape (n,)
        When the rows count, in rows of all hosts.
    weights : ndarray of float64, shape (n,)
        What they weigh at the end of the block.
    total : float
        The number of rows that they count as.
    """

    positions: DoubleArray
    weights: DoubleArray
    total: float


def together(weights: DoubleArray, rate: float) -> DoubleArray:
    """Return the decayed weights of rows that each stand for several rows, at the last of these.

    Parameters
    ----------
    weights : ndarray of float64, shape (n,)
        The number of rows that each is taken as; it need not be whole.
    rate : float
        What the logarithm of a weight falls by from one of these rows to the next; 0 for no decay.

    Returns
    -------
    ndarray of float64, shape (n,)
        The sum of a geometric series for each.
    """
    sums: DoubleArray = np.expm1(-rate * weights) / math.expm1(-rate) if rate else weights
    return sums


class RowWeights:
    """Weights of rows that decay.

    Parameters
    ----------
    half_life : int
        After how many further rows a row weighs 1/2; 0 for no decay.
    """

    def __init__(self, half_life: int) -> None:
        self._half_life = half_life
        self._known: tuple[tuple[int, Turns], DoubleArray] = (0, Turns(0, 0)), np.empty(0)

    def decay(self, n_rows: float) -> float:
        """Return the factor of weights after further rows of all hosts, as many as `n_rows`."""
        return float(np.exp2(-n_rows / self._half_life)) if self._half_life else 1.0

    def alike(self, n_rows: int, turns: Turns) -> DoubleArray:
        """Return what rows without weights of their own weigh at the end of a block, float64 (n_rows,)."""
        known, weights = self._known
        if known != (n_rows, turns):
            if self._half_life:
                # Relative to the latest row of all hosts, were this block the last one and every host's as long.
                ages = turns.hosts * np.arange(1 - n_rows, 1) - (turns.hosts - 1 - turns.turn)
                weights = np.exp2(ages / self._half_life)
            else:
                weights = np.ones(n_rows)
            # Most mini-batches have the same size.
            self._known = (n_rows, turns), weights
        return weights

    def of(self, given: DoubleArray, turns: Turns, begin: float) -> RowsInTime:
        """Return when weighted rows count, and what they weigh.

        Parameters
        ----------
        given : ndarray of float64, shape (n,)
            Their weights.
        turns : Turns
            How the rows of hosts follow each other.
        begin : float
            The position of the last row before the block.

        Returns
        -------
        RowsInTime
            The rows, in their order.
        """
        ends = np.cumsum(given)
        positions, total = begin + turns.turn + turns.hosts * ends, float(ends[-1])
        if not self._half_life:
            return RowsInTime(positions, given, total)
        own = together(given, math.log(2) * turns.hosts / self._half_life)
        ages = turns.hosts * (ends - total) - (turns.hosts - 1 - turns.turn)
        return RowsInTime(positions, own * np.exp2(ages / self._half_life), total)
