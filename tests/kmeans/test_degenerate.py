"""Data that break naive implementations: each gives finite centers, no empty cluster, and a loss near the optimum."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.cluster import KMeans

from kmeans.types import DoubleArray, FloatArray
from tests.kmeans import naive
from tests.kmeans.rows import settings_for
from tests.kmeans.test_training import train

K = 5


def blobs(seed: int = 0, n: int = 3000, d: int = 3) -> DoubleArray:
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-10, 10, (K, d))
    return np.asarray(centers[rng.integers(0, K, n)] + rng.standard_normal((n, d)))


def with_outlier() -> DoubleArray:
    rows = blobs()
    rows[1234] = 1e6
    return rows


def with_constant() -> DoubleArray:
    rows = blobs()
    rows[:, 1] = 7.25
    return rows


def all_zero_but_few() -> DoubleArray:
    rows = np.zeros((3000, 3))
    rows[100:120] = blobs(1, 20)
    return rows


def from_end_to_end() -> DoubleArray:
    rows = blobs() * 1e36 + 3.2e38
    rows[:300] -= 6.4e38
    return rows


DATA: dict[str, Callable[[], DoubleArray]] = {
    "a far outlier": with_outlier,
    "a constant feature": with_constant,
    "scales that differ by 1e6": lambda: blobs() * np.array([1e-3, 1.0, 1e3]),
    "an offset of 1e6": lambda: blobs() + 1e6,
    "an offset of 1e6 in one feature": lambda: blobs() + np.array([0.0, 1e6, 0.0]),
    "duplicates": lambda: np.repeat(blobs(n=60), 50, axis=0),
    "mostly zero": all_zero_but_few,
    "near the largest float32": lambda: blobs() * (3.3e38 / np.abs(blobs()).max()),
    "from end to end of float32": from_end_to_end,
    "near the smallest float32": lambda: blobs() * 1e-38,
    "one feature": lambda: blobs(d=1),
    "fewer rows than centers": lambda: blobs(n=30),
    "as many rows as clusters": lambda: blobs(n=K),
}


@pytest.mark.parametrize("sample_size", [100_000, 700, 40])
@pytest.mark.parametrize("name", DATA)
def test_degenerate_data(name: str, sample_size: int) -> None:
    rows: FloatArray = DATA[name]().astype(np.float32)
    model = train(rows, settings_for(rows, K, sample_size=sample_size, kept_sample_size=sample_size))
    assert np.isfinite(model.centers).all()
    # Squares of the largest and the smallest numbers would overflow and vanish in scikit-learn's float32.
    scale = 1.0 / np.abs(rows).max()
    scaled = rows.astype(np.float64) * scale
    labels, squared = naive.nearest(scaled, model.centers.astype(np.float64) * scale)
    assert len(np.unique(labels)) == K
    best = KMeans(K, n_init=10, random_state=0).fit(scaled - scaled.mean(axis=0)).inertia_ / len(rows)
    # float32 has steps of 1/16 at 1e6: their square is noise that no centers take away.
    assert squared.mean() <= 1.02 * best + 1e-12


@pytest.mark.parametrize("order", ["cluster", "feature", "reversed feature"])
@pytest.mark.parametrize("sample_size", [100_000, 500])
def test_the_order_of_rows_matters_little(order: str, sample_size: int) -> None:
    rng = np.random.default_rng(3)
    centers = rng.uniform(-10, 10, (K, 4))
    labels = rng.integers(0, K, 20_000)
    rows: FloatArray = (centers[labels] + rng.standard_normal((20_000, 4))).astype(np.float32)
    by = labels if order == "cluster" else rows[:, 0] if order == "feature" else -rows[:, 0]
    losses = [
        naive.nearest(some, train(some, settings_for(some, K, sample_size=sample_size)).centers.astype(float))[1].mean()
        for some in (rows, rows[np.argsort(by, kind="stable")])
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.01)
