"""How gunicorn's processes end: new clients are refused, and those that are in the queue of connections are served."""

import ctypes
import os
import socket
import struct
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any, NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.workers.gthread import ThreadWorker

from container.stopping import INTERRUPTED

# An idle worker accepts a connection within this time.
_YIELD_SECONDS = 0.0005
# A client that has started to connect is connected within this time, over any network within a region.
_CONNECT_SECONDS = 0.1
# Classic BPF (linux/bpf_common.h): load a byte, jump if some bits are set, return how many bytes of the packet to keep.
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06
_FLAGS_OFFSET = 13
_SYN = 0x02
# Each instruction is a code, how many instructions to skip if the condition is true and if it is false, and a value.
_DROP_SYN = (
    (_LOAD_BYTE, 0, 0, _FLAGS_OFFSET),
    (_JUMP_IF_SET, 0, 1, _SYN),
    (_RETURN, 0, 0, 0),
    (_RETURN, 0, 0, 0xFFFFFFFF),
)
# Linux only; Python's socket module has no name for it.
_SO_ATTACH_FILTER = 26


def stop_accepting(listeners: Iterable[socket.socket]) -> None:
    """Have the kernel ignore new connections.

    Closing a port resets the connections in its queue, in the middle of their requests. Once there are no new ones, the
    server can accept all that are in the queue before it closes the port. An ignored client tries again after a second,
    when its connection is refused. If the kernel does not support the filter, the queue stays open.

    Parameters
    ----------
    listeners : iterable of socket
        The listening sockets.
    """
    instructions = b"".join(struct.pack("HBBI", *one) for one in _DROP_SYN)
    program = ctypes.create_string_buffer(instructions, len(instructions))
    header = struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
    for listener in listeners:
        try:
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)
        except OSError:
            continue


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn comes without types
    """Gunicorn's threaded worker; idle workers accept first, and a worker that ends drains the queue of connections."""

    def accept(self, listener: Any) -> None:
        """Accept a connection; a worker that is busy lets idle ones go first."""
        if self.alive and self.nr_conns > len(self.keepalived_conns):
            # A connection stays with its worker: at random, one worker would now and then have them all.
            time.sleep(_YIELD_SECONDS)
        super().accept(listener)

    def handle_quit(self, _number: int, _frame: FrameType | None) -> NoReturn:
        """Exit at once."""
        # Ctrl-C arrives twice, from the terminal and from the master, and Python would wait for the threads of clients
        # that stopped sending or reading.
        self.log.info("Worker exiting (pid: %s)", self.pid)
        os._exit(0)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Start or stop accepting; a worker that ends first accepts what is in the queue, and then closes the port."""
        super().set_accept_enabled(enabled)
        if self.alive:
            return
        # The kernel accepts connections into the queue for as long as the port is open.
        for listener in self.sockets:
            before = -1
            while self.nr_conns != before:
                before = self.nr_conns
                self.accept(listener)
            listener.close()
        self.sockets: list[Any] = []


class DrainingArbiter(Arbiter):  # type: ignore[misc]
    """Gunicorn's master process; when it ends, it closes the queue before it tells the workers to drain it."""

    def stop(self, graceful: bool = True) -> None:
        """End the workers; if `graceful`, they answer the requests that they have accepted."""
        stop_accepting(listener.sock for listener in self.LISTENERS)
        # The workers still accept connections.
        time.sleep(_CONNECT_SECONDS)
        super().stop(graceful)

    def handle_int(self) -> None:
        """End at once, with the exit code of Ctrl-C."""
        self.stop(False)
        raise HaltServer("Ctrl-C", INTERRUPTED)
