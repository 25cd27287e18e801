"""Content types, and RecordIO frames written by hand."""

import struct

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
RECORDIO = "application/x-recordio-protobuf"
TEXT = "text/plain; charset=utf-8"


def frame(payload: bytes) -> bytes:
    return b"\x0a\x23\xd7\xce" + struct.pack("<I", len(payload)) + payload + bytes(-len(payload) % 4)


def delimited(field: int, payload: bytes) -> bytes:
    """Write a protobuf field of fewer than 128 bytes."""
    return bytes([field << 3 | 2, len(payload)]) + payload


def values(tensor_field: int, tensor: bytes) -> bytes:
    """Write what a map of features or of labels holds under the name values."""
    return delimited(1, b"values") + delimited(2, delimited(tensor_field, tensor))


def dense(*values: float) -> bytes:
    return b"\x0a\x1a\x0a\x06values\x12\x10\x12\x0e\x0a\x0c" + struct.pack("<3f", *values)


def answered(label: float, distance: float) -> bytes:
    return (
        b"\x12\x1b\x0a\x0fclosest_cluster\x12\x08\x12\x06\x0a\x04"
        + struct.pack("<f", label)
        + b"\x12\x1f\x0a\x13distance_to_cluster\x12\x08\x12\x06\x0a\x04"
        + struct.pack("<f", distance)
    )
