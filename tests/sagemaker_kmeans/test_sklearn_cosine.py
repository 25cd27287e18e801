"""The estimator with the cosine distance: spherical k-means."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.metrics import v_measure_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from container.configuration.algorithm_settings import settings_of
from container.configuration.hyperparameters import parse
from sagemaker_kmeans.sklearn import StreamingKMeans
from sagemaker_kmeans.sklearn_settings import training_settings
from tests.sagemaker_kmeans.test_sklearn import EXPECTED_FAILURES


def directions(seed: int = 0, n_rows: int = 600) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return rows of any length in four directions, and the number of the direction of each."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(1).normal(size=(4, 8))
    labels = rng.integers(0, 4, n_rows)
    rows = centers[labels] + 0.1 * rng.normal(size=(n_rows, 8))
    return rows * 10.0 ** rng.uniform(-3, 3, (n_rows, 1)), labels


ROWS, TRUTH = directions()
WITH_ROWS_OF_ZEROS = (
    "check_estimators_dtypes",
    "check_estimator_sparse_tag",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [StreamingKMeans(distance="cosine")],
    expected_failed_checks=lambda _: {
        **dict.fromkeys(WITH_ROWS_OF_ZEROS, "some rows have no direction"),
        **EXPECTED_FAILURES,
    },
)
def test_scikit_learns_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_directions_are_clustered_whatever_the_lengths(form: Callable[[Any], Any], dtype: Any) -> None:
    rows = form(ROWS.astype(dtype))
    model = StreamingKMeans(4, distance="cosine", random_state=0).fit(rows)
    assert v_measure_score(TRUTH, model.labels_) == pytest.approx(1.0)
    assert model.cluster_centers_.dtype == dtype
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_.astype(np.float64), axis=1), 1.0, rtol=1e-6)
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    cosines = unit @ model.cluster_centers_.T.astype(np.float64)
    np.testing.assert_allclose(model.transform(rows), 1.0 - cosines, atol=1e-6)
    np.testing.assert_array_equal(model.predict(rows), cosines.argmax(axis=1))
    assert model.inertia_ == pytest.approx(2.0 * (1.0 - cosines.max(axis=1)).sum(), rel=1e-4)
    assert model.score(rows) == pytest.approx(-model.inertia_, rel=1e-9)
    # The direction of the mean of unit rows is the best center.
    means = np.stack([unit[model.labels_ == label].mean(axis=0) for label in range(4)])
    np.testing.assert_allclose(
        model.cluster_centers_, means / np.linalg.norm(means, axis=1, keepdims=True), rtol=0, atol=1e-6
    )


def test_more_rows_and_given_centers_are_directions_too() -> None:
    first = np.stack([ROWS[label == TRUTH][0] for label in range(4)])
    model = StreamingKMeans(4, distance="cosine", init=first, center_factor=1, refine_sample_size=0)
    for seed in range(3):
        rows, labels = directions(seed)
        model.partial_fit(rows)
        np.testing.assert_array_equal(model.labels_, labels)


def test_few_distinct_directions_are_few_distinct_rows() -> None:
    rows = np.outer(np.arange(1.0, 13.0), [3.0, 4.0])
    with pytest.warns(match=r"Number of distinct clusters \(\d+\) found smaller than n_clusters \(3\)"):
        model = StreamingKMeans(3, distance="cosine").fit(rows)
    np.testing.assert_allclose(model.cluster_centers_, [[0.6, 0.8]] * 3, rtol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_a_row_without_direction_is_named(form: Callable[[Any], Any]) -> None:
    rows = ROWS.copy()
    rows[17] = 0.0
    with pytest.raises(ValueError, match="got zeros only in row 17"):
        StreamingKMeans(4, distance="cosine").fit(form(rows))
    model = StreamingKMeans(4, distance="cosine").fit(ROWS)
    with pytest.raises(ValueError, match="got zeros only in row 17"):
        model.predict(form(rows))


def test_settings_are_those_of_train() -> None:
    settings = training_settings(StreamingKMeans(3, distance="cosine", random_state=5), 784)
    assert settings == settings_of(parse({"k": "3", "distance": "cosine", "feature_dim": "784", "seed": "5"}))


def test_other_distances_are_refused() -> None:
    with pytest.raises(ValueError, match="expected distance to be 'euclidean' or 'cosine', got 'manhattan'"):
        StreamingKMeans(4, distance="manhattan").fit(ROWS)


@pytest.mark.parametrize("form", [np.asarray, csr_array])
def test_a_direction_of_weight_3_is_three_rows(form: Callable[[Any], Any]) -> None:
    weights = np.random.default_rng(0).integers(0, 4, len(ROWS))
    repeated = np.repeat(ROWS, weights, axis=0)
    one = StreamingKMeans(4, distance="cosine", random_state=0).fit(form(ROWS), sample_weight=weights)
    other = StreamingKMeans(4, distance="cosine", random_state=0).fit(form(repeated))
    assert v_measure_score(one.labels_, other.predict(form(ROWS))) == pytest.approx(1.0)
    assert one.inertia_ == pytest.approx(other.inertia_, rel=1e-6)
    assert one.score(ROWS, sample_weight=weights) == pytest.approx(-one.inertia_, rel=1e-6)
