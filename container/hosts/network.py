"""The network of a job: its interface, its ports, and the addresses of hosts."""

import asyncio
import fcntl
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from container.errors import PlatformError
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

    Raises
    ------
    PlatformError
        If the interface has no address.
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
        except OSError as error:
            raise PlatformError(
                f"{host}: the network interface {interface} has no IPv4 address ({error.strerror})"
            ) from None
    # A sockaddr_in: family, port, then the four bytes of the address.
    return socket.inet_ntoa(_INTERFACE_REQUEST.unpack(answer)[1][4:8])


def unopened(host: str, port: int, error: OSError) -> PlatformError:
    """Return the error of a host on which a port can't be opened."""
    return PlatformError(f"{host}: port {port} can't be opened: {error.strerror or error}")


def require_port(host: str, port: int) -> None:
    """Check that another program can listen on a port of this host.

    Raises
    ------
    PlatformError
        If the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("", port))
            listener.listen()
        except OSError as error:
            raise unopened(host, port, error) from None


async def addresses_of(host: str) -> list[str]:
    """Look up the IPv4 addresses of a host.

    Each lookup has a thread of its own, which nobody waits for: a lookup may take many seconds, and can't be ended.

    Raises
    ------
    OSError
        If the name is not known, or has only other addresses.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(settling: Callable[[], None]) -> None:
        if not answer.done():
            settling()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            addresses = {str(entry[4][0]): entry[0] == socket.AF_INET for entry in found}
            settling = partial(answer.set_result, _ipv4(addresses))
        except (OSError, UnicodeError) as error:
            settling = partial(answer.set_exception, error)
        # The loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, settling)

    threading.Thread(target=look_up, name=f"lookup of {host}", daemon=True).start()
    return await answer


def _ipv4(addresses: dict[str, bool]) -> list[str]:
    """Return the addresses that are said to be of IPv4."""
    found = [address for address, is_ipv4 in addresses.items() if is_ipv4]
    if not found:
        raise OSError(f"expected an IPv4 address, found only {', '.join(addresses)}")
    return found
