"""How well rows fit models by the cosine distance, compared with spherical k-means.

Embeddings around many directions, documents as counts of words of several topics, handwritten digits, and the files
of a folder, if one is given; rows of zeros are left out. Spherical k-means (Dhillon & Modha 2001) is run in numpy from
rows drawn at random until nothing changes, and by faiss, ten times each. The figures are means of 1 - cosine over all
rows, in float64. Run by `make bench-quality`, or alone: `python -m benchmarks.quality_cosine [FOLDER]`.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from benchmarks import datasets
from benchmarks.methods import Job, faiss_kmeans
from tools.markdown import table

Rows = NDArray[np.float32]
Centers = NDArray[np.floating[Any]]

RUNS = 10
SEEDS = 3
ITERATIONS = 300


@dataclass(frozen=True)
class Case:
    """Rows to compare by their directions.

    Attributes
    ----------
    name : str
        What they are.
    rows : ndarray of float32, shape (n, d)
        The rows, of any length.
    k : int
        The number of clusters.
    """

    name: str
    rows: Rows
    k: int


def cases(folder: Path | None = None) -> Iterator[Case]:
    """Yield all data, those in a folder too."""
    for k in (50, 300):
        yield Case("embeddings", embeddings(20_000, 192, 300), k)
    yield Case("documents", documents(5_000, 500, 30), 30)
    yield Case("digits", load_digits().data.astype(np.float32), 10)
    for make in datasets.from_folder(folder).values() if folder else ():
        dataset = make()
        rows = dataset.rows[dataset.rows.any(axis=1)]
        yield Case(dataset.name, rows.astype(np.float32), dataset.k)


def embeddings(n_rows: int, n_features: int, n_directions: int) -> Rows:
    """Draw rows around directions, with noise that is longer than these."""
    rng = np.random.default_rng(11)
    places = rng.standard_normal((n_directions, n_features))
    rows = 0.5 * places[rng.integers(n_directions, size=n_rows)] + 0.7 * rng.standard_normal((n_rows, n_features))
    return rows.astype(np.float32)


def documents(n_rows: int, n_words: int, n_topics: int) -> Rows:
    """Draw counts of words; each document is of one topic, and of any length."""
    rng = np.random.default_rng(12)
    topics = rng.dirichlet(np.full(n_words, 0.05), n_topics)
    lengths = rng.geometric(1 / 60, n_rows)
    return rng.multinomial(lengths, topics[rng.integers(n_topics, size=n_rows)]).astype(np.float32)


def loss(directions: Rows, centers: Centers) -> float:
    """Return the mean of 1 - cosine over rows of length 1."""
    return 1.0 - float((directions.astype(np.float64) @ unit(centers).T).max(axis=1).mean())


def unit(rows: Centers) -> NDArray[np.float64]:
    """Return rows scaled to length 1."""
    scaled: NDArray[np.float64] = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return scaled


def spherical_lloyd(directions: Rows, k: int, seed: int) -> Centers:
    """Run spherical k-means from random rows, until nothing changes or for `ITERATIONS`."""
    chosen = np.random.default_rng(seed).choice(len(directions), k, replace=False)
    centers, labels = unit(directions[chosen]).astype(np.float32), np.empty(0)
    for _ in range(ITERATIONS):
        before, labels = labels, (directions @ centers.T).argmax(axis=1)
        if np.array_equal(before, labels):
            break
        order = np.argsort(labels, kind="stable")
        filled, starts = np.unique(labels[order], return_index=True)
        centers[filled] = unit(np.add.reduceat(directions[order], starts, axis=0, dtype=np.float64))
    return centers


def measure(folder: Path | None = None) -> list[dict[str, Any]]:
    """Return the losses of all methods on all data."""
    return [_measured(case) for case in cases(folder)]


def _measured(case: Case) -> dict[str, Any]:
    directions = unit(case.rows).astype(np.float32)

    def of(method: Callable[[Rows, int, int], Centers]) -> list[float]:
        return [loss(directions, method(directions, case.k, seed)) for seed in range(RUNS)]

    with tempfile.TemporaryDirectory(prefix="kmeans-cosine-") as base:
        job = Job(Path(base), case.rows)
        ours = [loss(directions, job.train(case.k, seed, distance="cosine").centers) for seed in range(SEEDS)]
    found = {
        "data": case.name,
        "n": len(directions),
        "d": directions.shape[1],
        "k": case.k,
        "ours": ours,
        "lloyd": of(spherical_lloyd),
        "faiss": of(lambda rows, k, seed: faiss_kmeans(rows, k, seed, spherical=True).centers),
    }
    sys.stdout.write(f"  {case.name}, k = {case.k}: {fmean(ours):.6g}, the best of others {_best(found):.6g}\n")
    sys.stdout.flush()
    return found


def _best(found: Mapping[str, Any]) -> float:
    """Return the loss of the best run of spherical k-means."""
    return float(min(found["lloyd"]))


def section(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return the results as Markdown."""

    def ratio(values: Iterable[float], one: Mapping[str, Any]) -> str:
        return f"{fmean(values) / _best(one):.4f}"

    rows = [
        {
            "data": one["data"],
            "rows": f"{one['n']} x {one['d']}",
            "k": one["k"],
            "best of ten": f"{_best(one):.5f}",
            "ours, mean": ratio(one["ours"], one),
            "ours, worst": ratio([max(one["ours"])], one),
            "spherical k-means, mean": ratio(one["lloyd"], one),
            "faiss, mean": ratio(one["faiss"], one),
            "faiss, best": ratio([min(one["faiss"])], one),
        }
        for one in measured
    ]
    line = (
        "Means of 1 - cosine over all rows: that of the best of ten runs of spherical k-means, and those of "
        "`distance=cosine` and of others as multiples of it."
    )
    return f"## Cosine distance\n\n{line}\n\n{table(rows)}"


if __name__ == "__main__":
    sys.stdout.write(f"\n{section(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None))}\n")
