"""Start MPICH's process manager on the leader."""

import asyncio
import sys
from pathlib import Path
from typing import cast

from container.errors import PlatformError
from container.hosts import mpiexec
from container.hosts.limits import LAUNCH_SECONDS
from container.hosts.network import require_port
from container.hosts.processes import Processes


async def start_manager(
    host: str, addresses: tuple[str, ...], interface: str | None, processes: Processes
) -> asyncio.StreamReader:
    """Start `mpiexec`, and wait until it listens.

    Parameters
    ----------
    host : str
        The name of this host, for errors.
    addresses : tuple of str
        The addresses of all hosts, in the order of their ranks.
    interface : str or None
        The network interface.
    processes : Processes
        The processes of this host.

    Returns
    -------
    StreamReader
        What else it prints; it waits for somebody who reads that.

    Raises
    ------
    PlatformError
        If it does not start, or asks for other proxies than those that hosts will start.
    """
    require_port(host, mpiexec.control_port())
    command = mpiexec.manager(
        mpiexec.PROGRAMS, addresses, interface, [sys.executable, str(Path(sys.argv[0]).resolve())]
    )
    process = await processes.start(command, mpiexec.manager_environment(), asyncio.subprocess.PIPE)
    output = cast(asyncio.StreamReader, process.stdout)
    try:
        async with asyncio.timeout(LAUNCH_SECONDS):
            lines = await mpiexec.read_launch(output)
    except TimeoutError:
        raise PlatformError(f"{host} waited {LAUNCH_SECONDS:g} seconds for mpiexec to listen") from None
    got = " | ".join(lines)[-500:]
    if mpiexec.LAUNCH_END not in lines:
        code = await process.wait()
        cause = "was killed" if code < 0 else f"exited with {code}: {got}"
        raise PlatformError(f"{host} was lost: its mpiexec {cause}")
    expected = [
        mpiexec.comparable(mpiexec.proxy(mpiexec.PROGRAMS, addresses[0], interface, rank))
        for rank in range(len(addresses))
    ]
    if mpiexec.printed_proxies(lines) != expected:
        raise PlatformError(
            f"{host}: expected mpiexec to ask for {len(expected)} proxies such as {' '.join(expected[0])!r}, "
            f"got {got!r}"
        )
    return output
