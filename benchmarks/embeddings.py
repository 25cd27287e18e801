"""Embeddings by the million with `distance=cosine`, from file to model, compared with faiss and scikit-learn."""

import gc
import os
import re
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.blobs import PARTS, frame_bytes
from benchmarks.hard_datasets import unit_vectors
from benchmarks.measure import memory_folder, rest
from benchmarks.methods import FAISS_ITERATIONS, Fit, faiss_kmeans, minibatch_kmeans
from benchmarks.train import MEASURED, configure, environment
from container.artifacts import model
from container.formats.recordio.layout import dense_frames
from container.resources import cpu_count
from kmeans.types import FloatArray
from tools.documents import ROOT

SHORT = os.environ.get("BENCH_SHORT", "0") != "0"
# Numbers of cores for which to predict the seconds.
PREDICTED = (16, 36)
# Rows that models are scored on.
SCORED_ROWS = 50_000
BLOCK_ROWS = 10_000
# Stages of a job that take longer the more rows there are.
OF_ALL_ROWS = ("update", "closing")


@dataclass(frozen=True)
class Case:
    """Embeddings to cluster.

    Attributes
    ----------
    n_rows, n_features : int
        Their number and length.
    directions : int
        The number of directions around which they lie.
    k : int
        The number of clusters.
    iterations : int
        Iterations of faiss: its usual number, or so few that they show what one takes.
    """

    n_rows: int
    n_features: int
    directions: int
    k: int
    iterations: int = FAISS_ITERATIONS


CASES = (
    (Case(100_000, 384, 3000, 1000),)
    if SHORT
    else (Case(1_000_000, 384, 3000, 1000), Case(1_000_000, 768, 30_000, 10_000, 1))
)


@dataclass(frozen=True)
class Ran:
    """What a method took.

    Attributes
    ----------
    seconds, processor_seconds : float
        By the clock, and of all cores together.
    peak_bytes : int
        Of memory, the rows included if they are in memory.
    loss : float or None
        The mean of 1 - cosine.
    stages : Mapping of str to float
        The seconds of each stage of a job, as logged.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    loss: float | None
    stages: Mapping[str, float] = field(default_factory=dict)

    def on_cores(self, count: int) -> float:
        """Return the seconds on more cores, if what is done by one core now is done by one then (Amdahl 1967)."""
        n_cores = cpu_count()
        shared = max(0.0, self.processor_seconds - self.seconds) * n_cores / max(1, n_cores - 1)
        return self.seconds - shared / n_cores + shared / count


def run() -> list[dict[str, Any]]:
    """Measure one job each, with defaults but for the report and the assignments; its files are in the page cache.

    faiss runs spherical k-means with 25 iterations on all rows, and scikit-learn's MiniBatchKMeans makes one pass; both
    have the rows in memory, which counts as their memory. Where faiss would take an hour, its time is that of one
    iteration, times 25. "16 cores" and "36 cores" are predictions by Amdahl's law: what one core does alone here, it
    does alone there. The last line is a prediction too, from the line of a tenth of the rows: its stages that read all
    rows take ten times as long, the others and the memory are the same.
    """
    lines: list[dict[str, Any]] = []
    for case in CASES:
        found = _compare(case)
        lines += [_line(case, name, ran, found["ours"]) for name, ran in found.items()]
    if not SHORT:
        lines.append(_ten_times(CASES[-1], found["ours"]))
    return lines


def _compare(case: Case) -> dict[str, Ran]:
    n_bytes = case.n_rows * frame_bytes(case.n_features)
    with memory_folder("kmeans-embeddings-", n_bytes) as folder:
        rows = _write(Path(folder), case)
        found = {"ours": _job(Path(folder), case, rows[:SCORED_ROWS])}
        _print(case, "ours", found["ours"])
    for name, method in (("faiss", _faiss), ("MiniBatchKMeans", _minibatch)):
        rest()
        used = _processor_seconds(resource.RUSAGE_SELF)
        fit = method(rows, case)
        spent = _processor_seconds(resource.RUSAGE_SELF) - used
        scale, loss = 1.0, None
        if name == "faiss" and case.iterations < FAISS_ITERATIONS:
            scale = FAISS_ITERATIONS / case.iterations
        else:
            loss = _loss(rows[:SCORED_ROWS], fit.centers)
        found[name] = Ran(fit.seconds * scale, spent * scale, rows.nbytes, loss)
        _print(case, name, found[name])
    return found


def _faiss(rows: FloatArray, case: Case) -> Fit:
    return faiss_kmeans(rows, case.k, 0, case.iterations, spherical=True)


def _minibatch(rows: FloatArray, case: Case) -> Fit:
    return minibatch_kmeans(rows, case.k, 0)


def _write(base: Path, case: Case) -> FloatArray:
    """Write the files of a job; return the rows."""
    rows, _ = unit_vectors(case.n_rows, case.n_features, case.directions)
    channel = base / "input/data/train"
    channel.mkdir(parents=True)
    (base / "input/config").mkdir()
    for number, part in enumerate(np.array_split(rows, PARTS)):
        with (channel / f"part-{number}.pbr").open("wb") as file:
            for begin in range(0, len(part), BLOCK_ROWS):
                file.write(dense_frames(part[begin : begin + BLOCK_ROWS]).data)
    return rows


def _job(base: Path, case: Case, scored: FloatArray) -> Ran:
    outputs = {"write_assignments": "false", "write_report": "false"}
    configure(base, k=case.k, feature_dim=case.n_features, seed=0, distance="cosine", **outputs)
    gc.collect()
    used = _processor_seconds(resource.RUSAGE_CHILDREN)
    log = base / "log"
    with log.open("w") as errors:
        ended = subprocess.run(
            [sys.executable, "-c", MEASURED, ROOT / "train"],
            env=environment(base),
            stdout=subprocess.PIPE,
            stderr=errors,
            check=True,
        )
    seconds, kilobytes = ended.stdout.split()
    stages = {
        name: float(took) for name, took in re.findall(r"(\w+) took: [\d.]+%, \(([\d.]+) secs\)", log.read_text())
    }
    spent = _processor_seconds(resource.RUSAGE_CHILDREN) - used
    loss = _loss(scored, model.load(base / "model").centers)
    return Ran(float(seconds), spent, int(kilobytes) * 1024, loss, stages)


def _processor_seconds(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


def _loss(rows: FloatArray, centers: Any) -> float:
    """Return the mean of 1 - cosine."""
    directions = (centers / np.linalg.norm(centers.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)
    blocks = (rows[begin : begin + BLOCK_ROWS] for begin in range(0, len(rows), BLOCK_ROWS))
    return 1.0 - float(np.mean([(block @ directions.T).max(axis=1).mean() for block in blocks]))


def _line(case: Case, name: str, ran: Ran, ours: Ran) -> dict[str, Any]:
    return {
        "rows": f"{case.n_rows:,} x {case.n_features}",
        "k": case.k,
        "method": name,
        "s": round(ran.seconds, 1),
        "time / ours": round(ran.seconds / ours.seconds, 2),
        "processor s": round(ran.processor_seconds),
        "peak MB": round(ran.peak_bytes / 2**20),
        "1 - cosine": "" if ran.loss is None else f"{ran.loss:.5f}",
        "loss / ours": "" if ran.loss is None or ours.loss is None else f"{ran.loss / ours.loss:.4f}",
        **{f"{count} cores, s": round(ran.on_cores(count), 1) for count in PREDICTED},
        "stages, s": ", ".join(f"{stage} {took:.1f}" for stage, took in ran.stages.items() if took >= 0.5),
    }


def _ten_times(case: Case, ran: Ran) -> dict[str, Any]:
    """Return the line of a job on ten times the rows, on paper."""
    more = 9 * sum(ran.stages.get(stage, 0.0) for stage in OF_ALL_ROWS)
    stages = {stage: took * (10 if stage in OF_ALL_ROWS else 1) for stage, took in ran.stages.items()}
    busy = ran.processor_seconds + more * cpu_count()
    larger = Ran(ran.seconds + more, busy, ran.peak_bytes, None, stages)
    case = Case(10 * case.n_rows, case.n_features, case.directions, case.k)
    return _line(case, "ours, predicted", larger, larger)


def _print(case: Case, name: str, ran: Ran) -> None:
    sys.stderr.write(f"{case.n_rows} x {case.n_features}, k = {case.k}, {name}: {ran.seconds:.1f} s, {ran.loss}\n")
    if ran.stages:
        sys.stderr.write(f"  {dict(ran.stages)}\n")
    sys.stderr.flush()
