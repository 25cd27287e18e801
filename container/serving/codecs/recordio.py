"""``application/x-recordio-protobuf``: a Record a row, answered by a Record with labels.

Records of one request mostly differ in nothing but the bytes of their numbers, in requests and answers alike. Those
are read and written as a table of bytes; all others go through the protobuf library, one by one.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from container.formats import recordio
from container.formats.errors import FormatError, IncompleteError
from container.formats.record_pb2 import Record
from container.serving.codecs.codec import Identity, Instances, Predictions, rows_in_block
from container.serving.codecs.records import rows

MEDIA_TYPE = "application/x-recordio-protobuf"

_NOBODY = Identity(None, None)
# Records of other forms that are read together, before the table is tried again.
_OTHER_RECORDS = 1024
# So few records are not worth a table.
_FEW_RECORDS = 16
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
        position = 0
        while True:
            if len(data) - position > _FEW_BYTES and not _like(data, position, 1, layout):
                layout = _layout_of(data[position:], feature_dim) or layout
            block, used = _table(data, position, layout, feature_dim)
            if not used:
                block, used = _records(data, position, feature_dim, read)
            if not used:
                break
            yield block
            position += used
            read += len(block.rows)
        data = data[position:]
    if data:
        # The end came too early: this says in what.
        try:
            recordio.next_record(data, 0)
        except FormatError as error:
            error.record = read + 1
            raise


def encode(blocks: Iterable[Predictions]) -> Iterator[bytes]:
    """Write a framed record a row, with the uid and metadata of the request's."""
    for block in blocks:
        columns = {name: values.astype("<f4").reshape(len(values), -1) for name, values in block.columns.items()}
        frame, dtype = _answer_layout(tuple((name, values.shape[1]) for name, values in columns.items()))
        table = np.tile(frame, len(next(iter(columns.values())))).view(dtype)
        for name, values in columns.items():
            table[name] = values
        if block.identities is None:
            yield table.tobytes()
            continue
        (length,) = frame[4:8].view("<u4")
        labels = table.view(np.uint8).reshape(len(table), -1)[:, recordio.HEADER_BYTES :][:, :length]
        # A message may come in pieces, one after the other.
        yield b"".join(
            recordio.frame(label.tobytes() + Record(**identity._asdict()).SerializeToString())
            for label, identity in zip(labels, block.identities, strict=True)
        )


def _table(data: bytes, position: int, layout: _Layout, feature_dim: int) -> tuple[Instances, int]:
    """Read records as long as they differ from the layout's in their finite numbers alone, unless these are few."""
    size = len(layout.frame)
    count = _like(data, position, min((len(data) - position) // size, rows_in_block(feature_dim)), layout)
    if count < _FEW_RECORDS:
        count = 0
    table = np.frombuffer(data, np.uint8, count * size, position).reshape(count, size)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(table[:, layout.begin : layout.end]).view(layout.dtype)
        numbers = values.reshape(count, feature_dim).astype(np.float32, copy=False)
    finite = np.isfinite(numbers)
    if not finite.all():
        count = int(finite.all(axis=1).argmin())
        numbers = numbers[:count]
    return Instances(numbers, None if layout.identity == _NOBODY else [layout.identity] * count), count * size


def _like(data: bytes, position: int, most: int, layout: _Layout) -> int:
    """Count the records, up to `most`, that have the bytes of the layout around their numbers."""
    size = len(layout.frame)
    if len(data) - position < size or not data.startswith(layout.frame[: layout.begin].tobytes(), position):
        return 0
    table = np.frombuffer(data, np.uint8, most * size, position).reshape(most, size)
    like = most
    for around in (slice(0, layout.begin), slice(layout.end, layout.payload_end)):
        other = table[:like, around] != layout.frame[around]
        if other.any():
            like = int(other.any(axis=1).argmax())
    return like


def _records(data: bytes, position: int, feature_dim: int, read: int) -> tuple[Instances, int]:
    """Read whole records of any form."""
    begin = position
    records: list[Record] = []
    identities = []
    most = min(_OTHER_RECORDS, rows_in_block(feature_dim))
    try:
        while position < len(data) and len(records) < most:
            payload, position = recordio.next_record(data, position)
            record = recordio.parse(payload)
            identities.append(_identity(record))
            records.append(record)
    except IncompleteError:
        # The rest of it is still to come.
        pass
    except FormatError as error:
        error.record = read + len(records) + 1
        raise
    known = None if all(identity == _NOBODY for identity in identities) else identities
    return Instances(rows(records, feature_dim, read), known), position - begin


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
        np.frombuffer(data, np.uint8, size).copy(),
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
    if not record.HasField("uid") and not record.HasField("metadata"):
        return _NOBODY
    strings: dict[str, str | None] = {}
    for name in Identity._fields:
        value: str | bytes | None = getattr(record, name) if record.HasField(name) else None
        if isinstance(value, bytes):
            raise FormatError(f"expected {name} to be UTF-8, got {value[:20]!r}")
        strings[name] = value
    return Identity(**strings)
