"""What the estimator on version 3 of the SDK is made of: its hyperparameters as attributes, and its trainer."""

from pathlib import Path
from typing import Any

from pydantic import PrivateAttr
from sagemaker.core.helper.pipeline_variable import PipelineVariable
from sagemaker.train import ModelTrainer

from sagemaker_kmeans.hyperparameters import Hyperparameter, as_sent
from sagemaker_kmeans.local_jobs import address


class Setting:
    """A hyperparameter as an attribute, which is checked when it is set, unless it is a variable of a pipeline.

    Parameters
    ----------
    row : Hyperparameter
        Its row of the table.
    """

    def __init__(self, row: Hyperparameter) -> None:
        self._row = row

    def __get__(self, estimator: Any, kind: Any = None) -> Any:
        return self if estimator is None else estimator._hyperparameters.get(self._row.name)

    def __set__(self, estimator: Any, value: Any) -> None:
        known_later = value is None or isinstance(value, PipelineVariable)
        estimator._hyperparameters[self._row.name] = value if known_later else self._row.checked(value)


def sent(value: Any) -> Any:
    """Return the value of a hyperparameter as a request has it: text, or what a pipeline makes text of."""
    return value.to_string() if isinstance(value, PipelineVariable) else as_sent(value)


class NamedJobTrainer(ModelTrainer):
    """A trainer whose job may have a name of the caller's."""

    _job_name: str | None = PrivateAttr(default=None)

    def name_job(self, name: str) -> None:
        """Set the name of the next job."""
        self._job_name = name

    def local_job(self, role: str | None) -> dict[str, Any]:
        """Return the description of a job of local mode that has ended, in the form of `DescribeTrainingJob`."""
        model = Path(self.local_container_root) / "compressed_artifacts" / "model.tar.gz"
        return {
            "TrainingJobName": self._job_name,
            "RoleArn": role or "",
            "AlgorithmSpecification": {"TrainingImage": self.training_image},
            "ResourceConfig": {"InstanceType": "local", "InstanceCount": self.compute.instance_count},
            "HyperParameters": self.hyperparameters,
            "ModelArtifacts": {"S3ModelArtifacts": address(model)},
            "TrainingJobStatus": "Completed",
        }

    def _create_training_job_args(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        request: dict[str, Any] = super()._create_training_job_args(*args, **kwargs)
        if self._job_name and "training_job_name" in request:
            request["training_job_name"] = self._job_name
        return request
