"""``application/x-recordio-protobuf``: a Record a row, answered by a Record with labels.

Records of one request mostly differ in nothing but the bytes of their numbers, in requests and answers alike. Those
are read and written as a table of bytes; all others go through the protobuf library.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.formats import recordio
from container.formats.errors import FormatError, IncompleteError
from container.formats.record_pb2 import Record
from container.serving.codecs.codec import Identity, Instances, Predictions, rows_in_block

MEDIA_TYPE = "application/x-recordio-protobuf"

_NOBODY = Identity(None, None)
# Records of other forms that are read before the table is tried again.
_OTHER_RECORDS = 1024
# To learn the layout of a record costs as much as to read a few with the protobuf library.
_FEW_BYTES = 1 << 14

_Bytes = NDArray[np.uint8]


class _Layout(NamedTuple):
    """A frame, where in it the numbers of a row begin and end, and where the payload does; padding has no meaning."""

    frame: _Bytes
    begin: int
    end: int
    payload_end: int
    dtype: str
    identity: Identity


def decode(body: Iterable[bytes], feature_dim: int) -> Iterator[Instances]:
    """Read framed records; their uid and metadata are kept."""
    layout = _plain_layout(feature_dim)
    data, read = b"", 0
    for part in body:
        data += part
        while True:
            if len(data) > _FEW_BYTES and not _like(data, 1, layout):
                layout = _layout_of(data, feature_dim) or layout
            block, used = _table(data, layout, feature_dim)
            if not used:
                block, used = _records(data, feature_dim, read)
            if not used:
                break
            yield block
            data = data[used:]
            read += len(block.rows)
    if data:
        # The end came too early: this says in what.
        with _numbering(read + 1):
            recordio.next_record(data, 0)


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write a framed record a row, with the uid and metadata of the request's."""
    for block in blocks:
        columns = {name: values.astype("<f4").reshape(len(values), -1) for name, values in block.columns.items()}
        if block.identities is None:
            frame, dtype = _answer_layout(tuple((name, values.shape[1]) for name, values in columns.items()))
            table = np.tile(frame, len(next(iter(columns.values())))).view(dtype)
            for name, values in columns.items():
                table[name] = values
            yield table.tobytes()
        else:
            yield b"".join(
                _framed_answer({name: values[number] for name, values in columns.items()}, identity)
                for number, identity in enumerate(block.identities)
            )


def _table(data: bytes, layout: _Layout, feature_dim: int) -> tuple[Instances, int]:
    """Read the first records as long as they differ from the layout's in their finite numbers alone."""
    size = len(layout.frame)
    count = _like(data, min(len(data) // size, rows_in_block(feature_dim)), layout)
    table = np.frombuffer(data, np.uint8, count * size).reshape(count, size)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(table[:, layout.begin : layout.end]).view(layout.dtype)
        rows = values.reshape(count, feature_dim).astype(np.float32, copy=False)
    finite = np.isfinite(rows)
    if not finite.all():
        count = int(finite.all(axis=1).argmin())
        rows = rows[:count]
    return Instances(rows, None if layout.identity == _NOBODY else [layout.identity] * count), count * size


def _like(data: bytes, most: int, layout: _Layout) -> int:
    """Count the records at the front, up to `most`, that have the bytes of the layout around their numbers."""
    size = len(layout.frame)
    if len(data) < size or data[: layout.begin] != layout.frame[: layout.begin].tobytes():
        return 0
    table = np.frombuffer(data, np.uint8, most * size).reshape(most, size)
    like = most
    for around in (slice(0, layout.begin), slice(layout.end, layout.payload_end)):
        other = table[:like, around] != layout.frame[around]
        if other.any():
            like = int(other.any(axis=1).argmax())
    return like


def _records(data: bytes, feature_dim: int, read: int) -> tuple[Instances, int]:
    """Read whole records at the front, of any form."""
    rows: list[NDArray[np.float32]] = []
    identities = []
    position = 0
    most = min(_OTHER_RECORDS, rows_in_block(feature_dim))
    while position < len(data) and len(rows) < most:
        number = read + len(rows) + 1
        with _numbering(number):
            try:
                payload, position = recordio.next_record(data, position)
            except IncompleteError:
                break
            record = recordio.parse(payload)
            rows.append(recordio.features(record, feature_dim))
            identities.append(_identity(record))
    known = None if all(identity == _NOBODY for identity in identities) else identities
    return Instances(np.array(rows, np.float32).reshape(len(rows), feature_dim), known), position


# A server has one feature_dim or a few; the bound is for processes that see many.
@lru_cache(maxsize=16)
def _plain_layout(feature_dim: int) -> _Layout:
    """Give the layout of a record that is one dense float32 tensor and nothing else."""
    layout = _layout_of(recordio.encode([recordio.dense_record(np.ones(feature_dim, np.float32))]), feature_dim)
    if layout is None:
        raise AssertionError("a record that we wrote has a layout")
    return layout


def _layout_of(data: bytes, feature_dim: int) -> _Layout | None:
    """Learn the layout of the first record, if its numbers lie together in a packed tensor of floats."""
    size = recordio.frame_bytes(data[: recordio.HEADER_BYTES])
    if not 0 < size <= len(data):
        return None
    try:
        payload, _ = recordio.next_record(data, 0)
        record = recordio.parse(payload)
        recordio.features(record, feature_dim)
        identity = _identity(record)
    except FormatError:
        return None
    value = record.features["values"]
    kind = value.WhichOneof("value")
    dtype = {"float32_tensor": "<f4", "float64_tensor": "<f8"}.get(kind)
    tensor = getattr(value, kind)
    if dtype is None or len(tensor.values) != feature_dim or tensor.keys:
        return None
    numbers = np.array(tensor.values, dtype)
    begin = payload.find(numbers.tobytes())
    # These bytes are the row's if other numbers in their place give a record of that row and of nothing else new.
    others = np.where(numbers == 0, 1, 0).astype(dtype)
    tensor.values[:] = others.tolist()
    changed = payload[:begin] + others.tobytes() + payload[begin + numbers.nbytes :]
    if begin < 0 or Record.FromString(changed) != record:
        return None
    begin += recordio.HEADER_BYTES
    return _Layout(
        np.frombuffer(data, np.uint8, size),
        begin,
        begin + numbers.nbytes,
        recordio.HEADER_BYTES + len(payload),
        dtype,
        identity,
    )


@lru_cache(maxsize=16)
def _answer_layout(widths: tuple[tuple[str, int], ...]) -> tuple[_Bytes, np.dtype[Any]]:
    """Give the frame of an answer of zeros, and where in it the numbers of each output are."""
    zeros = {name: np.zeros(width, "<f4") for name, width in widths}
    frame = np.frombuffer(_framed_answer(zeros, _NOBODY), np.uint8)
    offsets = []
    for name, width in widths:
        # A number of which no byte is 0 shows its place.
        mark = np.frombuffer(b"ABCD" * width, "<f4")
        marked = np.frombuffer(_framed_answer(zeros | {name: mark}, _NOBODY), np.uint8)
        offsets.append(int(np.flatnonzero(marked != frame)[0]))
    dtype = np.dtype(
        {
            "names": [name for name, _ in widths],
            "formats": [("<f4", (width,)) for _, width in widths],
            "offsets": offsets,
            "itemsize": len(frame),
        }
    )
    return frame, dtype


def _framed_answer(columns: Mapping[str, NDArray[np.float32]], identity: Identity) -> bytes:
    record = Record(uid=identity.uid, metadata=identity.metadata)
    for name, numbers in columns.items():
        record.label[name].float32_tensor.values.extend(numbers.tolist())
    # The library writes a map in an order that differs from run to run unless it is told not to.
    return recordio.frame(record.SerializeToString(deterministic=True))


def _identity(record: Record) -> Identity:
    """Take what is to be echoed; the protobuf library reads strings that are not UTF-8, but does not write them."""
    strings: dict[str, str | None] = {}
    for name in Identity._fields:
        value: str | bytes | None = getattr(record, name) if record.HasField(name) else None
        if isinstance(value, bytes):
            raise FormatError(f"expected {name} to be UTF-8, got {value[:20]!r}")
        strings[name] = value
    return Identity(**strings)


@contextmanager
def _numbering(record: int) -> Iterator[None]:
    """Say in an error which record it is about."""
    try:
        yield
    except FormatError as error:
        error.record = record
        raise
