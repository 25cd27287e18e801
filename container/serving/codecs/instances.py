"""The shapes in which a JSON instance gives its features.

An instance is a list of numbers, alone or as a matrix of one row, ``{"features": ...}`` or
``{"data": {"features": ...}}``; other names next to ``features`` or ``data`` have no meaning. Features are a list of
numbers, or a tensor ``{"values": [...]}``, in which a sparse row has ``"keys"``, the columns of its values counted from
0, and maybe ``"shape": [feature_dim]``; see `container.formats.tensor`.
"""

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError, excerpt, located, shown
from container.formats.numbers import held
from container.formats.tensor import added_up, is_sparse

# The smallest magnitude that rounds to infinity in float32; whole numbers of any length round to float64 first.
_FLOAT32_END = 2**128 - 2**103 - 2**74
_SHAPES = '{"features": [...]}, {"data": {"features": {"values": [...]}}} or a list of numbers'

_Columns = slice | list[int]


def rows(
    instances: Sequence[object],
    feature_dim: int,
    noun: str,
    first: int = 1,
    dtype: DTypeLike = np.float32,
    *,
    gaps: bool = False,
) -> NDArray[Any]:
    """Return the rows of instances.

    Parameters
    ----------
    instances : sequence of object
        Parsed JSON values.
    feature_dim : int
        The numbers a row must have.
    noun : str
        What an error calls an instance.
    first : int
        The number of the first instance, for an error.
    dtype : type
        That of the rows, float32 or float64.
    gaps : bool
        Whether ``null`` or ``NaN`` may stand for a number that is missing; NaN then.

    Returns
    -------
    ndarray of dtype, shape (n, feature_dim)
        Only numbers that are finite in float32, and gaps.

    Raises
    ------
    FormatError
        With the number of the instance, and with the column where it is known.
    """
    rows = np.zeros((len(instances), feature_dim), dtype)
    with located(noun=noun) as place:
        # Overflow shows as infinity, and is then reported with its column.
        with np.errstate(over="ignore"):
            for row, (place.record, instance) in zip(rows, enumerate(instances, first), strict=True):
                _fill(row, instance, gaps)
        finite = (held(rows, dtype)[1] | (np.isnan(rows) if gaps else False)).all(axis=1)
        if not finite.all():
            bad = int(finite.argmin())
            place.record = first + bad
            _raise_not_finite(*_columns_and_values(instances[bad], feature_dim, gaps), gaps=gaps)
    return rows


def _fill(row: NDArray[Any], instance: object, gaps: bool) -> None:
    columns, values = _columns_and_values(instance, len(row), gaps)
    try:
        row[columns] = values
    except OverflowError:
        _raise_out_of_range(columns, values)


def _columns_and_values(instance: object, feature_dim: int, gaps: bool) -> tuple[_Columns, list[float]]:
    """Return the columns that an instance fills, each once, and as many numbers."""
    tensor = _tensor(instance)
    values = tensor.get("values")
    if not isinstance(values, list):
        raise FormatError(f"expected a list of values, got {shown(values)}")
    keys, shape = (_whole_numbers(tensor.get(name), name) for name in ("keys", "shape"))
    columns: _Columns = slice(None)
    if is_sparse(len(values), len(keys), shape, feature_dim):
        for key in keys:
            if not 0 <= key < feature_dim:
                raise FormatError(f"expected keys from 0 to {feature_dim - 1}, got {shown(key)}")
        columns = keys
    # bool is no number here, though it is an int to Python. The set of types takes no step of Python for each value.
    if gaps:
        values = [math.nan if value is None else value for value in values]
    if not {float, int}.issuperset(map(type, values)):
        index = next(index for index, value in enumerate(values) if type(value) not in (float, int))
        raise FormatError(f"expected a number, got {shown(values[index])}", column=_column(columns, index))
    return (columns, values) if len(set(keys)) == len(keys) else _added_up(keys, values)


def _added_up(keys: list[int], values: list[float]) -> tuple[list[int], list[float]]:
    try:
        distinct, sums = added_up(np.array(keys, np.int64), np.array(values, np.float64))
    except OverflowError:
        _raise_out_of_range(keys, values)
    return distinct.tolist(), sums.tolist()


def _tensor(instance: Any) -> dict[str, Any]:
    """Return the tensor inside an instance."""
    match instance:
        case [list() as row]:
            return {"values": row}
        case list():
            return {"values": instance}
        case {"features": _, "data": {"features": _}}:
            raise FormatError("expected features or data, got both")
        case {"features": features} | {"data": {"features": features}}:
            if isinstance(features, list):
                return {"values": features}
            if isinstance(features, dict):
                for name in features:
                    if name not in ("keys", "shape", "values"):
                        raise FormatError(f"expected no name but keys, shape, values in features, got {excerpt(name)}")
                return features
    raise FormatError(f"expected {_SHAPES}, got {shown(instance)}")


def _whole_numbers(given: object, name: str) -> list[int]:
    """Return a tensor's keys or shape; they may be missing."""
    if given is None:
        return []
    if not isinstance(given, list) or not {int}.issuperset(map(type, given)):
        raise FormatError(f"expected a list of whole numbers as {name}, got {shown(given)}")
    return given


def _raise_not_finite(columns: _Columns, values: list[float], *, gaps: bool) -> NoReturn:
    index = next((index for index, value in enumerate(values) if not gaps and math.isnan(value)), None)
    if index is not None:
        raise FormatError("expected a number, got NaN", column=_column(columns, index))
    _raise_out_of_range(columns, values)


def _raise_out_of_range(columns: _Columns, values: list[float]) -> NoReturn:
    index = next(index for index, value in enumerate(values) if abs(value) >= _FLOAT32_END)
    raise FormatError(
        f"expected a number in the range of float32, got {shown(values[index])}", column=_column(columns, index)
    )


def _column(columns: _Columns, index: int) -> int:
    return index if isinstance(columns, slice) else columns[index]
