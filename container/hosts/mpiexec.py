"""The command lines of MPICH's process manager, started without ssh: `mpiexec` on the leader, a proxy on every host.

`mpiexec -launcher manual` prints the command line of each proxy and waits for them to call. Each host starts its own,
and the proxy starts the worker. With `-disable-auto-cleanup` a worker's end has no consequence but in its launcher,
which knows better what to do; with `-genvnone` a worker has the environment of its own host.
"""

import os
import shlex
from pathlib import Path

# Of these the first is for `mpiexec`, the next for the launchers.
DEFAULT_PORT = 7010
PORT_VARIABLE = "SAGEMAKER_KMEANS_PORT"
PROXY = "hydra_pmi_proxy"
LAUNCH_PREFIX = "HYDRA_LAUNCH:"
LAUNCH_END = "HYDRA_LAUNCH_END"
# Sums for which no more than so many bytes come from the others are not left to MPI's reduction: each host makes them
# out of what all have. That is one exchange instead of several that wait for each other. Messages up to this size go as
# a whole, and are copied, so that the sender has no use for an acknowledgement, which takes as much of a core again.
# Two hosts take 62 us for 45 KB, 82 when they are reduced, and 99 with acknowledgements too; 128 KB take 183 gathered
# and 148 reduced, in parts. There is room for a thousand copies, so that twice the size would take 64 MB more.
SHORT_BYTES = 1 << 16


def control_port() -> int:
    """Give the port on which the leader's `mpiexec` listens; the one after it is that of the launchers."""
    return int(os.environ.get(PORT_VARIABLE) or DEFAULT_PORT)


def manager(programs: Path, hosts: tuple[str, ...], interface: str | None, worker: list[str]) -> list[str]:
    """Give the leader's command line.

    Parameters
    ----------
    programs : Path
        The folder of MPICH's programs.
    hosts : tuple of str
        In the order of their ranks.
    interface : str or None
        The network interface.
    worker : list of str
        The command of a worker, the same on all hosts.
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
    """Give the environment of the leader's `mpiexec`."""
    return {**os.environ, "MPIEXEC_PORT_RANGE": f"{control_port()}:{control_port()}"}


def proxy(programs: Path, leader: str, interface: str | None, rank: int) -> list[str]:
    """Give the command line of a host's proxy, word by word as `mpiexec` prints it."""
    words = f"--control-port {leader}:{control_port()} --rmk user --launcher manual --demux poll"
    if interface:
        words += f" --iface {interface}"
    words += " --pgid 0 --retries 10 --usize -1 --pmi-port 0 --gpus-per-proc -2 --gpu-subdevs-per-proc -2"
    return [str(programs / PROXY), *words.split(), "--proxy-id", str(rank)]


def proxy_environment(interface: str | None) -> dict[str, str]:
    """Give the environment of a proxy and of its worker: messages go by TCP, over the interface of the job."""
    chosen = {
        "MPIR_CVAR_CH4_NETMOD": "ofi",
        "MPIR_CVAR_ALLREDUCE_SHORT_MSG_SIZE": str(SHORT_BYTES),
        "FI_PROVIDER": "tcp",
        "FI_TCP_MAX_INJECT": str(SHORT_BYTES),
    }
    if interface:
        chosen |= {"FI_TCP_IFACE": interface}
    return {**os.environ, **chosen}


def printed_proxies(output: list[str]) -> list[list[str]]:
    """Give the command lines that `mpiexec` has printed, in the form of `comparable`."""
    lines = [shlex.split(line.removeprefix(LAUNCH_PREFIX)) for line in output if line.startswith(LAUNCH_PREFIX)]
    return [comparable(words) for words in lines if words]


def comparable(words: list[str]) -> list[str]:
    """Give a proxy's command line without the program's folder and the leader, for which `mpiexec` has another name."""
    program, option, leader, *others = words
    return [Path(program).name, option, leader.rpartition(":")[2], *others]
