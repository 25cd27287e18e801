"""From file to model: the whole process, compared with scikit-learn, faiss and Spark with their rows in memory."""

import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sagemaker.amazon.common import read_records

from benchmarks.blobs import FILE_BYTES, frame_bytes, write_job
from benchmarks.measure import rest
from benchmarks.methods import Fit, faiss_kmeans, minibatch_kmeans
from benchmarks.spark import session, spark_kmeans, spark_streaming_kmeans
from container.artifacts import model
from container.formats.recordio.records import dense_record, encode
from container.resources import cpu_count
from kmeans.assignment.engine import Engine
from kmeans.assignment.scoring import score
from kmeans.assignment.shift import usual_values
from kmeans.communicator import SingleHost
from kmeans.threads import Threads
from kmeans.types import FloatArray
from tools.documents import ROOT

# Features and k; the number of intermediate centers is the default.
SHAPES = ((50, 10), (784, 10), (16, 500))
# Runs of each method; a method makes no further run once it has taken this number of seconds.
RUNS = 5
RUN_SECONDS = 45
# Methods that are slower by orders of magnitude get a part of the rows, large enough that the fixed cost of a run
# hardly matters.
PYTHON_PART_BYTES, PYTHON_PART_ROWS = 20_000_000, 20_000
SPARK_PART_BYTES, SPARK_PART_PRODUCTS = 200_000_000, 1_500_000_000

# Runs a program from a small process, since the peak memory of a child starts with the memory of its parent. What the
# program writes goes to stderr.
MEASURED = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
print(time.perf_counter() - began, usage.ru_maxrss)
process.returncode = os.waitstatus_to_exitcode(status)
sys.exit(process.returncode)
"""

Method = Callable[[FloatArray, int, int], Fit]
OURS, OURS_BY_DEFAULT = "ours, to the model", "ours, by default"


def run() -> list[dict[str, Any]]:
    """Measure jobs on dense RecordIO files of 2 GB in the page cache.

    "ours" is the time of the whole process, from start to exit: with only a model, and by default, which adds the
    cluster of every row and a report. For the others it is the time of fitting alone, with the rows in memory; SDK +
    partial_fit also decodes RecordIO in memory. Methods take turns; seconds are medians over the runs, and the msd is
    the mean over them, on all rows. If a method ran on a part of the rows, its seconds are scaled to all of them.
    """
    with session() as spark:
        methods: dict[str, tuple[Callable[[int, int], int], Method]] = {
            "partial_fit": (_all_rows, minibatch_kmeans),
            "faiss": (_all_rows, faiss_kmeans),
            "SDK + partial_fit": (_python_part, _sdk_and_partial_fit),
            "Spark KMeans": (_spark_part, partial(spark_kmeans, spark)),
            "Spark StreamingKMeans": (_python_part, partial(spark_streaming_kmeans, spark)),
        }
        return [row for d, k in SHAPES for row in _compare(d, k, methods)]


def _all_rows(d: int, k: int) -> int:
    del d, k
    return sys.maxsize


def _python_part(d: int, k: int) -> int:
    del k
    return max(PYTHON_PART_ROWS, PYTHON_PART_BYTES // (4 * d))


def _spark_part(d: int, k: int) -> int:
    return min(SPARK_PART_BYTES // (4 * d), SPARK_PART_PRODUCTS // (d * k))


def _compare(d: int, k: int, methods: dict[str, tuple[Callable[[int, int], int], Method]]) -> list[dict[str, Any]]:
    measured: dict[str, int] = {}
    fits: dict[str, list[Fit]] = {name: [] for name in (OURS, OURS_BY_DEFAULT, *methods)}
    spent: dict[str, float] = dict.fromkeys(fits, 0.0)
    peaks: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="kmeans-train-") as folder:
        base = Path(folder)
        rows = write_job(base, FILE_BYTES // frame_bytes(d), d, k)

        def ours(name: str, _: FloatArray, k: int, seed: int) -> Fit:
            outputs = {} if name == OURS_BY_DEFAULT else {"write_assignments": "false", "write_report": "false"}
            seconds, memory = train(base, k=k, feature_dim=d, seed=seed, **outputs)
            peaks[name] = max(peaks.get(name, 0), memory)
            return Fit(model.load(base / "model").centers, seconds)

        own: dict[str, tuple[Callable[[int, int], int], Method]] = {
            name: (_all_rows, partial(ours, name)) for name in (OURS, OURS_BY_DEFAULT)
        }
        for seed in range(RUNS):
            for name, (part_rows, method) in {**own, **methods}.items():
                if spent[name] > RUN_SECONDS:
                    continue
                part = rows[: part_rows(d, k)]
                measured[name] = len(part)
                rest()
                fit = method(part, k, seed)
                spent[name] += fit.seconds
                fits[name].append(Fit(fit.centers, fit.seconds * len(rows) / len(part)))
                sys.stderr.write(f"d = {d}, k = {k}, {name}: {fits[name][-1].seconds:.1f} s\n")
    seconds = {name: statistics.median(fit.seconds for fit in found) for name, found in fits.items()}
    losses = {name: statistics.fmean(_msd(rows, fit) for fit in found) for name, found in fits.items()}
    return [
        {
            "d, k": f"{d}, {k}",
            "method": name,
            "million rows": round(measured[name] / 1e6, 2),
            "runs": len(found),
            "s": round(seconds[name], 1),
            "million rows/s": round(len(rows) / seconds[name] / 1e6, 3),
            "time / ours": round(seconds[name] / seconds[OURS], 2),
            "msd": round(losses[name], 3),
            "msd / ours": round(losses[name] / losses[OURS], 4),
            "peak MB": round(peaks[name] / 2**20) if name in peaks else "",
        }
        for name, found in fits.items()
    ]


def _msd(rows: FloatArray, fit: Fit) -> float:
    """Return the mean squared distance of all rows; `benchmarks.methods.score` would take minutes."""
    with Threads(cpu_count()) as threads:
        assigner = Engine(threads, usual_values(rows)).assigner(fit.centers.astype(np.float64))
        return score([rows], assigner, SingleHost()).msd


def configure(base: Path, **hyperparameters: object) -> None:
    """Write the hyperparameters of a job."""
    given = json.dumps({name: str(value) for name, value in hyperparameters.items()})
    (base / "input/config/hyperparameters.json").write_text(given)


def environment(base: Path) -> dict[str, str]:
    """Return the environment of a job's process."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(base)}


def train(base: Path, **hyperparameters: object) -> tuple[float, int]:
    """Run `train`; return its seconds and its peak memory in bytes."""
    configure(base, **hyperparameters)
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, ROOT / "train"],
        env=environment(base),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"train ended with exit code {ended.returncode}")
    seconds, kilobytes = ended.stdout.split()
    return float(seconds), int(kilobytes) * 1024


def _sdk_and_partial_fit(rows: FloatArray, k: int, seed: int) -> Fit:
    content = io.BytesIO(encode(map(dense_record, rows)))
    began = time.perf_counter()
    records = read_records(content)
    decoded = np.array([record.features["values"].float32_tensor.values for record in records], np.float32)
    reading = time.perf_counter() - began
    fit = minibatch_kmeans(decoded, k, seed)
    return Fit(fit.centers, reading + fit.seconds)
