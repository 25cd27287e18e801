"""What the estimator on version 3 of the SDK is made of: its hyperparameters as attributes, and its trainer."""

from typing import Any

from pydantic import PrivateAttr
from sagemaker.train import ModelTrainer

from sagemaker_kmeans.hyperparameters import Hyperparameter


class Setting:
    """A hyperparameter as an attribute, which is checked when it is set."""

    def __init__(self, row: Hyperparameter) -> None:
        self._row = row

    def __get__(self, estimator: Any, kind: Any = None) -> Any:
        return self if estimator is None else estimator._hyperparameters.get(self._row.name)

    def __set__(self, estimator: Any, value: Any) -> None:
        estimator._hyperparameters[self._row.name] = None if value is None else self._row.checked(value)


class NamedJobTrainer(ModelTrainer):
    """A trainer whose job may have a name of the caller's."""

    _job_name: str | None = PrivateAttr(default=None)

    def name_job(self, name: str) -> None:
        """Set the name of the next job."""
        self._job_name = name

    def _create_training_job_args(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        request: dict[str, Any] = super()._create_training_job_args(*args, **kwargs)
        if self._job_name and "training_job_name" in request:
            request["training_job_name"] = self._job_name
        return request
