"""From file to model: our whole process beside others that have their rows in memory already."""

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

from benchmarks.methods import TOP, faiss_kmeans, minibatch_kmeans, msd
from container.artifacts import model
from container.formats import recordio
from container.formats.recordio import dense_record, encode
from kmeans.types import FloatArray

# Features, k, and extra centers as by default.
SHAPES = ((50, 10), (784, 10), (16, 500))
FILE_BYTES = int(os.environ.get("BENCH_FILE_BYTES", 2 << 30))
PARTS = 4
RUNS = 5
# The protobuf library takes so long that it reads a part of the rows.
TWIN_ROWS = 100_000
CHUNK_ROWS = 50_000


def run() -> list[dict[str, Any]]:
    """Measure jobs on dense RecordIO files in the page cache; medians of whole processes, msd on all rows.

    The protobuf contender decodes records with the protobuf library, as the SageMaker SDK does, and gives them to
    MiniBatchKMeans; its time is that of a part of the rows, scaled.
    """
    results = []
    for d, k in SHAPES:
        with tempfile.TemporaryDirectory(prefix="kmeans-train-") as folder:
            rows = _lay_down(Path(folder), d, k)
            ours = [_train(Path(folder)) for _ in range(RUNS)]
            fitted = model.load(Path(folder) / "model").centers
        seconds = statistics.median(one[0] for one in ours)
        peak = max(one[1] for one in ours)
        loss = msd(rows, fitted)
        few = rows[:TWIN_ROWS]
        twin = _seconds(partial(_protobuf_and_partial_fit, encode(map(dense_record, few)), d, k)) * len(rows) / len(few)
        entry: dict[str, Any] = {
            "d, k": f"{d}, {k}",
            "million rows": round(len(rows) / 1e6, 2),
            "ours, s": round(seconds, 1),
            "million rows/s": round(len(rows) / seconds / 1e6, 2),
            "peak MB": round(peak / 2**20),
            "protobuf + partial_fit / ours": round(twin / seconds, 1),
        }
        for name, method in (("partial_fit in memory", minibatch_kmeans), ("faiss in memory", faiss_kmeans)):
            fits = [method(rows, k, seed) for seed in range(RUNS)]
            entry[f"{name} / ours"] = round(statistics.median(fit.seconds for fit in fits) / seconds, 2)
            entry[f"{name}, msd / ours"] = round(statistics.fmean(msd(rows, fit.centers) for fit in fits) / loss, 4)
        results.append(entry)
    return results


def _lay_down(base: Path, d: int, k: int) -> FloatArray:
    """Write a job over blobs, and give its rows."""
    frame = np.frombuffer(encode([dense_record(np.zeros(d, np.float32))]), np.uint8)
    payload = int.from_bytes(frame[4:8].tobytes(), "little")
    # The values end the payload; all else is the same in every record.
    values = slice(recordio.HEADER_BYTES + payload - 4 * d, recordio.HEADER_BYTES + payload)
    n = FILE_BYTES // len(frame)
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
    given = json.dumps({"k": str(k), "feature_dim": str(d)})
    (base / "input/config/hyperparameters.json").write_text(given)
    return rows


def _train(base: Path) -> tuple[float, int]:
    """Run `train`; give its seconds and the most memory it took, in bytes."""
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


def _protobuf_and_partial_fit(content: bytes, d: int, k: int) -> None:
    rows, _ = recordio.decode(content, d)
    minibatch_kmeans(rows, k, 0)


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
