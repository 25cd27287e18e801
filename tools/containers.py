"""Jobs and servers in containers: an /opt/ml tree goes in; an exit code, files, log lines and answers come out."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests
from numpy.typing import NDArray

from container.formats.recordio.records import dense_record, encode

IMAGE = "sagemaker-kmeans"
RECORDIO = "application/x-recordio-protobuf"
JOB_SECONDS = 240
START_SECONDS = 60


def docker(*arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run Docker's client; the caller checks the exit code."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)


def inspect(name: str) -> Any:
    """Return what the engine knows about an image or a container."""
    result = docker("inspect", name)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)[0]


@dataclass(frozen=True)
class Tree:
    """An /opt/ml tree on this machine, as SageMaker creates it before it starts a container."""

    base: Path

    def configure(self, hyperparameters: Mapping[str, object], content_type: str | None = None) -> None:
        channel = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        if content_type is not None:
            channel["ContentType"] = content_type
        files = {
            "hyperparameters": {name: str(value) for name, value in hyperparameters.items()},
            "inputdataconfig": {"train": channel},
            "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"},
        }
        for name, content in files.items():
            self._write(f"input/config/{name}.json", json.dumps(content).encode())
        for folder in "model", "output/data":
            (self.base / folder).mkdir(parents=True, exist_ok=True)

    def add_rows(self, rows: NDArray[np.float32], name: str = "part-0.pbr") -> None:
        """Write rows to the train channel, as dense records."""
        self._write(f"input/data/train/{name}", encode(map(dense_record, rows)))

    def read_json(self, name: str) -> Any:
        return json.loads((self.base / name).read_text())

    def open_to_all(self) -> None:
        """Let any user of a container write to the tree."""
        for path in (self.base, *self.base.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)

    def _write(self, name: str, content: bytes) -> None:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclass(frozen=True)
class Outcome:
    """The result of a job: its exit code, and all that it wrote to stdout and stderr."""

    exit_code: int
    log: str


def run(image: str, tree: Tree, command: Sequence[str] = ("train",), flags: Sequence[str] = ()) -> Outcome:
    """Run a command in a container; return when it has ended."""
    created = docker("create", "--volume", f"{tree.base}:/opt/ml", *flags, image, *command)
    assert created.returncode == 0, created.stderr
    container = created.stdout.strip()
    try:
        docker("start", container)
        exit_code = int(docker("wait", container, timeout=JOB_SECONDS).stdout)
        log = docker("logs", container)
    finally:
        docker("rm", "--force", container)
    return Outcome(exit_code, log.stdout + log.stderr)


@dataclass
class Server:
    """A running `serve`."""

    container: str
    port: int
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        address = docker("port", self.container, f"{self.port}/tcp").stdout.split()
        assert address, self.log()
        return f"http://{address[0]}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers_ping():
            assert inspect(self.container)["State"]["Running"], self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def invoke(self, body: bytes, content_type: str, accept: str = "*/*") -> requests.Response:
        headers = {"Content-Type": content_type, "Accept": accept}
        return self.session.post(f"{self.url}/invocations", data=body, headers=headers, timeout=60)

    def stop(self) -> int:
        """Stop as SageMaker does: SIGTERM, 30 seconds, SIGKILL. Return the exit code, which is 137 after SIGKILL."""
        docker("stop", "--time", "30", self.container, timeout=60)
        return int(inspect(self.container)["State"]["ExitCode"])

    def log(self) -> str:
        result = docker("logs", self.container)
        return result.stdout + result.stderr

    def _answers_ping(self) -> bool:
        try:
            return self.session.get(f"{self.url}/ping", timeout=5).status_code == requests.codes.ok
        except requests.ConnectionError:
            return False


@contextlib.contextmanager
def serving(image: str, model: Path, flags: Sequence[str] = (), port: int = 8080) -> Iterator[Server]:
    """Run `serve` with a read-only folder of a model until the block ends."""
    mount = f"{model}:/opt/ml/model:ro"
    started = docker("run", "--detach", "--publish", f"127.0.0.1::{port}", "--volume", mount, *flags, image, "serve")
    assert started.returncode == 0, started.stderr
    server = Server(started.stdout.strip(), port)
    try:
        server.wait_until_ready()
        yield server
    finally:
        docker("rm", "--force", server.container)
        server.session.close()
