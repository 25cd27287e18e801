"""The model that is served, or the reason why there is none, and how a model is loaded for serving."""

from pathlib import Path
from typing import Final

from container.artifacts.model import SavedModel, load
from container.logs.logger import LOGGER
from container.resources import memory_limit_bytes
from container.serving.errors import ModelUnavailableError
from container.serving.predictor import ModelPredictor

# The errors of reading a model, however hostile its bytes are.
LOAD_ERRORS: Final = (ValueError, OSError, MemoryError)
# A file in memory, its centers in float32, and twice in float64.
_BYTES_PER_FILE_BYTE = 6


class ServedModel:
    """A model that is loaded once, or the reason why it can't be.

    Parameters
    ----------
    path : Path
        The model, as for `container.artifacts.model.load`.

    Notes
    -----
    A model that cannot be loaded does not end the server: the platform then reads the reason from the log and from
    the answers to `/ping`, instead of restarting the container over and over.
    """

    def __init__(self, path: Path) -> None:
        self._predictor: ModelPredictor | None = None
        self._fault = ""
        try:
            self._predictor = predictor_of(path, memory_limit_bytes())
        except LOAD_ERRORS as error:
            self._fault = f"the model cannot be loaded: {sentence(error)}"
            LOGGER.exception("No model is served: %s", self._fault)

    def predictor(self) -> ModelPredictor:
        """Return the model.

        Raises
        ------
        ModelUnavailableError
            If it could not be loaded.
        """
        if self._predictor is None:
            raise ModelUnavailableError(self._fault)
        return self._predictor


def predictor_of(path: Path, memory_bytes: int) -> ModelPredictor:
    """Load a model into a limited number of bytes of memory; raises as `model_of` does."""
    return ModelPredictor.of(model_of(path, memory_bytes))


def model_of(path: Path, memory_bytes: int) -> SavedModel:
    """Read a model.

    Parameters
    ----------
    path : Path
        The model, as for `container.artifacts.model.load`.
    memory_bytes : int
        Maximum number of bytes that the model may take, with all that is derived from its centers.

    Returns
    -------
    SavedModel
        The model.

    Raises
    ------
    ModelTooLargeError
        If the model is larger.
    Exception
        Another one of `LOAD_ERRORS`.
    """
    model = load(path, memory_bytes // _BYTES_PER_FILE_BYTE)
    LOGGER.info("Serving a model of %d clusters and %d features from %s", *model.centers.shape, path)
    return model


def sentence(error: Exception) -> str:
    """Return the text of an error, or its class if it has none, as a MemoryError."""
    return str(error) or type(error).__name__
