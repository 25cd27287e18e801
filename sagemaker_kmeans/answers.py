"""Answers of an endpoint in RecordIO-protobuf, as arrays."""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sagemaker_kmeans.records import MAGIC

_LABEL_FIELD: Final = 2
_FLOAT32_FIELD: Final = 2


class AnswerError(ValueError):
    """An answer is no RecordIO-protobuf of closest clusters."""


def arrays(bodies: Iterable[bytes]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Decode answers.

    Parameters
    ----------
    bodies : iterable of bytes
        Whole answers.

    Returns
    -------
    labels : ndarray of int64, shape (n,)
        `closest_cluster` of each record.
    distances : ndarray of float32, shape (n,)
        `distance_to_cluster`.

    Raises
    ------
    AnswerError
        If they are something else.
    """
    labels: list[float] = []
    distances: list[float] = []
    for body in bodies:
        for record in split(body):
            answered = dict(_labels(record))
            try:
                labels.append(answered["closest_cluster"])
                distances.append(answered["distance_to_cluster"])
            except KeyError as cause:
                found = sorted(answered)
                raise AnswerError(f"expected closest_cluster and distance_to_cluster, got {found}") from cause
    return np.array(labels).astype(np.int64), np.array(distances, np.float32)


def split(body: bytes) -> Iterator[memoryview]:
    """Split an answer into its records.

    Parameters
    ----------
    body : bytes
        A whole answer.

    Yields
    ------
    memoryview
        An encoded Record.

    Raises
    ------
    AnswerError
        If it is something else.
    """
    view, position = memoryview(body), 0
    while position < len(view):
        try:
            magic, length = struct.unpack_from("<II", view, position)
        except struct.error as cause:
            raise AnswerError("expected the head of a record, got the end") from cause
        if magic != MAGIC or length > len(view) - position - 8:
            raise AnswerError(f"expected a record at byte {position}, got something else")
        yield view[position + 8 : position + 8 + length]
        position += 8 + length + -length % 4


def _labels(record: memoryview) -> Iterator[tuple[str, float]]:
    for number, entry in _fields(record):
        if number == _LABEL_FIELD:
            members = dict(_fields(entry))
            tensor = dict(_fields(members.get(2, memoryview(b"")))).get(_FLOAT32_FIELD, memoryview(b""))
            values = dict(_fields(tensor)).get(1, b"")
            if len(values) != 4:
                raise AnswerError(f"expected one float32 for each label, got {len(values)} bytes")
            yield bytes(members.get(1, b"")).decode(), struct.unpack("<f", values)[0]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the fields that have a length; there are no others in these answers."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        length, position = _varint(message, position)
        if key & 7 != 2 or length > len(message) - position:
            raise AnswerError("expected a field with a length, got something else")
        yield key >> 3, message[position : position + length]
        position += length


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            break
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise AnswerError("expected a number, got the end or a longer one")
