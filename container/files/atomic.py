"""Write files whole or not at all, with errors that name the file."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast


@contextmanager
def replacing(path: Path, temporary_name: str = ".{}.partial") -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only if the block succeeds.

    Parameters
    ----------
    path : Path
        The file to write. Its folder must exist; an existing file is replaced.
    temporary_name : str
        The format of the name of the temporary file, given that of the file.

    Yields
    ------
    BinaryIO
        A temporary file in the same folder, which is synced to disk and renamed at the end, or removed if the block
        raises.

    Raises
    ------
    OSError
        If the file can't be written; the error names it.
    """
    temporary = path.with_name(temporary_name.format(path.name))
    # A killed job may have left anything.
    temporary.unlink(missing_ok=True)
    try:
        with writing(temporary, path) as file:
            yield file
            file.flush()
            with naming(path):
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        # The first error is the one to report.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    # The rename is on disk only once the folder is.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with naming(path):
            os.fsync(folder)
    finally:
        os.close(folder)


def writing(path: Path, name: Path | None = None) -> BinaryIO:
    """Open a new file, whose `write` writes all bytes or raises.

    Parameters
    ----------
    path : Path
        The file; it must not exist.
    name : Path or None
        The path that errors name instead.

    Returns
    -------
    BinaryIO
        The file; it is whole once it is closed without an error.
    """
    # A bare FileIO returns early when the disk is full; a buffer goes on until the error is raised.
    return io.BufferedWriter(_NamedFile(path, name or path))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the name of a file to errors of the operating system: only those of `open` and the like have it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


class _NamedFile(io.FileIO):
    """A file for writing, with errors that name it."""

    def __init__(self, path: Path, name: Path) -> None:
        self._named = name
        super().__init__(path, "xb")

    def write(self, data: Any) -> int:
        with naming(self._named):
            return cast(int, super().write(data))

    def close(self) -> None:
        with naming(self._named):
            super().close()
