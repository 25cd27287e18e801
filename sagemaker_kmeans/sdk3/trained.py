"""What an estimator on version 3 of the SDK has once it has a job: a model, endpoints, transformers, metrics."""

from typing import Any

from sagemaker.core.analytics import TrainingJobAnalytics
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
    _job_name: str | None = None
    _predictor: KMeansPredictor | None = None

    @property
    def model_data(self) -> str:
        """The address of the model of the latest job.

        Raises
        ------
        ValueError
            If there is no job.
        """
        return str(self._described()["ModelArtifacts"]["S3ModelArtifacts"])

    def _described(self) -> dict[str, Any]:
        if self._job_name is None:
            raise ValueError("expected a training job of this estimator, got none: call fit or attach first")
        found = self._jobs.find(self._job_name) if self.is_local else None
        if found is None:
            client = self.sagemaker_session.sagemaker_client
            found = dict(client.describe_training_job(TrainingJobName=self._job_name))
        return found

    def create_model(self, **kwargs: Any) -> KMeansModel:
        """Return the model of the latest job, for this image.

        Parameters
        ----------
        **kwargs : Any
            As `KMeansModel` takes them.

        Returns
        -------
        KMeansModel
            To be deployed.
        """
        return KMeansModel(
            self.model_data, self.role, self.sagemaker_session, **{"image_uri": self.image_uri, **kwargs}
        )

    def deploy(self, *args: Any, **kwargs: Any) -> KMeansPredictor:
        """Deploy the model of the latest job.

        Parameters
        ----------
        *args, **kwargs : Any
            As `KMeansModel.deploy` takes them.

        Returns
        -------
        KMeansPredictor
            To be asked.
        """
        predictor = self.create_model().deploy(*args, **kwargs)
        self._predictor = predictor
        return predictor

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
            kwargs.setdefault("output_path", address(self._jobs.folder(str(self._job_name)) / "transformed"))
        return self.create_model().transformer(*args, **kwargs)

    @property
    def training_job_analytics(self) -> TrainingJobAnalytics:
        """The metrics of the latest job."""
        return TrainingJobAnalytics(self._job_name, sagemaker_session=self.sagemaker_session)
