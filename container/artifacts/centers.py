"""The centers of a model: in float32 in the built-in's format, and in float64 if float32 is too coarse for them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from kmeans.types import DoubleArray, FloatArray


class CentersError(ValueError):
    """The data are no centers; the text says what was expected and what was found."""


def dumps(centers: NDArray[Any]) -> bytes:
    """Encode centers, float32 or float64, in the built-in's format: in float32."""
    return mxnet_ndarray.dumps(_single(centers))


def loads(data: bytes | bytearray) -> FloatArray:
    """Decode centers from the built-in's format.

    Parameters
    ----------
    data : bytes or bytearray
        The whole file.

    Returns
    -------
    ndarray of float32, shape (k, d)
        The centers; all numbers are finite.

    Raises
    ------
    CentersError
        If the file is invalid, or has anything other than a matrix of finite numbers.
    """
    try:
        arrays = mxnet_ndarray.loads(data)
    except mxnet_ndarray.NDArrayFormatError as cause:
        raise CentersError(str(cause)) from cause
    if len(arrays) != 1 or arrays[0].ndim != 2:
        raise CentersError(f"expected one matrix of centers, got shapes {[array.shape for array in arrays]}")
    centers = np.ascontiguousarray(_single(arrays[0]))
    if not np.isfinite(centers).all():
        raise CentersError("expected finite float32 numbers, got NaN or infinity")
    return centers


def exact(given: object, centers: FloatArray) -> DoubleArray:
    """Return the centers in float64 that a description has.

    Parameters
    ----------
    given : object
        The centers as JSON.
    centers : ndarray of float32, shape (k, d)
        The same centers, rounded.

    Returns
    -------
    ndarray of float64, shape (k, d)
        The exact centers.

    Raises
    ------
    CentersError
        If they are other centers, or no matrix of numbers.
    """
    fits = isinstance(given, list) and len(given) == len(centers)
    for row in given if isinstance(given, list) and fits else ():
        fits &= isinstance(row, list) and len(row) == centers.shape[1] and {int, float}.issuperset(map(type, row))
    if not fits:
        raise CentersError(f"expected centers as a matrix of numbers of shape {centers.shape}, got something else")
    try:
        found = np.array(given, np.float64)
    except OverflowError:
        # An integer of more than 308 digits.
        found = np.full(centers.shape, np.inf)
    if not np.array_equal(_single(found), centers):
        raise CentersError("expected centers that are, in float32, those of the model's file, got others")
    return found


def _single(numbers: NDArray[Any]) -> FloatArray:
    # A number too large for float32 becomes infinite, which callers reject; a signaling NaN would warn too.
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers.astype(np.float32, copy=False)
