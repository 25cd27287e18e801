"""How the stream scales with cores, from files to centers, compared with its kernels and with other methods."""

import importlib.util
import math
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv

from benchmarks.blobs import FILE_BYTES, PARTS, blobs, frame_bytes, write_job
from benchmarks.cores_clock import Timing, amdahl_speedup, speedup_bound
from benchmarks.cores_contenders import BATCH_ROWS, Case, lloyd_passes, onedal_passes, partial_fit, stream
from benchmarks.cores_kernels import kernels_alone
from benchmarks.measure import medians, memory_folder
from container.configuration.channels import CSV, RECORDIO, ChannelConfiguration
from container.resources import cpu_count
from kmeans.assignment.shift import usual_values
from kmeans.stream.piece_sums import n_pieces
from kmeans.stream.reassignment import outlier_distance
from kmeans.threads import Threads
from kmeans.types import DoubleArray

# Content type, d and K.
CASES = (
    *((RECORDIO, d, k) for d, k in ((2, 100), (10, 100), (50, 100), (784, 100), (50, 1000), (784, 1000), (16, 5000))),
    *((CSV, d, 100) for d in (10, 50, 784)),
)
SHORT = os.environ.get("BENCH_SHORT", "0") != "0"
# Seconds that one core takes for the rows, to be multiplied by the square root of the number of cores.
RUNS, SECONDS = (3, 0.3) if SHORT else (5, 1.0)
# With fewer, none of the four files would have a group of several mini-batches.
MIN_ROWS = 80_000
# Operations of a core in a second; those of a row in addition to the products with centers; and those of decoding a
# feature.
OPERATIONS, ROW_OPERATIONS = 1e11, 4000
FEATURE_OPERATIONS = {RECORDIO: 200, CSV: 2000}
# A number in CSV, with a comma.
CSV_BYTES = 8
PARTIAL_FIT_ROWS = 200_000
# Numbers of cores for which to predict the speed-up.
PREDICTED = (4, 8, 16, 36, 96)


def run() -> list[dict[str, Any]]:
    """Measure the stream alone, with mini-batches of 5000 rows; rates are million rows a second, medians of turns.

    The columns "1 core", "2 cores" and so on are for as many threads, pinned to as many cores. "kernels" is the rate of
    one core that only decodes, assigns and adds up the rows of a file, block by block; the columns that follow are the
    microseconds of each for 5000 rows. "Lloyd" is the rate of this program's iterations over rows in memory, "oneDAL"
    that of scikit-learn-intelex if it is installed, and "partial_fit" that of scikit-learn's MiniBatchKMeans with as
    many centers as the stream has, all three on all cores.

    "serial %" is the share of the time in which only one thread can work, measured on one core from the first group of
    mini-batches to the last: the end of each step, and the work between two groups. "other %" is the share of what the
    calling thread does while the others work. "x 4" and so on predict the speed-up by as many cores: first by Amdahl's
    law, then with the shared work divided into as many equal pieces as a mini-batch has, and with the calling thread
    doing its other work alone. There is no prediction for CSV, since other threads decode it.
    """
    results = []
    for content_type, d, k in CASES:
        results.append(compare(content_type, d, k, _usual_rows(content_type, d, k)))
        sys.stderr.write(f"{results[-1]}\n")
    return results


def _usual_rows(content_type: str, d: int, k: int) -> int:
    operations = 2 * d * k + FEATURE_OPERATIONS[content_type] * d + ROW_OPERATIONS
    seconds = SECONDS * math.sqrt(cpu_count())
    wanted = max(MIN_ROWS, int(seconds * OPERATIONS / operations))
    return min(wanted, FILE_BYTES // _row_bytes(content_type, d))


def _row_bytes(content_type: str, d: int) -> int:
    return CSV_BYTES * d if content_type == CSV else frame_bytes(d)


def compare(content_type: str, d: int, k: int, n_rows: int, runs: int = RUNS) -> dict[str, Any]:
    """Measure files of about `n_rows` rows with d features, with K = `k` centers."""
    # Files hold whole mini-batches, so that all are in groups; the first one has rows for all centers.
    step = PARTS * BATCH_ROWS
    n_rows = max(1, round(n_rows / step)) * step
    n_cores = cpu_count()
    counts = [*(1 << power for power in range(n_cores.bit_length()) if 1 << power < n_cores), n_cores]
    timings: list[Timing] = []
    kernels: list[DoubleArray] = []
    passes: dict[str, int] = {}
    with memory_folder("kmeans-cores-", n_rows * _row_bytes(content_type, d)) as folder, Threads(n_cores) as threads:
        case = _case(Path(folder), content_type, d, k, n_rows)
        few = case.rows[:PARTIAL_FIT_ROWS]
        contenders: dict[str, tuple[int, Callable[[], object]]] = {
            **{_cores(count): (n_rows, partial(stream, case, count, grouped=count > 1)) for count in counts},
            "kernels": (len(case.part), lambda: kernels.append(kernels_alone(case))),
            "Lloyd": (len(case.part), lambda: passes.update({"Lloyd": lloyd_passes(case, threads)})),
            "partial_fit": (len(few), partial(partial_fit, few, case.centers)),
        }
        if importlib.util.find_spec("sklearnex"):
            contenders["oneDAL"] = len(case.part), lambda: passes.update({"oneDAL": onedal_passes(case)})
        if content_type == RECORDIO:
            contenders["timed"] = n_rows, lambda: timings.append(stream(case, 1, grouped=True))
        seconds = medians({name: function for name, (_, function) in contenders.items()}, runs)
    rates = {name: count * passes.get(name, 1) / seconds[name] / 1e6 for name, (count, _) in contenders.items()}
    one, every = rates[_cores(1)], rates[_cores(n_cores)]
    steps = len(case.part) / BATCH_ROWS
    decode, assigned, added = (np.median(kernels, axis=0) / steps * 1e6).tolist()
    return {
        "file": "CSV" if content_type == CSV else "RecordIO",
        "d x K": f"{d} x {k}",
        "million rows": round(n_rows / 1e6, 2),
        **{_cores(count): _digits(rates[_cores(count)]) for count in counts},
        "2 cores / 1": round(rates[_cores(2)] / one, 2) if n_cores > 1 else "",
        "kernels": _digits(rates["kernels"]),
        "decode us": round(decode),
        "assign us": round(assigned),
        "add us": round(added),
        "1 core / kernels": round(one / rates["kernels"], 2),
        "Lloyd": _digits(rates["Lloyd"]),
        "all cores / Lloyd": round(every / rates["Lloyd"], 2),
        **({"oneDAL": _digits(rates["oneDAL"])} if "oneDAL" in rates else {}),
        "partial_fit": _digits(rates["partial_fit"]),
        "all cores / partial_fit": round(every / rates["partial_fit"], 2),
        **_prediction(timings, n_pieces(BATCH_ROWS, k, d)),
    }


def _digits(rate: float) -> float:
    return float(f"{rate:.3g}")


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _prediction(timings: list[Timing], pieces: int) -> dict[str, Any]:
    """Return the predictions for more cores; empty texts if there are no timings."""
    heads = [f"x {count}" for count in PREDICTED]
    if not timings:
        return dict.fromkeys(("serial %", "other %", "pieces", *heads), "")
    timing = Timing(*(statistics.median(column) for column in zip(*timings, strict=True)))
    gains = [f"{amdahl_speedup(timing, count):.1f} / {speedup_bound(timing, count, pieces):.1f}" for count in PREDICTED]
    return {
        "serial %": _digits(100 * (timing.between + timing.alone) / timing.seconds),
        "other %": _digits(100 * timing.other / timing.seconds),
        "pieces": pieces,
        **dict(zip(heads, gains, strict=True)),
    }


def _case(base: Path, content_type: str, d: int, k: int, n_rows: int) -> Case:
    n_blobs = max(1, k // 10)
    folder = base / "input/data/train"
    if content_type == RECORDIO:
        rows = write_job(base, n_rows, d, n_blobs)
    else:
        rows = blobs(n_rows, d, n_blobs).round(4)
        folder.mkdir(parents=True)
        for number, part in enumerate(np.array_split(rows, PARTS)):
            columns = pyarrow.table({str(column): values for column, values in enumerate(part.T)})
            options = pyarrow.csv.WriteOptions(include_header=False)
            pyarrow.csv.write_csv(columns, folder / f"part-{number}.csv", options)
    # From the first file, so that no cluster is empty on its rows.
    drawn = rows[np.random.default_rng(0).choice(n_rows // PARTS, max(k, BATCH_ROWS), replace=False)]
    shift = usual_values(drawn)
    channel = ChannelConfiguration(
        "train", content_type, 0 if content_type == CSV else None, "File", "FullyReplicated", folder
    )
    return Case(channel, rows, drawn[:k].astype(np.float64), shift, outlier_distance(drawn, shift))
