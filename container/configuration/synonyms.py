"""The names of hyperparameters in other libraries, to suggest the right one for an unknown name."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

# By our name: arguments of the SDK's KMeans class, then those of scikit-learn, Spark and others.
_SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "k": ("n_clusters", "num_clusters", "number_of_clusters", "clusters", "n_centers", "num_centers", "n_components"),
    "feature_dim": ("n_features", "num_features", "n_features_in", "features", "dim", "dimension", "dimensions"),
    "extra_center_factor": ("center_factor",),
    "local_lloyd_max_iter": ("max_iterations", "max_iter", "n_iter", "num_iterations", "iterations"),
    "local_lloyd_tol": ("tol", "tolerance", "local_tol", "lloyd_tol"),
    "local_lloyd_num_trials": ("num_trials", "n_trials", "trials", "n_init", "num_init", "n_restarts"),
    "local_lloyd_init_method": ("local_init_method", "local_init", "lloyd_init_method"),
    "init_method": ("init", "initialization", "init_mode", "initialization_mode"),
    "mini_batch_size": ("batch_size", "batch"),
    "half_life_time_size": ("half_life", "half_life_time", "decay", "decay_factor"),
    "epochs": ("epoch", "n_epochs", "num_epochs", "passes"),
    "early_stopping_tolerance": ("early_stopping", "early_stopping_tol", "early_stop_tolerance", "epoch_tol"),
    "eval_metrics": ("metric", "metrics", "eval_metric"),
    "distance": ("distance_type", "distance_measure", "distance_metric", "distance_function", "spherical", "cosine"),
    "seed": ("random_state", "random_seed"),
    "standardize": (
        "standardise",
        "standardize_features",
        "standardization",
        "normalize",
        "normalise",
        "scale",
        "scaling",
    ),
    "refine_sample_size": ("sample_size", "refine"),
    "feature_columns": ("columns", "feature_cols", "features_col", "input_columns"),
    "id_column": ("id", "id_col", "ids", "key_column"),
    "weight_column": ("weight", "weights", "weight_col", "sample_weight", "sample_weights", "instance_weight"),
    "missing": ("missing_values", "na_values", "handle_invalid", "imputation", "impute", "nan"),
    "feature_names": ("column_names", "names", "feature_names_in"),
    "checkpoint_interval_seconds": ("checkpoint_interval", "checkpoint_seconds"),
    "contamination": ("outlier_fraction", "outliers_fraction", "anomaly_fraction"),
    "_log_level": ("log_level", "verbose"),
}


def _bare(name: str) -> str:
    """Return a name without the differences between maxIter, max-iter and max_iter."""
    return "".join(filter(str.isalnum, name.lower()))


_MEANT: Final = {_bare(synonym): name for name, synonyms in _SYNONYMS.items() for synonym in synonyms}


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant by an unknown one.

    Parameters
    ----------
    name : str
        The unknown name; short, since comparing takes the square of its length.
    known : iterable of str
        The known names.

    Returns
    -------
    str or None
        One of `known`; None if none of them is similar.
    """
    names = {_bare(one): one for one in known}
    bare = _bare(name)
    if exact := names.get(bare) or _MEANT.get(bare):
        return exact
    closest = difflib.get_close_matches(name.lower(), names.values(), 1, 0.7)
    return closest[0] if closest else None
