"""Outputs other than the model: a failure to write one costs a warning, never the job."""

from collections.abc import Iterator
from contextlib import contextmanager

from container.logs.logger import LOGGER
from kmeans.observer import Observer


@contextmanager
def warn_on_failure(observer: Observer, event: str, fault: str) -> Iterator[None]:
    """Turn an exception of the block into a warning and a counted event.

    Parameters
    ----------
    observer : Observer
        Counts the event and logs the warning.
    event : str
        Name of the event.
    fault : str
        Start of the warning; the reason follows.
    """
    try:
        yield
    except Exception as error:  # Whatever it is, the model is not affected.
        LOGGER.debug("%s", fault, exc_info=True)
        observer.happened(event, 1, f"{fault}: {str(error) or type(error).__name__}")
