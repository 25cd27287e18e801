"""Medians of alternating runs, the machine they were measured on, and the page that has both."""

import inspect
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tools.markdown import table

RUNS = 5
# A turn lasts this long at least, with as many runs as that takes: the first ones find cores asleep.
TURN_SECONDS = 0.2
# A process that takes less of a core than this, for so many seconds, rests; after so many tries it never will.
AT_REST = 0.1
REST_SECONDS = 0.02
REST_TRIES = 100
MEMORY = Path("/dev/shm")
# The product of matrices of this size is taken for the peak of the machine.
PEAK_SIZE = 2048


def medians(contenders: Mapping[str, Callable[[], object]], runs: int = RUNS) -> dict[str, float]:
    """Give each contender's median seconds; contenders take turns, so that a slow minute hits all of them.

    Each begins at rest: threads of OpenMP and of OpenBLAS go on spinning when their work is done, on the cores of who
    comes next.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run()
    for _ in range(runs):
        for name, run in contenders.items():
            rest()
            seconds[name].append(_turn(run))
    return {name: statistics.median(values) for name, values in seconds.items()}


def _turn(run: Callable[[], object]) -> float:
    count, began = 0, time.perf_counter()
    while True:
        run()
        count += 1
        seconds = time.perf_counter() - began
        if seconds >= TURN_SECONDS:
            return seconds / count


def rest() -> None:
    """Wait until this process takes no more time of any core."""
    for _ in range(REST_TRIES):
        used = time.process_time()
        time.sleep(REST_SECONDS)
        if time.process_time() - used < AT_REST * REST_SECONDS:
            return


def memory_folder(prefix: str, n_bytes: int = 0) -> tempfile.TemporaryDirectory[str]:
    """Make a temporary folder in memory where there is one with room for so many bytes.

    What was written to a disk may leave the page cache.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > n_bytes
    return tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if roomy else None)


def peak() -> float:
    """Give the float32 operations a second of a large product on all cores."""
    square = np.ones((PEAK_SIZE, PEAK_SIZE), np.float32)
    return 2 * PEAK_SIZE**3 / medians({"peak": lambda: np.matmul(square, square)})["peak"]


def machine() -> dict[str, Any]:
    """Say what the figures were measured on."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    packages = ("numpy", "numba", "scikit-learn", "scikit-learn-intelex", "faiss-cpu", "protobuf", "pyarrow")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        **{package: found for package in packages if (found := _version(package))},
    }


def _version(package: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def page(title: str, measure: Callable[..., object], rows: list[dict[str, Any]], facts: Mapping[str, object]) -> str:
    """Return results as a page of Markdown: the docstring of what measured them, a table, the machine."""
    stated = ", ".join(f"{key} {value}" for key, value in facts.items())
    return f"# {title}\n\n{inspect.getdoc(measure) or ''}\n\n{table(rows)}\n{stated}\n"
