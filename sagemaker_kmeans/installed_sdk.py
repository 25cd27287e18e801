"""The classes for the SageMaker SDK that is installed."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType


def classes() -> ModuleType:
    """Return the module that has the classes for the installed SDK.

    Raises
    ------
    ImportError
        If there is no SDK, or one of another major version.
    """
    try:
        found = version("sagemaker")
    except PackageNotFoundError as cause:
        raise ImportError(
            "expected the SageMaker Python SDK: pip install 'sagemaker-kmeans[sdk2]' or 'sagemaker-kmeans[sdk3]'"
        ) from cause
    major = found.partition(".")[0]
    if major not in ("2", "3"):
        raise ImportError(f"expected version 2 or 3 of the SageMaker Python SDK, got {found}")
    return import_module(f"sagemaker_kmeans.sdk{major}")
