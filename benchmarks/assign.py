"""Nearest centers: this program, faiss, scikit-learn, and the bare matrix product."""

from functools import partial
from typing import Any

import faiss
import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from benchmarks.measure import medians, peak
from container.resources import cpu_count
from kmeans.assignment.engine import Engine
from kmeans.threads import Threads

SHAPES = ((2, 100), (10, 100), (50, 100), (54, 10), (784, 100), (128, 1000), (16, 5000), (1024, 1000))
# Multiplications and additions of one measurement.
WORK = 4e9


def run() -> list[dict[str, Any]]:
    """Measure every shape; figures are million rows a second.

    The last column is the rate of the products as a fraction of that of a large float32 matrix product on all cores. If
    it is close to 1, no kernel that computes all products can be faster.
    """
    with Threads(cpu_count()) as threads:
        faiss.omp_set_num_threads(threads.count)
        peak_rate = peak()
        results = []
        for d, k in SHAPES:
            rng = np.random.default_rng(0)
            n = int(min(400_000, max(5_000, WORK / (2 * d * k))))
            rows = rng.standard_normal((n, d), dtype=np.float32)
            centers = rng.standard_normal((k, d)).astype(np.float32)
            assigner = Engine(threads, np.zeros(d, np.float32)).assigner(centers.astype(np.float64))
            product = np.empty((n, k), np.float32)
            index = faiss.IndexFlatL2(d)
            index.add(centers)
            seconds = medians(
                {
                    "ours": partial(assigner.assign, rows),
                    "faiss": partial(index.search, rows, 1),
                    "scikit-learn": partial(pairwise_distances_argmin, rows, centers),
                    "bare GEMM": partial(np.matmul, rows, centers.T, out=product),
                }
            )
            rates = {name: n / value / 1e6 for name, value in seconds.items()}
            results.append(
                {
                    "d x K": f"{d} x {k}",
                    **{name: float(f"{rate:.3g}") for name, rate in rates.items()},
                    "ours / faiss": round(rates["ours"] / rates["faiss"], 2),
                    "ours / scikit-learn": round(rates["ours"] / rates["scikit-learn"], 2),
                    "ours / GEMM": round(rates["ours"] / rates["bare GEMM"], 2),
                    "part of peak": round(2 * n * d * k / seconds["ours"] / peak_rate, 2),
                }
            )
    return results
