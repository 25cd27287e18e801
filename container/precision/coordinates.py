"""The coordinates of rows and centers in float32: as they are, or relative to an origin."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.types import LARGEST, DoubleArray, FloatArray


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates in which a job computes.

    Float32 can't distinguish numbers such as times in seconds since 1970. It can once their usual value is subtracted,
    in float64. Distances, and all that is computed from them, are the same in any coordinates.

    Attributes
    ----------
    origin : ndarray of float32, shape (d,), or None
        The value that is subtracted from rows, 0 for features that need none; None if no feature needs any.
    """

    origin: FloatArray | None = None

    @property
    def plain(self) -> bool:
        """Whether rows and centers are used as they are."""
        return self.origin is None

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points, ndarray of float64, shape (n, d), in these coordinates: float64 in float32's range."""
        return points if self.origin is None else np.clip(points - self.origin.astype(np.float64), -LARGEST, LARGEST)

    def rows(self, given: DoubleArray) -> FloatArray:
        """Return rows, ndarray of float64, shape (n, d), in these coordinates, rounded to float32."""
        return self.relative(given).astype(np.float32)

    def absolute(self, points: NDArray[np.floating[Any]]) -> DoubleArray:
        """Return points in these coordinates, shape (n, d), as absolute values: float64 in float32's range."""
        exact = points.astype(np.float64)
        return exact if self.origin is None else np.clip(exact + self.origin.astype(np.float64), -LARGEST, LARGEST)

    def centers(self, points: FloatArray) -> FloatArray | DoubleArray:
        """Return centers as a model has them: float64 only if float32 can't distinguish them."""
        return points if self.origin is None else self.absolute(points)


# Those of ordinary rows.
PLAIN: Final = Coordinates()
