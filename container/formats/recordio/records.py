"""Records as protobuf messages, and the row that a record holds.

This module is the reference: it reads any record, and says what is wrong with one. Training decodes the plain records
of large files with a kernel (`container.formats.recordio.frame_kernel`), serving many records at once
(`container.formats.recordio.messages`), and both come here with all others.
"""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError, WeightError, excerpt, located, not_finite
from container.formats.numbers import held
from container.formats.recordio.frames import frame, split_frames
from container.formats.recordio.record_pb2 import Float32Tensor, Float64Tensor, Int32Tensor, Record
from container.formats.recordio.wire import ROW_NAME
from container.formats.tensor import added_up, is_sparse, product


def parse(payload: bytes) -> Record:
    """Return the Record message of a payload.

    Raises
    ------
    FormatError
        If it is not a Record message.
    """
    try:
        record: Record = Record.FromString(payload)
    except DecodeError as error:
        raise FormatError("expected a protobuf Record message, got bytes that are none") from error
    return record


def features(record: Record, feature_dim: int, dtype: DTypeLike = np.float32, *, gaps: bool = False) -> NDArray[Any]:
    """Return the row that a record holds under the feature name ``values``; other features are not looked at.

    Parameters
    ----------
    record : Record
        With a dense or sparse tensor of float32, float64 or int32.
    feature_dim : int
        The numbers a row must have.
    dtype : type
        That of the row, float32 or float64.
    gaps : bool
        Whether numbers may be missing, which is what NaN means then.

    Returns
    -------
    ndarray of dtype, shape (feature_dim,)
        Only numbers that are finite in float32, and gaps. Values of a sparse tensor that have the same key are
        added up.

    Raises
    ------
    MissingValueError, InfiniteValueError
        With the column, if a number is not finite in float32.
    FormatError
        If the feature is missing, holds no tensor, or has another dimension.
    """
    tensor = _tensor(record)
    sparse = is_sparse(len(tensor.values), len(tensor.keys), tensor.shape, feature_dim)
    values = np.fromiter(tensor.values, _DTYPES[type(tensor)], len(tensor.values))
    if not sparse:
        return _finite(values, None, dtype, gaps=gaps)
    keys = np.fromiter(tensor.keys, np.uint64, len(tensor.keys))
    outside = keys >= feature_dim
    if outside.any():
        raise FormatError(f"expected keys from 0 to {feature_dim - 1}, got {keys[outside][0]}")
    columns, sums = added_up(keys.astype(np.int64), values)
    row = np.zeros(feature_dim, dtype)
    row[columns] = _finite(sums, columns, dtype, gaps=gaps)
    return row


def weight(record: Record, name: str) -> float:
    """Return the weight of a record: the only number of a dense tensor under the name of a feature.

    Raises
    ------
    WeightError
        If the feature is missing or holds anything else.
    """
    value = record.features.get(name)
    if value is None:
        raise WeightError(f"expected a feature named {excerpt(name)}, got {_feature_names(record)}")
    kind = value.WhichOneof("value")
    tensor = getattr(value, kind or "bytes")
    if not isinstance(tensor, _Tensor) or len(tensor.values) != 1 or tensor.keys:
        raise WeightError(f"expected a dense tensor of one number in the feature {excerpt(name)}, got something else")
    return float(tensor.values[0])


def feature_count(record: Record) -> int:
    """Return the number of columns of the row that a record holds, dense or sparse.

    Raises
    ------
    FormatError
        If the feature is missing, holds no tensor, or is sparse without a shape.
    """
    tensor = _tensor(record)
    if not tensor.keys and (tensor.values or not tensor.shape):
        return len(tensor.values)
    if not tensor.shape:
        raise FormatError("expected a shape with the keys of the first record, got none: it states the length of rows")
    return product(tensor.shape)


def decode(
    data: bytes | memoryview, feature_dim: int, max_values: int = 1 << 28
) -> tuple[NDArray[np.float32], list[Record]]:
    """Return the rows of framed records, and the records.

    Parameters
    ----------
    data : bytes or memoryview
        Frames, one after the other.
    feature_dim : int
        The numbers a row must have.
    max_values : int
        Bound of n * feature_dim: a sparse record of a few bytes can stand for a row of any length.

    Returns
    -------
    rows : ndarray of float32, shape (n, feature_dim)
        Finite numbers only.
    records : list of Record
        The n records, for their uid and metadata.

    Raises
    ------
    FormatError
        With record number, and with the column where it is known.
    """
    rows: list[NDArray[np.float32]] = []
    records: list[Record] = []
    for payload in split_frames(data):
        number = len(records) + 1
        if number * feature_dim > max_values:
            raise FormatError(f"expected at most {max_values} values in all, got more", record=number)
        with located(number):
            record = parse(payload)
            rows.append(features(record, feature_dim))
        records.append(record)
    return np.stack(rows) if rows else np.empty((0, feature_dim), np.float32), records


def identity(record: Record) -> bytes:
    """Return a message of what an answer repeats of a record: its uid and metadata.

    Raises
    ------
    FormatError
        If one is not UTF-8: the protobuf library reads such strings, but does not write them.
    """
    echoed = Record()
    for name in ("uid", "metadata"):
        if record.HasField(name):
            value: str | bytes = getattr(record, name)
            if isinstance(value, bytes):
                raise FormatError(f"expected {name} to be UTF-8, got {value[:20]!r}")
            setattr(echoed, name, value)
    written: bytes = echoed.SerializeToString()
    return written


def dense_record(row: NDArray[np.float32]) -> Record:
    """Return a Record of a row, ndarray of float32, shape (d,)."""
    record = Record()
    record.features[_ROW_NAME].float32_tensor.values.extend(row.tolist())
    return record


def encode(records: Iterable[Record]) -> bytes:
    """Return records in frames, one after the other."""
    return b"".join(frame(record.SerializeToString()) for record in records)


_ROW_NAME = ROW_NAME.decode()
_Tensor = Float32Tensor | Float64Tensor | Int32Tensor
_DTYPES: Final[dict[type, type[np.number]]] = {
    Float32Tensor: np.float32,
    Float64Tensor: np.float64,
    Int32Tensor: np.int32,
}


def _tensor(record: Record) -> _Tensor:
    value = record.features.get(_ROW_NAME)
    if value is None:
        raise FormatError(f"expected a feature named 'values', got {_feature_names(record)}")
    kind = value.WhichOneof("value")
    tensor = getattr(value, kind or "bytes")
    if not isinstance(tensor, _Tensor):
        raise FormatError(f"expected a tensor of float32, float64 or int32, got {kind or 'nothing'}")
    return tensor


def _feature_names(record: Record) -> str:
    """Return the names of the first few features of a record, for an error."""
    return ", ".join(excerpt(str(name)) for name in sorted(map(str, record.features))[:5]) or "none"


def _finite(
    values: NDArray[np.number], columns: NDArray[np.int64] | None, dtype: DTypeLike, *, gaps: bool
) -> NDArray[Any]:
    """Return values in a type of rows, or say which column (None: each has its own) holds one that is not finite."""
    row, finite = held(values, dtype)
    if gaps:
        finite = finite | np.isnan(row)
    if not finite.all():
        first = int(np.argmin(finite))
        raise not_finite(float(values[first]), first if columns is None else int(columns[first]))
    return row
