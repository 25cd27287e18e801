"""The model that is served."""

from pathlib import Path

from container.artifacts.model import load
from container.logs import LOGGER
from kmeans.prediction import Predictor


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
            self._predictor = Predictor(load(path).centers)
        except (ValueError, OSError, MemoryError) as error:
            # A MemoryError has no text.
            self._fault = f"the model cannot be loaded: {str(error) or type(error).__name__}"
            LOGGER.exception("No model is served: %s", self._fault)
        else:
            LOGGER.info(
                "Serving a model of %d clusters and %d features from %s",
                self._predictor.k,
                self._predictor.feature_dim,
                path,
            )

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
