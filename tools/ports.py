"""Free ports for servers."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

_LOWEST = 10_000
_CHANCE = random.SystemRandom()


def free_port(following: int = 0) -> int:
    """Return a port that is free, as are the `following` next ones.

    It is not one of the ephemeral ports of the kernel, which another process could get before the server opens it.
    """
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = _CHANCE.randrange(_LOWEST, first_ephemeral - following)
        with ExitStack() as sockets:
            try:
                for each in range(port, port + following + 1):
                    sockets.enter_context(socket.create_server(("", each)))
            except OSError:
                continue
        return port
