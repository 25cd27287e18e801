"""What the benchmark of quality compares: our whole `train`, and the k-means of others; each gives centers."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans

from container.artifacts import model
from container.formats.recordio import dense_record, encode
from kmeans.types import FloatArray

Centers = NDArray[np.floating[Any]]

TOP = Path(__file__).parents[1]
# Several files, as channels have; the sample for the first centers is drawn over all of them.
PARTS = 4
# Rows of a step of MiniBatchKMeans: our `mini_batch_size`.
BATCH_ROWS = 5000
# Rows whose distances are computed at once.
BLOCK_ROWS = 8192


@dataclass(frozen=True)
class Fit:
    """What a method found.

    Parameters
    ----------
    centers : ndarray, shape (k, d)
        The model.
    seconds : float
        Wall clock; of ours, that of the whole process.
    """

    centers: Centers
    seconds: float


class Job:
    """Trains on one file tree, as often as asked.

    Parameters
    ----------
    base : Path
        An empty folder: the root of the tree.
    rows : ndarray of float32, shape (n, d)
        Written here, once, as RecordIO.
    """

    def __init__(self, base: Path, rows: FloatArray) -> None:
        self.base = base
        self._feature_dim = rows.shape[1]
        channel = base / "input/data/train"
        channel.mkdir(parents=True)
        (base / "input/config").mkdir()
        for number, part in enumerate(np.array_split(rows, PARTS)):
            (channel / f"part-{number}.pbr").write_bytes(encode(map(dense_record, part)))

    def train(self, k: int, seed: int, **hyperparameters: object) -> Fit:
        """Run `train` with these hyperparameters and the defaults of all others."""
        # What an earlier run left must not be taken for the result of this one.
        for left in ("model", "output"):
            shutil.rmtree(self.base / left, ignore_errors=True)
        given = {"k": k, "feature_dim": self._feature_dim, "seed": seed, **hyperparameters}
        content = json.dumps({name: str(value) for name, value in given.items()})
        (self.base / "input/config/hyperparameters.json").write_text(content)
        # The script names its Python by `env`.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        seconds = _run([TOP / "train"], {**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(self.base)})
        return Fit(model.load(self.base / "model").centers, seconds)

    def solve(self, k: int) -> Fit:
        """Make a model of `k` clusters from the state of the latest run."""
        solved = self.base / "solved.tar.gz"
        command = [sys.executable, "-m", "container.resolve", "--k", str(k), self.base / "output/model.tar.gz", solved]
        seconds = _run(command, os.environ)
        return Fit(model.load(solved).centers, seconds)


def kmeans(rows: NDArray[Any], k: int, seed: int) -> Fit:
    """Run scikit-learn's full-data Lloyd once, from greedy k-means++."""
    return _timed(lambda: KMeans(k, n_init=1, random_state=seed).fit(rows).cluster_centers_)


def minibatch_kmeans(rows: NDArray[Any], k: int, seed: int) -> Fit:
    """Run scikit-learn's MiniBatchKMeans in one pass, in the order of `rows`."""

    def fit() -> Centers:
        estimator = MiniBatchKMeans(k, batch_size=BATCH_ROWS, random_state=seed)
        for begin in range(0, len(rows), BATCH_ROWS):
            estimator.partial_fit(rows[begin : begin + BATCH_ROWS])
        centers: Centers = estimator.cluster_centers_
        return centers

    return _timed(fit)


def faiss_kmeans(rows: NDArray[Any], k: int, seed: int) -> Fit:
    """Run faiss's Kmeans with its defaults, but on all rows: it would take 256 for each center."""

    def fit() -> Centers:
        points = rows.astype(np.float32)
        estimator = faiss.Kmeans(
            points.shape[1], k, seed=seed, min_points_per_centroid=1, max_points_per_centroid=len(points)
        )
        estimator.train(points)
        return np.asarray(estimator.centroids)

    return _timed(fit)


def msd(rows: NDArray[Any], centers: Centers) -> float:
    """Give the mean squared distance of all rows to their nearest centers, in float64."""
    # Relative to a point amid the data, the products that find the nearest center lose no digits to a far origin.
    origin = rows.mean(axis=0, dtype=np.float64)
    shifted = centers.astype(np.float64) - origin
    half_norms = (shifted**2).sum(axis=1) / 2
    total = 0.0
    for begin in range(0, len(rows), BLOCK_ROWS):
        block = rows[begin : begin + BLOCK_ROWS] - origin
        labels = (half_norms - block @ shifted.T).argmin(axis=1)
        total += float(((block - shifted[labels]) ** 2).sum())
    return total / len(rows)


def _timed(fit: Callable[[], Centers]) -> Fit:
    began = time.perf_counter()
    centers = fit()
    return Fit(centers, time.perf_counter() - began)


def _run(command: Sequence[object], environment: Mapping[str, str]) -> float:
    """Run a program and give its seconds; its failure ends the benchmark."""
    began = time.perf_counter()
    process = subprocess.run(
        list(map(str, command)), cwd=TOP, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{process.stdout}{process.stderr}{' '.join(process.args)} ended with exit code {process.returncode}")
    return seconds
