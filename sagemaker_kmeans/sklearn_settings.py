"""The parameters of the scikit-learn estimator, checked, as the settings of the algorithm."""

from numbers import Integral, Real
from typing import Any, Final

from sklearn.utils import check_random_state

from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings
from sagemaker_kmeans import auto_settings

_MINIMA: Final = {
    "n_clusters": 1,
    "batch_size": 1,
    "epochs": 1,
    "center_factor": 1,
    "n_init": 1,
    "lloyd_max_iter": 1,
    "half_life": 0,
    "refine_sample_size": 0,
    "n_threads": 1,
}
_MAX_SEED: Final = 2**31 - 1
_KEPT_SAMPLE_BYTES: Final = 32 << 20


def integer(estimator: Any, name: str, auto: int | None = None) -> int:
    """Return a parameter of integers.

    Parameters
    ----------
    estimator : StreamingKMeans
        It has the parameter.
    name : str
        Its name.
    auto : int or None
        What ``auto`` stands for; None if that is no value.

    Returns
    -------
    int
        The value, an `int` whatever type of integer it has.

    Raises
    ------
    ValueError
        If it is something else, or out of range.
    """
    value = getattr(estimator, name)
    if auto is not None and isinstance(value, str) and value == "auto":
        return auto
    if not isinstance(value, Integral) or value < _MINIMA[name]:
        or_auto = "" if auto is None else " or 'auto'"
        raise ValueError(f"expected {name} of {_MINIMA[name]} or more{or_auto}, got {value!r}")
    return int(value)


def training_settings(estimator: Any, n_features: int) -> TrainingSettings:
    """Return the settings of an estimator, for rows of some columns; raise ValueError for parameters that are none."""
    init = estimator.init
    if isinstance(init, str) and init not in ("random", "k-means++"):
        raise ValueError(f"expected init to be 'random', 'k-means++', centers or a callable, got {init!r}")
    if estimator.distance not in ("euclidean", "cosine"):
        raise ValueError(f"expected distance to be 'euclidean' or 'cosine', got {estimator.distance!r}")
    tolerance = estimator.lloyd_tol
    if not isinstance(tolerance, Real) or not 0 <= float(tolerance) <= 1:
        raise ValueError(f"expected lloyd_tol from 0 to 1, got {tolerance!r}")
    k = integer(estimator, "n_clusters")
    n_centers = k * integer(estimator, "center_factor", auto_settings.center_factor(k))
    auto_sample = auto_settings.sample_size(n_features)
    sample = integer(estimator, "refine_sample_size", auto_sample)
    trials = integer(estimator, "n_init", auto_settings.n_trials(k, n_centers, n_features, refine=sample > 0))
    lloyd = LloydSettings("kmeans++", trials, integer(estimator, "lloyd_max_iter"), float(tolerance))
    return TrainingSettings(
        k=k,
        n_centers=n_centers,
        n_features=n_features,
        batch_size=integer(estimator, "batch_size"),
        epochs=integer(estimator, "epochs"),
        init_method="kmeans++" if isinstance(init, str) and init == "k-means++" else "random",
        half_life=integer(estimator, "half_life"),
        reassign_far_rows=sample > 0,
        finalization=FinalizationSettings(lloyd, refine=sample > 0),
        sample_size=sample or auto_sample,
        kept_sample_size=max(1, _KEPT_SAMPLE_BYTES // (4 * n_features)),
        seed=_seed(estimator.random_state),
        spherical=estimator.distance == "cosine",
    )


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(_MAX_SEED))
