"""Outputs other than the model: a failure to write one costs a warning, never the job."""

from collections.abc import Iterator
from contextlib import contextmanager

from container.logs.logger import LOGGER
from kmeans.events import Events


@contextmanager
def warn_on_failure(events: Events, event: str, fault: str) -> Iterator[None]:
    """Turn an exception of the block into a warning and a counted event.

    Parameters
    ----------
    events : Events
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
        events.happened(event, 1, f"{fault}: {str(error) or type(error).__name__}")
