"""How time and memory of a whole job grow with the rows and with the centers."""

import math
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.train import frame_bytes, lay_down, train

N_FEATURES = 16
K = 10
ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
ROWS_FOR_CENTERS = 1_000_000
CENTERS = (10, 50, 200, 1000, 5000)
# Features, and bytes of the channel: a file of the first size under so many names.
WIDE, CHANNEL_BYTES = 1000, (1 << 30, 20 << 30)


def run() -> list[dict[str, Any]]:
    """Measure one job each; the exponent is the slope of log time over log size since the line before.

    The number of features is 16, in the last lines 1000.
    """
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
    return results + _channels()


def _channels() -> list[dict[str, Any]]:
    """Measure a small channel and a large one, of wide rows."""
    results: list[dict[str, Any]] = []
    n_rows = CHANNEL_BYTES[0] // frame_bytes(WIDE)
    with tempfile.TemporaryDirectory(prefix="kmeans-scale-") as folder:
        lay_down(Path(folder), n_rows, WIDE, K)
        parts = list((Path(folder) / "input/data/train").iterdir())
        for n_bytes in CHANNEL_BYTES:
            copies = n_bytes // CHANNEL_BYTES[0]
            for number in range(1, copies):
                for part in parts:
                    part.with_name(f"{part.stem}-{number}.pbr").hardlink_to(part)
            seconds, peak = train(Path(folder), k=K, feature_dim=WIDE)
            results.append(
                {
                    "varied": f"GB, d = {WIDE}",
                    "rows": copies * n_rows,
                    "K": 10 * K,
                    "seconds": round(seconds, 2),
                    "million rows/s": round(copies * n_rows / seconds / 1e6, 2),
                    "peak MB": round(peak / 2**20),
                    "exponent": "",
                }
            )
    seconds, larger = (float(result["seconds"]) for result in results)
    results[1]["exponent"] = round(math.log(larger / seconds) / math.log(CHANNEL_BYTES[1] / CHANNEL_BYTES[0]), 2)
    return results


def _job(n_rows: int, n_centers: int) -> tuple[float, int]:
    """Give seconds and the most memory of a job with `n_centers` centers in the stream."""
    k = max(2, n_centers // 10)
    with tempfile.TemporaryDirectory(prefix="kmeans-scale-") as folder:
        lay_down(Path(folder), n_rows, N_FEATURES, k)
        return train(Path(folder), k=k, feature_dim=N_FEATURES, extra_center_factor=n_centers // k)
