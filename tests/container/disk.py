"""Disks without room, and folders that nobody can write to, root included."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Nobody can make a file here.
READ_ONLY = Path("/proc")


@contextmanager
def room_for(n_bytes: int) -> Iterator[None]:
    """Limit the size of files in bytes, in this process and in those that it starts meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_in(folder: Path) -> list[str]:
    """Return the names of all that lies in a folder, and in those within it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
