"""What the stream makes of each core: from files to centers, beside its kernels, and beside others in memory."""

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

from benchmarks.blobs import FILE_BYTES, PARTS, blobs, frame_bytes, lay_down
from benchmarks.cores_clock import Taken, at_most, by_amdahl
from benchmarks.cores_contenders import BATCH_ROWS, Case, lloyd_passes, onedal_passes, partial_fit, stream
from benchmarks.cores_kernels import kernels_alone
from benchmarks.measure import medians, memory_folder
from container.configuration.files import CSV, RECORDIO, ChannelConfiguration
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
# One core takes in the rows in about so many seconds, times the square root of the number of cores.
RUNS, SECONDS = (3, 0.3) if SHORT else (5, 1.0)
# Fewer, and none of the four files would have a group of several mini-batches.
LEAST_ROWS = 80_000
# Operations of a core in a second, and those of a row beside products with centers: whatever its features, and of each
# feature in a file.
OPERATIONS, ROW_OPERATIONS = 1e11, 4000
FEATURE_OPERATIONS = {RECORDIO: 200, CSV: 2000}
# Of a number in CSV, with a comma.
CSV_BYTES = 8
PARTIAL_FIT_ROWS = 200_000
# Those of machines on which it is worth knowing.
PREDICTED = (4, 8, 16, 36, 96)


def run() -> list[dict[str, Any]]:
    """Measure the stream alone, of mini-batches of 5000 rows; rates are million rows a second, medians of turns.

    The columns "1 core", "2 cores" and so on are those of as many threads, held on as many cores. "kernels" is what one
    core makes of the rows of a file where it does nothing but decode, assign and add them up, some rows after the
    other; beside it the microseconds of each for 5000 rows. "Lloyd" are iterations of ours over rows in memory,
    "oneDAL" those of scikit-learn-intelex where that is installed, partial_fit that of scikit-learn's MiniBatchKMeans
    with as many centers as the stream has: all three on all cores.

    The serial share is the time in which only one thread can work, by the clock, as a part of what one core takes from
    the first group of mini-batches to the last: the end of each step, and what is done between two groups. "x 4" and so
    on are what so many cores would make of it, as multiples of what one does: by Amdahl's law, and where all that is
    shared comes in as many equal pieces as a mini-batch is cut into, and the calling thread does alone what it does
    beside the others ("beside"). Of CSV they are not told: other threads decode it than those that take its rows in.
    """
    results = []
    for content_type, d, k in CASES:
        results.append(compare(content_type, d, k, _usual_rows(content_type, d, k)))
        sys.stderr.write(f"{results[-1]}\n")
    return results


def _usual_rows(content_type: str, d: int, k: int) -> int:
    operations = 2 * d * k + FEATURE_OPERATIONS[content_type] * d + ROW_OPERATIONS
    seconds = SECONDS * math.sqrt(cpu_count())
    wanted = max(LEAST_ROWS, int(seconds * OPERATIONS / operations))
    return min(wanted, FILE_BYTES // _row_bytes(content_type, d))


def _row_bytes(content_type: str, d: int) -> int:
    return CSV_BYTES * d if content_type == CSV else frame_bytes(d)


def compare(content_type: str, d: int, k: int, n_rows: int, runs: int = RUNS) -> dict[str, Any]:
    """Measure one file of about so many rows, d features each, with K centers."""
    # Files hold whole mini-batches, so that none is taken alone; the first one has rows for all centers.
    step = PARTS * BATCH_ROWS
    n_rows = max(1, round(n_rows / step)) * step
    n_cores = cpu_count()
    counts = [*(1 << power for power in range(n_cores.bit_length()) if 1 << power < n_cores), n_cores]
    clocked: list[Taken] = []
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
            contenders["clocked"] = n_rows, lambda: clocked.append(stream(case, 1, grouped=True))
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
        **_prediction(clocked, n_pieces(BATCH_ROWS, k, d)),
    }


def _digits(rate: float) -> float:
    return float(f"{rate:.3g}")


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _prediction(clocked: list[Taken], pieces: int) -> dict[str, Any]:
    """Return what the clock tells of larger machines; nothing where it was not asked."""
    heads = [f"x {count}" for count in PREDICTED]
    if not clocked:
        return dict.fromkeys(("serial %", "beside %", "pieces", *heads), "")
    taken = Taken(*(statistics.median(column) for column in zip(*clocked, strict=True)))
    gains = [f"{by_amdahl(taken, count):.1f} / {at_most(taken, count, pieces):.1f}" for count in PREDICTED]
    return {
        "serial %": _digits(100 * (taken.apart + taken.alone) / taken.seconds),
        "beside %": _digits(100 * taken.beside / taken.seconds),
        "pieces": pieces,
        **dict(zip(heads, gains, strict=True)),
    }


def _case(base: Path, content_type: str, d: int, k: int, n_rows: int) -> Case:
    n_places = max(1, k // 10)
    folder = base / "input/data/train"
    if content_type == RECORDIO:
        rows = lay_down(base, n_rows, d, n_places)
    else:
        rows = blobs(n_rows, d, n_places).round(4)
        folder.mkdir(parents=True)
        for number, part in enumerate(np.array_split(rows, PARTS)):
            columns = pyarrow.table({str(column): values for column, values in enumerate(part.T)})
            options = pyarrow.csv.WriteOptions(include_header=False)
            pyarrow.csv.write_csv(columns, folder / f"part-{number}.csv", options)
    # Of the first file, so that over its rows alone no cluster is empty.
    drawn = rows[np.random.default_rng(0).choice(n_rows // PARTS, max(k, BATCH_ROWS), replace=False)]
    shift = usual_values(drawn)
    channel = ChannelConfiguration(
        "train", content_type, 0 if content_type == CSV else None, "File", "FullyReplicated", folder
    )
    return Case(channel, rows, drawn[:k].astype(np.float64), shift, outlier_distance(drawn, shift))
