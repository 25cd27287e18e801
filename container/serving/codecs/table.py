"""Records that differ in nothing but the bytes of their numbers, read as a table of bytes."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError
from container.formats.numbers import held
from container.formats.recordio import records as recordio
from container.formats.recordio.record_pb2 import Record
from container.serving.codecs.codec import Instances
from container.serving.codecs.records import identity
from container.serving.codecs.spans import Spans

# So few records are not worth a table.
_FEW_RECORDS = 16


class Layout(NamedTuple):
    """A frame, where in it the numbers of a row begin and end, and where the payload does; padding has no meaning."""

    frame: NDArray[np.uint8]
    begin: int
    end: int
    payload_end: int
    dtype: str
    identity: bytes


def read(data: bytes, position: int, most: int, layout: Layout, dtype: DTypeLike = np.float32) -> tuple[Instances, int]:
    """Read up to `most` records as long as they differ from the layout's in their finite numbers alone.

    Returns
    -------
    block : Instances
        None if these records are fewer than `_FEW_RECORDS`.
    used : int
        Their bytes.
    """
    size = len(layout.frame)
    count = like(data, position, _FEW_RECORDS, layout)
    count = like(data, position, most, layout) if count == _FEW_RECORDS else 0
    table = np.frombuffer(data, np.uint8, count * size, position).reshape(count, size)
    numbers, finite = held(np.ascontiguousarray(table[:, layout.begin : layout.end]).view(layout.dtype), dtype)
    if not finite.all():
        count = int(finite.all(axis=1).argmin())
        numbers = numbers[:count]
    identities = None
    if layout.identity:
        identities = Spans(layout.identity, np.zeros(count, np.int64), np.full(count, len(layout.identity)))
    return Instances(numbers, identities), count * size


def like(data: bytes, position: int, most: int, layout: Layout) -> int:
    """Count the records, up to `most`, that have the bytes of the layout around their numbers."""
    size = len(layout.frame)
    most = min((len(data) - position) // size, most)
    if not most or not data.startswith(layout.frame[: layout.begin].tobytes(), position):
        return 0
    table = np.frombuffer(data, np.uint8, most * size, position).reshape(most, size)
    like = most
    for around in (slice(0, layout.begin), slice(layout.end, layout.payload_end)):
        other = table[:like, around] != layout.frame[around]
        if other.any():
            like = int(other.any(axis=1).argmax())
    return like


# A server has one feature_dim or a few; the bound is for processes that see many.
@lru_cache(maxsize=16)
def plain_layout(feature_dim: int) -> Layout:
    """Give the layout of a record that is one dense float32 tensor and nothing else."""
    layout = layout_of(recordio.encode([recordio.dense_record(np.ones(feature_dim, np.float32))]), 0, feature_dim)
    if layout is None:
        raise AssertionError("a record that we wrote has a layout")
    return layout


def layout_of(data: bytes, position: int, feature_dim: int) -> Layout | None:
    """Learn the layout of the record at `position`, if its numbers lie together in a packed tensor of floats."""
    size = recordio.frame_bytes(data[position : position + recordio.HEADER_BYTES])
    if not 0 < size <= len(data) - position:
        return None
    try:
        payload, _ = recordio.next_record(data, position)
        record = recordio.parse(payload)
        recordio.features(record, feature_dim)
        echoed = identity(record)
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
    changed = Record.FromString(payload[:begin] + others.tobytes() + payload[begin + numbers.nbytes :])
    for each in record, changed:
        # There may be very many, and they take a lot of memory to compare. The numbers are in none of them.
        each.DiscardUnknownFields()
    if begin < 0 or changed != record:
        return None
    begin += recordio.HEADER_BYTES
    return Layout(
        np.frombuffer(data, np.uint8, size, position).copy(),
        begin,
        begin + numbers.nbytes,
        recordio.HEADER_BYTES + len(payload),
        dtype,
        echoed,
    )
