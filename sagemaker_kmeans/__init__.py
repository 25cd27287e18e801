"""The SageMaker K-means algorithm from Python: its estimator classes, and its models without any SDK."""

from typing import TYPE_CHECKING, Any

from sagemaker_kmeans.local_model import LocalModel, load
from sagemaker_kmeans.model_files import ModelError

if TYPE_CHECKING:
    from sagemaker_kmeans.sdk2 import KMeans, KMeansModel, KMeansPredictor

__version__ = "0.1.0"
__all__ = ["KMeans", "KMeansModel", "KMeansPredictor", "LocalModel", "ModelError", "load"]


def __getattr__(name: str) -> Any:
    """Import the classes for the installed SageMaker SDK, which takes seconds, when one of them is first used."""
    if name not in ("KMeans", "KMeansModel", "KMeansPredictor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sagemaker_kmeans import installed_sdk

    return getattr(installed_sdk.classes(), name)
