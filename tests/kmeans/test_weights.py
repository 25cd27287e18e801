"""Rows with weights: one of weight 3 gives the model of three rows."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans

from kmeans.communicator import Communicator, SingleHost
from kmeans.finalization.rowless import without_rows
from kmeans.model import Model
from kmeans.observer import MiniBatch, Silent
from kmeans.points import Rows as AnyRows
from kmeans.points import WeightedPoints, with_weights
from kmeans.sample import Sample
from kmeans.state import State
from kmeans.stream.control import Control
from kmeans.stream.epoch_losses import EpochLosses
from kmeans.stream.first_centers import GivenCenters
from kmeans.stream.reservoir import Reservoir
from kmeans.stream.row_weights import RowWeights, Turns
from kmeans.stream.snapshot import RunSnapshot
from kmeans.thread_hosts import run_hosts
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import DoubleArray, FloatArray
from tests.kmeans.rows import Rows, blobs, settings_for

K = 6
N = 1500


class WeightedRows(Rows):
    """Rows in memory with weights."""

    def __init__(self, rows: FloatArray, weights: DoubleArray, batch_size: int, *, rereadable: bool = True) -> None:
        super().__init__(rows, batch_size, rereadable)
        self.weights = weights

    def blocks(self, skip: int = 0) -> Iterator[WeightedPoints]:  # type: ignore[override]
        for start in range(skip, len(self.rows), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield WeightedPoints(self.rows[part], self.weights[part])

    def sample(self, size: int, rng: np.random.Generator) -> tuple[AnyRows, int]:  # type: ignore[override]
        places = np.sort(rng.choice(len(self.rows), min(size, len(self.rows)), replace=False))
        return with_weights(self.rows[places], self.weights[places]), len(self.rows)


@pytest.fixture(scope="module")
def rows() -> FloatArray:
    return blobs(N, 4, K, seed=0)


@pytest.fixture(scope="module")
def weights() -> DoubleArray:
    return np.random.default_rng(1).integers(1, 6, N).astype(np.float64)


def repeated(rows: FloatArray, weights: DoubleArray) -> FloatArray:
    return np.repeat(rows, weights.astype(np.int64), axis=0)


def train(source: Rows, control: Control | None = None, snapshot: RunSnapshot | None = None, **changes: Any) -> Model:
    weighted = isinstance(source, WeightedRows)
    settings = settings_for(source.rows, K, weighted=weighted, **changes)
    with Threads(2) as threads:
        return fit(source, settings, SingleHost(), threads, Silent(), control, snapshot=snapshot)


def in_order(points: FloatArray) -> FloatArray:
    return points[np.lexsort(points.T)]


def weighted_msd(rows: FloatArray, weights: DoubleArray, centers: FloatArray) -> float:
    squares = ((rows.astype(np.float64)[:, None] - centers.astype(np.float64)) ** 2).sum(axis=2).min(axis=1)
    return float(np.average(squares, weights=weights))


@pytest.mark.parametrize("rereadable", [True, False])
@pytest.mark.parametrize(
    "changes", [{}, {"half_life": 2000}, {"epochs": 3, "sample_size": 500}, {"init_method": "kmeans++"}]
)
def test_it_is_the_model_of_repeated_rows(
    rows: FloatArray, weights: DoubleArray, changes: dict[str, Any], rereadable: bool
) -> None:
    one = train(WeightedRows(rows, weights, 500, rereadable=rereadable), **changes)
    other = train(Rows(repeated(rows, weights), 500, rereadable), **changes)
    # Where rows are drawn for the sample, and not all are read again, chance draws others.
    chance = not (one.score.is_exact and other.score.is_exact)
    tolerance = 0.1 if chance else 1e-5
    np.testing.assert_allclose(in_order(one.centers), in_order(other.centers), rtol=0, atol=tolerance)
    assert one.rows == len(rows)
    assert one.score.weight == pytest.approx(other.rows, rel=1e-12)
    assert one.score.msd == pytest.approx(other.score.msd, rel=0.02 if chance else 1e-9)
    assert one.state.weights.sum() == pytest.approx(other.state.weights.sum(), rel=1e-9)
    assert one.curve.suggestion == other.curve.suggestion
    if not chance:
        assert one.score.msd == pytest.approx(weighted_msd(rows, weights, one.centers), rel=1e-12)
        np.testing.assert_array_equal(np.sort(one.score.cluster_sizes), np.sort(other.score.cluster_sizes))


def test_all_figures_of_a_complete_sample_are_those_of_repeated_rows(rows: FloatArray, weights: DoubleArray) -> None:
    one = train(WeightedRows(rows, weights, 500))
    other = train(Rows(repeated(rows, weights), 500))
    assert one.score.is_exact
    assert one.curve.total_msd == pytest.approx(other.curve.total_msd, rel=1e-12)
    here, there = one.curve.of(K), other.curve.of(K)
    assert here is not None
    assert there is not None
    assert here.calinski_harabasz == pytest.approx(there.calinski_harabasz, rel=1e-9)
    assert here.davies_bouldin == pytest.approx(there.davies_bouldin, rel=0.02)
    best = KMeans(K, n_init=5, random_state=0).fit(rows, sample_weight=weights)
    assert one.score.ssd <= best.inertia_ * (1.0 + 1e-6)


class Noted(Silent):
    """Keeps what is reported of the loss."""

    def __init__(self) -> None:
        self.settled_after: tuple[int, float | None] = 0, None
        self.batches: list[MiniBatch] = []

    def epochs_ended_early(self, epochs: int, losses: EpochLosses) -> None:
        self.settled_after = epochs, losses.latest

    def assigned(self, batch: MiniBatch) -> None:
        self.batches.append(batch)


def test_the_loss_of_an_epoch_is_that_of_the_rows_whatever_they_weigh(rows: FloatArray) -> None:
    found = []
    for source in (WeightedRows(rows, np.full(N, 7.0), 500), Rows(rows, 500)):
        observer = Noted()
        weighted = isinstance(source, WeightedRows)
        settings = settings_for(rows, K, weighted=weighted, epochs=9, early_stopping_tolerance=0.02)
        with Threads(2) as threads:
            fit(source, settings, SingleHost(), threads, observer)
        found.append(observer.settled_after)
    (epochs, loss), (expected_epochs, expected) = found
    assert epochs == expected_epochs > 0
    assert loss == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("sample_size", [400, 100_000])
@pytest.mark.parametrize("n_hosts", [1, 2])
def test_a_model_that_is_kept_is_scored_as_on_repeated_rows(
    rows: FloatArray, weights: DoubleArray, n_hosts: int, sample_size: int
) -> None:
    given = rows[:K].astype(np.float64)
    everything = repeated(rows, weights)

    def kept(host: Communicator, source: Rows) -> tuple[Model, MiniBatch]:
        observer = Noted()
        weighted = isinstance(source, WeightedRows)
        settings = settings_for(rows, K, weighted=weighted, epochs=0, sample_size=sample_size)
        with Threads(2) as threads:
            model = fit(source, settings, host, threads, observer, earlier=GivenCenters(given, np.zeros(K)))
        return model, observer.batches[0]

    def own(host: Communicator) -> tuple[Model, MiniBatch]:
        part = slice(host.rank, None, n_hosts)
        return kept(host, WeightedRows(rows[part].copy(), weights[part].copy(), 500))

    one, batch = run_hosts(n_hosts, own)[0]
    other, _ = kept(SingleHost(), Rows(everything, 500))
    assert one.centers.tobytes() == other.centers.tobytes()
    assert one.rows == batch.rows == N
    assert batch.count == one.score.weight == other.score.weight == len(everything)
    assert one.score.msd == pytest.approx(other.score.msd, rel=1e-9)
    np.testing.assert_array_equal(one.score.cluster_sizes, other.score.cluster_sizes)
    np.testing.assert_array_equal(one.state.weights, other.state.weights)
    assert one.state.spreads is not None
    assert other.state.spreads is not None
    np.testing.assert_allclose(one.state.spreads, other.state.spreads, rtol=1e-6)
    here, there = one.curve.of(K), other.curve.of(K)
    assert here is not None
    assert there is not None
    assert here.calinski_harabasz == pytest.approx(there.calinski_harabasz, rel=0.05)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_work_of_the_stream_is_that_of_rows_whatever_they_weigh(
    rows: FloatArray, weights: DoubleArray, factor: float
) -> None:
    for sample_size in (400, 100_000):
        state = train(WeightedRows(rows, factor * weights, 500), sample_size=sample_size).state
        work = replace(state, sample=reservoir_of(rows, factor * weights, sample_size)).work
        assert work == pytest.approx(N * state.centers.size, rel=0.1)


def reservoir_of(rows: FloatArray, weights: DoubleArray, size: int) -> Sample:
    reservoir = Reservoir(size, rows.shape[1], 0, np.random.default_rng(0), weighted=True)
    reservoir.add(rows, np.zeros(len(rows), np.int64), np.arange(len(rows), dtype=np.float64), weights=weights)
    return reservoir.sample(SingleHost())


def test_fractions_and_extremes_count_as_what_they_are(rows: FloatArray) -> None:
    weights = np.random.default_rng(2).lognormal(0, 3, len(rows)) * 1e-9
    model = train(WeightedRows(rows, weights, 500), sample_size=600)
    assert model.score.weight == pytest.approx(weights.sum(), rel=1e-9)
    best = KMeans(K, n_init=5, random_state=0).fit(rows, sample_weight=weights)
    assert weighted_msd(rows, weights, model.centers) * weights.sum() <= best.inertia_ * 1.001


def test_an_estimate_is_near_the_loss(rows: FloatArray, weights: DoubleArray) -> None:
    wide = (rows * np.random.default_rng(3).lognormal(0, 1, (len(rows), 1))).astype(np.float32)
    model = train(WeightedRows(wide, weights, 500, rereadable=False), sample_size=400)
    assert not model.score.is_exact
    loss = weighted_msd(wide, weights, model.centers)
    assert model.score.msd == pytest.approx(loss, abs=5 * model.score.msd_error + 0.01 * loss)
    assert model.score.cluster_sizes.sum() == pytest.approx(weights.sum(), rel=1e-12)


@pytest.mark.parametrize("half_life", [0, 2000])
def test_an_interrupted_run_resumes_with_the_same_bytes(rows: FloatArray, weights: DoubleArray, half_life: int) -> None:
    snapshots: list[RunSnapshot] = []

    def save(snapshot: RunSnapshot) -> None:
        snapshots.append(deepcopy(snapshot))

    changes: dict[str, Any] = {"epochs": 2, "sample_size": 700, "half_life": half_life}
    whole = train(WeightedRows(rows, weights, 500), Control(saving=lambda: True, save=save), **changes)
    resumed = train(WeightedRows(rows, weights, 500), snapshot=snapshots[3], **changes)
    assert resumed.centers.tobytes() == whole.centers.tobytes()
    assert resumed.score.ssd == whole.score.ssd
    assert resumed.state.sample.weights.tobytes() == whole.state.sample.weights.tobytes()


@pytest.mark.parametrize("half_life", [0, 3000])
def test_several_hosts(rows: FloatArray, weights: DoubleArray, half_life: int) -> None:
    # One host has fewer rows, and one none.
    shards = [slice(0, 1000), slice(1000, N), slice(0, 0)]

    def work(host: Communicator) -> Model:
        own = shards[host.rank]
        settings = settings_for(rows, K, weighted=True, batch_size=100, sample_size=700, half_life=half_life)
        with Threads(1) as threads:
            return fit(WeightedRows(rows[own], weights[own], 100), settings, host, threads, Silent())

    models = run_hosts(3, work)
    assert len({model.centers.tobytes() for model in models}) == 1
    model = models[0]
    assert model.rows == N
    assert model.score.weight == pytest.approx(weights.sum(), rel=1e-12)
    alone = train(Rows(repeated(rows, weights), 500))
    loss = weighted_msd(rows, weights, model.centers)
    assert loss <= alone.score.msd * (1.01 if half_life else 1.0 + 1e-6)
    if not half_life:
        assert model.score.msd == pytest.approx(loss, rel=1e-6)


def test_rows_are_kept_in_proportion_to_their_weights() -> None:
    n, size, runs = 200, 20, 600
    weights = np.where(np.arange(n) < 100, 1.0, 3.0)
    rows = np.arange(n, dtype=np.float32)[:, None]
    hits, totals = np.zeros(n), []
    for seed in range(runs):
        reservoir = Reservoir(size, 1, 0, np.random.default_rng(seed), weighted=True)
        for begin in range(0, n, 50):
            part = slice(begin, begin + 50)
            places = np.arange(begin, begin + 50, dtype=np.float64)
            reservoir.add(rows[part], places.astype(np.int64), places, weights=weights[part])
        sample = reservoir.sample(SingleHost())
        assert reservoir.weight_seen == weights.sum()
        hits[sample.rows[:, 0].astype(int)] += 1
        totals.append(sample.weights.sum())
    light, heavy = hits[:100].sum(), hits[100:].sum()
    assert heavy / light == pytest.approx(3.0, rel=0.1)
    # Each stands for its weight over its probability: together, for all rows.
    assert np.mean(totals) == pytest.approx(weights.sum(), rel=0.02)


@pytest.mark.parametrize("half_life", [0, 5, 1000])
@pytest.mark.parametrize("turns", [Turns(1, 0), Turns(3, 1)])
def test_a_row_weighs_what_rows_in_its_place_weigh(half_life: int, turns: Turns) -> None:
    weights = np.array([1.0, 4.0, 2.0, 1.0])
    row_weights = RowWeights(half_life)
    found = row_weights.of(weights, turns, 100.0)
    alike = row_weights.alike(8, turns)
    sums = [alike[0], alike[1:5].sum(), alike[5:7].sum(), alike[7]]
    np.testing.assert_allclose(found.weights, sums, rtol=1e-12)
    assert found.total == 8.0


def test_a_model_has_no_center_that_is_a_row_whatever_it_weighs() -> None:
    # The spread of the second one is rounding, that of the last one is not.
    rows = np.array([[0.0, 0.0], [1e6, 0.0], [0.0, 10.0], [10.0, 10.0]])
    weights, spreads = np.array([50.0, 7.0, 0.5, 100.0]), np.array([0.0, 1e-3, 3.0, 200.0])
    state = State(rows, weights, np.zeros(2, np.float32), Sample.empty(2), spreads)
    kept = without_rows(state, np.empty((0, 2), np.float32), 1, weighted=True)
    assert not (kept.centers[:, None] == rows[:2]).all(axis=2).any()
    assert kept.weights.sum() == weights.sum()
    # Without known spreads, any may be one.
    unknown = State(rows, weights, state.shift, state.sample)
    kept = without_rows(unknown, np.empty((0, 2), np.float32), 1, weighted=True)
    assert not (kept.centers[:, None] == rows).all(axis=2).any()
