"""The msd of our models beside that of others: `make bench-quality`.

For every data set, our whole `train` runs on RecordIO files with default hyperparameters, for one epoch, with many
seeds; with `refine_sample_size=0`, which is the built-in's recipe; and on the same rows in sorted orders. In the same
run, scikit-learn's KMeans, its MiniBatchKMeans in one pass, and faiss's Kmeans take the same rows. The msd is that of
all rows, in float64.
"""

import argparse
import json
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import datasets
from benchmarks.datasets import Dataset
from benchmarks.measure import machine
from benchmarks.methods import Fit, Job, faiss_kmeans, kmeans, minibatch_kmeans, msd
from benchmarks.quality_report import judge, report

RESULTS = Path(__file__).parent / "results"
# Full-data Lloyd runs of which the best is what we are measured against.
RUNS_OF_LLOYD = 10
# A drifting stream's models are compared on the newest rows: one in so many.
NEWEST = 10


def main() -> None:
    """Measure the data sets asked for; write the results after each of them."""
    summary = (__doc__ or "").strip()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=summary)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="measure every .npz and .csv in it too")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure these data sets alone")
    parser.add_argument("--seeds", type=int, default=20, help="seeds of each method (default %(default)s)")
    parser.add_argument(
        "--few", type=int, default=5, help="seeds of the built-in's recipe and of other k (default %(default)s)"
    )
    parser.add_argument(
        "--baselines", type=Path, metavar="FILE", help="take the figures of other methods from this quality.json"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help="default: %(default)s")
    given = parser.parse_args()
    available = {**datasets.made(), **(datasets.found(given.data) if given.data else {})}
    names = given.only or list(available)
    for unknown in (name for name in names if name not in available):
        parser.error(f"expected data sets among {', '.join(available)}, got {unknown!r}")
    if min(given.seeds, given.few) < 1:
        parser.error(f"expected at least one seed, got {min(given.seeds, given.few)}")
    earlier = json.loads(given.baselines.read_text())["results"] if given.baselines else []

    known = {entry["data"]: entry for entry in earlier}
    content: dict[str, Any] = {"machine": machine(), "results": []}
    given.output.mkdir(parents=True, exist_ok=True)
    for name in names:
        entry = _measure(available[name](), given.seeds, given.few, known.get(name))
        content["results"].append({**entry, "targets": judge(entry)})
        text = report(summary, content)
        (given.output / "quality.json").write_text(json.dumps(content, indent=1) + "\n")
        (given.output / "quality.md").write_text(text)
    sys.stdout.write(f"\n{text}")


def _measure(dataset: Dataset, seeds: int, few: int, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give all figures of one data set; those of other methods from `known`, an earlier entry, if there is one."""
    n, d = dataset.rows.shape
    k = dataset.k
    _say(f"\n{dataset.name}: {n} x {d}, k = {k}")
    checksum = zlib.crc32(dataset.rows.tobytes())
    if known is not None and known["crc32"] != checksum:
        sys.exit(f"{dataset.name}: expected the rows that the given baselines were measured on, got others")
    entry: dict[str, Any] = {
        "data": dataset.name,
        "n": n,
        "d": d,
        "k": k,
        "crc32": checksum,
        "baselines": known["baselines"] if known else _baselines(dataset, seeds),
        "orders": {},
    }
    for order, index in dataset.orders.items():
        rows = dataset.rows[index]
        with tempfile.TemporaryDirectory(prefix="kmeans-quality-") as folder:
            job = Job(Path(folder), rows)
            fits = [job.train(k, seed) for seed in range(seeds)]
            recipe = partial(job.train, k, refine_sample_size=0)
            entry["orders"][order] = {
                "ours": _figures(f"ours, {order}", fits, rows),
                "recipe": _figures(f"built-in's recipe, {order}", map(recipe, range(few)), rows),
            }
            if dataset.half_life:
                newest = _newest(rows)
                decayed = partial(job.train, k, half_life_time_size=dataset.half_life)
                entry["drift"] = {
                    "without decay": _figures("newest rows, without decay", fits, newest),
                    "with decay": _figures("newest rows, with decay", map(decayed, range(seeds)), newest),
                }
            if "other k" not in entry:
                entry["other k"] = _other_k(job, rows, k, few)
    return entry


def _baselines(dataset: Dataset, seeds: int) -> dict[str, Any]:
    """Run the methods of others."""
    # In float64, so that no rounding counts against them; faiss knows only float32.
    rows = dataset.rows.astype(np.float64)
    lloyd = _figures("KMeans", _fits(kmeans, rows, dataset.k, max(seeds, RUNS_OF_LLOYD)), rows)
    baselines = {
        "kmeans": lloyd,
        "best": min(lloyd["msd"][:RUNS_OF_LLOYD]),
        "faiss": _figures("faiss", _fits(faiss_kmeans, rows, dataset.k, seeds), rows),
        "minibatch": {
            order: _figures(
                f"MiniBatchKMeans, {order}", _fits(minibatch_kmeans, rows[index], dataset.k, seeds), dataset.rows
            )
            for order, index in dataset.orders.items()
        },
    }
    if dataset.half_life:
        newest = _newest(rows)
        only = _figures("newest rows, KMeans on them alone", _fits(kmeans, newest, dataset.k, RUNS_OF_LLOYD), newest)
        baselines["best on newest"] = only["best"]
    return baselines


def _other_k(job: Job, rows: NDArray[Any], k: int, few: int) -> list[dict[str, Any]]:
    """Compare the models solved for a smaller k, from the state of a run for `k`, with those of runs made for it."""
    smaller = sorted({other for other in (k // 2, k - 3) if other >= 2})
    solved: dict[int, list[Fit]] = {other: [] for other in smaller}
    for seed in range(few):
        job.train(k, seed)
        for other in smaller:
            solved[other].append(job.solve(other))
    return [
        {
            "k": other,
            "solved": _figures(f"k = {other}, solved from the state", solved[other], rows),
            "trained": _figures(f"k = {other}, trained", map(partial(job.train, other), range(few)), rows),
        }
        for other in smaller
    ]


def _fits(method: Callable[[Any, int, int], Fit], rows: NDArray[Any], k: int, seeds: int) -> Iterable[Fit]:
    return (method(rows, k, seed) for seed in range(seeds))


def _newest(rows: NDArray[Any]) -> NDArray[Any]:
    return rows[-(len(rows) // NEWEST) :]


def _figures(label: str, fits: Iterable[Fit], rows: NDArray[Any]) -> dict[str, Any]:
    """Score one method's models, one for each seed, on `rows`."""
    scored = [(msd(rows, fit.centers), fit.seconds) for fit in fits]
    values = [value for value, _ in scored]
    # The first run may compile kernels, which is left out of a median.
    seconds = median(seconds for _, seconds in scored)
    _say(f"  {label}: msd {fmean(values):.6g}, worst {max(values):.6g}, {seconds:.2f} s, {len(values)} seeds")
    return {"mean": fmean(values), "worst": max(values), "best": min(values), "seconds": seconds, "msd": values}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
