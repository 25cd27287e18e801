"""Where a channel's bytes are: the files of its folder, or its FIFOs."""

import fcntl
import io
import os
import re
import select
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from container.errors import CustomerError, PlatformError
from container.files.regular import regular_descriptor
from container.formats.errors import excerpt
from container.stopping import Stop
from kmeans.source import GivenUpError

# What a pipe holds where the system allows it; 64 KB is the default of Linux. Each read costs a switch of processes.
PIPE_BYTES = 1 << 20
# How long a pipe that a job reads when it is to stop may be silent.
SILENT_SECONDS = 1.0
# What services write beside data.
_NO_DATA: Final = re.compile(
    r".*manifest"  # lists of files: of S3 and the SDK (x.manifest), of UNLOAD in Redshift (manifest, x_manifest)
    r"|.*\.(csv|txt)\.metadata"  # the types of a result's columns: Athena
    r"|_SUCCESS"  # Hadoop and Spark
    r"|_committed_.*|_started_.*"  # Databricks
    r"|_metadata|_common_metadata",  # the footers of a folder of Parquet files
    re.DOTALL,
)
# Folders of their own: Hadoop's, Spark's, and two of Delta Lake's. Others may hold data, whatever they are called.
_NO_DATA_FOLDERS: Final = frozenset({"_temporary", "_spark_metadata", "_delta_log", "_symlink_format_manifest"})
_MAX_SHOWN: Final = 5


class ChannelFiles(NamedTuple):
    """The files of a channel, each list in sorted order.

    Attributes
    ----------
    data : list of Path
        What is read.
    others : list of Path
        Files and folders that are no data though they are not hidden.
    """

    data: list[Path]
    others: list[Path]


def channel_files(folder: Path) -> ChannelFiles:
    """Return the files of a channel, whatever folders they are in.

    Hidden files and folders are skipped. Links are followed; a folder that was met before, as in a loop, is not entered
    again.

    Parameters
    ----------
    folder : Path
        The channel's folder.

    Returns
    -------
    ChannelFiles
        Empty if there is no such folder.

    Raises
    ------
    CustomerError
        If something is neither a file nor a folder, such as a link to nothing.
    """
    files = ChannelFiles([], [])
    folders = [folder] if folder.is_dir() else []
    met: set[tuple[int, int]] = set()
    while folders:
        here = folders.pop()
        status = here.stat()
        if (status.st_dev, status.st_ino) in met:
            continue
        met.add((status.st_dev, status.st_ino))
        for path in sorted(here.iterdir(), reverse=True):
            if path.name.startswith("."):
                continue
            is_folder = path.is_dir()
            if path.name in _NO_DATA_FOLDERS if is_folder else _NO_DATA.fullmatch(path.name):
                files.others.append(path)
            elif is_folder:
                folders.append(path)
            elif path.is_file():
                files.data.append(path)
            else:
                raise CustomerError(
                    f"Unable to read data channel '{folder.name}'. Please verify the correct data channel"
                    f" configuration is provided. ({path.relative_to(folder.parent)}: expected a file or a folder,"
                    f" got {'a link to nothing' if path.is_symlink() else 'something else'})"
                )
    return ChannelFiles(sorted(files.data), sorted(files.others))


def shown(paths: Sequence[Path], folder: Path) -> str:
    """Return the first few of the paths in a folder, for a message."""
    names = [excerpt(str(path.relative_to(folder)), 80) for path in paths[:_MAX_SHOWN]]
    return ", ".join(names) + (f" and {len(paths) - len(names)} more" if len(paths) > len(names) else "")


def wait_for_fifo(path: Path, timeout_seconds: float, stop: Stop) -> None:
    """Return when a FIFO is there: SageMaker makes that of a pass only when the one before is done.

    Raises
    ------
    CustomerError
        If it is an ordinary file or a folder.
    PlatformError
        If it does not come in time.
    GivenUpError
        If the job is to stop before it comes.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            if time.monotonic() > deadline:
                raise PlatformError(f"{path}: expected a FIFO within {timeout_seconds:g} seconds, none came") from None
            if stop.requested():
                raise GivenUpError from None
            time.sleep(0.05)
        else:
            if not stat.S_ISFIFO(mode):
                raise CustomerError(f"{path}: expected a FIFO, got something else")
            return


class Stream(io.FileIO):
    """The bytes of a file or a FIFO, read until somebody gives up on them.

    Parameters
    ----------
    path
        The file or the FIFO.
    giving_up
        Whether to read no further; asked before each read.
    giving_up_silence
        Whether not to wait for more; asked when a pipe has been silent for `SILENT_SECONDS`.
    piped
        Whether it is a FIFO, which is opened without waiting for a writer.

    Raises
    ------
    OSError
        If it can't be opened, or is no regular file where it should be one.
    """

    def __init__(
        self, path: Path, giving_up: Callable[[], bool], giving_up_silence: Callable[[], bool], *, piped: bool
    ) -> None:
        super().__init__(path, "rb", opener=_pipe_descriptor if piped else regular_descriptor)
        self._giving_up = giving_up
        self._giving_up_silence = giving_up_silence
        self._poll = select.poll()
        self._poll.register(self.fileno(), select.POLLIN)
        # Before its first writer has come a pipe reads as if it had ended; a poll knows better.
        self._begun = not piped
        # Bytes that were looked at, and are yet to be read.
        self._peeked = bytearray()
        widen_pipe(self)

    def readinto(self, buffer: Any) -> int:
        """Read what is there, and wait while that is nothing; return 0 at the end only.

        Raises
        ------
        GivenUpError
            If it was given up.
        """
        if self._peeked:
            ahead = self._peeked[: len(buffer)]
            buffer[: len(ahead)] = ahead
            del self._peeked[: len(ahead)]
            return len(ahead)
        while True:
            if self._giving_up():
                raise GivenUpError
            count = super().readinto(buffer) if self._begun else None
            if count is not None:
                return count
            if self._poll.poll(SILENT_SECONDS * 1000):
                self._begun = True
            elif self._giving_up_silence():
                raise GivenUpError

    def peek(self, size: int) -> bytes:
        """Return `size` bytes or more, which are still to be read; fewer at the end, or where it is given up."""
        ahead, self._peeked = self._peeked, bytearray()
        piece = bytearray(PIPE_BYTES)
        try:
            while len(ahead) < size and (count := self.readinto(piece)):
                ahead += piece[:count]
        except GivenUpError:
            # Whoever reads on is told.
            pass
        self._peeked = ahead
        return bytes(ahead)


def _pipe_descriptor(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def widen_pipe(stream: io.FileIO) -> None:
    """Let a pipe hold more; another kind of file, and a system that does not allow it, stay as they are."""
    # Linux alone knows the request.
    with suppress(AttributeError, OSError):
        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
