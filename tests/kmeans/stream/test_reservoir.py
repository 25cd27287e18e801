"""The sample: sizes, uniformity, bias."""

import numpy as np
import pytest

from kmeans.communicator import SingleHost
from kmeans.stream.candidates import key_of
from kmeans.stream.reservoir import Reservoir
from tests.kmeans import naive


def positions_kept(size: int, n: int, half_life: int, seed: int, batch: int = 37) -> np.ndarray:
    reservoir = Reservoir(size, 1, half_life, np.random.default_rng(seed))
    rows = np.arange(n, dtype=np.float32)[:, None]
    for start in range(0, n, batch):
        some = rows[start : start + batch]
        reservoir.add(some, 3 * some[:, 0].astype(np.int64), some[:, 0].astype(np.float64))
    kept = reservoir.sample(SingleHost())
    positions = kept.rows[:, 0].astype(int)
    assert len(positions) == len(kept.weights) == min(size, n)
    assert kept.labels.tolist() == (3 * positions).tolist()
    assert kept.complete == (n <= size)
    assert reservoir.rows_seen == n
    return positions


@pytest.mark.parametrize(("size", "n"), [(10, 3), (10, 10), (10, 11), (100, 5000), (5000, 4999), (1, 400)])
def test_it_holds_the_stated_number_of_different_rows_in_order(size: int, n: int) -> None:
    kept = positions_kept(size, n, 0, seed=1)
    assert (np.diff(kept) > 0).all()


def test_all_rows_stay_while_they_fit() -> None:
    assert positions_kept(500, 300, 0, seed=1).tolist() == list(range(300))


@pytest.mark.parametrize("half_life", [0, 700])
@pytest.mark.parametrize("size", [1, 2, 5, 6, 300, 2999])
def test_it_keeps_the_rows_with_the_largest_keys(size: int, half_life: int) -> None:
    n, batch = 3000, 100
    key = int(key_of(np.random.default_rng(size)))
    exponentials = -np.log([naive.splitmix64(key, number) for number in range(n)])
    keys = np.arange(n) * (np.log(2) / half_life if half_life else 0.0) - np.log(exponentials)
    expected = np.sort(np.argsort(keys)[n - size :])
    assert positions_kept(size, n, half_life, size, batch).tolist() == expected.tolist()


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


def test_nothing_overflows_however_long_the_stream() -> None:
    reservoir = Reservoir(5, 1, 1, np.random.default_rng(0))
    for start in range(0, 250_000, 5000):
        reservoir.add(np.ones((5000, 1), np.float32), np.zeros(5000, np.int64), start + np.arange(5000.0))
    weights = reservoir.sample(SingleHost()).weights
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


@pytest.mark.parametrize("latest", [0.0, 1e9])
def test_no_weight_is_lost_where_the_latest_row_is_far_from_the_others(latest: float) -> None:
    """As where one host has more rows in a step than others: places of the next step may be before those of this."""
    reservoir = Reservoir(20, 1, 1, np.random.default_rng(0))
    reservoir.add(np.ones((10, 1), np.float32), np.zeros(10, np.int64), 5000 + np.arange(10.0))
    reservoir.add(np.ones((1, 1), np.float32), np.zeros(1, np.int64), np.array([latest]))
    weights = reservoir.sample(SingleHost()).weights
    assert np.isfinite(weights).all()
    assert weights.max() == pytest.approx(1.0)


def test_the_kept_rows_depend_on_the_seed_alone_not_on_batches() -> None:
    assert positions_kept(50, 3000, 0, 7, batch=11).tolist() == positions_kept(50, 3000, 0, 7, batch=1000).tolist()


@pytest.mark.parametrize("half_life", [0, 300])
@pytest.mark.parametrize("size", [50, 900, 1000])
def test_weights_add_up_to_those_of_all_rows(size: int, half_life: int) -> None:
    """Horvitz and Thompson's estimate has no bias, for any part of the rows; here the older half and the newer one."""
    n = 1000
    rows = np.arange(n, dtype=np.float32)[:, None]
    estimates = np.zeros((400, 2))
    for seed, estimate in enumerate(estimates):
        reservoir = Reservoir(size, 1, half_life, np.random.default_rng(seed))
        for start in range(0, n, 100):
            reservoir.add(rows[start : start + 100], np.zeros(100, np.int64), start + np.arange(100.0))
        sample = reservoir.sample(SingleHost())
        newer = sample.rows[:, 0] >= n // 2
        estimate[:] = sample.weights[~newer].sum(), sample.weights[newer].sum()
    exact = 0.5 ** (np.arange(n - 1, -1, -1) / half_life) if half_life else np.ones(n)
    truth = np.array([exact[: n // 2].sum(), exact[n // 2 :].sum()])
    errors = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - truth) <= 4 * errors + 1e-9 * truth).all()
