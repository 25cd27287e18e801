"""The sample: sizes, uniformity, bias."""

import numpy as np
import pytest

from kmeans.reservoir import Reservoir


def positions_kept(size: int, n: int, half_life: int, seed: int, batch: int = 37) -> np.ndarray:
    reservoir = Reservoir(size, 1, half_life, np.random.default_rng(seed))
    rows = np.arange(n, dtype=np.float32)[:, None]
    for start in range(0, n, batch):
        reservoir.add(rows[start : start + batch])
    kept, keys = reservoir.sample()
    assert len(kept) == len(keys) == min(size, n)
    assert reservoir.rows_seen == n
    return kept[:, 0].astype(int)


@pytest.mark.parametrize(("size", "n"), [(10, 3), (10, 10), (10, 11), (100, 5000), (5000, 4999), (1, 400)])
def test_it_holds_so_many_different_rows_in_order(size: int, n: int) -> None:
    kept = positions_kept(size, n, 0, seed=1)
    assert (np.diff(kept) > 0).all()


def test_all_rows_stay_while_they_fit() -> None:
    assert positions_kept(500, 300, 0, seed=1).tolist() == list(range(300))


def test_every_position_is_equally_likely() -> None:
    hits = np.zeros(200)
    for seed in range(1000):
        hits[positions_kept(20, 200, 0, seed)] += 1
    # Each count is binomial(1000, 0.1): standard deviation 9.5; chi-square over 199 degrees: mean 199, deviation 20.
    chi_square = ((hits - 100) ** 2 / 90).sum()
    assert 199 - 5 * 20 < chi_square < 199 + 5 * 20


def test_with_decay_newer_rows_prevail_by_the_half_life() -> None:
    hits = np.zeros(4000)
    for seed in range(200):
        hits[positions_kept(20, 4000, 500, seed, batch=1000)] += 1
    newest, older = hits[3500:].sum(), hits[3000:3500].sum()
    assert newest / older == pytest.approx(2.0, rel=0.2)


def test_keys_never_overflow_however_long_the_stream() -> None:
    reservoir = Reservoir(5, 1, 1, np.random.default_rng(0))
    for _ in range(50):
        reservoir.add(np.ones((5000, 1), np.float32))
    _, keys = reservoir.sample()
    assert np.isfinite(keys).all()


def test_the_kept_rows_depend_on_the_seed_alone_not_on_batches() -> None:
    assert positions_kept(50, 3000, 0, 7, batch=11).tolist() == positions_kept(50, 3000, 0, 7, batch=1000).tolist()
