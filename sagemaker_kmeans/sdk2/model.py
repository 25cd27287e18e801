"""The model on version 2 of the SDK."""

from pathlib import Path
from typing import Any

from sagemaker import Session
from sagemaker.amazon import kmeans as sdk
from sagemaker.workflow import is_pipeline_variable

from sagemaker_kmeans import image
from sagemaker_kmeans.local_jobs import address
from sagemaker_kmeans.sdk2.local_session import LOCAL_INSTANCE_TYPES, LocalKMeansSession
from sagemaker_kmeans.sdk2.predictor import KMeansPredictor


class KMeansModel(sdk.KMeansModel):
    """A model in S3, of this algorithm or of the built-in one, to be deployed with this image.

    Parameters
    ----------
    model_data : str
        The address of a ``model.tar.gz``: ``s3://``, or for ``instance_type="local"`` ``file://`` or a path.
    role : str or None
        The role of its endpoints.
    sagemaker_session : sagemaker.session.Session or None
        None for one of the default AWS configuration, or a local one, as `deploy` needs it.
    image_uri : str or None
        None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
    predictor_cls : callable
        What `deploy` returns.
    **kwargs : Any
        As `sagemaker.model.Model` takes them, such as `env`.
    """

    def __init__(
        self,
        model_data: Any,
        role: str | None = None,
        sagemaker_session: Session | None = None,
        *,
        image_uri: Any = None,
        predictor_cls: Any = KMeansPredictor,
        **kwargs: Any,
    ) -> None:
        # Beyond the SDK's class, which chooses the image of AWS.
        super(sdk.KMeansModel, self).__init__(
            image.resolve(image_uri),
            _address(model_data),
            role,
            predictor_cls=predictor_cls,
            sagemaker_session=sagemaker_session,
            **kwargs,
        )

    def _init_sagemaker_session_if_does_not_exist(self, instance_type: Any = None) -> None:
        if not self.sagemaker_session and instance_type in LOCAL_INSTANCE_TYPES:
            self.sagemaker_session = LocalKMeansSession()
        super()._init_sagemaker_session_if_does_not_exist(instance_type)


def _address(model_data: Any) -> Any:
    """Return a path as the address that local mode takes, and an address as it is."""
    if is_pipeline_variable(model_data) or isinstance(model_data, dict) or "://" in str(model_data):
        return model_data
    return address(Path(model_data).resolve())
