"""The hosts of a job as containers on a network of their own."""

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.containers import Tree, docker, inspect

# As documented: within this time all hosts have ended when one is lost.
MAX_SECONDS = 60


@dataclass
class Host:
    """A container that is one of the hosts."""

    name: str
    tree: Tree
    container: str = ""

    @property
    def log(self) -> str:
        result = docker("logs", self.container)
        return result.stdout + result.stderr

    @property
    def failure(self) -> str:
        return (self.tree.base / "output/failure").read_text()

    def running(self) -> bool:
        return bool(inspect(self.container)["State"]["Running"])

    def wait_for_line(self, pattern: str) -> None:
        deadline = time.monotonic() + MAX_SECONDS
        while not re.search(pattern, self.log):
            assert time.monotonic() < deadline, self.log
            assert self.running(), self.log
            time.sleep(0.1)

    def exit_code(self, seconds: float = MAX_SECONDS + 20) -> int:
        """Wait until it has ended."""
        return int(docker("wait", self.container, timeout=seconds).stdout)


@dataclass
class Network:
    """Hosts on a network without access to others."""

    name: str
    hosts: list[Host]

    def start(self, *hosts: Host) -> None:
        for host in hosts or self.hosts:
            assert docker("start", host.container).returncode == 0

    def logs(self) -> str:
        return "\n".join(f"--- {host.name}\n{host.log}" for host in self.hosts)


@contextmanager
def network_of(
    image: str, folder: Path, n_hosts: int, mode: str = "File", memory: str | None = None, first_core: int = 0
) -> Iterator[Network]:
    """Yield hosts algo-1, algo-2, and so on, which are not started yet and share nothing.

    `memory` limits the last one, in the notation of Docker. Each has its own core, from `first_core` on.
    """
    name = f"kmeans-{uuid.uuid4().hex[:8]}"
    assert docker("network", "create", "--internal", name).returncode == 0
    names = [f"algo-{i + 1}" for i in range(n_hosts)]
    network = Network(name, [])
    try:
        for place, host_name in enumerate(names):
            tree = Tree(folder / host_name)
            tree.configure({"k": 10, "feature_dim": 64, "mini_batch_size": 100})
            channel = {"TrainingInputMode": mode, "S3DistributionType": "ShardedByS3Key"}
            resources = {"current_host": host_name, "hosts": names, "network_interface_name": "eth0"}
            for file, content in (("inputdataconfig", {"train": channel}), ("resourceconfig", resources)):
                (tree.base / f"input/config/{file}.json").write_text(json.dumps(content))
            (tree.base / "input/data/train").mkdir(parents=True)
            flags = ["--network", name, "--network-alias", host_name, "--hostname", host_name]
            flags += [
                "--cpuset-cpus",
                str((first_core + place) % (os.cpu_count() or 1)),
                "--volume",
                f"{tree.base}:/opt/ml",
            ]
            if memory and host_name == names[-1]:
                flags += ["--memory", memory, "--memory-swap", memory]
            created = docker("create", *flags, image, "train")
            assert created.returncode == 0, created.stderr
            network.hosts.append(Host(host_name, tree, created.stdout.strip()))
        yield network
    finally:
        for host in network.hosts:
            docker("rm", "--force", host.container)
        docker("network", "rm", name)
