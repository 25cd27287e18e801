"""The space on the disk: whether a model can be written is checked before the hours that training takes."""

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
    # Centers with weights and spreads, and the shift and the origin.
    state = (settings.n_centers + 1) * 8 * (features + 2)
    return state + settings.k * (4 * features + _SIZE_BYTES) + _OTHER_BYTES


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
    try:
        # Permissions are not enough: the file system may be read-only, or out of inodes.
        with tempfile.TemporaryFile(dir=_existing(folder)):
            pass
        free = free_bytes(folder)
    except OSError as error:
        raise PlatformError(f"{folder}: expected a folder to write the model to, got {error.strerror}") from None
    if free < n_bytes:
        raise PlatformError(f"{folder}: expected room for a model of {n_bytes:,} bytes, got {free:,}")


def free_bytes(folder: Path) -> int:
    """Return the free space for files in a folder, which need not exist; raise OSError if it can't be known."""
    return shutil.disk_usage(_existing(folder)).free


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if os.path.lexists(path))
