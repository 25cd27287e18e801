"""The msd of models, compared with other k-means: `make bench-quality`.

For every data set and k, the whole `train` runs on files with default hyperparameters, for one epoch, with many seeds.
With the data's own k it also runs on the same rows in sorted orders, and with `refine_sample_size=0`, which is the
built-in's recipe. Time stamps are read from each suitable format of files. Scikit-learn's KMeans, its MiniBatchKMeans
in one pass, and faiss's Kmeans get the same rows. The msd is that of all rows, in float64. The estimates of a job for
other k are compared with jobs for these k, and the k that it suggests with the number of clusters that the data were
made of (`benchmarks.quality_suggestion`). The cosine distance has data of its own (`benchmarks.quality_cosine`).
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import baselines, datasets, files, quality_cosine, quality_suggestion
from benchmarks.baselines import Baselines, is_costly
from benchmarks.datasets import Dataset, Reading
from benchmarks.hard_datasets import hard
from benchmarks.measure import RESULTS, machine
from benchmarks.methods import DROWNING, Fit, Job, faiss_kmeans, score
from benchmarks.quality_report import report
from benchmarks.quality_targets import judge

# Models of a drifting stream are compared on the newest rows: 1 / NEWEST of them.
NEWEST = 10
# Seeds of a short run, for models and for additional measurements.
SHORT = (2, 1)
# Maximum of both if a job takes minutes.
COSTLY = (3, 1)


def main() -> None:
    """Measure the selected data sets; write the results after each of them."""
    summary = (__doc__ or "").strip()
    given = _arguments(summary)
    content: dict[str, Any] = {"machine": machine(), "suggestions": [], "results": []}
    given.output.mkdir(parents=True, exist_ok=True)
    if given.only is None:
        content["suggestions"] = quality_suggestion.measure()
        content["cosine"] = quality_cosine.measure(given.data)
    text = ""
    for make in given.makers:
        measured = _Measured(make(), given)
        for k in measured.ks:
            entry = measured.entry(k)
            content["results"].append({**entry, "targets": judge(entry)})
            text = report(summary, content)
            (given.output / "quality.json").write_text(json.dumps(content, indent=1) + "\n")
            (given.output / "quality.md").write_text(text)
    if not text:
        sys.exit(f"expected a k with which one of the data sets is measured, got {given.k}")
    sys.stdout.write(f"\n{text}")


def _arguments(summary: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=summary)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="also measure every .npz and .csv in this folder")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measure only these data sets")
    parser.add_argument("--k", nargs="+", type=int, metavar="K", help="measure only these numbers of clusters")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of each method (default: %(default)s)")
    parser.add_argument(
        "--few",
        type=int,
        default=3,
        help="seeds of the built-in's recipe, of estimates and of other k; 0 to omit these (default: %(default)s)",
    )
    parser.add_argument("--short", action="store_true", help="the same as --seeds {} --few {}".format(*SHORT))
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare times with this checkout, in turns")
    parser.add_argument(
        "--baselines",
        type=Path,
        default=baselines.PATH,
        metavar="FILE",
        help="results of other k-means; missing ones are measured and added (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help="default: %(default)s")
    given = parser.parse_args()
    if given.short:
        given.seeds, given.few = SHORT
    available = {**datasets.simple(), **hard(), **(datasets.from_folder(given.data) if given.data else {})}
    names = given.only or list(available)
    for unknown in (name for name in names if name not in available):
        parser.error(f"expected data sets among {', '.join(available)}, got {unknown!r}")
    if given.seeds < 1 or given.few < 0:
        parser.error(f"expected at least one seed, got {given.seeds}, and {given.few} of the others")
    if given.against and not (given.against / "train").is_file():
        parser.error(f"expected a checkout with a `train`, got {given.against}")
    given.against = given.against and given.against.resolve()
    given.makers = [available[name] for name in names]
    given.baselines = Baselines(given.baselines)
    return given


class _Measured:
    """The measurements of one data set, as selected on the command line."""

    def __init__(self, dataset: Dataset, given: argparse.Namespace) -> None:
        self._dataset = dataset
        self._rows = dataset.rows
        self._baselines: Baselines = given.baselines
        self._against: Path | None = given.against
        self._seeds: int = given.seeds
        self._few: int = min(given.few, given.seeds)
        self.ks = [k for k in dataset.ks if given.k is None or k in given.k]

    def entry(self, k: int) -> dict[str, Any]:
        """Return all figures for one k."""
        dataset, (n, d) = self._dataset, self._rows.shape
        own = k == dataset.k
        costly = is_costly(self._rows, k)
        seeds, few = np.minimum((self._seeds, self._few), COSTLY) if costly else (self._seeds, self._few)
        _print(f"\n{dataset.name}: {n} x {d}, k = {k}")
        lloyd = self._others(baselines.LLOYD, self._rows, k)
        entry: dict[str, Any] = {
            "data": dataset.name,
            "n": n,
            "d": d,
            "k": k,
            "crc32": lloyd["crc32"],
            "float32": all(reading.form == files.FLOAT32 for reading in dataset.readings.values()),
            "baselines": {"kmeans": lloyd, "best": lloyd["best"], "minibatch": {}},
            "orders": {},
        }
        # Faiss has only float32, and ends the process if a sum of values exceeds its range.
        if own and entry["float32"] and np.abs(self._rows).max() < DROWNING:
            entry["baselines"]["faiss"] = self._others(baselines.FAISS, self._rows, k)
        for name, reading in dataset.readings.items():
            first = not entry["orders"]
            if own or first or reading.form != files.FLOAT32:
                entry["orders"][name] = self._reading(entry, name, reading, int(seeds), int(few), first=first)
        return entry

    def _reading(
        self, entry: dict[str, Any], name: str, reading: Reading, seeds: int, few: int, *, first: bool
    ) -> dict[str, Any]:
        """Return the figures of jobs on the rows in one reading; add to `entry` what is measured only once."""
        k, own = entry["k"], entry["k"] == self._dataset.k
        rows = self._rows[reading.index]
        with tempfile.TemporaryDirectory(prefix="kmeans-quality-") as folder:
            job = Job(Path(folder), rows, reading.form)
            fits, solved, rivals = [], _Solved(job, k), _Rivals(rows, entry["k"], self._against)
            for seed in range(seeds):
                fits.append(job.train(k, seed))
                if first and seed < few:
                    solved.add(seed)
                if first:
                    rivals.add(job, seed)
            figures = {"ours": _figures(f"ours, {name}", fits, rows)}
            if reading.form != files.FLOAT32:
                figures["served"] = _served(job, job.train(k, 0), rows)
            if own and few:
                recipe = (job.train(k, seed, refine_sample_size=0) for seed in range(few))
                figures["recipe"] = _figures(f"built-in's recipe, {name}", recipe, rows)
            if own and reading.form == files.FLOAT32 and not is_costly(rows, k):
                minibatch = self._others(baselines.MINIBATCH, rows, k, name)
                entry["baselines"]["minibatch"][name] = minibatch
            if first:
                entry["seconds"] = rivals.seconds(figures["ours"]["seconds"])
                entry["other k"] = solved.compared(rows)
                estimates = (job.train(k, seed, write_assignments="false") for seed in range(few))
                entry["estimated"] = _figures("without assignments", estimates, rows) if few else None
                if own and self._dataset.half_life:
                    entry["drift"] = self._drift(job, rows, fits, entry["baselines"])
        return figures

    def _drift(self, job: Job, rows: NDArray[Any], fits: list[Fit], others: dict[str, Any]) -> dict[str, Any]:
        """Return the figures of the newest rows, with and without decay."""
        k, newest = self._dataset.k, rows[-(len(rows) // NEWEST) :]
        others["best on newest"] = self._others(baselines.LLOYD, newest, k, "newest rows")["best"]
        decayed = (job.train(k, seed, half_life_time_size=self._dataset.half_life) for seed in range(len(fits)))
        return {
            "without decay": _figures("newest rows, without decay", fits, newest),
            "with decay": _figures("newest rows, with decay", decayed, newest),
        }

    def _others(self, method: baselines.Method, rows: NDArray[Any], k: int, which: str = "") -> dict[str, Any]:
        name = self._dataset.name + (f", {which}" if which else "")
        return self._baselines.figures(method, name, rows, k)


class _Solved:
    """Models for other k, solved from the outputs of jobs for k, to compare with jobs for these k."""

    def __init__(self, job: Job, k: int) -> None:
        self._job = job
        self._k = k
        self._fits: dict[int, list[tuple[int, Fit]]] = {}
        self._without_rows: dict[int, list[Fit]] = {}
        self._estimated: dict[int, list[float]] = {}

    def add(self, seed: int) -> None:
        """Solve the output of the latest job."""
        most = min(2 * self._k, self._job.centers_of_stream())
        # The state of another seed may hold a few centers fewer.
        largest = min(most, max(self._fits, default=most))
        for other in {self._k // 2, self._k - 3, largest} - {self._k}:
            if other >= 2:
                self._fits.setdefault(other, []).append((seed, self._job.solve(other)))
                self._without_rows.setdefault(other, []).append(self._job.solve(other, from_model=True))
        for other, msd in self._job.curve().items():
            self._estimated.setdefault(other, []).append(msd)

    def compared(self, rows: NDArray[Any]) -> list[dict[str, Any]]:
        """Run the jobs to compare with; return the figures of both, by k."""
        return [
            {
                "k": other,
                "solved": _figures(f"k = {other}, solved from the output", (fit for _, fit in fits), rows),
                "from model": _figures(f"k = {other}, solved from the model", iter(self._without_rows[other]), rows),
                "trained": _figures(f"k = {other}, trained", (self._job.train(other, seed) for seed, _ in fits), rows),
                "estimated": self._estimated.get(other, []),
            }
            for other, fits in sorted(self._fits.items())
        ]


class _Rivals:
    """Times of alternatives, run in turns with the jobs: an earlier checkout, and faiss if a job takes long."""

    def __init__(self, rows: NDArray[Any], k: int, against: Path | None) -> None:
        self._runs: dict[str, Callable[[Job, int], Fit]] = {}
        if against:
            self._runs["earlier"] = lambda job, seed: job.train(k, seed, against)
        if is_costly(rows, k):
            self._runs["faiss"] = lambda _, seed: faiss_kmeans(rows, k, seed)
        self._seconds: dict[str, list[float]] = {name: [] for name in self._runs}

    def add(self, job: Job, seed: int) -> None:
        """Run each once."""
        for name, run in self._runs.items():
            self._seconds[name].append(run(job, seed).seconds)

    def seconds(self, ours: float) -> dict[str, float]:
        """Return the medians, including `ours`."""
        return {"ours": ours, **{name: median(values) for name, values in self._seconds.items()}}


def _served(job: Job, fit: Fit, rows: NDArray[Any]) -> dict[str, float]:
    """Return the msd of the clusters that `serve` returns, and the relative mean error of the squared distances."""
    clusters, distances = job.serve(rows)
    square = ((rows - fit.centers[clusters]) ** 2).sum(axis=1)
    msd = float(square.mean())
    return {"msd": msd, "distances": float(np.abs(distances**2 - square).mean()) / msd}


def _figures(label: str, fits: Iterable[Fit], rows: NDArray[Any]) -> dict[str, Any]:
    """Return the scores on `rows` of the models of one method, by seed, and the errors of their own figures."""
    scored = [(score(rows, fit.centers), fit) for fit in fits]
    values = [scores.msd for scores, _ in scored]
    # The first run may compile kernels, which does not affect the median.
    seconds = median(fit.seconds for _, fit in scored)
    _print(f"  {label}: msd {fmean(values):.6g}, worst {max(values):.6g}, {seconds:.2f} s, {len(values)} seeds")
    return {
        "mean": fmean(values),
        "worst": max(values),
        "best": min(values),
        "seconds": seconds,
        "msd": values,
        "stated": [
            {
                "exact": fit.description["msd_is_exact"],
                "msd": fit.description["msd"] / scores.msd - 1,
                # A row in a wrong cluster is missing in one cluster and surplus in another.
                "rows elsewhere": float(np.abs(scores.sizes - fit.description["cluster_sizes"]).sum() / 2),
                "rows": float(sum(fit.description["cluster_sizes"])),
            }
            for scores, fit in scored
        ],
    }


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
