"""The worker's connection with the launcher of its host; see `container.hosts.worker_link` for the other side."""

import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from container.hosts.limits import BEAT_SECONDS
from container.hosts.messages import Stage, decode, encode
from container.stopping import Stop

# Names the socket of the launcher; set for workers only.
SOCKET_VARIABLE = "SAGEMAKER_KMEANS_LAUNCHER"
# As for a failure of the environment.
ORPHAN_EXIT_CODE = 3

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even if this process is stopped."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class LauncherLink:
    """The connection of a worker with its launcher, closed at the end of the block that it is the context of.

    The worker sends heartbeats and its outcome, and receives the request to stop. It writes to the standard output and
    the standard error of the launcher, and does not outlive it.

    Parameters
    ----------
    path : str
        The launcher's socket.
    stop : Stop
        Requested when the launcher says so.

    Attributes
    ----------
    stuck : callable
        Returns the number of an exchange with other hosts that does not end, or None; heartbeats say so.
    """

    def __init__(self, path: str, stop: Stop) -> None:
        self._path = path
        self._stop = stop
        self._lock = threading.Lock()
        self._outcome_sent = False
        self._socket = socket.socket(socket.AF_UNIX)
        self.stuck: Callable[[], int | None] = lambda: None

    def __enter__(self) -> Self:
        """Connect, take over the launcher's outputs, and start to send heartbeats."""
        end_with_parent()
        try:
            self._socket.connect(self._path)
            _, descriptors, _, _ = socket.recv_fds(self._socket, 1, 2)
            for ours, theirs in zip((sys.stdout, sys.stderr), descriptors, strict=True):
                os.dup2(theirs, ours.fileno())
                os.close(theirs)
        except BaseException:
            self._socket.close()
            raise
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        threading.Thread(target=self._listen, name="launcher", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._socket.close()

    def reach(self, stage: Stage) -> None:
        """Report how far this worker is."""
        self._send(stage=stage)

    def ended(self) -> None:
        """Report that this host has done its work."""
        self._send_outcome(ended=True)

    def failed(self, exit_code: int, message: str) -> None:
        """Report an error of this host."""
        self._send_outcome(failed=exit_code, message=message)

    def lost(self, message: str) -> None:
        """Report that another host can't be reached."""
        self._send_outcome(lost=message)

    def _send_outcome(self, **message: Any) -> None:
        self._outcome_sent = True
        self._send(**message)

    def _send(self, **message: Any) -> None:
        with self._lock:
            self._socket.sendall(encode(**message))

    def _beat(self) -> None:
        # Waiting for an event that nobody sets is a pause.
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            try:
                self._send(alive=True, stuck=self.stuck())
            except OSError:
                return

    def _listen(self) -> None:
        with self._socket.makefile("rb") as lines:
            for line in lines:
                message = decode(line)
                if "stop" in message:
                    self._stop.request(str(message["stop"]))
        if not self._outcome_sent:
            os._exit(ORPHAN_EXIT_CODE)
