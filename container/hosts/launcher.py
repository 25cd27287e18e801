"""The launcher of a host: starts its worker, watches it and the other hosts, and ends the job the same way for all."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from container.configuration.files import JobConfiguration
from container.errors import CustomerError, JobError, PlatformError, error_of
from container.hosts import mpiexec
from container.hosts.agreement import common_level, disagreement, facts_of
from container.hosts.limits import (
    CAUSE_SECONDS,
    CONNECT_SECONDS,
    END_SECONDS,
    MESSAGE_SECONDS,
    REASON_SECONDS,
    STUCK_SECONDS,
)
from container.hosts.manager import start_manager
from container.hosts.messages import Stage, stage_of, stuck_in
from container.hosts.network import address_of, interface_of
from container.hosts.peers import Peers
from container.hosts.processes import Processes
from container.hosts.stages import Stages
from container.hosts.worker_link import WorkerLink
from container.job.failure import job_error
from container.logs.logger import LOGGER
from container.resources import oom_kills
from container.stopping import INTERRUPTED, Stop, ignore_signals


def run(job: JobConfiguration, stop: Stop, told: set[str]) -> None:
    """Run a job of several hosts to its end, on this host.

    Parameters
    ----------
    job : JobConfiguration
        The configuration of the job on this host.
    stop : Stop
        Whether the job is to end early.
    told : set of str
        Receives the hosts that need not be told if the job fails.

    Raises
    ------
    JobError
        If any host has failed or is lost: the same on every host that is left.
    """

    async def launch() -> None:
        launcher = Launcher(job, stop)
        try:
            await launcher.run()
        finally:
            told.update(launcher.told())

    try:
        asyncio.run(launch())
    finally:
        # How the job has ended is settled; asyncio has removed the handlers.
        ignore_signals()


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
        self._processes = Processes()
        self._worker = WorkerLink()
        self._failure: asyncio.Future[JobError] = asyncio.get_running_loop().create_future()
        self._launched = asyncio.Event()
        self._stages = Stages(job.place.hosts)
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

    def told(self) -> set[str]:
        """Return the hosts that need not be told if the job fails."""
        return set(self._peers.peers)

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
        facts = {self._host: self._facts} | {host: peer.facts for host, peer in self._peers.peers.items()}
        error = disagreement(facts)
        if error is not None:
            raise error
        self._connected = True
        addresses = self._peers.addresses()
        self._watch(self._watch_processes())
        if self._place.leads:
            output = await start_manager(self._host, addresses, self._interface, self._processes)
            self._watch(mpiexec.log_rest(output))
            self._peers.send(launch=True)
        else:
            await self._wait_for_launch()
        LOGGER.info("host %d of %d, %s", self._place.rank + 1, self._place.count, ", ".join(self._place.hosts))
        self._watch(self._watch_start())
        proxy = mpiexec.proxy(mpiexec.PROGRAMS, addresses[0], self._interface, self._place.rank)
        environment = mpiexec.proxy_environment(self._interface, common_level(facts))
        ended = await self._worker.start(self._processes, proxy, environment)
        if ended:
            await self._cause_elsewhere()
            raise PlatformError(f"{self._host} was lost: {ended} before its worker started")
        if self._stop.requested():
            self._worker.stop(self._stop.cause)
        await self._listen_to_worker()
        self._reach(Stage.DONE)
        await self._stages.reached(Stage.DONE)
        self._reach(Stage.LEAVING)
        for task in self._tasks:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await self._processes.wait()
                self._worker.ended()

    async def _wait_for_launch(self) -> None:
        """Wait for the leader, which may still wait for other hosts."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._launched.wait()
        except TimeoutError:
            what = f"waited {CONNECT_SECONDS:g} seconds for {self._place.leader} to start the launch"
            raise PlatformError(f"{self._host} {what}") from None

    def _watch(self, watching: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Watch something until all hosts are done."""
        task = asyncio.create_task(watching)
        self._tasks.append(task)
        return task

    async def _listen_to_worker(self) -> None:
        """Return when the worker has done its work."""
        kills = oom_kills()
        watching = self._watch(self._watch_worker())
        while (message := await self._worker.receive()) is not None:
            if "stage" in message:
                stage = stage_of(message)
                self._worker.may_be_silent = stage is Stage.JOINING
                self._reach(stage)
            elif "failed" in message:
                raise self._of_this_host(error_of(message["failed"], message["message"]))
            elif "lost" in message:
                watching.cancel()
                await self._cause_elsewhere()
                raise PlatformError(f"{self._host} can't reach another host: {message['lost']}")
            elif "ended" in message:
                watching.cancel()
                return
            elif self._note_stuck(self._host, stuck_in(message)):
                self._peers.send(stuck=message["stuck"])
                if message["stuck"] is not None:
                    LOGGER.info("%s has waited %g seconds for other hosts", self._host, STUCK_SECONDS)
        watching.cancel()
        # Another host may have ended the job, and its message be on the way.
        await asyncio.sleep(MESSAGE_SECONDS)
        # A proxy does not mind the death of its worker. One that fails has ended the worker itself, since mpiexec is
        # gone.
        if self._processes.exit_code(mpiexec.PROXY):
            await self._cause_elsewhere()
            raise PlatformError(f"{self._host} can't reach another host: its proxy lost the connection with mpiexec")
        cause = "ran out of memory" if oom_kills() > kills else "was killed"
        raise PlatformError(f"{self._host} was lost: its worker {cause}")

    async def _cause_elsewhere(self) -> None:
        """Wait until the launchers notice which host is lost; return if they do not."""
        await asyncio.sleep(CAUSE_SECONDS)

    async def _watch_processes(self) -> None:
        """Fail when a process of this host is killed, which ends the workers of all."""
        killed = await self._processes.wait_for_kill()
        self._fail(PlatformError(f"{self._host} was lost: its {killed} was killed"))

    async def _watch_start(self) -> None:
        """Fail when workers do not start, or do not join each other."""
        try:
            await self._stages.start()
        except PlatformError as error:
            self._fail(error)

    async def _watch_worker(self) -> None:
        """Fail when the worker shows no sign of life; a worker that waits for data shows them."""
        seconds = await self._worker.silence()
        self._fail(PlatformError(f"{self._host} was lost: its worker was silent for {seconds:g} seconds"))

    def _of_this_host(self, error: JobError) -> JobError:
        """Name this host in an error that all hosts are to report: of its disk, its memory or its network."""
        return PlatformError(f"{self._host}: {error.message}") if isinstance(error, PlatformError) else error

    def _lose(self, host: str, how: str) -> None:
        """Fail when a host is gone before all are done: MPI ends all workers, whatever they still do."""
        error = PlatformError(f"{host} was lost: {how}")
        if not self._connected:
            asyncio.get_running_loop().call_later(REASON_SECONDS, self._fail, error)
        elif self._stages.behind(Stage.DONE):
            self._fail(error)

    def _reach(self, stage: Stage) -> None:
        """Note a stage of this host, and tell the others."""
        self._stages.reach(self._host, stage)
        self._peers.send(stage=stage)

    def _note_stuck(self, host: str, exchange: int | None) -> bool:
        """Note whether an exchange does not end on a host; return whether that is new."""
        is_new = self._stages.note_stuck(host, exchange)
        error = self._stages.standstill()
        if error is not None:
            self._fail(error)
        return is_new

    def _hear(self, host: str, message: dict[str, Any]) -> None:
        """Act on a message of another launcher."""
        if "failed" in message:
            self._fail(error_of(message["failed"], message.get("message")))
        elif "stop" in message:
            self._stop_worker(str(message["stop"]))
        elif "launch" in message:
            self._launched.set()
        elif "stage" in message:
            self._stages.reach(host, stage_of(message))
        elif "stuck" in message:
            self._note_stuck(host, stuck_in(message))

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
