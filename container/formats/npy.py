"""The head of an array in numpy's own format, which is matched with a pattern and never evaluated.

A head is the magic, two bytes of version, the length of the text that follows and that text: a Python dict of the names
descr, fortran_order and shape. (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html) numpy itself
evaluates it as a Python literal; other programs use other blanks, quotation marks and orders of the names.
"""

import re
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np

from container.formats import bfloat16
from container.formats.errors import FormatError, excerpt

MAGIC: Final = b"\x93NUMPY"
# The bound of numpy itself. A table of numbers takes 128 bytes.
MAX_HEADER_BYTES: Final = 10_000
# The bytes of the header's length, by version.
_LENGTH_BYTES: Final = {(1, 0): 2, (2, 0): 4, (3, 0): 4}

_MEMBER = re.compile(
    r"""\s*(?P<quote>['"])(?P<name>descr|fortran_order|shape)(?P=quote)\s*:\s*(?:
        (?P<mark>['"])(?P<descr>[^'"\\]*)(?P=mark)
        | (?P<fields>\[[^{}]*\])
        | (?P<order>True|False)
        | \((?P<shape>[0-9L,\s]*)\)
    )\s*(?P<end>,\s*\}|,|\})\s*""",
    re.VERBOSE,
)
# Python 2 wrote an L behind long integers.
_EXTENT = re.compile(r"\s*([0-9]{1,19})L?\s*")
_NUMBERS = re.compile(r"[<>|=]?[fiub][0-9]{1,2}")
# As numpy writes the bfloat16 of ml_dtypes, which JAX and TensorFlow use; two bytes of no known type are |V2.
_BFLOAT16 = ("<V2", "bfloat16")
_NO_TYPE = re.compile(r"[<>|=]?V[0-9]+")


class Header(NamedTuple):
    """The type and shape of an array; `container.formats.bfloat16.DTYPE` stands for bfloat16."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]


def read_header(stream: BinaryIO) -> Header:
    """Return the header of an array of numbers; the stream is left where they begin.

    Raises
    ------
    FormatError
        If it is something else, or if the elements are no real numbers.
    """
    begin = _read(stream, len(MAGIC) + 2)
    version = (begin[-2], begin[-1])
    if not begin.startswith(MAGIC) or version not in _LENGTH_BYTES:
        raise FormatError(f"expected an array of numpy.save, got something else: {begin!r}")
    length = int.from_bytes(_read(stream, _LENGTH_BYTES[version]), "little")
    if length > MAX_HEADER_BYTES:
        raise FormatError(f"expected a header of at most {MAX_HEADER_BYTES} bytes, got {length}")
    # Latin-1 decodes any byte, and all names are ASCII.
    members = _members(_read(stream, length).decode("latin-1"))
    return Header(_dtype(members["descr"]), members["fortran_order"] == "True", _shape(members["shape"]))


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise FormatError(f"expected an array of numpy.save, got the end after {len(data)} of {size} bytes of its head")
    return data


def _members(text: str) -> dict[str, str]:
    """Return the text of each value by name."""
    members: dict[str, str] = {}
    position, end = text.find("{") + 1, ""
    if not position or text[: position - 1].strip():
        raise _unlike(text)
    while not end.endswith("}"):
        match = _MEMBER.match(text, position)
        kinds = {"descr": ("descr", "fields"), "fortran_order": ("order",), "shape": ("shape",)}
        value = next((match[kind] for kind in kinds[match["name"]] if match[kind] is not None), None) if match else None
        if match is None or value is None or match["name"] in members:
            raise _unlike(text)
        members[match["name"]] = value
        position, end = match.end(), match["end"]
    if len(members) < len(kinds) or position < len(text):
        raise _unlike(text)
    return members


def _unlike(text: str) -> FormatError:
    return FormatError(
        f"expected a header of descr, fortran_order and shape as numpy.save writes it, got {excerpt(text.strip(), 60)}"
    )


def _dtype(text: str) -> np.dtype[Any]:
    if text in _BFLOAT16:
        return bfloat16.DTYPE
    try:
        if _NUMBERS.fullmatch(text):
            return np.dtype(text)
    except TypeError:
        # There is no such type.
        pass
    hint = ", which may be anything: save array.astype(np.float32)" if _NO_TYPE.fullmatch(text) else ""
    raise FormatError(f"expected numbers, got elements of the type {excerpt(text)}{hint}")


def _shape(text: str) -> tuple[int, ...]:
    extents = text.split(",")
    # A comma may end the list, and must if it has one extent.
    if not extents[-1].strip():
        del extents[-1]
    matches = [_EXTENT.fullmatch(extent) for extent in extents]
    if not all(matches):
        raise FormatError(f"expected a shape of whole numbers, got {excerpt(f'({text})')}")
    return tuple(int(match[1]) for match in matches if match)
