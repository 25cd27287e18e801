"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


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
    """
    temporary = path.with_name(temporary_name.format(path.name))
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # The rename itself is on disk only once the folder is.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
