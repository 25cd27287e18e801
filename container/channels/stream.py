"""The bytes of a file or a FIFO."""

import fcntl
import io
import os
import select
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from container.errors import CustomerError, PlatformError
from container.files.regular import regular_descriptor
from container.stopping import Stop
from kmeans.source import GivenUpError

# What a pipe holds if the system allows it; 64 KB is the default of Linux. Each read costs a switch of processes.
PIPE_BYTES: Final = 1 << 20
# How long a pipe may be silent once the job is to stop.
SILENT_SECONDS: Final = 1.0


def wait_for_fifo(path: Path, timeout_seconds: float, stop: Stop) -> None:
    """Wait until a FIFO is there: SageMaker creates that of a pass only when the pass before is done.

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
    """The bytes of a file or a FIFO, read until `giving_up` returns true.

    Parameters
    ----------
    path : Path
        The file or the FIFO.
    giving_up : callable
        Called before each read; returns whether to stop reading.
    giving_up_silence : callable
        Called when a pipe has been silent for `SILENT_SECONDS`; returns whether to stop waiting for more.
    piped : bool
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
        # Before its first writer has come, a pipe reads as if it had ended; a poll can tell.
        self._begun = not piped
        # Bytes that were peeked at, and are yet to be read.
        self._peeked = bytearray()
        widen_pipe(self)

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes of a file from its current position, as libraries do that jump about in it.

        Raises
        ------
        GivenUpError
            If reading is abandoned.
        """
        if self._giving_up():
            raise GivenUpError
        return super().read(size) or b""

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that are there, waiting for the first of them; return 0 at the end only.

        Raises
        ------
        GivenUpError
            If reading is abandoned.
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
        """Return `size` bytes or more, which stay to be read; fewer at the end, or if reading is abandoned."""
        ahead, self._peeked = self._peeked, bytearray()
        piece = bytearray(PIPE_BYTES)
        try:
            while len(ahead) < size and (count := self.readinto(piece)):
                ahead += piece[:count]
        except GivenUpError:
            # The next read raises it again.
            pass
        self._peeked = ahead
        return bytes(ahead)


def _pipe_descriptor(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def widen_pipe(stream: io.FileIO) -> None:
    """Let a pipe hold more, if it is one, and if the system allows it."""
    # Linux alone knows the request.
    with suppress(AttributeError, OSError):
        fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
