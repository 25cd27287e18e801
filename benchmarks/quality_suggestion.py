"""How often the k that a job suggests is the number of clusters that its data were made of.

Blobs of 3 to 40 in several dimensions, some of unequal sizes or shapes, handwritten digits, and data without clusters:
clouds that are round or long, uniform numbers, and heavy tails. A job for another k suggests one, or says that there is
no clear number. Run by `make bench-quality`, or alone: `python -m benchmarks.quality_suggestion`.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks.methods import Job
from tools.markdown import table

# Clusters are at least this many of their standard deviations apart.
APART = 5.0
HALF_WIDTH = 10.0
ROWS = 4_000


@dataclass(frozen=True)
class Case:
    """Data of a known number of clusters.

    Attributes
    ----------
    name : str
        What they are.
    rows : ndarray of float32, shape (n, d)
        The data.
    k : int or None
        Their clusters; None where there are none.
    job_k : int
        The k of the job.
    """

    name: str
    rows: NDArray[np.float32]
    k: int | None
    job_k: int = 10


def cases() -> Iterator[Case]:
    """Yield all data."""
    for n_features, deviation, ks in (
        (2, 0.8, (3, 8)),
        (2, 0.4, (20,)),
        (5, 1.0, (3, 12)),
        (10, 1.5, (5, 40)),
        (30, 3.0, (20,)),
    ):
        for k in ks:
            rows = blobs(k, n_features, deviation)
            yield Case(f"{k} blobs in {n_features} dimensions", rows, k, 10 if k <= 12 else 30)
    for k in (5, 12):
        yield Case(f"{k} blobs of unequal sizes", blobs(k, 6, 1.0, sizes=20.0), k)
        yield Case(f"{k} blobs of unequal widths", blobs(k, 6, 1.0, widths=4.0), k)
    yield Case("4 long blobs", blobs(4, 4, 1.0, lengths=3.0), 4)
    rows = blobs(5, 4, 1.0)
    far = np.full((1, 4), 500, np.float32)
    yield Case("5 blobs and 2 far rows", np.concatenate([rows, far, -far]), 7)
    yield Case("handwritten digits", load_digits().data.astype(np.float32), 10)
    rng = np.random.default_rng(0)
    for n_features in (2, 10, 40):
        shape = (ROWS, n_features)
        yield Case(f"uniform, {n_features} dimensions", rng.random(shape, np.float32), None)
        yield Case(f"a cloud, {n_features} dimensions", rng.standard_normal(shape, np.float32), None)
        long = rng.standard_normal(shape) * np.geomspace(1, 10, n_features)
        yield Case(f"a long cloud, {n_features} dimensions", long.astype(np.float32), None)
        yield Case(f"log-normal, {n_features} dimensions", rng.lognormal(size=shape).astype(np.float32), None)
        yield Case(f"Student's t, {n_features} dimensions", rng.standard_t(2, shape).astype(np.float32), None)


def blobs(
    k: int, n_features: int, deviation: float, *, sizes: float = 1.0, widths: float = 1.0, lengths: float = 1.0
) -> NDArray[np.float32]:
    """Draw rows around `k` places.

    Parameters
    ----------
    k, n_features : int
        Clusters and features.
    deviation : float
        Of a feature within a cluster.
    sizes, widths, lengths : float
        How many times as large, as wide and as long as the least the largest is.
    """
    rng = np.random.default_rng([k, n_features])
    places: list[NDArray[np.float64]] = []
    while len(places) < k:
        place = rng.uniform(-HALF_WIDTH, HALF_WIDTH, n_features)
        if all(np.linalg.norm(place - other) > APART * deviation for other in places):
            places.append(place)
    shares = np.geomspace(1, sizes, k)
    labels = rng.choice(k, ROWS, p=shares / shares.sum())
    noise = rng.standard_normal((ROWS, n_features)) * np.geomspace(1 / widths, 1, k)[labels, None]
    noise *= np.geomspace(1 / lengths, 1, n_features)
    return (np.array(places)[labels] + deviation * noise).astype(np.float32)


def measure() -> list[dict[str, Any]]:
    """Run a job on each; return what each suggests."""
    return [_suggested(case) for case in cases()]


def _suggested(case: Case) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="kmeans-suggestion-") as folder:
        job = Job(Path(folder), case.rows)
        job.train(case.job_k, 0, write_assignments="false", write_report="false")
        found = json.loads((job.base / "output/data/msd_by_k.json").read_text())["suggestion"]
    if found is None or case.k is None:
        exact = within = found is None and case.k is None
    else:
        exact, within = found["k"] == case.k, found["low"] <= case.k <= found["high"]
    sys.stdout.write(f"  {case.name}: {found and found['k']}\n")
    sys.stdout.flush()
    return {
        "data": case.name,
        "k": case.k,
        "job's k": case.job_k,
        "suggestion": found,
        "exact": exact,
        "within": within,
    }


def section(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return the results as Markdown."""
    rows = [
        {
            "data": one["data"],
            "clusters": one["k"] or "none",
            "job's k": one["job's k"],
            "suggested": one["suggestion"]["k"] if one["suggestion"] else "none",
            "from": one["suggestion"]["low"] if one["suggestion"] else "",
            "to": one["suggestion"]["high"] if one["suggestion"] else "",
            "hit": "exact" if one["exact"] else "in the range" if one["within"] else "no",
        }
        for one in measured
    ]
    exact, within = (sum(one[kind] for one in measured) for kind in ("exact", "within"))
    line = f"The number is hit in {exact} of {len(measured)} cases, and in the suggested range in {within}."
    return f"## The k that is suggested\n\n{line}\n\n{table(rows)}"


if __name__ == "__main__":
    sys.stdout.write(f"\n{section(measure())}\n")
