"""What ``auto`` stands for in the scikit-learn estimator: the same as in `train`."""

import math
from typing import Final

_TRIALS: Final = 10
_MIN_TRIALS: Final = 2
_TRIALS_WORK: Final = 1e9
_FACTOR: Final = 10
_FACTOR_MAX_K: Final = 100
_SAMPLE_BYTES: Final = 128 << 20
_SAMPLE_ROWS: Final = 200_000


def center_factor(k: int) -> int:
    """Return how many times k centers the stream keeps."""
    if k <= _FACTOR_MAX_K:
        return _FACTOR
    return max(2, int(_FACTOR * math.sqrt(_FACTOR_MAX_K / k)))


def sample_size(n_features: int) -> int:
    """Return how many rows are kept to refine the model."""
    return max(1, min(_SAMPLE_ROWS, _SAMPLE_BYTES // (4 * n_features)))


def n_trials(k: int, n_centers: int, n_features: int, *, refine: bool) -> int:
    """Return how often Lloyd's method runs at the end; less often if a sample is refined, which takes longer."""
    affordable = int(_TRIALS_WORK / (k * n_centers * n_features)) if refine else _TRIALS
    return max(_MIN_TRIALS, min(_TRIALS, affordable))
