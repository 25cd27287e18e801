"""Opening files that come from outside: regular ones only.

Opening a FIFO waits for its other end, maybe forever, and opening a device may do anything. So only a regular file, or
a link to one, is opened where a file is expected.
"""

import errno
import io
import os
import stat
from pathlib import Path
from typing import Literal, overload

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularFileError(OSError):
    """Something else than a regular file is in its place; the text says what, and where."""

    def __str__(self) -> str:
        """Return a sentence without the number of the error, which adds nothing."""
        return f"{self.filename}: {self.strerror}"


@overload
def open_regular(path: Path) -> io.BufferedReader: ...


@overload
def open_regular(path: Path, buffering: Literal[0]) -> io.FileIO: ...


def open_regular(path: Path, buffering: Literal[-1, 0] = -1) -> io.BufferedReader | io.FileIO:
    """Open a regular file for reading; never wait for one.

    Parameters
    ----------
    path : Path
        The file; links are followed.
    buffering : int
        0 for none, as for `open`.

    Returns
    -------
    binary file
        The file that was checked, whatever happens to the name in the meantime.

    Raises
    ------
    NotRegularFileError
        If it is of another kind.
    OSError
        If it can't be opened.
    """
    # Checked before it is opened too, since opening some devices has an effect.
    check_regular(path)
    if buffering == 0:
        return open(path, "rb", 0, opener=regular_descriptor)
    return open(path, "rb", opener=regular_descriptor)


def check_regular(path: Path) -> None:
    """Check the kind of a file that something else will open.

    Raises
    ------
    NotRegularFileError
        If it is not a regular one.
    OSError
        If there is none.
    """
    _check(path, path.stat().st_mode)


def regular_descriptor(path: str, flags: int) -> int:
    """Return the descriptor of a regular file; an opener, as `open` takes one."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    try:
        _check(path, os.fstat(descriptor).st_mode)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise NotRegularFileError(errno.EINVAL, f"expected a regular file, got {kind}", os.fspath(path))
