"""Runs programs in forks of a process that has imported what they import: some milliseconds each instead of a second.

A fork differs from a program that was just started in nothing that it does: it runs the script, reads real files,
writes its log to a file, gets real signals, leaves its interpreter by the usual way and has an exit code. Standard
input has a request a line, standard output two answers to each: the process, and how it has ended. All are JSON.
"""

import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[3]
# Not the modules that are run themselves: they are imported again.
PRELOADED = (
    "container.job.training",
    "container.job.main",
    "container.serving.server",
    "container.conversion.csv_rows",
    "container.formats.recordio.layout",
    "container.conversion.numpy_rows",
    "container.conversion.parquet_rows",
    "container.conversion.recordio_rows",
    "container.conversion.sparse_rows",
    "container.formats.recordio.sparse_kernel",
    "container.conversion.targets",
)
# What `train` does on small data takes two.
ADDRESS_SPACE = 8 << 30
FILE_BYTES = 256 << 20
# The time in which a program must end after a signal: half of what SageMaker allows.
GRACE_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """How a program has ended.

    Attributes
    ----------
    exit_code : int
        Of the process; less than 0 for the signal that has killed it.
    log : str
        Standard output and standard error.
    seconds : float
        That it took.
    stopped : bool
        Whether it was sent SIGTERM.
    hung : bool
        Whether it was sent SIGKILL, since SIGTERM did not end it.
    """

    exit_code: int
    log: str
    seconds: float
    stopped: bool
    hung: bool


class ForkServer:
    """A process that has imported what the programs here need, and runs them in forks of itself."""

    def __init__(self) -> None:
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env={**os.environ, **threads},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, program: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, stop_after: float
    ) -> int:
        """Start a program; `ended` waits for its end, which must be called before another one is started.

        Parameters
        ----------
        program : str
            A script at the top of the repository, or a module.
        arguments : sequence of str
            Of its command line.
        environment : Mapping of str to str
            Variables that are set for it.
        log : Path
            Where its standard output and standard error go.
        stop_after : float
            Seconds after which it is sent SIGTERM.

        Returns
        -------
        int
            The process.
        """
        self._log = log
        assert self._process.stdin is not None
        request = [program, list(arguments), dict(environment), str(log), stop_after]
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        pid: int = self._answer()
        return pid

    def ended(self) -> Ended:
        """Wait for the end of the program."""
        answer = self._answer()
        return Ended(log=self._log.read_text(errors="backslashreplace"), **answer)

    def run(
        self, program: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path, stop_after: float
    ) -> Ended:
        """Run a program to its end; see `start`."""
        self.start(program, arguments, environment, log, stop_after)
        return self.ended()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> "ForkServer":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.communicate(timeout=GRACE_SECONDS)


def _become_program(environment: Mapping[str, str], log: str) -> None:
    """Make this fork look as a program that was started on its own."""
    os.setsid()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _drop_capabilities()


def _drop_capabilities() -> None:
    """Let permissions hold for root too."""
    version_3 = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(version_3, none) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _wait(pid: int, stop_after: float) -> dict[str, Any]:
    """Wait for a fork; stop it when its time is over."""
    began = time.monotonic()
    stopped = hung = False
    ended = os.pidfd_open(pid)
    try:
        if not select.select([ended], [], [], stop_after)[0]:
            stopped = True
            os.kill(pid, signal.SIGTERM)
            if not select.select([ended], [], [], GRACE_SECONDS)[0]:
                hung = True
                os.kill(pid, signal.SIGKILL)
    finally:
        os.close(ended)
    # Whatever it has left in its session ends with it.
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return {"exit_code": code, "seconds": time.monotonic() - began, "stopped": stopped, "hung": hung}


def _tell(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _serve() -> None:
    """Answer requests; in a fork, run a program."""
    for name in PRELOADED:
        importlib.import_module(name)
    # Forks would load the code of their kernels one by one.
    importlib.import_module("kmeans.kernels.jit").compile_all()
    # A fork that looks through all objects when it ends would copy the pages of all of them.
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        program, arguments, environment, log, stop_after = json.loads(line)
        pid = os.fork()
        if not pid:
            _become_program(environment, log)
            sys.argv = [program, *arguments]
            if (ROOT / program).is_file():
                sys.argv[0] = str(ROOT / program)
                runpy.run_path(sys.argv[0], run_name="__main__")
            else:
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            return
        _tell(pid)
        _tell(_wait(pid, stop_after))


if __name__ == "__main__":
    _serve()
