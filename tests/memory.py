"""Limits on memory: that which code under test may allocate, and that which a program has taken."""

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

# Linux counts the peak of the process that starts a program as one of the program, so that this is a small one.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@contextmanager
def at_most(n_bytes: int) -> Iterator[None]:
    """Limit this process to `n_bytes` more bytes; further allocations fail."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def peak_bytes(command: Sequence[str | Path], environment: Mapping[str, str]) -> int:
    """Run a program that must succeed, and return the most memory that it took."""
    measured = [sys.executable, "-S", "-c", _MEASURE, *command]
    done = subprocess.run(measured, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.splitlines()[-1]) * 1024
