"""Archives of numpy and scipy: their members, none of them unpickled."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

from container.artifacts.archive import ERRORS
from container.files.regular import open_regular
from container.formats.errors import FormatError

# What numpy writes. With others, a few bytes could claim a lot of memory or time.
_COMPRESSIONS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OTHER_METHODS: Final = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA", 93: "Zstandard"}


def names(path: Path) -> set[str]:
    """Return the names of an archive's arrays."""
    with _archive(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


@contextmanager
def array(path: Path) -> Iterator[BinaryIO]:
    """Open the only array of an archive; a broken archive is a FormatError, wherever it shows."""
    with _archive(path) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise FormatError(f"expected one array in the archive, got {len(members)}")
        with _opened(archive, members[0]) as stream:
            yield stream


@contextmanager
def arrays(path: Path, names: Sequence[str]) -> Iterator[list[BinaryIO]]:
    """Open some arrays of an archive, to be read side by side; a broken archive is a FormatError."""
    with _archive(path) as archive, ExitStack() as streams:
        yield [streams.enter_context(_opened(archive, archive.getinfo(f"{name}.npy"))) for name in names]


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive
        except FormatError:
            raise
        except ERRORS as error:
            raise FormatError(f"expected an archive of numpy.savez, got a broken one: {str(error)[:200]}") from error


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> BinaryIO:
    if member.compress_type not in _COMPRESSIONS:
        method = _OTHER_METHODS.get(member.compress_type, f"method {member.compress_type}")
        raise FormatError(f"expected an array stored or deflated, as by numpy.savez, got one compressed by {method}")
    return cast(BinaryIO, archive.open(member))
