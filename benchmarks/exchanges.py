"""The time that hosts take to add up their sums: measured with two processes, predicted for more hosts."""

import math
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.hosts import mpiexec
from tools.documents import ROOT

SIZES = (1_000, 8_000, 100_000, 1_000_000)
# Sums of each size, at most, and the most numbers in all.
TURNS, MAX_VALUES = 300, 60_000_000
# What a message takes on a network in addition, in seconds; a reduction has two for each doubling of the hosts.
NETWORK_LATENCY = 25e-6
# Adds up float64 numbers of two hosts, by gathering and by MPI's reduction; prints each size with the seconds of both.
PROGRAM = """
import os, sys, time, numpy as np
from container.hosts import mpi
hosts = mpi.MPICommunicator()
cores = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, {cores[hosts.rank % len(cores)]})
turns, most_values, *sizes = map(int, sys.argv[1:])
for size in sizes:
    values, least = np.zeros(size), []
    for most_gathered in sys.maxsize, 0:
        mpi.SHORT_BYTES, times = most_gathered, []
        for _ in range(min(turns, most_values // size)):
            began = time.perf_counter()
            hosts.sum(values)
            times.append(time.perf_counter() - began)
        least.append(min(times))
    if hosts.rank == 0:
        print(size, *least, flush=True)
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

    Attributes
    ----------
    gathered : dict of int to float
        Each host gathers the values of both and adds them up.
    reduced : dict of int to float
        MPI's reduction adds them up.
    """

    gathered: dict[int, float]
    reduced: dict[int, float]

    @classmethod
    def least(cls, several: "list[Exchanges]") -> "Exchanges":
        """Return the least times of several measurements, since other load on a machine only adds to them."""
        first = several[0]
        return cls(
            {size: min(each.gathered[size] for each in several) for size in first.gathered},
            {size: min(each.reduced[size] for each in several) for size in first.reduced},
        )

    @property
    def gathering(self) -> Line:
        """The time of sums that are gathered."""
        return Line.through([pair for pair in self.gathered.items() if 8 * pair[0] <= mpiexec.SHORT_BYTES])

    @property
    def reducing(self) -> Line:
        """The time of all other sums."""
        return Line.through(list(self.reduced.items()))

    def seconds(self, n_hosts: int, n_bytes: int, bandwidth: float = math.inf) -> float:
        """Return the predicted seconds of a sum.

        Parameters
        ----------
        n_hosts : int
            The hosts.
        n_bytes : int
            The bytes of each host.
        bandwidth : float
            Bytes a second of the network; infinity for hosts on a single machine.

        Returns
        -------
        float
        """
        latency = 0.0 if bandwidth == math.inf else NETWORK_LATENCY
        if n_hosts == 1:
            return 0.0
        if (n_hosts - 1) * n_bytes <= mpiexec.SHORT_BYTES:
            line, received = self.gathering, (n_hosts - 1) * n_bytes
            return latency + line.latency + received * (line.per_byte + 1 / bandwidth)
        # The line was fitted to two hosts, which exchange their values once.
        line, sent = self.reducing, 2 * (n_hosts - 1) / n_hosts * n_bytes
        return math.log2(n_hosts) * (2 * latency + line.latency) + sent * (line.per_byte + 1 / bandwidth)

    def explained(self) -> str:
        """Return an explanation of `seconds`."""
        near, far = self.gathering, self.reducing
        return (
            "Each of N hosts gathers the values of the others if these have at most"
            f" {mpiexec.SHORT_BYTES >> 10} KB: {1e6 * near.latency:.0f} us, and their bytes at"
            f" {1e-9 / near.per_byte:.2f} GB/s. Otherwise MPI reduces them: log2(N) latencies of"
            f" {1e6 * far.latency:.0f} us, and 2 (N - 1) / N times the bytes of one host at"
            f" {1e-9 / far.per_byte:.2f} GB/s. Both are lines through the sums below, measured on a single machine. A"
            f" network adds {1e6 * NETWORK_LATENCY:.0f} us to each message, which is assumed, and the time of the bytes"
            " on the wire."
        )

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
    """Measure sums of all sizes between two processes, which use the network's protocol."""
    launcher = Path(sys.executable).with_name("mpiexec")
    numbers = map(str, (TURNS, MAX_VALUES, *SIZES))
    result = subprocess.run(
        [launcher, "-n", "2", sys.executable, "-c", PROGRAM, *numbers],
        env={**mpiexec.proxy_environment(None), "MPIR_CVAR_NOLOCAL": "1", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = re.findall(r"^(\d+) (\S+) (\S+)$", result.stdout, re.MULTILINE)
    return Exchanges(
        {int(size): float(gathered) for size, gathered, _ in found},
        {int(size): float(reduced) for size, _, reduced in found},
    )
