"""Calls that are made of the SDK's own KMeans of version 2 and of ours."""

from typing import Any

import numpy as np
from sagemaker.amazon import kmeans as sdk
from sagemaker.amazon.amazon_estimator import RecordSet

from sagemaker_kmeans import KMeans
from tests.sagemaker_kmeans.sdk.conftest import ROLE

ROWS = np.random.default_rng(0).random((100, 4), np.float32)
# Each of a value that the SDK takes.
SETTINGS: dict[str, Any] = {
    "k": 3,
    "init_method": "random",
    "max_iterations": 3,
    "tol": 0.5,
    "num_trials": 5,
    "local_init_method": "kmeans++",
    "half_life_time_size": 0,
    "epochs": 10,
    "center_factor": 2,
    "eval_metrics": ["msd", "ssd"],
}
COMMON: dict[str, Any] = {"role": ROLE, "instance_count": 2, "instance_type": "ml.c5.xlarge"}


def estimators(session: Any, **settings: Any) -> tuple[Any, Any]:
    """Return the SDK's own estimator and ours, of the same call."""
    given = {**COMMON, **settings, "sagemaker_session": session}
    return sdk.KMeans(**given), KMeans(**given)


def records(**given: Any) -> RecordSet:
    return RecordSet("s3://my-bucket/rows/.amazon.manifest", num_records=100, feature_dim=4, **given)
