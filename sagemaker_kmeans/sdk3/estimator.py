"""The estimator on version 3 of the SDK: a `ModelTrainer` behind the interface of version 2's KMeans."""

import inspect
import tempfile
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from sagemaker.core.analytics import TrainingJobAnalytics
from sagemaker.core.common_utils import name_from_base
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.training.configs import Compute, OutputDataConfig
from sagemaker.train.model_trainer import Mode
from sagemaker.train.tuner import HyperparameterTuner

from sagemaker_kmeans import image, shards
from sagemaker_kmeans.hyperparameters import CONSTANT, METRIC_DEFINITIONS, TABLE, as_sent
from sagemaker_kmeans.local_jobs import LocalJobs
from sagemaker_kmeans.records import checked
from sagemaker_kmeans.sdk3.model import KMeansModel
from sagemaker_kmeans.sdk3.predictor import KMeansPredictor
from sagemaker_kmeans.sdk3.record_set import RecordSet
from sagemaker_kmeans.sdk3.sessions import LOCAL_INSTANCE_TYPES, default_session
from sagemaker_kmeans.sdk3.trainer import NamedJobTrainer, Setting


class KMeans:
    """Trains K-means with your image; to be used as the class of version 2 of the SDK.

    Parameters
    ----------
    role : str or None
        The role of the job; None for the default one. In local mode, any text.
    instance_count : int
        Number of hosts.
    instance_type : str or None
        Such as ``ml.c5.xlarge``, or ``local``.
    k, init_method, max_iterations, tol, num_trials, local_init_method, half_life_time_size, epochs, center_factor
        Hyperparameters. `num_trials` and `center_factor` may be ``"auto"``.
    eval_metrics : list of str or None
        Some of ``msd`` and ``ssd``.
    mini_batch_size : int or None
        For all calls of `fit` that do not give one.
    image_uri : str or None
        The image; None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
    seed, refine_sample_size, distance, standardize, checkpoint_interval_seconds, write_assignments, write_report
        Hyperparameters that the built-in algorithm does not have.
    output_path : str or None
        The ``s3://`` address of results; None for the default bucket. In local mode, jobs have folders of their own.
    data_location : str or None
        Where `record_set` writes to: a prefix in S3, or in local mode a ``file://`` address.
    training_mode : Mode or None
        ``Mode.LOCAL_CONTAINER`` is another way to say ``instance_type="local"``.
    sagemaker_session : Session or None
        None for one of the default AWS configuration.
    base_job_name : str
        What names of jobs begin with.
    **trainer
        As `sagemaker.train.ModelTrainer` takes them: `networking`, `stopping_condition`, `checkpoint_config`, ...

    Raises
    ------
    ValueError
        If a hyperparameter is out of its range, or there is no image.
    """

    def __init__(
        self,
        role: str | None = None,
        instance_count: int = 1,
        instance_type: str | None = None,
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
        image_uri: str | None = None,
        seed: Any = None,
        refine_sample_size: Any = None,
        checkpoint_interval_seconds: Any = None,
        write_assignments: Any = None,
        write_report: Any = None,
        standardize: Any = None,
        distance: Any = None,
        output_path: str | None = None,
        data_location: str | None = None,
        training_mode: Any = None,
        sagemaker_session: Any = None,
        base_job_name: str = "kmeans",
        **trainer: Any,
    ) -> None:
        given = locals()
        self._hyperparameters: dict[str, Any] = {}
        for row in TABLE:
            setattr(self, row.attribute, given.get(row.attribute))
        self.role = role
        self.instance_count = instance_count
        self.instance_type = instance_type
        self.image_uri = image.resolve(image_uri)
        self.output_path = output_path
        self.base_job_name = base_job_name
        self.is_local = instance_type in LOCAL_INSTANCE_TYPES or training_mode == Mode.LOCAL_CONTAINER
        self.sagemaker_session = sagemaker_session or default_session(local=self.is_local)
        self.latest_training_job: TrainingJob | None = None
        self._data_location = data_location
        self._usual_mini_batch_size = self.mini_batch_size
        self._trainer = trainer
        self._job_name: str | None = None
        self._predictor: KMeansPredictor | None = None
        self._jobs = LocalJobs()

    def training_image_uri(self) -> str:
        """Return the image."""
        return str(self.image_uri)

    def hyperparameters(self) -> dict[str, str]:
        """Return the hyperparameters as they are sent."""
        given = {name: as_sent(value) for name, value in self._hyperparameters.items() if value is not None}
        return {**CONSTANT, **given}

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
        """
        rows, labels = checked(train, labels)
        name = name_from_base(type(self).__name__)
        described = {"num_records": rows.shape[0], "feature_dim": rows.shape[1], "channel": channel}
        unique = f"{name}-{uuid4().hex[:8]}"
        if self.is_local:
            root = (self._data_location or "").removeprefix("file://") or tempfile.mkdtemp(
                prefix="sagemaker-record-sets-"
            )
            folder = Path(root).resolve() / unique
            folder.mkdir(parents=True)
            shards.write_folder(folder, rows, labels, self.instance_count)
            return RecordSet(folder.as_uri(), s3_data_type="S3Prefix", distribution="FullyReplicated", **described)
        session = self.sagemaker_session
        root = self._data_location or _default_location(session)
        s3 = session.boto_session.resource("s3", region_name=session.boto_region_name)
        extra = {"ServerSideEncryption": "AES256"} if encrypt else {}
        address = f"{root.rstrip('/')}/{unique}/"
        found = shards.upload(s3, address, rows, labels, self.instance_count, **extra)
        return RecordSet(found, distribution=distribution, **described)

    def fit(
        self,
        records: Any,
        mini_batch_size: int | None = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
    ) -> None:
        """Train.

        Parameters
        ----------
        records : RecordSet or list of RecordSet
            The channel `train`, and others.
        mini_batch_size : int or None
            None for that of the estimator, or else the algorithm's own default.
        wait, logs
            Whether to return only when the job has ended, and to show its log until then.
        job_name : str or None
            None for one made of `base_job_name` and the time.
        """
        trainer, channels = self._prepared(records, mini_batch_size, job_name or name_from_base(self.base_job_name))
        trainer.train(input_data_config=channels, wait=wait, logs=logs)
        self.latest_training_job = trainer._latest_training_job
        if self.is_local:
            self._keep(trainer)

    def fit_ndarray(
        self,
        train: Any,
        labels: Any = None,
        mini_batch_size: int | None = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
    ) -> None:
        """Train with rows: `record_set` and `fit` in one."""
        self.fit(self.record_set(train, labels), mini_batch_size, wait, logs, job_name)

    def _prepared(self, records: Any, mini_batch_size: int | None, job_name: str) -> tuple[NamedJobTrainer, list[Any]]:
        """Return a trainer for these channels, and the channels."""
        sets = list(records) if isinstance(records, list | tuple) else [records]
        if not any(each.channel == "train" for each in sets):
            raise ValueError("Must provide train channel.")
        self.feature_dim = next(each.feature_dim for each in sets if each.channel == "train")
        self.mini_batch_size = self._usual_mini_batch_size if mini_batch_size is None else mini_batch_size
        self._job_name = job_name
        options: dict[str, Any] = dict(self._trainer)
        options.setdefault("compute", Compute(instance_type=self.instance_type, instance_count=self.instance_count))
        if self.output_path:
            options.setdefault("output_data_config", OutputDataConfig(s3_output_path=self.output_path))
        if self.is_local:
            folder = self._jobs.folder(job_name)
            folder.mkdir(parents=True, exist_ok=True)
            options |= {"training_mode": Mode.LOCAL_CONTAINER, "local_container_root": str(folder)}
        else:
            options |= {"sagemaker_session": self.sagemaker_session, "role": self.role}
        trainer = NamedJobTrainer(
            training_image=self.image_uri,
            base_job_name=self.base_job_name,
            hyperparameters=self.hyperparameters(),
            **options,
        )
        trainer.name_job(job_name)
        metrics = [MetricDefinition(name=each["Name"], regex=each["Regex"]) for each in METRIC_DEFINITIONS]
        trainer.with_metric_definitions(metrics)
        return trainer, [each.input_data() for each in sets]

    def _keep(self, trainer: NamedJobTrainer) -> None:
        """Keep the description of a local job for `attach`, in the form of `DescribeTrainingJob`."""
        name = str(self._job_name)
        model = self._jobs.folder(name) / "compressed_artifacts" / "model.tar.gz"
        described = {
            "TrainingJobName": name,
            "RoleArn": self.role or "",
            "AlgorithmSpecification": {"TrainingImage": self.image_uri},
            "ResourceConfig": {"InstanceType": "local", "InstanceCount": self.instance_count},
            "HyperParameters": trainer.hyperparameters,
            "ModelArtifacts": {"S3ModelArtifacts": model.as_uri()},
            "TrainingJobStatus": "Completed",
        }
        self._jobs.save(name, described)

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

    @classmethod
    def attach(cls, training_job_name: str, sagemaker_session: Any = None) -> Self:
        """Return the estimator of a job, with its image and all its hyperparameters.

        Parameters
        ----------
        training_job_name : str
            A job of the service, or of local mode on this machine.
        sagemaker_session : Session or None
            None for a local one, if a local job has that name, or else one of the default AWS configuration.
        """
        kept = LocalJobs().find(training_job_name) if sagemaker_session is None else None
        session = sagemaker_session or default_session(local=kept is not None)
        details = kept or session.sagemaker_client.describe_training_job(TrainingJobName=training_job_name)
        sent = details.get("HyperParameters") or {}
        taken = inspect.signature(cls).parameters
        settings = {row.attribute: sent[row.name] for row in TABLE if row.name in sent and row.attribute in taken}
        estimator = cls(
            details["RoleArn"],
            details["ResourceConfig"]["InstanceCount"],
            details["ResourceConfig"]["InstanceType"],
            image_uri=details["AlgorithmSpecification"]["TrainingImage"],
            output_path=details.get("OutputDataConfig", {}).get("S3OutputPath"),
            sagemaker_session=session,
            **settings,
        )
        estimator._job_name = training_job_name
        return estimator

    def create_model(self, **kwargs: Any) -> KMeansModel:
        """Return the model of the latest job, for this image; `kwargs` are those of `KMeansModel`."""
        return KMeansModel(
            self.model_data, self.role, self.sagemaker_session, **{"image_uri": self.image_uri, **kwargs}
        )

    def deploy(
        self, initial_instance_count: int = 1, instance_type: str = "ml.m5.large", **kwargs: Any
    ) -> KMeansPredictor:
        """Deploy the model of the latest job; `kwargs` are those of `KMeansModel.deploy`."""
        self._predictor = self.create_model().deploy(initial_instance_count, instance_type, **kwargs)
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

    def transformer(self, instance_count: int = 1, instance_type: str = "ml.m5.large", **kwargs: Any) -> Any:
        """Return a transformer of the model of the latest job; see `KMeansModel.transformer`."""
        return self.create_model().transformer(instance_count, instance_type, **kwargs)

    @property
    def training_job_analytics(self) -> TrainingJobAnalytics:
        """The metrics of the latest job."""
        return TrainingJobAnalytics(self._job_name, sagemaker_session=self.sagemaker_session)

    def tuner(
        self,
        hyperparameter_ranges: Any,
        records: Any,
        objective_metric_name: str = "test:msd",
        mini_batch_size: int | None = None,
        **kwargs: Any,
    ) -> HyperparameterTuner:
        """Return a tuner of this estimator on some channels; call its method `tune`.

        Parameters
        ----------
        hyperparameter_ranges : dict
            Ranges by the names of the service, such as ``extra_center_factor``.
        records : list of RecordSet
            The channels `train` and `test`.
        objective_metric_name : str
            ``test:msd`` or ``test:ssd``, which is made small.
        mini_batch_size : int or None
            As for `fit`.
        **kwargs
            As `sagemaker.train.tuner.HyperparameterTuner` takes them.
        """
        trainer, channels = self._prepared(records, mini_batch_size, name_from_base(self.base_job_name))
        trainer.input_data_config = channels
        defaults = {"objective_type": "Minimize", "metric_definitions": list(METRIC_DEFINITIONS)}
        return HyperparameterTuner(trainer, objective_metric_name, hyperparameter_ranges, **{**defaults, **kwargs})


def _default_location(session: Any) -> str:
    parts = (session.default_bucket(), session.default_bucket_prefix, "sagemaker-record-sets")
    return "s3://" + "/".join(filter(None, parts))


for _row in TABLE:
    setattr(KMeans, _row.attribute, Setting(_row))
