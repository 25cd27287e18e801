"""Jobs of `train` on this machine: a process for each host, pinned to a core, named by an address of the loopback."""

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores_contenders import BATCH_ROWS
from container.logs.metrics import REGEXES
from tools.documents import ROOT
from tools.ports import free_port

FACTOR = 10
EPOCHS = 3
JOB_SECONDS = 600


@dataclass
class Job:
    """A job that has ended.

    Attributes
    ----------
    bases : list of Path
        The trees of its hosts.
    logs : list of str
        What they logged.
    """

    bases: list[Path]
    logs: list[str]

    def rows_per_second(self) -> float:
        """Return the speed of the stream over all hosts: of each, the median of all epochs except the first."""
        found = [re.findall(REGEXES["train:throughput"], log)[1:] for log in self.logs]
        return sum(statistics.median(map(float, speeds)) for speeds in found)

    def communication(self) -> tuple[float, int]:
        """Return the share of the stream's time that the leader spent on communication, and the bytes it sent."""
        found = re.search(r"(\S+) of them in steps, (\d+) bytes sent", self.logs[0])
        update = re.search(r'"update.time": \{"sum": ([\d.]+)', self.logs[0])
        if not (found and update):
            raise ValueError(f"expected lines about communication in\n{self.logs[0]}")
        return float(found[1]) / (float(update[1]) / 1000), int(found[2])


def run(
    folder: Path, parts: Sequence[Path], n_hosts: Sequence[int], hyperparameters: Mapping[str, str], first_core: int = 0
) -> list[Job]:
    """Run jobs at once.

    Parameters
    ----------
    folder : Path
        Where their trees will be.
    parts : sequence of Path
        The files of rows, divided among all hosts of all jobs.
    n_hosts : sequence of int
        The hosts of each job.
    hyperparameters : mapping of str to str
        Other ones than those of all jobs here.
    first_core : int
        The core of the first host; the next ones have the next cores, in turns.

    Returns
    -------
    list of Job
    """
    cores = sorted(os.sched_getaffinity(0))
    count, place = sum(n_hosts), 0
    jobs: list[Job] = []
    processes: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        for number, size in enumerate(n_hosts):
            names, port = sorted(f"127.0.0.{host + 1}" for host in range(size)), free_port(following=1)
            bases = [folder / f"{number}-{name}" for name in names]
            jobs.append(Job(bases, []))
            for name, base in zip(names, bases, strict=True):
                _make_tree(base, name, names, hyperparameters)
                for part in parts[place::count]:
                    (base / "input/data/train" / part.name).hardlink_to(part)
                processes.append(_start(stack, base, port, cores[(first_core + place) % len(cores)]))
                place += 1
        codes = [process.wait(JOB_SECONDS) for process in processes]
    for job in jobs:
        job.logs = [(base / "log").read_text() for base in job.bases]
    if any(codes):
        raise ValueError(f"exit codes {codes}:\n" + "\n".join(log for job in jobs for log in job.logs))
    return jobs


def _make_tree(base: Path, name: str, names: list[str], hyperparameters: Mapping[str, str]) -> None:
    for part in "input/config", "input/data/train", "checkpoints":
        (base / part).mkdir(parents=True)
    if "checkpoint_interval_seconds" not in hyperparameters:
        (base / "checkpoints").rmdir()
    files = {
        "hyperparameters": {
            "extra_center_factor": str(FACTOR),
            "mini_batch_size": str(BATCH_ROWS),
            "epochs": str(EPOCHS),
            "write_assignments": "false",
            "write_report": "false",
            "local_lloyd_num_trials": "1",
            "refine_sample_size": "20000",
            **hyperparameters,
        },
        "inputdataconfig": {"train": {"TrainingInputMode": "File", "S3DistributionType": "ShardedByS3Key"}},
        "resourceconfig": {"current_host": name, "hosts": names, "network_interface_name": "lo"},
    }
    for file, content in files.items():
        (base / f"input/config/{file}.json").write_text(json.dumps(content))


def _start(stack: ExitStack, base: Path, port: int, core: int) -> "subprocess.Popen[bytes]":
    """Start a host, which is ended with the stack."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PATH": path, "SAGEMAKER_BASE_DIR": str(base), "SAGEMAKER_KMEANS_PORT": str(port)}
    log = stack.enter_context((base / "log").open("wb"))
    process = stack.enter_context(
        subprocess.Popen(
            ["taskset", "--cpu-list", str(core), ROOT / "train"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    )
    stack.callback(process.terminate)
    return process
