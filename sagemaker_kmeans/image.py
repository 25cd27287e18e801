"""The image that jobs and endpoints run."""

import os
from typing import Any, Final

VARIABLE: Final = "SAGEMAKER_KMEANS_IMAGE"


def resolve(image_uri: Any = None) -> Any:
    """Return the image that was given, or that of the environment variable.

    Parameters
    ----------
    image_uri : str or None
        The image; with version 2 of the SDK also a variable of a pipeline.

    Returns
    -------
    str
        The image.

    Raises
    ------
    ValueError
        If there is none; the text says how to get one.
    """
    found = image_uri or os.environ.get(VARIABLE)
    if not found:
        raise ValueError(
            f"expected image_uri or the environment variable {VARIABLE}, got neither. Build the image and push it to "
            "your registry: container/build_and_push.sh prints its URI. For instance_type='local', `make image` is "
            "enough: image_uri='sagemaker-kmeans'"
        )
    return found
