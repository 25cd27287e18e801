"""The GPU of this machine: kernels against numpy, rates next to those of other programs, and whole jobs.

Run `python -m benchmarks gpu` with the packages of `requirements/gpu.txt`; torch, cuml and flash-kmeans take part where
they are installed, and so does compute-sanitizer. It takes a few minutes.
"""

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blobs import frame_bytes, write_job
from benchmarks.measure import memory_folder
from container.resources import cpu_count
from kmeans.types import DoubleArray, FloatArray
from tools.documents import ROOT

# Rows, features and centers; of the job, k, of which the stream has ten times as many.
SHAPES = ((1_000_000, 50, 1000), (1_000_000, 128, 1024), (200_000, 784, 5000))
JOB = (100_000, 784, 500)
RUNS = 3
# float32 units of a multiprocessor, by compute capability.
UNITS = {(7, 0): 64, (7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 9): 128, (9, 0): 128, (10, 0): 128, (12, 0): 128}
# Distances that torch writes at a time.
TORCH_NUMBERS = 1 << 28


def run() -> list[dict[str, Any]]:
    """Measure the two halves of a Lloyd iteration, and whole jobs.

    "Assign" finds the nearest centers of rows that are on the GPU, "add" adds the rows up; "both, with copies" starts
    and ends on the host. Those of torch only assign; cuml and flash-kmeans make a whole iteration.
    """
    gpu = _gpu()
    _check()
    return [result for shape in SHAPES for result in _rates(gpu, *shape)] + _jobs()


def _gpu() -> Any:
    """Return the GPU, or end the program."""
    try:
        return importlib.import_module("kmeans.gpu.device").Gpu()
    except Exception as error:
        missing = "There is no GPU that CUDA can use here."
        with suppress(ImportError, AttributeError):
            if importlib.import_module("kmeans.gpu.device").count():
                missing = f"The GPU cannot be used: {error}"
        sys.exit(missing)


def _check() -> None:
    """Compare all kernels with numpy, also under compute-sanitizer."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.kmeans.gpu.checks"]
    subprocess.run(command, check=True)
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        sys.stderr.write("compute-sanitizer was not found\n")
        return
    for tool in ("memcheck", "racecheck", "synccheck"):
        subprocess.run([sanitizer, "--tool", tool, "--error-exitcode", "1", *command], check=True)


def _seconds(work: Callable[[], object], wait: Callable[[], object]) -> float:
    """Return the least of some times; the first run is not counted."""
    times = []
    for _ in range(1 + RUNS):
        wait()
        began = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def _result(shape: tuple[int, int, int], what: str, seconds: float, remark: str = "") -> dict[str, Any]:
    return {"n x d x K": " x ".join(map(str, shape)), "what": what, "seconds": float(f"{seconds:.3g}"), "": remark}


def _rates(gpu: Any, n: int, d: int, k: int) -> list[dict[str, Any]]:
    from kmeans.assignment.sums import ClusterSums
    from kmeans.gpu import device
    from kmeans.gpu.assigner import GpuAssigner

    rng = np.random.default_rng(0)
    rows, centers = rng.standard_normal((n, d), np.float32), rng.standard_normal((k, d))
    assigner, weights, into = GpuAssigner(centers, np.zeros(d, np.float32), gpu), np.ones(n), ClusterSums.zeros(k, d)
    wait = gpu.work.synchronize
    together = _seconds(lambda: assigner.assign_and_sum(rows, weights, into), wait)
    # All rows in one tile.
    usual, device.TILE_BYTES = device.TILE_BYTES, 4 * (n + 1) * d
    try:
        space = gpu.space(n, k, d)
        assigner.assign_and_sum(rows, weights, into)
        slot = space.slots[0]
        assigning = _seconds(lambda: assigner._assign(slot, n, space), wait)
        doubtful = int(space.n_doubtful.copy_to_host()[0])
        adding = _seconds(lambda: assigner._add(slot, n, space, space.totals[:k], np.inf), wait)
    finally:
        device.TILE_BYTES = usual
    part = 2 * n * d * k / assigning / _peak()
    results = [
        _result((n, d, k), "assign", assigning, f"{part:.0%} of the peak, {doubtful} doubtful rows"),
        _result((n, d, k), "add", adding),
        _result((n, d, k), "both, with copies", together),
    ]
    for name, contender in (("torch", _torch), ("cuml", _cuml), ("flash-kmeans", _flash_kmeans)):
        with suppress(ImportError):
            results.append(_result((n, d, k), name, contender(rows, centers)))
    return results


def _peak() -> float:
    """Return the float32 operations a second of the GPU; NaN for an unknown one."""
    from kmeans.gpu.jit import cuda

    device = cuda.current_context().device
    units = UNITS.get(tuple(device.compute_capability), np.nan)
    return 2e3 * units * getattr(device, "MULTIPROCESSOR_COUNT", np.nan) * getattr(device, "CLOCK_RATE", np.nan)


def _torch(rows: FloatArray, centers: DoubleArray) -> float:
    """Time the products and the least of each row, without sums."""
    torch = importlib.import_module("torch")
    on_gpu, there = torch.from_numpy(rows).cuda(), torch.from_numpy(centers.astype(np.float32)).cuda()
    halves = 0.5 * (there * there).sum(dim=1)
    step = max(1, TORCH_NUMBERS // len(centers))

    def assign() -> None:
        for start in range(0, len(rows), step):
            torch.argmin(halves - on_gpu[start : start + step] @ there.T, dim=1)

    return _seconds(assign, torch.cuda.synchronize)


def _cuml(rows: FloatArray, centers: DoubleArray) -> float:
    cluster, cupy = importlib.import_module("cuml.cluster"), importlib.import_module("cupy")
    on_gpu = cupy.asarray(rows)
    model = cluster.KMeans(len(centers), init=cupy.asarray(centers.astype(np.float32)), n_init=1, max_iter=1)
    return _seconds(lambda: model.fit(on_gpu), cupy.cuda.Device().synchronize)


def _flash_kmeans(rows: FloatArray, centers: DoubleArray) -> float:
    torch, flash = importlib.import_module("torch"), importlib.import_module("flash_kmeans")
    on_gpu = torch.from_numpy(rows).cuda()[None]
    there = torch.from_numpy(centers.astype(np.float32)).cuda()[None]

    def iterate() -> None:
        flash.batch_kmeans_Euclid(on_gpu, n_clusters=len(centers), max_iters=1, init_centroids=there)

    return _seconds(iterate, torch.cuda.synchronize)


def _jobs() -> list[dict[str, Any]]:
    """Train the same model with and without the GPU."""
    n, d, k = JOB
    results = []
    with memory_folder("kmeans-gpu-", 2 * n * frame_bytes(d)) as folder:
        base = Path(folder)
        write_job(base, n, d, k)
        for name, gpus in ((f"{cpu_count()} cores", "0"), ("with the GPU", "auto")):
            given = {"k": str(k), "feature_dim": str(d), "write_report": "false", "_num_gpus": gpus}
            (base / "input/config/hyperparameters.json").write_text(json.dumps(given))
            began = time.perf_counter()
            environment = {**os.environ, "SAGEMAKER_BASE_DIR": folder}
            subprocess.run([sys.executable, ROOT / "train"], env=environment, stdout=subprocess.DEVNULL, check=True)
            seconds = time.perf_counter() - began
            msd = json.loads((base / "model/kmeans.json").read_text())["msd"]
            results.append(_result(JOB, f"job, {name}", seconds, f"msd {msd:.9g}"))
    return results
