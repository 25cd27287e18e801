"""Rows as RecordIO-protobuf, the format of training data and of requests, encoded by numpy."""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CONTENT_TYPE: Final = "application/x-recordio-protobuf"
MAGIC: Final = 0xCED7230A
# Bytes of a block of rows, at most, but for a row that is longer.
_BLOCK_BYTES: Final = 8 << 20
# An endpoint takes 6 MB, and its answer has about 100 bytes for each row.
_REQUEST_BYTES: Final = 4 << 20
_MAX_FRAME_BYTES: Final = 128
# Number of a tensor's field in `Value`, by the type of its numbers.
_TENSOR_FIELDS: Final = {"<f4": 2, "<f8": 3}
_MAX_RECORD_BYTES: Final = (1 << 31) - 1


def encoded(rows: Any, labels: Any = None) -> Iterator[bytes]:
    """Encode rows, as `write_numpy_to_dense_tensor` and `write_spmatrix_to_sparse_tensor` of the SDK do, but faster.

    Parameters
    ----------
    rows : array-like of numbers or SciPy sparse matrix, shape (n, d)
        Float32 stays; all other numbers become float64.
    labels : array-like of numbers, shape (n,), or None
        A label for each row.

    Yields
    ------
    bytes
        Some whole records.

    Raises
    ------
    ValueError
        If the shapes are others, or these are no numbers.
    """
    array, labels = checked(rows, labels)
    if hasattr(array, "tocsr"):
        return _sparse(array.tocsr(), labels)
    return _dense(array, labels)


def request_parts(rows: Any) -> Iterator[bytes]:
    """Encode rows as bodies of requests, each short enough for an endpoint.

    Parameters
    ----------
    rows : array-like of numbers or SciPy sparse matrix, shape (n, d) or (d,)
        Any number of rows, at least one.

    Yields
    ------
    bytes
        The bodies, in the order of the rows.

    Raises
    ------
    ValueError
        If there are no rows, or something else.
    """
    array, _ = checked(rows.tocsr() if hasattr(rows, "tocsr") else np.atleast_2d(rows))
    if not array.shape[0]:
        raise ValueError("expected at least one row, got none")
    step = max(1, _REQUEST_BYTES // (array.shape[1] * array.dtype.itemsize + _MAX_FRAME_BYTES))
    for start in range(0, array.shape[0], step):
        part = array[start : start + step]
        yield b"".join(encoded(part.toarray() if hasattr(part, "toarray") else part))


def checked(rows: Any, labels: Any = None) -> tuple[Any, NDArray[Any] | None]:
    """Return rows and labels of a type that can be encoded, or raise ValueError; see `encoded`."""
    sparse = hasattr(rows, "tocsr")
    array = _numbers(rows) if sparse else _numbers(np.asarray(rows))
    if array.ndim != 2:
        raise ValueError(f"Array must be a Matrix: expected 2 dimensions, got {array.ndim}")
    if labels is None:
        return array, None
    labels = _numbers(np.asarray(labels))
    if labels.ndim != 1:
        raise ValueError(f"Labels must be a Vector: expected 1 dimension, got {labels.ndim}")
    if len(labels) != array.shape[0]:
        raise ValueError(f"Label shape {labels.shape} not compatible with array shape {array.shape}")
    return array, labels


def _numbers(array: Any) -> Any:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"Unsupported dtype {array.dtype} on array: expected numbers")
    return array.astype("<f4" if array.dtype.itemsize <= 4 and array.dtype.kind == "f" else "<f8", copy=False)


def _dense(array: NDArray[Any], labels: NDArray[Any] | None) -> Iterator[bytes]:
    # Every record has the same bytes around its numbers.
    value_bytes = array.shape[1] * array.itemsize
    head = _entry_head(1, array.dtype, value_bytes)
    label_head = b"" if labels is None else _entry_head(2, labels.dtype, labels.itemsize)
    label_bytes = 0 if labels is None else labels.itemsize
    length = len(head) + value_bytes + len(label_head) + label_bytes
    head = _frame_head(length) + head
    size = len(head) + value_bytes + len(label_head) + label_bytes + -length % 4
    step = max(1, _BLOCK_BYTES // size)
    for start in range(0, len(array), step):
        part = np.ascontiguousarray(array[start : start + step])
        block = np.zeros((len(part), size), np.uint8)
        end = len(head)
        block[:, :end] = np.frombuffer(head, np.uint8)
        block[:, end : end + value_bytes] = part.view(np.uint8)
        end += value_bytes
        if labels is not None:
            block[:, end : end + len(label_head)] = np.frombuffer(label_head, np.uint8)
            end += len(label_head)
            block[:, end : end + label_bytes] = labels[start : start + step, None].view(np.uint8)
        yield block.tobytes()


def _sparse(matrix: Any, labels: NDArray[Any] | None) -> Iterator[bytes]:
    shape = _field(3, _varint(matrix.shape[1]))
    block = bytearray()
    for row in range(matrix.shape[0]):
        stored = slice(matrix.indptr[row], matrix.indptr[row + 1])
        values = np.ascontiguousarray(matrix.data[stored]).tobytes()
        keys = b"".join(map(_varint, matrix.indices[stored].tolist()))
        record = _entry(1, matrix.dtype, _field(1, values) + _field(2, keys) + shape)
        if labels is not None:
            record += _entry(2, labels.dtype, _field(1, labels[row : row + 1].tobytes()))
        block += _frame_head(len(record)) + record + bytes(-len(record) % 4)
        if len(block) >= _BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _frame_head(length: int) -> bytes:
    if length > _MAX_RECORD_BYTES:
        raise ValueError(f"expected records of at most {_MAX_RECORD_BYTES} bytes, got {length}")
    return struct.pack("<II", MAGIC, length)


def _entry_head(field: int, dtype: np.dtype[Any], value_bytes: int) -> bytes:
    """Return what precedes the numbers of an entry of features (field 1) or labels (field 2) of a record."""
    whole = _entry(field, dtype, _field(1, bytes(value_bytes)))
    return whole[: len(whole) - value_bytes]


def _entry(field: int, dtype: np.dtype[Any], tensor: bytes) -> bytes:
    value = _field(_TENSOR_FIELDS[dtype.newbyteorder("<").str], tensor)
    return _field(field, _field(1, b"values") + _field(2, value))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of the wire type 2, whose content has a length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


@lru_cache(maxsize=1 << 20)
def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)
