"""Ports for the servers of tests."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

_LOWEST = 10_000
_CHANCE = random.SystemRandom()


def free_port(following: int = 0) -> int:
    """Give a port that is free, and so are as many that follow it.

    It is none that the kernel gives to whoever asks for any port, or connects: such a one could be taken before the
    server opens it.
    """
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = _CHANCE.randrange(_LOWEST, handed_out - following)
        with ExitStack() as sockets:
            try:
                for each in range(port, port + following + 1):
                    sockets.enter_context(socket.create_server(("", each)))
            except OSError:
                continue
        return port
