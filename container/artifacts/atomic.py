"""Files that are written whole or not at all, and errors that name the file."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast


@contextmanager
def replacing(path: Path, temporary_name: str = ".{}.partial") -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only when the block ends well.

    Parameters
    ----------
    path : Path
        The file to write. Its folder must exist; a file of that name is replaced.
    temporary_name : str
        How the temporary file is named after it.

    Yields
    ------
    BinaryIO
        A temporary file beside `path`, which is synced to disk and renamed at the end, or removed if the
        block raises.

    Raises
    ------
    OSError
        If it can't be written whole; the error names the file.
    """
    temporary = path.with_name(temporary_name.format(path.name))
    # What a killed job has left may be of any kind.
    temporary.unlink(missing_ok=True)
    try:
        with writing(temporary, path) as file:
            yield file
            file.flush()
            with naming(path):
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        # What has gone wrong is told, rather than that the rest of it can't be removed.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    # The rename itself is on disk only once the folder is.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with naming(path):
            os.fsync(folder)
    finally:
        os.close(folder)


def writing(path: Path, name: Path | None = None) -> BinaryIO:
    """Open a new file, of which each `write` writes all it is given.

    Parameters
    ----------
    path : Path
        The file; there must be none of that name.
    name : Path or None
        What errors are to name instead.

    Returns
    -------
    BinaryIO
        It is whole once it is closed without an error.
    """
    # A bare FileIO writes what there is room for and gives the count; a buffer writes on until the error comes.
    return io.BufferedWriter(_NamedFile(path, name or path))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the operating system name a file: only `open` and its like do so by themselves."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise


class _NamedFile(io.FileIO):
    """A file for writing, whose errors name it."""

    def __init__(self, path: Path, name: Path) -> None:
        self._named = name
        super().__init__(path, "xb")

    def write(self, data: Any) -> int:
        with naming(self._named):
            return cast(int, super().write(data))

    def close(self) -> None:
        with naming(self._named):
            super().close()
