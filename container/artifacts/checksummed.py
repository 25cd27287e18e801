"""Files that begin with a line and a checksum (SHA-256) of everything that follows."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO, Final

_DIGEST_BYTES: Final = hashlib.sha256().digest_size
_PIECE: Final = 1 << 20


class ChecksumError(ValueError):
    """The file is not as it was written; the text says how."""


def header_bytes(magic: bytes) -> int:
    """Return the number of bytes before what a file with such a line holds."""
    return len(magic) + _DIGEST_BYTES


@contextmanager
def writing(file: BinaryIO, magic: bytes) -> Iterator[io.RawIOBase]:
    """Write the line, and the checksum of what the block writes.

    Yields
    ------
    RawIOBase
        What to write to; it can't be sought.
    """
    file.write(magic + bytes(_DIGEST_BYTES))
    content = _HashingWriter(file)
    yield content
    file.seek(len(magic))
    file.write(content.digest())


def verify(file: IO[bytes], magic: bytes) -> None:
    """Check the line and the checksum, and go to what follows.

    Raises
    ------
    ChecksumError
        If one of them is wrong.
    """
    found_magic, expected = file.read(len(magic)), file.read(_DIGEST_BYTES)
    if found_magic != magic:
        raise ChecksumError(f"expected it to begin with {magic!r}, got {found_magic!r}")
    begin = file.tell()
    found = hashlib.sha256()
    while piece := file.read(_PIECE):
        found.update(piece)
    if found.digest() != expected:
        raise ChecksumError(f"expected a checksum of {expected.hex()}, got {found.hexdigest()}")
    file.seek(begin)


class _HashingWriter(io.RawIOBase):
    """Writes to a file, and hashes what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return self._file.write(data)

    def digest(self) -> bytes:
        return self._hash.digest()
