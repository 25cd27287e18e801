"""Hard data sets of the quality benchmark, all generated: heavy tails, fill values, embeddings, time stamps."""

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.datasets import Dataset, Reading, dataset, shuffled
from benchmarks.files import CSV, FLOAT64, INT32
from kmeans.types import FloatArray, LabelArray

# Fill values for missing numbers: a common one, and one so large that sums with it lose all other digits.
MISSING = -9999.0
FAR_MISSING = 1e20
# The first time stamp, in seconds since 1970, where float32 has steps of 128.
EPOCH = 1_700_000_000
HOUR = 3600
# Rows generated at once, to limit memory.
BLOCK_ROWS = 10_000


def hard() -> dict[str, Callable[[], Dataset]]:
    """Return functions that generate the data sets, by name."""
    return {
        "lognormal": lognormal,
        "power_law": power_law,
        "fill_values": fill_values,
        "embeddings": partial(embeddings, "embeddings", 60_000, 192, 900, 300),
        "embeddings_large": partial(embeddings, "embeddings_large", 300_000, 384, 3000, 1000),
        "time_2h": partial(time_stamps, "time_2h", 2),
        "time_6h": partial(time_stamps, "time_6h", 6),
    }


def lognormal() -> Dataset:
    """300 blobs with log-normal sizes and scales: a few have most rows, others most of the loss."""
    n_rows, n_features, n_blobs = 100_000, 16, 300
    rng = np.random.default_rng(7)
    sizes = rng.lognormal(sigma=2, size=n_blobs)
    labels = rng.choice(n_blobs, n_rows, p=sizes / sizes.sum())
    centers = 10 * rng.standard_normal((n_blobs, n_features))
    scales = rng.lognormal(sigma=1, size=n_blobs)
    rows = centers[labels] + scales[labels, None] * rng.standard_normal((n_rows, n_features))
    return dataset("lognormal", rows, 50, labels)


def power_law() -> Dataset:
    """Power-law counts with infinite variance, such as votes or visits: a few rows have most of the loss."""
    n_rows, n_features = 250_000, 6
    rng = np.random.default_rng(8)
    popularity = 10 * (1 + rng.pareto(1.5, n_rows))
    shares = rng.lognormal(sigma=0.7, size=(n_rows, n_features))
    return dataset("power_law", np.floor(popularity[:, None] * shares), 50)


def fill_values() -> Dataset:
    """Amounts, with -9999 in a few cells of each column, and 1e20 in five cells of one."""
    n_rows, n_features = 50_000, 8
    rng = np.random.default_rng(9)
    segments = rng.normal(3, 1, (40, n_features))[rng.integers(40, size=n_rows)]
    rows = np.exp(segments + 0.3 * rng.standard_normal((n_rows, n_features)))
    rows[rng.random(rows.shape) < 0.005] = MISSING
    rows[rng.choice(n_rows, 5, replace=False), n_features - 1] = FAR_MISSING
    return dataset("fill_values", rows, 50)


def embeddings(name: str, n: int, d: int, directions: int, k: int) -> Dataset:
    """Return the data set of `n` unit vectors in `d` dimensions."""
    rows, labels = unit_vectors(n, d, directions)
    return dataset(name, rows, k, labels, ks=(k,))


def unit_vectors(n: int, d: int, directions: int) -> tuple[FloatArray, LabelArray]:
    """Return rows of length 1, float32 (n, d), around random directions, as embeddings of texts are; and which."""
    rng = np.random.default_rng(11)
    centers = rng.normal(size=(directions, d))
    labels = rng.integers(0, directions, n)
    rows = np.empty((n, d), np.float32)
    for begin in range(0, n, BLOCK_ROWS):
        some = labels[begin : begin + BLOCK_ROWS]
        block = 0.5 * centers[some] + 0.7 * rng.normal(size=(len(some), d))
        rows[begin : begin + BLOCK_ROWS] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows, labels


def time_stamps(name: str, hours: int) -> Dataset:
    """Return events around 100 moments within `hours`: their time in epoch seconds, and their length in seconds."""
    n_rows, n_moments = 20_000, 100
    rng = np.random.default_rng(12)
    moments = rng.uniform(0, hours * HOUR, n_moments)
    seconds = rng.normal(moments[rng.integers(n_moments, size=n_rows)], 20)
    rows = np.column_stack([EPOCH + np.floor(seconds), np.ceil(rng.lognormal(2, 1, n_rows))])
    readings = {form: Reading(shuffled(n_rows), form) for form in (FLOAT64, INT32, CSV)}
    return Dataset(name, rows, 60, (60,), readings)
