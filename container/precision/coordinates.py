"""How rows and centers are told in float32: as they are, or by their distance from an origin."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.types import LARGEST, DoubleArray, FloatArray


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates in which a job computes.

    Numbers that float32 can't hold apart, such as times in seconds since 1970, it holds well once their usual value is
    subtracted in float64. Distances, and all that is made of them, are the same in any coordinates.

    Attributes
    ----------
    origin : ndarray of shape (d,), float32, or None
        What is subtracted from rows, 0 for features that need none; None where no feature needs any.
    """

    origin: FloatArray | None = None

    @property
    def plain(self) -> bool:
        """Whether rows and centers are told as they are."""
        return self.origin is None

    def relative(self, points: DoubleArray) -> DoubleArray:
        """Return points, float64 (n, d), in these coordinates: float64, in float32's range."""
        return points if self.origin is None else np.clip(points - self.origin.astype(np.float64), -LARGEST, LARGEST)

    def rows(self, given: DoubleArray) -> FloatArray:
        """Return rows, float64 (n, d) in the range of float32, in these coordinates, rounded to float32."""
        return self.relative(given).astype(np.float32)

    def absolute(self, points: NDArray[np.floating[Any]]) -> DoubleArray:
        """Return points that are in these coordinates, (n, d), as they are elsewhere: float64, in float32's range."""
        exact = points.astype(np.float64)
        return exact if self.origin is None else np.clip(exact + self.origin.astype(np.float64), -LARGEST, LARGEST)

    def centers(self, points: FloatArray) -> FloatArray | DoubleArray:
        """Return centers as a model has them: in float64 only where float32 can't hold them apart."""
        return points if self.origin is None else self.absolute(points)


# Those of ordinary rows.
PLAIN: Final = Coordinates()
