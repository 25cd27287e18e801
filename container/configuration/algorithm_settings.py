"""The settings of the algorithm: hyperparameters with every `auto` evaluated."""

import math

from container.configuration.hyperparameters import Hyperparameters
from container.logs.logger import LOGGER
from kmeans.settings import FinalizationSettings, LloydSettings, TrainingSettings

AUTO_TRIALS = 10
# Fewer where one takes long: this bounds the products of K, k, features and trials.
MAX_TRIALS_WORK = 1e9
MIN_TRIALS = 2
AUTO_CENTER_FACTOR = 10
# Up to this k the factor is 10; beyond it K = k * factor grows with the square root of k, since the cost of a step
# grows with K.
AUTO_CENTER_FACTOR_MAX_K = 100
# The sample is bounded by memory.
AUTO_SAMPLE_BYTES = 128 << 20
AUTO_SAMPLE_ROWS = 200_000
# The part of the sample that is kept in the output's state.npz, for models of another k; a model has no rows.
KEPT_SAMPLE_BYTES = 32 << 20


def auto_center_factor(k: int) -> int:
    """Return the factor that `extra_center_factor=auto` stands for: 10 up to k = 100, then falling, never under 2."""
    if k <= AUTO_CENTER_FACTOR_MAX_K:
        return AUTO_CENTER_FACTOR
    return max(2, int(AUTO_CENTER_FACTOR * math.sqrt(AUTO_CENTER_FACTOR_MAX_K / k)))


def auto_sample_size(n_features: int) -> int:
    """Return the rows that `refine_sample_size=auto` stands for."""
    return max(1, min(AUTO_SAMPLE_ROWS, AUTO_SAMPLE_BYTES // (4 * n_features)))


def settings_of(given: Hyperparameters) -> TrainingSettings:
    """Evaluate the hyperparameters of a job."""
    factor = given.extra_center_factor
    if not given.epochs:
        # A model that is kept has no intermediate centers.
        factor = 1
    elif factor is None:
        factor = auto_center_factor(given.k)
    finalization = finalization_settings(given, given.k * factor)
    return TrainingSettings(
        k=given.k,
        n_centers=given.k * factor,
        n_features=given.feature_dim,
        batch_size=given.mini_batch_size,
        epochs=given.epochs,
        init_method=given.init_method,
        half_life=given.half_life_time_size,
        # The built-in's recipe has neither refinement nor reassignment.
        reassign_far_rows=finalization.refine,
        finalization=finalization,
        # Without refinement the sample is still needed to score the model.
        sample_size=given.refine_sample_size or auto_sample_size(given.feature_dim),
        kept_sample_size=max(1, KEPT_SAMPLE_BYTES // (4 * given.feature_dim)),
        seed=given.seed,
        spherical=given.distance == "cosine",
        weighted=bool(given.weight_column),
        early_stopping_tolerance=given.early_stopping_tolerance,
    )


def log_evaluated(given: Hyperparameters, settings: TrainingSettings) -> None:
    """Log what each `auto` that depends on other hyperparameters stands for, in the settings made of them."""
    if given.extra_center_factor is None:
        factor = settings.n_centers // settings.k
        LOGGER.info("'extra_center_factor' was set to 'auto', evaluated to %d.", factor)
    if given.refine_sample_size is None:
        LOGGER.info("'refine_sample_size' was set to 'auto', evaluated to %d.", settings.sample_size)


def auto_trials(k: int, n_centers: int, n_features: int) -> int:
    """Return the trials that `local_lloyd_num_trials=auto` stands for where the model is refined."""
    affordable = int(MAX_TRIALS_WORK / (k * n_centers * n_features))
    return max(MIN_TRIALS, min(AUTO_TRIALS, affordable))


def finalization_settings(given: Hyperparameters, n_centers: int) -> FinalizationSettings:
    """Return how a model is made of the state of a stream of `n_centers` centers."""
    refine = given.refine_sample_size != 0
    n_trials = given.local_lloyd_num_trials
    if n_trials is None:
        n_trials = auto_trials(given.k, n_centers, given.feature_dim) if refine else AUTO_TRIALS
    lloyd = LloydSettings(
        given.local_lloyd_init_method,
        n_trials,
        given.local_lloyd_max_iter,
        given.local_lloyd_tol,
    )
    return FinalizationSettings(lloyd, refine)
