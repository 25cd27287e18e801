"""Check that a model can be written before the hours that training takes."""

import os
import shutil
import tempfile
from pathlib import Path

from container.errors import PlatformError
from kmeans.settings import TrainingSettings

# Headers, and the description without the sizes of the clusters.
_OTHER_BYTES = 1 << 16
# A number of JSON, on a line of its own.
_SIZE_BYTES = 32


def model_bytes(settings: TrainingSettings) -> int:
    """Return an upper bound of the size of a model's files: its centers, the state of its stream and its description.

    Centers in float64, which only few descriptions have, are not counted.
    """
    features = settings.n_features
    state = settings.n_centers * 8 * (features + 1)
    sample = min(settings.sample_size, settings.kept_sample_size) * (4 * features + 16)
    return state + sample + settings.k * (4 * features + _SIZE_BYTES) + _OTHER_BYTES


def require(folder: Path, n_bytes: int) -> None:
    """Check that a number of bytes can be written into a folder.

    Parameters
    ----------
    folder : Path
        The folder; it need not exist, and is not created.
    n_bytes : int
        The size of all files together.

    Raises
    ------
    PlatformError
        If the folder can't be created or written to, or if the disk has less free space.
    """
    existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    try:
        # Permissions are not enough: the file system may be read-only, or out of inodes.
        with tempfile.TemporaryFile(dir=existing):
            pass
        free = shutil.disk_usage(existing).free
    except OSError as error:
        raise PlatformError(f"{folder}: expected a folder to write the model to, got {error.strerror}") from None
    if free < n_bytes:
        raise PlatformError(f"{folder}: expected room for a model of {n_bytes:,} bytes, got {free:,}")
