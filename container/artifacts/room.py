"""Whether a model can be written, looked at before the hours that it takes to make one."""

import os
import shutil
import tempfile
from pathlib import Path

from container.errors import PlatformError
from kmeans.settings import TrainingSettings

# What is not counted number by number: headers, and the description but for the sizes of its clusters.
_OTHER_BYTES = 1 << 16
# A number of JSON, in a line of its own.
_SIZE_BYTES = 32


def model_bytes(settings: TrainingSettings) -> int:
    """Return how many bytes a model's files take at most: its centers, the state of its stream and its description.

    Centers in float64, which the description of few models has, are not counted.
    """
    features = settings.n_features
    state = settings.n_centers * 8 * (features + 1)
    sample = min(settings.sample_size, settings.kept_sample_size) * (4 * features + 16)
    return state + sample + settings.k * (4 * features + _SIZE_BYTES) + _OTHER_BYTES


def require(folder: Path, n_bytes: int) -> None:
    """See that so many bytes can be written into a folder.

    Parameters
    ----------
    folder : Path
        It need not exist; it is not made.
    n_bytes : int
        Of all files together.

    Raises
    ------
    PlatformError
        If the folder can't be made or written to, or if there is less room.
    """
    place = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    try:
        # Permissions do not tell: the file system may be read-only, or have no file left.
        with tempfile.TemporaryFile(dir=place):
            pass
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise PlatformError(f"{folder}: expected a folder to write the model to, got {error.strerror}") from None
    if free < n_bytes:
        raise PlatformError(f"{folder}: expected room for a model of {n_bytes:,} bytes, got {free:,}")
