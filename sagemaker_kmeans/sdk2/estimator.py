"""The estimator on version 2 of the SDK."""

import inspect
from typing import Any, Final, Self

from sagemaker import TrainingJobAnalytics
from sagemaker.amazon import kmeans as sdk
from sagemaker.amazon.amazon_estimator import RecordSet
from sagemaker.amazon.hyperparameter import Hyperparameter as SdkHyperparameter
from sagemaker.estimator import EstimatorBase
from sagemaker.local import LocalSession
from sagemaker.predictor import Predictor
from sagemaker.transformer import Transformer
from sagemaker.tuner import HyperparameterTuner
from sagemaker.vpc_utils import VPC_CONFIG_DEFAULT
from sagemaker.workflow import is_pipeline_variable

from sagemaker_kmeans.estimator import NEW_FOLDER, KMeansInterface
from sagemaker_kmeans.hyperparameters import METRIC_DEFINITIONS, TABLE, Hyperparameter, of_job
from sagemaker_kmeans.local_jobs import address
from sagemaker_kmeans.sdk2.local_session import LOCAL_INSTANCE_TYPES, LocalKMeansSession
from sagemaker_kmeans.sdk2.model import KMeansModel

# What the SDK's class takes by name, before version 2 with "train_" in front.
_OPTIONS: Final = inspect.signature(EstimatorBase).parameters.keys() - {"hyperparameters", "kwargs"}


def _descriptor(row: Hyperparameter) -> SdkHyperparameter:
    """Return a hyperparameter as the SDK has it, which leaves a pipeline's variable for later."""
    return SdkHyperparameter(
        row.name,
        lambda value: is_pipeline_variable(value) or row.validate(value),
        row.expected,
        lambda value: value if is_pipeline_variable(value) else row.convert(value),
    )


class KMeans(KMeansInterface, sdk.KMeans):
    """Trains K-means with your image; to be used as the SDK's class of this name.

    In addition to its parameters and hyperparameters, it takes what `sagemaker.estimator.EstimatorBase` does;
    `metric_definitions` are by default those of this algorithm. In local mode, `data_location` is a ``file://``
    address.
    """

    _record_set = RecordSet

    def _create(self, hyperparameters: dict[str, Any], options: dict[str, Any]) -> None:
        data_location, session = options.pop("data_location", None), options.pop("sagemaker_session", None)
        if unknown := [name for name in options if name.removeprefix("train_") not in _OPTIONS]:
            raise TypeError(f"KMeans() got unexpected keyword arguments: {', '.join(unknown)}")
        if session is None and (options["instance_type"] or options.get("train_instance_type")) in LOCAL_INSTANCE_TYPES:
            session = LocalKMeansSession()
        if isinstance(session, LocalSession):
            # Elsewhere the SDK asks for the default bucket.
            data_location = data_location or NEW_FOLDER
        if options.get("metric_definitions") is None:
            options["metric_definitions"] = [*METRIC_DEFINITIONS]
        sdk.KMeans.__init__(
            self,
            data_location=data_location,
            sagemaker_session=session,
            **{"base_job_name": "kmeans", **options},
        )
        # With a slash at the end.
        self.data_location = self._data_location or NEW_FOLDER
        for name, value in hyperparameters.items():
            setattr(self, name, value)
        self._usual_mini_batch_size = self.mini_batch_size
        # In local mode, a folder for each job, unless one was given.
        self._output_by_job = isinstance(self.sagemaker_session, LocalKMeansSession) and (
            not self.output_path or self.output_path.startswith(address(self.sagemaker_session.jobs.root))
        )

    def _prepare_for_training(self, records: Any, mini_batch_size: Any = 5000, job_name: str | None = None) -> None:
        if mini_batch_size is None:
            mini_batch_size = self._usual_mini_batch_size
        super()._prepare_for_training(records, mini_batch_size=mini_batch_size, job_name=job_name)
        if self._output_by_job:
            folder = self.sagemaker_session.jobs.folder(self._current_job_name)
            folder.mkdir(parents=True, exist_ok=True)
            self.output_path = address(folder)

    @classmethod
    def _attached(cls, name: str, session: Any, model_channel_name: str, local_job: dict[str, Any] | None) -> Self:
        if local_job is not None:
            session = LocalKMeansSession()
        estimator: Self = super(KMeansInterface, cls).attach(name, session, model_channel_name)
        return estimator

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: Any, model_channel_name: str | None = None
    ) -> dict[str, Any]:
        params: dict[str, Any] = super()._prepare_init_params_from_job_description(job_details, model_channel_name)
        return params | of_job(job_details) | {"image_uri": job_details["AlgorithmSpecification"]["TrainingImage"]}

    def create_model(self, vpc_config_override: Any = VPC_CONFIG_DEFAULT, **kwargs: Any) -> KMeansModel:
        """Return the model of the latest job, for this image.

        Parameters
        ----------
        vpc_config_override : dict or None
            By default the subnets and security groups of the estimator.
        **kwargs : Any
            As `KMeansModel` takes them.

        Returns
        -------
        KMeansModel
            To be deployed.
        """
        return KMeansModel(
            self.model_data,
            self.role,
            self.sagemaker_session,
            vpc_config=self.get_vpc_config(vpc_config_override),
            **{"image_uri": self.image_uri, **kwargs},
        )

    def _deployed(self, *args: Any, **kwargs: Any) -> Predictor:
        return super(KMeansInterface, self).deploy(*args, **kwargs)

    def _analytics(self) -> TrainingJobAnalytics:
        analytics: TrainingJobAnalytics = super(KMeansInterface, self).training_job_analytics
        return analytics

    @property
    def is_local(self) -> bool:
        """Whether jobs are those of local mode."""
        return isinstance(self.sagemaker_session, LocalSession)

    def transformer(self, *args: Any, **kwargs: Any) -> Transformer:
        """Return a transformer of the model, as `sagemaker.estimator.EstimatorBase.transformer` does.

        Parameters
        ----------
        *args, **kwargs : Any
            As that method takes them. In local mode without an `output_path`, results go to the folder ``transformed``
            of the job.

        Returns
        -------
        sagemaker.transformer.Transformer
            Its `transform` starts a job.
        """
        transformer = super().transformer(*args, **kwargs)
        if isinstance(self.sagemaker_session, LocalKMeansSession) and transformer.output_path is None:
            folder = self.sagemaker_session.jobs.folder(self.latest_training_job.name) / "transformed"
            transformer.output_path = address(folder)
        return transformer

    def tuner(self, hyperparameter_ranges: Any, objective_metric_name: str = "test:msd", **kwargs: Any) -> Any:
        """Return a tuner of this estimator, which tells the service where the metrics are in the log.

        Parameters
        ----------
        hyperparameter_ranges : dict
            Ranges by the names of the service, such as ``extra_center_factor``.
        objective_metric_name : str
            ``test:msd`` or ``test:ssd``, which is made small.
        **kwargs : Any
            As `sagemaker.tuner.HyperparameterTuner` takes them.

        Returns
        -------
        sagemaker.tuner.HyperparameterTuner
            Its `fit` starts the jobs.
        """
        defaults = {"objective_type": "Minimize", "metric_definitions": self.metric_definitions}
        return HyperparameterTuner(self, objective_metric_name, hyperparameter_ranges, **{**defaults, **kwargs})


# Those of the SDK too: it does not know 'auto'.
for _row in TABLE:
    setattr(KMeans, _row.attribute, _descriptor(_row))
