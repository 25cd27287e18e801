"""How a launcher meets the launchers of the other hosts: it calls some, is called by the rest, and greets each once.

Calls are repeated while names are not yet known and ports not yet open. Whoever calls sends a greeting, receives one,
and sends a sign of life, so that both know that both are connected.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable

from container.errors import JobError, PlatformError
from container.hosts.greeting import Greeting, RefusedError
from container.hosts.limits import (
    ANSWER_SECONDS,
    FIRST_REPORT_SECONDS,
    GREETING_SECONDS,
    REPORT_SECONDS,
    RETRY_SECONDS,
)
from container.hosts.messages import MAX_LINE, MessageError, encode, receive
from container.hosts.network import addresses_of, unopened
from container.hosts.place import HostPlace
from container.logs.logger import LOGGER

# Called with what another host says, and the connection with it.
Met = Callable[[Greeting, asyncio.StreamReader, asyncio.StreamWriter], None]


class Meeting:
    """The meeting of a launcher with others, which may call until it is closed.

    Parameters
    ----------
    place : HostPlace
        This host among the hosts of the job.
    port : int
        The port on which launchers listen.
    address : str
        The address of this host to listen on and to connect from; empty for any.
    greeting : Greeting
        What this host says.
    met : callable
        Called once for each host.
    hosts : iterable of str
        The hosts to meet.
    """

    def __init__(
        self, place: HostPlace, port: int, address: str, greeting: Greeting, met: Met, hosts: Iterable[str]
    ) -> None:
        self._place = place
        self._port = port
        self._address = address
        self._greeting = greeting
        self._met = met
        self._missing = set(hosts)
        self._addresses: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._closed = False
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def listen(self) -> None:
        """Let other hosts call.

        Raises
        ------
        PlatformError
            If the port can't be opened.
        """
        try:
            self._server = await asyncio.start_server(
                self._called, self._address or None, self._port, limit=MAX_LINE, reuse_address=True
            )
        except OSError as error:
            raise unopened(self._place.name, self._port, error) from None

    async def meet(self, called: Iterable[str], seconds: float, purpose: str = "waiting for the hosts") -> None:
        """Wait until all hosts are met.

        Parameters
        ----------
        called : iterable of str
            The hosts to call; all others are expected to call.
        seconds : float
            The most to wait.
        purpose : str
            What the log says before the names of the missing hosts.

        Raises
        ------
        JobError
            If a host, which is named, is not met in time, if it says that the job has failed, or if two hosts have the
            same name.
        """
        calls = {host: self._call(host) for host in called}
        probes = [self._probe(host) for host in self._missing - calls.keys()]
        tasks = [asyncio.create_task(each) for each in (*calls.values(), *probes, self._report_missing(purpose))]
        self._check_end()
        try:
            async with asyncio.timeout(seconds):
                await self._end
        except TimeoutError:
            raise PlatformError(f"Not all hosts connected within {seconds:g} seconds: {self._faults()}") from None
        finally:
            for task in tasks:
                task.cancel()

    def close(self) -> None:
        """Let nobody call any more, and meet no more hosts: those whose calls have begun must call again."""
        self._closed = True
        if self._server is not None:
            self._server.close()

    def _faults(self) -> str:
        """Return the names of the missing hosts, and what is known of them."""
        missing = [host for host in self._place.hosts if host in self._missing]
        return "; ".join(f"{host} {self._reasons.get(host, 'has not connected')}" for host in missing)

    async def _report_missing(self, purpose: str) -> None:
        names = ", ".join(host for host in self._place.hosts if host in self._missing)
        LOGGER.info("%s %s", purpose, names)
        await asyncio.sleep(FIRST_REPORT_SECONDS)
        while True:
            LOGGER.info("%s %s", purpose, self._faults())
            await asyncio.sleep(REPORT_SECONDS)

    async def _call(self, host: str) -> None:
        """Connect to a host and greet it; repeat until it works."""
        while host in self._missing:
            found = await self._connect(host)
            if found is not None:
                await self._greet(*found, host)
            await asyncio.sleep(RETRY_SECONDS)

    async def _probe(self, host: str) -> None:
        """Find out why a host does not call."""
        while host in self._missing:
            found = await self._connect(host)
            if found is not None:
                found[1].close()
                self._reasons[host] = f"answers, but has not connected with {self._place.name}"
            await asyncio.sleep(FIRST_REPORT_SECONDS)

    async def _connect(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        local = (self._address, 0) if self._address else None
        try:
            addresses = await addresses_of(host)
            self._warn_of_several(host, addresses)
            return await asyncio.open_connection(addresses[0], self._port, local_addr=local, limit=MAX_LINE)
        except socket.gaierror as error:
            self._reasons[host] = f"is not a known name ({error.strerror})"
        except (OSError, UnicodeError) as error:
            self._reasons[host] = f"can't be reached ({error})"
        return None

    def _warn_of_several(self, host: str, addresses: list[str]) -> None:
        if len(addresses) > 1 and host not in self._addresses:
            self._addresses[host] = addresses[0]
            LOGGER.warning(
                "%s has the addresses %s. If these are hosts of several jobs, run each job on a network of its own.",
                host,
                ", ".join(addresses),
            )

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._greet(reader, writer, None)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, called: str | None) -> None:
        """Exchange greetings with a host that was called, or with whoever has called."""
        try:
            greeting = await (self._answer(reader, writer) if called is None else self._ask(reader, writer, called))
        except BaseException as error:
            writer.close()
            if not isinstance(error, (MessageError, RefusedError, OSError)):
                raise
            LOGGER.debug("a connection was refused: %s", error)
            if called is not None:
                self._unanswered(called, error)
            return
        self._missing.discard(greeting.host)
        self._addresses[greeting.host] = writer.get_extra_info("peername")[0]
        self._met(greeting, reader, writer)
        if greeting.failure is not None and self._greeting.failure is None:
            self._fail(greeting.failure)
        self._check_end()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, called: str) -> Greeting:
        writer.write(self._greeting.encoded())
        # The other host looks up the name of this one.
        async with asyncio.timeout(ANSWER_SECONDS):
            greeting = Greeting.decoded(await receive(reader))
        if greeting.host != called or called not in self._missing:
            raise MessageError(f"expected the host {called}, got {greeting.host[:64]!r}")
        self._require_open()
        writer.write(encode(alive=True))
        return greeting

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Greeting:
        async with asyncio.timeout(GREETING_SECONDS):
            greeting = Greeting.decoded(await receive(reader))
        host, remote = greeting.host, str(writer.get_extra_info("peername")[0])
        if host not in self._place.hosts or host == self._place.name:
            raise MessageError(f"expected a host of this job, got {host[:64]!r} from {remote}")
        if remote not in await addresses_of(host):
            if host in self._missing:
                self._reasons[host] = f"connects from {remote}, which is not the address of its name"
            raise MessageError(f"expected {host} at the address of its name, got {remote}")
        if host not in self._missing and greeting.failure is None:
            writer.write(encode(refused=self._two_hosts(host, remote)))
            raise MessageError(f"expected {host} once, got another connection from {remote}")
        self._require_open()
        writer.write(self._greeting.encoded())
        if greeting.failure is None:
            async with asyncio.timeout(GREETING_SECONDS):
                if await receive(reader) is None:
                    raise MessageError("expected a sign of life, got the end")
        return greeting

    def _unanswered(self, called: str, error: Exception) -> None:
        """Note why a host that was called did not answer with a greeting."""
        if not isinstance(error, RefusedError):
            what = str(error) or "it was silent"
            self._reasons[called] = f"did not answer as a host of this job ({what})"
        elif self._greeting.failure is None:
            self._fail(PlatformError(f"{self._place.name}: {called} refused to connect: {error}"))
        else:
            # It knows this host, so it was told.
            self._missing.discard(called)
            self._check_end()

    def _two_hosts(self, host: str, remote: str) -> str:
        """Return what there is to say of a host that was met before; fail if it is another one of that name."""
        first = self._addresses.get(host, remote)
        if first == remote:
            return f"{host} has been connected before"
        text = (
            f"two hosts are named {host}, with the addresses {first} and {remote}; run each job on a network of its own"
        )
        self._fail(PlatformError(f"{self._place.name}: {text}"))
        return text

    def _require_open(self) -> None:
        if self._closed:
            raise MessageError("expected no more greetings")

    def _check_end(self) -> None:
        if not self._missing and not self._end.done():
            self._end.set_result(None)

    def _fail(self, error: JobError) -> None:
        if not self._end.done():
            self._end.set_exception(error)
            # If nobody waits any more, asyncio need not complain.
            self._end.exception()
