"""The estimator classes on version 3 of the SageMaker Python SDK."""

from sagemaker_kmeans.sdk3.estimator import KMeans
from sagemaker_kmeans.sdk3.model import KMeansModel
from sagemaker_kmeans.sdk3.predictor import KMeansPredictor
from sagemaker_kmeans.sdk3.record_set import RecordSet

__all__ = ["KMeans", "KMeansModel", "KMeansPredictor", "RecordSet"]
