"""How a job that fails ends: exit code, log line and the failure file."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from container import packages
from container.errors import AlgorithmError, JobError, PlatformError
from container.files.atomic import replacing
from container.logs.logger import LOGGER

# SageMaker shows this many characters of the file as the FailureReason.
MAX_CHARACTERS = 1024


@dataclass
class Outcome:
    """The end of a job.

    Attributes
    ----------
    error : JobError or None
        Why the job has failed, if it has.
    """

    error: JobError | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of the job: 0 if it has succeeded."""
        return 0 if self.error is None else self.error.exit_code


@contextmanager
def reported(path: Path) -> Iterator[Outcome]:
    """Turn an exception of the block into an exit code, a log line and the failure file.

    An exception other than `JobError` is a bug, unless the operating system raised it or a package is missing. Its
    traceback goes to the log only.

    Parameters
    ----------
    path : Path
        The failure file. The file of an earlier job is removed first. The first writer wins: a file that is there when
        the block ends is kept.

    Yields
    ------
    Outcome
        Complete when the block has ended.
    """
    outcome = Outcome()
    _remove_earlier(path)
    try:
        yield outcome
    except Exception as exception:  # The boundary of the job: any exception must leave a reason and an exit code.
        outcome.error = job_error(exception)
        _report(outcome.error, path)


def job_error(exception: Exception) -> JobError:
    """Return an exception as an error of the job, and log the traceback if the exception was not expected."""
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


def _remove_earlier(path: Path) -> None:
    """Remove the failure file of an earlier job, which SageMaker would take for the one of this job."""
    try:
        path.unlink(missing_ok=True)
    except OSError as cause:
        LOGGER.warning("could not remove %s of an earlier job: %s", path, cause)


def _report(error: JobError, path: Path) -> None:
    LOGGER.error("%s", error)
    if path.is_file():
        LOGGER.info("%s holds an earlier reason, which is kept", path)
        return
    # File names need not be valid text.
    text = str(error).encode(errors="backslashreplace").decode()[:MAX_CHARACTERS]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())
    except OSError as cause:
        LOGGER.error("could not write %s: %s", path, cause)
