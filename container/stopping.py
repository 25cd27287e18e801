"""The wish that a process ends: SIGTERM, or Ctrl-C.

It may come before anything else is imported, and process 1 of a container gets no signal without a handler: so this
module imports next to nothing, and is what a program imports first.
"""

import os
import signal
import sys
import time
from types import FrameType

# Of SageMaker's 120 seconds: so long a better model is looked for, and the rest is for writing it.
GRACE_SECONDS = 15.0
# As shells have it, 128 and the number of SIGINT.
INTERRUPTED = 130


class Stop:
    """Whether a job is to end early, with a model of what it has.

    Parameters
    ----------
    grace_seconds
        After the request, how long the job may look for a better model.

    Attributes
    ----------
    cause
        The name of the signal; empty before there is one.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.cause = ""
        self.grace_seconds = grace_seconds
        self._since = 0.0

    def request(self, cause: str) -> None:
        """Ask for the end; a second request changes nothing."""
        if not self.cause:
            self._since = time.monotonic()
            self.cause = cause

    def requested(self) -> bool:
        """Return whether the end was asked for."""
        return bool(self.cause)

    def overdue(self) -> bool:
        """Return whether it was, and the time for a better model is over."""
        return self.requested() and time.monotonic() - self._since >= self.grace_seconds

    def insist(self) -> None:
        """Allow no more time."""
        self.grace_seconds = 0.0


def on_signals() -> Stop:
    """Install the handlers of a training job: SIGTERM and the first Ctrl-C ask for the end, the second one is the end.

    Returns
    -------
    Stop
        Set by them.
    """
    stop = Stop()

    def handle(signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGINT and stop.requested():
            # What still computes in other threads is waited for.
            stop.insist()
            _end(signum, frame)
        stop.request(signal.Signals(signum).name)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def ignore_signals() -> None:
    """Let no signal change how a job ends that has ended: Python takes its handlers back while it shuts down."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)


def end_on_signals() -> None:
    """Let SIGTERM end this process with 0, and Ctrl-C as `end_on_interrupt` has it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    end_on_interrupt()


def end_on_interrupt() -> Stop:
    """Let Ctrl-C end this process without a traceback.

    Returns
    -------
    Stop
        Overdue from then on, for what computes in other threads, which are waited for.
    """
    stop = Stop(grace_seconds=0.0)

    def handle(signum: int, frame: FrameType | None) -> None:
        stop.request("SIGINT")
        _end(signum, frame)

    signal.signal(signal.SIGINT, handle)
    return stop


def _end(_signum: int, _frame: FrameType | None) -> None:
    """Leave whatever is being done, so that what is half written is removed; the next Ctrl-C does not wait for that."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    raise SystemExit(INTERRUPTED)
