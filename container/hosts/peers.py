"""The launchers of a job's hosts: each is connected with every other, and notices when one is gone.

A host of higher rank connects to those of lower rank, and tries again while names are not yet known and ports not yet
open. Then every launcher sends a sign of life every few seconds. A host is lost when its connection closes before it
said that it is done, or when it has been silent for too long: so it is with a paused host and with one that was cut
off, of which no packet tells. Slow data do not silence a launcher, which does nothing but watch.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from container.errors import PlatformError
from container.hosts.messages import BEAT_SECONDS, MAX_LINE, MessageError, encode, receive
from container.logs.logger import LOGGER

# A lost host must be known within a minute, and a busy one must not be taken for lost.
MOST_SILENT_BEATS = 12
RETRY_SECONDS = 0.5
GREETING_SECONDS = 10.0
REPORT_SECONDS = 30.0

# The name of a host, and what came from it, or why it is lost.
Hear = Callable[[str, dict[str, Any]], None]
Lose = Callable[[str, str], None]


@dataclass
class Peer:
    """Another host.

    Attributes
    ----------
    host
        Its name.
    facts
        What it said of itself.
    writer, reader
        Where messages to it go, and where its messages come from.
    silent_beats
        How often this host has beaten since it heard of the other one.
    """

    host: str
    facts: dict[str, str]
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader
    silent_beats: int = 0


class Peers:
    """The other hosts of a job.

    Parameters
    ----------
    host : str
        This host's name.
    hosts : tuple of str
        All hosts, in the order of their ranks.
    port : int
        On which launchers listen.
    address : str
        The address of this host to listen on and to connect from; an empty one for any.
    facts : Mapping of str to str
        What this host says of itself.
    hear : callable
        Told the name of a host and its message; signs of life are not passed on.
    lose : callable
        Told the name of a host that is gone and how that is known; it may be told of it again.

    Attributes
    ----------
    peers : dict of str to Peer
        Those that are connected, by name.
    """

    def __init__(
        self,
        host: str,
        hosts: tuple[str, ...],
        port: int,
        address: str,
        facts: Mapping[str, str],
        hear: Hear,
        lose: Lose,
    ) -> None:
        self.host = host
        self.peers: dict[str, Peer] = {}
        self._hosts = hosts
        self._port = port
        self._address = address
        self._hear = hear
        self._lose = lose
        self._greeting = encode(host=host, facts=dict(facts))
        self._arrived = asyncio.Event()
        self._reasons: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, timeout_seconds: float) -> None:
        """Wait until all hosts are connected.

        Raises
        ------
        PlatformError
            If the port can't be opened, or if a host does not come in time; it is named.
        """
        rank = self._hosts.index(self.host)
        self._tasks.append(asyncio.create_task(self._beat()))
        try:
            server = await asyncio.start_server(
                self._greeted, self._address or None, self._port, limit=MAX_LINE, reuse_address=True
            )
        except OSError as error:
            raise PlatformError(f"{self.host}: port {self._port} can't be opened: {error.strerror or error}") from None
        dialing = [asyncio.create_task(self._dial(host)) for host in self._hosts[:rank]]
        reporting = asyncio.create_task(self._report_missing())
        try:
            async with asyncio.timeout(timeout_seconds):
                while len(self.peers) < len(self._hosts) - 1:
                    await self._arrived.wait()
                    self._arrived.clear()
        except TimeoutError:
            reasons = "; ".join(f"{host} {self._reasons.get(host, 'has not called')}" for host in self._missing())
            raise PlatformError(f"Not all hosts came within {timeout_seconds:g} seconds: {reasons}") from None
        finally:
            for task in (*dialing, reporting):
                task.cancel()
            # Nobody else is to come.
            server.close()

    def send(self, **message: Any) -> None:
        """Send a message to all hosts."""
        for peer in self.peers.values():
            if not peer.writer.is_closing():
                peer.writer.write(encode(**message))

    async def close(self, timeout_seconds: float = 3.0) -> None:
        """End the connections when what was sent has left, or time is up."""
        for task in self._tasks:
            task.cancel()
        writers = [peer.writer for peer in self.peers.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await asyncio.gather(*(writer.drain() for writer in writers), return_exceptions=True)
        for writer in writers:
            writer.close()

    def _missing(self) -> list[str]:
        return [host for host in self._hosts if host != self.host and host not in self.peers]

    async def _report_missing(self) -> None:
        while True:
            LOGGER.info("waiting for the hosts %s", ", ".join(self._missing()))
            await asyncio.sleep(REPORT_SECONDS)

    async def _dial(self, host: str) -> None:
        """Connect to a host of lower rank, as often as it takes."""
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
        """Exchange greetings; whoever is no host of this job, or comes twice, is sent away.

        Who calls greets, is greeted, and gives a sign of life: then both know that both know.
        """
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                host, facts = await self._exchange(reader, writer, expected)
        except (MessageError, OSError) as error:
            LOGGER.debug("a connection was refused: %s", error)
            if expected is not None:
                self._reasons[expected] = f"did not answer as a host of this job ({str(error) or 'it was silent'})"
            writer.close()
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
        """Give signs of life, and look for those of others.

        Silence is counted in beats of our own, not in time: a host that was stopped itself has heard nothing either.
        """
        while True:
            self.send(alive=True)
            await asyncio.sleep(BEAT_SECONDS)
            for peer in self.peers.values():
                peer.silent_beats += 1
                if peer.silent_beats == MOST_SILENT_BEATS:
                    self._lose(peer.host, f"it was silent for {MOST_SILENT_BEATS * BEAT_SECONDS:g} seconds")


def _read_greeting(greeting: dict[str, Any] | None) -> tuple[str, dict[str, str]]:
    """Check a greeting."""
    if greeting is None:
        raise MessageError("expected a greeting, got the end")
    host, facts = greeting.get("host"), greeting.get("facts")
    if not isinstance(host, str) or not isinstance(facts, dict):
        raise MessageError("expected a greeting with host and facts, got another one")
    return host, {str(name): str(value) for name, value in facts.items()}


async def _has_address(host: str, address: str) -> bool:
    """Tell whether a host's name stands for an address."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return address in {entry[4][0] for entry in found}
