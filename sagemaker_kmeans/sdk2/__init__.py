"""The estimator classes on version 2 of the SageMaker Python SDK."""

from sagemaker_kmeans.sdk2.estimator import KMeans
from sagemaker_kmeans.sdk2.local_session import LocalKMeansSession
from sagemaker_kmeans.sdk2.model import KMeansModel
from sagemaker_kmeans.sdk2.predictor import KMeansPredictor

__all__ = ["KMeans", "KMeansModel", "KMeansPredictor", "LocalKMeansSession"]
