"""Means and deviations, compared with scikit-learn's, and features that outweigh all others."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from container.precision import scales
from container.precision.scales import dominance, dominant_feature, moments_of
from kmeans.communicator import SingleHost
from kmeans.sample import Sample
from kmeans.thread_hosts import run_hosts
from kmeans.types import DoubleArray

RNG = np.random.default_rng(0)
WINE: DoubleArray = load_wine().data


def sample_of(rows: DoubleArray, weights: DoubleArray | None = None) -> Sample:
    weights = np.ones(len(rows)) if weights is None else weights
    return Sample(rows.astype(np.float32), np.zeros(len(rows), np.int64), weights, complete=True)


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(
    "rows",
    [
        WINE,
        1.7e9 + RNG.integers(3600, size=(500, 2)),
        RNG.normal(size=(300, 3)) * [1e-30, 1e30, 1.0],
        np.where(RNG.random((400, 2)) < 0.1, 1e36, RNG.normal(size=(400, 2))),
    ],
    ids=["wine", "times", "extremes", "fill values"],
)
def test_they_are_those_of_the_standard_scaler(rows: DoubleArray, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scales, "_PIECE_NUMBERS", piece)
    scaler = StandardScaler().fit(rows)
    found = moments_of(rows, len(rows), SingleHost()).coordinates().arrays()
    np.testing.assert_allclose(found["means"], scaler.mean_, rtol=1e-13)
    np.testing.assert_allclose(found["scales"], scaler.scale_, rtol=1e-9)


def test_constant_features_keep_their_units_as_there() -> None:
    rows = np.column_stack([np.full(100, 0.1), np.full(100, 1.7e9 + 1), np.where(np.arange(100) == 3, 1.0, 0.0)])
    # Digits of 0.1 that float64 does not hold.
    rows[::2, 0] += 1e-17
    rows[1::2, 0] = np.nextafter(0.1, 1)
    spread = moments_of(rows, 100, SingleHost())
    np.testing.assert_allclose(spread.coordinates().arrays()["scales"], StandardScaler().fit(rows).scale_)
    assert spread.constant.tolist() == [True, True, False]


def test_hosts_agree_on_those_of_all_rows_that_theirs_stand_for() -> None:
    shards = [WINE[:20], np.empty((0, 13)), WINE[20:]]
    found = run_hosts(3, lambda host: moments_of(shards[host.rank], len(shards[host.rank]), host))
    assert len({(each.means.tobytes(), each.variances.tobytes(), each.n_rows) for each in found}) == 1
    np.testing.assert_allclose(found[0].means, WINE.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found[0].variances, WINE.var(axis=0), rtol=1e-12)
    # Ten rows that stand for 90, and ten that stand for 10.
    rows, n_represented = [np.zeros((10, 1)), np.ones((10, 1))], [90, 10]
    found = run_hosts(2, lambda host: moments_of(rows[host.rank], n_represented[host.rank], host))
    assert (found[0].means[0], found[0].variances[0]) == pytest.approx((0.1, 0.09))


def test_without_a_row_nothing_is_scaled() -> None:
    spread = moments_of(np.empty((0, 2)), 0, SingleHost())
    assert spread.n_rows == 0
    assert spread.coordinates().description() == {"standardization": {"means": [0.0, 0.0], "scales": [1.0, 1.0]}}


def test_the_feature_that_outweighs_all_others_is_named() -> None:
    assert (dominant_feature(sample_of(WINE)) or (None, 0.0)) == pytest.approx((12, 0.9977), abs=1e-3)
    message = dominance(sample_of(WINE))
    assert message == (
        "One feature outweighs all others: feature 12 has 99.8 % of the variance of all features. "
        "If they are in different units, train with standardize=true."
    )
    names = [f"column {number}" for number in range(13)]
    assert "feature 'column 12' has" in (dominance(sample_of(WINE), names) or "")
    two = np.column_stack([1e9 * RNG.random(100), RNG.random(100)])
    assert " has 99.9 % of the variance" in (dominance(sample_of(two)) or "")


@pytest.mark.parametrize(
    "sample",
    [
        sample_of(StandardScaler().fit_transform(WINE)),
        sample_of(WINE[:, :1]),
        sample_of(np.ones((5, 3))),
        sample_of(np.column_stack([np.arange(5.0), np.full(5, 0.1), np.full(5, 0.3)])),
        sample_of(np.empty((0, 2))),
        # The far rows weigh nothing.
        sample_of(np.array([[0.0, 0.0], [1.0, 1.0], [1e9, 1.0]]), np.array([1.0, 1.0, 0.0])),
    ],
    ids=["standardized", "a single one", "no variance", "a single one that varies", "no row", "without weight"],
)
def test_otherwise_none_is(sample: Sample) -> None:
    assert dominance(sample) is None
