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

from container.files.atomic import naming
from container.hosts.launcher_link import SOCKET_VARIABLE
from container.hosts.limits import BEAT_SECONDS, MAX_SILENT_WORKER_BEATS
from container.hosts.messages import MAX_LINE, encode, receive
from container.hosts.processes import Processes

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
        with naming(path):
            listener.bind(str(path))
        listener.listen(1)
        listener.setblocking(False)
        yield listener, path


class WorkerLink:
    """The connection of a launcher with the worker of its host.

    Attributes
    ----------
    may_be_silent : bool
        Whether the worker is not expected to show signs of life: none of its threads runs while it joins MPI.
    """

    def __init__(self) -> None:
        self.may_be_silent = False
        self._pid = 0
        self._silent_beats = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self, processes: Processes, proxy: list[str], environment: dict[str, str]) -> str:
        """Start the proxy, which starts the worker, and wait for the worker to connect.

        Parameters
        ----------
        processes : Processes
            The processes of this host.
        proxy : list of str
            The command line of the proxy.
        environment : dict of str to str
            The environment of both.

        Returns
        -------
        str
            Which processes have ended before; empty if the worker is connected.
        """
        with listening() as (listener, path):
            await processes.start(proxy, environment | {SOCKET_VARIABLE: str(path)})
            accepting = asyncio.create_task(self._accept(listener))
            ends = processes.ends()
            try:
                await asyncio.wait({accepting, *ends}, return_when=asyncio.FIRST_COMPLETED)
                if accepting.done():
                    accepting.result()
                    return ""
                return ", ".join(f"{name} exited with {task.result()}" for task, name in ends.items() if task.done())
            finally:
                for task in (accepting, *ends):
                    task.cancel()

    async def _accept(self, listener: socket.socket) -> None:
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
        while self._silent_beats <= MAX_SILENT_WORKER_BEATS:
            await asyncio.sleep(BEAT_SECONDS)
            self._silent_beats = 0 if self.may_be_silent else self._silent_beats + 1
        return MAX_SILENT_WORKER_BEATS * BEAT_SECONDS

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
