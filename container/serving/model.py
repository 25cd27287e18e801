"""The model that is served, or the reason why there is none."""

from pathlib import Path
from typing import Final

from container.artifacts.model import load
from container.logs.logger import LOGGER
from container.resources import memory_limit_bytes
from kmeans.prediction import Predictor
from kmeans.types import DoubleArray, FloatArray

# What reading a model can end with, however hostile its bytes are.
LOAD_ERRORS: Final = (ValueError, OSError, MemoryError)
# The file, the centers in float32, and twice in float64.
_BYTES_PER_FILE_BYTE = 6


class ModelUnavailableError(Exception):
    """No model can be served; the text says why."""


class ServedModel:
    """A model that was loaded once, or the reason why it could not be.

    Parameters
    ----------
    path : Path
        What `container.artifacts.model.load` takes.

    Notes
    -----
    A model that cannot be loaded does not end the server: the platform then reads the reason from the log and from
    the answers to `/ping`, instead of restarting the container over and over.
    """

    def __init__(self, path: Path) -> None:
        self._predictor: Predictor | None = None
        self._fault = ""
        try:
            self._predictor = predictor_of(path, memory_limit_bytes())
        except LOAD_ERRORS as error:
            self._fault = f"the model cannot be loaded: {sentence(error)}"
            LOGGER.exception("No model is served: %s", self._fault)

    def predictor(self) -> Predictor:
        """Give the model.

        Raises
        ------
        ModelUnavailableError
            If it could not be loaded.
        """
        if self._predictor is None:
            raise ModelUnavailableError(self._fault)
        return self._predictor


def predictor_of(path: Path, memory_bytes: int) -> Predictor:
    """Load a model into so much memory; see `centers_of` for the errors."""
    return Predictor(centers_of(path, memory_bytes))


def centers_of(path: Path, memory_bytes: int) -> FloatArray | DoubleArray:
    """Read the centers of a model for which there is so much memory, all that is made of them included.

    Raises
    ------
    ModelTooLargeError
        If its files say that they hold more.
    Exception
        Another one of `LOAD_ERRORS`.
    """
    centers = load(path, memory_bytes // _BYTES_PER_FILE_BYTE).centers
    LOGGER.info("Serving a model of %d clusters and %d features from %s", *centers.shape, path)
    return centers


def sentence(error: Exception) -> str:
    """Give an error's text; a MemoryError has none."""
    return str(error) or type(error).__name__
