"""The sample that a job keeps in its output: a state with rows, of which better models of other k can be made."""

from pathlib import Path
from typing import Final

from container.artifacts import tarball
from container.artifacts.model import STATE, ModelError, checked_state, content_of, explained, is_gzip
from container.precision.coordinates import Coordinates
from container.resources import memory_limit_bytes
from kmeans.state import State

TARBALL: Final = "output.tar.gz"
# In the tarball: the service packs the folder `data`, the SDK's local mode the folder above it.
_PLACES: Final = (STATE, f"data/{STATE}")
# The assignments are in the same tarball; reading past them takes time, but no memory.
MAX_SKIPPED_BYTES: Final = 1 << 40
MAX_MEMBERS: Final = 100_000


def find(path: Path) -> tuple[State, Coordinates] | None:
    """Find the state with the sample.

    Parameters
    ----------
    path : Path
        The file ``state.npz``, a tarball with it such as ``output.tar.gz``, or a folder with either: ``output``, or
        ``data`` in it.

    Returns
    -------
    (State, Coordinates) or None
        As `container.artifacts.model.load_state`; None for a folder without such a file, and for a state without
        sample.

    Raises
    ------
    ModelError
        If the file is neither of the two, or has an invalid state.
    """
    if path.is_dir():
        file = next((path / name for name in (*_PLACES, TARBALL) if (path / name).exists()), None)
        if file is None:
            return None
        path = file
    max_bytes = memory_limit_bytes() // 2
    with explained(path):
        if is_gzip(path):
            limits = MAX_SKIPPED_BYTES, MAX_MEMBERS
            contents = list(tarball.read(path, _PLACES.__contains__, max_bytes, *limits).values())
        else:
            contents = [bytearray(content_of(path, max_bytes))]
    if len(contents) != 1:
        raise ModelError(f"{path}: expected one file named {STATE}, got {len(contents)}")
    found = checked_state(path, contents[0])
    return found if len(found[0].sample.rows) else None
