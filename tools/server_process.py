"""A real `./serve` process, started as SageMaker starts it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from tools.documents import ROOT
from tools.ports import free_port


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


class ServerProcess:
    """The process, its port and its log."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log

    def connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=30)

    def request(self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str) -> Answer:
        """Send one request; an underscore in a header's name stands for a hyphen."""
        connection = self.connection()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers.get("Content-Type", ""), response.read())
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str, accept: str | None = None) -> Answer:
        accepted = {} if accept is None else {"Accept": accept}
        return self.request("POST", "/invocations", body, Content_Type=content_type, **accepted)

    def log(self) -> str:
        return self._log.read_text()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def workers(self) -> list[int]:
        """Return the process ids of the current workers."""
        return children(self.process.pid)

    def wait_until_it_answers(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.log()
            try:
                self.request("GET", "/ping")
            except OSError:
                return False
            return True

        wait_until(answers)


def children(pid: int) -> list[int]:
    """Return the process ids of the children of a process with one thread."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.01)


def start(base: Path, log: Path, **environment: str) -> "subprocess.Popen[bytes]":
    """Start `./serve` on the tree under `base`."""
    given = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SAGEMAKER_BASE_DIR": str(base),
    }
    with log.open("wb") as output:
        return subprocess.Popen([ROOT / "serve"], env=given | environment, stdout=output, stderr=output)


@contextmanager
def serving(base: Path, **environment: str) -> Iterator[ServerProcess]:
    """Run `./serve` on the model in `base`/model until the block ends."""
    port = free_port()
    log = base / "serve.log"
    process = start(base, log, SAGEMAKER_BIND_TO_PORT=str(port), **environment)
    server = ServerProcess(process, port, log)
    try:
        server.wait_until_it_answers()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
