"""Files to RecordIO and back: `python -m container.convert`."""

import resource
import shutil
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from benchmarks.measure import medians, memory_folder
from kmeans.types import FloatArray

N_ROWS = 2_500_000
N_FEATURES = 50
# Compression takes longer, so these files hold fewer rows.
PART_ROWS = 500_000
RUNS = 3


def run() -> list[dict[str, Any]]:
    """Measure whole processes; MB are those of the file that is not RecordIO.

    Files are kept in memory if the system has a folder for that, so disks do not matter. The start is the CPU time for
    a file of two rows: Python, the libraries, and the kernels if they are used. Rows have 50 normally distributed
    numbers, with four decimals in CSV; for --sparse, nine of ten are 0.
    """
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_ROWS, N_FEATURES), dtype=np.float32)
    results = []
    for name, count in (
        (".npy", N_ROWS),
        (".npy, float64", N_ROWS),
        (".npz", N_ROWS),
        (".npz, compressed", PART_ROWS),
        (".parquet", N_ROWS),
        (".csv", N_ROWS),
    ):
        results.append(_measure(name, rows[:count]))
    rows *= rng.random(rows.shape, dtype=np.float32) < 0.1
    results.append(_measure(".npy, --sparse", rows))
    return results


def _measure(name: str, rows: FloatArray) -> dict[str, Any]:
    suffix, _, variant = name.partition(", ")
    flags = [variant] if variant.startswith("--") else []
    result: dict[str, Any] = {"file": name, "thousand rows": len(rows) // 1000}
    with memory_folder("kmeans-convert-") as folder:
        work = Path(folder)
        whole, two = work / f"whole{suffix}", work / f"two{suffix}"
        _write(whole, rows, variant)
        _write(two, rows[:2], variant)
        result |= _ways("to", [whole, work / "whole", *flags], [two, work / "two", *flags], whole)
        back = work / f"back{suffix}"
        result |= _ways("from", [work / "whole", back], [work / "two", work / f"two-back{suffix}"], back)
    return result


def _ways(way: str, whole: list[str | Path], start: list[str | Path], file: Path) -> dict[str, Any]:
    """Measure one direction; `file` is the one whose size counts."""
    processor: dict[str, list[float]] = {"whole": [], "start": []}
    seconds = medians(
        {
            "whole": partial(_convert, whole, processor["whole"]),
            "start": partial(_convert, start, processor["start"]),
        },
        RUNS,
    )
    taken, started = (statistics.median(processor[name]) for name in ("whole", "start"))
    megabytes = file.stat().st_size / 1e6
    return {
        f"{way} RecordIO, s": round(seconds["whole"], 2),
        f"{way}, CPU s": round(taken, 2),
        f"{way}, of them start": round(started, 2),
        f"{way}, MB/s": round(megabytes / seconds["whole"]),
        f"{way}, MB a CPU s": round(megabytes / taken),
    }


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


def _convert(arguments: list[str | Path], processor: list[float]) -> None:
    """Run the command, and append its CPU seconds to `processor`."""
    target = Path(arguments[1])
    if target.is_dir():
        shutil.rmtree(target)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "container.convert", *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
