"""Medians of alternating runs, facts about the machine, and the page with both."""

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

RESULTS = Path(__file__).parent / "results"
RUNS = 5
# Minimum length of a turn, which has as many runs as that takes: the first ones find cores asleep.
TURN_SECONDS = 0.2
# A process is at rest if it uses less than this share of a core for this time; after the last try, do not wait longer.
AT_REST = 0.1
REST_SECONDS = 0.02
REST_TRIES = 100
MEMORY = Path("/dev/shm")
# The product of matrices of this size is taken as the peak of the machine.
PEAK_SIZE = 2048


def medians(contenders: Mapping[str, Callable[[], object]], runs: int = RUNS) -> dict[str, float]:
    """Return the median seconds of each contender.

    Contenders take turns, so that a slow minute affects all of them. Each starts when the process is at rest: threads
    of OpenMP and OpenBLAS keep spinning after their work, on cores that the next contender needs.
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
    """Wait until this process no longer uses any core."""
    for _ in range(REST_TRIES):
        used = time.process_time()
        time.sleep(REST_SECONDS)
        if time.process_time() - used < AT_REST * REST_SECONDS:
            return


def memory_folder(prefix: str, n_bytes: int = 0) -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, in memory if there is space for `n_bytes` bytes.

    Files on a disk may be dropped from the page cache.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > n_bytes
    return tempfile.TemporaryDirectory(prefix=prefix, dir=MEMORY if roomy else None)


def peak() -> float:
    """Return the float32 operations a second of a large matrix product on all cores."""
    square = np.ones((PEAK_SIZE, PEAK_SIZE), np.float32)
    return 2 * PEAK_SIZE**3 / medians({"peak": lambda: np.matmul(square, square)})["peak"]


def machine() -> dict[str, Any]:
    """Return facts about the machine and the packages."""
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
    """Return results as a page of Markdown: the docstring of the function that measured them, a table, the machine."""
    stated = ", ".join(f"{key} {value}" for key, value in facts.items())
    return f"# {title}\n\n{inspect.getdoc(measure) or ''}\n\n{table(rows)}\n{stated}\n"
