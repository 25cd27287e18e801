"""The estimator on version 3 of the SDK: a `ModelTrainer` behind the interface of version 2's KMeans."""

from typing import Any, Final, Self
from warnings import warn

from sagemaker.core.common_utils import name_from_base
from sagemaker.core.resources import TrainingJob
from sagemaker.core.shapes import MetricDefinition, Unassigned
from sagemaker.core.training.configs import Compute, OutputDataConfig
from sagemaker.train.model_trainer import Mode
from sagemaker.train.tuner import HyperparameterTuner

from sagemaker_kmeans.estimator import NEW_FOLDER, KMeansInterface
from sagemaker_kmeans.hyperparameters import CONSTANT, METRIC_DEFINITIONS, TABLE, of_job
from sagemaker_kmeans.local_jobs import LocalJobs
from sagemaker_kmeans.sdk3 import described_job
from sagemaker_kmeans.sdk3.record_set import RecordSet
from sagemaker_kmeans.sdk3.sessions import LOCAL_INSTANCE_TYPES, default_session
from sagemaker_kmeans.sdk3.trained import TrainedEstimator
from sagemaker_kmeans.sdk3.trainer import NamedJobTrainer, Setting, sent

# What the trainer takes by name, but for what the estimator gives it.
_OPTIONS: Final = NamedJobTrainer.model_fields.keys() - {"training_image", "hyperparameters", "input_data_config"}


class KMeans(TrainedEstimator, KMeansInterface):
    """Trains K-means with your image; to be used as the class of version 2 of the SDK.

    In addition to its parameters and hyperparameters, it takes those of `sagemaker.train.ModelTrainer`, such as
    `networking`, `stopping_condition` and `checkpoint_config`; and `output_path`, an ``s3://`` address of results;
    `data_location`, a prefix for record sets; `sagemaker_session`; `base_job_name`; and `metric_definitions`, by
    default those of this algorithm. In local mode, which ``training_mode=Mode.LOCAL_CONTAINER`` is another name of,
    `data_location` is a ``file://`` address, and jobs have folders of their own.
    """

    _record_set = RecordSet

    def _create(self, hyperparameters: dict[str, Any], options: dict[str, Any]) -> None:
        for name in ("instance_count", "instance_type"):
            if (old := f"train_{name}") in options:
                warn(f"{old} has been renamed in sagemaker>=2.", DeprecationWarning, stacklevel=4)
                options[name] = options.pop(old)
        self.role = options.pop("role")
        compute = options.setdefault("compute", Compute())
        self.instance_count = _or_else(compute.instance_count, _or_else(options.pop("instance_count"), 1))
        self.instance_type = _or_else(compute.instance_type, options.pop("instance_type"))
        self.output_path = options.pop("output_path", None)
        self.base_job_name = options.pop("base_job_name", None) or "kmeans"
        self.metric_definitions = options.pop("metric_definitions", None) or [*METRIC_DEFINITIONS]
        local = self.instance_type in LOCAL_INSTANCE_TYPES
        mode = options.pop("training_mode", None)
        self.is_local = local or (mode is not None and Mode(mode) == Mode.LOCAL_CONTAINER)
        session, data_location = options.pop("sagemaker_session", None), options.pop("data_location", None)
        if unknown := options.keys() - _OPTIONS:
            raise TypeError(f"KMeans() got unexpected keyword arguments: {', '.join(sorted(unknown))}")
        self._hyperparameters: dict[str, Any] = {}
        for name, value in hyperparameters.items():
            setattr(self, name, value)
        self.sagemaker_session = session or default_session(local=self.is_local)
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
        names = [each.channel for each in sets]
        if "train" not in names:
            raise ValueError("Must provide train channel.")
        if len(set(names)) < len(names):
            raise ValueError("Duplicate channels not allowed.")
        self.feature_dim = next(each.feature_dim for each in sets if each.channel == "train")
        self.mini_batch_size = self._usual_mini_batch_size if mini_batch_size is None else mini_batch_size
        self._job_name = job_name
        options: dict[str, Any] = dict(self._options)
        sizes = {"instance_type": self.instance_type, "instance_count": self.instance_count}
        options["compute"] = options["compute"].model_copy(update=sizes)
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
        metrics = [MetricDefinition(name=each["Name"], regex=each["Regex"]) for each in self.metric_definitions]
        trainer.with_metric_definitions(metrics)
        return trainer, [each.input_data() for each in sets]

    @classmethod
    def _attached(cls, name: str, session: Any, model_channel_name: str, local_job: dict[str, Any] | None) -> Self:
        del model_channel_name
        session = session or default_session(local=local_job is not None)
        details = local_job or session.sagemaker_client.describe_training_job(TrainingJobName=name)
        options = {} if local_job is not None else described_job.options(details)
        estimator = cls(
            details["RoleArn"],
            details["ResourceConfig"]["InstanceCount"],
            details["ResourceConfig"]["InstanceType"],
            image_uri=details["AlgorithmSpecification"]["TrainingImage"],
            output_path=details.get("OutputDataConfig", {}).get("S3OutputPath"),
            sagemaker_session=session,
            **options,
            **of_job(details),
        )
        estimator._job_name = name
        if local_job is None:
            job = TrainingJob.get(name, session.boto_session, session.boto_region_name)
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
        defaults = {"objective_type": "Minimize", "metric_definitions": self.metric_definitions}
        return HyperparameterTuner(trainer, objective_metric_name, hyperparameter_ranges, **{**defaults, **kwargs})


def _or_else(member: Any, other: Any) -> Any:
    """Return a member of a configuration, or something else if it has not been set."""
    return other if member is None or isinstance(member, Unassigned) else member


for _row in TABLE:
    setattr(KMeans, _row.attribute, Setting(_row))
