"""How a job ends: exit code, log line and the failure file."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from container import packages
from container.artifacts.atomic import replacing
from container.errors import AlgorithmError, JobError, PlatformError
from container.logs.logger import LOGGER

# SageMaker shows so many characters of the file as the FailureReason.
MAX_CHARACTERS = 1024


@dataclass
class Outcome:
    """The end of a job."""

    exit_code: int = 0


@contextmanager
def reported(path: Path) -> Iterator[Outcome]:
    """Turn an exception of the body into an exit code, a log line and the failure file.

    An error that is no `JobError` is a bug, unless the operating system raised it or a package is missing; its
    traceback goes to the log only.

    Parameters
    ----------
    path
        The failure file. That of an earlier job is removed first. The first writer wins: a reason that is there when
        the body ends is kept.

    Yields
    ------
    Outcome
        Complete when the body has ended.
    """
    outcome = Outcome()
    _forget(path)
    try:
        yield outcome
    except Exception as exception:  # The boundary of the job: whatever it is, it must leave a reason and an exit code.
        error = job_error(exception)
        _report(error, path)
        outcome.exit_code = error.exit_code


def job_error(exception: Exception) -> JobError:
    """Return the error that an exception is for the job, and log the traceback of what nobody expected."""
    if isinstance(exception, JobError):
        return exception
    lines = "".join(traceback.format_exception(exception))
    missing = packages.missing(exception)
    if missing or isinstance(exception, (OSError, MemoryError)):
        LOGGER.debug("%s", lines)
        return PlatformError(missing or _sentence(exception))
    LOGGER.error("%s", lines)
    return AlgorithmError(f"{_sentence(exception)}. This is a bug; the log has the traceback.")


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _forget(path: Path) -> None:
    """Remove the reason of an earlier job, which SageMaker would take for that of this one."""
    try:
        path.unlink(missing_ok=True)
    except OSError as cause:
        LOGGER.warning("could not remove %s of an earlier job: %s", path, cause)


def _report(error: JobError, path: Path) -> None:
    LOGGER.error("%s", error)
    if path.is_file():
        LOGGER.info("%s holds an earlier reason, which is kept", path)
        return
    # Names of files need not be text.
    text = str(error).encode(errors="backslashreplace").decode()[:MAX_CHARACTERS]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as cause:
        LOGGER.error("could not write %s: %s", path, cause)
