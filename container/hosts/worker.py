"""The worker's side of its launcher: signs of life and the outcome go there, the wish to stop comes from there."""

import ctypes
import os
import signal
import socket
import sys
import threading
from typing import Any

from container.hosts.messages import BEAT_SECONDS, decode, encode
from container.stopping import Stop

# Names the socket of the launcher; set for workers only.
SOCKET_VARIABLE = "SAGEMAKER_KMEANS_LAUNCHER"
# As for a failure of the environment.
ORPHAN_EXIT_CODE = 3

_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the kernel kill this process when the one that has started it ends, even if this one is stopped."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class LauncherLink:
    """The connection of a worker with its launcher, whose standard output and standard error it takes over.

    The worker does not outlive the launcher, be it stopped or not.

    Parameters
    ----------
    path : str
        The launcher's socket.
    stop : Stop
        Requested when the launcher says so.
    """

    def __init__(self, path: str, stop: Stop) -> None:
        end_with_parent()
        self._stop = stop
        self._lock = threading.Lock()
        self._outcome_sent = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        _, descriptors, _, _ = socket.recv_fds(self._socket, 1, 2)
        for ours, theirs in zip((sys.stdout, sys.stderr), descriptors, strict=True):
            os.dup2(theirs, ours.fileno())
            os.close(theirs)
        threading.Thread(target=self._beat, name="beat", daemon=True).start()
        threading.Thread(target=self._listen, name="launcher", daemon=True).start()

    def ended(self) -> None:
        """Tell that all is done."""
        self._send_outcome(ended=True)

    def failed(self, exit_code: int, message: str) -> None:
        """Tell of an error of this host."""
        self._send_outcome(failed=exit_code, message=message)

    def lost(self, message: str) -> None:
        """Tell that another host can't be reached."""
        self._send_outcome(lost=message)

    def _send_outcome(self, **message: Any) -> None:
        self._outcome_sent = True
        self._send(**message)

    def _send(self, **message: Any) -> None:
        with self._lock:
            self._socket.sendall(encode(**message))

    def _beat(self) -> None:
        # `wait` on an event that nobody sets: a pause.
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            try:
                self._send(alive=True)
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
