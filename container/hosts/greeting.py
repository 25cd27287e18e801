"""The first message of a launcher on a connection with another one."""

from dataclasses import dataclass
from typing import Any

from container.errors import JobError, error_of
from container.hosts.messages import MessageError, encode


class RefusedError(Exception):
    """The other host refuses to connect; the text says why."""


@dataclass(frozen=True)
class Greeting:
    """The first message of a launcher on a connection with another one.

    Attributes
    ----------
    host : str
        The name of its host.
    facts : dict of str to str
        Its facts, for `container.hosts.agreement`.
    failure : JobError or None
        Why the job has failed there, if it has.
    """

    host: str
    facts: dict[str, str]
    failure: JobError | None = None

    def encoded(self) -> bytes:
        """Return it as a message."""
        if self.failure is None:
            return encode(host=self.host, facts=self.facts)
        return encode(host=self.host, facts=self.facts, failed=self.failure.exit_code, message=self.failure.message)

    @classmethod
    def decoded(cls, message: dict[str, Any] | None) -> "Greeting":
        """Return the greeting that a message is.

        Raises
        ------
        MessageError
            If it is none.
        RefusedError
            If it says that the other host refuses to connect.
        """
        if message is None:
            raise MessageError("expected a greeting, got the end")
        if "refused" in message:
            raise RefusedError(str(message["refused"])[:500])
        host, facts = message.get("host"), message.get("facts")
        if not isinstance(host, str) or not isinstance(facts, dict):
            raise MessageError("expected a greeting with host and facts, got another one")
        failure = error_of(message["failed"], message.get("message")) if "failed" in message else None
        return cls(host, {str(name): str(value) for name, value in facts.items()}, failure)
