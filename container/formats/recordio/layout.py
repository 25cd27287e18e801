"""Frames that are alike in all but the bytes of their numbers, read and written as a table of bytes.

Most files and requests are such frames. They are known by the bytes around the numbers, and need not be parsed; numpy
compares and copies them, and no kernel is loaded for it. `container.formats.recordio.frame_kernel` does the same in
machine code.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from container.formats.errors import FormatError
from container.formats.numbers import held
from container.formats.recordio import records
from container.formats.recordio.frames import frame, frame_bytes, next_record
from container.formats.recordio.messages import DecodedRows
from container.formats.recordio.record_pb2 import Record
from container.formats.recordio.spans import Spans
from container.formats.recordio.wire import HEADER_BYTES, ROW_NAME
from kmeans.types import FloatArray

# Fewer records are not worth a table.
_MIN_RECORDS: Final = 16


class Layout(NamedTuple):
    """A frame, and where in it the numbers are.

    Attributes
    ----------
    frame : ndarray of uint8, shape (bytes of a frame,)
        That of any such record.
    begin, end : int
        Where its numbers begin and end.
    payload_end : int
        Where the payload ends; the padding behind it has no meaning.
    dtype : str
        That of the numbers.
    identity : bytes
        The uid and metadata that all such records have, as a Record message.
    """

    frame: NDArray[np.uint8]
    begin: int
    end: int
    payload_end: int
    dtype: str
    identity: bytes

    def count_alike(self, data: bytes | memoryview, position: int, most: int) -> int:
        """Return the number of frames from `position` on, at most `most`, that are alike."""
        size = len(self.frame)
        most = min((len(data) - position) // size, most)
        # One that is not alike mostly shows so in its first bytes.
        if not most or data[position : position + self.begin] != self.frame[: self.begin].tobytes():
            return 0
        table = self._table(data, position, most)
        alike = most
        for around in (slice(0, self.begin), slice(self.end, self.payload_end)):
            other = table[:alike, around] != self.frame[around]
            if other.any():
                alike = int(other.any(axis=1).argmax())
        return alike

    def numbers(self, data: bytes | memoryview, position: int, count: int) -> NDArray[Any]:
        """Return the numbers of frames that are alike, ndarray of `self.dtype`, shape (count, d)."""
        return np.ascontiguousarray(self._table(data, position, count)[:, self.begin : self.end]).view(self.dtype)

    def read(self, data: bytes, position: int, most: int, dtype: DTypeLike = np.float32) -> tuple[DecodedRows, int]:
        """Return the rows of the records from `position` on that are alike and finite, and the bytes of their frames.

        There are at most `most`; none where there are so few that they are better read otherwise.
        """
        if self.count_alike(data, position, _MIN_RECORDS) < _MIN_RECORDS:
            return DecodedRows(np.empty((0, 0), dtype), None), 0
        count = self.count_alike(data, position, most)
        rows, finite = held(self.numbers(data, position, count), dtype)
        if not finite.all():
            count = int(finite.all(axis=1).argmin())
            rows = rows[:count]
        identities = None
        if self.identity:
            identities = Spans(self.identity, np.zeros(count, np.int64), np.full(count, len(self.identity)))
        return DecodedRows(rows, identities), count * len(self.frame)

    def _table(self, data: bytes | memoryview, position: int, count: int) -> NDArray[np.uint8]:
        size = len(self.frame)
        return np.frombuffer(data, np.uint8, count * size, position).reshape(count, size)


# A process has one number of features or a few; the bound is for those that see many.
@lru_cache(maxsize=16)
def plain_layout(feature_dim: int) -> Layout:
    """Return the layout of a record that is one dense float32 tensor and nothing else."""
    payload = records.dense_record(np.zeros(feature_dim, np.float32)).SerializeToString()
    # The numbers are the last bytes of all messages that hold them.
    end = HEADER_BYTES + len(payload)
    return Layout(np.frombuffer(frame(payload), np.uint8), end - 4 * feature_dim, end, end, "<f4", b"")


def layout_of(data: bytes, position: int, feature_dim: int) -> Layout | None:
    """Return the layout of the record at `position`, or None unless it has one packed tensor of floats as its row."""
    size = frame_bytes(data[position : position + HEADER_BYTES])
    if not 0 < size <= len(data) - position:
        return None
    try:
        payload, _ = next_record(data, position)
        record = records.parse(payload)
        records.features(record, feature_dim)
        identity = records.identity(record)
    except FormatError:
        return None
    value = record.features[ROW_NAME.decode()]
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
    begin += HEADER_BYTES
    return Layout(
        np.frombuffer(data, np.uint8, size, position).copy(),
        begin,
        begin + numbers.nbytes,
        HEADER_BYTES + len(payload),
        dtype,
        identity,
    )


def dense_frames(rows: FloatArray) -> NDArray[np.uint8]:
    """Return rows in frames, as dense records that are nothing but a row.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, d)
        C-contiguous.

    Returns
    -------
    ndarray of uint8, shape (n, bytes of a frame)
        What `records.encode` would write.
    """
    layout = plain_layout(rows.shape[1])
    framed = np.empty((len(rows), len(layout.frame)), np.uint8)
    framed[:, : layout.begin] = layout.frame[: layout.begin]
    framed[:, layout.begin : layout.end] = rows.view(np.uint8)
    framed[:, layout.end :] = layout.frame[layout.end :]
    return framed
