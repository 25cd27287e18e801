"""What an estimator on version 3 of the SDK has once it has a job: a model, endpoints, transformers, metrics."""

from typing import Any

from sagemaker.core.analytics import TrainingJobAnalytics
from sagemaker.core.shapes import VpcConfig
from sagemaker.core.transformer import Transformer

from sagemaker_kmeans.local_jobs import LocalJobs, address
from sagemaker_kmeans.sdk3.model import KMeansModel
from sagemaker_kmeans.sdk3.predictor import KMeansPredictor


class TrainedEstimator:
    """The methods of `KMeans` that need a job.

    Attributes
    ----------
    role : str or None
        The role of endpoints.
    image_uri : str
        The image.
    is_local : bool
        Whether the job is one of local mode.
    sagemaker_session : Session
        Where the job is.
    """

    role: str | None
    image_uri: str
    is_local: bool
    sagemaker_session: Any
    _jobs: LocalJobs
    _options: dict[str, Any]
    _job_name: str | None = None

    @property
    def model_data(self) -> str:
        """The address of the model of the latest job.

        Raises
        ------
        ValueError
            If there is no job.
        """
        return str(self._described()["ModelArtifacts"]["S3ModelArtifacts"])

    def _latest_job(self) -> str:
        if self._job_name is None:
            raise ValueError("expected a training job of this estimator, got none: call fit or attach first")
        return self._job_name

    def _described(self) -> dict[str, Any]:
        name = self._latest_job()
        found = self._jobs.find(name) if self.is_local else None
        if found is None:
            found = dict(self.sagemaker_session.sagemaker_client.describe_training_job(TrainingJobName=name))
        return found

    def create_model(self, **kwargs: Any) -> KMeansModel:
        """Return the model of the latest job, for this image, in the network of the estimator.

        Parameters
        ----------
        **kwargs : Any
            Other parameters of `KMeansModel`, or others instead of these.

        Returns
        -------
        KMeansModel
            Not yet known to the service.
        """
        given = {"image_uri": self.image_uri, "vpc_config": self._vpc_config(), **kwargs}
        return KMeansModel(self.model_data, self.role, self.sagemaker_session, **given)

    def _vpc_config(self) -> VpcConfig | None:
        network = self._options.get("networking")
        if network is None or not network.subnets:
            return None
        return VpcConfig(subnets=network.subnets, security_group_ids=network.security_group_ids)

    def _deployed(self, *args: Any, **kwargs: Any) -> KMeansPredictor:
        return self.create_model().deploy(*args, **kwargs)

    def transformer(self, *args: Any, **kwargs: Any) -> Transformer:
        """Return a transformer of the model of the latest job.

        Parameters
        ----------
        *args, **kwargs : Any
            As `KMeansModel.transformer` takes them. In local mode without an `output_path`, results go to the folder
            ``transformed`` of the job.

        Returns
        -------
        sagemaker.core.transformer.Transformer
            Its `transform` starts a job.
        """
        if self.is_local:
            kwargs.setdefault("output_path", address(self._jobs.folder(self._latest_job()) / "transformed"))
        return self.create_model().transformer(*args, **kwargs)

    def _analytics(self) -> TrainingJobAnalytics:
        return TrainingJobAnalytics(self._latest_job(), sagemaker_session=self.sagemaker_session)
