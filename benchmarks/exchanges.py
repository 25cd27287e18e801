"""The time that hosts take to add up their sums: measured with two containers, predicted for more."""

import math
import os
import re
import tempfile
import textwrap
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.hosts import mpiexec
from tools.containers import IMAGE, docker
from tools.network import network_of

PREDICTED_HOSTS = (2, 4, 8, 16, 32, 64)
SIZES = (1_000, 8_000, 100_000, 1_000_000)
# Adds up float64 numbers of two hosts, by gathering and by MPI's reduction; prints each size with the seconds of both.
PROGRAM = """
import statistics, sys, time, numpy as np
from container.hosts import mpi
hosts = mpi.MPICommunicator()
for size in map(int, sys.argv[1:]):
    values, medians = np.zeros(size), []
    for most_gathered in sys.maxsize, 0:
        mpi.SHORT_BYTES, times = most_gathered, []
        for _ in range(100):
            began = time.perf_counter()
            hosts.sum(values)
            times.append(time.perf_counter() - began)
        medians.append(statistics.median(times))
    if hosts.rank == 0:
        print(size, *medians, flush=True)
hosts.finalize()
"""


@dataclass(frozen=True)
class Line:
    """The time of a message: a latency and a time for each byte, in seconds."""

    latency: float
    per_byte: float

    @classmethod
    def through(cls, points: list[tuple[int, float]]) -> "Line":
        """Return the line through the smallest and the largest of points (number of float64 values, seconds)."""
        (least, least_seconds), (most, most_seconds) = min(points), max(points)
        per_byte = (most_seconds - least_seconds) / (8 * (most - least))
        return cls(max(1e-6, least_seconds - 8 * least * per_byte), per_byte)


@dataclass(frozen=True)
class Exchanges:
    """Seconds of a sum between two hosts, by the number of float64 values.

    Parameters
    ----------
    gathered : dict of int to float
        Each host gathers the values of both and adds them up.
    reduced : dict of int to float
        MPI's reduction adds them up.
    """

    gathered: dict[int, float]
    reduced: dict[int, float]

    @property
    def gathering(self) -> Line:
        """The time of sums that are gathered."""
        return Line.through([pair for pair in self.gathered.items() if 8 * pair[0] <= mpiexec.SHORT_BYTES])

    @property
    def reducing(self) -> Line:
        """The time of all other sums."""
        return Line.through(list(self.reduced.items()))

    def seconds(self, n_hosts: int, n_bytes: int) -> float:
        """Return the predicted seconds of a sum of `n_bytes` bytes over `n_hosts` hosts."""
        if (n_hosts - 1) * n_bytes <= mpiexec.SHORT_BYTES:
            return self.gathering.latency + (n_hosts - 1) * n_bytes * self.gathering.per_byte
        # The line was fitted to two hosts, which exchange their values once.
        line = self.reducing
        return math.log2(n_hosts) * line.latency + 2 * (n_hosts - 1) / n_hosts * n_bytes * line.per_byte

    def explained(self) -> str:
        """Return an explanation of `seconds`."""
        near, far = self.gathering, self.reducing
        text = (
            "A step takes the time of a mini-batch on one host plus that of a sum of K (d + 1) float64 numbers. Each of"
            f" N hosts gathers the values of the others if these have at most {mpiexec.SHORT_BYTES >> 10}"
            f" KB: {1e6 * near.latency:.0f} us, and their bytes at {1e-9 / near.per_byte:.2f} GB/s. Otherwise MPI"
            f" reduces them: log2(N) latencies of {1e6 * far.latency:.0f} us, and 2 (N - 1) / N times the bytes of one"
            f" host at {1e-9 / far.per_byte:.2f} GB/s. Both are lines through the sums below, measured on a single"
            " machine, where the exchange takes time from the computation. Figures are million rows a second."
        )
        return textwrap.fill(text, 120)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of a table."""
        return [
            {
                "float64 numbers": size,
                "gathered, us": round(1e6 * seconds, 1),
                "reduced, us": round(1e6 * self.reduced[size], 1),
            }
            for size, seconds in self.gathered.items()
        ]


def measure() -> Exchanges:
    """Measure sums of all sizes between two containers."""
    with tempfile.TemporaryDirectory(prefix="kmeans-hosts-") as folder, ExitStack() as containers:
        (Path(folder) / "exchange.py").write_text(PROGRAM)
        network = containers.enter_context(network_of(IMAGE, Path(folder), 2))
        names = [host.name for host in network.hosts]
        for place, host in enumerate(network.hosts):
            docker("rm", host.container)
            flags = ["--network", network.name, "--network-alias", host.name, "--hostname", host.name]
            flags += [
                "--cpuset-cpus",
                str(place),
                "--volume",
                f"{folder}:/opt/ml:ro",
                "--env",
                "PYTHONPATH=/opt/program",
            ]
            command = _proxy_script(place, names)
            host.container = docker("run", "--detach", *flags, IMAGE, "sh", "-c", command).stdout.strip()
        assert [host.exit_code(120) for host in network.hosts] == [0, 0], network.logs()
        found = re.findall(r"^(\d+) (\S+) (\S+)$", network.hosts[0].log, re.MULTILINE)
    return Exchanges(
        {int(size): float(gathered) for size, gathered, _ in found},
        {int(size): float(reduced) for size, _, reduced in found},
    )


def predicted(
    exchanges: Exchanges, d: int, n_centers: int, batch_size: int, measured: dict[str, Any]
) -> dict[str, Any]:
    """Return the predicted speeds of more hosts, from that of one."""
    alone = batch_size / (1e6 * measured["1 host, million rows/s"])
    row: dict[str, Any] = {"d": d, "K": n_centers, "measured 2": measured["2 hosts"]}
    for hosts in PREDICTED_HOSTS:
        step = alone + exchanges.seconds(hosts, 8 * n_centers * (d + 1))
        row[f"predicted {hosts}"] = round(hosts * batch_size / step / 1e6, 2)
    return row


def _proxy_script(place: int, names: list[str]) -> str:
    """Return the shell command of a host that takes part in an MPI job without a launcher."""
    programs = Path("/opt/venv/bin")
    worker = [str(programs / "python3"), "/opt/ml/exchange.py", *map(str, SIZES)]
    proxy = " ".join(mpiexec.proxy(programs, names[0], "eth0", place))
    chosen = mpiexec.proxy_environment("eth0").items() - os.environ.items()
    environment = " ".join(f"{name}={value}" for name, value in sorted(chosen))
    if place:
        return f"sleep 3; {environment} {proxy}"
    manager = " ".join(mpiexec.manager(programs, tuple(names), "eth0", worker))
    return f"MPIEXEC_PORT_RANGE=7010:7010 {manager} & sleep 2; {environment} {proxy} && wait"
