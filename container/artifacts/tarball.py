"""Write reproducible .tar.gz files, and safely read those that come from outside."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from container.files.atomic import replacing
from container.files.regular import NotRegularFileError, open_regular

MAX_MEMBERS = 1000
_BLOCK = 1 << 20
# What tarfile and gzip raise for damaged archives: their own errors, and whatever a wrong number leads to.
_ARCHIVE_ERRORS = (tarfile.TarError, zlib.error, LookupError, ValueError, EOFError, OSError, OverflowError)


class TarballError(ValueError):
    """The file is no valid tarball; the text says what was expected and what was found."""


class TooLargeError(TarballError):
    """The tarball has more bytes than allowed."""


def write(path: Path, files: Iterable[Path]) -> None:
    """Write files into a tarball, whole or not at all; equal files give equal bytes.

    Parameters
    ----------
    path : Path
        The tarball.
    files : iterable of Path
        Regular files. They are stored in the order of their names, without folders, times or owners.
    """
    with (
        replacing(path) as out,
        # Float32 numbers compress slowly and hardly, by a twelfth at best: they are stored.
        gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=0, mtime=0) as wrapped,
        tarfile.open(fileobj=wrapped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for file in sorted(files, key=lambda file: file.name):
            member = tarfile.TarInfo(file.name)
            member.size = file.stat().st_size
            member.mode = 0o644
            with file.open("rb") as content:
                tar.addfile(member, content)


def read(
    path: Path,
    wanted: Callable[[str], bool],
    max_bytes: int,
    max_skipped_bytes: int = 0,
    max_members: int = MAX_MEMBERS,
) -> dict[str, bytearray]:
    """Read some members of a tarball into memory; nothing is extracted to disk.

    Parameters
    ----------
    path : Path
        The tarball.
    wanted : callable
        Returns whether to read a member, given its name without a leading ``./``.
    max_bytes : int
        Maximum size of the uncompressed tarball.
    max_skipped_bytes : int
        What members that are not wanted may take in addition: they cost time, but no memory.
    max_members : int
        Maximum number of members.

    Returns
    -------
    dict of str to bytearray
        The content of the members, by name.

    Raises
    ------
    TarballError
        If the file is no gzip-compressed tarball, ends early, is larger than allowed, or has links, devices, names
        outside the folder or duplicate names.
    """
    try:
        with open_regular(path) as file, gzip.GzipFile(fileobj=file) as plain:
            bounded = _Bounded(plain, max_bytes + max_skipped_bytes)
            with tarfile.open(fileobj=bounded, mode="r|") as tar:
                contents = _contents(tar, wanted, max_bytes, max_members)
            # The checksum is the end of the file, which a tarball does not need.
            while bounded.read():
                pass
            return contents
    except (TarballError, NotRegularFileError):
        raise
    except _ARCHIVE_ERRORS as cause:
        raise TarballError(f"expected a gzip-compressed tarball, got one that cannot be read: {cause}") from cause


class _Bounded(io.RawIOBase):
    """A stream that fails beyond a number of bytes, however small they are compressed."""

    def __init__(self, stream: gzip.GzipFile, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._left = max_bytes

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(_BLOCK if size < 0 else min(size, _BLOCK))
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError(f"expected at most {self._max_bytes} bytes uncompressed, got more")
        return data


def _contents(
    tar: tarfile.TarFile, wanted: Callable[[str], bool], max_bytes: int, max_members: int
) -> dict[str, bytearray]:
    """Read the wanted members, in the order of the tarball, which is a stream."""
    found: dict[str, bytearray] = {}
    for count, member in enumerate(tar, start=1):
        if count > max_members:
            raise TarballError(f"expected at most {max_members} members, got more")
        name = _checked_name(member)
        content = tar.extractfile(member) if member.isfile() and wanted(name) else None
        if content is None:
            continue
        if name in found:
            raise TarballError(f"expected each name once, got {name!r} twice")
        found[name] = _all_bytes(content, max_bytes - sum(map(len, found.values())))
    return found


def _checked_name(member: tarfile.TarInfo) -> str:
    """Return a member's name, relative to the root of the tarball, if it could be extracted safely."""
    if member.islnk() or member.issym() or member.issparse():
        raise TarballError(f"expected plain files and folders, got a link or a file with holes, {member.name!r}")
    # Nothing is extracted, but a member that could not be extracted safely is not trusted either.
    return str(PurePosixPath(tarfile.data_filter(member, "/model").name))


def _all_bytes(content: IO[bytes], max_bytes: int) -> bytearray:
    """Read a member in blocks, so that a false size allocates nothing."""
    data = bytearray()
    while block := content.read(_BLOCK):
        data += block
        if len(data) > max_bytes:
            raise TooLargeError(f"expected at most {max_bytes} bytes to read, got more")
    return data
