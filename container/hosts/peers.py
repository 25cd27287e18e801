"""The connections between the launchers of a job: each is connected with every other, and notices when one is gone.

A host calls all hosts of lower rank. Then every launcher sends a sign of life every few seconds. A host is lost when
its connection closes before the job has ended, or when it has been silent for too long, as a host that was paused or
cut off from the network. Slow data do not silence a launcher, which does nothing but watch.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from container.hosts.greeting import Greeting
from container.hosts.limits import BEAT_SECONDS, CLOSE_SECONDS, MAX_SILENT_BEATS
from container.hosts.meeting import Meeting
from container.hosts.messages import MessageError, encode, receive
from container.hosts.place import HostPlace
from container.logs.logger import LOGGER

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
        As for `Meeting`.
    port : int
        As for `Meeting`.
    address : str
        As for `Meeting`.
    facts : Mapping of str to str
        The facts of this host, for `container.hosts.agreement`.
    hear : callable
        Called with the name of a host and its message; not for heartbeats. Raises `MessageError` if it is none.
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
        self._hear = hear
        self._lose = lose
        self._meeting = Meeting(place, port, address, Greeting(place.name, dict(facts)), self._met, place.others)
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, seconds: float) -> None:
        """Wait until all hosts are connected.

        Raises
        ------
        JobError
            If the port can't be opened, if a host, which is named, does not connect in time, or if one says that the
            job has failed.
        """
        self._tasks.append(asyncio.create_task(self._beat()))
        await self._meeting.listen()
        await self._meeting.meet(self._place.hosts[: self._place.rank], seconds)

    def send(self, **message: Any) -> None:
        """Send a message to all hosts."""
        for peer in self.peers.values():
            if not peer.writer.is_closing():
                peer.writer.write(encode(**message))

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of all hosts, in the order of their ranks, once they are connected."""
        known = {host: peer.writer.get_extra_info("peername")[0] for host, peer in self.peers.items()}
        known[self._place.name] = next(iter(self.peers.values())).writer.get_extra_info("sockname")[0]
        return tuple(known[host] for host in self._place.hosts)

    async def __aenter__(self) -> Self:
        """Return the hosts themselves."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections, once what was sent has left or the time is up."""
        for task in self._tasks:
            task.cancel()
        self._meeting.close()
        writers = [peer.writer for peer in self.peers.values()]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.gather(*(writer.drain() for writer in writers), return_exceptions=True)
        for writer in writers:
            writer.close()

    def _met(self, greeting: Greeting, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(greeting.host, greeting.facts, writer, reader)
        if greeting.failure is not None:
            # It may have been connected before, without a failure.
            self.peers.setdefault(greeting.host, peer)
            self._hear(greeting.host, {"failed": greeting.failure.exit_code, "message": greeting.failure.message})
            return
        self.peers[greeting.host] = peer
        self._tasks.append(asyncio.create_task(self._listen(peer)))

    async def _listen(self, peer: Peer) -> None:
        while True:
            try:
                message = await receive(peer.reader)
                if message is not None and "alive" not in message:
                    self._hear(peer.host, message)
            except MessageError as error:
                LOGGER.error("%s: %s", peer.host, error)
                message = None
            peer.silent_beats = 0
            if message is None:
                self._lose(peer.host, "its connection is closed")
                return

    async def _beat(self) -> None:
        """Send heartbeats, and check for those of others.

        Silence is counted in beats of this host, not in time: if this host was stopped itself, it has missed messages.
        """
        while True:
            self.send(alive=True)
            await asyncio.sleep(BEAT_SECONDS)
            for peer in self.peers.values():
                peer.silent_beats += 1
                if peer.silent_beats == MAX_SILENT_BEATS:
                    self._lose(peer.host, f"it was silent for {MAX_SILENT_BEATS * BEAT_SECONDS:g} seconds")
