"""The phases of a whole job, compared with the time that the machine needs for their largest parts."""

import re
import resource
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.blobs import FILE_BYTES, frame_bytes, write_job
from benchmarks.decode import read
from benchmarks.measure import RUNS, medians, peak
from benchmarks.train import SHAPES, configure, environment
from container.configuration.channels import RECORDIO, ChannelConfiguration
from tools.documents import ROOT

# Name of a phase in the log -> in the table.
PHASES = {"initialize": "first centers", "update": "stream", "shrink": "K to k", "refine": "refinement"}


def run() -> list[dict[str, Any]]:
    """Measure the jobs of the benchmark `train` that write only a model; all figures are seconds.

    The start lasts until the first rows are read; the rest is waiting for them, scoring, writing and exiting.
    "assignment" is the time that the products of all rows with K centers would take at the rate of a large float32
    matrix product on all cores. "decoding" is a pass over the channel without computation, on one core. The stream
    cannot take less, and does both on the same cores. scikit-learn's partial_fit has its rows in memory, no start, and
    k centers instead of K, so it may take less time than the start and these products alone.
    """
    peak_rate = peak()
    return [_profile(d, k, peak_rate) for d, k in SHAPES]


def _profile(d: int, k: int, peak_rate: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kmeans-profile-") as folder:
        base = Path(folder)
        n_rows = len(write_job(base, FILE_BYTES // frame_bytes(d), d, k))
        configure(base, k=k, feature_dim=d, write_assignments="false", write_report="false")
        channel = ChannelConfiguration("train", RECORDIO, None, "File", "FullyReplicated", base / "input/data/train")
        decoding = medians({"decoding": partial(read, channel, d)})["decoding"]
        jobs = [_job(base) for _ in range(RUNS)]
    median = {name: statistics.median(job[name] for job in jobs) for name in jobs[0]}
    n_centers = int(median.pop("K"))
    return {
        "d, k": f"{d}, {k}",
        "K": n_centers,
        "million rows": round(n_rows / 1e6, 2),
        **{name: round(value, 2) for name, value in median.items()},
        "assignment": round(2 * n_rows * d * n_centers / peak_rate, 2),
        "decoding": round(decoding, 2),
    }


def _job(base: Path) -> dict[str, float]:
    """Run `train`; return its seconds by phase, as logged."""
    used, began = _processor_seconds(), time.time()
    log = subprocess.run(
        [ROOT / "train"],
        env=environment(base),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout
    seconds = time.time() - began
    phases = {name: float(found) for name, found in re.findall(r"(\w+) took: [\d.]+%, \(([\d.]+) secs\)", log)}
    begun = re.search(r'"StartTime": ([\d.]+).*"init_train_data_iter"', log)
    shrunk = re.search(r"shrinking (\d+) centers", log)
    assert begun, log
    assert shrunk, log
    parts = {"start": float(begun[1]) - began, **{title: phases[name] for name, title in PHASES.items()}}
    return {
        "K": int(shrunk[1]),
        "wall": seconds,
        "CPU": _processor_seconds() - used,
        **parts,
        "rest": seconds - sum(parts.values()),
    }


def _processor_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
