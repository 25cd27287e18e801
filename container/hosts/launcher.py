"""The launcher of a host: brings up its worker, watches it and the other hosts, and ends the job one way for all."""

import asyncio
import os
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from container.configuration.files import JobConfiguration
from container.errors import CustomerError, JobError, PlatformError, error_of
from container.hosts import mpiexec
from container.hosts.agreement import disagreement, facts_of
from container.hosts.messages import BEAT_SECONDS, MAX_LINE, encode, receive
from container.hosts.network import address_of, interface_of
from container.hosts.peers import Peers
from container.hosts.worker import SOCKET_VARIABLE, end_with_parent
from container.job.failure import job_error
from container.logs.logger import LOGGER
from container.resources import oom_kills
from container.stopping import INTERRUPTED, Stop

# SageMaker's hosts may come up to a quarter of an hour apart.
CONNECT_SECONDS = 900.0
LAUNCH_SECONDS = 60.0
# Importing and joining the others; many workers may share few cores.
WORKER_START_SECONDS = 300.0
MOST_SILENT_BEATS = 15
# A worker that can't reach another one learns why from the launchers, if they notice a host that is lost.
CAUSE_SECONDS = 40.0
END_SECONDS = 20.0
# Any message comes in less.
MESSAGE_SECONDS = 1.0
# How long a killed process may keep its pipe open.
REAP_SECONDS = 2.0


def run(job: JobConfiguration, stop: Stop) -> None:
    """Run a job of several hosts to its end, on this host.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    stop : Stop
        The wish to end early.

    Raises
    ------
    JobError
        If any host has failed or is lost: the same on every host that is left.
    """

    async def launch() -> None:
        await Launcher(job, stop).run()

    asyncio.run(launch())


class Launcher:
    """One host's part in bringing up the job and in watching it.

    Parameters
    ----------
    job : JobConfiguration
        Of this host.
    stop : Stop
        The wish to end early.
    """

    def __init__(self, job: JobConfiguration, stop: Stop) -> None:
        self._host = job.current_host
        self._hosts = job.hosts
        self._rank = job.hosts.index(job.current_host)
        self._interface = interface_of(job.network_interface_name)
        self._facts = facts_of(job)
        self._peers = Peers(
            self._host,
            job.hosts,
            mpiexec.control_port() + 1,
            address_of(self._host, self._interface),
            self._facts,
            self._hear,
            self._lose,
        )
        self._programs = Path(sys.executable).parent
        self._failure: asyncio.Future[JobError] = asyncio.get_running_loop().create_future()
        self._launched = asyncio.Event()
        self._changed = asyncio.Event()
        self._done: set[str] = set()
        self._stop = stop
        # Whether a signal has come to this very host; all hosts are stopped by that of one.
        self._signalled_here = stop.requested()
        self._together = False
        self._worker: asyncio.StreamWriter | None = None
        self._worker_pid = 0
        self._worker_silent_beats = 0
        # By the name of the program.
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Do all of it; see `run`."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, self._signalled, signum)
        if self._stop.requested():
            self._stop_all(self._stop.cause)
        try:
            await self._first_of(self._work())
        except Exception as exception:
            error = exception if isinstance(exception, JobError) else self._of_this_host(job_error(exception))
            self._peers.send(failed=error.exit_code, message=error.message)
            raise error from None
        finally:
            for task in self._tasks:
                task.cancel()
            self._kill()
            await self._reap()
            await self._peers.close()

    async def _first_of(self, work: Coroutine[Any, Any, None]) -> None:
        """Work until that is done, or until something has failed."""
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
        self._together = True
        if self._rank == 0:
            await self._start_manager()
        else:
            # The leader may still wait for others.
            await self._within(CONNECT_SECONDS, self._launched.wait(), f"{self._hosts[0]} to begin the launch")
        LOGGER.info("host %d of %d, %s", self._rank + 1, len(self._hosts), ", ".join(self._hosts))
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            path = Path(folder) / "launcher"
            listener.bind(str(path))
            listener.listen(1)
            listener.setblocking(False)
            proxy = mpiexec.proxy(self._programs, self._hosts[0], self._interface, self._rank)
            environment = mpiexec.proxy_environment(self._interface) | {SOCKET_VARIABLE: str(path)}
            await self._start(proxy, environment, asyncio.subprocess.DEVNULL)
            accepting = self._accept_worker_or_fail(listener)
            reader = await self._within(WORKER_START_SECONDS, accepting, f"the worker of {self._host} to start")
        if self._stop.requested():
            self._stop_worker(self._stop.cause)
        self._tasks.append(asyncio.create_task(self._watch_worker()))
        await self._listen_to_worker(reader)
        self._done.add(self._host)
        self._peers.send(done=True)
        while len(self._done) < len(self._hosts):
            await self._changed.wait()
            self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await asyncio.gather(*(process.wait() for process in self._processes.values()))
                self._worker_pid = 0

    async def _start_manager(self) -> None:
        """Start `mpiexec`, and tell the others when it listens."""
        command = mpiexec.manager(
            self._programs, self._hosts, self._interface, [sys.executable, str(Path(sys.argv[0]).resolve())]
        )
        process = await self._start(command, mpiexec.manager_environment(), asyncio.subprocess.PIPE)
        output: list[str] = []
        await self._within(LAUNCH_SECONDS, _read_launch(process, output), "mpiexec to listen")
        expected = [
            mpiexec.comparable(mpiexec.proxy(self._programs, self._hosts[0], self._interface, rank))
            for rank in range(len(self._hosts))
        ]
        printed = mpiexec.printed_proxies(output)
        if printed != expected:
            raise PlatformError(
                f"{self._host}: expected mpiexec to ask for {len(expected)} proxies such as {' '.join(expected[0])!r}, "
                f"got {' | '.join(output)[-500:]!r}"
            )
        self._tasks.append(asyncio.create_task(_read_rest(process)))
        self._peers.send(launch=True)

    async def _start(self, command: list[str], environment: dict[str, str], output: int) -> asyncio.subprocess.Process:
        """Start a program that ends with this one, in a session of its own: it gets no signal but ours."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT if output == asyncio.subprocess.PIPE else output,
            env=environment,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        self._processes[Path(command[0]).name] = process
        return process

    async def _within(self, seconds: float, awaited: Coroutine[Any, Any, Any], what: str) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await awaited
        except TimeoutError:
            raise PlatformError(f"{self._host} waited {seconds:g} seconds for {what}") from None

    async def _accept_worker_or_fail(self, listener: socket.socket) -> asyncio.StreamReader:
        """Wait for the worker's call, unless what is to start it has ended."""
        accepting = asyncio.create_task(self._accept_worker(listener))
        ends = {asyncio.create_task(process.wait()): name for name, process in self._processes.items()}
        try:
            await asyncio.wait({accepting, *ends}, return_when=asyncio.FIRST_COMPLETED)
            if not accepting.done():
                # Maybe since another host has ended it all.
                await asyncio.sleep(MESSAGE_SECONDS)
                ended = ", ".join(f"{name} with {task.result()}" for task, name in ends.items() if task.done())
                raise PlatformError(f"{self._host} was lost: before its worker had begun ended {ended}")
            return accepting.result()
        finally:
            for task in (accepting, *ends):
                task.cancel()

    async def _accept_worker(self, listener: socket.socket) -> asyncio.StreamReader:
        """Wait for the worker's call; it gets our standard output and standard error."""
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self._worker_pid = struct.unpack("3i", credentials)[0]
        socket.send_fds(connection, [b"\n"], [sys.stdout.fileno(), sys.stderr.fileno()])
        reader, self._worker = await asyncio.open_connection(sock=connection, limit=MAX_LINE)
        return reader

    async def _listen_to_worker(self, reader: asyncio.StreamReader) -> None:
        """Return when the worker has done its work."""
        kills = oom_kills()
        while True:
            message = await receive(reader)
            self._worker_silent_beats = 0
            if message is None:
                # Maybe another host has ended it all, and its message is on the way.
                await asyncio.sleep(MESSAGE_SECONDS)
                raise await self._reason_of_end("ran out of memory" if oom_kills() > kills else "was killed")
            if "failed" in message:
                raise self._of_this_host(error_of(message["failed"], message["message"]))
            if "lost" in message:
                raise await self._cause_elsewhere(str(message["lost"]))
            if "ended" in message:
                return

    async def _reason_of_end(self, cause: str) -> JobError:
        """Give the reason for which the worker is gone without a word."""
        for name, process in self._processes.items():
            if (process.returncode or 0) < 0:
                return PlatformError(f"{self._host} was lost: its {name} was killed")
        # A worker's death leaves its proxy calm. One that fails has ended the worker itself, since mpiexec is gone.
        if self._processes[mpiexec.PROXY].returncode:
            return await self._cause_elsewhere("its worker was ended from there")
        return PlatformError(f"{self._host} was lost: its worker {cause}")

    async def _cause_elsewhere(self, otherwise: str) -> JobError:
        """Let the launchers find out which host is lost; give what is known here if they don't."""
        await asyncio.sleep(CAUSE_SECONDS)
        return PlatformError(f"{self._host} can't reach another host: {otherwise}")

    async def _watch_worker(self) -> None:
        """Fail when the worker gives no sign of life; one that waits for data gives them."""
        while self._host not in self._done:
            await asyncio.sleep(BEAT_SECONDS)
            self._worker_silent_beats += 1
            if self._worker_silent_beats > MOST_SILENT_BEATS:
                seconds = MOST_SILENT_BEATS * BEAT_SECONDS
                self._fail(PlatformError(f"{self._host} was lost: its worker was silent for {seconds:g} seconds"))

    def _of_this_host(self, error: JobError) -> JobError:
        """Name this host in what all hosts are to say: a fault of its disk, its memory or its network."""
        return PlatformError(f"{self._host}: {error.message}") if isinstance(error, PlatformError) else error

    def _lose(self, host: str, how: str) -> None:
        """Fail when a host is gone before it was done."""
        if host not in self._done:
            self._fail(PlatformError(f"{host} was lost: {how}"))

    def _hear(self, host: str, message: dict[str, Any]) -> None:
        """Take in what another launcher says."""
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

        A Ctrl-C may reach the launchers of several hosts, as those of one terminal: each takes it for the first.
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
        if not self._together:
            self._fail(CustomerError("The job was stopped before its hosts had come together; there is no model"))
        elif self._worker is not None:
            self._worker.write(encode(stop=cause))

    def _kill(self) -> None:
        """End what is left of the processes; those that have ended by themselves are not touched."""
        for process in self._processes.values():
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if self._worker_pid:
            with suppress(ProcessLookupError):
                os.kill(self._worker_pid, signal.SIGKILL)

    async def _reap(self) -> None:
        """Wait for the processes that were killed: asyncio complains of one that outlives its loop."""
        for process in self._processes.values():
            with suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), REAP_SECONDS)


async def _read_launch(process: asyncio.subprocess.Process, output: list[str]) -> None:
    """Read what `mpiexec` prints until it has asked for all proxies."""
    if process.stdout is None:
        return
    async for line in process.stdout:
        output.append(line.decode(errors="replace").strip())
        if output[-1] == mpiexec.LAUNCH_END:
            return


async def _read_rest(process: asyncio.subprocess.Process) -> None:
    """Keep `mpiexec` from waiting for somebody who reads what it prints."""
    if process.stdout is not None:
        async for line in process.stdout:
            LOGGER.debug("mpiexec: %s", line.decode(errors="replace").rstrip())
