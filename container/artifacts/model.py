"""Save and load models: the files of a job, and all other forms in which a model is read."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from container.artifacts import archive, centers, description, state, tarball
from container.artifacts.distances import Distances
from container.files.atomic import replacing
from container.files.regular import NotRegularFileError, open_regular
from container.precision.coordinates import PLAIN, Coordinates, CoordinatesError
from container.resources import memory_limit_bytes
from kmeans.state import State

DESCRIPTION = "kmeans.json"
STATE = "state.npz"
MODEL_PREFIX = "model_"
TARBALL = "model.tar.gz"

_GZIP_MAGIC = b"\x1f\x8b"


class ModelError(ValueError):
    """There is no valid model; the text says where, what was expected and what was found."""


class ModelTooLargeError(ModelError):
    """A file of the model is larger than allowed."""


@dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """A model as it is saved.

    Attributes
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        Finite in float32, and C-contiguous. In float64 only if float32 can't hold them apart: then ``kmeans.json`` has
        them in float64, in addition to the file of the centers in float32.
    description : dict or None
        The content of ``kmeans.json``; None for a model of the built-in.
    """

    centers: NDArray[Any]
    description: dict[str, Any] | None = None

    @property
    def coordinates(self) -> Coordinates:
        """The coordinates in which distances from the centers are measured."""
        return Coordinates.of_description(self.description or {}, self.centers.shape[1])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features; empty if there are none."""
        return description.feature_names(self.description or {})

    @property
    def distances(self) -> Distances | None:
        """What is known of the distances of the training rows; None for a model of the built-in, or an old one."""
        return Distances.of_description(self.description or {}, len(self.centers))


def save(
    directory: Path,
    host: str,
    model: SavedModel,
    stream: State | None = None,
    stream_coordinates: Coordinates = PLAIN,
) -> tuple[Path, ...]:
    """Write a model, whole or not at all; the file of the centers appears last.

    Parameters
    ----------
    directory : Path
        The folder of the model; it is created if it does not exist.
    host : str
        The name of the leader, the suffix of the name of the centers' file.
    model : SavedModel
        The model; its description, if any, becomes ``kmeans.json``.
    stream : State or None
        The state of the stream, of which models for other k can be made. Models go to others: it should have no rows
        (see `kmeans.finalization.rowless`).
    stream_coordinates : Coordinates
        The coordinates of its centers and rows.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    ValueError
        If a number is NaN or infinity; then no file is written.
    OSError
        If a file can't be written; the error names it, and the files before it are removed.
    """
    contents: dict[Path, bytes] = {}
    if stream is not None:
        contents[directory / STATE] = state.dumps(stream, stream_coordinates)
    if model.description is not None:
        contents[directory / DESCRIPTION] = description.dumps(model.description)
    if not archive.is_finite(model.centers):
        raise ValueError("expected finite centers, got NaN or infinity")
    contents[directory / f"{MODEL_PREFIX}{host}"] = centers.dumps(model.centers)
    directory.mkdir(parents=True, exist_ok=True)
    try:
        for path, content in contents.items():
            with replacing(path) as file:
                file.write(content)
    except BaseException:
        for path in contents:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    return tuple(contents)


def save_description(directory: Path, facts: Mapping[str, Any]) -> None:
    """Replace the description of a saved model.

    Parameters
    ----------
    directory : Path
        The folder of the model.
    facts : Mapping
        The description.

    Raises
    ------
    ValueError
        If a number is NaN or infinity.
    OSError
        If the file can't be written; then the earlier description is kept.
    """
    content = description.dumps(facts)
    with replacing(directory / DESCRIPTION) as file:
        file.write(content)


def load(path: Path, max_bytes: int | None = None) -> SavedModel:
    """Load a model of this program or of the built-in.

    Parameters
    ----------
    path : Path
        The folder of a model, a file like ``model_algo-1`` of any name, a ``model.tar.gz`` of either, or a folder with
        nothing but such a tarball.
    max_bytes : int or None
        Maximum size of each file, and of an uncompressed tarball; None for half of the memory.

    Returns
    -------
    SavedModel
        The model; its centers are finite and agree with the description.

    Raises
    ------
    ModelError
        If there is no model, more than one, or an invalid one.
    """
    files = _files(path, max_bytes=max_bytes)
    names = [name for name in files if name.startswith(MODEL_PREFIX)]
    if len(names) != 1:
        found = ", ".join(sorted(files)) or "no file"
        raise ModelError(f"{path}: expected one file named {MODEL_PREFIX}<host>, got {found}")
    place = names[0]
    try:
        single = centers.loads(files[place])
        if DESCRIPTION not in files:
            return SavedModel(single)
        place = DESCRIPTION
        facts = description.loads(files[DESCRIPTION], single.shape)
        Coordinates.of_description(facts, single.shape[1]).check_centers(single)
        if "centers" in facts:
            return SavedModel(centers.exact(facts["centers"], single), facts)
    except (centers.CentersError, description.DescriptionError, CoordinatesError) as cause:
        raise ModelError(f"{path}: {place}: {cause}") from cause
    return SavedModel(single, facts)


def load_state(path: Path) -> tuple[State, Coordinates]:
    """Load the state of the stream that was saved with a model.

    Parameters
    ----------
    path : Path
        The folder of a model, or a ``model.tar.gz``.

    Returns
    -------
    state : State
        The state, validated.
    coordinates : Coordinates
        The coordinates of its centers and rows.

    Raises
    ------
    ModelError
        If there is no state, or an invalid one.
    """
    found = find_state(path)
    if found is None:
        raise ModelError(f"{path}: expected a model with {STATE}, got one without")
    return found


def find_state(path: Path) -> tuple[State, Coordinates] | None:
    """Load the state as `load_state` does; return None for a model without a state."""
    files = _files(path, STATE.__eq__)
    return checked_state(path, files[STATE]) if STATE in files else None


def checked_state(path: Path, content: bytes | bytearray) -> tuple[State, Coordinates]:
    """Decode a state; raise ModelError, which names the file, if it is invalid."""
    try:
        return state.loads(content)
    except state.StateError as cause:
        raise ModelError(f"{path}: {STATE}: {cause}") from cause


def _wanted(name: str) -> bool:
    return name == DESCRIPTION or (name.startswith(MODEL_PREFIX) and "/" not in name)


def _files(
    path: Path, wanted: Callable[[str], bool] = _wanted, max_bytes: int | None = None
) -> Mapping[str, bytes | bytearray]:
    """Return the content of the files of a model by name; by default they may take half of the memory."""
    if max_bytes is None:
        max_bytes = memory_limit_bytes() // 2
    with explained(path):
        if path.is_dir():
            named = [file for file in path.iterdir() if wanted(file.name) and not file.is_dir()]
            # Other than regular files are opened only if there are no regular ones; the error then names them.
            files = [file for file in named if file.is_file()] or named
            if files or not (path / TARBALL).exists():
                return {file.name: content_of(file, max_bytes) for file in files}
            path = path / TARBALL
    with explained(path):
        if is_gzip(path):
            return tarball.read(path, wanted, max_bytes)
        return {f"{MODEL_PREFIX}{path.name.removeprefix(MODEL_PREFIX)}": content_of(path, max_bytes)}


def is_gzip(path: Path) -> bool:
    """Return whether a regular file starts as a gzip file does."""
    with open_regular(path) as opened:
        return opened.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of reading a file into those of models, which name it."""
    try:
        yield
    except tarball.TooLargeError as cause:
        raise ModelTooLargeError(f"{path}: {cause}") from cause
    except tarball.TarballError as cause:
        raise ModelError(f"{path}: {cause}") from cause
    except NotRegularFileError as cause:
        raise ModelError(str(cause)) from cause
    except OSError as cause:
        raise ModelError(f"{path}: expected a model, got {cause.strerror or cause}") from cause


def content_of(file: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file; raise ModelTooLargeError if it is larger than allowed."""
    with open_regular(file) as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > max_bytes:
            raise ModelTooLargeError(
                f"{file}: expected at most {max_bytes} bytes, for which there is memory, got {size}"
            )
        # No more than that, even if the file grows meanwhile.
        return opened.read(size)
