"""The log: lines as the built-in writes them, on standard output, where SageMaker's metric regexes find them."""

import io
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TextIO, cast

LOGGER = logging.getLogger("kmeans")
FORMAT = "[%(asctime)s %(levelname)s %(thread)d] %(message)s"
TIME_FORMAT = "%m/%d/%Y %H:%M:%S"
# Lines that begin with "#metrics" or a time of their own are written as they are.
VERBATIM = logging.getLogger("kmeans.verbatim")


def set_up(level: str = "info") -> None:
    """Send log lines of `level` and above to standard output; metrics are written at any level.

    Parameters
    ----------
    level : str
        A name of a level of `logging`, in lower case.
    """
    # A stream that was closed before this process started is None.
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stdout = sys.stdout or sys.stderr
    output = cast(TextIO, Output(escaping(sys.stdout)))
    for logger, form in ((LOGGER, FORMAT), (VERBATIM, "%(message)s")):
        handler = logging.StreamHandler(output)
        handler.setFormatter(logging.Formatter(form, TIME_FORMAT))
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    set_level(level)


def set_level(level: str) -> None:
    """Write lines of `level` and above; see `set_up`."""
    LOGGER.setLevel(level.upper())


def flush() -> None:
    """Write all lines, and drop those that can't be written: the interpreter would fail on them when it exits."""
    for logger in (LOGGER, VERBATIM):
        for handler in logger.handlers:
            handler.flush()
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def escaping(stream: TextIO) -> TextIO:
    """Return a stream after making it accept any text: what its encoding lacks is written with backslashes.

    Names of files need not be valid text, and a locale may be limited to ASCII.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


class Output:
    """A stream whose failure ends no job: a closed pipe or a full disk costs lines of the log, nothing else.

    Parameters
    ----------
    stream : TextIO
        Where the lines go. The first failure is reported on standard error.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failed = False

    def write(self, text: str) -> None:
        """Write some text."""
        with self._tolerating():
            self._stream.write(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with self._tolerating():
            self._stream.flush()

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        # A closed stream raises ValueError.
        except (OSError, ValueError) as error:
            if not self._failed:
                self._failed = True
                with suppress(OSError):
                    sys.stderr.write(f"Lines of the log are lost: {error}\n")


class Gathered:
    """Writes lines that follow each other closely together: each write wakes the processes that collect the log.

    In a job of many small steps these would take some hundredths of a core. A line is late by `seconds` at most, and
    only if another one came shortly before it; all are written when the context is left.

    Parameters
    ----------
    seconds : float
        Between two writes.
    """

    def __init__(self, seconds: float = 0.2) -> None:
        self._seconds = seconds
        self._lines: list[str] = []
        self._due = 0.0
        self._lock = threading.Lock()
        self._late: threading.Timer | None = None
        self._stream: TextIO = sys.stdout
        self._handlers: list[logging.StreamHandler[TextIO]] = []

    def write(self, text: str) -> None:
        """Add a line."""
        with self._lock:
            self._lines.append(text)

    def flush(self) -> None:
        """Write the lines if the latest write was long ago; otherwise schedule that."""
        wait = self._due - time.monotonic()
        if wait <= 0:
            self._write_out()
        elif self._late is None:
            self._late = threading.Timer(wait, self._write_out)
            self._late.daemon = True
            self._late.start()

    def _write_out(self) -> None:
        with self._lock:
            self._late = None
            self._due = time.monotonic() + self._seconds
            if self._lines:
                self._stream.write("".join(self._lines))
                self._stream.flush()
                self._lines.clear()

    def __enter__(self) -> "Gathered":
        """Replace the stream that `set_up` has given both loggers; other handlers keep theirs."""
        handlers = [handler for logger in (LOGGER, VERBATIM) for handler in logger.handlers]
        self._handlers = [
            handler
            for handler in handlers
            if isinstance(handler, logging.StreamHandler) and isinstance(handler.stream, Output)
        ]
        for handler in self._handlers:
            self._stream = handler.setStream(cast(TextIO, self)) or self._stream
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write all lines, and restore the stream of the handlers."""
        for handler in self._handlers:
            handler.setStream(self._stream)
        self._write_out()


class KeptWarnings(logging.Handler):
    """Keeps the warnings that are logged, up to a number of them, for the report.

    Attributes
    ----------
    messages : list of str
        The first `MAX_MESSAGES` warnings, each up to `MAX_LENGTH` characters.
    left_out : int
        The number of later ones.
    """

    MAX_MESSAGES = 100
    MAX_LENGTH = 2000

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self.left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning."""
        if len(self.messages) < self.MAX_MESSAGES:
            self.messages.append(record.getMessage()[: self.MAX_LENGTH])
        else:
            self.left_out += 1


@contextmanager
def kept_warnings() -> Iterator[KeptWarnings]:
    """Keep the warnings that are logged within the block."""
    kept = KeptWarnings()
    LOGGER.addHandler(kept)
    try:
        yield kept
    finally:
        LOGGER.removeHandler(kept)


class Heartbeat:
    """Calls a function at regular intervals, in a thread, so that long work is seen to be alive.

    Parameters
    ----------
    beat : callable
        What to call.
    seconds : float
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
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the thread."""
        self._ended.set()
        self._thread.join()
