"""Results of other k-means on the data sets of the quality benchmark, cached in a file by the checksum of the rows."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import RESULTS, machine
from benchmarks.methods import FAISS_ITERATIONS, Fit, faiss_kmeans, lloyd, minibatch_kmeans, score

PATH = RESULTS / "quality-baselines.json"
RUNS = 10
# A limit only: Lloyd's method ends when nothing changes.
ITERATIONS = 300
# If an iteration takes more multiplications than this, there are fewer runs and iterations, in the rows' own precision.
COSTLY = 1e10
COSTLY_RUNS = 3
COSTLY_ITERATIONS = 25


@dataclass(frozen=True)
class Method:
    """Another k-means.

    Attributes
    ----------
    name : str
        Its name in the tables.
    fit : callable
        Called with rows, k, a seed and the maximum number of iterations; returns a `Fit`.
    iterations : int
        Maximum number of iterations.
    """

    name: str
    fit: Callable[[NDArray[Any], int, int, int], Fit]
    iterations: int


LLOYD = Method("KMeans", lloyd, ITERATIONS)
FAISS = Method("faiss", faiss_kmeans, FAISS_ITERATIONS)
MINIBATCH = Method("MiniBatchKMeans", minibatch_kmeans, 1)


class Baselines:
    """Figures of other methods, read from a file; missing ones are measured when asked for, and added to the file.

    Parameters
    ----------
    path : Path
        A JSON file, which need not exist.
    """

    def __init__(self, path: Path = PATH) -> None:
        self.path = path
        entries = json.loads(path.read_text())["results"] if path.exists() else []
        self._known: dict[tuple[str, int, int], dict[str, Any]] = {
            (entry["method"], entry["crc32"], entry["k"]): entry for entry in entries
        }

    def figures(self, method: Method, name: str, rows: NDArray[Any], k: int) -> dict[str, Any]:
        """Return the figures of a method on a data set.

        Parameters
        ----------
        method : Method
            The method.
        name : str
            Name of the rows in the file.
        rows : ndarray of float32 or float64, shape (n, d)
            The points, in the order in which to read them.
        k : int
            Number of clusters.

        Returns
        -------
        dict
            The `msd` of each run on all rows, and their `mean`, `best` and `worst`; `method`, `data`, `n`, `d`, `k`,
            `crc32` of the rows' bytes, and the maximum `iterations`. No times, since those depend on the machine.
        """
        key = (method.name, zlib.crc32(np.ascontiguousarray(rows).data), k)
        if key not in self._known:
            self._known[key] = {
                "method": method.name,
                "data": name,
                "n": rows.shape[0],
                "d": rows.shape[1],
                "k": k,
                "crc32": key[1],
                **_measured(method, rows, k),
            }
            self._write()
        return self._known[key]

    def _write(self) -> None:
        # One line for each, so that diffs are readable.
        entries = sorted(self._known.values(), key=lambda entry: (entry["method"], entry["data"], entry["k"]))
        lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
        text = f'{{\n "machine": {json.dumps(machine())},\n "results": [\n{lines}\n ]\n}}\n'
        partial = self.path.with_suffix(".part")
        partial.write_text(text)
        partial.replace(self.path)


def is_costly(rows: NDArray[Any], k: int) -> bool:
    """Return whether an iteration over these rows takes so long that there are fewer runs and iterations."""
    return rows.size * k > COSTLY


def _measured(method: Method, rows: NDArray[Any], k: int) -> dict[str, Any]:
    costly = is_costly(rows, k)
    iterations = min(method.iterations, COSTLY_ITERATIONS) if costly else method.iterations
    # In float64, so that rounding does not count against them, unless that takes too long; faiss has only float32.
    points = rows if costly else rows.astype(np.float64)

    seeds = range(COSTLY_RUNS if costly else RUNS)
    values = [score(rows, method.fit(points, k, seed, iterations).centers).msd for seed in seeds]
    return {
        "iterations": iterations,
        "mean": fmean(values),
        "best": min(values),
        "worst": max(values),
        "msd": values,
    }
