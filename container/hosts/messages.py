"""Messages of launchers and workers: JSON objects, one per line."""

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from container.files import json_object

if TYPE_CHECKING:
    import asyncio  # neither a worker nor a job of one host needs it, and importing it takes a while

# The longest message is a greeting: hyperparameters (100 of 2,500 characters) and versions.
MAX_LINE = 1 << 20


class Stage(IntEnum):
    """How far a worker is."""

    STARTING = 0
    # About to call MPI, which waits for all workers.
    JOINING = 1
    TRAINING = 2
    # It has no more work to do, and waits for the other hosts.
    DONE = 3
    # Its launcher knows that all hosts are done.
    LEAVING = 4


class MessageError(ValueError):
    """The bytes are no message."""


def stage_of(message: dict[str, Any]) -> Stage:
    """Return the stage that a message states.

    Raises
    ------
    MessageError
        If there is no such stage.
    """
    try:
        return Stage(message["stage"])
    except ValueError as error:
        raise MessageError(f"expected a stage, got {message!r:.60}") from error


def stuck_in(message: dict[str, Any]) -> int | None:
    """Return the number of the exchange that does not end, according to a message.

    Raises
    ------
    MessageError
        If it is no number.
    """
    exchange = message["stuck"]
    if exchange is not None and type(exchange) is not int:
        raise MessageError(f"expected the number of an exchange, got {message!r:.60}")
    return exchange


def encode(**content: Any) -> bytes:
    """Encode a message as a line."""
    return json.dumps(content).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Decode a line.

    Raises
    ------
    MessageError
        If it is no message.
    """
    try:
        return json_object.parse(line)
    except json_object.JSONObjectError as error:
        raise MessageError(f"expected a message, got {line[:60]!r}") from error


async def receive(reader: "asyncio.StreamReader") -> dict[str, Any] | None:
    """Wait for a message; return None if the other side has closed the connection, or is gone.

    Raises
    ------
    MessageError
        If a line is no message, or is too long.
    """
    try:
        line = await reader.readline()
    except ValueError:
        raise MessageError(f"expected a message of at most {MAX_LINE} bytes, got a longer one") from None
    except OSError:
        return None
    return decode(line) if line.endswith(b"\n") else None
