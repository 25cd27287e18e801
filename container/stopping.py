"""Stop a process: SIGTERM and Ctrl-C.

A signal may arrive before anything else is imported, and process 1 of a container gets no signal without a handler. So
this module imports next to nothing, and a program imports it first.
"""

import os
import signal
import sys
import time
from types import FrameType

# How long a job looks for a better model after it was told to stop; the rest of SageMaker's 120 seconds is for writing.
GRACE_SECONDS = 15.0
# The exit code that shells use: 128 plus the number of SIGINT.
INTERRUPTED = 130


class Stop:
    """Whether a job is to end early, with a model of the rows so far.

    Parameters
    ----------
    grace_seconds : float
        How long the job may look for a better model after the request.

    Attributes
    ----------
    cause : str
        The name of the signal; empty before there is one.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.cause = ""
        self.grace_seconds = grace_seconds
        self._since = 0.0

    def request(self, cause: str) -> None:
        """Request the end; a second request has no effect."""
        if not self.cause:
            self._since = time.monotonic()
            self.cause = cause

    def requested(self) -> bool:
        """Return whether the end was requested."""
        return bool(self.cause)

    def overdue(self) -> bool:
        """Return whether the end was requested and the grace period is over."""
        return self.requested() and time.monotonic() - self._since >= self.grace_seconds

    def insist(self) -> None:
        """End the grace period."""
        self.grace_seconds = 0.0


def on_signals() -> Stop:
    """Install the handlers of a training job: SIGTERM and the first Ctrl-C request the end, a second Ctrl-C exits.

    Returns
    -------
    Stop
        Requested by the handlers.
    """
    stop = Stop()

    def handle(signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and stop.requested():
            # Other threads that compute are waited for.
            stop.insist()
            _end(signum, frame)
        stop.request(signal.Signals(signum).name)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def ignore_signals() -> None:
    """Ignore signals once a job has ended: Python restores the default handlers while it shuts down."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)


def end_on_signals() -> None:
    """Exit with code 0 at SIGTERM, and at Ctrl-C as `end_on_interrupt`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_on_interrupt()


def end_on_interrupt() -> Stop:
    """Exit at Ctrl-C without a traceback.

    Returns
    -------
    Stop
        Requested by the handler, for computations in other threads, which are waited for.
    """
    stop = Stop(grace_seconds=0.0)

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.request("SIGINT")
        _end(signum, frame)

    signal.signal(signal.SIGINT, handle)
    return stop


def _end(_signum: int, _frame: FrameType | None) -> None:
    """Raise SystemExit, so that unfinished files are removed; the next Ctrl-C exits at once."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    raise SystemExit(INTERRUPTED)
