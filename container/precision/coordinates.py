"""The coordinates of rows and centers: the space in which a job computes, and in which distances are measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kmeans.types import LARGEST, DoubleArray, FloatArray

# The arrays of coordinates in an archive, with their types and numbers of dimensions: the first one, or the other two,
# or none if the coordinates are plain.
ARRAYS: Final = {"origin": ("<f4", 1), "means": ("<f8", 1), "scales": ("<f8", 1)}
# The entry of a model's description for scaled coordinates.
ENTRY: Final = "standardization"
# Float32 is too coarse for centers if rounding moves one by more than this part of a feature's scale.
_MAX_ROUNDING: Final = 1 / (1 << 13)


class CoordinatesError(ValueError):
    """These are no coordinates; the text says what was expected and what was found."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates in which a job computes: ``(row - origin) / scales``, rounded to float32.

    Float32 can't distinguish numbers such as times in seconds since 1970. It can once their usual value is subtracted,
    in float64; distances do not change. If there are scales, rows are standardized: the origin is their mean, and
    distances are measured in units of the scales, their standard deviations.

    Attributes
    ----------
    origin : ndarray of float64, shape (d,), or None
        The value that is subtracted from rows, 0 for features that need none; None if no feature needs any.
    scales : ndarray of float64, shape (d,), or None
        What rows are divided by, more than 0; None for distances in the units of the data.
    """

    origin: DoubleArray | None = None
    scales: DoubleArray | None = None

    @property
    def plain(self) -> bool:
        """Whether rows and centers are used as they are."""
        return self.origin is None

    @property
    def scaled(self) -> bool:
        """Whether distances are measured in units of the scales."""
        return self.scales is not None

    @property
    def divisors(self) -> DoubleArray:
        """What rows are divided by after the origin was subtracted; only for coordinates that are not plain."""
        return np.ones_like(self.origin) if self.scales is None else self.scales

    def relative(self, points: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return points of the data, shape (n, d), in these coordinates: float64 in float32's range.

        In plain coordinates these are the points themselves, of their own type.
        """
        if self.origin is None:
            return points
        with np.errstate(over="ignore"):
            moved = points - self.origin
            if self.scales is not None:
                moved /= self.scales
        return np.clip(moved, -LARGEST, LARGEST, out=moved)

    def rows(self, given: DoubleArray) -> FloatArray:
        """Return rows, ndarray of float64, shape (n, d), in these coordinates, rounded to float32."""
        return self.relative(given).astype(np.float32)

    def absolute(self, points: NDArray[np.floating[Any]]) -> DoubleArray:
        """Return points in these coordinates, shape (n, d), in units of the data: float64 in float32's range."""
        exact = points.astype(np.float64)
        if self.origin is None:
            return exact
        with np.errstate(over="ignore"):
            if self.scales is not None:
                exact *= self.scales
            exact += self.origin
        return np.clip(exact, -LARGEST, LARGEST, out=exact)

    def centers(self, points: FloatArray) -> FloatArray | DoubleArray:
        """Return centers as a model has them, in units of the data: float64 only if float32 is too coarse for them."""
        if self.origin is None:
            return points
        exact = self.absolute(points)
        if self.scales is not None:
            rounded = exact.astype(np.float32)
            if (np.abs(rounded - exact) <= _MAX_ROUNDING * self.scales).all():
                return rounded
        return exact

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that an archive has of them, by name; see `ARRAYS`."""
        if self.origin is None:
            return {}
        if self.scales is None:
            return {"origin": self.origin.astype(np.float32)}
        return {"means": self.origin, "scales": self.scales}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_features: int) -> "Coordinates":
        """Return the coordinates that an archive has.

        Parameters
        ----------
        arrays : Mapping of str to ndarray
            Arrays by name, finite and as `ARRAYS` says; others are ignored.
        n_features : int
            The number of features that they must have.

        Returns
        -------
        Coordinates
            Checked.

        Raises
        ------
        CoordinatesError
            If the arrays do not fit together, or to that number of features.
        """
        given = [name for name in ARRAYS if name in arrays]
        if given not in ([], ["origin"], ["means", "scales"]):
            raise CoordinatesError(f"expected an origin, or means and scales, got {', '.join(given)}")
        for name in given:
            if arrays[name].shape != (n_features,):
                raise CoordinatesError(f"expected {name} of shape {(n_features,)}, got {arrays[name].shape}")
        if given == ["origin"]:
            return cls(arrays["origin"].astype(np.float64))
        if given and arrays["scales"].min() <= 0.0:
            raise CoordinatesError(f"expected scales of more than 0, got {arrays['scales'].min()}")
        return cls(arrays.get("means"), arrays.get("scales"))

    def description(self) -> dict[str, dict[str, list[float]]]:
        """Return the entry of a model's description, of JSON types: what distances from the model are measured in."""
        if self.origin is None or self.scales is None:
            return {}
        return {ENTRY: {"means": self.origin.tolist(), "scales": self.scales.tolist()}}

    @classmethod
    def of_description(cls, description: Mapping[str, Any], n_features: int) -> "Coordinates":
        """Return the coordinates in which distances from a model are measured.

        Parameters
        ----------
        description : Mapping
            The description of the model, as JSON; plain coordinates if it has no entry.
        n_features : int
            The number of features of the model.

        Returns
        -------
        Coordinates
            Checked.

        Raises
        ------
        CoordinatesError
            If the entry is no such one.
        """
        entry = description.get(ENTRY)
        if entry is None:
            return PLAIN
        if not isinstance(entry, dict):
            raise CoordinatesError(f"expected {ENTRY} to be an object, got {type(entry).__name__}")
        return cls.of_arrays({name: _numbers(entry.get(name), name) for name in ("means", "scales")}, n_features)


def _numbers(given: object, name: str) -> DoubleArray:
    if not isinstance(given, list) or not {int, float}.issuperset(map(type, given)):
        raise CoordinatesError(f"expected {ENTRY} with {name} as a list of numbers, got something else")
    try:
        found = np.array(given, np.float64)
    except OverflowError:
        # An integer of more than 308 digits.
        found = np.array([np.inf])
    if not np.isfinite(found).all():
        raise CoordinatesError(f"expected {ENTRY} with finite {name}, got others")
    return found


# Those of ordinary rows.
PLAIN: Final = Coordinates()
