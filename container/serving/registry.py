"""The models of a multi-model endpoint: named on disk for all workers, held in memory by each.

A model is a small file in a folder that the workers share. A worker loads the model when it is first asked for, and
lets go of it once the file is gone; no worker needs to tell another.
"""

import fcntl
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from container.artifacts.atomic import replacing
from container.artifacts.model import ModelTooLargeError
from container.logs import LOGGER
from container.serving.model import LOAD_ERRORS, predictor_of, sentence
from kmeans.prediction import Predictor

MAX_NAME_LENGTH = 256
_CLOCK_TICK_NS = 100_000_000


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
        self._held: dict[str, tuple[str, Predictor]] = {}
        self._swept = 0
        # A change of what is loaded, of this process; a file lock keeps the others out.
        self._changing = threading.Lock()
        self._holding = threading.Lock()

    def load(self, name: str, url: str) -> None:
        """Load a model.

        Raises
        ------
        RegistryError
            If the name or the place cannot be, if the name is taken, if there is no model there, or if there is no
            memory for it.
        """
        file = self._file(name)
        path = self._path(url)
        with self._alone():
            if file.exists():
                raise DuplicateModelError(f"model {name!r} is loaded already")
            taken = sum(entry.size for entry in self.entries())
            predictor = _predictor(name, path, self._memory_bytes - taken)
            if taken + predictor.nbytes > self._memory_bytes:
                raise OutOfMemoryError(
                    f"expected at most {self._memory_bytes} bytes of models in each worker, "
                    f"got {taken} and {predictor.nbytes} more of model {name!r}"
                )
            entry = Entry(name, url, predictor.nbytes, uuid.uuid4().hex)
            with self._holding:
                self._held[name] = (entry.token, predictor)
            with replacing(file) as out:
                out.write(json.dumps(entry).encode())

    def unload(self, name: str) -> None:
        """Let go of a model; requests in work still get their answers.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        """
        with self._alone():
            try:
                self._file(name).unlink()
            except FileNotFoundError:
                raise _unknown(name) from None
        LOGGER.info("Unloaded model %r", name)
        self.sweep()

    def entry(self, name: str) -> Entry:
        """Give what is known of a model.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        """
        try:
            return Entry(*json.loads(self._file(name).read_bytes()))
        except FileNotFoundError:
            raise _unknown(name) from None

    def entries(self) -> list[Entry]:
        """Give all models, in the order of their names."""
        found = []
        for file in self._folder.glob("*.json"):
            try:
                found.append(Entry(*json.loads(file.read_bytes())))
            except FileNotFoundError:
                # Unloaded meanwhile.
                continue
        return sorted(found)

    def predictor(self, name: str) -> Predictor:
        """Give a model, loaded by this worker if it has not been.

        Raises
        ------
        UnknownModelError
            If there is none of that name.
        RegistryError
            If its files are no model any more.
        """
        self.sweep()
        entry = self.entry(name)
        token, predictor = self._held.get(name, ("", None))
        if predictor is not None and token == entry.token:
            return predictor
        with self._holding:
            token, predictor = self._held.get(name, ("", None))
            if predictor is None or token != entry.token:
                predictor = _predictor(name, self._path(entry.url), self._memory_bytes)
                self._held[name] = (entry.token, predictor)
            return predictor

    def held(self) -> list[str]:
        """Give the names of the models that this worker has in memory."""
        return sorted(self._held)

    def sweep(self) -> None:
        """Let go of what other workers have unloaded; any change shows in the folder's time."""
        changed = self._folder.stat().st_mtime_ns
        if changed == self._swept or not self._holding.acquire(blocking=False):
            return
        try:
            # What is being loaded here has no entry yet.
            if not self._changing.locked():
                tokens = {entry.name: entry.token for entry in self.entries()}
                self._held = {name: held for name, held in self._held.items() if tokens.get(name) == held[0]}
                # A change within the same tick of the clock would not show.
                settled = time.time_ns() - changed > _CLOCK_TICK_NS
                self._swept = changed if settled else 0
        finally:
            self._holding.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and workers from changing what is loaded."""
        with self._changing, (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _file(self, name: str) -> Path:
        # A name may hold what a file's name may not.
        return self._folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}.json"

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
            raise RegistryError(f"expected a url within {self._root}, got {url[:200]!r}")
        return path


def _predictor(name: str, path: Path, memory_bytes: int) -> Predictor:
    try:
        return predictor_of(path, memory_bytes)
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
