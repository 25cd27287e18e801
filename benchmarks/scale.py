"""How time and memory of a whole job grow with the rows and with the centers."""

import math
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.train import lay_down, train

N_FEATURES = 16
K = 10
ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
ROWS_FOR_CENTERS = 1_000_000
CENTERS = (10, 50, 200, 1000, 5000)


def run() -> list[dict[str, Any]]:
    """Measure one job each; the exponent is the slope of log time over log size since the line before."""
    results: list[dict[str, Any]] = []
    for varied, cases in (
        ("rows", [(n, K * 10) for n in ROWS]),
        ("centers", [(ROWS_FOR_CENTERS, n_centers) for n_centers in CENTERS]),
    ):
        before: tuple[int, float] | None = None
        for n_rows, n_centers in cases:
            seconds, peak = _job(n_rows, n_centers)
            size = n_rows if varied == "rows" else n_centers
            results.append(
                {
                    "varied": varied,
                    "rows": n_rows,
                    "K": n_centers,
                    "seconds": round(seconds, 2),
                    "million rows/s": round(n_rows / seconds / 1e6, 2),
                    "peak MB": round(peak / 2**20),
                    "exponent": round(math.log(seconds / before[1]) / math.log(size / before[0]), 2) if before else "",
                }
            )
            before = size, seconds
    return results


def _job(n_rows: int, n_centers: int) -> tuple[float, int]:
    """Give seconds and the most memory of a job with `n_centers` centers in the stream."""
    k = max(2, n_centers // 10)
    with tempfile.TemporaryDirectory(prefix="kmeans-scale-") as folder:
        lay_down(Path(folder), n_rows, N_FEATURES, k)
        return train(Path(folder), k=k, feature_dim=N_FEATURES, extra_center_factor=n_centers // k)
