"""The estimator on version 3 of the SDK: a `ModelTrainer` behind the interface of version 2's KMeans."""

from typing import Any, Final, Self
from warnings import warn

from sagemaker.core.common_utils import name_from_base
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.training.configs import Compute, OutputDataConfig
from sagemaker.train.model_trainer import Mode
from sagemaker.train.tuner import HyperparameterTuner

from sagemaker_kmeans import image
from sagemaker_kmeans.estimator import NEW_FOLDER, RecordSetEstimator
from sagemaker_kmeans.hyperparameters import CONSTANT, METRIC_DEFINITIONS, TABLE, of_job, taken_from
from sagemaker_kmeans.local_jobs import LocalJobs
from sagemaker_kmeans.sdk3.record_set import RecordSet
from sagemaker_kmeans.sdk3.sessions import LOCAL_INSTANCE_TYPES, default_session
from sagemaker_kmeans.sdk3.trained import TrainedEstimator
from sagemaker_kmeans.sdk3.trainer import NamedJobTrainer, Setting, sent

# What the trainer takes by name, but for what the estimator gives it.
_OPTIONS: Final = NamedJobTrainer.model_fields.keys() - {"training_image", "hyperparameters", "input_data_config"}


class KMeans(TrainedEstimator, RecordSetEstimator):
    """Trains K-means with your image; to be used as the class of version 2 of the SDK.

    Parameters
    ----------
    role : str or None
        The role of the job; None for the default one. In local mode, any text.
    instance_count : int
        Number of hosts.
    instance_type : str or None
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
        Hyperparameters, by the names of version 2; None for the algorithm's default.
    eval_metrics : list of str or None
        Some of ``msd`` and ``ssd``.
    mini_batch_size : int or None
        For all calls of `fit` that do not give one.
    image_uri : str or None
        The image; None for that of the environment variable ``SAGEMAKER_KMEANS_IMAGE``.
    output_path : str or None
        The ``s3://`` address of results; None for the default bucket. In local mode, jobs have folders of their own.
    data_location : str or None
        Where `record_set` writes to: a prefix in S3, or in local mode a ``file://`` address.
    training_mode : Mode or None
        ``Mode.LOCAL_CONTAINER`` is another way to say ``instance_type="local"``.
    sagemaker_session : Session or None
        None for one of the default AWS configuration, or a local one.
    base_job_name : str
        What names of jobs begin with.
    **options : Any
        The algorithm's other hyperparameters, such as `seed`, and what `sagemaker.train.ModelTrainer` takes:
        `networking`, `stopping_condition`, `checkpoint_config`, ...

    Raises
    ------
    TypeError
        If there is another keyword.
    ValueError
        If a hyperparameter is out of its range, or there is no image.
    """

    _record_set = RecordSet

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
        output_path: str | None = None,
        data_location: str | None = None,
        training_mode: Any = None,
        sagemaker_session: Any = None,
        base_job_name: str = "kmeans",
        **options: Any,
    ) -> None:
        given = locals() | taken_from(options)
        for name in ("instance_count", "instance_type"):
            if (old := f"train_{name}") in options:
                warn(f"{old} has been renamed in sagemaker>=2.", DeprecationWarning, stacklevel=2)
                given[name] = options.pop(old)
        if unknown := options.keys() - _OPTIONS:
            raise TypeError(f"KMeans() got unexpected keyword arguments: {', '.join(sorted(unknown))}")
        self._hyperparameters: dict[str, Any] = {}
        for row in TABLE:
            setattr(self, row.attribute, given.get(row.attribute))
        self.role = role
        self.instance_count = given["instance_count"]
        self.instance_type = given["instance_type"]
        self.image_uri = image.resolve(image_uri)
        self.output_path = output_path
        self.base_job_name = base_job_name
        self.is_local = self.instance_type in LOCAL_INSTANCE_TYPES or training_mode == Mode.LOCAL_CONTAINER
        self.sagemaker_session = sagemaker_session or default_session(local=self.is_local)
        self.latest_training_job: TrainingJob | None = None
        self.data_location = data_location or NEW_FOLDER
        self._usual_mini_batch_size = self.mini_batch_size
        self._options = options
        self._jobs = LocalJobs()

    def hyperparameters(self) -> dict[str, str]:
        """Return the hyperparameters as they are sent."""
        given = {name: sent(value) for name, value in self._hyperparameters.items() if value is not None}
        return {**CONSTANT, **given}

    def _default_data_location(self) -> str:
        if self.is_local:
            return super()._default_data_location()
        session = self.sagemaker_session
        parts = (session.default_bucket(), session.default_bucket_prefix, "sagemaker-record-sets")
        return "s3://" + "/".join(filter(None, parts))

    def fit(
        self,
        records: Any,
        mini_batch_size: int | None = None,
        wait: bool = True,
        logs: bool = True,
        job_name: str | None = None,
    ) -> Any:
        """Train.

        Parameters
        ----------
        records : RecordSet or list of RecordSet
            The channel `train`, and others.
        mini_batch_size : int or None
            None for that of the estimator, or else the algorithm's own default.
        wait : bool
            Whether to return only when the job has ended, as in local mode always.
        logs : bool
            Whether to show its log until then.
        job_name : str or None
            None for one made of `base_job_name` and the time.

        Returns
        -------
        None or step arguments
            With a `PipelineSession`, the `step_args` of a `TrainingStep`.
        """
        trainer, channels = self._prepared(records, mini_batch_size, job_name or name_from_base(self.base_job_name))
        step_arguments = trainer.train(input_data_config=channels, wait=wait, logs=logs)
        self.latest_training_job = trainer._latest_training_job
        if self.is_local:
            self._jobs.save(str(self._job_name), trainer.local_job(self.role))
        return step_arguments

    def _prepared(self, records: Any, mini_batch_size: int | None, job_name: str) -> tuple[NamedJobTrainer, list[Any]]:
        """Return a trainer for these channels, and the channels."""
        sets = list(records) if isinstance(records, list | tuple) else [records]
        if not any(each.channel == "train" for each in sets):
            raise ValueError("Must provide train channel.")
        self.feature_dim = next(each.feature_dim for each in sets if each.channel == "train")
        self.mini_batch_size = self._usual_mini_batch_size if mini_batch_size is None else mini_batch_size
        self._job_name = job_name
        options: dict[str, Any] = dict(self._options)
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

    @classmethod
    def attach(cls, training_job_name: str, sagemaker_session: Any = None) -> Self:
        """Return the estimator of a job that has ended, with its image and all its hyperparameters.

        Parameters
        ----------
        training_job_name : str
            A job of the service, or of local mode on this machine.
        sagemaker_session : Session or None
            None for a local one, if a local job has that name, or else one of the default AWS configuration.

        Returns
        -------
        KMeans
            With a job, so that it can be deployed.
        """
        kept = LocalJobs().find(training_job_name) if sagemaker_session is None else None
        session = sagemaker_session or default_session(local=kept is not None)
        details = kept or session.sagemaker_client.describe_training_job(TrainingJobName=training_job_name)
        estimator = cls(
            details["RoleArn"],
            details["ResourceConfig"]["InstanceCount"],
            details["ResourceConfig"]["InstanceType"],
            image_uri=details["AlgorithmSpecification"]["TrainingImage"],
            output_path=details.get("OutputDataConfig", {}).get("S3OutputPath"),
            sagemaker_session=session,
            **of_job(details),
        )
        estimator._job_name = training_job_name
        if kept is None:
            job = TrainingJob.get(training_job_name, session.boto_session, session.boto_region_name)
            job.wait()
            estimator.latest_training_job = job
        return estimator

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
        **kwargs : Any
            As `sagemaker.train.tuner.HyperparameterTuner` takes them.

        Returns
        -------
        sagemaker.train.tuner.HyperparameterTuner
            Its `tune` starts the jobs.
        """
        trainer, channels = self._prepared(records, mini_batch_size, name_from_base(self.base_job_name))
        trainer.input_data_config = channels
        defaults = {"objective_type": "Minimize", "metric_definitions": list(METRIC_DEFINITIONS)}
        return HyperparameterTuner(trainer, objective_metric_name, hyperparameter_ranges, **{**defaults, **kwargs})


for _row in TABLE:
    setattr(KMeans, _row.attribute, Setting(_row))
