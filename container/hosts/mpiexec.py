"""The command lines of MPICH's process manager, started without ssh: `mpiexec` on the leader, a proxy on every host.

`mpiexec -launcher manual` prints the command line of each proxy and waits for the proxies to connect. Each host starts
its own, which starts the worker. With `-disable-auto-cleanup` the end of a worker is left to its launcher, which knows
better what to do; with `-genvnone` a worker has the environment of its own host.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from container.logs.logger import LOGGER

if TYPE_CHECKING:
    import asyncio  # a worker does not need it, and importing it takes a while

# The port of `mpiexec`; the launchers use the next one.
DEFAULT_PORT = 7010
PORT_VARIABLE = "SAGEMAKER_KMEANS_PORT"
PROXY = "hydra_pmi_proxy"
# The folder of MPICH's programs.
PROGRAMS = Path(sys.executable).parent
LAUNCH_PREFIX = "HYDRA_LAUNCH:"
LAUNCH_END = "HYDRA_LAUNCH_END"
# If a host receives at most this number of bytes from the others for a sum, MPI gathers the summands and each host adds
# them up: one exchange, instead of the several dependent ones of a reduction. Messages up to this size are sent whole
# and are copied, so that the sender needs no acknowledgement, which would take as much of a core again. Between two
# hosts, a sum of 45 KB takes 62 us if it is gathered, 82 us if it is reduced, and 99 us if it is reduced with
# acknowledgements; one of 128 KB takes 183 us gathered, and 148 us reduced in parts. There is space for a thousand
# copies, so that twice the size would take 64 MB more.
SHORT_BYTES = 1 << 16


def control_port() -> int:
    """Return the port on which the leader's `mpiexec` listens; the next one is that of the launchers."""
    return int(os.environ.get(PORT_VARIABLE) or DEFAULT_PORT)


def manager(programs: Path, hosts: tuple[str, ...], interface: str | None, worker: list[str]) -> list[str]:
    """Return the command line of the leader's `mpiexec`.

    Parameters
    ----------
    programs : Path
        The folder of MPICH's programs.
    hosts : tuple of str
        The addresses of the hosts, in the order of their ranks; MPICH would look up names again and again.
    interface : str or None
        The network interface.
    worker : list of str
        The command line of a worker, the same on all hosts.

    Returns
    -------
    list of str
        The words of the command line.
    """
    options = ["-launcher", "manual", "-genvnone", "-disable-auto-cleanup"]
    if interface:
        options += ["-iface", interface]
    return [
        str(programs / "mpiexec"),
        *options,
        "-hosts",
        ",".join(hosts),
        "-n",
        str(len(hosts)),
        "-ppn",
        "1",
        *worker,
    ]


def manager_environment() -> dict[str, str]:
    """Return the environment of the leader's `mpiexec`."""
    return {**os.environ, "MPIEXEC_PORT_RANGE": f"{control_port()}:{control_port()}"}


def proxy(programs: Path, leader: str, interface: str | None, rank: int) -> list[str]:
    """Return the command line of a host's proxy, word by word as `mpiexec` prints it."""
    words = f"--control-port {leader}:{control_port()} --rmk user --launcher manual --demux poll"
    if interface:
        words += f" --iface {interface}"
    words += " --pgid 0 --retries 10 --usize -1 --pmi-port 0 --gpus-per-proc -2 --gpu-subdevs-per-proc -2"
    return [str(programs / PROXY), *words.split(), "--proxy-id", str(rank)]


def proxy_environment(interface: str | None, cpu_level: str | None = None) -> dict[str, str]:
    """Return the environment of a proxy and of its worker: messages go by TCP, over the interface of the job.

    Parameters
    ----------
    interface : str or None
        The network interface.
    cpu_level : str or None
        The level that machine code is made for, if it is not to be that of this host.

    Returns
    -------
    dict of str to str
        The environment.
    """
    chosen = {
        "MPIR_CVAR_CH4_NETMOD": "ofi",
        "MPIR_CVAR_ALLREDUCE_SHORT_MSG_SIZE": str(SHORT_BYTES),
        "FI_PROVIDER": "tcp",
        "FI_TCP_MAX_INJECT": str(SHORT_BYTES),
    }
    if cpu_level:
        chosen |= {"NUMBA_CPU_NAME": cpu_level}
    if interface:
        chosen |= {"FI_TCP_IFACE": interface}
    return {**os.environ, **chosen}


def printed_proxies(output: list[str]) -> list[list[str]]:
    """Return the command lines of the proxies that `mpiexec` has printed, in the form of `comparable`."""
    lines = [shlex.split(line.removeprefix(LAUNCH_PREFIX)) for line in output if line.startswith(LAUNCH_PREFIX)]
    return [comparable(words) for words in lines if words]


def comparable(words: list[str]) -> list[str]:
    """Return a proxy's command line without the program's folder and the leader, which `mpiexec` may name otherwise."""
    program, option, leader, *others = words
    return [Path(program).name, option, leader.rpartition(":")[2], *others]


async def read_launch(output: "asyncio.StreamReader") -> list[str]:
    """Return the lines that `mpiexec` prints until it has asked for all proxies."""
    lines: list[str] = []
    async for line in output:
        lines.append(line.decode(errors="replace").strip())
        if lines[-1] == LAUNCH_END:
            break
    return lines


async def log_rest(output: "asyncio.StreamReader") -> None:
    """Log what else `mpiexec` prints: it would wait for somebody who reads it."""
    async for line in output:
        LOGGER.debug("mpiexec: %s", line.decode(errors="replace").rstrip())
