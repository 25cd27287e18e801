"""The log: lines as the built-in writes them, on standard output, where SageMaker's metric regexes find them."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

LOGGER = logging.getLogger("kmeans")
FORMAT = "[%(asctime)s %(levelname)s %(thread)d] %(message)s"
TIME_FORMAT = "%m/%d/%Y %H:%M:%S"
# Lines that begin with "#metrics" or a time of their own go out as they are.
VERBATIM = logging.getLogger("kmeans.verbatim")


def set_up(level: str = "info") -> None:
    """Send log lines of `level` and above to standard output; metrics are written at any level.

    Parameters
    ----------
    level
        A name of a level of `logging`, in lower case.
    """
    for logger, form in ((LOGGER, FORMAT), (VERBATIM, "%(message)s")):
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter(form, TIME_FORMAT))
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    LOGGER.setLevel(level.upper())


def flush() -> None:
    """Write out all lines."""
    for logger in (LOGGER, VERBATIM):
        for handler in logger.handlers:
            handler.flush()


class KeptWarnings(logging.Handler):
    """Keeps the warnings that are logged, up to a number of them, for those who do not read logs.

    Attributes
    ----------
    messages
        The first `MOST` warnings, each up to `LONGEST` characters.
    left_out
        How many came later.
    """

    MOST = 100
    LONGEST = 2000

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self.left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        if len(self.messages) < self.MOST:
            self.messages.append(record.getMessage()[: self.LONGEST])
        else:
            self.left_out += 1


class Heartbeat:
    """Calls a function at regular intervals, in a thread, so that long work is seen to go on.

    Parameters
    ----------
    beat
        What to call.
    seconds
        The interval.
    """

    def __init__(self, beat: Callable[[], None], seconds: float = 10.0) -> None:
        self._beat = beat
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def _run(self) -> None:
        due = time.monotonic() + self._seconds
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due += self._seconds
            self._beat()

    def __enter__(self) -> "Heartbeat":
        """Start to beat."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop beating."""
        self._ended.set()
        self._thread.join()
