"""Nearest centers: ours, scikit-learn's, and the bare matrix product that bounds both."""

from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from benchmarks.measure import medians
from container.resources import cpu_count
from kmeans.assignment import Centers, nearest
from kmeans.threads import Threads
from kmeans.types import FloatArray

SHAPES = ((10, 100), (50, 100), (54, 10), (784, 100), (128, 1000))
# Products of one measurement: enough to last, few enough for a short run.
WORK = 4e9


def run() -> list[dict[str, Any]]:
    """Measure every shape; figures are million rows a second."""
    threads = Threads(cpu_count())
    results = []
    for d, k in SHAPES:
        rng = np.random.default_rng(0)
        n = int(min(400_000, max(20_000, WORK / (2 * d * k))))
        rows = rng.standard_normal((n, d), dtype=np.float32)
        centers = rng.standard_normal((k, d)).astype(np.float32)
        ready = Centers(centers.astype(np.float64), np.zeros(d, np.float32))
        product = np.empty((n, k), np.float32)
        seconds = medians(
            {
                "ours": partial(_nearest, rows, ready, threads),
                "scikit-learn": partial(pairwise_distances_argmin, rows, centers),
                "bare GEMM": partial(np.matmul, rows, centers.T, out=product),
            }
        )
        rates = {name: n / value / 1e6 for name, value in seconds.items()}
        results.append(
            {
                "d x K": f"{d} x {k}",
                **{name: round(rate, 2) for name, rate in rates.items()},
                "ours / scikit-learn": round(rates["ours"] / rates["scikit-learn"], 2),
                "ours / GEMM": round(rates["ours"] / rates["bare GEMM"], 2),
            }
        )
    threads.close()
    return results


def _nearest(rows: FloatArray, centers: Centers, threads: Threads) -> None:
    # As in `train`, where BLAS is held to one thread from the start.
    with threadpool_limits(1, "blas"):
        nearest(rows, centers, threads)
