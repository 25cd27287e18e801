"""The rules by which values, keys and a shape make a row, in RecordIO and JSON alike.

Without keys the values are the row, whatever the shape, as long as it has room for as many. With keys they are the
columns that the values belong to; there may be several values of one column, which are added up, as in scipy's sparse
matrices. Such a row may have the shape ``[columns]`` or ``[1, columns]``, or none. A shape alone is a row of zeros.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from container.formats.errors import FormatError, shown


def is_sparse(n_values: int, n_keys: int, shape: Sequence[int], feature_dim: int) -> bool:
    """Return whether a tensor is a sparse row.

    Parameters
    ----------
    n_values, n_keys : int
        The numbers of its values and of its keys.
    shape : sequence of int
        Its extents; empty when there are none.
    feature_dim : int
        The numbers a row must have.

    Raises
    ------
    FormatError
        If it is no row of `feature_dim` numbers, dense or sparse.
    """
    if n_keys or (shape and not n_values):
        if shape and list(shape[:3]) not in ([feature_dim], [1, feature_dim]):
            raise FormatError(f"expected a sparse tensor of the shape [{feature_dim}], got {shown(list(shape))}")
        if n_keys != n_values:
            raise FormatError(f"expected as many values as keys ({n_keys}), got {n_values}")
        return True
    if n_values != feature_dim:
        raise FormatError(f"expected {feature_dim} values, got {n_values}")
    if shape and product(shape) != feature_dim:
        raise FormatError(f"expected a shape of {feature_dim} values, got the shape {shown(list(shape))}")
    return False


def added_up(keys: NDArray[np.int64], values: NDArray[np.number]) -> tuple[NDArray[np.int64], NDArray[np.number]]:
    """Return keys and values; the values of keys that come more than once are added up in float64, in their order.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)
        In any order.
    values : ndarray, shape (n,)
        Any numbers.

    Returns
    -------
    keys : ndarray of int64, shape (m,)
        Each once.
    values : ndarray, shape (m,)
        Their values, in float64 if any were added up.
    """
    distinct, places = np.unique(keys, return_inverse=True)
    if len(distinct) == len(keys):
        return keys, values
    return distinct, np.bincount(places, values)


def product(shape: Iterable[int]) -> int:
    """Return the number of values that a shape has room for: at most 2**64, -1 if an extent is negative."""
    room = 1
    for extent in shape:
        if extent < 0:
            return -1
        # Extents may be long and many: once the product is beyond any row, its value no longer matters.
        room = min(room * extent, 1 << 64)
    return room
