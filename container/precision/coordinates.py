"""The coordinates of rows and centers in float32: absolute, or relative to an origin."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.types import LARGEST, DoubleArray, FloatArray


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates in which a job computes.

    Float32 can't hold some numbers apart, such as times in seconds since 1970, but it can once a usual value has been
    subtracted from them in float64. Distances, and all that depends on them, are the same in any coordinates.

    Parameters
    ----------
    origin : ndarray of float32, shape (d,), or None
        Subtracted from rows; 0 for features that need none. None if no feature needs one.
    """

    origin: FloatArray | None = None

    @property
    def plain(self) -> bool:
        """Whether rows and centers are absolute."""
        return self.origin is None

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return absolute points, float64 (n, d), in these coordinates: in float64, within the range of float32."""
        return points if self.origin is None else np.clip(points - self.origin.astype(np.float64), -LARGEST, LARGEST)

    def rows(self, given: DoubleArray) -> FloatArray:
        """Return absolute rows, float64 (n, d) within float32's range, in these coordinates, rounded to float32."""
        return self.relative(given).astype(np.float32)

    def absolute(self, points: NDArray[np.floating[Any]]) -> DoubleArray:
        """Return points in these coordinates, (n, d), as absolute ones: in float64, within the range of float32."""
        exact = points.astype(np.float64)
        return exact if self.origin is None else np.clip(exact + self.origin.astype(np.float64), -LARGEST, LARGEST)

    def centers(self, points: FloatArray) -> FloatArray | DoubleArray:
        """Return centers as absolute ones, as a model has them: in float64 only if float32 can't hold them apart."""
        return points if self.origin is None else self.absolute(points)


# The coordinates of ordinary rows.
PLAIN: Final = Coordinates()
