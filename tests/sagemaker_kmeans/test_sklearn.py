"""The estimator: scikit-learn's own checks, and what people expect of its KMeans."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import v_measure_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from container.configuration.algorithm_settings import settings_of
from container.configuration.hyperparameters import parse
from sagemaker_kmeans.sklearn import StreamingKMeans
from sagemaker_kmeans.sklearn_settings import training_settings

ROWS, TRUTH = make_blobs(n_samples=600, n_features=5, centers=4, cluster_std=0.5, random_state=0)


# It compares the numbers of clusters, which depend on the order of the rows; scikit-learn expects so of its own KMeans.
EXPECTED_FAILURES = {
    f"check_sample_weight_equivalence_on_{kind}_data": "clusters have other numbers" for kind in ("dense", "sparse")
}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [StreamingKMeans()], expected_failed_checks=lambda _: EXPECTED_FAILURES
)
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize(
    ("given", "hyperparameters"),
    [
        ({"n_clusters": 10}, {"k": "10"}),
        ({"n_clusters": 500}, {"k": "500"}),
        (
            {
                "n_clusters": 3,
                "init": "k-means++",
                "batch_size": 7,
                "epochs": 2,
                "center_factor": 4,
                "n_init": 5,
                "lloyd_max_iter": 6,
                "lloyd_tol": 0.1,
                "half_life": 8,
                "refine_sample_size": 0,
            },
            {
                "k": "3",
                "init_method": "kmeans++",
                "mini_batch_size": "7",
                "epochs": "2",
                "extra_center_factor": "4",
                "local_lloyd_num_trials": "5",
                "local_lloyd_max_iter": "6",
                "local_lloyd_tol": "0.1",
                "half_life_time_size": "8",
                "refine_sample_size": "0",
            },
        ),
    ],
)
def test_settings_are_those_of_train(given: dict[str, Any], hyperparameters: dict[str, str]) -> None:
    settings = training_settings(StreamingKMeans(**given, random_state=5), 784)
    assert settings == settings_of(parse({**hyperparameters, "feature_dim": "784", "seed": "5"}))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clusters_are_found_and_reported_alike(dtype: Any) -> None:
    rows = ROWS.astype(dtype)
    model = StreamingKMeans(4, random_state=0).fit(rows)
    assert v_measure_score(TRUTH, model.labels_) == 1.0
    assert model.cluster_centers_.dtype == dtype
    assert model.labels_.dtype == np.int32
    np.testing.assert_array_equal(model.predict(rows), model.labels_)
    distances = model.transform(rows)
    assert distances.dtype == dtype
    np.testing.assert_array_equal(distances.argmin(axis=1), model.labels_)
    assert model.inertia_ == pytest.approx(np.square(distances.min(axis=1).astype(np.float64)).sum())
    assert model.score(rows) == pytest.approx(-model.inertia_)


def test_it_is_as_good_as_ten_runs_of_lloyds_method() -> None:
    rows = load_digits().data
    best = KMeans(10, n_init=10, random_state=0).fit(rows).inertia_
    assert StreamingKMeans(10, random_state=0).fit(rows).inertia_ < 1.01 * best


def test_a_seed_makes_it_reproducible_whatever_the_threads() -> None:
    first, second = (StreamingKMeans(4, random_state=3, n_threads=n).fit(ROWS) for n in (1, 2))
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)
    generators = [np.random.RandomState(1), np.random.RandomState(1)]
    first, second = (StreamingKMeans(4, random_state=random).fit(ROWS) for random in generators)
    np.testing.assert_array_equal(first.cluster_centers_, second.cluster_centers_)


def test_numbers_far_from_0_keep_their_digits() -> None:
    seconds = np.array([[1.7e9], [1.7e9 + 1], [1.7e9 + 10], [1.7e9 + 11]] * 10)
    model = StreamingKMeans(2, random_state=0).fit(seconds)
    np.testing.assert_allclose(sorted(model.cluster_centers_[:, 0] - 1.7e9), [0.5, 10.5])
    assert model.inertia_ == pytest.approx(10.0)


def test_partial_fit_resumes_the_stream() -> None:
    # The later rows are of other clusters: those of the earlier ones must not be forgotten.
    order = np.argsort(TRUTH, kind="stable")
    model = StreamingKMeans(4, random_state=0)
    for part in np.array_split(ROWS[order], 3):
        model.partial_fit(part)
    assert v_measure_score(TRUTH, model.predict(ROWS)) == 1.0
    assert len(model.labels_) == 200
    model.partial_fit(ROWS[:1])
    assert len(model.labels_) == 1
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(ROWS[:, :2])


def test_fit_forgets_what_partial_fit_has_learned() -> None:
    model = StreamingKMeans(4, random_state=0).partial_fit(ROWS + 100)
    np.testing.assert_array_equal(
        model.fit(ROWS).cluster_centers_, StreamingKMeans(4, random_state=0).fit(ROWS).cluster_centers_
    )


def test_few_distinct_rows_are_warned_of() -> None:
    rows = np.array([[1.0], [1.0], [2.0], [3.0], [3.0]])
    with pytest.warns(ConvergenceWarning, match=r"Number of distinct clusters \(3\) found smaller than n_clusters"):
        model = StreamingKMeans(4, random_state=0).fit(rows)
    assert model.cluster_centers_.shape == (4, 1)
    assert set(model.labels_) <= {0, 1, 2}
    assert model.inertia_ == 0.0


@pytest.mark.filterwarnings("error")
def test_integers_of_numpy_are_integers() -> None:
    given: dict[str, Any] = {"n_clusters": 4, "batch_size": 100, "center_factor": 3, "n_init": 2, "random_state": 3}
    of_numpy: dict[str, Any] = {name: np.int64(value) for name, value in given.items()}
    ours = StreamingKMeans(**of_numpy).fit(ROWS)
    np.testing.assert_array_equal(ours.cluster_centers_, StreamingKMeans(**given).fit(ROWS).cluster_centers_)


@pytest.mark.parametrize(
    ("given", "rows", "message"),
    [
        ({"n_clusters": 5}, ROWS[:4], "n_samples=4 should be >= n_clusters=5"),
        ({"n_clusters": 0}, ROWS, "expected n_clusters of 1 or more"),
        ({"n_clusters": "8"}, ROWS, "expected n_clusters of 1 or more, got '8'"),
        ({"n_clusters": 3.0}, ROWS, "expected n_clusters of 1 or more, got 3.0"),
        ({"batch_size": None}, ROWS, "expected batch_size of 1 or more, got None"),
        ({"epochs": 2.5}, ROWS, "expected epochs of 1 or more, got 2.5"),
        ({"center_factor": 0}, ROWS, "expected center_factor of 1 or more or 'auto', got 0"),
        ({"n_init": 0}, ROWS, "expected n_init of 1 or more or 'auto', got 0"),
        ({"n_init": "x"}, ROWS, "expected n_init of 1 or more or 'auto', got 'x'"),
        ({"lloyd_max_iter": 0}, ROWS, "expected lloyd_max_iter of 1 or more, got 0"),
        ({"lloyd_tol": float("nan")}, ROWS, "expected lloyd_tol from 0 to 1, got nan"),
        ({"half_life": -1}, ROWS, "expected half_life of 0 or more, got -1"),
        ({"refine_sample_size": -1}, ROWS, "expected refine_sample_size of 0 or more or 'auto', got -1"),
        ({"n_threads": 0}, ROWS, "expected n_threads of 1 or more, got 0"),
        ({"init": "other"}, ROWS, "expected init to be"),
        ({}, ROWS * 1e39, "range of float32"),
    ],
)
def test_what_cannot_be_clustered_is_refused(given: dict[str, Any], rows: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StreamingKMeans(**given).fit(rows)


def test_before_fit_there_is_nothing_to_ask() -> None:
    for ask in ("predict", "transform", "score"):
        with pytest.raises(NotFittedError):
            getattr(StreamingKMeans(), ask)(ROWS)


def test_it_is_cloned_pickled_and_part_of_a_pipeline() -> None:
    model = StreamingKMeans(4, random_state=0, batch_size=100)
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model.fit(ROWS)))
    np.testing.assert_array_equal(again.partial_fit(ROWS).labels_, model.partial_fit(ROWS).labels_)
    pipeline = make_pipeline(StandardScaler(), StreamingKMeans(4, random_state=0))
    assert v_measure_score(TRUTH, pipeline.fit_predict(ROWS)) == 1.0
    names = [f"streamingkmeans{number}" for number in range(4)]
    assert pipeline[-1].get_feature_names_out().tolist() == names


def test_one_cluster_is_the_mean() -> None:
    model = StreamingKMeans(1, random_state=0).fit(ROWS)
    np.testing.assert_allclose(model.cluster_centers_[0], ROWS.mean(axis=0), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_rows_get_the_model_of_dense_ones(dtype: Any) -> None:
    rows = (ROWS * (np.abs(ROWS) > 2)).astype(dtype)
    dense = StreamingKMeans(4, random_state=0).fit(rows)
    sparse = StreamingKMeans(4, random_state=0).fit(csr_array(rows))
    # Float64 rows are taken relative to an origin where they are dense, and then get other numbers of clusters.
    assert v_measure_score(sparse.labels_, dense.labels_) == pytest.approx(1.0)
    if dtype == np.float32:
        np.testing.assert_array_equal(sparse.cluster_centers_, dense.cluster_centers_)
    np.testing.assert_allclose(sparse.transform(csr_array(rows)), sparse.transform(rows), rtol=1e-6)
    assert sparse.inertia_ == pytest.approx(dense.inertia_, rel=1e-5)
    assert dense.partial_fit(csr_array(rows)).score(csr_array(rows)) == pytest.approx(-dense.inertia_)


def as_sets(estimator: StreamingKMeans, rows: NDArray[np.float64]) -> set[frozenset[int]]:
    """Return the clusters, whatever their numbers."""
    labels = estimator.predict(rows)
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("make", [np.asarray, csr_array])
@pytest.mark.parametrize("changes", [{}, {"half_life": 500}, {"batch_size": 50, "epochs": 2}])
def test_a_row_of_weight_3_is_three_rows(make: Callable[[Any], Any], changes: dict[str, Any]) -> None:
    weights = np.random.default_rng(0).integers(0, 4, len(ROWS))
    repeated = np.repeat(ROWS, weights, axis=0)
    one = StreamingKMeans(n_clusters=4, random_state=0, **changes).fit(make(ROWS), sample_weight=weights)
    other = StreamingKMeans(n_clusters=4, random_state=0, **changes).fit(make(repeated))
    assert as_sets(one, ROWS) == as_sets(other, ROWS)
    assert one.inertia_ == pytest.approx(other.inertia_, rel=1e-6)
    assert one.score(ROWS, sample_weight=weights) == pytest.approx(one.score(repeated), rel=1e-9)
    assert len(one.labels_) == len(ROWS)
    # scikit-learn's own, of the same clusters.
    best = KMeans(4, n_init=5, random_state=0).fit(ROWS, sample_weight=weights)
    if "half_life" not in changes:
        assert one.inertia_ == pytest.approx(best.inertia_, rel=1e-6)


def test_a_stream_continues_with_weights() -> None:
    estimator = StreamingKMeans(n_clusters=4, random_state=0).partial_fit(ROWS[:300], sample_weight=np.full(300, 2.5))
    estimator.partial_fit(ROWS[300:], sample_weight=np.arange(300.0))
    assert estimator._state is not None
    assert estimator._state.weights.sum() == pytest.approx(750 + 299 * 150, rel=1e-9)


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_weight_is_a_number_of_0_or_more(wrong: float) -> None:
    weights = np.ones(len(ROWS))
    weights[7] = wrong
    with pytest.raises(ValueError, match=r"[Nn]egative|NaN|infinity"):
        StreamingKMeans(4).fit(ROWS, sample_weight=weights)
