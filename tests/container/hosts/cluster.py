"""Jobs of several hosts without Docker: a `train` process for each, named by addresses of the loopback network."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from tests.container.job.job import TOP, recordio
from tools.ports import free_port

# Nothing takes so long, unless the machine has a lot else to do.
PATIENCE_SECONDS = 200.0
RECORDIO_CHANNEL = {"TrainingInputMode": "File", "S3DistributionType": "ShardedByS3Key"}


@dataclass
class Host:
    """One host of a cluster.

    Attributes
    ----------
    name : str
        Its address.
    base : Path
        The root of its tree.
    train : Path
        The program that it runs.
    enter : sequence of str
        The command that enters its namespaces, if it has some.
    """

    name: str
    base: Path
    train: Path = TOP / "train"
    enter: Sequence[str] = ()
    process: "subprocess.Popen[str] | None" = None

    @property
    def running(self) -> "subprocess.Popen[str]":
        assert self.process is not None
        return self.process

    @property
    def log_path(self) -> Path:
        return self.base / "log"

    @property
    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    @property
    def failure(self) -> str:
        return (self.base / "output/failure").read_text()

    @property
    def centers(self) -> NDArray[np.float32]:
        (path,) = (self.base / "model").glob("model_*")
        (centers,) = mxnet_ndarray.loads(path.read_bytes())
        return np.asarray(centers, np.float32)

    def wait_for_line(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> "re.Match[str]":
        """Wait until the log has a line."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern, self.log)) is None:
            assert time.monotonic() < deadline, f"{pattern}\nnot found in\n{self.log}"
            assert self.running.poll() is None or re.search(pattern, self.log), f"{self.name} has ended\n{self.log}"
            time.sleep(0.02)
        return found

    def worker(self) -> int:
        """Return the process that trains, once it does."""
        self.wait_for_line("seed \\d+, \\d+ threads")
        (worker,) = children(self.program("hydra_pmi_proxy"))
        return worker

    def program(self, name: str) -> int:
        """Return the process of a program that the launcher has started."""
        return self._programs()[name]

    def has_program(self, name: str) -> bool:
        """Return whether the launcher has started a program."""
        return name in self._programs()

    def _programs(self) -> dict[str, int]:
        return {Path(command(pid).partition(" ")[0]).name: pid for pid in children(self.running.pid)}


@dataclass
class Cluster:
    """Hosts that train one model.

    Attributes
    ----------
    folder : Path
        Where the trees are.
    n_hosts : int
        How many.
    hyperparameters : Mapping of str to str
        As sent.
    channels : dict
        Channel name to its entry in ``inputdataconfig.json``.
    names : sequence of str
        The names of the hosts; addresses of the loopback network by default.
    interface : str
        Their network interface.
    """

    folder: Path
    n_hosts: int
    hyperparameters: Mapping[str, str]
    channels: dict[str, dict[str, str]] = field(default_factory=lambda: {"train": dict(RECORDIO_CHANNEL)})
    checkpoints: bool = False
    names: Sequence[str] = ()
    interface: str = "lo"

    def __post_init__(self) -> None:
        # One for the processes of MPI, and one for the launchers.
        self.port = free_port(following=1)
        # The order of the ranks is that of the names as text.
        self.names = sorted(self.names or [f"127.0.0.{i + 1}" for i in range(self.n_hosts)])
        self.hosts = [Host(name, self.folder / name) for name in self.names]
        for host in self.hosts:
            self.make_tree(host)

    def make_tree(self, host: Host) -> None:
        for channel in self.channels:
            (host.base / "input/data" / channel).mkdir(parents=True, exist_ok=True)
        if self.checkpoints:
            (host.base / "checkpoints").mkdir(exist_ok=True)
        self.configure(host)

    def configure(self, host: Host, **changes: str) -> None:
        """Write the files of one host, with other hyperparameters than those of the rest if need be."""
        config = host.base / "input/config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps({**self.hyperparameters, **changes}))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))
        resources = {"current_host": host.name, "hosts": self.names, "network_interface_name": self.interface}
        (config / "resourceconfig.json").write_text(json.dumps(resources))

    def put(self, *shards: NDArray[np.float32], channel: str = "train") -> None:
        """Write the rows of each host."""
        for host, rows in zip(self.hosts, shards, strict=True):
            if len(rows):
                (host.base / "input/data" / channel / "rows.pbr").write_bytes(recordio(rows))

    def assignments(self) -> list[NDArray[np.float64]]:
        """Return the table that each host has written for the rows of a file."""
        return [
            np.loadtxt(path, delimiter=",", skiprows=1)
            for host in self.hosts
            for path in (host.base / "output/data/assignments").rglob("*.csv")
        ]

    def start(self, *only: Host, **environment: str) -> None:
        """Start the hosts."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        for host in only or self.hosts:
            with host.log_path.open("w") as log:
                host.process = subprocess.Popen(
                    [*host.enter, host.train],
                    env={
                        **os.environ,
                        "PATH": path,
                        "SAGEMAKER_BASE_DIR": str(host.base),
                        "SAGEMAKER_KMEANS_PORT": str(self.port),
                        **environment,
                    },
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    text=True,
                )

    def wait(self, seconds: float = PATIENCE_SECONDS) -> list[int]:
        """Wait for the end of all; give their exit codes."""
        deadline = time.monotonic() + seconds
        codes = []
        for host in self.hosts:
            try:
                codes.append(host.running.wait(max(0.1, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                pytest.fail(f"{host.name} has not ended within {seconds} seconds\n{host.log}")
        return codes

    def run(self, seconds: float = PATIENCE_SECONDS) -> list[int]:
        self.start()
        return self.wait(seconds)

    def close(self) -> None:
        """End what is left of the processes."""
        for host in self.hosts:
            if host.process is not None and host.process.poll() is None:
                for pid in [*descendants(host.process.pid), host.process.pid]:
                    kill(pid)
                host.process.wait()

    @property
    def logs(self) -> str:
        return "\n".join(f"--- {host.name}\n{host.log}" for host in self.hosts)


@contextmanager
def cluster_of(
    folder: Path, n_hosts: int, hyperparameters: Mapping[str, str], checkpoints: bool = False
) -> Iterator[Cluster]:
    cluster = Cluster(folder, n_hosts, hyperparameters, checkpoints=checkpoints)
    try:
        yield cluster
    finally:
        cluster.close()


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    return [found for child in children(pid) for found in (child, *descendants(child))]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def kill(pid: int, signum: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signum)


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
