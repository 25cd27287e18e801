"""The processes that a launcher starts end with its block."""

import asyncio
import os
import signal
from contextlib import suppress

from container.hosts.processes import Processes

SHELL = "/bin/sh"


async def failing(command: list[str]) -> asyncio.subprocess.Process:
    """Start a process in a block that fails, and return the process."""
    with suppress(InterruptedError):
        async with Processes() as processes:
            process = await processes.start(command, dict(os.environ), asyncio.subprocess.PIPE)
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            raise InterruptedError
    return process


def test_a_process_is_killed_when_the_block_fails() -> None:
    # The child of the shell has the pipe too: it must end for the pipe to be closed.
    process = asyncio.run(failing([SHELL, "-c", "echo ready; sleep 600; echo never"]))
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_was_killed_is_named() -> None:
    async def killed() -> tuple[str | None, int | None]:
        async with Processes() as processes:
            await processes.start([SHELL, "-c", "kill -KILL $$"], dict(os.environ))
            await processes.wait()
            return processes.killed(), processes.exit_code("sh")

    assert asyncio.run(killed()) == ("sh", -signal.SIGKILL)
