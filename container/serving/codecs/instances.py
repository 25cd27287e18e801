"""What the JSON content types share: strict JSON, and the shapes in which an instance gives its features.

An instance is ``{"features": [...]}`` or ``{"data": {"features": {"values": [...]}}}``. In the second one a sparse row
has ``"keys"``, the columns of its values counted from 0, and ``"shape": [feature_dim]`` beside the values. Either may
have a ``"configuration"``, which has no meaning for k-means.
"""

import json
import re
import reprlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from container.formats.errors import FormatError, excerpt

# The least magnitude that rounds to infinity in float32.
_FLOAT32_END = 2**128 - 2**103
_SHAPES = '{"features": [...]} or {"data": {"features": {"values": [...]}}}'

_Columns = slice | list[int]


class InstanceError(FormatError):
    """JSON that gives no row. `noun` says what its client counts: instances or lines."""

    noun = "instance"

    @property
    def place(self) -> str:
        """Where it is, as "instance 3, column 4"; empty when it is not known."""
        known = ((self.noun, self.record), ("column", self.column))
        return ", ".join(f"{name} {number}" for name, number in known if number is not None)


def text_of(body: bytes, *, byte_order_mark: bool = True) -> str:
    """Decode bytes; where `byte_order_mark`, they may begin with one.

    Raises
    ------
    InstanceError
        If it is not UTF-8.
    """
    try:
        return body.decode("utf-8-sig" if byte_order_mark else "utf-8")
    except UnicodeDecodeError as error:
        raise InstanceError(f"expected UTF-8, got the byte 0x{body[error.start]:02x} at {error.start + 1}") from error


def parse(text: str) -> object:
    """Parse one JSON value, without the extensions of Python's parser: no NaN, no Infinity, no name twice.

    Raises
    ------
    InstanceError
        If it is not such JSON.
    """
    try:
        return _DECODER.decode(text)
    except FormatError:
        raise
    except json.JSONDecodeError as error:
        got = excerpt(text[error.pos :], 20) if error.pos < len(text) else "the end"
        raise InstanceError(
            f"expected JSON, got {got} at line {error.lineno}, column {error.colno} ({error.msg})"
        ) from error
    except RecursionError as error:
        raise InstanceError("expected JSON that is nested less deeply") from error
    except ValueError as error:
        # Python bounds the digits of an integer, because their conversion takes the square of the time.
        raise InstanceError("expected numbers of fewer digits") from error


def elements(text: str) -> Iterator[object]:
    """Parse the instances of ``{"instances": [...]}`` one by one, so that the others' objects need no memory.

    Raises
    ------
    InstanceError
        If it is not such JSON.
    """
    begin = _BEGIN.match(text)
    position = begin.end() if begin else -1
    end = _END.match(text, position) if begin else None
    while begin and not end:
        try:
            element, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError):
            break
        yield element
        end = _END.match(text, position)
        following = _NEXT.match(text, position)
        if not following:
            break
        position = following.end()
    if not end:
        # The parser of whole documents says what is wrong.
        raise InstanceError(f'expected {{"instances": [...]}}, got {reprlib.repr(parse(text))}')


def rows(instances: Sequence[object], feature_dim: int, noun: str, first: int = 1) -> NDArray[np.float32]:
    """Give the rows of instances.

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

    Returns
    -------
    ndarray of shape (n, feature_dim), float32
        Finite numbers only.

    Raises
    ------
    InstanceError
        With the number of the instance, and with the column where it is known.
    """
    rows = np.zeros((len(instances), feature_dim), dtype=np.float32)
    number = 0
    try:
        # Overflow shows as infinity, and is then reported with its column.
        with np.errstate(over="ignore"):
            for number, instance in enumerate(instances, start=1):
                _fill(rows[number - 1], instance)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            number = int(finite.argmin()) + 1
            _raise_out_of_range(*_columns_and_values(instances[number - 1], feature_dim))
    except InstanceError as error:
        error.noun, error.record = noun, first - 1 + number
        raise
    return rows


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InstanceError(f"expected each name once in an object, got {excerpt(twice)} twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InstanceError(f"expected a finite number, got {name}")


_BEGIN = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"instances"[ \t\n\r]*:[ \t\n\r]*\[[ \t\n\r]*')
_NEXT = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_END = re.compile(r"[ \t\n\r]*\][ \t\n\r]*\}[ \t\n\r]*\Z")
_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_refuse_constant)


def _fill(row: NDArray[np.float32], instance: object) -> None:
    columns, values = _columns_and_values(instance, len(row))
    try:
        row[columns] = values
    except OverflowError:
        _raise_out_of_range(columns, values)


def _columns_and_values(instance: object, feature_dim: int) -> tuple[_Columns, list[float]]:
    """Give the columns that an instance fills, and as many numbers."""
    tensor = _tensor(instance)
    keys, shape, values = tensor.get("keys"), tensor.get("shape"), tensor.get("values")
    if not isinstance(values, list):
        raise InstanceError(f"expected a list of values, got {reprlib.repr(values)}")
    if shape is not None and shape != [feature_dim]:
        raise InstanceError(f"expected the shape [{feature_dim}], got {reprlib.repr(shape)}")
    if keys is None:
        if len(values) != feature_dim:
            raise InstanceError(f"expected {feature_dim} values, got {len(values)}")
    else:
        if shape is None:
            raise InstanceError(f"expected the shape [{feature_dim}] beside keys, got none")
        _check_keys(keys, feature_dim, len(values))
    columns = slice(None) if keys is None else keys
    # bool is no number here, though it is an int to Python; the set of types is found without a step of Python a value.
    if not {float, int}.issuperset(map(type, values)):
        index = next(index for index, value in enumerate(values) if type(value) not in (float, int))
        raise InstanceError(f"expected a number, got {reprlib.repr(values[index])}", column=_column(columns, index))
    return columns, values


def _tensor(instance: Any) -> dict[str, Any]:
    """Take an instance's wrapping off."""
    match instance:
        case {"features": list(values), **beside}:
            tensor = {"values": values}
        case {"data": {"features": dict(tensor), **within}, **beside} if not within:
            _check_names(tensor, {"keys", "shape", "values"}, "in features")
        case _:
            raise InstanceError(f"expected {_SHAPES}, got {reprlib.repr(instance)}")
    _check_names(beside, {"configuration"}, "beside features or data")
    return tensor


def _check_names(members: dict[Any, Any], known: set[str], where: str) -> None:
    for name in members:
        if name not in known:
            raise InstanceError(f"expected no name but {', '.join(sorted(known))} {where}, got {excerpt(name)}")


def _check_keys(keys: object, feature_dim: int, count: int) -> None:
    if not isinstance(keys, list) or not {int}.issuperset(map(type, keys)):
        raise InstanceError(f"expected a list of whole numbers as keys, got {reprlib.repr(keys)}")
    if len(keys) != count:
        raise InstanceError(f"expected as many values as keys ({len(keys)}), got {count}")
    for key in keys:
        if not 0 <= key < feature_dim:
            raise InstanceError(f"expected keys from 0 to {feature_dim - 1}, got {reprlib.repr(key)}")
    if len(set(keys)) != len(keys):
        twice = next(key for key, following in pairwise(sorted(keys)) if key == following)
        raise InstanceError(f"expected each key once, got {twice} more than once")


def _raise_out_of_range(columns: _Columns, values: list[float]) -> NoReturn:
    index = next(index for index, value in enumerate(values) if not abs(value) < _FLOAT32_END)
    raise InstanceError(
        f"expected a number in the range of float32, got {reprlib.repr(values[index])}", column=_column(columns, index)
    )


def _column(columns: _Columns, index: int) -> int:
    return (index if isinstance(columns, slice) else columns[index]) + 1
