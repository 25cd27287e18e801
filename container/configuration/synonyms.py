"""What other libraries call the hyperparameters, and which name was meant by one that is not known."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

# By our name: the arguments of the SDK's KMeans class, then those of scikit-learn, Spark and the like.
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
    "eval_metrics": ("metric", "metrics", "eval_metric"),
    "seed": ("random_state", "random_seed"),
    "refine_sample_size": ("sample_size", "refine"),
    "checkpoint_interval_seconds": ("checkpoint_interval", "checkpoint_seconds"),
    "_log_level": ("log_level", "verbose"),
}


def _bare(name: str) -> str:
    """Return a name without what sets maxIter, max-iter and max_iter apart."""
    return "".join(filter(str.isalnum, name.lower()))


_MEANT: Final = {_bare(synonym): name for name, synonyms in _SYNONYMS.items() for synonym in synonyms}


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the name among those known that one sent by mistake stands for, or None when it resembles none.

    Parameters
    ----------
    name : str
        As it was sent; short, for comparing takes the square of its length.
    known : iterable of str
        The names that may be sent.
    """
    names = {_bare(one): one for one in known}
    bare = _bare(name)
    if exact := names.get(bare) or _MEANT.get(bare):
        return exact
    closest = difflib.get_close_matches(name.lower(), names.values(), 1, 0.7)
    return closest[0] if closest else None
