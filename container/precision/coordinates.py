"""The coordinates of rows and centers: the space in which a job computes, and in which distances are measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from container.formats.errors import ZeroRowError, shown
from container.formats.numbers import finite_numbers
from kmeans.types import LARGEST, DoubleArray, FloatArray
from kmeans.unit_length import scaled_to_unit

# The distances by which rows are clustered: the words for the hyperparameter and for the entry of a description.
EUCLIDEAN: Final = "euclidean"
COSINE: Final = "cosine"
# What takes the place of missing numbers, as an array in an archive and as an entry of a model's description.
FILLS: Final = "missing_numbers"
# Whether rows are of length 1, as an array in an archive.
IS_UNIT: Final = "is_unit"
# The arrays of coordinates in an archive, with their types and numbers of dimensions: the first one, or the next two,
# or the one after these, or none if rows are used as they are, and the last one if numbers may be missing.
ARRAYS: Final = {
    "origin": ("<f4", 1),
    "means": ("<f8", 1),
    "scales": ("<f8", 1),
    IS_UNIT: ("|b1", 1),
    FILLS: ("<f8", 1),
}
# The entries of a model's description for scaled coordinates, and for rows of length 1.
ENTRY: Final = "standardization"
DISTANCE: Final = "distance"
# The length of a center may differ from 1 by more than a rounding, if a program has written it with few digits.
MAX_LENGTH_ERROR: Final = 1e-5
# Float32 is too coarse for centers if rounding moves one by more than this part of a feature's scale.
_MAX_ROUNDING: Final = 1 / (1 << 13)


class CoordinatesError(ValueError):
    """These are no coordinates; the text says what was expected and what was found."""


@dataclass(frozen=True, eq=False)
class Coordinates:
    """The coordinates in which a job computes: ``(row - origin) / scales``, rounded to float32; or rows of length 1.

    Float32 can't distinguish numbers such as times in seconds since 1970. It can once their usual value is subtracted,
    in float64; distances do not change. If there are scales, rows are standardized: the origin is their mean, and
    distances are measured in units of the scales, their standard deviations. For the cosine distance, rows are scaled
    to length 1: half of the squared Euclidean distance of two such rows is one minus the cosine of their angle.

    Attributes
    ----------
    origin : ndarray of float64, shape (d,), or None
        The value that is subtracted from rows, 0 for features that need none; None if no feature needs any.
    scales : ndarray of float64, shape (d,), or None
        What rows are divided by, more than 0; None for distances in the units of the data.
    fills : ndarray of float64, shape (d,), or None
        What takes the place of missing numbers, which are NaN, in the units of the data; None if none may be missing.
    unit : bool
        Whether rows are scaled to length 1, as the centers of a model are already; then there is no origin.
    """

    origin: DoubleArray | None = None
    scales: DoubleArray | None = None
    fills: DoubleArray | None = None
    unit: bool = False

    @property
    def plain(self) -> bool:
        """Whether rows and centers are used as they are."""
        return self.origin is None and self.fills is None and not self.unit

    @property
    def distance(self) -> str:
        """The distance that is measured: `EUCLIDEAN` or `COSINE`."""
        return COSINE if self.unit else EUCLIDEAN

    @property
    def scaled(self) -> bool:
        """Whether distances are measured in units of the scales."""
        return self.scales is not None

    @property
    def divisors(self) -> DoubleArray:
        """What rows are divided by after the origin was subtracted; only for coordinates with an origin."""
        return np.ones_like(self.origin) if self.scales is None else self.scales

    def relative(self, points: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return points of the data, shape (n, d), in these coordinates: float64 in float32's range.

        Without an origin these are the points themselves, of their own type; they are not scaled to length 1, since
        the centers of a model are of length 1 already, and the intermediate ones, as means, are shorter.
        """
        if self.fills is not None:
            points = np.where(np.isnan(points), self.fills.astype(points.dtype), points)
        if self.origin is None:
            return points
        with np.errstate(over="ignore"):
            moved = points - self.origin
            if self.scales is not None:
                moved /= self.scales
        return np.clip(moved, -LARGEST, LARGEST, out=moved)

    def exact_rows(self, given: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Return rows of the data, shape (n, d), in these coordinates before they are rounded to float32.

        Those without a direction remain zeros; see `check`.
        """
        relative = self.relative(given)
        return scaled_to_unit(relative) if self.unit else relative

    def rows(self, given: DoubleArray) -> FloatArray:
        """Return rows, ndarray of float64, shape (n, d), in these coordinates, rounded to float32."""
        return self.exact_rows(given).astype(np.float32)

    def check(self, rows: NDArray[np.floating[Any]], before: int = 0) -> None:
        """Check that all rows, shape (n, d), have a direction if that is what counts.

        Parameters
        ----------
        rows : ndarray of float32 or float64, shape (n, d)
            Rows of the data, or in these coordinates.
        before : int
            The number of records before them.

        Raises
        ------
        ZeroRowError
            With the number of the first record of zeros.
        """
        if self.unit and not (directed := rows.any(axis=1)).all():
            raise ZeroRowError(
                "expected a number other than 0, since distance=cosine compares directions, got zeros only",
                record=before + int(directed.argmin()) + 1,
            )

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
        return points if self.origin is None else self.saved(self.absolute(points))

    def saved(self, exact: DoubleArray) -> FloatArray | DoubleArray:
        """Return centers in units of the data as a model has them: float64 only if float32 is too coarse for them."""
        if self.origin is None:
            return exact.astype(np.float32)
        if self.scales is not None:
            rounded = exact.astype(np.float32)
            if (np.abs(rounded - exact) <= _MAX_ROUNDING * self.scales).all():
                return rounded
        return exact

    def check_centers(self, centers: NDArray[np.floating[Any]]) -> None:
        """Check that the centers of a model, shape (k, d), are of length 1 if rows are.

        Raises
        ------
        CoordinatesError
            With the number of the first other center.
        """
        if not self.unit:
            return
        lengths = np.linalg.norm(centers.astype(np.float64), axis=1)
        far = np.abs(lengths - 1.0) > MAX_LENGTH_ERROR
        if far.any():
            first = int(far.argmax())
            raise CoordinatesError(
                f"expected centers of length 1 with {DISTANCE} {COSINE}, got {lengths[first]} for center {first}"
            )

    def distances(self, squared: DoubleArray) -> DoubleArray:
        """Return distances for squared Euclidean ones in these coordinates: their roots, or for cosine their halves."""
        found: DoubleArray = 0.5 * squared if self.unit else np.sqrt(squared)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that an archive has of them, by name; see `ARRAYS`."""
        fills = {} if self.fills is None else {FILLS: self.fills}
        if self.unit:
            return {IS_UNIT: np.array([True]), **fills}
        if self.origin is None:
            return fills
        if self.scales is None:
            return {"origin": self.origin.astype(np.float32), **fills}
        return {"means": self.origin, "scales": self.scales, **fills}

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
        if not arrays.keys() & ARRAYS.keys():
            return PLAIN
        fills = arrays.get(FILLS)
        if fills is not None and fills.shape != (n_features,):
            raise CoordinatesError(f"expected {FILLS} of shape {(n_features,)}, got {fills.shape}")
        given = [name for name in ARRAYS if name in arrays and name != FILLS]
        if given not in ([], ["origin"], ["means", "scales"], [IS_UNIT]):
            raise CoordinatesError(f"expected an origin, or means and scales, or {IS_UNIT}, got {', '.join(given)}")
        if given == [IS_UNIT]:
            if arrays[IS_UNIT].tolist() != [True]:
                raise CoordinatesError(f"expected {IS_UNIT} to be a single true, got something else")
            return cls(fills=fills, unit=True)
        for name in given:
            if arrays[name].shape != (n_features,):
                raise CoordinatesError(f"expected {name} of shape {(n_features,)}, got {arrays[name].shape}")
        if given == ["origin"]:
            return cls(arrays["origin"].astype(np.float64), fills=fills)
        if given and arrays["scales"].min() <= 0.0:
            raise CoordinatesError(f"expected scales of more than 0, got {arrays['scales'].min()}")
        return cls(arrays.get("means"), arrays.get("scales"), fills)

    def description(self) -> dict[str, Any]:
        """Return entries of a model's description, of JSON types: how distances are measured, and what fills gaps."""
        found: dict[str, Any] = {} if self.fills is None else {FILLS: self.fills.tolist()}
        if self.unit:
            found[DISTANCE] = COSINE
        if self.origin is not None and self.scales is not None:
            found[ENTRY] = {"means": self.origin.tolist(), "scales": self.scales.tolist()}
        return found

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
            If the entry is no such one, or as `of_arrays` raises it.
        """
        arrays: dict[str, NDArray[Any]] = {}
        if (entry := description.get(ENTRY)) is not None:
            if not isinstance(entry, dict):
                raise CoordinatesError(f"expected {ENTRY} to be an object, got {type(entry).__name__}")
            arrays = {name: _numbers(entry.get(name), f"{ENTRY} with {name}") for name in ("means", "scales")}
        distance = description.get(DISTANCE, EUCLIDEAN)
        if distance not in (EUCLIDEAN, COSINE):
            raise CoordinatesError(f"expected {DISTANCE} to be {EUCLIDEAN} or {COSINE}, got {shown(distance)}")
        if distance == COSINE:
            if arrays:
                raise CoordinatesError(f"expected no {ENTRY} with {DISTANCE} {COSINE}, got one")
            arrays[IS_UNIT] = np.array([True])
        if (fills := description.get(FILLS)) is not None:
            arrays[FILLS] = _numbers(fills, FILLS)
        return cls.of_arrays(arrays, n_features)


def _numbers(given: object, name: str) -> DoubleArray:
    try:
        return finite_numbers(given, name)
    except ValueError as cause:
        raise CoordinatesError(str(cause)) from cause


# Those of ordinary rows.
PLAIN: Final = Coordinates()
# Those of a job with the cosine distance.
UNIT: Final = Coordinates(unit=True)
