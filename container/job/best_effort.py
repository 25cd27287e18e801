"""What a job leaves beside its model: when it can't be written, that costs a warning, never the job."""

from collections.abc import Iterator
from contextlib import contextmanager

from container.logs.logger import LOGGER
from kmeans.events import Events


@contextmanager
def beside_the_model(events: Events, event: str, fault: str) -> Iterator[None]:
    """Let the block fail: the failure is counted and becomes a warning.

    Parameters
    ----------
    events
        Counts it.
    event
        Its name, by which it is counted.
    fault
        What the warning says, before the reason.
    """
    try:
        yield
    except Exception as error:  # Whatever it is, the model stands.
        LOGGER.debug("%s", fault, exc_info=True)
        events.happened(event, 1, f"{fault}: {str(error) or type(error).__name__}")
