"""A training job as SageMaker starts it: configuration and data in, exit code, files and log lines out."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.artifacts import mxnet_ndarray
from container.formats.recordio.records import dense_record, encode

TOP = Path(__file__).parents[3]


def recordio(rows: NDArray[np.float32]) -> bytes:
    """Write rows as protobuf RecordIO."""
    return encode(map(dense_record, rows))


def csv(rows: NDArray[np.float32]) -> bytes:
    """Write rows as CSV."""
    return "".join(",".join(f"{value!r}" for value in row.tolist()) + "\n" for row in rows).encode()


def msd(rows: NDArray[np.float32], centers: NDArray[np.float32]) -> float:
    """Return the mean squared distance of rows to their centers."""
    differences = rows.astype(np.float64)[:, None, :] - centers.astype(np.float64)[None]
    return float((differences**2).sum(axis=2).min(axis=1).mean())


@dataclass
class Ended:
    """What a job left.

    Attributes
    ----------
    base : Path
        The root of its tree.
    exit_code : int
        Of the process.
    log : str
        Its standard output and standard error.
    """

    base: Path
    exit_code: int
    log: str

    @property
    def centers(self) -> NDArray[np.float32]:
        (centers,) = mxnet_ndarray.loads((self.base / "model/model_algo-1").read_bytes())
        return np.asarray(centers, np.float32)

    @property
    def description(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.base / "model/kmeans.json").read_text())
        return content

    @property
    def failure(self) -> str:
        return (self.base / "output/failure").read_text()


@dataclass
class Job:
    """A job to be run.

    Attributes
    ----------
    base : Path
        The root of its tree.
    hyperparameters : Mapping of str to str
        As sent: text to text.
    channels : dict
        Channel name to its entry in ``inputdataconfig.json``.
    hosts : tuple of str
        Names of all hosts; this one is the first.
    """

    base: Path
    hyperparameters: Mapping[str, str]
    channels: dict[str, dict[str, str]] = field(default_factory=lambda: {"train": {"TrainingInputMode": "File"}})
    hosts: tuple[str, ...] = ("algo-1",)

    def folder(self, channel: str) -> Path:
        path = self.base / "input/data" / channel
        path.mkdir(parents=True, exist_ok=True)
        return path

    def configure(self) -> None:
        """Write the files that say what the job is."""
        config = self.base / "input/config"
        config.mkdir(parents=True, exist_ok=True)
        (config / "hyperparameters.json").write_text(json.dumps(self.hyperparameters))
        (config / "inputdataconfig.json").write_text(json.dumps(self.channels))
        resources = {"current_host": self.hosts[0], "hosts": list(self.hosts), "network_interface_name": "lo"}
        (config / "resourceconfig.json").write_text(json.dumps(resources))

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(self.base)}

    def start(self, stderr: int = subprocess.STDOUT, **environment: str) -> "subprocess.Popen[str]":
        self.configure()
        return subprocess.Popen(
            [TOP / "train"],
            env={**self.environment(), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def ended(self, process: "subprocess.Popen[str]") -> Ended:
        log, _ = process.communicate(timeout=240)
        return Ended(self.base, process.returncode, log)

    def run(self) -> Ended:
        return self.ended(self.start())
