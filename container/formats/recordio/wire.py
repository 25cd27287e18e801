"""The bytes that frames and Record messages are made of, for reading and writing them without protobuf.

The messages are described in `record.proto`. All their fields are strings, messages or packed numbers, and so lengths
followed by bytes; a tensor's numbers may also come one by one, as varints or words.
"""

from typing import Final

# A frame: the magic, a word with a flag (3 bits) and the payload's length (29 bits), the payload, zeros up to a
# multiple of 4. Words are little endian.
MAGIC: Final = 0xCED7230A
HEADER_BYTES: Final = 8
MAX_PAYLOAD_BYTES: Final = (1 << 29) - 1

# Wire types: how a field's content is written.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def tag(number: int) -> int:
    """Return the byte that begins a field that is a length and as many bytes."""
    return number << 3 | LENGTH


# Tags of the fields of a Record, of an entry of one of its maps, and of a Value.
FEATURES, LABEL, UID, METADATA, CONFIGURATION = map(tag, (1, 2, 3, 4, 5))
ENTRY_KEY, ENTRY_VALUE = map(tag, (1, 2))
FLOAT32_TENSOR, FLOAT64_TENSOR, INT32_TENSOR = map(tag, (2, 3, 7))
# The numbers of a tensor's fields.
VALUES, KEYS, SHAPE = 1, 2, 3

# The feature that holds the row.
ROW_NAME: Final = b"values"
