"""The time from `docker run IMAGE train` to the first mini-batch: `python -m benchmarks start`, after `make image`."""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import RUNS
from kmeans.kernels.levels import host_level, levels
from tools.containers import IMAGE, Tree

# Logged when the first centers are chosen, before the first mini-batch.
STARTED = '"Meta": "init_train_data_iter"'
ROWS, N_FEATURES = 20_000, 50


def run() -> list[dict[str, Any]]:
    """Measure containers in turns, one for each CPU level that the machine supports.

    The image contains the machine code of every level, of which a job uses the best one. Nothing is compiled: the
    program's folder is read-only, and missing code would cost time.
    """
    supported = levels()[levels().index(host_level()) :]
    seconds: dict[str, list[tuple[float, float]]] = {level: [] for level in supported}
    with tempfile.TemporaryDirectory(prefix="kmeans-start-") as folder:
        tree = Tree(Path(folder))
        tree.configure({"k": 10, "feature_dim": N_FEATURES})
        tree.add_rows(np.random.default_rng(0).standard_normal((ROWS, N_FEATURES), np.float32))
        for _ in range(RUNS):
            for level, measured in seconds.items():
                measured.append(_job(tree, level))
    return [
        {
            "level": level,
            "runs": len(measured),
            "to the first mini-batch, s": round(statistics.median(first for first, _ in measured), 2),
            f"to the end of {ROWS} rows, s": round(statistics.median(end for _, end in measured), 2),
        }
        for level, measured in seconds.items()
    ]


def _job(tree: Tree, level: str) -> tuple[float, float]:
    """Return the seconds to the first mini-batch and to the end."""
    flags = ["--rm", "--read-only", "--tmpfs", "/tmp", "--network", "none", "--env", f"NUMBA_CPU_NAME={level}"]
    began = time.perf_counter()
    with subprocess.Popen(
        ["docker", "run", *flags, "--volume", f"{tree.base}:/opt/ml", IMAGE, "train"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = next(time.perf_counter() for line in process.stdout if STARTED in line)
        process.stdout.read()
    assert process.returncode == 0
    return first - began, time.perf_counter() - began
