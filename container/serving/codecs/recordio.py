"""``application/x-recordio-protobuf``: a Record a row, answered by a Record with two labels.

Records of one request mostly differ in nothing but the bytes of their numbers, in requests and answers alike. Those
are read and written as columns of a table of bytes; all others go through the protobuf library.
"""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from container.formats import recordio
from container.formats.errors import FormatError
from container.formats.record_pb2 import Record
from container.serving.codecs.codec import Identity, Instances, Predictions

MEDIA_TYPE = "application/x-recordio-protobuf"

_NOBODY = Identity(None, None)
# A float32 of which no byte is 0: it shows which bytes of a frame hold a number.
_MARK = float(np.frombuffer(b"ABCD", dtype="<f4")[0])

_Bytes = NDArray[np.uint8]


def decode(body: bytes, feature_dim: int) -> Instances:
    """Read framed records; their uid and metadata are kept."""
    plain = _plain_rows(body, feature_dim)
    if plain is not None:
        return Instances(plain)
    rows, records = recordio.decode(body, feature_dim)
    identities = [_identity(record, number) for number, record in enumerate(records, start=1)]
    return Instances(rows, None if all(identity == _NOBODY for identity in identities) else identities)


def encode(predictions: Predictions) -> bytes:
    """Write a framed record a row, with the uid and metadata of the request's."""
    labels, distances = predictions.labels, predictions.distances
    if predictions.identities is None:
        return _plain_answers(labels, distances)
    columns = (labels.tolist(), distances.tolist(), predictions.identities)
    return b"".join(_framed_answer(*row) for row in zip(*columns, strict=True))


def _plain_rows(body: bytes, feature_dim: int) -> NDArray[np.float32] | None:
    """Read records that are one dense float32 tensor and nothing else; None if any is not, for whatever reason."""
    frame, begin, end = _plain_layout(feature_dim)
    if not body or len(body) % len(frame):
        return None
    table = np.frombuffer(body, dtype=np.uint8).reshape(-1, len(frame))
    # What pads a frame has no meaning.
    if (table[:, :begin] != frame[:begin]).any():
        return None
    rows = np.ascontiguousarray(table[:, begin:end]).view("<f4").astype(np.float32, copy=False)
    return rows if np.isfinite(rows).all() else None


# A server has one feature_dim; the bound is for processes that see many.
@lru_cache(maxsize=4)
def _plain_layout(feature_dim: int) -> tuple[_Bytes, int, int]:
    """Give the frame of a row of zeros, and where in it the values, the last bytes of the payload, begin and end."""
    payload = recordio.dense_record(np.zeros(feature_dim, dtype=np.float32)).SerializeToString()
    end = recordio.HEADER_BYTES + len(payload)
    return np.frombuffer(recordio.frame(payload), dtype=np.uint8), end - 4 * feature_dim, end


def _plain_answers(labels: NDArray[np.int64], distances: NDArray[np.float32]) -> bytes:
    """Write answers to records without uid and metadata."""
    frame, label_bytes, distance_bytes = _answer_layout()
    table = np.tile(frame, (len(labels), 1))
    table[:, label_bytes] = labels.astype("<f4").view(np.uint8).reshape(-1, 4)
    table[:, distance_bytes] = distances.astype("<f4").view(np.uint8).reshape(-1, 4)
    return table.tobytes()


@cache
def _answer_layout() -> tuple[_Bytes, NDArray[np.intp], NDArray[np.intp]]:
    """Give the frame of an answer of zeros, and which of its bytes are the label's and which the distance's."""
    zeros, label, distance = (
        np.frombuffer(_framed_answer(*numbers, _NOBODY), dtype=np.uint8)
        for numbers in ((0.0, 0.0), (_MARK, 0.0), (0.0, _MARK))
    )
    return zeros, np.flatnonzero(label != zeros), np.flatnonzero(distance != zeros)


def _framed_answer(label: float, distance: float, identity: Identity) -> bytes:
    record = Record(uid=identity.uid, metadata=identity.metadata)
    record.label["closest_cluster"].float32_tensor.values.append(label)
    record.label["distance_to_cluster"].float32_tensor.values.append(distance)
    # The library writes a map in an order that differs from run to run unless it is told not to.
    return recordio.frame(record.SerializeToString(deterministic=True))


def _identity(record: Record, number: int) -> Identity:
    """Take what is to be echoed; the protobuf library reads strings that are not UTF-8, but does not write them."""
    strings: dict[str, str | None] = {}
    for name in Identity._fields:
        value: str | bytes | None = getattr(record, name) if record.HasField(name) else None
        if isinstance(value, bytes):
            raise FormatError(f"expected {name} to be UTF-8, got {value[:20]!r}", record=number)
        strings[name] = value
    return Identity(**strings)
