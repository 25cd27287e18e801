"""Sessions on version 3 of the SDK."""

from typing import Any, Final

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.local import LocalSession

LOCAL_INSTANCE_TYPES: Final = ("local", "local_gpu")
# What the SDK must have, and local mode does not use.
_ANY_REGION: Final = "us-east-1"


def default_session(*, local: bool) -> Any:
    """Return a session of the default AWS configuration; a local one needs neither credentials nor a region."""
    if not local:
        return Session()
    region = boto3.Session().region_name or _ANY_REGION
    return LocalSession(boto_session=boto3.Session(region_name=region), sagemaker_config=_NO_TELEMETRY)


# For which the SDK would look for an account.
_NO_TELEMETRY: Final = {
    "SchemaVersion": "1.0",
    "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}},
}
