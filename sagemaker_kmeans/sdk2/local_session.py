"""Local mode of version 2 of the SDK, without a bucket, credentials or a region."""

import copy
from typing import Any, Final

import boto3
from sagemaker.local import LocalSession
from sagemaker.local.local_session import LocalSagemakerClient

from sagemaker_kmeans.local_jobs import LocalJobs

LOCAL_INSTANCE_TYPES: Final = ("local", "local_gpu")
# What the SDK must have, and local mode does not use.
_ANY_REGION: Final = "us-east-1"


class LocalKMeansSession(LocalSession):
    """A session of local mode: all its files are on this machine, and its jobs are found by other processes.

    Parameters
    ----------
    jobs : LocalJobs or None
        Where jobs are kept; None for the default folder.

    Notes
    -----
    It sends no telemetry, for which the SDK would look for an account.
    """

    def __init__(self, jobs: LocalJobs | None = None) -> None:
        self.jobs = jobs or LocalJobs()
        region = boto3.Session().region_name or _ANY_REGION
        super().__init__(boto_session=boto3.Session(region_name=region))
        # Results stay where they are instead of going to a bucket.
        self.config = {**(self.config or {}), "local": {**(self.config or {}).get("local", {}), "local_code": True}}

    def _initialize(self, *args: Any, **kwargs: Any) -> None:
        super()._initialize(*args, **kwargs)
        self.sagemaker_client = _Client(self)
        config = copy.deepcopy(self.sagemaker_config) or {"SchemaVersion": "1.0"}
        sdk = config.setdefault("SageMaker", {}).setdefault("PythonSDK", {})
        sdk.setdefault("Modules", {})["TelemetryOptOut"] = True
        self.sagemaker_config = config

    def expand_role(self, role: str) -> str:
        """Return the role as it is: nobody looks at it."""
        return role

    def wait_for_job(self, job: str, *_args: Any, **_kwargs: Any) -> Any:
        """Return the description of a training job, which has ended when it was created."""
        return self.sagemaker_client.describe_training_job(TrainingJobName=job)

    def wait_for_endpoint(self, endpoint: str, *_args: Any, **_kwargs: Any) -> Any:
        """Return the description of an endpoint, which answers since it was created."""
        return self.sagemaker_client.describe_endpoint(EndpointName=endpoint)

    def wait_for_transform_job(self, job: str, *_args: Any, **_kwargs: Any) -> Any:
        """Return the description of a batch transform job, which has ended when it was created."""
        return self.sagemaker_client.describe_transform_job(TransformJobName=job)

    def logs_for_transform_job(self, job_name: str, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: the containers of local mode have written their logs here."""


class _Client(LocalSagemakerClient):
    """Local mode's client, which keeps the descriptions of training jobs in files."""

    def create_training_job(self, **request: Any) -> None:
        # The SDK adds members to the channels.
        asked = copy.deepcopy(request)
        super().create_training_job(**request)
        name = request["TrainingJobName"]
        found = super().describe_training_job(name)
        described = {
            **asked,
            # What the service adds, and `attach` looks at.
            "OutputDataConfig": {"KmsKeyId": "", **asked["OutputDataConfig"]},
            "ResourceConfig": {"VolumeSizeInGB": 30, **asked["ResourceConfig"]},
            **{key: found[key] for key in ("TrainingJobArn", "TrainingJobStatus", "ModelArtifacts")},
        }
        self.sagemaker_session.jobs.save(name, described)

    def describe_training_job(self, TrainingJobName: str) -> Any:  # noqa: N803
        kept = self.sagemaker_session.jobs.find(TrainingJobName)
        return super().describe_training_job(TrainingJobName) if kept is None else kept

    def create_transform_job(self, **request: Any) -> None:
        # Without one, local mode takes that of the image, and does not understand it.
        super().create_transform_job(**{"BatchStrategy": "MultiRecord", **request})

    def list_tags(self, **_: Any) -> dict[str, Any]:
        return {"Tags": []}
