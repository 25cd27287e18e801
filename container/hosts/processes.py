"""The processes that a launcher starts."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from container.hosts.launcher_link import end_with_parent

# How long a killed process may keep its pipe open.
REAP_SECONDS = 2.0


class Processes:
    """The processes that a launcher starts, killed at the end of the block that this is the context of."""

    def __init__(self) -> None:
        # By the name of the program.
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._ended = asyncio.Event()
        self._waits: list[asyncio.Task[None]] = []

    async def start(
        self, command: list[str], environment: dict[str, str], output: int = asyncio.subprocess.DEVNULL
    ) -> asyncio.subprocess.Process:
        """Start a program.

        It ends with this process at the latest. It has a session of its own, so that no signal reaches it but ours.

        Parameters
        ----------
        command : list of str
            The program and its arguments.
        environment : dict of str to str
            Its environment.
        output : int
            Where its output goes, as for `asyncio.create_subprocess_exec`; errors go with it into a pipe.

        Returns
        -------
        Process
            The running process.
        """
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
        self._waits.append(asyncio.create_task(self._note_end(process)))
        return process

    async def _note_end(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._ended.set()

    def ends(self) -> dict[asyncio.Task[int], str]:
        """Return a task for each process that waits for its exit code, and the name of its program."""
        return {asyncio.create_task(process.wait()): name for name, process in self._processes.items()}

    async def wait(self) -> None:
        """Wait until all processes have ended."""
        await asyncio.gather(*(process.wait() for process in self._processes.values()))

    def exit_code(self, name: str) -> int | None:
        """Return the exit code of a program, or None while it runs."""
        return self._processes[name].returncode

    async def wait_for_kill(self) -> str:
        """Wait until a program, which may not have started yet, is killed by a signal; return its name."""
        while (killed := self.killed()) is None:
            await self._ended.wait()
            self._ended.clear()
        return killed

    def killed(self) -> str | None:
        """Return the name of a program that was killed by a signal, or None if there is none."""
        return next((name for name, process in self._processes.items() if (process.returncode or 0) < 0), None)

    async def __aenter__(self) -> Self:
        """Return the processes themselves."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the processes that still run."""
        for wait in self._waits:
            wait.cancel()
        for process in self._processes.values():
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        # A process must not outlive the event loop.
        for process in self._processes.values():
            with suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), REAP_SECONDS)
