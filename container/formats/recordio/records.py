"""RecordIO-protobuf: frames, the records in them, and the row that a record holds.

A frame is the magic, a word with a flag (3 bits) and the payload's length (29 bits), the payload, and zeros up to a
multiple of 4, all little endian. A record whose payload holds the magic at a multiple of 4 may come split there: the
first part has flag 1, middle ones 2, the last one 3, and the magic itself is left out. We read such records and never
write them, because the SDK's reader does not know them.

This module is the reference. Training decodes the plain records of large files with a kernel of its own and comes here
with all others.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeVar

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError, IncompleteError, excerpt, not_finite
from container.formats.magic import HEAD_BYTES, RECORDIO, refuse_others
from container.formats.numbers import held
from container.formats.recordio.record_pb2 import Float32Tensor, Float64Tensor, Int32Tensor, Record
from container.formats.tensor import added_up, is_sparse, product

Length = TypeVar("Length", int, NDArray[np.int64])

MAGIC: Final = 0xCED7230A
HEADER_BYTES: Final = 8
MAX_PAYLOAD_BYTES: Final = (1 << 29) - 1

_HEADER = struct.Struct("<II")
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)


def next_record(data: bytes | memoryview, position: int) -> tuple[bytes, int]:
    """Read the record that begins at `position`.

    Parameters
    ----------
    data : bytes or memoryview
        Frames, one after the other.
    position : int
        Where a frame begins, in bytes.

    Returns
    -------
    payload : bytes
        The record, its parts joined.
    position : int
        Where the next record begins.

    Raises
    ------
    IncompleteError
        If `data` ends inside the record.
    FormatError
        If these are not frames of one record.
    """
    parts: list[bytes] = []
    total = 0
    while True:
        if position + HEADER_BYTES > len(data):
            raise IncompleteError(
                f"expected a frame header of {HEADER_BYTES} bytes, got {len(data) - position} bytes and the end"
            )
        magic, word = _HEADER.unpack_from(data, position)
        if magic != MAGIC:
            if not parts:
                refuse_others(data[position : position + HEAD_BYTES], RECORDIO)
            raise FormatError(f"expected the RecordIO magic 0x{MAGIC:08X}, got 0x{magic:08X}")
        flag, length = word >> 29, word & MAX_PAYLOAD_BYTES
        if flag not in ((_MIDDLE, _LAST) if parts else (_WHOLE, _FIRST)):
            raise FormatError(
                f"expected the {'next part of a split' if parts else 'beginning of a'} record, got the flag {flag}"
            )
        total += length + len(_MAGIC_BYTES)
        if total > MAX_PAYLOAD_BYTES + len(_MAGIC_BYTES):
            raise FormatError(f"expected a record of at most {MAX_PAYLOAD_BYTES} bytes, got one split into more")
        begin = position + HEADER_BYTES
        position = begin + padded(length)
        if position > len(data):
            raise IncompleteError(
                f"expected {padded(length)} bytes after the frame header, got {len(data) - begin} and the end"
            )
        parts.append(bytes(data[begin : begin + length]))
        if flag in (_WHOLE, _LAST):
            return _MAGIC_BYTES.join(parts), position


def padded(length: Length) -> Length:
    """Give the bytes that a payload of `length` bytes takes up in a frame; an array of lengths gives one of these."""
    return (length + 3) & ~3


def frame_bytes(header: bytes) -> int:
    """Give the size of the frame that begins with `header`, or 0 if that is not the header of a whole frame."""
    if len(header) != HEADER_BYTES:
        return 0
    magic, word = _HEADER.unpack(header)
    if magic != MAGIC or word > MAX_PAYLOAD_BYTES:
        return 0
    size: int = HEADER_BYTES + padded(word)
    return size


def split_frames(data: bytes | memoryview) -> Iterator[bytes]:
    """Give the payloads of the records in `data`.

    Parameters
    ----------
    data : bytes or memoryview
        Frames, one after the other.

    Yields
    ------
    bytes
        A payload, its parts joined.

    Raises
    ------
    FormatError
        With the record's number, if `data` is anything but whole frames.
    """
    position = record = 0
    while position < len(data):
        record += 1
        try:
            payload, position = next_record(data, position)
        except FormatError as error:
            error.record = record
            raise
        yield payload


def frame(payload: bytes) -> bytes:
    """Put a payload into one whole frame.

    Raises
    ------
    ValueError
        If the payload is longer than a frame can say.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"expected a payload of at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    return _HEADER.pack(MAGIC, len(payload)) + payload + bytes(padded(len(payload)) - len(payload))


def parse(payload: bytes) -> Record:
    """Parse a payload.

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


def features(record: Record, feature_dim: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return the row that a record holds under the feature name ``values``; other features are not looked at.

    Parameters
    ----------
    record : Record
        With a dense or sparse tensor of float32, float64 or int32.
    feature_dim : int
        The numbers a row must have.
    dtype : type
        That of the row, float32 or float64.

    Returns
    -------
    ndarray of shape (feature_dim,)
        Numbers that are finite in float32 only. Values of a sparse tensor that have the same key are added up.

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
        return _finite(values, None, dtype)
    keys = np.fromiter(tensor.keys, np.uint64, len(tensor.keys))
    outside = keys >= feature_dim
    if outside.any():
        raise FormatError(f"expected keys from 0 to {feature_dim - 1}, got {keys[outside][0]}")
    columns, sums = added_up(keys.astype(np.int64), values)
    row = np.zeros(feature_dim, dtype)
    row[columns] = _finite(sums, columns, dtype)
    return row


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
        raise FormatError("expected a shape beside the keys of the first record, got none: it says how long rows are")
    return product(tensor.shape)


def decode(
    data: bytes | memoryview, feature_dim: int, max_values: int = 1 << 28
) -> tuple[NDArray[np.float32], list[Record]]:
    """Read all records of a request.

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
    rows : ndarray of shape (n, feature_dim), float32
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
        try:
            record = parse(payload)
            rows.append(features(record, feature_dim))
        except FormatError as error:
            error.record = number
            raise
        records.append(record)
    return np.stack(rows) if rows else np.empty((0, feature_dim), np.float32), records


def dense_record(row: NDArray[np.float32]) -> Record:
    """Make a Record of a row, shape (d,), float32."""
    record = Record()
    record.features["values"].float32_tensor.values.extend(row.tolist())
    return record


def encode(records: Iterable[Record]) -> bytes:
    """Frame records, one after the other."""
    return b"".join(frame(record.SerializeToString()) for record in records)


_Tensor = Float32Tensor | Float64Tensor | Int32Tensor
_DTYPES: Final[dict[type, type[np.number]]] = {
    Float32Tensor: np.float32,
    Float64Tensor: np.float64,
    Int32Tensor: np.int32,
}


def _tensor(record: Record) -> _Tensor:
    value = record.features.get("values")
    if value is None:
        names = ", ".join(excerpt(str(name)) for name in sorted(map(str, record.features))[:5]) or "none"
        raise FormatError(f"expected a feature named 'values', got {names}")
    kind = value.WhichOneof("value")
    tensor = getattr(value, kind or "bytes")
    if not isinstance(tensor, _Tensor):
        raise FormatError(f"expected a tensor of float32, float64 or int32, got {kind or 'nothing'}")
    return tensor


def _finite(values: NDArray[np.number], columns: NDArray[np.int64] | None, dtype: DTypeLike) -> NDArray[Any]:
    """Return values in a type of rows, or say which column (None: each has its own) holds one that is not finite."""
    row, finite = held(values, dtype)
    if not finite.all():
        first = int(np.argmin(finite))
        raise not_finite(float(values[first]), (first if columns is None else int(columns[first])) + 1)
    return row
