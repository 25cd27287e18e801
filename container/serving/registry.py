"""The models of a multi-model endpoint: on disk for all workers, held in memory by each.

A model that is loaded is copied into a folder that the workers share: a file with a line of JSON, and the centers. So
it is what was there when it was loaded, for all of them, until it is unloaded, whatever happens to where it came from.
A worker takes a model into memory when it is first asked for, and lets go of it when it hears that it has been
unloaded. What a load, an unload or a request costs does not grow with the number of models.
"""

import fcntl
import hashlib
import json
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from container.artifacts import mxnet_ndarray
from container.artifacts.model import ModelTooLargeError
from container.files.atomic import replacing
from container.logs.logger import LOGGER
from container.serving.model import LOAD_ERRORS, centers_of, sentence
from container.serving.unload_log import Departures
from kmeans.prediction import Predictor

MAX_NAME_LENGTH = 256
_SUFFIX = ".model"
# Digits of the bytes that are taken, in the lock file; anything else stands there amid a change.
_DIGITS = 20
_AMID_CHANGE = b"-"


class RegistryError(Exception):
    """A request that cannot be met; the text says why."""

    status = 400


class UnknownModelError(RegistryError):
    """No model of that name is loaded."""

    status = 404


class DuplicateModelError(RegistryError):
    """A model of that name is loaded already."""

    status = 409


class OutOfMemoryError(RegistryError):
    """There is no memory for one more model."""

    status = 507


@dataclass
class _Books:
    """What is known of all models together."""

    # Bytes that they take in the memory of each worker.
    taken: int


class Entry(NamedTuple):
    """A model that is loaded."""

    name: str
    url: str
    # Bytes that it takes in the memory of each worker.
    size: int
    # Tells it from another of the same name, loaded after this one has gone.
    token: str


class Registry:
    """The models of all workers.

    Parameters
    ----------
    folder : Path
        Where the workers share what is loaded; empty at first.
    root : Path
        The folder that models may be read from.
    memory_bytes : int
        What the models may take in the memory of one worker, all together.
    """

    def __init__(self, folder: Path, root: Path, memory_bytes: int) -> None:
        self._folder = folder
        self._root = root
        self._memory_bytes = memory_bytes
        self._departures = Departures(folder / "departures")
        self._swept = 0
        self._lock = folder / "lock"
        # These bytes are overwritten in place, for which there is room on a disk that has become full.
        if not self._lock.exists():
            self._lock.write_bytes(_digits(0))
        self._held: dict[str, tuple[str, Predictor]] = {}
        # A change of what is loaded, of this process; a file lock keeps the others out.
        self._changing = threading.Lock()
        self._holding = threading.Lock()

    def load(self, name: str, url: str) -> None:
        """Load a model.

        Raises
        ------
        RegistryError
            If the name or the place cannot be, if the name is taken, if there is no model there, or if there is no
            room for it in memory or on disk.
        """
        file = self._file(name)
        path = self._path(url)
        with self._alone() as books:
            if file.exists():
                raise DuplicateModelError(f"model {name!r} is loaded already")
            with _loading(name):
                centers = centers_of(path, self._memory_bytes - books.taken)
                predictor = Predictor(centers)
            if books.taken + predictor.nbytes > self._memory_bytes:
                raise OutOfMemoryError(
                    f"expected at most {self._memory_bytes} bytes of models in each worker, "
                    f"got {books.taken} and {predictor.nbytes} more of model {name!r}"
                )
            entry = Entry(name, url, predictor.nbytes, uuid.uuid4().hex)
            try:
                with replacing(file) as out:
                    out.write(json.dumps(entry).encode() + b"\n")
                    out.write(mxnet_ndarray.dumps(centers))
            except OSError as error:
                raise OutOfMemoryError(f"expected room for a copy of model {name!r}: {error}") from error
            books.taken += entry.size
            with self._holding:
                self._held[name] = (entry.token, predictor)

    def unload(self, name: str) -> None:
        """Let go of a model; requests in work still get their answers.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        """
        with self._alone() as books:
            entry = self.entry(name)
            self._file(name).unlink()
            books.taken -= entry.size
            self._departures.add(entry.token)
        LOGGER.info("Unloaded model %r", name)
        self.sweep()

    def entry(self, name: str) -> Entry:
        """Give what is known of a model.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        """
        with self._opened(name) as file:
            return _entry(file)

    def entries(self) -> list[Entry]:
        """Give all models, in the order of their names."""
        found = []
        for path in self._folder.glob(f"*{_SUFFIX}"):
            try:
                with path.open("rb") as file:
                    found.append(_entry(file))
            except FileNotFoundError:
                # Unloaded meanwhile.
                continue
        return sorted(found)

    def predictor(self, name: str) -> Predictor:
        """Give a model, taken into the memory of this worker if it has not been.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        OutOfMemoryError
            If there is no memory for it.
        """
        self.sweep()
        with self._opened(name) as file:
            entry = _entry(file)
            token, predictor = self._held.get(name, ("", None))
            if predictor is not None and token == entry.token:
                return predictor
            with self._holding:
                token, predictor = self._held.get(name, ("", None))
                if predictor is None or token != entry.token:
                    with _loading(name):
                        (centers,) = mxnet_ndarray.loads(file.read())
                        predictor = Predictor(centers)
                    # One that has been unloaded meanwhile may have been swept already.
                    if os.fstat(file.fileno()).st_nlink:
                        self._held[name] = (entry.token, predictor)
                return predictor

    def held(self) -> list[str]:
        """Give the names of the models that this worker has in memory."""
        return sorted(self._held)

    def sweep(self) -> None:
        """Let go of what has been unloaded, by any worker, since the latest look."""
        count = self._departures.count()
        if count == self._swept or not self._holding.acquire(blocking=False):
            return
        try:
            gone = self._departures.between(self._swept, count)
            if gone is None:
                gone = {token for token, _ in self._held.values()} - {entry.token for entry in self.entries()}
            self._held = {name: held for name, held in self._held.items() if held[0] not in gone}
            self._swept = count
        finally:
            self._holding.release()

    @contextmanager
    def _alone(self) -> Iterator[_Books]:
        """Keep other threads and workers from changing what is loaded, and keep the books of it."""
        with self._changing, self._lock.open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            written = file.read(_DIGITS)
            # A worker may have been killed amid a change: then they are made again.
            books = _Books(int(written) if written.isdigit() else self._taken_after_a_loss())
            os.pwrite(file.fileno(), _AMID_CHANGE, 0)
            try:
                yield books
            finally:
                os.pwrite(file.fileno(), _digits(books.taken), 0)

    def _taken_after_a_loss(self) -> int:
        """Return the bytes that the models take, and set right what a killed worker may have left half done."""
        for unfinished in self._folder.glob(".*"):
            unfinished.unlink()
        self._departures.lose()
        return sum(entry.size for entry in self.entries())

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        """Open the file of a model, which stays whole even if it is unloaded meanwhile."""
        try:
            file = self._file(name).open("rb")
        except FileNotFoundError:
            raise _unknown(name) from None
        with file:
            yield file

    def _file(self, name: str) -> Path:
        # A name may hold what a file's name may not.
        return self._folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}{_SUFFIX}"

    def _path(self, url: str) -> Path:
        """Give the place of a model, if it and all that lies there are within the root."""
        root = self._root.resolve()
        path = Path(url)
        try:
            places = [path, *(path.iterdir() if path.is_dir() else ())]
            outside = next((place for place in places if not place.resolve().is_relative_to(root)), None)
        except (OSError, ValueError, RuntimeError) as error:
            raise RegistryError(f"expected a url within {self._root}, got {url[:200]!r}: {error}") from error
        if not path.is_absolute() or outside is not None or path.resolve() == root:
            link = f", where {outside.name[:200]!r} leads out of it" if outside not in (None, path) else ""
            raise RegistryError(f"expected a url within {self._root}, got {url[:200]!r}{link}")
        return path


def _digits(taken: int) -> bytes:
    return b"%0*d" % (_DIGITS, taken)


def _entry(file: IO[bytes]) -> Entry:
    """Read the entry that a model's file begins with; the centers are what follows."""
    return Entry(*json.loads(file.readline()))


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Tell of a fault in a model by its name."""
    try:
        yield
    except (MemoryError, ModelTooLargeError) as error:
        raise OutOfMemoryError(f"expected memory for model {name!r}: {sentence(error)}") from error
    except LOAD_ERRORS as error:
        raise RegistryError(f"model {name!r} cannot be loaded: {sentence(error)}") from error


def check_name(name: object) -> str:
    """Give a model's name, if it can be one.

    Raises
    ------
    RegistryError
        If it is no text, too long, or one that could be taken for a path.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise RegistryError(f"expected a model_name of 1 to {MAX_NAME_LENGTH} characters, got {str(name)[:40]!r}")
    if name in (".", "..") or not name.isprintable() or any(mark in name for mark in "/\\"):
        raise RegistryError(f"expected a model_name without slashes and control characters, got {name[:40]!r}")
    return name


def _unknown(name: str) -> UnknownModelError:
    return UnknownModelError(f"model {name[:MAX_NAME_LENGTH]!r} is not loaded")
