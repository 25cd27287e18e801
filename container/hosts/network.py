"""The network of a job: its interface, and the address of this host."""

import fcntl
import ipaddress
import socket
import struct
from pathlib import Path

from container.logs.logger import LOGGER

_SIOCGIFADDR = 0x8915
_INTERFACE_REQUEST = struct.Struct("16s16s")


def interface_of(name: str, interfaces: Path = Path("/sys/class/net")) -> str | None:
    """Return the name if there is such an interface, else None, which stands for any interface."""
    if "/" not in name and (interfaces / name).exists():
        return name
    LOGGER.warning("There is no network interface %s; using any interface", name)
    return None


def address_of(host: str, interface: str | None) -> str:
    """Return the address by which the other hosts know this one.

    Parameters
    ----------
    host : str
        This host's name; it may be an address itself.
    interface : str or None
        The network interface.

    Returns
    -------
    str
        An address to listen on; empty for any.
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if interface is None:
            return ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = _INTERFACE_REQUEST.pack(interface.encode()[:15], b"")
        try:
            answer = fcntl.ioctl(any_socket, _SIOCGIFADDR, request)
        except OSError:
            return ""
    # A sockaddr_in: family, port, then the four bytes of the address.
    return socket.inet_ntoa(_INTERFACE_REQUEST.unpack(answer)[1][4:8])
