"""The whole loop on arrays."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from kmeans.communicator import SingleHost
from kmeans.finalization.finalization import TooFewDistinctRowsError
from kmeans.model import Model
from kmeans.observer import Silent
from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from kmeans.stream.control import Control
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.types import FloatArray
from tests.kmeans import naive
from tests.kmeans.rows import Rows, settings_for

UNREFINED = FinalizationSettings(LloydSettings("kmeans++", 10, 300, 1e-4), refine=False)


class CountingClosingPasses(Silent):
    closing_passes = 0

    def closing(self, number: int) -> None:
        self.closing_passes = number


def train(rows: FloatArray, chosen: TrainingSettings, threads: int = 1, rereadable: bool = True) -> Model:
    pool = Threads(threads)
    source = Rows(rows, chosen.batch_size, rereadable)
    observer = CountingClosingPasses()
    model = fit(source, chosen, SingleHost(), pool, observer)
    pool.close()
    assert source.passes == chosen.epochs + observer.closing_passes
    return model


@pytest.fixture(scope="module")
def digits() -> FloatArray:
    return np.ascontiguousarray(load_digits().data, np.float32)


@pytest.mark.parametrize("init_method", ["random", "kmeans++"])
@pytest.mark.parametrize("rereadable", [True, False])
def test_digits_end_near_the_optimum(digits: FloatArray, init_method: str, rereadable: bool) -> None:
    best = KMeans(10, n_init=10, random_state=0).fit(digits).inertia_ / len(digits)
    model = train(digits, settings_for(digits, 10, init_method=init_method), rereadable=rereadable)
    assert model.score.msd < 1.02 * best


def test_the_score_is_that_of_the_model_on_all_rows(digits: FloatArray) -> None:
    model = train(digits, settings_for(digits, 10))
    labels, squared = naive.nearest(digits, model.centers.astype(np.float64))
    assert model.score_is_exact
    assert model.score.msd == pytest.approx(squared.mean(), rel=1e-9)
    assert model.score.cluster_sizes.tolist() == np.bincount(labels, minlength=10).tolist()
    squared = ((digits.astype(np.float64) - model.centers[labels]) ** 2).sum(axis=1)
    np.testing.assert_allclose(model.score.cluster_ssds, np.bincount(labels, squared, minlength=10), rtol=1e-9)


def test_a_small_sample_makes_the_score_an_estimate(digits: FloatArray) -> None:
    model = train(digits, settings_for(digits, 10, sample_size=600), rereadable=False)
    _, squared = naive.nearest(digits, model.centers.astype(np.float64))
    assert not model.score_is_exact
    assert (model.score.rows, model.score.sample_rows) == (1797, 600)
    assert model.score.cluster_sizes.sum() == 1797
    assert model.score.msd == pytest.approx(squared.mean(), rel=0.01)
    assert abs(model.score.msd - squared.mean()) < 3 * model.score.msd_error < 0.01 * squared.mean()


def test_refinement_lowers_the_loss(digits: FloatArray) -> None:
    plain = train(digits, settings_for(digits, 10, finalization=UNREFINED, reassign_far_rows=False))
    refined = train(digits, settings_for(digits, 10))
    assert refined.score.msd < plain.score.msd


def test_one_extra_center_each_needs_no_shrinking(digits: FloatArray) -> None:
    model = train(digits, settings_for(digits, 10, n_centers=10, finalization=UNREFINED, reassign_far_rows=False))
    np.testing.assert_allclose(model.centers, model.state.centers.astype(np.float32), rtol=1e-6)
    assert model.state.weights.sum() == len(digits)


def test_more_epochs_continue_from_the_state(digits: FloatArray) -> None:
    model = train(digits, settings_for(digits, 10, epochs=3))
    assert model.state.weights.sum() == 3 * len(digits)


def test_equal_seeds_give_equal_bytes_for_any_number_of_threads(digits: FloatArray) -> None:
    wide = np.tile(digits, (1, 4))
    chosen = settings_for(wide, 7, half_life=900)
    models = [train(wide, chosen, threads) for threads in (1, 1, 2, 3, 8)]
    assert len({model.centers.tobytes() for model in models}) == 1
    assert len({model.state.weights.tobytes() for model in models}) == 1
    other = train(wide, replace(chosen, seed=1))
    assert other.centers.tobytes() != models[0].centers.tobytes()


def test_fewer_distinct_rows_than_centers_are_counted_and_used(digits: FloatArray) -> None:
    rows = np.repeat(digits[:12], 50, axis=0)
    model = train(rows, settings_for(rows, 10))
    assert model.events["missing_centers"] == 100 - 12
    assert len({center.tobytes() for center in model.centers}) == 10
    assert (model.score.cluster_sizes > 0).all()


def test_as_many_distinct_rows_as_clusters_are_found_exactly(digits: FloatArray) -> None:
    rows = np.repeat(digits[:4], 25, axis=0)
    model = train(rows, settings_for(rows, 4))
    assert sorted(model.centers.tolist()) == sorted(digits[:4].tolist())
    assert model.score.msd == 0.0


@pytest.mark.parametrize("rereadable", [True, False])
def test_fewer_distinct_rows_than_clusters_are_an_error(digits: FloatArray, rereadable: bool) -> None:
    rows = np.repeat(digits[:3], 40, axis=0)
    with pytest.raises(TooFewDistinctRowsError, match=r"k = 4 clusters need .* the 120 training rows looked at hold 3"):
        train(rows, settings_for(rows, 4), rereadable=rereadable)


@pytest.mark.parametrize("sample_size", [100_000, 400])
def test_fewer_distinct_rows_than_clusters_are_an_error_though_the_first_batch_does_not_show_it(
    sample_size: int,
) -> None:
    """Far rows that are equal may become centers side by side, and means of unlike rows are no rows."""
    rng = np.random.default_rng(14)
    places = rng.lognormal(0, 3, (11, 2)).astype(np.float32)
    shares = 1 / np.arange(1, 12) ** 2
    rows = places[rng.choice(11, 2000, p=shares / shares.sum())]
    for k in (12, 13, 16):
        with pytest.raises(TooFewDistinctRowsError, match=f"k = {k} clusters need at least as many distinct rows"):
            train(rows, settings_for(rows, k, batch_size=20, sample_size=sample_size))
    assert train(rows, settings_for(rows, 11, batch_size=20, sample_size=sample_size)).score.msd == 0.0


def test_rare_rows_that_the_first_batch_missed_fill_up_the_clusters() -> None:
    rows = np.zeros((3000, 2), np.float32)
    rows[1500:1503] = [[1, 0], [0, 7], [9, 9]]
    chosen = settings_for(rows, 4, batch_size=50, n_centers=4)
    model = train(rows, chosen)
    assert sorted(model.centers.tolist()) == [[0, 0], [0, 7], [1, 0], [9, 9]]
    assert model.events["reassigned_centers"] == 3
    # The built-in's recipe moves no center; what is missing comes from the sample.
    plain = train(rows, replace(chosen, finalization=UNREFINED, reassign_far_rows=False))
    assert len({center.tobytes() for center in plain.centers}) == 4
    assert plain.events["centers_added_from_sample"] == 3


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("reassign", [True, False])
def test_far_rows_and_refinement_are_settings_of_their_own(refine: bool, reassign: bool) -> None:
    rows = np.zeros((3000, 2), np.float32)
    rows[1500:1503] = [[1, 0], [0, 7], [9, 9]]
    chosen = settings_for(rows, 4, batch_size=50, n_centers=4, reassign_far_rows=reassign)
    model = train(rows, replace(chosen, finalization=replace(UNREFINED, refine=refine)))
    assert model.events.get("reassigned_centers", 0) == (3 if reassign else 0)
    assert len({center.tobytes() for center in model.centers}) == 4


def test_an_unknown_way_to_choose_centers_is_an_error(digits: FloatArray) -> None:
    with pytest.raises(AssertionError, match="k-means"):
        train(digits, settings_for(digits, 10, init_method="k-means"))
    lloyd = LloydSettings("k-means", 10, 300, 1e-4)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="k-means"):
        train(digits, settings_for(digits, 10, finalization=FinalizationSettings(lloyd, refine=False)))


def test_rows_far_from_the_origin_lose_no_precision(digits: FloatArray) -> None:
    rows = np.ascontiguousarray(digits[:, 20:28]) / np.float32(16)
    shifted = rows + np.float32(4096)
    near, far = train(rows, settings_for(rows, 5)), train(shifted, settings_for(rows, 5))
    assert far.score.msd == pytest.approx(near.score.msd, rel=1e-3)


def test_stopping_makes_a_model_of_the_rows_seen(digits: FloatArray) -> None:
    class Counting(Silent):
        steps = 0

        def stepped(self, step: object) -> None:
            self.steps += 1

    observer = Counting()
    chosen = settings_for(digits, 10, batch_size=100, epochs=5)
    model = fit(Rows(digits, 100), chosen, SingleHost(), Threads(), observer, Control(lambda: observer.steps >= 7))
    # What is asked for at the border of a mini-batch is voted on at the next one.
    assert observer.steps == 8
    assert model.state.weights.sum() == 800
    assert model.score.rows == 800
