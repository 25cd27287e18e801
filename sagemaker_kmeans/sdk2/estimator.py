"""The estimator on version 2 of the SDK."""

import inspect
import tempfile
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sagemaker import Session
from sagemaker.amazon import kmeans as sdk
from sagemaker.amazon.amazon_estimator import RecordSet
from sagemaker.amazon.hyperparameter import Hyperparameter as SdkHyperparameter
from sagemaker.local import LocalSession
from sagemaker.predictor import Predictor
from sagemaker.transformer import Transformer
from sagemaker.tuner import HyperparameterTuner
from sagemaker.utils import sagemaker_timestamp
from sagemaker.vpc_utils import VPC_CONFIG_DEFAULT
from sagemaker.workflow import is_pipeline_variable

from sagemaker_kmeans import image, shards
from sagemaker_kmeans.hyperparameters import METRIC_DEFINITIONS, TABLE, Hyperparameter
from sagemaker_kmeans.local_jobs import LocalJobs
from sagemaker_kmeans.records import checked
from sagemaker_kmeans.sdk2.local_session import LOCAL_INSTANCE_TYPES, LocalKMeansSession
from sagemaker_kmeans.sdk2.model import KMeansModel

# The address of record sets in local mode, before there is one.
_NEW_FOLDER: Final = "file://"


def _descriptor(row: Hyperparameter) -> SdkHyperparameter:
    """Return a hyperparameter as the SDK has it, which leaves a pipeline's variable for later."""
    return SdkHyperparameter(
        row.name,
        lambda value: is_pipeline_variable(value) or row.validate(value),
        row.expected,
        lambda value: value if is_pipeline_variable(value) else row.convert(value),
    )


class KMeans(sdk.KMeans):
    """Trains K-means with your image; to be used as the SDK's class of this name.

    Parameters
    ----------
    role : str
        The role of the job, its name or ARN. In local mode, any text.
    instance_count : int
        Number of hosts.
    instance_type : str
        Such as ``ml.c5.xlarge``, or ``local``.
    k, init_method, max_iterations, tol, num_trials, local_init_method, half_life_time_size, epochs, center_factor
        Hyperparameters, as the SDK's class has them. `num_trials` and `center_factor` may be ``"auto"``.
    eval_metrics : list of str or None
        Some of ``msd`` and ``ssd``.
    mini_batch_size : int or None
        For all calls of `fit` that do not give one.
    image_uri : str or None
        The image; None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
    seed, refine_sample_size, distance, standardize, checkpoint_interval_seconds, write_assignments, write_report
        Hyperparameters that the built-in algorithm does not have.
    data_location : str or None
        Where `record_set` writes to: a prefix in S3, or in local mode a ``file://`` address.
    **kwargs
        As `sagemaker.estimator.EstimatorBase` takes them.

    Raises
    ------
    ValueError
        If a hyperparameter is out of its range, or there is no image.
    """

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
        seed: Any = None,
        refine_sample_size: Any = None,
        checkpoint_interval_seconds: Any = None,
        write_assignments: Any = None,
        write_report: Any = None,
        standardize: Any = None,
        distance: Any = None,
        data_location: str | None = None,
        sagemaker_session: Session | None = None,
        metric_definitions: Any = None,
        **kwargs: Any,
    ) -> None:
        self.image_uri = image.resolve(image_uri)
        kind = instance_type or kwargs.get("train_instance_type")
        if sagemaker_session is None and kind in LOCAL_INSTANCE_TYPES:
            sagemaker_session = LocalKMeansSession()
        if isinstance(sagemaker_session, LocalSession):
            # Elsewhere the SDK asks for the default bucket.
            data_location = data_location or _NEW_FOLDER
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
        self.mini_batch_size = mini_batch_size
        self.seed = seed
        self.refine_sample_size = refine_sample_size
        self.checkpoint_interval_seconds = checkpoint_interval_seconds
        self.write_assignments = write_assignments
        self.write_report = write_report
        self.distance = distance
        self.standardize = standardize
        self._usual_mini_batch_size = self.mini_batch_size
        # In local mode, a folder for each job, unless one was given.
        self._output_by_job = isinstance(self.sagemaker_session, LocalKMeansSession) and (
            not self.output_path or self.output_path.startswith(self.sagemaker_session.jobs.root.as_uri())
        )
        self._predictor: Any = None

    def training_image_uri(self) -> Any:
        """Return the image."""
        return self.image_uri

    @property
    def data_location(self) -> str:
        """Where `record_set` writes to."""
        if self._data_location == _NEW_FOLDER:
            self._data_location = Path(tempfile.mkdtemp(prefix="sagemaker-record-sets-")).resolve().as_uri() + "/"
        return self._data_location

    @data_location.setter
    def data_location(self, data_location: str) -> None:
        if isinstance(self.sagemaker_session, LocalSession) and str(data_location).startswith("file://"):
            self._data_location = data_location.rstrip("/") + "/"
        else:
            sdk.KMeans.data_location.fset(self, data_location)

    def record_set(
        self,
        train: Any,
        labels: Any = None,
        channel: str = "train",
        encrypt: bool = False,
        distribution: str = "ShardedByS3Key",
    ) -> RecordSet:
        """Write rows where a job can read them: one object for each host, and a manifest.

        Parameters
        ----------
        train : array-like of numbers or SciPy sparse matrix, shape (n, d)
            Rows. Float32 stays; other numbers become float64.
        labels : array-like of numbers, shape (n,), or None
            K-means does not look at them.
        channel : str
            ``train`` or ``test``.
        encrypt : bool
            Whether S3 encrypts the objects.
        distribution : str
            ``ShardedByS3Key`` or ``FullyReplicated``. In local mode all hosts see all files, and divide the rows.

        Returns
        -------
        RecordSet
            For `fit`.
        """
        rows, labels = checked(train, labels)
        # Two in the same millisecond are two.
        name = f"{type(self).__name__}-{sagemaker_timestamp()}-{uuid4().hex[:8]}"
        address = f"{self.data_location.rstrip('/')}/{name}/"
        described = {"num_records": rows.shape[0], "feature_dim": rows.shape[1], "channel": channel}
        if address.startswith("file://"):
            folder = Path(address.removeprefix("file://"))
            folder.mkdir(parents=True)
            shards.write_folder(folder, rows, labels, self.instance_count)
            return RecordSet(address, s3_data_type="S3Prefix", distribution="FullyReplicated", **described)
        session = self.sagemaker_session
        s3 = session.boto_session.resource("s3", region_name=session.boto_region_name)
        extra = {"ServerSideEncryption": "AES256"} if encrypt else {}
        if owner := session._get_account_id_if_default_bucket(address.split("/")[2]):
            extra["ExpectedBucketOwner"] = owner
        found = shards.upload(s3, address, rows, labels, self.instance_count, **extra)
        return RecordSet(found, distribution=distribution, **described)

    def fit_ndarray(
        self,
        train: Any,
        labels: Any = None,
        mini_batch_size: int | None = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
    ) -> Any:
        """Train with rows: `record_set` and `fit` in one."""
        return self.fit(self.record_set(train, labels), mini_batch_size, wait, logs, job_name)

    def _prepare_for_training(self, records: Any, mini_batch_size: Any = 5000, job_name: str | None = None) -> None:
        if mini_batch_size is None:
            mini_batch_size = self._usual_mini_batch_size
        super()._prepare_for_training(records, mini_batch_size=mini_batch_size, job_name=job_name)
        if self._output_by_job:
            folder = self.sagemaker_session.jobs.folder(self._current_job_name)
            folder.mkdir(parents=True, exist_ok=True)
            self.output_path = folder.as_uri()

    @classmethod
    def attach(
        cls, training_job_name: str, sagemaker_session: Session | None = None, model_channel_name: str = "model"
    ) -> "KMeans":
        """Return the estimator of a job, with its image and all its hyperparameters.

        Parameters
        ----------
        training_job_name : str
            A job of the service, or of local mode on this machine.
        sagemaker_session : sagemaker.session.Session or None
            None for a local one, if a local job has that name, or else one of the default AWS configuration.
        model_channel_name : str
            The channel that held a model, if any.
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
        params["image_uri"] = job_details["AlgorithmSpecification"]["TrainingImage"]
        sent = job_details.get("HyperParameters") or {}
        taken = inspect.signature(cls).parameters
        params |= {row.attribute: sent[row.name] for row in TABLE if row.name in sent and row.attribute in taken}
        return params

    def create_model(self, vpc_config_override: Any = VPC_CONFIG_DEFAULT, **kwargs: Any) -> KMeansModel:
        """Return the model of the latest job, for this image.

        Parameters
        ----------
        vpc_config_override : dict or None
            By default the subnets and security groups of the estimator.
        **kwargs
            As `KMeansModel` takes them.
        """
        return KMeansModel(
            self.model_data,
            self.role,
            self.sagemaker_session,
            vpc_config=self.get_vpc_config(vpc_config_override),
            **{"image_uri": self.image_uri, **kwargs},
        )

    def deploy(self, *args: Any, **kwargs: Any) -> Predictor:
        """Deploy the model, as `sagemaker.estimator.EstimatorBase.deploy` does, and return a `KMeansPredictor`."""
        self._predictor = super().deploy(*args, **kwargs)
        return self._predictor

    def delete_endpoint(self) -> None:
        """Delete the endpoint that `deploy` has made.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self._predictor is None:
            raise ValueError("expected an endpoint of this estimator, got none: call deploy first")
        self._predictor.delete_endpoint()
        self._predictor = None

    def transformer(self, *args: Any, **kwargs: Any) -> Transformer:
        """Return a transformer of the model, as `sagemaker.estimator.EstimatorBase.transformer` does.

        In local mode without an `output_path`, results go to the folder ``transformed`` of the job.
        """
        transformer = super().transformer(*args, **kwargs)
        if isinstance(self.sagemaker_session, LocalKMeansSession) and transformer.output_path is None:
            folder = self.sagemaker_session.jobs.folder(self.latest_training_job.name) / "transformed"
            transformer.output_path = folder.as_uri()
        return transformer

    def tuner(self, hyperparameter_ranges: Any, objective_metric_name: str = "test:msd", **kwargs: Any) -> Any:
        """Return a tuner of this estimator, which tells the service where the metrics are in the log.

        Parameters
        ----------
        hyperparameter_ranges : dict
            Ranges by the names of the service, such as ``extra_center_factor``.
        objective_metric_name : str
            ``test:msd`` or ``test:ssd``, which is made small.
        **kwargs
            As `sagemaker.tuner.HyperparameterTuner` takes them.
        """
        defaults = {"objective_type": "Minimize", "metric_definitions": self.metric_definitions}
        return HyperparameterTuner(self, objective_metric_name, hyperparameter_ranges, **{**defaults, **kwargs})


# Those of the SDK too: it does not know 'auto'.
for _row in TABLE:
    setattr(KMeans, _row.attribute, _descriptor(_row))
