"""Features whose values float32 can't distinguish, and what is done about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from container.precision.coordinates import PLAIN, Coordinates
from container.precision.scales import feature_name
from kmeans.types import BoolArray, DoubleArray, FloatArray, LabelArray

# Numbers in a column-wise piece of the rows.
_PIECE_NUMBERS: Final = 1 << 20
# Float32 is fine enough if half of the values span this many of its steps. Rounding then adds 1 / 400 to the mean
# squared distance even if 200 clusters share these steps: step^2 / 12 to width^2 / 12.
ENOUGH_STEPS: Final = 1 << 12
_MAX_NAMED: Final = 5
# Float32 has all whole numbers up to this one.
_WHOLE_NUMBERS: Final = 1 << 24


@dataclass(frozen=True)
class Coarse:
    """The features whose values float32 can't distinguish.

    Attributes
    ----------
    features : ndarray of int64, shape (m,)
        Their numbers, from 0.
    usual : ndarray of float32, shape (m,)
        A usual value of each.
    steps : ndarray of float64, shape (m,)
        From one float32 to the next, near that value.
    spreads : ndarray of float64, shape (m,)
        The width of the middle half of the distinct values.
    lost : ndarray of bool, shape (m,)
        Whether the values are neighbours among the float32 numbers, as if they had been rounded to them.
    """

    features: LabelArray
    usual: FloatArray
    steps: DoubleArray
    spreads: DoubleArray
    lost: BoolArray

    def coordinates(self, n_features: int) -> Coordinates:
        """Return coordinates in which float32 can distinguish the values of all features."""
        if not len(self.features):
            return PLAIN
        origin = np.zeros(n_features)
        origin[self.features] = self.usual
        return Coordinates(origin)

    def named(self, which: BoolArray, names: Sequence[str] | None = None) -> str:
        """Return some of the features in words, for a message; `names` are those of all features, if they have any."""
        parts = [
            f"{feature_name(int(feature), names)} (steps of {step:g}, half of the values within {spread:g})"
            for feature, step, spread in zip(
                self.features[which][:_MAX_NAMED], self.steps[which], self.spreads[which], strict=False
            )
        ]
        more = int(which.sum()) - len(parts)
        return ", ".join(parts) + (f" and {more} more" if more else "")


def coarse_features(rows: DoubleArray) -> Coarse:
    """Return the features whose values float32 can't distinguish.

    What counts is the spread of the distinct values, by their quartiles: neither a value that most rows have nor a few
    far ones hide how near the others are. A constant feature has no spread, and is not among them.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, d)
        Some rows, with all their digits; there may be none.

    Returns
    -------
    Coarse
        The features; there may be none.
    """
    step = max(1, _PIECE_NUMBERS // max(1, len(rows)))
    begins = range(0, rows.shape[1] if len(rows) else 0, step)
    found = [np.empty((0, 4)), *(_coarse_among(rows[:, begin : begin + step], begin) for begin in begins)]
    features, usual, steps, spreads = np.concatenate(found).T
    numbers = features.astype(np.int64)
    lost = np.array([_rounded(rows[:, feature]) for feature in numbers], bool)
    return Coarse(numbers, usual.astype(np.float32), steps, spreads, lost)


def _coarse_among(columns: DoubleArray, first: int) -> DoubleArray:
    """Return number, usual value, step and spread of each coarse column: ndarray of float64, shape (m, 4)."""
    ordered = np.sort(columns.T, axis=1)
    # The number of distinct values that are less than each.
    ranks = np.zeros(ordered.shape, np.int32)
    np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=ranks[:, 1:])
    last = ranks[:, -1]

    def value(rank: NDArray[np.int32]) -> DoubleArray:
        place = np.count_nonzero(ranks < rank[:, None], axis=1)
        found: DoubleArray = ordered[np.arange(len(ordered)), place]
        return found

    usual = value(last // 2).astype(np.float32)
    # Towards 0, since nothing follows the largest number.
    steps = np.abs(usual.astype(np.float64) - np.nextafter(usual, np.float32(0.0)))
    with np.errstate(over="ignore"):
        spreads = value(-(-3 * last // 4)) - value(last // 4)
    coarse = np.flatnonzero((spreads > 0.0) & (spreads < ENOUGH_STEPS * steps))
    return np.stack([first + coarse, usual[coarse], steps[coarse], spreads[coarse]], axis=1)


def _rounded(values: DoubleArray) -> bool:
    """Return whether values look rounded to float32: all are float32 numbers, and some of them direct neighbours.

    Whole numbers are not rounded as long as float32 has all of them, as it has most counts and identifiers.
    """
    distinct = np.unique(values)
    if np.abs(distinct).max(initial=0.0) <= _WHOLE_NUMBERS and (distinct == np.round(distinct)).all():
        return False
    single = distinct.astype(np.float32)
    return bool((single == distinct).all() and (np.nextafter(single[:-1], np.float32(np.inf)) == single[1:]).any())
