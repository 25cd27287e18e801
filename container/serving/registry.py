"""The models of a multi-model endpoint: loaded from where they are, shared on disk, held in memory by each worker.

A model that is loaded is copied into a folder that the workers share. So all of them serve it as it was when it was
loaded, until it is unloaded, whatever happens to its source. A worker takes a model into memory when it is first asked
for it, and drops it when it finds that the model has been unloaded.
"""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from container.artifacts.model import ModelTooLargeError
from container.logs.logger import LOGGER
from container.serving.errors import DuplicateModelError, OutOfMemoryError, RegistryError
from container.serving.model import LOAD_ERRORS, model_of, sentence
from container.serving.predictor import ModelPredictor
from container.serving.shared_models import Entry, SharedModels, is_unloaded, read_model

MAX_NAME_LENGTH = 256


class Registry:
    """The models of all workers.

    Parameters
    ----------
    folder : Path
        The folder of the models that the workers share; empty at first.
    root : Path
        The folder that models may be read from.
    memory_bytes : int
        Maximum number of bytes that all models take in the memory of a worker.
    """

    def __init__(self, folder: Path, root: Path, memory_bytes: int) -> None:
        self._shared = SharedModels(folder)
        self._root = root
        self._memory_bytes = memory_bytes
        # Token and model, by name.
        self._held: dict[str, tuple[str, ModelPredictor]] = {}
        self._holding = threading.Lock()
        # Unloads that this worker has acted on.
        self._swept = 0

    def load(self, name: str, url: str) -> None:
        """Load a model.

        Raises
        ------
        RegistryError
            If the url is not allowed, if the name is taken, if there is no model, or if there is no space for it in
            memory or on disk.
        """
        path = self._path(url)
        with self._shared.exclusive() as usage:
            if self._shared.has(name):
                raise DuplicateModelError(f"model {name!r} is loaded already")
            with _loading(name):
                model = model_of(path, self._memory_bytes - usage.n_bytes)
                predictor = ModelPredictor.of(model)
            if usage.n_bytes + predictor.nbytes > self._memory_bytes:
                raise OutOfMemoryError(
                    f"expected at most {self._memory_bytes} bytes of models in each worker, "
                    f"got {usage.n_bytes} and {predictor.nbytes} more of model {name!r}"
                )
            entry = Entry(name, url, predictor.nbytes, uuid.uuid4().hex)
            try:
                self._shared.add(entry, model)
            except OSError as error:
                raise OutOfMemoryError(f"expected room for a copy of model {name!r}: {error}") from error
            usage.n_bytes += entry.size
            with self._holding:
                self._held[name] = (entry.token, predictor)

    def unload(self, name: str) -> None:
        """Unload a model; requests in progress still get their answers.

        Raises
        ------
        UnknownModelError
            If no model of that name is loaded.
        """
        with self._shared.exclusive() as usage:
            entry = self._shared.remove(name)
            usage.n_bytes -= entry.size
            self._shared.unloads.add(entry.token)
        LOGGER.info("Unloaded model %r", name)
        self.sweep()

    def entry(self, name: str) -> Entry:
        """Return the entry of a model.

        Raises
        ------
        UnknownModelError
            If no model of that name is loaded.
        """
        with self._shared.opened(name) as (entry, _):
            return entry

    def entries(self) -> list[Entry]:
        """Return the entries of all models, in the order of their names."""
        return self._shared.entries()

    def predictor(self, name: str) -> ModelPredictor:
        """Return a model, and take it into the memory of this worker if it is not there.

        Raises
        ------
        UnknownModelError
            If no model of that name is loaded.
        OutOfMemoryError
            If there is not enough memory for it.
        """
        self.sweep()
        with self._shared.opened(name) as (entry, file):
            predictor = self._held_predictor(entry)
            if predictor is not None:
                return predictor
            with self._holding:
                predictor = self._held_predictor(entry)
                if predictor is None:
                    with _loading(name):
                        predictor = ModelPredictor.of(read_model(file))
                    # A model that has been unloaded meanwhile may have been swept already.
                    if not is_unloaded(file):
                        self._held[name] = (entry.token, predictor)
                return predictor

    def _held_predictor(self, entry: Entry) -> ModelPredictor | None:
        token, predictor = self._held.get(entry.name, ("", None))
        return predictor if token == entry.token else None

    def held(self) -> list[str]:
        """Return the names of the models in the memory of this worker."""
        return sorted(self._held)

    def sweep(self) -> None:
        """Drop the models that any worker has unloaded since the latest call."""
        count = self._shared.unloads.count()
        if count == self._swept or not self._holding.acquire(blocking=False):
            return
        try:
            gone = self._shared.unloads.between(self._swept, count)
            if gone is None:
                gone = {token for token, _ in self._held.values()} - {entry.token for entry in self.entries()}
            self._held = {name: held for name, held in self._held.items() if held[0] not in gone}
            self._swept = count
        finally:
            self._holding.release()

    def _path(self, url: str) -> Path:
        """Return the path of a model, if it and all that is in it are within the root."""
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


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Turn the errors of reading a model into those of a request, with its name."""
    try:
        yield
    except (MemoryError, ModelTooLargeError) as error:
        raise OutOfMemoryError(f"expected memory for model {name!r}: {sentence(error)}") from error
    except LOAD_ERRORS as error:
        raise RegistryError(f"model {name!r} cannot be loaded: {sentence(error)}") from error


def check_name(name: object) -> str:
    """Return a model's name if it is a valid one.

    Raises
    ------
    RegistryError
        If it is not a string, is too long, or could be taken for a path.
    """
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise RegistryError(f"expected a model_name of 1 to {MAX_NAME_LENGTH} characters, got {str(name)[:40]!r}")
    if name in (".", "..") or not name.isprintable() or any(mark in name for mark in "/\\"):
        raise RegistryError(f"expected a model_name without slashes and control characters, got {name[:40]!r}")
    return name
