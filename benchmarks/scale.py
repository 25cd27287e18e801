"""How the time and memory of a whole job grow with the rows and with the centers."""

import math
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.blobs import frame_bytes, write_job
from benchmarks.train import train

N_FEATURES = 16
K = 10
ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
ROWS_FOR_CENTERS = 1_000_000
CENTERS = (10, 50, 200, 1000, 5000)
# Features, and bytes of the channels; the larger channel has the files of the smaller one under many names.
WIDE, CHANNEL_BYTES = 1000, (1 << 30, 20 << 30)


def run() -> list[dict[str, Any]]:
    """Measure one job each; the exponent is the slope of log time over log size since the previous line.

    Rows have 16 features, in the last lines 1000.
    """
    rows = [(n, n, K * 10, *_job(n, K * 10)) for n in ROWS]
    centers = [(n, ROWS_FOR_CENTERS, n, *_job(ROWS_FOR_CENTERS, n)) for n in CENTERS]
    return _lines("rows", rows) + _lines("centers", centers) + _lines(f"GB, d = {WIDE}", _channels())


def _lines(varied: str, jobs: list[tuple[int, int, int, float, int]]) -> list[dict[str, Any]]:
    """Return a line for each job, given as (varied size, rows, centers, seconds, peak memory)."""
    exponents = ["", *(round(math.log(b[3] / a[3]) / math.log(b[0] / a[0]), 2) for a, b in pairwise(jobs))]
    return [
        {
            "varied": varied,
            "rows": n_rows,
            "K": n_centers,
            "seconds": round(seconds, 2),
            "million rows/s": round(n_rows / seconds / 1e6, 2),
            "peak MB": round(peak / 2**20),
            "exponent": exponent,
        }
        for (_, n_rows, n_centers, seconds, peak), exponent in zip(jobs, exponents, strict=True)
    ]


def _channels() -> list[tuple[int, int, int, float, int]]:
    """Measure a small and a large channel of wide rows."""
    jobs = []
    n_rows = CHANNEL_BYTES[0] // frame_bytes(WIDE)
    with tempfile.TemporaryDirectory(prefix="kmeans-scale-") as folder:
        write_job(Path(folder), n_rows, WIDE, K)
        parts = list((Path(folder) / "input/data/train").iterdir())
        for n_bytes in CHANNEL_BYTES:
            copies = n_bytes // CHANNEL_BYTES[0]
            for number in range(1, copies):
                for part in parts:
                    part.with_name(f"{part.stem}-{number}.pbr").hardlink_to(part)
            jobs.append((n_bytes, copies * n_rows, 10 * K, *train(Path(folder), k=K, feature_dim=WIDE)))
    return jobs


def _job(n_rows: int, n_centers: int) -> tuple[float, int]:
    """Return the seconds and peak memory of a job with `n_centers` intermediate centers."""
    k = max(2, n_centers // 10)
    with tempfile.TemporaryDirectory(prefix="kmeans-scale-") as folder:
        write_job(Path(folder), n_rows, N_FEATURES, k)
        return train(Path(folder), k=k, feature_dim=N_FEATURES, extra_center_factor=n_centers // k)
