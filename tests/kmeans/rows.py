"""Rows in memory as a source, settings for them, and rows that are made: blobs, heavy tails, mixed scales."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from kmeans.source import Stretch
from kmeans.types import DoubleArray, FloatArray, as_points

SCALES_OF = ("rows", "features", "numbers")


class Rows:
    """Rows in memory as a source; each pass reuses one buffer, as readers of files do.

    With `share` all hosts have the same rows, and divide the mini-batches.
    """

    def __init__(
        self, rows: FloatArray, batch_size: int, rereadable: bool = True, share: tuple[int, int] | None = None
    ) -> None:
        self.rows = rows
        self.batch_size = batch_size
        self.rereadable = rereadable
        self.shared = share is not None
        self.place, self.hosts = share or (0, 1)
        self.passes = 0

    def blocks(self, skip: int = 0) -> Iterator[FloatArray]:
        self.passes += 1
        assert skip % self.batch_size == 0 or skip >= len(self.rows)
        buffer = np.empty((self.batch_size, self.rows.shape[1]), np.float32)
        stride = self.hosts * self.batch_size
        for start in range(self.place * self.batch_size + self.hosts * skip, len(self.rows), stride):
            batch = self.rows[start : start + self.batch_size]
            buffer[: len(batch)] = batch
            yield buffer[: len(batch)]

    def stretches(self, skip: int = 0) -> Iterator[Stretch]:
        return self.blocks(skip)

    def relative(self, points: DoubleArray) -> DoubleArray:
        return points

    def read_ahead(self) -> bool:
        return False

    def sample(self, size: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        assert self.rereadable
        n_rows = len(self.rows)
        return self.rows[np.sort(rng.choice(n_rows, min(size, n_rows), replace=False))], n_rows


def settings_for(rows: FloatArray, k: int, **changes: object) -> TrainingSettings:
    defaults = TrainingSettings(
        k=k,
        n_centers=10 * k,
        n_features=rows.shape[1],
        batch_size=500,
        epochs=1,
        init_method="random",
        half_life=0,
        reassign_far_rows=True,
        finalization=FinalizationSettings(LloydSettings("kmeans++", 10, 300, 1e-4), refine=True),
        sample_size=100_000,
        kept_sample_size=100_000,
        seed=0,
    )
    return replace(defaults, **changes)  # type: ignore[arg-type]  # names and types are those of the fields


def blobs(n: int, d: int, k: int, seed: int) -> FloatArray:
    """Make rows around `k` places."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-10, 10, (k, d))
    return as_points(centers[rng.integers(0, k, n)] + rng.standard_normal((n, d)))


def heavy_tailed(n: int, d: int, seed: int) -> FloatArray:
    """Make rows of which few make most of the loss: logarithms are normal, and scales and places differ."""
    rng = np.random.default_rng(seed)
    places = rng.lognormal(0, 2, (12, d))
    labels = rng.choice(12, n, p=rng.dirichlet(np.full(12, 0.5)))
    return as_points(places[labels] * rng.lognormal(0, 1, (n, d)))


def mixed_scales(rng: np.random.Generator, n: int, d: int, of: str) -> FloatArray:
    """Make rows of numbers from 1e-30 to the largest float32; half of what is named by `of` is near 1."""
    shape = {"rows": (n, 1), "features": (1, d), "numbers": (n, d)}[of]
    exponents = np.where(rng.random(shape) < 0.5, 0.0, rng.uniform(-30, 38.5, shape))
    return as_points(rng.standard_normal((n, d)) * 10.0**exponents)
