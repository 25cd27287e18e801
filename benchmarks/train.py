"""From file to model: our whole process beside scikit-learn, faiss and Spark with their rows in memory."""

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

from benchmarks.methods import TOP, Fit, faiss_kmeans, minibatch_kmeans, msd
from benchmarks.spark import session, spark_kmeans, spark_streaming_kmeans
from container.artifacts import model
from container.formats import recordio
from container.formats.recordio import dense_record, encode
from kmeans.types import FloatArray

# Features, k, and extra centers as by default.
SHAPES = ((50, 10), (784, 10), (16, 500))
FILE_BYTES = int(os.environ.get("BENCH_FILE_BYTES", 2 << 30))
PARTS = 4
RUNS = 5
# Those that are slower by orders of magnitude take a part of the rows.
PART_ROWS = 20_000
CHUNK_ROWS = 50_000


def run() -> list[dict[str, Any]]:
    """Measure jobs on dense RecordIO files in the page cache: medians of runs in turn, the mean msd on all rows.

    Times and msd of others are given as multiples of ours, which is that of the whole process. The SDK contender reads
    the file with the SageMaker SDK and gives the rows to MiniBatchKMeans; it and Spark get a part of the rows, and
    their time is scaled to all. Spark's time is that of `fit` alone, on rows that it has in memory.
    """
    with session() as spark:
        contenders: dict[str, tuple[int, Callable[[FloatArray, int, int], Fit]]] = {
            "partial_fit": (sys.maxsize, minibatch_kmeans),
            "faiss": (sys.maxsize, faiss_kmeans),
            "SDK + partial_fit": (PART_ROWS, _sdk_and_partial_fit),
            "Spark KMeans": (PART_ROWS, partial(spark_kmeans, spark)),
            "Spark StreamingKMeans": (PART_ROWS, partial(spark_streaming_kmeans, spark)),
        }
        return [_compare(d, k, contenders) for d, k in SHAPES]


def _compare(
    d: int, k: int, contenders: dict[str, tuple[int, Callable[[FloatArray, int, int], Fit]]]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kmeans-train-") as folder:
        base = Path(folder)
        rows = lay_down(base, FILE_BYTES // frame_bytes(d), d, k)
        ours: list[Fit] = []
        peaks: list[int] = []
        others: dict[str, list[Fit]] = {name: [] for name in contenders}
        for seed in range(RUNS):
            seconds, peak = train(base, k=k, feature_dim=d, seed=seed)
            ours.append(Fit(model.load(base / "model").centers, seconds))
            peaks.append(peak)
            for name, (n_rows, method) in contenders.items():
                part = rows[:n_rows]
                fit = method(part, k, seed)
                others[name].append(Fit(fit.centers, fit.seconds * len(rows) / len(part)))
        seconds = _median_seconds(ours)
        loss = _mean_msd(rows, ours)
    entry: dict[str, Any] = {
        "d, k": f"{d}, {k}",
        "million rows": round(len(rows) / 1e6, 2),
        "ours, s": round(seconds, 1),
        "million rows/s": round(len(rows) / seconds / 1e6, 2),
        "peak MB": round(max(peaks) / 2**20),
        "msd": round(loss, 4),
    }
    for name, fits in others.items():
        entry[f"{name}, time"] = round(_median_seconds(fits) / seconds, 2)
        entry[f"{name}, msd"] = round(_mean_msd(rows, fits) / loss, 4)
    return entry


def _median_seconds(fits: list[Fit]) -> float:
    return statistics.median(fit.seconds for fit in fits)


def _mean_msd(rows: FloatArray, fits: list[Fit]) -> float:
    return statistics.fmean(msd(rows, fit.centers) for fit in fits)


def frame_bytes(d: int) -> int:
    """Give the size of a row's record in a file."""
    return len(encode([dense_record(np.zeros(d, np.float32))]))


def lay_down(base: Path, n: int, d: int, k: int) -> FloatArray:
    """Write the files of a job over blobs, and give its rows."""
    frame = np.frombuffer(encode([dense_record(np.zeros(d, np.float32))]), np.uint8)
    payload = int.from_bytes(frame[4:8].tobytes(), "little")
    # The values end the payload; all else is the same in every record.
    values = slice(recordio.HEADER_BYTES + payload - 4 * d, recordio.HEADER_BYTES + payload)
    rng = np.random.default_rng(0)
    centers = rng.uniform(-10, 10, (k, d)).astype(np.float32)
    rows: FloatArray = np.empty((n, d), np.float32)
    channel = base / "input/data/train"
    channel.mkdir(parents=True)
    for number, part in enumerate(np.array_split(rows, PARTS)):
        with (channel / f"part-{number}.pbr").open("wb") as file:
            for begin in range(0, len(part), CHUNK_ROWS):
                chunk = part[begin : begin + CHUNK_ROWS]
                chunk[:] = centers[rng.integers(k, size=len(chunk))]
                chunk += rng.standard_normal(chunk.shape, np.float32) * np.float32(3)
                frames = np.tile(frame, (len(chunk), 1))
                frames[:, values] = chunk.view(np.uint8).reshape(len(chunk), 4 * d)
                file.write(frames.tobytes())
    (base / "input/config").mkdir()
    return rows


def train(base: Path, **hyperparameters: int) -> tuple[float, int]:
    """Run `train`; give its seconds and the most memory it took, in bytes."""
    given = json.dumps({name: str(value) for name, value in hyperparameters.items()})
    (base / "input/config/hyperparameters.json").write_text(given)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    began = time.perf_counter()
    process = subprocess.Popen(
        [TOP / "train"],
        env={**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(base)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"train ended with exit code {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def _sdk_and_partial_fit(rows: FloatArray, k: int, seed: int) -> Fit:
    content = io.BytesIO(encode(map(dense_record, rows)))
    began = time.perf_counter()
    records = read_records(content)
    decoded = np.array([record.features["values"].float32_tensor.values for record in records], np.float32)
    reading = time.perf_counter() - began
    fit = minibatch_kmeans(decoded, k, seed)
    return Fit(fit.centers, reading + fit.seconds)
