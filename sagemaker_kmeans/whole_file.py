"""Files that are written as a whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file under another name in its folder, and give it its own name at the end.

    Parameters
    ----------
    path : str or path-like
        The file; replaced if there is one.

    Yields
    ------
    binary file
        What is written to it becomes the file, unless an exception is raised. If the process is killed, it stays under
        a name that no other process uses.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{uuid4().hex[:8]}.partial")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
