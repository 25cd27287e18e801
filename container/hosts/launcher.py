"""The launcher of a host: starts its worker, watches it and the other hosts, and ends the job the same way for all."""

import asyncio
import signal
import socket
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from container.configuration.files import JobConfiguration
from container.errors import CustomerError, JobError, PlatformError, error_of
from container.hosts import mpiexec
from container.hosts.agreement import disagreement, facts_of
from container.hosts.launcher_link import SOCKET_VARIABLE
from container.hosts.network import address_of, interface_of
from container.hosts.peers import Peers
from container.hosts.processes import Processes
from container.hosts.worker_link import WorkerLink, listening
from container.job.failure import job_error
from container.logs.logger import LOGGER
from container.resources import oom_kills
from container.stopping import INTERRUPTED, Stop

# SageMaker's hosts may start up to a quarter of an hour apart.
CONNECT_SECONDS = 900.0
LAUNCH_SECONDS = 60.0
# A worker imports its packages and joins the others; many workers may share few cores.
WORKER_START_SECONDS = 300.0
# A worker that can't reach another one learns why from the launchers, if they notice that a host is lost.
CAUSE_SECONDS = 40.0
END_SECONDS = 20.0
# Any message arrives within this time.
MESSAGE_SECONDS = 1.0


def run(job: JobConfiguration, stop: Stop) -> None:
    """Run a job of several hosts to its end, on this host.

    Parameters
    ----------
    job : JobConfiguration
        The configuration of the job on this host.
    stop : Stop
        Whether the job is to end early.

    Raises
    ------
    JobError
        If any host has failed or is lost: the same on every host that is left.
    """

    async def launch() -> None:
        await Launcher(job, stop).run()

    asyncio.run(launch())


class Launcher:
    """One host's part in starting the job and in watching it.

    Parameters
    ----------
    job : JobConfiguration
        The configuration of the job on this host.
    stop : Stop
        Whether the job is to end early.
    """

    def __init__(self, job: JobConfiguration, stop: Stop) -> None:
        self._place = job.place
        self._host = job.place.name
        self._interface = interface_of(job.network_interface_name)
        self._facts = facts_of(job)
        self._peers = Peers(
            job.place,
            mpiexec.control_port() + 1,
            address_of(self._host, self._interface),
            self._facts,
            self._hear,
            self._lose,
        )
        self._programs = Path(sys.executable).parent
        self._processes = Processes()
        self._worker = WorkerLink()
        self._failure: asyncio.Future[JobError] = asyncio.get_running_loop().create_future()
        self._launched = asyncio.Event()
        self._changed = asyncio.Event()
        self._done: set[str] = set()
        self._stop = stop
        # Whether a signal has reached this very host; the signal of one host stops all of them.
        self._signalled_here = stop.requested()
        self._connected = False
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Run the job to its end; see `run`."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, self._signalled, signum)
        if self._stop.requested():
            self._stop_all(self._stop.cause)
        async with self._peers, self._processes:
            try:
                await self._first_of(self._work())
            except Exception as exception:
                error = exception if isinstance(exception, JobError) else self._of_this_host(job_error(exception))
                self._peers.send(failed=error.exit_code, message=error.message)
                raise error from None
            finally:
                for task in self._tasks:
                    task.cancel()
                self._worker.close()

    async def _first_of(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the work to be done, or for a failure."""
        working = asyncio.create_task(work)
        awaited: set[asyncio.Future[Any]] = {working, self._failure}
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            raise self._failure.result()
        await working

    async def _work(self) -> None:
        await self._peers.connect(CONNECT_SECONDS)
        error = disagreement({self._host: self._facts} | {host: peer.facts for host, peer in self._peers.peers.items()})
        if error is not None:
            raise error
        self._connected = True
        if self._place.leads:
            await self._start_manager()
        else:
            # The leader may still wait for other hosts.
            await self._within(CONNECT_SECONDS, self._launched.wait(), f"{self._place.leader} to start the launch")
        LOGGER.info("host %d of %d, %s", self._place.rank + 1, self._place.count, ", ".join(self._place.hosts))
        with listening() as (listener, path):
            environment = mpiexec.proxy_environment(self._interface) | {SOCKET_VARIABLE: str(path)}
            await self._processes.start(self._proxy(self._place.rank), environment)
            accepting = self._accept_worker(listener)
            await self._within(WORKER_START_SECONDS, accepting, f"the worker of {self._host} to start")
        if self._stop.requested():
            self._worker.stop(self._stop.cause)
        watching = asyncio.create_task(self._watch_worker())
        self._tasks.append(watching)
        await self._listen_to_worker()
        watching.cancel()
        self._done.add(self._host)
        self._peers.send(done=True)
        while len(self._done) < self._place.count:
            await self._changed.wait()
            self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._processes.wait()
                self._worker.ended()

    def _proxy(self, rank: int) -> list[str]:
        return mpiexec.proxy(self._programs, self._place.leader, self._interface, rank)

    async def _start_manager(self) -> None:
        """Start `mpiexec`, and tell the other hosts when it listens."""
        command = mpiexec.manager(
            self._programs, self._place.hosts, self._interface, [sys.executable, str(Path(sys.argv[0]).resolve())]
        )
        process = await self._processes.start(command, mpiexec.manager_environment(), asyncio.subprocess.PIPE)
        output = cast(asyncio.StreamReader, process.stdout)
        lines = await self._within(LAUNCH_SECONDS, mpiexec.read_launch(output), "mpiexec to listen")
        expected = [mpiexec.comparable(self._proxy(rank)) for rank in range(self._place.count)]
        if mpiexec.printed_proxies(lines) != expected:
            raise PlatformError(
                f"{self._host}: expected mpiexec to ask for {len(expected)} proxies such as {' '.join(expected[0])!r}, "
                f"got {' | '.join(lines)[-500:]!r}"
            )
        self._tasks.append(asyncio.create_task(mpiexec.log_rest(output)))
        self._peers.send(launch=True)

    async def _within(self, seconds: float, awaited: Coroutine[Any, Any, Any], what: str) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await awaited
        except TimeoutError:
            raise PlatformError(f"{self._host} waited {seconds:g} seconds for {what}") from None

    async def _accept_worker(self, listener: socket.socket) -> None:
        """Wait for the worker to connect; fail if a process that is to start it ends."""
        accepting = asyncio.create_task(self._worker.accept(listener))
        ends = self._processes.ends()
        try:
            await asyncio.wait({accepting, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if not accepting.done():
                # Another host may have ended the job, and its message be on the way.
                await asyncio.sleep(MESSAGE_SECONDS)
                ended = ", ".join(f"{name} exited with {task.result()}" for task, name in ends.items() if task.done())
                raise PlatformError(f"{self._host} was lost: {ended} before its worker started")
            accepting.result()
        finally:
            for task in (accepting, *ends):
                task.cancel()

    async def _listen_to_worker(self) -> None:
        """Return when the worker has done its work."""
        kills = oom_kills()
        while True:
            message = await self._worker.receive()
            if message is None:
                # Another host may have ended the job, and its message be on the way.
                await asyncio.sleep(MESSAGE_SECONDS)
                raise await self._reason_of_end("ran out of memory" if oom_kills() > kills else "was killed")
            if "failed" in message:
                raise self._of_this_host(error_of(message["failed"], message["message"]))
            if "lost" in message:
                raise await self._cause_elsewhere(str(message["lost"]))
            if "ended" in message:
                return

    async def _reason_of_end(self, cause: str) -> JobError:
        """Return the reason why the worker is gone without a message."""
        killed = self._processes.killed()
        if killed is not None:
            return PlatformError(f"{self._host} was lost: its {killed} was killed")
        # A proxy does not mind the death of its worker. One that fails has ended the worker itself, since mpiexec is
        # gone.
        if self._processes.exit_code(mpiexec.PROXY):
            return await self._cause_elsewhere("its proxy lost the connection with mpiexec")
        return PlatformError(f"{self._host} was lost: its worker {cause}")

    async def _cause_elsewhere(self, otherwise: str) -> JobError:
        """Wait until the launchers notice which host is lost; return what is known here if they do not."""
        await asyncio.sleep(CAUSE_SECONDS)
        return PlatformError(f"{self._host} can't reach another host: {otherwise}")

    async def _watch_worker(self) -> None:
        """Fail when the worker shows no sign of life; a worker that waits for data shows them."""
        seconds = await self._worker.silence()
        self._fail(PlatformError(f"{self._host} was lost: its worker was silent for {seconds:g} seconds"))

    def _of_this_host(self, error: JobError) -> JobError:
        """Name this host in an error that all hosts are to report: of its disk, its memory or its network."""
        return PlatformError(f"{self._host}: {error.message}") if isinstance(error, PlatformError) else error

    def _lose(self, host: str, how: str) -> None:
        """Fail when a host is gone before it was done."""
        if host not in self._done:
            self._fail(PlatformError(f"{host} was lost: {how}"))

    def _hear(self, host: str, message: dict[str, Any]) -> None:
        """Act on a message of another launcher."""
        if "failed" in message:
            self._fail(error_of(message["failed"], message.get("message")))
        elif "stop" in message:
            self._stop_worker(str(message["stop"]))
        elif "launch" in message:
            self._launched.set()
        elif "done" in message:
            self._done.add(host)
            self._changed.set()

    def _fail(self, error: JobError) -> None:
        if not self._failure.done():
            self._failure.set_result(error)

    def _signalled(self, signum: int) -> None:
        """Stop the job at SIGTERM and at the first Ctrl-C; leave it at the second one.

        A Ctrl-C may reach the launchers of several hosts, if they share a terminal: for each it is the first one.
        """
        if signum == signal.SIGINT and self._signalled_here:
            raise SystemExit(INTERRUPTED)
        self._signalled_here = True
        self._stop_all(signal.Signals(signum).name)

    def _stop_all(self, cause: str) -> None:
        """Ask all hosts to end the stream: their workers agree on where."""
        LOGGER.warning("%s on %s: the stream ends at the next mini-batch", cause, self._host)
        self._peers.send(stop=cause)
        self._stop_worker(cause)

    def _stop_worker(self, cause: str) -> None:
        self._stop.request(cause)
        if not self._connected:
            self._fail(CustomerError("The job was stopped before its hosts had come together; there is no model"))
        else:
            self._worker.stop(cause)
