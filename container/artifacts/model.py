"""The model of a job: the files written, and every form in which a model is read back."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from container.artifacts import archive, centers, description, state, tarball
from container.files.atomic import replacing
from container.files.regular import NotRegularFileError, open_regular
from container.precision.coordinates import PLAIN, Coordinates
from container.resources import memory_limit_bytes
from kmeans.state import State

DESCRIPTION = "kmeans.json"
STATE = "state.npz"
MODEL_PREFIX = "model_"
TARBALL = "model.tar.gz"

_GZIP_MAGIC = b"\x1f\x8b"


class ModelError(ValueError):
    """What was found is no model; the text says where, what was expected and what came."""


class ModelTooLargeError(ModelError):
    """The files of a model are larger than allowed."""


@dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """A model, ready to predict.

    Parameters
    ----------
    centers : ndarray of float32 or float64, shape (k, d)
        Finite in float32, C-contiguous. In float64 where float32 can't hold them apart: the model's file has them in
        float32 in any case, and ``kmeans.json`` as they are.
    description : dict or None
        The content of ``kmeans.json``; None for a model of the built-in.
    """

    centers: NDArray[Any]
    description: dict[str, Any] | None = None


def save(
    directory: Path,
    host: str,
    model: SavedModel,
    stream: State | None = None,
    stream_coordinates: Coordinates = PLAIN,
) -> tuple[Path, ...]:
    """Write a model, whole or not at all; the file of the centers appears last.

    What is not finite is not written: then there is no file at all.

    Parameters
    ----------
    directory : Path
        The model's folder; made if need be.
    host : str
        The leader's name, which ends the name of the centers' file.
    model : SavedModel
        Its description, if any, becomes ``kmeans.json``.
    stream : State or None
        What the stream has left, from which models for other k can be made.
    stream_coordinates : Coordinates
        Those of its centers and rows.

    Returns
    -------
    tuple of Path
        The files written.

    Raises
    ------
    ValueError
        If a number in it is NaN or infinity.
    OSError
        If a file can't be written; it is named, and those before it are removed.
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
    """Replace the description of a model that was saved there.

    Raises
    ------
    ValueError
        If a number in it is NaN or infinity.
    OSError
        If it can't be written; then there is the one from before.
    """
    content = description.dumps(facts)
    with replacing(directory / DESCRIPTION) as file:
        file.write(content)


def load(path: Path, max_bytes: int | None = None) -> SavedModel:
    """Read a model of ours or of the built-in.

    Parameters
    ----------
    path : Path
        A model's folder, a bare ``model_algo-1`` of any name, a ``model.tar.gz`` of either, or a folder that holds
        only such a tarball.
    max_bytes : int or None
        Bound of each file's length, and of a tarball's uncompressed; None for half of the memory.

    Returns
    -------
    SavedModel
        Centers checked to be a finite matrix and to agree with the description.

    Raises
    ------
    ModelError
        If there is no model, more than one, or one that cannot be read.
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
        if "centers" in facts:
            return SavedModel(centers.exact(facts["centers"], single), facts)
    except (centers.CentersError, description.DescriptionError) as cause:
        raise ModelError(f"{path}: {place}: {cause}") from cause
    return SavedModel(single, facts)


def load_state(path: Path) -> tuple[State, Coordinates]:
    """Read the state of the stream that was saved with a model.

    Parameters
    ----------
    path : Path
        A model's folder or a ``model.tar.gz``.

    Returns
    -------
    state : State
        Checked.
    coordinates : Coordinates
        Those of its centers and rows.

    Raises
    ------
    ModelError
        If there is none, or it cannot be read.
    """
    found = find_state(path)
    if found is None:
        raise ModelError(f"{path}: expected a model with {STATE}, got one without")
    return found


def find_state(path: Path) -> tuple[State, Coordinates] | None:
    """Read the state as `load_state` does, or return None for a model without one."""
    files = _files(path, STATE.__eq__)
    if STATE not in files:
        return None
    try:
        return state.loads(files[STATE])
    except state.StateError as cause:
        raise ModelError(f"{path}: {STATE}: {cause}") from cause


def _wanted(name: str) -> bool:
    return name == DESCRIPTION or (name.startswith(MODEL_PREFIX) and "/" not in name)


def _files(
    path: Path, wanted: Callable[[str], bool] = _wanted, max_bytes: int | None = None
) -> Mapping[str, bytes | bytearray]:
    """Read the files of a model into memory, at most half of what there is of it."""
    if max_bytes is None:
        max_bytes = memory_limit_bytes() // 2
    try:
        if path.is_dir():
            named = [file for file in path.iterdir() if wanted(file.name) and not file.is_dir()]
            # What is no regular file is looked at only where it is all there is, and is then told.
            files = [file for file in named if file.is_file()] or named
            if files or not (path / TARBALL).exists():
                return {file.name: _content(file, max_bytes) for file in files}
            path = path / TARBALL
        with open_regular(path) as opened:
            is_gzip = opened.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        if is_gzip:
            return tarball.read(path, wanted, max_bytes)
        return {f"{MODEL_PREFIX}{path.name.removeprefix(MODEL_PREFIX)}": _content(path, max_bytes)}
    except tarball.TooLargeError as cause:
        raise ModelTooLargeError(f"{path}: {cause}") from cause
    except tarball.TarballError as cause:
        raise ModelError(f"{path}: {cause}") from cause
    except NotRegularFileError as cause:
        raise ModelError(str(cause)) from cause
    except OSError as cause:
        raise ModelError(f"{path}: expected a model, got {cause.strerror or cause}") from cause


def _content(file: Path, max_bytes: int) -> bytes:
    with open_regular(file) as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > max_bytes:
            raise ModelTooLargeError(
                f"{file}: expected at most {max_bytes} bytes, for which there is memory, got {size}"
            )
        # Not what is added to it meanwhile.
        return opened.read(size)
