"""The three ways in which a job ends badly. Exit code and prefix live on the class."""

from typing import ClassVar


class JobError(Exception):
    """Base of the errors that end a job with a message; its text is the sentence to act on."""

    exit_code: ClassVar[int]
    prefix: ClassVar[str]

    @property
    def message(self) -> str:
        """The text without the prefix: message, class of the cause, the cause."""
        text = super().__str__()
        if self.__cause__ is not None:
            text += f" (caused by {type(self.__cause__).__name__})\n\nCaused by: {self.__cause__}"
        return text

    def __str__(self) -> str:
        """Give the log text, in the built-in's form."""
        return f"{self.prefix}: {self.message}"


class AlgorithmError(JobError):
    """A bug of ours: nothing the user can mend."""

    exit_code = 1
    prefix = "Algorithm Error"


class CustomerError(JobError):
    """The user can mend it: a hyperparameter, a channel, the data."""

    exit_code = 2
    prefix = "Customer Error"


class PlatformError(JobError):
    """The environment failed: disk, network, another host."""

    exit_code = 3
    prefix = "Platform Error"


def error_of(exit_code: object, message: object) -> JobError:
    """Make the error that another process has told of, by its exit code and its message."""
    kinds = (kind for kind in (AlgorithmError, CustomerError) if kind.exit_code == exit_code)
    return next(kinds, PlatformError)(str(message))
