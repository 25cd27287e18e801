"""The launcher's connection with the worker of its host; see `container.hosts.launcher_link` for the other side."""

import asyncio
import os
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from container.hosts.messages import BEAT_SECONDS, MAX_LINE, encode, receive

MAX_SILENT_BEATS = 15

_CREDENTIALS = struct.Struct("3i")


@contextmanager
def listening() -> Iterator[tuple[socket.socket, Path]]:
    """Listen for a worker.

    Yields
    ------
    listener : socket
        A Unix socket, which does not block.
    path : Path
        Its path.
    """
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "launcher"
        listener.bind(str(path))
        listener.listen(1)
        listener.setblocking(False)
        yield listener, path


class WorkerLink:
    """The connection of a launcher with the worker of its host."""

    def __init__(self) -> None:
        self._pid = 0
        self._silent_beats = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def accept(self, listener: socket.socket) -> None:
        """Wait for the worker to connect, and pass it the standard output and the standard error of this process."""
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        try:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            self._pid = _CREDENTIALS.unpack(credentials)[0]
            socket.send_fds(connection, [b"\n"], [sys.stdout.fileno(), sys.stderr.fileno()])
            self._reader, self._writer = await asyncio.open_connection(sock=connection, limit=MAX_LINE)
        except BaseException:
            connection.close()
            raise

    def stop(self, cause: str) -> None:
        """Tell the worker to stop, once it is connected."""
        if self._writer is not None:
            self._writer.write(encode(stop=cause))

    async def receive(self) -> dict[str, Any] | None:
        """Wait for a message or a sign of life; return None if the worker is gone."""
        message = await receive(self._reader) if self._reader is not None else None
        self._silent_beats = 0
        return message

    async def silence(self) -> float:
        """Wait until the worker has been silent for too long; return for how many seconds."""
        while self._silent_beats <= MAX_SILENT_BEATS:
            await asyncio.sleep(BEAT_SECONDS)
            self._silent_beats += 1
        return MAX_SILENT_BEATS * BEAT_SECONDS

    def ended(self) -> None:
        """Note that the worker has ended by itself."""
        self._pid = 0

    def close(self) -> None:
        """Close the connection, and kill the worker unless it has ended."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        if self._writer is not None:
            self._writer.close()
