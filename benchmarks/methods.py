"""The methods that the quality benchmark compares: the whole `train`, and other k-means."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans

from benchmarks import files
from benchmarks.measure import rest
from container.artifacts import model
from container.serving.app import create_app
from container.serving.model import ServedModel
from container.serving.settings import ServingSettings
from tools.documents import ROOT

Centers = NDArray[np.floating[Any]]

# Rows of a step of MiniBatchKMeans: the default `mini_batch_size` of `train`.
BATCH_ROWS = 5000
# The default of faiss's Kmeans.
FAISS_ITERATIONS = 25
# Rows whose distances are computed at once.
BLOCK_ROWS = 8192
# Maximum number of rows for the median.
ORIGIN_ROWS = 10_000
# A value so large that float64 sums with it lose the digits of all others.
DROWNING = 1e15


@dataclass(frozen=True)
class Fit:
    """The result of a method.

    Attributes
    ----------
    centers : ndarray, shape (k, d)
        The centers of the model.
    seconds : float
        Wall-clock time; for `train`, that of the whole process.
    description : Mapping
        For `train`, the content of `kmeans.json`; empty for other methods.
    """

    centers: Centers
    seconds: float
    description: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """How a model fits rows: the msd and the cluster sizes."""

    msd: float
    sizes: NDArray[np.int64]


class Job:
    """Jobs on one tree of files, which `train` can run any number of times.

    Parameters
    ----------
    base : Path
        An empty folder, the root of the tree.
    rows : ndarray, shape (n, d)
        The training rows, which are written once.
    form : str
        The format of the files; a key of `benchmarks.files.FORMS`.
    """

    def __init__(self, base: Path, rows: NDArray[Any], form: str = files.FLOAT32) -> None:
        self.base = base
        self._feature_dim = rows.shape[1]
        channel = base / "input/data/train"
        channel.mkdir(parents=True)
        (base / "input/config").mkdir()
        content = {"train": {"ContentType": files.FORMS[form].content_type}}
        (base / "input/config/inputdataconfig.json").write_text(json.dumps(content))
        files.write(rows, channel, form)

    def train(self, k: int, seed: int, checkout: Path = ROOT, **hyperparameters: object) -> Fit:
        """Run the `train` of a checkout with these hyperparameters, and defaults for all others."""
        # Output of an earlier run must not be taken for that of this one.
        for left in ("model", "output"):
            shutil.rmtree(self.base / left, ignore_errors=True)
        given = {"k": k, "feature_dim": self._feature_dim, "seed": seed, **hyperparameters}
        content = json.dumps({name: str(value) for name, value in given.items()})
        (self.base / "input/config/hyperparameters.json").write_text(content)
        # The script finds Python on the PATH.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "SAGEMAKER_BASE_DIR": str(self.base)}
        return _found(self.base / "model", _run([checkout / "train"], environment, checkout))

    def centers_of_stream(self) -> int:
        """Return the maximum number of clusters for `solve` after the latest run."""
        return int((model.load_state(self.base / "model")[0].weights > 0).sum())

    def curve(self) -> dict[int, float]:
        """Return the estimates of the msd for each k that the latest run has written."""
        content = json.loads((self.base / "output/data/msd_by_k.json").read_text())
        return {one["k"]: one["msd"] for one in content["msd_by_k"]}

    def solve(self, k: int, *, from_model: bool = False) -> Fit:
        """Return a model with `k` clusters, made from the output of the latest run, or from its model alone."""
        solved = self.base / "solved.tar.gz"
        given = self.base / ("output/model.tar.gz" if from_model else "output")
        command = [sys.executable, "-m", "container.resolve", "--k", str(k), given, solved]
        return _found(solved, _run(command, os.environ, ROOT))

    def serve(self, rows: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the clusters and distances that `serve` returns for rows of CSV, with the latest model."""
        client = create_app(ServedModel(self.base / "model"), ServingSettings()).test_client()
        answers: list[Mapping[str, float]] = []
        for begin in range(0, len(rows), BLOCK_ROWS):
            body = files.FORMS[files.CSV].encode(rows[begin : begin + BLOCK_ROWS])
            answer = client.post(
                "/invocations", data=body, headers={"Content-Type": "text/csv", "Accept": "application/json"}
            )
            if answer.status_code != HTTPStatus.OK:
                sys.exit(f"expected predictions, got {answer.status} {answer.text}")
            answers += answer.get_json()["predictions"]
        clusters = np.array([row["closest_cluster"] for row in answers]).astype(np.int64)
        return clusters, np.array([row["distance_to_cluster"] for row in answers])


def _found(path: Path, seconds: float) -> Fit:
    loaded = model.load(path)
    return Fit(loaded.centers, seconds, loaded.description or {})


def lloyd(rows: NDArray[Any], k: int, seed: int, iterations: int) -> Fit:
    """Run scikit-learn's Lloyd on all rows once, from greedy k-means++, until nothing changes or for `iterations`.

    Rows with a value of `DROWNING` or more get one of the clusters for themselves, since scikit-learn subtracts the
    mean of all rows, in which the others would lose their digits.
    """
    drowning = np.abs(rows).max(axis=1) >= DROWNING

    def fit() -> Centers:
        if not drowning.any():
            return _lloyd(rows, k, seed, iterations)
        return np.concatenate([_lloyd(rows[~drowning], k - 1, seed, iterations), rows[drowning].mean(0, keepdims=True)])

    return _timed(fit)


def _lloyd(rows: NDArray[Any], k: int, seed: int, iterations: int) -> Centers:
    centers: Centers = KMeans(k, n_init=1, max_iter=iterations, tol=0, random_state=seed).fit(rows).cluster_centers_
    return centers


def minibatch_kmeans(rows: NDArray[Any], k: int, seed: int, passes: int = 1) -> Fit:
    """Run scikit-learn's MiniBatchKMeans for a number of passes, in the order of `rows`."""

    def fit() -> Centers:
        estimator = MiniBatchKMeans(k, batch_size=BATCH_ROWS, random_state=seed)
        for begin in list(range(0, len(rows), BATCH_ROWS)) * passes:
            estimator.partial_fit(rows[begin : begin + BATCH_ROWS])
        centers: Centers = estimator.cluster_centers_
        return centers

    return _timed(fit)


def faiss_kmeans(
    rows: NDArray[Any], k: int, seed: int, iterations: int = FAISS_ITERATIONS, *, spherical: bool = False
) -> Fit:
    """Run faiss's Kmeans with its defaults, but on all rows instead of 256 for each center."""
    points = rows.astype(np.float32)

    def fit() -> Centers:
        estimator = faiss.Kmeans(
            points.shape[1],
            k,
            niter=iterations,
            seed=seed,
            spherical=spherical,
            min_points_per_centroid=1,
            max_points_per_centroid=len(points),
        )
        estimator.train(points)
        return np.asarray(estimator.centroids)

    return _timed(fit)


def score(rows: NDArray[Any], centers: Centers) -> Score:
    """Assign all rows to their nearest centers, in float64."""
    # Relative to a point in the middle of the data, the products lose no digits to a far origin. The median does not
    # depend on fill values.
    origin = np.median(rows[:: 1 + len(rows) // ORIGIN_ROWS], axis=0).astype(np.float64)
    shifted = centers.astype(np.float64) - origin
    half_norms = (shifted**2).sum(axis=1) / 2
    total = 0.0
    sizes = np.zeros(len(centers), np.int64)
    for begin in range(0, len(rows), BLOCK_ROWS):
        block = rows[begin : begin + BLOCK_ROWS] - origin
        labels = (half_norms - block @ shifted.T).argmin(axis=1)
        total += float(((block - shifted[labels]) ** 2).sum())
        sizes += np.bincount(labels, minlength=len(centers))
    return Score(total / len(rows), sizes)


def _timed(fit: Callable[[], Centers]) -> Fit:
    rest()
    began = time.perf_counter()
    centers = fit()
    return Fit(centers, time.perf_counter() - began)


def _run(command: Sequence[object], environment: Mapping[str, str], folder: Path) -> float:
    """Run a program in a folder and return its seconds; end the benchmark if it fails."""
    rest()
    began = time.perf_counter()
    process = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if process.returncode:
        sys.exit(f"{process.stdout}{process.stderr}{' '.join(process.args)} ended with exit code {process.returncode}")
    return seconds
