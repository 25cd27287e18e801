"""The algorithm as a scikit-learn estimator, in this process; needs the extra ``local``."""

import os
from dataclasses import replace
from typing import Any, Final, Self
from warnings import warn

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kmeans.communicator import SingleHost
from kmeans.finalization.finalization import TooFewDistinctRowsError
from kmeans.observer import Silent
from kmeans.prediction import Predictor
from kmeans.state import State
from kmeans.stream.first_centers import GivenCenters
from kmeans.threads import Threads
from kmeans.training import fit
from kmeans.unit_length import scaled_to_unit
from sagemaker_kmeans.memory_rows import (
    MemoryRows,
    blocks,
    distinct_rows,
    inertia,
    single_rows,
    unit_rows,
    usual_origin,
)
from sagemaker_kmeans.sklearn_settings import integer, training_settings

_DTYPES: Final = (np.float64, np.float32)


class StreamingKMeans(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """K-means in one pass over the rows, with a refinement at the end, as `train` does it.

    Parameters
    ----------
    n_clusters : int, default=8
        Number of clusters.
    init : {"random", "k-means++"}, callable or array-like of shape (n_clusters, n_features), default="random"
        How the stream's first centers are chosen, or `n_clusters` of them. A callable is called with the rows, the
        number of clusters and a RandomState, and returns them.
    batch_size : int, default=5000
        Rows of a mini-batch.
    epochs : int, default=1
        Passes over the rows.
    center_factor : int or "auto", default="auto"
        The stream keeps `n_clusters` times as many centers, and reduces them at the end.
    n_init : int or "auto", default="auto"
        Runs of Lloyd's method at the end, of which the best is taken.
    lloyd_max_iter : int, default=300
        Most iterations of each.
    lloyd_tol : float, default=1e-4
        A run stops when its loss changes by less than this share.
    distance : {"euclidean", "cosine"}, default="euclidean"
        What rows are compared by. With "cosine", rows and centers are scaled to length 1.
    half_life : int, default=0
        Number of later rows after which a row counts half; 0 for no decay.
    refine_sample_size : int or "auto", default="auto"
        Rows kept to refine the model; 0 for the recipe of the built-in algorithm.
    n_threads : int or None, default=None
        None for one for each core.
    random_state : int, RandomState instance or None, default=None
        An integer makes results reproducible.

    Attributes
    ----------
    cluster_centers_ : ndarray of the type of the rows, shape (n_clusters, n_features)
        The model.
    labels_ : ndarray of int32, shape (n_samples,)
        The cluster of each row of the last call of `fit` or `partial_fit`.
    inertia_ : float
        The sum of their squared distances to their centers, times their weights; with the cosine distance, of rows
        scaled to length 1.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Their names, where the rows have them.

    Notes
    -----
    Numbers are float32 inside; float64 rows that are dense are first taken relative to usual values, so that they keep
    their digits.

    A row with a `sample_weight` of 3 counts as three equal rows, everywhere but in the size of a mini-batch; one with 0
    is left out. Where rows are drawn at random, other ones may be drawn than of repeated rows.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "random",
        batch_size: int = 5000,
        epochs: int = 1,
        center_factor: int | str = "auto",
        n_init: int | str = "auto",
        lloyd_max_iter: int = 300,
        lloyd_tol: float = 1e-4,
        distance: str = "euclidean",
        half_life: int = 0,
        refine_sample_size: int | str = "auto",
        n_threads: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.batch_size = batch_size
        self.epochs = epochs
        self.center_factor = center_factor
        self.n_init = n_init
        self.lloyd_max_iter = lloyd_max_iter
        self.lloyd_tol = lloyd_tol
        self.distance = distance
        self.half_life = half_life
        self.refine_sample_size = refine_sample_size
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: ARG002, N803
        """Find clusters from scratch.

        Parameters
        ----------
        X : array-like of numbers or SciPy sparse matrix, shape (n_samples, n_features)
            Rows. A sparse matrix is made dense a block at a time.
        y : None
            Ignored.
        sample_weight : array-like of float, shape (n_samples,), default=None
            What each row counts as, 0 or more; None for 1.

        Returns
        -------
        StreamingKMeans
            Itself.
        """
        rows = validate_data(self, X, accept_sparse="csr", dtype=_DTYPES, order="C")
        return self._train(rows, None, sample_weight)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # noqa: ARG002, N803
        """Train on more rows: the stream resumes from the state that the last call left.

        Parameters
        ----------
        X : array-like of numbers, shape (n_samples, n_features)
            Rows. The first call needs `n_clusters` of them at least; as long as there are fewer distinct ones, the
            next call starts from scratch.
        y : None
            Ignored.
        sample_weight : array-like of float, shape (n_samples,), default=None
            What each row counts as, 0 or more; None for 1.

        Returns
        -------
        StreamingKMeans
            Itself.
        """
        state = getattr(self, "_state", None)
        dtype = _DTYPES if state is None else self._origin.dtype
        rows = validate_data(self, X, accept_sparse="csr", dtype=dtype, order="C", reset=not state)
        return self._train(rows, state, sample_weight)

    def predict(self, X: Any) -> NDArray[np.int32]:  # noqa: N803
        """Return the closest cluster of each row.

        Parameters
        ----------
        X : array-like of numbers or SciPy sparse matrix, shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of int32, shape (n_samples,)
            Indices of `cluster_centers_`.
        """
        return self._labels(self._checked(X)).astype(np.int32)

    def transform(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the distances of rows to all centers.

        Parameters
        ----------
        X : array-like of numbers or SciPy sparse matrix, shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of the type of the rows, shape (n_samples, n_clusters)
            Euclidean ones, or 1 - cosine.
        """
        rows = self._checked(X)
        predictor = Predictor(self.cluster_centers_)
        distances = np.empty((rows.shape[0], len(self.cluster_centers_)), rows.dtype)
        for part, block in blocks(rows):
            squared = predictor.squared_distances(block)
            distances[part] = 0.5 * squared if self._spherical else np.sqrt(squared)
        return distances

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:  # noqa: ARG002, N803
        """Return how well the centers represent rows.

        Parameters
        ----------
        X : array-like of numbers or SciPy sparse matrix, shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        sample_weight : array-like of float, shape (n_samples,), default=None
            What each row counts as, 0 or more; None for 1.

        Returns
        -------
        float
            The negated sum of the squared distances to the closest centers, times the weights.
        """
        rows = self._checked(X)
        return -inertia(rows, self.cluster_centers_, self._labels(rows), _weights(sample_weight, rows))

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn asks of an estimator: it takes sparse matrices."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.cluster_centers_)

    @property
    def _spherical(self) -> bool:
        return self.distance == "cosine"

    def _placed(self, rows: Any) -> Any:
        """Return rows as they are compared with centers: scaled to length 1 for the cosine distance."""
        return unit_rows(rows, scaled_to_unit) if self._spherical else rows

    def _train(self, rows: NDArray[Any], state: State | None, sample_weight: Any) -> Self:
        settings = training_settings(self, rows.shape[1])
        n_threads = len(os.sched_getaffinity(0)) if self.n_threads is None else integer(self, "n_threads")
        weights = _weights(sample_weight, rows)
        rows = self._placed(rows)
        if state is None:
            if rows.shape[0] < settings.k:
                raise ValueError(f"n_samples={rows.shape[0]} should be >= n_clusters={settings.k}.")
            self._origin = np.zeros(rows.shape[1], rows.dtype) if self._spherical else usual_origin(rows)
        single, own = single_rows(rows, self._origin), weights
        if own is not None:
            settings = replace(settings, weighted=True)
            if not own.all():
                single, own = single[own > 0], own[own > 0]
        earlier = self._first_centers(rows) if state is None else _earlier(state)
        with Threads(n_threads) as threads:
            try:
                source = MemoryRows(single, settings.batch_size, own)
                model = fit(source, settings, SingleHost(), threads, Silent(), earlier=earlier)
                centers = model.centers
                self._state: State | None = model.state
            except TooFewDistinctRowsError:
                centers = self._of_few_distinct(single)
                self._state = None
        self.cluster_centers_ = (centers.astype(np.float64) + self._origin).astype(rows.dtype)
        labels = self._labels(rows)
        self.labels_ = labels.astype(np.int32)
        self.inertia_ = inertia(rows, self.cluster_centers_, labels, weights)
        return self

    def _of_few_distinct(self, rows: Any) -> NDArray[np.float32]:
        """Return the distinct rows as centers, the first of them again for clusters that stay empty."""
        distinct = distinct_rows(rows)
        warn(
            f"Number of distinct clusters ({len(distinct)}) found smaller than n_clusters ({self.n_clusters}). "
            "Possibly due to duplicate points in X.",
            ConvergenceWarning,
            stacklevel=4,
        )
        return np.concatenate([distinct, np.repeat(distinct[:1], self.n_clusters - len(distinct), axis=0)])

    def _first_centers(self, rows: Any) -> GivenCenters | None:
        """Return the centers that `init` gives, if it does, relative to the origin."""
        if isinstance(self.init, str):
            return None
        random = check_random_state(self.random_state)
        given = self.init(rows, self.n_clusters, random) if callable(self.init) else self.init
        centers = check_array(given, dtype=rows.dtype, order="C")
        wanted = {"number of clusters": self.n_clusters, "number of features of the data": rows.shape[1]}
        for found, (what, expected) in zip(centers.shape, wanted.items(), strict=True):
            if found != expected:
                raise ValueError(
                    f"The shape of the initial centers {centers.shape} does not match the {what} {expected}."
                )
        return GivenCenters(
            single_rows(self._placed(centers), self._origin).astype(np.float64), np.zeros(self.n_clusters)
        )

    def _checked(self, rows: Any) -> Any:
        check_is_fitted(self)
        return self._placed(validate_data(self, rows, accept_sparse="csr", dtype=_DTYPES, order="C", reset=False))

    def _labels(self, rows: Any) -> NDArray[np.int64]:
        predictor = Predictor(self.cluster_centers_)
        labels = np.empty(rows.shape[0], np.int64)
        for part, block in blocks(rows):
            labels[part] = predictor.predict(block)[0]
        return labels


def _weights(given: Any, rows: Any) -> NDArray[np.float64] | None:
    """Return checked weights; None where each row counts once."""
    if given is None:
        return None
    weights: NDArray[np.float64] = _check_sample_weight(given, rows, dtype=np.float64, ensure_non_negative=True)
    return weights


def _earlier(state: State) -> GivenCenters:
    live = state.live()
    return GivenCenters(live.centers, live.weights)
