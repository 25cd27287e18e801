"""The loaded models of a multi-model endpoint on disk, where all workers share them.

Each model is a file with two lines of JSON, its entry and what is needed of its description, and then its centers. A
lock file keeps changes apart, and has the memory that all models take: what a change costs does not grow with the
number of models.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from container.artifacts import mxnet_ndarray
from container.artifacts.distances import ENTRY
from container.artifacts.model import SavedModel
from container.files.atomic import replacing
from container.serving.errors import UnknownModelError
from container.serving.unload_log import UnloadLog

_SUFFIX = ".model"
# Digits of the number of bytes in the lock file; during a change the first one is replaced.
_DIGITS = 20
_CHANGING = b"-"


class Entry(NamedTuple):
    """A loaded model.

    Attributes
    ----------
    name : str
        Its name.
    url : str
        Where it was read from.
    size : int
        Number of bytes that it takes in the memory of each worker.
    token : str
        Tells it from another model of the same name, loaded after this one was unloaded.
    """

    name: str
    url: str
    size: int
    token: str


@dataclass
class Usage:
    """The memory that all models take.

    Attributes
    ----------
    n_bytes : int
        Number of bytes in each worker.
    """

    n_bytes: int


class SharedModels:
    """The models that the workers share.

    Parameters
    ----------
    folder : Path
        Their folder; empty at first.

    Attributes
    ----------
    unloads : UnloadLog
        The models that were unloaded.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.unloads = UnloadLog(folder / "unloaded")
        self._lock = folder / "lock"
        # These bytes are overwritten in place, which works on a full disk too.
        if not self._lock.exists():
            self._lock.write_bytes(_digits(0))
        # Between the threads of this process; a file lock keeps the other processes out.
        self._changing = threading.Lock()

    @contextmanager
    def exclusive(self) -> Iterator[Usage]:
        """Keep other threads and workers from changing the models.

        Yields
        ------
        Usage
            To be updated by a change.
        """
        with self._changing, self._lock.open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            written = file.read(_DIGITS)
            # A worker may have been killed during a change.
            usage = Usage(int(written) if written.isdigit() else self._recovered())
            os.pwrite(file.fileno(), _CHANGING, 0)
            try:
                yield usage
            finally:
                os.pwrite(file.fileno(), _digits(usage.n_bytes), 0)

    def _recovered(self) -> int:
        """Undo what a killed worker left unfinished; return the number of bytes that the models take."""
        for unfinished in self._folder.glob(".*"):
            unfinished.unlink()
        self.unloads.invalidate()
        return sum(entry.size for entry in self.entries())

    def add(self, entry: Entry, model: SavedModel) -> None:
        """Write a model; the caller has exclusive access.

        Raises
        ------
        OSError
            If it can't be written.
        """
        needed = {
            "feature_dim": model.centers.shape[1],
            "feature_names": model.feature_names,
            **model.coordinates.description(),
            **({} if model.distances is None else {ENTRY: model.distances.description()}),
        }
        with replacing(self._file(entry.name)) as file:
            for line in (entry, needed):
                file.write(json.dumps(line).encode() + b"\n")
            file.write(mxnet_ndarray.dumps(model.centers))

    def remove(self, name: str) -> Entry:
        """Remove a model; the caller has exclusive access.

        Raises
        ------
        UnknownModelError
            If there is no model of that name.
        """
        with self.opened(name) as (entry, _):
            self._file(name).unlink()
            return entry

    def has(self, name: str) -> bool:
        """Return whether there is a model of that name."""
        return self._file(name).exists()

    @contextmanager
    def opened(self, name: str) -> Iterator[tuple[Entry, IO[bytes]]]:
        """Open a model, which stays readable even if it is unloaded meanwhile.

        Yields
        ------
        entry : Entry
            The model.
        file : binary file
            At its description and centers; see `read_model`.

        Raises
        ------
        UnknownModelError
            If there is no model of that name.
        """
        try:
            file = self._file(name).open("rb")
        except FileNotFoundError:
            raise UnknownModelError(name) from None
        with file:
            yield _entry(file), file

    def entries(self) -> list[Entry]:
        """Return all models, in the order of their names."""
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                with path.open("rb") as file:
                    found.append(_entry(file))
            except FileNotFoundError:
                # Unloaded meanwhile.
                continue
        return sorted(found)

    def _file(self, name: str) -> Path:
        # A name may have characters that are not allowed in the name of a file.
        return self._folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}{_SUFFIX}"


def read_model(file: IO[bytes]) -> SavedModel:
    """Return a model from its file, as `SharedModels.opened` yields it."""
    description = json.loads(file.readline())
    (centers,) = mxnet_ndarray.loads(file.read())
    return SavedModel(centers, description)


def is_unloaded(file: IO[bytes]) -> bool:
    """Return whether the model of an open file has been unloaded."""
    return not os.fstat(file.fileno()).st_nlink


def _digits(n_bytes: int) -> bytes:
    return b"%0*d" % (_DIGITS, n_bytes)


def _entry(file: IO[bytes]) -> Entry:
    """Read the first line of a model's file."""
    return Entry(*json.loads(file.readline()))
