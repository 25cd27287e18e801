"""Files to RecordIO and back: `python -m container.convert`."""

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from benchmarks.measure import medians
from kmeans.types import FloatArray

N_ROWS = 2_500_000
N_FEATURES = 50
# Text and compressed files take longer: they hold a part of the rows.
PART_ROWS = 500_000
RUNS = 3


def run() -> list[dict[str, Any]]:
    """Measure whole processes on files in the page cache; figures are MB of file a second.

    One of the two figures of each direction is without the seconds that a file of two rows takes: loading Python and
    the libraries. What is in thousands of rows, with 50 features and of normally distributed numbers, is in the table;
    nine numbers of ten are 0 in the file for --sparse.
    """
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    results = []
    for name, count in (
        (".npy", N_ROWS),
        (".npy, float64", PART_ROWS),
        (".npz", N_ROWS),
        (".npz, compressed", PART_ROWS),
        (".parquet", N_ROWS),
        (".csv", PART_ROWS),
    ):
        results.append(_measure(name, rows[:count]))
    rows *= rng.random(rows.shape, dtype=np.float32) < 0.1
    results.append(_measure(".npy, --sparse", rows))
    return results


def _measure(name: str, rows: FloatArray) -> dict[str, Any]:
    suffix, _, variant = name.partition(", ")
    flags = [variant] if variant.startswith("--") else []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        whole, two = work / f"whole{suffix}", work / f"two{suffix}"
        _write(whole, rows, variant)
        _write(two, rows[:2], variant)
        seconds = medians(
            {
                "there": partial(_convert, whole, work / "whole", *flags),
                "start there": partial(_convert, two, work / "two", *flags),
            },
            RUNS,
        )
        back = work / f"back{suffix}"
        seconds |= medians(
            {
                "back": partial(_convert, work / "whole", back),
                "start back": partial(_convert, work / "two", work / f"two-back{suffix}"),
            },
            RUNS,
        )
        megabytes = {"there": whole.stat().st_size / 1e6, "back": back.stat().st_size / 1e6}
    result: dict[str, Any] = {"file": name, "thousand rows": len(rows) // 1000}
    for way in ("there", "back"):
        size, took, start = megabytes[way], seconds[way], seconds[f"start {way}"]
        to = "to RecordIO" if way == "there" else "from RecordIO"
        result |= {
            f"{to}: MB": round(size),
            f"{to}: s": round(took, 2),
            f"{to}: MB/s": round(size / took),
            f"{to}: MB/s, started": round(size / max(took - start, 1e-3)),
        }
    return result


def _write(path: Path, rows: FloatArray, variant: str) -> None:
    match path.suffix:
        case ".npy":
            np.save(path, rows.astype(np.float64) if variant == "float64" else rows)
        case ".npz":
            (np.savez_compressed if variant == "compressed" else np.savez)(path, rows)
        case ".parquet":
            pyarrow.parquet.write_table(_table(rows), path, use_dictionary=False)
        case ".csv":
            options = pyarrow.csv.WriteOptions(include_header=False)
            pyarrow.csv.write_csv(_table(rows.round(4)), path, options)


def _table(rows: FloatArray) -> Any:
    return pyarrow.table(list(rows.T.copy()), names=[str(column) for column in range(rows.shape[1])])


def _convert(source: Path, target: Path, *flags: str) -> None:
    if target.is_dir():
        for file in target.iterdir():
            file.unlink()
    subprocess.run(
        [sys.executable, "-m", "container.convert", source, target, *flags], check=True, stdout=subprocess.DEVNULL
    )
