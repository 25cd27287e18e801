"""The connections between the launchers of a job: each is connected with every other, and notices when one is gone.

A host connects to all hosts of lower rank, and retries while names are not yet known and ports not yet open. Then every
launcher sends a sign of life every few seconds. A host is lost when its connection closes before it has reported that
it is done, or when it has been silent for too long, as a host that was paused or cut off from the network. Slow data do
not silence a launcher, which does nothing but watch.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from container.errors import PlatformError
from container.hosts.messages import BEAT_SECONDS, MAX_LINE, MessageError, encode, receive
from container.hosts.place import HostPlace
from container.logs.logger import LOGGER

# A lost host must be noticed within a minute, and a busy one must not be taken for lost.
MAX_SILENT_BEATS = 12
RETRY_SECONDS = 0.5
GREETING_SECONDS = 10.0
REPORT_SECONDS = 30.0
# How long what was sent may take to leave at the end.
CLOSE_SECONDS = 3.0

# Called with the name of a host, and its message or the reason why it is lost.
Hear = Callable[[str, dict[str, Any]], None]
Lose = Callable[[str, str], None]


@dataclass
class Peer:
    """Another host, connected.

    Attributes
    ----------
    host : str
        Its name.
    facts : dict of str to str
        Its facts, for `container.hosts.agreement`.
    writer : StreamWriter
        For messages to it.
    reader : StreamReader
        For messages from it.
    silent_beats : int
        Number of beats of this host since the latest message.
    """

    host: str
    facts: dict[str, str]
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    silent_beats: int = 0


class Peers:
    """The other hosts of a job; their connections are closed at the end of the block that this is the context of.

    Parameters
    ----------
    place : HostPlace
        This host among the hosts of the job.
    port : int
        The port on which launchers listen.
    address : str
        The address of this host to listen on and to connect from; empty for any.
    facts : Mapping of str to str
        The facts of this host, for `container.hosts.agreement`.
    hear : callable
        Called with the name of a host and its message; not for signs of life.
    lose : callable
        Called with the name of a lost host and the reason; maybe more than once for a host.

    Attributes
    ----------
    peers : dict of str to Peer
        The connected hosts, by name.
    """

    def __init__(
        self,
        place: HostPlace,
        port: int,
        address: str,
        facts: Mapping[str, str],
        hear: Hear,
        lose: Lose,
    ) -> None:
        self.peers: dict[str, Peer] = {}
        self._place = place
        self._port = port
        self._address = address
        self._hear = hear
        self._lose = lose
        self._greeting = encode(host=place.name, facts=dict(facts))
        self._arrived = asyncio.Event()
        self._reasons: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, timeout_seconds: float) -> None:
        """Wait until all hosts are connected.

        Raises
        ------
        PlatformError
            If the port can't be opened, or if a host, which is named, does not connect in time.
        """
        self._tasks.append(asyncio.create_task(self._beat()))
        try:
            server = await asyncio.start_server(
                self._greeted, self._address or None, self._port, limit=MAX_LINE, reuse_address=True
            )
        except OSError as error:
            raise PlatformError(
                f"{self._place.name}: port {self._port} can't be opened: {error.strerror or error}"
            ) from None
        dialing = [asyncio.create_task(self._dial(host)) for host in self._place.hosts[: self._place.rank]]
        reporting = asyncio.create_task(self._report_missing())
        try:
            async with asyncio.timeout(timeout_seconds):
                while len(self.peers) < self._place.count - 1:
                    await self._arrived.wait()
                    self._arrived.clear()
        except TimeoutError:
            reasons = "; ".join(f"{host} {self._reasons.get(host, 'has not connected')}" for host in self._missing())
            raise PlatformError(f"Not all hosts connected within {timeout_seconds:g} seconds: {reasons}") from None
        finally:
            for task in (*dialing, reporting):
                task.cancel()
            # No other connection is expected.
            server.close()

    def send(self, **message: Any) -> None:
        """Send a message to all hosts."""
        for peer in self.peers.values():
            if not peer.writer.is_closing():
                peer.writer.write(encode(**message))

    async def __aenter__(self) -> Self:
        """Return the hosts themselves."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections, once what was sent has left or the time is up."""
        for task in self._tasks:
            task.cancel()
        writers = [peer.writer for peer in self.peers.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(writer.drain() for writer in writers), return_exceptions=True)
        for writer in writers:
            writer.close()

    def _missing(self) -> list[str]:
        return [host for host in self._place.hosts if host != self._place.name and host not in self.peers]

    async def _report_missing(self) -> None:
        while True:
            LOGGER.info("waiting for the hosts %s", ", ".join(self._missing()))
            await asyncio.sleep(REPORT_SECONDS)

    async def _dial(self, host: str) -> None:
        """Connect to a host of lower rank; retry until it works."""
        local = (self._address, 0) if self._address else None
        while host not in self.peers:
            try:
                reader, writer = await asyncio.open_connection(host, self._port, local_addr=local, limit=MAX_LINE)
            except socket.gaierror as error:
                self._reasons[host] = f"is not a known name ({error.strerror})"
            except (OSError, UnicodeError) as error:
                self._reasons[host] = f"can't be reached ({error})"
            else:
                await self._greet(reader, writer, expected=host)
            await asyncio.sleep(RETRY_SECONDS)

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._greet(reader, writer, expected=None)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, expected: str | None) -> None:
        """Exchange greetings; refuse a connection of another host than those of this job, or of one that is connected.

        The host that connects sends a greeting, receives one, and sends a sign of life, so that both know that both are
        connected.
        """
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                host, facts = await self._exchange(reader, writer, expected)
        except BaseException as error:
            writer.close()
            if not isinstance(error, (MessageError, OSError)):
                raise
            LOGGER.debug("a connection was refused: %s", error)
            if expected is not None:
                self._reasons[expected] = f"did not answer as a host of this job ({str(error) or 'it was silent'})"
            return
        self.peers[host] = peer = Peer(host, facts, writer, reader)
        self._tasks.append(asyncio.create_task(self._listen(peer)))
        self._arrived.set()

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, expected: str | None
    ) -> tuple[str, dict[str, str]]:
        if expected is not None:
            writer.write(self._greeting)
        host, facts = _read_greeting(await receive(reader))
        remote = writer.get_extra_info("peername")[0]
        if host not in self._missing() or expected not in (None, host) or not await _has_address(host, remote):
            raise MessageError(f"expected a host of this job, got {host[:64]!r} from {remote}")
        if expected is not None:
            writer.write(encode(alive=True))
        else:
            writer.write(self._greeting)
            if await receive(reader) is None:
                raise MessageError("expected a sign of life, got the end")
        return host, facts

    async def _listen(self, peer: Peer) -> None:
        while True:
            try:
                message = await receive(peer.reader)
            except MessageError as error:
                LOGGER.error("%s: %s", peer.host, error)
                message = None
            peer.silent_beats = 0
            if message is None:
                self._lose(peer.host, "its connection is closed")
                return
            if "alive" not in message:
                self._hear(peer.host, message)

    async def _beat(self) -> None:
        """Send signs of life, and check for those of others.

        Silence is counted in beats of this host, not in time: if this host was stopped itself, it has missed messages.
        """
        while True:
            self.send(alive=True)
            await asyncio.sleep(BEAT_SECONDS)
            for peer in self.peers.values():
                peer.silent_beats += 1
                if peer.silent_beats == MAX_SILENT_BEATS:
                    self._lose(peer.host, f"it was silent for {MAX_SILENT_BEATS * BEAT_SECONDS:g} seconds")


def _read_greeting(greeting: dict[str, Any] | None) -> tuple[str, dict[str, str]]:
    """Check a greeting; return the name and the facts of its host."""
    if greeting is None:
        raise MessageError("expected a greeting, got the end")
    host, facts = greeting.get("host"), greeting.get("facts")
    if not isinstance(host, str) or not isinstance(facts, dict):
        raise MessageError("expected a greeting with host and facts, got another one")
    return host, {str(name): str(value) for name, value in facts.items()}


async def _has_address(host: str, address: str) -> bool:
    """Return whether a host's name resolves to an address."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return address in {entry[4][0] for entry in found}
