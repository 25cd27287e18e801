"""The estimator on version 2 of the SDK."""

import inspect
from typing import Any, Final

from sagemaker import Session
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

from sagemaker_kmeans import image
from sagemaker_kmeans.estimator import NEW_FOLDER, RecordSetEstimator
from sagemaker_kmeans.hyperparameters import METRIC_DEFINITIONS, TABLE, Hyperparameter, of_job, taken_from
from sagemaker_kmeans.local_jobs import LocalJobs, address
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


class KMeans(RecordSetEstimator, sdk.KMeans):
    """Trains K-means with your image; to be used as the SDK's class of this name.

    Parameters
    ----------
    role : str
        The role of the job, its name or ARN. In local mode, any text.
    instance_count : int
        Number of hosts.
    instance_type : str
        Such as ``ml.c5.xlarge``, or ``local``.
    k : int
        Number of clusters.
    init_method : {"random", "kmeans++"} or None
    max_iterations : int or None
    tol : float or None
    num_trials : int, "auto" or None
    local_init_method : {"random", "kmeans++"} or None
    half_life_time_size : int or None
    epochs : int or None
    center_factor : int, "auto" or None
        Hyperparameters, as the SDK's class has them; None for the algorithm's default.
    eval_metrics : list of str or None
        Some of ``msd`` and ``ssd``.
    mini_batch_size : int or None
        For all calls of `fit` that do not give one.
    image_uri : str or None
        The image; None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
    data_location : str or None
        Where `record_set` writes to: a prefix in S3, or in local mode a ``file://`` address.
    sagemaker_session : sagemaker.session.Session or None
        None for one of the default AWS configuration, or a local one.
    metric_definitions : list of dict or None
        None for those of this algorithm.
    **kwargs : Any
        The algorithm's other hyperparameters, such as `seed`, and what `sagemaker.estimator.EstimatorBase` takes.

    Raises
    ------
    TypeError
        If there is another keyword, which the SDK's class would ignore.
    ValueError
        If a hyperparameter is out of its range, or there is no image.
    """

    _record_set = RecordSet

    def __init__(
        self,
        role: Any = None,
        instance_count: Any = None,
        instance_type: Any = None,
        k: Any = None,
        init_method: Any = None,
        max_iterations: Any = None,
        tol: Any = None,
        num_trials: Any = None,
        local_init_method: Any = None,
        half_life_time_size: Any = None,
        epochs: Any = None,
        center_factor: Any = None,
        eval_metrics: Any = None,
        mini_batch_size: Any = None,
        *,
        image_uri: Any = None,
        data_location: str | None = None,
        sagemaker_session: Session | None = None,
        metric_definitions: Any = None,
        **kwargs: Any,
    ) -> None:
        own = {"mini_batch_size": mini_batch_size, **taken_from(kwargs)}
        if unknown := [name for name in kwargs if name.removeprefix("train_") not in _OPTIONS]:
            raise TypeError(f"KMeans() got unexpected keyword arguments: {', '.join(unknown)}")
        self.image_uri = image.resolve(image_uri)
        kind = instance_type or kwargs.get("train_instance_type")
        if sagemaker_session is None and kind in LOCAL_INSTANCE_TYPES:
            sagemaker_session = LocalKMeansSession()
        if isinstance(sagemaker_session, LocalSession):
            # Elsewhere the SDK asks for the default bucket.
            data_location = data_location or NEW_FOLDER
        super().__init__(
            role,
            instance_count,
            instance_type,
            k,
            init_method,
            max_iterations,
            tol,
            num_trials,
            local_init_method,
            half_life_time_size,
            epochs,
            center_factor,
            eval_metrics,
            data_location=data_location,
            sagemaker_session=sagemaker_session,
            metric_definitions=[*METRIC_DEFINITIONS] if metric_definitions is None else metric_definitions,
            **{"base_job_name": "kmeans", **kwargs},
        )
        # With a slash at the end.
        self.data_location = self._data_location or NEW_FOLDER
        for row in TABLE:
            if row.name not in self._hyperparameters:
                setattr(self, row.attribute, own.get(row.attribute))
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
    def attach(
        cls, training_job_name: str, sagemaker_session: Session | None = None, model_channel_name: str = "model"
    ) -> "KMeans":
        """Return the estimator of a job that has ended, with its image and all its hyperparameters.

        Parameters
        ----------
        training_job_name : str
            A job of the service, or of local mode on this machine.
        sagemaker_session : sagemaker.session.Session or None
            None for a local one, if a local job has that name, or else one of the default AWS configuration.
        model_channel_name : str
            The channel that held a model, if any.

        Returns
        -------
        KMeans
            With a job, so that it can be deployed.
        """
        if sagemaker_session is None and LocalJobs().find(training_job_name) is not None:
            sagemaker_session = LocalKMeansSession()
        estimator: KMeans = super().attach(training_job_name, sagemaker_session, model_channel_name)
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

    def deploy(self, *args: Any, **kwargs: Any) -> Predictor:
        """Deploy the model, as `sagemaker.estimator.EstimatorBase.deploy` does.

        Parameters
        ----------
        *args, **kwargs : Any
            As that method takes them.

        Returns
        -------
        KMeansPredictor
            To be asked.
        """
        self._predictor = super().deploy(*args, **kwargs)
        return self._predictor

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
