"""The three kinds of errors that end a job, each a class with its exit code and prefix."""

from typing import ClassVar


class JobError(Exception):
    """Base of the errors that end a job with a message; the text says what to do."""

    exit_code: ClassVar[int]
    prefix: ClassVar[str]

    @property
    def message(self) -> str:
        """The text without the prefix: the message, and the cause with its class."""
        text = super().__str__()
        if self.__cause__ is not None:
            text += f" (caused by {type(self.__cause__).__name__})\n\nCaused by: {self.__cause__}"
        return text

    def __str__(self) -> str:
        """Return the text for the log, in the built-in's form."""
        return f"{self.prefix}: {self.message}"


class AlgorithmError(JobError):
    """A bug of this program, which the user can't fix."""

    exit_code = 1
    prefix = "Algorithm Error"


class CustomerError(JobError):
    """A user error: a hyperparameter, a channel, the data."""

    exit_code = 2
    prefix = "Customer Error"


class PlatformError(JobError):
    """A failure of the environment: disk, network, another host."""

    exit_code = 3
    prefix = "Platform Error"


def error_of(exit_code: object, message: object) -> JobError:
    """Return the error that another process has reported, from its exit code and its message."""
    kinds = (kind for kind in (AlgorithmError, CustomerError) if kind.exit_code == exit_code)
    return next(kinds, PlatformError)(str(message))
