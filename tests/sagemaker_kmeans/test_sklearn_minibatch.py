"""scikit-learn's own tests of MiniBatchKMeans that are about behavior, run against the estimator.

Its other tests are of what the estimator does not have: see the package's page.
"""

import importlib.util
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import pytest
import sklearn.cluster
from sklearn.cluster import KMeans

from sagemaker_kmeans.sklearn import StreamingKMeans

NAMES = (
    "test_all_init",
    "test_centers_not_mutated",
    "test_feature_names_out",
    "test_fit_transform",
    "test_float_precision",
    "test_fortran_aligned_data",
    "test_integer_input",
    "test_predict_dense_sparse",
    "test_result_equal_in_diff_n_threads",
    "test_sample_weight_unchanged",
    "test_sample_weight_zero",
    "test_scaled_weights",
    "test_transform",
    "test_unit_weights_vs_no_weights",
    "test_weighted_vs_repeated",
    "test_wrong_params",
)


def _with_our_estimator() -> ModuleType:
    """Return scikit-learn's module of tests, in which MiniBatchKMeans is the estimator."""
    spec = importlib.util.find_spec("sklearn.cluster.tests.test_k_means")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.cluster, "MiniBatchKMeans", StreamingKMeans)
        spec.loader.exec_module(module)
    return module


def _of_kmeans(value: Any) -> bool:
    return value is KMeans or (isinstance(value, tuple) and any(each is KMeans for each in value))


def _without_kmeans(test: FunctionType) -> Callable[..., None]:
    """Return a test without its cases of scikit-learn's KMeans, and with one kind of sparse matrix."""
    ours = FunctionType(test.__code__, test.__globals__, test.__name__, test.__defaults__, test.__closure__)
    for mark in getattr(test, "pytestmark", []):
        if mark.name != "parametrize":
            continue
        names, values = mark.args
        kept = [value for value in values if not _of_kmeans(value)]
        if names in ("X_csr", "input_data", "array_constr"):
            kept = kept[:1]
        ours = pytest.mark.parametrize(names, kept)(ours)
    return ours


_MODULE = _with_our_estimator()
for _name in NAMES:
    globals()[_name] = _without_kmeans(getattr(_MODULE, _name))


@pytest.fixture
def global_random_seed() -> int:
    return 42
